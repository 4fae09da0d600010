"""A scorer in other processes: pickled, copied, forked."""

from __future__ import annotations

import copy
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from seqscore import LoadOptions, Scorer
from seqscore.errors import DeviceError, ModelError
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

TEXT = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    tiny_model("llama").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def same(a: Scorer, b: Scorer) -> bool:
    one, other = a.score(TEXT), b.score(TEXT)
    return one.logprobs.tobytes() == other.logprobs.tobytes() and one.signature == other.signature


def test_a_pickled_scorer_loads_its_model_again_with_the_same_options(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    options = LoadOptions(cache_dir=tmp_path, notify=lambda message: None)
    scorer = Scorer.from_pretrained(
        folder.name, device="cpu", dtype="float64", engine="padded", batch_tokens=100, max_length=40, options=options
    )
    monkeypatch.chdir(tmp_path)  # another process need not stand in the same folder
    data = pickle.dumps(scorer)
    assert len(data) < 10_000
    again = pickle.loads(pickle.dumps(pickle.loads(data)))
    assert (again.engine, again.batch_tokens, again.max_length) == ("padded", 100, 40)
    assert again.description.dtype == "float64" and again.model is not scorer.model
    assert again.score(TEXT).logprobs.tobytes() == scorer.score(TEXT).logprobs.tobytes()


def test_a_model_that_changed_meanwhile_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    own = tmp_path / "own"
    shutil.copytree(folder, own)
    data = pickle.dumps(Scorer.from_pretrained(own, device="cpu"))
    tiny_model("llama", seed=1).save_pretrained(own)
    with pytest.raises(ModelError, match="is not what it was when the Scorer was pickled"):
        pickle.loads(data)


def test_a_scorer_of_objects_says_what_to_do() -> None:
    scorer = Scorer(tiny_model("llama"), tiny_tokenizer())
    with pytest.raises(ModelError, match=r"cannot be pickled .* use Scorer.from_pretrained\(a name or folder\)"):
        pickle.dumps(scorer)


def test_copies(folder: Path) -> None:
    for scorer in (Scorer.from_pretrained(folder, device="cpu"), Scorer(tiny_model("llama").train(), tiny_tokenizer())):
        shallow, deep = copy.copy(scorer), copy.deepcopy(scorer)
        model = scorer.model
        assert shallow.model is model and deep.model is not model
        assert same(shallow, scorer) and same(deep, scorer)
        with torch.no_grad():
            deep.model.get_input_embeddings().weight.mul_(2)  # the copy's own
        assert same(shallow, scorer)
    named = Scorer.from_pretrained(folder, device="cpu")
    for one in (copy.copy(named), copy.deepcopy(named)):
        again = pickle.loads(pickle.dumps(one))  # by name, as what it is a copy of
        assert same(again, named) and not same(again, shallow)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def in_a_fork(work: Callable[[], bool]) -> bool:
    """Whether the work is true in a child of this process, which is ended should it hang."""
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def refuses(work: Callable[[], object]) -> bool:
    try:
        work()
    except DeviceError as error:
        return "forked" in str(error) and "torch.set_num_threads(1)" in str(error)
    return False


@pytest.mark.usefixtures("two_threads")
def test_a_forked_child_gets_an_error_in_place_of_a_hang() -> None:
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    scorer = Scorer(model, tokenizer)
    want = scorer.score([TEXT] * 20)[0].logprobs.tobytes()
    assert in_a_fork(lambda: refuses(lambda: scorer.score(TEXT)))
    assert in_a_fork(lambda: refuses(lambda: scorer.logits(TEXT)))
    assert in_a_fork(lambda: refuses(lambda: Scorer(model, tokenizer)))

    def with_one_thread() -> bool:
        torch.set_num_threads(1)
        again = Scorer(model, tokenizer)
        return all(one.score(TEXT).logprobs.tobytes() == want for one in (scorer, again))

    assert in_a_fork(with_one_thread)
    assert scorer.score(TEXT).logprobs.tobytes() == want
