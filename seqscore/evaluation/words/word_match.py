"""Whether two words are the same word, and in what they differ where they are not."""

from __future__ import annotations

import unicodedata
from typing import Literal, TypeAlias

Match: TypeAlias = Literal["exact", "letters"]
"""Which words are taken for the same: equal character for character (``exact``), or in their letters, marks and digits,
whatever their case, punctuation and Unicode form (``letters``)."""


def same_word(one: str, other: str, match: Match) -> bool:
    """Whether they are the same."""
    return one == other or (match == "letters" and letters_of(one) == letters_of(other))


def letters_of(word: str) -> str:
    """Letters, marks and digits in one form (NFKC, case folded); of a word that has none all of it."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    return "".join(one for one in plain if unicodedata.category(one)[0] in "LMN") or plain


def difference(one: str, other: str) -> str:
    """In what two words differ, where it is something that is not easily seen; nothing where it is."""
    composed, other_composed = (unicodedata.normalize("NFC", word) for word in (one, other))
    if composed == other_composed:
        return f"the same characters in another Unicode normal form: {_form(one)} and {_form(other)}"
    if unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other):
        codes = f"{_codes(one)} and {_codes(other)}"
        return f"the same characters in another form, such as a ligature or another width: {codes}"
    bare, other_bare = _visible(composed), _visible(other_composed)
    if bare == other_bare:
        return f"they differ in characters that are not seen: {_unseen(one)} and {_unseen(other)}"
    if bare.casefold() == other_bare.casefold():
        return "they differ in case"
    if letters_of(one) == letters_of(other):
        return "they differ in punctuation"
    return ""


def _form(word: str) -> str:
    found = [form for form in ("NFC", "NFD") if unicodedata.is_normalized(form, word)]
    return found[0] if found else "neither NFC nor NFD"


def _codes(word: str) -> str:
    return " ".join(f"U+{ord(one):04X}" for one in word if not one.isascii()) or "ASCII"


def _visible(word: str) -> str:
    return "".join(one for one in word if not _is_unseen(one))


def _unseen(word: str) -> str:
    found = dict.fromkeys(f"U+{ord(one):04X}" for one in word if _is_unseen(one))
    return ", ".join(found) or "none"


def _is_unseen(character: str) -> bool:
    """White space, format characters (zero width, direction, soft hyphen) and controls."""
    return character.isspace() or unicodedata.category(character) in ("Cf", "Cc")
