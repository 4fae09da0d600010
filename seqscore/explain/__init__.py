"""The logarithm's lessons, told with the numbers of a real model."""
