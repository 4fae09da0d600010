from __future__ import annotations

from typing import Any

import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.tasks.registry import TASKS, make_task, options_of, stored_task, task_class


def columns_of(name: str) -> list[str]:
    """Columns of the first form of a task's rows, under the first of the names that they may have."""
    return [groups[0][0] for groups in task_class(name).forms[0].required.values()]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_says_what_its_readers_ask(name: str) -> None:
    task = make_task(name, columns_of(name))
    assert task.name == name and task.settings["task"] == name and task.about.endswith(".")
    measures = task.measures()
    for chosen in ("headline", "per_row"):
        assert sum(getattr(one, chosen) for one in measures) == 1, chosen
    assert stored_task(task.settings).settings == task.settings
    roles = {role for form in task.forms for role in form.roles}
    assert {*task.column_options, *task.kept_roles} <= roles
    assert all(one.option.help for one in options_of(task_class(name)).values())


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("rank", {}, "task 'rank' is unknown; expected one of perplexity, pairs"),
        ("pairs", {"delimeter": " "}, "task 'pairs' has no option 'delimeter'; its options are delimiter"),
        ("choices", {"gold_from": 2}, "gold_from=2 is unknown; expected one of auto, 0, 1"),
        ("filter", {"by": None}, "by=None is unknown"),
        ("perplexity", {"protocol": "lm_eval"}, "protocol='lm_eval' is unknown; expected one of lm-eval"),
        ("perplexity", {"window": 8}, r"window= and stride= \(--window, --stride\) belong to a protocol"),
        ("filter", {"percentiles": "30,60", "low": 1.0}, "both given; choose one"),
    ],
)
def test_what_a_task_cannot_be_made_of(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        make_task(name, columns_of(name) if name in TASKS else [], **options)


def test_what_is_not_in_the_fingerprint_does_not_change_it() -> None:
    one, other = (make_task("filter", ["text"], high=value) for value in (10.0, 20.0))
    assert one.settings == other.settings == {"task": "filter", "fields": {"text": "text"}}
    assert one.sorting is not None and one.sorting != other.sorting


@pytest.mark.parametrize(
    "settings",
    [
        {"task": "rank"},
        {"task": "correlate", "fields": {"text": "text"}},
        {"task": "pairs", "fields": {}, "colour": 1},
        {},
    ],
)
def test_stored_settings_of_no_task(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        stored_task(settings)
