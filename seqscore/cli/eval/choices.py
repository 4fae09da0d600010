"""``seqscore eval choices``."""

from __future__ import annotations

from pathlib import Path
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
def choices(
    shared: SimpleNamespace,
    delimiter: Annotated[
        str,
        typer.Option(help="Between context and choice; auto: a space where they would touch.", rich_help_panel=_TASK),
    ] = "auto",
    few_shot: Annotated[
        Path | None,
        typer.Option(help="A file of text that stands before every context.", rich_help_panel=_TASK),
    ] = None,
    domain_context: Annotated[
        str | None,
        typer.Option(help="Context of the domain-conditional PMI, such as 'Answer:'.", rich_help_panel=_TASK),
    ] = None,
    pmi: Annotated[
        bool, typer.Option("--pmi/--no-pmi", help="Also score choices without context.", rich_help_panel=_TASK)
    ] = True,
    gold_from: Annotated[
        Literal["auto", "0", "1"],
        typer.Option(help="What numbers of right choices count from; auto: as they say.", rich_help_panel=_TASK),
    ] = "auto",
) -> int:
    """Multiple choice: accuracy by sum, per token, character and byte, and by PMI; calibration."""

    def make(fields: Fields, scorer: Scorer) -> Task:
        from seqscore.evaluate.data.encoding import known_encoding
        from seqscore.evaluate.data.lines import read_whole
        from seqscore.evaluate.data.streams import open_bytes
        from seqscore.evaluate.tasks.choices import ChoicesTask

        prefix = ""
        if few_shot is not None:
            with open_bytes(str(few_shot)) as stream:
                prefix = read_whole(
                    stream, repr(str(few_shot)), limit=16 * 2**20, encoding=known_encoding(shared.encoding)
                )
        return ChoicesTask(
            fields=fields,
            delimiter=delimiter,
            prefix=prefix,
            domain_context=domain_context,
            gold_from=gold_from,
            unconditional=pmi,
        )

    return evaluate_task(shared, "choices", make)
