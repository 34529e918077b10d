"""What our own side does in a schedule: whole cycles and their parts, each by a process that may die over it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from engine.campaign.check import oversleeps
from engine.campaign.crash import Machine, Process
from engine.campaign.disk import Crash
from engine.campaign.witness import Witness
from engine.contract import Json
from engine.errors import StoreError
from engine.rigs import BooksRig
from engine.runner import Runner
from engine.store.base import Row


@dataclass(slots=True)
class Work:
    """Runs, sessions and marks. `befall` is what people do meanwhile."""

    chance: random.Random
    machine: Machine
    books: BooksRig
    witness: Witness
    login: tuple[str, str]
    goes_by_schedule: bool
    befall: Callable[[], None]
    # While the source is not told of anything, it goes on listing what is posted, and people go on changing it.
    is_untold: bool = False

    def guarded(self, step: Callable[[Process], None], process: Process | None = None) -> None:
        """Take a step of a process of ours; when it dies, the next step meets a new one."""
        process = process or self.machine.pick()
        try:
            step(process)
        except Crash:
            self.witness.note("  our process died")
            self.machine.restart(process)
        except StoreError as error:
            self.witness.note(f"  the disk refused: {error}")

    def cycle(self) -> None:
        """Read, let the agent come, prepare and tell."""
        self.guarded(self.run)
        self.session()
        self.guarded(self.prepare)
        self.guarded(self.tell)

    def rough_cycle(self) -> None:
        """A cycle in which people may change in the source what was posted, before the source was told of it."""
        self.guarded(self.run)
        self.session()
        self.guarded(self.prepare)
        if self.is_untold or self.chance.random() < 0.4:
            self.befall()
        else:
            self.guarded(self.tell)

    def run(self, process: Process) -> None:
        """Read what is due, or everything."""
        if self.goes_by_schedule:
            process.service.tick()
            return
        report = Runner(process.world).run(self.machine.program, self.machine.company)
        for error in report.errors:
            self.witness.note(f"  run: {error}")

    def session(self) -> None:
        """Let the agent come, and look at what it left."""
        before, gone, restores = self._vanished(), self.books.removed(), self.machine.restores
        posted = self.posted() if restores else {}
        sent = Counter(self.witness.sent)
        self.witness.remembered.clear()
        self._visit()
        if restores and restores == self.machine.restores:
            self._taken_for_posted(posted, gone, sent)
        sleeper = oversleeps(self.machine.tx, self.machine.company)
        if sleeper:
            self.witness.broke(23, sleeper)
        for number in (self._vanished() - before) if not self.machine.restores else ():
            record = self.machine.tx.one("record_get", {"id": number})
            target = target_of(record) if record is not None else ""
            if self.books.has(target):
                self.witness.broke(1, f"record {number} is said to be gone from the books, and {target} is there")

    def _vanished(self) -> set[int]:
        """The records that are said to be gone."""
        return {row["id"] for row in self.machine.tx.rows("records_vanished", {"company": self.machine.company})}

    def posted(self) -> dict[int, str]:
        """The object of every record that is said to be posted."""
        scope = {"company": self.machine.company, "state": "", "flow": "", "limit": 100_000}
        rows = self.machine.tx.rows("records_listing", scope)
        return {row["id"]: target_of(row) for row in rows if row["state"] in ("posted", "closed")}

    def _taken_for_posted(self, before: Mapping[int, str], gone: Collection[str], sent: Mapping[str, int]) -> None:
        """What was gone before a session began is no object that a record may be found posted as.

        But QuickBooks may say so itself, from its memory: when it answers what is sent again, or is asked for the answer
        that it has kept. Then a person has deleted what was posted, and the next look at the books finds that out.
        """
        for number, target in self.posted().items():
            maker = self.witness.maker.get(target, "")
            if self.witness.sent[maker] > sent.get(maker, 0) or target in self.witness.remembered:
                continue
            if target in gone and before.get(number) != target and not self.books.has(target):
                self.witness.broke(2, f"record {number} is said to be posted as {target}, which was gone before")

    def _visit(self) -> None:
        for line in self.books.visit(self.machine.handle, *self.login, self.witness):
            self.witness.note(f"  {line}")

    def prepare(self, process: Process) -> None:
        """Prepare what woke."""
        Runner(process.world).prepare(self.machine.program, self.machine.company)

    def tell(self, process: Process) -> None:
        """Tell the source."""
        if self.is_untold:
            return
        _, errors = Runner(process.world).tell(self.machine.program, self.machine.company)
        for error in errors:
            self.witness.note(f"  tell: {error}")

    def act(self, process: Process) -> None:
        """What a worker does while something else is under way."""
        step = self.chance.choice((self.prepare, self.prepare, self.tell, self.tell, self.run))
        self.witness.note(f"  meanwhile, process {process.number}: {step.__name__}")
        self.guarded(step, process)


def target_of(row: Row) -> str:
    """The object that a record was posted as."""
    receipt: Json = json.loads(row["receipt"] or "{}")
    return str(receipt.get("TxnID") or receipt.get("ListID") or "")
