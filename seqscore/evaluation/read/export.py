"""The rows of a run as flat records, each with the columns of its input row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from seqscore.errors import OptionError
from seqscore.evaluation.data.kept_columns import KeepColumns, kept_columns
from seqscore.evaluation.read.flat_rows import REGION_FIELDS, FlatRows, region_records
from seqscore.evaluation.read.measures import task_of_run
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.stored_rows import stored_rows
from seqscore.evaluation.scored.scored_rows import FieldKind, OutputRecord
from seqscore.evaluation.tasks.rows import NumberKind, Stored
from seqscore.scores.reductions import Unit, bits_per, in_unit, perplexity
from seqscore.typed_json import decoded

Per: TypeAlias = Literal["item", "text", "region"]
"""What has a record: ``item``, a row of the data, its texts side by side; ``text``, each of these; ``region``, each
region of the texts of a test suite."""

_OF_ROW: Mapping[str, FieldKind] = {"id": "text", "row": "whole", "group": "text", "gold": "whole"}
_OF_ITEM: Mapping[str, FieldKind] = {
    "is_greedy": "flag",
    "start_token": "whole",
    "boundary": "text",
    "delimiter": "text",
    "num_windows": "whole",
    "num_cut": "whole",
    "num_unread": "whole",
    "num_unknown": "whole",
    "num_bytes_scored": "whole",
}

_FIELDS: Mapping[str, FieldKind] = {
    **_OF_ROW,
    "item": "whole",
    "role": "text",
    "context": "text",
    "text": "text",
    "log_likelihood": "real",
    "unit": "text",
    "num_tokens": "whole",
    "num_scored": "whole",
    "perplexity": "real",
    "bits_per_byte": "real",
    **_OF_ITEM,
}


def usual_layout(run: Run, per: Per | None = None, unit: Unit | None = None) -> tuple[Per, Unit]:
    """What has a record, and the unit of logarithms, where they are not asked for: as the run's task is mostly read.

    Raises:
        OptionError: ``per`` is unknown, or asks for regions of what has none.
        InputError: this version does not know the run's task.
    """
    task = task_of_run(run)
    if per not in (None, *get_args(Per)):
        raise OptionError(f"per={per!r} is unknown; expected one of {', '.join(get_args(Per))}")
    if per == "region" and not task.reads_spans:
        raise OptionError(f"a run of task {task.name!r} has no regions; expected per='item' or 'text' (--per)")
    chosen: Per = per or ("item" if task.side_by_side else "text")
    return chosen, unit or ("nats" if chosen == "text" else task.unit)


def export_fields(run: Run, *, per: Per = "text") -> Mapping[str, FieldKind]:
    """What a record of a run has. Of a ``text``: its place among the items of its row, from 0; ``gold``: the place of
    the right alternative among those; last the numbers that the task stores, see ``Task.numbers``. Of an ``item``: see
    ``FlatRows.fields``. Of a ``region``: see ``REGION_FIELDS``.

    Raises:
        InputError: this version does not know the run's task.
    """
    if per != "text":
        return FlatRows.of(run).fields if per == "item" else REGION_FIELDS
    return {**_FIELDS, **task_of_run(run).numbers, "error": "text"}


def exported(run: Run, *, per: Per = "text", keep: KeepColumns = "all", unit: Unit = "nats") -> Iterator[OutputRecord]:
    """The records of every row of a run, in order; a row that could not be scored gives one with its error.

    Args:
        run: the run.
        per: what has a record.
        keep: which of the stored columns go along.
        unit: of logarithms.

    Returns:
        An iterator; each record has some of ``export_fields``.

    Raises:
        InputError: a part is damaged.
        OptionError: a column to be kept is in no row.

    Example:
        >>> from seqscore import Scorer, evaluate
        >>> from seqscore.evaluation.run.run_folder import read_run
        >>> run = evaluate(Scorer.from_pretrained(), "pairs", [{"good": "It rained.", "bad": "It rained rained."}])
        >>> (record,) = exported(read_run(run.path), per="item")
        >>> record.fields["chosen"], record.fields["correct"]
        ('good', True)
    """
    of_row = _records_of(run, per, unit)
    _check_columns(run, keep)
    for row in stored_rows(run):
        where = f"{str(run.path)!r}, row {row['number']}"
        kept = kept_columns(_columns(row["columns"], where), keep, ())
        shared = {"id": row["id"], "row": row["number"], "group": row["group"]}
        shared |= {"gold": row["gold"]} if per != "region" else {}
        if row["error_code"] is not None:
            yield OutputRecord({**shared, "error": f"{row['error_code']}: {row['error_message']}"}, kept)
        else:
            yield from (OutputRecord({**shared, **fields}, kept) for fields in of_row(row))


def _columns(stored: str | None, where: str) -> dict[str, Any]:
    return {} if stored is None else decoded(stored, where=where)


def _check_columns(run: Run, keep: KeepColumns) -> None:
    """Refuse a column that no row holds, before anything is written; reads as many rows as it takes to find all."""
    missing, names = set(keep) if isinstance(keep, tuple) else set(), dict[str, None]()
    for row in stored_rows(run, ["number", "columns"]) if missing else ():
        columns = _columns(row["columns"], f"{str(run.path)!r}, row {row['number']}")
        names.update(dict.fromkeys(columns))
        missing.difference_update(columns)
        if not missing:
            return
    if missing:
        raise OptionError(
            f"no row of {str(run.path)!r} holds a column {sorted(missing)[0]!r}; its columns are "
            f"{', '.join(list(names)[:20]) or 'none'}{_held(run, sorted(missing)[0])}. What is stored, eval's own "
            f"--keep-columns says (keep_columns=)"
        )


def _held(run: Run, name: str) -> str:
    """Where a column of the data is, that the task has read."""
    role = next((role for role, column in run.fingerprint["task"]["fields"].items() if column == name), None)
    return "" if role is None else f" ({name!r} is what the task reads as {role}, and in the records as such)"


def _records_of(run: Run, per: Per, unit: Unit) -> Callable[[Stored], Iterable[dict[str, Any]]]:
    """What makes the records of a row that was scored, without what belongs to the row."""
    if per == "region":
        return partial(region_records, unit=unit)
    if per == "item":
        flat = FlatRows.of(run)
        return lambda row: [flat.record(row, unit)]
    return partial(_texts, unit=unit, kinds=task_of_run(run).numbers)


def _texts(row: Stored, unit: Unit, kinds: Mapping[str, NumberKind]) -> Iterator[dict[str, Any]]:
    for place, item in enumerate(row["items"]):
        total, scored = item["log_likelihood"], item["num_scored"]
        yield {
            "item": place,
            **{name: item[name] for name in ("role", "context", "text", "num_tokens", "num_scored", *_OF_ITEM)},
            "log_likelihood": in_unit(total, unit),
            "unit": unit,
            "perplexity": perplexity(total, scored),
            "bits_per_byte": bits_per(total, item["num_bytes_scored"]),
            **{name: _number(item["numbers"].get(name), kind) for name, kind in kinds.items()},
        }


def _number(value: float | None, kind: NumberKind) -> float | None:
    return None if value is None else int(value) if kind == "whole" else value
