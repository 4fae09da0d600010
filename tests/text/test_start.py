"""Which token stands in front of a text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, GPT2Config, LlamaConfig

from seqscore import Scorer
from seqscore.text.start import declared_start, resolve_start
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

BARE = tiny_tokenizer(bos=None, eos=None)


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        ([LlamaConfig(bos_token_id=5)], 5),
        ([GenerationConfig(bos_token_id=[7, 8])], 7),
        ([LlamaConfig(bos_token_id=300)], None),  # outside the vocabulary
        ([LlamaConfig(bos_token_id=-1)], None),
        ([SimpleNamespace(bos_token_id=True)], None),
        ([SimpleNamespace(bos_token_id=[])], None),
        ([LlamaConfig(bos_token_id=None), GenerationConfig(bos_token_id=9)], 9),
        ([LlamaConfig(bos_token_id=300), GenerationConfig(bos_token_id=9)], 9),
        ([None, SimpleNamespace()], None),
        ([LlamaConfig()], 1),  # the class's default, which is a special token here
        ([GPT2Config()], None),  # the class's default, which is none
    ],
)
def test_the_models_configurations_declare_a_start_token(configs: list[Any], expected: int | None) -> None:
    assert declared_start(BARE, configs, vocabulary=300) == expected


def test_a_default_of_the_configurations_class_says_nothing_about_a_plain_word() -> None:
    plain = tiny_tokenizer(bos=None, eos=None)
    plain.pad_token = "<s>"  # token 1 is padding here
    assert declared_start(plain, [LlamaConfig()], vocabulary=300) is None
    assert declared_start(plain, [LlamaConfig(bos_token_id=9)], vocabulary=300) == 9


def test_a_tokenizers_own_start_token_goes_first_and_lm_eval_knows_no_other() -> None:
    assert resolve_start(tiny_tokenizer(), "auto", declared=9).token_id == 1
    assert resolve_start(tiny_tokenizer(bos=None), "auto", declared=9).token_id == 9
    assert resolve_start(tiny_tokenizer(bos=None), "auto").token_id == 2
    assert resolve_start(tiny_tokenizer(bos=None), "lm-eval", declared=9).token_id == 2
    assert resolve_start(BARE, "none", declared=9).token_id is None


def test_a_declared_start_token_stands_in_front_and_in_the_signature() -> None:
    model = tiny_model("llama", dtype=torch.float64)
    score = Scorer(model, BARE).score("The fox")
    ids = BARE("The fox", add_special_tokens=False).input_ids
    with torch.no_grad():
        logprobs = model(input_ids=torch.tensor([[1, *ids]])).logits[0].log_softmax(-1)
    right = sum(float(logprobs[place, number]) for place, number in enumerate(ids))
    assert (score.start_token, score.num_scored, score.settings["bos"]) == (1, len(ids), "auto/1")
    assert score.log_likelihood == pytest.approx(right, abs=1e-11)
