"""The simulated FreshBooks API: a call comes in, an answer goes out; no socket, no thread, no clock of its own."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any
from urllib.parse import parse_qsl

from connectors._simulated import ConnectionReset
from connectors.freshbooks.simulator import receipts, resources, webhooks
from connectors.freshbooks.simulator.auth import Grants, unauthenticated
from connectors.freshbooks.simulator.faults import AFTER_COMMIT, Fault, FaultPlan
from connectors.freshbooks.simulator.records import ACTIVE, DELETED, Options
from connectors.freshbooks.simulator.webhooks import Sender, Sent
from connectors.freshbooks.simulator.wire import ApiError, Family, Request, error_reply, reply
from connectors.freshbooks.simulator.world import World, founded
from engine.clock import Clock
from engine.contract import HttpCall, HttpReply
from engine.dataclass import dataclass

Handler = Callable[[World, Request], HttpReply]
TOKEN = "/auth/oauth/token"  # noqa: S105 - a path
AUTHORIZE = "/oauth/authorize"
ME = "/auth/api/v1/users/me"
_PATH = re.compile(r"/(accounting|events)/account/([^/]+)/([^/]+/[^/]+)(?:/([^/]+))?")
_HTML = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
# By family, method, place, and whether an id follows.
ROUTES: dict[tuple[str, str, str, bool], Handler] = {
    ("accounting", "GET", "bills/bills", False): resources.list_bills,
    ("accounting", "POST", "bills/bills", False): resources.post_bill,
    ("accounting", "GET", "bills/bills", True): resources.get_bill,
    ("accounting", "PUT", "bills/bills", True): resources.put_bill,
    ("accounting", "GET", "bill_vendors/bill_vendors", False): resources.list_vendors,
    ("accounting", "POST", "bill_vendors/bill_vendors", False): resources.post_vendor,
    ("accounting", "GET", "bill_vendors/bill_vendors", True): resources.get_vendor,
    ("accounting", "PUT", "bill_vendors/bill_vendors", True): resources.put_vendor,
    ("accounting", "GET", "expenses/expenses", False): resources.list_expenses,
    ("accounting", "GET", "expenses/expenses", True): resources.get_expense,
    ("accounting", "PUT", "expenses/expenses", True): resources.put_expense,
    ("accounting", "GET", "expenses/categories", False): resources.list_categories,
    ("accounting", "GET", "expenses/categories", True): resources.get_category,
    ("accounting", "GET", "journal_entry_accounts/journal_entry_accounts", False): resources.list_accounts,
    ("events", "GET", "events/callbacks", False): webhooks.list_callbacks,
    ("events", "POST", "events/callbacks", False): webhooks.post_callback,
    ("events", "GET", "events/callbacks", True): webhooks.get_callback,
    ("events", "PUT", "events/callbacks", True): webhooks.put_callback,
    ("events", "DELETE", "events/callbacks", True): webhooks.delete_callback,
}


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the request log: no query, header or body, so no secret. Status 0 means that no answer was sent."""

    method: str
    path: str
    status: int
    fault: str = ""


@dataclass(slots=True)
class Tally:
    """How often each kind of call came (`GET bills/bills`)."""

    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """All calls, refused ones included."""
        return self.kinds.total()


class FreshBooksSimulator:
    """A FreshBooks account behind its API. Thread-safe; every answer follows from seed, clock and the calls so far."""

    def __init__(
        self, seed: int, clock: Clock, *, options: Options | None = None, faults: Sequence[Fault] = ()
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.world = founded(seed, clock, options or Options())
        self.faults = FaultPlan(seed, faults)
        self.grants = Grants(self.world)
        self.log: list[Logged] = []
        self.tally = Tally()
        self.sent: list[Sent] = []
        self._chance = random.Random(f"{seed}:webhooks")  # noqa: S311 - a simulation must repeat
        self._lock = threading.RLock()
        self._before: dict[str, bytes] = {}

    def handle(self, call: HttpCall) -> HttpReply:
        """Answer one call.

        Raises:
            ConnectionReset: when the fault plan says so; the caller closes the connection.
        """
        with self._lock:
            fault = self.faults.strike(call)
        wait = self.world.options.latency_s + (fault.seconds if fault and fault.name == "slow" else 0.0)
        if wait:
            self.clock.sleep(wait)
        with self._lock:
            answer = self._answer(call, fault)
            lost = fault is not None and fault.name.startswith("reset")
            # The path of a receipt holds what opens it.
            path = f"{receipts.PLACE}..." if call.path.startswith(receipts.PLACE) else call.path
            self.log.append(Logged(call.method, path, 0 if lost else answer.status, fault.name if fault else ""))
        if lost:
            raise ConnectionReset(f"the simulated connection was closed during {call.method} {call.path}")
        return answer

    @contextmanager
    def changing(self) -> Iterator[World]:
        """The account, for what its people do there."""
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

    def _answer(self, call: HttpCall, fault: Fault | None) -> HttpReply:
        name = fault.name if fault is not None else ""
        try:
            if name == "html_error":
                return HttpReply(502, {"content-type": "text/html"}, _HTML)
            if name == "reset_before":
                return HttpReply(502, {}, b"")
            self._fail_before(call, name)
            answer = self._dispatch(call, name)
            if name == "timeout_after":
                return reply({"message": "Endpoint request timed out"}, 504)
        except ApiError as error:
            answer = error_reply(self.world.options, error)
        return _spoilt(answer, name) if name in AFTER_COMMIT else answer

    def _fail_before(self, call: HttpCall, name: str) -> None:
        if name == "token_expired":
            self.grants.expire(call.headers.get("authorization", "").removeprefix("Bearer ") or None)
        elif name == "throttled":
            # ASSUMED: the body; only the status is known.
            raise ApiError(429, "429", "Too many requests.")
        elif name == "server_error":
            raise ApiError(500, "1000", "An internal error has occurred.")
        elif name == "timeout_before":
            raise ApiError(504, "504", "Endpoint request timed out.")
        elif name == "error_200" and call.path.startswith("/accounting"):
            raise ApiError(200, "1003", "You do not have permission.")

    def _dispatch(self, call: HttpCall, fault: str) -> HttpReply:
        if (call.method, call.path) == ("POST", TOKEN):
            self.tally.kinds["POST token"] += 1
            return self.grants.exchange(call, refuse=fault == "refresh_refused")
        if (call.method, call.path) == ("GET", AUTHORIZE):
            self.tally.kinds["GET authorize"] += 1
            return self.grants.page(call)
        if (call.method, call.path) == ("GET", ME):
            self.tally.kinds["GET users/me"] += 1
            self.grants.check(call, "auth")
            return reply({"response": self._me()})
        if call.method == "GET" and call.path.startswith(receipts.PLACE):
            self.tally.kinds["GET receipt"] += 1
            self.grants.check(call, "auth")
            return receipts.download(self.world, call.path)
        found = _PATH.fullmatch(call.path)
        handler = ROUTES.get((found[1], call.method, found[3], bool(found[4]))) if found else None
        if found is None or handler is None:
            self.tally.kinds["?"] += 1
            raise ApiError(404, "404", "Not found.", family="events")
        self.tally.kinds[f"{call.method} {found[3]}{'/{}' if found[4] else ''}"] += 1
        family: Family = "events" if found[1] == "events" else "accounting"
        self.grants.check(call, family)
        if found[2] != self.world.account_id:
            raise (
                unauthenticated(family) if family == "events" else ApiError(403, "1003", "You do not have permission.")
            )
        query = parse_qsl(call.query, keep_blank_values=True)
        answer = handler(self.world, Request(found[4] or "", query, call.body))
        if fault == "row_gone":
            self._lose_first(found[3])
        if fault == "page_repeat":
            answer = replace(answer, body=self._before.get(found[3], answer.body))
        self._before[found[3]] = answer.body
        return answer

    def _lose_first(self, place: str) -> None:
        """A person deletes the row that the list begins with, while somebody reads it."""
        world = self.world
        choices: dict[str, tuple[dict[int, Any], Callable[..., Any]]] = {
            "bills/bills": (world.bills, world.edit_bill),
            "expenses/expenses": (world.expenses, world.edit_expense),
            "bill_vendors/bill_vendors": (world.vendors, world.edit_vendor),
        }
        rows, edit = choices.get(place, ({}, world.edit_bill))
        live = [key for key, row in rows.items() if row.vis_state == ACTIVE]
        if live:
            edit(max(live) if world.options.newest_first else min(live), vis_state=DELETED)

    def _me(self) -> dict[str, Any]:
        """Who the user is: the account can be null in a membership, and then a role or a client has it."""
        world, place = self.world, self.world.options.account_in
        account = world.account_id
        business = {
            "id": world.business_id,
            "business_uuid": world.names.fixed("business", "only"),
            "name": "Sandbox Business",
            "account_id": account if place == "membership" else None,
        }
        return {
            "id": 1234,
            "identity_id": 1234,
            "first_name": "Sam",
            "last_name": "Sandbox",
            "email": "sam@example.com",
            "business_memberships": [{"id": 1, "role": "owner", "business": business}],
            "roles": [{"id": 1, "role": "admin", "accountid": account}] if place != "client" else [],
            "business_clients": [{"id": 1, "account_id": account}] if place == "client" else [],
        }


def _spoilt(answer: HttpReply, fault: str) -> HttpReply:
    """An answer that does not arrive whole, of a request that was carried out."""
    if fault == "truncated":
        return replace(answer, body=answer.body[: len(answer.body) // 2])
    if fault == "bad_json":
        return replace(answer, body=answer.body.replace(b":", b"=", 1) or b"{")
    return answer
