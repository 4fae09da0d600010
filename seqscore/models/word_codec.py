"""Words as tokens: a text split at white space, for models that know words and not their numbers.

White space is what KenLM's ``query`` takes for it: the six bytes space, tab, newline, vertical tab, form feed and
carriage return. A no-break or an ideographic space is part of a word.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import xxhash
from numpy.typing import NDArray

from seqscore.errors import InputError, ModelError, OptionError, SeqscoreError
from seqscore.policies import SpecialTokensPolicy, StartPolicy
from seqscore.text.codec.encoder import Encoded, checked_text
from seqscore.text.codec.unknown import UnknownTokens
from seqscore.text.codec.word_marks import WordMarks
from seqscore.text.start import StartToken, resolve_start

UNKNOWN, START, END = 0, 1, 2
"""Ids of the words that every model has: ``<unk>``, ``<s>``, ``</s>``."""

VOCABULARY = 1 << 53
"""One more than the highest id: readers of JSON, who have float64 alone, keep them all."""

_SPECIAL: Mapping[bytes, int] = {b"<unk>": UNKNOWN, b"<s>": START, b"</s>": END}
_MOST_UNKNOWN = 1 << 20  # words that are not known and are remembered as such

_IS_SPACE = np.zeros(256, np.bool_)
_IS_SPACE[list(b" \t\n\v\f\r")] = True


class WordCodec:
    """Words and their ids: of a word that the model knows 3 + the first 52 bits of its XXH3, of all others 0.

    A hash does not tell its word: ids that a caller gives must be those of words that were read before, in any text.
    ``known``: the words of the model.
    """

    behind: tuple[int, ...] = ()

    def __init__(self, known: Container[bytes]) -> None:
        words: dict[int, bytes] = {number: word for word, number in _SPECIAL.items()}
        self._words = words
        self._ids = {
            "literal": _Ids(known, words, dict.fromkeys(_SPECIAL, UNKNOWN)),
            "parse": _Ids(known, words, _SPECIAL),
        }
        self.tokenizer = WordTokenizer(self)

    def encoder(self, special_tokens: SpecialTokensPolicy) -> WordEncoder:
        """Text -> words. ``literal``: a word that is spelled like one of the three is a word that is not known."""
        return WordEncoder(self, self._ids[special_tokens], special_tokens)

    def source_encoder(self, special_tokens: SpecialTokensPolicy) -> WordEncoder:
        """The same: there is no source."""
        return self.encoder(special_tokens)

    def start(self, policy: StartPolicy) -> StartToken:
        """``<s>``, unless something else is named."""
        start = resolve_start(self.tokenizer, policy)
        self.words([] if start.token_id is None else [start.token_id])
        return start

    def told_literally(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Lines of UTF-8 as KenLM is to be given them for words that spell nothing special: it takes ``<s>`` and
        ``</s>`` for what they spell, and ends a word at a zero byte."""
        ids = self._ids["literal"]
        for line in lines:
            misread = b"<s>" in line or b"</s>" in line or b"\0" in line
            yield b" ".join([self._words[ids[word]] for word in line.split()]) if misread else line

    def words(self, ids: Sequence[int]) -> list[bytes]:
        """The words of ids.

        Raises:
            InputError: one of them is of no word that was read before.
        """
        try:
            return list(map(self._words.__getitem__, ids))
        except KeyError as error:
            raise InputError(
                f"token id {error.args[0]} is of no word that this scorer has read: an id is known once "
                f"its word was scored in a text; give texts"
            ) from error


class _Ids(dict[bytes, int]):
    """Word -> id, filled as words are met: all that the model knows, and of others as many as memory may take."""

    def __init__(self, known: Container[bytes], words: dict[int, bytes], special: Mapping[bytes, int]) -> None:
        super().__init__(special)
        self._known, self._words, self._num_unknown = known, words, 0

    def __missing__(self, word: bytes) -> int:
        if b"\0" in word or word not in self._known:  # KenLM would end the word at the zero byte
            self._num_unknown += 1
            if self._num_unknown <= _MOST_UNKNOWN:
                self[word] = UNKNOWN
            return UNKNOWN
        number = END + 1 + (xxhash.xxh3_64_intdigest(word) >> 12)
        if self._words.setdefault(number, word) != word:
            raise ModelError(f"two words of this model have the same id, {number}: {self._words[number]!r}, {word!r}")
        self[word] = number
        return number


class WordEncoder:
    """Text -> words, each with the white space before it; what stands behind the last one is the last one's."""

    marks_continued_words = False
    tells_words = True

    def __init__(self, codec: WordCodec, ids: _Ids, special_tokens: SpecialTokensPolicy) -> None:
        self._codec, self._ids = codec, ids
        spelled = "<unk>" if special_tokens == "parse" else ""  # which no word is
        self._unknown = UnknownTokens({UNKNOWN: spelled}, frozenset({UNKNOWN}), keeps_spans=True)

    @property
    def unknown(self) -> int:
        """``<unk>``."""
        return UNKNOWN

    @property
    def word_marks(self) -> WordMarks:
        """None: every token is a word."""
        return WordMarks(None, np.zeros(0, np.int8), np.zeros(0, np.bool_))

    def token_words(self, text: str | None, ids: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Every token is a word."""
        return np.arange(len(ids))

    def unknown_tokens(self, tokenizer: Any) -> UnknownTokens:
        """Words that the model does not know; where each stands is known all the same."""
        return self._unknown

    def encode(self, text: str) -> Encoded:
        """The words of a text.

        Raises:
            InputError: not a str, or one with a lone surrogate.
        """
        try:
            return self.encode_batch([text])[0]
        except SeqscoreError as error:
            error.item = None
            raise

    def encode_batch(self, texts: Sequence[str]) -> list[Encoded]:
        """The words of each text; errors name the item."""
        checked = [checked_text(text, index) for index, text in enumerate(texts)]
        words = [data.split() for _, data in checked]
        counts = list(map(len, words))
        ids = np.array(list(map(self._ids.__getitem__, chain.from_iterable(words))), np.int64)
        starts, ends = _spans([data for _, data in checked], counts)
        for array in (ids, starts, ends):
            array.flags.writeable = False
        encoded, last = [], 0
        for (text, _), count in zip(checked, counts, strict=True):
            first, last = last, last + count
            part = slice(first, last)
            encoded.append(Encoded(text, ids[part], starts[part], ends[part], exact=count > 0 or not text))
        return encoded

    def encode_with_defaults(self, text: str) -> Encoded:
        """The words of a text: nothing is added."""
        return self.encode(text)

    def from_ids(self, ids: Sequence[int]) -> Encoded:
        """Words with a space between them.

        Raises:
            InputError: an id is of no word that was read before.
        """
        numbers = [int(number) for number in ids]
        words = self._codec.words(numbers)
        ends = np.cumsum([len(word) + (place > 0) for place, word in enumerate(words)], dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), ends])[:-1]
        return Encoded(b" ".join(words).decode(), np.array(numbers, np.int64), starts, ends, exact=True)

    def piece(self, token_id: int) -> bytes:
        """The word, without white space."""
        return self._codec.words([token_id])[0]

    def shown(self, token_id: int) -> str:
        """The word."""
        return self.piece(token_id).decode()

    def is_verbatim(self, ids: NDArray[np.int64], text: str) -> bool:
        """A word is the text's own, wherever it stands."""
        return True

    def adds_space(self, ids: NDArray[np.int64], text: str) -> bool:
        """No token has a space that the text has not."""
        return False

    def beginning_with(self, prefix: bytes, *, like: int) -> NDArray[np.int64]:
        """KenLM does not list its words.

        Raises:
            OptionError: always.
        """
        raise OptionError("an n-gram model does not list its words")


class WordTokenizer:
    """What is asked of a tokenizer elsewhere: the three words that every model has, by their names."""

    bos_token_id, eos_token_id, unk_token_id, pad_token_id = START, END, UNKNOWN, None
    all_special_tokens: ClassVar[tuple[str, ...]] = tuple(word.decode() for word in _SPECIAL)
    all_special_ids: ClassVar[tuple[int, ...]] = tuple(_SPECIAL.values())
    chat_template = None

    def __init__(self, codec: WordCodec) -> None:
        self._codec = codec

    def __len__(self) -> int:
        return VOCABULARY

    def __call__(self, text: str, **options: object) -> dict[str, list[int]]:
        """The ids of a text's words, special ones among them."""
        return {"input_ids": self._codec.encoder("parse").encode(text).ids.tolist()}

    def decode(self, ids: Sequence[int]) -> str:
        """The words, with a space between them."""
        return " ".join(self.convert_ids_to_tokens(ids))

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """The words."""
        return [word.decode() for word in self._codec.words(ids)]


def _spans(texts: Sequence[bytes], counts: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the words of texts begin and end, [words] in all, in bytes of their own text: from the end of the word
    before to their own, the last to the end of the text. ``counts``: how many words each text has."""
    joined = np.frombuffer(b"\n".join([*texts, b""]), np.uint8)
    space = _IS_SPACE[joined]
    ends = np.flatnonzero(space[1:] & ~space[:-1]) + 1
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    per_text = np.array(counts, np.int64)
    begins = np.cumsum(sizes + 1) - sizes - 1
    ends -= np.repeat(begins, per_text)
    starts = np.empty_like(ends)
    starts[1:] = ends[:-1]
    has_words = per_text > 0
    lasts = np.cumsum(per_text)[has_words]
    starts[lasts - per_text[has_words]] = 0
    ends[lasts - 1] = sizes[has_words]
    return starts, ends
