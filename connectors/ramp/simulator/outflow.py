"""Reimbursements, transfers, cashbacks and vendor credits: their JSON in both profiles, and their lists with filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectors.ramp.simulator.coding import transaction_selection
from connectors.ramp.simulator.outrecords import Cashback, Reimbursement, Transfer, VendorCredit
from connectors.ramp.simulator.records import Line, Money
from connectors.ramp.simulator.wire import (
    JsonObject,
    Request,
    amount,
    check_uuid,
    choice,
    flag,
    identifier,
    major,
    midnight,
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

SYNC_STATUSES = ("NOT_SYNC_READY", "SYNCED", "SYNC_READY")
DIRECTIONS = ("BUSINESS_TO_USER", "USER_TO_BUSINESS")


def list_reimbursements(world: World, request: Request) -> HttpReply:
    """GET /reimbursements: of one direction, what the business pays unless told otherwise; `state` is no filter."""
    direction = choice(request, "direction", DIRECTIONS) or DIRECTIONS[0]
    synced = _synced(world, request, "reimbursements")
    user = identifier(request, "user_id")
    spent = moment(request, "from_transaction_date"), moment(request, "to_transaction_date")
    updated = moment(request, "updated_after")

    def keep(row: Reimbursement) -> bool:
        return (
            row.direction == direction
            and synced(row)
            and (user is None or row.user_id == user)
            and within(midnight(row.spent_on), *spent)
            and within(row.updated_at, updated, None)
        )

    return page(request, list(world.reimbursements.values()), keep, lambda row: show_reimbursement(world, row))


def list_transfers(world: World, request: Request) -> HttpReply:
    """GET /transfers."""
    synced, status = _synced(world, request, "transfers"), request.get("status")
    dates = moment(request, "from_date"), moment(request, "to_date")

    def keep(row: Transfer) -> bool:
        return synced(row) and (status is None or row.status == status) and within(row.created_at, *dates)

    return page(request, list(world.transfers.values()), keep, lambda row: show_transfer(world, row))


def list_cashbacks(world: World, request: Request) -> HttpReply:
    """GET /cashbacks."""
    synced = _synced(world, request, "cashbacks")
    dates = moment(request, "from_date"), moment(request, "to_date")

    def keep(row: Cashback) -> bool:
        return synced(row) and within(row.created_at, *dates)

    return page(request, list(world.cashbacks.values()), keep, lambda row: show_cashback(world, row))


def list_credits(world: World, request: Request) -> HttpReply:
    """GET /vendors/credits, since 2026: those of which something is left, unless told otherwise."""
    entity, used = identifier(request, "entity_id"), flag(request, "include_fully_used")
    created = moment(request, "from_created_at"), moment(request, "to_created_at")
    dated = moment(request, "from_accounting_date"), moment(request, "to_accounting_date")

    def keep(row: VendorCredit) -> bool:
        return (
            (entity is None or row.entity_id == entity)
            and (used is True or row.applied_minor < row.minor)
            and within(row.created_at, *created)
            and within(midnight(row.credited_on), *dated)
        )

    return page(request, list(world.vendor_credits.values()), keep, lambda row: show_credit(world, row))


def get_reimbursement(world: World, request: Request) -> HttpReply:
    """GET /reimbursements/{id}."""
    return _one(request, "Reimbursement", world.reimbursements, lambda row: show_reimbursement(world, row))


def get_transfer(world: World, request: Request) -> HttpReply:
    """GET /transfers/{id}."""
    return _one(request, "Transfer", world.transfers, lambda row: show_transfer(world, row))


def get_cashback(world: World, request: Request) -> HttpReply:
    """GET /cashbacks/{id}."""
    return _one(request, "Cashback", world.cashbacks, lambda row: show_cashback(world, row))


def get_credit(world: World, request: Request) -> HttpReply:
    """GET /vendors/credits/{id}, since 2026."""
    return _one(request, "Vendor credit", world.vendor_credits, lambda row: show_credit(world, row))


def _one(request: Request, what: str, rows: dict[str, Any], show: Callable[[Any], JsonObject]) -> HttpReply:
    found = rows.get(check_uuid(request.params[0], "id"))
    if found is None:
        raise not_found(what)
    return reply(200, show(found))


def _synced(world: World, request: Request, table: str) -> Callable[[Any], bool]:
    """The filters that the three kinds share."""
    status, entity = choice(request, "sync_status", SYNC_STATUSES), identifier(request, "entity_id")
    ready, unsynced = flag(request, "sync_ready"), flag(request, "has_no_sync_commits")
    asked = requested_ids(world, table) if flag(request, "requested_to_sync") else None

    def keep(row: Any) -> bool:
        return (
            (status is None or row.sync_status == status)
            and (entity is None or row.entity_id == entity)
            and (ready is None or (row.sync_status == "SYNC_READY") is ready)
            and (unsynced is None or (row.sync_status != "SYNCED") is unsynced)
            and (asked is None or row.id in asked)
        )

    return keep


# --- JSON ---


def show_reimbursement(world: World, row: Reimbursement) -> JsonObject:
    """A reimbursement; its amounts changed their names and form in 2026."""
    user = world.users[row.user_id]
    body: JsonObject = {
        "accounting_date": text_time(row.spent_on),
        "accounting_field_selections": [transaction_selection(world, item) for item in row.selections],
        "approved_at": text_time(row.created_at),
        "attendees": [],
        "created_at": text_time(row.created_at),
        "direction": row.direction,
        "distance": None,
        "employee_id": world.names.fixed("employee", user.id),
        "end_location": None,
        "entity_id": row.entity_id,
        "id": row.id,
        "line_items": [_line(world, line, row.paid.currency) for line in row.lines],
        "memo": row.memo,
        "merchant": row.merchant_name,
        "merchant_id": world.names.fixed("merchant", row.merchant_name),
        "payment_id": row.payment_id,
        "receipts": [],
        "spend_limit_id": None,
        "start_location": None,
        "state": row.state,
        "submitted_at": text_time(row.created_at),
        "sync_status": row.sync_status,
        "synced_at": text_time(row.synced_at),
        "transaction_date": row.spent_on.isoformat(),
        "type": row.kind,
        "updated_at": text_time(row.updated_at),
        "user_email": user.email,
        "user_full_name": f"{user.first_name} {user.last_name}",
        "user_id": user.id,
        "waypoints": [],
    }
    if world.profile == "2026-08":
        return body | {
            "entity_amount": signed_amount(row.paid),
            "fund_id": None,
            "merchant_amount": signed_amount(row.spent),
            "payee_amount": signed_amount(row.paid),
            "payment_batch_id": row.payment_id,
            "payment_processed_at": text_time(row.created_at) if row.payment_id else None,
            "trace_id": None,
        }
    return body | {
        "amount": major(row.paid),
        "currency": row.paid.currency,
        "original_reimbursement_amount": amount(row.spent, world.profile),
        "payee_amount": amount(row.paid, world.profile),
    }


def show_transfer(world: World, row: Transfer) -> JsonObject:
    """A transfer: no coding, its accounts are the entity's."""
    body: JsonObject = {
        "amount": amount(row.amount, world.profile),
        "created_at": text_time(row.created_at),
        "entity_id": row.entity_id,
        "id": row.id,
        "payment_id": row.payment_id,
        "status": row.status,
        "sync_status": row.sync_status,
    }
    if world.profile == "2026-08":
        body["bank_account_id"] = world.names.fixed("bank_account", row.entity_id)
    return body


def show_cashback(world: World, row: Cashback) -> JsonObject:
    """A cashback: no coding, its account is the entity's."""
    return {
        "amount": amount(row.amount, world.profile),
        "created_at": text_time(row.created_at),
        "entity_id": row.entity_id,
        "id": row.id,
        "sync_status": row.sync_status,
    }


def show_credit(world: World, row: VendorCredit) -> JsonObject:
    """A vendor credit. ASSUMED: its amounts are objects in minor units, as on bills."""

    def money(minor: int) -> JsonObject:
        return amount(Money(minor, row.currency), world.profile)

    return {
        "accounting_date": row.credited_on.isoformat(),
        "accounting_field_selections": [transaction_selection(world, item) for item in row.selections],
        "applied_bills": [{"amount": money(minor), "bill_id": bill_id} for bill_id, minor in row.applied],
        "applied_draft_bills": [],
        "created_at": text_time(row.created_at),
        "entity_id": row.entity_id,
        "expense_line_items": [_line(world, line, row.currency) for line in row.lines],
        "id": row.id,
        "inventory_line_items": [],
        "reference_bill_id": None,
        "reference_number": row.reference,
        "remaining_amount": money(row.minor - row.applied_minor),
        "total_amount": money(row.minor),
        "total_applied_amount": money(row.applied_minor),
        "vendor_id": row.vendor_id,
    }


def _line(world: World, line: Line, currency: str) -> JsonObject:
    return {
        "accounting_field_selections": [transaction_selection(world, item) for item in line.selections],
        "amount": amount(Money(line.minor, currency), world.profile),
        "memo": line.memo,
    }
