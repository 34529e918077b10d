"""What a ledger file takes: the requests and lists of QuickBooks, so that it can stand for it in every flow."""

from __future__ import annotations

from engine.spec import ConnectorSpec, FieldSpec, ListSpec, RequestSpec, a_field

FORMATS = ("jsonl", "csv")

SETTINGS = (
    FieldSpec(
        "path", "text", "full path of the file that is appended to; its folder must exist", required=True, local=True
    ),
    FieldSpec("format", "text", "how an entry is written", default="jsonl", choices=FORMATS),
    FieldSpec(
        "chart",
        "text",
        "full path of a CSV or JSON file with the lists: kind, id, name, number, type, active, and rate of "
        "sales tax items; without it only the vendors are known that were added to the ledger",
        local=True,
    ),
    FieldSpec("currency", "text", "currency of the books, written into entries that name none: ISO 4217 code"),
)

_OBJECT = (
    a_field("list_id", "id", "id in the chart file, or of the entry that added it"),
    a_field("full_name", "text", "full name, levels separated by a colon"),
    a_field("active", "boolean", "false for names made inactive"),
    a_field("number", "text", "account number, where there is one"),
    a_field("edit_sequence", "text", "how many entries there are of a vendor that was added to the ledger"),
)
_ACCOUNT = (
    *_OBJECT,
    a_field("account_type", "text", "`type` of the chart file, such as Bank, CreditCard, Expense"),
    a_field("AccountType", "text", "the same"),
)

_TAX = (
    *_OBJECT,
    a_field("rate", "decimal", "`rate` of the chart file, there in percent, as an exact fraction; absent without one"),
)

LISTS = (
    ListSpec(
        "Account",
        "chart of accounts",
        _ACCOUNT,
        refresh_s=60,
        kind="account_type",
        seldom=("AccountsPayable", "AccountsReceivable", "Bank", "CreditCard", "NonPosting"),
    ),
    ListSpec("Vendor", "vendors of the chart file, and those that were added to the ledger", _OBJECT, refresh_s=60),
    ListSpec("Class", "classes", _OBJECT, refresh_s=60),
    ListSpec("Customer", "customers and jobs", _OBJECT, refresh_s=60),
    ListSpec("Employee", "employees", _OBJECT, refresh_s=60),
    ListSpec("Terms", "payment terms", _OBJECT, refresh_s=60),
    ListSpec("SalesTaxItem", "sales tax items", _TAX, refresh_s=60),
)
KINDS = tuple(entry.name for entry in LISTS)

VOIDABLE = (
    "Bill", "BillPaymentCheck", "VendorCredit", "CreditCardCharge", "CreditCardCredit", "JournalEntry", "Check", "Deposit",
)  # fmt: skip

REQUESTS = (
    RequestSpec("VendorAdd", "add a vendor to the ledger's own vendors"),
    RequestSpec("VendorMod", "append what a vendor of the ledger has become"),
    RequestSpec("BillAdd", "append a bill"),
    RequestSpec("BillMod", "append an entry that takes a bill back and one that puts it anew, as one"),
    RequestSpec("BillPaymentCheckAdd", "append a payment of bills that are in the ledger"),
    RequestSpec("VendorCreditAdd", "append a vendor credit"),
    RequestSpec("CreditCardChargeAdd", "append a credit card charge"),
    RequestSpec("CreditCardCreditAdd", "append a credit card refund"),
    RequestSpec("JournalEntryAdd", "append a journal entry"),
    RequestSpec("CheckAdd", "append a check"),
    RequestSpec("DepositAdd", "append a deposit"),
    RequestSpec("TransferAdd", "append a transfer"),
    RequestSpec("TxnVoid", "append an entry that takes a transaction back", undoes=VOIDABLE),
)

SPEC = ConnectorSpec(
    name="ledger",
    title="Ledger file",
    help="Appends what a flow writes to a JSON Lines or CSV file, an entry for each document.",
    settings=SETTINGS,
    account=("path",),
    requests=REQUESTS,
    lists=LISTS,
    limits=(
        "nothing that was written is ever changed: a change or a voiding is one more entry",
        "one process at a time appends; another one waits up to ten seconds for it",
        "the file must be on a disk of this machine, or on a network disk that keeps locks",
    ),
    # What is not in the file once its lock is ours was not written.
    settle_s=0,
    stands_for=("qbwc",),
)
