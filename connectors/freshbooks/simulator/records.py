"""What a FreshBooks account holds, and the switches for what no source establishes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from engine.dataclass import dataclass

ACTIVE, DELETED, ARCHIVED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Options:
    """Switches. Those marked ASSUMED choose between behaviours of which no source says which is FreshBooks'."""

    client_id: str = "sandbox-client-id"
    client_secret: str = "sandbox-client-secret"  # noqa: S105 - of a made-up app
    redirect_uri: str = "https://localhost/freshbooks"
    token_seconds: int = 43_200
    code_minutes: int = 5
    # What the owner does on the authorisation page.
    owner_allows: bool = True
    # ASSUMED, and off: the old refresh token stays good until the new access token is used. Campaigns have nobody who
    # would allow the app again after a crash.
    spare_refresh: bool = False
    # Where `users/me` has the account: a membership can have null there, and a role has it.
    account_in: Literal["membership", "role", "client"] = "membership"
    # What the plan has: a feature that is lacking is answered with HTTP 200 and errors.
    has_bills: bool = True
    has_vendors: bool = True
    has_expenses: bool = True
    # Rows that `total` counts and nobody is shown; and whether every row is such a one.
    hidden: int = 0
    hides_all: bool = False
    page_default: int = 15
    page_most: int = 100
    errors: Literal["old", "new"] = "old"
    # FreshBooks' lists leave deleted rows out (freshbooks.com/api/active_deleted).
    lists_deleted: bool = False
    # ASSUMED for bills, documented in general: whether lists know `search[vis_state]`.
    filters_by_state: bool = True
    # ASSUMED: whether a deleted object is still shown when it is asked for by its id.
    shows_deleted: bool = True
    # ASSUMED: what an overdue bill is called of which a part is paid.
    overdue_and_partly_paid: Literal["partial", "overdue"] = "partial"
    # ASSUMED: whether a bill shows payments that were deleted, with their `vis_state`.
    shows_deleted_payments: bool = False
    # A receipt is made at least so long.
    receipt_bytes: int = 0
    # Official clients disagree on the zone of a bill vendor's times.
    vendor_times: Literal["utc", "eastern"] = "utc"
    # Some samples have ids of expenses as texts.
    text_ids: bool = False
    newest_first: bool = True
    verifier: str = ""
    webhook_duplicates: float = 0.0
    webhook_shuffle: bool = False
    # ASSUMED: how often a delivery is repeated, and that the callback is switched off when nothing helped.
    webhook_resends: int = 3
    webhook_backoff_s: float = 60.0
    webhook_disables: bool = True
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Category:
    """An expense category, which stands for an account."""

    id: int
    name: str
    parent_id: int | None = None
    is_cogs: bool = False
    vis_state: int = ACTIVE


@dataclass(frozen=True, slots=True)
class Account:
    """An account that journal entries can name."""

    id: int
    name: str
    number: str
    type: str = "expense"
    subs: tuple[Account, ...] = ()


@dataclass(frozen=True, slots=True)
class Vendor:
    """Whom bills come from."""

    id: int
    name: str
    created: datetime
    updated: datetime
    account_number: str | None = None
    email: str | None = None
    phone: str | None = None
    currency: str = "USD"
    contact: str | None = None
    street: str | None = None
    city: str | None = None
    province: str | None = None
    postal_code: str | None = None
    # As people write it.
    country: str | None = None
    vis_state: int = ACTIVE


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a bill; `tax` is an amount on top."""

    unit_cost: Decimal
    category_id: int = 0
    description: str | None = None
    quantity: Decimal = Decimal(1)
    tax: Decimal = Decimal(0)

    @property
    def amount(self) -> Decimal:
        """Without the tax."""
        return (self.unit_cost * self.quantity).quantize(Decimal("0.01"))


@dataclass(frozen=True, slots=True)
class Payment:
    """What was paid of a bill."""

    id: int
    amount: Decimal
    on: date
    type: str = "Check"
    vis_state: int = ACTIVE


@dataclass(frozen=True, slots=True)
class Bill:
    """A vendor's bill."""

    id: int
    vendor_id: int
    number: str | None
    issued_on: date
    offset_days: int
    lines: tuple[Line, ...]
    created: datetime
    updated: datetime
    currency: str = "USD"
    payments: tuple[Payment, ...] = ()
    # ASSUMED: taxes that are rounded for the whole bill may differ so much from those of its lines.
    rounding: Decimal = Decimal(0)
    vis_state: int = ACTIVE

    @property
    def due_on(self) -> date:
        """Derived from the terms."""
        return self.issued_on + timedelta(days=self.offset_days)

    @property
    def amount(self) -> Decimal:
        """Without taxes."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def tax(self) -> Decimal:
        """All taxes."""
        return sum((line.tax for line in self.lines), self.rounding)

    @property
    def total(self) -> Decimal:
        """Taxes included."""
        return self.amount + self.tax

    @property
    def paid(self) -> Decimal:
        """What was paid; a payment that was deleted does not count."""
        return sum((payment.amount for payment in self.payments if payment.vis_state != DELETED), Decimal(0))

    @property
    def is_partly_paid(self) -> bool:
        """Whether a part is paid and a part is owed."""
        return 0 < self.paid < self.total


@dataclass(frozen=True, slots=True)
class Expense:
    """Money that was spent; its vendor is a free text."""

    id: int
    amount: Decimal
    on: date
    category_id: int
    updated: datetime
    vendor: str | None = None
    notes: str = ""
    currency: str = "USD"
    status: int = 0
    has_receipt: bool = False
    # Whether it was paid with a company's card, so that the card's side has it too; FreshBooks does not say so.
    on_card: bool = False
    client_id: int = 0
    project_id: int = 0
    vis_state: int = ACTIVE


@dataclass(frozen=True, slots=True)
class Callback:
    """Who wants to hear of an event."""

    id: int
    event: str
    uri: str
    verifier: str
    updated: datetime
    verified: bool = False
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook on its way; `event` is empty for a verification, which is not signed."""

    callback_id: int
    event: str
    url: str
    body: bytes
    due_at: datetime
    attempt: int = 0
    headers: tuple[tuple[str, str], ...] = ()
