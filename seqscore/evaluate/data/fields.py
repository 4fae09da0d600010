"""Which column of a dataset holds what: named by the caller, or guessed from names that datasets use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from seqscore.errors import OptionError
from seqscore.evaluate.data.conversations import MESSAGES
from seqscore.evaluate.data.records import Column, column_hint, has_column

TaskName: TypeAlias = Literal["perplexity", "pairs", "choices", "nbest", "filter"]

_TEXT = ("text", "sentence", "content", "document", "page", "raw_content")
_TARGET = ("continuation", "completion", "target")
_GOLD = ("gold", "label", "answer", "answerKey", "answer_idx", "correct")

_SERIES = re.compile(
    r"(choice|option|ending|answer|candidate|alternative|sol|opt|op|hypothesis|hyp)[_ ]?(\d{1,2}|[a-hA-H])"
)
_LETTERS = ("A", "B", "C", "D", "E", "F")

_LISTS = frozenset({"choices", "contexts", "hypotheses", "scores"})
"""Roles whose values may stand in a column each."""

_Groups: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Form:
    """One form that a task's rows may have: names for every role. Of a group one column may be there; groups go by
    rank, the first that has one wins."""

    required: Mapping[str, _Groups]
    optional: Mapping[str, _Groups]


def _ranked(*names: str) -> _Groups:
    return tuple((name,) for name in names)


_PAIR_GROUPS = _ranked("UID", "paradigm", "phenomenon", "linguistics_term", "category", "condition")

_TEXTS = _Form({"text": (_TEXT, _TARGET)}, {"context": ()})

_FORMS: Mapping[TaskName, tuple[_Form, ...]] = MappingProxyType(
    {
        "perplexity": (
            _Form({"text": (_TARGET,), "context": _ranked("context", "prompt", "prefix")}, {}),
            _TEXTS,
            _Form({"messages": ((MESSAGES,),)}, {}),
            _TEXTS,  # where none fits, the last is the one that a message is about
        ),
        "filter": (_Form({"text": (_TEXT,)}, {}),),
        "pairs": (
            _Form(
                {
                    "good": _ranked("sentence_good", "good", "grammatical", "good_sentence", "acceptable", "chosen"),
                    "bad": _ranked("sentence_bad", "bad", "ungrammatical", "bad_sentence", "unacceptable", "rejected"),
                },
                {"context": _ranked("context", "prompt", "prefix"), "group": _PAIR_GROUPS},
            ),
        ),
        "choices": (
            _Form(
                {
                    "contexts": _ranked("context_options", "contexts"),
                    "continuation": (_TARGET,),
                    "gold": (_GOLD,),
                },
                {"group": _ranked("group", "category", "subject")},
            ),
            _Form(
                {
                    "query": _ranked("query", "question", "ctx", "prompt", "goal", "stem", "premise", "context"),
                    "choices": (("choices", "endings", "options", "answers", "candidates"),),
                    "gold": (_GOLD,),
                },
                {"group": _ranked("group", "category", "subject")},
            ),
        ),
        "nbest": (
            _Form(
                {
                    "reference": (("reference", "ref", "transcript", "target"),),
                    "hypotheses": (("hypotheses", "nbest", "hyps", "candidates"),),
                },
                {
                    "scores": (("scores", "am_scores", "first_pass_scores"),),
                    "context": _ranked("context", "prompt", "prefix"),
                },
            ),
        ),
    }
)

KNOWN_NAMES = frozenset(
    name
    for forms in _FORMS.values()
    for form in forms
    for groups in (*form.required.values(), *form.optional.values())
    for group in groups
    for name in group
)
"""Every name that a column is recognised by."""

ROLES: Mapping[TaskName, tuple[str, ...]] = MappingProxyType(
    {
        task: tuple(dict.fromkeys(role for form in forms for role in (*form.required, *form.optional)))
        for task, forms in _FORMS.items()
    }
)


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


def guess_fields(task: TaskName, columns: Sequence[str], given: Mapping[str, str] | None = None) -> Fields:
    """The column of every role of ``task``: what ``given`` names, and names that fit among ``columns`` for the rest.

    Raises:
        OptionError: a named role or column is not there, a required one cannot be guessed, or several fit equally.
    """
    if task not in get_args(TaskName):
        raise OptionError(f"task {task!r} is unknown; expected one of {', '.join(get_args(TaskName))}")
    named = {role: _named(task, role, column, columns) for role, column in (given or {}).items()}
    form = _best_form(task, columns, named)
    found: dict[str, Column] = {}
    taken = {one for column in named.values() for one in ([column] if isinstance(column, str) else column)}
    for role, groups in {**form.required, **form.optional}.items():
        guess = named.get(role) or _guess(role, groups, columns, taken) or _series(role, columns)
        if guess is not None:
            found[role] = guess
        elif role in form.required:
            hint = column_hint(None, columns)
            raise OptionError(
                f"no column looks like the {role} of task {task!r}; name it with --field {role}=COLUMN. The columns "
                f"are {_listed(columns)}{hint and '; ' + hint}"
            )
    return Fields(MappingProxyType(found), frozenset(set(found) - set(named)))


def _named(task: TaskName, role: str, given: str, columns: Sequence[str]) -> Column:
    """The column that a caller names, or the columns: ``a,b`` where there is none of exactly that name."""
    if role not in ROLES[task]:
        raise OptionError(f"task {task!r} has no field {role!r}; its fields are {', '.join(ROLES[task])}")
    if has_column(columns, given):
        return given
    several = tuple(given.split(","))
    if len(several) > 1 and role in _LISTS and all(has_column(columns, one) for one in several):
        return several
    missing = next((one for one in several if not has_column(columns, one)), given) if role in _LISTS else given
    hint = column_hint(missing, columns)
    raise OptionError(
        f"there is no column {missing!r} for {role}; the columns are {_listed(columns)}{hint and '; ' + hint}"
    )


def _series(role: str, columns: Sequence[str]) -> tuple[str, ...] | None:
    """Columns that are numbered or lettered, as ``choice1``, ``choice2`` or A, B, C, D, in their order in the table."""
    if role not in ("choices", "hypotheses"):
        return None
    by_stem: dict[str, list[str]] = {}
    for column in columns:
        found = _SERIES.fullmatch(column)
        if found:
            by_stem.setdefault(found[1], []).append(column)
    series = [tuple(names) for names in by_stem.values() if len(names) > 1]
    letters = tuple(name for name in _LETTERS if name in columns)
    if len(letters) > 1 and letters == _LETTERS[: len(letters)]:
        series.append(letters)
    return series[0] if len(series) == 1 else None


def _best_form(task: TaskName, columns: Sequence[str], named: Mapping[str, Column]) -> _Form:
    """The first form whose required roles are all there; else the last that knows the named roles, for its message."""
    forms = [form for form in _FORMS[task] if all(role in form.required or role in form.optional for role in named)]
    if not forms:
        raise OptionError(f"the fields {', '.join(named)} of task {task!r} do not go together")
    for form in forms:
        if all(
            role in named or any(set(group) & set(columns) for group in groups) or _series(role, columns)
            for role, groups in form.required.items()
        ):
            return form
    return forms[-1]


def _guess(role: str, groups: _Groups, columns: Sequence[str], taken: set[str]) -> str | None:
    for group in groups:
        found = [column for column in columns if column in group and column not in taken]
        if len(found) > 1:
            raise OptionError(
                f"several columns may be the {role}: {', '.join(found)}; name one with --field {role}=COLUMN"
            )
        if found:
            return found[0]
    return None


def _listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    return (", ".join(columns[:20]) or "none") + more


def _shown(column: Column) -> str:
    return repr(column) if isinstance(column, str) else ", ".join(map(repr, column))
