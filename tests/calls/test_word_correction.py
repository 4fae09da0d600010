"""Corrected word probabilities against sums over the whole vocabulary, by plain transformers in float64."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from seqscore import GivenWords, InputError, OptionError, Pair, Scorer, WordScores
from seqscore.text.windows import layout
from tests.tiny_models import model_of_vocabulary
from tests.tiny_tokenizers import tiny_tokenizer
from tests.tokenizers_for_tests import build

BEGIN = ("byte-level", "byte-level-prefix", "llama-2", "metaspace-always", "gemma", "unigram", "byt5")
TEXTS = ("the cat is a text", "  the\ncat. is!!  and", "(the) é cat 日本 is", "cat")
EXACT = 1e-10


@cache
def scorer_of(kind: str, max_length: int | None = None) -> Scorer:
    tokenizer = build(kind)
    return Scorer(model_of_vocabulary(len(tokenizer) + 3), tokenizer, max_length=max_length)


def log_probabilities(scorer: Scorer, ids: list[int]) -> NDArray[np.float64]:
    """[len(ids), V]: row t is the distribution of what stands behind ids[: t + 1]."""
    with torch.no_grad():
        return scorer.model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1).numpy()


@cache
def kinds_of_tokens(kind: str) -> list[str]:
    """Of each token, by what the tokenizer decodes behind a letter: space, punctuation, inside, special."""
    tokenizer = build(kind)
    unknown = tokenizer.unk_token_id if kind in ("unigram", "byt5", "wordpiece") else None
    (letter,) = tokenizer.encode("xa", add_special_tokens=False)[-1:]
    found = []
    for number in range(len(tokenizer)):
        token = tokenizer.convert_ids_to_tokens(number)
        added = tokenizer.decode([letter, number])[len(tokenizer.decode([letter])) :][:1]
        if number in tokenizer.all_special_ids and number != unknown:
            found.append("special")
        elif kind == "wordpiece":
            is_inside = token.startswith("##")
            found.append("inside" if is_inside else "punctuation" if token in string.punctuation else "space")
        elif added.isspace():
            found.append("space")
        else:
            found.append("punctuation" if added and added in string.punctuation else "inside")
    return found


def mass(row: NDArray[np.float64], kind: str, *kinds: str) -> float:
    return math.log(math.fsum(math.exp(row[n]) for n, one in enumerate(kinds_of_tokens(kind)) if one in kinds))


def brute_force(
    ids: list[int], kind: str, row: Callable[[int], NDArray[np.float64]]
) -> tuple[list[float], list[float]]:
    """Log-likelihoods and corrected values of the words that ``ids`` spell: a token that begins with white space begins
    a word, unless the word had nothing but white space so far. ``row``: the distribution at a token."""
    kinds, tokenizer = kinds_of_tokens(kind), build(kind)
    firsts = [0]
    for place, number in enumerate(ids):
        so_far = tokenizer.decode(ids[firsts[-1] : place], clean_up_tokenization_spaces=False)
        if place and kinds[number] == "space" and so_far.strip():
            firsts.append(place)
    bare = kinds[ids[0]] != "space" or kind == "wordpiece"
    barred = "inside" if kind == "wordpiece" else "space"
    first = mass(row(0), kind, *({"inside", "space", "punctuation", "special"} - {barred})) if bare else None
    masses = [mass(row(place), kind, "space", "special") for place in (*firsts, len(ids))]
    if first is not None:
        masses[0] = first
    sums = [
        math.fsum(row(place)[ids[place]] for place in range(begin, end))
        for begin, end in itertools.pairwise((*firsts, len(ids)))
    ]
    return sums, [one + after - before for one, (before, after) in zip(sums, itertools.pairwise(masses), strict=True)]


@pytest.mark.parametrize("kind", [*BEGIN, "wordpiece"])
@pytest.mark.parametrize("text", TEXTS)
def test_corrected_values_are_those_of_the_whole_vocabulary(kind: str, text: str) -> None:
    if kind == "wordpiece":  # which sets Chinese characters apart, and where punctuation begins no word
        text = text.replace("(", "").replace(")", "").replace("日本", "the")
    if kind == "unigram":  # which has no line break
        text = text.replace("\n", " ")
    scorer = scorer_of(kind)
    found = scorer.words(text)
    start = [] if found.score.start_token is None else [found.score.start_token]
    ids = found.score.token_ids.tolist()
    rows = log_probabilities(scorer, [*start, *ids])
    sums, corrected = brute_force(ids, kind, lambda place: rows[place + len(start) - 1])
    skip = 0 if start else 1
    assert found.texts == tuple(text.split()) and len(sums) == len(found)
    np.testing.assert_allclose(found.log_likelihoods[skip:], sums[skip:], rtol=0, atol=EXACT)
    np.testing.assert_allclose(found.corrected[skip:], corrected[skip:], rtol=0, atol=EXACT)
    if not skip:
        identity = found.log_likelihood + found.masses[-1] - found.masses[0]
        assert math.fsum(found.corrected) == pytest.approx(identity, abs=EXACT)


@pytest.mark.parametrize("kind", ["byte-level", "unigram"])
def test_masses_at_the_borders_of_windows(kind: str) -> None:
    scorer = scorer_of(kind, 16)
    text = " ".join(TEXTS * 3).replace("\n", " ")
    found = scorer.words(text)
    assert found.score.num_windows > 4 and found.score.start_token is not None
    ids = [found.score.start_token, *found.score.token_ids.tolist()]
    rows: dict[int, NDArray[np.float64]] = {}
    for window in layout(len(ids), first_target=1, max_inputs=16, long="windows", is_pair=False).windows:
        own = log_probabilities(scorer, ids[window.begin : window.end])
        rows.update({place - 1: own[place - window.begin - 1] for place in range(window.first_target, window.end + 1)})
    rows[len(ids) - 1] = log_probabilities(scorer, ids[-16:])[-1]
    sums, corrected = brute_force(ids[1:], kind, rows.__getitem__)
    np.testing.assert_allclose(found.log_likelihoods, sums, rtol=0, atol=EXACT)
    np.testing.assert_allclose(found.corrected, corrected, rtol=0, atol=EXACT)


def test_a_tokenizer_that_marks_ends_needs_no_correction() -> None:
    found = scorer_of("suffix-bpe").words("the cat is. end")
    assert found.settings["correction"] == "space/end"
    assert found.corrected.tolist() == found.log_likelihoods.tolist() and not np.isnan(found.corrected).any()


@pytest.mark.parametrize("kind", ["byte-level", "llama-2", "wordpiece"])
def test_a_context_ends_where_its_words_do(kind: str) -> None:
    scorer = scorer_of(kind)
    whole, behind = scorer.words("the cat is a cat"), scorer.words(Pair("the cat", " is a cat"))
    np.testing.assert_allclose(behind.corrected, whole.corrected[2:], rtol=0, atol=EXACT)
    spaced = scorer.words(Pair("the cat", "is a cat", delimiter=" "))
    np.testing.assert_allclose(spaced.corrected, whole.corrected[2:], rtol=0, atol=EXACT)


def test_a_word_behind_white_space_of_the_context() -> None:
    scorer, text = scorer_of("byte-level"), "cat\n"
    found = scorer.words(Pair(text, "and is"))
    ids = [found.score.start_token, *found.score.token_ids.tolist()]
    first = int(found.first_tokens[0])
    row = log_probabilities(scorer, ids)[first]  # what stands before the word's first token
    assert found.masses[0] == pytest.approx(mass(row, "byte-level", "inside", "punctuation", "special"), abs=EXACT)


@pytest.mark.parametrize(
    ("item", "words", "unmarked"),
    [
        pytest.param(
            *(Pair("the c", "at is"), "space", [True, False]),  # in the middle of a word
            marks=pytest.mark.filterwarnings("ignore::seqscore.errors.JoinWarning"),
        ),
        (GivenWords(["cat", ".", "is"], text="cat. is"), "space", [True, True, False]),
        ("日本 is", "[日本]|is", [True, True, False]),
        ("the  cat", "space", [False, False]),
    ],
)
def test_where_no_token_shows_a_border_there_is_no_value(item: Any, words: str, unmarked: list[bool]) -> None:
    found = scorer_of("byte-level").words(item, words=words)
    assert np.isnan(found.corrected).tolist() == unmarked
    assert ["unmarked" in flags for flags in found.flags] == unmarked
    assert not np.isnan(found.log_likelihoods).any() or any("split" in flags for flags in found.flags)


def test_punctuation_ends_words_where_that_is_asked_for() -> None:
    scorer = scorer_of("byte-level")
    found = scorer.words(GivenWords(["cat", ".", "is"], text="cat. is"), correction="punctuation")
    assert not np.isnan(found.corrected).any()
    ids = [found.score.start_token, *found.score.token_ids.tolist()]
    rows = log_probabilities(scorer, ids)
    for border, place in ((1, int(found.first_tokens[1])), (3, len(ids) - 1)):
        expected = mass(rows[place], "byte-level", "space", "punctuation", "special")
        assert found.masses[border] == pytest.approx(expected, abs=EXACT)
    assert found.settings["correction"] == "punctuation/begin"


def test_what_cannot_be_corrected_is_none_or_refused_by_name() -> None:
    scorer = scorer_of("words")
    found = scorer.words("the cat")
    assert found.settings["correction"] == "none" and np.isnan(found.corrected).all() and found.flags == ((), ())
    with pytest.raises(OptionError, match="correction='space': no token of this tokenizer marks where a word begins"):
        scorer.words("the cat", correction="space")
    assert scorer_of("byte-level").words("the cat", words="unicode").settings["correction"] == "none"


def test_words_that_share_a_token_say_so_and_the_first_one_has_it() -> None:
    found = scorer_of("byte-level").words("日本 is", words="[日本]|is")  # 日本 is one token
    assert found.num_tokens.tolist() == [1, 0, 1] and np.isnan(found.log_likelihoods).tolist() == [False, True, False]
    assert ["split" in flags for flags in found.flags] == [True, True, False]
    assert np.isnan(found.corrected).tolist() == [True, True, False]
    assert math.fsum(found.log_likelihoods[[0, 2]]) == pytest.approx(found.log_likelihood, rel=1e-12)


def toy() -> PreTrainedTokenizerFast:
    """Words of the letters a and b, of any length: a letter is a token, with a space in front or without."""
    backend = Tokenizer(
        models.BPE(
            vocab={"</s>": 0, "a": 1, "b": 2, "Ġ": 3, "Ġa": 4, "Ġb": 5},
            merges=[("Ġ", "a"), ("Ġ", "b")],
        )
    )
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken("</s>", special=True)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="</s>", eos_token="</s>")


def test_the_words_of_a_closed_vocabulary_have_probability_one_together() -> None:
    scorer = Scorer(model_of_vocabulary(6, seed=3), toy())
    longest, context = 4, "ab ba"
    words = ["".join(letters) for n in range(1, longest + 1) for letters in itertools.product("ab", repeat=n)]
    found = scorer.words([f"{context} {word}" for word in words], eos="scored")
    whole = math.fsum(math.exp(one.corrected[2]) for one in found)
    # The text may be over, a space alone may follow, or the word may be longer than all of these.
    ended = scorer.words(context, eos="scored").corrected[2]
    rows = log_probabilities(scorer, [0, *found[0].score.token_ids[:4].tolist()])
    begins = found[0].masses[2]
    space = math.exp(rows[-1][3] - begins)
    longer = math.fsum(
        math.exp(one.log_likelihoods[2] - begins) * (1 - math.exp(one.masses[3]))
        for one, word in zip(found, words, strict=True)
        if len(word) == longest
    )
    assert whole + math.exp(ended) + space + longer == pytest.approx(1.0, abs=1e-12)
    assert whole > 0.1 and longer < whole


def test_an_answer_in_a_chat_begins_behind_a_special_token() -> None:
    scorer = Scorer(model_of_vocabulary(300), tiny_tokenizer(chat=True))
    found = scorer.words(Pair([{"role": "user", "content": "one two"}], "The answer"))
    ids, first = found.score.token_ids.tolist(), int(found.first_tokens[0])
    row = log_probabilities(scorer, ids[:first])[-1]
    begins = [scorer.tokenizer.decode([n])[:1].isspace() for n in range(300)]
    unspaced = math.fsum(math.exp(row[n]) for n in range(300) if not begins[n])
    assert scorer.tokenizer.convert_ids_to_tokens(ids[first - 1]) == "<|bot|>"
    assert found.masses[0] == pytest.approx(math.log(unspaced), abs=EXACT)
    assert not np.isnan(found.corrected).any()


def test_words_that_no_white_space_parts_have_no_value_though_a_token_begins_there() -> None:
    found = scorer_of("wordpiece").words(GivenWords(["the", "日", "本", "cat"], text="the 日本 cat"))
    assert np.isnan(found.corrected).tolist() == [False, True, True, False]


def test_given_words_are_corrected_whichever_rule_finds_the_others() -> None:
    scorer, items = scorer_of("byte-level"), ["the cat", GivenWords(["the", "cat"]), "a", 7, GivenWords(["a", "text"])]
    found = list(scorer.stream_words(items, words="unicode", errors="record"))  # type: ignore[arg-type]
    plain = scorer.words(["the cat", "a"], words="unicode", correction="none")
    given = scorer.words([items[1], items[4]])  # type: ignore[list-item]
    for places, expected in (((0, 2), plain), ((1, 4), given)):
        for place, one in zip(places, expected, strict=True):
            other = found[place]
            assert isinstance(other, WordScores)
            assert other.corrected.tobytes() == one.corrected.tobytes() and other.flags == one.flags
            assert other.settings["correction"] == one.settings["correction"]
    assert given[0].settings["correction"] == "space/begin" and not np.isnan(given[0].corrected).any()
    assert plain[0].settings["correction"] == "none"
    assert isinstance(found[3], InputError) and "item 3" in str(found[3])


def test_white_space_at_the_end_of_a_text_is_no_part_of_its_last_word() -> None:
    scorer = scorer_of("byte-level")
    spaced, bare = scorer.words("the cat \n"), scorer.words("the cat")
    np.testing.assert_allclose(spaced.corrected, bare.corrected, rtol=0, atol=EXACT)
    assert spaced.log_likelihoods[1] < bare.log_likelihoods[1]
    for given in (["the", "cat"], ["the ", "cat"], ["the", " cat \n"]):
        found = scorer.words(GivenWords(given, text="the cat \n"))
        assert found.texts == spaced.texts and found.flags == ((), ())
        assert found.corrected.tobytes() == spaced.corrected.tobytes()
        assert found.log_likelihoods.tobytes() == spaced.log_likelihoods.tobytes()
    behind = math.fsum(spaced.score.logprobs[2:])  # of the white space, which is part of the sums alone
    whole = spaced.log_likelihood - behind + spaced.masses[-1] - spaced.masses[0]
    assert math.fsum(spaced.corrected) == pytest.approx(whole, rel=1e-12)


@pytest.mark.filterwarnings("ignore::seqscore.errors.JoinWarning")
def test_a_healed_token_leaves_the_masses_behind_it_alone() -> None:
    scorer = scorer_of("byte-level")
    healed, whole = scorer.words(Pair("the c", "at is a"), boundary="healed"), scorer.words("the cat is a")
    assert healed.score.boundary == "healed" and np.isnan(healed.masses[0])
    np.testing.assert_allclose(healed.masses[1:], whole.masses[2:], rtol=0, atol=EXACT)
