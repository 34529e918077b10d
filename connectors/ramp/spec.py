"""What the Ramp connector offers, as data: settings, streams with every field it emits, marks and webhook events."""

from __future__ import annotations

from engine.spec import ConnectorSpec, FieldSpec, MarkSpec, StreamSpec
from engine.spec import a_field as _f
from engine.spec import a_list as _list
from engine.spec import an_object as _object

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
}
MARK_SCOPE = "accounting:write"
SCOPES = ("accounting:read", MARK_SCOPE, *sorted(STREAM_SCOPES.values()))

# The events of the 2025-08 list; later profiles add the rest.
EVENTS_2025 = (
    "bills.approved",
    "bills.created",
    "bills.paid",
    "bills.rejected",
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
EVENTS = tuple(sorted((*_BILL_EVENTS, *_TRANSACTION_EVENTS, *_VENDOR_EVENTS, *_ENTITY_EVENTS, *_USER_EVENTS)))

CODING_TYPES = (
    "AMORTIZATION_TEMPLATE",
    "BILLABLE",
    "COST_CENTER",
    "CUSTOMERS_JOBS",
    "DEFERRAL_CODE",
    "EXPENSE_ENTITY",
    "GL_ACCOUNT",
    "INVENTORY_ITEM",
    "JOURNAL",
    "MERCHANT",
    "NON_ERP",
    "OTHER",
    "PROJECT",
    "REPORTING_TAG",
    "SUBSIDIARY",
    "TAX_CODE",
    "UNIT_OF_MEASURE",
)


_CODING = _list(
    "accounting_field_selections",
    "The accounting coding a person chose in Ramp; select by `category_info.type`, never by name or position",
    _f("id", "id", "Ramp's id of the chosen option"),
    _f("external_id", "id", "The option's id in the accounting system, for example a QuickBooks ListID"),
    _f("external_code", "text", "The option's code or number in the accounting system"),
    _f("name", "text", "The option's name as Ramp shows it"),
    _f("provider_name", "text", "The integration that owns the option"),
    _object(
        "category_info",
        "The accounting field that the option belongs to",
        _f("id", "id", "Ramp's id of the field"),
        _f("external_id", "id", "The field's id in the accounting system"),
        _f("name", "text", "The field's name"),
        _f("type", "text", "What the field means; values beyond the known ones may appear", *CODING_TYPES),
    ),
)
_FOREIGN = _f(
    "foreign_provider",
    "text",
    "Name of another integration whose coding the record carries, when it differs from the setting `provider_name`; "
    "its external ids are not ours, so refuse to post (null when all is well or the setting is empty)",
)

VENDOR = (
    _f("id", "id", "Ramp's id of the vendor"),
    _f("name", "text", "Name of the vendor"),
    _f("name_legal", "text", "Legal name of the vendor"),
    _f("accounting_vendor_remote_id", "id", "The vendor's id in the accounting system, when it was matched there"),
    _f("external_vendor_id", "id", "The id that whoever created the vendor over the API gave it"),
    _f("is_active", "boolean", "False when the vendor was switched off in Ramp"),
    _f("country", "text", "Two-letter country of the vendor"),
    _f("state", "text", "State of the vendor"),
    _f("vendor_type", "text", "What kind of payee the vendor is", "BUSINESS", "INDIVIDUAL"),
    _f("description", "text", "Free text about the vendor"),
    _object(
        "address",
        "Postal address",
        _f("address_line_1", "text", "First line"),
        _f("address_line_2", "text", "Second line"),
        _f("city", "text", "City"),
        _f("state", "text", "State or province"),
        _f("postal_code", "text", "Postal code"),
        _f("country", "text", "Two-letter country"),
    ),
    _f("merchant_id", "id", "Ramp's id of the card merchant this vendor is linked to"),
    _f("vendor_owner_id", "id", "Ramp's id of the user who owns the vendor"),
    _f("created_at", "datetime", "When the vendor was created"),
)

_BILL_LINE = (
    _f("amount", "money", "Amount of the line in major units"),
    _f("currency", "text", "Currency of the line"),
    _f("memo", "text", "Memo of the line"),
    _f("purchase_order_line_item_id", "id", "Purchase order line that this line bills"),
    _CODING,
)
BILL = (
    _f("id", "id", "Ramp's id of the bill"),
    _f("invoice_number", "text", "Number that the vendor printed on the invoice"),
    _f("amount", "money", "Total of the bill in major units"),
    _f("currency", "text", "Currency of the bill"),
    _object(
        "vendor",
        "Who is owed",
        _f("id", "id", "Ramp's id of the vendor"),
        _f("name", "text", "Name of the vendor"),
        _f("remote_id", "id", "The vendor's id in the accounting system"),
        _f("remote_code", "text", "The vendor's code in the accounting system"),
        _f("remote_name", "text", "The vendor's name in the accounting system"),
        _f("type", "text", "What kind of payee the vendor is", "BUSINESS", "INDIVIDUAL"),
    ),
    _f("issued_at", "datetime", "Invoice date, as midnight UTC; take its date part"),
    _f("due_at", "datetime", "Due date, as midnight UTC"),
    _f("accounting_date", "datetime", "Date for the books; the invoice date when nobody chose one"),
    _f("posting_date", "datetime", "Date of posting that a person chose"),
    _f("created_at", "datetime", "When the bill was created in Ramp"),
    _f("paid_at", "datetime", "When the bill became PAID"),
    _f("archived_at", "datetime", "When the bill was archived"),
    _f("status", "text", "Whether the bill is paid", "OPEN", "PAID"),
    _f(
        "approval_status",
        "text",
        "How far approval is",
        "APPROVED",
        "INITIALIZED",
        "PENDING",
        "REJECTED",
        "TERMINATED",
    ),
    _f("status_summary", "text", "One word for where the bill stands (profile 2026-08)"),
    _f(
        "sync_status",
        "text",
        "What the accounting system was told",
        "NOT_SYNCED",
        "BILL_SYNCED",
        "BILL_AND_PAYMENT_SYNCED",
    ),
    _f("enable_accounting_sync", "boolean", "False when the bill must not go to the accounting system"),
    _f("memo", "text", "Memo of the bill"),
    _f("vendor_memo", "text", "Memo to the vendor"),
    _f("remote_id", "id", "The id that whoever created the bill over the API gave it"),
    _f("entity_id", "id", "Ramp's id of the business entity"),
    _f("deep_link_url", "text", "Link to the bill in the accounting system"),
    _f("fx_conversion_rate", "decimal", "Rate from the bill's currency to the payer's"),
    _CODING,
    _list("line_items", "The expense lines of the bill", *_BILL_LINE),
    _list(
        "inventory_line_items",
        "The inventory lines of the bill; their amounts are not part of `line_items`",
        *_BILL_LINE,
        _f("unit_price", "money", "Price of one unit in major units"),
        _f("quantity", "decimal", "How many units"),
    ),
    _object(
        "payment",
        "How the bill is or will be paid; null while nothing is known",
        _f("id", "id", "Ramp's id of the payment; bills of one batch payment share it (profile 2026-08)"),
        _f("customer_friendly_payment_id", "text", "Payment number that people see (profile 2026-08)"),
        _f("amount", "money", "Paid amount in major units"),
        _f("currency", "text", "Currency of the payment"),
        _f("payment_date", "datetime", "When the payment was or will be initiated; for cards, when it settled"),
        _f("effective_date", "datetime", "When the payment was really initiated; not for cards"),
        _f("payment_method", "text", "How it is paid: ACH, CARD, CHECK, PAID_MANUALLY, VENDOR_CREDIT and others"),
        _object(
            "trace_id",
            "Bank reference; present only when one bill is read, not in lists",
            _f("descriptor", "text", "What the reference is, for example Check Number"),
            _f("trace_id", "text", "The reference"),
        ),
        _object(
            "details",
            "What only this method of payment has",
            _f("manual_payment_method", "text", "How it was paid outside Ramp"),
            FieldSpec("transaction_ids", "list", "Card transactions that paid the bill", of="id"),
        ),
    ),
    _list(
        "applied_vendor_credits",
        "Vendor credits used on the bill (profile 2026-08)",
        _f("id", "id", "Ramp's id of the vendor credit"),
        _f("amount", "money", "Amount used, in major units"),
        _f("currency", "text", "Currency of that amount"),
    ),
    _FOREIGN,
)

TRANSACTION = (
    _f("id", "id", "Ramp's id of the transaction"),
    _f("amount", "money", "Amount in `currency`, in major units; negative for refunds and reversals"),
    _f("currency", "text", "Currency the amount is in: the entity's where Ramp gives it, else the settled one"),
    _f("merchant_amount", "money", "Amount that the merchant charged, in major units of `merchant_currency`"),
    _f("merchant_currency", "text", "Currency that the merchant charged"),
    _f("merchant_id", "id", "Ramp's id of the merchant"),
    _f("merchant_name", "text", "Name of the merchant"),
    _f("merchant_descriptor", "text", "Text on the card statement"),
    _f("merchant_category_code", "text", "Four-digit merchant category code"),
    _f("user_transaction_time", "datetime", "When the card was used"),
    _f("accounting_date", "datetime", "Date for the books; null when Ramp has none"),
    _f("settlement_date", "datetime", "When the money moved"),
    _f("synced_at", "datetime", "When the transaction was marked synced"),
    _f(
        "state",
        "text",
        "How far the card network is",
        "PENDING",
        "PENDING_INITIATION",
        "CLEARED",
        "COMPLETION",
        "DECLINED",
        "ERROR",
    ),
    _f("sync_status", "text", "What the accounting system was told", "NOT_SYNC_READY", "SYNC_READY", "SYNCED"),
    _f(
        "requires_accounting_vendor_creation_to_sync",
        "boolean",
        "True when Ramp refuses the sync until a vendor is coded; null when that rule is off",
    ),
    _f("memo", "text", "Memo of the transaction"),
    _f("entity_id", "id", "Ramp's id of the business entity"),
    _f("card_id", "id", "Ramp's id of the card"),
    _f("limit_id", "id", "Ramp's id of the spend limit"),
    _f("spend_program_id", "id", "Ramp's id of the spend program"),
    _f("statement_id", "id", "Ramp's id of the card statement"),
    _f("sk_category_name", "text", "Ramp's own category, a guess and no coding"),
    _object(
        "card_holder",
        "Who used the card",
        _f("user_id", "id", "Ramp's id of the user"),
        _f("employee_id", "id", "The user's id in the customer's own systems"),
        _f("first_name", "text", "First name"),
        _f("last_name", "text", "Last name"),
        _f("department_id", "id", "Ramp's id of the department"),
        _f("department_name", "text", "Name of the department"),
        _f("location_id", "id", "Ramp's id of the location"),
        _f("location_name", "text", "Name of the location"),
    ),
    FieldSpec("receipts", "list", "Ramp's ids of the receipts", of="id"),
    _CODING,
    _list(
        "line_items",
        "The splits of the transaction; coding sits here in practice",
        _f("amount", "money", "Amount of the split in the transaction's `currency`, in major units"),
        _f(
            "currency",
            "text",
            "Currency of that amount: the transaction's, or the split's own when nothing else is known",
        ),
        _f(
            "amount_source",
            "text",
            "Where the amount comes from: Ramp's converted amount, the amount as given, or the whole transaction's "
            "(one split in a foreign currency); `none` when nothing gives it in the transaction's currency",
            "converted",
            "given",
            "transaction",
            "none",
        ),
        _f("original_amount", "money", "Amount as Ramp gives it, perhaps in the merchant's currency"),
        _f("original_currency", "text", "Currency of the original amount"),
        _f("memo", "text", "Memo of the split"),
        _CODING,
    ),
    _FOREIGN,
)

ENTITY = (
    _f("id", "id", "Ramp's id of the business entity"),
    _f("entity_name", "text", "Name of the entity"),
    _f("currency", "text", "Currency of the entity"),
    _f("is_primary", "boolean", "True for the main entity"),
    FieldSpec("location_ids", "list", "Ramp's ids of the entity's locations", of="id"),
    _list(
        "accounts",
        "Accounts of the accounting system that the entity uses, by purpose",
        _f("internal_id", "text", "Account number that a person entered in Ramp"),
        _f("external_id", "id", "The account's id in the accounting system"),
        _f("external_name", "text", "The account's name in the accounting system"),
        _f("bank_account_id", "id", "Ramp's id of the bank account"),
        _f("classification", "text", "Kind of account: ASSET, CREDCARD, LIABILITY and others"),
        _f("usage_type", "text", "Purpose, for example CARD_LIABILITY_ACCOUNT or BILL_PAY_ACCOUNTS_PAYABLE_ACCOUNT"),
    ),
)

USER = (
    _f("id", "id", "Ramp's id of the user"),
    _f("email", "text", "Work e-mail address"),
    _f("employee_id", "id", "The user's id in the customer's own systems"),
    _f("first_name", "text", "First name"),
    _f("last_name", "text", "Last name"),
    _f("role", "text", "Role in Ramp, for example BUSINESS_USER"),
    _f("status", "text", "USER_ACTIVE, USER_INACTIVE and others"),
    _f("is_manager", "boolean", "True when someone reports to the user"),
    _f("department_id", "id", "Ramp's id of the department"),
    _f("location_id", "id", "Ramp's id of the location"),
    _f("entity_id", "id", "Ramp's id of the business entity"),
    _f("manager_id", "id", "Ramp's id of the user's manager"),
)

DEPARTMENT = (
    _f("id", "id", "Ramp's id of the department"),
    _f("name", "text", "Name of the department"),
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
        ),
        webhooks=_TRANSACTION_EVENTS,
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
)

SETTINGS = (
    FieldSpec("client_id", "text", "Client id of the Ramp developer app", required=True, secret=True),
    FieldSpec("client_secret", "text", "Client secret of the Ramp developer app", required=True, secret=True),
    FieldSpec("webhook_secret", "text", "Secret of the webhook subscription, shown once at its creation", secret=True),
    FieldSpec("webhook_secret_previous", "text", "The secret before it, still accepted while you rotate", secret=True),
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
    FieldSpec("entity_id", "id", "Read only this business entity's bills, transactions and users"),
    FieldSpec(
        "provider_name", "text", "Name our accounting connection has in Ramp; coding of others is marked foreign"
    ),
    FieldSpec(
        "confirm_marks", "boolean", "Read every record again after marking it, to see that Ramp took it", default=True
    ),
    FieldSpec(
        "scopes",
        "text",
        "OAuth scopes to ask for, separated by spaces; ask for fewer when the app has fewer",
        default=" ".join(SCOPES),
    ),
)

SPEC = ConnectorSpec(
    name="ramp",
    title="Ramp",
    help="Corporate cards and bill pay: reads vendors, bills, card transactions, entities, users and departments, "
    "and tells Ramp what was posted",
    settings=SETTINGS,
    streams=STREAMS,
    marks=(
        MarkSpec("BILL_SYNC", "The bill is in the books", streams=("bills",)),
        MarkSpec(
            "BILL_PAYMENT_SYNC", "The payment of the bill is in the books; its id is the bill's", streams=("bills",)
        ),
        MarkSpec("TRANSACTION_SYNC", "The card transaction is in the books", streams=("transactions",)),
    ),
    webhooks=EVENTS,
    limits=(
        "200 requests in any 10 seconds for one source address; at most 180 are sent",
        "a page holds 2 to 100 records",
        "a mark call holds at most 500 ids (Ramp takes 5,000)",
        "Ramp ends a request after 60 seconds",
    ),
)
