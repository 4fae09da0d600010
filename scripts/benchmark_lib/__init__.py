"""What scripts/benchmark is made of. The workers' side needs neither seqscore nor rich: peers have their own Python."""
