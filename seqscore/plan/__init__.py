"""Which forward passes to run for which targets. Plain Python and NumPy: imports without torch.

| module | what it is for |
|---|---|
| ``chunks`` | a stream in consecutive pieces, so that its length does not matter to memory |
| ``requests`` | what a model is given, a stretch of tokens and which of them are targets, and what it gives back |
| ``workload`` | how much work requests are, before any is done |
| ``batches`` | paths of a tree of like length side by side, padded |
| ``forks`` | where paths of a tree part, and at which forks it pays to run what stands before them once |
| ``prefixes`` | batches of paths behind prefixes that ran before |
| ``sources`` | requests with a source: each source once, each decoded stretch once |
| ``masks`` | a row for each target of a masked model, side by side where widths agree |
| ``trie`` | requests as a prefix tree: every distinct prefix once |
| ``cuts`` | a count of rows cut into packs of the sizes that may be used |
| ``packs`` | the rows of a tree cut into packs, and what the attention of each reads |
"""
