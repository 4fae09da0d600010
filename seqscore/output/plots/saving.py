"""The charts of texts and of runs, and their files in a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from seqscore.errors import OptionError
from seqscore.evaluation.tasks.charts import CHARTS, Chart
from seqscore.output.plots.canvas import PICTURES, save_figure
from seqscore.output.plots.tokens import heat_map_figure, surprisal_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from seqscore.evaluation.read.charts import RunCharts
    from seqscore.evaluation.read.views import RowView

Picture: TypeAlias = Literal["png", "svg", "both"]

Named: TypeAlias = "tuple[str, Figure]"


def picture_folder(out: Path) -> None:
    """Make the folder that figures go to; ``out`` may be the name of one picture, whose folder it is then.

    Raises:
        OptionError: it cannot be made.
    """
    folder = out.parent if _is_one(out) else out
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"cannot make the folder {str(folder)!r}: {error.strerror or error}") from error


def _is_one(out: Path) -> bool:
    """Whether it names a picture, not a folder."""
    return out.suffix.lower() in PICTURES and not out.is_dir()


def text_figures(row: RowView) -> Iterator[Named]:
    """Surprisal along each item of a row and the map of its tokens; nothing where its tokens are not known."""
    name = f"item-{_file_name(row.id)}"
    shown = [item for item in row.items if item.shown]
    for place, item in enumerate(shown, start=1):
        pieces = list(item.pieces())
        if pieces:
            which = "" if len(shown) == 1 else f"-{place}"
            about = f"item {row.id}" + ("" if len(shown) == 1 else f", {item.label}")
            yield f"{name}{which}-surprisal", surprisal_figure(pieces, title=f"Surprisal of {about}")
            yield f"{name}{which}-tokens", heat_map_figure(pieces, title=f"Tokens of {about}")


def _file_name(row_id: str) -> str:
    """An id as a part of a file's name; where it had to be changed, with a digest, so that no two are alike."""
    import xxhash

    safe = re.sub(r"[^\w.-]", "_", row_id)[:60]
    return safe if safe == row_id else f"{safe}-{xxhash.xxh3_64_hexdigest(row_id.encode('utf-8', 'replace'))[:8]}"


def save_figures(figures: Iterable[Named], out: Path, picture: Picture) -> list[Path]:
    """Write figures into a folder under their names, as .png, .svg or both; or one figure to a file of that name.

    Raises:
        OptionError: a file cannot be written, or is to hold several figures.
    """
    suffixes = [f".{one}" for one in (("png", "svg") if picture == "both" else (picture,))]
    written = []
    if _is_one(out):
        figures = list(figures)
        if len(figures) > 1:
            names = ", ".join(name for name, _ in figures)
            raise OptionError(f"{str(out)!r} cannot hold {len(figures)} figures ({names}); name a folder")
    for name, figure in figures:
        for path in [out] if _is_one(out) else [out / f"{name}{suffix}" for suffix in suffixes]:
            save_figure(figure, path)
            written.append(path)
    return written


def run_figures(charts: RunCharts, names: Sequence[str] = ("a", "b")) -> Iterator[Named]:
    """Every chart that a run has something for; ``names``: of two runs that are compared."""
    for name, chart in CHARTS.items():
        if name not in charts:
            continue
        draw = picture_of(chart)
        if chart.numbers != "paired":
            yield name, draw(charts[name])
        elif charts[name].drawable.any():
            yield name, draw(charts[name], a=names[0], b=names[1])


def picture_of(chart: Chart) -> Callable[..., Figure]:
    """What draws a chart."""
    module, _, name = chart.picture.rpartition(".")
    return cast("Callable[..., Figure]", getattr(import_module(f"seqscore.output.plots.{module}"), name))
