"""Token log-probabilities to numbers: sums, perplexities, protocols, statistics. NumPy only."""
