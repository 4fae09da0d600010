"""The report in a real browser: it sorts, searches, opens rows, tells tokens; nothing leaves, nothing foreign runs."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seqscore.evaluation.read.reports import report_of_runs
from seqscore.evaluation.read.views import view_run
from seqscore.output.numbers import shown_number
from seqscore.output.report.page import report_html, write_report
from seqscore.output.report.payload import payload_of
from tests.evaluation.evaluated import run_task, tiny_scorer
from tests.output.reported import EVIL, PAIRS, TEXTS, options, packed, unpacked

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
BROWSER = os.environ.get("SEQSCORE_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
PATIENCE = 120_000
"""Milliseconds after which something never comes; nothing that works takes so long, on a busy machine either."""

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no browser: install chromium, or name one in SEQSCORE_BROWSER, to test the report's page"
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=BROWSER, args=options, timeout=PATIENCE)
        yield browser
        browser.close()


class Opened:
    """A page with all that it did: console messages, errors, requests, dialogs."""

    def __init__(self, browser: Any, path: Path, *, width: int = 1200, theme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.happened: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.happened.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.happened.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.happened.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")
        self.address = path.as_uri()

    def close(self) -> None:
        """Nothing may have happened."""
        outside = [one for one in self.requests if one != self.address and not one.startswith("data:")]
        self.context.close()
        assert self.happened == [] and outside == []

    def counts(self, text: str) -> None:
        """Wait until so many rows are shown. (The page lets no string be run as code, so nothing can be polled.)"""
        self.page.locator("#count", has_text=re.compile(f"^{text}$")).wait_for()

    def column(self, place: int) -> list[str]:
        """The visible cells of a column."""
        return self.page.locator(f"#body tr.row td:nth-child({place + 1})").all_inner_texts()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def texts(folder: Path) -> tuple[Path, Any]:
    run = run_task(folder / "texts", "perplexity", [{"text": text} for text in TEXTS], options(keep="all"))
    write_report(report_of_runs((run.path,)), folder / "texts.html", title=EVIL)
    return folder / "texts.html", run


@pytest.fixture(scope="module")
def pairs(folder: Path) -> tuple[Path, Any]:
    run = run_task(folder / "pairs", "pairs", PAIRS, options(keep="tokens"))
    write_report(report_of_runs((run.path,)), folder / "pairs.html")
    return folder / "pairs.html", run


def test_sorting_by_a_number(chromium: Any, texts: tuple[Path, Any]) -> None:
    page = Opened(chromium, texts[0])
    expected = sorted((score.perplexity for score in tiny_scorer().score(TEXTS)), reverse=True)
    header = page.page.locator("#head th", has_text="perplexity [per token]")
    place = page.page.locator("#head th").all_inner_texts().index("perplexity [per token]")
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    cells = page.column(place)
    assert len(cells) >= 20 and cells == [shown_number(value) for value in expected[: len(cells)]]
    exact = page.page.locator(f"#body tr.row td:nth-child({place + 1})").first.get_attribute("data-value")
    assert float(exact) == pytest.approx(expected[0], rel=1e-15)
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert page.column(place)[0] == shown_number(expected[-1])
    page.close()


def test_sorting_by_text_and_by_id(chromium: Any, texts: tuple[Path, Any]) -> None:
    page = Opened(chromium, texts[0])
    page.page.click("#head th:nth-child(1) button")
    assert page.column(0)[:4] == ["0", "1", "2", "3"]
    page.page.click("#head th:nth-child(1) button")
    assert page.column(0)[0] == str(len(TEXTS) - 1)
    page.close()


def test_searching(chromium: Any, texts: tuple[Path, Any]) -> None:
    page = Opened(chromium, texts[0])
    page.page.fill("#search", "NUMBER 3")
    page.counts("11 of 67 rows")
    assert page.column(1) == [f"Row number {i} of many rows." for i in (3, *range(30, 40))]
    page.page.fill("#search", "猫")
    page.counts("1 of 67 rows")
    page.page.fill("#search", "nowhere")
    page.counts("0 of 67 rows")
    assert page.column(0) == []
    page.page.keyboard.press("Enter")
    page.close()


def test_hostile_rows_stay_text(chromium: Any, texts: tuple[Path, Any]) -> None:
    page = Opened(chromium, texts[0])
    assert page.page.title() == EVIL and page.page.locator("h1").inner_text() == EVIL
    for place, text in enumerate(TEXTS[:7]):
        page.page.click(f"#body tr.row[data-place='{place}']")
        shown = page.page.locator("dialog .tokens").text_content()
        if place in (1, 2, 3, 4, 6):
            assert shown == text
        page.page.keyboard.press("Escape")
    assert page.page.locator("img").count() == 0 and page.page.locator("script").count() == 2
    shown = page.column(1)[5]
    assert "\\u202e" in shown and "\u202e" not in shown and "{{ 7 * 7 }} &lt;b&gt;" in shown
    page.page.wait_for_timeout(200)
    page.close()


def test_a_row_shows_its_tokens_with_all_that_is_known(chromium: Any, texts: tuple[Path, Any]) -> None:
    page = Opened(chromium, texts[0])
    score = tiny_scorer().score(TEXTS[0], extras=("rank", "entropy"))
    assert score.ranks is not None and score.entropies is not None
    page.page.click("#body tr.row[data-place='0']")
    tokens = page.page.locator("dialog .tokens .token")
    assert tokens.all_text_contents() == list(score.token_texts)
    bits = score.surprisals("bits").tolist()
    for place, value in enumerate(bits):
        token = tokens.nth(place)
        assert float(token.get_attribute("data-bits")) == pytest.approx(value, rel=1e-14)
        shade = sum(value >= bound for bound in (1, 2, 4, 8, 16))
        assert f"s{shade}" in token.get_attribute("class").split()
    tokens.nth(3).hover()
    told = page.page.locator("#tip").inner_text().split("\n")
    pairs = dict(zip(told[1::2], told[2::2], strict=False))
    assert pairs == {
        "token id": str(score.token_ids[3]),
        "p": _probability(math.exp(score.logprobs[3])),
        "surprisal": f"{shown_number(bits[3])} bits",
        "log p": f"{shown_number(float(score.logprobs[3]))} nats",
        "rank": f"{score.ranks[3]:,}",
        "entropy": f"{shown_number(float(score.entropies[3]))} nats",
    }
    summed = page.page.locator("dialog .sums")
    assert float(summed.get_attribute("data-total")) == score.log_likelihood
    assert f"perplexity {shown_number(score.perplexity)}" in summed.inner_text()
    page.close()


def _probability(p: float) -> str:
    if p >= 0.001:
        return f"{p:.4f}"
    mantissa, exponent = f"{p:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def test_pairs_stand_side_by_side_and_the_parting_is_marked(chromium: Any, pairs: tuple[Path, Any]) -> None:
    page = Opened(chromium, pairs[0])
    page.page.click("#body tr.row[data-place='2']")
    boxes = page.page.locator("dialog .alternative")
    assert boxes.count() == 2 and boxes.nth(0).bounding_box()["y"] == boxes.nth(1).bounding_box()["y"]
    view = list(view_run(pairs[1]))[2]
    for place, item in enumerate(view.items):
        marked = boxes.nth(place).locator(".part")
        pieces = list(item.pieces())
        assert item.parts_at is not None
        (expected,) = [piece.text for piece in pieces if piece.first <= item.parts_at < piece.last]
        assert marked.all_text_contents() == [expected]
    assert "right answer" in boxes.nth(0).inner_text() and "right answer" not in boxes.nth(1).inner_text()
    boxes.nth(0).locator(".token").first.hover()
    assert "eval --keep all" in page.page.locator("#tip").inner_text()
    page.close()


def test_only_the_wrong_ones(chromium: Any, pairs: tuple[Path, Any]) -> None:
    page = Opened(chromium, pairs[0])
    wrong = [row.id for row in view_run(pairs[1]) if row.values.get("accuracy") == 0.0]
    page.page.select_option("#only", "wrong")
    assert page.column(0) == wrong[: len(page.column(0))]
    assert page.page.locator("#count").inner_text() == f"{len(wrong)} of {len(PAIRS)} rows"
    page.page.select_option("#only", "errors")
    assert page.column(0) == [str(len(PAIRS) - 1)]
    page.page.click("#body tr.row")
    assert "bad_input" in page.page.locator("dialog .error").inner_text()
    page.close()


def test_all_by_keyboard(chromium: Any, texts: tuple[Path, Any]) -> None:
    page = Opened(chromium, texts[0])
    page.page.focus("#search")
    for _ in range(3 + page.page.locator("#head button").count()):
        page.page.keyboard.press("Tab")
        if page.page.evaluate("document.activeElement.matches('#body tr.row')"):
            break
    assert page.page.evaluate("document.activeElement.dataset.place") == "0"
    page.page.keyboard.press("End")
    last = str(len(TEXTS) - 1)
    assert page.page.evaluate("document.activeElement.dataset.place") == last
    page.page.keyboard.press("PageUp")
    page.page.keyboard.press("Home")
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("Enter")
    assert page.page.locator("dialog h2").inner_text() == "Row 1"
    page.page.keyboard.press("ArrowRight")
    assert page.page.locator("dialog h2").inner_text() == "Row 2"
    page.page.locator("dialog .token").first.focus()
    page.page.keyboard.press("ArrowRight")
    tokens = page.page.locator("dialog .tokens .token").all_text_contents()
    assert page.page.evaluate("document.activeElement.textContent") == tokens[1]
    assert page.page.locator("#tip").is_visible()
    page.page.keyboard.press("Escape")
    page.page.locator("#body tr.row[data-place='2']:focus").wait_for()
    assert not page.page.locator("dialog").is_visible()
    page.close()


def test_right_to_left_text_stands_at_the_right(chromium: Any, texts: tuple[Path, Any]) -> None:
    page = Opened(chromium, texts[0])
    page.page.click("#body tr.row[data-place='4']")
    tokens = page.page.locator("dialog .tokens")
    assert page.page.evaluate("getComputedStyle(document.querySelector('dialog .tokens')).direction") == "rtl"
    first, last = (tokens.locator(".token").nth(i).bounding_box()["x"] for i in (0, -1))
    assert first > last
    page.page.keyboard.press("Escape")
    page.page.click("#body tr.row[data-place='0']")
    assert page.page.evaluate("getComputedStyle(document.querySelector('dialog .tokens')).direction") == "ltr"
    page.close()


def test_arrow_keys_follow_the_direction_of_the_text(chromium: Any, texts: tuple[Path, Any]) -> None:
    page = Opened(chromium, texts[0])
    page.page.click("#body tr.row[data-place='4']")
    tokens = page.page.locator("dialog .tokens .token")
    tokens.first.focus()
    for key, expected in (
        ("ArrowLeft", 1),
        ("ArrowLeft", 2),
        ("ArrowRight", 1),
        ("End", tokens.count() - 1),
        ("Home", 0),
    ):
        page.page.keyboard.press(key)
        index = "[...document.querySelectorAll('dialog .tokens .token')].indexOf(document.activeElement)"
        assert page.page.evaluate(index) == expected, key
    page.close()


def test_a_token_that_is_markup_stays_text(chromium: Any, folder: Path) -> None:
    """Tokenizers may have such tokens, even if ours has none."""
    run = run_task(folder / "markup", "perplexity", [{"text": EVIL}], options(keep="tokens"))
    report = report_of_runs((run.path,))
    payload = payload_of(report)
    tokens = payload["tokens"]
    tokens["lengths"], tokens["counts"] = packed([len(EVIL)]), packed([len(unpacked(tokens["ids"]))])
    payload["rows"][0][5][0][9] = [0, 1, 0, 0]
    (folder / "markup.html").write_text(report_html(report, payload), encoding="utf-8")
    page = Opened(chromium, folder / "markup.html")
    page.page.click("#body tr.row")
    token = page.page.locator("dialog .tokens .token")
    assert token.all_text_contents() == [EVIL]
    token.hover()
    page.page.wait_for_timeout(200)
    assert page.page.locator("img").count() == 0
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_themes_and_widths(chromium: Any, pairs: tuple[Path, Any], theme: str, width: int) -> None:
    page = Opened(chromium, pairs[0], width=width, theme=theme)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    dark = "rgb(20, 23, 27)"
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    assert (page.page.evaluate(ground) == dark) == (theme == "dark")
    # Letters of the figures have the page's colour, whatever it is.
    ink = page.page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
    assert ink == page.page.evaluate("getComputedStyle(document.documentElement).color")
    for _ in range(2):
        page.page.click("#theme")
    assert page.page.evaluate(ground) == dark, "system, light, dark"
    page.page.click("#body tr.row[data-place='1']")
    box = page.page.locator("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    page.close()


def test_ten_thousand_rows_without_lag(chromium: Any, folder: Path, pairs: tuple[Path, Any]) -> None:
    """Not timed: however many rows there are, the document holds a few dozen of them."""
    from dataclasses import replace

    report = report_of_runs((pairs[1].path,))
    views = list(report.rows())

    class Many(type(report)):  # type: ignore[misc]
        def rows(self) -> Any:
            return ((replace(a, id=str(i)), b) for i in range(10_000) for a, b in [views[i % 31]])

    fields = {name: getattr(report, name) for name in report.__dataclass_fields__}
    write_report(Many(**{**fields, "num_rows": 10_000}), folder / "many.html")
    page = Opened(chromium, folder / "many.html")
    assert page.page.locator("#count").inner_text() == "10,000 of 10,000 rows"
    assert page.page.locator("#body tr.row").count() < 80
    page.page.evaluate("document.querySelector('#scroll').scrollTop = 1e9")
    page.page.locator("#body tr.row[data-place='9999']").wait_for()
    assert page.column(0)[-1] == "9999" and page.page.locator("#body tr.row").count() < 80
    page.page.click("#head th:nth-child(2) button")
    assert page.column(1)[0] == "<b>g</b>"
    page.close()


def test_a_long_text_comes_in_stretches(chromium: Any, folder: Path) -> None:
    run = run_task(folder / "long", "perplexity", [{"text": "one two three " * 2500}], options(keep="tokens"))
    write_report(report_of_runs((run.path,)), folder / "long.html")
    page = Opened(chromium, folder / "long.html")
    (view,) = view_run(run)
    total = len(list(view.items[0].pieces()))
    assert total > 6000
    page.page.click("#body tr.row")
    tokens = page.page.locator("dialog .tokens .token")
    assert tokens.count() == 3000
    page.page.click(f"text={total - 3000:,} more tokens")
    assert tokens.count() == 6000
    page.close()


def test_two_runs(chromium: Any, folder: Path, pairs: tuple[Path, Any]) -> None:
    other = run_task(folder / "other", "pairs", PAIRS, options(policies={"bos": "none"}))
    write_report(report_of_runs((pairs[1].path, other.path)), folder / "two.html")
    page = Opened(chromium, folder / "two.html")
    page.page.click("#head th:last-child button")
    margins = []
    for a, b in zip(view_run(pairs[1]), view_run(other), strict=True):
        if a.error is None:
            margins.append(b.values["mean_margin"] - a.values["mean_margin"])
    margins.sort(reverse=True)
    shown = page.column(page.page.locator("#head th").count() - 1)
    expected = [("+" if one > 0 else "") + shown_number(one) for one in margins] + ["–"]  # a row with an error is last
    assert len(shown) >= 20 and shown == expected[: len(shown)]
    page.page.click("#body tr.row[data-place='0']")
    assert page.page.locator("dialog .alternative").count() == 4
    page.close()
