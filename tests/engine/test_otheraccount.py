"""A connection was pointed at another account, which gives out the same ids: no record of the one before is changed by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.contract import Json
from engine.errors import BeingRead
from engine.follow import Hand
from engine.operator import chosen
from tests.engine import kit
from tests.engine.kit import COMPANY, Bench, bill
from tests.engine.operator.test_told_elsewhere import lead_to, words
from tests.engine.test_changes import WITH_CHANGE

ALERT = ("account", "shop_to_ledger/bills/b-1", 1)
OTHER = bill("b-1", "640.00", number="Z-9")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with kit.bench(WITH_CHANGE) as made:
        # Its region stands for what tells one account of a vendor from another.
        monkeypatch.setattr("tests.engine.kit.ShopConnector.spec", replace(kit.SHOP, account=("region",)))
        made.shop.page_size = 9
        lead_to(made, "eu")
        yield made


def read(bench: Bench, *bills: Json) -> None:
    bench.shop.listed["bills"] = list(bills)
    bench.run("bills")


def same(bench: Bench) -> list[str]:
    """A person says that both are one record; why not, empty when it is taken so."""
    with bench.world.store.write(COMPANY) as tx:
        done = chosen.act("same")(tx, Hand(COMPANY, bench.world.at(), "person"), [bench.record("b-1")], "moved house")
    return [why for _, why in done.refused]


def test_a_posted_record_is_not_changed_by_what_another_account_has_under_its_id(bench: Bench) -> None:
    read(bench, bill("b-1"))
    assert bench.post_all() == 1
    before = bench.record("b-1")
    lead_to(bench, "us")
    read(bench, OTHER)
    after = bench.record("b-1")
    assert (bench.post_all(), after["payload"], after["newest"]) == (0, before["payload"], None)
    assert ALERT in bench.alerts()
    number = before["id"]
    assert words(bench)[0] == (
        (
            "shop_to_ledger/bills/b-1: `shop` leads to another account now, which has `Z-9 Grün & Söhne 640.00 EUR` under the "
            "id of N-b-1 of the account before; it was not taken in, and N-b-1 stays posted as it is"
        ),
        (
            "two accounts may give out the same ids: connect the one before again, or enter the new one in the target by hand; "
            f"only when both are one and the same record, changed since, run `flowctl release {number} --same --company acme`"
        ),
    )


def test_its_own_account_connected_again_ends_the_alert_and_changes_it(bench: Bench) -> None:
    read(bench, bill("b-1"))
    bench.post_all()
    lead_to(bench, "us")
    read(bench, OTHER)
    lead_to(bench, "eu")
    read(bench, bill("b-1", "120.00", lines=[{"account": "Rent", "code": "6100", "amount": "120.00", "memo": "m"}]))
    assert (ALERT in bench.alerts(), bench.post_all()) == (False, 1)
    assert bench.record("b-1")["amount"] == "120.00"


@pytest.mark.parametrize("waits", [bill("b-1"), bill("b-1", vendor={"id": "v-7", "name": "Nobody"})])
def test_what_waits_to_be_posted_is_not_replaced(bench: Bench, waits: Json) -> None:
    read(bench, waits)
    before = bench.record("b-1")
    lead_to(bench, "us")
    read(bench, OTHER)
    after = bench.record("b-1")
    assert (after["payload"], after["state"]) == (before["payload"], before["state"])
    assert ALERT in bench.alerts()


def test_another_account_is_not_asked_for_the_records_of_the_one_before(bench: Bench) -> None:
    read(bench, bill("b-1", vendor={"id": "v-7", "name": "Nobody"}))
    lead_to(bench, "us")
    read(bench, bill("b-2"))
    assert (bench.shop.gets, bench.states()["b-1"]) == ([], "deferred")
    lead_to(bench, "eu")
    read(bench, bill("b-3"))
    assert (bench.shop.gets, bench.states()["b-1"]) == (["bills/b-1"], "skipped")


def test_a_person_says_that_it_is_the_same_record(bench: Bench) -> None:
    read(bench, bill("b-1"))
    bench.post_all()
    assert same(bench) == ["no other account has listed another record under its id"]
    lead_to(bench, "us")
    changed = bill("b-1", memo="moved")
    read(bench, changed)
    assert same(bench) == []
    assert (ALERT in bench.alerts(), bench.journal("b-1")[-1]) == (False, "same_there")
    read(bench, changed)
    assert bench.post_all() == 1


def test_what_was_read_before_the_connection_was_pointed_elsewhere_is_not_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of the old account arrives after a person has connected another one."""
    real = kit.Shop.read

    def slow(self: kit.Shop, *args: object) -> Iterator[object]:
        for page in real(self, *args):  # type: ignore[arg-type]
            lead_to(bench, "us")
            yield page

    monkeypatch.setattr(kit.Shop, "read", slow)
    bench.shop.listed["bills"] = [bill("b-1")]
    report = bench.runner.run(bench.program, COMPANY, streams=["bills"])
    assert report.errors
    assert all(isinstance(error, BeingRead) for error in report.errors)
    assert (bench.states(), bench.alerts()) == ({}, [])
