"""``seqscore eval perplexity``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seqscore.cli.eval.shared import evaluate_task, with_shared_options

if TYPE_CHECKING:
    from seqscore.evaluate.data.fields import Fields
    from seqscore.evaluate.tasks.base import Task
    from seqscore.scorer import Scorer

_TASK = "Task"


@with_shared_options
def perplexity(
    shared: SimpleNamespace,
    column: Annotated[
        str | None,
        typer.Option(help="Column of texts; of conversations: --field messages=COLUMN.", rich_help_panel=_TASK),
    ] = None,
    context_column: Annotated[
        str | None, typer.Option(help="Column of contexts, which are not scored.", rich_help_panel=_TASK)
    ] = None,
    delimiter: Annotated[
        str,
        typer.Option(help="Between context and text; auto: a space where they would touch.", rich_help_panel=_TASK),
    ] = "auto",
    protocol: Annotated[
        Literal["lm-eval", "transformers", "gptq", "llama.cpp", "evaluate"] | None,
        typer.Option(help="Perplexity as this tool defines it.", rich_help_panel=_TASK),
    ] = None,
    window: Annotated[int | None, typer.Option(help="Positions of a protocol's window.", rich_help_panel=_TASK)] = None,
    stride: Annotated[
        int | None, typer.Option(help="Of protocol transformers; default: the window.", rich_help_panel=_TASK)
    ] = None,
) -> int:
    """Perplexity of texts: per token, word and byte, or as another tool defines it."""
    from seqscore.errors import OptionError

    if protocol is None and (window is not None or stride is not None):
        raise OptionError("--window and --stride belong to a --protocol")

    def make(fields: Fields, scorer: Scorer) -> Task:
        from seqscore.evaluate.tasks.perplexity import PerplexityTask
        from seqscore.evaluate.tasks.protocol import ProtocolTask, protocol_settings

        if protocol is None:
            return PerplexityTask(fields=fields, delimiter=delimiter)
        if "context" in fields or "messages" in fields:
            raise OptionError(f"protocol {protocol!r} reads whole texts; it has no contexts and no conversations")
        settings = protocol_settings(protocol, scorer, window=window, stride=stride)
        return ProtocolTask(fields=fields, protocol=settings, tokenizer=scorer.description.tokenizer)

    from seqscore.evaluate.tasks.protocol import PROTOCOL_POLICIES

    return evaluate_task(
        shared,
        "perplexity",
        make,
        fields={"text": column, "context": context_column},
        policies=None if protocol is None else PROTOCOL_POLICIES,
    )
