"""How two texts meet: whether a space belongs between them, and whether two words would run together.

Most scripts set words apart by spaces. These do not: Chinese and Japanese, those whose line breaks need a dictionary
(Unicode's line breaking class SA: Thai, Lao, Khmer, Burmese, ...), Tibetan, Javanese and their like. Korean does.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

DELIMITER_AUTO = "auto"
"""A space where a context and what follows it would otherwise touch; none between scripts that write none."""

# How the names of a script's characters begin in the Unicode Character Database.
_WITHOUT_SPACES = (
    *(
        "CJK ",
        "IDEOGRAPHIC ",
        "KANGXI ",
        "HIRAGANA",
        "KATAKANA",
        "HALFWIDTH KATAKANA",
        "HALFWIDTH IDEOGRAPHIC",
        "HENTAIGANA",
        "BOPOMOFO",
    ),
    *("COMBINING KATAKANA", "FULLWIDTH", "VERTICAL KANA", "YI ", "TANGUT", "NUSHU", "KHITAN"),
    *("THAI", "LAO ", "KHMER", "MYANMAR", "TAI LE ", "NEW TAI LUE ", "TAI THAM ", "TAI VIET ", "AHOM "),
    *("TIBETAN", "JAVANESE", "BALINESE", "BATAK", "BUGINESE", "CHAM ", "KAWI ", "MAKASAR"),
)
_JOINERS = "\u200c\u200d"
_CJK_PUNCTUATION = (range(0x3000, 0x3040), range(0xFE10, 0xFE20), range(0xFE30, 0xFE70))


def delimiter_between(context: str, text: str) -> str:
    """What ``--delimiter auto`` puts between a context and the text behind it: a space, or nothing.

    Nothing where one of them is empty, where white space stands already, where the context ends in a script without
    spaces (or its punctuation), and where the text begins in one and the context is not wholly of other scripts; nor
    within a character (before a combining mark, around a joiner of emoji).
    """
    if not context or not text or context[-1].isspace() or text[0].isspace():
        return ""
    if context[-1] in _JOINERS or text[0] in _JOINERS or _extends(text[0]):
        return ""
    if _without_spaces(_last_base(context)):
        return ""
    return "" if _without_spaces(text[0]) and not _only_spaced(context) else " "


def run_together(context: str, text: str) -> bool:
    """Whether a word of a context and a word of the text behind it meet, in scripts that set words apart."""
    if not context or not text:
        return False
    last, first = _last_base(context), text[0]
    return _in_word(last) and _in_word(first) and not _without_spaces(last) and not _without_spaces(first)


def _extends(character: str) -> bool:
    """Whether a character is part of the one before it: a combining mark, a variation selector, a skin tone."""
    return unicodedata.category(character).startswith("M") or "\U0001f3fb" <= character <= "\U0001f3ff"


def _last_base(text: str) -> str:
    """The last character that is no combining mark (a variation selector, a vowel sign); the last one if all are."""
    for character in reversed(text[-32:]):
        if not unicodedata.category(character).startswith("M"):
            return character
    return text[-1]


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _only_spaced(text: str) -> bool:
    """Whether a text has letters, and none of a script without spaces."""
    letters = [character for character in text if character.isalpha()]
    return bool(letters) and not any(map(_without_spaces, set(letters)))


@lru_cache(maxsize=4096)
def _without_spaces(character: str) -> bool:
    if character.isascii():
        return False
    number = ord(character)
    return any(number in block for block in _CJK_PUNCTUATION) or unicodedata.name(character, "").startswith(
        _WITHOUT_SPACES
    )
