"""Where the store of a home is: a file in the home folder, or a PostgreSQL database that a setting names."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.store.base import Store

VARIABLE = "FLOWCTL_STORE"
DATABASE, FILE, MOVED = "flowctl.db", "store", "moved.json"
_SCHEMES = ("postgresql://", "postgres://")


class AddressUnusable(UsageError):
    """What should name the store does not; it may hold a password, and is not repeated."""

    def __init__(self, where: str, reason: str, hint: str) -> None:
        super().__init__(f"{where}: {reason}", hint=hint)


def address(home: Path) -> str | None:
    """The address of the home's database, with its password; None for the file `flowctl.db`.

    FLOWCTL_STORE holds it, or `file:PATH`; else the file `store` in the home folder does.

    Raises:
        AddressUnusable: it is no address of a PostgreSQL database, or in a file that others can read.
    """
    given = os.environ.get(VARIABLE, "").strip()
    if given.startswith("file:"):
        return _checked(_read(Path(given.removeprefix("file:"))), VARIABLE)
    if given:
        return _checked(given, VARIABLE)
    path = home / FILE
    return _checked(_read(path), str(path)) if path.is_file() else None


def _read(path: Path) -> str:
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise AddressUnusable(
                str(path), "others can read it, and it may hold a password", f"run `chmod 600 {path}`"
            )
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise AddressUnusable(str(path), f"cannot be read: {reason}", "give the path of a readable file") from None


def _checked(text: str, where: str) -> str:
    if not text.startswith(_SCHEMES):
        hint = "it looks like postgresql://USER:PASSWORD@HOST/DATABASE"
        raise AddressUnusable(where, "is no address of a PostgreSQL database", hint)
    return text


def exists(home: Path) -> bool:
    """Whether the home has a store: one on PostgreSQL is taken to be there, and whoever opens one that was moved is told."""
    return address(home) is not None or (home / DATABASE).exists() or (home / MOVED).exists()


def named(home: Path) -> str:
    """The store, for people; never with a password."""
    found = address(home)
    if found is None:
        return str(home / DATABASE)
    from engine.store.postgres import place_of

    return place_of(found)


def opened(home: Path) -> Store:
    """The store of a home; the file is made, or migrated, when it has to be, and a database is not.

    Raises:
        StoreMoved: the file was moved into a database.
        StoreBusy, StoreDamaged, StoreTooNew, StoreTooOld: when it cannot be used.
    """
    found = address(home)
    if found is None:
        from engine.store.sqlite import SqliteStore

        refuse_moved(home)
        return SqliteStore(home / DATABASE)
    from engine.store.postgres import PostgresStore

    return PostgresStore(found)


class StoreMoved(UsageError):
    """The store of this folder is in PostgreSQL now."""

    def __init__(self, home: Path, place: str, at: str) -> None:
        super().__init__(
            f"{home}: its store was moved to PostgreSQL ({place}) at {at}",
            hint="set FLOWCTL_STORE to that database; what was moved must not be used a second time",
        )


def refuse_moved(home: Path) -> None:
    """Whoever would open the folder's own store is told where it is now.

    Raises:
        StoreMoved: the store was moved.
    """
    try:
        told = json.loads((home / MOVED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        told = {}
    raise StoreMoved(home, str(told.get("place", "its name cannot be read")), str(told.get("at", "an unknown time")))


class OnPostgres(UsageError):
    """What is done with files cannot be done with a store on PostgreSQL."""

    def __init__(self, what: str, home: Path) -> None:
        super().__init__(
            f"the store is on PostgreSQL ({named(home)}): flowctl does not {what} it",
            hint=f"use pg_dump, or point-in-time recovery, and keep the files of {home}; docs/howto/postgresql.md says how",
        )


def on_file(what: str, home: Path) -> None:
    """Look whether the store is a file.

    Raises:
        OnPostgres: it is not.
    """
    if address(home) is not None:
        raise OnPostgres(what, home)
