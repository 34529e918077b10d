"""The flows on simulated vendors: real server, real calls over HTTP, real flow; amounts compared on both sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

from engine import flowswitch, registry
from engine.clock import Clock
from engine.connections.connecting import connect
from engine.contract import Json
from engine.dataclass import dataclass
from engine.errors import Bug
from engine.follow import Hand
from engine.listsource import is_called, kept_as
from engine.model import Flow
from engine.program import FlowProgram, written_only
from engine.simulated import Called, Offers, Sandbox, Simulated, Visitor
from engine.store import journal, lists
from engine.store.base import Tx
from engine.world import World

COMPANY = "demo"
MAX_SESSIONS = 12
# Between two cycles.
PAUSE_S = 300.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the simulated world holds, where a simulator has such things."""

    seed: int = 2026
    bills: int = 24
    transactions: int = 40
    vendors: int = 9
    reimbursements: int = 9
    transfers: int = 3
    cashbacks: int = 2


@dataclass(frozen=True, slots=True)
class FlowResult:
    """One flow's end: counts of records, and what each side and the journal add up to."""

    flow: str
    read: int
    posted: int
    deferred: int
    failed: int
    skipped: int
    marked: int
    source_total: Decimal
    journal_total: Decimal
    target_total: Decimal
    sessions: int
    second_run_posted: int

    @property
    def agrees(self) -> bool:
        """Whether all three totals are the same and nothing was posted twice."""
        return self.source_total == self.journal_total == self.target_total and self.second_run_posted == 0

    def as_json(self) -> dict[str, object]:
        """For programs; amounts as text."""
        return {
            "flow": self.flow,
            "read": self.read,
            "posted": self.posted,
            "deferred": self.deferred,
            "failed": self.failed,
            "skipped": self.skipped,
            "marked": self.marked,
            "source_total": str(self.source_total),
            "journal_total": str(self.journal_total),
            "target_total": str(self.target_total),
            "sessions": self.sessions,
            "second_run_posted": self.second_run_posted,
        }


@dataclass(slots=True)
class _Stage:
    """A running demo: our server and the simulated vendors of one flow; `visitor` is the one that calls us, if any does."""

    world: World
    program: FlowProgram
    url: str
    visitor: Visitor | None
    sandboxes: Mapping[str, Sandbox]
    login: tuple[str, str]
    say: Say
    sessions: int = 0

    def cycle(self) -> int:
        """One read of the sources, and one Web Connector session where there is one; returns how much moved."""
        from engine.runner import Runner

        runner = Runner(self.world)
        report = runner.run(self.program, COMPANY)
        for error in report.errors:
            self.say(f"  trouble: {error}")
        requests = self._session()
        marked, errors = runner.tell(self.program, COMPANY)
        for error in errors:
            self.say(f"  trouble: {error}")
        self.sessions += 1
        sent = f"{requests} QBXML requests" if self.visitor is not None else f"{report.pushed} written"
        self.say(f"  cycle {self.sessions}: {report.count('read')} read, {sent}, {marked} marked synced")
        return requests + report.count("intended") + report.count("pending") + report.pushed + marked

    def _session(self) -> int:
        """One session of the Web Connector; returns how many requests travelled."""
        if self.visitor is None:
            return 0
        visit = self.visitor.visit(self.url, *self.login)
        for error in visit["errors"]:
            self.say(f"  web connector: {error}")
        return len(visit["requests"])

    def settle(self) -> None:
        """Cycles until nothing moves any more."""
        for _ in range(MAX_SESSIONS):
            if self.cycle() == 0:
                return
            # The clock is hurried: what a vendor's limit has put off is due by then.
            self.world.clock.sleep(PAUSE_S)
        raise Bug(f"the demo was not at rest after {MAX_SESSIONS} cycles")


def run_demo(world: World, program: FlowProgram, options: DemoOptions, say: Say) -> FlowResult:
    """Run one flow to its end: everything posted, one gap mapped by a person on the way, and a second run that posts nothing."""
    from engine.app import Duty, build
    from engine.serving import running

    with ExitStack() as stack:
        url = stack.enter_context(running(build(world, {program.flow.name: program}, duty=Duty(works=False))))
        sandboxes = sandboxes_of(program.flow, options, world.clock)
        stage = _connect(stack, world, program, url, sandboxes, say)
        calls = "letting the Web Connector call" if stage.visitor is not None else "writing"
        say(f"Reading, and {calls} until nothing moves:")
        stage.settle()
        _fill_gaps(stage)
        stage.settle()
        first = _counts(world, program)
        say("Running everything a second time:")
        stage.settle()
        second = _counts(world, program)
        written = written_only(program.flow)
        sources = [s for name, s in stage.sandboxes.items() if isinstance(s, Called) and name not in written]
        targets = [s for name, s in stage.sandboxes.items() if isinstance(s, Visitor) or name in written]
        with world.store.read(COMPANY) as tx:
            journal_total = _journal_total(tx, program.flow.name)
        return FlowResult(
            program.flow.name,
            second["read"],
            second["posted"],
            second["deferred"],
            second["failed"],
            second["skipped"],
            second["marked"],
            sum((s.total() for s in sources if isinstance(s, Sandbox)), Decimal(0)),
            journal_total,
            sum((s.total() for s in targets if isinstance(s, Sandbox)), Decimal(0)),
            stage.sessions,
            second["posted"] - first["posted"],
        )


def sandboxes_of(flow: Flow, options: DemoOptions, clock: Clock) -> dict[str, Sandbox]:
    """The simulated vendors; the one that calls us and those that are only written to first: the others fit to them.

    Raises:
        Bug: when a connector of the flow brings no simulator.
    """
    made: dict[str, Sandbox] = {}
    chart: Mapping[str, Any] = {}
    simulated: dict[str, Simulated] = {}
    for connection in flow.connections:
        connector: object = registry.find(connection.connector)
        if not isinstance(connector, Simulated):
            raise Bug(f"the connector `{connection.connector}` brings no simulator")
        simulated[connection.name] = connector
    for name, connector in simulated.items():
        sandbox = connector.sandbox(options.seed, clock, {})
        if isinstance(sandbox, Visitor):
            chart = sandbox.chart()
            made[name] = sandbox
    settings: Json = {
        "bills": options.bills,
        "transactions": options.transactions,
        "expenses": options.transactions // 2,
        "vendors": options.vendors,
        **_others(flow, options),
        "chart": chart,
        "gaps": [{"external_id": "ramp-only-1", "name": "Client Gifts"}],
    }
    written = written_only(flow)
    for name in sorted(simulated, key=lambda name: name not in written):
        if name not in made:
            given = {**settings, "written_only": True} if name in written else settings
            made[name] = sandbox = simulated[name].sandbox(options.seed, clock, given)
            if name in written and isinstance(sandbox, Offers):
                settings = {**settings, **sandbox.offers()}
    return made


def _others(flow: Flow, options: DemoOptions) -> dict[str, int]:
    """What else the simulators are to hold: what the flow does not read would count on no side."""
    read = {stream.fetch.stream for stream in flow.streams}
    counts = {
        "reimbursements": options.reimbursements, "transfers": options.transfers, "cashbacks": options.cashbacks,
    }  # fmt: skip
    return {name: count for name, count in counts.items() if name in read}


def _connect(
    stack: ExitStack, world: World, program: FlowProgram, url: str, sandboxes: Mapping[str, Sandbox], say: Say
) -> _Stage:
    from engine.serving import running

    visitor: Visitor | None = None
    login, path = ("", ""), ""
    for connection in program.flow.connections:
        sandbox = sandboxes[connection.name]
        base = url
        if isinstance(sandbox, Called):
            base = stack.enter_context(running(sandbox.app()))
        settings, secrets = sandbox.binding(base)
        connect(world, COMPANY, connection.name, connection.connector, settings, secrets)
        if isinstance(sandbox, Visitor):
            visitor = sandbox
            login, path = (str(settings["user"]), secrets["password"]), f"{url}/{connection.connector}"
        say(f"Simulated {connection.name}: {base}")
    if program.flow.starts == "by_hand":
        with world.store.write(COMPANY) as tx:
            flowswitch.switch(tx, Hand(COMPANY, world.at(), "bookkeeper"), program.flow, on=True)
    return _Stage(world, program, path, visitor, sandboxes, login, say)


def _fill_gaps(stage: _Stage) -> None:
    """What a bookkeeper does with the worklist: give every missing value a meaning, once."""
    from engine.follow import map_value
    from engine.store.records import load_reasons

    flow = stage.program.flow
    chart: Json = stage.visitor.chart() if stage.visitor is not None else {}
    with stage.world.store.write(COMPANY) as tx:
        gaps: dict[tuple[str, str], int] = {}
        for row in tx.rows(
            "records_listing", {"company": COMPANY, "state": "deferred", "flow": flow.name, "limit": 10_000}
        ):
            for reason in load_reasons(row):
                for key in reason.waits_for:
                    kind, _, rest = key.partition(":")
                    lookup, _, value = rest.partition(":")
                    if kind == "mapping" and reason.code == "unmapped":
                        gaps[lookup, value] = gaps.get((lookup, value), 0) + 1
                        break
        for (lookup, value), count in gaps.items():
            name = _meaning(tx, flow, lookup, chart)
            if not name:
                continue
            stage.say(f"{count} wait for {lookup} `{value}`; a bookkeeper maps it to `{name}`")
            row_ = lists.Mapping(flow.name, lookup, value, name)
            map_value(tx, Hand(COMPANY, stage.world.at(), "bookkeeper"), flow, row_)


def _meaning(tx: Tx, flow: Flow, lookup: str, chart: Json) -> str:
    """The name of the first object there that a value can mean; empty when a called target's list has none."""
    entry = flow.lookup(lookup)
    if entry is not None and is_called(flow, entry.connection):
        known = lists.objects(tx, COMPANY, kept_as(flow, entry))
        return next((item.full_name for item in known if item.active), "")
    plural = {"account": "accounts", "class": "classes", "customer": "customers", "vendor": "vendors"}.get(lookup, "")
    return str(chart[plural][0]["name"]) if plural in chart else ""


def _counts(world: World, program: FlowProgram) -> dict[str, int]:
    flow = program.flow.name
    with world.store.read(COMPANY) as tx:
        states: dict[str, int] = {}
        for row in tx.rows("record_counts", {"company": COMPANY, "flow": flow}):
            if not row["watched"]:
                states[row["state"]] = states.get(row["state"], 0) + row["count"]
        marks = tx.rows("marks_count", {"company": COMPANY, "flow": flow})
    return {
        "read": sum(states.values()),
        "posted": states.get("posted", 0) + states.get("closed", 0),
        "deferred": states.get("deferred", 0),
        "failed": states.get("failed", 0) + states.get("unknown", 0),
        "skipped": states.get("skipped", 0),
        "marked": sum(m["count"] for m in marks if m["outcome"] == "posted" and m["state"] == "done"),
    }


def _journal_total(tx: Tx, flow: str) -> Decimal:
    """Everything the journal says was posted."""
    import json

    total = Decimal(0)
    for line in journal.lines(tx, COMPANY):
        if line["event"] == "posted" and line["flow"] == flow:
            total += Decimal(json.loads(line["detail"]).get("amount") or 0)
    return total
