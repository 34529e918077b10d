"""A run: what is read once for whom, what a fault does, and how the source is told."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.errors import (
    AuthRefused,
    BadAnswer,
    FlowctlError,
    RateLimited,
    Rejected,
    RunError,
    SettingMissing,
    StoreBusy,
    Transient,
    UnknownName,
)
from engine.follow import Hand
from engine.operator import worklist
from engine.retry import Backoff
from engine.runner import Runner
from engine.runreport import RunReport, StreamReport
from engine.store import companies, journal, marks, work
from engine.store.base import Tx
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, bill, count, vendor


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def runs(bench: Bench) -> list[tuple[str, object]]:
    with bench.world.store.read() as tx:
        rows = tx.rows("runs_recent", {"company": COMPANY, "flow": "", "limit": 9})
    return [(row["outcome"], json.loads(row["counts"])) for row in rows]


# --- reading


def test_streams_that_read_the_same_share_one_read(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(), bill("b-2", status="paid"), bill("b-3")]
    counts = bench.run()
    assert [(stream, filters) for stream, filters, _ in bench.shop.reads] == [
        ("vendors", {}),
        ("bills", {"ready": True}),
    ]
    assert {name: c.get("read", 0) for name, c in counts.items()} == {"vendors": 0, "bills": 3, "payments": 3}
    assert runs(bench)[0][0] == "done"


@pytest.mark.parametrize(
    ("asked", "streams", "reads"),
    [
        (("vendors",), ["vendors"], ["vendors"]),
        (("bills",), ["bills", "payments"], ["bills"]),
        (("payments",), ["bills", "payments"], ["bills"]),
        (("vendors", "payments"), ["vendors", "bills", "payments"], ["vendors", "bills"]),
        ((), ["vendors", "bills", "payments"], ["vendors", "bills"]),
    ],
)
def test_only_what_is_asked_for_is_read(
    bench: Bench, asked: tuple[str, ...], streams: list[str], reads: list[str]
) -> None:
    assert list(bench.run(*asked)) == streams
    assert [read[0] for read in bench.shop.reads] == reads


def test_a_stream_that_a_setting_switches_off(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.put_setting(tx, COMPANY, FLOW, "with_payments", False)
    assert list(bench.run()) == ["vendors", "bills"]


def test_progress_is_told_after_each_page(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(5)]
    told: list[tuple[str, int]] = []
    bench.runner.run(bench.program, COMPANY, progress=lambda stream, read: told.append((stream, read)))
    assert told == [("bills", 2), ("bills", 4), ("bills", 5)]


def test_a_company_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(UnknownName) as caught:
        bench.runner.run(bench.program, "acne")
    assert caught.value.hint == "did you mean `acme`? known: acme"
    assert runs(bench) == []


def test_a_report_adds_up() -> None:
    error = FlowctlError("x")
    report = RunReport(
        FLOW, COMPANY, (StreamReport("a", {"read": 2}), StreamReport("b", {"read": 3}, error)), 1, (error,)
    )
    assert (report.count("read"), report.count("failed"), report.errors) == (5, 0, (error, error))


def test_what_fails_after_the_read_is_counted(bench: Bench) -> None:
    bench.shop.listed["bills"] = [{**bill(), "amount": "90.00"}]
    assert bench.runner.run(bench.program, COMPANY).count("failed") == 1
    with bench.world.store.write() as tx:
        worklist.retry(tx, Hand(COMPANY, bench.world.at(), "test"), [bench.record("b-1")], "")
    again = bench.runner.run(bench.program, COMPANY)
    assert (again.count("failed"), again.unprepared, bench.states()) == (1, 1, {"b-1": "failed"})


# --- faults


def test_a_passing_fault_goes_on_from_the_last_page(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(6)]
    bench.shop.faults = [None, None, Transient("503"), RateLimited("429", retry_after_s=40), None]
    bench.run("bills")
    assert [checkpoint for _, _, checkpoint in bench.shop.reads] == [None, "4", "4"]
    assert len(bench.states()) == 6
    assert 40.5 <= bench.world.clock.monotonic() <= 42


def test_each_wait_is_told(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.shop.faults = [Transient("503"), RateLimited("429", retry_after_s=40)]
    told: list[tuple[str, str, float]] = []

    def notice(connection: str, error: RunError, wait_s: float) -> None:
        told.append((connection, str(error), wait_s))

    Runner(bench.world, notice=notice).run(bench.program, COMPANY, streams=("bills",))
    assert [(connection, text) for connection, text, _ in told] == [("shop", "503"), ("shop", "429")]
    assert 0.5 <= told[0][2] <= 1
    assert told[1][2] == 40


def test_attempts_are_counted_anew_after_each_page(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(4)]
    bench.shop.faults = [*[Transient()] * 4, None, *[Transient()] * 4]
    bench.run("bills")
    assert len(bench.states()) == 4


def test_a_fault_that_does_not_pass_ends_the_stream_and_no_other(bench: Bench) -> None:
    bench.shop.listed["vendors"] = [vendor()]
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2"), bill("b-3")]
    bench.shop.faults = [None, None, None, *[Transient("still 503")] * 5]
    report = bench.runner.run(bench.program, COMPANY)
    assert [(s.stream, str(s.error or "")) for s in report.streams] == [
        ("vendors", ""), ("bills", "still 503"), ("payments", "still 503"),
    ]  # fmt: skip
    # The page that came is kept; what was not listed is not taken for gone.
    assert bench.states() == {"b-1": "intended", "b-2": "intended"}
    assert bench.shop.gets == []
    assert ("connection", "shop_to_ledger/shop/bills", 1) in bench.alerts()
    assert runs(bench)[0][0] == "failed"


@pytest.mark.parametrize(
    "error",
    [AuthRefused("no permission"), BadAnswer("no JSON"), Rejected("400"), SettingMissing(COMPANY, "shop", ("x",))],
)
def test_other_faults_are_not_tried_again(bench: Bench, error: FlowctlError) -> None:
    bench.shop.faults = [error]
    report = bench.runner.run(bench.program, COMPANY, streams=("vendors",))
    assert [str(e) for e in report.errors] == [str(error)]
    assert bench.world.clock.monotonic() == 0
    with bench.world.store.read() as tx:
        (alert,) = work.alerts(tx, COMPANY)
    assert alert["message"] == f"shop_to_ledger/shop: {error}"
    hints = {"AuthRefused": "check the credentials", "SettingMissing": "run `flowctl connect shop --company acme`"}
    assert alert["hint"] == hints.get(type(error).__name__, "it is tried again by itself")


def test_the_alert_ends_when_the_source_answers_again(bench: Bench) -> None:
    bench.shop.faults = [BadAnswer("no JSON")]
    bench.runner.run(bench.program, COMPANY, streams=("vendors",))
    assert bench.alerts() == [("connection", "shop_to_ledger/shop/vendors", 1)]
    bench.run("vendors")
    assert bench.alerts() == []


def test_a_company_without_a_connection(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.drop_secret(tx, COMPANY, "shop", "api_key")
    report = bench.runner.run(bench.program, COMPANY)
    assert {str(error) for error in report.errors} == {"acme/shop: not given: `api_key`"}


def test_a_listing_that_broke_off_is_read_anew_by_the_next_run(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(4)]
    bench.shop.faults = [None, BadAnswer()]
    bench.runner.run(bench.program, COMPANY, streams=("bills",))
    bench.run("bills")
    assert [checkpoint for _, _, checkpoint in bench.shop.reads] == [None, None]
    assert len(bench.states()) == 4


def test_a_fault_while_asking_for_one_record(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(vendor={"id": "v-7", "name": "Nobody"})]
    bench.run("bills")
    bench.shop.listed["bills"] = []
    bench.shop.get_faults = [Transient(), Transient()]
    bench.run("bills")
    assert bench.states() == {"b-1": "skipped"}
    assert bench.shop.gets == ["bills/b-1"] * 3


@pytest.mark.parametrize("error", [Rejected("unreadable"), BadAnswer("unreadable")])
def test_one_record_that_cannot_be_read_keeps_no_other_from_it(bench: Bench, error: FlowctlError) -> None:
    bench.shop.listed["bills"] = [bill(f"b-{n}", vendor={"id": "v-7", "name": "Nobody"}) for n in range(3)]
    bench.run("bills")
    bench.shop.listed["bills"] = []
    bench.shop.singles["b-1"] = error
    report = bench.runner.run(bench.program, COMPANY, streams=("bills",))
    assert {str(error) for error in report.errors} == {"unreadable"}
    assert bench.states() == {"b-0": "skipped", "b-1": "deferred", "b-2": "skipped"}


def test_a_fault_that_stays_while_asking_for_one_record(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(vendor={"id": "v-7", "name": "Nobody"})]
    bench.run("bills")
    bench.shop.listed["bills"] = []
    bench.shop.get_faults = [AuthRefused("no")]
    report = bench.runner.run(bench.program, COMPANY, streams=("bills",))
    assert {str(error) for error in report.errors} == {"no"}
    assert bench.states() == {"b-1": "deferred"}


def test_many_open_records_are_asked_for_one_by_one(bench: Bench) -> None:
    bench.shop.page_size = 50
    bench.shop.listed["bills"] = [bill(f"b-{n}", amount="0.00", lines=[], vendor={}) for n in range(120)]
    bench.run("bills")
    assert set(bench.states().values()) == {"deferred"}
    bench.shop.listed["bills"] = []
    bench.run("bills")
    assert len(set(bench.shop.gets)) == 120
    assert set(bench.states().values()) == {"skipped"}


# --- telling


def test_the_source_is_told_once(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(), bill("b-2")]
    bench.run("bills")
    bench.post_all()
    assert bench.runner.tell(bench.program, COMPANY) == (2, [])
    (call,) = bench.shop.calls
    assert (call.kind, [m.id for m in call.posted]) == ("BILL", ["b-1", "b-2"])
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}
    assert bench.runner.tell(bench.program, COMPANY) == (0, [])
    assert bench.journal("b-1")[-1] == "closed"


def test_a_call_that_fails_is_made_again_under_the_same_key(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    bench.post_all()
    keys = []
    for wait in (30, 60, 120):
        bench.shop.mark_faults = [Transient("503")]
        done, errors = bench.runner.tell(bench.program, COMPANY)
        assert (done, [str(error) for error in errors]) == (0, ["503"])
        keys.append(bench.shop.calls[-1].idempotency_key)
        assert bench.runner.tell(bench.program, COMPANY) == (0, [])  # not yet
        bench.world.clock.sleep(wait)
    assert bench.states() == {"b-1": "posted"}
    assert bench.alerts() == [("connection", "shop_to_ledger/shop/BILL", 3)]
    assert bench.runner.tell(bench.program, COMPANY) == (1, [])
    assert {*keys, bench.shop.calls[-1].idempotency_key} == {keys[0]}
    assert bench.states() == {"b-1": "closed"}
    assert bench.alerts() == []


def test_one_refused_mark_holds_no_other_back(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2"), bill("b-3")]
    bench.shop.page_size = 9
    bench.run("bills")
    bench.post_all()
    bench.shop.mark_faults = [Rejected("one is unknown"), None, Rejected("unknown id", hint="look there"), None]
    done, errors = bench.runner.tell(bench.program, COMPANY)
    assert (done, [str(error) for error in errors]) == (2, ["unknown id"])
    assert [[m.id for m in call.posted] for call in bench.shop.calls] == [
        ["b-1", "b-2", "b-3"],
        ["b-1"],
        ["b-2"],
        ["b-3"],
    ]
    assert len({call.idempotency_key for call in bench.shop.calls}) == 4
    assert bench.states() == {"b-1": "closed", "b-2": "posted", "b-3": "closed"}
    assert bench.alerts() == [("mark", "shop_to_ledger/BILL/b-2", 1)]
    assert bench.runner.tell(bench.program, COMPANY) == (0, [])


def test_a_bill_is_told_before_its_payment_whichever_was_found_posted_first(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", status="paid"), bill("b-2", status="paid")]
    bench.run("bills")
    # After a restored copy of our store a payment may be found in the books before its bill.
    found = bench.record("b-1", "payments")
    with bench.world.store.write() as tx:
        marks.add(tx, COMPANY, marks.NewMark(FLOW, "shop", "A_PAYMENT", found["id"], "b-1", "posted", "P-1"))
    bench.post_all()
    bench.runner.prepare(bench.program, COMPANY)
    bench.post_all()
    other = bench.record("b-2", "payments")
    with bench.world.store.write() as tx:
        marks.add(tx, COMPANY, marks.NewMark(FLOW, "shop", "A_PAYMENT", other["id"], "b-2", "posted", "P-2"))
    bench.shop.mark_faults = [Transient("503")]
    done, errors = bench.runner.tell(bench.program, COMPANY)
    assert (done, [str(error) for error in errors]) == (0, ["503"])
    bench.world.clock.sleep(60)
    assert bench.runner.tell(bench.program, COMPANY) == (4, [])
    assert [(call.kind, [m.id for m in call.posted]) for call in bench.shop.calls] == [
        ("BILL", ["b-1", "b-2"]),
        ("BILL", ["b-1", "b-2"]),
        ("A_PAYMENT", ["b-1", "b-2"]),
    ]
    assert bench.states() == {"b-1": "closed", "b-2": "closed"}


def test_a_source_that_is_not_connected_any_more_is_told_later(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    bench.post_all()
    with bench.world.store.write() as tx:
        companies.drop_secret(tx, COMPANY, "shop", "api_key")
    done, errors = bench.runner.tell(bench.program, COMPANY)
    assert (done, [str(error) for error in errors]) == (0, ["acme/shop: not given: `api_key`"])
    assert bench.states() == {"b-1": "posted"}


def test_large_amounts_of_marks_travel_in_several_calls(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.telling.MARKS_A_CALL", 3)
    bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(7)]
    bench.run("bills")
    bench.post_all()
    assert bench.runner.tell(bench.program, COMPANY) == (7, [])
    assert [len(call.posted) for call in bench.shop.calls] == [3, 3, 1]


# --- a dry run


def test_a_dry_run_shows_everything_and_keeps_nothing(bench: Bench) -> None:
    bench.shop.listed["vendors"] = [vendor()]
    bench.shop.listed["bills"] = [bill(), bill("b-2", vendor={"id": "v-7", "name": "Nobody"})]
    seen: list[tuple[str, str]] = []
    before = [count(bench.world.store, table) for table in ("records", "operations", "journal", "runs", "alerts")]

    def look(tx: Tx, report: RunReport) -> None:
        rows = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 9})
        seen.extend((row["source_id"], row["state"]) for row in rows)
        assert report.count("read") == 5

    report = bench.runner.dry_run(bench.program, COMPANY, look)
    assert seen == [
        ("v-9", "intended"), ("b-1", "intended"), ("b-2", "deferred"), ("b-1", "skipped"), ("b-2", "skipped"),
    ]  # fmt: skip
    assert report.count("intended") == 2
    assert [
        count(bench.world.store, table) for table in ("records", "operations", "journal", "runs", "alerts")
    ] == before
    assert bench.shop.calls == []
    report = bench.runner.dry_run(bench.program, COMPANY, lambda _tx, _report: None, streams=("vendors",))
    assert [s.stream for s in report.streams] == ["vendors"]


def test_a_dry_run_counts_what_is_not_ready_once() -> None:
    with kit.bench(lists=False) as bench:
        bench.shop.listed["bills"] = [bill(), bill("b-2")]
        for _ in range(2):
            report = bench.runner.dry_run(bench.program, COMPANY, lambda _tx, _report: None, streams=("bills",))
            assert dict(report.streams[0].counts) == {"read": 2, "pending": 2}
            bench.run("bills")


def test_a_dry_run_of_an_unreachable_source(bench: Bench) -> None:
    bench.shop.faults = [BadAnswer("no JSON")]
    with pytest.raises(BadAnswer):
        bench.runner.dry_run(bench.program, COMPANY, lambda _tx, _report: pytest.fail("there is nothing to see"))


# --- the store's own faults


def test_a_busy_store_ends_a_stream_and_is_told(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.shop.faults = [StoreBusy("locked")]
    report = bench.runner.run(bench.program, COMPANY, streams=("bills",))
    assert {type(error) for error in report.errors} == {StoreBusy}


def test_after_a_busy_store_nothing_more_is_read(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill()]
    bench.shop.faults = [StoreBusy("locked")]
    report = bench.runner.run(bench.program, COMPANY)
    assert len(report.streams) > 1
    assert {(str(stream.error), stream.counts.get("read", 0)) for stream in report.streams} == {("locked", 0)}
    assert len(bench.shop.reads) == 1


def test_patience_can_be_set(bench: Bench) -> None:
    bench.shop.faults = [Transient("503")]
    report = Runner(bench.world, Backoff(attempts=1)).run(bench.program, COMPANY, streams=("vendors",))
    assert [str(error) for error in report.errors] == ["503"]
