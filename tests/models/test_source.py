"""A model with an encoder, which reads the context of a Pair, against transformers in a plain loop in float64."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from seqscore import Chat, Pair, Scorer
from seqscore.engine.head.by_rows import logits_values
from seqscore.errors import OptionError, SeqscoreError
from seqscore.models.base import Conditioning
from seqscore.models.local import TokenizerCodec
from seqscore.plan.requests import Request, Values
from seqscore.policies import Extra, StartPolicy
from seqscore.text.start import StartToken
from tests.models.stand_ins import FarModel, scorer_of
from tests.tiny_tokenizers import tiny_tokenizer

START = 5


@cache
def t5() -> Any:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2, "vocab_size": 300}
    torch.manual_seed(0)
    return T5ForConditionalGeneration(T5Config(**sizes)).double().eval()


def logits_of(source: Sequence[int], decoded: Sequence[int]) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = t5()(
            input_ids=torch.tensor([list(source)], dtype=torch.int64), decoder_input_ids=torch.tensor([list(decoded)])
        ).logits[0]
    return logits


class StartsItself(TokenizerCodec):
    def start(self, policy: StartPolicy) -> StartToken:
        return StartToken("auto", START) if policy == "auto" else super().start(policy)


class EncoderDecoder(FarModel):
    kind: ClassVar[str] = "encoder-decoder"
    conditioning: ClassVar[Conditioning] = "source"
    offers: ClassVar[frozenset[Extra]] = frozenset({"rank"})
    max_inputs = 12

    @property
    def codec(self) -> TokenizerCodec:
        return StartsItself(tiny_tokenizer(), configs=[], vocabulary=300)

    def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        return [
            logits_values(
                logits_of(one.source, one.ids[:-1])[one.first_target - 1 :],
                torch.from_numpy(one.targets),
                extras=extras,
            )
            for one in asked
        ]


@pytest.fixture
def scorer(monkeypatch: pytest.MonkeyPatch) -> Scorer:
    return scorer_of(monkeypatch, EncoderDecoder)


def looped(source: Sequence[int], targets: Sequence[int]) -> list[float]:
    """log p of each target, one forward pass each."""
    found = []
    for t, target in enumerate(targets):
        found.append(float(logits_of(source, [START, *targets[:t]])[-1].log_softmax(-1)[target]))
    return found


def test_a_context_is_what_the_encoder_reads(scorer: Scorer) -> None:
    for pair in (Pair("The quick brown fox", " is the same"), Pair("one", " two"), Pair([9, START, 10], [START, 12])):
        score = scorer.score(pair, extras="rank")
        ids, scored = score.token_ids, score.scored
        count = int((~scored).sum())
        assert count and scored.tolist() == [False] * count + [True] * (len(ids) - count)
        np.testing.assert_allclose(
            score.logprobs[scored], looped(ids[:count].tolist(), ids[count:].tolist()), rtol=1e-10
        )
        assert score.start_token == START and np.isnan(score.logprobs[:count]).all()
        assert score.ranks is not None and (score.ranks[count:] > 0).all()
        other = "another" if isinstance(pair.context, str) else [17]
        assert score.log_likelihood != scorer.score(Pair(other, pair.continuation)).log_likelihood
    fields = dict(score.settings.fields)
    assert (fields["conditioning"], fields["boundary"], fields["bos"]) == ("source", "separate", f"auto/{START}")
    assert score.perplexity_name == "perplexity"


def test_a_text_alone_has_an_empty_source(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def run(self: EncoderDecoder, requests: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        asked.extend(requests)
        return [Values(logprobs=np.full(one.num_targets, -1.0)) for one in requests]

    monkeypatch.setattr(EncoderDecoder, "run", run)
    score = scorer.score("one two")
    ((request,),) = [asked]
    assert len(request.source) == 0 and request.ids.tolist() == [START, *score.token_ids.tolist()]
    assert score.scored.all()


def test_windows_are_laid_over_what_is_decoded(scorer: Scorer) -> None:
    source, targets = list(range(20, 50)), np.random.default_rng(0).integers(9, 300, size=30).tolist()
    score = scorer.score(Pair(source, targets))
    assert score.num_windows > 1 and score.scored.tolist() == [False] * 30 + [True] * 30
    np.testing.assert_allclose(score.logprobs[30:42], looped(source, targets)[:12], rtol=1e-10)
    assert (score.num_cut, score.num_unread) == (0, 0)
    work = scorer.workload([Pair(source, targets[:5])])
    assert (work.num_targets, work.num_inputs, work.num_run) == (5, 35, 35)


def test_what_has_a_meaning_only_from_left_to_right_is_refused(scorer: Scorer) -> None:
    with pytest.raises(OptionError, match="an encoder-decoder model reads every text behind its own start token"):
        scorer.score("a", bos="none")
    with pytest.raises(OptionError, match="boundary='healed' is for models that read from left to right"):
        scorer.score("a", boundary="healed")
    (found,) = scorer.stream([Chat([{"role": "user", "content": "a"}])], errors="record")
    assert isinstance(found, SeqscoreError)


def test_there_must_be_a_start_token(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StartsItself, "start", lambda self, policy: StartToken("auto", None))
    with pytest.raises(OptionError, match="needs a start token in front of what it scores, and its codec has none"):
        scorer.score("a")
