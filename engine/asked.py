"""What people of a source asked to have posted now: each record is answered before the source gives up waiting.

A webhook names the request (`Event.request`); the records that it means are listed by the stream's `requested` filter.
Marks of these records name the request until it is over. What cannot be posted in time is told so in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta

from engine import registry
from engine.clock import from_iso, iso
from engine.contract import Event
from engine.dataclass import dataclass
from engine.failtext import failure_text, queued_text, unfinished_text
from engine.program import FlowProgram, StreamProgram
from engine.store import companies, facts, marks, records
from engine.store.base import Row, Tx

# What is still under way is answered this long before the source gives up.
MARGIN_S = 60.0
# An agent that has been silent for this long is not at work.
_HERE_S = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the stream it is about, until when it can be answered, and what is known of its records.

    `wanted` is None until they were listed. `answered` are those that need no answer any more.
    """

    request: str
    stream: str
    answer_at: str
    until: str
    wanted: tuple[str, ...] | None = None
    answered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Of:
    """A stream of a flow, and the time it is."""

    flow: str
    stream: str
    at: str


def hear(tx: Tx, company: str, program: FlowProgram, connection: str, event: Event, at: str) -> None:
    """Keep the request of an event for the streams that it starts."""
    if not event.request:
        return
    now = from_iso(at)
    until = iso(now + timedelta(seconds=event.answer_s))
    soon = iso(now + timedelta(seconds=max(event.answer_s - MARGIN_S, 0)))
    kept = _load(tx, company, program.flow.name, at)
    for stream in program.flow.streams:
        if event.type in stream.trigger.webhooks and stream.fetch.connection == connection:
            kept.append(Asked(event.request, stream.name, soon, until))
    _keep(tx, company, program.flow.name, kept, at)


def unlisted(tx: Tx, company: str, of: Of) -> list[str]:
    """The open requests of a stream whose records were not listed yet."""
    kept = _load(tx, company, of.flow, of.at)
    return [item.request for item in kept if item.stream == of.stream and item.wanted is None]


def listed(tx: Tx, company: str, of: Of, requests: Sequence[str], wanted: Iterable[str]) -> None:
    """These records are what the requests mean."""
    ids = tuple(wanted)
    kept = [
        replace(item, wanted=ids) if item.stream == of.stream and item.request in requests else item
        for item in _load(tx, company, of.flow, of.at)
    ]
    _keep(tx, company, of.flow, kept, of.at)


def narrowed(program: FlowProgram, stream: StreamProgram) -> StreamProgram | None:
    """The stream, fetching only what was asked for; None where its source cannot say that."""
    fetch = stream.stream.fetch
    connection = program.flow.connection(fetch.connection)
    connector = registry.find(connection.connector) if connection else None
    spec = connector.spec.stream(fetch.stream) if connector else None
    if spec is None or not spec.requested:
        return None
    only = replace(fetch, filters={**fetch.filters, spec.requested: True})
    return replace(stream, stream=replace(stream.stream, fetch=only))


def request_of(tx: Tx, company: str, record: Row, at: str) -> str:
    """The newest open request that a record belongs to; empty for none."""
    found = [
        item.request
        for item in _load(tx, company, record["flow"], at)
        if item.stream == record["stream"] and record["source_id"] in (item.wanted or ())
    ]
    return found[-1] if found else ""


def answer(tx: Tx, company: str, program: FlowProgram, at: str) -> None:
    """Answer for every record of an open request whose outcome is known, or whose time has come."""
    flow = program.flow.name
    kept = _load(tx, company, flow, at)
    if not any(item.wanted for item in kept):
        return
    here = _agent_is_here(tx, company, at)
    done = []
    for item in kept:
        stream = next((s for s in program.streams if s.stream.name == item.stream), None)
        answered = frozenset(item.answered)
        left = [key for key in item.wanted or () if key not in answered]
        if stream is None or stream.stream.mark_synced is None:
            done.append(item)
            continue
        # Nothing can be written before the agent comes, and nobody knows when that is.
        is_late = at >= item.answer_at or (stream.is_polled and not here)
        told = [key for key in left if _answered(tx, company, program, stream, item, key, is_late=is_late)]
        done.append(replace(item, answered=(*item.answered, *told)))
    _keep(tx, company, flow, done, at)


def _answered(
    tx: Tx, company: str, program: FlowProgram, stream: StreamProgram, item: Asked, key: str, *, is_late: bool
) -> bool:
    """Whether the source has, or will now get, an answer for one record."""
    scope = {"company": company, "flow": program.flow.name, "stream": stream.stream.name, "source_id": key}
    record = tx.one("record_find", {**scope, "phase": stream.stream.phase})
    if record is None or record["state"] in ("posted", "closed"):
        # Of what is posted a mark tells; what never came through the flow's own filter is not ours to answer.
        return record is not None
    mark = stream.stream.mark_synced
    assert mark is not None
    if record["state"] in ("deferred", "failed", "skipped"):
        reasons = records.load_reasons(record)
        text = failure_text(reasons, key, contact_of(tx, company, mark.connection)) or unfinished_text()
    elif not is_late:
        return False
    else:
        text = queued_text(_title(program, mark.connection)) if stream.is_polled else unfinished_text()
    new = marks.NewMark(
        record["flow"], mark.connection, mark.kind, record["id"], key, "failed", text, request=item.request
    )
    return marks.add(tx, company, new)


def contact_of(tx: Tx, company: str, connection: str) -> str:
    """Whom the source's people should ask, as the connection's setting `support_contact` says; empty when nobody."""
    return str(companies.connection_setting(tx, company, connection, "support_contact") or "")


def _agent_is_here(tx: Tx, company: str, at: str) -> bool:
    session = tx.one("session_newest", {"company": company})
    if session is None or not session["is_open"]:
        return False
    return (from_iso(at) - from_iso(session["seen_at"])).total_seconds() < _HERE_S


def _title(program: FlowProgram, name: str) -> str:
    connection = program.flow.connection(name)
    connector = registry.find(connection.connector) if connection else None
    return connector.spec.title if connector else name


def _load(tx: Tx, company: str, flow: str, at: str) -> list[Asked]:
    """The requests that are still open."""
    found = facts.recall(tx, company, f"asked:{flow}") or {}
    return [made for item in found.get("requests", ()) if (made := _asked(item)).until > at]


def _asked(item: Mapping[str, object]) -> Asked:
    wanted = item["wanted"]
    return Asked(
        str(item["request"]),
        str(item["stream"]),
        str(item["answer_at"]),
        str(item["until"]),
        tuple(map(str, wanted)) if isinstance(wanted, list) else None,
        tuple(map(str, item["answered"])) if isinstance(item["answered"], list) else (),
    )


def _keep(tx: Tx, company: str, flow: str, kept: Sequence[Asked], at: str) -> None:
    if kept:
        facts.remember(tx, company, at, f"asked:{flow}", {"requests": [asdict(item) for item in kept]})
    else:
        facts.forget(tx, company, f"asked:{flow}")
