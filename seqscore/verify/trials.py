"""The texts that a verification scores, written for it: short and long, several scripts, shared beginnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqscore.text.items import Item, Pair

if TYPE_CHECKING:
    from seqscore.scorer import Scorer

LONGEST = 2048
"""Tokens of the longest probe, where the model reads so many."""

_SHORT = (
    "Rain.",
    "The keys to the old shed are under the mat.",
    "The keys to the old shed is under the mat.",
    "On 3 May 1998 the bridge cost 4,750 crowns, 12 % more than planned.",
    "def area(width, height): return width * height",
    "Die Katze schläft, während der Regen aufs Dach fällt.",
    "老船长把灯塔的门轻轻关上。",
    "أغلقت الجدة الباب ثم جلست قرب النافذة.",
    "नदी के उस पार एक पुराना मंदिर है।",
)

_PASSAGE = (
    "When the ferry stopped running in November, the island had eleven people and one clock that kept good time. It "
    "stood in the window of the shop, and whoever passed set a watch by it, so that for a whole winter nobody on the "
    "island was late for anything. Marta, who kept the shop, wound the clock on Sundays. She did it without looking, "
    "the way one strokes a dog, and while she wound it she told her customers what she had read in the week: that a "
    "ship had been found standing upright on the floor of the sea with its lamps in order; that bees can count to "
    "four; that somewhere in the mountains a choir had sung for three days without a pause, each singer sleeping in "
    "turn. "
    "Nobody asked where she had read it. The post came every second week if the sea allowed it, and there were no "
    "newspapers in it, only seed catalogues, bills, and letters from a cousin who worked in a printing house and sent "
    "the sheets that had come out crooked. In February the clock stopped. Marta wound it, opened the case, blew into "
    "it, closed it again and said nothing. By the end of the week two of the watches on the island were four minutes "
    "apart, by the end of the month twenty, and people began to knock at doors that were still locked and to sit down "
    "to meals that were already cold. It was the doctor who understood first that none of them minded."
)

_ENDINGS = (" They had all the time there was.", " Nobody wound the clock again.", " So he sold his watch.")


class Probes:
    """What is scored. Every part is made of token ids of the passage, where the text itself would be too long."""

    def __init__(self, passage: NDArray[np.int64], room: int) -> None:
        self._passage, self._room = passage, room

    @property
    def texts(self) -> list[Item]:
        """Of many lengths, with shared beginnings."""
        opening = self._passage[: min(40, self._room)].tolist()
        branches: list[Item] = [opening, [*opening[:-1], opening[0]], opening[: max(1, len(opening) // 2)]]
        fits = len(self._passage) + 16 <= self._room
        endings: list[Item] = [Pair(_PASSAGE, ending) for ending in _ENDINGS] if fits else []
        return [*_SHORT, *branches, *endings, *(rest for rest in (self.passage, self.long) if rest)]

    @property
    def passage(self) -> list[int]:
        """A story of about 300 tokens."""
        return self._turned(0, min(len(self._passage), self._room))

    @property
    def long(self) -> list[int]:
        """The passage over and over, up to ``LONGEST`` tokens or what the model reads."""
        return self._turned(0, min(LONGEST, self._room))

    @property
    def unshared(self) -> list[list[int]]:
        """Eight texts of up to 256 tokens that have no prefix in common."""
        return [self._turned(37 * number, min(256, self._room)) for number in range(8)]

    def _turned(self, by: int, length: int) -> list[int]:
        turned: list[int] = np.resize(np.roll(self._passage, -by), length).tolist()
        return turned


def probes_for(scorer: Scorer) -> Probes:
    """The probes in the tokens of this scorer's model, no longer than it reads beside a start token."""
    passage = scorer.score(_PASSAGE).token_ids
    return Probes(passage, LONGEST if scorer.max_length is None else max(1, scorer.max_length - 1))
