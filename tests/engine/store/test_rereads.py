"""A transaction that answers from memory what was asked before, until it changes what the question looks at."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence

from engine.store import facts, stops, work
from engine.store.base import Params, Row, Store, Tx, statements
from engine.store.rereads import AGAIN, TAKE_OTHERS, Rereads, outdates
from engine.store.sqlite import SqliteStore
from tests.engine.store.rows import AT, COMPANY


class Heard:
    """Notes what reaches the store."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.names: list[str] = []

    def run(self, name: str, params: Params) -> int:
        self.names.append(name)
        return self.tx.run(name, params)

    def many(self, name: str, params: Iterable[Sequence[object]]) -> None:
        self.names.append(name)
        self.tx.many(name, params)

    def rows(self, name: str, params: Params) -> list[Row]:
        self.names.append(name)
        return self.tx.rows(name, params)

    def one(self, name: str, params: Params) -> Row | None:
        self.names.append(name)
        return self.tx.one(name, params)


def test_what_was_asked_is_answered_from_memory_until_it_is_changed(store: Store) -> None:
    """Each question by what it was asked with; that there is nothing is an answer too."""
    with store.write() as whole:
        heard = Heard(whole)
        tx = Rereads(heard)
        assert facts.recall(tx, COMPANY, "pace") is None
        assert facts.recall(tx, COMPANY, "pace") is None
        assert facts.recall(tx, COMPANY, "check") is None
        assert stops.paused(tx, COMPANY) is None
        assert heard.names == ["fact_get", "fact_get", "pause_for"]

        facts.remember(tx, COMPANY, AT, "pace", {"limit": 4})
        heard.names.clear()
        assert facts.recall(tx, COMPANY, "pace") == {"limit": 4}
        assert facts.recall(tx, COMPANY, "pace") == {"limit": 4}
        assert facts.recall(tx, COMPANY, "check") is None
        # Nothing was written that says whether the company is paused.
        assert stops.paused(tx, COMPANY) is None
        assert heard.names == ["fact_get", "fact_get"]

        facts.forget(tx, COMPANY, "pace")
        assert facts.recall(tx, COMPANY, "pace") is None


def test_each_asker_has_its_own_list_of_what_was_found(store: Store) -> None:
    with store.write() as whole:
        tx = Rereads(whole)
        tx.run("list_create", {"company": COMPANY, "list": "Vendor"})
        tx.rows("lists_of", {"company": COMPANY}).clear()
        assert [row["list"] for row in tx.rows("lists_of", {"company": COMPANY})] == ["Vendor"]


def test_a_question_that_changes_something_is_asked_each_time(store: Store) -> None:
    """And what is not asked over and over is not remembered."""
    with store.write() as whole:
        heard = Heard(whole)
        tx = Rereads(heard)
        tx.run("counter_create", {"name": "turns"})
        scope = {"name": "turns", "count": 1}
        taken = [row["value"] for row in (tx.one("counter_take", scope) for _ in range(2)) if row]
        assert taken == [1, 2]
        assert work.alerts(tx, COMPANY) == work.alerts(tx, COMPANY) == []
        assert heard.names[1:] == ["counter_take", "counter_take", "alerts_open", "alerts_open"]


def test_every_statement_outdates_the_questions_that_look_at_what_it_changes() -> None:
    """What SQLite itself says that a statement reads and changes is held against what is taken from its text."""
    store = SqliteStore(None)
    reads, changes = dict[str, set[str]](), dict[str, set[str]]()
    for name, text in statements().items():
        reads[name], changes[name] = _touched(store.connection, text)
    store.close()
    assert {name for name in reads if not changes[name]} >= AGAIN
    for name, changed in changes.items():
        missed = {asked for asked in AGAIN if reads[asked] & changed} - set(outdates(name))
        assert not missed, f"{name} changes what these look at: {sorted(missed)}"


def test_tables_that_take_rows_of_others_with_them_are_known() -> None:
    store = SqliteStore(None)
    tables = [row[0] for row in store.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {
        row["table"]
        for table in tables
        for row in store.connection.execute(f"PRAGMA foreign_key_list({table})")
        if row["on_delete"] not in {"NO ACTION", "RESTRICT"} or row["on_update"] not in {"NO ACTION", "RESTRICT"}
    }
    store.close()
    assert found == TAKE_OTHERS
    assert set(outdates("span_drop")) == AGAIN


def _touched(connection: sqlite3.Connection, text: str) -> tuple[set[str], set[str]]:
    """The tables that a statement reads, and those that it changes."""
    read, changed = set[str](), set[str]()

    def noted(action: int, table: str | None, _column: str | None, _base: str | None, _by: str | None) -> int:
        if action == sqlite3.SQLITE_READ and table:
            read.add(table)
        elif action in {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE} and table:
            changed.add(table)
        return sqlite3.SQLITE_OK

    names = dict.fromkeys(re.findall(r"(?<!:):(\w+)", text), "")
    connection.set_authorizer(noted)
    try:
        connection.execute(f"EXPLAIN {text}", names or ("",) * text.count("?"))
    finally:
        connection.set_authorizer(None)
    return read, changed
