"""What a model cannot be asked for: policies and items that have no meaning for its kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seqscore.errors import OptionError, SeqscoreError
from seqscore.models.base import LanguageModel, TokenModel
from seqscore.policies import Policies
from seqscore.text.chat import is_chat
from seqscore.text.items import Chat, Item, Pair, Prompt
from seqscore.text.joins import DELIMITER_AUTO
from seqscore.text.start import StartToken

_STANDS = {"both": "between its own start and end token", "source": "behind its own start token"}


def check_policies(model: TokenModel, policies: Policies, start: StartToken) -> None:
    """Refuse what has no meaning for what the model's targets see, and a boundary that it cannot heal.

    Raises:
        OptionError: it says why.
    """
    _check_conditioning(model, policies, start)
    _check_masking(model, policies)
    if policies.boundary == "healed" and not model.gives_masses:
        raise OptionError(
            f"boundary='healed' needs the probability of all tokens that begin alike, and {named(model)} model does "
            f"not give it; use 'auto' or 'separate'"
        )


def check_extras(model: LanguageModel[Any, Any], policies: Policies) -> None:
    """Refuse what the model cannot give.

    Raises:
        OptionError: it says what it gives.
    """
    missing = sorted(one for one in policies.extras if one not in model.offers)
    if missing:
        offered = ", ".join(sorted(map(str, model.offers))) or "none"
        raise OptionError(f"extras={missing[0]!r}: {named(model)} model does not give it; it offers {offered}")
    asked, most = policies.top_k or 0, model.largest_top_k
    if asked > most:
        given = f"at most {most:,} tokens of a place" if most else "the text's own tokens alone"
        raise OptionError(f"top_k={asked}: {named(model)} model gives the log-probabilities of {given}")


def _check_conditioning(model: TokenModel, policies: Policies, start: StartToken) -> None:
    """Refuse what has a meaning only where a token is predicted from those before it alone."""
    if model.conditioning == "left":
        return
    if model.conditioning == "both" and policies.eos != "none":
        raise OptionError(
            f"eos={policies.eos!r} is for models that read from left to right; {named(model)} model reads every text "
            f"{_STANDS['both']}, given which all of it is scored"
        )
    if start.kind != "auto":
        raise OptionError(
            f"bos={policies.bos!r} is for models that read from left to right; {named(model)} model reads every text "
            f"{_STANDS[model.conditioning]}: use bos='auto'"
        )
    if model.conditioning == "source" and start.token_id is None:
        raise OptionError(
            f"{named(model)} model needs a start token in front of what it scores, and its codec has none"
        )
    if policies.boundary in ("healed", "lm-eval"):
        raise OptionError(
            f"boundary={policies.boundary!r} is for models that read from left to right; {named(model)} model takes "
            f"'auto' or 'separate'"
        )


def _check_masking(model: TokenModel, policies: Policies) -> None:
    """Refuse words to be masked where nothing is, or where tokens do not tell words."""
    masking = policies.masking
    if masking == "original":
        return
    if model.conditioning != "both":
        raise OptionError(f"masking={masking!r} is for masked models, and this is {named(model)} one")
    if not model.codec.encoder(policies.special_tokens).tells_words:
        raise OptionError(
            f"masking={masking!r}: no token of this tokenizer tells where a word begins; use masking='original'"
        )


def named(model: LanguageModel[Any, Any]) -> str:
    """The kind with its article."""
    return f"{'an' if model.kind[0] in 'aeiou' else 'a'} {model.kind}"


def fit_item(model: TokenModel, item: Item | Prompt | SeqscoreError) -> Item | Prompt | SeqscoreError:
    """The item, or why such a model cannot score it."""
    if model.conditioning == "left":
        return item
    if model.conditioning == "source" and isinstance(item, Pair) and item.delimiter == DELIMITER_AUTO:
        item = replace(item, delimiter="")  # a source and what is decoded touch nowhere
    if has_chat(item):
        return OptionError(f"chat messages are for models that read from left to right, and this is {named(model)} one")
    return item


def has_chat(item: Item | Prompt | SeqscoreError) -> bool:
    """Whether an item is a conversation, or its context is one."""
    return isinstance(item, Chat) or (isinstance(item, Pair | Prompt) and is_chat(item.context))
