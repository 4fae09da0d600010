"""Data of words, read as the command reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.dataset import Dataset, open_dataset
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.words.word_data import WordTextOptions, word_texts

_READING = ("limit", "id_column", "read_as", "empty_cells", "encoding")


def dataset_of(path: Path, data: str | bytes, said: list[str] | None = None, **reading: Any) -> Dataset:
    """A file with this content, opened."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    notify = [].append if said is None else said.append
    return open_dataset([str(path)], options=DataOptions(notify=notify, **reading))


def texts_of(path: Path, data: str | bytes, said: list[str] | None = None, **options: Any) -> list[Any]:
    """The texts of a file, a problem as its message."""
    reading = {name: options.pop(name) for name in _READING if name in options}
    dataset = dataset_of(path, data, said, **reading)
    found = word_texts(dataset, WordTextOptions(**options))
    return [one.error.message if isinstance(one, Problem) else one for one in found]
