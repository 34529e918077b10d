"""Bugs that a campaign meets only by luck are also found by a test that goes straight to them, whatever seeds are played."""

from __future__ import annotations

import pytest

from tests.campaign.plants import planted
from tests.connectors.qbwc import test_survey


def test_what_was_sent_before_is_looked_for() -> None:
    test_survey.test_what_an_earlier_life_wrote_is_posted_without_being_sent(sent_before=True)
    with planted("what_was_sent_before_is_not_looked_for"):
        with pytest.raises(AssertionError):
            test_survey.test_what_an_earlier_life_wrote_is_posted_without_being_sent(sent_before=True)
        test_survey.test_what_an_earlier_life_wrote_is_posted_without_being_sent(sent_before=False)
