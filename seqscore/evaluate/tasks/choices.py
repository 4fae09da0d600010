"""Tasks where one of several alternatives is right: minimal pairs and multiple choice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from seqscore.errors import InputError
from seqscore.evaluate.data.dataset import DataRow, Dataset
from seqscore.evaluate.data.fields import Fields
from seqscore.evaluate.data.gold import GoldBase, GoldRow, choice_texts, gold_base, gold_index
from seqscore.evaluate.tasks.base import (
    Entry,
    Measure,
    RowValues,
    Stored,
    TaskItem,
    TaskRow,
    entries_of,
    joined,
    settings_of,
)
from seqscore.evaluate.tasks.perplexity import item_of
from seqscore.text.items import check_delimiter
from seqscore.text.joins import DELIMITER_AUTO

_LOOK_AT = 10_000  # rows of what is fetched or can be read once, for what right choices are counted from


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsTask:
    """Minimal pairs: is the good sentence more probable than the bad one? A tie is a tie and no hit.

    ``delimiter`` stands before a sentence, also without a context where it is not ``auto``: lm-eval scores
    `" Sentence"`, which is ``bos="lm-eval", delimiter=" "``.
    """

    name: ClassVar[str] = "pairs"
    needs_start_token: ClassVar[str] = ""

    fields: Fields
    delimiter: str = DELIMITER_AUTO

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the numbers depend on besides model and data."""
        return settings_of(self)

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """Two items a row, the good one first."""
        return entries_of(dataset, self._row, context=self.fields.columns.get("context"))

    def _row(self, row: DataRow) -> TaskRow:
        context = (row.context(self.fields["context"]) if "context" in self.fields else None) or ""
        return TaskRow(
            items=tuple(self._item(role, context, row.text(self.fields[role])) for role in ("good", "bad")),
            group=group_of(row, self.fields),
            gold=0,
        )

    def _item(self, role: str, context: str, text: str) -> TaskItem:
        alone = not context and self.delimiter == DELIMITER_AUTO
        return item_of(role, text if alone else joined(context, text, self.delimiter), text)

    def measures(self) -> Sequence[Measure]:
        """Hits and ties, of the sums and of the means over tokens."""
        return (
            Measure(
                name="accuracy", figure="ratio", unit="share of pairs", method="wilson", better="higher", by_group=True
            ),
            Measure(name="ties", figure="ratio", unit="share of pairs", method="wilson"),
            Measure(name="accuracy_per_token", figure="ratio", unit="share of pairs", method="wilson", better="higher"),
            Measure(name="mean_margin", figure="ratio", unit="nats", better="higher"),
        )

    def values(self, row: Stored) -> RowValues:
        """log p(good) - log p(bad), and whether it is above 0."""
        good, bad = row["items"]
        scores = [good["log_likelihood"], bad["log_likelihood"]]
        found = {
            "accuracy": (hit(scores, 0), 1.0),
            "ties": (float(scores[0] == scores[1]), 1.0),
            "accuracy_per_token": (hit([per(one, "num_scored") for one in (good, bad)], 0), 1.0),
        }
        if all(math.isfinite(score) for score in scores):
            found["mean_margin"] = (scores[0] - scores[1], 1.0)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicesTask:
    """Multiple choice: several continuations of one context, or several contexts before one continuation.

    Scores, each from the same pass: the log-likelihood of a choice; that per token, per character and per byte of the
    choice (the delimiter not counted, as in lm-eval); log p(choice | context) - log p(choice), the pointwise mutual
    information (PMI); and with ``domain_context`` log p(choice | context) - log p(choice | domain_context), the
    domain-conditional PMI (Holtzman et al. 2021). With several contexts the continuation is the same, so lengths do not
    matter and the sum alone is used. ``prefix`` stands before every context: examples for few-shot evaluation.
    ``unconditional``: whether PMI is computed. It needs a start token, and a row whose choices have other tokens behind
    their context than without it has none. ``gold_from``: what numbers of choices count from.
    """

    name: ClassVar[str] = "choices"

    fields: Fields
    delimiter: str = DELIMITER_AUTO
    prefix: str = ""
    domain_context: str | None = None
    unconditional: bool = True
    gold_from: GoldBase = "auto"

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the numbers depend on besides model and data."""
        return settings_of(self)

    @property
    def _several_contexts(self) -> bool:
        return "contexts" in self.fields

    @property
    def needs_start_token(self) -> str:
        """PMI: without one the first token of a choice alone has no probability."""
        if not self.unconditional or self._several_contexts:
            return ""
        return (
            "PMI needs a token before a choice alone, whose first token has no probability otherwise; leave PMI out "
            "(unconditional=False, --no-pmi)"
        )

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """An item a choice, and one or two more where choices are scored without their context."""
        convert = self._with_contexts if self._several_contexts else self._with_choices
        return entries_of(dataset, partial(convert, base=self._base(dataset)))

    def _base(self, dataset: Dataset) -> int:
        """What right choices are counted from: as asked for, or as the values of the dataset say."""
        if self.gold_from != "auto":
            return int(self.gold_from)
        base, said = gold_base(self._gold_rows(dataset))
        if said is not None:
            dataset.options.notify(said)
        return base

    def _gold_rows(self, dataset: Dataset) -> Iterator[GoldRow]:
        column = self.fields["contexts" if self._several_contexts else "choices"]
        for row in dataset.look(_LOOK_AT):
            try:
                choices, labels = choice_texts(row.at(column), where=row.where, column=column)
                yield GoldRow(row.where, row.at(self.fields["gold"]), choices, labels)
            except InputError:
                continue  # the row's own error, when it is its turn

    def _with_contexts(self, row: DataRow, *, base: int) -> TaskRow:
        column = self.fields["contexts"]
        contexts, labels = choice_texts(row.at(column), where=row.where, column=column)
        text = row.text(self.fields["continuation"])
        return TaskRow(
            items=tuple(
                item_of("choice", joined(self.prefix + context, text, self.delimiter), text) for context in contexts
            ),
            gold=self._gold(row, contexts, labels, base),
            group=group_of(row, self.fields),
        )

    def _with_choices(self, row: DataRow, *, base: int) -> TaskRow:
        column = self.fields["choices"]
        choices, labels = choice_texts(row.at(column), where=row.where, column=column)
        context = self.prefix + row.text(self.fields["query"])
        pairs = [(choice, joined(context, choice, self.delimiter)) for choice in choices]
        items = [item_of("choice", pair, choice) for choice, pair in pairs]
        # Behind nothing, or a domain's context, stands the same continuation: the same tokens are compared.
        others = {"unconditional": "" if self.unconditional else None, "domain": self.domain_context}
        for role, other in others.items():
            if other is not None:
                items += [
                    item_of(role, joined(other, choice, pair.taken_delimiter()), choice) for choice, pair in pairs
                ]
        gold = self._gold(row, choices, labels, base)
        return TaskRow(items=tuple(items), gold=gold, group=group_of(row, self.fields))

    def _gold(self, row: DataRow, choices: Sequence[str], labels: Sequence[str] | None, base: int) -> int:
        column = self.fields["gold"]
        return gold_index(row.at(column), choices, labels, where=row.where, column=column, base=base)

    def measures(self) -> Sequence[Measure]:
        """Accuracy by every kind of score, ties of the sum."""
        names = ["accuracy"]
        if not self._several_contexts:
            names += ["accuracy_per_token", "accuracy_per_char", "accuracy_per_byte"]
            names += ["accuracy_pmi"] if self.unconditional else []
            names += ["accuracy_domain_pmi"] if self.domain_context is not None else []
        by_group = "group" in self.fields
        return (
            *(
                Measure(
                    name=name,
                    figure="ratio",
                    unit="share of questions",
                    method="wilson",
                    better="higher",
                    by_group=by_group and name == "accuracy",
                    left_out=_OTHER_TOKENS if name.endswith("pmi") else "",
                )
                for name in names
            ),
            Measure(name="ties", figure="ratio", unit="share of questions", method="wilson"),
            Measure(name="brier", figure="ratio", unit="squared error"),
            Measure(name="confidence", figure="ratio", unit="probability", better="higher"),
            Measure(name="confident_and_right", figure="ratio", unit="probability", better="higher", use="hidden"),
        )

    def values(self, row: Stored) -> RowValues:
        """Whether the right choice has the greatest score, and it alone."""
        from seqscore.scores.statistics.calibration import brier_score, choice_probabilities

        gold = row["gold"]
        known = {measure.name for measure in self.measures()}
        scores = {name: one for name, one in alternative_scores(row).items() if name in known}
        found = {name: (hit(values, gold), 1.0) for name, values in scores.items()}
        sums = scores["accuracy"]
        found["ties"] = (float(sums[gold] == max(sums) and sums.count(max(sums)) > 1), 1.0)
        if max(sums) > -math.inf:
            probabilities = choice_probabilities(sums)
            brier = brier_score([probabilities], [gold])
            found["brier"] = (brier if brier is not None else 0.0, 1.0)
            found["confidence"] = (float(probabilities.max()), 1.0)
            found["confident_and_right"] = (float(int(probabilities.argmax()) == gold), 1.0)
        return found


def alternative_scores(row: Stored) -> dict[str, list[float]]:
    """The scores of a stored row's choices, by the accuracy that they decide. A PMI compares the same tokens behind
    another context, or there is none."""
    by_role: dict[str, list[Stored]] = {}
    for item in row["items"]:
        by_role.setdefault(item["role"], []).append(item)
    choices = by_role.get("choice") or [*by_role.get("good", ()), *by_role.get("bad", ())]
    sums = [item["log_likelihood"] for item in choices]
    found = {
        "accuracy": sums,
        "accuracy_per_token": [per(item, "num_scored") for item in choices],
        "accuracy_per_char": [per(item, "num_chars") for item in choices],
        "accuracy_per_byte": [per(item, "num_bytes") for item in choices],
    }
    for role, name in (("unconditional", "accuracy_pmi"), ("domain", "accuracy_domain_pmi")):
        if role in by_role and all(map(same_tokens, choices, by_role[role])):
            found[name] = [_minus(a, b["log_likelihood"]) for a, b in zip(sums, by_role[role], strict=True)]
    return found


_OTHER_TOKENS = "a choice has other tokens behind its context than without it, so nothing can be subtracted"


def same_tokens(one: Stored, other: Stored) -> bool:
    """Whether two items score the same tokens."""
    return all(one[name] == other[name] for name in ("num_scored", "tokens_hash"))


def hit(scores: Sequence[float], gold: int) -> float:
    """1.0 where the score of ``gold`` is greater than all others; a tie is no hit."""
    return float(all(scores[gold] > score for place, score in enumerate(scores) if place != gold))


def per(item: Stored, length: str) -> float:
    """Log-likelihood divided by a length; of nothing the log-likelihood itself, 0."""
    return float(item["log_likelihood"]) / max(1, int(item[length]))


def group_of(row: DataRow, fields: Fields) -> str | None:
    """The group that a row belongs to, as text; None where it names none. It costs no row its score."""
    if "group" not in fields:
        return None
    try:
        value = row.at(fields["group"])
    except InputError:
        return None
    return None if row.record.is_missing(value) else str(value)


def _minus(a: float, b: float) -> float:
    return a if a == -math.inf else float(a) - float(b)
