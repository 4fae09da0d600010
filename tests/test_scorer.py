"""The scorer as a whole, against plain transformers in float64 on tiny models."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqscore import Pair, Scorer, SeqscoreError
from seqscore.errors import (
    ContextLengthError,
    InputError,
    ModelError,
    NumericsError,
    OptionError,
    StartWarning,
    TokenizerError,
)
from seqscore.scores.reductions import log_likelihood
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "Answer the question: 日本語 и العربية 👩‍👩‍👧 é",
    "a",
    " leading and trailing  \n",
)
MODEL = tiny_model("llama", dtype=torch.float64)
TOKENIZER = tiny_tokenizer()
BOS = 1


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(MODEL, TOKENIZER)


def next_logprobs(ids: list[int]) -> NDArray[np.float64]:
    """[n, V]: what stands behind each prefix of ``ids``, by plain transformers in float64."""
    with torch.no_grad():
        return MODEL(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1).numpy()


def oracle(ids: list[int], first_target: int = 1) -> NDArray[np.float64]:
    """log p(ids[t] | ids[:t]) for t >= first_target."""
    return next_logprobs(ids[:-1])[np.arange(first_target - 1, len(ids) - 1), ids[first_target:]]


def ids_of(text: str) -> list[int]:
    return TOKENIZER(text, add_special_tokens=False).input_ids


def close(actual: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", ["padded", "reference"])
def test_every_token_is_scored_behind_a_start_token(engine: str) -> None:
    scores = Scorer(MODEL, TOKENIZER, engine=engine).score(TEXTS)
    for text, score in zip(TEXTS, scores, strict=True):
        ids = ids_of(text)
        assert score.start_token == BOS and score.token_ids.tolist() == ids and score.num_scored == len(ids)
        close(score.logprobs, oracle([BOS, *ids]))
        assert score.log_likelihood == math.fsum(score.logprobs)
        assert score.perplexity == math.exp(-score.log_likelihood / len(ids))
        assert score.bits_per_byte == pytest.approx(-score.log_likelihood / math.log(2) / len(text.encode()), rel=1e-15)
        assert "".join(
            score.text.encode()[s:e].decode("latin1") for s, e in zip(score.starts, score.ends, strict=True)
        ) == (text.encode().decode("latin1"))


def test_without_a_start_token_the_first_token_is_not_scored(scorer: Scorer) -> None:
    score = scorer.score(TEXTS[0], bos="none")
    assert score.start_token is None and math.isnan(score.logprobs[0]) and not score.scored[0]
    close(score.logprobs[1:], oracle(ids_of(TEXTS[0])))
    assert score.num_scored == score.num_tokens - 1


def test_a_tokenizer_without_bos_gives_its_eos_and_without_both_none() -> None:
    model = tiny_model("llama")
    model.config.bos_token_id = model.generation_config.bos_token_id = None
    assert Scorer(model, tiny_tokenizer(bos=None)).score("ab").start_token == 2
    with pytest.warns(StartWarning, match="there is no start token"):
        bare = Scorer(model, tiny_tokenizer(bos=None, eos=None)).score("ab")
    assert bare.start_token is None and bare.num_scored == 1 and bare.settings["bos"] == "auto/none"


def test_a_named_start_token(scorer: Scorer) -> None:
    assert scorer.score("ab", bos="<|user|>").start_token == 3
    assert scorer.score("ab", bos=7).start_token == 7
    assert scorer.score("ab", bos="7").start_token == 7
    # "The" is a word of the vocabulary, and so might be a misspelt policy.
    with pytest.raises(OptionError, match=r"bos='The' is unknown; expected 'auto', 'none', 'lm-eval', a special token"):
        scorer.score("ab", bos="The")
    with pytest.raises(OptionError, match="bos=300 is no token id of this tokenizer; expected 0 to 299"):
        scorer.score("ab", bos=300)


def test_never_two_start_tokens(scorer: Scorer) -> None:
    score = scorer.score("<s>ab", special_tokens="parse")
    assert score.token_ids[0] == BOS and score.start_token is None and not score.scored[0]
    close(score.logprobs[1:], oracle([BOS, *ids_of("ab")]))


def test_a_start_token_that_texts_hold_too_is_text_where_a_text_has_it() -> None:
    """A line break may stand before every text of a model of characters."""
    tokenizer = tiny_tokenizer(bos=None, eos=None)
    model = tiny_model("llama", dtype=torch.float64)
    (line_break,) = ids_of("\n")
    model.config.bos_token_id = line_break
    of_lines = Scorer(model, tokenizer)
    for item in ("\nab", "\n", Pair("", "\nab")):
        score = of_lines.score(item)
        text = ids_of(item if isinstance(item, str) else "\nab")
        assert score.start_token == line_break and score.num_scored == len(text)
        close(score.logprobs, oracle([line_break, *text]))


def test_text_that_spells_a_special_token_is_ordinary_text(scorer: Scorer) -> None:
    before = TOKENIZER.backend_tokenizer.to_str()
    literal, parsed = scorer.score("a</s>b"), scorer.score("a</s>b", special_tokens="parse")
    assert 2 not in literal.token_ids and 2 in parsed.token_ids
    assert (literal.settings["special"], parsed.settings["special"]) == ("literal", "parse")
    assert TOKENIZER.backend_tokenizer.to_str() == before


def test_a_pair_scores_the_continuation_only(scorer: Scorer) -> None:
    score = scorer.score(Pair("The quick brown", " fox jumps"))
    context, whole = ids_of("The quick brown"), ids_of("The quick brown fox jumps")
    assert whole[: len(context)] == context and score.boundary == "clean"
    assert score.token_ids.tolist() == whole and score.scored.tolist() == [False] * len(context) + [True] * (
        len(whole) - len(context)
    )
    close(score.logprobs[len(context) :], oracle([BOS, *whole], len(context) + 1))
    assert (score.context, score.continuation) == ("The quick brown", " fox jumps")


def test_lm_evals_convention(scorer: Scorer) -> None:
    """Start token before an empty context only; where the context's tokens change, its own ones are run."""
    alone = scorer.score(Pair("", "The fox"), bos="lm-eval")
    close(alone.logprobs, oracle([BOS, *ids_of("The fox")]))
    context, whole = ids_of("The quick"), ids_of("The quick brown fox")
    clean = scorer.score(Pair("The quick", " brown fox"), bos="lm-eval")
    assert clean.start_token is None and clean.boundary == "clean"
    close(clean.logprobs[len(context) :], oracle(whole, len(context)))
    context, whole = ids_of("one Answ"), ids_of("one Answer the question")
    ids = [*context, *whole[len(context) :]]
    spanned = scorer.score(Pair("one Answ", "er the question"), bos="lm-eval")
    assert whole[: len(context)] != context and spanned.token_ids.tolist() == ids and not spanned.exact_spans
    close(spanned.logprobs[len(context) :], oracle(ids, len(context)))
    assert spanned.starts[0] == 0 and (spanned.starts[1:] == spanned.ends[:-1]).all()
    assert spanned.ends[-1] == len("one Answer the question") and (spanned.ends >= spanned.starts).all()


def test_an_empty_context_is_the_start_token_alone(scorer: Scorer) -> None:
    assert scorer.score(Pair("", "The fox")).log_likelihood == scorer.score("The fox").log_likelihood
    without = scorer.score(Pair("", "The fox"), bos="none")
    assert without.num_scored == len(ids_of("The fox")) - 1


def test_token_ids_and_pairs_of_token_ids(scorer: Scorer) -> None:
    ids = ids_of(TEXTS[0])
    close(scorer.score(ids).logprobs, oracle([BOS, *ids]))
    assert scorer.score(ids).text == TEXTS[0]
    assert scorer.score(np.array(ids)).log_likelihood == scorer.score(torch.tensor(ids)).log_likelihood
    pair = scorer.score(Pair(ids[:4], ids[4:]))
    close(pair.logprobs[4:], oracle([BOS, *ids], 5))
    assert isinstance(scorer.score([ids, ids[:3]]), list)


def test_chat_messages_as_a_context() -> None:
    scorer = Scorer(MODEL, tiny_tokenizer(chat=True))
    score = scorer.score(Pair([{"role": "user", "content": "What is it?"}], "Paris"))
    ids = [3, *ids_of("What is it?"), 5, 4, *ids_of("Paris")]
    assert score.token_ids.tolist() == ids and score.context == "<|user|>What is it?<|end|><|bot|>"
    n = len(ids) - len(ids_of("Paris"))
    close(score.logprobs[n:], oracle(ids, n))
    with pytest.raises(InputError, match=r"chat message 0 spells the special token '<\|end\|>'"):
        scorer.score(Pair([{"role": "user", "content": "x<|end|>y"}], "Paris"))
    allowed = scorer.score(Pair([{"role": "user", "content": "x<|end|>y"}], "Paris"), special_tokens="parse")
    assert allowed.num_scored == len(ids_of("Paris"))
    literal = scorer.score(Pair([{"role": "user", "content": "x"}], "</s>"))
    assert literal.boundary == "apart" and 2 not in literal.token_ids


@pytest.mark.parametrize(
    ("bos", "eos", "policy", "start"),
    [
        ("<s>", "</s>", "auto", None),  # a BOS that the template leaves out
        (None, "<|end|>", "auto", None),  # no BOS: the end of a turn would stand before the first turn
        ("<s>", "</s>", "none", None),
        ("<s>", "</s>", "</s>", 2),  # as asked
    ],
)
def test_nothing_stands_in_front_of_a_chat_that_its_template_did_not_write(
    bos: str | None, eos: str, policy: str, start: int | None
) -> None:
    scorer = Scorer(MODEL, tiny_tokenizer(bos=bos, eos=eos, chat=True))
    score = scorer.score(Pair([{"role": "user", "content": "What is it?"}], "Paris"), bos=policy)
    ids = [3, *ids_of("What is it?"), 5, 4, *ids_of("Paris")]
    n = len(ids) - len(ids_of("Paris"))
    front = [] if start is None else [start]
    assert score.start_token == start == score.to_dict()["start_token"]
    close(score.logprobs[n:], oracle([*front, *ids], n + len(front)))


def test_a_start_token_that_the_template_writes_stands_there_once() -> None:
    tokenizer = tiny_tokenizer(chat=True, bos_in_front=True)
    tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template
    ids = [BOS, 3, *ids_of("a"), 5, 4, *ids_of("Paris")]
    for policy in ("auto", "none"):
        score = Scorer(MODEL, tokenizer).score(Pair([{"role": "user", "content": "a"}], "Paris"), bos=policy)
        assert score.token_ids.tolist() == ids and score.start_token is None
        close(score.logprobs[score.scored], oracle(ids, len(ids) - len(ids_of("Paris"))))


def test_chat_needs_a_template(scorer: Scorer) -> None:
    with pytest.raises(InputError, match="tokenizer has no chat template"):
        scorer.score(Pair([{"role": "user", "content": "x"}], "y"))


def test_empty_text_is_a_defined_result(scorer: Scorer) -> None:
    score = scorer.score("")
    assert (score.log_likelihood, score.perplexity, score.num_tokens, score.bits_per_byte) == (0.0, None, 0, None)
    assert score.is_greedy is None and score.words() == () and score.to_dict()["perplexity"] is None


# -- texts longer than the context (64 positions) ---------------------------------------------------------------------

LONG_IDS = np.random.default_rng(3).integers(10, 300, size=200).tolist()


def windowed_oracle(ids: list[int], context: int) -> NDArray[np.float64]:
    """Straight from the definition: windows of ``context`` inputs that end every half context, the last at the end."""
    ends = [context]
    while ends[-1] < len(ids) - 1:
        ends.append(min(ends[-1] + context // 2, len(ids) - 1))
    found: list[float] = []
    for end in ends:
        begin = end - context
        stretch = ids[begin : end + 1]
        found.extend(oracle(stretch)[len(found) - begin :])
    return np.array(found)


@pytest.mark.parametrize("engine", ["padded", "reference"])
def test_a_long_text_is_scored_in_overlapping_windows(engine: str) -> None:
    score = Scorer(MODEL, TOKENIZER, engine=engine, batch_tokens=100).score(LONG_IDS)
    assert score.num_windows == 6 and score.num_cut == 0 and score.num_scored == 200
    close(score.logprobs, windowed_oracle([BOS, *LONG_IDS], 64))


def test_a_context_limit_of_ones_own() -> None:
    scorer = Scorer(MODEL, TOKENIZER, max_length=20)
    close(scorer.score(LONG_IDS).logprobs, windowed_oracle([BOS, *LONG_IDS], 20))
    assert scorer.score("a").settings["long"] == "windows/20"
    with pytest.raises(OptionError, match="max_length=65 must be a whole number of at least 1 and at most 64"):
        Scorer(MODEL, TOKENIZER, max_length=65)


def test_truncation_is_counted(scorer: Scorer) -> None:
    score = scorer.score(LONG_IDS, long="truncate")
    assert score.num_cut == 200 - 64 and score.num_scored == 64 and score.num_tokens == 200
    close(score.logprobs[:64], oracle([BOS, *LONG_IDS[:64]]))
    assert np.isnan(score.logprobs[64:]).all()


def test_truncating_a_pair_keeps_start_token_and_continuation(scorer: Scorer) -> None:
    pair = Pair(LONG_IDS[:190], LONG_IDS[190:])
    score = scorer.score(pair, long="truncate")
    kept = [BOS, *LONG_IDS[200 - 64 :]]
    assert len(kept) - 1 == 64 and score.num_cut == 136
    close(score.logprobs[190:], oracle(kept, len(kept) - 10))
    windows = scorer.score(pair)
    # 64 positions end before the last target: 135 tokens of the context and the start token are read by nothing.
    assert (windows.num_windows, windows.num_cut, windows.num_unread, windows.start_token) == (1, 0, 135, None)
    assert (score.num_unread, score.start_token) == (0, BOS)
    lm_eval = scorer.score(Pair("", "a" * 70), bos="lm-eval")
    assert (lm_eval.num_windows, lm_eval.num_unread, lm_eval.start_token) == (2, 0, BOS)
    close(windows.logprobs[190:], oracle(LONG_IDS[200 - 65 :], 55))


def test_error_policy(scorer: Scorer) -> None:
    with pytest.raises(ContextLengthError, match=r"item 1: the sequence needs 200 positions .* at most 64"):
        scorer.score(["a", LONG_IDS], long="error")


def test_lm_evals_truncation_cuts_the_start_token_too() -> None:
    scorer = Scorer(MODEL, tiny_tokenizer(bos_in_front=True))
    context, whole = "abc " * 40, "abc " * 40 + "xyz"
    pair = Pair(context.rstrip(), " xyz")
    n, ids = len(ids_of(context.rstrip())), ids_of(context.rstrip() + " xyz")
    cut = scorer.score(pair, bos="lm-eval", long="truncate")
    assert cut.start_token is None and cut.num_cut == len(ids) - 65 and cut.num_unread == 0
    close(cut.logprobs[n:], oracle(ids[-65:], 65 - (len(ids) - n)))
    short = scorer.score(Pair("abc", " xyz"), bos="lm-eval")
    assert short.start_token == BOS and short.token_ids.tolist() == ids_of("abc xyz") and short.starts[0] == 0
    close(short.logprobs[short.scored], oracle([BOS, *ids_of("abc xyz")], 1 + len(ids_of("abc"))))
    apart = scorer.score(Pair("abc", " xyz"), bos="lm-eval", boundary="separate")
    assert apart.start_token == BOS and apart.log_likelihood == short.log_likelihood
    assert whole.endswith("xyz")


def test_spans_of_a_context_tokenised_apart_count_bytes(scorer: Scorer) -> None:
    score = scorer.score(Pair("日本é", "語 x"), boundary="separate")
    assert score.ends[-1] == len("日本é語 x".encode()) and (score.starts[1:] == score.ends[:-1]).all()
    assert score.continuation == "語 x" and score.starts[score.scored][0] == len("日本é".encode())


def test_token_ids_parted_within_a_character(scorer: Scorer) -> None:
    ids = ids_of("a😀b")
    score = scorer.score(Pair(ids[:2], ids[2:]))
    assert score.continuation is not None and score.continuation.endswith("b") and len(score.continuation) > 1


def test_a_named_start_token_stands_even_before_itself(scorer: Scorer) -> None:
    ids = ids_of("The fox")
    score = scorer.score("The fox", bos=ids[0])
    assert score.start_token == ids[0] and score.num_scored == len(ids)
    close(score.logprobs, oracle([ids[0], *ids]))


def test_longrope_does_not_look_at_the_neighbours() -> None:
    from tests.tiny_models import longrope_model

    scorer = Scorer(longrope_model(original=32), TOKENIZER)
    short, long = ids_of("The quick"), list(range(10, 60))
    alone, beside = scorer.score(short), scorer.score([short, long])[0]
    np.testing.assert_allclose(alone.logprobs, beside.logprobs, rtol=0, atol=1e-4)


def test_precision_switched_on_around_a_call_does_not_reach_the_model() -> None:
    scorer = Scorer(tiny_model("llama"), TOKENIZER)
    expected = scorer.score(TEXTS[0]).logprobs
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            np.testing.assert_array_equal(scorer.score(TEXTS[0]).logprobs, expected)
            assert torch.is_autocast_enabled("cpu")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_threads_with_a_model_in_train_mode() -> None:
    from concurrent.futures import ThreadPoolExecutor

    scorer = Scorer(tiny_model("gpt2").train(), TOKENIZER)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: scorer.score("the quick fox").log_likelihood, range(60)))
    assert len(found) == 1


def test_an_overflow_is_an_error() -> None:
    model = tiny_model("gpt2")
    scorer = Scorer(model, TOKENIZER, engine="reference")
    forward = model.forward

    def overflowing(*args: object, **kwargs: object) -> object:
        output = forward(*args, **kwargs)
        output.logits[..., 7] = float("inf")
        return output

    model.forward = overflowing
    with pytest.raises(NumericsError, match="gives NaN at token 0"):
        scorer.score("ab")


# -- several items, streams, errors ------------------------------------------------------------------------------------


def test_a_bad_item_is_named(scorer: Scorer) -> None:
    with pytest.raises(InputError, match=r"item 1: .*lone surrogate"):
        scorer.score(["good", "bad \ud83d"])
    with pytest.raises(InputError, match=r"item 2: the continuation is empty"):
        scorer.score(["good", "good", Pair("context", "")])
    with pytest.raises(InputError, match="a Pair is two texts"):
        scorer.score(Pair("text", [1, 2]))


def test_a_stream_records_errors_in_their_place_and_keeps_order(scorer: Scorer) -> None:
    problem = InputError("row 7 could not be read")

    def items() -> Iterator[object]:
        for i in range(100):
            yield "bad \ud83d" if i == 40 else problem if i == 70 else f"text {i}"

    results = list(scorer.stream(items(), errors="record"))  # type: ignore[arg-type]
    assert len(results) == 100
    for i, result in enumerate(results):
        if i in (40, 70):
            assert isinstance(result, SeqscoreError) and result.item == i
        else:
            assert not isinstance(result, SeqscoreError) and result.text == f"text {i}"
    with pytest.raises(InputError, match="item 40"):
        list(scorer.stream(items()))  # type: ignore[arg-type]


def test_what_is_no_item_is_an_error_in_its_place(scorer: Scorer) -> None:
    results = list(scorer.stream(["a", None, 1.5, "b"], errors="record"))  # type: ignore[list-item]
    assert [isinstance(result, InputError) for result in results] == [False, True, True, False]
    assert "item 1: a text is missing here (None); drop the row" in str(results[1])


def test_a_stream_reads_no_further_than_its_first_results_need(scorer: Scorer) -> None:
    read: list[int] = []

    def items() -> Iterator[str]:
        for i in range(10_000):
            read.append(i)
            yield "a"

    next(scorer.stream(items()))
    assert len(read) <= 16


def test_nan_is_an_error_that_names_the_token() -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        model.model.embed_tokens.weight[ids_of("o")[0]] = float("nan")
    with pytest.raises(NumericsError, match=r"gives NaN at token \d+ \('.*', id \d+\), \d+ of \d+ tokens in all"):
        Scorer(model, TOKENIZER).score("xoyz")


def test_what_is_no_item_is_refused(scorer: Scorer) -> None:
    for wrong in (None, 3, b"bytes", {"a": 1}):
        with pytest.raises(InputError, match=f"expected a text, a Pair, token ids .* {type(wrong).__name__}"):
            scorer.score(wrong)  # type: ignore[call-overload]
    with pytest.raises(InputError, match="expected a text, a Pair or token ids, got bytes"):
        scorer.score(Pair(b"a", b"b"))
    assert scorer.score(range(5, 9)).token_ids.tolist() == [5, 6, 7, 8]
    for wrong_length in (float("nan"), True, 1.5):
        with pytest.raises(OptionError, match="must be a whole number of at least 1"):
            Scorer(MODEL, TOKENIZER, max_length=wrong_length)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="stream takes an iterable of items, got a single one"):
        scorer.stream("text")


def test_unknown_choices_are_refused(scorer: Scorer) -> None:
    for name, value in (("long", "x"), ("boundary", "x"), ("special_tokens", "x"), ("extras", ["x"])):
        with pytest.raises(OptionError, match=rf"{name}='x' is unknown; expected one of "):
            scorer.score("a", **{name: value})  # type: ignore[misc]
    with pytest.raises(OptionError, match="engine='x' is unknown; expected one of auto, reference, padded"):
        Scorer(MODEL, TOKENIZER, engine="x")
    with pytest.raises(OptionError, match="batch_tokens=0 must be a whole number of at least 1"):
        Scorer(MODEL, TOKENIZER, batch_tokens=0)


def test_models_that_cannot_be_scored_with() -> None:
    with pytest.raises(TokenizerError, match="tokenizer is None"):
        Scorer(MODEL, None)  # type: ignore[arg-type]
    from transformers import BertConfig, BertLMHeadModel

    config = BertConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32
    )
    torch.manual_seed(0)
    with pytest.raises(ModelError, match="not a causal language model: its output at a token depends on"):
        Scorer(BertLMHeadModel(config), TOKENIZER)
    small = tiny_model("llama")
    small.resize_token_embeddings(280)
    for outside in (280, 290):
        with pytest.raises(ModelError, match=f"token id {outside} is outside the model's vocabulary of 280"):
            Scorer(small, TOKENIZER).score([outside])
    assert Scorer(small, TOKENIZER).score([279]).num_scored == 1


def test_the_callers_objects_are_left_as_they_were() -> None:
    model, tokenizer = tiny_model("opt").train(), tiny_tokenizer()
    training = [module.training for module in model.modules()]
    before = tokenizer.backend_tokenizer.to_str(), model.config.to_dict()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    first = Scorer(model, tokenizer).score("The fox")
    assert [module.training for module in model.modules()] == training
    assert (tokenizer.backend_tokenizer.to_str(), model.config.to_dict()) == before
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert first.log_likelihood == Scorer(model.eval(), tokenizer).score("The fox").log_likelihood  # dropout was off


def test_extras_and_greedy(scorer: Scorer) -> None:
    score = scorer.score(TEXTS[0], extras=("rank", "entropy"))
    rows = next_logprobs([BOS, *ids_of(TEXTS[0])])[:-1]
    assert score.ranks is not None and score.entropies is not None
    assert score.ranks.tolist() == (1 + (rows > score.logprobs[:, None] + 1e-12).sum(1)).tolist()
    close(score.entropies, -(np.exp(rows) * rows).sum(1))
    assert scorer.score(TEXTS[0]).ranks is None
    greedy = int(next_logprobs([BOS])[0].argmax())
    assert scorer.score([greedy]).is_greedy is True
    assert scorer.score([(greedy + 1) % 300]).is_greedy is False


def test_the_signature_says_what_was_measured(scorer: Scorer) -> None:
    from seqscore.scores.signature import Signature

    line = scorer.score("a").signature
    fields = Signature.parse(line)
    assert str(fields) == line
    assert fields["dtype"] == "float64" and fields["engine"] == "packed" and fields["bos"] == "auto/1"
    assert fields["weights"].startswith("xxh128:")
    assert Scorer(tiny_model("llama", seed=1), TOKENIZER).score("a").settings["weights"] != fields["weights"]


# -- sums against exact arithmetic -------------------------------------------------------------------------------------


@given(st.lists(st.floats(-50, 0, allow_nan=False), max_size=300))
def test_the_log_likelihood_is_the_exact_sum_rounded_once(values: list[float]) -> None:
    assert log_likelihood(np.array(values)) == float(sum(map(Fraction, values), Fraction(0)))


@settings(deadline=None)
@given(st.lists(st.fractions(Fraction(1, 10**6), 1), min_size=1, max_size=200))
def test_the_log_sum_is_the_logarithm_of_the_exact_product(probabilities: list[Fraction]) -> None:
    product = math.prod(probabilities)
    with mpmath.workdps(60):
        exact = float(mpmath.log(mpmath.mpf(product.numerator) / product.denominator))
    # Each logarithm is wrong by half an ulp of itself and by the rounding of its argument; the sum is rounded once.
    logs = [math.log(p) for p in probabilities]
    tolerance = sum(2.0**-52 * (1 + abs(x)) for x in logs) + 2.0**-52 * abs(exact)
    assert abs(log_likelihood(np.array(logs)) - exact) <= tolerance
