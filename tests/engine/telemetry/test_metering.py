"""What is counted, what `/metrics` shows of the store, and who may read it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.alerting import channels
from engine.contract import OperationOutcome
from engine.errors import StoreBusy
from engine.follow import Hand
from engine.server import Server
from engine.store import companies, turns, work
from engine.store.base import statements
from engine.store.browse import COUNTED
from engine.store.sqlite import SqliteStore
from engine.telemetry import committed, meter, metering, meters
from engine.telemetry.gauges import KEPT_S, Gauges, look
from engine.telemetry.metering import Metering, PrometheusSink, TokenShort
from tests import stores
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, FLOW, Bench, bill
from tests.engine.metering_kit import fetch, listening, samples, without_store
from tests.engine.test_server import ask

TOKEN = "0123456789abcdef0123"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        yield made


# --- the list


def test_names_follow_the_convention() -> None:
    names = [metric.name for metric in meters.EVERY]
    assert len(names) == len(set(names))
    for metric in meters.EVERY:
        assert metric.name.startswith("flowctl_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.name.endswith("_seconds") or metric.kind != "histogram", metric.name
        assert bool(metric.bounds) == (metric.kind == "histogram"), metric.name
        assert metric.help
        assert "\n" not in metric.help
        assert not metric.help.endswith(".")
    assert {label for metric in meters.EVERY for label in metric.labels} == {
        "method", "outcome", "event", "flow", "state", "connector", "status", "connection", "kind", "page", "level",
        "version", "python", "sqlite", "last_poll", "company",
    }  # fmt: skip


def test_every_definition_is_listed() -> None:
    defined = {id(value) for value in vars(meters).values() if isinstance(value, meter.Metric)}
    assert defined == {id(metric) for metric in meters.EVERY}


# --- what is counted


def test_a_record_s_way_is_counted_by_its_words(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2"), bill("b-3", vendor={"id": "v-7", "name": "Nobody"})]
    with listening() as sink:
        bench.run("bills")
        made = bench.send()
        assert made is not None
        refused = OperationOutcome(made.operations[1].id, "failed", code="3120", message="no")
        bench.settle(made, refused)
        bench.runner.tell(bench.program, COMPANY)
    assert without_store(samples(sink)) == {
        'flowctl_record_moves_total{flow="shop_to_ledger",state="intended"}': 2,
        'flowctl_record_moves_total{flow="shop_to_ledger",state="deferred"}': 1,
        'flowctl_record_moves_total{flow="shop_to_ledger",state="sent"}': 2,
        'flowctl_record_moves_total{flow="shop_to_ledger",state="posted"}': 1,
        'flowctl_record_moves_total{flow="shop_to_ledger",state="failed"}': 1,
        'flowctl_record_moves_total{flow="shop_to_ledger",state="closed"}': 1,
        # The same bills are payments that are not due.
        'flowctl_record_moves_total{flow="shop_to_ledger",state="skipped"}': 3,
        'flowctl_runs_total{flow="shop_to_ledger",outcome="done"}': 1,
        'flowctl_run_seconds_count{flow="shop_to_ledger"}': 1,
    }


def test_what_is_rolled_back_is_not_counted(bench: Bench) -> None:
    class Stop(Exception):
        pass

    bench.shop.listed["bills"] = [bill()]
    with listening() as sink:
        bench.runner.dry_run(bench.program, COMPANY, lambda _tx, _report: None, streams=["bills"])
        with pytest.raises(Stop), bench.world.store.write():
            committed.after(lambda: meter.add(meters.EVENTS, "shop", "new"))
            raise Stop
    assert without_store(samples(sink)) == {}


def test_an_inner_block_waits_for_the_outer_one(bench: Bench) -> None:
    told: list[str] = []
    with bench.world.store.write():
        with bench.world.store.write():
            committed.after(lambda: told.append("x"))
        assert told == []
    assert told == ["x"]
    with bench.world.store.read():
        committed.after(lambda: told.append("never"))
    with bench.world.store.write():
        pass
    assert told == ["x"]


def test_webhooks_are_counted_and_no_label_is_a_stranger_s(bench: Bench) -> None:
    app = Server(bench.world, {FLOW: bench.program}, bench.outbox).app()
    event = json.dumps({"id": "e-1", "type": "bill.ready", "object": "b-1"})
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/webhooks/acme/shop", {"content": event, "headers": {"X-Signature": "hush"}}),
        ("/webhooks/acme/shop", {"content": event, "headers": {"X-Signature": "hush"}}),
        ("/webhooks/acme/shop", {"content": event, "headers": {"X-Signature": "wrong"}}),
        ("/webhooks/acme/shop", {"content": "{", "headers": {"X-Signature": "hush"}}),
        ("/webhooks/acme/evil%22", {"content": event}),
        ("/webhooks/evil/shop", {"content": event}),
        ("/webhooks/acme/evil", {"content": b"x" * (1024 * 1024 + 1)}),
    ]
    with kit.logging(), listening() as sink:
        assert [ask(app, "POST", url, **more).status_code for url, more in asked] == [200, 200, 401, 400, 401, 401, 413]
    found = without_store(samples(sink))
    assert found.pop('flowctl_log_lines_total{level="warning"}') == 2
    assert found == {
        'flowctl_webhooks_total{connection="shop",outcome="taken"}': 2,
        'flowctl_webhooks_total{connection="shop",outcome="forged"}': 1,
        'flowctl_webhooks_total{connection="shop",outcome="not_an_event"}': 1,
        'flowctl_webhooks_total{connection="",outcome="forged"}': 2,
        'flowctl_webhooks_total{connection="",outcome="too_large"}': 1,
        'flowctl_webhook_events_total{connection="shop",event="new"}': 1,
        'flowctl_webhook_events_total{connection="shop",event="again"}': 1,
    }


def test_transactions_are_measured_once_each(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "flowctl.db", busy_s=0.01)
    other = SqliteStore(tmp_path / "flowctl.db", busy_s=0.01)
    with listening() as sink:
        with store.write(), store.write(), store.read():
            pass
        with store.read():
            pass
        with other.write(), pytest.raises(StoreBusy), store.write():
            pass
    store.close()
    other.close()
    assert samples(sink) == {
        'flowctl_store_transaction_seconds_count{kind="write"}': 2,
        'flowctl_store_transaction_seconds_count{kind="read"}': 1,
        'flowctl_store_wait_seconds_count{kind="write"}': 2,
        'flowctl_store_wait_seconds_count{kind="read"}': 1,
        "flowctl_store_busy_total": 1,
    }


def test_nobody_listens_nothing_happens() -> None:
    assert not meter.is_on()
    meter.add(meters.STORE_BUSY)
    meter.put(meters.HEARTBEAT, 1.0)
    meter.observe(meters.RUN_SECONDS, 1.0, "flow")


# --- the store


def test_the_figures_of_the_store(bench: Bench) -> None:
    wrong = [{"account": "Rent", "code": "6100", "amount": "8.00", "memo": "m"}]
    waits = bill("b-3", vendor={"id": "v-7", "name": "Nobody"})
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2"), waits, bill("b-4", amount="7.00", lines=wrong)]
    bench.run("bills")
    with bench.outbox.transaction() as desk:
        desk.sessions.open(COMPANY, "t-1", {})
    bench.world.clock.sleep(301)
    with bench.world.store.write() as tx:
        companies.add(tx, "zeta", "Zeta", kit.AT)
        turns.open_(tx, COMPANY, "flow:x", kit.AT)
        work.raise_alert(tx, "", work.Alert("session", work.SIGN_IN, "x"), kit.AT)
    stores.raw(bench.world.store, "UPDATE companies SET paused = 1 WHERE company = 'zeta'")
    found = look(bench.world.store, bench.world.clock, 1)
    (each,) = found.each
    zero = dict.fromkeys(("pending", "intended", "sent", "deferred", "unknown", "failed", "vanished"), 0)
    assert (each.company, each.seen_at, each.oldest_at, each.backlog, each.alerts) == (COMPANY, kit.AT, kit.AT, 2, 2)
    assert each.records == zero | {"intended": 2, "deferred": 1, "failed": 1}
    assert (found.companies, found.paused, found.halted, found.backlog, found.taken) == (2, 1, 0, 2, 8)
    assert (found.oldest_at, found.records, found.polled) == (kit.AT, each.records, {"1h": 1, "never": 1})
    assert (found.tasks, found.oldest_task_at) == ({"waiting": 1, "running": 0}, kit.AT)
    assert found.untold == 0  # the source was told of both that are not posted
    assert found.alerts == {"deferred": 1, "failed": 1, "session": 1}


def test_figures_are_kept_for_some_seconds_and_longer_when_a_look_is_dear(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, looks = bench.world.clock, []
    gauges = Gauges(bench.world.store, clock, 10)

    def dear(*args: object) -> object:
        looks.append(clock.monotonic())
        clock.sleep(1.0 if len(looks) == 2 else 0.0)
        return look(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("engine.telemetry.gauges.look", dear)
    for step_s in (0.0, KEPT_S - 0.1, 0.1, 10.0, 39.9, 0.1):
        clock.sleep(step_s)
        gauges.figures()
    assert looks == [0.0, 10.0, 61.0]


def test_nobody_but_the_first_waits_for_a_look_that_takes_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, go_on = bench.world.clock, threading.Event()
    gauges = Gauges(bench.world.store, clock, 10)

    def slow(*args: object) -> object:
        clock.sleep(2.0)
        if gauges._kept is not None:
            go_on.wait(10)
        return look(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("engine.telemetry.gauges.look", slow)
    first = gauges.figures()
    clock.sleep(101)
    assert gauges.figures() is first
    assert gauges.figures() is first
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "flowctl-gauges":
            thread.join(10)
    assert gauges.figures() is not first


def page_of(bench: Bench, most_each: int) -> dict[str, float]:
    made = metering.metering(bench.world, most_each)
    return {name: value for name, value in samples(made.sink).items() if "_store_" not in name}


def test_with_many_companies_none_is_named(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        for number in range(150):
            companies.add(tx, f"c{number:03}", "C", kit.AT)
    few, many = page_of(bench, 151), page_of(bench, 150)
    assert [name for name in many if "company=" in name] == []
    assert (many["flowctl_companies"], few["flowctl_companies_labelled"]) == (151, 1)
    assert "flowctl_companies_labelled" not in many  # it is zero
    assert many['flowctl_companies_polled{last_poll="never"}'] == 151


def test_the_page_says_what_the_store_says(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2"), bill("b-3", vendor={"id": "v-7", "name": "Nobody"})]
    bench.run("bills")
    made = bench.send(1)
    assert made is not None
    bench.settle(made)
    with bench.outbox.transaction() as desk:
        desk.sessions.open(COMPANY, "t-1", {})
    found = page_of(bench, 10)
    (build,) = [name for name in found if name.startswith("flowctl_build_info{")]
    assert found.pop(build) == 1
    at = bench.world.clock.now().timestamp()
    assert found == {
        "flowctl_companies": 1,
        'flowctl_companies_polled{last_poll="5m"}': 1,
        'flowctl_records{state="intended"}': 1,
        'flowctl_records{state="deferred"}': 1,
        # Payments are read with the bills, and none of these is paid.
        "flowctl_records_taken_in_total": 6,
        "flowctl_backlog_operations": 1,
        "flowctl_backlog_marks": 1,
        "flowctl_oldest_deferred_timestamp_seconds": at,
        'flowctl_alerts_open{kind="deferred"}': 1,
        "flowctl_companies_labelled": 1,
        'flowctl_company_last_poll_timestamp_seconds{company="acme"}': at,
        'flowctl_company_records{company="acme",state="intended"}': 1,
        'flowctl_company_records{company="acme",state="deferred"}': 1,
        'flowctl_company_backlog_operations{company="acme"}': 1,
        'flowctl_company_oldest_deferred_timestamp_seconds{company="acme"}': at,
        'flowctl_company_alerts_open{company="acme"}': 1,
    }


def test_a_store_that_is_not_there_costs_its_own_figures_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_store: object, *_of: str) -> None:
        raise StoreBusy("locked")

    monkeypatch.setattr(type(bench.world.store), "read", refuse)
    assert [name.partition("{")[0] for name in page_of(bench, 10)] == ["flowctl_build_info"]


@pytest.mark.only_sqlite("its plans are looked at")
def test_no_figure_scans_a_table(bench: Bench) -> None:
    store = bench.world.store
    assert isinstance(store, SqliteStore)
    scope = {"after": "", "upto": "z", "limit": COUNTED, "companies": 100}
    for name in ("gauges_companies", "gauges_records", "gauges_alerts"):
        plan = store.connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", scope).fetchall()
        scans = [row["detail"] for row in plan if row["detail"].startswith("SCAN")]
        known = ("SCAN c", "SCAN part", "SCAN some", "SCAN s", "SCAN CONSTANT", "SCAN (subquery", "SCAN (join")
        assert [scan for scan in scans if not scan.startswith(known)] == []


# --- who may read it


HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("token", "client", "host", "headers", "status"),
    [
        ("", HERE, "127.0.0.1:8765", {}, 200),
        ("", HERE, "localhost", {}, 200),
        ("", "::1", "[::1]:8765", {}, 200),
        ("", ELSEWHERE, "127.0.0.1:8765", {}, 403),
        ("", HERE, "sync.acme.example", {}, 403),
        ("", HERE, "localhost.evil.example", {}, 403),
        ("", HERE, "127.0.0.1:8765", {"x-forwarded-for": "127.0.0.1"}, 403),
        ("", HERE, "127.0.0.1:8765", {"forwarded": "for=127.0.0.1"}, 403),
        ("", HERE, "127.0.0.1:8765", BEARER, 200),
        (TOKEN, ELSEWHERE, "sync.acme.example", BEARER, 200),
        (TOKEN, ELSEWHERE, "sync.acme.example", {"authorization": f"bearer  {TOKEN} "}, 200),
        (TOKEN, HERE, "127.0.0.1:8765", {}, 401),
        (TOKEN, HERE, "127.0.0.1:8765", {"authorization": f"Basic {TOKEN}"}, 401),
        (TOKEN, HERE, "127.0.0.1:8765", {"authorization": f"Bearer {TOKEN}x"}, 401),
        (TOKEN, HERE, "127.0.0.1:8765", {"authorization": "Bearer "}, 401),
    ],
)
def test_who_may_read(bench: Bench, token: str, client: str, host: str, headers: dict[str, str], status: int) -> None:
    made = Metering(bench.world, PrometheusSink(), token)
    answer = fetch(made, client=client, host=host, headers=headers)
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    if status == 401:
        assert answer.text == "give the token of FLOWCTL_METRICS_TOKEN: `Authorization: Bearer TOKEN`\n"
        assert answer.headers["www-authenticate"] == 'Bearer realm="metrics"'
    if status == 403:
        assert answer.text == (
            "metrics are for this machine only; set FLOWCTL_METRICS_TOKEN to read them from elsewhere\n"
        )
    assert TOKEN not in repr(made)


FRONT = "this server is reached from elsewhere, so metrics need a token: set FLOWCTL_METRICS_TOKEN\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "books.example"])
def test_a_server_that_listens_elsewhere_wants_a_token(bench: Bench, host: str) -> None:
    """A proxy on this machine that adds nothing to what it passes on looks like this machine."""
    answer = fetch(Metering(bench.world, PrometheusSink(), "", host))
    assert (answer.status_code, answer.text) == (403, FRONT)
    assert fetch(Metering(bench.world, PrometheusSink(), TOKEN, host), headers=BEARER).status_code == 200


def test_a_server_with_an_https_address_wants_a_token(bench: Bench) -> None:
    made = Metering(bench.world, PrometheusSink())
    with bench.world.store.write() as tx:
        companies.put_connection(tx, COMPANY, "shop", "shop", {"base_url": "https://shop.example"}, AT)
        companies.put_connection(tx, COMPANY, "ledger", "ledger", {"app_url": "http://localhost:8765/ledger"}, AT)
    assert fetch(made).status_code == 200
    with bench.world.store.write() as tx:
        companies.put_connection(tx, COMPANY, "ledger", "ledger", {"app_url": "https://sync.example/ledger"}, AT)
    answer = fetch(made)
    assert (answer.status_code, answer.text) == (403, FRONT)
    assert fetch(Metering(bench.world, PrometheusSink(), TOKEN), headers=BEARER).status_code == 200


def test_a_panel_that_is_found_over_https_wants_a_token(bench: Bench) -> None:
    made, hand = Metering(bench.world, PrometheusSink()), Hand("", AT, "test")
    for address, status in (("http://localhost:8765", 200), ("https://books.example", 403)):
        with bench.world.store.write() as tx:
            channels.put_house(tx, hand, {"base_url": address})
        assert fetch(made).status_code == status


def test_a_token_that_could_be_guessed_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWCTL_METRICS_TOKEN", "x" * 15)
    with pytest.raises(TokenShort) as caught:
        metering.metering(bench.world, 1)
    assert (str(caught.value), caught.value.hint) == (
        "FLOWCTL_METRICS_TOKEN has fewer than 16 characters", "make one: `openssl rand -hex 20`",
    )  # fmt: skip
    monkeypatch.setenv("FLOWCTL_METRICS_TOKEN", "x" * 16)
    assert metering.metering(bench.world, 1).token == "x" * 16
