"""A Ramp business under a script: vendors, bills and transactions given as data, and what people do to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.ramp.simulator import billing, build, entered
from connectors.ramp.simulator.chartscript import (
    CHART_PARTS,
    change_connection,
    chart_contents,
    linked_vendors,
    tell_connection,
)
from connectors.ramp.simulator.enrich import add_account
from connectors.ramp.simulator.faults import Fault
from connectors.ramp.simulator.outscript import (
    FIRST_PARTS,
    OTHER_ACTIONS,
    OTHER_PARTS,
    other_contents,
    tell_first,
    tell_others,
)
from connectors.ramp.simulator.records import Account, Bill, Line, Money, Transaction, TransactionLine
from connectors.ramp.simulator.story import Story, coding, date_of, expanded, known, minor_of, moment_of, option
from engine.contract import Json
from engine.errors import UnknownName

_PARTS = ("accounts", "vendors", "bills", "transactions", "profile", *FIRST_PARTS, *OTHER_PARTS, *CHART_PARTS)
# What the sandbox reads of what a case gives, and not its script.
_ABOUT = ("settings", "counted", "syncs")
_ACCOUNT = ("name", "code", "classification", "active", "id")
_VENDOR = ("name", "country", "active", "external_id", "email", "id", "linked")
_BILL = (
    *("vendor", "invoice", "issued", "due", "posting", "currency", "memo", "approval", "remote_id", "account", "class"),
    *("customer", "lines", "paid", "scheduled", "id", "provider", "entity"),
)
_TRANSACTION = (
    *("merchant", "amount", "currency", "on", "state", "ready", "memo", "account", "class", "customer", "vendor"),
    *("lines", "id", "provider", "entity", "fields", "charged"),
)
_PAID = ("on", "amount", "method", "manual", "planned", "charges")


def tell(story: Story, given: Json) -> None:
    """Add accounts, entities, vendors, bills, transactions and all else that goes to the books."""
    known("ramp", given, (*_PARTS, *_ABOUT))
    tell_connection(story, given)
    for name, value in given.get("accounts", {}).items():
        _account(story, name, value if isinstance(value, dict) else {"name": value})
    tell_first(story, given)
    for name, value in given.get("vendors", {}).items():
        _vendor(story, name, value if isinstance(value, dict) else {"name": value})
    for name, value in given.get("bills", {}).items():
        _bill(story, name, value)
    for name, value in given.get("transactions", {}).items():
        _transaction(story, name, value)
    tell_others(story, given)


def act(story: Story, action: str, value: Any) -> None:
    """What a person does in Ramp, or what befalls it."""
    if action not in _ACTIONS:
        raise UnknownName("action", action, tuple(_ACTIONS))
    _ACTIONS[action](story, value)


def contents(story: Story) -> list[str]:
    """Bills and transactions with their sync status, as Ramp's pages show them; then what calls of ours entered."""
    world = story.simulator.world
    names = {id_: key.partition(":")[2] for key, id_ in story.ids.items()}
    lines = [
        f"bill {names.get(bill.id, bill.id)} | {bill.invoice_number} | {bill.status} | {bill.sync_status}"
        for bill in world.bills.values()
        if not bill.by_api
    ]
    lines += [
        f"transaction {names.get(row.id, row.id)} | {row.merchant_name} | {row.state} | {row.sync_status}"
        for row in world.transactions.values()
    ]
    ours = [*linked_vendors(world), *chart_contents(world), *entered.contents(world, names)]
    return lines + other_contents(world, names) + ours


# --- making -----------------------------------------------------------------------------------------------------------


def _account(story: Story, name: str, given: Json) -> None:
    """A GL account; its id in the accounting system is the name that the case gives it, unless it says another."""
    known(f"accounts.{name}", given, _ACCOUNT)
    account = Account(str(given.get("id", name)), given["name"], str(given.get("code", "")))
    kind = given.get("classification", "EXPENSE")
    add_account(story.simulator.world, account, kind, is_active=given.get("active", True))


def _vendor(story: Story, name: str, given: Json) -> None:
    known(f"vendors.{name}", given, _VENDOR)
    story.simulator.add_vendor(
        given["name"],
        id=story.new_id("vendor", name, given),
        country=given.get("country", "US"),
        is_active=given.get("active", True),
        external_id=given.get("external_id"),
        contact=(given.get("email", ""), None, None, None),
        accounting=option(story, "vendors", given["linked"]) if "linked" in given else None,
    )


def _bill(story: Story, name: str, given: Json) -> None:
    known(f"bills.{name}", given, _BILL)
    fields = _bill_fields(story, given)
    issued = date_of(given["issued"])
    fields.setdefault("due_on", issued)
    lines = fields.pop("lines")
    made = story.simulator.add_bill(
        lines,
        vendor_id=story.id_of("vendor", given["vendor"]),
        issued_on=issued,
        created_at=moment_of(issued),
        id=story.new_id("bill", name, given),
        **fields,
    )
    _settle(story, made, given)


def _settle(story: Story, bill: Bill, given: Json) -> None:
    if "paid" in given:
        paid = given["paid"]
        known("paid", paid, _PAID)
        fields: dict[str, Any] = {key: paid[key] for key in ("method", "manual") if key in paid}
        if "amount" in paid:
            fields["minor"] = minor_of(paid["amount"], bill.currency)
        if "planned" in paid:
            fields["planned_on"] = date_of(paid["planned"])
        if "charges" in paid:
            # Such a transaction may be told of after its bill, under its own name.
            named = story.simulator.world.names.fixed
            fields["charges"] = tuple(
                story.ids.get(f"transaction:{c}", named("transaction", c)) for c in paid["charges"]
            )
        story.simulator.pay_bill(bill.id, paid_on=date_of(paid["on"]), **fields)
    if "scheduled" in given:
        build.schedule_payment(story.simulator.world, bill.id, date_of(given["scheduled"]))


def _bill_fields(story: Story, given: Json) -> dict[str, Any]:
    """What the case says of a bill, in the simulator's own terms; only what it says."""
    currency = given.get("currency", "USD")
    simple = {"invoice": "invoice_number", "memo": "memo", "approval": "approval", "remote_id": "remote_id"}
    fields: dict[str, Any] = {simple[key]: value for key, value in given.items() if key in simple}
    if "currency" in given:
        fields["currency"] = currency
    for key, to in (("due", "due_on"), ("posting", "posting_on")):
        if key in given:
            fields[to] = date_of(given[key])
    if "lines" in given:
        fields["lines"] = tuple(
            Line(minor_of(line["amount"], currency), coding(story, line, given), line.get("memo"))
            for line in expanded(given["lines"])
        )
    if "entity" in given:
        fields["entity_id"] = story.id_of("entity", given["entity"])
    header = coding(story, given, given)
    if header:
        fields["selections"] = header
    return fields


def _transaction(story: Story, name: str, given: Json) -> None:
    known(f"transactions.{name}", given, _TRANSACTION)
    currency, happened = given.get("currency", "USD"), moment_of(date_of(given["on"]))
    settled = Money(minor_of(given["amount"], currency), currency)
    fields: dict[str, Any] = {"state": given["state"]} if "state" in given else {}
    if "entity" in given:
        fields["entity_id"] = story.id_of("entity", given["entity"])
    if "ready" in given:
        fields["sync_status"] = "SYNC_READY" if given["ready"] else "NOT_SYNC_READY"
    if "charged" in given:
        fields["original"] = _charged(given)
    story.simulator.add_transaction(
        settled,
        id=story.new_id("transaction", name, given),
        merchant=given["merchant"],
        lines=_card_lines(story, given, settled),
        happened_at=happened,
        updated_at=happened,
        settled_at=happened,
        memo=given.get("memo"),
        selections=coding(story, {"vendor": given["vendor"]}, given) if "vendor" in given else (),
        **fields,
    )


def _charged(given: Json) -> Money:
    """What the merchant charged, in its own currency."""
    known("charged", given["charged"], ("amount", "currency"))
    currency = given["charged"]["currency"]
    return Money(minor_of(given["charged"]["amount"], currency), currency)


def _card_lines(story: Story, given: Json, settled: Money) -> list[TransactionLine]:
    if "lines" not in given:
        charged = _charged(given) if "charged" in given else settled
        return [TransactionLine(charged, settled, coding(story, given, given), None)]
    lines = []
    for line in expanded(given["lines"]):
        amount = Money(minor_of(line["amount"], settled.currency), settled.currency)
        lines.append(TransactionLine(amount, amount, coding(story, line, given), line.get("memo")))
    return lines


# --- acting -----------------------------------------------------------------------------------------------------------


def _pay(story: Story, value: Json) -> None:
    paid = {key: item for key, item in value.items() if key != "bill"}
    _settle(story, story.simulator.world.bills[story.id_of("bill", value["bill"])], {"paid": paid})


def _edit_bill(story: Story, value: Json) -> None:
    given = {key: item for key, item in value.items() if key != "bill"}
    known("edit_bill", given, _BILL)
    bill_id = story.id_of("bill", value["bill"])
    fields = _bill_fields(story, {"currency": story.simulator.world.bills[bill_id].currency, **given})
    story.simulator.edit_bill(bill_id, **fields)


def _edit_transaction(story: Story, value: Json) -> None:
    row: Transaction = story.simulator.world.transactions[story.id_of("transaction", value["transaction"])]
    given = {key: item for key, item in value.items() if key != "transaction"}
    known("edit_transaction", given, _TRANSACTION)
    fields: dict[str, Any] = {key: value[key] for key in ("state", "memo") if key in value}
    if "ready" in value:
        fields["sync_status"] = "SYNC_READY" if value["ready"] else "NOT_SYNC_READY"
    if {"account", "lines"} & set(value):
        fields["lines"] = tuple(_card_lines(story, given, row.settled))
    build.edit_transaction(story.simulator.world, row.id, **fields)


def _export(story: Story, names: Sequence[str]) -> None:
    kinds = {key.partition(":")[2]: id_ for key, id_ in story.ids.items() if not key.startswith("vendor:")}
    story.simulator.export_button(*(kinds[name] for name in names))


def _vendor_active(story: Story, value: Json) -> None:
    vendors, vendor_id = story.simulator.world.vendors, story.id_of("vendor", value["vendor"])
    vendors[vendor_id] = replace(vendors[vendor_id], is_active=value["active"])


def _complete_draft(story: Story, remote_id: str) -> None:
    drafts = story.simulator.world.drafts.values()
    draft = next((item for item in drafts if item.remote_id == remote_id), None)
    if draft is None:
        raise UnknownName("draft", remote_id, tuple(str(item.remote_id) for item in drafts))
    billing.complete_draft(story.simulator.world, draft.id)


def _entered_bill(story: Story, remote_id: str) -> str:
    """The id of a bill that a call of ours entered, by our id of it."""
    bills = [item for item in story.simulator.world.bills.values() if item.by_api]
    found = next((item.id for item in bills if item.remote_id == remote_id), None)
    if found is None:
        raise UnknownName("remote id", remote_id, tuple(str(item.remote_id) for item in bills))
    return found


def _pay_entered(story: Story, remote_id: str) -> None:
    story.simulator.pay_bill(_entered_bill(story, remote_id))


def _archive_entered(story: Story, remote_id: str) -> None:
    story.simulator.archive(_entered_bill(story, remote_id))


def _delete_bill(story: Story, name: str) -> None:
    del story.simulator.world.bills[story.id_of("bill", name)]


def _plan_fault(story: Story, value: Json) -> None:
    """The next requests that fit, one unless told otherwise, meet this fault."""
    where = {name: value[name] for name in ("method", "path") if name in value}
    story.simulator.faults.add(Fault(value["name"], at=tuple(range(int(value.get("times", 1)))), **where))


_ACTIONS: Mapping[str, Callable[[Story, Any], None]] = {
    "add": tell,
    "pay_bill": _pay,
    "edit_bill": _edit_bill,
    "edit_transaction": _edit_transaction,
    "archive_bill": lambda story, name: _done(story.simulator.archive(story.id_of("bill", name))),
    "delete_bill": _delete_bill,
    "export": _export,
    "vendor": _vendor_active,
    "complete_draft": _complete_draft,
    "pay_entered": _pay_entered,
    "archive_entered": _archive_entered,
    "fault": _plan_fault,
    "connection": change_connection,
    **OTHER_ACTIONS,
}


def _done(_value: object) -> None:
    return
