"""BILL's limits hold while a whole business is read, and a visit of the Web Connector has BILL read."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.bill import AT_ONCE, simulate
from connectors.bill.sandbox import BillSandbox
from connectors.qbwc.routes import make_handler
from engine.desk import StoreOutbox
from engine.golden.stage import SERVER
from engine.service import Service
from tests.acceptance.test_bill_faults import FLOW, PROGRAM, business


def test_a_business_is_read_page_by_page_and_not_bill_by_bill() -> None:
    done = simulate(350)
    assert done.closed["bills"] == 350
    assert done.closed["payments"] > 100
    # Four pages of bills and two of payments; the vendors a second time, for the names of their credits' vendors.
    assert done.calls["GET /bills"] == 4
    assert done.calls["POST /login"] == 1
    # The vendors' currencies are read once by each stream that needs them.
    assert done.all_calls < 24
    assert (done.at_once <= AT_ONCE, done.busiest < 200) == (True, True)


def test_a_visit_of_the_web_connector_has_bill_read() -> None:
    """Once the last reading is five minutes old; `authenticate` itself waits for nobody."""
    with business() as (stage, bill, _):
        service = Service(stage.world, {FLOW: PROGRAM})
        outbox = replace(StoreOutbox(stage.world, {FLOW: PROGRAM}, logs=False), changed=service.poke)
        handler = make_handler(outbox, stage.clock, stage.world.ids)
        name, visitor = stage._visitor()
        settings, secrets = visitor.binding(SERVER)
        assert name == "books"

        def visit() -> tuple[int, int, list[str]]:
            """Calls to BILL during a session, calls of the worker after it, and what it read."""
            before = bill.simulator.tally.total
            visitor.visit_handler(handler, str(settings["user"]), secrets["password"])
            during = bill.simulator.tally.total
            reports = service.tick()
            read = [each.stream for report in reports for each in report.streams]
            return during - before, bill.simulator.tally.total - during, read

        service.tick()
        posting = ["vendors", "quickbooks_vendors", "bills", "vendor_credits", "payments"]
        assert isinstance(bill, BillSandbox)
        stage.clock.sleep(240)
        assert visit()[0] == 0
        stage.clock.sleep(301)
        during, after, read = visit()
        assert (during, sorted(read)) == (0, sorted(posting))
        assert 4 <= after <= 12
        assert visit()[:2] == (0, 0)
