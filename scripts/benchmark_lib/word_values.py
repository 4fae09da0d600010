"""A table of how far the values of minicons and surprisal are from seqscore's, and from their own definitions."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .peers import ensure_peers
from .word_definitions import Definitions, Floats, Text
from .workloads import BenchmarkError

ROOT = Path(__file__).resolve().parents[2]

SENTENCES = (
    "The keys to the cabinet are on the table.",
    "Nobody remembered the keys.",
    "The horse raced past the barn fell.",
    "It rained.",
    "What the linguist measured surprised her colleagues, who had expected otherwise.",
    "Unquestionably",
)


@dataclass(frozen=True, slots=True)
class Line:
    """Of one value of one tool, over all sentences, in bits: the largest distance from ours, and from the tool's own
    definition in float64."""

    tool: str
    value: str
    ours: float
    defined: float


def main(arguments: Sequence[str]) -> int:
    """Print the table for a tiny GPT-2 and the default model."""
    from seqscore.models.load.default import DEFAULT_NAME, ensure_default_model

    texts = Path(arguments[0]).read_text(encoding="utf-8").splitlines() if arguments else SENTENCES
    try:
        peers = ensure_peers(ROOT, tell=_tell)
        print("| model | tool | value | from ours [bits] | from its definition [bits] |\n|---|---|---|---|---|")
        with tempfile.TemporaryDirectory(prefix="seqscore-words-") as temporary:
            tiny = _tiny_gpt2(Path(temporary) / "gpt2")
            for name, folder in (("GPT-2, random", tiny), (DEFAULT_NAME, ensure_default_model(notify=_tell))):
                found = _peer_values(peers, folder, texts, Path(temporary))
                for line in _lines(folder, texts, found):
                    print(f"| {name} | {line.tool} | {line.value} | {line.ours:.1e} | {line.defined:.1e} |")
    except BenchmarkError as error:
        _tell(str(error))
        return 1
    return 0


def _tell(message: str) -> None:
    print(f"word_values: {message}", file=sys.stderr, flush=True)


def _tiny_gpt2(folder: Path) -> Path:
    """A GPT-2 of two layers with random weights large enough that its distributions are not flat, and a byte-level
    vocabulary made of the sentences; the token behind a text is also the one before it, as GPT-2 has it."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(SENTENCES, vocab_size=400, min_frequency=1, special_tokens=["<|endoftext|>"])
    special: dict[str, Any] = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    fast: Any = PreTrainedTokenizerFast
    tokenizer: Any = fast(tokenizer_object=trained._tokenizer, **special)
    torch.manual_seed(0)
    size = len(tokenizer)
    config = GPT2Config(
        vocab_size=size, n_embd=32, n_layer=2, n_head=2, initializer_range=0.5, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _peer_values(python: Path, folder: Path, texts: Sequence[str], temporary: Path) -> dict[str, Any]:
    asked, told = temporary / "texts.json", temporary / "values.json"
    asked.write_text(json.dumps(list(texts)), encoding="utf-8")
    command = [str(python), "-m", "benchmark_lib.word_peers", str(folder), str(asked), str(told)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise BenchmarkError(f"the peers failed on {folder}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return found


def _lines(folder: Path, texts: Sequence[str], found: dict[str, Any]) -> list[Line]:
    from seqscore import Scorer

    scorer, oracle = Scorer.from_pretrained(str(folder)), Definitions(folder)
    words, read = scorer.words(list(texts)), [oracle.read(text) for text in texts]
    tokens = [_bits(one.score.logprobs) for one in words]
    plain = [one.surprisals() for one in words]
    corrected = [one.surprisals(corrected=True) for one in words]
    mine = [_bits(oracle.corrected(one)) for one in read]
    minicons, surprisal = found["minicons"], found["surprisal"]
    theirs = [np.array(one["corrected"]) for one in minicons]
    defined = [_bits(oracle.corrected_by_minicons(one)) for one in read]
    unpadded = [_bits(oracle.without_padding(one)) for one in read]
    lines = [
        Line("seqscore", "tokens", 0.0, _far(tokens, [_bits(one.tokens) for one in read])),
        Line("seqscore", "words, corrected", 0.0, _far(corrected, mine)),
        _line("minicons", "tokens", _column(minicons, "tokens"), tokens, [_bits(one.tokens) for one in read]),
        _line("minicons", "ranks (by places)", _column(minicons, "ranks"), _ranks(words), _ranks_defined(read)),
        _line("minicons", "words", _column(minicons, "words"), plain, [_bits(one.words) for one in read]),
    ]
    for place, part in (("first", slice(0, 1)), ("inner", slice(1, -1)), ("last", slice(-1, None))):
        cut = [[one[part] for one in many if len(one) > 1] for many in (theirs, corrected, defined)]
        lines.append(_line("minicons", f"{place} words, corrected", cut[0], cut[1], cut[2]))
    slices = [np.add.reduceat(one, text.firsts) for one, text in zip(unpadded, read, strict=True)]
    lines += [
        _line("surprisal", "tokens", _column(surprisal, "tokens"), tokens, unpadded),
        _line("surprisal", "words", _column(surprisal, "words"), plain, slices),
    ]
    return lines + _not_run(scorer, oracle, texts, read)


def _not_run(scorer: Any, oracle: Definitions, texts: Sequence[str], read: Sequence[Text]) -> list[Line]:
    """lm-scorer and pangoling by their documented definitions."""
    ends = scorer.score(list(texts), eos="scored")
    kinds = ("prod", "mean", "gmean", "hmean")
    mine = [_bits(np.array([one.reduced(kind, log=True) for kind in kinds])) for one in ends]
    theirs = [_bits(_reduced(oracle.with_end(one))) for one in read]
    first = [one.surprisals() for one in scorer.words(list(texts), bos="none")]
    loop = [_bits(oracle.without_start(text)) for text in texts]
    assert all(np.isnan(a[0]) and np.isnan(b[0]) for a, b in zip(first, loop, strict=True))
    return [
        Line("lm-scorer (not run)", "prod, mean, gmean, hmean, with EOS", _far(theirs, mine), 0.0),
        Line("pangoling (not run)", "words but the first, no BOS", _far(_rest(loop), _rest(first)), 0.0),
    ]


def _rest(values: Sequence[Floats]) -> list[Floats]:
    return [one[1:] for one in values]


def _reduced(logs: Floats) -> Floats:
    """log of the product, and of the arithmetic, geometric and harmonic mean, of probabilities."""
    p = np.exp(logs)
    return np.array([logs.sum(), math.log(p.mean()), logs.mean(), math.log(len(p) / (1 / p).sum())])


def _line(tool: str, value: str, theirs: Sequence[Any], ours: Sequence[Any], defined: Sequence[Any]) -> Line:
    return Line(tool, value, _far(theirs, ours), _far(theirs, defined))


def _bits(logs: Floats) -> Floats:
    return -logs / math.log(2)


def _column(rows: Sequence[dict[str, Any]], name: str) -> list[Floats]:
    return [np.array(row[name], np.float64) for row in rows]


def _ranks(words: Sequence[Any]) -> list[Floats]:
    return [one.score.ranks.astype(np.float64) for one in words]


def _ranks_defined(read: Sequence[Text]) -> list[Floats]:
    return [np.array(one.ranks, np.float64) for one in read]


def _far(some: Sequence[Any], others: Sequence[Any]) -> float:
    """The largest distance; infinite where there are not as many values, or one has a value and the other has none."""
    far = 0.0
    for a, b in zip(some, others, strict=True):
        if len(a) != len(b) or (np.isnan(a) != np.isnan(b)).any():
            return math.inf
        far = max(far, float(np.abs(a - b).max(initial=0.0)))
    return far


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
