"""What can be drawn of a source: a run folder, two of them, or a file of scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seqscore.errors import InputError, OptionError
from seqscore.evaluate.charts import RunCharts, charts_of_run
from seqscore.evaluate.compare import paired_values
from seqscore.evaluate.score_files import charts_of_scores, read_scores
from seqscore.evaluate.store import read_run
from seqscore.evaluate.views import RowView, view_run

__all__ = ["gallery", "rows_named"]


def gallery(source: Path, other: Path | None = None) -> RunCharts:
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
        charts = replace(charts_of_run(run), pair=paired_values(run, read_run(other)))
    if all(getattr(charts, name) is None for name in RunCharts.__dataclass_fields__):
        raise InputError(f"{str(source)!r} holds no score, so there is nothing to draw")
    return charts


def rows_named(source: Path, ids: Sequence[str]) -> list[RowView]:
    """The rows of a source that have these ids, in the order of the ids.

    Raises:
        InputError: there is no such row, or its tokens were not kept.
    """
    wanted = set(ids)
    found = {row.id: row for row in _rows(source, bool(ids)) if row.id in wanted}
    for one in ids:
        if one not in found:
            raise InputError(f"{str(source)!r} has no row {one!r}; ids are row numbers from 0, or those of --id-column")
        if found[one].error is not None:
            raise InputError(f"row {one!r} of {str(source)!r} was not scored: {found[one].error}")
        if all(item.tokens is None for item in found[one].items):
            raise InputError(f"{str(source)!r} holds no tokens; make it with eval --keep tokens, or score --tokens")
    return [found[one] for one in ids]


def _rows(source: Path, wanted: bool) -> Iterator[RowView]:
    if wanted:
        yield from view_run(read_run(source)) if source.is_dir() else read_scores(source)
