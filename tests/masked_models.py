"""Tiny random masked language models of many architectures, and tokenizers of their two usual kinds."""

from __future__ import annotations

import copy
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import CONFIG_MAPPING, AutoModelForMaskedLM, EsmTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from tests.tokenizers_for_tests import LETTERS, gpt2_alphabet

WORDS = ("the", "cat", "dog", "sat", "on", "mat", "##s", "##ed", "rain", "it", "a", "all", "day", ".", ",", "!", "##t")
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 300

_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
MASKED: dict[str, dict[str, Any]] = {
    "albert": {**_SMALL, "embedding_size": 16},
    "bert": _SMALL,
    "convbert": {**_SMALL, "embedding_size": 16},
    "deberta": {**_SMALL, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {**_SMALL, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 40, "max_position_embeddings": 40},
    "electra": {**_SMALL, "embedding_size": 16},
    "esm": {
        **_SMALL,
        "mask_token_id": 4,
        "pad_token_id": 1,
        "position_embedding_type": "rotary",
        "token_dropout": True,  # embeddings are scaled by how much of a row is masked, as in ESM-2
    },
    "fnet": _SMALL,
    "modernbert": {
        **_SMALL,
        "global_attn_every_n_layers": 2,
        "local_attention": 8,
        "cls_token_id": 2,
        "sep_token_id": 3,
    },
    "mpnet": {**_SMALL, "pad_token_id": 1},
    "roberta": {**_SMALL, "pad_token_id": 1},
    "roformer": {**_SMALL, "embedding_size": 16},
    "squeezebert": {
        **_SMALL,
        "embedding_size": 32,
        "q_groups": 1,
        "k_groups": 1,
        "v_groups": 1,
        "post_attention_groups": 1,
        "intermediate_groups": 1,
        "output_groups": 1,
    },
}


def masked_model(
    architecture: str, *, dtype: torch.dtype = torch.float32, seed: int = 0, **changes: Any
) -> PreTrainedModel:
    """A random masked language model, its weights large enough for its parts to matter."""
    return copy.deepcopy(_built(architecture, seed, tuple(sorted(changes.items())))).to(dtype)


@cache
def _built(architecture: str, seed: int, changes: tuple[tuple[str, Any], ...]) -> PreTrainedModel:
    """Built once; every caller gets a copy, which takes a fraction of the time."""
    config = CONFIG_MAPPING[architecture](vocab_size=VOCABULARY, **{**MASKED[architecture], **dict(changes)})
    torch.manual_seed(seed)
    model = AutoModelForMaskedLM.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def word_pieces() -> PreTrainedTokenizerFast:
    """BERT's kind: ``[CLS] x [SEP]``."""
    tokens = [*SPECIALS, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    backend = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def residues() -> EsmTokenizer:
    """ESM's: a token is an amino acid, and no token stands for a space."""
    tokens = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.txt"
        path.write_text("\n".join(tokens))
        return EsmTokenizer(str(path))


def bytes_of_roberta() -> PreTrainedTokenizerFast:
    """RoBERTa's kind: ``<s> x </s>``, every byte a token."""
    vocabulary = {
        token: number for number, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *gpt2_alphabet()])
    }
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
    )
