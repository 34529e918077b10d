"""The append-only audit: every line is hash-chained to the one before it, in the transaction that makes it true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from hashlib import sha256
from operator import itemgetter
from typing import Any

from engine.dataclass import dataclass
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
    tx.run("journal_head_set", {"company": company, "seq": seq, "hash": digest})


def _chain(previous: str, line: tuple[object, ...]) -> str:
    return sha256((previous + plain(line)).encode()).hexdigest()


def verify(tx: Tx, company: str, *, page: int = 5000) -> Broken | None:
    """Recompute the whole chain; the first line that does not fit, or None."""
    head = tx.one("journal_head", {"company": company})
    seq, digest = 0, GENESIS
    for row in lines(tx, company, page=page):
        if row["seq"] != seq + 1:
            return Broken(company, seq + 1, "the line is missing")
        seq = row["seq"]
        line = _line_of(row)
        digest = _chain(digest, line)
        if digest != row["hash"]:
            return Broken(company, seq, "the line was changed")
    if head is None and seq:
        return Broken(company, seq + 1, "the head that says where the journal ends is missing")
    if head and (head["seq"], head["hash"]) != (seq, digest):
        return Broken(company, seq + 1, f"the journal ends before line {head['seq']}")
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
