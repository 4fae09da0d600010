"""Text to token ids: encoding, byte spans, boundary and start-token policies, windows, words. No tensors."""
