"""The PostgreSQL backend alone: who waits for whom, whose rows are seen, its migrations, and what becomes of its errors."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from engine.errors import Bug, FlowctlError, StoreBusy, StoreTooNew, StoreTooOld, UnknownName
from engine.store import companies, datasteps, dialect, journal, pgerrors, pgschema, private
from engine.store import postgres as backend
from engine.store.base import Timed, Tx, statements, take_number
from engine.store.journal import Entry
from engine.store.postgres import PostgresStore, connected
from engine.store.private import PrivatePostgres
from engine.store.records import MOVES
from engine.telemetry import committed
from tests import postgres_kit
from tests.engine.kit import count
from tests.engine.store.rows import AT, COMPANY, add
from tests.engine.store.test_sqlite import REFERENCES, SIGHTING
from tests.reference import ROOT
from tests.stores import raw

LOST = "the store is not available: the connection to PostgreSQL was lost"


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    with postgres_kit.opened(postgres_url) as made:
        yield made


def put(tx: Tx, *names: str) -> None:
    for name in names:
        companies.add(tx, name, name, AT)
        journal.append(tx, name, AT, "test", [journal.Entry("made")])


def names(store: PostgresStore, *of: str) -> tuple[str, ...]:
    """Whose journals a transaction sees; what companies there are is no secret."""
    with store.read(*of) as tx:
        return tuple(row["company"] for row in tx.rows("journal_companies", {}))


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """A thread that does this; it has ended when the block has."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield thread
    thread.join(20)
    assert not thread.is_alive()


def waiting(postgres: PrivatePostgres) -> int:
    """How many transactions wait for a lock."""
    ((found,),) = postgres_kit.as_admin(postgres, "SELECT COUNT(*) FROM pg_locks WHERE NOT granted")
    assert isinstance(found, int)
    return found


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- who waits for whom


def test_companies_run_beside_one_another(store: PostgresStore) -> None:
    done = threading.Event()

    def other() -> None:
        with store.write("b") as tx:
            put(tx, "b")
            take_number(tx, "record", 3)
            take_number(tx, "operation")
        done.set()

    with store.write("a") as tx:
        put(tx, "a")
        first = take_number(tx, "record", 5)
        take_number(tx, "operation")
        with meanwhile(other):
            assert done.wait(20)
        assert take_number(tx, "record") == first + 8
    assert names(store) == ("a", "b")


@pytest.mark.parametrize(
    ("one", "other"), [(("a",), ("a", "b")), (("a",), ()), ((), ("a",)), ((), ()), (("limit:x",),) * 2]
)
def test_who_names_the_same_waits(
    store: PostgresStore, postgres: PrivatePostgres, one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    order: list[str] = []

    def later() -> None:
        with store.write(*other):
            order.append("later")

    with store.write(*one):
        thread = threading.Thread(target=later, daemon=True)
        thread.start()
        until(lambda: waiting(postgres) == 1)
        order.append("first")
    thread.join(20)
    assert order == ["first", "later"]


def test_two_that_name_the_same_in_another_order_do_not_wait_for_each_other(store: PostgresStore) -> None:
    def turn(*of: str) -> None:
        for _ in range(20):
            with store.write(*of):
                pass

    with meanwhile(lambda: turn("a", "b", "c")), meanwhile(lambda: turn("c", "b", "a")):
        turn("b", "c", "a")


def test_a_reader_waits_for_nobody_and_sees_one_moment(store: PostgresStore) -> None:
    with store.write() as tx:
        put(tx, "a")
    with store.read() as tx:
        assert companies.names(tx) == ("a",)
        with meanwhile(lambda: _put(store, "b")):
            pass
        assert companies.names(tx) == ("a",)
    seen: list[tuple[str, ...]] = []
    with store.write(), meanwhile(lambda: seen.append(names(store))):
        pass
    assert seen == [("a", "b")]


def _put(store: PostgresStore, name: str) -> None:
    with store.write(name) as tx:
        put(tx, name)


# --- blocks within blocks


@pytest.mark.parametrize(
    ("outer", "inner", "words"),
    [
        (("a",), ("b",), "a transaction of `b` inside one of `a`"),
        (("b", "a"), ("a", "c"), "a transaction of `a`, `c` inside one of `b`, `a`"),
        (("a",), (), "a transaction of the whole house inside one of `a`"),
    ],
)
@pytest.mark.parametrize("writing", [True, False])
def test_a_block_that_names_what_the_outer_did_not_is_a_bug(
    store: PostgresStore, outer: tuple[str, ...], inner: tuple[str, ...], words: str, *, writing: bool
) -> None:
    with pytest.raises(Bug) as caught, store.write(*outer), store.write(*inner) if writing else store.read(*inner):
        pytest.fail("it was let in")
    assert str(caught.value) == words
    with store.write(*inner):
        pass


def test_a_block_of_what_the_outer_named_joins(store: PostgresStore) -> None:
    with store.write("a", "b") as tx:
        put(tx, "a", "b")
        with store.write("b") as inner, store.read("a"):
            assert companies.names(inner) == ("a", "b")
    with store.write(), store.write("a"), store.read("b", "c") as tx:
        assert companies.names(tx) == ("a", "b")


def test_what_is_told_after_a_commit_is_told_after_it_alone(store: PostgresStore) -> None:
    told: list[str] = []
    with store.write("a"):
        with store.write("a"):
            committed.after(lambda: told.append("kept"))
        assert told == []
    with pytest.raises(KeyError), store.write("a"):
        committed.after(lambda: told.append("undone"))
        raise KeyError
    assert told == ["kept"]


# --- whose rows


@pytest.fixture
def two(store: PostgresStore) -> PostgresStore:
    with store.write() as tx:
        put(tx, "a", "b")
        for name in ("a", "b"):
            companies.put_setting(tx, name, "flow", "n", name)
            journal.append(tx, name, AT, "test", [Entry("e")])
    return store


@pytest.fixture
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Gives statements that forget their company."""
    known = dict(statements("postgres"))
    monkeypatch.setattr(dialect, "statements", lambda _backend: known)
    yield known.__setitem__
    dialect.statement.cache_clear()


def test_a_statement_that_forgets_its_company_touches_no_other(
    two: PostgresStore, forget: Callable[[str, str], None]
) -> None:
    forget("all", "SELECT company, value FROM settings ORDER BY company")
    forget("change", "UPDATE settings SET value = :value")
    forget("drop", "DELETE FROM settings")
    with two.read("a") as tx:
        assert [row["company"] for row in tx.rows("all", {})] == ["a"]
    with two.read("a", "b") as tx:
        assert [row["company"] for row in tx.rows("all", {})] == ["a", "b"]
    with two.read("nobody") as tx:
        assert tx.rows("all", {}) == []
    with two.write("a") as tx:
        assert tx.run("change", {"value": "1"}) == 1
    assert raw(two, "SELECT company, value FROM settings ORDER BY company") == [("a", "1"), ("b", '"b"')]
    with two.write("b") as tx:
        assert tx.run("drop", {}) == 1
    with two.read() as tx:
        assert [dict(row) for row in tx.rows("all", {})] == [{"company": "a", "value": "1"}]


def test_a_row_of_another_company_is_refused(two: PostgresStore, forget: Callable[[str, str], None]) -> None:
    forget("sneak", "INSERT INTO settings (company, flow, name, value) VALUES (:whose, 'flow', 'm', '1')")
    with pytest.raises(Bug) as caught, two.write("a") as tx:
        tx.run("sneak", {"whose": "b"})
    assert str(caught.value) == "the store refused a row: it is of a company that the transaction did not name"
    assert count(two, "settings") == 2


def test_a_statement_that_is_given_another_company_is_a_bug(two: PostgresStore) -> None:
    """Row-level security would show no row, and that would be taken for an answer."""
    with two.write("a") as tx:
        for touch in (
            lambda: companies.settings(tx, "b", "flow"),
            lambda: companies.put_setting(tx, "b", "flow", "m", 1),
        ):
            with pytest.raises(Bug, match=r"^\w+ touches rows of another company than its transaction said$"):
                touch()
        assert companies.settings(tx, "a", "flow") == {"n": "a"}


@pytest.mark.parametrize("of", [("acne",), ()])
def test_who_names_a_company_that_is_not_there_is_told_which_there_are(two: PostgresStore, of: tuple[str, ...]) -> None:
    with two.read(*of) as tx, pytest.raises(UnknownName) as caught:
        companies.require(tx, "acne")
    assert caught.value.hint == "known: a, b"


def test_the_clock_of_the_store(store: PostgresStore) -> None:
    assert isinstance(store, Timed)
    assert abs((store.now() - datetime.now(UTC)).total_seconds()) < 60
    assert store.versions() == (pgschema.newest(), pgschema.newest())


def test_a_company_with_odd_letters_is_one_name(store: PostgresStore) -> None:
    odd = ('a","b', "a\\", "{b}", "'; DROP TABLE settings; --", "*", "NULL", "é,\n")
    with store.write() as tx:
        put(tx, *odd, "b")
    for name in odd:
        assert names(store, name) == (name,)
    assert names(store, *odd) == tuple(sorted(odd))
    assert names(store, "nul\0") == ()


def test_every_table_with_a_company_is_kept_apart(store: PostgresStore) -> None:
    with store.plain() as connection:
        assert pgschema.unprotected(connection) == ()
        connection.execute("ALTER TABLE waits NO FORCE ROW LEVEL SECURITY")
        assert pgschema.unprotected(connection) == ("waits",)
        connection.execute("ALTER TABLE waits FORCE ROW LEVEL SECURITY")
        assert connection.execute("SELECT * FROM companies").fetchall() == []
    assert len(raw(store, "SELECT 1 FROM pg_policies WHERE policyname = 'of_company'")) >= 35


# --- numbers


def test_every_number_of_the_house_has_a_sequence(store: PostgresStore) -> None:
    """A row would be locked until its transaction commits, and all companies would wait for one another."""
    used = {
        found
        for path in Path(ROOT / "engine").rglob("*.py")
        for found in re.findall(r'take_number\(\s*tx, "(\w+)"', path.read_text(encoding="utf-8"))
    }
    have = {name for (name,) in raw(store, "SELECT relname FROM pg_class WHERE relkind = 'S'")}
    assert {f"counter_{name}" for name in used | {"webhook"}} == have


def test_numbers_in_blocks_follow_one_another_whoever_takes_others(store: PostgresStore) -> None:
    taken: list[tuple[int, int]] = []

    def take(company: str, size: int) -> None:
        for _ in range(15):
            with store.write(company) as tx:
                taken.append((take_number(tx, "record", size), size))

    with meanwhile(lambda: take("a", 1)), meanwhile(lambda: take("b", 7)):
        take("c", 3)
    numbers = [first + n for first, size in taken for n in range(size)]
    assert sorted(numbers) == list(range(1, 15 * 11 + 1))
    with store.write("a") as tx:
        assert take_number(tx, "record", 0) == 15 * 11 + 1
        assert [take_number(tx, "settled:a"), take_number(tx, "settled:a", 2), take_number(tx, "other")] == [1, 2, 1]
        values = [tx.one("counter_get", {"name": name}) for name in ("record", "settled:a", "run", "none")]
    assert [row and row["value"] for row in values] == [165, 3, None, None]


# --- values


def test_values_are_as_sqlite_gives_them(store: PostgresStore) -> None:
    with store.write() as tx:
        put(tx, "a")
        add(tx)
        tx.run("company_paused", {"company": "a", "paused": True})
        company = tx.one("company_get", {"company": "a"})
        gauges = tx.one("gauges_companies", {"after": "", "companies": 9, "limit": 9})
        tx.many("tally_add", [(COMPANY, "2026-03-02", "read", 0, "flow", "bills", 2)])
        scope = {"company": COMPANY, "letters": 10, "first_on": "2026", "last_on": "2027", "flow": ""}
        (tally,) = tx.rows("tallies_of", scope)
    assert company is not None
    assert gauges is not None
    assert (company["paused"], gauges["halted"], tally["number"]) == (1, 0, 3)
    assert {type(value) for value in (company["paused"], gauges["halted"], tally["number"])} == {int}


def test_a_text_with_the_character_0_is_no_error(store: PostgresStore) -> None:
    with store.write() as tx:
        companies.add(tx, "a", "A\0B", AT)
    with store.read() as tx:
        row = companies.require(tx, "a")
    assert row["title"] == "A\ufffdB"


def test_texts_are_in_the_order_of_their_bytes(store: PostgresStore) -> None:
    mixed = ("B", "Z", "_", "a", "b", "é", "\U0001f600")
    with store.write() as tx:
        put(tx, *reversed(mixed))
    assert names(store) == mixed
    ((collation,),) = raw(store, "SELECT daticulocale FROM pg_database WHERE datname = current_database()")
    assert collation == "en-US"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT a FROM t WHERE b = :b -- :c?\n", "SELECT a FROM t WHERE b = %(b)s"),
        ("INSERT INTO t VALUES (?, '?', ':b', '%')", "INSERT INTO t VALUES (%s, '?', ':b', '%%')"),
        ("a LIKE 'x%' AND b NOT LIKE :b || '+%' OR c LIKE :c ESCAPE '!'",
         "a ILIKE 'x%%' ESCAPE '' AND b NOT ILIKE %(b)s || '+%%' ESCAPE '' OR c ILIKE %(c)s ESCAPE '!'"),
        ("a IN (SELECT value FROM json_each(:a)) OR b NOT IN (SELECT value FROM json_each(:b))",
         "a = ANY(%(a)s) OR b <> ALL(%(b)s)"),
        ("SELECT fetch, :fetch::int", 'SELECT "fetch", %(fetch)s::int'),
    ],
)  # fmt: skip
def test_statements_in_postgresqls_words(text: str, expected: str) -> None:
    assert dialect.translated(text).text == expected


# --- migrations


def schema(url: str) -> list[tuple[object, ...]]:
    with connected(url) as connection:
        return connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name <> 'schema_versions' ORDER BY 1, 2"
        ).fetchall()


def test_a_store_that_is_not_migrated_says_so_and_is_left_alone(postgres: PrivatePostgres) -> None:
    with postgres_kit.another(postgres, is_migrated=False) as url:
        with pytest.raises(StoreTooOld) as caught:
            PostgresStore(url)
        assert schema(url) == []
        with connected(url) as connection:
            assert pgschema.migrate(connection) == (0, pgschema.newest())
            assert pgschema.migrate(connection) == (pgschema.newest(), pgschema.newest())
            connection.execute("INSERT INTO schema_versions (number) VALUES (%s)", (pgschema.newest() + 1,))
            with pytest.raises(StoreTooNew):
                pgschema.migrate(connection)
        with pytest.raises(StoreTooNew):
            PostgresStore(url)
    needed = f"the schema of this store does not exist yet; this flowctl needs version {pgschema.newest()}"
    assert (str(caught.value), caught.value.hint) == (needed, "run `flowctl store migrate`")


def test_processes_that_migrate_at_once_do_it_once(postgres: PrivatePostgres, postgres_url: str) -> None:
    found: list[object] = []

    def start(url: str) -> None:
        try:
            with connected(url) as connection:
                found.append(pgschema.migrate(connection)[1])
        except (FlowctlError, psycopg.Error) as error:
            found.append(error)

    with postgres_kit.another(postgres, is_migrated=False) as url:
        threads = [threading.Thread(target=start, args=(url,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert found == [pgschema.newest()] * 4
        assert schema(url) == schema(postgres_url)


def test_a_migration_that_fails_leaves_none_of_it(postgres: PrivatePostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    every = pgschema.migrations()
    broken = (*every, (len(every) + 1, ("CREATE TABLE extra (company TEXT);", "CREATE TABLE extra (company TEXT);")))
    with postgres_kit.another(postgres) as url, connected(url) as connection:
        before = schema(url)
        monkeypatch.setattr(pgschema, "migrations", lambda: broken)
        with pytest.raises(psycopg.errors.DuplicateTable):
            pgschema.migrate(connection)
        assert (schema(url), pgschema.version(connection)) == (before, len(every))
        monkeypatch.setattr(pgschema, "migrations", lambda: (*every, (len(every) + 1, broken[-1][1][:1])))
        assert pgschema.migrate(connection) == (len(every), len(every) + 1)
        assert pgschema.unprotected(connection) == ()


def test_numbers_that_were_seen_before_are_folded_as_those_that_come(
    postgres: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = pgschema.migrations()
    monkeypatch.setattr(datasteps, "_PAGE", 2)
    with postgres_kit.another(postgres, is_migrated=False) as url, connected(url) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(pgschema, "migrations", lambda: tuple(one for one in every if one[0] < 29))
            pgschema.migrate(connection)
        with connection.transaction():
            connection.execute("SELECT set_config('flowctl.of', '*', true)")
            for name in (COMPANY, "beta"):
                connection.execute("INSERT INTO companies (company, title, created_at) VALUES (%s, '', '')", (name,))
                for number, reference in enumerate(REFERENCES):
                    connection.execute(SIGHTING.replace("?", "%s").encode(), (name, f"T-{number}", reference))
        pgschema.migrate(connection)
        with connection.transaction():
            connection.execute("SELECT set_config('flowctl.of', '*', true)")
            rows = connection.execute("SELECT reference FROM sightings ORDER BY company, target_id").fetchall()
    assert [row[0] for row in rows] == [reference.casefold() for reference in REFERENCES] * 2


def test_a_dump_as_the_page_says_holds_every_company(
    two: PostgresStore, postgres: PrivatePostgres, tmp_path: Path
) -> None:
    folder, environment = private.programs(), {**os.environ, "PGOPTIONS": "-c flowctl.of=*"}
    assert folder is not None
    dump: list[str | Path] = [folder / "pg_dump", "--file", tmp_path / "dump.sql"]
    source = postgres.url()
    assert subprocess.run([*dump, source], check=False, capture_output=True).returncode == 1
    subprocess.run([*dump, "--enable-row-security", source], check=True, env=environment)
    with postgres_kit.another(postgres, is_migrated=False) as url:
        subprocess.run(
            [folder / "psql", "-qv", "ON_ERROR_STOP=1", "-f", tmp_path / "dump.sql", url],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        with postgres_kit.opened(url) as restored, restored.read() as tx:
            assert companies.names(tx) == names(two)
            assert [journal.verify(tx, name) for name in ("a", "b")] == [None, None]


# --- errors


def test_a_row_that_is_there_already_is_told_without_its_values(store: PostgresStore) -> None:
    with pytest.raises(Bug) as caught, store.write() as tx:
        add(tx, "secret-id")
        add(tx, "secret-id")
    assert str(caught.value) == "the store refused a row: records_company_flow_stream_source_id_phase_key"
    assert caught.value.__cause__ is None
    assert count(store, "records") == 0


def test_a_row_with_too_long_a_text_is_refused(store: PostgresStore) -> None:
    noise = "".join(chr(0x4E00 + (n * n * 7919) % 20000) for n in range(9000))
    with pytest.raises(Bug) as caught, store.write() as tx:
        put(tx, noise)
    assert str(caught.value) == "the store refused a row: a text in it is too long"


def test_a_long_name_is_kept_and_found_by_its_beginning(store: PostgresStore) -> None:
    noise = "".join(chr(0x4E00 + (n * n * 7919) % 20000) for n in range(9000))
    with store.write(COMPANY) as tx:
        number = add(tx)["id"]
        tx.run("record_payload", {**_huge(number), "party": noise})
        scope = {
            "company": COMPANY,
            "low": noise[:5],
            "high": noise[:4] + chr(ord(noise[4]) + 1),
            "limit": 9,
            "skip": 0,
        }
        assert [row["id"] for row in tx.rows("browse_ids_party", scope)] == [number]


def test_an_error_that_is_passed_over_keeps_nothing(store: PostgresStore) -> None:
    with pytest.raises(Bug) as caught, store.write("a", "nobody") as tx:
        put(tx, "a")
        with pytest.raises(Bug):
            companies.put_setting(tx, "nobody", "flow", "m", 1)
    assert str(caught.value) == "a transaction with an error in it cannot be kept"
    assert names(store) == ()


def test_who_waits_too_long_is_told_busy(postgres_url: str) -> None:
    caught: list[StoreBusy] = []
    with postgres_kit.opened(postgres_url, busy_s=1.0) as store:
        with store.write("a"), meanwhile(lambda: caught.append(_refused(store))):
            until(lambda: bool(caught))
        assert str(caught[0]) == "the store is not available: another transaction holds what this one needs"
        _put(store, "a")
        assert names(store) == ("a",)


def _refused(store: PostgresStore) -> StoreBusy:
    with pytest.raises(StoreBusy) as caught:
        _put(store, "a")
    return caught.value


def end_all(postgres: PrivatePostgres) -> None:
    postgres_kit.as_admin(
        postgres, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'flowctl'"
    )


def test_a_connection_that_is_lost_is_busy_and_made_anew(store: PostgresStore, postgres: PrivatePostgres) -> None:
    with pytest.raises(StoreBusy) as caught, store.write("a") as tx:
        put(tx, "a")
        end_all(postgres)
        put(tx, "a")
    assert str(caught.value) == LOST
    assert names(store) == ()
    end_all(postgres)  # one that lies idle is replaced without a word
    _put(store, "c")
    assert names(store) == ("c",)


def test_a_commit_whose_answer_is_lost_says_that_it_may_have_succeeded(
    store: PostgresStore, postgres: PrivatePostgres
) -> None:
    told: list[str] = []
    with pytest.raises(StoreBusy) as caught, store.write("a") as tx:
        put(tx, "a")
        committed.after(lambda: told.append("kept"))
        end_all(postgres)
    assert str(caught.value) == f"{LOST} during a commit, which may have succeeded"
    assert told == []


def test_a_transaction_that_was_left_idle_is_ended(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, postgres: PrivatePostgres
) -> None:
    monkeypatch.setattr(backend, "IDLE_S", 0.1)
    with postgres_kit.opened(postgres_url) as frozen:
        with pytest.raises(StoreBusy), frozen.write("a") as tx:
            put(tx, "a")
            ended = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'"
            until(lambda: postgres_kit.as_admin(postgres, ended) == [])
            put(tx, "a")
        assert names(frozen) == ()


def test_no_password_is_shown(postgres_url: str) -> None:
    url = postgres_url.replace("flowctl@", "flowctl:hunter2@")
    with postgres_kit.opened(url) as store:
        assert "hunter2" not in f"{store!r}{store.place}{vars(store)['_pool']}"
    with pytest.raises(StoreBusy) as caught:
        PostgresStore("postgresql://flowctl:hunter2@127.0.0.1:1/none")
    assert "hunter2" not in f"{caught.value!r}{caught.value.hint}{caught.value.__cause__}"
    assert str(caught.value).startswith(
        'the store is not available: connection to server at "127.0.0.1", port 1 failed'
    )


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (psycopg.errors.DiskFull, StoreBusy, "the store is not available: its disk is full"),
        (psycopg.errors.DeadlockDetected, StoreBusy, "the store is not available: two transactions waited for each other"),
        (psycopg.errors.ReadOnlySqlTransaction, StoreBusy, "the store is not available: the database can only be read"),
        (psycopg.errors.AdminShutdown, StoreBusy, LOST),
        (psycopg.InterfaceError, StoreBusy, LOST),
        (psycopg.errors.InvalidTextRepresentation, Bug, "the store refused a statement: InvalidTextRepresentation"),
        (psycopg.errors.UndefinedTable, Bug, "the store refused a statement: UndefinedTable"),
    ],
)  # fmt: skip
def test_what_becomes_of_an_error(error: type[psycopg.Error], kind: type[FlowctlError], words: str) -> None:
    told = pgerrors.ours(error("a value of a row"))
    assert (type(told), str(told)) == (kind, words)


@pytest.mark.parametrize(
    ("name", "column", "low", "high"),
    [
        ("browse_ids_party", "party_low", "party", "partz"),
        ("browse_ids_reference", "reference_low", "n-b", "n-c"),
        ("browse_ids_source", "source_low", "b-", "b."),
    ],
)
def test_what_people_look_for_is_found_through_an_index_of_its_own(
    store: PostgresStore, name: str, column: str, low: str, high: str
) -> None:
    """Row-level security keeps functions out of an index: with `lower()` all records of the company would be read."""
    _many(store)
    with store.write(COMPANY) as tx:
        wanted = add(tx)["id"]
        scope = {"company": COMPANY, "low": low, "high": high, "limit": 9, "skip": 0}
        assert [row["id"] for row in tx.rows(name, scope)] == [wanted]
    assert f"({column} >= '{low}'::text)" in _conditions(store, name, scope)


def test_an_amount_is_found_through_an_index_and_compared_exactly(store: PostgresStore) -> None:
    _many(store)
    with store.write(COMPANY) as tx:
        wanted = add(tx)["id"]
        for least, most, found in (("10.00", "10", [wanted]), ("10.0001", "11", []), ("-1e30", "99", [wanted])):
            scope = {"company": COMPANY, "least": least, "most": most, "limit": 9, "skip": 0}
            assert [row["id"] for row in tx.rows("browse_ids_amount", scope)] == found
        tx.run("record_payload", _huge(wanted))
        scope |= {"least": "9e18", "most": "1e30"}
        assert [row["id"] for row in tx.rows("browse_ids_amount", scope)] == [wanted]
    assert "(amount_no >= " in _conditions(store, "browse_ids_amount", scope)


def test_the_newest_of_a_stream_are_found_through_an_index_state_by_state(store: PostgresStore) -> None:
    _many(store)
    with store.write(COMPANY) as tx:
        newest = add(tx)["id"]
        scope = {"company": COMPANY, "flow": "flow", "stream": "bills", "before": 1 << 60, "limit": 3, "skip": 0}
        assert [row["id"] for row in tx.rows("browse_ids_of", scope)] == [newest, -1, -2]
        assert [row["id"] for row in tx.rows("browse_ids_of", {**scope, "skip": 2})] == [-2, -3, -4]
    conditions = _conditions(store, "browse_ids_of", scope)
    # Nearly all there are here are posted: those a walk by number finds as well.
    assert [state for state in MOVES if f"(state = '{state}'::text)" not in conditions] in ([], ["posted"])
    assert conditions.count("(id < ") == 10


def _many(store: PostgresStore) -> None:
    """So many others that the planner has to choose well."""
    raw(
        store,
        "INSERT INTO records (id, company, flow, stream, source_id, phase, state, payload, payload_sha256, seen_run,"
        " created_at, updated_at, amount, party, reference) SELECT -n, 'acme', 'flow', 'bills', 'x' || n, 'post', 'posted',"
        " '{}', '', 1, '', '', n + 100, 'x' || n, 'x' || n FROM generate_series(1, 2000) n",
        "ANALYZE records",
    )


def _huge(number: int) -> dict[str, object]:
    texts = dict.fromkeys(("payload", "payload_sha256", "currency", "party", "reference", "dated_on"), "x")
    return {**texts, "amount": "9" * 25, "seen_run": 1, "at": AT, "id": number}


def _conditions(store: PostgresStore, name: str, scope: dict[str, object]) -> str:
    """The conditions by which the statement looks into indexes."""
    with store.plain() as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(f"EXPLAIN {dialect.statement(name).text}".encode(), scope).fetchall()
    return "\n".join(line for (line,) in plan if "Index Cond" in line)
