"""Tokenizers behind one interface: texts -> ids, ids -> text, offsets where there are any. On copies only.

:class:`BackendSource` speaks to the Rust tokenizer of a fast tokenizer directly: no padding, truncation or warnings
stand in between. :class:`CallSource` is for tokenizers written in Python and for classes that add steps of their own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias

from seqscore.errors import TokenizerError
from seqscore.text.literal import LiteralBackend, literal_backend
from seqscore.text.pieces import PieceStyle, candidate_styles, style_of_backend
from seqscore.text.spans import joined_spans

__all__ = ["Offsets", "SpecialTokens", "TokenSource", "open_source"]

SpecialTokens: TypeAlias = Literal["literal", "parse"]
"""Whether text that spells a special token is ordinary text or that token."""

Offsets: TypeAlias = Sequence[tuple[int, int]]
"""For each token its first character and the one after its last."""

_PROBES = ("a b", "The end. 12", "Hello, world: 3 é 日本 😀\n\ta  b")
_NO_CHARACTER = "\ufdd0"


class TokenSource(Protocol):
    """What :class:`seqscore.text.encoder.TextEncoder` needs of a tokenizer."""

    @property
    def style(self) -> PieceStyle:
        """How its vocabulary strings are to be read."""
        ...

    @property
    def unknown(self) -> int | None:
        """The id of the unknown token, which may stand for any text."""
        ...

    @property
    def added(self) -> frozenset[int]:
        """Ids of added tokens, which stand for their content."""
        ...

    def size(self) -> int:
        """One more than the highest token id."""
        ...

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, no special tokens added."""
        ...

    def offsets(self, text: str) -> Offsets | None:
        """Character offsets of the tokens that :meth:`ids` gives; None where the tokenizer has none."""
        ...

    def with_defaults(self, text: str) -> tuple[list[int], list[bool]]:
        """Token ids with the special tokens that the tokenizer adds by default, and which of them it added."""
        ...

    def token(self, token_id: int) -> str | bytes | None:
        """The vocabulary string of a token, None where the id has none."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The tokenizer's own text for these tokens, special ones included, no spaces cleaned up."""
        ...


def open_source(tokenizer: Any, special_tokens: SpecialTokens) -> TokenSource:
    """A source on a copy of ``tokenizer``, which itself stays as it was.

    Raises:
        TokenizerError: it cannot be copied, or puts special tokens into a text although asked not to.
    """
    try:
        twin = copy.deepcopy(tokenizer)
    except Exception as error:  # a tokenizer may be anybody's program
        raise TokenizerError(
            f"the tokenizer ({type(tokenizer).__name__}) cannot be copied, and seqscore never changes the caller's "
            f"own: {error}"
        ) from error
    special = _special_tokens(twin)
    backend = getattr(twin, "backend_tokenizer", None) if getattr(twin, "is_fast", False) else None
    source: TokenSource = CallSource(twin, special, special_tokens)
    if backend is not None:
        direct = BackendSource(backend, special, special_tokens)
        if _agree(direct, source):
            source = direct
    _check_nothing_added(source, special)
    return source


def _special_tokens(tokenizer: Any) -> dict[int, str]:
    """Id -> content of every token that the tokenizer calls special."""
    special = {
        int(number): str(token.content)
        for number, token in getattr(tokenizer, "added_tokens_decoder", {}).items()
        if token.special
    }
    special.update({int(tokenizer.convert_tokens_to_ids(token)): token for token in tokenizer.all_special_tokens})
    return special


def _agree(direct: TokenSource, call: TokenSource) -> bool:
    """Whether the tokenizer's class does no more than its Rust tokenizer."""
    for text in _PROBES:
        if direct.ids([text]) != call.ids([text]) or direct.with_defaults(text)[0] != call.with_defaults(text)[0]:
            return False
    return True


def _check_nothing_added(source: TokenSource, special: Mapping[int, str]) -> None:
    text = _PROBES[0]
    for number in source.ids([text])[0]:
        if number in special and number != source.unknown and special[number] not in text:
            raise TokenizerError(
                f"the tokenizer puts its special token {special[number]!r} (id {number}) into the text {text!r} "
                f"although add_special_tokens=False; it cannot be used to score plain text"
            )


def _silent_parse(content: str, number: int) -> TokenizerError:
    return TokenizerError(
        f"the tokenizer reads the text {content!r} as its special token {number} even when told not to; pass "
        f"special_tokens='parse' if that is what the text means, or remove {content!r} from it"
    )


class BackendSource:
    """The Rust tokenizer of a fast tokenizer (already a copy, which this object owns)."""

    def __init__(self, backend: Any, special: Mapping[int, str], special_tokens: SpecialTokens) -> None:
        backend.no_truncation()
        backend.no_padding()
        for randomness in ("dropout", "alpha", "nbest_size"):
            if getattr(backend.model, randomness, None) is not None:
                setattr(backend.model, randomness, None)  # the same text must give the same tokens
        self._literal = special_tokens == "literal"
        if self._literal:
            known = [content for number, content in special.items() if backend.token_to_id(content) == number]
            backend.add_special_tokens(known)  # marks as special what only the wrapping class calls so
        backend.encode_special_tokens = self._literal
        self._backend = backend
        self._special = special
        self.style = style_of_backend(backend)
        self.unknown = _unknown_of_model(backend)
        self.added = frozenset(int(number) for number in backend.get_added_tokens_decoder())

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
                if self._spelled(texts[index], ids):
                    found[index] = self._encoding(texts[index]).ids
        return found

    def offsets(self, text: str) -> Offsets | None:
        """Character offsets of the tokens of :meth:`ids`."""
        offsets: Offsets = self._encoding(text).offsets
        return offsets

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
        encoding = self._run(self._backend.encode_batch, [text])[0]
        if not self._literal or not self._spelled(text, encoding.ids):
            return encoding
        encoding = self._run(self._hiding.backend.encode_batch, [text])[0]
        for number in encoding.ids:
            if number in self._hiding.hidden and number != self.unknown:
                raise _silent_parse(self._hiding.hidden[number], number)
        return encoding

    def _spelled(self, text: str, ids: Sequence[int]) -> bool:
        """Whether special tokens that the text spells, before or after normalisation, are among its tokens."""
        found = self._special.keys() & ids
        if not found:
            return False
        normalizer = self._backend.normalizer
        normal = text if normalizer is None else normalizer.normalize_str(text)
        return any(self._special[number] in text or self._special[number] in normal for number in found)

    @cached_property
    def _hiding(self) -> LiteralBackend:
        return literal_backend(self._backend, self._special.values())

    def _run(self, encode: Any, texts: list[str]) -> Any:
        try:
            return encode(texts, add_special_tokens=False)
        except Exception as error:  # the library raises a bare Exception, e.g. for a model without an unknown token
            if len(texts) > 1:
                for index, text in enumerate(texts):
                    try:
                        self._run(encode, [text])
                    except TokenizerError as single:
                        raise TokenizerError(single.message, item=index) from error
            raise TokenizerError(f"the tokenizer cannot encode this text: {error}") from error


def _unknown_of_model(backend: Any) -> int | None:
    """The id that the model gives to what it does not know, asked with a character that no vocabulary holds."""
    try:
        tokens = backend.model.tokenize(_NO_CHARACTER)
    except Exception:  # noqa: BLE001 - what the library raises where there is no unknown token
        return None
    numbers = {int(token.id) for token in tokens}
    return numbers.pop() if len(numbers) == 1 and backend.token_to_id(_NO_CHARACTER) not in numbers else None


@dataclass(frozen=True)
class CallSource:
    """A tokenizer (already a copy, which this object owns) through its own ``__call__``."""

    tokenizer: Any
    special: Mapping[int, str]
    special_tokens: SpecialTokens

    @cached_property
    def unknown(self) -> int | None:
        """The id of the unknown token, None where another special token has the same id."""
        unknown = self.tokenizer.special_tokens_map.get("unk_token")
        return None if unknown is None else int(self.tokenizer.convert_tokens_to_ids(str(unknown)))

    @cached_property
    def added(self) -> frozenset[int]:
        """Ids of added tokens."""
        return frozenset(int(number) for number in getattr(self.tokenizer, "added_tokens_decoder", {}))

    @cached_property
    def style(self) -> PieceStyle:
        """The style under which the tokens of most probe texts join to the text; the first one where none does."""

        def joins(style: PieceStyle) -> int:
            fits = 0
            for text in _PROBES:
                pieces = [style.read(self.token(number), added=number in self.added) for number in self.ids([text])[0]]
                fits += joined_spans(pieces, text.encode(), marker=style.marker_bytes) is not None
            return fits

        return max(candidate_styles(), key=joins)

    def size(self) -> int:
        """One more than the highest token id."""
        return max(len(self.tokenizer), max(self.tokenizer.get_vocab().values(), default=-1) + 1)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, no special tokens added."""
        return [self._ids(text) for text in texts]

    def offsets(self, text: str) -> Offsets | None:
        """Character offsets of the tokens; None from a tokenizer written in Python."""
        if not getattr(self.tokenizer, "is_fast", False):
            return None
        offsets: Offsets = self._call(text, split=self.special_tokens == "literal", offsets=True)["offset_mapping"]
        return offsets

    def with_defaults(self, text: str) -> tuple[list[int], list[bool]]:
        """Token ids with the tokenizer's own special tokens; those of the text are looked for among them."""
        plain = self._ids(text) if text else []
        whole = list(self._call(text, split=self._splits(text), defaults=True)["input_ids"])
        for front in range(len(whole) - len(plain) + 1):
            if whole[front : front + len(plain)] == plain:
                back = len(whole) - len(plain) - front
                return whole, [True] * front + [False] * len(plain) + [True] * back
        raise TokenizerError("the tokenizer changes a text's own tokens when it adds special tokens to it")

    def token(self, token_id: int) -> str | bytes | None:
        """The vocabulary string of a token, None where the id has none."""
        token: str | bytes | None = self.tokenizer.convert_ids_to_tokens([token_id])[0]
        return token

    def decode(self, ids: Sequence[int]) -> str:
        """The tokenizer's own text for these tokens, special ones included, no spaces cleaned up."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _ids(self, text: str) -> list[int]:
        split = self._splits(text)
        ids = [int(number) for number in self._call(text, split=split)["input_ids"]]
        if self.special_tokens == "literal":
            for number in self.special.keys() & set(ids):
                content = self.special[number]
                if len(content) > 1 and number != self.unknown and content in text:
                    raise _silent_parse(content, number)
        return ids

    def _splits(self, text: str) -> bool:
        """Whether special tokens are to be split; in Python tokenizers this splits all other added tokens too."""
        if self.special_tokens == "parse":
            return False
        if getattr(self.tokenizer, "is_fast", False):
            return True
        added = getattr(self.tokenizer, "added_tokens_decoder", {}).values()
        ordinary = [token.content for token in added if not token.special and token.content in text]
        spelled = [content for content in self.special.values() if content in text]
        if ordinary and spelled:
            raise TokenizerError(
                f"this tokenizer, written in Python, cannot keep its added token {ordinary[0]!r} whole and read the "
                f"special token {spelled[0]!r} as text; pass special_tokens='parse', or take one of the two away"
            )
        return not ordinary

    def _call(self, text: str, *, split: bool, defaults: bool = False, offsets: bool = False) -> Any:
        return self.tokenizer(
            text,
            add_special_tokens=defaults,
            split_special_tokens=split,
            padding=False,
            truncation=False,
            verbose=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            **({"return_offsets_mapping": True} if offsets else {}),
        )
