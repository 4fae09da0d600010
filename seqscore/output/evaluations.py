"""Summaries and comparisons of runs: tables for people, one line of JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from seqscore.output.console import console_on
from seqscore.output.destination import Output
from seqscore.output.escape import terminal_text
from seqscore.output.jsonl import print_json
from seqscore.output.numbers import NOTHING, shown_interval, shown_number, shown_p, shown_signed
from seqscore.output.run_notes import run_notes, scored_line

if TYPE_CHECKING:
    from seqscore.evaluation.read.compare import Comparison
    from seqscore.evaluation.run.run_task import DryRun
    from seqscore.plan.workload import Workload
    from seqscore.scores.statistics.intervals import Interval

_COUNTS = ("both right", "only a", "only b", "neither")


def print_summary(summary: Mapping[str, Any]) -> None:
    """Every figure with its interval, how many rows it is of, and the signature."""
    table = _table("figure", "value", "interval", "rows", "unit")
    best = _best_swept(summary["figures"])
    for figure in summary["figures"]:
        if figure.get("use") == "sweep":
            continue
        name = figure["name"] if figure["group"] is None else f"  {figure['group']}"
        cells = (
            name,
            shown_number(figure["value"]),
            shown_interval(figure["interval"]),
            f"{figure['count']:,}",
            figure["unit"],
        )
        table.add_row(*_cells(*cells), style=None if figure["group"] is None else "dim")
    with Output(None) as output, output.errors():
        console = console_on(output)
        console.print(terminal_text(f"{summary['task']}: {scored_line(summary)}"))
        for line in run_notes(summary):
            console.print(f"  {terminal_text(line)}", soft_wrap=True)
        console.print(table)
        if best is not None:
            setting, value = best["name"].rpartition("_")[2], shown_number(best["value"])
            said = f"of the settings tried on these same rows {setting} was best: {value} {best['unit']}"
            console.print(terminal_text(said))
        console.print(f"signature: {terminal_text(summary['signature'])}", soft_wrap=True)


def _best_swept(figures: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The first of the best of a sweep; None where nothing was swept."""
    swept = [one for one in figures if one.get("use") == "sweep" and one["value"] is not None]
    return min(swept, key=lambda one: float(one["value"]) * (-1 if one.get("better") == "higher" else 1), default=None)


def _table(*headers: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, header in enumerate(headers):
        numeric = header in ("value", "interval", "rows", "a", "b", "difference", "p", *_COUNTS)
        table.add_column(header, justify="right" if numeric else "left", no_wrap=place == 0 or numeric)
    return table


def _cells(*cells: str) -> Iterator[str]:
    return (terminal_text(cell) for cell in cells)


def print_dry_run(found: DryRun) -> None:
    """What a run would come to, in words."""
    work = found.workload
    unknown = f"known to {found.engine} alone, which cuts texts itself"
    with Output(None) as output:
        lines = [
            f"rows:             {found.num_rows:,} ({found.num_errors:,} of them cannot be read)",
            f"sequences:        {work.num_items:,}",
            f"tokens to score:  {unknown if work.num_targets is None else f'{work.num_targets:,}'}",
            f"positions to run: {_positions(work, found) or unknown}",
        ]
        output.write(("\n".join(lines) + "\n").encode())


def _positions(work: Workload, found: DryRun) -> str:
    """How many are run, and what is saved or not; empty where that is not known."""
    if work.num_run is None or work.num_inputs is None or work.num_distinct is None:
        return ""
    if found.conditioning == "both":
        return f"{work.num_run:,} (each token is a row of its own: {work.num_targets:,} rows of a forward pass)"
    if work.num_run == work.num_inputs > work.num_distinct:
        return f"{work.num_run:,} (engine {found.engine} shares nothing; of them {work.num_distinct:,} are distinct)"
    saved = 1 - work.num_run / work.num_inputs if work.num_inputs else 0.0
    distinct = f"; {work.num_distinct:,} are distinct" if work.num_run != work.num_distinct else ""
    return f"{work.num_run:,} (one by one {work.num_inputs:,}; sharing saves {saved:.0%}{distinct})"


def write_summary_json(summary: Mapping[str, Any]) -> None:
    """The summary as one line of JSON on standard output."""
    print_json(summary)


def print_comparison(found: Comparison) -> None:
    """Two runs side by side, the tests, and the rows that differ most."""
    table = _table("measure", "a", "b", "difference", "interval", "p")
    for one in found.measures:
        bootstrap = one.bootstrap
        cells = (
            one.name,
            shown_number(one.a),
            shown_number(one.b),
            shown_signed(bootstrap.difference),
            _pair(bootstrap.interval),
            shown_p(one.randomisation.p_value),
        )
        table.add_row(*_cells(*cells))
    with Output(None) as output, output.errors():
        console = console_on(output)
        console.print(terminal_text(f"a: {found.a}   b: {found.b}   {found.num_rows:,} rows in both"))
        if found.only_a or found.only_b:
            console.print(f"left out: {found.only_a:,} rows that only a scored, {found.only_b:,} that only b scored")
        for line in found.differs:
            console.print(f"  {terminal_text(line)}", soft_wrap=True)
        console.print(table)
        console.print(_method(found), soft_wrap=True)
        if any(one.mcnemar is not None for one in found.measures):
            console.print(_mcnemar(found))
        if found.largest:
            console.print(_largest(found))


def _largest(found: Comparison) -> Table:
    rows = _table(f"rows that differ most in {found.by}", "a", "b", "difference")
    for one in found.largest:
        rows.add_row(*_cells(str(one.id), shown_number(one.a), shown_number(one.b), shown_signed(one.difference)))
    return rows


def _mcnemar(found: Comparison) -> Table:
    table = _table("exact McNemar test", *_COUNTS, "p")
    for one in found.measures:
        if one.mcnemar is not None and one.better == "higher":  # else a hit is nothing that is right
            test = one.mcnemar
            counts = (f"{count:,}" for count in (test.both, test.only_a, test.only_b, test.neither))
            table.add_row(*_cells(one.name, *counts, shown_p(test.p_value)))
    return table


def _method(found: Comparison) -> str:
    """How the numbers were made, in a line."""
    if found.num_rows < 2:
        return "one row: neither p nor intervals are defined"
    one = found.measures[0]
    level = 0.0 if one.bootstrap.interval is None else one.bootstrap.interval.level
    drawn = f"{one.bootstrap.resamples:,} resamples of the rows, seed {one.bootstrap.seed}"
    assigned = "all assignments" if one.randomisation.exact else f"{one.randomisation.assignments:,} assignments"
    bootstrap = f"difference b - a with {level:.0%} interval (paired bootstrap, {drawn}); " if level else ""
    return f"{bootstrap}p: approximate randomisation, {assigned}, two-sided"


def _pair(interval: Interval | None) -> str:
    return NOTHING if interval is None else f"{shown_signed(interval.low)} to {shown_signed(interval.high)}"


def write_comparison_json(found: Comparison) -> None:
    """The comparison as one line of JSON on standard output; infinities as text."""
    print_json(found.to_dict())


def print_citation(signature: str, summary: Mapping[str, Any] | None) -> None:
    """The figures in a line, where the run is complete, and the signature."""
    lines = []
    if summary is None:
        lines.append("(the run is not complete: no figures yet)")
    else:
        if summary["scored"] != summary["rows"]:
            lines.append(scored_line(summary))
        lines += run_notes(summary)
        for figure in summary["figures"]:
            if figure["group"] is None and figure.get("use") != "sweep" and figure["value"] is not None:
                interval = figure["interval"]
                level = "" if interval is None else f" ({float(interval['level']):.0%}: {shown_interval(interval)})"
                lines.append(f"{figure['name']} = {shown_number(figure['value'])}{level}, n = {figure['count']:,}")
    with Output(None) as output:
        text = "\n".join(terminal_text(line) for line in (*lines, signature))
        output.write(text.encode("utf-8", "replace") + b"\n")
