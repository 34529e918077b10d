"""A chart of accounts of 75,000 entries pushed into Ramp, then 1 % of it changed and pushed again.

Calls and virtual seconds are exact on any machine: each call takes 0.3 s of the clock, which else moves only when the
connector waits for Ramp's limit. What is measured is the connector with the simulator, through `Pusher`; a whole flow can
take its place behind the same name.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol

import httpx

from connectors.qbwc.simulator.model import VirtualClock
from connectors.ramp.chartspec import CHART_BATCH
from connectors.ramp.simulator import RampSimulator, transport
from engine.clock import Clock
from engine.connecting import connect
from engine.contract import Operation, Target
from engine.store.sqlite import SqliteStore
from engine.testing import SeededIds
from engine.vault import Vault
from engine.world import World

COMPANY = "bench"
# How long a call takes.
LATENCY_S = 0.3
# How many of each; every hundredth is changed.
ACCOUNTS, OPTIONS, VENDORS, CHANGED = 5_000, 20_000, 50_000, 100
# Both fields of the shipped flow; three of four options are customers and jobs.
_FIELDS = ("Class", "Customer")


_MADE_AT = datetime(2026, 11, 21, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Push:
    """What one push took: operations asked for and written, calls by method, waiting and working seconds."""

    name: str
    operations: int
    written: int
    calls: Mapping[str, int]
    virtual_s: float
    real_s: float

    @property
    def all_calls(self) -> int:
        """Of every method."""
        return sum(self.calls.values())


class Pusher(Protocol):
    """Whatever brings operations into Ramp: the connector alone, or a flow."""

    def push(self, operations: Sequence[Operation]) -> int:
        """Look for all, write what is not there; returns how many were written."""
        ...


@dataclass(slots=True)
class Counted(httpx.BaseTransport):
    """Counts calls by method, sign-ins left out, and lets each take its time."""

    inner: httpx.BaseTransport
    clock: Clock
    calls: Counter[str] = field(default_factory=Counter)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass on and count."""
        if not request.url.path.endswith("/token"):
            self.calls[request.method] += 1
            self.clock.sleep(LATENCY_S)
        return self.inner.handle_request(request)


@dataclass(slots=True)
class ConnectorPusher:
    """The connector alone: each push is a pass of the engine, which opens the connection anew."""

    world: World
    # Ramp's id of what each upload has made.
    made: dict[str, str] = field(default_factory=dict)

    def push(self, operations: Sequence[Operation]) -> int:
        """As the engine does: uploads in batches of one request and field, changes one by one."""
        opened, written = self.world.open(COMPANY, "ramp"), 0
        try:
            for group in _batches(operations):
                if group[0].request.endswith("Update"):
                    written += sum(self._change(opened, operation) for operation in group)
                    continue
                found = opened.find_all(group)
                left = [operation for operation in group if operation.id not in found]
                receipts = opened.write_all(left) if left else ()
                self.made |= {o.id: r.ids["id"] for o, r in zip(left, receipts, strict=True)}
                written += len(left)
        finally:
            opened.close()
        return written

    def _change(self, opened: Target, operation: Operation) -> bool:
        """Change one entry; whether there was something to change."""
        meant = replace(operation, target_id=self.made[operation.id.removesuffix("+1")])
        if opened.find(meant) is not None:
            return False
        opened.write(meant)
        return True


def simulate(share: int = 1) -> list[Push]:
    """Push everything, then only what has changed, then compare everything with what is there; `share` makes it smaller."""
    clock = VirtualClock()
    simulator = RampSimulator(1, clock, profile="2026-08")
    network = Counted(transport(simulator), clock)
    world = World(SqliteStore(None), Vault(b"0" * 32), clock, SeededIds(1), {"ramp": network})
    secrets = {"client_id": "ramp_id_sandbox", "client_secret": "sandbox-secret"}
    connect(world, COMPANY, "ramp", "ramp", {"environment": "sandbox"}, secrets)
    pusher = ConnectorPusher(world)
    first = list(_chart(share, {}))
    changed = dict.fromkeys(range(0, VENDORS, CHANGED), " (renamed)")
    after = list(_chart(share, changed))
    updates = [_updating(new, old) for old, new in zip(first, after, strict=True) if old.body != new.body]
    pushes = [
        _measure("first push", pusher, first, network, clock),
        _measure("1 % changed", pusher, updates, network, clock),
        # As after the loss of the store: all is asked for, and nothing is written.
        _measure("all compared", pusher, after, network, clock),
    ]
    assert pushes[0].written == len(first)
    assert pushes[1].written == len(updates)
    assert pushes[2].written == 0
    active = simulator.world.connection()
    assert active is not None
    held = [len(simulator.world.chart.names(active.id, kind)) for kind in ("accounts", "field-options", "vendors")]
    assert sum(held) == len(first)
    world.store.close()
    return pushes


def _measure(name: str, pusher: Pusher, operations: Sequence[Operation], network: Counted, clock: Clock) -> Push:
    network.calls.clear()
    clock.sleep(60)  # the next run comes later: what counts against Ramp's limit has passed
    virtual, real = clock.monotonic(), time.perf_counter()
    written = pusher.push(operations)
    virtual_s, real_s = clock.monotonic() - virtual, time.perf_counter() - real
    return Push(name, len(operations), written, dict(network.calls), virtual_s, real_s)


def _chart(share: int, changed: Mapping[int, str]) -> Iterator[Operation]:
    """The whole chart as uploads; a changed entry has another name."""
    for n in range(ACCOUNTS // share):
        body = {"id": f"A-{n}", "name": f"Account {n}{changed.get(n, '')}", "classification": "EXPENSE", "code": f"{n}"}
        yield _operation("AccountUpload", body)
    options = OPTIONS // share
    for n in range(options):
        of = _FIELDS[n >= options // 4]
        body = {"field_id": of, "field_name": of, "id": f"O-{n}", "value": f"Option {n}{changed.get(n, '')}"}
        yield _operation("OptionUpload", body)
    for n in range(VENDORS // share):
        yield _operation("AccountingVendorUpload", {"id": f"V-{n}", "name": f"Vendor {n}{changed.get(n, '')}"})


def _operation(request: str, body: Mapping[str, str]) -> Operation:
    data = json.dumps(body, sort_keys=True).encode()
    return Operation(f"{request}:{body['id']}", request, data, sha256(data).hexdigest(), "", _MADE_AT)


def _updating(new: Operation, old: Operation) -> Operation:
    """The change of an entry that was uploaded."""
    request = new.request.replace("Upload", "Update")
    return replace(new, id=f"{new.id}+1", request=request, base=old.body)


def _batches(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Runs of one request and field, up to what travels in one call."""
    group: list[Operation] = []
    kind = ("", "")
    for operation in operations:
        this = (operation.request, json.loads(operation.body).get("field_id", ""))
        if group and (this != kind or len(group) == CHART_BATCH):
            yield group
            group = []
        kind = this
        group.append(operation)
    if group:
        yield group


def main(arguments: Sequence[str]) -> int:
    """Print calls and seconds of each push; a number makes the chart so many times smaller."""
    for push in simulate(int(arguments[0]) if arguments else 1):
        methods = ", ".join(f"{count:,} {method}" for method, count in sorted(push.calls.items()))
        print(
            f"{push.name:14} {push.operations:>7,} operations {push.written:>7,} written  {push.all_calls:>6,} calls "
            f"({methods})  {push.virtual_s:>7,.0f} virtual s  {push.real_s:>6.1f} s of work"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
