"""What is to be done is found by its index: nothing of what waits is forgotten, and what is idle is not even looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from engine import flowswitch
from engine.durable import tick
from engine.durable.port import Task
from engine.durable.tick import Finder
from engine.errors import Transient
from engine.follow import Hand
from engine.service import Service
from engine.store import companies, facts, journal, work
from engine.store.base import statements
from engine.store.sqlite import SqliteStore
from tests import stores
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, bill

FLOW_TASK = Task("flow", COMPANY, FLOW)


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made


def finder_of(bench: Bench, *, rests: bool = False) -> Finder:
    return Finder(bench.world, {FLOW: bench.program}, rests)


def settled(bench: Bench) -> Finder:
    """A finder after everything was done that is due."""
    Service(bench.world, {FLOW: bench.program}).tick()
    made = finder_of(bench)
    assert made.due() == []
    return made


def test_a_pair_that_was_never_looked_at_is_due(bench: Bench) -> None:
    assert finder_of(bench).due() == [FLOW_TASK]


def test_a_company_that_connects_later_is_found(bench: Bench) -> None:
    found = settled(bench)
    with bench.world.store.write() as tx:
        kit.connected(tx, bench.world, "zeta")
    assert found.due() == [Task("flow", "zeta", FLOW)]
    assert found.due() == [Task("flow", "zeta", FLOW)]  # until somebody has looked
    Service(bench.world, {FLOW: bench.program}).tick()
    stores.raw(bench.world.store, "DELETE FROM records WHERE company = 'zeta'")
    assert found.due() == []


def test_records_that_wait_for_an_agent_rest_until_something_happens(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        kit.connected(tx, bench.world, "zeta")  # its lists were never read
    Service(bench.world, {FLOW: bench.program}).tick()
    found = finder_of(bench, rests=True)
    task, looks = Task("flow", "zeta", FLOW), 0
    for _ in range(40):
        if found.due() == [task]:
            looks += 1
            found.idle(("zeta", FLOW))
        bench.world.clock.sleep(60)
    assert looks == 10  # at first each minute, in the end every ten
    assert found.due() == []
    with bench.world.store.write() as tx:
        journal.append(tx, "zeta", kit.AT, "me", [journal.Entry("map_set")])
    assert found.due() == [task]


def test_what_is_due_is_found_and_what_is_paused_is_not(bench: Bench) -> None:
    found = settled(bench)
    with bench.world.store.write() as tx:
        work.schedule(tx, COMPANY, FLOW, "bills", bench.world.at())
    assert found.due() == [FLOW_TASK]
    with bench.world.store.write() as tx:
        flowswitch.switch(tx, Hand(COMPANY, bench.world.at(), "me"), bench.program.flow, on=False)
    assert found.due() == []


def test_what_waits_to_be_told_is_found_until_it_is_told(bench: Bench) -> None:
    found = settled(bench)
    bench.post_all()
    assert found.due() == [FLOW_TASK]
    bench.shop.mark_faults = [Transient("503")]
    Service(bench.world, {FLOW: bench.program}).tick()
    assert found.due() == []  # it is put off
    bench.world.clock.sleep(3600)
    assert FLOW_TASK in found.due()


def test_what_somebody_of_the_source_asked_for_is_found(bench: Bench) -> None:
    found = settled(bench)
    with bench.world.store.write() as tx:
        facts.remember(tx, COMPANY, kit.AT, f"asked:{FLOW}", {"requests": []})
    assert found.due() == [FLOW_TASK]


def test_records_to_prepare_are_found(bench: Bench) -> None:
    found = settled(bench)
    with bench.world.store.read() as tx:
        row = tx.one(
            "record_find", {"company": COMPANY, "flow": FLOW, "stream": "bills", "source_id": "b-1", "phase": "post"}
        )
        assert row is not None
    stores.raw(bench.world.store, f"UPDATE records SET state = 'pending' WHERE id = {row['id']}")
    assert found.due() == [FLOW_TASK]


def test_what_a_clock_that_was_ahead_put_off_is_found_in_a_slow_look(bench: Bench) -> None:
    found = settled(bench)
    with bench.world.store.write() as tx:
        work.schedule(tx, COMPANY, FLOW, "bills", "2031-01-01T00:00:00.000000Z")
    assert found.due() == []
    bench.world.clock.sleep(tick.SLOW_S)
    assert found.due() == [FLOW_TASK]


def test_flows_that_are_not_served_are_left_alone(bench: Bench) -> None:
    found = settled(bench)
    with bench.world.store.write() as tx:
        companies.add(tx, "aaa", "A", kit.AT)
        tx.run("schedule_create", {"company": "aaa", "flow": FLOW, "stream": "bills", "at": kit.AT})
        tx.run("schedule_create", {"company": COMPANY, "flow": "other", "stream": "bills", "at": kit.AT})
    assert found.due() == []


def test_what_turned_out_to_be_nothing_rests_unless_there_is_another_reason(bench: Bench) -> None:
    Service(bench.world, {FLOW: bench.program}).tick()
    found = finder_of(bench, rests=True)
    with bench.world.store.write() as tx:
        facts.remember(tx, COMPANY, kit.AT, f"asked:{FLOW}", {"requests": []})
    seen = []
    for _ in range(2):
        seen.append(found.due())
        found.idle((COMPANY, FLOW))
        seen.append(found.due())
        bench.world.clock.sleep(tick.REST_S)
    seen.append(found.due())  # the second rest is twice as long
    bench.post_all()
    seen.append(found.due())
    assert seen == [[FLOW_TASK], [], [FLOW_TASK], [], [], [FLOW_TASK]]
    found.busy((COMPANY, FLOW))
    assert found.due() == [FLOW_TASK]


@pytest.mark.only_sqlite("its plans are looked at")
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("due_schedule", "schedule_by_time"),
        ("due_too_late", "schedule_by_time"),
        ("due_marks", "marks_waiting"),
        ("due_mark_calls", "mark_calls_waiting"),
        ("due_pending", "records_pending"),
        ("due_operations", "operations_"),
        ("due_lists", "lists_due"),
        ("due_facts", "facts_waiting"),
        ("connections_mark", "connections_by_update"),
        ("turns_open", "turns_open"),
        ("turns_open_count", "turns_open"),
    ],
)
def test_each_question_is_answered_by_a_small_index(name: str, index: str) -> None:
    store = SqliteStore(None)
    scope = dict.fromkeys(("at", "beyond", "latest"), "2026")
    plan = store.connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", scope).fetchall()
    used = [row["detail"] for row in map(_row, plan) if row["detail"].startswith(("SCAN", "SEARCH"))]
    tables = [line for line in used if not line.endswith(" found")]
    assert tables, used
    assert [line for line in tables if f"INDEX {index}" not in line] == []
    store.close()


def _row(row: sqlite3.Row) -> sqlite3.Row:
    return row


def test_what_is_under_way_is_not_looked_at(bench: Bench) -> None:
    assert finder_of(bench).due({(COMPANY, f"flow:{FLOW}")}) == []
    assert finder_of(bench).due({(COMPANY, "flow:other")}) == [FLOW_TASK]
