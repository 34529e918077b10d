"""The append-only audit: every line is hash-chained to the one before it, in the transaction that makes it true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from hashlib import sha256
from operator import itemgetter
from typing import Any

from engine.dataclass import dataclass
from engine.errors import StoreDamaged
from engine.jsontext import plain
from engine.store.base import Row, Tx

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One line before it is chained. `detail` is small JSON: ids, codes and digests, never a payload or a secret."""

    event: str
    flow: str = ""
    stream: str = ""
    record_id: int | None = None
    source_id: str = ""
    state_from: str = ""
    state_to: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Broken:
    """The first line of a chain that does not follow from the line before it."""

    company: str
    seq: int
    reason: str


def append(tx: Tx, company: str, at: str, actor: str, entries: Sequence[Entry]) -> None:
    """Chain and add the entries to the company's journal."""
    if not entries:
        return
    head = tx.one("journal_head", {"company": company})
    seq, digest = (head["seq"], head["hash"]) if head else (0, GENESIS)
    lines = []
    for entry in entries:
        seq += 1
        detail = plain(entry.detail)
        line = (
            company, seq, at, entry.event, entry.flow, entry.stream, entry.record_id, entry.source_id,
            entry.state_from, entry.state_to, actor, detail,
        )  # fmt: skip
        digest = _chain(digest, line)
        lines.append((*line, digest))
    tx.many("journal_append", lines)
    tx.run("journal_head_move" if head else "journal_head_set", {"company": company, "seq": seq, "hash": digest})


def _chain(previous: str, line: tuple[object, ...]) -> str:
    return sha256((previous + plain(line)).encode()).hexdigest()


def verify(tx: Tx, company: str, *, page: int = 5000) -> Broken | None:
    """Recompute the whole chain; the first line that does not fit, or None."""
    walk, head = Walk(company), tx.one("journal_head", {"company": company})
    while True:
        count, broken = walk.page(tx, page)
        if broken is not None:
            return broken
        if count < page:
            return walk.end(head)


@dataclass(slots=True)
class Walk:
    """Recomputes a company's chain page by page; it stands after line `seq`.

    `seen` has, by line number, the hash that a checkpoint saw there, and when it was written. A line beyond `last` is left
    for another time: the journal grows while it is walked.
    """

    company: str
    seen: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    last: int | None = None
    seq: int = 0
    digest: str = GENESIS

    def page(self, tx: Tx, limit: int = 5000) -> tuple[int, Broken | None]:
        """Walk on by at most so many lines; how many there were, and the first that does not fit."""
        try:
            rows = tx.rows("journal_from", {"company": self.company, "after": self.seq, "limit": limit})
        except StoreDamaged:
            if limit == 1:
                return 0, Broken(self.company, self.seq + 1, "the line cannot be read")
            return self._halves(tx, limit)
        for row in rows:
            if self.last is not None and type(row["seq"]) is int and row["seq"] > self.last:
                return 0, None
            broken = self._take(row)
            if broken is not None:
                return len(rows), broken
        return len(rows), None

    def _halves(self, tx: Tx, limit: int) -> tuple[int, Broken | None]:
        """Find the line that cannot be read, which the rows around it hide."""
        count, broken = self.page(tx, limit // 2)
        if broken is not None or count < limit // 2:
            return count, broken
        more, broken = self.page(tx, limit - limit // 2)
        return count + more, broken

    def _take(self, row: Row) -> Broken | None:
        if row["seq"] != self.seq + 1:
            return Broken(self.company, self.seq + 1, "the line is missing")
        self.seq, before = self.seq + 1, self.digest
        self.digest = _chain(before, _line_of(row))
        if self.digest != row["hash"]:
            return Broken(self.company, self.seq, "the line was changed")
        if self.seq in self.seen and self.seen[self.seq][0] != self.digest:
            at = self.seen[self.seq][1]
            return Broken(self.company, self.seq, f"the line is not the one that the checkpoint of {at} has seen")
        return None

    def end(self, head: Row | None) -> Broken | None:
        """Whether the journal ends where its head says, and not before a line that a checkpoint has seen."""
        if head is None and self.seq:
            return Broken(self.company, self.seq + 1, "the head that says where the journal ends is missing")
        if head and (head["seq"], head["hash"]) != (self.seq, self.digest):
            return Broken(self.company, self.seq + 1, f"the journal ends before line {head['seq']}")
        beyond = max((seq for seq in self.seen if seq > self.seq), default=None)
        if beyond is not None:
            reason = f"the journal ends before line {beyond}, which the checkpoint of {self.seen[beyond][1]} has seen"
            return Broken(self.company, self.seq + 1, reason)
        return None


_COLUMNS = (
    "company", "seq", "at", "event", "flow", "stream", "record_id", "source_id", "state_from", "state_to", "actor", "detail",
)  # fmt: skip
_line_of = itemgetter(*_COLUMNS)


def lines(tx: Tx, company: str, *, after: int = 0, page: int = 5000) -> Iterator[Row]:
    """Every line after `after`, in order."""
    while True:
        rows = tx.rows("journal_from", {"company": company, "after": after, "limit": page})
        yield from rows
        if len(rows) < page:
            return
        after = rows[-1]["seq"]


def of_record(tx: Tx, record_id: int) -> list[Row]:
    """A record's whole way."""
    return tx.rows("journal_of_record", {"record_id": record_id})
