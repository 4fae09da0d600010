"""Texts and the scores of their words as rows of a table, with predictors, reading times and the data's columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from seqscore.evaluation.data.kept_columns import KeepColumns, check_kept, kept_columns
from seqscore.evaluation.data.problem import Problem, Row
from seqscore.evaluation.scored.scored_rows import FieldKind, OutputRecord
from seqscore.evaluation.words.reading_times import ReadingTimes
from seqscore.evaluation.words.spillover import Predictors, WordsBefore, check_columns
from seqscore.evaluation.words.word_records import WORD_FIELDS, word_records
from seqscore.evaluation.words.word_rows import WordRow
from seqscore.scores.reductions import Unit


class TableRows(NamedTuple):
    """What a text comes to: its words and their scores, or its error, and the rows of the table."""

    text: Row[WordRow]
    records: list[OutputRecord]


@dataclass(frozen=True, kw_only=True)
class WordColumns:
    """How the words of texts become rows.

    Args:
        unit: of all logarithms but that of a frequency.
        predictors: what is added to the scores.
        times: rows that are joined to the words, each of which makes a row; None: a row a word.
        keep: which columns of the data go along.
    """

    unit: Unit = "bits"
    predictors: Predictors = field(default_factory=Predictors)
    times: ReadingTimes | None = None
    keep: KeepColumns = "all"

    @property
    def fields(self) -> Mapping[str, FieldKind]:
        """The columns beside those of the data, in order."""
        kinds: dict[str, FieldKind] = {
            name: "whole" if name.startswith("length") else "real"
            for name in self.predictors.names
            if name not in self.predictors.data_names
        }
        others = {name: kind for name, kind in WORD_FIELDS.items() if name != "error"}
        return {**others, **kinds, "error": "text"}

    def rows(self, scored: Iterable[Row[WordRow]]) -> Iterator[TableRows]:
        """The rows of all texts in their order, as they are scored; memory does not grow with their number.

        A text without words is a row without any, and one that could not be scored a row with its error.

        Raises:
            OptionError: a column is named that is not there.
            InputError: reading times do not belong to the words.
        """
        before, checked = WordsBefore(self.predictors), False
        for text in scored:
            if isinstance(text, Problem):
                before.forget()
                made = list(word_records(text, unit=self.unit))
            else:
                made = self._of_text(text, before)
                if not checked and len(text.words):
                    self._check(made[0])
                    checked = True
            yield TableRows(text, [self._kept(record) for record in made])

    def _of_text(self, text: WordRow, before: WordsBefore) -> list[OutputRecord]:
        before.begin(text.source.passage)
        made = list(word_records(text, unit=self.unit))
        words = [self._with_predictors(one, before) for one in made if not _is_end(one)]
        ends = made[len(words) :]
        if self.times is not None:
            words = list(self.times.join(words, text.source.own_names))
        return [*words, *ends] or [OutputRecord({"id": text.source.id, "row": text.source.number}, text.source.columns)]

    def _with_predictors(self, record: OutputRecord, before: WordsBefore) -> OutputRecord:
        more = before.added(record.fields["word"], record.fields, record.columns)
        spilled = {name: more.pop(name) for name in self.predictors.data_names}
        return OutputRecord({**record.fields, **more}, {**record.columns, **spilled})

    def _check(self, record: OutputRecord) -> None:
        """Make sure that the columns which are named are there, at the first row that has any."""
        check_columns(self.predictors, list(record.columns))
        check_kept(self.keep, list(record.columns))

    def _kept(self, record: OutputRecord) -> OutputRecord:
        """The record without the columns of the data that do not go along; those that were added do."""
        added = {*self.predictors.data_names, *(self.times.names if self.times is not None else ())}
        more = {name: value for name, value in record.columns.items() if name in added}
        return OutputRecord(record.fields, {**kept_columns(record.columns, self.keep, added), **more})


def _is_end(record: OutputRecord) -> bool:
    """Whether it stands for the end token that is scored behind a text, which is no word that anybody reads."""
    return record.fields.get("end_token") is not None
