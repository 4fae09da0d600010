"""The most probable words: by value, then by number, whatever the tiles, engines and neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqscore import OptionError, Pair, Scorer
from seqscore.engine.head import by_rows
from seqscore.engine.head.by_rows import logits_values
from seqscore.engine.head.by_words import TILE_WORDS, tiled_values
from seqscore.engine.head.top import RunningTop, greatest
from seqscore.models.architecture.adapter import Head
from seqscore.policies import TopK, top_k_of
from tests.masked_models import masked_model, word_pieces
from tests.models.stand_ins import FarModel, scorer_of
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

BOS, CONTEXT = 1, 64


def in_order(row: list[float], k: int) -> list[int]:
    """Straight from the definition."""
    return sorted(range(len(row)), key=lambda place: (-row[place], place))[:k]


# Few distinct values, so that rows are full of ties; -inf as of words that are ruled out.
ROWS = st.integers(1, 90).flatmap(
    lambda width: st.lists(
        st.lists(
            st.sampled_from([-np.inf, -1.0, 0.0, 1.0, 2.5]) | st.integers(-40, 40), min_size=width, max_size=width
        ),
        min_size=1,
        max_size=4,
    )
)


@given(ROWS, st.integers(1, 100), st.integers(1, 40))
@settings(max_examples=150)
def test_equal_logits_are_in_the_order_of_their_words_whatever_the_tiles(
    rows: list[list[float]], k: int, tile: int
) -> None:
    logits = torch.tensor(rows, dtype=torch.float32)
    expected = [in_order(row, k) for row in rows]
    values, places = greatest(logits, k)
    assert places.tolist() == expected
    assert values.tolist() == [[row[place] for place in found] for row, found in zip(rows, expected, strict=True)]
    running = RunningTop(torch.zeros((len(rows), 1)), k)
    for begin in range(0, logits.shape[1], tile):
        running.add(logits[:, begin : begin + tile], begin)
    assert running.words.tolist() == expected and torch.equal(running.values, values)


@pytest.mark.parametrize("width", [1, 2, 16, 17, 89, 255, 256, 257])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_equal_logits_behind_the_last_whole_group_are_seen(width: int, k: int) -> None:
    logits = torch.zeros(3, width)
    logits[0, -1] = logits[1, width // 2 :] = 1.0
    assert greatest(logits, k)[1].tolist() == [in_order(row, k) for row in logits.tolist()]


@pytest.mark.parametrize("vocabulary", [300, TILE_WORDS - 1, TILE_WORDS + 1, 2 * TILE_WORDS + 7])
def test_both_ways_give_the_same_words_and_the_bits_of_the_targets(vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randint(-4, 5, (5, 8), generator=generator).float()  # products of these are exact
    weight = torch.randint(-4, 5, (vocabulary, 8), generator=generator) / 4
    weight[vocabulary // 2 :] = weight[
        : vocabulary - vocabulary // 2
    ].clone()  # every word has a double, in another tile too
    head = Head(weight, None, 1.0, None)
    rows, k = np.array([0, 0, 2, 4]), 7
    extras = frozenset({TopK(k)})
    logits = head.logits(hidden)[torch.from_numpy(rows)]
    of_rows = logits_values(logits, torch.zeros(4, dtype=torch.int64), extras=extras)
    tiled = tiled_values(hidden, head, rows, np.zeros(4, np.int64), extras=extras)
    assert of_rows.top_ids is not None and tiled.top_ids is not None and tiled.top_logprobs is not None
    exact = logits.double().log_softmax(1)
    expected = [in_order(row, k) for row in logits.tolist()]
    assert of_rows.top_ids.tolist() == tiled.top_ids.tolist() == expected
    for found in (of_rows, tiled):
        np.testing.assert_allclose(found.top_logprobs, exact.gather(1, torch.tensor(expected)), rtol=0, atol=4e-6)
    # As a target a word has the very value that it has in the list.
    for place in range(k):
        again = tiled_values(hidden, head, rows, tiled.top_ids[:, place], extras=frozenset())
        assert again.logprobs.tobytes() == tiled.top_logprobs[:, place].tobytes()


def expected_top(model: torch.nn.Module, ids: list[int], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """By plain transformers in float64, behind each of ``ids``."""
    with torch.no_grad():
        found = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1).topk(k)
    return found.indices.numpy(), found.values.numpy()


@pytest.mark.parametrize("engine", ["packed", "padded", "reference"])
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_every_engine_agrees_with_transformers(engine: str, architecture: str) -> None:
    model, tokenizer = tiny_model(architecture, dtype=torch.float64), tiny_tokenizer()
    texts = ["The quick brown fox", "日本語 é", ""]
    scores = Scorer(model, tokenizer, engine=engine).score(texts, top_k=4, extras="rank")
    for score in scores:
        ids, logprobs = expected_top(model, [score.start_token or 0, *score.token_ids.tolist()], 4)
        np.testing.assert_array_equal(score.top_ids, ids[:-1])
        np.testing.assert_allclose(score.top_logprobs, logprobs[:-1], rtol=0, atol=1e-12)


def test_bits_do_not_depend_on_neighbours_or_budgets_and_others_stay() -> None:
    texts = ["The quick brown fox", "The quick", "lazy dog.", "日本語"]
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    alone = [Scorer(model, tokenizer).score(text, top_k=3) for text in texts]
    for budget in (16, 64, 512):
        for one, other in zip(alone, Scorer(model, tokenizer, batch_tokens=budget).score(texts, top_k=3), strict=True):
            assert one.top_logprobs is not None and other.top_logprobs is not None
            assert one.top_logprobs.tobytes() == other.top_logprobs.tobytes()
            np.testing.assert_array_equal(one.top_ids, other.top_ids)
    assert [one.logprobs.tobytes() for one in Scorer(model, tokenizer).score(texts)] == [
        one.logprobs.tobytes() for one in alone
    ]


def test_windows_contexts_and_the_end_of_a_text() -> None:
    model, tokenizer = tiny_model("llama", dtype=torch.float64), tiny_tokenizer()
    scorer = Scorer(model, tokenizer)
    ids = np.random.default_rng(3).integers(10, 300, size=100).tolist()
    score = scorer.score(Pair(ids[:90], ids[90:]), top_k=2, eos="scored")
    assert score.top_ids is not None and score.top_ids.shape == (101, 2)
    assert (score.top_ids[:90] == -1).all() and np.isnan(score.top_logprobs[:90]).all()
    found, _ = expected_top(model, [BOS, *ids][-CONTEXT:], 2)
    assert score.top_ids[-1].tolist() == found[-1].tolist()
    assert next(iter(score.tokens())).top is None and len(list(score.tokens())[-1].top or ()) == 2


def test_a_masked_model_gives_what_it_expects_under_the_mask() -> None:
    model, tokenizer = masked_model("bert", dtype=torch.float64), word_pieces()
    score = Scorer(model, tokenizer).score("the cat", top_k=3)
    framed = torch.tensor([[tokenizer.cls_token_id, *score.token_ids.tolist(), tokenizer.sep_token_id]])
    for place in range(len(score)):
        masked = framed.clone()
        masked[0, place + 1] = tokenizer.mask_token_id
        with torch.no_grad():
            exact = model(input_ids=masked).logits[0, place + 1].log_softmax(-1).topk(3)
        assert score.top_ids is not None and score.top_ids[place].tolist() == exact.indices.tolist()
        np.testing.assert_allclose(score.top_logprobs[place], exact.values, rtol=0, atol=1e-12)
    assert score.top_texts is not None
    names = [tokenizer.convert_ids_to_tokens(row) for row in score.top_ids.tolist()]
    numbered = [
        [name or f"<{number}>" for name, number in zip(*row, strict=True)]
        for row in zip(names, score.top_ids.tolist(), strict=True)
    ]
    assert [list(row) for row in score.top_texts] == numbered  # ##s is not s, and some words have no name


def test_memory_holds_a_list_and_a_tile() -> None:
    """No tile is copied whole but for what torch's own selection takes: [rows, k] is kept from tile to tile."""
    running = RunningTop(torch.zeros((3, 1)), 2)
    for begin in range(0, 50, 10):
        running.add(torch.randn(3, 10), begin)
        assert running.values.shape == running.words.shape == (3, 2)
        assert running.values.untyped_storage().nbytes() <= 3 * 12 * 4


def test_what_cannot_be_given_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Scorer(tiny_model("llama"), tiny_tokenizer())
    with pytest.raises(
        OptionError, match="top_k=301: a causal model gives the log-probabilities of at most 300 tokens"
    ):
        scorer.score("a", top_k=301)
    for wrong in (-1, 2.5, True, "5"):
        with pytest.raises(OptionError, match=r"top_k=.* must be a whole number"):
            scorer.score("a", top_k=wrong)  # type: ignore[arg-type]
    assert scorer.score("a", top_k=None).top_ids is None and scorer.score("a", top_k=0).top_ids is None
    whole = scorer.score("a", top_k=300)
    assert whole.top_logprobs is not None and np.exp(whole.top_logprobs).sum() == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(OptionError, match="top_k=1: a far model gives the log-probabilities of the text's own tokens"):
        scorer_of(monkeypatch, FarModel).score("a", top_k=1)
    assert top_k_of(frozenset({"rank", TopK(3)})) == 3 and top_k_of(frozenset({"rank"})) == 0


def test_rows_are_cut_into_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = tiny_model("llama", dtype=torch.float64), tiny_tokenizer()
    whole = Scorer(model, tokenizer, engine="reference").score("The quick brown fox", top_k=3)
    monkeypatch.setattr(by_rows, "_TILE_BYTES", 300 * 4 * 3)
    cut = Scorer(model, tokenizer, engine="reference").score("The quick brown fox", top_k=3)
    np.testing.assert_array_equal(whole.top_ids, cut.top_ids)
