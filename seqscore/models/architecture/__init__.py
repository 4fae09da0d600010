"""What a torch model is made of and can do, found by trial: trunk and head, encoder and decoder, limits, causality.

| module | what it is for |
|---|---|
| ``adapter`` | what an engine needs to know of a model: trunk, head, what its forward pass takes |
| ``caches`` | what a model keeps of tokens that it has read, and how it goes on behind them |
| ``stacks`` | the same of a model with an encoder: two stacks and a head |
| ``tuners`` | layers that hold adapters of peft |
| ``masked_head`` | trunk and head of a masked model, taken apart |
| ``causality`` | what a configuration says that a token is predicted from |
| ``probes`` | what a model does with a few tokens, before it is trusted |
| ``limits`` | how many positions a model may read at once |
| ``passes`` | the surroundings of every forward pass |
| ``precision`` | the arithmetic is what the weights' dtype says |
| ``sharing`` | one model that several scorers use at once |
| ``threads`` | how many threads a run uses |
"""
