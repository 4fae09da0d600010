"""Chat messages as a context, rendered by the model's own template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqscore.errors import InputError
from seqscore.text.items import Message, SpecialTokensPolicy
from seqscore.text.start import special_token_ids

__all__ = ["is_chat", "render_chat", "spelled_special_tokens"]


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
        return render_chat(tokenizer, messages, special_tokens="literal").count(token) >= len(messages)
    except InputError:  # such messages are not for this template, so nothing is known
        return False


def render_chat(tokenizer: Any, messages: Sequence[Message], *, special_tokens: SpecialTokensPolicy) -> str:
    """The text of ``messages`` up to the point where the assistant's next answer starts.

    Raises:
        InputError: the tokenizer has no chat template, the template refuses the messages, or (under ``literal``) a
            message spells a special token, which the template would turn into markup.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise InputError("the context is a list of chat messages and this model's tokenizer has no chat template")
    for position, message in enumerate(messages):
        if not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
            raise InputError(f"chat message {position} must have a text 'role' and a text 'content', got {message!r}")
        spelled = spelled_special_tokens(tokenizer, message["content"]) if special_tokens == "literal" else []
        if spelled:
            raise InputError(
                f"chat message {position} spells the special token {spelled[0]!r}, which the chat template would turn "
                f"into markup; remove it, or allow it with special_tokens='parse'"
            )
    try:
        rendered = tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
    except Exception as error:  # a template is the model's own program: it may raise anything
        raise InputError(f"the model's chat template refuses these messages: {error}") from error
    return str(rendered)
