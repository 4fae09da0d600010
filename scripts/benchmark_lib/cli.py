"""The command line of scripts/benchmark."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from .comparison import Comparison, Settings, settings_record
from .equal import TOLERANCES
from .inputs import DEFAULT_FILES, SOURCES, WORKLOADS, build_workload
from .jobs import PEERS, SYSTEMS, BenchmarkError, SystemName, Workload
from .machine import this_machine, usable_cores
from .peers import check_python, ensure_peers
from .processes import Workers
from .results import Row

ROOT = Path(__file__).resolve().parents[2]

_DESCRIPTION = """Compare seqscore with lm-eval, minicons and plain transformers: the same model, texts and machine, in
one run, equal scores asserted before times count. Results go to the terminal and, with --out, to benchmark.json,
benchmark.csv and benchmark.png. lm-eval and minicons are installed into .venv-peers on first use."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, 1 for an error (told in one line), 130 for an interruption."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(options)
    except BenchmarkError as error:
        tell(str(error))
        return 1
    except KeyboardInterrupt:
        tell("interrupted; the running process was stopped")
        return 130


def tell(message: str) -> None:
    """A line for people, on standard error."""
    print(f"benchmark: {message}", file=sys.stderr, flush=True)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; exits with 2 and a message for what is unknown."""
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=_DESCRIPTION)
    what = parser.add_argument_group("what is compared")
    what.add_argument("--systems", type=_names(SYSTEMS), default=SYSTEMS, help=f"of {','.join(SYSTEMS)} (all)")
    what.add_argument("--workloads", type=_names(WORKLOADS), default=WORKLOADS, help=f"of {','.join(WORKLOADS)} (all)")
    what.add_argument("--model", default="default", help="default, a checkpoint's folder, or a name on the hub")
    what.add_argument("--dtype", choices=list(TOLERANCES), default="float32")
    files = parser.add_argument_group(
        "inputs (the project's own small ones by default; several files are read in turn)"
    )
    for name, meaning in {
        "pairs": "JSONL with sentence_good and sentence_bad",
        "paragraphs": "text, a paragraph a line; blank lines and = headings = are left out",
        "choices": "JSONL with query and choices",
        "passages": "the same, long queries of which consecutive ones begin alike",
        "document": "one long text",
    }.items():
        files.add_argument(f"--{name}", type=Path, nargs="+", metavar="FILE", help=meaning)
    files.add_argument(
        "--limit",
        action="append",
        default=[],
        type=_limit,
        metavar="[WORKLOAD=]N",
        help="take the first N rows (of a document: lines); may be given again for single workloads",
    )
    files.add_argument("--window", type=_positive, default=512, help="positions in a window of a document (512)")
    how = parser.add_argument_group("how")
    how.add_argument("--repeat", type=_positive, default=3, help="repetitions (3)")
    how.add_argument("--threads", type=_positive, default=usable_cores(), help="threads of every system (all cores)")
    how.add_argument("--busy", type=_positive, default=0, help="processes that keep a core busy meanwhile (none)")
    how.add_argument("--engine", default="auto", help="seqscore's engine (auto)")
    how.add_argument("--batch-tokens", type=_positive, help="seqscore's token budget (its default)")
    how.add_argument(
        "--tune", action="store_true", help="choose the peers' batch sizes by trying some first (six runs each)"
    )
    how.add_argument("--peers-python", type=Path, metavar="PATH", help="a Python that has lm-eval and minicons")
    how.add_argument("--out", type=Path, metavar="DIR", help="write benchmark.json, benchmark.csv, benchmark.png there")
    return parser.parse_args(arguments)


def _names(known: Sequence[str]) -> Any:
    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise argparse.ArgumentTypeError(
                f"{', '.join(map(repr, unknown)) or repr(text)} is unknown; expected {', '.join(known)}"
            )
        return names

    return read


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _limit(text: str) -> tuple[str, int]:
    """(workload, rows); the workload is empty for all of them."""
    name, equals, number = text.rpartition("=")
    if equals and name not in WORKLOADS:
        raise argparse.ArgumentTypeError(f"workload {name!r} is unknown; expected {', '.join(WORKLOADS)}")
    return name, _positive(number)


def read_workloads(options: argparse.Namespace) -> list[Workload]:
    """The workloads that were asked for.

    Raises:
        BenchmarkError: a file is missing or not what was expected.
    """
    limits = dict(options.limit)
    workloads = []
    for name in options.workloads:
        source = SOURCES[name]
        files = getattr(options, source) or [ROOT / "data" / DEFAULT_FILES[source]]
        limit = limits.get(name, limits.get(source, limits.get("")))
        workloads.append(build_workload(name, files, limit=limit, window=options.window))
    return workloads


def _run(options: argparse.Namespace) -> int:
    workloads = read_workloads(options)
    if options.out is not None:
        _make_folder(options.out)
    pythons = _pythons(options)
    folder, label = _model(options.model)
    settings = Settings(
        systems=options.systems,
        model=str(folder),
        dtype=options.dtype,
        threads=options.threads,
        engine=options.engine,
        batch_tokens=options.batch_tokens,
        limit=context_length(folder),
        repeat=options.repeat,
        tune=options.tune,
        busy=options.busy,
    )
    if any(workload.max_length is not None for workload in workloads):
        _check_window(options.window, settings.limit)
    comparison = Comparison(Workers(pythons, busy=options.busy), settings, tell)
    rows: list[Row] = []
    output = _Output(options.out, label, settings, total=len(workloads))
    for done, some in enumerate(comparison.rows(workloads), start=1):
        rows += some
        output.add(rows, some, done)
    output.finish(rows)
    return 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchmarkError(f"--out {folder}: {error.strerror}") from error


def _pythons(options: argparse.Namespace) -> dict[SystemName, Path]:
    own = Path(sys.executable)
    pythons: dict[SystemName, Path] = {"seqscore": own, "transformers": own}
    if any(name in PEERS for name in options.systems):
        peers = check_python(options.peers_python) if options.peers_python else ensure_peers(ROOT, tell=tell)
        pythons.update(dict.fromkeys(PEERS, peers))
    return pythons


def _model(name: str) -> tuple[Path, str]:
    """The folder that all systems load, and the model's name for people."""
    path = Path(name).expanduser()
    if name != "default" and path.is_dir():
        return path.absolute(), path.resolve().name
    from seqscore.errors import SeqscoreError
    from seqscore.models.load.default import DEFAULT_NAME, ensure_default_model
    from seqscore.models.load.hub import fetch_snapshot, is_hub_name

    try:
        if name == "default":
            return ensure_default_model(notify=tell), DEFAULT_NAME
        if path.exists() or name.endswith(".gguf") or not is_hub_name(name):
            raise BenchmarkError(
                f"--model {name}: expected default, a name on the hub, or a folder with a checkpoint (safetensors), "
                "which the peers can load too"
            )
        snapshot, _ = fetch_snapshot(name, revision=None, allow_pickle=False, trust_remote_code=False, notify=tell)
    except SeqscoreError as error:
        raise BenchmarkError(str(error)) from error
    return snapshot, name


def context_length(folder: Path) -> int | None:
    """The longest input that a checkpoint's config states."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{folder} is no checkpoint: its config.json cannot be read ({error})") from error
    for part in (config.get("text_config") or {}, config):
        for name in ("max_position_embeddings", "n_positions", "n_ctx", "seq_length"):
            if isinstance(part.get(name), int):
                return int(part[name])
    return None


def _check_window(window: int, limit: int | None) -> None:
    if window < 2 or (limit is not None and window > limit):
        upper = "" if limit is None else f" and at most {limit}, the model's context"
        raise BenchmarkError(f"--window {window}: it must be at least 2{upper}")


class _Output:
    """Shows each workload as soon as it is done, and writes the files anew, so that nothing that is done is lost."""

    def __init__(self, folder: Path | None, model: str, settings: Settings, *, total: int) -> None:
        from rich.console import Console

        self._folder, self._model, self._settings, self._total = folder, model, settings, total
        width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "120"))
        self._console = Console(markup=False, highlight=False, emoji=False, width=width)

    def add(self, rows: list[Row], some: list[Row], done: int) -> None:
        """One workload more."""
        from .report import show_workload

        show_workload(self._console, some)
        self._write(rows, complete=done == self._total)

    def finish(self, rows: list[Row]) -> None:
        """What holds for all, and the picture."""
        from .chart import draw
        from .report import show_about

        show_about(self._console, rows, self._about(complete=True))
        if self._folder is not None:
            machine = this_machine()
            cpu = machine.cpu.split(" (")[0]
            title = f"{self._model}, {self._settings.dtype}, {self._settings.threads} threads, {cpu}"
            draw(self._folder / "benchmark.png", rows, title=title)
            tell(f"wrote benchmark.json, benchmark.csv and benchmark.png to {self._folder}")

    def _write(self, rows: list[Row], *, complete: bool) -> None:
        from .report import write_csv, write_json

        if self._folder is not None:
            about = self._about(complete=complete)
            write_json(self._folder / "benchmark.json", rows, about)
            write_csv(self._folder / "benchmark.csv", rows, about)

    def _about(self, *, complete: bool) -> Any:
        from .report import About

        return About(
            model=self._model,
            machine=this_machine(),
            dtype=self._settings.dtype,
            threads=self._settings.threads,
            settings=settings_record(self._settings),
            complete=complete,
        )
