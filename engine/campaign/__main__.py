"""`python -m engine.campaign`: many schedules from a seed; the last line of the output is one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.campaign.invariants import table
from engine.campaign.play import Plan, play
from engine.campaign.publish import NoResult, PartsApart, publish
from engine.campaign.run import campaign, report, terminal
from engine.errors import UnknownName
from engine.flowlang.flowfile import load_flow
from engine.program import FlowProgram, compile_flow


def main(arguments: list[str] | None = None) -> int:
    """Run a campaign; 1 when any schedule failed."""
    asked = _parser().parse_args(arguments)
    if asked.invariants:
        sys.stdout.write(table() + "\n")
        return 0
    if asked.publish is not None:
        try:
            sys.stdout.write(publish(asked.publish, commit_name=asked.commit))
        except (NoResult, PartsApart) as error:
            sys.stderr.write(f"{error}\n  {error.hint}\n")
            return 2
        return 0
    plan = Plan(flow_program(asked.flow), frozenset(asked.without), frozenset(asked.focus), asked.restore_ours)
    seeds = range(asked.seed, asked.seed + asked.schedules)
    if asked.verbose:
        failed = False
        with _played_on(asked.store):
            for seed in seeds:
                result = play(plan, seed)
                failed |= result.failed
                sys.stdout.write(report(result) + "\n")
        return int(failed)
    with _played_on(asked.store):
        summary = campaign(plan, seeds, asked.jobs, terminal(), 60 * asked.minutes)
    sys.stdout.write(json.dumps(summary.as_json()) + "\n")
    return int(bool(summary.failing))


@contextmanager
def _played_on(store: str) -> Iterator[None]:
    """With `postgres`, schedules are played on a server of our own."""
    if store == "sqlite":
        yield
        return
    from engine.campaign import pgdisk
    from engine.store import private

    with private.running() as server:
        pgdisk.use(server)
        yield
        pgdisk.use(None)


def flow_program(name: str) -> FlowProgram:
    """A shipped flow, compiled.

    Raises:
        UnknownName: when there is none of the name.
    """
    folder = Path(__file__).resolve().parents[2] / "flows"
    known = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    flow, problems = load_flow(known[name]) if name in known else (None, [])
    if flow is None:
        raise UnknownName("valid flow" if problems else "flow", name, tuple(known))
    return compile_flow(flow)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.campaign", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000, help="how many schedules (1000)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first; the next ones follow (1)")
    parser.add_argument("--flow", default="ramp_to_quickbooks", help="a shipped flow (ramp_to_quickbooks)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one a processor)")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="end after so long, with the seeds played so far (no end)"
    )
    parser.add_argument("--without", action="append", default=[], metavar="FAULT", help="leave a fault out; repeat it")
    parser.add_argument("--focus", action="append", default=[], metavar="FAULT", help="only this one, often; repeat it")
    parser.add_argument(
        "--restore-ours", action="store_true", help="restore our own store in every schedule, not in a share"
    )
    parser.add_argument(
        "--store", choices=("sqlite", "postgres"), default="sqlite", help="play on this backend of the store (sqlite)"
    )
    parser.add_argument("--invariants", action="store_true", help="list the invariants and where each is checked")
    parser.add_argument(
        "--publish",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="write the result in FILE, or in the parts of one campaign, into the page, and end",
    )
    parser.add_argument("--commit", help="what to publish was played by this commit (the one that is checked out)")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the timeline of every schedule")
    return parser


if __name__ == "__main__":
    sys.exit(main())
