"""One id in every log line that belongs to a session, a run, a webhook, a page; and lines of libraries in our own form."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from anyio import to_thread

from connectors.qbwc.auth import ticket_hash
from engine import log
from engine.contract import HttpCall, HttpReply, Page
from engine.log import logger
from engine.server import Server, mounted
from engine.serving import app_of
from engine.telemetry import correlation
from engine.telemetry.correlation import correlated, of_session
from tests.connectors.qbwc.kit import Kit, hello
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, bill
from tests.engine.test_server import SIGNED, ask


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for line in found:
        assert line.pop("timestamp")
    return found


def test_a_line_has_the_id_of_what_it_belongs_to(capsys: pytest.CaptureFixture[str]) -> None:
    with kit.logging():
        logger().info("before")
        with correlated("run-7"):
            logger().info("inside", company="acme")
            with correlated("session-x"):
                logger().info("deeper")
            logger().info("its own", correlation="panel-y")
        logger().info("after")
    assert lines(capsys) == [
        {"event": "before", "level": "info"},
        {"event": "inside", "level": "info", "company": "acme", "correlation": "run-7"},
        {"event": "deeper", "level": "info", "correlation": "session-x"},
        {"event": "its own", "level": "info", "correlation": "panel-y"},
        {"event": "after", "level": "info"},
    ]


def test_all_calls_of_a_session_have_one_id_that_tells_nothing_of_its_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    kit_, seen = Kit(), []
    transaction = kit_.outbox.transaction

    @contextmanager
    def noted(company: str | None = None) -> Iterator[Any]:
        seen.append(correlation.current())
        with transaction(company) as desk:
            yield desk

    monkeypatch.setattr(kit_.outbox, "transaction", noted)
    kit_.login()
    kit_.send(hello())
    kit_.error()
    kit_.close()
    first, ticket = set(seen), kit_.ticket
    assert first == {of_session(ticket_hash(ticket))}
    (name,) = first
    assert name.startswith("session-")
    assert ticket_hash(ticket)[:8] not in name
    assert ticket[:8] not in name
    seen.clear()
    kit_.login()
    assert set(seen) == {of_session(ticket_hash(kit_.ticket))} != first
    seen.clear()
    kit_.login(password="wrong")
    assert len(set(seen)) == 1
    assert correlation.current() == ""


def test_a_run_s_lines_have_its_number(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.shop.listed["bills"] = [bill()]
    seen: list[str] = []

    def noted(_shop: kit.Shop, *_more: object) -> Iterator[Page]:
        seen.append(correlation.current())
        return iter(())

    monkeypatch.setattr(kit.Shop, "read", noted)
    first = bench.runner.run(bench.program, COMPANY, streams=["bills"])
    second = bench.runner.run(bench.program, COMPANY, streams=["bills"])
    assert seen == [f"run-{first.number}", f"run-{second.number}"] == ["run-1", "run-2"]
    assert correlation.current() == ""


def test_a_webhook_s_lines_have_one_id(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with kit.logging():
        for _ in range(2):  # one server logs such a line once in ten seconds
            app = Server(bench.world, {FLOW: bench.program}, bench.outbox).app()
            assert ask(app, "POST", "/webhooks/acme/shop", content=b"{", headers=SIGNED).status_code == 400
    first, second = lines(capsys)
    names = [line.pop("correlation") for line in (first, second)]
    same = {"event": "webhook refused", "level": "warning", "company": "acme", "connection": "shop", "error": "no JSON"}
    assert first == second == same
    assert len(set(names)) == 2
    assert all(name.startswith("webhook-") and len(name) == 20 for name in names)


def test_a_call_that_is_no_session_s_has_an_id_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_call: HttpCall) -> HttpReply:
        return HttpReply(500, {}, b"", ZeroDivisionError("x"))

    with kit.logging():
        assert ask(app_of(broken), "GET", "/x").status_code == 500
    (line,) = lines(capsys)
    assert line.pop("correlation").startswith("request-")
    assert line == {"event": "internal error", "level": "error", "path": "/x", "error": "ZeroDivisionError: x"}
    assert mounted(broken, limit=1) is not None


async def _in_a_thread() -> str:
    with correlated("panel-z"):
        return await to_thread.run_sync(correlation.current)


def test_a_thread_takes_the_id_over() -> None:
    import anyio

    assert anyio.run(_in_a_thread) == "panel-z"


# --- lines of libraries


def test_what_libraries_log_has_our_form_without_secrets_or_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:]
    with kit.logging(), kit.unsilenced("uvicorn.error") as theirs, log.adopted(), correlated("request-1"):
        theirs.warning("Invalid HTTP request received with token=%s", "hush-hush")
        theirs.info("Started")
        theirs.error("Exception in ASGI application\nmore", exc_info=ValueError("password=hush-hush\nsecond line"))
    assert lines(capsys) == [
        {
            "event": "uvicorn.error", "level": "warning", "correlation": "request-1",
            "error": "Invalid HTTP request received with token=***",
        },
        {
            "event": "uvicorn.error", "level": "error", "correlation": "request-1",
            "error": "Exception in ASGI application: ValueError: password=***\\nsecond line",
        },
    ]  # fmt: skip
    assert logging.getLogger().handlers == before
