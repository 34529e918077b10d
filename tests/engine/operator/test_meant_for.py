"""What was frozen for one account or company file is neither sent to another, nor looked for there, whoever asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.connections import accounts
from engine.connections.connecting import connect
from engine.contract import MessageSet, Operation, OperationOutcome, Receipt
from engine.errors import Bug, Rejected
from engine.follow import Hand
from engine.operator import companyfile, replaying, worklist
from engine.pushing import steps
from engine.pushing.link import Link
from engine.store import boundfile, outbox, places, records
from engine.store.base import Row, Tx
from engine.store.places import Place
from tests.engine import kit, push_kit
from tests.engine.chart_kit import ChartBench, chart_bench
from tests.engine.kit import AT, COMPANY, Bench, bill
from tests.engine.push_kit import CloudBench, cloud_bench

OLD = {"file_id": "{OLD}", "company_name": "Old"}
NEW = {"file_id": "{NEW}", "company_name": "New"}
HAND = Hand(COMPANY, AT, "test")
REFUSED = "it was prepared for what was connected as `{}` before; {}"
ANEW = "try it again instead, which prepares it anew"
SAY = "look there, and say whether it is there or not"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.shop.listed["bills"] = [bill("b-1")]
        bind(made, OLD)
        yield made


@pytest.fixture
def cloud() -> Iterator[CloudBench]:
    with cloud_bench() as made:
        made.shop.listed["bills"] = [bill()]
        lead_to(made, "https://one.example")
        yield made


def bind(bench: Bench, identity: dict[str, str]) -> None:
    with bench.outbox.transaction() as desk:
        desk.sessions.bind(COMPANY, identity)


def released(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        assert companyfile.release(tx, HAND, "moved") == OLD


def lead_to(bench: Bench, address: str) -> None:
    bench.world.clock.sleep(1)
    connect(bench.world, COMPANY, "cloud", "cloud", {"base_url": address}, {})


def replay(bench: Bench) -> list[str]:
    """Replay the bill; why not, empty when it goes on."""
    with bench.world.store.write() as tx:
        done = replaying.replay(tx, Hand(COMPANY, bench.world.at(), "test"), [bench.record("b-1")])
    return [why for _, why in done.refused]


def operations(bench: Bench) -> list[tuple[str, str]]:
    """The operations of the bill, in order: what each was meant for, and what became of it."""
    with bench.world.store.read() as tx:
        rows = tx.rows("operations_of_record", {"record_id": bench.record("b-1")["id"]})
    return [(json.loads(row["meant_for"])[2], row["state"]) for row in rows]


# --- company files ---------------------------------------------------------------------------------------------------


def test_a_refused_request_is_not_replayed_into_another_company_file(bench: Bench) -> None:
    bench.run("bills")
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "failed", code="3175", message="locked"))
    released(bench)
    bind(bench, NEW)
    assert replay(bench) == [REFUSED.format("ledger", ANEW)]
    assert bench.send() is None


def test_it_is_replayed_into_the_same_one_that_was_bound_anew(bench: Bench) -> None:
    bench.run("bills")
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "failed", code="3175", message="locked"))
    released(bench)
    assert replay(bench) == []
    bind(bench, OLD)
    assert bench.post_all() == 1


@pytest.mark.parametrize("while_released", [False, True])
def test_what_waits_is_prepared_anew_for_the_new_file(bench: Bench, while_released: bool) -> None:
    """What is prepared before a new file is bound is still prepared with the lists of the old one."""
    if while_released:
        released(bench)
    bench.run("bills")
    if not while_released:
        released(bench)
    bind(bench, NEW)
    assert bench.send() is None
    assert operations(bench) == [("old", "cancelled")]
    assert (bench.record("b-1")["state"], bench.journal("b-1")[-1]) == ("pending", "changed")
    bench.run("bills")
    assert bench.post_all() == 1
    assert operations(bench) == [("old", "cancelled"), ("new", "done")]


def test_what_is_prepared_before_any_file_is_bound_is_sent_to_the_first() -> None:
    with kit.bench() as bench:
        bench.shop.listed["bills"] = [bill("b-1")]
        bench.run("bills")
        bind(bench, NEW)
        assert (bench.post_all(), operations(bench)) == (1, [("", "done")])


def test_the_store_itself_refuses_a_set_for_another_file(bench: Bench) -> None:
    bench.run("bills")
    with bench.outbox.transaction() as desk:
        (operation,) = desk.operations.next(COMPANY, 1)
    released(bench)
    bind(bench, NEW)
    with pytest.raises(Bug) as refused, bench.world.store.write() as tx:
        rows = tx.rows("operations_of_record", {"record_id": bench.record("b-1")["id"]})
        made = MessageSet("set-1", operation.body, operation.sha256, (outbox.operation_of(rows[0]),))
        outbox.freeze_set(tx, COMPANY, AT, made)
    assert str(refused.value).startswith(
        f"message set set-1 carries operation {operation.id}, which was frozen for other"
    )


def test_whoever_releases_a_file_ends_the_session_that_was_let_in_with_it(bench: Bench) -> None:
    with bench.outbox.transaction() as desk:
        desk.sessions.open(COMPANY, "hash", {"user": "u"})
    released(bench)
    with bench.outbox.transaction() as desk:
        assert desk.sessions.load("hash") is None


def test_what_is_in_no_file_for_certain_is_prepared_anew_once_a_person_says_so(bench: Bench) -> None:
    bench.run("bills")
    made = bench.send()
    assert made is not None
    bench.settle(made, OperationOutcome(made.operations[0].id, "held", code="no_answer", message="never answered"))
    released(bench)
    bind(bench, NEW)
    assert replay(bench) == [REFUSED.format("ledger", SAY)]
    with bench.world.store.write() as tx:
        worklist.declare(tx, HAND, bench.record("b-1"), None, "looked")
    bench.run("bills")
    assert bench.post_all() == 1
    assert operations(bench) == [("old", "cancelled"), ("new", "done")]


# --- accounts of called targets --------------------------------------------------------------------------------------


def prepared(bench: CloudBench) -> None:
    runner = bench.runner
    runner.push_limit = 0
    runner.run(bench.program, COMPANY)
    assert bench.record("b-1")["state"] == "intended"


def meant(bench: CloudBench) -> list[str]:
    with bench.world.store.read() as tx:
        rows = tx.rows("operations_of_record", {"record_id": bench.record("b-1")["id"]})
    return [row["state"] for row in rows]


def test_what_waits_is_prepared_anew_for_another_account(cloud: CloudBench) -> None:
    prepared(cloud)
    lead_to(cloud, "https://two.example")
    assert (cloud.record("b-1")["state"], meant(cloud)) == ("pending", ["cancelled"])
    push_kit.run(cloud)
    assert (cloud.record("b-1")["state"], meant(cloud)) == ("closed", ["cancelled", "done"])


def test_what_waits_goes_on_with_new_credentials_of_the_same_account(cloud: CloudBench) -> None:
    prepared(cloud)
    lead_to(cloud, "https://one.example")
    push_kit.run(cloud)
    assert (cloud.record("b-1")["state"], meant(cloud)) == ("closed", ["done"])


def test_what_is_in_doubt_is_not_looked_for_in_another_account(cloud: CloudBench) -> None:
    cloud.cloud.faults[1] = "after"
    push_kit.run(cloud)
    assert (cloud.record("b-1")["state"], cloud.cloud.calls) == ("unknown", ["find N-b-1", "write N-b-1"])
    lead_to(cloud, "https://two.example")
    for _ in range(2):
        cloud.passed(7200)
        push_kit.run(cloud)
    assert cloud.cloud.calls == ["find N-b-1", "write N-b-1"]
    message = "it was sent to what was connected as `cloud` before, and no answer came"
    assert cloud.reasons("b-1") == [("other_books", message)]
    assert [(kind, times) for kind, _, times in cloud.alerts()] == [("unknown", 1)]
    assert replay(cloud) == [REFUSED.format("cloud", SAY)]
    with cloud.world.store.write() as tx:
        worklist.declare(tx, HAND, cloud.record("b-1"), None, "looked")
    cloud.cloud.objects.popitem()
    push_kit.run(cloud)
    assert (cloud.record("b-1")["state"], meant(cloud)) == ("closed", ["cancelled", "done"])


def test_a_refused_write_is_not_replayed_into_another_account(cloud: CloudBench) -> None:
    cloud.cloud.faults[1] = Rejected("no", code="N")
    cloud.runner.run(cloud.program, COMPANY)
    assert cloud.record("b-1")["state"] == "failed"
    lead_to(cloud, "https://two.example")
    assert replay(cloud) == [REFUSED.format("cloud", ANEW)]
    lead_to(cloud, "https://one.example")
    # What was connected in between may have changed what its ids mean to us: it is prepared anew.
    assert replay(cloud) == [REFUSED.format("cloud", ANEW)]


def test_nothing_is_written_with_credentials_of_an_account_that_was_left_meanwhile(
    cloud: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass has opened the connection; a person points it elsewhere before the write is made durable."""
    real = steps.sent
    done: list[bool] = []

    def sent(link: Link, rows: list[Row]) -> list[Row]:
        if not done:
            done.append(True)
            lead_to(cloud, "https://two.example")
        return real(link, rows)

    monkeypatch.setattr(steps, "sent", sent)
    push_kit.run(cloud)
    assert cloud.cloud.calls == ["find N-b-1"]
    assert (cloud.record("b-1")["state"], meant(cloud)) == ("pending", ["cancelled"])
    push_kit.run(cloud)
    assert (cloud.record("b-1")["state"], cloud.cloud.calls[1:]) == ("closed", ["find N-b-1", "write N-b-1"])


def test_what_is_prepared_for_the_new_account_is_not_written_by_a_pass_over_the_old_one(
    cloud: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process prepares the bill anew while the pass that has the old account open goes on."""
    real = steps.sent
    done: list[bool] = []

    def sent(link: Link, rows: list[Row]) -> list[Row]:
        if not done:
            done.append(True)
            lead_to(cloud, "https://two.example")
            prepared(cloud)
        return real(link, rows)

    monkeypatch.setattr(steps, "sent", sent)
    push_kit.run(cloud)
    assert cloud.cloud.calls == ["find N-b-1"]
    assert (cloud.record("b-1")["state"], meant(cloud)) == ("intended", ["cancelled", "waiting"])
    push_kit.run(cloud)
    assert (cloud.record("b-1")["state"], meant(cloud)) == ("closed", ["cancelled", "done"])


def test_nothing_is_looked_for_in_an_account_that_was_left_meanwhile(
    cloud: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is left once the first bill is written: whether the second is in it says nothing of the next account."""
    cloud.shop.listed["bills"] = [bill("b-1"), bill("b-2", lines=kit.bill("x")["lines"])]
    real = steps.settle

    def settle(link: Link, *given: Any, **more: Any) -> None:
        real(link, *given, **more)
        if cloud.cloud.calls[-1] == "write N-b-1":
            lead_to(cloud, "https://two.example")
            runner = cloud.runner
            runner.push_limit = 0
            runner.run(cloud.program, COMPANY)

    asked: list[str] = []
    find = push_kit.Cloud.find

    def found(self: push_kit.Cloud, operation: Operation) -> Receipt | None:
        asked.append(self.settings["base_url"])
        return find(self, operation)

    monkeypatch.setattr(steps, "settle", settle)
    monkeypatch.setattr(push_kit.Cloud, "find", found)
    push_kit.run(cloud)
    push_kit.run(cloud)
    assert cloud.cloud.calls == ["find N-b-1", "write N-b-1", "find N-b-2", "write N-b-2"]
    assert asked == ["https://one.example", "https://two.example"]


def test_a_change_of_what_is_in_another_account_is_not_made() -> None:
    with chart_bench() as bench:
        told(bench, "acct-1")
        bench.shop.listed["bills"] = [bill()]
        assert bench.go() == ["find N-b-1", "write N-b-1"]
        told(bench, "acct-2")
        bench.shop.listed["bills"] = [bill(amount="80.00")]
        assert bench.go() == []
        change = bench.change()
        assert change["state"] == "failed"
        (reason,) = records.load_reasons(change)
        assert (reason.code, reason.message, reason.hint) == (
            "other_books",
            f"it changes what was written to what was connected as `{CHART}` before",
            "change it there by hand, then run `flowctl reconcile --leave-out b-1 --company acme`",
        )


CHART = "chart"


def told(bench: ChartBench, account: str) -> None:
    bench.world.clock.sleep(1)
    with bench.world.store.write() as tx:
        accounts.told(tx, Hand(COMPANY, bench.world.at(), "test"), CHART, account, "")


# --- what is compared ------------------------------------------------------------------------------------------------

NOW = Place("cloud", "m1", "a1", "2026-03-02", is_called=True)
FILE = Place("qbwc", "", "new", "2026-03-02")


@pytest.mark.parametrize(
    ("place", "kept", "created_at", "is_other"),
    [
        (NOW, '["cloud","m1","a1"]', "2026-03-01", False),
        (NOW, '["cloud","m1","a2"]', "2026-03-03", True),
        (NOW, '["cloud","m2","a1"]', "2026-03-03", True),
        (NOW, '["other","m1","a1"]', "2026-03-03", True),
        (NOW, '["cloud","m1",""]', "2026-03-02", False),
        (NOW, '["cloud","",""]', "2026-03-01", True),
        (NOW, "", "2026-03-01", True),
        (NOW, "", "2026-03-02", False),
        (FILE, '["qbwc","","new"]', "2026-03-01", False),
        (FILE, '["qbwc","","old"]', "2026-03-03", True),
        (FILE, '["qbwc","",""]', "2026-03-01", False),
        (FILE, "", "2026-03-01", True),
        (FILE, "", "2026-03-03", False),
    ],
)
def test_another_place(place: Place, kept: str, created_at: str, is_other: bool) -> None:
    assert place.is_other(kept, created_at) is is_other


def test_the_day_of_an_account_is_that_of_the_account(cloud: CloudBench) -> None:
    def since() -> str:
        def read(tx: Tx) -> str:
            known = accounts.known(tx, COMPANY, "cloud")
            assert known is not None
            return known.since

        with cloud.world.store.read() as tx:
            return read(tx)

    first = since()
    lead_to(cloud, "https://one.example")
    assert since() == first
    lead_to(cloud, "https://two.example")
    assert since() == cloud.world.at() > first
    with cloud.world.store.read() as tx:
        assert places.current(tx, COMPANY, "cloud", pushed=True).since == since()
        assert boundfile.newest(tx, COMPANY) == ("", "")
