"""Compare seqscore with its peers; scripts/benchmark sets up and starts this."""

from __future__ import annotations

import sys

from benchmark_lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
