"""What can be drawn of a source: a run folder, two of them, a file of scores or one of words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.records import Record
from seqscore.evaluation.data.source_files import read_file
from seqscore.evaluation.data.streams import is_stream
from seqscore.evaluation.read.charts import RunCharts, charts_of_run, region_rows
from seqscore.evaluation.read.compare import with_scatter
from seqscore.evaluation.read.score_files import WRITTEN, charts_of_scores, read_scores
from seqscore.evaluation.read.views import RowView, view_run
from seqscore.evaluation.read.word_cells import Placed, WordChartOptions
from seqscore.evaluation.read.word_charts import word_chart
from seqscore.evaluation.run.run_folder import read_run


def charts_of(source: Path, other: Path | None = None, *, words: WordChartOptions | None = None) -> RunCharts:
    """The charts of a source, with the rows of another run beside its own where one is named.

    ``words``: what a picture by word shows; a file of words has one without being asked.

    Raises:
        InputError: the source cannot be read, or holds nothing that can be drawn.
        OptionError: two sources are not two runs over the same data, or a picture by word is asked for that cannot be.
    """
    if other is None:
        charts = _charts_of_run(source, words) if source.is_dir() else _charts_of_file(source, words)
    elif words is not None:
        raise OptionError("a picture by word (--by, --facet, ...) is of one source, got two")
    else:
        if not (source.is_dir() and other.is_dir()):
            raise OptionError(f"two sources must be folders of runs, got {str(source)!r} and {str(other)!r}")
        run = read_run(source)
        charts = with_scatter(charts_of_run(run), run, read_run(other))
    if not charts:
        raise InputError(f"{str(source)!r} holds no score, so there is nothing to draw")
    return charts


def _charts_of_run(source: Path, words: WordChartOptions | None) -> RunCharts:
    run = read_run(source)
    return charts_of_run(run) if words is None else {"words": word_chart(region_rows(run), words)}


def _charts_of_file(source: Path, words: WordChartOptions | None) -> RunCharts:
    if words is None and not _holds_words(source):
        return charts_of_scores(read_scores(source))
    return charts_of_words(_word_rows(source), words)


def charts_of_words(rows: Iterable[Placed], words: WordChartOptions | None) -> RunCharts:
    """The picture by word of rows."""
    return {"words": word_chart(rows, words or WordChartOptions())}


def _word_rows(source: Path) -> Iterator[Placed]:
    for record in read_file(str(source), WRITTEN):
        if isinstance(record, InputError):
            raise record
        yield record.where, record.values


def _holds_words(source: Path) -> bool:
    """Whether a file's first row is one of a word or a region; what can be read only once is not looked at."""
    if is_stream(str(source)):
        return False
    first = next(iter(read_file(str(source), WRITTEN)), None)
    return isinstance(first, Record) and "surprisal" in first.values and bool({"word", "region"} & set(first.values))


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
