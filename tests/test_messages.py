"""Messages that Python code may meet name the keyword, not the command's option alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqscore

ROOT = Path(seqscore.__path__[0])
KEYWORDS = {"field": "fields", "max": "high", "min": "low", "no-pmi": "unconditional", "score-eos": "eos"}
"""Of options that are not called as their keywords."""
OF_THE_COMMAND_ALONE = {
    "evaluation/data/texts.py": ("column", "file"),  # which texts `score` reads
    "evaluation/data/kinds.py": ("field-separator",),  # part of a sentence that names it
    "models/load/gguf.py": ("merge",),  # of another program
}


def sentences(source: str) -> Iterator[str]:
    """Texts of several words, with X for what is filled in, but for docstrings and what declares an option."""
    nodes = list(ast.walk(ast.parse(source)))
    calls = [one for one in nodes if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)]
    left_out: list[ast.AST] = [
        one for one in nodes if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
    ]
    left_out += [one for one in calls if isinstance(one.func, ast.Name) and one.func.id in ("option", "Option")]
    seen = {id(part) for one in left_out for part in ast.walk(one)}
    for one in nodes:
        if id(one) in seen:
            continue
        if isinstance(one, ast.JoinedStr):
            seen |= {id(part) for part in one.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in one.values)
        elif isinstance(one, ast.Constant) and isinstance(one.value, str) and " " in one.value:
            yield one.value


def without_keyword(text: str) -> list[str]:
    """The options that a text names without what Python calls them."""
    options = re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text)
    return [one for one in options if not re.search(_named(KEYWORDS.get(one, one.replace("-", "_"))), text)]


def _named(keyword: str) -> str:
    """As a keyword, which a word of the sentence may be too: ``encoding=``, ``encoding (--encoding)``."""
    return rf"\b{keyword}(=|, --| \(--)"


@pytest.mark.parametrize("room", ["evaluation/data", "evaluation/tasks", "models/load"])
def test_an_option_of_a_message_has_its_keyword_beside_it(room: str) -> None:
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        known = OF_THE_COMMAND_ALONE.get(path.relative_to(ROOT).as_posix(), ())
        for text in sentences(path.read_text(encoding="utf-8")):
            found += [f"{path.name}: --{one} in {text!r}" for one in without_keyword(text) if one not in known]
    assert not found, "name the keyword too, as in 'encoding= (--encoding)':\n" + "\n".join(found)


def test_what_is_seen() -> None:
    assert without_keyword("name its encoding: --encoding utf-16") == ["encoding"]
    assert without_keyword("say encoding= (--encoding)") == without_keyword("--read-as text (read_as=)") == []
    source = '''
def f(x):
    """Not --this one."""
    raise OptionError(f"say {x} --encoding {x}" " or --limit", Option("not --that one", "--flag"))
'''
    assert list(sentences(source)) == ["say X --encoding X or --limit"]
