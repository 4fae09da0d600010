"""A format is one file and one line: a toy one goes the whole way."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from seqscore.errors import OptionError
from seqscore.evaluation.scored.scored_rows import OutputRecord
from seqscore.output import formats
from seqscore.output.destination import Output
from seqscore.output.formats import FORMATS, Format, format_of
from tests.cli.conftest import Run


class ToyWriter:
    """The sum of each text on a line, then how many there were."""

    def __init__(self, output: Output) -> None:
        self._output, self._count = output, 0

    def write(self, record: OutputRecord) -> None:
        self._count += 1
        self._output.write(f"{record.fields['text']}|{record.fields['num_scored']}\n".encode())

    def finish(self, about: Mapping[str, str]) -> None:
        self._output.write(f"{self._count} {sorted(about)}\n".encode())

    def discard(self) -> None:
        pass


@pytest.fixture
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one file and the one line."""
    module = ModuleType("toy_format")
    vars(module)["toy_writer"] = lambda sheet: ToyWriter(sheet.output)
    monkeypatch.setitem(sys.modules, "toy_format", module)
    toy = Format(writer="toy_format.toy_writer", ends=(".toy",), sidecar=True)
    monkeypatch.setattr(formats, "FORMATS", {**FORMATS, "toy": toy})


@pytest.mark.usefixtures("_toy")
@pytest.mark.parametrize("asked", [("--format", "toy"), ()])
def test_a_new_format_is_one_file_and_one_line(run: Run, tmp_path: Path, asked: tuple[str, ...]) -> None:
    done = run("score", "It rained.", *asked, "-o", str(tmp_path / "x.toy"))
    assert (done.returncode, done.stderr) == (0, "")
    first, last = (tmp_path / "x.toy").read_text().splitlines()
    assert first.startswith("It rained.|") and last == "1 ['signature']"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.toy", "x.toy.meta.json"]


@pytest.mark.usefixtures("_toy")
def test_messages_name_it(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"expected \.jsonl .*\.toy, or --format"):
        format_of(tmp_path / "x.txt")
    with pytest.raises(OptionError, match="toy compresses by itself"):
        format_of(tmp_path / "x.toy.gz")
    assert formats.machine_formats()[-1] == "toy" and formats.shown_ends(formats.FORMATS).endswith("or .toy")


def test_every_writer_of_the_table_is_there() -> None:
    for name, one in FORMATS.items():
        module, _, maker = one.writer.rpartition(".")
        assert callable(getattr(import_module(module), maker)), name
