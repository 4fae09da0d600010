"""Models with an encoder against plain transformers in float64: one text a forward pass, nothing padded."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import MBart50Tokenizer, T5Config

from seqscore import Chat, Pair, Scorer, SequenceScore
from seqscore.calls.next_call import open_next_call
from seqscore.calls.notices import StartNotice
from seqscore.engine import encode_once
from seqscore.errors import (
    ContextLengthError,
    InputError,
    ModelError,
    NumericsError,
    OptionError,
    SeqscoreError,
    TokenizerError,
)
from seqscore.models.architecture import stacks
from seqscore.text.items import Prompt
from tests.seq2seq_models import (
    SEQ2SEQ,
    bart_tokenizer,
    marian_folder,
    marian_tokenizer,
    mbart_tokenizer,
    nllb_tokenizer,
    seq2seq_model,
    t5_tokenizer,
)
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

T5_LIKE = ("t5", "mt5", "umt5", "longt5", "switch_transformers", "pegasus")
FAMILIES = tuple(name for name in SEQ2SEQ if name != "marian")
KEEPS_BITS = ("t5", "bart", "m2m_100", "led")
PAIRS = (
    Pair("the cat is here", "a cat"),
    Pair("the cat is here", "a cat is the"),
    Pair("", "the cat"),
    Pair("the cat, the cat, the cat!", "ß"),
    Pair("a", "the cat is a cat, is a cat, is a cat"),
)


@pytest.fixture(scope="module")
def marian_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return marian_folder(tmp_path_factory.mktemp("marian"))


@lru_cache(maxsize=1)
def tokenizers() -> dict[str, Any]:
    return {
        "t5": t5_tokenizer(),
        "bart": bart_tokenizer(),
        "m2m_100": nllb_tokenizer(src_lang="eng_Latn", tgt_lang="fra_Latn"),
        "mbart": mbart_tokenizer(src_lang="en_XX", tgt_lang="ro_RO"),
    }


def tokenizer_of(family: str) -> Any:
    known = tokenizers()
    return known[family] if family in known else known["t5" if family in T5_LIKE else "bart"]


@lru_cache(maxsize=8)
def model_of(family: str, dtype: torch.dtype = torch.float64) -> Any:
    return seq2seq_model(family, dtype=dtype)


def scorer_of(family: str = "t5", dtype: torch.dtype = torch.float64, **settings: Any) -> Scorer:
    return Scorer(model_of(family, dtype), tokenizer_of(family), **settings)


def front_of(family: str) -> list[int]:
    """What the family's decoders start with, as its papers and transformers' own generation have it."""
    own = {
        "bart": [2, 0],
        "plbart": [2, 0],
        "led": [2, 0],
        "blenderbot": [1, 0],
        "m2m_100": [2, tokenizers()["m2m_100"].convert_tokens_to_ids("fra_Latn")],
        "mbart": [tokenizers()["mbart"].convert_tokens_to_ids("ro_RO")],
    }
    return own.get(family, [0])


def plain(model: Any, source: Sequence[int], front: Sequence[int], targets: Sequence[int]) -> NDArray[np.float64]:
    """[targets, V] log-softmax of transformers' own forward pass."""
    with torch.no_grad():
        logits = model(
            input_ids=torch.tensor([list(source)]), decoder_input_ids=torch.tensor([[*front, *targets[:-1]]])
        ).logits[0, len(front) - 1 :]
    found: NDArray[np.float64] = logits.double().log_softmax(-1).numpy()
    return found


def plain_of(model: Any, tokenizer: Any, pair: Pair, front: Sequence[int], end: bool = False) -> tuple[Any, list[int]]:
    """The same of a Pair, tokenised by transformers' own call."""
    source = tokenizer(pair.context)["input_ids"]
    targets = tokenizer(text_target=pair.continuation, add_special_tokens=False)["input_ids"]
    targets = [*targets, *([tokenizer.eos_token_id] if end else [])]
    return plain(model, source, front, targets), targets


def check(score: SequenceScore, logs: NDArray[np.float64], targets: Sequence[int], tolerance: float = 1e-10) -> None:
    scored, places = score.scored, np.arange(len(targets))
    assert score.token_ids[scored].tolist() == list(targets)
    own = logs[places, targets]
    np.testing.assert_allclose(score.logprobs[scored], own, atol=tolerance, rtol=tolerance)
    assert score.ranks is not None and score.entropies is not None and score.greedy is not None
    assert score.ranks[scored].tolist() == (1 + (logs > own[:, None]).sum(1)).tolist()
    np.testing.assert_allclose(score.entropies[scored], -(np.exp(logs) * logs).sum(1), atol=1e3 * tolerance)
    assert score.greedy[scored].tolist() == (logs.argmax(1) == targets).tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_a_plain_loop(family: str) -> None:
    model, tokenizer = model_of(family), tokenizer_of(family)
    for pair, score in zip(PAIRS, scorer_of(family).score(PAIRS, extras=("rank", "entropy")), strict=True):
        check(score, *plain_of(model, tokenizer, pair, front_of(family)))
        assert score.context == pair.context and score.continuation == pair.continuation
        assert score.boundary == "separate" and score.start_token == front_of(family)[-1]


@pytest.mark.parametrize("family", ["t5", "bart", "m2m_100", "mbart"])
def test_float32_is_as_near_as_float32_is(family: str) -> None:
    model, tokenizer = model_of(family), tokenizer_of(family)
    for pair, score in zip(PAIRS, scorer_of(family, torch.float32).score(PAIRS), strict=True):
        exact, targets = plain_of(model, tokenizer, pair, front_of(family))
        single, _ = plain_of(model_of(family, torch.float32), tokenizer, pair, front_of(family))
        cost = float(np.abs(single - exact).max())
        own = exact[np.arange(len(targets)), targets]
        assert np.abs(score.logprobs[score.scored] - own).max() <= 4 * cost + 1e-6 < 1e-4


def test_marian_has_two_ways_to_cut_texts(marian_files: Path) -> None:
    tokenizer, model = marian_tokenizer(marian_files), seq2seq_model("marian", dtype=torch.float64)
    before = copy.deepcopy(vars(tokenizer))
    scorer = Scorer(model, tokenizer)
    pairs = [
        Pair("the cat sat", "die Katze sass"),
        Pair(">>deu<< it rained all day", "es regnete den ganzen Tag"),
        PAIRS[2],
    ]
    for pair, score in zip(pairs, scorer.score(pairs, extras=("rank", "entropy")), strict=True):
        check(score, *plain_of(model, tokenizer, pair, [0]))
    one = scorer.score(Pair("die Katze", "die Katze"))
    source, target = (
        tokenizer.convert_ids_to_tokens(one.token_ids[part].tolist()) for part in (~one.scored, one.scored)
    )
    assert source != target and "".join(source) == "".join(target) == "▁die▁Katze"
    assert one.token_texts[-len(target)] == "die" or one.token_texts[-len(target)].startswith("d")
    (behind,) = open_next_call(scorer._model, {}, StartNotice(), k=1).prepare([Prompt("die Katze")], 0)
    assert not isinstance(behind, SeqscoreError)
    assert tokenizer.convert_ids_to_tokens(np.array(behind.requests[0].source).tolist()) == source
    left = vars(tokenizer)
    assert [left[name] for name in ("current_encoder", "spm_files")] == [
        before[name] for name in ("current_encoder", "spm_files")
    ]
    assert left["current_spm"] is left["spm_source"]


@pytest.mark.parametrize("family", ["t5", "bart", "mbart", "m2m_100"])
def test_the_end_token_is_scored_on_request(family: str) -> None:
    model, tokenizer = model_of(family), tokenizer_of(family)
    for pair, score in zip(
        PAIRS, scorer_of(family).score(PAIRS, eos="scored", extras=("rank", "entropy")), strict=True
    ):
        check(score, *plain_of(model, tokenizer, pair, front_of(family), end=True))
    (alone,) = scorer_of(family).score([""], eos="scored")
    logs = plain(model, tokenizer("")["input_ids"], front_of(family), [tokenizer.eos_token_id])
    np.testing.assert_allclose(alone.log_likelihood, logs[0, tokenizer.eos_token_id], atol=1e-10)


def test_a_loss_of_transformers_is_the_mean_with_the_end_token() -> None:
    """T5's labels are ``x </s>``; BART's ``<s> x </s>``, of which ``<s>`` is certain by decree and not scored here."""
    for family, forced in (("t5", []), ("bart", [0])):
        model, tokenizer = model_of(family), tokenizer_of(family)
        for pair, score in zip(PAIRS, scorer_of(family).score(PAIRS, eos="scored"), strict=True):
            both = tokenizer(pair.context, text_target=pair.continuation, return_tensors="pt")
            with torch.no_grad():
                total = -float(model(**both).loss) * both["labels"].shape[1]
            logs = plain(model, both["input_ids"][0].tolist(), [2], forced or [0])
            total -= float(logs[0, 0]) if forced else 0.0
            np.testing.assert_allclose(score.log_likelihood, total, rtol=1e-6)


def test_minicons_definition_is_this_with_an_end_behind_the_source() -> None:
    """minicons 0.3.39 encodes the source without special tokens, and decodes ``<pad> text``: the same number comes out
    where its user writes the ``</s>`` that T5 was trained with; without, it differs."""
    tokenizer, model = tokenizer_of("t5"), model_of("t5")
    for pair in (PAIRS[0], PAIRS[1], PAIRS[4]):
        decoded = tokenizer(f"<pad> {pair.continuation}", add_special_tokens=False)["input_ids"]
        given = [tokenizer(pair.context + end, add_special_tokens=False)["input_ids"] for end in ("</s>", "")]
        means = [
            plain(model, one, decoded[:1], decoded[1:])[np.arange(len(decoded) - 1), decoded[1:]].mean()
            for one in given
        ]
        score = scorer_of().score(pair)
        np.testing.assert_allclose(score.log_likelihood / score.num_scored, means[0], atol=1e-10)
        assert abs(means[0] - means[1]) > 1e-3


@pytest.mark.parametrize("family", KEEPS_BITS)
def test_the_same_bits_whatever_runs_beside_a_text(family: str) -> None:
    words = "the cat is a mat and it ate all of the cake that day".split()
    pick = np.random.default_rng(3)
    pairs = [
        Pair(" ".join(pick.choice(words, size=int(pick.integers(0, 14)))), " ".join(pick.choice(words, size=size)))
        for size in (1, 2, 3, 3, 5, 8, 9, 12)
    ]
    pairs += [Pair(pairs[0].context, pair.continuation) for pair in pairs[2::3]]
    scorer = scorer_of(family, torch.float32)
    assert scorer.keeps_bits
    alone = [scorer.score(pair, extras=("entropy",)) for pair in pairs]
    for settings, order in (({}, -1), ({"batch_tokens": 64}, 1), ({"batch_tokens": 4096}, 1), ({"threads": 2}, 1)):
        many = scorer_of(family, torch.float32, **settings).score(pairs[::order], extras=("entropy", "rank"))[::order]
        for one, other in zip(alone, many, strict=True):
            assert one.logprobs.tobytes() == other.logprobs.tobytes()
            assert one.entropies is not None and other.entropies is not None
            assert one.entropies.tobytes() == other.entropies.tobytes()


def test_bits_are_promised_where_they_are_kept() -> None:
    assert not scorer_of("longt5").keeps_bits and not scorer_of("switch_transformers").keeps_bits
    assert not Scorer(seq2seq_model("t5", dtype=torch.bfloat16), tokenizer_of("t5")).keeps_bits
    noisy = scorer_of("t5", torch.float32)
    noisy._model._engine.run = lambda asked, extras: (
        scorer_of("t5", torch.float32)._model._engine.run(  # type: ignore[union-attr]
            asked, extras=extras
        )
        if len(asked) == 1
        else scorer_of("t5")._model._engine.run(asked, extras=extras)
    )  # type: ignore[union-attr]
    assert not noisy.keeps_bits


class Counting:
    """How many rows and positions a stack ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sources: list[tuple[int, int]] = []
        self.decoded: list[tuple[int, int]] = []
        encode, decode = stacks.Stacks.encode, stacks.Stacks.decode

        def counted_encode(own: Any, ids: Any, seen: Any) -> Any:
            self.sources.append((ids.shape[0], ids.shape[1]))
            return encode(own, ids, seen)

        def counted_decode(own: Any, ids: Any, states: Any, seen: Any) -> Any:
            self.decoded.append((ids.shape[0], ids.shape[1]))
            return decode(own, ids, states, seen)

        monkeypatch.setattr(stacks.Stacks, "encode", counted_encode)
        monkeypatch.setattr(stacks.Stacks, "decode", counted_decode)


def test_a_source_is_encoded_once_and_a_beginning_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = scorer_of()
    counting = Counting(monkeypatch)
    texts = ["a", "the", "a cat", "a cat is", "a cat", "the cat is"]
    pairs = [Pair(source, text) for source in ("the cat", "a cat is a cat") for text in texts]
    scores = scorer.score(pairs)
    assert sum(rows for rows, _ in counting.sources) == 2
    # of each source "a cat is" and "the cat is", which answer what they begin with
    assert sum(rows for rows, _ in counting.decoded) == 2 * 2
    for pair, score in zip(pairs, scores, strict=True):
        np.testing.assert_allclose(score.log_likelihood, scorer.score(pair).log_likelihood, rtol=1e-12)
    work = scorer.workload(pairs)
    assert work.num_run == work.num_distinct
    assert work.num_run is not None and work.num_inputs is not None and work.num_run < work.num_inputs / 2


def test_batches_stay_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [Pair(f"{'the cat ' * (i % 5)}{chr(97 + i)}", f"{chr(97 + i)} cat" * (1 + i % 3)) for i in range(26)]
    for budget in (1, 64, 256):
        scorer = scorer_of("t5", torch.float32, batch_tokens=budget)
        counting = Counting(monkeypatch)
        scorer.score(pairs)
        for rows, width in (*counting.sources, *counting.decoded):
            assert rows == 1 or rows * width <= budget
        monkeypatch.undo()
    assert max(rows for rows, _ in counting.sources) > 1 < max(rows for rows, _ in counting.decoded)
    with pytest.raises(OptionError, match="batch_tokens=0 must be a whole number of at least 1"):
        scorer_of(batch_tokens=0)


def test_without_a_head_of_its_own_a_model_runs_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_declared_heads", lambda model: [])
    for family in ("t5", "bart"):
        scorer = scorer_of(family)
        assert not scorer.keeps_bits
        for pair, score in zip(PAIRS, scorer.score(PAIRS, extras=("rank", "entropy")), strict=True):
            check(score, *plain_of(model_of(family), tokenizer_of(family), pair, front_of(family)))
        logits = scorer.logits(PAIRS[1])
        logs, _ = plain_of(model_of(family), tokenizer_of(family), PAIRS[1], front_of(family))
        np.testing.assert_allclose(torch.from_numpy(logits).log_softmax(-1).numpy(), logs, atol=1e-10)


def test_logits_are_those_of_the_model() -> None:
    for family in ("t5", "bart", "m2m_100"):
        logs, _ = plain_of(model_of(family), tokenizer_of(family), PAIRS[4], front_of(family))
        found = torch.from_numpy(scorer_of(family).logits(PAIRS[4])).log_softmax(-1).numpy()
        np.testing.assert_allclose(found, logs, atol=1e-10)


def test_the_most_probable_tokens_at_each_place() -> None:
    for family in ("t5", "bart"):
        score = scorer_of(family).score(PAIRS[4], top_k=3)
        logs, _ = plain_of(model_of(family), tokenizer_of(family), PAIRS[4], front_of(family))
        assert score.top_ids is not None and score.top_logprobs is not None
        expected = np.argsort(-logs, axis=1, kind="stable")[:, :3]
        assert score.top_ids[score.scored].tolist() == expected.tolist()
        own = np.take_along_axis(logs, expected, 1)
        np.testing.assert_allclose(score.top_logprobs[score.scored], own, atol=1e-10)


@pytest.mark.parametrize("family", ["t5", "bart", "marian"])
@pytest.mark.parametrize("begins", ["", "the mat", "es regnete"])
def test_what_comes_next_in_a_target(family: str, begins: str) -> None:
    scorer, model, tokenizer = scorer_of(family), model_of(family), tokenizer_of(family)
    source = tokenizer("die Katze")["input_ids"]
    target = tokenizer(text_target=begins, add_special_tokens=False)["input_ids"] if begins else []
    ids = torch.tensor([front_of(family) + target])
    with torch.inference_mode():
        logs = model(input_ids=torch.tensor([source]), decoder_input_ids=ids).logits[0, -1].log_softmax(-1)
    found = scorer.next_tokens(Pair("die Katze", begins), k=6)
    best = logs.topk(6)
    assert found.ids.tolist() == best.indices.tolist()
    np.testing.assert_allclose(found.logprobs, best.values.numpy(), atol=1e-10)
    assert found.entropy == pytest.approx(float(-(logs.exp() * logs).sum()), abs=1e-10)
    assert found.num_context == len(source) - sum(map(len, scorer._model.codec.frames.source)) + len(target)  # type: ignore[union-attr]
    assert (found.context, found.target_begins) == ("die Katze", begins)
    if not begins:
        assert scorer.next_tokens("die Katze", k=6).ids.tolist() == found.ids.tolist(), "a context is a source"


def test_next_to_a_target_of_ids_and_one_that_is_too_long() -> None:
    scorer, tokenizer = scorer_of("bart", max_length=24), tokenizer_of("bart")
    target = tokenizer("the cat sat on the mat and it is here " * 3, add_special_tokens=False)["input_ids"]
    source = tokenizer("the mat", add_special_tokens=False)["input_ids"]
    short, long = (scorer.next_tokens(Pair(source, ids), k=3) for ids in (target[:5], target))
    assert short.ids.tolist() == scorer_of("bart").next_tokens(Pair(source, target[:5]), k=3).ids.tolist()
    assert len(target) > 24 and 0 < long.num_unread < len(target) and short.num_unread == 0
    kept = target[long.num_unread :]
    assert long.ids.tolist() == scorer.next_tokens(Pair(source, kept), k=3).ids.tolist()
    with pytest.raises(ContextLengthError):
        scorer.next_tokens(Pair(source, target), long="error")
    with pytest.raises(InputError, match="two texts or two lists of token ids; got str and list"):
        scorer.next_tokens(Pair("the mat", target))


def test_token_ids_bring_along_what_stands_around_a_source() -> None:
    scorer, tokenizer, model = scorer_of("m2m_100"), tokenizer_of("m2m_100"), model_of("m2m_100")
    source, target = tokenizer("the cat")["input_ids"], tokenizer("a cat", add_special_tokens=False)["input_ids"]
    expected = plain(model, source, front_of("m2m_100"), target)[np.arange(len(target)), target].sum()
    for given in (source, source[1:-1], source[1:], source[:-1]):
        score = scorer.score(Pair(given, target))
        np.testing.assert_allclose(score.log_likelihood, expected, rtol=1e-12)
        assert score.num_scored == len(target) and score.num_tokens == len(given) + len(target)
    alone = scorer.score(target)
    logs = plain(model, [source[0], source[-1]], front_of("m2m_100"), target)
    np.testing.assert_allclose(alone.log_likelihood, logs[np.arange(len(target)), target].sum(), rtol=1e-12)
    parsed = scorer_of().score(Pair("the cat</s>", "a cat"), special_tokens="parse")
    np.testing.assert_allclose(parsed.log_likelihood, scorer_of().score(Pair("the cat", "a cat")).log_likelihood)


def test_a_text_alone_has_an_empty_source() -> None:
    for family in ("t5", "bart", "m2m_100", "mbart"):
        scorer = scorer_of(family)
        alone, pair = scorer.score(["the cat", Pair("", "the cat")])
        assert alone.logprobs.tobytes() == pair.logprobs.tobytes() and alone.scored.all()
        assert alone.settings["conditioning"] == "source"
    assert scorer_of().score("").log_likelihood == 0.0 and scorer_of().score("").perplexity is None


def test_the_signature_says_what_stands_around() -> None:
    def said(family: str) -> list[str]:
        fields = dict(scorer_of(family).signature().fields)
        return [
            fields.get(name, "") for name in ("kind", "engine", "source", "decoder", "languages", "bos", "boundary")
        ]

    fra, ron = front_of("m2m_100")[1], front_of("mbart")[0]
    eng, enx = (
        tokenizers()["m2m_100"].convert_tokens_to_ids("eng_Latn"),
        tokenizers()["mbart"].convert_tokens_to_ids("en_XX"),
    )
    both = ["encoder-decoder", "encode-once"]
    assert said("t5") == [*both, "x+1", "0", "", "auto/0", "separate"]
    assert said("bart") == [*both, "0+x+2", "2+0", "", "auto/0", "separate"]
    assert said("m2m_100") == [*both, f"{eng}+x+2", f"2+{fra}", "eng_Latn>fra_Latn", f"auto/{fra}", "separate"]
    assert said("mbart") == [*both, f"x+2+{enx}", f"{ron}", "en_XX>ro_RO", f"auto/{ron}", "separate"]


def test_languages_are_named() -> None:
    tokenizer, model = nllb_tokenizer(src_lang="eng_Latn"), model_of("m2m_100")
    with pytest.raises(OptionError, match=r"several languages .*name it by target_language .*'eng_Latn'"):
        Scorer(model, tokenizer)
    german = Scorer(model, tokenizer, source_language="zho_Hans", target_language="deu_Latn")
    assert (tokenizer.src_lang, tokenizer.tgt_lang) == ("eng_Latn", None)
    set_by_hand = nllb_tokenizer(src_lang="zho_Hans", tgt_lang="deu_Latn")
    front = [2, tokenizer.convert_tokens_to_ids("deu_Latn")]
    check(german.score(PAIRS[0], extras=("rank", "entropy")), *plain_of(model, set_by_hand, PAIRS[0], front))
    assert german.signature()["languages"] == "zho_Hans>deu_Latn"
    for wrong, like in (("fr", "fra_Latn"), ("</s>", "deu_Latn"), ("klingon", "deu_Latn")):
        with pytest.raises(
            OptionError, match=f"target_language='{wrong}' is none of the tokenizer's 4 languages.*{like}"
        ):
            Scorer(model, tokenizer, target_language=wrong)
    copied = copy.deepcopy(german)
    assert str(copied.signature()).split("|config")[1] == str(german.signature()).split("|config")[1]


def test_the_models_own_language_counts_where_its_tokenizer_has_none() -> None:
    tokenizer, model = nllb_tokenizer(src_lang="eng_Latn"), seq2seq_model("m2m_100", dtype=torch.float64)
    french = tokenizer.convert_tokens_to_ids("fra_Latn")
    model.generation_config.forced_bos_token_id = french
    expected = scorer_of("m2m_100").score(PAIRS[0]).log_likelihood
    own = Scorer(model, tokenizer)
    np.testing.assert_allclose(own.score(PAIRS[0]).log_likelihood, expected, rtol=1e-12)
    assert own.signature()["decoder"] == f"2+{french}"
    mbart = seq2seq_model("mbart", dtype=torch.float64)
    mbart.config.decoder_start_token_id = mbart.generation_config.decoder_start_token_id = front_of("mbart")[0]
    romanian = Scorer(mbart, mbart_tokenizer(src_lang="en_XX"))
    assert romanian.signature()["decoder"] == str(front_of("mbart")[0])


def test_mbart_50_and_old_nllb_start_with_two_tokens() -> None:
    fifty = mbart_tokenizer(MBart50Tokenizer, src_lang="en_XX", tgt_lang="ro_RO")
    scorer = Scorer(model_of("mbart"), fifty)
    front = [2, fifty.convert_tokens_to_ids("ro_RO")]
    check(scorer.score(PAIRS[0], extras=("rank", "entropy")), *plain_of(model_of("mbart"), fifty, PAIRS[0], front))
    old = nllb_tokenizer(src_lang="eng_Latn", tgt_lang="fra_Latn", legacy_behaviour=True)
    frames = Scorer(model_of("m2m_100"), old).signature()
    assert (frames["source"], frames["decoder"]) == (
        f"x+2+{old.convert_tokens_to_ids('eng_Latn')}",
        f"2+{front_of('m2m_100')[1]}",
    )


def test_languages_are_refused_where_there_are_none() -> None:
    with pytest.raises(
        OptionError, match=r"target_language='fra_Latn': the tokenizer \(T5Tokenizer\) has no language tokens"
    ):
        scorer_of(target_language="fra_Latn")
    with pytest.raises(
        OptionError, match="source_language='de' is for models with an encoder; a causal model takes none"
    ):
        Scorer(tiny_model("llama"), tiny_tokenizer(), source_language="de")


def test_a_source_that_is_too_long() -> None:
    scorer = scorer_of("bart")
    long = Pair("abcdefgh" * 10, "the cat")
    for policy in ("windows", "error"):
        with pytest.raises(
            ContextLengthError, match=r"has 80 tokens, and the encoder reads at most 70.*windows are laid"
        ):
            scorer.score(long, long=policy)
    cut = scorer.score(long, long="truncate")
    assert cut.num_cut == 10 and cut.num_tokens == 80 + cut.num_scored
    np.testing.assert_allclose(
        cut.log_likelihood, scorer.score(Pair(long.context[:70], "the cat")).log_likelihood, rtol=1e-12
    )
    assert scorer.score(Pair("a" * 70, "the cat")).num_cut == 0
    found = list(scorer.stream([long, PAIRS[0]], errors="record"))
    assert isinstance(found[0], SeqscoreError) and found[0].item == 0 and isinstance(found[1], SequenceScore)
    for led in (scorer_of("led"), copy.deepcopy(scorer_of("led"))):  # its encoder reads more than its decoder
        assert led.score(Pair("a" * 90, "the cat")).num_cut == 0
    assert scorer_of("t5").score(Pair("a" * 900, "the cat")).num_cut == 0 and scorer_of("t5").max_length is None
    with pytest.raises(ContextLengthError, match="reads at most 19"):
        scorer_of("t5", max_length=20).score(Pair("a" * 20, "the cat"))


def test_a_target_that_is_too_long_is_scored_in_windows_behind_the_start_tokens() -> None:
    scorer, model, tokenizer = scorer_of("bart", max_length=12), model_of("bart"), tokenizer_of("bart")
    source, target = tokenizer("xyz")["input_ids"], list(range(20, 50))
    score = scorer.score(Pair(source, target))
    assert score.num_windows > 1 and score.num_scored == 30 and score.num_cut == 0
    own, done, room = score.logprobs[score.scored], 0, 12 - 2
    while done < len(target):  # the first window scores what it can, each later one half of its room more
        end = min(len(target) - 1, room if not done else done - 1 + (room + 1) // 2)
        begin = max(0, end - room)
        logs = plain(model, source, [2, 0], target[begin : end + 1])
        for place in range(done, end + 1):
            np.testing.assert_allclose(own[place], logs[place - begin, target[place]], rtol=1e-9)
        done = end + 1
    with pytest.raises(ContextLengthError, match="a continuation is never cut"):
        scorer.score(Pair(source, target), long="truncate")
    with pytest.raises(ContextLengthError):
        scorer.score(Pair(source, target), long="error")
    assert scorer.score(target, long="truncate").num_cut == 30 - 11
    ended = scorer.score(Pair(source, target), eos="scored")
    assert ended.logprobs[score.scored.nonzero()[0]].tobytes() == own.tobytes()
    assert scorer.score(Pair(source, target[:11])).num_windows == 1


def test_what_has_no_meaning_is_refused() -> None:
    scorer = scorer_of()
    for options in ({"bos": "none"}, {"bos": "</s>"}, {"boundary": "healed"}, {"boundary": "lm-eval"}):
        with pytest.raises(OptionError):
            scorer.score("a", **options)  # type: ignore[call-overload]
    chat = [{"role": "user", "content": "a"}]
    for item in (Chat(chat), Pair(chat, "b")):
        (found,) = scorer.stream([item], errors="record")
        assert isinstance(found, OptionError)
    with pytest.raises(OptionError, match="engine='packed' is for causal models; an encoder-decoder takes 'auto'"):
        scorer_of(engine="packed")
    with pytest.raises(InputError, match="the continuation is empty"):
        scorer.score(Pair("a", ""))
    with pytest.raises(OptionError, match="max_length=2 must be at least 3"):
        Scorer(model_of("mbart"), tokenizer_of("mbart"), max_length=2)


def test_a_delimiter_stands_in_a_target_alone() -> None:
    scorer = scorer_of("bart")
    touching, spaced = scorer.score([Pair("the", "cat", delimiter="auto"), Pair("the", "cat", delimiter=" ")])
    assert touching.logprobs.tobytes() == scorer.score(Pair("the", "cat")).logprobs.tobytes()
    assert (touching.text, touching.delimiter, spaced.text) == ("thecat", "", "the cat")
    assert not touching.runs_together and spaced.continuation == " cat"


def test_words_end_where_the_source_does() -> None:
    score = scorer_of("bart").score(Pair("the cat ", "is the"), eos="scored")
    words = [(word.text, word.log_likelihood is not None) for word in score.words()]
    assert words == [("the", False), ("cat", False), ("is", True), ("the", True), ("</s>", True)]
    total = sum(word.log_likelihood for word in score.words() if word.log_likelihood is not None)
    assert total == pytest.approx(score.log_likelihood)


def test_scripts_without_spaces() -> None:
    scorer = scorer_of("bart")
    for text in ("日本語", "ภาษาไทย", "العربية", "漢字 と かな", "\n\t ", "é̈"):
        score = scorer.score(Pair(text, text))
        assert score.text == text + text and score.num_scored == len(text.encode()) * len("x")
        assert score.num_bytes_scored == len(text.encode())
    assert scorer_of().score(Pair("日本", "日本")).num_unknown == 0
    assert scorer_of().score(Pair("ภ", "ภ")).num_unknown == 1


def test_nothing_of_the_callers_is_changed() -> None:
    tokenizer, model = bart_tokenizer(), seq2seq_model("bart")
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    backend = tokenizer.backend_tokenizer.to_str()
    Scorer(model, tokenizer).score(list(PAIRS))
    assert model.training and all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert tokenizer.backend_tokenizer.to_str() == backend


def test_models_that_cannot_be_run_say_why() -> None:
    damaged = seq2seq_model("t5")
    with torch.no_grad():
        damaged.lm_head.weight.fill_(float("nan"))
    with pytest.raises(NumericsError, match="gives NaN logits"):
        Scorer(damaged, tokenizer_of("t5"))
    aimless = seq2seq_model("bart")
    aimless.config.decoder_start_token_id = aimless.generation_config.decoder_start_token_id = None
    with pytest.raises(ModelError, match="names no token that decoding starts with"):
        Scorer(aimless, tokenizer_of("bart"))
    split = t5_tokenizer()
    split.separate_vocabs = True
    with pytest.raises(TokenizerError, match="separate vocabularies"):
        Scorer(model_of("t5"), split)
    exchanged = seq2seq_model("t5")
    scorer = Scorer(exchanged, tokenizer_of("t5"))
    exchanged.lm_head = torch.nn.Linear(16, 320, bias=False)
    with pytest.raises(ModelError, match="the head was exchanged"):
        scorer.score("a")
    assert T5Config().is_encoder_decoder and encode_once.EncodeOnceEngine.name == "encode-once"
