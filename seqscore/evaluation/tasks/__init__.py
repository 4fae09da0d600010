"""What may be asked of a dataset: a row to what is scored, and its scores to what counts.

| module | what it is for |
|---|---|
| ``base`` | what a task is |
| ``registry`` | the tasks there are |
| ``measure`` | what a task measures: a figure of the rows |
| ``charts`` | the charts of a run, which a measure may ask for |
| ``rows`` | rows of a dataset to what is scored for them |
| ``perplexity`` | perplexity of texts |
| ``protocol_task`` | perplexity as another tool defines it |
| ``protocol_windows`` | the definitions of those tools |
| ``pairs`` | minimal pairs |
| ``choices`` | multiple choice |
| ``alternatives`` | what these two have in common |
| ``criteria`` | test suites: criteria over the surprisals of regions |
| ``suites`` | what the items of a suite share |
| ``region_items`` | rows to the items of a suite |
| ``regions`` | where regions lie, and which tokens they have |
| ``formulas``, ``criterion_tree`` | criteria: how they are written; whether they hold |
| ``nbest`` | n-best lists, re-ranked |
| ``correlate`` | a score beside a number of the data |
| ``filter`` | rows of a corpus sorted out |
| ``bucket_limits`` | by what number, and by which rule |
"""
