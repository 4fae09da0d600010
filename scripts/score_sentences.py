"""Score the lines of a file, or texts from the command line, with a causal language model."""

from __future__ import annotations

import argparse
from pathlib import Path

from seqscore import Scorer

SENTENCES = Path(__file__).resolve().parent.parent / "data" / "sentences.txt"


def shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="*", help=f"texts to score (default: the lines of {SENTENCES.name})")
    parser.add_argument("--model", default="default", help="hub name, local folder or .gguf file")
    arguments = parser.parse_args()
    texts = arguments.texts or SENTENCES.read_text(encoding="utf-8").splitlines()

    scorer = Scorer.from_pretrained(arguments.model)
    scores = scorer.score(texts)

    print(f"{'nats':>9} {'perplexity':>10} {'bits/byte':>9}  text")
    for score in scores:
        numbers = f"{score.log_likelihood:9.3f} {shown(score.perplexity):>10} {shown(score.bits_per_byte):>9}"
        print(f"{numbers}  {score.text}")
    print(f"signature: {scores[0].signature}")


if __name__ == "__main__":
    main()
