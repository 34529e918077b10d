"""`python -m tests.crash`: strace strikes the real server at many system calls; the last line of the output is JSON."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

from engine.store.sqlite import _WAL_SAFE
from tests.crash import strace
from tests.crash.campaign import MODES, campaign, crew, points_of, report, terminal
from tests.crash.play import Counted
from tests.crash.points import named
from tests.crash.publish import publish
from tests.crash.stage import Mode

USUAL: Mode = "wal" if sqlite3.sqlite_version_info >= _WAL_SAFE else "persist"


def main(arguments: list[str] | None = None) -> int:
    """Run the points; 1 when any was bad, 2 when strace cannot be used."""
    asked = _parser().parse_args(arguments)
    reason = strace.why_not()
    if reason:
        sys.stderr.write(f"nothing was tried: {reason}\n")
        return 2
    # A server that is killed in the middle of a call to Ramp is what this is about, not something to report.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="flowctl-crash-"))
    counted: dict[Mode, Counted] = {}
    with crew(asked.jobs, folder) as staff:
        points = [named(text) for text in asked.only]
        if not points:
            counted = staff.count(MODES)
            points = points_of(counted, asked.points, asked.seed, USUAL)
        summary = campaign(staff, points, terminal())
    if not summary.failing:
        shutil.rmtree(folder)
    for result in summary.failing:
        sys.stdout.write(report(result) + "\n")
    if asked.publish and not asked.only:
        publish(summary, counted, f"make crash-points POINTS={asked.points} SEED={asked.seed}")
    sys.stdout.write(json.dumps(summary.as_json()) + "\n")
    return int(bool(summary.failing))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--points", type=int, default=500, help="how many system calls are struck (500)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of points (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="servers at once (one a processor)")
    parser.add_argument("--only", action="append", default=[], metavar="POINT", help="a point by its name; repeat it")
    parser.add_argument("--publish", action="store_true", help="write docs/reference/crash-points.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
