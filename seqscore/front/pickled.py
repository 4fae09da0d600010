"""A scorer that was pickled: by the name of its model, which is loaded again and must be the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqscore.errors import ModelError, without_login
from seqscore.models.base import LanguageModel
from seqscore.models.load.adapter_folder import is_adapter
from seqscore.models.load.default import DEFAULT_MODEL
from seqscore.models.load.options import LoadOptions, tell_standard_error


def lasting_name(model: str | Path) -> str | Path:
    """A model's name that means the same from any folder."""
    return str(Path(model).absolute()) if model != DEFAULT_MODEL and Path(model).exists() else model


def pickled(
    kind: type, settings: Mapping[str, Any] | None, model: LanguageModel[Any, Any]
) -> tuple[Any, tuple[Any, ...]]:
    """What ``__reduce__`` of a scorer gives. ``settings``: the keywords that it was loaded with.

    Raises:
        ModelError: it was made from objects, which have no name to be loaded by.
    """
    if settings is None:
        raise ModelError(
            "a Scorer that was made from a model and a tokenizer cannot be pickled or sent to another process: use "
            "Scorer.from_pretrained(a name or folder), which is loaded again there, or make the Scorer there"
        )
    return load_again, (kind, found_again(settings), *fingerprints(model))


def found_again(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of ``from_pretrained`` for another process, without a listener of this one."""
    options = settings["options"]
    if options is not None and options.notify is not tell_standard_error:
        options = replace(options, notify=None)
    return {**settings, "options": options}


def with_other_adapter(
    settings: Mapping[str, Any] | None, adapter: str | Path | None, may: LoadOptions
) -> dict[str, Any] | None:
    """``settings`` of a scorer whose model has another adapter now; None where they name no model but an adapter."""
    if settings is None or _is_adapter(settings["model"]):
        return None
    name = None if adapter is None else lasting_name(adapter)
    options = settings["options"] or LoadOptions()
    allowed = options.allow_pickle or may.allow_pickle
    return {**settings, "options": replace(options, adapter=name, allow_pickle=allowed)}


def _is_adapter(model: str | Path) -> bool:
    return model != DEFAULT_MODEL and Path(model).is_dir() and is_adapter(Path(model))


def load_again(kind: Any, settings: Mapping[str, Any], weights: str, tokenizer: str) -> Any:
    """The scorer of class ``kind`` that was pickled, its model loaded in this process.

    Raises:
        ModelError: what is found under its name now is another model.
    """
    scorer = kind.from_pretrained(**settings)
    found = fingerprints(scorer._model)
    if found != (weights, tokenizer):
        raise ModelError(
            f"{without_login(str(settings['model']))} is not what it was when the Scorer was pickled: weights and "
            f"tokenizer are {found[0]} and {found[1]}, expected {weights} and {tokenizer}"
        )
    return scorer


def fingerprints(model: LanguageModel[Any, Any]) -> tuple[str, str]:
    """Those of weights and tokenizer, as the signature has them; empty where it has none."""
    fields = model.identity().fields
    weights = [fields[name] for name in ("weights", "adapter_weights") if name in fields]
    return "+".join(weights), fields.get("tokenizer", "")
