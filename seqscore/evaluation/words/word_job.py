"""From data and options to a table of words: what the command line and Python do alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from seqscore.errors import OptionError
from seqscore.evaluation.data.dataset import Dataset
from seqscore.evaluation.data.kept_columns import KeepColumns
from seqscore.evaluation.data.problem import Problem
from seqscore.evaluation.scored.scored_rows import FieldKind
from seqscore.evaluation.words.frequencies import LogBase, read_frequencies
from seqscore.evaluation.words.reading_times import JoinOptions, ReadingTimes, reading_times
from seqscore.evaluation.words.spillover import Predictors
from seqscore.evaluation.words.word_data import WordTextOptions, word_texts
from seqscore.evaluation.words.word_match import Match
from seqscore.evaluation.words.word_rows import WordRow, score_words
from seqscore.evaluation.words.word_table import TableRows, WordColumns
from seqscore.evaluation.words.word_texts import WordItem
from seqscore.scorer import Scorer
from seqscore.scores.reductions import Unit
from seqscore.scores.signature import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """What stands in the table beside the scores.

    Args:
        unit: of all logarithms but that of a frequency.
        keep_columns: the columns of the data that go along.
        spillover, spillover_of, frequency_column, log_base: see ``Predictors``.
        frequencies: a list of words with their frequencies; ``frequency_fields``: where its ``word`` and ``count`` are.
        join: a table whose rows are joined to the words; ``by``, ``reader``, ``join_word``, ``match``: see
            ``JoinOptions``.

    Raises:
        OptionError: options that do not go together.
    """

    unit: Unit = "bits"
    keep_columns: KeepColumns = "all"
    spillover: int = 0
    spillover_of: tuple[str, ...] = ()
    frequencies: Dataset | None = None
    frequency_fields: Mapping[str, str] = field(default_factory=dict)
    frequency_column: str | None = None
    log_base: LogBase = "natural"
    join: Dataset | None = None
    by: tuple[str, ...] = ()
    reader: tuple[str, ...] = ()
    join_word: str | None = None
    match: Match = "exact"

    def __post_init__(self) -> None:
        for name in ("by", "reader", "join_word"):
            if getattr(self, name) and self.join is None:
                raise OptionError(f"{name}= is about a table that is joined to the words; name one with join=")
        if self.join is not None and not self.by:
            raise OptionError("join= needs the columns that both sides have: by=('item', 'position')")
        if self.frequency_fields and self.frequencies is None:
            raise OptionError("frequency_fields= is about a list of frequencies; name one with frequencies=")

    def predictors(self) -> Predictors:
        """With the list of frequencies, which is read."""
        found = None
        if self.frequencies is not None:
            found = read_frequencies(self.frequencies, fields=self.frequency_fields, base=self.log_base)
        return Predictors(
            spillover=self.spillover,
            spillover_of=self.spillover_of,
            frequencies=found,
            frequency_column=self.frequency_column,
            log_base=self.log_base,
        )


@dataclass(slots=True)
class WordJob:
    """Texts that were opened and the table that their words will make; nothing is scored yet.

    ``signature`` of the numbers, once there is one; ``failed``: texts that could not be scored.
    """

    table: WordColumns
    context_from: str
    _texts: Iterator[WordItem]
    _limited: bool
    notify: Callable[[str], None]
    signature: str | None = None
    failed: int = 0

    @property
    def fields(self) -> Mapping[str, FieldKind]:
        """The columns beside those of the data, in order."""
        return self.table.fields

    @property
    def join_line(self) -> str | None:
        """What became of a table that is joined, in words."""
        times = self.table.times
        if times is None:
            return None
        counts = times.counts
        return f"{counts.joined:,} of {counts.rows:,} rows of {times.name} joined to {counts.words:,} words"

    @property
    def adds_columns(self) -> bool:
        """Whether there are columns that go along even where those of the data do not."""
        return self.table.times is not None or bool(self.table.predictors.data_names)

    def rows(self, scorer: Scorer, **options: Any) -> Iterator[TableRows]:
        """The rows, text by text, as they are scored; ``options``: those of ``Scorer.stream_words``.

        Raises:
            InputError: see ``WordColumns.rows``; or at the end: rows of the joined table belong to no word.
        """
        for found in self.table.rows(score_words(scorer, self._texts, **options)):
            if isinstance(found.text, Problem):
                self.failed += 1
            else:
                self.signature = self._signature_of(found.text)
            yield found
        if self.table.times is not None:
            self._tell(self.table.times)

    def _signature_of(self, text: WordRow) -> str:
        """That of the words; it says where their contexts are from, if that is not their own text alone."""
        if self.context_from == "sentence":
            return text.words.signature
        return str(Signature((*Signature.parse(text.words.signature).fields, ("context", self.context_from))))

    def _tell(self, times: ReadingTimes) -> None:
        """Account for all rows of both sides."""
        counts = times.counts
        if counts.words_without:
            self.notify(f"{counts.words_without:,} words have no row there, the first at {counts.first_without}")
        if not self.failed and not self._limited:
            times.check_all_used()
            return
        left, first = times.left()
        if left:
            why = "the data were read up to a limit" if self._limited else "some texts could not be scored"
            self.notify(f"{left:,} rows of {times.name} belong to no word, since {why}: {first}")


@contextmanager
def word_job(dataset: Dataset, texts: WordTextOptions, table: TableOptions) -> Iterator[WordJob]:
    """Data opened, columns found, lists and tables read, as a context manager.

    Raises:
        OptionError, InputError: columns, or files, that are named are not there, or cannot be read.
    """
    with ExitStack() as stack:
        found, predictors, times = word_texts(dataset, texts), table.predictors(), None
        if table.join is not None:
            how = JoinOptions(by=table.by, reader=table.reader, word=table.join_word, match=table.match)
            times = stack.enter_context(reading_times(table.join, how))
        yield WordJob(
            table=WordColumns(unit=table.unit, predictors=predictors, times=times, keep=table.keep_columns),
            context_from=texts.context_from,
            _texts=found,
            _limited=dataset.options.limit is not None,
            notify=dataset.options.notify,
        )
