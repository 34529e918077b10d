"""The bookkeeper of a schedule: maps what is missing, says what became of what is held, decides what is asked."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from engine.campaign.crash import Machine, Process
from engine.campaign.witness import Witness
from engine.contract import ListObject
from engine.dataclass import dataclass
from engine.evidence import plain_guid
from engine.follow import QUIET, Hand
from engine.listsource import kept_as
from engine.matching import NO_MATCH
from engine.operator import onhold, pausing, replaying, worklist
from engine.pipeline import guid_of
from engine.reconcile import asking
from engine.rigs import BooksRig
from engine.store import companies, holdings, lists, records, stops, work
from engine.store.base import Row, Tx

_SPAN = timedelta(days=90)
_REPLAYED = 0.4


@dataclass(slots=True)
class Person:
    """Somebody who looks into both sides, and then says so in flowctl."""

    chance: random.Random
    machine: Machine
    witness: Witness
    # The object of a record that is in the target now, whichever life of ours wrote it.
    finds: Callable[[Row], str | None]
    # Allows us to read the source once more; None where no person has to.
    permits: Callable[[], Mapping[str, str]] | None = None
    # Whether everything is decided that can be; a busy person leaves some of it for the next time.
    is_thorough: bool = False

    def works(self, process: Process) -> None:
        """Do what waits for a person."""
        with process.store.write(self._company) as tx:
            self._allow(tx, process)
            self._map(tx)
            self._replay(tx)
            self._declare(tx)
            self._decide(tx)
            rows = [*worklist.parked(tx, self._company, "failed"), *worklist.parked(tx, self._company, "deferred")]
            chosen = [row for row in rows if _is_heard_of(row) and self.chance.random() < 0.7]
            worklist.retry(tx, self._hand(), chosen, "")
            self._stop(tx)
            if self.chance.random() < 0.2 and not self.is_thorough:
                self._compare(tx)

    def stops(self, process: Process) -> None:
        """Replay, hold, release, pause and resume, and nothing else."""
        with process.store.write(self._company) as tx:
            self._replay(tx)
            self._stop(tx)

    @property
    def _company(self) -> str:
        return self.machine.company

    def _hand(self) -> Hand:
        return Hand(self._company, self.machine.world.at(), "bookkeeper")

    def is_asked_to_allow(self, tx: Tx) -> bool:
        """Whether we say that a person has to allow us to read the source once more."""
        said = f"flowctl connect {self.machine.source_connection}"
        return self.permits is not None and any(said in alert["hint"] for alert in work.alerts(tx, self._company))

    def _allow(self, tx: Tx, process: Process) -> None:
        """A permission that was lost, such as one that an older copy of our store does not have, is given anew."""
        if self.permits is None or not self.is_asked_to_allow(tx):
            return
        name = self.machine.source_connection
        for field, secret in self.permits().items():
            companies.put_secret(tx, process.world.vault, self._company, name, field, secret, process.world.at())
        companies.drop_secret(tx, self._company, name, companies.TOKEN_FIELD)
        self.witness.note(f"  a person allows {name} once more")

    def _map(self, tx: Tx) -> None:
        flow = self.machine.program.flow
        for gap in worklist.gaps(tx, self._company, flow.name):
            lookup = flow.lookup(gap.lookup) if gap.lookup else None
            if lookup is None:
                continue
            known = [item for item in lists.objects(tx, self._company, kept_as(flow, lookup)) if _usable(item)]
            if any("amount" in item.data for item in known):
                self._choose(tx, gap, known)
                continue
            if known and self.chance.random() < 0.9:
                target = self.chance.choice(known)
                row = lists.Mapping(flow.name, lookup.name, gap.key, target.full_name, target.list_id)
                self.witness.note(f"  a person maps {lookup.name} {gap.label} to {target.full_name}")
                worklist.save_mapping(tx, self._hand(), flow, row)

    def _choose(self, tx: Tx, gap: worklist.Gap, known: Sequence[ListObject]) -> None:
        """What was spent is one of several that were: of the same amount and meant by no other record, or none."""
        flow = self.machine.program.flow
        amounts = {row.amount for row in gap.records}
        taken = {row["list_id"] for row in lists.mappings(tx, self._company, flow.name, gap.lookup)}
        fits = [item for item in known if Decimal(item.data["amount"]) in amounts and item.list_id not in taken]
        chosen = self.chance.choice(fits).list_id if fits else NO_MATCH
        if self.chance.random() < 0.9:
            row = lists.Mapping(flow.name, gap.lookup, gap.key, chosen, "" if chosen == NO_MATCH else chosen)
            self.witness.note(f"  a person chooses {gap.lookup} {gap.label}: {chosen}")
            worklist.save_mapping(tx, self._hand(), flow, row)

    def _declare(self, tx: Tx) -> None:
        """The truth about what is held: look into the books."""
        for row in worklist.parked(tx, self._company, "unknown"):
            full = tx.one("record_get", {"id": row["id"]})
            assert full is not None
            found = self.finds(full)
            try:
                worklist.declare(tx, self._hand(), row, found, "")
                self.witness.note(f"  a person says that {row['stream']}/{row['source_id']} is {found or 'not there'}")
            except (worklist.NotHeld, worklist.Taken):
                continue

    def _decide(self, tx: Tx) -> None:
        """What is gone from the books is posted again, or left out; what is there again is left to be found.

        A change that cannot be made may be left out as well.
        """
        for number in sorted(worklist.clashes(tx, self._company)):
            change = tx.one("record_get", {"id": number})
            if change is not None and self.chance.random() < 0.3:
                worklist.leave_out(tx, self._hand(), [change], "")
                self.witness.note(f"  a person leaves the change of {change['stream']}/{change['source_id']} out")
        for row in worklist.parked(tx, self._company, "vanished"):
            full = tx.one("record_get", {"id": row["id"]})
            assert full is not None
            there = self.finds(full)
            if (there and not self._is_new(tx, full, there)) or (not self.is_thorough and self.chance.random() < 0.3):
                continue
            again = self.chance.random() < 0.6
            decide = worklist.post_again if again else worklist.leave_out
            decide(tx, self._hand(), [row], "")
            said = "has it posted again" if again else "leaves it out"
            self.witness.note(f"  {row['stream']}/{row['source_id']} is gone: a person {said}")

    def _is_new(self, tx: Tx, row: Row, there: str) -> bool:
        """Whether a record's object is one that our store has forgotten when it was put back: nothing there shows it to us."""
        known = {held["target_id"] for held in holdings.of_record(tx, row["id"])}
        return self.is_thorough and bool(self.machine.restores) and there not in known

    def _replay(self, tx: Tx) -> None:
        """Let records of every state go on as they were prepared, three times over; most of that is refused."""
        rows = [row for row in self._rows(tx) if self.chance.random() < _REPLAYED]
        for row in [row for _ in range(3) for row in replaying.replay(tx, self._hand(), rows).moved]:
            self.witness.note(f"  a person replays {row['stream']}/{row['source_id']}, which is {row['state']}")

    def _stop(self, tx: Tx) -> None:
        """Hold some of it back, or pause everything, for a while; nothing of that is left in the end."""
        rows = self._rows(tx)
        held = stops.held(tx, [row["id"] for row in rows])
        free = [row for row in rows if row["id"] in held and (self.is_thorough or self.chance.random() < 0.5)]
        onhold.release(tx, self._hand(), free)
        if self.is_thorough or self.chance.random() < 0.6:
            pausing.resume(tx, self._hand(), "")
            pausing.resume(tx, self._hand(), self.machine.program.flow.name)
        if self.is_thorough:
            return
        for row in onhold.hold(tx, self._hand(), [row for row in rows if self.chance.random() < 0.15], "wait").moved:
            self.witness.note(f"  a person holds {row['stream']}/{row['source_id']} back, which is {row['state']}")
        if self.chance.random() < 0.2:
            flow = self.machine.program.flow.name if self.chance.random() < 0.5 else ""
            pausing.pause(tx, self._hand(), flow, "wait")
            self.witness.note(f"  a person pauses {flow or 'the company'}")

    def _rows(self, tx: Tx) -> list[Row]:
        scope = {"company": self._company, "state": "", "flow": "", "limit": 100_000}
        return tx.rows("records_listing", scope)

    def _compare(self, tx: Tx) -> None:
        """Ask for both sides to be held against each other; the next session brings what the books say."""
        programs = {self.machine.program.flow.name: self.machine.program}
        kinds = asking.kinds_of(tx, self._company, programs)
        last_on = self.machine.clock.now().date()
        if kinds:
            asking.ask(tx, self._company, last_on - _SPAN, last_on, kinds, "bookkeeper", self.machine.world.at())


def _is_heard_of(row: Row) -> bool:
    """What solves itself inside the system is nobody's task."""
    return any(reason.code not in QUIET for reason in records.load_reasons(row))


def in_books(machine: Machine, books: BooksRig, witness: Witness, row: Row) -> str | None:
    """The object of a record that is in the books of an agent now, whichever life of ours wrote it."""
    guid = marker(machine.company, row)
    for made in books.live():
        if witness.maker.get(made.id) == row["operation_id"] or plain_guid(made.guid) == guid:
            return made.id
    return None


def marker(company: str, row: Row) -> str:
    """What the books show as the mark of a record: lower case, without braces."""
    guid = guid_of(company, row["flow"], row["stream"], row["source_id"], row["phase"])
    return plain_guid(guid)


def _usable(item: Any) -> bool:
    kinds = ("Expense", "CostOfGoodsSold")
    return bool(item.active) and str(item.data.get("type") or item.data.get("account_type") or kinds[0]) in kinds
