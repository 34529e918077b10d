"""The journal only grows, and shows every line that was changed, dropped, swapped or cut off."""

from __future__ import annotations

import json

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.store import journal
from engine.store.base import Row, Store
from engine.store.journal import Broken, Entry
from engine.store.postgres import PostgresStore
from engine.store.sqlite import SqliteStore
from tests.engine.kit import count
from tests.engine.store.rows import AT, COMPANY, REFUSED
from tests.stores import raw

COLUMNS = (
    "company", "seq", "at", "event", "flow", "stream", "record_id", "source_id", "state_from", "state_to", "actor",
    "detail", "hash",
)  # fmt: skip


def entry(number: int) -> Entry:
    return Entry(f"e{number}", "flow", "bills", number, f"b-{number}", "pending", "posted", {"n": number})


@pytest.fixture
def written(store: Store) -> Store:
    """Five lines of one company, two of another."""
    with store.write() as tx:
        journal.append(tx, COMPANY, AT, "test", [entry(1), entry(2)])
        journal.append(tx, "zeta", AT, "test", [entry(1), entry(2)])
        journal.append(tx, COMPANY, AT, "test", [entry(3), entry(4), entry(5)])
        journal.append(tx, COMPANY, AT, "test", [])
    return store


def forge(store: Store, *statements: str) -> None:
    """Change the journal as one could who holds the file, or the superuser's password: without its triggers."""
    if isinstance(store, PostgresStore):
        with store.plain() as own:
            superuser = own.info.dsn.replace("user=flowctl", "user=postgres")
        with psycopg.connect(superuser, autocommit=True) as connection:
            for text in ("SET session_replication_role = replica", *statements):
                connection.execute(text.encode())
        return
    triggers = raw(store, "SELECT name FROM sqlite_master WHERE type = 'trigger'")
    raw(store, *(f"DROP TRIGGER {name}" for (name,) in triggers), *statements)


def verify(store: Store, company: str = COMPANY, page: int = 5000) -> Broken | None:
    with store.read() as tx:
        return journal.verify(tx, company, page=page)


@pytest.mark.parametrize("page", [1, 2, 5, 6])
def test_a_whole_journal_verifies_page_by_page(written: Store, page: int) -> None:
    assert verify(written, page=page) is None
    assert verify(written, "nobody", page) is None
    with written.read() as tx:
        assert [(line["seq"], line["event"]) for line in journal.lines(tx, COMPANY, after=2, page=page)] == [
            (3, "e3"), (4, "e4"), (5, "e5"),
        ]  # fmt: skip


def test_the_first_line_follows_from_nothing_and_every_other_from_the_one_before(written: Store) -> None:
    with written.read() as tx:
        lines = list(journal.lines(tx, COMPANY))
        assert len({line["hash"] for line in lines}) == 5
        assert dict(lines[2]) | {"hash": "", "detail": json.loads(lines[2]["detail"])} == {
            "company": "acme", "seq": 3, "at": AT, "event": "e3", "flow": "flow", "stream": "bills", "record_id": 3,
            "source_id": "b-3", "state_from": "pending", "state_to": "posted", "actor": "test", "detail": {"n": 3},
            "hash": "",
        }  # fmt: skip
        assert [dict(head) for head in tx.rows("journal_companies", {})] == [
            {"company": "acme", "seq": 5, "hash": lines[-1]["hash"]},
            {"company": "zeta", "seq": 2, "hash": list(journal.lines(tx, "zeta"))[-1]["hash"]},
        ]


CHANGES = (
    "UPDATE journal SET event = 'x' WHERE seq = 2",
    "DELETE FROM journal WHERE seq = 5",
    "UPDATE journal_heads SET hash = 'x' WHERE company = 'acme'",
    "UPDATE journal_heads SET company = 'x', seq = 9 WHERE company = 'acme'",
    "DELETE FROM journal_heads WHERE company = 'acme'",
    "INSERT INTO journal SELECT * FROM journal WHERE seq = 2",
)
SQLITE_CHANGES = (
    "INSERT OR REPLACE INTO journal SELECT * FROM journal WHERE seq = 2",
    "INSERT OR IGNORE INTO journal SELECT * FROM journal WHERE seq = 2",
    "UPDATE OR REPLACE journal_heads SET seq = 2 WHERE company = 'acme'",
    "INSERT OR REPLACE INTO journal_heads VALUES ('acme', 4, 'x')",
)
POSTGRES_CHANGES = (
    "TRUNCATE journal",
    "TRUNCATE journal_heads",
    "INSERT INTO journal SELECT * FROM journal WHERE seq = 2 ON CONFLICT DO NOTHING",
    "INSERT INTO journal_heads VALUES ('acme', 4, 'x') ON CONFLICT (company) DO UPDATE SET seq = excluded.seq",
)


def test_a_line_can_neither_be_changed_nor_deleted(written: Store) -> None:
    own = POSTGRES_CHANGES if isinstance(written, PostgresStore) else SQLITE_CHANGES
    for statement in (*CHANGES, *own):
        with pytest.raises(REFUSED) as caught:
            raw(written, statement)
        assert str(caught.value).splitlines()[0] == "the journal is append-only"
        assert verify(written) is None
        assert count(written, "journal") == 7


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in ("company", "seq")])
def test_a_changed_field_shows(written: Store, column: str) -> None:
    value = 99 if column == "record_id" else "'x'"
    forge(written, f"UPDATE journal SET {column} = {value} WHERE company = 'acme' AND seq = 3")
    assert verify(written) == Broken(COMPANY, 3, "the line was changed")
    assert verify(written, "zeta") is None


def test_a_record_id_taken_away_shows(written: Store) -> None:
    forge(written, "UPDATE journal SET record_id = NULL WHERE company = 'acme' AND seq = 1")
    assert verify(written) == Broken(COMPANY, 1, "the line was changed")


def test_a_changed_last_line_with_a_new_hash_shows_at_the_head(written: Store) -> None:
    with written.read() as tx:
        other = list(journal.lines(tx, "zeta"))[-1]["hash"]
    forge(written, f"UPDATE journal_heads SET hash = '{other}' WHERE company = 'acme'")
    assert verify(written) == Broken(COMPANY, 6, "the journal ends before line 5")


@pytest.mark.parametrize("seq", [1, 3, 4])
def test_a_dropped_line_shows(written: Store, seq: int) -> None:
    forge(written, f"DELETE FROM journal WHERE company = 'acme' AND seq = {seq}")
    assert verify(written) == Broken(COMPANY, seq, "the line is missing")


def test_a_dropped_line_shows_when_the_rest_moves_up(written: Store) -> None:
    forge(
        written,
        "DELETE FROM journal WHERE company = 'acme' AND seq = 3",
        "UPDATE journal SET seq = seq - 1 WHERE company = 'acme' AND seq > 3",
    )
    assert verify(written) == Broken(COMPANY, 3, "the line was changed")


def test_swapped_lines_show(written: Store) -> None:
    forge(
        written,
        "UPDATE journal SET seq = 30 WHERE company = 'acme' AND seq = 3",
        "UPDATE journal SET seq = 3 WHERE company = 'acme' AND seq = 4",
        "UPDATE journal SET seq = 4 WHERE company = 'acme' AND seq = 30",
    )
    assert verify(written) == Broken(COMPANY, 3, "the line was changed")


def test_a_line_of_another_company_shows(written: Store) -> None:
    forge(
        written,
        "DELETE FROM journal WHERE company = 'acme' AND seq = 2",
        "UPDATE journal SET company = 'acme' WHERE company = 'zeta' AND seq = 2",
    )
    assert verify(written) == Broken(COMPANY, 2, "the line was changed")
    assert verify(written, "zeta") == Broken("zeta", 2, "the journal ends before line 2")


def test_a_cut_tail_shows(written: Store) -> None:
    forge(written, "DELETE FROM journal WHERE company = 'acme' AND seq > 3")
    assert verify(written) == Broken(COMPANY, 4, "the journal ends before line 5")


def test_a_head_that_is_gone_shows(written: Store) -> None:
    forge(written, "DELETE FROM journal_heads WHERE company = 'acme'")
    assert verify(written) == Broken(COMPANY, 6, "the head that says where the journal ends is missing")


def test_an_added_line_shows(written: Store) -> None:
    columns = ", ".join(name for name in COLUMNS if name != "seq")
    forge(
        written,
        f"INSERT INTO journal (seq, {columns}) SELECT 6, {columns} FROM journal WHERE company = 'acme' AND seq = 5",
    )
    assert verify(written) == Broken(COMPANY, 6, "the line was changed")


def test_nothing_is_kept_of_a_transaction_that_fails(written: Store) -> None:
    class Stop(Exception):
        pass

    with pytest.raises(Stop), written.write() as tx:
        journal.append(tx, COMPANY, AT, "test", [entry(6)])
        raise Stop
    assert verify(written) is None
    assert count(written, "journal") == 7


def test_the_way_of_a_record(written: Store) -> None:
    def events(rows: list[Row]) -> list[tuple[str, str]]:
        return [(row["company"], row["event"]) for row in rows]

    with written.read() as tx:
        assert events(journal.of_record(tx, 4)) == [("acme", "e4")]
        assert events(journal.of_record(tx, 99)) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=15, deadline=None)
@given(
    details=st.lists(st.dictionaries(st.text(max_size=6), _JSON, max_size=3), min_size=1, max_size=6), data=st.data()
)
def test_any_detail_verifies_and_any_change_shows(details: list[dict[str, object]], data: st.DataObject) -> None:
    store = SqliteStore(None)
    try:
        with store.write() as tx:
            journal.append(tx, COMPANY, AT, "test", [Entry("e", detail=detail) for detail in details])
        assert verify(store) is None
        seq = data.draw(st.integers(1, len(details)))
        forge(store, f"UPDATE journal SET detail = detail || ' ' WHERE seq = {seq}")
        assert verify(store) == Broken(COMPANY, seq, "the line was changed")
    finally:
        store.close()
