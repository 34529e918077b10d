"""What else a simulated business sends to its books: reimbursements, transfers, cashbacks, vendor credits; frozen data."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from connectors.ramp.simulator.records import Line, Money, Selection, TransactionSync
from engine.dataclass import dataclass

Direction = Literal["BUSINESS_TO_USER", "USER_TO_BUSINESS"]


@dataclass(frozen=True, slots=True)
class Reimbursement:
    """Money that an employee spent or pays back. `paid` is what the payor pays, `spent` what it was before conversion.

    Lines are in the payor's currency.
    """

    id: str
    entity_id: str
    user_id: str
    merchant_name: str
    paid: Money
    spent: Money
    spent_on: date
    created_at: datetime
    updated_at: datetime
    lines: tuple[Line, ...]
    direction: Direction = "BUSINESS_TO_USER"
    kind: str = "OUT_OF_POCKET"
    state: str = "REIMBURSED"
    selections: tuple[Selection, ...] = ()
    payment_id: str | None = None
    sync_status: TransactionSync = "SYNC_READY"
    synced_at: datetime | None = None
    memo: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A payment of the card balance from the bank."""

    id: str
    entity_id: str
    amount: Money
    created_at: datetime
    payment_id: str
    status: str = "COMPLETED"
    sync_status: TransactionSync = "SYNC_READY"
    synced_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cashback:
    """What Ramp credits for spending."""

    id: str
    entity_id: str
    amount: Money
    created_at: datetime
    sync_status: TransactionSync = "SYNC_READY"
    synced_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VendorCredit:
    """A credit that a vendor gave; `applied` are bills with the minor units applied to them."""

    id: str
    entity_id: str
    vendor_id: str
    currency: str
    credited_on: date
    created_at: datetime
    lines: tuple[Line, ...]
    reference: str | None = None
    applied: tuple[tuple[str, int], ...] = ()
    selections: tuple[Selection, ...] = ()

    @property
    def minor(self) -> int:
        """The credit in minor units."""
        return sum(line.minor for line in self.lines)

    @property
    def applied_minor(self) -> int:
        """What was applied of it, in minor units."""
        return sum(minor for _, minor in self.applied)
