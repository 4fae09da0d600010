"""The logarithm's lessons as text for a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from seqscore.output.escape import terminal_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from seqscore.explain.underflow import UnderflowLesson
    from seqscore.scores.naive import FormatFailure

__all__ = ["print_underflow", "write_underflow_json"]


def print_underflow(lesson: UnderflowLesson) -> None:
    """Show a lesson on standard output: the product in each format beside the log-sum, softmax, means."""
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    console.print(
        f"{lesson.score.num_scored} scored tokens of {terminal_text(lesson.score.text or '', max_width=60)!s}"
    )
    console.print()
    console.print(_products(lesson))
    console.print()
    console.print("log-softmax against log(exp(z) / sum exp(z)) for z = scale x (2.0, 1.0, 0.1)")
    console.print(_softmax(lesson))
    console.print()
    _means(lesson, console)
    console.print(lesson.score.signature, soft_wrap=True)


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    return table


def _products(lesson: UnderflowLesson) -> Table:
    table = _table("way", "subnormal from token", "zero from token", "result", "perplexity")
    for failure in lesson.products.formats:
        table.add_row(
            f"product in {failure.dtype}",
            _place(lesson, failure.first_subnormal),
            _place(lesson, failure.first_zero),
            f"{failure.product:.6g}",
            _perplexity(failure),
        )
    total = lesson.products.log_likelihood
    table.add_row("sum of logarithms", "never", "never", f"{total:.6g} nats", f"{lesson.products.perplexity:.6g}")
    return table


def _place(lesson: UnderflowLesson, index: int | None) -> str:
    """A token counted from 1, and its text."""
    return "never" if index is None else f"{index + 1} {terminal_text(lesson.scored_tokens[index], max_width=14)!s}"


def _perplexity(failure: FormatFailure) -> str:
    return "not defined" if failure.perplexity is None else f"{failure.perplexity:.6g}"


def _softmax(lesson: UnderflowLesson) -> Table:
    scales = list(dict.fromkeys(trial.scale for trial in lesson.softmax.trials))
    table = _table("format", *(f"scale {scale:g}" for scale in scales), "log-softmax")
    for dtype in dict.fromkeys(trial.dtype for trial in lesson.softmax.trials):
        trials = [trial for trial in lesson.softmax.trials if trial.dtype == dtype]
        naive = ["nan" if t.naive.num_nan else "-inf" if t.naive.num_minus_inf else "ok" for t in trials]
        stable = "fails" if any(trial.stable.failed for trial in trials) else "ok at every scale"
        table.add_row(dtype, *naive, stable)
    return table


def _means(lesson: UnderflowLesson, console: Console) -> None:
    factors = " x ".join(f"{p:g}" for p in lesson.example)
    console.print(f"mean of the token probabilities: {lesson.arithmetic_mean:.6g}, which is no probability of the text")
    console.print(f"geometric mean, exp(log-likelihood / n) = 1 / perplexity: {lesson.geometric_mean:.6g}")
    console.print(f"by hand: {factors} = {lesson.example_product:.6g}, ln = {lesson.example_log_sum:.2f}")


def write_underflow_json(lesson: UnderflowLesson) -> None:
    """The lesson as one line of JSON on standard output."""
    sys.stdout.write(json.dumps(lesson.to_dict(), ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()
