from __future__ import annotations

import pytest

from seqscore.cli import app


class PanicException(BaseException):
    """Called as that of libraries written in Rust, which is no Exception either."""


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (PanicException("gave up"), 1, "error: unexpected PanicException: gave up"),
        (RecursionError("deep"), 1, "error: unexpected RecursionError: deep"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_failure_is_one_line(
    error: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(app, "_invoke", fail)
    assert app.run([]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"seqscore: {said}")


def test_what_is_no_failure_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(_: list[str]) -> int:
        raise GeneratorExit

    monkeypatch.setattr(app, "_invoke", leave)
    with pytest.raises(GeneratorExit):
        app.run([])
