"""Check what a built wheel holds: the package, typed and licensed, with one command, and nothing else."""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def problems(wheel: Path) -> Iterator[str]:
    """Sentences about what is wrong with ``wheel``, compared with the tree that it was built from."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name.split("/")[0] for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        entry_points = archive.read(f"{info}/entry_points.txt").decode()

    inside = {name for name in names if not name.startswith(f"{info}/")}
    package = ROOT / "seqscore"
    kinds = ("*.py", "*.html", "*.css", "*.js")  # the last three: the report's page
    found = {path.relative_to(ROOT).as_posix() for kind in kinds for path in package.rglob(kind)}
    sources = found | {"seqscore/py.typed"}
    yield from (f"{name} is missing" for name in sorted(sources - inside))
    yield from (f"{name} does not belong into it" for name in sorted(inside - sources))
    if f"{info}/licenses/LICENSE" not in names:
        yield "the licence text is missing"
    if metadata["License-Expression"] != "Apache-2.0":
        yield f"its licence is {metadata['License-Expression']!r}, expected 'Apache-2.0'"
    if metadata["Requires-Python"] != ">=3.11":
        yield f"it requires Python {metadata['Requires-Python']!r}, expected '>=3.11'"
    if "seqscore = seqscore.cli:main" not in entry_points:
        yield "it has no command seqscore"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel
    found = list(problems(wheel))
    for problem in found:
        print(f"{wheel.name}: {problem}", file=sys.stderr)
    if found:
        sys.exit(1)
    print(f"{wheel.name}: as it should be")


if __name__ == "__main__":
    main()
