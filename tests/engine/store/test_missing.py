"""What records miss, grouped: counted from the index alone, gone when they go on, and known of stores from before."""

from __future__ import annotations

import pytest

from engine.store import companies, missing, records, sqlite
from engine.store.base import statements
from engine.store.missing import Missing
from engine.store.records import Intake, Move, NewRecord, Place, Reason
from engine.store.sqlite import SqliteStore

AT = "2026-03-02T14:00:00.000000Z"
FLOW = "shop_to_ledger"


def gap(lookup: str, key: str, label: str, code: str = "unmapped") -> Reason:
    keys = tuple(f"mapping:{lookup}:{each}" for each in dict.fromkeys((key, label)))
    return Reason(code, f"the {lookup} `{label}` is missing", "", (*keys, f"list:{lookup}"))


def deferred(store: SqliteStore, company: str, **reasons: tuple[Reason, ...]) -> None:
    """Records that wait, by source id, each of 10.10 EUR."""
    new = [
        NewRecord(Intake(name, "{}", "0" * 64, "10.10", "EUR"), "deferred", given) for name, given in reasons.items()
    ]
    with store.write() as tx:
        companies.add(tx, company, company, AT)
        records.insert(tx, Place(company, FLOW, "bills", "post"), 1, AT, "test", new)


def fill(store: SqliteStore) -> None:
    vendor, account = gap("vendor", "v:1", "Acme: Ltd"), gap("account", "Rent", "Rent", "ambiguous")
    uncoded = Reason("uncoded", "no account is given")
    posted = Reason("not_posted", "the vendor is being created", "", ("mapping:vendor:v-9", "list:Vendor"))
    deferred(store, "acme", a=(vendor, account), b=(vendor,), c=(uncoded,), d=(posted,))
    deferred(store, "other", a=(gap("vendor", "v:1", "Somebody"),))


FOUND = [
    Missing(FLOW, "vendor", "v:1", "Acme: Ltd", 2, 1),
    Missing(FLOW, "account", "Rent", "Rent", 1, 1),
]


@pytest.fixture
def store() -> SqliteStore:
    made = SqliteStore(None)
    fill(made)
    return made


def test_groups(store: SqliteStore) -> None:
    with store.read() as tx:
        assert missing.groups(tx, "acme") == FOUND
        assert missing.group(tx, "acme", FLOW, "vendor", "v:1") == FOUND[0]
        # Its label wakes it, and is no gap of its own.
        assert missing.group(tx, "acme", FLOW, "vendor", "Acme: Ltd") is None
        assert missing.amounts(tx, "acme", FOUND[0], 10) == [("EUR", "10.10"), ("EUR", "10.10")]
        assert missing.amounts(tx, "acme", FOUND[0], 1) == [("EUR", "10.10")]
        assert [row["source_id"] for row in missing.records(tx, "acme", FOUND[0], 0, 10)] == ["a", "b"]
        assert [row["source_id"] for row in missing.records(tx, "acme", FOUND[0], 1, 10)] == ["b"]
    store.close()


def test_what_goes_on_misses_nothing(store: SqliteStore) -> None:
    with store.write() as tx:
        row = tx.one("record_get", {"id": 1})
        assert row is not None
        records.move(tx, "acme", AT, "test", [Move(row, "pending", "woken")])
        assert missing.groups(tx, "acme") == [Missing(FLOW, "vendor", "v:1", "Acme: Ltd", 1, 2)]
        row = tx.one("record_get", {"id": 1})
        assert row is not None
        records.move(tx, "acme", AT, "test", [Move(row, "deferred", "deferred", (gap("account", "Rent", "Rent"),))])
        assert missing.groups(tx, "acme") == [
            Missing(FLOW, "account", "Rent", "Rent", 1, 1),
            Missing(FLOW, "vendor", "v:1", "Acme: Ltd", 1, 2),
        ]
    store.close()


def test_the_groups_are_counted_from_the_index_alone(store: SqliteStore) -> None:
    for name in ("missing_groups", "missing_group"):
        scope = {"company": "acme", "flow": FLOW, "wait_key": "mapping:vendor:v:1"}
        plan = store._connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", scope).fetchall()
        assert [str(row["detail"]).partition(" (")[0] for row in plan] == [
            "SEARCH waits USING COVERING INDEX waits_missing"
        ], name
    store.close()


def test_a_store_from_before_knows_what_its_records_miss(store: SqliteStore) -> None:
    """The migration fills in what a run would have written."""
    (scripts,) = [scripts for _, scripts in sqlite._migrations() if any("waits_missing" in each for each in scripts)]
    refill = next(each for each in scripts if "UPDATE waits" in each)
    connection = store._connection
    before = [tuple(row) for row in connection.execute("SELECT * FROM waits ORDER BY record_id, wait_key")]
    connection.execute("UPDATE waits SET flow = '', label = ''")
    with store.read() as tx:
        assert missing.groups(tx, "acme") == []
    for statement in sqlite._split(refill):
        connection.execute(statement)
    assert [tuple(row) for row in connection.execute("SELECT * FROM waits ORDER BY record_id, wait_key")] == before
    with store.read() as tx:
        assert missing.groups(tx, "acme") == FOUND
    store.close()
