"""`python -m benchmarks.swarm [run] --companies N --minutes M ...`; the last line is JSON."""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks.swarm.options import Options


def main(arguments: list[str]) -> int:
    """0 when nothing was lost, doubled or misplaced."""
    known = Options()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swarm")
    parser.add_argument("what", nargs="?", choices=["run"], default="run")
    parser.add_argument("--companies", type=int, default=known.companies)
    parser.add_argument("--minutes", type=float, default=known.minutes)
    parser.add_argument("--servers", type=int, default=known.servers)
    parser.add_argument("--workers", type=int, default=known.workers)
    parser.add_argument("--seed", type=int, default=known.seed)
    parser.add_argument("--kill-every", type=float, default=known.kill_every_s)
    parser.add_argument("--poll", type=float, default=known.poll_s)
    given = parser.parse_args(arguments)
    from benchmarks.swarm.run import run

    found = run(
        Options(
            given.companies,
            given.minutes,
            given.servers,
            given.workers,
            given.seed,
            given.kill_every,
            given.poll,
        )
    )
    print(json.dumps(found))
    return 0 if found["good"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
