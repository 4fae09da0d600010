"""The report page: Jinja2 fills a template, with everything escaped that is not ours."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqscore._version import __version__
from seqscore.evaluation.tasks.charts import CHARTS
from seqscore.output.destination import Output
from seqscore.output.numbers import NOTHING, shown_interval, shown_number, shown_p, shown_signed
from seqscore.output.plots.canvas import svg_text
from seqscore.output.plots.saving import run_figures
from seqscore.output.report.payload import payload_of, script_json
from seqscore.output.run_notes import run_notes, scored_line
from seqscore.scores.show.surprisal_scale import LABELS

if TYPE_CHECKING:
    from seqscore.evaluation.read.compare import ComparedMeasure, Comparison
    from seqscore.evaluation.read.reports import Report, ReportedRun
    from seqscore.scores.statistics.intervals import Interval


def write_report(report: Report, path: Path, *, title: str | None = None) -> int:
    """Write the page of a report, whole or not at all, and say how many rows can be opened on it.

    Raises:
        OptionError: the file cannot be written.
    """
    payload = payload_of(report)
    page = report_html(report, payload, title=title)
    with Output(path) as output:
        output.write(page.encode("utf-8", "backslashreplace"))  # the name of a file may be no Unicode
    return len(payload["rows"])


def report_html(report: Report, payload: Mapping[str, Any] | None = None, *, title: str | None = None) -> str:
    """The page as text: summary, figures and rows, with its style, its script and its data in it.

    Every text goes through Jinja2's autoescaping, but for four parts that are made here: style and script (our own
    files), the figures (SVG by matplotlib, which escapes what it writes), and the data (JSON whose ``<``, ``>`` and
    ``&`` are escapes). The page's content security policy lets no other script run and nothing be loaded.
    """
    rows = payload_of(report) if payload is None else payload
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    source = files("seqscore.output.report")
    style, script, template = (source.joinpath(f"page.{kind}").read_text("utf-8") for kind in ("css", "js", "html"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    names = " and ".join(run.name for run in report.runs)
    return environment.from_string(template).render(
        title=title or f"{report.task}: {names}",
        policy=_policy(script),
        style=Markup(style),
        script=Markup(script),
        data=Markup(script_json(rows)),
        runs=[_run(run) for run in report.runs],
        comparison=None if report.comparison is None else _comparison(report.comparison),
        figures=[{**one, "svg": Markup(one["svg"])} for one in _figures(report)],
        left_out=_left_out(report, len(rows["rows"])),
        shades=LABELS,
        version=__version__,
    )


def _policy(script: str) -> str:
    """Nothing may be loaded, and no script run but the page's own; ``data:`` for the empty icon."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        f"base-uri 'none'; form-action 'none'"
    )


def _left_out(report: Report, shown: int) -> str | None:
    if shown == report.num_rows:
        return None
    why = "rows= (--rows) changes that" if shown == report.limit else "more would be too much for a browser"
    return f"The table holds the first {shown:,} of {report.num_rows:,} rows ({why}); summary and figures are of all."


def _run(run: ReportedRun) -> dict[str, Any]:
    summary = run.summary
    return {
        "name": run.name,
        "counts": scored_line(summary),
        "notes": run_notes(summary),
        "figures": [_figure(one) for one in summary["figures"] if one.get("use") != "sweep"],
        "note": _method(summary),
        "signature": run.signature,
    }


def _figure(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A figure as the table shows it, with its exact value beside."""
    interval = stored["interval"]
    return {
        **stored,
        "value": _exact(stored["value"]),
        "shown": shown_number(stored["value"]),
        "interval": shown_interval(interval),
        "low": "" if interval is None else _exact(interval["low"]),
        "high": "" if interval is None else _exact(interval["high"]),
    }


def _exact(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(float(value))


def _method(summary: Mapping[str, Any]) -> str:
    """How the intervals were made, each way once."""
    found = dict.fromkeys(
        f"{one['interval']['level']:.0%} {one['interval']['method']}" for one in summary["figures"] if one["interval"]
    )
    return f"Intervals: {'; '.join(found)}." if found else ""


def _comparison(found: Comparison) -> dict[str, Any]:
    only = f"; left out: {found.only_a:,} that only a scored, {found.only_b:,} that only b"
    return {
        "about": f"{found.num_rows:,} rows in both" + (only if found.only_a or found.only_b else ""),
        "differs": found.differs,
        "measures": [_compared(one) for one in found.measures],
        "method": f"p: approximate randomisation; intervals: paired bootstrap over rows, "
        f"{found.measures[0].bootstrap.resamples:,} resamples, seed {found.measures[0].bootstrap.seed}."
        if found.num_rows > 1
        else "One row: neither p nor intervals are defined.",
    }


def _compared(one: ComparedMeasure) -> dict[str, Any]:
    difference, p = one.bootstrap.difference, one.randomisation.p_value
    return {
        "name": one.name,
        "a": _exact(one.a),
        "b": _exact(one.b),
        "difference": _exact(difference),
        "p": _exact(p),
        "shown_a": shown_number(one.a),
        "shown_b": shown_number(one.b),
        "shown_difference": shown_signed(difference),
        "shown_p": shown_p(p),
        "interval": _pair(one.bootstrap.interval),
    }


def _pair(interval: Interval | None) -> str:
    return NOTHING if interval is None else f"{shown_signed(interval.low)} to {shown_signed(interval.high)}"


def _figures(report: Report) -> Iterator[dict[str, str]]:
    """The figures as SVG elements; those of one run where there are two are of the first."""
    names = [run.name for run in report.runs]
    for name, figure in run_figures(report.charts, names):
        chart = CHARTS[name]
        suffix = f" (run a: {names[0]})" if len(names) > 1 and chart.numbers != "paired" else ""
        yield {"name": name, "title": chart.title + suffix, "shape": chart.shape, "svg": svg_text(figure)}
