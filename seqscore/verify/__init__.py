"""The promises of seqscore, measured on the machine and the model at hand."""
