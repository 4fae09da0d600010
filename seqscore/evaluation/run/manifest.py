"""What a run depends on, and the small JSON files of its folder: written whole or not at all, the same bytes each time.

No file of a run holds a time, a host name or anything random, so that two runs of one evaluation are equal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from seqscore.errors import InputError
from seqscore.files import plain, write_whole, writing

Json: TypeAlias = Any
"""What JSON can hold: dicts with names as keys, lists, text, numbers, booleans, None."""


def storable(value: Json) -> Json:
    """``value`` as strict JSON has it: tuples as lists, infinities as the text "Infinity" or "-Infinity", and what is
    no Unicode in a text (of a file name, say) as an escape.

    Raises:
        NumericsError: a number is NaN, which no figure of a run may be.
    """
    if isinstance(value, Mapping):
        return {_unicode(str(name)): storable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [storable(one) for one in value]
    return _unicode(value) if isinstance(value, str) else plain(value)


def _unicode(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def sealed(value: Mapping[str, Json]) -> bytes:
    """A JSON object as a file of a run: its last field is the checksum of the others."""
    content = storable(value)
    return _bytes({**content, _CHECKSUM: _checksum(content)})


_CHECKSUM = "checksum"


def _checksum(content: Mapping[str, Json]) -> str:
    import xxhash

    return f"xxh128:{xxhash.xxh3_128_hexdigest(_bytes(content))}"


def _bytes(value: Json) -> bytes:
    """Indented JSON in UTF-8, keys in their order, a newline at the end."""
    return (json.dumps(storable(value), ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode("utf-8")


def read_sealed(path: Path, *, layout: int | None = None) -> dict[str, Json]:
    """The object in a JSON file of a run, without its checksum. ``layout``: the ``format`` that it must name.

    Raises:
        InputError: the file cannot be read, is of another layout, or is not as it was written.
    """
    name = repr(str(path))
    try:
        content = json.loads(path.read_bytes(), parse_constant=_no_number)
        found = content.pop(_CHECKSUM, None) if isinstance(content, dict) else None
        actual = _checksum(content) if isinstance(content, dict) else None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {name} of the run: {reason}") from error
    if not isinstance(content, dict):
        raise InputError(f"{name} must hold a JSON object, as a run writes it, got {type(content).__name__}")
    if layout is not None and content.get("format") != layout:
        raise InputError(
            f"{name} is of layout {content.get('format')!r:.20}, this version reads layout {layout}: score the data "
            f"again into another folder, or read the run with the seqscore that wrote it"
        )
    if found != actual:
        cure = _CURES.get(path.name, "restore it")
        raise InputError(f"{name} is not as it was written: its content is not that of its checksum; {cure}")
    return content


_CURES = {
    "manifest.json": "restore it, or score the data again into another folder",
    "summary.json": "restore it, or remove it and run the eval again, which sums up anew",
}


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def differences(before: Mapping[str, Json], now: Mapping[str, Json], *, prefix: str = "") -> list[str]:
    """What differs between two objects, field by field: ``model.weights: a -> b``."""
    found: list[str] = []
    for name in [*before, *(name for name in now if name not in before)]:
        old, new = before.get(name, _ABSENT), now.get(name, _ABSENT)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, prefix=f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name}: {_shown(old)} -> {_shown(new)}")
    return found


_ABSENT = object()


def _shown(value: Json) -> str:
    text = "nothing" if value is _ABSENT else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file of a run whole or not at all.

    Raises:
        OptionError: it cannot be written; what stood there before is left as it was.
    """
    with writing(path):
        write_whole(path, data, beside=path.with_name(f".{path.name}.tmp"))
