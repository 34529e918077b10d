"""The Web Connectors: one beside each company file, their calls spread at random over the replicas."""

from __future__ import annotations

import heapq
import http.client
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.swarm.options import Options, user
from benchmarks.swarm.setting import PASSWORD
from connectors.qbwc.sandbox import QuickBooksSandbox
from connectors.qbwc.simulator import WebConnector
from connectors.qbwc.simulator.transport import Answer

TIMEOUT_S = 60.0
SOON_S = 1.0


@dataclass(slots=True)
class Balancer:
    """A balancer that knows no session: any call goes to any replica, and to another one where nobody listens.

    What was sent is never sent again: the replica may have been killed after it did what was asked.
    """

    ports: Sequence[int]
    chance: random.Random
    lines: dict[int, http.client.HTTPConnection] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lost: int = 0

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Carry one call.

        Raises:
            ConnectionError: no answer came.
        """
        began = time.perf_counter()
        ports = list(self.ports)
        self.chance.shuffle(ports)
        for port in ports:
            line = self._line(port)
            if line is None:
                continue
            try:
                line.request("POST", "/qbwc", body, dict(headers))
                reply = line.getresponse()
                answer = reply.status, reply.read(), reply.getheader("Content-Type") or ""
            except (OSError, http.client.HTTPException) as error:
                line.close()
                self.lost += 1
                raise ConnectionError(f"no answer: {error}") from error
            self.lines[port] = line
            method = headers.get("SOAPAction", "").rpartition("/")[2].strip('"')
            self.seconds[method].append(time.perf_counter() - began)
            return answer
        raise ConnectionError("no replica listens")

    def _line(self, port: int) -> http.client.HTTPConnection | None:
        line = self.lines.pop(port, None)
        if line is not None:
            return line
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            line.connect()
        except OSError:
            return None
        return line


@dataclass(slots=True)
class Agents:
    """All Web Connectors: each comes again when its time has come, a few of them at once."""

    options: Options
    files: Sequence[QuickBooksSandbox]
    ports: Sequence[int]
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    _due: list[tuple[float, int]] = field(default_factory=list)
    _wanted: frozenset[int] | None = None
    _turn: threading.Condition = field(default_factory=threading.Condition)
    _stopping: bool = False
    _threads: list[threading.Thread] = field(default_factory=list)
    _balancers: list[Balancer] = field(default_factory=list)

    def start(self) -> None:
        """Their first visits are spread over the interval."""
        chance, now = random.Random(f"{self.options.seed}:agents"), time.monotonic()
        spread = self.options.poll_s
        self._due = [(now + chance.uniform(0, spread), number) for number in range(len(self.files))]
        heapq.heapify(self._due)
        for number in range(self.options.threads):
            balancer = Balancer(self.ports, random.Random(f"{self.options.seed}:balancer:{number}"))
            self._balancers.append(balancer)
            thread = threading.Thread(target=self._work, args=(balancer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def only(self, numbers: Sequence[int]) -> None:
        """From now on only these come, and at once: the others have nothing left to do."""
        with self._turn:
            self._wanted = frozenset(numbers)
            # Those that are in a session put themselves back.
            now = time.monotonic()
            self._due = [(now if number in self._wanted else at, number) for at, number in self._due]
            heapq.heapify(self._due)
            self._turn.notify_all()

    def stop(self) -> None:
        """Sessions end as they are to end."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        for thread in self._threads:
            thread.join(120)

    def seconds(self) -> dict[str, list[float]]:
        """How long each call took, by method."""
        found: dict[str, list[float]] = defaultdict(list)
        for balancer in self._balancers:
            for method, times in balancer.seconds.items():
                found[method] += times
        return found

    @property
    def lost(self) -> int:
        """Calls whose answer never came."""
        return sum(balancer.lost for balancer in self._balancers)

    def _work(self, balancer: Balancer) -> None:
        while (number := self._next()) is not None:
            try:
                outcome = self._visit(number, balancer)
            except Exception as error:  # noqa: BLE001 - whatever it is, the swarm must say so
                self.crashes.append(f"{type(error).__name__}: {error}")
                outcome = "crashed"
            with self._turn:
                self.outcomes[outcome] += 1
                again = SOON_S if self._wanted is not None and number in self._wanted else self.options.poll_s
                heapq.heappush(self._due, (time.monotonic() + again * balancer.chance.uniform(0.9, 1.1), number))
                self._turn.notify()

    def _next(self) -> int | None:
        with self._turn:
            while not self._stopping:
                now = time.monotonic()
                if self._due and self._due[0][0] <= now:
                    _, number = heapq.heappop(self._due)
                    if self._wanted is None or number in self._wanted:
                        return number
                    heapq.heappush(self._due, (now + self.options.poll_s, number))
                    continue
                self._turn.wait(min(1.0, self._due[0][0] - now) if self._due else 1.0)
        return None

    def _visit(self, number: int, balancer: Balancer) -> str:
        file = self.files[number]
        connector = WebConnector(balancer, user(number), PASSWORD, file.company, application=file.application)
        report = connector.update()
        with self._turn:
            for text in report.errors:
                self.errors[text[:60]] += 1
        return report.outcome
