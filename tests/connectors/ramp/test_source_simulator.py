"""The connector against the bundled simulator of Ramp, with everything that can go wrong on the way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.ramp import CONNECTOR
from connectors.ramp.records import Record
from connectors.ramp.simulator import Fault, Line, Options, RampSimulator, seed_business, transport
from connectors.ramp.simulator.faults import FaultName
from connectors.ramp.simulator.records import Profile
from connectors.ramp.source import RampSource
from engine.clock import SystemIds
from engine.contract import Event, MarkCall, Marked, Tools
from engine.errors import AuthExpired, BadAnswer, Rejected, Transient
from tests.connectors.http_kit import ManualClock, MemoryTokens, NotedLimits
from tests.connectors.ramp.source_kit import binding

SECRETS = {"client_id": "ramp_id_sandbox", "client_secret": "sandbox-secret", "webhook_secret": "ramp_sec_here"}
PROFILES: list[Profile] = ["2025-08", "2026-08"]


def connect(simulator: RampSimulator, **settings: str | int | bool) -> RampSource:
    options = {"environment": "sandbox", "api_profile": simulator.world.profile, "page_size": 7, **settings}
    tools = Tools(simulator.clock, SystemIds(), MemoryTokens(), NotedLimits(), transport(simulator))
    return CONNECTOR.open(binding(SECRETS, **options), tools)


def business(profile: Profile, *faults: Fault, **options: Any) -> RampSimulator:
    simulator = RampSimulator(7, ManualClock(), profile=profile, options=Options(**options), faults=faults)
    seed_business(simulator)
    return simulator


def everything(source: RampSource, stream: str, **filters: str | bool) -> list[Record]:
    """Read as the engine does: after a passing fault, go on from the last page."""
    records: list[Record] = []
    checkpoint: str | None = None
    for _ in range(50):
        try:
            for page in source.read(stream, filters, checkpoint):
                records += [dict(record) for record in page.records]
                checkpoint = page.checkpoint
        except (Transient, BadAnswer, AuthExpired):
            continue
        return records
    raise AssertionError("the read does not end")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_stream_is_read_whole(profile: Profile) -> None:
    simulator = business(profile)
    source = connect(simulator)
    world = simulator.world
    assert {r["id"] for r in everything(source, "vendors")} == set(world.vendors)
    assert {r["id"] for r in everything(source, "users")} == set(world.users)
    assert {r["id"] for r in everything(source, "departments")} == set(world.departments)
    assert {r["id"] for r in everything(source, "entities")} == set(world.entities)
    assert len(everything(source, "bills", sync_ready=True)) > 10
    assert len(everything(source, "transactions", sync_status="SYNC_READY")) > 10


@pytest.mark.parametrize("profile", PROFILES)
def test_amounts_agree_with_the_simulators_own_ledger(profile: Profile) -> None:
    simulator = business(profile)
    source, world = connect(simulator), simulator.world
    for record in everything(source, "bills"):
        bill = world.bills[record["id"]]
        places = {"JPY": 0, "KWD": 3}.get(record["currency"], 2)
        assert Decimal(record["amount"]).scaleb(places) == bill.minor
        lines = [Decimal(line["amount"]) for line in record["line_items"] + record["inventory_line_items"]]
        assert sum(lines) == Decimal(record["amount"])
    for record in everything(source, "transactions"):
        transaction = world.transactions[record["id"]]
        places = {"JPY": 0, "KWD": 3}.get(record["currency"], 2)
        assert Decimal(record["amount"]).scaleb(places) == transaction.settled.minor
        assert sum(Decimal(line["amount"]) for line in record["line_items"]) == Decimal(record["amount"])


FAULTS: list[FaultName] = ["token_expired", "rate_limited", "server_error", "html_error", "timeout_before"]
FAULTS += ["timeout_after", "reset_before", "reset_after", "truncated", "slow"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_at_any_request_loses_or_doubles_a_record(profile: Profile, fault: FaultName) -> None:
    wanted = [r["id"] for r in everything(connect(business(profile)), "bills", sync_ready=True)]
    pages = len(wanted) // 7 + 1
    for at in range(pages):
        simulator = business(profile, Fault(fault, at=(at,), path="/bills"))
        assert [r["id"] for r in everything(connect(simulator), "bills", sync_ready=True)] == wanted
        assert simulator.faults.counts == {fault: 1}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_hundred_random_faults_lose_nothing(profile: Profile) -> None:
    wanted = {r["id"] for r in everything(connect(business(profile)), "transactions")}
    plan = [Fault(name, probability=0.08, path="/transactions" if name == "token_expired" else "") for name in FAULTS]
    for seed in range(10):
        simulator = RampSimulator(7, ManualClock(), profile=profile)
        seed_business(simulator)
        simulator.faults = type(simulator.faults)(seed, plan)
        assert {r["id"] for r in everything(connect(simulator), "transactions")} == wanted


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("fault", ["timeout_after", "reset_after", "truncated", "html_error", "reset_before"])
def test_a_mark_whose_answer_is_lost_arrives_once(profile: Profile, fault: FaultName) -> None:
    simulator = business(profile, Fault(fault, at=(0,), path="/accounting/syncs"))
    source = connect(simulator)
    ready = [r["id"] for r in everything(source, "bills", sync_ready=True) if r["sync_status"] == "NOT_SYNCED"][:5]
    call = MarkCall("BILL_SYNC", "key-1", tuple(Marked(i, f"TXN-{i}") for i in ready))
    for _ in range(3):
        try:
            source.mark(call)
        except Transient:
            continue
        break
    assert sorted(m.object_id for m in simulator.world.marks) == sorted(ready)
    source.mark(call)
    source.mark(MarkCall("BILL_SYNC", "key-2", call.posted))  # refused as synced already, and shown so
    assert len(simulator.world.marks) == len(ready)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_export_button_in_ramp_counts_as_told(profile: Profile) -> None:
    simulator = business(profile)
    source = connect(simulator)
    first = everything(source, "transactions", sync_status="SYNC_READY")[0]["id"]
    simulator.export_button(first)
    source.mark(MarkCall("TRANSACTION_SYNC", "key", (Marked(first, "TXN-1"),)))
    assert first not in {r["id"] for r in everything(source, "transactions", sync_status="SYNC_READY")}


def test_a_direct_connection_takes_no_marks() -> None:
    simulator = business("2026-08", connection="DIRECT")
    bill = simulator.add_bill([Line(1000)])
    with pytest.raises(Rejected) as caught:
        connect(simulator).mark(MarkCall("BILL_SYNC", "key", (Marked(bill.id, "TXN-1"),)))
    assert caught.value.hint is not None
    assert "a direct accounting connection takes no marks from others" in caught.value.hint


@pytest.mark.parametrize("signature", ["ramp-hex", "webhook-hex", "webhook-base64"])
def test_webhooks_of_every_signature_are_verified(signature: str) -> None:
    simulator = business("2026-08", webhook_secret="ramp_sec_here", webhook_signature=signature)
    source = connect(simulator)
    made = source.subscribe("https://hooks.example.com/ramp", ["bills.ready_to_sync", "bills.approved"])
    heard: list[object] = []

    def receive(delivery: Any) -> int:
        headers = {name.lower(): value for name, value in dict(delivery.headers).items()}
        heard.append(CONNECTOR.verify(binding(SECRETS), headers, delivery.body))
        return 200

    simulator.deliver(receive)
    handshake = heard.pop()
    source.verify_subscription(made.id, handshake.challenge)  # type: ignore[attr-defined]  # the test fails if it is none
    bill = simulator.add_bill([Line(1000)])
    simulator.deliver(receive)
    assert {(e.type, e.object_id) for e in heard if isinstance(e, Event)} >= {("bills.approved", bill.id)}
    assert all(isinstance(e, Event) for e in heard)
