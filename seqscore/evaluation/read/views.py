"""Stored rows as they are looked at: items with their tokens, the alternatives of a row, the place where they part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.evaluation.read.measures import task_of_run
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.stored_rows import stored_rows, values_of
from seqscore.evaluation.tasks.base import Task
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.rows import Stored
from seqscore.scores.reductions import bits_per, exp, perplexity
from seqscore.scores.show.pieces import Piece, pieces_of

Numbers: TypeAlias = Sequence[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """The scored tokens of an item. Shape: [n] each; offsets are bytes into context + text; ``logprobs`` in nats, as
    are ``entropies``; ``ranks`` and ``entropies`` are None where the run did not keep them."""

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    logprobs: NDArray[np.float64]
    ranks: NDArray[np.int64] | None
    entropies: NDArray[np.float64] | None

    @classmethod
    def checked(
        cls,
        ids: Numbers,
        starts: Numbers,
        ends: Numbers,
        logprobs: Numbers,
        *,
        ranks: Numbers | None,
        entropies: Numbers | None,
        where: str,
        size: int | None,
    ) -> Tokens:
        """Tokens from lists that were read from a file; ``size``: bytes of the text, None where it is not known.

        Raises:
            InputError: the lists do not fit one another, or hold what no token has; the message begins with ``where``.
        """
        try:
            found = cls(
                ids=np.array(ids, np.int64),
                starts=np.array(starts, np.int64),
                ends=np.array(ends, np.int64),
                logprobs=np.array(logprobs, np.float64),
                ranks=None if ranks is None else np.array(ranks, np.int64),
                entropies=None if entropies is None else np.array(entropies, np.float64),
            )
        except (OverflowError, TypeError, ValueError) as error:
            raise InputError(f"{where}: a token holds what is no number of a token: {error}") from error
        problem = found._problem(size)
        if problem is not None:
            raise InputError(f"{where}: {problem}; is the file damaged, or changed by hand?")
        return found

    def _problem(self, size: int | None) -> str | None:
        """What is wrong with the lists, if anything."""
        every = [self.ids, self.starts, self.ends, self.logprobs, self.ranks, self.entropies]
        if len({one.shape for one in every if one is not None}) != 1 or self.ids.ndim != 1:
            return "the lists of its tokens are not equally long"
        edges = np.concatenate([[0], np.stack([self.starts, self.ends], axis=1).ravel()])
        last = edges[-1] if size is None else size
        if (self.starts > self.ends).any() or (np.diff(self.starts) < 0).any() or edges.min() < 0 or edges.max() > last:
            return "the offsets of its tokens do not lie in order within the text"
        if (self.ids < 0).any() or not (self.logprobs <= 0.0).all():
            return "a token has a negative id, or a log-probability that is not at most 0"
        return None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItemView:
    """What was scored for a row: ``text`` given ``context``. ``tokens`` is None where the run kept sums alone.

    ``label``: its name among several of its row; ``note``: what its task says of it; ``shown``: whether it is a text of
    the data, and not there for the sake of others; ``right``: whether it is the right one of several.
    ``parts_at``: the first of the scored tokens at which this alternative is not like the one that it stands beside;
    None where there is no other or no such token. ``chosen``: the model's choice among the alternatives.
    """

    role: str
    context: str
    text: str
    log_likelihood: float
    num_scored: int
    num_bytes_scored: int
    tokens: Tokens | None
    label: str = ""
    note: str = ""
    shown: bool = True
    right: bool = False
    parts_at: int | None = None
    chosen: bool = False

    @property
    def perplexity(self) -> float | None:
        """exp(-log_likelihood / num_scored); None where nothing is scored."""
        return perplexity(self.log_likelihood, self.num_scored)

    @property
    def bits_per_byte(self) -> float | None:
        """-log_likelihood / ln 2 / bytes; None where there are none."""
        return bits_per(self.log_likelihood, self.num_bytes_scored)

    def pieces(self) -> Iterator[Piece]:
        """The scored tokens as they can be shown; none where they were not kept, or their text is not known."""
        if self.tokens is not None:
            data = (self.context + self.text).encode("utf-8")
            if len(self.tokens.ends) == 0 or int(self.tokens.ends[-1]) <= len(data):
                found = self.tokens
                yield from pieces_of(data, found.starts.tolist(), found.ends.tolist(), found.logprobs.tolist())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowView:
    """A row. ``values``: its own value of every measure that it has a part in. ``error``: why it was not scored.
    ``heading``: what stands for it in a table: a text, and the place, among the items that are shown, of the one whose
    text follows (None: none does)."""

    id: str
    number: int
    group: str | None
    gold: int | None
    error: str | None
    items: tuple[ItemView, ...]
    values: Mapping[str, float]
    heading: tuple[str, int | None] = ("", None)


def view_run(run: Run, *, limit: int | None = None) -> Iterator[RowView]:
    """The rows of a run in order, the first ``limit`` of them.

    Raises:
        InputError: the run is of an unknown task, or a part is damaged.
    """
    task = task_of_run(run)
    yield from view_rows(islice(stored_rows(run), limit), task)


def view_rows(rows: Iterator[Stored], task: Task) -> Iterator[RowView]:
    """Stored rows of a task as they are looked at."""
    measures = {measure.name: measure for measure in task.measures()}
    for row in rows:
        if row["error_code"] is not None:
            message = f"{row['error_code']}: {row['error_message']}"
            yield RowView(
                id=row["id"],
                number=row["number"],
                group=row["group"],
                gold=row["gold"],
                error=message,
                items=(),
                values={},
            )
            continue
        items = _checked_items(row, task)
        yield RowView(
            id=row["id"],
            number=row["number"],
            group=row["group"],
            gold=row["gold"],
            error=None,
            items=items,
            values=dict(_values(values_of(task, row), measures)),
            heading=_heading(items, task),
        )


def _values(found: RowValues, measures: Mapping[str, Measure]) -> Iterator[tuple[str, float]]:
    for name, numbers in found.items():
        if name in measures and measures[name].sums_up:
            total, count = numbers
            if count:
                yield name, exp(-total / count) if measures[name].figure == "perplexity" else total / count


def _checked_items(row: Stored, task: Task) -> tuple[ItemView, ...]:
    try:
        return tuple(_items(row, task))
    except (TypeError, LookupError, ArithmeticError) as error:
        raise InputError(f"row {row['id']} does not hold what a run stores ({error}); was the run changed?") from error


def _items(row: Stored, task: Task) -> list[ItemView]:
    items = [_item(one, task, f"row {row['id']}") for one in row["items"]]
    items = [replace(one, label=_label(items, place)) for place, one in enumerate(items)]
    places = [place for place, item in enumerate(items) if item.role in task.alternatives]
    if len(places) < 2:
        return items
    gold = places[row["gold"]] if row["gold"] is not None and row["gold"] < len(places) else None
    first = places[0] if gold is None else gold
    other = places[1] if first == places[0] else places[0]
    best = _best([items[place].log_likelihood for place in places])
    for order, place in enumerate(places):
        beside = items[other if place == first else first]
        items[place] = replace(
            items[place], parts_at=_parting(items[place], beside), chosen=order == best, right=place == gold
        )
    return items


def _label(items: Sequence[ItemView], place: int) -> str:
    """The role, with a number where several have it."""
    role = items[place].role
    number = 1 + sum(item.role == role for item in items[:place])
    return f"{role} {number}" if sum(item.role == role for item in items) > 1 else role


def _best(scores: Sequence[float]) -> int | None:
    """The alternative with the greatest log-likelihood; None for a tie."""
    return scores.index(max(scores)) if scores.count(max(scores)) == 1 else None


_TAIL, _MOST = 60, 400  # characters of a context in front of a text, and of one that stands for a row


def _heading(items: Sequence[ItemView], task: Task) -> tuple[str, int | None]:
    shown = [item for item in items if item.shown]
    if not shown:
        return "", None
    first = shown[0]
    if task.heading == "context" and all(item.context == first.context for item in shown):
        return first.context[-_MOST:], None
    differ = any(item.context != first.context for item in shown)
    tail = f"…{first.context[-_TAIL:]}" if first.context and (differ or not task.alternatives) else ""
    chosen = [place for place, item in enumerate(shown) if item.chosen and task.heading == "chosen"]
    return tail, chosen[0] if chosen else 0


def _parting(one: ItemView, other: ItemView) -> int | None:
    """Where their tokens part. With different contexts they do so before the first scored token: there is no place."""
    if one.tokens is None or other.tokens is None or one.context != other.context:
        return None
    size = min(len(one.tokens.ids), len(other.tokens.ids))
    unlike = np.flatnonzero(one.tokens.ids[:size] != other.tokens.ids[:size])
    place = int(unlike[0]) if len(unlike) else size
    return place if place < len(one.tokens.ids) else None


def _item(stored: Mapping[str, Any], task: Task, where: str) -> ItemView:
    return ItemView(
        role=stored["role"],
        context=stored["context"] or "",
        text=stored["text"] or "",
        log_likelihood=stored["log_likelihood"],
        num_scored=stored["num_scored"],
        num_bytes_scored=stored["num_bytes_scored"],
        note=task.note(stored["numbers"]),
        shown=stored["role"] not in task.helpers,
        tokens=None if stored["token_ids"] is None else _tokens(stored, where),
    )


def _tokens(stored: Mapping[str, Any], where: str) -> Tokens:
    return Tokens.checked(
        stored["token_ids"],
        stored["starts"],
        stored["ends"],
        stored["logprobs"],
        ranks=stored["ranks"],
        entropies=stored["entropies"],
        where=where,
        size=None,
    )
