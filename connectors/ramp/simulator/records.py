"""What the simulated Ramp business holds: frozen data, exchanged whole when something changes."""

from __future__ import annotations

from dataclasses import field
from datetime import date, datetime
from typing import Literal

from engine.dataclass import dataclass

Profile = Literal["2025-08", "2026-08"]
SelectionKind = Literal["GL_ACCOUNT", "MERCHANT", "COST_CENTER", "CUSTOMERS_JOBS", "OTHER"]
BillStatus = Literal["OPEN", "PAID"]
BillSync = Literal["NOT_SYNCED", "BILL_SYNCED", "BILL_AND_PAYMENT_SYNCED"]
Approval = Literal["APPROVED", "INITIALIZED", "PENDING", "REJECTED", "TERMINATED"]
TransactionState = Literal["CLEARED", "COMPLETION", "DECLINED", "ERROR", "PENDING", "PENDING_INITIATION"]
TransactionSync = Literal["NOT_SYNC_READY", "SYNC_READY", "SYNCED"]
ConnectionKind = Literal["API", "CSV", "DIRECT"]
CARD_METHODS = frozenset({"AUTOMATIC_CARD_PAYMENT", "CARD", "ONE_TIME_CARD", "ONE_TIME_CARD_DELIVERY"})


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units: `Money(1050, "USD")` is 10.50 dollars."""

    minor: int
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Account:
    """Something in the accounting system that Ramp codes to: an account, a class, a customer:job, a vendor."""

    external_id: str
    name: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """One coding of a line or a header. `provider`: the integrator whose ids these are, or the connection's."""

    kind: SelectionKind
    account: Account
    provider: str | None = None
    # The field's id in the accounting system, for fields that have no kind of their own.
    field_id: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One split line of a bill, in minor units of the bill's currency."""

    minor: int
    selections: tuple[Selection, ...] = ()
    memo: str | None = None


@dataclass(frozen=True, slots=True)
class InventoryLine:
    """One inventory line of a bill: quantity times unit price, in minor units."""

    quantity: int
    unit_minor: int
    selections: tuple[Selection, ...] = ()
    memo: str | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """The payment of a bill. `minor` is below the bill's amount when a vendor credit covered the rest."""

    id: str
    minor: int
    # None where Ramp does not say how.
    method: str | None
    # The real day; a planned one stands beside it where it was another.
    paid_on: date
    # How it was paid outside Ramp, when it was.
    manual: str = ""
    planned_on: date | None = None
    # The card transactions that paid it.
    charges: tuple[str, ...] = ()

    @property
    def by_card(self) -> bool:
        """Whether a card of Ramp pays it."""
        return self.method in CARD_METHODS or bool(self.charges)


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill. Its amount is the sum of its lines: Ramp's create call has no total field."""

    id: str
    vendor_id: str
    entity_id: str
    owner_id: str
    invoice_number: str
    currency: str
    issued_on: date
    due_on: date
    created_at: datetime
    lines: tuple[Line, ...]
    inventory_lines: tuple[InventoryLine, ...] = ()
    selections: tuple[Selection, ...] = ()
    posting_on: date | None = None
    memo: str | None = None
    status: BillStatus = "OPEN"
    # None where Ramp does not say.
    approval: Approval | None = "APPROVED"
    sync_status: BillSync = "NOT_SYNCED"
    payment: Payment | None = None
    paid_at: datetime | None = None
    archived_at: datetime | None = None
    remote_id: str | None = None
    deep_link_url: str | None = None
    enable_accounting_sync: bool = True
    vendor_memo: str | None = None
    draft_id: str | None = None
    # One of several bills that are paid together.
    in_batch: bool = False
    # Entered by a call of ours, and not by a person.
    by_api: bool = False

    @property
    def minor(self) -> int:
        """The amount in minor units."""
        return sum(line.minor for line in self.lines) + sum(
            line.quantity * line.unit_minor for line in self.inventory_lines
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """A bill that a person has to complete: nothing but its vendor must be known."""

    id: str
    vendor_id: str
    entity_id: str
    owner_id: str
    currency: str
    created_at: datetime
    lines: tuple[Line, ...] = ()
    selections: tuple[Selection, ...] = ()
    invoice_number: str | None = None
    issued_on: date | None = None
    due_on: date | None = None
    posting_on: date | None = None
    memo: str | None = None
    vendor_memo: str | None = None
    remote_id: str | None = None
    enable_accounting_sync: bool = True

    @property
    def minor(self) -> int:
        """The amount in minor units."""
        return sum(line.minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class TransactionLine:
    """One split line of a transaction: `amount` may be in the merchant's currency, `converted` is in the card's."""

    amount: Money
    converted: Money | None
    selections: tuple[Selection, ...] = ()
    memo: str | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """A card transaction; refunds are negative. `settled` is what the entity paid, `original` the merchant's price."""

    id: str
    entity_id: str
    user_id: str
    card_id: str
    merchant_id: str
    merchant_name: str
    settled: Money
    original: Money
    happened_at: datetime
    updated_at: datetime
    lines: tuple[TransactionLine, ...]
    selections: tuple[Selection, ...] = ()
    state: TransactionState = "CLEARED"
    sync_status: TransactionSync = "SYNC_READY"
    synced_at: datetime | None = None
    settled_at: datetime | None = None
    memo: str | None = None
    receipts: tuple[str, ...] = ()
    # Coded by a call of ours, and not by a person.
    coded_by_api: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as it was uploaded; `key` lets Ramp take the same upload only once."""

    id: str
    transaction_id: str | None
    user_id: str
    key: str
    media_type: str
    size: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class GlAccount:
    """A general ledger account that bills and transactions are coded to."""

    id: str
    account: Account
    classification: str
    created_at: datetime
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Vendor:
    """A payee of bills."""

    id: str
    name: str
    created_at: datetime
    owner_id: str
    contact_id: str
    country: str = "US"
    state: str | None = None
    is_active: bool = True
    kind: Literal["BUSINESS", "INDIVIDUAL"] = "BUSINESS"
    accounting: Account | None = None
    external_id: str | None = None
    description: str | None = None
    # E-mail address, first name, last name and telephone number of its contact.
    contact: tuple[str, str | None, str | None, str | None] = ("", None, None, None)
    address: tuple[tuple[str, str | None], ...] = ()
    by_api: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """A legal entity of the business. `accounts` maps a usage type such as CARD_LIABILITY_ACCOUNT to an account."""

    id: str
    name: str
    currency: str
    is_primary: bool
    created_at: datetime
    accounts: tuple[tuple[str, Account], ...] = ()


@dataclass(frozen=True, slots=True)
class Department:
    """A department."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """A person who holds a card or owns bills."""

    id: str
    first_name: str
    last_name: str
    email: str
    role: str
    department_id: str
    entity_id: str


@dataclass(frozen=True, slots=True)
class Connection:
    """An accounting connection; `settings` is None for kinds other than API and for tombstones."""

    id: str
    provider: str
    kind: ConnectionKind
    is_active: bool
    created_at: datetime
    linked_at: datetime | None
    settings: tuple[tuple[str, bool], ...] | None = None
    # Marked as what the customer may switch to in Ramp's pages.
    is_ready: bool = False

    def setting(self, name: str) -> bool:
        """A switch of the connection; unset switches are off."""
        return dict(self.settings or ()).get(name, False)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook subscription; it gets no events until its challenge came back."""

    id: str
    url: str
    event_types: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    headers: tuple[tuple[str, str], ...] = ()
    status: Literal["pending_verification", "active", "inactive"] = "pending_verification"
    secret: str = field(default="", repr=False)
    challenge: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook POST that is to be sent. Retries of it carry the same event id and the same body."""

    subscription_id: str
    event_id: str
    type: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    due_at: datetime
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """One object that an accounting sync marked. `key` is the call's idempotency key, `sync_id` Ramp's answer to it."""

    sync_id: str
    kind: str
    object_id: str
    reference: str
    key: str
    at: datetime
    request: str = ""


@dataclass(frozen=True, slots=True)
class FailedMark:
    """One object that an accounting sync reported as not posted; it stays ready. The sync id is empty for a timeout."""

    sync_id: str
    kind: str
    object_id: str
    message: str
    key: str
    at: datetime
    request: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How this Ramp behaves where no source says, and what it starts with.

    Every `ASSUMED:` rule has its switch here, so that a later observation of the real service changes a default only.
    """

    client_id: str = "ramp_id_sandbox"
    client_secret: str = field(default="sandbox-secret", repr=False)
    scopes: tuple[str, ...] = (
        "accounting:read", "accounting:write", "bills:read", "bills:write", "business:read", "cashbacks:read",
        "departments:read", "entities:read", "memos:write", "receipts:write", "reimbursements:read",
        "transactions:read", "transfers:read", "users:read", "vendors:read", "vendors:write",
    )  # fmt: skip
    currency: str = "USD"
    # CONFLICT: the guide and the OpenAPI file of 2026 name the list of a coding differently. Empty takes either.
    coding_key: Literal["", "accounting_field_selections", "accounting_coding_selections"] = ""
    # ASSUMED: a coding under the other name is refused as an unknown field. False ignores it, and codes nothing.
    refuse_unknown_coding_key: bool = True
    # The connection that is active at the start; None leaves the seat empty.
    provider: str | None = "flowctl"
    connection: ConnectionKind = "API"
    requests_per_window: int = 200
    window_s: float = 10.0
    token_lifetime_s: int = 864_000
    # The guide says `invalid_scope`; two live reports say that the scope is dropped without a word.
    refuse_unknown_scope: bool = False
    # ASSUMED: one id that cannot be synced refuses the whole call. False applies the good ones.
    sync_all_or_nothing: bool = True
    # ASSUMED: an object that is already synced is not ready, hence refused. False accepts and changes nothing.
    refuse_resync: bool = True
    # ASSUMED: a known idempotency key with another body is refused. False answers the first sync id again.
    refuse_key_reuse: bool = True
    # ASSUMED: a bill whose approval is null is in the `sync_ready` view. False keeps it out, as one that is not approved.
    unstated_approval_is_ready: bool = True
    # ASSUMED: a payment cannot be synced before its bill. False accepts it.
    payment_needs_bill: bool = True
    # ASSUMED: an active API connection answers whoever asks for an inactive one too. False makes the inactive one.
    incumbent_answers_inactive: bool = True
    # Names that an upload of the chart is refused for: no source says what Ramp thinks of names.
    refused_names: tuple[str, ...] = ()
    sync_request_timeout_s: float = 300.0
    # ASSUMED: a failure answers a press of the sync button only under its `sync_request_id`. False counts any.
    answer_needs_request: bool = True
    # ASSUMED: an id of a press that is unknown or over refuses the call. False takes the call as if it had none.
    refuse_late_request: bool = True
    # INFERENCE: no source names the sync type of cashbacks; this one is in both lists and fits nothing else.
    cashback_sync_type: str = "STATEMENT_CREDIT_SYNC"
    # The secret of every new subscription, so that a sandbox can be configured beforehand; empty for one from the seed.
    webhook_secret: str = field(default="", repr=False)
    webhook_signature: Literal["ramp-hex", "webhook-hex", "webhook-base64"] = "webhook-hex"
    # ASSUMED: the verification POST is not signed. True signs it like any event.
    sign_challenge: bool = False
    challenge_before_create_returns: bool = False
    webhook_attempts: int = 10
    webhook_duplicates: float = 0.0
    webhook_shuffle: bool = False
