"""What a Web Connector that comes in vain costs: `authenticate` with nothing to do, its password known from before."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from connectors.qbwc.routes import make_handler
from connectors.qbwc.sandbox import PASSWORD, USER
from connectors.qbwc.sandbox import make as make_books
from connectors.qbwc.simulator import WebConnector, dotnet, handler_post
from engine.clock import SystemClock
from engine.connections.connecting import connect
from engine.desk import StoreOutbox
from engine.store.sqlite import SqliteStore
from engine.vault import Vault
from engine.world import World

_CALLS = 200


def measure(rounds: int) -> list[tuple[float, float, float, float]]:
    """A round each: CPU seconds and seconds of one call, and of one plain commit of the sqlite3 module."""
    with tempfile.TemporaryDirectory(prefix="flowctl-bench-") as folder:
        store = SqliteStore(Path(folder) / "ours.db")
        world = World(store, Vault(b"0" * 32))
        books = make_books(1, SystemClock(), {})
        connect(world, "bench", "books", "qbwc", *books.binding("http://127.0.0.1:8000"))
        handler = make_handler(StoreOutbox(world, {}), world.clock, world.ids)
        post = handler_post(handler)
        # The first session binds the company file and reads the lists; nothing is left to do after it.
        while (
            WebConnector(post, USER, PASSWORD, books.company, application=books.application).update().outcome == "done"
        ):
            pass
        body, headers = dotnet.request("authenticate", {"strUserName": USER, "strPassword": PASSWORD})
        mode = store.connection.execute("PRAGMA journal_mode").fetchone()[0]
        plain = _plain(Path(folder) / "plain.db", mode)

        def call() -> None:
            answer = post(body, headers)
            assert b"<string>none</string>" in answer[1], "there was something to do"

        found = [(*_timed(call), *_timed(plain)) for _ in range(rounds)]
        store.close()
    return found


def _plain(path: Path, mode: str) -> Callable[[], None]:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA journal_mode = {mode}")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")

    def commit() -> None:
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO t (b) VALUES ('x')")
        db.execute("COMMIT")

    return commit


def _timed(run: Callable[[], None]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(_CALLS):
        run()
    return (time.process_time() - cpu) / _CALLS, (time.perf_counter() - wall) / _CALLS
