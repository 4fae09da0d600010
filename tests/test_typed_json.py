from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqscore.errors import InputError
from seqscore.typed_json import NotKept, cell, decoded, encoded, plain_cell

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.text(st.characters()),  # lone surrogates too
    st.binary(),
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(-timedelta(hours=3, minutes=30)), None])).map(
        lambda when: when.replace(fold=0)
    ),
    st.dates(),
    st.times().map(lambda when: when.replace(fold=0)),
    st.timedeltas(),
    st.uuids(),
)
names = st.text() | st.sampled_from(["$float", "$object", "$bytes", "$map", "$"])
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=8)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.dictionaries(st.text(), values))
def test_columns_come_back_as_they_were(columns: dict[str, Any]) -> None:
    text = encoded(columns)
    text.encode("utf-8")
    assert "\n" not in text and json.loads(text) is not None
    found = decoded(text, where="row 0")
    assert found == columns and repr(found) == repr(columns), "also True and 1, 1 and 1.0, 0.0 and -0.0"


def test_what_is_no_plain_value() -> None:
    columns: dict[str, Any] = {
        "nan": math.nan,
        "inf": -math.inf,
        "numbers": {1: "a", 2: "b"},
        "array": np.array([[1, 2]], np.int8),
        "scalar": np.float32(0.5),
        "nanoseconds": np.datetime64("2024-01-02T03:04:05.123456789"),
        "picture": object(),
        "tuple": (1, 2),
    }
    found = decoded(encoded(columns), where="row 0")
    assert math.isnan(found["nan"]) and found["inf"] == -math.inf and found["numbers"] == {1: "a", 2: "b"}
    assert (found["array"], found["scalar"], found["tuple"]) == ([[1, 2]], 0.5, [1, 2])
    assert found["nanoseconds"] == columns["nanoseconds"] and found["picture"] == NotKept("a object")
    assert encoded(found) == encoded(decoded(encoded(found), where="row 0"))


def test_no_value_makes_a_row_fail() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    found = decoded(encoded({"deep": deep, "digits": 10**5000, "good": 1}), where="row 0")
    assert found["good"] == 1 and found["deep"] == NotKept("nested too deeply")
    assert isinstance(found["digits"], NotKept)
    while deep:  # the interpreter would free it recursively
        deep = deep.pop()


NS = "2024-01-02T03:04:05.123456789"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((one, None) for one in (pd.NaT, np.datetime64("NaT"), np.timedelta64("NaT", "s"))),
        *((np.datetime64(one), datetime(2020, 1, 1)) for one in ("2020", "2020-01", "2020-01-01", "2020-01-01T00")),
        (np.datetime64("20000-01-01"), np.datetime64("20000-01-01T00:00:00", "s")),
        (np.datetime64(10**12, "Y"), NotKept("a datetime64")),
        (np.datetime64(NS), np.datetime64(NS)),
        (pd.Timestamp(NS, tz="UTC"), f"{NS}+00:00"),
        (np.datetime64(f"{NS}012"), np.datetime64(f"{NS}012")),
        (np.array(["2020", NS], "M8[ns]"), [datetime(2020, 1, 1), np.datetime64(NS)]),
        *((one, np.timedelta64(-1, "ns")) for one in (pd.Timedelta(-1, "ns"), np.timedelta64(-1, "ns"))),
        (pd.Timedelta(1500, "ns"), np.timedelta64(1500, "ns")),
        (np.timedelta64(36, "h"), timedelta(1.5)),
        (np.timedelta64(1, "Y"), NotKept("a timedelta64")),
        ({("a", (1, None)): 2, (): 3}, {("a", (1, None)): 2, (): 3}),
        ({frozenset([1]): 2, 3: 4}, {NotKept("a frozenset"): 2, 3: 4}),
        (np.longdouble(1), NotKept("a longdouble")),
        (memoryview(b"abcd")[::2], b"ac"),
    ],
)
def test_whatever_is_stored_can_be_read_again(value: Any, expected: Any) -> None:
    for put in (lambda one: one, lambda one: {"x": [one]}):
        found = decoded(encoded({"a": put(value), "b": 1}), where="row 0")
        assert found["b"] == 1 and type(found["a"]) is type(put(expected))
        if not isinstance(expected, NotKept):
            assert found["a"] == put(expected)
            assert decoded(encoded(found), where="row 0") == found
    assert decoded(encoded({"a": value}), where="row 0")["a"] == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "3", '{"a": {"$what": 1}}', '{"a": {"$bytes": "?"}}', '{"a": {"$decimal": "x"}}', '{"a": NaN'),
        *('{"a": {"$timestamp": 3}}', '{"a": {"$duration": [1, 2, 3, 4, 5, 6, 7, 8, 9]}}', '{"a": {"$map": [1]}}'),
        *('{"a": {"$map": [[{}, 1]]}}', '{"a": {"$object": 3}}', "[" * 100_000),
    ],
)
def test_a_changed_text_is_told(text: str) -> None:
    with pytest.raises(InputError, match="row 7: the columns of the row cannot be read"):
        decoded(text, where="row 7")


def test_values_for_any_reader() -> None:
    cases: list[tuple[Any, Any, str]] = [
        (None, None, ""),
        (True, True, "true"),
        (2**70, 2**70, str(2**70)),
        (0.1, 0.1, "0.1"),
        (math.nan, "NaN", "NaN"),
        (-math.inf, "-Infinity", "-Infinity"),
        ("é\n", "é\n", "é\n"),
        (b"\xff", "/w==", "/w=="),
        (Decimal("1.10"), "1.10", "1.10"),
        (datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02T03:00:00+00:00", "2024-01-02T03:00:00+00:00"),
        (date(2024, 1, 2), "2024-01-02", "2024-01-02"),
        (time(1, 2), "01:02:00", "01:02:00"),
        (timedelta(days=1, seconds=1), "1 day, 0:00:01", "1 day, 0:00:01"),
        (UUID(int=0), str(UUID(int=0)), str(UUID(int=0))),
        ([1, {"a": math.nan}], [1, {"a": "NaN"}], '[1, {"a": "NaN"}]'),
        (NotKept("a picture"), None, ""),
    ]
    for value, as_json, as_cell in cases:
        assert (plain_cell(value), cell(value)) == (as_json, as_cell)
