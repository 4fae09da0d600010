"""A rendered conversation as tokens, and which of them are the assistant's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import InputError
from seqscore.text.boundary import BoundaryFlag
from seqscore.text.chat import RenderedChat
from seqscore.text.codec.any_encoder import AnyEncoder
from seqscore.text.codec.encoder import Encoded
from seqscore.text.codec.inside import encode_inside


@dataclass(frozen=True, slots=True)
class TurnSpan:
    """The tokens of a scored turn: ``first_token`` to ``last_token`` (exclusive), and the index of its message."""

    message: int
    first_token: int
    last_token: int


def encode_turns(
    chat: RenderedChat, encoder: AnyEncoder, *, separate: bool
) -> tuple[Encoded, tuple[TurnSpan, ...], BoundaryFlag]:
    """The tokens of a conversation, its turns, and how these meet what stands around them.

    The whole text's tokens where one begins or ends wherever a turn does (``clean``); elsewhere the text is tokenised
    apart at that place (``apart``), or with ``separate`` at every one.
    """
    sizes = np.cumsum([0, *(len(character.encode()) for character in chat.text)])
    cuts = [int(sizes[at]) for stretch in chat.stretches for at in stretch]
    whole = encoder.encode(chat.text)
    edges = {0, len(chat.text.encode()), *whole.starts.tolist()} if whole.exact else set()
    torn = {cut for cut in cuts if separate or cut not in edges}
    torn |= {
        cut for turn in zip(cuts[::2], cuts[1::2], strict=True) if _gets_a_space(whole, turn, encoder) for cut in turn
    }
    crossed = sorted(torn - {0, int(sizes[-1])})
    flag: BoundaryFlag = "clean"
    if crossed:
        whole, flag = _encode_apart(chat.text, crossed, encoder), "separate" if separate else "apart"
    turns = []
    for message, begin, end in zip(chat.messages, cuts[::2], cuts[1::2], strict=True):
        first, last = (int(np.searchsorted(whole.starts, place)) for place in (begin, end))
        if first == last:
            raise InputError(f"message {message} gives no token with this tokenizer")
        turns.append(TurnSpan(message, first, last))
    if turns[0].first_token == 0:
        raise InputError("the chat template writes nothing before the first answer, so its first token has no context")
    return whole, tuple(turns), flag


def _gets_a_space(whole: Encoded, turn: tuple[int, int], encoder: AnyEncoder) -> bool:
    """Whether the tokens of a turn begin with a space that it does not have: some tokenizers put one behind every
    special token."""
    first, last = (int(np.searchsorted(whole.starts, place)) for place in turn)
    return encoder.adds_space(whole.ids[first:last], (whole.text or "").encode()[turn[0] : turn[1]].decode())


def scored_of_turns(turns: tuple[TurnSpan, ...], num_tokens: int) -> NDArray[np.bool_]:
    """[n]: which tokens are in a scored turn."""
    scored = np.zeros(num_tokens, dtype=np.bool_)
    for turn in turns:
        scored[turn.first_token : turn.last_token] = True
    return scored


def _encode_apart(text: str, cuts: list[int], encoder: AnyEncoder) -> Encoded:
    """The tokens of a text that is cut at some of its bytes, each piece tokenised as it is in the middle of a text."""
    data, parts, before = text.encode(), [], ""
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        piece = data[begin:end].decode()
        part = encode_inside(encoder, piece, behind=before) if begin else encoder.encode(piece)
        parts.append((begin, part))
        before = piece
    return Encoded(
        text=text,
        ids=np.concatenate([part.ids for _, part in parts]),
        starts=np.concatenate([part.starts + begin for begin, part in parts]),
        ends=np.concatenate([part.ends + begin for begin, part in parts]),
        exact=all(part.exact for _, part in parts),
    )
