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
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

from scripts.benchmark_lib import cli, comparison, equal, inputs, machine, measure, peers, processes, report, results
from scripts.benchmark_lib.jobs import (
    SYSTEMS,
    BenchmarkError,
    Encoded,
    Job,
    SystemName,
    Window,
    Workload,
    encoded_from_json,
    encoded_to_json,
    job_from_json,
)
from scripts.benchmark_lib.windows import disjoint_windows, overlapping_windows
from scripts.benchmark_lib.worker import run_job
from scripts.smoke import build_model
from seqscore.text.windows import layout

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
TEXTS = Workload(name="pairs", kind="text", requests=(("", "It rained."), ("", "It snowed all night.")))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark model")
    build_model(folder)
    return folder


def job(system: SystemName, model: Path, workload: Workload, **changes: Any) -> Job:
    settings: dict[str, Any] = {
        "dtype": "float32",
        "engine": "auto",
        "batch_tokens": None,
        "batch_size": 2,
        "limit": 256,
    }
    settings |= {"action": "score", "threads": torch.get_num_threads(), "workloads": (workload,), **changes}
    return Job(system=system, model=str(model), **settings)


# ---- inputs ----


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_our_own_inputs_make_every_workload() -> None:
    for name, source in inputs.SOURCES.items():
        workload = inputs.build_workload(name, [DATA / inputs.DEFAULT_FILES[source]], limit=None, window=512)
        assert workload.requests
    assert cli.ROOT == ROOT


def test_pairs_are_read_in_turn_from_several_files(tmp_path: Path) -> None:
    row = '{{"sentence_good": "{0}+", "sentence_bad": "{0}-"}}'
    first = write(tmp_path / "a", *(row.format(f"a{i}") for i in range(3)))
    second = write(tmp_path / "b", row.format("b0"))
    workload = inputs.build_workload("pairs", [first, second], limit=3, window=512)
    assert [text for _, text in workload.requests] == ["a0+", "a0-", "b0+", "b0-", "a1+", "a1-"]
    assert (workload.kind, workload.max_length) == ("text", None)


def test_white_space_before_an_answer_goes_with_it(tmp_path: Path) -> None:
    rows = [("Q:", ["yes", " no"]), ("Q: ", ["yes", " no"])]
    lines = [json.dumps({"query": query, "choices": choices}) for query, choices in rows]
    workload = inputs.build_workload("choices", [write(tmp_path / "c", *lines)], limit=None, window=512)
    assert workload.requests == (("Q:", " yes"), ("Q:", " no"), ("Q:", " yes"), ("Q:", "  no"))


def test_paragraphs_leave_out_headings_and_are_cut(tmp_path: Path) -> None:
    long = "word " * 2000
    path = write(tmp_path / "p", " = Title = ", "", " One. ", long, "x" * 5000)
    one, cut, without_spaces = inputs.build_workload("paragraphs", [path], limit=None, window=512).requests
    assert one == ("", "One.")
    assert len(cut[1]) == inputs.MAX_CHARACTERS - 1
    assert set(cut[1].split()) == {"word"}
    assert len(without_spaces[1]) == inputs.MAX_CHARACTERS


def test_a_document_is_one_text(tmp_path: Path) -> None:
    path = write(tmp_path / "d", "One.", "", "Two.", "Three.")
    workload = inputs.build_workload("document", [path], limit=3, window=7)
    assert workload == Workload(name="document", kind="disjoint", requests=(("", "One.\n\nTwo."),), max_length=7)


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("pairs", '{"sentence_good": "a"}', "in, line 1: there is no 'sentence_bad'"),
        ("pairs", '{"sentence_good": " ", "sentence_bad": "b"}', "in, line 1: sentence_good must be a text"),
        ("pairs", "{", "in, line 1: Expecting"),
        ("choices", '{"query": "a", "choices": []}', "in, line 1: choices must be a list of texts, got []"),
        ("choices", '{"query": "a", "choices": [1]}', "in, line 1: each of choices must be a text"),
        ("paragraphs", "= heading =", "paragraphs: there is nothing to score in"),
        ("document", " ", "document: there is nothing to score in"),
    ],
)
def test_bad_inputs_are_told(tmp_path: Path, name: str, line: str, message: str) -> None:
    with pytest.raises(BenchmarkError, match=re.escape(message)):
        inputs.build_workload(name, [write(tmp_path / "in", line)], limit=None, window=512)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="nothing here does not exist"):
        inputs.build_workload("pairs", [tmp_path / "nothing here"], limit=None, window=512)


# ---- windows, counts ----


@pytest.mark.parametrize("length", [1, 6, 7, 8, 13, 14, 15, 21, 50])
@pytest.mark.parametrize("size", [2, 7, 8])
def test_windows_score_every_token_once(length: int, size: int) -> None:
    ids = list(range(1, length + 1))
    for windows in (
        disjoint_windows(ids, start=0, max_length=size),
        overlapping_windows(ids, start=0, max_length=size),
    ):
        assert [token for window in windows for token in window.targets] == ids
        assert all(len(window.inputs) <= size for window in windows)
        assert all(window.ids == tuple(range(window.ids[0], window.ids[0] + len(window.ids))) for window in windows)


def test_disjoint_windows_are_lm_evals() -> None:
    windows = disjoint_windows(range(1, 11), start=0, max_length=4)
    assert [(window.inputs, window.targets) for window in windows] == [
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


def test_distinct_prefixes() -> None:
    chance = random.Random(0)
    sequences = [tuple(chance.choices((1, 2), k=chance.randint(0, 6))) for _ in range(60)]
    by_hand = {one[: n + 1] for one in sequences for n in range(len(one))}
    assert equal.distinct_prefixes(sequences) == len(by_hand)


def test_counts() -> None:
    requests: list[Encoded] = [(Window((1, 2, 3), 2),), (Window((1, 2, 4), 2),), (Window((9, 8), 1), Window((8, 7), 1))]
    assert equal.count(requests) == equal.Counts(asked=6, unique=4, scored=4)


# ---- the same requests, equal scores ----


def test_only_common_requests_stay() -> None:
    workload = Workload(name="w", kind="text", requests=tuple(("", text) for text in "abcd"))
    ours: list[Encoded] = [(Window((0, 1), 1),), (Window((0, 2), 1),), (Window((0, 3, 3, 3), 1),), (Window((0,), 1),)]
    theirs: list[Encoded] = [ours[0], (Window((0, 9), 1),), ours[2], ours[3]]
    common = equal.common_requests(workload, {"seqscore": ours, "lm-eval": theirs}, limit=2)
    assert [text for _, text in common.workload.requests] == ["a"]
    assert common.encoded == ours[:1]
    assert common.left_out == {
        "tokenised differently": 1,
        "longer than the model's context": 1,
        "with nothing to score": 1,
    }
    with pytest.raises(BenchmarkError, match=r"w: seqscore, lm-eval have no request in common \(1 tokenised"):
        equal.common_requests(workload.choose([1]), {"seqscore": ours[1:2], "lm-eval": theirs[1:2]}, limit=None)


def test_equal_scores_pass_and_wrong_ones_do_not() -> None:
    def check(theirs: list[float], tolerance: tuple[float, float] = equal.TOLERANCES["float32"]) -> float:
        scores = {"seqscore": [-30.0, -60.0], "lm-eval": theirs}
        return equal.require_equal(TEXTS, scores, num_targets=[10, 20], tolerance=tolerance)

    assert check([-30.0001, -60.0004]) == pytest.approx(4e-4)
    for wrong in ([-30.0, -60.0006], [-30.0004, -60.0], [-30.0, math.nan], [math.nan, -60.0]):
        with pytest.raises(BenchmarkError, match=r"the scores differ, so times mean nothing. Request"):
            check(wrong)
    with pytest.raises(BenchmarkError, match=r"expected 2 scores, got \{'lm-eval': 1\}"):
        check([-30.0])


# ---- the comparison, with workers that only pretend ----


class Pretended:
    """Every system runs the same ids; the n-th run of a system takes ``seconds[system][n]``."""

    def __init__(self, seconds: dict[str, list[float]], wrong: str | None = None) -> None:
        self.seconds, self.wrong = {name: list(each) for name, each in seconds.items()}, wrong
        self.order: list[str] = []
        self.batches: list[int] = []

    def run(self, job: Job) -> dict[str, Any]:
        if job.action == "encode":
            one: list[Encoded] = [(Window((0, 5, 6), 1),), (Window((0, 5, 7), 1),)]
            return {"encoded": {workload.name: encoded_to_json(one) for workload in job.workloads}}
        self.order.append(job.system)
        self.batches.append(job.batch_size)
        (workload,) = job.workloads
        seconds = self.seconds[job.system].pop(0)
        off = 1e-3 if self.wrong == job.system else 0.0
        return {
            "scores": [-3.0 + off for _ in workload.requests],
            "seconds": seconds,
            "cpu_seconds": 2 * seconds,
            "memory": int(seconds * 1e6),
            "memory_method": "none",
            "positions": 4,
            "versions": {"torch": "1", "lm_eval": "2"},
        }


def settings(**changes: Any) -> comparison.Settings:
    given: dict[str, Any] = {"systems": ("seqscore", "lm-eval", "minicons"), "model": "m", "dtype": "float32"}
    given |= {"threads": 2, "engine": "auto", "batch_tokens": None, "limit": 100, "repeat": 3, "tune": False}
    return comparison.Settings(**{**given, **changes})


SECONDS = {"seqscore": [1.0, 2.0, 4.0], "lm-eval": [3.0, 2.0, 10.0], "minicons": [2.0, 2.0, 2.0]}


def compare(workers: Pretended, workload: Workload = TEXTS, **changes: Any) -> list[results.Row]:
    said: list[str] = []
    return next(comparison.Comparison(workers, settings(**changes), said.append).rows([workload]))


def test_ratios_are_formed_within_a_repetition() -> None:
    workers = Pretended(SECONDS)
    ours, theirs, _ = compare(workers)
    assert ours.seconds == results.Spread(2.0, 1.0, 4.0)
    assert ours.ratio == results.Spread(1.0, 1.0, 1.0)
    assert theirs.ratio == results.Spread(2.5, 1.0, 3.0)  # 3, 1, 2.5: not the ratio of the medians, 1.5
    assert (theirs.memory, theirs.run_positions, theirs.cores_busy) == (10_000_000, 4, 2.0)
    assert (theirs.counts.asked, theirs.counts.unique, theirs.counts.scored) == (4, 2, 4)
    assert theirs.positions_per_second == pytest.approx(4 / 3)
    turns = [workers.order[i : i + 3] for i in (0, 3, 6)]
    assert turns == [
        ["seqscore", "lm-eval", "minicons"],
        ["lm-eval", "minicons", "seqscore"],
        ["minicons", "seqscore", "lm-eval"],
    ]


def test_a_wrong_score_ends_the_benchmark() -> None:
    workers = Pretended(SECONDS, wrong="lm-eval")
    with pytest.raises(BenchmarkError, match=r"seqscore \(1\) -3.000000, lm-eval \(1\) -2.999000 nats"):
        compare(workers)
    assert workers.order == ["seqscore", "lm-eval"]


def test_what_a_system_cannot_compute_is_said() -> None:
    workload = Workload(name="document", kind="disjoint", requests=TEXTS.requests, max_length=8)
    *_, row = compare(Pretended(SECONDS), workload)
    assert (row.system, row.unable, row.seconds, row.ratio) == ("minicons", "has no windows", None, None)
    assert results.flat(row)["status"] == "n/a: has no windows"
    nobody = compare(Pretended(SECONDS), workload, systems=("minicons",))
    assert [one.unable for one in nobody] == ["has no windows"]


def test_without_seqscore_there_are_no_ratios() -> None:
    assert [row.ratio for row in compare(Pretended(SECONDS), systems=("lm-eval",))] == [None]


def test_tuning_takes_the_quickest() -> None:
    workers = Pretended({"lm-eval": [5.0, 5.0, 4.0, 1.0, 3.0, 3.0, 7.0]})
    (row,) = compare(workers, systems=("lm-eval",), tune=True, repeat=1)
    assert workers.batches == [4, 4, 16, 16, 64, 64, 16]
    assert (row.batch, row.repetitions) == ("batches of 16", (7.0,))


# ---- files, table, picture ----


@pytest.fixture
def rows() -> list[results.Row]:
    workload = Workload(name="document", kind="disjoint", requests=TEXTS.requests, max_length=8)
    return compare(Pretended(SECONDS)) + compare(Pretended(SECONDS), workload)


@pytest.fixture
def about() -> report.About:
    return report.About(
        model="tiny",
        machine=machine.Machine(cpu="a processor", cores=2, memory=8 * 10**9, system="Linux"),
        dtype="float32",
        threads=2,
        settings={"repeat": 3},
        complete=True,
    )


def test_json_and_csv_hold_the_same_rows(rows: list[results.Row], about: report.About, tmp_path: Path) -> None:
    report.write_json(tmp_path / "b.json", rows, about)
    report.write_csv(tmp_path / "b.csv", rows, about)
    data = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    with (tmp_path / "b.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert data["complete"] is True
    assert len(table) == len(data["rows"]) == 6
    for flat, full in zip(table, data["rows"], strict=True):
        assert flat == {name: "" if full[name] is None else str(full[name]) for name in flat}
    assert data["rows"][1]["seconds"] == [3.0, 2.0, 10.0]
    assert table[1]["version_system"] == "2"
    assert table[1]["machine_cpu"] == "a processor"
    assert table[5]["seconds_median"] == ""


def test_the_table_shows_every_system(rows: list[results.Row], about: report.About) -> None:
    from rich.console import Console

    console = Console(width=120, record=True, file=io.StringIO())
    report.show_workload(console, rows[:3])
    report.show_workload(console, rows[3:])
    report.show_about(console, rows, about)
    shown = console.export_text()
    assert "pairs: 2 requests, 4 tokens scored, 4 positions asked for, 2 of them unique" in shown
    assert re.search(r"lm-eval +3.00 \(2.00–10.00\) +1 +4 +0.01 GB +2.00 +2.50 \(1.00–3.00\) x +batches of 16", shown)
    assert re.search(r"minicons +n/a +has no windows", shown)
    assert "tiny, float32; a processor, 2 of 2 cores, 8 GB" in shown


def test_the_picture_is_drawn(rows: list[results.Row], tmp_path: Path) -> None:
    from scripts.benchmark_lib.chart import draw

    draw(tmp_path / "b.png", rows, title="tiny $ model")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_own_windows_are_compared_by_tokens_scored(rows: list[results.Row]) -> None:
    assert comparison.own_conventions(rows) is None
    overlap = dataclasses.replace(rows[0], workload="document-overlap")
    assert comparison.own_conventions([*rows, overlap]) == pytest.approx(1.5)  # 4 tokens in 2 s, 4 in 3 s


# ---- measuring ----


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Callable[[measure.Peak], None]:
    """Waits until what is held now was seen, where samples are taken every 5 ms."""
    taken: list[str] = []
    status = measure._status

    def counted(name: str) -> int:
        found = status(name)
        taken.append(name)
        return found

    monkeypatch.setattr(measure, "_status", counted)

    def wait(peak: measure.Peak) -> None:
        before = len(taken)
        while peak.method == "VmRSS every 5 ms" and len(taken) < before + 2:
            time.sleep(0.005)

    return wait


def test_peak_memory_is_above_that_at_the_start(sampled: Callable[[measure.Peak], None]) -> None:
    before = bytearray(50_000_000)
    with measure.peak_memory() as peak:
        held = bytearray(80_000_000)
        sampled(peak)
        del held
    assert 79_000_000 < peak[0] < 120_000_000
    assert len(before) == 50_000_000


@pytest.mark.parametrize("missing", ["_set_back", "_STATUS"])
def test_peak_memory_without_linux_marks(
    missing: str, sampled: Callable[[measure.Peak], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "_set_back", lambda: False)
    if missing == "_STATUS":
        monkeypatch.setattr(measure, "_STATUS", Path("/nowhere"))
    with measure.peak_memory() as peak:
        held = bytearray(300_000_000)
        sampled(peak)
        del held
    assert peak.method == ("ru_maxrss" if missing == "_STATUS" else "VmRSS every 5 ms")
    assert peak[0] >= 0 if missing == "_STATUS" else peak[0] > 290_000_000


# ---- workers ----


def test_a_job_survives_json(model: Path) -> None:
    one = job("seqscore", model, Workload(name="d", kind="disjoint", requests=(("a", "b"),), max_length=4))
    assert job_from_json(json.loads(json.dumps(dataclasses.asdict(one)))) == one
    encoded: list[Encoded] = [(Window((1, 2), 1),), ()]
    assert encoded_from_json(json.loads(json.dumps(encoded_to_json(encoded)))) == encoded


WORKLOADS = [
    TEXTS,
    Workload(name="choices", kind="continuation", requests=(("It rained", " all day."), ("It rained", " once."))),
    Workload(name="document", kind="disjoint", requests=(("", "It rained. " * 9),), max_length=32),
    Workload(name="document-overlap", kind="overlapping", requests=(("", "It rained. " * 9),), max_length=32),
]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one.kind)
def test_seqscore_and_transformers_compute_the_same(model: Path, workload: Workload) -> None:
    ours, theirs = (job(name, model, workload) for name in ("seqscore", "transformers"))
    encoded = [run_job(dataclasses.replace(one, action="encode"))["encoded"][workload.name] for one in (ours, theirs)]
    assert encoded[0] == encoded[1]
    done = [run_job(one) for one in (ours, theirs)]
    targets = [sum(len(window.targets) for window in one) for one in encoded_from_json(encoded[0])]
    scores = {"seqscore": done[0]["scores"], "transformers": done[1]["scores"]}
    equal.require_equal(workload, scores, num_targets=targets, tolerance=equal.TOLERANCES["float32"])
    for one in done:
        assert one["positions"] > 0
        assert one["seconds"] > 0
        assert {"torch", "transformers"} <= set(one["versions"])
    assert done[0]["versions"]["engine"]


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


class InThisProcess:
    """Workers without processes: the job goes through JSON all the same."""

    def __init__(self, pythons: dict[SystemName, Path], busy: int = 0) -> None:
        pass

    def run(self, job: Job) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(
            json.dumps(run_job(job_from_json(json.loads(json.dumps(dataclasses.asdict(job))))))
        )
        return result


def test_from_the_options_to_the_files(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "Workers", InThisProcess)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    options = ["--systems", "seqscore,transformers", "--workloads", "pairs,choices", "--model", str(model)]
    options += ["--limit", "3", "--limit", "choices=1", "--repeat", "1", "--threads", str(torch.get_num_threads())]
    assert cli.main([*options, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert "pairs: 6 requests" in shown.out
    assert "choices: 4 requests" in shown.out
    assert "pairs, 1 of 1: transformers" in shown.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"benchmark.{end}" for end in ("csv", "json", "png")
    ]
    data = json.loads((tmp_path / "out" / "benchmark.json").read_text(encoding="utf-8"))
    assert [(row["workload"], row["system"], row["status"]) for row in data["rows"]] == [
        ("pairs", "seqscore", "ok"),
        ("pairs", "transformers", "ok"),
        ("choices", "seqscore", "ok"),
        ("choices", "transformers", "ok"),
    ]
    assert str(model) not in json.dumps(data)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--workloads", "pears"], 2, "'pears' is unknown; expected pairs, paragraphs"),
        (["--systems", ","], 2, "',' is unknown; expected seqscore"),
        (["--limit", "pears=3"], 2, "workload 'pears' is unknown"),
        (["--limit", "0"], 2, "'0' is not a whole number of at least 1"),
        (["--pairs", "no such file"], 1, "benchmark: no such file does not exist"),
        (["--peers-python", "no-such-python"], 1, "--peers-python no-such-python: there is no such program"),
        (["--peers-python", sys.executable], 1, "it must be a Python with lm-eval and minicons"),
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
        assert cli.main(given) == status
    except SystemExit as stop:
        assert stop.code == status
    assert message in capsys.readouterr().err


def test_help_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    shown = "".join(capsys.readouterr().out.split())  # argparse breaks names at hyphens
    assert all(name in shown for name in (*SYSTEMS, *inputs.WORKLOADS))


def test_an_interruption_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(cli, "_run", interrupted)
    assert cli.main([]) == 130
    assert "interrupted" in capsys.readouterr().err


# ---- the scripts, the peers' environment ----


def test_the_script_parses_is_executable_and_strict() -> None:
    script = ROOT / "scripts" / "benchmark"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert os.access(script, os.X_OK)
    assert "\nset -euo pipefail\n" in script.read_text(encoding="utf-8")


def test_the_worker_starts_without_seqscore() -> None:
    code = "import sys; sys.modules['seqscore'] = None; sys.modules['rich'] = None; import benchmark_lib.worker"
    folder = ROOT / "scripts"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


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
    assert steps[1][-4:] == ["torch", "transformers", "lm-eval[hf]", "minicons"]
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
