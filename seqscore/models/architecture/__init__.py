"""What a causal torch model is made of and can do, found by trial: trunk, head, limits, causality."""
