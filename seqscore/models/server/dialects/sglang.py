"""SGLang's own ``/generate``: ``return_logprob`` from ``logprob_start_len`` 0 on.

``meta_info.input_token_logprobs`` has [log-probability (nats; null at the first), id, text] for each token of the
prompt, ``input_top_logprobs`` likewise a list of the most probable ones (null at the first). Texts are there where
``return_text_in_logprobs`` asks for them; there are versions that then give all of them as one, which is told by
``prompt_tokens``. Ids are taken as they are. (docs.sglang.io, sampling parameters, 2026.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from seqscore.models.server.dialects.base import About, Asks, Dialect, Prompt, field_of, names_in, owners_in
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


class SGLang(Dialect):
    """SGLang's server."""

    name: ClassVar[str] = "sglang"
    path: ClassVar[str] = "/generate"
    takes_ids: ClassVar[bool] = True
    tells_ids: ClassVar[bool] = True
    top_of_texts: ClassVar[bool] = True
    top_of_ids: ClassVar[bool] = True
    advice: ClassVar[str] = "look at the server's log"

    async def recognise(self, asks: Asks) -> About | None:
        """``/v1/models`` names it as the owner, or ``/get_model_info`` says which model it generates with."""
        listing = await asks.get("/v1/models")
        info = await asks.get("/get_model_info")
        path = field_of(info, "model_path", str)
        if "sglang" not in owners_in(listing) and path is None:
            return None
        about = await asks.get("/get_server_info")
        return About(
            models=names_in(listing) or ((path,) if path else ()),
            version=field_of(about, "version", str),
            max_tokens=field_of(about, "max_req_input_len", int),
            dtype=field_of(about, "dtype", str),
        )

    def body(self, prompt: Prompt, model: str | None, *, top: int = 1) -> Mapping[str, Any]:
        """The name of the model is no part of it: a server has one."""
        given = {"text": prompt} if isinstance(prompt, str) else {"input_ids": list(prompt)}
        return {
            **given,
            "sampling_params": {"max_new_tokens": 1, "temperature": 1.0},
            "return_logprob": True,
            "logprob_start_len": 0,
            "top_logprobs_num": top,
            "return_text_in_logprobs": isinstance(prompt, str),
        }

    def read(self, answer: Any, prompt: Prompt) -> Reported:
        """``meta_info``."""
        about = part(answer, "meta_info")
        rows = listed(part(about, "input_token_logprobs"), _row, "input_token_logprobs")
        count = field_of(about, "prompt_tokens", int) if isinstance(prompt, str) else len(prompt)
        if count is not None and len(rows) != count:
            raise AnswerError(
                f"the server answers with {len(rows)} tokens to a prompt of {count}; name the model's tokenizer "
                f"(--tokenizer), so that ids are sent and texts need not come back"
            )
        ids = [token for _, token, _ in rows]
        if not isinstance(prompt, str) and ids != list(prompt):
            raise AnswerError("the server answers with the tokens of another prompt")
        texts = [text for _, _, text in rows if text is not None]
        tops = about.get("input_top_logprobs")
        return Reported(
            logprobs=[number for number, _, _ in rows],
            texts=texts if len(texts) == len(rows) else None,
            ids=ids,
            tops=None if tops is None else listed(tops, _top, "input_top_logprobs"),
        )

    async def ids_of(self, asks: Asks, text: str, model: str | None) -> Sequence[int] | None:
        """Those of its answer to the text, but for a start token in front of them (the first, which has no value)."""
        answer = await asks.post(self.path, {**self.body(text, model), "return_text_in_logprobs": False})
        return None if answer is None else self.read(answer, text).ids


def _row(value: Any) -> tuple[float | None, int, str | None]:
    number, token, *more = value
    text = more[0] if more else None
    return logprob_of(number), whole_of(token), None if text is None else text_of(text)


def _top(value: Any) -> Top:
    if not value:
        return None
    found = ((known_logprob(number), whole_of(token), more[0] if more else None) for number, token, *more in value)
    return in_order(Likely(number, token, None if text is None else text_of(text)) for number, token, text in found)
