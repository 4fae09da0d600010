"""Text to token ids with byte spans, and back: one interface over every kind of tokenizer."""
