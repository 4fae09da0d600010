"""A scorer that was pickled: by the name of its model, which is loaded again and must be the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seqscore.errors import ModelError
from seqscore.models.base import LanguageModel
from seqscore.models.load.find import tell_standard_error


def found_again(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of ``from_pretrained`` for another process, without a listener of this one."""
    options = settings["options"]
    if options is not None and options.notify is not tell_standard_error:
        options = replace(options, notify=None)
    return {**settings, "options": options}


def load_again(kind: Any, settings: Mapping[str, Any], weights: str, tokenizer: str) -> Any:
    """The scorer of class ``kind`` that was pickled, its model loaded in this process.

    Raises:
        ModelError: what is found under its name now is another model.
    """
    scorer = kind.from_pretrained(**settings)
    found = fingerprints(scorer._model)
    if found != (weights, tokenizer):
        raise ModelError(
            f"{settings['model']} is not what it was when the Scorer was pickled: weights and tokenizer are {found[0]} "
            f"and {found[1]}, expected {weights} and {tokenizer}"
        )
    return scorer


def fingerprints(model: LanguageModel[Any, Any]) -> tuple[str, str]:
    """Those of weights and tokenizer, as the signature has them; empty where it has none."""
    fields = model.identity().fields
    return fields.get("weights", ""), fields.get("tokenizer", "")
