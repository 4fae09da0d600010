"""From what a caller gives to token ids, byte spans, and which tokens are scored.

The way of an item, one module a step, each handing on a record:

| step | module | hands on |
|---|---|---|
| what was given: one item, or several | ``given``, ``items`` | ``Item`` |
| written out: the delimiter, the chat template | ``written`` (``joins``, ``chat``, ``template``) | ``Written`` |
| encoded: context and continuation joined | ``encoding`` (``boundary``, ``turns``, ``codec/``) | ``EncodedItem`` |
| what stands in front and behind, which tokens are targets | ``sequences`` (``start``, ``end``) | ``TokenSequence`` |
| longer than the model reads | ``windows`` | ``Layout`` |
| what a masked model does not see beside a token | ``masking`` | stretches of tokens |

``words`` finds the words of a text and the tokens that hold them. No tensors here.
"""
