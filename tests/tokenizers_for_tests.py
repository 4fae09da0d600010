"""Tiny tokenizers of every kind in use, built from scratch: no files, no network, no training.

``build(kind)`` gives a fresh one, ``KINDS`` names them all. Each has special tokens of the usual names. Vocabularies
are small on purpose, so that characters fall apart into bytes, or are unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import ByT5Tokenizer, PreTrainedTokenizer, PreTrainedTokenizerFast

LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Words whose prefixes become tokens too; 😀 and 日本 so that tokens begin and end inside characters.
BYTE_WORDS = ("the", " the", " cat", "ing", " is", " a", "😀", "é", "日本", "  ", "\n\n", "!!", "and", "end", "text")
MARKED_WORDS = ("▁the", "▁cat", "the", "ing", "▁is", "▁a", "日本", "▁▁", "an")


def gpt2_alphabet() -> list[str]:
    """For each byte the character by which GPT-2's vocabulary writes it."""
    shown = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    letters = [""] * 256
    for b in shown:
        letters[b] = chr(b)
    for number, b in enumerate(b for b in range(256) if b not in shown):
        letters[b] = chr(256 + number)
    return letters


def merges_of(words: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Tokens and merges that build each word from its first character on."""
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        for size in range(1, len(word)):
            merges[word[:size], word[size]] = None
    return list(dict.fromkeys(a + b for a, b in merges)), list(merges)


def _special(*contents: str) -> list[AddedToken]:
    return [AddedToken(content, special=True, normalized=False) for content in contents]


def _numbered(tokens: list[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def byte_level(
    *, add_prefix_space: bool = False, normalizer: Any = None, digits: bool = False, added: tuple[AddedToken, ...] = ()
) -> PreTrainedTokenizerFast:
    """GPT-2's kind; with ``digits`` as SmolLM, with NFC as Qwen."""
    letters = gpt2_alphabet()
    tokens, merges = merges_of(["".join(letters[b] for b in word.encode()) for word in BYTE_WORDS])
    backend = Tokenizer(models.BPE(vocab=_numbered(["<|endoftext|>", *letters, *tokens]), merges=merges))
    split = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, trim_offsets=True)
    individual = pre_tokenizers.Digits(individual_digits=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([individual, split]) if digits else split
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.ByteLevel(trim_offsets=True)
    backend.add_special_tokens(_special("<|endoftext|>"))
    backend.add_tokens(list(added))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|endoftext|>", eos_token="<|endoftext|>", unk_token="<|endoftext|>"
    )


def byte_level_with_added_tokens() -> PreTrainedTokenizerFast:
    """GPT-2's kind with tokens that are added but not special: plain, stripping, of letters that the alphabet uses."""
    return byte_level(
        added=(
            AddedToken("<code>", special=False, normalized=False),
            AddedToken("<both>", special=False, normalized=False, lstrip=True, rstrip=True),
            AddedToken("ßß", special=False, normalized=False),
            AddedToken("    ", special=False, normalized=False),
        )
    )


def marked_bpe(style: str = "prepend", *, byte_fallback: bool = True) -> PreTrainedTokenizerFast:
    """SentencePiece BPE: ``prepend`` as Llama 2, ``first`` or ``always`` as Metaspace, ``never`` as Gemma."""
    tokens, merges = merges_of(list(MARKED_WORDS))
    characters = sorted(set("".join(MARKED_WORDS)) | set(LETTERS) | set("ABC.,!?▁é"))
    fallback = [f"<0x{b:02X}>" for b in range(256)] if byte_fallback else []
    vocabulary = _numbered(["<unk>", "<s>", "</s>", *fallback, *characters, *tokens])
    backend = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, byte_fallback=byte_fallback, fuse_unk=True, unk_token="<unk>")
    )
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if style == "never":
        backend.normalizer = normalizers.Replace(" ", "▁")
        backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    elif style == "prepend":
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme=style, split=False)
    backend.decoder = decoders.Sequence(steps if style == "never" else [*steps, decoders.Strip(" ", 1, 0)])
    backend.add_special_tokens(_special("<unk>", "<s>", "</s>"))
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=True,
    )


def unigram(normalizer: Any = None) -> PreTrainedTokenizerFast:
    """SentencePiece Unigram without byte fallback; with NFKC and collapsed spaces as T5 and XGLM."""
    pieces = [("<s>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    pieces += [(letter, -6.0) for letter in LETTERS + ".,!</>é日"]
    pieces += [("▁the", -3.0), ("▁cat", -4.0), ("ing", -4.0), ("fi", -5.0)]
    backend = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    backend.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    backend.add_special_tokens(_special("<s>", "</s>", "<unk>"))
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def wordpiece() -> PreTrainedTokenizerFast:
    """BERT's kind: lower case, accents stripped, white space dropped."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *".,!?日本<|>'", *("##" + c for c in LETTERS)]
    backend = Tokenizer(models.WordPiece(_numbered([*tokens, "the", "cat", "##ing"]), unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.add_special_tokens(_special("[PAD]", "[UNK]", "[CLS]", "[SEP]"))
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]"
    )


def characters() -> PreTrainedTokenizerFast:
    """One token for each character, most of them unknown."""
    backend = Tokenizer(models.WordLevel(_numbered(["<unk>", "<s>", *LETTERS, *" .,!"]), unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    backend.add_special_tokens(_special("<unk>", "<s>"))
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>")


def words() -> PreTrainedTokenizerFast:
    """Whole words split at white space, in a vocabulary that holds the special tokens' spelling."""
    backend = Tokenizer(models.WordLevel(_numbered(["<unk>", "<s>", "the", "cat", "sat", "a"]), unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens(_special("<unk>", "<s>"))
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>")


def suffix_bpe() -> PreTrainedTokenizerFast:
    """Words whose last token carries ``</w>``, as CLIP and CTRL."""
    tokens, merges = ["the</w>", "th", "ca", "cat</w>"], [("t", "h"), ("th", "e</w>"), ("c", "a"), ("ca", "t</w>")]
    letters = [*LETTERS, *".,!?"]
    vocabulary = _numbered(["<unk>", "<s>", *letters, *(letter + "</w>" for letter in letters), *tokens])
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>", unk_token="<unk>"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.decoder = decoders.BPEDecoder("</w>")
    backend.add_special_tokens(_special("<unk>", "<s>"))
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>")


class SlowWords(PreTrainedTokenizer):  # type: ignore[misc]
    """A tokenizer written in Python: words, decoded with one space between them, an end token added by default."""

    def __init__(self, **kwargs: Any) -> None:
        self.words = _numbered(["<unk>", "</s>", "the", "cat", "sat", "a", "é", "日本"])
        super().__init__(unk_token="<unk>", eos_token="</s>", special_tokens_pattern="eos", **kwargs)

    @property
    def vocab_size(self) -> int:
        return len(self.words)

    def get_vocab(self) -> dict[str, int]:
        return {**self.words, **self.added_tokens_encoder}

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        return text.split()

    def _convert_token_to_id(self, token: str) -> int:
        return self.words.get(token, 0)

    def _convert_id_to_token(self, index: int) -> str:
        return list(self.words)[index]


class SlowBytes(SlowWords):
    """A tokenizer written in Python whose decoder alone knows what its tokens mean: each the name of a byte."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = _numbered(["<unk>", "</s>", *(f"byte {b}" for b in range(256))])

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        return [f"byte {b}" for b in text.encode()]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        named = (bytes([int(t[5:])]) if t.startswith("byte ") else t.encode() for t in tokens)
        return b"".join(named).decode("utf-8", "replace")


NFKC_AND_ONE_SPACE = (normalizers.NFKC, lambda: normalizers.Replace(Regex(" {2,}"), " "))

BUILDERS: dict[str, Callable[[], Any]] = {
    "byte-level": byte_level,
    "byte-level-prefix": lambda: byte_level(add_prefix_space=True),
    "byte-level-digits": lambda: byte_level(digits=True),
    "byte-level-digits-prefix": lambda: byte_level(digits=True, add_prefix_space=True),
    "byte-level-added": byte_level_with_added_tokens,
    "byte-level-nfc": lambda: byte_level(normalizer=normalizers.NFC()),
    "byte-level-lower": lambda: byte_level(
        normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    ),
    "llama-2": marked_bpe,
    "metaspace-first": lambda: marked_bpe("first"),
    "metaspace-always": lambda: marked_bpe("always"),
    "gemma": lambda: marked_bpe("never"),
    "llama-2-unknown": lambda: marked_bpe(byte_fallback=False),
    "unigram": unigram,
    "unigram-nfkc": lambda: unigram(normalizers.Sequence([build_one() for build_one in NFKC_AND_ONE_SPACE])),
    "wordpiece": wordpiece,
    "characters": characters,
    "words": words,
    "suffix-bpe": suffix_bpe,
    "byt5": lambda: ByT5Tokenizer(extra_ids=2, additional_special_tokens=["<extra_id_0>", "<extra_id_1>"]),
    "slow-words": SlowWords,
    "slow-bytes": SlowBytes,
}
KINDS = tuple(BUILDERS)
"""Every kind."""

BYTE_EXACT_KINDS = (
    "byte-level",
    "byte-level-prefix",
    "byte-level-digits",
    "llama-2",
    "metaspace-first",
    "metaspace-always",
    "gemma",
    "byt5",
)
"""Kinds whose tokens join to every text's bytes, one dummy space in front apart."""


def build(kind: str) -> Any:
    """A fresh tokenizer of this kind."""
    return BUILDERS[kind]()
