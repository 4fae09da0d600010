"""Perplexity as another tool defines it: its windows, its start token, its averages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, ModelError, OptionError, TokenizerError, failing_as
from seqscore.evaluation.data.column_names import TARGET, TEXT
from seqscore.evaluation.data.dataset import DataRow, Dataset
from seqscore.evaluation.data.fields import Fields, Form
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.tasks.base import Task
from seqscore.evaluation.tasks.measure import Measure, RowValues
from seqscore.evaluation.tasks.protocol_windows import (
    ProtocolName,
    ProtocolSettings,
    Stretch,
    num_words,
    stretches,
    weight_of,
)
from seqscore.evaluation.tasks.rows import LENGTHS, Entry, NumberKind, Stored, TaskItem, TaskRow, entries_of
from seqscore.scores.reductions import exp
from seqscore.text.items import Pair

if TYPE_CHECKING:
    from seqscore.scorer import Scorer

PROTOCOL_POLICIES: Mapping[str, str] = {"bos": "none", "eos": "none", "long": "error"}
"""Of the scorer: a protocol lays its windows and its start token itself, and none of them scores an end token."""

_WINDOWS: Mapping[str, int] = {"gptq": 2048, "llama.cpp": 512}
_NO_LIMIT = 2048  # lm-eval's for a model that states none


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolTask(Task):
    """The stretches that a protocol makes of each text, or of all texts joined by blank lines (one stretch a row)."""

    name: ClassVar[str] = "perplexity"
    about: ClassVar[str] = "Perplexity as another tool defines it."
    reads_tokens: ClassVar[bool] = True
    compared_by: ClassVar[tuple[str, ...]] = ("protocol",)
    numbers: ClassVar[Mapping[str, NumberKind]] = {**LENGTHS, "weight": "real"}
    forms: ClassVar[tuple[Form, ...]] = (Form(required={"text": (TEXT, TARGET)}),)

    protocol: ProtocolSettings
    tokenizer: Any

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the numbers depend on besides model and data."""
        return {
            "task": self.name,
            "fields": dict(self.fields.columns),
            "protocol": self.protocol.name,
            "window": self.protocol.max_length,
            "stride": self.protocol.stride,
            "start": self.protocol.start,
            **({"end": self.protocol.end, "unknown": self.protocol.unknown} if self.protocol.reads_lines else {}),
        }

    @property
    def policies(self) -> Mapping[str, str]:
        """A protocol lays its windows and its start token itself."""
        return PROTOCOL_POLICIES

    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """The texts with their stretches, or the stretches of all texts."""
        return self._windows(dataset) if self.protocol.joins_texts else entries_of(dataset, self._row)

    def _row(self, row: DataRow) -> TaskRow:
        text = row.text(self.fields["text"])
        parts = text.split("\n") if self.protocol.reads_lines else [text]
        items = tuple(self._item(one, part) for part in parts for one in stretches(self._ids(part), self.protocol))
        if not items and self.protocol.name == "evaluate":
            raise InputError(f"{row.where} is empty; protocol 'evaluate' has no perplexity of an empty text")
        size, words = len(text.encode("utf-8", "surrogatepass")), num_words(text)
        counted = tuple(_counted(one, size, words) if place == 0 else one for place, one in enumerate(items))
        return TaskRow(items=counted or (_counted(TaskItem(role="nothing", item=""), size, words),))

    def _windows(self, dataset: Dataset) -> Iterator[Entry]:
        """These tools read the whole corpus as one text; so must this."""
        texts = []
        for row in dataset.rows():
            if isinstance(row, Problem):
                raise row.error  # a window without it would be another text
            texts.append(row.text(self.fields["text"]))
        ids = self._ids("\n\n".join(texts))
        for number, stretch in enumerate(stretches(ids, self.protocol)):
            source = [stretch.context.tolist(), stretch.targets.tolist()]
            yield Entry(f"window {number}", number, source, TaskRow(items=(self._item(stretch),)))

    def _item(self, stretch: Stretch, text: str = "") -> TaskItem:
        pair = Pair(stretch.context.tolist(), stretch.targets.tolist())
        # CCNet counts words by Python's white space, whatever KenLM takes for a word.
        weight = len(text.split()) + 1.0 if self.protocol.name == "ccnet" else weight_of(stretch, self.protocol)
        return TaskItem(role="stretch", item=pair, numbers={"weight": weight})

    def _ids(self, text: str) -> NDArray[np.int64]:
        """As the tool encodes: special tokens that a text spells are those tokens."""
        with failing_as(TokenizerError, "the tokenizer cannot encode this text"):
            encoded = self.tokenizer(text, add_special_tokens=self.protocol.adds_special_tokens, verbose=False)
        return np.asarray(encoded["input_ids"], np.int64)

    def measures(self) -> Sequence[Measure]:
        """Under the names that the tool gives them."""
        if self.protocol.name == "lm-eval":
            return (
                Measure(
                    name="word_perplexity", figure="perplexity", unit="per word", headline=True, chart="perplexities"
                ),
                Measure(name="byte_perplexity", figure="perplexity", unit="per byte", column=False),
                Measure(name="bits_per_byte", figure="ratio", unit="bits", per_row=True),
            )
        own: dict[str, Any] = {"headline": True, "per_row": True}
        if self.protocol.name in ("evaluate", "ccnet"):
            return (Measure(name="mean_perplexity", figure="ratio", unit="mean of the texts'", column=False, **own),)
        if self.protocol.name == "kenlm":
            unit = "per word and end of a line"
            return (
                Measure(name="perplexity", figure="perplexity", unit=unit, chart="perplexities", **own),
                Measure(name="known_perplexity", figure="perplexity", unit=f"{unit}, unknown words left out"),
            )
        return (Measure(name="perplexity", figure="perplexity", unit="per token", chart="perplexities", **own),)

    def values(self, row: Stored) -> RowValues:
        """What a text or a window adds."""
        items = [item for item in row["items"] if item["role"] == "stretch"]
        if self.protocol.name == "lm-eval":
            total = math.fsum(item["log_likelihood"] for item in items)
            words, size = (
                sum(item["numbers"].get(name, 0.0) for item in row["items"]) for name in ("num_words", "num_bytes")
            )
            return {
                "word_perplexity": (total, words),
                "byte_perplexity": (total, size),
                "bits_per_byte": (-total / math.log(2), size),
            }
        if self.protocol.name == "evaluate":
            total = math.fsum(chain.from_iterable(item["logprobs"] for item in items))
            return {"mean_perplexity": (exp(-total / sum(item["num_scored"] for item in items)), 1.0)}
        if self.protocol.reads_lines:
            return self._values_of_lines(items)
        (item,) = items
        weight = item["numbers"]["weight"]
        # Of weight 0 even an impossible text (-inf) adds nothing.
        return {"perplexity": (item["log_likelihood"] / item["num_scored"] * weight if weight else 0.0, weight)}

    def _values_of_lines(self, items: Sequence[Stored]) -> RowValues:
        total = math.fsum(item["log_likelihood"] for item in items)
        if self.protocol.name == "ccnet":
            return {"mean_perplexity": (exp(-total / sum(item["numbers"]["weight"] for item in items)), 1.0)}
        tokens = chain.from_iterable(zip(item["token_ids"], item["logprobs"], strict=True) for item in items)
        known = [logprob for number, logprob in tokens if number != self.protocol.unknown]
        return {
            "perplexity": (total, float(sum(item["num_scored"] for item in items))),
            "known_perplexity": (math.fsum(known), float(len(known))),
        }


def _counted(item: TaskItem, size: int, words: int) -> TaskItem:
    """The first stretch of a text carries the text's length."""
    return replace(item, numbers={**item.numbers, "num_bytes": size, "num_words": words})


def protocol_settings(
    name: ProtocolName, scorer: Scorer, *, window: int | None = None, stride: int | None = None
) -> ProtocolSettings:
    """The settings that ``name`` has with this model: its window is the model's where the tool takes that, else its own
    (GPTQ 2,048, llama.cpp 512), and never longer than the model's.

    Raises:
        OptionError: the model does not read from left to right, or has no tokenizer here; the window does
            not fit it; or the protocol needs a start token and there is none.
    """
    if scorer.conditioning != "left":
        raise OptionError(
            f"protocol {name!r} is for models that read from left to right, and this is a {scorer.kind} one: leave "
            f"protocol= (--protocol) out"
        )
    limit = scorer.max_length
    if window is not None and limit is not None and window > limit:
        raise OptionError(f"window={window} is longer than the model reads, {limit}")
    usual = _WINDOWS.get(name, limit or _NO_LIMIT)
    try:
        tokenizer = scorer.tokenizer
    except ModelError as error:
        raise OptionError(
            f"protocol {name!r} lays its windows over token ids, and a {scorer.kind} model has no tokenizer here: "
            f"leave protocol= (--protocol) out"
        ) from error
    if name in ("kenlm", "ccnet"):
        return _settings_of_lines(name, tokenizer, window=window, stride=stride)
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if name == "evaluate":
        start = tokenizer.bos_token_id
    elif name in ("transformers", "gptq") or (name == "llama.cpp" and not _adds_bos(tokenizer)):
        start = None
    length = window or (usual if limit is None else min(usual, limit))
    return ProtocolSettings(name=name, max_length=length, stride=stride, start=start)


def _settings_of_lines(
    name: ProtocolName, tokenizer: Any, *, window: int | None, stride: int | None
) -> ProtocolSettings:
    if window is not None:
        raise OptionError(f"window={window}: protocol {name!r} has none, it reads every line as a whole")
    return ProtocolSettings(
        name=name,
        max_length=_NO_LIMIT,
        stride=stride,
        start=tokenizer.bos_token_id,
        end=tokenizer.eos_token_id,
        unknown=tokenizer.unk_token_id,
    )


def _adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer begins a text with its BOS by itself."""
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id


def stored_protocol(fields: Fields, settings: Mapping[str, Any]) -> ProtocolTask:
    """The task that has these settings, to read rows with."""
    protocol = ProtocolSettings(
        name=settings["protocol"],
        max_length=settings["window"],
        stride=settings["stride"],
        start=settings["start"],
        end=settings.get("end"),
        unknown=settings.get("unknown"),
    )
    return ProtocolTask(fields=fields, protocol=protocol, tokenizer=None)
