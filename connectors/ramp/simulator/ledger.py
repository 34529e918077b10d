"""What Ramp itself believes to be in the books: counted from its own state, independent of what the engine says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import field
from decimal import Decimal
from typing import Any

from connectors.ramp.simulator.outrecords import Reimbursement
from connectors.ramp.simulator.world import World, bill_ready
from engine.dataclass import dataclass
from engine.money import from_minor


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums per currency in major units of what is synced, and counts of marks by sync type.

    `exported` counts rows that the Export button marked without a call; `ready` counts rows that still wait.
    """

    bills: dict[str, Decimal]
    bill_payments: dict[str, Decimal]
    transactions: dict[str, Decimal]
    marks: dict[str, int]
    failed: dict[str, int]
    exported: dict[str, int]
    ready: dict[str, int]
    reimbursements: dict[str, Decimal] = field(default_factory=dict)
    transfers: dict[str, Decimal] = field(default_factory=dict)
    cashbacks: dict[str, Decimal] = field(default_factory=dict)


def written(world: World) -> Decimal:
    """What calls of ours entered and nobody has synced since: bills, drafts, and card transactions that they coded.

    Amounts of all currencies are added up as they are.
    """
    found = [
        from_minor(bill.minor, bill.currency)
        for bill in world.bills.values()
        if bill.by_api and bill.archived_at is None and bill.sync_status == "NOT_SYNCED"
    ]
    found += [from_minor(draft.minor, draft.currency) for draft in world.drafts.values()]
    found += [
        from_minor(row.settled.minor, row.settled.currency)
        for row in world.transactions.values()
        if row.coded_by_api and row.sync_status != "SYNCED"
    ]
    return sum(found, Decimal(0))


def credited(world: World) -> Decimal:
    """The sum of all vendor credits, used or not; amounts of all currencies are added up as they are."""
    found = (from_minor(row.minor, row.currency) for row in world.vendor_credits.values())
    return sum(found, Decimal(0))


def totals(world: World) -> Totals:
    """The totals now."""
    bills: defaultdict[str, Decimal] = defaultdict(Decimal)
    payments: defaultdict[str, Decimal] = defaultdict(Decimal)
    transactions: defaultdict[str, Decimal] = defaultdict(Decimal)
    ready: Counter[str] = Counter()
    for bill in world.bills.values():
        if bill.sync_status != "NOT_SYNCED":
            bills[bill.currency] += from_minor(bill.minor, bill.currency)
        if bill.sync_status == "BILL_AND_PAYMENT_SYNCED" and bill.payment is not None:
            payments[bill.currency] += from_minor(bill.payment.minor, bill.currency)
        if bill_ready(world, bill):
            ready["BILL_SYNC" if bill.sync_status == "NOT_SYNCED" else "BILL_PAYMENT_SYNC"] += 1
    for row in world.transactions.values():
        if row.sync_status == "SYNCED":
            transactions[row.settled.currency] += from_minor(row.settled.minor, row.settled.currency)
        elif row.sync_status == "SYNC_READY":
            ready["TRANSACTION_SYNC"] += 1
    others = {name: _synced(rows.values()) for name, rows in _others(world)}
    kinds = {"reimbursements": "REIMBURSEMENT_SYNC", "transfers": "TRANSFER_SYNC"}
    for name, rows in _others(world):
        if waiting := sum(row.sync_status == "SYNC_READY" for row in rows.values()):
            ready[kinds.get(name, world.options.cashback_sync_type)] = waiting
    return Totals(
        bills=dict(bills),
        bill_payments=dict(payments),
        transactions=dict(transactions),
        marks=dict(Counter(mark.kind for mark in world.marks)),
        failed=dict(Counter(mark.kind for mark in world.failed)),
        exported=dict(Counter(kind for kind, _object_id in world.exported)),
        ready=dict(ready),
        **others,
    )


def _others(world: World) -> list[tuple[str, dict[str, Any]]]:
    """What is neither bill nor card transaction."""
    return [(name, rows) for name, rows in world.tables().items() if name != "transactions"]


def _synced(rows: Iterable[Any]) -> dict[str, Decimal]:
    """Sums by currency of what is marked synced; both directions of reimbursements count as they stand."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.sync_status == "SYNCED":
            money = row.paid if isinstance(row, Reimbursement) else row.amount
            sums[money.currency] += from_minor(money.minor, money.currency)
    return dict(sums)
