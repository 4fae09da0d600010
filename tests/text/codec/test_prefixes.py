"""Tokens that begin with some bytes, asked for by several threads."""

from __future__ import annotations

from typing import Any

from seqscore.text.codec import prefixes
from seqscore.text.codec.prefixes import PrefixTable


def test_what_another_thread_clears_meanwhile_is_found_all_the_same() -> None:
    """The moment between finding and giving is one in which another thread may run."""

    class Cleared(dict[Any, Any]):
        def __contains__(self, key: object) -> bool:
            found = super().__contains__(key)
            self.clear()
            return found

        def __setitem__(self, key: object, value: object) -> None:
            self.clear()

    table = PrefixTable({0: b"a", 1: b"ab", 2: b"b"}, [0, 1, 2], lambda _: False)
    for kept in ({}, {(False, b"a"): prefixes.np.array([0, 1])}):
        table._found = Cleared(kept)
        assert table.beginning_with(b"a", like=0).tolist() == [0, 1]
