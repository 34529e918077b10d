"""What people call a record."""

from __future__ import annotations

import pytest

from engine.runwords import ALERTS, KINDS, STATES
from engine.store.records import MOVES
from engine.titles import called


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"reference": "INV-17", "party": "Granite", "amount": "5.00"}, "INV-17"),
        (
            {"party": "Granite", "amount": "-1059.50", "currency": "USD", "dated_on": "2026-03-01"},
            "Granite · -1,059.50 USD · 2026-03-01",
        ),
        ({"amount": "59.50", "dated_on": "2026-03-01"}, "59.50 · 2026-03-01"),
        ({"party": "Granite"}, "Granite"),
        ({"amount": "59.50"}, "7ae2"),
        ({"party": "Granite", "amount": "many"}, "Granite · many"),
        ({"party": "Granite", "amount": "1E+9000"}, "Granite · 1E+9000"),
        ({}, "7ae2"),
    ],
)
def test_a_record_is_called_by_what_is_known_of_it(known: dict[str, str], said: str) -> None:
    nothing = dict.fromkeys(("reference", "party", "amount", "currency", "dated_on"))
    assert called({**nothing, "source_id": "7ae2", **known}) == said


def test_there_is_a_word_for_every_state_and_every_kind_of_alert() -> None:
    assert set(STATES) == set(MOVES)
    assert set(ALERTS) <= set(KINDS)
