"""Options that commands share."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import typer

from seqscore.output import formats

_MODEL, _SERVER, _CONVENTION, _OUTPUT, _OTHER = "Model", "Server", "Convention", "Output", "Other"

Model: TypeAlias = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="'default', a hub name, a local folder, a .gguf file, or a server: http://HOST:PORT/v1.",
        rich_help_panel=_MODEL,
    ),
]
Adapter: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="An adapter over the model (LoRA, IA3, prompts, by the library peft): a folder or hub name.",
        rich_help_panel=_MODEL,
    ),
]
Revision: TypeAlias = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of a hub model.", rich_help_panel=_MODEL)
]
Device: TypeAlias = Annotated[
    str, typer.Option(help="auto (CUDA if there is one), cpu, cuda, cuda:1, mps.", rich_help_panel=_MODEL)
]
Dtype: TypeAlias = Annotated[
    str, typer.Option(help="float32, bfloat16, float16 or float64; nothing else decides.", rich_help_panel=_MODEL)
]
Engine: TypeAlias = Annotated[
    str,
    typer.Option(
        help="auto, packed, cached, padded or reference; a named one never falls back.", rich_help_panel=_MODEL
    ),
]
BatchTokens: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="How many positions may run at once; bounds memory.", rich_help_panel=_MODEL)
]
Threads: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of a run (default: torch's number, or the container's).", rich_help_panel=_MODEL),
]
MaxLength: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, help="Read at most so many positions at once (default: the model's).", rich_help_panel=_MODEL),
]
SourceLanguage: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Of the context, for NLLB, mBART and M2M100: their name of it.", rich_help_panel=_MODEL),
]
TargetLanguage: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Of what is scored, likewise, as in fra_Latn.", rich_help_panel=_MODEL),
]
AllowPickle: TypeAlias = Annotated[
    bool, typer.Option("--allow-pickle", help="Read pickle weights too. Trusted files only.", rich_help_panel=_MODEL)
]
TrustRemoteCode: TypeAlias = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run Python code that the model brings.", rich_help_panel=_MODEL),
]
ServedModel: TypeAlias = Annotated[
    str | None, typer.Option(help="The server's model, where it has several.", rich_help_panel=_SERVER)
]
ServedTokenizer: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        help="The tokenizer of the server's model (a folder, default, a hub name): it is then sent token ids.",
        rich_help_panel=_SERVER,
    ),
]
Concurrency: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Requests under way at a server (default: 8).", rich_help_panel=_SERVER)
]
Timeout: TypeAlias = Annotated[
    float | None, typer.Option(help="Seconds for a server's answer (default: 300).", rich_help_panel=_SERVER)
]
Bos: TypeAlias = Annotated[
    str,
    typer.Option(
        help="Start token before a text: auto (BOS, else EOS), none, lm-eval, or a token.",
        rich_help_panel=_CONVENTION,
    ),
]
ScoreEos: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--score-eos",
        help="Score the model's end token behind every text too, a token more: --eos scored.",
        rich_help_panel=_CONVENTION,
    ),
]
Eos: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="none|scored|TOKEN",
        help="What is scored behind every text: nothing, the model's end token, or a special token or id.",
        rich_help_panel=_CONVENTION,
    ),
]
Long: TypeAlias = Annotated[
    Literal["windows", "truncate", "error"],
    typer.Option(
        help="Longer than the model's context: overlapping windows, truncate (counted) or error.",
        rich_help_panel=_CONVENTION,
    ),
]


def _boundary(value: str) -> str:
    """The value, checked before a model is loaded; by the library, which says what became of an earlier one."""
    from seqscore.policies import Policies

    Policies.of({"boundary": value})
    return value


Boundary: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        callback=_boundary,
        help="Where a token would reach over the end of the context: auto (context and text tokenised apart), lm-eval "
        "(its rule), healed (that token, given the context's bytes in it); separate: always apart.",
        rich_help_panel=_CONVENTION,
    ),
]
SpecialTokens: TypeAlias = Annotated[
    Literal["literal", "parse"],
    typer.Option(
        help="Text that spells a special token is ordinary text (literal) or that token (parse).",
        rich_help_panel=_CONVENTION,
    ),
]
Masking: TypeAlias = Annotated[
    Literal["original", "within-word-l2r", "whole-word"],
    typer.Option(
        help="Of a masked model: masked to score a token are that token, what follows of its word as well, or all of "
        "its word.",
        rich_help_panel=_CONVENTION,
    ),
]
Debug: TypeAlias = Annotated[
    bool, typer.Option("--debug", help="Show the details of a failure.", rich_help_panel=_OTHER)
]


def _known_format(value: str | None) -> str | None:
    """The value, checked before a model is loaded."""
    if value is not None and value not in formats.FORMATS:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(map(repr, formats.FORMATS))}.")
    return value


_FOR_PEOPLE = [name for name, one in formats.FORMATS.items() if one.for_people]

RowFormat: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar=f"<{'|'.join(formats.FORMATS)}>",
        callback=_known_format,
        help="Default: by the end of the name after -o, else table; "
        f"{', '.join(_FOR_PEOPLE[:-1])} and {_FOR_PEOPLE[-1]} are rounded.",
        rich_help_panel=_OUTPUT,
    ),
]
RunFormat: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar=f"<{'|'.join(formats.machine_formats())}>",
        callback=_known_format,
        help="Default: by the end of the name after -o, else jsonl.",
        rich_help_panel=_OUTPUT,
    ),
]
LogUnit: TypeAlias = Annotated[
    Literal["nats", "bits"], typer.Option("--unit", help="Unit of logarithms.", rich_help_panel=_OUTPUT)
]
KeepColumns: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-columns",
        "--keep",
        help="The input's other columns that go along: all, none or names with commas. Default: all; none for people.",
        rich_help_panel=_OUTPUT,
    ),
]
SignaturePlace: TypeAlias = Annotated[
    Literal["once", "rows", "none"],
    typer.Option(
        "--signature",
        help="Once (Parquet's metadata, NAME.meta.json, standard error), in every row, or nowhere.",
        rich_help_panel=_OUTPUT,
    ),
]
QuoteFormulas: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--quote-formulas",
        help="In CSV and TSV, an apostrophe before text that a spreadsheet would compute.",
        rich_help_panel=_OUTPUT,
    ),
]
