from __future__ import annotations

import csv
import io
import json
import re
import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from seqscore.errors import OptionError
from seqscore.output.escape import csv_text, json_text, terminal_bytes, terminal_text

any_text = st.text(st.characters(), max_size=40)
nasty = st.text(
    st.sampled_from(
        "\\\\xnu1b0é\u0301\u0300\u094d\u0915\u0631\u0645\u200c\u200d\ufe0f\u2764👩🏽🔬\x1b\x9b\u202e\n\t\r\ud800\udce4 "
    ),
    max_size=30,
)

# Characters of category Cf that are drawn: number signs and the like.
VISIBLE_FORMAT = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def decoded(shown: str) -> str:
    """What ``terminal_text`` was given, read back from what it shows."""

    def char(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in "\\nrt":
            return {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}[name]
        code = int(name[1:], 16)
        return chr(0xDC00 + code) if name[0] == "x" and code >= 0x80 else chr(code)

    return re.sub(r"\\([\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", char, shown)


@settings(max_examples=300, deadline=None)
@given(st.one_of(any_text, nasty))
@example("\\\u200d")
@example("\\x1b")
@example("\\\x1b")
@example("C:\\new\\users")
@example("\\\u0301")
def test_output_is_harmless_and_unambiguous(text: str) -> None:
    shown = terminal_text(text)
    for char in shown:
        assert unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
        assert char not in BIDI
    assert decoded(shown) == text
    shown.encode("utf-8")


@settings(max_examples=300, deadline=None)
@given(st.one_of(any_text, nasty), st.integers(min_value=1, max_value=20))
def test_shortened_text_fits_and_is_a_beginning(text: str, width: int) -> None:
    whole, short = terminal_text(text), terminal_text(text, max_width=width)
    assert cell_len(short) <= width
    if short != whole:
        assert short.endswith("…")
        assert whole.startswith(short[:-1])


def test_every_control_and_invisible_character_is_escaped_everywhere() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        category = unicodedata.category(char)
        if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and code not in VISIBLE_FORMAT):
            shown = terminal_text(f"a{char}b")
            assert char not in shown, f"U+{code:04X}"
            assert decoded(shown) == f"a{char}b"


@pytest.mark.parametrize(
    "char",
    ["\u034f", "\u115f", "\u1160", "\u17b4", "\u180b", "\u3164", "\uffa0", "\U000e0100", "\U000e0020", "\uffff"],
)
def test_characters_that_look_like_nothing_are_escaped(char: str) -> None:
    assert char not in terminal_text(f"a{char}b")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\u009b31m"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("back\x08space\x7f", r"back\x08space\x7f"),
        ("user\u202egnp.exe", r"user\u202egnp.exe"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("\ud83d", r"\ud83d"),
        ("\U000e0041", r"\U000e0041"),
        ("C:\\dir\\file", "C:\\dir\\file"),
        ("\\alpha \\x \\u12 \\", "\\alpha \\x \\u12 \\"),
        ("\\x1b", r"\\x1b"),
        ("\\n", r"\\n"),
        ("\\\n", r"\\\n"),
        ("[red]markup[/red]", "[red]markup[/red]"),
        ("", ""),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert terminal_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox.",
        "naïve café, e\u0301 decomposed",
        "漢字かな交じり文　全角",
        "مرحبا بالعالم",
        "می\u200cروم",  # Persian, zero-width non-joiner
        "שָׁלוֹם",
        "हिन्दी क्\u200dष क्\u200cष",
        "👩\u200d🔬 👨\u200d👩\u200d👧\u200d👦 👩🏽\u200d🔬 🏳\ufe0f\u200d🌈 ❤\ufe0f 1\ufe0f\u20e3 🇩🇪",
        "Tiếng Việt: ộ ặ",
        "100\u00a0% – “quoted”",
    ],
)
def test_what_people_write_stays(text: str) -> None:
    assert terminal_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200db", r"a\u200db"),
        ("a\u200cb", r"a\u200cb"),
        ("👩\u200d", r"👩\u200d"),
        ("\u200d👩", r"\u200d👩"),
        ("\u0301abc", r"\u0301abc"),
        ("a" + "\u0301" * 10, "a" + "\u0301" * 8 + r"\u0301\u0301"),
        ("\n\u0301", r"\n\u0301"),
        ("a\ufe0f\ufe0f", "a\ufe0f\\ufe0f"),
        (" \ufe0f", r" \ufe0f"),
    ],
)
def test_joiners_and_marks_out_of_place_are_seen(text: str, shown: str) -> None:
    assert terminal_text(text) == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "hell…"),
        ("hello", 1, "…"),
        ("漢字漢字", 5, "漢字…"),
        ("漢字漢字", 4, "漢…"),
        ("ab\x1b[0m", 5, "ab…"),  # the escape would fit in part only
        ("a👩\u200d🔬b", 2, "a…"),
        ("a👩\u200d🔬b", 4, "a👩\u200d🔬b"),
        ("a👩\u200d🔬bc", 4, "a👩\u200d🔬…"),
        ("👩🏽ab", 3, "👩🏽…"),
        ("cafe\u0301s", 5, "cafe\u0301s"),
        ("cafe\u0301sx", 5, "cafe\u0301…"),
        ("", 3, ""),
    ],
)
def test_shortening(text: str, width: int, shown: str) -> None:
    assert terminal_text(text, max_width=width) == shown


def test_shortening_looks_at_the_beginning_only() -> None:
    # Letters without a width of their own (Hangul vowels) cannot make it read, or show, a whole book.
    assert len(terminal_text("\u1100" + "\u1161" * 1_000_000, max_width=10)) < 200
    assert terminal_text("x" * 1_000_000, max_width=10) == "x" * 9 + "…"


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(OptionError, match="max_width must be at least 1 cell, got 0"):
        terminal_text("a", max_width=0)


def test_bytes_of_a_split_character_are_told_from_controls() -> None:
    assert terminal_bytes("漢".encode()[:2]) == r"\xe6\xbc"
    assert terminal_bytes("é".encode()) == "é"
    assert terminal_bytes(b"\x9b") == r"\x9b"
    assert terminal_bytes("\x9b".encode()) == r"\u009b"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''-1"])
def test_formulas_get_an_apostrophe(text: str) -> None:
    assert csv_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", " =1", "'quoted'", "1-1", "漢"])
def test_other_cells_stay(text: str) -> None:
    assert csv_text(text) == text


@given(st.text(st.sampled_from("'=-+@a\t"), max_size=6))
def test_the_apostrophe_can_be_undone(text: str) -> None:
    cell = csv_text(text)
    back = cell[1:] if cell.startswith("'") and re.match(r"'+[=+\-@\t\r\n＝＋－＠]", cell) else cell
    assert back == text
    buffer = io.StringIO()
    csv.writer(buffer).writerow([cell])
    assert not buffer.getvalue().lstrip('"').startswith(("=", "+", "-", "@", "\t"))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_lines_mean_the_same_and_stay_one_line(text: str) -> None:
    line = json_text(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(line) == {"text": text}
    assert len(line.splitlines()) == 1
    assert all(unicodedata.category(char) != "Cc" and char not in BIDI for char in line)


def test_json_keeps_letters_readable() -> None:
    assert json_text(json.dumps("漢字 é\x1b\x9b\u202e\u2028", ensure_ascii=False)) == (
        r'"漢字 é\u001b\u009b\u202e\u2028"'
    )
