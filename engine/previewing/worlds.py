"""Where a preview finds records, lists and mappings: in a company's store, or among simulated vendors in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import unquote_plus

import httpx

from engine import flowswitch, intake, registry, told
from engine.contract import Json, Rate, Served
from engine.dataclass import dataclass
from engine.demo import DemoOptions, sandboxes_of
from engine.desk import StoreOutbox
from engine.errors import FlowctlError, UsageError
from engine.follow import Hand
from engine.golden.stage import SERVER, connect_sandbox
from engine.model import Fetch, Flow
from engine.pipeline import Frozen, Parked, prepare, take_in
from engine.preview import Previewer
from engine.previewing.model import Preview, Tried, Trouble
from engine.program import FlowProgram, StreamProgram
from engine.runner import Runner
from engine.simulated import Called, Sandbox, Simulated, Visitor
from engine.store import companies, lists, outbox, records, work
from engine.testing import FakeClock, memory_world
from engine.world import World

# The name that commands take when none is given: hints need not name it.
COMPANY = "main"
# The business of `flowctl demo`.
_BUSINESS = DemoOptions()
# How many records of a simulated source are tried until one fits.
_MOST = 200
_CYCLES = 8


class NoSimulator(UsageError):
    """A connector of the flow brings no simulated vendor."""

    def __init__(self, connector: str) -> None:
        super().__init__(
            f"the connector `{connector}` brings no simulated vendor",
            hint="connect a company with `flowctl connect`, and give --live or --record with its --home",
        )


# --- a company's own store -------------------------------------------------------------------------------------------


class OwnLimits:
    """Counts no calls: the few of a preview leave no trace in the store."""

    @contextmanager
    def call(self, _name: str, _rates: Sequence[Rate], _at_once: int = 0) -> Iterator[None]:
        """Let the call go."""
        yield


def live(world: World, company: str, fetch: Fetch, count: int) -> list[Json]:
    """The first records that the source lists for a fetch; nothing is kept, and the source is told nothing.

    Raises:
        RunError: what keeps the source from being read; it is not tried again.
    """
    source = world.source(company, fetch.connection, OwnLimits())
    with closing(source) if callable(getattr(source, "close", None)) else nullcontext():  # type: ignore[type-var]
        pages = source.read(fetch.stream, fetch.filters, None)
        return list(islice((data for page in pages for data in page.records), count))


def previews(
    world: World, program: FlowProgram, company: str, stream: str, items: Sequence[Mapping[str, Any]]
) -> list[Preview]:
    """Preview records of a stream with the lists, mappings and settings that the store has of a company."""
    with world.store.read(company) as tx:
        companies.require(tx, company)
        whose = dict.fromkeys(companies.settings(tx, company, program.flow.name), "set for the company")
        standings = told.standings(tx, company, program.flow)
        whose |= {name: f"as `{each.by}` says" for name, each in standings.items() if each.by}
        desk = Runner(world).batch(tx, program, company, 0).desk
        previewer = Previewer(program.stream(stream), desk, whose)
        return [previewer.preview(data) for data in items]


# --- simulated vendors -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Simulation:
    """Simulated vendors around one stream: what comes before it was posted there, and its lists are known."""

    world: World
    program: FlowProgram
    stream: StreamProgram
    sandboxes: Mapping[str, Sandbox]
    calls: Mapping[str, list[str]]

    def first(self) -> Json | None:
        """The first record that would be written; when there is none, the first of all."""
        found = live(self.world, COMPANY, self.stream.stream.fetch, _MOST)
        with self.world.store.read(COMPANY) as tx:
            desk = Runner(self.world).batch(tx, self.program, COMPANY, 0).desk
            fits = (data for data in found if self._fits(desk, data))
            return next(fits, found[0] if found else None)

    def preview(self, data: Mapping[str, Any]) -> Preview:
        """One record's way, and what the simulated vendor makes of it."""
        (made,) = previews(self.world, self.program, COMPANY, self.stream.stream.name, [data])
        if made.answer.state != "posted":
            return made
        return replace(made, answer=replace(made.answer, tried=self._tried(made.source_id, data)))

    def settle(self) -> None:
        """Know the lists, and post what the stream comes after."""
        with self.world.store.write(COMPANY) as tx:
            if not flowswitch.is_on(tx, COMPANY, self.program.flow):
                flowswitch.switch(tx, Hand(COMPANY, self.world.at(), "preview"), self.program.flow, on=True)
            for name in self.program.lists:
                lists.ensure(tx, COMPANY, name)
        before = replace(self.program, streams=_before(self.program, self.stream))
        self._session(self.program)
        Runner(self.world).read_lists(self.program, COMPANY, missing=True)
        for _ in range(_CYCLES if before.streams else 0):
            report = Runner(self.world).run(before, COMPANY)
            requests = self._session(before)
            marked, _ = Runner(self.world).tell(before, COMPANY)
            if not requests + report.count("intended") + report.count("pending") + report.pushed + marked:
                return

    def _fits(self, desk: Any, data: Json) -> bool:
        try:
            made = prepare(self.stream, desk, take_in(self.stream, desk, data).source_id, data)
        except FlowctlError:
            return False
        return isinstance(made, Frozen) or (isinstance(made, Parked) and made.reasons[0].code == "agrees")

    def _tried(self, source_id: str, data: Json) -> Tried:
        """Write the record there, as a run would."""
        alone = replace(self.program, streams=(self.stream,))
        runner = Runner(self.world)
        with self.world.store.write(COMPANY) as tx:
            number = work.begin_run(tx, COMPANY, self.program.flow.name, self.world.at())
            intake.take_page(runner.batch(tx, alone, COMPANY, number), self.stream, [data])
        asked: tuple[str, ...] = ()
        if self.stream.is_polled:
            self._session(alone)
        else:
            asked = self._asked()
            runner.push(alone, COMPANY, number)
        stream = self.stream.stream
        scope = {"company": COMPANY, "flow": self.program.flow.name, "stream": stream.name, "source_id": source_id}
        with self.world.store.read(COMPANY) as tx:
            rows = [row for row in tx.rows("record_find_any_phase", scope) if row["phase"] == stream.phase]
        said = tuple(Trouble(each.message, each.hint) for each in records.load_reasons(rows[0]))
        receipt: Mapping[str, str] = json.loads(rows[0]["receipt"] or "{}")
        return Tried(rows[0]["state"], said, receipt, asked)

    def _asked(self) -> tuple[str, ...]:
        """The calls by which the target is asked whether the record is there already."""
        connection = self.stream.stream.target
        scope = {"company": COMPANY, "at": self.world.at(), "connection": connection, "limit": 1}
        with self.world.store.read(COMPANY) as tx:
            rows = tx.rows("operations_next", {**scope, "without": "[]", "later": "[]"})
            operations = [outbox.operation_of(row) for row in rows]
        target = self.world.target(COMPANY, connection)
        before = len(self.calls.get(connection, ()))
        with closing(target) if callable(getattr(target, "close", None)) else nullcontext():  # type: ignore[type-var]
            for operation in operations:
                try:
                    target.find(operation)
                except FlowctlError:  # what it says is said by the writing, which asks again
                    break
        return tuple(self.calls.get(connection, ())[before:])

    def _session(self, program: FlowProgram) -> int:
        """One session of the agent that comes to us, if any does; returns how many requests travelled."""
        for name, sandbox in self.sandboxes.items():
            named = self.program.flow.connection(name)
            connector: object = registry.find(named.connector) if named else None
            if isinstance(sandbox, Visitor) and isinstance(connector, Served):
                settings, secrets = sandbox.binding(SERVER)
                outbox_ = StoreOutbox(self.world, {program.flow.name: program})
                handler = connector.handler(outbox_, self.world.clock, self.world.ids)
                visit = sandbox.visit_handler(handler, str(settings["user"]), secrets["password"])
                return len(visit["requests"])
        return 0


@contextmanager
def simulated(program: FlowProgram, stream: str) -> Iterator[Simulation]:
    """Simulated vendors of a flow in memory, everything posted that the stream comes after.

    Raises:
        NoSimulator: when one of the vendors cannot be simulated.
    """
    _require_simulators(program.flow)
    clock = FakeClock()
    sandboxes = sandboxes_of(program.flow, _BUSINESS, clock)
    calls: dict[str, list[str]] = {name: [] for name in sandboxes}
    transports: dict[str, httpx.BaseTransport] = {
        name: _Noting(sandbox.transport(), calls[name])
        for name, sandbox in sandboxes.items()
        if isinstance(sandbox, Called)
    }
    world = memory_world(_BUSINESS.seed, clock, transports)
    try:
        for connection in program.flow.connections:
            connect_sandbox(world, COMPANY, connection, sandboxes[connection.name])
        made = Simulation(world, program, program.stream(stream), sandboxes, calls)
        made.settle()
        yield made
    finally:
        world.store.close()


def _require_simulators(flow: Flow) -> None:
    for connection in flow.connections:
        connector: object = registry.find(connection.connector)
        if not isinstance(connector, Simulated):
            raise NoSimulator(connection.connector)


def _before(program: FlowProgram, stream: StreamProgram) -> tuple[StreamProgram, ...]:
    """The streams that must have run before this one, in their order; those that would want its records among them."""
    wanted = set(stream.stream.after)
    if stream.wants:
        wanted.update(each.stream.name for each in program.streams if stream.stream.name in each.stream.after)
    for each in reversed(program.streams):
        if each.stream.name in wanted:
            wanted.update(each.stream.after)
    return tuple(each for each in program.streams if each.stream.name in wanted - {stream.stream.name})


class _Noting(httpx.BaseTransport):
    """Passes calls on and keeps what was called: method, path and query, never a header or a body."""

    def __init__(self, inner: httpx.BaseTransport, calls: list[str]) -> None:
        self._inner, self._calls = inner, calls

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one call."""
        self._calls.append(f"{request.method} {unquote_plus(request.url.raw_path.decode('ascii'))}")
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close what is below."""
        self._inner.close()
