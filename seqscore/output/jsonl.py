"""Records as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Mapping

from seqscore.evaluate.scored.scored_rows import Record
from seqscore.output.destination import Output
from seqscore.output.escape import json_text
from seqscore.typed_json import plain_cell


class JsonlWriter:
    """One JSON object a line, in UTF-8, handed on at once: the fields, then the columns of the input.

    Infinities and NaN are the strings "Infinity", "-Infinity", "NaN". Control and bidirectional characters and lone
    surrogates are escaped, other characters are written as they are.
    """

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, record: Record) -> None:
        """Write one line."""
        whole = {**record.fields, **plain_cell(record.columns)}
        line = json_text(json.dumps(whole, ensure_ascii=False, allow_nan=False))
        self._output.write(line.encode("utf-8") + b"\n")

    def finish(self, about: Mapping[str, str]) -> None:
        """Nothing is left to be written."""

    def discard(self) -> None:
        """Nothing is held."""
