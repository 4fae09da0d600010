"""Intervals, paired tests and calibration, from rows of numbers."""
