"""Reports of tiny runs, and their pages taken apart again."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from seqscore.evaluation.read.reports import Report, report_of_runs
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.run_options import RunOptions
from tests.evaluation.evaluated import run_task

__all__ = ["EVIL", "PAIRS", "TEXTS", "PageReader", "options", "packed", "read_page", "report_of", "unpacked"]

EVIL = "<img src=x onerror=alert(1)>"
TEXTS = [
    "The cat sat on the mat.",
    EVIL,
    "</script><script>alert(2)</script><!-- <script>",
    "小猫在窗台上睡着了。",
    "وصلت الرسالة بعد يومين",
    "a\nline\tand \u202e turned \u2028 lines {{ 7 * 7 }} &lt;b&gt;",
    "👩‍👩‍👧 waved",
    *(f"Row number {i} of many rows." for i in range(60)),
]
PAIRS = [
    {
        "sentence_good": f"The cats number {i} are here.",
        "sentence_bad": f"The cats number {i} is here.",
        "UID": f"g{i % 3}",
    }
    for i in range(30)
]
PAIRS += [
    {"sentence_good": EVIL, "sentence_bad": "&amp;", "UID": "<b>g</b>"},
    {"sentence_good": 3, "sentence_bad": "x", "UID": "g0"},
]


def options(**more: Any) -> RunOptions:
    return RunOptions(policies=more.pop("policies", {}), part_rows=20, resamples=100, **more)


def report_of(folder: Path, name: Any, rows: Any, limit: int = 20_000, **settings: Any) -> tuple[Report, Run]:
    """A report of a fresh run over these rows."""
    chosen = settings.pop("options", None) or options(keep="all")
    run = run_task(folder, name, rows, chosen, **settings)
    return report_of_runs((run.path,), limit=limit), run


class PageReader(HTMLParser):
    """What stands in a page: its elements with their attributes, its texts, its data and its style."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._in: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        (self.scripts if self._in and self._in[-1] == "script" else self.texts).append(data)

    def named(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """The attributes of all such elements."""
        names = {name.replace("_", "-"): value for name, value in wanted.items()}
        return [
            attributes
            for one, attributes in self.elements
            if one == tag and all(attributes.get(name) == value for name, value in names.items())
        ]


def read_page(html: str) -> tuple[PageReader, Any]:
    """The page's elements, and its data."""
    reader = PageReader()
    reader.feed(html)
    return reader, json.loads(reader.scripts[0])


def unpacked(packed: dict[str, str]) -> Any:
    """An array of the page's data."""
    return np.frombuffer(base64.b64decode(packed["data"]), dtype=f"<{packed['kind']}")


def packed(values: list[int]) -> dict[str, str]:
    """Whole numbers as the page's data have them."""
    return {"kind": "u4", "data": base64.b64encode(np.array(values, "<u4").tobytes()).decode()}
