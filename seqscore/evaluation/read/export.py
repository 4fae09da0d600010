"""The rows of a run as flat records, one an item, each with the columns of its input row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seqscore.errors import OptionError
from seqscore.evaluation.data.kept_columns import KeepColumns, kept_columns
from seqscore.evaluation.read.measures import task_of_run
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.stored_rows import stored_rows
from seqscore.evaluation.scored.scored_rows import FieldKind, OutputRecord
from seqscore.evaluation.tasks.rows import NumberKind, Stored
from seqscore.scores.reductions import Unit, bits_per, in_unit, perplexity
from seqscore.typed_json import decoded

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


def export_fields(run: Run) -> Mapping[str, FieldKind]:
    """What a record of an item of a run has. ``item``: its place among the items of its row, from 0; ``gold``: the
    place of the right alternative among those; last the numbers that the task stores, see ``Task.numbers``.

    Raises:
        InputError: this version does not know the run's task.
    """
    return {**_FIELDS, **task_of_run(run).numbers, "error": "text"}


def exported(run: Run, *, keep: KeepColumns = "all", unit: Unit = "nats") -> Iterator[OutputRecord]:
    """A record of every item of every row of a run, in order; a row that could not be scored gives one with its error.

    Raises:
        InputError: a part is damaged.
        OptionError: a column to be kept is in no row (once all rows were given).
    """
    kinds = task_of_run(run).numbers
    missing = set(keep) if isinstance(keep, tuple) else set()
    names: dict[str, None] = {}
    for row in stored_rows(run):
        where = f"{str(run.path)!r}, row {row['number']}"
        columns = {} if row["columns"] is None else decoded(row["columns"], where=where)
        names.update(dict.fromkeys(columns))
        kept = kept_columns(columns, keep, ())
        missing.difference_update(kept)
        yield from (OutputRecord(fields, kept) for fields in _fields(row, unit, kinds))
    if missing:
        raise OptionError(
            f"no row of {str(run.path)!r} holds a column {sorted(missing)[0]!r}; its columns are "
            f"{', '.join(list(names)[:20]) or 'none'}. What is stored, eval's own --keep-columns says (keep_columns=)"
        )


def _fields(row: Stored, unit: Unit, kinds: Mapping[str, NumberKind]) -> Iterator[dict[str, Any]]:
    shared = {"id": row["id"], "row": row["number"], "group": row["group"], "gold": row["gold"]}
    if row["error_code"] is not None:
        yield {**shared, "error": f"{row['error_code']}: {row['error_message']}"}
        return
    for place, item in enumerate(row["items"]):
        total, scored = item["log_likelihood"], item["num_scored"]
        yield {
            **shared,
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
