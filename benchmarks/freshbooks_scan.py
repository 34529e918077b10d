"""Ten thousand FreshBooks bills entered in Ramp by the shipped flow, then read again when nothing, and when one has changed.

FreshBooks does not say which bills have changed: every run reads all of them and compares what it knows. Calls and virtual
seconds are exact on any machine. Both vendors are in processes of their own, so that CPU seconds and memory are flowctl's
alone.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks.apart import Asked, Taken, apart, pushed, taken
from connectors.freshbooks import sandbox as freshbooks_sandbox
from connectors.freshbooks.simulator.records import ACTIVE
from connectors.qbwc.simulator.model import VirtualClock
from connectors.ramp import sandbox as ramp_sandbox
from engine.cli.common import program
from engine.connections.connecting import connect
from engine.runner import Runner
from engine.store.sqlite import SqliteStore
from engine.testing import SeededIds
from engine.vault import Vault
from engine.world import World

COMPANY, FLOW = "bench", "freshbooks_to_ramp"
VENDORS = 200
_SERVER = "http://127.0.0.1:1"
# An hour and a little: the streams are due again.
_PAUSE_S = 4000.0


def simulate(bills: int) -> list[Taken]:
    """Enter so many bills with their vendors in Ramp, read them all again, and once more with one of them changed."""
    clock = VirtualClock()
    with ExitStack() as open_:
        folder = open_.enter_context(tempfile.TemporaryDirectory(prefix="flowctl-bench-"))
        ramp = open_.enter_context(apart(_ramp, clock, {}))
        given = {"bills": bills, "vendors": min(VENDORS, bills), "chart": ramp.ask("chart")}
        freshbooks = open_.enter_context(apart(_freshbooks, clock, given))
        store = SqliteStore(Path(folder) / "bench.db")
        open_.callback(store.close)
        world = World(store, Vault(b"0" * 32), clock, SeededIds(1), {"freshbooks": freshbooks, "ramp": ramp})
        for name, vendor in (("freshbooks", freshbooks), ("ramp", ramp)):
            connect(world, COMPANY, name, name, *vendor.ask("binding"))
        flow, runner = program(FLOW), Runner(world)

        def run(name: str) -> Taken:
            found = taken(name, lambda: pushed(runner, flow, COMPANY), clock, [freshbooks, ramp])
            clock.sleep(_PAUSE_S)
            return found

        first, second = run("first run"), run("nothing changed")
        freshbooks.ask("edit")
        third = run("one bill changed")
        assert first.written == bills + first.calls["POST /vendors"], first
        assert (second.written, second.writes) == (0, 0), second
        assert (third.written, third.writes) == (1, 1), third
        assert ramp.ask("total") == freshbooks.ask("total")
    return [first, second, third]


def _freshbooks(clock: VirtualClock, options: Mapping[str, Any]) -> tuple[httpx.BaseTransport, Asked]:
    made = freshbooks_sandbox.make(1, clock, {"expenses": 0, "purchases": [], **options})
    with made.simulator.changing() as world:
        for bill in list(world.bills.values()):
            world.edit_bill(bill.id, vis_state=ACTIVE)

    def asked(name: str) -> Any:
        if name == "edit":
            with made.simulator.changing() as world:
                bill = next(bill for bill in world.bills.values() if not bill.payments)
                world.edit_bill(bill.id, offset_days=bill.offset_days + 1)
            return None
        return made.binding(_SERVER) if name == "binding" else made.total()

    return made.transport(), asked


def _ramp(clock: VirtualClock, _options: Mapping[str, Any]) -> tuple[httpx.BaseTransport, Asked]:
    made = ramp_sandbox.make(1, clock, {"bills": 0, "transactions": 0, "vendors": 0, "profile": "2026-08"})

    def asked(name: str) -> Any:
        answers = {
            "binding": lambda: made.binding(_SERVER),
            "chart": lambda: made.offers()["chart"],
            "total": made.total,
        }
        return answers[name]()

    return made.transport(), asked


def main(arguments: Sequence[str]) -> int:
    """Print what each run took; a number is how many bills there are."""
    for done in simulate(int(arguments[0]) if arguments else 10_000):
        print(*done.lines(), sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
