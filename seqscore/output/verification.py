"""A verification as a table for people, or as one line of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from seqscore.output.console import console_on
from seqscore.output.destination import Output
from seqscore.output.escape import terminal_text
from seqscore.output.jsonl import print_json

if TYPE_CHECKING:
    from seqscore.verify.findings import Finding, Verification

_STYLES = {"held": "green", "broken": "bold red", "stated": "", "not measured": "yellow"}


def print_verification(found: Verification) -> None:
    """Show the findings on standard output, topic by topic, and what they come to."""
    with Output(None) as output, output.errors():
        console = console_on(output)
        model = terminal_text(found.model, max_width=60)
        console.print(f"{model}, {found.dtype} on {found.device}, engine {found.engine}, {found.threads} threads")
        console.print(_table(found))
        console.print(_verdict(found))
        console.print(f"signature: {terminal_text(found.signature)}", soft_wrap=True)


def _table(found: Verification) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("promise", no_wrap=True)
    table.add_column("what was measured", overflow="fold")
    table.add_column("figure", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    before = ""
    for finding in found.findings:
        topic = "" if finding.topic == before else finding.topic
        before = finding.topic
        value = "–" if finding.value is None else _number(finding.value)
        cells = (topic, finding.what, value, _remarks(finding), finding.outcome)
        table.add_row(*(terminal_text(cell) for cell in cells), style=_STYLES[finding.outcome])
    return table


def _remarks(finding: Finding) -> str:
    """The unit, and the limit and the note where there are any."""
    limit = "" if finding.limit is None else f"limit {_number(finding.limit)}"
    unit = "" if finding.value is None else finding.unit
    return "; ".join(part for part in (unit, limit, finding.note) if part)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == 0 or abs(value) >= 100 else f"{value:.2g}"


def _verdict(found: Verification) -> str:
    broken = sum(finding.outcome == "broken" for finding in found.findings)
    held = sum(finding.outcome == "held" for finding in found.findings)
    left = sum(finding.outcome == "not measured" for finding in found.findings)
    not_measured = f", {left} could not be measured" if left else ""
    return f"{held} promises held, {broken} broken{not_measured}"


def write_verification_json(found: Verification) -> None:
    """The verification as one line of JSON on standard output."""
    print_json(found.to_dict())
