"""Puts a backup back: the store's files, and what a store must know that wakes in an earlier time.

Little is needed against double posting: every session looks at the books before it writes, from the time of its last look on,
and a store that was put back has an older one. What a target is still at work on shows in no look, and is waited for
(`docs/explanation/exactly-once.md`).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.audit.notary import FILE, Notary
from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.evidence import PUT_BACK
from engine.store import companies, facts, journal, keys, occupied, whereabouts
from engine.store.base import Row, Tx
from engine.store.sqlite import SqliteStore, SqliteTx
from engine.upkeep import before
from engine.upkeep.backup import STORE, Backup, put_back
from engine.vault import load_key
from engine.world import World

_TOKEN = {"field": companies.TOKEN_FIELD}
_NOTE = "the store before the restore could not be read"


@dataclass(frozen=True, slots=True)
class Signed:
    """A connection that a vendor gave a token for; `is_newest` when the token is the one that was in use at the end."""

    company: str
    connection: str
    is_newest: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done: where the files are that were there before, and the connections with a token.

    `note` says why no token was taken over from the store before. `stopped` is how many pauses and holds were: what people
    have stopped since the backup was made stays stopped; `users` how many users differ in the backup from who could sign
    in before. Each of the two is None when the store before could not be read for it. `rest` is how many companies have a target
    to which nothing is written for a while.
    """

    aside: Path | None
    connections: tuple[Signed, ...]
    note: str = ""
    stopped: int | None = 0
    users: int | None = 0
    rest: int = 0


def restore(home: Path, backup: Backup, at: str, actor: str, checkpoints: Path | None = None) -> Restored:
    """Put a backup into a home. `at` is now, as UTC text; `checkpoints` a copy of the checkpoint file kept elsewhere.

    All or nothing: when something is wrong, the home is as it was.

    Raises:
        KeyUnusable, KeyWrong: when the master key of the backup is not there.
        StoreInUse: when another flowctl works with the store.
        StoreTooNew: when a newer flowctl made the backup.
        OSError: when files cannot be read or written.
    """
    whereabouts.on_file("put back", home)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    vault = load_key(home, create=False)
    with occupied.alone(home), put_back(backup, home, at, checkpoints) as aside:
        store = SqliteStore(home / STORE)
        try:
            world = World(store, vault)
            with store.write() as tx:
                keys.check(tx, vault)
                note = _take_over(tx, world, aside) if aside is not None else ""
                rest = wake(tx, backup.made_at, at, actor)
                stopped = before.stop_again(tx, aside / STORE, at, actor) if aside is not None else 0
                users = before.let_in_again(tx, aside / STORE, vault, at, actor) if aside is not None else None
                found = tuple(
                    Signed(row["company"], row["connection"], row["updated_at"] > backup.made_at)
                    for row in tx.rows("tokens_all", _TOKEN)
                )
            Notary(world, home / FILE).write(accept=f"restored the backup of {backup.made_at}", actor=actor)
        finally:
            store.close()
    return Restored(aside, found, note, stopped, users, rest)


def recovered(world: World, home: Path, made_at: str, actor: str) -> int:
    """After somebody has brought a store back to an earlier time, outside of flowctl: what a restore does at its end.

    How many companies have a target to which nothing is written for a while is returned.

    Raises:
        StoreError: when the store is not available; nothing is done then.
    """
    with world.store.write() as tx:
        rest = wake(tx, made_at, world.at(), actor)
    Notary(world, home / FILE).write(accept=f"the store was recovered to {made_at}", actor=actor)
    return rest


def wake(tx: Tx, made_at: str, at: str, actor: str) -> int:
    """Nobody is at work with this store, everything is to be read anew, and whoever was signed in signs in again.

    What was sent since the copy was made may be under way in a target whose agent calls us, and this store knows nothing of
    it: there nothing is written for a while (`PUT_BACK`). How many companies have such a target is returned.
    """
    rest = 0
    tx.run("leases_end", {})
    tx.run("schedule_all_due", {"at": at})
    tx.run("lists_all_due", {})
    tx.run("user_sessions_end_all", {})
    for company in companies.names(tx):
        tx.run("sessions_close_of", {"company": company})
        if companies.logins(tx, company):
            # Not everything was looked through since another copy was put back: what was written since that was made counts too.
            other = (facts.recall(tx, company, PUT_BACK) or {}).get("made_at", made_at)
            facts.remember(tx, company, at, PUT_BACK, {"at": at, "made_at": min(other, made_at, key=from_iso)})
            rest += 1
        journal.append(tx, company, at, actor, [journal.Entry("restored", detail={"made_at": made_at})])
    return rest


def _take_over(tx: Tx, world: World, aside: Path) -> str:
    """Take newer tokens from the store before: a vendor that gives a new one with each use knows only the last.

    The store before may be damaged, or sealed with another key: then the connections are signed in again by hand.
    """
    try:
        # Not opened as a store of ours, which would bring it up to date: it may be looked at later.
        with closing(sqlite3.connect(str(aside / STORE))) as old:
            old.row_factory = sqlite3.Row
            there = SqliteTx(old)
            for row in there.rows("tokens_all", _TOKEN):
                _take_one(tx, there, world, row)
    except (FlowctlError, sqlite3.Error):
        return _NOTE
    return ""


def _take_one(tx: Tx, before: Tx, world: World, row: Row) -> None:
    company, connection = row["company"], row["connection"]
    mine = tx.one("credential_get", {"company": company, "connection": connection, **_TOKEN})
    is_same = _bound_as(tx, company, connection) == _bound_as(before, company, connection) is not None
    if is_same and (mine is None or mine["updated_at"] < row["updated_at"]):
        token = companies.token(before, world.vault, company, connection)
        if token is not None:
            companies.put_token(tx, world.vault, company, connection, token, row["updated_at"])


def _bound_as(tx: Tx, company: str, connection: str) -> tuple[str, str] | None:
    """The connector of a connection and its settings, as text."""
    row = tx.one("connection_get", {"company": company, "connection": connection})
    return (row["connector"], row["settings"]) if row is not None else None
