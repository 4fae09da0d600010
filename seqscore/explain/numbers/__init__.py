"""The arithmetic of the logarithm's lessons: naive products, softmax, number formats."""
