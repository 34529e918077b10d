"""The embedded backend alone: its file, its migrations, and what becomes of SQLite's errors."""

from __future__ import annotations

import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from engine.errors import Bug, StoreBusy, StoreDamaged, StoreTooNew
from engine.store import companies, datasteps, journal, sqlite, work
from engine.store.base import statements
from engine.store.journal import Entry
from engine.store.sqlite import SqliteStore
from tests.engine.store.rows import AT, COMPANY

# Numbers as QuickBooks shows them.
REFERENCES = ("", "N-ABC", "N-\u00c9T\u00c9", "n-\u00e9t\u00e9", "STRASSE", "Stra\u00dfe \u0130", "\u0416-1")
SIGHTING = (
    "INSERT INTO sightings (company, target_id, kind, guid, reference, dated_on, edit_sequence, data, seen_at) "
    "VALUES (?, ?, 'Bill', '', ?, '', '1', '{}', '')"
)


@contextmanager
def opened(path: Path | None, busy_s: float = 0.02) -> Iterator[SqliteStore]:
    store = SqliteStore(path, busy_s=busy_s)
    try:
        yield store
    finally:
        store.close()


def schema(store: SqliteStore) -> list[str]:
    rows = store.connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name")
    return [row[0] for row in rows]


def asked_for(connection: sqlite3.Connection) -> list[int]:
    """Grows while SQLite prepares a statement: it asks its authorizer then, and at no other time."""
    asked: list[int] = []

    def ask(action: int, *_about: object) -> int:
        asked.append(action)
        return sqlite3.SQLITE_OK

    connection.set_authorizer(ask)
    return asked


def add(store: SqliteStore, name: str) -> None:
    with store.write() as tx:
        companies.add(tx, name, name, AT)


def names(store: SqliteStore) -> tuple[str, ...]:
    with store.read() as tx:
        return companies.names(tx)


def version(store: SqliteStore) -> int:
    return int(store.connection.execute("PRAGMA user_version").fetchone()[0])


# --- files


def test_what_is_written_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "flowctl.db"
    with opened(path) as store:
        add(store, "a")
        before = schema(store)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with opened(path) as store:
        assert names(store) == ("a",)
        assert schema(store) == before


def test_every_commit_is_durable(tmp_path: Path) -> None:
    with opened(tmp_path / "flowctl.db") as store:
        found = {
            name: store.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "foreign_keys")
        }
        assert found == {"synchronous": 2, "foreign_keys": 1}
        assert store.connection.execute("PRAGMA journal_mode").fetchone()[0] in ("persist", "wal")


@pytest.mark.parametrize(("found", "mode"), [((3, 51, 3), "wal"), ((3, 51, 2), "persist"), ((4, 0, 0), "wal")])
def test_the_journal_mode_fits_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: tuple[int, int, int], mode: str
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", found)
    with opened(tmp_path / "flowctl.db") as store:
        assert store.connection.execute("PRAGMA journal_mode").fetchone()[0] == mode


def test_two_stores_in_memory_are_two(tmp_path: Path) -> None:
    with opened(None) as one, opened(None) as two:
        add(one, "a")
        assert names(two) == ()


# --- migrations


def test_a_fresh_file_gets_the_newest_schema(tmp_path: Path) -> None:
    with opened(tmp_path / "flowctl.db") as file, opened(None) as memory:
        assert schema(file) == schema(memory)
        assert version(file) == max(number for number, _ in sqlite._migrations())
        assert file.integrity_problem() is None


def test_migrations_are_numbered_without_a_gap() -> None:
    found = sqlite._migrations()
    assert [number for number, _ in found] == list(range(1, len(found) + 1))


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "flowctl.db"
    with opened(path) as store:
        add(store, "a")
        before = (schema(store), version(store), "\n".join(store.connection.iterdump()))
    with opened(path) as store:
        assert (schema(store), version(store), "\n".join(store.connection.iterdump())) == before


def test_a_store_of_a_newer_flowctl_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        newest = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {newest + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreTooNew) as caught:
        SqliteStore(path)
    assert str(caught.value) == "this store was made by a newer flowctl"
    assert caught.value.hint == "update flowctl, or put back the copy from before the upgrade"
    assert path.read_bytes() == before


class Killed(BaseException):
    """What ends a process."""


def test_a_migration_killed_between_any_two_statements_leaves_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, all_of_them = sqlite._split, sqlite._migrations()
    sizes = [sum(len(list(whole(script))) for script in scripts) for _, scripts in all_of_them]
    path = tmp_path / "flowctl.db"
    for done, size in enumerate(sizes):
        with monkeypatch.context() as patch:
            patch.setattr(sqlite, "_migrations", lambda upto=done: all_of_them[:upto])
            with opened(None) as store:
                before = schema(store)
        for end in sorted(end for end in {0, 1, size // 2, size - 1} if 0 <= end < size):
            left = end

            def some(script: str) -> Iterator[str]:
                nonlocal left
                for statement in whole(script):
                    if left == 0:
                        raise Killed
                    left -= 1
                    yield statement

            with monkeypatch.context() as patch, pytest.raises(Killed):
                patch.setattr(sqlite, "_split", some)
                patch.setattr(sqlite, "_migrations", lambda upto=done: all_of_them[: upto + 1])
                SqliteStore(path)
            with monkeypatch.context() as patch:
                patch.setattr(sqlite, "_migrations", lambda upto=done: all_of_them[:upto])
                with opened(path) as store:
                    assert (schema(store), version(store)) == (before, done)
        with monkeypatch.context() as patch:
            patch.setattr(sqlite, "_migrations", lambda upto=done: all_of_them[: upto + 1])
            SqliteStore(path).close()
    with opened(path) as store, opened(None) as memory:
        assert schema(store) == schema(memory)
        assert version(store) == len(sizes)


def test_places_within_a_listing_are_not_taken_for_watermarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "flowctl.db"
    every = sqlite._migrations()
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "_migrations", lambda: every[:4])
        with opened(path) as store:
            add(store, COMPANY)
            store.connection.execute(
                "INSERT INTO checkpoints VALUES (?, 'flow', 'shop/bills?', '40', 7, ?)", (COMPANY, AT)
            )
            store.connection.execute("INSERT INTO schedule VALUES (?, 'flow', 'bills', ?)", (COMPANY, AT))
    with opened(path) as store, store.write() as tx:
        assert work.checkpoint(tx, COMPANY, "flow", "shop/bills?") is None
        (row,) = tx.rows("schedule_of", {"company": COMPANY, "flow": "flow"})
        assert (row["next_at"], row["read_at"]) == (AT, "")


def test_numbers_that_were_seen_before_are_folded_as_those_that_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lower` of either store knows ASCII alone: what it has left is found all the same."""
    path = tmp_path / "flowctl.db"
    every = sqlite._migrations()
    monkeypatch.setattr(datasteps, "_PAGE", 2)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "_migrations", lambda: [one for one in every if one[0] < 29])
        with opened(path) as store:
            for name in (COMPANY, "beta"):
                add(store, name)
                for number, reference in enumerate(REFERENCES):
                    store.connection.execute(SIGHTING, (name, f"T-{number}", reference))
    with opened(path) as store:
        rows = store.connection.execute("SELECT reference FROM sightings ORDER BY company, target_id")
        assert [row[0] for row in rows] == [reference.casefold() for reference in REFERENCES] * 2


def test_a_later_migration_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "flowctl.db"
    with opened(path) as store:
        add(store, "a")
        newest = version(store)
    more = [*sqlite._migrations(), (newest + 1, ["ALTER TABLE companies ADD COLUMN extra TEXT;\n"])]
    broken = [*more, (newest + 2, ["CREATE TABLE extra (a TEXT);\nCREATE TABLE extra (a TEXT);\n"])]
    monkeypatch.setattr(sqlite, "_migrations", lambda: broken)
    with pytest.raises(sqlite3.OperationalError):
        SqliteStore(path)
    monkeypatch.setattr(sqlite, "_migrations", lambda: more)
    with opened(path) as store:
        assert version(store) == newest + 1  # the sound one stays, of the broken one nothing
        assert names(store) == ("a",)
        assert "extra" not in [row[0] for row in store.connection.execute("SELECT name FROM sqlite_master")]


def test_two_processes_that_migrate_at_once_do_it_once(tmp_path: Path) -> None:
    path = tmp_path / "flowctl.db"
    errors: list[Exception] = []

    def start() -> None:
        try:
            SqliteStore(path, busy_s=5).close()
        except (StoreBusy, StoreDamaged, sqlite3.Error) as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    with opened(path) as store:
        assert store.integrity_problem() is None


# --- errors


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flowctl.db"
    with opened(path) as store:
        add(store, "a")
        with store.write() as tx:
            journal.append(tx, COMPANY, AT, "t", [Entry("e", detail={"n": n, "x": "y" * 200}) for n in range(200)])
    return path


def test_a_lock_that_another_holds_is_busy(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    with opened(path) as store:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreBusy) as caught:
            add(store, "b")
        assert str(caught.value) == "the store is not available: database is locked"
        assert caught.value.hint == "free disk space or end the process that holds it"
        if store.connection.execute("PRAGMA journal_mode").fetchone()[0] == "persist":
            with pytest.raises(StoreBusy):
                names(store)
        other.execute("COMMIT")
        add(store, "b")
        assert names(store) == ("a", "b")
    other.close()


def test_a_file_that_another_holds_while_it_opens_is_busy(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreBusy):
        SqliteStore(path, busy_s=0.02)
    other.close()


def test_a_lock_at_the_commit_is_busy_and_rolls_back(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    with opened(path) as store:
        if store.connection.execute("PRAGMA journal_mode").fetchone()[0] != "persist":
            pytest.skip("with a write-ahead log a reader holds no writer up")
        other.execute("BEGIN")
        other.execute("SELECT * FROM companies").fetchall()
        with pytest.raises(StoreBusy):
            add(store, "b")
        other.execute("COMMIT")
        assert names(store) == ("a",)
        add(store, "c")
        assert names(store) == ("a", "c")
    other.close()


def test_a_full_disk_is_busy_and_loses_nothing(path: Path) -> None:
    with opened(path) as store:
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreBusy) as caught, store.write() as tx:
            for number in range(200):
                companies.add(tx, f"b-{number}", "x" * 4000, AT)
        assert str(caught.value) == "the store is not available: database or disk is full"
        assert names(store) == ("a",)
        store.connection.execute("PRAGMA max_page_count = 1000000")
        add(store, "c")
        assert store.integrity_problem() is None


def test_a_file_that_is_read_only_is_busy(path: Path) -> None:
    with opened(path) as store:
        store.connection.execute("PRAGMA query_only = 1")
        with pytest.raises(StoreBusy) as caught:
            add(store, "b")
        assert str(caught.value) == "the store is not available: attempt to write a readonly database"
        assert names(store) == ("a",)


def test_a_file_that_is_no_store_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "flowctl.db"
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(StoreDamaged) as caught:
        SqliteStore(path)
    assert str(caught.value) == "the store file is damaged: file is not a database"
    assert caught.value.hint == "stop flowctl and restore the newest backup"


def test_a_truncated_file_is_damaged(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreDamaged) as caught, opened(path) as store:
        with store.read() as tx:
            list(journal.lines(tx, COMPANY))
        names(store)
    assert str(caught.value) == "the store file is damaged: database disk image is malformed"


def test_a_page_of_rubbish_is_damaged(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    size = int.from_bytes(whole[16:18], "big")
    for page in range(1, len(whole) // size):
        if whole[page * size] in (0x02, 0x05, 0x0A, 0x0D):  # every page of a tree, but for the first
            whole[page * size : page * size + 8] = b"\xff" * 8
    path.write_bytes(bytes(whole))
    with pytest.raises(StoreDamaged), opened(path) as store:
        names(store)


def test_the_integrity_check_says_what_is_wrong(path: Path) -> None:
    with opened(path) as store:
        assert store.integrity_problem() is None
        store.connection.execute("PRAGMA ignore_check_constraints = 1")
        store.connection.execute(
            "INSERT INTO mappings (company, flow, lookup, source_key, full_name, origin, actor, updated_at) "
            "VALUES ('a', 'f', 'l', 'k', 'n', 'guess', 'p', 'now')"
        )
        store.connection.execute("PRAGMA ignore_check_constraints = 0")
        assert store.integrity_problem() == "CHECK constraint failed in mappings"


def test_a_broken_schema_is_damaged(path: Path) -> None:
    with opened(path) as store:
        store.connection.execute("PRAGMA writable_schema = 1")
        store.connection.execute("UPDATE sqlite_master SET rootpage = 99999 WHERE name = 'companies'")
    with pytest.raises(StoreDamaged):
        SqliteStore(path)


def test_the_integrity_check_of_a_file_that_is_gone_bad(path: Path) -> None:
    with opened(path) as store:
        whole = path.read_bytes()
        path.write_bytes(b"\xff" * len(whole))
        store.connection.execute("PRAGMA shrink_memory")
        problem = store.integrity_problem()
    assert problem is not None


def _io_error() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    return error


def test_after_an_io_error_the_file_is_opened_anew(path: Path) -> None:
    store = SqliteStore(path)
    first, before = store.connection, names(store)
    with pytest.raises(StoreBusy), store.write() as tx:
        companies.add(tx, "lost", "lost", AT)
        raise _io_error()
    assert names(store) == before
    assert store.connection is not first
    second = store.connection
    with store.read():
        assert store.connection is second
    store.close()


def test_after_an_io_error_a_damaged_file_is_told_as_such(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(path)
    with pytest.raises(StoreBusy), store.write():
        raise _io_error()
    monkeypatch.setattr(SqliteStore, "integrity_problem", lambda _self: "row 1 is missing")
    for _ in range(2):
        with pytest.raises(StoreDamaged) as caught, store.write():
            pytest.fail("a damaged file was written to")
        assert str(caught.value) == "the store file is damaged: row 1 is missing"
    store.close()


def test_a_store_in_memory_outlives_an_io_error() -> None:
    store = SqliteStore(None)
    kept = store.connection
    with pytest.raises(StoreBusy), store.write():
        raise _io_error()
    with store.read():
        assert store.connection is kept
    store.close()


def test_an_error_of_ours_stays_what_it_is(path: Path) -> None:
    with opened(path) as store, pytest.raises(sqlite3.OperationalError) as caught, store.write():
        store.connection.execute("SELECT * FROM no_such_table")
    assert str(caught.value) == "no such table: no_such_table"


def test_a_page_that_was_seen_again_is_looked_up_by_its_ids_and_not_among_all_that_is_open() -> None:
    scope = {"company": "", "flow": "", "stream": "", "phase": "", "source_ids": "[]", "run": 0}
    with opened(None) as store:
        plan = store.connection.execute(f"EXPLAIN QUERY PLAN {statements()['changes_seen']}", scope).fetchall()
    assert [row["detail"] for row in plan if row["detail"].startswith("SEARCH")] == [
        "SEARCH records USING INDEX sqlite_autoindex_records_1 (company=? AND flow=? AND stream=? AND source_id=?)"
    ]


# --- stores in memory, one after the other


def test_a_store_takes_up_what_the_one_before_left_and_finds_it_empty() -> None:
    idle: list[sqlite3.Connection] = []
    first = SqliteStore(None, idle=idle)
    before = schema(first)
    add(first, "a")
    with pytest.raises(KeyError), first.write() as tx:
        companies.add(tx, "b", "b", AT)
        raise KeyError
    with first.write() as tx:
        journal.append(tx, "a", AT, "me", [Entry("made")])
    with first.read() as tx, pytest.raises(Bug), first.write():
        companies.names(tx)
    assert names(first) == ("a",)
    used = first.connection
    first.close()
    assert idle == [used]
    second = SqliteStore(None, idle=idle)
    assert (second.connection, idle, names(second), schema(second)) == (used, [], (), before)
    with second.read() as tx:
        assert tx.rows("journal_from", {"company": "a", "after": 0, "limit": 9}) == []
    second.close()


def test_two_stores_at_a_time_have_a_connection_each() -> None:
    idle: list[sqlite3.Connection] = []
    one, other = SqliteStore(None, idle=idle), SqliteStore(None, idle=idle)
    add(one, "a")
    assert (names(one), names(other)) == (("a",), ())
    one.close()
    other.close()
    assert len(set(map(id, idle))) == 2
    for connection in idle:
        connection.close()


def test_a_store_that_takes_up_a_connection_finds_its_statements_prepared() -> None:
    idle: list[sqlite3.Connection] = []
    first = SqliteStore(None, idle=idle)
    prepared = asked_for(first.connection)
    add(first, "a")
    first.close()
    second = SqliteStore(None, idle=idle)
    before = len(prepared)
    add(second, "a")
    assert len(prepared) == before > 0


# --- statements


def prepared_anew(connection: sqlite3.Connection, text: str) -> bool:
    """Whether SQLite prepares a statement once more when its parameters change."""
    bare = re.sub(r"'[^']*'|--.*", "", text)
    named, unnamed = set(re.findall(r":(\w+)", bare)), bare.count("?")
    asked, seen = asked_for(connection), 0
    for value in ("first", "second"):
        seen = len(asked)
        with suppress(sqlite3.DatabaseError):  # a constraint, or what is no JSON
            connection.execute(text, (value,) * unnamed if unnamed else dict.fromkeys(named, value)).fetchall()
    connection.set_authorizer(None)
    return len(asked) > seen


def test_no_statement_is_prepared_anew_each_time() -> None:
    """SQLite does so where a parameter stands beside a column that a partial index names, and in most cases for nothing."""
    with opened(None) as store:
        store.connection.execute("BEGIN")
        found = [name for name, text in statements().items() if prepared_anew(store.connection, text)]
        store.connection.rollback()
    assert found == ["span_newest"]  # rare, and its index serves one state alone


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("sightings_marked_as", "sightings_by_guid (company=? AND guid=?)"),
        ("sightings_numbered", "sightings_by_number (company=? AND kind=? AND reference=?)"),
        ("sightings_dated", "sightings_by_date (company=? AND kind=? AND dated_on=?)"),
        ("sightings_noted", "sightings_by_memo (company=? AND kind=? AND memo=?)"),
        (
            "sightings_strange_numbered",
            "sightings_strange_by_number (company=? AND kind=? AND reference=?)",
        ),
        ("sightings_strange_dated", "sightings_strange_by_date (company=? AND kind=? AND dated_on=?)"),
        ("sightings_strange_noted", "sightings_strange_by_memo (company=? AND kind=? AND memo=?)"),
        ("records_in_state", "records_by_state (company=? AND state=? AND flow=? AND stream=? AND id>?)"),
        ("records_parked", "records_by_state (company=? AND state=?)"),
        ("list_object_numbered", "list_objects_by_number (company=? AND list=? AND number=?)"),
    ],
)
def test_what_is_asked_for_often_is_found_by_its_index(statement: str, index: str) -> None:
    text = statements()[statement]
    with opened(None) as store:
        scope = dict.fromkeys(re.findall(r":(\w+)", text), "x")
        plan = store.connection.execute(f"EXPLAIN QUERY PLAN {text}", scope).fetchall()
    assert plan[0]["detail"].partition(" USING INDEX ")[2] == index
