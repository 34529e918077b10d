"""The BILL organization of a campaign: its faults, its people, and what is wanted of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors.bill.simulator.rig import _DEEDS, _DOINGS, _FAULTS, _ON_THE_WAY, _SWITCHES, BillRig, make_rig
from connectors.bill.simulator.webhooks import signature
from engine.rigs import SourceRig, Told
from engine.testing import FakeClock
from tests.connectors.bill.simulator_kit import Api, fits

CHART = {
    "accounts": [{"external_id": "1", "name": "Rent", "code": "6010"}],
    "classes": [{"external_id": "2", "name": "Bar", "code": ""}],
}


def rig(seed: int = 1, **options: Any) -> BillRig:
    return make_rig(seed, FakeClock(), {"chart": CHART, **options})


def hears(_key: str, _told: object, _failed: object) -> None:
    raise AssertionError("BILL is told nothing")


def years(made: BillRig, rounds: int = 12) -> list[str]:
    """What befalls an organization in so many runs."""
    lines: list[str] = []
    for _ in range(rounds):
        made.sandbox.simulator.clock.sleep(3600)
        lines += made.befall()
    return lines


def test_it_is_a_rig() -> None:
    made: object = rig()
    assert isinstance(made, SourceRig)
    assert made.told() == ()
    assert list[Told](made.told()) == []


def test_same_seed_same_years() -> None:
    def shown(seed: int) -> tuple[list[str], list[Any], Mapping[str, int]]:
        made = rig(seed)
        return years(made), list(made.wanted()), made.counts()

    first = shown(3)
    assert shown(3) == first
    assert shown(4) != first


def test_deeds_have_their_rate() -> None:
    made = rig(without=["gap"], often={"plain": 1.0})
    made.deeds = {"edit_memo": 0.3}
    assert 40 < len(years(made, 200)) < 80
    made.deeds = {"edit_memo": 0.0}
    assert years(made) == []


def test_every_deed_can_happen() -> None:
    assert set(_DEEDS) == set(_DOINGS)
    happened: Counter[str] = Counter()
    for seed in range(30):
        made = rig(seed, focus=[*_DEEDS])
        years(made)
        happened += Counter({name: count for name, count in made.counts().items() if name in _DEEDS})
    assert set(happened) == set(_DEEDS)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_covered_beyond_its_amount_and_all_of_it_has_its_shape(seed: int) -> None:
    made = rig(seed, without=list(_FAULTS))
    for _ in range(10):
        years(made, 1)
        world = made.sandbox.simulator.world
        assert all(world.open_amount(key) >= 0 for key in world.bills)
        assert all(world.unused(key) >= 0 for key in world.credits)
        client = Api(made.sandbox.simulator)
        for path in ("/vendors", "/bills", "/payments", "/vendor-credits"):
            client.get(path, max=100)


def test_wanted_says_what_is_due_and_every_amount_that_was_shown() -> None:
    made = rig(5, without=[*_DEEDS, *_FAULTS], often={"plain": 1.0})
    [bill] = made.sandbox.simulator.world.bills.values()
    [one] = [item for item in made.wanted() if item.stream == "bills"]
    assert (one.id, one.phase, one.standing, one.amounts) == (bill.id, "post", "due", frozenset({bill.amount}))
    assert [(item.stream, item.standing) for item in made.wanted() if item.stream != "bills"] == [("vendors", "off")]
    assert _DOINGS["edit_amount"](made) == bill.id
    made.look()
    later = made.sandbox.simulator.world.bills[bill.id].amount
    assert [item.amounts for item in made.wanted() if item.stream == "bills"] == [{bill.amount, later}]
    assert _DOINGS["pay"](made)
    made.look()
    [payment] = made.sandbox.simulator.world.payments.values()
    [paid] = [item for item in made.wanted() if item.stream == "payments"]
    assert paid.standing == ("due" if payment.status == "PAID" else "off")
    assert paid.amounts == {later}
    _DOINGS["void"](made)
    assert [item.standing for item in made.wanted() if item.stream == "payments"] == ["off"]
    _DOINGS["archive"](made)
    assert [item.standing for item in made.wanted() if item.stream == "bills"] == ["off"]
    _DOINGS["late_credit"](made)
    _DOINGS["restore"](made)
    _DOINGS["late_credit"](made)
    assert [item.standing for item in made.wanted() if item.stream == "vendor_credits"] == ["due"]


def test_a_bill_that_waits_for_approval_is_not_due() -> None:
    made = next(
        found
        for found in (rig(seed) for seed in range(50))
        if any(bill.approval == "ASSIGNED" for bill in found.sandbox.simulator.world.bills.values())
    )
    waiting = [bill.id for bill in made.sandbox.simulator.world.bills.values() if bill.approval == "ASSIGNED"]
    assert {item.standing for item in made.wanted() if item.id in waiting} == {"off"}


def test_faults_strike_and_calm_ends_them() -> None:
    made = rig(2, focus=["throttled"])
    transport = made.transport(hears)
    world = made.sandbox.simulator.world
    statuses = set()
    with httpx.Client(transport=transport, base_url="https://localhost/connect/v3") as client:
        for _ in range(200):
            statuses.add(client.post("/login", json={"devKey": world.options.dev_key}).status_code)
        assert statuses == {400, 429}
        made.calm()
        assert made.counts()["throttled"] > 0
        assert {client.post("/login", json={}).status_code for _ in range(100)} == {400}
    assert years(made) == []


def test_focus_and_without() -> None:
    focused = rig(1, focus=["truncated", "pay"])
    assert [fault.name for fault in focused.sandbox.simulator.faults.faults] == ["truncated"]
    assert list(focused.deeds) == ["pay"]
    assert focused.hooks == {}
    bare = rig(1, without=[*_FAULTS, *_DEEDS, *_ON_THE_WAY, *_SWITCHES, "gap"])
    assert (bare.sandbox.simulator.faults.faults, bare.deeds, bare.hooks) == ([], {}, {})
    options = bare.sandbox.simulator.world.options
    assert (options.approval_touches, options.payment_touches, options.empty_page_every) == (True, True, 0)


def test_every_switch_is_thrown_in_some_organization() -> None:
    thrown: Counter[str] = Counter()
    for seed in range(40):
        options = rig(seed).sandbox.simulator.world.options
        thrown["approval_unseen"] += not options.approval_touches
        thrown["payment_unseen"] += not options.payment_touches
        thrown["gross_parts"] += options.part_amounts == "gross"
        thrown["lone_bill_id"] += options.lone_bill_id
        thrown["empty_pages"] += options.empty_page_every > 0
        thrown["trailing_page"] += options.trailing_page
        thrown["other_partial"] += options.partial == "PARTIAL"
        thrown["java_numbers"] += options.numbers == "java"
        thrown["one_session"] += options.one_session
        thrown["offset_cursor"] += options.cursor == "offset"
    assert {name: 0 < count < 40 for name, count in thrown.items()} == dict.fromkeys(_SWITCHES, True)


def test_nobody_says_of_its_amounts_what_is_not_so() -> None:
    said = {
        made.sandbox.simulator.world.options.part_amounts: [
            value for value in ("tell", "included", "left_out") if made.is_so("credits_in_payments", value)
        ]
        for made in map(rig, range(20))
    }
    assert said == {"net": ["tell", "left_out"], "gross": ["tell", "included"]}
    assert rig().is_so("class_from", "nothing")


def test_webhooks_on_their_way() -> None:
    made = rig(1, focus=["late_bill", "edit_memo", *_ON_THE_WAY])
    key = made.sandbox.binding("")[1]["webhook_key"]
    seen: Counter[str] = Counter()

    def posts(headers: Mapping[str, str], body: bytes, kind: str) -> int:
        is_ours = headers["x-bill-sha-signature"] == signature(key, body)
        assert is_ours is (kind != "forged")
        if is_ours:
            value = json.loads(body)
            fits("webhook", json.loads(value) if isinstance(value, str) else value)
        seen[kind] += 1
        return 200 if kind != "forged" else 401

    for _ in range(80):
        years(made, 1)
        made.deliver(posts)
    assert set(seen) == {"fresh", "again", "forged"}
    assert {name for name in made.counts() if name in _ON_THE_WAY and made.counts()[name]} == set(_ON_THE_WAY)


def test_an_amount_is_the_money_of_a_payment_and_not_its_credit() -> None:
    for seed in range(200):
        made = rig(seed)
        for payment in made.sandbox.simulator.world.payments.values():
            used = sum((part.credit for part in payment.parts), Decimal(0))
            if used:
                [one] = [item for item in made.wanted() if item.id == payment.id]
                assert one.amounts == {payment.cash}
                assert payment.cash > 0
                return
    raise AssertionError("no organization nets a payment with a credit")
