"""The benchmarks themselves; `python -m benchmarks.suite NAME` runs one and prints its results as JSON."""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from benchmarks import bills
from benchmarks.apart import Taken

ROUNDS = 5


@dataclass(frozen=True)
class Result:
    """One figure: `ratio` is value / baseline's value, both medians of the same run."""

    name: str
    value: float
    unit: str
    baseline: str
    ratio: float
    peak_mb: float = 0.0


def pipeline(count: int) -> list[Result]:
    """Decode, map, render, check and journal `count` bills into a durable SQLite store."""
    from connectors._http import parse_json
    from connectors.ramp.records import normaliser
    from connectors.ramp.settings import read_settings
    from engine import intake
    from engine.cli.common import program
    from engine.contract import Binding
    from engine.runner import Runner
    from engine.store import companies, lists
    from engine.store.sqlite import SqliteStore
    from engine.vault import Vault
    from engine.world import World

    flow = program("ramp_to_quickbooks")
    stream = flow.stream("bills")
    settings = {"client_id": "bench", "environment": "sandbox"}
    normalise = normaliser("bills", read_settings(Binding("bench", "ramp", settings, {"client_secret": "bench"})))
    rates, floors = [], []
    gc.collect()
    gc.freeze()
    for _ in range(ROUNDS if count <= 10_000 else 3):
        with tempfile.TemporaryDirectory(prefix="flowctl-bench-") as folder:
            store = SqliteStore(Path(folder) / "bench.db")
            world = World(store, Vault(b"0" * 32))
            with store.write("bench") as tx:
                companies.add(tx, "bench", "bench", world.at())
                for name, objects in bills.lists().items():
                    lists.store_page(tx, "bench", name, objects, first=True)
                    lists.finish(tx, "bench", name, world.at())
            runner, resolver = Runner(world), None
            used, floor, done = 0.0, 0.0, 0
            for body in bills.pages(count):
                start = time.process_time()
                rows = [normalise(row) for row in parse_json(body)["data"]]
                with store.write("bench") as tx:
                    resolver = resolver or runner.resolver(tx, flow, "bench")
                    batch = runner.batch(tx, flow, "bench", 1, resolver)
                    intake.take_page(batch, stream, rows)
                used += time.process_time() - start
                done += batch.counts["intended"]
                start = time.process_time()
                json.loads(body)
                floor += time.process_time() - start
            assert done == count, f"{done} of {count} bills became operations"
            rates.append(count / used)
            floors.append(count / floor)
            store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate, floor = statistics.median(rates), statistics.median(floors)
    return [
        Result(f"bills decoded to journalled, {count}", rate, "bills/CPU-s", "json.loads alone", rate / floor, peak)
    ]


def expressions() -> list[Result]:
    """The bills map, compiled, against the jmespath library interpreting one of its expressions."""
    import jmespath

    from engine.diagnostics import Location
    from engine.mapping import Scope, compile_expression
    from engine.model import Expr

    account = "(accounting_field_selections[?category_info.type == 'GL_ACCOUNT'] | [0]).external_id"
    text = f"line_items[].{{amount: amount.amount, account: {account}}}"
    data = json.loads(next(bills.pages(100)))["data"]
    ours, theirs = compile_expression(Expr(text, Location("bench")), Scope()), jmespath.compile(text)

    class Nothing:
        root = None

    def run_ours() -> None:
        for row in data:
            ours(row, Nothing())  # type: ignore[arg-type]  # this expression asks for nothing

    def run_theirs() -> None:
        for row in data:
            theirs.search(row)

    a, b = _rate(run_ours, 100), _rate(run_theirs, 100)
    return [Result("expression over a bill, compiled", a, "bills/CPU-s", "jmespath.search", a / b)]


def schemas() -> list[Result]:
    """Loading the schema of one request type, against our whole schema."""
    from importlib.resources import files

    from lxml import etree

    folder = files("schemas") / "qbxml"
    one, whole = (folder / "BillAddRq.xsd").read_bytes(), str(folder / "qbxml.xsd")

    def load_one() -> None:
        etree.XMLSchema(etree.fromstring(one))

    def load_whole() -> None:
        etree.XMLSchema(etree.parse(whole))

    a, b = 1000 / _rate(load_one, 1), 1000 / _rate(load_whole, 1)
    return [Result("load the schema of BillAdd", a, "ms", "the whole schema", a / b)]


def cold_start() -> list[Result]:
    """CPU time of whole commands from a cold start, against an empty interpreter."""
    flowctl = str(Path(sys.executable).with_name("flowctl"))
    found = []
    empty = _command([sys.executable, "-c", "pass"])
    for name, arguments in (("flowctl --help", ["--help"]), ("flowctl validate flows/", ["validate", "flows/"])):
        used = _command([flowctl, *arguments])
        found.append(Result(f"{name}, cold", used, "CPU-s", "python -c pass", used / empty))
    return found


def authoring() -> list[Result]:
    """What a person who writes flows waits for, each a whole process: one file, 500 files, the cases of a flow.

    As after an installation: bytecode is there, made by a run that is not counted.
    """
    flowctl = str(Path(sys.executable).with_name("flowctl"))
    one = str(Path("flows") / "ramp_to_quickbooks.yaml")
    found = []
    with tempfile.TemporaryDirectory(prefix="flowctl-bench-") as folder:
        alike, unlike = Path(folder) / "alike", Path(folder) / "unlike"
        _copies(alike, 1)
        _copies(unlike, 25)
        installed = {"PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
        for arguments in (["validate", one], ["test", "ramp_to_quickbooks", "-k", "happy"]):
            _process([flowctl, *arguments], installed)
        for name, arguments, rounds in (
            ("flowctl validate of one flow, cold", ["validate", one], ROUNDS * 4),
            ("flowctl validate of 500 flow files, each shipped one 100 times", ["validate", str(alike)], 3),
            ("the same, each expression alike in four of them only", ["validate", str(unlike)], 1),
            ("flowctl test of a flow's cases", ["test", "ramp_to_quickbooks"], 3),
        ):
            empty, used = _commands([sys.executable, "-c", "pass"], [flowctl, *arguments], rounds, installed)
            found.append(Result(name, used, "CPU-s", "python -c pass", used / empty))
    return found


def _copies(folder: Path, spaces: int) -> None:
    """The shipped flows 100 times each, their expressions spaced in so many ways."""
    folder.mkdir()
    shipped = sorted(Path("flows").glob("*.yaml"))
    for number in range(500):
        source = shipped[number % len(shipped)]
        text = source.read_text(encoding="utf-8").replace(f"flow: {source.stem}", f"flow: flow_{number}", 1)
        text = text.replace(", ", "," + " " * (number // len(shipped) % spaces + 1))
        (folder / f"flow_{number}.yaml").write_text(text, encoding="utf-8")


def commit() -> list[Result]:
    """One durable transaction of one row, against the plain sqlite3 module in the same journal mode."""
    import sqlite3

    from engine.store import work
    from engine.store.sqlite import SqliteStore

    with tempfile.TemporaryDirectory(prefix="flowctl-bench-") as folder:
        store = SqliteStore(Path(folder) / "ours.db")
        mode = store.connection.execute("PRAGMA journal_mode").fetchone()[0]
        plain = sqlite3.connect(Path(folder) / "plain.db", isolation_level=None)
        plain.execute(f"PRAGMA journal_mode = {mode}")
        plain.execute("PRAGMA synchronous = FULL")
        plain.execute("CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT)")
        numbers = iter(range(10**9))

        def ours() -> None:
            with store.write("c") as tx:
                work.sooner(tx, "c", "f", str(next(numbers)), "x")

        def theirs() -> None:
            plain.execute("BEGIN IMMEDIATE")
            plain.execute("INSERT INTO t VALUES (?, 'x')", (str(next(numbers)),))
            plain.execute("COMMIT")

        a, b = _wall(ours, 200), _wall(theirs, 200)
        store.close()
        plain.close()
    return [Result(f"durable transactions ({mode} journal)", a, "commits/s", "sqlite3 module", a / b)]


def batches() -> list[Result]:
    """A thousand bills through a simulated QuickBooks on a virtual clock, 0.2 s a request and 1.5 s a round trip."""
    from benchmarks.batches import TIMEOUT_S, simulate, slow_midway

    def ratio(name: str, slow: float, fast: float) -> Result:
        return Result(name, fast, "virtual s", "one request a message set", fast / slow)

    alone, adaptive = simulate(1000, 1), simulate(1000, 0)
    slow = simulate(1000, 0, slow_midway(500, TIMEOUT_S))
    return [
        ratio("1,000 bills, adaptive batches", alone.seconds, adaptive.seconds),
        Result("1,000 bills, longest answer", adaptive.longest, "virtual s", "30 s at most", adaptive.longest / 30),
        ratio(
            "1,000 bills, 5 s a request from the 500th on, answers lost after 60 s",
            simulate(1000, 1, slow_midway(500, TIMEOUT_S)).seconds,
            slow.seconds,
        ),
    ]


def expensify() -> list[Result]:
    """A thousand Expensify reports read, posted and marked on a virtual clock, and the calls that took."""
    from benchmarks.expensify import LIMITS, simulate

    done = simulate(1000)
    assert (done.posted, done.marked, done.refused) == (1000, 1000, 0), done
    name, calls = "1,000 Expensify reports", done.all_calls
    least_s = 60.0 * calls / LIMITS[60.0]
    found = [
        Result(f"{name}, read and marked", done.seconds, "virtual s", "20 calls a minute", done.seconds / least_s),
        Result(f"{name}, reading", done.read_s, "virtual s", "all of it", done.read_s / done.seconds),
        Result(f"{name}, all calls", calls, "calls", "one a report", calls / 1000),
    ]
    for kind, count in sorted(done.calls.items()):
        found.append(Result(f"{name}, calls of the kind {kind}", count, "calls", "all calls", count / calls))
    for window_s, most in LIMITS.items():
        highest = done.highest[window_s]
        found.append(
            Result(f"{name}, most in any {window_s:.0f} s", highest, "calls", f"the limit of {most}", highest / most)
        )
    return found


def bill() -> list[Result]:
    """Ten thousand BILL bills read, posted and closed on a virtual clock, and the calls that took."""
    from benchmarks.bill import AN_HOUR, AT_ONCE, simulate

    done = simulate(10_000)
    assert done.closed["bills"] == 10_000, done
    assert done.at_once <= AT_ONCE, done
    assert done.busiest <= AN_HOUR, done
    name, calls = "10,000 BILL bills", done.all_calls
    found = [
        Result(f"{name}, first reading", done.read_s, "virtual s", "an hour", done.read_s / 3600),
        Result(f"{name} read, posted and closed", calls, "calls", "one a bill", calls / 10_000),
    ]
    for kind, count in sorted(done.calls.items()):
        found.append(Result(f"{name}, {kind}", count, "calls", "all calls", count / calls))
    return [
        *found,
        Result(f"{name}, most at once", done.at_once, "calls", f"the limit of {AT_ONCE}", done.at_once / AT_ONCE),
        Result(f"{name}, busiest hour", done.busiest, "calls", f"the limit of {AN_HOUR:,}", done.busiest / AN_HOUR),
        Result(f"{name}, an hour without news", done.quiet, "calls", f"the limit of {AN_HOUR:,}", done.quiet / AN_HOUR),
    ]


def ramp_chart() -> list[Result]:
    """A chart of 75,000 entries pushed into Ramp by the shipped flow, then 1 % of it changed, then nothing."""
    from benchmarks.ramp_chart import simulate

    first, changed, unchanged = simulate()
    name = "75,000 chart entries into Ramp"
    return [
        *_taken(name, "an entry", first, first.written),
        *_taken(f"{name}, 1 % changed", "a change", changed, changed.written),
        *_taken(f"{name}, nothing changed", "an entry", unchanged, first.written),
    ]


def freshbooks_scan() -> list[Result]:
    """Ten thousand FreshBooks bills entered in Ramp, read again when nothing has changed, and when one has."""
    from benchmarks.freshbooks_scan import simulate

    first, unchanged, changed = simulate(10_000)
    name = "10,000 FreshBooks bills into Ramp"
    return [
        *_taken(name, "a bill", first, 10_000),
        *_taken(f"{name}, nothing changed", "a bill", unchanged, 10_000),
        *_taken(f"{name}, one changed", "a bill", changed, 10_000),
    ]


def _taken(name: str, each: str, done: Taken, count: int) -> list[Result]:
    """What a run of a flow took; memory stands with the CPU seconds."""
    return [
        Result(f"{name}, all calls", done.all_calls, "calls", f"one {each}", done.all_calls / count),
        Result(f"{name}, calls that write", done.writes, "calls", "all calls", done.writes / done.all_calls),
        Result(f"{name}, 0.3 s a call", done.virtual_s, "virtual s", "a minute", done.virtual_s / 60),
        Result(name, done.cpu_s, "CPU-s", f"a millisecond {each}", 1000 * done.cpu_s / count, done.peak_mb),
    ]


def recovery() -> list[Result]:
    """From the start of a server that was killed with a write under way to its first durable answer."""
    from benchmarks.recovery import measure

    found = []
    for name, records in (("a small store", 0), ("10,000 bills", 10_000)):
        taken, used = (statistics.median(column) for column in zip(*measure(ROUNDS, records), strict=True))
        found += [
            Result(f"first durable answer after kill -9, {name}", taken, "s", "the goal of 1 s", taken),
            Result(f"the same, {name}, processor", used, "CPU-s", "the goal of 1 s", used),
        ]
    return found


def soap() -> list[Result]:
    """`authenticate` with nothing to do, without the hashing of the password."""
    from benchmarks.soap import measure

    cpu, wall, plain_cpu, plain_wall = (statistics.median(column) for column in zip(*measure(ROUNDS), strict=True))
    return [
        Result("authenticate with nothing to do", 1000 * cpu, "CPU-ms", "a commit with sqlite3", cpu / plain_cpu),
        Result("durable answers", 1 / wall, "answers/s", "commits with sqlite3", plain_wall / wall),
    ]


def webhooks() -> list[Result]:
    """Signed webhooks, durable before they are answered, beside an echo by the same server."""
    from benchmarks.posting import CONNECTIONS
    from benchmarks.webhooks import GOAL, measure

    rounds = [(measure(20_000, echo=True), measure(20_000), measure(20_000, rate=GOAL)) for _ in range(ROUNDS)]
    echoes, ours, paced = zip(*rounds, strict=True)
    at_once, at_rate = f"webhooks, {CONNECTIONS} at a time", f"webhooks, {GOAL:,} a second"
    floor, rate = (statistics.median(one.per_core for one in runs) for runs in (echoes, ours))
    floor_s, wall_s = (statistics.median(one.wall_s for one in runs) for runs in (echoes, ours))
    found = [
        Result("echo by the same server", floor, "calls/CPU-s", "itself", 1.0),
        Result("durable webhooks", rate, "calls/CPU-s", "an echo by the same server", rate / floor),
        Result("durable webhooks a core", rate, "calls/CPU-s", f"the goal of {GOAL:,}", rate / GOAL),
        Result(at_once, ours[0].count / wall_s, "calls/s", "an echo by the same server", floor_s / wall_s),
    ]
    for name, runs in ((at_once, ours), (at_rate, paced)):
        for words, share in (("half of them", 0.5), ("99 of 100", 0.99)):
            times = [one.percentile(share) for one in runs]
            goal = "the goal of 25 ms" if share > 0.5 else "25 ms"
            found.append(
                Result(f"{name}, {words}", statistics.median(times), "ms", goal, statistics.median(times) / 25)
            )
        found.append(Result(f"{name}, 99 of 100 in the worst round", max(times), "ms", "25 ms", max(times) / 25))
    return found


def panel() -> list[Result]:
    """Every page of the panel at a million records of one company, and the list of records under filters and pairs of them."""
    from benchmarks.panel import measure

    floor, pages, found = measure(1_000_000)
    one, two = (
        [taken for taken in found if " and " not in taken.name],
        [taken for taken in found if " and " in taken.name],
    )
    shown = [(taken.name, taken) for taken in pages]
    shown += [(f"records by one filter, the slowest of {len(one)}", max(one, key=lambda taken: taken.p95))]
    shown += [(f"records by two filters, the slowest of {len(two)}", max(two, key=lambda taken: taken.p95))]
    hardest = max((*pages, *found), key=lambda taken: taken.cpu_s)
    return [
        *(
            Result(
                f"panel at 1,000,000 records: {name}",
                1000 * taken.p95,
                "ms at p95",
                "a static file",
                taken.p95 / floor.p95,
            )
            for name, taken in shown
        ),
        Result(
            "panel at 1,000,000 records: most work of a page",
            1000 * hardest.cpu_s,
            "CPU-ms",
            "100 ms",
            10 * hardest.cpu_s,
        ),
    ]


def _rate(run: Callable[[], None], each: int) -> float:
    """Items a CPU-second, median of several rounds of a tenth of a second."""
    rates = []
    for _ in range(ROUNDS):
        start, times = time.process_time(), 0
        while (used := time.process_time() - start) < 0.1:
            run()
            times += 1
        rates.append(times * each / used)
    return statistics.median(rates)


def _wall(run: Callable[[], None], times: int) -> float:
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(times):
            run()
        rates.append(times / (time.perf_counter() - start))
    return statistics.median(rates)


def _command(command: list[str]) -> float:
    """User and system seconds of a whole process, median of several."""
    return statistics.median(_process(command) for _ in range(ROUNDS * 2))


def _commands(
    first: list[str], second: list[str], rounds: int, more: Mapping[str, str] = MappingProxyType({})
) -> tuple[float, float]:
    """The same of two processes, turn by turn, so that what else the machine does weighs on both alike."""
    used = [(_process(first, more), _process(second, more)) for _ in range(rounds)]
    return statistics.median(one for one, _ in used), statistics.median(other for _, other in used)


def _process(command: list[str], more: Mapping[str, str] = MappingProxyType({})) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "NO_COLOR": "1", **more})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


BENCHMARKS: dict[str, Callable[[], list[Result]]] = {
    "pipeline_10k": lambda: pipeline(10_000),
    "pipeline_100k": lambda: pipeline(100_000),
    "expressions": expressions,
    "schemas": schemas,
    "cold_start": cold_start,
    "authoring": authoring,
    "commit": commit,
    "batches": batches,
    "expensify": expensify,
    "bill": bill,
    "ramp_chart": ramp_chart,
    "freshbooks_scan": freshbooks_scan,
    "recovery": recovery,
    "soap": soap,
    "webhooks": webhooks,
    "panel": panel,
}

if __name__ == "__main__":
    print(json.dumps([asdict(result) for result in BENCHMARKS[sys.argv[1]]()]))
