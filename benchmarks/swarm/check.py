"""The truth at the end: every company file against its business in Ramp, both against the store, to the cent."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from benchmarks.swarm.options import code
from benchmarks.swarm.setting import FLOW
from benchmarks.swarm.vendors import Business, Wanted
from connectors.qbwc.sandbox import QuickBooksSandbox
from engine.store import journal, outbox
from engine.store.base import Row
from engine.world import World

# Memos of the flow name the bill or card transaction that they are of.
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ENDED = frozenset({"closed", "skipped"})
_MANY = 1_000_000
_SHOWN = 20


@dataclass(slots=True)
class Found:
    """What the comparison came to: counts, the money, and the first problems in words."""

    lost: int = 0
    duplicated: int = 0
    wrong_company: int = 0
    cents_off: int = 0
    untold: int = 0
    store_differs: int = 0
    journals_broken: int = 0
    transactions: int = 0
    marks: int = 0
    total: Decimal = Decimal(0)
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong at all."""
        return not (
            self.lost
            or self.duplicated
            or self.wrong_company
            or self.cents_off
            or self.untold
            or self.store_differs
            or self.journals_broken
        )

    def say(self, text: str) -> None:
        """Keep a problem, unless there are many already."""
        if len(self.problems) < _SHOWN:
            self.problems.append(text)


def open_companies(world: World, numbers: Sequence[int]) -> list[int]:
    """Those of which the store still has something to do."""
    found = []
    for number in numbers:
        name = code(number)
        with world.store.read(name) as tx:
            rows = tx.rows("record_counts", {"company": name, "flow": FLOW})
            calls = tx.one("mark_calls_open", {"company": name, "flow": FLOW})
            under_way = outbox.unsettled(tx, name)
        if calls is not None or under_way is not None or any(not _is_end(row) for row in rows):
            found.append(number)
    return found


def _is_end(row: Row) -> bool:
    return row["state"] in _ENDED or (row["stream"] == "vendors" and row["state"] == "posted")


def compare(world: World, files: Sequence[QuickBooksSandbox], businesses: Sequence[Business]) -> Found:
    """Compare all of them."""
    found = Found()
    owners = {wanted.id: business.number for business in businesses for wanted in business.wanted}
    for business in businesses:
        references = _file(found, files[business.number], business, owners)
        _told(found, business, references)
        _store(found, world, business)
    return found


def _file(
    found: Found, file: QuickBooksSandbox, business: Business, owners: Mapping[str, int]
) -> dict[str, tuple[str, str]]:
    """A company file against what its own business wants there; the kind and id of each transaction, by TxnID."""
    name, txns = code(business.number), file.company.books.txns
    wanted = {(each.kind, each.id): each for each in business.wanted}
    times, references = Counter[tuple[str, str]](), dict[str, tuple[str, str]]()
    for txn_id, txn in txns.items():
        match = _ID.search(txn.values.get("Memo", ""))
        source = match[0] if match else ""
        if owners.get(source) != business.number:
            found.wrong_company += 1
            found.say(f"{name}: {txn.kind} {txn_id} is of {owners.get(source, 'nobody')}")
            continue
        key = txn.kind, source
        times[key] += 1
        references[txn_id] = key
        if key in wanted and txn.amount != wanted[key].amount:
            found.cents_off += 1
            found.say(f"{name}: {txn.kind} {source} is {wanted[key].amount} in Ramp and {txn.amount} in QuickBooks")
    for key, count in times.items():
        if count > 1 or key not in wanted:
            found.duplicated += count - (key in wanted)
            found.say(f"{name}: {key[0]} {key[1]} is there {count} times, wanted {int(key in wanted)}")
    for missing in _missing(wanted, times):
        found.lost += 1
        found.say(f"{name}: {missing.kind} {missing.id} is not in the file")
    doubled = [guid for guid, count in Counter(txn.guid for txn in txns.values()).items() if count > 1]
    names = Counter((item.kind, item.full_name) for item in file.company.books.lists.values())
    doubled += [f"{kind} {each}" for (kind, each), count in names.items() if count > 1]
    found.duplicated += len(doubled)
    for each in doubled:
        found.say(f"{name}: {each} is there more than once")
    if file.total() != business.total:
        found.cents_off += 1
        found.say(f"{name}: the file comes to {file.total()}, Ramp to {business.total}")
    found.transactions += len(txns)
    found.total += file.total()
    return references


def _missing(wanted: Mapping[tuple[str, str], Wanted], times: Mapping[tuple[str, str], int]) -> Iterator[Wanted]:
    return (each for key, each in wanted.items() if key not in times)


def _told(found: Found, business: Business, references: Mapping[str, tuple[str, str]]) -> None:
    """Each transaction is marked in Ramp once, with the TxnID that it has in its own file."""
    name = code(business.number)
    told = Counter(reference for _, _, reference in business.marks)
    found.marks += len(business.marks)
    found.untold += len(references.keys() - told.keys()) + business.failed
    found.duplicated += sum(count - 1 for count in told.values())
    for kind, object_id, reference in business.marks:
        if reference not in references:
            found.wrong_company += 1
            found.say(f"{name}: Ramp was told of {reference} for {kind} {object_id}, which is not in the file")
        elif references[reference][1] != object_id:
            found.wrong_company += 1
            found.say(f"{name}: Ramp was told {reference} for {object_id}, it is of {references[reference][1]}")
    if found.untold:
        found.say(f"{name}: {len(references.keys() - told.keys())} are not marked, {business.failed} marked as failed")


def _store(found: Found, world: World, business: Business) -> None:
    """Our own records tell the same, and the journal's chain is whole."""
    name = code(business.number)
    with world.store.read(name) as tx:
        scope = {"company": name, "state": "closed", "flow": FLOW, "limit": _MANY}
        rows = tx.rows("records_listing", scope)
        broken = journal.verify(tx, name)
    # Ramp is told of no vendor.
    rows = [row for row in rows if row["receipt"] and row["stream"] != "vendors"]
    known = {(row["source_id"], json.loads(row["receipt"]).get("TxnID")) for row in rows}
    if known != {(object_id, reference) for _, object_id, reference in business.marks}:
        found.store_differs += 1
        found.say(f"{name}: the records that are closed are not those that Ramp was told of")
    if broken is not None:
        found.journals_broken += 1
        found.say(f"{name}: the journal does not verify: {broken}")
