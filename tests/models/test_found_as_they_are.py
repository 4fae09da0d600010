"""Models as people have them: with a part for pictures, resized, spread by a device map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForImageTextToText

from seqscore import Scorer
from seqscore.errors import ModelError
from tests.models.conftest import make_model, make_tokenizer

TEXT = "the cat sat on 23 mats"


def log_likelihood(model: Any) -> float:
    ids = [1, *make_tokenizer().encode(TEXT, add_special_tokens=False)]
    with torch.inference_mode():
        logprobs = model.double().eval()(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(logprobs[place - 1, ids[place]].item() for place in range(1, len(ids)))


def test_a_model_that_reads_pictures_too_scores_texts(tmp_path: Path) -> None:
    vision = {"model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 16, "patch_size": 8, "projection_dim": 16}
    text = make_model().config.to_dict()
    torch.manual_seed(0)
    config = CONFIG_MAPPING["llava"](text_config=text, vision_config=vision, image_token_index=299)
    model = AutoModelForImageTextToText.from_config(config)
    model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    found, own = Scorer.from_pretrained(tmp_path), Scorer(model, make_tokenizer())
    assert found.engine == own.engine == "packed" and found.max_length == 128
    score = found.score(TEXT)
    assert own.score(TEXT).logprobs.tobytes() == score.logprobs.tobytes()
    assert score.log_likelihood == pytest.approx(log_likelihood(model), abs=1e-5)


@pytest.mark.parametrize("is_tied", [True, False])
def test_a_vocabulary_that_was_resized(is_tied: bool) -> None:
    """The rows that no token of the tokenizer has take their share of the probability."""
    model = make_model(tie_word_embeddings=is_tied)
    model.resize_token_embeddings(320)
    found = Scorer(model, make_tokenizer(), engine="padded").score(TEXT)
    assert found.log_likelihood == pytest.approx(log_likelihood(model), abs=1e-5)


def test_device_maps(tmp_path: Path) -> None:
    make_model().save_pretrained(tmp_path)
    right = Scorer(make_model(), make_tokenizer()).score(TEXT)
    spread = AutoModelForCausalLM.from_pretrained(tmp_path, device_map={"": "cpu"})
    assert Scorer(spread, make_tokenizer()).score(TEXT).logprobs.tobytes() == right.logprobs.tobytes()
    places = dict.fromkeys(("model.embed_tokens", "lm_head", "model.norm", "model.rotary_emb"), "cpu")
    places |= {"model.layers.0": "cpu", "model.layers.1": "disk"}
    offloaded = AutoModelForCausalLM.from_pretrained(tmp_path, device_map=places, offload_folder=tmp_path / "away")
    with pytest.raises(ModelError, match=r"are not in memory \(offloaded to disk by device_map\?\)"):
        Scorer(offloaded, make_tokenizer())
