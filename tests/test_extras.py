"""Scoring needs no extra; what needs one names it."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from seqscore import evaluate, plot, report
from seqscore.errors import MissingDependencyError
from seqscore.extras import EXTRA_OF, naming_extras
from tests.evaluation.evaluated import tiny_scorer
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = """
import gc, json, sys
gc.disable()  # a short process: a fifth of its time would go into looking for garbage
folder, data, page, blocked = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(",")
sys.modules.update(dict.fromkeys(blocked))
from seqscore.cli.app import run
from seqscore import Scorer, SeqscoreError, evaluate
model = ["--model", folder]
found = {
    "score": run(["score", "It rained.", *model]),
    "score --file": run(["score", "--file", data, "--column", "text", "-o", page + ".csv", *model]),
}
for call in (
    ["score", "It rained.", "-o", page + ".parquet", *model],
    ["eval", "perplexity", data, "--out", page + ".run", *model],
    ["explain", "product", *model],
):
    found[" ".join(call[:2])] = run(call)
try:
    evaluate(Scorer.from_pretrained(folder), "perplexity", [{"text": "It rained."}])
except ImportError as error:
    found["evaluate"] = str(error)
print(json.dumps(found))
"""


def test_scoring_needs_no_extra_and_the_rest_names_its_own(tmp_path: Path) -> None:
    tiny_model("llama").save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    (tmp_path / "data.jsonl").write_text('{"text": "It rained."}\n')
    arguments = [str(tmp_path / name) for name in ("model", "data.jsonl", "page")]
    # A process of its own: here the libraries are long since imported.
    command = [sys.executable, "-c", PROGRAM, *arguments, ",".join(EXTRA_OF)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = "this needs {}, which is not installed; install it with: pip install 'seqscore[{}]'"
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "score": 0,
        "score --file": 0,
        "score It rained.": 1,
        "eval perplexity": 1,
        "explain product": 1,
        "evaluate": told.format("pyarrow", "eval"),
    }
    errors = [line for line in done.stderr.splitlines() if line.startswith("seqscore: error: ")]
    named = [("pyarrow", "eval"), ("pyarrow", "eval"), ("ml_dtypes", "plot")]
    assert errors == [f"seqscore: error: {told.format(*one)}" for one in named]


@pytest.mark.parametrize("draw", [plot, report])
def test_pictures_and_pages_name_theirs(
    draw: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = evaluate(tiny_scorer(), "perplexity", [{"text": "It rained."}, {"text": "Nobody came."}])
    for name in ["matplotlib", *(name for name in sys.modules if name.startswith("matplotlib."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=r"matplotlib.*pip install 'seqscore\[plot\]'"):
        draw(run, tmp_path / "drawn")


def test_every_library_of_an_extra_is_named_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for library, extra in EXTRA_OF.items():
        names = [one.partition(">")[0].partition("[")[0] for one in project["optional-dependencies"][extra]]
        assert library in names
        assert not any(one.startswith(library) for one in project["dependencies"])


def test_other_libraries_are_no_extras() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"), naming_extras():
        import nowhere  # noqa: F401
    with pytest.raises(MissingDependencyError, match=r"pip install 'seqscore\[plot\]'") as caught, naming_extras():
        raise ModuleNotFoundError("no", name="matplotlib.figure")
    assert isinstance(caught.value, ImportError)
