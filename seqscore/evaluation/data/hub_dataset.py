"""Datasets that the datasets library knows: on the hub, streamed, or saved by it in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqscore.errors import InputError, OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Rows that can be read more than once; ``description`` identifies the content."""

    name: str
    rows: Iterable[Mapping[str, Any]]
    columns: tuple[str, ...]
    description: Mapping[str, str]
    num_rows: int | None


def saved_by_datasets(folder: Path) -> bool:
    """Whether ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote this folder."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def open_saved(folder: Path, *, split: str | None) -> Found:
    """A folder that ``save_to_disk`` wrote, mapped into memory and not read.

    Raises:
        OptionError: there are several splits and none is named, or there is none of this name.
        InputError: the folder cannot be read.
    """
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot read the dataset in {str(folder)!r}: {error}") from error
    if isinstance(loaded, datasets.DatasetDict):
        chosen = _chosen(split, list(loaded), str(folder))
        loaded = loaded[chosen]
    elif split is not None:
        raise OptionError(f"{str(folder)!r} holds one dataset without splits; leave out --split (split=)")
    description = {"dataset": folder.resolve().name, "fingerprint": str(loaded._fingerprint), "rows": str(len(loaded))}
    if split is not None:
        description["split"] = split
    return Found(
        name=repr(str(folder)),
        rows=loaded,
        columns=tuple(loaded.column_names),
        description=description,
        num_rows=len(loaded),
    )


def open_hub(name: str, *, config: str | None, split: str | None, revision: str | None) -> Found:
    """A dataset on the hub, streamed; the commit is looked up, so that the same rows can be named again.

    Raises:
        OptionError: there are several splits or configurations and none is named.
        InputError: there is no such dataset, or the hub cannot be reached.
    """
    import datasets
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        commit = HfApi().dataset_info(name, revision=revision, timeout=20.0).sha
        splits = datasets.get_dataset_split_names(name, config, revision=commit)
        chosen = _chosen(split, splits, name)
        rows = datasets.load_dataset(name, config, split=chosen, streaming=True, revision=commit)
        columns = rows.column_names or list(next(iter(rows), {}))
    except OptionError:
        raise
    except HFValidationError as error:
        raise InputError(f"{name!r} is neither a file nor a folder, and no name of a dataset") from error
    except Exception as error:  # of several libraries and of the network
        raise InputError(_why(name, error)) from error
    return Found(
        name=repr(name),
        rows=rows,
        columns=tuple(columns),
        description={"dataset": name, "config": config or "default", "split": chosen, "commit": str(commit)},
        num_rows=_declared_rows(rows),
    )


def _declared_rows(rows: Any) -> int | None:
    splits = getattr(rows.info, "splits", None) or {}
    found = splits.get(str(rows.split)) if rows.split is not None else None
    return None if found is None else found.num_examples


def _chosen(split: str | None, splits: list[str], name: str) -> str:
    if split is None and len(splits) == 1:
        return splits[0]
    if split is None or (split not in splits and "[" not in split):
        asked = "has several splits" if split is None else f"has no split {split!r}"
        raise OptionError(f"{name!r} {asked}; name one with --split (split=): {', '.join(splits)}")
    return split


def _why(name: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return f"{name!r} is neither a file nor a folder here, and as a dataset on the hub it cannot be had: {reason}"
