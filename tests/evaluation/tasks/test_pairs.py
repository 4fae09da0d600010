"""Minimal pairs in the forms in which they are published, beside transformers itself in float64."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from seqscore.errors import OptionError
from seqscore.evaluation.read.views import view_run
from seqscore.evaluation.tasks.pairs import NOT_APPLICABLE
from seqscore.evaluation.tasks.registry import guess_fields, make_task
from tests.evaluation.evaluated import figures, log_likelihood, rows_of, run_task

CLOSE = 2e-4  # float32 against float64: at most 30 tokens, each off by at most about 5e-6 nat on this model


def blimp(method: str | None = None, **columns: Any) -> dict[str, Any]:
    """A row as BLiMP has it, to which besides sentences one method applies, or none."""
    flags = {f"{name}_method": name == method for name in ("one_prefix", "two_prefix")}
    row = {"sentence_good": "the cat is here", "sentence_bad": "the cat are here", "UID": "agreement"}
    return {**row, **columns, "simple_LM_method": True, **flags}


ONE = blimp("one_prefix", one_prefix_prefix="the cat", one_prefix_word_good="is", one_prefix_word_bad="are", UID="one")
TWO = blimp(
    "two_prefix", two_prefix_prefix_good="the cat", two_prefix_prefix_bad="a dog", two_prefix_word=" sat", UID="two"
)
ROWS = [blimp(), ONE, TWO, blimp(), ONE, TWO, blimp(), blimp()]


@pytest.mark.parametrize(
    ("method", "good", "bad"),
    [
        ("sentence", ("the cat is here", ""), ("the cat are here", "")),
        ("one-prefix", (" is", "the cat"), (" are", "the cat")),
        ("two-prefix", (" sat", "the cat"), (" sat", "a dog")),
    ],
)
def test_the_methods_of_blimp(tmp_path: Path, method: str, good: tuple[str, str], bad: tuple[str, str]) -> None:
    run = run_task(tmp_path, "pairs", ROWS, method=method)
    margin = log_likelihood(*good)[0] - log_likelihood(*bad)[0]
    found, stored = figures(run), rows_of(run)
    assert found["mean_margin"] == pytest.approx(margin, abs=CLOSE)
    assert found["accuracy"] == float(margin > 0)
    assert ("accuracy_per_token" in found) == (method != "two-prefix")
    applies = [row["UID"] == method[:3] or method == "sentence" for row in ROWS]
    assert [bool(row["items"]) for row in stored] == applies
    assert [row["group"] for row in stored] == [row["UID"] for row in ROWS], "left out or not, rows are in order"
    assert run.summary is not None and run.summary["errors"] == {} and run.num_rows == 8
    left_out = [] if method == "sentence" else [{"figure": "accuracy", "rows": 6, "reason": NOT_APPLICABLE}]
    assert run.summary["left_out"] == left_out
    assert [len(row.items) for row in view_run(run)] == [2 * one for one in applies]


def test_a_run_in_which_a_method_applies_to_no_row(tmp_path: Path) -> None:
    run = run_task(tmp_path, "pairs", [TWO, TWO, blimp(), TWO], method="one-prefix")
    assert figures(run)["accuracy"] is None and run.summary is not None and run.summary["left_out"][0]["rows"] == 4


def test_what_the_data_say_of_a_method(tmp_path: Path) -> None:
    flags = ["True", "false", 1, 0, None, "", "maybe"]
    rows = [{**ONE, "one_prefix_method": flag} for flag in flags] + [{**ONE}]
    del rows[-1]["one_prefix_method"]
    stored = rows_of(run_task(tmp_path, "pairs", rows, method="one-prefix"))
    assert [row["items"] and len(row["items"]) for row in stored] == [2, [], 2, [], 2, None, None, 2]
    assert "is 'maybe'; expected true or false" in stored[6]["error_message"]
    with pytest.raises(OptionError, match="no column looks like the context"):
        make_task("pairs", ["sentence_good", "sentence_bad"], method="one-prefix")
    with pytest.raises(OptionError, match="method='two' is unknown"):
        make_task("pairs", ["good", "bad"], method="two")


def test_contexts_vary_and_the_property_stays(tmp_path: Path) -> None:
    row = {"prefix_acceptable": "a cat", "prefix_unacceptable": "the dog", "property_phrase": "sat on the mat."}
    run = run_task(tmp_path, "pairs", [row])
    own = [log_likelihood(" sat on the mat.", context)[0] for context in ("a cat", "the dog")]
    assert [item["log_likelihood"] for item in rows_of(run)[0]["items"]] == pytest.approx(own, abs=CLOSE)
    (view,) = view_run(run)
    assert view.heading[0] == "…a cat", "the texts alone do not tell the two apart"


def test_one_good_text_and_several_bad_ones(tmp_path: Path) -> None:
    texts = ["the cat sat on the mat.", "mat the on sat cat the.", "the cat sat the on mat.", "cat."]
    ranked = sorted(texts, key=lambda text: -log_likelihood(text)[0])
    rows = [
        {"good": ranked[0], "foils": ranked[1:]},
        {"good": ranked[1], "foils": [ranked[0], ranked[2], ranked[3]]},
        {"good": ranked[2], "foils": [ranked[2], ranked[3]]},
        {"good": ranked[0], "foils": []},
        {"good": ranked[0], "foils": "cat."},
    ]
    run = run_task(tmp_path, "pairs", rows)
    own = [log_likelihood(text)[0] for text in ranked]
    found = figures(run)
    assert found["accuracy"] == 1 / 3 and found["ties"] == 1 / 3
    assert found["accuracy_pairwise"] == (3 + 2 + 1) / (3 + 3 + 2), "a tie is no win"
    assert found["mean_margin"] == pytest.approx((own[0] - own[1] + own[1] - own[0] + 0.0) / 3, abs=CLOSE)
    assert [row["error_code"] for row in rows_of(run)] == [None, None, None, "bad_input", "bad_input"]
    assert "list of at least one text" in rows_of(run)[3]["error_message"]
    assert [item.label for item in next(view_run(run)).items] == ["good", "bad 1", "bad 2", "bad 3"]


def test_an_impossible_text_beside_others_leaves_the_margin_out(tmp_path: Path) -> None:
    run = run_task(tmp_path, "pairs", [{"good": "a", "bad_1": "b", "bad_2": "c"}])
    row = rows_of(run)[0]
    task = make_task("pairs", ["good", "bad_1", "bad_2"])
    row["items"][2]["log_likelihood"] = -math.inf
    assert "mean_margin" in task.values(row), "the best bad one counts"
    row["items"][1]["log_likelihood"] = -math.inf
    assert "mean_margin" not in task.values(row) and task.values(row)["accuracy"] == (1.0, 1.0)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("good bad1 bad2", {"good": "good", "bads": ("bad1", "bad2")}),
        ("sentence_good sentence_bad_1 sentence_bad_2 UID", ("sentence_bad_1", "sentence_bad_2")),
        ("grammatical foil_a foil_b", ("foil_a", "foil_b")),
        ("good bad A B", None),
        ("good bad choice1 choice2", None),
    ],
)
def test_columns_of_several_bad_texts(columns: str, expected: Any) -> None:
    found = guess_fields("pairs", columns.split()).columns
    assert found.get("bads") == (expected["bads"] if isinstance(expected, dict) else expected)
