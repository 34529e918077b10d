"""What `flowctl doctor` says of a source's sync button."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine import registry
from engine.buttons import buttons_of
from engine.health import Finding
from engine.store import companies
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, SHOP, Bench

ASKING = replace(SHOP, streams=(SHOP.streams[0], replace(SHOP.streams[1], requested="requested")))
UNKNOWN = "how often the Web Connector calls is not known yet"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.connector.spec = ASKING
        yield made


def said(bench: Bench) -> list[Finding]:
    return list(buttons_of(bench.world, COMPANY, [bench.program.flow]))


def visits(bench: Bench, *minutes: int) -> None:
    with bench.world.store.write() as tx:
        for minute in minutes:
            scope = {"ticket_hash": f"t-{minute}", "company": COMPANY, "state": "{}"}
            tx.run("session_insert", {**scope, "at": f"2026-03-02T14:{minute:02d}:00.000000Z"})
            tx.run("session_close", {"ticket_hash": f"t-{minute}", "at": f"2026-03-02T14:{minute:02d}:01.000000Z"})


def switch_on(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.put_connection(tx, COMPANY, "shop", "shop", {"sync_button": True}, AT)


def test_off_and_nobody_knows_how_often_the_agent_calls(bench: Bench) -> None:
    text = f"the sync button of `shop` is off; the company does not qualify: {UNKNOWN}"
    assert said(bench) == [Finding("ok", "acme/shop_to_ledger", text)]


def test_on_with_an_agent_that_calls_often_enough(bench: Bench) -> None:
    switch_on(bench)
    visits(bench, 0, 5, 10)
    text = "the sync button of `shop` is on, and the company qualifies: the Web Connector called every 5 min at most of late"
    assert said(bench) == [Finding("ok", "acme/shop_to_ledger", text)]


def test_on_with_an_agent_that_calls_too_seldom(bench: Bench) -> None:
    switch_on(bench)
    visits(bench, 0, 5, 20)
    text = "the sync button of `shop` is on, and the company does not qualify: the Web Connector called every 15 min at most of late"
    hint = (
        "switch it off with `flowctl connect shop --company acme --set sync_button=false`, "
        "or let the Web Connector run every 5 minutes; until then people read that their records are queued"
    )
    assert said(bench) == [Finding("warn", "acme/shop_to_ledger", text, hint)]


def test_a_target_that_is_called_qualifies(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = registry.find("ledger")
    assert ledger is not None
    monkeypatch.setattr(ledger, "spec", replace(kit.LEDGER, delivery="push"))
    text = "the sync button of `shop` is off; the company qualifies: what it writes to is called at once"
    assert said(bench) == [Finding("ok", "acme/shop_to_ledger", text)]


def test_a_source_without_a_button_and_a_flow_that_is_not_connected_say_nothing(bench: Bench) -> None:
    bench.connector.spec = SHOP
    assert said(bench) == []
    bench.connector.spec = ASKING
    with bench.world.store.write() as tx:
        companies.put_connection(tx, COMPANY, "shop", "other", {}, AT)
    assert said(bench) == []
