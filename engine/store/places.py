"""Where frozen bytes are meant to go: the account of a called target, or the company file of a polled one.

Ids and names in them are those of one place. In another they may mean another account or vendor, so nothing that was
frozen for one is sent to another, whoever asks for it. Nor is an account told what became of records of another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.dataclass import dataclass
from engine.jsontext import own, plain
from engine.store import boundfile, facts
from engine.store.base import Row, Tx


@dataclass(frozen=True, slots=True)
class Place:
    """What a connection leads to; empty where it is not known.

    `connector` is its name, `mark` a digest of the settings that name the account, `inside` the vendor's id of the account,
    or what tells the company file from others. `since` is when it was connected or bound, as UTC text; `is_called` says
    that the target is called, and has accounts.
    """

    connector: str
    mark: str
    inside: str
    since: str = ""
    is_called: bool = False

    def is_still(self, earlier: Place) -> bool:
        """Whether this is what it was, though the vendor may have said meanwhile whose account it is."""
        since = earlier.since or (self.since if self.since == _EVER else "")
        return self == replace(earlier, inside=earlier.inside or self.inside, since=since)

    def text(self) -> str:
        """As an operation keeps it."""
        return plain([self.connector, self.mark, self.inside])

    def differs(self, other: Place) -> bool:
        """Whether two places are not the same account; what is not known of one tells nothing."""
        here, there = ((it.connector, it.mark, it.inside) for it in (self, other))
        return any(a and b and a != b for a, b in zip(here, there, strict=True))

    def is_other(self, kept: str, created_at: str) -> bool:
        """Whether what was kept then names another place; where one of the two is not known, the time decides.

        Before a company is bound for the first time there is only one file that can be meant.
        """
        now = [self.connector, self.mark, self.inside]
        then = own(kept) if kept else ["", "", ""]
        if any(a and b and a != b for a, b in zip(then, now, strict=True)):
            return True
        return then != now and (self.is_called or not kept) and created_at < self.since


# Stands for an account of which nothing is known any more.
UNKNOWN = ("", "?", "", "")
# Before anything was read, as UTC text.
_EVER = "1970-01-01T00:00:00.000000Z"


@dataclass(frozen=True, slots=True)
class Led:
    """What a connection leads to, and what it led to before, the newest last; each since when."""

    now: Place
    before: tuple[Place, ...] = ()

    def elsewhere(self, at: str) -> bool:
        """Whether it led to another account at that time, as UTC text; empty for no time."""
        if not self.before or at >= self.now.since:
            return False
        then = next((place for place in reversed(self.before) if place.since <= at), self.before[0])
        return then.differs(self.now)


def account_fact(connection: str) -> str:
    """The name under which it is remembered what a connection leads to."""
    return f"account:{connection}"


def current(tx: Tx, company: str, connection: str, *, pushed: bool) -> Place:
    """What the connection leads to now; `pushed` for a target that is called."""
    row = tx.one("connection_to", {"company": company, "connection": connection})
    if row is not None and not pushed:
        return Place(row["connector"], "", *boundfile.newest(tx, company, row))
    known = facts.recall(tx, company, account_fact(connection)) or {}
    connector = str(row["connector"] if row is not None else known.get("connector", ""))
    if not pushed:
        return Place(connector, "", *boundfile.newest(tx, company))
    mark, inside, since = (str(known.get(name, "")) for name in ("mark", "id", "since"))
    return Place(connector, mark, inside, since, is_called=True)


def account(tx: Tx, company: str, connection: str) -> str:
    """The vendor's id of the account that the connection leads to; empty where none is noted."""
    return str((facts.recall(tx, company, account_fact(connection)) or {}).get("id", ""))


def note_account(tx: Tx, company: str, at: str, connection: str, account_id: str) -> str:
    """Note the account that answers, where none is noted yet; returns the one that is noted then.

    Where an older flowctl has noted nothing, it is taken for the one that has been there from the very first.
    """
    known = facts.recall(tx, company, account_fact(connection))
    if known is not None and known.get("id"):
        return str(known["id"])
    if known is None:
        row = tx.one("connection_to", {"company": company, "connection": connection})
        connector = row["connector"] if row is not None else ""
        known = {"connector": connector, "mark": "", "name": "", "since": _EVER, "before": []}
    facts.remember(tx, company, at, account_fact(connection), {**known, "id": account_id})
    return account_id


def led(tx: Tx, company: str, connection: str) -> Led:
    """What the connection of a source leads to now, and what it led to before.

    An older flowctl kept no account but the newest: before that one, nobody knows.
    """
    known = facts.recall(tx, company, account_fact(connection)) or {}
    before = known.get("before", [UNKNOWN] if known.get("since") else [])
    now = current(tx, company, connection, pushed=True)
    return Led(now, tuple(Place(connector, mark, inside, since) for since, connector, mark, inside in before))


def meant(tx: Tx, company: str, connections: Iterable[tuple[str, str]]) -> list[str]:
    """What to keep with new operations, given the connection and follow-up of each."""
    found: dict[tuple[str, bool], str] = {}
    texts = []
    for connection, follow_up in connections:
        key = (connection, _is_pushed(follow_up))
        if key not in found:
            found[key] = current(tx, company, connection, pushed=key[1]).text()
        texts.append(found[key])
    return texts


def strangers(tx: Tx, rows: Sequence[Row]) -> frozenset[str]:
    """The ids of those operations that were frozen for another place, or change what was written to another one."""
    places: dict[tuple[str, str, bool], Place] = {}
    found = set()
    for row in rows:
        key = (row["company"], row["connection"], _is_pushed(row["follow_up"]))
        if key not in places:
            places[key] = current(tx, key[0], key[1], pushed=key[2])
        place = places[key]
        if place.is_other(row["meant_for"], row["created_at"]) or _changes_elsewhere(tx, place, row):
            found.add(str(row["id"]))
    return frozenset(found)


def _changes_elsewhere(tx: Tx, place: Place, row: Row) -> bool:
    base = tx.one("operation_get", {"id": row["base_id"]}) if row["target_id"] and row["base_id"] else None
    return base is not None and bool(base["meant_for"]) and place.is_other(base["meant_for"], base["created_at"])


def _is_pushed(follow_up: str) -> bool:
    return bool(own(follow_up).get("push"))
