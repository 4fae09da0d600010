"""The earlier sentences of a passage as the context of each sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from seqscore.errors import InputError, SeqscoreError
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.words.word_texts import Adjacent, WordItem, WordText, failed, key_of
from seqscore.text.joins import DELIMITER_AUTO, delimiter_between

_LONGEST = 2**20  # characters: the contexts of a passage come to the square of its length


def in_passages(texts: Iterable[WordItem], names: Sequence[str]) -> Iterator[WordItem]:
    """The texts in order, each with all earlier ones of its passage as context.

    A passage is the texts that have the same values in the columns ``names``, which must stand together. Between two
    texts stands what the data say (``WordText.after``), else a space where they would touch, none in scripts that write
    none. Where a text cannot be read, those behind it in its passage have no context that is right, and fail as well.

    Raises:
        InputError: a passage comes apart, or is longer than 1,048,576 characters.
    """
    passages = Adjacent("passage", names)
    key: tuple[str, ...] | None = None
    before, after, fault = "", None, None
    stray: SeqscoreError | None = None  # of a row whose passage is not known: this one or the next
    for item in texts:
        own = _passage_of(item, names)
        if isinstance(own, SeqscoreError):
            stray = own
            yield failed(item, own) if isinstance(item, WordText) else item
            continue
        if own != key:
            passages.enter(own, _where(item))
            key, before, after, fault = own, "", None, None
        fault, stray = stray or fault, None
        if isinstance(item, Problem):
            fault = item.error
            yield item
        elif fault is not None:
            yield failed(item, InputError(f"{item.where}: an earlier row of its passage has an error: {fault.message}"))
        else:
            yield replace(_behind(item, before, after), passage=own)
            before, after = _with(before, after, item), item.after


def _passage_of(item: WordItem, names: Sequence[str]) -> tuple[str, ...] | SeqscoreError:
    try:
        return key_of(item.columns, names, _where(item))
    except InputError as error:
        return item.error if isinstance(item, Problem) else error


def _where(item: WordItem) -> str:
    return f"row {item.number}" if isinstance(item, Problem) else item.where


def _behind(item: WordText, before: str, after: str | None) -> WordText:
    return item if not before else replace(item, context=before, delimiter=DELIMITER_AUTO if after is None else after)


def _with(before: str, after: str | None, item: WordText) -> str:
    delimiter = delimiter_between(before, item.text) if after is None else after if before else ""
    found = before + delimiter + item.text
    if len(found) > _LONGEST:
        raise InputError(
            f"{item.where}: its passage is longer than {_LONGEST:,} characters; name columns that tell shorter "
            f"ones apart"
        )
    return found
