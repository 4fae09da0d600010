"""The worker of scripts/benchmark: benchmark_worker.py JOB.json RESULT.json. Started by the benchmark itself."""

from __future__ import annotations

import sys

from benchmark_lib.worker import main

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
