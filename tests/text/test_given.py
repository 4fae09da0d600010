"""One item or several, from any library; what is neither is refused with what to hand in instead."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from seqscore import Chat, Pair, Scorer
from seqscore.errors import InputError, OptionError
from seqscore.text.given import given_items
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

TEXTS = ["hello", "world"]
IDS = [5, 6, 7]
FRAME = pd.DataFrame({"id": [1, 2], "text": TEXTS})
TABLE = pa.table({"id": [1, 2], "text": TEXTS})
DATASET = datasets.Dataset.from_dict({"text": TEXTS, "ids": [IDS, IDS]})
SCORER = Scorer(tiny_model("llama"), tiny_tokenizer(), batch_tokens=np.int64(64), max_length=np.int32(60))  # type: ignore[arg-type]

COLUMNS: dict[str, Any] = {
    "pandas": FRAME["text"],
    "pandas string": FRAME["text"].astype("string"),
    "pandas category": FRAME["text"].astype("category"),
    "pandas on Arrow": FRAME["text"].astype("string[pyarrow]"),
    "pandas index": pd.Index(TEXTS),
    "pandas array": FRAME["text"].astype("string").array,
    "NumPy": np.array(TEXTS),
    "NumPy objects": np.array(TEXTS, dtype=object),
    "Arrow": pa.array(TEXTS),
    "Arrow chunks": TABLE["text"],
    "Arrow dictionary": pa.array(TEXTS).dictionary_encode(),
    "datasets": DATASET["text"],
    "tuple": tuple(TEXTS),
    "deque": deque(TEXTS),
    "values of a dict": dict(enumerate(TEXTS)).values(),
    "keys of a dict": dict.fromkeys(TEXTS).keys(),
    "texts of NumPy": [np.str_(text) for text in TEXTS],
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_texts_is_texts(kind: str) -> None:
    expected = [score.log_likelihood for score in SCORER.score(TEXTS)]
    assert [score.log_likelihood for score in SCORER.score(COLUMNS[kind])] == expected
    assert [score.log_likelihood for score in SCORER.stream(COLUMNS[kind])] == expected


def test_an_iterator_is_read_once_and_lazily() -> None:
    texts = iter(TEXTS)
    assert given_items(texts).several is texts
    assert [score.text for score in SCORER.score(text for text in TEXTS)] == TEXTS


ONE: dict[str, Any] = {
    "list": IDS,
    "tuple": tuple(IDS),
    "range": range(5, 8),
    "integers of NumPy": [np.int64(number) for number in IDS],
    "NumPy": np.array(IDS),
    "NumPy uint8": np.array(IDS, dtype=np.uint8),
    "NumPy objects": np.array(IDS, dtype=object),
    "torch": torch.tensor(IDS),
    "pandas": pd.Series(IDS),
    "pandas Int64": pd.Series(IDS, dtype="Int64"),
    "Arrow": pa.array(IDS),
    "Arrow chunks": pa.chunked_array([IDS]),
}


@pytest.mark.parametrize("kind", ONE)
def test_integers_are_the_ids_of_one_text(kind: str) -> None:
    assert SCORER.score(ONE[kind]).token_ids.tolist() == IDS
    with pytest.raises(InputError, match="got a single one"):
        SCORER.stream(ONE[kind])


@pytest.mark.parametrize(
    "several",
    [
        [IDS, IDS],
        np.array([IDS, IDS]),
        torch.tensor([IDS, IDS]),
        pa.array([IDS, IDS]),
        DATASET["ids"],
        pd.Series([IDS, IDS]),
        [np.array(IDS), torch.tensor(IDS)],
    ],
    ids=["lists", "NumPy", "torch", "Arrow", "datasets", "pandas", "mixed"],
)
def test_rows_of_integers_are_several_texts(several: Any) -> None:
    assert [score.token_ids.tolist() for score in SCORER.score(several)] == [IDS, IDS]


NAME_IT = r"name the column of texts, as score\(table\['text'\]\); its columns are "
REFUSED: dict[str, tuple[Any, str]] = {
    "pandas table": (FRAME, rf"got a table \(DataFrame\): {NAME_IT}id, text"),
    "Arrow table": (TABLE, rf"got a table \(Table\): {NAME_IT}id, text"),
    "Arrow batch": (TABLE.to_batches()[0], rf"got a table \(RecordBatch\): {NAME_IT}id, text"),
    "datasets": (DATASET, rf"got a table \(Dataset\): {NAME_IT}text, ids"),
    "datasets stream": (DATASET.to_iterable_dataset(), rf"got a table \(IterableDataset\): {NAME_IT}text, ids"),
    "datasets splits": (
        datasets.DatasetDict(train=DATASET),
        r"several tables \(train\).*score\(data\['train'\]\['text'\]\)",
    ),
    "NumPy records": (np.array([("a", 1)], dtype=[("text", "U5"), ("n", int)]), NAME_IT + "text, n"),
    "a table within a list": ([FRAME], rf"item 0: got a table \(DataFrame\): {NAME_IT}"),
    "tuples": ([("a", "b")], r"item 0: .* got a tuple of texts; for a context and its continuation use Pair\("),
    "zip": (zip(TEXTS, TEXTS, strict=True), r"item 0: .* got a tuple of texts; for a context"),
    "lists of texts": ([["a", "b", "c"]], "item 0: .* got a list of texts$"),
    "messages": (
        [{"role": "user", "content": "a"}],
        r"item 0: .*; messages are the context of a Pair\(messages, answer\)",
    ),
    "a message": ({"role": "user", "content": "a"}, r"; messages are the context of a Pair\(messages, answer\)"),
    "dict": ({"text": "a"}, "an iterable of them, got dict"),
    "set": (set(TEXTS), r"got a set, which has no order: give a list, as sorted\("),
    "bytes": (b"a", "got bytes.*decode bytes first"),
    "bytes within a list": ([b"a"], "item 0: .* got bytes.*; decode bytes first"),
    "None": (None, "got the single value NoneType"),
    "a number": (3, "got the single value int: '3'"),
    "a path": (Path("a"), "got the single value PosixPath"),
    "0-d tensor": (torch.tensor(3), "got the single value Tensor"),
    "0-d array": (np.array("a"), "got the single value ndarray"),
    "floats": (np.array([1.0, 2.0]), "item 0: .* got float64: '1.0'"),
    "booleans": ([True, False], r"token id 0 is True \(bool\), expected an integer"),
    "nested ids": ([[[1, 2]]], r"item 0: token id 0 is \[1, 2\] \(list\), expected an integer"),
    "NaN": (pd.Series(["a", np.nan]), r"item 1: a text is missing here \(nan\)"),
    "NA": (pd.Series(["a", None], dtype="string"), r"item 1: a text is missing here \(<NA>\)"),
    "NaT": (["a", pd.NaT], r"item 1: a text is missing here \(NaT\)"),
    "None within a list": (["a", None], r"item 1: a text is missing here \(None\)"),
    "null of Arrow": (pa.array(["a", None]), r"item 1: a text is missing here \(None\)"),
    "a column of NaN": (pd.Series([np.nan]), r"item 0: a text is missing here \(nan\)"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_item_is_refused_with_what_to_do(kind: str) -> None:
    given, message = REFUSED[kind]
    with pytest.raises(InputError, match=message):
        SCORER.score(given)


@pytest.mark.parametrize("kind", ["pandas table", "set", "a message", "NaN", "None within a list"])
def test_a_stream_refuses_the_same(kind: str) -> None:
    given, message = REFUSED[kind]
    with pytest.raises(InputError, match=message):
        list(SCORER.stream(given))


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        (
            {"boss": "none"},
            "there is no option boss=; a call takes bos, eos, long, boundary, special_tokens, masking, extras, top_k",
        ),
        ({"errors": "record"}, "there is no option errors=; a call takes"),
        ({"extras": 3}, "extras=3 must name what to compute as well: rank, entropy"),
        ({"long": ["windows"]}, r"long=\['windows'\] is unknown; expected one of windows, truncate, error"),
        ({"bos": True}, "bos=True is unknown; expected 'auto', 'none'"),
    ],
)
def test_options_that_there_are_not_are_refused(policies: dict[str, Any], message: str) -> None:
    for call in (SCORER.score, SCORER.logits, SCORER.workload):
        with pytest.raises(OptionError, match=message):
            call("a", **policies)
    with pytest.raises(OptionError, match=message):
        SCORER.signature(**policies)


@pytest.mark.parametrize("value", [True, 0, 2.0, "64", np.float32(8)])
def test_numbers_of_positions_are_whole(value: Any) -> None:
    for name in ("batch_tokens", "max_length"):
        with pytest.raises(OptionError, match=f"{name}=.* must be a whole number of at least 1"):
            Scorer(tiny_model("llama"), tiny_tokenizer(), **{name: value})


def test_a_token_id_of_numpy_is_a_start_token() -> None:
    assert SCORER.score("ab", bos=np.int64(7)).start_token == 7  # type: ignore[arg-type]


def test_what_the_hint_at_messages_advises_is_scored() -> None:
    messages = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "The fox"}]
    with pytest.raises(InputError, match=r"Pair\(messages, answer\), or a Chat\(messages\)"):
        SCORER.score([messages])
    scorer = Scorer(tiny_model("llama"), tiny_tokenizer(chat=True))
    assert all(one.num_scored for one in scorer.score([Chat(messages), Pair(messages[:1], "The fox")]))
