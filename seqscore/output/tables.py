"""Tables for people: on a terminal, in a pipe or in a file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.scored.scored_rows import ScoredItem, ScoredRow
from seqscore.output.colours import coloured_text, legend
from seqscore.output.console import console_on
from seqscore.output.destination import Output
from seqscore.output.escape import terminal_bytes, terminal_text
from seqscore.output.notes import notes
from seqscore.output.numbers import NOTHING, shown_log, shown_perplexity, shown_probability
from seqscore.output.record_writer import Sheet
from seqscore.scores.parts import TokenScore
from seqscore.scores.reductions import Unit, in_unit
from seqscore.scores.sequence_score import SequenceScore
from seqscore.typed_json import cell

BLOCK_ROWS = 1_000
"""Rows of one table; the next rows make a table of their own, so that memory does not grow with their number."""

_GAP = 2  # cells between two columns
_MIN_TEXT, _MAX_ID, _MAX_TOKEN, _MAX_COLUMN, _MAX_NAMED, _MAX_SIGNATURES = 12, 16, 28, 24, 8, 5


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the summary, small enough to be kept until its table is full."""

    id: str
    context: str
    text: str
    numbers: tuple[str, str, str, str]
    error: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    perplexity: str = "perplexity"


def table_writer(sheet: Sheet) -> TableWriter:
    """The writer of tables for a terminal."""
    options = sheet.options
    return TableWriter(sheet.output, unit=options.unit, tokens=options.tokens, signature=options.signature != "none")


class TableWriter:
    """Tables of at most 1,000 rows: id, text, tokens, log-likelihood, perplexity, bits per byte, and the columns of the
    input that the rows carry; then notes. Where rows of a table have the same id, their numbers stand beside it.

    With ``tokens`` a table of its tokens comes before, for every text; where there are colours, also the text itself
    with its tokens coloured by surprisal, and a legend. The signature is the last line. Text is
    shortened and escaped. Without a terminal there is no colour, and the width is that of the environment variable
    COLUMNS, else 100.
    """

    def __init__(self, output: Output, *, unit: Unit, tokens: bool, signature: bool = True) -> None:
        self._output, self._unit, self._tokens, self._signs = output, unit, tokens, signature
        self._console = console_on(output)
        self._lines: list[_Line] = []
        self._numbers: list[int | None] = []
        self._notes: dict[str, list[tuple[int, str]]] = {}  # places of lines, and details
        self._signatures: dict[str, None] = {}

    def write(self, row: ScoredItem) -> None:
        """Take one row; show its tokens, and the table once it is full."""
        self._lines.append(_line(row, self._unit, self._console.width))
        self._numbers.append(row.number)
        if isinstance(row, ScoredRow):
            for note, detail in notes(row.score):
                self._notes.setdefault(note, []).append((len(self._lines) - 1, detail))
            if len(self._signatures) < _MAX_SIGNATURES:
                self._signatures.setdefault(row.score.signature)
            if self._tokens:
                self._show_tokens(self._lines[-1], row.score)
        if len(self._lines) >= BLOCK_ROWS:
            self._show_block()

    def finish(self, about: Mapping[str, str]) -> None:
        """Show the last table and the signature."""
        if self._lines:
            self._show_block()
        with self._output.errors():
            for signature in self._signatures if self._signs else ():
                self._console.print(Text(f"signature: {terminal_text(signature)}", style="dim"), soft_wrap=True)

    def discard(self) -> None:
        """Nothing is held that would need to be closed."""

    def _show_block(self) -> None:
        lines = list(self._numbered())
        with self._output.errors():
            self._show_table(*_summary(lines, self._unit, self._console.width))
            for note, found in self._notes.items():
                named = [f"{lines[at].id} ({detail})" if detail else lines[at].id for at, detail in found[:_MAX_NAMED]]
                more = f" and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
                self._console.print(Text(f"note on {', '.join(named)}{more}: {note}", style="yellow"))
        self._lines, self._numbers, self._notes = [], [], {}

    def _numbered(self) -> Iterator[_Line]:
        """The lines, those of one id with the numbers of their rows."""
        counts = Counter(line.id for line in self._lines)
        for line, number in zip(self._lines, self._numbers, strict=True):
            repeated = counts[line.id] > 1 and number is not None
            yield replace(line, id=f"{line.id} (row {number})") if repeated else line

    def _show_tokens(self, line: _Line, score: SequenceScore) -> None:
        room = max(_MIN_TEXT, self._console.width - cell_len(line.id) - 2)
        title = Text(f"{line.id}: ", style="bold") + _shown_text(line, room)
        with self._output.errors():
            self._console.print(title, no_wrap=True, overflow="crop")
            if self._console.color_system is not None and not self._console.no_color and score.text:
                self._console.print(coloured_text(score))
                self._console.print(legend())
            for table in _token_tables(score, self._unit, self._console.width):
                self._show_table(*table)

    def _show_table(self, table: Table, least: int) -> None:
        # Where a terminal is too narrow, lines run over rather than lose digits.
        width = self._console.width
        self._console.width = max(width, least)
        self._console.print(table)
        self._console.width = width


def _line(row: ScoredItem, unit: Unit, width: int) -> _Line:
    row_id = terminal_text(str(row.id), max_width=_MAX_ID)
    columns = {
        terminal_text(name, max_width=_MAX_COLUMN): terminal_text(cell(value)[: 16 * width], max_width=_MAX_COLUMN)
        for name, value in row.columns.items()
    }
    if isinstance(row, Problem):
        return _Line(row_id, "", "", (NOTHING,) * 4, f"error: {terminal_text(row.error.message)}", columns)
    score = row.score
    text = score.continuation
    context = score.context or ""
    if text is None:
        text = f"({score.num_tokens} token ids)"
    numbers = (
        str(score.num_tokens) if score.num_scored == score.num_tokens else f"{score.num_scored}/{score.num_tokens}",
        shown_log(in_unit(score.log_likelihood, unit)),
        NOTHING if score.perplexity is None else shown_perplexity(score.perplexity),
        NOTHING if score.bits_per_byte is None else f"{score.bits_per_byte:.3f}",
    )
    # Enough of the text to fill the cells; the rest is let go.
    shown = text[: 16 * width + 1]
    return _Line(row_id, context[-16 * width :], shown, numbers, columns=columns, perplexity=score.perplexity_name)


def _shown_text(line: _Line, width: int) -> Text:
    """The text, behind as much of the end of its context, in parentheses, as there is room for."""
    text = terminal_text(line.text, max_width=width)
    if not line.context:
        return Text(text)
    room = max(width // 3, width - cell_len(text)) - len("(…)")
    tail = line.context[-room:]
    while cell_len(terminal_text(tail)) > room:
        tail = tail[1:]
    more = "…" if len(tail) < len(line.context) else ""
    shown = Text(f"({more}{terminal_text(tail)})", style="dim")
    rest = terminal_text(line.text, max_width=max(1, width - cell_len(shown.plain)))
    return shown.append(Text(rest, style="not dim"))


def _summary(lines: list[_Line], unit: Unit, width: int) -> tuple[Table, int]:
    """The table of many texts, and the width it needs."""
    perplexity = max((line.perplexity for line in lines), key=len, default="perplexity").replace("-", "-\n")
    heads = ("tokens", f"log p(text)\n[{unit}]", perplexity, "bits/byte")
    fixed = [max(map(cell_len, ["id", *(line.id for line in lines)]))]
    for i, head in enumerate(heads):
        fixed.append(max(map(cell_len, [*head.split("\n"), *(line.numbers[i] for line in lines)])))
    columns = list(dict.fromkeys(name for line in lines for name in line.columns))
    fixed += [max(map(cell_len, [name, *(line.columns.get(name, NOTHING) for line in lines)])) for name in columns]
    room = max(_MIN_TEXT, width - sum(fixed) - _GAP * len(fixed))
    table = plain_table()
    table.add_column("id", no_wrap=True)
    table.add_column("text", width=room)
    for head in heads:
        table.add_column(Text(head), justify="right", no_wrap=True)
    for name in columns:
        table.add_column(Text(name), no_wrap=True)
    for line in lines:
        failed = None if line.error is None else Text(line.error, style="red", overflow="fold")
        shown = failed or _shown_text(line, room)
        kept = [Text(line.columns.get(name, NOTHING)) for name in columns]
        table.add_row(Text(line.id), shown, *map(Text, line.numbers), *kept)
    return table, sum(fixed) + room + _GAP * len(fixed)


def _token_tables(score: SequenceScore, unit: Unit, width: int) -> Iterator[tuple[Table, int]]:
    """The tokens, in tables of at most 1,000 rows whose columns have the same widths, and the width they need."""
    heads = _token_heads(score, unit)
    rows = [[str(token.id), *_token_numbers(token, score, unit)] for token in score.tokens()]
    widths = [max(map(len, [*head.split("\n"), *(row[i] for row in rows)])) for i, head in enumerate(heads)]
    room = min(_MAX_TOKEN, max(_MIN_TEXT, width - sum(widths) - _GAP * len(widths)))
    texts = _token_texts(score, room)
    first = max(map(cell_len, ["token", *texts]))
    tops = None if score.top_logprobs is None else [_top_text(token) for token in score.tokens()]
    widest = 0 if tops is None else max(map(cell_len, ["most probable", *tops])) + _GAP
    for begin in range(0, len(rows), BLOCK_ROWS):
        table = plain_table()
        table.add_column("token", width=first, no_wrap=True)
        for head, cells in zip(heads, widths, strict=True):
            table.add_column(Text(head), justify="right", width=cells, no_wrap=True)
        if tops is not None:
            table.add_column("most probable", no_wrap=True)
        for i in range(begin, min(begin + BLOCK_ROWS, len(rows))):
            top = () if tops is None else (Text(tops[i]),)
            table.add_row(Text(texts[i]), *map(Text, rows[i]), *top, style=None if score.scored[i] else "dim")
        yield table, first + sum(widths) + _GAP * len(widths) + widest


def _token_heads(score: SequenceScore, unit: Unit) -> list[str]:
    """Heads of the number columns."""
    heads = ["id", f"log p\n[{unit}]", "surprisal\n[bits]", "p"]
    if score.ranks is not None:
        heads.append("rank")
    if score.entropies is not None:
        heads.append(f"entropy\n[{unit}]")
    return heads


def _token_texts(score: SequenceScore, width: int) -> list[str]:
    """The tokens as they are shown, the end token by its name."""
    data = score.text.encode("utf-8") if score.text is not None else b""
    spans = zip(score.starts.tolist(), score.ends.tolist(), strict=True)
    texts = [shown_token(data[start:end], width) for start, end in spans]
    return texts if score.end_token is None else [*texts[:-1], shown_token(score.end_name.encode(), width)]


def _token_numbers(token: TokenScore, score: SequenceScore, unit: Unit) -> list[str]:
    if token.logprob is None:
        numbers = [NOTHING] * 3
    else:
        bits = in_unit(-token.logprob, "bits") + 0.0
        numbers = [shown_log(in_unit(token.logprob, unit)), f"{bits:.3f}", shown_probability(math.exp(token.logprob))]
    if score.ranks is not None:
        numbers.append(NOTHING if token.rank is None else str(token.rank))
    if score.entropies is not None:
        numbers.append(NOTHING if token.entropy is None else f"{in_unit(token.entropy, unit):.3f}")
    return numbers


def _top_text(token: TokenScore) -> str:
    """The most probable tokens at the place of one, with their probabilities."""
    if token.top is None:
        return NOTHING
    named = ((shown_token(one.text.encode(), _MIN_TEXT), shown_probability(math.exp(one.logprob))) for one in token.top)
    return "  ".join(f"{text} {probability}" for text, probability in named)


def shown_token(data: bytes, width: int) -> str:
    """A token's bytes, with the spaces at its ends made visible."""
    inner = data.strip(b" ")
    if not inner:
        return _spaces(len(data))
    before = _spaces(len(data) - len(data.lstrip(b" ")))
    after = _spaces(len(data) - len(data.rstrip(b" ")))
    return before + terminal_bytes(inner, max_width=max(1, width - len(before) - len(after))) + after


def _spaces(n: int) -> str:
    return "␣" * n if n <= 4 else f"␣×{n}"


def plain_table() -> Table:
    """A table without a frame, as all for people are."""
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
