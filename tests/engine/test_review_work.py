"""What two processes, a webhook at the wrong moment, or a second target could spoil: each was found in review."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from engine.clock import iso
from engine.connections import connecting
from engine.connections.connecting import SettingWrong
from engine.contract import ListObject, MarkCall, OperationOutcome
from engine.errors import Rejected, Transient
from engine.holders import drop_name, take_name
from engine.opened import Sources
from engine.runner import Runner
from engine.server import Server
from engine.service import CLAIM_S, Service
from engine.store import companies, journal, marks, outbox, records, work
from engine.store.records import Intake, NewRecord, Place
from engine.telling import Telling, acknowledged, refused
from tests import stores
from tests.engine import kit
from tests.engine.kit import ACCOUNTS, AT, COMPANY, FLOW, Bench, bill, vendor
from tests.engine.store.rows import calls_due


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made, kit.logging():
        made.shop.listed["bills"] = [bill()]
        yield made


def due_calls(bench: Bench) -> list[MarkCall]:
    with bench.world.store.write() as tx:
        marks.group(tx, COMPANY, FLOW, AT, limit=500)
        return [marks.call_of(tx, row) for row in calls_due(tx, COMPANY, FLOW, bench.world.at())]


# --- marks


def who_tells(bench: Bench) -> Telling:
    """One of several processes that tell the source."""
    sources = Sources(bench.world, COMPANY, bench.program.flow, lambda _place: None)
    return Telling(bench.world, bench.program, COMPANY, "flowctl", sources, lambda *_: None)


def test_two_processes_are_refused_the_same_call(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    bench.run()
    bench.post_all()
    due_calls(bench)
    with bench.world.store.read() as tx:
        (row,) = calls_due(tx, COMPANY, FLOW, bench.world.at())
    one, other = who_tells(bench), who_tells(bench)
    assert refused(one, row, Rejected("400")) == []  # split: each is told alone
    assert refused(other, row, Rejected("400")) == []
    assert [len(call.posted) for call in due_calls(bench)] == [1, 1]


def test_a_late_refusal_does_not_undo_an_acknowledgement(bench: Bench) -> None:
    bench.run()
    bench.post_all()
    due_calls(bench)
    with bench.world.store.read() as tx:
        (row,) = calls_due(tx, COMPANY, FLOW, bench.world.at())
    assert acknowledged(who_tells(bench), row) == 1
    assert refused(who_tells(bench), row, Rejected("synced already")) == []
    assert bench.states() == {"b-1": "closed"}
    assert bench.alerts() == []


def test_what_two_streams_say_of_one_record_and_the_source_refuses_is_told(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    bench.run("bills")
    with bench.world.store.write() as tx:
        for source_id in ("b-1", "b-2"):
            number = bench.record(source_id)["id"]
            marks.add(tx, COMPANY, marks.NewMark(FLOW, "shop", "BILL", number, "b-1", "failed", "no such vendor"))
    bench.shop.mark_faults = [Rejected("no such object")]
    bench.runner.tell(bench.program, COMPANY)
    assert bench.alerts() == [("mark", f"{FLOW}/BILL/b-1", 1)]
    bench.world.clock.sleep(5400)
    bench.runner.tell(bench.program, COMPANY)
    assert len(bench.shop.calls) == 1


def test_a_refused_mark_is_told_again_when_the_source_changed(bench: Bench) -> None:
    bench.run()
    bench.post_all()
    bench.shop.mark_faults = [Rejected("not approved")]
    bench.runner.tell(bench.program, COMPANY)
    assert (bench.states(), bench.alerts()) == ({"b-1": "posted"}, [("mark", f"{FLOW}/BILL/b-1", 1)])
    bench.run()
    assert len(bench.shop.calls) == 1  # nothing has changed, so nothing is said again
    bench.shop.listed["bills"] = [bill(status="approved")]
    bench.run()
    assert (bench.states(), bench.alerts()) == ({"b-1": "closed"}, [])
    first, second = bench.shop.calls
    assert first == second


def test_a_refusal_before_anything_was_said_refuses_no_mark(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run()
    bench.post_all()
    bench.shop.mark_faults = [Transient("503")]
    bench.runner.tell(bench.program, COMPANY)
    heard = bench.shop.calls[0]
    bench.world.clock.sleep(3600)
    with monkeypatch.context() as patched:
        patched.setattr(Sources, "__call__", raiser(Rejected("the account is closed")))
        assert [str(error) for error in bench.runner.tell(bench.program, COMPANY)[1]] == ["the account is closed"]
    with bench.world.store.read() as tx:
        (row,) = tx.rows("mark_calls_open", {"company": COMPANY, "flow": FLOW})
    assert (row["attempts"], row["idempotency_key"]) == (1, heard.idempotency_key)
    bench.world.clock.sleep(7200)
    assert bench.runner.tell(bench.program, COMPANY) == (1, [])
    assert bench.shop.calls == [heard, heard]


def raiser(error: Exception) -> Any:
    def fail(*_given: object) -> object:
        raise error

    return fail


class Killed(BaseException):
    """The process is gone."""


def test_a_call_that_was_heard_is_told_again_under_its_key_whatever_has_become_of_its_records(bench: Bench) -> None:
    bench.shop.page_size = 9
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    bench.run("bills")
    bench.post_all()
    bench.shop.mark_faults = [Killed()]
    with pytest.raises(Killed):
        bench.runner.tell(bench.program, COMPANY)
    gone = bench.record("b-1")
    with bench.world.store.write(COMPANY) as tx:
        records.move(tx, COMPANY, bench.world.at(), "t", [records.Move(gone, "vanished", "vanished", ())])
        marks.withdraw(tx, COMPANY, gone["id"], bench.world.at())
    bench.runner.tell(bench.program, COMPANY)
    first, second = bench.shop.calls
    assert first == second
    assert bench.states() == {"b-1": "vanished", "b-2": "closed"}


def test_two_records_that_say_the_same_are_one_call(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        for stream in ("one", "two"):
            intake = Intake("s-1", "{}", "0")
            (number,) = records.insert(
                tx, Place(COMPANY, FLOW, stream, "post"), 1, AT, "t", [NewRecord(intake, "failed")]
            )
            new = marks.NewMark(FLOW, "shop", "BILL", number, "s-1", "failed", "no account")
            marks.add(tx, COMPANY, new)
            assert marks.group(tx, COMPANY, FLOW, AT, limit=500) == 1
    assert [[m.id for m in call.failed] for call in due_calls(bench)] == [["s-1"]]
    assert bench.runner.tell(bench.program, COMPANY) == (0, [])
    assert due_calls(bench) == []


# --- alerts tell what is wrong now


def test_a_read_that_fails_is_not_hidden_by_one_that_works(bench: Bench) -> None:
    bench.shop.faults = [Rejected("no scope for vendors")]
    bench.runner.run(bench.program, COMPANY)
    assert bench.alerts() == [("connection", f"{FLOW}/shop/vendors", 1)]


def test_an_unreadable_record_is_an_alert_until_the_next_whole_read(bench: Bench) -> None:
    bench.shop.listed["bills"] = [{**bill(), "id": None}]
    bench.run("bills")
    assert ("failed", f"{FLOW}/bills", 1) in bench.alerts()
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    assert bench.alerts() == []


def test_what_a_session_complained_of_is_over_when_the_file_takes_part(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        desk.sessions.note(COMPANY, "connection_error", "no company file is open", alert=True)
        desk.sessions.note(COMPANY, "list_failed", "the list Account could not be read", alert=True)
        desk.sessions.note(COMPANY, "answer_late", "not used", alert=True)
        desk.books.expire(COMPANY, ["Vendor", "Account"])
        desk.books.store_page(COMPANY, "Vendor", [ListObject("V-1", "Grün & Söhne")], first=True, last=True)
    assert [alert[1] for alert in bench.alerts()] == ["list_failed", "answer_late"]
    with bench.outbox.transaction() as desk:
        desk.books.store_page(COMPANY, "Account", ACCOUNTS, first=True, last=True)
    assert [alert[1] for alert in bench.alerts()] == ["answer_late"]


def test_a_run_that_breaks_off_is_not_running_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise Transient("gone")

    monkeypatch.setattr(Runner, "prepare", broken)
    with pytest.raises(Transient):
        bench.runner.run(bench.program, COMPANY)
    with bench.world.store.read() as tx:
        (row,) = tx.rows("runs_recent", {"company": COMPANY, "flow": "", "limit": 9})
    assert (row["outcome"], row["ended_at"] is None) == ("failed", False)


def test_sources_give_their_sockets_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(kit.Shop, "close", lambda _shop: closed.append(1), raising=False)
    bench.run()
    assert len(closed) == 1  # one for the whole run
    bench.post_all()
    bench.runner.tell(bench.program, COMPANY)
    assert len(closed) == 2


# --- the worker


def next_read(bench: Bench, stream: str) -> str:
    with bench.world.store.read() as tx:
        rows = tx.rows("schedule_due", {"company": COMPANY, "flow": FLOW, "at": "9999"})
    return next(str(row["next_at"]) for row in rows if row["stream"] == stream)


def test_a_webhook_during_a_read_is_not_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Service(bench.world, {FLOW: bench.program})
    server = Server(bench.world, {FLOW: bench.program}, bench.outbox)
    read, number = kit.Shop.read, iter(range(9))

    def interrupted(shop: kit.Shop, *arguments: object) -> object:
        if arguments[0] == "bills" and next(number) == 0:
            bench.shop.listed["bills"] = []
            body = b'{"id": "e-1", "type": "bill.ready", "object": "b-1"}'
            assert server.take_event(COMPANY, "shop", {"x-signature": "hush"}, body).status == 200
        return read(shop, *arguments)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(kit.Shop, "read", interrupted)
    made.tick()
    bench.shop.listed["bills"] = [bill()]
    assert bench.states() == {}
    made.tick()
    assert bench.states() == {"b-1": "intended"}


def test_a_process_that_dies_in_a_read_leaves_it_due_for_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(Runner, "run", killed)
    made = Service(bench.world, {FLOW: bench.program})
    with pytest.raises(Killed):
        made.tick()
    monkeypatch.undo()
    with kit.logging():
        (report,) = Service(bench.world, {FLOW: bench.program}).tick()
    assert report.count("intended") == 1


def test_a_read_that_was_killed_is_due_when_a_process_starts(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        name = take_name(bench.world.ids)
        drop_name(name)
        work.begin_run(tx, COMPANY, FLOW, AT, name)
        for name in ("vendors", "bills", "payments"):
            work.schedule(tx, COMPANY, FLOW, name, "2026-03-02T14:05:00.000000Z")
    (report,) = Service(bench.world, {FLOW: bench.program}).tick()
    assert report.count("intended") == 1
    with bench.world.store.read() as tx:
        rows = tx.rows("runs_recent", {"company": COMPANY, "flow": "", "limit": 9})
    assert [row["outcome"] for row in rows] == ["done", "lost"]


def test_a_stream_claimed_by_a_process_that_died_before_its_run_began_is_due_at_once(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1")]
    clock = bench.world.clock
    with bench.world.store.write() as tx:
        names = tuple(s.name for s in bench.program.flow.streams)
        for name in work.due_streams(tx, COMPANY, FLOW, names, iso(clock.now())):
            work.schedule(tx, COMPANY, FLOW, name, iso(clock.now() + timedelta(seconds=CLAIM_S)))
    Service(bench.world, {FLOW: bench.program}).tick()
    assert "bills" in [stream for stream, _, _ in bench.shop.reads]


def test_a_read_that_keeps_failing_is_not_repeated_every_second(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise Transient("gone")

    monkeypatch.setattr(Runner, "tell", broken)
    made = Service(bench.world, {FLOW: bench.program})
    for _ in range(5):
        made.tick()
        bench.world.clock.sleep(1)
    assert [stream for stream, _, _ in bench.shop.reads] == ["vendors", "bills"]


def test_a_passing_fault_is_tried_again_before_the_interval_is_over(bench: Bench) -> None:
    bench.shop.faults = [Transient("503")] * 5
    Service(bench.world, {FLOW: bench.program}).tick()
    bench.world.clock.sleep(CLAIM_S * 1.1)
    bench.shop.listed["vendors"] = [vendor()]
    Service(bench.world, {FLOW: bench.program}).tick()
    assert bench.states("vendors") == {"v-9": "intended"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_ended_is_seen_from_outside(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_service: Service) -> None:
        raise AssertionError

    made = Service(bench.world, {FLOW: bench.program})
    seen = [made.alive]
    monkeypatch.setattr(Service, "tick", broken)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    made.start()
    made.poke()
    assert made._thread is not None
    made._thread.join(10)
    seen.append(made.alive)
    made.stop()
    seen.append(made.alive)
    assert seen == [True, False, True]  # at last it was to end


# --- whose work is whose


def test_an_agent_is_not_given_what_goes_elsewhere(bench: Bench) -> None:
    bench.run()
    with bench.world.store.write() as tx:
        tx.run("company_insert", {"company": COMPANY, "title": "", "at": AT})
        companies.put_connection(tx, COMPANY, "other_shop", "shop", {}, AT)
        intake = Intake("x-1", "{}", "0")
        (number,) = records.insert(
            tx, Place(COMPANY, "to_shop", "bills", "post"), 1, AT, "t", [NewRecord(intake, "pending")]
        )
        operation = outbox.NewOperation("o" * 22, "other_shop", number, "BillPost", b"{}", "{G}", "{}", "{}")
        outbox.add(tx, COMPANY, AT, [operation])
    with bench.outbox.transaction() as desk:
        assert [op.request for op in desk.operations.next(COMPANY, 9)] == ["BillAdd"]
        assert desk.operations.backlog(COMPANY) == 1
    bench.post_all()
    with bench.outbox.transaction() as desk:
        assert desk.operations.next(COMPANY, 9) == ()
        assert desk.operations.backlog(COMPANY) == 0


def test_one_company_is_one_company_file(bench: Bench) -> None:
    with pytest.raises(SettingWrong) as caught:
        connecting.connect(bench.world, COMPANY, "second", "ledger", {"user": "someone else"}, {})
    assert str(caught.value) == (
        "setting `user`: `acme-wc` signs in for the connection `ledger` of this company already"
    )
    assert caught.value.hint == "one company is one company file: give the same user, or connect another --company"
    connecting.connect(bench.world, COMPANY, "second", "ledger", {"user": "acme-wc"}, {})
    connecting.connect(bench.world, "beta", "ledger", "ledger", {"user": "beta-wc"}, {})


@pytest.mark.only_sqlite("its plans are looked at")
def test_the_record_of_an_operation_is_found_without_a_scan(bench: Bench) -> None:
    bench.run()
    made = bench.send()
    assert made is not None
    from engine.store.base import statements

    connection = bench.world.store.connection  # type: ignore[attr-defined]  # the store in memory
    for name, params in (
        ("records_of_operation", {"operation_id": made.operations[0].id}),
        ("mappings_to", {"company": "", "flow": "", "lookup": "", "list_id": "", "source_key": ""}),
        ("set_unsettled", {"company": ""}),
        ("operations_next", {"company": "", "at": "", "limit": 1, "connection": "", "without": "[]", "later": "[]"}),
        ("waits_on", {"company": "", "wait_key": ""}),
    ):
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", params).fetchall()
        assert not [
            row["detail"] for row in plan if row["detail"].startswith("SCAN") and "json_each" not in row["detail"]
        ], name
    bench.settle(made, OperationOutcome(made.operations[0].id, "posted", {"TxnID": "T"}))


def test_a_journal_without_its_head_is_broken(bench: Bench) -> None:
    bench.run()
    stores.forge(bench.world.store, "DELETE FROM journal_heads")
    with bench.world.store.read() as tx:
        broken = journal.verify(tx, COMPANY)
    assert broken is not None
    assert broken.reason == "the head that says where the journal ends is missing"


def test_planning_does_not_delay_what_was_asked_for(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        work.schedule(tx, COMPANY, FLOW, "bills", AT)
        work.due_streams(tx, COMPANY, FLOW, ("bills",), AT)
        work.schedule(tx, COMPANY, FLOW, "bills", "2026-03-02T15:00:00.000000Z")
        work.sooner(tx, COMPANY, FLOW, "bills", AT)
        work.planned(tx, COMPANY, FLOW, "bills", "2026-03-02T15:00:00.000000Z", "2026-03-03")
    assert next_read(bench, "bills") == AT
