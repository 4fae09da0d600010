"""Where a space belongs between two texts, and where two words run together."""

from __future__ import annotations

import pytest

from seqscore import Pair
from seqscore.errors import InputError
from seqscore.text.joins import delimiter_between, run_together

# context, text, what --delimiter auto puts between them, whether they run together without it
MEETING = {
    "English": ("A robin", "can fly.", " ", True),
    "digits": ("Chapter", "12", " ", True),
    "Cyrillic": ("Он", "пришёл", " ", True),
    "Arabic": ("هو", "جاء", " ", True),
    "Hindi, a vowel sign at the end": ("में", "है", " ", True),
    "an accent of its own": ("cafe\u0301", "noir", " ", True),
    "Korean": ("한국의 수도는", "서울", " ", True),
    "Chinese": ("中国的首都是", "北京", "", False),
    "Chinese behind its own colon": ("答案：", "北京", "", False),
    "Chinese behind an ASCII colon": ("答案:", "北京", "", False),
    "Chinese behind a curly quotation mark": ("他说“好”", "上海", "", False),
    "Chinese beyond the first plane": ("𠀀", "𠀁", "", False),
    "Chinese with a variation selector": ("葛\U000e0100", "城", "", False),
    "Japanese": ("日本の首都は", "東京", "", False),
    "Japanese, half width": ("ｶﾞ", "です", "", False),
    "Thai": ("เมืองหลวงของไทยคือ", "กรุงเทพ", "", False),
    "Lao": ("ນະຄອນຫຼວງ", "ວຽງຈັນ", "", False),
    "Khmer": ("រាជធានី", "ភ្នំពេញ", "", False),
    "Burmese": ("မြန်မာ", "ရန်ကုန်", "", False),
    "Tibetan": ("བོད", "ལྷ་ས", "", False),
    "a year in Chinese": ("2008", "年", "", False),
    "Latin within Chinese": ("我用Python", "写程序", "", False),
    "Latin behind Chinese": ("我用", "Python", "", False),
    "full-width Latin": ("ＡＢ", "ＣＤ", "", False),
    "a Chinese word in an English sentence": ("The capital is", "北京", " ", False),
    "a full stop": ("It rained.", "Then", " ", False),
    "white space there already": ("A robin ", "can", "", False),
    "white space in the text": ("A robin", " can", "", False),
    "Japanese punctuation, half width": ("ｱ｡", "abc", "", False),
    "a joined emoji": ("👩", "\u200d👧", "", False),
    "behind a joiner": ("👩\u200d", "👧", "", False),
    "a skin tone": ("👋", "🏽", "", False),
    "no context": ("", "can", "", False),
    "no text": ("A robin", "", "", False),
}


@pytest.mark.parametrize("case", MEETING)
def test_a_space_stands_between_words_of_scripts_that_write_them(case: str) -> None:
    context, text, delimiter, together = MEETING[case]
    assert delimiter_between(context, text) == delimiter
    assert run_together(context, text) is together
    assert not run_together(context, delimiter + text)


def test_no_space_stands_within_a_character() -> None:
    assert delimiter_between("cafe", "\u0301s") == "" and run_together("cafe", "\u0301s")


def test_a_pair_takes_the_delimiter_that_it_is_given() -> None:
    assert Pair("A robin", "can").resolved() == Pair("A robin", "can")
    assert Pair("A robin", "can", delimiter=" ").resolved() == Pair("A robin", " can")
    assert Pair("A robin", "can", delimiter="auto").resolved() == Pair("A robin", " can")
    assert Pair("今天", "下雨", delimiter="auto").resolved() == Pair("今天", "下雨")
    assert Pair("A robin", "", delimiter=" ").resolved() == Pair("A robin", "")
    assert Pair([5], [6], delimiter="auto").resolved() == Pair([5], [6])


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (Pair("a", "b", delimiter=", "), "delimiter=', ' must be 'auto', empty or white space"),
        (Pair("a", "b", delimiter=None), "delimiter=None must be"),  # type: ignore[arg-type]
        (Pair([5], [6], delimiter=" "), "delimiter=' ' stands between texts; put its token ids among"),
    ],
)
def test_a_delimiter_that_is_none_is_refused(pair: Pair, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pair.taken_delimiter()
