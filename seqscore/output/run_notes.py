"""What a run's summary says besides its figures, in words: rows, errors and their reasons, what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seqscore.output.notes import GIVEN_ALL_OTHERS
from seqscore.output.numbers import shown_interval
from seqscore.scores.signature import Signature

if TYPE_CHECKING:
    from seqscore.evaluation.scored.tally import Tally

_USUAL_BOUNDARIES = ("clean", "separate")  # the tokens agree with the boundary, or the two came apart
_BOUNDARIES = {
    "apart": "tokenised apart, since a token would reach over the boundary",
    "healed": "with a token over the boundary, taken given the context's bytes in it",
    "shifted": "with white space of the context scored with the text",
    "spanned": "with a token that may reach over the boundary",
    "swallowed": "tokenised apart, since one token would span the whole boundary",
}


def scored_line(summary: Mapping[str, Any]) -> str:
    """``2 of 6 rows scored; errors: 4 bad_input; 10 tokens cut``."""
    errors = ", ".join(f"{count:,} {code}" for code, count in summary["errors"].items())
    cut = f"; {summary['tokens_cut']:,} tokens cut" if summary["tokens_cut"] else ""
    scored = f"{summary['scored']:,} of {summary['rows']:,} rows scored"
    return scored + (f"; errors: {errors}" if errors else "") + cut


def run_notes(summary: Mapping[str, Any]) -> list[str]:
    """Why rows failed, and what of the others was left out or is unusual; nothing where there is nothing to say."""
    failed = summary["rows"] - summary["scored"]
    return [*reason_lines(summary["error_reasons"], failed), *_left_out(summary)]


def reason_lines(reasons: Sequence[Mapping[str, Any]], failed: int, *, most: int | None = None) -> list[str]:
    """A line for each kind of error, the most frequent first; ``most``: of them. ``failed``: rows in all."""
    shown = reasons[:most]
    lines = [_reason(one) for one in shown]
    others = failed - sum(one["count"] for one in shown)
    return [*lines, f"{others:,} with other errors"] if others > 0 else lines


def tally_lines(tally: Tally, *, noted: bool) -> Iterator[str]:
    """What is said of scored rows at their end. ``noted``: of contexts that were not read the output itself tells."""
    if tally.failed:
        yield f"{tally.failed:,} of {tally.rows:,} rows could not be scored:"
        for line in reason_lines(tally.reasons.to_list(), tally.failed, most=3):
            yield f"  {line}"
    if tally.unread_tokens and not noted:
        yield _unread(tally.unread_tokens, tally.unread_rows)


def _unread(tokens: int, rows: int) -> str:
    what = f"{_of(tokens, 'token')} at the beginning of contexts not read, in {_of(rows, 'row')}"
    return f"{what}: the model cannot look back so far"


def _reason(reason: Mapping[str, Any]) -> str:
    more = ", ..." if reason["count"] > len(reason["places"]) else ""
    return f"{reason['count']:,} {reason['code']}: {reason['message']} ({', '.join(reason['places'])}{more})"


def _left_out(summary: Mapping[str, Any]) -> Iterator[str]:
    if Signature.parse(summary.get("signature", "")).conditioning == "both":
        yield GIVEN_ALL_OTHERS
    unread, unknown = summary["tokens_unread"], summary["tokens_unknown"]
    if unread:
        yield _unread(unread, summary["rows_unread"])
    if unknown:
        rows = _of(summary["rows_unknown"], "row")
        yield f"scored although the tokenizer does not know it: {_of(unknown, 'unknown token')} in {rows}"
    for figure in summary["figures"]:
        name = figure["name"] if figure["group"] is None else f"{figure['name']} of group {figure['group']!r}"
        if figure.get("reason"):
            yield f"{name}: {figure['reason']}"
        closed = figure.get("closed_interval")
        if closed is not None:
            yield f"{name}: {float(closed['level']):.0%} interval by {closed['method']}: {shown_interval(closed)}"
    for one in summary.get("left_out", ()):
        yield f"{one['figure']} leaves out {one['rows']:,} of {summary['scored']:,} rows: {one['reason']}"
    unusual = {name: count for name, count in summary["boundaries"].items() if name not in _USUAL_BOUNDARIES}
    if unusual:
        counts = "; ".join(f"{count:,} {_BOUNDARIES.get(name, name)}" for name, count in unusual.items())
        yield f"of {sum(summary['boundaries'].values()):,} contexts and texts {counts}"
    if set(summary["delimiters"]) - {" "}:
        taken = sorted(summary["delimiters"].items(), key=lambda one: -one[1])
        yield "delimiters: " + ", ".join(f"{delimiter!r} {count:,}" for delimiter, count in taken)


def _of(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
