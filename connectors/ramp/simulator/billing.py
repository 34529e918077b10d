"""Entering, changing and archiving bills over the API, and drafts of bills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

from connectors.ramp.simulator import build
from connectors.ramp.simulator.bills import show_bill
from connectors.ramp.simulator.coding import bill_selection
from connectors.ramp.simulator.given import (
    check_fields,
    choice_of,
    coding_of,
    day_of,
    flag_of,
    id_of,
    lines_of,
    object_of,
    text_of,
)
from connectors.ramp.simulator.records import Bill, Draft, Money, Payment, Profile, Vendor
from connectors.ramp.simulator.wire import (
    JsonObject,
    Request,
    amount,
    check_uuid,
    identifier,
    invalid,
    midnight,
    moment,
    not_found,
    page,
    refused,
    reply,
    text_time,
    within,
)
from connectors.ramp.simulator.world import World
from engine.contract import HttpReply

NUMBER_LENGTH: Mapping[Profile, int] = {"2025-08": 20, "2026-08": 84}
MANUAL = frozenset(
    {
        "CASH", "CHECK", "CROSS_BORDER_PAYMENT", "DIRECT_DEBIT", "DOMESTIC_WIRE_TRANSFER", "NON_RAMP_CREDIT_CARD", "OTHER",
        "PAID_IN_ERP",
    }
)  # fmt: skip
_SHARED_METHODS = frozenset(
    {
        "ACH", "CARD", "CHECK", "DOMESTIC_WIRE", "INTERNATIONAL", "ONE_TIME_CARD", "ONE_TIME_CARD_DELIVERY",
        "PAID_MANUALLY", "SWIFT",
    }
)  # fmt: skip
METHODS: Mapping[Profile, frozenset[str]] = {
    "2025-08": _SHARED_METHODS | {"UNSPECIFIED", "VENDOR_CREDIT"},
    "2026-08": _SHARED_METHODS | {"LOCAL_BANK_TRANSFER"},
}
_CREATE_2025 = frozenset(
    {
        "vendor_id", "entity_id", "invoice_number", "invoice_currency", "issued_at", "due_at", "payment_method",
        "vendor_contact_id", "payment_details", "line_items", "inventory_line_items", "accounting_field_selections",
        "remote_id", "posting_date", "memo",
    }
)  # fmt: skip
_NEW_IN_2026 = frozenset(
    {
        "use_default_payment_method", "use_default_vendor_contact", "enable_accounting_sync", "vendor_memo",
        "attachment_id", "purchase_order_ids",
    }
)  # fmt: skip
_CREATE: Mapping[Profile, frozenset[str]] = {"2025-08": _CREATE_2025, "2026-08": _CREATE_2025 | _NEW_IN_2026}
_REQUIRED = ("due_at", "entity_id", "invoice_currency", "invoice_number", "issued_at", "vendor_id")
_NO_PATCH = frozenset(
    {"invoice_currency", "payment_details", "use_default_payment_method", "use_default_vendor_contact"}
)
_PATCH: Mapping[Profile, frozenset[str]] = {
    "2025-08": (_CREATE_2025 | {"purchase_order_id"}) - _NO_PATCH,
    "2026-08": (_CREATE_2025 | {"vendor_memo", "purchase_order_ids"}) - _NO_PATCH,
}
_MEMO = 1000
_VENDOR_MEMO = 400


def post_bill(world: World, request: Request) -> HttpReply:
    """POST /bills: approved at once. The same call twice makes two bills: there is no idempotency key."""
    body = request.json()
    older = ("payment_method", "vendor_contact_id") if world.profile == "2025-08" else ()
    check_fields(body, _CREATE[world.profile], (*_REQUIRED, *older))
    currency = _currency(body)
    vendor = _vendor(world, body)
    _check_contact(world, body, vendor)
    fields = _fields(world, body, currency)
    if not fields.get("lines"):
        # ASSUMED: a bill without lines has no amount, and is refused; the schema requires no line.
        raise invalid({"line_items": ["Missing data for required field."]})
    payment = _payment(world, body, sum(line.minor for line in fields["lines"]))
    made = build.add_bill(world, fields.pop("lines"), vendor_id=vendor.id, currency=currency, by_api=True, **fields)
    if payment is not None:
        paid_at = datetime.combine(payment.paid_on, time(14, 2, 28), UTC)
        made = world.change_bill(made.id, status="PAID", payment=payment, paid_at=paid_at)
        world.emit("bills.paid", made.id)
    return reply(201, show_bill(world, made))


def patch_bill(world: World, request: Request) -> HttpReply:
    """PATCH /bills/{id}: lines are replaced whole.

    ASSUMED: a bill that is paid, synced or archived is not changed any more; no source lists the conditions.
    """
    bill = _find(world, request)
    body = request.json()
    check_fields(body, _PATCH[world.profile])
    if bill.status == "PAID" or bill.sync_status != "NOT_SYNCED" or bill.archived_at is not None:
        raise refused("The bill can no longer be edited.")
    vendor = _vendor(world, body) if "vendor_id" in body else world.vendors[bill.vendor_id]
    contact = id_of(body, "vendor_contact_id")
    if contact is not None and contact != vendor.contact_id:
        raise refused("The vendor contact does not belong to the vendor.")
    choice_of(body, "payment_method", METHODS[world.profile])
    changed = _fields(world, body, bill.currency)
    if "inventory_line_items" in body:
        changed["inventory_lines"] = ()
    return reply(200, show_bill(world, build.edit_bill(world, bill.id, vendor_id=vendor.id, **changed)))


def delete_bill(world: World, request: Request) -> HttpReply:
    """DELETE /bills/{id}: archives. ASSUMED: one that is archived already is not found."""
    bill = _find(world, request)
    if bill.archived_at is not None:
        raise not_found("Bill")
    if bill.status == "PAID" or bill.in_batch:
        raise refused("Paid bills and bills belonging to a batch payment cannot be deleted.")
    build.archive(world, bill.id)
    return reply(204)


def _find(world: World, request: Request) -> Bill:
    found = world.bills.get(check_uuid(request.params[0], "bill_id"))
    if found is None:
        raise not_found("Bill")
    return found


def _currency(body: Mapping[str, Any]) -> str:
    code = text_of(body, "invoice_currency") or ""
    if len(code) != 3 or not code.isascii() or not code.isupper():
        raise invalid({"invoice_currency": ["Must be one of: AED, AFN, ALL, and others."]})
    return code


def _vendor(world: World, body: Mapping[str, Any]) -> Vendor:
    found = world.vendors.get(check_uuid(body.get("vendor_id"), "vendor_id"))
    if found is None:
        raise not_found("Vendor")
    return found


def _check_contact(world: World, body: Mapping[str, Any], vendor: Vendor) -> None:
    contact = id_of(body, "vendor_contact_id")
    by_default = flag_of(body, "use_default_vendor_contact", default=False)
    if by_default and contact is not None:
        raise refused("use_default_vendor_contact and vendor_contact_id exclude each other.")
    if world.profile == "2026-08" and not by_default and contact is None:
        raise invalid({"vendor_contact_id": ["Required unless use_default_vendor_contact is true."]})
    if contact is not None and contact != vendor.contact_id:
        raise refused("The vendor contact does not belong to the vendor.")


def _payment(world: World, body: Mapping[str, Any], minor: int) -> Payment | None:
    """The payment of a bill that was paid outside Ramp.

    ASSUMED: since 2026 the method may be left out without `use_default_payment_method`; the schema gives it a default
    and its text calls it required.
    """
    method, details = choice_of(body, "payment_method", METHODS[world.profile]), object_of(body, "payment_details")
    if flag_of(body, "use_default_payment_method", default=False) and (method is not None or details is not None):
        raise refused("use_default_payment_method excludes payment_method and payment_details.")
    if method != "PAID_MANUALLY":
        if (
            method not in (None, "UNSPECIFIED", "ONE_TIME_CARD", "ONE_TIME_CARD_DELIVERY", "VENDOR_CREDIT")
            and not details
        ):
            raise invalid({"payment_details": [f"Required for payment method {method}."]})
        return None
    if details is None:
        raise invalid({"payment_details": ["Required for payment method PAID_MANUALLY."]})
    check_fields(details, {"manual_payment_method", "payment_date"}, ("manual_payment_method", "payment_date"))
    manual, paid_on = choice_of(details, "manual_payment_method", MANUAL), day_of(details, "payment_date")
    assert manual is not None  # both are required
    assert paid_on is not None
    return Payment(world.names.uuid("payment"), minor, "PAID_MANUALLY", paid_on, manual)


def _fields(world: World, body: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """What a body says of a bill, in the simulator's own terms; only what it says."""
    fields: dict[str, Any] = {}
    if "entity_id" in body:
        fields["entity_id"] = id_of(body, "entity_id")
        if fields["entity_id"] not in world.entities:
            raise not_found("Entity")
    texts = (
        ("invoice_number", "invoice_number", NUMBER_LENGTH[world.profile]),
        ("memo", "memo", _MEMO),
        ("vendor_memo", "vendor_memo", _VENDOR_MEMO),
        ("remote_id", "remote_id", None),
    )
    fields |= {ours: text_of(body, name, most) for name, ours, most in texts if name in body}
    days = (("issued_at", "issued_on"), ("due_at", "due_on"), ("posting_date", "posting_on"))
    fields |= {ours: day_of(body, name) for name, ours in days if name in body}
    if "enable_accounting_sync" in body:
        fields["enable_accounting_sync"] = flag_of(body, "enable_accounting_sync", default=True)
        if fields.get("remote_id") is not None and not fields["enable_accounting_sync"]:
            raise refused("enable_accounting_sync must be True when remote_id is provided.")
    if "line_items" in body:
        fields["lines"] = lines_of(world, body, currency)
    if "accounting_field_selections" in body:
        fields["selections"] = coding_of(world, body)
    return fields


# --- drafts -----------------------------------------------------------------------------------------------------------


def post_draft(world: World, request: Request) -> HttpReply:
    """POST /bills/drafts, since 2026: only the vendor is required.

    ASSUMED: it takes what POST /bills takes, the remote id included, and answers 201.
    """
    body = request.json()
    check_fields(body, _CREATE[world.profile], ("vendor_id",))
    vendor = _vendor(world, body)
    currency = _currency(body) if "invoice_currency" in body else world.options.currency
    owner = next(iter(world.users))
    made = Draft(world.names.uuid("draft"), vendor.id, world.primary_entity().id, owner, currency, world.now)
    made = replace(made, **_fields(world, body, currency))
    world.drafts[made.id] = made
    return reply(201, show_draft(world, made))


def patch_draft(world: World, request: Request) -> HttpReply:
    """PATCH /bills/drafts/{id}, since 2026."""
    found = _draft(world, request)
    body = request.json()
    check_fields(body, _PATCH[world.profile])
    changed = _fields(world, body, found.currency)
    if "vendor_id" in body:
        changed["vendor_id"] = _vendor(world, body).id
    world.drafts[found.id] = replace(found, **changed)
    return reply(200, show_draft(world, world.drafts[found.id]))


def list_drafts(world: World, request: Request) -> HttpReply:
    """GET /bills/drafts."""
    vendor, entity = identifier(request, "vendor_id"), identifier(request, "entity_id")
    issued = moment(request, "from_issued_date"), moment(request, "to_issued_date")

    def keep(row: Draft) -> bool:
        day = None if row.issued_on is None else midnight(row.issued_on)
        return vendor in (None, row.vendor_id) and entity in (None, row.entity_id) and within(day, *issued)

    return page(request, list(world.drafts.values()), keep, lambda row: show_draft(world, row))


def get_draft(world: World, request: Request) -> HttpReply:
    """GET /bills/drafts/{id}."""
    return reply(200, show_draft(world, _draft(world, request)))


def complete_draft(world: World, draft_id: str) -> Bill:
    """What a person does in Ramp's pages: the draft becomes a bill. ASSUMED: it keeps the remote id."""
    draft = world.drafts.pop(draft_id)
    issued = draft.issued_on or world.now.date()
    return build.add_bill(
        world,
        draft.lines,
        vendor_id=draft.vendor_id,
        issued_on=issued,
        due_on=draft.due_on or issued,
        invoice_number=draft.invoice_number or "",
        currency=draft.currency,
        entity_id=draft.entity_id,
        selections=draft.selections,
        memo=draft.memo,
        vendor_memo=draft.vendor_memo,
        posting_on=draft.posting_on,
        remote_id=draft.remote_id,
        draft_id=draft.id,
        by_api=True,
    )


def _draft(world: World, request: Request) -> Draft:
    found = world.drafts.get(check_uuid(request.params[0], "draft_bill_id"))
    if found is None:
        raise not_found("Draft bill")
    return found


def show_draft(world: World, draft: Draft) -> JsonObject:
    """A draft as the API prints it."""
    vendor, owner = world.vendors[draft.vendor_id], world.users[draft.owner_id]
    account = vendor.accounting
    return {
        "accounting_date": text_time(draft.posting_on or draft.issued_on),
        "accounting_field_selections": [bill_selection(world, item) for item in draft.selections],
        "amount": amount(Money(draft.minor, draft.currency), world.profile) if draft.lines else None,
        "bill_owner": {"first_name": owner.first_name, "id": owner.id, "last_name": owner.last_name},
        "created_at": text_time(draft.created_at),
        "due_at": text_time(draft.due_on),
        "entity_id": draft.entity_id,
        "id": draft.id,
        "inventory_line_items": [],
        "invoice_number": draft.invoice_number,
        "invoice_urls": [],
        "issued_at": text_time(draft.issued_on),
        "line_items": [
            {
                "accounting_field_selections": [bill_selection(world, item) for item in line.selections],
                "amount": amount(Money(line.minor, draft.currency), world.profile),
                "memo": line.memo,
            }
            for line in draft.lines
        ],
        "memo": draft.memo,
        "posting_date": text_time(draft.posting_on),
        "status": "DRAFT",
        "sync_status": "NOT_SYNCED",
        "vendor": {
            "id": vendor.id,
            "name": vendor.name,
            "remote_code": account.code if account and account.code else None,
            "remote_id": account.external_id if account else None,
            "remote_name": account.name if account else None,
            "type": vendor.kind,
        },
        "vendor_memo": draft.vendor_memo,
    }
