"""The same evaluation on a Ray cluster: Ray Data, an actor pool, one scorer an actor.

This process reads the rows, cuts the parts and writes the run folder, exactly as without Ray. A part goes to an actor
as one row of a Ray dataset and comes back as the rows to be stored; results are taken in order. What one actor computes
is what any other would: scores do not depend on neighbours, so the files are the same bytes. An actor that fails is
started again and its part retried by Ray.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqscore.errors import InputError, MissingDependencyError, OptionError, SeqscoreWarning
from seqscore.evaluation.data.dataset import Dataset
from seqscore.evaluation.run.progress import InputDigest, Progress
from seqscore.evaluation.run.run_folder import Run
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.run.run_task import ScoredEntry, ScoredPart, evaluate_parts, fingerprint_of, scored, settled
from seqscore.evaluation.tasks.base import Task
from seqscore.evaluation.tasks.rows import Entry

if TYPE_CHECKING:
    from seqscore.scorer import Scorer


def evaluate_on_ray(
    scorer: Scorer,
    dataset: Dataset,
    task: Task,
    folder: Path,
    *,
    options: RunOptions,
    address: str,
    load: Mapping[str, Any],
    workers: int = 1,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Run:
    """``seqscore.evaluation.run.run_task.evaluate`` with ``workers`` scorers on the Ray cluster at ``address``.

    ``address``: of a cluster, ``auto``, or ``local`` for one that is started here and ends with the call; a cluster
    that this process is already connected to is used as it is. ``load``: the keywords that made ``scorer`` (``model``,
    ``device`` ...), with which each worker makes its own, on the kind of device that ``scorer`` is on; a worker whose
    model is another one is an error. A worker on CUDA takes one GPU. The rows that are still to be scored wait in Ray's
    object store, which spills to disk.

    Raises:
        MissingDependencyError: Ray is not installed.
        OptionError, InputError: see ``evaluate``; or scores would not be the same on every machine.
    """
    _check_same_everywhere(scorer)
    task, options = settled(scorer, task, options)
    fingerprint = fingerprint_of(scorer, dataset, task, options)
    expected = str(scorer.signature(**options.policies))

    def parts(entries: Iterator[Entry]) -> Iterator[ScoredPart]:
        with _connected(address), _quiet("ray.data"):
            device = scorer.description.device
            work = _Work(dict(load), options, task.alternatives, expected)
            yield from _scored_parts(entries, work, device, workers)

    return evaluate_parts(parts, dataset, task, folder, fingerprint=fingerprint, options=options, report=report)


def _check_same_everywhere(scorer: Scorer) -> None:
    """What depends on batches may do so on Ray too: a part is one stream there as here. Threads are not the same."""
    if not scorer.keeps_bits and scorer.description.device.startswith("cpu"):
        if scorer.kind != "causal":
            raise OptionError(
                f"this {scorer.kind} model in {scorer.description.dtype} does not promise the same bits for every "
                f"number of threads, and Ray gives its workers other numbers; use --dtype float32, or leave --ray out"
            )
        raise OptionError(
            f"engine {scorer.engine} in {scorer.description.dtype} does not promise the same bits for every number of "
            f"threads, and Ray gives its workers other numbers; use --engine packed and --dtype float32, or no --ray"
        )


@contextmanager
def _connected(address: str) -> Iterator[None]:
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    _check_reachable(address)
    try:
        here: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
        with _environment("RAY_BACKEND_LOG_LEVEL", "fatal"):
            ray.init(address=address, log_to_driver=False, logging_level="error", **here)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise OptionError(f"there is no Ray cluster at {address!r}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes before it says that nobody answers."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise OptionError(f"there is no Ray cluster at {address!r}: {error}") from error


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """A variable that has ``value`` meanwhile, where nobody set it."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """A logger that tells errors alone meanwhile."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependencyError("--ray needs Ray; install it with: pip install 'seqscore[ray]'") from error
    return ray


@dataclass(frozen=True, slots=True)
class _Work:
    """What a worker has to know: the keywords that load its scorer, how rows are scored, and the signature that its
    scorer must have."""

    load: Mapping[str, Any]
    options: RunOptions
    alternatives: tuple[str, ...]
    expected: str


def _scored_parts(entries: Iterator[Entry], work: _Work, here: str, workers: int) -> Iterator[ScoredPart]:
    """The parts in order, each with the rows to be stored. ``here``: the device of this process's scorer."""
    ray = _ray()
    device, gpus = worker_device(here, workers, ray.cluster_resources())
    references, digests = _put_parts(entries, work.options.part_rows)
    if not references:
        return
    context = ray.data.DataContext.get_current()
    before = context.execution_options.preserve_order, context.enable_progress_bars
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    try:
        results = ray.data.from_arrow_refs(references).map_batches(
            _Worker,
            fn_constructor_kwargs={"work": replace(work, load={**work.load, "device": device})},
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_gpus=gpus,
        )
        for number, row in enumerate(results.iter_rows()):
            if row["part"] != number:
                raise InputError(f"Ray gave part {row['part']} where part {number} was due; run it again, it goes on")
            yield pickle.loads(row["payload"]), partial(digests.__getitem__, number)
    finally:
        context.execution_options.preserve_order, context.enable_progress_bars = before


def worker_device(here: str, workers: int, cluster: Mapping[str, float]) -> tuple[str, int]:
    """(device, GPUs) of each worker, as the scorer here has it: ``cuda`` and one, or another device and none.

    ``cluster``: what it has in all, by Ray's names. Ray shows a worker its own GPU alone, as number 0, so a number that
    was asked for here means nothing there.

    Raises:
        OptionError: there are fewer GPUs than workers; Ray would wait for more.
    """
    gpus = int(cluster.get("GPU", 0))
    if here.startswith("cuda"):
        if gpus < workers:
            raise OptionError(
                f"{workers} workers on CUDA need a GPU each, and the cluster has {gpus}: use fewer workers, or "
                f"--device cpu"
            )
        return "cuda", 1
    if gpus and here == "cpu":
        warnings.warn(
            f"the cluster has {gpus} GPUs, and the workers use none: a worker runs on the kind of device that is found "
            f"here, a CPU. Start the run on a machine with a GPU, with --device auto or cuda",
            SeqscoreWarning,
            stacklevel=2,
        )
    return here, 0


def _put_parts(entries: Iterator[Entry], part_rows: int) -> tuple[list[Any], list[str]]:
    """The parts in the object store, one at a time in this process's memory, and the digests of their input."""
    import pyarrow as pa

    references: list[Any] = []
    digests: list[str] = []
    while True:
        rows = list(islice(entries, part_rows))
        if not rows:
            return references, digests
        digest = InputDigest()
        for row in rows:
            digest.add(row)
        # Pickle between processes of this program, as Ray itself does; nothing from outside is unpickled.
        table = pa.table({"part": [len(digests)], "payload": pa.array([pickle.dumps(rows)], pa.large_binary())})
        references.append(_ray().put(table))
        digests.append(digest.value())


class _Worker:
    """An actor: a scorer, and parts to be scored with it."""

    def __init__(self, *, work: _Work) -> None:
        from seqscore import LoadOptions, Scorer

        settings = dict(work.load)
        given = {one.name: settings.pop(one.name) for one in fields(LoadOptions) if one.name in settings}
        self._scorer = Scorer.from_pretrained(options=LoadOptions(**given), **settings)
        self._work = work
        found = str(self._scorer.signature(**work.options.policies))
        if found != work.expected:
            raise OptionError(f"a worker's model or program is not the one here: {found}, expected {work.expected}")

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """The rows to be stored of each part in the batch."""
        payloads = [
            pickle.dumps([record for _, record in self._scored(pickle.loads(payload))]) for payload in batch["payload"]
        ]
        return {"part": list(batch["part"]), "payload": payloads}

    def _scored(self, entries: list[Entry]) -> Iterator[ScoredEntry]:
        return scored(self._scorer, entries, self._work.options, self._work.alternatives)
