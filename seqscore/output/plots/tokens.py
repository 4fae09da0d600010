"""The tokens of a text: surprisal along it, and a map of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.output.escape import terminal_text
from seqscore.output.plots.canvas import ACCENT, BASE, GREY, count_axis, heading, legend_below, new_figure, styled
from seqscore.scores.show.surprisal_scale import COLOURS, LABELS, LETTER_COLOURS, colour_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from seqscore.scores.show.pieces import Piece

    FloatArray: TypeAlias = NDArray[np.float64]

_LABELLED = 48  # tokens that can be named below a picture
_ROW_CELLS = 78  # characters of a row of the map
_MAX_ROWS = 60
_MANY = 4000  # lines that an SVG can hold one by one; more are drawn as a picture within it


@styled
def surprisal_figure(pieces: Sequence[Piece], *, title: str) -> Figure:
    """The surprisal of each token in bits, from left to right, with the mean as a line.

    Tokens are named where there are few; of many the mean over 16 neighbours is drawn too. A token that was not scored
    leaves a gap. An infinite surprisal is a mark at the top.

    Raises:
        InputError: there are no tokens.
    """
    if not pieces:
        raise InputError("there are no tokens to draw")
    bits = np.array([np.nan if piece.bits is None else piece.bits for piece in pieces])
    places = np.arange(1, len(pieces) + 1)
    few = len(pieces) <= _LABELLED
    figure = new_figure(max(7.0, min(14.0, 0.32 * len(pieces) + 2.0)), 4.4)
    axes = figure.subplots()
    finite = np.isfinite(bits)
    colors = [COLOURS[colour_of(value)] if np.isfinite(value) else COLOURS[-1] for value in bits.tolist()]
    if few:
        axes.bar(places[finite], bits[finite], color=np.array(colors)[finite], edgecolor="#4d4d4d", linewidth=0.7)
        axes.set_xticks(places, [_name(piece.text) for piece in pieces], rotation=60, ha="right", parse_math=False)
    else:
        axes.vlines(
            places[finite],
            0.0,
            bits[finite],
            color=BASE,
            linewidth=max(0.3, min(2.0, 500 / len(bits))),
            rasterized=len(bits) > _MANY,
        )
        if finite.sum() > 32:
            axes.plot(places, _smooth(bits), color=ACCENT, linewidth=1.6, label="mean of 16 neighbours")
        count_axis(axes.xaxis)
        axes.set_xlabel("token")
    if finite.any():
        axes.set_ylim(0.0, 1.05 * max(1.0, float(bits[finite].max())))
        mean = float(bits[finite].mean())
        axes.axhline(mean, color="#000000", linewidth=1.4, linestyle=(0, (5, 1.6)), label=f"mean {mean:.3g} bits")
        legend_below(figure)
    endless = np.isposinf(bits)
    if endless.any():
        top = axes.get_ylim()[1]
        axes.plot(places[endless], np.full(int(endless.sum()), top), marker="^", linestyle="none", color=ACCENT)
    axes.set_ylabel("surprisal −log₂ p [bits]")
    heading(figure, title)
    return figure


def _smooth(bits: FloatArray, width: int = 16) -> FloatArray:
    """Means over a sliding stretch, of the finite values in it; nan where there is none."""
    good = np.isfinite(bits)
    kernel = np.ones(min(width, len(bits)))
    total = np.convolve(np.where(good, bits, 0.0), kernel, mode="same")
    count = np.convolve(good.astype(float), kernel, mode="same")
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


@styled
def heat_map_figure(pieces: Sequence[Piece], *, title: str) -> Figure:
    """The text itself, each token on a ground that is the darker the more surprising it is, in rows.

    At most 60 rows; the title says how many tokens are left out.

    Raises:
        InputError: there are no tokens.
    """
    if not pieces:
        raise InputError("there are no tokens to draw")
    rows = _rows(pieces)
    shown = rows[:_MAX_ROWS]
    figure = new_figure(11.0, 0.9 + 0.3 * len(shown) + 0.5)
    axes = figure.subplots()
    for number, row in enumerate(shown):
        begin = 0
        for piece, width in row:
            _draw_cell(axes, piece, begin, number, width)
            begin += width
    axes.set(xlim=(-0.2, _ROW_CELLS + 0.2), ylim=(len(shown) + 0.1, -0.1))
    axes.set_axis_off()
    _legend(figure)
    left = len(pieces) - sum(map(len, shown))
    heading(figure, title + (f" (the first {len(pieces) - left:,} of {len(pieces):,} tokens)" if left else ""))
    return figure


def _rows(pieces: Sequence[Piece]) -> list[list[tuple[Piece, int]]]:
    from rich.cells import cell_len

    rows: list[list[tuple[Piece, int]]] = [[]]
    used = 0
    for piece in pieces:
        width = min(_ROW_CELLS, max(1, cell_len(_name(piece.text))) + 1)
        if used + width > _ROW_CELLS and rows[-1]:
            rows.append([])
            used = 0
        rows[-1].append((piece, width))
        used += width
    return rows


def _draw_cell(axes: Axes, piece: Piece, begin: int, row: int, width: int) -> None:
    from matplotlib.patches import Rectangle

    number = None if piece.bits is None else colour_of(piece.bits)
    face = "#ffffff" if number is None else COLOURS[number]
    axes.add_patch(
        Rectangle((begin, row + 0.06), width - 0.08, 0.88, facecolor=face, edgecolor="#d0d0d0", linewidth=0.4)
    )
    color = GREY if number is None else LETTER_COLOURS[number]
    axes.text(
        begin + width / 2,
        row + 0.52,
        _name(piece.text),
        ha="center",
        va="center",
        fontsize=8.5,
        color=color,
        parse_math=False,
        clip_on=True,
    )


def _legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=color, edgecolor="#4d4d4d", linewidth=0.7) for color in COLOURS]
    figure.legend(
        patches,
        LABELS,
        loc="outside lower center",
        ncols=len(LABELS),
        frameon=False,
        fontsize=8.5,
        title="surprisal [bits]",
        title_fontsize=8.5,
    )


def _name(text: str) -> str:
    """A token as it can stand in a picture: white space visible, nothing that turns the text around."""
    stripped = text.strip(" ")
    if not stripped:
        return "␣" * min(3, len(text))
    return terminal_text(stripped, max_width=24)
