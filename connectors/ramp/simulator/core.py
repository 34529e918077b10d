"""The simulated Ramp API: a call comes in, an answer goes out; no socket, no thread, no clock of its own."""

from __future__ import annotations

import random
import re
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from connectors._simulated import ConnectionReset
from connectors.ramp.simulator import (
    billing,
    bills,
    build,
    connections,
    directory,
    enrich,
    outflow,
    payees,
    syncs,
    transactions,
    vendors,
    webhooks,
)
from connectors.ramp.simulator.auth import Tokens, expired, require
from connectors.ramp.simulator.chartroutes import CHART_ROUTES
from connectors.ramp.simulator.faults import AFTER_COMMIT, Fault, FaultPlan
from connectors.ramp.simulator.ledger import Totals, totals
from connectors.ramp.simulator.records import Bill, Line, Money, Options, Profile, Transaction, Vendor
from connectors.ramp.simulator.webhooks import Sender, Sent
from connectors.ramp.simulator.wire import ApiError, Request, error_reply, parse_query
from connectors.ramp.simulator.world import PREFIX, World, founded
from engine.clock import Clock
from engine.contract import HttpCall, HttpReply
from engine.dataclass import dataclass

Handler = Callable[[World, Request], HttpReply]
_HTML = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API: `{}` in the path stands for an id."""

    method: str
    path: str
    scope: str | None
    handler: Handler
    since_2026: bool = False


ROUTES = (
    Route("GET", "/bills", "bills:read", bills.list_bills),
    Route("POST", "/bills", "bills:write", billing.post_bill),
    Route("GET", "/bills/drafts", "bills:read", billing.list_drafts),
    Route("POST", "/bills/drafts", "bills:write", billing.post_draft, since_2026=True),
    Route("GET", "/bills/drafts/{}", "bills:read", billing.get_draft),
    Route("PATCH", "/bills/drafts/{}", "bills:write", billing.patch_draft, since_2026=True),
    Route("GET", "/bills/{}", "bills:read", bills.get_bill),
    Route("PATCH", "/bills/{}", "bills:write", billing.patch_bill),
    Route("DELETE", "/bills/{}", "bills:write", billing.delete_bill),
    Route("GET", "/vendors", "vendors:read", vendors.list_vendors),
    Route("GET", "/vendors/credits", "vendors:read", outflow.list_credits, since_2026=True),
    Route("GET", "/vendors/credits/{}", "vendors:read", outflow.get_credit, since_2026=True),
    Route("POST", "/vendors", "vendors:write", payees.post_vendor),
    Route("GET", "/vendors/{}", "vendors:read", vendors.get_vendor),
    Route("PATCH", "/vendors/{}", "vendors:write", payees.patch_vendor),
    Route("GET", "/vendors/{}/contacts", "vendors:read", payees.list_contacts),
    Route("GET", "/vendors/{}/contacts/{}", "vendors:read", payees.get_contact),
    Route("GET", "/transactions", "transactions:read", transactions.list_transactions),
    Route("GET", "/transactions/{}", "transactions:read", transactions.get_transaction),
    Route("GET", "/reimbursements", "reimbursements:read", outflow.list_reimbursements),
    Route("GET", "/reimbursements/{}", "reimbursements:read", outflow.get_reimbursement),
    Route("GET", "/transfers", "transfers:read", outflow.list_transfers),
    Route("GET", "/transfers/{}", "transfers:read", outflow.get_transfer),
    Route("GET", "/cashbacks", "cashbacks:read", outflow.list_cashbacks),
    Route("GET", "/cashbacks/{}", "cashbacks:read", outflow.get_cashback),
    Route("GET", "/business", "business:read", directory.get_business),
    Route("GET", "/entities", "entities:read", directory.list_entities),
    Route("GET", "/entities/{}", "entities:read", directory.get_entity),
    Route("GET", "/departments", "departments:read", directory.list_departments),
    Route("GET", "/departments/{}", "departments:read", directory.get_department),
    Route("GET", "/users", "users:read", directory.list_users),
    Route("GET", "/users/{}", "users:read", directory.get_user),
    Route("POST", "/memos/{}", "memos:write", enrich.post_memo),
    Route("POST", "/receipts", "receipts:write", enrich.post_receipt),
    # In neither OpenAPI file that we have; both profiles take it, since the guide of 2026 does not say since when.
    Route("POST", "/accounting/codings", "accounting:write", enrich.post_coding),
    Route("POST", "/accounting/syncs", "accounting:write", syncs.post_sync),
    Route("GET", "/accounting/all-connections", "accounting:read", connections.list_connections),
    Route("GET", "/accounting/connection", "accounting:read", connections.get_connection),
    Route("POST", "/accounting/connection", "accounting:write", connections.post_connection),
    Route("DELETE", "/accounting/connection", "accounting:write", connections.delete_connection),
    Route("POST", "/accounting/connection/{}/reactivate", "accounting:write", connections.reactivate_connection),
    Route("GET", "/accounting/connection/{}", "accounting:read", connections.get_one_connection, since_2026=True),
    Route("PATCH", "/accounting/connection/{}", "accounting:write", connections.patch_connection, since_2026=True),
    Route(
        "POST",
        "/accounting/connection/{}/ready-to-migrate",
        "accounting:write",
        connections.ready_to_migrate,
        since_2026=True,
    ),
    *(Route(*entry) for entry in CHART_ROUTES),
    Route("POST", "/webhooks/mock-webhook-event", None, webhooks.mock_event),
    Route("POST", "/webhooks", None, webhooks.post_webhook),
    Route("GET", "/webhooks", None, webhooks.list_webhooks),
    Route("GET", "/webhooks/{}", None, webhooks.get_webhook),
    Route("POST", "/webhooks/{}/verify", None, webhooks.verify_webhook),
    Route("DELETE", "/webhooks/{}", None, webhooks.delete_webhook),
)
_PATTERNS: defaultdict[str, list[tuple[Route, re.Pattern[str]]]] = defaultdict(list)
for _route in ROUTES:
    _PATTERNS[_route.method].append((_route, re.compile(PREFIX + _route.path.replace("{}", "([^/]+)"))))


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the request log: no query, header or body, so no secret. Status 0 means that no answer was sent."""

    method: str
    path: str
    status: int
    fault: str = ""


class RampSimulator:
    """A Ramp business behind its API. Thread-safe; every answer follows from seed, clock and the calls so far."""

    def __init__(
        self,
        seed: int,
        clock: Clock,
        *,
        profile: Profile = "2025-08",
        options: Options | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.world = founded(seed, clock, profile, options or Options())
        self.faults = FaultPlan(seed, faults)
        self.log: list[Logged] = []
        self.sent: list[Sent] = []
        # With a sender, a challenge can go out before the create call returns, as the real one sometimes does.
        self.sender: Sender | None = None
        self._tokens = Tokens(self.world)
        self._chance = random.Random(f"{seed}:webhooks")  # noqa: S311 - a simulation must repeat
        self._lock = threading.RLock()
        self._windows: defaultdict[str, deque[float]] = defaultdict(deque)

    def handle(self, call: HttpCall) -> HttpReply:
        """Answer one call.

        Raises:
            ConnectionReset: when the fault plan says so; the caller closes the connection.
        """
        with self._lock:
            fault = self.faults.strike(call)
        if fault is not None and fault.name == "slow":
            self.clock.sleep(fault.seconds)
        with self._lock:
            answer = self._answer(call, fault)
            lost = fault is not None and fault.name.startswith("reset")
            self.log.append(Logged(call.method, call.path, 0 if lost else answer.status, fault.name if fault else ""))
            trace = self.world.names.uuid("trace")
        if self.sender is not None and self.world.options.challenge_before_create_returns:
            self.deliver(self.sender)
        if lost:
            raise ConnectionReset(f"the simulated connection was closed during {call.method} {call.path}")
        return HttpReply(answer.status, {**answer.headers, "x-trace-id": trace}, answer.body)

    def _answer(self, call: HttpCall, fault: Fault | None) -> HttpReply:
        syncs.expire_sync_requests(self.world)
        try:
            self._count(call)
            if fault is not None:
                self._fail_before(call, fault)
            if fault is not None and fault.name in {"html_error", "reset_before"}:
                return HttpReply(502, {"content-type": "text/html"}, _HTML)
            answer = self._dispatch(call, fault)
        except ApiError as error:
            return error_reply(error, self.world.names.uuid("error"))
        if fault is not None and fault.name in AFTER_COMMIT:
            if fault.name == "truncated":
                return replace(answer, body=answer.body[: len(answer.body) // 2])
            return error_reply(_gateway_timeout(), self.world.names.uuid("error"))
        return answer

    def _fail_before(self, call: HttpCall, fault: Fault) -> None:
        if fault.name == "token_expired":
            self._tokens.expire(call)
            raise expired()
        if fault.name == "rate_limited":
            raise _rate_limited()
        if fault.name == "server_error":
            raise ApiError(500, "DEVELOPER_7000", "Internal server error.")
        if fault.name == "timeout_before":
            raise _gateway_timeout()

    def _count(self, call: HttpCall) -> None:
        """200 requests in any 10 seconds for each client address; a refused request does not count."""
        options = self.world.options
        now = self.clock.monotonic()
        window = self._windows[call.client]
        while window and now - window[0] >= options.window_s:
            window.popleft()
        if len(window) >= options.requests_per_window:
            raise _rate_limited()
        window.append(now)

    def _dispatch(self, call: HttpCall, fault: Fault | None) -> HttpReply:
        if call.method == "POST" and call.path == f"{PREFIX}/token":
            return self._tokens.issue(call)
        if call.method == "POST" and call.path == f"{PREFIX}/token/revoke":
            return self._tokens.revoke(call)
        grant = self._tokens.check(call)
        world = self.world
        for route, pattern in _PATTERNS.get(call.method, ()):
            match = pattern.fullmatch(call.path)
            if match is None or (route.since_2026 and world.profile == "2025-08"):
                continue
            require(grant, route.scope)
            request = Request(
                profile=world.profile,
                base_url=_base_url(call),
                path=call.path,
                params=match.groups(),
                query=parse_query(call.query),
                content_type=call.headers.get("content-type", ""),
                body=call.body,
                scopes=grant.scopes,
                now=world.now,
                shift_page=fault is not None and fault.name == "page_shift",
            )
            return route.handler(world, request)
        raise ApiError(404, "DEVELOPER_7003", "The requested URL was not found on the server.")

    # --- what Ramp's users do, for tests and demos ---

    def add_vendor(self, name: str, **fields: Any) -> Vendor:
        """Add a vendor; see `build.add_vendor`."""
        with self._lock:
            return build.add_vendor(self.world, name, **fields)

    def add_bill(self, lines: Sequence[Line], **fields: Any) -> Bill:
        """Add a bill; see `build.add_bill`."""
        with self._lock:
            return build.add_bill(self.world, lines, **fields)

    def add_transaction(self, settled: Money, **fields: Any) -> Transaction:
        """Add a card transaction; see `build.add_transaction`."""
        with self._lock:
            return build.add_transaction(self.world, settled, **fields)

    def pay_bill(self, bill_id: str, **fields: Any) -> Bill:
        """Pay a bill; see `build.pay_bill`."""
        with self._lock:
            return build.pay_bill(self.world, bill_id, **fields)

    def edit_bill(self, bill_id: str, **fields: Any) -> Bill:
        """Change a bill; see `build.edit_bill`."""
        with self._lock:
            return build.edit_bill(self.world, bill_id, **fields)

    def archive(self, bill_id: str) -> Bill:
        """Archive a bill."""
        with self._lock:
            return build.archive(self.world, bill_id)

    def export_button(self, *object_ids: str) -> None:
        """Mark rows synced the way Ramp's Export button does: without notice."""
        with self._lock:
            syncs.export_button(self.world, object_ids)

    def click_sync(self, table: syncs.ButtonKind = "transactions") -> str:
        """Press the sync button; returns the id of the request."""
        with self._lock:
            return syncs.click_sync(self.world, table)

    def totals(self) -> Totals:
        """What Ramp believes to be in the books."""
        with self._lock:
            syncs.expire_sync_requests(self.world)
            return totals(self.world)

    def deliver(self, sender: Sender) -> list[Sent]:
        """Send every webhook that is due now through `sender`, which returns a status or raises OSError."""
        with self._lock:
            webhooks.queue_events(self.world, self._chance)
            due = webhooks.take_due(self.world, self._chance)
            ready = [replace(item, headers=tuple(webhooks.signed_headers(self.world, item).items())) for item in due]
        sent: list[Sent] = []
        # Outside the lock: the receiver may call this API before it answers.
        for original, delivery in zip(due, ready, strict=True):
            try:
                status: int | None = sender(delivery)
            except OSError:
                status = None
            sent.append(Sent(original, status, self.clock.now()))
        with self._lock:
            webhooks.settle(self.world, sent, self._chance)
            self.sent.extend(sent)
        return sent


def _rate_limited() -> ApiError:
    """429; no source documents a Retry-After header."""
    return ApiError(429, "DEVELOPER_7029", "Too many requests.")


def _gateway_timeout() -> ApiError:
    return ApiError(504, "DEVELOPER_7504", "The request timed out after 60 seconds.")


def _base_url(call: HttpCall) -> str:
    scheme = call.headers.get("x-forwarded-proto", "https")
    return f"{scheme}://{call.headers.get('host', 'demo-api.ramp.com')}"
