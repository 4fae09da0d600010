"""The tokenizer of a model with an encoder: how it writes a source, and how a target.

transformers' tokenizers of such models have two modes. They may put other special tokens around a target than around a
source (language tokens of NLLB and mBART), and Marian's have two vocabularies of pieces.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seqscore.errors import ModelError, OptionError, TokenizerError, failing_as
from seqscore.models.local import TokenizerCodec
from seqscore.policies import SpecialTokensPolicy, StartPolicy
from seqscore.text.codec.encoder import TextEncoder
from seqscore.text.start import StartToken, resolve_start, special_token_ids

Around = tuple[tuple[int, ...], tuple[int, ...]]
"""Token ids before a text and behind it."""

_MODE = "_switch_to_target_mode"
_TURNING = frozenset({"mbart", "plbart"})
"""Their targets end in a language token, which is what decoding starts with (``shift_tokens_right``)."""


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages of source and target, as the tokenizer calls them; None: what it has been set to."""

    source: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Frames:
    """What stands around what the two stacks read.

    ``source``: around a source. ``decoder``: in front of what is decoded, the last of them being the start token of a
    score. ``languages``: of source and target; None where the tokenizer has no language tokens.
    """

    source: Around
    decoder: tuple[int, ...]
    languages: tuple[str, str] | None = None

    @property
    def room(self) -> int:
        """How many tokens stand around a source."""
        return sum(map(len, self.source))

    def describe(self) -> dict[str, str]:
        """As it stands in a signature; x is a Pair's context, and nothing where there is none."""
        before, behind = ("+".join(map(str, ids)) for ids in self.source)
        found = {"source": "+".join(part for part in (before, "x", behind) if part)}
        found["decoder"] = "+".join(map(str, self.decoder))
        return found if self.languages is None else {**found, "languages": ">".join(self.languages)}


class SourceCodec(TokenizerCodec):
    """A tokenizer that writes sources and targets.

    Args:
        tokenizer: the model's.
        configs: of the model, that of generation last.
        vocabulary: how many tokens the model knows.
        languages: those that were asked for.

    Raises:
        OptionError: the tokenizer has no such language, or none was named and it needs one.
        ModelError: the configuration names no token that decoding starts with.
        TokenizerError: it cannot be told what it puts around a text.
    """

    def __init__(self, tokenizer: Any, *, configs: list[Any], vocabulary: int, languages: Languages) -> None:
        super().__init__(tokenizer, configs=configs, vocabulary=vocabulary)
        if getattr(tokenizer, "separate_vocabs", False):
            raise TokenizerError(
                "a Marian tokenizer with separate vocabularies (separate_vocabs) is not supported: an id of it means "
                "two things; take a checkpoint with one vocabulary"
            )
        self._sources: dict[SpecialTokensPolicy, TextEncoder] = {}
        self._twin = _in_languages(tokenizer, languages)
        self.frames = _frames_of(self._twin, configs)

    def encoder(self, special_tokens: SpecialTokensPolicy) -> TextEncoder:
        """Text that is decoded -> ids, made when it is first asked for."""
        if special_tokens not in self._encoders:
            self._encoders[special_tokens] = TextEncoder(self._target, special_tokens=special_tokens)
        return self._encoders[special_tokens]

    def source_encoder(self, special_tokens: SpecialTokensPolicy) -> TextEncoder:
        """Text that the encoder reads -> ids; where the two modes cut texts alike, the same one."""
        if self._target is self._twin:
            return self.encoder(special_tokens)
        if special_tokens not in self._sources:
            self._sources[special_tokens] = TextEncoder(self._twin, special_tokens=special_tokens)
        return self._sources[special_tokens]

    def start(self, policy: StartPolicy) -> StartToken:
        """The last token in front of what is decoded."""
        return StartToken("auto", self.frames.decoder[-1]) if policy == "auto" else resolve_start(self._twin, policy)

    @cached_property
    def _target(self) -> Any:
        """The tokenizer as it cuts targets. The modes of a fast one differ in special tokens alone."""
        if not hasattr(self._twin, _MODE) or getattr(self._twin, "is_fast", False):
            return self._twin
        twin = copy.deepcopy(self._twin)
        twin._switch_to_input_mode = twin._switch_to_target_mode  # which each of its calls asks for
        return twin


def _in_languages(tokenizer: Any, languages: Languages) -> Any:
    """A copy of the tokenizer that is set to these languages: each of its calls leaves marks on it.

    Raises:
        OptionError: it has no language tokens, or not these.
    """
    with failing_as(TokenizerError, f"the tokenizer ({type(tokenizer).__name__}) cannot be copied"):
        twin = copy.deepcopy(tokenizer)
    for name, option, language in (
        ("src_lang", "source_language", languages.source),
        ("tgt_lang", "target_language", languages.target),
    ):
        if language is None:
            continue
        if not _has_languages(twin):
            raise OptionError(
                f"{option}={language!r}: the tokenizer ({type(tokenizer).__name__}) has no language tokens; leave it "
                f"out, and write what the model was trained with into the source (T5's prefixes, >>fra<< of Marian)"
            )
        _require_language(twin, option, language)
        setattr(twin, name, language)
    return twin


def _has_languages(tokenizer: Any) -> bool:
    return hasattr(tokenizer, _MODE) and hasattr(tokenizer, "tgt_lang") and hasattr(tokenizer, "src_lang")


def _require_language(tokenizer: Any, name: str, language: str) -> None:
    """Whether the tokenizer knows a language, by its own table, else by its special tokens."""
    named = getattr(tokenizer, "lang_code_to_token", None) or getattr(tokenizer, "lang_code_to_id", None)
    marks = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token, tokenizer.mask_token}
    known = sorted(map(str, named)) if named else sorted(set(special_token_ids(tokenizer)) - marks)
    if language not in known:
        some = ", ".join([one for one in known if one[:2] == language[:2]][:8] or known[:8]) or "none"
        raise OptionError(f"{name}={language!r} is none of the tokenizer's {len(known)} languages, such as {some}")


def _frames_of(tokenizer: Any, configs: list[Any]) -> Frames:
    """What stands around a source, and in front of a target: the decoder's start token, and what the tokenizer puts
    before a target, or the language token that it puts behind one. mBART starts with the latter alone."""
    source = _around(tokenizer, "text")
    start = _declared(configs, "decoder_start_token_id")
    if not _has_languages(tokenizer):
        return Frames(source, _joined(start, _around(tokenizer, "text_target")[0]))
    if tokenizer.tgt_lang is None:
        target = _forced_language(tokenizer, configs, start)
        name = str(tokenizer.convert_ids_to_tokens([target])[0])
        return Frames(source, _joined(start, (target,)), (str(tokenizer.src_lang), name))
    before, behind = _around(tokenizer, "text_target")
    language = before or tuple(number for number in behind if number != tokenizer.eos_token_id)
    turned = not before and configs[0].model_type in _TURNING
    return Frames(
        source, language if turned else _joined(start, language), (str(tokenizer.src_lang), str(tokenizer.tgt_lang))
    )


def _forced_language(tokenizer: Any, configs: list[Any], start: int | None) -> int:
    """The language that the model is set to decode, where its tokenizer is set to none."""
    marks = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    for number in (_declared(configs, "forced_bos_token_id"), start):
        if number is not None and number not in marks:
            return number
    raise OptionError(
        f"this model writes several languages ({type(tokenizer).__name__}), and neither its tokenizer nor its "
        f"configuration says which: name it by target_language (--target-language), and the source's by "
        f"source_language, as in source_language={str(tokenizer.src_lang)!r}"
    )


def _joined(start: int | None, before: tuple[int, ...]) -> tuple[int, ...]:
    """The start token and what stands behind it; one that the tokenizer writes too stands there once."""
    if start is None:
        raise ModelError(
            "the model's configuration names no token that decoding starts with (decoder_start_token_id), so the first "
            "token of a text has no probability; set it in the configuration"
        )
    return before if before[:1] == (start,) else (start, *before)


def _declared(configs: list[Any], name: str) -> int | None:
    """A token id of the configurations, that of generation first."""
    for config in reversed(configs):
        value = getattr(config, name, None)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _around(tokenizer: Any, mode: str) -> Around:
    """What the tokenizer puts before and behind a text in one of its modes, ``text`` or ``text_target``."""
    with failing_as(TokenizerError, f"the tokenizer ({type(tokenizer).__name__}) cannot be used"):
        plain, whole = (
            [int(one) for one in tokenizer(**{mode: "a"}, add_special_tokens=special)["input_ids"]]
            for special in (False, True)
        )
    for begin in range(len(whole) - len(plain) + 1):
        if plain and whole[begin : begin + len(plain)] == plain:
            return tuple(whole[:begin]), tuple(whole[begin + len(plain) :])
    raise TokenizerError("the tokenizer changes a text's own tokens when it adds special tokens to it")
