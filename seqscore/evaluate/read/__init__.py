"""Finished runs, read: figures, comparisons, and what tables, charts and pages show of them."""
