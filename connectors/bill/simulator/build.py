"""Adding and changing single objects the way an organization's people do, with the events that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from connectors.bill.simulator.records import (
    FAILED,
    Approval,
    Approver,
    Bill,
    BillPayment,
    CreditUse,
    Entry,
    Line,
    ListName,
    Payment,
    PaymentStatus,
    Vendor,
    VendorCredit,
)
from connectors.bill.simulator.world import World

# The `singleStatus` that a payment begins with, by its status; also where it goes when only the status is said.
_SINGLE: Mapping[PaymentStatus, str] = {
    "APPROVING": "SCHEDULED", "SCHEDULED": "SCHEDULED", "PAID": "CLEARED", "VOID": "VOIDED", "CANCELLED": "CANCELED",
    "ARCHIVED": "CLEARED",
}  # fmt: skip
# The `status` that belongs to a `singleStatus`. ASSUMED: a payment whose disbursement failed is still PAID.
_STATUS: Mapping[str, PaymentStatus] = {
    "SCHEDULED": "SCHEDULED", "FUNDING_STARTED": "SCHEDULED", "FUNDING_FAILED_ACTION_NEEDED": "SCHEDULED",
    "VOIDED": "VOID", "FUNDING_FAILED_VOIDED": "VOID", "CANCELED": "CANCELLED",
}  # fmt: skip


def add_entry(world: World, kind: ListName, name: str, number: str = "", **fields: Any) -> Entry:
    """A new entry of a list that lines are coded to; its id belongs to its name."""
    now = world.now
    made = replace(Entry(world.new_id(kind, name), name, now, now, number), **fields)
    world.lists[kind][made.id] = made
    return made


def add_path(world: World, kind: ListName, path: str, number: str = "", **fields: Any) -> Entry:
    """A new entry under what its name says is above it, `Above:Below`, as lists that came from QuickBooks are."""
    above, _, name = path.rpartition(":")
    parent = (entry_of(world, kind, above) or add_path(world, kind, above)).id if above else None
    now = world.now
    made = replace(Entry(world.new_id(kind, path), name, now, now, number, parent_id=parent), **fields)
    world.lists[kind][made.id] = made
    return made


def entry_of(world: World, kind: ListName, path: str) -> Entry | None:
    """The entry of that full name."""
    return next((entry for entry in world.lists[kind].values() if path_of(world, kind, entry) == path), None)


def path_of(world: World, kind: ListName, entry: Entry) -> str:
    """The names from the topmost entry down to this one."""
    parent = world.lists[kind].get(entry.parent_id or "")
    return f"{path_of(world, kind, parent)}:{entry.name}" if parent else entry.name


def add_vendor(world: World, name: str, **fields: Any) -> Vendor:
    """A new vendor; `fields` are those of `records.Vendor`."""
    now = world.now
    made = replace(Vendor(fields.pop("id", None) or world.new_id("vendor"), name, now, now), **fields)
    world.vendors[made.id] = made
    world.emit("vendor.created", made.id)
    return made


def edit_vendor(world: World, vendor_id: str, **fields: Any) -> Vendor:
    """Change a vendor."""
    before = world.vendors[vendor_id]
    made = world.vendors[vendor_id] = replace(before, **{"updated": world.now, **fields})
    verb = "updated"
    if made.archived is not before.archived:
        verb = "archived" if made.archived else "restored"
    world.emit(f"vendor.{verb}", vendor_id)
    return made


def add_bill(world: World, lines: Sequence[Line], **fields: Any) -> Bill:
    """A new bill, approved unless told otherwise; `fields` are those of `records.Bill`."""
    now = world.now
    made = Bill(
        fields.pop("id", None) or world.new_id("bill"),
        fields.pop("vendor_id", None) or next(iter(world.vendors), "") or add_vendor(world, "Acme Supplies").id,
        _numbered(world, "line", lines),
        fields.pop("due_on", None) or now.date() + timedelta(days=30),
        now,
        now,
        f"INV-{1000 + len(world.bills)}",
        now.date(),
    )
    made = replace(made, **fields)
    if made.approval in ("ASSIGNED", "APPROVING"):
        made = replace(made, approvers=(Approver(world.user_id, "WAITING", 1, made.created),))
    world.bills[made.id] = made
    world.emit("bill.created", made.id)
    return made


def edit_bill(world: World, bill_id: str, **fields: Any) -> Bill:
    """Change a bill; lines that are given without an id get one."""
    if "lines" in fields:
        fields["lines"] = _numbered(world, "line", fields["lines"])
    made = world.change_bill(bill_id, **fields)
    world.emit("bill.updated", bill_id)
    return made


def approve_bill(world: World, bill_id: str, approval: Approval = "APPROVED") -> Bill:
    """Approve a bill, or deny it. Whether that is a change of the bill is not established."""
    touches, now = world.options.approval_touches, world.now
    status = {"APPROVED": "APPROVED", "DENIED": "DENIED"}.get(approval, "WAITING")
    asked = tuple(replace(item, status=status, changed=now) for item in world.bills[bill_id].approvers)
    made = world.change_bill(bill_id, touch=touches, approval=approval, approvers=asked)
    if touches:
        world.emit("bill.updated", bill_id)
    return made


def archive_bill(world: World, bill_id: str, *, is_archived: bool = True) -> Bill:
    """Archive a bill, or restore it: BILL deletes nothing."""
    if world.bills[bill_id].archived is is_archived:
        return world.bills[bill_id]
    made = world.change_bill(bill_id, archived=is_archived)
    world.emit("bill.archived" if is_archived else "bill.restored", bill_id)
    return made


def add_credit(world: World, vendor_id: str, lines: Sequence[Line], **fields: Any) -> VendorCredit:
    """A new vendor credit; `fields` are those of `records.VendorCredit`."""
    now = world.now
    numbered = _numbered(world, "credit-line", lines)
    credit_id = fields.pop("id", None) or world.new_id("credit")
    made = VendorCredit(credit_id, vendor_id, numbered, now.date(), now, now, f"VC-{100 + len(world.credits)}")
    made = replace(made, **fields)
    world.credits[made.id] = made
    return made


def edit_credit(world: World, credit_id: str, **fields: Any) -> VendorCredit:
    """Change a vendor credit, or archive it."""
    if "lines" in fields:
        fields["lines"] = _numbered(world, "credit-line", fields["lines"])
    world.credits[credit_id] = replace(world.credits[credit_id], **{"updated": world.now, **fields})
    return world.credits[credit_id]


def pay(
    world: World,
    cash: Mapping[str, Decimal],
    credits_used: Mapping[str, Mapping[str, Decimal]] | None = None,
    *,
    on: date | None = None,
    **fields: Any,
) -> Payment:
    """One payment of bills of one vendor: money by bill id, and by bill id the credits beside it.

    `fields` are those of `records.Payment`. Nothing is checked: a golden case may want what BILL would refuse.
    """
    used = credits_used or {}
    parts = tuple(
        BillPayment(
            world.new_id("bill-payment"),
            bill_id,
            cash.get(bill_id, Decimal(0)),
            tuple(CreditUse(credit_id, amount) for credit_id, amount in used.get(bill_id, {}).items()),
        )
        for bill_id in dict.fromkeys((*cash, *used))
    )
    now = world.now
    status: PaymentStatus = fields.get("status", "PAID")
    made = Payment(
        fields.pop("id", None) or world.new_id("payment"),
        world.bills[parts[0].bill_id].vendor_id,
        parts,
        on or now.date(),
        now,
        now,
        status,
        fields.pop("single_status", None) or _SINGLE[status],
        transaction_number=f"P{now:%y%m%d}-{len(world.payments) + 1:07d}",
    )
    if fields.get("is_online", True):
        made = replace(made, confirmation_number=f"{world.names.text('confirmation', 8).upper()}")
    made = replace(made, **fields)
    world.put_payment(made)
    _touch(world, made)
    world.emit("payment.updated", made.id)
    return made


def set_payment(
    world: World, payment_id: str, status: PaymentStatus | None = None, single_status: str | None = None
) -> Payment:
    """A payment goes on: it clears, fails, is voided or cancelled; what is not said follows from what is.

    A payment that is voided or cancelled pays nothing: its bills are due again, and its credits are free.
    """
    before = world.payments[payment_id]
    # A payment that is archived says nothing new beside it.
    single = single_status or (before.single_status if status == "ARCHIVED" else _SINGLE[status or before.status])
    status = status or _STATUS.get(single, "PAID")
    voided = world.now if status == "VOID" else before.voided_at
    made = replace(before, status=status, single_status=single, updated=world.now, voided_at=voided)
    world.payments[payment_id] = made
    _touch(world, made)
    world.emit("payment.failed" if single in FAILED else "payment.updated", payment_id)
    return made


def _touch(world: World, payment: Payment) -> None:
    """What a payment changes besides itself: its bills, unless that does not count, and the credits it uses."""
    for part in payment.parts:
        if world.options.payment_touches:
            world.change_bill(part.bill_id)
            world.emit("bill.updated", part.bill_id)
        for use in part.credits:
            world.credits[use.credit_id] = replace(world.credits[use.credit_id], updated=world.now)


def _numbered(world: World, kind: str, lines: Sequence[Line]) -> tuple[Line, ...]:
    return tuple(line if line.id else replace(line, id=world.new_id(kind)) for line in lines)
