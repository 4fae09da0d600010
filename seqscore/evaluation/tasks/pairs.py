"""Minimal pairs, and sets of more than two: one of several sentences, or contexts, is right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from seqscore.errors import InputError
from seqscore.evaluation.data.column_names import (
    BAD,
    BADS,
    CONTEXT,
    CONTEXT_BAD,
    CONTEXT_GOOD,
    GOOD,
    ONE_PREFIX,
    PHENOMENON,
    SHARED,
    TARGET,
    TWO_PREFIX,
)
from seqscore.evaluation.data.dataset import DataRow, Dataset
from seqscore.evaluation.data.fields import Form, ranked
from seqscore.evaluation.tasks.alternatives import hit, per
from seqscore.evaluation.tasks.base import Task, option
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.rows import Entry, Stored, TaskItem, TaskRow, entries_of, group_of, item_of, joined
from seqscore.text.items import check_delimiter
from seqscore.text.joins import DELIMITER_AUTO

Method: TypeAlias = Literal["auto", "sentence", "one-prefix", "two-prefix"]
"""What of a pair is compared, as BLiMP calls it. ``sentence``: two sentences; ``one-prefix``: two words behind one
context; ``two-prefix``: one word, or whatever else is the same, behind two contexts, as in COMPS; ``auto``: what the
names of the columns say, sentences where they say several."""

_GROUP = {"group": ranked(*PHENOMENON)}
_SENTENCES = Form(
    required={"good": ranked(*GOOD), "bad": ranked(*BAD)},
    optional={"context": ranked(*CONTEXT), **_GROUP, "applies": ranked("simple_LM_method")},
)
_SEVERAL = Form(
    required={"good": ranked(*GOOD), "bads": (BADS,)},
    optional={"context": ranked(*CONTEXT), **_GROUP},
    lists=frozenset({"bads"}),
    series={"bads": "|".join((*BAD, "foil", "distractor"))},
)
_CONTEXTS = Form(
    required={
        "context_good": ranked(*CONTEXT_GOOD),
        "context_bad": ranked(*CONTEXT_BAD),
        "continuation": ranked(*SHARED, *TARGET),
    },
    optional=_GROUP,
)
_ONE_PREFIX = Form(
    required=dict(zip(("context", "good", "bad"), map(ranked, ONE_PREFIX[1:]), strict=True)),
    optional={**_GROUP, "applies": ranked(ONE_PREFIX[0])},
    mark=ONE_PREFIX[0],
)
_TWO_PREFIX = Form(
    required=dict(zip(("context_good", "context_bad", "continuation"), map(ranked, TWO_PREFIX[1:]), strict=True)),
    optional={**_GROUP, "applies": ranked(TWO_PREFIX[0])},
    mark=TWO_PREFIX[0],
)
_FORMS: Mapping[Method, tuple[Form, ...]] = {
    "auto": (_CONTEXTS, _SEVERAL, _SENTENCES),
    "sentence": (_SEVERAL, _SENTENCES),
    "one-prefix": (_ONE_PREFIX,),
    "two-prefix": (_CONTEXTS, _TWO_PREFIX),
}

NOT_APPLICABLE = "the data say that the method does not apply to the row"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsTask(Task):
    """Minimal pairs: is the good sentence more probable than the bad one, or than all bad ones? A tie is no hit.

    With two contexts, log p(continuation | context) is compared: the continuation is the same, so that the sum alone
    tells. ``delimiter`` stands before a sentence, also without a context where it is not ``auto``: lm-eval scores
    `" Sentence"`, which is ``bos="lm-eval", delimiter=" "``. ``method``: see ``Method``; a row to which it does not
    apply is not scored, and counted as left out.
    """

    name: ClassVar[str] = "pairs"
    about: ClassVar[str] = (
        "Minimal pairs: how often the good sentence is more probable than the bad one, or all bad ones; ties are ties."
    )
    forms: ClassVar[tuple[Form, ...]] = (_CONTEXTS, _SEVERAL, _SENTENCES)
    kept_roles: ClassVar[frozenset[str]] = frozenset({"applies"})
    side_by_side: ClassVar[bool] = True
    alternatives: ClassVar[tuple[str, ...]] = ("good", "bad")

    delimiter: str = option(DELIMITER_AUTO, "Before a sentence; auto: a space behind a context. lm-eval: ' ', always.")
    method: Method = option("auto", "BLiMP's: sentences, words behind one prefix, or one behind two; auto: by column.")

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)

    @classmethod
    def forms_with(cls, options: Mapping[str, Any]) -> tuple[Form, ...]:
        """Those of the method."""
        return _FORMS[options.get("method", "auto")]

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """An item for each alternative, the good one first; none where the method does not apply."""
        return entries_of(dataset, self._row, context=self.fields.columns.get("context"))

    def _row(self, row: DataRow) -> TaskRow:
        pairs = self._pairs(row) if self._applies(row) else []
        items = tuple(self._item("bad" if place else "good", *pair) for place, pair in enumerate(pairs))
        return TaskRow(items=items, group=group_of(row, self.fields), gold=0)

    def _pairs(self, row: DataRow) -> list[tuple[str, str]]:
        """Each alternative as its context and its text, the good one first."""
        if "continuation" in self.fields:
            text = row.text(self.fields["continuation"])
            return [(row.text(self.fields[role]), text) for role in ("context_good", "context_bad")]
        context = (row.context(self.fields["context"]) if "context" in self.fields else None) or ""
        good = row.text(self.fields["good"])
        bad = self._bads(row) if "bads" in self.fields else [row.text(self.fields["bad"])]
        return [(context, text) for text in (good, *bad)]

    def _bads(self, row: DataRow) -> list[str]:
        column = self.fields["bads"]
        value = row.at(column)
        if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
            raise InputError(f"{row.where}: column {column!r} must be a list of at least one text, got {value!r:.60}")
        return value

    def _applies(self, row: DataRow) -> bool:
        """What the data say of the row; that it does where they say nothing."""
        if "applies" not in self.fields:
            return True
        column = self.fields["applies"]
        try:
            value = row.at(column)
        except InputError:
            return True
        if row.record.is_missing(value):
            return True
        said = {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().casefold())
        if said is None:
            raise InputError(f"{row.where}: column {column!r} is {value!r:.60}; expected true or false")
        return said

    def _item(self, role: str, context: str, text: str) -> TaskItem:
        alone = not context and self.delimiter == DELIMITER_AUTO
        return item_of(role, text if alone else joined(context, text, self.delimiter), text)

    def measures(self) -> Sequence[Measure]:
        """Hits and ties, of the sums and of the means over tokens."""
        several = "bads" in self.fields
        unit = "share of sets" if several else "share of pairs"
        hits: dict[str, Any] = {"figure": "ratio", "unit": unit, "method": "wilson"}
        others = "best bad" if several else "bad"
        found = [
            Measure(
                name="accuracy",
                better="higher",
                by_group=True,
                headline=True,
                left_out=NOT_APPLICABLE if "applies" in self.fields else "",
                **hits,
            ),
            Measure(name="ties", column=False, **hits),
        ]
        if several:
            found.append(Measure(name="accuracy_pairwise", figure="ratio", unit="share of bad texts", better="higher"))
        if "continuation" not in self.fields:
            found.append(Measure(name="accuracy_per_token", better="higher", **hits))
        margin = Measure(
            name="mean_margin",
            figure="ratio",
            unit="nats",
            better="higher",
            per_row=True,
            chart="margins",
            axes=(f"margin log p(good) − log p({others})", "sets" if several else "pairs"),
            sides=("good sentence more probable", "bad sentence more probable, or a tie"),
        )
        return (*found, margin)

    def values(self, row: Stored) -> RowValues:
        """log p(good) - log p(bad) of the best bad one, whether it is above 0, and how many bad ones are below."""
        items = row["items"]
        if not items:
            return {}
        scores = [item["log_likelihood"] for item in items]
        good, bad = scores[0], max(scores[1:])
        found = {
            "accuracy": (hit(scores, 0), 1.0),
            "ties": (float(good == bad), 1.0),
        }
        if "bads" in self.fields:
            found["accuracy_pairwise"] = (float(sum(good > one for one in scores[1:])), float(len(scores) - 1))
        if "continuation" not in self.fields:
            found["accuracy_per_token"] = (hit([per(one, one["num_scored"]) for one in items], 0), 1.0)
        if math.isfinite(good) and math.isfinite(bad):
            found["mean_margin"] = (good - bad, 1.0)
        return found
