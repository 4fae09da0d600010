"""What scripts/benchmark runs: workloads, systems under test in processes of their own, equal scores, figures."""
