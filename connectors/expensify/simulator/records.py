"""What a simulated Expensify account holds, and the switches for what no source proves."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from engine.dataclass import dataclass
from engine.money import from_minor

State = Literal["OPEN", "SUBMITTED", "APPROVED", "REIMBURSED", "ARCHIVED"]
By = Literal["job", "hand"]
NotReady = Literal["404", "empty", "envelope", "mixed"]
# What the website calls each state; a template reads both.
STATUSES: dict[State, str] = {
    "OPEN": "Open",
    "SUBMITTED": "Processing",
    "APPROVED": "Approved",
    "REIMBURSED": "Reimbursed",
    "ARCHIVED": "Closed",
}
APPROVED_STATES: tuple[State, ...] = ("APPROVED", "REIMBURSED", "ARCHIVED")


@dataclass(frozen=True, slots=True)
class Options:
    """Switches. Those without a source are marked ASSUMED; the default is what the evidence makes likely."""

    partner_user_id: str = "aa_sandbox_example_com"
    partner_user_secret: str = "sandbox-secret"  # noqa: S105 - of a simulated account only
    # Calls, seconds. The vendor's documents of 2026.
    limits: tuple[tuple[int, float], ...] = ((5, 10.0), (20, 60.0))
    # ASSUMED: a refused call does not count. With True, a client that goes on calling is never let in again.
    refused_calls_count: bool = False
    # ASSUMED: nobody has seen a 429. `status` is HTTP 429; `envelope` the older documents' text inside HTTP 200.
    limited: Literal["status", "envelope", "mixed"] = "mixed"
    # A file is ready once it was asked for so often in vain and so many seconds have passed.
    ready_after_polls: int = 1
    ready_after_s: float = 0.0
    # ASSUMED: each of the three is reported in the wild, none is documented.
    not_ready: NotReady = "mixed"
    # ASSUMED: whether `onFinish` has happened when the file's name is answered, or so many seconds later.
    marks_after_s: float = 0.0
    # ASSUMED: the documents contradict each other on reports approved on the day itself.
    approved_after_inclusive: bool = True
    # ASSUMED: which reports `limit` keeps.
    newest_first: bool = False
    # ASSUMED: what becomes of `"test": true`, which is documented as the text "true".
    boolean_test: Literal["ignored", "taken", "refused"] = "ignored"
    # ASSUMED: `limit` as a number, documented as a text, is refused.
    number_limit: Literal["refused", "taken"] = "refused"
    # ASSUMED: how a value that is not there looks to a template; peers' templates test for all three.
    absent: Literal["missing", "empty", "zero", "mixed"] = "mixed"
    # ASSUMED: whether a template sees booleans or the texts "true" and "false".
    flags: Literal["boolean", "text"] = "boolean"
    # ASSUMED: whether 100 yen are shown as 10000 (hundredths of every currency) or as 100 (minor units).
    amounts: Literal["minor", "hundredths"] = "hundredths"
    # ASSUMED: an export that holds no report makes a file without any, or is answered with 404.
    empty_export: Literal["file", "404"] = "file"
    # ASSUMED: the code that goes with "Authentication error".
    wrong_credentials: Literal[401, 403, 500] = 500
    # ASSUMED: a report that is reopened keeps the labels of its exports.
    reopen_clears_labels: bool = False


@dataclass(frozen=True, slots=True)
class Category:
    """A category of a policy."""

    name: str
    gl_code: str = ""
    payroll_code: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of a policy, or of one of its levels; `below` is the path of the tag that it depends on, if it does."""

    name: str
    gl_code: str = ""
    enabled: bool = True
    below: str = ""


@dataclass(frozen=True, slots=True)
class TagLevel:
    """A level of tags, such as "Class"."""

    name: str
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class Employee:
    """A person; `user_id` and `payroll_id` are what Expensify calls custom fields 1 and 2 of a member."""

    email: str
    name: str
    role: Literal["user", "auditor", "admin"] = "user"
    user_id: str = ""
    payroll_id: str = ""
    submits_to: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy (workspace). With `tag_shape` `flat` its one level of tags is listed without a level."""

    id: str
    name: str
    owner: str
    currency: str = "USD"
    type: str = "corporate"
    tag_shape: Literal["flat", "levels"] = "flat"
    categories: tuple[Category, ...] = ()
    levels: tuple[TagLevel, ...] = ()
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expense:
    """One expense. Amounts count minor units; positive is what the company pays, negative a refund.

    `minor` is in `currency`; `modified_minor` is what a person changed it to, if one did; `converted` is in the
    report's currency, and there whenever `currency` is another. `bank` and `card` tell a company card. `reimbursable` is None
    for an expense of which Expensify does not say it.
    """

    id: str
    minor: int
    currency: str
    created: date
    merchant: str = "Blue Bottle Coffee"
    category: Category | None = None
    tags: tuple[Tag, ...] = ()
    comment: str = ""
    converted: int | None = None
    modified_minor: int | None = None
    modified_merchant: str | None = None
    modified_created: date | None = None
    reimbursable: bool | None = True
    billable: bool = False
    bank: str = ""
    card: str = ""
    mcc: int | None = None
    receipt_url: str = ""
    tax_minor: int | None = None
    tax_name: str = ""

    @property
    def counts(self) -> int:
        """What it adds to its report, in minor units of the report's currency."""
        if self.converted is not None:
            return self.converted
        return self.minor if self.modified_minor is None else self.modified_minor


@dataclass(frozen=True, slots=True)
class Report:
    """An expense report; the moments of what has not happened are None."""

    id: str
    old_id: str
    name: str
    policy_id: str
    email: str
    currency: str
    state: State
    created: datetime
    submitted: datetime | None = None
    approved: datetime | None = None
    reimbursed: datetime | None = None
    approver: str = ""
    expenses: tuple[Expense, ...] = ()

    @property
    def minor(self) -> int:
        """Its total in minor units."""
        return sum(expense.counts for expense in self.expenses)

    @property
    def total(self) -> Decimal:
        """Its total in major units."""
        return from_minor(self.minor, self.currency)

    @property
    def dated(self) -> date:
        """The day that `startDate` and `endDate` look at: submitted or created, whichever occurred last."""
        return max(moment for moment in (self.created, self.submitted) if moment is not None).date()


@dataclass(frozen=True, slots=True)
class Mark:
    """A report was marked as exported."""

    report_id: str
    label: str
    by: By
    at: datetime


@dataclass(slots=True)
class File:
    """A file that a `file` job made: what it holds is fixed when the job runs."""

    name: str
    body: bytes
    report_ids: tuple[str, ...]
    made_at: float
    polls: int = 0
