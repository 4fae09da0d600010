"""Scores to tables, files and charts. Text is untrusted here: whatever is shown is escaped."""
