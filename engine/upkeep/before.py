"""What of the store before outlives a restore: what people have stopped since, and who may sign in now.

The backup knows neither. Money must not go out, nor somebody come in again, because of that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import field
from pathlib import Path
from typing import TypeVar

from engine.access import users as access
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.store import companies, journal, keys, stops
from engine.store import users as kept
from engine.store.base import Row, Tx
from engine.store.sqlite import SqliteTx
from engine.vault import Vault

_T = TypeVar("_T")
_WHY = "so it was in the store before the restore"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a restore means for who may sign in, and for what is stopped.

    `returning` are the users of the backup, with the role of then, who come back because who may sign in now cannot be
    taken from the store that is there; `stays` says that it can. `is_unread` says that the store is there, and cannot be
    read for what is stopped.
    """

    returning: tuple[tuple[str, str], ...] = ()
    stays: bool = False
    is_unread: bool = False


def outlook(store: Path, backup: Path) -> Outlook:
    """What putting back the store file `backup` in place of `store` means; neither is changed.

    Raises:
        sqlite3.Error: when the backup cannot be read.
    """
    is_there, unread = store.is_file(), False
    if is_there:
        try:
            _read(store, stops.every, "pauses")
        except _Unreadable:
            unread = True
    with closing(_opened(backup)) as opened:
        tx = SqliteTx(opened)
        users = tx.rows("users_all", {}) if _has(opened, "users") else []
        if is_there and _people(tx, store) is not None:
            return Outlook((), bool(users), unread)
    return Outlook(tuple((row["user_name"], row["role"]) for row in users), False, unread)


def stop_again(tx: Tx, store: Path, at: str, actor: str) -> int | None:
    """Take pauses and holds from the store before; those of the backup stay, even where they were ended since.

    Returns how many were taken over; None when the store cannot be read for them.
    """
    try:
        pauses, holds = _read(store, stops.every, "pauses") or ([], [])
    except _Unreadable:
        return None
    known, taken = set(companies.names(tx)), 0
    for row in pauses:
        if row["company"] in known and stops.pause(tx, dict(row)):
            detail = {"what": "flow" if row["flow"] else "company", "why": row["why"], "by": row["actor"]}
            journal.append(tx, row["company"], at, actor, [journal.Entry("paused", row["flow"], detail=detail)])
            taken += 1
    for row in holds:
        record = tx.one("record_find", dict(row)) if row["company"] in known else None
        if record is not None and stops.hold(tx, {**dict(row), "record_id": record["id"]}):
            place = (row["flow"], row["stream"], record["id"], row["source_id"], record["state"], record["state"])
            entry = journal.Entry("on_hold", *place, {"why": row["why"], "by": row["actor"]})
            journal.append(tx, row["company"], at, actor, [entry])
            taken += 1
    return taken


def let_in_again(tx: Tx, store: Path, vault: Vault, at: str, actor: str) -> int | None:
    """Let those sign in who could before the restore, with the roles, passwords and second factors of then, nobody else.

    Returns how many users of the backup this changes; None when the store before cannot be read for that, or is another
    one, and who may sign in is as in the backup.
    """
    people = _people(tx, store)
    if people is None:
        return None
    try:
        secrets = _read(store, lambda before: _secrets(before, vault, people), "users") or {}
    except _Unreadable:
        return None
    before = {row["user_name"]: row for row in people}
    mine = {row["user_name"]: row for row in tx.rows("users_whole", {})}
    changed = 0
    for name in sorted(mine.keys() - before.keys()):
        kept.remove(tx, name)
        _note(tx, at, actor, "user_removed", name)
        changed += 1
    for name, row in sorted(before.items()):
        if name not in mine:
            kept.add(tx, name, row["role"], row["password_hash"], row["created_at"])
            _note(tx, at, actor, "user_added", name, role=row["role"])
        seal = _Seal(vault, secrets.get(name))
        changed += _take(tx, seal, row, mine.get(name), (at, actor))
    return changed


@dataclass(frozen=True, slots=True)
class _Seal:
    """What a second factor is sealed with, and its secret; None where the user has none."""

    vault: Vault
    secret: str | None = field(default=None, repr=False)


def _take(tx: Tx, seal: _Seal, row: Row, mine: Row | None, by: tuple[str, str]) -> bool:
    """Make a user what the store before says; whether anything was different."""
    name, at, is_other = row["user_name"], row["updated_at"], mine is None
    if mine is not None and mine["role"] != row["role"]:
        kept.put_role(tx, name, row["role"], at)
        _note(tx, *by, "user_role", name, role=row["role"], before=mine["role"])
        is_other = True
    if mine is None or (mine["password_hash"], mine["is_once"]) != (row["password_hash"], row["is_once"]):
        kept.put_password(tx, name, row["password_hash"], at, is_once=bool(row["is_once"]))
        _note(tx, *by, "user_password", name, once=bool(row["is_once"]))
        is_other = True
    if (None if mine is None else mine["totp_sealed"]) != row["totp_sealed"]:
        _take_totp(tx, seal, row)
        _note(tx, *by, "user_totp", name, on=row["totp_sealed"] is not None)
        is_other = True
    return is_other


def _take_totp(tx: Tx, seal: _Seal, row: Row) -> None:
    """Seal the second factor anew, since the backup may not have the key that it was sealed with."""
    if seal.secret is None:
        kept.put_totp(tx, row["user_name"], "", None, row["updated_at"])
        return
    sealed = keys.seal(tx, seal.vault, access.place_of_totp(row["user_name"]), seal.secret, row["updated_at"])
    kept.put_totp(tx, row["user_name"], sealed.key_id, sealed.data, row["updated_at"])
    kept.use_step(tx, row["user_name"], row["totp_step"])


def _people(tx: Tx, store: Path) -> Sequence[Row] | None:
    """The users of the store before; None when they cannot be read, or its journal does not go on from that of `tx`.

    A store that was made since, in an emptied home, says nothing of who was let in before.
    """
    head = tx.one("journal_head", {"company": access.HOUSE})

    def read(before: Tx) -> Sequence[Row] | None:
        at = {"company": access.HOUSE, "seq": head["seq"] if head is not None else 0}
        line = before.one("journal_line", at)
        goes_on = head is not None and line is not None and line["hash"] == head["hash"]
        return before.rows("users_whole", {}) if goes_on else None

    try:
        return _read(store, read, "users")
    except _Unreadable:
        return None


def _secrets(before: Tx, vault: Vault, people: Sequence[Row]) -> dict[str, str]:
    """The secrets of the second factors there are."""
    return {
        row["user_name"]: access.opened_totp(before, vault, row) for row in people if row["totp_sealed"] is not None
    }


class _Unreadable(Exception):
    """The store before is damaged, or sealed with another key."""


def _read(store: Path, read: Callable[[Tx], _T], table: str) -> _T | None:
    """Read the store before; None of one that is older than a table is.

    Raises:
        _Unreadable: when it cannot be read.
    """
    try:
        # Not opened as a store of ours, which would bring it up to date: it may be looked at later.
        with closing(_opened(store)) as opened:
            return read(SqliteTx(opened)) if _has(opened, table) else None
    except (FlowctlError, sqlite3.Error) as error:
        raise _Unreadable from error


def _opened(store: Path) -> sqlite3.Connection:
    opened = sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)
    opened.row_factory = sqlite3.Row
    return opened


def _has(opened: sqlite3.Connection, table: str) -> bool:
    found = opened.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
    return found is not None


def _note(tx: Tx, at: str, actor: str, event: str, user: str, **detail: object) -> None:
    entry = journal.Entry(event, detail={"user": user, **detail, "why": _WHY})
    journal.append(tx, access.HOUSE, at, actor, [entry])
