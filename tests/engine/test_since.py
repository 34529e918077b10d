"""Sources that can be asked for changes: the watermark, sweeps of everything, and reads that a visit starts."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from engine.clock import iso
from engine.connections.connecting import connect
from engine.contract import Json, Page
from engine.desk import StoreOutbox
from engine.errors import BadAnswer, Rejected, Transient
from engine.holders import drop_name, take_name
from engine.program import compile_flow
from engine.reading import READING_S
from engine.runreport import RunReport
from engine.service import Service
from engine.store import companies, journal, work
from engine.store.base import Tx
from engine.store.work import Checkpoint
from tests import stores
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, YAML, Bench, Shop, bill, count

FETCH = "fetch: {from: shop, stream: bills, with: {ready: true}}"
SWEPT = YAML.replace(FETCH, FETCH.replace("}}", "}, sweep: 6h}"))
IDENTITY = "shop/bills?ready=True"
NOBODY = {"id": "v-7", "name": "Nobody"}
HOUR = 3600.0


@dataclass(slots=True)
class Changing(Shop):
    """A shop that can be asked for changes: its records carry `updated`, and `meanwhile` happens after each page."""

    now: Callable[[], str] = field(default=lambda: "")
    meanwhile: Callable[[], None] = field(default=lambda: None)
    silent: bool = False

    def read(
        self, stream: str, filters: Mapping[str, str | int | bool | None], checkpoint: str | None
    ) -> Iterator[Page]:
        self.reads.append((stream, dict(filters), checkpoint))
        began = self.now()
        if checkpoint is None or checkpoint.startswith("since "):
            floor, after = (checkpoint or "since ").removeprefix("since "), ""
        else:
            _, began, floor, after = checkpoint.split(" ")
        highest = floor
        while True:
            if self.faults and (fault := self.faults.pop(0)) is not None:
                raise fault
            found = sorted((r for r in self.listed.get(stream, []) if r["updated"] >= floor), key=_place)
            left = [r for r in found if "/".join(_place(r)) > after]
            page = left[: self.page_size]
            if not page and self.silent:
                return
            highest = max([highest, *(r["updated"] for r in page)])
            if len(left) <= self.page_size:
                yield Page(page, None if self.silent else f"since {min(highest, began)}")
                return
            after = "/".join(_place(page[-1]))
            yield Page(page, f"page {began} {floor} {after}")
            self.meanwhile()


def _place(record: Json) -> tuple[str, str]:
    return record["updated"], record["id"]


def changing(bench: Bench) -> Changing:
    shop = Changing(now=bench.world.at)
    bench.shop = bench.connector.shop = shop
    return shop


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench(SWEPT) as made:
        changing(made)
        yield made
        with made.world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None


def put(bench: Bench, *ids: str, **changes: Any) -> None:
    """These bills were changed in the shop just now."""
    kept = [r for r in bench.shop.listed["bills"] if r["id"] not in ids]
    bench.shop.listed["bills"] = [*kept, *(bill(name, updated=bench.world.at(), **changes) for name in ids)]


def remove(bench: Bench, name: str) -> None:
    bench.shop.listed["bills"] = [r for r in bench.shop.listed["bills"] if r["id"] != name]


def asked(bench: Bench) -> list[str | None]:
    """What the bills were asked for with since the last look."""
    found = [checkpoint for stream, _, checkpoint in bench.shop.reads if stream == "bills"]
    bench.shop.reads.clear()
    return found


def kept(bench: Bench) -> Checkpoint | None:
    with bench.world.store.read() as tx:
        return work.checkpoint(tx, COMPANY, FLOW, IDENTITY)


def passes(bench: Bench, seconds: float) -> str:
    bench.world.clock.sleep(seconds)
    return bench.world.at()


# --- the watermark


def test_after_everything_only_changes_are_read(bench: Bench) -> None:
    begun = bench.world.at()
    put(bench, "b-1", "b-2", "b-3")
    assert bench.run("bills")["bills"]["read"] == 3
    both = frozenset({"bills", "payments"})
    assert (asked(bench), kept(bench)) == ([None], Checkpoint(f"since {begun}", both, begun))
    passes(bench, 60)
    put(bench, "b-2", memo="new")
    passes(bench, 60)
    put(bench, "b-4")
    assert bench.run("bills")["bills"]["read"] == 4  # what is as old as the mark is listed again
    assert asked(bench) == [f"since {begun}"]
    assert kept(bench) == Checkpoint(f"since {bench.world.at()}", both, begun)
    assert bench.run("bills")["bills"]["read"] == 1
    assert asked(bench) == [f"since {bench.world.at()}"]
    assert json.loads(bench.record("b-2")["payload"])["memo"] == "new"


def test_streams_that_read_the_same_share_the_watermark(bench: Bench) -> None:
    put(bench, "b-1", status="paid")
    bench.run("payments")
    assert asked(bench) == [None]
    passes(bench, 60)
    put(bench, "b-2", status="paid")
    bench.run("bills")
    bench.run()
    assert [checkpoint is None for checkpoint in asked(bench)] == [False, False]
    assert set(bench.states("bills")) == set(bench.states("payments")) == {"b-1", "b-2"}


def test_without_a_sweep_every_read_lists_everything() -> None:
    with kit.bench() as plain:
        changing(plain)
        put(plain, "b-1", vendor=NOBODY)
        plain.run("bills")
        remove(plain, "b-1")
        plain.run("bills")
        assert asked(plain) == [None, None]
        assert plain.states() == {"b-1": "skipped"}
        assert count(plain.world.store, "checkpoints") == 0


def test_where_nothing_came_the_watermark_stays(bench: Bench) -> None:
    put(bench, "b-1")
    bench.run("bills")
    before = kept(bench)
    passes(bench, 60)
    remove(bench, "b-1")
    bench.run("bills")
    assert kept(bench) == before
    shop = bench.shop
    assert isinstance(shop, Changing)
    shop.silent = True
    for _ in range(2):  # a connector that hands out no page at all, and one whose page has no checkpoint
        bench.run("bills")
        assert kept(bench) == before
        put(bench, "b-2")


def test_a_source_without_a_watermark_is_listed_each_time(bench: Bench) -> None:
    shop = bench.shop
    assert isinstance(shop, Changing)
    shop.silent, shop.page_size = True, 1
    put(bench, "b-1", "b-2")
    bench.run("bills")
    bench.run("bills")
    assert (asked(bench), kept(bench)) == ([None, None], None)


def test_a_dry_run_reads_everything_and_keeps_nothing(bench: Bench) -> None:
    put(bench, "b-1", "b-2", "b-3")
    bench.run("bills")
    before = kept(bench)
    passes(bench, 60)
    report = bench.runner.dry_run(bench.program, COMPANY, lambda _tx, _report: None, streams=("bills",))
    assert (report.count("read"), kept(bench)) == (3, before)


# --- what is absent


def test_what_has_not_changed_is_not_taken_for_gone(bench: Bench) -> None:
    put(bench, "b-1", vendor=NOBODY)
    put(bench, "b-2", lines=[])
    put(bench, "b-3")
    bench.run("bills")
    before = bench.states()
    assert before == {"b-1": "deferred", "b-2": "failed", "b-3": "intended"}
    passes(bench, HOUR)
    for name in ("b-1", "b-2", "b-3"):
        remove(bench, name)
    bench.run("bills")
    assert (bench.shop.gets, bench.states()) == ([], before)
    passes(bench, 5 * HOUR)
    bench.run("bills")
    assert set(bench.shop.gets) == {"bills/b-1", "bills/b-2", "bills/b-3"}
    assert set(bench.states().values()) == {"skipped"}


@pytest.mark.parametrize(("seconds", "sweeps"), [(6 * HOUR - 1, False), (6 * HOUR, True), (7 * HOUR, True)])
def test_everything_is_read_at_least_so_often(bench: Bench, seconds: float, sweeps: bool) -> None:
    put(bench, "b-1")
    begun = bench.world.at()
    bench.run("bills")
    passes(bench, seconds / 2)
    bench.run("bills")
    asked(bench)
    passes(bench, seconds / 2)
    bench.run("bills")
    assert asked(bench) == [None if sweeps else f"since {begun}"]
    now = kept(bench)
    assert now is not None
    assert now.swept_at == (bench.world.at() if sweeps else begun)


def test_a_sweep_by_a_clock_that_was_ahead_is_made_again(bench: Bench) -> None:
    put(bench, "b-1")
    bench.run("bills")
    passes(bench, -86400)
    bench.run("bills")
    bench.run("bills")
    assert [checkpoint is None for checkpoint in asked(bench)] == [True, True, False]


def test_a_sweep_heals_what_no_change_told(bench: Bench) -> None:
    put(bench, "b-1", "b-2")
    bench.run("bills")
    stale = bench.shop.listed["bills"][0]["updated"]
    passes(bench, HOUR)
    put(bench, "b-3")
    bench.run("bills")
    # The shop forgot to count this as a change.
    put(bench, "b-1", memo="silently")
    bench.shop.listed["bills"] = [{**r, "updated": stale} for r in bench.shop.listed["bills"]]
    bench.run("bills")
    assert json.loads(bench.record("b-1")["payload"])["memo"] is None
    passes(bench, 6 * HOUR)
    bench.run("bills")
    assert json.loads(bench.record("b-1")["payload"])["memo"] == "silently"


def test_a_listing_whose_absent_records_could_not_be_asked_for_is_no_sweep(bench: Bench) -> None:
    put(bench, "b-1", vendor=NOBODY)
    put(bench, "b-2")
    bench.run("bills")
    passes(bench, 6 * HOUR)
    remove(bench, "b-1")
    bench.shop.singles["b-1"] = Rejected("not now")
    assert len(bench.runner.run(bench.program, COMPANY, streams=("bills",)).errors) == 2
    bench.shop.singles.clear()
    bench.run("bills")
    bench.run("bills")
    assert [checkpoint is None for checkpoint in asked(bench)] == [True, True, True, False]
    assert bench.states()["b-1"] == "skipped"


def test_a_record_without_an_id_is_told_of_until_everything_was_read_without_it(bench: Bench) -> None:
    put(bench, "b-1")
    put(bench, "")
    bench.run("bills")
    told = [alert for alert in bench.alerts() if alert[0] == "failed"]
    passes(bench, HOUR)
    put(bench, "b-2")
    remove(bench, "")
    bench.run("bills")
    assert [alert for alert in bench.alerts() if alert[0] == "failed"] == told
    assert told
    passes(bench, 6 * HOUR)
    bench.run("bills")
    assert [alert for alert in bench.alerts() if alert[0] == "failed"] == []


# --- what could hide a change


def test_a_read_that_broke_off_is_asked_for_again_from_the_same_mark(bench: Bench) -> None:
    put(bench, "b-1")
    bench.run("bills")
    before = kept(bench)
    passes(bench, 60)
    put(bench, "b-2", "b-3", "b-4", "b-5")
    bench.shop.faults = [None, None, BadAnswer("no JSON")]
    assert len(bench.runner.run(bench.program, COMPANY, streams=("bills",)).errors) == 2
    assert kept(bench) == before
    bench.run("bills")
    assert asked(bench)[1:] == [f"since {kit.AT}"] * 2
    assert set(bench.states()) == {f"b-{n}" for n in range(1, 6)}


def test_the_first_listing_that_broke_off_leaves_no_mark(bench: Bench) -> None:
    put(bench, "b-1", "b-2", "b-3")
    bench.shop.faults = [None, BadAnswer("no JSON")]
    assert len(bench.runner.run(bench.program, COMPANY, streams=("bills",)).errors) == 2
    assert kept(bench) is None
    bench.run("bills")
    assert asked(bench) == [None, None]


def test_a_passing_fault_goes_on_within_the_changes(bench: Bench) -> None:
    put(bench, "b-1")
    bench.run("bills")
    passes(bench, 60)
    put(bench, "b-2", "b-3", "b-4")
    bench.shop.faults = [None, Transient("503")]
    assert bench.run("bills")["bills"]["read"] == 4
    _, first, second = asked(bench)
    assert (first, str(second).split(" ")[0]) == (f"since {kit.AT}", "page")


def test_a_stream_that_is_switched_on_later_reads_what_came_before(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.put_setting(tx, COMPANY, FLOW, "with_payments", False)
    put(bench, "b-1", status="paid")
    bench.run()
    passes(bench, 60)
    bench.run()
    with bench.world.store.write() as tx:
        companies.drop_setting(tx, COMPANY, FLOW, "with_payments")
    bench.run()
    assert [checkpoint is None for checkpoint in asked(bench)] == [True, False, True]
    assert set(bench.states("payments")) == {"b-1"}
    # One that is switched off misses changes, and so does not share the mark of those that go on.
    with bench.world.store.write() as tx:
        companies.put_setting(tx, COMPANY, FLOW, "with_payments", False)
    passes(bench, 60)
    put(bench, "b-2", status="paid")
    bench.run()
    passes(bench, 60)
    put(bench, "b-3")
    bench.run()
    with bench.world.store.write() as tx:
        companies.drop_setting(tx, COMPANY, FLOW, "with_payments")
    bench.run()
    assert set(bench.states("payments")) == {"b-1", "b-2", "b-3"}


def test_another_account_behind_the_connection_is_read_from_the_start(bench: Bench) -> None:
    put(bench, "b-1")
    bench.run("bills")
    connect(bench.world, COMPANY, "shop", "shop", {"region": "us"}, {})
    bench.run("bills")
    assert asked(bench) == [None, None]


def test_a_store_that_was_restored_asks_from_its_own_older_mark(bench: Bench) -> None:
    put(bench, "b-1")
    bench.run("bills")
    older = kept(bench)
    assert older is not None
    passes(bench, 60)
    put(bench, "b-2")
    bench.run("bills")
    with bench.world.store.write() as tx:
        work.put_checkpoint(tx, COMPANY, FLOW, IDENTITY, older)
    assert bench.run("bills")["bills"]["read"] == 2
    assert bench.states() == {"b-1": "intended", "b-2": "intended"}


@pytest.mark.parametrize("seed", range(40))
def test_nothing_that_changed_is_ever_missed(seed: int) -> None:
    """Changes at any moment, also between two pages, faults, lost runs and clocks: a read that ends well has them all."""
    chance = random.Random(seed)
    with kit.bench(SWEPT) as bench:
        shop = changing(bench)
        shop.page_size = chance.randint(1, 4)
        version = 0

        def somebody_works() -> None:
            nonlocal version
            for _ in range(chance.randint(0, 3)):
                version += 1
                put(bench, f"b-{chance.randint(0, 9)}", memo=f"version {version}")
            passes(bench, chance.choice([0.0, 1.0, 60.0]))

        for _ in range(30):
            somebody_works()
            settled = {r["id"]: r["memo"] for r in shop.listed["bills"]}
            shop.meanwhile = somebody_works if chance.random() < 0.4 else lambda: None
            shop.faults = [chance.choice([None, None, Transient("503"), BadAnswer("?")]) for _ in range(3)]
            report = bench.runner.run(bench.program, COMPANY, streams=("bills",))
            if report.errors:
                continue
            with bench.world.store.read() as tx:
                rows = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 99})
            found = {
                row["source_id"]: json.loads(row["newest"] or row["payload"])["memo"]
                for row in rows
                if row["stream"] == "bills"
            }
            assert {name: _at_least(memo, found.get(name)) for name, memo in settled.items()} == dict.fromkeys(
                settled, True
            )
            passes(bench, chance.choice([0.0, 60.0, 4 * HOUR]))


def _at_least(memo: str, found: str | None) -> bool:
    """Whether what was taken in is what stood there before the read, or a later version."""
    return found is not None and int(found.split()[1]) >= int(memo.split()[1])


# --- two processes


@dataclass(slots=True)
class Held(Shop):
    """A shop whose read is another's."""

    reading: Callable[[str, Mapping[str, str | int | bool | None], str | None], Iterator[Page]] = field(
        default=lambda *_: iter(())
    )

    def read(
        self, stream: str, filters: Mapping[str, str | int | bool | None], checkpoint: str | None
    ) -> Iterator[Page]:
        return self.reading(stream, filters, checkpoint)


def held_up(bench: Bench, meanwhile: Callable[[], None], *, fails: bool = False) -> RunReport:
    """A run that is held up between reading a page and keeping it, while `meanwhile` happens."""
    shop = bench.connector.shop

    def read(stream: str, filters: Mapping[str, str | int | bool | None], mark: str | None) -> Iterator[Page]:
        stale = [dict(record) for record in bench.shop.listed["bills"]]
        bench.connector.shop = shop
        meanwhile()
        yield Page(stale, "since 2026")
        if fails:
            raise Rejected("and then it fails")

    bench.connector.shop = Held(reading=read)
    return bench.runner.run(bench.program, COMPANY, streams=["bills"])


OVERTAKEN = f"{COMPANY}/shop: another process has read bills meanwhile; this read ends"


@pytest.mark.parametrize("fails", [False, True])
def test_a_page_that_was_read_before_never_replaces_what_was_read_after(bench: Bench, fails: bool) -> None:
    put(bench, "b-1", amount="100.00")
    bench.run("bills")
    passes(bench, 60)

    def meanwhile() -> None:
        passes(bench, 60)
        put(bench, "b-1", amount="90.00", lines=[{"account": "Rent", "code": "6100", "amount": "90.00"}])
        bench.runner.run(bench.program, COMPANY, streams=["bills"])  # this one leaves it alone
        passes(bench, HOUR)
        put(bench, "b-2")
        bench.run("bills")

    report = held_up(bench, meanwhile, fails=fails)
    assert {str(error) for error in report.errors} == {OVERTAKEN}
    assert bench.record("b-1")["amount"] == "90.00"
    mark = kept(bench)
    assert mark is not None
    assert mark.watermark != "since 2026"
    for _ in range(3):
        passes(bench, HOUR)
        put(bench, "b-2")
        bench.run("bills")
    assert bench.record("b-1")["amount"] == "90.00"
    assert bench.alerts() == []


def test_a_single_record_that_was_read_before_never_replaces_what_was_read_after(bench: Bench) -> None:
    put(bench, "b-1", "b-2", vendor=NOBODY)
    bench.run("bills")
    passes(bench, 7 * HOUR)
    remove(bench, "b-1")
    got, stale = Changing.get, [True]

    def get(shop: Changing, stream: str, record_id: str) -> Json | None:
        found = got(shop, stream, record_id)
        if stale:
            stale.clear()
            passes(bench, HOUR)
            put(bench, "b-1", memo="there again")
            bench.run("bills")
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Changing, "get", get)
        report = bench.runner.run(bench.program, COMPANY, streams=["bills"])
    assert stale == []
    assert {str(error) for error in report.errors} == {OVERTAKEN}
    assert bench.states() == {"b-1": "intended", "b-2": "deferred"}


def test_what_another_process_is_reading_is_left_to_it(bench: Bench) -> None:
    put(bench, "b-1")
    found: list[RunReport] = []
    report = held_up(bench, lambda: found.append(bench.runner.run(bench.program, COMPANY, streams=["bills"])))
    assert report.errors == ()
    (other,) = found
    told = [(stream.stream, dict(stream.counts), str(stream.error)) for stream in other.streams]
    text = f"{COMPANY}/shop: another process is reading bills"
    assert told == [("bills", {}, text), ("payments", {}, text)]
    assert bench.alerts() == []
    assert bench.run("bills")["bills"]["read"] == 1


def test_what_a_process_of_another_machine_was_reading_is_read_again_later(bench: Bench) -> None:
    put(bench, "b-1")
    name = f"read:{COMPANY}/{FLOW}/{IDENTITY}"
    with bench.world.store.write() as tx:
        work.take_lease(tx, name, "elsewhere:1:x", bench.world.clock.now(), READING_S)
    assert len(bench.runner.run(bench.program, COMPANY, streams=["bills"]).errors) == 2
    passes(bench, READING_S + 1)
    assert bench.run("bills")["bills"]["read"] == 1


# --- visits

VISITED = YAML.replace("trigger: {every: 1h, webhook: [bill.ready, bill.paid]}", "trigger: {every: 1h, visit: 5m}")


@pytest.fixture
def visited() -> Iterator[Bench]:
    with kit.logging(), kit.bench(VISITED) as made:
        yield made


def worker(bench: Bench) -> tuple[Service, StoreOutbox]:
    service = Service(bench.world, {FLOW: bench.program})
    return service, replace(bench.outbox, changed=service.poke)


def visit(outbox: StoreOutbox) -> None:
    with outbox.transaction() as desk:
        desk.sessions.open(COMPANY, outbox.world.ids.base62(32), {"user": "acme-wc"})


def test_a_visit_wakes_the_worker_when_the_last_read_is_too_old(visited: Bench) -> None:
    service, outbox = worker(visited)
    service.tick()
    visited.shop.reads.clear()
    visited.world.clock.sleep(299)
    visit(outbox)
    assert not service._wake.is_set()
    assert service.tick() == []
    visited.world.clock.sleep(1)
    visit(outbox)
    assert service._wake.is_set()
    assert visited.shop.reads == []  # the call itself asked nobody
    assert len(service.tick()) == 1
    assert [read[0] for read in visited.shop.reads] == ["bills"]
    service._wake.clear()
    visit(outbox)
    assert (service._wake.is_set(), service.tick()) == (False, [])


def test_a_visit_does_not_make_due_what_is_being_read(visited: Bench) -> None:
    service, outbox = worker(visited)
    service.tick()
    visited.shop.reads.clear()
    visited.world.clock.sleep(300)
    holder = take_name(visited.world.ids)
    with visited.world.store.write() as tx:
        work.take_lease(tx, f"read:{COMPANY}/{FLOW}/{IDENTITY}", holder, visited.world.clock.now(), READING_S)
    visit(outbox)
    assert (service._wake.is_set(), service.tick(), visited.shop.reads) == (False, [], [])
    # Whoever was reading it is gone.
    drop_name(holder)
    visit(outbox)
    assert len(service.tick()) == 1
    assert [read[0] for read in visited.shop.reads] == ["bills"]


@pytest.mark.parametrize(("seconds", "due"), [(290, ()), (301, ("bills",))])
def test_a_visit_does_not_make_due_what_is_claimed(visited: Bench, seconds: float, due: tuple[str, ...]) -> None:
    """Also before its turn has come in the run that claimed it; a claim that nobody kept ends by itself."""
    now = visited.world.clock.now()
    with visited.world.store.write() as tx:
        work.due_streams(tx, COMPANY, FLOW, ("bills",), iso(now))
        work.schedule(tx, COMPANY, FLOW, "bills", iso(now + timedelta(seconds=work.CLAIM_S)))
        work.reading(tx, COMPANY, FLOW, ["bills"], iso(now))
        later = now + timedelta(seconds=seconds)
        work.visited(tx, COMPANY, FLOW, {"bills": 60}, later)
        assert work.due_streams(tx, COMPANY, FLOW, ("bills",), iso(later)) == due


def test_the_interval_stays_behind_the_visits(visited: Bench) -> None:
    service, _ = worker(visited)
    service.tick()
    visited.shop.reads.clear()
    visited.world.clock.sleep(HOUR * 1.06)
    assert len(service.tick()) == 1
    assert [read[0] for read in visited.shop.reads] == ["bills"]


def test_a_visit_before_anything_was_read(visited: Bench) -> None:
    service, outbox = worker(visited)
    visit(outbox)
    assert service._wake.is_set()
    service.tick()
    assert [read[0] for read in visited.shop.reads] == ["vendors", "bills"]


def test_a_read_that_fails_is_not_tried_again_at_each_visit(visited: Bench) -> None:
    service, outbox = worker(visited)
    service.tick()
    visited.world.clock.sleep(300)
    visited.shop.faults = [BadAnswer("no JSON")]
    visit(outbox)
    service.tick()
    visited.shop.reads.clear()
    visited.world.clock.sleep(60)
    visit(outbox)
    assert service.tick() == []
    assert visited.shop.reads == []


def test_a_run_by_hand_counts_as_a_read(visited: Bench) -> None:
    service, outbox = worker(visited)
    service.tick()
    visited.world.clock.sleep(300)
    visited.run("payments")  # it fetches the same
    visit(outbox)
    assert service.tick() == []


def test_a_stream_that_is_switched_off_is_not_looked_at_each_time(visited: Bench) -> None:
    text = VISITED.replace("    after: [bills]\n    when:", "    after: [bills]\n    trigger: {visit: 5m}\n    when:")
    with kit.bench(text) as bench:
        with bench.world.store.write() as tx:
            companies.put_setting(tx, COMPANY, FLOW, "with_payments", False)
        service, outbox = worker(bench)
        service.tick()
        bench.world.clock.sleep(300)
        visit(outbox)
        assert len(service.tick()) == 1
        visit(outbox)
        assert service.tick() == []


@pytest.mark.parametrize("lost", ["shop", "ledger"])
def test_a_flow_that_is_not_all_connected_is_not_read(visited: Bench, lost: str) -> None:
    service, outbox = worker(visited)
    with visited.world.store.write() as tx:
        _disconnect(tx, lost)
    visit(outbox)
    assert not service._wake.is_set()
    with visited.world.store.read() as tx:
        assert tx.rows("schedule_of", {"company": COMPANY, "flow": FLOW}) == []


def _disconnect(tx: Tx, connection: str) -> None:
    stores.by_hand(tx, "DELETE FROM credentials WHERE connection = :name", name=connection)
    stores.by_hand(tx, "DELETE FROM connections WHERE connection = :name", name=connection)


def test_a_visit_whose_call_fails_leaves_nothing(visited: Bench) -> None:
    service, outbox = worker(visited)
    service.tick()
    visited.world.clock.sleep(HOUR / 2)
    with pytest.raises(ZeroDivisionError), outbox.transaction() as desk:
        desk.sessions.open(COMPANY, "ticket", {})
        raise ZeroDivisionError
    assert not service._wake.is_set()
    assert service.tick() == []


def test_a_flow_that_has_nothing_to_do_with_the_visitor(visited: Bench) -> None:
    text = VISITED.replace("{connector: ledger}", "{connector: shop}")
    service, _ = worker(visited)
    with visited.world.store.write() as tx:
        companies.put_connection(tx, COMPANY, "ledger", "shop", {}, kit.AT)
    other = compile_flow(kit.flow(text))
    visit(StoreOutbox(visited.world, {FLOW: other}, service.poke))
    assert not service._wake.is_set()
