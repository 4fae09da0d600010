"""Names to models: find, check and load a causal language model, its tokenizer and their identity.

``load`` joins the parts. Where a model may come from: ``default`` (no name needed; ``wheel``, ``store``), ``hub``,
``gguf`` and ``folder``. Before anything is read into memory ``checkpoint`` and ``causal`` look at it; ``tokenizer``
makes its ``tokenizer.json`` count. ``identity`` says which weights and which tokenizer gave a number; ``device``
settles where and in which dtype; ``quiet`` keeps loading silent; ``adapter`` says what an architecture can do.
"""
