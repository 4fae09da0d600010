"""The earlier sentences of a passage are the context of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqscore.errors import InputError, OptionError
from tests.evaluation.words.given import texts_of

STORIES = "story,text\ns,One.\ns,Two.\ns,Three.\nt,Four.\nt,Five.\n"
HOW = {"context_from": "passage", "passage": ("story",)}


def test_each_sentence_has_all_before_it(tmp_path: Path) -> None:
    found = texts_of(tmp_path / "a.csv", STORIES, **HOW)
    assert [(one.context, one.text) for one in found] == [
        (None, "One."),
        ("One.", "Two."),
        ("One. Two.", "Three."),
        (None, "Four."),
        ("Four.", "Five."),
    ]
    assert {one.delimiter for one in found if one.context} == {"auto"}
    assert [one.passage for one in found] == [("s",)] * 3 + [("t",)] * 2
    assert [one.passage for one in texts_of(tmp_path / "a.csv", STORIES)] == [None] * 5


def test_scripts_without_spaces_and_white_space_at_a_border(tmp_path: Path) -> None:
    data = "story,text\nz,他来了。\nz,他走了。\nz,好。\ne,One.\u00a0\ne,Two.\n"
    assert [one.context for one in texts_of(tmp_path / "a.csv", data, **HOW)][2:] == [
        "他来了。他走了。",
        None,
        "One.\u00a0",
    ]


def test_the_data_say_what_stands_between_sentences(tmp_path: Path) -> None:
    word = "{}\t{}\t_\t_\t_\t_\t_\t_\t_\t{}\n".format
    data = "".join(
        f"{border}{word(1, form, 'SpaceAfter=No')}{word(2, '.', misc)}\n"
        for border, form, misc in [
            ("# newdoc\n", "a", "SpaceAfter=No"),
            ("", "b", "_"),
            ("# newpar\n", "c", "_"),
            ("# newdoc\n", "d", "_"),
        ]
    )
    found = texts_of(tmp_path / "a.conllu", data, context_from="passage")
    assert [(one.context, one.delimiter) for one in found] == [(None, ""), ("a.", ""), ("a.b.", " "), (None, "")]
    with pytest.raises(OptionError, match=r"a\.conllu' has no '# newdoc' before its first sentence, so it is"):
        texts_of(tmp_path / "a.conllu", data.replace("# newdoc\n", "", 1), context_from="passage")
    rows = "story,sentence,word,space_after\nx,1,a,1\nx,1,.,0\nx,2,b,1\nx,2,.,1\n"
    grouped = texts_of(tmp_path / "b.csv", rows, group=("sentence",), **HOW)
    assert [(one.text, one.context, one.delimiter) for one in grouped] == [("a .", None, ""), ("b .", "a .", "")]
    assert grouped[1].columns == {"sentence": "2", "story": "x"}


def test_a_column_of_the_passage_is_the_same_in_all_rows_of_a_text(tmp_path: Path) -> None:
    (one,) = texts_of(tmp_path / "a.csv", "story,n,word\nx,1,a\ny,1,b\n", group=("n",), **HOW)
    assert "line 3: column 'story' is 'y', and 'x' at the first row of its group" in one


def test_behind_a_sentence_that_cannot_be_read_there_is_no_context(tmp_path: Path) -> None:
    data = "story,text\ns,One.\ns,NA\ns,Three.\nt,Four.\nt,Five.,x\nt,Six.\nu,Seven.\n,Eight.\nv,Nine.\nw,Ten.\n"
    found = texts_of(tmp_path / "a.csv", data, **HOW)
    failed = [one if isinstance(one, str) else None for one in found]
    assert [one is None for one in failed] == [True, False, False, True, False, False, True, False, False, True]
    assert "column 'text' is NA" in str(failed[1])
    assert "an earlier row of its passage has an error: " in str(failed[2])
    assert "number of values is 3" in str(failed[5]), "its own passage is not known: it stands within this one"
    assert "column 'story' is empty" in str(failed[8]), "it may have been the first of this one"


def test_passages_that_come_apart_or_never_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="line 4: the passage story = 's' begins again"):
        texts_of(tmp_path / "a.csv", "story,text\ns,a\nt,b\ns,c\n", **HOW)
    monkeypatch.setattr("seqscore.evaluation.words.passages._LONGEST", 8)
    assert texts_of(tmp_path / "a.csv", "story,text\ns,One.\ns,Two\n", **HOW)[1].context == "One."
    with pytest.raises(InputError, match="line 3: its passage is longer than 8 characters"):
        texts_of(tmp_path / "a.csv", "story,text\ns,One.\ns,Two.\n", **HOW)
