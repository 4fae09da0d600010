"""Options of ``seqscore words``: where words stand, what stands beside them, and what is joined to them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from seqscore.evaluation.data.dataset import Dataset
    from seqscore.evaluation.words.word_data import WordTextOptions
    from seqscore.evaluation.words.word_job import TableOptions

_DATA, _BESIDE, _JOIN = "Data", "Beside the scores", "Reading times"


@dataclass(frozen=True, kw_only=True)
class WordTextChoices:
    """Where texts and words stand."""

    column: Annotated[
        str | None, typer.Option(help="Column of texts, or a path into one: doc.text.", rich_help_panel=_DATA)
    ] = None
    context_column: Annotated[str | None, typer.Option(help="Column of contexts.", rich_help_panel=_DATA)] = None
    delimiter: Annotated[
        str,
        typer.Option(
            help="Between context and text: '', white space, or auto (a space where they would touch).",
            rich_help_panel=_DATA,
        ),
    ] = "auto"
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            help="ROLE=COLUMN, where the guess is wrong: words (a list), word, space, text, context; may be repeated.",
            rich_help_panel=_DATA,
        ),
    ] = None
    group: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns, with commas, that tell texts apart where a row of the data is a word.", rich_help_panel=_DATA
        ),
    ] = None
    regions: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns, with commas, that together make the text; words have their name in a column region.",
            rich_help_panel=_DATA,
        ),
    ] = None
    joiner: Annotated[
        str,
        typer.Option(help="Between words, or regions, without a text: white space, '' or auto.", rich_help_panel=_DATA),
    ] = " "
    context_from: Annotated[
        Literal["sentence", "passage"],
        typer.Option(
            help="A word is scored given the words before it in its sentence, or in its passage, too.",
            rich_help_panel=_DATA,
        ),
    ] = "sentence"
    passage: Annotated[
        list[str] | None,
        typer.Option(help="Columns that tell passages apart (CoNLL-U: its documents).", rich_help_panel=_DATA),
    ] = None

    def text_options(self) -> WordTextOptions:
        """As the library takes them."""
        from seqscore.cli.eval.commands import named_fields
        from seqscore.evaluation.words.word_data import WordTextOptions

        return WordTextOptions(
            fields=named_fields(self.field or [], {"text": self.column, "context": self.context_column}),
            delimiter=self.delimiter,
            group=names(self.group),
            regions=names(self.regions),
            joiner=self.joiner,
            context_from=self.context_from,
            passage=names(self.passage),
        )


@dataclass(frozen=True, kw_only=True)
class WordTableChoices:
    """What stands beside the scores."""

    spillover: Annotated[
        int, typer.Option(min=0, help="Values of so many words before, in columns.", rich_help_panel=_BESIDE)
    ] = 0
    spillover_of: Annotated[
        list[str] | None, typer.Option(help="Columns of the data to give of these, too.", rich_help_panel=_BESIDE)
    ] = None
    frequencies: Annotated[
        str | None,
        typer.Option(help="A table of words and their counts, or rates, for a log-frequency.", rich_help_panel=_BESIDE),
    ] = None
    frequency_field: Annotated[
        list[str] | None,
        typer.Option(help="word=COLUMN or count=COLUMN of it, where the guess is wrong.", rich_help_panel=_BESIDE),
    ] = None
    frequency_column: Annotated[
        str | None, typer.Option(help="Column of the data with each word's count or rate.", rich_help_panel=_BESIDE)
    ] = None
    frequency_log: Annotated[
        Literal["natural", "10"],
        typer.Option(help="Column log_frequency (natural), or log10_frequency (10).", rich_help_panel=_BESIDE),
    ] = "natural"
    join: Annotated[
        str | None,
        typer.Option(help="A table whose rows are joined to the words, as reading times.", rich_help_panel=_JOIN),
    ] = None
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns of both sides, with commas: item,position (item=STIM if it is called so there). Without a "
            "position, the rows of a text belong to its words in their order.",
            rich_help_panel=_JOIN,
        ),
    ] = None
    reader: Annotated[
        list[str] | None, typer.Option(help="Columns there that tell readers apart.", rich_help_panel=_JOIN)
    ] = None
    join_word: Annotated[
        str | None, typer.Option(help="Column of words there, to be compared.", rich_help_panel=_JOIN)
    ] = None
    match: Annotated[
        Literal["exact", "letters"],
        typer.Option(
            help="Words are the same: exact, or letters (whatever case, punctuation and Unicode form).",
            rich_help_panel=_JOIN,
        ),
    ] = "exact"

    @property
    def sources(self) -> list[str]:
        """The files besides the data."""
        return [one for one in (self.frequencies, self.join) if one is not None]

    def table_options(self, **more: Any) -> TableOptions:
        """As the library takes them; their files are opened."""
        from seqscore.cli.eval.commands import named_fields
        from seqscore.evaluation.words.word_job import TableOptions

        return TableOptions(
            spillover=self.spillover,
            spillover_of=names(self.spillover_of),
            frequencies=_opened(self.frequencies),
            frequency_fields=named_fields(self.frequency_field or [], {}),
            frequency_column=self.frequency_column,
            log_base=self.frequency_log,
            join=_opened(self.join),
            by=names(self.by),
            reader=names(self.reader),
            join_word=self.join_word,
            match=self.match,
            **more,
        )


def names(given: Sequence[str] | None) -> tuple[str, ...]:
    """The columns that are named with commas between them (one with a comma in its name in double quotes)."""
    return tuple(name for one in given or () for name in next(csv.reader([one], skipinitialspace=True), []))


def _opened(source: str | None) -> Dataset | None:
    from seqscore.cli.session import say
    from seqscore.evaluation.data.data_options import DataOptions
    from seqscore.evaluation.data.dataset import open_dataset

    return None if source is None else open_dataset([source], options=DataOptions(notify=say))
