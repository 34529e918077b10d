"""The simulated BILL API: a call comes in, an answer goes out; no socket, no thread, no clock of its own."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import datetime

from connectors._simulated import ConnectionReset
from connectors.bill.simulator import bills, credits, lists, payments, vendors, webhooks  # noqa: A004 - BILL's own word
from connectors.bill.simulator.auth import Session, Sessions, concurrency_limit, hourly_limit
from connectors.bill.simulator.faults import AFTER_COMMIT, OF_PAGES, Fault, FaultPlan
from connectors.bill.simulator.records import Options
from connectors.bill.simulator.webhooks import Sender, Sent
from connectors.bill.simulator.wire import ApiError, Request, error_reply, gateway, parse_query
from connectors.bill.simulator.world import EVENTS_PREFIX, LISTS, PREFIX, World, founded
from engine.clock import Clock
from engine.contract import HttpCall, HttpReply
from engine.dataclass import dataclass

Handler = Callable[[World, Request], HttpReply]
LOGIN = f"{PREFIX}/login"
_HTML = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API: `{}` in the path stands for an id."""

    method: str
    path: str
    handler: Handler
    prefix: str = PREFIX


def _events(method: str, path: str, handler: Handler) -> Route:
    return Route(method, path, handler, EVENTS_PREFIX)


ROUTES = (
    Route("GET", "/vendors", vendors.list_vendors),
    Route("POST", "/vendors", vendors.post_vendor),
    Route("GET", "/vendors/{}", vendors.get_vendor),
    Route("PATCH", "/vendors/{}", vendors.patch_vendor),
    Route("POST", "/vendors/{}/archive", vendors.archive_vendor),
    Route("POST", "/vendors/{}/restore", vendors.restore_vendor),
    Route("GET", "/bills", bills.list_bills),
    Route("POST", "/bills", bills.post_bill),
    Route("POST", "/bills/record-payment", payments.record_payment),
    Route("GET", "/bills/{}", bills.get_bill),
    Route("PUT", "/bills/{}", bills.put_bill),
    Route("PATCH", "/bills/{}", bills.patch_bill),
    Route("POST", "/bills/{}/archive", bills.archive_bill),
    Route("POST", "/bills/{}/restore", bills.restore_bill),
    Route("POST", "/bill-approvals/actions", bills.post_actions),
    Route("GET", "/bill-approvals/pending-user-approvals", bills.pending),
    Route("GET", "/payments", payments.list_payments),
    Route("POST", "/payments", payments.post_payment),
    Route("GET", "/payments/{}", payments.get_payment),
    Route("GET", "/vendor-credits", credits.list_credits),
    Route("GET", "/vendor-credits/{}", credits.get_credit),
    *(Route("GET", f"/classifications/{kind}", lists.all_of(kind)) for kind in LISTS),
    *(Route("GET", f"/classifications/{kind}/{{}}", lists.one_of(kind)) for kind in LISTS),
    Route("POST", "/classifications/chart-of-accounts", lists.post_account),
    _events("GET", "/events/catalog", webhooks.get_catalog),
    _events("GET", "/subscriptions", webhooks.list_subscriptions),
    _events("POST", "/subscriptions", webhooks.post_subscription),
    _events("GET", "/subscriptions/{}", webhooks.get_subscription),
    _events("PATCH", "/subscriptions/{}", webhooks.patch_subscription),
    _events("DELETE", "/subscriptions/{}", webhooks.delete_subscription),
    _events("POST", "/subscriptions/{}/security-key", webhooks.rotate_key),
    _events("POST", "/subscriptions/{}/security_key", webhooks.rotate_key),
)


@dataclass(slots=True)
class Tally:
    """How often each kind of call came (`GET /bills/{}`), and how many were under way at once."""

    kinds: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    under_way: int = 0

    @property
    def total(self) -> int:
        """All calls, refused ones included."""
        return self.kinds.total()


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the request log: no query, header or body, so no secret. Status 0 means that no answer was sent."""

    method: str
    path: str
    status: int
    fault: str = ""


class BillSimulator:
    """A BILL organization behind its API. Thread-safe; every answer follows from seed, clock and the calls so far."""

    def __init__(
        self, seed: int, clock: Clock, *, options: Options | None = None, faults: Sequence[Fault] = ()
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.world = founded(seed, clock, options or Options())
        self.faults = FaultPlan(seed, faults)
        self.log: list[Logged] = []
        self.tally = Tally()
        self.sent: list[Sent] = []
        self._sessions = Sessions(self.world)
        self._routes = self._table()
        self._chance = random.Random(f"{seed}:webhooks")  # noqa: S311 - a simulation must repeat
        self._lock = threading.RLock()
        self._hour: tuple[datetime | None, int] = (None, 0)

    def handle(self, call: HttpCall) -> HttpReply:
        """Answer one call.

        Raises:
            ConnectionReset: when the fault plan says so; the caller closes the connection.
        """
        with self._under_way() as at_once:
            with self._lock:
                fault = self.faults.strike(call)
            wait = self.world.options.latency_s + (fault.seconds if fault and fault.name == "slow" else 0.0)
            if wait:
                self.clock.sleep(wait)
            with self._lock:
                answer = self._answer(call, fault, at_once)
                lost = fault is not None and fault.name.startswith("reset")
                status = 0 if lost else answer.status
                self.log.append(Logged(call.method, call.path, status, fault.name if fault else ""))
        if lost:
            raise ConnectionReset(f"the simulated connection was closed during {call.method} {call.path}")
        return answer

    def expire_sessions(self) -> None:
        """Let every session end now."""
        with self._lock:
            self._sessions.expire()

    @contextmanager
    def changing(self) -> Iterator[World]:
        """The organization, for what its people do there."""
        with self._lock:
            yield self.world

    def deliver(self, sender: Sender) -> list[Sent]:
        """Send every webhook that is due now through `sender`, which returns a status or raises OSError."""
        with self._lock:
            webhooks.queue_events(self.world, self._chance)
            due = webhooks.take_due(self.world, self._chance)
        sent: list[Sent] = []
        for delivery in due:
            with self._lock:
                ready = webhooks.signed(self.world, delivery)
            try:
                # Outside the lock: the receiver may call this API before it answers.
                status: int | None = sender(ready)
            except OSError:
                status = None
            sent.append(Sent(delivery, status, self.world.now))
        with self._lock:
            webhooks.settle(self.world, sent)
            self.sent.extend(sent)
        return sent

    @contextmanager
    def _under_way(self) -> Iterator[int]:
        """How many calls are under way with this one."""
        with self._lock:
            self.tally.under_way += 1
            at_once = self.tally.under_way
            self.tally.most_at_once = max(self.tally.most_at_once, at_once)
        try:
            yield at_once
        finally:
            with self._lock:
                self.tally.under_way -= 1

    def _answer(self, call: HttpCall, fault: Fault | None, at_once: int) -> HttpReply:
        options = self.world.options
        try:
            found = self._find(call)
            self.tally.kinds[f"{call.method} {found[0].path if found else '?'}"] += 1
            if call.path.startswith((PREFIX, EVENTS_PREFIX)):
                self._limit(at_once)
            if fault is not None:
                self._fail_before(call, fault)
            if fault is not None and fault.name == "html_error":
                return HttpReply(502, {"content-type": "text/html"}, _HTML)
            if fault is not None and fault.name == "reset_before":
                return HttpReply(502, {}, b"")
            answer = self._dispatch(call, found, fault)
            if fault is not None and fault.name in AFTER_COMMIT:
                return _spoilt(answer, fault)
        except ApiError as error:
            return error_reply(options, error, self.world.now)
        return answer

    def _fail_before(self, call: HttpCall, fault: Fault) -> None:
        options = self.world.options
        if fault.name == "session_expired":
            self._sessions.expire(call.headers.get("sessionid", ""))
        elif fault.name == "hourly_limit":
            raise hourly_limit(options.limit_status, options.calls_an_hour)
        elif fault.name == "concurrency_limit":
            raise concurrency_limit(options.limit_status)
        elif fault.name == "throttled":
            # ASSUMED: what the gateway says when it has too much to do.
            raise gateway(429, "Too Many Requests")
        elif fault.name == "server_error":
            # ASSUMED: the code; it means nothing that a caller could act on.
            raise ApiError(500, "BDC_1001", "An internal error has occurred.")
        elif fault.name == "gateway_error":
            raise gateway(503, "Service Unavailable")
        elif fault.name == "timeout_before":
            raise gateway(504, "Endpoint request timed out")

    def _limit(self, at_once: int) -> None:
        """At most three at once, then 20,000 in an hour of the clock. ASSUMED: a refused call does not count."""
        options = self.world.options
        if at_once > options.calls_at_once:
            raise concurrency_limit(options.limit_status)
        hour, count = self._hour
        now = self.world.now.replace(minute=0, second=0, microsecond=0)
        count = count if hour == now else 0
        if count >= options.calls_an_hour:
            raise hourly_limit(options.limit_status, options.calls_an_hour)
        self._hour = (now, count + 1)

    def _table(self) -> dict[str, list[tuple[Route, re.Pattern[str]]]]:
        """All routes, literal paths before those with an id."""
        own = (
            Route("POST", "/login", lambda _world, _request: HttpReply(200, {}, b"")),
            Route("GET", "/login/session", self._sessions.describe),
            Route("POST", "/logout", self._sessions.logout),
            Route("POST", "/mfa/step-up", self._sessions.step_up),
        )
        table: defaultdict[str, list[tuple[Route, re.Pattern[str]]]] = defaultdict(list)
        for route in sorted((*own, *ROUTES), key=lambda item: item.path.count("{")):
            table[route.method].append((route, re.compile(route.prefix + route.path.replace("{}", "([^/]+)"))))
        return table

    def _find(self, call: HttpCall) -> tuple[Route, tuple[str, ...]] | None:
        for route, pattern in self._routes.get(call.method, ()):
            match = pattern.fullmatch(call.path)
            if match is not None:
                return route, match.groups()
        return None

    def _dispatch(self, call: HttpCall, found: tuple[Route, tuple[str, ...]] | None, fault: Fault | None) -> HttpReply:
        if found is None:
            # ASSUMED: what the gateway says of a path that it does not know.
            raise gateway(404, "Not Found")
        if call.path == LOGIN:
            return self._sessions.login(call)
        session: Session = self._sessions.check(call)
        route, params = found
        request = Request(
            params,
            parse_query(call.query),
            call.headers,
            call.body,
            call.headers.get("sessionid", ""),
            session.trusted,
            fault.name if fault is not None and fault.name in OF_PAGES else "",
        )
        return route.handler(self.world, request)


def _spoilt(answer: HttpReply, fault: Fault) -> HttpReply:
    """An answer that does not arrive whole, of a request that was carried out."""
    if fault.name == "truncated":
        return replace(answer, body=answer.body[: len(answer.body) // 2])
    if fault.name == "bad_json":
        return replace(answer, body=answer.body.replace(b":", b"=", 1) or b"{")
    raise gateway(504, "Endpoint request timed out")
