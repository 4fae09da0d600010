"""A dataset, a task and a scorer to a run: part by part, each whole on the disk before the next is begun."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from seqscore.errors import InputError, OptionError, SeqscoreError
from seqscore.evaluation.data.dataset import Dataset
from seqscore.evaluation.run.part_writer import GROUP_ROWS
from seqscore.evaluation.run.progress import InputDigest, Progress, Report, RowCounter
from seqscore.evaluation.run.row_blocks import StoredRows, block_of
from seqscore.evaluation.run.row_schema import error_record, run_schema, score_record
from seqscore.evaluation.run.run_folder import Run, RunFolder, open_run, read_run
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.run.summary import summarise
from seqscore.evaluation.tasks.base import Task
from seqscore.evaluation.tasks.rows import Entry, TaskRow
from seqscore.plan.chunks import FULL, chunks_of
from seqscore.plan.workload import Workload
from seqscore.text.items import Item, item_weight, share_beginning

if TYPE_CHECKING:
    from seqscore.policies import PolicyKeywords
    from seqscore.scorer import Scorer


T = TypeVar("T")

ScoredEntry: TypeAlias = tuple[Entry, dict[str, Any]]
"""An entry and the row to be stored of it."""

ScoredPart: TypeAlias = tuple[Iterable[StoredRows], Callable[[], str]]
"""The rows to be stored of a part, and what gives the digest of its input once they were taken."""

PartScorer: TypeAlias = Callable[[Iterator[Entry]], Iterator[ScoredPart]]
"""Entries to parts, in order."""


def settled(scorer: Scorer, task: Task, options: RunOptions) -> tuple[Task, RunOptions]:
    """The task with what it takes from the scorer, and the options with the policies that it sets.

    Raises:
        OptionError: an end token is to be scored, and the task decides by itself what is.
    """
    task = task.for_scorer(scorer)
    asked = options.policies.get("eos", "none")
    if asked != task.policies.get("eos", asked):
        raise OptionError(
            f"eos={asked!r}: this task lays out by itself what is scored, as a protocol does, or a chat template, "
            f"which writes what ends a turn; leave --score-eos out"
        )
    policies: PolicyKeywords = {**options.policies, **task.policies}  # type: ignore[typeddict-item]  # checked by the scorer
    return task, replace(options, policies=policies)


def fingerprint_of(scorer: Scorer, dataset: Dataset, task: Task, options: RunOptions) -> dict[str, Any]:
    """Everything that the bytes of a run depend on.

    Raises:
        OptionError: the task needs a start token, and there is none.
    """
    _check_start_token(scorer, task, options)
    model = dict(scorer.signature(**options.policies).fields)
    if not scorer.keeps_bits:
        model["batch_tokens"] = str(scorer.batch_tokens)
        model["threads"] = str(scorer.threads)
    data = {
        **dataset.description,
        "id_column": dataset.options.id_column,
        "limit": dataset.options.limit,
        "whole_file": dataset.options.whole_file,
    }
    settings = {
        "keep": options.keep,
        "keep_columns": None if options.keep_columns == "all" else options.keep_columns,
        "level": options.level,
        "resamples": options.resamples,
        "seed": options.seed,
    }
    return {"model": model, "data": data, "task": dict(task.settings), "settings": settings}


def _check_start_token(scorer: Scorer, task: Task, options: RunOptions) -> None:
    """Before anything is scored.

    Raises:
        OptionError: the task needs a start token, and there is none; or log-probabilities, and the model gives none.
    """
    if task.subtracts and scorer.conditioning == "both":
        raise OptionError(
            f"the pseudo-log-likelihoods of a {scorer.kind} model are no log-probabilities of which one could be taken "
            f"from another: {task.subtracts}"
        )
    # A model that cuts texts into tokens itself has no start token to name.
    policy, _, token = dict(scorer.signature(**options.policies).fields).get("bos", "").rpartition("/")
    if task.needs_start_token and token == "none":
        found = f"bos={policy!r} and neither tokenizer nor model names a BOS or EOS" if policy else "bos='none'"
        raise OptionError(f"{found}: {task.needs_start_token}, or name a token as bos")


def evaluate(
    scorer: Scorer,
    dataset: Dataset,
    task: Task,
    folder: Path,
    *,
    options: RunOptions,
    report: Report = lambda progress: None,
) -> Run:
    """Score the rows of a dataset into ``folder``, or go on where it was left, and sum them up.

    Killed at any moment and called again, it gives byte for byte what an uninterrupted call gives: parts are cut by
    row count and depend on their own rows alone. A row that cannot be scored is stored with its error. A run that is
    complete is returned as it is.

    Raises:
        OptionError: the folder holds another run, is in use, or cannot be written.
        InputError: the input cannot be read, or is not that of the parts that are there.
    """
    task, options = settled(scorer, task, options)
    fingerprint = fingerprint_of(scorer, dataset, task, options)

    def parts(entries: Iterator[Entry]) -> Iterator[ScoredPart]:
        if scorer.gives_totals and options.keep == "scores" and not task.alternatives:
            yield from _parts_of_blocks(scorer, entries, options)
            return
        # Where a score's bits depend on its neighbours, nothing is planned beyond the end of a part.
        pieces = [entries] if scorer.keeps_bits else _pieces(entries, options.part_rows)
        rows = chain.from_iterable(scored(scorer, piece, options, task.alternatives) for piece in pieces)
        for piece in _pieces(rows, options.part_rows):
            digest = InputDigest()
            yield _stored(piece, digest), digest.value

    return evaluate_parts(parts, dataset, task, folder, fingerprint=fingerprint, options=options, report=report)


def _parts_of_blocks(scorer: Scorer, entries: Iterator[Entry], options: RunOptions) -> Iterator[ScoredPart]:
    """The same parts, of rows that are scored many at once where that can be."""
    for piece in _pieces(entries, options.part_rows):
        digest = InputDigest()
        yield _blocks(scorer, piece, options, digest), digest.value


def _blocks(scorer: Scorer, entries: Iterator[Entry], options: RunOptions, digest: InputDigest) -> Iterator[StoredRows]:
    for piece in _pieces(entries, GROUP_ROWS):
        own = list(piece)
        block = block_of(scorer, own, options)
        if block is None:
            yield from _stored(scored(scorer, own, options, ()), digest)
        else:
            for entry in own:
                digest.add(entry)
            yield block


def _pieces(items: Iterator[T], size: int) -> Iterator[Iterator[T]]:
    """``size`` items at a time; each piece is to be used up before the next."""
    while (first := next(items, None)) is not None:
        yield islice(chain([first], items), size)


def _stored(rows: Iterable[ScoredEntry], digest: InputDigest) -> Iterator[dict[str, Any]]:
    for entry, record in rows:
        digest.add(entry)
        yield record


def evaluate_parts(
    parts: PartScorer,
    dataset: Dataset,
    task: Task,
    folder: Path,
    *,
    fingerprint: Mapping[str, Any],
    options: RunOptions,
    report: Report,
) -> Run:
    """``evaluate`` with any way to score parts."""
    with open_run(folder, fingerprint=fingerprint, schema=run_schema(), part_rows=options.part_rows) as run:
        if run.status != "complete":
            entries = _entries(dataset, task)
            resumed = sum(_pass_over(run, part, entries) for part in range(run.num_parts))
            report(Progress(resumed, resumed, 0, 0))
            counter = RowCounter(resumed, report)
            for records, digest in parts(entries):
                run.write_part(counter.watch(records), digest=digest)
            run.finish(summarise(read_run(folder), task, options=options))
    return read_run(folder)


def _entries(dataset: Dataset, task: Task) -> Iterator[Entry]:
    """The rows to be scored, each with the columns that what is stored of it holds anyway."""
    named = [column for role, column in task.fields.columns.items() if role not in task.kept_roles]
    used = frozenset(chain.from_iterable([one] if isinstance(one, str) else one for one in named))
    used |= {dataset.options.id_column} if dataset.options.id_column is not None else set()
    return (replace(entry, used=used) for entry in task.entries(dataset))


def _pass_over(run: RunFolder, part: int, entries: Iterator[Entry]) -> int:
    """Read the input rows of a finished part and compare their digest with the stored one."""
    expected = run.num_rows(part)
    # A short part was the last: whatever comes behind it now was not there before.
    digest, count = InputDigest(), 0
    for entry in islice(entries, expected if expected == run.part_rows else None):
        digest.add(entry)
        count += 1
    if count != expected or digest.value() != run.input_digest(part):
        raise InputError(
            f"the input is not what part {part} of {str(run.path)!r} was made from: rows were changed, added or "
            f"removed since; name another folder"
        )
    return count


def scored(
    scorer: Scorer, entries: Iterable[Entry], options: RunOptions, alternatives: Collection[str]
) -> Iterator[ScoredEntry]:
    """Every entry with its stored row, in order; memory does not grow with their number. ``alternatives``: roles of
    texts that are compared; one of which nothing is scored has the log-likelihood 0 and would beat all, so that it is
    the row's error. A row of which the task has nothing to score is stored as it is."""
    policies: PolicyKeywords = {**options.policies, "extras": ("rank", "entropy") if options.keep == "all" else ()}
    asked: deque[Entry] = deque()

    def chunks() -> Iterator[list[Item | SeqscoreError]]:
        for chunk in _chunks(entries, scorer):
            asked.extend(chunk)
            items = [item for entry in chunk for item in _items(entry)]
            if items:
                yield items

    def passed_over() -> Iterator[ScoredEntry]:
        while asked and not _items(asked[0]):
            entry = asked.popleft()
            yield entry, _record(entry, [], options, alternatives)

    # One stream for all: a model that waits for its answers may have several chunks under way.
    results = scorer.stream_chunks(chunks(), **policies)
    for first in results:
        yield from passed_over()
        entry = asked.popleft()
        yield entry, _record(entry, [first, *islice(results, len(_items(entry)) - 1)], options, alternatives)
    yield from passed_over()


def _chunks(entries: Iterable[Entry], scorer: Scorer) -> Iterator[list[Entry]]:
    """Rows that are planned at once: whole rows, ending where the next row shares no beginning with the last."""
    weigh = partial(item_weight, both_sides=scorer.conditioning == "both")
    return chunks_of(
        entries,
        weigh=lambda entry: sum(map(weigh, _items(entry))),
        count=lambda entry: max(1, len(_items(entry))),
        belongs=_belong_together,
        limits=FULL,
    )


def _belong_together(previous: Entry, entry: Entry) -> bool:
    one, other = _items(previous), _items(entry)
    return bool(one) and bool(other) and share_beginning(one[0], other[0])


def _items(entry: Entry) -> Sequence[Item | SeqscoreError]:
    return [item.item for item in entry.row.items] if isinstance(entry.row, TaskRow) else [entry.row]


def _record(entry: Entry, results: list[Any], options: RunOptions, alternatives: Collection[str]) -> dict[str, Any]:
    if not isinstance(entry.row, TaskRow):
        return error_record(entry, entry.row, options.keep_columns)
    for place, (item, result) in enumerate(zip(entry.row.items, results, strict=True)):
        if isinstance(result, SeqscoreError):
            return error_record(entry, _of_item(result, entry.row, item.role, place), options.keep_columns)
        if not result.num_scored and item.role in alternatives:
            error = _of_item(InputError(_UNSCORED), entry.row, item.role, place)
            return error_record(entry, error, options.keep_columns)
    return score_record(entry, entry.row, results, options.keep, options.keep_columns)


_UNSCORED = (
    "nothing of it is scored, so it cannot be compared: it is empty, or its one token stands behind nothing; name a "
    "token as bos"
)


def _of_item(error: SeqscoreError, row: TaskRow, role: str, place: int) -> SeqscoreError:
    """The error, saying which of the row's items it is about where there are several: ``choice 2: ...``."""
    if len(row.items) == 1:
        return error
    number = 1 + sum(item.role == role for item in row.items[:place])
    several = sum(item.role == role for item in row.items) > 1
    return type(error)(f"{role}{f' {number}' if several else ''}: {error.message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a run would come to. ``num_errors``: rows that cannot be read as the task wants them. ``engine``: what it
    would run on; ``workload``, ``conditioning``: see ``Scorer``."""

    num_rows: int
    num_errors: int
    engine: str
    workload: Workload
    conditioning: str = "left"


def dry_run(scorer: Scorer, dataset: Dataset, task: Task, *, options: RunOptions) -> DryRun:
    """Read and encode everything and run nothing; it is planned in the pieces that a run plans."""
    task, options = settled(scorer, task, options)
    _check_start_token(scorer, task, options)
    entries, rows, errors, total = task.entries(dataset), 0, 0, Workload()
    for piece in [entries] if scorer.keeps_bits else _pieces(entries, options.part_rows):
        for chunk in _chunks(piece, scorer):
            fit = [entry for entry in chunk if isinstance(entry.row, TaskRow)]
            items = chain.from_iterable(map(_items, fit))
            total += scorer.workload(items, chunks="whole", **options.policies)
            rows, errors = rows + len(chunk), errors + len(chunk) - len(fit)
    return DryRun(
        num_rows=rows, num_errors=errors, engine=scorer.engine, workload=total, conditioning=scorer.conditioning
    )
