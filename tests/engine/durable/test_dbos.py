"""DBOS behind the port: what is documented of it, and what flowctl relies on, holds in the version that is installed."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from engine.durable import dbos
from engine.durable.dbos import Dbos
from engine.durable.port import ExecutorFailed, Task, form_of
from engine.durable.where import place
from engine.errors import Bug
from engine.store import private
from tests.reference import ROOT

PATIENCE_S = 60.0
FORM = form_of(["shop_to_ledger"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "durable.db"


@pytest.fixture
def started(path: Path) -> Iterator[Callable[..., Dbos]]:
    made: list[Dbos] = []

    def start(handle: Callable[[Task], None], name: str = "me", where: Path | str = path, form: str = FORM) -> Dbos:
        executor = Dbos(where)
        executor.start(handle, name, form)
        made.append(executor)
        return executor

    yield start
    for executor in made:
        executor.stop(5)
        executor.close()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def task(company: str, number: int) -> Task:
    return Task("flow", company, "shop_to_ledger", number, "2026-03-02T14:00:00.000000Z")


def test_tasks_are_done_once_and_one_at_a_time_in_each_company(started: Callable[..., Dbos], path: Path) -> None:
    together, most, lock = dict.fromkeys("ab", 0), dict.fromkeys("ab", 0), threading.Lock()
    done: list[Task] = []
    other_begins = threading.Barrier(2)

    def handle(one: Task) -> None:
        with lock:
            together[one.company] += 1
            most[one.company] = max(most[one.company], together[one.company])
        if one.number == 1:
            other_begins.wait(PATIENCE_S)  # companies do not wait for one another
        with lock:
            together[one.company] -= 1
            done.append(one)
        raise ZeroDivisionError("canary-of-a-payload")

    executor = started(handle)
    tasks = [task(company, number) for number in (1, 2, 3) for company in "ab"]
    executor.submit(tasks)
    executor.submit(tasks)
    wait_for(lambda: not executor.known([FORM]))
    executor.submit(tasks)
    assert executor.known([FORM]) == {}
    assert sorted(done, key=lambda t: (t.number, t.company)) == tasks
    assert [t.number for t in done if t.company == "a"] == [1, 2, 3]
    assert most == {"a": 1, "b": 1}
    assert executor.purge([FORM]) == 0
    assert {"a", "b", "me", "do", "task", '"done"'} <= set(texts(path))
    assert [text for text in texts(path) if "canary" in text] == []


def test_what_ended_long_ago_is_deleted(
    started: Callable[..., Dbos], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = started(lambda _task: None)
    executor.submit([task("a", number) for number in range(5)])
    wait_for(lambda: not executor.known([FORM]))
    monkeypatch.setattr(dbos, "KEPT", timedelta(seconds=-60))
    monkeypatch.setattr(dbos, "PURGED_AT_ONCE", 2)
    assert executor.purge([FORM]) == 5
    with closing(sqlite3.connect(path)) as database:
        for table in ("workflow_status", "workflow_input", "workflow_output", "operation_outputs"):
            assert database.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,), table


def test_what_a_dead_process_left_blocks_its_company_until_it_is_dropped(
    started: Callable[..., Dbos], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason of the sweep: DBOS alone never frees it. A process of an older version of flowctl is no exception."""
    hangs, done = threading.Event(), list[int]()

    def hang(_task: Task) -> None:
        hangs.set()
        threading.Event().wait(PATIENCE_S)

    first = started(hang, "dead")
    first.submit([task("a", 1)])
    assert hangs.wait(PATIENCE_S)
    assert first.known([FORM]) == {task("a", 1).key: "dead"}
    before = time.monotonic()
    assert not first.stop(1)  # it has an end, whatever the task does
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert time.monotonic() - before < 20
    first.close()
    with closing(sqlite3.connect(path)) as database, database:  # the process had no time to say that it ended
        database.execute(
            "UPDATE workflow_status SET status = 'PENDING', executor_id = 'dead', queue_name = 'companies', "
            "completed_at = NULL"
        )
    second = started(lambda each: done.append(each.number), "second")
    second.submit([task("a", 2), task("b", 3)])
    wait_for(lambda: done == [3])
    time.sleep(2 * dbos.POLL_S)
    assert done == [3]
    assert second.known([FORM]) == {task("a", 1).key: "dead", task("a", 2).key: ""}
    second.drop([task("a", 1).key])
    wait_for(lambda: done == [3, 2])


def test_a_file_that_is_damaged_is_begun_anew(started: Callable[..., Dbos], path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    done: list[Task] = []
    executor = started(done.append)
    executor.submit([task("a", 1)])
    wait_for(lambda: bool(done))
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(Bug):
        started(done.append)


def test_a_database_that_is_not_there_is_said_without_its_password(started: Callable[..., Dbos]) -> None:
    with pytest.raises(ExecutorFailed) as caught:
        started(lambda _task: None, where="postgresql://u:canary@127.0.0.1:1/x?connect_timeout=1")
    assert str(caught.value).startswith("the durable engine cannot be started: ")
    assert "canary" not in f"{caught.value} {caught.value.hint}"


def test_a_database_of_postgresql_does_as_well(started: Callable[..., Dbos]) -> None:
    """It is created when the role may do that, and its commits wait for no disk."""
    if private.programs() is None:
        pytest.skip("PostgreSQL is not installed")
    done: list[str] = []
    with private.running() as server:
        missing = place("", server.url(), Path())
        with pytest.raises(ExecutorFailed) as caught:  # the role of the store may not create it
            started(lambda _task: None, where=missing)
        assert str(caught.value).endswith('database "flowctl_durable" does not exist')
        hint = (
            "as a superuser run `CREATE DATABASE {} OWNER flowctl` there, or name another place in FLOWCTL_DURABLE; {}"
        )
        assert caught.value.hint == hint.format("flowctl_durable", "it is tried again by itself")
        with pytest.raises(ExecutorFailed) as caught:
            started(lambda _task: None, where=server.url("Its Work"))
        assert caught.value.hint == hint.format('"Its Work"', "it is tried again by itself")
        where = place("", server.admin_url, Path())
        executor = started(lambda each: done.append(each.company), where=where)
        executor.submit([task("a", 1), task("b", 2)])
        executor.submit([task("a", 1), task("b", 2)])
        wait_for(lambda: not executor.known([FORM]))
        assert sorted(done) == ["a", "b"]
        executor.submit([task("a", 3)])
        wait_for(lambda: len(done) == 3)
        executor.stop(5)
        executor.close()


def test_it_writes_to_no_log_but_ours(
    started: Callable[..., Dbos], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    executor = started(lambda _task: None)
    executor.submit([task("a", 1)])
    wait_for(lambda: not executor.known([FORM]))
    executor.stop(5)
    assert capfd.readouterr() == ("", "")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "code", ["import engine.durable.dbos, engine.app, engine.cli.serve, engine.cli.run, engine.cli.test"]
)
def test_nothing_but_a_worker_that_is_started_imports_it(code: str) -> None:
    show = "import sys; print([m for m in ('dbos', 'sqlalchemy', 'psycopg', 'rich') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


def texts(path: Path) -> list[str]:
    """Every text in every table."""
    with closing(sqlite3.connect(path)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for table in tables for row in database.execute(f'SELECT * FROM "{table}"')]
    return [value for row in rows for value in row if isinstance(value, str)]


def test_any_sqlite_tells_the_milliseconds_that_newer_pythons_are_asked_for(path: Path) -> None:
    """DBOS goes by the version of Python, and not by that of SQLite: NULL there keeps it from starting."""
    engine = dbos._sqlite(path)
    with closing(engine.raw_connection()) as connection:
        before = time.time()
        ((found,),) = connection.execute("SELECT unixepoch('subsec')")
    engine.dispose()
    # To a thousandth, rounded: it may be told half of one before it is.
    assert before - 0.002 <= found <= time.time() + 0.002
