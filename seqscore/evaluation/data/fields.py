"""Which column of a dataset holds what: named by the caller, or guessed from names that datasets use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from seqscore.errors import OptionError
from seqscore.evaluation.data.records import Column, column_hint, has_column

SERIES = "choice|option|ending|answer|candidate|alternative|sol|opt|op|hypothesis|hyp"
"""How the names of columns begin that hold one alternative each."""

_LETTERS = ("A", "B", "C", "D", "E", "F")

Groups: TypeAlias = tuple[tuple[str, ...], ...]
"""Names of columns for one role. Of a group one column may be there; groups go by rank, the first that has one wins."""


def ranked(*names: str) -> Groups:
    """A group for each name: the first that is there wins."""
    return tuple((name,) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form that the rows of a task may have: role -> the names that its column may have.

    ``lists``: roles whose values may stand in several columns, one each. ``series``: those of them that are recognised
    by numbers or letters, with what names begin with there (``a|b``): ``choice1``, ``choice2``; those of ``SERIES``
    also as A, B, C, D. ``mark``: a column by which published data of this form are known: where it is there, roles
    without a column have those that the data are published with, the first names; not every row (or file) has them.
    """

    required: Mapping[str, Groups]
    optional: Mapping[str, Groups] = field(default_factory=dict)
    lists: frozenset[str] = frozenset()
    series: Mapping[str, str] = field(default_factory=dict)
    mark: str | None = None

    @property
    def roles(self) -> Mapping[str, Groups]:
        """All of them."""
        return {**self.required, **self.optional}


@dataclass(frozen=True, slots=True)
class Fields:
    """Role -> column, or several that hold a list; ``guessed`` holds the roles that nobody named."""

    columns: Mapping[str, Column]
    guessed: frozenset[str]

    @staticmethod
    def stored(columns: Mapping[str, Any]) -> Fields:
        """Of what a run's settings hold, where several columns are a list."""
        return Fields(
            {role: tuple(one) if isinstance(one, list) else one for role, one in columns.items()}, frozenset()
        )

    def __contains__(self, role: str) -> bool:
        return role in self.columns

    def __getitem__(self, role: str) -> Column:
        return self.columns[role]

    def describe(self) -> str:
        """One line: ``good = 'sentence_good' (guessed)``."""
        return ", ".join(
            f"{role} = {_shown(column)}" + (" (guessed)" if role in self.guessed else "")
            for role, column in self.columns.items()
        )


def fields_for(
    forms: Sequence[Form], columns: Sequence[str], given: Mapping[str, str] | None = None, *, task: str
) -> Fields:
    """The column of every role of ``forms``: what ``given`` names, and names that fit among ``columns`` for the rest.

    Args:
        forms: those that rows may have, in the order in which they are tried; where none fits, a message is about the
            last.
        columns: the names there are.
        given: role -> column; ``a,b`` names several for a role that is a list.
        task: whose forms they are, for messages.

    Raises:
        OptionError: a named role or column is not there, a required one cannot be guessed, or several fit equally.
    """
    named = {role: _named(task, forms, role, column, columns) for role, column in (given or {}).items()}
    form = _best_form(task, forms, columns, named)
    found: dict[str, Column] = {}
    taken = {one for column in named.values() for one in ([column] if isinstance(column, str) else column)}
    for role, groups in form.roles.items():
        guess = named.get(role) or _guess(role, groups, columns, taken) or _series(form, role, columns)
        if guess is None and form.mark in columns and role in form.required:
            guess = groups[0][0]
        if guess is not None:
            found[role] = guess
        elif role in form.required:
            hint = column_hint(None, columns)
            raise OptionError(
                f"no column looks like the {role} of task {task!r}; name it: {_naming(role)}. The columns "
                f"are {_listed(columns)}{hint and '; ' + hint}"
            )
    return Fields(MappingProxyType(found), frozenset(set(found) - set(named)))


def _named(task: str, forms: Sequence[Form], role: str, given: str, columns: Sequence[str]) -> Column:
    """The column that a caller names, or the columns: ``a,b`` where there is none of exactly that name."""
    roles = dict.fromkeys(one for form in forms for one in form.roles)
    if role not in roles:
        raise OptionError(f"task {task!r} has no field {role!r}; its fields are {', '.join(roles)}")
    if has_column(columns, given):
        return given
    is_list = any(role in form.lists for form in forms)
    several = tuple(given.split(","))
    if len(several) > 1 and is_list and all(has_column(columns, one) for one in several):
        return several
    missing = next((one for one in several if not has_column(columns, one)), given) if is_list else given
    hint = column_hint(missing, columns)
    raise OptionError(
        f"there is no column {missing!r} for {role}; the columns are {_listed(columns)}{hint and '; ' + hint}"
    )


def _series(form: Form, role: str, columns: Sequence[str]) -> tuple[str, ...] | None:
    """Columns that are numbered or lettered, as ``choice1``, ``choice2`` or A, B, C, D, in their order in the table."""
    if role not in form.series:
        return None
    by_stem: dict[str, list[str]] = {}
    for column in columns:
        found = re.fullmatch(rf"({form.series[role]})[_ ]?(\d{{1,2}}|[a-hA-H])", column)
        if found:
            by_stem.setdefault(found[1], []).append(column)
    series = [tuple(names) for names in by_stem.values() if len(names) > 1]
    letters = tuple(name for name in _LETTERS if name in columns)
    if form.series[role] == SERIES and len(letters) > 1 and letters == _LETTERS[: len(letters)]:
        series.append(letters)
    return series[0] if len(series) == 1 else None


def _best_form(task: str, forms: Sequence[Form], columns: Sequence[str], named: Mapping[str, Column]) -> Form:
    """The first form whose required roles are all there; else the last that knows the named roles, for its message."""
    known = [form for form in forms if all(role in form.roles for role in named)]
    if not known:
        raise OptionError(f"the fields {', '.join(named)} of task {task!r} do not go together")
    for form in known:
        if form.mark in columns or all(
            role in named or any(set(group) & set(columns) for group in groups) or _series(form, role, columns)
            for role, groups in form.required.items()
        ):
            return form
    return known[-1]


def _guess(role: str, groups: Groups, columns: Sequence[str], taken: set[str]) -> str | None:
    for group in groups:
        found = [column for column in columns if column in group and column not in taken]
        if len(found) > 1:
            raise OptionError(f"several columns may be the {role}: {', '.join(found)}; name one: {_naming(role)}")
        if found:
            return found[0]
    return None


def _naming(role: str) -> str:
    return f'--field {role}=COLUMN, in Python fields={{"{role}": "COLUMN"}}'


def _listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    return (", ".join(columns[:20]) or "none") + more


def _shown(column: Column) -> str:
    return repr(column) if isinstance(column, str) else ", ".join(map(repr, column))
