"""The figures of the logarithm's lessons."""
