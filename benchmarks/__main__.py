"""Runs the benchmarks and writes benchmarks/latest.json: `python -m benchmarks [NAME ...]`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.suite import BENCHMARKS, Result

LATEST = Path(__file__).with_name("latest.json")


def main(names: list[str]) -> int:
    """Each benchmark runs in a process of its own, so that its peak memory is its own."""
    kept = {item["name"]: item for item in json.loads(LATEST.read_text())} if LATEST.exists() and names else {}
    for name in names or list(BENCHMARKS):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.suite", name], check=True, capture_output=True, text=True
        ).stdout
        for item in json.loads(done):
            result = Result(**item)
            kept[result.name] = item
            peak = f"  peak {result.peak_mb:.0f} MB" if result.peak_mb else ""
            print(
                f"{result.name:42} {result.value:>12,.4g} {result.unit:18} {result.ratio:>7.3g} x {result.baseline}{peak}"
            )
    LATEST.write_text(json.dumps(list(kept.values()), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
