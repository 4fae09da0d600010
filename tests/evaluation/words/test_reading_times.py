"""Rows of readers joined to words: every row of both sides is accounted for."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.scored.scored_rows import OutputRecord
from seqscore.evaluation.words.reading_times import JoinCounts, JoinOptions, reading_times
from tests.evaluation.words.given import dataset_of

TEXTS = {"1": "The old keys rust .", "2": "It rained ."}
OWN = frozenset({"n"})


def words(item: str, text: str | None = None) -> list[OutputRecord]:
    found = (text or TEXTS[item]).split()
    return [
        OutputRecord({"id": item, "position": place, "word": word}, {"item": item, "n": str(place)})
        for place, word in enumerate(found, start=1)
    ]


def joined(
    path: Path,
    data: str | bytes,
    texts: Sequence[list[OutputRecord]] | None = None,
    *,
    said: list[str] | None = None,
    left: bool = False,
    empty_cells: Any = "error",
    **options: Any,
) -> tuple[list[dict[str, Any]], JoinCounts]:
    dataset = dataset_of(path, data, said, empty_cells=empty_cells)
    options = {"by": ("item", "position"), **options}
    with reading_times(dataset, JoinOptions(**options)) as times:
        rows = [
            {**row.fields, **row.columns}
            for text in (texts if texts is not None else [words(item) for item in TEXTS])
            for row in times.join(text, OWN)
        ]
        if not left:
            times.check_all_used()
        return rows, times.counts


def times_of(*readers: str, skip: Sequence[tuple[str, int]] = (), header: str = "item,position,word,subject,rt") -> str:
    rows = [header]
    for reader in readers:
        for item, text in TEXTS.items():
            for place, word in enumerate(text.split(), start=1):
                if (item, place) not in skip:
                    rows.append(f"{item},{place},{word},{reader},{100 * place + len(rows)}")
    return "\n".join(rows) + "\n"


def test_a_row_a_word_and_reader(tmp_path: Path) -> None:
    data = times_of("ana", "ben")
    rows, counts = joined(tmp_path / "rt.csv", data)
    assert [(row["item"], row["position"], row["word"], row["subject"]) for row in rows[:4]] == [
        ("1", 1, "The", "ana"),
        ("1", 1, "The", "ben"),
        ("1", 2, "old", "ana"),
        ("1", 2, "old", "ben"),
    ]
    lines = {tuple(line.split(",")) for line in data.splitlines()[1:]}
    assert {(row["item"], str(row["position"]), row["word"], row["subject"], row["rt"]) for row in rows} == lines
    assert len(rows) == 16
    assert (counts.rows, counts.joined, counts.words, counts.words_without) == (16, 16, 8, 0)


def test_words_without_a_row_stay_and_are_counted(tmp_path: Path) -> None:
    rows, counts = joined(tmp_path / "rt.csv", times_of("ana", skip=[("1", 5), ("2", 1), ("2", 2), ("2", 3)]))
    assert [row["rt"] is None for row in rows] == [False] * 4 + [True] * 4
    assert (rows[4]["subject"], counts.joined, counts.words_without) == (None, 4, 4)
    assert counts.first_without == "item = '1', position = '5', word 5, '.'"


def test_rows_of_no_word_are_refused_with_their_places(tmp_path: Path) -> None:
    data = times_of("ana") + "".join(f"3,{place},x,ana,1\n" for place in range(1, 6))
    with pytest.raises(InputError, match=r"5 rows of .*rt.csv' belong to no word: .*line 10 \(item = '3', pos"):
        joined(tmp_path / "rt.csv", data)
    assert joined(tmp_path / "rt.csv", data, left=True)[1].joined == 8


def test_the_first_word_that_does_not_match_is_shown_with_its_neighbours(tmp_path: Path) -> None:
    data = times_of("ana", "ben").replace("1,3,keys,ben", "1,3,key,ben").replace("1,4,rust,ben", "1,4,rusts,ben")
    with pytest.raises(InputError) as caught:
        joined(tmp_path / "rt.csv", data)
    assert caught.value.message == (
        f"the words do not match at item = '1', position = '3', word 3, 'keys': '{tmp_path}/rt.csv', line 12 has "
        f"'key'. The text: The old [keys] rust .; there: The old [key] rusts ."
    )
    by_order = times_of("ana").replace("1,1,The", "1,1,A")
    with pytest.raises(InputError, match=r"The text: \[The\] old keys \.\.\.; there: \[A\] old keys \.\.\."):
        joined(tmp_path / "rt.csv", by_order, by=("item",))


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("Keys", "they differ in case; --match letters takes them for the same"),
        ("keys,", "they differ in punctuation; --match letters"),
        ("ke\u200bys", r"not seen: none and U\+200B; --match letters"),
        ("locks", None),
    ],
)
def test_what_differs_is_said(tmp_path: Path, there: str, said: str | None) -> None:
    data = times_of("ana", header="item,position,word,subject,rt").replace("keys", f'"{there}"')
    with pytest.raises(InputError, match=said or "has 'locks'. The text"):
        joined(tmp_path / "rt.csv", data)
    if said is None:
        with pytest.raises(InputError, match="do not match"):
            joined(tmp_path / "rt.csv", data, match="letters")
        return
    rows, counts = joined(tmp_path / "rt.csv", data, match="letters")
    assert (rows[2]["word"], rows[2]["join_word"], counts.joined) == ("keys", there, 8)


def test_decomposed_accents(tmp_path: Path) -> None:
    text = [words("1", "Un élève dort")]
    data = unicodedata.normalize("NFD", "item,position,word\n1,1,Un\n1,2,élève\n1,3,dort\n")
    with pytest.raises(InputError, match="another Unicode normal form: NFC and NFD; --match letters"):
        joined(tmp_path / "rt.csv", data, text)
    assert joined(tmp_path / "rt.csv", data, text, match="letters")[1].joined == 3


def test_by_the_order_of_the_rows_of_a_text(tmp_path: Path) -> None:
    data = times_of("ana", "ben")
    rows, _ = joined(tmp_path / "rt.csv", data, by=("item",), reader=("subject",))
    keyed, _ = joined(tmp_path / "rt.csv", data)
    assert [(row["word"], row["subject"], row["rt"]) for row in rows] == [
        (row["word"], row["subject"], row["rt"]) for row in keyed
    ]
    with pytest.raises(InputError, match=r"has 10 rows \(from .*line 2\) and the text 5 words .*where several readers"):
        joined(tmp_path / "rt.csv", data, by=("item",))
    short = times_of("ana", "ben", skip=[("1", 5)])
    with pytest.raises(InputError, match=r"has 4 rows of a reader .* and the text 5 words at item = '1'; with"):
        joined(tmp_path / "rt.csv", short, by=("item",), reader=("subject",))


def test_a_word_column_of_the_data_is_a_position(tmp_path: Path) -> None:
    data = times_of("ana", "ben", header="stim,wordnr,word,subject,rt")
    assert joined(tmp_path / "rt.csv", data, by=("item=stim", "n=wordnr"))[1].joined == 16


def test_a_column_of_the_data_is_meant_where_ours_has_its_name(tmp_path: Path) -> None:
    texts = [  # with columns "id" and "position", which are their own
        [OutputRecord(one.fields, {**one.columns, "id": f"s{item}", "position": "77"}) for one in words(item)]
        for item in TEXTS
    ]

    data = times_of("ana").replace("\n1,", "\ns1,").replace("\n2,", "\ns2,").replace("item", "id")
    rows, counts = joined(tmp_path / "rt.csv", data, texts, by=("id", "position"))
    assert counts.joined == 8 and {row["subject"] for row in rows} == {"ana"}
    with pytest.raises(InputError, match=r"rows of .* belong to no word: .*line 2 \(id = '1', position = '1'\)"):
        joined(tmp_path / "rt.csv", times_of("ana").replace("item", "id"), texts, by=("id", "position"))


def test_numbers_are_the_same_however_they_are_written(tmp_path: Path) -> None:
    data = '{"item": 1.0, "position": 1, "rt": 5}\n{"item": "2", "position": "3.0", "rt": 6}\n'
    said: list[str] = []
    rows, counts = joined(tmp_path / "rt.jsonl", data, said=said)
    assert (rows[0]["rt"], rows[7]["rt"], counts.joined) == (5, 6, 2)
    assert "has no column of words: they are joined without being compared" in said[0]


def test_a_row_belongs_to_one_word(tmp_path: Path) -> None:
    data = times_of("ana")
    with pytest.raises(InputError, match="line 2 belongs to two words, the second at item = '1'"):
        joined(tmp_path / "rt.csv", data, [words("1"), words("1")], left=True, by=("item",))
    with pytest.raises(InputError, match="line 2 belongs to two words"):
        joined(tmp_path / "rt.csv", data, [words("1"), words("2"), words("1")])
    twice = data + "1,1,The,ana,7\n"
    assert joined(tmp_path / "rt.csv", twice)[1].joined == 9
    with pytest.raises(InputError, match="line 2: its reader has more than one row at item = '1', position = '1'"):
        joined(tmp_path / "rt.csv", twice, reader=("subject",))


def test_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    rows, _ = joined(tmp_path / "rt.csv", times_of("ana", header="item,position,word,n,rt"))
    assert (rows[0]["n"], rows[0]["join_n"]) == ("1", "ana")


def test_words_that_spell_nothing_and_empty_cells(tmp_path: Path) -> None:
    data = "item,position,word,rt\n1,1,null,NA\n1,2,NA,3\n"
    rows, _ = joined(tmp_path / "rt.csv", data, [words("1", "null NA")])
    assert [row["rt"] for row in rows] == ["NA", "3"]
    for bad, said in (
        ("1,1,,3\n", "line 2: column 'word' holds no word"),
        (",1,a,3\n", "line 2: column 'item' is empty"),
        ("1,1,a\n", "line 2: number of values is 3"),
    ):
        with pytest.raises(InputError, match=said):
            joined(tmp_path / "rt.csv", "item,position,word,rt\n" + bad)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"by": ()}, "must name columns that both sides have"),
        ({"by": "item"}, "by='item' must name columns"),
        ({"by": ("item", "place")}, "has no column 'place'"),
        ({"reader": ("who",)}, "has no column 'who'"),
        ({"word": "form"}, "has no column 'form'"),
        ({"match": "loose"}, "match='loose' is unknown"),
        ({"by": ("subject=item", "position")}, "the words has no column 'subject'"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises((OptionError, InputError), match=said):
        joined(tmp_path / "rt.csv", times_of("ana"), **options)


def test_texts_of_any_characters_are_kept(tmp_path: Path) -> None:
    data = '{"item": 1, "position": 1, "word": "a\\ud800", "rt": "\\udfff\\u0000"}\n'
    rows, _ = joined(tmp_path / "rt.jsonl", data, [words("1", "a\ud800")])
    assert rows[0]["rt"] == "\udfff\u0000"
