"""What can be written to Ramp and which of its lists are kept for lookups, as data."""

from __future__ import annotations

from engine.spec import FieldSpec, ListSpec, RequestSpec
from engine.spec import a_field as _f
from engine.spec import a_list as _list
from engine.spec import an_object as _object

VENDOR_CREATE = "VendorCreate"
VENDOR_UPDATE = "VendorUpdate"
VENDOR_LINK = "VendorLink"
BILL_CREATE = "BillCreate"
BILL_UPDATE = "BillUpdate"
BILL_ARCHIVE = "BillArchive"
TRANSACTION_CODE = "TransactionCode"
TRANSACTION_CODE_UPDATE = "TransactionCodeUpdate"
# Of card transactions that are in the books, those of so many days are listed.
SYNCED_DAYS = 90

# What Ramp takes for a bill that was paid outside it (CREATE_BILL.md).
MANUAL_METHODS = (
    "CASH",
    "CHECK",
    "CROSS_BORDER_PAYMENT",
    "DIRECT_DEBIT",
    "DOMESTIC_WIRE_TRANSFER",
    "NON_RAMP_CREDIT_CARD",
    "OTHER",
    "PAID_IN_ERP",
)


def _must(field: FieldSpec) -> FieldSpec:
    return FieldSpec(field.name, field.type, field.help, required=True, fields=field.fields, of=field.of)


_CODING = _list(
    "coding",
    "The accounting coding: an option for each field",
    _must(_f("field_id", "id", "The field's id in the accounting system, for accounts as the list `accounts` says it")),
    _must(_f("option_id", "id", "The option's id in the accounting system")),
)
_LINES = _list(
    "line_items",
    "The lines; Ramp adds them up, there is no total",
    _must(_f("amount", "money", "Amount of the line in major units, zero or more")),
    _f("memo", "text", "Memo of the line"),
    _CODING,
)
_ADDRESS = _object(
    "address",
    "Postal address; left out unless it has its first line, city and postal code",
    _f("address_line_1", "text", "First line"),
    _f("address_line_2", "text", "Second line"),
    _f("city", "text", "City"),
    _f("state", "text", "State or province"),
    _f("postal_code", "text", "Postal code"),
    _f("country", "text", "Two-letter country"),
)
_LINK = _f("accounting_vendor_remote_id", "id", "The vendor's id in the accounting system")
_PLACE = (
    _f("country", "text", "Two-letter country; the setting `vendor_country` when it is missing"),
    _f("state", "text", "State, sent for vendors in the US"),
)
_BILL = (
    _must(_f("vendor_id", "id", "Ramp's id of the vendor")),
    _f("entity_id", "id", "Ramp's id of the business entity; else the setting `entity_id`, else the main entity"),
    _must(_f("invoice_number", "text", "Number of the invoice; at most 84 characters, in profile 2025-08 at most 20")),
    _must(_f("invoice_currency", "text", "Currency of the amounts; a bill's currency cannot be changed later")),
    _must(_f("issued_at", "date", "Date of the invoice")),
    _must(_f("due_at", "date", "Due date")),
    _f("memo", "text", "Memo of the bill, at most 1,000 characters"),
    _f("vendor_memo", "text", "Memo to the vendor, at most 400 characters; not in profile 2025-08"),
    _f("posting_date", "date", "Date for the books"),
    _must(_LINES),
    _CODING,
)

_CODED = (
    _CODING,
    _f("memo", "text", "Memo, at most 255 characters; one that a person wrote stays"),
    _object(
        "receipt",
        "An image or a PDF of a record of another connection; not sent when the transaction has a receipt",
        _must(_f("connection", "text", "The connection that has it")),
        _must(_f("stream", "text", "The stream of the record that it is with")),
        _must(_f("id", "id", "The id of that record")),
        _f("user_id", "id", "Ramp's id of the user it belongs to; the card holder's when it is missing"),
    ),
)

REQUESTS = (
    RequestSpec(
        VENDOR_CREATE,
        "create a vendor; Ramp approves it at once, and is not told to write to it",
        documents="json",
        fields=(
            _must(_f("name", "text", "Name of the vendor")),
            *_PLACE,
            _f("external_vendor_id", "id", "Our id of the vendor, by which it is found again; not in profile 2025-08"),
            _f("email", "text", "E-mail address of its contact; the setting `vendor_email` when it is missing"),
            _f("contact_name", "text", "Name of its contact"),
            _f("phone", "text", "Telephone number of its contact"),
            _ADDRESS,
            _f("description", "text", "Free text; Ramp takes it with a change only, so a new vendor has none"),
            _LINK,
        ),
    ),
    RequestSpec(
        VENDOR_UPDATE,
        "change a vendor; its name and its contact cannot be changed",
        documents="json",
        fields=(*_PLACE, _ADDRESS, _f("description", "text", "Free text"), _LINK),
    ),
    RequestSpec(
        VENDOR_LINK,
        "link a vendor to a vendor of the accounting system",
        documents="json",
        fields=(_must(_f("vendor_id", "id", "Ramp's id of the vendor")), _must(_LINK)),
        joins=True,
    ),
    RequestSpec(
        BILL_CREATE,
        "enter a bill; Ramp approves it at once, unless it is a draft",
        documents="json",
        fields=(
            *_BILL,
            _must(_f("remote_id", "id", "Our id of the bill, by which it is found again")),
            _object(
                "paid",
                "How it was paid outside Ramp; the bill is then marked paid",
                _f("method", "text", "How; `OTHER` when it is missing", *MANUAL_METHODS),
                _must(_f("on", "date", "When")),
            ),
            _f("payment_method", "text", "How Ramp is to pay it; else as the setting `unpaid_bills` says"),
            _f("draft", "boolean", "True for a draft, which a person completes in Ramp; not in profile 2025-08"),
        ),
    ),
    RequestSpec(
        BILL_UPDATE,
        "change a bill that is neither paid nor synced; its lines are replaced whole",
        documents="json",
        fields=_BILL,
    ),
    RequestSpec(BILL_ARCHIVE, "archive a bill that is not paid", documents="json", undoes=("Bill",), undone="archived"),
    RequestSpec(
        TRANSACTION_CODE,
        "code a card transaction, and add a memo and a receipt where it has none; one that is synced must be coded so already",
        documents="json",
        fields=(_must(_f("transaction_id", "id", "Ramp's id of the transaction")), *_CODED),
    ),
    RequestSpec(
        TRANSACTION_CODE_UPDATE,
        "code a card transaction anew; its memo and its receipt stay once it has them",
        documents="json",
        fields=_CODED,
    ),
)

_COMMON = (
    _f("list_id", "id", "Its id"),
    _f("full_name", "text", "Its name"),
    _f("active", "boolean", "False for one that is switched off"),
    _f("number", "text", "Its number, where it has one"),
)

_TRANSACTION = (
    *_COMMON,
    _f("amount", "money", "Amount in major units; negative for refunds"),
    _f("currency", "text", "Currency of the amount"),
    _f(
        "other_amount",
        "money",
        "Amount that the merchant charged, where that was in another currency; it is matched too",
    ),
    _f("other_currency", "text", "Currency that the merchant charged"),
    _f("date", "date", "Day on which the card was used"),
    _f("memo", "text", "Memo"),
    _f("card_holder", "text", "Who used the card"),
    _f("is_coded", "boolean", "True when every split has an account"),
    _f("is_split", "boolean", "True with several splits; such a transaction is coded in Ramp"),
    _f("is_synced", "boolean", "True when it is in the books already"),
)

LISTS = (
    ListSpec(
        "vendors",
        "payees of bills; the number is the id that whoever created the vendor gave it",
        (
            *_COMMON,
            _f("country", "text", "Two-letter country"),
            _f("state", "text", "State"),
            _f("accounting_vendor_remote_id", "id", "The vendor's id in the accounting system"),
        ),
    ),
    ListSpec(
        "accounts",
        "general ledger accounts that bills and transactions are coded to, by their id in the accounting system",
        (
            *_COMMON,
            _f("ramp_id", "id", "Ramp's own id of the account"),
            _f("classification", "text", "ASSET, CREDCARD, EQUITY, EXPENSE, LIABILITY, REVENUE and others"),
            _f("field_id", "id", "Id of the field that accounts are options of: the `field_id` of a coding"),
        ),
    ),
    ListSpec(
        "entities",
        "business entities",
        (
            *_COMMON,
            _f("currency", "text", "Currency of the entity"),
            _f("is_primary", "boolean", "True for the main entity"),
            _list(
                "accounts",
                "Accounts of the books that the entity uses, by purpose",
                _f("usage_type", "text", "Purpose, for example BILL_PAY_ACCOUNTS_PAYABLE_ACCOUNT"),
                _f("external_id", "id", "The account's id in the accounting system"),
                _f("external_name", "text", "The account's name in the accounting system"),
            ),
        ),
    ),
    ListSpec(
        "open_transactions",
        "card transactions that are not synced; the full name is the merchant's",
        _TRANSACTION,
        refresh_s=900,
    ),
    ListSpec(
        "card_transactions",
        f"the same, and those that were synced, of the last {SYNCED_DAYS} days: "
        "what the cards have paid is not to be paid once more",
        _TRANSACTION,
        refresh_s=900,
        covers_days=SYNCED_DAYS,
    ),
)
