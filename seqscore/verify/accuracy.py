"""How right the numbers are: against the model's own forward pass, in float64 and in the dtype at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import DeviceError
from seqscore.scorer import Scorer
from seqscore.verify.bits import logprobs
from seqscore.verify.findings import Finding, within
from seqscore.verify.trials import Probes

FloatArray = NDArray[np.float64]

_EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23}
_GROWTH = 4096
"""Roundings that may add up in a token's log-probability, in units of the dtype's own: 4.9e-4 nats in float32. Deep
models reach a tenth of it; a wrong mask, position or start token costs a hundred times as much."""

Values = list[FloatArray]


def against_float64(scorer: Scorer, probes: Probes, exact: Values) -> Finding:
    """Nats a token between a scorer and the model's own forward pass in float64, text by text."""
    what = f"{scorer.engine} in {scorer.description.dtype} against the model itself in float64"
    return _error(what, scorer, logprobs(scorer, probes.texts), exact)


def against_reference(scorer: Scorer, probes: Probes) -> Finding:
    """Nats a token between a scorer and the model's own forward pass in the same dtype, text by text."""
    what = f"{scorer.engine} against engine reference, both in {scorer.description.dtype}"
    own = logprobs(with_engine(scorer, "reference"), probes.texts)
    return _error(what, scorer, logprobs(scorer, probes.texts), own)


def _error(what: str, scorer: Scorer, values: Values, expected: Values) -> Finding:
    """The largest difference; within a limit where the dtype has one."""
    largest, mean = _distance(values, expected)
    epsilon = _EPSILON.get(scorer.description.dtype)
    limit = None if epsilon is None else _GROWTH * epsilon
    return Finding(
        topic="right",
        what=what,
        value=largest,
        unit="nats a token, at most",
        limit=limit,
        outcome="stated" if limit is None else within(largest, limit),
        note=f"{mean:.2g} on average",
    )


def dtype_costs(
    load: Callable[[str], Scorer], probes: Probes, exact: Values, *, dtypes: tuple[str, ...]
) -> Iterator[Finding]:
    """What each dtype costs: nats a token against float64, on average and at most."""
    for dtype in dtypes:
        try:
            largest, mean = _distance(logprobs(load(dtype), probes.texts), exact)
        except DeviceError as error:
            yield not_measured("dtype", f"{dtype} against float64", "nats a token, on average", error)
            continue
        note = f"at most {largest:.2g}"
        yield Finding(
            topic="dtype", what=f"{dtype} against float64", value=mean, unit="nats a token, on average", note=note
        )


def not_measured(topic: str, what: str, unit: str, error: Exception) -> Finding:
    """The finding that says why there is none."""
    return Finding(topic=topic, what=what, value=None, unit=unit, outcome="not measured", note=str(error))  # type: ignore[arg-type]


def with_engine(scorer: Scorer, engine: str, *, batch_tokens: int | None = None) -> Scorer:
    """Another scorer over the same loaded model."""
    about = scorer.description
    return Scorer(
        about.model,
        about.tokenizer,
        engine=engine,
        batch_tokens=batch_tokens,
        max_length=scorer.max_length,
        description=about,
    )


def _distance(values: Values, exact: Values) -> tuple[float, float]:
    """(largest, mean) absolute difference of all tokens; NaN where there is one."""
    differences = np.abs(np.concatenate(values) - np.concatenate(exact))
    return float(differences.max()), float(differences.mean())
