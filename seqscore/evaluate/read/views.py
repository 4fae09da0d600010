"""Stored rows as they are looked at: items with their tokens, the alternatives of a row, the place where they part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.evaluate.read.measures import task_of_run
from seqscore.evaluate.run.run_folder import Run
from seqscore.evaluate.run.summary import stored_rows, values_of
from seqscore.evaluate.tasks.alternatives import alternative_scores
from seqscore.evaluate.tasks.base import Task
from seqscore.evaluate.tasks.measure import Measure
from seqscore.evaluate.tasks.rows import Stored
from seqscore.scores.reductions import bits_per, exp, perplexity
from seqscore.scores.show.runs import Piece, pieces_of

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
    word_errors: int | None = None
    first_pass: float | None = None
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
    """A row. ``values``: its own value of every measure that it has a part in. ``error``: why it was not scored."""

    id: str
    number: int
    group: str | None
    gold: int | None
    error: str | None
    items: tuple[ItemView, ...]
    values: Mapping[str, float]


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
        yield RowView(
            id=row["id"],
            number=row["number"],
            group=row["group"],
            gold=row["gold"],
            error=None,
            items=_checked_items(row),
            values=dict(_values(values_of(task, row), measures)),
        )


def _values(found: Mapping[str, tuple[float, float]], measures: Mapping[str, Measure]) -> Iterator[tuple[str, float]]:
    for name, (total, count) in found.items():
        if count and name in measures:
            ratio = total / count
            yield name, exp(-ratio) if measures[name].figure == "perplexity" else ratio


def _checked_items(row: Stored) -> tuple[ItemView, ...]:
    try:
        return tuple(_items(row))
    except (TypeError, LookupError, ArithmeticError) as error:
        raise InputError(f"row {row['id']} does not hold what a run stores ({error}); was the run changed?") from error


def _items(row: Stored) -> list[ItemView]:
    items = [_item(one, f"row {row['id']}") for one in row["items"]]
    places = [place for place, item in enumerate(items) if item.role in ("choice", "good", "bad", "hypothesis")]
    if len(places) < 2:
        return items
    gold = places[row["gold"]] if row["gold"] is not None and row["gold"] < len(places) else places[0]
    other = places[1] if gold == places[0] else places[0]
    best = _best(row, [items[place] for place in places])
    for order, place in enumerate(places):
        beside = items[other if place == gold else gold]
        items[place] = replace(items[place], parts_at=_parting(items[place], beside), chosen=order == best)
    return items


def _best(row: Stored, items: Sequence[ItemView]) -> int | None:
    """The alternative with the greatest log-likelihood; None for a tie."""
    roles = {item.role for item in items}
    scores = [item.log_likelihood for item in items] if "hypothesis" in roles else alternative_scores(row)["accuracy"]
    return scores.index(max(scores)) if scores.count(max(scores)) == 1 else None


def _parting(one: ItemView, other: ItemView) -> int | None:
    """Where their tokens part. With different contexts they do so before the first scored token: there is no place."""
    if one.tokens is None or other.tokens is None or one.context != other.context:
        return None
    size = min(len(one.tokens.ids), len(other.tokens.ids))
    unlike = np.flatnonzero(one.tokens.ids[:size] != other.tokens.ids[:size])
    place = int(unlike[0]) if len(unlike) else size
    return place if place < len(one.tokens.ids) else None


def _item(stored: Mapping[str, Any], where: str) -> ItemView:
    return ItemView(
        role=stored["role"],
        context=stored["context"] or "",
        text=stored["text"] or "",
        log_likelihood=stored["log_likelihood"],
        num_scored=stored["num_scored"],
        num_bytes_scored=stored["num_bytes_scored"],
        word_errors=stored["word_errors"],
        first_pass=stored["first_pass"],
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
