"""Chat messages as the model's own template renders them, and where the assistant's turns stand in that text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from seqscore.errors import InputError
from seqscore.policies import SpecialTokensPolicy
from seqscore.text.items import CHAT_ENDS, CHAT_TURNS, Chat, Message
from seqscore.text.start import special_token_ids
from seqscore.text.template import render_template

Stretch: TypeAlias = tuple[int, int]
"""First character and the one after the last."""


@dataclass(frozen=True, slots=True)
class RenderedChat:
    """A conversation up to the end of its last scored turn.

    ``messages``: the index of the message of each scored turn. ``stretches``: the characters of ``text`` that are
    scored for it, its content as the template wrote it and, where asked for, the end of the turn.
    """

    text: str
    messages: tuple[int, ...]
    stretches: tuple[Stretch, ...]


def is_chat(context: object) -> bool:
    """Whether a context is a list of chat messages."""
    return isinstance(context, Sequence) and bool(context) and all(hasattr(message, "keys") for message in context)


def spelled_special_tokens(tokenizer: Any, text: str) -> list[str]:
    """The special tokens that ``text`` spells out."""
    return sorted(token for token in special_token_ids(tokenizer) if token in text)


def marks_every_message(tokenizer: Any, token: str) -> bool:
    """Whether the tokenizer's chat template writes a token at every message, as ``<|im_start|>``, not once a text."""
    if token not in str(getattr(tokenizer, "chat_template", None) or ""):
        return False
    messages = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]
    try:
        return render_template(tokenizer, messages, answer_follows=False).count(token) >= len(messages)
    except InputError:  # such messages are not for this template, so nothing is known
        return False


def render_chat(tokenizer: Any, messages: Sequence[Message], *, special_tokens: SpecialTokensPolicy) -> str:
    """The text of ``messages`` up to the point where an answer goes on: where the assistant's next turn begins, or,
    if the last message is the assistant's (an answer that is given in part), behind that message.

    Raises:
        InputError: the tokenizer has no chat template, the template refuses the messages or rewrites the begun answer,
            or (under ``literal``) a message spells a special token, which the template would turn into markup.
    """
    _check_messages(tokenizer, messages, special_tokens)
    if messages[-1]["role"] != "assistant":
        return render_template(tokenizer, messages, answer_follows=True)
    begun = messages[-1]["content"]
    text, ((_, end),), _ = _locate(tokenizer, messages, [len(messages) - 1])
    if not text.endswith(begun.lstrip(), 0, end):
        raise InputError(
            f"the chat template takes white space from the end of the begun answer {begun[-20:]!r}: put it at the "
            f"beginning of the continuation"
        )
    return text[:end]


def render_turns(tokenizer: Any, chat: Chat, *, special_tokens: SpecialTokensPolicy) -> RenderedChat:
    """A conversation as its template renders it, with the stretches of the assistant's turns.

    Raises:
        InputError: as ``render_chat``; or there is no answer to score, an answer is empty, the template rewrites one,
            or writes no special token behind it where the end of turns is to be scored.
    """
    for name, value, known in (("turns", chat.turns, CHAT_TURNS), ("end", chat.end, CHAT_ENDS)):
        if value not in known:
            raise InputError(f"a Chat has {name}={value!r}; expected one of {', '.join(known)}")
    if not is_chat(chat.messages):
        raise InputError(f"a Chat takes a list of messages with a role and a content, got {chat.messages!r:.60}")
    answers = [at for at, message in enumerate(chat.messages) if message.get("role") == "assistant"]
    if not answers:
        raise InputError("the conversation has no message of the assistant, so there is nothing to score")
    scored = answers if chat.turns == "all" else answers[-1:]
    messages = chat.messages[: answers[-1] + 1]  # what follows the last answer says nothing about it
    _check_messages(tokenizer, messages, special_tokens)
    text, found, between = _locate(tokenizer, messages, scored)
    if chat.end == "scored":
        ending = _ending(tokenizer, between[-1])
        for at, written in zip(scored, between[1:], strict=True):
            if not written.startswith(ending):
                raise InputError(
                    f"the chat template ends message {at} otherwise than the last one, with {written!r:.60}"
                )
        found = [(begin, end + len(ending)) for begin, end in found]
    return RenderedChat(text[: found[-1][1]], tuple(scored), tuple(found))


def _locate(tokenizer: Any, messages: Sequence[Message], turns: Sequence[int]) -> tuple[str, list[Stretch], list[str]]:
    """Where the contents of some messages stand in the rendered text, and what the template wrote around them.

    The same messages are rendered with other words in the place of these contents: what is the same in both is the
    template's, and what lies between must be the contents, up to white space at their ends.
    """
    text = render_template(tokenizer, messages, answer_follows=False)
    words = list(_unused_words(text, len(turns)))
    marked: list[Message] = list(messages)
    for at, word in zip(turns, words, strict=True):
        marked[at] = {**messages[at], "content": word}
    rest, between = render_template(tokenizer, marked, answer_follows=False), []
    for at, word in zip(turns, words, strict=True):
        before, found, rest = rest.partition(word)
        if not found or word in rest:
            raise InputError(
                f"the chat template does not write the content of message {at} once, so it cannot be found"
            )
        between.append(before)
    between.append(rest)
    position, stretches = len(between[0]), []
    same = text.startswith(between[0])
    for at, behind in zip(turns, between[1:], strict=True):
        content = messages[at]["content"]
        ends = (position + len(one) for one in (content, content.rstrip(), content.lstrip(), content.strip()) if one)
        fits = [end for end in ends if same and _stands(text, position, end, content, behind, at == turns[-1])]
        if not fits:
            raise InputError(
                f"the chat template rewrites the content of message {at} (or what stands around it, because of it), so "
                f"its tokens cannot be told apart: {content!r:.60}"
            )
        stretches.append((position, fits[0]))
        position = fits[0] + len(behind)
    return text, stretches, between


def _stands(text: str, begin: int, end: int, content: str, behind: str, last: bool) -> bool:
    """Whether ``text[begin:end]`` is the content, up to white space, with ``behind`` behind it."""
    written = text[begin:end]
    trimmed = written in (content, content.rstrip(), content.lstrip(), content.strip())
    return trimmed and text.startswith(behind, end) and (not last or end + len(behind) == len(text))


def _unused_words(text: str, count: int) -> Iterator[str]:
    """Plain words that stand nowhere in a text, none of them a part of another."""
    number = 0
    for _ in range(count):
        while f"Turn{number:06}x" in text:
            number += 1
        yield f"Turn{number:06}x"
        number += 1


def _ending(tokenizer: Any, written: str) -> str:
    """What a template writes behind an answer, up to and with its first special token."""
    places = [(written.find(token), -len(token)) for token in special_token_ids(tokenizer) if token in written]
    if not places:
        raise InputError(
            f"the chat template writes no special token behind an answer ({written!r:.40}), so where a turn ends is "
            f"not known; use end='unscored'"
        )
    place, length = min(places)
    return written[: place - length]


def _check_messages(tokenizer: Any, messages: Sequence[Message], special_tokens: SpecialTokensPolicy) -> None:
    if not getattr(tokenizer, "chat_template", None):
        raise InputError("these are chat messages and this model's tokenizer has no chat template")
    for position, message in enumerate(messages):
        if not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
            raise InputError(
                f"chat message {position} must have a text 'role' and a text 'content', got {message!r:.80}"
            )
        if message["role"] == "assistant" and not message["content"].strip():
            raise InputError(f"chat message {position}, of the assistant, has no text")
        for text in _texts(message) if special_tokens == "literal" else ():
            spelled = spelled_special_tokens(tokenizer, text)
            if spelled:
                raise InputError(
                    f"chat message {position} spells the special token {spelled[0]!r}, which the chat template would "
                    f"turn into markup; remove it, or allow it with special_tokens='parse'"
                )


def _texts(value: object) -> Iterator[str]:
    """Every text in a message: a role or a tool call can spell a special token too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
