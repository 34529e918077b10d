"""Records of a flow that is off rest: they are told apart, and nobody is alarmed about them; on again, they go on."""

from __future__ import annotations

from engine import flowswitch, standing
from engine.alerting import grouping
from engine.follow import Hand
from engine.operator import resting, tomap, worklist
from engine.operator.tomap import Wanted, Where
from engine.overview import overview
from engine.store import journal, work
from engine.telemetry import gauges, pulse
from tests.engine import kit
from tests.engine.kit import COMPANY, FLOW, Bench, bill

LINES = [{"account": "Nowhere", "code": "1", "amount": "100.00", "memo": "m"}]


def switched(bench: Bench, *, on: bool) -> None:
    with bench.world.store.write() as tx:
        flowswitch.switch(tx, Hand(COMPANY, bench.world.at(), "cli:pat"), bench.program.flow, on=on)


def waiting(bench: Bench) -> None:
    """Bill 1 is prepared; 2 waits for an account; 3 failed; then the flow is switched off, and 4 was read just before."""
    bench.shop.listed["bills"] = [bill("b-1"), bill("b-2", lines=LINES), bill("b-3", lines=[])]
    bench.run("bills")
    assert bench.states() == {"b-1": "intended", "b-2": "deferred", "b-3": "failed"}


def test_what_waits_rests_while_the_flow_is_off() -> None:
    with kit.bench() as bench:
        waiting(bench)
        with bench.world.store.read() as tx:
            assert [alert["kind"] for alert in work.alerts(tx, COMPANY)] == ["deferred", "failed"]
        switched(bench, on=False)
        now = bench.world.at()
        with bench.world.store.read() as tx:
            assert resting.off(tx, COMPANY) == {FLOW}
            assert resting.resting(tx, COMPANY) == {FLOW: 1}
            # What failed is still there to be decided about.
            assert [alert["kind"] for alert in work.alerts(tx, COMPANY)] == ["failed"]
            it = standing.one(tx, COMPANY, now)
            assert (it.count("deferred").number, it.count("failed").number, it.oldest_at) == (0, 1, "")
            assert it.resting == {FLOW: 1}
            assert standing.closer(tx, COMPANY, ("deferred",), 5).off == {FLOW}
            found = overview(tx, COMPANY, bench.world.clock)
            assert found.resting == {FLOW: 1}
            assert (worklist.gaps(tx, COMPANY), len(worklist.gaps(tx, COMPANY, FLOW))) == ([], 1)
            where = Where(bench.world.store, COMPANY, {FLOW: bench.program.flow})
            page = tomap.page(tx, where, Wanted(), (0, 10))
            assert (page.gaps, page.total, page.resting) == ((), 0, {FLOW: 1})
            asked = tomap.page(tx, where, Wanted(FLOW), (0, 10))
            assert ([gap.label for gap in asked.gaps], asked.resting) == (["Nowhere"], {})
        assert grouping.groups(bench.world.store, COMPANY, "deferred") == []
        assert [group.code for group in grouping.groups(bench.world.store, COMPANY, "failed")] == ["check"]
        figures = gauges.look(bench.world.store, bench.world.clock, 10)
        assert (figures.records["deferred"], figures.records["failed"], figures.oldest_at) == (0, 1, "")


def test_what_was_read_and_never_prepared_is_no_backlog() -> None:
    with kit.bench() as bench:
        waiting(bench)
        with bench.world.store.write() as tx:
            row = worklist.parked(tx, COMPANY, "deferred")
            worklist.retry(tx, Hand(COMPANY, bench.world.at(), "cli:pat"), row, "")
            assert pulse.pulse(tx, COMPANY, FLOW, bench.world.at()).waiting == 2
            assert resting.unprepared(tx, COMPANY) == 0
        switched(bench, on=False)
        with bench.world.store.read() as tx:
            assert resting.resting(tx, COMPANY) == {FLOW: 1}
            # The prepared one is still to be sent.
            assert pulse.pulse(tx, COMPANY, FLOW, bench.world.at()).waiting == 1
            assert pulse.pulse(tx, COMPANY, "", bench.world.at()).waiting == 1
            assert pulse.pulse(tx, COMPANY, "other", bench.world.at()).waiting == 0


def test_on_again_they_are_looked_at_anew() -> None:
    with kit.bench() as bench:
        waiting(bench)
        switched(bench, on=False)
        switched(bench, on=True)
        assert bench.states() == {"b-1": "intended", "b-2": "pending", "b-3": "failed"}
        with bench.world.store.read() as tx:
            lines = [(line["event"], line["state_to"]) for line in journal.lines(tx, COMPANY)][-2:]
            assert lines == [("on", ""), ("woken", "pending")]
            assert resting.resting(tx, COMPANY) == {}
        bench.run("bills")
        with bench.world.store.read() as tx:
            assert {alert["kind"] for alert in work.alerts(tx, COMPANY)} == {"deferred", "failed"}
        assert bench.states()["b-2"] == "deferred"


def test_a_second_switch_changes_nothing() -> None:
    with kit.bench() as bench:
        waiting(bench)
        switched(bench, on=True)
        assert bench.states()["b-2"] == "deferred"
