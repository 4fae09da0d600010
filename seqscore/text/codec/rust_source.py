"""The Rust tokenizer of a fast tokenizer, spoken to directly: no padding, truncation or warnings stand in between."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from seqscore.errors import TokenizerError
from seqscore.policies import SpecialTokensPolicy
from seqscore.text.codec.literal import LiteralBackend, literal_backend, silent_parse
from seqscore.text.codec.vocabulary import style_of_backend

_NO_CHARACTER = "\ufdd0"


class RustSource:
    """The Rust tokenizer of a fast tokenizer (already a copy, which this object owns)."""

    def __init__(self, backend: Any, special: Mapping[int, str], special_tokens: SpecialTokensPolicy) -> None:
        backend.no_truncation()
        backend.no_padding()
        for randomness in ("dropout", "alpha", "nbest_size"):
            if getattr(backend.model, randomness, None) is not None:
                setattr(backend.model, randomness, None)  # the same text must give the same tokens
        self._literal = special_tokens == "literal"
        if self._literal:
            marked = {number for number, token in backend.get_added_tokens_decoder().items() if token.special}
            # What only the wrapping class calls special becomes special here too.
            backend.add_special_tokens([content for number, content in special.items() if number not in marked])
        backend.encode_special_tokens = self._literal
        self._backend = backend
        self.special = special
        self.style = style_of_backend(backend)
        self.unknown = _unknown_of_model(backend)
        # A token that the model's own vocabulary holds as well ("ĊĊ" as end of text) is written in its alphabet.
        self.added = frozenset(
            int(number)
            for number, token in backend.get_added_tokens_decoder().items()
            if backend.model.token_to_id(token.content) is None
        )

    def size(self) -> int:
        """One more than the highest token id."""
        highest = max(self._backend.get_vocab(with_added_tokens=True).values(), default=-1)
        return max(int(highest) + 1, int(self._backend.get_vocab_size(with_added_tokens=True)))

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, no special tokens added."""
        encodings = self._run(self._backend.encode_batch_fast, list(texts))
        found: list[list[int]] = [encoding.ids for encoding in encodings]
        if self._literal:
            for index, ids in enumerate(found):
                if self._spells(texts[index], self.special.keys() & ids):
                    found[index] = self._encoding(texts[index]).ids
        return found

    def offsets(self, text: str) -> Sequence[tuple[int, int]] | None:
        """Character offsets of the tokens of :meth:`ids`."""
        offsets: Sequence[tuple[int, int]] = self._encoding(text).offsets
        return offsets

    def words(self, text: str) -> Sequence[int] | None:
        """For each token of :meth:`ids` the word that it was cut from; None where not even two words are cut apart."""
        return self._word_numbers(text) if self._cuts_words else None

    def with_defaults(self, text: str) -> tuple[list[int], list[bool]]:
        """Token ids with what the post-processor adds, and which of them it added."""
        encoding = self._backend.post_process(self._encoding(text), None, True)
        return encoding.ids, [mask == 1 for mask in encoding.special_tokens_mask]

    def token(self, token_id: int) -> str | bytes | None:
        """The vocabulary string of a token, None where the id has none."""
        token: str | None = self._backend.id_to_token(token_id)
        return token

    def decode(self, ids: Sequence[int]) -> str:
        """The tokenizer's own text for these tokens, special ones included."""
        return str(self._backend.decode(list(ids), skip_special_tokens=False))

    def _encoding(self, text: str) -> Any:
        if not self._literal or not self._spells(text, self.special.keys()):
            return self._run(self._backend.encode_batch, [text])[0]
        encoding = self._run(self._hiding.backend.encode_batch, [text])[0]
        for number in encoding.ids:
            if number in self._hiding.hidden and number != self.unknown:
                raise silent_parse(self._hiding.hidden[number], number)
        return encoding

    def _spells(self, text: str, numbers: Collection[int]) -> bool:
        """Whether the text, before or after normalisation, spells one of these special tokens."""
        contents = [self.special[number] for number in numbers if len(self.special[number]) > 1]
        if not contents:
            return False
        normalizer = self._backend.normalizer
        normal = text if normalizer is None else normalizer.normalize_str(text)
        return any(content in text or content in normal for content in contents)

    @cached_property
    def _cuts_words(self) -> bool:
        return len(set(self._word_numbers("a b"))) > 1

    def _word_numbers(self, text: str) -> list[int]:
        numbers: list[int] = self._encoding(text).word_ids
        return numbers

    @cached_property
    def _hiding(self) -> LiteralBackend:
        return literal_backend(self._backend, self.special.values())

    def _run(self, encode: Any, texts: list[str]) -> Any:
        try:
            return encode(texts, add_special_tokens=False)
        except Exception as error:  # a bare one comes here, e.g. from a model without an unknown token
            raise TokenizerError(f"the tokenizer cannot encode this text: {error}") from error


def _unknown_of_model(backend: Any) -> int | None:
    """The id that the model gives to what it does not know, asked with a character that no vocabulary holds."""
    try:
        tokens = backend.model.tokenize(_NO_CHARACTER)
    except Exception:  # noqa: BLE001 - what the library raises where there is no unknown token
        return None
    numbers = {int(token.id) for token in tokens}
    return numbers.pop() if len(numbers) == 1 and backend.token_to_id(_NO_CHARACTER) not in numbers else None
