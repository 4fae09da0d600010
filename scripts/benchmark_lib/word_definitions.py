"""Values of tokens and words as each tool defines them: plain sums in float64 over a forward pass of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Text:
    """What a model says of a text behind a start token. ``logs``: [T + 1, V], of the place of each of T tokens and of
    that behind the last. ``firsts``: the first token of each word."""

    ids: list[int]
    logs: Floats
    firsts: list[int]

    @property
    def tokens(self) -> Floats:
        """[T]: log p of each token."""
        return self.logs[np.arange(len(self.ids)), self.ids]

    @property
    def ranks(self) -> list[int]:
        """[T]: 1 + how many tokens are more probable."""
        return [1 + int((row > row[token]).sum()) for row, token in zip(self.logs, self.ids, strict=False)]

    @property
    def words(self) -> Floats:
        """[n]: log p of the tokens of each word."""
        return np.add.reduceat(self.tokens, self.firsts)

    def mass(self, row: int, kind: NDArray[np.bool_]) -> float:
        """The log of the mass of a set of tokens at the place of a token."""
        return float(np.logaddexp.reduce(self.logs[row][kind]))


class Definitions:
    """A causal checkpoint whose tokens begin with the space before a word, in float64."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        causal: Any = AutoModelForCausalLM
        tokenizer: Any = AutoTokenizer
        self.tokenizer = tokenizer.from_pretrained(folder)
        self._model = causal.from_pretrained(folder, dtype=torch.float64).eval()

    def read(self, text: str) -> Text:
        """One forward pass, behind the tokenizer's BOS."""
        import torch

        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = self._model(torch.tensor([[self.tokenizer.bos_token_id, *ids]])).logits[0]
        firsts = [i for i, token in enumerate(ids) if i == 0 or self._spaced[token]]
        return Text(ids, logits.log_softmax(-1).numpy(), firsts)

    @cached_property
    def _spaced(self) -> NDArray[np.bool_]:
        size = self._model.config.vocab_size
        spaced = np.zeros(size, np.bool_)
        for number in range(min(size, len(self.tokenizer))):
            spaced[number] = self.tokenizer.decode([number])[:1].isspace()
        return spaced

    @cached_property
    def _special(self) -> NDArray[np.bool_]:
        special = np.zeros(self._model.config.vocab_size, np.bool_)
        added = self.tokenizer.added_tokens_decoder
        special[[number for number, token in added.items() if token.special]] = True
        return special

    @cached_property
    def _marked(self) -> NDArray[np.bool_]:
        """minicons' set: the tokens that are spelled with the mark of a space in front."""
        marked = np.zeros(self._model.config.vocab_size, np.bool_)
        marked[[number for piece, number in self.tokenizer.get_vocab().items() if piece.startswith("Ġ")]] = True
        return marked

    def corrected(self, text: Text) -> Floats:
        """[n]: as seqscore has them, see ``seqscore/text/README.md``."""
        behind = self._spaced | self._special
        borders = [text.mass(0, ~self._spaced), *(text.mass(first, behind) for first in _ends(text))]
        return text.words + np.diff(borders)

    def corrected_by_minicons(self, text: Text) -> Floats:
        """[n]: its ``bow_correction``: nothing before the first word, and its set of tokens."""
        borders = [0.0, *(text.mass(first, self._marked) for first in _ends(text))]
        return text.words + np.diff(borders)

    def without_padding(self, text: Text) -> Floats:
        """[T]: log p of each token given that it is not the padding token, which surprisal sets to EOS."""
        padding = text.logs[:-1, self.tokenizer.eos_token_id]
        return text.tokens - np.log1p(-np.exp(padding))

    def with_end(self, text: Text) -> Floats:
        """[T + 1]: of each token and of EOS behind them: those that lm-scorer reduces."""
        return np.append(text.tokens, text.logs[-1, self.tokenizer.eos_token_id])

    def without_start(self, text: str) -> Floats:
        """[n]: of words without a start token, as pangoling with a tokenizer that adds none: NaN for the first."""
        import torch

        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logs = self._model(torch.tensor([ids])).logits[0].log_softmax(-1).numpy()
        tokens = np.append(np.nan, logs[np.arange(len(ids) - 1), ids[1:]])
        return np.add.reduceat(tokens, [i for i, token in enumerate(ids) if i == 0 or self._spaced[token]])


def _ends(text: Text) -> Sequence[int]:
    """The place behind each word."""
    return [*text.firsts[1:], len(text.ids)]
