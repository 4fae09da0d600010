"""Accuracy on minimal pairs: how often the good sentence gets the higher probability. Ties are counted apart."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from datasets import load_dataset

from seqscore import Scorer

PAIRS = Path(__file__).resolve().parent.parent / "data" / "pairs.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=PAIRS, help="JSONL with sentence_good and sentence_bad")
    parser.add_argument("--model", default="default", help="hub name, local folder or .gguf file")
    arguments = parser.parse_args()

    # Streamed from the file into the scorer and out again: memory does not grow with the number of pairs.
    rows = load_dataset("json", data_files=str(arguments.data), split="train", streaming=True)
    sentences = (row[column] for row in rows for column in ("sentence_good", "sentence_bad"))
    scorer = Scorer.from_pretrained(arguments.model)
    scores = scorer.stream(sentences)

    outcomes: Counter[str] = Counter()
    for good, bad in zip(scores, scores, strict=True):
        margin = good.log_likelihood - bad.log_likelihood
        outcome = "right" if margin > 0 else "wrong" if margin < 0 else "tie"
        outcomes[outcome] += 1
        print(f"{outcome:5} {margin:+8.3f} nats  {good.text}  |  {bad.text}")
    print(f"accuracy {outcomes['right'] / outcomes.total():.3f}", dict(outcomes))


if __name__ == "__main__":
    main()
