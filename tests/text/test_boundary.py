"""Contexts and continuations: which tokens are scored, against plain transformers in float64 on tiny models."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import LlamaTokenizer, PreTrainedTokenizerFast, T5Tokenizer

from seqscore import Chat, Pair, Scorer
from seqscore.errors import InputError, OptionError, SeqscoreError
from seqscore.policies import BoundaryPolicy
from seqscore.text.codec.encoder import TextEncoder
from seqscore.text.sequences import SequenceBuilder, TokenSequence
from seqscore.text.start import StartToken
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer
from tests.tokenizers_for_tests import (
    BYTE_EXACT_KINDS,
    KINDS,
    MARKED_WORDS,
    build,
    byte_level,
    marked_bpe,
    merges_of,
    suffix_bpe,
    wordpiece,
)

# Words that run together at the boundary are what these tests are about; the warning has tests of its own.
pytestmark = pytest.mark.filterwarnings("ignore::seqscore.errors.JoinWarning")

MODEL = tiny_model("llama", dtype=torch.float64)
TOKENIZER = tiny_tokenizer()
BOS = 1


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(MODEL, TOKENIZER)


def probabilities(ids: list[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """[V]: what stands behind these tokens, by plain transformers in float64."""
    with torch.no_grad():
        return MODEL(input_ids=torch.tensor([ids])).logits[0, -1].softmax(-1).numpy()


def log_p(ids: list[int], first: int) -> float:
    return math.fsum(math.log(probabilities(ids[:i])[ids[i]]) for i in range(first, len(ids)))


def ids_of(text: str) -> list[int]:
    return TOKENIZER(text, add_special_tokens=False).input_ids


def bytes_of(number: int) -> bytes:
    """What a token of the byte-level tokenizer stands for, by its decoder; one byte that is no character: by name."""
    return TextEncoder(TOKENIZER).piece(number)


# -- one byte-level tokenizer, all policies ---------------------------------------------------------------------------


def test_a_token_ends_at_the_boundary(scorer: Scorer) -> None:
    context, whole = ids_of("The quick"), ids_of("The quick brown fox")
    assert whole[: len(context)] == context
    for boundary in ("auto", "healed", "lm-eval"):
        score = scorer.score(Pair("The quick", " brown fox"), boundary=boundary)
        assert (score.boundary, score.token_ids.tolist()) == ("clean", whole)
        assert score.log_likelihood == pytest.approx(log_p([BOS, *whole], 1 + len(context)), abs=1e-12)


@pytest.mark.parametrize(
    ("context", "continuation"), [("one t", "he question"), ("A", "nswer"), ("The quick brown ", "fox")]
)
def test_a_token_over_the_boundary(scorer: Scorer, context: str, continuation: str) -> None:
    before, after, whole = ids_of(context), ids_of(continuation), ids_of(context + continuation)
    assert [*before, *after] != whole
    apart = scorer.score(Pair(context, continuation))
    assert (apart.boundary, apart.token_ids.tolist()) == ("apart", [*before, *after])
    assert apart.log_likelihood == pytest.approx(log_p([BOS, *before, *after], 1 + len(before)), abs=1e-12)
    separate = scorer.score(Pair(context, continuation), boundary="separate")
    assert (separate.boundary, separate.log_likelihood) == ("separate", apart.log_likelihood)
    healed = scorer.score(Pair(context, continuation), boundary="healed")
    assert (healed.boundary, healed.token_ids.tolist()) == ("healed", whole)
    # Brute force: the token that spans, its bytes of the context, and all tokens that begin with those.
    lengths = np.cumsum([len(bytes_of(number)) for number in whole])
    t = int(np.flatnonzero(lengths > len(context))[0])
    given_bytes = context.encode()[int(lengths[t - 1]) if t else 0 :]
    chances = probabilities([BOS, *whole[:t]])
    special = set(TOKENIZER.all_special_ids)
    among = [u for u in range(len(TOKENIZER)) if u not in special and bytes_of(u).startswith(given_bytes)]
    assert whole[t] in among and len(among) > 1
    first = math.log(chances[whole[t]]) - math.log(math.fsum(chances[among]))
    assert healed.logprobs[t] == pytest.approx(first, abs=1e-12)
    assert healed.log_likelihood == pytest.approx(first + log_p([BOS, *whole], t + 2), abs=1e-12)
    assert healed.greedy[t] == (chances[whole[t]] == chances[among].max())
    for score in (apart, separate, healed):
        assert score.num_bytes_scored == len(continuation.encode()) and score.continuation == continuation


@pytest.mark.parametrize("engine", ["packed", "padded", "reference"])
def test_engines_agree_on_healed_boundaries_in_any_company(engine: str) -> None:
    pairs = [Pair("one Answ", "er the question"), Pair("one Answ", "er"), Pair("The qu", "ick"), Pair("a", " dog")]
    model = tiny_model("llama")
    scorer = Scorer(model, TOKENIZER, engine=engine, batch_tokens=16)
    together = [one.log_likelihood for one in scorer.score([*pairs, "The dog"], boundary="healed")[:-1]]
    alone = [scorer.score(one, boundary="healed").log_likelihood for one in pairs]
    exact = [one.log_likelihood for one in Scorer(MODEL, TOKENIZER).score(pairs, boundary="healed")]
    assert together == pytest.approx(exact, abs=1e-5)
    if engine == "packed":
        assert together == alone


def test_a_healed_token_that_must_follow_is_certain(scorer: Scorer) -> None:
    """Where t alone begins with the context's bytes it has probability 1, and not a bit more."""
    score = scorer.score(Pair("one Answ", "er"), boundary="healed")
    assert (score.boundary, score.num_scored, score.log_likelihood, score.is_greedy) == ("healed", 1, 0.0, True)


def test_words_over_a_healed_boundary_have_no_log_likelihood(scorer: Scorer) -> None:
    first, *rest = scorer.score(Pair("Answ", "er the"), boundary="healed").words()
    assert (first.text, first.log_likelihood) == ("Answer", None) and rest[0].log_likelihood is not None


def test_a_healed_token_with_nothing_before_it_is_taken_apart(scorer: Scorer) -> None:
    """Its probability is not known, and that of the continuation must be: no 0.0 in place of a log-likelihood."""
    for continuation in ("er", "er the"):
        before, after = ids_of("Answ"), ids_of(continuation)
        score = scorer.score(Pair("Answ", continuation), boundary="healed", bos="none")
        assert (score.boundary, score.token_ids.tolist()) == ("apart", before + after)
        assert score.num_scored == len(after)
        assert score.log_likelihood == pytest.approx(log_p(before + after, len(before)), abs=1e-12)
    assert scorer.score(Pair("Answ", "er the"), boundary="healed").boundary == "healed"


@pytest.mark.parametrize("pair", [Pair("", "The"), Pair([], ids_of("The"))], ids=["text", "ids"])
@pytest.mark.parametrize("boundary", ["auto", "healed", "separate", "lm-eval"])
def test_a_pair_without_anything_to_score_is_an_error(scorer: Scorer, pair: Pair, boundary: BoundaryPolicy) -> None:
    assert scorer.score(pair, boundary=boundary).num_scored == 1
    with pytest.raises(InputError, match="nothing stands before the continuation's only token"):
        scorer.score(pair, boundary=boundary, bos="none")


def test_a_chat_and_a_pair_of_one_text_have_the_same_tokens() -> None:
    """A tokenizer that puts a space behind every special token puts none into an answer."""
    tokenizer = metaspace_llama()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|bot|>", "<|end|>"]})
    tokenizer.chat_template = (
        "{% for m in messages %}<|bot|>{{ m['content'] }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|bot|>{% endif %}"
    )
    encoder = TextEncoder(tokenizer, special_tokens="parse")
    builder = SequenceBuilder(tokenizer, TextEncoder(tokenizer), encoder, StartToken("auto", 0), "auto", "literal")
    question, answer = {"role": "user", "content": "the cat"}, {"role": "assistant", "content": "the cat is"}
    chat, pair = builder.build([Chat([question, answer]), Pair([question], "the cat is")])
    assert isinstance(chat, TokenSequence) and isinstance(pair, TokenSequence)
    assert chat.ids[: len(pair.ids)].tolist() == pair.ids.tolist()
    assert chat.boundary == "apart"


def test_lm_evals_rule_moves_the_white_space_of_a_chat_template_too() -> None:
    tokenizer = tiny_tokenizer(chat=True)
    tokenizer.chat_template = "<|user|>{{ messages[0]['content'] }}<|end|>The quick "
    context, whole = ([3, *ids_of("Hi"), 5, *ids_of(text)] for text in ("The quick", "The quick fox"))
    assert whole[: len(context)] == context
    score = Scorer(MODEL, tokenizer).score(Pair([{"role": "user", "content": "Hi"}], "fox"), boundary="lm-eval")
    assert (score.boundary, score.token_ids.tolist()) == ("shifted", whole)
    assert score.log_likelihood == pytest.approx(log_p(whole, len(context)), abs=1e-12)


def test_lm_evals_rule_under_our_start_token(scorer: Scorer) -> None:
    context, whole = ids_of("one Answ"), ids_of("one Answer the question")
    assert whole[: len(context)] != context
    ids = [*context, *whole[len(context) :]]
    spanned = scorer.score(Pair("one Answ", "er the question"), boundary="lm-eval")
    assert (spanned.boundary, spanned.start_token, spanned.token_ids.tolist()) == ("spanned", BOS, ids)
    assert spanned.log_likelihood == pytest.approx(log_p([BOS, *ids], 1 + len(context)), abs=1e-12)
    shifted = scorer.score(Pair("The quick brown ", "fox"), boundary="lm-eval")
    same = scorer.score(Pair("The quick brown", " fox"), boundary="lm-eval")
    assert (shifted.boundary, shifted.log_likelihood) == ("shifted", same.log_likelihood)
    swallowed = scorer.score(Pair("Answ", "er"), boundary="lm-eval")
    assert (swallowed.boundary, swallowed.token_ids.tolist()) == ("swallowed", [*ids_of("Answ"), *ids_of("er")])


def test_lm_evals_start_token_brings_its_boundary(scorer: Scorer) -> None:
    for boundary in ("auto", "lm-eval"):
        score = scorer.score(Pair("one Answ", "er the question"), bos="lm-eval", boundary=boundary)
        assert (score.boundary, score.settings["boundary"]) == ("spanned", "lm-eval")
    apart = scorer.score(Pair("one Answ", "er"), bos="lm-eval", boundary="separate")
    assert (apart.start_token, apart.settings["boundary"]) == (None, "separate")
    healed = scorer.score(Pair("one Answ", "er the"), bos="lm-eval", boundary="healed")
    assert (healed.start_token, healed.boundary) == (None, "healed")


def test_the_earlier_policy_names_what_replaces_it(scorer: Scorer) -> None:
    with pytest.raises(OptionError, match=r"boundary='joint' .* replaced by 'auto' .* 'healed' .* 'lm-eval'"):
        scorer.score(Pair("a", "b"), boundary="joint")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="expected one of auto, lm-eval, healed, separate"):
        scorer.score(Pair("a", "b"), boundary="x")  # type: ignore[arg-type]


# -- every kind of tokenizer ------------------------------------------------------------------------------------------

SAMPLES = (
    "the cat is a unhappy thing",
    "The Cat, the end. 12 ends",
    "日本語 the 北京 cat",
    "é e\u0301 the fi ﬁ",
    "ภาษาไทย the العربية  and",
    "a  b\n\nc\t d !! ",
    "😀the 👩‍👩‍👧 end",
    "<s> the </s>cat▁the",
)


@cache
def builder_of(kind: str, boundary: BoundaryPolicy) -> SequenceBuilder:
    tokenizer = build(kind)
    return SequenceBuilder(
        tokenizer=tokenizer,
        encoder=TextEncoder(tokenizer),
        markup_encoder=TextEncoder(tokenizer, special_tokens="parse"),
        start=StartToken("token", 0),
        boundary=boundary,
        special_tokens="literal",
    )


def built(kind: str, boundary: BoundaryPolicy, context: str, continuation: str) -> TokenSequence:
    """The sequence of a pair; refused may be a text of which nothing is left, or one that spells a special token.

    The second only by a word-level tokenizer in Python, which cannot read it as text.
    """
    (one,) = builder_of(kind, boundary).build([Pair(context, continuation)])
    if isinstance(one, SeqscoreError):
        if not (kind == "slow-words" and "even when told not to" in one.message):
            assert "gives no token" in one.message and not build(kind)(continuation, add_special_tokens=False).input_ids
        reject()
    assert isinstance(one, TokenSequence)
    return one


@st.composite
def splits(draw: st.DrawFn) -> tuple[str, str]:
    """A text of many scripts, cut at any character."""
    parts = st.sampled_from((*SAMPLES, " ", "\n", "a", "the", " the", "1", "é", "本", "\u0301", "!"))
    text = draw(st.sampled_from(SAMPLES)) + "".join(draw(st.lists(parts, max_size=2)))
    cut = draw(st.integers(0, len(text) - 1))
    return text[:cut], text[cut:]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(split=splits(), boundary=st.sampled_from(("auto", "healed", "separate")))
def test_every_byte_of_a_continuation_is_scored(kind: str, split: tuple[str, str], boundary: BoundaryPolicy) -> None:
    context, continuation = split
    one = built(kind, boundary, context, continuation)
    begin = len(context.encode())
    starts = np.maximum(one.starts, begin) if one.boundary == "healed" else one.starts
    assert (one.ends - starts)[one.first_scored :].sum() == len(continuation.encode())
    assert one.ends[-1] == len((context + continuation).encode()) and (one.starts[1:] == one.ends[:-1]).all()
    assert (one.alternatives is not None) == (one.boundary == "healed")
    scored = one.ids[one.first_scored :]
    encoder = builder_of(kind, boundary).encoder
    if kind in BYTE_EXACT_KINDS and not kind.endswith("digits"):
        data = (context + continuation).encode()[int(starts[one.first_scored]) :]
        joined = b"".join(encoder.piece(int(number)) for number in scored).replace("▁".encode(), b" ")
        expected = data.replace("▁".encode(), b" ") if encoder.piece(int(scored[0])) else data
        if one.boundary == "healed":
            assert joined.endswith(expected) and joined != expected
            assert one.alternatives is not None and scored[0] in one.alternatives
        else:
            assert joined == expected


def metaspace_llama(*, legacy: bool = True) -> Any:
    """transformers' own Llama class over a small vocabulary."""
    tokens, merges = merges_of(list(MARKED_WORDS))
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = ["<unk>", "<s>", "</s>", *bytes_, *sorted(set("".join(MARKED_WORDS)) | set("bcdeflorsuwxyz")), *tokens]
    numbered = {token: number for number, token in enumerate(dict.fromkeys(vocabulary))}
    return LlamaTokenizer(vocab=numbered, merges=merges, legacy=legacy)


def t5() -> Any:
    """transformers' own T5 class: white space at the end of a text is lost."""
    words = ["▁the", "▁cat", "ing", "unhappy", "▁unhappy", "un", "happy"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    pieces += [(letter, -6.0) for letter in "abcdefghijklmnopqrstuvwxyz.(,"] + [(word, -4.0) for word in words]
    return T5Tokenizer(vocab=pieces, extra_ids=0)


def wordpiece_of_scripts() -> Any:
    """Words that go on behind a vowel sign, a tone mark and an emoji, and Chinese, where every character is a word."""
    pieces = "[UNK] [CLS] कि ##ताब ताब किताब กั กัน น ##น x😀 x😀b b ##b 中 ##中".split()
    backend = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", cls_token="[CLS]")


APART = [
    # (tokenizer, context, continuation, tokens before, tokens scored, flag under auto)
    (metaspace_llama, "the c", "at is", ["▁the", "▁c"], ["a", "t", "▁is"], "apart"),
    (metaspace_llama, "the", " cat", ["▁the"], ["▁cat"], "clean"),
    (metaspace_llama, "", " cat", [], ["▁cat"], "clean"),
    (metaspace_llama, "", "cat", [], ["c", "a", "t"], "clean"),
    (lambda: metaspace_llama(legacy=False), "the c", "at", ["▁the", "▁c"], ["a", "t"], "apart"),
    (lambda: marked_bpe("never"), "the c", "at", ["the", "▁c"], ["a", "t"], "apart"),
    (t5, "the c", "at", ["▁the", "▁", "c"], ["a", "t"], "apart"),
    (t5, "un", "happy the", ["▁", "un"], ["happy", "▁the"], "apart"),
    (t5, "the ", "cat", ["▁the"], ["▁cat"], "clean"),
    (t5, "the", " cat", ["▁the"], ["▁cat"], "clean"),
    (t5, "", "cat", [], ["c", "a", "t"], "clean"),
    (lambda: byte_level(add_prefix_space=True), "t", "he cat", ["Ġt"], ["h", "e", "Ġcat"], "apart"),
    (lambda: byte_level(add_prefix_space=True), "", "the", [], ["the"], "clean"),
    (wordpiece, "c", "at", ["c"], ["##a", "##t"], "apart"),
    (wordpiece, "(", "cat", ["[UNK]"], ["cat"], "clean"),
    (wordpiece, "the ", "cat", ["the"], ["cat"], "clean"),
    (wordpiece_of_scripts, "कि", "ताब", ["कि"], ["##ताब"], "apart"),
    (wordpiece_of_scripts, "กั", "น", ["กั"], ["##น"], "apart"),
    (wordpiece_of_scripts, "x😀", "b", ["x😀"], ["##b"], "apart"),
    (wordpiece_of_scripts, "中", "b", ["中"], ["b"], "clean"),
    (wordpiece_of_scripts, "b", "中", ["b"], ["中"], "clean"),
    (suffix_bpe, "c", "at", ["c</w>"], ["a", "t</w>"], "apart"),
    (lambda: byte_level(normalizer=normalizers.NFC()), "e", "\u0301 the", ["e"], None, "apart"),
    # Two tokens for one character that the normaliser made of two: the second spans nothing, where the context ends.
    (lambda: byte_level(normalizer=normalizers.NFC()), "u\u0301", " the", ["Ã", "º"], ["Ġ", "the"], "clean"),
]


@pytest.mark.parametrize(("make", "context", "continuation", "before", "scored", "flag"), APART)
def test_the_tokens_of_a_continuation_are_those_inside_a_text(
    make: Any, context: str, continuation: str, before: list[str], scored: list[str] | None, flag: str
) -> None:
    tokenizer = make()
    encoder = TextEncoder(tokenizer)
    for boundary in get_args(BoundaryPolicy):
        if boundary in ("lm-eval", "healed"):
            continue
        builder = SequenceBuilder(tokenizer, encoder, encoder, StartToken("token", 0), boundary, "literal")
        (one,) = builder.build([Pair(context, continuation)])
        assert isinstance(one, TokenSequence)
        tokens = tokenizer.convert_ids_to_tokens(one.ids.tolist())
        assert tokens[: one.first_scored] == before and (scored is None or tokens[one.first_scored :] == scored)
        assert one.boundary == (flag if boundary == "auto" or not context else "separate")
        assert (one.ends - one.starts)[one.first_scored :].sum() == len(continuation.encode())
