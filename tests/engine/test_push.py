"""Targets that are called: found before written, once and no more, whatever is lost on the way or dies in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from connectors._http import Api
from engine import limits, push
from engine.cli.run import _summary
from engine.clock import iso
from engine.connections.connecting import connect
from engine.contract import ListObject, Operation, Receipt
from engine.errors import (
    Ambiguous,
    AuthExpired,
    AuthRefused,
    BadAnswer,
    Bug,
    NotAsSent,
    RateLimited,
    Rejected,
    RunError,
    Transient,
)
from engine.follow import Hand
from engine.holders import take_name
from engine.operator import worklist
from engine.pushing.link import LEASE_S, WRITE_S
from engine.runner import Runner
from engine.service import Service
from engine.store import companies, journal, outbox, records, work
from engine.world import TOKEN_WAIT_S
from tests import stores
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, bill
from tests.engine.push_kit import FLOW, NAME, VENDORS, Cloud, CloudBench, Crash, cloud_bench, operation, run

HAND = Hand(COMPANY, AT, "test")


@pytest.fixture
def bench() -> Iterator[CloudBench]:
    with cloud_bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made


def errors(bench: CloudBench) -> list[str]:
    return [str(error) for error in run(bench).errors]


def lines(bench: CloudBench, source_id: str = "b-1") -> list[tuple[str, str, str, dict[str, Any]]]:
    """The journal of a bill: event, from, to, and what was found out."""
    with bench.world.store.read() as tx:
        found = journal.of_record(tx, bench.record(source_id)["id"])
    told = ("found", "why", "code", "receipt")
    return [
        (line["event"], line["state_from"], line["state_to"], {k: v for k, v in detail.items() if k in told})
        for line in found
        if (detail := json.loads(line["detail"])) is not None
    ]


def nothing_due(bench: CloudBench) -> None:
    """No stream is to be read for long."""
    names = tuple(stream.name for stream in bench.program.flow.streams)
    with bench.world.store.write() as tx:
        work.due_streams(tx, COMPANY, NAME, names, AT)
        for name in names:
            work.schedule(tx, COMPANY, NAME, name, iso(bench.world.clock.now() + timedelta(hours=1)))


# --- the straight way -------------------------------------------------------------------------------------------------


def test_it_is_looked_for_written_told_and_closed(bench: CloudBench) -> None:
    report = run(bench)
    assert (report.pushed, report.marked, report.errors) == (1, 1, ())
    assert bench.cloud.calls == ["find N-b-1", "write N-b-1"]
    assert bench.cloud.objects["c-2"] == {
        "amount": "100.00", "date": "2026-02-27", "number": "N-b-1", "vendor": "c-1",
    }  # fmt: skip
    assert bytes(operation(bench)["body"]) == (
        b'{"amount":"100.00","date":"2026-02-27","number":"N-b-1","vendor":"c-1"}'
    )
    assert lines(bench) == [
        ("read", "", "intended", {}),
        ("sent", "intended", "sent", {}),
        ("posted", "sent", "posted", {"receipt": {"id": "c-2"}}),
        ("closed", "posted", "closed", {"why": "BILL acknowledged"}),
    ]
    assert [(c.posted[0].id, c.posted[0].reference) for c in bench.shop.calls] == [("b-1", "c-2")]
    assert bench.cloud.closed == 2
    assert errors(bench) == []
    assert bench.cloud.calls == ["find N-b-1", "write N-b-1"]


def test_the_sent_line_names_the_frozen_bytes_and_the_lease(bench: CloudBench) -> None:
    run(bench)
    with bench.world.store.read() as tx:
        (sent,) = [x for x in journal.of_record(tx, bench.record("b-1")["id"]) if x["event"] == "sent"]
        lease = tx.one("lease_get", {"name": f"push:{COMPANY}/cloud"}) or {}
    row = operation(bench)
    assert json.loads(sent["detail"]) == {"operation": row["id"], "sha256": row["sha256"], "fence": lease["fence"]}
    assert lease["until_at"] == ""


def test_what_waits_for_a_written_record_follows_in_the_same_run() -> None:
    with cloud_bench(vendors=False) as bench:
        bench.shop.listed["bills"] = [bill()]
        assert run(bench).pushed == 2
        assert bench.cloud.calls == ["find Grün & Söhne", "write Grün & Söhne", "find N-b-1", "write N-b-1"]
        assert bench.cloud.objects["c-2"]["vendor"] == "c-1"
        assert bench.states() == {"b-1": "closed"}


PROVIDING = """
flow: shop_to_cloud
version: 1
connections:
  shop: {connector: shop}
  cloud: {connector: cloud}
lookups:
  vendor: {target: cloud.vendors, match: [mapped]}
streams:
  vendors:
    trigger: {every: 6h}
    fetch: {from: shop, stream: vendors}
    key: id
    about: {party: name}
    map: {name: name}
    write: {to: cloud, request: VendorCreate}
    provide: {lookup: vendor, key: id}
  bills:
    after: [vendors]
    trigger: {every: 1h}
    fetch: {from: shop, stream: bills, with: {ready: true}}
    key: id
    map: {vendor: "lookup('vendor', vendor.id, vendor.name).list_id", number: number, amount: money(amount)}
    write: {to: cloud, request: BillCreate}
"""


def test_what_was_created_answers_later_lookups() -> None:
    with cloud_bench(PROVIDING) as bench:
        bench.shop.listed["vendors"] = [kit.vendor("v-1", "Acme"), kit.vendor("v-2", "ACME"), kit.vendor("v-3", "Acme")]
        bench.shop.listed["bills"] = [bill("b-1"), bill("b-2", vendor={"id": "v-3", "name": "Acme"})]
        assert run(bench).errors == ()
        # Two of the source that have one name are not known to be one: nobody is paid in the place of the other.
        assert bench.states("vendors") == {"v-1": "closed", "v-2": "closed", "v-3": "deferred"}
        assert bench.states() == {"b-1": "closed", "b-2": "deferred"}
        assert bench.titles() == ["ACME", "Acme", "N-b-1"]
        assert [item["vendor"] for item in bench.cloud.objects.values() if "number" in item] == ["c-1"]
        with bench.outbox.transaction() as desk:
            assert desk.books.due(COMPANY) == ()


def test_what_is_there_already_is_taken_over(bench: CloudBench) -> None:
    bench.cloud.objects["theirs"] = {"number": "N-b-1"}
    assert run(bench).pushed == 1
    assert bench.cloud.calls == ["find N-b-1"]
    assert lines(bench)[1] == ("posted", "intended", "posted", {"found": True, "receipt": {"id": "theirs"}})
    assert [c.posted[0].reference for c in bench.shop.calls] == ["theirs"]


def test_a_restored_store_finds_what_its_later_life_wrote(bench: CloudBench) -> None:
    image = stores.image(bench.world.store)
    run(bench)
    bench.world.store.close()
    bench.world = replace(bench.world, store=stores.like(image))
    bench.cloud.calls.clear()
    assert bench.states() == {}
    run(bench)
    assert bench.cloud.calls == ["find N-b-1"]
    assert bench.titles() == ["Grün & Söhne", "N-b-1"]


def test_a_value_that_is_not_of_its_type_fails_the_record(bench: CloudBench) -> None:
    bench.shop.listed["bills"] = [bill(number=7)]
    run(bench)
    assert bench.reasons("b-1") == [("render", "BillCreate: `number` is not a text")]
    assert bench.cloud.calls == []


# --- lost answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["after", BadAnswer("no JSON")])
def test_a_lost_answer_is_looked_for(bench: CloudBench, fault: Any) -> None:
    bench.cloud.faults[1] = fault
    assert len(errors(bench)) == 1
    assert bench.states() == {"b-1": "unknown"}
    if fault != "after":
        bench.cloud.objects["c-2"] = {"number": "N-b-1"}
    assert errors(bench) == []
    assert bench.cloud.calls == ["find N-b-1", "write N-b-1", "find N-b-1"]
    assert [line[:3] for line in lines(bench)[2:]] == [
        ("in_doubt", "sent", "unknown"),
        ("posted", "unknown", "posted"),
        ("closed", "posted", "closed"),
    ]
    assert lines(bench)[3][3]["found"] is True


def test_nothing_is_written_again_before_it_has_settled(bench: CloudBench) -> None:
    bench.cloud.faults[1] = "before"
    run(bench)
    bench.passed(59)
    run(bench)
    assert bench.cloud.calls[2:] == ["find N-b-1"]
    assert bench.states() == {"b-1": "unknown"}
    bench.passed(2)
    run(bench)
    assert bench.cloud.calls[3:] == ["find N-b-1", "write N-b-1"]
    assert bench.states() == {"b-1": "closed"}
    assert bench.titles() == ["Grün & Söhne", "N-b-1"]


def test_what_shows_up_late_is_taken_over(bench: CloudBench) -> None:
    bench.cloud.faults[1] = "late"
    run(bench)
    run(bench)
    bench.passed(31)
    run(bench)
    bench.passed(3600)
    run(bench)
    assert bench.titles() == ["Grün & Söhne", "N-b-1"]
    assert sum(call.startswith("write") for call in bench.cloud.calls) == 1


def test_a_connection_says_how_long_settling_takes(bench: CloudBench) -> None:
    with bench.world.store.write() as tx:
        companies.put_connection(tx, COMPANY, "cloud", "cloud", {"settle_s": 5}, AT)
    bench.cloud.faults[1] = "before"
    run(bench)
    bench.passed(6)
    run(bench)
    assert bench.states() == {"b-1": "closed"}


def test_a_settling_time_of_a_clock_that_was_ahead_is_begun_anew(bench: CloudBench) -> None:
    bench.cloud.faults[1] = "before"
    run(bench)
    with bench.world.store.write() as tx:
        outbox.put(tx, operation(bench)["id"], "sent", not_before="2027-01-01T00:00:00.000000Z")
    run(bench)
    assert bench.cloud.calls[2:] == ["find N-b-1"]
    bench.passed(61)
    run(bench)
    assert bench.states() == {"b-1": "closed"}


def test_a_receipt_without_an_id_is_no_answer(bench: CloudBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(bench.cloud), "write", lambda *_: Receipt({"name": "x", "id": ""}))
    assert errors(bench) == ["the target's answer names no id"]
    assert bench.states() == {"b-1": "unknown"}


def test_after_five_lost_writes_a_person_decides(bench: CloudBench) -> None:
    bench.cloud.faults.update(dict.fromkeys(range(40), "before"))
    for _ in range(8):
        run(bench)
        bench.passed(61)
    assert sum(call.startswith("write") for call in bench.cloud.calls) == 5
    assert bench.states() == {"b-1": "unknown"}
    assert operation(bench)["state"] == "held"
    with bench.world.store.read() as tx:
        (alert,) = work.alerts(tx, COMPANY)
    assert (alert["kind"], alert["subject"]) == ("unknown", f"{NAME}/bills/b-1")
    assert alert["message"] == (
        f"{NAME}/bills/N-b-1: it was written 5 times without an answer, and was not found there"
    )
    assert alert["hint"] == (
        "look in the target; when it is there, run `flowctl retry b-1 --there ID-THERE --company acme`, "
        "else `flowctl retry b-1 --not-there --company acme`"
    )
    bench.cloud.faults.clear()
    with bench.world.store.write() as tx:
        worklist.declare(tx, HAND, bench.record("b-1"), "c-77", "seen there")
    run(bench)
    assert bench.states() == {"b-1": "closed"}
    assert [c.posted[0].reference for c in bench.shop.calls] == ["c-77"]


def test_what_was_refused_since_it_is_there_can_be_named(bench: CloudBench) -> None:
    bench.cloud.faults[1] = Rejected("the number is taken", code="N")
    run(bench)
    assert bench.states() == {"b-1": "failed"}
    with bench.world.store.write() as tx:
        assert [row["source_id"] for row in worklist.named(tx, [bench.record("b-1")])] == ["b-1"]
        with pytest.raises(worklist.NotHeld):
            worklist.declare(tx, HAND, bench.record("b-1"), None, "it is not there")
        worklist.declare(tx, HAND, bench.record("b-1"), "c-77", "entered by hand")
        assert worklist.named(tx, [bench.record("b-1")]) == []
    run(bench)
    assert bench.states() == {"b-1": "closed"}
    assert (bench.alerts(), [c.posted[0].reference for c in bench.shop.calls if c.posted]) == ([], ["c-77"])


def test_what_cannot_be_asked_for_stays_unknown_and_is_told(bench: CloudBench) -> None:
    bench.cloud.faults.update({1: "after", 2: BadAnswer("no JSON"), 3: Rejected("no such search")})
    run(bench)
    assert errors(bench) == ["no JSON"]
    assert errors(bench) == ["no such search"]
    assert bench.states() == {"b-1": "unknown"}
    assert [alert for alert in bench.alerts() if alert[0] == "unknown"] == [("unknown", f"{NAME}/bills/b-1", 2)]
    run(bench)
    assert bench.states() == {"b-1": "closed"}
    assert bench.alerts() == []


def test_a_settled_doubt_is_not_asked_for_by_every_tick(bench: CloudBench) -> None:
    bench.cloud.faults[1] = "before"
    run(bench)
    service = Service(bench.world, {NAME: bench.program})
    nothing_due(bench)
    for _ in range(5):
        service.tick()
        bench.passed(1)
    assert len(bench.cloud.calls) == 2
    bench.passed(60)
    (report,) = service.tick()
    assert report.pushed == 1
    assert bench.cloud.calls[2:] == ["find N-b-1", "write N-b-1"]


def test_a_run_counts_what_was_refused_and_what_nobody_knows(bench: CloudBench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2"), bill("b-3")]
    bench.cloud.faults.update({1: Rejected("the date is closed"), 3: Ambiguous("no answer came")})
    report = run(bench)
    assert (report.pushed, report.refused, report.unknown) == (1, 1, 1)
    assert bench.states() == {"b-1": "failed", "b-2": "unknown", "b-3": "closed"}
    assert _summary(report) == (
        "shop_to_cloud: 5 read, 3 prepared, 0 deferred, 0 failed, 0 skipped, 1 written, 1 refused, 1 unknown, "
        "1 marked synced"
    )
    # A refusal is told once; what is not known stays so until it is found, or written anew.
    later = run(bench)
    assert (later.pushed, later.refused, later.unknown) == (0, 0, 1)
    bench.passed(3600)
    last = run(bench)
    assert (last.pushed, last.refused, last.unknown) == (1, 0, 0)


# --- refusals and faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1])
def test_a_refusal_fails_the_record_and_tells_the_source(bench: CloudBench, index: int) -> None:
    bench.cloud.faults[index] = Rejected("the date is closed", code="E7", hint="open the period")
    run(bench)
    assert bench.states() == {"b-1": "failed"}
    assert bench.reasons("b-1") == [("E7", "the date is closed")]
    assert ("failed", f"{NAME}/bills/b-1", 1) in bench.alerts()
    run(bench)
    assert [c.failed[0].message for c in bench.shop.calls] == ["The date is closed. Open the period"]


@pytest.mark.parametrize("index", [0, 1])
def test_a_passing_fault_is_waited_out(bench: CloudBench, index: int) -> None:
    bench.cloud.faults[index] = Transient("502")
    assert errors(bench) == ["502"]
    assert (bench.states(), bench.reasons("b-1")) == ({"b-1": "intended"}, [("retry", "502")])
    calls = len(bench.cloud.calls)
    bench.passed(29)
    run(bench)
    assert len(bench.cloud.calls) == calls
    bench.passed(2)
    assert errors(bench) == []
    assert bench.states() == {"b-1": "closed"}
    assert bench.record("b-1")["attempts"] == 1


def test_one_bad_record_keeps_no_other(bench: CloudBench) -> None:
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(1, 8)]
    bench.cloud.faults[0] = Transient("500")
    run(bench)
    assert bench.states() == {"b-1": "intended"} | {f"b-{n}": "closed" for n in range(2, 8)}
    for _ in range(12):
        bench.passed(4000)
        bench.cloud.faults[len(bench.cloud.calls)] = Transient("500")
        run(bench)
    assert bench.states()["b-1"] == "failed"
    assert bench.reasons("b-1") == [("gave_up", "500 (tried 12 times)")]


def test_a_connection_that_fails_again_and_again_is_left_alone(bench: CloudBench) -> None:
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(1, 8)]
    bench.cloud.faults.update({number: Transient("502") for number in range(3)})
    assert errors(bench) == ["502", "502", "502"]
    assert len(bench.cloud.calls) == 3
    assert bench.alerts() == [("connection", f"{NAME}/cloud/write", 1)]
    ticking = Service(bench.world, {NAME: bench.program})
    nothing_due(bench)
    ticking.tick()
    assert len(bench.cloud.calls) == 3
    bench.passed(31)
    ticking.tick()
    assert set(bench.states().values()) == {"closed"}
    assert bench.alerts() == []


def test_being_asked_to_slow_down_is_heeded_and_no_alert(bench: CloudBench) -> None:
    bench.cloud.faults[1] = RateLimited("slow down", retry_after_s=600)
    assert errors(bench) == ["slow down"]
    assert (bench.states(), bench.alerts()) == ({"b-1": "intended"}, [])
    bench.passed(599)
    run(bench)
    assert len(bench.cloud.calls) == 2
    bench.passed(2)
    run(bench)
    assert bench.states() == {"b-1": "closed"}
    assert bench.record("b-1")["attempts"] == 0


def test_being_asked_to_slow_down_again_and_again_is_told(bench: CloudBench) -> None:
    bench.cloud.faults.update({number: RateLimited("slow down", retry_after_s=1) for number in range(5)})
    for _ in range(5):
        run(bench)
        bench.passed(3601)
    assert bench.alerts() == [("connection", f"{NAME}/cloud/write", 1)]


@pytest.mark.parametrize("error", [AuthRefused("the key was refused"), AuthExpired("signed out")])
@pytest.mark.parametrize("index", [0, 1])
def test_credentials_that_are_refused_are_told_and_no_record_suffers(
    bench: CloudBench, error: Exception, index: int
) -> None:
    bench.cloud.faults.update(dict.fromkeys(range(index, 30), error))
    for _ in range(20):
        assert errors(bench) == [str(error)]
        bench.passed(4000)
    assert bench.states() == {"b-1": "intended"}
    with bench.world.store.read() as tx:
        (alert,) = work.alerts(tx, COMPANY)
    hint = "check the credentials" if isinstance(error, AuthRefused) else "it is tried again by itself"
    assert (alert["message"], alert["hint"]) == (f"{NAME}/cloud: {error}", hint)
    bench.cloud.faults.clear()
    assert errors(bench) == []
    assert (bench.states(), bench.alerts()) == ({"b-1": "closed"}, [])


def test_a_connection_that_is_made_anew_is_tried_at_once(bench: CloudBench) -> None:
    bench.cloud.faults[0] = AuthRefused("the key was refused")
    run(bench)
    nothing_due(bench)
    ticking = Service(bench.world, {NAME: bench.program})
    assert ticking.tick() == []
    connect(bench.world, COMPANY, "cloud", "cloud", {}, {})
    (report,) = ticking.tick()
    assert (report.pushed, bench.states(), bench.alerts()) == (1, {"b-1": "closed"}, [])


def test_a_connection_that_was_never_made_is_told(bench: CloudBench) -> None:
    with bench.world.store.write() as tx:
        tx.run("connection_put", {
            "company": COMPANY, "connection": "cloud", "connector": "gone", "settings": "{}", "at": AT,
        })  # fmt: skip
    assert errors(bench) == ["there is no connector `gone`"]
    assert bench.alerts() == [("connection", f"{NAME}/cloud/write", 1)]
    assert bench.states() == {"b-1": "intended"}


def test_bytes_that_changed_are_never_sent(bench: CloudBench) -> None:
    bench.cloud.faults[0] = Transient("502")
    run(bench)
    stores.set_bytes(bench.world.store, "operations", "body", b"{}")
    bench.passed(31)
    with pytest.raises(Bug, match="does not have the bytes it was frozen with"):
        run(bench)


# --- one object, one record -------------------------------------------------------------------------------------------


def test_one_object_there_never_stands_for_two_records(bench: CloudBench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2", number="N-b-1")]
    run(bench)
    assert bench.states() == {"b-1": "closed", "b-2": "unknown"}
    assert bench.reasons("b-2") == [("taken", f"c-2 is {NAME}/bills/N-b-1 already, and cannot be this record too")]
    with bench.world.store.write() as tx:
        with pytest.raises(worklist.Taken):
            worklist.declare(tx, HAND, bench.record("b-2"), "c-2", "")
        worklist.declare(tx, HAND, bench.record("b-2"), None, "two invoices of one number")
    run(bench)
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}
    assert bench.titles() == ["Grün & Söhne", "N-b-1", "N-b-1"]


def test_what_was_withdrawn_while_it_was_looked_for_is_not_written(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = type(bench.cloud).find

    def find(cloud: Any, operation: Any) -> Receipt | None:
        receipt = found(cloud, operation)
        with bench.world.store.write() as tx:
            outbox.put(tx, operation.id, "cancelled")
            row = bench.record("b-1")
            records.move(tx, COMPANY, AT, "test", [records.Move(row, "pending", "changed")])
        return receipt

    monkeypatch.setattr(type(bench.cloud), "find", find)
    push.push(bench.world, bench.program, COMPANY)
    bench.runner.run(bench.program, COMPANY, streams=("bills",))
    assert "write N-b-1" not in bench.cloud.calls


# --- two ways out, kept apart ------------------------------------------------------------------------------------------


def test_the_agent_never_sees_what_is_for_a_called_target() -> None:
    with kit.bench() as both:
        pass
    with cloud_bench() as bench:
        bench.shop.listed["bills"] = [bill()]
        bench.cloud.faults.update({number: Transient("502") for number in range(9)})
        run(bench)
        bench.passed(3600)
        with bench.outbox.transaction() as desk:
            assert desk.operations.next(COMPANY, 10) == ()
            assert desk.operations.backlog(COMPANY) == 0
            assert desk.unsent.kinds(COMPANY) == ()
            assert desk.holdings.check_due(COMPANY) is False
    assert both.program.called == ()


def test_the_agent_prepares_nothing_for_a_called_target() -> None:
    with cloud_bench(lists=False) as bench:
        bench.shop.listed["bills"] = [bill()]
        run(bench)
        assert bench.states() == {"b-1": "pending"}
        bench.read_lists(VENDORS)
        with bench.outbox.transaction() as desk:
            assert desk.operations.refill(COMPANY) == 0
        assert bench.states() == {"b-1": "pending"}
        run(bench)
        assert bench.states() == {"b-1": "closed"}


def test_what_was_written_there_is_no_holding(bench: CloudBench) -> None:
    run(bench)
    assert kit.count(bench.world.store, "holdings") == 0
    assert kit.count(bench.world.store, "pushed") == 2
    with bench.world.store.read() as tx:
        assert worklist.vanished(tx, COMPANY) == []


def test_a_polled_operation_is_never_written_to_a_called_target() -> None:
    text = (
        FLOW
        + """
  posted:
    trigger: {every: 1h}
    fetch: {from: shop, stream: vendors}
    key: id
    map: {name: name}
    write: {to: books, request: NotePost}
"""
    )
    with cloud_bench(text) as bench:
        bench.shop.listed["vendors"] = [kit.vendor()]
        run(bench)
        assert bench.cloud.calls == []
        assert bench.states("posted") == {"v-9": "intended"}
        made = bench.send()
        assert made is not None
        assert [op.request for op in made.operations] == ["NotePost"]


# --- what keeps a connection from working, and its end -----------------------------------------------------------------


def test_a_secret_that_does_not_open_keeps_nothing_else(bench: CloudBench) -> None:
    with bench.world.store.write() as tx:
        companies.put_secret(tx, bench.world.vault, COMPANY, "cloud", "key", "x", AT)
        scope = {"company": COMPANY, "connection": "cloud", "field": "key"}
        tx.run("credential_put", {**scope, "key_id": "k", "sealed": b"broken", "at": AT})
    bench.shop.listed["bills"] = [bill(), bill("b-2", amount="0.00")]
    report = run(bench)
    assert [type(error).__name__ for error in report.push_errors] == ["SealBroken"]
    assert [mark.id for call in bench.shop.calls for mark in call.failed] == ["b-2"]
    assert bench.states()["b-1"] == "intended"
    assert ("connection", f"{NAME}/cloud/write") in [alert[:2] for alert in bench.alerts()]


def test_an_alert_of_a_connection_ends_when_nothing_is_left_to_be_written(bench: CloudBench) -> None:
    bench.cloud.faults = {0: AuthRefused("no")}
    run(bench)
    assert [alert[0] for alert in bench.alerts()] == ["connection"]
    bench.shop.listed["bills"] = []
    run(bench)
    run(bench)
    assert bench.states() == {"b-1": "skipped"}
    assert bench.alerts() == []


class NotRight:
    """A cloud that keeps what it is given otherwise, and says so until a person has corrected it."""

    def __init__(self, bench: CloudBench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_right = False
        self.wrote: list[str] = []
        write, find = type(bench.cloud).write, type(bench.cloud).find

        def write_other(cloud: Cloud, operation: Operation) -> Receipt:
            made = write(cloud, operation)
            self.wrote.append(operation.id)
            raise NotAsSent(f"{made.ids['id']} shows another amount", hint="look at it")

        def find_other(cloud: Cloud, operation: Operation) -> Receipt | None:
            found = find(cloud, operation)
            if found is not None and not self.is_right and operation.id in self.wrote:
                raise NotAsSent(f"{found.ids['id']} shows another amount", hint="look at it")
            return found

        monkeypatch.setattr(type(bench.cloud), "write", write_other)
        monkeypatch.setattr(type(bench.cloud), "find", find_other)


def test_what_is_not_there_as_it_was_sent_is_told_until_it_is_right_also_when_its_source_is_deleted(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.shop.listed["bills"] = [bill(), bill("b-2", number="N-b-2")]
    cloud = NotRight(bench, monkeypatch)
    assert errors(bench) == ["c-2 shows another amount"]
    assert (bench.states(), len(cloud.wrote)) == ({"b-1": "unknown", "b-2": "intended"}, 1)
    bench.shop.listed["bills"] = [bill("b-2", number="N-b-2")]
    for _ in range(10):
        bench.passed(4000)
        assert errors(bench) == ["c-2 shows another amount"]
        assert [alert[:2] for alert in bench.alerts()] == [("connection", f"{NAME}/cloud/write")]
    # Nothing else was written meanwhile, and nothing a second time.
    assert (bench.states(), len(cloud.wrote)) == ({"b-1": "unknown", "b-2": "intended"}, 1)
    with bench.world.store.read() as tx:
        (alert,) = work.alerts(tx, COMPANY)
    assert (alert["message"], alert["hint"]) == (f"{NAME}/cloud: c-2 shows another amount", "look at it")
    cloud.is_right = True
    monkeypatch.undo()
    bench.passed(4000)
    assert errors(bench) == []
    assert (bench.states(), bench.alerts()) == ({"b-1": "closed", "b-2": "closed"}, [])


def test_a_schedule_writes_nothing_more_before_what_is_not_as_sent_is_looked_at(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.shop.listed["bills"] = [bill(), bill("b-2", number="N-b-2")]
    cloud = NotRight(bench, monkeypatch)
    run(bench)
    for _ in range(60):
        bench.passed(10)
        push.push(bench.world, bench.program, COMPANY, eager=False)
    assert len(cloud.wrote) == 1


def test_an_alert_that_nothing_could_be_asked_ends_when_something_was(bench: CloudBench) -> None:
    bench.cloud.faults = {1: "before", 2: AuthRefused("no")}
    run(bench)
    run(bench)
    subjects = [alert[:2] for alert in bench.alerts()]
    assert ("connection", f"{NAME}/cloud/write") in subjects
    run(bench)
    assert bench.states() == {"b-1": "unknown"}
    assert ("connection", f"{NAME}/cloud/write") not in [alert[:2] for alert in bench.alerts()]


def test_an_alert_that_nothing_may_be_written_outlasts_what_was_asked(bench: CloudBench) -> None:
    bench.cloud.faults = {1: AuthRefused("no"), 3: Ambiguous("no answer came")}
    run(bench)
    told = [alert for alert in bench.alerts() if alert[0] == "connection"]
    run(bench)
    assert bench.cloud.calls[2:] == ["find N-b-1", "write N-b-1"]
    assert [alert for alert in bench.alerts() if alert[0] == "connection"] == told
    assert told


# --- one process at a time --------------------------------------------------------------------------------------------


def test_a_connection_at_which_another_process_sends_is_left_to_it(bench: CloudBench) -> None:
    name = f"push:{COMPANY}/cloud"
    with bench.world.store.write() as tx:
        work.take_lease(tx, name, "elsewhere:1:x", bench.world.clock.now(), 300)
    assert errors(bench) == []
    assert bench.cloud.calls == []
    bench.passed(301)
    run(bench)
    assert bench.states() == {"b-1": "closed"}


def test_who_has_lost_the_lease_writes_nothing(bench: CloudBench, monkeypatch: pytest.MonkeyPatch) -> None:
    found = type(bench.cloud).find
    other = take_name(bench.world.ids)

    def slow(cloud: Any, operation: Any) -> Receipt | None:
        bench.passed(LEASE_S + 1)
        with bench.world.store.write() as tx:
            work.take_lease(tx, f"push:{COMPANY}/cloud", other, bench.world.clock.now(), 300)
        return found(cloud, operation)

    monkeypatch.setattr(type(bench.cloud), "find", slow)
    assert errors(bench) == [f"{COMPANY}/cloud: another process is writing"]
    assert bench.cloud.calls == ["find N-b-1"]
    assert bench.states() == {"b-1": "intended"}


@pytest.mark.parametrize("seconds", [301, WRITE_S])
def test_a_call_that_waits_before_it_is_sent_is_not_written_twice(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """The waits for the token's lock, for the limits and for the answer add up to more than any of them."""
    wrote, slow = type(bench.cloud).write, [True]

    def write(cloud: Any, operation: Any) -> Receipt:
        if slow:
            slow.clear()
            bench.passed(seconds)
            assert push.push(bench.world, bench.program, COMPANY) == push.PushReport()  # another process
        return wrote(cloud, operation)

    monkeypatch.setattr(type(bench.cloud), "write", write)
    run(bench)
    assert bench.titles().count("N-b-1") == 1
    assert bench.states() == {"b-1": "closed"}


def test_a_lease_outlasts_all_the_waits_of_a_write() -> None:
    call_s = limits.PATIENCE_S + limits.PLACE_S
    sign_in_s = TOKEN_WAIT_S + limits.PATIENCE_S + call_s
    assert 2 * (sign_in_s + call_s) + TOKEN_WAIT_S < LEASE_S
    (total_s,) = (field.default for field in fields(Api) if field.name == "total_timeout_s")
    assert isinstance(total_s, float)
    assert total_s < limits.PLACE_S


def test_settling_counts_from_the_end_of_the_call(bench: CloudBench, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote, slow = type(bench.cloud).write, [True]

    def write(cloud: Any, operation: Any) -> Receipt:
        if slow:
            slow.clear()
            bench.passed(400)
            raise Ambiguous("no answer came")
        return wrote(cloud, operation)

    monkeypatch.setattr(type(bench.cloud), "write", write)
    run(bench)
    bench.passed(59)
    run(bench)
    assert bench.states() == {"b-1": "unknown"}
    bench.passed(2)
    run(bench)
    assert bench.states() == {"b-1": "closed"}


def test_settling_counts_from_when_a_dead_process_is_known_to_be_dead(bench: CloudBench) -> None:
    """It may have sent it as its last deed, long after it had said that it would."""
    bench.cloud.dies = (1, "before")
    with pytest.raises(Crash):
        run(bench)
    bench.cloud.dies = None
    bench.passed(400)
    for seconds, calls in ((0, ["find"]), (59, ["find"]), (2, ["find", "write"])):
        bench.passed(seconds)
        before = len(bench.cloud.calls)
        run(bench)
        assert [call.split()[0] for call in bench.cloud.calls[before:]] == calls
    assert bench.titles().count("N-b-1") == 1


def test_a_write_that_a_slow_store_held_up_is_not_begun(bench: CloudBench, monkeypatch: pytest.MonkeyPatch) -> None:
    put, slow = outbox.put_all, [True]

    def held_up(tx: Any, operations: Any, state: str, **more: Any) -> None:
        put(tx, operations, state, **more)
        if slow and state == "sent":
            slow.clear()
            bench.passed(61)

    monkeypatch.setattr(outbox, "put_all", held_up)
    assert errors(bench) == [f"{COMPANY}/cloud: the store took too long; nothing was written"]
    assert bench.cloud.calls == ["find N-b-1"]
    assert bench.states() == {"b-1": "intended"}
    run(bench)
    assert bench.states() == {"b-1": "closed"}


def test_an_answer_that_comes_after_another_process_found_out_changes_nothing(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote = type(bench.cloud).write

    def slow(cloud: Any, operation: Any) -> Receipt:
        receipt = wrote(cloud, operation)
        bench.passed(LEASE_S + 1)
        assert Runner(bench.world).push(bench.program, COMPANY).posted == 1
        return receipt

    monkeypatch.setattr(type(bench.cloud), "write", slow)
    report = run(bench)
    assert (report.pushed, report.errors) == (0, ())
    assert bench.states() == {"b-1": "closed"}
    assert [line[0] for line in lines(bench)] == ["read", "sent", "in_doubt", "posted", "closed"]


def test_a_tick_writes_so_many_at_once_and_comes_again(bench: CloudBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.durable.tasks.PUSH_AT_ONCE", 2)
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(1, 6)]
    ticking = Service(bench.world, {NAME: bench.program})
    counts = [sum(report.pushed for report in ticking.tick()) for _ in range(4)]
    assert counts == [2, 2, 1, 0]
    assert len(bench.cloud.objects) == 6


# --- what the source has is not created there ----------------------------------------------------------------------------

BOTH = """
flow: shop_to_cloud
version: 1
connections:
  shop: {connector: shop}
  books: {connector: ledger}
  cloud: {connector: cloud}
lookups:
  vendor: {target: books.Vendor, match: [mapped, exact_name]}
streams:
  vendors:
    trigger: {every: 1h}
    fetch: {from: shop, stream: vendors}
    key: id
    about: {party: name}
    adopt: find('vendor', id, name)
    map: {name: "limit(name, `41`)", company: "limit(name, `41`)", country: country}
    write: {to: books, request: VendorAdd, template: vendor_add.xml.j2}
    provide: {lookup: vendor, key: id}
  theirs:
    after: [vendors]
    trigger: {every: 1h}
    fetch: {from: books, stream: Vendor}
    key: list_id
    about: {party: full_name}
    select:
      - {only: active, say: inactive}
      - {only: "!linked('vendor', list_id)", say: the shop has the vendor, for: first}
    map: {name: full_name}
    write: {to: cloud, request: VendorCreate}
"""


def test_what_the_source_has_is_not_created_there_once_more() -> None:
    """The cloud and the shop may be one: what was read first of the shop, and waits, is linked before a list is read."""
    with cloud_bench(BOTH, lists=False) as bench:
        bench.shop.listed["vendors"] = [kit.vendor("v-1", "ACME Supply")]
        run(bench)
        assert bench.states("vendors") == {"v-1": "pending"}
        bench.read_lists((ListObject("V-1", "Acme Supply"), ListObject("V-2", "Bolts")))
        # Reading the list made one stream due, and the worker wakes before anything else has prepared what waits.
        with kit.logging():
            Service(bench.world, {NAME: bench.program}).tick()
        assert bench.states("vendors") == {"v-1": "skipped"}
        assert bench.titles() == ["Bolts"]


@pytest.mark.parametrize("error", [Transient("busy"), Ambiguous("two of that number"), Rejected("no such number")])
def test_an_answer_that_comes_after_another_process_took_over_moves_nothing(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch, error: RunError
) -> None:
    """This process stood still while it asked, longer than its right to send lasts."""
    bench.cloud.faults[1] = "after"
    run(bench)
    assert bench.states() == {"b-1": "unknown"}
    find = Cloud.find

    def late(self: Cloud, asked: Operation) -> Receipt | None:
        monkeypatch.setattr(Cloud, "find", find)
        bench.passed(LEASE_S + 1)
        push.push(bench.world, bench.program, COMPANY)
        raise error

    monkeypatch.setattr(Cloud, "find", late)
    push.push(bench.world, bench.program, COMPANY)
    assert (bench.states(), operation(bench)["state"]) == ({"b-1": "posted"}, "done")
    assert [kind for kind, _, _ in bench.alerts()] == []
    run(bench)
    assert bench.states() == {"b-1": "closed"}
