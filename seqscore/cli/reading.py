"""Options that say which data are read and how; the same for every command that reads any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from seqscore.evaluation.data.data_options import DataOptions

_DATA = "Data"

IdColumn: TypeAlias = Annotated[
    str | None, typer.Option(help="Column of row ids; ids may repeat.", rich_help_panel=_DATA)
]
WholeFile: TypeAlias = Annotated[
    bool, typer.Option("--whole-file", help="A file of text is one row.", rich_help_panel=_DATA)
]
Limit: TypeAlias = Annotated[
    int | None, typer.Option(help="Only the first so many rows, over all files.", rich_help_panel=_DATA)
]
Split: TypeAlias = Annotated[str | None, typer.Option(help="Split of a hub dataset.", rich_help_panel=_DATA)]
Config: TypeAlias = Annotated[str | None, typer.Option(help="Configuration of a hub dataset.", rich_help_panel=_DATA)]
DataRevision: TypeAlias = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of a hub dataset.", rich_help_panel=_DATA)
]
ReadAs: TypeAlias = Annotated[
    Literal["text", "json", "jsonl", "csv", "tsv", "parquet", "arrow", "conllu"] | None,
    typer.Option(help="Kind of the files, where the end of their names does not say it.", rich_help_panel=_DATA),
]
Encoding: TypeAlias = Annotated[
    str, typer.Option(help="Of text files: utf-16, latin-1, cp1252, gb18030, ...", rich_help_panel=_DATA)
]
FieldSeparator: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Between fields of CSV: a character, or tab, semicolon, space.", rich_help_panel=_DATA),
]
Quoting: TypeAlias = Annotated[
    Literal["auto", "standard", "none"],
    typer.Option(
        help="Quotation marks in CSV and TSV enclose fields (standard) or are text (none).", rich_help_panel=_DATA
    ),
]
EmptyCells: TypeAlias = Annotated[
    Literal["error", "text"],
    typer.Option(help="An empty cell, or NA: a row without a text (error), or a text.", rich_help_panel=_DATA),
]


@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """How files of texts are read."""

    whole_file: WholeFile = False
    limit: Limit = None
    read_as: ReadAs = None
    encoding: Encoding = "utf-8"
    field_separator: FieldSeparator = None
    quoting: Quoting = "auto"

    def data_options(self) -> DataOptions:
        """As the library takes them; notices go to standard error."""
        return data_options(vars(self))


@dataclass(frozen=True, kw_only=True)
class RowOptions(TextOptions):
    """How rows of tables and datasets are read."""

    id_column: IdColumn = None
    split: Split = None
    config: Config = None
    data_revision: DataRevision = None
    empty_cells: EmptyCells = "error"


_NAMES = "id_column whole_file limit split config read_as encoding field_separator quoting empty_cells".split()


def data_options(given: Mapping[str, Any]) -> DataOptions:
    """How data are read, by the options of a command among ``given``; notices go to standard error."""
    from seqscore.cli.session import say
    from seqscore.evaluation.data.data_options import DataOptions

    found = {name: given[name] for name in _NAMES if name in given}
    return DataOptions(**found, revision=given.get("data_revision"), notify=say)
