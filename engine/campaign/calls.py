"""Watches our calls to a target that knows no idempotency key, and holds each against what is durable at that moment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from engine.campaign.witness import Witness
from engine.contract import Json
from engine.dataclass import dataclass
from engine.rigs import CalledRig, Made
from engine.store.base import Row


@dataclass(frozen=True, slots=True)
class Maker:
    """A record, as any life of ours knows it."""

    stream: str
    source_id: str
    phase: str


@dataclass(slots=True)
class Calls:
    """What was written; an older copy of our store forgets all of it, and this does not."""

    witness: Witness
    rig: CalledRig
    # So long a write without an answer may take to show.
    settle_s: float
    # The records that ever wrote under a key, and the object of a key that was made first.
    makers: dict[str, set[Maker]] = field(default_factory=dict)
    # When a write of an operation was over to which no answer came; as a date, for seconds are not added up exactly.
    lost: dict[str, datetime] = field(default_factory=dict)
    # The operations of each key that is being written.
    under_way: dict[str, list[str]] = field(default_factory=dict)
    # Whether a clock was ever wrong: then nobody can count seconds.
    is_astray: bool = False

    def writing(self, key: str) -> None:
        """A write of ours has reached the target: it must be durable that it is sent, and allowed to be."""
        witness, machine = self.witness, self.witness.machine
        witness.note(f"  -> {key}")
        if not key:
            return
        sent = [(record, row) for record, row in self.operations() if row["state"] == "sent"]
        mine = [(record, row["id"]) for record, row in sent if self.key_of(row) == key]
        if not mine:
            witness.broke(7, f"{key} was written, and nothing on disk says that it was sent")
        self.makers.setdefault(key, set()).update(maker_of(record) for record, _ in mine)
        if key in self.under_way:
            witness.broke(25, f"{key} was written while another write of it was under way")
        self.under_way[key] = [name for _, name in mine]
        self.is_astray = self.is_astray or any(process.clock.off != timedelta() for process in machine.processes)
        now, settled = machine.clock.now(), timedelta(seconds=self.settle_s)
        waited = min((now - self.lost[name] for _, name in mine if name in self.lost), default=settled)
        # What is only added to is the same however often it is written, and may take several calls at once.
        is_added = self.rig.stands(key.partition(":")[2]) == "lent"
        if not self.is_astray and not is_added and waited < settled:
            witness.broke(
                13, f"{key} was written again {waited.total_seconds()} seconds after a write without an answer"
            )

    def wrote(self, key: str, made: Sequence[Made], *, answered: bool) -> None:
        """A write is over."""
        names = self.under_way.pop(key, [])
        for item in made:
            self.witness.note(f"     made {item.kind} {item.id} {item.amount or ''} as {item.guid}")
        for name in names:
            self.lost.pop(name, None)
        if not answered:
            self.witness.note("     no answer")
            self.lost |= dict.fromkeys(names, self.witness.machine.clock.now())

    def operations(self) -> Iterator[tuple[Row, Row]]:
        """Every record with its newest operation."""
        machine = self.witness.machine
        scope = {"company": machine.company, "state": "", "flow": "", "limit": 100_000}
        for record in machine.tx.rows("records_listing", scope):
            operation = machine.tx.one("operation_get", {"id": record["operation_id"] or ""})
            if operation is not None:
                yield record, operation

    def key_of(self, operation: Row) -> str:
        """What an operation is known by at the target."""
        body: Json = json.loads(operation["body"] or b"{}")
        return self.rig.key(operation["request"], body, operation["target_id"] or "")


def maker_of(record: Row) -> Maker:
    """The record that an operation is of; a change is of what it changes."""
    return Maker(record["stream"], record["source_id"], record["phase"].partition("+")[0])
