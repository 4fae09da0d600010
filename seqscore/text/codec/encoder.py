"""Text -> token ids and the bytes each token stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError, SeqscoreError, TokenizerError
from seqscore.policies import SpecialTokensPolicy
from seqscore.text.codec.guarded import guarded_source
from seqscore.text.codec.offsets import offset_spans
from seqscore.text.codec.prefixes import PrefixTable
from seqscore.text.codec.spans import Spans, decoded_spans, joined_spans, last_token_spans, replaced_spans, walked_spans
from seqscore.text.codec.token_words import words_by_marks, words_by_text
from seqscore.text.codec.unknown import UnknownTokens, find_unknown
from seqscore.text.codec.vocabulary import PieceTable
from seqscore.text.codec.word_marks import WordMarks, word_marks

_CHUNK_TEXTS = 1024
_CHUNK_CHARACTERS = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A text as tokens.

    Shape: ``ids``, ``starts``, ``ends`` [n], int64, read-only. ``starts`` and ``ends`` are byte offsets into
    ``text.encode("utf-8")``: ``starts[0] == 0``, ``starts[i + 1] == ends[i]``, ``ends[-1]`` the number of bytes.

    Attributes:
        text: the text; None for token ids one of which has no token.
        ids: token ids.
        starts: the byte at which each token begins.
        ends: the byte after its last.
        exact: False where the split is not unique: a normaliser changed a character that several tokens share, a
            tokenizer without offsets met an unknown word, or token ids hold parts of characters (each such byte
            stands as ``U+FFFD`` in ``text``). Spans are then in order and cover the text all the same; some may be
            empty. Also False for a text of which the tokenizer leaves no token at all
            (WordPiece, and white space alone).
    """

    text: str | None
    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    exact: bool


class TextEncoder:
    """Encodes texts with one tokenizer, of which it keeps a copy: the caller's object stays as it was.

    Args:
        tokenizer: a tokenizer of transformers, fast or written in Python.
        special_tokens: ``literal``: text that spells a special token is ordinary text; added tokens that are not
            special stay as they are. ``parse``: it is that token.

    Raises:
        TokenizerError: the tokenizer cannot be copied, or adds special tokens to a text although asked not to.
    """

    def __init__(self, tokenizer: Any, *, special_tokens: SpecialTokensPolicy = "literal") -> None:
        self._source = guarded_source(tokenizer, special_tokens)
        self._pieces = PieceTable(self._source.token, style=self._source.style, added=self._source.added)
        self._marker = self._source.style.marker_bytes

    @property
    def unknown(self) -> int | None:
        """The id of the token that stands for text which the tokenizer does not know; None where there is none."""
        return self._source.unknown

    def unknown_tokens(self, tokenizer: Any) -> UnknownTokens:
        """That token, and the one that ``tokenizer`` declares."""
        return find_unknown(tokenizer, self._source.unknown)

    def encode(self, text: str) -> Encoded:
        """The tokens of a text, without special tokens added; an empty text has none.

        Raises:
            InputError: not a str, or a str with a lone surrogate, which is no Unicode text.
            TokenizerError: the tokenizer cannot encode it, or reads it as a special token under ``literal``.
        """
        try:
            return self.encode_batch([text])[0]
        except SeqscoreError as error:
            error.item = None
            raise

    def encode_batch(self, texts: Sequence[str]) -> list[Encoded]:
        """:meth:`encode` of each text, with one call of the tokenizer for many; errors name the item."""
        checked = [checked_text(text, index) for index, text in enumerate(texts)]
        encoded: list[Encoded] = []
        for chunk in _chunks(checked):
            # An empty text has no tokens, whatever a tokenizer puts in its place.
            found = iter(self._ids([text for text, data in chunk if data], chunk, first=len(encoded)))
            encoded += self._encoded(chunk, [next(found) if data else [] for _, data in chunk])
        return encoded

    def encode_with_defaults(self, text: str) -> Encoded:
        """The tokens of a text with the special tokens that the tokenizer adds by default, which span no bytes.

        Raises:
            InputError: as :meth:`encode`.
            TokenizerError: as :meth:`encode`, or the text's own tokens change when special tokens are added.
        """
        plain = self.encode(text)
        numbers, flags = self._source.with_defaults(str(text))
        ids, added = np.array(numbers, dtype=np.int64), np.array(flags, dtype=bool)
        if not plain.text:
            ids, added = ids[added], added[added]
        if not np.array_equal(ids[~added], plain.ids):
            raise TokenizerError("the tokenizer changes a text's own tokens when it adds special tokens to it")
        ends = np.append(0, plain.ends)[np.cumsum(~added)]
        starts = np.append(0, ends)[:-1]
        return _record(plain.text, ids, starts, ends, plain.exact)

    def from_ids(self, ids: Sequence[int]) -> Encoded:
        """Token ids as they are given, with the text they stand for; special tokens stand for their spelling.

        Args:
            ids: integers; lists, NumPy arrays and torch tensors of one dimension.

        Raises:
            InputError: not integers, or outside the vocabulary; names the position.
        """
        numbers = self._checked_ids(ids)
        array = np.array(numbers, dtype=np.int64)
        if any(self._source.token(number) is None for number in set(numbers)):
            nowhere = np.zeros(len(numbers), dtype=np.int64)
            return _record(None, array, nowhere, nowhere, False)
        text, spans = self._decoded(numbers)
        return _record(text, array, spans.bounds[:-1], spans.bounds[1:], spans.exact)

    def piece(self, token_id: int) -> bytes:
        """The bytes that a token stands for, by its vocabulary string."""
        return self._pieces[token_id]

    def shown(self, token_id: int) -> str:
        """A token as people read it: its text, with what marks the beginning or end of a word where no space does; the
        number of a token that the tokenizer does not know."""
        token, style = self._source.token(token_id), self._source.style
        if token is None:
            return f"<{token_id}>"
        if isinstance(token, str) and (style.prefix or style.suffix):
            return token
        return self._pieces[token_id].decode("utf-8", "backslashreplace")

    @property
    def marks_continued_words(self) -> bool:
        """Whether the vocabulary has other tokens within a word than at its beginning (WordPiece)."""
        return bool(self._source.style.prefix)

    def is_verbatim(self, ids: NDArray[np.int64], text: str) -> bool:
        """Whether the bytes of these tokens, one after the other, are the text's: nothing added, changed or lost."""
        return self._joined(ids) == self._spaced(text)

    def adds_space(self, ids: NDArray[np.int64], text: str) -> bool:
        """Whether these tokens of a text begin with a space that the text does not have."""
        joined, data = self._joined(ids), self._spaced(text)
        return joined[:1] == b" " and (not data[:1].isspace() or joined == b" " + data)

    def beginning_with(self, prefix: bytes, *, like: int) -> NDArray[np.int64]:
        """The ids of all tokens whose bytes begin with ``prefix``, ascending; special tokens, which stand for no text,
        are not among them, nor those that differ from the token ``like`` in whether they continue a word."""
        return self._vocabulary.beginning_with(prefix, like=like)

    @cached_property
    def _vocabulary(self) -> PrefixTable:
        numbers = (number for number in range(self._size) if number not in self._source.special)
        return PrefixTable(
            self._pieces, numbers, lambda number: self._source.style.continues(self._source.token(number))
        )

    @cached_property
    def word_marks(self) -> WordMarks:
        """How its tokens mark where words begin and end; the whole vocabulary is gone through once."""
        style, added, tokens = self._source.style, self._source.added, self._source.tokens()
        return word_marks(
            (None if token is None else style.read(token, added=n in added) for n, token in enumerate(tokens)),
            special=self._source.special,
            unknown=self._source.unknown,
            continues=(lambda number: style.continues(tokens[number])) if style.prefix and not style.suffix else None,
            ends=(lambda number: style.ends(tokens[number])) if style.suffix else None,
        )

    def token_words(self, text: str | None, ids: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """[n], ascending: which word of its text each token is part of, see ``seqscore.text.codec.token_words``.

        Args:
            text: the text; None where it is not known.
            ids: [n], its tokens.
            starts: [n], the bytes at which they begin.
        """
        words = self._source.words(text) if text else None
        if text is None or words is None:
            return words_by_marks(self.word_marks, ids)
        own = self.encode(text)
        return words_by_text(words, (own.ids, own.starts), ids, starts)

    @cached_property
    def tells_words(self) -> bool:
        """Whether tokens tell which of them are of one word."""
        return self._source.words("a b") is not None or self.word_marks.marks is not None

    def _joined(self, ids: NDArray[np.int64]) -> bytes:
        return b"".join(self._pieces[number] for number in ids.tolist())

    def _spaced(self, text: str) -> bytes:
        """A text's bytes, with a space for each marker that stands for one."""
        data = text.encode("utf-8")
        return data if self._marker is None else data.replace(self._marker, b" ")

    def _ids(self, texts: list[str], chunk: Sequence[tuple[str, bytes]], *, first: int) -> list[list[int]]:
        """Ids of the texts that are not empty; an error names the item, ``first`` being the chunk's first one."""
        try:
            return self._source.ids(texts) if texts else []
        except SeqscoreError:
            for index, (text, data) in enumerate(chunk, start=first):
                try:
                    self._source.ids([text] if data else [])
                except SeqscoreError as error:
                    raise error.for_item(index) from error
            raise

    def _encoded(self, chunk: Sequence[tuple[str, bytes]], ids: Sequence[list[int]]) -> list[Encoded]:
        """Ids with spans. Texts whose tokens join to their bytes share three arrays, cut into views."""
        flat = list(chain.from_iterable(ids))
        pieces = list(map(self._pieces.__getitem__, flat))
        widths = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
        all_ids, all_ends = np.array(flat, dtype=np.int64), np.cumsum(widths)
        joined, edges = b"".join(pieces), np.append(0, all_ends).tolist()
        counts = [len(one) for one in ids]
        begins = [edges[last - count] for last, count in zip(accumulate(counts), counts, strict=True)]
        all_ends -= np.repeat(np.array(begins, dtype=np.int64), counts)
        all_starts = all_ends - widths
        encoded: list[Encoded] = []
        last = 0
        for (text, data), begin in zip(chunk, begins, strict=True):
            first, last = last, last + counts[len(encoded)]
            if joined[begin : edges[last]] == data:
                encoded.append(_record(text, all_ids[first:last], all_starts[first:last], all_ends[first:last], True))
            else:
                encoded.append(self._aligned(text, data, all_ids[first:last], pieces[first:last]))
        return encoded

    def _aligned(self, text: str, data: bytes, ids: NDArray[np.int64], pieces: Sequence[bytes]) -> Encoded:
        """One text whose tokens do not simply join to it."""
        spans = joined_spans(pieces, data, marker=self._marker) if pieces else last_token_spans(0, 0)
        if spans is None:
            spans = self._searched(text, data, ids.tolist(), pieces)
        return _record(text, ids, spans.bounds[:-1], spans.bounds[1:], spans.exact)

    def _searched(self, text: str, data: bytes, ids: list[int], pieces: Sequence[bytes]) -> Spans:
        walked = walked_spans(pieces, data, marker=self._marker)
        if walked is not None and walked.exact:
            return walked
        unknown = self._source.unknown
        offsets = self._source.offsets(text)
        if offsets is None:
            return walked or decoded_spans(text, ids, self._source.decode, unknown=unknown)
        if len(offsets) != len(ids):
            return last_token_spans(len(ids), len(data))
        known = [None if number == unknown else piece for number, piece in zip(ids, pieces, strict=True)]
        spans = offset_spans(data, offsets, known, marker=self._marker)
        return spans if walked is None or spans.exact else walked

    def _decoded(self, ids: list[int]) -> tuple[str, Spans]:
        """The text that token ids stand for: what the tokenizer decodes, where its tokens join to that."""
        pieces = [self._pieces[number] for number in ids]
        text = self._source.decode(ids).encode("utf-8", "replace").decode() if ids else ""
        spans = joined_spans(pieces, text.encode(), marker=self._marker)
        if spans is not None:
            return text, spans
        if self._pieces.style.alphabet == "plain":
            walked = walked_spans(pieces, text.encode())
            return text, walked or decoded_spans(text, ids, self._source.decode)
        return replaced_spans(pieces)

    @cached_property
    def _size(self) -> int:
        return self._source.size()

    def _checked_ids(self, ids: Sequence[int]) -> list[int]:
        values = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        if not isinstance(values, list):
            raise InputError(f"token ids must be a list or an array of one dimension, got the single value {values!r}")
        for position, value in enumerate(values):
            if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
                raise InputError(f"token id {position} is {value!r} ({type(value).__name__}), expected an integer")
            if not 0 <= value < self._size:
                raise InputError(
                    f"token id {position} is {value}, outside this tokenizer's vocabulary of 0 to {self._size - 1}"
                )
        return [int(value) for value in values]


def checked_text(text: object, index: int) -> tuple[str, bytes]:
    """A text and its UTF-8 bytes.

    Raises:
        InputError: not a str, or one with a lone surrogate; names the item.
    """
    if not isinstance(text, str):
        raise InputError(f"expected a text (str), got {type(text).__name__}; decode bytes first", item=index)
    try:
        return str(text), text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"character {error.start} is the lone surrogate U+{ord(text[error.start]):04X}, which is no Unicode text; "
            f"it comes from a wrong decoding of the source: decode that as UTF-8 (or UTF-16), or remove it",
            item=index,
        ) from None


def _chunks(texts: Sequence[tuple[str, bytes]]) -> Iterator[Sequence[tuple[str, bytes]]]:
    """Runs of texts for one call of the tokenizer each, so that memory stays bounded."""
    first, characters = 0, 0
    for index, (text, _) in enumerate(texts):
        if index > first and (index - first == _CHUNK_TEXTS or characters + len(text) > _CHUNK_CHARACTERS):
            yield texts[first:index]
            first, characters = index, 0
        characters += len(text)
    if first < len(texts):
        yield texts[first:]


def _record(
    text: str | None, ids: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64], exact: bool
) -> Encoded:
    for array in (ids, starts, ends):
        array.flags.writeable = False
    return Encoded(text, ids, starts, ends, exact)
