"""Options that several commands take together, as one parameter of a command: which model, by which conventions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from seqscore.cli import options
from seqscore.errors import OptionError

if TYPE_CHECKING:
    from seqscore.policies import PolicyKeywords
    from seqscore.scorer import Scorer


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model is loaded, and how."""

    model: options.Model = "default"
    adapter: options.Adapter = None
    revision: options.Revision = None
    device: options.Device = "auto"
    dtype: options.Dtype = "float32"
    engine: options.Engine = "auto"
    batch_tokens: options.BatchTokens = None
    max_length: options.MaxLength = None
    source_language: options.SourceLanguage = None
    target_language: options.TargetLanguage = None
    allow_pickle: options.AllowPickle = False
    trust_remote_code: options.TrustRemoteCode = False
    served_model: options.ServedModel = None
    tokenizer: options.ServedTokenizer = None
    concurrency: options.Concurrency = None
    timeout: options.Timeout = None

    def settings(self) -> dict[str, Any]:
        """By name."""
        return _values(self, RunningOptions)

    def open_scorer(self, **others: Any) -> Scorer:
        """The scorer that they describe, ``others`` (dtype="float64") in place of what was asked for."""
        from seqscore.cli.session import open_scorer

        return open_scorer(**{**self.settings(), **others})


@dataclass(frozen=True, kw_only=True)
class RunningOptions(ModelOptions):
    """Of a command that does not choose the number of threads itself."""

    threads: options.Threads = None


@dataclass(frozen=True, kw_only=True)
class ConventionOptions:
    """The conventions that texts without a context are scored by."""

    bos: options.Bos = "auto"
    score_eos: options.ScoreEos = False
    eos: options.Eos = None
    long: options.Long = "windows"
    special_tokens: options.SpecialTokens = "literal"
    masking: options.Masking = "original"

    def policies(self) -> PolicyKeywords:
        """As keywords of ``Scorer.score``, which checks them."""
        found: Any = _values(self, PairConventionOptions)
        named, scored = found.pop("eos"), found.pop("score_eos")
        if scored and named not in (None, "scored"):
            raise OptionError(f"--score-eos means --eos scored, and --eos {named} was asked for too; leave out one")
        return cast("PolicyKeywords", {**found, "eos": "scored" if scored else "none" if named is None else named})


@dataclass(frozen=True, kw_only=True)
class PairConventionOptions(ConventionOptions):
    """The conventions that texts with a context are scored by."""

    boundary: options.Boundary = "auto"


def _values(options: Any, group: Any) -> dict[str, Any]:
    """Those of ``options`` that ``group`` has too."""
    return {one.name: getattr(options, one.name) for one in fields(group) if hasattr(options, one.name)}


def with_groups(command: Callable[..., int]) -> Callable[..., int]:
    """The command as typer reads it: in place of each parameter that is a dataclass of options stand its fields."""
    own = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Any] = {one.name: one.annotation for one in own.values() if is_dataclass(one.annotation)}
    asked = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in own.values()
        for parameter in (parameters_of(groups[one.name]) if one.name in groups else [one])
    ]

    def run(**values: Any) -> int:
        made = {
            name: group(**{one.name: values.pop(one.name) for one in fields(group)}) for name, group in groups.items()
        }
        return command(**values, **made)

    return asking(run, asked, name=command.__name__, help=command.__doc__)


def asking(
    run: Callable[..., int], asked: Sequence[inspect.Parameter], *, name: str, help: str | None
) -> Callable[..., int]:
    """``run``, which takes any keywords, as a command of this name with these options."""
    run.__name__, run.__doc__ = name, help
    run.__signature__ = inspect.Signature(asked, return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in asked}
    return run


def parameters_of(group: Any) -> list[inspect.Parameter]:
    """The options of a group, as parameters."""
    hints = get_type_hints(group, include_extras=True)
    kind, empty = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    return [
        inspect.Parameter(
            one.name, kind, default=empty if one.default is MISSING else one.default, annotation=hints[one.name]
        )
        for one in fields(group)
    ]
