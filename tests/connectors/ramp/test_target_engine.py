"""The engine writing to Ramp: vendors before their bills, a lost answer, and a connection that is held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from connectors.ramp.simulator import Line
from connectors.ramp.simulator.records import Profile
from connectors.ramp.spec import SPEC
from engine.contract import Binding, Tools
from engine.diagnostics import Diagnostic
from engine.program import compile_flow
from engine.registry import registered
from engine.runreport import RunReport
from engine.spec import ConnectorSpec
from engine.store import companies
from engine.testing import memory_world
from tests import stores
from tests.connectors.ramp.target_kit import PROFILES, SECRETS, Bench
from tests.connectors.ramp.test_target_bills import hundredfold
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, bill

FLOW = """
flow: shop_to_ramp
version: 1
connections:
  shop: {connector: shop}
  ramp: {connector: simulated_ramp}
streams:
  vendors:
    trigger: {every: 6h}
    fetch: {from: shop, stream: vendors}
    key: id
    about: {party: name}
    map: {name: name, country: "'US'", email: "'ap@vendor.example'", external_vendor_id: id}
    write: {to: ramp, request: VendorCreate}
  bills:
    after: [vendors]
    trigger: {every: 1h}
    fetch: {from: shop, stream: bills, with: {ready: true}}
    key: id
    about: {amount: money(amount), currency: currency, party: vendor.name, reference: number, date: date}
    map:
      vendor_id: posted('vendors', vendor.id).id
      invoice_number: limit(number, `20`)
      invoice_currency: "'USD'"
      issued_at: date(date)
      due_at: date(date)
      remote_id: join(':', ['shop', id])
      line_items: "[{amount: money(amount), memo: memo, coding: [{field_id: 'Category', option_id: '6010'}]}]"
    write: {to: ramp, request: BillCreate}
"""
# What links vendors may be of another flow than what makes them.
LINKING = f"""{FLOW}
  vendor_links:
    after: [vendors]
    trigger: {{every: 6h}}
    fetch: {{from: shop, stream: vendors}}
    key: id
    phase: link
    about: {{party: name}}
    map: {{vendor_id: "posted('vendors', id).id", accounting_vendor_remote_id: "'80000002-1'"}}
    write: {{to: ramp, request: VendorLink}}
"""


@dataclass(slots=True)
class Connected:
    """Ramp as a plugin that opens the bench's connection."""

    bench: Bench
    spec: ConnectorSpec = SPEC

    def check(self, _binding: Binding) -> list[Diagnostic]:
        return []

    def open(self, _binding: Binding, _tools: Tools) -> Any:
        return self.bench.open()


@contextmanager
def shop_bench(ramp: Bench, text: str = FLOW) -> Iterator[kit.Bench]:
    shop, world = kit.Shop(), memory_world()
    connector = kit.ShopConnector(shop)
    with registered({"shop": connector, "simulated_ramp": Connected(ramp)}):
        try:
            program = compile_flow(kit.flow(text, "shop_to_ramp.yaml"))
            with world.store.write() as tx:
                kit.connected(tx, world)
                companies.put_connection(tx, COMPANY, "ramp", "simulated_ramp", {}, AT)
                for name, value in SECRETS.items():
                    companies.put_secret(tx, world.vault, COMPANY, "ramp", name, value, AT)
            shop.listed["vendors"] = [kit.vendor("v-1", "Grün & Söhne")]
            shop.listed["bills"] = [{**bill("b-1"), "vendor": {"id": "v-1", "name": "Grün & Söhne"}}]
            yield kit.Bench(world, program, shop, connector)
        finally:
            world.store.close()


def run(bench: kit.Bench) -> RunReport:
    return bench.runner.run(bench.program, COMPANY)


def states(bench: kit.Bench) -> tuple[dict[str, str], dict[str, str]]:
    return bench.states("vendors"), bench.states()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_vendor_is_made_for_its_bill_and_nothing_twice(profile: Profile) -> None:
    ramp = Bench(profile)
    with shop_bench(ramp) as bench:
        report = run(bench)
        assert (report.pushed, report.errors) == (2, ())
        assert states(bench) == ({"v-1": "closed"}, {"b-1": "closed"})
        (made,) = ramp.world.bills.values()
        assert ramp.world.vendors[made.vendor_id].name == "Grün & Söhne"
        assert (made.remote_id, made.minor) == ("shop:b-1", 10000)
        run(bench)
        assert ramp.writes() == ["POST /vendors", "POST /bills"]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_vendor_that_another_record_made_is_linked(profile: Profile) -> None:
    ramp = Bench(profile)
    with shop_bench(ramp, LINKING) as bench:
        run(bench)
        run(bench)
        assert bench.states("vendor_links") == {"v-1": "closed"}
        (made,) = (row for row in ramp.world.vendors.values() if row.name == "Grün & Söhne")
        assert made.accounting is not None
        assert made.accounting.external_id == "80000002-1"
        assert [row["target_id"] for row in stores.table(bench.world.store, "pushed")].count(made.id) == 1


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("path", ["/vendors", "/bills"])
def test_a_lost_answer_is_found_by_the_next_run(profile: Profile, path: str) -> None:
    ramp = Bench(profile)
    with shop_bench(ramp) as bench:
        ramp.fault("timeout_after", "POST", path)
        run(bench)
        run(bench)
        assert states(bench) == ({"v-1": "closed"}, {"b-1": "closed"})
        assert ramp.writes() == ["POST /vendors", "POST /bills"]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_mistaken_unit_stops_after_one_bill_until_a_person_has_looked(profile: Profile) -> None:
    ramp = Bench(profile)
    with shop_bench(ramp) as bench:
        bench.shop.listed["bills"] += [{**bench.shop.listed["bills"][0], "id": "b-2", "number": "N-b-2"}]
        hundredfold(ramp)
        for _ in range(3):
            run(bench)
        assert ramp.writes() == ["POST /vendors", "POST /bills"]
        assert states(bench) == ({"v-1": "closed"}, {"b-1": "unknown", "b-2": "intended"})
        (found,) = ramp.world.bills.values()
        assert [(kind, subject) for kind, subject, _ in bench.alerts()] == [("connection", "shop_to_ramp/ramp/write")]
        ramp.change = lambda _, answer: answer
        ramp.world.bills[found.id] = replace(found, lines=(Line(10000),))
        run(bench)
        assert states(bench) == ({"v-1": "closed"}, {"b-1": "closed", "b-2": "closed"})
        assert bench.alerts() == []
        assert len(ramp.world.bills) == 2
