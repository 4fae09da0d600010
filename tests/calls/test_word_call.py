"""Words of texts through the scorer: sums over tokens, and what is refused."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from seqscore import Chat, GivenWords, InputError, OptionError, Pair, Scorer, WordScores
from seqscore.errors import ContextLengthError
from tests.masked_models import masked_model, word_pieces
from tests.models.stand_ins import FarModel, scorer_of
from tests.models.test_base import Server
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(tiny_model("llama"), tiny_tokenizer())


TEXTS = ["The quick brown fox.", " one  two\nthree ", "über 日本語 naïve", "x", "", " \n"]


@pytest.mark.parametrize("words", ["space", "unicode", r"\w+"])
def test_sums_over_words_are_the_log_likelihood(scorer: Scorer, words: str) -> None:
    for text, found in zip(TEXTS, scorer.words(TEXTS, words=words), strict=True):
        alone = scorer.score(text, extras=("rank", "entropy"))
        assert found.score.logprobs.tobytes() == alone.logprobs.tobytes()
        if text.strip():
            assert math.fsum(found.log_likelihoods) == pytest.approx(alone.log_likelihood, rel=1e-12)
        for i, (a, b) in enumerate(zip(found.first_tokens, found.last_tokens, strict=True)):
            assert found.log_likelihoods[i] == math.fsum(alone.logprobs[a:b])
            assert found.entropies is not None and alone.entropies is not None
            assert found.entropies[i] == alone.entropies[a]
            assert found.ranks is not None and alone.ranks is not None
            assert found.ranks[i] == (alone.ranks[a] if b - a == 1 else 0)


def test_one_item_gives_one_and_several_a_list(scorer: Scorer) -> None:
    one, given = scorer.words("a b"), scorer.words(GivenWords(["a", "b"]))
    assert isinstance(one, WordScores) and isinstance(given, WordScores)
    assert [found.texts for found in scorer.words(["a b", Pair("x", " c"), GivenWords(["d"])])] == [
        ("a", "b"),
        ("c",),
        ("d",),
    ]
    assert one.log_likelihoods.tolist() == given.log_likelihoods.tolist()
    assert one.settings["words"] == "space" and given.settings["words"] == "given"
    assert list(scorer.words([])) == []


def test_a_context_is_not_reported(scorer: Scorer) -> None:
    context = "The answer"
    for item in (Pair(context, " is the fox"), Pair(context, "is the fox", delimiter=" ")):
        found = scorer.words(item)
        behind = " is the fox" if item.delimiter == "" else "is the fox"
        assert found.texts == ("is", "the", "fox")
        assert [behind[a:b] for a, b in zip(found.char_starts, found.char_ends, strict=True)] == list(found.texts)
        assert math.fsum(found.log_likelihoods) == pytest.approx(scorer.score(item).log_likelihood, rel=1e-12)
        whole = scorer.words("The answer is the fox")
        np.testing.assert_allclose(found.log_likelihoods, whole.log_likelihoods[2:], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ([1, 2], "token ids"),
        (Pair([1], [2]), "token ids"),
        (Chat([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]), "a Chat"),
        (None, "a text is missing"),
        (3.5, "expected a text"),
        (GivenWords(["a", "c"], text="a b"), "word 2, 'c'"),
    ],
)
def test_what_has_no_words_is_refused_by_its_place(scorer: Scorer, item: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"item 1: .*{message}"):
        scorer.words(["a", item])
    found = list(scorer.stream_words(["a", item, "b"], errors="record"))
    assert isinstance(found[0], WordScores) and isinstance(found[1], InputError) and isinstance(found[2], WordScores)


def test_a_pattern_that_finds_nothing_is_an_error_of_that_item(scorer: Scorer) -> None:
    found = list(scorer.stream_words(["a", "7", "b"], words="[a-z]", errors="record"))
    assert [type(one).__name__ for one in found] == ["WordScores", "InputError", "WordScores"]
    assert "item 1: no word was found in '7'" in str(found[1])


def test_options_are_checked(scorer: Scorer) -> None:
    with pytest.raises(OptionError, match="correction='always' is unknown; expected one of auto, none, space"):
        scorer.words("a", correction="always")  # type: ignore[call-overload]
    with pytest.raises(OptionError, match="words='wrods' is unknown"):
        scorer.words("a", words="wrods")
    with pytest.raises(InputError, match=r"use words\(item\)"):
        scorer.stream_words("a b")
    with pytest.raises(InputError, match=r"use words\(item\)"):
        scorer.stream_words(GivenWords(["a"]))  # type: ignore[arg-type]


def test_rows_for_a_table(scorer: Scorer) -> None:
    found = scorer.words("Answer über")
    first, second = found.to_dicts("nats")
    assert (first["position"], first["word"], first["start"], first["end"]) == (1, "Answer", 0, 6)
    assert (second["start"], second["end"], second["char_start"], second["char_end"]) == (7, 12, 7, 11)
    assert first["surprisal"] == -found.log_likelihoods[0] == -first["log_likelihood"]
    assert found.to_dicts()[0]["surprisal"] == pytest.approx(first["surprisal"] / math.log(2))
    assert second["rank"] is None and second["num_tokens"] > 1
    table = found.to_pandas("nats")
    assert list(table.columns) == list(first) and table["surprisal"].tolist() == [
        one["surprisal"] for one in (first, second)
    ]
    bare = scorer.words("Answer", extras=()).to_dicts()[0]
    assert bare["rank"] is None and bare["entropy"] is None


def test_a_word_whose_token_is_not_scored_is_null_and_says_so(scorer: Scorer) -> None:
    first, second = scorer.words("Answer the", bos="none").to_dicts()
    assert first["surprisal"] is None and first["surprisal_corrected"] is None and first["flags"] == "unscored"
    assert second["surprisal"] is not None and "unscored" not in second["flags"]


def test_copies_are_read_only_too(scorer: Scorer) -> None:
    found = scorer.words("a b")
    for one in (found, copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert one.texts == ("a", "b") and one.settings == found.settings
        with pytest.raises(ValueError, match="read-only"):
            one.corrected[0] = 1.0


LONGER = [
    "The answer is the same in the end",
    "the other answers another question about the fox and the dog, answered",
    "one two",
    " x\ny ",
]


def test_words_have_the_same_bits_in_any_company() -> None:
    model = tiny_model("llama")
    together = Scorer(model, tiny_tokenizer()).words([*LONGER, *LONGER[::-1]])
    for scorer in (Scorer(model, tiny_tokenizer(), batch_tokens=16), Scorer(model, tiny_tokenizer(), threads=2)):
        for found, text in zip(together, [*LONGER, *LONGER[::-1]], strict=True):
            alone = scorer.words(text)
            for name in ("log_likelihoods", "corrected", "masses", "entropies", "ranks"):
                assert getattr(alone, name).tobytes() == getattr(found, name).tobytes()


def test_a_correction_leaves_the_bits_of_the_score_alone(scorer: Scorer) -> None:
    for text in (*LONGER, " ".join(LONGER * 5)):
        corrected, bare = scorer.words(text), scorer.words(text, correction="none", extras=())
        alone = scorer.score(text)
        for found in (corrected.score, bare.score):
            assert found.logprobs.tobytes() == alone.logprobs.tobytes()
            assert found.num_tokens == alone.num_tokens and found.signature == alone.signature
        assert np.isnan(bare.corrected).all() and bare.flags == ((),) * len(bare)
        assert not np.isnan(corrected.corrected).any()


@pytest.mark.parametrize("engine", ["reference", "padded", "packed"])
def test_engines_agree(scorer: Scorer, engine: str) -> None:
    other = Scorer(tiny_model("llama"), tiny_tokenizer(), engine=engine)
    for found, expected in zip(other.words(LONGER), scorer.words(LONGER), strict=True):
        np.testing.assert_allclose(found.corrected, expected.corrected, rtol=0, atol=1e-5)


def test_an_end_token_that_is_scored_is_a_row_of_its_own(scorer: Scorer) -> None:
    for text in ("The fox", "The fox \n"):
        plain, found = scorer.words(text), scorer.words(text, eos="scored")
        assert found.texts == (*plain.texts, "</s>") and found.flags[-1] == ("end",)
        assert found.corrected[:-1].tobytes() == plain.corrected.tobytes()
        assert math.fsum(found.log_likelihoods) == pytest.approx(found.log_likelihood, rel=1e-12)
        assert (found.starts[-1], found.ends[-1], found.char_ends[-1]) == (len(text),) * 3
        behind_space = found.log_likelihoods[-1] - (found.masses[-1] if text == "The fox" else 0.0)
        assert found.corrected[-1] == pytest.approx(behind_space, rel=1e-12)
    assert scorer.words("", eos="scored").texts == ("</s>",)


@pytest.mark.parametrize("words", ["space", "unicode", r"\w+"])
@pytest.mark.parametrize("text", ["The fox", "über \n", " 日本", ""])
def test_an_end_token_that_the_text_spells_is_the_row_that_it_would_be_behind_it(
    scorer: Scorer, text: str, words: str
) -> None:
    parsing = {"eos": "scored", "special_tokens": "parse", "words": words}
    for spelled, bare in ((text + "</s>", text), (Pair("One ", f"{text}</s>"), Pair("One ", text))):
        if not text and isinstance(bare, Pair):
            bare = Pair("One", " ")  # which alone has no token
        found, put = scorer.words([spelled, bare], **parsing)
        if text:
            assert found.texts == put.texts and found.masses.tobytes() == put.masses.tobytes()
            assert found.corrected.tobytes() == put.corrected.tobytes() and found.flags == put.flags
            assert found.log_likelihoods.tobytes() == put.log_likelihoods.tobytes()
        assert found.texts[-1] == "</s>" and "end" in found.flags[-1]
        size = len(text.encode())
        assert (found.starts[-1], found.ends[-1]) == (size, size + 4)
        assert (found.char_starts[-1], found.char_ends[-1]) == (len(text), len(text) + 4)
        if words == "space" and isinstance(spelled, str):
            assert tuple(one.text for one in found.score.words()) == found.texts


def test_given_words_stand_before_the_end_token_that_a_text_spells(scorer: Scorer) -> None:
    parsing = {"eos": "scored", "special_tokens": "parse"}
    found = scorer.words(GivenWords(["The", "fox"], text="The fox</s>"), **parsing)
    assert found.texts == ("The", "fox", "</s>")
    with pytest.raises(InputError, match=r"word 2, 'fox</s>', is not where it should be: the text has 'fox' at char"):
        scorer.words(GivenWords(["The", "fox</s>"]), **parsing)
    assert scorer.words("The fox</s>", eos="scored").texts == ("The", "fox</s>", "</s>")  # ordinary text here
    assert scorer.words("The fox</s>", special_tokens="parse").texts == ("The", "fox</s>")  # no end token is scored


def test_a_text_that_is_cut_has_no_value_behind_the_cut() -> None:
    scorer = Scorer(tiny_model("llama"), tiny_tokenizer(), max_length=8)
    found = scorer.words("The answer is the same in the end", long="truncate")
    assert found.score.num_cut > 0
    scored = [found.score.scored[a:b].all() for a, b in zip(found.first_tokens, found.last_tokens, strict=True)]
    assert 0 < sum(scored) < len(found)
    assert np.isnan(found.log_likelihoods).tolist() == [not one for one in scored]
    assert ["unscored" in flags for flags in found.flags] == [not one for one in scored]


def test_a_text_that_just_fits_has_words_where_a_longer_one_is_an_error() -> None:
    """What may follow its last word is not known then; all else is what it is with more room."""
    text = "The answer is the same"
    count = len(tiny_tokenizer()(text, add_special_tokens=False).input_ids)
    scorer, wide = (Scorer(tiny_model("llama"), tiny_tokenizer(), max_length=count + more) for more in (0, 1))
    found, known = scorer.words(text, long="error"), wide.words(text, long="error")
    assert found.log_likelihoods.tolist() == known.log_likelihoods.tolist()
    assert found.corrected[:-1].tolist() == known.corrected[:-1].tolist()
    assert math.isnan(found.corrected[-1]) and not math.isnan(known.corrected[-1])
    assert found.flags == (*known.flags[:-1], ("unmarked",)) and not known.flags[-1]
    for call in (lambda: scorer.words(text + " again", long="error"), lambda: scorer.score(text, long="error", eos=2)):
        with pytest.raises(ContextLengthError, match="the sequence needs"):
            call()


def test_a_stream_keeps_order_and_reads_no_further_than_it_needs(scorer: Scorer) -> None:
    read = 0

    def items() -> Iterator[str]:
        nonlocal read
        for number in range(10_000):
            read += 1
            yield f"x{number}"

    stream = scorer.stream_words(items())
    assert [next(stream).texts[0] for _ in range(3)] == ["x0", "x1", "x2"]
    assert read < 100


@pytest.mark.filterwarnings("ignore::seqscore.errors.JoinWarning")
def test_a_healed_token_has_a_score_and_no_correction(scorer: Scorer) -> None:
    found = scorer.words(Pair("The answ", "er is"), boundary="healed")
    assert found.score.boundary == "healed" and math.fsum(found.log_likelihoods) == pytest.approx(
        scorer.score(Pair("The answ", "er is"), boundary="healed").log_likelihood, rel=1e-12
    )
    assert np.isnan(found.corrected).tolist() == [True, False] and "unmarked" in found.flags[0]


def test_models_that_give_no_masses_have_words_without_a_correction(monkeypatch: pytest.MonkeyPatch) -> None:
    masked = Scorer(masked_model("bert"), word_pieces())
    for scorer in (scorer_of(monkeypatch, FarModel), masked):
        found = scorer.words("the cat")
        assert found.texts == ("the", "cat") and not np.isnan(found.log_likelihoods).any()
        assert np.isnan(found.corrected).all() and found.settings["correction"] == "none"
        with pytest.raises(OptionError, match="does not give the probability of all tokens that begin a word"):
            scorer.words("the cat", correction="space")
    with pytest.raises(OptionError, match="entropy"):
        scorer_of(monkeypatch, FarModel).words("the cat", extras="entropy")


def test_a_model_that_is_given_texts_has_words_too(monkeypatch: pytest.MonkeyPatch, scorer: Scorer) -> None:
    far = scorer_of(monkeypatch, Server)
    items = ["The fox ends", Pair("The fox", " ends here"), GivenWords(["The", "fox"]), "too long"]
    found = list(far.stream_words(items, errors="record"))
    whole, behind, given = found[:3]
    assert isinstance(whole, WordScores) and isinstance(behind, WordScores) and isinstance(given, WordScores)
    expected = scorer.words("The fox ends", bos="none", correction="none", extras=())
    np.testing.assert_allclose(whole.log_likelihoods, expected.log_likelihoods, rtol=0, atol=1e-5)
    assert behind.texts == ("ends", "here") and given.settings["words"] == "given"
    assert behind.starts.tolist() == [1, 6]
    assert behind.log_likelihoods[0] == pytest.approx(whole.log_likelihoods[2], abs=1e-5)
    assert isinstance(found[3], InputError) and "at most so much" in str(found[3])
