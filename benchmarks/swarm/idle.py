"""Many companies with nothing to do, and one with very much: what visits take, and what each company costs."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.swarm import setting, vendors
from benchmarks.swarm.agents import Agents
from benchmarks.swarm.options import Options, user
from benchmarks.swarm.processes import Member, free_ports
from benchmarks.swarm.rate import add_idle
from benchmarks.swarm.run import backend, opened, percentile, say
from benchmarks.webhooks import _cpu_s

# A Web Connector comes every five minutes.
EVERY_S = 300.0
# With its start a worker looks at every company once, at more of each than later; then each is looked at twice a minute.
SETTLE_S, QUIET_S = 60.0, 60.0
# So many companies are visited: a password is hashed once by each replica, and then known.
VISITED = 300
# Our servers hang up after 65 s without a call; a connection that has been idle for longer than this is not used again.
_FRESH_S = 50.0


@dataclass(slots=True)
class Visitors:
    """Visits in vain, so many a second whatever becomes of those before: each call of one goes to any replica."""

    ports: Sequence[int]
    chance: random.Random
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: int = 0
    _lines: dict[int, list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    async def come(self, numbers: Sequence[int], rate: float, seconds: float) -> None:
        """So many a second for so long."""
        loop = asyncio.get_running_loop()
        began, tasks = loop.time(), list[asyncio.Task[None]]()
        for turn in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + turn / rate - loop.time()))
            tasks.append(asyncio.create_task(self._visit(numbers[turn % len(numbers)])))
        await asyncio.gather(*tasks)
        for lines in self._lines.values():
            for _, writer, _ in lines:
                writer.close()

    async def _visit(self, number: int) -> None:
        from connectors.qbwc.simulator import dotnet

        await self._call("serverVersion")
        await self._call("clientVersion", strVersion="2.3.0.215")
        given = {"strUserName": user(number), "strPassword": setting.PASSWORD}
        status, body = await self._call("authenticate", **given)
        said = dotnet.strings(dotnet.result("authenticate", status, body, "text/xml"))
        self.wrong += said[1] != "none"
        await self._call("closeConnection", ticket=said[0])

    async def _call(self, method: str, **arguments: str) -> tuple[int, bytes]:
        from connectors.qbwc.simulator import dotnet

        body, headers = dotnet.request(method, arguments)
        head = [f"POST /qbwc HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"]
        left_out = ("host", "connection", "expect", "content-length")
        head += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in left_out]
        port, began = self.chance.choice(self.ports), time.perf_counter()
        free = self._lines[port]
        while free and (free[-1][0].at_eof() or began - free[-1][2] > _FRESH_S):
            free.pop()[1].close()
        reader, writer, _ = free.pop() if free else (*await asyncio.open_connection("127.0.0.1", port), began)
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        content = await reader.readexactly(length)
        self.seconds[method].append(time.perf_counter() - began)
        free.append((reader, writer, time.perf_counter()))
        return int(answer[9:12]), content

    def shown(self) -> dict[str, dict[str, float]]:
        """By method: how many, and milliseconds within which half and 99 of 100 of them were answered."""
        return {
            method: {
                "calls": len(times),
                "p50_ms": round(1000 * percentile(times, 0.5), 1),
                "p99_ms": round(1000 * percentile(times, 0.99), 1),
            }
            for method, times in sorted(self.seconds.items())
        }


def idle(options: Options) -> dict[str, Any]:
    """The cost of companies with nothing to do."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowctl-swarm-")))
        world, began = stack.enter_context(opened(folder)), time.monotonic()
        empty = _size(world, folder)
        hashed = _add(world, range(options.companies))
        say(f"{options.companies:,} companies set up in {time.monotonic() - began:.1f} s")
        members = _started(stack, options, folder)
        time.sleep(SETTLE_S)
        quiet = _used(members, lambda: time.sleep(QUIET_S))
        say(f"nobody came for {QUIET_S:.0f} s: {quiet}")
        ports = [member.port for member in members if not member.is_worker]
        numbers, chance = range(min(VISITED, options.companies)), random.Random(options.seed)
        # Every replica hashes each password once, and is not measured while it does.
        asyncio.run(
            Visitors(ports, chance).come([*numbers] * 4 * len(ports), 30.0, len(numbers) * 4 * len(ports) / 30.0)
        )
        visitors, rate, seconds = Visitors(ports, chance), options.companies / EVERY_S, options.seconds
        busy = _used(members, lambda: asyncio.run(visitors.come(numbers, rate, seconds)))
        size = _size(world, folder) - empty
        return _told(options, backend(world), quiet, busy, visitors, {"store_bytes": size, "hash": hashed})


def _size(world: Any, folder: Path) -> int:
    """Bytes of the store."""
    from engine.store.postgres import PostgresStore

    if isinstance(world.store, PostgresStore):
        with world.store.plain() as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert row is not None
        return int(row[0])
    return sum(path.stat().st_size for path in folder.glob("flowctl.db*"))


def _told(
    options: Options, kind: str, quiet: dict[str, float], busy: dict[str, float], came: Visitors, more: dict[str, Any]
) -> dict[str, Any]:
    """The figures, with what one company costs."""
    visits = int(options.companies / EVERY_S * options.seconds)
    visit_ms = 1000 * busy["servers_cpu_s"] / max(1, visits)
    return {
        "name": "idle",
        "backend": kind,
        "companies": options.companies,
        "servers": options.servers,
        "workers": options.workers,
        "seconds": round(options.seconds),
        "visits_per_second": round(options.companies / EVERY_S, 1),
        "calls_per_second": round(4 * visits / busy["seconds"], 1),
        "soap": came.shown(),
        "wrong": came.wrong,
        "quiet": quiet,
        "busy": busy,
        "servers_cpu_ms_per_visit": round(visit_ms, 2),
        "company_cpu_ms_per_hour": round(visit_ms * 3600 / EVERY_S + 3.6e6 * quiet["cpu_share"] / options.companies, 1),
        "store_bytes_per_company": round(more["store_bytes"] / options.companies),
        "good": came.wrong == 0,
    }


def noisy(options: Options, records: int) -> dict[str, Any]:
    """Others' visits before and while one company reads and posts very many records."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowctl-swarm-")))
        files = setting.books(replace(options, companies=1))
        members_ports = free_ports(options.servers + options.workers)
        ports = members_ports[: options.servers]
        city = vendors.start(replace(options, companies=1, records=records), setting.charts(files), ports)
        stack.callback(city.close)
        world = stack.enter_context(opened(folder))
        _add(world, range(1, options.companies))
        say(f"{records:,} bills and as many card transactions wait in the noisy company")
        _started(stack, options, folder, members_ports)
        numbers, chance = range(1, min(VISITED, options.companies)), random.Random(options.seed)
        rate = max(5.0, options.companies / EVERY_S)
        asyncio.run(
            Visitors(ports, chance).come([*numbers] * 4 * len(ports), 30.0, len(numbers) * 4 * len(ports) / 30.0)
        )
        before = Visitors(ports, chance)
        asyncio.run(before.come(numbers, rate, options.seconds / 2))
        say(f"alone: {before.shown()}")
        setting.add_companies(world, files, city.url)
        agents = Agents(replace(options, companies=1, poll_s=1.0, threads=1), files, ports)
        agents.start()
        during = Visitors(ports, chance)
        asyncio.run(during.come(numbers, rate, options.seconds))
        agents.stop()
        posted = len(files[0].company.books.txns)
        one, other = (percentile(each.seconds["authenticate"], 0.99) for each in (before, during))
        return {
            "name": "noisy",
            "backend": backend(world),
            "companies": options.companies,
            "records": 2 * records,
            "seconds": round(options.seconds),
            "posted_meanwhile": posted,
            "visits_per_second": round(rate, 1),
            "alone": before.shown(),
            "beside_it": during.shown(),
            "p99_times": round(other / one, 2) if one else 0.0,
            "wrong": before.wrong + during.wrong,
            "good": before.wrong + during.wrong == 0 and posted > 0,
        }


def _add(world: Any, numbers: Sequence[int]) -> str:
    from engine.access.passwords import hash_password
    from engine.cli.common import program

    hashed = hash_password(setting.PASSWORD)
    add_idle(world, program(setting.FLOW), numbers, hashed)
    return hashed


def _started(stack: ExitStack, options: Options, folder: Path, ports: Sequence[int] = ()) -> list[Member]:
    flow, members = setting.flow_file(folder), list[Member]()
    for number, port in enumerate(ports or free_ports(options.servers + options.workers)):
        is_worker = number >= options.servers
        member = Member(f"{'worker' if is_worker else 'server'}-{number}", port, folder, flow, is_worker)
        stack.callback(member.kill)
        member.start()
        members.append(member)
    for member in members:
        if not member.ready():
            raise RuntimeError(f"{member.name} did not start")
    return members


def _used(members: Sequence[Member], work: Any) -> dict[str, float]:
    """CPU seconds and memory of the processes while something is done."""
    pids = {member.process.pid: member for member in members if member.process is not None}
    before, began = {pid: _cpu_s(pid) for pid in pids}, time.monotonic()
    work()
    seconds = time.monotonic() - began
    used = {pid: _cpu_s(pid) - before[pid] for pid in pids}
    servers = sum(cpu for pid, cpu in used.items() if not pids[pid].is_worker)
    return {
        "seconds": round(seconds, 1),
        "servers_cpu_s": round(servers, 2),
        "workers_cpu_s": round(sum(used.values()) - servers, 2),
        "cpu_share": round(sum(used.values()) / seconds, 4),
        "memory_mb": round(sum(_memory_mb(pid) for pid in pids), 1),
        "threads": sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids),
    }


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
