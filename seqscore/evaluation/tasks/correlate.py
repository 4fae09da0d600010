"""The correlation of a score of texts with a number that the data have of them: a rating, a reading time."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from seqscore.evaluation.data.column_names import TARGET, TEXT
from seqscore.evaluation.data.dataset import DataRow, Dataset
from seqscore.evaluation.data.fields import Form, ranked
from seqscore.evaluation.tasks.base import Option, Task, option
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.perplexity import NOTHING_SCORED
from seqscore.evaluation.tasks.rows import (
    LENGTHS,
    Entry,
    NumberKind,
    Stored,
    TaskRow,
    entries_of,
    group_of,
    item_of,
    joined,
)
from seqscore.policies import check_choice
from seqscore.scores.reductions import bits_per, perplexity
from seqscore.scores.statistics.intervals import Interval, Items
from seqscore.text.items import check_delimiter
from seqscore.text.joins import DELIMITER_AUTO

Score: TypeAlias = Literal["surprisal", "mean-surprisal", "log-likelihood", "perplexity", "log-perplexity"]
"""Of n scored tokens with log-likelihood l (nats): -l / ln 2, the same over n, l, exp(-l / n), -l / n."""

_UNITS: Mapping[Score, str] = {
    "surprisal": "bits",
    "mean-surprisal": "bits per token",
    "log-likelihood": "nats",
    "perplexity": "per token",
    "log-perplexity": "nats per token",
}

_FINITE = "; score='log-perplexity' (--score) is finite unless a text is impossible"

_LEAST = 3  # rows; through two points there is always a line


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelateTask(Task):
    """Pearson's r and Spearman's rho (ties have their mean rank) of a score of each row's text with a number of it.

    Intervals are percentile bootstraps over rows; of r also Fisher's, from arctanh(r) +- z / sqrt(n - 3). A row without
    a number is a row with an error. Fewer than 3 rows, a score or a number that never changes, or (for r) an infinite
    perplexity leave a coefficient undefined, and the summary says why.
    """

    name: ClassVar[str] = "correlate"
    about: ClassVar[str] = (
        "Correlate a score of texts with a column of the data: ratings, acceptability, reading times."
    )
    forms: ClassVar[tuple[Form, ...]] = (
        Form(
            required={
                "text": (TEXT, TARGET),
                "value": ranked("rating", "acceptability", "judgement", "judgment", "reading_time"),
            },
            optional={"context": (), "group": ()},
        ),
    )
    column_options: ClassVar[Mapping[str, Option]] = {
        "text": Option("Column of texts.", "--column"),
        "context": Option("Column of contexts, which are not scored.", "--context-column"),
        "value": Option("Column of numbers that the score is correlated with.", "--with"),
        "group": Option("Column of groups, each with a correlation of its own.", "--by"),
    }
    kept_roles: ClassVar[frozenset[str]] = frozenset({"value"})
    numbers: ClassVar[Mapping[str, NumberKind]] = {**LENGTHS, "value": "real"}
    compared_by: ClassVar[tuple[str, ...]] = ("fields",)
    single_item: ClassVar[bool] = True

    score: Score = option("surprisal", "Of a text: its surprisal in bits, in all or a token, ...")
    delimiter: str = option(DELIMITER_AUTO, "Between context and text; auto: a space where they would touch.")

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)
        check_choice("score", self.score, tuple(_UNITS))

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """One item a row, with the number that stands beside it."""
        return entries_of(dataset, self._row, context=self.fields.columns.get("context"))

    def _row(self, row: DataRow) -> TaskRow:
        text, value = row.text(self.fields["text"]), row.numeric(self.fields["value"])
        context = row.context(self.fields["context"]) if "context" in self.fields else None
        item = text if context is None else joined(context, text, self.delimiter)
        return TaskRow(items=(item_of("text", item, text, value=value),), group=group_of(row, self.fields))

    def measures(self) -> Sequence[Measure]:
        """The two coefficients, and the means of what is correlated."""
        column = self.fields["value"]
        about: dict[str, Any] = {
            "unit": f"{self.score} with {column}",
            "better": "higher",
            "by_group": "group" in self.fields,
            "left_out": NOTHING_SCORED,
            "column": False,
        }
        return (
            Measure(
                name="pearson",
                figure=pearson,
                headline=True,
                chart="correlation",
                axes=(f"{self.score} [{_UNITS[self.score]}]", str(column)),
                why_undefined=self._why_no_pearson,
                closed_form=fisher_interval,
                **about,
            ),
            Measure(name="spearman", figure=spearman, why_undefined=_why_undefined, **about),
            Measure(name="mean_score", figure="ratio", unit=_UNITS[self.score], per_row=True),
            Measure(name="mean_value", figure="ratio", unit=str(column)),
        )

    def values(self, row: Stored) -> RowValues:
        """The score of the text and the number beside it."""
        (item,) = row["items"]
        if not item["num_scored"]:
            return {}
        score, value = self._score(item["log_likelihood"], item["num_scored"]), item["numbers"]["value"]
        return {
            "pearson": (score, value),
            "spearman": (score, value),
            "mean_score": (score, 1.0),
            "mean_value": (value, 1.0),
        }

    def _why_no_pearson(self, x: Any, y: Any) -> str:
        infinite = int((~np.isfinite(x)).sum())
        if not infinite or len(x) < _LEAST:
            return _why_undefined(x, y)
        # exp(-l / n) may be too large for a number where -l / n is none; of an impossible text both are infinite.
        advice = _FINITE if self.score == "perplexity" else ""
        return f"the score is infinite in {infinite:,} row{'' if infinite == 1 else 's'}{advice}"

    def _score(self, total: float, count: int) -> float:
        found = {
            "surprisal": bits_per(total, 1),
            "mean-surprisal": bits_per(total, count),
            "log-likelihood": total,
            "perplexity": perplexity(total, count),
            "log-perplexity": -total / count + 0.0,
        }[self.score]
        assert found is not None, "something is scored"
        return found


def pearson(x: Any, y: Any) -> Any:
    """Pearson's r = cov(x, y) / (std(x) std(y)) along the last axis, NaN where it is not defined. Shape: [..., n]."""
    from scipy import stats

    if np.shape(x)[-1] < _LEAST:
        return np.full(np.shape(x)[:-1], math.nan)
    with _unwarned():
        return stats.pearsonr(x, y, axis=-1).statistic


@contextmanager
def _unwarned() -> Iterator[None]:
    """Without the warnings of NumPy and SciPy that the value tells of, or its interval."""
    from scipy import stats

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def spearman(x: Any, y: Any) -> Any:
    """Spearman's rho: Pearson's r of the ranks, equal values sharing their mean rank. Shape: [..., n]."""
    from scipy import stats

    if np.shape(x)[-1] < _LEAST:
        return np.full(np.shape(x)[:-1], math.nan)
    return pearson(stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1))


def fisher_interval(items: Items, level: float) -> Interval | None:
    """tanh(arctanh(r) +- z / sqrt(n - 3)), for pairs that are normally distributed; None for fewer than 4 rows.

    Source: Fisher 1921; SciPy computes it.
    """
    from scipy import stats

    x, y = items.columns
    r = float(pearson(x, y))
    if len(x) <= _LEAST or not abs(r) < 1.0:
        return None
    with _unwarned():
        found = stats.pearsonr(x, y).confidence_interval(confidence_level=level)
    return Interval(float(found.low), float(found.high), level, "Fisher's z transformation")


def _why_undefined(x: Any, y: Any) -> str:
    if len(x) < _LEAST:
        return f"{len(x)} row{'' if len(x) == 1 else 's'}; a correlation needs at least {_LEAST}"
    for what, values in (("score", x), ("value", y)):
        if (values == values[0]).all():
            return f"the {what} is the same in every row, so nothing can go with it"
    return ""
