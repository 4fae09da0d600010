from __future__ import annotations

import math
import random
import re

import numpy as np
import pytest

from seqscore.errors import InputError
from seqscore.evaluation.tasks.criterion_tree import METRICS, Reference, references, verdict
from seqscore.evaluation.tasks.formulas import Names, parse

NAMES = Names(
    (
        ("gp", ("1", "2", "main clause")),
        ("no", ("1", "2", "main clause")),
        ("sub_no-matrix", ("1",)),
        ("a.b", ("c.d",)),
    ),
    aliases=(("1", "subject"), ("2", "verb")),
)
VALUES = {("gp", "1"): 3.0, ("gp", "2"): 8.0, ("no", "1"): 3.0, ("no", "2"): 5.0, ("gp", "*"): 11.0}


def look(one: Reference) -> float:
    return VALUES.get((one.condition, one.region), math.nan)


@pytest.mark.parametrize(
    ("formula", "holds", "margin"),
    [
        ("(2;%gp%) > (2;%no%)", True, 3.0),
        ("(2;%gp%)<(2;%no%)", False, -3.0),
        ("sum(gp.verb) > sum(no.2)", True, 3.0),
        ("sum( gp . subject ) > sum(no.1)", False, 0.0),
        ("(1;%gp%) = (1;%no%)", True, 1e-3 + 3e-5),
        ("(2;%gp%) = (2;%no%)", False, 1e-3 + 5e-5 - 3.0),
        ("5.00104 = (2;%no%)", True, 1e-5),
        ("(*;%gp%) > 1e1", True, 1.0),
        ("(2;%gp%) - (1;%gp%) - (1;%no%) > 1", True, 1.0),
        ("(2;%gp%) - ((1;%gp%) - (1;%no%)) > 1", True, 7.0),
        ("[ (2;%gp%) + (1;%gp%) ] > [ (2;%no%) + (1;%no%) ]", True, 3.0),
        ("2 * sum(no.2) + 1 / 2 > sum(gp.2)", True, 2.5),
        ("-sum(gp.2) < --1", True, 9.0),
        ("(2;%gp%) > 1 & (2;%no%) > 1", True, 4.0),
        ("(2;%gp%) > 1 & (2;%no%) > 6 & 1 > 0", False, -1.0),
        ("(2;%gp%) > 1 | (2;%no%) > 6", True, 7.0),
        ("((2;%gp%) > 9) | ((2;%no%) > 6)", False, -1.0),
        ("((2;%gp%) > 1 & 1 > 0) | 2 < 1", True, 1.0),
        ("sum(gp.main clause) > 1", None, math.nan),
        ("sum(gp.main clause) > 1 & 1 > 2", False, math.nan),
        ("sum(gp.main clause) > 1 | 2 > 1", True, math.nan),
        ("sum(gp.main clause) > 1 & 2 > 1", None, math.nan),
        ("sum(gp.main clause) > 1 | 1 > 2", None, math.nan),
        ("sum(gp.1) / 0 > 1", None, math.nan),
        ("(1;%sub_no-matrix%) > 1", None, math.nan),
        ("sum(a.b.c.d) > 1", None, math.nan),
    ],
)
def test_what_criteria_come_to(formula: str, holds: bool | None, margin: float) -> None:
    found = verdict(parse(formula, NAMES), look)
    assert found.holds is holds and found.margin == pytest.approx(margin, abs=1e-12, nan_ok=True)
    if formula.startswith("[") or "%" in formula:
        assert verdict(parse(formula.replace("[", "(").replace("]", ")"), NAMES), look) == found or math.isnan(margin)


@pytest.mark.parametrize(
    ("formula", "tied"),
    [("1 > 1", True), ("1 < 1", True), ("1 = 1", False), ("1 > 0 & 2 < 2", True), ("1 > 0", False)],
)
def test_ties_are_no_hits(formula: str, tied: bool) -> None:
    found = verdict(parse(formula, NAMES), look)
    assert found.tied is tied and (not tied or found.holds is False)


def test_impossible_regions() -> None:
    infinite = parse("(1;%gp%) > (1;%no%)", NAMES)
    assert verdict(infinite, lambda one: math.inf) == verdict(parse("1 > 1", NAMES), look), "both are impossible: a tie"
    assert verdict(infinite, lambda one: math.inf if one.condition == "gp" else 1.0).holds is True
    assert verdict(parse("(1;%gp%) = (1;%no%)", NAMES), lambda one: math.inf).holds is True
    assert verdict(parse("(1;%gp%) - (1;%no%) > 0", NAMES), lambda one: math.inf).holds is None


def test_arithmetic_is_that_of_python() -> None:
    """Chains of + - * / with parentheses, beside Python's own reading of the same text."""
    chance = random.Random(5)

    def chain(depth: int) -> str:
        parts = [str(chance.randint(1, 9)) for _ in range(chance.randint(1, 4))]
        if depth:
            parts[chance.randrange(len(parts))] = f"({chain(depth - 1)})"
        return "".join(one + chance.choice(["+", "-", "*", "/"]) for one in parts[:-1]) + parts[-1]

    for _ in range(200):
        text = chain(3)
        try:
            expected = eval(text)
        except ZeroDivisionError:
            expected = math.nan
        assert verdict(parse(f"{text} > 0.25", NAMES), look).margin == pytest.approx(
            expected - 0.25, rel=1e-9, nan_ok=True
        )


def test_metrics_are_those_of_numpy() -> None:
    bits = [3.0, 1.0, 7.5, 2.25]
    expected = {"sum": sum, "mean": np.mean, "median": np.median, "range": np.ptp, "max": max, "min": min}
    assert {name: one(bits) for name, one in METRICS.items()} == {name: one(bits) for name, one in expected.items()}
    found = parse("max(gp.1) > (2;%no%)", NAMES, metric="mean")
    assert list(references(found)) == [Reference("max", "gp", "1"), Reference("mean", "no", "2")]


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("", "a number or a region is expected, got its end, at character 0"),
        ("sum(gp.1)", "a comparison (<, > or =) is expected"),
        ("sum(gp.1) >", "a number or a region is expected, got its end"),
        ("1 > 2 > 3", "a comparison has two sides"),
        ("1 > 2 & 2 > 1 | 3 > 1", "& and | stand side by side; put parentheses"),
        ("(1 > 2) + 1 > 0", "a comparison stands where a number is expected"),
        ("1 & 2", "a comparison (<, > or =) is expected"),
        ("(1 > 2", "')' is expected, got its end"),
        ("[1 > 2)", "']' is expected, got ')'"),
        ("1 > 2)", "')' is not expected there, at character 5"),
        ("1 > 2 ; 3", "cannot read '; 3'"),
        ("__import__(1) > 1", "cannot read '__import__(1) > 1'"),
        ("sum(gp.1, no.1) > 1", "has no region '1, no.1'"),
        ("sum(gpp.1) > 1", "there is no condition 'gpp'; the conditions are 'gp', 'no', 'sub_no-matrix', 'a.b'"),
        ("sum(gp.verbs) > 1", "no region 'verbs'; its regions are '1 (subject)', '2 (verb)', 'main clause'"),
        ("(7;%gp%) > 1", "condition 'gp' has no region '7'"),
        ("(1;%nothing%) > 1", "there is no condition 'nothing'"),
        ("sum(gp) > 1", "must name a condition and a region, as in sum(CONDITION.REGION)"),
        ("(" * 60 + "1 > 0" + ")" * 60, "nested more than 50 deep"),
        ("1 > " + "0 + " * 4000 + "0", "is too long; expected at most 10,000"),
    ],
)
def test_what_is_no_criterion(formula: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        parse(formula, NAMES)


def test_long_criteria_are_read() -> None:
    assert verdict(parse("1 + " * 2000 + "1 > " + "-" * 999 + "1", NAMES), look).margin == 2002.0
    assert verdict(parse(" & ".join(["1 > 0"] * 1000), NAMES), look).holds is True
    assert verdict(parse("(" * 49 + "1 > 0" + ")" * 49, NAMES), look).holds is True


def test_names_that_may_mean_several_regions() -> None:
    names = Names((("a", ("b.c",)), ("a.b", ("c",))))
    with pytest.raises(InputError, match="names several regions"):
        parse("sum(a.b.c) > 1", names)
    clear = Names((("a", ("x",)), ("a.b", ("c",))))
    assert next(references(parse("sum(a.b.c) > 1", clear))) == Reference("sum", "a.b", "c")
    alone = Names((("", ("verb", "rest")),))
    assert next(references(parse("sum(verb) > 1", alone))) == Reference("sum", "", "verb")
