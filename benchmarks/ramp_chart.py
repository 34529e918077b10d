"""A chart of 75,000 entries pushed into Ramp by the shipped flow, then 1 % of it changed, then nothing.

Calls and virtual seconds are exact on any machine: each call takes 0.3 s of the clock, which else moves only when the
connector waits for Ramp's limit. The lists are in the store as the Web Connector leaves them there. Ramp is in a process
of its own, so that CPU seconds and memory are flowctl's alone.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks.apart import Asked, Taken, apart, pushed, taken
from connectors.qbwc.simulator.model import VirtualClock
from connectors.ramp.simulator import RampSimulator, transport
from engine import flowswitch
from engine.cli.common import program
from engine.connections.connecting import connect
from engine.contract import ListObject
from engine.follow import Hand
from engine.program import FlowProgram
from engine.runner import Runner
from engine.store import lists
from engine.store.sqlite import SqliteStore
from engine.testing import SeededIds
from engine.vault import Vault
from engine.world import World

COMPANY, FLOW = "bench", "ramp_accounting"
# How many of each list there are; every hundredth is changed.
SIZES: Mapping[str, int] = {"Account": 5_000, "Class": 5_000, "Customer": 15_000, "Vendor": 50_000}
CHANGED = 100
_PAGE = 500
_PAUSE_S = 3600.0


def simulate(share: int = 1) -> list[Taken]:
    """Push everything, then only what has changed, then nothing; `share` makes the chart so many times smaller."""
    clock = VirtualClock()
    count = sum(SIZES.values()) // share
    with tempfile.TemporaryDirectory(prefix="flowctl-bench-") as folder, apart(_ramp, clock, {}) as ramp:
        store = SqliteStore(Path(folder) / "bench.db")
        world = World(store, Vault(b"0" * 32), clock, SeededIds(1), {"ramp": ramp})
        flow, runner = program(FLOW), Runner(world)
        _connect(world, flow)

        def run(name: str, suffix: str) -> Taken:
            _listed(world, share, suffix)
            clock.sleep(_PAUSE_S)  # what counts against Ramp's limit has passed
            return taken(name, lambda: pushed(runner, flow, COMPANY), clock, [ramp])

        first = run("first run", "")
        changed = run("1 % changed", " (renamed)")
        unchanged = run("nothing changed", " (renamed)")
        assert first.written == count, first
        assert ramp.ask("entries") == count
        assert changed.written == sum(-(-size // share // CHANGED) for size in SIZES.values()), changed
        assert (unchanged.written, unchanged.writes) == (0, 0), unchanged
        store.close()
    return [first, changed, unchanged]


def _connect(world: World, flow: FlowProgram) -> None:
    secrets = {"client_id": "ramp_id_sandbox", "client_secret": "sandbox-secret"}
    connect(world, COMPANY, "ramp", "ramp", {"environment": "sandbox", "provider_name": "flowctl"}, secrets)
    connect(world, COMPANY, "books", "qbwc", {"user": "bench", "app_url": "https://localhost"}, {"password": "bench"})
    with world.store.write(COMPANY) as tx:
        flowswitch.switch(tx, Hand(COMPANY, world.at(), "bench"), flow.flow, on=True)


def _listed(world: World, share: int, suffix: str) -> None:
    """The lists as the Web Connector brings them; every hundredth object has another name."""
    for name, size in SIZES.items():
        objects = list(_objects(name, size // share, suffix))
        for start in range(0, len(objects), _PAGE):
            with world.store.write(COMPANY) as tx:
                lists.store_page(tx, COMPANY, name, objects[start : start + _PAGE], first=start == 0)
        with world.store.write(COMPANY) as tx:
            lists.finish(tx, COMPANY, name, world.at())


def _objects(name: str, size: int, suffix: str) -> Iterator[ListObject]:
    data = {"account_type": "Expense"} if name == "Account" else {}
    for number in range(size):
        full_name = f"{name} {number}{suffix if number % CHANGED == 0 else ''}"
        yield ListObject(f"8000{number:04X}-{name}", full_name, number=f"{number}" if data else "", data=data)


def _ramp(clock: VirtualClock, _options: Mapping[str, Any]) -> tuple[httpx.BaseTransport, Asked]:
    """A business of the API of 2026-08 without a chart, whose accounting connection is ours."""
    simulator = RampSimulator(1, clock, profile="2026-08")

    def entries(_name: str) -> int:
        active = simulator.world.connection()
        assert active is not None
        kinds = ("accounts", "field-options", "vendors")
        return sum(len(simulator.world.chart.names(active.id, kind)) for kind in kinds)

    return transport(simulator), entries


def main(arguments: Sequence[str]) -> int:
    """Print what each run took; a number makes the chart so many times smaller."""
    for done in simulate(int(arguments[0]) if arguments else 1):
        print(*done.lines(), sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
