"""Bugs of the moment: an older copy put back under a session, a set still at work, an edit between two changes."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.qbwc import conduct, putback, ready, recovery, session, survey
from tests.campaign.planting import doctored, plant


@plant
def what_was_sent_before_is_not_looked_for(patch: pytest.MonkeyPatch) -> None:
    """What was refused as busy is sent again, although a life of ours that is lost may have written it since."""

    def wrapped(known: Any) -> Any:
        def only_new(ctx: Any, state: Any, operation: Any, nothing: str) -> Any:
            return None if operation.sent_before else known(ctx, state, operation, nothing)

        return only_new

    doctored(patch, ready, "_known", wrapped)


@plant
def rest_of_a_set_is_sent_at_once(patch: pytest.MonkeyPatch) -> None:
    """When a part of a set is found, the rest is sent again while QuickBooks may still be at work on it."""
    patch.setattr(recovery, "_may_run", lambda _message_set, _now, _missed_at: False)


@plant
def session_goes_on_over_a_restore(patch: pytest.MonkeyPatch) -> None:
    """What was looked through counts for as long as the ticket lives, also when an older copy of our store was put back."""
    patch.setattr(session.Service, "_after_a_gap", lambda _self, _state: False)
    patch.setattr(survey, "anew", lambda state: state)


@plant
def sent_again_without_a_look_around(patch: pytest.MonkeyPatch) -> None:
    """What is in doubt is sent again without a look whether the company file was restored."""
    patch.setattr(conduct, "_look_before_resend", lambda _ctx, _state, outlook, _unsettled: outlook)


@plant
def written_at_once_after_a_restore(patch: pytest.MonkeyPatch) -> None:
    """A store that was put back writes in its first session, while another machine may be at work on what it forgot."""
    patch.setattr(putback, "why_not", lambda _ctx: None)
