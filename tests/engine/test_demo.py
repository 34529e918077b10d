"""The demo: both sides and the journal agree, a person fills the gap, and whatever does not work is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from engine.clock import Clock
from engine.contract import Handler, Json, ListObject
from engine.demo import COMPANY, DemoOptions, FlowResult, _meaning, run_demo
from engine.errors import BadAnswer, Bug, Rejected
from engine.flowlang.flowfile import load_flow
from engine.program import compile_flow
from engine.registry import registered
from engine.store import journal, lists, records
from engine.testing import memory_world
from tests.engine.kit import AT, YAML, LedgerConnector, Shop, ShopConnector, bench, bill, flow
from tests.engine.list_kit import ACME, OLD, list_bench

FLOWS = Path(__file__).parents[2] / "flows"
RESULT = FlowResult("f", 3, 2, 0, 0, 1, 2, Decimal("10.50"), Decimal("10.50"), Decimal("10.50"), 4, 0)


def test_a_result_agrees_when_all_totals_do_and_nothing_was_posted_twice() -> None:
    assert RESULT.agrees
    for change in ("source_total", "journal_total", "target_total"):
        assert not replace(RESULT, **{change: Decimal("10.49")}).agrees  # type: ignore[arg-type]
    assert not replace(RESULT, second_run_posted=1).agrees


def test_a_result_for_programs() -> None:
    assert RESULT.as_json() == {
        "flow": "f", "read": 3, "posted": 2, "deferred": 0, "failed": 0, "skipped": 1, "marked": 2, "source_total": "10.50",
        "journal_total": "10.50", "target_total": "10.50", "sessions": 4, "second_run_posted": 0,
    }  # fmt: skip


@pytest.mark.acceptance
def test_the_shipped_flow_agrees_on_both_sides_after_a_gap_was_filled() -> None:
    loaded, _ = load_flow(FLOWS / "ramp_to_quickbooks.yaml")
    assert loaded is not None
    world = memory_world()
    said: list[str] = []
    try:
        result = run_demo(world, compile_flow(loaded), DemoOptions(bills=10, transactions=8, vendors=3), said.append)
        with world.store.read() as tx:
            assert journal.verify(tx, COMPANY) is None
            states = {row["state"] for row in tx.rows("record_counts", {"company": COMPANY, "flow": ""})}
    finally:
        world.store.close()
    assert result.agrees, result
    assert (result.deferred, result.failed, result.second_run_posted) == (0, 0, 0)
    assert result.source_total > 0
    assert result.read == result.posted + result.skipped
    assert states <= {"closed", "skipped"}
    assert [line for line in said if "a bookkeeper maps it to" in line]
    assert said.count("Running everything a second time:") == 1


@pytest.mark.acceptance
def test_a_source_is_lined_up_with_what_a_target_offers() -> None:
    loaded, _ = load_flow(FLOWS / "freshbooks_to_ramp.yaml")
    assert loaded is not None
    world = memory_world()
    said: list[str] = []
    options = DemoOptions(bills=6, transactions=12, vendors=3)
    try:
        result = run_demo(world, compile_flow(loaded), options, said.append)
        with world.store.read() as tx:
            rows = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 99})
            operations = [tx.one("operation_get", {"id": row["operation_id"]}) for row in rows if row["operation_id"]]
        requests = {operation["request"] for operation in operations if operation is not None}
    finally:
        world.store.close()
    assert result.agrees, result
    assert (result.deferred, result.failed, result.second_run_posted) == (0, 0, 0)
    assert requests == {"VendorCreate", "BillCreate", "TransactionCode"}
    assert [line for line in said if "a bookkeeper maps it to" in line]


# --- what does not work


@dataclass(slots=True)
class Vendor:
    """The simulated shop: nothing behind its address."""

    def binding(self, base_url: str) -> tuple[Mapping[str, str | int | bool], Mapping[str, str]]:
        assert base_url.startswith("http://127.0.0.1:")
        return {"region": "eu"}, {"api_key": "k"}

    def total(self) -> Decimal:
        return Decimal(7)

    def save(self) -> str:
        return ""

    def app(self) -> Starlette:
        return Starlette()

    def transport(self) -> Any:
        raise AssertionError


@dataclass(slots=True)
class Visitor:
    """The simulated agent: says of each visit what a test wrote down."""

    visits: list[Json]

    def binding(self, base_url: str) -> tuple[Mapping[str, str | int | bool], Mapping[str, str]]:
        return {"user": "wc"}, {"password": "p"}

    def total(self) -> Decimal:
        return Decimal(7)

    def save(self) -> str:
        return ""

    def visit(self, url: str, user: str, password: str) -> Json:
        assert (url.endswith("/ledger"), user, password) == (True, "wc", "p")
        return self.visits.pop(0) if self.visits else {"requests": [], "errors": []}

    def visit_handler(self, handler: Handler, user: str, password: str) -> Json:
        raise AssertionError

    def chart(self) -> Mapping[str, Sequence[Json]]:
        return {"vendors": [{"name": "First Vendor"}], "accounts": [{"name": "First Account"}]}


@dataclass(slots=True)
class SimulatedShop(ShopConnector):
    options: list[Json] = field(default_factory=list)

    def sandbox(self, seed: int, clock: Clock, options: Json) -> Vendor:
        self.options.append(options)
        return Vendor()


@dataclass(slots=True)
class SimulatedLedger(LedgerConnector):
    visits: list[Json] = field(default_factory=list)

    def sandbox(self, seed: int, clock: Clock, options: Json) -> Visitor:
        return Visitor(self.visits)


@contextmanager
def stage(shop: ShopConnector, ledger: LedgerConnector) -> Iterator[tuple[list[str], Any]]:
    said: list[str] = []
    world = memory_world()
    with registered({"shop": shop, "ledger": ledger}):
        try:
            yield said, lambda text=YAML: run_demo(world, compile_flow(flow(text)), DemoOptions(), said.append)
        finally:
            world.store.close()


@pytest.mark.acceptance
def test_a_connector_without_a_simulator() -> None:
    with stage(ShopConnector(Shop()), SimulatedLedger()) as (_, run), pytest.raises(Bug) as caught:
        run()
    assert str(caught.value) == "the connector `shop` brings no simulator"


@pytest.mark.acceptance
def test_a_demo_that_does_not_come_to_rest() -> None:
    ledger = SimulatedLedger(visits=[{"requests": ["x"], "errors": []}] * 20)
    with stage(SimulatedShop(Shop()), ledger) as (_, run), pytest.raises(Bug) as caught:
        run()
    assert str(caught.value) == "the demo was not at rest after 12 cycles"


@pytest.mark.acceptance
def test_troubles_are_said() -> None:
    shop = Shop(faults=[BadAnswer("no JSON")])
    ledger = SimulatedLedger(visits=[{"requests": [], "errors": ["could not start QuickBooks"]}])
    connector = SimulatedShop(shop)
    with stage(connector, ledger) as (said, run):
        result = run()
    assert said[3:6] == [
        "  trouble: no JSON",
        "  web connector: could not start QuickBooks",
        "  cycle 1: 0 read, 0 QBXML requests, 0 marked synced",
    ]
    assert (result.source_total, result.journal_total, result.target_total, result.agrees) == (7, 0, 7, False)
    assert (result.read, result.posted, result.sessions) == (0, 0, 3)
    assert connector.options[-1]["chart"]["vendors"] == [{"name": "First Vendor"}]


@pytest.mark.acceptance
def test_what_is_missing_is_mapped_to_the_first_of_its_list() -> None:
    shop = Shop(mark_faults=[Rejected("not now")])
    shop.listed["bills"] = [
        bill(vendor={"id": "v-7", "name": "Nobody"}),
        bill("b-2", vendor={"id": "v-7", "name": "Nobody"}),
    ]
    connector = SimulatedShop(shop)
    text = YAML.replace("lookup('account', null, 'Accounts Payable')", "vendor")
    world_text = text.replace("lookup('account', account, account, code)", "account")
    said: list[str] = []
    world = memory_world()
    with registered({"shop": connector, "ledger": SimulatedLedger()}):
        with world.store.write() as tx:
            lists.store_page(tx, COMPANY, "Vendor", [ListObject("V", "First Vendor")], first=True)
            lists.finish(tx, COMPANY, "Vendor", AT)
        try:
            run_demo(world, compile_flow(flow(world_text)), DemoOptions(), said.append)
            with world.store.read() as tx:
                mapped = tx.rows("mappings_of", {"company": COMPANY, "flow": "shop_to_ledger", "lookup": ""})
                rows = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 9})
        finally:
            world.store.close()
    assert [(m["lookup"], m["source_key"], m["full_name"], m["actor"]) for m in mapped] == [
        ("vendor", "v-7", "First Vendor", "bookkeeper")
    ]
    assert "2 wait for vendor `v-7`; a bookkeeper maps it to `First Vendor`" in said
    assert [row["source_id"] for row in rows if "unmapped" in {r.code for r in records.load_reasons(row)}] == []


def test_a_gap_in_a_list_of_a_called_target_is_filled_from_that_list() -> None:
    with list_bench() as made, made.world.store.write() as tx:
        assert _meaning(tx, made.program.flow, "vendor", {}) == ""
        lists.store_page(tx, COMPANY, "cloud.vendors", [OLD, ACME], first=True)
        assert _meaning(tx, made.program.flow, "vendor", {}) == "Acme"
    with bench() as other, other.world.store.read() as tx:
        assert _meaning(tx, other.program.flow, "account", {"accounts": [{"name": "Rent"}]}) == "Rent"
