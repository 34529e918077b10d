"""The accounting connection: what counts as ours, and what Ramp's answers are believed."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from connectors.ramp.accounting import RampAccounting
from connectors.ramp.settings import problems
from engine.accounting import Accounted, Seat
from engine.errors import Ambiguous, BadAnswer, Rejected, RunError
from tests.connectors.http_kit import reply
from tests.connectors.ramp.source_kit import FakeRamp, binding, uuid

Row = dict[str, Any]
FLAG = "vendor_credits_enabled"


def connection(number: int, name: str | None = "Flowctl", **fields: Any) -> Row:
    return {
        "id": uuid(number),
        "remote_provider_name": name,
        "connection_type": "API",
        "is_active": True,
        "is_ready_to_migrate": False,
        "status": "LINKED",
        "created_at": f"2026-01-{number:02}T00:00:00Z",
        "last_linked_at": f"2026-01-{number:02}T00:00:00Z",
        "settings": {FLAG: False},
        **fields,
    }


class Seated(FakeRamp):
    """A Ramp with some connections; `answers` are given to the calls that write, in order."""

    def __init__(self, *rows: Any, answers: tuple[httpx.Response | Exception, ...] = ()) -> None:
        super().__init__()
        self.rows = list(rows)
        self.answers = list(answers)
        self.sent: list[Any] = []

    def dispatch(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return reply(200, {"connections": self.rows})
        self.sent.append(json.loads(request.content) if request.content else None)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def link(self, **settings: str | int | bool) -> RampAccounting:
        opened = self.source(**{"provider_name": "Flowctl", **settings})
        assert isinstance(opened, Accounted)
        found = opened.accounting()
        assert isinstance(found, RampAccounting)
        return found


ROWS: list[tuple[str, list[Row], Seat]] = [
    ("nothing", [], Seat("none")),
    ("ours", [connection(1)], Seat("ours", "Flowctl", uuid(1), {FLAG: False})),
    ("ours, spelt otherwise", [connection(1, " flow  CTL ".replace("  ", ""))], Seat("ours", " flowCTL ", uuid(1), {FLAG: False})),
    ("ours and a tombstone", [connection(1, is_active=False, settings=None), connection(2)], Seat("ours", "Flowctl", uuid(2), {FLAG: False})),
    ("a tombstone", [connection(1, is_active=False, settings=None)], Seat("inactive", "Flowctl", uuid(1))),
    ("two tombstones", [connection(2, is_active=False), connection(1, is_active=False)], Seat("inactive", "Flowctl", uuid(2))),
    ("a foreign tombstone", [connection(1, "Other", is_active=False)], Seat("none")),
    ("foreign", [connection(1, "Other")], Seat("foreign", "Other", uuid(1))),
    ("without a name", [connection(1, None)], Seat("foreign", "", uuid(1))),
    ("direct by our name", [connection(1, connection_type="DIRECT", settings=None)], Seat("direct", "Flowctl", uuid(1))),
    ("CSV", [connection(1, "Universal CSV", connection_type="csv")], Seat("upgradable", "Universal CSV", uuid(1))),
    (
        "prepared",
        [connection(1, "QuickBooks", connection_type="DIRECT"), connection(2, is_active=False, last_linked_at=None)],
        Seat("direct", "QuickBooks", uuid(1), prepared=uuid(2)),
    ),
    (
        "a tombstone is not prepared",
        [connection(1, "QuickBooks", connection_type="DIRECT"), connection(2, is_active=False)],
        Seat("direct", "QuickBooks", uuid(1)),
    ),
    (
        "ready",
        [connection(1, "Other"), connection(2, is_active=False, is_ready_to_migrate=True)],
        Seat("foreign", "Other", uuid(1), prepared=uuid(2), ready=True),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "seat"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_who_holds_the_seat(rows: list[Row], seat: Seat) -> None:
    assert Seated(*rows).link().seat() == seat


@pytest.mark.parametrize("status", ["linked", "LINKED", "Linked"])
def test_status_counts_only_where_nothing_better_is_said(status: str) -> None:
    old = connection(1, status=status)
    del old["is_active"], old["connection_type"], old["settings"]
    assert Seated(old).link(api_profile="2025-08").seat() == Seat("ours", "Flowctl", uuid(1))
    assert Seated({**old, "is_active": False}).link(api_profile="2025-08").seat().standing == "inactive"
    assert Seated({**old, "status": "unlinked"}).link(api_profile="2025-08").seat().standing == "inactive"


def test_an_incumbent_in_the_answer_is_refused_and_nothing_more_is_sent() -> None:
    """Seen live: the active connection answers a newcomer, with a success."""
    ramp = Seated(answers=(reply(201, connection(7, "Other")),))
    with pytest.raises(Rejected) as refused:
        ramp.link().open()
    assert str(refused.value) == (
        "acme/ramp: POST /developer/v1/accounting/connection: 201 (trace trace-1): Ramp answers with the connection of "
        "`Other`, which holds the seat; nothing was changed"
    )
    assert ramp.sent == [{"remote_provider_name": "Flowctl"}]


ODD: list[tuple[httpx.Response | Exception, type[RunError]]] = [
    (reply(201, []), BadAnswer),
    (reply(201, {"remote_provider_name": "Flowctl"}), BadAnswer),
    (reply(201, connection(1, is_active=False)), BadAnswer),
    (httpx.ReadTimeout("canary"), Ambiguous),
    (reply(504, {}), Ambiguous),
]


@pytest.mark.parametrize(("answer", "kind"), ODD)
def test_an_odd_answer_is_no_connection(answer: httpx.Response | Exception, kind: type[RunError]) -> None:
    with pytest.raises(kind) as refused:
        Seated(answers=(answer,)).link().open()
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("body", [[], {}, {"connections": {}}, {"connections": [None]}, {"connections": [{"id": 1}]}])
def test_an_odd_list_is_said(body: object) -> None:
    ramp = Seated()
    ramp.before = lambda _: reply(200, body)
    with pytest.raises(BadAnswer):
        ramp.link().seat()


def test_switches_that_ramp_leaves_alone_are_said() -> None:
    ramp = Seated(connection(1), answers=(reply(200, connection(1)),))
    link = ramp.link(vendor_credits_enabled=True, entity_selection_enabled=True)
    seat = link.seat()
    assert link.wanted_flags(seat) == {FLAG: True, "entity_selection_enabled": True}
    with pytest.raises(Rejected) as refused:
        link.set_flags(seat, {FLAG: True})
    assert str(refused.value) == "acme/ramp: Ramp leaves vendor_credits_enabled as it was"
    assert ramp.sent == [{"settings": {FLAG: True}}]


def test_switches_of_others_are_never_set() -> None:
    ramp = Seated(connection(1, "Other"))
    link = ramp.link(vendor_credits_enabled=True)
    with pytest.raises(Rejected) as refused:
        link.set_flags(link.seat(), {FLAG: True})
    assert str(refused.value) == "acme/ramp: switches are set on our own connection only"
    assert ramp.sent == []


def test_settings_of_the_connection_are_checked() -> None:
    def said(**settings: str | int | bool) -> list[str]:
        return [f"{p.where}: {p.message}" for p in problems(binding(**settings)) if p.level == "error"]

    assert said(accounting_connection_id="x") == ["accounting_connection_id: is no id of Ramp's"]
    assert said(accounting_connection_id=uuid(1), vendor_credits_enabled=False) == []
    assert said(vendor_credits_enabled="yes") == ["vendor_credits_enabled: must be true or false"]
    assert said(api_profile="2025-08", accounting_connection_id="") == []
    assert said(api_profile="2025-08", accounting_connection_id=uuid(1)) == [
        "accounting_connection_id: is not in the API profile 2025-08"
    ]
