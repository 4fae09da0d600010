"""The charts of texts and of runs, and their files in a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from seqscore.errors import OptionError
from seqscore.evaluation.tasks.charts import CHARTS, Chart
from seqscore.output.plots.canvas import save_figure
from seqscore.output.plots.tokens import heat_map_figure, surprisal_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from seqscore.evaluation.read.charts import RunCharts
    from seqscore.evaluation.read.views import RowView

Picture: TypeAlias = Literal["png", "svg", "both"]

Named: TypeAlias = "tuple[str, Figure]"


def picture_folder(folder: Path) -> None:
    """Make the folder that figures go to.

    Raises:
        OptionError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"cannot make the folder {str(folder)!r}: {error.strerror or error}") from error


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


def save_figures(figures: Iterable[Named], folder: Path, picture: Picture) -> list[Path]:
    """Write figures under their names, as .png, .svg or both.

    Raises:
        OptionError: a file cannot be written.
    """
    written = []
    for name, figure in figures:
        for suffix in ("png", "svg") if picture == "both" else (picture,):
            path = folder / f"{name}.{suffix}"
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
