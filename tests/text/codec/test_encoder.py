from __future__ import annotations

import functools
import logging
import pickle
import time
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqscore.errors import InputError, TokenizerError
from seqscore.policies import SpecialTokensPolicy
from seqscore.text.codec.encoder import Encoded, TextEncoder
from tests.tokenizers_for_tests import BYTE_EXACT_KINDS, KINDS, build, gpt2_alphabet

SPECIAL = ("<|endoftext|>", "<s>", "</s>", "<unk>", "[SEP]", "[CLS]", "[UNK]", "<extra_id_0>")
FRAGMENTS = st.sampled_from(
    [
        *(
            "the",
            " cat",
            "The",
            " ",
            "  ",
            "\n",
            "\r\n",
            "\t",
            "\u3000",
            "\xa0",
            "a1",
            "22",
            "sat",
            "!!",
            "日本",
            "日本語",
        ),
        *(
            "é",
            "e\u0301",
            "E\u0301\u0323",
            "ﬁ",
            "\u212b",
            "각",
            "\u1100\u1161\u11a8",
            "ｆｕｌｌ",
            "العربية",
            "नमस्ते",
            "ß",
            "İ",
            "ſ",
            "½",
        ),
        *(
            "😀",
            "👩\u200d👩\u200d👧",
            "🇩🇪",
            "👍🏽",
            "\ufe0f",
            "\u0301",
            "\u200d",
            "\u200b",
            "\x00",
            "\x1b[31m",
            "\ufeff",
        ),
        *("▁", "▁▁", "Ġ", "Ġthe", "Ċ", "##ing", "</w>", "<0x0A>", "<0xE4>", "\ufffd", "\ufdd0", "\U0010ffff"),
        *("<code>", "<both>", "    ", *SPECIAL),
    ]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.lists(FRAGMENTS, max_size=12).map("".join)


@functools.cache
def encoder(kind: str, special_tokens: SpecialTokensPolicy = "literal") -> TextEncoder:
    return TextEncoder(build(kind), special_tokens=special_tokens)


@functools.cache
def plain_tokenizer(kind: str) -> Any:
    return build(kind)


def slices(encoded: Encoded) -> list[bytes]:
    assert encoded.text is not None
    data = encoded.text.encode()
    return [data[a:b] for a, b in zip(encoded.starts.tolist(), encoded.ends.tolist(), strict=True)]


def assert_covers(encoded: Encoded, text: str) -> None:
    data = text.encode()
    assert encoded.text == text
    assert len(encoded.ids) == len(encoded.starts) == len(encoded.ends)
    for array in (encoded.ids, encoded.starts, encoded.ends):
        assert array.dtype == np.int64
        assert not array.flags.writeable
    if not len(encoded.ids):
        assert not data or not encoded.exact
        return
    assert encoded.starts[0] == 0
    assert encoded.ends[-1] == len(data)
    assert (encoded.starts[1:] == encoded.ends[:-1]).all()
    assert (encoded.starts <= encoded.ends).all()


# ---- for every text and every kind ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(TEXTS, st.sampled_from(["literal", "parse"]))
@settings(max_examples=60, deadline=None)
def test_spans_cover_the_text(kind: str, text: str, special_tokens: SpecialTokensPolicy) -> None:
    if kind == "slow-words" and special_tokens == "literal":  # a tokenizer in Python that cannot do it, and says so
        assume(not {"</s>"} & set(text.split()))
    assert_covers(encoder(kind, special_tokens).encode(text), text)


@pytest.mark.parametrize("kind", KINDS)
@given(TEXTS)
@settings(max_examples=30, deadline=None)
def test_ids_are_the_tokenizers_own(kind: str, text: str) -> None:
    tokenizer = plain_tokenizer(kind)
    expected = tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
    assert encoder(kind, "parse").encode(text).ids.tolist() == expected
    assume(not any(content in text for content in tokenizer.all_special_tokens))
    assert encoder(kind, "literal").encode(text).ids.tolist() == expected


def expected_bytes(kind: str, tokens: list[str], text: str) -> list[bytes]:
    """What each token stands for, worked out character by character and without the package's code."""
    if kind == "byt5":
        return [bytes([ord(token)]) for token in tokens]
    if kind.startswith("byte-level"):
        number = {letter: byte for byte, letter in enumerate(gpt2_alphabet())}
        pieces = [bytes(number[letter] for letter in token) for token in tokens]
        if len(b"".join(pieces)) > len(text.encode()):
            pieces[0] = pieces[0][1:]
        return pieces
    written = [
        [token] if token.startswith("<0x") and len(token) == 6 else list(token)  # one item for each character or byte
        for token in tokens
    ]
    size = sum(
        1 if item.startswith("<0x") or item == "▁" else len(item.encode()) for items in written for item in items
    )
    if size > len(text.replace("▁", " ").encode()):
        written[0] = written[0][1:]
    position, pieces = 0, []
    data = text.encode()
    for items in written:
        start = position
        for item in items:
            if item == "▁":
                position += 1 if data[position : position + 1] == b" " else 3
            else:
                position += 1 if item.startswith("<0x") else len(item.encode())
        pieces.append(data[start:position])
    return pieces


@pytest.mark.parametrize("kind", BYTE_EXACT_KINDS)
@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_spans_are_the_bytes_of_the_tokens(kind: str, text: str) -> None:
    tokenizer = plain_tokenizer(kind)
    encoded = encoder(kind).encode(text)
    tokens = tokenizer.convert_ids_to_tokens(encoded.ids.tolist())
    assert encoded.exact
    assert slices(encoded) == expected_bytes(kind, tokens, text)


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(TEXTS, max_size=5))
@settings(max_examples=15, deadline=None)
def test_a_batch_is_its_texts(kind: str, texts: list[str]) -> None:
    batch = encoder(kind, "parse").encode_batch(texts)
    for text, encoded in zip(texts, batch, strict=True):
        alone = encoder(kind, "parse").encode(text)
        assert encoded.text == text
        assert encoded.exact == alone.exact
        for name in ("ids", "starts", "ends"):
            assert getattr(encoded, name).tolist() == getattr(alone, name).tolist()


@pytest.mark.parametrize("kind", ["byte-level", "unigram-nfkc"])
@pytest.mark.parametrize(("texts", "characters"), [(2, 10**6), (10**6, 7), (10**6, 1)])
def test_a_batch_may_take_many_calls(kind: str, texts: int, characters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqscore.text.codec.encoder._CHUNK_TEXTS", texts)
    monkeypatch.setattr("seqscore.text.codec.encoder._CHUNK_CHARACTERS", characters)
    given = ["the cat", "", "a", "日本", "", "", "  the  cat", "語ﬁ", "the"]
    batch = encoder(kind).encode_batch(given)
    for text, encoded in zip(given, batch, strict=True):
        assert encoded.ids.tolist() == plain_tokenizer(kind)(text, add_special_tokens=False)["input_ids"]
        assert slices(encoded) == slices(encoder(kind).encode(text))


@pytest.mark.parametrize("kind", KINDS)
@given(TEXTS)
@settings(max_examples=20, deadline=None)
def test_default_special_tokens_span_nothing(kind: str, text: str) -> None:
    assume(not any(content in text for content in plain_tokenizer(kind).all_special_tokens))
    plain, full = encoder(kind).encode(text), encoder(kind).encode_with_defaults(text)
    assert full.ids.tolist() == plain_tokenizer(kind)(text, add_special_tokens=True)["input_ids"] or not text
    front, back = {"wordpiece": (1, 1), "unigram": (0, 1), "unigram-nfkc": (0, 1), "byt5": (0, 1)}.get(kind, (0, 0))
    if kind.startswith(("llama", "metaspace", "gemma")):
        front = 1
    if kind.startswith("slow"):
        back = 1
    kept = slice(front, len(full.ids) - back)
    for name in ("ids", "starts", "ends"):
        assert getattr(full, name)[kept].tolist() == getattr(plain, name).tolist()
    assert full.exact == plain.exact
    assert len(full.ids) == front + len(plain.ids) + back
    if len(plain.ids):
        assert_covers(full, text)
    else:
        assert not full.ends.any()


@pytest.mark.parametrize("kind", KINDS)
@given(TEXTS)
@settings(max_examples=30, deadline=None)
def test_ids_come_back_as_text(kind: str, text: str) -> None:
    ids = encoder(kind, "parse").encode(text).ids
    again = encoder(kind).from_ids(ids)
    assert again.ids.tolist() == ids.tolist()
    assert again.text is not None
    assert_covers(again, again.text) if len(ids) else None
    if kind in ("byte-level", "byte-level-digits", "gemma"):
        assert again.text == (text if kind != "gemma" else text.replace("▁", " "))
        assert again.exact


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=30, deadline=None)
def test_any_ids_have_spans(kind: str, data: st.DataObject) -> None:
    known = sorted(plain_tokenizer(kind).get_vocab().values())
    ids = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=8))
    encoded = encoder(kind).from_ids(ids)
    assert encoded.text is not None
    assert encoded.ids.tolist() == ids
    assert_covers(encoded, encoded.text)


# ---- particular texts ----------------------------------------------------------------------------------------------

EXAMPLES: list[tuple[str, str, list[str | bytes], bool]] = [
    ("byte-level", "the😀é", ["the", "😀", "é"], True),
    ("byte-level", "語", [b"\xe8", b"\xaa", b"\x9e"], True),
    ("byte-level-prefix", "the cat", ["", "the", " cat"], True),
    ("byte-level-prefix", " the", [" ", "the"], True),
    ("byte-level-digits-prefix", "a12", ["a", "", "1", "", "2"], True),
    ("byte-level-added", "a <both>  b", ["a", " <both>", "  b"], True),
    ("byte-level-added", "ßß<code> 語", ["ßß", "<code>", " ", b"\xe8", b"\xaa", b"\x9e"], True),
    ("byte-level-added", "x     the", ["x", "    ", " ", "the"], True),
    ("byte-level-nfc", "e\u0301 語", ["e\u0301", " ", b"\xe8", b"\xaa", b"\x9e"], True),
    ("byte-level-nfc", "\u1100\u1161\u11a8 語", ["\u1100\u1161\u11a8", "", "", " ", b"\xe8", b"\xaa", b"\x9e"], False),
    ("byte-level-lower", "ÉA\u0301b", ["É", "A\u0301", "b"], True),
    ("llama-2", "the cat", ["the", " cat"], True),
    ("llama-2", " the", ["", " the"], True),
    ("llama-2", "a▁b", ["a", "▁", "b"], True),
    ("llama-2", "<0x0A>", ["", "<", "0", "x", "0", "A", ">"], True),
    ("llama-2", "語", ["", b"\xe8", b"\xaa", b"\x9e"], True),
    ("gemma", "the  cat", ["the", " ", " cat"], True),
    ("llama-2-unknown", "a語\n語b", ["a", "語\n語", "b"], True),
    ("unigram", "the 語cat", ["the", " ", "語", "c", "a", "t"], True),
    ("unigram", "the <unk>", ["the", " ", "<", "u", "n", "k", ">"], True),
    ("unigram-nfkc", "  the   cat", ["  the", "   cat"], True),
    ("unigram-nfkc", "ﬁ", ["", "ﬁ"], True),
    ("unigram-nfkc", "ﬃ", ["", "ﬃ", ""], False),
    ("wordpiece", " The  CATING\n", [" The", "  CAT", "ING\n"], True),
    ("wordpiece", "cafe\u0301 語", ["c", "a", "f", "e\u0301", " 語"], True),
    ("wordpiece", "a\x00 b", ["a\x00", " b"], False),
    ("characters", "a語日b", ["a", "語", "日", "b"], True),
    ("words", "the  zebra sat ", ["the", "  zebra", " sat "], True),
    ("suffix-bpe", "the Cat.", ["the", " Cat", "."], True),
    ("byt5", "é", [b"\xc3", b"\xa9"], True),
    ("slow-words", "the  zebra sat ", ["the", "  zebra", " sat "], False),
    ("slow-bytes", "a語b", ["a", "", "", "語", "b"], False),
]


@pytest.mark.parametrize(("kind", "text", "expected", "exact"), EXAMPLES)
def test_examples(kind: str, text: str, expected: list[str | bytes], exact: bool) -> None:
    encoded = encoder(kind).encode(text)
    assert slices(encoded) == [one if isinstance(one, bytes) else one.encode() for one in expected]
    assert encoded.exact is exact


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_text_has_no_tokens(kind: str) -> None:
    encoded = encoder(kind).encode("")
    assert (encoded.text, len(encoded.ids), encoded.exact) == ("", 0, True)


def test_a_text_that_the_tokenizer_drops_has_no_tokens_and_says_so() -> None:
    encoded = encoder("wordpiece").encode(" \n ")
    assert (encoded.text, len(encoded.ids), encoded.exact) == (" \n ", 0, False)
    assert encoder("wordpiece").encode_with_defaults(" \n ").ids.tolist() == [2, 3]


# ---- special tokens ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(FRAGMENTS, min_size=1, max_size=4), st.data())
@settings(max_examples=25, deadline=None)
def test_literal_never_reads_a_special_token(kind: str, around: list[str], data: st.DataObject) -> None:
    tokenizer = plain_tokenizer(kind)
    unknown = "<unk>" if kind.startswith("slow") else tokenizer.special_tokens_map.get("unk_token")
    markup = [token for token in tokenizer.all_special_tokens if token != unknown or kind.startswith("byte-level")]
    text = data.draw(st.sampled_from(markup)).join(["", *around])
    try:
        encoded = encoder(kind).encode(text)
    except TokenizerError as error:
        assert kind == "slow-words"  # a word-level tokenizer in Python cannot do it, and says so
        assert "special_tokens='parse'" in error.message
    else:
        assert not set(tokenizer.convert_tokens_to_ids(markup)) & set(encoded.ids.tolist())
        assert_covers(encoded, text)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("suffix-bpe", "words", "slow-words")])
def test_parse_reads_it_and_spans_its_spelling(kind: str) -> None:
    tokenizer = plain_tokenizer(kind)
    content = next(
        token for token in ("<|endoftext|>", "</s>", "<s>", "[SEP]") if token in tokenizer.all_special_tokens
    )
    text = f"日{content}日"
    encoded = encoder(kind, "parse").encode(text)
    place = encoded.ids.tolist().index(tokenizer.convert_tokens_to_ids(content))
    assert slices(encoded)[place] == content.encode()
    assert encoder(kind, "literal").encode(text).ids.tolist() != encoded.ids.tolist()


def test_literal_keeps_added_tokens_that_are_not_special() -> None:
    tokenizer = plain_tokenizer("byte-level-added")
    ids = encoder("byte-level-added").encode("a<code><|endoftext|>").ids.tolist()
    assert tokenizer.convert_tokens_to_ids("<code>") in ids
    assert tokenizer.convert_tokens_to_ids("<|endoftext|>") not in ids


def test_literal_holds_for_what_a_normaliser_spells() -> None:
    encoded = encoder("unigram-nfkc").encode("a＜/s＞")
    assert 1 not in encoded.ids
    assert [piece.decode() for piece in slices(encoded)] == ["", "a", "＜", "/", "s", "＞"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<s>the cat", ["<s>", "the", " cat"]),
        ("<s> the", ["<s>", "", " the"]),  # Llama 2 puts its dummy space after each special token
        ("a<s>   the", ["a", "<s>", " ", " ", " the"]),
        ("a </s> 日", ["a", " ", "</s>", " ", "日"]),
    ],
)
def test_dummy_spaces_after_special_tokens(text: str, expected: list[str]) -> None:
    encoded = encoder("llama-2", "parse").encode(text)
    assert [piece.decode() for piece in slices(encoded)] == expected
    assert encoded.exact


def test_a_noncharacter_trick_is_caught() -> None:
    hiding = encoder("words")
    assert hiding.encode("the <s>").ids.tolist() == [2, 0]
    name = hiding._source._source._hiding.backend.id_to_token(1)  # type: ignore[attr-defined]
    with pytest.raises(TokenizerError, match="as its special token 1 even when told not to"):
        hiding.encode(f"<s> {name}")


# ---- the caller's tokenizer ----------------------------------------------------------------------------------------


def state(tokenizer: Any) -> dict[str, Any]:
    found = {name: repr(value) for name, value in vars(tokenizer).items() if name != "_tokenizer"}
    if tokenizer.is_fast:
        backend = tokenizer.backend_tokenizer
        found["backend"] = backend.to_str()
        found["encode_special_tokens"] = backend.encode_special_tokens
        found["padding"], found["truncation"] = backend.padding, backend.truncation
        found["dropout"] = getattr(backend.model, "dropout", None)
    else:
        found["trie"] = repr(tokenizer.tokens_trie.data)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("special_tokens", ["literal", "parse"])
def test_the_callers_tokenizer_stays_as_it_was(kind: str, special_tokens: SpecialTokensPolicy) -> None:
    tokenizer = build(kind)
    tokenizer.model_max_length = 2
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.enable_truncation(3)
        tokenizer.backend_tokenizer.enable_padding(length=8, pad_id=0, pad_token="<pad>")
        if hasattr(tokenizer.backend_tokenizer.model, "dropout"):
            tokenizer.backend_tokenizer.model.dropout = 0.5
    before = state(tokenizer)
    mine = TextEncoder(tokenizer, special_tokens=special_tokens)
    text = "the cat sat a the cat sat a"
    encoded = mine.encode(text)
    mine.encode_with_defaults(text)
    mine.from_ids(encoded.ids)
    assert state(tokenizer) == before
    # and the copy neither cuts nor pads nor draws lots
    assert encoded.ids.tolist() == encoder(kind).encode(text).ids.tolist()
    assert len(encoded.ids) >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_no_word_about_length(kind: str) -> None:
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    tokenizer = build(kind)
    tokenizer.model_max_length = 1
    listener = Listener()
    logging.getLogger("transformers").addHandler(listener)
    try:
        loud = build(kind)
        loud.model_max_length = 1
        loud("the cat sat")
        assert any("longer than the specified maximum" in message for message in heard)  # the tokenizer itself would
        heard.clear()
        mine = TextEncoder(tokenizer)
        mine.encode("the cat sat " * 10)
        mine.encode_with_defaults("the cat sat " * 10)
    finally:
        logging.getLogger("transformers").removeHandler(listener)
    assert heard == []


def test_an_encoder_can_be_sent_to_another_process() -> None:
    mine = TextEncoder(build("llama-2"))
    mine.encode("the 日 <s>")
    again = pickle.loads(pickle.dumps(mine))
    assert slices(again.encode("the 日 <s>")) == slices(mine.encode("the 日 <s>"))


# ---- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["byte-level", "byt5"])
def test_lone_surrogates_are_named(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        encoder(kind).encode("12345\ud83d!")
    assert str(caught.value) == (
        "character 5 is the lone surrogate U+D83D, which is no Unicode text; it comes from a wrong decoding of the "
        "source: decode that as UTF-8 (or UTF-16), or remove it"
    )
    with pytest.raises(InputError, match="item 1: character 0 is the lone surrogate U"):
        encoder(kind).encode_batch(["a", "\udc00"])


@pytest.mark.parametrize(("value", "name"), [(b"a", "bytes"), (None, "NoneType"), (["a"], "list"), (1, "int")])
def test_what_is_no_text_is_named(value: object, name: str) -> None:
    with pytest.raises(InputError) as caught:
        encoder("byte-level").encode(value)  # type: ignore[arg-type]
    assert str(caught.value) == f"expected a text (str), got {name}; decode bytes first"
    with pytest.raises(InputError, match="item 2: expected a text"):
        encoder("byte-level").encode_batch(["a", "", value])  # type: ignore[list-item]


def test_a_numpy_string_is_a_text() -> None:
    encoded = encoder("byte-level").encode(np.str_("the"))
    assert type(encoded.text) is str
    assert slices(encoded) == [b"the"]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 5000], "token id 1 is 5000, outside this tokenizer's vocabulary of 0 to {last}"),
        ([-1], "token id 0 is -1, outside this tokenizer's vocabulary of 0 to {last}"),
        ([1, 2.0], "token id 1 is 2.0 (float), expected an integer"),
        ([True], "token id 0 is True (bool), expected an integer"),
        ([1, None], "token id 1 is None (NoneType), expected an integer"),
        (["1"], "token id 0 is '1' (str), expected an integer"),
        ([[1, 2]], "token id 0 is [1, 2] (list), expected an integer"),
        (np.array([1.0]), "token id 0 is 1.0 (float), expected an integer"),
        (np.array([True]), "token id 0 is True (bool), expected an integer"),
        (np.array([[1]]), "token id 0 is [1] (list), expected an integer"),
        (np.array(1), "token ids must be a list or an array of one dimension, got the single value 1"),
        (torch.tensor([0.5]), "token id 0 is 0.5 (float), expected an integer"),
    ],
)
def test_bad_ids_are_named(ids: Any, message: str) -> None:
    last = len(plain_tokenizer("byte-level")) - 1
    with pytest.raises(InputError) as caught:
        encoder("byte-level").from_ids(ids)
    assert str(caught.value) == message.format(last=last)


@pytest.mark.parametrize(
    "convert", [list, tuple, np.array, np.int32, torch.tensor, lambda ids: list(map(np.int64, ids))]
)
def test_ids_may_be_arrays(convert: Any) -> None:
    ids = encoder("byte-level").encode("the 日").ids.tolist()
    assert encoder("byte-level").from_ids(convert(ids)).text == "the 日"


def test_ids_of_nothing() -> None:
    encoded = encoder("byte-level").from_ids([])
    assert (encoded.text, len(encoded.ids), encoded.exact) == ("", 0, True)


def test_ids_of_a_part_of_a_character() -> None:
    ids = encoder("byte-level").encode("語x").ids.tolist()
    encoded = encoder("byte-level").from_ids(ids[1:])
    assert (encoded.text, encoded.exact) == ("\ufffd\ufffdx", False)
    assert slices(encoded) == ["\ufffd".encode(), "\ufffd".encode(), b"x"]


def test_ids_without_a_token() -> None:
    tokenizer = build("words")
    backend = tokenizer.backend_tokenizer
    vocabulary = {**backend.get_vocab(), "far": 20}
    backend.model = type(backend.model)(vocab=vocabulary, unk_token="<unk>")
    mine = TextEncoder(tokenizer)
    assert mine.from_ids([20]).text == "far"
    encoded = mine.from_ids([2, 10])
    assert (encoded.text, encoded.starts.tolist(), encoded.ends.tolist(), encoded.exact) == (
        None,
        [0, 0],
        [0, 0],
        False,
    )
    assert mine.piece(10) == b""
    with pytest.raises(InputError, match="vocabulary of 0 to 20"):
        mine.from_ids([21])


def test_added_tokens_in_ids_stand_for_their_content() -> None:
    ids = encoder("byte-level-added").encode("aßß").ids.tolist()
    # the tokenizer's own decoder takes the added token for a byte
    assert plain_tokenizer("byte-level-added").decode(ids) == "a\ufffd\ufffd"
    assert encoder("byte-level-added").from_ids(ids).text == "aßß"


@pytest.mark.parametrize(
    ("kind", "token", "piece"),
    [
        ("byte-level", "Ġthe", b" the"),
        ("byte-level", "è", b"\xe8"),
        ("byte-level", "<|endoftext|>", b"<|endoftext|>"),
        ("llama-2", "▁the", b" the"),
        ("llama-2", "<0xE4>", b"\xe4"),
        ("llama-2", "<0x41>", b"A"),
        ("wordpiece", "##ing", b"ing"),
        ("suffix-bpe", "cat</w>", b"cat"),
        ("byt5", "ä", b"\xe4"),
    ],
)
def test_the_bytes_of_a_token(kind: str, token: str, piece: bytes) -> None:
    assert encoder(kind).piece(plain_tokenizer(kind).convert_tokens_to_ids(token)) == piece


# ---- size ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["byte-level", "byte-level-nfc", "llama-2", "unigram-nfkc", "wordpiece", "slow-bytes"])
def test_work_grows_with_the_text_and_no_faster(kind: str) -> None:
    # Each path of the alignment: joined, grouped offsets, dummy space, dropped spaces, white space, decoding.
    piece = "The cat e\u0301 日本  😀 the\n" if kind != "slow-bytes" else "the 日本\n"
    sizes = (500, 4000)
    seconds = []
    for size in sizes:
        encoder(kind).encode(piece * 10)
        began = time.process_time()  # what other processes do does not count
        assert_covers(encoder(kind).encode(piece * size), piece * size)
        seconds.append(time.process_time() - began)
    assert seconds[1] < 4 * sizes[1] / sizes[0] * seconds[0] + 0.5  # quadratic would be 64 times
