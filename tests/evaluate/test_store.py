from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluate.store import RunFolder, open_run, read_run

SCHEMA = pa.schema([("id", pa.string()), ("value", pa.float64())])
FINGERPRINT = {"model": {"name": "m", "weights": "sha256:1"}, "data": {"rows": 7}}
ROOT = Path(__file__).resolve().parents[2]


def rows(first: int, count: int) -> Iterator[dict[str, Any]]:
    return ({"id": str(i), "value": i / 3} for i in range(first, first + count))


def opened(path: Path, **changes: Any) -> Any:
    return open_run(path, **{"fingerprint": FINGERPRINT, "schema": SCHEMA, "part_rows": 3, **changes})


def write(run: RunFolder, first: int, count: int) -> int:
    return run.write_part(rows(first, count), digest=lambda: f"digest {first}")


def complete(path: Path) -> Path:
    with opened(path) as run:
        for first in (0, 3):
            write(run, first, 3)
        write(run, 6, 1)
        run.finish({"figure": 1.5, "infinite": float("inf")})
    return path


def files(path: Path) -> dict[str, bytes]:
    return {str(one.relative_to(path)): one.read_bytes() for one in sorted(path.rglob("*")) if one.is_file()}


def refused(path: Path, kind: type[Exception], **changes: Any) -> str:
    with pytest.raises(kind) as caught, opened(path, **changes):
        pass
    return str(caught.value)


def test_a_run_is_read_back(tmp_path: Path) -> None:
    run = read_run(complete(tmp_path / "run"))
    assert run.num_rows == 7
    assert [batch.num_rows for batch in run.batches()] == [3, 3, 1]
    found = [row for batch in run.batches() for row in batch.to_pylist()]
    assert found == list(rows(0, 7))
    assert run.summary == {"figure": 1.5, "infinite": "Infinity"}
    assert run.fingerprint == FINGERPRINT


def test_the_same_run_is_the_same_bytes_wherever_it_stopped(tmp_path: Path) -> None:
    whole = files(complete(tmp_path / "whole"))
    for stop in range(4):
        path = tmp_path / f"stopped {stop}"
        with opened(path) as run:
            for first in (0, 3, 6)[:stop]:
                write(run, first, min(3, 7 - first))
        with opened(path) as run:
            assert run.num_parts == stop
            assert [run.input_digest(part) for part in range(stop)] == [f"digest {3 * part}" for part in range(stop)]
            for first in (0, 3, 6)[stop:]:
                write(run, first, min(3, 7 - first))
            run.finish({"figure": 1.5, "infinite": float("inf")})
        assert files(path) == whole


def test_a_complete_run_is_left_alone(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    before = {one: one.stat().st_mtime_ns for one in path.rglob("*.*") if one.name != ".lock"}
    with opened(path) as run:
        assert run.status == "complete"
    assert before == {one: one.stat().st_mtime_ns for one in before}


def test_another_fingerprint_is_refused_field_by_field(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    other = {"model": {"name": "m", "weights": "sha256:2"}, "data": {"rows": 7, "limit": 5}}
    said = refused(path, OptionError, fingerprint=other)
    assert 'model.weights: "sha256:1" -> "sha256:2"' in said
    assert "data.limit: nothing -> 5" in said
    assert "model.name" not in said
    many = {"data": {str(number): number for number in range(30)}}
    assert "and 24 more. Name another folder" in refused(path, OptionError, fingerprint=many)
    assert "part_rows: 3 -> 4" in refused(path, OptionError, part_rows=4)


def test_a_second_process_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with opened(path):
        code = textwrap.dedent(
            f"""
            import sys
            from pathlib import Path
            from tests.evaluate.test_store import opened
            from seqscore.errors import OptionError
            try:
                with opened(Path({str(path)!r})):
                    print("opened")
            except OptionError as error:
                print(error)
            """
        )
        begin = time.monotonic()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
        assert "another process is working on" in done.stdout, done.stderr
        assert time.monotonic() - begin < 60
    with opened(path):  # given back, though the lock file is still there
        assert (path / ".lock").exists()


def test_folders_of_others_and_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    assert "is not empty and no run ('note.txt' is in it)" in refused(tmp_path, OptionError)
    assert [one.name for one in tmp_path.iterdir()] == ["note.txt"]
    assert "is a file" in refused(tmp_path / "note.txt", OptionError)
    assert "cannot write" in refused(tmp_path / "note.txt" / "run", OptionError)
    with pytest.raises(InputError, match="is no run"):
        read_run(tmp_path)


def test_damaged_parts_are_errors_and_are_not_touched(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    part = path / "parts" / "part-000001.parquet"
    whole = part.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:-1], b"x" * 50):
        part.write_bytes(damaged)
        assert "remove it and all later parts" in refused(path, InputError)
        assert part.read_bytes() == damaged
        with pytest.raises(InputError, match=r"damaged|no whole part"):
            list(read_run(path).batches())
    part.unlink()
    assert "lacks part 1, yet part 2 is there" in refused(path, InputError)
    with pytest.raises(InputError, match="lacks a part"):
        read_run(path)


def test_parts_of_another_layout_are_errors(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    short = (path / "parts" / "part-000002.parquet").read_bytes()
    (path / "parts" / "part-000001.parquet").write_bytes(short)
    assert "has 1 rows, expected 3" in refused(path, InputError)
    other = tmp_path / "other"
    with open_run(other, fingerprint=FINGERPRINT, schema=SCHEMA.remove(1), part_rows=3) as run:
        run.write_part(({"id": "a"} for _ in range(3)), digest=lambda: "")
    assert "has other columns" in refused(other, InputError)


def test_a_manifest_that_is_damaged_or_gone(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    (path / "manifest.json").write_text("{")
    assert "cannot read" in refused(path, InputError)
    (path / "manifest.json").unlink()
    (path / "summary.json").unlink()
    assert "holds parts but no manifest.json" in refused(path, InputError)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_whole_parts_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "run"

    def full(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with opened(path) as run:
        write(run, 0, 3)
        with monkeypatch.context() as patched:
            patched.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), full)
            with pytest.raises(OptionError, match="No space left on device"):
                write(run, 3, 3)
    assert sorted(one.name for one in (path / "parts").iterdir()) == ["part-000000.parquet"]
    with opened(path) as run:
        assert run.num_parts == 1


def test_a_real_limit_on_file_size(tmp_path: Path) -> None:
    """The kernel itself refuses to write: a stand-in for a full disk that needs no mount."""
    path = tmp_path / "run"
    with opened(path, part_rows=50_000) as run:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
            with pytest.raises(OptionError, match="cannot write"):
                write(run, 0, 50_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
    assert list((path / "parts").iterdir()) == []


def test_what_the_rows_raise_is_passed_on_and_nothing_stays(tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield from rows(0, 2)
        raise KeyboardInterrupt

    with opened(tmp_path / "run") as run:
        with pytest.raises(KeyboardInterrupt):
            run.write_part(broken(), digest=lambda: "")
        assert run.num_parts == 0
    assert list((tmp_path / "run" / "parts").iterdir()) == []


def test_no_row_is_no_part(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as run:
        assert run.write_part(iter(()), digest=lambda: "") == 0
        run.finish({})
    assert list((tmp_path / "run" / "parts").iterdir()) == []
    assert read_run(tmp_path / "run").num_rows == 0


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Real processes that write parts slowly, each killed, until one gets to the end."""
    path, whole = tmp_path / "run", tmp_path / "whole"
    body = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        import pyarrow as pa
        from seqscore.evaluate.store import open_run
        path, pause = Path(sys.argv[1]), float(sys.argv[2])
        schema = pa.schema([("id", pa.string()), ("value", pa.float64())])
        def slow(part):
            for row in range(3 * part, 3 * part + 3):
                time.sleep(pause)
                yield {"id": str(row), "value": row / 3}
        print("begun", flush=True)
        with open_run(path, fingerprint={}, schema=schema, part_rows=3) as run:
            for part in range(run.num_parts, 30):
                run.write_part(slow(part), digest=lambda: f"digest {part}")
            if run.status != "complete":
                run.finish({"parts": run.num_parts})
        """
    )
    generator, killed, parts = random.Random(0), 0, set()
    while True:
        child = subprocess.Popen([sys.executable, "-c", body, str(path), "0.005"], cwd=ROOT, stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline() == b"begun\n"
        try:
            child.wait(generator.uniform(0, 0.4))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            killed += 1
        if child.wait() == 0:
            break
        parts.add(len(list(path.glob("parts/part-*.parquet"))))
    assert killed >= 3 and len(parts) >= 2
    subprocess.run([sys.executable, "-c", body, str(whole), "0"], cwd=ROOT, check=True, capture_output=True)
    assert files(path) == files(whole)


def test_json_files_hold_no_nan(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as run, pytest.raises(InputError, match="NaN"):
        run.finish({"figure": float("nan")})
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "running"


def test_what_a_dead_process_left_half_written_is_removed(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    left = [path / ".summary.json.tmp", path / "parts" / ".part-000003.parquet.tmp"]
    for one in left:
        one.write_bytes(b"half")
    with opened(path):
        assert not any(one.exists() for one in left)
