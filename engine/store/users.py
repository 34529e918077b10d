"""People who sign in to the panel, their sessions, and how often a sign-in was refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from engine.clock import from_iso, iso
from engine.dataclass import dataclass
from engine.errors import UnknownName, UsageError
from engine.store.base import Row, Tx

Role = Literal["viewer", "operator", "admin"]
Stage = Literal["code", "choose", "in"]
# Each may do what those before it may.
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
# Nobody is signed in for longer, however busy; and nobody who has done nothing for this long.
LONGEST = timedelta(hours=12)
IDLE = timedelta(hours=1)
# Between the steps of a sign-in nobody takes long.
_IDLE_BETWEEN = timedelta(minutes=10)
# When a session was last seen is written this often, and not for each page.
_SEEN_EVERY = timedelta(minutes=1)
_TRIES_LIFE = timedelta(days=1)


class UserThere(UsageError):
    """A user of this name exists."""

    def __init__(self, user: str) -> None:
        super().__init__(
            f"there is a user `{user}` already", hint=f"`flowctl user password {user}` makes a new password"
        )


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, as far as the sign-in has come. `id_hash` is the digest of the cookie."""

    id_hash: str
    user: str
    role: Role
    stage: Stage
    csrf: str
    flash: Mapping[str, str]
    began_at: str

    def may(self, role: Role) -> bool:
        """Whether somebody of this role, or of one that may do more, is signed in."""
        return self.stage == "in" and ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class Limit:
    """How often may be tried: after `free` refusals each one doubles the wait, up to `longest_s` seconds."""

    free: int
    longest_s: float


def add(tx: Tx, user: str, role: Role, password_hash: str, at: str) -> None:
    """Add a user whose password is to be changed at the first sign-in.

    Raises:
        UserThere: when the name is taken.
    """
    if tx.run("user_insert", {"user_name": user, "role": role, "password_hash": password_hash, "at": at}) != 1:
        raise UserThere(user)


def require(tx: Tx, user: str) -> Row:
    """The user's row.

    Raises:
        UnknownName: when there is none.
    """
    row = tx.one("user_get", {"user_name": user})
    if row is None:
        raise UnknownName("user", user, tuple(found["user_name"] for found in tx.rows("users_all", {})))
    return row


def every(tx: Tx) -> list[Row]:
    """All users, without what they sign in with."""
    return tx.rows("users_all", {})


def signed_in(tx: Tx, user: str, at: str) -> None:
    """Note that somebody came in."""
    tx.run("user_signed_in", {"user_name": user, "at": at})


def has_other_admin(tx: Tx, user: str) -> bool:
    """Whether somebody else may do everything."""
    return tx.one("users_other_admin", {"user_name": user}) is not None


def here(tx: Tx, now: datetime) -> dict[str, int]:
    """In how many browsers each user is signed in."""
    scope = {"idle_since": iso(now - IDLE), "began_since": iso(now - LONGEST)}
    return {row["user_name"]: row["count"] for row in tx.rows("user_sessions_count", scope)}


def exist(tx: Tx) -> bool:
    """Whether anybody may sign in."""
    return tx.one("users_any", {}) is not None


def put_role(tx: Tx, user: str, role: Role, at: str) -> None:
    """Give another role; whoever is signed in signs in anew."""
    tx.run("user_role", {"user_name": user, "role": role, "at": at})
    end_all(tx, user)


def put_password(tx: Tx, user: str, password_hash: str, at: str, *, is_once: bool) -> None:
    """Give another password, and end every session that the one before has opened."""
    tx.run("user_password", {"user_name": user, "password_hash": password_hash, "is_once": int(is_once), "at": at})
    end_all(tx, user)


def put_totp(tx: Tx, user: str, key_id: str, sealed: bytes | None, at: str) -> None:
    """Give another second factor, or take it away; whoever is signed in signs in anew."""
    tx.run("user_totp", {"user_name": user, "key_id": key_id, "sealed": sealed, "at": at})
    end_all(tx, user)


def use_step(tx: Tx, user: str, step: int) -> bool:
    """Note that the code of a time step was used; False when it, or a later one, was used before."""
    return tx.run("user_totp_used", {"user_name": user, "step": step}) == 1


def remove(tx: Tx, user: str) -> None:
    """Remove a user and every session."""
    end_all(tx, user)
    tx.run("user_delete", {"user_name": user})


# --- sessions --------------------------------------------------------------------------------------------------------


def digest(text: str) -> str:
    """What is kept of a cookie."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def begin(tx: Tx, cookie: str, csrf: str, user: str, stage: Stage, at: str) -> None:
    """Open a session under a new, random cookie."""
    tx.run("user_sessions_prune", {"before": iso(from_iso(at) - LONGEST)})
    tx.run(
        "user_session_insert",
        {"id_hash": digest(cookie), "user_name": user, "stage": stage, "csrf": csrf, "at": at},
    )


def session(tx: Tx, cookie: str, now: datetime) -> Session | None:
    """The session of a cookie, unless it has ended."""
    row = tx.one("user_session_get", {"id_hash": digest(cookie)}) if cookie else None
    if row is None:
        return None
    idle = IDLE if row["stage"] == "in" else _IDLE_BETWEEN
    if not now - idle < from_iso(row["seen_at"]) or not now - LONGEST < from_iso(row["created_at"]):
        return None
    flash = json.loads(row["flash"]) if row["flash"] else {}
    return Session(row["id_hash"], row["user_name"], row["role"], row["stage"], row["csrf"], flash, row["created_at"])


def is_seen_late(tx: Tx, found: Session, now: datetime) -> bool:
    """Whether it is time to note that the session is in use."""
    row = tx.one("user_session_get", {"id_hash": found.id_hash})
    return row is not None and from_iso(row["seen_at"]) <= now - _SEEN_EVERY


def seen(tx: Tx, found: Session, at: str) -> None:
    """Note that the session is in use."""
    tx.run("user_session_seen", {"id_hash": found.id_hash, "at": at})


def put_flash(tx: Tx, found: Session, flash: Mapping[str, str]) -> None:
    """What the next page says once; nothing takes it away."""
    tx.run("user_session_flash", {"id_hash": found.id_hash, "flash": json.dumps(dict(flash)) if flash else ""})


def end(tx: Tx, found: Session) -> None:
    """Sign out."""
    tx.run("user_session_end", {"id_hash": found.id_hash})


def end_all(tx: Tx, user: str) -> None:
    """Sign a user out everywhere."""
    tx.run("user_sessions_end", {"user_name": user})


# --- refused sign-ins ------------------------------------------------------------------------------------------------


def wait_s(tx: Tx, names: Mapping[str, Limit], now: datetime) -> float:
    """How long nobody of these names is listened to; 0 when a try is looked at."""
    longest = 0.0
    for name, limit in names.items():
        row = tx.one("tries_get", {"name_hash": digest(name)})
        if row is not None:
            # A clock that was ahead when it was written shuts nobody out for longer.
            left = (from_iso(row["until_at"]) - now).total_seconds()
            longest = max(longest, min(left, limit.longest_s))
    return max(0.0, longest)


def refused(tx: Tx, names: Mapping[str, Limit], now: datetime) -> None:
    """Count a refused try under each of these names."""
    tx.run("tries_prune", {"before": iso(now - _TRIES_LIFE)})
    for name, limit in names.items():
        row = tx.one("tries_get", {"name_hash": digest(name)})
        failures = 1 + (row["failures"] if row is not None else 0)
        over = failures - limit.free
        wait = min(limit.longest_s, 2.0 ** min(over, 30)) if over >= 0 else 0.0
        until = iso(now + timedelta(seconds=wait))
        tx.run("tries_put", {"name_hash": digest(name), "failures": failures, "until_at": until, "at": iso(now)})


def forgive(tx: Tx, name: str) -> None:
    """Forget what was refused under a name."""
    tx.run("tries_forget", {"name_hash": digest(name)})
