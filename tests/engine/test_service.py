"""The worker: what is due is read, in its turn and spread out; what woke is prepared; a fault stops no other company."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine import service
from engine.clock import from_iso
from engine.errors import BadAnswer, FlowctlError, RateLimited, StoreBusy, StoreDamaged, Transient
from engine.runner import Runner
from engine.runreport import RunReport
from engine.server import Server
from engine.service import Service
from engine.store import companies, hooks, work
from engine.store.patience import is_patient
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, YAML, Bench, bill


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    with kit.logging():
        yield


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.bench() as made:
        made.shop.listed["bills"] = [bill()]
        yield made


def service_of(bench: Bench) -> Service:
    return Service(bench.world, {FLOW: bench.program})


def reads(bench: Bench) -> list[str]:
    found = [stream for stream, _, _ in bench.shop.reads]
    bench.shop.reads.clear()
    return found


def waits(bench: Bench) -> dict[str, float]:
    """Seconds until each stream is read."""
    with bench.world.store.read() as tx:
        rows = tx.rows("schedule_due", {"company": COMPANY, "flow": FLOW, "at": "9999"})
    return {r["stream"]: (from_iso(r["next_at"]) - bench.world.clock.now()).total_seconds() for r in rows}


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_everything_is_due_at_first_and_nothing_after(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    ticking = service_of(bench)
    (report,) = ticking.tick()
    assert report.count("intended") == 1
    assert reads(bench) == ["vendors", "bills"]
    assert ticking.tick() == []
    assert reads(bench) == []
    (line,) = logged(capsys)
    del line["timestamp"]
    assert line == {
        "event": "run", "level": "info", "company": COMPANY, "flow": FLOW, "marked": 0, "read": 2, "intended": 1,
        "deferred": 0, "failed": 0, "skipped": 1, "correlation": "run-1",
    }  # fmt: skip


def test_each_stream_has_its_own_interval_spread_by_a_tenth(bench: Bench) -> None:
    service_of(bench).tick()
    found = waits(bench)
    assert 6 * 3600 * 0.95 <= found["vendors"] <= 6 * 3600 * 1.05
    for name in ("bills", "payments"):  # payments have no interval of their own: an hour
        assert 3600 * 0.95 <= found[name] <= 3600 * 1.05
    assert found["bills"] != found["payments"]


def test_companies_do_not_march_in_step(bench: Bench) -> None:
    seen = set()
    for _ in range(8):
        with bench.world.store.write() as tx:
            work.schedule(tx, COMPANY, FLOW, "vendors", kit.AT)
        service_of(bench).tick()
        seen.add(round(waits(bench)["vendors"]))
    assert len(seen) == 8


def test_a_stream_is_read_when_its_time_has_come(bench: Bench) -> None:
    ticking = service_of(bench)
    ticking.tick()
    reads(bench)
    bench.world.clock.sleep(3600 * 0.94)
    assert ticking.tick() == []
    bench.world.clock.sleep(3600 * 0.12)
    assert len(ticking.tick()) == 1
    assert reads(bench) == ["bills"]  # not the vendors


def test_a_webhook_brings_a_read_forward(bench: Bench) -> None:
    ticking = service_of(bench)
    ticking.tick()
    reads(bench)
    server = Server(bench.world, {FLOW: bench.program}, bench.outbox, ticking.poke)
    body = json.dumps({"id": "e-1", "type": "vendor.changed"}).encode()
    assert server.take_event(COMPANY, "shop", {"x-signature": "hush"}, body).status == 200
    assert ticking._wake.is_set()
    assert len(ticking.tick()) == 1
    assert reads(bench) == ["vendors"]
    with bench.world.store.read() as tx:
        assert hooks.known(tx, hooks.Endpoint(COMPANY, "shop"), ["e-1", "e-2"]) == {"e-1"}
    assert server.take_event(COMPANY, "shop", {"x-signature": "hush"}, body).status == 200
    assert ticking.tick() == []  # the same event again is no new work


def test_a_failing_read_is_planned_like_any_other(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.shop.faults = [BadAnswer("no JSON"), BadAnswer("no JSON")]
    (report,) = service_of(bench).tick()
    assert len(report.errors) == 3
    assert min(waits(bench).values()) > 3000
    assert [(line["event"], line["error"], line["level"]) for line in logged(capsys)] == [
        ("trouble", "no JSON", "warning")
    ] * 3


def test_what_woke_is_prepared_and_what_was_posted_is_told(bench: Bench) -> None:
    ticking = service_of(bench)
    ticking.tick()
    bench.post_all()
    (report,) = ticking.tick()
    assert (report.streams, report.marked) == ((), 1)
    assert bench.states() == {"b-1": "closed"}
    assert ticking.tick() == []


def test_what_a_task_does_can_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it, and so calls go first where a store is written by one at a time."""
    seen: list[bool] = []
    run = Runner.run

    def seen_running(*given: Any, **more: Any) -> RunReport:
        seen.append(is_patient())
        return run(*given, **more)

    monkeypatch.setattr(Runner, "run", seen_running)
    service_of(bench).tick()
    assert [*seen, is_patient()] == [True, False]


def test_what_was_told_is_one_line_now_and_then(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    ticking = service_of(bench)
    bench.shop.listed["bills"] = [bill(f"b-{number}") for number in range(6)]
    ticking.tick()
    logged(capsys)
    for _ in range(6):  # a session posts one record after the other, and wakes the worker each time
        made = bench.send(1)
        assert made is not None
        bench.settle(made, kit.posted(made.operations[0].id))
        ticking.tick()
        ticking.tick()
    assert [(line["event"], line["marked"]) for line in logged(capsys)] == [("told the source", 1)]
    bench.world.clock.sleep(service.TOLD_EVERY_S)
    ticking.tick()
    ticking.tick()
    (line,) = logged(capsys)
    del line["timestamp"]
    assert line == {"event": "told the source", "level": "info", "company": COMPANY, "flow": FLOW, "marked": 5}


def test_a_source_that_cannot_be_told_is_reported(bench: Bench) -> None:
    ticking = service_of(bench)
    ticking.tick()
    bench.post_all()
    bench.shop.mark_faults = [Transient("503")]
    (report,) = ticking.tick()
    assert (report.marked, [str(error) for error in report.errors]) == (0, ["503"])
    assert ticking.tick() == []


def test_a_company_whose_connections_are_not_all_made_is_left_alone(bench: Bench) -> None:
    with bench.world.store.write() as tx:
        companies.add(tx, "aaa", "A", kit.AT)
        companies.put_connection(tx, "aaa", "shop", "shop", {}, kit.AT)
    assert [report.company for report in service_of(bench).tick()] == [COMPANY]


@pytest.mark.parametrize("error", [StoreBusy("locked"), FlowctlError("odd", hint="do this")])
def test_one_company_s_fault_stops_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: FlowctlError
) -> None:
    with bench.world.store.write() as tx:
        kit.connected(tx, bench.world, "zeta")
    run = Runner.run

    def some(self: Runner, program: object, company: str, **more: object) -> object:
        if company == COMPANY:
            raise error
        return run(self, program, company, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Runner, "run", some)
    assert [report.company for report in service_of(bench).tick()] == ["zeta"]
    (line, _) = logged(capsys)
    assert (line["event"], line["company"], line["error"], line["hint"]) == (
        "run failed",
        COMPANY,
        str(error),
        error.hint,
    )


def test_a_damaged_store_stops_everything(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_args: object, **_more: object) -> None:
        raise StoreDamaged("broken")

    monkeypatch.setattr(Runner, "run", damaged)
    with pytest.raises(StoreDamaged):
        service_of(bench).tick()


def test_a_flow_of_a_trigger_without_an_interval(bench: Bench) -> None:
    with kit.bench(YAML.replace("every: 1h, ", "")) as other:
        service_of(other).tick()
        assert 3600 * 0.95 <= waits(other)["bills"] <= 3600 * 1.05


# --- the thread


def looping(bench: Bench, monkeypatch: pytest.MonkeyPatch, *ticks: Exception | None) -> tuple[Service, threading.Event]:
    """A service whose ticks do what is written down; the event tells that all of them were made."""
    made = service_of(bench)
    left, done = list(ticks), threading.Event()

    def tick(_self: Service) -> list[object]:
        error = left.pop(0) if left else None
        if not left:
            done.set()
        if error is not None:
            raise error
        return []

    monkeypatch.setattr(Service, "tick", tick)
    monkeypatch.setattr(service, "TICK_S", 0.005)
    return made, done


def test_the_worker_ticks_until_it_is_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made, done = looping(bench, monkeypatch, None, None, None)
    made.start()
    assert done.wait(10)
    thread = made._thread
    made.stop()
    assert thread is not None
    assert not thread.is_alive()


def test_the_worker_goes_on_after_a_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, done = looping(bench, monkeypatch, StoreBusy("locked", hint="wait"), None)
    made.start()
    assert done.wait(10)
    made.stop()
    (line,) = logged(capsys)
    assert (line["event"], line["error"], line["hint"]) == ("tick failed", "locked", "wait")


def test_the_worker_ends_with_a_damaged_store(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = looping(bench, monkeypatch, StoreDamaged("broken"), None)
    made.start()
    assert made._thread is not None
    made._thread.join(10)
    assert not made._thread.is_alive()
    (line,) = logged(capsys)
    assert (line["event"], line["level"], line["error"]) == ("stopped", "critical", "broken")
    made.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_ends_by_itself_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = looping(bench, monkeypatch, ZeroDivisionError(), None)
    seen = [made.alive]
    made.start()
    assert made._thread is not None
    made._thread.join(10)
    seen.append(made.alive)
    assert [line["event"] for line in logged(capsys)] == ["worker ended"]
    made.stop()
    seen.append(made.alive)  # it was stopped, as it should
    assert seen == [True, False, True]


def test_a_passing_fault_is_tried_again_soon(bench: Bench) -> None:
    bench.shop.faults = [Transient("503")] * 10
    service_of(bench).tick()
    assert max(waits(bench).values()) <= service.CLAIM_S * 1.05


def test_a_source_that_asks_for_a_long_pause_gets_it(bench: Bench) -> None:
    """And the worker has other work meanwhile: it is not slept through."""
    before = bench.world.clock.now()
    bench.shop.faults = [RateLimited("429", retry_after_s=900)] * 10
    service_of(bench).tick()
    assert (bench.world.clock.now() - before).total_seconds() < 1
    assert 900 <= max(waits(bench).values()) <= 1000


@pytest.mark.parametrize(("asked_s", "least_s"), [(1500, 1500), (7200, 7200), (86400, 7200)])
def test_a_pause_longer_than_the_interval_is_kept_as_well(asked_s: float, least_s: float) -> None:
    with kit.bench(YAML.replace("{every: 1h, webhook: [bill.ready, bill.paid]}", "{every: 10m}")) as bench:
        bench.shop.faults = [None, RateLimited("budget", retry_after_s=asked_s)] * 4
        ticking = service_of(bench)
        ticking.tick()
        reads(bench)
        assert least_s <= waits(bench)["bills"] <= least_s * 1.11
        bench.world.clock.sleep(least_s - 1)
        ticking.tick()
        assert reads(bench) == []


def test_a_busy_store_is_tried_again_sooner(bench: Bench) -> None:
    bench.shop.faults = [StoreBusy("locked")]
    service_of(bench).tick()
    assert max(waits(bench).values()) <= service.STORE_WAIT_S * 1.05


def test_what_was_claimed_is_due_once_the_store_can_be_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Runner.run

    def busy(*_args: object, **_more: object) -> None:
        raise StoreBusy("full")

    monkeypatch.setattr(Runner, "run", busy)
    ticking = service_of(bench)
    assert ticking.tick() == []
    assert min(waits(bench).values()) > 0
    monkeypatch.setattr(Runner, "run", run)
    (report,) = ticking.tick()
    assert report.count("read") == 2


def test_a_poke_wakes_the_worker_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made, done = looping(bench, monkeypatch, None)
    monkeypatch.setattr(service, "TICK_S", 60)
    made.start()
    made.poke(COMPANY)
    assert done.wait(10)
    made.stop()


def test_a_service_that_was_never_started_stops(bench: Bench) -> None:
    made = service_of(bench)
    made.stop()
    assert made.tick() == []  # it is stopping: nothing is begun


def test_what_a_clock_that_was_ahead_put_off_is_read_once_the_clock_is_right(bench: Bench) -> None:
    right = bench.world.clock.now()
    ahead = right + timedelta(days=40)
    wrong = replace(bench.world, clock=type(bench.world.clock)(ahead))  # type: ignore[call-arg]
    Service(wrong, {FLOW: bench.program}).tick()
    assert reads(bench) == ["vendors", "bills"]
    assert min(waits(bench).values()) > timedelta(days=39).total_seconds()
    ticking = service_of(bench)
    ticking.tick()
    assert reads(bench) == ["vendors", "bills"]
    assert max(waits(bench).values()) <= 6 * 3600 * 1.05
    assert ticking.tick() == []
    assert reads(bench) == []


def test_the_clock_of_the_schedule_is_the_world_s(bench: Bench) -> None:
    later = replace(bench.world, clock=type(bench.world.clock)(from_iso("2030-01-01T00:00:00.000000Z")))  # type: ignore[call-arg]
    Service(later, {FLOW: bench.program}).tick()
    with bench.world.store.read() as tx:
        rows = tx.rows("schedule_due", {"company": COMPANY, "flow": FLOW, "at": "9999"})
    assert min(row["next_at"] for row in rows) > "2030"
