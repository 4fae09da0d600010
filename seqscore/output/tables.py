"""Tables for people: on a terminal, in a pipe or in a file."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqscore.evaluate.rows import ErrorRow, Row, ScoredRow
from seqscore.output.escape import terminal_bytes, terminal_text
from seqscore.output.files import Output
from seqscore.output.notes import notes
from seqscore.scores.reductions import Unit, in_unit
from seqscore.scores.sequence import SequenceScore, TokenScore

__all__ = ["BLOCK_ROWS", "TableWriter"]

BLOCK_ROWS = 1_000
"""Rows of one table; the next rows make a table of their own, so that memory does not grow with their number."""

_PLAIN_WIDTH, _NARROWEST = 100, 72
_GAP = 2  # cells between two columns
_MIN_TEXT, _MAX_ID, _MAX_TOKEN, _MAX_NAMED, _MAX_SIGNATURES = 12, 16, 28, 8, 5
_NOTHING = "–"
_SIMPLER = str.maketrans("–…␣×", "-~_x")  # where the terminal's encoding lacks them


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the summary, small enough to be kept until its table is full."""

    id: str
    context: str
    text: str
    numbers: tuple[str, str, str, str]
    error: str | None = None


class TableWriter:
    """Tables of at most 1,000 rows: id, text, tokens, log-likelihood, perplexity, bits per byte; then notes.

    With ``tokens`` a table of its tokens comes before, for every text. The signature is the last line. Text is
    shortened and escaped. Without a terminal there is no colour, and the width is that of the environment variable
    COLUMNS, else 100.
    """

    def __init__(self, output: Output, *, unit: Unit, tokens: bool) -> None:
        self._output, self._unit, self._tokens = output, unit, tokens
        self._console = _console(output)
        self._lines: list[_Line] = []
        self._notes: dict[str, list[str]] = {}
        self._signatures: dict[str, None] = {}

    def write(self, row: Row) -> None:
        """Take one row; show its tokens, and the table once it is full."""
        self._lines.append(_line(row, self._unit, self._console.width))
        if isinstance(row, ScoredRow):
            for note, detail in notes(row.score):
                shown = f"{self._lines[-1].id} ({detail})" if detail else self._lines[-1].id
                self._notes.setdefault(note, []).append(shown)
            if len(self._signatures) < _MAX_SIGNATURES:
                self._signatures.setdefault(row.score.signature)
            if self._tokens:
                self._show_tokens(self._lines[-1], row.score)
        if len(self._lines) >= BLOCK_ROWS:
            self._show_block()

    def finish(self) -> None:
        """Show the last table and the signature."""
        if self._lines:
            self._show_block()
        with self._output.errors():
            for signature in self._signatures:
                self._console.print(Text(f"signature: {terminal_text(signature)}", style="dim"), soft_wrap=True)

    def discard(self) -> None:
        """Nothing is held that would need to be closed."""

    def _show_block(self) -> None:
        with self._output.errors():
            self._console.print(_summary(self._lines, self._unit, self._console.width))
            for note, ids in self._notes.items():
                more = f" and {len(ids) - _MAX_NAMED} more" if len(ids) > _MAX_NAMED else ""
                self._console.print(Text(f"note on {', '.join(ids[:_MAX_NAMED])}{more}: {note}", style="yellow"))
        self._lines, self._notes = [], {}

    def _show_tokens(self, line: _Line, score: SequenceScore) -> None:
        room = max(_MIN_TEXT, self._console.width - cell_len(line.id) - 2)
        title = Text(f"{line.id}: ", style="bold") + _shown_text(line, room)
        with self._output.errors():
            self._console.print(title, no_wrap=True, overflow="crop")
            for table in _token_tables(score, self._unit, self._console.width):
                self._console.print(table)


class _TextStream:
    """Text onto a binary stream that belongs to someone else; what its encoding lacks is shown as escapes."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream, self.encoding = stream, encoding

    def write(self, text: str) -> int:
        try:
            data = text.encode(self.encoding)
        except UnicodeEncodeError:
            data = text.translate(_SIMPLER).encode(self.encoding, "backslashreplace")
        self._stream.write(data)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def _console(output: Output) -> Console:
    encoding = "utf-8" if output.target is not None else (getattr(sys.stdout, "encoding", None) or "utf-8")
    stream = cast("IO[str]", _TextStream(output.stream, encoding))
    on_terminal = output.stream.isatty()
    console = Console(
        file=stream,
        width=None if on_terminal else _plain_width(),
        force_terminal=None if output.target is None else on_terminal,
        force_jupyter=False,
        markup=False,
        highlight=False,
        emoji=False,
    )
    # On a very narrow terminal lines run over rather than lose digits.
    console.width = max(console.width, _NARROWEST)
    return console


def _plain_width() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) > 0 else _PLAIN_WIDTH


def _line(row: Row, unit: Unit, width: int) -> _Line:
    row_id = terminal_text(str(row.id), max_width=_MAX_ID)
    if isinstance(row, ErrorRow):
        return _Line(row_id, "", "", (_NOTHING,) * 4, f"error: {terminal_text(row.message)}")
    score = row.score
    text = score.continuation
    context = score.context or ""
    if text is None:
        text = f"({score.num_tokens} token ids)"
    numbers = (
        str(score.num_tokens) if score.num_scored == score.num_tokens else f"{score.num_scored}/{score.num_tokens}",
        _log(in_unit(score.log_likelihood, unit)),
        _NOTHING if score.perplexity is None else _perplexity(score.perplexity),
        _NOTHING if score.bits_per_byte is None else f"{score.bits_per_byte:.3f}",
    )
    # Enough of the text to fill the cells; the rest is let go.
    return _Line(row_id, context[-16 * width :], text[: 16 * width + 1], numbers)


def _shown_text(line: _Line, width: int) -> Text:
    """The text, behind the end of its context in parentheses."""
    if not line.context:
        return Text(terminal_text(line.text, max_width=width))
    room = max(1, width // 3 - 3)
    tail = line.context[-room:]
    more = "…" if len(line.context) > room else ""
    context = terminal_text(tail, max_width=room)
    shown = Text(f"({more}{context})", style="dim")
    return shown.append(
        Text(terminal_text(line.text, max_width=max(1, width - cell_len(shown.plain))), style="not dim")
    )


def _summary(lines: list[_Line], unit: Unit, width: int) -> Table:
    heads = ("tokens", f"log p(text)\n[{unit}]", "perplexity", "bits/byte")
    fixed = [max(map(cell_len, ["id", *(line.id for line in lines)]))]
    for i, head in enumerate(heads):
        fixed.append(max(map(cell_len, [*head.split("\n"), *(line.numbers[i] for line in lines)])))
    room = max(_MIN_TEXT, width - sum(fixed) - _GAP * len(fixed))
    table = _table()
    table.add_column("id", no_wrap=True)
    table.add_column("text", width=room)
    for head in heads:
        table.add_column(Text(head), justify="right", no_wrap=True)
    for line in lines:
        failed = None if line.error is None else Text(line.error, style="red", overflow="fold")
        cell = failed or _shown_text(line, room)
        table.add_row(Text(line.id), cell, *map(Text, line.numbers))
    return table


def _token_tables(score: SequenceScore, unit: Unit, width: int) -> Iterator[Table]:
    """The tokens, in tables of at most 1,000 rows whose columns have the same widths."""
    heads = _token_heads(score, unit)
    room = min(_MAX_TOKEN, max(_MIN_TEXT, width - sum(least + _GAP for _, least in heads)))
    data = score.text.encode("utf-8") if score.text is not None else b""
    spans = zip(score.starts.tolist(), score.ends.tolist(), strict=True)
    shown = [_token_text(data[start:end], room) for start, end in spans]
    widest = max(map(cell_len, ["token", *shown]))
    table = _new_token_table(heads, widest)
    for i, token in enumerate(score.tokens()):
        if i and i % BLOCK_ROWS == 0:
            yield table
            table = _new_token_table(heads, widest)
        cells = [shown[i], str(token.id), *_token_numbers(token, score, unit)]
        table.add_row(*map(Text, cells), style="dim" if token.logprob is None else None)
    if table.row_count:
        yield table


def _token_heads(score: SequenceScore, unit: Unit) -> list[tuple[str, int]]:
    """Heads of the number columns and the cells that their numbers take."""
    heads = [("id", 6), (f"log p\n[{unit}]", 9), ("surprisal\n[bits]", 9), ("p", 8)]
    if score.ranks is not None:
        heads.append(("rank", 6))
    if score.entropies is not None:
        heads.append((f"entropy\n[{unit}]", 7))
    return heads


def _new_token_table(heads: list[tuple[str, int]], width: int) -> Table:
    table = _table()
    table.add_column("token", width=width, no_wrap=True)
    for head, least in heads:
        table.add_column(Text(head), justify="right", min_width=least, no_wrap=True)
    return table


def _token_numbers(token: TokenScore, score: SequenceScore, unit: Unit) -> list[str]:
    if token.logprob is None:
        numbers = [_NOTHING] * 3
    else:
        bits = in_unit(-token.logprob, "bits") + 0.0
        numbers = [_log(in_unit(token.logprob, unit)), f"{bits:.3f}", _probability(math.exp(token.logprob))]
    if score.ranks is not None:
        numbers.append(_NOTHING if token.rank is None else str(token.rank))
    if score.entropies is not None:
        numbers.append(_NOTHING if token.entropy is None else f"{in_unit(token.entropy, unit):.3f}")
    return numbers


def _token_text(data: bytes, width: int) -> str:
    """A token's bytes, with the spaces at its ends made visible."""
    inner = data.strip(b" ")
    if not inner:
        return _spaces(len(data))
    before = _spaces(len(data) - len(data.lstrip(b" ")))
    after = _spaces(len(data) - len(data.rstrip(b" ")))
    return before + terminal_bytes(inner, max_width=max(1, width - len(before) - len(after))) + after


def _spaces(n: int) -> str:
    return "␣" * n if n <= 4 else f"␣×{n}"


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))


def _log(value: float) -> str:
    return f"{value + 0.0:.4f}"


def _perplexity(value: float) -> str:
    return f"{value:.2f}" if value < 1e6 else f"{value:.3e}"


def _probability(value: float) -> str:
    return f"{value:.4f}" if value >= 0.001 else f"{value:.2e}"
