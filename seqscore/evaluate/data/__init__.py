"""Rows to be scored, wherever they lie: texts, files of any kind, folders, pipes, datasets of the hub."""
