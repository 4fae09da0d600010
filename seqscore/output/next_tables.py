"""What a model expects behind contexts, for people: a table of tokens and one of words for each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.scored.next_records import NextItem, NextRow, signature_of_next
from seqscore.output.console import console_on
from seqscore.output.destination import Output
from seqscore.output.escape import terminal_text
from seqscore.output.numbers import NOTHING, shown_log, shown_probability
from seqscore.output.tables import plain_table, shown_token
from seqscore.scores.next_scores import NextTokens, NextWords
from seqscore.scores.reductions import Unit, exp, in_unit

_MAX_TOKEN, _MAX_WORD = 28, 40


class NextTables:
    """Tables of one context after another, then the signature; text is shortened and escaped."""

    def __init__(self, output: Output, *, unit: Unit, signature: bool = True) -> None:
        self._output, self._unit, self._signs = output, unit, signature
        self._console = console_on(output)
        self._signature: str | None = None

    def write(self, row: NextItem) -> None:
        """Show one context."""
        self._signature = signature_of_next(row) or self._signature
        with self._output.errors():
            if isinstance(row, Problem):
                message = f"{terminal_text(str(row.id))}: error: {terminal_text(row.error.message)}"
                self._console.print(Text(message, style="red"), soft_wrap=True)
                return
            self._console.print(self._title(row), no_wrap=True, overflow="crop")
            if len(row.tokens):
                self._console.print(_token_table(row.tokens, self._unit))
            if row.words is not None:
                self._console.print(_word_table(row.words, self._unit))
            for line in _lines(row.tokens, self._unit):
                self._console.print(Text(line))

    def finish(self) -> None:
        """Show the signature."""
        if self._signs and self._signature is not None:
            with self._output.errors():
                line = Text(f"signature: {terminal_text(self._signature)}", style="dim")
                self._console.print(line, soft_wrap=True)

    def _title(self, row: NextRow) -> Text:
        head = f"{terminal_text(str(row.id), max_width=16)}: "
        context = "token ids" if row.tokens.context is None else row.tokens.context
        room = max(12, self._console.width - len(head))
        return Text(head, style="bold") + Text(_end_of(context, room))


def _end_of(context: str, room: int) -> str:
    """As much of the end of a context as fits: what comes next depends on that most."""
    end = context[-room:]
    while end and cell_len(terminal_text(end)) > room - (len(end) < len(context)):
        end = end[1:]
    return ("…" if len(end) < len(context) else "") + terminal_text(end)


def _token_table(tokens: NextTokens, unit: Unit) -> Table:
    table = plain_table()
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("token", no_wrap=True)
    for head in ("id", f"log p\n[{unit}]", "surprisal\n[bits]", "p"):
        table.add_column(Text(head), justify="right", no_wrap=True)
    for one in tokens:
        text = shown_token(one.text.encode("utf-8", "surrogatepass"), _MAX_TOKEN)
        table.add_row(str(one.rank), Text(text), str(one.id), *_numbers(one.logprob, unit))
    return table


def _word_table(words: NextWords, unit: Unit) -> Table:
    table = plain_table()
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("word", no_wrap=True)
    heads = ("tokens", f"log p\n[{unit}]", "surprisal\n[bits]", "p", f"corrected\nlog p [{unit}]", "corrected\np")
    for head in heads:
        table.add_column(Text(head), justify="right", no_wrap=True)
    for one in words:
        log, probability = (
            (NOTHING, NOTHING)
            if one.corrected is None
            else (shown_log(in_unit(one.corrected, unit)), shown_probability(exp(one.corrected)))
        )
        text = Text(terminal_text(one.text, max_width=_MAX_WORD))
        table.add_row(str(one.rank), text, str(one.num_tokens), *_numbers(one.log_likelihood, unit), log, probability)
    return table


def _numbers(logprob: float, unit: Unit) -> tuple[str, str, str]:
    bits = in_unit(-logprob, "bits") + 0.0
    return shown_log(in_unit(logprob, unit)), f"{bits:.3f}", shown_probability(math.exp(logprob))


def _lines(tokens: NextTokens, unit: Unit) -> Iterator[str]:
    """What there is to say behind the tables."""
    yield f"entropy of the next token: {in_unit(tokens.entropy, unit):.4f} {unit}"
    if tokens.num_unread:
        yield f"not read: {tokens.num_unread:,} of {tokens.num_context:,} tokens at the beginning of the context"
