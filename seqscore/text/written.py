"""Items as they are tokenised: the delimiter put in, the chat template rendered, what cannot be scored refused.

First step of the way of an item: written out, encoded (``text.encoding``), made a sequence (``text.sequences``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from seqscore.errors import InputError
from seqscore.policies import BoundaryPolicy, SpecialTokensPolicy
from seqscore.text.chat import RenderedChat, is_chat, render_chat, render_turns, spelled_special_tokens
from seqscore.text.given import require_ids
from seqscore.text.items import Chat, Context, Item, Pair, Prompt


@dataclass(frozen=True, slots=True)
class WrittenText:
    """A text on its own."""

    text: str


@dataclass(frozen=True, slots=True)
class WrittenPair:
    """Two texts, the second one not empty.

    ``delimiter``: what the continuation begins with because it was asked for. ``from_template``: a chat template wrote
    the context, so markup is parsed there. ``spells_markup``: the continuation spells a special token that is to be
    read as text, which it would not be if the two were encoded as one text.
    """

    context: str
    continuation: str
    delimiter: str = ""
    from_template: bool = False
    spells_markup: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class GivenIds:
    """Token ids on their own."""

    ids: Sequence[int]


@dataclass(frozen=True, slots=True, eq=False)
class GivenIdsPair:
    """Token ids of a context and of a continuation."""

    context: Sequence[int]
    continuation: Sequence[int]


@dataclass(frozen=True, slots=True, eq=False)
class WrittenPrompt:
    """A context alone: ``text``, or ``ids``. ``from_template``: a chat template wrote it, so markup is parsed.

    ``decoded``: of the same form, what stands behind it in another part of the model; None: nothing may.
    """

    text: str | None = None
    ids: Sequence[int] = ()
    from_template: bool = False
    decoded: str | Sequence[int] | None = None


Written: TypeAlias = WrittenText | WrittenPair | WrittenPrompt | RenderedChat | GivenIds | GivenIdsPair


def write_out(
    item: Item | Prompt, tokenizer: Any, *, special_tokens: SpecialTokensPolicy, boundary: BoundaryPolicy
) -> Written:
    """What of an item is tokenised.

    Args:
        item: a text, token ids, a Pair, a Chat or a Prompt.
        tokenizer: whose chat template renders messages.
        special_tokens: whether messages and continuations may spell special tokens.
        boundary: the policy of the call; not all of them are for a Chat.

    Raises:
        InputError: it is nothing of these, or nothing of it can be scored.
    """
    if isinstance(item, str):
        return WrittenText(str(item))
    if isinstance(item, Pair):
        return _pair(item, tokenizer, special_tokens)
    if isinstance(item, Chat):
        if boundary not in ("auto", "separate"):
            raise InputError(f"boundary={boundary!r} is for Pairs; a Chat takes 'auto' or 'separate'")
        return render_turns(tokenizer, item, special_tokens=special_tokens)
    if isinstance(item, Prompt):
        return _prompt(item.context, tokenizer, special_tokens)
    require_ids(item)
    return GivenIds(item)


def _prompt(context: Context | Pair, tokenizer: Any, special_tokens: SpecialTokensPolicy) -> WrittenPrompt:
    if isinstance(context, str):
        return WrittenPrompt(str(context))
    if isinstance(context, Pair):
        return _prompt_of_two(context)
    if isinstance(context, Chat | Prompt):
        raise InputError(
            f"a context is a text, token ids or a list of messages, got a {type(context).__name__}; of a Chat give its "
            f"messages"
        )
    if is_chat(context):
        rendered = render_chat(tokenizer, context, special_tokens=special_tokens)  # type: ignore[arg-type]
        return WrittenPrompt(rendered, from_template=True)
    require_ids(context)
    return WrittenPrompt(ids=context)  # type: ignore[arg-type]


def _prompt_of_two(pair: Pair) -> WrittenPrompt:
    source, decoded = pair.context, pair.continuation
    if isinstance(source, str) and isinstance(decoded, str):
        return WrittenPrompt(source, decoded=decoded)
    if isinstance(source, str) or isinstance(decoded, str) or is_chat(source):
        raise InputError(
            f"a source and the beginning of a target are two texts or two lists of token ids; got "
            f"{type(source).__name__} and {type(decoded).__name__}"
        )
    for part in (source, decoded):
        require_ids(part)
    return WrittenPrompt(ids=source, decoded=decoded)  # type: ignore[arg-type]


def _pair(pair: Pair, tokenizer: Any, special_tokens: SpecialTokensPolicy) -> WrittenPair | GivenIdsPair:
    resolved = pair.resolved()
    context, continuation = resolved.context, resolved.continuation
    if isinstance(continuation, str) and is_chat(context):
        rendered = render_chat(tokenizer, context, special_tokens=special_tokens)  # type: ignore[arg-type]
        if not rendered:
            raise InputError("the chat template writes nothing before the answer, so its first token has no context")
        spelled = special_tokens == "literal" and bool(spelled_special_tokens(tokenizer, continuation))
        return _text_pair(pair, rendered, continuation, from_template=True, spells_markup=spelled)
    if isinstance(continuation, str) and isinstance(context, str):
        return _text_pair(pair, context, continuation)
    if isinstance(continuation, str) or isinstance(context, str):
        raise InputError(
            f"a Pair is two texts, two lists of token ids, or chat messages and a text; got "
            f"{type(context).__name__} and {type(continuation).__name__}"
        )
    for part in (context, continuation):
        require_ids(part)
    return GivenIdsPair(context, continuation)  # type: ignore[arg-type]


def _text_pair(pair: Pair, context: str, continuation: str, **rendering: bool) -> WrittenPair:
    if not continuation:
        raise InputError("the continuation is empty; a Pair needs at least one token to score")
    return WrittenPair(context, continuation, pair.taken_delimiter(), **rendering)
