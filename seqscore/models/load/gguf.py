"""GGUF files: what must hold before transformers may read one, and the splitter that their tokenizers need.

A GGUF names the splitter of its byte-level tokenizer (``tokenizer.ggml.pre``) and does not hold it. transformers
keeps the one of GPT-2 for a name that it does not know, in silence, and drops normalisers and ``ignore_merges``. So
splitters are set here, from the table below, and any other name is an error. The same for what it drops of the
weights: scaled rotary frequencies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqscore.errors import ModelError, TokenizerError, one_line
from seqscore.models.architecture.causality import require_causal
from seqscore.models.load.device import resolve_dtype
from seqscore.models.load.gguf_header import check_header
from seqscore.models.load.quiet import loading
from seqscore.models.load.sizes import check_config

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitter:
    """How a byte-level tokenizer cuts text into the pieces within which merges happen.

    ``pattern`` None is GPT-2's own; ``digits`` first sets every numeric character apart; ``nfc`` normalises before;
    ``whole_words`` takes a piece that is in the vocabulary as it is, without its merges.
    """

    pattern: str | None = None
    digits: bool = False
    nfc: bool = False
    whole_words: bool = False


_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_TAIL_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = (rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+", rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*")

_GPT2 = Splitter()
_DIGITS = Splitter(digits=True)
_LLAMA3 = Splitter(pattern=rf"{_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_TAIL}", whole_words=True)
_QWEN2 = Splitter(pattern=rf"{_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_TAIL}", nfc=True)
_TEKKEN = Splitter(pattern=rf"{_CASED[0]}|{_CASED[1]}|\p{{N}}|{_TAIL_SLASH}", whole_words=True)
_GPT4O = Splitter(
    pattern=rf"{_CASED[0]}{_CONTRACTION}?|{_CASED[1]}{_CONTRACTION}?|\p{{N}}{{1,3}}|{_TAIL_SLASH}",
)

SPLITTERS: dict[str, Splitter] = {
    "gpt-2": _GPT2,
    "smollm": _DIGITS,
    "starcoder": _DIGITS,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "qwen2": _QWEN2,
    "tekken": _TEKKEN,
    "gpt-4o": _GPT4O,
}
"""Names of ``tokenizer.ggml.pre`` whose splitter is established: as in llama.cpp (``llama-vocab.cpp``), normaliser as
in the models' own ``tokenizer.json``. Names that stand for several models with different normalisers are left out."""

_COUNTS = {"block_count": "num_hidden_layers", "expert_count": "num_experts", "vocab_size": "vocab_size"}
_SPLIT_FILE = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """The parts of a GGUF's metadata that decide whether it can be used.

    ``tensors``: number of weights of each, by name. ``types``: how its matrices are stored (``Q4_K``, ``Q6_K``).
    """

    architecture: str
    tokenizer_model: str
    pre: str | None
    space_prefix: bool | None
    rope_scaling: str | None
    tensors: dict[str, int]
    plain_rope: bool
    types: tuple[str, ...] = ()


def read_header(path: Path) -> GgufHeader:
    """The header of a GGUF file, which must be whole and in one part.

    Raises:
        ModelError: it is no GGUF, cut short, or one of several parts.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise ModelError(f"{path} is not a GGUF file: it begins with {magic!r}, expected b'GGUF'")
    check_header(path)
    from gguf import GGUFReader

    try:
        reader: Any = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items() if _is_small(field)}
        tensors = {tensor.name: int(tensor.n_elements) for tensor in reader.tensors}
        types = sorted({tensor.tensor_type.name for tensor in reader.tensors if len(tensor.shape) > 1})
        plain_rope = all(_is_ones(tensor) for tensor in reader.tensors if tensor.name.startswith("rope_f"))
    except Exception as error:
        raise ModelError(f"{path} is not a whole GGUF file ({one_line(error)}): fetch it again") from error
    parts = int(fields.get("split.count", 1))
    if parts > 1 or ((match := _SPLIT_FILE.search(path.name)) and int(match[1]) > 1):
        raise ModelError(
            f"{path} is one part of a GGUF in several: join them (llama-gguf-split --merge) and give the whole"
        )
    architecture = str(fields.get("general.architecture", ""))
    check_config(
        {ours: fields.get(f"{architecture}.{theirs}") for theirs, ours in _COUNTS.items()},
        where=str(path),
        tensors=len(tensors),
        weights=sum(tensors.values()),
    )
    scaling = fields.get(f"{architecture}.rope.scaling.type")
    return GgufHeader(
        architecture=architecture,
        tokenizer_model=str(fields.get("tokenizer.ggml.model", "")),
        pre=fields.get("tokenizer.ggml.pre"),
        space_prefix=fields.get("tokenizer.ggml.add_space_prefix"),
        rope_scaling=None if scaling in (None, "none") else str(scaling),
        tensors=tensors,
        plain_rope=plain_rope,
        types=tuple(types),
    )


def load_gguf(
    path: Path, header: GgufHeader, *, dtype: str, device: str = "cpu"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model (weights dequantised to ``dtype``, on ``device``) and tokenizer of a GGUF file.

    Raises:
        ModelError: an architecture that transformers cannot read, not causal, or weights missing, left over, or
            changed by settings that transformers would drop.
        TokenizerError: a tokenizer whose splitter is not known.
        DeviceError: not enough memory.
    """
    splitter = _splitter_of(path, header)
    with loading(str(path), device=device, dtype=dtype):
        require_causal(_read_config(path), where=str(path))
        tokenizer = _read_tokenizer(path, header, splitter)
        model = _read_model(path, resolve_dtype(dtype))
        _check_nothing_dropped(path, header, model)
        return model.to(device), tokenizer


def apply_splitter(tokenizer: PreTrainedTokenizerBase, splitter: Splitter) -> None:
    """Set splitter, normaliser and merge rule on a byte-level tokenizer that was just loaded."""
    from tokenizers import Regex, normalizers, pre_tokenizers

    backend: Any = tokenizer.backend_tokenizer
    steps: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if splitter.digits else []
    if splitter.pattern is not None:
        steps.append(pre_tokenizers.Split(Regex(splitter.pattern), behavior="isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=splitter.pattern is None))
    backend.pre_tokenizer = pre_tokenizers.Sequence(steps)
    backend.normalizer = normalizers.NFC() if splitter.nfc else None
    backend.model.ignore_merges = splitter.whole_words


def _is_small(field: Any) -> bool:
    return len(field.data) == 1


def _is_ones(tensor: Any) -> bool:
    return bool((tensor.data == 1).all())


def _splitter_of(path: Path, header: GgufHeader) -> Splitter | None:
    """The splitter for a byte-level tokenizer, None for a SentencePiece one, which needs none."""
    advice = "use the model's safetensors checkpoint, which holds its tokenizer whole"
    if header.tokenizer_model == "llama":
        return None
    if header.tokenizer_model != "gpt2":
        raise TokenizerError(
            f"{path} has a tokenizer of type {header.tokenizer_model!r}, which is not supported: {advice}"
        )
    if header.pre not in SPLITTERS:
        named = f"the pre-tokenizer {header.pre!r}" if header.pre else "no pre-tokenizer (tokenizer.ggml.pre)"
        raise TokenizerError(
            f"{path} names {named}; known are {', '.join(SPLITTERS)}; with a wrong one text would be cut into other "
            f"tokens: {advice}"
        )
    return SPLITTERS[header.pre]


def _read_config(path: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(path.parent, gguf_file=str(path), local_files_only=True, trust_remote_code=False)


def _read_tokenizer(path: Path, header: GgufHeader, splitter: Splitter | None) -> Any:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(
        path.parent, gguf_file=str(path), local_files_only=True, trust_remote_code=False
    )
    if splitter is not None:
        apply_splitter(tokenizer, splitter)
    elif header.space_prefix is False and tokenizer.tokenize("a")[:1] != ["a"]:
        raise TokenizerError(
            f"{path} says that its tokenizer puts no space before a text (add_space_prefix), and transformers' does: "
            "use the model's safetensors checkpoint"
        )
    return tokenizer


def _read_model(path: Path, dtype: torch.dtype) -> Any:
    import transformers

    unpacked = (
        {"quantization_config": transformers.GgufConfig(dequantize=True)} if hasattr(transformers, "GgufConfig") else {}
    )
    loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent,
        gguf_file=str(path),  # absolute: a relative one is first looked for in the current folder
        dtype=dtype,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
        **unpacked,
    )
    model, info = loaded
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"{path} lacks {len(missing)} of the model's weights, e.g. {', '.join(missing[:3])}: fetch it again"
        )
    # What is in memory is an ordinary model now, and must be taken for one by whoever saves or moves it.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    return model


def _check_nothing_dropped(path: Path, header: GgufHeader, model: PreTrainedModel) -> None:
    """Every weight of the file must be in the model: transformers drops what it has no name for without a word."""
    advice = "so its numbers would be wrong: use the model's safetensors checkpoint"
    rope: Any = getattr(model.config, "rope_parameters", None) or {}
    if header.rope_scaling and rope.get("rope_type", "default") == "default":
        raise ModelError(
            f"{path} scales its rotary positions ({header.rope_scaling}), which transformers drops, {advice}"
        )
    if not header.plain_rope:
        raise ModelError(f"{path} scales its rotary frequencies (rope_freqs), which transformers drops, {advice}")
    layers = int(getattr(model.config, "num_hidden_layers", 0))
    tied = getattr(model.config, "tie_word_embeddings", False)
    in_file = sum(size for name, size in header.tensors.items() if _is_expected(name, layers, tied))
    in_model = sum(weight.numel() for weight in model.parameters())
    if in_file != in_model:
        raise ModelError(
            f"{path} holds {in_file:,} weights and transformers' model {in_model:,}: some are dropped, {advice}"
        )


def _is_expected(name: str, layers: int, tied: bool) -> bool:
    """Whether a tensor of the file must be in the model: not rotary tables, a second tied head, or blocks past the
    last."""
    block = re.match(r"blk\.(\d+)\.", name)
    if block and layers and int(block[1]) >= layers:
        return False
    return not (name.startswith("rope_f") or (tied and name == "output.weight"))
