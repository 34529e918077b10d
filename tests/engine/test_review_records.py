"""Interleavings that posted twice, lost a change, or let a record lie: each was found in review and is held here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine import batch, follow, intake
from engine.contract import Json, ListObject, OperationOutcome
from engine.errors import BadAnswer, Bug, Rejected
from engine.follow import Hand
from engine.operator import worklist
from engine.store import journal, lists, outbox, records, work
from engine.store.base import Row
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, FLOW, VENDORS, Bench, bill

ODD = {"id": "v-7", "name": "Nobody"}
HAND = Hand(COMPANY, AT, "test")


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def change(bench: Bench, **changes: Any) -> None:
    bench.shop.listed["bills"] = [{**item, **changes} for item in bench.shop.listed["bills"]]


def operations(bench: Bench) -> list[tuple[str, str]]:
    """State and amount of every operation of b-1."""
    with bench.world.store.read() as tx:
        rows = tx.rows("operations_of_record", {"record_id": bench.record("b-1")["id"]})
    return [(row["state"], json.loads(row["mapped"])["amount"]) for row in rows]


def refuse(bench: Bench, outcome: str, **details: Any) -> None:
    made = bench.send()
    assert made is not None
    bench.settle(made, *(OperationOutcome(op.id, outcome, **details) for op in made.operations))  # type: ignore[arg-type]  # a name of an outcome


def recheck(bench: Bench, row: Row, data: Json | None) -> None:
    with bench.world.store.write() as tx:
        batch = bench.runner.batch(tx, bench.program, COMPANY, 9)
        intake.recheck(batch, bench.program.stream("bills"), row, data)


# --- a record is read by itself while another thread sends it


@pytest.mark.parametrize("sent", [False, True])
def test_a_record_that_was_prepared_while_the_source_was_asked_is_not_prepared_twice(
    bench: Bench, *, sent: bool
) -> None:
    change(bench, vendor=ODD)
    bench.run("bills")
    stale = bench.record("b-1")
    assert stale["state"] == "deferred"
    # The source is being asked for it; meanwhile the vendor appears, and a session prepares the bill.
    bench.read_lists(vendors=[*VENDORS, ListObject("V-7", "Nobody")])
    bench.runner.prepare(bench.program, COMPANY)
    if sent:
        assert bench.send() is not None
    recheck(bench, stale, bill(vendor=ODD, amount="80.00", lines=[{"account": "Rent", "amount": "80.00"}]))
    live = [amount for state, amount in operations(bench) if state in ("waiting", "sent")]
    assert live == (["100.00"] if sent else ["80.00"])


def test_a_record_that_was_sent_while_the_source_was_asked_is_not_gone(bench: Bench) -> None:
    change(bench, vendor=ODD)
    bench.run("bills")
    stale = bench.record("b-1")
    bench.read_lists(vendors=[*VENDORS, ListObject("V-7", "Nobody")])
    bench.runner.prepare(bench.program, COMPANY)
    assert bench.send() is not None
    recheck(bench, stale, None)
    assert bench.record("b-1")["state"] == "sent"


def test_the_store_refuses_a_second_live_operation_of_a_record(bench: Bench) -> None:
    bench.run("bills")
    record = bench.record("b-1")
    again = outbox.NewOperation("x" * 22, "ledger", record["id"], "BillAdd", b"<B/>", "{G}", "{}", "{}")
    with pytest.raises(Bug), bench.world.store.write() as tx:
        outbox.add(tx, COMPANY, AT, [again])


def test_a_record_with_an_operation_never_begins_anew(bench: Bench) -> None:
    bench.run("bills")
    with pytest.raises(Bug), bench.world.store.write() as tx:
        batch.as_pending(bench.runner.batch(tx, bench.program, COMPANY, 9), bench.record("b-1"))


def test_another_record_than_was_asked_for_changes_nothing(bench: Bench) -> None:
    bench.run("bills")
    bench.shop.listed["bills"] = []
    bench.shop.singles["b-1"] = bill("b-2")
    bench.run("bills")
    assert bench.record("b-1")["state"] == "intended"
    assert bench.states() == {"b-1": "intended"}
    assert ("failed", f"{FLOW}/bills", 1) in bench.alerts()


def test_one_that_cannot_be_read_keeps_no_other_from_it(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", vendor=ODD), bill("b-2", vendor=ODD), bill("b-3", vendor=ODD)]
    bench.run("bills")
    bench.shop.listed["bills"] = []
    bench.shop.singles = {
        "b-1": Rejected("no such id"),
        "b-2": BadAnswer("no JSON"),
        "b-3": bill("b-3", status="draft"),
    }
    report = bench.runner.run(bench.program, COMPANY, streams=("bills",))
    assert [str(error) for error in report.errors] == ["no such id"] * 2  # the payments share the read
    assert bench.states() == {"b-1": "deferred", "b-2": "deferred", "b-3": "skipped"}


def test_what_was_gone_and_comes_back_as_it_was_is_posted(bench: Bench) -> None:
    bench.run("bills")
    bench.shop.listed["bills"] = []
    bench.run("bills")
    assert bench.record("b-1")["state"] == "skipped"
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    assert bench.record("b-1")["state"] == "intended"
    assert bench.post_all() == 1


# --- the source changes while the record is under way


@pytest.mark.parametrize("outcome", ["failed", "deferred"])
def test_what_is_tried_again_is_what_the_source_says_now(bench: Bench, outcome: str) -> None:
    bench.run("bills")
    made = bench.send()
    assert made is not None
    change(bench, amount="80.00", lines=[{"account": "Rent", "amount": "80.00"}])
    bench.run("bills")
    (operation,) = made.operations
    bench.settle(made, OperationOutcome(operation.id, outcome, code="3140", message="no"))  # type: ignore[arg-type]  # a name of an outcome
    with bench.world.store.write() as tx:
        worklist.retry(tx, HAND, [bench.record("b-1")], "")
    bench.runner.prepare(bench.program, COMPANY)
    assert operations(bench)[-1] == ("waiting", "80.00")
    record = bench.record("b-1")
    assert (record["amount"], record["drifted"]) == ("80.00", 0)
    assert bench.alerts() == []


def test_what_is_tried_again_is_still_wanted(bench: Bench) -> None:
    bench.run("bills")
    made = bench.send()
    assert made is not None
    change(bench, status="draft")  # nothing that is written, but a condition
    bench.run("bills")
    (operation,) = made.operations
    bench.settle(made, OperationOutcome(operation.id, "failed", code="3000", message="no"))
    with bench.world.store.write() as tx:
        worklist.retry(tx, HAND, [bench.record("b-1")], "")
    bench.runner.prepare(bench.program, COMPANY)
    assert bench.record("b-1")["state"] == "skipped"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"amount": "80.00", "lines": [{"account": "Rent", "amount": "80.00"}]}, "intended"),
        ({"status": "draft"}, "skipped"),
    ],
)
def test_what_the_target_was_too_busy_for_is_not_sent_when_it_has_changed(
    bench: Bench, changes: dict[str, Any], state: str
) -> None:
    bench.run("bills")
    made = bench.send()
    assert made is not None
    change(bench, **changes)
    bench.run("bills")
    (operation,) = made.operations
    bench.settle(made, OperationOutcome(operation.id, "retry", code="3175", message="locked"))
    assert operations(bench) == [("cancelled", "100.00")]
    bench.runner.prepare(bench.program, COMPANY)
    assert bench.record("b-1")["state"] == state
    assert operations(bench)[1:] == ([("waiting", "80.00")] if state == "intended" else [])
    assert bench.alerts() == []


def test_a_target_that_renames_is_no_news_of_the_source(bench: Bench) -> None:
    bench.run("bills")
    bench.post_all()
    renamed = ListObject("V-1", "Grün & Söhne GmbH", data={"currency": "EUR", "phone": "1"})
    with bench.world.store.write() as tx:
        lists.put_mapping(tx, COMPANY, lists.Mapping(FLOW, "vendor", "v-1", renamed.full_name, "V-1"), "p", AT)
    bench.read_lists(vendors=[renamed])
    change(bench, status="open again")
    bench.run("bills")
    bench.read_lists(vendors=[])  # gone altogether
    change(bench, status="open once more")
    bench.run("bills")
    assert [alert for alert in bench.alerts() if alert[0] == "drifted"] == []
    change(bench, memo="new words")
    bench.run("bills")
    assert [alert for alert in bench.alerts() if alert[0] == "drifted"] == [("drifted", f"{FLOW}/bills/b-1", 1)]


def test_the_alert_of_a_change_ends_when_the_source_takes_it_back(bench: Bench) -> None:
    bench.run("bills")
    bench.post_all()
    change(bench, memo="other")
    bench.run("bills")
    assert [alert[0] for alert in bench.alerts()] == ["drifted"]
    change(bench, memo=None)
    bench.run("bills")
    assert bench.alerts() == []


def test_two_records_under_one_key_are_not_silently_one(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-1", number="other")]
    bench.run("bills")
    assert ("ambiguous", f"{FLOW}/bills/b-1", 1) in bench.alerts()


@pytest.mark.parametrize(
    "broken",
    [bill("b-\ud800"), bill("b-2", number="x\udfff"), bill("b-2", vendor={"id": "v\ud800", "name": "n"})],
)
def test_half_a_character_stops_one_record_and_no_other(bench: Bench, broken: dict[str, Any]) -> None:
    bench.shop.listed["bills"] = [broken, bill("b-1", memo="whole: \U0001f600 \\ud800"), bill("b-3", more=2**70)]
    bench.run("bills")
    assert bench.states() == {"b-1": "intended", "b-3": "intended"}
    with bench.world.store.read() as tx:
        message = next(row["message"] for row in work.alerts(tx, COMPANY) if row["subject"] == f"{FLOW}/bills")
    assert message.endswith(f"{broken['id']!a}: a text in it holds half a character")


# --- a person changes what a waiting record was prepared with


def test_a_mapping_that_is_corrected_before_sending_is_the_one_that_is_sent(bench: Bench) -> None:
    bench.read_lists(vendors=[*VENDORS, ListObject("V-8", "The right one")])
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2", vendor={"id": "V-8", "name": "The right one"})]
    bench.run("bills")
    other = bench.record("b-2")["operation_id"]
    with bench.world.store.write() as tx:
        row = lists.Mapping(FLOW, "vendor", "v-1", "The right one", "V-8")
        follow.map_value(tx, HAND, bench.program.flow, row)
    assert bench.states() == {"b-1": "pending", "b-2": "intended"}
    bench.runner.prepare(bench.program, COMPANY)
    made = bench.send()
    assert made is not None
    assert made.body.count(b"<ListID>V-8</ListID>") == 2
    assert bench.record("b-2")["operation_id"] == other


def test_the_same_mapping_again_takes_nothing_back(bench: Bench) -> None:
    row = lists.Mapping(FLOW, "vendor", "v-1", "Grün & Söhne", "V-1")
    for _ in range(2):
        with bench.world.store.write() as tx:
            follow.map_value(tx, HAND, bench.program.flow, row)
        bench.run("bills")
    assert bench.journal("b-1") == ["read"]


def test_a_mapping_of_a_setting_concerns_every_waiting_record(bench: Bench) -> None:
    bench.run("bills")
    with bench.world.store.write() as tx:
        row = lists.Mapping(FLOW, "account", "setting:ap_account", "Rent", "A-RENT")
        follow.map_value(tx, HAND, bench.program.flow, row)
    assert bench.states() == {"b-1": "pending"}


def test_what_was_sent_is_not_taken_back(bench: Bench) -> None:
    bench.run("bills")
    assert bench.send() is not None
    with bench.world.store.write() as tx:
        assert follow.reconsider(tx, HAND, FLOW, "v-1", "test") == 0
    assert bench.states() == {"b-1": "sent"}


# --- tries have an end


def test_a_busy_object_is_tried_less_and_less_often_and_not_for_ever(bench: Bench) -> None:
    bench.run("bills")
    waits = []
    while bench.record("b-1")["state"] == "intended":
        refuse(bench, "retry", code="3175", message="locked", retry_after_s=30.0)
        start = bench.world.clock.monotonic()
        while bench.record("b-1")["state"] == "intended" and not _ready(bench):
            bench.world.clock.sleep(30)
        waits.append(bench.world.clock.monotonic() - start)
        assert len(waits) <= follow.MOST_TRIES
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600, 0]
    assert bench.reasons("b-1") == [("gave_up", "locked (tried 12 times)")]
    assert bench.record("b-1")["state"] == "failed"
    assert bench.alerts() == [("failed", f"{FLOW}/bills/b-1", 1)]


def _ready(bench: Bench) -> bool:
    with bench.outbox.transaction() as desk:
        return bool(desk.operations.next(COMPANY, 1))


def test_a_person_starts_the_count_again(bench: Bench) -> None:
    test_a_busy_object_is_tried_less_and_less_often_and_not_for_ever(bench)
    with bench.world.store.write() as tx:
        worklist.retry(tx, HAND, [bench.record("b-1")], "")
    bench.runner.prepare(bench.program, COMPANY)
    refuse(bench, "retry", code="3175", message="locked", retry_after_s=30.0)
    assert (bench.record("b-1")["state"], bench.record("b-1")["attempts"]) == ("intended", 1)


def test_a_reference_that_is_refused_again_and_again_fails(bench: Bench) -> None:
    bench.run("bills")
    for _ in range(follow.MOST_TRIES):
        assert bench.record("b-1")["state"] == "intended"
        refuse(bench, "deferred", code="3140", message="no such vendor", waits_for=("list:Vendor",))
        bench.read_lists()
        bench.runner.prepare(bench.program, COMPANY)
    assert bench.record("b-1")["state"] == "failed"
    assert bench.reasons("b-1") == [("gave_up", "no such vendor (tried 12 times)")]


def test_a_closed_period_waits_for_a_person_however_often(bench: Bench) -> None:
    bench.run("bills")
    for _ in range(follow.MOST_TRIES + 1):
        refuse(bench, "deferred", code="3171", message="closed", waits_for=("period",))
        assert bench.record("b-1")["state"] == "deferred"
        with bench.world.store.write() as tx:
            assert records.wake(tx, COMPANY, AT, "test", "period") == 1
        bench.runner.prepare(bench.program, COMPANY)


# --- what waits for a record that will not be posted


def test_what_waits_for_a_record_that_is_gone_says_so(bench: Bench) -> None:
    change(bench, vendor=ODD, status="paid")
    bench.run("bills")
    assert bench.reasons("b-1", "payments") == [("not_posted", "bills/N-b-1 is deferred")]
    row = bench.record("b-1")
    recheck(bench, row, None)
    assert bench.record("b-1", "payments")["state"] == "pending"
    bench.runner.prepare(bench.program, COMPANY)
    assert bench.reasons("b-1", "payments") == [("left_out", "bills/N-b-1 was not posted from here")]
    assert ("deferred", f"{FLOW}/payments/b-1", 1) in bench.alerts()
