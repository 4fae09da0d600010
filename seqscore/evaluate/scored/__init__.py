"""Rows of input that were scored: a row or its error, the stream of them, and the files ``seqscore score`` writes."""
