"""Plays one case: a world in memory, simulated vendors, the real runner and the real Web Connector conversation."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

import httpx

from engine import flowswitch, registry
from engine.connections.connecting import connect
from engine.contract import Handler, Json, Login, Served
from engine.dataclass import dataclass
from engine.desk import StoreOutbox
from engine.errors import Bug, FlowctlError, UsageError
from engine.follow import Hand
from engine.golden.case import Case, Step, wrong_given
from engine.golden.recorded import RecordedSource, recording_of
from engine.model import Connection
from engine.operator import targets, worklist
from engine.program import FlowProgram
from engine.runner import Runner
from engine.server import Server
from engine.simulated import Called, Directed, Sandbox, Simulated, Tells, Visitor
from engine.store import companies, lists
from engine.store.base import Row, Tx
from engine.testing import FakeClock, memory_world
from engine.world import World

COMPANY = "case"
# What the stores of the cases before this one have left.
_IDLE: list[sqlite3.Connection] = []
SERVER = "http://localhost"


class StepFailed(FlowctlError):
    """A step could not be played."""

    def __init__(self, step: Step, error: FlowctlError) -> None:
        super().__init__(f"{step.location}: {error}", hint=error.hint)


class NoSuchRecord(UsageError):
    """A step decides about a record that is not in the state it speaks of."""

    def __init__(self, states: str, name: str) -> None:
        super().__init__(f"no {states} record is called `{name}`", hint="give its reference or its source id")


@dataclass(slots=True)
class Seen:
    """What was seen of flowctl from outside, in order."""

    documents: list[str] = field(default_factory=list)
    session: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    # By connection, the kinds of answers that calls got: an HTTP status, or `none`.
    answers: set[tuple[str, str]] = field(default_factory=set)


@dataclass(slots=True)
class Stage:
    """A case being played."""

    case: Case
    program: FlowProgram
    world: World
    clock: FakeClock
    sandboxes: Mapping[str, Sandbox]
    seen: Seen
    recordings: Mapping[str, RecordedSource] = field(default_factory=dict)
    sessions: int = 0
    _handlers: dict[str, Handler] = field(default_factory=dict)

    def play(self, shown: Callable[[Stage], str] = lambda _stage: "") -> None:
        """Take every step; each `look` among them keeps how everything stands then, as `shown` says it.

        Raises:
            StepFailed: at the first one that cannot be taken.
        """
        for step in self.case.steps:
            if step.name == "look":
                self.seen.looks.append(shown(self))
                continue
            try:
                self._take(step)
            except FlowctlError as error:
                raise StepFailed(step, error) from error

    def _take(self, step: Step) -> None:
        bare = {"run": self._run, "session": self._session, "tell": self._tell, "cycle": self._cycle}
        if step.name in bare:
            bare[step.name]()
        elif step.name == "clock":
            self.clock.advance(str(step.value))
        elif step.name == "map":
            self._map(step.value)
        elif step.name == "set":
            self._set(step.value)
        elif step.name == "retry":
            self._retry(**step.value)
        elif step.name == "decide":
            self._decide(step.value)
        elif step.name == "deliver":
            self._deliver(**step.value)
        elif step.name == "fault":
            self._visitor()[1].act("fault", step.value)
        else:
            action, value = step.value
            self._directed(step.name).act(action, value)

    def _cycle(self) -> None:
        self._run()
        if any(isinstance(sandbox, Visitor) for sandbox in self.sandboxes.values()):
            self._session()
        self._tell()

    def _run(self) -> None:
        report = Runner(self.world).run(self.program, COMPANY)
        self.seen.troubles += [str(error) for error in report.errors]

    def _tell(self) -> None:
        _, errors = Runner(self.world).tell(self.program, COMPANY)
        self.seen.troubles += [str(error) for error in errors]

    def _session(self) -> None:
        """One session, and what the server's worker does when it is over."""
        name, visitor = self._visitor()
        settings, secrets = visitor.binding(SERVER)
        visit = visitor.visit_handler(self._handler(name), str(settings["user"]), secrets["password"])
        self.sessions += 1
        lines = [f"session {self.sessions}: {visit['outcome']}", *(f"  {line}" for line in visit["transcript"])]
        self.seen.session += [*lines, *(f"  web connector: {error}" for error in visit["errors"])]
        self.seen.documents += visit["documents"]

    def _map(self, row: Mapping[str, str]) -> None:
        lookup = self.program.flow.lookup(row["lookup"])
        assert lookup is not None
        with self.world.store.write(COMPANY) as tx:
            target = targets.find_target(tx, COMPANY, self.program.flow, lookup, row["to"])
            made = lists.Mapping(
                self.program.flow.name, lookup.name, row["key"], target.full_name, list_id=target.list_id
            )
            worklist.save_mapping(tx, self._hand(), self.program.flow, made)

    def _set(self, values: Mapping[str, Any]) -> None:
        with self.world.store.write(COMPANY) as tx:
            for key, value in values.items():
                name, scope = companies.setting_of(key)
                worklist.put_setting(tx, self._hand(), self.program.flow, name, value, scope)

    def _retry(self, record: str, there: str = "", *, not_there: bool = False) -> None:
        with self.world.store.write(COMPANY) as tx:
            if not there and not not_there:
                worklist.retry(tx, self._hand(), _chosen(tx, record, "failed", "deferred"), "")
                return
            for row in _chosen(tx, record, "unknown", *(("failed",) if there else ())):
                worklist.declare(tx, self._hand(), row, there or None, "")

    def _decide(self, decisions: Mapping[str, Sequence[str]]) -> None:
        """What becomes of records that were deleted in the target."""
        deeds = {"post_again": worklist.post_again, "leave_out": worklist.leave_out}
        with self.world.store.write(COMPANY) as tx:
            for decision, names in decisions.items():
                for name in names:
                    everything = worklist.parked(tx, COMPANY, "vanished") if name == "all" else []
                    deeds[decision](tx, self._hand(), everything or _chosen(tx, name, "vanished"), "")

    def _switch_on(self) -> None:
        """What a person does before a flow that starts by hand."""
        if self.program.flow.starts == "by_hand":
            with self.world.store.write(COMPANY) as tx:
                flowswitch.switch(tx, self._hand(), self.program.flow, on=True)

    def _hand(self) -> Hand:
        return Hand(COMPANY, self.world.at(), "bookkeeper")

    def _handler(self, connection: str) -> Handler:
        if connection not in self._handlers:
            named = self.program.flow.connection(connection)
            connector: object = registry.find(named.connector) if named else None
            if not isinstance(connector, Served):
                raise Bug(f"the connection `{connection}` answers no calls")
            outbox = StoreOutbox(self.world, {self.program.flow.name: self.program})
            self._handlers[connection] = connector.handler(outbox, self.clock, self.world.ids)
        return self._handlers[connection]

    def _visitor(self) -> tuple[str, Any]:
        for name, sandbox in self.sandboxes.items():
            if isinstance(sandbox, Visitor):
                return name, sandbox
        raise Bug(f"nothing calls the flow `{self.program.flow.name}`: it has no Web Connector")

    def _deliver(self, source: str, how: str) -> None:
        """Webhooks arrive at our server; what they start is read by the next `run`."""
        sandbox: object = self.sandboxes[source]
        if not isinstance(sandbox, Tells):
            raise Bug(f"the simulator of `{source}` sends no webhooks")
        programs = {self.program.flow.name: self.program}
        server = Server(self.world, programs, StoreOutbox(self.world, programs))

        def send(headers: Mapping[str, str], body: bytes) -> int:
            lower = {name.lower(): value for name, value in headers.items()}
            return server.take_event(COMPANY, source, lower, body).status

        self.seen.session += sandbox.deliver(send, how)

    def _directed(self, name: str) -> Directed:
        sandbox: object = self.sandboxes[name]
        if not isinstance(sandbox, Directed):
            raise Bug(f"the simulator of `{name}` takes no directions")
        return sandbox


def _chosen(tx: Tx, name: str, *states: str) -> list[Row]:
    """The records of that name in one of these states; there is one at least."""
    rows, _ = worklist.chosen(tx, COMPANY, [name])
    found = [row for row in rows if row["state"] in states]
    if not found:
        raise NoSuchRecord(" or ".join(states), name)
    return found


@contextmanager
def staged(case: Case, program: FlowProgram) -> Iterator[Stage]:
    """Everything that a case needs, connected, before its first step."""
    clock, seen = FakeClock(case.clock), Seen()
    sandboxes = _sandboxes(case, program, clock)
    transports: dict[str, httpx.BaseTransport] = {
        name: Recording(sandbox.transport(), name, seen, sandbox if isinstance(sandbox, Reads) else None)
        for name, sandbox in sandboxes.items()
        if isinstance(sandbox, Called)
    }
    recordings = {name: recording_of(program.flow, name, reads, seen.told) for name, reads in case.recorded.items()}
    world = replace(memory_world(case.seed, clock, transports, _IDLE), sources=recordings)
    try:
        for connection in program.flow.connections:
            connect_sandbox(world, COMPANY, connection, sandboxes[connection.name])
        stage = Stage(case, program, world, clock, sandboxes, seen, recordings)
        stage._switch_on()  # noqa: SLF001 - this module's own
        stage._set(case.settings)  # noqa: SLF001 - this module's own
        for row in case.mappings:
            stage._map(row)  # noqa: SLF001 - this module's own
        yield stage
    finally:
        world.store.close()


def _sandboxes(case: Case, program: FlowProgram, clock: FakeClock) -> dict[str, Sandbox]:
    """The simulated vendors; those that are only written to first, since the others are coded to their lists."""
    simulated: dict[str, Simulated] = {}
    streams: dict[str, int] = {}
    for connection in program.flow.connections:
        connector = registry.find(connection.connector)
        if connector is None or not isinstance(connector, Simulated):
            raise Bug(f"the connector `{connection.connector}` brings no simulator")
        simulated[connection.name] = connector
        streams[connection.name] = len(connector.spec.streams)
    made: dict[str, Sandbox] = {}
    chart: Json = {}
    ordered = sorted(simulated, key=lambda name: bool(streams[name]))
    for name in ordered:
        options = {"given": case.given.get(name, {}), "chart": chart, "answers": case.answers}
        try:
            made[name] = sandbox = simulated[name].sandbox(case.seed, clock, options)
        except UsageError as error:
            raise wrong_given(case, name, error) from error
        if not streams[name] and isinstance(sandbox, HasChart):
            chart = sandbox.chart()
    return made


def connect_sandbox(world: World, company: str, connection: Connection, sandbox: Sandbox) -> None:
    """Connect a company to a simulated vendor without a socket."""
    settings, secrets = sandbox.binding(SERVER)
    login = isinstance(sandbox, Visitor)
    connect(world, company, connection.name, connection.connector, settings, {} if login else secrets)
    if login:
        from argon2 import PasswordHasher

        # The password of a simulated user: a hash that is cheap to check.
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(secrets["password"])
        with world.store.write() as tx:
            companies.put_login(tx, Login(company, str(settings["user"]), hashed), world.at())


@runtime_checkable
class HasChart(Protocol):
    """A simulated target with lists that a source can be coded to."""

    def chart(self) -> Mapping[str, Sequence[Json]]:
        """Its lists, as a `Visitor` gives them."""
        ...


@runtime_checkable
class Reads(Protocol):
    """A simulated vendor whose calls only it can read, since they are no JSON or carry credentials."""

    def told(self, body: bytes) -> Json | None:
        """What a call tells the vendor, without credentials; None when it tells nothing."""
        ...


class Recording(httpx.BaseTransport):
    """Passes calls on and keeps the bodies of those that change something: JSON, or what the vendor itself reads in them."""

    def __init__(self, inner: httpx.BaseTransport, name: str, seen: Seen, reads: Reads | None) -> None:
        self._inner = inner
        self._name = name
        self._told = seen.told
        self._answers = seen.answers
        self._reads = reads

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one call; one that gets no answer is kept too."""
        entry: dict[str, Any] | None = None
        if (body := self._body(request)) is not None:
            entry = {"to": self._name, "call": f"{request.method} {request.url.path}", "body": body, "status": None}
            self._told.append(entry)
        try:
            response = self._inner.handle_request(request)
        except httpx.HTTPError:
            self._answers.add((self._name, "none"))
            raise
        self._answers.add((self._name, str(response.status_code)))
        if entry is not None:
            entry["status"] = response.status_code
        return response

    def _body(self, request: httpx.Request) -> Any:
        if self._reads is not None:
            return self._reads.told(request.read())
        if request.method == "GET" or not request.headers.get("content-type", "").startswith("application/json"):
            return None
        return json.loads(request.read(), parse_float=Decimal)

    def close(self) -> None:
        """Close what is below."""
        self._inner.close()
