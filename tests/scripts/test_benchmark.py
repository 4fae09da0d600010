"""scripts/benchmark without its peers: inputs, windows, equal scores, figures, files, processes, and our own worker."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from scripts.benchmark_lib import __main__ as command
from scripts.benchmark_lib import comparison, equal, machine, peers, processes, report, windows, workloads
from scripts.benchmark_lib.windows import Encoded, Window, disjoint_windows, overlapping_windows
from scripts.benchmark_lib.worker import run_job
from scripts.benchmark_lib.workloads import SYSTEMS, BenchmarkError, Job, SystemName, Workload, job_from_json
from scripts.smoke import build_model
from seqscore.text.windows import layout

ROOT = Path(__file__).resolve().parents[2]
TEXTS = Workload(name="pairs", kind="text", requests=(("", "It rained."), ("", "It snowed all night.")))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark model")
    build_model(folder)
    return folder


def job(system: SystemName, model: Path, workload: Workload) -> Job:
    return Job(
        system=system,
        model=str(model),
        dtype="float32",
        threads=torch.get_num_threads(),
        engine="auto",
        batch_tokens=None,
        batch_size=2,
        limit=256,
        workload=workload,
    )


# ---- inputs ----


def read(folder: Path, name: str, *lines: str, rows: int | None = None) -> Workload:
    (folder / workloads.SOURCES[name][1]).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return workloads.read_workload(name, folder, rows=rows, window=7)


def test_our_own_inputs_make_every_workload() -> None:
    for name in workloads.SOURCES:
        assert workloads.read_workload(name, ROOT / "data", rows=None, window=512).requests
    assert command.ROOT == ROOT


def test_rows_become_requests(tmp_path: Path) -> None:
    pair = json.dumps({"sentence_good": "a", "sentence_bad": "b"})
    assert read(tmp_path, "pairs", pair, pair, rows=1).requests == (("", "a"), ("", "b"))
    choices = [json.dumps({"query": query, "choices": ["yes", " no"]}) for query in ("Q:", "Q: ")]
    expected = (("Q:", " yes"), ("Q:", " no"), ("Q:", " yes"), ("Q:", "  no"))
    assert read(tmp_path, "choices", *choices).requests == expected  # white space before an answer goes with it
    document = read(tmp_path, "document", "One.", "", "Two.", "Three.", rows=3)
    assert document == Workload(name="document", kind="disjoint", requests=(("", "One.\n\nTwo."),), max_length=7)
    one, cut, without_spaces = read(
        tmp_path, "paragraphs", " = Title = ", "", " One. ", "word " * 2000, "x" * 5000
    ).requests
    assert one == ("", "One.")
    assert len(cut[1]) == workloads.MAX_CHARACTERS - 1 and set(cut[1].split()) == {"word"}
    assert len(without_spaces[1]) == workloads.MAX_CHARACTERS


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("pairs", '{"sentence_good": "a"}', "KeyError: 'sentence_bad'"),
        ("choices", "{", "pairs.jsonl cannot be read: JSONDecodeError"),
        ("paragraphs", "= heading =", "there is nothing to score"),
        ("document", " ", "there is nothing to score"),
    ],
)
def test_bad_inputs_are_told(tmp_path: Path, name: str, line: str, message: str) -> None:
    with pytest.raises(BenchmarkError, match=re.escape(message.replace("pairs", name))):
        read(tmp_path, name, line)
    with pytest.raises(BenchmarkError, match="No such file"):
        workloads.read_workload(name, tmp_path / "nowhere", rows=None, window=512)


# ---- windows, counts ----


@pytest.mark.parametrize("length", [1, 6, 7, 8, 13, 14, 15, 21, 50])
@pytest.mark.parametrize("size", [2, 7, 8])
def test_windows_score_every_token_once(length: int, size: int) -> None:
    ids = list(range(1, length + 1))
    for cut in (disjoint_windows, overlapping_windows):
        found = cut(ids, start=0, max_length=size)
        assert [token for window in found for token in window.targets] == ids
        assert all(len(window.inputs) <= size for window in found)
        assert all(window.ids == tuple(range(window.ids[0], window.ids[0] + len(window.ids))) for window in found)


def test_disjoint_windows_are_lm_evals() -> None:
    found = disjoint_windows(range(1, 11), start=0, max_length=4)
    assert [(window.inputs, window.targets) for window in found] == [
        ((0, 1, 2, 3), (1, 2, 3, 4)),
        ((4, 5, 6, 7), (5, 6, 7, 8)),
        ((6, 7, 8, 9), (9, 10)),  # the last one reads further back
    ]


@pytest.mark.parametrize("length", [1, 7, 8, 9, 30])
@pytest.mark.parametrize("size", [3, 8])
def test_overlapping_windows_are_seqscores(length: int, size: int) -> None:
    laid = layout(length + 1, first_target=1, max_inputs=size, long="windows", is_pair=False).windows
    whole = tuple(range(length + 1))
    expected = tuple(Window(whole[w.begin : w.end + 1], w.first_target - w.begin) for w in laid)
    assert overlapping_windows(range(1, length + 1), start=0, max_length=size) == expected
    assert overlapping_windows([], start=0, max_length=size) == ()


def test_counts() -> None:
    chance = random.Random(0)
    sequences = [tuple(chance.choices((1, 2), k=chance.randint(0, 6))) for _ in range(60)]
    by_hand = {one[: n + 1] for one in sequences for n in range(len(one))}
    assert windows.distinct_prefixes(sequences) == len(by_hand)
    requests: list[Encoded] = [(Window((1, 2, 3), 2),), (Window((1, 2, 4), 2),), (Window((9, 8), 1), Window((8, 7), 1))]
    assert windows.count(requests) == windows.Counts(asked=6, unique=4, scored=4)


# ---- equal scores ----


def test_equal_scores_pass_and_wrong_ones_do_not() -> None:
    def check(theirs: list[float]) -> float:
        scores = {"seqscore": [-30.0, -60.0], "lm-eval": theirs}
        return equal.require_equal(TEXTS, scores, num_targets=[10, 20], tolerance=equal.TOLERANCES["float32"])

    assert check([-30.0001, -60.0004]) == pytest.approx(4e-4)
    for wrong in ([-30.0, -60.0006], [-30.0004, -60.0], [-30.0, math.nan], [math.nan, -60.0]):
        with pytest.raises(BenchmarkError, match=r"the scores differ, so times mean nothing. Request"):
            check(wrong)
    with pytest.raises(BenchmarkError, match=r"expected 2 scores, got \{'lm-eval': 1\}"):
        check([-30.0])


# ---- the comparison, with workers that only pretend ----


class Pretended:
    """The n-th run of a system takes ``seconds[system][n]``."""

    def __init__(self, wrong: str | None = None) -> None:
        self.seconds = {"seqscore": [1.0, 2.0, 4.0], "lm-eval": [3.0, 2.0, 10.0], "minicons": [2.0, 2.0, 2.0]}
        self.wrong = wrong
        self.order: list[str] = []

    def run(self, job: Job) -> dict[str, Any]:
        self.order.append(job.system)
        seconds = self.seconds[job.system].pop(0)
        return {
            "scores": [-3.0 + (1e-3 if self.wrong == job.system else 0.0) for _ in job.workload.requests],
            "seconds": seconds,
            "cpu_seconds": 2 * seconds,
            "memory": int(seconds * 1e6),
            "memory_method": "none",
            "positions": 4,
            "versions": {"torch": "1", "lm_eval": "2"},
        }


ENCODED: list[Encoded] = [(Window((0, 5, 6), 1),), (Window((0, 5, 7), 1),)]


def compare(workers: Pretended, workload: Workload = TEXTS, **changes: Any) -> list[comparison.Row]:
    given: dict[str, Any] = {"systems": ("seqscore", "lm-eval", "minicons"), "model": "m", "dtype": "float32"}
    given |= {"threads": 2, "engine": "auto", "batch_tokens": None, "limit": 100, "repeat": 3}
    settings = comparison.Settings(**{**given, **changes})
    return comparison.Comparison(workers, settings, lambda _: ENCODED, lambda _: None).rows(workload)


def test_ratios_are_formed_within_a_repetition() -> None:
    workers = Pretended()
    ours, theirs, _ = compare(workers)
    assert ours.seconds == comparison.Spread(2.0, 1.0, 4.0)
    assert ours.ratio == comparison.Spread(1.0, 1.0, 1.0)
    assert theirs.ratio == comparison.Spread(2.5, 1.0, 3.0)  # 3, 1, 2.5: not the ratio of the medians, 1.5
    assert (theirs.memory, theirs.cores_busy, theirs.left_out) == (10_000_000, 2.0, 0)
    assert theirs.counts == windows.Counts(asked=4, unique=2, scored=4)
    assert theirs.per_second(4) == pytest.approx(4 / 3)
    turns = [workers.order[i : i + 3] for i in (0, 3, 6)]
    assert turns == [
        ["seqscore", "lm-eval", "minicons"],
        ["lm-eval", "minicons", "seqscore"],
        ["minicons", "seqscore", "lm-eval"],
    ]


def test_a_wrong_score_ends_the_benchmark() -> None:
    workers = Pretended(wrong="lm-eval")
    with pytest.raises(BenchmarkError, match=r"seqscore \(1\) -3.000000, lm-eval \(1\) -2.999000 nats"):
        compare(workers)
    assert workers.order == ["seqscore", "lm-eval"]


def test_what_is_longer_than_the_context_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ENCODED", [ENCODED[0], (Window((0, 5, 7, 8), 1),)])
    assert [(row.requests, row.left_out) for row in compare(Pretended(), limit=2)] == [(1, 1)] * 3
    with pytest.raises(BenchmarkError, match="no request fits"):
        compare(Pretended(), limit=1)


def test_what_a_system_cannot_compute_is_said() -> None:
    workload = Workload(name="document", kind="disjoint", requests=TEXTS.requests, max_length=8)
    *_, row = compare(Pretended(), workload)
    assert (row.system, row.unable, row.seconds, row.ratio) == ("minicons", "has no windows", None, None)
    nobody = compare(Pretended(), workload, systems=("minicons",))
    assert [one.unable for one in nobody] == ["has no windows"]


def test_without_seqscore_there_are_no_ratios() -> None:
    assert [row.ratio for row in compare(Pretended(), systems=("lm-eval",))] == [None]


def test_own_windows_are_compared_by_tokens_scored(rows: list[comparison.Row]) -> None:
    assert comparison.own_conventions(rows) is None
    overlap = dataclasses.replace(rows[0], workload="document-overlap")
    assert comparison.own_conventions([*rows, overlap]) == pytest.approx(1.5)  # 4 tokens in 2 s, 4 in 3 s


# ---- files, table, picture ----


@pytest.fixture
def rows() -> list[comparison.Row]:
    workload = Workload(name="document", kind="disjoint", requests=TEXTS.requests, max_length=8)
    return compare(Pretended()) + compare(Pretended(), workload)


ABOUT = report.About(
    model="tiny",
    machine=machine.Machine(cpu="a processor", cores=2, memory=8 * 10**9, system="Linux"),
    dtype="float32",
    threads=2,
)


def test_the_file_has_the_columns_of_the_published_one(rows: list[comparison.Row], tmp_path: Path) -> None:
    report.write_csv(tmp_path / "b.csv", rows, ABOUT)
    with (tmp_path / "b.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    with (ROOT / "data" / "benchmark.csv").open(encoding="utf-8", newline="") as file:
        published = next(csv.reader(file))
    assert [name for name in table[0] if name != "busy_processes"] == published
    assert len(table) == 6
    assert (table[1]["version_system"], table[1]["machine_cpu"], table[1]["memory_method"]) == (
        "2",
        "a processor",
        "none",
    )
    assert (table[1]["seconds_median"], table[1]["time_over_seqscore_max"]) == ("3.0", "3.0")
    assert (table[5]["seconds_median"], table[5]["status"]) == ("", "n/a: has no windows")


def test_the_table_shows_every_system(rows: list[comparison.Row]) -> None:
    from rich.console import Console

    console = Console(width=120, record=True, file=io.StringIO())
    report.show_workload(console, rows[:3])
    report.show_workload(console, rows[3:])
    report.show_about(console, rows, ABOUT)
    shown = console.export_text()
    assert "pairs: 2 requests, 4 tokens scored, 4 positions asked for, 2 of them unique" in shown
    assert re.search(r"lm-eval +3.00 \(2.00–10.00\) +1 +4 +0.01 GB +2.00 +2.50 \(1.00–3.00\) x +batches of 16", shown)
    assert re.search(r"minicons +n/a +has no windows", shown)
    assert "tiny, float32; a processor, 2 of 2 cores, 8 GB" in shown


# ---- workers ----


def test_a_job_survives_json(model: Path) -> None:
    one = job("seqscore", model, Workload(name="d", kind="disjoint", requests=(("a", "b"),), max_length=4))
    assert job_from_json(json.loads(json.dumps(dataclasses.asdict(one)))) == one


WORKLOADS = [
    TEXTS,
    Workload(name="choices", kind="continuation", requests=(("It rained", " all day."), ("It rained", " once."))),
    Workload(name="document", kind="disjoint", requests=(("", "It rained. " * 9),), max_length=32),
    Workload(name="document-overlap", kind="overlapping", requests=(("", "It rained. " * 9),), max_length=32),
]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one.kind)
def test_seqscore_and_transformers_compute_the_same(model: Path, workload: Workload) -> None:
    done = {name: run_job(job(name, model, workload)) for name in ("seqscore", "transformers")}
    encoded = windows.encode(AutoTokenizer.from_pretrained(model), workload)
    targets = [sum(len(window.targets) for window in one) for one in encoded]
    scores = {name: one["scores"] for name, one in done.items()}
    equal.require_equal(workload, scores, num_targets=targets, tolerance=equal.TOLERANCES["float32"])
    for one in done.values():
        assert one["positions"] > 0
        assert one["seconds"] > 0
        assert {"torch", "transformers"} <= set(one["versions"])
    assert done["seqscore"]["versions"]["engine"]


def test_a_failing_worker_is_told_with_what_it_said(model: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho out of luck >&2\nexit 3\n")
    python.chmod(0o755)
    workers = processes.Workers({"lm-eval": python})
    with pytest.raises(BenchmarkError, match=r"lm-eval failed on pairs \(exit status 3\):\n +out of luck"):
        workers.run(job("lm-eval", model, TEXTS))
    python.write_text("#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(BenchmarkError, match="lm-eval failed on pairs: it was killed, most likely because memory"):
        workers.run(job("lm-eval", model, TEXTS))


def test_an_interruption_ends_the_running_process(tmp_path: Path) -> None:
    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    mark = tmp_path / "pid"
    before = signal.signal(signal.SIGALRM, interrupt)

    def interrupt_once_it_runs() -> None:
        while not (mark.exists() and mark.read_text().endswith("\n")):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGALRM)

    threading.Thread(target=interrupt_once_it_runs, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            processes.run_to_end(["sh", "-c", f"sleep 600 & echo $! > '{mark}'; wait"], subprocess.DEVNULL, os.environ)
    finally:
        signal.signal(signal.SIGALRM, before)
    state = Path(f"/proc/{mark.read_text().strip()}/stat")
    while state.exists() and state.read_text().split()[2] != "Z":  # for ever, did the grandchild go on
        time.sleep(0.02)


def test_busy_processes_work_for_as_long_as_the_block_runs() -> None:
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    before = children.read_text().split()
    with processes.busy_processes(2):
        assert len(set(children.read_text().split()) - set(before)) == 2
    assert children.read_text().split() == before


def test_seqscore_waits_as_its_command_line_makes_it_wait(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user set of the environment, all systems have alike."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    counts = {
        system: processes._environment(job(system, model, TEXTS)).get("GOMP_SPINCOUNT")
        for system in ("seqscore", "minicons", "transformers")
    }
    assert counts == {"seqscore": "10000", "minicons": None, "transformers": None}
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert processes._environment(job("seqscore", model, TEXTS))["GOMP_SPINCOUNT"] == "7"


# ---- the command line ----


def test_from_the_options_to_the_files(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """seqscore's worker in a process of its own, that of transformers in this one."""
    run = processes.Workers.run
    monkeypatch.setattr(
        processes.Workers, "run", lambda self, job: run(self, job) if job.system == "seqscore" else run_job(job)
    )
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    options = ["--systems", "seqscore,transformers", "--workloads", "pairs", "--model", str(model), "--rows", "3"]
    options += ["--repeat", "1", "--threads", str(torch.get_num_threads()), "--out", str(tmp_path / "out")]
    assert command.main(options) == 0
    shown = capsys.readouterr()
    assert "pairs: 6 requests" in shown.out
    assert "pairs, 1 of 1: transformers" in shown.err
    with (tmp_path / "out" / "benchmark.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["system"], row["status"]) for row in table] == [("seqscore", "ok"), ("transformers", "ok")]
    assert (tmp_path / "out" / "benchmark.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--workloads", "pears"], 2, "'pears' is unknown; expected pairs, paragraphs"),
        (["--systems", ","], 2, "',' is unknown; expected seqscore"),
        (["--rows", "0"], 2, "'0' is not a whole number of at least 1"),
        (["--data", "nowhere"], 1, "benchmark: nowhere/pairs.jsonl cannot be read"),
        (["--systems", "seqscore", "--model", "x.gguf"], 1, "--model x.gguf: expected default, a name on the hub"),
        (["--systems", "seqscore", "--window", "1000"], 1, "--window 1000: it must be at least 2 and at most 256"),
        (["--out", "/dev/null/x"], 1, "--out /dev/null/x: Not a directory"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    options: list[str], status: int, message: str, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    given = options if "--model" in options else [*options, "--model", str(model)]
    try:
        assert command.main(given) == status
    except SystemExit as stop:
        assert stop.code == status
    assert message in capsys.readouterr().err


def test_help_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(["--help"])
    assert stop.value.code == 0
    shown = "".join(capsys.readouterr().out.split())  # argparse breaks names at hyphens
    assert all(name in shown for name in (*SYSTEMS, *workloads.SOURCES))


def test_an_interruption_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(command, "_run", interrupted)
    assert command.main([]) == 130
    assert "interrupted" in capsys.readouterr().err


# ---- the script, the peers' environment ----


def test_the_worker_starts_without_what_seqscore_needs() -> None:
    """The peers' environment has torch and transformers, and not all of ours."""
    code = "import sys; sys.modules.update(dict.fromkeys(('rich', 'typer', 'pyarrow', 'scipy'))); "
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(ROOT)])}
    subprocess.run([sys.executable, "-c", code + "import benchmark_lib.worker"], check=True, env=environment)


def pinned(name: str) -> dict[str, str]:
    lines = (ROOT / "scripts" / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_all_systems_are_pinned_to_the_same_libraries() -> None:
    ours, theirs = pinned("constraints.txt"), pinned("benchmark-constraints.txt")
    assert theirs["lm_eval"]
    assert theirs["minicons"]
    for name in ("torch", "transformers", "tokenizers", "safetensors"):
        assert ours[name] == theirs[name]
    assert "/.venv-peers/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_peers_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constraints = tmp_path / "scripts" / "benchmark-constraints.txt"
    constraints.parent.mkdir()
    constraints.write_text("minicons==1\n")
    steps: list[list[str]] = []

    def pretend(command: list[str]) -> None:
        steps.append(command)
        (tmp_path / ".venv-peers" / "bin").mkdir(exist_ok=True)
        (tmp_path / ".venv-peers" / "bin" / "python").touch()

    monkeypatch.setattr(peers, "_step", pretend)
    said: list[str] = []
    python = peers.ensure_peers(tmp_path, tell=said.append)
    assert python == tmp_path / ".venv-peers" / "bin" / "python"
    assert [command[2] for command in steps] == ["venv", "pip"]
    assert steps[1][-5:] == ["torch", "transformers", "lm-eval[hf]", "minicons", "surprisal"]
    assert "MB to fetch" in said[0]
    peers.ensure_peers(tmp_path, tell=said.append)
    assert len(steps) == 2
    constraints.write_text("minicons==2\n")  # other versions: made anew
    peers.ensure_peers(tmp_path, tell=said.append)
    assert len(steps) == 4
    (tmp_path / ".venv-peers" / ".benchmark-done").unlink()  # interrupted: made anew
    peers.ensure_peers(tmp_path, tell=said.append)
    assert len(steps) == 6


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "benchmark-constraints.txt").touch()
    (tmp_path / ".venv-peers").mkdir()
    with pytest.raises(BenchmarkError, match="was not made by scripts/benchmark"):
        peers.ensure_peers(tmp_path, tell=lambda _: None)
