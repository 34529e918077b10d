"""What is asked of a company whose line is slow, and of one that a person has stopped or spoken of."""

from __future__ import annotations

import pytest

from connectors.qbwc.simulator import user_deletes
from engine.follow import Hand
from engine.operator import pausing, worklist
from tests.connectors.qbwc.rig import Rig, bill, rig
from tests.engine.kit import COMPANY

BY_HAND = (
    '<BillAddRq requestID="1"><BillAdd><VendorRef><FullName>Acme Supply</FullName></VendorRef><TxnDate>2026-02-27</TxnDate>'
    "<RefNumber>N-b-1</RefNumber><ExpenseLineAdd><AccountRef><FullName>Travel</FullName></AccountRef><Amount>100.00</Amount>"
    "</ExpenseLineAdd></BillAdd></BillAddRq>"
)
FLOW = "shop_to_ledger"


def hand(made: Rig) -> Hand:
    return Hand(COMPANY, made.bench.world.at(), "test:ana")


def sessions(made: Rig, count: int = 2) -> None:
    for _ in range(count):
        made.session()
        made.bench.world.clock.sleep(3600)


def user_deletes_the_bill(made: Rig) -> None:
    (there,) = list(made.company.txns("Bill"))
    user_deletes(made.company, there.txn_id)


# --- what a person has said -------------------------------------------------------------------------------------------


def test_that_it_is_not_there_is_said_until_it_is_posted() -> None:
    with rig() as made:
        bench = made.bench
        made.company.clock = bench.world.clock
        made.posts(BY_HAND)
        made.prepare(bill())
        sessions(made)
        assert bench.states() == {"b-1": "unknown"}
        user_deletes_the_bill(made)
        with bench.world.store.write() as tx:
            worklist.declare(tx, hand(made), bench.record("b-1"), None, "it was wrong, and I deleted it")
        sessions(made)
        assert bench.states() == {"b-1": "posted"}
        bench.world.clock.sleep(40 * 86400)
        user_deletes_the_bill(made)
        sessions(made)
        assert bench.states() == {"b-1": "vanished"}
        made.posts(BY_HAND)
        with bench.world.store.write() as tx:
            worklist.post_again(tx, hand(made), [bench.record("b-1")], "again")
        sessions(made)
        assert (made.count("Bill"), bench.states()) == (1, {"b-1": "unknown"})


# --- what a person has paused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["", FLOW])
@pytest.mark.parametrize("is_saved", [False, True])
def test_what_is_paused_is_asked_for_and_not_sent_again(flow: str, *, is_saved: bool) -> None:
    with rig() as made:
        bench, lost = made.bench, list[str]()

        def hook(kind: str, document: str) -> str | None:
            if kind != "write" or lost:
                return made.quickbooks.process(document)
            lost.append(made.quickbooks.process(document) if is_saved else document)
            return None

        made.prepare(bill())
        made.hook = hook
        made.session()
        with bench.world.store.write() as tx:
            pausing.pause(tx, hand(made), flow, "the books are being closed")
        sessions(made, 4)
        ended = made.session()
        if is_saved:
            assert (made.count("Bill"), bench.states()) == (1, {"b-1": "posted"})
            return
        assert (made.count("Bill"), bench.states()) == (0, {"b-1": "unknown"})
        assert "paused by ana: the books are being closed" in ended.error
        assert ("shop_to_ledger is paused" in ended.error) == bool(flow)
        with bench.world.store.write() as tx:
            pausing.resume(tx, hand(made), flow)
        sessions(made)
        assert (made.count("Bill"), bench.states()) == (1, {"b-1": "posted"})


def test_another_flow_that_is_paused_stops_nothing() -> None:
    with rig() as made:
        with made.bench.world.store.write() as tx:
            pausing.pause(tx, hand(made), "another", "the books are being closed")
        lost = list[str]()

        def hook(kind: str, document: str) -> str | None:
            if kind != "write" or lost:
                return made.quickbooks.process(document)
            lost.append(document)
            return None

        made.hook = hook
        made.prepare(bill())
        sessions(made, 4)
        assert (made.count("Bill"), made.bench.states()) == (1, {"b-1": "posted"})
