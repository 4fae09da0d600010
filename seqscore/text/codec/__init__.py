"""Tokenizers of every kind: texts to token ids and the bytes that each token stands for, and back.

| module | what it is for |
|---|---|
| ``any_encoder`` | what is asked of whatever makes tokens of texts |
| ``encoder`` | ``TextEncoder``: a text, or token ids, to ``Encoded`` |
| ``sources`` | a tokenizer behind one interface, on a copy: ``rust_source`` or ``python_source`` |
| ``guarded`` | failures of a tokenizer as errors of ours; ``growth``: rules that would make texts immense |
| ``literal`` | text that spells a special token read as text |
| ``vocabulary`` | vocabulary strings to bytes; ``prefixes``: all tokens that begin with some bytes |
| ``spans`` | tokens to byte spans, from the surest way down; ``offsets``: from a tokenizer's own offsets |
| ``inside`` | the tokens that a text has in the middle of a longer one |
| ``word_marks`` | which tokens begin a word, or end one |
| ``token_words`` | which word of its text each token is part of |
| ``unknown`` | which tokens are the unknown token |
"""
