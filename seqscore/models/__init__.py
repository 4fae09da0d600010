"""Names to models: find, check and load a causal language model, its tokenizer and their identity.

``load`` joins the parts; ``default`` is the model that needs no name; ``checkpoint`` looks at a folder before
anything of it is read into memory; ``gguf`` and ``hub`` are the two other places a model may come from; ``identity``
says which weights and which tokenizer gave a number; ``device`` settles where and in which dtype; ``adapter`` says
what an architecture can do.
"""
