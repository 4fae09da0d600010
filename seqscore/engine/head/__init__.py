"""Hidden states to values of targets, without the logits [p, V] of all targets at once.

Two ways to cut [p, V] into tiles that stay small, and what they share:

| module | cut | who uses it, and why |
|---|---|---|
| ``by_rows`` | some targets, all words | ``reference``, ``padded``: also for a model's own logits |
| ``by_words`` | some words, all targets | ``packed``: a tile stays in cache; log-sum-exp is kept up from tile to tile |
| ``top`` | | the most probable words, in both ways |
| ``masses`` | | the probability of a subset of the words, in both ways |
| ``queue`` | | states that wait until there are as many as keep a row's bits; then ``by_words`` |
| ``logits`` | no cut | whole rows for those who want to look at them; no engine uses it |
"""
