"""A text on a terminal with its tokens on the colours of their surprisal."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text

from seqscore.output.escape import terminal_text
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.show.surprisal_scale import COLOURS, LABELS, LETTER_COLOURS, colour_of

_STYLES = tuple(Style(color=ink, bgcolor=colour) for ink, colour in zip(LETTER_COLOURS, COLOURS, strict=True))


def coloured_text(score: SequenceScore) -> Text:
    """The text of a score, each token on its colour; tokens that share a character together; unscored ones dim."""
    text = Text(overflow="fold")
    for piece in score.pieces():
        style = Style(dim=True) if piece.bits is None else _STYLES[colour_of(piece.bits)]
        text.append(terminal_text(piece.text), style)
    return text


def legend() -> Text:
    """What the colours mean."""
    text = Text("surprisal [bits]: ")
    for label, style in zip(LABELS, _STYLES, strict=True):
        text.append(f" {label} ", style)
    return text
