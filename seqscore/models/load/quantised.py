"""How a checkpoint's weights are quantised, by its configuration: known before anything is loaded, or refused.

transformers loads weights of a method that it does not know as if they were plain, and says of a library that is
missing what each of its quantisers happens to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seqscore.errors import DeviceError, MissingDependencyError, ModelError


@dataclass(frozen=True, slots=True)
class Method:
    """What a method needs: a ``library`` to import, None for none; what pip ``installs`` it; a GPU or nothing."""

    library: str | None = None
    installs: str = ""
    on_gpu_alone: bool = False


_OURS = "'seqscore[quantised]'"

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "bitsandbytes": Method("bitsandbytes", _OURS),
        "compressed-tensors": Method("compressed_tensors", _OURS),
        "torchao": Method("torchao", _OURS),
        "aqlm": Method("aqlm", "'aqlm[gpu,cpu]'"),
        "auto-round": Method("auto_round", "auto-round"),
        "awq": Method("gptqmodel", "gptqmodel"),
        "bitnet": Method(),
        "eetq": Method("kernels", "kernels", on_gpu_alone=True),
        "fbgemm_fp8": Method("fbgemm_gpu", "fbgemm-gpu", on_gpu_alone=True),
        "fouroversix": Method("fouroversix", "fouroversix"),
        "fp8": Method(),
        "fp_quant": Method("fp_quant", "fp_quant", on_gpu_alone=True),
        "gptq": Method("gptqmodel", "optimum gptqmodel"),
        "higgs": Method("flute", "flute-kernel", on_gpu_alone=True),
        "hqq": Method("hqq", "hqq"),
        "mxfp4": Method(),
        "quanto": Method("optimum", "optimum-quanto"),
        "quark": Method("quark", "amd-quark"),
        "sinq": Method("sinq", "sinq"),
        "spqr": Method("spqr_quant", "'spqr_quant[gpu]'", on_gpu_alone=True),
        "vptq": Method("vptq", "vptq", on_gpu_alone=True),
    }
)
"""By the name in ``quantization_config``. The first three are run on a CPU by our tests; the others are recognised, and
left to transformers."""


def check_quantisation(config: Mapping[str, Any], folder: Path, *, device: str) -> None:
    """Refuse a quantised checkpoint that cannot be run here.

    Raises:
        ModelError: nobody knows the method.
        MissingDependencyError: the library that reads it is not installed.
        DeviceError: it needs a GPU.
    """
    name = declared_method(config)
    if name is None:
        return
    method, plain = METHODS.get(name), "or use a version of the model that is not quantised"
    if method is None:
        raise ModelError(
            f"the weights in {folder} are quantised by {name!r:.60} (quantization_config in config.json), which is not "
            f"known; known are {', '.join(METHODS)}: {plain}"
        )
    if method.on_gpu_alone and not device.startswith(("cuda", "xpu")):
        raise DeviceError(
            f"the weights in {folder} are quantised by {name}, which runs on a GPU alone, and device is {device!r}: "
            f"use another device= (--device), {plain}"
        )
    if method.library is not None and find_spec(method.library) is None:
        raise MissingDependencyError(
            f"the weights in {folder} are quantised by {name}, which needs the library {method.library}; install it "
            f"with: pip install {method.installs}; {plain}"
        )


def declared_method(config: Mapping[str, Any]) -> str | None:
    """The method that a configuration, or that of its text part, names; None for plain weights."""
    text = config.get("text_config")
    places = [config, text] if isinstance(text, Mapping) else [config]
    settings = next((one["quantization_config"] for one in places if one.get("quantization_config")), None)
    settings = settings if settings is not None else config.get("compression_config")
    if settings is None:
        return None
    if not isinstance(settings, Mapping):
        return str(settings)
    if settings.get("quant_method") is None and (settings.get("load_in_4bit") or settings.get("load_in_8bit")):
        return "bitsandbytes"
    return str(settings.get("quant_method"))
