"""The logarithm's lessons as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from seqscore.output.console import console_on
from seqscore.output.destination import Output
from seqscore.output.escape import terminal_text
from seqscore.output.jsonl import print_json
from seqscore.output.notes import notes

if TYPE_CHECKING:
    from rich.console import Console

    from seqscore.explain.axes import AxesLesson
    from seqscore.explain.exponential import ExponentialLesson
    from seqscore.explain.lessons import Lesson
    from seqscore.explain.numbers.naive import FormatFailure
    from seqscore.explain.numbers.softmax import SoftmaxOutcome
    from seqscore.explain.product import UnderflowLesson
    from seqscore.scores.sequence_score import SequenceScore


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
        _end(console, lesson.score)


def _end(console: Console, score: SequenceScore) -> None:
    """What a reader should know of the score that a lesson is about, and its signature."""
    for note, detail in notes(score):
        console.print(Text(f"note: {note} ({detail})" if detail else f"note: {note}"), soft_wrap=True)
    console.print(f"signature: {terminal_text(score.signature)}", soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    return table


def _products(lesson: UnderflowLesson) -> Table:
    table = _table("way", "subnormal from", "zero from", "result", lesson.score.perplexity_name)
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
        naive = [_outcome(trial.naive) for trial in trials]
        stable = "fails" if any(trial.stable.failed for trial in trials) else "ok at every scale"
        table.add_row(dtype, *naive, stable)
    return table


def _means(lesson: UnderflowLesson) -> tuple[str, str, str]:
    factors = " x ".join(f"{p:g}" for p in lesson.example)
    return (
        f"mean of the token probabilities: {lesson.arithmetic_mean:.6g}, which is no probability of the text",
        f"geometric mean, exp(log-likelihood / n) = 1 / {lesson.score.perplexity_name}: {lesson.geometric_mean:.6g}",
        f"by hand: {factors} = {lesson.example_product:.6g}, ln = {lesson.example_log_sum:.2f}",
    )


def print_exponential(lesson: ExponentialLesson) -> None:
    """Show the second lesson: the loss of a prediction, softmax by hand, log-softmax on the model's own logits, the
    cross-entropy in three ways, gradients."""
    with Output(None) as output, output.errors():
        console = console_on(output)
        console.print("a prediction costs -ln p(right token) nats")
        console.print(_losses(lesson))
        logits, probabilities = zip(*lesson.example, strict=True)
        shown = ", ".join(f"{p:.3f}" for p in probabilities)
        console.print(f"by hand: softmax of z = ({', '.join(f'{z:.1f}' for z in logits)}) is ({shown})")
        console.print(_place_of(lesson), soft_wrap=True)
        console.print("log(exp(z) / sum exp(z)) of these logits times a number; exp overflows above the limit")
        console.print(_growing(lesson))
        console.print(_cross_entropies(lesson))
        console.print("gradient of -log p(token) by autograd beside softmax(z) - one_hot, largest difference")
        console.print(_gradients(lesson))
        _end(console, lesson.score)


def _place_of(lesson: ExponentialLesson) -> str:
    token, before = (
        terminal_text(lesson.token.strip(), max_width=24),
        terminal_text(lesson.before[-64:].partition(" ")[2].strip()),
    )
    low, high = lesson.logits.min(), lesson.logits.max()
    return f'the model\'s {len(lesson.logits):,} logits for {token!r} behind "… {before}": {low:.2f} to {high:.2f}'


def _losses(lesson: ExponentialLesson) -> Table:
    table = _table("p", *(f"{p:g}" for p, _ in lesson.losses))
    table.add_row("-ln p", *(f"{nats:.3f}" for _, nats in lesson.losses))
    return table


def _growing(lesson: ExponentialLesson) -> Table:
    scales = list(dict.fromkeys(trial.scale for trial in lesson.softmax.trials))
    table = _table("format", "limit", *(f"x {scale:g}" for scale in scales), "log-softmax")
    for dtype, limit in lesson.overflow.items():
        trials = [trial for trial in lesson.softmax.trials if trial.dtype == dtype]
        stable = "fails" if any(trial.stable.failed for trial in trials) else "ok at every scale"
        table.add_row(dtype, f"{limit:.2f}", *(_outcome(trial.naive) for trial in trials), stable)
    return table


def _outcome(found: SoftmaxOutcome) -> str:
    return "nan" if found.num_nan else "-inf" if found.num_minus_inf else "ok"


def _cross_entropies(lesson: ExponentialLesson) -> Table:
    found = lesson.cross_entropy
    table = _table(f"loss of {found.num_tokens} tokens", "nats a token", "apart, at most")
    table.add_row("cross-entropy", f"{found.cross_entropy:.6f}", "")
    table.add_row("log-softmax, then negative log-likelihood", f"{found.nll_of_log_softmax:.6f}", f"{found.apart:.2g}")
    table.add_row(
        "minus the log-probabilities scored here", f"{found.from_scores:.6f}", f"{found.apart_from_scores:.2g}"
    )
    return table


def _gradients(lesson: ExponentialLesson) -> Table:
    table = _table("format", "scale", "through log-softmax", "through log(softmax)")
    for one in lesson.gradients:
        naive = f"{one.num_nan:,} values nan" if one.naive_error is None else f"{one.naive_error:.2g}"
        table.add_row(one.dtype, f"{one.scale:g}", f"{one.stable_error:.2g}", naive)
    return table


def print_axes(lesson: AxesLesson) -> None:
    """Show the third lesson: how wide the ranges are that a logarithmic axis makes visible."""
    counts, losses = lesson.frequencies.counts, lesson.loss.losses
    table = _table("what", "smallest", "median", "largest", "largest / smallest")
    for name, values in (
        ("how often a token occurs", counts),
        ("perplexity of a text", lesson.perplexities),
        ("loss of a tiny model in training", losses),
    ):
        low, middle, high = (float(one) for one in np.quantile(values, [0.0, 0.5, 1.0]))
        table.add_row(name, *(f"{one:.4g}" for one in (low, middle, high, high / low)))
    with Output(None) as output, output.errors():
        console = console_on(output)
        console.print(
            f"{lesson.frequencies.total:,} tokens, {len(counts):,} different ones; {len(lesson.perplexities):,} texts; "
            f"{len(losses):,} steps of training"
        )
        console.print(table)
        console.print("--figures FOLDER draws each on a linear and on a logarithmic axis")
        console.print(f"signature: {terminal_text(lesson.signature)}", soft_wrap=True)


def write_lesson_json(lesson: Lesson) -> None:
    """A lesson as one line of JSON on standard output."""
    print_json(lesson.to_dict())


_HEADINGS = {
    "product": "A product becomes a sum: nothing underflows",
    "exponential": "The exponential comes down: nothing overflows, gradients stay exact",
    "axes": "Wide ranges become visible: logarithmic axes",
}


def show_lesson(lesson: Lesson) -> None:
    """Show any of the lessons on standard output, under its heading."""
    shows: dict[str, Any] = {"product": print_underflow, "exponential": print_exponential, "axes": print_axes}
    with Output(None) as output, output.errors():
        console_on(output).print(Text(f"{_HEADINGS[lesson.name]}\n", style="bold"))
    shows[lesson.name](lesson)
