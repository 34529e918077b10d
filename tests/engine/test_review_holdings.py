"""One object for two records, a clock set back or ahead, a store found again: each of these was found in review."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine import pipeline
from engine.clock import from_iso, iso
from engine.contract import OperationOutcome
from engine.evidence import Seen, Sighting
from engine.follow import Hand
from engine.operator import companyfile, worklist
from engine.program import meaning
from engine.store import companies, facts, journal, records, work
from engine.store import holdings as kept
from engine.store.base import Row
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, bill, vendor
from tests.engine.test_changes import WITH_CHANGE

FILE = {"file_id": "{1A2B}", "company_name": "Acme", "path": "C:\\acme.qbw"}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench(WITH_CHANGE) as made:
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def hand(bench: Bench) -> Hand:
    return Hand(COMPANY, bench.world.at(), "person")


def post(bench: Bench, *source_ids: str) -> list[str]:
    bench.shop.listed["bills"] += [bill(source_id) for source_id in source_ids]
    bench.run("bills")
    assert bench.post_all() == len(source_ids)
    return [json.loads(bench.record(source_id)["receipt"])["TxnID"] for source_id in source_ids]


def shift(bench: Bench, **span: float) -> None:
    """Our clock is set, which is not the same as that time passes."""
    clock: Any = bench.world.clock
    clock._elapsed += timedelta(**span)


def messages(bench: Bench, kind: str) -> list[str]:
    with bench.world.store.read() as tx:
        return [row["message"] for row in work.alerts(tx, COMPANY) if row["kind"] == kind]


def hints(bench: Bench, kind: str) -> list[str]:
    with bench.world.store.read() as tx:
        return [row["hint"] for row in work.alerts(tx, COMPANY) if row["kind"] == kind]


def rows(bench: Bench, source_id: str) -> list[tuple[str, str, str]]:
    with bench.world.store.read() as tx:
        found = kept.of_record(tx, bench.record(source_id)["id"])
        return [(row["target_id"], row["state"], row["looked_at"]) for row in found]


def ask(bench: Bench, since: str) -> list[str]:
    with bench.outbox.transaction() as desk:
        return [holding.target_id for holding in desk.holdings.to_check(COMPANY, 20, since)]


def begin(bench: Bench) -> str:
    with bench.outbox.transaction() as desk:
        return desk.holdings.begin(COMPANY)


# --- one object is one record


def settled_as(bench: Bench, target_id: str, source_id: str = "b-2") -> None:
    bench.shop.listed["bills"] = [bill(source_id)]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "posted", {"TxnID": target_id, "EditSequence": "1"}))


def test_what_is_there_for_one_record_is_not_there_for_another(bench: Bench) -> None:
    (txn_id,) = post(bench, "b-1")
    settled_as(bench, txn_id)
    message = f"{txn_id} is {FLOW}/bills/N-b-1 already, and cannot be this record too"
    assert bench.record("b-2")["state"] == "unknown"
    assert bench.reasons("b-2") == [("taken", message)]
    assert messages(bench, "unknown") == [f"{FLOW}/bills/N-b-2: {message}"]
    hint = (
        "look in the target whether this one is there as well: when it is, run "
        "`flowctl retry b-2 --there ID --company acme`, else `flowctl retry b-2 --not-there --company acme`"
    )
    assert hints(bench, "unknown") == [hint]
    with bench.world.store.write() as tx, pytest.raises(worklist.Taken) as caught:
        worklist.declare(tx, hand(bench), bench.record("b-2"), txn_id, "")
    assert str(caught.value) == f"{FLOW}/bills/b-2: {message}"
    assert caught.value.hint == "look for the one that is this record; when there is none, say --not-there"
    assert bench.record("b-2")["state"] == "unknown"
    with bench.world.store.write() as tx:
        worklist.declare(tx, hand(bench), bench.record("b-2"), "T-OTHER", "")
    assert bench.record("b-2")["state"] == "posted"
    assert bench.alerts() == []


def test_what_is_gone_may_be_another_record(bench: Bench) -> None:
    (txn_id, _) = post(bench, "b-1", "b-3")
    with bench.outbox.transaction() as desk:
        desk.holdings.missing(COMPANY, [txn_id])
    settled_as(bench, txn_id)
    assert bench.record("b-2")["state"] == "posted"


def test_a_modify_is_of_its_own_record(bench: Bench) -> None:
    (txn_id,) = post(bench, "b-1")
    bench.shop.listed["bills"] = [bill("b-1", "80.00")]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "posted", {"TxnID": txn_id, "EditSequence": "2"}))
    assert bench.record("b-1")["amount"] == "80.00"


# --- clocks


def test_a_clock_set_back_within_a_look_does_not_make_it_endless(bench: Bench) -> None:
    ids = post(bench, "b-1", "b-2")
    bench.world.clock.sleep(7200)
    since = bench.world.at()
    assert ask(bench, since) == [ids[1], ids[0]]
    shift(bench, seconds=-90)
    with bench.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen(ids[1], "1")])
        desk.holdings.missing(COMPANY, [ids[0]])
    assert ask(bench, since) == []
    assert rows(bench, "b-2") == [(ids[1], "there", iso(from_iso(since) + timedelta(microseconds=1)))]


@pytest.mark.parametrize("seconds", [0, -40])
def test_a_look_right_after_another_sees_what_has_gone_between_them(bench: Bench, seconds: int) -> None:
    # The second session may be another computer's, whose clock is behind; or the clock was put right in between.
    ids = post(bench, "b-1", "b-2")
    bench.world.clock.sleep(7200)
    first = begin(bench)
    assert (first, ask(bench, first)) == (bench.world.at(), [ids[1], ids[0]])
    with bench.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen(target_id, "1") for target_id in ids])
    assert ask(bench, first) == []
    shift(bench, seconds=seconds)
    second = begin(bench)
    assert second == iso(from_iso(first) + timedelta(microseconds=1))
    assert ask(bench, second) == [ids[1], ids[0]]
    with bench.outbox.transaction() as desk:
        desk.holdings.missing(COMPANY, ids)
    assert ask(bench, second) == []
    assert bench.states() == {"b-1": "vanished", "b-2": "vanished"}
    with bench.outbox.transaction() as desk:
        assert desk.holdings.halted(COMPANY) is not None


def test_a_look_is_not_told_by_what_a_clock_that_was_far_ahead_has_noted(bench: Bench) -> None:
    (txn_id,) = post(bench, "b-1")
    shift(bench, minutes=30)
    assert ask(bench, begin(bench)) == [txn_id]
    with bench.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen(txn_id, "1")])
    shift(bench, minutes=-30)
    assert begin(bench) == bench.world.at()
    assert ask(bench, begin(bench)) == [txn_id]


def test_what_was_settled_in_the_moment_when_the_look_began_is_looked_at(bench: Bench) -> None:
    # A saved answer says what was written, and nothing of what a backup has taken away since.
    (txn_id,) = post(bench, "b-1")
    assert ask(bench, bench.world.at()) == [txn_id]


def test_what_a_clock_that_was_ahead_has_noted_does_not_count(bench: Bench) -> None:
    shift(bench, days=30)
    (txn_id,) = post(bench, "b-1")
    with bench.outbox.transaction() as desk:
        desk.holdings.sighted(COMPANY, "Bill", [], scanned_at=bench.world.clock.now())
        desk.holdings.checked(COMPANY)
    shift(bench, days=-30)
    with bench.outbox.transaction() as desk:
        assert desk.holdings.check_due(COMPANY)
        assert desk.holdings.scanned_at(COMPANY, "Bill") is None
    since = bench.world.at()
    assert ask(bench, since) == [txn_id]
    with bench.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen(txn_id, "1")])
    assert ask(bench, since) == []
    with bench.outbox.transaction() as desk:
        desk.holdings.checked(COMPANY)
        assert not desk.holdings.check_due(COMPANY)


def test_a_clock_that_was_put_right_by_seconds_was_not_wrong(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        desk.holdings.sighted(COMPANY, "Bill", [], scanned_at=bench.world.clock.now())
    shift(bench, seconds=-5)
    with bench.outbox.transaction() as desk:
        assert desk.holdings.scanned_at(COMPANY, "Bill") == bench.world.clock.now()


# --- found again, and not as the source says


def found_again(bench: Bench, total: str = "100.00", dated_on: str = "2026-02-20") -> None:
    guid = pipeline.guid_of(COMPANY, FLOW, "bills", "b-1", "post").strip("{}").lower()
    seen = Sighting("Bill", "T-7", "5", guid, {"TxnID": "T-7"}, "", dated_on, Decimal(total))
    with bench.outbox.transaction() as desk:
        desk.holdings.sighted(COMPANY, "Bill", [seen], scanned_at=bench.world.clock.now())


def dear(bench: Bench) -> None:
    """A bill of 120.00 that waits for an account."""
    lines = [{"account": "Nowhere", "code": None, "amount": "120.00", "memo": "m"}]
    bench.shop.listed["bills"] = [bill("b-1", "120.00", lines=lines)]
    bench.run("bills")
    assert bench.record("b-1")["state"] == "deferred"


def test_one_that_is_found_again_with_another_amount_is_told(bench: Bench) -> None:
    dear(bench)
    dated_on = bench.record("b-1")["dated_on"]
    found_again(bench, "-100.00", dated_on)
    record = bench.record("b-1")
    assert (record["state"], record["drifted"], record["operation_id"]) == ("posted", 1, None)
    message = (
        f"{FLOW}/bills/N-b-1: the bill is there from earlier, and not as the source says: "
        "amount 100.00 there, 120.00 here; flowctl leaves it as it is"
    )
    assert messages(bench, "edited") == [message]
    # No operation wrote it that could be held against it, so it is held against the record, each time it is seen.
    for total, left in (("100.00", [message]), ("120.00", [])):
        with bench.outbox.transaction() as desk:
            desk.holdings.seen(COMPANY, [Seen("T-7", "6", (), Decimal(total), dated_on)])
        assert messages(bench, "edited") == left


def test_one_that_is_found_again_on_another_day_can_be_accepted(bench: Bench) -> None:
    dear(bench)
    found_again(bench, "120.00", "2025-01-31")
    assert "date `2025-01-31` there" in messages(bench, "edited")[0]
    with bench.world.store.write() as tx:
        assert len(worklist.accept(tx, hand(bench), [bench.record("b-1")], "").moved) == 1
    with bench.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen("T-7", "6")])
    assert messages(bench, "edited") == []


def test_what_was_never_written_is_no_base_of_a_change(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", "120.00")]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "deferred", code="x", message="not now"))
    assert bench.record("b-1")["operation_id"] == made.operations[0].id
    found_again(bench)
    record = bench.record("b-1")
    assert (record["operation_id"], record["mapped_sha256"], record["drifted"]) == (None, None, 1)


# --- edited on both sides, and what is there is right


def clash(bench: Bench, amount: str = "80.00") -> Row:
    """A change that met an edit in the ledger."""
    bench.shop.listed["bills"] = [bill("b-1", amount)]
    bench.run("bills")
    made = bench.send()
    assert made is not None
    hint = "run `flowctl retry ID`, or `flowctl reconcile --leave-out ID` when that is right"
    (one,) = made.operations
    bench.settle(made, OperationOutcome(one.id, "deferred", code="edited_there", message="both changed it", hint=hint))
    return change(bench)


def change(bench: Bench) -> Row:
    with bench.world.store.read() as tx:
        found = records.newest_change(tx, bench.record("b-1"))
    assert found is not None
    return found


def leave_out(bench: Bench, row: Row) -> worklist.Retried:
    with bench.world.store.write() as tx:
        return worklist.leave_out(tx, hand(bench), [row], "agreed by phone")


def test_a_change_that_met_an_edit_can_be_left_out(bench: Bench) -> None:
    post(bench, "b-1")
    met = clash(bench)
    assert met["state"] == "deferred"
    assert hints(bench, "deferred") == [
        "run `flowctl retry b-1 --company acme`, or `flowctl reconcile --leave-out b-1 --company acme` when that is right"
    ]
    with bench.world.store.read() as tx:
        assert worklist.clashes(tx, COMPANY) == {met["id"]}
    before = bench.record("b-1")
    assert len(leave_out(bench, met).moved) == 1
    assert bench.alerts() == []
    left = change(bench)
    assert left["state"] == "skipped"
    message = "what is in the target is right, and a person left the change out"
    assert [(r.code, r.message) for r in records.load_reasons(left)] == [("left_out", message)]
    after = bench.record("b-1")
    assert [after[name] for name in ("state", "newest", "amount")] == [before[n] for n in ("state", "newest", "amount")]
    # Neither the same state of the source nor one that would be written alike asks again; another one does.
    bench.run("bills")
    bench.shop.listed["bills"] = [{**bill("b-1", "80.00"), "updated": "later"}]
    bench.run("bills")
    assert change(bench)["state"] == "skipped"
    bench.shop.listed["bills"] = [bill("b-1", "75.00")]
    bench.run("bills")
    assert (change(bench)["id"], change(bench)["state"], change(bench)["amount"]) == (met["id"], "intended", "75.00")


def test_no_other_change_can_be_left_out(bench: Bench) -> None:
    post(bench, "b-1")
    bench.shop.listed["bills"] = [bill("b-1", "80.00")]
    bench.run("bills")
    refused = leave_out(bench, change(bench)).refused
    assert [text for _, text in refused] == ["it is prepared, and is sent next"]


# --- another company file


def release(bench: Bench, identity: dict[str, str]) -> None:
    """The company goes from its file to another one."""
    with bench.world.store.write() as tx:
        companyfile.release(tx, hand(bench), "moved")
        companies.bind(tx, COMPANY, identity, bench.world.at())


def test_what_is_in_a_released_file_is_not_looked_for_in_the_next(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.bind(tx, COMPANY, FILE, bench.world.at())
    ids = post(bench, "b-1", "b-2")
    names = ("scan:Bill", "check", "missed", "pace", "closing_date")
    with bench.world.store.write() as tx:
        for name in names:
            facts.remember(tx, COMPANY, bench.world.at(), name, {"at": bench.world.at()})
        facts.remember(tx, COMPANY, bench.world.at(), "reclaim", {"after": 2})
    release(bench, {**FILE, "file_id": "{9F}"})
    with bench.world.store.read() as tx:
        assert [name for name in names if facts.recall(tx, COMPANY, name)] == []
        assert facts.recall(tx, COMPANY, "reclaim") == {"after": 2}
    bench.world.clock.sleep(7200)
    assert ask(bench, bench.world.at()) == []
    with bench.outbox.transaction() as desk:
        assert not desk.holdings.check_due(COMPANY)
    # A copy of the file has the same objects.
    with bench.outbox.transaction() as desk:
        desk.holdings.seen(COMPANY, [Seen(ids[0], "1")])
    assert ask(bench, bench.world.at()) == []
    assert [rows(bench, source_id)[0][1] for source_id in ("b-1", "b-2")] == ["there", "away"]
    release(bench, {**FILE, "file_id": "{1a2b}"})
    assert ask(bench, bench.world.at()) == [ids[1]]
    assert bench.alerts() == []


def test_one_vendor_is_not_meant_by_two_records_until_a_person_says_so(bench: Bench) -> None:
    bench.shop.listed["vendors"] = [vendor("v-8", "Twin Supply"), vendor("v-9", "Twin Supply")]
    bench.run("vendors")
    made = bench.send()
    assert made is not None
    receipt = {"ListID": "80-1", "FullName": "Twin Supply"}
    bench.settle(made, *[OperationOutcome(each.id, "posted", receipt) for each in made.operations])
    assert bench.states("vendors") == {"v-8": "closed", "v-9": "deferred"}
    assert [reason.code for reason in records.load_reasons(bench.record("v-9", "vendors"))] == ["name_taken"]


def test_sums_of_what_has_vanished_are_exact(bench: Bench) -> None:
    ids = post(bench, *[f"b-{n}" for n in range(3)])
    with bench.outbox.transaction() as desk:
        desk.holdings.missing(COMPANY, ids)
        assert (desk.holdings.halted(COMPANY) or "").startswith(
            "3 records that were posted are no longer in Ledger (300.00 EUR)"
        )


def test_only_streams_that_may_hold_an_id_are_searched(bench: Bench) -> None:
    flow = bench.program.flow
    assert meaning(flow, "bills") == ("payments",)
    assert meaning(flow, "payments") == ()
    assert "bills" in meaning(flow, "vendors")
