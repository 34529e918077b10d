"""Bugs that a campaign meets only by luck are also found by a test that goes straight to them, whatever seeds are played."""

from __future__ import annotations

import pytest

from connectors.qbwc import probe, written
from tests.campaign.planting import Plant
from tests.campaign.plants import planted
from tests.connectors.qbwc import test_journal_entries as entries
from tests.connectors.qbwc import test_survey


def test_what_was_sent_before_is_looked_for() -> None:
    test_survey.test_what_an_earlier_life_wrote_is_posted_without_being_sent(sent_before=True)
    with planted("what_was_sent_before_is_not_looked_for"):
        with pytest.raises(AssertionError):
            test_survey.test_what_an_earlier_life_wrote_is_posted_without_being_sent(sent_before=True)
        test_survey.test_what_an_earlier_life_wrote_is_posted_without_being_sent(sent_before=False)


def _our_lines_say_nothing(patch: pytest.MonkeyPatch) -> None:
    """The memos of the lines of a journal entry that we write are not read."""
    patch.setattr(written, "JOURNAL", ())


def _debits_alone_speak(patch: pytest.MonkeyPatch) -> None:
    """Only the debits' memos are read, and the record's name stands on the credit."""
    patch.setattr(written, "JOURNAL", ("JournalDebitLine",))
    patch.setattr(probe, "JOURNAL", ("JournalDebitLine",))


def _their_lines_say_nothing(patch: pytest.MonkeyPatch) -> None:
    """The memos of the lines of a journal entry that is there are not read."""
    patch.setattr(probe, "JOURNAL", ())


def _lines_are_taken_in_their_order(patch: pytest.MonkeyPatch) -> None:
    """QuickBooks has its own order of lines, and an entry in another order is taken for another one."""
    for module in (written, probe):
        patch.setattr(module, "joined", lambda memos: "\n".join(reversed(list(memos))))


@pytest.mark.parametrize(
    "plant", [_our_lines_say_nothing, _debits_alone_speak, _their_lines_say_nothing, _lines_are_taken_in_their_order]
)
def test_a_journal_entry_is_known_by_the_memos_of_its_lines(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> list[int]:
        """The places of the verdicts that are not as they should be."""
        written._marks.cache_clear()
        marks = [written.marks_of(entries.operation(number)) for number, _, _ in entries.JUDGED]
        found = [
            probe.judge(mark, [entries.there(**other)]).kind
            for mark, (_, other, _) in zip(marks, entries.JUDGED, strict=True)
        ]
        return [
            place
            for place, (kind, (*_, verdict)) in enumerate(zip(found, entries.JUDGED, strict=True))
            if kind != verdict
        ]

    assert wrong() == []
    with monkeypatch.context() as patch:
        plant(patch)
        assert wrong() != []
    assert wrong() == []
