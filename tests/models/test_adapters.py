"""Adapters of the library peft over models: numbers against peft's own forward pass in float64."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from seqscore import LoadOptions, Pair, Scorer
from seqscore.errors import ModelError, OptionError
from seqscore.scores.signature import Signature
from tests.adapters_for_tests import METHODS, PROMPTS, adapted, save_adapter
from tests.masked_models import masked_model, word_pieces
from tests.models.conftest import make_model, make_tokenizer
from tests.seq2seq_models import seq2seq_model, t5_tokenizer

TEXT = "the cat sat on 23 mats"


@pytest.fixture(scope="session")
def base() -> Any:
    return make_model()


@pytest.fixture(scope="session")
def scorer(base: Any) -> Scorer:
    return Scorer(base, make_tokenizer())


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory, base: Any) -> Callable[[str], Path]:
    """An adapter of a method in a folder, made once."""
    root = tmp_path_factory.mktemp("adapters")

    def one(method: str) -> Path:
        folder = root / method
        return folder if folder.exists() else save_adapter(base, method, folder)

    return one


def log_likelihood(model: Any, text: str = TEXT) -> float:
    """In float64, one forward pass of the whole model, behind the start token."""
    tokenizer = make_tokenizer()
    ids = [tokenizer.bos_token_id, *tokenizer.encode(text, add_special_tokens=False)]
    with torch.inference_mode():
        logits = copy.deepcopy(model).double().eval()(torch.tensor([ids])).logits[0, -len(ids) :]
    logprobs = logits.log_softmax(-1)
    return sum(logprobs[place - 1, ids[place]].item() for place in range(1, len(ids)))


ROUNDING = 1e-5
"""Nats over some 20 tokens: that many times the 5e-7 that a token's log-probability is off by in float32."""


NOT_PACKED = {**dict.fromkeys(PROMPTS, "padded"), "some-tokens": "cached", "tokens": "cached"}
"""Nothing packed has trained vectors in front; a tied head whose rows are put together anew is no plain matrix."""


@pytest.mark.filterwarnings("ignore:.*runs (padded|cached), not packed.*(vectors stand in front|TrainableTokens)")
@pytest.mark.parametrize("method", METHODS)
def test_an_adapter_scores_as_peft_computes_it(
    scorer: Scorer, base: Any, saved: Callable[[str], Path], method: str
) -> None:
    right = log_likelihood(peft.PeftModel.from_pretrained(copy.deepcopy(base), saved(method)))
    found = scorer.with_adapter(saved(method))
    score = found.score(TEXT)
    assert score.log_likelihood == pytest.approx(right, abs=ROUNDING)
    assert abs(right - log_likelihood(base)) > 100 * ROUNDING
    assert found.engine == NOT_PACKED.get(method, "packed")
    settings = Signature.parse(score.signature)
    assert settings["adapter"] == method
    assert settings["weights"] == scorer.signature()["weights"] and settings["peft"] == peft.__version__
    assert settings["adapter_weights"].startswith("sha256:")


@pytest.mark.parametrize("method", ["lora", "oft"])
def test_bits_depend_on_no_neighbours(scorer: Scorer, saved: Callable[[str], Path], method: str) -> None:
    texts = [TEXT, "the cat sat", "12 34 and don't", TEXT + " they'll", "a"]
    alone, other = scorer.with_adapter(saved(method)), scorer.with_adapter(saved(method))
    assert alone.keeps_bits
    together = [one.logprobs.tobytes() for one in other.score(texts[::-1])][::-1]
    assert [alone.score(text).logprobs.tobytes() for text in texts] == together


def test_merged_or_not_is_the_same_to_rounding(base: Any, scorer: Scorer, saved: Callable[[str], Path]) -> None:
    merged = peft.PeftModel.from_pretrained(copy.deepcopy(base), saved("lora")).merge_and_unload()
    unmerged = scorer.with_adapter(saved("lora")).score(TEXT)
    assert Scorer(merged, make_tokenizer()).score(TEXT).log_likelihood == pytest.approx(
        unmerged.log_likelihood, abs=2 * ROUNDING
    )


def test_models_share_their_weights_and_the_first_stays_as_it_is(saved: Callable[[str], Path]) -> None:
    model = make_model()
    names, trained = list(model.state_dict()), [one.requires_grad for one in model.parameters()]
    first = Scorer(model, make_tokenizer())
    before, state = first.score(TEXT), torch.random.get_rng_state()
    others = [first.with_adapter(saved(method)) for method in ("lora", "ia3", "head", "embedding")]
    assert len({other.score(TEXT).log_likelihood for other in others}) == 4
    for other in others:
        shared = {id(one) for one in other.model.parameters()} & {id(one) for one in model.parameters()}
        assert len(shared) >= len(names) - 3  # all but the head and the embedding, tied, where they were trained whole
    assert first.score(TEXT).to_dict() == before.to_dict()
    assert list(model.state_dict()) == names and [one.requires_grad for one in model.parameters()] == trained
    assert torch.equal(torch.random.get_rng_state(), state)
    assert others[1].with_adapter(saved("lora")).score(TEXT).to_dict() == others[0].score(TEXT).to_dict()
    assert others[1].with_adapter(None).score(TEXT).to_dict() == before.to_dict()


def test_the_tied_head_stays_tied_unless_it_was_trained(scorer: Scorer, saved: Callable[[str], Path]) -> None:
    tied = scorer.with_adapter(saved("lora")).model
    assert tied.get_output_embeddings().weight is tied.get_input_embeddings().weight
    apart = scorer.with_adapter(saved("head")).model
    assert apart.get_output_embeddings().weight is not apart.get_input_embeddings().weight
    assert apart.get_input_embeddings().weight is scorer.model.get_input_embeddings().weight  # type: ignore[operator]


@pytest.mark.parametrize("is_tied", [True, False])
def test_a_vocabulary_that_has_grown(tmp_path: Path, is_tied: bool) -> None:
    """Embeddings of new words come with the adapter, and a tokenizer that writes them."""
    base, tokenizer = make_model(tie_word_embeddings=is_tied), make_tokenizer()
    grown = copy.deepcopy(base)
    tokenizer.add_tokens(["catlike"])
    grown.resize_token_embeddings(301)
    trained = adapted(grown, "lora", target_modules=["q_proj", "up_proj"])
    trained.save_pretrained(tmp_path / "grown", save_embedding_layers=True)
    tokenizer.save_pretrained(tmp_path / "grown")
    said: list[str] = []
    first = Scorer(base, make_tokenizer())
    found = first.with_adapter(tmp_path / "grown", options=LoadOptions(notify=said.append))
    score = found.score("the catlike mat")
    ids = [1, *tokenizer.encode("the catlike mat")]
    with torch.inference_mode():
        logprobs = trained.double()(torch.tensor([ids])).logits[0].log_softmax(-1)
    right = sum(logprobs[place - 1, ids[place]].item() for place in range(1, len(ids)))
    assert 300 in score.token_ids and score.log_likelihood == pytest.approx(right, abs=ROUNDING)
    assert len(base.get_input_embeddings().weight) == base.config.vocab_size == 300
    assert any("by the tokenizer that came with the adapter grown" in one for one in said)
    assert first.score("the catlike mat").num_tokens > score.num_tokens


def test_a_folder_with_an_adapter_is_a_model(tmp_path: Path, checkpoint: Path, base: Any) -> None:
    made = adapted(base, "lora")
    for place in (str(checkpoint), "../tiny-llama", "tiny-llama"):
        made.peft_config["default"].base_model_name_or_path = place
        folder = checkpoint.parent / "adapter"
        made.save_pretrained(folder)
        if place == "tiny-llama":
            checkpoint.rename(folder / "tiny-llama")
        found = Scorer.from_pretrained(folder)
        assert found.score(TEXT).log_likelihood == pytest.approx(log_likelihood(made), abs=ROUNDING)
        assert (found.signature()["model"], found.signature()["adapter"]) == ("tiny-llama", "adapter")
    with pytest.raises(OptionError, match="is an adapter too: name the model that they are for"):
        Scorer.from_pretrained(folder, options=LoadOptions(adapter=folder))


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("/nowhere/base", r"is for the model '/nowhere/base' .*which cannot be had: .*name where it is by --model"),
        (None, r"does not say which model it is for"),
        (".", "which is an adapter itself"),
    ],
)
def test_a_model_that_cannot_be_had_is_named(tmp_path: Path, base: Any, named: str | None, message: str) -> None:
    made = adapted(base, "lora")
    made.peft_config["default"].base_model_name_or_path = named and (str(tmp_path / "a") if named == "." else named)
    made.save_pretrained(tmp_path / "a")
    with pytest.raises(ModelError, match=message):
        Scorer.from_pretrained(tmp_path / "a")


def test_loaded_by_name_it_goes_to_another_process(checkpoint: Path, saved: Callable[[str], Path]) -> None:
    first = Scorer.from_pretrained(checkpoint, options=LoadOptions(adapter=saved("lora")))
    score = first.score(TEXT)
    other = pickle.loads(pickle.dumps(Scorer.from_pretrained(checkpoint).with_adapter(saved("lora"))))
    assert other.score(TEXT).to_dict() == score.to_dict()
    assert copy.deepcopy(first).score(TEXT).to_dict() == score.to_dict()
    sent = pickle.dumps(first)
    settings = saved("lora") / "adapter_config.json"
    whole = settings.read_text()
    settings.write_text(whole.replace('"lora_alpha": 8', '"lora_alpha": 4'))
    try:
        with pytest.raises(ModelError, match="is not what it was when the Scorer was pickled"):
            pickle.loads(sent)
    finally:
        settings.write_text(whole)


def callers(base: Any) -> Any:
    """A model of peft with two adapters, the first of them active."""
    model = adapted(base, "lora")
    model.add_adapter("other", peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", lora_alpha=9))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "other" in name:
                parameter.add_(0.2)
    return model.eval()


def test_a_callers_model_with_several_adapters(base: Any) -> None:
    model = callers(base)
    first = Scorer(model, make_tokenizer())
    other, none = first.with_adapter("other"), first.with_adapter(None)
    for found, named in ((first, "default"), (other, "other"), (none, "off")):
        assert found.signature()["adapter"] == named and found.engine == "packed"
    right = log_likelihood(model)
    assert first.score(TEXT).log_likelihood == pytest.approx(right, abs=ROUNDING)
    assert none.score(TEXT).log_likelihood == pytest.approx(log_likelihood(base), abs=ROUNDING)
    model.set_adapter("other")
    assert other.score(TEXT).log_likelihood == pytest.approx(log_likelihood(model), abs=ROUNDING) != right
    with pytest.raises(ModelError, match=r"not as they were when this Scorer was made \(active now: other\)"):
        first.score(TEXT)
    with pytest.raises(ModelError, match="holds no adapter 'third', but default, other"):
        first.with_adapter("third")
    model.set_adapter("default")
    assert first.score(TEXT).log_likelihood == pytest.approx(right, abs=ROUNDING)


def test_what_a_caller_does_to_adapters_is_noticed(base: Any) -> None:
    model = callers(base)
    scorer = Scorer(model, make_tokenizer())
    with model.disable_adapter(), pytest.raises(ModelError, match="active now: none"):
        scorer.score(TEXT)
    scorer.score(TEXT)
    model.merge_adapter()
    with pytest.raises(ModelError, match="not as they were"):
        scorer.score(TEXT)
    with pytest.raises(ModelError, match="unmerge it first"):
        Scorer(model, make_tokenizer()).with_adapter("other")
    model.unmerge_adapter()
    for layer in model.modules():
        if isinstance(getattr(layer, "scaling", None), dict):
            layer.scaling["default"] *= 2
    with pytest.raises(ModelError, match="not as they were"):
        scorer.score(TEXT)
    plain = copy.deepcopy(base)
    before = Scorer(plain, make_tokenizer())
    peft.get_peft_model(plain, peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    with pytest.raises(ModelError, match="not as they were when this Scorer was made"):
        before.score(TEXT)


def test_signatures_tell_settings_apart(base: Any) -> None:
    one, other = (adapted(base, "lora", lora_alpha=alpha) for alpha in (8, 16))
    first, second = (Scorer(model, make_tokenizer()).signature() for model in (one, other))
    assert first["weights"] == second["weights"] and first["adapter_weights"] != second["adapter_weights"]


@pytest.mark.filterwarnings("ignore:.*runs padded, not packed")
def test_prompts_take_room_and_are_for_causal_models(scorer: Scorer, saved: Callable[[str], Path]) -> None:
    found = scorer.with_adapter(saved("prefix"))
    assert scorer.max_length == 128 and found.max_length == 123
    long = scorer.tokenizer.decode(list(range(20, 220)))
    assert found.score(long).num_scored == found.score(long).num_tokens > 123
    masked = Scorer(masked_model("bert"), word_pieces())
    with pytest.raises(ModelError, match="is for the task CAUSAL_LM, not for a language model of this kind"):
        masked.with_adapter(saved("prompt"))


def test_masked_models_take_adapters(tmp_path: Path) -> None:
    model = masked_model("bert")
    scorer = Scorer(model, word_pieces())
    settings = {"task": None, "target_modules": ["query", "dense"]}
    save_adapter(model, "lora", tmp_path / "a", **settings)
    found = scorer.with_adapter(tmp_path / "a")
    merged = adapted(model, "lora", **settings).merge_and_unload()
    right = Scorer(merged, word_pieces()).score("the cat sat")
    assert found.score("the cat sat").log_likelihood == pytest.approx(right.log_likelihood, abs=2 * ROUNDING)
    assert right.log_likelihood != pytest.approx(scorer.score("the cat sat").log_likelihood, abs=0.01)


def test_models_with_an_encoder_take_adapters(tmp_path: Path) -> None:
    model, tokenizer = seq2seq_model("t5"), t5_tokenizer()
    scorer, item = Scorer(model, tokenizer), Pair("the cat", "a dog")
    settings = {"task": "SEQ_2_SEQ_LM", "target_modules": ["q", "v", "wo"]}
    save_adapter(model, "lora", tmp_path / "a", **settings)
    found = scorer.with_adapter(tmp_path / "a").score(item)
    right = Scorer(adapted(model, "lora", **settings).merge_and_unload(), tokenizer).score(item)
    assert found.log_likelihood == pytest.approx(right.log_likelihood, abs=2 * ROUNDING)
    assert right.log_likelihood != pytest.approx(scorer.score(item).log_likelihood, abs=0.01)
