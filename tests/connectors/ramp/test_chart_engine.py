"""The engine writing a chart of accounts to Ramp: batches, changes, hiding, coming back, and a lost answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from connectors.ramp.simulator.records import Profile
from engine.program import compile_flow
from engine.registry import registered
from engine.runreport import RunReport
from engine.store import companies
from engine.testing import memory_world
from tests.connectors.ramp.target_kit import PROFILES, SECRETS, Bench
from tests.connectors.ramp.test_target_engine import Connected
from tests.engine import kit
from tests.engine.kit import AT, COMPANY

# Both streams give the same ids, as lists of QuickBooks may.
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
    map: {id: id, name: name, code: country}
    write:
      to: ramp
      request: AccountingVendorUpload
      change: {request: AccountingVendorUpdate}
      undo: {when: status == 'closed', gone: true, request: AccountingVendorDelete}
  classes:
    trigger: {every: 6h}
    fetch: {from: shop, stream: vendors}
    key: id
    about: {party: name}
    map: {field_id: "'Class'", field_name: "'Class'", id: id, value: name}
    write:
      to: ramp
      request: OptionUpload
      change: {request: OptionUpdate}
      undo: {when: status == 'closed', gone: true, request: OptionHide}
"""
both = pytest.mark.parametrize("profile", PROFILES)
Shown = list[tuple[str, str, str, bool, str]]


@contextmanager
def bench_of(ramp: Bench, count: int) -> Iterator[kit.Bench]:
    ramp.settings["provider_name"] = "flowctl"
    shop, world = kit.Shop(), memory_world()
    connector = kit.ShopConnector(shop)
    with registered({"shop": connector, "simulated_ramp": Connected(ramp)}):
        try:
            program = compile_flow(kit.flow(FLOW, "shop_to_ramp.yaml"))
            with world.store.write() as tx:
                kit.connected(tx, world)
                companies.put_connection(tx, COMPANY, "ramp", "simulated_ramp", {}, AT)
                for name, value in SECRETS.items():
                    companies.put_secret(tx, world.vault, COMPANY, "ramp", name, value, AT)
            shop.listed["vendors"] = [kit.vendor(f"v-{n}", f"Vendor {n}") for n in range(count)]
            yield kit.Bench(world, program, shop, connector)
        finally:
            world.store.close()


def run(bench: kit.Bench) -> RunReport:
    bench.world.clock.sleep(120)
    return bench.runner.run(bench.program, COMPANY)


def change(bench: kit.Bench, number: int, **fields: Any) -> None:
    bench.shop.listed["vendors"] = [
        {**row, **fields} if row["id"] == f"v-{number}" else row for row in bench.shop.listed["vendors"]
    ]


def shown(ramp: Bench, kind: str) -> Shown:
    active = ramp.world.connection()
    assert active is not None
    rows = ramp.world.chart.names(active.id, kind)
    return [(row.external_id, row.name, row.code, row.is_active, row.visibility) for row in rows]


@both
def test_a_chart_goes_in_batches_and_only_what_changed_goes_again(profile: Profile) -> None:
    ramp = Bench(profile)
    with bench_of(ramp, 600) as bench:
        report = run(bench)
        assert (report.pushed, report.errors) == (1200, ())
        assert sorted(ramp.writes()) == sorted(
            ["POST /accounting/vendors"] * 2 + ["POST /accounting/fields"] + ["POST /accounting/field-options"] * 2
        )
        assert len(shown(ramp, "vendors")) == len(shown(ramp, "field-options")) == 600
        ramp.tape.clear()
        run(bench)
        assert ramp.calls() == []
        change(bench, 7, name="Seven", country="7")
        change(bench, 8, status="closed")
        run(bench)
        assert [call.split("/")[0:3] for call in sorted(ramp.writes())] == [
            *([["DELETE ", "accounting", "vendors"]]),
            *([["PATCH ", "accounting", "field-options"]] * 2),
            *([["PATCH ", "accounting", "vendors"]]),
        ]
        assert shown(ramp, "vendors")[7:9] == [
            ("v-7", "Seven", "7", True, "VISIBLE"),
            ("v-8", "Vendor 8", "", False, "VISIBLE"),
        ]
        assert shown(ramp, "field-options")[7:9] == [
            ("v-7", "Seven", "", True, "VISIBLE"),
            ("v-8", "Vendor 8", "", True, "HIDDEN"),
        ]
        ramp.tape.clear()
        change(bench, 8, status="active")
        run(bench)
        assert shown(ramp, "vendors")[8] == ("v-8", "Vendor 8", "", True, "VISIBLE")
        assert shown(ramp, "field-options")[8] == ("v-8", "Vendor 8", "", True, "VISIBLE")
        ramp.tape.clear()
        run(bench)
        assert ramp.calls() == []


@both
def test_what_the_source_no_longer_has_is_hidden_or_taken_out_of_use(profile: Profile) -> None:
    ramp = Bench(profile)
    with bench_of(ramp, 3) as bench:
        run(bench)
        bench.shop.listed["vendors"] = bench.shop.listed["vendors"][:2]
        for _ in range(3):
            run(bench)
        assert [row[3:] for row in shown(ramp, "vendors")] == [(True, "VISIBLE"), (True, "VISIBLE"), (False, "VISIBLE")]
        assert [row[3:] for row in shown(ramp, "field-options")] == [
            (True, "VISIBLE"),
            (True, "VISIBLE"),
            (True, "HIDDEN"),
        ]


@both
@pytest.mark.parametrize("path", ["/accounting/vendors", "/accounting/field-options", "/accounting/fields"])
def test_a_lost_answer_is_found_by_a_later_run(profile: Profile, path: str) -> None:
    ramp = Bench(profile)
    with bench_of(ramp, 30) as bench:
        ramp.fault("timeout_after", "POST", path)
        for _ in range(3):
            run(bench)
        assert set(bench.states("vendors").values()) == set(bench.states("classes").values()) == {"closed"}
        assert ramp.writes().count("POST /accounting/vendors") == 1
        assert ramp.writes().count("POST /accounting/field-options") == 1
        assert len(shown(ramp, "vendors")) == len(shown(ramp, "field-options")) == 30


@both
def test_nothing_is_written_while_another_holds_the_connection(profile: Profile) -> None:
    ramp = Bench(profile)
    with bench_of(ramp, 2) as bench:
        ours = ramp.world.connection()
        assert ours is not None
        ramp.world.connections[ours.id] = replace(ours, provider="Other Books")
        report = run(bench)
        assert [str(error) for error in report.errors] == [
            f"{COMPANY}/ramp: the accounting connection is held by `Other Books`"
        ]
        assert (report.pushed, ramp.writes()) == (0, [])
        ramp.world.connections[ours.id] = ours
        bench.world.clock.sleep(3600)
        assert (run(bench).pushed, len(shown(ramp, "vendors"))) == (4, 2)


@both
def test_one_bad_entry_of_a_batch_fails_alone(profile: Profile) -> None:
    ramp = Bench(profile)
    with bench_of(ramp, 40) as bench:
        change(bench, 11, id="v" * 301)
        for _ in range(2):
            run(bench)
        states = bench.states("vendors")
        assert {name for name, state in states.items() if state == "failed"} == {"v" * 301}
        assert len(shown(ramp, "vendors")) == 39
