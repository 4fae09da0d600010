"""A whole verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from seqscore.engine.kept_trials import Comparison, trials_again
from seqscore.errors import DeviceError, OptionError
from seqscore.scorer import Scorer
from seqscore.verify.accuracy import (
    Values,
    against_float64,
    against_reference,
    dtype_costs,
    not_measured,
    with_engine,
)
from seqscore.verify.bits import logprobs, same_bits
from seqscore.verify.findings import Finding, Verification, within
from seqscore.verify.speed import memory, throughput
from seqscore.verify.trials import Probes, probes_for

_DTYPES = ("float32", "bfloat16", "float16")


def verify(
    load: Callable[[str], Scorer], *, dtype: str = "float32", tell: Callable[[str], None] = lambda _: None
) -> Verification:
    """Measure the promises for the model that ``load`` loads in the dtype that it is given.

    Nothing that an earlier process kept of its trials is believed: all are run again, and compared with it.
    At most two copies of the weights are held at a time, one of them in float64 (on the model's own device); what does
    not fit into memory is a finding ``not measured``. Torch's number of threads is changed meanwhile and put back.

    Raises:
        SeqscoreError: the model cannot be loaded in ``dtype``, or not be scored with.
        OptionError: it is not a causal one.
    """
    import torch

    with trials_again() as comparison:
        tell(f"loading the model in {dtype}")
        scorer = load(dtype)
        if scorer.kind != "causal":
            raise OptionError(f"verify compares the engines of causal models, and this is a {scorer.kind} one")
        probes = probes_for(scorer)
        findings = [*_of_one(scorer, probes, tell), *_of_several(load, scorer, probes, tell), _of_trials(comparison)]
    about = scorer.description
    return Verification(
        model=about.name,
        signature=scorer.score("a").signature,
        device=about.device,
        dtype=about.dtype,
        engine=scorer.engine,
        threads=torch.get_num_threads(),
        findings=tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.topic))),
    )


_ORDER = ("right", "same bits", "fast", "small", "dtype", "trials")


def _of_trials(comparison: Comparison) -> Finding:
    """Whether the trials that earlier processes kept come out the same now."""
    different, is_any = len(comparison.differences), comparison.num_kept > 0
    return Finding(
        topic="trials",
        what=f"of {comparison.num_kept} kept outcomes, different when tried again",
        value=float(different),
        unit="outcomes",
        limit=0.0 if is_any else None,
        outcome=within(different, 0) if is_any else "stated",
        note="; ".join(comparison.differences),
    )


def _of_one(scorer: Scorer, probes: Probes, tell: Callable[[str], None]) -> Iterator[Finding]:
    """What is measured on the scorer alone; memory first, while little has been allocated."""
    tell("memory")
    yield from memory(scorer, probes)
    tell("same bits: other neighbours, order, packs and threads")
    yield from same_bits(scorer, probes, other=lambda budget: with_engine(scorer, scorer.engine, batch_tokens=budget))
    tell("the model's own forward pass in the same dtype")
    yield against_reference(scorer, probes)
    tell("speed")
    yield from throughput(scorer, probes)


def _of_several(
    load: Callable[[str], Scorer], scorer: Scorer, probes: Probes, tell: Callable[[str], None]
) -> Iterator[Finding]:
    """What needs the model in other dtypes."""
    tell("the model's own forward pass in float64")
    try:
        exact = _exact(load, probes)
    except DeviceError as error:
        yield not_measured(
            "right", f"{scorer.engine} against the model itself in float64", "nats a token, at most", error
        )
        return
    yield against_float64(scorer, probes, exact)
    tell("what other dtypes cost")
    loaded = partial(_load_or_reuse, load, scorer)
    yield from dtype_costs(loaded, probes, exact, dtypes=_DTYPES)


def _exact(load: Callable[[str], Scorer], probes: Probes) -> Values:
    return logprobs(with_engine(load("float64"), "reference"), probes.texts)


def _load_or_reuse(load: Callable[[str], Scorer], scorer: Scorer, dtype: str) -> Scorer:
    return scorer if scorer.description.dtype == dtype else load(dtype)
