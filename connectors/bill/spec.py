"""What the BILL connector offers, as data: settings, streams with every field it emits, the write, webhook events."""

from __future__ import annotations

from engine.spec import ConnectorSpec, FieldSpec, RequestSpec, StreamSpec
from engine.spec import a_field as _f
from engine.spec import a_list as _list
from engine.spec import an_object as _object

PRODUCTION = "https://gateway.prod.bill.com"
SANDBOX = "https://gateway.stage.bill.com"
# The two parts of the API live side by side on the same hosts (FACTS.md, Hosts).
API = "/connect/v3"
EVENTS_API = "/connect-events/v3"
VENDOR_CREATE = "VendorCreate"
# Where each stream is listed.
PATHS = {
    "vendors": f"{API}/vendors",
    "bills": f"{API}/bills",
    "payments": f"{API}/payments",
    "vendor_credits": f"{API}/vendor-credits",
    "chart_of_accounts": f"{API}/classifications/chart-of-accounts",
    "classes": f"{API}/classifications/accounting-classes",
    "departments": f"{API}/classifications/departments",
    "locations": f"{API}/classifications/locations",
}

_VENDOR_EVENTS = ("vendor.archived", "vendor.created", "vendor.restored", "vendor.updated")
_BILL_EVENTS = ("bill.archived", "bill.created", "bill.restored", "bill.updated")
_PAYMENT_EVENTS = ("payment.failed", "payment.updated")
EVENTS = (*_BILL_EVENTS, *_PAYMENT_EVENTS, *_VENDOR_EVENTS)

ACCOUNT_TYPES = ("BUSINESS", "PERSON", "NONE")
APPROVAL_STATUSES = ("APPROVED", "APPROVING", "ASSIGNED", "DENIED", "UNASSIGNED", "UNDEFINED")
# Sources differ on how a part payment is spelled (FACTS.md, Not found / uncertain).
PAYMENT_STATUSES = ("PAID", "UNPAID", "SCHEDULED", "IN_PROCESS", "PARTIALLY_PAID", "PARTIAL", "UNDEFINED")
SINGLE_STATUSES = (
    "SCHEDULED",
    "FUNDING_STARTED",
    "PROCESSED",
    "SENT",
    "DELIVERED",
    "CLEARED",
    "DISBURSEMENT_ON_HOLD",
    "CANCELED",
    "VOIDED",
    "VOID_PENDING",
    "EXPIRING",
    "FUNDING_FAILED_VOIDED",
    "FUNDING_FAILED_ACTION_NEEDED",
    "DISBURSEMENT_FAILED_ACTION_NEEDED",
    "DISBURSEMENT_FAILED_VENDOR_BANK_REJECTED",
    "FUNDS_ESCHEATED",
)
ACCOUNT_KINDS = (
    "ACCOUNTS_PAYABLE",
    "ACCOUNTS_RECEIVABLE",
    "BANK",
    "COST_OF_GOODS_SOLD",
    "CREDIT_CARD",
    "EQUITY",
    "EXPENSE",
    "FIXED_ASSET",
    "INCOME",
    "LONG_TERM_LIABILITY",
    "NON_POSTING",
    "OTHER_ASSET",
    "OTHER_CURRENT_ASSET",
    "OTHER_CURRENT_LIABILITY",
    "OTHER_EXPENSE",
    "OTHER_INCOME",
    "UNSPECIFIED",
)


_CREATED = _f("createdTime", "datetime", "When it was created in BILL")
_UPDATED = _f("updatedTime", "datetime", "When it was last changed in BILL")
_ARCHIVED = _f("archived", "boolean", "True when a person archived it, which is how BILL deletes")
_TIMES = (_CREATED, _UPDATED)
_CURRENCY = _f("currency", "text", "Currency of the vendor, which BILL does not repeat here; null when it says none")


def _named(name: str, what: str, *more: FieldSpec) -> FieldSpec:
    """What the connector adds to a coding: the list object that an id stands for."""
    return _object(
        name,
        f"The {what} with that id; null when none is chosen, or when BILL's list does not have it",
        _f("id", "id", f"BILL's id of the {what}"),
        _f("name", "text", f"Full name, `Above:Below`; null when what is above the {what} is not known"),
        _f("shortName", "text", f"Name of the {what} alone"),
        *more,
    )


CODING = _object(
    "classifications",
    "The coding a person chose in BILL: ids as BILL gives them, and the names that belong to them",
    _f("chartOfAccountId", "id", "BILL's id of the GL account"),
    _f("accountingClassId", "id", "BILL's id of the class"),
    _f("departmentId", "id", "BILL's id of the department"),
    _f("employeeId", "id", "BILL's id of the employee; lines only"),
    _f("jobId", "id", "BILL's id of the job; lines only"),
    _f("locationId", "id", "BILL's id of the location"),
    _f("itemId", "id", "BILL's id of the item"),
    _f("customerId", "id", "BILL's id of the customer; lines only"),
    _named("chartOfAccount", "GL account", _f("number", "text", "Account number")),
    _named("accountingClass", "class"),
    _named("department", "department"),
    _named("location", "location"),
)

VENDOR = (
    _f("id", "id", "BILL's id of the vendor"),
    _ARCHIVED,
    _f("name", "text", "Name of the vendor"),
    _f("shortName", "text", "Short name of the vendor"),
    _f("accountNumber", "text", "Our account number with the vendor"),
    _f("accountType", "text", "What kind of payee the vendor is", *ACCOUNT_TYPES, "UNDEFINED"),
    _f("email", "text", "E-mail address"),
    _f("phone", "text", "Telephone number"),
    _object(
        "address",
        "Postal address",
        _f("line1", "text", "First line"),
        _f("line2", "text", "Second line"),
        _f("city", "text", "City"),
        _f("stateOrProvince", "text", "State or province"),
        _f("zipOrPostalCode", "text", "Postal code"),
        _f("country", "text", "Two-letter country"),
        _f("countryName", "text", "Name of the country"),
    ),
    _f("billCurrency", "text", "Currency of the vendor's bills"),
    _object(
        "additionalInfo",
        "Further details",
        _f("companyName", "text", "Name of the vendor's company"),
        _f("track1099", "boolean", "True when payments to the vendor go on form 1099"),
        _f("paymentTermId", "id", "BILL's id of the vendor's payment terms"),
    ),
    _object(
        "paymentInformation",
        "How the vendor is paid; bank details are left out",
        _f("payeeName", "text", "Name that payments are made out to"),
    ),
    *_TIMES,
)

BILL = (
    _f("id", "id", "BILL's id of the bill"),
    _ARCHIVED,
    _f("vendorId", "id", "BILL's id of the vendor"),
    _f("vendorName", "text", "Name of the vendor"),
    _f(
        "amount",
        "money",
        "Total of the bill in the vendor's currency; a text that `money()` refuses when the bill cannot be read whole",
    ),
    _f("paidAmount", "money", "What is paid already"),
    _f("dueAmount", "money", "What is still owed"),
    _f("creditAmount", "money", "What vendor credits cover"),
    _f("scheduledAmount", "money", "What is scheduled to be paid"),
    _CURRENCY,
    _f("exchangeRate", "decimal", "Rate between the bill's currency and the organization's; null for a domestic bill"),
    _f("description", "text", "Description of the bill"),
    _f("dueDate", "date", "Due date"),
    _object(
        "invoice",
        "The vendor's invoice",
        _f("invoiceNumber", "text", "Number that the vendor printed on the invoice"),
        _f("invoiceDate", "date", "Invoice date"),
    ),
    _list(
        "billLineItems",
        "The lines of the bill",
        _f("id", "id", "BILL's id of the line"),
        _f("amount", "money", "Amount of the line"),
        _f("quantity", "decimal", "How many units"),
        _f("price", "decimal", "Price of one unit"),
        _f("description", "text", "Description of the line"),
        CODING,
    ),
    _f("payFromChartOfAccountId", "id", "BILL's id of the GL account the bill is to be paid from"),
    _f("paymentStatus", "text", "Whether the bill is paid; values beyond the known ones may appear", *PAYMENT_STATUSES),
    _f(
        "approvalStatus",
        "text",
        "How far approval is; UNASSIGNED where the organization has no approval policy",
        *APPROVAL_STATUSES,
    ),
    _f("purchaseOrderNumber", "text", "Purchase order that the bill belongs to"),
    CODING,
    *_TIMES,
)

_DATES = (
    _f("sentDate", "date", "When it was sent"),
    _f("arrivesByDate", "date", "When it should arrive"),
)
PAYMENT = (
    _f("id", "id", "BILL's id of the payment"),
    _f("vendorId", "id", "BILL's id of the vendor"),
    _f("vendorName", "text", "Name of the vendor"),
    _f("billId", "id", "BILL's id of the bill, where only one is paid; use `billPayments`"),
    _list(
        "billPayments",
        "The bills that this payment pays; one entry made from `billId` and `amount` where BILL sends no list",
        _f("id", "id", "BILL's id of this part of the payment; null in an entry made from `billId`"),
        _f("billId", "id", "BILL's id of the bill"),
        _f("amount", "money", "What is paid of the bill; `creditsIncluded` says whether with the credits"),
        _list(
            "vendorCredits",
            "Vendor credits that cover more of the bill",
            _f("id", "id", "BILL's id of the vendor credit"),
            _f("amount", "money", "What it covers"),
        ),
    ),
    FieldSpec(
        "creditsIncluded",
        "boolean",
        "Whether the amounts in `billPayments` hold what the credits cover; null when nothing tells, and nothing has told before",
        stays_with=("amount", "billPayments"),
    ),
    _f("description", "text", "Description of the payment"),
    _f("processDate", "date", "Day the payment is made"),
    _object(
        "fundingAccount",
        "Where the money comes from",
        _f("type", "text", "BANK_ACCOUNT, CARD_ACCOUNT, WALLET, AP_CARD and others"),
        _f("id", "id", "BILL's id of the account"),
    ),
    _f(
        "amount",
        "money",
        "What is paid in all; a text that `money()` refuses when the payment cannot be read whole",
    ),
    _CURRENCY,
    _f("exchangeRate", "decimal", "Rate between the payment's currency and the organization's"),
    _f("transactionNumber", "text", "BILL's number of the transaction"),
    _f("confirmationNumber", "text", "Number that people see"),
    _f("status", "text", "Where it stands", "APPROVING", "ARCHIVED", "CANCELLED", "PAID", "SCHEDULED", "VOID"),
    _f(
        "singleStatus",
        "text",
        "Where it stands, in more words; CLEARED may still fail. Values beyond the known ones may appear",
        *SINGLE_STATUSES,
    ),
    _f("disbursementStatus", "text", "How far the money is on its way to the vendor"),
    _f("disbursementType", "text", "CHECK, ACH, RPPS, VIRTUAL_CARD, INTERNATIONAL, WALLET, OFFLINE and others"),
    _object(
        "disbursementInfo",
        "What only this way of payment has",
        _f("isVoidable", "boolean", "True while it can be voided"),
        _object(
            "checkDisbursement", "A paper check", *_DATES, _f("checkNumber", "text", "Number printed on the check")
        ),
        _object("achDisbursement", "A bank transfer", *_DATES),
        _object(
            "rppsDisbursement",
            "A transfer through the bill payment network",
            *_DATES,
            _f("traceNumber", "text", "Trace number"),
            _f("batchNumber", "text", "Batch number"),
        ),
        _object("internationalDisbursement", "A transfer abroad", *_DATES),
    ),
    _f("onlinePayment", "boolean", "False when the payment was made outside BILL and only recorded there"),
    _list(
        "voidInfo",
        "Requests to void the payment",
        _f("id", "id", "BILL's id of the request"),
        _f("type", "text", "VOID_ONLY or VOID_AND_REISSUE"),
        _f("status", "text", "Where the request stands"),
        _f("reason", "text", "Why it is to be voided"),
        *_TIMES,
    ),
    _f("cancelRequestSubmitted", "boolean", "True when a person asked to cancel the payment"),
    *_TIMES,
)

VENDOR_CREDIT = (
    _f("id", "id", "BILL's id of the vendor credit"),
    _f("vendorId", "id", "BILL's id of the vendor"),
    _f("referenceNumber", "text", "Number of the credit"),
    _f("creditDate", "date", "Date of the credit"),
    _f("description", "text", "Description of the credit"),
    _ARCHIVED,
    _f("applyToChartOfAccountId", "id", "BILL's id of the GL account that it is applied to"),
    _f(
        "amount",
        "money",
        "Total of the credit, positive; a text that `money()` refuses when the credit cannot be read whole",
    ),
    _CURRENCY,
    _f("appliedAmount", "money", "What is used already"),
    _f("status", "text", "How much of it is used: NOT_APPLIED, PARTIALLY_APPLIED, FULLY_APPLIED, IN_PROCESS"),
    _list(
        "vendorCreditLineItems",
        "The lines of the credit",
        _f("id", "id", "BILL's id of the line"),
        _f("amount", "money", "Amount of the line"),
        _f("description", "text", "Description of the line"),
        CODING,
    ),
    _list(
        "usage",
        "Where it was used",
        _f("billId", "id", "BILL's id of the bill"),
        _f("paymentId", "id", "BILL's id of the payment"),
        _f("amount", "money", "What was used"),
    ),
    *_TIMES,
)


def _listed(what: str, *more: FieldSpec) -> tuple[FieldSpec, ...]:
    return (
        _f("id", "id", f"BILL's id of the {what}"),
        _ARCHIVED,
        _f("name", "text", f"Name of the {what} alone"),
        _f("fullName", "text", f"Full name, `Above:Below`; null when what is above the {what} is not known"),
        _f("description", "text", f"Description of the {what}"),
        _f("parentId", "id", f"BILL's id of the {what} above it"),
        *more,
        *_TIMES,
    )


CHART_OF_ACCOUNT = _listed(
    "GL account",
    _object(
        "account",
        "What kind of account it is",
        _f("type", "text", "Kind of account", *ACCOUNT_KINDS),
        _f("number", "text", "Account number"),
    ),
)

_ARCHIVED_FILTER = _f("archived", "boolean", "Only archived, or only current ones; both when it is not given")

STREAMS = (
    StreamSpec(
        "vendors",
        "Payees of bills, archived ones as well unless filtered",
        "id",
        VENDOR,
        filters=(_ARCHIVED_FILTER,),
        changes="since",
        webhooks=_VENDOR_EVENTS,
    ),
    StreamSpec(
        "bills",
        "Bills with their lines, whatever their approval, archived ones as well unless filtered",
        "id",
        BILL,
        filters=(
            _f("vendor_id", "id", "Only bills of this vendor"),
            _ARCHIVED_FILTER,
            _f("payment_status", "text", "Only this payment status", *PAYMENT_STATUSES),
        ),
        changes="since",
        webhooks=_BILL_EVENTS,
    ),
    StreamSpec(
        "payments",
        "Payments of bills, made by BILL or recorded there; one may pay many bills, net of vendor credits",
        "id",
        PAYMENT,
        changes="since",
        webhooks=_PAYMENT_EVENTS,
    ),
    StreamSpec("vendor_credits", "Credits of vendors, and where they were used", "id", VENDOR_CREDIT, changes="since"),
    StreamSpec("chart_of_accounts", "GL accounts as BILL knows them", "id", CHART_OF_ACCOUNT),
    StreamSpec("classes", "Accounting classes", "id", _listed("class")),
    StreamSpec("departments", "Departments", "id", _listed("department")),
    StreamSpec("locations", "Locations", "id", _listed("location")),
)

REQUESTS = (
    RequestSpec(
        VENDOR_CREATE,
        "Creates a vendor; BILL has no key of ours to find it by, so its name does that",
        documents="json",
        fields=(
            FieldSpec("name", "text", "Name of the vendor", required=True),
            FieldSpec("accountType", "text", "What kind of payee the vendor is", choices=ACCOUNT_TYPES),
            _f("email", "text", "E-mail address"),
            _f("phone", "text", "Telephone number"),
            _f("accountNumber", "text", "Our account number with the vendor"),
            _f("billCurrency", "text", "Three-letter currency of the vendor's bills"),
            _object(
                "address",
                "Postal address",
                _f("line1", "text", "First line"),
                _f("line2", "text", "Second line"),
                _f("city", "text", "City"),
                _f("stateOrProvince", "text", "State or province"),
                _f("zipOrPostalCode", "text", "Postal code"),
                _f("country", "text", "Two-letter country"),
            ),
        ),
    ),
)

SETTINGS = (
    FieldSpec("username", "text", "E-mail address of the BILL user that flowctl signs in as", required=True),
    FieldSpec("password", "text", "Password of that user", required=True, secret=True),
    FieldSpec("organization_id", "id", "BILL's id of the organization; it begins with 008", required=True),
    FieldSpec("dev_key", "text", "Developer key, of the same environment", required=True, secret=True),
    FieldSpec("webhook_key", "text", "Security key of the webhook subscription, shown once", secret=True),
    FieldSpec("webhook_key_previous", "text", "The key before it, still accepted while you rotate", secret=True),
    FieldSpec(
        "environment",
        "text",
        "Which BILL the credentials belong to; a key of one is unknown to the other",
        default="production",
        choices=("production", "sandbox"),
    ),
    FieldSpec(
        "base_url", "text", "Address of the API, when it is not the environment's own: a simulator on this machine"
    ),
    FieldSpec("page_size", "integer", "Records a page, 1 to 100", default=100),
    FieldSpec(
        "overlap_minutes",
        "integer",
        "How far before the newest change seen the next read begins, 1 to 1440, for clocks that differ",
        default=10,
    ),
)

SPEC = ConnectorSpec(
    name="bill",
    title="BILL",
    help="Accounts payable: reads vendors, bills, payments, vendor credits and the lists that code them, "
    "and creates vendors",
    settings=SETTINGS,
    account=("organization_id", "environment"),
    streams=STREAMS,
    requests=REQUESTS,
    webhooks=EVENTS,
    limits=(
        "3 calls at once for one organization, kept by all processes together",
        "20,000 calls an hour for one developer key; at most 18,000 are sent for one organization",
        "200 logins an hour for one developer key; at most 180 are sent",
        "a page holds 1 to 100 records",
        "an organization has at most 10 webhook subscriptions",
    ),
)
