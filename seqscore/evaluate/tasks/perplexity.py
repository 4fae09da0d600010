"""Perplexity of texts, or of continuations behind their contexts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from seqscore.errors import InputError, OptionError
from seqscore.evaluate.data.conversations import is_conversation
from seqscore.evaluate.data.dataset import DataRow, Dataset
from seqscore.evaluate.data.fields import Fields
from seqscore.evaluate.data.records import Column, kind_of_value
from seqscore.evaluate.tasks.base import (
    Entry,
    Measure,
    RowValues,
    Stored,
    TaskItem,
    TaskRow,
    entries_of,
    joined,
    settings_of,
)
from seqscore.scores.reductions import exp
from seqscore.text.items import Chat, check_delimiter
from seqscore.text.joins import DELIMITER_AUTO

_NOTHING_SCORED = "nothing of the text is scored: it is empty, or nothing stands before its only token"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerplexityTask:
    """Log-likelihood of every text, and of the corpus per token, per word (a run without white space) and per byte.

    With contexts also: whether greedy decoding gives the continuation (accuracy), and exp of the mean negative
    log-likelihood of a whole continuation (item_perplexity, which lm-eval calls the perplexity of LAMBADA).
    The same of conversations: of all turns of the assistant, each given everything before it.
    """

    name: ClassVar[str] = "perplexity"
    needs_start_token: ClassVar[str] = ""

    fields: Fields
    delimiter: str = DELIMITER_AUTO

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)
        if self._has_messages and self.delimiter != DELIMITER_AUTO:
            raise OptionError(f"delimiter={self.delimiter!r}: the chat template says what stands between messages")

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the numbers depend on besides model and data."""
        return settings_of(self)

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """One item a row."""
        return entries_of(dataset, self._row, context=self.fields.columns.get("context"))

    def _row(self, row: DataRow) -> TaskRow:
        if self._has_messages:
            return TaskRow(items=(_conversation(row, self.fields["messages"]),))
        column = self.fields["text"]
        if is_conversation(row.at(column)):
            raise InputError(
                f"{row.where}: column {column!r} holds a conversation; name it with --field messages={column}"
            )
        text = row.text(column)
        context = row.context(self.fields["context"]) if self._has_context else None
        item = text if context is None else joined(context, text, self.delimiter)
        return TaskRow(items=(item_of("text", item, text),))

    @property
    def _has_context(self) -> bool:
        return "context" in self.fields

    @property
    def _has_messages(self) -> bool:
        return "messages" in self.fields

    def measures(self) -> Sequence[Measure]:
        """Per token, word and byte; of continuations also how often they are what greedy decoding gives."""
        many, one = ("conversations", "conversation") if self._has_messages else ("texts", "continuation")
        continuations = (
            Measure(name="accuracy", figure="ratio", unit=f"share of {many}", method="wilson", better="higher"),
            Measure(name="item_perplexity", figure="perplexity", unit=f"per {one}"),
        )
        return (
            *(continuations if self._has_context or self._has_messages else ()),
            Measure(name="perplexity", figure="perplexity", unit="per token", left_out=_NOTHING_SCORED),
            Measure(name="word_perplexity", figure="perplexity", unit="per word"),
            Measure(name="byte_perplexity", figure="perplexity", unit="per byte"),
            Measure(name="bits_per_byte", figure="ratio", unit="bits"),
            Measure(name="mean_perplexity", figure="ratio", unit="mean of the texts'"),
        )

    def values(self, row: Stored) -> RowValues:
        """Sums of one text; a text of which nothing is scored adds nothing."""
        (item,) = row["items"]
        total, scored, size = item["log_likelihood"], item["num_scored"], item["num_bytes_scored"]
        if not scored:
            return {}
        found = {
            "perplexity": (total, float(scored)),
            "word_perplexity": (total, float(item["num_words"])),
            "byte_perplexity": (total, float(size)),
            "bits_per_byte": (-total / math.log(2), float(size)),
            "mean_perplexity": (exp(-total / scored), 1.0),
        }
        if self._has_context or self._has_messages:
            found["accuracy"] = (float(item["is_greedy"]), 1.0)
            found["item_perplexity"] = (total, 1.0)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterTask:
    """Perplexity of every row, by which the rows of the input can be sorted out."""

    name: ClassVar[str] = "filter"
    needs_start_token: ClassVar[str] = ""

    fields: Fields

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the numbers depend on besides model and data."""
        return settings_of(self)

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """One item a row."""
        return entries_of(dataset, self._row)

    def _row(self, row: DataRow) -> TaskRow:
        text = row.text(self.fields["text"])
        return TaskRow(items=(item_of("text", text, text),))

    def measures(self) -> Sequence[Measure]:
        """Of the rows before they are sorted out."""
        return (
            Measure(name="perplexity", figure="perplexity", unit="per token", left_out=_NOTHING_SCORED),
            Measure(name="bits_per_byte", figure="ratio", unit="bits"),
        )

    def values(self, row: Stored) -> RowValues:
        """Sums of one row."""
        (item,) = row["items"]
        if not item["num_scored"]:
            return {}
        total = item["log_likelihood"]
        return {
            "perplexity": (total, float(item["num_scored"])),
            "bits_per_byte": (-total / math.log(2), float(item["num_bytes_scored"])),
        }


def item_of(role: str, item: Any, text: str, **more: Any) -> TaskItem:
    """An item whose characters, bytes and words are those of ``text``."""
    size = len(text.encode("utf-8", "surrogatepass"))
    return TaskItem(role=role, item=item, num_chars=len(text), num_bytes=size, num_words=len(text.split()), **more)


def _conversation(row: DataRow, column: Column) -> TaskItem:
    """An item of which the assistant's turns are scored; its characters, bytes and words are theirs."""
    value = row.at(column)
    if not is_conversation(value):
        found = "empty" if row.record.is_missing(value) or value == [] else kind_of_value(value)
        raise InputError(f"{row.where}: column {column!r} is {found}; expected messages with a role and a content")
    said = [one.get("content") for one in value if one["role"] == "assistant"]
    parts = [item_of("text", one, one) for one in said if isinstance(one, str)]  # of others the scorer tells
    return TaskItem(
        role="text",
        item=Chat(value),
        num_chars=sum(part.num_chars for part in parts),
        num_bytes=sum(part.num_bytes for part in parts),
        num_words=sum(part.num_words for part in parts),
    )
