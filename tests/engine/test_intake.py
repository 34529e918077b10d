"""Pages and waiting records: what is new, what changed in every state, what is gone, and that nothing is added twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from engine import intake
from engine.batch import Batch
from engine.contract import ListObject, OperationOutcome
from engine.program import StreamProgram
from engine.store import journal, lists, work
from engine.store.sqlite import SqliteStore
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, VENDORS, Bench, bill, count, vendor

ODD = {"id": "v-7", "name": "Nobody"}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def change(bench: Bench, source_id: str = "b-1", **changes: Any) -> dict[str, dict[str, int]]:
    """The record is another one when it is next listed."""
    listed = bench.shop.listed["bills"]
    bench.shop.listed["bills"] = [{**item, **changes} if item["id"] == source_id else item for item in listed]
    return bench.run()


def reach(bench: Bench, state: str) -> None:
    """Bring b-1 to a state."""
    if state == "pending":
        bench.run()
        with bench.world.store.write() as tx:
            tx.run(
                "operation_state",
                {
                    "id": bench.record("b-1")["operation_id"],
                    "state": "cancelled",
                    "message_set_id": None,
                    "not_before": "",
                },
            )
            tx.run("record_move", {
                "id": 1, "from": "intended", "to": "pending", "reasons": "[]", "mapped_sha256": None, "operation_id": None,
                "receipt": None, "attempts": 0, "at": kit.AT,
            })  # fmt: skip
        return
    start: dict[str, dict[str, Any]] = {
        "deferred": {"vendor": ODD},
        "failed": {"amount": "1.00"},
        "skipped": {"status": "draft"},
    }
    bench.shop.listed["bills"] = [bill() | start.get(state, {})]
    bench.run("bills")
    if state in ("sent", "unknown", "posted", "closed"):
        made = bench.send()
        assert made is not None
        if state == "unknown":
            with bench.outbox.transaction() as desk:
                desk.operations.doubt(COMPANY, made.id, "no answer")
        if state in ("posted", "closed"):
            bench.settle(made)
        if state == "closed":
            bench.runner.tell(bench.program, COMPANY)
    assert bench.record("b-1")["state"] == state


def operations(bench: Bench) -> list[tuple[str, str]]:
    with bench.world.store.read() as tx:
        rows = tx.rows("operations_of_record", {"record_id": bench.record("b-1")["id"]})
        return [(row["state"], json.loads(row["mapped"])["amount"]) for row in rows]


# --- new records


def test_a_page_of_everything(bench: Bench) -> None:
    bench.shop.listed["bills"] = [
        bill("b-1"), bill("b-2", vendor=ODD), bill("b-3", amount="x"), bill("b-4", status="draft"),
    ]  # fmt: skip
    assert bench.run("bills")["bills"] == {"read": 4, "intended": 1, "deferred": 1, "failed": 1, "skipped": 1}
    assert bench.states() == {"b-1": "intended", "b-2": "deferred", "b-3": "failed", "b-4": "skipped"}
    assert bench.alerts() == [
        ("deferred", "shop_to_ledger/vendor/v-7", 1),
        ("failed", "shop_to_ledger/bills/b-3", 1),
    ]


def test_reading_the_same_again_changes_nothing(bench: Bench) -> None:
    bench.run()
    before = (bench.states(), bench.journal("b-1"), count(bench.world.store, "operations"))
    assert bench.run()["bills"] == {"read": 1}
    assert (bench.states(), bench.journal("b-1"), count(bench.world.store, "operations")) == before


def test_a_record_that_is_listed_twice_in_one_page_is_one(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(memo="old"), bill(memo="new")]
    bench.run("bills")
    assert count(bench.world.store, "operations") == 1
    assert json.loads(bench.record("b-1")["payload"])["memo"] == "new"


def test_a_record_that_is_listed_on_two_pages_is_one(bench: Bench) -> None:
    bench.shop.page_size = 1
    bench.shop.listed["bills"] = [bill(), bill(), bill(memo="new")]
    bench.run("bills")
    assert operations(bench) == [("cancelled", "100.00"), ("waiting", "100.00")]


def test_a_record_without_an_id_stops_no_other(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill() | {"id": None}, bill("b-2")]
    counts = bench.run("bills")["bills"]
    assert (counts["read"], counts["intended"], counts["failed"]) == (2, 1, 1)
    assert bench.states() == {"b-2": "intended"}
    assert ("failed", "shop_to_ledger/bills", 1) in bench.alerts()
    with bench.world.store.read() as tx:
        lines = [line for line in journal.lines(tx, COMPANY) if line["event"] == "unreadable"]
    assert json.loads(lines[0]["detail"]) == {"message": "`key: id` gives no id for this record"}


def test_what_is_too_long_to_be_looked_up_stops_no_other(bench: Bench) -> None:
    """No store keeps an id of any length: PostgreSQL's indexes do not."""
    noise = "".join(chr(0x4E00 + (n * n * 7919) % 20000) for n in range(3000))
    bench.shop.listed["bills"] = [
        bill() | {"id": noise},
        bill("b-2", vendor={"id": "v-9", "name": noise}),
        bill("b-3", vendor={"id": noise, "name": "Nobody"}),
        bill("b-4"),
    ]
    counts = bench.run("bills")["bills"]
    assert (counts["read"], counts["failed"]) == (4, 1)
    assert bench.states() == {"b-2": "deferred", "b-3": "deferred", "b-4": "intended"}
    words = "has more than 1,000 bytes, and nothing so long is looked up"
    assert [bench.reasons("b-2"), bench.reasons("b-3")] == [
        [("uncoded", f"the vendor `{noise[:40]}...` {words}")],
        [("uncoded", f"the vendor `Nobody...` {words}")],
    ]


def test_a_vendor_that_is_there_is_adopted(bench: Bench) -> None:
    bench.shop.listed["vendors"] = [vendor("v-1", "grün & söhne")]
    assert bench.run("vendors")["vendors"] == {"read": 1, "skipped": 1}
    assert bench.reasons("v-1", "vendors") == [("adopted", "`Grün & Söhne` is there already")]
    with bench.world.store.read() as tx:
        rows = [dict(row) for row in lists.mappings(tx, COMPANY, FLOW)]
    assert [(r["lookup"], r["source_key"], r["list_id"], r["full_name"], r["origin"]) for r in rows] == [
        ("vendor", "v-1", "V-1", "Grün & Söhne", "adopted")
    ]
    # The same vendor is found by its id from now on, whatever it is called in either place.
    bench.read_lists(vendors=[ListObject("V-1", "Renamed")])
    assert change(bench, vendor={"id": "v-1", "name": "Other"})["bills"]["intended"] == 1


def test_records_wait_until_the_lists_were_read() -> None:
    with kit.bench(lists=False) as bench:
        bench.shop.listed["bills"] = [bill(), bill("b-2", amount="x")]
        assert bench.run("bills")["bills"] == {"read": 2, "pending": 2}
        assert bench.states() == {"b-1": "pending", "b-2": "pending"}
        assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 0
        bench.read_lists()
        assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 1
        assert bench.states() == {"b-1": "intended", "b-2": "failed"}
        assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 0


def test_an_adopted_record_that_waited() -> None:
    with kit.bench(lists=False) as bench:
        bench.shop.listed["vendors"] = [vendor("v-1", "Grün & Söhne"), vendor("v-9"), vendor("v-8", status="closed")]
        bench.run("vendors")
        bench.read_lists()
        assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 1
        assert bench.states("vendors") == {"v-1": "skipped", "v-9": "intended", "v-8": "skipped"}
        with bench.world.store.read() as tx:
            assert [row["source_key"] for row in lists.mappings(tx, COMPANY, FLOW)] == ["v-1"]


def test_many_pending_records_are_prepared_chunk_by_chunk() -> None:
    with kit.bench(lists=False) as bench:
        bench.shop.listed["bills"] = [bill(f"b-{n}") for n in range(23)]
        bench.shop.page_size = 10
        bench.run("bills")
        bench.read_lists()
        assert bench.runner.prepare(bench.program, COMPANY, limit=9, chunk=4)["intended"] == 9
        assert bench.runner.prepare(bench.program, COMPANY, chunk=5)["intended"] == 14


@pytest.mark.only_sqlite("elsewhere companies are written side by side")
@pytest.mark.parametrize(("is_wanted", "sizes"), [(False, [50, 50, 20]), (True, [15] * 8)])
def test_while_others_wait_for_the_store_fewer_are_taken_in_at_once(
    monkeypatch: pytest.MonkeyPatch, is_wanted: bool, sizes: list[int]
) -> None:
    monkeypatch.setattr(SqliteStore, "is_wanted", lambda _store: is_wanted)
    taken, looked_at = list[int](), list[int]()
    take_page, prepare_pending = intake.take_page, intake.prepare_pending

    def counted(batch: Batch, stream: StreamProgram, page: Sequence[Any]) -> None:
        if stream.stream.name == "bills":
            taken.append(len(page))
        take_page(batch, stream, page)

    def prepared(batch: Batch, stream: StreamProgram, limit: int) -> int:
        looked_at.append(prepare_pending(batch, stream, limit))
        return looked_at[-1]

    with kit.bench(lists=False) as bench:
        bench.shop.listed["bills"] = [bill(f"b-{number}") for number in range(120)]
        bench.shop.page_size = 120
        monkeypatch.setattr(intake, "take_page", counted)
        bench.run("bills")
        bench.read_lists()
        monkeypatch.setattr(intake, "prepare_pending", prepared)
        assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 120
        assert set(bench.states().values()) == {"intended"}
    assert taken == sizes
    assert [size for size in looked_at if size] == sizes


@pytest.mark.only_sqlite("elsewhere companies are written side by side")
def test_a_page_with_a_record_in_it_twice_is_taken_whole_whoever_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteStore, "is_wanted", lambda _store: True)
    taken, take_page = list[int](), intake.take_page

    def counted(batch: Batch, stream: StreamProgram, page: Sequence[Any]) -> None:
        if stream.stream.name == "bills":
            taken.append(len(page))
        take_page(batch, stream, page)

    with kit.bench() as bench:
        bench.shop.listed["bills"] = [*(bill(f"b-{number}") for number in range(20)), bill("b-0", amount="70.00")]
        bench.shop.page_size = 50
        monkeypatch.setattr(intake, "take_page", counted)
        bench.run("bills")
    assert taken == [21]


# --- changed records


@pytest.mark.parametrize("state", ["pending", "deferred", "failed", "skipped"])
def test_what_nobody_was_told_of_is_taken_as_it_is_now(bench: Bench, state: str) -> None:
    reach(bench, state)
    change(bench, **bill(amount="70.00", lines=[{"account": "Rent", "amount": "70.00"}]))
    record = bench.record("b-1")
    assert (record["state"], record["amount"], record["drifted"]) == ("intended", "70.00", 0)
    assert [op for op in operations(bench) if op[0] == "waiting"] == [("waiting", "70.00")]
    assert bench.alerts() == []


@pytest.mark.parametrize("state", ["pending", "deferred", "failed", "skipped"])
@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"vendor": {"id": "v-6", "name": "Else"}}, "deferred"),
        ({"amount": "2.00"}, "failed"),
        ({"status": "draft", "memo": "x"}, "skipped"),
    ],
)
def test_it_may_be_parked_again(bench: Bench, state: str, changes: dict[str, Any], end: str) -> None:
    reach(bench, state)
    change(bench, **{**bill(), **changes})
    assert bench.record("b-1")["state"] == end
    kinds = {
        "deferred": [("deferred", "shop_to_ledger/vendor/v-6")],
        "failed": [("failed", "shop_to_ledger/bills/b-1")],
    }
    assert [alert[:2] for alert in bench.alerts()] == kinds.get(end, [])
    assert [op for op in operations(bench) if op[0] == "waiting"] == []


def test_a_frozen_record_that_was_not_sent_is_frozen_anew(bench: Bench) -> None:
    reach(bench, "intended")
    first = bench.record("b-1")["operation_id"]
    change(bench, amount="80.00", lines=[{"account": "Rent", "amount": "80.00"}])
    assert operations(bench) == [("cancelled", "100.00"), ("waiting", "80.00")]
    assert bench.record("b-1")["operation_id"] != first
    assert bench.post_all() == 1


def test_a_change_that_alters_nothing_written_keeps_the_frozen_bytes(bench: Bench) -> None:
    reach(bench, "intended")
    first = bench.record("b-1")["operation_id"]
    change(bench, unread="something else")
    assert bench.record("b-1")["operation_id"] == first
    assert operations(bench) == [("waiting", "100.00")]


def test_a_frozen_record_that_is_no_longer_wanted_is_taken_back(bench: Bench) -> None:
    reach(bench, "intended")
    change(bench, status="draft")
    assert bench.record("b-1")["state"] == "skipped"
    assert operations(bench) == [("cancelled", "100.00")]
    assert bench.post_all() == 0


def test_a_record_that_waits_to_be_sent_again_is_frozen_anew(bench: Bench) -> None:
    reach(bench, "sent")
    operation = bench.record("b-1")["operation_id"]
    with bench.outbox.transaction() as desk:
        outcome = OperationOutcome(operation, "retry", message="locked")
        desk.operations.settle(COMPANY, "set-1", [outcome], b"")
    assert bench.record("b-1")["state"] == "intended"
    change(bench, amount="80.00", lines=[{"account": "Rent", "amount": "80.00"}])
    # The ledger refused it, so nothing of it is there: what the source says now is what may follow.
    assert operations(bench) == [("cancelled", "100.00"), ("waiting", "80.00")]
    assert bench.record("b-1")["drifted"] == 0


@pytest.mark.parametrize("state", ["sent", "unknown", "posted", "closed"])
def test_what_was_sent_is_never_written_again(bench: Bench, state: str) -> None:
    reach(bench, state)
    counts = change(bench, amount="80.00", lines=[{"account": "Rent", "amount": "80.00"}])
    assert counts["bills"]["drifted"] == 1
    record = bench.record("b-1")
    after = {"posted": "closed"}.get(state, state)
    assert (record["state"], record["drifted"], record["amount"]) == (after, 1, "100.00")
    assert len(operations(bench)) == 1
    assert ("drifted", "shop_to_ledger/bills/b-1", 1) in bench.alerts()
    assert "drifted" in bench.journal("b-1")
    # It is told once a change.
    assert "drifted" not in bench.run()["bills"]
    assert ("drifted", "shop_to_ledger/bills/b-1", 1) in bench.alerts()
    change(bench, memo="again")
    assert ("drifted", "shop_to_ledger/bills/b-1", 2) in bench.alerts()


@pytest.mark.parametrize("state", ["sent", "unknown", "posted", "closed"])
def test_what_was_sent_and_would_be_written_the_same_has_not_drifted(bench: Bench, state: str) -> None:
    reach(bench, state)
    counts = change(bench, status="paid", unread=1)
    assert "drifted" not in counts["bills"]
    assert bench.record("b-1")["drifted"] == 0
    assert [a for a in bench.alerts() if a[0] == "drifted"] == []
    assert bench.run()["bills"] == {"read": 1}


# --- records that are listed no more


@pytest.mark.parametrize("state", ["pending", "deferred", "failed", "intended"])
def test_an_open_record_that_the_source_has_no_more_is_skipped(bench: Bench, state: str) -> None:
    reach(bench, state)
    bench.shop.listed["bills"] = []
    bench.run("bills")
    assert bench.shop.gets[0] == "bills/b-1"
    assert bench.record("b-1")["state"] == "skipped"
    assert bench.reasons("b-1") == [("gone", "the source no longer has it")]
    assert bench.alerts() == []
    assert bench.post_all() == 0


def test_an_open_record_that_changed_out_of_the_listing(bench: Bench) -> None:
    reach(bench, "deferred")
    bench.shop.listed["bills"] = []
    bench.shop.singles["b-1"] = bill()
    bench.run("bills")
    assert bench.record("b-1")["state"] == "intended"


def test_an_open_record_that_is_as_it_was_is_asked_for_again_next_time(bench: Bench) -> None:
    reach(bench, "deferred")
    bench.shop.singles["b-1"] = bench.shop.listed["bills"][0]
    bench.shop.listed["bills"] = []
    for times in (1, 2):
        bench.shop.gets.clear()
        bench.run("bills")
        assert bench.shop.gets.count("bills/b-1") == 1, times
        assert bench.record("b-1")["state"] == "deferred"


@pytest.mark.parametrize("state", ["sent", "unknown", "posted", "closed", "skipped"])
def test_what_is_not_open_is_not_asked_for(bench: Bench, state: str) -> None:
    reach(bench, state)
    bench.shop.listed["bills"] = []
    bench.run("bills")
    assert "bills/b-1" not in bench.shop.gets
    assert bench.record("b-1")["state"] == {"posted": "closed"}.get(state, state)


def test_a_record_that_waits_to_be_sent_again_is_skipped_when_it_is_gone(bench: Bench) -> None:
    reach(bench, "sent")
    with bench.outbox.transaction() as desk:
        outcome = OperationOutcome(bench.record("b-1")["operation_id"], "retry", message="locked")
        desk.operations.settle(COMPANY, "set-1", [outcome], b"")
    bench.shop.listed["bills"] = []
    bench.run("bills")
    assert bench.record("b-1")["state"] == "skipped"


# --- alerts end with what they were about


def test_one_alert_for_many_records_that_miss_the_same(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(f"b-{n}", vendor=ODD) for n in range(3)]
    bench.run("bills")
    assert bench.alerts() == [("deferred", "shop_to_ledger/vendor/v-7", 3)]
    bench.read_lists(vendors=[*VENDORS, ListObject("V-7", "Nobody")])
    assert set(bench.states().values()) == {"pending"}
    assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 3
    assert bench.alerts() == []


def test_an_alert_stays_while_another_record_misses_the_same(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1", vendor=ODD), bill("b-2", vendor=ODD)]
    bench.run("bills")
    change(bench, vendor={"id": "v-1", "name": "x Grün"})
    change(bench, "b-1", **bill("b-1"))
    assert bench.states() == {"b-1": "intended", "b-2": "deferred"}
    assert [alert[:2] for alert in bench.alerts()] == [("deferred", "shop_to_ledger/vendor/v-7")]
    change(bench, "b-2", **bill("b-2"))
    assert bench.alerts() == []


def test_the_run_that_saw_a_record_is_kept(bench: Bench) -> None:
    bench.run("bills")
    bench.run("bills")
    with bench.world.store.read() as tx:
        newest = tx.rows("runs_recent", {"company": COMPANY, "flow": "", "limit": 1})[0]["id"]
    assert bench.record("b-1")["seen_run"] == newest


# --- what came while the source was asked


def test_an_answer_that_is_another_record_is_not_taken(bench: Bench) -> None:
    reach(bench, "deferred")
    bench.shop.listed["bills"] = []
    for answer in (bill("b-2"), bill() | {"id": None}):
        bench.shop.singles["b-1"] = answer
        bench.run("bills")
        assert bench.states() == {"b-1": "deferred"}
        assert ("failed", "shop_to_ledger/bills", 1) in bench.alerts()


def test_a_record_that_comes_back_is_taken_again(bench: Bench) -> None:
    reach(bench, "intended")
    bench.shop.listed["bills"] = []
    bench.run("bills")
    assert bench.states() == {"b-1": "skipped"}
    bench.shop.listed["bills"] = [bill()]
    bench.run("bills")
    assert bench.states() == {"b-1": "intended"}
    assert bench.post_all() == 1


def test_what_was_renamed_in_the_target_has_not_drifted(bench: Bench) -> None:
    reach(bench, "posted")
    bench.read_lists(vendors=[ListObject("V-1", "Renamed")])
    with bench.world.store.write() as tx:
        lists.put_mapping(tx, COMPANY, lists.Mapping(FLOW, "vendor", "v-1", "Renamed", "V-1"), "ann", kit.AT)
    change(bench, unread=1)
    assert bench.record("b-1")["drifted"] == 0
    bench.read_lists(vendors=[])
    change(bench, unread=2)
    assert bench.record("b-1")["drifted"] == 0
    change(bench, lines=[*bill()["lines"], *bill()["lines"]])
    assert bench.record("b-1")["drifted"] == 1


def test_a_change_that_was_taken_back_is_no_drift_any_more(bench: Bench) -> None:
    reach(bench, "posted")
    change(bench, memo="x")
    assert ("drifted", "shop_to_ledger/bills/b-1", 1) in bench.alerts()
    change(bench, memo=None)
    assert bench.record("b-1")["drifted"] == 0
    assert bench.alerts() == []


def test_what_was_refused_is_read_anew_when_it_had_drifted(bench: Bench) -> None:
    reach(bench, "sent")
    change(bench, amount="80.00", lines=[{"account": "Rent", "amount": "80.00"}])
    with bench.outbox.transaction() as desk:
        outcome = OperationOutcome(
            bench.record("b-1")["operation_id"], "deferred", code="3140", waits_for=("list:Vendor",)
        )
        desk.operations.settle(COMPANY, "set-1", [outcome], b"")
    bench.read_lists()
    assert bench.runner.prepare(bench.program, COMPANY)["intended"] == 1
    assert operations(bench) == [("cancelled", "100.00"), ("waiting", "80.00")]
    assert (bench.record("b-1")["amount"], bench.alerts()) == ("80.00", [])


def test_what_waits_for_a_record_that_is_gone_looks_again(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(status="paid", vendor=ODD)]
    bench.run("bills")
    assert bench.states("payments") == {"b-1": "deferred"}
    change(bench, status="draft")
    with bench.world.store.write() as tx:
        asking = bench.runner.batch(tx, bench.program, COMPANY, 0).desk.resolver
        _, reason = asking.receipt("bills", "b-1")
    assert reason is not None
    assert (reason.code, reason.message) == ("left_out", "bills/N-b-1 was not posted from here")


# --- records that are listed twice


def journal_of(bench: Bench, event: str) -> list[dict[str, Any]]:
    with bench.world.store.read() as tx:
        return [
            dict(line) for line in journal.lines(tx, COMPANY) if (line["event"], line["stream"]) == (event, "bills")
        ]


def test_what_is_listed_twice_in_one_read_is_journalled_once_and_posted_once(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill(), bill(), bill()]
    assert bench.run()["bills"] == {"read": 3, "intended": 1, "seen_twice": 1}
    assert bench.journal("b-1") == ["read", "seen_twice"]
    assert [line["source_id"] for line in journal_of(bench, "seen_twice")] == ["b-1"]
    assert [a for a in bench.alerts() if a[0] == "ambiguous"] == []
    # In the next read it is news again that the source does so; that it is listed again at all is not.
    assert bench.run()["bills"] == {"read": 3, "seen_twice": 1}
    bench.shop.listed["bills"] = [bill()]
    assert bench.run()["bills"] == {"read": 1}
    assert len(journal_of(bench, "seen_twice")) == 2


# --- what differs


def test_a_person_is_told_what_would_be_written_otherwise_and_the_journal_names_the_fields(bench: Bench) -> None:
    reach(bench, "closed")
    change(bench, amount="80.00", lines=[{"account": "Rent", "amount": "80.00", "memo": "m"}])
    with bench.world.store.read() as tx:
        (alert,) = [row for row in work.alerts(tx, COMPANY) if row["kind"] == "drifted"]
    told = alert["message"].partition(" after it was closed: ")[2]
    assert told == "amount: 100.00 -> 80.00; lines[0].amount: 100.00 -> 80.00"
    (line,) = journal_of(bench, "drifted")
    assert json.loads(line["detail"])["fields"] == ["amount", "lines[0].amount"]


def test_of_what_cannot_be_written_any_more_the_source_says_what_differs(bench: Bench) -> None:
    reach(bench, "closed")
    change(bench, lines=[{"account": "Rent", "amount": "unreadable: no currency"}])
    (line,) = journal_of(bench, "drifted")
    assert json.loads(line["detail"])["fields"] == ["lines[0].amount", "lines[0].code", "lines[0].memo"]
