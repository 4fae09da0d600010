"""The examples of CONTRIBUTING: each is added to a copy of the package, as the page says, and runs there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")

FILES = {found[1]: found[2] for found in re.finditer(r"^`(\S+\.py)`:\n\n```python\n(.*?)^```$", PAGE, re.M | re.S)}
ENTRIES = list(re.finditer(r"^In `(\w+)` of `(\S+\.py)`:\n\n```python\n(.*?)^```$", PAGE, re.M | re.S))


def with_entry(source: str, table: str, entry: str) -> str:
    """A module with an entry in front of its table's, and the imports that stand above it."""
    imports, _, line = entry.rstrip().rpartition("\n")
    opening = rf"^({table}\b[^=]*=\s*(?:MappingProxyType\()?\s*[{{(])"
    changed, count = re.subn(opening, lambda found: f"{found[1]}\n{line}", source, flags=re.M)
    assert count == 1, f"{table} is no table that can be added to"
    return changed.replace("import annotations\n", f"import annotations\n{imports}\n", 1)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, the four examples added, and a tiny model."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "seqscore", folder / "seqscore", ignore=shutil.ignore_patterns("__pycache__"))
    for name, source in FILES.items():
        assert not (folder / name).exists()
        (folder / name).write_text(source, encoding="utf-8")
    for _, table, name, entry in [(found, *found.groups()) for found in ENTRIES]:
        path = folder / name
        path.write_text(with_entry(path.read_text(encoding="utf-8"), table, entry), encoding="utf-8")
    tiny_model("llama").save_pretrained(folder / "model")
    tiny_tokenizer().save_pretrained(folder / "model")
    return folder


TOLERANCE = 1e-4
"""What float32 may be off, nats a token: what the project promises."""

PROGRAM = """
import gc
gc.disable()  # a short process: a fifth of its time would go into looking for garbage
import json
import numpy as np
import seqscore
from seqscore import Pair, Scorer
from seqscore.cli.app import run
from seqscore.engine.attention.dense import DenseBackend
from seqscore.engine.stepwise import StepwiseEngine

texts = ["It rained.", "The keys are on the table, and nobody looked for them there.", "It rained all day."]
items = [*texts, Pair("It rained", " again."), "It rained. " * 40]
found = {"file": seqscore.__file__}

reference, stepwise = (Scorer.from_pretrained("model", engine=name).score(items, extras=("rank",))
                       for name in ("reference", "stepwise"))
found["stepwise"] = max(float(np.nanmax(abs(a.logprobs - b.logprobs))) for a, b in zip(reference, stepwise))
found["signature"] = str(stepwise[0].signature)

calls = []
prepare = DenseBackend.prepare
DenseBackend.prepare = lambda self, pack, form: calls.append(1) or prepare(self, pack, form)
exact, dense = (Scorer.from_pretrained("model", engine=name, dtype="float64").score(items)
                for name in ("reference", "packed"))
found["dense"] = max(float(np.nanmax(abs(a.logprobs - b.logprobs))) for a, b in zip(exact, dense))
found["packs"] = len(calls)

found["fluent"] = [
    seqscore.evaluate(Scorer.from_pretrained("model"), "fluent", [{"text": text} for text in texts], below=below)
    .figures["fluent"].value for below in (1.0, 1e9)]
from seqscore.evaluation.tasks.registry import TASKS
from tests.evaluation.tasks.test_registry import test_every_task_says_what_its_readers_ask as check
for name in TASKS:
    check(name)

found["command"] = run(["eval", "fluent", "texts.txt", "--below", "200", "--model", "model", "--out", "run"])

found["uniform"] = Scorer.from_pretrained("uniform:bytes").score("It rained.").log_likelihood
found["uniform task"] = run(["eval", "pairs", "pairs.jsonl", "--model", "uniform:bytes", "--out", "run-uniform"])
print(json.dumps(found))
"""


def test_the_page_has_an_example_of_each() -> None:
    assert sorted(FILES) == [
        "seqscore/engine/attention/dense.py",
        "seqscore/engine/stepwise.py",
        "seqscore/evaluation/tasks/fluent.py",
        "seqscore/models/uniform.py",
    ]
    assert sorted(found[1] for found in ENTRIES) == ["BACKENDS", "ENGINES", "KINDS", "TASKS"]


def test_each_example_runs_in_the_package(extended: Path) -> None:
    (extended / "texts.txt").write_text("It rained.\nNobody came.\n")
    (extended / "pairs.jsonl").write_text('{"good": "It rained.", "bad": "It rained rained."}\n')
    # A process of its own, which imports the copy: with the four files and lines in place.
    paths = f"{extended}{os.pathsep}{ROOT}"  # the tests of this one
    environment = {"PYTHONPATH": paths, "PATH": "", "HOME": str(extended), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=extended, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["file"] == str(extended / "seqscore" / "__init__.py")
    assert found["stepwise"] < TOLERANCE and "|engine:stepwise|" in found["signature"]
    assert found["dense"] < TOLERANCE * 2**-29 and found["packs"] > 0  # float64 has 29 bits more
    assert found["fluent"] == [0.0, 1.0] and found["command"] == 0
    assert found["uniform"] == pytest.approx(-10 * 8 * 0.6931471805599453, abs=1e-9) and found["uniform task"] == 0


def test_a_table_that_is_not_there_is_told() -> None:
    with pytest.raises(AssertionError, match="NOWHERE is no table"):
        with_entry("A = {\n}\n", "NOWHERE", '    "a": 1,\n')
