"""``seqscore eval``: batch evaluation of datasets, a command for every task."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from seqscore.cli.once import App

__all__ = ["eval_app"]

_SETTINGS = {"help_option_names": ["-h", "--help"]}


class TaskCommands(TyperGroup):
    """The commands of the tasks, each made when it is asked for: other commands start without them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the tasks."""
        from seqscore.evaluation.tasks.registry import TASKS

        return list(TASKS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a task; None where there is no such task."""
        if cmd_name not in self.list_commands(ctx):
            return None
        from seqscore.cli.eval.commands import task_command

        single = App(add_completion=False, context_settings=_SETTINGS)
        single.command(cmd_name)(task_command(cmd_name))
        return typer.main.get_command(single)


eval_app = App(
    cls=TaskCommands,
    help="Evaluate a dataset into a run folder; started again, it goes on.",
    no_args_is_help=True,
    context_settings=_SETTINGS,
)
