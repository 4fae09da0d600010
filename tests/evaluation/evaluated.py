"""A tiny scorer, datasets on disk, and an independent way to score: transformers itself, one text at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from seqscore import Scorer
from seqscore.evaluation.data.dataset import DataOptions, Dataset, open_dataset
from seqscore.evaluation.run.manifest import read_sealed, sealed
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.run.run_task import evaluate
from seqscore.evaluation.run.stored_rows import stored_rows
from seqscore.evaluation.tasks.base import Task
from seqscore.evaluation.tasks.registry import make_task
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

__all__ = ["OPTIONS", "dataset", "edited", "files", "log_likelihood", "made", "rows_of", "run_task", "tiny_scorer"]

OPTIONS = RunOptions(policies={}, part_rows=3, resamples=100)


@cache
def tiny_scorer() -> Scorer:
    """One for the whole process: its fingerprint is taken once."""
    return Scorer(tiny_model("llama"), tiny_tokenizer())


@cache
def _float64() -> Any:
    return tiny_model("llama", dtype=torch.float64)


@torch.no_grad()
def log_likelihood(text: str, context: str = "") -> tuple[float, int]:
    """log p(text | context) behind the start token, and how many tokens that is: plain transformers in float64.

    Context and text are encoded together, for texts where a token ends where the context does.
    """
    tokenizer, model = tiny_tokenizer(), _float64()
    encoded = tokenizer(context + text, add_special_tokens=False, return_offsets_mapping=True)
    ids = [tokenizer.bos_token_id, *encoded["input_ids"]]
    first = next(place for place, (_, end) in enumerate(encoded["offset_mapping"]) if end > len(context))
    assert max((end for _, end in encoded["offset_mapping"][:first]), default=0) == len(context)
    table = torch.log_softmax(model(torch.tensor([ids])).logits[0], -1)
    values = [float(table[place, ids[place + 1]]) for place in range(first, len(ids) - 1)]
    return sum(values), len(values)


def dataset(path: Path, rows: Iterable[Any], **options: Any) -> Dataset:
    """Rows as a file of JSON Lines; a text stands for a line of its own."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return open_dataset([str(path)], options=DataOptions(**options))


def made(name: str, data: Dataset, **settings: Any) -> Task:
    """The task with guessed fields."""
    return make_task(name, data.columns, **settings)


def run_task(folder: Path, name: str, rows: Iterable[Any], options: RunOptions = OPTIONS, **settings: Any) -> Run:
    """A complete run over these rows."""
    folder.mkdir(exist_ok=True)
    data = dataset(folder / "data.jsonl", rows)
    return evaluate(tiny_scorer(), data, made(name, data, **settings), folder / "run", options=options)


def rows_of(run: Run) -> list[Any]:
    """The stored rows."""
    return list(stored_rows(run))


def figures(run: Run) -> dict[str, Any]:
    """Figure -> value, of all rows."""
    assert run.summary is not None
    return {one["name"]: one["value"] for one in run.summary["figures"] if one["group"] is None}


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """A JSON file of a run changed by hand, with the checksum of what it holds now."""
    content = read_sealed(path)
    change(content)
    path.write_bytes(sealed(content))


def files(folder: Path) -> dict[str, bytes]:
    """Every file below, by its name."""
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}
