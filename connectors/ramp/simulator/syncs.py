"""Accounting syncs: which object may be marked how, what a call changes, and what a person's buttons do beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from connectors.ramp.simulator.records import FailedMark, Mark, Transaction
from connectors.ramp.simulator.transactions import needs_vendor
from connectors.ramp.simulator.wire import JsonObject, Request, check_uuid, invalid, refused, reply
from connectors.ramp.simulator.world import SyncRequest, World, bill_ready
from engine.contract import HttpReply

SHARED_TYPES = frozenset(
    {
        "BILL_PAYMENT_SYNC", "BILL_SYNC", "BROKERAGE_ORDER_SYNC", "REIMBURSEMENT_SYNC", "STATEMENT_CREDIT_SYNC",
        "TRANSACTION_SYNC", "TRANSFER_SYNC", "WALLET_TRANSFER_SYNC",
    }
)  # fmt: skip
OLD_TYPES = frozenset({"ACCRUAL_SYNC", "BANKING_TRANSACTION_SYNC", "PAYEE_SYNC", "TRACKING_CATEGORY_OPTION_SYNC"})
BILL_TYPES = ("BILL_SYNC", "BILL_PAYMENT_SYNC")
# What each sync type marks, beside bills and cashbacks.
TABLES = {
    "TRANSACTION_SYNC": "transactions",
    "REIMBURSEMENT_SYNC": "reimbursements",
    "TRANSFER_SYNC": "transfers",
}
NOUNS = {
    "transactions": "Transaction", "reimbursements": "Reimbursement", "transfers": "Transfer", "cashbacks": "Cashback",
}  # fmt: skip
BUTTONS = {"transactions": "TRANSACTION_SYNC", "reimbursements": "REIMBURSEMENT_SYNC"}
MOST = 5000
ButtonKind = Literal["transactions", "reimbursements"]


def post_sync(world: World, request: Request) -> HttpReply:
    """POST /accounting/syncs."""
    body = request.json()
    sync_type, good, bad = _validate(world, body)
    active = world.connection()
    if active is None:
        raise refused("There is no active accounting connection for this business.")
    if active.kind == "DIRECT":
        raise refused("Objects cannot be marked as synced while a direct accounting integration is connected.")
    key = str(body["idempotency_key"])
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    known = world.sync_calls.get(key)
    if known is not None:
        sync_id, first_digest = known
        # ASSUMED: Ramp says only that a key lets it recognise retries; how long one lives is not known, here for ever.
        if digest != first_digest and world.options.refuse_key_reuse:
            raise refused(
                "The idempotency key was used with a different request.", {"idempotency_key": ["Already used."]}
            )
        return reply(201, {"sync_id": sync_id})
    asked = _asked(world, body)
    faults = {item["id"]: fault for item in good if (fault := _objection(world, sync_type, item["id"])) is not None}
    unknown = {item["id"]: "Object not found." for item in bad if not _exists(world, sync_type, item["id"])}
    if (faults or unknown) and world.options.sync_all_or_nothing:
        raise refused("Some objects cannot be synced.", {id_: [text] for id_, text in (faults | unknown).items()})
    sync_id = world.names.uuid("sync")
    world.sync_calls[key] = (sync_id, digest)
    for item in good:
        if item["id"] not in faults:
            reference = str(item["reference_id"])
            _apply(world, sync_type, item, Mark(sync_id, sync_type, item["id"], reference, key, world.now, asked))
    for item in bad:
        if item["id"] not in unknown:
            message = str(item["error"]["message"])
            world.failed.append(FailedMark(sync_id, sync_type, item["id"], message, key, world.now, asked))
    told = frozenset(item["id"] for item in (*good, *bad) if item["id"] not in faults and item["id"] not in unknown)
    _answer(world, sync_type, asked, told)
    return reply(201, {"sync_id": sync_id})


def _asked(world: World, body: JsonObject) -> str:
    """The press of the sync button that a call answers; empty when it answers none that is still open."""
    given = body.get("sync_request_id")
    if given is None:
        return ""
    if not isinstance(given, str) or given not in world.sync_requests:
        if world.options.refuse_late_request:
            raise refused("The sync request is unknown or has expired.", {"sync_request_id": ["Not open."]})
        return ""
    return given


def _answer(world: World, sync_type: str, asked: str, told: frozenset[str]) -> None:
    """Take what was told off the presses of the sync button that wait for it."""
    for request in list(world.sync_requests.values()):
        counts = request.id == asked or not world.options.answer_needs_request
        if request.sync_type == sync_type and counts:
            world.sync_requests[request.id] = replace(request, answered=request.answered | told)


def _validate(world: World, body: JsonObject) -> tuple[str, list[JsonObject], list[JsonObject]]:
    errors: dict[str, list[str]] = {}
    key, sync_type = body.get("idempotency_key"), body.get("sync_type")
    allowed = SHARED_TYPES if world.profile == "2026-08" else SHARED_TYPES | OLD_TYPES
    if key is None:
        errors["idempotency_key"] = ["Missing data for required field."]
    elif not isinstance(key, str) or not key:
        errors["idempotency_key"] = ["Not a valid string."]
    if sync_type is None:
        errors["sync_type"] = ["Missing data for required field."]
    elif sync_type not in allowed:
        errors["sync_type"] = [f"Must be one of: {', '.join(sorted(allowed))}."]
    good = _items(body, "successful_syncs", errors)
    bad = _items(body, "failed_syncs", errors)
    # ASSUMED: a call that names no object at all is refused; the schema requires neither list.
    if not errors and not good and not bad:
        errors["successful_syncs"] = ["Missing data for required field."]
    for name, items in (("successful_syncs", good), ("failed_syncs", bad)):
        for index, item in enumerate(items):
            if problem := _item_problem(name, item):
                errors[f"{name}.{index}"] = [problem]
    if errors:
        raise invalid(errors)
    for item in (*good, *bad):
        item["id"] = check_uuid(item["id"], "id")
    return str(sync_type), good, bad


def _items(body: Mapping[str, Any], name: str, errors: dict[str, list[str]]) -> list[JsonObject]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        errors[name] = ["Not a valid list."]
        return []
    if not 1 <= len(value) <= MOST:
        errors[name] = [f"Length must be between 1 and {MOST}."]
        return []
    return value


def _item_problem(name: str, item: object) -> str | None:
    if not isinstance(item, dict):
        return "Invalid input type."
    if not isinstance(item.get("id"), str):
        return "id: Missing data for required field."
    if name == "successful_syncs":
        reference = item.get("reference_id")
        return None if isinstance(reference, str) and reference else "reference_id: Missing data for required field."
    error = item.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return None if isinstance(message, str) else "error.message: Missing data for required field."


def _table(world: World, sync_type: str) -> str:
    return "cashbacks" if sync_type == world.options.cashback_sync_type else TABLES.get(sync_type, "")


def _exists(world: World, sync_type: str, object_id: str) -> bool:
    if sync_type in BILL_TYPES:
        return object_id in world.bills
    return object_id in world.tables().get(_table(world, sync_type), ())


def _objection(world: World, sync_type: str, object_id: str) -> str | None:
    """Why an object cannot be marked now, or None."""
    if not _exists(world, sync_type, object_id):
        known = object_id in world.bills or any(object_id in rows for rows in world.tables().values())
        return f"{sync_type} is not valid for this object." if known else "Object not found."
    if sync_type in BILL_TYPES:
        return _bill_objection(world, sync_type, object_id)
    return _row_objection(world, _table(world, sync_type), object_id)


def _row_objection(world: World, table: str, object_id: str) -> str | None:
    row, noun = world.tables()[table][object_id], NOUNS[table]
    if row.sync_status == "SYNCED":
        return f"{noun} is already synced." if world.options.refuse_resync else None
    if row.sync_status != "SYNC_READY":
        return f"{noun} is not ready to sync."
    if isinstance(row, Transaction) and needs_vendor(world, row):
        return "Transaction requires an accounting vendor before it can be synced."
    return None


def _bill_objection(world: World, sync_type: str, object_id: str) -> str | None:
    bill = world.bills[object_id]
    done = ("BILL_SYNCED", "BILL_AND_PAYMENT_SYNCED") if sync_type == "BILL_SYNC" else ("BILL_AND_PAYMENT_SYNCED",)
    if bill.sync_status in done:
        return "Bill is already synced." if world.options.refuse_resync else None
    if not bill_ready(world, bill):
        return "Bill is not ready to sync."
    if sync_type == "BILL_PAYMENT_SYNC":
        if bill.status != "PAID":
            return "Bill payment is not ready to sync."
        if bill.sync_status == "NOT_SYNCED" and world.options.payment_needs_bill:
            return "Bill must be synced before its payment."
    return None


def _apply(world: World, sync_type: str, item: JsonObject, mark: Mark) -> None:
    """Mark one object; one that was synced before changes nothing (only when `refuse_resync` is off)."""
    if sync_type not in BILL_TYPES:
        if not _set_synced(world, _table(world, sync_type), mark.object_id):
            return
    else:
        bill = world.bills[mark.object_id]
        reached = "BILL_SYNCED" if sync_type == "BILL_SYNC" else "BILL_AND_PAYMENT_SYNCED"
        if bill.sync_status in {reached, "BILL_AND_PAYMENT_SYNCED"}:
            return
        link = item.get("deep_link_url")
        world.change_bill(
            bill.id, sync_status=reached, deep_link_url=link if isinstance(link, str) else bill.deep_link_url
        )
    world.marks.append(mark)


def _set_synced(world: World, table: str, object_id: str) -> bool:
    """Whether the row was not synced before."""
    rows = world.tables()[table]
    if rows[object_id].sync_status == "SYNCED":
        return False
    _turn(world, table, object_id)
    if table == "transactions" and world.profile == "2026-08":
        world.emit("transactions.synced", object_id)
    return True


def _turn(world: World, table: str, object_id: str) -> None:
    rows = world.tables()[table]
    # Only these two have a time of their last change.
    changed = {"updated_at": world.now} if table in BUTTONS else {}
    rows[object_id] = replace(rows[object_id], sync_status="SYNCED", synced_at=world.now, **changed)


def export_button(world: World, object_ids: tuple[str, ...]) -> None:
    """What the Export button of Ramp's own pages does: rows turn synced without notice and without a mark."""
    kinds = {table: kind for kind, table in TABLES.items()} | {"cashbacks": world.options.cashback_sync_type}
    for object_id in object_ids:
        table = next((name for name, rows in world.tables().items() if object_id in rows), None)
        if table is not None:
            _turn(world, table, object_id)
            world.exported.append((kinds[table], object_id))
            continue
        bill = world.bills[object_id]
        if bill.sync_status == "NOT_SYNCED":
            world.exported.append(("BILL_SYNC", object_id))
        if bill.status == "PAID":
            world.exported.append(("BILL_PAYMENT_SYNC", object_id))
        reached = "BILL_AND_PAYMENT_SYNCED" if bill.status == "PAID" else "BILL_SYNCED"
        world.change_bill(object_id, sync_status=reached)


def click_sync(world: World, table: ButtonKind = "transactions") -> str:
    """What the sync button does (alpha): an event that must be answered within five minutes."""
    active = world.connection()
    if active is None or not active.setting(f"{table.removesuffix('s')}_sync_button_enabled"):
        raise refused("The sync button is not enabled for this connection.")
    ready = frozenset(row.id for row in world.tables()[table].values() if row.sync_status == "SYNC_READY")
    deadline = world.now + timedelta(seconds=world.options.sync_request_timeout_s)
    request = SyncRequest(world.names.uuid("sync_request"), BUTTONS[table], table, ready, deadline)
    world.sync_requests[request.id] = request
    world.emit(f"{table}.sync_requested", request.id, sync_request_id=request.id)
    return request.id


def expire_sync_requests(world: World) -> None:
    """Fail the rows of sync requests whose time is over and that nobody marked or failed."""
    for request in [item for item in world.sync_requests.values() if world.now >= item.deadline]:
        del world.sync_requests[request.id]
        rows = world.tables()[request.table]
        for object_id in sorted(request.object_ids - request.answered):
            if object_id in rows and rows[object_id].sync_status != "SYNCED":
                message = "The accounting integration did not respond in time."
                world.failed.append(FailedMark("", request.sync_type, object_id, message, request.id, world.now))
