from __future__ import annotations

from typing import Any

from seqscore.output.run_notes import reason_lines, run_notes, scored_line

SUMMARY: dict[str, Any] = {
    "rows": 40,
    "scored": 30,
    "errors": {"bad_input": 9, "too_long": 1},
    "error_reasons": [
        {"code": "bad_input", "message": "it is null", "count": 8, "places": ["'a', line 3", "'a', line 5"]},
        {"code": "too_long", "message": "too long", "count": 1, "places": ["row 4"]},
    ],
    **{"tokens_cut": 0, "tokens_unread": 1621, "tokens_unknown": 2, "rows_cut": 0, "rows_unread": 3, "rows_unknown": 1},
    "boundaries": {"clean": 20, "separate": 5, "apart": 3, "odd": 2},
    "delimiters": {"": 3, " ": 1200},
    "figures": [
        {
            "name": "pearson",
            "group": None,
            "reason": None,
            "closed_interval": {"low": -0.5, "high": 0.25, "level": 0.95, "method": "Fisher"},
        },
        {"name": "pearson", "group": "a", "reason": "2 rows; at least 3", "closed_interval": None},
    ],
    "left_out": [{"figure": "accuracy_pmi", "rows": 2, "reason": "other tokens"}],
}


def test_only_what_is_not_usual_is_said() -> None:
    usual = {
        "rows": 2,
        "scored": 2,
        "errors": {},
        "error_reasons": [],
        "boundaries": {"clean": 4},
        "left_out": [],
        "figures": [],
    }
    for delimiters in ({}, {" ": 4}):
        assert run_notes({**SUMMARY, **usual, "tokens_unread": 0, "tokens_unknown": 0, "delimiters": delimiters}) == []
    assert scored_line(SUMMARY) == "30 of 40 rows scored; errors: 9 bad_input, 1 too_long"
    assert run_notes(SUMMARY) == [
        "8 bad_input: it is null ('a', line 3, 'a', line 5, ...)",
        "1 too_long: too long (row 4)",
        "1 with other errors",
        "1,621 tokens at the beginning of contexts not read, in 3 rows: the model cannot look back so far",
        "scored although the tokenizer does not know it: 2 unknown tokens in 1 row",
        "pearson: 95% interval by Fisher: -0.5000 to 0.2500",
        "pearson of group 'a': 2 rows; at least 3",
        "accuracy_pmi leaves out 2 of 30 rows: other tokens",
        "of 30 contexts and texts 3 tokenised apart, since a token would reach over the boundary; 2 odd",
        "delimiters: ' ' 1,200, '' 3",
    ]
    assert reason_lines(SUMMARY["error_reasons"], 10, most=1)[1:] == ["2 with other errors"]
