"""What is made only once something waits for it: looked at again then, in the same run, and at no other time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.contract import ListObject
from engine.errors import RateLimited, Rejected
from engine.store.base import Tx
from tests.engine import match_kit
from tests.engine.kit import COMPANY, bill, vendor
from tests.engine.match_kit import listed, mapped, written
from tests.engine.push_kit import CloudBench

FIRST = match_kit.WANTED.replace(
    "say: nothing is owed to the vendor}", "say: nothing is owed to the vendor, for: first}"
)


@pytest.fixture
def bench() -> Iterator[CloudBench]:
    with match_kit.bench(match_kit.WANTED) as made:
        made.shop.listed = {"vendors": [vendor("v-1", "Acme"), vendor("v-2", "Other")], "bills": [bill("b-1")]}
        yield made


def test_the_first_run_makes_the_vendor_that_a_bill_wants_and_then_the_bill(bench: CloudBench) -> None:
    assert bench.run() == {"vendors": {"read": 2, "skipped": 2}, "bills": {"read": 1, "deferred": 1}}
    assert written(bench) == ["Acme", "N-b-1"]
    assert bench.states("vendors") == {"v-1": "closed", "v-2": "skipped"}
    assert bench.states() == {"b-1": "closed"}
    assert bench.journal("v-1", "vendors") == ["read", "woken", "intended", "sent", "posted", "closed"]
    assert bench.journal("b-1") == ["read", "woken", "intended", "sent", "posted", "closed"]
    assert bench.reasons("v-2", "vendors") == [("not_selected", "nothing is owed to the vendor")]
    assert bench.alerts() == []


def test_who_nobody_wants_is_not_looked_at_again(bench: CloudBench) -> None:
    bench.run()
    calls = len(bench.cloud.calls)
    assert bench.run() == {"vendors": {"read": 2}, "bills": {"read": 1}}
    assert bench.journal("v-2", "vendors") == ["read"]
    assert len(bench.cloud.calls) == calls


def test_a_later_bill_wants_a_vendor_that_was_left_out(bench: CloudBench) -> None:
    bench.run()
    bench.shop.listed["bills"].append(bill("b-2", vendor={"id": "v-2", "name": "Other"}))
    bench.run()
    assert written(bench) == ["Acme", "N-b-1", "Other", "N-b-2"]


def test_while_the_vendor_is_on_its_way_the_bill_says_so(bench: CloudBench) -> None:
    bench.cloud.faults[0] = RateLimited("slower", retry_after_s=60)
    report = bench.runner.run(bench.program, COMPANY)
    assert [str(error) for error in report.errors] == ["slower"]
    assert bench.states("vendors") == {"v-1": "intended", "v-2": "skipped"}
    assert bench.reasons("b-1") == [("not_posted", "the vendor `v-1` is being created")]
    assert bench.alerts() == []
    bench.passed(3600)
    bench.run()
    assert written(bench) == ["Acme", "N-b-1"]


def test_a_vendor_that_is_there_by_name_is_linked_and_not_written(bench: CloudBench) -> None:
    listed(bench, "vendors", ListObject("c-77", "ACME"))
    bench.run()
    assert written(bench) == ["N-b-1"]
    assert bench.reasons("v-1", "vendors") == [("adopted", "`ACME` is there already")]
    assert next(iter(bench.cloud.objects.values()))["vendor"] == "c-77"


@pytest.mark.parametrize("text", [match_kit.WANTED, FIRST])
def test_a_vendor_that_was_made_stays_one_when_nobody_waits_any_more(text: str) -> None:
    with match_kit.bench(text) as bench:
        bench.shop.listed = {"vendors": [vendor("v-1", "Acme")], "bills": [bill("b-1")]}
        bench.run()
        bench.shop.listed["vendors"] = [vendor("v-1", "Acme", country="DE")]
        bench.run()
        assert bench.states("vendors") == {"v-1": "closed"}
        assert bench.record("v-1", "vendors")["drifted"] == 0
        assert bench.alerts() == []


def test_a_vendor_that_was_found_stays_found_when_it_changes(bench: CloudBench) -> None:
    listed(bench, "vendors", ListObject("c-77", "Acme"))
    bench.run()
    bench.shop.listed["vendors"][0] = vendor("v-1", "Acme Europe")
    bench.run()
    assert bench.reasons("v-1", "vendors") == [("adopted", "`Acme` is there already")]
    assert written(bench) == ["N-b-1"]


def test_a_vendor_that_is_refused_is_no_longer_on_its_way(bench: CloudBench) -> None:
    bench.cloud.faults[1] = Rejected("the name is taken")
    bench.runner.run(bench.program, COMPANY)
    assert bench.states("vendors") == {"v-1": "failed", "v-2": "skipped"}
    assert bench.reasons("b-1") == [("unmapped", "the vendor `v-1` is not in the vendors list of Cloud")]
    assert bench.alerts() == [
        ("failed", "shop_to_cloud/vendors/v-1", 1),
        ("deferred", "shop_to_cloud/vendor/v-1", 1),
    ]


@pytest.mark.parametrize("changes", [{"name": "Nobody"}, {"status": "closed"}])
def test_a_vendor_that_is_not_made_for_another_reason(bench: CloudBench, changes: dict[str, str]) -> None:
    bench.shop.listed["vendors"][0] = vendor("v-1", **changes)
    bench.run()
    assert written(bench) == []
    assert bench.reasons("b-1") == [("unmapped", "the vendor `v-1` is not in the vendors list of Cloud")]
    before = bench.journal("v-1", "vendors"), bench.journal("b-1")
    bench.run()
    assert (bench.journal("v-1", "vendors"), bench.journal("b-1")) == before


def test_it_is_wanted_no_more_once_a_person_has_mapped_the_key(bench: CloudBench) -> None:
    listed(bench, "vendors", ListObject("c-77", "Somebody"))
    bench.cloud.faults[0] = RateLimited("slower", retry_after_s=60)
    bench.runner.run(bench.program, COMPANY)
    assert mapped(bench, "vendor", "v-1", "Somebody") == 1
    bench.passed(3600)
    bench.run()
    assert written(bench) == ["N-b-1"]
    # It was taken back when the person spoke, and is found to be what the person means.
    assert bench.reasons("v-1", "vendors") == [("not_selected", "nothing is owed to the vendor")]


def test_a_bill_that_was_read_before_its_vendor(bench: CloudBench) -> None:
    vendors, bench.shop.listed["vendors"] = bench.shop.listed["vendors"], []
    bench.run()
    assert bench.reasons("b-1") == [("unmapped", "the vendor `v-1` is not in the vendors list of Cloud")]
    bench.shop.listed["vendors"] = vendors
    bench.run()
    assert written(bench) == ["Acme", "N-b-1"]
    assert bench.alerts() == []


def test_an_order_in_which_the_bill_is_prepared_last_is_no_matter() -> None:
    text = match_kit.WANTED.replace("    after: [vendors]\n", "").replace(
        "  vendors:\n", "  vendors:\n    after: [bills]\n"
    )
    with match_kit.bench(text) as bench:
        bench.shop.listed = {"vendors": [vendor("v-1", "Acme")], "bills": [bill("b-1")]}
        bench.run()
        assert written(bench) == ["Acme", "N-b-1"]
        # Prepared after the vendors' turn is over, a bill that waits anew wants one all the same.
        bench.shop.listed["vendors"].append(vendor("v-2", "Other"))
        bench.shop.listed["bills"].append(bill("b-2", vendor={"id": "v-2", "name": "Other"}))
        bench.run()
        assert written(bench) == ["Acme", "N-b-1", "Other", "N-b-2"]


def test_a_preview_shows_the_vendor_that_would_be_made(bench: CloudBench) -> None:
    states: dict[str, str] = {}

    def look(tx: Tx, _report: object) -> None:
        rows = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 9})
        states.update({row["source_id"]: row["state"] for row in rows})

    bench.runner.dry_run(bench.program, COMPANY, look)
    assert states == {"v-1": "intended", "v-2": "skipped", "b-1": "deferred"}
    assert bench.states() == {}
