"""A name, folder or file to a model and its tokenizer: found, checked, fetched, identified."""
