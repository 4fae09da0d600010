"""Requests to target log-probabilities. Each engine is one file; none knows another.

| module | what it is for |
|---|---|
| ``base`` | what every engine offers |
| ``resolve`` | a name to an engine; what ``auto`` takes |
| ``reference`` | one request a forward pass, the model's own logits: the oracle of the others |
| ``padded`` | requests of like length side by side, padded on the right; runs any causal model |
| ``cached`` | as ``padded``, but common prefixes run once, and the model goes on behind them |
| ``batch_values`` | what the two share: batches of paths to values |
| ``cached_trial`` | whether and how a model goes on behind tokens that it has read, found by trying |
| ``packed`` | no padding, every distinct prefix once, the same bits in any company |
| ``encode_once`` | models with an encoder: each source once, rows of one width side by side |
| ``mask_one`` | masked models: a row for each target, rows of one width side by side |
| ``attention/`` | attention of packs whose keys may lie in earlier packs; backends by device, dtype |
| ``head/`` | hidden states to values of targets, without the logits of the whole vocabulary |
| ``experts`` | mixtures of experts whose rows keep their bits |
| ``row_counts`` | row counts at which products keep a row's bits, found by trying |
| ``packed_trial`` | whether the packed engine may run a model, found by trying |
| ``forward_passes`` | the surroundings of a forward pass: a model that is unchanged, memory errors named |
| ``callers_functions`` | what a model used before ours took its place, for passes of the caller's own meanwhile |

Shapes, in all docstrings of this room:

    T        rows of a pack (packed tokens), padding included
    n, q     blocks of queries that run side by side, queries of one block
    S        keys that a block reads
    slots    positions in the memory of keys and values: the open path, then the pack
    H, G     query heads, key heads; H = G * fold
    d        width of a head (d_v: of a value)
    D, V     width of a hidden state, words of the vocabulary
    p        targets
    k        rows of hidden states that predict targets, each row once
    w        words of one tile of the vocabulary
    b        sequences of a padded batch

Log-probabilities, entropies and masses are in nats, float64; ids, rows and places int64.
"""
