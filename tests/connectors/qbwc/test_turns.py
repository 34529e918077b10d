"""The decision of what comes next, over every combination of facts."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from connectors.qbwc.state import (
    Figuring,
    Flight,
    Gate,
    Merging,
    Options,
    Paging,
    Recovery,
    Stage,
    State,
    Survey,
    dump,
    load,
)
from connectors.qbwc.turns import Facts, Turn, next_turn, percent_done


def every_fact() -> list[Facts]:
    flags = (False, True)
    store = itertools.repeat(flags, 6)
    return [Facts(*values) for values in itertools.product(flags, get_args(Gate), flags, get_args(Stage), *store)]


def test_every_combination_has_one_turn_and_keeps_the_rules() -> None:
    seen: set[Turn] = set()
    for facts in every_fact():
        turn = next_turn(facts)
        seen.add(turn)
        if facts.ended or facts.gate == "refused":
            assert turn == "end"
        elif facts.gate != "passed":
            assert turn == "identify"
        elif facts.unsettled and facts.stage == "resend":
            assert turn == ("survey" if facts.survey else "end" if facts.halted else "resend")
        elif facts.unsettled:
            assert turn == facts.stage
        elif facts.lists_due:
            assert turn == "list"
        elif facts.survey:
            assert turn == "survey"
        elif facts.operations:
            assert turn == ("merge" if facts.merge else "write")
        else:
            assert turn == ("figures" if facts.figures else "end")
    assert seen == set(get_args(Turn))


def test_nothing_is_written_before_the_gate_or_beside_an_unknown_write() -> None:
    for facts in every_fact():
        if next_turn(facts) in {"write", "resend"}:
            assert facts.gate == "passed"
            assert not facts.ended
        if next_turn(facts) == "write":
            assert not facts.unsettled
            assert not facts.lists_due
            assert not facts.survey
            assert not facts.merge
        if next_turn(facts) == "resend":
            assert facts.unsettled
            assert facts.stage == "resend"
            assert not facts.survey
            assert not facts.halted


@pytest.mark.parametrize(
    ("done", "left", "percent"),
    [(0, 0, 100), (5, 0, 100), (0, 1, 0), (1, 1, 50), (999, 1, 99), (10_000_000, 1, 99), (3, -1, 100)],
)
def test_a_hundred_percent_is_said_only_when_nothing_is_left(done: int, left: int, percent: int) -> None:
    assert percent_done(done, left) == percent


def test_a_session_survives_json() -> None:
    import json

    state = State(
        client="10.0.0.1",
        options=Options(page_size=3),
        gate="passed",
        flight=Flight("survey", "q1", at="2026-11-21", asks=({"check": "Bill", "ids": ["1A-1"]},)),
        recovery=Recovery("S", "probe", decided=({"operation_id": "a"},), ask=("b",)),
        paging=Paging("Vendor", "{1}"),
        lists_done=("Account",),
        survey=Survey(
            ("Bill",),
            ("Check",),
            {"Vendor": "{2}"},
            {"Vendor": "2026-11-21"},
            check="done",
            since="2026",
            closer={"1": "Bill"},
        ),
        merging=Merging(("a",), later=("b",), stale=("c",)),
        figuring=Figuring(3, ("Bill",), "{3}", ("Check: 1000: no",)),
        counts={"posted": 2},
    )
    assert load(json.loads(json.dumps(dump(state)))) == state
    assert load({**dump(state), "from_the_future": 1}) == state
    assert load({}) == State()


def test_settings_that_are_not_set_fall_back() -> None:
    assert Options.read({"company_file": "", "page_size": 7, "unknown": "x"}) == Options(page_size=7)
