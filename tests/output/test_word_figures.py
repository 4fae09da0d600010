"""Pictures by word: every number is drawn where it belongs, hostile words are plain, and nothing covers anything."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from seqscore import plot
from seqscore.cli import main
from seqscore.errors import FontWarning, OptionError
from seqscore.evaluation.read.word_cells import WordChartOptions
from seqscore.evaluation.read.word_charts import WordChart, word_chart
from seqscore.output.plots.canvas import LINE_STYLES, missing_letters, save_figure
from seqscore.output.plots.words import word_figure

RANDOM = np.random.default_rng(8)


def rows(conditions: int = 2, texts: int = 3, places: int = 4, **more: Any) -> list[dict[str, Any]]:
    return [
        {"row": n, "position": place, "word": f"w{place}", "surprisal": float(RANDOM.exponential(5.0)), "unit": "bits"}
        | {"condition": f"c{n % conditions}", **more}
        for n in range(conditions * texts)
        for place in range(1, places + 1)
    ]


def chart(table: list[dict[str, Any]], **options: Any) -> WordChart:
    return word_chart(((f"row {n}", row) for n, row in enumerate(table)), WordChartOptions(**options))


def ticks(figure: Figure) -> list[str]:
    return [one.get_text() for one in figure.axes[0].get_xticklabels()]


def test_lines_bands_and_bars_are_the_numbers() -> None:
    found = chart(rows(), by="condition")
    figure = word_figure(found)
    (axes,) = figure.axes
    drawn = {
        one.get_color(): one for one in axes.get_lines() if len(one.get_xdata()) == 4 and one.get_linestyle() != "None"
    }
    for number, line in enumerate(found.panels[0].lines):
        assert drawn[LINE_STYLES[number][0]].get_ydata().tolist() == line.means.tolist()
        band = axes.collections[2 * number].get_paths()[0].vertices[:, 1]
        assert {*line.low.tolist(), *line.high.tolist()} <= set(band.tolist())
    assert axes.get_ylabel() == "surprisal [bits]" and ticks(figure) == ["w1", "w2", "w3", "w4"]
    assert figure.get_suptitle() == "Surprisal by word, means of 6 texts with 95 % t intervals"
    (legend,) = figure.legends
    assert [one.get_text() for one in legend.get_texts()] == ["c0 (3 texts)", "c1 (3 texts)"]


def test_eight_lines_differ_in_grey() -> None:
    assert len({dashes for _, dashes, _ in LINE_STYLES}) == len({marker for *_, marker in LINE_STYLES}) == 8
    figure = word_figure(chart(rows(8, 2), by="condition"))
    assert len({(str(one._dash_pattern), one.get_marker()) for one in figure.legends[0].get_lines()}) == 8


@pytest.mark.parametrize(("table", "options"), [(rows(), {}), (rows(5), {"facet": "condition"}), (rows(8), {})])
def test_nothing_covers_anything(table: list[dict[str, Any]], options: Mapping[str, Any]) -> None:
    figure = word_figure(chart(table, by="condition", **options))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    shown = [axes for axes in figure.axes if axes.axison]
    boxes = [axes.get_tightbbox(renderer) for axes in shown] + [
        one.get_window_extent(renderer) for one in figure.legends
    ]
    for i, one in enumerate(boxes):
        assert not any(one.shrunk(0.98, 0.98).overlaps(other.shrunk(0.98, 0.98)) for other in boxes[i + 1 :])
        assert one.x0 >= -1 and one.x1 <= figure.bbox.x1 + 1


HOSTILE = ("$x_1$", "a\nb", "\x1b[31mred\x07", "\u202eabc", "_hidden", "w" * 300, "\ud800", r"\frac", "")


def test_hostile_words_and_names_are_plain_text(tmp_path: Path) -> None:
    table = [
        {"row": n, "position": n, "word": word, "surprisal": 1.0, "group": word or "empty"}
        for n, word in enumerate(HOSTILE[:8], start=1)
    ]
    figure = word_figure(chart(table, by="group"))
    assert ticks(figure)[:4] == ["$x_1$", "a\\nb", "\\x1b[31mred\\x07", "\\u202eabc"]
    assert len(ticks(figure)[5]) == 20
    assert not any(one.get_parse_math() for one in figure.axes[0].get_xticklabels())
    named = [one.get_text() for one in figure.legends[0].get_texts()]
    assert named[0] == "$x_1$ (1 text)" and named[4] == "_hidden (1 text)" and len(named) == 8
    assert not any(one.get_parse_math() for one in figure.legends[0].get_texts())
    figure = word_figure(chart([one | {"region": one["word"]} for one in table], facet="group"))
    save_figure(figure, tmp_path / "a.svg")


@pytest.mark.parametrize(
    "values", [[math.inf], [math.inf, 1.0], [-math.inf, 2.0], [1e308, 1e308], [0.0], [-3.0, 1e-300]]
)
def test_odd_numbers_can_be_drawn(values: list[float], tmp_path: Path) -> None:
    table = [{"row": 0, "position": n, "surprisal": value} for n, value in enumerate(values)]
    figure = word_figure(chart(table))
    save_figure(figure, tmp_path / "a.png")
    marks = [one.get_marker() for one in figure.axes[0].get_lines() if one.get_clip_on() is False]
    assert marks == {math.inf: ["^"], -math.inf: ["v"], 1e308: ["^"]}.get(values[0], [])


def test_many_places_are_numbers_and_one_picture_within_the_picture() -> None:
    (axes,) = word_figure(chart(rows(2, 1, 4001), by="condition")).axes
    assert axes.get_xlabel() == "position of the word"
    assert all(one.get_rasterized() for one in [*axes.get_lines(), *axes.collections])


def test_what_is_left_out_is_said_below() -> None:
    table = rows()
    table[0]["surprisal"] = None
    assert word_figure(chart(table)).get_supxlabel() == "not shown: 1 place of a text without a value"


def test_letters_without_a_font_are_named(tmp_path: Path) -> None:
    table = [
        {"row": 0, "position": n, "word": w, "surprisal": 1.0} for n, w in enumerate(("Wort", "שלום", "\U000130b8x"))
    ]
    figure = word_figure(chart(table))
    assert missing_letters(figure) == "\U000130b8"
    with pytest.warns(FontWarning, match=r"no font here has . \(U\+130B8\): boxes stand for them in .*a.png"):
        save_figure(figure, tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(word_figure(chart(table[:2])), tmp_path / "b.png")


def write(path: Path, table: list[dict[str, Any]]) -> Path:
    lines = [",".join(table[0]), *(",".join(map(str, row.values())) for row in table)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_command_line_draws_a_file_of_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "words.csv", rows())
    assert main(["plot", str(source), "--by", "condition", "-o", str(tmp_path / "new" / "a.svg")]) == 0
    assert (tmp_path / "new" / "a.svg").read_bytes().startswith(b"<?xml")
    assert main(["plot", str(source), "-o", str(tmp_path / "figures"), "--picture", "png"]) == 0
    assert [one.name for one in (tmp_path / "figures").iterdir()] == ["words.png"]
    assert main(["plot", str(source), "--by", "color"]) == 2
    assert "has no column 'color'" in capsys.readouterr().err


def test_python_draws_rows_in_memory(tmp_path: Path) -> None:
    (path,) = plot(rows(), tmp_path / "a.png", by=["condition"], facet="unit")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OptionError, match="there is no option 'color': there are other, items, picture, by, facet"):
        plot(rows(), tmp_path / "a.png", color="red")
    with pytest.raises(OptionError, match="neither other= nor items="):
        plot(rows(), tmp_path / "a.png", items=["a"])
