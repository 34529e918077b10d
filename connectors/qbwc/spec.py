"""What the Web Connector offers: the writes, the lists QuickBooks owns, and the settings of one company."""

from __future__ import annotations

from engine.spec import ConnectorSpec, FieldSpec, ListSpec, RequestSpec

# One GUID for the application, never for a customer (Programmer's Guide p.36).
OWNER_ID = "{6C0B4F0E-9A53-4E0B-8C41-5D6A1F2B7E90}"

SETTINGS = (
    FieldSpec("user", "text", "user name that the Web Connector signs in with; one for each company", required=True),
    FieldSpec("password", "text", "password that the bookkeeper types into the Web Connector", secret=True),
    FieldSpec("app_url", "text", "https address of this service as the Web Connector reaches it", required=True),
    FieldSpec("app_name", "text", "name shown in the Web Connector", default="flowctl"),
    FieldSpec("support_url", "text", "page with help, on the same host as app_url; app_url itself when not given"),
    FieldSpec(
        "owner_id", "text", "GUID of this application, the same for every company: {8-4-4-4-12}", default=OWNER_ID
    ),
    FieldSpec(
        "file_id", "text", "GUID of this company's file: {8-4-4-4-12}; must be found in the company file when given"
    ),
    FieldSpec(
        "company_file", "text", "full path of the company file; the one that is open in QuickBooks when not given"
    ),
    FieldSpec(
        "confirm_company",
        "boolean",
        "refuse the first contact until a person has confirmed the company file",
        default=False,
    ),
    FieldSpec("qbxml_version", "text", "newest QBXML version to speak", default="13.0"),
    FieldSpec(
        "page_size",
        "integer",
        "objects to read at once from lists that can be paged; fewer are asked for while the line is slow",
        default=500,
    ),
    FieldSpec(
        "batch",
        "integer",
        "requests to write at once: 0 lets the measured answer times decide, 1 sends them one by one, "
        "more is the most there may be",
        default=0,
    ),
    FieldSpec(
        "request_timeout_s",
        "integer",
        "how long a request may be with QuickBooks before another session may take over",
        default=60,
    ),
    FieldSpec(
        "min_interval_s",
        "integer",
        "shortest time between two sessions that have nothing to do; 0 leaves it to the user",
        default=0,
    ),
    FieldSpec("run_every_min", "integer", "how often the Web Connector asks for work by itself", default=5),
)

TELLS = (
    FieldSpec(
        "home_currency",
        "text",
        "ISO 4217 code of the home currency: sure where the company file keeps several currencies, else that of its edition",
    ),
)

_COMMON = (
    FieldSpec("list_id", "id", "ListID in QuickBooks"),
    FieldSpec("full_name", "text", "full name, levels separated by a colon"),
    FieldSpec("active", "boolean", "false for names made inactive"),
    FieldSpec("number", "text", "account number, where there is one"),
    FieldSpec("edit_sequence", "text", "version stamp that a modify needs"),
)
_CURRENCY = FieldSpec("currency", "text", "ISO 4217 code; absent when the company file has one currency only")


def _data(*names: str) -> tuple[FieldSpec, ...]:
    return tuple(FieldSpec(name, "text", f"{name} as QuickBooks gives it") for name in names)


# QuickBooks moves money through these by itself: a bill's line is coded to an expense, an asset, or the cost of goods.
NOT_FOR_LINES = ("AccountsPayable", "AccountsReceivable", "Bank", "CreditCard", "NonPosting")
LISTS = (
    ListSpec(
        "Account",
        "chart of accounts",
        (
            *_COMMON,
            _CURRENCY,
            FieldSpec("account_type", "text", "such as Bank, CreditCard, Expense"),
            *_data("AccountType"),
        ),
        kind="account_type",
        seldom=NOT_FOR_LINES,
    ),
    ListSpec(
        "Vendor",
        "vendors",
        (
            *_COMMON,
            _CURRENCY,
            *_data("CompanyName", "NameOnCheck", "AccountNumber", "Phone", "Email"),
            FieldSpec(
                "VendorAddress",
                "object",
                "postal address as QuickBooks gives it; the country is free text",
                fields=_data("Addr1", "Addr2", "Addr3", "City", "State", "PostalCode", "Country"),
            ),
        ),
    ),
    ListSpec("Class", "classes", _COMMON),
    ListSpec("Customer", "customers and jobs", (*_COMMON, _CURRENCY, *_data("CompanyName", "JobStatus"))),
    ListSpec("Employee", "employees", _COMMON),
    ListSpec("Terms", "payment terms", (*_COMMON, FieldSpec("kind", "text", "StandardTerms or DateDrivenTerms"))),
    ListSpec(
        "SalesTaxItem",
        "sales tax items",
        (
            *_COMMON,
            FieldSpec("rate", "decimal", "the rate as an exact fraction: 0.0825 is 8.25 percent; absent without one"),
            FieldSpec("TaxRate", "text", "the rate in percent as QuickBooks gives it"),
            *_data("ItemDesc"),
        ),
    ),
)

# QBXML's TxnVoidType, as far as we post it; a transfer cannot be voided so.
VOIDABLE = (
    "Bill", "BillPaymentCheck", "VendorCredit", "CreditCardCharge", "CreditCardCredit", "JournalEntry", "Check", "Deposit",
)  # fmt: skip

REQUESTS = (
    RequestSpec("VendorAdd", "add a vendor"),
    RequestSpec("VendorMod", "change a vendor"),
    RequestSpec("BillAdd", "enter a bill"),
    RequestSpec("BillMod", "change a bill"),
    RequestSpec("BillPaymentCheckAdd", "pay bills from a bank account"),
    RequestSpec("VendorCreditAdd", "enter a vendor credit"),
    RequestSpec("CreditCardChargeAdd", "enter a credit card charge"),
    RequestSpec("CreditCardCreditAdd", "enter a credit card refund"),
    RequestSpec("JournalEntryAdd", "enter a journal entry"),
    RequestSpec("CheckAdd", "write a check"),
    RequestSpec("DepositAdd", "make a deposit"),
    RequestSpec("TransferAdd", "transfer between balance sheet accounts"),
    RequestSpec("TxnVoid", "void a transaction that was posted from here", undoes=VOIDABLE),
)

SPEC = ConnectorSpec(
    name="qbwc",
    title="QuickBooks Desktop (Web Connector)",
    help="Posts into QuickBooks Desktop through the QuickBooks Web Connector, which polls this server.",
    settings=SETTINGS,
    tells=TELLS,
    requests=REQUESTS,
    lists=LISTS,
    delivery="pull",
    limits=(
        "one write set is in flight for each company file",
        "account, class, employee and terms lists cannot be paged by QuickBooks",
        "a transfer carries no ExternalGUID: after a lost answer it is recognised by its memo",
    ),
)
