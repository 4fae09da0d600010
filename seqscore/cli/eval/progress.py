"""How far a run is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seqscore.cli.session import say, under_way

if TYPE_CHECKING:
    from seqscore.evaluation.run.progress import Progress
    from seqscore.scorer import Scorer

_ENOUGH = 20  # rows, before a guess at the time left is worth anything


class Pace:
    """Tokens a second and time left, of the rows scored since the start (rows found finished do not count)."""

    def __init__(
        self, total: int | None, clock: Callable[[], float] = time.monotonic, scorer: Scorer | None = None
    ) -> None:
        self.total = total
        self._scorer = scorer
        self._clock = clock
        self._begin = clock()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self._clock() - self._begin

    def describe(self, progress: Progress) -> str:
        """``1,200 of about 5,000 rows, 914 tokens/s, 0:04:10 left``."""
        seconds, done = max(self.seconds, 1e-9), progress.rows - progress.resumed
        of_total = "" if self.total is None else f" of about {max(self.total, progress.rows):,}"
        parts = [f"{progress.rows:,}{of_total} rows", f"{progress.tokens / seconds:,.0f} tokens/s"]
        if self.total is not None and done >= _ENOUGH:
            left = max(0, self.total - progress.rows) * seconds / done
            parts.append(f"{int(left) // 3600}:{int(left) // 60 % 60:02d}:{int(left) % 60:02d} left")
        if progress.errors:
            parts.append(f"{progress.errors:,} errors")
        return ", ".join(parts) + under_way(self._scorer)


@contextmanager
def run_progress(total: int | None, scorer: Scorer | None = None) -> Iterator[Callable[[Progress], None]]:
    """A function that is told how far the run is, and shows it on standard error."""
    pace = Pace(total, scorer=scorer)
    if not sys.stderr.isatty():
        with _lines(pace) as told:
            yield told
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    bar = Bar(BarColumn(), TextColumn("{task.description}"), console=console, transient=True, redirect_stdout=False)
    task = bar.add_task("starting", total=total)
    notices = _Notices()

    def show(progress: Progress) -> None:
        notices(progress)
        bar.update(task, completed=progress.rows, description=pace.describe(progress))

    with bar:
        yield show


class _Notices:
    """Says once that a run which was begun before goes on, and that a context is longer than the model reads."""

    def __init__(self) -> None:
        self._greeted = self._warned = False

    def __call__(self, progress: Progress) -> None:
        if progress.resumed and progress.rows > progress.resumed and not self._greeted:
            self._greeted = True
            say(f"going on after {progress.resumed:,} rows that are there")
        if progress.unread and not self._warned:
            self._warned = True
            say(
                f"warning: row {progress.row}: the first {progress.unread:,} tokens of its contexts are not read: the "
                f"model cannot look back so far; the summary counts all such rows"
            )


@contextmanager
def _lines(pace: Pace) -> Iterator[Callable[[Progress], None]]:
    from seqscore.cli.pulse import pulse
    from seqscore.evaluation.run.progress import Progress

    last, notices = Progress(0, 0, 0, 0), _Notices()

    def show(progress: Progress) -> None:
        nonlocal last
        last = progress
        notices(progress)

    with pulse(lambda: pace.describe(last), say):
        yield show
