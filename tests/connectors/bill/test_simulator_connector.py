"""The connector against the bundled simulator of BILL, with everything that can go wrong on the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args

import pytest

from connectors.bill import CONNECTOR
from connectors.bill.sandbox import BillSandbox, make
from connectors.bill.simulator import Fault, build, transport
from connectors.bill.simulator.faults import FaultName
from connectors.bill.simulator.ledger import totals
from connectors.bill.simulator.records import Delivery
from connectors.bill.source import BillConnection
from engine.clock import SystemIds
from engine.contract import Binding, Event, Operation, Tools
from engine.errors import Ambiguous, AuthRefused, BadAnswer, RateLimited, Transient
from tests.connectors.http_kit import ManualClock, MemoryTokens, NotedLimits

STREAMS = ("vendors", "bills", "payments", "vendor_credits", "chart_of_accounts", "classes", "departments", "locations")
CHART = {
    "accounts": [{"external_id": str(n), "name": f"Account {n}", "code": str(6000 + n)} for n in range(5)],
    "classes": [{"external_id": "9", "name": "Bar", "code": ""}],
}
# A cursor that leads to itself never ends, so nobody reads past it; every other fault passes.
PASSING: tuple[FaultName, ...] = tuple(name for name in get_args(FaultName) if name != "cursor_loop")


def business(**options: Any) -> BillSandbox:
    return make(7, ManualClock(), {"bills": 25, "vendors": 4, "chart": CHART, "options": options})


def connect(made: BillSandbox, **settings: str | int | bool) -> BillConnection:
    own, secrets = made.binding("https://localhost")
    bound = Binding("acme", "bill", {**own, "page_size": 7, **settings}, secrets)
    tools = Tools(made.simulator.clock, SystemIds(), MemoryTokens(), NotedLimits(), transport(made.simulator))
    return CONNECTOR.open(bound, tools)


def read(
    source: BillConnection, stream: str, checkpoint: str | None = None
) -> tuple[dict[str, Mapping[str, Any]], str | None]:
    """Read as the engine does: after a passing fault, go on from the last page."""
    found: dict[str, Mapping[str, Any]] = {}
    for _ in range(50):
        try:
            for page in source.read(stream, {}, checkpoint):
                found |= {record["id"]: record for record in page.records}
                checkpoint = page.checkpoint
        except (Transient, RateLimited, BadAnswer):
            continue
        return found, checkpoint
    raise AssertionError("the read does not end")


def everything(made: BillSandbox, **settings: str | int | bool) -> dict[str, dict[str, Mapping[str, Any]]]:
    source = connect(made, **settings)
    return {stream: read(source, stream)[0] for stream in STREAMS}


def test_every_stream_is_read_whole_and_to_the_cent() -> None:
    made = business()
    world, found = made.simulator.world, everything(made)
    assert set(found["vendors"]) == set(world.vendors)
    assert {key: Decimal(row["amount"]) for key, row in found["bills"].items()} == {
        key: bill.amount for key, bill in world.bills.items()
    }
    assert {key: Decimal(row["amount"]) for key, row in found["payments"].items()} == {
        key: payment.cash for key, payment in world.payments.items()
    }
    assert {key: Decimal(row["amount"]) for key, row in found["vendor_credits"].items()} == {
        key: credit.amount for key, credit in world.credits.items()
    }
    for stream, kind in zip(STREAMS[4:], world.lists, strict=True):
        assert set(found[stream]) == set(world.lists[kind])
    due = [
        Decimal(row["amount"])
        for row in found["bills"].values()
        if row["approvalStatus"] == "APPROVED" and not row["archived"]
    ]
    assert sum(due) == totals(world).bills
    assert made.simulator.tally.kinds["POST /login"] == 1
    assert made.simulator.tally.most_at_once == 1


@pytest.mark.parametrize(
    "options",
    [
        {"numbers": "java"}, {"moments": "z"}, {"cursor": "offset"}, {"empty_page_every": 2}, {"trailing_page": True},
        {"lone_bill_id": True}, {"one_session": True}, {"partial": "PARTIAL"}, {"validation_code": "BDC_1000"},
    ],
)  # fmt: skip
def test_what_is_not_established_makes_no_difference(options: dict[str, Any]) -> None:
    assert comparable(everything(business(**options))) == comparable(everything(business()))


def comparable(found: dict[str, dict[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Records without what differs by nature: the look of moments, one word, and ids of parts that an older shape lacks."""
    rows = {stream: {key: dict(row) for key, row in records.items()} for stream, records in found.items()}
    for records in rows.values():
        for row in records.values():
            for name in ("createdTime", "updatedTime"):
                row[name] = row[name].replace("Z", "+00:00")
    for row in rows["bills"].values():
        row["paymentStatus"] = row["paymentStatus"].replace("PARTIALLY_PAID", "PARTIAL")
    for row in rows["payments"].values():
        row["billPayments"] = [{**part, "id": None} for part in row["billPayments"]]
        row["voidInfo"] = [{**void, "createdTime": None, "updatedTime": None} for void in row["voidInfo"]]
    return rows


@pytest.mark.parametrize("name", PASSING)
def test_any_fault_at_any_call_loses_nothing(name: FaultName) -> None:
    plain = everything(business())
    calls = business()
    everything(calls)
    for number in range(calls.simulator.tally.total):
        made = business()
        made.simulator.faults.add(Fault(name, at=(number,), seconds=5.0))
        assert everything(made) == plain, f"{name} at call {number}"
        assert made.simulator.faults.counts == {name: 1}
        assert made.simulator.tally.kinds["POST /login"] <= 3


@pytest.mark.parametrize("kind", ["1109", "1361", "gateway", "no_code"])
def test_sessions_that_end_while_pages_are_read(kind: str) -> None:
    plain = everything(business())
    made = business(expired_as=kind)
    made.simulator.faults.add(Fault("session_expired", probability=0.5))
    assert everything(made) == plain
    assert made.simulator.tally.kinds["POST /login"] > 2


@pytest.mark.parametrize("status", [400, 401, 403, 422, 429, 503])
@pytest.mark.parametrize(("name", "low", "high"), [("hourly_limit", 1.0, 3605.0), ("concurrency_limit", 2.0, 4.0)])
def test_limits_are_known_by_their_code(status: int, name: Any, low: float, high: float) -> None:
    made = business(limit_status=status)
    source = connect(made)
    list(source.read("departments", {}, None))
    made.simulator.faults.add(Fault(name, at=(0,)))
    with pytest.raises(RateLimited) as caught:
        list(source.read("locations", {}, None))
    assert caught.value.retry_after_s is not None
    assert low <= caught.value.retry_after_s <= high


@pytest.mark.parametrize("options", [{"api_access": "not_enabled"}, {"api_access": "not_supported"}])
def test_refused_logins_need_a_person(options: dict[str, Any]) -> None:
    made = business(**options)
    with pytest.raises(AuthRefused):
        list(connect(made).read("bills", {}, None))
    assert made.simulator.tally.total == 1


def test_a_watermark_lists_only_what_changed() -> None:
    made = business()
    clock, world = made.simulator.clock, made.simulator.world
    source = connect(made)
    _, mark = read(source, "bills")
    clock.sleep(3600)
    read(source, "bills", mark)
    chosen = [key for key, bill in world.bills.items() if bill.approval == "APPROVED"][3]
    build.edit_bill(world, chosen, description="changed")
    found, mark = read(source, "bills", mark)
    assert found[chosen]["description"] == "changed"
    assert len(found) < len(world.bills)
    clock.sleep(7200)
    waiting = next(key for key, bill in world.bills.items() if bill.approval != "APPROVED")
    build.approve_bill(world, waiting)
    found, _ = read(source, "bills", mark)
    assert found[waiting]["approvalStatus"] == "APPROVED"
    # The overlap may list the last change once more, and nothing else.
    assert set(found) <= {waiting, chosen}


def test_rows_that_move_while_they_are_read_are_not_missed() -> None:
    for cursor in ("keyset", "offset"):
        made = business(cursor=cursor)
        world = made.simulator.world
        seen = set()
        for page in connect(made, page_size=2).read("bills", {}, None):
            seen |= {record["id"] for record in page.records}
            made.simulator.clock.sleep(60)
            build.edit_bill(world, next(iter(world.bills)), description="changed")
        assert seen == set(world.bills)


# --- writing and webhooks ---------------------------------------------------------------------------------------------

BODY = json.dumps({"name": 'The "Best", Ltd: Café', "address": {"line1": "1 Main St", "country": "US"}}).encode()


def operation(made: BillSandbox) -> Operation:
    return Operation("op-1", "VendorCreate", BODY, hashlib.sha256(BODY).hexdigest(), "guid-1", made.simulator.world.now)


def test_a_vendor_is_created_and_found() -> None:
    made = business()
    source = connect(made)
    assert source.find(operation(made)) is None
    receipt = source.write(operation(made))
    assert made.simulator.world.vendors[receipt.ids["id"]].name == 'The "Best", Ltd: Café'
    assert source.find(operation(made)) == receipt


@pytest.mark.parametrize(
    ("name", "is_there"),
    [
        ("timeout_after", True),
        ("reset_after", True),
        ("truncated", True),
        ("bad_json", True),
        ("timeout_before", False),
        ("reset_before", False),
    ],
)
def test_a_lost_answer_is_cleared_up_by_looking(name: Any, is_there: bool) -> None:
    made = business()
    source = connect(made)
    list(source.read("departments", {}, None))
    made.simulator.faults.add(Fault(name, at=(0,), method="POST", path="/vendors"))
    with pytest.raises(Ambiguous):
        source.write(operation(made))
    assert (source.find(operation(made)) is not None) is is_there


@pytest.mark.parametrize("escaped", [False, True])
def test_webhooks_are_verified(escaped: bool) -> None:
    made = business(webhook_escaped=escaped)
    source = connect(made)
    subscription = source.subscribe("https://books.example.com/webhooks/acme/bill")
    assert source.subscribe("https://books.example.com/webhooks/acme/bill") == subscription
    own, _ = made.binding("https://localhost")
    bound = Binding("acme", "bill", own, {"webhook_key": subscription.secret})
    chosen = next(key for key, bill in made.simulator.world.bills.items() if not bill.archived)
    build.archive_bill(made.simulator.world, chosen)
    events = []

    def receives(delivery: Delivery) -> int:
        events.append(CONNECTOR.verify(bound, dict(delivery.headers), delivery.body))
        return 200

    made.simulator.deliver(receives)
    assert [(event.type, event.object_id) for event in events if isinstance(event, Event)] == [
        ("bill.archived", chosen)
    ]


def test_ten_subscriptions_are_enough() -> None:
    made = business()
    source = connect(made)
    for number in range(10):
        source.subscribe(f"https://books.example.com/{number}")
    with pytest.raises(Exception, match="has 10 webhook subscriptions") as caught:
        source.subscribe("https://books.example.com/more")
    assert type(caught.value).__name__ == "Rejected"


def test_calls_within_the_limits_of_an_hour() -> None:
    made = business()
    made.simulator.world.options = replace(made.simulator.world.options, calls_an_hour=3)
    source = connect(made)
    with pytest.raises(RateLimited) as caught:
        list(source.read("bills", {}, None))
    assert caught.value.retry_after_s == 3605.0
