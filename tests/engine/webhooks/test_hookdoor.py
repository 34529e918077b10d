"""The door of webhooks: caps before anything is read, many callers at once, and nobody left without an answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from engine.server import Server
from engine.serving import running
from engine.store import companies, hooks
from engine.webhooks import hookdoor
from engine.webhooks.hookintake import Intake
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, count
from tests.engine.metering_kit import listening, samples

HOOK = "/webhooks/acme/shop"
SIGNED = {"x-signature": "hush"}


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


@pytest.fixture
def app(bench: Bench) -> Starlette:
    return Server(bench.world, {FLOW: bench.program}, bench.outbox).app()


def body(name: str = "e-1") -> bytes:
    return json.dumps({"id": name, "type": "bill.ready", "object": "b-1"}).encode()


@asynccontextmanager
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


def ask(app: Starlette, content: Any, headers: dict[str, str] | None = None, method: str = "POST") -> httpx.Response:
    async def main() -> httpx.Response:
        async with client(app) as made:
            return await made.request(method, HOOK, content=content, headers={**SIGNED, **(headers or {})})

    return asyncio.run(main())


def both(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


def test_many_at_once_share_commits_and_each_is_kept_once(bench: Bench, app: Starlette) -> None:
    """Two hundred callers, each event three times at the same moment."""
    sizes: list[int] = []
    take = Intake.take

    def counted(self: Intake, calls: Any) -> Any:
        sizes.append(len(calls))
        return take(self, calls)

    async def main() -> list[int]:
        async with client(app) as made:
            posts = [made.post(HOOK, content=body(f"e-{n % 200}"), headers=SIGNED) for n in range(600)]
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Intake, "take", counted)
        assert asyncio.run(main()) == [200] * 600
    assert sum(sizes) == 600
    assert max(sizes) <= hookdoor.MOST_AT_ONCE
    assert len(sizes) < 60, "they did not wait for each other"
    assert count(bench.world.store, "webhook_events") == 200


def test_what_was_counted_is_written_when_the_server_ends(bench: Bench, app: Starlette) -> None:
    async def main() -> None:
        async with app.router.lifespan_context(app), client(app) as made:
            for _ in range(3):
                await made.post(HOOK, content=body(), headers=SIGNED)
            await made.post(HOOK, content=body(), headers={"x-signature": "forged"})

    asyncio.run(main())
    with bench.world.store.read() as tx:
        (row,) = hooks.page(tx, COMPANY, hooks.Sought(), hooks.BEYOND, 9)
        found = [(one["kind"], one["times"]) for one in hooks.tallies(tx, COMPANY, "")]
    assert (row["times"], found) == (3, [("again", 2), ("forged", 1)])


# --- caps


def test_a_get_is_told_what_to_do(app: Starlette) -> None:
    answer = ask(app, None, method="GET")
    assert (*both(answer), answer.headers["allow"]) == (405, {"error": "webhooks are posted"}, "POST")


def test_nothing_is_unpacked(bench: Bench, app: Starlette) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    answer = ask(app, bomb, {"content-encoding": "gzip"})
    assert both(answer) == (415, {"error": "the body must not be compressed"})
    assert ask(app, body(), {"content-encoding": "identity"}).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/xml; charset=utf-7", "", "\x80"])
def test_the_signature_decides_and_not_the_content_type(app: Starlette, kind: str) -> None:
    async def main() -> int:
        async with client(app) as made:
            sent = [(b"x-signature", b"hush"), (b"content-type", kind.encode("latin-1"))]
            return (await made.post(HOOK, content=body(), headers=sent)).status_code

    assert asyncio.run(main()) == 200


async def _chunks(size: int, number: int) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield b"x" * size


def test_a_large_body_is_refused_said_or_unsaid(bench: Bench, app: Starlette) -> None:
    told = (413, {"error": "the body is larger than 1048576 bytes"})
    assert both(ask(app, b"x" * (hookdoor.BODY_LIMIT + 1))) == told
    assert both(ask(app, _chunks(65536, 17))) == told
    assert both(ask(app, _chunks(65536, 17), {"content-length": "5"})) == told
    assert ask(app, _chunks(65536, 16)).status_code == 400  # as much as may be, and signed: but no JSON
    assert count(bench.world.store, "webhook_events") == 0


def test_a_length_of_many_digits_is_a_large_body(app: Starlette) -> None:
    assert ask(app, _chunks(1, 1), {"content-length": "9" * 5000}).status_code == 413


def called(app: Starlette, receive: Callable[[], Awaitable[dict[str, Any]]]) -> list[dict[str, Any]]:
    """What the application sends for a request whose body comes as `receive` says."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        scope = {"type": "http", "method": "POST", "path": HOOK, "headers": [(b"x-signature", b"hush")]}
        await app(scope, receive, send)

    asyncio.run(main())
    return sent


def test_a_body_that_dribbles_is_asked_for_again(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hookdoor, "BODY_DEADLINE_S", 0.02)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.005)
        return {"type": "http.request", "body": b"x", "more_body": True}

    start, end = called(app, receive)
    assert (start["status"], dict(start["headers"])[b"retry-after"], end["body"]) == (
        503, b"5", b'{"error": "the body did not arrive in time"}',
    )  # fmt: skip


def test_what_a_stranger_delays_or_nobody_set_up_is_not_counted_as_our_fault(
    bench: Bench, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is called at night for `not_kept`: that must be no stranger's to bring about."""
    with bench.world.store.write() as tx:
        companies.drop_secret(tx, COMPANY, "shop", "hook_secret")

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.005)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with listening() as sink:
        assert ask(app, body()).status_code == 503
        monkeypatch.setattr(hookdoor, "BODY_DEADLINE_S", 0.02)
        called(app, receive)
        found = samples(sink)
    assert {name: number for name, number in found.items() if "webhook" in name} == {
        'flowctl_webhooks_total{connection="shop",outcome="not_set_up"}': 1,
        'flowctl_webhooks_total{connection="shop",outcome="too_slow"}': 1,
    }


def test_who_hangs_up_is_not_answered(bench: Bench, app: Starlette) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert called(app, receive) == []
    assert count(bench.world.store, "webhook_events") == 0


def test_memory_is_not_filled(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hookdoor, "MOST_BYTES", -1)
    assert both(ask(app, body())) == (503, {"error": "not available, send it again"})


def test_memory_is_not_filled_by_bodies_that_never_end(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    """What strangers have sent of their bodies waits in memory too, long before anybody knows who signed it."""
    monkeypatch.setattr(hookdoor, "MOST_BYTES", 200_000)

    async def main() -> list[int]:
        full, over = asyncio.Event(), asyncio.Event()

        async def dribble() -> AsyncIterator[bytes]:
            yield b"x" * 150_000
            full.set()
            await over.wait()

        async with client(app) as made:
            first = asyncio.create_task(made.post(HOOK, content=dribble(), headers={"x-signature": "forged"}))
            await full.wait()
            second = await made.post(HOOK, content=b"x" * 60_000, headers=SIGNED)
            over.set()
            return [second.status_code, (await first).status_code, (await made.post(HOOK, content=body())).status_code]

    assert asyncio.run(main()) == [503, 401, 401]


# --- a store that is slow, and faults of ours


def test_who_waits_while_counts_are_written_is_answered(
    bench: Bench, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hookdoor, "ANSWER_S", 0.1)
    monkeypatch.setattr(hookdoor, "_LOOK_S", 0.03)
    monkeypatch.setattr(hookdoor, "_COUNTS_S", 0.0)
    began, release = threading.Event(), threading.Event()

    def flush(_self: Intake) -> None:
        began.set()
        release.wait(20)

    monkeypatch.setattr(Intake, "flush", flush)

    async def main() -> list[int]:
        async with client(app) as made:
            for _ in range(2):
                await made.post(HOOK, content=body(), headers=SIGNED)
            await asyncio.to_thread(began.wait, 20)
            try:
                second = await asyncio.wait_for(made.post(HOOK, content=body("e-2"), headers=SIGNED), 5)
            finally:
                release.set()
            third = await made.post(HOOK, content=body("e-3"), headers=SIGNED)
            return [second.status_code, third.status_code]

    assert asyncio.run(main()) == [503, 200]
    assert count(bench.world.store, "webhook_events") == 3


def test_counts_that_cannot_be_written_keep_nobody_waiting(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hookdoor, "_COUNTS_S", 0.0)
    began, release = threading.Event(), threading.Event()

    def flush(_self: Intake) -> None:
        began.set()
        release.wait(20)
        raise ZeroDivisionError

    monkeypatch.setattr(Intake, "flush", flush)

    async def main() -> int:
        async with client(app) as made:
            for _ in range(2):
                await made.post(HOOK, content=body(), headers=SIGNED)
            await asyncio.to_thread(began.wait, 20)
            waiting = asyncio.create_task(made.post(HOOK, content=body("e-2"), headers=SIGNED))
            await asyncio.sleep(0)
            release.set()
            return (await asyncio.wait_for(waiting, 5)).status_code

    assert asyncio.run(main()) == 200


def test_who_waits_too_long_is_asked_to_send_again(
    bench: Bench, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else holds the store: the vendor has its answer before it gives up, and the event is taken all the same."""
    monkeypatch.setattr(hookdoor, "ANSWER_S", 0.15)
    monkeypatch.setattr(hookdoor, "_LOOK_S", 0.05)  # it looks several times before anybody has waited for so long
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with bench.world.store.write():
            held.set()
            release.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)

    async def main() -> list[tuple[int, str]]:
        async with client(app) as made:
            first, second = await asyncio.gather(
                *(made.post(HOOK, content=body(name), headers=SIGNED) for name in ("e-1", "e-2"))
            )
            release.set()
            third = await made.post(HOOK, content=body("e-3"), headers=SIGNED)
            return [(answer.status_code, answer.headers.get("retry-after", "")) for answer in (first, second, third)]

    try:
        assert asyncio.run(main()) == [(503, "5"), (503, "5"), (200, "")]
    finally:
        release.set()
        holder.join()
    assert count(bench.world.store, "webhook_events") == 3


def test_a_fault_of_ours_is_answered(
    app: Starlette, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_self: Intake, _calls: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(Intake, "take", fail)
    assert both(ask(app, body())) == (503, {"error": "not available, send it again"})
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "internal error"


@pytest.mark.acceptance
def test_over_sockets_many_callers_are_answered_after_their_commit(bench: Bench, app: Starlette) -> None:
    def post(number: int) -> bytes:
        content = body(f"e-{number}")
        head = f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nX-Signature: hush\r\nContent-Length: {len(content)}\r\n\r\n"
        return head.encode() + content

    def answer(line: socket.socket) -> bytes:
        """All of it: head and body may come one after the other."""
        said = b""
        while not said.endswith(b"}"):
            said += line.recv(4096) or pytest.fail(f"the line was closed after {said!r}")
        return said

    with running(app) as url:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        lines = [socket.create_connection(address, 20) for _ in range(20)]
        for turn in range(5):
            for number, line in enumerate(lines):
                line.sendall(post(turn * 20 + number))
            for line in lines:
                assert answer(line).startswith(b"HTTP/1.1 200 ")
            assert count(bench.world.store, "webhook_events") == (turn + 1) * 20
        for line in lines:
            line.close()
