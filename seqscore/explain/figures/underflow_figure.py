"""The running product of probabilities in four number formats, on a linear and on a logarithmic axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seqscore.errors import InputError
from seqscore.explain.numbers.naive import FormatFailure, ProductComparison
from seqscore.output.plots.canvas import (
    FORMAT_STYLES,
    GREY,
    count_axis,
    heading,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def underflow_figure(comparison: ProductComparison, *, title: str | None = None) -> Figure:
    """The running product of each format beside the true one: left on a linear axis, right on a logarithmic one.

    x counts tokens; at 0 stands the empty product, 1. On the right, log10 of the true probability comes from the
    running log-sum, so that it goes on below the smallest float64. No logarithmic axis can show 0: the band at the
    bottom stands for it, with a row for each format, to which the format's curve drops.

    Raises:
        InputError: there are no tokens.
    """
    n = len(comparison.logprobs)
    if n == 0:
        raise InputError("there are no scored tokens, so there is no product to draw")
    figure = new_figure(11.0, 5.2)
    linear, logarithmic = figure.subplots(1, 2, width_ratios=(1.0, 1.5))
    _draw_linear(linear, comparison)
    _draw_logarithmic(logarithmic, comparison)
    count = f"{n:,} token" if n == 1 else f"{n:,} tokens"
    heading(figure, f"Multiplying the probabilities of {count}" if title is None else title)
    return figure


def _draw_linear(axes: Axes, comparison: ProductComparison) -> None:
    n = len(comparison.logprobs)
    products = np.concatenate([[1.0], comparison["float64"].products])
    color, _, marker = FORMAT_STYLES["float64"]
    axes.plot(np.arange(n + 1), products, color=color, linewidth=2.0, marker=marker if n <= 12 else None, markersize=5)
    axes.set(xlim=(-0.02 * n, n * 1.02), ylim=(-0.02, 1.02), xlabel="tokens multiplied")
    axes.set_ylabel("running product of probabilities (float64)")
    unseen = np.flatnonzero(products < 0.005)
    axes.set_title("Linear axis: nothing to see" if 2 * len(unseen) > n else "Linear axis", loc="left")
    count_axis(axes.xaxis)
    if len(unseen):
        axes.annotate(
            f"from token {unseen[0]} on the curve\ncannot be told from 0",
            xy=(int(unseen[0]), 0.0),
            xytext=(0.98, 0.72),
            textcoords="axes fraction",
            ha="right",
            arrowprops={"arrowstyle": "-", "color": GREY, "shrinkB": 3.0},
        )


def _draw_logarithmic(axes: Axes, comparison: ProductComparison) -> None:
    n = len(comparison.logprobs)
    true = np.concatenate([[0.0], comparison.log_sums / math.log(10)])
    true = true[np.isfinite(true)]
    scale = _Scale(n=n, floor=float(min(true.min(), -1.0)) * 1.06)
    axes.axhspan(scale.bottom, scale.floor, color="#F2F2F2", zorder=0)
    for rank, failure in enumerate(comparison.formats):
        _draw_format(axes, failure, scale, rank)
    axes.plot(np.arange(len(true)), true, color="black", linewidth=1.0, label="sum of logarithms", zorder=9)
    axes.set(xlim=(-0.02 * n, n * 1.02), ylim=(scale.bottom, -0.05 * scale.floor), xlabel="tokens multiplied")
    axes.set_ylabel("running probability")
    ends = any(failure.first_zero is not None for failure in comparison.formats)
    more = ": products end, the sum of logarithms goes on" if ends and comparison.log_likelihood > -math.inf else ""
    axes.set_title(f"Logarithmic axis{more}", loc="left")
    count_axis(axes.xaxis)
    _label_powers(axes, scale)
    for label, face in (("first subnormal product", "white"), ("product is 0 from here", GREY)):
        axes.plot([], [], linestyle="none", marker="o", color=GREY, markerfacecolor=face, markersize=7, label=label)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.02), borderpad=0.0, handlelength=3.4, fontsize=9, frameon=False
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Places on the logarithmic axis: ``floor`` is where the band for 0 begins, in powers of ten."""

    n: int
    floor: float

    def row(self, rank: int) -> float:
        """The height of a format's row in the band."""
        return self.floor * (1.0 + 0.065 * (rank + 0.75))

    @property
    def bottom(self) -> float:
        return self.row(len(FORMAT_STYLES) - 1) + 0.05 * self.floor


def _draw_format(axes: Axes, failure: FormatFailure, scale: _Scale, rank: int) -> None:
    """A format's curve along the true one, its first subnormal product, its drop to 0 and its row there."""
    color, dashes, marker = FORMAT_STYLES[failure.dtype]
    zero, subnormal = failure.first_zero, failure.first_subnormal
    alive = np.log10(np.concatenate([[1.0], failure.products[:zero]]))
    # The curves lie on one another: those that end later are broader and lie below.
    style: dict[str, Any] = {"color": color, "linestyle": dashes, "zorder": 8 - rank}
    axes.plot(np.arange(len(alive)), alive, linewidth=2.4 + 1.2 * rank, label=failure.dtype, **style)
    mark: dict[str, Any] = {"color": color, "marker": marker, "linestyle": "none", "zorder": 10, "markersize": 7}
    row, fate = scale.row(rank), "never 0"
    if subnormal is not None:
        height = np.log10(failure.products[subnormal])
        axes.plot([subnormal + 1], [height], markerfacecolor="white", markeredgewidth=1.5, **mark)
    if zero is not None:
        fate = f"0 from token {zero + 1}"
        axes.plot([zero, zero + 1], [alive[-1], row], linewidth=1.0, **style)
        axes.plot([zero + 1, scale.n * 1.02], [row, row], linewidth=1.8, **style)
        axes.plot([zero + 1], [row], **mark)
    axes.annotate(
        f"{failure.dtype}: {fate}",
        xy=(1.0, row),
        xycoords=("axes fraction", "data"),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        annotation_clip=False,
    )


def _label_powers(axes: Axes, scale: _Scale) -> None:
    """Powers of ten above the band, and 0 in the middle of it."""
    from matplotlib.ticker import MaxNLocator

    powers = [
        tick for tick in MaxNLocator(nbins=7, integer=True).tick_values(scale.floor, 0.0) if scale.floor < tick <= 0
    ]
    axes.set_yticks([*powers, (scale.floor + scale.bottom) / 2], [*(f"$10^{{{tick:.0f}}}$" for tick in powers), "0"])
