"""Criteria as they are written: comparisons of surprisals of regions; what is read is a tree of ``criterion_tree``.

    criterion  = comparison (& comparison ...) | comparison (| comparison ...)
    comparison = sum (< | > | =) sum, or a criterion in parentheses
    sum        = product (+ | -) product ...
    product    = factor (* | /) factor ...
    factor     = number | -factor | (sum) | reference
    reference  = metric(condition.region) | (region;%condition%)

``metric`` is sum, mean, median, range, max or min, of the surprisals of the region's tokens in bits; ``*`` for a region
is all regions of the condition. The second kind of reference is SyntaxGym's, with the metric of its suite; it and the
operators mean what they mean there (``=``: within 0.001 + 0.00001 times the right side). Beyond SyntaxGym there are *
and /, names of regions, and brackets as parentheses. ``a & b | c``, which SyntaxGym reads from left to right and others
do not, and ``a < b < c``, of which it leaves out the end, are refused.

Source: SyntaxGym's documentation (Gauthier et al. 2020) and its ``prediction.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from seqscore.errors import InputError
from seqscore.evaluation.tasks.criterion_tree import (
    WHOLE,
    Arithmetic,
    Comparison,
    Criterion,
    Junction,
    Metric,
    Number,
    Quantity,
    Reference,
)

_LONGEST, _DEEPEST = 10_000, 50
_TOKEN = re.compile(
    r"""\s*(?:
    \(\s*(?P<number_of_region>\d+|\*)\s*;\s*%(?P<condition>[^%]*)%\s*\)
    | (?P<metric>sum|mean|median|range|max|min)\s*\((?P<name>[^()]*)\)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<sign>[-+*/<>=&|()\[\]])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Names:
    """What a criterion can name: the regions of each condition by their labels, and other names of regions."""

    conditions: tuple[tuple[str, tuple[str, ...]], ...]
    aliases: tuple[tuple[str, str], ...] = ()

    def region(self, condition: str, name: str, written: str) -> tuple[str, str]:
        """Condition and label of a region.

        Raises:
            InputError: there is no such condition or region; the message lists those there are.
        """
        known = dict(self.conditions)
        if condition not in known:
            raise InputError(f"{written}: there is no condition {condition!r}; the conditions are {_listed(known)}")
        labels = known[condition]
        label = name if name in (*labels, WHOLE) else {new: old for old, new in self.aliases}.get(name, name)
        if label not in (*labels, WHOLE):
            also = dict(self.aliases)
            shown = [f"{one} ({also[one]})" if also.get(one, one) != one else one for one in labels]
            raise InputError(
                f"{written}: condition {condition!r} has no region {name!r}; its regions are {_listed(shown)}"
            )
        return condition, label

    def split(self, name: str, written: str) -> tuple[str, str]:
        """Condition and label that ``condition.region`` names; both names may have dots themselves.

        Raises:
            InputError: there are none, or several.
        """
        known = dict(self.conditions)
        if set(known) == {""}:
            return self.region("", name, written)
        places = [place for place, one in enumerate(name) if one == "."]
        parts = [(name[:place].strip(), name[place + 1 :].strip()) for place in places]
        if not parts:
            raise InputError(
                f"{written} must name a condition and a region, as in sum(CONDITION.REGION); the conditions are "
                f"{_listed(known)}"
            )
        fit = [one for one in parts if one[0] in known] or parts[:1]
        found = [self.region(*one, written) for one in fit] if len(fit) == 1 else list(self._all(fit, written))
        if len(set(found)) != 1:
            raise InputError(f"{written} names several regions, or none: {found or fit!r:.100}; rename one")
        return found[0]

    def _all(self, parts: Sequence[tuple[str, str]], written: str) -> Iterator[tuple[str, str]]:
        for part in parts:
            try:
                yield self.region(*part, written)
            except InputError:
                continue


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    every = list(names)
    more = f" and {len(every) - 20} more" if len(every) > 20 else ""
    return (", ".join(map(repr, every[:20])) or "none") + more


def parse(formula: str, names: Names, metric: Metric = "sum") -> Criterion:
    """The criterion that a text is; see the module for how it is written.

    Args:
        formula: the text.
        names: of the conditions and regions there are.
        metric: of references of SyntaxGym's kind.

    Returns:
        What ``verdict`` and ``references`` take.

    Raises:
        InputError: the text is no criterion, or names a condition or region that is not there.

    Example:
        >>> from seqscore.evaluation.tasks.criterion_tree import verdict
        >>> names = Names((("gp", ("verb",)), ("no", ("verb",))))
        >>> found = parse("sum(gp.verb) > sum(no.verb) + 1", names)
        >>> verdict(found, lambda one: 8.0 if one.condition == "gp" else 5.0)
        Verdict(holds=True, margin=2.0, tied=False)
    """
    if len(formula) > _LONGEST:
        raise InputError(f"a criterion of {len(formula):,} characters is too long; expected at most {_LONGEST:,}")
    return _Parser(formula, names, metric).criterion()


class _Parser:
    """A criterion from its text, by recursive descent."""

    def __init__(self, formula: str, names: Names, metric: Metric) -> None:
        self._formula, self._names, self._metric = formula, names, metric
        self._tokens = list(self._cut(formula.rstrip()))
        self._at = self._depth = 0

    def criterion(self) -> Criterion:
        found = self._junction()
        if self._at < len(self._tokens):
            raise self._error(f"{self._written()} is not expected there")
        return self._truth(found)

    def _cut(self, formula: str) -> Iterator[tuple[int, str, str | Reference | Number]]:
        place = 0
        while place < len(formula):
            found = _TOKEN.match(formula, place)
            if found is None:
                shown = formula[place:].lstrip()[:20]
                raise InputError(f"criterion {formula!r:.200}: cannot read {shown!r}, at character {place}")
            yield place, found[0].strip(), self._token(found)
            place = found.end()

    def _token(self, found: re.Match[str]) -> str | Reference | Number:
        written = f"criterion {self._formula!r:.200}: {found[0].strip()}"
        if found["sign"] is not None:
            return found["sign"]
        if found["number"] is not None:
            return Number(float(found["number"]))
        if found["metric"] is not None:
            return Reference(found["metric"], *self._names.split(found["name"].strip(), written))  # type: ignore[arg-type]  # the pattern has the names of metrics
        condition = found["condition"].strip()
        return Reference(self._metric, *self._names.region(condition, found["number_of_region"], written))

    def _next(self) -> str | Reference | Number | None:
        return self._tokens[self._at][2] if self._at < len(self._tokens) else None

    def _written(self) -> str:
        return repr(self._tokens[self._at][1]) if self._at < len(self._tokens) else "its end"

    def _error(self, what: str) -> InputError:
        place = self._tokens[self._at][0] if self._at < len(self._tokens) else len(self._formula)
        return InputError(f"criterion {self._formula!r:.200}: {what}, at character {place}")

    def _take(self, signs: str) -> str | None:
        """The next token where it is one of these signs."""
        found = self._next()
        if not isinstance(found, str) or found not in signs:
            return None
        self._at += 1
        return found

    def _junction(self) -> Criterion | Quantity:
        parts: list[Criterion | Quantity] = [self._comparison()]
        sign = None
        while (taken := self._take("&|")) is not None:
            if sign not in (None, taken):
                self._at -= 1
                raise self._error("& and | stand side by side; put parentheses around what belongs together")
            sign = taken
            parts.append(self._comparison())
        return parts[0] if sign is None else Junction(sign, tuple(map(self._truth, parts)))

    def _comparison(self) -> Criterion | Quantity:
        left = self._sum()
        sign = self._take("<>=")
        if sign is None:
            return left
        right = self._quantity(self._sum())
        if self._next() in ("<", ">", "="):
            raise self._error("a comparison has two sides; join two comparisons with &")
        return Comparison(sign, self._quantity(left), right)

    def _sum(self) -> Criterion | Quantity:
        return self._chain(self._product, "+-")

    def _product(self) -> Criterion | Quantity:
        return self._chain(self._factor, "*/")

    def _chain(self, part: Callable[[], Criterion | Quantity], signs: str) -> Criterion | Quantity:
        first, rest = part(), []
        while (sign := self._take(signs)) is not None:
            rest.append((sign, self._quantity(part())))
        return Arithmetic(self._quantity(first), tuple(rest)) if rest else first

    def _factor(self) -> Criterion | Quantity:
        negative = False
        while self._take("-") is not None:
            negative = not negative
        found = self._unsigned()
        return Arithmetic(Number(0.0), (("-", self._quantity(found)),)) if negative else found

    def _unsigned(self) -> Criterion | Quantity:
        opened = self._take("([")
        if opened is not None:
            return self._inside(")" if opened == "(" else "]")
        found = self._next()
        if found is None or isinstance(found, str):
            raise self._error(f"a number or a region is expected, got {self._written()}")
        self._at += 1
        return found

    def _inside(self, closing: str) -> Criterion | Quantity:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(f"parentheses are nested more than {_DEEPEST} deep")
        found = self._junction()
        self._depth -= 1
        if self._take(closing) is None:
            raise self._error(f"{closing!r} is expected, got {self._written()}")
        return found

    def _quantity(self, found: Criterion | Quantity) -> Quantity:
        if isinstance(found, Comparison | Junction):
            raise self._error("a comparison stands where a number is expected")
        return found

    def _truth(self, found: Criterion | Quantity) -> Criterion:
        if not isinstance(found, Comparison | Junction):
            raise self._error("a comparison (<, > or =) is expected, and there is a number alone")
        return found
