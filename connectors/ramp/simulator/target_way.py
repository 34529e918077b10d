"""The way to a simulated Ramp for calls that write: its faults, and writes that show only some time after they were given up."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from connectors.ramp.simulator.core import RampSimulator
from connectors.ramp.simulator.faults import FaultPlan
from connectors.ramp.simulator.serve import transport
from engine.dataclass import dataclass
from engine.rigs import CallWatch, Made

if TYPE_CHECKING:
    import httpx

# A write of which no answer came shows so many seconds later, at most: less than the connector waits for it.
_LATEST_S = 100.0
_WRITES = frozenset({"POST", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class _Late:
    """A write that was given up and is carried out all the same."""

    due_s: float
    key: str
    request: httpx.Request


@dataclass(slots=True)
class Way:
    """Carries our calls. `takes` is told the key of each write that was carried out, and returns what is new."""

    simulator: RampSimulator
    chance: random.Random
    takes: Callable[[str], Sequence[Made]]
    # How often a write to `/bills` or `/vendors` shows late, and how often it did.
    late: float = 0.0
    count: int = 0
    _pending: list[_Late] = field(default_factory=list)
    _inner: httpx.BaseTransport | None = None

    def transport(self, watch: CallWatch) -> httpx.BaseTransport:
        """The API without a socket, and the faults that happen on the way to it."""
        import httpx

        self._inner = inner = transport(self.simulator)

        def answer(request: httpx.Request) -> httpx.Response:
            self.arrive()
            if request.method not in _WRITES or request.url.path.endswith(("/token", "/token/revoke")):
                return inner.handle_request(request)
            request.read()
            key = key_of(request)
            watch.writing(key)
            if request.method == "POST" and key and self.chance.random() < self.late:
                self.count += 1
                due_s = self.simulator.clock.monotonic() + self.chance.uniform(1, _LATEST_S)
                self._pending.append(_Late(due_s, key, request))
                watch.wrote(key, (), answered=False)
                return httpx.Response(504, json={"error_v2": {"error_code": "DEVELOPER_7504"}}, request=request)
            try:
                response = inner.handle_request(request)
            except httpx.TransportError:
                watch.wrote(key, self.takes(key), answered=False)
                raise
            watch.wrote(key, self.takes(key), answered=_says(response))
            return response

        return httpx.MockTransport(answer)

    def arrive(self, *, everything: bool = False) -> None:
        """Carry out what was given up and is due by now."""
        now = self.simulator.clock.monotonic()
        for late in [late for late in self._pending if everything or late.due_s <= now]:
            self._pending.remove(late)
            # What was accepted once meets no fault any more.
            planned, self.simulator.faults = self.simulator.faults, FaultPlan(0)
            assert self._inner is not None
            self._inner.handle_request(late.request)
            self.simulator.faults = planned
            self.takes(late.key)


def key_of(request: httpx.Request) -> str:
    """What a call is about: a bill's remote id, a vendor's name, a transaction, or the object that it changes."""
    tail = request.url.path.partition("/v1/")[2]
    parts = tail.split("/")
    if parts[0] == "bills" and request.method == "POST":
        return f"bill:{_body(request).get('remote_id')}"
    if parts[0] == "vendors" and request.method == "POST":
        return f"vendor:{plain(_body(request).get('name'))}"
    if parts[0] in ("bills", "vendors"):
        return f"at:{parts[-1]}"
    if tail == "accounting/codings":
        return f"transaction:{_body(request).get('object_id')}"
    return f"transaction:{parts[1]}" if parts[0] == "memos" else ""


def plain(name: object) -> str:
    """A name without regard to case and to the number of blanks."""
    return " ".join(str(name).split()).casefold()


def _body(request: httpx.Request) -> Mapping[str, Any]:
    try:
        body = json.loads(request.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _says(response: httpx.Response) -> bool:
    """Whether an answer says what became of the call: a page of a proxy does not, nor half a document."""
    if response.status_code >= 500:
        return False
    try:
        return not response.content or isinstance(json.loads(response.content), dict)
    except ValueError:
        return False
