"""Tiny random models with an encoder, of many families, and tokenizers of their kinds, built on the spot."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    CONFIG_MAPPING,
    AutoModelForSeq2SeqLM,
    MarianTokenizer,
    MBart50Tokenizer,
    MBartTokenizer,
    NllbTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Tokenizer,
)

from tests.tokenizers_for_tests import LETTERS, MARKED_WORDS, gpt2_alphabet, merges_of

VOCABULARY = 320
_T5 = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
_BART = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 72,
}
SEQ2SEQ: dict[str, dict[str, Any]] = {
    "t5": _T5,
    "mt5": _T5,
    "umt5": _T5,
    "longt5": {**_T5, "local_radius": 3},
    "switch_transformers": {**_T5, "num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1, "num_experts": 2},
    "bart": {**_BART, "decoder_start_token_id": 2},
    "mbart": {**_BART, "decoder_start_token_id": 2},
    "marian": {**_BART, "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1},
    "m2m_100": {**_BART, "decoder_start_token_id": 2},
    "pegasus": {**_BART, "decoder_start_token_id": 0, "pad_token_id": 0},
    "blenderbot": {**_BART, "decoder_start_token_id": 1},
    "plbart": {**_BART, "decoder_start_token_id": 2},
    "led": {
        **{name: value for name, value in _BART.items() if name != "max_position_embeddings"},
        "attention_window": 4,
        "max_encoder_position_embeddings": 96,
        "max_decoder_position_embeddings": 72,
        "decoder_start_token_id": 2,
    },
}


def seq2seq_model(family: str, *, dtype: torch.dtype = torch.float32, **changes: Any) -> PreTrainedModel:
    """A random model of this family, its weights large enough for its parts to matter."""
    settings = {"vocab_size": VOCABULARY, **SEQ2SEQ[family], **changes}
    config = CONFIG_MAPPING[family](**settings)
    torch.manual_seed(0)
    model = AutoModelForSeq2SeqLM.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            given = family in ("marian", "pegasus") and "embed_positions" in name  # sines, which are not saved
            if parameter.dim() > 1 and not given:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.25)
        if getattr(model, "final_logits_bias", None) is not None:
            model.final_logits_bias.normal_(generator=generator)
    if dtype == torch.float64 and model._can_set_experts_implementation():
        model.set_experts_implementation("eager")
    return model.to(dtype).eval()


def t5_tokenizer() -> T5Tokenizer:
    """T5's: ``x </s>``, the start token of decoding is the padding."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    pieces += [(letter, -6.0) for letter in LETTERS + ".,!?:éß日本"]
    pieces += [("▁the", -3.0), ("▁cat", -4.0), ("ing", -4.0), ("▁is", -5.0), ("▁a", -5.0)]
    return T5Tokenizer(vocab=pieces, extra_ids=3)


def bart_tokenizer() -> PreTrainedTokenizerFast:
    """BART's: ``<s> x </s>``, every byte a token; decoding starts with ``</s><s>``."""
    letters = gpt2_alphabet()
    words, merges = merges_of(["Ġthe", "Ġcat", "the", "Ġis"])
    numbered = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *letters, *words])}
    backend = Tokenizer(models.BPE(vocab=numbered, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def nllb_tokenizer(**settings: Any) -> NllbTokenizer:
    """NLLB's: ``eng_Latn x </s>``, decoding starts with ``</s> fra_Latn``."""
    tokens, merges = merges_of(list(MARKED_WORDS))
    characters = sorted(set("".join(MARKED_WORDS)) | set(LETTERS) | set("▁.,!?:éß"))
    vocabulary = {
        token: i for i, token in enumerate(dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", *characters, *tokens]))
    }
    return NllbTokenizer(
        vocab=vocabulary,
        merges=merges,
        additional_special_tokens=["eng_Latn", "fra_Latn", "deu_Latn", "zho_Hans"],
        **settings,
    )


def mbart_tokenizer(kind: type = MBartTokenizer, **settings: Any) -> MBartTokenizer | MBart50Tokenizer:
    """mBART's: ``x </s> en_XX``, decoding starts with the target's language; mBART-50's as NLLB's."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -6.0) for letter in LETTERS + ".,!?"]
    return kind(vocab=[*pieces, ("▁the", -3.0), ("▁cat", -4.0)], **settings)


@cache
def _spm(folder: Path, name: str, text: str) -> Path:
    """A small SentencePiece model that was trained on a text."""
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.splitlines() * 20),
        model_prefix=str(folder / name),
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return (folder / f"{name}.model").rename(folder / f"{name}.spm")


ENGLISH = "the cat sat on the mat\nit rained all day, and the cat slept\nwhere is the cat? it is there!"
GERMAN = "die Katze sass auf der Matte\nes regnete den ganzen Tag, und die Katze schlief\nwo ist die Katze? sie ist da!"


def marian_folder(folder: Path) -> Path:
    """The files of a Marian tokenizer: two SentencePiece models, one vocabulary."""
    import sentencepiece

    files = [_spm(folder, name, text) for name, text in (("source", ENGLISH), ("target", GERMAN))]
    pieces = ["<pad>", "</s>", "<unk>", ">>deu<<"]
    for file in files:
        model = sentencepiece.SentencePieceProcessor(model_file=str(file))
        pieces += [model.id_to_piece(i) for i in range(model.get_piece_size())]
    numbered = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    (folder / "vocab.json").write_text(json.dumps(numbered), encoding="utf-8")
    return folder


def marian_tokenizer(folder: Path) -> MarianTokenizer:
    """A Marian tokenizer of these files."""
    return MarianTokenizer(
        source_spm=str(folder / "source.spm"), target_spm=str(folder / "target.spm"), vocab=str(folder / "vocab.json")
    )
