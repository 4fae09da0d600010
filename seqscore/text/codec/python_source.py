"""A tokenizer through its own ``__call__``: those written in Python, and classes that add steps of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

from seqscore.errors import TokenizerError
from seqscore.policies import SpecialTokensPolicy
from seqscore.text.codec.literal import silent_parse
from seqscore.text.codec.spans import joined_spans
from seqscore.text.codec.vocabulary import PieceStyle, candidate_styles

_PROBES = ("a b", "The end. 12", "Hello, world: 3 é 日本 😀\n\ta  b")


@dataclass(frozen=True)
class PythonSource:
    """A tokenizer (already a copy, which this object owns) through its own ``__call__``."""

    tokenizer: Any
    special: Mapping[int, str]
    special_tokens: SpecialTokensPolicy

    @cached_property
    def unknown(self) -> int | None:
        """The id of the unknown token, None where that token has another task too."""
        names = self.tokenizer.special_tokens_map
        unknown = names.get("unk_token")
        if unknown is None or any(token == unknown for name, token in names.items() if name != "unk_token"):
            return None
        return int(self.tokenizer.convert_tokens_to_ids(str(unknown)))

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

    def offsets(self, text: str) -> Sequence[tuple[int, int]] | None:
        """Character offsets of the tokens; None from a tokenizer written in Python."""
        if not getattr(self.tokenizer, "is_fast", False):
            return None
        offsets: Sequence[tuple[int, int]] = self._call(text, split=self.special_tokens == "literal", offsets=True)[
            "offset_mapping"
        ]
        return offsets

    def words(self, text: str) -> Sequence[int] | None:
        """None: a class of Python does not say how it cuts."""
        return None

    def with_defaults(self, text: str) -> tuple[list[int], list[bool]]:
        """Token ids with the tokenizer's own special tokens; those of the text are looked for among them."""
        plain = self._ids(text)
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
                    raise silent_parse(content, number)
        return ids

    def _splits(self, text: str) -> bool:
        """Whether special tokens are to be split; in Python tokenizers this splits all other added tokens too, and of
        one that finds its whole vocabulary so (ESM's) everything."""
        if self.special_tokens == "parse":
            return False
        if getattr(self.tokenizer, "is_fast", False):
            return True
        added = getattr(self.tokenizer, "added_tokens_decoder", {}).values()
        special = set(self.special.values())
        ordinary = [token.content for token in added if token.content in text and token.content not in special]
        spelled = [content for content in special if content in text]
        if not spelled:
            return False
        if ordinary:
            raise TokenizerError(
                f"this tokenizer, written in Python, cannot keep its added token {ordinary[0]!r} whole and read the "
                f"special token {spelled[0]!r} as text; pass special_tokens='parse', or take one of the two away"
            )
        rest = reduce(lambda left, content: left.replace(content, " "), spelled, text)
        if self._call(rest, split=True)["input_ids"] != self._call(rest, split=False)["input_ids"]:
            raise TokenizerError(
                f"this tokenizer, written in Python, cannot read the special token {spelled[0]!r} as text without "
                f"cutting the rest otherwise; pass special_tokens='parse', or take it away"
            )
        return True

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
