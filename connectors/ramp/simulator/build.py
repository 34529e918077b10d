"""Adding and changing single objects the way Ramp's users do, with the events that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from connectors.ramp.simulator.records import (
    Account,
    Bill,
    Line,
    Money,
    Payment,
    Selection,
    SelectionKind,
    Transaction,
    TransactionLine,
    Vendor,
)
from connectors.ramp.simulator.world import World, bill_ready

SETTLED_STATES = ("CLEARED", "COMPLETION")


def coded(
    account: Account | None,
    tag: Account | None = None,
    customer: Account | None = None,
    merchant: Account | None = None,
) -> tuple[Selection, ...]:
    """The selections of a line: its account, class, customer:job and accounting vendor, each if given."""
    parts: tuple[tuple[SelectionKind, Account | None], ...] = (
        ("GL_ACCOUNT", account),
        ("COST_CENTER", tag),
        ("CUSTOMERS_JOBS", customer),
        ("MERCHANT", merchant),
    )
    return tuple(Selection(kind, item) for kind, item in parts if item is not None)


def card_line(settled: Money, selections: Sequence[Selection] = (), original: Money | None = None) -> TransactionLine:
    """A line of a card transaction. Seen live: `amount` is in the merchant's currency, the header is not."""
    return TransactionLine(original or settled, settled, tuple(selections))


def add_vendor(world: World, name: str, **fields: Any) -> Vendor:
    """A new vendor; `fields` are those of `records.Vendor`."""
    owner = next(iter(world.users))
    made = Vendor(world.names.uuid("vendor"), name, world.now, owner, world.names.uuid("contact"))
    made = replace(made, **fields)
    world.vendors[made.id] = made
    if world.profile == "2026-08":
        world.emit("vendors.activated", made.id)
    return made


def add_bill(
    world: World, lines: Sequence[Line], *, vendor_id: str = "", issued_on: date | None = None, **fields: Any
) -> Bill:
    """A new bill, approved unless told otherwise; `fields` are those of `records.Bill`."""
    vendor = vendor_id or (next(iter(world.vendors), "") or add_vendor(world, "Acme Supplies").id)
    issued = issued_on or world.now.date()
    bill_id = world.names.uuid("bill")
    made = Bill(
        id=bill_id,
        vendor_id=vendor,
        entity_id=world.primary_entity().id,
        owner_id=next(iter(world.users)),
        invoice_number=f"INV-{1000 + len(world.bills)}",
        currency=world.options.currency,
        issued_on=issued,
        due_on=fields.get("due_on") or issued + timedelta(days=30),
        created_at=world.now,
        lines=tuple(lines),
    )
    made = replace(made, **fields)
    world.bills[made.id] = made
    world.emit("bills.created", made.id)
    if made.approval == "APPROVED":
        world.emit("bills.approved", made.id)
    elif made.approval == "REJECTED":
        world.emit("bills.rejected", made.id)
    _announce_ready(world, made)
    return made


def edit_bill(world: World, bill_id: str, **fields: Any) -> Bill:
    """Change a bill in Ramp's own pages; approval and payment have events of their own."""
    before = world.bills[bill_id]
    made = world.change_bill(bill_id, **fields)
    if made.approval == "APPROVED" and before.approval != "APPROVED":
        world.emit("bills.approved", bill_id)
    elif world.profile == "2026-08":
        world.emit("bills.updated", bill_id)
    if not bill_ready(world, before):
        _announce_ready(world, made)
    return made


def pay_bill(
    world: World, bill_id: str, *, paid_on: date | None = None, minor: int | None = None, **fields: Any
) -> Bill:
    """Pay a bill; with `minor` below its amount, a vendor credit is taken to have covered the rest.

    `fields` are those of `records.Payment`; it is paid by ACH unless told otherwise.
    """
    bill = world.bills[bill_id]
    day = paid_on or world.now.date()
    payment = Payment(world.names.uuid("payment"), bill.minor if minor is None else minor, "ACH", day)
    payment = replace(payment, **fields)
    paid_at = datetime.combine(day, time(14, 2, 28), UTC)
    made = world.change_bill(bill_id, status="PAID", payment=payment, paid_at=paid_at)
    world.emit("bills.paid", bill_id)
    return made


def schedule_payment(world: World, bill_id: str, pay_on: date) -> Bill:
    """Schedule the payment of a bill: it shows a payment with a date to come, and stays open."""
    bill = world.bills[bill_id]
    return world.change_bill(bill_id, payment=Payment(world.names.uuid("payment"), bill.minor, "ACH", pay_on))


def archive(world: World, bill_id: str) -> Bill:
    """Archive a bill: it leaves the list and the sync_ready view."""
    made = world.change_bill(bill_id, archived_at=world.now)
    if world.profile == "2026-08":
        world.emit("bills.archived", bill_id)
    return made


def add_transaction(
    world: World,
    settled: Money,
    *,
    lines: Sequence[TransactionLine] = (),
    merchant: str = "Blue Bottle Coffee",
    **fields: Any,
) -> Transaction:
    """A new card transaction; `fields` are those of `records.Transaction`. Ready to sync once it has settled."""
    now = world.now
    user = list(world.users.values())[len(world.transactions) % len(world.users)]
    state = fields.get("state", "CLEARED")
    done = state in SETTLED_STATES
    chosen = tuple(lines) or (card_line(settled),)
    made = Transaction(
        id=world.names.uuid("transaction"),
        entity_id=world.primary_entity().id,
        user_id=user.id,
        card_id=world.names.fixed("card", user.id),
        merchant_id=world.names.fixed("merchant", merchant),
        merchant_name=merchant,
        settled=settled,
        original=settled if chosen[0].amount.currency == settled.currency else _sum(chosen),
        happened_at=now,
        updated_at=now,
        lines=chosen,
        sync_status="SYNC_READY" if done else "NOT_SYNC_READY",
        settled_at=now if done else None,
    )
    made = replace(made, **fields)
    world.transactions[made.id] = made
    _announce_transaction(world, made)
    return made


def edit_transaction(world: World, transaction_id: str, **fields: Any) -> Transaction:
    """Change a transaction in Ramp's own pages, for example code a line or let a pending one clear."""
    before = world.transactions[transaction_id]
    made = world.change_transaction(transaction_id, **fields)
    if made.state != before.state or made.sync_status != before.sync_status:
        _announce_transaction(world, made)
    return made


def _sum(lines: Sequence[TransactionLine]) -> Money:
    return Money(sum(line.amount.minor for line in lines), lines[0].amount.currency)


def _announce_transaction(world: World, row: Transaction) -> None:
    if row.state in SETTLED_STATES:
        world.emit("transactions.cleared", row.id)
    elif row.state == "PENDING":
        world.emit("transactions.authorized", row.id)
    if row.sync_status == "SYNC_READY":
        world.emit("transactions.ready_to_sync", row.id)


def _announce_ready(world: World, bill: Bill) -> None:
    # In the list of 2026; it does not fire again when the payment becomes ready, which `bills.paid` announces.
    if world.profile == "2026-08" and bill_ready(world, bill):
        world.emit("bills.ready_to_sync", bill.id)
