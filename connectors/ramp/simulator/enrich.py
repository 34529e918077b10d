"""What a call can add to a card transaction: its coding, a memo and a receipt. And the accounts that it is coded to."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from email.message import Message
from typing import Any

from connectors.ramp.simulator.given import check_fields, list_of, ramp_selection, text_of
from connectors.ramp.simulator.records import Account, GlAccount, Receipt, Transaction
from connectors.ramp.simulator.shelf import Entry
from connectors.ramp.simulator.wire import (
    ApiError,
    JsonObject,
    Request,
    check_uuid,
    invalid,
    not_found,
    refused,
    reply,
)
from connectors.ramp.simulator.world import World, gl_account
from engine.contract import HttpReply

CODING_KEYS = ("accounting_field_selections", "accounting_coding_selections")
_MEMO = 255


def add_account(
    world: World, account: Account, classification: str = "EXPENSE", *, is_active: bool = True
) -> GlAccount:
    """A general ledger account, under the id that a coding of it shows."""
    ramp_id, now = world.names.fixed("option:GL_ACCOUNT", account.external_id), world.now
    more = {"classification": classification}
    made = Entry(ramp_id, account.external_id, account.name, now, now, account.code, is_active=is_active, more=more)
    world.gl_accounts().put(made)
    return gl_account(made)


def post_coding(world: World, request: Request) -> HttpReply:
    """POST /accounting/codings, beta: code one transaction.

    ASSUMED: a selection holds `field_id` and `field_option_id`, both Ramp's, and takes the place of what the field was
    coded to on a transaction's only line; a split transaction takes it for the whole (seen live by others).
    """
    body = request.json()
    key = _coding_key(world, body)
    if body.get("object_type") != "TRANSACTION":
        raise invalid({"object_type": ["Must be one of: TRANSACTION."]})
    found = _transaction(world, body.get("object_id"))
    answer = {"object_type": "TRANSACTION", "object_id": found.id}
    if key is None:
        return reply(201, answer)
    given = list_of(body, key)
    if not given:
        raise invalid({key: ["Missing data for required field."]})
    if found.sync_status == "SYNCED":
        # ASSUMED: what is in the books is not coded any more.
        raise refused("The transaction is already synced.")
    chosen = []
    for item in given:
        check_fields(item, {"field_id", "field_option_id", "free_form_text"}, ("field_id", "field_option_id"))
        made = ramp_selection(world, str(item["field_id"]), str(item["field_option_id"]))
        if made is None:
            raise ApiError(400, "DEVELOPER_7123", "Invalid accounting field option.")
        chosen.append(made)
    _code(world, found, tuple(chosen))
    return reply(201, answer)


def _coding_key(world: World, body: JsonObject) -> str | None:
    """The name under which the selections are looked for; None when they are ignored."""
    wanted = world.options.coding_key
    known = {"object_type", "object_id", *((wanted,) if wanted else CODING_KEYS)}
    if wanted and not world.options.refuse_unknown_coding_key:
        return wanted if wanted in body else None
    check_fields(body, known)
    return wanted or next((key for key in CODING_KEYS if key in body), CODING_KEYS[0])


def _code(world: World, row: Transaction, chosen: tuple[Any, ...]) -> None:
    kinds = {item.kind for item in chosen}
    if len(row.lines) == 1:
        kept = tuple(item for item in row.lines[0].selections if item.kind not in kinds)
        changed: dict[str, Any] = {"lines": (replace(row.lines[0], selections=(*kept, *chosen)),)}
    else:
        kept = tuple(item for item in row.selections if item.kind not in kinds)
        changed = {"selections": (*kept, *chosen)}
    world.change_transaction(row.id, **changed, coded_by_api="GL_ACCOUNT" in kinds or row.coded_by_api)
    if world.profile == "2026-08":
        world.emit("transactions.body_coding_updated", row.id)


def post_memo(world: World, request: Request) -> HttpReply:
    """POST /memos/{transaction_id}."""
    found = _transaction(world, request.params[0])
    body = request.json()
    check_fields(body, {"memo", "is_memo_recurring"}, ("memo",))
    memo = text_of(body, "memo", _MEMO)
    world.change_transaction(found.id, memo=memo)
    return reply(200, {"id": found.id, "memo": memo})


def post_receipt(world: World, request: Request) -> HttpReply:
    """POST /receipts, multipart: a key that was used before answers the receipt of then.

    ASSUMED: the key counts alone; what a known key with another file does is in no source.
    """
    parts, file = _multipart(request)
    check_fields(parts, {"idempotency_key", "transaction_id", "user_id"}, ("idempotency_key", "user_id"))
    if file is None or not file.get_payload(decode=True):
        raise invalid({"receipt": ["Missing data for required field."]})
    known = next((item for item in world.receipts.values() if item.key == parts["idempotency_key"]), None)
    if known is not None:
        return reply(201, {"id": known.id})
    user_id = check_uuid(parts["user_id"], "user_id")
    if user_id not in world.users:
        raise not_found("User")
    row = _transaction(world, parts["transaction_id"]) if "transaction_id" in parts else None
    content = file.get_payload(decode=True)
    assert isinstance(content, bytes)
    made = Receipt(
        world.names.uuid("receipt"),
        row.id if row else None,
        user_id,
        parts["idempotency_key"],
        file.get_content_type(),
        len(content),
        world.now,
    )
    world.receipts[made.id] = made
    if row is not None:
        world.change_transaction(row.id, receipts=(*row.receipts, made.id))
        if world.profile == "2026-08":
            world.emit("transactions.receipt_added", row.id)
    return reply(201, {"id": made.id})


def _multipart(request: Request) -> tuple[dict[str, str], Message | None]:
    """The form data, and the one part that is an attachment."""
    head = f"Content-Type: {request.content_type}\r\n\r\n".encode()
    message = message_from_bytes(head + request.body)
    if not message.is_multipart():
        raise invalid({"_schema": ["The request must be multipart/form-data."]})
    parts: dict[str, str] = {}
    file: Message | None = None
    for part in message.walk():
        if part.is_multipart():
            continue
        if part.get_content_disposition() == "attachment":
            file = part
            continue
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str) and isinstance(content, bytes):
            parts[name] = content.decode("utf-8", "replace")
    return parts, file


def _transaction(world: World, given: object) -> Transaction:
    found = world.transactions.get(check_uuid(given, "transaction_id"))
    if found is None:
        raise not_found("Transaction")
    return found
