"""A folder with an adapter of the library peft, looked at before any of it is loaded.

Its settings are somebody else's: what would run code, fetch something or rewrite the weights of the model it is put on
is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqscore.errors import ModelError, UnsafeModelError
from seqscore.models.architecture.tuners import PROMPTS, ROW_BY_ROW
from seqscore.models.load.checkpoint import TOKENIZER_FILES, check_file_sizes, read_json, refuse_tokenizer_code
from seqscore.models.load.sizes import check_nesting

SETTINGS = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLED = "adapter_model.bin"

_PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""Of ``init_lora_weights``: those that leave the weights of the model as they are."""

_MOST_VIRTUAL = 1 << 16
TASKS = {"AutoModelForCausalLM": "CAUSAL_LM", "AutoModelForSeq2SeqLM": "SEQ_2_SEQ_LM"}
"""What peft calls the kinds of models, by the class of transformers that makes them."""

_WITHOUT_A_TASK = (None, "FEATURE_EXTRACTION")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFolder:
    """A checked adapter: its ``settings``, its ``method`` (``LORA``), and the files that decide a score."""

    folder: Path
    settings: dict[str, Any]
    method: str
    weights: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """Settings and weights."""
        return (self.folder / SETTINGS, self.weights)

    @property
    def has_tokenizer(self) -> bool:
        """Whether a tokenizer was saved with it."""
        return any((self.folder / name).is_file() for name in TOKENIZER_FILES)

    @property
    def base(self) -> tuple[str, str | None]:
        """Name and revision of the model that it was made for.

        Raises:
            ModelError: its settings do not say.
        """
        name, revision = self.settings.get("base_model_name_or_path"), self.settings.get("revision")
        if not isinstance(name, str) or not name.strip():
            raise ModelError(
                f"the adapter in {self.folder} does not say which model it is for (base_model_name_or_path in "
                f"{SETTINGS}): name the model by --model (model=), and the adapter by --adapter "
                f"(LoadOptions(adapter=...))"
            )
        return name, revision if isinstance(revision, str) else None


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and no model of its own."""
    return (folder / SETTINGS).is_file() and not any(
        (folder / name).exists() for name in ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
    )


def inspect_adapter(folder: Path, *, allow_pickle: bool, trust_remote_code: bool) -> AdapterFolder:
    """Check the files of an adapter.

    Raises:
        UnsafeModelError: it would run code: pickled weights, or settings that import something.
        ModelError: it is none, it is broken, or of a method that is not loaded here.
    """
    if not (folder / SETTINGS).is_file():
        raise ModelError(f"{folder} holds no adapter of the library peft: it has no {SETTINGS}")
    settings = read_json(folder / SETTINGS)
    check_nesting(settings, where=str(folder))
    method = str(settings.get("peft_type"))
    if method not in ROW_BY_ROW | PROMPTS:
        raise ModelError(
            f"the adapter in {folder} is of the method {method:.40}, which is not loaded here; loaded are "
            f"{', '.join(sorted(ROW_BY_ROW | PROMPTS))}; load it by the library peft and use Scorer(model, tokenizer)"
        )
    check_file_sizes(folder)
    if not trust_remote_code:
        refuse_tokenizer_code(folder)
    _refuse_settings(folder, settings)
    return AdapterFolder(folder=folder, settings=settings, method=method, weights=_weights_in(folder, allow_pickle))


def require_task(adapter: AdapterFolder, auto_class: str) -> None:
    """Refuse an adapter that was made for another kind of model.

    Raises:
        ModelError: it says for which.
    """
    task = adapter.settings.get("task_type")
    if task not in (*_WITHOUT_A_TASK, TASKS.get(auto_class)):
        raise ModelError(
            f"the adapter in {adapter.folder} is for the task {task}, not for a language model of this kind"
        )
    if adapter.method in PROMPTS and auto_class != "AutoModelForCausalLM":
        raise ModelError(
            f"the adapter in {adapter.folder} puts trained vectors in front of every text ({adapter.method}), which is "
            f"done for causal models alone"
        )


def _weights_in(folder: Path, allow_pickle: bool) -> Path:
    if (folder / WEIGHTS).is_file():
        return folder / WEIGHTS
    if not (folder / PICKLED).is_file():
        raise ModelError(f"no weights of an adapter in {folder}: expected {WEIGHTS}")
    if not allow_pickle:
        raise UnsafeModelError(
            f"the adapter in {folder} has pickle weights only ({PICKLED}): a pickle can run any code when it is read; "
            f"use a safetensors version, or, if you trust where it came from, --allow-pickle "
            f"(LoadOptions(allow_pickle=True))"
        )
    return folder / PICKLED


def _refuse_settings(folder: Path, settings: dict[str, Any]) -> None:
    if settings.get("megatron_config") is not None:
        raise UnsafeModelError(f"{SETTINGS} in {folder} names code to be imported (megatron_config): remove that entry")
    starts = settings.get("init_lora_weights")
    if starts not in _PLAIN_STARTS:
        raise ModelError(
            f"the adapter in {folder} goes with weights that were changed too (init_lora_weights {starts!r:.40}): "
            f"convert it into an ordinary one (path_initial_model_for_weight_conversion of peft's save_pretrained)"
        )
    for name, why in (("layer_replication", "repeats layers"), ("alora_invocation_tokens", "begins within a text")):
        if settings.get(name):
            raise ModelError(
                f"the adapter in {folder} {why} ({name}), which is not loaded here: load it by the library peft and "
                f"use Scorer(model, tokenizer)"
            )
    count = settings.get("num_virtual_tokens")
    if count is not None and (not isinstance(count, int) or not 0 < count <= _MOST_VIRTUAL):
        raise ModelError(f"{SETTINGS} in {folder} has num_virtual_tokens {count!r:.40}: no number of tokens")
