"""Plans to target log-probabilities. Each engine is one file; none knows another."""
