"""The figures that say whether a flow keeps up, and their alerts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.store import work
from engine.telemetry import pulse
from engine.telemetry.pulse import Pulse
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, bill

WHAT = "the Web Connector, a halted company, or a connection in trouble"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with kit.logging(), kit.bench() as made:
        yield made


def figures(bench: Bench, flow: str = FLOW) -> Pulse:
    with bench.world.store.read() as tx:
        return pulse.pulse(tx, COMPANY, flow, bench.world.at())


def alerts(bench: Bench) -> list[tuple[str, str, str]]:
    with bench.world.store.read() as tx:
        found = work.alerts(tx, COMPANY)
    return [(a["kind"], a["message"], a["hint"]) for a in found if a["kind"] in ("backlog", "failures")]


def test_what_waits_for_the_machine_is_counted_and_what_waits_for_a_person_is_not(bench: Bench) -> None:
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2", vendor={"id": "v-7", "name": "Nobody"})]
    bench.run()
    assert figures(bench) == figures(bench, "") == Pulse(1, 1 / 15)
    assert figures(bench, "other") == Pulse(0, 0.0)
    bench.post_all()
    assert figures(bench).waiting == 1  # posted, and the shop does not know yet
    bench.runner.tell(bench.program, COMPANY)
    assert figures(bench).waiting == 0
    bench.world.clock.sleep(15 * 60)
    assert figures(bench) == Pulse(0, 0.0)


def test_too_many_that_wait_are_an_alert_until_they_are_done(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "BACKLOG_MOST", 1)
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2")]
    bench.run()
    assert alerts(bench) == [
        (
            "backlog",
            "shop_to_ledger: 2 records wait to be posted or told, more than 1",
            f"`flowctl status --company acme` shows what stands still: {WHAT}",
        )
    ]
    bench.post_all()
    bench.run()
    assert alerts(bench) == []


def test_too_many_failures_are_an_alert_until_they_are_rare(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "FAILURES_MOST", 0.1)
    bench.shop.listed["bills"] = [bill(f"b-{n}", vendor={"id": f"v-{n}", "name": f"Nobody {n}"}) for n in range(10, 13)]
    bench.run()
    assert alerts(bench) == [
        (
            "failures",
            "shop_to_ledger: 0.2 failures a minute were told to the source, more than 0.1",
            "`flowctl deferred --company acme` shows the reasons; many at once have one cause, such as a closed period",
        )
    ]
    bench.world.clock.sleep(16 * 60)
    bench.run()
    assert alerts(bench) == []
