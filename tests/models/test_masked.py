"""Masked models against the plain definition in float64: every token of a text masked in turn."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqscore import Chat, Pair, Scorer
from seqscore.calls import notices
from seqscore.calls.scoring import cut
from seqscore.cli.eval.progress import Pace
from seqscore.cli.session import under_way
from seqscore.engine import mask_one
from seqscore.errors import ContextLengthError, CostWarning, InputError, OptionError, SeqscoreError, TokenizerError
from seqscore.evaluation.run.progress import Progress
from seqscore.models import masked
from seqscore.models.base import RunSettings
from seqscore.models.masked import MaskedModel
from seqscore.plan.requests import Request, Values
from seqscore.text.masking import hidden_stretches
from seqscore.verify.verification import verify
from tests.cli.told import told
from tests.masked_models import MASKED, VOCABULARY, bytes_of_roberta, masked_model, residues, word_pieces
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

TEXTS = ("the cats sat on it", "a", "it rained all day, the dog sat", "the")
LENGTHS = {3: 1, 9: 7, 16: 8, 17: 12, 38: 9}
"""With the token on either side, and how many of them are targets."""


def tokenizer_of(architecture: str) -> Any:
    return bytes_of_roberta() if MASKED[architecture].get("pad_token_id") == 1 else word_pieces()


def scorer_of(architecture: str = "bert", dtype: torch.dtype = torch.float64, **settings: Any) -> Scorer:
    return Scorer(masked_model(architecture, dtype=dtype), tokenizer_of(architecture), **settings)


@lru_cache(maxsize=1)
def requests() -> tuple[Request, ...]:
    """Texts between two tokens, some of them behind a context, with and without words that are masked together."""
    generator = np.random.default_rng(7)
    made = []
    for i, (length, targets) in enumerate(LENGTHS.items()):
        ids = generator.integers(5, VOCABULARY, size=length)
        first = length - 1 - targets
        words = np.sort(generator.integers(0, 4, size=length - first - 1))
        masking: Any = ("original", "whole-word", "within-word-l2r")[i % 3]
        hidden = None if masking == "original" else first + hidden_stretches(words, masking, first=0)
        made.append(Request(ids, first, num_behind=1, hidden=hidden))
    return tuple(made)


def looped(architecture: str, dtype: torch.dtype, request: Request, mask: int = 4) -> NDArray[np.float64]:
    """[num_targets, V] log-softmax at each target, masked alone or with what is named: a copy of the text for each,
    none of them padded."""
    places = torch.arange(request.first_target, len(request.ids) - request.num_behind)
    rows = torch.arange(len(places))
    ids = torch.from_numpy(request.ids).repeat(len(places), 1)
    ids[rows, places] = mask
    for row, (begin, end) in enumerate([] if request.hidden is None else request.hidden.tolist()):
        ids[row, begin:end] = mask
    with torch.no_grad():
        logits = model_of(architecture, dtype)(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    exact: NDArray[np.float64] = logits[rows, places].double().log_softmax(-1).numpy()
    return exact


@lru_cache(maxsize=2)
def model_of(architecture: str, dtype: torch.dtype) -> Any:
    return masked_model(architecture, dtype=dtype)


@lru_cache(maxsize=2)
def expected(architecture: str) -> tuple[NDArray[np.float64], ...]:
    return tuple(looped(architecture, torch.float64, request) for request in requests())


def tolerance(architecture: str, dtype: torch.dtype) -> float:
    """As in tests/engine/test_conformance.py: what the plain loop costs in that dtype, with room for another order."""
    if dtype == torch.float64:
        return 1e-12 * max(1.0, max(np.abs(one).max() for one in expected(architecture)))
    plain = (looped(architecture, dtype, request) for request in requests())
    cost = max(np.abs(one - exact).max() for one, exact in zip(plain, expected(architecture), strict=True))
    single = 4 * float(cost) + 1e-7
    assert single < 1e-3
    return single


def run(
    architecture: str, dtype: torch.dtype, batch_tokens: int = 200, asked: Sequence[Request] | None = None
) -> list[Values]:
    settings = RunSettings(batch_tokens=batch_tokens)
    model = MaskedModel(model_of(architecture, dtype), tokenizer_of(architecture), settings=settings)
    return model.run(requests() if asked is None else asked, extras=frozenset({"rank", "entropy"}))


@pytest.mark.parametrize("architecture", sorted(MASKED))
def test_every_architecture_is_the_plain_loop(architecture: str) -> None:
    for dtype in (torch.float32, torch.float64):
        allowed = tolerance(architecture, dtype)
        for request, exact, values in zip(requests(), expected(architecture), run(architecture, dtype), strict=True):
            chosen = exact[np.arange(request.num_targets), request.targets]
            np.testing.assert_allclose(values.logprobs, chosen, rtol=0, atol=allowed, err_msg=str(dtype))
            if dtype == torch.float64:
                assert values.greedy is not None and values.ranks is not None and values.entropies is not None
                np.testing.assert_array_equal(values.ranks, 1 + (exact > chosen[:, None] + 1e-9).sum(1))
                np.testing.assert_array_equal(values.greedy, values.ranks == 1)
                np.testing.assert_allclose(values.entropies, -(np.exp(exact) * exact).sum(1), rtol=0, atol=1e-10)


def test_the_logits_exist_a_tile_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without a head of its own, whatever fits into a batch or a tile."""
    seen: list[int] = []
    usual, most = mask_one.logits_values, 16 * VOCABULARY

    def watched(logits: torch.Tensor, *more: Any, **named: Any) -> Values:
        seen.append(logits.numel())
        return usual(logits, *more, **named)

    monkeypatch.setattr(mask_one, "logits_values", watched)
    ids = np.random.default_rng(5).integers(5, VOCABULARY, size=(2, 18))
    asked = [Request(one, 1, num_behind=1) for one in ids]
    whole = run("bert", torch.float64, 4096, asked)
    assert max(seen) > most
    monkeypatch.setattr(mask_one, "_TILE_BYTES", 4 * most)
    for head in (True, False):
        if not head:
            monkeypatch.setattr(masked, "masked_head_of", lambda adapter: None)
        for budget in (1, 150, 4096):
            seen.clear()
            for one, other in zip(run("bert", torch.float64, budget, asked), whole, strict=True):
                np.testing.assert_allclose(one.logprobs, other.logprobs, rtol=1e-12)
            assert max(seen) <= most


def one_by_one(model: Any, full: list[int], hidden: Sequence[Sequence[int]], mask: int) -> NDArray[np.float64]:
    """log p of each token but the first and the last, from a copy of all of them with these places masked."""
    ids, places = torch.tensor(full), torch.arange(1, len(full) - 1)
    copies = ids.repeat(len(hidden), 1)
    for row, masked_places in enumerate(hidden):
        copies[row, masked_places] = mask
    with torch.no_grad():
        exact = model(input_ids=copies).logits[places - 1, places].log_softmax(-1)
    found: NDArray[np.float64] = exact[places - 1, ids[1:-1]].numpy()
    return found


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_a_text_stands_between_the_tokenizers_own_tokens(architecture: str) -> None:
    scorer = scorer_of(architecture)
    tokenizer, model = scorer.tokenizer, scorer.model
    for score in scorer.score(list(TEXTS)):
        full: list[int] = tokenizer(score.text)["input_ids"]
        assert score.token_ids.tolist() == full[1:-1] and score.start_token == full[0]
        exact = one_by_one(model, full, [[t] for t in range(1, len(full) - 1)], tokenizer.mask_token_id)
        np.testing.assert_allclose(score.logprobs, exact, rtol=1e-12)
        assert score.perplexity == pytest.approx(np.exp(-score.logprobs.mean()), rel=1e-12)
        assert score.scored.all() and score.num_windows == 1
    fields = dict(scorer.signature().fields)
    assert (fields["kind"], fields["engine"], fields["bos"]) == ("masked", "mask-one", f"auto/{full[0]}")
    assert fields["conditioning"] == scorer.signature().conditioning == "both"
    assert scorer.kind == "masked" and scorer.keeps_bits


def hidden_with(words: list[int | None], place: int, masking: str) -> list[int]:
    """What is masked to score the token at ``place``, by the tokenizer's own ``word_ids``."""
    if masking == "original":
        return [place]
    of_word = [one for one, word in enumerate(words) if word is not None and word == words[place]]
    return of_word if masking == "whole-word" else [one for one in of_word if one >= place]


@pytest.mark.parametrize("masking", ["original", "within-word-l2r", "whole-word"])
@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_what_is_masked_with_a_token_is_of_its_word(architecture: str, masking: Any) -> None:
    """Words of several tokens, punctuation, apostrophes, digits, scripts without spaces."""
    scorer = scorer_of(architecture)
    tokenizer, model = scorer.tokenizer, scorer.model
    texts = ["it rained, the cats sat.", "don't  (sit) 20a!", "日本 the"]
    for score in scorer.score(texts, masking=masking):
        encoded = tokenizer(score.text)
        full, words = encoded["input_ids"], encoded.word_ids()
        hidden = [hidden_with(words, t, masking) for t in range(1, len(full) - 1)]
        exact = one_by_one(model, full, hidden, tokenizer.mask_token_id)
        np.testing.assert_allclose(score.logprobs, exact, rtol=1e-12, err_msg=score.text)
    assert dict(scorer.signature(masking=masking).fields)["masking"] == masking


def test_no_token_of_a_context_is_masked() -> None:
    scorer = scorer_of()
    tokens = scorer.score("the rained on it").token_ids.tolist()
    pair, ids = Pair(tokens[:2], tokens[2:]), [2, *tokens, 3]  # the rain|ed on it
    for masking, hidden in (("within-word-l2r", [[3, 4], [4, 5], [5, 6]]), ("whole-word", [[3, 4], [4, 5], [5, 6]])):
        score = scorer.score(pair, masking=masking)
        assert score.text == "the rained on it" and score.num_scored == 3
        exact = looped("bert", torch.float64, Request(np.array(ids), 3, num_behind=1, hidden=np.array(hidden)))
        np.testing.assert_allclose(score.logprobs[2:], exact[np.arange(3), ids[3:6]], rtol=1e-12)


def test_words_ranks_entropies_and_likely_tokens_are_given() -> None:
    scorer, masking = scorer_of(), "whole-word"
    rows = scorer.logits("the cats sat", masking=masking)
    score = scorer.score("the cats sat", masking=masking, extras=("rank", "entropy"), top_k=2)
    exact = torch.from_numpy(rows).log_softmax(-1).numpy()
    order = np.argsort(-exact, axis=1)
    assert score.ranks is not None and score.entropies is not None and score.top_ids is not None
    np.testing.assert_array_equal(score.top_ids, order[:, :2])
    np.testing.assert_array_equal(order[np.arange(4), score.ranks - 1], score.token_ids)
    np.testing.assert_allclose(score.entropies, -(np.exp(exact) * exact).sum(1), rtol=1e-10)
    words = scorer.words("the cats sat", masking=masking)
    parts = [score.logprobs[:1], score.logprobs[1:3], score.logprobs[3:]]
    np.testing.assert_allclose(words.log_likelihoods, [part.sum() for part in parts], rtol=1e-12)
    assert np.isnan(words.corrected).all()
    assert words.settings["correction"] == "none" and words.settings["masking"] == masking
    with pytest.raises(OptionError, match="a masked model does not give the probability of all tokens that begin a w"):
        scorer.words("the cats sat", correction="space")


def test_words_are_masked_in_windows_too() -> None:
    scorer = scorer_of(max_length=10)  # 8 tokens and what stands around them
    text = "the cats sat on it all day, it rained the cats"
    score, whole = scorer.score(text, masking="whole-word"), scorer_of().score(text)
    ids, words = whole.token_ids, scorer.tokenizer(text, add_special_tokens=False).word_ids()
    assert len(ids) == 15 and score.num_windows == 8
    for begin, first, last in ((0, 0, 3), *((place - 3, place, place) for place in range(4, 10)), (7, 10, 14)):
        window = np.concatenate([[2], ids[begin : begin + 8], [3]])
        for t in range(first, last + 1):
            seen = [place - begin + 1 for place in range(begin, begin + 8) if words[place] == words[t]]
            hidden = np.array([[min(seen), max(seen) + 1]])
            place = t - begin + 1
            request = Request(window, place, num_behind=len(window) - place - 1, hidden=hidden)
            exact = looped("bert", torch.float64, request)[0, ids[t]]
            assert score.logprobs[t] == pytest.approx(exact, rel=1e-12), t


def test_masking_is_refused_where_there_is_nothing_to_mask_or_no_word() -> None:
    with pytest.raises(OptionError, match="masking='whole-word' is for masked models, and this is a causal one"):
        Scorer(tiny_model("llama"), tiny_tokenizer(), engine="reference").score("a", masking="whole-word")
    scorer = Scorer(masked_model("esm", mask_token_id=32), residues())
    score = scorer.score("MKV")
    assert score.token_texts == ("M", "K", "V") and score.start_token == 0 and score.scored.all()
    with pytest.raises(OptionError, match="no token of this tokenizer tells where a word begins; use masking='orig"):
        scorer.score("MKV", masking="within-word-l2r")


def test_a_context_is_seen_and_never_masked() -> None:
    scorer = scorer_of()
    score = scorer.score(Pair("the cat", " sat on it"))
    ids = [2, *scorer.score("the cat sat on it").token_ids.tolist(), 3]
    exact = looped("bert", torch.float64, Request(np.array(ids), 3, num_behind=1))
    assert score.scored.tolist() == [False, False, True, True, True] and score.boundary == "clean"
    np.testing.assert_allclose(score.logprobs[2:], exact[np.arange(3), ids[3:6]], rtol=1e-12)
    assert score.log_likelihood != scorer.score("sat on it").log_likelihood
    apart = scorer.score(Pair("the cat", " sat on it"), boundary="separate")
    assert apart.log_likelihood == pytest.approx(score.log_likelihood, rel=1e-12)


def test_logits_are_those_of_the_masked_places() -> None:
    scorer = scorer_of()
    score = scorer.score(Pair("the cat", " sat on it"))
    rows = torch.from_numpy(scorer.logits(Pair("the cat", " sat on it"))).log_softmax(-1).numpy()
    np.testing.assert_allclose(rows[np.arange(3), score.token_ids[2:]], score.logprobs[2:], rtol=1e-12)


def test_unknown_and_padding_tokens_are_tokens() -> None:
    scorer = scorer_of()
    score = scorer.score("the 日本 cat")
    assert score.num_unknown == 2 and score.scored.all() and 1 in score.token_ids
    ids = [6, 0, 7]  # a padding token that is asked for is seen, and is a target
    exact = looped("bert", torch.float64, Request(np.array([2, *ids, 3]), 1, num_behind=1))
    np.testing.assert_allclose(scorer.score(ids).logprobs, exact[np.arange(3), ids], rtol=1e-12)


def test_a_long_text_is_scored_in_the_middle_of_windows() -> None:
    scorer = scorer_of(max_length=10)  # 8 tokens and what stands around them
    ids = np.random.default_rng(3).integers(5, 70, size=21)
    score = scorer.score(ids.tolist())
    assert score.scored.all() and score.num_windows == 14
    # 3 tokens on the left and 4 on the right: 0-3 of 0-7, 4 of 1-8, 5 of 2-9, ..., 15 of 12-19, 16-20 of 13-20.
    for begin, first, last in ((0, 0, 3), *((place - 3, place, place) for place in range(4, 16)), (13, 16, 20)):
        window = np.concatenate([[2], ids[begin : begin + 8], [3]])
        exact = looped("bert", torch.float64, Request(window, 1, num_behind=1))
        for t in range(first, last + 1):
            assert score.logprobs[t] == pytest.approx(exact[t - begin, ids[t]], rel=1e-12)
    with pytest.raises(ContextLengthError, match="the sequence needs 23 positions and the model reads at most 10"):
        scorer.score(ids.tolist(), long="error")
    cut = scorer.score(ids.tolist(), long="truncate")
    assert cut.num_cut == 13 and cut.scored.sum() == 8
    pair = scorer.score(Pair(ids[:18].tolist(), ids[18:].tolist()), long="truncate")
    assert (pair.num_cut, pair.num_unread, int(pair.scored.sum()), pair.start_token) == (13, 0, 3, 2)
    windows = scorer.score(Pair(ids[:18].tolist(), ids[18:].tolist()))
    assert (windows.num_cut, windows.num_unread) == (0, 13)
    np.testing.assert_allclose(windows.logprobs[18:], pair.logprobs[18:], rtol=1e-12)
    with pytest.raises(ContextLengthError, match="the continuation has 9 tokens and the model reads at most 8 between"):
        scorer.score(Pair(ids[:12].tolist(), ids[12:].tolist()), long="truncate")


CAT = [6, 8, 9, 10]  # "cat sat on mat"


@pytest.mark.parametrize("given", [[2, *CAT, 3], [2, *CAT], [*CAT, 3]])
def test_a_frame_that_ids_bring_along_is_put_around_them_once(given: list[int]) -> None:
    scorer = scorer_of()
    plain, score = scorer.score(CAT), scorer.score(given)
    assert score.token_ids.tolist() == CAT and score.start_token == 2 and score.scored.all()
    assert score.logprobs.tolist() == plain.logprobs.tolist() and score.text == plain.text
    pair = scorer.score(Pair(given[:-3], given[-3:]))
    begin = len(given[:-3]) - (given[0] == 2)
    expected_pair = scorer.score(Pair(CAT[:begin], CAT[begin:]))
    assert pair.logprobs[begin:].tolist() == expected_pair.logprobs[begin:].tolist()
    assert (pair.context, pair.text) == (expected_pair.context, expected_pair.text)


def test_a_frame_that_a_text_spells_is_put_around_it_once() -> None:
    scorer = scorer_of()
    plain = scorer.score("the cat sat")
    for text in ("[CLS] the cat sat [SEP]", "[CLS]the cat sat", "the cat sat[SEP]"):
        score = scorer.score(text, special_tokens="parse")
        assert score.logprobs.tolist() == plain.logprobs.tolist()
        assert [token.strip() for token in score.token_texts] == ["the", "cat", "sat"]
        assert score.text == "".join(score.token_texts) and score.starts[0] == 0
        assert scorer.score(text).num_scored > plain.num_scored  # as text it is text
    pair = scorer.score(Pair("[CLS] the cat", " sat [SEP]"), special_tokens="parse")
    assert pair.log_likelihood == scorer.score(Pair("the cat", " sat")).log_likelihood
    with pytest.raises(InputError, match="the continuation gives no token"):
        scorer.score(Pair([2, *CAT], [3]))
    nothing = scorer.score([2, 3])
    assert nothing.num_scored == 0 and nothing.start_token in (2, None)


@pytest.mark.parametrize("long", ["windows", "truncate"])
def test_every_window_has_the_frame_that_long_ids_bring_along(long: Any) -> None:
    scorer = scorer_of(max_length=10)
    ids = np.random.default_rng(3).integers(5, 70, size=21).tolist()
    score, plain = scorer.score([2, *ids, 3], long=long), scorer.score(ids, long=long)
    np.testing.assert_array_equal(score.logprobs, plain.logprobs)
    assert (score.num_windows, score.num_cut) == (plain.num_windows, plain.num_cut)


def test_the_work_of_a_masked_model_is_a_row_for_each_target() -> None:
    scorer = scorer_of()
    work = scorer.workload(["the cat sat", Pair("the cat", " sat on it")])
    assert (work.num_items, work.num_targets) == (2, 6)
    assert work.num_run == work.num_inputs == work.num_distinct == 3 * 5 + 3 * 7


def test_what_a_long_text_takes_is_said_before_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "LONG_POSITIONS", 200)
    scorer, long = scorer_of(), list(range(5, 25))
    said = "item 1 takes 20 rows of a forward pass, 440 positions: a masked model reads a text anew for each of its tok"
    for call in (scorer.score, scorer.workload):
        with pytest.warns(CostWarning, match=said) as caught:
            call([CAT, long, long])
        assert len(caught) == 1 and caught[0].filename == __file__


def test_how_far_a_text_is_is_told_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, usual, seen = scorer_of(batch_tokens=1), mask_one.logits_values, []

    def watched(*given: Any, **named: Any) -> Values:
        seen.append((scorer.under_way, under_way(scorer), Pace(None, scorer=scorer).describe(Progress(7, 0, 0, 0))))
        return usual(*given, **named)

    monkeypatch.setattr(mask_one, "logits_values", watched)
    scorer.score(CAT)
    assert [one[0] for one in seen] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert seen[1][1] == " (1 of 4 forward passes of the next)" and seen[1][2].endswith(f"tokens/s{seen[1][1]}")
    assert scorer.under_way is None and under_way(scorer) == under_way(None) == ""
    monkeypatch.setattr(mask_one, "logits_values", lambda *_, **__: [][0])
    with pytest.raises(IndexError):
        scorer.score(CAT)
    assert scorer.under_way is None


def test_as_much_is_planned_at_once_as_takes_as_long() -> None:
    """A stream of texts that a masked model reads anew for each token: the same texts in one piece by another."""
    texts = ["a" * 400] * 20
    assert [len(one) for one in cut(texts, "full")] == [20]
    pieces = [len(one) for one in cut(texts, "full", both_sides=True)]
    assert sum(pieces) == 20 and max(pieces) == 2 * 2**22 // (4 * 400**2) + 1


@pytest.mark.parametrize("architecture", ["bert", "esm", "mpnet", "roberta"])
def test_a_text_of_full_length_fits(architecture: str) -> None:
    scorer = scorer_of(architecture)
    assert scorer.max_length is not None
    ids = np.random.default_rng(1).integers(5, 70, size=scorer.max_length - 2).tolist()
    score = scorer.score(Pair(ids[:-2], ids[-2:]))
    assert (score.num_windows, score.num_unread, score.num_scored) == (1, 0, 2)


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        (
            {"bos": "none"},
            "bos='none' is for models that read from left to right; a masked model reads every text betwe",
        ),
        ({"bos": "lm-eval"}, "bos='lm-eval' is for models that read from left to right"),
        ({"bos": 7}, "bos=7 is for models that read from left to right"),
        ({"boundary": "healed"}, "boundary='healed' is for models that read from left to right; a masked model takes"),
        ({"boundary": "lm-eval"}, "boundary='lm-eval' is for models that read"),
    ],
)
def test_what_has_a_meaning_only_from_left_to_right_is_refused(policies: Any, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        scorer_of().score("the cat", **policies)
    assert str(caught.value).startswith(said)


def test_chats_are_refused_and_other_items_go_on() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    found = list(scorer_of().stream([Chat(messages), "the cat", Pair(messages[:1], "b")], errors="record"))
    assert [isinstance(one, SeqscoreError) for one in found] == [True, False, True]
    assert str(found[0]) == (
        "item 0: chat messages are for models that read from left to right, and this is a masked one"
    )


def test_settings_that_cannot_be() -> None:
    with pytest.raises(OptionError, match="engine='packed' is for causal models; a masked one takes 'auto'"):
        scorer_of(engine="packed")
    with pytest.raises(OptionError, match="batch_tokens=0 must be a whole number of at least 1"):
        scorer_of(batch_tokens=0)
    with pytest.raises(OptionError, match="max_length=2 must be at least 3: 2 tokens stand around a text"):
        scorer_of(max_length=2)
    tokenizer = word_pieces()
    tokenizer.mask_token = None
    with pytest.raises(TokenizerError, match="the tokenizer names no mask token of the model's vocabulary"):
        Scorer(masked_model("bert"), tokenizer)
    bare = word_pieces()
    bare.backend_tokenizer.post_processor = None
    assert Scorer(masked_model("bert"), bare).score("the cat").start_token == 2  # its CLS and SEP
    bare.sep_token = None
    with pytest.raises(TokenizerError, match="puts nothing around a text, and names no CLS and SEP"):
        Scorer(masked_model("bert"), bare)


def test_the_callers_model_is_left_as_it_was() -> None:
    model = masked_model("bert").train()
    trunk, state = model.base_model, {name: value.clone() for name, value in model.state_dict().items()}
    scorer = Scorer(model, word_pieces())
    first = scorer.score("the cat sat").logprobs
    assert model.training and model.base_model is trunk and model.bert is trunk
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    twin = copy.deepcopy(scorer)
    assert twin.model is not model and twin.score("the cat sat").logprobs.tobytes() == first.tobytes()
    with torch.no_grad():
        model.cls.predictions.bias.add_(torch.arange(VOCABULARY))
    assert twin.score("the cat sat").logprobs.tobytes() == first.tobytes()
    assert scorer.score("the cat sat").logprobs.tobytes() != first.tobytes()  # the head is the model's own still
    with pytest.raises(SeqscoreError, match="is no longer the model that this Scorer was made for"):
        model.double() and scorer.score("a")


def test_a_part_that_the_caller_exchanges_counts_from_then_on() -> None:
    model, other = masked_model("bert"), masked_model("bert", seed=1)
    scorer = Scorer(model, word_pieces())
    before = scorer.score("the cat sat").logprobs
    model.cls = other.cls
    after = scorer.score("the cat sat").logprobs
    assert after.tobytes() == Scorer(model, word_pieces()).score("the cat sat").logprobs.tobytes() != before.tobytes()
    model.resize_token_embeddings(VOCABULARY + 5)
    with pytest.raises(SeqscoreError, match="it has 305 tokens where it had 300"):
        scorer.score("the cat sat")


def test_a_failure_leaves_nothing_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Values:
        raise RuntimeError("out of memory")

    scorer = scorer_of()
    scorer.model.train()
    monkeypatch.setattr(mask_one, "logits_values", fails)
    with pytest.raises(SeqscoreError, match="ran out of memory with batch_tokens=1024") as caught:
        scorer.score("the cat")
    assert caught.value.__cause__ is not None
    assert scorer.model.training and not torch.is_inference_mode_enabled()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny-roberta"
    masked_model("roberta").save_pretrained(folder)
    bytes_of_roberta().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Scorer:
    return Scorer.from_pretrained(folder, device="cpu")


def test_a_folder_is_found_to_be_masked(loaded: Scorer) -> None:
    import pickle

    scorer = loaded
    assert scorer.kind == "masked" and type(scorer.model).__name__ == "RobertaForMaskedLM"
    own = Scorer(masked_model("roberta"), bytes_of_roberta()).score("it rained")
    score = scorer.score("it rained")
    assert score.logprobs.tobytes() == own.logprobs.tobytes()
    assert score.signature.startswith("seqscore:") and "|model:tiny-roberta|weights:sha256:" in score.signature
    again = pickle.loads(pickle.dumps(scorer))
    assert again.score("it rained").logprobs.tobytes() == own.logprobs.tobytes()


def test_verify_is_for_causal_models() -> None:
    with pytest.raises(OptionError, match="verify compares the engines of causal models, and this is a masked one"):
        verify(lambda dtype: scorer_of(dtype=torch.float32))


def test_the_command_line_scores_with_it(folder: Path, loaded: Scorer, capsys: pytest.CaptureFixture[str]) -> None:
    from seqscore.cli.app import run as command

    arguments = ["score", "it rained", "--model", str(folder), "--device", "cpu", "--format", "jsonl", "--tokens"]
    assert command(arguments) == 0
    record = json.loads(capsys.readouterr().out)
    expected_score = loaded.score("it rained")
    assert record["log_likelihood"] == expected_score.log_likelihood
    assert [token["logprob"] for token in record["tokens"]] == expected_score.logprobs.tolist()
    assert command(["score", "it rained", "a", "--model", str(folder), "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "pseudo-" in shown and "pseudo-log-likelihood" in " ".join(shown.split())
    assert "pseudo_perplexity=" in repr(expected_score)
    assert command([*arguments, "--masking", "whole-word"]) == 0
    record = json.loads(capsys.readouterr().out)
    whole = loaded.score("it rained", masking="whole-word")
    assert record["log_likelihood"] == whole.log_likelihood != expected_score.log_likelihood


def test_minimal_pairs_are_evaluated_with_it(
    folder: Path, loaded: Scorer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from seqscore.cli.app import run as command

    data, out, model = tmp_path / "pairs.jsonl", tmp_path / "run", ["--model", str(folder), "--device", "cpu"]
    rows = [("the cats sit", "the cats sits"), ("a dog", "a dogs"), ("it rained", "it raineds")]
    data.write_text("".join(json.dumps({"sentence_good": good, "sentence_bad": bad}) + "\n" for good, bad in rows))
    assert command(["eval", "pairs", str(data), *model, "--resamples", "100", "--out", str(out)]) == 0
    wins = [loaded.score(good).log_likelihood > loaded.score(bad).log_likelihood for good, bad in rows]
    summary = json.loads((out / "summary.json").read_text())
    accuracy = next(one for one in summary["figures"] if one["name"] == "accuracy")
    assert accuracy["value"] == pytest.approx(sum(wins) / 3)
    assert "mask-one" in (out / "manifest.json").read_text()
    assert "a perplexity a pseudo-perplexity" in " ".join(told(capsys.readouterr().out))
    assert command(["eval", "pairs", str(data), *model, "--dry-run"]) == 0
    assert "(each token is a row of its own: " in capsys.readouterr().out


def test_choices_are_evaluated_without_differences_to_a_prior(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from seqscore.cli.app import run as command

    data, model = tmp_path / "choices.jsonl", ["--model", str(folder), "--device", "cpu"]
    data.write_text(json.dumps({"context": "it", "choices": ["rained", "sat"], "answer": 0}) + "\n")
    arguments = ["eval", "choices", str(data), *model, "--resamples", "100", "--out", str(tmp_path / "run")]
    for more in ([], ["--no-pmi", "--domain-context", "it"]):
        assert command([*arguments, *more]) != 0
        said = " ".join(told(capsys.readouterr().err))
        assert "the pseudo-log-likelihoods of a masked model are no log-probabilities" in said
    assert command([*arguments, "--no-pmi"]) == 0


@pytest.mark.parametrize("architecture", ["bert", "modernbert"])
def test_the_same_text_has_the_same_bits_in_any_company(architecture: str) -> None:
    """A width that is filled and widths that are padded, words masked together, windows; one row and many at once."""
    model, tokenizer = model_of(architecture, torch.float32), tokenizer_of(architecture)
    rows = np.random.default_rng(4).integers(5, 70, size=(4, 42)).tolist()
    texts = ["the cats sat on it", rows[0][:3], rows[1][:13], rows[2][:14], Pair(rows[3][:36], rows[3][36:])]
    scorer = Scorer(model, tokenizer)
    alone = [scorer.score(text, masking="whole-word").logprobs.tobytes() for text in texts]
    assert scorer.keeps_bits
    for budget, order in ((1, slice(None)), (300, slice(None, None, -1))):
        found = Scorer(model, tokenizer, batch_tokens=budget).score(texts[order], masking="whole-word")[order]
        assert [one.logprobs.tobytes() for one in found] == alone, budget


def test_rows_run_side_by_side_in_numbers_that_were_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Powers of two whose positions keep a row's bits, as far as the budget goes."""
    model, seen = masked_model("bert"), list[int]()
    scorer = Scorer(model, word_pieces())
    scorer.score("a")
    model.base_model.register_forward_pre_hook(
        lambda _, __, given: seen.append(len(given["input_ids"])), with_kwargs=True
    )
    for steady, expected_sizes in (((16, 32), [2, 2, 2, 1]), ((16, 32, 64), [4, 2, 1]), ((32, 64), [1] * 7)):
        monkeypatch.setattr(mask_one, "pack_row_counts", lambda *_, steady=steady, **__: steady)
        seen.clear()
        scorer.score(list(range(5, 12)))
        assert seen == expected_sizes


@pytest.mark.parametrize("architecture", ["convbert", "fnet"])
def test_bits_are_not_promised_where_padding_is_seen(architecture: str) -> None:
    assert not scorer_of(architecture, torch.float32).keeps_bits


def test_bits_are_not_promised_in_half_precision_nor_without_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a few texts show."""
    monkeypatch.setattr(MaskedModel, "run", lambda self, asked, **_: [Values(logprobs=np.zeros(1)) for _ in asked])
    assert scorer_of("bert", torch.float32).keeps_bits
    assert not scorer_of("bert", torch.bfloat16).keeps_bits
    monkeypatch.setattr(masked, "masked_head_of", lambda adapter: None)
    assert not scorer_of("bert", torch.float32).keeps_bits
