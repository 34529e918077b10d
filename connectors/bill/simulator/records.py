"""What the simulated BILL organization holds: frozen data, exchanged whole when something changes."""

from __future__ import annotations

from dataclasses import field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from engine.dataclass import dataclass

Approval = Literal["APPROVED", "ASSIGNED", "APPROVING", "DENIED", "UNASSIGNED", "UNDEFINED"]
PaymentStatus = Literal["APPROVING", "SCHEDULED", "PAID", "VOID", "CANCELLED", "ARCHIVED"]
# The path below /classifications of each list, and the letters its ids begin with.
ListName = Literal["chart-of-accounts", "accounting-classes", "departments", "locations"]
# Where a payment of this status counts towards its bills. ASSUMED: no source says what a bill shows for the others.
UNDER_WAY = frozenset({"APPROVING", "SCHEDULED"})
LIVE = UNDER_WAY | {"PAID"}
# ASSUMED: the payments whose money came back, or never left, although `status` may not say so yet.
FAILED = frozenset(
    {
        "FUNDING_FAILED_VOIDED", "FUNDING_FAILED_ACTION_NEEDED", "DISBURSEMENT_FAILED_ACTION_NEEDED",
        "DISBURSEMENT_FAILED_VENDOR_BANK_REJECTED",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coding:
    """Ids of the lists that a line, a bill or a credit is coded to; empty where it is not."""

    account: str = ""
    tag: str = ""
    department: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a bill or a vendor credit, in major units; its id is given when it is added."""

    amount: Decimal
    coding: Coding = field(default_factory=Coding)
    description: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of one of the lists that lines are coded to; `number` and `type` are those of accounts."""

    id: str
    name: str
    created: datetime
    updated: datetime
    number: str = ""
    type: str = "EXPENSE"
    description: str | None = None
    parent_id: str | None = None
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Vendor:
    """Someone who sends bills. `address` holds BILL's own field names."""

    id: str
    name: str
    created: datetime
    updated: datetime
    short_name: str | None = None
    account_number: str | None = None
    account_type: str = "BUSINESS"
    email: str | None = None
    phone: str | None = None
    address: tuple[tuple[str, str], ...] = ()
    currency: str = "USD"
    company_name: str | None = None
    payee_name: str | None = None
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Approver:
    """Someone who is asked to approve a bill."""

    user_id: str
    status: str
    order: int
    changed: datetime


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill; its amount is the sum of its lines, and what is paid follows from the payments."""

    id: str
    vendor_id: str
    lines: tuple[Line, ...]
    due_on: date
    created: datetime
    updated: datetime
    invoice_number: str | None = None
    invoiced_on: date | None = None
    description: str | None = None
    approval: Approval = "APPROVED"
    approvers: tuple[Approver, ...] = ()
    coding: Coding = field(default_factory=Coding)
    pay_from: str | None = None
    purchase_order: str | None = None
    exchange_rate: Decimal | None = None
    archived: bool = False
    # ASSUMED: no document says that a list shows every bill that a payment names. One that is not listed can be read by id.
    listed: bool = True

    @property
    def amount(self) -> Decimal:
        """The sum of the lines."""
        return sum((line.amount for line in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True)
class CreditUse:
    """How much of a vendor credit a payment applied to a bill."""

    credit_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class BillPayment:
    """The part of a payment that goes to one bill: money, and credits beside it."""

    id: str
    bill_id: str
    cash: Decimal
    credits: tuple[CreditUse, ...] = ()

    @property
    def credit(self) -> Decimal:
        """What credits cover."""
        return sum((use.amount for use in self.credits), Decimal(0))


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment to one vendor, of one bill or several."""

    id: str
    vendor_id: str
    parts: tuple[BillPayment, ...]
    processed_on: date
    created: datetime
    updated: datetime
    status: PaymentStatus = "PAID"
    single_status: str = "CLEARED"
    method: str = "ACH"
    is_online: bool = True
    check_number: int | None = None
    to_print: bool = False
    description: str | None = None
    transaction_number: str | None = None
    confirmation_number: str | None = None
    exchange_rate: Decimal | None = None
    voided_at: datetime | None = None

    @property
    def cash(self) -> Decimal:
        """The money that leaves the bank."""
        return sum((part.cash for part in self.parts), Decimal(0))


@dataclass(frozen=True, slots=True)
class VendorCredit:
    """A vendor's credit; how much of it is used follows from the payments."""

    id: str
    vendor_id: str
    lines: tuple[Line, ...]
    given_on: date
    created: datetime
    updated: datetime
    reference: str | None = None
    description: str | None = None
    apply_to_account: str | None = None
    archived: bool = False

    @property
    def amount(self) -> Decimal:
        """The sum of the lines."""
        return sum((line.amount for line in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook subscription; `key` signs what it is sent."""

    id: str
    name: str
    url: str
    events: tuple[tuple[str, str], ...]
    created: datetime
    updated: datetime
    key: str = field(repr=False)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook on its way; `attempt` counts from 0."""

    subscription_id: str
    event_id: str
    type: str
    url: str
    body: bytes
    due_at: datetime
    headers: tuple[tuple[str, str], ...] = ()
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What the flow is set to post, so that both sides' sums can be compared."""

    approvals: frozenset[str] = frozenset({"APPROVED"})
    # Payments that were made outside BILL and only recorded there.
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """The credentials, the limits, and a switch for everything that no source proves.

    Each switch that says ASSUMED stands at what seems likeliest.
    """

    username: str = "bookkeeper@example.com"
    password: str = "sandbox-password"  # noqa: S105 - of a simulated organization only
    dev_key: str = "01SANDBOXDEVKEY000000000000000"
    remember_me_id: str = "sandbox-remembered-device"
    webhook_key: str | None = None
    # Whether the organization may use the API: BDC_1105 when not enabled, BDC_1121 when not supported.
    api_access: Literal["on", "not_enabled", "not_supported"] = "on"

    session_minutes: int = 35
    logins_an_hour: int = 200
    calls_an_hour: int = 20_000
    calls_at_once: int = 3
    page_default: int = 20
    page_most: int = 100
    subscriptions_most: int = 10
    # How long every call takes, for those who count how many are under way.
    latency_s: float = 0.0

    # ASSUMED: "4xx, never 429" says one design note; one client handles 422.
    limit_status: int = 422
    # ASSUMED: no source has the status of a login that is refused.
    login_status: int = 401
    # ASSUMED: which code answers an organization id that the user does not belong to.
    stranger_code: str = "BDC_1105"
    # ASSUMED: an earlier session of the same user stays good after another login.
    one_session: bool = False
    # How an expired session is answered: as documented, as peers handle it (403), by the gateway, without a code.
    expired_as: Literal["1109", "1361", "gateway", "no_code"] = "1109"
    # ASSUMED: validation errors were seen live without a code; one may come all the same.
    validation_code: str | None = None

    # ASSUMED: amounts look as a JSON float usually does (100.0), or as Java prints a double (1.0E7 from ten millions on).
    numbers: Literal["float", "java"] = "float"
    # ASSUMED: moments end in +00:00 as in BILL's sample errors, or in Z as in its collection.
    moments: Literal["offset", "z"] = "offset"
    # ASSUMED: a page cursor stands for the last row, or counts rows, so that rows slip when one before it moves.
    cursor: Literal["keyset", "offset"] = "keyset"
    # ASSUMED: a page cursor is good in another session.
    cursor_of_session: bool = False
    # ASSUMED: every so many pages one comes empty and leads on; 0 for never.
    empty_page_every: int = 0
    # ASSUMED: a last page that is full leads to one more, which is empty.
    trailing_page: bool = False
    # ASSUMED: the order of rows when none is asked for.
    default_sort: str = "createdTime:desc"
    # BILL's guide quotes date-times and lists; clients were seen without quotes.
    unquoted_values: bool = True
    # ASSUMED: approvalStatus cannot be filtered by; one unofficial client says that it can.
    filter_approval: bool = False
    # ASSUMED: names are compared as they are written.
    name_ignores_case: bool = False
    # Seen live on a customer: "address: must not be null". ASSUMED for vendors.
    vendor_address_required: bool = True

    # The two spellings of a bill that is paid in part; neither is established.
    partial: Literal["PARTIALLY_PAID", "PARTIAL"] = "PARTIALLY_PAID"
    # ASSUMED: the amount of a bill payment is the money alone, or what the bill is covered by, credits included; with
    # `all_gross`, the payment's own amount is so as well.
    part_amounts: Literal["net", "gross", "all_gross"] = "net"
    # ASSUMED: a payment of one bill has its list of bills too; an older shape has `billId` alone,
    # unless there are credits, which it could not show.
    lone_bill_id: bool = False
    # ASSUMED: approval, and a payment, are changes of the bill.
    approval_touches: bool = True
    payment_touches: bool = True

    # The payload as an object, or as JSON text that holds the object; which of the two is signed is not established.
    webhook_escaped: bool = False
    webhook_signs: Literal["raw", "inner"] = "raw"
    webhook_duplicates: float = 0.0
    webhook_shuffle: bool = False
    webhook_resends: int = 5
    # ASSUMED: the first wait; each further one is twice as long.
    webhook_backoff_s: float = 60.0
