"""``seqscore underflow``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seqscore.cli import options, reading
from seqscore.errors import OptionError


def underflow(
    texts: Annotated[list[str] | None, typer.Argument(help="The text; - reads standard input.")] = None,
    file: Annotated[list[str] | None, typer.Option("--file", "-f", help="A file with a text a line.")] = None,
    column: Annotated[str | None, typer.Option(help="Column of texts in a file with columns.")] = None,
    limit: reading.Limit = None,
    whole_file: reading.WholeFile = False,
    read_as: reading.ReadAs = None,
    encoding: reading.Encoding = "utf-8",
    field_separator: reading.FieldSeparator = None,
    quoting: reading.Quoting = "auto",
    plot: Annotated[Path | None, typer.Option(help="Draw the products here (.png or .svg).")] = None,
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
    long: options.Long = "windows",
    special_tokens: options.SpecialTokens = "literal",
    debug: options.Debug = False,
) -> int:
    """The naive product of token probabilities beside the sum of their logarithms.

    Shows at which token the product becomes subnormal and then zero in float16, bfloat16, float32 and float64, what
    perplexity it would give, and the true one.
    """
    given = dict(locals())
    from seqscore.cli.session import open_scorer, say
    from seqscore.evaluate.data.texts import InputOptions, only_texts, open_inputs
    from seqscore.explain.product import underflow_lesson
    from seqscore.explain.tables import print_underflow, write_lesson_json

    if plot is not None:
        from seqscore.output.plots.canvas import check_picture

        check_picture(plot)
    asked = InputOptions(column=column, data=reading.data_options(given))
    found = only_texts(open_inputs(texts or [], file or [], options=asked))
    if plot is not None and len(found) != 1:
        raise OptionError(f"--plot draws one text, got {len(found)}")
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
    for text in found:
        lesson = underflow_lesson(scorer, text, bos=bos, long=long, special_tokens=special_tokens)
        if output_format == "table":
            print_underflow(lesson)
        else:
            write_lesson_json(lesson)
        if plot is not None:
            from seqscore.explain.figures.underflow_figure import plot_underflow

            plot_underflow(lesson.products, plot)
            say(f"wrote {plot}")
    return 0
