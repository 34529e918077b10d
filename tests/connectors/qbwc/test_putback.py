"""After a copy of our store was put back nothing is written while another computer may be at work on what was sent since."""

from __future__ import annotations

import pytest

from connectors.qbwc import putback
from engine.clock import iso
from engine.evidence import PUT_BACK
from tests.connectors.qbwc.kit import Kit, answer, hello, posted
from tests.connectors.qbwc.memory_outbox import bill
from tests.connectors.qbwc.test_session import in_doubt, none_found, op, outcomes, with_bills


def woken(kit: Kit) -> Kit:
    """The store was put back just now."""
    kit.outbox.data.facts[PUT_BACK] = {"at": iso(kit.clock.now())}
    return kit


def visit(kit: Kit, mode: str) -> str:
    """What a session sends after the look around."""
    assert kit.login()[1] == ""
    return kit.past_survey(kit.send(hello(mode=mode)))


@pytest.mark.parametrize("mode", ["MultiUser", ""])
def test_nothing_is_written_before_two_visits_half_an_hour_apart(mode: str) -> None:
    kit = woken(with_bills(2))
    kit.clock.sleep(3600)
    assert visit(kit, mode) == ""
    assert kit.error() == putback._WHY
    kit.close()
    kit.clock.sleep(1799)
    assert visit(kit, mode) == ""
    kit.close()
    kit.clock.sleep(1)
    assert "<BillAddRq" in visit(kit, mode)
    assert kit.receive(posted(op(1))) == 50
    assert outcomes(kit, 1) == ["posted"]
    assert kit.outbox.data.facts[PUT_BACK]["over"]
    kit.close()
    kit.login()
    kit.send(hello(mode=mode))
    assert kit.outbox.data.facts[PUT_BACK] == {}


def test_a_visit_before_the_time_is_over_counts_as_the_first() -> None:
    kit = woken(with_bills(1))
    for _ in range(2):
        assert visit(kit, "MultiUser") == ""
        kit.close()
        kit.clock.sleep(900)
    assert "<BillAddRq" in visit(kit, "MultiUser")


def test_in_single_user_mode_nobody_else_is_at_work() -> None:
    kit = woken(with_bills(1))
    assert visit(kit, "MultiUser") == ""
    kit.close()
    assert "<BillAddRq" in visit(kit, "SingleUser")


def test_a_clock_that_was_set_ahead_does_not_end_it() -> None:
    kit = woken(with_bills(1))
    kit.clock.sleep(86_400)
    assert visit(kit, "MultiUser") == ""
    kit.close()
    kit.clock.sleep(-86_000)
    assert visit(kit, "MultiUser") == ""


def test_what_was_in_doubt_in_the_copy_is_not_sent_again_either() -> None:
    kit, frozen = in_doubt()
    woken(kit)
    kit.close()
    for _ in range(2):
        kit.login()
        kit.send(hello(mode="MultiUser"))
        kit.receive(answer("", ' messageSetStatusCode="9002"'))
        kit.receive(none_found(kit.send()))
        assert kit.next() == ""
        kit.close()
        kit.clock.sleep(1000)
    kit.clock.sleep(1800)
    kit.login()
    kit.send(hello(mode="MultiUser"))
    kit.receive(answer("", ' messageSetStatusCode="9002"'))
    kit.receive(none_found(kit.send()))
    assert kit.next() == frozen


def test_what_is_there_is_still_found() -> None:
    kit, _ = in_doubt()
    woken(kit)
    kit.close()
    kit.login()
    kit.send(hello(mode="MultiUser"))
    kit.receive(answer("", ' messageSetStatusCode="9002"'))
    found = none_found(kit.send()).replace(
        'statusCode="500" statusMessage=""/>',
        f'statusCode="0"><BillRet><TxnID>1A-1</TxnID><ExternalGUID>{bill(1).guid}</ExternalGUID></BillRet></BillQueryRs>',
    )
    kit.receive(found)
    assert outcomes(kit, 1) == ["posted"]
    assert kit.next() == ""


def test_lists_are_read_meanwhile() -> None:
    kit = woken(Kit())
    kit.outbox.data.due = ["Account"]
    assert "<AccountQueryRq" in visit(kit, "MultiUser")
