"""What is computed: requests, as texts and as the windows of token ids that they are; and one run of a system."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["text", "continuation", "disjoint", "overlapping"]
"""What is computed for a request (context, text).

``text``: log p(text) behind a start token, the context is empty. ``continuation``: log p(text | context), with a start
token only where the tokenizer itself puts one. ``disjoint``: log p(text) in windows that share one token, the last one
filled up with context (lm-eval's rolling log-likelihood). ``overlapping``: log p(text) in windows that overlap by half,
so that each target behind the first window sees at least half a window (seqscore's).
"""

SystemName: TypeAlias = Literal["seqscore", "lm-eval", "minicons", "transformers"]
SYSTEMS: tuple[SystemName, ...] = get_args(SystemName)
PEERS: tuple[SystemName, ...] = ("lm-eval", "minicons")
"""Systems that run in the peers' own environment; plain transformers is at hand wherever seqscore is."""

UNABLE: Mapping[tuple[SystemName, Kind], str] = {
    ("minicons", "disjoint"): "has no windows",
    ("minicons", "overlapping"): "has no windows",
    ("lm-eval", "overlapping"): "its windows do not overlap",
}
"""What a system cannot compute, and why."""

SOURCES: Mapping[str, tuple[Kind, str]] = {
    "pairs": ("text", "pairs.jsonl"),
    "paragraphs": ("text", "paragraphs.txt"),
    "choices": ("continuation", "choices.jsonl"),
    "passages": ("continuation", "passages.jsonl"),
    "document": ("disjoint", "paragraphs.txt"),
    "document-overlap": ("overlapping", "paragraphs.txt"),
}
"""The workloads, and the file of each in the folder of the data."""

MAX_CHARACTERS = 4000
"""A paragraph is cut at the last white space before as many: about 1,000 tokens of English."""


class BenchmarkError(Exception):
    """Something that ends the benchmark, told in one line."""


Request: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Requests of one kind. ``max_length``: how many positions a window holds, for the two kinds with windows."""

    name: str
    kind: Kind
    requests: tuple[Request, ...]
    max_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of a worker. ``limit``: the longest input of the model. ``batch_tokens`` and ``engine`` are seqscore's,
    ``batch_size`` is the others'.
    """

    system: SystemName
    model: str
    dtype: str
    threads: int
    engine: str
    batch_tokens: int | None
    batch_size: int
    limit: int | None
    workload: Workload


def job_from_json(data: dict[str, Any]) -> Job:
    """The job that ``dataclasses.asdict`` made ``data`` of."""
    workload = data["workload"]
    requests = tuple((context, text) for context, text in workload["requests"])
    return Job(**{**data, "workload": Workload(**{**workload, "requests": requests})})


def read_workload(name: str, folder: Path, *, rows: int | None, window: int) -> Workload:
    """The workload ``name``, of the first ``rows`` rows (of a document: lines) of its file in ``folder``.

    Raises:
        BenchmarkError: the file cannot be read, or is not what was expected.
    """
    kind, file = SOURCES[name]
    path = folder / file
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        requests = _requests(name, lines, rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    if not requests:
        raise BenchmarkError(f"{path}: there is nothing to score")
    windows = kind in ("disjoint", "overlapping")
    return Workload(name=name, kind=kind, requests=tuple(requests), max_length=window if windows else None)


def _requests(name: str, lines: Sequence[str], rows: int | None) -> list[Request]:
    if SOURCES[name][0] in ("disjoint", "overlapping"):
        text = "\n".join(lines[:rows]).strip()
        return [("", text)] if text else []
    if name == "paragraphs":
        return [("", cut(line.strip())) for line in lines if _is_paragraph(line)][:rows]
    read: Callable[[dict[str, Any]], list[Request]] = _pair if name == "pairs" else _choices
    return list(chain.from_iterable(read(json.loads(line)) for line in lines[:rows] if line.strip()))


def cut(text: str) -> str:
    """At most ``MAX_CHARACTERS`` of a text, whole words where it has any."""
    if len(text) <= MAX_CHARACTERS:
        return text
    head = text[: MAX_CHARACTERS + 1]
    space = max((i for i, character in enumerate(head) if character.isspace()), default=0)
    return head[:space].rstrip() or text[:MAX_CHARACTERS]


def _is_paragraph(line: str) -> bool:
    """Neither blank nor a heading as WikiText writes them, ``= Title =``."""
    text = line.strip()
    return bool(text) and not (text.startswith("=") and text.endswith("="))


def _pair(row: dict[str, Any]) -> list[Request]:
    return [("", row["sentence_good"]), ("", row["sentence_bad"])]


def _choices(row: dict[str, Any]) -> list[Request]:
    """White space goes with the answer, so that all tools cut at the same place; where there is none, one space."""
    stem = row["query"].rstrip()
    spaces = row["query"][len(stem) :]
    return [(stem, spaces + one if spaces or one[0].isspace() else f" {one}") for one in row["choices"]]
