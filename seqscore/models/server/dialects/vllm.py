"""vLLM: ``prompt_logprobs`` of token ids; of texts what all servers with completions have.

``prompt_logprobs`` has for each token of the prompt null (the first) or a dictionary from ids, as text, to
``logprob`` (nats), ``rank`` and ``decoded_token``: of the token itself, and of the most probable one. The ids are sent
as they are (nothing is put in front of them) and come back, so that each value is known to be of its token. Its ranks
count equal ones, ours do not, so they are not taken. vLLM writes -9999 for a probability of 0. A prompt leaves
room for the one token that is written. (``vllm/entrypoints/openai/completion``, 2026.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from seqscore.models.server.dialects.base import About, Asks, Prompt, field_of, named, names_in, owners_in
from seqscore.models.server.dialects.completions import Completions, unclamped
from seqscore.models.server.reported import AnswerError, Likely, Reported, Top, in_order, listed, part, whole_of


class VLLM(Completions):
    """vLLM's server."""

    name: ClassVar[str] = "vllm"
    top_of_ids: ClassVar[bool] = True
    advice: ClassVar[str] = "start vLLM without --max-logprobs 0"

    async def recognise(self, asks: Asks) -> About | None:
        """``/v1/models`` names it as the owner, and says how long a prompt may be."""
        listing = await asks.get("/v1/models")
        if "vllm" not in owners_in(listing):
            return None
        lengths = [field_of(row, "max_model_len", int) for row in listing["data"]]
        known = [one for one in lengths if one is not None]
        version = field_of(await asks.get("/version"), "version", str)
        return About(models=names_in(listing), version=version, max_tokens=min(known) - 1 if known else None)

    def body(self, prompt: Prompt, model: str | None, *, top: int = 1) -> Mapping[str, Any]:
        """Of ids, ``prompt_logprobs``; of a text, ``echo``."""
        if isinstance(prompt, str):
            return super().body(prompt, model, top=top)
        return {**named(model), "prompt": list(prompt), "max_tokens": 1, "temperature": 1.0, "prompt_logprobs": top}

    def read(self, answer: Any, prompt: Prompt) -> Reported:
        """``choices[0].prompt_logprobs``."""
        if isinstance(prompt, str):
            return super().read(answer, prompt)
        told = part(answer, "choices", 0, "prompt_logprobs")
        places = listed(told, lambda one: one if one is None else dict(one), "prompt_logprobs")
        if len(places) != len(prompt):
            raise AnswerError(f"the server answers with {len(places)} tokens to a prompt of {len(prompt)}")
        return Reported(
            logprobs=[_own(place, token) for place, token in zip(places, prompt, strict=True)],
            tops=listed(places, _top, "prompt_logprobs"),
            model=answer.get("model") if isinstance(answer.get("model"), str) else None,
        )

    async def ids_of(self, asks: Asks, text: str, model: str | None) -> Sequence[int] | None:
        """By ``/tokenize``."""
        told = await asks.post("/tokenize", {**named(model), "prompt": text, "add_special_tokens": False})
        tokens = field_of(told, "tokens", list)
        return None if tokens is None else listed(tokens, whole_of, "tokens")


def _own(place: Mapping[str, Any] | None, token: int) -> float | None:
    """The log-probability of the token that was asked for."""
    if place is None:
        return None
    if str(token) not in place:
        raise AnswerError(f"the server answers without the token {token} where that stands in the prompt")
    (number,) = listed([place[str(token)]], lambda one: unclamped(one["logprob"]), "prompt_logprobs")
    return number


def _top(place: Mapping[str, Any] | None) -> Top:
    if not place:
        return None
    found = {int(token): unclamped(one["logprob"]) for token, one in place.items()}
    return in_order(Likely(number, token, None) for token, number in found.items() if number is not None) or None
