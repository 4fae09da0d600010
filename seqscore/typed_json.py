"""Cells of a table as JSON that tells their types apart, so that they can be stored and written out again.

What JSON has stands as it is: null, true, 3, 2.5, "text", lists, objects. Everything else is an object of one name that
begins with ``$``: ``{"$timestamp": "2024-05-01T12:00:00+02:00"}``. An object of the data that looks like one is wrapped
in ``$object``.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from seqscore.errors import InputError
from seqscore.files import plain


class NotKept(NamedTuple):
    """Stands for a value that no table holds, such as a picture, or that is nested too deeply; ``what`` it was."""

    what: str


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_LONE = re.compile("[\ud800-\udfff]")
_FAULTS = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)


def encoded(columns: Mapping[str, Any]) -> str:
    """The columns of a row as one line of JSON text that UTF-8 can hold; ``decoded`` gives them back.

    A value that cannot be kept is stored as ``{"$not_kept": "what it was"}``: no column can make a row fail.
    """
    cells = ", ".join(f"{_dumped(str(name))}: {_encoded_cell(value)}" for name, value in columns.items())
    return "{" + cells + "}"


def decoded(text: str, *, where: str) -> dict[str, Any]:
    """The columns that ``encoded`` wrote.

    Raises:
        InputError: the text is nothing that it writes; the message begins with ``where``.
    """
    try:
        found = json.loads(text)
        return {name: _untagged(value) for name, value in found.items()}
    except _FAULTS as error:
        raise InputError(
            f"{where}: the columns of the row cannot be read ({error}); is the file damaged, or changed by hand?"
        ) from error


def _encoded_cell(value: Any) -> str:
    try:
        return _dumped(value if type(value) is str else _tagged(value))
    except (*_FAULTS, BufferError) as error:  # nested too deeply, a number of thousands of digits
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return _dumped({"$not_kept": what})


def _dumped(value: Any) -> str:
    text = _ENCODER.encode(value)
    return text if text.isascii() else _LONE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _tagged(value: Any) -> Any:
    """``value`` as JSON can hold it."""
    if type(value).__module__ == "numpy" and hasattr(value, "dtype") and value.dtype.kind not in "Mm":
        value = value.tolist()
    if value is None or isinstance(value, bool | str):
        return value
    if getattr(value, "shape", None) and type(value).__name__ == "ndarray":  # of times
        return [_tagged(one) for one in value]
    if isinstance(value, datetime) and str(value) == "NaT":  # pandas' missing time is a datetime, and no other is so
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, Mapping):
        return _tagged_mapping(value)
    if isinstance(value, list | tuple) and not isinstance(value, NotKept):
        return [_tagged(one) for one in value]
    return _tagged_other(value)


def _tagged_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    if not all(isinstance(name, str) for name in value):
        return {"$map": [[_tagged(_hashed(name)), _tagged(one)] for name, one in value.items()]}
    found = {name: _tagged(one) for name, one in value.items()}
    return {"$object": found} if len(found) == 1 and next(iter(found)).startswith("$") else found


def _hashed(name: Any) -> Any:
    """A key that can be one again when it is read."""
    if isinstance(name, tuple) and not isinstance(name, NotKept):
        return tuple(map(_hashed, name))
    return NotKept(f"a {type(name).__name__}") if isinstance(name, Mapping | frozenset) else name


def _tagged_other(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, timedelta):
        parts = [value.days, value.seconds, value.microseconds]
        nanoseconds = getattr(value, "nanoseconds", 0)  # of pandas
        return {"$duration": [*parts, nanoseconds] if nanoseconds else parts}
    for name, kind in (("$timestamp", datetime), ("$date", date), ("$time", time)):
        if isinstance(value, kind):
            return {name: value.isoformat()}
    if isinstance(value, UUID):
        return {"$uuid": str(value)}
    if type(value).__name__ in ("datetime64", "timedelta64"):
        return _tagged_numpy(value)
    return {"$not_kept": value.what if isinstance(value, NotKept) else f"a {type(value).__name__}"}


def _tagged_numpy(value: Any) -> Any:
    """A time or a duration of NumPy, whose units are many, in the first unit that holds it and is read again."""
    import numpy as np

    if np.isnat(value):
        return None
    if value.dtype.kind == "m":
        whole = value.astype("m8[ns]")
        if np.datetime_data(value.dtype)[0] not in ("Y", "M", "generic") and whole.astype(value.dtype) == value:
            microseconds, nanoseconds = divmod(int(whole.astype(np.int64)), 1000)
            found = timedelta(microseconds=microseconds)
            parts = [found.days, found.seconds, found.microseconds]
            return {"$duration": [*parts, nanoseconds] if nanoseconds else parts}
        return {"$not_kept": "a timedelta64"}
    for unit in ("us", "ns", "ps", "s"):
        with suppress(ValueError, OverflowError):
            same = value.astype(f"M8[{unit}]")
            if same.astype(value.dtype) == value and np.datetime64(_timestamp(str(same))) == same:
                return {"$timestamp": str(same)}
    return {"$not_kept": "a datetime64"}


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(one) for one in value]
    if not isinstance(value, dict):
        return value
    name = next(iter(value)) if len(value) == 1 else ""
    return _READ[name](value[name]) if name.startswith("$") else _untagged_values(value)


def _untagged_values(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _untagged(one) for name, one in value.items()}


def _timestamp(text: str) -> Any:
    """A datetime; with nanoseconds, which that has no room for, a NumPy datetime64, or with a zone the text itself."""
    fraction = re.search(r"\.(\d+)", text)
    if fraction is None or len(fraction[1]) <= 6:
        with suppress(ValueError):
            return datetime.fromisoformat(text)
        if not re.match(r"-?\d{4}", text):  # NumPy reads "now", too
            raise ValueError(f"{text!r} is no time")
    import numpy as np

    return text if re.search(r"[+Z-]", text[11:]) else np.datetime64(text)


def _duration(parts: Any) -> Any:
    """A timedelta; with nanoseconds, which that has no room for, a NumPy timedelta64."""
    days, seconds, microseconds, *nanoseconds = parts
    found = timedelta(days, seconds, microseconds)
    if not nanoseconds:
        return found
    import numpy as np

    (more,) = nanoseconds
    return np.timedelta64(1000 * (found // timedelta(microseconds=1)) + more, "ns")


def _key(value: Any) -> Any:
    """A key of a mapping, where a list was a tuple."""
    return tuple(map(_key, value)) if isinstance(value, list) else value


_READ: Mapping[str, Callable[[Any], Any]] = {
    "$object": _untagged_values,
    "$map": lambda pairs: {_key(_untagged(name)): _untagged(one) for name, one in pairs},
    "$float": float,
    "$bytes": lambda text: base64.b64decode(text, validate=True),
    "$decimal": Decimal,
    "$duration": _duration,
    "$timestamp": _timestamp,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$uuid": UUID,
    "$not_kept": NotKept,
}


def plain_cell(value: Any) -> Any:
    """``value`` as strict JSON for any reader: times in ISO 8601, bytes in base64, decimals, NaN, infinities as text.

    A value that was not kept is null.
    """
    if isinstance(value, NotKept):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return plain(value, nan="text")
    if isinstance(value, Mapping):
        return {str(plain_cell(name)): plain_cell(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_cell(one) for one in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


def cell(value: Any) -> str:
    """``value`` as the text of a cell: nothing for null, what lists and objects hold as JSON."""
    if type(value) in (str, int):  # most cells are, and a table of words has a dozen for each word
        return str(value)
    if type(value) is float and math.isfinite(value):
        return repr(value)
    found = plain_cell(value)
    if found is None:
        return ""
    if isinstance(found, str):
        return found
    if isinstance(found, float):
        return repr(found)
    return json.dumps(found, ensure_ascii=False)


def without_lone_surrogates(value: Any) -> Any:
    r"""``value`` with every lone surrogate, which UTF-8 has no bytes for, as the text ``\ud800``."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {without_lone_surrogates(name): without_lone_surrogates(one) for name, one in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, NotKept):
        return [without_lone_surrogates(one) for one in value]
    return value
