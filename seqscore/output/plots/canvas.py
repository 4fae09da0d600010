"""What all figures share: colours, settings, writing PNG and SVG without a display or a date."""

from __future__ import annotations

import io
import logging
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from seqscore.errors import FontWarning, OptionError
from seqscore.output.destination import Output
from seqscore.output.escape import terminal_text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axis import Axis
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

LINE_STYLES: tuple[tuple[str, Any, str], ...] = (
    ("#0072B2", "-", "o"),
    ("#D55E00", (0, (5, 1.6)), "s"),
    ("#009E73", (0, (1, 1.2)), "^"),
    ("#000000", (0, (4, 1.2, 1, 1.2)), "D"),
    ("#CC79A7", (0, (8, 2)), "v"),
    ("#E69F00", (0, (3, 1, 1, 1, 1, 1)), "P"),
    ("#56B4E9", (0, (2, 2)), "X"),
    ("#767676", (0, (8, 1.5, 2, 1.5)), "*"),
)
"""Colour, dashes and marker of the lines of a chart, each other than all before it in every one of the three."""

_SVG_METADATA = ("Date", "Creator", "Format", "Type")
# Noto's, then what systems bring for Chinese, Japanese, Korean, Thai and many scripts at once.
_FALLBACK_FONTS = (
    *(f"Noto Sans {one}" for one in ("CJK SC", "CJK JP", "SC", "JP", "KR", "Arabic", "Hebrew", "Devanagari", "Thai")),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Thonburi", "Arial Unicode MS"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Leelawadee UI", "Nirmala UI"),
    *("WenQuanYi Zen Hei", "Droid Sans Fallback", "IPAexGothic", "Loma", "Unifont"),
)
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
        missing = missing_letters(figure)
    if missing:
        warnings.warn(_no_font(missing, path), FontWarning, stacklevel=2)


def missing_letters(figure: Figure) -> str:
    """The characters of a figure that no font here has, each once, in the order in which they are met: in the picture
    they are boxes."""
    from matplotlib.text import Text

    texts = "".join(one.get_text() for one in figure.findobj(Text) if isinstance(one, Text) and one.get_visible())
    return "".join(one for one in dict.fromkeys(texts) if not (one.isascii() or _has_letter(one)))


@cache
def _has_letter(letter: str) -> bool:
    from matplotlib import font_manager

    families = ("DejaVu Sans", *_installed(_FALLBACK_FONTS))
    fonts = (font_manager.get_font(font_manager.findfont(family)) for family in families)
    # Joiners and variation selectors are no letters of their own.
    return unicodedata.category(letter) in ("Cf", "Mn") or any(font.get_char_index(ord(letter)) for font in fonts)


_NAMED = 8


def _no_font(missing: str, path: Path) -> str:
    named = ", ".join(f"{one} (U+{ord(one):04X})" for one in missing[:_NAMED])
    more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    return (
        f"no font here has {named}{more}: boxes stand for them in {str(path)!r}; install one that has, for instance "
        f"Noto Sans (for Chinese, Japanese and Korean: Noto Sans CJK)"
    )


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
        # Text may hold characters that no font here has: they are boxes then, which save_figure says.
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


def count_axis(axis: Axis) -> None:
    """Whole numbers on an axis, with commas."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def legend_below(figure: Figure, handles: Sequence[Artist] | None = None, labels: Sequence[str] = ()) -> None:
    """The legend of a figure under its panels, where it covers nothing; of what is labelled on several, one each."""
    if handles is None:
        found: dict[str, Artist] = {}
        for axes in figure.axes:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                found.setdefault(label, handle)
        handles, labels = list(found.values()), list(found)
    if not handles:
        return
    columns = max(1, min(len(labels), int(figure.get_figwidth() * 10 / (8 + max(map(len, labels))))))
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9, handlelength=3.6
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
