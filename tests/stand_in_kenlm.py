"""Stands for the library kenlm, which has to be compiled: what is asked of it, by a reader in plain Python."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from tests.ngram_models import END, START, UNKNOWN, Arpa


class Config:
    show_progress = True
    arpa_complain = 0


class ARPALoadComplain:
    NONE = 2


class LanguageModel:
    """Reads as KenLM does: white space as ``bytes.split`` has it, words that end at a zero byte."""

    def __init__(self, path: str, config: Config) -> None:
        assert not config.show_progress and config.arpa_complain == ARPALoadComplain.NONE
        data = Path(path).read_bytes()
        if path.endswith(".gz"):
            data = gzip.decompress(data)
        if not data.startswith(b"\\data\\"):
            where = "lm/read_arpa.cc:65 in void lm::ReadARPACounts() threw FormatLoadException because `it is so'. "
            raise OSError(f"Cannot read model '{path}' ({where}first line was not \\data\\. Byte: 9)")
        self._arpa = Arpa(data.decode())
        self.order = self._arpa.order

    def __contains__(self, word: bytes) -> bool:
        return self._arpa.known(_word(word)) != UNKNOWN

    def full_scores(self, sentence: bytes, *, bos: bool, eos: bool) -> Iterator[tuple[float, int, bool]]:
        before = [START] if bos else []
        for word in [*map(_word, sentence.split()), *([END] if eos else [])]:
            score = np.float32(0)
            for part in self._arpa.parts(word, before):
                score += np.float32(part)
            yield float(score), 0, self._arpa.known(word) == UNKNOWN
            before.append(word)


def _word(data: bytes) -> str:
    return data.split(b"\0")[0].decode()


def module() -> ModuleType:
    """The library."""
    made = ModuleType("kenlm")
    vars(made).update(Config=Config, ARPALoadComplain=ARPALoadComplain, LanguageModel=LanguageModel)
    return made
