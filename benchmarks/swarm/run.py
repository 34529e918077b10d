"""A swarm: everything is set up, killed for so long, brought to rest, and compared."""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.swarm import check, setting, vendors
from benchmarks.swarm.agents import Agents
from benchmarks.swarm.options import Options, code
from benchmarks.swarm.processes import Killer, Member, free_ports
from engine.store import work
from engine.world import World

LOOK_S = 2.0


def run(options: Options) -> dict[str, Any]:
    """Play it; what it came to, as JSON."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowctl-swarm-")))
        began = time.monotonic()
        files = setting.books(options)
        ports = free_ports(options.servers + options.workers)
        city = vendors.start(options, setting.charts(files), ports[: options.servers])
        stack.callback(city.close)
        world = stack.enter_context(opened(folder))
        setting.add_companies(world, files, city.url)
        say(f"{options.companies:,} companies set up in {time.monotonic() - began:.1f} s")
        members = _members(options, folder, ports)
        for member in members:
            stack.callback(member.kill)
            member.start()
        for member in members:
            if not member.ready():
                raise RuntimeError(f"{member.name} did not start: {_tail(folder / f'{member.name}.log')}")
        say(f"{options.servers} servers and {options.workers} workers run")
        agents = Agents(options, files, ports[: options.servers])
        return _played(options, world, city, members, agents)


def _played(
    options: Options, world: World, city: vendors.Vendors, members: Sequence[Member], agents: Agents
) -> dict[str, Any]:
    """The minutes of killing, the rest, the comparison."""
    began, used = time.monotonic(), _cpu_s()
    killer = Killer(members, options.kill_every_s, random.Random(f"{options.seed}:killer"))
    thread = threading.Thread(target=killer.run, daemon=True)
    city.ask("people")
    agents.start()
    thread.start()
    while time.monotonic() - began < options.seconds:
        time.sleep(min(10.0, max(0.1, options.seconds - (time.monotonic() - began))))
        say(f"{time.monotonic() - began:6.0f} s  {_kills(killer)} kills  {dict(agents.outcomes)}")
    killed_s = time.monotonic() - began
    city.ask("calm")
    killer.stopping.set()
    thread.join(30)
    for member in members:
        if not member.ready():
            member.start()
    webhooks, changes = city.ask("counts")
    rested = _to_rest(options, world, city, agents)
    for member in () if rested else members:
        say(f"{member.name}: {_tail(member.home / f'{member.name}.log')}")
    agents.stop()
    rest_s = time.monotonic() - began - killed_s
    for member in members:
        member.stop()
    found = check.compare(world, agents.files, city.ask("truth"))
    for problem in found.problems:
        say(problem)
    return {
        "name": "swarm",
        "backend": backend(world),
        "companies": options.companies,
        "servers": options.servers,
        "workers": options.workers,
        "seed": options.seed,
        "minutes": round(killed_s / 60, 2),
        "kills": _kills(killer),
        "killed_servers": killer.kills.get("server", 0),
        "killed_workers": killer.kills.get("worker", 0),
        "died_by_themselves": len(killer.died),
        "sessions": sum(agents.outcomes.values()),
        "outcomes": dict(sorted(agents.outcomes.items())),
        "soap": _soap(agents),
        "answers_lost": agents.lost,
        "errors": dict(agents.errors.most_common(8)),
        "crashes": agents.crashes[:5],
        "changes": changes,
        "webhooks": webhooks,
        "rested": rested,
        "rest_s": round(rest_s, 1),
        "cpu_s": round(_cpu_s() - used, 1),
        "transactions": found.transactions,
        "marks": found.marks,
        "total": str(found.total),
        "lost": found.lost,
        "duplicated": found.duplicated,
        "wrong_company": found.wrong_company,
        "cents_off": found.cents_off,
        "untold": found.untold,
        "store_differs": found.store_differs,
        "journals_broken": found.journals_broken,
        "good": rested and found.is_good and not agents.crashes and not killer.died,
    }


def _to_rest(options: Options, world: World, city: vendors.Vendors, agents: Agents) -> bool:
    """Whether nothing is left to do in the end; only companies that have something to do go on."""
    deadline, everyone = time.monotonic() + 60 * options.rest_minutes, range(options.companies)
    numbers: list[int] = list(everyone)
    _read_anew(world, numbers)
    looked = time.monotonic()
    while time.monotonic() < deadline:
        waiting = set(city.ask("unready")) | set(check.open_companies(world, numbers))
        numbers = sorted(waiting)
        say(f"{len(numbers):,} companies are not at rest")
        if not numbers:
            # Those that came to rest before may have got something since, by a webhook that was tried again.
            numbers = sorted(set(city.ask("unready")) | set(check.open_companies(world, list(everyone))))
            if not numbers:
                return True
        agents.only(numbers)
        if time.monotonic() - looked > 60:
            _read_anew(world, numbers)
            looked = time.monotonic()
        time.sleep(LOOK_S)
    for number in numbers[:5]:
        with world.store.read(code(number)) as tx:
            rows = tx.rows("record_counts", {"company": code(number), "flow": setting.FLOW})
            alerts = [(row["kind"], row["subject"], row["message"]) for row in work.alerts(tx, code(number))]
        say(f"{code(number)}: {[tuple(row) for row in rows]} {alerts}")
    return False


def _read_anew(world: World, numbers: Sequence[int]) -> None:
    """Every stream is due: what no webhook told of is found."""
    for number in numbers:
        with world.store.write(code(number)) as tx:
            for row in tx.rows("schedule_of", {"company": code(number), "flow": setting.FLOW}):
                work.sooner(tx, code(number), setting.FLOW, row["stream"], world.at())


def _members(options: Options, folder: Path, ports: Sequence[int]) -> list[Member]:
    flow = setting.flow_file(folder)
    return [
        Member(f"server-{number}" if number < options.servers else f"worker-{number}", port, folder, flow,
               number >= options.servers)
        for number, port in enumerate(ports)
    ]  # fmt: skip


@contextmanager
def opened(folder: Path) -> Iterator[World]:
    """The store of the swarm, made new."""
    from engine.cli import common

    with common.opened(folder) as world:
        yield world


def backend(world: World) -> str:
    """What the store is."""
    return type(world.store).__name__.removesuffix("Store").lower()


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values is, 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _soap(agents: Agents) -> dict[str, dict[str, float]]:
    """Calls by method: how many, and milliseconds within which half and 99 of 100 of them were answered."""
    return {
        method: {
            "calls": len(times),
            "p50_ms": round(1000 * percentile(times, 0.5), 1),
            "p99_ms": round(1000 * percentile(times, 0.99), 1),
        }
        for method, times in sorted(agents.seconds().items())
    }


def _kills(killer: Killer) -> int:
    return sum(killer.kills.values())


def _cpu_s() -> float:
    """CPU seconds of processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8")[-4000:] if path.exists() else ""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
