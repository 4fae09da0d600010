"""The figures as a picture: positions a second and peak memory, by workload and system."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .comparison import Row
from .workloads import SYSTEMS, SystemName

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which the colour-blind tell apart; the shapes tell the systems apart in grey.
_STYLES: Mapping[SystemName, tuple[str, str]] = {
    "seqscore": ("#0072B2", "o"),
    "lm-eval": ("#D55E00", "s"),
    "minicons": ("#009E73", "^"),
    "transformers": ("#CC79A7", "D"),
}
_GREY = "#767676"
_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}
_HEIGHT = 0.78  # of a workload's lines together

Range = tuple[float, float, float]
"""Least, median, greatest."""


def draw(path: Path, rows: Sequence[Row], *, title: str) -> None:
    """Write the picture. Both axes are logarithmic: equal distances are equal ratios."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    workloads = list(dict.fromkeys(row.workload for row in rows))
    systems = [name for name in SYSTEMS if any(row.system == name for row in rows)]
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(11.0, 1.8 + 0.95 * len(workloads)), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, sharey=True)
        points = _Points(rows, workloads, systems)
        points.draw(left, _rate, "{:,.0f}")
        points.draw(right, _gigabytes, "{:.2f}")
        left.set(xlabel="positions asked for, per second (further right is better)", yticks=range(len(workloads)))
        left.set(yticklabels=_labels(rows, workloads), ylim=(len(workloads) - 0.5, -0.5))
        right.set(xlabel="peak memory above the weights, GB (further left is better)")
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(systems), frameon=False)
        figure.suptitle(title, fontweight="bold", parse_math=False)
        figure.savefig(path, dpi=150, metadata={"Software": None})


def _rate(row: Row) -> Range | None:
    if row.seconds is None:
        return None
    asked, seconds = row.counts.asked, row.seconds
    return asked / seconds.greatest, asked / seconds.median, asked / seconds.least


def _gigabytes(row: Row) -> Range | None:
    if row.memory is None:
        return None
    shown = max(row.memory, 10**7) / 1e9  # below 10 MB it is noise, and a logarithmic axis has no 0
    return shown, shown, shown


def _labels(rows: Sequence[Row], workloads: Sequence[str]) -> list[str]:
    unique = {row.workload: row.counts.unique / row.counts.asked for row in rows if row.counts.asked}
    return [f"{name}\n{unique[name]:.0%} unique" if name in unique else name for name in workloads]


class _Points:
    """A point for each figure on a line of its own, the lines of a workload together."""

    def __init__(self, rows: Sequence[Row], workloads: Sequence[str], systems: Sequence[SystemName]) -> None:
        self._rows = {(row.workload, row.system): row for row in rows}
        self._workloads, self._systems = workloads, systems

    def draw(self, axes: Axes, value: Callable[[Row], Range | None], form: str) -> None:
        """Every point carries its figure, and a bar from the least to the greatest repetition."""
        axes.set_xscale("log")
        axes.autoscale(False)
        for i in range(0, len(self._workloads), 2):
            axes.axhspan(i - 0.5, i + 0.5, color="#F3F3F3", zorder=0)
        reach: list[float] = []
        for rank, system in enumerate(self._systems):
            found = self._found(axes, rank, system, value)
            if not found:
                continue
            places, ranges = [place for place, _ in found], [one for _, one in found]
            middle = [one[1] for one in ranges]
            around = [[one[1] - one[0] for one in ranges], [one[2] - one[1] for one in ranges]]
            color, marker = _STYLES[system]
            shape: dict[str, Any] = {"color": color, "marker": marker, "markersize": 7, "linestyle": "none"}
            axes.errorbar(middle, places, xerr=around, label=system, elinewidth=1.5, capsize=3, **shape)
            for place, one in found:
                offset = {"xytext": (7, 0), "textcoords": "offset points", "va": "center", "fontsize": 8.5}
                axes.annotate(form.format(one[1]), xy=(one[2], place), **offset)  # type: ignore[arg-type]
            reach += [edge for one in ranges for edge in one]
        _scale(axes, reach)

    def _found(
        self, axes: Axes, rank: int, system: SystemName, value: Callable[[Row], Range | None]
    ) -> list[tuple[float, Range]]:
        found = []
        for i, workload in enumerate(self._workloads):
            row = self._rows.get((workload, system))
            one = None if row is None else value(row)
            place = i - _HEIGHT / 2 + _HEIGHT / len(self._systems) * (rank + 0.5)
            if one is not None:
                found.append((place, one))
            else:
                at: dict[str, Any] = {"xy": (0.01, place), "xycoords": ("axes fraction", "data"), "va": "center"}
                axes.annotate(f"{system}: n/a", fontsize=8.0, color=_GREY, **at)
        return found


def _scale(axes: Axes, reach: Sequence[float]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    if reach:
        axes.set_xlim(min(reach) / 1.5, max(reach) * 2.2)  # room for the figures
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda number, _: f"{number:,.6g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", which="major", color="#D9D9D9", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
