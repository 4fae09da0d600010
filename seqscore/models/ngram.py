"""N-gram models that KenLM reads: log p(w_t | the order - 1 words before it), a token a word.

What a word is says ``word_codec``. KenLM's logarithms are decimal and float32; here they are natural, of the same
float32 numbers: x ln 10 in float64.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from seqscore.errors import MissingDependencyError, ModelError, one_line
from seqscore.models.base import Conditioning, Identity, RunSettings, TokenModel
from seqscore.models.load.default import default_cache_dir
from seqscore.models.load.identity import fingerprint_files
from seqscore.models.word_codec import END, START, VOCABULARY, WordCodec
from seqscore.plan.requests import Request, Values
from seqscore.plan.totals import Totals
from seqscore.policies import Extra

_LN_10 = math.log(10.0)
_LOG10, _IS_UNKNOWN = itemgetter(0), itemgetter(2)


class NgramModel(TokenModel):
    """An n-gram model from a file: .arpa (.gz too), or KenLM's binary formats.

    ``settings``: none of them means anything here, and the registry refuses those that are set. It has no limit of
    length, and offers no ranks and entropies: KenLM does not list its words.

    Raises:
        MissingDependencyError: kenlm is not installed.
        ModelError: there is no such file, or KenLM cannot read it.
    """

    kind: ClassVar[str] = "ngram"
    conditioning: ClassVar[Conditioning] = "left"
    offers: ClassVar[frozenset[Extra]] = frozenset()
    gives_totals: ClassVar[bool] = True
    vocabulary = VOCABULARY

    def __init__(self, name: str, settings: RunSettings) -> None:
        self._name = name
        self._kenlm, self._weights = _opened(Path(name))
        self._codec = WordCodec(self._kenlm)

    @property
    def engine(self) -> str:
        """KenLM's own."""
        return "kenlm"

    @property
    def keeps_bits(self) -> bool:
        """Each word is looked up, whatever else is asked."""
        return True

    @property
    def codec(self) -> WordCodec:
        """White space."""
        return self._codec

    def identity(self) -> Identity:
        """The file and the order of the model."""
        fields = {"model": self._name, "weights": self._weights, "kind": "ngram", "order": str(self._kenlm.order)}
        return Identity({**fields, "engine": self.engine}, {"kenlm": _version()})

    def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Values]:
        """log p of each target given the words before it."""
        found = np.array(list(chain.from_iterable(map(self._log10s, asked))), np.float64) * _LN_10
        ends = np.cumsum([one.num_targets for one in asked]).tolist()
        return [Values(logprobs=found[end - one.num_targets : end]) for one, end in zip(asked, ends, strict=True)]

    def totals(self, texts: Sequence[str], *, start: int | None, end: int | None) -> Totals | None:
        """The sums of texts that KenLM is given as they are: log p of all words, and of ``</s>``.

        None where something else than ``<s>`` and ``</s>`` stands around them, and where a text is none.
        """
        if start != START or end not in (None, END) or not all(isinstance(text, str) for text in texts):
            return None
        try:
            data = [text.encode() for text in texts]
        except UnicodeEncodeError:
            return None
        full_scores = partial(self._kenlm.full_scores, bos=True, eos=end is not None)
        found = []
        for told in self._codec.told_literally(data):
            words = list(full_scores(told))
            unknown = sum(map(_IS_UNKNOWN, words))
            found.append((math.fsum([word[0] * _LN_10 for word in words]), len(words), unknown))
        sums, counts, unknowns = zip(*found, strict=True) if found else ((), (), ())
        num_scored, sizes = np.array(counts, np.int64), np.fromiter(map(len, data), np.int64, len(data))
        return Totals(
            log_likelihoods=np.array(sums, np.float64),
            num_scored=num_scored,
            num_unknown=np.array(unknowns, np.int64),
            num_bytes=np.where(num_scored > (end is not None), sizes, 0),
            start_token=START,
        )

    def _log10s(self, request: Request) -> list[float]:
        """Of each target. Words too far before the first one to count are left out."""
        ids = request.ids[max(0, request.first_target - self._kenlm.order + 1) :].tolist()
        num_before = len(ids) - request.num_targets
        begins = num_before == request.first_target and ids[0] == START
        words = self.codec.words(ids[begins:])
        scores = self._kenlm.full_scores(b" ".join(words), bos=begins, eos=False)
        return list(map(_LOG10, islice(scores, num_before - begins, None)))

    def __deepcopy__(self, memo: dict[int, Any]) -> NgramModel:
        """Itself: nothing of it changes."""
        return self


def _opened(path: Path) -> tuple[Any, str]:
    """KenLM's model of a file, and the fingerprint of the file."""
    kenlm = _library()
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        before = _stamp(path)
        weights = fingerprint_files([path], cache_dir=default_cache_dir())
        model = kenlm.LanguageModel(os.fspath(path), config)
        after = _stamp(path)
    except (OSError, RuntimeError, MemoryError, ValueError) as error:
        raise ModelError(f"KenLM cannot read {str(path)!r}: {_reason(error)}") from error
    if before != after:
        raise ModelError(f"{str(path)!r} was written to while it was read: try again when nobody writes to it")
    return model, weights


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _reason(error: Exception) -> str:
    """Why, without the place in KenLM's source that its messages begin with."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    found = re.search(r"threw \w+(?: because `.*?')?\. (.*?)\)?$", str(error), re.DOTALL)
    return one_line(Exception(found.group(1)) if found else error)


def _library() -> Any:
    try:
        import kenlm
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "an n-gram model needs kenlm, which is not installed; install it with: pip install 'seqscore[ngram]' (pip "
            "compiles it, which takes a C++ compiler and CMake: apt install g++ cmake, or brew install cmake)"
        ) from error
    return kenlm


def _version() -> str:
    try:
        return version("kenlm")
    except PackageNotFoundError:
        return "unknown"
