"""What a simulated company file holds, as frozen data, and the switches for behaviour that no source proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from engine.dataclass import dataclass

ZERO = Decimal("0.00")
Death = Literal["", "before", "midway", "after", "unstored"]
EPOCH = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)


class Refused(Exception):  # it is an answer of QuickBooks, not a fault of this program
    """QuickBooks answers a request with a status code of its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class ProcessorError(Exception):
    """ProcessRequest threw: there is an HRESULT and no response text; `detail` is what qbsdklog.txt would say."""

    def __init__(self, hresult: str, message: str, detail: str = "") -> None:
        super().__init__(f"{hresult}: {message}")
        self.hresult = hresult
        self.message = message
        self.detail = detail


class VirtualClock:
    """A clock that moves only when it is told to."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._start = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        """The virtual time in UTC."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass at once."""
        self._elapsed += seconds


@dataclass(frozen=True, slots=True)
class ListObject:
    """One object of a list. Nested elements are flat: `values["VendorAddress/City"]`; `refs` hold ListIDs."""

    kind: str
    list_id: str
    name: str
    full_name: str
    created_at: datetime
    modified_at: datetime
    edit_sequence: int
    parent_id: str = ""
    active: bool = True
    values: Mapping[str, str] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)
    guid: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transaction; `kind` is its element without suffix, such as `ExpenseLine`."""

    line_id: str
    kind: str
    amount: Decimal
    values: Mapping[str, str] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a payment pays of a bill: money, a discount, and vendor credits, each with what is used of it."""

    txn_id: str
    amount: Decimal
    discount: Decimal = ZERO
    discount_account: str = ""
    credits: tuple[tuple[str, Decimal], ...] = ()

    @property
    def settled(self) -> Decimal:
        """What the bill is no longer owed for."""
        return self.amount + self.discount + sum((used for _, used in self.credits), ZERO)


@dataclass(frozen=True, slots=True)
class Txn:
    """One transaction."""

    kind: str
    txn_id: str
    number: int
    created_at: datetime
    modified_at: datetime
    edit_sequence: int
    date: date
    amount: Decimal
    values: Mapping[str, str] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    applied: tuple[Applied, ...] = ()
    guid: str = ""
    void: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """What QuickBooks remembers of a deleted object."""

    kind: str
    id: str
    created_at: datetime
    deleted_at: datetime
    reference: str = ""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer of one message set, kept for error recovery."""

    checksum: str
    answer: str


@dataclass(frozen=True, slots=True)
class DataExt:
    """One custom or private data field of the company or of an object; `object_id` is empty for the company."""

    owner_id: str
    name: str
    object_id: str
    value: str
    type: str = "STR255TYPE"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Company preferences that change what QuickBooks answers."""

    company_name: str = "Sandbox Company"
    product_name: str = "QuickBooks Pro 2014"
    major_version: str = "24"
    qbxml_versions: tuple[str, ...] = (
        *("1.0", "1.1", "2.0", "2.1", "3.0", "4.0", "4.1", "5.0", "6.0", "7.0", "8.0", "9.0", "10.0", "11.0", "12.0"),
        "13.0",
    )
    country: str = "US"
    file_mode: str = "SingleUser"
    ein: str = "12-3456789"
    account_numbers: bool = True
    class_tracking: bool = True
    multi_currency: bool = False
    home_currency: str = "US Dollar"
    days_bills_are_due: int = 10
    utc_offset_h: int = -5
    closing_date: date | None = None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Switches for what no source proves. Every one is `ASSUMED:`; a test tries both sides of those it leans on."""

    # ASSUMED: ExternalGUID comes back in the answer of an Add, and in queries.
    guid_in_add_answers: bool = True
    guid_in_queries: bool = True
    # ASSUMED: the checksum that 9001 speaks of covers the bytes of the document, not its parsed content.
    checksum: Literal["bytes", "content"] = "bytes"
    # ASSUMED: a stored answer comes back whole; the schema also allows only the ids in an ErrorRecovery element.
    stored_answer: Literal["full", "ids"] = "full"
    # ASSUMED: message sets are kept until they are cleared; 0 means no limit.
    kept_sets: int = 0
    # ASSUMED: the recovery store is part of the company file, so that a backup brings its own back.
    backup_restores_recovery: bool = True
    # The share of answers that QuickBooks fails to store (9005 in the answer of the set).
    store_loss: float = 0.0
    # ASSUMED: a status check for a set that is not stored says 9002; 600 is described for an old id alone.
    absent_set_code: Literal["9002", "600"] = "9002"
    # Intuit's sample says 24 characters; another page says 23.
    message_set_id_limit: int = 24
    # ASSUMED: an Add into a closed period is refused with 3171; 3170 has been seen for it too.
    closed_period_code: Literal[3170, 3171] = 3171
    # ASSUMED: an account of the wrong type (a bank account on a card charge) is an invalid field value.
    wrong_account_code: Literal[3210, 3140] = 3210
    # ASSUMED: currencies that do not agree are an invalid field value.
    currency_mismatch_code: Literal[3210, 3140, 3180] = 3210
    # ASSUMED: a transaction with a negative total is refused.
    refuse_negative_total: bool = True
    # ASSUMED: a RefNumber that matches nothing gives 500 as a TxnID does, and not 1.
    missing_ref_number_code: Literal[500, 1] = 500
    # ASSUMED: after an error under stopOnError the requests that did not run are not in the answer.
    unrun_requests: Literal["omit", "3231"] = "omit"
    # ASSUMED: paying a bill moves the bill's own EditSequence and TimeModified.
    payment_touches_bill: bool = True
    # ASSUMED: voiding what is void already changes nothing; it may also be refused.
    void_again: Literal["harmless", "refused"] = "harmless"
    # ASSUMED: a character outside Windows-1252 is stored as a question mark.
    outside_cp1252: Literal["replace", "keep"] = "replace"
    # ASSUMED: an inactive vendor or account can still be used by a request.
    inactive_usable: bool = True
