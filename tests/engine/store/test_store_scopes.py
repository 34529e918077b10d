"""What a transaction says that it touches, and that it touches no more."""

from __future__ import annotations

import threading

import pytest

from engine.errors import Bug
from engine.store import companies, facts
from engine.store.base import HOUSE, Store, lease_of, limit_of
from tests.engine.kit import AT


@pytest.fixture
def store(store: Store) -> Store:
    with store.write() as tx:
        companies.add(tx, "acme", "Acme", AT)
        companies.add(tx, "other", "Other", AT)
    return store


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ((), ()),
        ((), ("acme",)),
        ((), (limit_of("ramp"),)),
        (("acme",), ("acme",)),
        (("acme", HOUSE), (HOUSE,)),
        (("acme", "other"), ("other", "acme")),
    ],
)
def test_a_block_may_touch_what_the_outer_one_said(
    store: Store, outer: tuple[str, ...], inner: tuple[str, ...]
) -> None:
    with store.write(*outer), store.write(*inner), store.read(*inner):
        pass
    with store.read(*outer), store.read(*inner):
        pass


@pytest.mark.parametrize(
    ("outer", "inner", "message"),
    [
        (("acme",), (), "a transaction of the whole house inside one of `acme`"),
        (("acme",), ("other",), "a transaction of `other` inside one of `acme`"),
        (("acme",), ("acme", HOUSE), "a transaction of `acme`, `` inside one of `acme`"),
        ((HOUSE,), ("acme",), "a transaction of `acme` inside one of ``"),
        ((limit_of("ramp"),), ("acme",), "a transaction of `acme` inside one of `limit:ramp`"),
        ((lease_of("alerts"),), (), "a transaction of the whole house inside one of `lease:alerts`"),
    ],
)
def test_a_block_may_touch_no_more_than_the_outer_one_said(
    store: Store, outer: tuple[str, ...], inner: tuple[str, ...], message: str
) -> None:
    for begin in (store.write, store.read):
        for deeper in (begin, store.read):
            with pytest.raises(Bug) as caught, begin(*outer), deeper(*inner):
                pass
            assert str(caught.value) == message
    with store.read("acme"):  # nothing is left behind
        pass


def test_a_statement_is_of_a_company_that_was_named(store: Store) -> None:
    with store.write("acme", HOUSE) as tx:
        facts.remember(tx, "acme", AT, "pace", {"batch": 1})
        facts.remember(tx, HOUSE, AT, "house", {"zone": "UTC"})
        assert facts.recall(tx, "acme", "pace") == {"batch": 1}
        for touch in (
            lambda: facts.remember(tx, "other", AT, "pace", {}),
            lambda: facts.recall(tx, "other", "pace"),
            lambda: companies.connections(tx, "other"),
        ):
            with pytest.raises(Bug, match=r"^\w+ touches rows of another company than its transaction said$"):
                touch()
    with store.write(lease_of("alerts")) as tx, pytest.raises(Bug):
        facts.recall(tx, HOUSE, "house")
    with store.read() as tx:
        assert facts.recall(tx, "other", "pace") is None
        assert facts.recall(tx, "acme", "pace") == {"batch": 1}


def test_what_was_said_ends_with_the_transaction(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write("acme"):
        raise ZeroDivisionError
    with store.write("other") as tx:
        facts.remember(tx, "other", AT, "pace", {})
    with pytest.raises(Bug), store.write("acme") as tx:
        facts.recall(tx, "other", "pace")


def test_another_thread_says_its_own(store: Store) -> None:
    problems: list[BaseException] = []

    def work(company: str) -> None:
        try:
            for number in range(200):
                with store.write(company) as tx, store.read(company):
                    facts.remember(tx, company, AT, "pace", {"batch": number})
        except BaseException as error:  # noqa: BLE001 - told by the test
            problems.append(error)

    threads = [threading.Thread(target=work, args=(company,)) for company in ("acme", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
