"""N-gram models for tests: a small estimator that writes .arpa files, and a plain reader that scores by them.

The estimator is absolute discounting, interpolated: of a history h that was seen c(h) times before N(h) other words,

    p(w | h) = max(c(hw) - D, 0) / c(h) + D N(h) / c(h) * p(w | h without its first word)

down to unigrams with ``add`` for every word, ``<unk>`` among them. D N(h) / c(h) is what the format calls the back-off
weight of h. (Chen and Goodman 1999.) The reader uses decimal numbers and knows nothing of KenLM.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from math import log10
from pathlib import Path

START, END, UNKNOWN = "<s>", "</s>", "<unk>"

LINES = (
    "the cat sat on the mat",
    "the dog sat on the cat",
    "a dog saw the cat",
    "the cat saw a mouse on the mat",
    "der Hund sah die Katze über Nacht",
    "我們 看見 一 隻 貓",
    "القط جلس على السجادة",
    "Don't stop , said the cat .",
)
"""A small corpus of several scripts, in words."""

Grams = Counter[tuple[str, ...]]


def write_arpa(path: Path, lines: Iterable[str] = LINES, *, order: int = 3, at_least: int = 1) -> Path:
    """An n-gram model of these lines, as a file. Words seen less than ``at_least`` times are unknown."""
    counted = _counts([line.split() for line in lines], order, at_least)
    grams, backoffs = _estimated(counted)
    path.write_text("\n".join(_arpa(grams, backoffs)) + "\n", encoding="utf-8")
    return path


def _counts(sentences: Sequence[Sequence[str]], order: int, at_least: int) -> list[Grams]:
    seen = Counter(word for sentence in sentences for word in sentence)
    counted: list[Grams] = [Counter() for _ in range(order)]
    for sentence in sentences:
        words = [START, *(word if seen[word] >= at_least else UNKNOWN for word in sentence), END]
        for size in range(1, order + 1):
            counted[size - 1].update(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
    return counted


Estimated = tuple[list[dict[tuple[str, ...], float]], dict[tuple[str, ...], float]]


def _estimated(counted: Sequence[Grams], *, discount: float = 0.5, add: float = 0.5) -> Estimated:
    """Probabilities by length of n-gram, and the back-off weights of histories."""
    unigrams = {**{(UNKNOWN,): 0}, **counted[0]}
    unigrams.pop((START,))
    total = sum(unigrams.values()) + add * len(unigrams)
    grams = [{gram: (count + add) / total for gram, count in unigrams.items()}]
    backoffs: dict[tuple[str, ...], float] = {}
    for counts in counted[1:]:
        behind: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for gram, count in counts.items():
            behind[gram[:-1]].append(count)
        backoffs.update({past: discount * len(found) / sum(found) for past, found in behind.items()})
        shorter = grams[-1]
        grams.append(
            {
                gram: (count - discount) / sum(behind[gram[:-1]]) + backoffs[gram[:-1]] * shorter[gram[1:]]
                for gram, count in counts.items()
            }
        )
    return grams, backoffs


def _arpa(grams: Sequence[dict[tuple[str, ...], float]], backoffs: dict[tuple[str, ...], float]) -> Iterator[str]:
    written = [{(START,): 1e-99, **grams[0]}, *grams[1:]]
    yield "\\data\\"
    yield from (f"ngram {size}={len(found)}" for size, found in enumerate(written, start=1))
    for size, found in enumerate(written, start=1):
        yield f"\n\\{size}-grams:"
        for gram, probability in sorted(found.items()):
            past = f"\t{log10(backoffs[gram]):.7g}" if gram in backoffs else ""
            yield f"{log10(probability):.7g}\t{' '.join(gram)}{past}"
    yield "\n\\end\\"


class Arpa:
    """What an .arpa file says, in decimal numbers."""

    def __init__(self, text: str) -> None:
        self.grams: dict[tuple[str, ...], Decimal] = {}
        self.backoffs: dict[tuple[str, ...], Decimal] = {}
        for line in text.split("\n"):
            if "\t" in line:
                number, words, *past = line.split("\t")
                gram = tuple(words.split(" "))
                self.grams[gram] = Decimal(number)
                self.backoffs[gram] = Decimal(past[0]) if past else Decimal(0)
        self.order = max(map(len, self.grams))

    def known(self, word: str) -> str:
        """The word, or the unknown one."""
        return word if (word,) in self.grams else UNKNOWN

    def parts(self, word: str, before: Sequence[str]) -> list[Decimal]:
        """What adds up to log10 p(word | before) by the definition of the format: the probability of the longest n-gram
        that there is, and the back-off weights of the histories that are not in it."""
        past = tuple(map(self.known, before))[max(0, len(before) - self.order + 1) :]
        gram = (*past, self.known(word))
        if gram in self.grams:
            return [self.grams[gram]]
        return [*self.parts(word, past[1:]), self.backoffs.get(past, Decimal(0))]

    def logprobs(self, words: Sequence[str], *, before: Sequence[str] = (START,)) -> list[float]:
        """log p of each word given all before it, in nats."""
        told = [*before, *words]
        ten = Decimal(10).ln()
        return [float(sum(self.parts(told[i], told[:i])) * ten) for i in range(len(before), len(told))]
