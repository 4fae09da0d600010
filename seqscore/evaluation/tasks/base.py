"""What a task is: all that the command line, a run and its readers have to know of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from seqscore.evaluation.data.dataset import Dataset
from seqscore.evaluation.data.fields import Fields, Form
from seqscore.evaluation.scored.scored_rows import FieldKind
from seqscore.evaluation.tasks.bucket_limits import Sorting
from seqscore.evaluation.tasks.measure import ColumnValues, Measure, RowValues
from seqscore.evaluation.tasks.rows import LENGTHS, Entry, NumberKind, Stored
from seqscore.scores.reductions import Unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from seqscore.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Option:
    """How a setting of a task is given on the command line.

    ``flag``: its name there, where that is not the setting's own. ``reads_file``: it is given as the name of a file
    that holds the text. ``in_fingerprint``: whether the stored rows depend on it.
    """

    help: str
    flag: str | None = None
    reads_file: bool = False
    in_fingerprint: bool = True


def option(default: Any, help: str, **more: Any) -> Any:
    """A setting of a task, as a field of its dataclass; ``more``: see ``Option``."""
    return field(default=default, metadata={"option": Option(help, **more)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(ABC):
    """A task: which rows it reads, what of them is scored, and what the scores come to.

    A task is a frozen dataclass. Its settings are fields made by ``option``: they go into the fingerprint of a run, and
    its command on the command line is made from them. See ``registry`` for where a new one is named.
    """

    name: ClassVar[str]
    """What the command line and a run folder call it."""
    about: ClassVar[str]
    """What it finds out, in a sentence: the help of its command."""
    forms: ClassVar[tuple[Form, ...]]
    """The forms that its rows may have; see ``Form``."""
    column_options: ClassVar[Mapping[str, Option]] = MappingProxyType({})
    """Roles that an option of the command names the column of, besides ``--field``."""
    kept_roles: ClassVar[frozenset[str]] = frozenset()
    """Roles whose column is stored with the row, since what is stored of the scores does not hold it as it was."""
    alternatives: ClassVar[tuple[str, ...]] = ()
    """Roles of texts that stand side by side and are compared with each other."""
    helpers: ClassVar[tuple[str, ...]] = ()
    """Roles of what is scored for the sake of others, and is no text of the data."""
    numbers: ClassVar[Mapping[str, NumberKind]] = LENGTHS
    """What an item may have stored beside its score."""
    heading: ClassVar[Literal["text", "chosen", "context"]] = "text"
    """What stands for a row in a table: its first text, that of the alternative which the model prefers, or the context
    that its alternatives share."""
    single_item: ClassVar[bool] = False
    """Whether a row has one item, whose log-likelihood and tokens are those of the row."""
    reads_tokens: ClassVar[bool] = False
    """Whether ``values`` needs the log-probabilities of the tokens."""
    reads_spans: ClassVar[bool] = False
    """Whether ``values`` needs the bytes of the tokens too."""
    compared_by: ClassVar[tuple[str, ...]] = ()
    """Settings that two runs must share to be compared."""
    side_by_side: ClassVar[bool] = False
    """Whether a table of a run has a row of the data in a row, its texts side by side, where nothing else is asked."""
    unit: ClassVar[Unit] = "nats"
    """The unit that its numbers are mostly read in."""
    calibration: ClassVar[tuple[str, str] | None] = None
    """The measures of a row's confidence and of whether it was right with it, where there are any."""
    adds_columns: ClassVar[bool] = False
    """Whether ``column_values`` gives what many rows add at once."""
    sorts_rows: ClassVar[bool] = False
    """Whether a finished run sorts the rows of its input into files; see ``sorting``."""

    fields: Fields

    @classmethod
    def forms_with(cls, options: Mapping[str, Any]) -> tuple[Form, ...]:
        """Those of the forms that rows may have under these options; an option that is not there has its default."""
        return cls.forms

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the numbers depend on besides model and data; goes into the fingerprint."""
        own = {one.name: getattr(self, one.name) for one in fields(self) if _is_setting(one.metadata)}
        return {"task": self.name, "fields": dict(self.fields.columns), **own, **self.found_settings}

    @property
    def found_settings(self) -> Mapping[str, Any]:
        """Settings that the task found in its data, as plain values for JSON; see ``for_dataset``."""
        return {}

    @classmethod
    def stored(cls, fields: Fields, settings: Mapping[str, Any]) -> Task:
        """The task that has these ``settings``, able to read rows, not to make new ones."""
        return cls(fields=fields, **settings)

    def for_dataset(self, dataset: Dataset) -> Task:
        """The task with what it takes from the data before anything of them is scored; itself where that is nothing.

        Raises:
            OptionError: a setting does not fit the data.
            InputError: the data do not fit together.
        """
        return self

    def for_scorer(self, scorer: Scorer) -> Task:
        """The task with what it takes from the scorer; itself where that is nothing."""
        return self

    @property
    def policies(self) -> Mapping[str, str]:
        """Policies of the scorer that the task sets, whatever the caller's are."""
        return {}

    @property
    def needs_start_token(self) -> str:
        """What of it needs a token in front of a text, and how to do without; empty where nothing does."""
        return ""

    @property
    def subtracts(self) -> str:
        """Which log-probability it takes from which other of the same text, and how to do without; empty where none."""
        return ""

    @property
    def sorting(self) -> Sorting | None:
        """How the rows of the input are sorted into files once they are scored."""
        return None

    def note(self, numbers: Mapping[str, float]) -> str:
        """What is said of an item beside its score, of the ``numbers`` that were stored of it."""
        return ""

    @property
    def flat_fields(self) -> Mapping[str, FieldKind]:
        """What it adds to a flat record of a row, beside scores of its texts."""
        return {}

    def flat_values(self, row: Stored, unit: Unit) -> Mapping[str, Any]:
        """The values of ``flat_fields`` of a scored row, logarithms in ``unit``."""
        return {}

    @abstractmethod
    def entries(self, dataset: Dataset) -> Iterator[Entry]:
        """The rows to be scored, lazily and in order."""

    @abstractmethod
    def measures(self) -> Sequence[Measure]:
        """What the rows add up to."""

    @abstractmethod
    def values(self, row: Stored) -> RowValues:
        """What a scored row adds to each measure that it has a part in."""

    def column_values(self, items: Mapping[str, NDArray[Any]]) -> ColumnValues:
        """``values`` of n rows of one item each, for tasks of corpora, which say so by ``adds_columns``. ``items``:
        log-likelihoods, num_scored and num_bytes_scored, [n] each."""
        raise NotImplementedError


def _is_setting(metadata: Mapping[str, Any]) -> bool:
    return "option" in metadata and metadata["option"].in_fingerprint
