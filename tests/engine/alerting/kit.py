"""A company with a watchman whose messages go nowhere but into a list, and servers on loopback that take real ones."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from engine.alerting import channels, rules
from engine.alerting.addresses import Address, NotTaken
from engine.alerting.message import Message
from engine.alerting.postman import Postman
from engine.alerting.watchman import Watchman
from engine.clock import iso
from engine.follow import Hand
from engine.store import records
from engine.store.base import Row
from engine.store.records import Intake, NewRecord, Place, Reason, State
from engine.testing import FakeClock
from engine.world import World
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench

MISSING = Reason("unmapped", "vendor `Foo` is not mapped", "map it", ("mapping:vendor:v-7", "mapping:vendor:Foo"))


@dataclass
class Post:
    """Takes messages in the place of apprise; `faults` are refused first, by the address."""

    sent: list[tuple[str, Message]] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def send(self, url: str, message: Message) -> None:
        if self.faults.get(url):
            raise NotTaken(self.faults[url].pop(0))
        self.sent.append((url, message))

    def take(self) -> list[str]:
        """The titles of the messages since the last look."""
        titles = [message.title for _, message in self.sent]
        self.sent.clear()
        return titles


@dataclass
class Watch:
    """A company, its watchman, and what was sent."""

    bench: Bench
    post: Post
    man: Watchman

    @property
    def world(self) -> World:
        return self.bench.world

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.world.clock, FakeClock)
        return self.world.clock

    def hand(self, company: str = COMPANY) -> Hand:
        return Hand(company, self.world.at(), "cli:pat")

    def channel(self, name: str = "ops", company: str = COMPANY, **wishes: str) -> channels.Channel:
        """A channel whose address is its name."""
        address = Address(f"test://{name}", "test://***")
        with self.world.store.write() as tx:
            return channels.add(tx, self.hand(company), self.world.vault, name, address, channels.wanted(wishes))

    def rule(self, name: str, company: str = COMPANY, **values: str) -> None:
        with self.world.store.write() as tx:
            rules.put(tx, self.hand(company), name, values)

    def records(
        self,
        count: int,
        state: State = "failed",
        reason: Reason | None = None,
        *,
        amount: str = "10.05",
        prefix: str = "r",
    ) -> list[int]:
        """Records in a state, as runs would have left them."""
        reason = reason or Reason("refused", "the account is closed", "open it")
        new = [
            NewRecord(
                Intake(f"{prefix}-{n}", "{}", "0" * 64, amount, "USD", "Acme", f"N-{prefix}-{n}", "2026-02-01"),
                state,
                (reason,),
            )
            for n in range(count)
        ]
        with self.world.store.write() as tx:
            return records.insert(tx, Place(COMPANY, FLOW, "bills", "post"), 1, self.world.at(), "test", new)

    def move(self, number: int, state: State) -> None:
        with self.world.store.write() as tx:
            row = tx.one("record_get", {"id": number})
            assert row is not None
            records.move(tx, COMPANY, self.world.at(), "test", [records.Move(row, state, state)])

    def tick(self, span: str = "") -> list[str]:
        """Let time pass, look, send; the titles of what was sent."""
        if span:
            self.clock.advance(span)
        self.man.tick()
        return self.post.take()

    def rows(self, name: str, **scope: object) -> list[Row]:
        with self.world.store.read() as tx:
            return tx.rows(name, scope)

    def open(self, company: str = COMPANY) -> list[tuple[str, str, int]]:
        """The open notices: rule, title, records."""
        return [(r["rule"], r["title"], r["records"]) for r in self.rows("alert_notices_open", company=company)]

    def events(self, company: str = COMPANY) -> list[tuple[str, dict[str, Any]]]:
        """Lines of the journal about alerts, with their details."""
        rows = self.rows("journal_from", company=company, after=0, limit=10_000)
        return [(r["event"], json.loads(r["detail"])) for r in rows if r["event"].startswith("alert_")]


@contextmanager
def watch() -> Iterator[Watch]:
    """A company `acme` whose Web Connector has just come, with nothing wrong."""
    with kit.bench() as bench:
        post = Post()
        man = Watchman(bench.world, {FLOW: bench.program}, None, Postman(bench.world, post.send, 5.0))
        with bench.world.store.write() as tx:
            visit(tx, bench.world)
            # Time passes in most tests, and the Web Connector is the matter of few.
            tx.run("alert_rule_put", {"company": COMPANY, "rule": "poll", "settings": '{"on": false}', "at": kit.AT})
        yield Watch(bench, post, man)


def visit(tx: Any, world: World) -> None:
    """The Web Connector comes, and goes."""
    at = iso(world.clock.now())
    tx.run("session_insert", {"ticket_hash": f"t-{at}", "company": COMPANY, "state": "{}", "at": at})
    tx.run("session_close", {"ticket_hash": f"t-{at}", "at": at})


# --- servers


@dataclass
class Taken:
    """What a server on loopback has taken; it answers with `status`."""

    port: int = 0
    status: int = 200
    bodies: list[tuple[str, Any]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)


@contextmanager
def http_server() -> Iterator[Taken]:
    """Takes posts of JSON."""
    taken = Taken()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.bodies.append((self.path, json.loads(body)))
            self.send_response(taken.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    taken.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a sender needs."""

    def handle(self) -> None:
        self.say("220 here")
        while line := self.rfile.readline():
            word = line.split(b" ")[0].strip().upper()
            if word == b"DATA":
                self.say("354 go on")
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                found = BytesParser(policy=default).parsebytes(b"".join(lines))
                self.server.taken.mails.append(found)  # type: ignore[attr-defined] # a server of ours
            self.say("250 so be it" if word != b"QUIT" else "221 bye")
            if word == b"QUIT":
                return

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@contextmanager
def mail_server() -> Iterator[Taken]:
    """Takes mail."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.daemon_threads = True
        taken = Taken(server.server_address[1])
        server.taken = taken  # type: ignore[attr-defined] # for its handler
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield taken
        finally:
            server.shutdown()
            thread.join(5)
