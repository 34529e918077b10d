"""Webhook events: each known for ever, their bodies sealed and kept for a while, and what had no effect counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import orjson

from engine.contract import Event
from engine.dataclass import dataclass
from engine.store import companies, keys
from engine.store.base import Row, Tx, take_number
from engine.vault import SealBroken, Vault

BEYOND = (1 << 63) - 1
# A page looks no further back than so many numbers: what is sought may be nowhere.
FAR = 20_000
_COUNTER = "webhook"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Whose webhooks they are."""

    company: str
    connection: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An event with the body that it came in, and the streams that it brings forward, as FLOW/STREAM."""

    event: Event
    body: bytes
    streams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sought:
    """Which events a page is to show: `only` is `again` (came more than once) or `idle` (brought nothing forward)."""

    connection: str = ""
    only: str = ""
    text: str = ""


def known(tx: Tx, endpoint: Endpoint, ids: Iterable[str]) -> frozenset[str]:
    """Which of these events came before."""
    scope = {"company": endpoint.company, "connection": endpoint.connection}
    row = tx.one("hooks_known", {**scope, "ids": orjson.dumps(list(ids)).decode()})
    return frozenset(orjson.loads(row["known"])) if row is not None else frozenset()


def keep(tx: Tx, vault: Vault, endpoint: Endpoint, fresh: Sequence[Kept], at: str) -> None:
    """Keep events that are not known yet, no two of one id; their bodies are sealed together.

    However many there are, it is a few statements: each of them lets go of the interpreter, and waits to have it back.
    """
    first = take_number(tx, _COUNTER, len(fresh))
    # A text, so that a walk over all of them goes by the primary key.
    body_id = f"{first:019d}"
    bodies = orjson.dumps([one.body.decode("latin-1") for one in fresh]).decode()
    sealed = keys.seal(tx, vault, _place(endpoint, body_id), bodies, at)
    scope = {"company": endpoint.company, "connection": endpoint.connection}
    tx.run("hook_body_insert", {**scope, "id": body_id, "key_id": sealed.key_id, "sealed": sealed.data, "at": at})
    rows = [
        (one.event.id, one.event.type, one.event.object_id, orjson.dumps(one.streams).decode(), len(one.body))
        for one in fresh
    ]
    tx.run(
        "hooks_insert", {**scope, "first": first, "body_id": body_id, "events": orjson.dumps(rows).decode(), "at": at}
    )


def again(tx: Tx, endpoint: Endpoint, event_id: str, times: int, at: str) -> None:
    """An event came so many times more."""
    scope = {"company": endpoint.company, "connection": endpoint.connection}
    tx.run("hook_again", {**scope, "event_id": event_id, "times": times, "at": at})


def tally(tx: Tx, endpoint: Endpoint, kind: str, times: int, at: str) -> None:
    """Count calls that had no effect."""
    scope = {"company": endpoint.company, "connection": endpoint.connection}
    tx.run("hook_tally", {**scope, "kind": kind, "day": at[:10], "times": times, "at": at})


def tallies(tx: Tx, company: str, since: str) -> list[Row]:
    """Calls without effect since a day, by connection and kind."""
    return tx.rows("hook_tallies", {"company": company, "since": since})


def older(tx: Tx, before: str) -> list[str]:
    """The companies of the oldest bodies, of those that are older."""
    return list(dict.fromkeys(row["company"] for row in tx.rows("hook_body_older", {"before": before})))


def tallied(tx: Tx, before: str) -> list[str]:
    """The companies of which calls without effect are counted on days that are older."""
    return [row["company"] for row in tx.rows("hook_tally_older", {"before": before[:10]})]


def prune_tallies(tx: Tx, company: str, before: str) -> None:
    """Forget how many calls without effect there were on days that are older."""
    tx.run("hook_tallies_prune", {"company": company, "before": before[:10]})


def prune(tx: Tx, company: str, before: str, limit: int) -> int:
    """Drop a company's bodies that are older, at most so many; the events they came with stay known. How many went."""
    return tx.run("hook_bodies_prune", {"company": company, "before": before, "limit": limit})


def page(tx: Tx, company: str, sought: Sought, before: int, limit: int) -> list[Row]:
    """Events with a number below `before`, the newest first; none that is more than `FAR` numbers back."""
    newest = min(before, newest_number(tx) + 1)
    scope = {"company": company, "only": sought.only, "text": sought.text, "before": newest, "limit": limit}
    names = [sought.connection] if sought.connection else companies.connectors(tx, company)
    # Each connection's are next to each other in the index, however many another has.
    found = [
        row
        for name in names
        for row in tx.rows("hooks_page", {**scope, "connection": name, "least": max(0, newest - FAR)})
    ]
    return sorted(found, key=lambda row: int(row["id"]), reverse=True)[:limit]


def newest_number(tx: Tx) -> int:
    """The number of the newest event of any company; 0 before there is one."""
    row = tx.one("counter_get", {"name": _COUNTER})
    return int(row["value"]) if row is not None else 0


def one(tx: Tx, company: str, number: int) -> Row | None:
    """An event of the company."""
    return tx.one("hook_get", {"company": company, "id": number})


def newest(tx: Tx, endpoint: Endpoint) -> Row | None:
    """The event that came last."""
    return tx.one("hook_newest", {"company": endpoint.company, "connection": endpoint.connection})


def body(tx: Tx, vault: Vault, row: Row) -> bytes | None:
    """The body that an event came in; None when it is not kept any more, or does not open."""
    scope = {"company": row["company"], "connection": row["connection"], "id": row["body_id"]}
    found = tx.one("hook_body_get", scope)
    if found is None:
        return None
    place = _place(Endpoint(row["company"], row["connection"]), row["body_id"])
    try:
        text = keys.unseal(tx, vault, place, keys.Sealed(found["key_id"], bytes(found["sealed"])))
    except SealBroken:
        return None
    return str(json.loads(text)[row["place"]]).encode("latin-1")


def streams(row: Row) -> tuple[tuple[str, str], ...]:
    """The flows and streams that an event brought forward."""
    found = (str(name).partition("/") for name in json.loads(row["streams"]))
    return tuple((flow, stream) for flow, _, stream in found)


def records_of(tx: Tx, row: Row) -> list[Row]:
    """The records that an event speaks of, as far as its streams have them."""
    if not row["object_id"]:
        return []
    scope: Mapping[str, object] = {"company": row["company"], "source_id": row["object_id"]}
    return [
        found
        for flow, stream in streams(row)
        for found in tx.rows("hook_records", {**scope, "flow": flow, "stream": stream})
    ]


def read_since(tx: Tx, row: Row, flow: str, stream: str) -> bool:
    """Whether a stream was read since the event came."""
    found = tx.one("hook_read_at", {"company": row["company"], "flow": flow, "stream": stream})
    return found is not None and str(found["read_at"]) >= str(row["received_at"])


def _place(endpoint: Endpoint, body_id: str) -> keys.Place:
    return keys.Place(endpoint.company, endpoint.connection, f"webhook:{body_id}")
