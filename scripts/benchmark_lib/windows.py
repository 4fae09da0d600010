"""Requests as token ids, written anew here: what plain transformers runs, and what the other systems are counted by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .workloads import Workload


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of tokens: ``ids[:-1]`` is read, ``ids[first_target:]`` is scored."""

    ids: tuple[int, ...]
    first_target: int

    @property
    def inputs(self) -> tuple[int, ...]:
        """What the model reads."""
        return self.ids[:-1]

    @property
    def targets(self) -> tuple[int, ...]:
        """What is scored."""
        return self.ids[self.first_target :]


Encoded: TypeAlias = tuple[Window, ...]
"""A request as token ids: one window, or those of a long text."""


def encode(tokenizer: Any, workload: Workload) -> list[Encoded]:
    """Texts behind the start token; continuations split behind as many tokens as the context has alone."""
    contexts, texts = zip(*workload.requests, strict=True)

    def ids(of: Iterable[str], **options: Any) -> list[list[int]]:
        found: list[list[int]] = tokenizer(list(of), **options)["input_ids"]
        return found

    if workload.kind == "continuation":
        wholes = ids(context + text for context, text in workload.requests)
        return [(Window(tuple(one), len(first)),) for one, first in zip(wholes, ids(contexts), strict=True)]
    start, size = start_token(tokenizer), workload.max_length
    if workload.kind == "disjoint":
        assert size is not None
        return [disjoint_windows(one, start=start, max_length=size) for one in ids(texts)]
    bare = ids(texts, add_special_tokens=False)
    if size is not None:
        return [overlapping_windows(one, start=start, max_length=size) for one in bare]
    return [(Window((start, *one), 1),) for one in bare]


def start_token(tokenizer: Any) -> int:
    """What stands before a text: BOS, else EOS, as lm-eval has it."""
    token = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if token is None:
        raise ValueError("this tokenizer has neither BOS nor EOS, so there is no start token to compare with")
    return int(token)


def disjoint_windows(ids: Sequence[int], *, start: int, max_length: int) -> Encoded:
    """lm-eval's rolling windows over ``ids`` behind the token ``start``.

    Each reads ``max_length`` positions and scores the tokens that the one before did not; the last one, which has fewer
    to score, reads further back instead.
    """
    whole = (start, *ids)
    windows = []
    for begin in range(0, len(ids), max_length):
        end = min(len(ids), begin + max_length)  # targets are whole[begin + 1 : end + 1]
        first_read = 0 if begin == 0 else max(0, end - max_length)
        windows.append(Window(whole[first_read : end + 1], begin + 1 - first_read))
    return tuple(windows)


def overlapping_windows(ids: Sequence[int], *, start: int, max_length: int) -> Encoded:
    """seqscore's windows over ``ids`` behind the token ``start``: one ends every ``max_length // 2`` positions."""
    whole = (start, *ids)
    last = len(ids)
    if last == 0:
        return ()
    end = min(last, max_length)
    windows = [Window(whole[: end + 1], 1)]
    while end < last:
        scored, end = end, min(last, end + max(1, max_length // 2))
        begin = end - max_length
        windows.append(Window(whole[begin : end + 1], scored + 1 - begin))
    return tuple(windows)


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the requests of a workload. ``asked``: positions that have to be read if each request runs alone and unpadded.
    ``unique``: distinct prefixes among them. ``scored``: targets.
    """

    asked: int
    unique: int
    scored: int


def count(encoded: Iterable[Encoded]) -> Counts:
    """Count the windows of all requests."""
    windows = [window for one in encoded for window in one]
    return Counts(
        asked=sum(len(window.inputs) for window in windows),
        unique=distinct_prefixes([window.inputs for window in windows]),
        scored=sum(len(window.targets) for window in windows),
    )


def distinct_prefixes(sequences: Iterable[tuple[int, ...]]) -> int:
    """Nodes of the trie of the sequences: in sorted order each adds what it does not share with the one before."""
    total, before = 0, ()
    for sequence in sorted(sequences):
        total += len(sequence) - _shared(before, sequence)
        before = sequence  # type: ignore[assignment]
    return total


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
