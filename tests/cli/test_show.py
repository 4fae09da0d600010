"""``explain``, ``plot`` and ``report`` through a real process."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from seqscore.explain.training import train_tiny
from tests.cli.conftest import Run
from tests.cli.told import told

PAIRS = [
    {"sentence_good": "The keys are here.", "sentence_bad": "The keys is here.", "UID": "agreement"},
    {"sentence_good": "He saw himself.", "sentence_bad": "He saw herself.", "UID": "anaphor"},
]


@pytest.fixture(scope="module")
def pairs(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    data = folder / "pairs.jsonl"
    data.write_text("\n".join(map(json.dumps, PAIRS)), encoding="utf-8")
    for name, more in (("a", ("--keep", "all")), ("b", ("--bos", "none"))):
        assert run("eval", "pairs", str(data), "--out", str(folder / name), *more).returncode == 0
    return folder


def test_explain_tells_the_three_roles_and_draws_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqscore.explain.axes.train_tiny", partial(train_tiny, steps=20))  # trained whole below
    done = run("explain", "--figures", str(tmp_path / "figures"), "--picture", "svg")
    assert done.returncode == 0, done.stderr
    for expected in (
        "sum of logarithms",
        "0.659, 0.242, 0.099",
        "2.303",
        "cross-entropy",
        "values nan",
        "how often a token",
    ):
        assert expected in done.stdout
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {f"{name}.svg" for name in ("underflow", "softmax", "frequencies", "perplexities", "loss")}
    assert done.stderr.count("wrote ") == 5


def test_explain_one_lesson_on_own_text_as_json(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("One two three.\nFour five.\n", encoding="utf-8")
    done = run("explain", "axes", "--file", str(file), "--format", "jsonl")
    (line,) = done.stdout.splitlines()
    record = json.loads(line)
    assert len(record["perplexities"]) == 2 and len(record["loss"]["losses"]) == 200
    assert json.loads(run("explain", "exponential", "a b", "--format", "jsonl").stdout)["losses"][1]["p"] == 0.9


def test_the_product_dies_and_the_sum_goes_on(run: Run, tmp_path: Path) -> None:
    text, file = "The quick brown fox jumps over the lazy dog. " * 8, tmp_path / "texts.txt"
    file.write_text(f"{text}\n{text[:90]}\n", encoding="utf-8")
    done = run("explain", "product", text, "--file", str(file), "--each", "--format", "jsonl")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["text"] for record in records] == [text, text, text[:90]]
    by_dtype = {one["dtype"]: one for one in records[0]["formats"]}
    assert by_dtype["float32"]["product"] == 0.0 and by_dtype["float32"]["perplexity"] is None
    order = [by_dtype[name]["first_zero"] for name in ("float16", "bfloat16", "float32")]
    assert all(index is not None for index in order) and order[0] < order[2]
    assert records[0]["log_likelihood"] < -103  # ln of float32's smallest number: -103.28
    assert records[0]["perplexity"] > 1


def test_the_product_of_a_whole_file_and_its_picture(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("The quick brown fox\njumps. " * 30, encoding="utf-8")
    more = ("--whole-file", "--figures", str(tmp_path), "--picture", "png", "--long", "truncate")
    done = run("explain", "product", "--file", str(file), *more)
    assert done.returncode == 0 and (tmp_path / "underflow.png").read_bytes().startswith(b"\x89PNG")
    for expected in ("float16", "bfloat16", "float32", "float64", "sum of logarithms", "inf", "-20.72", "1e-09"):
        assert expected in done.stdout
    assert "long:truncate" in done.stdout and "underflow.png" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("explain", "sum"), 2, "'sum'"),
        (("explain", "product", ""), 1, "no scored token"),
        (("explain", "product", "a", "b", "--each", "--figures", "x"), 2, "draws one text, got 2"),
        (("explain", "axes", ""), 1, "no text has a scored token"),
        (("explain", "product", "--figures", "/dev/null/x"), 2, "cannot make the folder"),
        (("plot", "missing.jsonl"), 1, "missing.jsonl"),
        (("report", "missing"), 1, "is no run"),
    ],
)
def test_what_is_wrong_is_one_line(run: Run, arguments: tuple[str, ...], status: int, message: str) -> None:
    done = run(*arguments)
    assert done.returncode == status and message in done.stderr
    assert len(told(done.stderr)) == 1 and not done.stdout


def test_plot_of_a_run_and_of_two(run: Run, pairs: Path, tmp_path: Path) -> None:
    done = run("plot", str(pairs / "a"), str(pairs / "b"), "--out", str(tmp_path), "--item", "1", "--picture", "png")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in tmp_path.iterdir())
    items = [f"item-1-{place}-{kind}.png" for place in (1, 2) for kind in ("surprisal", "tokens")]
    assert names == sorted([*items, "frequencies.png", "groups.png", "margins.png", "scatter.png"])
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in names)


@pytest.mark.parametrize("name", ["scores.jsonl", "scores.csv", "scores.parquet"])
def test_plot_of_a_file_of_scores(run: Run, tmp_path: Path, name: str) -> None:
    scores = tmp_path / name
    texts = ("The cat sat.", "小猫在窗台上。")
    assert run("score", *texts, "--tokens", "--unit", "bits", "-o", str(scores)).returncode == 0
    done = run("plot", str(scores), "--out", str(tmp_path / "out"), "--item", "1", "--picture", "svg")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"perplexities.svg", "frequencies.svg", "item-1-surprisal.svg", "item-1-tokens.svg"}


def test_plot_of_what_was_not_kept(run: Run, tmp_path: Path) -> None:
    scores = tmp_path / "scores.jsonl"
    run("score", "The cat sat.", "-o", str(scores))
    done = run("plot", str(scores), "--out", str(tmp_path / "out"), "--item", "0")
    assert done.returncode == 1 and "holds no tokens" in done.stderr
    done = run("plot", str(scores), "--item", "nowhere", "--out", str(tmp_path / "out"))
    assert done.returncode == 1 and "has no row 'nowhere'" in done.stderr
    scores.write_text('{"id": 1}\n', encoding="utf-8")
    done = run("plot", str(scores), "--out", str(tmp_path / "out"))
    assert done.returncode == 1 and "line 1 is no record of seqscore score" in done.stderr


def test_report_of_a_run_and_of_two(run: Run, pairs: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("report", str(pairs / "a"), "-o", str(page), "--title", "<i>Mine</i>")
    assert done.returncode == 0 and f"wrote {page}" in done.stderr and not done.stdout
    text = page.read_text(encoding="utf-8")
    assert "&lt;i&gt;Mine&lt;/i&gt;" in text and "<i>" not in text
    done = run("report", str(pairs / "a"), str(pairs / "b"), "-o", str(page), "--rows", "1")
    assert done.returncode == 0 and "the first 1 of 2" in done.stderr
    assert "figure-scatter" in page.read_text(encoding="utf-8")


def test_a_report_is_not_written_over_a_folder_or_into_nothing(run: Run, pairs: Path, tmp_path: Path) -> None:
    for target in (tmp_path, tmp_path / "missing" / "x.html"):
        done = run("report", str(pairs / "a"), "-o", str(target))
        assert done.returncode == 2 and "cannot write" in done.stderr
