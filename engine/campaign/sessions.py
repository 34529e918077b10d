"""Sessions of an agent that calls us, and what must be true after each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping

from engine.campaign.check import check
from engine.campaign.crash import Machine
from engine.campaign.person import in_books
from engine.campaign.scene import Verdict, scene_of
from engine.campaign.standing import oversleeps
from engine.campaign.witness import Witness
from engine.contract import Json
from engine.dataclass import dataclass
from engine.rigs import BooksRig, SourceRig
from engine.store.base import Row


@dataclass(frozen=True, slots=True)
class Sessions:
    """The agent of a target, who comes when it is let."""

    machine: Machine
    books: BooksRig
    witness: Witness
    login: tuple[str, str]

    def meet(self) -> None:
        """Let the agent come, and look at what it left."""
        restores = self.machine.restores
        # What is only held against what is there afterwards where our store was never restored, and where it was.
        before = self._vanished() if not restores else set()
        gone, posted = (self.books.removed(), self.posted()) if restores else (frozenset(), {})
        sent = Counter(self.witness.sent) if restores else Counter()
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

    def befall(self) -> list[str]:
        """Nothing: what people do in the books they do before the agent's next visit."""
        return []

    def finds(self, row: Row) -> str | None:
        """The object of a record that is in the books now."""
        return in_books(self.machine, self.books, self.witness, row)

    def verdict(self, source: SourceRig) -> Verdict:
        """Everything that is wrong at the end."""
        return check(scene_of(self.machine.tx, self.machine.company, self.books, source, self.witness))

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


def target_of(row: Row) -> str:
    """The object that a record was posted as."""
    receipt: Json = json.loads(row["receipt"] or "{}")
    return str(receipt.get("TxnID") or receipt.get("ListID") or "")
