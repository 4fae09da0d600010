"""The same table for every kind of model: architecture and policy beside a plain loop of its definition, in float64.

A loop is given a model and the tokens that a score lists, and says what each scored one of them has by the definition
of its kind. It knows no requests, no windows and no engine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqscore import Pair, Scorer, SequenceScore
from seqscore.errors import OptionError
from tests import stand_in_kenlm
from tests.masked_models import masked_model, word_pieces
from tests.ngram_models import Arpa, write_arpa
from tests.seq2seq_models import bart_tokenizer, seq2seq_model, t5_tokenizer
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

Floats = NDArray[np.float64]
Loop = Callable[[SequenceScore], Floats]

NEAR = 1e-10
"""Both are float64 forwards of a few layers 16 to 32 wide."""

POLICIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": ("the cat sat", {}),
    "pair": (Pair("the cat", " sat on the mat"), {}),
    "separate": (Pair("the cat ", "sat on"), {"boundary": "separate"}),
    "end": ("the cat sat", {"eos": "scored"}),
    "end of a pair": (Pair("the cat", " sat"), {"eos": "scored"}),
    "no start": ("the cat sat", {"bos": "none"}),
    "one window": ("the cat sat on the mat", {"long": "error"}),
}
REFUSED = {
    "masked": {"end", "end of a pair", "no start"},
    "encoder-decoder": {"no start"},
}


@torch.inference_mode()
def _left(model: Any, score: SequenceScore) -> Floats:
    front = [] if score.start_token is None else [score.start_token]
    ids = [*front, *score.token_ids.tolist()]
    rows = [model(torch.tensor([ids[:t]])).logits[0, -1].log_softmax(-1)[ids[t]].item() for t in range(1, len(ids))]
    return np.array(rows if front else [np.nan, *rows])


@torch.inference_mode()
def _both(model: Any, score: SequenceScore) -> Floats:
    ids = torch.tensor([[2, *score.token_ids.tolist(), 3]])
    found = []
    for place in range(1, ids.shape[1] - 1):
        hidden = ids.clone()
        hidden[0, place] = 4
        found.append(model(hidden).logits[0, place].log_softmax(-1)[ids[0, place]].item())
    return np.array(found)


def _source(model: Any, around: tuple[list[int], list[int]], front: list[int]) -> Loop:
    @torch.inference_mode()
    def loop(score: SequenceScore) -> Floats:
        ids, count = score.token_ids.tolist(), int(score.scored.argmax())
        read = torch.tensor([[*around[0], *ids[:count], *around[1]]])
        found = [np.nan] * count
        for t in range(count, len(ids)):
            decoded = torch.tensor([[*front, *ids[count:t]]])
            rows = model(input_ids=read, decoder_input_ids=decoded).logits[0, -1].log_softmax(-1)
            found.append(rows[ids[t]].item())
        return np.array(found)

    return loop


def _words(arpa: Arpa) -> Loop:
    def loop(score: SequenceScore) -> Floats:
        words = [text.strip() for text in score.token_texts]
        start = ("<s>",) if score.start_token is not None else ()
        first = int(not start)
        found = arpa.logprobs(words[first:], before=start or words[:1])
        return np.array([*[np.nan] * first, *found])

    return loop


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Scorer, Loop]]]:
    folder, kind = tmp_path_factory.mktemp("kinds"), torch.float64
    found: dict[str, tuple[Scorer, Loop]] = {}
    for name in ("llama", "gpt2"):
        causal = tiny_model(name, dtype=kind)
        found[f"causal {name}"] = Scorer(causal, tiny_tokenizer()), lambda score, own=causal: _left(own, score)
    for name in ("bert", "distilbert"):
        masked = masked_model(name, dtype=kind)
        found[f"masked {name}"] = Scorer(masked, word_pieces()), lambda score, own=masked: _both(own, score)
    t5, bart = (seq2seq_model(name, dtype=kind) for name in ("t5", "bart"))
    found["encoder-decoder t5"] = Scorer(t5, t5_tokenizer()), _source(t5, ([], [1]), [0])
    found["encoder-decoder bart"] = Scorer(bart, bart_tokenizer()), _source(bart, ([0], [2]), [2, 0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "kenlm", stand_in_kenlm.module())
        patch.setenv("SEQSCORE_CACHE", str(folder / "cache"))
        path = write_arpa(folder / "small.arpa")
        found["ngram 3"] = Scorer.from_pretrained(path), _words(Arpa(Path(path).read_text(encoding="utf-8")))
        yield found


NAMES = ("causal llama", "causal gpt2", "masked bert", "masked distilbert")
NAMES += ("encoder-decoder t5", "encoder-decoder bart", "ngram 3")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", NAMES)
def test_every_kind_gives_what_its_definition_says(
    kinds: dict[str, tuple[Scorer, Loop]], name: str, policy: str
) -> None:
    (scorer, loop), (item, keywords) = kinds[name], POLICIES[policy]
    if policy in REFUSED.get(name.split()[0], ()):
        with pytest.raises(OptionError):
            scorer.score(item, **keywords)
        return
    score = scorer.score(item, **keywords)
    expected = loop(score)
    assert score.scored.any() and len(expected) == len(score)
    # KenLM's sums of decimal logarithms are float32.
    np.testing.assert_allclose(
        score.logprobs[score.scored], expected[score.scored], rtol=0, atol=NEAR if name != "ngram 3" else 1e-5
    )
    assert np.isnan(score.logprobs[~score.scored]).all()
    if isinstance(item, Pair):
        assert not score.scored.all()
    elif policy != "no start":
        assert score.scored.all()
