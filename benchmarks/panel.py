"""How long the pages of the panel take at a million records, over HTTP, beside a static file of the same server.

`python -m benchmarks.panel` shows every page and every filter.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.million import COMPANY, DAYS, Filled, fill
from benchmarks.operated import BOOKS, FIRST_KEY, FLOW, LOOKUP, OTHER_USER, SOURCE, WEBHOOKS

ROUNDS = 40
FLOOR = "/panel/static/panel.css"
_HOME = f"/panel/c/{COMPANY}"
_RECORDS = f"{_HOME}/records"
# The key of a value that records wait for.
GAP = "v-183"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Taken:
    """One page: seconds of the answers, the CPU seconds that the server took for each, and the answer's size in bytes."""

    name: str
    path: str
    seconds: tuple[float, ...]
    cpu_s: float
    size: int

    @property
    def p95(self) -> float:
        """Of twenty answers the slowest but one."""
        return sorted(self.seconds)[max(0, round(0.95 * len(self.seconds)) - 1)]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)


# Filters of records: narrow and wide ones, and ones that nothing passes.
_ONE: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "state": {"rare": {"state": "vanished"}, "common": {"state": "closed"}, "none": {"state": "sent"}},
    "flow": {
        "rare": {"place": "expensify_to_quickbooks/reports"},
        "common": {"place": "ramp_to_quickbooks"},
        "none": {"place": "ramp_to_quickbooks/nothing"},
    },
    "vendor": {"rare": {"party": "B0183"}, "common": {"party": "B"}, "none": {"party": "nobody"}},
    "amount": {
        "rare": {"least": "1234.56", "most": "1234.60"},
        "common": {"least": "10"},
        "none": {"least": "99999999"},
    },
    "date": {"rare": {"to": "{early}"}, "common": {"from": "{early}"}, "none": {"from": "2199-01-01"}},
    "text": {"rare": {"text": "INV-0500001"}, "common": {"text": "INV-0"}, "none": {"text": "no such thing"}},
    "text within": {"rare": {"text": "0183 media"}, "common": {"text": "company"}, "none": {"text": "%_%"}},
}


def filters(early: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each filter by itself, and each pair of them, rare, common and with nothing to find."""
    kinds = list(_ONE)
    for kind in kinds:
        for how, fields in _ONE[kind].items():
            yield f"{kind}, {how}", _dated(fields, early)
    for place, one in enumerate(kinds):
        for other in kinds[place + 1 :]:
            if {one, other} == {"text", "text within"}:
                continue
            for how_one in ("rare", "common", "none"):
                for how_other in ("rare", "common", "none"):
                    fields = {**_ONE[one][how_one], **_ONE[other][how_other]}
                    yield f"{one}, {how_one}, and {other}, {how_other}", _dated(fields, early)
    every = [_ONE[kind]["common"] for kind in kinds if kind != "text"]
    yield "all, common", _dated({name: text for fields in every for name, text in fields.items()}, early)


def _dated(fields: Mapping[str, str], early: str) -> dict[str, str]:
    return {name: text.replace("{early}", early) for name, text in fields.items()}


def _of_house() -> dict[str, tuple[str, ...]]:
    return {
        "/": ("/panel/",),
        "/companies": ("/panel/companies", "/panel/companies?after=c01500"),
        "/sign-in": ("/panel/sign-in",),
        "/sign-in/code": (),
        "/password": ("/panel/password",),
        "/second-factor": ("/panel/second-factor",),
        "/users": ("/panel/users",),
        "/users/{user}": (f"/panel/users/{OTHER_USER}",),
        "/users/{user}/remove": (f"/panel/users/{OTHER_USER}/remove",),
        "/alerts": ("/panel/alerts",),
        "/settings": ("/panel/settings",),
        "/alerts/settings": ("/panel/alerts/settings",),
        # Where a vendor sends a browser back to; it only leads on.
        "/oauth/callback": (),
    }


def _of_records(filled: Filled) -> dict[str, tuple[str, ...]]:
    middle, last = filled.records // 2, filled.records
    chosen = f"{_RECORDS}/choose?action=skip"
    return {
        "/c/{company}": (_HOME,),
        "/c/{company}/records": (_RECORDS, f"{_RECORDS}?behind={middle}"),
        "/c/{company}/records/choose": (
            f"{chosen}&r{filled.waiting}=on",
            f"{chosen}&which=all&state=deferred",
            f"{chosen}&which=all&state=pending",
        ),
        "/c/{company}/records/{record}": (f"{_RECORDS}/{middle}", f"{_RECORDS}/{last}", f"{_RECORDS}/{filled.waiting}"),
        "/c/{company}/records/{record}/{action}": (f"{_RECORDS}/{filled.waiting}/retry",),
        "/c/{company}/audit": tuple(
            f"{_HOME}/audit{more}"
            for more in (
                "",
                f"?behind={middle}",
                "?text=no+such+thing",
                "?actor=nobody",
                "?people=yes",
                "?from=2199-01-01",
            )
        ),
        # A file of the whole journal, not a page.
        "/c/{company}/audit/export": (),
    }


def _of_work(filled: Filled) -> dict[str, tuple[str, ...]]:
    gaps, gap = f"{_HOME}/to-map", urlencode({"flow": FLOW, "lookup": LOOKUP, "key": GAP})
    tables, table = f"{_HOME}/mappings", f"{_HOME}/mappings/{FLOW}/{LOOKUP}"
    return {
        "/c/{company}/to-map": tuple(
            f"{gaps}{more}" for more in ("", "?page=9", f"?place={FLOW}/{LOOKUP}", "?text=0183+media", "?text=no+such")
        ),
        "/c/{company}/to-map/choose": (f"{gaps}/choose?{gap}", f"{gaps}/choose?{gap}&text=freight"),
        "/c/{company}/to-map/leave-out": (f"{gaps}/leave-out?{gap}",),
        "/c/{company}/mappings": (tables,),
        "/c/{company}/mappings/{flow}/{lookup}": (table, f"{table}?after=m-10000", f"{table}?text=no+such+thing"),
        "/c/{company}/mappings/{flow}/{lookup}/row": (f"{table}/row", f"{table}/row?key={FIRST_KEY}"),
        "/c/{company}/mappings/{flow}/{lookup}/remove": (f"{table}/remove?key={FIRST_KEY}",),
        "/c/{company}/mappings/{flow}/{lookup}/import": (f"{table}/import",),
        # A file of the whole table, not a page.
        "/c/{company}/mappings/{flow}/{lookup}/export": (),
        "/c/{company}/pause": (f"{_HOME}/pause",),
        "/c/{company}/pause/{what}": (f"{_HOME}/pause/all", f"{_HOME}/pause/{FLOW}"),
        "/c/{company}/runs": tuple(
            f"{_HOME}/runs{more}"
            for more in ("", "?by=week", "?by=month", "?flow=ramp_to_quickbooks", "?behind=20000", "?flow=no_such")
        ),
        "/c/{company}/runs/{run}": (f"{_HOME}/runs/{filled.runs // 2}", f"{_HOME}/runs/{filled.runs}"),
        "/c/{company}/flows": (f"{_HOME}/flows",),
        "/c/{company}/flows/{flow}": (f"{_HOME}/flows/ramp_to_quickbooks",),
        "/c/{company}/flows/{flow}/settings/{setting}": (f"{_HOME}/flows/{FLOW}/settings/ap_account",),
        "/c/{company}/flows/{flow}/switch": (f"{_HOME}/flows/{FLOW}/switch",),
        # It leads back to the flow, where nothing is to be confirmed.
        "/c/{company}/flows/{flow}/streams/{stream}/read-again": (),
        # The comparison has objects that people entered; what the records wrote is not among them.
        "/c/{company}/reconcile": (
            f"{_HOME}/reconcile",
            f"{_HOME}/reconcile?report=1&all=yes",
            f"{_HOME}/reconcile?report=1&after=1000",
            f"{_HOME}/reconcile?report=1&sums=party&all=yes&after=200",
        ),
        "/c/{company}/reconcile/{report}/file": (),
        "/c/{company}/alerts": (f"{_HOME}/alerts", f"{_HOME}/alerts?show=over", f"{_HOME}/alerts?behind=9000"),
        "/c/{company}/alerts/settings": (f"{_HOME}/alerts/settings",),
    }


def _of_connections() -> dict[str, tuple[str, ...]]:
    every, one, agent = f"{_HOME}/connections", f"{_HOME}/connections/{SOURCE}", f"{_HOME}/connections/web-connector"
    hooks = f"{_HOME}/webhooks"
    return {
        "/c/{company}/connections": (every,),
        "/c/{company}/connections/{connection}": (one, f"{every}/{BOOKS}"),
        "/c/{company}/connections/{connection}/settings": (f"{one}/settings",),
        "/c/{company}/connections/{connection}/secret/{secret}": (f"{one}/secret/client_secret",),
        "/c/{company}/connections/{connection}/disconnect": (f"{one}/disconnect",),
        "/c/{company}/connections/{connection}/allow": (f"{one}/allow",),
        "/c/{company}/connections/web-connector": (agent,),
        "/c/{company}/connections/web-connector/file": (),
        "/c/{company}/connections/web-connector/password": (f"{agent}/password",),
        "/c/{company}/connections/web-connector/company-file/{decision}": (f"{agent}/company-file/release",),
        "/c/{company}/webhooks": tuple(
            f"{hooks}{more}"
            for more in (
                "",
                f"?behind={WEBHOOKS // 2}",
                "?only=idle",
                "?only=again",
                f"?connection={SOURCE}&text=no+such",
            )
        ),
        "/c/{company}/webhooks/{webhook}": (f"{hooks}/{WEBHOOKS // 2}",),
    }


def addresses(filled: Filled) -> Iterator[tuple[str, str]]:
    """Every page that is only looked at, by name, at least once; a page that is not here fails."""
    from engine.panel.pages import PAGES

    known = {**_of_house(), **_of_records(filled), **_of_work(filled), **_of_connections()}
    for page in PAGES:
        if page.method == "GET":
            if page.path not in known:
                raise KeyError(f"the benchmark has no address for the page {page.path}")
            yield from ((address.removeprefix("/panel"), address) for address in known[page.path])


def measure(count: int, rounds: int = ROUNDS) -> tuple[Taken, list[Taken], list[Taken]]:
    """The static file, every page, and the list of records under every filter."""
    with tempfile.TemporaryDirectory(prefix="flowctl-bench-") as folder:
        filled = fill(Path(folder) / "flowctl.db", count)
        return over(filled, rounds)


def over(filled: Filled, rounds: int = ROUNDS) -> tuple[Taken, list[Taken], list[Taken]]:
    """The same over a store that is there."""
    early = time.strftime("%Y-%m-%d", time.gmtime(time.time() - (DAYS - 1) * 86400))
    with _served(filled) as (port, pid):
        ask = _Asking(port, pid, filled.cookie)
        floor = ask.taken("a static file", FLOOR, rounds)
        pages = [ask.taken(name, address, rounds) for name, address in addresses(filled)]
        found = [
            ask.taken(name, f"{_RECORDS}?{urlencode(fields)}", max(5, rounds // 2)) for name, fields in filters(early)
        ]
    return floor, pages, found


class _Asking:
    """A browser that is signed in, on one connection, as browsers keep it."""

    def __init__(self, port: int, pid: int, cookie: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._pid, self._cookie = pid, cookie

    def taken(self, name: str, path: str, rounds: int) -> Taken:
        """Ask a few times, and once before: what is measured is not the first look after the start."""
        size = self._ask(path)
        cpu, seconds = _cpu_s(self._pid), []
        for _ in range(rounds):
            start = time.perf_counter()
            self._ask(path)
            seconds.append(time.perf_counter() - start)
        return Taken(name, path, tuple(seconds), (_cpu_s(self._pid) - cpu) / rounds, size)

    def _ask(self, path: str) -> int:
        self._connection.request("GET", path, headers={"cookie": f"flowctl={self._cookie}"})
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 303), f"{path}: {answer.status}"
        assert not answer.getheader("location", "").endswith("/panel/sign-in"), path
        return len(body)


def _cpu_s(pid: int) -> float:
    """User and system seconds of a process by now; 0 where the system does not tell."""
    path = Path(f"/proc/{pid}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def _served(filled: Filled) -> Iterator[tuple[int, int]]:
    """The server in a process of its own, as `flowctl serve` builds it; its port and its process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, str(filled.path)), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv(), int(process.pid or 0)
    finally:
        ours.close()
        process.join()


def _serve(pipe: Connection, path: str) -> None:
    from engine.app import Duty
    from engine.cli.common import programs
    from engine.cli.serve import app_of
    from engine.serving import running
    from engine.store.sqlite import SqliteStore
    from engine.vault import Vault
    from engine.world import World

    store = SqliteStore(Path(path))
    flows: Any = programs(())
    with running(app_of(World(store, Vault(b"0" * 32)), flows, duty=Duty(works=False), has_panel=True)) as url:
        pipe.send(int(url.rpartition(":")[2]))
        try:
            pipe.recv()
        except EOFError:
            store.close()


def main() -> None:
    """Print every page, the slowest filters first."""
    floor, pages, found = measure(1_000_000)
    for one in (floor, *pages, *sorted(found, key=lambda one: -one.p95)):
        print(f"{1000 * one.p95:8.1f} ms at p95 {1000 * one.median:8.1f} ms {1000 * one.cpu_s:6.1f} CPU-ms  {one.name}")


if __name__ == "__main__":
    main()
