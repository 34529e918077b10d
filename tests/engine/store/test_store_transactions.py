"""Transactions: all or nothing, one after the other, nested ones part of the one around them."""

from __future__ import annotations

import threading

import pytest

from engine.errors import Bug
from engine.store import companies
from engine.store.base import Store, Tx
from tests.engine.store.rows import AT, REFUSED


class Stop(Exception):
    pass


def names(store: Store) -> tuple[str, ...]:
    with store.read() as tx:
        return companies.names(tx)


def put(tx: Tx, name: str) -> None:
    companies.add(tx, name, name, AT)


def test_a_block_that_ends_commits(store: Store) -> None:
    with store.write() as tx:
        put(tx, "a")
    assert names(store) == ("a",)


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_leaves_nothing(store: Store, error: type[BaseException]) -> None:
    with pytest.raises(error), store.write() as tx:
        put(tx, "a")
        raise error
    assert names(store) == ()
    with store.write() as tx:
        put(tx, "b")
    assert names(store) == ("b",)


def test_a_nested_block_commits_with_the_one_around_it(store: Store) -> None:
    with store.write() as outer:
        put(outer, "a")
        with store.write() as inner:
            put(inner, "b")
        with store.read() as inner:
            assert companies.names(inner) == ("a", "b")
        with store.write() as inner, store.write() as innermost:
            put(innermost, "c")
            put(inner, "d")
    assert names(store) == ("a", "b", "c", "d")


def test_a_nested_block_is_rolled_back_with_the_one_around_it(store: Store) -> None:
    with pytest.raises(Stop), store.write() as outer:
        put(outer, "a")
        with store.write() as inner:
            put(inner, "b")
        raise Stop
    assert names(store) == ()


def test_an_error_in_a_nested_block_rolls_back_the_whole(store: Store) -> None:
    with pytest.raises(Stop), store.write() as outer:
        put(outer, "a")
        with store.write() as inner:
            put(inner, "b")
            raise Stop
    assert names(store) == ()
    with store.write() as tx:
        put(tx, "c")
    assert names(store) == ("c",)


def test_a_refused_row_rolls_back_the_whole(store: Store) -> None:
    with pytest.raises(REFUSED), store.write() as tx:
        put(tx, "a")
        companies.put_setting(tx, "nobody", "flow", "a", 1)
    assert names(store) == ()


def test_a_generator_that_is_dropped_inside_a_nested_read_leaves_the_transaction_alone(store: Store) -> None:
    with store.write() as tx:
        put(tx, "a")
        with store.read() as inner:
            next(iter(inner.rows("companies_all", {})))
        put(tx, "b")
    assert names(store) == ("a", "b")


def test_a_reader_in_a_reader(store: Store) -> None:
    with store.write() as tx:
        put(tx, "a")
    with store.read() as outer:
        with store.read() as inner:
            assert companies.names(inner) == ("a",)
        assert companies.names(outer) == ("a",)


def test_a_write_inside_a_read_is_refused_because_it_would_be_lost(store: Store) -> None:
    with pytest.raises(Bug) as caught, store.read(), store.write() as tx:
        put(tx, "a")
    assert str(caught.value) == "a write inside a read would be rolled back with it"
    assert names(store) == ()
    with store.write() as tx:
        put(tx, "b")
    assert names(store) == ("b",)


def test_threads_never_see_half_a_transaction(store: Store) -> None:
    seen: list[int] = []
    begun = threading.Event()

    def write() -> None:
        for number in range(5):
            with store.write() as tx:
                put(tx, f"x-{number}")
                begun.set()
                put(tx, f"y-{number}")

    def read() -> None:
        begun.wait(10)
        for _ in range(20):
            seen.append(len(names(store)))

    threads = [threading.Thread(target=write), threading.Thread(target=read), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(seen) == 40
    assert [number for number in seen if number % 2] == []
    assert len(names(store)) == 10


def test_threads_take_turns_at_reading_and_changing(store: Store) -> None:
    """Read, add, write: no addition is lost, whatever threads do in between."""

    def add_one() -> None:
        for _ in range(10):
            with store.write() as tx:
                found = companies.settings(tx, "a", "flow").get("n", 0)
                companies.put_setting(tx, "a", "flow", "n", int(found) + 1)

    with store.write() as tx:
        put(tx, "a")
    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    with store.read() as tx:
        assert companies.settings(tx, "a", "flow") == {"n": 40}


def test_what_a_statement_answers(store: Store) -> None:
    with store.write() as tx:
        put(tx, "a")
        put(tx, "b")
        tx.many("wait_add", [])
        assert tx.run("identity_delete", {"company": "a"}) == 0
        assert [row["company"] for row in tx.rows("companies_all", {})] == ["a", "b"]
        first = tx.one("companies_all", {})
        assert first is not None
        assert first["company"] == "a"
        assert tx.one("company_get", {"company": "c"}) is None
        with pytest.raises(KeyError):
            tx.run("no_such_statement", {})
