"""The door of agents that poll: one commit for all that wait, each call alone in what it leaves, nobody behind a password."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from connectors.qbwc.auth import _MOST_WAITING, Doorkeeper
from connectors.qbwc.routes import handler_of
from connectors.qbwc.sandbox import PASSWORD, USER
from connectors.qbwc.sandbox import make as make_books
from connectors.qbwc.session import Service
from connectors.qbwc.simulator import dotnet
from engine.clock import SystemClock, SystemIds
from engine.connections.connecting import connect
from engine.contract import Handler, HttpCall, HttpReply
from engine.desk import StoreOutbox
from engine.errors import NotAtOnce, StoreBusy
from engine.polldoor import ASIDE, SHORT, UNAVAILABLE, PollDoor
from engine.store import companies
from engine.store.base import Store
from engine.store.sqlite import SqliteStore
from engine.vault import Vault
from engine.world import World
from tests import stores

AT = "2026-11-22T06:00:00.000000+00:00"
OK = HttpReply(200, {}, b"ok")
Post = Callable[..., Any]


async def nowhere(_scope: object, _receive: object, send: Any) -> None:
    """What stands behind the door."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"behind"})


def door(store: Store, handler: Handler) -> PollDoor:
    return PollDoor(nowhere, store, {"agent": handler}, SystemIds())


async def post(through: PollDoor, body: bytes, *, path: str = "/agent", method: str = "POST") -> tuple[int, bytes]:
    """One request; its status and body."""
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [],
        "client": ("1.2.3.4", 5),
    }
    await through(scope, receive, send)
    return said[0]["status"], said[1]["body"]


async def _kept(answers: dict[str, tuple[int, bytes]], through: PollDoor, body: bytes) -> None:
    answers[body.decode()] = await post(through, body)


def adding(
    store: SqliteStore, *, first: threading.Event | None = None, begun: threading.Event | None = None
) -> Handler:
    """A handler that adds the company that the body names; one called `bad` fails after that, and the first one may wait."""

    def handle(call: HttpCall) -> HttpReply:
        name = call.body.decode()
        with store.write(name) as tx:
            companies.add(tx, name, name, AT)
        if name == "first" and begun is not None and first is not None:
            begun.set()
            assert first.wait(30)
        return HttpReply(500, {}, b"failed") if name == "bad" else HttpReply(200, {}, name.encode())

    return handle


def added(store: SqliteStore) -> tuple[str, ...]:
    with store.read() as tx:
        return companies.names(tx)


def all_at_once(through: PollDoor, bodies: Sequence[bytes], begun: threading.Event, go: threading.Event) -> Any:
    """Post the first one, and the others while it is under way."""
    answers: dict[str, tuple[int, bytes]] = {}

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_kept, answers, through, bodies[0])
            await anyio.to_thread.run_sync(begun.wait, 30)
            for body in bodies[1:]:
                group.start_soon(_kept, answers, through, body)
            while len(through._queue) < len(bodies) - 1:  # noqa: ASYNC110 - it is the door that is looked at
                await anyio.sleep(0.001)
            go.set()

    anyio.run(main)
    return answers


@pytest.fixture
def store(tmp_path: Path) -> Any:
    made = stores.opened(tmp_path)
    yield made
    made.close()


@pytest.mark.only_sqlite("one commit stands for several calls only there")
def test_calls_that_wait_share_one_commit_and_each_keeps_what_it_did(store: SqliteStore) -> None:
    begun, go, commits = threading.Event(), threading.Event(), list[str]()
    store.connection.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
    through = door(store, adding(store, first=go, begun=begun))
    bodies = [b"first", *(b"c%d" % number for number in range(20))]
    answers = all_at_once(through, bodies, begun, go)
    assert answers == {body.decode(): (200, body) for body in bodies}
    assert len(commits) == 2
    assert added(store) == tuple(sorted(body.decode() for body in bodies))


@pytest.mark.only_sqlite("one commit stands for several calls only there")
def test_an_answer_that_says_that_nothing_was_done_leaves_nothing_and_the_others_stay(store: SqliteStore) -> None:
    begun, go = threading.Event(), threading.Event()
    through = door(store, adding(store, first=go, begun=begun))
    answers = all_at_once(through, [b"first", b"a", b"bad", b"b"], begun, go)
    assert answers == {"first": (200, b"first"), "a": (200, b"a"), "bad": (500, b"failed"), "b": (200, b"b")}
    assert added(store) == ("a", "b", "first")


@pytest.mark.only_sqlite("one commit stands for several calls only there")
def test_nobody_is_told_that_it_is_done_when_the_commit_fails(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        store._undo()
        raise StoreBusy

    begun, go = threading.Event(), threading.Event()
    through = door(store, adding(store, first=go, begun=begun))
    monkeypatch.setattr(store, "_commit", full)
    answers = all_at_once(through, [b"first", b"a"], begun, go)
    assert answers == {"first": (503, UNAVAILABLE.body), "a": (503, UNAVAILABLE.body)}
    assert added(store) == ()


@pytest.mark.only_sqlite("one commit stands for several calls only there")
def test_what_takes_long_is_asked_again_aside(store: SqliteStore) -> None:
    seen: list[tuple[bool, bool]] = []

    def handle(call: HttpCall) -> HttpReply:
        seen.append((call.at_once, store._depth > 0))
        if call.at_once:
            raise NotAtOnce
        return OK

    assert anyio.run(post, door(store, handle), b"x") == (200, b"ok")
    # At once it was inside the transaction of all, and the second time outside of any.
    assert seen == [(True, True), (False, False)]


class _Greeter:
    """A handler that greets whoever says so, and writes for everybody else."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __call__(self, call: HttpCall) -> HttpReply:
        with self.store.write("acme") as tx:
            companies.add(tx, "acme", "acme", AT)
        return HttpReply(200, {}, call.body)

    def greeting(self, call: HttpCall) -> HttpReply | None:
        return HttpReply(200, {}, b"hello") if call.body == b"hello?" else None


def test_what_needs_no_store_does_not_wait_for_those_that_write(store: Store) -> None:
    through = door(store, _Greeter(store))
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        with store.write():
            begun.set()
            assert go.wait(30)

    async def main() -> dict[str, tuple[int, bytes]]:
        answers: dict[str, tuple[int, bytes]] = {}
        await anyio.to_thread.run_sync(begun.wait, 30)
        async with anyio.create_task_group() as group:
            group.start_soon(_kept, answers, through, b"more")
            answers["first"] = await post(through, b"hello?")
            assert answers == {"first": (200, b"hello")}
            go.set()
        return answers

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        assert anyio.run(main) == {"first": (200, b"hello"), "more": (200, b"more")}
    finally:
        go.set()
        holding.join()


@pytest.mark.only_sqlite("one commit stands for several calls only there")
def test_a_long_message_has_a_transaction_of_its_own(store: SqliteStore) -> None:
    seen: list[tuple[bool, bool]] = []

    def handle(call: HttpCall) -> HttpReply:
        seen.append((call.at_once, store._depth > 0))
        return OK

    assert anyio.run(post, door(store, handle), b"x" * (SHORT + 1)) == (200, b"ok")
    assert seen == [(False, False)]


def test_what_is_not_posted_to_an_agents_place_goes_on(store: Store) -> None:
    through = door(store, lambda _call: OK)
    assert anyio.run(lambda: post(through, b"", method="GET")) == (404, b"behind")
    assert anyio.run(lambda: post(through, b"", path="/panel")) == (404, b"behind")
    assert anyio.run(lambda: post(through, b"", path="/agent/deeper")) == (200, b"ok")


def test_a_flood_of_wrong_passwords_holds_up_no_session_of_another_company(store: Store) -> None:
    world, books = World(store, Vault(b"0" * 32)), make_books(1, SystemClock(), {})
    connect(world, "acme", "books", "qbwc", *books.binding("http://127.0.0.1:8000"))
    keeper = Doorkeeper(world.clock, wait_s=60.0)
    through = door(store, handler_of(Service(StoreOutbox(world, {}), world.clock, world.ids, keeper)))

    def login(user: str, password: str) -> bytes:
        return dotnet.request("authenticate", {"strUserName": user, "strPassword": password})[0]

    async def main() -> None:
        answers: dict[str, tuple[int, bytes]] = {}
        ticket = dotnet.strings(dotnet.result("authenticate", *await post(through, login(USER, PASSWORD)), "text/xml"))[
            0
        ]
        # Nobody's password is hashed any more, as if a thousand were before it.
        assert keeper.slots.acquire(timeout=10)
        assert keeper.slots.acquire(timeout=10)
        async with anyio.create_task_group() as group:
            for number in range(3 * ASIDE):
                group.start_soon(_kept, answers, through, login(f"guess-{number}", "wrong"))
            while len(answers) < 3 * ASIDE - _MOST_WAITING:  # noqa: ASYNC110 - it is the answers that are counted
                await anyio.sleep(0.001)
            asked = {"ticket": ticket, "strHCPResponse": "", "strCompanyFileName": "C:\\sandbox.qbw"}
            call = dotnet.request(
                "sendRequestXML", {**asked, "qbXMLCountry": "US", "qbXMLMajorVers": 16, "qbXMLMinorVers": 0}
            )
            status, body = await post(through, call[0])
            assert (status, b"HostQueryRq" in body) == (200, True)
            # Its own Web Connector signs in as well: what was right here before needs no hashing.
            status, body = await post(through, login(USER, PASSWORD))
            assert (status, b"nvu" in body, b"busy" in body) == (200, False, False)
            keeper.slots.release()
            keeper.slots.release()
        said = [dotnet.strings(dotnet.result("authenticate", *answer, "text/xml"))[1] for answer in answers.values()]
        assert Counter(said) == {"busy": 3 * ASIDE - _MOST_WAITING, "nvu": _MOST_WAITING}

    anyio.run(main)
