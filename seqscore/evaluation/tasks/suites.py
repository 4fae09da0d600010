"""What the items of a test suite share: conditions, regions, criteria; found in the data before anything is scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from seqscore.errors import InputError, OptionError, SeqscoreError
from seqscore.evaluation.data.dataset import DataRow
from seqscore.evaluation.data.fields import Fields
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.data.records import kind_of_value
from seqscore.evaluation.tasks.criterion_tree import METRICS, WHOLE, Criterion, Metric, references
from seqscore.evaluation.tasks.formulas import Names, parse
from seqscore.evaluation.tasks.region_items import SuiteItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What the items of a suite share. ``name``: of its group; ``criteria``: as they are written; ``conditions``: with
    the labels of the regions that each has in some item; ``aliases``: (label, name) of regions that have a name too."""

    name: str | None
    metric: Metric
    criteria: tuple[str, ...]
    conditions: tuple[tuple[str, tuple[str, ...]], ...]
    aliases: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "metric": self.metric,
            "criteria": list(self.criteria),
            "conditions": [[name, list(labels)] for name, labels in self.conditions],
            "aliases": [list(one) for one in self.aliases],
        }

    @classmethod
    def stored(cls, stored: Mapping[str, Any]) -> Suite:
        """The suite that ``to_dict`` gave."""
        if stored["metric"] not in tuple(METRICS):
            raise InputError(f"metric {stored['metric']!r} is unknown")
        return cls(
            name=stored["name"],
            metric=stored["metric"],
            criteria=tuple(map(str, stored["criteria"])),
            conditions=tuple((str(name), tuple(map(str, labels))) for name, labels in stored["conditions"]),
            aliases=tuple((str(label), str(name)) for label, name in stored["aliases"]),
        )

    def parsed(self) -> tuple[Criterion, ...]:
        """The criteria.

        Raises:
            InputError: one is none, or names a condition or region that no item has.
        """
        return _parsed(self)

    def check(self, item: SuiteItem) -> None:
        """Make sure that an item has what the criteria name.

        Raises:
            InputError: it has not.
        """
        for number, criterion in enumerate(self.parsed(), start=1):
            for one in references(criterion):
                named = f"{item.where}: item {item.id!r} has no"
                if one.condition not in item.sentences:
                    raise InputError(
                        f"{named} condition {one.condition!r}, which criterion {number} names; its conditions are "
                        f"{', '.join(map(repr, item.sentences)) or 'none'}"
                    )
                labels = [region.label for region in item.sentences[one.condition].regions if region.label is not None]
                if one.region not in (*labels, WHOLE):
                    raise InputError(
                        f"{named} region {one.region!r} in condition {one.condition!r}, which criterion {number} "
                        f"names; its regions are {', '.join(map(repr, labels)) or 'none'}"
                    )


@lru_cache(maxsize=256)
def _parsed(suite: Suite) -> tuple[Criterion, ...]:
    names = Names(suite.conditions, suite.aliases)
    return tuple(parse(one, names, suite.metric) for one in suite.criteria)


@dataclass(slots=True)
class _Found:
    """A suite while its items are looked at."""

    metric: Metric = "sum"
    criteria: tuple[str, ...] = ()
    conditions: dict[str, dict[str, None]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    said: Any = None

    def suite(self, name: str | None) -> Suite:
        """With the name that its group has."""
        return Suite(
            name=name,
            metric=self.metric,
            criteria=self.criteria,
            conditions=tuple((condition, tuple(labels)) for condition, labels in self.conditions.items()),
            aliases=tuple(self.aliases.items()),
        )


def suites_of(items: Iterable[SuiteItem | Problem], fields: Fields, given: Sequence[str]) -> tuple[Suite, ...]:
    """The suites of a dataset, each with the criteria that are ``given``, else those that its rows hold.

    Raises:
        OptionError: a criterion that is given is none, or names what is not there.
        InputError: one of the data is none, or names what is not there; or the rows of a suite contradict each other.
    """
    found: dict[str | None, _Found] = {}
    for item in items:
        if isinstance(item, Problem) or item.error is not None:
            continue
        suite = found.setdefault(item.group, _Found(criteria=tuple(given)))
        _look_at(suite, item, fields, own=not given)
        for condition, sentence in item.sentences.items():
            labels = [one.label for one in sentence.regions if one.label is not None]
            suite.conditions.setdefault(condition, {}).update(dict.fromkeys(labels))
    every = tuple(one.suite(name) for name, one in found.items())
    for one in every:
        _check(one, OptionError if given else InputError)
    return every


def _check(suite: Suite, kind: type[SeqscoreError]) -> None:
    try:
        suite.parsed()
    except InputError as error:
        raise kind(error.message if suite.name is None else f"suite {suite.name!r}: {error.message}") from error


def _look_at(suite: _Found, item: SuiteItem, fields: Fields, *, own: bool) -> None:
    """Take up what a row says of its suite: criteria, metric, names of regions."""
    if item.row is None:
        return
    said = {role: _value(item.row, fields, role) for role in _ROLES if role in fields}
    if said == suite.said:
        return
    if suite.said is not None:
        raise InputError(f"{item.where}: its {', '.join(said)} are not those of the rows of its suite before it")
    suite.said = said
    names = said.get("region_names")
    suite.aliases = {str(label): str(name) for label, name in names.items()} if isinstance(names, Mapping) else {}
    metric = said.get("metric")
    if metric is not None:
        if metric not in tuple(METRICS):  # what JSON holds need not be hashable
            raise InputError(f"{item.where}: metric {metric!r:.60} is unknown; expected one of {', '.join(METRICS)}")
        suite.metric = metric
    if own and said.get("predictions") is not None:
        suite.criteria = _formulas(said["predictions"], item.where)


_ROLES = ("predictions", "region_names", "metric")


def _value(row: DataRow, fields: Fields, role: str) -> Any:
    try:
        return row.at(fields[role])
    except InputError:
        return None


def _formulas(value: Any, where: str) -> tuple[str, ...]:
    """The predictions of a suite: texts, or objects with a formula."""
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}: predictions must be a list, got {kind_of_value(value)}")
    formulas = [one.get("formula") if isinstance(one, Mapping) else one for one in value]
    for one in formulas:
        if not isinstance(one, str):
            raise InputError(f'{where}: a prediction must be {{"type": "formula", "formula": "..."}}, got {one!r:.60}')
    return tuple(map(str, formulas))
