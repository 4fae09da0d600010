"""Texts of any kind as a table of words: sums, contexts, columns, in seven languages."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from seqscore import GivenWords, OptionError, Pair, words
from seqscore.errors import SeqscoreWarning
from seqscore.evaluation.words.word_data import WordTextOptions, word_texts
from seqscore.evaluation.words.word_rows import score_words
from seqscore.evaluation.words.word_table import WordColumns
from seqscore.text.joins import delimiter_between
from tests.evaluation.evaluated import tiny_scorer
from tests.evaluation.words.given import dataset_of

SENTENCES = {
    "en": ["The", "keys", "to", "the", "old", "piano", "are", "here."],
    "de": ["Im", "Zug", "saß", "die", "Frau,", "die", "las."],
    "fi": ["Työhuoneessammekin", "sataa", "vettä", "öisin."],
    "zh": ["他", "昨天", "在", "图书馆", "看", "书", "。"],
    "ja": ["猫", "が", "窓", "から", "外", "を", "見て", "いる", "。"],
    "ar": ["ذهب", "الولدُ", "إلى", "المدرسةِ", "صباحًا."],
    "tr": ["Çocuklar", "İstanbul'daki", "evlerimizdeydiler."],
}


def table(data: Any, **options: Any) -> list[dict[str, Any]]:
    return list(words(tiny_scorer(), data, **options))


def rows_of_words(language: str) -> list[dict[str, Any]]:
    return [{"item": language, "n": place, "form": word} for place, word in enumerate(SENTENCES[language])]


@pytest.mark.parametrize("how", ["list", "group"])
def test_words_of_seven_languages_are_theirs_and_add_up(how: str) -> None:
    for language, expected in SENTENCES.items():
        joiner = "" if language in ("zh", "ja") else " "
        data = [{"words": expected}] if how == "list" else rows_of_words(language)
        rows = table(data, joiner=joiner, **({"group": "item", "fields": {"word": "form"}} if how == "group" else {}))
        assert [row["word"] for row in rows] == expected
        text = joiner.join(expected)
        assert [text[row["char_start"] : row["char_end"]] for row in rows] == expected
        assert [text.encode()[row["start"] : row["end"]].decode() for row in rows] == expected
        whole = tiny_scorer().score(text)
        assert math.isclose(
            sum(row["log_likelihood"] for row in rows) * math.log(2), whole.log_likelihood, rel_tol=1e-14
        )
        assert sum(row["num_tokens"] for row in rows) == len(whole)
        times = [{"item": language, "n": place, "form": word, "rt": place} for place, word in enumerate(expected)]
        if how == "group":
            joined = table(data, joiner=joiner, group="item", fields={"word": "form"}, join=times, by=["item", "n"])
            assert [row["rt"] for row in joined] == list(range(len(expected)))


STORY = [["The", "keys", "rust."], ["It", "rained."], ["The", "old", "dog", "slept."]]


@pytest.mark.parametrize("given", [True, False])
def test_a_passage_is_scored_once_each_word_given_all_before_it(given: bool) -> None:
    data = [
        {"story": story, **({"words": one} if given else {"text": " ".join(one)})} for story in "ab" for one in STORY
    ]
    rows = table(data, context_from="passage", passage="story")
    assert [row["word"] for row in rows] == [word for _ in "ab" for one in STORY for word in one]
    by_text = defaultdict(list)
    for row in rows:
        by_text[row["row"]].append(row["log_likelihood"])
    context = ""
    for place, one in enumerate(STORY):
        text = " ".join(one)
        alone = tiny_scorer().words(Pair(context, text, delimiter="auto") if context else text)
        assert by_text[place] == by_text[place + 3] == [row["log_likelihood"] for row in alone.to_dicts()]
        context += delimiter_between(context, text) + text
    whole = tiny_scorer().score(context).log_likelihood
    assert math.isclose(sum(map(math.fsum, by_text.values())) / 2 * math.log(2), whole, rel_tol=1e-6)
    assert rows[3]["position"] == 1 and rows[3]["char_start"] == 0


def test_the_words_before_are_those_of_the_rows_before() -> None:
    data = [{"story": "a", "words": one, "item": place} for place, one in enumerate(STORY)]
    lists = [{"word": word, "count": 3 + len(word)} for one in STORY[:2] for word in one]
    how = {"spillover": 2, "frequencies": lists}
    names = ("surprisal", "surprisal_corrected", "length", "log_frequency")
    for passage in (False, True):
        more: dict[str, Any] = {"context_from": "passage", "passage": "story"} if passage else {}
        rows = table(data, **how, **more)
        for place, row in enumerate(rows):
            for back in (1, 2):
                inside = place - back >= 0 and (passage or row["position"] > back)
                for name in names:
                    assert row[f"{name}_prev{back}"] == (rows[place - back][name] if inside else None)
    assert rows[-1]["log_frequency"] is None
    assert math.isclose(rows[1]["log_frequency"], math.log(7))


def test_columns_of_texts_and_words_stay_and_are_told_apart() -> None:
    own = [{"word": "It", "rt": 310, "row": 5}, {"word": "rained.", "rt": 402}]
    data = [{"id": 7, "condition": "a", "rt": 0, "words": own}]
    with pytest.warns(SeqscoreWarning, match="'row' of the input is called 'data_row'"):
        one, two = table(data, id_column="id", spillover=1, spillover_of="word_rt")
    own[0].pop("row")
    assert (one["id"], one["row"], one["condition"], one["rt"], one["word_rt"]) == (7, 0, "a", 0, 310)
    assert (one["data_row"], two["word_rt_prev1"], one["word_rt_prev1"]) == (5, 310, None)
    (short, _) = table(data, keep_columns="condition", spillover=1, spillover_of="word_rt")
    assert set(one) - set(short) == {"rt", "word_rt", "data_row"}
    none = table(data, keep_columns="none")
    assert not {"condition", "rt"} & set(none[0])
    with pytest.raises(OptionError, match="there is no column 'x' to keep"):
        table(data, keep_columns=["x"])
    with pytest.raises(
        OptionError, match="there is no column 'x'; the columns of the words are id, condition, rt, word_rt"
    ):
        table(data, frequency_column="x")


def test_a_text_that_cannot_be_scored_stands_in_its_place() -> None:
    data = [{"text": "It rained."}, {"text": None}, {"text": ""}, {"text": "Nobody came."}]
    rows = table(data, errors="record", spillover=1)
    assert [(row["row"], row["word"]) for row in rows] == [
        (0, "It"),
        (0, "rained."),
        (1, None),
        (2, None),
        (3, "Nobody"),
        (3, "came."),
    ]
    assert rows[2]["error"].startswith("no_text: ") and rows[3]["error"] is None


def test_given_words_are_those_of_the_scorer() -> None:
    rows = table([{"words": ["New York", "slept", "."], "text": "New York slept."}], unit="nats")
    expected = tiny_scorer().words(GivenWords(["New York", "slept", "."], text="New York slept."))
    assert [row["surprisal"] for row in rows] == expected.surprisals("nats").tolist()
    with pytest.raises(ValueError, match=r"word 2, 'sleeps', is not where it should be: the text has 'slept\.'"):
        table([{"words": ["New York", "sleeps"], "text": "New York slept."}])


def test_an_end_token_that_is_scored_is_no_word_that_was_read() -> None:
    data = [{"story": "a", "words": [{"word": word, "rt": 1} for word in one]} for one in STORY]
    times = [{"row": row, "position": place + 1, "ms": 5} for row, one in enumerate(STORY) for place in range(len(one))]
    how: dict[str, Any] = {"spillover": 1, "context_from": "passage", "passage": "story", "correction": "none"}
    rows = table(data, eos="scored", join=times, by=["row", "position"], **how)
    ends = [row for row in rows if row["end_token"] is not None]
    assert [row["flags"] for row in ends] == ["end"] * 3 and {row["end_token"] for row in ends} == {2}
    assert [(row["row"], row["length"], row["surprisal_prev1"], row.get("rt"), row.get("ms")) for row in ends] == [
        (place, None, None, None, None) for place in range(3)
    ]
    others = table(data, **how)
    for row, other in zip([row for row in rows if row not in ends], others, strict=True):
        assert {name: row[name] for name in other} == other and row["ms"] == 5


def test_what_the_numbers_depend_on_is_in_the_signature() -> None:
    made = words(tiny_scorer(), [{"a": 1, "text": "It rained."}], context_from="passage", passage="a")
    assert made.signature is None
    list(made)
    assert str(made.signature).endswith("|words:space|correction:space/begin|context:passage")
    alone = words(tiny_scorer(), [{"text": "It rained."}])
    list(alone)
    assert made.signature == f"{alone.signature}|context:passage"


def test_memory_does_not_grow_with_the_texts(tmp_path: Any) -> None:
    data = "".join(json.dumps({"story": place // 50, "text": "It rained."}) + "\n" for place in range(400))
    dataset = dataset_of(tmp_path / "a.jsonl", data)
    taken = 0

    def counted(texts: Iterable[Any]) -> Iterator[Any]:
        nonlocal taken
        for text in texts:
            taken += 1
            yield text

    found = word_texts(dataset, WordTextOptions(context_from="passage", passage=("story",)))
    rows = WordColumns().rows(score_words(tiny_scorer(), counted(found), bos="none"))
    next(rows)
    assert taken <= 17
