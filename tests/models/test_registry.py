from __future__ import annotations

from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from transformers import BertConfig, BertForMaskedLM, BertLMHeadModel, WhisperConfig, WhisperForConditionalGeneration
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from seqscore import LoadOptions, Scorer
from seqscore.errors import ModelError, OptionError
from seqscore.models import registry
from seqscore.models.architecture.causality import why_not_causal, why_not_masked
from seqscore.models.causal import CausalModel
from seqscore.models.masked import MaskedModel
from seqscore.models.registry import KINDS, Checkpoint, Named
from seqscore.models.seq2seq import EncoderDecoderModel
from tests.masked_models import masked_model, word_pieces
from tests.seq2seq_models import bart_tokenizer, seq2seq_model
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

_SMALL = {
    "vocab_size": 90,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}


def kind_of_config(name: str, **settings: Any) -> str | None:
    config = CONFIG_MAPPING[name](**settings)
    own = (kind for kind, one in KINDS.items() if isinstance(one, Checkpoint) and one.model.why_not(config) is None)
    return next(own, None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gpt2", "causal"),
        ("llama", "causal"),
        ("mamba", "causal"),
        ("bert", "masked"),
        ("roberta", "masked"),
        ("distilbert", "masked"),
        ("modernbert", "masked"),
        ("deberta-v2", "masked"),
        ("t5", "encoder-decoder"),
        ("bart", "encoder-decoder"),
        ("whisper", None),
        ("xlnet", None),
        ("vit", None),
    ],
)
def test_a_configuration_is_of_the_first_kind_that_takes_it(name: str, kind: str | None) -> None:
    assert kind_of_config(name) == kind


def test_settings_of_a_configuration_count() -> None:
    assert kind_of_config("bert", is_decoder=True) == kind_of_config("roberta", is_decoder=True) == "causal"
    decoder = BertConfig(is_decoder=True)
    assert kind_of_config("xlm", causal=True) is kind_of_config("flaubert", causal=True) is None
    assert kind_of_config("xlm") == "masked"
    assert why_not_causal(decoder) is None and why_not_masked(decoder) == "this bert is set to read from left to right"


def test_an_object_is_of_the_kind_of_its_class() -> None:
    assert isinstance(Scorer(tiny_model("llama"), tiny_tokenizer(), engine="padded")._model, CausalModel)
    masked = masked_model("bert")
    assert isinstance(Scorer(masked, word_pieces())._model, MaskedModel)
    assert isinstance(Scorer(seq2seq_model("bart"), bart_tokenizer())._model, EncoderDecoderModel)
    compiled = SimpleNamespace(_orig_mod=masked)  # as torch.compile wraps it
    assert registry._is_own(KINDS["masked"], compiled)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="BertLMHeadModel is not a causal language model: "):
        Scorer(BertLMHeadModel(BertConfig(**_SMALL)), word_pieces())
    decoder = BertForMaskedLM(BertConfig(**_SMALL, is_decoder=True))
    assert not registry._is_own(KINDS["masked"], decoder)  # type: ignore[arg-type]


def test_what_no_kind_takes_is_refused_with_the_reason(tmp_path: Path) -> None:
    small = {"d_model": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    WhisperForConditionalGeneration(WhisperConfig(**small)).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    why = "whisper is an encoder-decoder; transformers has no model of type whisper that reads and writes text$"
    with pytest.raises(ModelError, match=f"is not a causal or masked or seq2seq language model: {why}"):
        Scorer.from_pretrained(tmp_path, device="cpu")


def test_a_kind_is_opened_by_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []

    def opens(name: str, settings: Any) -> Any:
        opened.extend([name, settings.threads])
        raise ModelError("as far as it goes")

    kinds = {**KINDS, "server": Named(opens, ("http://*", "https://*"), takes=frozenset({"threads"}))}
    monkeypatch.setattr(registry, "KINDS", MappingProxyType(kinds))
    with pytest.raises(ModelError, match="as far as it goes"):
        Scorer.from_pretrained("http://localhost:8000/v1", threads=3)
    assert opened == ["http://localhost:8000/v1", 3]
    for option in ({"revision": "zz"}, {"device": "cuda:7"}, {"dtype": "float64"}, {"engine": "packed"}):
        ((name, value),) = option.items()
        with pytest.raises(OptionError, match=f"{name}='{value}': a server model does not heed it; leave it out"):
            Scorer.from_pretrained("http://localhost:8000/v1", **option)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="trust_remote_code=True: a server model does not heed it"):
        Scorer.from_pretrained("http://localhost:8000/v1", options=LoadOptions(trust_remote_code=True))
    with pytest.raises(ModelError, match="as far as it goes"):
        Scorer.from_pretrained("http://localhost:8000/v1", options=LoadOptions(notify=None))
