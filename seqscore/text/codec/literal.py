"""A tokenizer in which text that spells a special token stays text.

Switching off the search for special tokens is not enough where a model's own vocabulary holds their spelling and can
match it whole: a Unigram or word-level model then still turns ``</s>`` into the special token. SentencePiece itself
never matches its control symbols, so these entries are renamed here to what no text holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seqscore.errors import TokenizerError


@dataclass(frozen=True, slots=True)
class LiteralBackend:
    """A ``tokenizers.Tokenizer`` that cannot match the spelling of ``hidden`` special tokens, by id."""

    backend: Any
    hidden: Mapping[int, str]


def literal_backend(backend: Any, contents: Iterable[str]) -> LiteralBackend:
    """A copy of ``backend`` whose model cannot match the special tokens ``contents``; ids stay as they are.

    Tokens of one character and tokens that merges build from text are ordinary parts of the vocabulary that have a
    second task (``"!"`` as padding, ``"\\n\\n"`` as end of text): they stay.
    """
    settings = json.loads(backend.to_str())
    model = settings["model"]
    built = {_merged(merge) for merge in model.get("merges") or ()}
    vocabulary = {entry[0] for entry in model["vocab"]} if isinstance(model["vocab"], list) else set(model["vocab"])
    hide = [content for content in contents if len(content) > 1 and content in vocabulary and content not in built]
    # Noncharacters are never assigned; a text that holds this very sequence would be caught afterwards, by the id.
    renamed = {content: f"\ufdd0{number}\ufdd1" for number, content in enumerate(hide)}
    _rename(model, renamed)
    settings["added_tokens"] = [token for token in settings["added_tokens"] if token["content"] not in renamed]
    settings["post_processor"] = None
    hidden = {backend.token_to_id(content): content for content in hide}
    literal = type(backend).from_str(json.dumps(settings))
    literal.encode_special_tokens = True
    return LiteralBackend(literal, hidden)


def _merged(merge: str | list[str]) -> str:
    return merge.replace(" ", "", 1) if isinstance(merge, str) else "".join(merge)


def _rename(model: dict[str, Any], renamed: Mapping[str, str]) -> None:
    if isinstance(model["vocab"], list):
        model["vocab"] = [[renamed.get(piece, piece), score] for piece, score in model["vocab"]]
    else:
        model["vocab"] = {renamed.get(piece, piece): number for piece, number in model["vocab"].items()}
    if model.get("unk_token") in renamed:
        model["unk_token"] = renamed[model["unk_token"]]


def silent_parse(content: str, number: int) -> TokenizerError:
    """The error for a tokenizer that still reads a text as a special token."""
    return TokenizerError(
        f"the tokenizer reads the text {content!r} as its special token {number} even when told not to; pass "
        f"special_tokens='parse' if that is what the text means, or remove {content!r} from it"
    )
