"""What calls of ours entered, a line each, for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from connectors.ramp.simulator.records import Bill, Draft, Line, Selection
from connectors.ramp.simulator.world import World
from engine.money import from_minor


def contents(world: World, names: Mapping[str, str]) -> list[str]:
    """Vendors, bills, drafts and the coding of card transactions that came over the API."""
    lines = [
        f"entered vendor {vendor.name} | {vendor.external_id or 'no id'} | {vendor.country} | {vendor.contact[0]}"
        for vendor in world.vendors.values()
        if vendor.by_api
    ]
    for bill in world.bills.values():
        if bill.by_api:
            lines += _bill(world, bill, names)
    for draft in world.drafts.values():
        lines += _draft(world, draft)
    for row in world.transactions.values():
        if row.coded_by_api:
            coding = [*row.selections, *(item for line in row.lines for item in line.selections)]
            parts = [_coding(coding), row.memo or "no memo", f"{len(row.receipts)} receipts"]
            lines.append(f"coded transaction {names.get(row.id, row.id)} | {' | '.join(parts)}")
    return lines


def _bill(world: World, bill: Bill, names: Mapping[str, str]) -> list[str]:
    state: str = "archived" if bill.archived_at is not None else bill.status
    if bill.payment is not None and bill.payment.manual:
        state = f"{state} {bill.payment.manual} {bill.payment.paid_on}"
    head = (
        f"entered bill {bill.remote_id or names.get(bill.id, bill.id)} | {world.vendors[bill.vendor_id].name} | "
        f"{bill.invoice_number} | {from_minor(bill.minor, bill.currency)} {bill.currency} | "
        f"{bill.issued_on} due {bill.due_on} | {state}"
    )
    return [head + (f" | {bill.memo}" if bill.memo else ""), *_lines(bill.lines, bill.currency)]


def _draft(world: World, draft: Draft) -> list[str]:
    head = (
        f"entered draft {draft.remote_id} | {world.vendors[draft.vendor_id].name} | {draft.invoice_number} | "
        f"{from_minor(draft.minor, draft.currency)} {draft.currency} | {draft.issued_on} due {draft.due_on}"
    )
    return [head, *_lines(draft.lines, draft.currency)]


def _lines(lines: Iterable[Line], currency: str) -> list[str]:
    return [
        f"  {from_minor(line.minor, currency)} | {_coding(line.selections)}" + (f" | {line.memo}" if line.memo else "")
        for line in lines
    ]


def _coding(selections: Iterable[Selection]) -> str:
    return ", ".join(item.account.name for item in selections) or "not coded"
