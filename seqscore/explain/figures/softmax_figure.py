"""log(softmax(z)) beside log_softmax(z), their gradients, and what a prediction costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqscore.output.escape import terminal_text
from seqscore.output.plots.canvas import ACCENT, BASE, FORMAT_STYLES, GREY, heading, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from seqscore.explain.exponential import ExponentialLesson

_BARS = 7


@styled
def softmax_figure(lesson: ExponentialLesson) -> Figure:
    """Three panels: log p of a token as the logits grow, by the naive formula in each format and by log-softmax; the
    gradient of its loss by autograd; and -ln p over p with the table's points."""
    figure = new_figure(13.0, 4.6)
    growth, gradient, loss = figure.subplots(1, 3, width_ratios=(1.5, 1.25, 1.0))
    _draw_growth(growth, lesson)
    _draw_gradient(gradient, lesson)
    _draw_loss(loss, lesson)
    heading(figure, "The exponential comes down: log-softmax beside the logarithm of a softmax")
    return figure


def _draw_growth(axes: Axes, lesson: ExponentialLesson) -> None:
    """The curves lie on one another: those that end later are broader and lie below."""
    true = lesson.curves[-1]
    shown = true.exact >= -2000.0
    axes.plot(true.scales[shown], true.exact[shown], color="#000000", linewidth=1.0, zorder=9, label="log-softmax")
    for rank, curve in enumerate(lesson.curves):
        color, dashes, marker = FORMAT_STYLES[curve.dtype]
        alive = np.isfinite(curve.naive) & (np.arange(len(curve.naive)) < _first_failure(curve.naive)) & shown
        style = {"color": color, "linestyle": dashes, "zorder": 8 - rank}
        end = "never fails" if curve.fails_from is None else f"fails from scale {curve.fails_from:.3g}"
        axes.plot(
            curve.scales[alive],
            curve.naive[alive],
            linewidth=2.4 + 1.2 * rank,
            label=f"naive, {curve.dtype}: {end}",
            **style,
        )
        if alive.any() and curve.fails_from is not None:
            last = int(np.flatnonzero(alive)[-1])
            axes.plot(
                [curve.scales[last]],
                [curve.naive[last]],
                marker=marker,
                color=color,
                markersize=8,
                zorder=10,
                linestyle="none",
            )
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=10)
    axes.set_ylim(top=0.0)
    axes.set(xlabel="scale: all logits are multiplied by it", ylabel=f"log p({_short(lesson.token)}) [nats]")
    axes.set_title("Naive softmax overflows, log-softmax never", loc="left")
    axes.legend(loc="lower left", fontsize=8, frameon=False, handlelength=3.2)


def _first_failure(values: NDArray[np.float64]) -> int:
    bad = np.flatnonzero(~np.isfinite(values))
    return int(bad[0]) if len(bad) else len(values)


def _draw_gradient(axes: Axes, lesson: ExponentialLesson) -> None:
    """softmax - one_hot at the token itself and at the most probable others, float32 by autograd."""
    trial = next(one for one in lesson.gradients if one.dtype == "float32")
    half = next(one for one in lesson.gradients if one.dtype == "float16")
    others = [int(one) for one in np.argsort(-lesson.logits)[:_BARS] if one != lesson.token_id][: _BARS - 1]
    chosen = [lesson.token_id, *others]
    places = np.arange(len(chosen))
    axes.bar(places, trial.stable[chosen], color=BASE, width=0.6, label="autograd through log-softmax, float32")
    axes.plot(
        places,
        trial.exact[chosen],
        linestyle="none",
        marker="_",
        markersize=16,
        markeredgewidth=2.0,
        color="#000000",
        label="softmax(z) − one-hot, float64",
    )
    nan = f"{half.num_nan:,} of {len(lesson.logits):,} values nan"
    axes.plot([], [], linestyle="none", label=f"naive in float16: {nan if half.num_nan else 'no nan'}")
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set_xticks(places, ["the token", *(f"{rank}." for rank in range(1, len(chosen)))])
    axes.set(xlabel="the token that came, and the most probable others", ylabel="d(−log p) / dz")
    axes.set_title("Its gradient: softmax − one-hot", loc="left")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.45 * (high - low))
    axes.legend(loc="upper right", fontsize=8, frameon=False)


def _draw_loss(axes: Axes, lesson: ExponentialLesson) -> None:
    from seqscore.explain.numbers.softmax import loss_of

    p = np.linspace(0.005, 1.0, 400)
    axes.plot(p, [loss_of(one) for one in p.tolist()], color=BASE, linewidth=2.0)
    for one, nats in lesson.losses:
        axes.plot([one], [nats], marker="o", color=ACCENT, markersize=6)
        label = f"p = {one:g}: {nats:.3f}"
        if one <= 0.7:
            axes.annotate(label, xy=(one, nats), xytext=(one + 0.03, nats + 0.03), fontsize=9)
            continue
        # Where the curve is flat, labels stand above it, each with a line to its point.
        line = {"arrowstyle": "-", "color": GREY, "shrinkB": 4.0, "relpos": (0.95, 0.0)}
        height = 1.9 if one == 1.0 else 1.2
        axes.annotate(
            label,
            xy=(one, nats),
            xytext=(1.04 if one == 1.0 else 0.97, height),
            ha="right",
            arrowprops=line,
            fontsize=9,
        )
    axes.set(xlim=(0.0, 1.05), ylim=(-0.15, 5.4), xlabel="p(right token)", ylabel="−ln p(right token) [nats]")
    axes.set_title("What a prediction costs", loc="left")


def _short(text: str) -> str:
    return terminal_text(text.strip() or "␣", max_width=16).replace("$", r"\$")
