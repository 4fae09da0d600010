"""Words and tokens as minicons and surprisal have them: run with the Python of the peers' environment.

python -m benchmark_lib.word_peers MODEL_FOLDER SENTENCES.json RESULT.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str]) -> None:
    """Write what each of the peers gives for each sentence, in bits."""
    model, sentences_file, result_file = arguments
    sentences = json.loads(Path(sentences_file).read_text(encoding="utf-8"))
    found = {"minicons": _minicons(model, sentences), "surprisal": _surprisal(model, sentences)}
    Path(result_file).write_text(json.dumps(found), encoding="utf-8")


def _minicons(model: str, sentences: Sequence[str]) -> list[dict[str, Any]]:
    """With the start token that its ``bos_token=True`` puts in front, which is the first row of its tokens."""
    scorer: Any = import_module("minicons.scorer").IncrementalLMScorer(model, device="cpu")
    bits = {"surprisal": True, "base_two": True, "bos_token": True}
    rows = []
    for text in sentences:
        ((_, *tokens),) = scorer.token_score(text, rank=True, **bits)
        (plain,) = scorer.word_score_tokenized(text, str.split, **bits)
        (corrected,) = scorer.word_score_tokenized(text, str.split, bow_correction=True, **bits)
        rows.append(
            {
                "tokens": [value for _, value, _ in tokens],
                "ranks": [rank for _, _, rank in tokens],
                "words": [value for _, value in plain],
                "corrected": [value for _, value in corrected],
            }
        )
    return rows


def _surprisal(model: str, sentences: Sequence[str]) -> list[dict[str, Any]]:
    """Its words are slices of characters."""
    peer: Any = import_module("surprisal").AutoModel.from_pretrained(model, model_class="causal")
    rows = []
    for text in sentences:
        (found,) = peer.surprise(text)
        bits = [float(value) for value in found.surprisals / _LN2]
        words = [float(found[begin:end, "char"]) / _LN2 for begin, end in word_places(text)]
        rows.append({"tokens": bits, "words": words})
    return rows


_LN2 = 0.6931471805599453


def word_places(text: str) -> list[tuple[int, int]]:
    """Where words stand that are set apart by single spaces, in characters."""
    places, begin = [], 0
    for word in text.split(" "):
        places.append((begin, begin + len(word)))
        begin += len(word) + 1
    return places


if __name__ == "__main__":
    main(sys.argv[1:])
