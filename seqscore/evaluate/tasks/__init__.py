"""What may be asked of a dataset: a row to what is scored, and its scores to what counts."""
