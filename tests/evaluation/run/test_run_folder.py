from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xxhash

from seqscore.errors import InputError, NumericsError, OptionError
from seqscore.evaluation.run.parts import checksum_path, part_path, write_checksum
from seqscore.evaluation.run.run_folder import RunFolder, open_run, read_run
from tests.evaluation.killed import FILES, calls_of, killed_before

SCHEMA = pa.schema([("id", pa.string()), ("value", pa.float64())])
FINGERPRINT = {
    "model": {"name": "m", "weights": "sha256:1"},
    "data": {"rows": 7},
    "task": {"task": "perplexity", "fields": {}},
    "settings": {},
}
SUMMARY: dict[str, Any] = {
    **{"task": "perplexity", "rows": 7, "scored": 7, "errors": {}, "error_reasons": [], "boundaries": {}},
    **dict.fromkeys([f"{of}_{what}" for of in ("tokens", "rows") for what in ("cut", "unread", "unknown")], 0),
    **{"delimiters": {}, "figures": [], "calibration": None, "signature": "s", "infinite": float("inf")},
}
ROOT = Path(__file__).resolve().parents[3]


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
        run.finish(SUMMARY)
    return path


def go_on(path: Path) -> None:
    """A run of three parts, from where it was left."""
    with opened(path) as run:
        for part in range(run.num_parts, 3):
            run.write_part(rows(3 * part, 3), digest=lambda: "digest")
        if run.status != "complete":
            run.finish(SUMMARY)


def whole_part(path: Path, part: int, data: bytes) -> None:
    """A part with the checksum of its bytes, as a run writes them."""
    (path / "parts" / f"part-{part:06d}.parquet").write_bytes(data)
    write_checksum(part_path(path, part), xxhash.xxh3_128_hexdigest(data))


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
    assert run.summary == {**SUMMARY, "infinite": "Infinity"}
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
            run.finish(SUMMARY)
        assert files(path) == whole


def test_a_complete_run_is_left_alone(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    before = {one: one.stat().st_mtime_ns for one in path.rglob("*.*") if one.name != ".lock"}
    with opened(path) as run:
        assert run.status == "complete"
    assert before == {one: one.stat().st_mtime_ns for one in before}


def test_another_fingerprint_is_refused_field_by_field(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    model, data = {"name": "m", "weights": "sha256:2"}, {"rows": 7, "limit": 5}
    other = {**FINGERPRINT, "model": model, "data": data}
    said = refused(path, OptionError, fingerprint=other)
    assert 'model.weights: "sha256:1" -> "sha256:2"' in said
    assert "data.limit: nothing -> 5" in said
    assert "model.name" not in said
    many = {**FINGERPRINT, "data": {**FINGERPRINT["data"], **{str(number): number for number in range(30)}}}
    assert "and 22 more. Name another folder" in refused(path, OptionError, fingerprint=many)
    assert "part_rows: 3 -> 4" in refused(path, OptionError, part_rows=4)


def test_a_second_process_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with opened(path):
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # ends it should it wait
            try:
                os._exit(0 if "another process is working on" in refused(path, OptionError) else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
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
    with pytest.raises(InputError, match="lacks part 1"):
        read_run(path)


def test_parts_of_another_layout_are_errors(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    whole_part(path, 1, (path / "parts" / "part-000002.parquet").read_bytes())
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


@pytest.mark.parametrize("call", ["fsync", "replace", "replace of the part alone"])
def test_a_full_disk_leaves_whole_parts_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path, rename = tmp_path / "run", Path.replace

    def full(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def full_for_parts(self: Path, target: Path) -> Path:
        if target.suffix == ".parquet":
            full()
        return rename(self, target)

    with opened(path) as run:
        write(run, 0, 3)
        with monkeypatch.context() as patched:
            if call == "fsync":
                patched.setattr(os, "fsync", full)
            else:
                patched.setattr(Path, "replace", full if call == "replace" else full_for_parts)
            with pytest.raises(OptionError, match="No space left on device"):
                write(run, 3, 3)
    assert sorted(one.name for one in (path / "parts").iterdir()) == [
        "part-000000.parquet",
        "part-000000.parquet.xxh128",
    ]
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
        run.finish(SUMMARY)
    assert list((tmp_path / "run" / "parts").iterdir()) == []
    assert read_run(tmp_path / "run").num_rows == 0


def test_killed_at_25_moments(tmp_path: Path) -> None:
    """Killed before each of 25 calls that touch files, and once more while it goes on: the bytes are a whole run's."""
    go_on(tmp_path / "warm")
    calls = calls_of(lambda: go_on(tmp_path / "whole"), FILES)
    whole, generator, parts, again = files(tmp_path / "whole"), random.Random(0), set(), 0
    for stop in range(1, calls + 1, max(1, calls // 25)):
        path = tmp_path / str(stop)
        assert killed_before(stop, lambda path=path: go_on(path), FILES), stop  # type: ignore[misc]
        parts.add(len(list(path.glob("parts/part-*.parquet"))))
        again += killed_before(generator.randint(1, calls), lambda path=path: go_on(path), FILES)  # type: ignore[misc]
        go_on(path)
        assert files(path) == whole, stop
    assert calls >= 25 and len(parts) >= 3 and again >= 5, (calls, parts, again)


def test_json_files_hold_no_nan(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as run, pytest.raises(NumericsError, match="NaN"):
        run.finish({"figure": float("nan")})
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "running"


def test_what_a_dead_process_left_half_written_is_removed(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    left = [path / ".summary.json.tmp", path / "parts" / ".part-000003.parquet.tmp"]
    for one in left:
        one.write_bytes(b"half")
    with opened(path):
        assert not any(one.exists() for one in left)


def test_every_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")

    def content() -> Any:
        run = read_run(path)
        stored = [row for batch in run.batches() for row in batch.to_pylist()]
        with opened(path) as again:
            return stored, run.summary, run.manifest, run.num_rows, again.input_digest(1), again.status

    whole, refusals = content(), 0
    generator = random.Random(0)
    names = [name for name in files(path) if name != ".lock"]
    assert len(names) == 8
    for name in names:
        file, data = path / name, (path / name).read_bytes()
        for _ in range(30):
            place = generator.randrange(len(data))
            flipped = bytearray(data)
            flipped[place] ^= 1 << generator.randrange(8)
            file.write_bytes(flipped)
            try:
                assert content() == whole, (name, place)
            except (InputError, OptionError) as error:
                refusals += 1
                assert str(path) in str(error)
        file.write_bytes(data)
    assert content() == whole
    assert refusals > 220, "nearly all: white space between fields of JSON may become another white space"


def test_a_part_without_its_checksum_is_refused_and_one_that_changes_under_a_reader_too(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    run = read_run(path)
    assert run.num_rows == 7
    part = part_path(path, 1)
    data = bytearray(part.read_bytes())
    data[20] ^= 1
    part.write_bytes(data)
    with pytest.raises(InputError, match="its bytes are not those of its checksum"):
        list(run.batches())
    checksum_path(part).unlink()
    with pytest.raises(InputError, match=r"cannot be checked \(part-000001.parquet.xxh128: No such file"):
        list(run.batches())
    assert "cannot be checked" in refused(path, InputError)


def test_a_checksum_whose_part_never_came_is_written_again(tmp_path: Path) -> None:
    """What a process leaves that was killed between the two."""
    whole = files(complete(tmp_path / "whole"))
    path = tmp_path / "run"
    with opened(path) as run:
        write(run, 0, 3)
    write_checksum(part_path(path, 1), "0" * 32)
    assert read_run(path).num_rows == 3
    with opened(path) as run:
        write(run, 3, 3)
        write(run, 6, 1)
        run.finish(SUMMARY)
    assert files(path) == whole


def test_what_a_complete_run_lost_at_its_end_is_made_anew(tmp_path: Path) -> None:
    path = complete(tmp_path / "run")
    whole = files(path)
    part_path(path, 2).unlink()
    with pytest.raises(InputError, match="is complete with 3 parts, yet 2 are there"):
        read_run(path)
    with opened(path) as run:
        assert run.status == "running" and run.num_parts == 2
        write(run, 6, 1)
        run.finish(SUMMARY)
    assert files(path) == whole
    (path / "summary.json").unlink()
    with opened(path) as run:
        assert run.status == "running" and run.num_parts == 3


@pytest.mark.parametrize("layout", [1, 2, 4])
def test_a_run_of_another_layout_is_refused_by_its_number(tmp_path: Path, layout: int) -> None:
    path = complete(tmp_path / "run")
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "format": layout}))
    with pytest.raises(InputError, match=f"is of layout {layout}, this version reads layout 3: score the data again"):
        read_run(path)
    assert f"is of layout {layout}" in refused(path, InputError)


def test_a_run_reaches_nothing_outside_its_folder_and_removes_its_own_files_alone(tmp_path: Path) -> None:
    outside, path = tmp_path / "outside", tmp_path / "run"
    outside.mkdir()
    precious = outside / ".precious.tmp"
    precious.write_text("mine")
    path.mkdir()
    (path / "parts").symlink_to(outside)
    assert "is a link" in refused(path, OptionError)
    (path / "parts").unlink()
    complete(path)
    others = [path / ".mine.tmp", path / "parts" / ".part-x.parquet.tmp", path / ".summary.json.tmp.tmp"]
    for one in others:
        one.write_text("mine")
    with opened(path):
        pass
    assert precious.read_text() == "mine" and all(one.read_text() == "mine" for one in others)


def test_a_folder_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/run\xff"))
    with opened(path, fingerprint={**FINGERPRINT, "data": {"file 0": "bad\udcff.jsonl"}}) as run:
        write(run, 0, 3)
        run.finish(SUMMARY)
    found = read_run(path)
    assert found.num_rows == 3 and found.fingerprint["data"] == {"file 0": "bad\\udcff.jsonl"}
