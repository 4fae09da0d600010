"""What all figures share: colours, settings, writing PNG and SVG without a display or a date."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from seqscore.errors import OptionError
from seqscore.output.destination import Output
from seqscore.output.escape import terminal_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

PICTURES = (".png", ".svg")
"""Suffixes of the pictures that can be written."""

# Okabe and Ito's colours, which the colour-blind tell apart; dashes and markers tell them apart in grey.
BASE, ACCENT, GREY = "#0072B2", "#D55E00", "#767676"
FORMAT_STYLES: dict[str, tuple[str, Any, str]] = {
    "float16": ("#D55E00", (0, (1, 1.2)), "o"),
    "bfloat16": ("#E69F00", (0, (4, 1.2, 1, 1.2)), "s"),
    "float32": ("#009E73", (0, (5, 1.6)), "^"),
    "float64": ("#0072B2", "-", "D"),
}
"""Colour, dashes and marker of each number format."""

_SVG_METADATA = ("Date", "Creator", "Format", "Type")
_FALLBACK_FONTS = tuple(f"Noto Sans {one}" for one in ("CJK SC", "CJK JP", "Arabic", "Hebrew", "Devanagari", "Thai"))
_SETTINGS: dict[str, Any] = {
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "seqscore",  # without it, ids in an SVG are random
    "svg.fonttype": "path",
}


def check_picture(path: Path) -> None:
    """Raise now what ``save_figure`` would raise later because of the name.

    Raises:
        OptionError: the suffix is none of ``PICTURES``.
    """
    if path.suffix.lower() not in PICTURES:
        raise OptionError(f"cannot draw {str(path)!r}: the name must end in {' or '.join(PICTURES)}")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG (200 dots an inch) or SVG, whole or not at all, without dates in it.

    Raises:
        OptionError: the suffix is neither .png nor .svg, or the file cannot be written.
    """
    check_picture(path)
    kind = path.suffix.lower().removeprefix(".")
    metadata: dict[str, str | None] = {"Date": None} if kind == "svg" else {"Software": "seqscore"}
    with Output(path) as output, output.errors(), figure_settings():
        figure.savefig(output.stream, format=kind, dpi=200, metadata=metadata)


def svg_text(figure: Figure) -> str:
    """A figure as an SVG element to stand in a page: no background, letters as text, black as the page's own colour."""
    stream = io.BytesIO()
    with figure_settings(svg_fonttype="none"):
        figure.savefig(stream, format="svg", transparent=True, metadata=dict.fromkeys(_SVG_METADATA))
    text = stream.getvalue().decode("utf-8")
    text = text[text.index("<svg") :]
    return text.replace("#000000", "currentColor")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """A function that draws with this package's settings, whatever the caller's are."""

    @wraps(draw)
    def drawn(*arguments: P.args, **options: P.kwargs) -> Figure:
        with figure_settings():
            return draw(*arguments, **options)

    return drawn


@contextmanager
def figure_settings(*, svg_fonttype: str = "path") -> Iterator[None]:
    """matplotlib's own defaults and ours, whatever a matplotlibrc says; the caller's come back afterwards.

    Raises:
        OptionError: matplotlib does not start, as with an unknown name in MPLBACKEND.
    """
    try:
        import matplotlib
    except ValueError as error:
        raise OptionError(f"matplotlib does not start: {error}") from error

    # "backend" belongs to pyplot, which is not used here; reading its default would choose one.
    settings: dict[Any, Any] = {**matplotlib.rcParamsDefault, **_SETTINGS, "svg.fonttype": svg_fonttype}
    settings["font.family"] = ["DejaVu Sans", *_installed(_FALLBACK_FONTS)]
    del settings["backend"]
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore", matplotlib.MatplotlibDeprecationWarning)
        # Text may hold characters that no font here has: they are boxes then, and no concern of the caller's.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcParams.update(settings)
        with _quiet_fonts():
            yield


@contextmanager
def _quiet_fonts() -> Iterator[None]:
    """Formulas ask for families that nothing here uses, and a search that finds none is logged as a warning."""
    logger = logging.getLogger("matplotlib.font_manager")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@cache
def _installed(families: tuple[str, ...]) -> list[str]:
    """Those of the fonts that are there; asking matplotlib for others makes it complain at every letter."""
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    return [family for family in families if family in there]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, laid out so that nothing overlaps."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def heading(figure: Figure, text: str) -> None:
    """A title above all panels; a dollar sign in it is a dollar sign."""
    figure.suptitle(terminal_text(text, max_width=90), fontweight="bold", parse_math=False)


def count_axis(axes: Axes) -> None:
    """Whole numbers on the x axis, with commas."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
