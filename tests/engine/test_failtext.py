"""The three kinds of text that the source's people read of a record that is not posted."""

from __future__ import annotations

import pytest

from engine.failtext import failure_text, kind_of, queued_text, unfinished_text
from engine.store.records import Reason

UNMAPPED = Reason(
    "unmapped", "the account `Rent` is not in the Account list", "add it there, or run `flowctl map set x`"
)
CLOSED = Reason("3171", "the accounting period is closed.", "reopen it in QuickBooks and retry")
BUSY = Reason("3175", "the list is in use", "", ("list:Account",))
BROKEN = Reason("expression", "`money(amount)`: no amount: `unreadable`", "correct the flow")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (UNMAPPED, "fix"),
        (CLOSED, "fix"),
        (Reason("check", "the lines do not add up", "correct the record"), "fix"),
        (Reason("gave_up", "busy (tried 12 times)", "see in the target"), "fix"),
        (Reason("3140", "no such account", "make it", ("list:Account",)), "fix"),
        (Reason("render", "the name is too long", "name another", ("mapping:vendor:v-1",)), "fix"),
        (BUSY, "again"),
        (Reason("retry", "the file is locked"), "again"),
        (Reason("not_posted", "the vendor is being created"), "again"),
        (BROKEN, "ask"),
        (Reason("render", "no template"), "ask"),
        (Reason("no_variant", "no way of writing fits this record"), "ask"),
        (Reason("bug", "a bug"), "ask"),
    ],
)
def test_who_can_do_something(reason: Reason, kind: str) -> None:
    assert kind_of(reason) == kind


def test_what_a_person_can_fix() -> None:
    assert failure_text([CLOSED], "b-1", "") == ("The accounting period is closed. Reopen it in QuickBooks and retry")
    assert failure_text([UNMAPPED], "b-1", "") == (
        "The account `Rent` is not in the Account list. Add it there, or have it mapped in flowctl"
    )


def test_what_ends_by_itself() -> None:
    assert failure_text([BUSY], "b-1", "help@example.com") == "The list is in use. We'll retry shortly."


def test_what_the_integrator_must_look_at() -> None:
    assert failure_text([BROKEN], "b-1", "support@example.com") == (
        "Unexpected sync error. Contact support@example.com, ref b-1."
    )
    assert failure_text([BROKEN, BROKEN], "b-1", "") == (
        "Unexpected sync error. Contact the people who run flowctl for you, ref b-1."
    )


def test_all_kinds_together_and_whom_to_ask_is_never_cut_off() -> None:
    assert failure_text([BROKEN, BUSY, CLOSED], "b-1", "s@example.com") == (
        "The accounting period is closed. Reopen it in QuickBooks and retry; The list is in use. We'll retry shortly.; "
        "Unexpected sync error. Contact s@example.com, ref b-1."
    )
    for many in (CLOSED, BUSY):
        long = failure_text([many] * 50 + [BROKEN], "b-1", "s@example.com")
        assert (len(long), long[-56:]) == (500, "; Unexpected sync error. Contact s@example.com, ref b-1.")


def test_what_is_still_under_way() -> None:
    assert queued_text("Ramp") == (
        "Queued for the Web Connector. It posts at its next visit, then Ramp shows it as synced."
    )
    assert unfinished_text() == "Not posted yet. We'll retry shortly."
