from __future__ import annotations

import inspect
from typing import Any

import pytest

from engine.campaign.__main__ import flow_program
from engine.campaign.play import Plan, play
from tests.campaign.plants import FIRST, FOCUS, PLANTS, planted

FLOW = flow_program("ramp_to_quickbooks")
ENOUGH = 400


# Needs an order of events so rare that a schedule with it is hardly ever met; `test_directed` makes it.
DIRECTED = frozenset({"what_was_sent_before_is_not_looked_for"})


@pytest.mark.parametrize("name", [name for name in PLANTS if name not in DIRECTED])
def test_a_planted_bug_is_found(name: str) -> None:
    plan = Plan(FLOW, focus=FOCUS.get(name, frozenset()), keeps=False)
    first = FIRST.get(name, 1)
    with planted(name):
        found = next((seed for seed in range(first, first + ENOUGH) if play(plan, seed).failed), None)
    assert found is not None
    # The same schedule is clean without the bug: it is the bug that was found.
    assert not play(plan, found).failed


@pytest.mark.parametrize("name", PLANTS)
def test_a_plant_can_be_called_as_what_it_replaces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot is found because it breaks, and not because of its bug."""
    replaced: list[tuple[Any, Any]] = []
    put = monkeypatch.setattr

    def noted(owner: Any, attribute: str, value: object) -> None:
        replaced.append((getattr(owner, attribute), value))
        put(owner, attribute, value)

    with monkeypatch.context() as patch:
        patch.setattr(patch, "setattr", noted)
        PLANTS[name](patch)
        calls = [(inspect.signature(old), inspect.signature(new)) for old, new in replaced if callable(old)]
    for old, new in calls:
        given = old.parameters.values()
        named = [each.name for each in given if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
        new.bind(*[each.name for each in given if each.kind is each.POSITIONAL_OR_KEYWORD], **dict.fromkeys(named))


def test_there_are_enough() -> None:
    assert len(PLANTS) >= 53
    assert set(FOCUS) | set(FIRST) | DIRECTED <= set(PLANTS)
