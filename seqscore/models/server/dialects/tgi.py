"""text-generation-inference: ``decoder_input_details`` of ``/generate``.

``details.prefill`` has id, text and log-probability (nats; null at the first) of each token of the prompt, one in front
included that the server put there, and nothing of the most probable ones, so nothing is known to be greedy. It takes
texts alone. Since version 3 the launcher must have ``--enable-prefill-logprobs``, else the list is empty. The text of a
token of SentencePiece lacks the space in front of it, so such a model's tokens do not cover the text: an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from seqscore.models.server.dialects.base import About, Asks, Dialect, Prompt, field_of
from seqscore.models.server.reported import AnswerError, Reported, listed, logprob_of, part, text_of, whole_of


class TextGenerationInference(Dialect):
    """The server of text-generation-inference."""

    name: ClassVar[str] = "tgi"
    path: ClassVar[str] = "/generate"
    takes_ids: ClassVar[bool] = False
    tells_ids: ClassVar[bool] = True
    advice: ClassVar[str] = "start text-generation-inference with --enable-prefill-logprobs"

    async def recognise(self, asks: Asks) -> About | None:
        """``/info`` says which model it has and how long an input may be."""
        info = await asks.get("/info")
        name = field_of(info, "model_id", str)
        if name is None or field_of(info, "max_input_tokens", int) is None:
            return None
        return About(
            models=(name,),
            version=field_of(info, "version", str),
            max_tokens=field_of(info, "max_input_tokens", int),
            weights=field_of(info, "model_sha", str),
            dtype=field_of(info, "model_dtype", str),
        )

    def body(self, prompt: Prompt, model: str | None, *, top: int = 1) -> Mapping[str, Any]:
        """The name of the model is no part of it: a server has one."""
        wanted = {"max_new_tokens": 1, "do_sample": False, "details": True, "decoder_input_details": True}
        return {"inputs": prompt, "parameters": wanted}

    def read(self, answer: Any, prompt: Prompt) -> Reported:
        """``details.prefill``."""
        rows = listed(part(answer, "details", "prefill"), dict, "prefill")
        if not rows:
            raise AnswerError("the server answers without the tokens of the prompt")
        return Reported(
            logprobs=listed([row.get("logprob") for row in rows], logprob_of, "logprob"),
            texts=listed([row.get("text") for row in rows], text_of, "text"),
            ids=listed([row.get("id") for row in rows], whole_of, "id"),
        )
