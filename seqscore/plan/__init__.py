"""Which forward passes to run for which targets. Plain Python and NumPy: imports without torch."""
