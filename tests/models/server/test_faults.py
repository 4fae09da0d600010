"""What befalls a server, and what becomes of the work."""

from __future__ import annotations

import json
import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import seqscore
from seqscore import LoadOptions, Scorer
from seqscore.errors import InputError, ModelError, SeqscoreError, ServerError
from seqscore.models.server import tries
from seqscore.models.server.client import Client
from tests.models.server.conftest import Serve, opened
from tests.models.server.stand_in import StandIn, failing, half, hanging_up, reply, serving

TEXTS = [f"The answer number {number} is the same" for number in range(20)]


@pytest.fixture
def server(serve: Serve) -> StandIn:
    return serve("vllm", puts_bos=True)


@pytest.fixture
def scorer(server: StandIn, tokenizer: Path, waits: list[float]) -> Scorer:
    scorer = opened(server, tokenizer=tokenizer)
    server.told.clear()
    waits.clear()
    return scorer


FAULTS = {"500": failing(500), "503": failing(503), "429": failing(429), "half": half, "none": hanging_up}


@pytest.mark.parametrize("fault", list(FAULTS.values()), ids=list(FAULTS))
def test_a_failure_that_passes_is_tried_again(
    fault: Callable[[BaseHTTPRequestHandler], None], server: StandIn, scorer: Scorer, waits: list[float], own: Scorer
) -> None:
    server.faults.extend([fault, fault])
    scores = scorer.score(TEXTS[:3])
    assert len(waits) == 2 and all(0 <= one <= 1.0 for one in waits) and len(server.told) == 5
    for score, expected in zip(scores, own.score(TEXTS[:3]), strict=True):
        assert score.log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-9)


def test_garbage_is_tried_again_and_then_an_error_of_that_text(server: StandIn, scorer: Scorer) -> None:
    garbage: list[bytes] = [b"<html>busy</html>", b'{"choices": [{"prompt', b"[" * 100_000, b"\xff\xfe"]
    for data in garbage:
        server.faults.extend([lambda handler, data=data: reply(handler, 200, data)] * 3)  # type: ignore[misc]
        found = list(scorer.stream([TEXTS[0]], errors="record"))
        assert isinstance(found[0], InputError) and "(3 tries); other texts it answers" in str(found[0])


def test_a_wait_that_a_server_asks_for_is_kept(server: StandIn, scorer: Scorer, waits: list[float]) -> None:
    server.faults.extend([failing(429, Retry_After="17"), failing(503, Retry_After="soon")])
    scorer.score(TEXTS[0])
    assert waits[0] == 17.0 and waits[1] <= 2.0
    server.faults.append(failing(429, Retry_After="7200"))
    with pytest.raises(ServerError, match=r"answers 429 \(down\), and asks to come back in 7,200 seconds$"):
        scorer.score(TEXTS[0])


def test_a_date_to_come_back_at_is_understood() -> None:
    assert tries.seconds_asked("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert 8e8 < (tries.seconds_asked("Fri, 31 Dec 2060 23:59:59 GMT") or 0.0) < 2e9
    assert tries.seconds_asked("0") == 0.0 and tries.seconds_asked(None) is None and tries.seconds_asked("x") is None


@pytest.mark.parametrize(("status", "message"), [(401, "SEQSCORE_API_KEY"), (403, "SEQSCORE_API_KEY"), (404, "name")])
def test_a_refusal_of_all_is_not_tried_again(status: int, message: str, server: StandIn, scorer: Scorer) -> None:
    server.faults.append(failing(status))
    with pytest.raises(ServerError, match=message):
        scorer.score([TEXTS[0]])
    assert len(server.told) == 1


def test_a_redirect_is_not_followed(server: StandIn, scorer: Scorer) -> None:
    server.faults.append(lambda handler: reply(handler, 307, {}, Location="http://elsewhere.example/"))
    with pytest.raises(ServerError, match="answers 307 and sends us elsewhere, which is not followed"):
        scorer.score(TEXTS[0])


def test_a_text_that_a_server_fails_at_is_an_error_in_its_place(server: StandIn, scorer: Scorer) -> None:
    whole = server.answer
    bad = server.model.encoder.encode(TEXTS[1]).ids.tolist()

    def answer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return (500, {"error": "out of luck"}) if body["prompt"][1:] == bad else whole(path, body)

    server.answer = answer  # type: ignore[method-assign]
    found = list(scorer.stream(TEXTS[:3], errors="record"))
    assert [isinstance(one, SeqscoreError) for one in found] == [False, True, False]
    assert "item 1: the server at " in str(found[1]) and "answers 500 (out of luck) (3 tries)" in str(found[1])
    server.answer = lambda path, body: (500, {})  # type: ignore[method-assign]
    with pytest.raises(ServerError, match="answers 500"):
        list(scorer.stream(TEXTS[:3], errors="record"))


def test_a_server_that_is_gone_is_an_error_of_all(serve: Serve, tokenizer: Path, waits: list[float]) -> None:
    with serving(StandIn("vllm")) as server:
        scorer = opened(server, tokenizer=tokenizer)
    with pytest.raises(ServerError, match=r"cannot be reached, or left off in the middle .*\(10 tries\)"):
        list(scorer.stream(TEXTS[:3], errors="record"))
    with pytest.raises(ServerError, match="cannot be reached"):
        Scorer.from_pretrained(server.address)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "log-probability of token 2, expected a number of at most 0": lambda rows: rows[2].update(
        {key: {"logprob": 0.5} for key in rows[2]}
    ),
    "gives nan for the log-probability of token 3": lambda rows: rows[3].update(
        {key: {"logprob": float("nan")} for key in rows[3]}
    ),
    "no log-probability for token 4": lambda rows: rows.__setitem__(4, None),
    "without the token": lambda rows: rows[1].clear(),
    "cannot be read": lambda rows: rows[1].update({key: {"logprob": "high"} for key in rows[1]}),
    "answers with 6 tokens to a prompt of": lambda rows: rows.__delitem__(slice(6, None)),
}


@pytest.mark.parametrize("message", list(CHANGES))
def test_an_answer_that_cannot_be_believed_is_an_error_in_its_place(
    message: str, server: StandIn, scorer: Scorer
) -> None:
    def change(answer: dict[str, Any]) -> dict[str, Any]:
        if "prompt_logprobs" in answer["choices"][0]:
            CHANGES[message](answer["choices"][0]["prompt_logprobs"])
        return answer

    server.change = change
    (found,) = scorer.stream([TEXTS[0]], errors="record")
    assert isinstance(found, ServerError) and message in str(found) and found.item == 0


def test_what_is_missing_in_an_answer_is_named(server: StandIn, scorer: Scorer) -> None:
    for answer, message in (({}, "has no choices.0.prompt_logprobs"), ([], "has no"), (7, "has no")):
        server.change = lambda _, answer=answer: answer  # type: ignore[misc]
        (found,) = scorer.stream([TEXTS[0]], errors="record")
        assert isinstance(found, ServerError) and message in str(found)


def test_an_answer_of_another_model_ends_the_work(server: StandIn, scorer: Scorer) -> None:
    server.change = lambda answer: {**answer, "model": "another"}
    with pytest.raises(ServerError, match="answers as 'another', and as 'tiny' before: another model took its place"):
        list(scorer.stream(TEXTS, errors="record"))


def test_an_answer_without_end_is_not_read(server: StandIn, scorer: Scorer) -> None:
    server.change = lambda answer: {**answer, "more": "x" * 3_000_000}
    with pytest.raises(ServerError, match=r"answers with more than 1,0[0-9,]+ bytes, which no answer to this needs"):
        scorer.score(TEXTS[0])


def test_a_slow_answer_has_a_limit(server: StandIn, tokenizer: Path, waits: list[float]) -> None:
    scorer = opened(server, tokenizer=tokenizer, timeout=0.3)
    server.pause = 30.0
    with pytest.raises(ServerError, match=r"gave no whole answer within 0\.3 seconds \(--timeout\) \(2 tries\)"):
        Scorer.from_pretrained(server.address, options=LoadOptions(timeout=0.3))
    server.pause = 0.0
    assert scorer.score(TEXTS[0]).num_scored


def test_answers_are_in_order_however_they_come(server: StandIn, tokenizer: Path, own: Scorer) -> None:
    scorer = opened(server, tokenizer=tokenizer, concurrency=3)
    slow = iter([0.1, 0.0] * 100)
    server.change = lambda answer: (time.sleep(next(slow)), answer)[1]
    server.most = 0
    found = [one.log_likelihood for one in scorer.score(TEXTS)]
    assert found == pytest.approx([one.log_likelihood for one in own.score(TEXTS)], abs=1e-9)
    assert 1 < server.most <= 3


def test_a_request_that_waits_for_its_turn_is_not_under_way(
    server: StandIn, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time runs from when it is sent."""
    scorer = opened(server, tokenizer=tokenizer, concurrency=2)
    whole, under_way, most = Client._once, 0, 0

    async def once(self: Client, path: str, body: Any, room: int) -> Any:
        nonlocal under_way, most
        under_way, most = under_way + 1, max(most, under_way + 1)
        try:
            return await whole(self, path, body, room)
        finally:
            under_way -= 1

    monkeypatch.setattr(Client, "_once", once)
    scorer.score(TEXTS[:8])
    assert most == 2


def test_a_stream_asks_ahead_and_not_without_end(server: StandIn, scorer: Scorer) -> None:
    taken: list[int] = []

    def endless() -> Any:
        for number in range(10**9):
            taken.append(number)
            yield f"The answer number {number}"

    stream = scorer.stream(endless())
    first = [next(stream) for _ in range(40)]
    assert len(first) == 40 and len(taken) < 600
    stream.close()
    count = len(server.told)
    time.sleep(0.05)
    assert len(server.told) <= count + 8


def test_several_threads_share_a_scorer(scorer: Scorer, own: Scorer) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(scorer.score, [TEXTS[start : start + 5] for start in (0, 5, 10, 15)]))
    flat = [one.log_likelihood for part in found for one in part]
    assert flat == pytest.approx([one.log_likelihood for one in own.score(TEXTS)], abs=1e-9)


def test_a_pickled_scorer_asks_the_same_server(scorer: Scorer) -> None:
    again = pickle.loads(pickle.dumps(scorer))
    assert again.score(TEXTS[0]).log_likelihood == scorer.score(TEXTS[0]).log_likelihood
    assert str(again.signature()) == str(scorer.signature())


def test_a_run_goes_on_when_the_server_is_back(tokenizer: Path, tmp_path: Path, waits: list[float]) -> None:
    """The server dies in the middle: what is stored stays, no row has an error, and the rest is scored later."""
    rows = [{"text": text} for text in TEXTS]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    with serving(StandIn("vllm")) as server:
        port = int(server.address.rpartition(":")[2].partition("/")[0])
        scorer = opened(server, tokenizer=tokenizer, concurrency=1)
        seqscore.evaluate(scorer, "perplexity", rows, out=whole, part_rows=4)
        answered = server.answer
        left = iter([True] * 10)
        server.answer = lambda *asked: answered(*asked) if next(left, False) else (503, {})  # type: ignore[method-assign]
        with pytest.raises(ServerError, match=r"answers 503 \(10 tries\)"):
            seqscore.evaluate(scorer, "perplexity", rows, out=broken, part_rows=4)
        assert len(list(broken.glob("**/*.parquet"))) == 2
    with serving(StandIn("vllm"), port) as server:
        seqscore.evaluate(opened(server, tokenizer=tokenizer), "perplexity", rows, out=broken, part_rows=4)
        assert len(server.prompts) < 20
    for file in sorted(path.relative_to(whole) for path in whole.glob("**/*.parquet")):
        assert (whole / file).read_bytes() == (broken / file).read_bytes()


def test_a_server_that_comes_back_in_time_is_waited_for(
    tokenizer: Path, own: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(StandIn("vllm")) as server:
        port = int(server.address.rpartition(":")[2].partition("/")[0])
        scorer = opened(server, tokenizer=tokenizer)
    back = serving(StandIn("vllm"), port)
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        if not waited:
            back.__enter__()
        waited.append(seconds)

    monkeypatch.setattr(tries, "sleep", wait)
    try:
        found = scorer.score(TEXTS[:3])
    finally:
        back.__exit__(None, None, None)
    assert waited and found[2].log_likelihood == pytest.approx(own.score(TEXTS[2]).log_likelihood, abs=1e-9)


def test_an_interrupt_ends_the_work_at_once(server: StandIn, scorer: Scorer) -> None:
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    ended = threading.Event()
    whole = server.answer

    def answer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        ended.wait(60)
        return whole(path, body)

    server.answer = answer  # type: ignore[method-assign]
    try:
        with pytest.raises(KeyboardInterrupt):
            scorer.score(["one", "two"])
    finally:
        signal.signal(signal.SIGINT, former)
    assert not ended.is_set()  # no answer was waited for
    ended.set()
    server.answer = whole  # type: ignore[method-assign]
    assert scorer.score(TEXTS[0]).num_scored
    threads = [one for one in threading.enumerate() if one.name == "seqscore-server"]
    assert threads and all(one.daemon for one in threads)  # nor at the end of the program


def test_numbers_are_sent_as_json_has_them(server: StandIn, scorer: Scorer) -> None:
    """Ids of NumPy would not be JSON."""
    scorer.score(TEXTS[0])
    assert json.dumps(server.prompts) and all(type(one) is int for one in server.prompts[-1])
    assert not isinstance(scorer.score(TEXTS[0]), ModelError)


def test_tokens_of_another_prompt_are_an_error_in_its_place(serve: Serve, tokenizer: Path) -> None:
    server = serve("sglang")
    scorer = opened(server, tokenizer=tokenizer)

    def change(answer: dict[str, Any]) -> dict[str, Any]:
        answer["meta_info"]["input_token_logprobs"][2][1] += 1
        return answer

    server.change = change
    (found,) = scorer.stream([TEXTS[0]], errors="record")
    assert isinstance(found, ServerError) and "answers with the tokens of another prompt" in str(found)


def test_a_probability_of_0_is_minus_infinity(serve: Serve, server: StandIn, scorer: Scorer) -> None:
    """vLLM writes -9999, since JSON has no infinity; others write it as Python does."""
    texts = serve("completions", puts_bos=True)
    named = opened(texts)
    for number in (-9999.0, float("-inf")):
        server.change = lambda answer, number=number: (  # type: ignore[misc]
            answer["choices"][0]["prompt_logprobs"][2].update(
                {key: {"logprob": number} for key in answer["choices"][0]["prompt_logprobs"][2]}
            ),
            answer,
        )[1]
        texts.change = lambda answer, number=number: (  # type: ignore[misc]
            answer["choices"][0]["logprobs"]["token_logprobs"].__setitem__(2, number),
            answer,
        )[1]
        for one in (scorer, named):
            score = one.score(TEXTS[0])
            assert score.log_likelihood == float("-inf") and score.logprobs[1] == float("-inf")


def test_a_model_that_is_gone_ends_the_work(server: StandIn, scorer: Scorer) -> None:
    """llama-cpp-python says so with 400."""
    told = {"error": {"message": "The model `tiny` does not exist", "code": "model_not_found"}}
    server.faults.append(lambda handler: reply(handler, 400, told))
    with pytest.raises(ServerError, match=r"answers 400 \(The model `tiny` does not exist\)"):
        list(scorer.stream(TEXTS[:1], errors="record"))
