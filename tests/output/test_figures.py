"""Every figure shows the numbers it was given; it can be read in grey; its files are whole and the same each time."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.read import charts as read_charts
from seqscore.evaluation.read.charts import CorrelationChart, GroupBar, GroupChart, ValueChart
from seqscore.evaluation.read.compare import PairedValues
from seqscore.evaluation.read.word_cells import WordChartOptions
from seqscore.evaluation.read.word_charts import word_chart
from seqscore.evaluation.tasks import charts
from seqscore.evaluation.tasks.charts import CHARTS, Chart, ChartNumbers
from seqscore.evaluation.tasks.measure import Measure
from seqscore.explain.exponential import exponential_lesson
from seqscore.explain.figures.loss_figure import loss_figure
from seqscore.explain.figures.softmax_figure import softmax_figure
from seqscore.explain.training import LossCurve
from seqscore.output.plots import saving
from seqscore.output.plots.canvas import save_figure, svg_text
from seqscore.output.plots.distributions import frequency_figure, perplexity_figure
from seqscore.output.plots.runs import (
    calibration_figure,
    correlation_figure,
    groups_figure,
    margin_figure,
    scatter_figure,
)
from seqscore.output.plots.saving import picture_of, run_figures
from seqscore.output.plots.tokens import heat_map_figure, surprisal_figure
from seqscore.scores.show.pieces import Piece
from seqscore.scores.show.surprisal_scale import BOUNDS, COLOURS, LABELS, LETTER_COLOURS, colour_of
from seqscore.scores.statistics.calibration import calibration_of
from seqscore.scores.statistics.frequency import rank_frequency
from seqscore.scores.statistics.intervals import Interval
from tests.evaluation.evaluated import tiny_scorer
from tests.output.scored import scored

RANDOM = np.random.default_rng(5)
PERPLEXITIES = np.exp(RANDOM.normal(4.0, 1.5, 400))
FREQUENCIES = rank_frequency([RANDOM.zipf(1.7, 500)])
PIECES = list(scored("Die Katze saß auf der 猫 $x_1$ <b>.", unscored=1).pieces())
GROUPS = GroupChart(
    "accuracy", "of pairs", 0.95, 0.7, (GroupBar("one", 0.8, 0.6, 0.9, 20), GroupBar("$two$", 0.5, 0.3, 0.8, 9))
)
CALIBRATION = calibration_of(np.array([0.15, 0.5, 0.55, 0.95]), np.array([0.0, 1.0, 0.0, 1.0]))
PAIR = PairedValues("mean_margin", "nats", ["a", "b", "c"], np.array([1.0, -2.0, np.inf]), np.array([0.5, 3.0, 1.0]))
_SIDES = ("good sentence more probable", "bad sentence more probable, or a tie")
MARGINS = ValueChart(
    "mean_margin", "nats", np.array([-1.0, 0.0, 0.5, 2.5, 30.0]), 6.4, None, ("margin", "pairs"), _SIDES
)
CORRELATION = CorrelationChart(
    "pearson", ("surprisal [bits]", "rating"), np.array([1.0, 2, 4]), np.array([3.0, 1, 2]), 0.1
)

WORDS = word_chart(
    [
        (f"row {n}", {"row": n, "region": region, "num_crossing": 0, "surprisal": n + 0.5, "condition": f"${n % 2}"})
        for n in range(4)
        for region in ("subject", "verb")
    ],
    WordChartOptions(by=("condition",)),
)

NUMBERS: dict[str, Any] = {
    "values": MARGINS,
    "points": CORRELATION,
    "groups": GROUPS,
    "calibration": CALIBRATION,
    "frequencies": FREQUENCIES,
    "regions": WORDS,
    "paired": PAIR,
}
"""What charts show; every chart of the table is drawn from it."""


def drawn(chart: str) -> Figure:
    """A chart of the table, of numbers as it takes."""
    names = {"a": "runs/$a$", "b": "runs/b"} if CHARTS[chart].numbers == "paired" else {}
    return picture_of(CHARTS[chart])(NUMBERS[CHARTS[chart].numbers], **names)


MAKERS: dict[str, Callable[[], Figure]] = {
    **{name: partial(drawn, name) for name in CHARTS},
    "softmax": lambda: softmax_figure(exponential_lesson(tiny_scorer(), "The quick brown fox jumps.")),
    "perplexities": lambda: perplexity_figure(PERPLEXITIES, corpus=60.0, interval=Interval(50.0, 70.0, 0.95, "x")),
    "loss": lambda: loss_figure(LossCurve(np.geomspace(5.5, 0.003, 100), 1000, 64)),
    "surprisal": lambda: surprisal_figure(PIECES, title="A $title$ <b>"),
    "tokens": lambda: heat_map_figure(PIECES, title="A $title$"),
}


def test_a_chart_of_a_measure_is_one_line_and_what_draws_it(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Chart("Toy", "tall", "values", "runs.margin_figure")
    monkeypatch.setattr(charts, "CHARTS", {**CHARTS, "toy": toy})
    monkeypatch.setattr(saving, "CHARTS", charts.CHARTS)
    assert Measure(name="m", figure="mean", unit="nats", chart="toy").chart == "toy"
    assert [name for name, _ in run_figures({"toy": MARGINS})] == ["toy"]
    with pytest.raises(OptionError, match=r"chart='groups' is unknown; expected one of .*toy"):
        Measure(name="m", figure="mean", unit="nats", chart="groups")


def test_the_numbers_of_every_chart_are_made() -> None:
    of_a_run = {one.numbers for one in CHARTS.values()} - {"paired"}
    assert of_a_run == set(read_charts._MAKERS) and set(get_args(ChartNumbers)) == {*of_a_run, "paired"}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[], Figure]:
    return MAKERS[request.param]


@pytest.fixture
def figure(make: Callable[[], Figure]) -> Iterator[Figure]:
    yield make()


def data_of(axes: Axes, label: str) -> tuple[list[float], list[float]]:
    (line,) = [one for one in axes.get_lines() if str(one.get_label()).startswith(label)]
    return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()


def test_axes_have_titles_and_units(figure: Figure) -> None:
    assert figure.get_suptitle()
    for axes in figure.axes:
        if axes.axison:
            below_another = not axes.get_xlabel() and len(axes.get_shared_x_axes().get_siblings(axes)) > 1
            named = [tick.get_text() for tick in axes.get_xticklabels()]
            assert axes.get_xlabel() or below_another or any(named)
            assert axes.get_ylabel() or any(tick.get_text() for tick in axes.get_yticklabels())


@pytest.mark.filterwarnings("ignore::seqscore.errors.FontWarning")
def test_png_and_svg_are_whole_and_the_same_each_time(make: Callable[[], Figure], tmp_path: Path) -> None:
    for name in ("a", "b"):
        figure = make()
        for suffix in (".png", ".svg"):
            save_figure(figure, tmp_path / f"{name}{suffix}")
    for suffix in (".png", ".svg"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    ElementTree.parse(tmp_path / "a.svg")


def test_svg_for_a_page_takes_the_page_s_colour_and_loads_nothing(figure: Figure) -> None:
    before = dict(matplotlib.rcParams)
    text = svg_text(figure)
    assert dict(matplotlib.rcParams) == before
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg") and "#000000" not in text
    assert "currentColor" in text or not any(axes.axison for axes in figure.axes)
    for element in root.iter():
        assert not element.tag.endswith(("script", "image", "foreignObject"))
        for name, value in element.attrib.items():
            assert not name.rpartition("}")[2].startswith("on")
            if name.endswith("href"):
                assert value.startswith("#")


def test_frequencies_are_drawn_as_they_were_counted() -> None:
    figure = frequency_figure(FREQUENCIES)
    for axes, scale in zip(figure.axes, ("linear", "log"), strict=True):
        assert (axes.get_xscale(), axes.get_yscale()) == (scale, scale)
        ranks, counts = data_of(axes, "tokens")
        assert counts == FREQUENCIES.counts.tolist() and ranks == list(range(1, len(counts) + 1))
        assert data_of(axes, "Zipf")[1] == FREQUENCIES.expected.tolist()
    assert f"{FREQUENCIES.total:,} tokens, {len(FREQUENCIES.counts):,} different" in figure.get_suptitle()


def test_ranks_and_counts_of_few_tokens_are_whole_numbers() -> None:
    linear, _ = frequency_figure(rank_frequency([[1, 1, 1, 2, 2, 3]])).axes
    for axis in (linear.xaxis, linear.yaxis):
        assert all(float(tick).is_integer() for tick in axis.get_majorticklocs())


def test_a_distribution_has_all_values_on_both_axes() -> None:
    values = np.append(PERPLEXITIES, np.inf)
    figure = perplexity_figure(values, corpus=60.0, interval=Interval(50.0, 70.0, 0.95, "x"))
    for axes, scale in zip(figure.axes, ("linear", "log"), strict=True):
        assert axes.get_xscale() == scale
        bars = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_facecolor()[3] == 1.0]
        assert sum(bar.get_height() for bar in bars) == 400
        for bar in bars:
            inside = (values >= bar.get_x()) & (values < bar.get_x() + bar.get_width() * (1 - 1e-12))
            assert abs(int(inside.sum()) - bar.get_height()) <= 1  # a value on an edge
        assert data_of(axes, "corpus: 60 (95%: 50 to 70)")[0] == [60.0, 60.0]
    assert "1 infinite, not drawn" in figure.get_suptitle() and "401" in figure.get_suptitle()


def test_a_loss_curve_is_drawn_on_both_axes() -> None:
    losses = np.geomspace(5.5, 0.003, 100)
    figure = loss_figure(LossCurve(losses, 1000, 64))
    for axes, scale in zip(figure.axes, ("linear", "log"), strict=True):
        assert axes.get_yscale() == scale
        assert np.array_equal(axes.get_lines()[0].get_ydata(), losses)


def test_softmax_curves_are_the_lesson_s() -> None:
    lesson = exponential_lesson(tiny_scorer(), "The quick brown fox jumps.")
    growth, gradient, loss = softmax_figure(lesson).axes
    for curve in lesson.curves:
        xs, ys = data_of(growth, f"naive, {curve.dtype}")
        alive = np.isfinite(curve.naive[: len(xs)])
        assert alive.all() and ys == curve.naive[: len(ys)].tolist() and xs == curve.scales[: len(xs)].tolist()
        if curve.fails_from is not None:
            named = [str(line.get_label()) for line in growth.get_lines()]
            (label,) = [one for one in named if one.startswith(f"naive, {curve.dtype}")]
            assert label.endswith(f"fails from scale {curve.fails_from:.3g}")
    trial = next(one for one in lesson.gradients if one.dtype == "float32")
    heights = [patch.get_height() for patch in gradient.patches]
    assert heights[0] == trial.stable[lesson.token_id] and set(heights[1:]) <= set(trial.stable.tolist())
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in loss.get_lines()[1:]]
    assert points == list(lesson.losses)


def test_bars_are_the_tokens_surprisal() -> None:
    (axes,) = surprisal_figure(PIECES, title="x").axes
    wanted = [piece.bits for piece in PIECES if piece.bits is not None]
    assert [patch.get_height() for patch in axes.patches] == wanted
    assert [patch.get_x() + patch.get_width() / 2 for patch in axes.patches] == [
        pytest.approx(place) for place, piece in enumerate(PIECES, start=1) if piece.bits is not None
    ]
    assert data_of(axes, "mean")[1][0] == np.mean(wanted)


def test_a_long_text_is_drawn_as_lines_with_a_running_mean() -> None:
    bits = RANDOM.exponential(4.0, 300)
    pieces = [Piece("a", i, i + 1, None if i == 7 else float(b)) for i, b in enumerate(bits)]
    pieces[9] = Piece("b", 9, 10, float("inf"))
    (axes,) = surprisal_figure(pieces, title="x").axes
    (lines,) = axes.collections
    heights = [segment[1][1] for segment in lines.get_segments()]
    assert heights == [piece.bits for i, piece in enumerate(pieces) if i not in (7, 9)]
    smooth = data_of(axes, "mean of 16")[1]
    window = np.concatenate([bits[100 - 8 : 100 + 8]])
    assert smooth[100] == pytest.approx(window.mean())


def test_cells_have_the_shade_of_their_surprisal() -> None:
    (axes,) = heat_map_figure(PIECES, title="x").axes
    faces = [patch.get_facecolor()[:3] for patch in axes.patches]
    expected = [to_rgb("#ffffff" if piece.bits is None else COLOURS[colour_of(piece.bits)]) for piece in PIECES]
    assert faces == [pytest.approx(color) for color in expected]
    assert len(axes.texts) == len(PIECES) and all(not text.get_parse_math() for text in axes.texts)


def test_a_map_that_is_too_long_says_so() -> None:
    pieces = [Piece("word", i, i + 1, 1.0) for i in range(5000)]
    assert "of 5,000 tokens)" in heat_map_figure(pieces, title="x").get_suptitle()


def test_groups_are_sorted_and_have_their_intervals() -> None:
    (axes,) = groups_figure(GROUPS).axes
    (container,) = axes.containers
    line, _, (bars,) = container.lines
    assert line.get_xdata().tolist() == [0.5, 0.8]
    ends = [(segment[0][0], segment[1][0]) for segment in bars.get_segments()]
    assert ends == [pytest.approx((0.3, 0.8)), pytest.approx((0.6, 0.9))]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["$two$ (9)", "one (20)"]
    assert data_of(axes, "all rows: 0.7000")[0] == [0.7, 0.7]


def test_of_very_many_groups_the_ends_are_drawn() -> None:
    bars = tuple(GroupBar(f"g{i}", i / 1000, i / 1000, i / 1000, 1) for i in range(1000))
    figure = groups_figure(GroupChart("accuracy", "of pairs", 0.95, 0.5, bars))
    (axes,) = figure.axes
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == [f"g{i} (1)" for i in (*range(50), *range(950, 1000))]
    assert "(the lowest and highest 50 of 1,000)" in figure.get_suptitle()


def test_calibration_has_a_point_for_each_bin_with_questions() -> None:
    upper, lower = calibration_figure(CALIBRATION).axes
    filled = [one for one in CALIBRATION.bins if one.count]
    assert data_of(upper, "the model") == ([one.confidence for one in filled], [one.accuracy for one in filled])
    assert data_of(upper, "as sure")[0] == [0, 1]
    assert [patch.get_height() for patch in lower.patches] == [one.count for one in filled]


def test_margins_part_at_zero() -> None:
    (axes,) = margin_figure(MARGINS).axes
    labels = [one for one in axes.get_legend_handles_labels()[1] if "sentence" in one]
    assert labels == ["good sentence more probable: 3", "bad sentence more probable, or a tie: 2"]
    good, bad = (sum(patch.get_height() for patch in one) for one in axes.containers)
    assert (good, bad) == (3, 2)


HUGE = np.array([-1.7e308, 1.0, 2.0, 1.7e308, np.inf])


def test_numbers_near_the_largest_are_left_out_of_a_chart_and_that_is_said(tmp_path: Path) -> None:
    """matplotlib computes how far apart the ends of an axis are, which is then no number."""
    figures = {
        "correlation": correlation_figure(CorrelationChart("pearson", ("a", "b"), HUGE, HUGE / 2, 0.5)),
        "scatter": scatter_figure(PairedValues("score", "bits", list("abcde"), HUGE, HUGE / 2), a="a", b="b"),
    }
    for name, figure in figures.items():
        save_figure(figure, tmp_path / f"{name}.svg")
        assert "5 rows (1 infinite, 2 beyond 1e+307, not drawn)" in figure.get_suptitle()
        assert figure.axes[0].get_lines()[-1].get_xdata().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("ends", [(-1e307, 1e307), (1e306, 1e307), (1e-300, 1e307), (1e-199, 1e199)])
def test_the_largest_numbers_that_are_drawn_can_be(ends: tuple[float, float], tmp_path: Path) -> None:
    values = np.array([*ends, sum(ends) / 2])
    points = correlation_figure(CorrelationChart("pearson", ("a", "b"), values, values, 0.5))
    scatter = scatter_figure(PairedValues("score", "bits", list("abc"), values, values), a="a", b="b")
    for number, figure in enumerate((points, scatter)):
        save_figure(figure, tmp_path / f"{number}.svg")
        assert "not drawn" not in figure.get_suptitle()


def test_where_nothing_can_be_drawn_there_is_no_chart() -> None:
    beyond = PairedValues("score", "bits", ["a"], np.array([1.7e308]), np.array([1.0]))
    assert list(run_figures({"paired": beyond})) == []
    with pytest.raises(InputError, match="no row has two numbers that are at most 1e\\+307"):
        correlation_figure(CorrelationChart("pearson", ("a", "b"), beyond.a, beyond.b, None))


def test_a_scatter_leaves_out_what_is_infinite_and_says_so() -> None:
    figure = scatter_figure(PAIR, a="a", b="b")
    (axes,) = figure.axes
    points = axes.get_lines()[1]
    assert (points.get_xdata().tolist(), points.get_ydata().tolist()) == ([1.0, -2.0], [0.5, 3.0])
    xs, ys = data_of(axes, "equal")
    assert xs == ys
    assert "1 infinite, not drawn" in figure.get_suptitle() and "b greater: 1   a greater: 1" in axes.get_title()


def test_values_over_two_powers_of_ten_have_logarithmic_axes() -> None:
    pair = PairedValues("perplexity", "per token", ["a", "b"], np.array([2.0, 900.0]), np.array([3.0, 500.0]))
    (axes,) = scatter_figure(pair, a="a", b="b").axes
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_a_figure_of_very_many_points_stays_small() -> None:
    pair = PairedValues("m", "nats", range(20_000), RANDOM.normal(size=20_000), RANDOM.normal(size=20_000))  # type: ignore[arg-type]
    pieces = [Piece("a", i, i + 1, float(b)) for i, b in enumerate(RANDOM.exponential(4.0, 20_000))]
    for figure in (
        scatter_figure(pair, a="a", b="b"),
        surprisal_figure(pieces, title="x"),
        frequency_figure(rank_frequency([np.arange(20_000)])),
    ):
        assert len(svg_text(figure)) < 1_500_000


@pytest.mark.parametrize(
    "make",
    [
        lambda: frequency_figure(rank_frequency([])),
        lambda: perplexity_figure(np.array([np.inf])),
        lambda: surprisal_figure([], title="x"),
        lambda: heat_map_figure([], title="x"),
        lambda: calibration_figure(calibration_of(np.array([]), np.array([]))),
        lambda: margin_figure(ValueChart("m", "nats", np.array([]), None, None)),
        lambda: scatter_figure(PairedValues("m", "nats", [], np.array([]), np.array([])), a="a", b="b"),
    ],
)
def test_nothing_to_draw_is_said(make: Callable[[], Figure]) -> None:
    with pytest.raises(InputError):
        make()


def luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_shades_can_be_told_apart_in_grey_and_read() -> None:
    values = [luminance(color) for color in COLOURS]
    assert all((a + 0.05) / (b + 0.05) > 1.15 for a, b in pairwise(values))
    for shade, ink in zip(COLOURS, LETTER_COLOURS, strict=True):
        low, high = sorted((luminance(shade), luminance(ink)))
        assert (high + 0.05) / (low + 0.05) >= 4.5
    assert len(COLOURS) == len(LABELS) == len(LETTER_COLOURS) == len(BOUNDS) + 1


@pytest.mark.parametrize(("bits", "shade"), [(0.0, 0), (0.99, 0), (1.0, 1), (3.9, 2), (4.0, 3), (15.9, 4), (1e9, 5)])
def test_a_surprisal_has_one_shade(bits: float, shade: int) -> None:
    assert colour_of(bits) == shade and colour_of(float("inf")) == 5
