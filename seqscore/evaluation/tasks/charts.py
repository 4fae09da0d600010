"""The charts of a run: what each is called, what it shows, and what draws it. A new chart is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

ChartNumbers: TypeAlias = Literal["values", "points", "groups", "calibration", "frequencies", "regions", "paired"]
"""What a chart shows. ``values``: the rows' own values of a measure; ``points``: two numbers of every row; the others
are of the run as a whole, ``paired`` of two runs. ``evaluate.read.charts`` makes each."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of a run; its name is that of its file.

    ``title``: on a report's page, where it stands as ``shape``. ``numbers``: what it shows. ``picture``: the function
    of ``output.plots`` that draws these numbers, as module and name: it is imported when something is drawn.
    """

    title: str
    shape: Literal["tall", "broad"]
    numbers: ChartNumbers
    picture: str


CHARTS: Mapping[str, Chart] = MappingProxyType(
    {
        "groups": Chart("Figure by group, with intervals", "tall", "groups", "runs.groups_figure"),
        "margins": Chart("How many rows have which margin", "tall", "values", "runs.margin_figure"),
        "perplexities": Chart(
            "How many texts have which perplexity, on a linear and a logarithmic axis",
            "broad",
            "values",
            "distributions.perplexities_of",
        ),
        "words": Chart("Surprisal by region and condition, with intervals", "broad", "regions", "words.word_figure"),
        "calibration": Chart("Confidence against accuracy", "tall", "calibration", "runs.calibration_figure"),
        "frequencies": Chart(
            "How often the token of each rank occurs, on linear and logarithmic axes",
            "broad",
            "frequencies",
            "distributions.frequency_figure",
        ),
        "correlation": Chart("Every row's value over its score", "tall", "points", "runs.correlation_figure"),
        "scatter": Chart("Every row's value in run b over that in run a", "tall", "paired", "runs.scatter_figure"),
    }
)
"""In the order in which they are drawn."""


def charts_of_rows() -> tuple[str, ...]:
    """The names of those that show rows by a measure, which a ``Measure`` may ask for."""
    return tuple(name for name, one in CHARTS.items() if one.numbers in ("values", "points"))
