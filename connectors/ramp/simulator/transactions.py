"""Card transactions: their JSON in both profiles, their list with its filters, and one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectors.ramp.simulator.coding import transaction_selection
from connectors.ramp.simulator.records import Transaction, TransactionLine
from connectors.ramp.simulator.wire import (
    JsonObject,
    Request,
    amount,
    check_uuid,
    choice,
    decimal,
    flag,
    identifier,
    major,
    moment,
    not_found,
    page,
    reply,
    signed_amount,
    text_time,
    within,
)
from connectors.ramp.simulator.world import World, requested_ids
from engine.contract import HttpReply
from engine.money import exponent

STATES = ("ALL", "CLEARED", "COMPLETION", "DECLINED", "ERROR", "PENDING", "PENDING_INITIATION")
SYNC_STATUSES = ("NOT_SYNC_READY", "SYNCED", "SYNC_READY")
_ORDERS: dict[str, tuple[Callable[[Transaction], Any], bool]] = {
    "order_by_date_asc": (lambda row: row.happened_at, False),
    "order_by_date_desc": (lambda row: row.happened_at, True),
    "order_by_amount_asc": (lambda row: major(row.settled), False),
    "order_by_amount_desc": (lambda row: major(row.settled), True),
}


def list_transactions(world: World, request: Request) -> HttpReply:
    """GET /transactions; declined ones show only when asked for."""
    rows = list(world.transactions.values())
    for name, (key, descending) in _ORDERS.items():
        if flag(request, name):
            rows.sort(key=key, reverse=descending)
    return page(request, rows, _filter(world, request), lambda row: show_transaction(world, row))


def get_transaction(world: World, request: Request) -> HttpReply:
    """GET /transactions/{id}."""
    found = world.transactions.get(check_uuid(request.params[0], "transaction_id"))
    if found is None:
        raise not_found("Transaction")
    return reply(200, show_transaction(world, found))


def _filter(world: World, request: Request) -> Callable[[Transaction], bool]:
    state = choice(request, "state", STATES)
    sync = choice(request, "sync_status", SYNC_STATUSES)
    ready = flag(request, "sync_ready")
    unsynced = flag(request, "has_no_sync_commits")
    same = [(identifier(request, name), name) for name in ("entity_id", "merchant_id", "card_id", "user_id")]
    dates = moment(request, "from_date"), moment(request, "to_date")
    synced = moment(request, "synced_after")
    asked = requested_ids(world, "transactions") if flag(request, "requested_to_sync") else None
    # Missing from the parameter list of the OpenAPI file, in the changelog of 2025-06-25, and inclusive.
    updated = moment(request, "updated_after")
    sums = decimal(request, "min_amount"), decimal(request, "max_amount")

    def keep(row: Transaction) -> bool:
        return (
            (row.state != "DECLINED" if state is None else state in {"ALL", row.state})
            and (sync is None or row.sync_status == sync)
            and (ready is None or (row.sync_status == "SYNC_READY") is ready)
            and (unsynced is None or (row.sync_status != "SYNCED") is unsynced)
            and all(wanted is None or getattr(row, name) == wanted for wanted, name in same)
            and within(row.happened_at, *dates)
            and within(row.synced_at, synced, None)
            and within(row.updated_at, updated, None)
            and within(major(row.settled), *sums)
            and (asked is None or row.id in asked)
        )

    return keep


def needs_vendor(world: World, row: Transaction) -> bool:
    """Whether the connection wants an accounting vendor on every transaction and this one has none."""
    active = world.connection()
    if active is None or not active.setting("transaction_accounting_vendor_creation_on_sync_enabled"):
        return False
    selections = [*row.selections, *(item for line in row.lines for item in line.selections)]
    return all(item.kind != "MERCHANT" for item in selections)


def show_transaction(world: World, row: Transaction) -> JsonObject:
    """A transaction as the API prints it; coding sits on the lines, and the header's list is empty in practice."""
    user = world.users[row.user_id]
    body: JsonObject = {
        "accounting_categories": [],
        "accounting_date": text_time((row.settled_at or row.happened_at).date()),
        "accounting_field_selections": [transaction_selection(world, item) for item in row.selections],
        "amount": major(row.settled),
        "attendees": [],
        "card_holder": {
            "department_id": user.department_id,
            "department_name": world.departments[user.department_id].name,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "user_id": user.id,
        },
        "card_id": row.card_id,
        "card_present": False,
        "currency_code": row.settled.currency,
        "disputes": [],
        "entity_id": row.entity_id,
        "id": row.id,
        "limit_id": world.names.fixed("limit", row.card_id),
        "line_items": [_line(world, line) for line in row.lines],
        "memo": row.memo,
        "merchant_category_code": "5814",
        "merchant_category_code_description": "Fast Food Restaurants",
        "merchant_descriptor": row.merchant_name.upper()[:22],
        "merchant_id": row.merchant_id,
        "merchant_location": {"city": "New York", "country": "USA", "postal_code": "10003", "state": "NY"},
        "merchant_name": row.merchant_name,
        "original_transaction_amount": amount(row.original, world.profile),
        "policy_violations": [],
        "receipts": list(row.receipts),
        "settlement_date": text_time(row.settled_at),
        "sk_category_id": 30,
        "sk_category_name": "General merchandise",
        "state": row.state,
        "sync_status": row.sync_status,
        "synced_at": text_time(row.synced_at),
        "user_transaction_time": text_time(row.happened_at),
    }
    if world.profile == "2026-08":
        body |= _since_2026(world, row)
    return body


def _since_2026(world: World, row: Transaction) -> JsonObject:
    body: JsonObject = {
        "all_requirements_met_and_approved": row.sync_status != "NOT_SYNC_READY",
        "entity_amount": signed_amount(row.settled),
        "fund_id": None,
        "merchant_amount": signed_amount(row.original),
        "minor_unit_conversion_rate": 10 ** exponent(row.settled.currency),
        "network_merchant_id": None,
        "original_transaction_id": None,
        "updated_at": text_time(row.updated_at),
    }
    if needs_vendor(world, row):
        body["requires_accounting_vendor_creation_to_sync"] = True
    return body


def _line(world: World, line: TransactionLine) -> JsonObject:
    return {
        "accounting_field_selections": [transaction_selection(world, item) for item in line.selections],
        "amount": amount(line.amount, world.profile),
        "converted_amount": None if line.converted is None else amount(line.converted, world.profile),
        "memo": line.memo,
    }
