"""The examples in docstrings run, and print what they show."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import seqscore
from seqscore import Scorer
from tests.readmes import Session, differences, step_of

pytestmark = pytest.mark.default_model

PUBLIC = (
    *(f"api.{name}" for name in ("Run", "compare", "evaluate", "plot", "report")),
    "scorer.Scorer.from_pretrained",
    *(f"front.text_methods.TextMethods.{name}" for name in ("score", "stream")),
    *(f"front.word_methods.WordMethods.{name}" for name in ("words", "next_tokens", "next_words")),
)


def examples() -> list[doctest.DocTest]:
    """Those of all modules, but for what only starts the command."""
    names = [one.name for one in walk_packages(seqscore.__path__, "seqscore.") if not one.name.endswith("__main__")]
    sources = {name: Path(seqscore.__path__[0]).parent.joinpath(*name.split(".")) for name in names}
    with_prompt = [name for name, path in sources.items() if ">>> " in _text(path)]
    return [test for name in with_prompt for test in doctest.DocTestFinder().find(import_module(name)) if test.examples]


def _text(path: Path) -> str:
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text(encoding="utf-8")


EXAMPLES = examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_example(example: doctest.DocTest, scorers: dict[str, Scorer], tmp_path: Path) -> None:
    session = Session(tmp_path, scorers)
    session.names.update(example.globs)
    for one in example.examples:
        unlike = differences(one.want.splitlines(), session.run(step_of(one.source)))
        assert not unlike, "\n".join([f"line {one.lineno}: {one.source.strip()}", *unlike])


def test_public_functions_have_one() -> None:
    assert {f"seqscore.{name}" for name in PUBLIC} <= {one.name for one in EXAMPLES}
