"""Sentences of CoNLL-U (https://universaldependencies.org/format.html), a row each, read by the library conllu."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from seqscore.errors import InputError
from seqscore.evaluation.data.data_options import DataOptions
from seqscore.evaluation.data.lines import texts_of
from seqscore.evaluation.data.records import Record

_COLUMNS = ("lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_GLOBAL, _PLACES = "# global.columns", ("newdoc", "newpar", "newdoc id", "newpar id", "global.columns")


def read_conllu(stream: BinaryIO, name: str, options: DataOptions) -> Iterator[Record | InputError]:
    """The sentences in order, with their surface words; an error stands for a bad one.

    A row has ``sent_id``, ``text`` (the comment, else the words as ``SpaceAfter`` joins them), ``newdoc`` and
    ``newpar`` (the id of the document and the paragraph, else its number; null before the first), every other
    comment, and ``words``: objects of ``word``, ``space_after``, ``conllu_id`` and the columns of the format as texts.
    A multiword token is one word, the columns of its parts joined by ``+``; empty nodes are left out.

    Raises:
        InputError: the stream cannot be read.
    """
    places, columns = _Places(), None
    for where, lines in _sentences(stream, name, options):
        if isinstance(lines, InputError):
            yield lines
            continue
        columns = next((_global_columns(one) for one in lines if one.startswith(_GLOBAL)), columns)
        try:
            yield _record(where, lines, columns, places)
        except InputError as error:
            yield error


def _sentences(stream: BinaryIO, name: str, options: DataOptions) -> Iterator[tuple[str, list[str] | InputError]]:
    """Lines up to an empty one, with the place of the first."""
    first, found, size, fault = "", list[str](), 0, None
    for where, line in texts_of(stream, name, limit=options.max_line_bytes, encoding=options.encoding):
        if isinstance(line, str) and not line.strip():
            if found or fault:
                yield first, fault or found
            first, found, size, fault = "", [], 0, None
            continue
        first = first or where
        size += len(line) if isinstance(line, str) else 0
        if isinstance(line, InputError):
            fault = fault or line
        elif size <= options.max_line_bytes:
            found.append(line)
        else:
            fault = fault or InputError(f"{first}: the sentence has more than {options.max_line_bytes:,} characters")
    if found or fault:
        yield first, fault or found


def _global_columns(line: str) -> tuple[str, ...]:
    return tuple(line.partition("=")[2].lower().split())


@dataclass(slots=True)
class _Places:
    """Which document and paragraph a sentence stands in."""

    document: str | None = None
    paragraph: str | None = None
    counts: dict[str, int] = field(default_factory=lambda: {"newdoc": 0, "newpar": 0})

    def enter(self, comments: Mapping[str, Any]) -> None:
        """Take the borders before a sentence."""
        document, paragraph = self._begun("newdoc", comments), self._begun("newpar", comments)
        if document is not None:
            self.document, self.paragraph = document, None
        if paragraph is not None:
            self.paragraph = paragraph

    def _begun(self, what: str, comments: Mapping[str, Any]) -> str | None:
        if what not in comments and f"{what} id" not in comments:
            return None
        self.counts[what] += 1
        return str(comments.get(f"{what} id") or self.counts[what])


def _record(where: str, lines: Sequence[str], columns: Sequence[str] | None, places: _Places) -> Record:
    from conllu.exceptions import ParseException
    from conllu.parser import parse_token_and_metadata

    if any("\t" in line and "  " in line for line in lines if not line.startswith("#")):
        raise InputError(f"{where}: a field has two spaces on end, which the reader takes for the end of a field")
    raw = {name: lambda line, place: None if line[place] in ("", "_") else line[place] for name in _COLUMNS}
    try:
        tokens = parse_token_and_metadata("\n".join(lines), fields=columns, field_parsers=raw)
    except (ParseException, ValueError) as error:
        raise InputError(f"{where}: the sentence is not CoNLL-U: {error}") from error
    comments = dict(tokens.metadata)
    places.enter(comments)
    words = list(_words(where, tokens))
    if not words:
        raise InputError(f"{where}: the sentence has no word")
    text = comments.pop("text", None) or _joined(words)
    others = {name: value for name, value in comments.items() if name not in _PLACES}
    found = {"sent_id": others.pop("sent_id", None), "text": text, "newdoc": places.document}
    return Record(where, {**found, "newpar": places.paragraph, **others, "words": words})


def _words(where: str, tokens: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The surface words: multiword tokens instead of their parts."""
    parts = {token["id"]: token for token in tokens if isinstance(token.get("id"), int)}
    last = covered = 0
    for token in tokens:
        number = token.get("id")
        if number is None or "form" not in token:
            raise InputError(f"{where}: a line has no {'id' if number is None else 'form'}; expected the ten columns")
        if isinstance(number, int):
            if number != last + 1:
                raise InputError(f"{where}: word {number} stands behind word {last}; expected {last + 1}")
            last = number
            if number > covered:
                yield _word(token, str(number), [token])
        elif number[1] == "-":  # else an empty node
            first, covered = number[0], number[2]
            if first != last + 1 or covered not in parts:
                raise InputError(f"{where}: the words of the multiword token {first}-{covered} do not stand behind it")
            yield _word(token, f"{first}-{covered}", [parts[one] for one in range(first, covered + 1) if one in parts])


def _word(token: Mapping[str, Any], number: str, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    misc = token.get("misc") or ""
    found = {"word": token["form"], "space_after": "SpaceAfter=No" not in misc.split("|"), "conllu_id": number}
    named = {name: [one.get(name) for one in parts] for name in _COLUMNS}
    named["misc"] = [token.get("misc")]
    return {**found, **{name: _together(values) for name, values in named.items()}}


def _together(values: Sequence[str | None]) -> str | None:
    if not any(values):
        return None
    return "+".join(value or "_" for value in values)


def _joined(words: Sequence[Mapping[str, Any]]) -> str:
    last = len(words) - 1
    return "".join(
        word["word"] + (" " if word["space_after"] and place < last else "") for place, word in enumerate(words)
    )
