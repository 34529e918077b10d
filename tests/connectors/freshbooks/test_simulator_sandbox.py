"""The sandbox of golden cases and of the demo, and the rig of campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors.freshbooks import CONNECTOR
from connectors.freshbooks.sandbox import make
from connectors.freshbooks.simulator.rig import _DEEDS, _DOINGS, FreshBooksRig, make_rig
from connectors.freshbooks.simulator.script import _ACTIONS
from engine.clock import SystemIds
from engine.contract import Binding, Source, Tools, Webhooks
from engine.errors import ForgedWebhook, UnknownName
from engine.rigs import SourceRig
from engine.simulated import Called, Directed, Sandbox
from engine.testing import FakeClock
from tests.connectors.http_kit import MemoryTokens, NotedLimits

CHART = {"accounts": [{"external_id": "1", "name": "Rent", "code": "6010"}]}
GIVEN: dict[str, Any] = {
    "vendors": {"acme": "Acme Supply"},
    "bills": {
        "b": {"vendor": "acme", "number": "B-1", "lines": [{"amount": "10.50", "category": "Rent", "tax": "0.50"}]}
    },
    "expenses": {"e": {"amount": "5", "category": "Rent", "vendor": "Café"}},
}


def test_a_case_tells_and_acts() -> None:
    box: object = make(1, FakeClock(), {"chart": CHART, "given": GIVEN})
    assert isinstance(box, Sandbox)
    assert isinstance(box, Called)
    assert isinstance(box, Directed)
    assert box.total() == Decimal("16.00")
    assert box.contents() == ["bill b | B-1 | 11.00 | unpaid", "expense e | Café | 5.00"]
    box.act("pay_bill", {"bill": "b", "amount": "1"})
    box.act("edit_bill", {"bill": "b", "lines": [{"amount": "20", "category": "Rent"}]})
    box.act("edit_expense", {"expense": "e", "amount": "6"})
    box.act("delete_expense", "e")
    assert box.contents() == ["bill b | B-1 | 20.00 | partial", "expense e | Café | 6.00 | deleted"]
    box.act("restore_expense", "e")
    box.act("archive_bill", "b")
    assert box.total() == Decimal("6.00")  # what is paid in part does not count
    box.act("unpay_bill", "b")
    assert box.total() == Decimal("26.00")  # what is archived still does
    box.act("edit_vendor", {"vendor": "acme", "name": "Acme"})
    box.act("fault", {"name": "throttled", "path": "/bills"})
    assert box.unused() == ["fault throttled"]
    with pytest.raises(UnknownName):
        box.act("nothing", None)
    with pytest.raises(UnknownName):
        box.act("fault", {"name": "nothing"})
    with pytest.raises(UnknownName):
        box.act("add", {"bills": {"c": {"amount": "1"}}})
    assert {"revoke", "expire_tokens"} <= set(_ACTIONS)


def test_the_same_seed_is_the_same_business_and_the_connector_reads_all_of_it() -> None:
    boxes = [CONNECTOR.sandbox(3, FakeClock(), {"chart": CHART, "bills": 12, "expenses": 4}) for _ in range(2)]
    assert boxes[0].contents() == boxes[1].contents()
    settings, secrets = boxes[0].binding("http://127.0.0.1:9")
    clock = FakeClock()
    clock.sleep(30 * 86_400)  # the code in a sandbox's binding waits for whoever comes
    tools = Tools(clock, SystemIds(), MemoryTokens(), NotedLimits(), boxes[0].transport())
    binding = Binding("acme", "freshbooks", settings, secrets)
    assert [problem.message for problem in CONNECTOR.check(binding)] == []
    source = CONNECTOR.open(binding, tools)
    assert isinstance(source, Source)
    assert isinstance(CONNECTOR, Webhooks)
    total = Decimal(0)
    for stream, name in (("bills", "total_amount"), ("expenses", "amount")):
        rows = [record for page in source.read(stream, {"vis_state": 0}, None) for record in page.records]
        # What is paid in part is not to go anywhere by itself.
        counted = [Decimal(row[name]["amount"]) for row in rows if row["status"] != "partial"]
        total += sum(counted, Decimal(0))
    assert total == boxes[0].total()


def test_expenses_tell_what_the_cards_side_has() -> None:
    given = {
        "expenses": {
            "lunch": {"amount": "12.5", "vendor": "Café", "on": "2026-11-03", "card": True, "receipt": True},
            "cash": {"amount": "5", "on": "2026-11-04"},
            "gone": {"amount": "7", "card": True},
        }
    }
    box = CONNECTOR.sandbox(3, FakeClock(), {"given": given})
    box.act("delete_expense", "gone")
    assert [{k: v for k, v in one.items() if k != "id"} for one in box.expenses()] == [
        {"vendor": "Café", "amount": "12.50", "currency": "USD", "date": "2026-11-03", "notes": "", "has_receipt": True, "on_card": True},
        {"vendor": None, "amount": "5.00", "currency": "USD", "date": "2026-11-04", "notes": "", "has_receipt": False, "on_card": False},
    ]  # fmt: skip
    assert box.total() == Decimal("17.50")
    seeded = CONNECTOR.sandbox(3, FakeClock(), {"expenses": 6}).expenses()
    assert [one["on_card"] for one in seeded] == [True, True, False] * 2
    assert all(one["vendor"] for one in seeded if one["on_card"])


def hears(_key: str, _told: object, _failed: object) -> None:
    raise AssertionError("FreshBooks is told nothing")


def years(rig: FreshBooksRig, rounds: int = 12) -> list[str]:
    lines: list[str] = []
    for _ in range(rounds):
        rig.simulator.clock.sleep(3600)
        lines += rig.befall()
    return lines


def test_same_seed_same_years_and_every_deed_happens() -> None:
    def shown(seed: int) -> tuple[list[str], list[Any], Mapping[str, int]]:
        rig = make_rig(seed, FakeClock(), {"chart": CHART})
        assert isinstance(rig, SourceRig)
        return years(rig), list(rig.wanted()), rig.counts()

    assert shown(3) == shown(3)
    assert shown(3) != shown(4)
    assert set(_DEEDS) == set(_DOINGS)
    happened = {line.split()[1] for seed in range(30) for line in shown(seed)[0]}
    assert happened == set(_DEEDS)


def test_webhooks_of_a_rig_are_genuine_unless_they_say_otherwise() -> None:
    seen: set[str] = set()
    for seed in range(25):
        rig = make_rig(seed, FakeClock(), {"chart": CHART})
        settings, secrets = rig.sandbox.binding("https://api.freshbooks.com")
        binding = Binding("sim", "freshbooks", settings, secrets)

        def posts(headers: Mapping[str, str], body: bytes, kind: str, binding: Binding = binding) -> int:
            seen.add(kind)
            try:
                CONNECTOR.verify(binding, headers, body)
            except ForgedWebhook:
                assert kind == "forged"
                return 401
            assert kind != "forged"
            return 200

        for _ in range(4):
            years(rig, 2)
            rig.deliver(posts)
    assert seen == {"fresh", "again", "forged"}


def test_a_calm_rig_can_be_read_whole() -> None:
    for seed in range(8):
        clock = FakeClock()
        rig = make_rig(seed, clock, {"chart": CHART})
        years(rig, 3)
        rig.calm()
        assert rig.befall() == []
        settings, secrets = rig.sandbox.binding("https://api.freshbooks.com")
        transport: httpx.BaseTransport = rig.transport(hears)
        tools = Tools(clock, SystemIds(), MemoryTokens(), NotedLimits(), transport)
        source = CONNECTOR.open(Binding("sim", "freshbooks", settings, secrets), tools)
        for stream in ("bills", "expenses"):
            found = {row["id"] for page in source.read(stream, {"vis_state": 0}, None) for row in page.records}
            assert found == {w.id for w in rig.wanted() if w.stream == stream and w.standing == "due"}
    assert rig.told() == ()
