"""The figures on the terminal and as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .comparison import Row, Spread, own_conventions
from .machine import Machine

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HOW_COMPARED = (
    "Same model folder, texts, dtype and threads; each run is a process of its own; the systems take turns. Time is "
    "from texts to log-likelihoods, tokenising included, loading not.",
    "After every run the scores of all systems are compared, request by request; where they differ no time counts.",
    "Scores follow lm-eval's convention (start token before a text, none before a context); minicons gets the start "
    "token in front of a text and, to its advantage, batches sorted by length.",
    "pos/s: positions asked for in a second, the same number for all systems. run: positions that went through the "
    "model, padding included. memory: peak above the loaded weights. cores: processor time over time, below the number "
    "of threads where the machine was busy otherwise. time: over seqscore's in the same repetition.",
    "document: lm-eval's rolling windows for all. document-overlap: seqscore's own, each token with at least half a "
    "window before it, which takes about twice the positions; lm-eval has no such windows.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What holds for all rows."""

    model: str
    machine: Machine
    dtype: str
    threads: int
    busy: int = 0


def record(row: Row, about: About) -> dict[str, Any]:
    """The row as plain values, one a column, with model and machine; None where there is no figure."""
    versions, last = row.versions, row.runs[-1] if row.runs else {}
    return {
        "workload": row.workload,
        "system": row.system,
        "status": "ok" if row.unable is None else f"n/a: {row.unable}",
        "kind": row.kind,
        "requests": row.requests,
        "requests_left_out": row.left_out,
        "tokens_scored": row.counts.scored,
        "positions_asked": row.counts.asked,
        "positions_unique": row.counts.unique,
        "positions_run": last.get("positions"),
        **_spread("seconds", row.seconds),
        "cores_busy": row.cores_busy,
        "repetitions": len(row.runs),
        "positions_per_second": row.per_second(row.counts.asked),
        "scored_per_second": row.per_second(row.counts.scored),
        **_spread("time_over_seqscore", row.ratio),
        "peak_bytes_above_weights": row.memory,
        "memory_method": last.get("memory_method"),
        "largest_difference_nats": row.largest_difference,
        "batch": row.batch,
        "engine": versions.get("engine"),
        "version_system": versions.get(row.system.replace("-", "_")),
        "version_torch": versions.get("torch"),
        "version_transformers": versions.get("transformers"),
        "model": about.model,
        "dtype": about.dtype,
        "threads": about.threads,
        "busy_processes": about.busy,
        **{f"machine_{name}": value for name, value in asdict(about.machine).items()},
    }


def _spread(name: str, found: Spread | None) -> dict[str, float | None]:
    values = (None, None, None) if found is None else (found.median, found.least, found.greatest)
    return {f"{name}_{which}": value for which, value in zip(("median", "min", "max"), values, strict=True)}


def write_csv(path: Path, rows: Sequence[Row], about: About) -> None:
    """A line for each row; an empty field where there is no figure."""
    table = [record(row, about) for row in rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def show_workload(console: Console, rows: Sequence[Row]) -> None:
    """A table for the rows of one workload, what was asked for above it."""
    first = rows[0]
    counts = first.counts
    left_out = f"; {first.left_out:,} left out, longer than the model's context" if first.left_out else ""
    console.print()
    console.print(
        f"{first.workload}: {first.requests:,} requests, {counts.scored:,} tokens scored, {counts.asked:,} positions "
        f"asked for, {counts.unique:,} of them unique{left_out}",
    )
    console.print(_table(rows))
    differences = [row.largest_difference for row in rows if row.largest_difference is not None]
    if differences:
        console.print(f"largest difference between two scores: {max(differences):.1e} nats")


def _table(rows: Sequence[Row]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("system", no_wrap=True)
    for name in ("seconds", "pos/s", "run", "memory", "cores", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("batches", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> list[str]:
    if row.unable is not None or row.seconds is None:
        return [row.system, "n/a", "", "", "", "", "", row.unable or ""]
    rate, run, memory = row.per_second(row.counts.asked), row.runs[-1]["positions"], row.memory
    return [
        row.system,
        _with_range(row.seconds, ".2f"),
        "" if rate is None else f"{rate:,.0f}",
        f"{run:,}",
        "" if memory is None else f"{memory / 1e9:.2f} GB",
        "" if row.cores_busy is None else f"{row.cores_busy:.2f}",
        "" if row.ratio is None else f"{_with_range(row.ratio, '.2f')} x",
        row.batch,
    ]


def _with_range(value: Spread, form: str) -> str:
    return f"{value.median:{form}} ({value.least:{form}}–{value.greatest:{form}})"


def show_about(console: Console, rows: Sequence[Row], about: About) -> None:
    """Machine, versions, and how the comparison was made."""
    machine = about.machine
    versions: dict[str, set[str]] = {}
    for row in rows:
        for name, version in row.versions.items():
            versions.setdefault(name, set()).add(version)
    named = ", ".join(f"{name} {' and '.join(sorted(each))}" for name, each in sorted(versions.items()))
    console.print()
    console.print(
        f"{about.model}, {about.dtype}; {machine.cpu}, {about.threads} of {machine.cores} cores, "
        f"{machine.memory / 1e9:.0f} GB, {machine.system}; {named}"
    )
    if about.busy:
        console.print(f"Beside {about.busy} busy process{'es' if about.busy > 1 else ''}.")
    ratio = own_conventions(rows)
    if ratio is not None:
        console.print(
            f"A long document, each tool's own windows (seqscore's overlap by half, lm-eval's do not): seqscore scores "
            f"{ratio:.2f} times as many tokens in a second."
        )
    for line in HOW_COMPARED:
        console.print(f"- {line}")
    for name in ("torch", "transformers"):
        if len(versions.get(name, ())) > 1:
            console.print(f"NOTE: {name} is not the same for all systems: {', '.join(sorted(versions[name]))}")
