"""The command line of scripts/benchmark."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from .comparison import Comparison, Row, Settings
from .equal import TOLERANCES
from .machine import this_machine, usable_cores
from .peers import ensure_peers
from .processes import Workers
from .windows import encode
from .workloads import PEERS, SOURCES, SYSTEMS, BenchmarkError, SystemName, Workload, read_workload

ROOT = Path(__file__).resolve().parents[2]

_DESCRIPTION = """Compare seqscore with lm-eval, minicons and plain transformers: the same model, texts and machine, in
one run, equal scores asserted before times count. Results go to the terminal and, with --out, to benchmark.csv and
benchmark.png. lm-eval, minicons and surprisal are installed into .venv-peers on first use."""


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
    add = parser.add_argument
    add("--systems", type=partial(_names, SYSTEMS), default=SYSTEMS, help=f"of {','.join(SYSTEMS)} (all)")
    workloads = tuple(SOURCES)
    add("--workloads", type=partial(_names, workloads), default=workloads, help=f"of {','.join(workloads)} (all)")
    add("--model", default="default", help="default, a checkpoint's folder, or a name on the hub")
    add("--dtype", choices=list(TOLERANCES), default="float32")
    files = ", ".join(dict.fromkeys(file for _, file in SOURCES.values()))
    add("--data", type=Path, default=ROOT / "data", metavar="DIR", help=f"where {files} are (the project's own)")
    add("--rows", type=_positive, help="take the first rows of each file (all)")
    add("--window", type=_positive, default=512, help="positions in a window of a document (512)")
    add("--repeat", type=_positive, default=3, help="repetitions (3)")
    add("--threads", type=_positive, default=usable_cores(), help="threads of every system (all cores)")
    add("--busy", type=_positive, default=0, help="processes that keep a core busy meanwhile (none)")
    add("--engine", default="auto", help="seqscore's engine (auto)")
    add("--batch-tokens", type=_positive, help="seqscore's token budget (its default)")
    add("--out", type=Path, metavar="DIR", help="write benchmark.csv and benchmark.png there")
    return parser.parse_args(arguments)


def _names(known: Sequence[str], text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        named = ", ".join(map(repr, unknown)) or repr(text)
        raise argparse.ArgumentTypeError(f"{named} is unknown; expected {', '.join(known)}")
    return names


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    from transformers import AutoTokenizer

    workloads = [
        read_workload(name, options.data, rows=options.rows, window=options.window) for name in options.workloads
    ]
    if options.out is not None:
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchmarkError(f"--out {options.out}: {error.strerror}") from error
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
        busy=options.busy,
    )
    if any(one.max_length is not None for one in workloads):
        _check_window(options.window, settings.limit)
    workers = Workers(_pythons(options.systems), busy=options.busy)
    tokenizer: Any = AutoTokenizer
    encoder = partial(encode, tokenizer.from_pretrained(folder))
    _compare(Comparison(workers, settings, encoder, tell), workloads, options.out, label)
    return 0


def _pythons(systems: Sequence[SystemName]) -> dict[SystemName, Path]:
    own = Path(sys.executable)
    pythons: dict[SystemName, Path] = dict.fromkeys(SYSTEMS, own)
    if any(name in PEERS for name in systems):
        pythons.update(dict.fromkeys(PEERS, ensure_peers(ROOT, tell=tell)))
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


def _compare(comparison: Comparison, workloads: Sequence[Workload], out: Path | None, model: str) -> None:
    """Show each workload as soon as it is done, and write the file anew, so that nothing that is done is lost."""
    from rich.console import Console

    from .chart import draw
    from .report import About, show_about, show_workload, write_csv

    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "120"))
    console = Console(markup=False, highlight=False, emoji=False, width=width)
    settings, machine = comparison.settings, this_machine()
    about = About(model=model, machine=machine, dtype=settings.dtype, threads=settings.threads, busy=settings.busy)
    rows: list[Row] = []
    for workload in workloads:
        some = comparison.rows(workload)
        rows += some
        show_workload(console, some)
        if out is not None:
            write_csv(out / "benchmark.csv", rows, about)
    show_about(console, rows, about)
    if out is not None:
        title = f"{model}, {settings.dtype}, {settings.threads} threads, {machine.cpu.split(' (')[0]}"
        draw(out / "benchmark.png", rows, title=title)
        tell(f"wrote benchmark.csv and benchmark.png to {out}")


if __name__ == "__main__":
    sys.exit(main())
