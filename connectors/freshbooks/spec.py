"""What the FreshBooks connector offers, as data: settings, streams with every field it emits, webhook events."""

from __future__ import annotations

from engine.spec import ConnectorSpec, FieldSpec, StreamSpec
from engine.spec import a_field as _f
from engine.spec import a_list as _list

API = "https://api.freshbooks.com"
AUTH = "https://auth.freshbooks.com"
TOKEN = "/auth/oauth/token"  # noqa: S105 - a path
AUTHORIZE = "/oauth/authorize"
ME = "/auth/api/v1/users/me"
# Where each stream is listed below `/accounting/account/{accountId}`, the name of its list, and that of one object.
PLACES = {
    "bills": ("bills/bills", "bills", "bill"),
    "bill_vendors": ("bill_vendors/bill_vendors", "bill_vendors", "bill_vendor"),
    "expenses": ("expenses/expenses", "expenses", "expense"),
    "categories": ("expenses/categories", "categories", "category"),
    "accounts": ("journal_entry_accounts/journal_entry_accounts", "journal_entry_accounts", "journal_entry_account"),
}

DELETED = 1  # the `vis_state`
# What FreshBooks lists only when it is asked for deleted ones (freshbooks.com/api/active_deleted); the others it lists by itself.
DELETED_APART = ("bills", "expenses")
# What must be asked for to be there at all.
INCLUDES = {"expenses": {"include[]": "attachment"}}
BILL_STATUSES = ("unpaid", "overdue", "partial", "paid")
VERBS = ("create", "update", "delete")
# A callback for the name before the dot hears of all three (FACTS.md, Webhooks).
PARENTS = ("bill", "bill_vendor", "category", "expense")
EVENTS = tuple(f"{parent}.{verb}" for parent in PARENTS for verb in VERBS)


def _events(parent: str) -> tuple[str, ...]:
    return tuple(event for event in EVENTS if event.partition(".")[0] == parent)


_MONEY = (
    _f("amount", "money", "The amount; a text that `money()` refuses when it cannot be read"),
    _f("code", "text", "Three-letter currency"),
)


def _attachment(help_: str) -> FieldSpec:
    return FieldSpec(
        "attachment",
        "object",
        help_,
        fields=(
            _f("id", "id", "FreshBooks' id of the document"),
            _f("media_type", "text", "Kind of document"),
        ),
    )


def _money(name: str, help_: str) -> FieldSpec:
    return FieldSpec(name, "object", help_, fields=_MONEY)


_VIS_STATE = _f("vis_state", "integer", "0 active, 1 deleted, 2 archived")
_CREATED = _f("created_at", "datetime", "When it was created in FreshBooks, in UTC")
_UPDATED = _f("updated_at", "datetime", "When it was last changed in FreshBooks, in UTC")
# FreshBooks' numbers are of one account only: with its id they can be told from those of another one.
ACCOUNT_ID = _f("account_id", "id", "FreshBooks' id of the account that it is of")

VENDOR = (
    _f("vendorid", "id", "FreshBooks' id of the vendor"),
    _f("vendor_name", "text", "Name of the vendor"),
    _f("account_number", "text", "Our account number with the vendor"),
    _f("primary_contact_first_name", "text", "First name of whom to ask there"),
    _f("primary_contact_last_name", "text", "Last name of whom to ask there"),
    _f("primary_contact_email", "text", "E-mail address of whom to ask there"),
    _f("phone", "text", "Telephone number"),
    _f("website", "text", "Web site"),
    _f("street", "text", "First line of the address"),
    _f("street2", "text", "Second line of the address"),
    _f("city", "text", "City"),
    _f("province", "text", "Province or state"),
    _f("postal_code", "text", "Postal code"),
    _f("country", "text", "Name of the country"),
    _f("currency_code", "text", "Three-letter currency of the vendor's bills"),
    _f("language", "text", "Language of the vendor"),
    _f("note", "text", "Note on the vendor"),
    _f("is_1099", "boolean", "True when payments to the vendor go on form 1099"),
    _list("outstanding_balance", "What is owed, a sum for each currency", *_MONEY),
    _list("overdue_balance", "What is overdue, a sum for each currency", *_MONEY),
    _CREATED,
    _UPDATED,
    _VIS_STATE,
)

BILL = (
    ACCOUNT_ID,
    _f("id", "id", "FreshBooks' id of the bill"),
    _f("vendorid", "id", "FreshBooks' id of the vendor"),
    _f("bill_number", "text", "Number that the vendor printed on the bill"),
    _f("status", "text", "How much of it is paid", *BILL_STATUSES),
    _f("issue_date", "date", "Date of the bill"),
    _f("due_date", "date", "Due date, which FreshBooks derives"),
    _f("due_offset_days", "integer", "Days from the date of the bill to the due date: all there is of payment terms"),
    _f("currency_code", "text", "Three-letter currency of the bill"),
    _f("language", "text", "Language of the bill"),
    _money("amount", "Sum of the lines without taxes"),
    _money("tax_amount", "Sum of the taxes"),
    _money("total_amount", "Total of the bill, taxes included"),
    _money("paid", "What is paid already"),
    _money("outstanding", "What is still owed"),
    _f("overall_category", "text", "Category of all lines, or of the first ones"),
    _f("overall_description", "text", "Description of all lines, or of the first ones"),
    _attachment("The vendor's document, null when there is none"),
    _list(
        "lines",
        "The lines of the bill",
        _f("list_index", "integer", "Place of the line, from 1"),
        _f("categoryid", "id", "FreshBooks' id of the expense category"),
        _f("category", "text", "Name of the expense category"),
        _f("description", "text", "Description of the line"),
        _f("quantity", "decimal", "How many units"),
        _money("unit_cost", "Price of one unit"),
        _money("amount", "Amount of the line without taxes"),
        _money("total_amount", "Amount of the line, taxes included"),
        _f("tax_name1", "text", "Name of the first tax"),
        _f("tax_percent1", "decimal", "Percentage of the first tax"),
        _money("tax_amount1", "Amount of the first tax"),
        _f("tax_name2", "text", "Name of the second tax"),
        _f("tax_percent2", "decimal", "Percentage of the second tax"),
        _money("tax_amount2", "Amount of the second tax"),
    ),
    _list(
        "bill_payments",
        "What was paid of it",
        _f("id", "id", "FreshBooks' id of the payment"),
        _money("amount", "What was paid"),
        _f("paid_date", "date", "Day of the payment"),
        _f("payment_type", "text", "Check, Credit Card, Bank Transfer and others"),
        _f("note", "text", "Note on the payment"),
        _VIS_STATE,
    ),
    FieldSpec("vendor", "object", "The vendor, as it is in the list of bill vendors", fields=VENDOR),
    _CREATED,
    _UPDATED,
    _VIS_STATE,
)

EXPENSE = (
    ACCOUNT_ID,
    _f("id", "id", "FreshBooks' id of the expense"),
    _f("expenseid", "id", "The same id once more"),
    _f("categoryid", "id", "FreshBooks' id of the category"),
    _f("category", "text", "Name of the category, as the list of categories has it"),
    _f("staffid", "id", "FreshBooks' id of whoever made the expense"),
    _f("clientid", "id", "FreshBooks' id of the client it was made for; 0 for none"),
    _f("projectid", "id", "FreshBooks' id of the project it was made for; 0 for none"),
    _f("invoiceid", "id", "FreshBooks' id of the invoice that bills the client for it"),
    _f("transactionid", "id", "FreshBooks' id of the bank transaction it came from"),
    _f("vendor", "text", "Name of the vendor as typed: expenses have no vendor's id"),
    _f("date", "date", "Date of the expense"),
    _money("amount", "Amount of the expense, taxes included"),
    _f("taxName1", "text", "Name of the first tax"),
    _f("taxPercent1", "decimal", "Percentage of the first tax"),
    _money("taxAmount1", "Amount of the first tax"),
    _f("taxName2", "text", "Name of the second tax"),
    _f("taxPercent2", "decimal", "Percentage of the second tax"),
    _money("taxAmount2", "Amount of the second tax"),
    _f("notes", "text", "Notes"),
    _f("account_name", "text", "Name of the bank account it came from"),
    _f("bank_name", "text", "Name of the bank it came from"),
    _f("status", "integer", "0 internal, 1 outstanding, 2 invoiced, 4 recouped; one source has 3 for recouped"),
    _f("has_receipt", "boolean", "True when a receipt is attached"),
    _attachment("The receipt, null when there is none; its content is fetched when it is needed"),
    _f("is_cogs", "boolean", "True for cost of goods sold"),
    _f("isduplicate", "boolean", "True when FreshBooks takes it for a double of another expense"),
    _f("updated", "datetime", "When it was last changed in FreshBooks, in UTC"),
    _VIS_STATE,
)

CATEGORY = (
    _f("id", "id", "FreshBooks' id of the category"),
    _f("categoryid", "id", "The same id once more"),
    _f("category", "text", "Name of the category"),
    _f("parentid", "id", "FreshBooks' id of the category above it"),
    _f("is_cogs", "boolean", "True for cost of goods sold"),
    _f("is_editable", "boolean", "False for the categories that FreshBooks gives"),
    _CREATED,
    _UPDATED,
    _VIS_STATE,
)

_ACCOUNT = (
    _f("id", "id", "FreshBooks' id of the account"),
    _f("account_name", "text", "Name of the account"),
    _f("account_number", "text", "Number of the account"),
    _f("account_type", "text", "asset, liability, equity, income, expense"),
    _f("balance", "decimal", "Balance of the account"),
)
ACCOUNT = (
    *_ACCOUNT,
    _f("currency_code", "text", "Three-letter currency of the account"),
    _list("sub_accounts", "The accounts below it", *_ACCOUNT),
    _CREATED,
)

_VIS_FILTER = _f("vis_state", "integer", "Only 0 active, 1 deleted or 2 archived ones")

STREAMS = (
    StreamSpec(
        "bills",
        "Bills with their lines and their vendor, deleted and archived ones too: `vis_state` says so",
        "id",
        BILL,
        filters=(
            _f("vendorid", "id", "Only bills of this vendor"),
            _f("status", "text", "Only this status", *BILL_STATUSES),
            _f("currency_code", "text", "Only this currency"),
            _VIS_FILTER,
        ),
        webhooks=_events("bill"),
    ),
    StreamSpec(
        "bill_vendors",
        "Whom bills come from",
        "vendorid",
        (ACCOUNT_ID, *VENDOR),
        filters=(_VIS_FILTER,),
        webhooks=_events("bill_vendor"),
    ),
    StreamSpec(
        "expenses",
        "Money that was spent; deleted and archived ones too: `vis_state` says so",
        "id",
        EXPENSE,
        filters=(
            _f("categoryid", "id", "Only expenses of this category"),
            _f("clientid", "id", "Only expenses made for this client"),
            _f("projectid", "id", "Only expenses made for this project"),
            _f("has_receipt", "boolean", "Only those with a receipt, or without"),
            _VIS_FILTER,
        ),
        changes="since",
        webhooks=_events("expense"),
    ),
    StreamSpec(
        "categories", "Expense categories", "id", CATEGORY, filters=(_VIS_FILTER,), webhooks=_events("category")
    ),
    StreamSpec("accounts", "Chart of accounts, as journal entries have it", "id", ACCOUNT),
)

SETTINGS = (
    FieldSpec("client_id", "text", "Client id of the FreshBooks app", required=True),
    FieldSpec("client_secret", "text", "Client secret of the app", required=True, secret=True),
    FieldSpec(
        "redirect_uri",
        "text",
        "Redirect address of the app: https, without a query, as it is registered",
        required=True,
    ),
    FieldSpec(
        "authorization_code",
        "text",
        "The code that the authorisation page gave, good once and for five minutes; what it gave is kept in the store",
        secret=True,
    ),
    FieldSpec("account_id", "id", "FreshBooks' id of the account; found by itself when the user has only one"),
    FieldSpec(
        "webhook_verifiers",
        "text",
        "Verifiers of the webhook callbacks, a blank between two: each callback has its own",
        secret=True,
    ),
    FieldSpec("base_url", "text", "Address of the API; another one only for a simulator on this machine", default=API),
    FieldSpec("auth_url", "text", "Address of the authorisation page", default=AUTH),
    FieldSpec("page_size", "integer", "Records a page, 1 to 100", default=100),
    FieldSpec(
        "overlap_days",
        "integer",
        "How many days before the newest change seen the next read of expenses begins, 1 to 30",
        default=1,
    ),
)

SPEC = ConnectorSpec(
    name="freshbooks",
    title="FreshBooks",
    help="Accounting of small businesses: reads bills, bill vendors, expenses, categories and accounts",
    settings=SETTINGS,
    account=("account_id",),
    streams=STREAMS,
    webhooks=EVENTS,
    limits=(
        "no numbers are published; at most 4 calls at once for one app, and 429 is waited out",
        "a page holds at most 100 records",
        "an access token lives 12 hours; a refresh token is good for one use",
    ),
)
