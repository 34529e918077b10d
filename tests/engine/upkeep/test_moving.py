"""A store that is moved into PostgreSQL: every row is there, the copy can be taken up again, and only one of both is used."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from engine.audit import chain
from engine.audit.notary import FILE, Notary
from engine.errors import StoreDamaged, UsageError
from engine.store import companies, copying, journal, outbox, records, work
from engine.store.base import take_number
from engine.store.copying import CopyUnfinished, Progress, SourceChanged, TargetInUse
from engine.store.occupied import StoreInUse, shared
from engine.store.postgres import PostgresStore, connected
from engine.store.private import PrivatePostgres
from engine.store.sqlite import SqliteStore
from engine.store.whereabouts import MOVED, StoreMoved, refuse_moved
from engine.upkeep import moving
from engine.upkeep.moving import KEPT, move
from engine.vault import load_key
from engine.world import World
from tests import postgres_kit
from tests.engine.store.rows import AT, COMPANY, LATER, add, intake, operation

BILLS = 23


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Records of two companies, an operation, a mapping, a token, a signed checkpoint."""
    place = tmp_path / "home"
    store = SqliteStore(place / "flowctl.db")
    world = World(store, load_key(place))
    with store.write() as tx:
        for name in (COMPANY, "beta"):
            companies.add(tx, name, name.title(), AT)
        companies.put_connection(tx, COMPANY, "books", "qbwc", {}, AT)
        companies.put_token(tx, world.vault, COMPANY, "books", {"refresh_token": "first"}, AT)
        for number in range(BILLS):
            add(tx, f"b-{number:02}")
        other = records.Place("beta", "flow", "bills", "post")
        records.insert(
            tx, other, 1, AT, "test", [records.NewRecord(replace(intake("b-1"), party="A\0B"), "pending", ())]
        )
        outbox.add(tx, COMPANY, AT, [operation(add(tx, "b-op"))])
        work.raise_alert(tx, COMPANY, work.Alert("kind", "subject", "message", "hint"), AT)
        take_number(tx, f"settled:{COMPANY}", 7)
        journal.append(tx, COMPANY, AT, "test", [journal.Entry("made", detail={"why": "Grün & Söhne"})])
    Notary(world, place / FILE).write()
    store.close()
    return place


@pytest.fixture
def url(postgres: PrivatePostgres) -> Iterator[str]:
    """The address of an empty database without a schema."""
    with postgres_kit.another(postgres, is_migrated=False) as made:
        yield made


def quietly(_what: str, _step: Progress) -> None:
    return


def test_everything_is_there_and_the_file_is_out_of_use(home: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PAGE", 5)
    steps: list[tuple[str, Progress]] = []
    with closing(sqlite3.connect(home / "flowctl.db")) as before:
        expected = {
            table.name: before.execute(f'SELECT COUNT(*) FROM "{table.name}"').fetchone()[0]
            for table in copying.tables(before)
        }
    moved = move(home, url, LATER, lambda what, step: steps.append((what, step)))
    # Numbers of the whole house are sequences there.
    assert {name: count for name, count in moved.rows.items() if name != "counters"} == {
        name: count for name, count in expected.items() if name != "counters"
    }
    assert (moved.rows["counters"], moved.rows["records"]) == (1, BILLS + 2)
    assert (dict(moved.sums), moved.journals, moved.was_done) == ({"EUR": Decimal("250.00")}, 2, False)
    assert ("copy", Progress("records", 5, BILLS + 2)) in steps
    assert ("copy", Progress("records", BILLS + 2, BILLS + 2)) in steps
    assert sorted(path.name for path in home.iterdir() if path.name.startswith(("flowctl.db", "moved"))) == sorted(
        {KEPT, MOVED} | {path.name for path in home.glob("flowctl.db-*")}
    )
    with pytest.raises(StoreMoved) as refused:
        refuse_moved(home)
    assert str(refused.value) == f"{home}: its store was moved to PostgreSQL ({moved.place}) at {LATER}"
    store = PostgresStore(url)
    try:
        assert chain.verify(store, home / FILE).ok
        with store.write(COMPANY) as tx:
            first = take_number(tx, "record", 1)
            assert first == BILLS + 3
            assert take_number(tx, f"settled:{COMPANY}", 1) == 8
            assert [row["id"] for row in tx.rows("operations_of_record", {"record_id": BILLS + 2})] == ["op-1"]
    finally:
        store.close()


def test_it_goes_on_where_it_was_stopped(home: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PAGE", 4)
    seen: list[Progress] = []

    def stop_amid_records(_what: str, step: Progress) -> None:
        seen.append(step)
        if step.table == "records" and step.rows >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(home, url, LATER, stop_amid_records)
    with pytest.raises(CopyUnfinished):
        PostgresStore(url)
    refuse_moved(home)
    again: list[tuple[str, Progress]] = []
    moved = move(home, url, LATER, lambda what, step: again.append((what, step)))
    assert moved.rows["records"] == BILLS + 2
    copied = [step for what, step in again if what == "copy" and step.table == "records"]
    assert [step.rows for step in copied] == [12, 16, 20, 24, 25]


def test_a_store_that_was_changed_between_is_not_mixed(home: Path, url: str) -> None:
    def stop(_what: str, _step: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(home, url, LATER, stop)
    store = SqliteStore(home / "flowctl.db")
    with store.write() as tx:
        add(tx, "b-new")
    store.close()
    with pytest.raises(SourceChanged):
        move(home, url, LATER, quietly)


def test_a_row_that_differs_is_found(home: Path, url: str, postgres: PrivatePostgres) -> None:
    def change_it(what: str, step: Progress) -> None:
        if what == "copy" and step.table == "records":
            database = url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
            postgres_kit.as_admin(
                postgres, "UPDATE records SET amount = '10.01' WHERE source_id = 'b-07'", database=database
            )

    with pytest.raises(StoreDamaged) as found:
        move(home, url, LATER, change_it)
    assert str(found.value) == "the copy differs: table records, a row of 8"
    assert (home / "flowctl.db").exists()
    refuse_moved(home)


def test_stopped_before_the_last_step_it_is_done_by_the_next(
    home: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_target: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(copying, "finish", killed)
        move(home, url, LATER, quietly)
    # Nobody may work with either of them.
    with pytest.raises(CopyUnfinished):
        PostgresStore(url)
    with pytest.raises(StoreMoved):
        refuse_moved(home)
    assert move(home, url, LATER, quietly).was_done
    PostgresStore(url).close()
    with pytest.raises(StoreMoved):
        move(home, url, LATER, quietly)


def test_stopped_between_saying_it_and_doing_it(home: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []

    def killed(folder: Path) -> None:
        calls.append(folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(moving, "sync_folder", killed)
        move(home, url, LATER, quietly)
    assert (home / "flowctl.db").exists()
    with pytest.raises(StoreMoved):
        refuse_moved(home)
    assert move(home, url, LATER, quietly).rows["records"] == BILLS + 2


def test_only_into_an_empty_database_and_only_alone(home: Path, postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    with store.write() as tx:
        companies.add(tx, "other", "Other", AT)
    store.close()
    with pytest.raises(TargetInUse):
        move(home, postgres_url, LATER, quietly)
    with shared(home), pytest.raises(StoreInUse):
        move(home, postgres_url, LATER, quietly)
    PostgresStore(postgres_url).close()


def test_a_folder_without_a_store(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as refused:
        move(tmp_path, url, LATER, quietly)
    assert str(refused.value) == f"there is no store at {tmp_path / 'flowctl.db'}"


def test_every_table_has_a_key_and_comes_after_those_it_refers_to(home: Path) -> None:
    with closing(sqlite3.connect(home / "flowctl.db")) as source:
        found = copying.tables(source)
    assert [table.name for table in found if not table.key] == []
    names = [table.name for table in found]
    assert all(names.index(other) < names.index(table.name) for table in found for other in table.refers_to)
    assert len(names) > 30


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / MOVED).write_text("{", encoding="utf-8")
    with pytest.raises(StoreMoved) as refused:
        refuse_moved(tmp_path)
    assert str(refused.value).endswith("its store was moved to PostgreSQL (its name cannot be read) at an unknown time")
    (tmp_path / MOVED).write_text(json.dumps({"place": "books at db:5432", "at": AT}), encoding="utf-8")
    with pytest.raises(StoreMoved) as refused:
        refuse_moved(tmp_path)
    assert str(refused.value).endswith(f"its store was moved to PostgreSQL (books at db:5432) at {AT}")


def test_the_connection_is_a_plain_one(url: str) -> None:
    with closing(connected(url)) as target:
        assert not copying.is_unfinished(target)
        assert not copying.is_verified(target)
