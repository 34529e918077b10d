"""Whose turn it is on a store file: those who wait come before who has just been there, threads and processes alike."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from engine.store import companies, inturn
from engine.store.inturn import MOST_PASSED, InTurn, Turns
from engine.store.patience import is_patient, patient
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


def waiting(lock: InTurn) -> int:
    return len(lock._waiting) + len(lock._patient)


def test_who_is_patient_comes_after_those_who_are_not_and_yet_after_so_many() -> None:
    lock, order = InTurn(), list[str]()

    def work(name: str) -> None:
        if name == "patient":
            with patient(), lock:
                order.append(name)
        else:
            with lock:
                order.append(name)

    names = ["patient", *(f"call {number}" for number in range(MOST_PASSED + 2)), "patient"]
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    with lock:
        wanted = [lock.is_wanted]
        for number, thread in enumerate(threads, 1):
            thread.start()
            until(lambda: waiting(lock) == number)  # noqa: B023 - it is over before the next one
            wanted.append(lock.is_wanted)
    assert wanted == [False, False, *[True] * (len(names) - 1)]
    for thread in threads:
        thread.join()
    calls = names[1:-1]
    assert order == [*calls[:MOST_PASSED], "patient", *calls[MOST_PASSED:], "patient"]
    assert not lock.is_wanted


def test_only_what_is_done_inside_is_patient_and_no_other_thread() -> None:
    seen = [is_patient()]
    with patient():
        seen.append(is_patient())
        thread = threading.Thread(target=lambda: seen.append(is_patient()))
        thread.start()
        thread.join()
    assert [*seen, is_patient()] == [False, True, False, False]


class _Called(Exception):
    """A signal came."""


@pytest.mark.parametrize("way", [nullcontext, patient])
def test_who_gives_up_waiting_keeps_nobody_from_it(way: Callable[[], AbstractContextManager[None]]) -> None:
    """A signal ends the waiting of the main thread."""
    lock, done = InTurn(), threading.Event()

    def hold() -> None:
        with lock:
            until(lambda: waiting(lock) == 1)
            signal.pthread_kill(int(threading.main_thread().ident or 0), signal.SIGUSR1)
            done.wait(60)

    def called(_number: int, _frame: object) -> None:
        raise _Called

    before = signal.signal(signal.SIGUSR1, called)
    try:
        thread = threading.Thread(target=hold)
        thread.start()
        until(lambda: lock._owner != 0)
        with pytest.raises(_Called), way():
            lock.acquire()
        assert waiting(lock) == 0
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


def test_who_is_patient_lets_one_pass_that_came_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inturn, "_STILL", 1_000_000)
    path, order = tmp_path / "flowctl.db", list[str]()
    one, other, third = (Turns(path, 60.0, 60.0) for _ in range(3))

    def work(turns: Turns, name: str, is_hurried: Callable[[], bool] | None = None) -> None:
        turns.take(is_hurried)
        order.append(name)
        turns.give()

    one.take()
    later = threading.Thread(target=work, args=(other, "patient", lambda: False))
    later.start()
    until(lambda: is_locked(tmp_path / "flowctl.db-later"))
    call = threading.Thread(target=work, args=(third, "a call"))
    call.start()
    until(lambda: is_locked(tmp_path / "flowctl.db-next"))
    one.give()
    call.join()
    later.join()
    assert order == ["a call", "patient"]
    for turns in (one, other, third):
        turns.close()


@pytest.mark.parametrize("why", ["it is hurried", "it has waited long enough", "the other stands still"])
def test_who_is_patient_lets_others_pass_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """Somebody is next all the time; whoever is in the background has its turn as soon as it may."""
    path = tmp_path / "flowctl.db"
    one = Turns(path, 60.0, 0.01 if why == "it has waited long enough" else 60.0)
    if why != "the other stands still":
        monkeypatch.setattr(inturn, "_STILL", 1_000_000)
    with (tmp_path / "flowctl.db-next").open("w") as place:
        fcntl.flock(place, fcntl.LOCK_EX)
        one.take(lambda: why == "it is hurried")
        assert is_locked(tmp_path / "flowctl.db-turn")
        assert not is_locked(tmp_path / "flowctl.db-later")
    one.give()
    one.close()


def test_work_in_the_background_lets_a_call_of_another_process_write_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inturn, "_STILL", 1_000_000)
    path = tmp_path / "flowctl.db"
    one, other, third = (SqliteStore(path) for _ in range(3))
    order: list[str] = []

    def work(store: SqliteStore, name: str) -> None:
        with patient() if name == "patient" else nullcontext(), store.write():
            order.append(name)

    threads = [threading.Thread(target=work, args=each) for each in ((other, "patient"), (third, "a call"))]
    for store in (one, other, third):
        assert store._turns is not None
        store._turns._stand_back_s = 60.0
    with one.write():
        for thread, place in zip(threads, ("later", "next"), strict=True):
            thread.start()
            until(lambda: is_locked(tmp_path / f"flowctl.db-{place}"))  # noqa: B023 - it is over before the next one
    for thread in threads:
        thread.join()
    assert order == ["a call", "patient"]
    for store in (one, other, third):
        store.close()


def test_work_in_the_background_does_not_keep_a_call_of_its_own_process_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the process's one connection while it lets others pass."""
    monkeypatch.setattr(inturn, "_STILL", 1_000_000)
    path = tmp_path / "flowctl.db"
    store, order = SqliteStore(path), list[str]()
    assert store._turns is not None
    assert store._in_turn is not None
    store._turns._stand_back_s = 60.0

    def work(name: str) -> None:
        with patient() if name == "patient" else nullcontext(), store.write():
            order.append(name)

    with (tmp_path / "flowctl.db-next").open("w") as place:
        fcntl.flock(place, fcntl.LOCK_EX)  # a process that is next, and never comes
        later = threading.Thread(target=work, args=("patient",))
        later.start()
        until(lambda: (tmp_path / "flowctl.db-later").exists() and is_locked(tmp_path / "flowctl.db-later"))
        assert order == []
        call = threading.Thread(target=work, args=("a call",))
        call.start()
        later.join()
    call.join()
    assert order == ["patient", "a call"]
    store.close()


@pytest.mark.parametrize("where", ["this process", "another process"])
def test_work_in_the_background_learns_that_a_call_waits_for_it(tmp_path: Path, where: str) -> None:
    path = tmp_path / "flowctl.db"
    one, other = SqliteStore(path), SqliteStore(path)

    def call() -> None:
        with (one if where == "this process" else other).write():
            pass

    def waited_for() -> bool:
        if where == "this process":
            return one._in_turn is not None and one._in_turn.is_wanted
        return is_locked(tmp_path / "flowctl.db-next")

    thread = threading.Thread(target=call)
    with patient(), one.write():
        pass
    assert (one.is_wanted(), other.is_wanted()) == (False, False)
    with one.write():  # one call waits for another
        thread.start()
        until(waited_for)
    thread.join()
    assert not one.is_wanted()
    thread = threading.Thread(target=call)
    with patient(), one.write():
        thread.start()
        until(waited_for)
    thread.join()
    assert (one.is_wanted(), other.is_wanted()) == (True, False)
    one._wanted_at -= 60.0  # a minute later
    assert not one.is_wanted()
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


def test_work_in_the_background_that_stands_behind_others_of_its_kind_goes_with_the_calls_once_one_waits_for_it(
    tmp_path: Path,
) -> None:
    turns = Turns(tmp_path / "flowctl.db", 60.0, 60.0)
    with (tmp_path / "flowctl.db-later").open("w") as place:
        fcntl.flock(place, fcntl.LOCK_EX)  # another process in the background, which lets others pass
        asked = iter([False, False, True])
        turns.take(lambda: next(asked))
        assert is_locked(tmp_path / "flowctl.db-turn")
    turns.give()
    assert not is_locked(tmp_path / "flowctl.db-turn")
    turns.close()


def test_locks_that_the_system_refuses_later_on_hold_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file system of a network does when its server is gone for a while."""
    store = SqliteStore(tmp_path / "flowctl.db")

    def refused(*_given: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with patient(), store.write("one") as tx:
        companies.add(tx, "one", "one", AT)
        monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.undo()
    with patient(), store.write("two") as tx:
        companies.add(tx, "two", "two", AT)
    with store.read() as tx:
        assert sorted(companies.names(tx)) == ["one", "two"]
    other = SqliteStore(tmp_path / "flowctl.db", busy_s=0.1)
    with other.write("three") as tx:
        companies.add(tx, "three", "three", AT)
    other.close()
    store.close()


def test_who_is_interrupted_while_it_looks_who_waits_keeps_nothing_and_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "flowctl.db")

    def interrupted(_self: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt), patient(), store.write("one") as tx:
        companies.add(tx, "one", "one", AT)
        patched.setattr(Turns, "is_wanted", property(interrupted))
    with store.write("two") as tx:
        companies.add(tx, "two", "two", AT)
    with store.read() as tx:
        assert list(companies.names(tx)) == ["two"]
    store.close()
