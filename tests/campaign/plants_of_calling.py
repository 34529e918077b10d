"""Bugs in writing to a target that knows no idempotency key: each must be found by a campaign of few schedules."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from connectors.ramp import billbody
from connectors.ramp.billing import Billing, _has_number
from connectors.ramp.operations import read
from connectors.ramp.payees import Payees
from connectors.ramp.source import RampSource
from engine.contract import Operation, Receipt
from engine.errors import Ambiguous, Rejected, Transient
from engine.pushing import steps
from engine.pushing.link import Link
from tests.campaign.planting import Plant, doctored

CALLED: dict[str, Plant] = {}
# Where a bug shows only when several things come together, those are thrown often, so that a test stays short.
FOCUS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("written_again_at_once", "lost_answer_is_a_passing_fault"), frozenset({"late"})),
    "look_by_number_alone": frozenset({"alike", "by_hand"}),
    "change_is_not_written": frozenset({"rewritten"}),
    "undoing_is_not_written": frozenset({"delete"}),
}


def plant(function: Plant) -> Plant:
    """Register a planted bug under its function's name."""
    CALLED[function.__name__] = function
    return function


def _finds(patch: pytest.MonkeyPatch, finds: Callable[[Any, RampSource, Operation], Receipt | None]) -> None:
    """Another way to look; it is handed the true one."""

    def wrapped(find: Any) -> Any:
        return lambda source, operation: finds(find, source, operation)

    doctored(patch, RampSource, "find", wrapped)


def _loses(patch: pytest.MonkeyPatch, error: Callable[[str], Exception]) -> None:
    """A lost answer to a write is taken for another error."""

    def wrapped(write: Any) -> Any:
        def written(source: RampSource, operation: Operation) -> Receipt:
            try:
                found: Receipt = write(source, operation)
            except Ambiguous as lost:
                raise error(str(lost)) from None
            return found

        return written

    doctored(patch, RampSource, "write", wrapped)


@plant
def no_look_before_a_write(patch: pytest.MonkeyPatch) -> None:
    """Nothing is looked for, whatever is in doubt."""
    _finds(patch, lambda _find, _source, _operation: None)


@plant
def no_look_for_what_is_new(patch: pytest.MonkeyPatch) -> None:
    """What this store has not sent is not looked for: an older copy of it knows no better."""
    _finds(
        patch,
        lambda find, source, it: find(source, it) if it.sent_before or it.request != "BillCreate" else None,
    )


@plant
def look_by_number_alone(patch: pytest.MonkeyPatch) -> None:
    """A bill of the vendor that has the number is ours, whatever its remote id."""

    def find(self: Billing, operation: Operation) -> Receipt | None:
        bill = billbody.wanted(read(self.client.where, operation), self.settings.profile)
        same = [row for row in self._near(bill, {}) if _has_number(row, bill.number)][-1:]
        return Receipt({"id": str(same[0]["id"])}) if same else None

    patch.setattr(Billing, "find_new", find)


@plant
def vendor_by_id_alone(patch: pytest.MonkeyPatch) -> None:
    """A vendor that has not our id is not ours, whatever its name; one profile of Ramp's has no such ids."""
    patch.setattr(Payees, "_by_name", lambda *_: [])


@plant
def written_again_at_once(patch: pytest.MonkeyPatch) -> None:
    """What is in doubt and not there is written again without waiting until it would show."""
    patch.setattr(steps, "is_settled", lambda *_: True)


@plant
def lost_answer_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """504 is taken for a refusal: nothing was written, and a person is told so."""
    _loses(patch, Rejected)


@plant
def lost_answer_is_a_passing_fault(patch: pytest.MonkeyPatch) -> None:
    """504 is taken for a fault after which certainly nothing was written."""
    _loses(patch, Transient)


@plant
def connection_is_not_given_back(patch: pytest.MonkeyPatch) -> None:
    """Who has written keeps the right to, and nobody else may for an hour."""
    patch.setattr(Link, "end", lambda _self: None)


@plant
def sent_is_not_durable(patch: pytest.MonkeyPatch) -> None:
    """That something is about to be written is remembered by the process alone."""

    def sent(_link: Link, rows: Any) -> Any:
        return [{**dict(row), "state": "sent"} for row in rows]

    patch.setattr(steps, "sent", sent)


@plant
def change_is_not_written(patch: pytest.MonkeyPatch) -> None:
    """A bill is as it is wanted, whatever its amount."""

    def unchanged(self: Billing, operation: Operation) -> Receipt:
        standing, _ = self._change(operation)
        return Receipt({"id": str(standing.row["id"])})

    patch.setattr(Billing, "find_change", unchanged)


@plant
def undoing_is_not_written(patch: pytest.MonkeyPatch) -> None:
    """A bill is archived already."""
    patch.setattr(Billing, "find_archived", lambda _self, operation: Receipt({"id": operation.target_id}))


@plant
def marker_is_new_each_time(patch: pytest.MonkeyPatch) -> None:
    """A bill has another remote id whenever it is written."""

    def wrapped(create_body: Any) -> Any:
        return lambda bill, _remote_id: create_body(bill, f"freshbooks:{uuid.uuid4()}")

    doctored(patch, billbody, "create_body", wrapped)


@plant
def line_is_left_out(patch: pytest.MonkeyPatch) -> None:
    """A line of a cent is not written."""

    def wrapped(lines_body: Any) -> Any:
        return lambda bill: lines_body(bill)[:2]

    doctored(patch, billbody, "lines_body", wrapped)
