r"""Records as a table of a page (Markdown) or of a paper (LaTeX): rounded for people, every character escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from seqscore.evaluation.scored.scored_rows import OutputRecord
from seqscore.output.destination import Output
from seqscore.output.escape import terminal_text
from seqscore.output.numbers import shown_log, shown_perplexity, shown_probability
from seqscore.output.record_writer import RecordWriter, Sheet
from seqscore.output.spool import SpooledWriter
from seqscore.scores.reductions import Unit
from seqscore.typed_json import cell

Cells: TypeAlias = Sequence[tuple[str, Literal["text", "number"]]]
"""Cells of a row that are not escaped yet; one that is empty is not defined."""


def markdown_writer(sheet: Sheet) -> RecordWriter:
    """The writer of a table of a page."""
    return _document(sheet, Markdown())


def latex_writer(sheet: Sheet) -> RecordWriter:
    """The writer of a table of a paper."""
    return _document(sheet, Latex())


def _document(sheet: Sheet, markup: Markup) -> RecordWriter:
    """All columns must be known before the head, and what the numbers are: records wait in a temporary file."""

    def document(columns: Sequence[str]) -> RecordWriter:
        options = sheet.options
        writer = DocumentWriter(sheet.output, markup, columns=columns, unit=options.unit, tokens=options.tokens)
        writer.lists_top = options.tokens and options.lists_top
        return writer

    return SpooledWriter(sheet.output, lambda columns, _: document(() if sheet.options.columns == () else columns))


class Markup(Protocol):
    """A way to write a table."""

    def head(self, cells: Cells) -> str:
        """The lines before the rows."""

    def row(self, cells: Cells) -> str:
        """The line of a row."""

    def foot(self, about: Mapping[str, str]) -> str:
        """The lines behind the rows, with what belongs to all of them."""


class DocumentWriter:
    """One line of a table a record: a text with its sum, or with ``tokens`` a token; handed on at once. The first
    record says how a perplexity is called."""

    def __init__(self, output: Output, markup: Markup, *, columns: Sequence[str], unit: Unit, tokens: bool) -> None:
        self._output, self._markup, self._columns, self._unit, self._tokens = output, markup, columns, unit, tokens
        self.lists_top = False
        self._has_head = False

    def write(self, record: OutputRecord) -> None:
        """Write one line."""
        self._write_head("pseudo-perplexity" if record.conditioning == "both" else "perplexity")
        cells = _token_cells(record.fields) if self._tokens else _text_cells(record.fields)
        cells += [(_top_cell(record.fields), "text")] if self.lists_top else []
        cells += [(cell(record.columns.get(name)), "text") for name in self._columns]
        self._write(self._markup.row(cells))

    def _write_head(self, perplexity: str = "perplexity") -> None:
        if not self._has_head:
            self._has_head = True
            names = _TOKEN_HEADS if self._tokens else _TEXT_HEADS
            heads: list[tuple[str, Literal["text", "number"]]] = [
                (name.format(unit=self._unit, perplexity=perplexity), "number" if numeric else "text")
                for name, numeric in names
            ]
            heads += [("most probable", "text")] if self.lists_top else []
            self._write(self._markup.head([*heads, *((name, "text") for name in self._columns)]))

    def _write(self, text: str) -> None:
        self._output.write(text.encode("utf-8", "backslashreplace"))

    def finish(self, about: Mapping[str, str]) -> None:
        """Close the table."""
        self._write_head()
        self._write(self._markup.foot(about))

    def discard(self) -> None:
        """Nothing is held."""


_TEXT_HEADS = (
    *(("id", False), ("text", False), ("tokens", True), ("log p(text) [{unit}]", True)),
    *(("{perplexity}", True), ("bits/byte", True)),
)
_TOKEN_HEADS = (
    *(("id", False), ("token", False), ("token id", True), ("log p [{unit}]", True), ("p", True)),
    *(("rank", True), ("entropy [{unit}]", True)),
)


def _text_cells(fields: Mapping[str, Any]) -> list[tuple[str, Literal["text", "number"]]]:
    text = f"error: {fields['error']}" if fields.get("error") else _behind(fields.get("context"), fields.get("text"))
    scored, total = fields.get("num_scored"), fields.get("num_tokens")
    counts = "" if total is None else str(total) if scored == total else f"{scored}/{total}"
    perplexity, bits = _number(fields.get("perplexity")), _number(fields.get("bits_per_byte"))
    return [
        (str(fields["id"]), "text"),
        (text, "text"),
        (counts, "number"),
        (_shown(_number(fields.get("log_likelihood")), shown_log), "number"),
        (_shown(perplexity, shown_perplexity), "number"),
        (_shown(bits, "{:.3f}".format), "number"),
    ]


def _behind(context: str | None, text: str | None) -> str:
    """The text, behind its context in parentheses."""
    if not context or not text or not text.startswith(context):
        return text or ""
    return f"({context}){text[len(context) :]}"


def _token_cells(fields: Mapping[str, Any]) -> list[tuple[str, Literal["text", "number"]]]:
    value = _number(fields.get("logprob"))
    scale = math.log(2) if fields.get("unit") == "bits" else 1.0
    token = fields["error"] if fields.get("error") else str(fields.get("token", "")).replace(" ", "␣")
    return [
        (str(fields["id"]), "text"),
        (f"error: {token}" if fields.get("error") else token, "text"),
        (str(fields.get("token_id", "")), "number"),
        (_shown(value, shown_log), "number"),
        (_shown(None if value is None else math.exp(value * scale), shown_probability), "number"),
        ("" if fields.get("rank") is None else str(fields["rank"]), "number"),
        (_shown(_number(fields.get("entropy")), "{:.3f}".format), "number"),
    ]


def _top_cell(fields: Mapping[str, Any]) -> str:
    """The most probable tokens at the place of one, with their probabilities."""
    scale = math.log(2) if fields.get("unit") == "bits" else 1.0
    named = ((one["text"].replace(" ", "␣"), float(one["logprob"]) * scale) for one in fields.get("top") or ())
    return ", ".join(f"{text} {shown_probability(math.exp(value))}" for text, value in named)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _shown(value: float | None, shown: Any) -> str:
    return "" if value is None else str(shown(value))


class Markdown:
    """A table as GitHub's Markdown has it."""

    def head(self, cells: Cells) -> str:
        """Header and alignment."""
        rule = " | ".join("---:" if kind == "number" else ":---" for _, kind in cells)
        return f"| {' | '.join(markdown_text(text) for text, _ in cells)} |\n| {rule} |\n"

    def row(self, cells: Cells) -> str:
        """One line."""
        return f"| {' | '.join(self._cell(text, kind) for text, kind in cells)} |\n"

    def _cell(self, text: str, kind: str) -> str:
        return (text if kind == "number" else markdown_text(text)) or "–"

    def foot(self, about: Mapping[str, str]) -> str:
        """A line each."""
        return "".join(f"\n{markdown_text(name)}: {markdown_text(text)}\n" for name, text in about.items())


class Latex:
    """A ``tabular`` with the rules of the package booktabs."""

    def head(self, cells: Cells) -> str:
        """What it needs, columns, header."""
        kinds = "".join("r" if kind == "number" else "l" for _, kind in cells)
        names = " & ".join(latex_text(text) for text, _ in cells)
        needs = "% needs \\usepackage{booktabs}; scripts beyond Latin need XeLaTeX or LuaLaTeX and a font that has them"
        return f"{needs}\n\\begin{{tabular}}{{{kinds}}}\n\\toprule\n{names} \\\\\n\\midrule\n"

    def row(self, cells: Cells) -> str:
        """One line."""
        return " & ".join(self._cell(text, kind) for text, kind in cells) + " \\\\\n"

    def _cell(self, text: str, kind: str) -> str:
        if not text:
            return "--"
        return f"${text}$" if kind == "number" and text.startswith("-") else latex_text(text)

    def foot(self, about: Mapping[str, str]) -> str:
        """The end; what belongs to all rows as comments, which a paper need not print."""
        notes = "".join(f"% {name}: {terminal_text(text)}\n" for name, text in about.items())
        return f"\\bottomrule\n\\end{{tabular}}\n{notes}"


_IN_MARKDOWN = re.compile(r"[\\`*_\[\]<>|~$&#^!]|(?<=\w):(?=//)|(?<=www)\.|@(?=\w)")


def markdown_text(text: str) -> str:
    r"""``text`` so that Markdown shows it and nothing else: controls and line ends as escapes, markup escaped."""
    return _IN_MARKDOWN.sub(lambda found: "\\" + found.group(), terminal_text(text))


_IN_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "[": "{[}",  # behind the end of a row it would be an option of that
    "]": "{]}",
    "*": "{*}",
    "–": "--",
    "␣": r"\textvisiblespace{}",
}
_LIGATURE = re.compile(r"(?<=-)(?=-)|(?<=')(?=')|(?<=`)(?=`)|(?<=,)(?=,)|(?<=[!?])(?=`)")


def latex_text(text: str) -> str:
    """``text`` so that LaTeX prints it and nothing else; controls and line ends as escapes."""
    apart = _LIGATURE.sub("\0", terminal_text(text))
    return "".join("{}" if one == "\0" else _IN_LATEX.get(one, one) for one in apart)
