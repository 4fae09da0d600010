"""OpenAI's completions with ``echo`` and ``logprobs``, as llama-cpp-python and others have them.

The answer has, for each token of the prompt and one that was written behind it, ``tokens`` (text), ``token_logprobs``
(nats; null at the first), ``top_logprobs`` (a dictionary of the most probable ones, of the token too) and
``text_offset`` (the character at which it begins). It has no ids.

llama-cpp-python (0.3.36, ``Llama._create_completion``) takes texts, reads special tokens in them, leaves the BOS out of
what it reports, and pairs each token with the probabilities at its own place in what is left: right where the prompt
began with a BOS, one too late where not; see ``aligned.py``. ``max_tokens=0`` means as many as fit. A part of a
character is no text; ``text_offset`` counts whole characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from seqscore.errors import ServerError
from seqscore.models.server.dialects.base import About, Asks, Dialect, Prompt, named, names_in, owners_in
from seqscore.models.server.reported import (
    AnswerError,
    Likely,
    Reported,
    Top,
    in_order,
    known_logprob,
    listed,
    logprob_of,
    part,
    text_of,
    whole_of,
)


class Completions(Dialect):
    """Any server with OpenAI's completions."""

    name: ClassVar[str] = "completions"
    path: ClassVar[str] = "/v1/completions"
    takes_ids: ClassVar[bool] = True
    takes_start: ClassVar[bool] = True
    top_of_texts: ClassVar[bool] = True
    advice: ClassVar[str] = (
        "start llama-cpp-python with --logits_all true, or use vLLM, SGLang or text-generation-inference, or give the "
        "model itself (a folder, a .gguf file) as --model"
    )

    async def recognise(self, asks: Asks) -> About | None:
        """All that are not known as llama.cpp's own."""
        listing = await asks.get("/v1/models")
        props = await asks.get("/props")
        if "llamacpp" in owners_in(listing) or (isinstance(props, dict) and "default_generation_settings" in props):
            raise ServerError(
                "this is llama.cpp's own server, which gives the log-probabilities of what it writes and none of what "
                f"it reads: {self.advice}"
            )
        return About(models=names_in(listing))

    def body(self, prompt: Prompt, model: str | None, *, top: int = 1) -> Mapping[str, Any]:
        """One token is written, since there are servers for which 0 means as many as fit."""
        prompt = prompt if isinstance(prompt, str) else list(prompt)
        return {**named(model), "prompt": prompt, "max_tokens": 1, "temperature": 1.0, "echo": True, "logprobs": top}

    def read(self, answer: Any, prompt: Prompt) -> Reported:
        """``choices[0].logprobs``."""
        told = part(answer, "choices", 0, "logprobs")
        if told is None:
            raise AnswerError("the server answers without log-probabilities")
        reported = Reported(
            logprobs=listed(part(told, "token_logprobs"), unclamped, "token_logprobs"),
            texts=listed(part(told, "tokens"), text_of, "tokens"),
            offsets=None if told.get("text_offset") is None else listed(told["text_offset"], whole_of, "text_offset"),
            tops=None if told.get("top_logprobs") is None else listed(told["top_logprobs"], _top, "top_logprobs"),
            model=answer.get("model") if isinstance(answer.get("model"), str) else None,
        )
        if not isinstance(prompt, str) and not 0 <= len(reported.logprobs) - len(prompt) <= 1:
            raise AnswerError(f"the server answers with {len(reported.logprobs)} tokens to a prompt of {len(prompt)}")
        return reported


def unclamped(value: Any) -> float | None:
    """A log-probability; vLLM writes -9999 for a probability of 0, since JSON has no infinity."""
    number = logprob_of(value)
    return float("-inf") if number == -9999.0 else number


def _top(value: Any) -> Top:
    if not value:
        return None
    found = {text_of(token): unclamped(known_logprob(number)) or 0.0 for token, number in value.items()}
    return in_order(Likely(number, None, token) for token, number in found.items())
