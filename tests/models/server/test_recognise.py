"""Which servers are taken, and what those are told that give no log-probabilities of a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqscore import LoadOptions, Scorer
from seqscore.errors import OptionError, ServerError
from tests.models.server.conftest import Serve, opened
from tests.models.server.stand_in import failing
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer


@pytest.mark.parametrize(
    ("dialect", "server", "weights", "dtype"),
    [
        ("llama-cpp-python", "completions", "unknown", "unknown"),
        ("completions", "completions", "unknown", "unknown"),
        ("vllm", "vllm/0.26.0", "unknown", "unknown"),
        ("sglang", "sglang/0.5", "unknown", "bfloat16"),
        ("tgi", "tgi/3.3.4", "abc123", "float16"),
    ],
)
def test_a_server_is_known_by_what_it_says(dialect: str, server: str, weights: str, dtype: str, serve: Serve) -> None:
    stand_in = serve(dialect, puts_bos=True)
    signature = opened(stand_in).signature()
    assert (signature["server"], signature["weights"], signature["dtype"]) == (server, weights, dtype)
    assert signature["model"] == "tiny" and signature["address"] == stand_in.address.removesuffix("/v1")
    paths = [path for path, _, body in stand_in.told if body is None]
    assert len(paths) == len(set(paths)), "each question is asked once"


def test_llama_cpps_own_server_is_refused(serve: Serve) -> None:
    with pytest.raises(
        ServerError, match=r"this is llama.cpp's own server, .*none of what it reads: start llama-cpp-py"
    ):
        opened(serve("llama.cpp"))


def test_an_api_for_chats_alone_is_refused(serve: Serve) -> None:
    with pytest.raises(
        ServerError, match=r"has no /v1/completions, so it gives no log-probabilities of a text that it r"
    ):
        opened(serve("chat"))


@pytest.mark.parametrize(
    ("logprobs", "message"),
    [
        (None, "answers without log-probabilities"),
        ({"tokens": ["x"], "token_logprobs": [-1.0]}, "of 1 tokens for a text of more: of what it writes"),
        ({"tokens": ["x"], "token_logprobs": []}, "with 1 texts of 0 log-probabilities"),
        ({"tokens": "x", "token_logprobs": []}, "has str for tokens, expected a list"),
        ({"tokens": ["x"], "token_logprobs": [True]}, "has token_logprobs that cannot be read"),
        ({"tokens": ["x"], "token_logprobs": [None], "text_offset": [-1]}, "has text_offset that cannot be read"),
    ],
)
def test_a_server_without_values_of_a_prompt_is_refused(logprobs: Any, message: str, serve: Serve) -> None:
    server = serve("completions")
    server.change = lambda answer: {"choices": [{"text": "x", "logprobs": logprobs}]}
    with pytest.raises(ServerError, match=message) as caught:
        opened(server)
    assert "start llama-cpp-python with --logits_all true" in str(caught.value)


def test_a_server_that_fails_at_the_request_is_refused(serve: Serve, waits: list[float]) -> None:
    server = serve("llama-cpp-python")
    server.faults.append(failing(500, "logprobs is not supported for models created with logits_all=False"))
    with pytest.raises(ServerError, match=r"gives no log-probabilities: .*logits_all=False\); start llama-cpp-python"):
        opened(server)
    assert not waits


def test_text_generation_inference_needs_its_flag(serve: Serve) -> None:
    server = serve("tgi")
    server.change = lambda answer: {"generated_text": "x", "details": {"prefill": []}}
    with pytest.raises(ServerError, match="start text-generation-inference with --enable-prefill-logprobs"):
        opened(server)


def test_texts_that_come_back_as_one_are_told(serve: Serve) -> None:
    """As SGLang does with some versions of transformers."""
    server = serve("sglang")

    def change(answer: dict[str, Any]) -> dict[str, Any]:
        answer["meta_info"]["input_token_logprobs"] = answer["meta_info"]["input_token_logprobs"][:1]
        answer["meta_info"]["input_top_logprobs"] = answer["meta_info"]["input_top_logprobs"][:1]
        return answer

    server.change = change
    with pytest.raises(ServerError, match=r"answers with 1 tokens to a prompt of \d+; name the model's tokenizer"):
        opened(server)


def test_a_model_is_chosen_by_name(serve: Serve) -> None:
    server = serve("vllm", puts_bos=True)
    server.models = ["one", "two"]
    with pytest.raises(OptionError, match=r"serves one, two: name one \(--served-model\)"):
        opened(server)
    with pytest.raises(OptionError, match=r"served_model='three': http://127.0.0.1:[0-9]+ serves one, two"):
        opened(server, served_model="three")
    assert opened(server, served_model="two").signature()["model"] == "two"
    assert server.told[-1][2]["model"] == "two"


def test_texts_that_give_the_same_tokens_are_no_proof(serve: Serve) -> None:
    server = serve("completions", puts_bos=True)
    scorer = opened(server)
    first: list[Any] = []
    server.change = lambda answer: (first.append(answer), first[0])[1]
    with pytest.raises(ServerError, match="gives two texts that differ the same tokens"):
        scorer.score("one")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"concurrency": 0}, "concurrency=0 must be a whole number of at least 1"),
        ({"timeout": 0}, "timeout=0 must be a number of seconds above 0"),
        ({"timeout": float("nan")}, "timeout=nan must be"),
        ({"trust_remote_code": True}, "trust_remote_code=True: a server model does not heed it"),
    ],
)
def test_an_option_has_a_value_that_means_something(option: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Scorer.from_pretrained("http://127.0.0.1:9/v1", options=LoadOptions(**option))


def test_options_of_servers_are_refused_elsewhere(tmp_path: Path) -> None:
    tiny_model("llama").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    for option in ({"served_model": "a"}, {"tokenizer": "default"}, {"concurrency": 3}, {"timeout": 3.0}):
        ((name, _),) = option.items()
        with pytest.raises(OptionError, match=f"{name}=.* is for a server model, and this is a checkpoint"):
            Scorer.from_pretrained(tmp_path, options=LoadOptions(**option))  # type: ignore[arg-type]
