"""``seqscore explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqscore.cli import options, reading
from seqscore.cli.option_groups import ConventionOptions, RunningOptions, with_groups
from seqscore.errors import OptionError


@with_groups
def explain(
    *,
    lesson: Annotated[
        Literal["all", "product", "exponential", "axes"], typer.Argument(help="Which role of the logarithm.")
    ] = "all",
    texts: Annotated[
        list[str] | None, typer.Argument(help="Your own texts; - reads standard input. Default: a short story.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", help="A file of your own texts, one a line or a row.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of texts in a file with columns.")] = None,
    each: Annotated[
        bool, typer.Option("--each", help="Explain with each text by itself, not with all of them as one.")
    ] = False,
    rows: reading.TextOptions,
    figures: Annotated[Path | None, typer.Option(help="Draw the figures into this folder.")] = None,
    picture: Annotated[Literal["png", "svg", "both"], typer.Option(help="Kind of picture.")] = "both",
    output_format: Annotated[
        Literal["table", "jsonl"], typer.Option("--format", help="jsonl holds full precision.")
    ] = "table",
    loading: RunningOptions,
    conventions: ConventionOptions,
    debug: options.Debug = False,
) -> int:
    """The three roles of the logarithm, with the numbers of the model: on a short story, or on your texts.

    product: a product of probabilities becomes a sum, which does not underflow. exponential: log-softmax, where softmax
    overflows, and its gradient. axes: what spans powers of ten becomes visible (this one trains a tiny model, seconds).
    """
    from seqscore.cli.session import say
    from seqscore.evaluation.data.texts import InputOptions, only_texts, open_inputs
    from seqscore.explain.example import EXAMPLE_TEXTS
    from seqscore.explain.figures.lesson_figures import save_lesson
    from seqscore.explain.lessons import LESSONS, teach
    from seqscore.explain.tables import show_lesson, write_lesson_json
    from seqscore.output.plots.saving import picture_folder

    given = list(EXAMPLE_TEXTS)
    if texts or file:
        asked = InputOptions(column=column, data=rows.data_options())
        given = only_texts(open_inputs(texts or [], file or [], options=asked))
    if figures is not None:
        if each and len(given) != 1:
            raise OptionError(f"--figures with --each draws one text, got {len(given)}")
        picture_folder(figures)
    scorer = loading.open_scorer()
    for together in [[text] for text in given] if each else [given]:
        for name in LESSONS if lesson == "all" else (lesson,):
            found = teach(name, scorer, together, **conventions.policies())
            (show_lesson if output_format == "table" else write_lesson_json)(found)
            if figures is not None:
                for path in save_lesson(found, figures, picture):
                    say(f"wrote {path}")
    return 0
