"""Input files to workloads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from .jobs import BenchmarkError, Workload

MAX_CHARACTERS = 4000
"""A paragraph is cut at the last white space before as many: about 1,000 tokens of English."""

Requests = list[tuple[str, str]]

DEFAULT_FILES: Mapping[str, str] = {
    "pairs": "pairs.jsonl",
    "paragraphs": "paragraphs.txt",
    "choices": "choices.jsonl",
    "passages": "passages.jsonl",
    "document": "paragraphs.txt",
}
"""The project's own inputs, in data/."""

SOURCES: Mapping[str, str] = {
    "pairs": "pairs",
    "paragraphs": "paragraphs",
    "choices": "choices",
    "passages": "passages",
    "document": "document",
    "document-overlap": "document",
}
"""The workloads, and the option that names the file of each."""

WORKLOADS = tuple(SOURCES)


def build_workload(name: str, files: Sequence[Path], *, limit: int | None, window: int) -> Workload:
    """The workload ``name`` from ``files``, of which the first ``limit`` rows (in turn from each file) are taken.

    Raises:
        BenchmarkError: a file cannot be read, a row is not what was expected, or there is nothing in it.
    """
    if name in ("document", "document-overlap"):
        lines = [line for path in files for line in _lines(path)][:limit]
        text = "\n".join(lines).strip()
        requests = [("", text)] if text else []
        kind = "disjoint" if name == "document" else "overlapping"
        return _checked(Workload(name=name, kind=kind, requests=tuple(requests), max_length=window), files)  # type: ignore[arg-type]
    if name == "paragraphs":
        texts = _in_turn([[cut(line.strip()) for line in _lines(path) if _is_paragraph(line)] for path in files])
        requests = [("", text) for text in texts[:limit]]
        return _checked(Workload(name=name, kind="text", requests=tuple(requests)), files)
    rows = _in_turn([_rows(path, _pair if name == "pairs" else _query) for path in files])[:limit]
    kind = "text" if name == "pairs" else "continuation"
    return _checked(Workload(name=name, kind=kind, requests=tuple(chain.from_iterable(rows))), files)  # type: ignore[arg-type]


def _checked(workload: Workload, files: Sequence[Path]) -> Workload:
    if not workload.requests:
        raise BenchmarkError(f"{workload.name}: there is nothing to score in {', '.join(map(str, files))}")
    return workload


def cut(text: str) -> str:
    """At most ``MAX_CHARACTERS`` of a text, whole words where it has any."""
    if len(text) <= MAX_CHARACTERS:
        return text
    head = text[: MAX_CHARACTERS + 1]
    space = max((i for i, character in enumerate(head) if character.isspace()), default=0)
    return head[:space].rstrip() or text[:MAX_CHARACTERS]


def _in_turn(lists: list[list[Any]]) -> list[Any]:
    """One of each list, then the next of each, so that a limit takes alike from all."""
    missing = object()
    return [one for turn in zip_longest(*lists, fillvalue=missing) for one in turn if one is not missing]


def _is_paragraph(line: str) -> bool:
    """Neither blank nor a heading as WikiText writes them, ``= Title =``."""
    text = line.strip()
    return bool(text) and not (text.startswith("=") and text.endswith("="))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path} cannot be read as UTF-8 text: {error}") from error


def _rows(path: Path, read: Callable[[dict[str, Any]], Requests]) -> list[Requests]:
    """The requests of each row of a JSONL file."""
    rows = []
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            try:
                rows.append(read(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise BenchmarkError(f"{path}, line {number}: {_reason(error)}") from error
    return rows


def _reason(error: Exception) -> str:
    return f"there is no {error}" if isinstance(error, KeyError) else str(error)


def _text(row: dict[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{column} must be a text that is not blank, got {value!r}")
    return value


def _pair(row: dict[str, Any]) -> Requests:
    return [("", _text(row, column)) for column in ("sentence_good", "sentence_bad")]


def _query(row: dict[str, Any]) -> Requests:
    """White space goes with the answer, so that all tools cut at the same place; where there is none, one space."""
    query = _text(row, "query")
    stem = query.rstrip()
    if not isinstance(row["choices"], list) or not row["choices"]:
        raise TypeError(f"choices must be a list of texts, got {row['choices']!r}")
    choices = [_text({"each of choices": choice}, "each of choices") for choice in row["choices"]]
    spaces = query[len(stem) :]
    return [(stem, spaces + choice if spaces or choice[0].isspace() else f" {choice}") for choice in choices]
