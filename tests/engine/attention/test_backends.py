"""The table of attention backends: a second one is one class and one line, and the engine runs by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqscore import Scorer
from seqscore.engine import packed_trial, resolve
from seqscore.engine.attention import backends
from seqscore.engine.attention.backends import Choice, backend_for
from seqscore.engine.attention.base import FULL, LayerForm, UnsupportedAttentionError
from seqscore.engine.attention.blocks import BlockBackend
from seqscore.engine.packed import PackedEngine
from seqscore.engine.reference import ReferenceEngine
from seqscore.engine.resolve import resolve_engine
from seqscore.errors import EngineError, SeqscoreWarning
from seqscore.models.architecture.adapter import adapt
from seqscore.plan.packs import Pack
from seqscore.plan.requests import Request
from tests.tiny_models import VOCABULARY, tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

if TYPE_CHECKING:
    from torch import Tensor, nn

IntArray = NDArray[np.int64]


class DenseBackend:
    """One explicit mask over all keys of a pack."""

    name: ClassVar[str] = "dense"
    pack_tokens: ClassVar[int] = 48

    def __init__(self) -> None:
        self.forms: list[LayerForm] = []
        self.longest = 0

    def keeps_bits(self, device: torch.device, dtype: torch.dtype) -> bool:
        return False

    def row_counts(self, trunk: nn.Module, *, largest: int) -> tuple[int, ...]:
        return (largest,)

    def prepare(self, pack: Pack, form: LayerForm) -> DenseAttention:
        self.forms.append(form)
        self.longest = max(self.longest, int(pack.positions.max()))
        return DenseAttention(pack, form)


class DenseAttention:
    """softmax(q k^T + mask) v, the keys of a row being those of its shared prefix and of its local block."""

    def __init__(self, pack: Pack, form: LayerForm) -> None:
        self._keys = pack.carried + pack.num_rows
        seen = np.zeros((pack.size, self._keys), bool)
        for local in pack.local:
            for number, rows in enumerate(local.query_rows):
                distance = local.query_positions[number][:, None] - local.key_positions[number]
                _see(seen, rows, local.key_slots[number], distance, form.window)
        for prefix in pack.prefixes:
            for number, rows in enumerate(prefix.query_rows):
                distance = prefix.query_positions[number][:, None] - np.arange(len(prefix.key_slots))
                _see(seen, rows, prefix.key_slots, distance, form.window)
        seen[pack.num_rows :, pack.carried] = True  # padding sees something, so that nothing is NaN
        self._seen = torch.from_numpy(seen)

    def attend(
        self, query: Tensor, keys: Tensor, values: Tensor, *, scale: float, cap: float | None
    ) -> tuple[Tensor, Tensor]:
        fold = query.shape[1] // keys.shape[1]
        keys, values = (side[: self._keys].repeat_interleave(fold, 1) for side in (keys, values))
        scores = torch.einsum("thd,shd->hts", query, keys) * scale
        scores = scores if cap is None else cap * (scores / cap).tanh()
        scores = scores.masked_fill(~self._seen, float("-inf"))
        return torch.einsum("hts,shd->thd", scores.softmax(-1), values), scores.logsumexp(-1).T


def _see(seen: NDArray[np.bool_], rows: IntArray, slots: IntArray, distance: IntArray, window: int) -> None:
    """Mark the keys in ``slots`` [keys] that queries in ``rows`` [queries] see at a distance [queries, keys]."""
    visible = (distance >= 0) & ((distance < window) | (window == FULL))
    for row, own in zip(rows, visible, strict=True):
        seen[row, slots[own]] = True


def requests() -> list[Request]:
    """Texts that go through many packs of 48 rows, share prefixes, and see keys behind a span of 256 positions."""
    generator = np.random.default_rng(3)
    stem = generator.integers(3, VOCABULARY, size=330)
    parts = ((330, 0), (0, 2), (20, 30), (280, 20), (300, 9))
    made = [np.concatenate([stem[:kept], generator.integers(3, VOCABULARY, size=more)]) for kept, more in parts]
    return [Request(ids, 1) for ids in made]


@pytest.fixture
def dense(monkeypatch: pytest.MonkeyPatch) -> DenseBackend:
    """The one line: what is float64 on a CPU attends by it."""
    made = DenseBackend()
    monkeypatch.setattr(backends, "BACKENDS", (Choice(made, ("cpu",), ("float64",)), *backends.BACKENDS))
    monkeypatch.setattr(packed_trial, "_VERDICTS", {})
    return made


def target_logprobs(model: Any) -> list[NDArray[np.float64]]:
    """By plain transformers, one text at a time."""
    made = []
    for request in requests():
        with torch.no_grad():
            logprobs = model(input_ids=torch.from_numpy(request.inputs)[None]).logits[0].double().log_softmax(-1)
        made.append(logprobs.gather(1, torch.from_numpy(request.targets)[:, None])[:, 0].numpy())
    return made


# Full attention; windows beside full layers and a soft cap; sinks and experts; value heads of another size.
@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt_oss", "deepseek_v3"])
def test_a_second_backend_agrees_with_transformers(dense: DenseBackend, architecture: str) -> None:
    model = tiny_model(architecture, dtype=torch.float64)
    engine = resolve_engine("packed", adapt(model))
    assert isinstance(engine, PackedEngine) and engine.batch_tokens == engine.row_counts[0] == 48
    tried = len(dense.forms)
    values = engine.run(requests(), extras=frozenset())
    assert len(dense.forms) > tried > 0
    exact, single = (target_logprobs(one) for one in (model, tiny_model(architecture)))
    # These compute a softmax or a router in float32 whatever the dtype of the weights.
    error = max(np.abs(a - b).max() for a, b in zip(exact, single, strict=True))
    tolerance = 4 * error if architecture in ("gemma2", "deepseek_v3") else 1e-12
    for one, expected in zip(values, exact, strict=True):
        np.testing.assert_allclose(one.logprobs, expected, rtol=0, atol=tolerance)


def test_the_trial_is_made_with_the_backend_that_will_be_used(
    dense: DenseBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its dtype, and a verdict on one backend or dtype is none on another."""
    resolve_engine("packed", adapt(tiny_model("llama", dtype=torch.float32)))
    assert not dense.forms
    resolve_engine("packed", adapt(tiny_model("llama", dtype=torch.float64)))
    assert {form.dtype for form in dense.forms} == {torch.float64}
    assert dense.longest > 12  # the texts of the small copy too, not only the few tokens of the model itself
    kept = [(key[-2], key[-1]) for key in packed_trial._VERDICTS]
    assert kept == [(torch.float32, "blocks"), (torch.float64, "dense")]
    monkeypatch.setattr(packed_trial, "_VERDICTS", {})
    monkeypatch.setattr(
        f"{__name__}._see", lambda seen, rows, slots, *_: seen.__setitem__((rows[:, None], slots), True)
    )
    with pytest.raises(EngineError, match="depends on what runs beside it"):
        resolve_engine("packed", adapt(tiny_model("llama", dtype=torch.float64)))


def test_bits_are_promised_by_the_backend(dense: DenseBackend) -> None:
    def promised(dtype: torch.dtype, engine: str = "auto") -> bool:
        return Scorer(tiny_model("llama", dtype=dtype), tiny_tokenizer(), engine=engine).keeps_bits

    assert promised(torch.float32) and not promised(torch.bfloat16) and not promised(torch.float32, "padded")
    assert not promised(torch.float64)  # by the backend that is taken there


def test_bits_are_promised_by_any_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    class Steady(ReferenceEngine):
        name: ClassVar[str] = "steady"
        keeps_bits: ClassVar[bool] = True

    engines = {**resolve.ENGINES, "steady": lambda adapter, batch_tokens: Steady(adapter)}
    monkeypatch.setattr(resolve, "ENGINES", engines)
    scorer = Scorer(tiny_model("llama"), tiny_tokenizer(), engine="steady")
    assert scorer.keeps_bits and scorer.batch_tokens is None and scorer.engine == "steady"


DEVICES = ("cpu", "cuda", "mps", "meta")
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def test_the_first_line_that_fits_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    dense, last = DenseBackend(), BlockBackend()
    half = Choice(dense, ("cuda",), ("float16", "bfloat16"))
    assert half.fits("cuda", "bfloat16") and not half.fits("cuda", "float32") and not half.fits("cpu", "float16")
    monkeypatch.setattr(backends, "BACKENDS", (half, Choice(last), Choice(dense)))
    for dtype in DTYPES:
        for device in DEVICES:
            taken = dense if device == "cuda" and dtype.itemsize == 2 else last
            assert backend_for(torch.device(device), dtype) is taken


def test_the_last_line_fits_all() -> None:
    last = backends.BACKENDS[-1]
    assert all(last.fits(device, str(dtype).removeprefix("torch.")) for dtype in DTYPES for device in DEVICES)


def test_a_form_that_is_refused_is_told_and_the_model_runs_cached(
    dense: DenseBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pack: Pack, form: LayerForm) -> DenseAttention:
        raise UnsupportedAttentionError("dense runs no layers of this form")

    monkeypatch.setattr(dense, "prepare", refuse)
    adapter = adapt(tiny_model("llama", dtype=torch.float64))
    with pytest.warns(SeqscoreWarning, match="runs cached, not packed: dense runs no layers of this form"):
        assert resolve_engine("auto", adapter).name == "cached"
    with pytest.raises(EngineError, match="cannot run LlamaForCausalLM: dense runs no layers of this form"):
        resolve_engine("packed", adapter)
