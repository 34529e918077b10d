"""The part of a script that tells of entities, reimbursements, transfers, cashbacks, vendor credits and the sync button."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from connectors.ramp.simulator import outbuild
from connectors.ramp.simulator.outrecords import Reimbursement
from connectors.ramp.simulator.records import Line, Money
from connectors.ramp.simulator.story import Story, coding, date_of, expanded, known, minor_of, moment_of, option
from connectors.ramp.simulator.world import World
from engine.contract import Json

# What other parts refer to, and what refers to them.
FIRST_PARTS = ("entities",)
OTHER_PARTS = ("reimbursements", "transfers", "cashbacks", "vendor_credits")
# The entity that is there from the start, by this name.
MAIN = "main"
_ENTITY = ("name", "currency", "accounts")
_REIMBURSEMENT = (
    *("merchant", "amount", "currency", "on", "direction", "type", "state", "ready", "memo", "account", "class"),
    *("customer", "lines", "id", "entity", "provider", "paid_with", "spent"),
)
_MONEY = ("amount", "currency", "on", "ready", "id", "entity", "status")
_CREDIT = (
    *("vendor", "on", "currency", "lines", "account", "class", "customer", "reference", "applied", "id", "entity"),
    "provider",
)
_TABLES = {"reimbursements": "reimbursement", "transfers": "transfer", "cashbacks": "cashback"}


def tell_first(story: Story, given: Json) -> None:
    """Add entities; `main` is the one that is there already."""
    world = story.simulator.world
    story.ids.setdefault(f"entity:{MAIN}", world.primary_entity().id)
    for name, value in given.get("entities", {}).items():
        known(f"entities.{name}", value, _ENTITY)
        uses = tuple((usage, option(story, "accounts", text)) for usage, text in value.get("accounts", {}).items())
        if name == MAIN:
            named = {"name": value["name"]} if "name" in value else {}
            outbuild.edit_entity(world, story.id_of("entity", MAIN), accounts=uses, **named)
        else:
            made = outbuild.add_entity(world, value.get("name", name), value.get("currency", "USD"), uses)
            story.ids[f"entity:{name}"] = made.id


def tell_others(story: Story, given: Json) -> None:
    """Add reimbursements, transfers, cashbacks and vendor credits."""
    for name, value in given.get("reimbursements", {}).items():
        _reimbursement(story, name, value)
    for name, value in given.get("transfers", {}).items():
        status = {"status": value["status"]} if "status" in value else {}
        outbuild.add_transfer(story.simulator.world, **_plain(story, "transfer", name, value), **status)
    for name, value in given.get("cashbacks", {}).items():
        outbuild.add_cashback(story.simulator.world, **_plain(story, "cashback", name, value))
    for name, value in given.get("vendor_credits", {}).items():
        _credit(story, name, value)


def other_contents(world: World, names: Mapping[str, str]) -> list[str]:
    """What is marked beside bills and transactions, with its sync status, as Ramp's pages show it."""
    lines = []
    for table, noun in _TABLES.items():
        for row in world.tables()[table].values():
            money = row.paid if isinstance(row, Reimbursement) else row.amount
            about = row.direction if isinstance(row, Reimbursement) else money.currency
            lines.append(f"{noun} {names.get(row.id, row.id)} | {about} | {row.sync_status}")
    lines += [
        f"vendor credit {names.get(row.id, row.id)} | {row.reference or ''} | {row.currency}"
        for row in world.vendor_credits.values()
    ]
    return lines


def _reimbursement(story: Story, name: str, given: Json) -> None:
    known(f"reimbursements.{name}", given, _REIMBURSEMENT)
    currency, spent_on = given.get("currency", "USD"), date_of(given["on"])
    paid = Money(minor_of(given["amount"], currency), currency)
    texts = {"direction": "direction", "type": "kind", "state": "state", "memo": "memo", "paid_with": "payment_id"}
    fields: dict[str, Any] = {to: given[key] for key, to in texts.items() if key in given}
    if "spent" in given:
        other = given["spent"]["currency"]
        fields["spent"] = Money(minor_of(given["spent"]["amount"], other), other)
    else:
        fields["spent"] = paid
    outbuild.add_reimbursement(
        story.simulator.world,
        paid,
        lines=_lines(story, given, paid),
        id=story.new_id("reimbursement", name, given),
        merchant_name=given["merchant"],
        spent_on=spent_on,
        created_at=moment_of(spent_on),
        updated_at=moment_of(spent_on),
        **_common(story, given),
        **fields,
    )


def _plain(story: Story, kind: str, name: str, given: Json) -> dict[str, Any]:
    """What transfers and cashbacks have in common."""
    known(f"{kind}s.{name}", given, _MONEY)
    currency = given.get("currency", "USD")
    return {
        "amount": Money(minor_of(given["amount"], currency), currency),
        "id": story.new_id(kind, name, given),
        "created_at": moment_of(date_of(given["on"])),
        **_common(story, given),
    }


def _common(story: Story, given: Json) -> dict[str, Any]:
    """Entity and sync status, when the case says them."""
    fields: dict[str, Any] = {}
    if "entity" in given:
        fields["entity_id"] = story.id_of("entity", given["entity"])
    if "ready" in given:
        fields["sync_status"] = "SYNC_READY" if given["ready"] else "NOT_SYNC_READY"
    return fields


def _lines(story: Story, given: Json, whole: Money) -> list[Line]:
    if "lines" not in given:
        return [Line(whole.minor, coding(story, given, given))]
    return [
        Line(minor_of(line["amount"], whole.currency), coding(story, line, given), line.get("memo"))
        for line in expanded(given["lines"])
    ]


def _credit(story: Story, name: str, given: Json) -> None:
    known(f"vendor_credits.{name}", given, _CREDIT)
    currency, day = given.get("currency", "USD"), date_of(given["on"])
    applied = tuple(
        (story.id_of("bill", bill), minor_of(text, currency)) for bill, text in given.get("applied", {}).items()
    )
    outbuild.add_credit(
        story.simulator.world,
        story.id_of("vendor", given["vendor"]),
        _lines(story, given, Money(0, currency)),
        id=story.new_id("vendor_credit", name, given),
        currency=currency,
        credited_on=day,
        created_at=moment_of(day),
        reference=given.get("reference"),
        applied=applied,
        **_common(story, given),
    )


def _edit_reimbursement(story: Story, value: Json) -> None:
    """A person makes a reimbursement ready, or takes that back."""
    known("edit_reimbursement", value, ("reimbursement", "ready"))
    rows, row_id = story.simulator.world.reimbursements, story.id_of("reimbursement", value["reimbursement"])
    rows[row_id] = replace(rows[row_id], updated_at=story.simulator.world.now, **_common(story, value))


OTHER_ACTIONS: Mapping[str, Callable[[Story, Any], None]] = {
    "edit_reimbursement": _edit_reimbursement,
    "click_sync": lambda story, table: _done(story.simulator.click_sync(table)),
}


def _done(_value: object) -> None:
    return
