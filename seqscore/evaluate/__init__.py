"""Rows of input to rows of scores."""
