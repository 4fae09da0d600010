"""A file on disk, read as the commands read it: its rows, its problems, and what is said about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.data.texts import InputOptions, open_inputs

_COLUMNS = ("column", "context_column", "context")


def read(path: Path, data: bytes | str | None = None, **options: Any) -> tuple[list[Any], list[str]]:
    """The texts of a file's rows, a problem as its message, and the notices; ``data`` is written first."""
    rows, said = rows_of(path, data, **options)
    return [row.error.message if isinstance(row, Problem) else row.text for row in rows], said


def rows_of(path: Path, data: bytes | str | None = None, **options: Any) -> tuple[list[Any], list[str]]:
    """The rows of a file, and the notices."""
    if data is not None:
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    said: list[str] = []
    mine = {name: options.pop(name) for name in _COLUMNS if name in options}
    asked = InputOptions(**mine, data=DataOptions(notify=said.append, **options))
    return list(open_inputs([], [str(path)], options=asked)), said
