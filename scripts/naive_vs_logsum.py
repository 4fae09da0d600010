"""Multiply the token probabilities of a text in four number formats, beside the sum of their logarithms."""

from __future__ import annotations

import argparse
from pathlib import Path

from seqscore import Scorer
from seqscore.explain.numbers.naive import compare_products

PASSAGE = Path(__file__).resolve().parent.parent / "data" / "passage.txt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=PASSAGE, help=f"a text (default: {PASSAGE.name})")
    parser.add_argument("--model", default="default", help="hub name, local folder or .gguf file")
    arguments = parser.parse_args()

    scorer = Scorer.from_pretrained(arguments.model)
    score = scorer.score(arguments.file.read_text(encoding="utf-8"))
    products = compare_products(score.logprobs[score.scored])

    print(f"{score.num_scored} tokens\n{'format':>9} {'result':>12} {'zero from token':>16} {'perplexity':>12}")
    for one in products.formats:
        zero = "never" if one.first_zero is None else one.first_zero + 1  # counted from 1, for people
        print(f"{one.dtype:>9} {one.product:12.4g} {zero:>16} {one.perplexity!s:>12.12}")
    print(f"{'log-sum':>9} {products.log_likelihood:12.4f} {'never':>16} {products.perplexity!s:>12.12}")


if __name__ == "__main__":
    main()
