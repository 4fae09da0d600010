"""Commands that refuse an option which is given twice, where the parser would keep the last value in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

from seqscore.errors import OptionError


class OnceCommand(TyperCommand):
    """A command whose options take one value each, but for lists; a flag may be repeated, not contradicted."""

    def make_parser(self, ctx: Any) -> Any:
        """The usual parser, its options guarded."""
        parser = super().make_parser(ctx)
        options: list[Any] = [*parser._long_opt.values(), *parser._short_opt.values()]
        for option in {id(one): one for one in options}.values():
            if option.action in ("store", "store_const"):
                option.process = _once(option)
        return parser


def _once(option: Any) -> Callable[[Any, Any], None]:
    process = option.process

    def guarded(value: Any, state: Any) -> None:
        new = value if option.action == "store" else option.const
        if option.dest in state.opts and (option.action == "store" or new != state.opts[option.dest]):
            before = state.opts[option.dest]
            raise OptionError(
                f"{option.obj.opts[0]} is given twice, {before!r} and {new!r}; give it once"
                if option.action == "store"
                else f"{'/'.join(option.obj.opts)} and {'/'.join(option.obj.secondary_opts)} contradict each other"
            )
        process(value, state)

    return guarded


class App(typer.Typer):
    """An application of such commands."""

    def command(self, name: str | None = None, **settings: Any) -> Any:
        """Register a command."""
        return super().command(name, **{"cls": OnceCommand, **settings})
