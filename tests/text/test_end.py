"""The end token: scored given all of the text, without a change to anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqscore import Chat, OptionError, Pair, Scorer, SequenceScore
from seqscore.calls.notices import StartNotice
from seqscore.calls.opening import open_call
from seqscore.calls.prepared import Prepared
from seqscore.errors import ContextLengthError, InputError, SeqscoreError
from seqscore.models.base import RunSettings
from seqscore.models.causal import CausalModel
from seqscore.plan.requests import Subset
from seqscore.policies import Policies
from seqscore.text.end import declared_end, resolve_end
from tests.masked_models import masked_model, word_pieces
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

MODEL = tiny_model("llama", dtype=torch.float64)
TOKENIZER = tiny_tokenizer()
BOS, EOS, CONTEXT = 1, 2, 64
TEXTS = ("The quick brown fox jumps.", "日本語 и العربية 👩‍👩‍👧 é", "a", " spaces  \n", "")
CHAT = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "Paris"}]


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(MODEL, TOKENIZER)


def ids_of(text: str) -> list[int]:
    return TOKENIZER(text, add_special_tokens=False).input_ids


def end_logprob(ids: list[int]) -> float:
    """log p(end token | ids), by plain transformers in float64."""
    with torch.no_grad():
        return float(MODEL(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)[EOS])


def same_before(plain: SequenceScore, ended: SequenceScore) -> None:
    """What is scored without an end token is scored alike, bit by bit."""
    n = len(plain)
    assert len(ended) == n + 1 and ended.text == plain.text and ended.context == plain.context
    for name in ("token_ids", "starts", "ends", "scored"):
        np.testing.assert_array_equal(getattr(ended, name)[:n], getattr(plain, name))
    assert ended.logprobs[:n].tobytes() == plain.logprobs.tobytes()


@pytest.mark.parametrize("engine", ["packed", "padded", "reference"])
def test_the_end_token_is_scored_given_all_of_the_text(engine: str) -> None:
    scorer = Scorer(MODEL, TOKENIZER, engine=engine)
    for text, plain, ended in zip(TEXTS, scorer.score(TEXTS), scorer.score(TEXTS, eos="scored"), strict=True):
        if engine == "packed":
            same_before(plain, ended)
        size = len(text.encode())
        assert (ended.token_ids[-1], ended.starts[-1], ended.ends[-1]) == (EOS, size, size)
        assert ended.logprobs[-1] == pytest.approx(end_logprob([BOS, *ids_of(text)]), abs=1e-12)
        assert ended.num_scored == plain.num_scored + 1 and ended.num_bytes_scored == plain.num_bytes_scored
        assert ended.log_likelihood == pytest.approx(plain.log_likelihood + ended.logprobs[-1], abs=1e-12)
        assert ended.end_token == EOS and ended.settings["eos"] == "scored/2"
        assert plain.end_token is None and "eos" not in dict(plain.settings.fields)


def test_it_is_a_row_of_tokens_and_a_word_of_its_own(scorer: Scorer) -> None:
    plain, score = scorer.score("The fox"), scorer.score("The fox", eos="scored", extras=("rank", "entropy"))
    *words, end = score.words()
    assert words == list(plain.words())
    assert (end.text, end.start, end.end, end.log_likelihood) == ("</s>", 7, 7, score.logprobs[-1])
    row = score.to_dict()["tokens"][-1]
    assert (row["id"], row["text"], row["start"], row["end"]) == (EOS, "</s>", 7, 7)
    assert row["logprob"] == score.logprobs[-1] and row["rank"] >= 1 and row["entropy"] > 0
    assert list(score.pieces())[-1].text == "</s>" and "&lt;/s&gt;" in score._repr_html_()
    assert sum(word.log_likelihood or 0.0 for word in score.words()) == pytest.approx(score.log_likelihood, abs=1e-12)


def test_the_end_of_nothing() -> None:
    """Behind an empty text it has the start token before it; without one it has no probability."""
    scorer = Scorer(MODEL, TOKENIZER)
    bare = scorer.score("", bos="none", eos="scored")
    assert bare.token_ids.tolist() == [EOS] and bare.num_scored == 0 and np.isnan(bare.logprobs[0])
    single = scorer.score("a", bos="none", eos="scored")
    assert single.scored.tolist() == [False, True]
    assert single.logprobs[1] == pytest.approx(end_logprob(ids_of("a")), abs=1e-12)


def test_behind_a_pair_it_ends_the_continuation(scorer: Scorer) -> None:
    for pair in (Pair("The quick", " brown fox"), Pair(ids_of("The quick"), ids_of(" brown fox"))):
        plain, ended = scorer.score(pair), scorer.score(pair, eos="scored")
        same_before(plain, ended)
        assert ended.continuation == plain.continuation
        assert ended.logprobs[-1] == pytest.approx(end_logprob([BOS, *plain.token_ids.tolist()]), abs=1e-12)


def test_what_brings_its_end_token_along_gets_no_second_one(scorer: Scorer) -> None:
    ids = ids_of("The fox")
    given = scorer.score([*ids, EOS], eos="scored")
    assert given.token_ids.tolist() == [*ids, EOS] and given.end_token == EOS
    assert given.logprobs.tolist() == scorer.score(ids, eos="scored").logprobs.tolist()
    assert [word.text for word in given.words()] == ["The", "fox", "</s>"]
    parsed = scorer.score("The fox</s>", eos="scored", special_tokens="parse")
    assert parsed.token_ids.tolist() == [*ids, EOS] and [word.text for word in parsed.words()][1:] == ["fox", "</s>"]
    literal = scorer.score("The fox</s>", eos="scored")
    assert literal.token_ids[-1] == EOS and literal.token_ids.tolist().count(EOS) == 1
    assert literal.starts[-1] == len("The fox</s>")


def test_another_token_may_be_named(scorer: Scorer) -> None:
    named = scorer.score("ab", eos="<|end|>")
    assert named.end_token == 5 and named.settings["eos"] == "token/5" and named.token_texts[-1] == "<|end|>"
    assert scorer.score("ab", eos=7).end_token == 7 == scorer.score("ab", eos="7").end_token
    with pytest.raises(OptionError, match=r"eos='all' is unknown; expected 'none', 'scored', a special token of this"):
        scorer.score("ab", eos="all")
    with pytest.raises(OptionError, match="eos=300 is no token id of this tokenizer; expected 0 to 299"):
        scorer.score("ab", eos=300)


def test_the_end_token_of_a_tokenizer_without_one_is_what_the_model_declares() -> None:
    model, tokenizer = tiny_model("llama"), tiny_tokenizer(eos=None)
    model.generation_config.eos_token_id = [5, 2]
    assert Scorer(model, tokenizer).score("ab", eos="scored").end_token == 5
    model.config.eos_token_id = model.generation_config.eos_token_id = None
    with pytest.raises(OptionError, match="eos='scored' needs the token that ends a text, and neither the tokenizer"):
        Scorer(model, tokenizer).score("ab", eos="scored")
    assert resolve_end(tokenizer, "none") is None
    beyond = type("Config", (), {"eos_token_id": 300})()
    assert declared_end(tokenizer, [beyond], vocabulary=300) is None


def test_chats_are_refused_by_name(scorer: Scorer) -> None:
    chats = Scorer(MODEL, tiny_tokenizer(chat=True))
    for item in (Chat(CHAT), Pair(CHAT[:1], "Paris")):
        with pytest.raises(InputError, match=r"Chat\(messages, end='scored'\) scores that"):
            chats.score(item, eos="scored")
        assert chats.score(item).end_token is None


def test_masked_models_refuse_it() -> None:
    with pytest.raises(OptionError, match="eos='scored' is for models that read from left to right; a masked model"):
        Scorer(masked_model("bert"), word_pieces()).score("ab", eos="scored")


LONG = np.random.default_rng(3).integers(10, 300, size=200).tolist()


@pytest.mark.parametrize("length", [62, 63, 64, 65, 66, 128, 200])
def test_behind_a_long_text_it_sees_as_much_as_the_model_reads(scorer: Scorer, length: int) -> None:
    plain, ended = scorer.score(LONG[:length]), scorer.score(LONG[:length], eos="scored")
    same_before(plain, ended)
    read = [BOS, *LONG[:length]][-CONTEXT:]
    assert ended.logprobs[-1] == pytest.approx(end_logprob(read), abs=1e-12)
    assert ended.num_windows == plain.num_windows + (length >= CONTEXT) and ended.num_cut == 0


def test_behind_a_text_that_was_cut_there_is_no_end(scorer: Scorer) -> None:
    plain, ended = (scorer.score(LONG, long="truncate", eos=eos) for eos in ("none", "scored"))
    same_before(plain, ended)
    assert not ended.scored[-1] and np.isnan(ended.logprobs[-1])
    assert ended.num_scored == plain.num_scored and ended.num_cut == plain.num_cut + 1
    assert ended.to_dict()["tokens"][-1]["logprob"] is None


def test_a_cut_context_leaves_the_end_of_its_continuation(scorer: Scorer) -> None:
    pair = Pair(LONG[:100], LONG[100:110])
    plain, ended = (scorer.score(pair, long="truncate", eos=eos) for eos in ("none", "scored"))
    same_before(plain, ended)
    assert ended.logprobs[-1] == pytest.approx(end_logprob([BOS, *LONG[110 - CONTEXT + 1 : 110]]), abs=1e-12)
    assert ended.num_cut == plain.num_cut


def test_a_text_that_fits_without_its_end_alone_is_an_error_where_that_is_asked_for(scorer: Scorer) -> None:
    assert scorer.score(LONG[:63], long="error", eos="scored").num_windows == 1
    with pytest.raises(ContextLengthError, match="needs 65 positions and the model reads at most 64"):
        scorer.score(LONG[:64], long="error", eos="scored")


def test_the_row_has_the_same_bits_whatever_stands_beside_it() -> None:
    texts = [text for text in TEXTS if text] * 2 + ["The quick brown", "The quick brown fox jumps over"]
    alone = [Scorer(tiny_model("llama"), TOKENIZER).score(text, eos="scored").logprobs.tobytes() for text in texts]
    for budget in (16, 64, 512):
        scores = Scorer(tiny_model("llama"), TOKENIZER, batch_tokens=budget).score(texts, eos="scored")
        assert [score.logprobs.tobytes() for score in scores] == alone


# -- a target behind the text that is no part of the score ------------------------------------------------------------


def target_behind(item: Any, **policies: Any) -> tuple[SequenceScore, Prepared, NDArray[np.float64]]:
    """A score, what it was prepared from, and the mass of two tokens at the place behind the last token."""
    model = CausalModel(MODEL, TOKENIZER, settings=RunSettings())
    call = open_call(model, Policies(**policies), StartNotice(), behind="always")
    (prepared,) = call.prepare([item], 0)
    assert not isinstance(prepared, SeqscoreError)
    subset = Subset(np.array([EOS, 7]))
    asked = []
    for request in prepared.requests:
        places = np.full(request.num_targets, -1)
        places[-1] = 0
        asked.append(type(request)(request.ids, request.first_target, (subset,), places))
    values = model.run(asked, extras=frozenset())
    masses = values[-1].masses
    assert masses is not None
    return call.score(prepared, values), prepared, masses


@pytest.mark.parametrize("item", ["The quick fox", "", LONG[:64], LONG, Pair("The quick", " fox")])
def test_a_target_that_is_not_reported_leaves_the_score_as_it_is(scorer: Scorer, item: Any) -> None:
    found, prepared, masses = target_behind(item)
    plain = scorer.score(item)
    assert found.to_dict() == {**plain.to_dict(), "signature": found.signature}
    assert found.logprobs.tobytes() == plain.logprobs.tobytes() and found.end_token is None
    assert prepared.layout.has_end
    read = [BOS, *plain.token_ids.tolist()][-CONTEXT:]
    with torch.no_grad():
        row = MODEL(input_ids=torch.tensor([read])).logits[0, -1].log_softmax(-1)
    assert masses[-1] == pytest.approx(float(row[[EOS, 7]].logsumexp(0)), abs=1e-12)


def test_behind_a_cut_text_nothing_is_asked(scorer: Scorer) -> None:
    found, prepared, _ = target_behind(LONG, long="truncate")
    assert not prepared.layout.has_end and found.num_cut == scorer.score(LONG, long="truncate").num_cut
