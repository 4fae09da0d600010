"""Hidden states to log-probabilities of targets, without the logits of the whole vocabulary."""
