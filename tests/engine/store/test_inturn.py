"""Whose turn it is on a store file: those who wait come before who has just been there, threads and processes alike."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.store import companies
from engine.store.inturn import InTurn, Turns
from engine.store.sqlite import SqliteStore
from tests.engine.store.rows import AT


def until(is_so: Callable[[], bool]) -> None:
    """Wait for another thread to come so far."""
    tick = threading.Event()
    while not is_so():
        tick.wait(0.001)


# --- threads


def test_those_who_wait_come_first_and_in_their_order() -> None:
    lock, order = InTurn(), list[str]()

    def work(name: str) -> None:
        with lock:
            order.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    with lock:
        for number, thread in enumerate(threads, 1):
            thread.start()
            until(lambda: len(lock._waiting) == number)  # noqa: B023 - it is over before the next one
    work("the one who had it")
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "c", "the one who had it"]


def test_who_has_it_may_take_it_again() -> None:
    lock, others = InTurn(), list[bool]()

    def other() -> None:
        with lock:
            others.append(True)

    with lock:
        with lock:
            pass
        thread = threading.Thread(target=other)
        thread.start()
        until(lambda: len(lock._waiting) == 1)
        assert others == []
    thread.join()
    assert others == [True]


class _Called(Exception):
    """A signal came."""


def test_who_gives_up_waiting_keeps_nobody_from_it() -> None:
    """A signal ends the waiting of the main thread."""
    lock, done = InTurn(), threading.Event()

    def hold() -> None:
        with lock:
            until(lambda: len(lock._waiting) == 1)
            signal.pthread_kill(int(threading.main_thread().ident or 0), signal.SIGUSR1)
            done.wait(60)

    def called(_number: int, _frame: object) -> None:
        raise _Called

    before = signal.signal(signal.SIGUSR1, called)
    try:
        thread = threading.Thread(target=hold)
        thread.start()
        until(lambda: lock._owner != 0)
        with pytest.raises(_Called):
            lock.acquire()
        assert len(lock._waiting) == 0
    finally:
        signal.signal(signal.SIGUSR1, before)
        done.set()
    thread.join()
    with lock:
        pass


def test_who_gives_up_when_it_was_just_handed_over_hands_it_on() -> None:
    lock = InTurn()
    lock.acquire()
    lock._leave(threading.Lock(), threading.get_ident())
    assert lock._owner == 0


# --- processes


def is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def test_a_process_that_has_had_its_turn_stands_behind_one_that_waits(tmp_path: Path) -> None:
    path, order = tmp_path / "flowctl.db", list[str]()
    one, other = Turns(path, 60.0), Turns(path, 60.0)

    def waiting() -> None:
        other.take()
        order.append("who waited")
        other.give()

    one.take()
    thread = threading.Thread(target=waiting)
    thread.start()
    until(lambda: is_locked(tmp_path / "flowctl.db-next"))
    one.give()
    one.take()
    order.append("who had it")
    one.give()
    thread.join()
    assert order == ["who waited", "who had it"]
    one.close()
    other.close()


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    """A process that stands still with its turn keeps the others only so long: then SQLite decides."""
    path = tmp_path / "flowctl.db"
    one, other, third = Turns(path, 0.0), Turns(path, 0.0), Turns(path, 0.0)
    one.take()
    other.take()
    assert is_locked(tmp_path / "flowctl.db-turn")
    assert not is_locked(tmp_path / "flowctl.db-next")
    third.take()
    other.give()  # what was not had is not taken from who has it
    assert is_locked(tmp_path / "flowctl.db-turn")
    one.close()  # as the end of a process does it
    third.take()  # which has just waited in vain, and does not for a while
    assert not is_locked(tmp_path / "flowctl.db-turn")
    third._again_at = 0.0
    third.take()
    assert is_locked(tmp_path / "flowctl.db-turn")
    third.close()
    other.close()


def test_without_such_files_everybody_goes_as_sqlite_lets_him(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "nowhere" / "flowctl.db", 60.0)
    turns.take()
    turns.give()
    turns.close()
    assert list(tmp_path.iterdir()) == []


def test_where_the_system_refuses_such_locks_everybody_goes_as_sqlite_lets_him(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refused(*given: int) -> None:
        asked.append(given)
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(fcntl, "flock", refused)
    store = SqliteStore(tmp_path / "flowctl.db")
    for code in ("one", "two", "three"):
        with store.write(code) as tx:
            companies.add(tx, code, code, AT)
    with store.read() as tx:
        assert sorted(companies.names(tx)) == ["one", "three", "two"]
    store.close()
    assert len(asked) == 1


def test_two_processes_on_one_store_write_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "flowctl.db"
    one, other = SqliteStore(path), SqliteStore(path)

    def add(store: SqliteStore, name: str) -> None:
        with store.write() as tx:
            companies.add(tx, name, name, f"{AT}{len(companies.names(tx))}")

    thread = threading.Thread(target=add, args=(other, "b"))
    with one.write() as tx:
        companies.add(tx, "c", "c", AT)
        thread.start()
        until(lambda: is_locked(tmp_path / "flowctl.db-next"))
    add(one, "a")
    thread.join()
    with one.read() as tx:
        rows = tx.rows("browse_companies", {"after": "", "limit": 9})
    assert [row["company"] for row in sorted(rows, key=lambda row: str(row["created_at"]))] == ["c", "b", "a"]
    # A transaction that is undone, or cannot begin, gives its turn back as well.
    with pytest.raises(ValueError, match="no"), one.write() as tx:
        raise ValueError("no")
    assert not is_locked(tmp_path / "flowctl.db-turn")
    one.close()
    other.close()
