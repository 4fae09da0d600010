"""A text on a terminal with its tokens on the shades of their surprisal."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text

from seqscore.output.escape import terminal_text
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.show.surprisal_scale import INKS, LABELS, SHADES, shade_of

_STYLES = tuple(Style(color=ink, bgcolor=shade) for ink, shade in zip(INKS, SHADES, strict=True))


def coloured_text(score: SequenceScore) -> Text:
    """The text of a score, each token on its shade; tokens that share a character together; unscored ones dim."""
    text = Text(overflow="fold")
    for piece in score.pieces():
        style = Style(dim=True) if piece.bits is None else _STYLES[shade_of(piece.bits)]
        text.append(terminal_text(piece.text), style)
    return text


def legend() -> Text:
    """What the shades mean."""
    text = Text("surprisal [bits]: ")
    for label, style in zip(LABELS, _STYLES, strict=True):
        text.append(f" {label} ", style)
    return text
