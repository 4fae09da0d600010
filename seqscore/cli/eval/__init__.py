"""``seqscore eval``: batch evaluation of datasets."""

from __future__ import annotations

from seqscore.cli.eval.choices import choices
from seqscore.cli.eval.filter import filter_
from seqscore.cli.eval.nbest import nbest
from seqscore.cli.eval.pairs import pairs
from seqscore.cli.eval.perplexity import perplexity
from seqscore.cli.once import App

__all__ = ["eval_app"]

eval_app = App(
    help="Evaluate a dataset into a run folder; started again, it goes on.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
eval_app.command()(perplexity)
eval_app.command()(pairs)
eval_app.command()(choices)
eval_app.command()(nbest)
eval_app.command("filter")(filter_)
