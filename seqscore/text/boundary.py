"""Where a context ends and its continuation begins: which tokens of the two are run, and which of them are scored.

Every byte of a continuation lies in scored tokens, but under ``lm-eval``, which is that tool's rule as it stands. A
token of a continuation is one that it has in the middle of a text: none holds a space that the text does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.text.codec.any_encoder import AnyEncoder
from seqscore.text.codec.encoder import Encoded
from seqscore.text.codec.inside import encode_inside
from seqscore.text.codec.offsets import stands_for

BoundaryFlag: TypeAlias = Literal["clean", "apart", "healed", "separate", "shifted", "spanned", "swallowed"]
"""How context and continuation met.

``clean``: a token ends where the context ends, and the joint tokens were scored from there on; or the two have the same
tokens together as apart. ``apart``: a token would reach over the boundary (or it cannot be told where the tokenizer's
tokens lie), so the two were tokenised apart. ``healed``: a token does; its probability is taken given that it begins
with the bytes of the context that lie in it (its rank and entropy are those among all tokens). ``separate``: tokenised
apart on request, or given as ids.

Under lm-eval's rule ``clean`` says that the context has the same tokens alone and before the continuation; ``shifted``:
so it has without the white space at its end, which is scored with the continuation; ``spanned``: it has not, and of
the joint tokens those behind as many as the context has alone were scored, whichever bytes they cover; ``swallowed``:
those are none, and the two were tokenised apart.
"""

NO_TOKEN = "the continuation gives no token with this tokenizer; a Pair needs at least one to score"

Encode: TypeAlias = Callable[[str], Encoded]


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """A context and its continuation as tokens, of which those from ``first`` on are scored.

    ``alternatives``: where the first scored token is known to be one of some tokens, their ids.
    """

    whole: Encoded
    first: int
    flag: BoundaryFlag
    alternatives: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Boundary:
    """The boundary of one context and one continuation.

    ``joint`` encodes them as one text, and contexts; ``inner`` continuations alone. They differ behind a chat template,
    whose markup is parsed. ``encode`` is ``joint.encode``, or that with the tokenizer's own special tokens.
    """

    context: str
    continuation: str
    joint: AnyEncoder
    inner: AnyEncoder
    encode: Encode

    def clean_or_apart(self) -> Joined:
        """The joint tokens where one begins at the boundary, else context and continuation apart."""
        whole = self.encode(self.context + self.continuation)
        return self._clean(whole) or self._apart_unless_same(whole)

    def healed(self) -> Joined:
        """As ``clean_or_apart``, but a token over the boundary is kept and scored given the bytes before the boundary:
        p(t | c) / sum of p(u | c) over all tokens u that begin with them."""
        whole = self.encode(self.context + self.continuation)
        return self._clean(whole) or self._healed(whole) or self._apart_unless_same(whole)

    def lm_eval(self) -> Joined:
        """lm-eval's rule: enc(stem), then enc(context + continuation) behind as many tokens. The stem is the context
        without the white space at its end, also where a chat template wrote it."""
        stem = self.context.rstrip()
        before, whole = self.encode(stem), self.encode(self.context + self.continuation)
        n = len(before.ids)
        if n >= len(whole.ids):
            return self.apart("swallowed")
        if not np.array_equal(whole.ids[:n], before.ids):
            return Joined(_with_context_tokens(before, whole), n, "spanned")
        return Joined(whole, n, "clean" if stem == self.context else "shifted")

    def apart(self, flag: BoundaryFlag) -> Joined:
        """enc(context), then the tokens that the continuation has in the middle of a text."""
        before = self.encode(self.context)
        lost = self._lost_space(before)
        after = encode_inside(self.inner, lost + self.continuation, behind=self.context[: -len(lost) or None])
        # Of the lost space, which is white space of the context, nothing is scored but a token that holds more.
        shift = self._bytes_before
        starts, ends = (np.maximum(side + shift - len(lost.encode()), shift) for side in (after.starts, after.ends))
        num_lost = int(np.searchsorted(ends, shift, side="right")) if lost else 0
        whole = Encoded(
            text=self.context + self.continuation,
            ids=np.concatenate([before.ids, after.ids]),
            starts=np.concatenate([before.starts, starts]),
            ends=np.concatenate([before.ends, ends]),
            exact=before.exact and after.exact,
        )
        if num_lost == len(after.ids):
            raise InputError(NO_TOKEN)
        return Joined(whole, len(before.ids) + num_lost, flag)

    def _lost_space(self, before: Encoded) -> str:
        """White space at the end of the context that its tokens do not hold (T5): what follows begins with it."""
        stem = self.context.rstrip()
        same = stem != self.context and np.array_equal(self.encode(stem).ids, before.ids)
        return self.context[len(stem) :] if same else ""

    @property
    def _bytes_before(self) -> int:
        return len(self.context.encode("utf-8"))

    def _clean(self, whole: Encoded) -> Joined | None:
        first = int(np.searchsorted(whole.starts, self._bytes_before))
        if not whole.exact or first == len(whole.ids) or whole.starts[first] != self._bytes_before:
            return None
        # Some tokenizers put a space behind every special token: the continuation has none there.
        if self.joint.adds_space(whole.ids[first:], self.continuation):
            return None
        return Joined(whole, first, "clean")

    def _apart_unless_same(self, whole: Encoded) -> Joined:
        apart = self.apart("apart")
        return replace(apart, flag="clean") if np.array_equal(apart.whole.ids, whole.ids) else apart

    def _healed(self, whole: Encoded) -> Joined | None:
        """None where it cannot be told which bytes of the token stand before the boundary."""
        token = int(np.searchsorted(whole.ends, self._bytes_before, side="right"))
        if not whole.exact or token == len(whole.ids) or whole.starts[token] >= self._bytes_before:
            return None
        number = int(whole.ids[token])
        piece, data = self.joint.piece(number), (self.context + self.continuation).encode()
        begin, end = int(whole.starts[token]), int(whole.ends[token])
        cut = len(piece) - (end - self._bytes_before)
        before, after = data[begin : self._bytes_before], data[self._bytes_before : end]
        if cut <= 0 or not (stands_for(piece[:cut], before) and stands_for(piece[cut:], after)):
            return None
        alternatives = self.joint.beginning_with(piece[:cut], like=number)
        return Joined(whole, token, "healed", alternatives) if number in alternatives else None


def side_by_side(before: Encoded, after: Encoded) -> Encoded:
    """Two texts that have nothing to do with each other, as one: the tokens of the first, then those of the second."""
    shift = 0 if before.text is None else len(before.text.encode())
    return Encoded(
        text=None if before.text is None or after.text is None else before.text + after.text,
        ids=np.concatenate([before.ids, after.ids]),
        starts=np.concatenate([before.starts, after.starts + shift]),
        ends=np.concatenate([before.ends, after.ends + shift]),
        exact=before.exact and after.exact,
    )


def _with_context_tokens(before: Encoded, whole: Encoded) -> Encoded:
    """What lm-eval runs where the context's tokens change: enc(context), then whatever of enc(context + continuation)
    is behind as many tokens. A piece of the text may be in neither; its bytes go with the token behind it.
    """
    n = len(before.ids)
    ends = np.maximum(np.concatenate([before.ends, whole.ends[n:]]), before.ends[-1] if n else 0)
    ends[:n] = before.ends
    return Encoded(
        text=whole.text,
        ids=np.concatenate([before.ids, whole.ids[n:]]),
        starts=np.concatenate([[0], ends[:-1]]),
        ends=ends,
        exact=False,
    )
