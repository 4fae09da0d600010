"""The examples of the README files: found, run in this process, and compared with what the page shows.

``python -m tests.readmes FILE ...`` writes what they print now into the pages; look at what changed.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from seqscore import Scorer
from seqscore.cli.app import run
from seqscore.errors import SeqscoreError
from tests.cli.told import told

ROOT = Path(__file__).resolve().parent.parent
RUN_LANGUAGES = ("console", "python")
_MARK = re.compile(r"<!-- not run: (?P<reason>.+) -->")
_WIDTH = "100"


@dataclass(frozen=True)
class Step:
    """One command or statement of a page and the lines that it shows; ``first``, ``last``: its lines, from 0."""

    source: str
    shown: tuple[str, ...]
    language: str
    first: int
    last: int


@dataclass(frozen=True)
class Block:
    """A fenced block that holds examples. ``reason``: why it is not run, as the mark above it says; else None."""

    language: str
    line: int
    lines: tuple[str, ...]
    reason: str | None

    def steps(self) -> Iterator[Step]:
        """Each command (``$ ``) or statement (``>>> ``); a block of Python without prompts is one."""
        prompt, more = {"console": ("$ ", "> "), "python": (">>> ", "... ")}[self.language]
        starts = [number for number, line in enumerate(self.lines) if line.startswith(prompt)]
        if not starts and self.language == "python":
            yield Step("\n".join(self.lines), (), "python", self.line, self.line + len(self.lines))
        for start, end in zip(starts, [*starts[1:], len(self.lines)], strict=True):
            rest = self.lines[start + 1 : end]
            following = list(takewhile(lambda line: line.rstrip() == more.strip() or line.startswith(more), rest))
            source = "\n".join(line[len(prompt) :] for line in (self.lines[start], *following))
            first = start + 1 + len(following)
            yield Step(source, self.lines[first:end], self.language, self.line + first, self.line + end)


def step_of(source: str) -> Step:
    """A Python statement, of which nothing is shown."""
    return Step(source, (), "python", 0, 0)


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a page that can be run."""
    found, reason = [], None
    for token in MarkdownIt().parse(text):
        if token.type == "fence" and token.map is not None:
            language = token.info.strip()
            if language in RUN_LANGUAGES:
                found.append(Block(language, token.map[0] + 1, tuple(token.content.splitlines()), reason))
        mark = _MARK.fullmatch(token.content.strip()) if token.type == "html_block" else None
        reason = mark["reason"] if mark else None
    return found


def made_once(
    scorers: dict[str, Scorer], kind: type[Scorer] = Scorer, model: str = "default", **settings: Any
) -> Scorer:
    """``kind.from_pretrained(model, **settings)``, the same one where ``scorers`` has it; the default model is loaded
    once for all that only run it otherwise."""
    given = {name: value for name, value in settings.items() if value not in (None, _USUAL.get(name))}
    given.pop("options", None)
    key = f"{model} {sorted(given.items())}"
    if key not in scorers:
        if model == "default" and given and set(given) <= _OF_THE_RUN:
            usual = made_once(scorers, kind)
            scorers[key] = kind(usual.model, usual.tokenizer, **given, description=usual.description)
        else:
            loader: Callable[..., Scorer] = _FROM_PRETRAINED.__get__(None, kind)
            scorers[key] = loader(model, **settings)
    return scorers[key]


class Session:
    """Runs the examples of one page, in a folder that has ``data``. Scorers are made once for all ``scorers``."""

    def __init__(self, folder: Path, scorers: dict[str, Scorer]) -> None:
        self.names: dict[str, Any] = {}
        self._scorers = scorers
        self._folder = folder
        (folder / "data").symlink_to(ROOT / "data")

    def run(self, step: Step) -> list[str]:
        """The lines that a step prints, on standard output and standard error together."""
        source, *piped = step.source.split(" | ") if step.language == "console" else [step.source]
        action = {"console": self._command, "python": self._statement}[step.language]
        raw = io.BytesIO()
        with self._here(), _printing_to(raw, keep_stdout=not piped) as stdout:
            action(source)
        # Behind a line of its own, since what stands first loses the white space before it.
        lines = told("first\n" + raw.getvalue().decode("utf-8"))[1:]
        for command in piped:
            done = subprocess.run(shlex.split(command), input=stdout.getvalue(), capture_output=True, check=True)
            stdout = io.BytesIO(done.stdout)
        return trimmed([*lines, *(stdout.getvalue().decode("utf-8").splitlines() if piped else ())])

    @contextlib.contextmanager
    def _here(self) -> Iterator[None]:
        before, environment, usual = Path.cwd(), dict(os.environ), Scorer.__dict__["from_pretrained"]
        os.environ["COLUMNS"] = _WIDTH
        Scorer.from_pretrained = classmethod(self._scorer)  # type: ignore[assignment, method-assign, arg-type]
        os.chdir(self._folder)
        try:
            yield
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)
            Scorer.from_pretrained = usual  # type: ignore[method-assign]

    def _scorer(self, kind: type[Scorer], model: str = "default", **settings: Any) -> Scorer:
        return made_once(self._scorers, kind, model, **settings)

    def _command(self, source: str) -> None:
        words = shlex.split(source.replace("\\\n", " "))
        if words[0] == "seqscore":
            run(words[1:])
        else:
            print(subprocess.run(words, capture_output=True, text=True, check=True).stdout, end="")

    def _statement(self, source: str) -> None:
        tree = ast.parse(source)
        try:
            if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
                value = eval(compile(source.strip(), "<page>", "eval"), self.names)
                if value is not None:
                    print(repr(value))
            else:
                exec(compile(source, "<page>", "exec"), self.names)
        except _SHOWN as error:
            print(*traceback.format_exception_only(error), sep="", end="")


@contextlib.contextmanager
def _printing_to(raw: io.BytesIO, *, keep_stdout: bool) -> Iterator[io.BytesIO]:
    """Standard error goes to ``raw``, and standard output too, or into the stream that is given."""
    other = raw if keep_stdout else io.BytesIO()
    streams = [io.TextIOWrapper(one, encoding="utf-8", write_through=True) for one in (other, raw)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        yield other
    for stream in streams:
        stream.detach()


_FROM_PRETRAINED = Scorer.__dict__["from_pretrained"]
_SHOWN = (AttributeError, ImportError, LookupError, SeqscoreError, TypeError, ValueError)
"""Errors that a page may show, as the interpreter does."""
_OF_THE_RUN = {"engine", "batch_tokens", "threads", "max_length"}
_USUAL = {"device": "auto", "dtype": "float32", "engine": "auto"}


def trimmed(lines: Sequence[str]) -> list[str]:
    """The lines without white space at their ends, and without empty lines at the beginning and the end."""
    return "\n".join(line.rstrip() for line in lines).strip("\n").splitlines()


_NUMBER = re.compile(r"(?<![\w.])[-−]?(\d[\d,]*\.\d+(e[+-]?\d+)?|\d+e[+-]?\d+)(?![\w.])")
_VERSIONS = re.compile(r"(seqscore|torch|transformers):[^|\s]+")
_PROMISED = 1e-4
"""What a number may be away on another processor, relative to itself: nats a token, as the project promises."""


def differences(shown: Sequence[str], printed: Sequence[str]) -> list[str]:
    """What is not as the page shows it: words and whole numbers exactly, decimals within one unit of the last digit
    that is shown (of longer numbers: within what is promised), versions of libraries not at all."""
    one, two = trimmed(shown), trimmed(printed)
    found = [f"- {a}\n+ {b}" for a, b in zip(one, two, strict=False) if not _alike(a, b)]
    return found + [f"- {line}" for line in one[len(two) :]] + [f"+ {line}" for line in two[len(one) :]]


def _alike(shown: str, printed: str) -> bool:
    a, b = (_VERSIONS.sub(r"\1", line) for line in (shown, printed))
    if re.sub(r"\s+", " ", _NUMBER.sub("#", a)) != re.sub(r"\s+", " ", _NUMBER.sub("#", b)):
        return False
    numbers = zip(_NUMBER.finditer(a), _NUMBER.finditer(b), strict=True)
    return all(abs(_value(x[0]) - _value(y[0])) <= _tolerance(x[0]) for x, y in numbers)


def _value(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def _tolerance(text: str) -> float:
    mantissa, _, exponent = text.partition("e")
    digits = len(mantissa.partition(".")[2])
    return max(10.0 ** (int(exponent or 0) - digits) * (1 + 1e-9), _PROMISED * abs(_value(text)))


def check(page: Path, folder: Path, scorers: dict[str, Scorer]) -> Mapping[int, list[str]]:
    """Run a page; of each step that prints something else, by its line, the differences."""
    session, found = Session(folder, scorers), {}
    for block in blocks_of(page.read_text(encoding="utf-8")):
        for step in block.steps() if block.reason is None else ():
            unlike = differences(step.shown, session.run(step))
            if unlike:
                found[step.first] = [step.source, *unlike]
    return found


def rewrite(page: Path, folder: Path, scorers: dict[str, Scorer]) -> None:
    """Run a page and put into it what its examples print."""
    text = page.read_text(encoding="utf-8")
    lines, session = text.splitlines(), Session(folder, scorers)
    new: list[tuple[Step, list[str]]] = []
    for block in blocks_of(text):
        new += [(step, session.run(step)) for step in (block.steps() if block.reason is None else ())]
    for step, printed in reversed(new):
        if differences(step.shown, printed):
            # An empty line before the next example of the block is the page's.
            gap = [""] if step.shown and not step.shown[-1].strip() else []
            lines[step.first : step.last] = [*printed, *gap]
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    import tempfile

    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as temporary:
            rewrite(Path(name).resolve(), Path(temporary), {})
