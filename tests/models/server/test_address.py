"""What is told of an address, and that nobody is told the rest."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import seqscore
from seqscore import Scorer
from seqscore.errors import MissingDependencyError, OptionError, SeqscoreError, without_login
from seqscore.models.server.address import parse_address
from tests.models.server.conftest import Serve, opened
from tests.models.server.stand_in import StandIn, failing, reply

KEY, PASSWORD = "sk-verysecret", "pass:word/1"


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://Models.example/llm/v1/", "https://models.example/llm"),
        ("http://user:pw@[::1]:80/v1", "http://[::1]:80"),
        ("http://user@host", "http://host"),
    ],
)
def test_what_is_told_of_an_address(text: str, root: str) -> None:
    assert parse_address(text).root == root
    assert "pw" not in repr(parse_address(text))


@pytest.mark.parametrize("text", ["http://", "http://host:port/v1", "http:///v1", "ftp://host", "http://[::1/v1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"the address of the server .*expected http://HOST:PORT/v1"):
        parse_address(text)


def test_a_question_is_refused_and_not_told() -> None:
    with pytest.raises(OptionError, match="the address of the server at host goes on with") as caught:
        Scorer.from_pretrained(f"http://host/v1?key={KEY}")
    assert KEY not in str(caught.value)


def test_an_address_without_its_login() -> None:
    assert without_login("http://a:b@host:1/v1") == "http://host:1/v1"
    assert without_login("org/model@x") == "org/model@x" and without_login("default") == "default"


def everything_told(scorer: Scorer, server: StandIn, capsys: pytest.CaptureFixture[str]) -> str:
    """Signature, errors and output."""
    told = [repr(scorer), str(scorer.signature()), str(scorer.score("one").to_dict())]
    for status in (400, 401, 500, 307, 418):
        server.faults.extend([failing(status, f"wrong key {KEY} or word {PASSWORD}, {seen(server)}")] * 9)
        try:
            told.append(repr(list(scorer.stream(["one"], errors="record"))))
        except SeqscoreError as error:
            told.append(repr(error) + repr(error.__cause__))
        server.faults.clear()
    captured = capsys.readouterr()
    return "".join([*told, captured.out, captured.err])


def seen(server: StandIn) -> str:
    return server.told[-1][1].get("authorization", "")


def test_a_key_of_the_environment_is_sent_and_told_nowhere(
    serve: Serve,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SEQSCORE_API_KEY", KEY)
    server = serve("completions", puts_bos=True)
    scorer = opened(server)
    told = everything_told(scorer, server, capsys)
    seqscore.evaluate(scorer, "perplexity", [{"text": "one"}, {"text": "two"}], out=tmp_path)
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 2 and KEY.encode() not in b"".join(files)
    assert {headers["authorization"] for _, headers, _ in server.told} == {f"Bearer {KEY}"}
    assert KEY not in told and "***" in told


def test_a_password_is_sent_and_told_nowhere(
    serve: Serve, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve("completions", puts_bos=True)
    server.address = server.address.replace("//", "//me:pass%3Aword%2F1@")
    scorer = opened(server)
    told = everything_told(scorer, server, capsys)
    sent = {headers["authorization"] for _, headers, _ in server.told}
    assert sent == {"Basic bWU6cGFzczp3b3JkLzE="}
    assert not any(secret in told for secret in (PASSWORD, "pass%3A", "bWU6cGFz"))
    server.models.append("other")  # a scorer that is pickled asks again
    with pytest.raises(SeqscoreError) as caught:
        pickle.loads(pickle.dumps(scorer))
    assert "pass" not in str(caught.value)


def test_a_proxy_of_an_error_is_told_its_reason_alone(serve: Serve, waits: list[float]) -> None:
    server = serve("vllm", puts_bos=True)
    scorer = opened(server)
    for body, reason in (
        ({"detail": "so"}, " (so)"),
        ({"message": "so"}, " (so)"),
        ({"error": "so"}, " (so)"),
        ({"detail": [1]}, ""),
        ([], ""),
        (b"<html>", ""),
    ):
        server.faults.append(lambda handler, body=body: reply(handler, 418, body))  # type: ignore[misc]
        with pytest.raises(SeqscoreError, match=r"answers 418" + reason.replace("(", r"\(").replace(")", r"\)") + "$"):
            scorer.score("one")


def test_what_is_not_installed_is_named(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tenacity", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'seqscore\[server\]'"):
        opened(serve("vllm"))
