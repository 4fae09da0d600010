"""What can be drawn of a source: a run folder, two of them, or a file of scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.read.charts import RunCharts, charts_of_run
from seqscore.evaluation.read.compare import with_scatter
from seqscore.evaluation.read.score_files import charts_of_scores, read_scores
from seqscore.evaluation.read.views import RowView, view_run
from seqscore.evaluation.run.run_folder import read_run


def charts_of(source: Path, other: Path | None = None) -> RunCharts:
    """The charts of a source, with the rows of another run beside its own where one is named.

    Raises:
        InputError: the source cannot be read, or holds nothing that can be drawn.
        OptionError: two sources are not two runs over the same data.
    """
    if other is None:
        charts = charts_of_run(read_run(source)) if source.is_dir() else charts_of_scores(read_scores(source))
    else:
        if not (source.is_dir() and other.is_dir()):
            raise OptionError(f"two sources must be folders of runs, got {str(source)!r} and {str(other)!r}")
        run = read_run(source)
        charts = with_scatter(charts_of_run(run), run, read_run(other))
    if not charts:
        raise InputError(f"{str(source)!r} holds no score, so there is nothing to draw")
    return charts


def rows_named(source: Path, ids: Sequence[str], *, numbers: Sequence[int] = ()) -> list[RowView]:
    """The rows of a source that have these ids, in the order of the ids, then those that have these numbers.

    Raises:
        InputError: there is no such row, several have an id, or a row's tokens were not kept.
    """
    by_id: dict[str, list[RowView]] = {one: [] for one in ids}
    by_number: dict[int, list[RowView]] = {one: [] for one in numbers}
    for row in _rows(source, bool(ids or numbers)):
        for found in (by_id.get(row.id), by_number.get(row.number)):
            if found is not None:
                found.append(replace(row, items=()) if found else row)
    named = [_one_row(source, repr(one), by_id[one]) for one in ids]
    numbered = [_one_row(source, f"number {one}", by_number[one]) for one in numbers]
    # Other rows may have the same id, and figures of the same name.
    return named + [row if row.id == str(row.number) else _with_number(row) for row in numbered]


def _with_number(row: RowView) -> RowView:
    return replace(row, id=f"{row.id} (row {row.number})")


def _one_row(source: Path, name: str, found: Sequence[RowView]) -> RowView:
    if not found:
        raise InputError(
            f"{str(source)!r} has no row {name}; ids are row numbers from 0, or those of id_column (--id-column)"
        )
    if len(found) > 1:
        shown = ", ".join(str(row.number) for row in found[:8]) + (", ..." if len(found) > 8 else "")
        raise InputError(
            f"{len(found)} rows of {str(source)!r} have the id {name}: numbers {shown}; name one with --row NUMBER"
        )
    if found[0].error is not None:
        raise InputError(f"row {name} of {str(source)!r} was not scored: {found[0].error}")
    if all(item.tokens is None for item in found[0].items):
        raise InputError(
            f"{str(source)!r} holds no tokens; make it with eval --keep tokens (keep='tokens'), or score --tokens"
        )
    return found[0]


def _rows(source: Path, wanted: bool) -> Iterator[RowView]:
    if wanted:
        yield from view_run(read_run(source)) if source.is_dir() else read_scores(source)
