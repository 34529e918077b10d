"""Puts things into a store directly, as a run or a session would have left them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.cli import common
from engine.contract import ListObject
from engine.store import companies, journal, lists, outbox, records
from engine.store.base import Tx
from engine.store.records import Intake, NewRecord, Place, Reason, State
from engine.world import World
from tests.cli.cli_kit import Cli

FLOW = "ramp_to_quickbooks"
AT = "2026-11-20T09:00:00.000000Z"


@dataclass(frozen=True)
class Shelf:
    """A company's part of the store."""

    world: World
    tx: Tx
    company: str = "main"

    def record(
        self,
        source_id: str,
        state: State,
        *reasons: Reason,
        stream: str = "bills",
        amount: str | None = "100.00",
        currency: str = "USD",
        reference: str = "",
        payload: str = "{}",
    ) -> int:
        intake = Intake(source_id, payload, "0" * 64, amount, currency, "Acme", reference or None, "2026-11-01")
        new = NewRecord(intake, state, tuple(reasons))
        (number,) = records.insert(self.tx, Place(self.company, FLOW, stream, "post"), 1, AT, "test", [new])
        return number

    def operation(self, record_id: int, name: str, state: str) -> None:
        new = outbox.NewOperation(name, "books", record_id, "BillAdd", b"<BillAddRq/>", "{G}", "{}", "{}")
        outbox.add(self.tx, self.company, AT, [new])
        outbox.put(self.tx, name, state)
        scope = {"id": record_id, "operation_id": name}
        row = self.tx.one("record_get", {"id": record_id})
        assert row is not None
        moved = {"from": row["state"], "to": row["state"], "reasons": row["reasons"], "mapped_sha256": None}
        self.tx.run("record_move", {**scope, **moved, "receipt": None, "attempts": 0, "at": AT})

    def accounts(self, *names: str, inactive: tuple[str, ...] = ()) -> None:
        objects = [ListObject(f"8000000{n}-1", name, name not in inactive) for n, name in enumerate(names, 1)]
        lists.store_page(self.tx, self.company, "Account", objects, first=True)
        lists.finish(self.tx, self.company, "Account", AT)

    def events(self) -> list[tuple[str, str, str]]:
        """The journal as event, actor and detail."""
        return [(line["event"], line["actor"], line["detail"]) for line in journal.lines(self.tx, self.company)]

    def states(self) -> dict[str, str]:
        """States by source id."""
        scope = {"company": self.company, "state": "", "flow": "", "limit": 1000}
        return {row["source_id"]: row["state"] for row in self.tx.rows("records_listing", scope)}


@contextmanager
def shelf(cli: Cli, company: str = "main") -> Iterator[Shelf]:
    """One write transaction on a company that is there afterwards."""
    with common.opened(cli.home) as world, world.store.write() as tx:
        companies.add(tx, company, company, AT)
        yield Shelf(world, tx, company)


def unmapped(lookup: str, key: str, label: str) -> Reason:
    """What the engine notes for a value that is not mapped."""
    waits = (*(f"mapping:{lookup}:{k}" for k in dict.fromkeys((key, label))), "list:Account")
    return Reason("unmapped", f"the {lookup} `{label}` is not in the Account list of QuickBooks", "map it", waits)
