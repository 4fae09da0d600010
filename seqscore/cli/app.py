"""The application: its commands, and how every failure becomes one clear line and an exit status."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from seqscore._version import __version__
from seqscore.cli.cite import cite
from seqscore.cli.compare import compare
from seqscore.cli.eval import eval_app
from seqscore.cli.explain import explain
from seqscore.cli.export import export
from seqscore.cli.hints import dash_hint
from seqscore.cli.next import next_
from seqscore.cli.once import App
from seqscore.cli.plot import plot
from seqscore.cli.report import report
from seqscore.cli.score import score
from seqscore.cli.session import warnings_as_lines
from seqscore.cli.verify import verify
from seqscore.cli.words import words
from seqscore.errors import OptionError, SeqscoreError, is_failure
from seqscore.extras import naming_extras

EXIT_ERROR, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_PIPE_CLOSED = 1, 2, 130, 141

app = App(
    name="seqscore",
    help="The probability that a language model gives a text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(score)
app.command()(words)
app.command("next")(next_)
app.command()(explain)
app.add_typer(eval_app, name="eval")
app.command()(compare)
app.command()(cite)
app.command()(export)
app.command()(plot)
app.command()(report)
app.command()(verify)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"seqscore {__version__}")
        raise typer.Exit()


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """The probability that a language model gives a text."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status; see ``seqscore.cli.main``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _invoke(given)
        sys.stdout.flush()
        return status
    except (BrokenPipeError, SystemExit):  # rich, which writes the help, ends the program on a closed pipe
        return _pipe_closed()
    except (KeyboardInterrupt, typer.Abort):
        return _failed("interrupted", EXIT_INTERRUPTED)
    except typer.TyperException as error:
        return _wrong_call(error, given)
    except SeqscoreError as error:
        status = EXIT_USAGE if isinstance(error, OptionError) else EXIT_ERROR
        return _failed(f"error: {error}", status, debug="--debug" in given)
    except OSError as error:
        return _failed(f"error: {error}", EXIT_ERROR, debug="--debug" in given)
    except BaseException as error:  # the last resort: a defect, of ours or a library's, is one line too
        if not is_failure(error):
            raise
        line = f"error: unexpected {type(error).__name__}: {error} (run again with --debug for the details)"
        return _failed(line, EXIT_ERROR, debug="--debug" in given)


def _invoke(given: list[str]) -> int:
    """Parse and run, without typer's own handling of closed pipes and Ctrl-C, which exits on the spot."""
    command = typer.main.get_command(app)
    try:
        with naming_extras(), warnings_as_lines(), command.make_context("seqscore", given) as context:
            status = command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    return status if isinstance(status, int) else 0


def _wrong_call(error: typer.TyperException, given: Sequence[str]) -> int:
    """What is wrong with the call, in one line; the help where nothing was asked for."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined]
        return EXIT_USAGE
    hint = dash_hint(given) if type(error).__name__ == "NoSuchOption" else ""
    return _failed(f"error: {error.format_message()}{hint} (see seqscore --help, seqscore COMMAND --help)", EXIT_USAGE)


def _failed(message: str, status: int, *, debug: bool = False) -> int:
    """One line on standard error."""
    if debug:
        traceback.print_exc()
    from seqscore.output.escape import terminal_text

    try:
        typer.echo(f"seqscore: {terminal_text(' '.join(message.split()))}", err=True)
    except OSError:
        return status
    return status


def _pipe_closed() -> int:
    """The reader went away, as ``head`` does: say nothing, and keep the interpreter from writing at its end."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
    return EXIT_PIPE_CLOSED
