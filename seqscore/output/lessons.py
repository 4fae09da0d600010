"""The logarithm's lessons as text for a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from seqscore.output.console import console_on
from seqscore.output.escape import json_text, terminal_text
from seqscore.output.files import Output

if TYPE_CHECKING:
    from seqscore.explain.underflow import UnderflowLesson
    from seqscore.scores.naive import FormatFailure

__all__ = ["print_underflow", "write_underflow_json"]


def print_underflow(lesson: UnderflowLesson) -> None:
    """Show a lesson on standard output: the product in each format beside the log-sum, softmax, means."""
    with Output(None) as output, output.errors():
        console = console_on(output)
        shown = terminal_text(lesson.score.text or "", max_width=min(60, console.width - 24))
        console.print(f"{lesson.score.num_scored} scored tokens of: {shown}")
        console.print(_products(lesson))
        console.print("log-softmax beside log(exp(z) / sum exp(z)) for z = scale x (2.0, 1.0, 0.1)")
        console.print(_softmax(lesson))
        for line in _means(lesson):
            console.print(line, soft_wrap=True)
        console.print(f"signature: {terminal_text(lesson.score.signature)}", soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    return table


def _products(lesson: UnderflowLesson) -> Table:
    table = _table("way", "subnormal from", "zero from", "result", "perplexity")
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
    return (
        "never"
        if index is None
        else f"token {index + 1} {terminal_text(lesson.scored_tokens[index].strip(), max_width=12)!s}"
    )


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


def _means(lesson: UnderflowLesson) -> tuple[str, str, str]:
    factors = " x ".join(f"{p:g}" for p in lesson.example)
    return (
        f"mean of the token probabilities: {lesson.arithmetic_mean:.6g}, which is no probability of the text",
        f"geometric mean, exp(log-likelihood / n) = 1 / perplexity: {lesson.geometric_mean:.6g}",
        f"by hand: {factors} = {lesson.example_product:.6g}, ln = {lesson.example_log_sum:.2f}",
    )


def write_underflow_json(lesson: UnderflowLesson) -> None:
    """The lesson as one line of JSON on standard output."""
    with Output(None) as output:
        line = json_text(json.dumps(lesson.to_dict(), ensure_ascii=False, allow_nan=False))
        output.write(line.encode("utf-8") + b"\n")
