"""A flow that names the Web Connector posts into a ledger file, for the company that connected one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connectors.ledger import CONNECTOR as LEDGER
from connectors.ledger.connection import LedgerConnection
from connectors.ledger.sandbox import LedgerSandbox
from engine.buttons import buttons_of
from engine.cli import common
from engine.connections.binding import bound_flow, lacking, stands_in
from engine.connections.connecting import DoesNotStandFor, ListsClash, StillOpen, connect, standing_for
from engine.contract import ListObject
from engine.desk import StoreOutbox
from engine.health import Finding, roles_of
from engine.overview import overview
from engine.program import FlowProgram, compile_flow
from engine.registry import find, registered
from engine.runner import Runner
from engine.runreport import RunReport
from engine.service import Service
from engine.spec import ConnectorSpec
from engine.store import companies, journal, lists, outbox
from engine.store.base import Row
from engine.testing import FakeClock, memory_world
from engine.world import World
from tests.engine import kit

COMPANY = "acme"
QUICKBOOKS = {"user": "acme", "app_url": "http://localhost:1/qbwc"}


@dataclass(slots=True)
class Stage:
    """A company that is fed by a simulated Ramp and keeps a ledger."""

    world: World
    program: FlowProgram
    ramp: Any
    books: LedgerSandbox

    def fill_lists(self, company: str = COMPANY) -> None:
        """Read all lists of the ledger into the store, as a refreshing does."""
        opened: LedgerConnection = self.world.open(company, "books")
        with self.world.store.write() as tx:
            for entry in LEDGER.spec.lists:
                pages = list(opened.list_objects(entry.name))
                for number, page in enumerate(pages):
                    lists.store_page(tx, company, entry.name, page, first=number == 0)
                lists.finish(tx, company, entry.name, self.world.at())
        opened.close()

    def run(self, company: str = COMPANY) -> RunReport:
        with self.world.store.read() as tx:
            program = self.program.bound(companies.connectors(tx, company))
        return Runner(self.world).run(program, company)

    def states(self, company: str = COMPANY) -> dict[tuple[str, str], int]:
        with self.world.store.read() as tx:
            rows = tx.rows("record_counts", {"company": company, "flow": self.program.flow.name})
        return {(row["stream"], row["state"]): row["count"] for row in rows}

    def posted(self) -> Decimal:
        """What the journal says was posted."""
        with self.world.store.read() as tx:
            lines = [line for line in journal.lines(tx, COMPANY) if line["event"] == "posted"]
        return sum((Decimal(json.loads(line["detail"]).get("amount") or 0) for line in lines), Decimal(0))


@contextmanager
def staged(form: str = "jsonl", **mix: Any) -> Iterator[Stage]:
    clock = FakeClock()
    ramp_connector: Any = find("ramp")
    with registered({"ledger": LEDGER}):
        books = LEDGER.sandbox(1, clock, {"given": {"format": form}})
        ramp = ramp_connector.sandbox(1, clock, {"bills": 12, "transactions": 20, "chart": books.chart(), **mix})
        transports: dict[str, httpx.BaseTransport] = {"ramp": ramp.transport()}
        world = memory_world(1, clock, transports)
        try:
            connect(world, COMPANY, "ramp", "ramp", *ramp.binding("http://localhost:1"))
            connect(world, COMPANY, "books", "ledger", *books.binding(""))
            yield Stage(world, common.program("flows/ramp_to_quickbooks.yaml"), ramp, books)
        finally:
            world.store.close()
            books.folder.cleanup()


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_flow_for_quickbooks_posts_into_a_ledger_file(form: str) -> None:
    with staged(form) as stage:
        stage.fill_lists()
        report = stage.run()
        assert [str(error) for error in report.errors] == []
        assert report.pushed > 30
        assert {state for _, state in stage.states()} <= {"closed", "skipped"}
        first = stage.books.path.read_bytes()
        # Once more, with the lists as they are now: nothing is new, and every record is there once.
        stage.fill_lists()
        again = stage.run()
        assert (again.pushed, again.marked, [str(error) for error in again.errors]) == (0, 0, [])
        assert stage.books.path.read_bytes() == first
        assert stage.posted() == stage.books.total() != 0
        assert stage.ramp.total() == stage.books.total()
        _each_is_there_once(stage)


def _each_is_there_once(stage: Stage) -> None:
    if stage.books.form == "csv":
        rows = list(csv.DictReader(io.StringIO(stage.books.path.read_bytes().decode(), newline="")))
        entries = [row for row in rows if row["line"] in ("0", "1")]
    else:
        entries = [json.loads(line) for line in stage.books.path.read_text("utf-8").splitlines()]
    posted = sum(count for (_, state), count in stage.states().items() if state == "closed")
    guids = [entry["guid"] for entry in entries]
    adopted = posted - len(guids)
    assert len(set(guids)) == len(guids)
    # A vendor that the chart has by name is not added.
    assert adopted == _adopted(stage)


def _adopted(stage: Stage) -> int:
    with stage.world.store.read() as tx:
        rows: list[Row] = tx.rows(
            "records_listing", {"company": COMPANY, "state": "closed", "flow": stage.program.flow.name, "limit": 1000}
        )
    return sum(row["operation_id"] is None for row in rows)


def _bolt(stage: Stage) -> None:
    """A second company of the same flow, with QuickBooks and the same Ramp."""
    connect(stage.world, "bolt", "ramp", "ramp", *stage.ramp.binding("http://localhost:1"))
    connect(stage.world, "bolt", "books", "qbwc", {**QUICKBOOKS, "user": "bolt"}, {"password": "secret-of-bolt"})
    names: dict[str, list[ListObject]] = {}
    with stage.world.store.write() as tx:
        for name, objects in stage.books.chart().items():
            known = {"accounts": "Account", "classes": "Class", "customers": "Customer", "vendors": "Vendor"}
            if (kind := known.get(name)) is None:
                continue
            names[kind] = [ListObject(i["external_id"], i["name"], number=i["code"]) for i in objects]
        names["Account"] += [ListObject(f"Q-{n}", n) for n in ("Accounts Payable", "Checking", "Ramp Card")]
        for kind, items in names.items():
            lists.store_page(tx, "bolt", kind, items, first=True)
            lists.finish(tx, "bolt", kind, stage.world.at())


CHART = """
flow: chart
version: 1
connections:
  ramp: {connector: ramp}
  books: {connector: qbwc}
streams:
  accounts:
    trigger: {every: 1h}
    fetch: {from: books, stream: Account}
    key: list_id
    about: {party: full_name}
    map: {id: list_id, name: full_name, classification: "'ANY'"}
    write: {to: ramp, request: AccountUpload}
"""


def test_a_flow_that_reads_lists_of_quickbooks_reads_those_of_a_ledger() -> None:
    with staged() as stage:
        stage.program = compile_flow(kit.flow(CHART, "chart.yaml"))
        report = stage.run()
        assert [str(error) for error in report.list_errors] == []
        with stage.world.store.read() as tx:
            listed = [item.list_id for item in lists.objects(tx, COMPANY, "books.Account")]
        assert report.count("read") == len(listed) > 0


def test_two_companies_with_two_targets_side_by_side() -> None:
    with staged() as stage:
        _bolt(stage)
        stage.fill_lists()
        programs = {stage.program.flow.name: stage.program}
        reports = Service(stage.world, programs).tick()
        assert [(report.company, report.pushed > 30) for report in reports] == [("acme", True), ("bolt", False)]
        with StoreOutbox(stage.world, programs).transaction() as desk:
            assert desk.operations.backlog("acme") == 0
            assert desk.operations.next("acme", 100) == ()
            assert desk.books.due("acme") == ()
            assert [operation.request for operation in desk.operations.next("bolt", 1)] == ["VendorAdd"]
            desk.books.expire("bolt", ["Vendor"])
            assert desk.books.due("bolt") == ("Vendor",)
        entries = [json.loads(line) for line in stage.books.path.read_text("utf-8").splitlines()]
        assert {entry["company"] for entry in entries} == {"acme"}
        assert stage.ramp.total() == stage.books.total()


def test_what_a_company_sees() -> None:
    with staged() as stage:
        flows = [(stage.program.flow.name, [("ramp", "ramp"), ("books", "qbwc")])]
        (finding,) = roles_of(stage.world, COMPANY, flows)
        assert (finding.level, finding.message) == (
            "ok",
            "all connections are made; `books` is ledger, which stands for qbwc",
        )
        _bolt(stage)
        with stage.world.store.read() as tx:
            seen = [overview(tx, company, stage.world.clock).is_visited for company in ("acme", "bolt")]
        assert seen == [False, True]


def test_a_sync_button_can_be_answered_with_a_ledger() -> None:
    with staged() as stage:
        text = "the sync button of `ramp` is off; the company qualifies: what it writes to is called at once"
        assert list(buttons_of(stage.world, COMPANY, [stage.program.flow])) == [
            Finding("ok", f"{COMPANY}/ramp_to_quickbooks", text)
        ]


def test_a_program_is_compiled_once_for_each_binding() -> None:
    with registered({"ledger": LEDGER}):
        program = common.program("flows/ramp_to_quickbooks.yaml")
        made = {"ramp": "ramp", "books": "ledger", "other": "qbwc"}
        bound = program.bound(made)
        assert program.bound(dict(made)) is bound
        assert (program.called, bound.called) == ((), ("books",))
        assert [stream.is_polled for stream in bound.streams] == [False] * 4
        assert bound_flow(bound.flow, made) is bound.flow
        # The flow's own connectors, or one that cannot stand for them: nothing changes.
        for other in ({"books": "qbwc"}, {"books": "ramp"}, {"books": "nobody"}, {}):
            assert program.bound(other) is program
        assert (stands_in("qbwc", "ledger"), stands_in("ledger", "qbwc"), stands_in("ledger", "ledger")) == (
            True, False, False,
        )  # fmt: skip


def test_what_a_connector_lacks_is_named() -> None:
    with registered({"ledger": LEDGER}):
        program = common.program("flows/ramp_to_quickbooks.yaml")
        flow = program.flow
        assert lacking(flow, "books", LEDGER.spec) == ()
        nothing = ConnectorSpec("small", "Small", "keeps little", stands_for=("qbwc",), lists=LEDGER.spec.lists[:2])
        assert lacking(flow, "books", nothing) == (
            "request VendorAdd", "request VendorMod", "request BillAdd", "request BillMod",
            "request BillPaymentCheckAdd", "request JournalEntryAdd", "request CreditCardCreditAdd",
            "request CreditCardChargeAdd", "list Class", "list Customer",
        )  # fmt: skip
        ramp = find("ramp")
        assert ramp is not None
        with pytest.raises(DoesNotStandFor) as caught:
            standing_for([flow], "ramp", LEDGER)
        assert str(caught.value) == (
            "`ledger` cannot be `ramp`: `ramp_to_quickbooks` wants the connector ramp, stream vendors, stream bills, "
            "mark BILL_SYNC, mark BILL_PAYMENT_SYNC, stream transactions, mark TRANSACTION_SYNC"
        )
        standing_for([flow], "books", LEDGER)
        standing_for([flow], "elsewhere", LEDGER)


def test_one_company_has_one_set_of_books() -> None:
    with staged() as stage, pytest.raises(ListsClash) as caught:
        connect(stage.world, COMPANY, "more", "qbwc", QUICKBOOKS, {})
    assert str(caught.value) == (
        "`books` is ledger here, and has lists of the same names: Account, Vendor, Class, Customer, Employee, Terms, SalesTaxItem"
    )


def test_a_role_that_changes_hands_takes_what_waits_along() -> None:
    with staged() as stage:
        _bolt(stage)
        stage.run("bolt")
        with stage.world.store.read() as tx:
            waiting = tx.rows("operations_open_at", {"company": "bolt", "connection": "books"})
        assert len(waiting) > 10
        for state in ("sent", "held"):
            with stage.world.store.write() as tx:
                outbox.put(tx, waiting[0]["id"], state)
            with pytest.raises(StillOpen) as caught:
                connect(stage.world, "bolt", "books", "ledger", *stage.books.binding(""))
            assert str(caught.value) == (
                "1 document is under way over `books`, which is qbwc: what became of them must be known first"
            )
        with stage.world.store.write() as tx:
            outbox.put(tx, waiting[0]["id"], "waiting")
        connect(stage.world, "bolt", "books", "ledger", *stage.books.binding(""))
        with stage.world.store.read() as tx:
            assert tx.rows("operations_open_at", {"company": "bolt", "connection": "books"}) == []
        stage.fill_lists("bolt")
        report = stage.run("bolt")
        assert [str(error) for error in report.errors] == []
        assert {state for _, state in stage.states("bolt")} <= {"closed", "skipped"}
        assert stage.books.total() == stage.ramp.total()


def test_a_bill_that_changes_is_corrected_by_one_more_entry() -> None:
    with staged() as stage:
        stage.fill_lists()
        stage.run()
        before = stage.books.path.read_bytes()
        simulator = stage.ramp.simulator
        bill = next(bill for bill in simulator.world.bills.values() if bill.sync_status == "BILL_SYNCED")
        dearer = replace(bill.lines[0], minor=bill.lines[0].minor + 101)
        simulator.edit_bill(bill.id, lines=(dearer, *bill.lines[1:]))
        # A bill that is paid is listed once more, and changed before its payment is posted.
        simulator.pay_bill(bill.id)
        for _ in range(2):
            stage.fill_lists()
            assert [str(error) for error in stage.run().errors] == []
        after = stage.books.path.read_bytes()
        assert after.startswith(before)
        change, payment = (json.loads(line) for line in after[len(before) :].splitlines())
        assert [change[name] for name in ("request", "total")] == ["BillMod", "1.01"]
        assert [payment["lines"][0][name] for name in ("refers_to", "amount")] == [change["of"], payment["total"]]
        assert stage.books.total() == stage.ramp.total()
