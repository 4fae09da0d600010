"""The arithmetic of the logarithm's lessons: naive products, softmax, formats, frequencies."""
