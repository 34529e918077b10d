"""A backup of the company file is put back, all is posted again by a person's word, and the newer file is opened after all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.qbwc.simulator import backup, restore, user_edits
from connectors.qbwc.simulator.company import Books
from connectors.qbwc.state import State, changed
from engine.clock import from_iso, iso
from engine.evidence import PUT_BACK
from engine.follow import Hand
from engine.operator import worklist
from engine.store import facts
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


@pytest.mark.parametrize(("count", "also"), [(2, ""), (30, "nothing of that kind, and ")])
def test_what_cannot_be_asked_for_is_not_posted_again(made: Rig, count: int, also: str) -> None:
    two_states(made, count, 4)
    again(made)
    days(made, 0.1)
    run = made.quickbooks.process

    def blind(kind: str, document: str) -> str:
        if "<TxnID>" in document:
            return run(document.replace("<TxnID>", "<TxnID>not-an-id-"))
        return run(document)

    made.hook = lambda kind, document: blind(kind, document).replace('statusCode="500"', 'statusCode="3260"')
    for _ in range(2):
        made.session()
        days(made, 0.1)
    assert made.bills() == []
    assert any(f", so {also}nothing that may be" in text for text in made.alerts())
    made.hook = lambda _, document: run(document)
    for _ in range(2):
        made.session()
        days(made, 0.1)
    assert (len(made.bills()), made.alerts()) == (count, [])


@pytest.mark.parametrize("count", [1, 2])
def test_those_that_cannot_be_asked_for_keep_none_of_their_neighbours(made: Rig, count: int) -> None:
    new = two_states(made, 4, 4)
    again(made)
    days(made, 0.1)
    run = made.quickbooks.process
    numbers = ["N-b-1", "N-b-2"][:count]
    damaged = [txn.txn_id for txn in new.txns.values() if txn.values.get("RefNumber") in numbers]

    def blind(_: str, document: str) -> str:
        answer = run(document)
        for request, body in re.findall(
            r'<BillQueryRq requestID="([^"]+)"[^>]*>(.*?)</BillQueryRq>', document, re.DOTALL
        ):
            if any(each in body for each in damaged):
                refused = (
                    f'<BillQueryRs requestID="{request}" statusCode="3260" statusSeverity="Error" statusMessage="no"/>'
                )
                own = rf'<BillQueryRs requestID="{re.escape(request)}"(?:[^>]*/>|.*?</BillQueryRs>)'
                answer = re.sub(own, refused, answer, flags=re.DOTALL)
        return answer

    made.hook = blind
    for _ in range(3):
        made.session()
        days(made, 0.1)
    assert made.bills() == [f"N-b-{each}" for each in range(4) if f"N-b-{each}" not in numbers]
    (told,) = made.alerts()
    of_these = "the same" if count == 1 else "one of these"
    assert (
        f"(Bill {', '.join(damaged)}), so nothing that may be {of_these} was written in this session: 3260: no" in told
    )
    made.hook = lambda _, document: run(document)
    made.session()
    assert (made.bills(), made.alerts()) == ([f"N-b-{each}" for each in range(4)], [])


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


# --- from how far back ------------------------------------------------------------------------------------------------


HAND = (
    '<BillAddRq requestID="1"><BillAdd><VendorRef><FullName>Acme Supply</FullName></VendorRef><TxnDate>2026-03-01</TxnDate>'
    "<RefNumber>{}</RefNumber><ExpenseLineAdd><AccountRef><FullName>Travel</FullName></AccountRef>"
    "<Amount>100.00</Amount></ExpenseLineAdd></BillAdd></BillAddRq>"
)


def somebody_deletes(made: Rig, number: str) -> None:
    made.posts(f'<TxnDelRq requestID="1"><TxnDelType>Bill</TxnDelType><TxnID>{made.ids()[number]}</TxnID></TxnDelRq>')


def looks(made: Rig) -> list[str]:
    """From when on bills were looked through."""
    return [when[:10] for text in made.sent for when in re.findall("<FromModifiedDate>(.*?)<", text)]


@pytest.mark.parametrize("is_checked", [False, True])
def test_after_a_quiet_quarter_the_look_goes_back_to_the_last_one(made: Rig, *, is_checked: bool) -> None:
    """The newest of ours was deleted, and the check that is due each hour may be the first to see it."""
    made.prepare(bill("b-1"))
    made.session()
    last = made.bench.world.clock.now() - timedelta(days=2)
    days(made, 5)
    made.posts(HAND.format("N-b-9"))
    days(made, 90)
    somebody_deletes(made, "N-b-1")
    if is_checked:
        made.session()
    assert made.bench.states() == {"b-1": "vanished" if is_checked else "posted"}
    made.prepare(bill("b-9"))
    made.sent.clear()
    made.session()
    assert looks(made)[0] == last.date().isoformat()
    made.session()
    assert (made.bills().count("N-b-9"), made.bench.states()["b-9"]) == (1, "unknown")


@pytest.mark.parametrize("is_deleted", [False, True])
def test_pages_that_were_not_read_yet_are_not_dropped(
    made: Rig, monkeypatch: pytest.MonkeyPatch, *, is_deleted: bool
) -> None:
    base = State(gate="passed", version="13.0")
    small = changed(base, options=changed(base.options, page_size=10))
    monkeypatch.setattr("tests.connectors.qbwc.rig.State", lambda **_: small)
    made.prepare(bill("b-1"))
    made.session()
    days(made, 5)
    for number in (*(f"X-{count}" for count in range(12)), "N-b-9"):
        made.posts(HAND.format(number))
    days(made, 90)
    if is_deleted:
        somebody_deletes(made, "N-b-1")
    made.prepare(bill("b-9"))
    for _ in range(2):
        made.session()
    assert (made.bills().count("N-b-9"), made.bench.states()["b-9"]) == (1, "unknown")


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_snapshot_of_our_store_that_nobody_told_of_is_looked_back_to(made: Rig, *, is_deleted: bool) -> None:
    made.prepare(bill("b-1"))
    made.session()
    image = made.image()
    days(made, 5)
    made.prepare(bill("b-1"), bill("b-9"))
    made.session()
    days(made, 70)
    made.restore(image)
    if is_deleted:
        somebody_deletes(made, "N-b-1")
    made.session()
    made.prepare(bill("b-1"), bill("b-9"))
    for _ in range(2):
        made.session()
    assert (made.bills().count("N-b-9"), made.bench.states()["b-9"]) == (1, "posted")


def test_what_was_just_looked_through_is_looked_through_from_further_back(made: Rig) -> None:
    """Other kinds that have not been looked through for longer keep their time."""
    made.prepare(bill("b-1"))
    made.session()
    long_ago = iso(made.bench.world.clock.now() - timedelta(days=100))
    with made.bench.world.store.write() as tx:
        facts.remember(tx, COMPANY, long_ago, "scan:Check", {"at": long_ago})
    days(made, 1)
    somebody_deletes(made, "N-b-1")
    made.prepare(bill("b-2"))
    made.sent.clear()
    first = made.bench.world.clock.now()
    made.session()
    assert looks(made) == [(first - timedelta(days=count)).date().isoformat() for count in (3, 60)]
    with made.bench.world.store.read() as tx:
        assert facts.recall(tx, COMPANY, "scan:Check") == {"at": long_ago}
    assert made.bench.states()["b-2"] == "posted"


@pytest.mark.parametrize("is_deleted", [False, True])
def test_two_copies_of_our_store_put_back_one_after_the_other_are_looked_back_to_the_older(
    made: Rig, *, is_deleted: bool
) -> None:
    """The second is a copy of what the first has made, before everything was looked through."""
    made.session()
    image, made_at = made.image(), made.bench.world.at()
    days(made, 5)
    made.prepare(bill("b-1"))
    made.session()
    made.prepare(bill("b-1"), bill("b-2"))
    made.session()
    days(made, 70)
    made.restore(image, made_at)
    days(made, 0.1)
    made.restore(made.image(), made.bench.world.at())
    if is_deleted:
        somebody_deletes(made, "N-b-2")
    made.prepare(bill("b-1"))
    made.session()
    assert (made.bills().count("N-b-1"), made.bench.states()) == (1, {"b-1": "posted"})


def test_after_a_copy_was_put_back_a_look_from_further_back_goes_back_to_it(made: Rig) -> None:
    """As long as not every kind was looked through since."""
    made.session()
    made_at = made.bench.world.at()
    days(made, 90)
    made.restore(made.image(), made_at)
    made.prepare(bill("b-1"))
    made.session()
    with made.bench.world.store.read() as tx:
        assert (facts.recall(tx, COMPANY, PUT_BACK) or {})["made_at"] == made_at
    somebody_deletes(made, "N-b-1")
    made.prepare(bill("b-1"), bill("b-2"))
    days(made, 0.1)
    made.sent.clear()
    made.session()
    assert looks(made)[-1] == (from_iso(made_at) - timedelta(days=2)).date().isoformat()


@pytest.mark.parametrize("shows_markers", [True, False])
@pytest.mark.parametrize("number", ["", "X-1"])
def test_what_was_lost_on_its_way_is_not_sent_again_when_the_newer_file_has_it(
    made: Rig, number: str, *, shows_markers: bool
) -> None:
    """It is posted again by a person's word, QuickBooks dies over it, and then the newer file is opened after all."""
    plain = made.quickbooks.process

    def shows(_: str, document: str) -> str:
        text = plain(document)
        return text if shows_markers else re.sub(r"<ExternalGUID>[^<]*</ExternalGUID>", "", text)

    made.hook = shows
    made.session()
    days(made, 1)
    old = backup(made.company)
    days(made, 0.1)
    made.prepare(bill("b-1"))
    made.session()
    if number:
        user_edits(made.company, made.ids()["N-b-1"], reference=number)
    days(made, 4)
    new = backup(made.company)
    restore(made.company, old)
    days(made, 0.1)
    made.session()
    assert again(made) == 1
    days(made, 0.01)
    made.hook = lambda kind, document: None if kind == "write" else shows(kind, document)
    made.session()
    assert (made.bench.states(), made.bills()) == ({"b-1": "sent"}, [])
    restore(made.company, new)
    made.hook = shows
    for _ in range(3):
        days(made, 0.1)
        made.session()
    assert (made.bench.states(), made.count("Bill")) == ({"b-1": "posted"}, 1)
    # That it is there again while it is being posted once more is no news any more; what a person has changed is.
    assert len(made.alerts()) == (1 if number else 0)
    # And what that person has changed is not overwritten by what the source says next.
    made.prepare(bill("b-1", number="N-2"))
    for _ in range(2):
        days(made, 0.1)
        made.session()
    assert list(made.ids()) == [number or "N-2"]
