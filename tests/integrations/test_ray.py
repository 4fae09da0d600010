"""The same run on a local Ray cluster of two nodes, also when a worker is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from seqscore import Scorer
from seqscore.errors import OptionError, SeqscoreWarning
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.run.run_task import evaluate
from seqscore.integrations.ray import _Work, _Worker, evaluate_on_ray, worker_device
from tests.evaluation.evaluated import dataset, files, made
from tests.masked_models import masked_model, word_pieces
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

OPTIONS = RunOptions(policies={}, part_rows=5, resamples=100)
ROWS: list[Any] = [{"good": f"the cat sat {i}", "bad": f"cat the {i} sat"} for i in range(200)]
ROWS[3] = "{"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    tiny_model("llama").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
    assert len([node for node in ray.nodes() if node["Alive"]]) == 2
    yield
    ray.shutdown()
    nodes.shutdown()


def workers() -> list[int]:
    """The processes of the actors that score."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"ray::MapWorker" in command or b"_Worker" in command:
            found.append(int(process.name))
    return found


def test_two_nodes_give_the_same_bytes_also_when_a_worker_is_killed(
    tmp_path: Path, folder: Path, cluster: None
) -> None:
    before, killed, done = set(workers()), [], threading.Event()

    def kill() -> None:
        while not killed and not done.wait(0.05):
            for process in set(workers()) - before:
                done.wait(1.0)  # it loads the model, or scores: whatever it does, it is lost
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)
                break

    data = dataset(tmp_path / "data.jsonl", ROWS)
    load = {"model": str(folder), "device": "cpu"}
    scorer = Scorer.from_pretrained(**load)
    task = made("pairs", data)
    evaluate(scorer, data, task, tmp_path / "here", options=OPTIONS)
    watcher = threading.Thread(target=kill, daemon=True)
    watcher.start()
    evaluate_on_ray(scorer, data, task, tmp_path / "there", options=OPTIONS, address="auto", load=load, workers=2)
    done.set()
    watcher.join()
    assert killed and files(tmp_path / "here") == files(tmp_path / "there")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://localhost:1", "nowhere:port"])
def test_an_address_where_nobody_answers_is_told_at_once(tmp_path: Path, folder: Path, address: str) -> None:
    import ray

    if ray.is_initialized():
        ray.shutdown()
    data = dataset(tmp_path / "data.jsonl", ROWS)
    scorer = Scorer.from_pretrained(str(folder), device="cpu")
    with pytest.raises(OptionError, match=f"there is no Ray cluster at '{address}'"):
        evaluate_on_ray(scorer, data, made("pairs", data), tmp_path / "run", options=OPTIONS, address=address, load={})


def test_what_would_not_be_the_same_everywhere_is_refused(tmp_path: Path, folder: Path) -> None:
    data = dataset(tmp_path / "data.jsonl", ROWS)
    scorer = Scorer.from_pretrained(str(folder), device="cpu", engine="padded")
    with pytest.raises(OptionError, match="does not promise the same bits"):
        evaluate_on_ray(scorer, data, made("pairs", data), tmp_path / "run", options=OPTIONS, address="auto", load={})
    masked = Scorer(masked_model("bert").to(dtype=torch.bfloat16), word_pieces())
    with pytest.raises(OptionError, match=r"this masked model in bfloat16 does not promise .* leave --ray"):
        evaluate_on_ray(masked, data, made("pairs", data), tmp_path / "run", options=OPTIONS, address="auto", load={})


def test_a_worker_with_another_model_is_refused(folder: Path) -> None:
    load = {"model": str(folder), "device": "cpu"}
    expected = str(Scorer.from_pretrained(**load).signature())
    work = _Work(load, OPTIONS, (), expected)
    _Worker(work=work)
    with pytest.raises(OptionError, match="a worker's model or program is not the one here"):
        _Worker(work=replace(work, expected=expected.replace("weights:", "weights:x")))


def test_a_worker_on_cuda_takes_a_gpu_where_the_scorer_here_has_one() -> None:
    """``auto`` has been settled by then: what counts is where the scorer is."""
    for here in ("cuda", "cuda:0", "cuda:1"):
        assert worker_device(here, 2, {"CPU": 16.0, "GPU": 2.0}) == ("cuda", 1)
        for cluster in ({"CPU": 16.0, "GPU": 1.0}, {"CPU": 16.0}):
            with pytest.raises(OptionError, match=r"2 workers on CUDA need a GPU each, and the cluster has [01]"):
                worker_device(here, 2, cluster)
    assert worker_device("cpu", 8, {"CPU": 16.0}) == ("cpu", 0)
    assert worker_device("mps", 1, {"GPU": 1.0}) == ("mps", 0)
    with pytest.warns(SeqscoreWarning, match="the cluster has 2 GPUs, and the workers use none"):
        assert worker_device("cpu", 8, {"CPU": 16.0, "GPU": 2.0}) == ("cpu", 0)
