"""A run: rows scored part by part into a folder that can be continued, and its summary."""
