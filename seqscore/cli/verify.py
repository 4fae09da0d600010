"""``seqscore verify``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from seqscore.cli import options


def verify(
    output_format: Annotated[
        Literal["table", "jsonl"], typer.Option("--format", help="jsonl holds full precision.")
    ] = "table",
    model: options.Model = "default",
    revision: options.Revision = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    engine: options.Engine = "auto",
    batch_tokens: options.BatchTokens = None,
    max_length: options.MaxLength = None,
    allow_pickle: options.AllowPickle = False,
    trust_remote_code: options.TrustRemoteCode = False,
    debug: options.Debug = False,
) -> int:
    """Measure the promises on this machine and model: right, same bits, fast, small.

    Error against float64; the same bits in any company, order, pack size and number of threads; throughput beside what
    matrix products alone would take; peak memory; what other dtypes cost. Exit status 1 where a promise is broken.
    """
    from seqscore.cli.session import open_scorer, say
    from seqscore.output.verification import print_verification, write_verification_json
    from seqscore.verify.verification import verify as measure

    found = measure(
        lambda wanted: open_scorer(
            model=model,
            revision=revision,
            device=device,
            dtype=wanted,
            engine=engine,
            batch_tokens=batch_tokens,
            max_length=max_length,
            allow_pickle=allow_pickle,
            trust_remote_code=trust_remote_code,
        ),
        dtype=dtype,
        tell=say,
    )
    show = print_verification if output_format == "table" else write_verification_json
    show(found)
    return 0 if found.is_kept else 1
