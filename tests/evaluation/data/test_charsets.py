"""Encodings other than UTF-8, in every kind of text file; each fault has its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.data_options import DataOptions
from tests.evaluation.data.reading import read

TEXTS = {
    "latin-1": "Ça va, café",
    "cp1252": "“Señor”",
    "cp037": "plain EBCDIC",
    "gb18030": "你好, 世界",
    "shift_jis": "表示\u30bd",  # second bytes that are letters of ASCII
    "big5": "功能",
    "euc-kr": "안녕",
    "koi8-r": "привет",
    "utf-16": "ਊ a 😀",  # U+0A0A: two bytes that would be line feeds
    "utf-16-be": "ä\u0a0a",
    "utf-32": "ä 😀",
    "utf-8-sig": "ä",
}


@pytest.mark.parametrize("encoding", list(TEXTS))
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = TEXTS[encoding]
    for name, data in {
        "a.txt": f"{text}\r\nb\n",
        "a.jsonl": f'{{"text": "{text}"}}\n{{"text": "b"}}\n',
        "a.json": f'[{{"text": "{text}"}}, {{"text": "b"}}]',
        "a.csv": f'n,text\r\n1,"{text}"\r\n2,b\r\n',
        "a.tsv": f"n\ttext\n1\t{text}\n2\tb\n",
    }.items():
        assert read(tmp_path / name, data.encode(encoding), encoding=encoding) == ([text, "b"], []), name
    assert read(tmp_path / "a.txt", f"{text}\nb".encode(encoding), encoding=encoding, whole_file=True)[0] == [
        f"{text}\nb"
    ]


def test_what_does_not_fit_names_the_option(tmp_path: Path) -> None:
    found, _ = read(tmp_path / "a.txt", "first\ncafé\nlast\n".encode("cp1252"))
    assert found[::2] == ["first", "last"]
    assert found[1].endswith(
        "line 2 is not UTF-8: byte 0xe9 at offset 9 of the file; name its encoding with encoding= (--encoding), "
        "for instance cp1252 or latin-1"
    )
    for encoding in ("utf-16", "utf-32"):
        for name in ("a.txt", "a.csv", "a.jsonl", "a.json"):
            with pytest.raises(
                InputError, match=f"is {encoding.upper()}, not UTF-8; say so with --encoding {encoding}"
            ):
                read(tmp_path / name, "text\na\n".encode(encoding))
    found, _ = read(tmp_path / "a.txt", "a\n\xff\n".encode("latin-1"), encoding="euc-jp")
    assert found[0] == "a" and "line 2 is not EUC_JP: byte 0xff at offset 2" in found[1]
    with pytest.raises(InputError, match=r"cannot read .* after line 1: .*truncated data"):
        read(tmp_path / "a.txt", "a\nb\n".encode("utf-16-le")[:-1], encoding="utf-16-le")
    lone, _ = read(tmp_path / "a.txt", "a\n\ud800\nb\n".encode("utf-16-le", "surrogatepass"), encoding="utf-16-le")
    assert lone[::2] == ["a", "b"] and "line 2 is not" in lone[1]


@pytest.mark.parametrize("name", ["klingon", "zip", "rot13", "hex", "idna", "unicode_escape", "\0", ""])
def test_encodings_that_are_none(name: str) -> None:
    with pytest.raises(OptionError, match="is unknown; expected the name of an encoding of text, for instance utf-8"):
        DataOptions(encoding=name)
    assert DataOptions(encoding="UTF8").encoding == "utf-8"
