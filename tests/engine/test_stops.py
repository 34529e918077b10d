"""What a person stops, lets go on, and decides: pause, hold, replay, found elsewhere; each once, however often it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from engine import flowswitch
from engine.connections import accounts
from engine.contract import Binding, MessageSet, OperationOutcome
from engine.evidence import Seen
from engine.flowswitch import FlowPaused
from engine.follow import Hand
from engine.operator import chosen, onhold, pausing, replaying, worklist
from engine.operator.lookfor import evidence
from engine.operator.pausing import WhyMissing
from engine.operator.worklist import NotHeld, Retried, Taken
from engine.service import Service
from engine.store import journal
from engine.store.base import Tx
from engine.store.browse import Filters
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, bill

WHO = "panel:ana"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.shop.listed["bills"] = [bill("b-1"), bill("b-2", "40.00", lines=kit.bill("x", "40.00")["lines"])]
        yield made


def hand(bench: Bench) -> Hand:
    return Hand(COMPANY, bench.world.at(), WHO)


def do(bench: Bench, what: Callable[[Tx, Hand], Retried]) -> tuple[list[str], list[tuple[str, str]]]:
    """Do something; the ids of the records that it was done to, and the others with why not."""
    with bench.world.store.write() as tx:
        done = what(tx, hand(bench))
    return [row["source_id"] for row in done.moved], [(row["source_id"], why) for row, why in done.refused]


def replay(bench: Bench, *ids: str) -> tuple[list[str], list[tuple[str, str]]]:
    rows = [bench.record(source_id) for source_id in ids or ("b-1",)]
    return do(bench, lambda tx, by: replaying.replay(tx, by, rows, "again"))


def answered(bench: Bench, **outcome: str) -> tuple[MessageSet, str]:
    """Everything is sent, and the first operation comes to that."""
    made = bench.send()
    assert made is not None
    operation = made.operations[0]
    bench.settle(made, OperationOutcome(operation.id, **outcome))  # type: ignore[arg-type] # a literal
    return made, operation.id


def lines(bench: Bench, source_id: str, *events: str) -> list[tuple[str, str, dict[str, object]]]:
    """The lines of a record's journal of these events: event, who, and what they say."""
    with bench.world.store.read() as tx:
        found = journal.of_record(tx, bench.record(source_id)["id"])
    return [(line["event"], line["actor"], json.loads(line["detail"])) for line in found if line["event"] in events]


def company_lines(bench: Bench, *events: str) -> list[tuple[str, str, str, dict[str, object]]]:
    with bench.world.store.read() as tx:
        found = [tx.one("journal_newest", {"company": COMPANY, "event": event}) for event in events]
    return [(r["event"], r["flow"], r["actor"], json.loads(r["detail"])) for r in found if r is not None]


# --- pause -----------------------------------------------------------------------------------------------------------


def pause(bench: Bench, flow: str = "", why: str = "closing the books") -> bool:
    with bench.world.store.write() as tx:
        return pausing.pause(tx, hand(bench), flow, why)


def resume(bench: Bench, flow: str = "") -> bool:
    with bench.world.store.write() as tx:
        return pausing.resume(tx, hand(bench), flow, "done")


@pytest.mark.parametrize("flow", ["", FLOW])
def test_nothing_new_is_read_prepared_or_sent_while_it_is_paused(bench: Bench, flow: str) -> None:
    bench.run("bills")
    assert (pause(bench, flow), pause(bench, flow, "another reason")) == (True, False)
    assert bench.send() is None
    with bench.outbox.transaction() as desk:
        assert desk.operations.backlog(COMPANY) == 0
    reads = len(bench.shop.reads)
    with pytest.raises(FlowPaused) as refused:
        bench.run("bills")
    what = f"the {'flow' if flow else 'company'} is paused since 2026-03-02 14:00 UTC by panel:ana: closing the books"
    assert str(refused.value) == f"acme/shop_to_ledger: {what}"
    assert refused.value.hint == f"`flowctl resume{' shop_to_ledger' if flow else ''} --company acme` lets it go on"
    bench.world.clock.advance("+2h")  # type: ignore[attr-defined] # a clock that stands still
    Service(bench.world, {FLOW: bench.program}).tick()
    assert len(bench.shop.reads) == reads
    with bench.world.store.read() as tx:
        assert pausing.waiting(tx, COMPANY, flow) == (2, {"EUR": Decimal("140.00")})
    assert (resume(bench, flow), resume(bench, flow)) == (True, False)
    assert bench.post_all() == 2
    what = "flow" if flow else "company"
    assert company_lines(bench, "paused", "unpaused") == [
        ("paused", flow, WHO, {"what": what, "why": "closing the books"}),
        ("unpaused", flow, WHO, {"what": what, "why": "done"}),
    ]


def test_records_that_wait_are_not_prepared_while_it_is_paused(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", lines=[{"account": "New", "code": "1", "amount": "100.00", "memo": ""}])]
    bench.run("bills")
    pause(bench)
    with bench.world.store.write() as tx:
        worklist.retry(tx, hand(bench), [bench.record("b-1")], "")
    bench.runner.prepare(bench.program, COMPANY)
    assert bench.record("b-1")["state"] == "pending"
    resume(bench)
    bench.runner.prepare(bench.program, COMPANY)
    assert bench.record("b-1")["state"] == "deferred"


def test_what_was_sent_comes_to_its_end_while_it_is_paused(bench: Bench) -> None:
    bench.run("bills")
    made = bench.send()
    assert made is not None
    pause(bench)
    with bench.outbox.transaction() as desk:
        assert desk.operations.unsettled(COMPANY) is not None
        # The Web Connector shows why nothing more is sent.
        assert desk.holdings.halted(COMPANY) == "paused by ana: closing the books"
    bench.settle(made)
    assert bench.states() == {"b-1": "posted", "b-2": "posted"}
    Service(bench.world, {FLOW: bench.program}).tick()
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}
    assert [len(call.posted) for call in bench.shop.calls] == [2]


def test_one_flow_may_be_paused_while_the_company_goes_on(bench: Bench) -> None:
    bench.run("bills")
    pause(bench, FLOW)
    pause(bench)
    resume(bench)
    assert bench.send() is None
    with bench.world.store.read() as tx:
        assert flowswitch.is_on(tx, COMPANY, bench.program.flow)
        assert not flowswitch.is_running(tx, COMPANY, bench.program.flow)
        assert tx.one("company_get", {"company": COMPANY})["paused"] == 0  # type: ignore[index] # it is there
    resume(bench, FLOW)
    assert bench.post_all() == 2


def test_a_pause_needs_a_reason(bench: Bench) -> None:
    with pytest.raises(WhyMissing):
        pause(bench, "", " ")


# --- hold ------------------------------------------------------------------------------------------------------------


def hold(bench: Bench, source_id: str, why: str = "wrong vendor") -> tuple[list[str], list[tuple[str, str]]]:
    return do(bench, lambda tx, by: onhold.hold(tx, by, [bench.record(source_id)], why))


def release(bench: Bench, source_id: str) -> tuple[list[str], list[tuple[str, str]]]:
    return do(bench, lambda tx, by: onhold.release(tx, by, [bench.record(source_id)]))


def test_what_is_held_is_not_sent_until_it_is_released(bench: Bench) -> None:
    bench.run("bills")
    assert hold(bench, "b-1") == (["b-1"], [])
    assert hold(bench, "b-1", "twice") == ([], [("b-1", "ana holds it back already: wrong vendor")])
    assert bench.post_all() == 1
    # The source changes it: it is prepared anew, and held all the same.
    bench.shop.listed["bills"] = [bill("b-1", number="N-9")]
    bench.run("bills")
    assert bench.states() == {"b-1": "intended", "b-2": "closed"}
    assert bench.send() is None
    assert release(bench, "b-1") == (["b-1"], [])
    assert release(bench, "b-1") == ([], [("b-1", "nobody holds it back")])
    assert bench.post_all() == 1
    assert lines(bench, "b-1", "on_hold", "released") == [
        ("on_hold", WHO, {"why": "wrong vendor"}),
        ("released", WHO, {}),
    ]


def test_what_waits_can_be_held_before_it_is_prepared(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", lines=[{"account": "New", "code": "1", "amount": "100.00", "memo": ""}])]
    bench.run("bills")
    hold(bench, "b-1")
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run("bills")
    assert (bench.record("b-1")["state"], bench.send()) == ("intended", None)


def test_what_may_be_there_cannot_be_held(bench: Bench) -> None:
    bench.run("bills")
    made = bench.send()
    assert made is not None
    assert hold(bench, "b-1")[1] == [("b-1", "it is under way, and may be posted already")]
    bench.settle(made)
    assert hold(bench, "b-1")[1] == [("b-1", "it is posted")]
    with pytest.raises(WhyMissing):
        hold(bench, "b-1", "")


# --- replay ----------------------------------------------------------------------------------------------------------


def test_a_refused_request_is_sent_once_more_as_it_was(bench: Bench) -> None:
    bench.run("bills")
    made, operation = answered(bench, outcome="failed", code="3175", message="locked")
    assert bench.states() == {"b-1": "failed", "b-2": "posted"}
    assert replay(bench) == (["b-1"], [])
    assert replay(bench) == ([], [("b-1", "it is prepared, and is sent next")])
    again = bench.send()
    assert again is not None
    (sent,) = again.operations
    assert (sent.id, sent.body, sent.sent_before) == (operation, made.operations[0].body, True)
    assert replay(bench)[1] == [
        ("b-1", "it is under way: its outcome is found out first, and the same request goes on by itself")
    ]
    bench.settle(again)
    assert bench.record("b-1")["state"] == "posted"
    assert replay(bench)[1] == [("b-1", "it is posted, and nothing is sent a second time")]
    assert lines(bench, "b-1", "replayed") == [("replayed", WHO, {"operation": operation, "why": "again"})]
    assert bench.alerts() == []


def test_what_the_target_certainly_does_not_have_is_sent_once_more(bench: Bench) -> None:
    bench.run("bills")
    _, operation = answered(bench, outcome="held", code="no_answer", message="never answered")
    assert bench.record("b-1")["state"] == "unknown"
    assert replay(bench) == (["b-1"], [])
    again = bench.send()
    assert again is not None
    assert [(op.id, op.sent_before) for op in again.operations] == [(operation, True)]


def test_what_may_be_there_is_not_replayed(bench: Bench) -> None:
    bench.run("bills")
    answered(bench, outcome="held", code="unclear", message="two look like it")
    told = "the target may have it; look there, and say whether it is there or not"
    assert [replay(bench), replay(bench), replay(bench)] == [([], [("b-1", told)])] * 3
    assert bench.send() is None


def test_what_was_frozen_long_ago_is_not_replayed(bench: Bench) -> None:
    bench.run("bills")
    answered(bench, outcome="held", code="no_answer", message="never answered")
    bench.world.clock.advance("+100d")  # type: ignore[attr-defined] # a clock that stands still
    told = "it was prepared too long ago to be known again for certain; look there, and say whether it is there or not"
    assert replay(bench) == ([], [("b-1", told)])


def test_what_never_was_sent_is_not_replayed(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-3", lines=[]), bill("b-4", status="draft")]
    bench.run("bills")
    refused = {
        "b-1": "it is prepared, and is sent next",
        "b-3": "nothing was prepared for it that could go on; try it again instead, which prepares it anew",
        "b-4": "it is not to be written",
    }
    assert replay(bench, *refused) == ([], list(refused.items()))


def test_a_request_that_was_given_up_for_another_one_is_not_replayed(bench: Bench) -> None:
    """It was refused, tried anew, and failed before it was sent: the old request says nothing of the record now."""
    bench.run("bills")
    answered(bench, outcome="failed", code="3000", message="no")
    bench.shop.listed["bills"] = [bill("b-1", lines=[])]
    bench.run("bills")
    assert bench.record("b-1")["state"] == "failed"
    told = "it was not sent, so there is nothing to go on with; try it again instead, which prepares it anew"
    assert replay(bench) == ([], [("b-1", told)])


def test_what_was_prepared_for_other_books_is_not_replayed(bench: Bench) -> None:
    """The connection was taken away and made anew: the bytes that were frozen name accounts of the one before."""
    bench.run("bills")
    answered(bench, outcome="failed", code="3000", message="no")
    operation = bench.record("b-1")["operation_id"]
    bench.world.clock.advance("+1h")  # type: ignore[attr-defined] # a clock that stands still
    with bench.world.store.write() as tx:
        row = tx.one("operation_get", {"id": operation})
        assert row is not None
        binding = Binding(COMPANY, row["connection"])
        accounts.connected(tx, hand(bench), kit.LedgerConnector().spec, binding)
    told = f"it was prepared for what was connected as `{binding.connection}` before; try it again instead, which prepares it anew"
    assert replay(bench) == ([], [("b-1", told)])


def test_what_waits_after_a_fault_is_tried_now(bench: Bench) -> None:
    bench.run("bills")
    _, operation = answered(bench, outcome="retry", message="busy")
    with bench.world.store.write() as tx:
        tx.run(
            "operation_state",
            {"id": operation, "state": "waiting", "message_set_id": None, "not_before": "2026-03-02T15:00:00.000000Z"},
        )
    assert bench.send() is None
    assert replay(bench) == (["b-1"], [])
    assert bench.post_all() == 1


# --- found elsewhere -------------------------------------------------------------------------------------------------


@pytest.fixture
def gone(bench: Bench) -> Bench:
    """Bill 1 was posted, the source was told, and it is gone."""
    bench.run("bills")
    bench.post_all()
    bench.run("bills")
    target = json.loads(bench.record("b-1")["receipt"])["TxnID"]
    with bench.outbox.transaction() as desk:
        desk.holdings.missing(COMPANY, [target])
    assert bench.record("b-1")["state"] == "vanished"
    return bench


def there(bench: Bench, target: str, source_id: str = "b-1") -> None:
    with bench.world.store.write() as tx:
        worklist.declare(tx, hand(bench), bench.record(source_id), target, "entered anew")


def test_what_is_gone_is_found_under_another_id(gone: Bench) -> None:
    before = json.loads(gone.record("b-1")["receipt"])["TxnID"]
    with gone.world.store.read() as tx:
        found = evidence(tx, gone.record("b-1"))
    assert found is not None
    assert (found.where, found.waits) == ("Ledger", "")
    assert dict(found.marks)["id that it had"] == before
    there(gone, "1A2B-3C")
    row = gone.record("b-1")
    assert (row["state"], json.loads(row["receipt"])) == ("closed", {"TxnID": "1A2B-3C"})
    detail = {"target_id": "1A2B-3C", "before": before, "why": "entered anew"}
    assert lines(gone, "b-1", "found_elsewhere") == [("found_elsewhere", WHO, detail)]
    assert gone.alerts() == []
    with pytest.raises(NotHeld):
        there(gone, "1A2B-3C")
    # It is looked after from now on, as what was written here.
    with gone.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen("1A2B-3C", "1")])
        desk.holdings.missing(COMPANY, ["1A2B-3C"])
    assert gone.record("b-1")["state"] == "vanished"


def test_another_records_object_is_not_taken(gone: Bench) -> None:
    other = json.loads(gone.record("b-2")["receipt"])["TxnID"]
    with pytest.raises(Taken) as refused:
        there(gone, other)
    assert (
        str(refused.value)
        == f"shop_to_ledger/bills/b-1: {other} is shop_to_ledger/bills/N-b-2 already, and cannot be this record too"
    )
    assert gone.record("b-1")["state"] == "vanished"


def test_an_id_is_the_same_however_it_is_typed(gone: Bench) -> None:
    """What stands for one record must not be taken for another one as well, in small letters."""
    there(gone, "1a2b-3c")
    assert json.loads(gone.record("b-1")["receipt"]) == {"TxnID": "1A2B-3C"}
    with gone.outbox.transaction() as desk:
        desk.holdings.missing(COMPANY, [json.loads(gone.record("b-2")["receipt"])["TxnID"]])
    with pytest.raises(Taken):
        there(gone, "1a2B-3c", "b-2")


# --- a set -----------------------------------------------------------------------------------------------------------


def test_a_set_is_tried_before_it_is_done_and_done_once(bench: Bench) -> None:
    bench.run("bills")
    bench.send()
    bench.shop.listed["bills"] = [bill("b-3"), bill("b-4", "10.00", lines=kit.bill("x", "10.00")["lines"])]
    bench.run("bills")
    with bench.world.store.read() as tx:
        rows, is_more = chosen.matching(tx, COMPANY, Filters(flow=FLOW, stream="bills"))
        known = chosen.marked(tx, rows)
    assert (sorted(row["source_id"] for row in rows), is_more) == (["b-1", "b-2", "b-3", "b-4"], False)
    tried = chosen.attempt(bench.world.store, "hold", hand(bench), rows, "wait")
    assert ({row["source_id"] for row in tried.moved}, tried.money) == ({"b-3", "b-4"}, {"EUR": Decimal("110.00")})
    assert {row["source_id"]: why for row, why in tried.refused} == {
        "b-1": "it is under way, and may be posted already",
        "b-2": "it is under way, and may be posted already",
    }
    assert lines(bench, "b-3", "on_hold") == []
    with bench.world.store.write() as tx:
        onhold.hold(tx, hand(bench), [row for row in rows if row["source_id"] == "b-4"], "somebody was faster")
        skipped = chosen.perform(tx, "hold", hand(bench), known, "wait")
    assert [row["source_id"] for row in skipped.moved] == ["b-3"]
    why = {row["source_id"]: why for row, why in skipped.refused}
    assert why["b-4"] == "it has changed since this was shown, and is intended now"
    with bench.world.store.write() as tx:
        again = chosen.perform(tx, "hold", hand(bench), known, "wait")
    assert again.moved == ()
    assert len(lines(bench, "b-3", "on_hold")) == 1
