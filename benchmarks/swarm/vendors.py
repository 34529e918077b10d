"""A Ramp business for each company, all in one process: their API, their people, their webhooks, and the truth at the end."""

from __future__ import annotations

import base64
import http.client
import json
import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.swarm.options import Options, code
from engine.contract import HttpCall, HttpReply

WEBHOOKS = ("bills.approved", "bills.ready_to_sync", "bills.paid", "transactions.cleared", "transactions.ready_to_sync")
# The app of each business has the number in its client id.
CLIENT = "ramp_id_swarm_"
PUMP_S = 0.25
# What a company's books have to offer, as a `Visitor` shows it.
Chart = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the books must have once: a bill, a payment of one, or a card transaction, by the id that Ramp gave it."""

    kind: str
    id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Business:
    """One business as it stands at the end; `marks` are what it was told: kind, id and reference."""

    number: int
    total: Decimal
    wanted: tuple[Wanted, ...]
    marks: tuple[tuple[str, str, str], ...]
    failed: int


@dataclass(slots=True)
class Vendors:
    """The way to the other process."""

    pipe: Connection
    process: Any
    url: str

    def ask(self, name: str, given: Any = None) -> Any:
        """What it answers to a question."""
        self.pipe.send((name, given))
        return self.pipe.recv()

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self.pipe.send(("end", None))
        self.pipe.close()
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()


def start(options: Options, charts: Sequence[Chart], ports: Sequence[int]) -> Vendors:
    """All businesses, each coded to the chart of its company file; webhooks go to any of the ports."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, options, charts, tuple(ports)), daemon=True)
    process.start()
    theirs.close()
    return Vendors(ours, process, ours.recv())


@dataclass(slots=True)
class _City:
    """The businesses, and what happens in them."""

    options: Options
    ports: tuple[int, ...]
    businesses: list[Any]
    chance: random.Random
    stopping: threading.Event = field(default_factory=threading.Event)
    calm: threading.Event = field(default_factory=threading.Event)
    lines: dict[int, http.client.HTTPConnection] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    webhooks: int = 0
    changes: int = 0

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """The API of all businesses at one address, as at Ramp; a call takes less than handing it to a thread."""
        if scope["type"] != "http":
            return
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        headers.setdefault("x-forwarded-proto", "http")
        query = scope["query_string"].decode("ascii")
        call = HttpCall(scope["method"], scope["path"], query, headers, b"".join(parts), "127.0.0.1")
        reply = self._answer(call)
        answer = [(key.encode(), value.encode()) for key, value in reply.headers.items()]
        answer.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": answer})
        await send({"type": "http.response.body", "body": reply.body})

    def _answer(self, call: HttpCall) -> HttpReply:
        """Credentials say whose call it is: those of the app where a token is asked for, the token everywhere else."""
        kind, _, given = call.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            client = base64.b64decode(given).decode("ascii").partition(":")[0]
            number = int(client.removeprefix(CLIENT))
            reply: HttpReply = self.businesses[number].simulator.handle(call)
            if reply.status == 200 and b"access_token" in reply.body:
                self.tokens[json.loads(reply.body)["access_token"]] = number
            return reply
        if given.strip() not in self.tokens:
            return HttpReply(401, {"content-type": "application/json"}, b"{}")
        answer: HttpReply = self.businesses[self.tokens[given.strip()]].simulator.handle(call)
        return answer

    def people(self) -> None:
        """Now and then somebody enters or pays a bill, or buys something."""
        from connectors.ramp.simulator.build import pay_bill
        from connectors.ramp.simulator.seed import Mix, Tags, _Maker

        wait = 60.0 / max(0.001, self.options.changes_a_minute)
        while not self.calm.wait(wait * self.chance.uniform(0.5, 1.5)):
            one = self.chance.choice(self.businesses)
            world, simulator = one.simulator.world, one.simulator
            with simulator._lock:  # noqa: SLF001 - what people do happens between two calls
                accounts = [bill.lines[0].selections[0].account for bill in world.bills.values()]
                maker = _Maker(world, accounts, Tags(), Mix(0.2, 0.1, 0, 0, pending=0, declined=0))
                maker.chance = self.chance
                what = self.chance.random()
                open_ones = [bill.id for bill in world.bills.values() if bill.payment is None]
                if what < 0.3 and open_ones:
                    pay_bill(world, self.chance.choice(open_ones))
                elif what < 0.65:
                    maker.bill(len(world.bills), list(world.vendors.values()))
                else:
                    maker.transaction()
            self.changes += 1

    def post(self) -> None:
        """Webhooks that are due go to any of the replicas; Ramp tries again what was not taken."""
        while not self.stopping.wait(PUMP_S):
            for number, one in enumerate(self.businesses):
                if one.simulator.world.events or one.simulator.world.deliveries:
                    one.simulator.deliver(lambda delivery, number=number: self._send(number, delivery))

    def _send(self, number: int, delivery: Any) -> int:
        port = self.chance.choice(self.ports)
        line = self.lines.pop(port, None) or http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            line.request("POST", f"/webhooks/{code(number)}/ramp", delivery.body, dict(delivery.headers))
            answer = line.getresponse()
            answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        self.lines[port] = line
        self.webhooks += 1
        return answer.status

    def unready(self) -> list[int]:
        """The businesses that wait to be told of something."""
        return [number for number, one in enumerate(self.businesses) if any(one.simulator.totals().ready.values())]

    def truth(self) -> list[Business]:
        """All of them as they stand."""
        return [_business(number, one) for number, one in enumerate(self.businesses)]


def _business(number: int, one: Any) -> Business:
    from engine.money import from_minor

    world = one.simulator.world
    wanted = []
    for bill in world.bills.values():
        wanted.append(Wanted("Bill", bill.id, from_minor(bill.minor, bill.currency)))
        if bill.payment is not None:
            wanted.append(Wanted("BillPaymentCheck", bill.id, from_minor(bill.payment.minor, bill.currency)))
    for row in world.transactions.values():
        kind = "CreditCardCharge" if row.settled.minor > 0 else "CreditCardCredit"
        wanted.append(Wanted(kind, row.id, abs(from_minor(row.settled.minor, row.settled.currency))))
    marks = tuple((mark.kind, mark.object_id, mark.reference) for mark in world.marks)
    return Business(number, one.total(), tuple(wanted), marks, len(world.failed))


def _city(options: Options, charts: Sequence[Chart], ports: tuple[int, ...]) -> _City:
    from connectors.ramp.sandbox import make
    from connectors.ramp.simulator.records import Subscription
    from engine.clock import SystemClock

    clock = SystemClock()
    # All of it is ready to be posted: what waits for people would never come to rest.
    mix = {"unapproved": 0.0, "pending": 0.0, "declined": 0.0}
    businesses = []
    for number, chart in enumerate(charts):
        given = {"bills": options.records, "transactions": options.records, "vendors": 1, "chart": chart, "mix": mix}
        one = make(options.seed * 1_000_000 + number, clock, given)
        now, world = clock.now() - timedelta(days=1), one.simulator.world
        world.options = replace(world.options, client_id=f"{CLIENT}{number}")
        made = Subscription(
            f"sub-{number}", f"https://swarm/{code(number)}", WEBHOOKS, now, now, status="active",
            secret=world.options.webhook_secret or "",
        )  # fmt: skip
        world.subscriptions[made.id] = made
        businesses.append(one)
    return _City(options, ports, businesses, random.Random(f"{options.seed}:people"))


def _serve(pipe: Connection, options: Options, charts: Sequence[Chart], ports: tuple[int, ...]) -> None:
    import uvicorn

    from engine.serving import bind

    city = _city(options, charts, ports)
    listener = bind("127.0.0.1", 0)
    made = uvicorn.Config(city.app, interface="asgi3", ws="none", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(made)
    for work in (lambda: server.run(sockets=[listener]), city.post):
        threading.Thread(target=work, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    pipe.send(f"http://127.0.0.1:{listener.getsockname()[1]}")
    while True:
        try:
            name, _ = pipe.recv()
        except EOFError:
            return
        if name == "end":
            return
        if name == "people":
            threading.Thread(target=city.people, daemon=True).start()
        if name == "calm":
            city.calm.set()
        answers: dict[str, Callable[[], Any]] = {
            "unready": city.unready,
            "truth": city.truth,
            "counts": lambda: (city.webhooks, city.changes),
        }
        pipe.send(answers.get(name, lambda: None)())
