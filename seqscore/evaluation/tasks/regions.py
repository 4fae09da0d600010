"""Regions of a text: where they lie, and which tokens belong to which.

A region begins with its first character that is no white space and ends behind its last one; white space between two
belongs to what follows it, as it does everywhere here. A token belongs to the region that holds its first byte that is
no white space; what stands behind all regions (an end of text, white space) belongs to the last one. A token that
holds bytes of several regions is counted as crossing in each of them, and a region all of whose bytes lie in tokens of
another one has no surprisal of its own: NaN. So has one of which a token is not scored. A region without text has the
sum 0.

SyntaxGym has the same rule where tokens do not cross; there it loses a token that does.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqscore.errors import InputError
from seqscore.evaluation.tasks.criterion_tree import METRICS, Metric
from seqscore.text.joins import DELIMITER_AUTO, delimiter_between


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes of a text from ``begin`` to ``end``, without the white space around them, and how many words they are.
    ``label``: its name; None of what stands between regions that do not hold the whole text."""

    label: str | None
    begin: int
    end: int
    num_words: int


@dataclass(frozen=True, slots=True)
class RegionScore:
    """A region with the surprisals of its tokens in bits, in order. ``covered``: each token with bytes of it is scored.
    ``num_crossing``: tokens that hold bytes of it and of another region."""

    region: Region
    bits: tuple[float, ...]
    covered: bool
    num_crossing: int

    @property
    def complete(self) -> bool:
        """Whether it has surprisals of its own, or needs none since it is empty."""
        return self.covered and (bool(self.bits) or self.region.begin == self.region.end)

    def metric(self, name: Metric) -> float:
        """What the surprisals come to; NaN where one is missing, or there is none to take a mean of."""
        return metric_of(self.bits, name) if self.complete else math.nan


def metric_of(bits: Sequence[float], name: Metric) -> float:
    """What surprisals come to; of none the sum is 0, and everything else NaN."""
    return METRICS[name](bits) + 0.0 if bits or name == "sum" else math.nan


def sentence_of(parts: Sequence[tuple[str, str]], delimiter: str) -> tuple[str, tuple[Region, ...]]:
    """The text that regions, each with its label, make, and where they lie in it.

    Between two that are not empty stands ``delimiter``, unless one of them brings white space there; ``auto``: a space
    where they would touch, in scripts that have spaces.
    """
    text, found = "", []
    for label, content in parts:
        if not content.strip():
            found.append(Region(label, _size(text), _size(text), 0))
            continue
        if text and not text[-1].isspace() and not content[0].isspace():
            text += delimiter_between(text, content) if delimiter == DELIMITER_AUTO else delimiter
        found.append(_region(label, text, content))
        text += content
    return text, tuple(found)


def spans_of(text: str, spans: Sequence[tuple[str, Any]], where: str) -> tuple[Region, ...]:
    """The regions of a text at ``spans``: a label and ``[start, end]`` each, in characters, in order.

    Raises:
        InputError: a span is no such pair, lies outside of the text, or does not follow the one before it.
    """
    found: list[Region] = []
    last = 0
    for label, span in spans:
        pair = list(span) if isinstance(span, list | tuple) else []
        if len(pair) != 2 or not all(isinstance(one, int) and not isinstance(one, bool) for one in pair):
            raise InputError(f"{where}: region {label!r} is {span!r:.60}; expected [start, end], two whole numbers")
        start, end = pair
        if not last <= start <= end <= len(text):
            raise InputError(
                f"{where}: region {label!r} is {pair}, which does not lie in order within the {len(text)} characters "
                f"of the text, behind character {last}"
            )
        found += _between(text, last, start)
        found.append(_region(label, text[:start], text[start:end]))
        last = end
    return (*found, *_between(text, last, len(text)))


def _between(text: str, start: int, end: int) -> list[Region]:
    return [_region(None, text[:start], text[start:end])] if text[start:end].strip() else []


def _region(label: str | None, before: str, content: str) -> Region:
    inner = content.strip()
    begin = _size(before) + _size(content[: len(content) - len(content.lstrip())])
    return Region(label, begin, begin + _size(inner), len(inner.split()))


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def as_numbers(regions: Sequence[Region], shift: int) -> dict[str, float]:
    """Regions as numbers that are stored with an item, ``shift`` bytes further on."""
    found: dict[str, float] = {}
    for place, one in enumerate(regions):
        name = f"{place}" if one.label is None else f"{place} {one.label}"
        found |= {f"begin {name}": one.begin + shift, f"end {name}": one.end + shift, f"words {name}": one.num_words}
    return found


def stored_regions(numbers: Mapping[str, float]) -> tuple[Region, ...]:
    """The regions of an item, as ``as_numbers`` stored them."""
    found = []
    for key, begin in numbers.items():
        kind, _, name = key.partition(" ")
        if kind == "begin":
            label = name.partition(" ")[2] if " " in name else None
            found.append(Region(label, int(begin), int(numbers[f"end {name}"]), int(numbers[f"words {name}"])))
    return tuple(found)


def region_scores(item: Mapping[str, Any]) -> tuple[RegionScore, ...]:
    """The labelled regions of a stored item with the surprisals of their tokens."""
    regions = stored_regions(item["numbers"])
    starts, ends, logprobs = item["starts"], item["ends"], item["logprobs"]
    there = [one for one in regions if one.end > one.begin]
    own: dict[Region, list[float]] = {one: [] for one in there}
    crossing = dict.fromkeys(there, 0)
    begins, limits = [one.begin for one in there], [one.end for one in there]
    for start, end, logprob in zip(starts, ends, logprobs, strict=True) if there else ():
        place = min(bisect_right(limits, start), len(there) - 1)
        own[there[place]].append(-logprob / math.log(2) + 0.0)
        held = there[place : bisect_left(begins, end)]
        for one in held if len(held) > 1 else ():
            crossing[one] += 1
    first, last = (starts[0], ends[-1]) if starts else (0, 0)
    found = []
    for one in regions:
        bits = tuple(own.get(one, ()))
        covered = one not in own or (first <= one.begin and one.end <= last)
        found.append(RegionScore(one, bits, covered, crossing.get(one, 0)))
    return tuple(one for one in found if one.region.label is not None)
