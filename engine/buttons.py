"""Whether a company can answer its source's sync button: what people ask for there must be answered within minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from engine import registry
from engine.clock import from_iso
from engine.connections.binding import bound_flow
from engine.health import Finding
from engine.model import Flow, Stream
from engine.store import companies
from engine.store.base import Tx
from engine.world import World

# A source waits so long for an answer, and an agent that calls less often than that is never in time.
ANSWER_S = 300
_VISITS = 6


def buttons_of(world: World, company: str, flows: Sequence[Flow]) -> Iterator[Finding]:
    """One finding for each source of a flow of this company that has a sync button."""
    with world.store.read(company) as tx:
        made = companies.connectors(tx, company)
        found = [
            _finding(tx, company, flow, connection, targets)
            for flow in (bound_flow(one, made) for one in flows)
            if all(made.get(each.name) == each.connector for each in flow.connections)
            for connection, targets in _asking(flow).items()
        ]
    yield from found


def _asking(flow: Flow) -> dict[str, list[Stream]]:
    """The streams whose source has a button, by the source's connection."""
    found: dict[str, list[Stream]] = {}
    for stream in flow.streams:
        connection = flow.connection(stream.fetch.connection)
        connector = registry.find(connection.connector) if connection else None
        spec = connector.spec.stream(stream.fetch.stream) if connector else None
        if spec is not None and spec.requested and stream.mark_synced is not None:
            found.setdefault(stream.fetch.connection, []).append(stream)
    return found


def _finding(tx: Tx, company: str, flow: Flow, connection: str, streams: Sequence[Stream]) -> Finding:
    subject = f"{company}/{flow.name}"
    is_on = companies.connection_setting(tx, company, connection, "sync_button") is True
    reason, fits = _standing(tx, company, flow, streams)
    state = f"the sync button of `{connection}` is {'on' if is_on else 'off'}"
    if not is_on:
        return Finding("ok", subject, f"{state}; the company {'qualifies' if fits else 'does not qualify'}: {reason}")
    if fits:
        return Finding("ok", subject, f"{state}, and the company qualifies: {reason}")
    hint = (
        f"switch it off with `flowctl connect {connection} --company {company} --set sync_button=false`, "
        "or let the Web Connector run every 5 minutes; until then people read that their records are queued"
    )
    return Finding("warn", subject, f"{state}, and the company does not qualify: {reason}", hint)


def _standing(tx: Tx, company: str, flow: Flow, streams: Sequence[Stream]) -> tuple[str, bool]:
    """Why what people ask for can be answered in time, or cannot."""
    if not any(_is_polled(flow, stream) for stream in streams):
        return "what it writes to is called at once", True
    rows = tx.rows("sessions_latest", {"company": company, "limit": _VISITS})
    moments = [from_iso(row["opened_at"]) for row in rows]
    if len(moments) < 2:
        return "how often the Web Connector calls is not known yet", False
    longest = max((late - early).total_seconds() for late, early in pairwise(moments))
    return f"the Web Connector called every {max(1, round(longest / 60))} min at most of late", longest <= ANSWER_S


def _is_polled(flow: Flow, stream: Stream) -> bool:
    connection = flow.connection(stream.target)
    connector = registry.find(connection.connector) if connection else None
    return connector is not None and connector.spec.delivery == "pull"
