"""Token log-probabilities to numbers: sums, perplexities, signatures, statistics. NumPy and SciPy, no torch."""
