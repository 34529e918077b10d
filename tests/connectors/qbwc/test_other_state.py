"""A backup of the company file is put back, all is posted again by a person's word, and the newer file is opened after all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.qbwc.simulator import backup, restore
from connectors.qbwc.simulator.company import Books
from engine.follow import Hand
from engine.operator import worklist
from tests.connectors.qbwc.rig import Rig, bill, rig
from tests.engine.kit import COMPANY

DAY = 86400
OTHER = "another state of the company file is open than the last time: {} records"


@pytest.fixture
def made() -> Iterator[Rig]:
    with rig() as found:
        found.company.clock = found.bench.world.clock
        yield found


def days(made: Rig, count: float) -> None:
    made.bench.world.clock.sleep(count * DAY)


def again(made: Rig) -> int:
    """Somebody wants everything posted again that has vanished; how much there was."""
    world = made.bench.world
    with world.store.write() as tx:
        rows = worklist.parked(tx, COMPANY, "vanished")
        worklist.post_again(tx, Hand(COMPANY, world.at(), "test"), rows, "post again")
    return len(rows)


def two_states(made: Rig, count: int, gap: float) -> Books:
    """The file after so many bills were posted; one from before is open, and they have vanished."""
    made.session()
    days(made, 1)
    old = backup(made.company)
    days(made, 0.1)
    made.quick()
    made.prepare(*[bill(f"b-{number}") for number in range(count)])
    made.session()
    assert len(made.bills()) == count
    days(made, gap)
    new = backup(made.company)
    restore(made.company, old)
    for _ in range(1 + count // 20):
        days(made, 0.1)
        made.session()
    assert set(made.bench.states().values()) == {"vanished"}
    return new


@pytest.mark.parametrize("gap", [0.5, 4, 40])
def test_the_newer_file_is_opened_after_all(made: Rig, gap: float) -> None:
    new = two_states(made, 3, gap)
    numbers = [f"N-b-{number}" for number in range(3)]
    assert again(made) == 3
    for wait in (0.01, 0.1):
        days(made, wait)
        made.session()
    assert made.bills() == numbers
    days(made, gap)
    newer, other = made.ids(), backup(made.company)
    restore(made.company, new)
    for _ in range(3):
        days(made, 0.1)
        made.session()
        assert again(made) == 0
    assert made.bills() == numbers
    assert made.ids() != newer
    assert set(made.bench.states().values()) <= {"posted", "closed"}
    (told,) = made.alerts()
    assert told.startswith(OTHER.format(3))
    # And the other one again, which is told anew.
    days(made, gap)
    restore(made.company, other)
    days(made, 0.1)
    made.session()
    assert (again(made), made.bills()) == (0, numbers)
    assert [text.startswith(OTHER.format(3)) for text in made.alerts()] == [True]
    days(made, 8)
    made.session()
    assert made.alerts() == []


def test_what_waits_to_be_posted_again_is_asked_for_right_before(made: Rig) -> None:
    """More than one look takes in are to be posted again, and the newer file is open by then."""
    new = two_states(made, 50, 4)
    assert again(made) == 50
    days(made, 4)
    restore(made.company, new)
    for _ in range(4):
        days(made, 0.02)
        made.session()
    assert len(made.bills()) == 50
    assert set(made.bench.states().values()) <= {"posted", "closed"}


def test_what_cannot_be_asked_for_is_not_posted_again(made: Rig) -> None:
    two_states(made, 2, 4)
    again(made)
    days(made, 0.1)
    run = made.quickbooks.process

    def blind(kind: str, document: str) -> str:
        if "<TxnID>" in document:
            return run(document.replace("<TxnID>", "<TxnID>not-an-id-"))
        return run(document)

    made.hook = lambda kind, document: blind(kind, document).replace('statusCode="500"', 'statusCode="3260"')
    made.session()
    assert made.bills() == []
    made.hook = lambda _, document: run(document)
    days(made, 0.1)
    made.session()
    assert made.bills() == ["N-b-0", "N-b-1"]


def test_what_people_entered_in_the_newer_file_meanwhile_is_seen(made: Rig) -> None:
    """While the older one was open, somebody went on in the newer one: that is looked through from further back."""
    new = two_states(made, 2, 4)
    again(made)
    for wait in (0.01, 0.1):
        days(made, wait)
        made.session()
    days(made, 0.1)
    other = backup(made.company)
    restore(made.company, new)
    made.posts(
        '<BillAddRq requestID="1"><BillAdd><VendorRef><FullName>Acme Supply</FullName></VendorRef><TxnDate>2026-03-01</TxnDate>'
        "<RefNumber>N-b-9</RefNumber><ExpenseLineAdd><AccountRef><FullName>Travel</FullName></AccountRef>"
        "<Amount>100.00</Amount></ExpenseLineAdd></BillAdd></BillAddRq>"
    )
    newer = backup(made.company)
    restore(made.company, other)
    days(made, 6)
    made.prepare(bill("b-8"))
    made.session()
    restore(made.company, newer)
    days(made, 0.1)
    made.prepare(bill("b-9"))
    made.session()
    assert made.bills().count("N-b-9") == 1
    assert made.bench.states()["b-9"] == "unknown"
