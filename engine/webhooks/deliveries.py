"""What webhooks brought, what became of it, how each connection's webhooks stand, and one of them taken again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from datetime import timedelta

from engine import registry
from engine.abilities import Standing, Standings
from engine.clock import iso
from engine.contract import Webhooks
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.follow import Hand
from engine.program import FlowProgram
from engine.spec import ConnectorSpec
from engine.store import companies, facts, hooks, journal, work
from engine.store.base import Row, Tx
from engine.store.hooks import Endpoint
from engine.webhooks import confirming, rotation
from engine.webhooks.hookintake import runnable, streams_for
from engine.world import World

# The body of a webhook is kept for so long; that it came is known for ever.
BODIES_KEPT = timedelta(days=30)
# Calls without effect are counted over so many days.
COUNTED = timedelta(days=7)
_PRUNED_AT_ONCE = 200
# What calls without effect are counted as, for people.
KINDS = {
    "again": "came again, and changed nothing",
    "forged": "had a wrong signature, or none",
    "no event": "were signed, and no event",
    "not set up": "came before a secret or setting was given",
    "not available": "came while the store was not available; the vendor was asked to send them again",
    "unexpected": "were handshakes that nobody waited for",
    "too large": "had too large a body",
    "too slow": "arrived too slowly; the vendor was asked to send them again",
    "compressed": "had a compressed body",
}


class NotThere(UsageError):
    """The company has no webhook of this number."""


class NothingWaits(UsageError):
    """No flow that is served waits for such an event."""


class NotListed(UsageError):
    """The vendor's subscriptions cannot be asked for."""


@dataclass(frozen=True, slots=True)
class Became:
    """A stream that an event brought forward: whether it was read since, and the records that the event speaks of."""

    flow: str
    stream: str
    is_read: bool
    records: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """Calls of one kind that had no effect, in the last days."""

    kind: str
    times: int
    last_at: str

    @property
    def words(self) -> str:
        """The kind for people."""
        return KINDS.get(self.kind, self.kind)


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What the vendor said of its subscriptions when it was last asked."""

    at: str
    found: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """How the webhooks of a connection stand. `ends` says until when secrets that another has replaced are accepted."""

    connection: str
    title: str
    path: str
    address: str
    has_secret: bool
    newest: Row | None
    counted: tuple[Counted, ...]
    ends: Mapping[str, str]
    waiting: int
    asked: Subscriptions | None


def became(tx: Tx, row: Row) -> tuple[Became, ...]:
    """What an event brought forward, as it stands now."""
    found = hooks.records_of(tx, row)
    return tuple(
        Became(
            flow,
            stream,
            hooks.read_since(tx, row, flow, stream),
            tuple(one for one in found if (one["flow"], one["stream"]) == (flow, stream)),
        )
        for flow, stream in hooks.streams(row)
    )


def found(tx: Tx, company: str, number: int) -> Row:
    """A delivery.

    Raises:
        NotThere: when the company has none of this number.
    """
    row = hooks.one(tx, company, number)
    if row is None:
        raise NotThere(f"{company}: there is no webhook {number}", hint="`flowctl webhook list` shows them")
    return row


def would_read(tx: Tx, programs: Mapping[str, FlowProgram], row: Row) -> tuple[str, ...]:
    """The streams that an event would bring forward now, as FLOW/STREAM."""
    return streams_for(runnable(tx, row["company"], programs), row["connection"], row["type"])


def replay(tx: Tx, hand: Hand, programs: Mapping[str, FlowProgram], row: Row, reason: str = "") -> tuple[str, ...]:
    """Read what an event speaks of once more, by the flows as they are now; which streams, as FLOW/STREAM.

    Nothing is posted twice by it: the source is read, and what has not changed stays as it is.

    Raises:
        NothingWaits: when no flow that is served waits for such an event.
    """
    streams = would_read(tx, programs, row)
    if not streams:
        raise NothingWaits(
            f"no flow here waits for `{row['type']}` of `{row['connection']}`",
            hint="name the event in the `webhook` of a stream's trigger, and serve that flow",
        )
    for name in streams:
        flow, _, stream = name.partition("/")
        work.sooner(tx, hand.company, flow, stream, hand.at)
    detail = {
        "webhook": row["id"],
        "connection": row["connection"],
        "event": row["event_id"],
        "type": row["type"],
        "streams": list(streams),
        "why": reason,
    }
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("webhook_replayed", detail=detail)])
    return streams


def health(world: World, tx: Tx, company: str) -> list[Health]:
    """Each of the company's connections whose vendor can call us."""
    since = iso(world.clock.now() - COUNTED)[:10]
    tallies = hooks.tallies(tx, company, since)
    found = []
    for row in companies.connections(tx, company):
        connector = registry.find(row["connector"])
        hooked: object = connector
        if connector is not None and isinstance(hooked, Webhooks):
            found.append(_health(tx, company, row["connection"], connector.spec, tallies))
    return found


def _health(tx: Tx, company: str, connection: str, spec: ConnectorSpec, tallies: Sequence[Row]) -> Health:
    scope = {"company": company, "connection": connection}
    kept = {row["field"] for row in tx.rows("credentials_of", scope)}
    known = facts.recall(tx, company, _fact(connection)) or {}
    listed = known.get("found")
    return Health(
        connection,
        spec.title,
        f"/webhooks/{company}/{connection}",
        str(known.get("address") or ""),
        not _signing(spec) or bool(kept & _signing(spec)),
        hooks.newest(tx, Endpoint(company, connection)),
        tuple(Counted(r["kind"], r["times"], r["last_at"]) for r in tallies if r["connection"] == connection),
        rotation.ends(tx, company, connection),
        confirming.waiting(tx, company, connection).count,
        Subscriptions(str(known.get("asked_at")), tuple(Standing(**one) for one in listed))
        if isinstance(listed, list)
        else None,
    )


def _signing(spec: ConnectorSpec) -> frozenset[str]:
    """The secrets that webhooks are signed with: connectors call them so."""
    return frozenset(
        one.name
        for one in spec.settings
        if one.secret and one.name.startswith("webhook") and not one.name.endswith(rotation.ENDING)
    )


def remember(tx: Tx, company: str, connection: str, address: str, at: str) -> None:
    """Keep the address that a vendor was told to call."""
    known = dict(facts.recall(tx, company, _fact(connection)) or {})
    facts.remember(tx, company, at, _fact(connection), {**known, "address": address})


def ask(world: World, hand: Hand, connection: str) -> Subscriptions:
    """Ask the vendor how its subscriptions stand, and keep the answer.

    Raises:
        NotListed: when the connector cannot ask.
        RunError: when the vendor does not answer as it should.
    """
    opened = world.open(hand.company, connection)
    with closing(opened) if callable(getattr(opened, "close", None)) else nullcontext():
        if not isinstance(opened, Standings):
            raise NotListed(
                f"{hand.company}/{connection}: its vendor cannot be asked for subscriptions",
                hint="look in the vendor's own settings",
            )
        listed = tuple(opened.standings())
    with world.store.write(hand.company) as tx:
        known = dict(facts.recall(tx, hand.company, _fact(connection)) or {})
        value = {**known, "asked_at": hand.at, "found": [asdict(one) for one in listed]}
        facts.remember(tx, hand.company, hand.at, _fact(connection), value)
    return Subscriptions(hand.at, listed)


def tidy(world: World) -> int:
    """Drop bodies and counts whose time is over; how many batches of bodies went."""
    before, gone = iso(world.clock.now() - BODIES_KEPT), 0
    with world.store.read() as tx:  # most often there is nothing to write
        counted, found = hooks.tallied(tx, before), hooks.older(tx, before)
    for company in counted:
        with world.store.write(company) as tx:
            hooks.prune_tallies(tx, company, before)
    for company in found:
        for _ in range(20):
            with world.store.write(company) as tx:
                pruned = hooks.prune(tx, company, before, _PRUNED_AT_ONCE)
            gone += pruned
            if pruned < _PRUNED_AT_ONCE:
                break
    return gone


def shown(body: bytes) -> str:
    """A body for people: JSON with an item a line, anything else as it is."""
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(value, ensure_ascii=False, indent=2) if isinstance(value, dict | list) else text


def _fact(connection: str) -> str:
    return f"webhooks:{connection}"
