"""Which columns of the input travel with a row to what is written of it."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from seqscore.errors import OptionError

NO_COLUMNS: Mapping[str, Any] = MappingProxyType({})

KeepColumns: TypeAlias = Literal["all", "none"] | tuple[str, ...]
"""Which of the input's columns travel with a row: all that are not scored and no id, none, or those that are named."""


def keep_columns(given: Sequence[str]) -> KeepColumns:
    """What ``all``, ``none`` or names with commas between them ask for (a name with a comma in double quotes).

    Raises:
        OptionError: ``all`` or ``none`` stands beside other names, or a name is empty or there twice.
    """
    names = tuple(name for one in given for name in next(csv.reader([one], skipinitialspace=True), []))
    if names in (("all",), ("none",)):
        return "all" if names == ("all",) else "none"
    if not names or "" in names or {"all", "none"} & set(names) or len(set(names)) < len(names):
        raise OptionError(
            f"the columns to keep are {', '.join(map(repr, given)) or 'none'}; expected all, none, or names of "
            f"columns, each once, for instance year,source"
        )
    return names


def check_kept(keep: KeepColumns, there: Sequence[str]) -> None:
    """Make sure that the columns to keep are ``there``, where it is known which are.

    Raises:
        OptionError: one is not.
    """
    missing = [name for name in keep if name not in there] if isinstance(keep, tuple) and there else []
    if missing:
        raise OptionError(f"there is no column {missing[0]!r} to keep; the columns are {', '.join(there[:20])}")


def kept_columns(values: Mapping[str, Any], keep: KeepColumns, used: Collection[str]) -> Mapping[str, Any]:
    """The columns of a row that travel with it; ``used``: those whose content the output holds anyway."""
    if keep == "none":
        return NO_COLUMNS
    if keep == "all":
        return {name: value for name, value in values.items() if name not in used}
    return {name: values[name] for name in keep if name in values}
