from __future__ import annotations

from typing import Any

from seqscore.evaluation.scored.reasons import KINDS, PLACES, Reasons


def collected(*rows: tuple[str, str]) -> list[Any]:
    reasons = Reasons()
    for number, (code, message) in enumerate(rows):
        reasons.add(code, message, row=str(number))
    assert reasons.total == len(rows)
    return reasons.to_list()


def test_messages_that_differ_in_place_and_numbers_are_one_kind() -> None:
    found = collected(
        *(("bad_input", f"'a, line b.jsonl', line {n}: column 'x' is null; expected text") for n in (3, 14, 15, 92)),
        ("too_long", "1,133 tokens do not fit into 512"),
        ("too_long", "2,000 tokens do not fit into 512"),
        ("bad_input", "'b.csv', row 7 has no column 'x'"),
    )
    assert found == [
        {
            "code": "bad_input",
            "message": "column 'x' is null; expected text",
            "count": 4,
            "places": ["'a, line b.jsonl', line 3", "'a, line b.jsonl', line 14", "'a, line b.jsonl', line 15"],
        },
        {"code": "too_long", "message": "1,133 tokens do not fit into 512", "count": 2, "places": ["row 4", "row 5"]},
        {"code": "bad_input", "message": "has no column 'x'", "count": 1, "places": ["'b.csv', row 7"]},
    ]


def test_places_are_named_once_and_end_before_what_follows_them() -> None:
    reasons = Reasons()
    reasons.add("bad_input", "'a.jsonl', line 1,200, word 3 is null; expected text", row="5")
    reasons.add("bad_input", "it is too long", row="row 0")
    reasons.add("bad_input", "it is too long", row="s1")
    first, second = sorted(reasons.to_list(), key=lambda one: one["count"])
    assert (first["places"], first["message"]) == (["'a.jsonl', line 1,200"], "word 3 is null; expected text")
    assert second["places"] == ["row 0", "row s1"]


def test_the_most_frequent_are_kept_and_memory_is_bounded() -> None:
    kinds = [f"the value is '{'abcdefghijklmnopqrstuvwxyz'[n % 26]}{'x' * (n // 26)}'" for n in range(3000)]
    found = collected(*(("bad_input", message) for message in [*kinds, *[kinds[700]] * 5]))
    assert len(found) == KINDS
    assert found[0]["message"].startswith("the value is 'y") and found[0]["count"] == 6
    assert len(found[0]["places"]) == PLACES
    (long,) = collected(("bad_input", "x" * 10_000))
    assert len(long["message"]) == 300
