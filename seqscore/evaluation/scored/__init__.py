"""Rows of input that were scored: a row or its error, the stream of them, and the files ``seqscore score`` writes.

| module | what it is for |
|---|---|
| ``row_stream`` | rows of input to rows of scores |
| ``scored_rows`` | a scored row, or the error in its place; flat records for files |
| ``tally`` | how many failed, why, what was not read |
| ``next_rows`` | contexts to what a model expects behind them |
| ``next_records`` | that as a row, and as flat records for files |
| ``reasons`` | why rows failed, messages of one kind together |
"""
