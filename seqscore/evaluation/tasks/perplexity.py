"""Perplexity of texts, or of continuations behind their contexts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.column_names import CONTEXT, TARGET, TEXT
from seqscore.evaluation.data.conversations import MESSAGES, is_conversation
from seqscore.evaluation.data.dataset import DataRow, Dataset
from seqscore.evaluation.data.fields import Fields, Form, ranked
from seqscore.evaluation.data.records import Column, kind_of_value
from seqscore.evaluation.tasks.base import Option, Task, option
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.protocol_task import ProtocolTask, protocol_settings, stored_protocol
from seqscore.evaluation.tasks.protocol_windows import ProtocolName
from seqscore.evaluation.tasks.rows import LENGTHS, Entry, Stored, TaskItem, TaskRow, entries_of, item_of, joined
from seqscore.scores.reductions import exp
from seqscore.text.items import Chat, check_delimiter
from seqscore.text.joins import DELIMITER_AUTO

if TYPE_CHECKING:
    from seqscore.scorer import Scorer

NOTHING_SCORED = "nothing of the text is scored: it is empty, or nothing stands before its only token"

NO_GREEDY = "nothing of it is scored, or the model does not say which tokens greedy decoding gives"

_TEXTS = Form(required={"text": (TEXT, TARGET)}, optional={"context": ()})


@dataclass(frozen=True, slots=True, kw_only=True)
class PerplexityTask(Task):
    """Log-likelihood of every text, and of the corpus per token, per word (a run without white space) and per byte.

    With contexts also: whether greedy decoding gives the continuation (accuracy), and exp of the mean negative
    log-likelihood of a whole continuation (item_perplexity, which lm-eval calls the perplexity of LAMBADA).
    The same of conversations: of all turns of the assistant, each given everything before it.
    """

    name: ClassVar[str] = "perplexity"
    about: ClassVar[str] = "Perplexity of texts: per token, word and byte, or as another tool defines it."
    forms: ClassVar[tuple[Form, ...]] = (
        Form(required={"text": (TARGET,), "context": ranked(*CONTEXT)}),
        _TEXTS,
        Form(required={"messages": ((MESSAGES,),)}),
        _TEXTS,  # where none fits, the last is the one that a message is about
    )
    column_options: ClassVar[Mapping[str, Option]] = {
        "text": Option("Column of texts; of conversations: --field messages=COLUMN.", "--column"),
        "context": Option("Column of contexts, which are not scored.", "--context-column"),
    }
    single_item: ClassVar[bool] = True
    compared_by: ClassVar[tuple[str, ...]] = ("protocol",)
    kept_roles: ClassVar[frozenset[str]] = frozenset({"messages"})  # stored is what the chat template makes of them

    delimiter: str = option(DELIMITER_AUTO, "Between context and text; auto: a space where they would touch.")
    protocol: ProtocolName | None = option(None, "Perplexity as this tool defines it.")
    window: int | None = option(None, "Positions of a protocol's window.")
    stride: int | None = option(None, "Of protocol transformers; default: the window.")

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)
        if self._has_messages and self.delimiter != DELIMITER_AUTO:
            raise OptionError(f"delimiter={self.delimiter!r}: the chat template says what stands between messages")
        if self.protocol is None and (self.window is not None or self.stride is not None):
            raise OptionError("window= and stride= (--window, --stride) belong to a protocol (--protocol)")
        if self.protocol is not None and (self._has_context or self._has_messages):
            raise OptionError(f"protocol {self.protocol!r} reads whole texts; it has no contexts and no conversations")

    @classmethod
    def stored(cls, fields: Fields, settings: Mapping[str, Any]) -> Task:
        """This task, or that of the protocol which the settings name."""
        return cls(fields=fields, **settings) if settings.get("protocol") is None else stored_protocol(fields, settings)

    def for_scorer(self, scorer: Scorer) -> Task:
        """With a protocol, the task of the windows that it lays over this model and tokenizer."""
        if self.protocol is None:
            return self
        settings = protocol_settings(self.protocol, scorer, window=self.window, stride=self.stride)
        return ProtocolTask(fields=self.fields, protocol=settings, tokenizer=scorer.tokenizer)

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """One item a row."""
        return entries_of(dataset, self._row, context=self.fields.columns.get("context"))

    def _row(self, row: DataRow) -> TaskRow:
        if self._has_messages:
            return TaskRow(items=(_conversation(row, self.fields["messages"]),))
        column = self.fields["text"]
        if is_conversation(row.at(column)):
            raise InputError(
                f"{row.where}: column {column!r} holds a conversation; name it: --field messages={column}, in "
                f'Python fields={{"messages": {json.dumps(column)}}}'
            )
        text = row.text(column)
        context = row.context(self.fields["context"]) if self._has_context else None
        item = text if context is None else joined(context, text, self.delimiter)
        return TaskRow(items=(item_of("text", item, text),))

    @property
    def policies(self) -> Mapping[str, str]:
        """Of conversations no end token is scored: the chat template writes what ends a turn."""
        return {"eos": "none"} if self._has_messages else {}

    @property
    def _has_context(self) -> bool:
        return "context" in self.fields

    @property
    def _has_messages(self) -> bool:
        return "messages" in self.fields

    def measures(self) -> Sequence[Measure]:
        """Per token, word and byte; of continuations also how often they are what greedy decoding gives."""
        many, one = ("conversations", "conversation") if self._has_messages else ("texts", "continuation")
        behind = self._has_context or self._has_messages
        continuations = (
            Measure(
                name="accuracy",
                figure="ratio",
                unit=f"share of {many}",
                method="wilson",
                better="higher",
                left_out=NO_GREEDY,
                headline=True,
            ),
            Measure(name="item_perplexity", figure="perplexity", unit=f"per {one}"),
        )
        return (
            *(continuations if behind else ()),
            Measure(
                name="perplexity",
                figure="perplexity",
                unit="per token",
                left_out=NOTHING_SCORED,
                headline=not behind,
                chart="perplexities",
            ),
            Measure(name="word_perplexity", figure="perplexity", unit="per word"),
            Measure(name="byte_perplexity", figure="perplexity", unit="per byte", column=False),
            Measure(name="bits_per_byte", figure="ratio", unit="bits", per_row=True),
            Measure(name="mean_perplexity", figure="ratio", unit="mean of the texts'", column=False),
        )

    def values(self, row: Stored) -> RowValues:
        """Sums of one text; a text of which nothing is scored adds nothing."""
        (item,) = row["items"]
        total, scored, size = item["log_likelihood"], item["num_scored"], item["num_bytes_scored"]
        if not scored:
            return {}
        found = {
            "perplexity": (total, float(scored)),
            "word_perplexity": (total, item["numbers"]["num_words"]),
            "byte_perplexity": (total, float(size)),
            "bits_per_byte": (-total / math.log(2), float(size)),
            "mean_perplexity": (exp(-total / scored), 1.0),
        }
        if self._has_context or self._has_messages:
            if item["is_greedy"] is not None:
                found["accuracy"] = (float(item["is_greedy"]), 1.0)
            found["item_perplexity"] = (total, 1.0)
        return found


def _conversation(row: DataRow, column: Column) -> TaskItem:
    """An item of which the assistant's turns are scored; its characters, bytes and words are theirs."""
    value = row.at(column)
    if not is_conversation(value):
        found = "empty" if row.record.is_missing(value) or value == [] else kind_of_value(value)
        raise InputError(f"{row.where}: column {column!r} is {found}; expected messages with a role and a content")
    said = [one.get("content") for one in value if one["role"] == "assistant"]
    parts = [item_of("text", one, one) for one in said if isinstance(one, str)]  # of others the scorer tells
    numbers = {name: sum(part.numbers[name] for part in parts) for name in LENGTHS}
    return TaskItem(role="text", item=Chat(value), numbers=numbers)
