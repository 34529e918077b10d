"""What is asked of a company whose line is slow, and of one that a person has stopped or spoken of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from connectors.qbwc import CONNECTOR, portion
from connectors.qbwc.simulator import Application, WebConnector, handler_post, seed_company, user_deletes
from connectors.qbwc.simulator.transport import Answer
from connectors.qbwc.simulator.webconnector import SessionReport
from connectors.qbwc.state import Flight
from engine.contract import Login
from engine.evidence import PUT_BACK
from engine.follow import Hand
from engine.operator import pausing, worklist
from engine.store import companies, facts, work
from tests.connectors.qbwc.kit import password_hash
from tests.connectors.qbwc.rig import FLOW as RIG_FLOW
from tests.connectors.qbwc.rig import Rig, bill, rig
from tests.engine import kit
from tests.engine.kit import AT, COMPANY, Bench

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


# --- a line that is slow ----------------------------------------------------------------------------------------------


class Line:
    """A company whose Web Connector gets no call through that is larger than `most` bytes, or is about what `bars` finds."""

    def __init__(self, bench: Bench, vendors: int) -> None:
        self.bench, self.most, self.bars = bench, 10_000_000, "nothing"
        # The next set of writes never gets there.
        self.withholds = False
        with bench.world.store.write() as tx:
            companies.put_login(tx, Login(COMPANY, "acme-wc", password_hash(), {}), AT)
        names = ["Acme Supply", *(f"Vendor {number:04}" for number in range(vendors))]
        self.company = seed_company(1, clock=bench.world.clock, vendors=names)
        self._answer = handler_post(CONNECTOR.handler(bench.outbox, bench.world.clock, bench.world.ids))
        self._agent = WebConnector(self._post, "acme-wc", "pw", self.company, application=Application())

    def _post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        if len(body) > self.most or (b"receiveResponseXML" in body and re.search(self.bars.encode(), body)):
            return 408, b"the body came too slowly", "text/plain"
        answer = self._answer(body, headers)
        if self.withholds and b"BillAddRq" in answer[1]:
            self.withholds = False
            return 408, b"the answer came too slowly", "text/plain"
        return answer

    def update(self, count: int = 1) -> SessionReport:
        for _ in range(count):
            report = self._agent.update()
            self.bench.world.clock.sleep(600)
        return report

    def sizes(self, report: SessionReport) -> list[int]:
        """The sizes of the pages of vendors that were asked for."""
        asked = [text for text in report.requests if "VendorQueryRq" in text and "MaxReturned" in text]
        return [int(size) for text in asked for size in re.findall("<MaxReturned>(.*?)<", text)]

    def alerts(self) -> list[str]:
        with self.bench.world.store.read() as tx:
            return [row["message"] for row in work.alerts(tx, COMPANY) if row["subject"] == portion.EVENT]

    def noted(self) -> int:
        with self.bench.world.store.read() as tx:
            row = tx.one("journal_newest", {"company": COMPANY, "event": portion.EVENT})
            return 0 if row is None else int(row["seq"])


@contextmanager
def slow(vendors: int = 600) -> Iterator[Line]:
    with kit.bench(RIG_FLOW, lists=False) as bench:
        bench.shop.listed["bills"] = [bill()]
        bench.run("bills")
        yield Line(bench, vendors)


def test_a_page_that_does_not_get_through_is_asked_for_in_smaller_ones() -> None:
    with slow() as line:
        line.most = 50_000
        first = line.update()
        assert line.sizes(first) == [500]
        line.update(5)
        assert line.bench.states() == {"b-1": "posted"}
        # The one that was lost twice was told of, and what got through has ended that.
        assert line.alerts() == []


def test_a_page_that_got_through_before_stays_small_for_a_week() -> None:
    with slow() as line:
        line.most = 100_000
        line.update(2)
        assert line.bench.states() == {"b-1": "posted"}
        line.most = 10_000_000
        sizes = []
        for days in (1, 5, 2, 7):
            line.bench.world.clock.sleep(days * 86400)
            sizes += line.sizes(line.update())[:1]
        assert sizes == [250, 250, 500, 500]


def test_a_person_is_told_of_what_never_gets_through() -> None:
    with slow(5) as line:
        line.bars = "AccountQueryRs"
        # That an update is over is seen when the next one begins.
        line.update(2)
        assert (line.alerts(), line.noted() > 0) == ([], True)
        line.update()
        (message,) = line.alerts()
        assert message.startswith(
            "QuickBooks' answer about the list Account did not get through in 2 updates in a row, and what comes after it "
            "waits: it can only be asked for as a whole. What to do: leave QuickBooks and the Web Connector open"
        )
        line.update()
        assert "in 3 updates in a row" in line.alerts()[0]
        line.bars = "nothing"
        line.update()
        assert (line.alerts(), line.bench.states()) == ([], {"b-1": "posted"})
        line.bars = "BillQueryRs"
        line.bench.world.clock.sleep(7200)
        line.update()
        assert line.alerts() == []


def stop(line: Line, how: str) -> None:
    world = line.bench.world
    with world.store.write() as tx:
        if how == "rest":
            facts.remember(tx, COMPANY, world.at(), PUT_BACK, {"at": world.at(), "made_at": world.at()})
        else:
            pausing.pause(tx, Hand(COMPANY, world.at(), "test:ana"), "", "the books are being closed")


@pytest.mark.parametrize("how", ["pause", "rest"])
def test_what_has_got_through_is_over_also_where_nothing_may_be_written(how: str) -> None:
    with slow(5) as line:
        line.company.preferences = replace(line.company.preferences, file_mode="MultiUser")
        # The lists are read and the bill is prepared; then the lists are due again.
        line.bars = "BillQueryRs"
        line.update()
        with line.bench.world.store.write() as tx:
            tx.run("lists_all_due", {})
        line.bars = "AccountQueryRs"
        line.update(3)
        stop(line, how)
        line.update()
        assert "the list Account" in line.alerts()[0]
        line.bars = "nothing"
        stop(line, how)
        ended = line.update()
        assert ("paused by ana" if how == "pause" else "flowctl's store was put back") in ended.last_error
        assert (line.alerts(), line.bench.states()) == ([], {"b-1": "intended"})


def test_what_was_asked_about_a_lost_write_has_got_through_also_where_it_is_not_sent_again_yet() -> None:
    with slow(5) as line:
        line.company.preferences = replace(line.company.preferences, file_mode="MultiUser")
        line.withholds = True
        line.bars = "BillQueryRs.*RefNumber|statusCode=.{0,6}1.*BillQueryRs"
        line.update(5)
        assert "whether a write whose answer was lost is there" in line.alerts()[0]
        line.bars = "nothing"
        assert "another computer" in line.update().last_error
        assert (line.alerts(), len(list(line.company.txns("Bill")))) == ([], 0)


@pytest.mark.parametrize(
    ("flight", "what"),
    [
        (
            Flight("survey", "q1", asks=({"scan": "Bill"},)),
            "about what was changed lately .* asks for 31 objects at a time",
        ),
        (
            Flight("survey", "q1", asks=({"check": "Bill", "ids": ["1"]},)),
            "about what was changed lately .* as a whole",
        ),
        (Flight("figures", "q1", list="Bill"), r"both sides \(Bill\) .* 31 objects at a time"),
        (Flight("list", "q1", list="SalesTaxItem"), "the list SalesTaxItem .* 31 objects at a time"),
        (Flight("probe", "q1"), "whether a write whose answer was lost is there .* as a whole"),
        (Flight("merge", "q1"), "about the objects to be changed .* as a whole"),
    ],
)
def test_the_text_says_what_was_asked_for(flight: Flight, what: str) -> None:
    assert re.search(what, portion._text(flight, 2, 31))
