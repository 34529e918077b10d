"""What a session remembers goes to the store as JSON and comes back the same."""

from __future__ import annotations

from dataclasses import fields, replace

from connectors.qbwc.state import (
    Figuring,
    Flight,
    Merging,
    Options,
    Paging,
    Recovery,
    State,
    Survey,
    changed,
    dump,
    load,
)
from engine.jsontext import own, plain

_FULL = State(
    client="10.0.0.1",
    user="agent",
    seen_at="2026-03-02T09:00:00.000000Z",
    options=Options(owner_id="{1}", page_size=3, batch=2),
    gate="passed",
    path="C:\\books.qbw",
    spoken="13.0",
    version="13.0",
    sole_user=True,
    turn=4,
    flight=Flight(
        "survey", "q4", at="2026-03-02T09:00:00.000000Z", asks=({"scan": "Bill"}, {"check": "Bill", "ids": []})
    ),
    recovery=Recovery("set", decided=({"operation_id": "a"},), ask=("b",), taken=("c",), silent=("d",)),
    paging=Paging("Account", "{2}"),
    lists_done=("Vendor", "Class"),
    survey=Survey(scanned=("Bill",), iterators={"Bill": "{3}"}, closer={"T1": "Bill"}, looked=("T2",)),
    merging=Merging(merged=("e",), stale=("f", "g"), turn=7),
    figuring=Figuring(7, told=("Bill",)),
    pace=8,
    judged=("h",),
    last_answer="digest",
    last_percent=40,
    counts={"posted": 3},
)


def test_a_session_comes_back_from_json_as_it_was() -> None:
    """Every part and every tuple of it, also where only some of it was ever set."""
    set_fields = [item.name for item in fields(State) if getattr(_FULL, item.name) != getattr(State(), item.name)]
    assert len(set_fields) == len(fields(State)) - 5  # single, error, ended, troubles and done
    for state in (_FULL, State(), State(recovery=Recovery("set")), State(flight=Flight("write", "q1", weight=2))):
        assert load(own(plain(dump(state)))) == state


def test_what_is_as_it_begins_is_not_kept() -> None:
    """Most of a session is, most of the time; a part says only what is its own."""
    assert dump(State()) == {}
    state = State(client="10.0.0.1", survey=Survey(since="2026-03-02"), paging=Paging("Account"), troubles=0)
    assert dump(state) == {"client": "10.0.0.1", "survey": {"since": "2026-03-02"}, "paging": {"list": "Account"}}


def test_fields_of_another_version_are_passed_over() -> None:
    """A process of another version may have written the session; what it does not have stays as it begins."""
    written = {**dump(_FULL), "newer": 1, "judged": None}
    del written["survey"]
    written["merging"] = {"merged": ["e"], "newer": True}
    expected = replace(_FULL, survey=Survey(), merging=Merging(merged=("e",)), judged=None)  # type: ignore[arg-type]
    assert load(own(plain(written))) == expected


def test_other_values_leave_the_rest_as_it_is() -> None:
    """The same as `dataclasses.replace`."""
    values = {"flight": None, "turn": 5, "counts": {"posted": 4}}
    assert changed(_FULL, **values) == replace(_FULL, flight=None, turn=5, counts={"posted": 4})
    assert changed(_FULL) == _FULL
