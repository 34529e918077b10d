"""The HTTP server: what is refused before it is read, what each webhook is answered, and what the handlers are handed."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from engine import bodies, log
from engine.app import Duty, build
from engine.bodies import BodyRefused, read_body
from engine.contract import HttpCall, HttpReply
from engine.errors import StoreBusy, StoreDamaged, StoreError
from engine.server import Server, mounted
from engine.service import Service
from engine.serving import app_of, running
from engine.store import companies
from engine.store.base import Timed
from engine.store.sqlite import SqliteStore
from engine.telemetry import vitals
from engine.telemetry.vitals import Worker
from engine.vault import Vault
from engine.webhooks import hookdoor
from engine.world import World
from tests import stores
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, count

HOOK = "/webhooks/acme/shop"
SIGNED = {"X-Signature": "hush"}
EVENT = {"id": "e-1", "type": "bill.ready", "object": "b-1"}


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with kit.bench() as made:
        if isinstance(made.world.store, Timed):  # a store that has the tests' own time
            monkeypatch.setattr(type(made.world.store), "now", lambda _store: made.world.clock.now())
        yield made


def app_for(bench: Bench, poked: list[str] | None = None) -> Starlette:
    poke = (lambda: poked.append("poke")) if poked is not None else (lambda: None)
    return Server(bench.world, {FLOW: bench.program}, bench.outbox, poke).app()


def ask(app: Starlette, method: str, url: str, **more: Any) -> httpx.Response:
    """One request, without a socket."""

    async def main() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, url, **more)

    return anyio.run(main)


def hook(bench: Bench, body: object = EVENT, url: str = HOOK, headers: dict[str, str] | None = None) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(app_for(bench), "POST", url, content=content, headers=SIGNED if headers is None else headers)


def next_read(bench: Bench) -> dict[str, str]:
    with bench.world.store.read() as tx:
        rows = tx.rows("schedule_due", {"company": COMPANY, "flow": FLOW, "at": "9999"})
    return {row["stream"]: row["next_at"] for row in rows}


# --- health


GOOD = {
    "store": {"level": "ok", "says": "can be written"},
    "schema": {"level": "ok", "says": f"version {kit.newest_schema()}"},
    "keys": {"level": "ok", "says": "the master key opens the store's keys"},
    # Only machines that share a store have clocks to compare.
    **({"clock": {"level": "ok", "says": "goes with the store's"}} if stores.ON_POSTGRES else {}),
    "worker": {"level": "ok", "says": "not started here; the sources are read by another process"},
}
BROWSER = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


def ready(bench: Bench, worker: Worker | None = None, **more: Any) -> httpx.Response:
    server = Server(bench.world, {FLOW: bench.program}, bench.outbox, worker=worker or Worker())
    return ask(server.app(), "GET", "/readyz", **more)


def test_health(bench: Bench) -> None:
    up = ask(app_for(bench), "GET", "/healthz")
    assert (up.status_code, up.json()) == (200, {"status": "up"})
    answer = ready(bench)
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "checks": GOOD})
    assert answer.headers["cache-control"] == "no-store"


def test_health_in_words(bench: Bench) -> None:
    up = ask(app_for(bench), "GET", "/healthz", headers=BROWSER)
    assert (up.text, up.headers["content-type"]) == ("up\n", "text/plain; charset=utf-8")
    answer = ready(bench, headers=BROWSER)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "ready\n" + "".join(f"{name}: {check['says']}\n" for name, check in GOOD.items())


def bad(says: str, hint: str = "") -> dict[str, str]:
    return {"level": "bad", "says": says, **({"hint": hint} if hint else {})}


class _Elsewhere:
    """A store that machines share, whose clock is `ahead_s` of the world's."""

    def __init__(self, bench: Bench, ahead_s: float) -> None:
        store = bench.world.store
        self.write, self.read, self.close = store.write, store.read, store.close
        self.clock, self.ahead_s = bench.world.clock, ahead_s

    def now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.ahead_s)


@pytest.mark.parametrize(
    ("ahead_s", "says"),
    [
        (19.0, ""),
        (-19.0, ""),
        (20.0, "this machine's clock is 20 s behind the store's"),
        (-3600.0, "this machine's clock is 3600 s ahead of the store's"),
    ],
)
def test_a_machine_whose_clock_is_wrong_is_not_ready(bench: Bench, ahead_s: float, says: str) -> None:
    world = replace(bench.world, store=_Elsewhere(bench, ahead_s))
    answer = ask(Server(world, {FLOW: bench.program}, bench.outbox, worker=Worker()).app(), "GET", "/readyz")
    told = (
        bad(says, "let every machine set its clock by the network (NTP)")
        if says
        else {"level": "ok", "says": "goes with the store's"}
    )
    assert answer.status_code == (503 if says else 200)
    assert answer.json()["checks"]["clock"] == told


@pytest.mark.parametrize("error", [StoreBusy("locked", hint="wait"), StoreDamaged("broken")])
def test_not_ready_without_a_store(bench: Bench, monkeypatch: pytest.MonkeyPatch, error: StoreError) -> None:
    def refuse(_self: object, *_of: str) -> None:
        raise error

    monkeypatch.setattr(type(bench.world.store), "write", refuse)
    answer = ready(bench)
    unasked = ("schema", "keys", "clock")
    checks = {name: check for name, check in GOOD.items() if name not in unasked}
    checks["store"] = bad(str(error), error.hint or "")
    assert (answer.status_code, answer.json()) == (
        503, {"status": "not ready", "reason": str(error), "checks": checks},
    )  # fmt: skip
    assert ask(app_for(bench), "GET", "/healthz").status_code == 200


def test_not_ready_when_the_worker_has_ended(bench: Bench) -> None:
    answer = ready(bench, Worker(is_started=lambda: True, is_alive=lambda: False))
    checks = {**GOOD, "worker": bad("the worker has ended", "restart flowctl and report its log")}
    assert (answer.status_code, answer.json()) == (
        503, {"status": "not ready", "reason": "the worker has ended", "checks": checks},
    )  # fmt: skip


def test_a_worker_that_is_long_at_one_thing_keeps_nobody_out(bench: Bench) -> None:
    answers = [ready(bench, Worker(lambda: True, lambda: True, lambda s=s: s)) for s in (900.0, 901.0)]  # type: ignore[misc]
    assert [(a.status_code, a.json()["checks"]["worker"]) for a in answers] == [
        (200, {"level": "ok", "says": "at work"}),
        (200, {"level": "slow", "says": "at one piece of work for 15 min", "hint": "the log says what it does"}),
    ]


def test_not_ready_with_another_key(bench: Bench) -> None:
    stranger = replace(bench.world, vault=Vault(os.urandom(32)))
    answer = ask(Server(stranger, {}, bench.outbox).app(), "GET", "/readyz")
    words = "the master key does not open the store's keys"
    hint = "give back the key that the store was used with; `flowctl doctor` names it"
    assert (answer.status_code, answer.json()) == (
        503, {"status": "not ready", "reason": words, "checks": {**GOOD, "keys": bad(words, hint)}},
    )  # fmt: skip


def test_not_ready_when_another_version_has_migrated_the_store(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(bench.world.store), "versions", lambda _store: (99, 13))
    answer = ready(bench)
    words = "version 99, and this flowctl knows version 13"
    hint = "restart flowctl with the newest version that was used on this store"
    assert (answer.status_code, answer.json()["reason"], answer.json()["checks"]["schema"]) == (
        503,
        words,
        bad(words, hint),
    )


@pytest.mark.only_sqlite("PostgreSQL's disk is another machine's matter")
def test_not_ready_on_a_full_disk(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path / "flowctl.db")
    world = replace(bench.world, store=store)
    for free, status, said in (
        (vitals.LEAST_FREE, 200, {"level": "ok", "says": "has room"}),
        (vitals.LEAST_FREE - 1, 503, bad("49 MiB are free", "free disk space: nothing can be kept any more")),
    ):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free: SimpleNamespace(free=free))
        answer = ask(Server(world, {}, bench.outbox).app(), "GET", "/readyz")
        assert (answer.status_code, answer.json()["checks"]["disk"]) == (status, said)
    store.close()


def test_readiness_is_looked_at_once_a_second(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def counted(_worker: Worker) -> vitals.Check:
        looks.append(1)
        return vitals.Check("worker", "ok", "x")

    monkeypatch.setattr(vitals, "_worker", counted)
    app = app_for(bench)
    for _ in range(3):
        assert ask(app, "GET", "/readyz").status_code == 200
    assert len(looks) == 1
    bench.world.clock.sleep(1)
    assert ask(app, "GET", "/readyz").status_code == 200
    assert len(looks) == 2


def test_whoever_asks_is_told_in_time_while_a_look_takes_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away is waited for, and a load balancer does not wait for that."""
    back, looks = threading.Event(), list[int]()

    def store(_world: World) -> Iterator[vitals.Check]:
        looks.append(1)
        back.wait(60)
        yield vitals.Check("store", "ok", "can be written")

    async def main() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app_for(bench)), base_url="http://test") as client:
            try:
                found = [await client.get("/readyz"), await client.get("/readyz")]
                monkeypatch.setattr(vitals, "MOST_S", 60.0)
            finally:
                back.set()
            return [*found, await client.get("/readyz")]

    monkeypatch.setattr(vitals, "MOST_S", 0.2)
    monkeypatch.setattr(vitals, "_store", store)
    *early, late = anyio.run(main)
    assert [answer.status_code for answer in (*early, late)] == [503, 503, 200]
    assert early[0].json()["reason"].startswith("did not answer within")
    assert set(early[0].json()["checks"]) == {"store", "worker"}
    assert len(looks) == 1


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [("GET", "/", 404), ("GET", HOOK, 405), ("POST", "/healthz", 405), ("PUT", "/ledger", 405)],
)
def test_what_is_not_served(bench: Bench, method: str, url: str, status: int) -> None:
    assert ask(app_for(bench), method, url).status_code == status


# --- webhooks


def test_an_event_is_kept_and_brings_its_streams_forward(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        for stream in ("vendors", "bills", "payments"):
            tx.run("schedule_create", {"company": COMPANY, "flow": FLOW, "stream": stream, "at": "2030"})
    poked: list[str] = []
    answer = ask(app_for(bench, poked), "POST", HOOK, content=json.dumps(EVENT), headers=SIGNED)
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (
        200, {"status": "accepted"}, "application/json",
    )  # fmt: skip
    assert next_read(bench) == {"vendors": "2030", "bills": bench.world.at(), "payments": "2030"}
    assert poked == ["poke"]


def test_the_same_event_again_has_no_effect(bench: Bench) -> None:
    poked: list[str] = []
    app = app_for(bench, poked)
    for _ in range(3):
        assert ask(app, "POST", HOOK, content=json.dumps(EVENT), headers=SIGNED).status_code == 200
        bench.world.clock.sleep(60)
    assert poked == ["poke"]
    assert count(bench.world.store, "webhook_events") == 1
    assert next_read(bench) == {"bills": kit.AT}


def test_an_event_that_no_stream_waits_for_is_kept(bench: Bench) -> None:
    assert hook(bench, {"id": "e-2", "type": "other"}).status_code == 200
    assert (count(bench.world.store, "webhook_events"), next_read(bench)) == (1, {})


def test_a_handshake_is_answered(bench: Bench) -> None:
    answer = hook(bench, {"challenge": "c-1"})
    assert (answer.status_code, answer.json()) == (200, {"challenge": "c-1"})
    assert count(bench.world.store, "webhook_events") == 0


@pytest.mark.parametrize("headers", [{}, {"X-Signature": "wrong"}])
def test_a_forged_event_is_refused(bench: Bench, headers: dict[str, str]) -> None:
    answer = hook(bench, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"error": "the signature does not match"})
    assert count(bench.world.store, "webhook_events") == 0


@pytest.mark.parametrize("url", ["/webhooks/nobody/shop", "/webhooks/acme/other", "/webhooks/acme/ledger"])
def test_an_endpoint_that_is_not_there_is_told_like_a_wrong_signature(bench: Bench, url: str) -> None:
    answer, forged = hook(bench, url=url), hook(bench, headers={})
    assert (answer.status_code, answer.json()) == (401, {"error": "the signature does not match"})
    assert (forged.status_code, forged.content, forged.headers) == (answer.status_code, answer.content, answer.headers)


def test_a_connector_that_is_gone(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.put_connection(tx, COMPANY, "shop", "gone", {}, kit.AT)
    assert hook(bench).status_code == 401


@pytest.mark.parametrize("field", ["hook_secret", "api_key"])
def test_a_setting_that_is_not_given_yet_is_our_own_trouble(bench: Bench, field: str) -> None:
    with bench.world.store.write() as tx:
        companies.drop_secret(tx, COMPANY, "shop", field)
    answer = hook(bench)
    assert (answer.status_code, answer.json()) == (503, {"error": "this endpoint is not set up"})


def test_a_busy_store_asks_for_the_event_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: object, *_of: str) -> None:
        raise StoreBusy("locked")

    monkeypatch.setattr(type(bench.world.store), "write", refuse)
    answer = hook(bench)
    assert (answer.status_code, answer.json()) == (503, {"error": "not available, send it again"})


def test_an_event_that_is_none(bench: Bench) -> None:
    answer = hook(bench, b"not json")
    assert (answer.status_code, answer.json()) == (400, {"error": "this is not an event"})


def test_no_payload_reaches_an_answer_or_a_log(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for body, headers in ((b'{"canary": 1', SIGNED), (b'{"canary": 1}', {"X-Signature": "canary"})):
        assert "canary" not in hook(bench, body, headers=headers).text
    assert "canary" not in capsys.readouterr().err


# --- caps and deadlines


def echo(call: HttpCall) -> HttpReply:
    return HttpReply(200, {"x-length": str(len(call.body))}, call.body)


def small(limit: int = 10) -> Starlette:
    from starlette.routing import Route

    return Starlette(routes=[Route("/", mounted(echo, limit=limit), methods=["POST"])])


def test_a_body_up_to_the_limit_is_taken() -> None:
    assert ask(small(), "POST", "/", content=b"x" * 10).headers["x-length"] == "10"
    assert ask(small(), "POST", "/", content=b"").headers["x-length"] == "0"


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    answer = ask(small(), "POST", "/", content=b"x" * 11)
    assert (answer.status_code, answer.text) == (413, "the body is larger than 10 bytes")


async def _chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


@pytest.mark.parametrize(
    ("sizes", "status"), [((5, 5), 200), ((5, 5, 1), 413), ((11,), 413), ((1,) * 11, 413), ((), 200)]
)
def test_a_body_in_chunks_is_counted(sizes: tuple[int, ...], status: int) -> None:
    assert ask(small(), "POST", "/", content=_chunks(*sizes)).status_code == status


def test_a_length_that_lies_is_counted() -> None:
    assert ask(small(), "POST", "/", content=_chunks(20), headers={"content-length": "5"}).status_code == 413
    assert ask(small(), "POST", "/", content=_chunks(5), headers={"content-length": "five"}).status_code == 200


def test_a_large_webhook_is_refused(bench: Bench) -> None:
    answer = hook(bench, b"x" * (hookdoor.BODY_LIMIT + 1))
    assert (answer.status_code, answer.json()) == (413, {"error": "the body is larger than 1048576 bytes"})


def slowly(sizes: Sequence[int], pause_s: float, limit: int = 10**6) -> bytes:
    """A body in chunks of these sizes, each after a pause, as it is read."""
    left = list(sizes)

    async def receive() -> dict[str, Any]:
        await anyio.sleep(pause_s)
        size = left.pop(0)
        return {"type": "http.request", "body": b"x" * size, "more_body": bool(left)}

    async def main() -> bytes:
        return await read_body(Request({"type": "http", "method": "POST", "headers": [], "path": "/"}, receive), limit)

    return anyio.run(main)


def test_a_body_on_a_slow_line_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes five times as long as a body may be silent."""
    monkeypatch.setattr(bodies, "BODY_IDLE_S", 0.05)
    assert len(slowly([30_000] * 10, 0.025)) == 300_000
    assert bodies._SLOW.count == 0


@pytest.mark.parametrize(
    ("sizes", "pause_s", "deadline_s"),
    [
        # Nothing comes; hardly anything comes; it never ends.
        ((5000, 1), 0.2, 300.0),
        ((1,) * 40, 0.01, 300.0),
        ((5000,) * 40, 0.01, 0.15),
    ],
)
def test_a_slow_body_is_refused(
    monkeypatch: pytest.MonkeyPatch, sizes: Sequence[int], pause_s: float, deadline_s: float
) -> None:
    monkeypatch.setattr(bodies, "BODY_IDLE_S", 0.1)
    monkeypatch.setattr(bodies, "BODY_DEADLINE_S", deadline_s)
    with pytest.raises(BodyRefused, match=r"the body came too slowly: \d+ bytes in 0 s") as caught:
        slowly(sizes, pause_s)
    assert (caught.value.status, bodies._SLOW.count) == (408, 0)


@pytest.mark.parametrize(("most", "status"), [(0, 408), (1, None)])
def test_only_so_many_bodies_are_slow_at_a_time(monkeypatch: pytest.MonkeyPatch, most: int, status: int | None) -> None:
    monkeypatch.setattr(bodies, "BODY_IDLE_S", 0.05)
    monkeypatch.setattr(bodies, "MOST_SLOW", most)
    try:
        slowly([5000] * 6, 0.02)
        got = None
    except BodyRefused as error:
        got = error.status
    assert (got, bodies._SLOW.count) == (status, 0)
    assert len(slowly([5000], 0.0)) == 5000


def test_a_slow_body_is_as_large_as_others() -> None:
    with pytest.raises(BodyRefused, match="larger than 9 bytes"):
        slowly([5, 5], 0.0, limit=9)


@pytest.mark.acceptance
def test_a_client_that_dribbles_gets_408_over_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_IDLE_S", 0.05)
    with running(app_of(echo)) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
            assert client.recv(100).startswith(b"HTTP/1.1 408 ")


@pytest.mark.acceptance
def test_a_webhook_that_hangs_up_is_not_kept(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with running(app_for(bench)) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(b"POST /webhooks/acme/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert httpx.get(f"{url}/healthz").status_code == 200
    assert count(bench.world.store, "webhook_events") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.acceptance
def test_a_client_that_hangs_up_harms_nobody() -> None:
    with running(app_of(echo)) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert httpx.post(f"{url}/y", content=b"abc").content == b"abc"


def test_a_client_that_hung_up_is_answered_to_nobody() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def main() -> None:
        request = Request({"type": "http", "method": "POST", "headers": [], "path": "/", "query_string": b""}, receive)
        answer: Any = await mounted(echo, limit=9)(request)  # type: ignore[misc]
        assert answer.status_code == 400

    anyio.run(main)


# --- served connectors


@pytest.mark.parametrize(("method", "url", "path", "query"), [
    ("POST", "/ledger", "/ledger", ""), ("GET", "/ledger?wsdl", "/ledger", "wsdl"), ("POST", "/ledger/a/b?x=1", "/ledger/a/b", "x=1"),
])  # fmt: skip
def test_a_connector_that_is_served(bench: Bench, method: str, url: str, path: str, query: str) -> None:
    answer = ask(app_for(bench), method, url, content=b"abc", headers={"X-Seen": "yes"})
    assert answer.json() == [method, path, query, "yes", 3, "127.0.0.1"]
    assert answer.headers["x-ledger"] == "1"


def test_an_unexpected_error_is_logged_in_one_line_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(call: HttpCall) -> HttpReply:
        try:
            json.loads("")
        except ValueError as error:
            return HttpReply(500, {}, b"sorry", error)
        raise AssertionError

    assert ask(app_of(fail), "POST", "/x?token=canary").text == "sorry"
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["path"]) == ("internal error", "/x")
    place = r" at test_server\.py:[0-9]+"
    assert re.fullmatch(r"JSONDecodeError: Expecting value: line 1 column 1 \(char 0\)" + place, line["error"])
    assert log.described(ValueError("x")) == "ValueError: x"


def test_handlers_run_beside_each_other_in_threads() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def wait(call: HttpCall) -> HttpReply:
        meeting.wait()
        return HttpReply(200, {}, threading.current_thread().name.encode())

    async def main() -> None:
        app = app_of(wait)
        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
            anyio.create_task_group() as group,
        ):
            for _ in range(2):
                group.start_soon(client.get, "/x")

    anyio.run(main)


# --- the whole application


@pytest.mark.parametrize("schedule", [True, False])
def test_the_worker_lives_as_long_as_the_server(bench: Bench, monkeypatch: pytest.MonkeyPatch, schedule: bool) -> None:
    done: list[str] = []
    monkeypatch.setattr(Service, "start", lambda _self: done.append("start"))
    monkeypatch.setattr(Service, "stop", lambda _self: done.append("stop"))
    app = build(bench.world, {FLOW: bench.program}, duty=Duty(works=schedule))

    async def main() -> None:
        async with app.router.lifespan_context(app):
            done.append("served")

    anyio.run(main)
    assert done == (["start"] if schedule else []) + ["served", "stop"]


def test_an_application_without_a_worker(bench: Bench) -> None:
    app = app_for(bench)

    async def main() -> None:
        async with app.router.lifespan_context(app):
            pass

    anyio.run(main)


def test_a_key_that_does_not_fit_is_our_fault(bench: Bench) -> None:
    """A server that still has the key from before must not tell the vendor that its webhook is wrong."""
    from dataclasses import replace

    from engine.vault import Vault

    stranger = replace(bench.world, vault=Vault(b"x" * 32))
    reply = Server(stranger, {FLOW: bench.program}, bench.outbox).take_event("acme", "shop", {}, b"{}")
    assert (reply.status, reply.body) == (503, b'{"error": "not available, send it again"}')
