"""``seqscore explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqscore.cli import options, reading


def explain(
    lesson: Annotated[
        Literal["all", "product", "exponential", "axes"], typer.Argument(help="Which role of the logarithm.")
    ] = "all",
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", help="A file of your own texts, one a line or a row.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of texts in a file with columns.")] = None,
    limit: reading.Limit = None,
    read_as: reading.ReadAs = None,
    encoding: reading.Encoding = "utf-8",
    field_separator: reading.FieldSeparator = None,
    quoting: reading.Quoting = "auto",
    text: Annotated[list[str] | None, typer.Option("--text", help="Your own text; may be repeated.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Draw the figures into this folder.")] = None,
    picture: Annotated[Literal["png", "svg", "both"], typer.Option(help="Kind of picture.")] = "both",
    output_format: Annotated[
        Literal["table", "jsonl"], typer.Option("--format", help="jsonl holds full precision.")
    ] = "table",
    model: options.Model = "default",
    revision: options.Revision = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    engine: options.Engine = "auto",
    batch_tokens: options.BatchTokens = None,
    threads: options.Threads = None,
    max_length: options.MaxLength = None,
    allow_pickle: options.AllowPickle = False,
    trust_remote_code: options.TrustRemoteCode = False,
    bos: options.Bos = "auto",
    special_tokens: options.SpecialTokens = "literal",
    debug: options.Debug = False,
) -> int:
    """The three roles of the logarithm, with the numbers of the model: on a short story, or on your texts.

    product: a product of probabilities becomes a sum, which does not underflow. exponential: log-softmax, where softmax
    overflows, and its gradient. axes: what spans powers of ten becomes visible (this one trains a tiny model, seconds).
    """
    given = dict(locals())
    from seqscore.cli.session import open_scorer, say
    from seqscore.evaluate.data.texts import InputOptions, only_texts, open_inputs
    from seqscore.explain.example import EXAMPLE_TEXTS
    from seqscore.explain.figures.lesson_figures import save_lesson
    from seqscore.explain.lessons import LESSONS, teach
    from seqscore.explain.tables import show_lesson, write_lesson_json
    from seqscore.output.plots.saving import picture_folder

    texts = list(EXAMPLE_TEXTS)
    if text or file:
        texts = only_texts(
            open_inputs(text or [], file or [], options=InputOptions(column=column, data=reading.data_options(given)))
        )
    if figures is not None:
        picture_folder(figures)
    scorer = open_scorer(
        model=model,
        revision=revision,
        device=device,
        dtype=dtype,
        engine=engine,
        batch_tokens=batch_tokens,
        threads=threads,
        max_length=max_length,
        allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
    )
    for name in LESSONS if lesson == "all" else (lesson,):
        found = teach(name, scorer, texts, bos=bos, special_tokens=special_tokens)
        (show_lesson if output_format == "table" else write_lesson_json)(found)
        if figures is not None:
            for path in save_lesson(found, figures, picture):
                say(f"wrote {path}")
    return 0
