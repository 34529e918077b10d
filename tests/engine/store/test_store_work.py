"""Runs, checkpoints, schedule, sessions, alerts, webhook events and leases."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import from_iso
from engine.store import work
from engine.store.base import Store, statements, take_number
from engine.store.dialect import statement
from engine.store.postgres import PostgresStore
from engine.store.sqlite import SqliteStore
from engine.store.work import Checkpoint
from tests.engine.store.rows import AT, COMPANY, LATER, REFUSED

NOW = from_iso(AT)


def test_numbers_are_given_out_once(store: Store) -> None:
    with store.write() as tx:
        assert [take_number(tx, "a"), take_number(tx, "a", 5), take_number(tx, "a"), take_number(tx, "b")] == [
            1,
            2,
            7,
            1,
        ]
    with pytest.raises(ZeroDivisionError), store.write() as tx:
        take_number(tx, "a", 100)
        raise ZeroDivisionError
    with store.write() as tx:
        assert take_number(tx, "a") == 8


def test_a_run_from_beginning_to_end(store: Store) -> None:
    with store.write() as tx:
        assert work.begin_run(tx, COMPANY, "flow", AT, "here:1") == 1
        assert work.begin_run(tx, COMPANY, "other", AT) == 2
        work.finish_run(tx, 1, "done", {"bills": {"read": 3}}, LATER)
        rows = [dict(row) for row in tx.rows("runs_recent", {"company": COMPANY, "flow": "", "limit": 9})]
    assert rows == [
        {
            "id": 2, "company": COMPANY, "flow": "other", "started_at": AT, "ended_at": None, "outcome": "running",
            "counts": "{}", "posted": 0, "problems": "[]", "steps": "[]", "process": "",
        },
        {
            "id": 1, "company": COMPANY, "flow": "flow", "started_at": AT, "ended_at": LATER, "outcome": "done",
            "counts": '{"bills": {"read": 3}}', "posted": 0, "problems": "[]", "steps": "[]",
            "process": "here:1",
        },
    ]  # fmt: skip


def test_checkpoints(store: Store) -> None:
    with store.write() as tx:
        assert work.checkpoint(tx, COMPANY, "flow", "shop/bills?") is None
        for kept in (Checkpoint("mark-1", frozenset({"b", "a"}), AT), Checkpoint("mark-2", frozenset({"a"}), LATER)):
            work.put_checkpoint(tx, COMPANY, "flow", "shop/bills?", kept)
            assert work.checkpoint(tx, COMPANY, "flow", "shop/bills?") == kept
        assert work.checkpoint(tx, COMPANY, "flow", "shop/bills?ready=True") is None
        assert work.checkpoint(tx, COMPANY, "other", "shop/bills?") is None


def test_an_alert_is_open_once_and_counted(store: Store) -> None:
    def seen() -> list[tuple[str, str, int, str, str]]:
        with store.read() as tx:
            rows = work.alerts(tx, COMPANY)
            return [(r["kind"], r["message"], r["times"], r["first_at"], r["last_at"]) for r in rows]

    with store.write() as tx:
        work.raise_alert(tx, COMPANY, work.Alert("failed", "s", "one", "h"), AT)
        work.raise_alert(tx, COMPANY, work.Alert("failed", "s", "two", "h"), LATER)
        work.raise_alert(tx, COMPANY, work.Alert("deferred", "s", "three"), AT)
    assert seen() == [("failed", "two", 2, AT, LATER), ("deferred", "three", 1, AT, AT)]
    with store.write() as tx:
        work.resolve_alerts(tx, COMPANY, [("failed", "other"), ("failed", "s")], LATER)
        work.resolve_alerts(tx, COMPANY, [], LATER)
        work.resolve_alert(tx, COMPANY, "failed", "s", LATER)
    assert seen() == [("deferred", "three", 1, AT, AT)]
    with store.write() as tx:
        work.raise_alert(tx, COMPANY, work.Alert("failed", "s", "again"), LATER)
    assert seen() == [("deferred", "three", 1, AT, AT), ("failed", "again", 1, LATER, LATER)]


def test_the_schedule(store: Store) -> None:
    def due(at: str, *streams: str) -> tuple[str, ...]:
        with store.write() as tx:
            return work.due_streams(tx, COMPANY, "flow", streams or ("a", "b"), at)

    assert due(AT) == ("a", "b")  # what was never read is due at once
    with store.write() as tx:
        work.schedule(tx, COMPANY, "flow", "a", LATER)
        work.schedule(tx, COMPANY, "flow", "b", LATER)
    assert due(AT) == ()
    assert due(LATER) == ("a", "b")
    with store.write() as tx:
        work.sooner(tx, COMPANY, "flow", "b", AT)
        work.sooner(tx, COMPANY, "flow", "a", "2026-03-02T16:00:00.000000Z")  # later is not sooner
        work.sooner(tx, COMPANY, "flow", "new", AT)
    assert due(AT) == ("b",)
    assert due(AT, "a", "new") == ("new",)
    assert due(LATER) == ("b", "a")  # what waits longest goes first
    assert due(LATER, "c") == ("c",)  # a stream that the flow has no more is not read
    with store.write() as tx:
        work.schedule(tx, COMPANY, "flow", "a", LATER)
        work.schedule(tx, COMPANY, "flow", "b", "2026-04-11T14:00:00.000000Z")
        names = ("a", "b")
        assert work.due_streams(tx, COMPANY, "flow", names, AT, "2026-04-11T14:00:00.000000Z") == ()
        # A clock that was ahead put it off.
        assert work.due_streams(tx, COMPANY, "flow", names, AT, "2026-03-02T20:00:00.000000Z") == ("b",)


def test_a_visit_makes_due_what_was_read_too_long_ago(store: Store) -> None:
    def visited(at: str, *streams: str) -> tuple[bool, tuple[str, ...]]:
        with store.write() as tx:
            for stream in ("a", "b"):
                work.due_streams(tx, COMPANY, "flow", (stream,), AT)
                work.schedule(tx, COMPANY, "flow", stream, "2026-03-09T14:00:00.000000Z")
            made = work.visited(tx, COMPANY, "flow", dict.fromkeys(streams, 300), from_iso(at))
            return made, work.due_streams(tx, COMPANY, "flow", ("a", "b"), at)

    assert visited(AT, "a") == (True, ("a",))  # it was never read
    with store.write() as tx:
        work.reading(tx, COMPANY, "flow", ("a", "c"), AT)
        work.reading(tx, COMPANY, "other", ("b",), AT)
    assert visited("2026-03-02T14:04:59.999999Z", "a") == (False, ())
    assert visited("2026-03-02T14:05:00.000000Z", "a") == (True, ("a",))
    assert visited("2026-03-02T14:01:00.000000Z", "a", "b") == (True, ("b",))
    assert visited("2026-03-02T14:01:00.000000Z") == (False, ())
    assert visited("2026-03-02T13:59:59.999999Z", "a") == (True, ("a",))  # the clock was ahead when it was read


def test_one_open_session_a_company(store: Store) -> None:
    def opened(ticket: str, company: str = COMPANY) -> dict[str, object]:
        return {"ticket_hash": ticket, "company": company, "state": "{}", "at": AT}

    with store.write() as tx:
        tx.run("session_insert", opened("t-1"))
        tx.run("session_insert", opened("z-1", "zeta"))
    with pytest.raises(REFUSED), store.write() as tx:
        tx.run("session_insert", opened("t-2"))
    with store.write() as tx:
        assert tx.run("session_close", {"ticket_hash": "t-1", "at": LATER}) == 1
        assert tx.run("session_close", {"ticket_hash": "t-1", "at": LATER}) == 0
        tx.run("session_insert", opened("t-2"))
        assert tx.run("session_save", {"ticket_hash": "t-1", "state": "{}", "at": LATER}) == 0
        assert tx.one("session_get", {"ticket_hash": "t-1"}) is None
    with pytest.raises(REFUSED), store.write() as tx:
        tx.run("sessions_close_of", {"company": COMPANY})
        tx.run("session_insert", opened("t-1"))  # a ticket is used once


def test_a_lease_has_one_holder_until_it_ends(store: Store) -> None:
    with store.write() as tx:
        assert work.lease_holder(tx, "x") is None
        assert work.take_lease(tx, "x", "one", NOW, 60) == 1
        assert work.take_lease(tx, "x", "two", NOW, 60) is None
        assert work.take_lease(tx, "y", "two", NOW, 60) == 1
        assert work.take_lease(tx, "x", "one", NOW, 90) == 2  # prolonged, with a new number
        assert work.take_lease(tx, "x", "two", NOW + timedelta(seconds=90), 60) is None
        assert work.take_lease(tx, "x", "two", NOW + timedelta(seconds=91), 60) == 3
        assert work.lease_holder(tx, "x") == "two"
        work.release_lease(tx, "x", "one")  # not its own any more
        assert work.take_lease(tx, "x", "one", NOW + timedelta(seconds=91), 60) is None
        work.release_lease(tx, "x", "two")
        assert work.take_lease(tx, "x", "one", NOW + timedelta(seconds=91), 60) == 4


def test_a_lease_is_held_on_to_while_nobody_has_taken_it(store: Store) -> None:
    later = NOW + timedelta(seconds=61)
    with store.write() as tx:
        assert not work.hold_lease(tx, "x", ("one", 1), NOW, 60)  # there is none
        assert work.take_lease(tx, "x", "one", NOW, 60) == 1
        assert work.hold_lease(tx, "x", ("one", 1), later, 60)  # late, and nobody was faster
        assert not work.hold_lease(tx, "x", ("one", 1), later, 60)  # its number is 2 now
        assert not work.hold_lease(tx, "x", ("two", 2), later, 60)
        assert work.take_lease(tx, "x", "two", later, 60) is None
        assert work.hold_lease(tx, "x", ("one", 2), later, 60)
        assert work.take_lease(tx, "x", "two", later + timedelta(seconds=61), 60) == 4
        assert not work.hold_lease(tx, "x", ("one", 3), later, 60)


def test_of_many_threads_one_gets_the_lease(store: Store) -> None:
    got: list[tuple[int, int]] = []

    def ask(number: int) -> None:
        with store.write() as tx:
            fence = work.take_lease(tx, "x", f"holder-{number}", NOW, 60)
        if fence is not None:
            got.append((number, fence))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [fence for _, fence in got] == [1]


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.booleans()), max_size=20))
def test_a_lease_is_never_held_by_two(steps: list[tuple[str, int, bool]]) -> None:
    store = SqliteStore(None)
    try:
        now, held, until, fences = NOW, "", NOW, [0]
        for holder, seconds, release in steps:
            now += timedelta(seconds=seconds)
            with store.write() as tx:
                if release:
                    work.release_lease(tx, "x", holder)
                    if holder == held:
                        held = ""
                    continue
                fence = work.take_lease(tx, "x", holder, now, 30)
            free = not held or held == holder or until < now
            assert (fence is not None) == free
            if fence is not None:
                held, until = holder, now + timedelta(seconds=30)
                fences.append(fence)
        assert fences == sorted(set(fences))
    finally:
        store.close()


def test_every_statement_is_named_once_and_sound(store: Store) -> None:
    """Each statement compiles against the newest schema: a name that no column has would show here."""
    if isinstance(store, PostgresStore):
        with store.plain() as connection:
            for name in statements("postgres"):
                text = statement(name).text
                given = [None] * text.count("%s") if "%s" in text else dict.fromkeys(re.findall(r"%\((\w+)\)s", text))
                connection.execute(f"EXPLAIN {text}".encode(), given)
        return
    assert isinstance(store, SqliteStore)
    for name, text in statements().items():
        marks = text.count("?")
        values: object = [None] * marks if marks else dict.fromkeys(_names(text))
        store.connection.execute(f"EXPLAIN {text}", values)  # type: ignore[arg-type]
        assert text, name


def _names(text: str) -> set[str]:
    return set(re.findall(r"(?<!:):(\w+)", text))
