"""Finished runs, read: figures, comparisons, and what tables, charts and pages show of them.

| module | what it is for |
|---|---|
| ``measures`` | the measures of a stored run, without dataset or model |
| ``compare`` | two runs over the same rows |
| ``charts`` | what the charts of a run show, as numbers |
| ``drawable`` | what can be drawn of a source |
| ``views`` | stored rows as they are looked at |
| ``score_files`` | files that ``seqscore score -o`` wrote, as such rows |
| ``reports`` | what a report shows |
| ``export`` | a run as flat records |
| ``flat_rows`` | those of rows with their texts side by side, and of regions |
"""
