"""What else comes out of Ramp for the books: reimbursements, transfers, cashbacks and vendor credits, as data."""

from __future__ import annotations

from connectors.ramp.fields import CODING, FOREIGN
from engine.spec import FieldSpec, MarkSpec, StreamSpec
from engine.spec import a_field as _f
from engine.spec import a_list as _list

OUT_SCOPES = {
    "reimbursements": "reimbursements:read",
    "transfers": "transfers:read",
    "cashbacks": "cashbacks:read",
    "vendor_credits": "vendors:read",
}
# Where a stream is found, when that is not its own name.
PATHS = {"vendor_credits": "vendors/credits"}
# What a read asks for, and only a person's press of the sync button sets (alpha; FACTS.md section 6).
REQUESTED = _f(
    "requested_to_sync", "boolean", "Only what a person asked to sync with Ramp's sync button (alpha, off by default)"
)
DIRECTIONS = ("BUSINESS_TO_USER", "USER_TO_BUSINESS")
# Filters that Ramp does not have: the rows are looked at here.
LOCAL_FILTERS = frozenset({("reimbursements", "state"), ("vendor_credits", "vendor_id")})

OUT_EVENTS_2025 = ("reimbursements.ready_for_review", "reimbursements.ready_to_sync")
_REIMBURSEMENT_EVENTS = (
    "reimbursements.batch_payment_reimbursed",
    *OUT_EVENTS_2025,
    "reimbursements.sync_requested",
)
OUT_EVENTS = _REIMBURSEMENT_EVENTS

_SYNC = ("NOT_SYNC_READY", "SYNC_READY", "SYNCED")
_STATES = (
    "APPROVED",
    "AWAITING_EXPORT",
    "AWAITING_PAYMENT",
    "AWAITING_PUSH_PAYMENT",
    "CANCELED",
    "DELETED",
    "DRAFT",
    "EXPORTED",
    "EXPORT_FAILED",
    "EXPORT_INITIATED",
    "EXPORT_SUCCESSFUL",
    "FAILED_REIMBURSEMENT",
    "INIT",
    "MANUALLY_REIMBURSED",
    "MISSING_ACH",
    "PENDING",
    "PROCESSING",
    "PUSH_PAYMENT_FAILED",
    "PUSH_PAYMENT_INITIATED",
    "REIMBURSED",
    "REIMBURSED_VIA_PUSH",
    "REJECTED",
)
_TRANSFER_STATUSES = (
    "ACH_CONFIRMED",
    "CANCELED",
    "COMPLETED",
    "ERROR",
    "INITIATED",
    "NOT_ACKED",
    "NOT_ENOUGH_FUNDS",
    "PROCESSING_BY_ODFI",
    "REJECTED_BY_ODFI",
    "RETURNED_BY_RDFI",
    "SUBMITTED_TO_FED",
    "SUBMITTED_TO_RDFI",
    "UNNECESSARY",
    "UPLOADED",
)
_SYNC_STATUS = _f("sync_status", "text", "What the accounting system was told", *_SYNC)
_ENTITY = _f("entity_id", "id", "Ramp's id of the business entity; its accounts are in the stream `entities`")

REIMBURSEMENT = (
    _f("id", "id", "Ramp's id of the reimbursement"),
    _f("direction", "text", "Who pays whom; a payback of the employee is USER_TO_BUSINESS", *DIRECTIONS),
    _f(
        "type",
        "text",
        "What is reimbursed, or paid back",
        "MILEAGE",
        "OUT_OF_POCKET",
        "PAYBACK_FULL",
        "PAYBACK_PARTIAL",
        "PER_DIEM",
    ),
    _f("state", "text", "How far it is", *_STATES),
    _f("amount", "money", "What the payor pays, in major units"),
    _f("currency", "text", "Currency that the payor pays in"),
    _f("payee_amount", "money", "What the payee receives, in major units"),
    _f("payee_currency", "text", "Currency that the payee receives"),
    _f("original_amount", "money", "What was spent, before conversion, in major units"),
    _f("original_currency", "text", "Currency that was spent"),
    _f("user_id", "id", "Ramp's id of the employee"),
    _f("user_full_name", "text", "Name of the employee"),
    _f("user_email", "text", "E-mail address of the employee"),
    _f("employee_id", "id", "The employee's id in the customer's own systems"),
    _f("merchant", "text", "Name of the merchant"),
    _f("merchant_id", "id", "Ramp's id of the merchant, when Ramp knows it"),
    _f("memo", "text", "Memo of the reimbursement"),
    _f("transaction_date", "date", "Day on which the money was spent"),
    _f("accounting_date", "datetime", "Date for the books; the day of spending when nobody chose one"),
    _f("created_at", "datetime", "When it was created"),
    _f("submitted_at", "datetime", "When it was last submitted"),
    _f("approved_at", "datetime", "When it was approved"),
    _f("updated_at", "datetime", "When it last changed"),
    _f("payment_processed_at", "datetime", "When the payment was processed (profile 2026-08)"),
    _f("payment_id", "id", "Id of the batch payment that paid it; several reimbursements share one"),
    _f("payment_batch_id", "id", "Id of the payment's batch (profile 2026-08)"),
    _f("synced_at", "datetime", "When it was marked synced"),
    _SYNC_STATUS,
    _ENTITY,
    _f("spend_limit_id", "id", "Ramp's id of the spend limit"),
    _f("trip_id", "id", "Ramp's id of the trip"),
    _f("distance", "decimal", "Miles driven"),
    _f("start_location", "text", "Where the trip began"),
    _f("end_location", "text", "Where the trip ended"),
    FieldSpec("waypoints", "list", "Stops on the way", of="text"),
    FieldSpec("receipts", "list", "Ramp's ids of the receipts", of="id"),
    CODING,
    _list(
        "line_items",
        "The splits of the reimbursement",
        _f("amount", "money", "Amount of the split in the reimbursement's `currency`, in major units"),
        _f("currency", "text", "Currency of that amount, or the split's own when nothing else is known"),
        _f(
            "amount_source",
            "text",
            "Where the amount comes from: as given, or the whole reimbursement's (one split in a foreign currency); "
            "`none` when nothing gives it in the reimbursement's currency",
            "given",
            "transaction",
            "none",
        ),
        _f("original_amount", "money", "Amount as Ramp gives it"),
        _f("original_currency", "text", "Currency of the original amount"),
        _f("memo", "text", "Memo of the split"),
        CODING,
    ),
    FOREIGN,
)

TRANSFER = (
    _f("id", "id", "Ramp's id of the transfer"),
    _f("amount", "money", "Amount in major units, paid from the bank to Ramp"),
    _f("currency", "text", "Currency of the transfer"),
    _f("status", "text", "How far the bank is", *_TRANSFER_STATUSES),
    _f("created_at", "datetime", "When the transfer was created"),
    _f("payment_id", "id", "Ramp's id of the payment"),
    _f("bank_account_id", "id", "Ramp's id of the bank account (profile 2026-08)"),
    _SYNC_STATUS,
    _ENTITY,
)

CASHBACK = (
    _f("id", "id", "Ramp's id of the cashback"),
    _f("amount", "money", "Amount in major units, credited by Ramp"),
    _f("currency", "text", "Currency of the cashback"),
    _f("created_at", "datetime", "When the cashback was credited"),
    _SYNC_STATUS,
    _ENTITY,
)

_CREDIT_LINE = (
    _f("memo", "text", "Memo of the line"),
    CODING,
)
VENDOR_CREDIT = (
    _f("id", "id", "Ramp's id of the vendor credit"),
    _f("vendor_id", "id", "Ramp's id of the vendor"),
    _f("reference_number", "text", "Number that the vendor gave the credit"),
    _f("reference_bill_id", "id", "Ramp's id of the bill that it corrects"),
    _f("total_amount", "money", "Amount of the credit in major units"),
    _f("remaining_amount", "money", "What is left of it, in major units"),
    _f("total_applied_amount", "money", "What was applied to bills, in major units"),
    _f("currency", "text", "Currency of the credit"),
    _f("accounting_date", "date", "Date for the books"),
    _f("created_at", "datetime", "When the credit was created"),
    _ENTITY,
    CODING,
    _list(
        "applied_bills",
        "The bills that it was applied to",
        _f("bill_id", "id", "Ramp's id of the bill"),
        _f("amount", "money", "Amount applied, in major units"),
        _f("currency", "text", "Currency of that amount"),
    ),
    _list(
        "expense_line_items",
        "The expense lines of the credit",
        _f("amount", "money", "Amount of the line in major units"),
        _f("currency", "text", "Currency of the line"),
        *_CREDIT_LINE,
    ),
    _list(
        "inventory_line_items",
        "The inventory lines of the credit",
        _f("unit_price", "money", "Price of one unit in major units"),
        _f("quantity", "decimal", "How many units"),
        *_CREDIT_LINE,
    ),
    FOREIGN,
)

_ONLY_STATUS = _f("sync_status", "text", "Only this sync status", *_SYNC)
_ONLY_ENTITY = _f("entity_id", "id", "Only this business entity; the setting `entity_id` is the default")
OUT_STREAMS = (
    StreamSpec(
        "reimbursements",
        "Money that employees spent or pay back, with its splits",
        "id",
        REIMBURSEMENT,
        filters=(
            _f(
                "direction",
                "text",
                "Who pays whom; Ramp lists one direction a call, `ALL` makes one pass for each; without it, what the "
                "business pays",
                *DIRECTIONS,
                "ALL",
            ),
            _ONLY_STATUS,
            _f("state", "text", "Only this state; Ramp has no such filter, so all are read", *_STATES),
            _ONLY_ENTITY,
            REQUESTED,
        ),
        webhooks=_REIMBURSEMENT_EVENTS,
        requested=REQUESTED.name,
    ),
    StreamSpec(
        "transfers",
        "Payments from the bank to Ramp; they carry no coding, the accounts are the entity's; no webhook tells of them",
        "id",
        TRANSFER,
        filters=(_ONLY_STATUS, _f("status", "text", "Only this status", *_TRANSFER_STATUSES), _ONLY_ENTITY),
    ),
    StreamSpec(
        "cashbacks",
        "Cashback that Ramp credits; it carries no coding, the accounts are the entity's; no webhook tells of it",
        "id",
        CASHBACK,
        filters=(_ONLY_STATUS, _ONLY_ENTITY),
    ),
    StreamSpec(
        "vendor_credits",
        "Credits of vendors, made in Ramp's pages (beta, US dollars only); there is no mark for them",
        "id",
        VENDOR_CREDIT,
        filters=(
            _f("vendor_id", "id", "Only credits of this vendor"),
            _f("include_fully_used", "boolean", "With the credits of which nothing is left"),
            _ONLY_ENTITY,
            _f("from_created_at", "datetime", "Only what was created at or after this time"),
        ),
    ),
)
OUT_MARKS = (
    MarkSpec("REIMBURSEMENT_SYNC", "The reimbursement is in the books", streams=("reimbursements",)),
    MarkSpec("TRANSFER_SYNC", "The transfer is in the books", streams=("transfers",)),
    MarkSpec(
        "STATEMENT_CREDIT_SYNC",
        "The cashback is in the books; sent as the sync type that the setting `cashback_sync_type` names",
        streams=("cashbacks",),
    ),
)

OUT_SETTINGS = (
    FieldSpec("sync_chunk", "integer", "Ids in one call to /accounting/syncs, 1 to 5000", default=500),
    FieldSpec(
        "cashback_sync_type",
        "text",
        "Sync type that marks a cashback; Ramp documents none, so this is the likely one",
        default="STATEMENT_CREDIT_SYNC",
    ),
    FieldSpec(
        "sync_button",
        "boolean",
        "Answer Ramp's sync button within its five minutes (alpha; `flowctl doctor` says whether the company qualifies)",
        default=False,
    ),
    FieldSpec(
        "support_contact", "text", "Whom people who see a failure in Ramp should ask, for example support@example.com"
    ),
)
