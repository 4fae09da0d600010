"""Numbers of pictures by word: means and intervals by condition and place, against plain computations."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.read.word_cells import WordChartOptions
from seqscore.evaluation.read.word_charts import WordChart, word_chart
from seqscore.scores.statistics.intervals import Sums, bootstrap_interval

RANDOM = np.random.default_rng(3)
LENGTHS = (3, 5, 4, 5, 2, 5)
TABLE = [
    {"row": str(text), "position": str(place), "word": f"w{place}", "condition": "ab"[text % 2], "unit": "bits"}
    | {"surprisal": str(RANDOM.exponential(4.0))}
    for text, length in enumerate(LENGTHS)
    for place in range(1, length + 1)
]


def chart(rows: list[dict[str, Any]], **options: Any) -> WordChart:
    return word_chart(((f"row {number}", row) for number, row in enumerate(rows)), WordChartOptions(**options))


def values_at(condition: str, place: int) -> list[float]:
    rows = [one for one in TABLE if one["condition"] == condition and one["position"] == str(place)]
    return [float(one["surprisal"]) for one in rows]


def changed(number: int, **columns: Any) -> list[dict[str, Any]]:
    return [row | columns if place == number else dict(row) for place, row in enumerate(TABLE)]


def test_means_and_t_intervals_are_those_of_the_texts_at_each_position() -> None:
    found = chart(TABLE, by="condition")
    (panel,) = found.panels
    assert [line.name for line in panel.lines] == ["a", "b"] and found.places == (1, 2, 3, 4, 5)
    assert (found.unit, found.at, found.texts, found.method, found.left) == (
        "bits",
        "position",
        6,
        "95 % t intervals",
        (),
    )
    for line in panel.lines:
        for index, place in enumerate(line.places):
            values = values_at(line.name, found.places[place])  # type: ignore[arg-type]
            assert line.counts[index] == len(values)
            assert line.means[index] == pytest.approx(statistics.fmean(values), rel=1e-15)
            if len(values) == 1:
                assert math.isnan(line.low[index]) and math.isnan(line.high[index])
            else:
                low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
                assert (line.low[index], line.high[index]) == pytest.approx((low, high), rel=1e-12)
    assert [line.counts.tolist() for line in panel.lines] == [[3, 3, 2, 1], [3, 3, 3, 3, 3]]


def test_the_level_and_a_bootstrap_are_what_was_asked_for() -> None:
    found = chart(TABLE, interval="bootstrap", level=0.8)
    assert found.method == "80 % bootstrap intervals"
    first = found.panels[0].lines[0]
    values = [float(one["surprisal"]) for one in TABLE if one["position"] == "1"]
    want = bootstrap_interval(Sums.of(values), "ratio", level=0.8)
    assert want is not None and (first.low[0], first.high[0]) == (want.low, want.high)
    narrow, wide = (chart(TABLE, level=level).panels[0].lines[0] for level in (0.5, 0.99))
    assert (narrow.low > wide.low).all() and (narrow.high < wide.high).all()


def test_the_order_of_the_rows_does_not_matter() -> None:
    turned = chart(TABLE[::-1], by="condition")
    lines = {one.name: one for one in turned.panels[0].lines}
    for line in chart(TABLE, by="condition").panels[0].lines:
        for name in ("places", "means", "counts"):
            assert np.array_equal(getattr(line, name), getattr(lines[line.name], name))


def test_words_of_a_region_are_added_up_within_a_text_and_readers_are_averaged() -> None:
    rows = [
        {"row": text, "position": place, "region": region, "surprisal": 0.1 * place + text, "rt": 300 + 10 * reader}
        for text in range(2)
        for place, region in ((1, "subject"), (2, "subject"), (3, "verb"))
        for reader in range(3)
    ]
    (line,) = chart(rows).panels[0].lines
    assert line.means.tolist() == pytest.approx([0.1 + 0.2 + 1.0, 0.3 + 0.5], rel=1e-15)
    assert line.counts.tolist() == [2, 2]
    found = chart(rows, value="rt")
    assert found.panels[0].lines[0].means.tolist() == [620.0, 310.0] and found.unit is None
    (line,) = chart(rows, at="position").panels[0].lines
    assert line.means.tolist() == pytest.approx([0.6, 0.7, 0.8], rel=1e-15)
    (line,) = chart([row for row in rows if row["row"] == 0], at="position").panels[0].lines
    assert line.means.tolist() == [0.1, 0.2, 0.1 * 3]  # equal values of readers stay what they are


@pytest.mark.parametrize(
    "texts",
    [
        (["subject", "rest"], ["subject", "verb", "rest"]),  # a region that only a later text has
        (["subject", "verb"], ["verb", "rest"]),
    ],
)
def test_regions_stand_in_the_order_of_the_texts(texts: tuple[list[str], ...]) -> None:
    rows = [{"row": number, "region": region, "surprisal": 1.0} for number, text in enumerate(texts) for region in text]
    assert chart(rows).places == ("subject", "verb", "rest")


def test_numbered_regions_stand_by_their_number_and_contrary_orders_as_they_come() -> None:
    rows = [{"row": 0, "region": str(one), "surprisal": 1.0} for one in (10, 9, 2)]
    assert chart(rows).places == ("2", "9", "10")
    rows = [{"row": n, "region": one, "surprisal": 1.0} for n, text in enumerate(("ab", "ba")) for one in text]
    assert chart(rows).places == ("a", "b")


def test_conditions_of_a_test_suite_are_texts_of_their_own() -> None:
    rows = [
        {"row": 0, "condition": condition, "region": "verb", "num_crossing": 0, "surprisal": value}
        for condition, value in (("good", 1.0), ("bad", 4.0))
    ]
    (line,) = chart(rows).panels[0].lines
    assert line.means.tolist() == [2.5] and line.counts.tolist() == [2]


def test_panels_share_their_places() -> None:
    found = chart(TABLE, facet="condition")
    assert [(panel.name, len(panel.lines), panel.lines[0].name) for panel in found.panels] == [
        ("a", 1, ""),
        ("b", 1, ""),
    ]
    assert found.panels[0].lines[0].places.tolist() == [0, 1, 2, 3]
    assert found.panels[0].labels == ("w1", "w2", "w3", "w4", "") and found.panels[1].labels[4] == "w5"


def test_a_place_of_many_words_is_named_by_its_number() -> None:
    rows = [{"row": n, "position": 1, "word": word, "surprisal": 1.0} for n, word in enumerate("abc")]
    assert chart(rows).panels[0].labels == ("a / b / c",)
    assert chart([*rows, {**rows[0], "row": 3, "word": "d"}]).panels[0].labels == ("1",)


@pytest.mark.parametrize("missing", ["", "nan", None])
def test_what_has_no_value_is_left_out_and_counted(missing: Any) -> None:
    found = chart(changed(0, surprisal=missing))
    line = found.panels[0].lines[0]
    assert found.left == ("1 place of a text without a value",)
    assert line.counts[0] == 5
    rest = [float(one["surprisal"]) for one in TABLE[1:] if one["position"] == "1"]
    assert line.means[0] == pytest.approx(statistics.fmean(rest), rel=1e-15)


def test_a_region_with_a_word_without_a_value_has_none() -> None:
    rows = [{"row": 0, "position": n, "region": "ab"[n // 2], "surprisal": "" if n == 1 else 1.0} for n in range(3)]
    found = chart(rows)
    assert found.places == ("a", "b") and found.left == ("1 place of a text without a value",)
    assert found.panels[0].lines[0].places.tolist() == [1]


def test_an_infinite_value_makes_the_mean_infinite_without_an_interval() -> None:
    line = chart(changed(0, surprisal="inf")).panels[0].lines[0]
    assert line.means[0] == math.inf and math.isnan(line.low[0]) and line.counts[0] == 6
    both = [{"row": n, "position": 1, "surprisal": value} for n, value in enumerate((math.inf, -math.inf))]
    assert math.isnan(chart(both).panels[0].lines[0].means[0])
    huge = [{"row": n, "position": 1, "surprisal": 1.7e308} for n in range(3)]
    assert math.isinf(chart(huge).panels[0].lines[0].means[0])


def test_ends_failures_and_rows_without_a_place_are_counted() -> None:
    rows = [
        {"row": 0, "region": "a", "position": 1, "surprisal": 1.0, "end_token": None, "error": ""},
        {"row": 0, "region": "", "position": 2, "surprisal": 1.0, "end_token": "", "error": ""},
        {"row": 0, "region": "a", "position": 3, "surprisal": 9.0, "end_token": 2, "error": ""},
        {"row": 1, "region": "", "position": "", "surprisal": "", "flags": "", "error": "no_text: x"},
    ]
    for nothing in (math.nan, pd.NA, np.nan):
        assert chart([{**rows[0], "end_token": nothing}]).panels[0].lines[0].means.tolist() == [1.0]
    for end in (np.int64(2), 2.0, "2"):
        assert chart([rows[0], {**rows[2], "end_token": end}]).left == ("1 end token",)
    found = chart(rows)
    assert found.left == ("1 row not scored", "1 end token", "1 row without a region")
    assert found.panels[0].lines[0].means.tolist() == [1.0] and found.method is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "color"}, "row 0 has no column 'color'; its columns are row, position"),
        ({"value": "rt"}, "has no column 'rt'"),
        ({"at": "zone"}, "has no column 'zone'"),
        ({"by": "n"}, "'n' has more than 8 values, the most lines that can be told apart"),
        ({"facet": ("n", "row")}, "'n', 'row' has more than 60 values"),
        ({"at": "n"}, "column 'n' has more than 120 values"),
        ({"interval": "normal"}, "interval='normal' is unknown; expected t or bootstrap"),
        ({"level": 95}, "level=95 must lie between 0 and 1"),
    ],
)
def test_what_a_picture_cannot_show_is_refused(options: dict[str, Any], message: str) -> None:
    rows = [{"row": n, "position": 1, "surprisal": 1.0, "n": f"n{n}"} for n in range(130)]
    with pytest.raises(OptionError) as caught:
        chart(rows, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"surprisal": "high"}, "row 1: column 'surprisal' holds 'high'; expected a number"),
        ({"surprisal": True}, "holds True; expected a number"),
        ({"position": "1.5"}, "row 1: column 'position' holds '1.5'; expected a whole number"),
        ({"position": "inf"}, "expected a whole number"),
        ({"unit": "nats"}, "row 1 is in nats, the rows before it in bits"),
    ],
)
def test_a_row_that_is_none_is_named(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        chart(changed(1, **row))
    assert message in str(caught.value)


def test_without_a_value_there_is_nothing_to_draw() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"row": 0, "position": 1, "surprisal": None}

    for given in ([], list(rows())):
        with pytest.raises(InputError, match="no value in the column 'surprisal'"):
            chart(given)
    with pytest.raises(InputError, match="neither a column 'row' nor 'id'"):
        chart([{"position": 1, "surprisal": 1.0}])
