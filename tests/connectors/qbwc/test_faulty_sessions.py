"""Whole sessions under faults, on both sides of every assumption: each bill is in the company file exactly once."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from connectors.qbwc import CONNECTOR, conduct, probe, ready, recovery
from connectors.qbwc.context import Context
from connectors.qbwc.simulator import (
    Application,
    Behaviour,
    CompanyFile,
    FaultPlan,
    Faults,
    WebConnector,
    handler_post,
    seed_company,
)
from connectors.qbwc.state import Recovery, State
from engine.contract import Login, OperationOutcome
from tests.connectors.qbwc.kit import password_hash
from tests.connectors.qbwc.memory_outbox import FakeClock, FakeIds, MemoryOutbox, bill, settings, vendor

APPLICATION = Application()
FAULTS = (
    "drop_send_answer", "drop_receive_answer", "duplicate_receive", "abandon_before", "abandon_after", "die_before", "die_midway",
    "die_after", "answer_lost", "answer_and_store_lost", "hresult", "truncated_answer", "non_xml_answer", "cp1252_answer",
    "connection_error", "user_edit",
)  # fmt: skip
# 0x80040400 says that nothing ran and fails the record, so it has tests of its own.
IN_DOUBT = ("0x80040401", "0x80040402", "0x80040408", "0x8004040D", "0x80040414")


def behaviour(chance: random.Random) -> Behaviour:
    """One of the worlds in which QuickBooks may turn out to live."""
    return Behaviour(
        guid_in_queries=chance.random() < 0.5,
        guid_in_add_answers=chance.random() < 0.5,
        checksum=chance.choice(("bytes", "content")),
        stored_answer=chance.choice(("full", "ids")),
        kept_sets=chance.choice((0, 1)),
        store_loss=chance.choice((0.0, 0.3)),
        absent_set_code=chance.choice(("9002", "600")),
        missing_ref_number_code=chance.choice((500, 1)),
    )


def live(seed: int) -> tuple[MemoryOutbox, CompanyFile, set[str]]:
    """Twelve sessions with faults, then five without; returns how the last two ended."""
    chance = random.Random(seed)
    clock = FakeClock()
    outbox = MemoryOutbox(clock)
    values = settings(owner_id=APPLICATION.owner_id, file_id=APPLICATION.file_id, page_size=3)
    outbox.data.logins["books"] = Login("acme", "books", password_hash(), values)
    outbox.data.due = ["Account", "Vendor", "Class"]
    for number in range(6):
        outbox.add(bill(number, f"{number + 1}.00"))
    outbox.add(vendor(6, f"New {seed}"))
    outbox.data.pending = [bill(7, "8.00"), bill(8, "9.00")]
    company = seed_company(seed, clock=clock)
    company.behaviour = behaviour(chance)
    rates = {name: chance.choice((0.02, 0.05, 0.2)) for name in chance.sample(FAULTS, 4)}
    faults = Faults(FaultPlan(seed=seed, rates=rates, hresults=IN_DOUBT))
    handler = CONNECTOR.handler(outbox, clock, FakeIds())
    connector = WebConnector(handler_post(handler), "books", "pw", company, application=APPLICATION, faults=faults)
    for _ in range(12):
        outbox.break_next = int(chance.random() < 0.1)
        connector.update()
        clock.sleep(300)
    outbox.break_next = 0
    connector.faults = Faults()
    ended = []
    for _ in range(5):
        ended.append(connector.update().outcome)
        clock.sleep(300)
    return outbox, company, set(ended[-2:])


def faults_of(seed: int) -> list[str]:
    """What is wrong after that life; nothing, when the promises held."""
    outbox, company, ended = live(seed)
    states = Counter(row.state for row in outbox.data.operations.values())
    guids = Counter(txn.guid for txn in company.txns("Bill"))
    found = []
    if states != {"posted": 9}:
        found.append(f"states {dict(states)}")
    if guids != {bill(number).guid: 1 for number in (*range(6), 7, 8)}:
        found.append(f"bills {dict(guids)}")
    if len([item for item in company.items("Vendor") if item.name == f"New {seed}"]) != 1:
        found.append("the vendor is not there once")
    # One of them may look whether everything is still there, as is done every hour.
    if not ended <= {"no_work", "done"} or "no_work" not in ended:
        found.append(f"the last sessions were {sorted(ended)}")
    if any(len(set_id) > 23 for set_id in outbox.data.sets):
        found.append("a message-set id is too long")
    receipts = {row.outcomes[-1].receipt.get("TxnID") for row in outbox.data.operations.values() if row.outcomes}
    if {txn.txn_id for txn in company.txns("Bill")} - receipts:
        found.append("a bill of the company file has no receipt")
    return found


@pytest.mark.parametrize("seed", range(30))
def test_every_bill_is_posted_exactly_once(seed: int) -> None:
    assert faults_of(seed) == []


def test_amounts_are_those_that_were_frozen() -> None:
    _, company, _ = live(7)
    assert sorted(txn.amount for txn in company.txns("Bill")) == [Decimal(f"{n}.00") for n in (1, 2, 3, 4, 5, 6, 8, 9)]


def test_another_company_file_gets_nothing() -> None:
    clock = FakeClock()
    outbox = MemoryOutbox(clock)
    values = settings(owner_id=APPLICATION.owner_id, file_id=APPLICATION.file_id)
    outbox.data.logins["books"] = Login("acme", "books", password_hash(), values)
    mine, other = seed_company(1, clock=clock), seed_company(2, clock=clock)
    faults = Faults(FaultPlan(schedule={"switch_file": [1]}), other)
    handler = CONNECTOR.handler(outbox, clock, FakeIds())
    connector = WebConnector(handler_post(handler), "books", "pw", mine, application=APPLICATION, faults=faults)
    seen = []
    for number in range(3):
        outbox.add(bill(number))
        seen.append(connector.update().outcome)
    assert seen == ["done", "stopped", "done"]
    assert [len(list(company.txns("Bill"))) for company in (mine, other)] == [3, 0]
    assert [(event, alert) for event, _, alert in outbox.data.notes] == [("company_refused", True)]


# --- a suite that finds nothing proves nothing: planted protocol faults must show ------------------------------------


def shows() -> bool:
    return any(faults_of(seed) for seed in range(30))


def test_a_resend_without_looking_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(message_set: object, known: Recovery, found: object) -> Recovery:
        return replace(known, stage="resend")

    monkeypatch.setattr(recovery, "after_probe", blind)
    assert shows()


def test_a_new_id_at_every_sending_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    really = conduct.doubt

    def forget(ctx: Context, set_id: str, reason: str) -> None:
        if reason == "QuickBooks did not say what became of every request":
            really(ctx, set_id, reason)
            return
        unsettled = ctx.desk.operations.unsettled(ctx.company)
        assert unsettled is not None
        outcomes = [OperationOutcome(operation.id, "retry") for operation in unsettled.operations]
        ctx.desk.operations.settle(ctx.company, set_id, outcomes, b"")

    monkeypatch.setattr(conduct, "doubt", forget)
    # The look around before every write would find what has run.
    monkeypatch.setattr(ready, "_known", lambda *_: None)
    assert shows()


def test_a_look_up_that_never_finds_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "look", lambda *_: probe.Found("none", {}))
    # The look around before it is sent again would find what has run.
    monkeypatch.setattr(ready, "_known", lambda *_: None)
    assert shows()


def test_a_failed_answer_taken_for_a_refusal_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def settled(ctx: Context, state: State, hresult: str, message: str) -> State:
        unsettled = ctx.desk.operations.unsettled(ctx.company)
        if unsettled is None:
            return replace(state, flight=None, paging=None, gate="new" if state.gate == "asked" else state.gate)
        outcomes = tuple(OperationOutcome(operation.id, "failed") for operation in unsettled.operations)
        return conduct.commit(ctx, replace(state, flight=None), unsettled, outcomes, "")

    monkeypatch.setattr(conduct, "failed", settled)
    assert shows()
