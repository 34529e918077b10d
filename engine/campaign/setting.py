"""Sets the scene of one schedule: both simulated vendors, our disk with everything connected, and what may go wrong."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import timedelta
from functools import cache, lru_cache
from typing import Any

from engine import flowswitch, registry
from engine.campaign import pgdisk
from engine.campaign.calls import Calls
from engine.campaign.clock import STARTS, TrueClock
from engine.campaign.crash import FAULTS, Chaos, Machine
from engine.campaign.disk import AnyDisk, Disk
from engine.campaign.meeting import Meeting
from engine.campaign.pushes import Pushes
from engine.campaign.sessions import Sessions
from engine.campaign.witness import Witness
from engine.connections.connecting import connect
from engine.contract import Login, Served
from engine.dataclass import dataclass
from engine.errors import Bug
from engine.follow import Hand
from engine.program import FlowProgram
from engine.rigs import BooksRig, CalledRig, Described, Rigged, Sets, SourceRig, TargetRig
from engine.simulated import Visitor
from engine.store import companies, facts
from engine.store.sqlite import SqliteStore
from engine.testing import FakeClock, memory_world
from engine.world import World

COMPANY = "sim"
SERVER = "https://localhost"
_PASSWORD = "campaign"  # noqa: S105 - of a simulated Web Connector only
_CHART = {"accounts": [{"external_id": "1", "name": "Office Supplies", "code": ""}]}
# What befalls a whole schedule: how many of those that allow it have it.
STAGE_FAULTS: Mapping[str, float] = {
    "restore_ours": 0.2, "clock_jump": 0.15, "two_processes": 0.25, "strange_day": 0.3, "by_schedule": 0.3, "untold": 0.05,
    "refused_for_long": 0.03,
}  # fmt: skip
# A share of the schedules leans to what shows only when several things come together, each of them often.
LEANINGS: Mapping[str, Mapping[str, float]] = {
    # Our store is restored while operations wait and people delete.
    "restored": {
        "restore_ours": 1.0, "restore_midway": 0.04, "busy": 0.4, "user_delete": 0.3, "late_bill": 0.5, "late_transaction": 0.5,
    },
    # The source changes what was posted again and again, and so do people in the books.
    "rewritten": {
        "untold": 1.0, "plain": 1.0, "edit_memo": 0.6, "edit_amount": 0.3, "edit_coding": 0.5, "user_edit": 0.6,
        "edit_midway": 0.06,
    },
    # QuickBooks is at work on a set of several when another machine comes.
    "slow": {"slow_set": 0.7, "late_bill": 0.6, "late_transaction": 0.6},
    # Records that nothing tells apart but the source's own id.
    "alike": {
        "no_marker": 1.0, "twin_bill": 0.6, "twin_transaction": 0.5, "answer_and_store_lost": 0.15, "die_midway": 0.15,
        "user_edit": 0.4,
    },
    # The company file is restored while something is in doubt.
    "rolled_back": {
        "restore_backup": 0.5, "answer_and_store_lost": 0.2, "answer_lost": 0.1, "late_bill": 0.6, "late_transaction": 0.6,
    },
}  # fmt: skip
# The same for a target that is called.
CALLED_LEANINGS: Mapping[str, Mapping[str, float]] = {
    # Our store is restored while operations wait, and people go on.
    "restored": {"restore_ours": 1.0, "restore_midway": 0.05, "late_bill": 0.5, "edit_amount": 0.3, "delete": 0.2},
    # The source changes what was posted again and again.
    "rewritten": {"plain": 1.0, "edit_memo": 0.6, "edit_amount": 0.6, "edit_coding": 0.5, "target_timeout_after": 0.15},
    # Writes without an answer show only after a while.
    "late": {"late_write": 0.5, "crash_after_http": 0.05, "late_bill": 0.6, "edit_amount": 0.3},
    # People work at the target all the time.
    "by_hand": {
        "person_edits": 0.6, "person_archives": 0.3, "person_pays": 0.3, "person_adds_bill": 0.5, "person_adds_vendor": 0.4,
        "target_timeout_after": 0.15,
    },
    # Records that nothing tells apart but the source's own id.
    "alike": {"twin_bill": 0.8, "target_timeout_after": 0.2, "crash_after_http": 0.05, "person_adds_bill": 0.4},
}  # fmt: skip
# What would keep the source from being read, or the record from being known, again and again.
_IN_THE_WAY = frozenset({"by_schedule", "restore_ours"})
_LEANS = ("", "", "", *LEANINGS)
_CALLED_LEANS = ("", "", *CALLED_LEANINGS)
# What only a target whose agent calls us can have.
_OF_AGENTS = frozenset({"refused_for_long"})
# What sets clocks wrong, or may.
_CLOCKS = frozenset({"clock_jump", "two_processes"})
# Where sets of several are wanted, QuickBooks was found to be quick before.
_QUICK = {"limit": 16}
# How many requests travel together; 0 lets the connector find out.
_BATCHES = (0, 0, 1, 3)


@dataclass(frozen=True, slots=True)
class Plan:
    """What every schedule of a campaign shares."""

    program: FlowProgram
    without: frozenset[str] = frozenset()
    # Only these, and often; a random selection of all when it is empty. Names of `LEANINGS` alone: only such schedules.
    focus: frozenset[str] = frozenset()
    # Restore our own store in every schedule, and not only in its share of them.
    restore_ours: bool = False
    # False when nobody reads the timelines.
    keeps: bool = True

    def allows(self, name: str) -> bool:
        """Whether a fault may happen at all."""
        return name not in self.without and (not self.focus or name in self.focus)


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything of a schedule before anything happens."""

    chance: random.Random
    clock: TrueClock
    machine: Machine
    books: TargetRig
    source: SourceRig
    witness: Witness
    meeting: Meeting
    # Of `STAGE_FAULTS`, those that this schedule has.
    has: frozenset[str] = field(default_factory=frozenset)
    # One of `LEANINGS`, or nothing.
    lean: str = ""


def set_up(plan: Plan, seed: int, company: str = COMPANY, disk: AnyDisk | None = None) -> Setting:
    """The setting of a schedule; on a `disk` that another company's schedule has, beside it."""
    chance = random.Random(f"{seed}:schedule")  # noqa: S311 - it must repeat
    is_called = not any(_is_served(connection.connector) for connection in plan.program.flow.connections)
    leanings = CALLED_LEANINGS if is_called else LEANINGS
    lean = "" if plan.focus else chance.choice(_CALLED_LEANS if is_called else _LEANS)
    if plan.focus and plan.focus <= leanings.keys():
        lean, plan = chance.choice(sorted(plan.focus)), replace(plan, focus=frozenset())
    often = leanings.get(lean, {})
    has = _has(plan, chance, often) - (_OF_AGENTS if is_called else frozenset())
    if lean == "rewritten":
        has -= _IN_THE_WAY
    if lean == "late":
        has -= {"clock_jump"}
    clock = TrueClock(chance.choice(STARTS) if "strange_day" in has else STARTS[0])
    # A write without an answer is waited for by the clock: where one is wrong, it must not show late.
    is_late = is_called and lean == "late"
    kept_away = plan.without | ({"late_write"} if has & _CLOCKS and not is_late else frozenset())
    options: dict[str, object] = {"without": sorted(kept_away), "focus": sorted(plan.focus), "often": dict(often)}
    options["forgets"] = "restore_ours" in has
    books, source = _rigs(plan.program, seed, clock, options)
    chaos = Chaos(random.Random(f"{seed}:crash"), {})  # noqa: S311 - it must repeat
    warm, login = chance.random() < 0.85, (_user(company), _PASSWORD)
    beside = disk is not None
    if disk is None:
        disk = _disk(plan.program, warm=warm and not is_called)
        disk.begin()
    machine = Machine(disk, plan.program, company, clock, chaos, seed)
    witness = Witness(machine, keeps=plan.keeps)
    machine.complains, machine.was_restored = witness.broke, witness.restored
    witness.taken_away = books.removed
    machine.has_copies = "restore_ours" in has
    # What another machine is still at work on is known to nobody but whoever knows that the store is an older one.
    machine.tells = _tells(books) or random.Random(f"{seed}:tells").random() < 0.5  # noqa: S311 - it must repeat
    meeting = _meeting(machine, books, source, witness, login, has)
    machine.start()
    if "two_processes" in has:
        machine.start(timedelta(minutes=chance.choice((-10, 0, 0, 10))) * (not is_late))
    if beside:
        _found(machine.world, plan.program, company)
    _bind(machine, plan.program, books, source, chance)
    if lean in ("slow", "alike", "rolled_back") and not is_called:
        with machine.world.store.write(company) as tx:
            facts.remember(tx, company, machine.world.at(), "pace", _QUICK)
    level = chance.choice((0.0, 0.5, 1.0, 2.0))
    chaos.rates = {n: rate * level for n, rate in FAULTS.items() if n not in plan.without and chance.random() < 0.5}
    chaos.rates |= {n: max(often[n], chaos.rates.get(n, 0)) for n in FAULTS if n in often and n not in plan.without}
    if plan.focus:
        chaos.rates = {n: rate * 2 for n, rate in FAULTS.items() if n in plan.focus}
    if is_called and "late_write" not in kept_away:
        chaos.rates = {name: rate for name, rate in chaos.rates.items() if name != "clock_set"}
    return Setting(chance, clock, machine, books, source, witness, meeting, has, lean)


def _tells(books: TargetRig) -> bool:
    """Whether our store may be put back by `flowctl restore` alone."""
    return isinstance(books, BooksRig) and books.is_shared


def _meeting(
    machine: Machine,
    books: TargetRig,
    source: SourceRig,
    witness: Witness,
    login: tuple[str, str],
    has: frozenset[str],
) -> Meeting:
    """The way to the target; and the ways out, the source's first."""
    flow = machine.program.flow
    calls: Calls | None = None
    if isinstance(books, CalledRig):
        calls = Calls(witness, books, _settle_s(machine.program))
        machine.restore_s = 3 * calls.settle_s
    for role in ("source", "target"):
        for connection in flow.connections:
            is_target = _role(machine.program, connection.name) == "target"
            if _is_served(connection.connector) or is_target is not (role == "target"):
                continue
            if is_target and calls is not None:
                machine.ways[connection.name] = calls.rig.transport(calls)
            else:
                machine.ways[connection.name] = source.transport(witness.hears)
    if calls is not None:
        return Pushes(machine, calls.rig, witness, calls, "by_schedule" in has)
    assert isinstance(books, BooksRig)
    return Sessions(machine, books, witness, login)


def _role(program: FlowProgram, connection: str) -> str:
    """`target` for a connection that is only written to; one that is read is a source, whatever else it is."""
    is_read = any(stream.fetch.connection == connection for stream in program.flow.streams)
    return "target" if connection in program.called and not is_read else "source"


def _settle_s(program: FlowProgram) -> float:
    """How long a write without an answer is waited for."""
    of = {connection.name: connection.connector for connection in program.flow.connections}
    found = [registry.find(of[name]) for name in program.called]
    return max((connector.spec.settle_s for connector in found if connector is not None), default=0)


def _has(plan: Plan, chance: random.Random, often: Mapping[str, float]) -> frozenset[str]:
    drawn = {name: chance.random() < share or name in often for name, share in STAGE_FAULTS.items()}
    if plan.focus:
        drawn = dict.fromkeys(STAGE_FAULTS, True)
    found = {name for name, happens in drawn.items() if happens and plan.allows(name)}
    return frozenset(found | ({"restore_ours"} if plan.restore_ours else set()))


def _rigs(program: FlowProgram, seed: int, clock: FakeClock, options: Mapping[str, Any]) -> tuple[TargetRig, SourceRig]:
    """The simulated vendors; the target first, since the source is coded to its lists."""
    target: TargetRig | None = None
    source: SourceRig | None = None
    chart: object = {}
    for of_target in (True, False):
        for connection in program.flow.connections:
            role = _role(program, connection.name)
            if (_is_served(connection.connector) or role == "target") is not of_target:
                continue
            given = {**options, "chart": chart} if role == "source" else {**options, "role": role}
            given |= {"read": _read_of(program, connection.name), "is_written": connection.name in program.called}
            rig: object = _connector(connection.connector).rig(seed, clock, given)
            if isinstance(rig, CalledRig):
                target, chart = rig, rig.chart()
            elif isinstance(rig, BooksRig) and isinstance(rig.sandbox, Visitor):
                target, chart = rig, rig.sandbox.chart()
            elif isinstance(rig, SourceRig):
                source = rig
    if target is None or source is None:
        raise Bug(f"the flow `{program.flow.name}` has no simulated source, or no simulated target")
    if isinstance(target, CalledRig):
        target.spent([amount for wanted in source.wanted() for amount in sorted(wanted.amounts)])
    return target, source


def _read_of(program: FlowProgram, connection: str) -> list[str]:
    """What the flow reads over a connection: streams, or lists of a target."""
    return sorted({s.fetch.stream for s in program.flow.streams if s.fetch.connection == connection})


@cache
def _connector(name: str) -> Rigged:
    connector: object = registry.find(name)
    if not isinstance(connector, Rigged):
        raise Bug(f"the connector `{name}` brings no simulator for a campaign")
    return connector


@cache
def _is_served(name: str) -> bool:
    """Whether the connector's agent calls us; looking through a protocol's methods takes long."""
    return isinstance(_connector(name), Served)


# --- our disk ---


def _user(company: str) -> str:
    """The agent's user name: one that no other company has."""
    return f"agent-{company}"


@lru_cache(maxsize=8)
def _sandboxed(connector_name: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    rig = _connector(connector_name).rig(0, FakeClock(), {"chart": _CHART})
    return rig.sandbox.binding(SERVER)


@cache
def _hashed() -> str:
    """A hash that is cheap to check: a schedule signs in many times."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(_PASSWORD)


def _found(world: World, program: FlowProgram, company: str) -> None:
    """Connect a company to everything."""
    for connection in program.flow.connections:
        settings, secrets = _sandboxed(connection.connector)
        is_agent = _is_served(connection.connector)
        named = {**settings, "user": _user(company)} if is_agent else settings
        connect(world, company, connection.name, connection.connector, named, {} if is_agent else secrets)
        if is_agent:
            with world.store.write() as tx:
                companies.put_login(tx, Login(company, _user(company), _hashed()), world.at())
    with world.store.write(company) as tx:
        if not flowswitch.is_on(tx, company, program.flow):
            flowswitch.switch(tx, Hand(company, world.at(), "campaign"), program.flow, on=True)


_disks: dict[tuple[int, str, bool, bool], AnyDisk] = {}


def _disk(program: FlowProgram, *, warm: bool) -> AnyDisk:
    """Our disk at the start: connected, and when `warm` with one quiet session behind it. One a process, used anew."""
    key = (os.getpid(), program.flow.name, warm, pgdisk.server() is not None)
    if key not in _disks:
        _disks[key] = _made(program, warm=warm)
    return _disks[key]


def _connected(program: FlowProgram, clock: TrueClock) -> AnyDisk:
    """A database in which a company is connected to everything."""
    world = memory_world(0, clock)
    server = pgdisk.server()
    if server is not None:
        from engine.store.postgres import PostgresStore

        url = pgdisk.database(server, os.getpid())
        world = replace(world, store=PostgresStore(url))
        _found(world, program, COMPANY)
        world.store.close()
        return pgdisk.PostgresDisk(url)
    _found(world, program, COMPANY)
    assert isinstance(world.store, SqliteStore)
    disk = Disk(world.store.connection.serialize())
    world.store.close()
    return disk


def _made(program: FlowProgram, *, warm: bool) -> AnyDisk:
    clock = TrueClock()
    disk = _connected(program, clock)
    if warm:
        books, _ = _rigs(program, 0, clock, {"focus": ["nothing"]})
        machine = Machine(disk, program, COMPANY, clock, Chaos(random.Random(0), {}), -1)  # noqa: S311 - unused
        machine.start()
        assert isinstance(books, BooksRig)
        books.visit(machine.handle, _user(COMPANY), _PASSWORD, Witness(machine))
        disk.keep()
    return disk


def _bind(machine: Machine, program: FlowProgram, books: TargetRig, source: SourceRig, chance: random.Random) -> None:
    """Settings of this schedule: how the connections are set, and how the flow is."""
    machine.chaos.is_off = True
    with machine.world.store.write(machine.company) as tx:
        for connection in program.flow.connections:
            served = _is_served(connection.connector)
            is_target = served or _role(program, connection.name) == "target"
            settings, secrets = (books if is_target else source).sandbox.binding(SERVER)
            if is_target and isinstance(books, CalledRig):
                settings = {**settings, **books.settings()}
            pages: dict[str, Any] = {"page_size": chance.choice((3, 500, 500, 500) if served else (2, 100, 100))}
            if served:
                pages |= {"user": _user(machine.company)}
                batch = chance.choice(_BATCHES)
                if any(item.name == "batch" for item in registry_settings(connection.connector)):
                    pages["batch"] = batch
            companies.put_connection(
                tx, machine.company, connection.name, connection.connector, {**settings, **pages}, machine.world.at()
            )
            known = _sandboxed(connection.connector)[1]
            for name in secrets if not served and secrets != known else ():
                # Such as a permission that a person gave: each simulated vendor has its own.
                scope = (machine.company, connection.name, name)
                companies.put_secret(tx, machine.world.vault, *scope, secrets[name], machine.world.at())
        for setting in program.flow.settings:
            if setting.options and chance.random() < 0.3:
                value = chance.choice(setting.options)
                # A person may choose what is to be done, and does not say of the source what is not so.
                if isinstance(source, Described) and not source.is_so(setting.name, value):
                    continue
                companies.put_setting(tx, machine.company, program.flow.name, setting.name, value)
        for name, given in (source.settings() if isinstance(source, Sets) else {}).items():
            companies.put_setting(tx, machine.company, program.flow.name, name, given)
    machine.chaos.is_off = False


def registry_settings(name: str) -> tuple[Any, ...]:
    """The settings that a connector declares."""
    found = registry.find(name)
    return tuple(found.spec.settings) if found is not None else ()
