"""Durable work on DBOS Transact: the one file that knows it, imported when `flowctl serve` starts its worker.

Its database is SQLite beside the store, or PostgreSQL; it holds names of companies and flows, and numbers. Nothing is lost
with it. Only what DBOS documents is used. What it does not do, by version 3.4.0: it has no deduplication on a queue that is
partitioned (the name of a task is its workflow's id, which it knows again); it never takes up the work of a process that
died under another name, and that blocks its company's part of the queue (`engine.durable.handing` sweeps); nothing old is
ever deleted (`purge`); of what waits, only rows of the same application version are taken (ours is the number of the form
of a task, and no version of flowctl). https://docs.dbos.dev/python/reference/configuration
"""

from __future__ import annotations

import logging
import re
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from engine.dataclass import dataclass
from engine.durable.port import ExecutorFailed, Handle, Task
from engine.errors import Bug
from engine.log import described, logger

if TYPE_CHECKING:
    import sqlalchemy
    from dbos import DBOSClient, DBOSConfig, EnqueueOptions, Serializer, WorkflowStatus

_APP, _QUEUE, _WORKFLOW = "flowctl", "companies", "task"
# What belongs to no company is one at a time as well; no company has such a name.
_HOUSE = ":house"
# So many companies at once in one process: most of the time a task waits for a vendor.
AT_ONCE = 24
# How often a process looks for new work: twice as often would cost another hundredth of a core while nothing is to do.
POLL_S = 0.5
# What has ended is kept for a person to look at, and then deleted, so many at once.
KEPT = timedelta(minutes=10)
PURGED_AT_ONCE, _ROUNDS = 500, 4
_OPEN = ["ENQUEUED", "PENDING", "DELAYED"]
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_BUSY_MS = 30_000
# From here on SQLite tells the time in fractions of a second. https://www.sqlite.org/changes.html
_SUBSEC = (3, 42, 0)
_IDLE_S = 10.0
# What PostgreSQL says of a database that is missing, and to a role that may not create it.
_NOT_THERE = ("does not exist", "permission denied to create database")
_HINT = "the database of the durable engine holds no records: stop flowctl, delete it, and start anew"
# DBOS is one in a process.
_ALONE = threading.Lock()


class _Abandoned(Exception):
    """The process ends before the task does."""


def _is_trouble(record: logging.LogRecord) -> bool:
    """Whether a line of DBOS is to be said: what we leave on purpose is handed back, and no error."""
    return not (record.exc_info and isinstance(record.exc_info[1], _Abandoned))


@dataclass(slots=True)
class Dbos:
    """Work in threads of DBOS; `where` is the path of an SQLite file or the URL of a PostgreSQL database."""

    where: Path | str
    at_once: int = AT_ONCE
    keeps: bool = True
    _engine: sqlalchemy.Engine | None = None
    _client: DBOSClient | None = None
    _handle: Handle | None = None
    _form: str = ""
    _under_way: set[str] = field(default_factory=set)
    _abandon: threading.Event = field(default_factory=threading.Event)

    def start(self, handle: Handle, name: str, form: str) -> None:
        """Open or create the database, and begin to take work of this form under this name.

        Raises:
            ExecutorFailed: when the database cannot be used.
        """
        if not _ALONE.acquire(blocking=False):
            raise Bug("there is one durable engine in a process")
        self._handle, self._form = handle, form
        # With a handler of its own it leaves the rest to ours, which say what is wrong and nothing else.
        logging.getLogger("dbos").addHandler(logging.NullHandler())
        logging.getLogger("dbos").addFilter(_is_trouble)
        try:
            self._open(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said in our words
            self._close()
            if not isinstance(self.where, Path) or not _is_damaged(error):
                hint = _HINT
                if not isinstance(self.where, Path) and any(words in str(error) for words in _NOT_THERE):
                    hint = _to_create(self.where)
                raise ExecutorFailed(f"the durable engine cannot be started: {_said(error)}", hint=hint) from None
            logger().warning("durable engine begun anew", path=str(self.where), error=_said(error))
            for suffix in ("", "-journal", "-wal", "-shm"):
                self.where.with_name(self.where.name + suffix).unlink(missing_ok=True)
            _ALONE.acquire()
            self._open(name)

    def submit(self, tasks: Sequence[Task]) -> None:
        """Hand over; one that is known by its key stays as it is."""
        with _translated():
            for task in tasks:
                options: EnqueueOptions = {
                    "workflow_name": _WORKFLOW,
                    "queue_name": _QUEUE,
                    "workflow_id": task.key,
                    "app_version": self._form,
                    "queue_partition_key": task.company or _HOUSE,
                }
                self._at.enqueue(options, task.kind, task.company, task.flow, task.number, task.at)

    def known(self, forms: Collection[str]) -> Mapping[str, str]:
        """What has not ended, and who runs it; without what waits in another form than these."""
        return {
            row.workflow_id: (row.executor_id or "") if row.status == "PENDING" else ""
            for row in self._listed(_OPEN)
            if row.status == "PENDING" or row.app_version in forms
        }

    def drop(self, keys: Collection[str]) -> None:
        """Cancel these: what has ended stays as it is."""
        if keys:
            with _translated():
                self._at.cancel_workflows(list(keys))

    def purge(self, forms: Collection[str]) -> int:
        """Delete what ended some time ago, and cancel what waits in another form than these."""
        waiting = [row for row in self._listed(_OPEN) if row.status != "PENDING"]
        self.drop([row.workflow_id for row in waiting if row.app_version not in forms])
        before, count = (datetime.now(UTC) - KEPT).isoformat(), 0
        for _ in range(_ROUNDS):
            found = [row.workflow_id for row in self._listed(_ENDED, before)]
            with _translated():
                self._at.delete_workflows(found)
            count += len(found)
            if len(found) < PURGED_AT_ONCE:
                break
        return count

    def stop(self, timeout_s: float) -> bool:
        """Take nothing more, and wait for what is under way."""
        if self._client is None:
            return True
        timer = threading.Timer(timeout_s, self._abandon.set)
        timer.daemon = True
        timer.start()
        # It waits in whole seconds, and for nothing when nothing is under way.
        _destroy(max(1, round(timeout_s)) if self._under_way else 0)
        timer.cancel()
        self._abandon.set()
        return not self._under_way

    def close(self) -> None:
        """Let go of the database."""
        if self._client is not None:
            self._close()

    @property
    def _at(self) -> DBOSClient:
        if self._client is None:
            raise Bug("the durable engine was not started")
        return self._client

    def _open(self, name: str) -> None:
        from dbos import DBOS, DBOSClient

        config: DBOSConfig = {
            "name": _APP,
            "application_version": self._form,
            "executor_id": name,
            "serializer": _serializer(),
            "enable_otlp": False,
            "use_listen_notify": False,
            "run_migrations": True,
            "max_executor_threads": self.at_once + 2,
            "sys_db_idle_transaction_timeout_sec": _IDLE_S,
            "log_level": "WARNING",
        }
        seat: dict[str, Any] = {"application_name": _APP, "serializer": _serializer(), "retry_connection_errors": False}
        if isinstance(self.where, Path):
            self._engine = _sqlite(self.where)
            config |= {"system_database_engine": self._engine, "system_database_url": f"sqlite:///{self.where}"}
            seat |= {"system_database_engine": self._engine}
        else:
            url = _relaxed(self.where)
            config |= {"system_database_url": url, "db_engine_kwargs": {"hide_parameters": True}}
            config["sys_db_pool_size"] = self.at_once
            seat |= {"system_database_url": url, "system_database_pool_size": 2}
        DBOS(config=config)

        def task(kind: str, company: str, flow: str, number: int, at: str) -> str:
            """Nothing here depends on time or chance: one step does it all, and may be done twice."""
            return DBOS.run_step({"name": "do"}, self._step, kind, company, flow, number, at)

        DBOS.workflow(name=_WORKFLOW)(task)
        DBOS.launch()
        DBOS.register_queue(
            _QUEUE,
            partition_concurrency=1,
            worker_concurrency=self.at_once,
            polling_interval_sec=POLL_S,
            on_conflict="always_update",
        )
        self._client = DBOSClient(**seat)

    def _step(self, *kept: Any) -> str:
        """The task in a thread that dies with the process: one of DBOS's would keep it from ending."""
        task, done = Task(*kept), threading.Event()
        self._under_way.add(task.key)

        def work() -> None:
            try:
                assert self._handle is not None
                self._handle(task)
            except Exception as error:  # noqa: BLE001 - the edge: it must neither be kept there nor end a thread of others
                logger().critical("task failed", company=task.company, flow=task.flow, error=described(error))
            finally:
                self._under_way.discard(task.key)
                done.set()

        threading.Thread(target=work, name=f"flowctl-task-{task.company}", daemon=True).start()
        while not done.wait(0.2):
            if self._abandon.is_set():
                raise _Abandoned
        return "done"

    def _listed(self, status: list[str], before: str | None = None) -> list[WorkflowStatus]:
        with _translated():
            return self._at.list_workflows(
                status=status,
                name=_WORKFLOW,
                completed_before=before,
                limit=PURGED_AT_ONCE if before else None,
                load_input=False,
                load_output=False,
            )

    def _close(self) -> None:
        _destroy(0)
        if self._client is not None:
            self._client.destroy()
            self._client = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        _ALONE.release()


def _destroy(wait_s: int) -> None:
    from dbos import DBOS

    with suppress(Exception):  # what is half open is let go of as far as it can be
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=wait_s)


def _serializer() -> Serializer:
    """JSON, and of an error its class alone: what it says may name what no other database is to hold."""
    from dbos import DBOSPortableJSONSerializer

    class Plain(DBOSPortableJSONSerializer):
        def name(self) -> str:
            return "flowctl_json"

        def serialize(self, value: Any) -> str:
            return super().serialize(type(value).__name__ if isinstance(value, BaseException) else value)

    return Plain()


def _sqlite(path: Path) -> sqlalchemy.Engine:
    """A file that is as safe from a killed process as any, and not from a power cut: then it is begun anew."""
    import sqlalchemy
    from sqlalchemy import event

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create("sqlite", database=str(path)), pool_size=AT_ONCE, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        # The first three as DBOS sets them on an engine of its own.
        connection.isolation_level = "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA journal_mode=PERSIST")
        connection.execute("PRAGMA synchronous=OFF")
        if sqlite3.sqlite_version_info < _SUBSEC:
            connection.create_function("unixepoch", 1, _unixepoch)

    return engine


def _unixepoch(moment: str) -> float:
    """What newer SQLites say. On Python 3.12 and later DBOS asks any SQLite for it, and an older one has no moment `subsec`."""
    if moment != "subsec":
        raise Bug(f"unixepoch({moment!r}): DBOS has asked for nothing but `subsec`")
    return round(time.time(), 3)


def _relaxed(url: str) -> str:
    """Commits that do not wait for the disk: what a power cut takes is found again in our own store."""
    if "options=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}options=-c%20synchronous_commit%3Doff"


def _to_create(url: str) -> str:
    """How a person makes the database that this role may not create."""
    parts = urlsplit(url)
    name, role = unquote(parts.path.lstrip("/")), unquote(parts.username or "") or "ROLE"
    made = f"CREATE DATABASE {_quoted(name)} OWNER {_quoted(role)}"
    return f"as a superuser run `{made}` there, or name another place in FLOWCTL_DURABLE; it is tried again by itself"


def _quoted(name: str) -> str:
    return name if re.fullmatch("[a-z_][a-z0-9_]*|ROLE", name) else '"{}"'.format(name.replace('"', '""'))


def _is_damaged(error: BaseException) -> bool:
    import sqlalchemy

    return isinstance(error, sqlalchemy.exc.DatabaseError) and any(
        words in str(error.orig) for words in ("malformed", "not a database")
    )


def _said(error: BaseException) -> str:
    """What went wrong, without the statement and what it was given."""
    import sqlalchemy

    inner = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    return f"{type(inner).__name__}: {str(inner).splitlines()[0] if str(inner) else ''}"


@contextmanager
def _translated() -> Iterator[None]:
    import sqlalchemy

    try:
        yield
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise ExecutorFailed(f"the durable engine does not answer: {_said(error)}", hint=_HINT) from None
