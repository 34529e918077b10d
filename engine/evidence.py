"""What a target is known to hold: what we wrote there, what was seen there, and what its books say in money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from engine.dataclass import dataclass

if TYPE_CHECKING:
    from engine.contract import Json, Operation, OperationOutcome

# A copy of our own store was put back: `at` is when, `made_at` when it was made. What a connector keeps beside it says how far
# what follows from that has come: the rest is `over` before everything was looked through; then nothing is kept any more.
PUT_BACK = "put_back"
# Under this name it is remembered which company files a person has called the wrong ones: `files`, each as it is bound.
REFUSED_FILES = "refused_files"
# The code of a `posted` outcome of an undoing that a person had done in the target before.
VOIDED_THERE = "voided_there"


def is_resting(put_back: Json | None) -> bool:
    """Whether nothing may be written yet, by what is kept under `PUT_BACK`."""
    return bool(put_back) and not (put_back or {}).get("over")


@dataclass(frozen=True, slots=True)
class Told:
    """What a target says of itself; when it is not sure of it, a person knows better."""

    value: str
    is_sure: bool


def plain_guid(text: str) -> str:
    """A marker in lower case without braces; empty where there is none."""
    plain = text.strip().strip("{}").lower()
    # `0` is QBXML's way of saying that there is none.
    return "" if plain == "0" else plain


@dataclass(frozen=True, slots=True)
class Holding:
    """An object of the target that we wrote. `number` counts them in the order in which they were posted.

    `written` is the operation that wrote it last, None when a person named the object; `edit_sequence` is its version as
    last seen; `there` is false once the target no longer showed it.
    """

    target_id: str
    kind: str
    number: int
    edit_sequence: str = ""
    written: Operation | None = None
    there: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """A holding that the target showed, and in what it is no longer as we wrote it: one text a difference.

    `total` and `dated_on` are what it says now, where that is known: `Decimal`, and a day as ISO text.
    """

    target_id: str
    edit_sequence: str
    differences: tuple[str, ...] = ()
    total: Decimal | None = None
    dated_on: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An object of the target as a query showed it. `guid` is its marker in lower case without braces, or empty.

    One without a marker is looked for by its number, a name in lower case for an object of a list, or by its date, and
    by its `memo`, what it says of itself.
    `total` is its amount, None where it has none. `seen_at` is when it was last seen, as UTC text, once it is kept. The
    connector puts `voided` among the `data` of one that is voided there.
    """

    kind: str
    target_id: str
    edit_sequence: str = ""
    guid: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    reference: str = ""
    dated_on: str = ""
    total: Decimal | None = None
    seen_at: str = ""
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one object says in money. `accounts` gives each account's share of the total, by its full name or ListID.

    A share has the sign of the object's own total, so that the shares add up to it where every line was told. `voids` is
    true of a request that leaves the object with nothing.
    """

    kind: str
    target_id: str = ""
    guid: str = ""
    party: str = ""
    reference: str = ""
    dated_on: str = ""
    total: Decimal = Decimal(0)
    accounts: tuple[tuple[str, Decimal], ...] = ()
    voids: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """An open request to compare both sides: its number, and the first and last day, inclusive."""

    id: int
    first_on: date
    last_on: date
    kinds: tuple[str, ...]


class Holdings(Protocol):
    """What we wrote and believe to be in the target, and what was seen there that may be ours."""

    def check_due(self, company: str) -> bool:
        """Whether it is time to look whether everything is still there."""
        ...

    def begin(self, company: str) -> str:
        """A look begins: the moment to tell it by (a UTC time as text), which no earlier look has come to."""
        ...

    def to_check(self, company: str, limit: int, since: str) -> tuple[Holding, ...]:
        """The holdings to ask for next, of those that were not looked at since `since` (a UTC time as text).

        First the newest, then those that were looked at longest ago, then what is gone and may be back. As long as the
        newest of them turn out to be missing, more of the next older ones follow. Empty when enough was looked at. With
        each comes what its record had there before, under other ids.
        """
        ...

    def before(self, company: str, operation: Operation) -> tuple[Holding, ...]:
        """What the record of an operation had there, gone or replaced by another, and what of it is there again."""
        ...

    def of(self, company: str, target_ids: Sequence[str]) -> tuple[Holding, ...]:
        """The holdings among these ids, gone ones included."""
        ...

    def seen(self, company: str, seen: Sequence[Seen]) -> None:
        """These are there. A difference is told to a person once; what was gone and is back is posted again."""
        ...

    def missing(self, company: str, target_ids: Sequence[str]) -> None:
        """These are not there: their records have vanished, and a person is told."""
        ...

    def pass_over(self, company: str, target_ids: Sequence[str]) -> None:
        """The target cannot say whether these are there: the look goes on without them, and nothing is known of them."""
        ...

    def checked(self, company: str) -> None:
        """The look is complete. Several of the newest missing together mean a restored backup: posting halts."""
        ...

    def scanned_at(self, company: str, kind: str) -> datetime | None:
        """When everything of a kind that was changed in the target was last looked through; None when never."""
        ...

    def sighted(
        self, company: str, kind: str, sightings: Sequence[Sighting], *, scanned_at: datetime | None = None
    ) -> None:
        """Keep what was seen and is no holding. With `scanned_at`, the look through the kind that began then is complete.

        What was seen in this look and carries the marker of a record that nobody knows to be posted makes it posted.
        """
        ...

    def unverified(self, company: str, since: str) -> tuple[Sighting, ...]:
        """Kept sightings that carry the marker of a record and were not seen since then (a UTC time as text)."""
        ...

    def verified(self, company: str, sightings: Sequence[Sighting], gone: Sequence[str], since: str) -> None:
        """Of kept sightings, these were asked for by their ids and are there; those that are `gone` are forgotten.

        What carries the marker of a record that nobody knows to be posted makes it posted, unless another that carries
        it was not seen since `since`.
        """
        ...

    def candidates(
        self, company: str, operation: Operation, *, reference: str = "", dated_on: str = "", memo: str = ""
    ) -> tuple[Sighting, ...]:
        """Kept sightings that could be what an operation is about to make.

        Those with its marker, of whatever kind, and those without any that have its number, or its date when it has no
        number; and those without any that have its memo, where that names the source record. A marker that is no record's
        of ours counts as none.
        """
        ...

    def halted(self, company: str) -> str | None:
        """Why nothing is written for the company until a person decides, or None."""
        ...


class Unsent(Protocol):
    """What can be done about an operation that was not sent."""

    def kinds(self, company: str) -> tuple[str, ...]:
        """The requests of the operations that wait to be sent, each once: `BillAdd`."""
        ...

    def possible(self, company: str) -> tuple[str, ...]:
        """All requests that the company's flows may come to send, by whatever settings."""
        ...

    def conclude(self, company: str, outcome: OperationOutcome, answer: bytes) -> None:
        """Commit the outcome of a waiting operation that was settled without sending it."""
        ...

    def amend(self, company: str, operation_id: str, body: bytes) -> None:
        """Give a waiting operation the bytes that will be sent: a modify learns the current version in the session."""
        ...


class Reconciling(Protocol):
    """Comparing both sides, as a polled connector sees it."""

    def wanted(self, company: str) -> Span | None:
        """The request that waits to be answered."""
        ...

    def store(self, company: str, span: int, figures: Sequence[Figures]) -> None:
        """Keep what the target holds of the span."""
        ...

    def finish(self, company: str, span: int, problem: str = "") -> None:
        """Everything was told, or could not be."""
        ...


@runtime_checkable
class Countable(Protocol):
    """A connector that can say what a frozen request means in money."""

    def figures(self, request: str, body: bytes) -> Figures:
        """The figures of the object that the request makes or changes."""
        ...
