"""Criteria over the surprisals of regions, in SyntaxGym's manner: which items show what was predicted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from seqscore.errors import InputError, OptionError, SeqscoreError
from seqscore.evaluation.data.dataset import Dataset
from seqscore.evaluation.data.fields import Fields, Form
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.scored.scored_rows import FieldKind
from seqscore.evaluation.tasks.base import Option, Task, option
from seqscore.evaluation.tasks.criterion_tree import WHOLE, Reference, Verdict, verdict
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.region_items import FORMS, Sentence, SuiteItem, suite_items
from seqscore.evaluation.tasks.regions import RegionScore, as_numbers, metric_of, region_scores
from seqscore.evaluation.tasks.rows import Entry, Stored, TaskItem, TaskRow, item_of, joined, shallow
from seqscore.evaluation.tasks.suites import Suite, suites_of
from seqscore.scores.reductions import Unit, bits_per
from seqscore.text.items import check_delimiter

NO_VALUE = "a formula has no value: a token of a region is not scored, or belongs to another region; or it divides by 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class CriteriaTask(Task):
    """How many items meet criteria over the surprisals (bits) of regions of their conditions; see ``formulas``.

    An item is right where all of its criteria hold; ties (equal sides of < or >) are no hits and counted. The margin of
    an item is that of its worst criterion: how many bits it is away from failing, or, below 0, from holding. Which
    token belongs to which region: see ``regions``. Without criteria the task gives the surprisals alone.

    As SyntaxGym does: regions are joined by single spaces, an empty one leaves none and has the surprisal 0, surprisals
    of a region's tokens are summed, in bits. Unlike it: a start token is read and not scored, all text is scored, and
    a token over the end of a region is neither lost nor an error.
    """

    name: ClassVar[str] = "criteria"
    about: ClassVar[str] = "Test suites: how often surprisals of regions are as criteria, or SyntaxGym's suites, say."
    forms: ClassVar[tuple[Form, ...]] = FORMS
    column_options: ClassVar[Mapping[str, Option]] = {
        "regions": Option("Columns of regions, a,b,c, which together make the text.", "--regions"),
        "spans": Option("Column of regions as [start, end] pairs of characters of the text.", "--spans"),
        "item": Option("Column that names the item; its rows are put together.", "--item"),
        "condition": Option("Column that names the condition.", "--condition"),
    }
    side_by_side: ClassVar[bool] = True
    unit: ClassVar[Unit] = "bits"
    reads_tokens: ClassVar[bool] = True
    reads_spans: ClassVar[bool] = True
    compared_by: ClassVar[tuple[str, ...]] = ("criterion", "criteria")

    criterion: list[str] | None = option(None, 'Such as "sum(gp.verb) > sum(no.verb)"; may be repeated; all must hold.')
    criteria: str = option("", "A file of criteria, one a line.", flag="--criteria", reads_file=True)
    delimiter: str = option(" ", "Between regions; auto: a space where they would touch, in scripts that have spaces.")
    suites: tuple[Suite, ...] = field(default=())

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)
        given = [self.criterion] if isinstance(self.criterion, str) else self.criterion
        if given is not None and not (isinstance(given, list | tuple) and all(isinstance(one, str) for one in given)):
            raise OptionError(f"criterion={given!r:.60} must be a criterion, or a list of them")
        object.__setattr__(self, "criterion", list(given) if given else None)

    @classmethod
    def stored(cls, fields: Fields, settings: Mapping[str, Any]) -> Task:
        """With the suites that it found in its data."""
        found = tuple(map(Suite.stored, settings["suites"]))
        return cls(fields=fields, **{**settings, "suites": found})

    @property
    def found_settings(self) -> Mapping[str, Any]:
        """The suites: criteria, conditions and regions."""
        return {"suites": [one.to_dict() for one in self.suites]}

    def for_dataset(self, dataset: Dataset) -> Task:
        """With the suites of the data, whose criteria are checked now."""
        given = [*(self.criterion or ()), *filter(None, map(str.strip, self.criteria.splitlines()))]
        rows = map(shallow, dataset.look(_LOOK_AT))
        return replace(self, suites=suites_of(suite_items(rows, self.fields, self.delimiter), self.fields, given))

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """An item of a suite each, with a text for each of its conditions."""
        for number, item in enumerate(suite_items(map(shallow, dataset.rows()), self.fields, self.delimiter)):
            if isinstance(item, Problem):
                yield Entry(str(item.id), number, item.error.message, item.error)
            else:
                named = dataset.options.id_column is not None and item.row is not None
                name = str(item.row.id) if named and item.row is not None else item.id
                yield Entry(name, number, item.values, self._row(item))

    def _row(self, item: SuiteItem) -> TaskRow | SeqscoreError:
        if item.error is not None:
            return item.error
        try:
            if not item.sentences:
                raise InputError(f"{item.where}: item {item.id!r} has no condition")
            suite = self._suite(item.group)
            if suite is not None:
                suite.check(item)
            items = tuple(self._item(name, one) for name, one in item.sentences.items())
        except InputError as error:
            return error
        return TaskRow(items=items, group=item.group)

    def _item(self, condition: str, sentence: Sentence) -> TaskItem:
        alone = sentence.context is None
        pair = joined(sentence.context or "", sentence.text, "auto")
        shift = 0 if alone else len((pair.context + pair.taken_delimiter()).encode("utf-8", "surrogatepass"))  # type: ignore[operator]  # a text
        numbers = as_numbers(sentence.regions, shift)
        return item_of(condition or "text", sentence.text if alone else pair, sentence.text, **numbers)

    def _suite(self, group: str | None) -> Suite | None:
        return next((one for one in self.suites if one.name == group), None)

    @property
    def num_criteria(self) -> int:
        """Of the suite that has most."""
        return max((len(one.criteria) for one in self.suites), default=0)

    def measures(self) -> Sequence[Measure]:
        """Items that meet all criteria, and each; ties, margins, tokens that cross the end of a region."""
        surprisal = Measure(
            name="mean_surprisal",
            figure="ratio",
            unit="bits a text",
            headline=not self.num_criteria,
            per_row=not self.num_criteria,
        )
        crossing = Measure(name="crossing", figure="ratio", unit="share of regions")
        return (*(self._hits() if self.num_criteria else ()), surprisal, crossing)

    def _hits(self) -> Iterator[Measure]:
        several = len(self.suites) > 1
        shared: dict[str, Any] = {"figure": "ratio", "method": "wilson", "left_out": NO_VALUE, "by_group": several}
        formulas = self.suites[0].criteria if not several else ()
        one = f": {formulas[0]}" if len(formulas) == 1 else ""
        yield Measure(name="accuracy", unit=f"share of items{one}", better="higher", headline=True, **shared)
        for place in range(self.num_criteria) if self.num_criteria > 1 else ():
            said = f": {formulas[place]}" if formulas else ""
            yield Measure(name=f"criterion_{place + 1}", unit=f"share of items{said}", better="higher", **shared)
        yield Measure(name="ties", unit="share of items", column=False, **{**shared, "by_group": False})
        yield Measure(
            name="mean_margin",
            figure="ratio",
            unit="bits",
            better="higher",
            per_row=True,
            chart="margins",
            axes=("margin of the worst criterion [bits]", "items"),
            sides=("all criteria hold", "one does not, or a tie"),
        )

    def values(self, row: Stored) -> RowValues:
        """Whether the criteria hold, and by how much."""
        scores = scored_regions(row)
        every = [one for regions in scores.values() for one in regions]
        totals = [bits_per(item["log_likelihood"], 1) or 0.0 for item in row["items"] if item["num_scored"]]
        found: dict[str, tuple[float, ...]] = {
            "mean_surprisal": (math.fsum(totals), float(len(totals))),
            "crossing": (float(sum(one.num_crossing > 0 for one in every)), float(len(every))),
        }
        verdicts = self._verdicts(row["group"], scores)
        for place, one in enumerate(verdicts if self.num_criteria > 1 else ()):
            if one.holds is not None:
                found[f"criterion_{place + 1}"] = (float(one.holds), 1.0)
        if verdicts and all(one.holds is not None for one in verdicts):
            found["accuracy"] = (float(all(one.holds for one in verdicts)), 1.0)
            found["ties"] = (float(any(one.tied for one in verdicts)), 1.0)
            margin = min(one.margin for one in verdicts)
            if math.isfinite(margin):
                found["mean_margin"] = (margin, 1.0)
        return found

    def _verdicts(self, group: str | None, scores: Mapping[str, Sequence[RegionScore]]) -> list[Verdict]:
        """Of every criterion of the suite of this name, for an item with these regions by condition."""
        suite = self._suite(group)
        return [] if suite is None else [verdict(one, lambda named: _value(named, scores)) for one in suite.parsed()]

    @property
    def flat_fields(self) -> Mapping[str, FieldKind]:
        """Of each criterion whether it holds, and by how much; the surprisal of each region of each condition."""
        places = range(1, self.num_criteria + 1)
        found: dict[str, FieldKind] = {f"criterion_{place}": "flag" for place in places}
        found |= {f"margin_{place}": "real" for place in places}
        named = dict.fromkeys(
            f"surprisal_{condition or 'text'}.{label}"
            for suite in self.suites
            for condition, labels in suite.conditions
            for label in labels
        )
        return {**found, **dict.fromkeys(named, "real")}

    def flat_values(self, row: Stored, unit: Unit) -> Mapping[str, Any]:
        """See ``flat_fields``; null where a region has no surprisal of its own."""
        scores, scale = scored_regions(row), 1.0 if unit == "bits" else math.log(2)
        found: dict[str, Any] = {}
        for place, one in enumerate(self._verdicts(row["group"], scores), start=1):
            found[f"criterion_{place}"] = one.holds
            found[f"margin_{place}"] = None if math.isnan(one.margin) else one.margin * scale
        for condition, regions in scores.items():
            for region in regions:
                bits = region.metric("sum")
                found[f"surprisal_{condition}.{region.region.label}"] = None if math.isnan(bits) else bits * scale
        return found


_LOOK_AT = 1_000_000  # rows of what can be read once


def scored_regions(row: Stored) -> dict[str, tuple[RegionScore, ...]]:
    """The regions of a stored item with their surprisals, by condition."""
    return {item["role"]: region_scores(item) for item in row["items"]}


def _value(named: Reference, scores: Mapping[str, Sequence[RegionScore]]) -> float:
    regions = scores[named.condition or "text"]
    if named.region != WHOLE:
        return next(one for one in regions if one.region.label == named.region).metric(named.metric)
    if not all(one.covered for one in regions):
        return math.nan
    return metric_of([bits for one in regions for bits in one.bits], named.metric)
