"""Attention of packed rows, whose keys may lie in earlier packs."""
