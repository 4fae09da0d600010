"""Pointwise mutual information: the same tokens behind a context and without it, or no value and the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from seqscore import Scorer
from seqscore.errors import OptionError
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.run.run_task import dry_run, evaluate
from tests.evaluation.evaluated import OPTIONS, dataset, figures, made, rows_of, run_task
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer
from tests.tokenizers_for_tests import marked_bpe

QUESTIONS = [
    {"query": "the cat is", "choices": ["the cat", "an ant"], "gold": 0},
    {"query": "a cat an", "choices": ["cat", "is the cat"], "gold": 1},
]


def evaluated(scorer: Scorer, folder: Path, rows: list[Any], policies: dict[str, Any], **settings: Any) -> Run:
    data = dataset(folder / "data.jsonl", rows)
    options = RunOptions(policies=policies, resamples=100)  # type: ignore[arg-type]
    return evaluate(scorer, data, made("choices", data, **settings), folder / "run", options=options)


def test_a_tokenizer_that_puts_a_space_before_a_text_scores_the_same_tokens_without_context(tmp_path: Path) -> None:
    tokenizer = marked_bpe()
    model = tiny_model("llama", dtype=torch.float64)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    run = evaluated(Scorer(model, tokenizer), tmp_path, QUESTIONS, {}, domain_context="the is")
    assert run.summary is not None and run.summary["left_out"] == []
    for row in rows_of(run):
        tokens: dict[str, list[list[int]]] = {}
        for item in row["items"]:
            tokens.setdefault(item["role"], []).append(item["token_ids"])
        assert tokens["choice"] == tokens["unconditional"] == tokens["domain"]
    # log p(choice) in float64: the tokens that it has behind the query, behind the start token alone.
    first = rows_of(run)[0]
    query, whole = (
        tokenizer(text, add_special_tokens=False).input_ids for text in ("the cat is", "the cat is the cat")
    )
    ids = [tokenizer.bos_token_id, *whole[len(query) :]]
    with torch.no_grad():
        table = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    alone = sum(float(table[place, ids[place + 1]]) for place in range(len(ids) - 1))
    assert first["items"][2]["log_likelihood"] == pytest.approx(alone, abs=1e-9)


@pytest.mark.parametrize("keep", ["scores", "tokens"])
def test_a_row_whose_choices_have_other_tokens_alone_has_no_pmi(tmp_path: Path, keep: Any) -> None:
    """Under lm-eval's rule "Answ" + "er" is scored as what the joint tokens leave; alone it has tokens of its own."""
    rows = [
        {"query": "The quick", "choices": [" brown", " fox"], "gold": 0},
        {"query": "one Answ", "choices": ["er the question", "er the fox"], "gold": 0},
    ]
    options = RunOptions(policies={"boundary": "lm-eval"}, keep=keep, resamples=100)
    run = run_task(tmp_path, "choices", rows, options, delimiter="", domain_context="The")
    assert run.summary is not None
    counts = {one["name"]: one["count"] for one in run.summary["figures"]}
    assert (counts["accuracy"], counts["accuracy_pmi"], counts["accuracy_domain_pmi"]) == (2, 1, 1)
    assert [(one["figure"], one["rows"]) for one in run.summary["left_out"]] == [
        ("accuracy_pmi", 1),
        ("accuracy_domain_pmi", 1),
    ]
    assert "other tokens" in run.summary["left_out"][0]["reason"]
    auto = run_task(tmp_path / "auto", "choices", rows, OPTIONS, delimiter="", domain_context="The")
    assert auto.summary is not None and auto.summary["left_out"] == [] and "accuracy_pmi" in figures(auto)


@pytest.mark.parametrize(
    ("tokenizer", "bos", "why"),
    [
        (tiny_tokenizer(), "none", "bos='none': PMI needs a token before"),
        (
            tiny_tokenizer(bos=None, eos=None),
            "auto",
            "bos='auto' and neither tokenizer nor model names a BOS or EOS: PMI",
        ),
        (
            tiny_tokenizer(bos=None, eos=None),
            "lm-eval",
            "bos='lm-eval' and neither tokenizer nor model names a BOS or EOS: PMI",
        ),
    ],
)
def test_without_a_start_token_pmi_is_refused_before_anything_is_scored(
    tmp_path: Path, tokenizer: Any, bos: str, why: str
) -> None:
    model = tiny_model("llama")
    model.config.bos_token_id = model.generation_config.bos_token_id = None
    scorer = Scorer(model, tokenizer)
    with pytest.raises(OptionError, match=why + r".*unconditional=False, --no-pmi\), or name a token as bos"):
        evaluated(scorer, tmp_path, QUESTIONS, {"bos": bos})
    assert not (tmp_path / "run").exists()
    data = dataset(tmp_path / "data.jsonl", QUESTIONS)
    options = RunOptions(policies={"bos": bos})
    with pytest.raises(OptionError, match="PMI needs a token"):
        dry_run(scorer, data, made("choices", data), options=options)
    run = evaluated(scorer, tmp_path, QUESTIONS, {"bos": bos}, unconditional=False, domain_context="the")
    assert {"accuracy", "accuracy_domain_pmi"} <= set(figures(run)) and "accuracy_pmi" not in figures(run)
    (tmp_path / "named").mkdir()
    named = evaluated(scorer, tmp_path / "named", QUESTIONS, {"bos": 5})
    assert "accuracy_pmi" in figures(named)
