"""The packaged default model, loaded as a user would, against plain transformers in float64."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, AutoTokenizer

from seqscore import Pair, Scorer
from seqscore.engine.packed import PackedEngine
from seqscore.models.architecture.adapter import ModelAdapter, adapt
from seqscore.models.load.default import ensure_default_model
from seqscore.plan.requests import Request
from tests.readmes import made_once

pytestmark = pytest.mark.default_model

DATA = Path(__file__).resolve().parent.parent / "data"
TOLERANCE = 1e-4  # nats a token: what float32 costs this model (transformers' own float32 is up to 6e-5 off)
START = 0


@pytest.fixture(scope="module")
def scorer(scorers: dict[str, Scorer]) -> Scorer:
    return made_once(scorers)


class Oracle:
    """log p(ids[t] | ids[:t]) by plain transformers in float64, from the same folder."""

    def __init__(self) -> None:
        folder = ensure_default_model()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text).input_ids)

    def logprobs(self, ids: list[int], first_target: int = 1) -> NDArray[np.float64]:
        with torch.no_grad():
            logits = self.model(input_ids=torch.tensor([ids[:-1]])).logits[0, first_target - 1 :]
        targets = torch.tensor(ids[first_target:])[:, None]
        logprobs: NDArray[np.float64] = logits.log_softmax(-1).gather(1, targets)[:, 0].numpy()
        return logprobs


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle()


@pytest.mark.parametrize("bos", ["auto", "none"])
def test_texts_in_several_scripts(scorer: Scorer, oracle: Oracle, bos: str) -> None:
    texts = (DATA / "sentences.txt").read_text(encoding="utf-8").splitlines()
    if bos == "none":  # only what stands first is another: words, digits, Chinese and emoji will do
        texts = texts[2::3]
    for text, score in zip(texts, scorer.score(texts, bos=bos), strict=True):
        ids = oracle.ids(text)
        expected = oracle.logprobs([START, *ids] if bos == "auto" else ids)
        assert score.token_ids.tolist() == ids
        np.testing.assert_allclose(score.logprobs[score.scored], expected, rtol=0, atol=TOLERANCE)
        assert score.exact_spans and score.ends[-1] == len(text.encode())


def test_pairs_with_a_context(scorer: Scorer, oracle: Oracle) -> None:
    score = scorer.score(Pair("The capital of France is", " Paris"), extras=("rank",))
    ids = [START, *oracle.ids("The capital of France is Paris")]
    np.testing.assert_allclose(score.logprobs[score.scored], oracle.logprobs(ids, len(ids) - 1), rtol=0, atol=TOLERANCE)
    assert score.ranks is not None and score.ranks[-1] == 1 and score.is_greedy


def test_a_text_longer_than_the_context(scorer: Scorer, oracle: Oracle) -> None:
    text = (DATA / "passage.txt").read_text(encoding="utf-8")[:500]
    short = Scorer(scorer.model, scorer.tokenizer, max_length=32, description=scorer.description)
    score = short.score(text)
    ids = [START, *oracle.ids(text)]
    expected: list[float] = []
    for end in (*range(32, len(ids) - 1, 16), len(ids) - 1):
        begin = end - 32
        expected.extend(oracle.logprobs(ids[begin : end + 1], len(expected) + 1 - begin).tolist())
    assert score.num_windows > 4 and score.num_cut == 0
    np.testing.assert_allclose(score.logprobs, expected, rtol=0, atol=TOLERANCE)


def test_what_is_asked_for_reaches_the_model(oracle: Oracle) -> None:
    scorer = Scorer.from_pretrained(dtype="float64", engine="reference", max_length=64)
    score = scorer.score("It rained.")
    assert (scorer.max_length, scorer.engine) == (64, "reference")
    np.testing.assert_allclose(score.logprobs, oracle.logprobs([START, *oracle.ids("It rained.")]), rtol=0, atol=1e-11)


def test_a_space_before_digits_is_split_as_the_model_was_trained(scorer: Scorer) -> None:
    assert scorer.score("a  2").token_texts == ("a", "  ", "2")


@pytest.fixture(scope="module")
def company(scorer: Scorer, oracle: Oracle) -> list[Request]:
    """Texts of 1 to 600 tokens in several scripts, some with shared beginnings, longer than a pack together."""
    texts = (DATA / "sentences.txt").read_text(encoding="utf-8").splitlines()
    paragraphs = (DATA / "paragraphs.txt").read_text(encoding="utf-8")
    long = oracle.ids((DATA / "passage.txt").read_text(encoding="utf-8") + paragraphs)[:600]
    assert len(long) == 600
    endings = [long[:kept] + oracle.ids(text) for kept, text in ((200, " It rained."), (270, " Nobody came."))]
    many = [oracle.ids(text) for text in texts] + [long, long[:1], long[:257], *endings]
    return [Request(np.array([START, *ids]), 1) for ids in many]


LAYERS = 6


@pytest.fixture(scope="module")
def lower(scorer: Scorer) -> ModelAdapter:
    """The model's first layers and its head. Which bits a product has follows from its shape, and all layers have the
    same shapes."""
    config = deepcopy(scorer.model.config)
    assert config.num_hidden_layers > LAYERS
    config.num_hidden_layers = LAYERS
    model = type(scorer.model)(config).eval()
    assert not model.load_state_dict(scorer.model.state_dict(), strict=False).missing_keys
    return adapt(model)


@pytest.fixture(scope="module")
def alone(lower: ModelAdapter, company: list[Request]) -> list[bytes]:
    engine = PackedEngine(lower)
    return [one for request in company for one in bits(engine, [request])]


def bits(engine: PackedEngine, requests: list[Request]) -> list[bytes]:
    return [values.logprobs.tobytes() for values in engine.run(requests, extras=frozenset())]


@pytest.mark.parametrize("batch_tokens, threads, sharing", [(100, 2, True), (512, 1, False)])
def test_a_score_has_the_same_bits_in_any_company(
    lower: ModelAdapter, company: list[Request], alone: list[bytes], batch_tokens: int, threads: int, sharing: bool
) -> None:
    engine = PackedEngine(lower, batch_tokens=batch_tokens, sharing=sharing)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = bits(engine, company[::-1])[::-1]
    finally:
        torch.set_num_threads(before)
    assert together == alone
