"""Datasets, tasks, runs: what is done with a scorer. From Python it is called as ``seqscore.evaluate(...)``.

| room | holds |
|---|---|
| ``data`` | files, tables and rows in memory, read as rows with columns |
| ``tasks`` | what a row's texts are and what is measured: one file a task, and a line in ``tasks.registry`` |
| ``scored`` | rows with their scores, for ``seqscore score`` |
| ``run`` | rows scored part by part into a folder, its figures, its summary |
| ``read`` | finished runs: figures, comparisons, what tables, charts and pages show |
| ``filter`` | the rows of a run copied into one file a bucket |
"""
