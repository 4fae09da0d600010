"""Sentences of CoNLL-U: surface words, spaces, documents and paragraphs."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from seqscore.errors import InputError
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.dataset import open_dataset
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.filter.copies import check_copyable
from tests.evaluation.data.reading import read


def line(number: str, form: str, lemma: str = "_", upos: str = "_", head: str = "_", misc: str = "_") -> str:
    return "\t".join([number, form, lemma, upos, "_", "_", head, "_", "_", misc]) + "\n"


GERMAN = (
    "# newdoc id = d1\n# newpar\n# sent_id = s1\n# speaker = Ana\n"
    + line("1-2", "Im")
    + line("1", "In", "in", "ADP", "3")
    + line("2", "dem", "der", "DET", "3")
    + line("3", "Haus", "Haus", "NOUN", "0")
    + line("4", "ist", "sein", "AUX", "3", "SpaceAfter=No")
    + line("5", "'s", "es", "PRON", "3")
    + line("5.1", "nichts")
    + line("6", "kalt", "kalt", "ADJ", "3", "SpaceAfter=No|Gloss=cold")
    + line("7", ".", ".", "PUNCT", "3")
    + "\n"
)


def rows(path: Path, data: str | bytes, **options: Any) -> list[Any]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    found = open_dataset([str(path)], options=DataOptions(**options)).rows()
    return [row.error.message if isinstance(row, Problem) else row.values for row in found]


def test_a_multiword_token_is_one_word_and_an_empty_node_none(tmp_path: Path) -> None:
    (row,) = rows(tmp_path / "a.conllu", GERMAN)
    assert row["text"] == "Im Haus ist's kalt."
    assert (row["sent_id"], row["newdoc"], row["newpar"], row["speaker"]) == ("s1", "d1", "1", "Ana")
    words = row["words"]
    assert [one["word"] for one in words] == ["Im", "Haus", "ist", "'s", "kalt", "."]
    assert [one["space_after"] for one in words] == [True, True, False, True, False, True]
    assert [one["conllu_id"] for one in words] == ["1-2", "3", "4", "5", "6", "7"]
    assert (words[0]["lemma"], words[0]["upos"], words[0]["head"]) == ("in+der", "ADP+DET", "3+3")
    assert (words[4]["misc"], words[4]["feats"], words[0]["misc"]) == ("SpaceAfter=No|Gloss=cold", None, None)


def test_the_comment_is_the_text_and_borders_last_until_the_next(tmp_path: Path) -> None:
    one = "# text = Ja,\u00a0 ja!\n" + line("1", "Ja", misc="SpaceAfter=No") + line("2", ",") + line("3", "ja!") + "\n"
    data = one + "# newdoc\n" + one + one + "# newpar id = p\n" + one + "# newdoc\n# newpar\n" + one
    found = rows(tmp_path / "a.conllu", data)
    assert {row["text"] for row in found} == {"Ja,\u00a0 ja!"}
    assert [(row["newdoc"], row["newpar"]) for row in found] == [
        (None, None),
        ("1", None),
        ("1", None),
        ("1", "p"),
        ("2", "2"),
    ]


def test_line_ends_marks_and_characters_that_look_like_spaces(tmp_path: Path) -> None:
    data = line("1", "東\u3000京") + line("2", "a\u00a0b", misc="SpaceAfter=No") + line("3", "\u200bx\u2028")
    expected = rows(tmp_path / "a.conllu", data)
    assert expected[0]["text"] == "東\u3000京 a\u00a0b\u200bx\u2028"
    assert rows(tmp_path / "b.conllu", b"\xef\xbb\xbf" + data.replace("\n", "\r\n").encode()) == expected
    assert rows(tmp_path / "c.conllu", "\r\n \n\n" + data + "\n\n\n") == expected


def test_columns_of_conllu_plus(tmp_path: Path) -> None:
    data = "# global.columns = ID FORM MISC\n# sent_id = 1\n1\tJa\tSpaceAfter=No\n2\t!\t_\n\n1\tNein\t_\n"
    first, second = rows(tmp_path / "a.conllup", data)
    assert (first["text"], second["text"], first["words"][0]["lemma"]) == ("Ja!", "Nein", None)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("one word\n", "line 4: the sentence is not CoNLL-U: Invalid line format"),
        ("x\tJa\n", "is not a valid ID"),
        ("_\tJa\t_\n", "a line has no id"),
        ("# sent_id = 7\n", "the sentence has no word"),
        (line("1-2", "Im") + line("1", "In"), "the words of the multiword token 1-2 do not stand behind it"),
        (line("1", "a") + line("1", "b"), "word 1 stands behind word 1; expected 2"),
        (line("1", "a") + line("3", "b"), "word 3 stands behind word 1; expected 2"),
        (line("1", "New  York"), "two spaces on end"),
        ("1\t" + "x" * 2000 + "\t_\n", "is longer than 1,000 bytes"),
        (line("1", "x" * 600) + line("2", "x" * 600), "the sentence has more than 1,000 characters"),
    ],
)
def test_a_bad_sentence_costs_itself_alone(tmp_path: Path, bad: str, said: str) -> None:
    good = line("1", "Ja") + "\n"
    found = rows(tmp_path / "a.conllu", good + "\n" + bad + "\n" + good, max_line_bytes=1000)
    assert found[0]["text"] == found[2]["text"] == "Ja"
    assert said in found[1]


def test_every_command_that_reads_rows_reads_its_texts(tmp_path: Path) -> None:
    assert read(tmp_path / "a.conllu.gz", gzip.compress(GERMAN.encode())) == (["Im Haus ist's kalt."], [])
    assert read(tmp_path / "a.txt", GERMAN, read_as="conllu") == (["Im Haus ist's kalt."], [])


def test_its_sentences_are_not_sorted_into_files(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(GERMAN)
    with pytest.raises(InputError, match="is CoNLL-U, whose sentences"):
        check_copyable(str(tmp_path / "a.conllu"), DataOptions())
