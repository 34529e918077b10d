"""Leaving records out: from which states, what is refused and why, and who hears of it."""

from __future__ import annotations

import pytest

from engine.follow import Hand
from engine.operator import skipping, worklist
from engine.operator.skipping import ReasonMissing
from tests.engine.kit import COMPANY, bill
from tests.panel.kit import Office


def skip(office: Office, source_id: str, reason: str = "by hand", stream: str = "bills") -> worklist.Retried:
    with office.world.store.write() as tx:
        hand = Hand(COMPANY, office.world.at(), "cli:pat")
        return skipping.skip(tx, hand, [office.bench.record(source_id, stream)], reason)


def test_a_reason_is_needed(office: Office) -> None:
    office.bench.shop.listed["bills"] = [bill("b-1", lines=[])]
    office.bench.run("bills")
    with pytest.raises(ReasonMissing, match="a reason: somebody will ask"):
        skip(office, "b-1", " ")


def test_what_may_be_in_the_target_is_refused(office: Office) -> None:
    bench = office.bench
    bench.shop.listed["bills"] = [bill("b-1")]
    bench.run("bills")
    said = []
    for step in (bench.send, lambda: None):
        said += [(row["state"], why) for row, why in skip(office, "b-1").refused]
        made = step()
    assert made is None
    assert said == [
        ("intended", "it is prepared, and is sent next; pause the company or switch the flow off to keep it from that"),
        ("sent", "it is under way, and may be posted already"),
    ]


def test_what_waits_for_it_looks_again(office: Office) -> None:
    bench = office.bench
    bench.shop.listed["bills"] = [bill("b-1", status="paid", lines=[])]
    bench.run("bills", "payments")
    assert (bench.states()["b-1"], bench.states("payments")["b-1"]) == ("failed", "deferred")
    assert len(skip(office, "b-1").moved) == 1
    assert bench.states("payments")["b-1"] == "pending"
    assert "shop_to_ledger/bills/b-1" not in {subject for _, subject, _ in bench.alerts()}
    again = skip(office, "b-1")
    assert [why for _, why in again.refused] == ["it is left out already"]
