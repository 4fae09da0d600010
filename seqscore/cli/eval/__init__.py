"""``seqscore eval``: batch evaluation of datasets, a command for every task."""

from __future__ import annotations

from seqscore.cli.eval.commands import task_command
from seqscore.cli.once import App
from seqscore.evaluate.tasks.registry import TASKS

__all__ = ["eval_app"]

eval_app = App(
    help="Evaluate a dataset into a run folder; started again, it goes on.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name in TASKS:
    eval_app.command(name)(task_command(name))
