"""`python -m benchmarks.swarm [WHAT] --companies N --minutes M ...`; the last line is JSON.

`run`: processes are killed while Web Connectors and vendors work, and the books are compared with the truth.
`idle`: what companies with nothing to do cost. `noisy`: what one with very many records does to the others.
`soap`: durable answers a second, beside other libraries. `--publish FILE ...` writes results into the reference page.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.swarm.options import Options


def main(arguments: list[str]) -> int:
    """0 when everything is as it must be."""
    given = _parser().parse_args(arguments)
    if given.publish:
        from benchmarks.swarm.publish import publish

        publish([json.loads(file.read_text(encoding="utf-8").splitlines()[-1]) for file in given.publish])
        return 0
    options = Options(
        given.companies,
        given.minutes,
        given.servers,
        given.workers,
        given.seed,
        given.kill_every,
        given.poll,
    )
    with _store(given.store):
        found = _done(given, options)
    print(json.dumps(found))
    return 0 if found.get("good", True) else 1


def _parser() -> argparse.ArgumentParser:
    known = Options()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swarm")
    parser.add_argument("what", nargs="?", choices=["run", "idle", "noisy", "soap"], default="run")
    parser.add_argument("--companies", type=int, default=known.companies)
    parser.add_argument("--minutes", type=float, default=known.minutes)
    parser.add_argument("--servers", type=int, default=known.servers)
    parser.add_argument("--workers", type=int, default=known.workers)
    parser.add_argument("--seed", type=int, default=known.seed)
    parser.add_argument("--kill-every", type=float, default=known.kill_every_s)
    parser.add_argument("--poll", type=float, default=known.poll_s)
    parser.add_argument("--records", type=int, default=50_000, help="of the noisy company, of each kind")
    parser.add_argument("--calls", type=int, default=20_000, help="of `soap`")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--publish", type=Path, nargs="+", metavar="FILE", help="what a run printed")
    return parser


def _done(given: argparse.Namespace, options: Options) -> dict[str, Any]:
    if given.what == "soap":
        from benchmarks.swarm.peers import all_of

        return all_of(given.calls, min(options.companies, 500))
    if given.what == "run":
        from benchmarks.swarm.run import run

        return run(options)
    from benchmarks.swarm.idle import idle, noisy

    return idle(options) if given.what == "idle" else noisy(options, given.records)


@contextmanager
def _store(kind: str) -> Iterator[None]:
    """Where the processes have their store: a file, or a private PostgreSQL whose commits are on the disk."""
    if kind == "sqlite":
        yield
        return
    from benchmarks.swarm.peers import postgres

    with postgres() as url:
        os.environ["FLOWCTL_STORE"] = url
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
