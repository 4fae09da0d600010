from __future__ import annotations

from typing import Any

import pytest
import typer

from seqscore.cli.app import app, run
from seqscore.cli.once import OnceCommand


def commands(group: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    context = group.make_context(None, ["-"], resilient_parsing=True)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = hasattr(command, "commands")
        found += commands(command, (*path, name)) if inner else [((*path, name), command)]
    return found


def test_every_command_refuses_options_that_are_given_twice() -> None:
    every = commands(typer.main.get_command(app))
    assert len(every) >= 12
    assert all(isinstance(command, OnceCommand) for _, command in every)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("score", "a", "--model", "one", "-m", "two"), "--model is given twice, 'one' and 'two'; give it once"),
        (("score", "a", "--model=one", "--model=one"), "--model is given twice, 'one' and 'one'"),
        (("eval", "choices", "d", "--out", "a", "--out", "b"), "--out is given twice, 'a' and 'b'"),
        (("eval", "choices", "d", "--pmi", "--no-pmi"), "--pmi and --no-pmi contradict each other"),
        (("compare", "a", "b", "--seed", "1", "--seed", "2"), "--seed is given twice, '1' and '2'"),
    ],
)
def test_both_values_are_named(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert said in capsys.readouterr().err


def test_lists_and_flags_may_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("cite", "nowhere", "--debug", "--debug")) == 1
    assert run(("plot", "nowhere", "--item", "a", "--item", "b")) == 1
    assert "twice" not in capsys.readouterr().err
