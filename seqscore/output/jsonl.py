"""Records as JSON Lines, and a value as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from seqscore.evaluation.scored.scored_rows import OutputRecord
from seqscore.files import plain
from seqscore.output.destination import Output
from seqscore.output.escape import json_text
from seqscore.output.record_writer import Sheet
from seqscore.typed_json import plain_cell


def jsonl_writer(sheet: Sheet) -> JsonlWriter:
    """The writer of JSON Lines."""
    return JsonlWriter(sheet.output)


class JsonlWriter:
    """One JSON object a line, in UTF-8, handed on at once: the fields, then the columns of the input.

    Infinities and NaN are the strings "Infinity", "-Infinity", "NaN". Control and bidirectional characters and lone
    surrogates are escaped, other characters are written as they are.
    """

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, record: OutputRecord) -> None:
        """Write one line."""
        fields = {name: plain(value) if isinstance(value, float) else value for name, value in record.fields.items()}
        whole = {**fields, **plain_cell(record.columns)}
        self._output.write(json_line(whole))

    def finish(self, about: Mapping[str, str]) -> None:
        """Nothing is left to be written."""

    def discard(self) -> None:
        """Nothing is held."""


def json_line(value: Any) -> bytes:
    """``value``, which holds no infinities, as a line of JSON that no terminal and no program takes for another."""
    return json_text(json.dumps(value, ensure_ascii=False, allow_nan=False)).encode("utf-8") + b"\n"


def print_json(value: Any) -> None:
    """``value`` as one line of JSON on standard output; infinities as text."""
    with Output(None) as output:
        output.write(json_line(plain(value)))
