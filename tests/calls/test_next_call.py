"""Next tokens and next words, against plain transformers in float64 on tiny models."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from seqscore import Chat, NextTokens, OptionError, Pair, Scorer
from seqscore.errors import ContextLengthError, InputError, NumericsError, SeqscoreError
from seqscore.plan.requests import Request, Values
from seqscore.policies import Extra
from tests.masked_models import masked_model, word_pieces
from tests.models.stand_ins import FarModel, scorer_of
from tests.models.test_source import START, EncoderDecoder, logits_of
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

MODEL = tiny_model("llama", dtype=torch.float64)
TOKENIZER = tiny_tokenizer(chat=True)
BOS, CONTEXT = 1, 64
CHAT = [{"role": "user", "content": "What is it?"}]
CONTEXTS = ("The quick brown", "日本語 é", "", " spaces ", [9, 30, 40], np.array([9]), CHAT)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(MODEL, TOKENIZER)


def ids_of(text: str) -> list[int]:
    return TOKENIZER(text, add_special_tokens=False).input_ids


def read_of(context: Any) -> list[int]:
    """What the model reads of a context, straight from the tokenizer."""
    if isinstance(context, str):
        return [BOS, *ids_of(context)]
    if isinstance(context, list) and isinstance(context[0], dict):
        return [3, *ids_of("What is it?"), 5, 4]
    return [BOS, *list(context)]


def distribution(ids: Sequence[int]) -> torch.Tensor:
    """[V]: log p behind these ids, by plain transformers in float64."""
    with torch.no_grad():
        found: torch.Tensor = MODEL(input_ids=torch.tensor([list(ids)])).logits[0, -1].log_softmax(-1)
    return found


def check(found: NextTokens, ids: Sequence[int], k: int) -> None:
    exact = distribution(ids)
    wanted = exact.topk(k)
    assert found.ids.tolist() == wanted.indices.tolist()
    np.testing.assert_allclose(found.logprobs, wanted.values, rtol=0, atol=1e-12)
    assert found.entropy == pytest.approx(float(-(exact.exp() * exact).sum()), abs=1e-11)


@pytest.mark.parametrize("engine", ["packed", "padded", "reference"])
def test_next_tokens_are_those_of_the_models_distribution(engine: str) -> None:
    scorer = Scorer(MODEL, TOKENIZER, engine=engine)
    for context in CONTEXTS:
        found = scorer.next_tokens(context, k=5)
        check(found, read_of(context), 5)
        assert [one.rank for one in found] == [1, 2, 3, 4, 5] and len(found) == 5
        assert [one.probability for one in found] == [math.exp(one.logprob) for one in found]
        assert found.context == scorer.next_tokens(context, k=1).context and found.num_unread == 0


def test_all_of_them_add_up_to_one(scorer: Scorer) -> None:
    found = scorer.next_tokens("The", k=300)
    assert math.fsum(one.probability for one in found) == pytest.approx(1.0, abs=1e-12)
    assert sorted(found.ids.tolist()) == list(range(300))
    assert -math.fsum(one.probability * one.logprob for one in found) == pytest.approx(found.entropy, abs=1e-11)


def test_a_long_context_is_read_as_far_as_the_model_looks_back(scorer: Scorer) -> None:
    ids = np.random.default_rng(3).integers(10, 300, size=200).tolist()
    for length in (62, 63, 64, 65, 200):
        found = scorer.next_tokens(ids[:length], k=3)
        check(found, [BOS, *ids[:length]][-CONTEXT:], 3)
        assert found.num_unread == max(0, length - CONTEXT) and found.num_context == length
        assert found.start_token == (BOS if length < CONTEXT else None)
    with pytest.raises(ContextLengthError, match="needs 201 positions and the model reads at most 64"):
        scorer.next_tokens(ids, long="error")
    assert scorer.next_tokens(ids[:63], long="error").num_unread == 0
    with pytest.raises(OptionError, match="'truncate' cuts the end of a text that no continuation stands"):
        scorer.next_tokens(ids, long="truncate")


def test_words_behind_a_long_context_that_is_cut_at_its_beginning(scorer: Scorer) -> None:
    context, words = "The quick brown fox jumps. " * 12 + "The", ["fox", "lazy dogs"]
    tokens = len(ids_of(context))
    for long, front in (("truncate", [BOS]), ("windows", [])):
        found = scorer.next_words(context, words, long=long)  # type: ignore[arg-type]
        for word, one in zip(words, found, strict=True):
            ids = ids_of(f"{context} {word}")
            count = len(ids) - tokens
            room = CONTEXT - len(front) + 1
            whole = [*front, *ids[len(ids) - room :]]
            exact = [float(distribution(whole[:t])[whole[t]]) for t in range(len(whole) - count, len(whole))]
            assert one.num_tokens == count and one.log_likelihood == pytest.approx(math.fsum(exact), abs=1e-9)
            assert one.corrected is not None
        assert found.num_unread == tokens - CONTEXT + len(front) + count - 1
    assert scorer.next_words("The", words, long="truncate").num_unread == 0


def test_white_space_around_a_word_is_no_part_of_it(scorer: Scorer) -> None:
    bare, spaced = (scorer.next_words("The quick", words) for words in (["fox", "brown"], [" fox ", "brown\n"]))
    for one, other in zip(bare, spaced, strict=True):
        assert (one.log_likelihood, one.corrected, one.num_tokens) == (
            other.log_likelihood,
            other.corrected,
            other.num_tokens,
        )


def test_bits_do_not_depend_on_other_contexts() -> None:
    model = tiny_model("llama")
    contexts: list[Any] = ["The quick brown", "The quick", [9, 30], CHAT, ""] * 2
    alone = [Scorer(model, TOKENIZER).next_tokens(one, k=4) for one in contexts]
    for budget in (16, 512):
        together = list(Scorer(model, TOKENIZER, batch_tokens=budget).stream_next_tokens(contexts, k=4))
        for one, other in zip(alone, together, strict=True):
            assert isinstance(other, NextTokens) and one.logprobs.tobytes() == other.logprobs.tobytes()
            assert (one.ids.tolist(), one.entropy) == (other.ids.tolist(), other.entropy)


def test_words_are_scored_as_continuations_that_share_their_context(scorer: Scorer) -> None:
    words = ["brown", "Answer", "fox jumps", " fox", "日本"]
    found = scorer.next_words("The quick", words)
    read = [BOS, *ids_of("The quick")]
    for word, one in zip(words, found, strict=True):
        space = "" if word.startswith((" ", "日")) and word != "日本" else " "
        whole = [BOS, *ids_of(f"The quick{space}{word}")]
        assert whole[: len(read)] == read
        exact = [float(distribution(whole[:t])[whole[t]]) for t in range(len(read), len(whole))]
        assert one.log_likelihood == pytest.approx(math.fsum(exact), abs=1e-11)
        assert (one.text, one.num_tokens) == (word, len(exact))
    order = sorted((one.log_likelihood for one in found), reverse=True)
    assert [one.rank for one in found] == [1 + order.index(one.log_likelihood) for one in found]


def test_words_are_asked_for_no_more_than_they_report(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[frozenset[Extra]] = []
    kind = type(scorer._model)
    stream = kind.stream

    def watched(self: Any, requests: Any, *, extras: frozenset[Extra]) -> Any:
        asked.append(extras)
        return stream(self, requests, extras=extras)

    monkeypatch.setattr(kind, "stream", watched)
    scorer.next_words("The quick", ["fox"])
    scorer.words("The fox")
    assert asked == [frozenset(), {"rank", "entropy"}]


def test_corrected_words_count_the_mass_behind_and_before_them(scorer: Scorer) -> None:
    """By sums over the whole vocabulary; what may stand behind a word begins with white space or punctuation, or ends
    the text."""
    (found,) = scorer.next_words("The quick", ["brown"])
    # A partial character decodes to U+FFFD, which is no punctuation; with a special token (ids 0 to 5) a text is over.
    pieces = [scorer.tokenizer.decode([number]) for number in range(300)]
    first = [piece[:1] for piece in pieces]
    begins = [n for n, one in enumerate(first) if n < 6 or one.isspace() or (one and one in string.punctuation)]
    before, behind = (distribution([BOS, *ids_of(text)]) for text in ("The quick", "The quick brown"))
    masses = [float(one[begins].logsumexp(0)) for one in (before, behind)]
    by_hand = found.log_likelihood + masses[1] - masses[0]
    named = scorer.next_words("The quick", ["brown"], correction="punctuation")
    assert found == named.words[0] and named.settings["correction"].startswith("punctuation/")
    corrected = scorer.words(Pair("The quick", " brown"), correction="punctuation").corrected
    assert found.corrected == corrected[0] and found.corrected is not None
    assert found.corrected == pytest.approx(by_hand, abs=1e-11)
    assert found.corrected != pytest.approx(found.log_likelihood, abs=1e-3)
    (plain,) = scorer.next_words("The quick", ["brown"], correction="none")
    assert plain.corrected is None and plain.rank_corrected is None and plain.log_likelihood == found.log_likelihood


def test_words_behind_a_chat_and_behind_nothing(scorer: Scorer) -> None:
    (answer,) = scorer.next_words(CHAT, ["fox"])
    assert answer.log_likelihood == scorer.score(Pair(CHAT, "fox")).log_likelihood
    (first,) = scorer.next_words("", ["fox"])
    assert first.log_likelihood == scorer.score(Pair("", "fox")).log_likelihood


def test_results_show_themselves(scorer: Scorer) -> None:
    tokens, words = scorer.next_tokens("The quick", k=4), scorer.next_words("The quick", ["brown", "fox"])
    assert repr(tokens).startswith("NextTokens('The quick': ") and repr(tokens).endswith("nats)")
    assert repr(words).startswith("NextWords('The quick': 'brown' ")
    table, other = tokens.to_pandas("bits"), words.to_pandas("bits")
    assert list(table.columns) == ["rank", "id", "text", "logprob", "probability"]
    np.testing.assert_allclose(table["logprob"], tokens.logprobs / math.log(2))
    np.testing.assert_allclose(other["logprob"], [one.log_likelihood / math.log(2) for one in words])
    assert other["text"].tolist() == ["brown", "fox"] and len(other) == len(words)
    assert tokens.signature == str(tokens.settings) and "words:whole|correction:" in words.signature


def test_what_is_no_context_or_no_word_is_refused(scorer: Scorer) -> None:
    for wrong in (Chat(CHAT), Pair("a", "b")):
        with pytest.raises(InputError, match="a context is a text, token ids or a list of messages, got a"):
            scorer.next_tokens(wrong)  # type: ignore[arg-type]
    for nothing in (None, 5, b"a", [400]):
        with pytest.raises(InputError):
            scorer.next_tokens(nothing)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nothing stands before the next token, so it has no probability"):
        scorer.next_tokens("", bos="none")
    for wrong_k in (0, -1, 2.5, True):
        with pytest.raises(OptionError, match=r"k=.* must be a whole number"):
            scorer.next_tokens("a", k=wrong_k)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="top_k=301: a causal model gives the log-probabilities of at most 300"):
        scorer.next_tokens("a", k=301)
    for policies in ({"eos": "scored"}, {"extras": ("rank",)}, {"top_k": 2}):
        with pytest.raises(OptionError, match="is no option here"):
            scorer.next_tokens("a", **policies)  # type: ignore[arg-type]
    for wrong_name in ({"extras": "none"}, {"extras": 0}, {"eos": 0}, {"eos": 2}):
        with pytest.raises(OptionError, match="is no option here"):
            scorer.next_tokens("a", **wrong_name)  # type: ignore[arg-type]
    for default in ({"eos": "none"}, {"extras": []}, {"extras": frozenset()}, {"top_k": None}, {"top_k": 0}):
        assert len(scorer.next_tokens("a", k=2, **default)) == 2  # type: ignore[arg-type]
    with pytest.raises(InputError, match="words must be several texts, got the single text 'fox'"):
        scorer.next_words("The", "fox")
    with pytest.raises(InputError, match="item 1: '' is no word"):
        scorer.next_words("The", ["fox", ""])
    with pytest.raises(InputError, match="there is no word; give one at least"):
        scorer.next_words("The", [])
    with pytest.raises(InputError, match="behind token ids it is not known how a word begins"):
        scorer.next_words([9, 30], ["fox"])
    with pytest.raises(InputError, match="stream_next_tokens takes an iterable of contexts"):
        scorer.stream_next_tokens("a")


def test_a_model_that_does_not_list_its_words_has_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Scorer(tiny_model("llama"), TOKENIZER)
    monkeypatch.setattr(scorer._model, "offers", frozenset())
    with pytest.raises(OptionError, match="does not give the probabilities of all tokens behind a context, so it is"):
        scorer.next_tokens("The")
    assert len(scorer.next_words("The", ["fox"])) == 1


def test_an_error_stands_in_the_place_of_its_context(scorer: Scorer) -> None:
    given: list[Any] = ["The", None, [9]]
    found = list(scorer.stream_next_tokens(given, k=1, errors="record"))
    assert [isinstance(one, SeqscoreError) for one in found] == [False, True, False]
    with pytest.raises(InputError, match="item 1: a text is missing here"):
        list(scorer.stream_next_tokens(given, k=1))


def test_kinds_of_models_that_have_no_next_token(monkeypatch: pytest.MonkeyPatch) -> None:
    masked = Scorer(masked_model("bert"), word_pieces())
    for call in (lambda: masked.next_tokens("the"), lambda: masked.next_words("the", ["cat"])):
        with pytest.raises(OptionError, match="a masked model expects a token given those on both sides of it"):
            call()
    with pytest.raises(OptionError, match="a far model does not give the probabilities of all tokens behind a context"):
        scorer_of(monkeypatch, FarModel).next_tokens("The")


class Tops(EncoderDecoder):
    offers: ClassVar[frozenset[Extra]] = frozenset({"rank", "entropy"})
    largest_top_k = 300


def test_an_encoder_reads_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scorer_of(monkeypatch, Tops).next_tokens("The quick brown", k=4)
    exact = logits_of(ids_of("The quick brown"), [START])[-1].log_softmax(-1).topk(4)
    assert found.ids.tolist() == exact.indices.tolist()
    np.testing.assert_allclose(found.logprobs, exact.values, rtol=0, atol=1e-12)


def test_nan_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Spoilt(Tops):
        def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
            found = super().run(asked, extras=extras)
            return [one if one.entropies is None else _spoilt(one) for one in found]

    with pytest.raises(NumericsError, match="the model's forward pass gives NaN behind the context"):
        scorer_of(monkeypatch, Spoilt).next_tokens("The", k=1)


def _spoilt(values: Values) -> Values:
    given = values.given()
    return Values(**{**given, "entropies": np.full(len(given["entropies"]), np.nan)})
