"""What the Ramp connector offers, as data: settings, streams, marks, requests and webhook events."""

from __future__ import annotations

from connectors.ramp.chartspec import ACCOUNTING_SETTINGS, CHART_LISTS, CHART_REQUESTS
from connectors.ramp.fields import BILL, DEPARTMENT, ENTITY, TRANSACTION, USER, VENDOR
from connectors.ramp.outspec import (
    OUT_EVENTS,
    OUT_EVENTS_2025,
    OUT_MARKS,
    OUT_SCOPES,
    OUT_SETTINGS,
    OUT_STREAMS,
    REQUESTED,
)
from connectors.ramp.requests import LISTS, REQUESTS
from engine.spec import ConnectorSpec, FieldSpec, MarkSpec, StreamSpec
from engine.spec import a_field as _f

PRODUCTION = "https://api.ramp.com"
SANDBOX = "https://demo-api.ramp.com"
# What each kind of call needs (FACTS.md section 2); an app may hold fewer, and then only those calls are refused.
STREAM_SCOPES = {
    "vendors": "vendors:read",
    "bills": "bills:read",
    "transactions": "transactions:read",
    "entities": "entities:read",
    "users": "users:read",
    "departments": "departments:read",
    **OUT_SCOPES,
}
MARK_SCOPE = "accounting:write"
CODING_SCOPE = "accounting:write"
ACCOUNTING_READ = "accounting:read"
BILLS_WRITE = "bills:write"
VENDORS_WRITE = "vendors:write"
MEMOS_WRITE = "memos:write"
RECEIPTS_WRITE = "receipts:write"
WRITE_SCOPES = (BILLS_WRITE, MEMOS_WRITE, RECEIPTS_WRITE, VENDORS_WRITE)
# Ramp drops those that the app may not have without a word, so an app that only reads works as before.
SCOPES = (ACCOUNTING_READ, MARK_SCOPE, *sorted({*STREAM_SCOPES.values(), *WRITE_SCOPES}))

# Ramp gives up after 60 seconds (FACTS.md section 3); what it was doing then may take as long again to show.
SETTLE_S = 120

# The events of the 2025-08 list; later profiles add the rest.
EVENTS_2025 = (
    "bills.approved",
    "bills.created",
    "bills.paid",
    "bills.rejected",
    *OUT_EVENTS_2025,
    "transactions.authorized",
    "transactions.cleared",
    "transactions.ready_for_review",
    "transactions.ready_to_sync",
)
_BILL_EVENTS = (
    "bills.approved",
    "bills.archived",
    "bills.created",
    "bills.paid",
    "bills.ready_to_sync",
    "bills.rejected",
    "bills.updated",
)
_TRANSACTION_EVENTS = (
    "transactions.all_requirements_met_and_approved_changed",
    "transactions.authorized",
    "transactions.body_coding_updated",
    "transactions.cleared",
    "transactions.declined",
    "transactions.ready_for_review",
    "transactions.ready_to_sync",
    "transactions.receipt_added",
    "transactions.sync_requested",
    "transactions.synced",
)
_VENDOR_EVENTS = ("vendors.activated", "vendors.approved", "vendors.updated")
_ENTITY_EVENTS = ("entities.created",)
_USER_EVENTS = ("users.invite_accepted",)
EVENTS = tuple(
    sorted((*_BILL_EVENTS, *_TRANSACTION_EVENTS, *_VENDOR_EVENTS, *_ENTITY_EVENTS, *_USER_EVENTS, *OUT_EVENTS))
)

_ENTITY_FILTER = _f("entity_id", "id", "Only this business entity; the setting `entity_id` is the default")
_CREATED_FILTER = _f("from_created_at", "datetime", "Only what was created at or after this time")

STREAMS = (
    StreamSpec(
        "vendors",
        "Payees of bills",
        "id",
        VENDOR,
        filters=(_f("is_active", "boolean", "Only active, or only inactive vendors"), _CREATED_FILTER),
        webhooks=_VENDOR_EVENTS,
    ),
    StreamSpec(
        "bills",
        "Bills with their lines and their payment; no way to ask for changes, so every read lists all that match",
        "id",
        BILL,
        filters=(
            _f("sync_ready", "boolean", "Only bills, and payments of bills, that wait to be synced"),
            _f("sync_status", "text", "Only this sync status", "NOT_SYNCED", "BILL_SYNCED", "BILL_AND_PAYMENT_SYNCED"),
            _f(
                "approval_status",
                "text",
                "Only this approval status",
                "APPROVED",
                "INITIALIZED",
                "PENDING",
                "REJECTED",
                "TERMINATED",
            ),
            _f("payment_status", "text", "Only open, or only paid bills", "OPEN", "PAID"),
            _f("is_archived", "boolean", "Only archived, or only current bills; Ramp's default is current"),
            _f("vendor_id", "id", "Only bills of this vendor"),
            _ENTITY_FILTER,
            _CREATED_FILTER,
        ),
        webhooks=_BILL_EVENTS,
    ),
    StreamSpec(
        "transactions",
        "Card transactions with their splits; declined ones only with `state: DECLINED` or `ALL`",
        "id",
        TRANSACTION,
        filters=(
            _f("sync_status", "text", "Only this sync status", "NOT_SYNC_READY", "SYNC_READY", "SYNCED"),
            _f(
                "state",
                "text",
                "Only this state; `ALL` includes declined ones",
                "ALL",
                "CLEARED",
                "COMPLETION",
                "DECLINED",
                "ERROR",
                "PENDING",
                "PENDING_INITIATION",
            ),
            _f("merchant_id", "id", "Only this merchant"),
            _f("user_id", "id", "Only this card holder"),
            _f("department_id", "id", "Only card holders of this department"),
            _ENTITY_FILTER,
            REQUESTED,
        ),
        webhooks=_TRANSACTION_EVENTS,
        requested=REQUESTED.name,
    ),
    StreamSpec(
        "entities",
        "Business entities, each with the accounts it uses in the books",
        "id",
        ENTITY,
        filters=(
            _f("is_primary", "boolean", "Only the main entity, or only the others"),
            _f("currency", "text", "Only entities of this currency"),
        ),
        webhooks=_ENTITY_EVENTS,
    ),
    StreamSpec(
        "users",
        "People with access to Ramp",
        "id",
        USER,
        filters=(
            _f("role", "text", "Only this role"),
            _f("department_id", "id", "Only this department"),
            _f("location_id", "id", "Only this location"),
            _ENTITY_FILTER,
        ),
        webhooks=_USER_EVENTS,
    ),
    StreamSpec("departments", "Departments that users belong to", "id", DEPARTMENT),
    *OUT_STREAMS,
)

SETTINGS = (
    FieldSpec("client_id", "text", "Client id of the Ramp developer app", required=True, secret=True),
    FieldSpec("client_secret", "text", "Client secret of the Ramp developer app", required=True, secret=True),
    FieldSpec("webhook_secret", "text", "Secret of the webhook subscription, shown once at its creation", secret=True),
    FieldSpec(
        "webhook_secret_previous", "text", "The webhook secret before, still accepted while rotating", secret=True
    ),
    FieldSpec(
        "environment",
        "text",
        "Which Ramp the credentials belong to; an app of one is unknown to the other",
        default="production",
        choices=("production", "sandbox"),
    ),
    FieldSpec(
        "base_url", "text", "Address of the API, when it is not the environment's own: a simulator on this machine"
    ),
    FieldSpec(
        "api_profile",
        "text",
        "Shape of the API that the account has",
        default="2026-08",
        choices=("2025-08", "2026-08"),
    ),
    FieldSpec("page_size", "integer", "Records a page, 2 to 100", default=100),
    FieldSpec(
        "entity_id", "id", "Read only this business entity's bills, transactions and users, and enter bills for it"
    ),
    FieldSpec(
        "unpaid_bills",
        "text",
        "How Ramp is to pay a bill that is not paid: nobody says so yet, in the way that is usual for the vendor, or a "
        "draft that a person completes; the last two are not in profile 2025-08",
        default="unspecified",
        choices=("unspecified", "vendor_default", "draft"),
    ),
    FieldSpec(
        "vendor_owner", "text", "Ramp user who owns the vendors we create: id or e-mail address; needed in 2025-08"
    ),
    FieldSpec("vendor_country", "text", "Two-letter country of vendors whose source gives none"),
    FieldSpec("vendor_email", "text", "E-mail address of the contact of vendors whose source gives none"),
    FieldSpec(
        "settle_s",
        "integer",
        "Seconds that a write without an answer may take to show; nothing is written before",
        default=SETTLE_S,
    ),
    FieldSpec(
        "provider_name", "text", "Name our accounting connection has in Ramp; coding of others is marked foreign"
    ),
    *ACCOUNTING_SETTINGS,
    FieldSpec(
        "confirm_marks", "boolean", "Read every record again after marking it, to see that Ramp took it", default=True
    ),
    FieldSpec(
        "scopes",
        "text",
        "OAuth scopes to ask for, separated by spaces; ask for fewer when the app has fewer",
        default=" ".join(SCOPES),
    ),
    *OUT_SETTINGS,
)

SPEC = ConnectorSpec(
    name="ramp",
    title="Ramp",
    help="Corporate cards and bill pay: reads vendors, bills, card transactions, entities, users and departments, "
    "tells Ramp what was posted, and writes vendors, bills and coding",
    settings=SETTINGS,
    account=("client_id", "environment", "base_url"),
    streams=STREAMS,
    marks=(
        MarkSpec("BILL_SYNC", "The bill is in the books", streams=("bills",)),
        MarkSpec(
            "BILL_PAYMENT_SYNC", "The payment of the bill is in the books; its id is the bill's", streams=("bills",)
        ),
        MarkSpec(
            "TRANSACTION_SYNC",
            "The card transaction is in the books",
            streams=("transactions",),
            fields=(
                _f("vendor_id", "id", "The payee's id in the books, for a transaction that Ramp wants a vendor on"),
                _f("vendor_name", "text", "The payee's name in the books, to make it an accounting vendor of Ramp's"),
            ),
        ),
        *OUT_MARKS,
    ),
    requests=(*REQUESTS, *CHART_REQUESTS),
    lists=(*LISTS, *CHART_LISTS),
    webhooks=EVENTS,
    limits=(
        "200 requests in any 10 seconds for one source address; at most 180 are sent",
        "a page holds 2 to 100 records",
        "a mark call holds at most `sync_chunk` ids (Ramp takes 5,000)",
        "Ramp ends a request after 60 seconds",
        "Ramp knows no idempotency key for bills and vendors: every write is preceded by a search",
    ),
    settle_s=SETTLE_S,
)
