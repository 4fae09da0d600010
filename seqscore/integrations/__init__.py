"""Other systems that seqscore runs on."""
