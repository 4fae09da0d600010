from __future__ import annotations

from seqscore.cli.eval.progress import Pace
from seqscore.cli.pulse import EVERY, beat
from seqscore.evaluation.run.progress import Progress
from tests.cli.told import told


def test_a_line_every_ten_seconds_until_the_end() -> None:
    asked: list[float] = []
    shown: list[str] = []

    def ended(seconds: float) -> bool:
        asked.append(seconds)
        return len(asked) > 3

    beat(lambda: f"after {len(asked)}", shown.append, ended)
    assert shown == ["after 1", "after 2", "after 3"]
    assert set(asked) == {EVERY} and EVERY <= 10.0


def test_signs_of_life_are_told_from_what_is_said() -> None:
    pace = Pace(5_000, clock=iter(range(0, 100, 10)).__next__)
    alive = [pace.describe(Progress(1_200, 0, 9_140, 3)), pace.describe(Progress(1, 0, 0, 0)), "scoring: 0 rows"]
    said = ["warning: it rained", "2 of 3 rows could not be scored"]
    lines = [f"seqscore: {line}" for line in (*alive, "loading model a/b", *said)]
    assert told("\n".join(lines)) == lines[-2:]


def test_a_closed_pipe_ends_it() -> None:
    def broken(line: str) -> None:
        raise BrokenPipeError

    beat(str, broken, lambda seconds: False)
