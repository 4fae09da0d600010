"""A server that answers in each dialect from a tiny model, and fails in each way that it is told to."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch

from seqscore.text.codec.encoder import TextEncoder
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

BOS, EOS = 1, 2
"""Ids of ``<s>`` and ``</s>`` in the tiny tokenizer."""

NAME = "tiny"


class Model:
    """What stands behind the server: the tiny llama in float64, one prompt a forward."""

    def __init__(self) -> None:
        self._model = tiny_model("llama", dtype=torch.float64)
        self.tokenizer = tiny_tokenizer()
        self.encoder = TextEncoder(self.tokenizer)
        self.parser = TextEncoder(self.tokenizer, special_tokens="parse")
        self._lock = threading.Lock()

    def rows(self, ids: Sequence[int]) -> torch.Tensor:
        """log p(. | ids[: t + 1]) for each t, [n, V]."""
        with self._lock, torch.no_grad():
            return self._model(torch.tensor([list(ids)])).logits[0].log_softmax(-1)

    def placed(
        self, ids: Sequence[int], count: int = 1
    ) -> tuple[list[float | None], list[list[tuple[int, float]] | None]]:
        """The log-probability of each token, and the ``count`` most probable ones at its place; None at the first."""
        rows = self.rows(ids)
        own = [rows[place - 1, token].item() for place, token in enumerate(ids) if place]
        return [None, *own], [None, *(self.best(row, count) for row in rows[:-1])]

    def best(self, row: torch.Tensor, count: int) -> list[tuple[int, float]]:
        """The most probable tokens of a place."""
        found = row.topk(count)
        return list(zip(found.indices.tolist(), found.values.tolist(), strict=True))

    def text(self, token: int) -> str:
        """As a server names a token: a part of a character is not told."""
        return self.encoder.piece(token).decode("utf-8", "ignore")


class StandIn:
    """What a server is, and what it was asked.

    Attributes:
        dialect: ``completions``, ``llama-cpp-python``, ``vllm``, ``sglang``, ``tgi``, ``llama.cpp`` or ``chat``.
        puts_bos: whether it puts ``<s>`` in front of texts itself.
        faults: what befalls the next prompts, instead of an answer.
        change: what is done to each answer before it is sent.
        limit: tokens that a prompt may have.
        told: path, headers and body of each request.
        most: how many were under way at the same time.
        most_top: how many of the most probable tokens of a place it gives.
    """

    def __init__(self, dialect: str, *, puts_bos: bool = False, limit: int = 2048) -> None:
        self.dialect, self.puts_bos, self.limit = dialect, puts_bos, limit
        self.models = [NAME]
        self.faults: deque[Callable[[BaseHTTPRequestHandler], None]] = deque()
        self.change: Callable[[dict[str, Any]], Any] = lambda answer: answer
        self.told: list[tuple[str, dict[str, str], Any]] = []
        self.most = self.now = 0
        self.pause = 0.0
        self.most_top = 20
        self.closed, self.counting = threading.Event(), threading.Lock()
        self.model = Model()
        self.address = ""

    @property
    def prompts(self) -> list[Any]:
        """What was sent to be scored."""
        names = ("prompt", "text", "input_ids", "inputs")
        bodies = [body for path, _, body in self.told if isinstance(body, dict) and path != "/tokenize"]
        return [next(body[name] for name in names if name in body) for body in bodies]

    # ---- questions --------------------------------------------------------------------------------------------------

    def facts(self, path: str) -> Any:
        """The answer to a question without a body; None: 404."""
        owner = {"vllm": "vllm", "sglang": "sglang", "llama.cpp": "llamacpp"}.get(self.dialect, "me")
        rows: list[dict[str, Any]] = [{"id": name, "owned_by": owner} for name in self.models]
        if self.dialect == "vllm":
            rows = [{**row, "max_model_len": self.limit + 1} for row in rows]
        about = {
            "vllm": {"/version": {"version": "0.26.0"}},
            "sglang": {
                "/get_model_info": {"model_path": "org/tiny", "is_generation": True},
                "/get_server_info": {"version": "0.5", "max_req_input_len": self.limit, "dtype": "bfloat16"},
            },
            "tgi": {
                "/info": {
                    "model_id": NAME,
                    "model_sha": "abc123",
                    "model_dtype": "float16",
                    "max_input_tokens": self.limit,
                    "version": "3.3.4",
                }
            },
            "llama.cpp": {"/props": {"default_generation_settings": {}}},
        }
        return {"/v1/models": {"data": rows}, **about.get(self.dialect, {})}.get(path)

    # ---- prompts ----------------------------------------------------------------------------------------------------

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and body."""
        if path == "/tokenize" and self.dialect == "vllm":
            return 200, {"tokens": self.model.encoder.encode(body["prompt"]).ids.tolist()}
        ways = {"/v1/completions": self._completions, "/generate": self._generate}
        if path not in ways or self.dialect == "chat":
            return 404, {"detail": "Not Found"}
        return ways[path](body)

    def _ids(self, prompt: str | list[int], *, parse: bool) -> list[int]:
        if not isinstance(prompt, str):
            return prompt
        encoder = self.model.parser if parse else self.model.encoder
        return [BOS] * self.puts_bos + encoder.encode(prompt).ids.tolist()

    def _too_long(self, ids: list[int]) -> tuple[int, Any] | None:
        if len(ids) <= self.limit:
            return None
        return 400, {"error": {"message": f"This model's maximum context length is {self.limit} tokens"}}

    def _completions(self, body: dict[str, Any]) -> tuple[int, Any]:
        python = self.dialect == "llama-cpp-python"
        if python and not isinstance(body["prompt"], str):
            return 422, {"detail": [{"msg": "Input should be a valid string"}]}
        ids = self._ids(body["prompt"], parse=python)
        if failed := self._too_long(ids):
            return failed
        if self.dialect == "llama.cpp":
            return 200, {"choices": [{"text": "x", "logprobs": {"tokens": ["x"], "token_logprobs": [-1.0]}}]}
        count = body.get("prompt_logprobs", body.get("logprobs"))
        if self.dialect == "vllm" and count > self.most_top:
            said = f"Requested sample logprobs of {count}, which is greater than max allowed: {self.most_top}"
            return 400, {"error": {"message": said}}
        count = min(count, self.most_top)
        if self.dialect == "vllm" and "prompt_logprobs" in body:
            return 200, {"model": body.get("model"), "choices": [{"prompt_logprobs": self._by_id(ids, count)}]}
        told = self._as_llama_cpp(ids, count) if python else self._as_openai(ids, count)
        return 200, {"model": body.get("model"), "choices": [{"text": "", "logprobs": told}]}

    def _by_id(self, ids: list[int], count: int) -> list[Any]:
        own, best = self.model.placed(ids, count)
        rows: list[Any] = [None]
        for token, number, top in list(zip(ids, own, best, strict=True))[1:]:
            assert top is not None
            told = {str(token): number, **{str(one): value for one, value in top}}
            rows.append({key: {"logprob": value, "rank": 1, "decoded_token": "?"} for key, value in told.items()})
        return rows

    def _as_openai(self, ids: list[int], count: int) -> dict[str, Any]:
        own, best = self.model.placed([*ids, EOS], count)
        texts = [self.model.text(token) for token in [*ids, EOS]]
        tops = [None if top is None else self._by_text(top) for top in best]
        return {"tokens": texts, "token_logprobs": own, "top_logprobs": tops, "text_offset": _offsets(texts)}

    def _by_text(self, top: list[tuple[int, float]]) -> dict[str, float]:
        """Tokens of one text, as parts of characters are, become one: the last of them."""
        return {self.model.text(token): number for token, number in top}

    def _as_llama_cpp(self, ids: list[int], count: int) -> dict[str, Any]:
        """As Llama._create_completion: without the BOS, each token beside the row at its place in what is left."""
        rows = self.model.rows(ids)
        left = [*(ids[1:] if ids[0] == BOS else ids), EOS]
        pieces = [b"" if token in (BOS, EOS) else self.model.encoder.piece(token) for token in left]
        told: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for place, (token, row) in enumerate(zip(left, rows, strict=False)):
            if token == BOS:
                continue
            told["tokens"].append(pieces[place].decode("utf-8", "ignore"))
            told["text_offset"].append(len(b"".join(pieces[:place]).decode("utf-8", "ignore")))
            told["token_logprobs"].append(row[token].item())
            best = self._by_text(self.model.best(row, count))
            told["top_logprobs"].append({**best, told["tokens"][-1]: row[token].item()})
        told["token_logprobs"][0] = told["top_logprobs"][0] = None
        return told

    def _generate(self, body: dict[str, Any]) -> tuple[int, Any]:
        if self.dialect == "tgi":
            ids = self._ids(body["inputs"], parse=True)
            own, _ = self.model.placed(ids)
            rows = [
                {"id": token, "text": "<s>" if token == BOS else self.model.text(token), "logprob": number}
                for token, number in zip(ids, own, strict=True)
            ]
            return self._too_long(ids) or (200, {"generated_text": "x", "details": {"prefill": rows}})
        if self.dialect != "sglang":
            return 404, {}
        ids = body["input_ids"] if "input_ids" in body else self._ids(body["text"], parse=True)
        own, best = self.model.placed(ids, min(body["top_logprobs_num"], self.most_top))
        names = [self.model.text(token) if body["return_text_in_logprobs"] else None for token in ids]
        about = {
            "prompt_tokens": len(ids),
            "input_token_logprobs": [list(row) for row in zip(own, ids, names, strict=True)],
            "input_top_logprobs": [None if top is None else [self._row(*one, body) for one in top] for top in best],
        }
        return self._too_long(ids) or (200, {"text": "x", "meta_info": about})

    def _row(self, token: int, number: float, body: dict[str, Any]) -> list[Any]:
        return [number, token, self.model.text(token) if body["return_text_in_logprobs"] else None]


def _offsets(texts: Sequence[str]) -> list[int]:
    return [len("".join(texts[:place])) for place in range(len(texts))]


class _Quiet(ThreadingHTTPServer):
    """Says nothing of clients that left."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        kind = sys.exc_info()[0]
        if kind is None or not issubclass(kind, ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(stand_in: StandIn, port: int = 0) -> Iterator[StandIn]:
    """The server, for as long as the block runs; its address is ``stand_in.address``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            stand_in.told.append((self.path, dict(self.headers), None))
            found = stand_in.facts(self.path)
            reply(self, 200 if found is not None else 404, found)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            stand_in.told.append((self.path, dict(self.headers), body))
            with stand_in.counting:
                stand_in.now += 1
                stand_in.most = max(stand_in.most, stand_in.now)
            try:
                if stand_in.closed.wait(stand_in.pause):
                    self.close_connection = True  # else the client would wait for an answer on it
                    return
                if stand_in.faults:
                    stand_in.faults.popleft()(self)
                    return
                status, answer = stand_in.answer(self.path, body)
                reply(self, status, stand_in.change(answer) if status == 200 else answer)
            finally:
                with stand_in.counting:
                    stand_in.now -= 1

        def log_message(self, *_: Any) -> None:
            pass

    server = _Quiet(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    stand_in.address = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield stand_in
    finally:
        stand_in.closed.set()
        server.shutdown()
        server.server_close()
        while stand_in.now:  # torch in a daemon thread at the end of the process would abort that
            time.sleep(0.005)


def reply(handler: BaseHTTPRequestHandler, status: int, answer: Any, **headers: str) -> None:
    """Send a body, as JSON unless it is bytes."""
    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("content-length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def failing(status: int, message: str = "down", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """An error in the form that most servers have."""
    return lambda handler: reply(handler, status, {"error": {"message": message}}, **headers)


def half(handler: BaseHTTPRequestHandler) -> None:
    """An answer that breaks off."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


def hanging_up(handler: BaseHTTPRequestHandler) -> None:
    """No answer at all."""
    handler.close_connection = True
