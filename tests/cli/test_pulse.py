from __future__ import annotations

from seqscore.cli.pulse import EVERY, beat


def test_a_line_every_ten_seconds_until_the_end() -> None:
    asked: list[float] = []
    shown: list[str] = []

    def ended(seconds: float) -> bool:
        asked.append(seconds)
        return len(asked) > 3

    beat(lambda: f"after {len(asked)}", shown.append, ended)
    assert shown == ["after 1", "after 2", "after 3"]
    assert set(asked) == {EVERY} and EVERY <= 10.0


def test_a_closed_pipe_ends_it() -> None:
    def broken(line: str) -> None:
        raise BrokenPipeError

    beat(str, broken, lambda seconds: False)
