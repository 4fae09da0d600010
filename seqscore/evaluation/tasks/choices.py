"""Multiple choice: one of several alternatives is right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from seqscore.errors import InputError
from seqscore.evaluation.data.column_names import CHOICES, CONTEXTS, GOLD, QUERY, SUBJECT, TARGET
from seqscore.evaluation.data.dataset import DataRow, Dataset
from seqscore.evaluation.data.fields import SERIES, Form, ranked
from seqscore.evaluation.data.gold import GoldBase, GoldRow, choice_texts, gold_base, gold_index
from seqscore.evaluation.tasks.alternatives import OTHER_TOKENS, alternative_scores, hit
from seqscore.evaluation.tasks.base import Task, option
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.rows import Entry, Stored, TaskRow, entries_of, group_of, item_of, joined
from seqscore.text.items import check_delimiter
from seqscore.text.joins import DELIMITER_AUTO

_LOOK_AT = 10_000  # rows of what is fetched or can be read once, for what right choices are counted from


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicesTask(Task):
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

    about: ClassVar[str] = "Multiple choice: accuracy by sum, per token, character and byte, and by PMI; calibration."
    forms: ClassVar[tuple[Form, ...]] = (
        Form(
            required={"contexts": ranked(*CONTEXTS), "continuation": (TARGET,), "gold": (GOLD,)},
            optional={"group": ranked(*SUBJECT)},
            lists=frozenset({"contexts"}),
        ),
        Form(
            required={"query": ranked(*QUERY), "choices": (CHOICES,), "gold": (GOLD,)},
            optional={"group": ranked(*SUBJECT)},
            lists=frozenset({"choices"}),
            series={"choices": SERIES},
        ),
    )
    kept_roles: ClassVar[frozenset[str]] = frozenset({"gold"})  # stored is the place of the right choice
    side_by_side: ClassVar[bool] = True
    alternatives: ClassVar[tuple[str, ...]] = ("choice",)
    heading: ClassVar[Literal["text", "chosen", "context"]] = "context"
    calibration: ClassVar[tuple[str, str] | None] = ("confidence", "confident_and_right")
    helpers: ClassVar[tuple[str, ...]] = ("unconditional", "domain")

    delimiter: str = option(DELIMITER_AUTO, "Between context and choice; auto: a space where they would touch.")
    prefix: str = option("", "A file of text that stands before every context.", flag="--few-shot", reads_file=True)
    domain_context: str | None = option(None, "Context of the domain-conditional PMI, such as 'Answer:'.")
    unconditional: bool = option(True, "Also score choices without context.", flag="--pmi/--no-pmi")
    gold_from: GoldBase = option("auto", "What numbers of right choices count from; auto: as they say.")

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)

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

    @property
    def subtracts(self) -> str:
        """PMI, and domain-conditional PMI."""
        if self._several_contexts:
            return ""
        without = ["unconditional=False, --no-pmi"] if self.unconditional else []
        without += ["domain_context=None, no --domain-context"] if self.domain_context is not None else []
        said = "PMI takes log p(choice) from log p(choice | context); leave it out"
        return f"{said} ({'; '.join(without)})" if without else ""

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
                    headline=name == "accuracy",
                    left_out=OTHER_TOKENS if name.endswith("pmi") else "",
                )
                for name in names
            ),
            Measure(name="ties", figure="ratio", unit="share of questions", method="wilson", column=False),
            Measure(name="brier", figure="ratio", unit="squared error", per_row=True),
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
