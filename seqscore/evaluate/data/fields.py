"""Which column of a dataset holds what: named by the caller, or guessed from names that datasets use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from seqscore.errors import OptionError

__all__ = ["Fields", "TaskName", "guess_fields"]

TaskName: TypeAlias = Literal["perplexity", "pairs", "choices", "nbest", "filter"]

_TEXT = ("text", "sentence", "content", "document", "page", "raw_content")
_TARGET = ("continuation", "completion", "target")
_GOLD = ("gold", "label", "answer", "answerKey", "answer_idx", "correct")

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

_FORMS: Mapping[TaskName, tuple[_Form, ...]] = MappingProxyType(
    {
        "perplexity": (
            _Form({"text": (_TARGET,), "context": _ranked("context", "prompt", "prefix")}, {}),
            _Form({"text": (_TEXT, _TARGET)}, {"context": ()}),
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

ROLES: Mapping[TaskName, tuple[str, ...]] = MappingProxyType(
    {
        task: tuple(dict.fromkeys(role for form in forms for role in (*form.required, *form.optional)))
        for task, forms in _FORMS.items()
    }
)


@dataclass(frozen=True, slots=True)
class Fields:
    """Role -> column; ``guessed`` holds the roles that nobody named."""

    columns: Mapping[str, str]
    guessed: frozenset[str]

    def __contains__(self, role: str) -> bool:
        return role in self.columns

    def __getitem__(self, role: str) -> str:
        return self.columns[role]

    def describe(self) -> str:
        """One line: ``good = 'sentence_good' (guessed)``."""
        return ", ".join(
            f"{role} = {column!r}" + (" (guessed)" if role in self.guessed else "")
            for role, column in self.columns.items()
        )


def guess_fields(task: TaskName, columns: Sequence[str], given: Mapping[str, str] | None = None) -> Fields:
    """The column of every role of ``task``: what ``given`` names, and names that fit among ``columns`` for the rest.

    Raises:
        OptionError: a named role or column is not there, a required one cannot be guessed, or several fit equally.
    """
    if task not in get_args(TaskName):
        raise OptionError(f"task {task!r} is unknown; expected one of {', '.join(get_args(TaskName))}")
    named = dict(given or {})
    for role, column in named.items():
        if role not in ROLES[task]:
            raise OptionError(f"task {task!r} has no field {role!r}; its fields are {', '.join(ROLES[task])}")
        if column not in columns:
            raise OptionError(f"there is no column {column!r} for {role}; the columns are {_listed(columns)}")
    form = _best_form(task, columns, named)
    found: dict[str, str] = {}
    for role, groups in {**form.required, **form.optional}.items():
        guess = named.get(role) or _guess(role, groups, columns, set(named.values()))
        if guess is not None:
            found[role] = guess
        elif role in form.required:
            raise OptionError(
                f"no column looks like the {role} of task {task!r}; name it with --field {role}=COLUMN. The columns "
                f"are {_listed(columns)}"
            )
    return Fields(MappingProxyType(found), frozenset(set(found) - set(named)))


def _best_form(task: TaskName, columns: Sequence[str], named: Mapping[str, str]) -> _Form:
    """The first form whose required roles are all there; else the last that knows the named roles, for its message."""
    forms = [form for form in _FORMS[task] if all(role in form.required or role in form.optional for role in named)]
    if not forms:
        raise OptionError(f"the fields {', '.join(named)} of task {task!r} do not go together")
    for form in forms:
        if all(role in named or any(set(group) & set(columns) for group in gs) for role, gs in form.required.items()):
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
