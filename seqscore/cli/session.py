"""What commands do alike: load the scorer they were asked for, say things on standard error, show progress."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from seqscore.scorer import Scorer

T = TypeVar("T")


def say(message: str) -> None:
    """A line for people, on standard error."""
    from seqscore.output.escape import terminal_text

    typer.echo(f"seqscore: {terminal_text(message)}", err=True)


def open_scorer(**settings: Any) -> Scorer:
    """The scorer that the model options describe; what must be fetched is said beforehand."""
    from seqscore import LoadOptions, Scorer
    from seqscore.cli.pulse import pulse
    from seqscore.errors import without_login

    given = {one.name: settings.pop(one.name) for one in fields(LoadOptions) if one.name in settings}
    options = LoadOptions(**{**given, "notify": say})
    model = settings.pop("model")
    alive = nullcontext() if sys.stderr.isatty() else pulse(lambda: f"loading model {without_login(model)}", say)
    with alive:
        return Scorer.from_pretrained(model, options=options, **settings)


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Warnings of this package on standard error as what they say, without file, line and source."""
    from seqscore.errors import SeqscoreWarning

    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, SeqscoreWarning):
                say(f"warning: {message}")
            else:
                usual(message, category, *place, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", SeqscoreWarning)
        yield


@contextmanager
def progress(label: str) -> Iterator[Any]:
    """A function that wraps an iterable and shows how far it is: a bar on a terminal, elsewhere a line now and then."""
    if not sys.stderr.isatty():
        with _counted_lines(label) as counted:
            yield counted
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    rows = _rows_column()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), rows)
    # Results go to standard output: the bar leaves that alone and is gone at the end.
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False)

    def wrap(items: Iterable[T], total: int | None = None, scorer: Scorer | None = None) -> Iterator[T]:
        rows.scorer = scorer
        return iter(bar.track(items, total=total, description=label))

    with bar:
        yield wrap


def under_way(scorer: Scorer | None) -> str:
    """How far the texts are that run just now, where their model tells it: they may take minutes."""
    found = None if scorer is None else scorer.under_way
    return "" if found is None else f" ({found[0]:,} of {found[1]:,} forward passes of the next)"


def _rows_column() -> Any:
    """A part of a bar that says the same; ``scorer`` is set when there is one."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rows(ProgressColumn):
        scorer: Scorer | None = None

        def render(self, task: Task) -> Text:
            return Text(under_way(self.scorer))

    return Rows()


@contextmanager
def _counted_lines(label: str) -> Iterator[Any]:
    from seqscore.cli.pulse import pulse

    done: int | None = None  # None: not begun
    running: Scorer | None = None

    def count(items: Iterable[T], total: int | None = None, scorer: Scorer | None = None) -> Iterator[T]:
        nonlocal done, running
        done, running = 0, scorer
        for item in items:
            yield item
            done += 1

    with pulse(lambda: None if done is None else f"{label}: {done:,} rows{under_way(running)}", say):
        yield count
