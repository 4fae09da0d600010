"""The tasks there are. A new one is a file of this room, and a line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.fields import Fields, fields_for
from seqscore.evaluation.tasks.base import Option, Task
from seqscore.policies import check_choice

TASKS: dict[str, str] = {
    "perplexity": "seqscore.evaluation.tasks.perplexity.PerplexityTask",
    "pairs": "seqscore.evaluation.tasks.pairs.PairsTask",
    "choices": "seqscore.evaluation.tasks.choices.ChoicesTask",
    "criteria": "seqscore.evaluation.tasks.criteria.CriteriaTask",
    "nbest": "seqscore.evaluation.tasks.nbest.NbestTask",
    "correlate": "seqscore.evaluation.tasks.correlate.CorrelateTask",
    "filter": "seqscore.evaluation.tasks.filter.FilterTask",
}
"""Name -> where the task's class stands; it is imported when it is first asked for."""


def task_class(name: str) -> type[Task]:
    """The class of the task of this name.

    Raises:
        OptionError: there is none.
    """
    if name not in TASKS:
        raise OptionError(f"task {name!r} is unknown; expected one of {', '.join(TASKS)}")
    module, _, attribute = TASKS[name].rpartition(".")
    found: type[Task] = getattr(import_module(module), attribute)
    return found


def guess_fields(
    name: str, columns: Sequence[str], given: Mapping[str, str] | None = None, options: Mapping[str, Any] | None = None
) -> Fields:
    """The column of every role of a task's rows: what ``given`` names, and names that fit for the rest.

    Args:
        name: of the task.
        columns: of the dataset.
        given: role -> column.
        options: settings of the task that are not the defaults.

    Returns:
        The columns, and which of them were guessed.

    Raises:
        OptionError: see ``fields_for``; or there is no such task.

    Example:
        >>> dict(guess_fields("pairs", ["id", "good", "bad"]).columns)
        {'good': 'good', 'bad': 'bad'}
    """
    return fields_for(task_class(name).forms_with(options or {}), columns, given, task=name)


def make_task(name: str, columns: Sequence[str], /, *, fields: Mapping[str, str] | None = None, **options: Any) -> Task:
    """The task of a name, for a dataset that has these columns.

    Args:
        name: of the task; see ``TASKS``.
        columns: of the dataset.
        fields: role -> column, for what the names of the columns do not say.
        options: settings of the task; see ``options_of``.

    Raises:
        OptionError: there is no such task, option or column, or a value that an option cannot have.

    Example:
        >>> make_task("pairs", ["good", "bad"], delimiter=" ").settings["delimiter"]
        ' '
    """
    kind = task_class(name)
    known = options_of(kind)
    for option, value in options.items():
        if option not in known:
            raise OptionError(f"task {name!r} has no option {option!r}; its options are {', '.join(known) or 'none'}")
        _check_choice(option, value, known[option].type)
    return kind(fields=guess_fields(name, columns, fields, options), **options)


def _check_choice(option: str, value: Any, annotation: Any) -> None:
    parts = (annotation, *get_args(annotation))
    choices = [one for part in parts if get_origin(part) is Literal for one in get_args(part)]
    if choices and not (value is None and type(None) in parts):
        check_choice(option, value, choices)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a task that callers may choose: its type, its default, and what the command line says of it."""

    type: Any
    default: Any
    option: Option


def options_of(kind: type[Task]) -> dict[str, Setting]:
    """The settings of a task by their names."""
    types = get_type_hints(kind)
    return {
        one.name: Setting(types[one.name], one.default, one.metadata["option"])
        for one in fields_of(kind)
        if "option" in one.metadata
    }


def number_kinds(settings: Mapping[str, Any]) -> Mapping[str, str]:
    """What is known of the numbers that a run stores of an item; nothing of a task that this version does not know."""
    try:
        return stored_task(settings).numbers
    except InputError:
        return {}


def stored_task(settings: Mapping[str, Any]) -> Task:
    """The task that the fingerprint of a run describes, able to read its rows (not to make new ones).

    Raises:
        InputError: this version does not know the task, or it has not these settings.
    """
    own = dict(settings)
    name, columns = own.pop("task", None), own.pop("fields", {})
    try:
        task = task_class(str(name)).stored(Fields.stored(columns), own)
        task.measures()  # which may read any of its fields and settings
        return task
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise InputError(f"{name!r} ({error})") from error
