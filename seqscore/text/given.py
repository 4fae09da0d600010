"""What a caller hands in: one item, or several, from whatever library a column of texts comes.

pandas, polars, NumPy, Arrow, datasets and torch are told apart by what their objects offer, without importing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import chain
from numbers import Integral, Number
from typing import Any

from seqscore.errors import InputError
from seqscore.text.items import Chat, Item, Pair

_EXPECTED = "expected a text, a Pair, token ids or an iterable of them"
_CHAT_HINT = "; messages are the context of a Pair(messages, answer), or a Chat(messages) whose answers are scored"
_SHOWN_COLUMNS = 20


@dataclass(frozen=True, slots=True)
class Given:
    """What was handed in: ``one`` item, or (None) ``several``."""

    one: Item | None
    several: Iterable[Any]


def given_items(given: object) -> Given:
    """One item or several.

    Integers in a list, tuple, range, array, tensor or column are the token ids of one text; a column or an array of
    texts is several items.

    Raises:
        InputError: neither; the message says what to hand in instead.
    """
    if isinstance(given, str | Pair | Chat):
        return Given(given, ())
    _refuse_tables(given)
    if isinstance(given, bytes | bytearray | memoryview):
        raise InputError(f"{_EXPECTED}, got {_shown(given)}; decode bytes first")
    if isinstance(given, Mapping):
        hint = _CHAT_HINT if "role" in given else ""
        raise InputError(f"{_EXPECTED}, got {_shown(given)}{hint}")
    if isinstance(given, Set) and not hasattr(given, "mapping"):
        raise InputError(f"{_EXPECTED}, got a {type(given).__name__}, which has no order: give a list, as sorted(...)")
    if getattr(given, "ndim", 1) == 0 or not isinstance(given, Iterable):
        raise InputError(f"{_EXPECTED}, got the single value {_shown(given)}")
    if _holds_ids(given):
        return Given(_plain_ids(given), ())
    return Given(None, _plain_items(given))


def require_ids(given: object) -> None:
    """Refuse an item that is neither text nor Pair and cannot be token ids.

    Raises:
        InputError: the message says what it is, and what to hand in instead.
    """
    if _is_missing(given):
        raise InputError(f"a text is missing here ({given!r}); drop the row, or fill in a text")
    _refuse_tables(given)
    if not hasattr(given, "__len__") or isinstance(given, bytes | bytearray | Mapping | Set):
        hint = "; decode bytes first" if isinstance(given, bytes | bytearray) else ""
        hint = _CHAT_HINT if isinstance(given, Mapping) and "role" in given else hint
        raise InputError(f"expected a text, a Pair or token ids, got {_shown(given)}{hint}")
    first = next(iter(given), None) if isinstance(given, Iterable) else None
    if isinstance(first, str):
        hint = "; for a context and its continuation use Pair(context, continuation)" if len(given) == 2 else ""
        raise InputError(f"expected a text, a Pair or token ids, got a {type(given).__name__} of texts{hint}")
    if isinstance(first, Mapping):
        raise InputError(f"expected a text, a Pair or token ids, got a {type(given).__name__} of mappings{_CHAT_HINT}")


def _refuse_tables(given: object) -> None:
    columns = _columns(given)
    if columns is None:
        return
    usual = [name for name in columns if name in ("text", "sentence", "content")]
    example = [*usual, *columns, "text"][0]
    shown = ", ".join(columns[:_SHOWN_COLUMNS]) + (", ..." if len(columns) > _SHOWN_COLUMNS else "")
    if isinstance(given, Mapping):
        raise InputError(
            f"got a {type(given).__name__} of several tables ({shown}): name one and its column of texts, as "
            f"score(data[{example!r}]['text'])"
        )
    raise InputError(
        f"got a table ({type(given).__name__}): name the column of texts, as score(table[{example!r}]); its columns "
        f"are {shown or 'not known'}"
    )


def _columns(given: object) -> list[str] | None:
    """The names of a table's columns; None for what is no table."""
    if isinstance(given, str | list | tuple | Pair | type):
        return None
    names = getattr(given, "column_names", None)  # Arrow, datasets
    if names is None and hasattr(given, "collect_schema"):  # polars, lazy and not
        names = given.collect_schema().names()
    if names is None and hasattr(given, "columns"):  # pandas
        names = given.columns
    if names is None:
        names = getattr(getattr(given, "dtype", None), "names", None)  # a structured array of NumPy
    if names is None:
        return [] if hasattr(given, "column_names") and hasattr(given, "features") else None  # a stream of datasets
    return [str(name) for name in names] if isinstance(names, Iterable) and not isinstance(names, str) else None


def _holds_ids(given: Iterable[Any]) -> bool:
    """Whether these are the token ids of one text."""
    if isinstance(given, list | tuple | range):
        return len(given) > 0 and isinstance(given[0], Integral)
    if getattr(given, "ndim", 1) != 1:
        return False
    kind = str(getattr(given, "dtype", None) or (given.type if hasattr(given, "to_pylist") else "")).lower()  # type: ignore[attr-defined]
    kind = kind.removeprefix("torch.")
    if kind == "object":
        return isinstance(next(iter(given), None), Integral)
    return kind.startswith(("int", "uint", "bool"))


def _plain_ids(given: Any) -> Any:
    """Ids as a list where they come from a library whose integers are none of Python's or NumPy's."""
    if isinstance(given, list | tuple | range):
        return given
    for name in ("to_pylist", "to_list"):
        if hasattr(given, name):
            return getattr(given, name)()
    return given


def _plain_items(given: Iterable[Any]) -> Iterable[Any]:
    """The items one by one, Arrow's scalars as Python's."""
    if isinstance(given, list | tuple):
        return given
    if not isinstance(given, Iterator) and hasattr(given, "to_pylist"):
        return (one.as_py() for one in given)
    return given if isinstance(given, Iterator) else chain(given)


def _is_missing(given: object) -> bool:
    """None, NaN (which is unequal to itself), and the missing values of pandas."""
    if given is None or type(given).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(given, Number) and not bool(given == given)


def _shown(given: object) -> str:
    return f"{type(given).__name__}: {str(given)[:40]!r}"
