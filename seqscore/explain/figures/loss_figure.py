"""A loss in training on a linear beside a logarithmic axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqscore.output.plots.canvas import BASE, count_axis, heading, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from seqscore.explain.training import LossCurve


@styled
def loss_figure(curve: LossCurve) -> Figure:
    """The loss at each step of training; left a linear axis, right a logarithmic one."""
    figure = new_figure(11.0, 4.4)
    steps = np.arange(len(curve.losses))
    for axes, scale in zip(figure.subplots(1, 2), ("linear", "log"), strict=True):
        axes.plot(steps, curve.losses, color=BASE, linewidth=1.8)
        axes.set(yscale=scale, xlabel="step of training", ylabel="cross-entropy [nats a byte]")
        count_axis(axes.xaxis)
        if scale == "log":
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        half = len(curve.losses) // 2
        if half:
            axes.annotate(
                f"step {half}: {curve.losses[half]:.3g}\nstep {steps[-1]}: {curve.losses[-1]:.3g}",
                xy=(0.97, 0.92),
                xycoords="axes fraction",
                ha="right",
                va="top",
                fontsize=9,
            )
        axes.set_title("Linear axis" if scale == "linear" else "Logarithmic axis", loc="left")
    heading(figure, f"A model of {curve.num_parameters:,} parameters learns {curve.num_bytes} bytes by heart")
    return figure
