"""Scores to tables, files and figures. Text is untrusted here: whatever is shown is escaped."""
