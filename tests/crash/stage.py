"""What one point of the campaign plays on: a small business in Ramp, a company file, and a prepared store."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.qbwc.sandbox import QuickBooksSandbox
from connectors.qbwc.sandbox import make as make_books
from connectors.ramp.sandbox import RampSandbox
from connectors.ramp.sandbox import make as make_ramp
from engine.clock import SystemClock
from engine.connections.connecting import connect
from engine.serving import running
from engine.store import sqlite as store_module
from engine.store.sqlite import SqliteStore
from engine.vault import load_key
from engine.world import World
from tests.acceptance.serving import BOOT, free_port

Mode = Literal["persist", "wal"]
SEED = 7
BUSINESS = {"bills": 3, "transactions": 2, "vendors": 2}
STORE = "flowctl.db"
# A build of SQLite decides between the two journals; here the process is told which one to take for safe.
_BOOT = "import engine.store.sqlite as store; store._WAL_SAFE = {0}; " + BOOT


@dataclass(slots=True)
class Scene:
    """One small world, and the store of the server in it."""

    home: Path
    port: int
    mode: Mode
    books: QuickBooksSandbox
    ramp: RampSandbox
    plant: str = ""

    @property
    def store(self) -> Path:
        """The store file."""
        return self.home / STORE

    @property
    def boot(self) -> str:
        """The program that the process runs: `flowctl` with the journal mode that is to be tried."""
        return self.plant + _BOOT.format((0,) if self.mode == "wal" else (99,))


@dataclass(slots=True)
class _Swap:
    """An address that stays, and behind it the Ramp business of the moment."""

    app: ASGIApp = field(default_factory=Starlette)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on."""
        await self.app(scope, receive, send)


@dataclass(slots=True)
class Stage:
    """One after the other, scenes at the same addresses, so that one prepared store serves them all.

    `plant` is a bug that the server is started with, to see whether it is found.
    """

    folder: Path
    port: int
    ramp_url: str
    swap: _Swap
    scenes: int = 0
    plant: str = ""

    def scene(self, mode: Mode, *, old: bool = False) -> Scene:
        """A fresh scene; with `old`, its store still has the schema before the newest one."""
        self.scenes += 1
        home = self.folder / f"scene-{self.scenes}"
        shutil.copytree(self._prepared(old=old), home)
        books, ramp = business()
        self.swap.app = ramp.app()
        return Scene(home, self.port, mode, books, ramp, self.plant)

    def end(self, scene: Scene) -> None:
        """Throw a scene away."""
        shutil.rmtree(scene.home)

    def _prepared(self, *, old: bool) -> Path:
        """A connected company that has never run; made once and copied."""
        home = self.folder / ("old" if old else "new")
        if home.exists():
            return home
        if old:
            shutil.copytree(self._prepared(old=False), home)
            (home / STORE).unlink()
            _older(self.folder / "new" / STORE, home / STORE)
        else:
            books, ramp = business()
            store = SqliteStore(home / STORE)
            world = World(store, load_key(home))
            connect(world, "main", "ramp", "ramp", *ramp.binding(self.ramp_url))
            connect(world, "main", "books", "qbwc", *books.binding(f"http://127.0.0.1:{self.port}"))
            store.close()
        # The journal is created anew by each process: that too is a durable call.
        for rest in home.glob(f"{STORE}-*"):
            rest.unlink()
        return home


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A stage in a folder of its own."""
    swap = _Swap()
    folder.mkdir(parents=True, exist_ok=True)
    with running(Starlette(routes=[Mount("/", app=swap)])) as url:
        yield Stage(folder, free_port(), url, swap)


def business() -> tuple[QuickBooksSandbox, RampSandbox]:
    """A company file, and a few bills, payments and card transactions to post into it."""
    books = make_books(SEED, SystemClock(), {})
    return books, make_ramp(SEED, SystemClock(), {**BUSINESS, "chart": books.chart()})


def _older(new: Path, old: Path) -> None:
    """The same rows in the schema before the newest migration."""
    before = store_module._migrations()[:-1]
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.execute("PRAGMA page_size = 8192")
        for number, scripts in before:
            for script in scripts:
                db.executescript(script)
            db.execute(f"PRAGMA user_version = {number}")
        db.execute("ATTACH ? AS new", (str(new),))
        for (table,) in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            shared = [name for _, name, *_ in db.execute(f"PRAGMA main.table_info({table})")]
            there = {name for _, name, *_ in db.execute(f"PRAGMA new.table_info({table})")}
            names = ", ".join(name for name in shared if name in there)
            # A migration may have put rows there itself, such as where a counter begins.
            db.execute(f"INSERT OR REPLACE INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
