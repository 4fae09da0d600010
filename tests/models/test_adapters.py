"""Adapters of the library peft over models: numbers against peft's own forward pass in float64."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from seqscore import LoadOptions, Pair, Scorer
from seqscore.errors import ModelError, OptionError
from seqscore.scores.signature import Signature
from tests.adapters_for_tests import METHODS, PROMPTS, adapted, save
from tests.masked_models import masked_model, word_pieces
from tests.models.conftest import edit_json, make_model, make_tokenizer
from tests.seq2seq_models import seq2seq_model, t5_tokenizer

TEXT = "the cat sat on 23 mats"


@pytest.fixture(scope="module")
def base() -> Any:
    return make_model(num_hidden_layers=1, initializer_range=0.1)  # so that what one layer does is seen


@pytest.fixture(scope="module")
def scorer(base: Any) -> Scorer:
    return Scorer(base, make_tokenizer())


@pytest.fixture(scope="module")
def plain(base: Any) -> Scorer:
    """One that tries no engine, for what holds under all of them."""
    return Scorer(base, make_tokenizer(), engine="reference")


@pytest.fixture(scope="module")
def made(base: Any) -> Callable[[str], Any]:
    """A model of peft with an adapter of a method, made once and left as it is."""
    return cache(lambda method: adapted(base, method))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, made: Callable[[str], Any]) -> Callable[[str], Path]:
    """The same adapter in a folder."""
    root = tmp_path_factory.mktemp("adapters")
    return cache(lambda method: save(made(method), root / method, with_embedding=method == "embedding"))


@pytest.fixture(scope="module")
def worn(scorer: Scorer, saved: Callable[[str], Path]) -> Callable[[str], Scorer]:
    """A scorer with it, made once."""
    return cache(lambda method: scorer.with_adapter(saved(method)))


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
    scorer: Scorer, base: Any, made: Callable[[str], Any], worn: Callable[[str], Scorer], method: str
) -> None:
    right = log_likelihood(made(method))
    found = worn(method)
    score = found.score(TEXT)
    assert score.log_likelihood == pytest.approx(right, abs=ROUNDING)
    assert abs(right - log_likelihood(base)) > 100 * ROUNDING
    assert found.engine == NOT_PACKED.get(method, "packed")
    settings = Signature.parse(score.signature)
    assert settings["adapter"] == method
    assert settings["weights"] == scorer.signature()["weights"] and settings["peft"] == peft.__version__
    assert settings["adapter_weights"].startswith("sha256:")


@pytest.mark.parametrize("method", ["lora", "oft"])
def test_bits_depend_on_no_neighbours(worn: Callable[[str], Scorer], method: str) -> None:
    texts = [TEXT, "the cat sat", "12 34 and don't", TEXT + " they'll", "a"]
    found = worn(method)
    assert found.keeps_bits
    together = [one.logprobs.tobytes() for one in found.score(texts[::-1])][::-1]
    assert [found.score(text).logprobs.tobytes() for text in texts] == together


def test_merged_or_not_is_the_same_to_rounding(made: Callable[[str], Any], worn: Callable[[str], Scorer]) -> None:
    merged = Scorer(copy.deepcopy(made("lora")).merge_and_unload(), make_tokenizer(), engine="reference")
    right = merged.score(TEXT).log_likelihood
    assert worn("lora").score(TEXT).log_likelihood == pytest.approx(right, abs=2 * ROUNDING)


def test_models_share_their_weights_and_the_first_stays_as_it_is(saved: Callable[[str], Path]) -> None:
    model = make_model(num_hidden_layers=1)
    names, trained = list(model.state_dict()), [one.requires_grad for one in model.parameters()]
    first = Scorer(model, make_tokenizer(), engine="reference")
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


def test_the_tied_head_stays_tied_unless_it_was_trained(scorer: Scorer, worn: Callable[[str], Scorer]) -> None:
    tied = worn("lora").model
    assert tied.get_output_embeddings().weight is tied.get_input_embeddings().weight
    apart = worn("head").model
    assert apart.get_output_embeddings().weight is not apart.get_input_embeddings().weight
    assert apart.get_input_embeddings().weight is scorer.model.get_input_embeddings().weight  # type: ignore[operator]


@pytest.mark.parametrize("is_tied", [True, False])
def test_a_vocabulary_that_has_grown(tmp_path: Path, is_tied: bool) -> None:
    """Embeddings of new words come with the adapter, and a tokenizer that writes them."""
    base, tokenizer = make_model(tie_word_embeddings=is_tied, num_hidden_layers=1), make_tokenizer()
    grown = copy.deepcopy(base)
    tokenizer.add_tokens(["catlike"])
    grown.resize_token_embeddings(301)
    trained = adapted(grown, "lora", target_modules=["q_proj", "up_proj"])
    save(trained, tmp_path / "grown", with_embedding=True)
    tokenizer.save_pretrained(tmp_path / "grown")
    said: list[str] = []
    first = Scorer(base, make_tokenizer(), engine="auto" if is_tied else "reference")
    found = first.with_adapter(tmp_path / "grown", options=LoadOptions(notify=said.append))
    score = found.score("the catlike mat")
    ids = [1, *tokenizer.encode("the catlike mat")]
    with torch.inference_mode():
        logprobs = trained.double()(torch.tensor([ids])).logits[0].log_softmax(-1)
    right = sum(logprobs[place - 1, ids[place]].item() for place in range(1, len(ids)))
    assert 300 in score.token_ids and score.log_likelihood == pytest.approx(right, abs=ROUNDING)
    assert len(base.get_input_embeddings().weight) == base.config.vocab_size == 300
    own: Any = found.model
    assert len(own.get_input_embeddings().weight) == own.config.vocab_size == 301
    assert any("by the tokenizer that came with the adapter grown" in one for one in said)
    assert first.score("the catlike mat").num_tokens > score.num_tokens


@pytest.fixture
def folder(tmp_path: Path, base: Any) -> Path:
    """The model without adapters, as a checkpoint."""
    base.save_pretrained(tmp_path / "tiny-llama")
    make_tokenizer().save_pretrained(tmp_path / "tiny-llama")
    return tmp_path / "tiny-llama"


def for_model(adapter: Path, named: str | None, folder: Path) -> Path:
    """A copy of an adapter that names another model."""
    shutil.copytree(adapter, folder)
    edit_json(folder / "adapter_config.json", base_model_name_or_path=named)
    return folder


def test_a_folder_with_an_adapter_is_a_model(
    folder: Path, base: Any, saved: Callable[[str], Path], plain: Scorer
) -> None:
    right = plain.with_adapter(saved("lora")).score(TEXT).logprobs.tobytes()
    for number, named in enumerate((str(folder), "../tiny-llama", "tiny-llama")):
        adapter = for_model(saved("lora"), named, folder.parent / f"adapter-{number}")
        if named == "tiny-llama":
            folder.rename(adapter / "tiny-llama")
        found = Scorer.from_pretrained(adapter, engine="reference")
        assert found.score(TEXT).logprobs.tobytes() == right
        assert (found.signature()["model"], found.signature()["adapter"]) == ("tiny-llama", adapter.name)
    with pytest.raises(OptionError, match="is an adapter too: name the model that they are for"):
        Scorer.from_pretrained(adapter, options=LoadOptions(adapter=adapter))


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("/nowhere/base", r"is for the model '/nowhere/base' .*which cannot be had: .*name where it is by --model"),
        (None, r"does not say which model it is for"),
        (".", "which is an adapter itself"),
    ],
)
def test_a_model_that_cannot_be_had_is_named(
    tmp_path: Path, saved: Callable[[str], Path], named: str | None, message: str
) -> None:
    adapter = for_model(saved("lora"), str(tmp_path / "a") if named == "." else named, tmp_path / "a")
    with pytest.raises(ModelError, match=message):
        Scorer.from_pretrained(adapter)


def test_loaded_by_name_it_goes_to_another_process(folder: Path, saved: Callable[[str], Path]) -> None:
    first = Scorer.from_pretrained(folder, engine="reference", options=LoadOptions(adapter=saved("lora")))
    score = first.score(TEXT)
    other = pickle.loads(pickle.dumps(Scorer.from_pretrained(folder, engine="reference").with_adapter(saved("lora"))))
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
    scorer = Scorer(model, make_tokenizer(), engine="reference")
    with model.disable_adapter(), pytest.raises(ModelError, match="active now: none"):
        scorer.score(TEXT)
    scorer.score(TEXT)
    model.merge_adapter()
    with pytest.raises(ModelError, match="not as they were"):
        scorer.score(TEXT)
    with pytest.raises(ModelError, match="unmerge it first"):
        Scorer(model, make_tokenizer(), engine="reference").with_adapter("other")
    model.unmerge_adapter()
    for layer in model.modules():
        if isinstance(getattr(layer, "scaling", None), dict):
            layer.scaling["default"] *= 2
    with pytest.raises(ModelError, match="not as they were"):
        scorer.score(TEXT)
    bare = copy.deepcopy(base)
    before = Scorer(bare, make_tokenizer(), engine="reference")
    peft.get_peft_model(bare, peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    with pytest.raises(ModelError, match="not as they were when this Scorer was made"):
        before.score(TEXT)


def test_signatures_tell_settings_apart(base: Any) -> None:
    one, other = (adapted(base, "lora", lora_alpha=alpha) for alpha in (8, 16))
    first, second = (Scorer(model, make_tokenizer(), engine="reference").signature() for model in (one, other))
    assert first["weights"] == second["weights"] and first["adapter_weights"] != second["adapter_weights"]


@pytest.mark.filterwarnings("ignore:.*runs padded, not packed")
def test_prompts_take_room_and_are_for_causal_models(
    scorer: Scorer, saved: Callable[[str], Path], worn: Callable[[str], Scorer]
) -> None:
    found = worn("prefix")
    assert scorer.max_length == 128 and found.max_length == 123
    long = scorer.tokenizer.decode(list(range(20, 220)))
    assert found.score(long).num_scored == found.score(long).num_tokens > 123
    masked = Scorer(masked_model("bert"), word_pieces())
    with pytest.raises(ModelError, match="is for the task CAUSAL_LM, not for a language model of this kind"):
        masked.with_adapter(saved("prompt"))


def test_masked_models_take_adapters(tmp_path: Path) -> None:
    model, tokenizer = masked_model("bert", num_hidden_layers=1), word_pieces()
    trained = adapted(model, "lora", task=None, target_modules=["query", "dense"])
    score = Scorer(model, tokenizer).with_adapter(save(trained, tmp_path / "a")).score("the cat sat")
    ids = torch.tensor(tokenizer("the cat sat").input_ids)
    rows = ids.repeat(len(ids) - 2, 1)
    rows[range(len(rows)), range(1, len(rows) + 1)] = tokenizer.mask_token_id
    for one, is_right in ((trained, True), (model, False)):
        with torch.inference_mode():
            logprobs = copy.deepcopy(one).double()(rows).logits.log_softmax(-1)
        right = [logprobs[row, row + 1, ids[row + 1]].item() for row in range(len(rows))]
        assert (score.logprobs == pytest.approx(right, abs=ROUNDING)) is is_right


def test_models_with_an_encoder_take_adapters(tmp_path: Path) -> None:
    model, tokenizer = seq2seq_model("t5", num_layers=1), t5_tokenizer()
    trained = adapted(model, "lora", task="SEQ_2_SEQ_LM", target_modules=["q", "v", "wo"])
    found = Scorer(model, tokenizer).with_adapter(save(trained, tmp_path / "a"))
    score = found.score(Pair("the cat", "a dog"), eos="scored")
    source, target = (tokenizer(text, return_tensors="pt").input_ids for text in ("the cat", "a dog"))
    for one, is_right in ((trained, True), (model, False)):
        with torch.inference_mode():
            loss = copy.deepcopy(one).double()(input_ids=source, labels=target).loss.item()
        assert (score.log_likelihood == pytest.approx(-loss * target.numel(), abs=ROUNDING)) is is_right
