"""A flow as people of a company see it: the way of its records in plain words, when each stream runs, and what it is set to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from engine import flowswitch, keying, pipeline, registry, told
from engine.dataclass import dataclass
from engine.flowlang.diagram import span
from engine.model import Flow, Lookup, Stream, Trigger
from engine.operator import resting
from engine.program import FlowProgram
from engine.store import companies, runs
from engine.store.base import Row, Tx
from engine.store.runs import Run

_MATCHES = {
    "mapped": "a mapping that was saved",
    "list_id": "the id that the source has for it",
    "number": "its number",
    "exact_name": "the very same name",
}
_UNSET = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Stop:
    """One place on a record's way: what is done there, where, and the word that the flow file has for it.

    `joint` says how it follows the one before it; `says` are the texts that a person is told of there.
    """

    kind: str
    does: str
    where: str
    word: str = ""
    joint: Literal["then", "or", "and"] = "then"
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamView:
    """One stream: its way, what starts it, and when it was read and is read next (UTC text, empty when that is not known).

    `rekeyed` says why it is not read before a person has confirmed by what it knows its records, empty when it is read.
    """

    name: str
    line: int
    is_on: bool
    stops: tuple[Stop, ...]
    starts: tuple[str, ...]
    webhooks: tuple[str, ...]
    after: tuple[str, ...]
    read_at: str
    next_at: str
    rekeyed: str = ""


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting: what it is for, its value for the company, and whether the company chose it. `scopes` are values for one.

    `told_by` is the connection whose word counts, if it is one's.
    """

    name: str
    help: str
    value: str
    is_chosen: bool
    line: int
    scopes: tuple[tuple[str, str], ...] = ()
    told_by: str = ""


@dataclass(frozen=True, slots=True)
class LookupView:
    """How one kind of name is found: in which list of which target, and by what, in this order."""

    name: str
    line: int
    target: str
    list: str
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection that the flow needs: its name, the service, and whether the company has made it."""

    name: str
    title: str
    is_made: bool


@dataclass(frozen=True, slots=True)
class Head:
    """A flow at a glance; `next_at` is when any of its streams is read next."""

    flow: Flow
    is_on: bool
    connections: tuple[ConnectionView, ...]
    run: Run | None
    next_at: str
    # How many of its records rest while it is off.
    resting: int = 0

    @property
    def missing(self) -> list[str]:
        """The services that are not connected yet."""
        return [one.title for one in self.connections if not one.is_made]

    @property
    def is_at_work(self) -> bool:
        """Whether it runs for the company by itself."""
        return self.is_on and not self.missing


@dataclass(frozen=True, slots=True)
class View:
    """A whole flow."""

    head: Head
    streams: tuple[StreamView, ...]
    settings: tuple[SettingView, ...]
    lookups: tuple[LookupView, ...]


def heads(tx: Tx, company: str, programs: Mapping[str, FlowProgram]) -> list[Head]:
    """Every flow that is served, as the company stands to it."""
    return [_head(tx, company, _bound(tx, company, program).flow) for program in programs.values()]


def view(tx: Tx, company: str, program: FlowProgram) -> View:
    """One flow with all that there is to know of it."""
    bound = _bound(tx, company, program)
    flow = bound.flow
    schedule = {row["stream"]: row for row in tx.rows("schedule_of", {"company": company, "flow": flow.name})}
    enabled = {stream.stream.name for stream in pipeline.enabled(tx, company, bound)}
    rekeyed = {name: error.what for name, error in keying.changed(tx, company, flow).items()}
    streams = tuple(
        replace(
            _stream(flow, stream, schedule.get(stream.name), stream.name in enabled),
            rekeyed=rekeyed.get(stream.name, ""),
        )
        for stream in flow.streams
    )
    head = _head(tx, company, flow)
    return View(head, streams, tuple(_settings(tx, company, bound)), tuple(_lookup(flow, one) for one in flow.lookups))


def _bound(tx: Tx, company: str, program: FlowProgram) -> FlowProgram:
    return program.bound(companies.connectors(tx, company))


def _head(tx: Tx, company: str, flow: Flow) -> Head:
    made = companies.connectors(tx, company)
    connections = tuple(ConnectionView(c.name, _title(c.connector), c.name in made) for c in flow.connections)
    newest = runs.page(tx, company, flow.name, runs.BEYOND, 1)
    planned = [row["next_at"] for row in tx.rows("schedule_of", {"company": company, "flow": flow.name})]
    is_on = flowswitch.is_on(tx, company, flow)
    rest = 0 if is_on else resting.of_flow(tx, company, flow.name)
    return Head(flow, is_on, connections, newest[0] if newest else None, min(planned, default=""), rest)


def _stream(flow: Flow, stream: Stream, row: Row | None, is_on: bool) -> StreamView:
    return StreamView(
        stream.name,
        stream.location.line,
        is_on,
        tuple(_stops(flow, stream)),
        tuple(_starts(stream.trigger)),
        stream.trigger.webhooks,
        stream.after,
        str(row["read_at"] or "") if row is not None else "",
        str(row["next_at"]) if row is not None and is_on else "",
    )


def _stops(flow: Flow, stream: Stream) -> Iterator[Stop]:
    fetch = stream.fetch
    yield Stop("read", "is read from", named(flow, fetch.connection), fetch.stream)
    if stream.select:
        says = tuple(one.say for one in stream.select)
        yield Stop("select", "is left out in", _cases(len(says)), says=says)
    if stream.check:
        says = tuple(one.say for one in stream.check)
        yield Stop("check", "fails in", _cases(len(says)), says=says)
    target = named(flow, stream.target)
    joint: Literal["then", "or"] = "then"
    for one in stream.variants:
        yield Stop("write", _help(flow, stream.target, one.request), target, one.request, joint)
        if one.change:
            yield Stop("change", "is changed as the source is", target, one.change.request, "and")
        if one.undo:
            yield Stop("undo", "is undone as in the source", target, one.undo.request, "and")
        joint = "or"
    if not stream.variants:
        yield Stop("watch", "is only compared", "nothing is written")
    if stream.mark_synced:
        yield Stop("tell", "hears of it", named(flow, stream.mark_synced.connection), stream.mark_synced.kind)


def _cases(count: int) -> str:
    return "one case" if count == 1 else f"{count} cases"


def _starts(trigger: Trigger) -> Iterator[str]:
    if trigger.every_s:
        yield f"every {span(trigger.every_s)}"
    if trigger.visit_s:
        yield f"at a visit of the Web Connector, when the last read is {span(trigger.visit_s)} old"
    if trigger.webhooks:
        yield "when the service sends a notice"


def _settings(tx: Tx, company: str, program: FlowProgram) -> Iterator[SettingView]:
    flow = program.flow
    chosen, standings = companies.settings(tx, company, flow.name), told.standings(tx, company, flow)
    for one in flow.settings:
        scopes = tuple(
            (scope, _value(value))
            for key, value in sorted(chosen.items())
            for name, scope in [companies.setting_of(key)]
            if name == one.name and scope
        )
        now = standings[one.name]
        by = named(flow, now.by) if now.by else ""
        yield SettingView(one.name, one.help, _value(now.value), one.name in chosen, one.location.line, scopes, by)


def _value(value: object) -> str:
    if value is None or value == "":
        return _UNSET
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _lookup(flow: Flow, lookup: Lookup) -> LookupView:
    by = tuple(_MATCHES.get(rule, rule) for rule in lookup.match)
    return LookupView(lookup.name, lookup.location.line, named(flow, lookup.connection), lookup.list, by)


def _help(flow: Flow, connection: str, request: str) -> str:
    known = flow.connection(connection)
    connector = registry.find(known.connector) if known is not None else None
    found = next((one.help for one in connector.spec.requests if one.name == request), "") if connector else ""
    return found or "is written"


def named(flow: Flow, connection: str) -> str:
    """A connection, as people know what it is made with."""
    known = flow.connection(connection)
    return _title(known.connector) if known is not None else connection


def _title(connector: str) -> str:
    found = registry.find(connector)
    return found.spec.title if found is not None else connector
