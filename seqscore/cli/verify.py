"""``seqscore verify``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from seqscore.cli import options
from seqscore.cli.option_groups import ModelOptions, with_groups


@with_groups
def verify(
    *,
    output_format: Annotated[
        Literal["table", "jsonl"], typer.Option("--format", help="jsonl holds full precision.")
    ] = "table",
    loading: ModelOptions,
    debug: options.Debug = False,
) -> int:
    """Measure the promises on this machine and model: right, same bits, fast, small.

    Error against float64; the same bits in any company, order, pack size and number of threads; throughput beside what
    matrix products alone would take; peak memory; what other dtypes cost. Exit status 1 where a promise is broken.
    """
    from seqscore.cli.session import say
    from seqscore.output.verification import print_verification, write_verification_json
    from seqscore.verify.verification import verify as measure

    found = measure(lambda dtype: loading.open_scorer(dtype=dtype), dtype=loading.dtype, tell=say)
    show = print_verification if output_format == "table" else write_verification_json
    show(found)
    return 0 if found.is_kept else 1
