from __future__ import annotations

import math
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from seqscore.errors import FontWarning, InputError, OptionError
from seqscore.explain.figures.underflow_figure import underflow_figure
from seqscore.explain.numbers.naive import WORKED_EXAMPLE, ProductComparison, compare_products
from seqscore.output.plots.canvas import check_picture, save_figure

LOGPROBS = -np.random.default_rng(7).exponential(3.2, 400)


@pytest.fixture(scope="module")
def comparison() -> ProductComparison:
    return compare_products(LOGPROBS)


@pytest.fixture(scope="module")
def figure(comparison: ProductComparison) -> Figure:
    return underflow_figure(comparison)


def test_the_linear_panel_shows_the_float64_product(figure: Figure, comparison: ProductComparison) -> None:
    linear = figure.axes[0]
    (line,) = linear.get_lines()
    assert line.get_xdata().tolist() == list(range(401))
    assert line.get_ydata().tolist() == [1.0, *comparison["float64"].products.tolist()]
    assert linear.get_yscale() == "linear"
    assert linear.get_title(loc="left") == "Linear axis: nothing to see"
    below = int(np.flatnonzero(comparison["float64"].products < 0.005)[0]) + 1
    assert f"from token {below} on" in linear.texts[0].get_text()


def test_the_logarithmic_panel_goes_on_below_the_smallest_float64(
    figure: Figure, comparison: ProductComparison
) -> None:
    logarithmic = figure.axes[1]
    (true,) = [line for line in logarithmic.get_lines() if line.get_label() == "sum of logarithms"]
    assert np.array_equal(true.get_ydata()[1:], comparison.log_sums / math.log(10))
    assert true.get_ydata().min() < -400  # there is no such float64
    assert logarithmic.get_ylim()[0] < true.get_ydata().min()
    assert true.get_zorder() > max(line.get_zorder() for line in logarithmic.get_lines() if line.get_label()[0] in "bf")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_each_format_is_drawn_until_its_last_positive_product(
    figure: Figure, comparison: ProductComparison, dtype: str
) -> None:
    lines = figure.axes[1].get_lines()
    (curve,) = [line for line in lines if line.get_label() == dtype]
    failure = comparison[dtype]
    assert failure.first_zero is not None
    assert curve.get_ydata()[1:].tolist() == np.log10(failure.products[: failure.first_zero]).tolist()
    drawn = {
        (float(line.get_xdata()[-1]), line.get_marker()) for line in lines if line.get_color() == curve.get_color()
    }
    assert any(x == failure.first_zero + 1 and marker not in ("None", "") for x, marker in drawn)
    if failure.first_subnormal is not None:
        assert any(x == failure.first_subnormal + 1 and marker not in ("None", "") for x, marker in drawn)
    assert f"{dtype}: 0 from token {failure.first_zero + 1}" in [text.get_text() for text in figure.axes[1].texts]


def test_formats_can_be_told_apart_without_colour(figure: Figure) -> None:
    curves = [line for line in figure.axes[1].get_lines() if "float" in str(line.get_label())]
    assert len(curves) == 4
    assert len({str(line._dash_pattern) + str(line.get_linewidth()) for line in curves}) == 4
    assert len({line.get_color() for line in curves}) == 4
    markers = {line.get_marker() for line in figure.axes[1].get_lines()} - {"None", ""}
    assert {"o", "s", "^", "D"} <= markers


def test_axes_have_labels_and_nothing_overlaps(figure: Figure) -> None:
    for axes in figure.axes:
        assert axes.get_xlabel() == "tokens multiplied"
        assert axes.get_ylabel()
        assert axes.get_title(loc="left")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[1].texts]
    boxes.append(figure.axes[1].get_legend().get_window_extent(renderer))
    boxes.append(figure.axes[1].bbox)
    for i, one in enumerate(boxes):
        assert not any(one.shrunk(0.98, 0.98).overlaps(other.shrunk(0.98, 0.98)) for other in boxes[i + 1 :])
        assert figure.bbox.x0 <= one.x0 and one.x1 <= figure.bbox.x1 + 1


def test_a_text_that_survives_is_not_said_to_die() -> None:
    figure = underflow_figure(compare_products(np.log([0.5, 0.25])))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Linear axis", "Logarithmic axis"]
    assert {text.get_text().split(": ")[1] for text in figure.axes[1].texts} == {"never 0"}
    assert figure.get_suptitle() == "Multiplying the probabilities of 2 tokens"


@pytest.mark.parametrize("logprobs", [[0.0], [-1.0, -math.inf, -1.0], [-math.inf], [-2000.0], np.log(WORKED_EXAMPLE)])
def test_odd_texts_can_be_drawn(tmp_path: Path, logprobs: list[float]) -> None:
    save_figure(underflow_figure(compare_products(logprobs)), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_no_tokens_is_an_error() -> None:
    with pytest.raises(InputError, match="no scored tokens, so there is no product to draw"):
        underflow_figure(compare_products([]))


@pytest.mark.parametrize("suffix", ["png", "svg", "SVG"])
def test_the_same_numbers_give_the_same_bytes(tmp_path: Path, comparison: ProductComparison, suffix: str) -> None:
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    save_figure(underflow_figure(comparison), first)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        save_figure(underflow_figure(comparison), second)
    assert first.read_bytes() == second.read_bytes()
    if suffix != "png":
        ElementTree.parse(first)
        assert b"<dc:date>" not in first.read_bytes()


def test_the_bytes_are_the_same_in_another_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from seqscore.output.plots.canvas import save_figure;"
        "from seqscore.explain.figures.underflow_figure import underflow_figure;"
        "from seqscore.explain.numbers.naive import compare_products;"
        "save_figure(underflow_figure(compare_products([-1.0] * 30)), Path(sys.argv[1]))"
    )
    save_figure(underflow_figure(compare_products([-1.0] * 30)), tmp_path / "a.svg")
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "b.svg")], check=True)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_matplotlibs_global_state_is_left_alone(tmp_path: Path) -> None:
    # In a process of its own: the backend, once chosen, cannot be unchosen.
    code = """
import sys
from pathlib import Path
import matplotlib
matplotlib.rcParams["font.size"] = 17.0
before = dict(dict.items(matplotlib.rcParams))
from seqscore.explain.figures.underflow_figure import underflow_figure
from seqscore.explain.numbers.naive import compare_products
from seqscore.output.plots.canvas import save_figure
save_figure(underflow_figure(compare_products([-1.0] * 30)), Path(sys.argv[1]))
assert dict(dict.items(matplotlib.rcParams)) == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(tmp_path / "a.png")], check=True)


def test_a_title_is_plain_text(tmp_path: Path, comparison: ProductComparison, recwarn: pytest.WarningsRecorder) -> None:
    title = "costs $5 \\frac{ and $6 \x1b[31m 漢字 [b]"
    figure = underflow_figure(comparison, title=title)
    assert figure.get_suptitle() == "costs $5 \\frac{ and $6 \\x1b[31m 漢字 [b]"
    save_figure(figure, tmp_path / "a.png")
    assert {one.category for one in recwarn} <= {FontWarning}  # of 漢字, where no font has them


@pytest.mark.parametrize("name", ["a.pdf", "a", "png", "a.png.txt"])
def test_other_kinds_of_pictures_are_refused(tmp_path: Path, comparison: ProductComparison, name: str) -> None:
    path = tmp_path / name
    message = f"cannot draw {str(path)!r}: the name must end in .png or .svg"
    for function in (lambda: save_figure(underflow_figure(comparison), path), lambda: check_picture(path)):
        with pytest.raises(OptionError) as caught:
            function()
        assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written(tmp_path: Path, comparison: ProductComparison) -> None:
    path = tmp_path / "no" / "a.png"
    with pytest.raises(OptionError, match="there is no folder"):
        save_figure(underflow_figure(comparison), path)
    full = tmp_path / "full.png"
    full.symlink_to("/dev/full")
    with pytest.raises(OptionError, match=r"cannot write '.*full\.png': No space left on device"):
        save_figure(underflow_figure(comparison), full)
