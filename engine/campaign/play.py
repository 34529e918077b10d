"""Plays one schedule: a small world from one integer, faults, then calm, a person, two quiet cycles, and the checks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from engine import registry, worklist
from engine.campaign.check import Scene, Verdict, check
from engine.campaign.crash import FAULTS, Chaos, Crash, CrashingTransport, Machine
from engine.campaign.witness import Witness
from engine.connecting import connect
from engine.contract import Login, Served, Visitor
from engine.errors import Bug
from engine.follow import Hand
from engine.program import FlowProgram
from engine.rigs import BooksRig, Rigged, SourceRig
from engine.runner import Runner
from engine.store import companies, lists
from engine.store.sqlite import SqliteStore
from engine.testing import FakeClock, memory_world

COMPANY = "sim"
SERVER = "https://localhost"
_PASSWORD = "campaign"  # noqa: S105 - of a simulated Web Connector only
_CHART = {"accounts": [{"external_id": "1", "name": "Office Supplies", "code": ""}]}
_WEIGHTS: Mapping[str, float] = {
    "cycle": 5.0, "run": 1.0, "session": 2.0, "tell": 1.0, "prepare": 0.5, "person": 0.7,
}  # fmt: skip
# Lists are read again after four hours: a pause beyond that makes the next session long.
_PAUSES = ("+1m", "+20m", "+1h", "+2h", "+1d")


@dataclass(frozen=True, slots=True)
class Plan:
    """What every schedule of a campaign shares."""

    program: FlowProgram
    without: frozenset[str] = frozenset()
    # Only these, and often; a random selection of all when it is empty.
    focus: frozenset[str] = frozenset()
    restore_ours: bool = False


@dataclass(slots=True)
class Result:
    """What one schedule came to."""

    seed: int
    verdict: Verdict
    faults: Counter[str]
    broken: list[tuple[int, str]]
    timeline: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything was wrong."""
        v = self.verdict
        return bool(self.broken or v.lost or v.duplicated or v.wrong_file or v.cents_off or v.stuck)


def play(plan: Plan, seed: int) -> Result:
    """Play the schedule of one seed."""
    stage = stage_of(plan, seed)
    try:
        stage.storm()
        stage.calm()
        with stage.machine.world.store.read() as tx:
            verdict = check(Scene.of(tx, COMPANY, stage.books, stage.source, stage.witness))
    finally:
        stage.machine.store.close()
    faults = Counter(stage.machine.chaos.counts)
    faults.update(stage.books.counts())
    faults.update(stage.source.counts())
    faults.update(stage.counts)
    return Result(seed, verdict, +faults, stage.witness.broken, stage.witness.timeline)


@dataclass(slots=True)
class Stage:
    """A schedule at work."""

    plan: Plan
    chance: random.Random
    clock: FakeClock
    machine: Machine
    books: BooksRig
    source: SourceRig
    witness: Witness
    login: tuple[str, str]
    counts: Counter[str] = field(default_factory=Counter)
    images: list[bytes] = field(default_factory=list)

    def storm(self) -> None:
        """The part with faults."""
        weights = {**_WEIGHTS, "restore_ours": 0.6 if self.plan.restore_ours else 0.0}
        for _ in range(self.chance.randrange(3, 7)):
            for line in self.source.befall():
                self.witness.note(line)
            (name,) = self.chance.choices(list(weights), list(weights.values()))
            self.take(name)
            self.clock.advance(self.chance.choice(_PAUSES))
            if self.plan.restore_ours:
                self.images.append(self.machine.store.image())

    def take(self, name: str) -> None:
        """Take one step of those in `_WEIGHTS`."""
        steps: Mapping[str, Callable[[], None]] = {
            "cycle": self._cycle,
            "run": self._run,
            "session": self._session,
            "tell": self._tell,
            "prepare": self._prepare,
            "person": self._person,
            "restore_ours": self._restore_ours,
        }
        self.witness.note(name)
        self._guarded(steps[name])

    def calm(self) -> None:
        """No more faults: a person does what waits for one, and two cycles must be enough after that."""
        self.witness.note("calm")
        self.machine.chaos.rates = {}
        self.books.calm()
        self.source.calm()
        self.clock.advance("+1h30m")  # longer than anything is put off
        self._cycle()
        for _ in range(2):
            # What is at rest stays so; now and then that is looked at, since it costs as much as the rest.
            if self._at_rest() and self.chance.random() < 0.8:
                return
            self._person()
            self.clock.advance("+2h")
            self._cycle()

    def _at_rest(self) -> bool:
        """Whether every record has reached the end of its life."""
        with self.machine.world.store.read() as tx:
            rows = tx.rows("record_counts", {"company": COMPANY, "flow": ""})
        return all(row["state"] in ("closed", "skipped") for row in rows)

    # --- steps ---

    def _guarded(self, step: Callable[[], None]) -> None:
        """Take a step of our own process; when it dies, the next step meets a new one."""
        try:
            step()
        except Crash:
            self.witness.note("  our process died")
            self.machine.restart()

    def _cycle(self) -> None:
        self._guarded(self._run)
        self._session()
        self._guarded(self._prepare)
        self._guarded(self._tell)

    def _run(self) -> None:
        report = Runner(self.machine.world).run(self.plan.program, COMPANY)
        for error in report.errors:
            self.witness.note(f"  run: {error}")

    def _session(self) -> None:
        self.witness.tries.clear()
        for line in self.books.visit(self.machine.handle, *self.login, self.witness):
            self.witness.note(f"  {line}")

    def _prepare(self) -> None:
        Runner(self.machine.world).prepare(self.plan.program, COMPANY)

    def _tell(self) -> None:
        _, errors = Runner(self.machine.world).tell(self.plan.program, COMPANY)
        for error in errors:
            self.witness.note(f"  tell: {error}")

    def _restore_ours(self) -> None:
        if self.images:
            self.counts["restore_ours"] += 1
            self.machine.restart(self.chance.choice(self.images))

    # --- a person ---

    def _person(self) -> None:
        """Map what is missing, say what became of what is held, try again what was refused."""
        self._map()
        self._declare()
        with self.machine.world.store.write() as tx:
            rows = [*worklist.parked(tx, COMPANY, "failed"), *worklist.parked(tx, COMPANY, "deferred")]
            chosen = [row for row in rows if self.chance.random() < 0.7]
            worklist.retry(tx, self._hand(), chosen, "")

    def _map(self) -> None:
        flow = self.plan.program.flow
        with self.machine.world.store.write() as tx:
            for gap in worklist.gaps(tx, COMPANY, flow.name):
                lookup = flow.lookup(gap.lookup) if gap.lookup else None
                if lookup is None:
                    continue
                known = [item for item in lists.objects(tx, COMPANY, lookup.list) if _usable(item)]
                if known and self.chance.random() < 0.9:
                    target = self.chance.choice(known)
                    row = lists.Mapping(flow.name, lookup.name, gap.key, target.full_name, target.list_id)
                    self.witness.note(f"  a person maps {lookup.name} {gap.label} to {target.full_name}")
                    worklist.save_mapping(tx, self._hand(), flow, row)

    def _declare(self) -> None:
        """The truth about what is held: look into the books."""
        with self.machine.world.store.write() as tx:
            for row in worklist.parked(tx, COMPANY, "unknown"):
                full = tx.one("record_get", {"id": row["id"]})
                assert full is not None
                operation = full["operation_id"]
                found = next((m.id for m in self.books.live() if self.witness.maker.get(m.id) == operation), None)
                try:
                    worklist.declare(tx, self._hand(), row, found, "")
                    self.witness.note(
                        f"  a person says that {row['stream']}/{row['source_id']} is {found or 'not there'}"
                    )
                except worklist.NotHeld:
                    continue

    def _hand(self) -> Hand:
        return Hand(COMPANY, self.machine.world.at(), "bookkeeper")


def _usable(item: Any) -> bool:
    kinds = ("Expense", "CostOfGoodsSold")
    return bool(item.active) and str(item.data.get("type") or item.data.get("account_type") or kinds[0]) in kinds


def stage_of(plan: Plan, seed: int) -> Stage:
    """The world of a schedule, before anything happens."""
    chance = random.Random(f"{seed}:schedule")  # noqa: S311 - it must repeat
    clock = FakeClock()
    options = {"without": sorted(plan.without), "focus": sorted(plan.focus)}
    books, source = _rigs(plan.program, seed, clock, options)
    chaos = Chaos(random.Random(f"{seed}:crash"), {})  # noqa: S311 - it must repeat
    image, login = _image(plan.program, warm=chance.random() < 0.6)
    machine = Machine(image, plan.program, COMPANY, clock, chaos, seed)
    witness = Witness(machine)
    for connection in plan.program.flow.connections:
        if not isinstance(_connector(connection.connector), Served):
            machine.transports[connection.name] = CrashingTransport(source.transport(witness.hears), machine)
    _bind(machine, plan.program, books, source, chance)
    level = chance.choice((0.0, 0.5, 1.0, 2.0))
    chaos.rates = {n: rate * level for n, rate in FAULTS.items() if n not in plan.without and chance.random() < 0.5}
    if plan.focus:
        chaos.rates = {n: rate * 2 for n, rate in FAULTS.items() if n in plan.focus}
    return Stage(plan, chance, clock, machine, books, source, witness, login)


def _rigs(program: FlowProgram, seed: int, clock: FakeClock, options: Mapping[str, Any]) -> tuple[BooksRig, SourceRig]:
    """The simulated vendors; the books first, since the source is coded to their lists."""
    books: BooksRig | None = None
    source: SourceRig | None = None
    chart: object = {}
    for served in (True, False):
        for connection in program.flow.connections:
            connector = _connector(connection.connector)
            if isinstance(connector, Served) is not served:
                continue
            rig: object = connector.rig(seed, clock, {**options, "chart": chart})
            if isinstance(rig, BooksRig) and isinstance(rig.sandbox, Visitor):
                books, chart = rig, rig.sandbox.chart()
            elif isinstance(rig, SourceRig):
                source = rig
    if books is None or source is None:
        raise Bug(f"the flow `{program.flow.name}` has no simulated source, or no simulated books")
    return books, source


@cache
def _connector(name: str) -> Rigged:
    connector: object = registry.find(name)
    if not isinstance(connector, Rigged):
        raise Bug(f"the connector `{name}` brings no simulator for a campaign")
    return connector


@lru_cache(maxsize=4)
def _image_of(connections: tuple[tuple[str, str], ...]) -> tuple[bytes, tuple[str, str]]:
    """A store with everything connected, and the agent's login; made once a process, since hashing takes long."""
    from argon2 import PasswordHasher

    clock, user = FakeClock(), ""
    world = memory_world(0, clock)
    for name, connector_name in connections:
        connector = _connector(connector_name)
        rig = connector.rig(0, clock, {"chart": _CHART})
        settings, secrets = rig.sandbox.binding(SERVER)
        is_agent = isinstance(connector, Served)
        connect(world, COMPANY, name, connector_name, settings, {} if is_agent else secrets)
        if is_agent:
            user = str(settings["user"])
            # A hash that is cheap to check: a schedule signs in many times.
            hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(_PASSWORD)
            with world.store.write() as tx:
                companies.put_login(tx, Login(COMPANY, user, hashed), world.at())
    assert isinstance(world.store, SqliteStore)
    image = world.store.connection.serialize()
    world.store.close()
    return image, (user, _PASSWORD)


def _image(program: FlowProgram, *, warm: bool) -> tuple[bytes, tuple[str, str]]:
    """What is on our disk at the start: connected, and when `warm` with one quiet session behind it."""
    connections = tuple((c.name, c.connector) for c in program.flow.connections)
    image, login = _image_of(connections)
    if not warm:
        return image, login
    if connections not in _warm:
        clock = FakeClock()
        books, _ = _rigs(program, 0, clock, {"focus": ["nothing"]})
        machine = Machine(image, program, COMPANY, clock, Chaos(random.Random(0), {}), -1)  # noqa: S311 - unused
        books.visit(machine.handle, *login, Witness(machine))
        _warm[connections] = machine.store.image()
        machine.store.close()
    return _warm[connections], login


_warm: dict[tuple[tuple[str, str], ...], bytes] = {}


def _bind(machine: Machine, program: FlowProgram, books: BooksRig, source: SourceRig, chance: random.Random) -> None:
    """Settings of this schedule: how the connections are set, and how the flow is."""
    with machine.world.store.write() as tx:
        for connection in program.flow.connections:
            served = isinstance(_connector(connection.connector), Served)
            settings, _ = (books if served else source).sandbox.binding(SERVER)
            pages = {"page_size": chance.choice((5, 500) if served else (2, 100))}
            companies.put_connection(
                tx, COMPANY, connection.name, connection.connector, {**settings, **pages}, machine.world.at()
            )
        for setting in program.flow.settings:
            if setting.options and chance.random() < 0.3:
                companies.put_setting(tx, COMPANY, program.flow.name, setting.name, chance.choice(setting.options))
