"""The look around before the first write: what was changed in QuickBooks, and whether what we wrote is still there."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.qbwc import survey
from connectors.qbwc.probe import differences
from connectors.qbwc.spec import SPEC
from connectors.qbwc.state import Flight, Merging, State, changed
from connectors.qbwc.survey import kinds_of
from engine.clock import iso
from engine.evidence import Holding
from engine.qbxml.check import check_request
from engine.qbxml.response import parse_response
from tests.connectors.qbwc.kit import Kit, answer, hello, posted, quiet
from tests.connectors.qbwc.memory_outbox import START, MemoryHoldings, bill, operation, vendor

ONE = bill(1)
INV_1 = "bill INV-1 of Acme Supply dated 2026-11-20 over 10.00"
MARKED = f"<ExternalGUID>{ONE.guid}</ExternalGUID>"


def ret(txn_id: str = "1A-1", more: str = "", **changed: str) -> str:
    told = {"TxnDate": "2026-11-20", "AmountDue": "10.00", "RefNumber": "INV-1", "Memo": "Ramp bill 1", **changed}
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in told.items())
    party = changed.get("party", "Acme Supply")
    return (
        f"<BillRet><TxnID>{txn_id}</TxnID><EditSequence>7</EditSequence>"
        f"<VendorRef><FullName>{party}</FullName></VendorRef>{inner.replace(f'<party>{party}</party>', '')}{more}</BillRet>"
    )


def with_bill() -> Kit:
    kit = Kit()
    kit.outbox.add(ONE)
    return kit


def holding(kit: Kit, txn_id: str, number: int = 1, kind: str = "Bill") -> None:
    written = bill(100 + number)
    kit.outbox.data.holdings[txn_id] = Holding(txn_id, kind, number, "7", written)


def first(kit: Kit) -> str:
    assert kit.login()[1] == ""
    return kit.send(hello())


def state_of(kit: Kit, number: int = 1) -> str:
    return kit.outbox.data.operations[bill(number).id].state


# --- the scan ---------------------------------------------------------------------------------------------------------


def test_all_kinds_that_wait_are_looked_through_in_one_document() -> None:
    kit = with_bill()
    kit.outbox.add(vendor(2, "New"))
    kit.outbox.data.scanned["Vendor"] = START - timedelta(hours=1)
    document = first(kit)
    assert [found[:2] for found in re.findall(r'<(\w+)QueryRq requestID="([^"]+)" iterator="Start">', document)] == [
        ("Bill", "q1.0"),
        ("Vendor", "q1.1"),
    ]
    assert "<FromModifiedDate>2026-09-22T09:00:00</FromModifiedDate>" in document
    assert (
        "<MaxReturned>500</MaxReturned><ActiveStatus>All</ActiveStatus><FromModifiedDate>2026-11-19T08:00:00</FromModifiedDate>"
        "<IncludeRetElement>" in document
    )
    kit.receive(quiet(document))
    assert kit.outbox.data.scanned == {"Bill": START, "Vendor": START}
    assert "<BillAddRq" in kit.send()


def test_pages_are_followed_and_only_the_last_completes_the_look() -> None:
    kit = with_bill()
    kit.configure(page_size=2)
    first(kit)
    page = (
        '<BillQueryRs requestID="{}.0" statusCode="0" iteratorRemainingCount="{}" iteratorID="{{i}}">{}</BillQueryRs>'
    )
    kit.clock.sleep(5)
    kit.receive(
        answer(
            page.format(
                "q1", 1, ret("X-1", RefNumber="A", Memo="Ramp bill 9") + ret("X-2", RefNumber="B", Memo="Ramp bill 9")
            )
        )
    )
    assert (kit.outbox.data.scanned, sorted(kit.outbox.data.sightings)) == ({}, ["X-1", "X-2"])
    assert 'requestID="q2.0" iterator="Continue" iteratorID="{i}"' in kit.send()
    kit.receive(answer(page.format("q2", 0, ret("X-3", RefNumber="C", Memo="Ramp bill 9"))))
    assert kit.outbox.data.scanned == {"Bill": START}
    assert "<BillAddRq" in kit.send()


def test_a_look_is_told_by_the_moment_that_the_holdings_give(monkeypatch: pytest.MonkeyPatch) -> None:
    # The look before it may have been another computer's, whose clock is ahead of this one's.
    kit = with_bill()
    holding(kit, "7-1")
    kit.outbox.data.looked["7-1"] = iso(START + timedelta(seconds=20))
    monkeypatch.setattr(MemoryHoldings, "begin", lambda _self, _company: iso(START + timedelta(seconds=21)))
    assert "<TxnID>7-1</TxnID>" in first(kit)


def test_a_lost_page_starts_the_look_anew() -> None:
    kit = with_bill()
    first(kit)
    page = '<BillQueryRs requestID="q1.0" statusCode="0" iteratorRemainingCount="1" iteratorID="{i}"/>'
    kit.receive(answer(page))
    assert 'iterator="Continue"' in kit.send()
    assert 'iterator="Start"' in kit.send()


def test_a_kind_that_comes_up_later_is_looked_through_then() -> None:
    kit = with_bill()
    kit.outbox.data.pending = [vendor(2, "New")]
    kit.start()
    assert kit.receive(posted(ONE.id)) == 50
    document = kit.send()
    assert '<VendorQueryRq requestID="q3.0" iterator="Start">' in document
    assert "<BillQueryRq" not in document
    kit.receive(quiet(document))
    assert "<VendorAddRq" in kit.send()


@pytest.mark.parametrize(
    ("inner", "problem"),
    [
        ('<BillQueryRs requestID="q1.0" statusCode="3261" statusMessage="No permission."/>', "3261: No permission."),
        ('<CheckQueryRs requestID="q1.0" statusCode="0"/>', "QuickBooks answered with CheckQueryRs"),
        (
            f'<BillQueryRs requestID="q1.0" statusCode="0">{ret("X-1")}{ret("X-2")}</BillQueryRs>',
            "QuickBooks did not say how to get the rest",
        ),
        (
            f'<BillQueryRs requestID="q1.0" statusCode="0" iteratorRemainingCount="4">{ret("X-1")}</BillQueryRs>',
            "QuickBooks did not say how to get the rest",
        ),
    ],
)
def test_a_kind_that_cannot_be_looked_through_is_not_written_and_a_person_hears_of_it(inner: str, problem: str) -> None:
    kit = with_bill()
    kit.configure(page_size=2)
    kit.outbox.add(vendor(2, "New"))
    message = (
        "QuickBooks could not show what was changed lately (Bill), so nothing of that kind was written in this "
        f"session: {problem}"
    )
    for alert in (False, True):
        kit.clock.sleep(5)
        first(kit)
        kit.receive(answer(f'{inner}<VendorQueryRs requestID="q1.1" statusCode="1"/>'))
        notes = [note for note in kit.outbox.data.notes if note[0] == "scan_failed"]
        assert notes[-1] == ("scan_failed", message, alert)
        if not alert:
            assert "<VendorAddRq" in kit.send()
            assert kit.receive(posted(vendor(2, "").id, "8-1", "VendorAdd").replace("TxnID", "ListID")) == 100
        kit.close()
        kit.outbox.add(vendor(3, "Newer"))
    assert state_of(kit) == "waiting"
    kit.receive(quiet(first(kit)))
    assert kit.outbox.data.over == ["scan_failed"]


def test_a_document_that_cannot_be_read_is_asked_query_by_query() -> None:
    kit = with_bill()
    kit.outbox.add(vendor(2, "New"))
    first(kit)
    assert kit.receive("", "0x80040400", "parse") == 0
    assert re.findall(r"<(\w+)QueryRq", kit.send()) == ["Bill"]
    assert kit.receive("", "0x80040400", "parse") == 0
    assert [event for event, _, _ in kit.outbox.data.notes] == ["scan_failed"]
    document = kit.send()
    assert re.findall(r"<(\w+)QueryRq", document) == ["Vendor"]
    kit.receive(quiet(document))
    assert "<VendorAddRq" in kit.send()


def test_an_answer_to_something_else_is_not_used() -> None:
    kit = with_bill()
    first(kit)
    assert kit.receive(answer('<BillQueryRs requestID="q9.0" statusCode="1"/>')) == 0
    assert (kit.outbox.data.scanned, kit.events) == ({}, ["answer_rejected"])
    assert '<BillQueryRq requestID="q2.0" iterator="Start">' in kit.send()


def test_a_journal_entry_is_looked_at_with_its_debits() -> None:
    kit = Kit()
    kit.outbox.add(operation(1, "<TxnDate>2026-11-20</TxnDate>", "JournalEntryAdd"))
    document = first(kit)
    assert "<IncludeLineItems>true</IncludeLineItems>" in document
    assert "<IncludeRetElement>JournalDebitLine</IncludeRetElement>" in document


def test_whatever_is_asked_is_valid() -> None:
    kit = Kit()
    requests = [item.name for item in SPEC.requests if item.name.endswith("Add")]
    for number, request in enumerate(requests):
        kit.outbox.add(operation(number, "<Name>x</Name><TxnDate>2026-11-20</TxnDate>", request))
        holding(kit, f"B-{number}", number, request.removesuffix("Add"))
    document = first(kit)
    inner = document[document.index("<QBXMLMsgsRq") : document.index("</QBXMLMsgsRq>")].partition(">")[2]
    asked = re.findall(r"<(\w+QueryRq)\b.*?</\1>", inner)
    assert len(asked) == 2 * len(requests) == len(re.findall(r"requestID=", document))
    for found in re.finditer(r"<(\w+QueryRq)\b.*?</\1>", inner):
        assert check_request(found[1].removesuffix("Rq"), found[0].encode()) == []


def test_kinds_are_those_of_what_is_new() -> None:
    assert kinds_of(("BillAdd", "BillMod", "VendorAdd", "CheckMod")) == ("Bill", "Vendor")


# --- what was found there already -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent_before", [False, True])
def test_what_an_earlier_life_wrote_is_posted_without_being_sent(sent_before: bool) -> None:
    """Also what was sent by this life, and refused as busy: a life that is lost may have written it since."""
    kit = with_bill()
    if sent_before:
        kit.outbox.data.operations[ONE.id].set_id = "of-another-session"
    assert kit.receive(quiet(first(kit), Bill=ret("1A-9", MARKED))) == 100
    found = kit.outbox.outcome(ONE.id)
    assert found is not None
    assert (found.outcome, found.receipt["TxnID"]) == ("posted", "1A-9")
    assert found.message == "found in QuickBooks; it was written before"
    assert (kit.close(), kit.outbox.data.sets) == ("OK: 1 posted", {})


def test_what_looks_like_it_waits_for_a_person_and_the_next_one_goes_out() -> None:
    kit = with_bill()
    kit.outbox.add(bill(2))
    kit.receive(quiet(first(kit), Bill=ret("1A-9", Memo="typed by hand")))
    found = kit.outbox.outcome(ONE.id)
    assert found is not None
    assert (found.outcome, found.code, found.message) == (
        "held",
        "alike",
        f"QuickBooks already has {INV_1}; the one to be posted agrees with it; nothing was sent",
    )
    assert found.hint == (
        "somebody may have entered it by hand; look at it in QuickBooks. When it is the same, run `flowctl retry ID --there 1A-9` "
        "and nothing is written; when it is another one, run `flowctl retry ID --not-there` and this one is written as well"
    )
    assert f'requestID="{bill(2).id}"' in kit.send()


def held_for(inner: str) -> tuple[str, str]:
    kit = with_bill()
    kit.receive(quiet(first(kit), Bill=inner))
    found = kit.outbox.outcome(ONE.id)
    assert found is not None
    return found.message, found.hint


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (
            {"TxnDate": "2026-10-20", "AmountDue": "99.00"},
            "bill INV-1 of Acme Supply dated 2026-10-20 over 99.00; the one to be posted is dated 2026-11-20 over 10.00",
        ),
        (
            {"AmountDue": "99.00"},
            "bill INV-1 of Acme Supply dated 2026-11-20 over 99.00; the one to be posted is over 10.00",
        ),
        # Under another name it is alike when everything else agrees.
        (
            {"party": "Harbor Office Park"},
            "bill INV-1 of Harbor Office Park dated 2026-11-20 over 10.00; the one to be posted is for Acme Supply",
        ),
    ],
)
def test_what_is_there_is_said_in_a_bookkeepers_words(changed: dict[str, str], text: str) -> None:
    message, _ = held_for(ret("1A-9", Memo="by hand", **changed))
    assert message == f"QuickBooks already has {text}; nothing was sent"


def test_of_several_that_look_alike_three_are_named() -> None:
    rets = "".join(ret(f"1A-{n}", Memo="by hand", AmountDue=f"{n}.00") for n in range(1, 6))
    message, hint = held_for(rets)
    assert message == (
        "QuickBooks already has bill INV-1 of Acme Supply dated 2026-11-20 over 1.00, "
        "bill INV-1 of Acme Supply dated 2026-11-20 over 2.00, bill INV-1 of Acme Supply dated 2026-11-20 over 3.00 "
        "and 2 more; the one to be posted is over 10.00; nothing was sent"
    )
    assert hint == (
        "somebody may have entered it by hand; look at it in QuickBooks. When one of them is the same, run "
        "`flowctl retry ID --there 1A-1`, with its own TxnID (in the order above: 1A-1, 1A-2, 1A-3), and nothing is "
        "written; when none of them is, run `flowctl retry ID --not-there` and this one is written as well"
    )


def test_what_is_there_twice_waits_for_a_person() -> None:
    kit = with_bill()
    kit.receive(quiet(first(kit), Bill=ret("1A-8", MARKED) + ret("1A-9", MARKED)))
    found = kit.outbox.outcome(ONE.id)
    assert found is not None
    assert (found.outcome, found.code, found.message, found.hint) == (
        "held",
        "twice",
        "it is in QuickBooks 2 times: 1A-8, 1A-9; nothing was sent",
        "delete all but one of them in QuickBooks, then name the one that stays: `flowctl retry ID --there 1A-8`",
    )


def test_a_vendor_of_the_name_is_used_and_an_inactive_one_is_left_to_quickbooks() -> None:
    data = "<VendorRet><ListID>8-1</ListID><EditSequence>1</EditSequence><Name>new</Name><IsActive>{}</IsActive></VendorRet>"
    kit = Kit()
    kit.outbox.add(vendor(1, "New"))
    assert kit.receive(quiet(first(kit), Vendor=data.format("true"))) == 100
    found = kit.outbox.outcome(vendor(1, "New").id)
    assert found is not None
    assert (found.outcome, found.message) == ("posted", "the vendor existed in QuickBooks and is used")
    kit = Kit()
    kit.outbox.add(vendor(1, "New"))
    kit.receive(quiet(first(kit), Vendor=data.format("false")))
    assert "<VendorAddRq" in kit.send()


# --- the check --------------------------------------------------------------------------------------------------------


def test_the_newest_are_looked_at_beside_the_scan_and_cost_no_round_trip_of_their_own() -> None:
    kit = with_bill()
    for number in range(1, 31):
        holding(kit, f"B-{number}", number)
    kit.outbox.data.checked_at = START - timedelta(minutes=10)
    document = first(kit)
    assert re.findall(r"<TxnID>([^<]+)</TxnID>", document) == [f"B-{number}" for number in range(30, 10, -1)]
    assert kit.receive(quiet(document)) == 0
    assert kit.outbox.data.checked_at == START - timedelta(minutes=10)
    assert "<BillAddRq" in kit.send()


def test_an_hourly_check_opens_a_session_of_its_own_and_looks_at_everything() -> None:
    kit = Kit()
    kit.outbox.data.identities["acme"] = {}
    holding(kit, "B-1", 1)
    holding(kit, "B-2", 2, "Check")
    kit.outbox.data.holdings["B-0"] = Holding("B-0", "Bill", 0, there=False)
    document = first(kit)
    assert re.findall(r"<(\w+)QueryRq[^>]*><TxnID>([^<]+)<", document) == [("Check", "B-2"), ("Bill", "B-1")]
    assert kit.receive(quiet(document)) == 0
    document = kit.send()
    assert re.findall(r"<(\w+)QueryRq[^>]*><TxnID>([^<]+)<", document) == [("Bill", "B-0")]
    assert kit.receive(quiet(document)) == 100
    assert (kit.outbox.data.checked_at, kit.outbox.data.holdings["B-0"].there) == (START, True)
    kit.close()
    assert kit.login()[1] == "none"


def test_what_is_missing_is_told_and_everything_is_looked_at_then() -> None:
    kit = with_bill()
    holding(kit, "B-1")
    kit.outbox.data.checked_at = START
    first(kit)
    kit.receive(
        answer('<BillQueryRs requestID="q1.0" statusCode="1"/><BillQueryRs requestID="q1.1" statusCode="500"/>')
    )
    assert not kit.outbox.data.holdings["B-1"].there
    assert "<BillAddRq" in kit.send()
    assert kit.outbox.data.checked_at == START


def test_a_restored_backup_stops_the_session_and_says_so() -> None:
    kit = with_bill()
    for number in (1, 2):
        holding(kit, f"B-{number}", number)
    first(kit)
    both = '<BillQueryRs requestID="q1.0" statusCode="1"/><BillQueryRs requestID="q1.1" statusCode="500"/>'
    assert kit.receive(answer(both)) == -1
    assert kit.error() == "An older backup of the company file was restored."
    assert (kit.send(), kit.outbox.data.sets) == ("", {})
    kit.close()
    kit.clock.sleep(300)
    document = first(kit)
    assert "<BillAddRq" not in document
    assert "<TxnID>B-2</TxnID>" in document
    kit.outbox.data.halted = None
    assert kit.receive(quiet(document)) == 0


def test_a_check_that_fails_holds_up_no_write() -> None:
    kit = with_bill()
    holding(kit, "B-1")
    first(kit)
    inner = '<BillQueryRs requestID="q1.0" statusCode="1"/><BillQueryRs requestID="q1.1" statusCode="1000" statusMessage="no"/>'
    kit.receive(answer(inner))
    message = "QuickBooks could not say whether everything that was written is still there (Bill): 1000: no"
    assert kit.outbox.data.notes == [("check_failed", message, False)]
    assert "<BillAddRq" in kit.send()
    assert kit.outbox.data.checked_at is None


def test_silence_about_an_id_is_not_taken_for_its_absence() -> None:
    kit = with_bill()
    holding(kit, "B-1")
    first(kit)
    kit.receive(answer('<BillQueryRs requestID="q1.0" statusCode="1"/><BillQueryRs requestID="q1.1" statusCode="0"/>'))
    assert (kit.outbox.data.holdings["B-1"].there, kit.events) == (True, ["check_failed"])


def test_nothing_to_look_at_sends_nothing() -> None:
    kit = Kit()
    kit.login()
    assert (kit.send(hello()), kit.error()) == ("", "There is nothing more to send.")


def test_a_holding_that_was_changed_is_compared_with_what_was_written() -> None:
    kit = with_bill()
    holding(kit, "B-1")
    edited = ret("B-1", RefNumber="INV-101", Memo="Ramp bill 101", AmountDue="12.00")
    document = first(kit)
    inner = quiet(document, Bill=edited).replace(
        "<TxnID>B-1</TxnID><EditSequence>7</EditSequence></BillRet>",
        edited.removeprefix("<BillRet>"),
    )
    kit.receive(inner)
    assert kit.outbox.data.differences["B-1"] == ("amount 12.00 there, 10.00 here",)
    assert kit.outbox.data.sightings == {}


@pytest.mark.parametrize(
    ("changed", "texts"),
    [
        ({}, ()),
        ({"Memo": " Ramp   bill 1 "}, ()),
        ({"RefNumber": "INV-9"}, ("number `INV-9` there, `INV-1` here",)),
        ({"TxnDate": "2026-12-01"}, ("date `2026-12-01` there, `2026-11-20` here",)),
        ({"Memo": ""}, ("memo nothing there, `Ramp bill 1` here",)),
        ({"AmountDue": "1200.50"}, ("amount 1200.50 there, 10.00 here",)),
        ({"party": "Other"}, ("party `Other` there, `Acme Supply` here",)),
        (
            {"Memo": "x", "AmountDue": "1.00"},
            ("memo `x` there, `Ramp bill 1` here", "amount 1.00 there, 10.00 here"),
        ),
    ],
)
def test_differences_are_said_in_words(changed: dict[str, str], texts: tuple[str, ...]) -> None:
    found = parse_response(answer(f'<BillQueryRs requestID="q" statusCode="0">{ret(**changed)}</BillQueryRs>'))
    assert differences(ONE, found.responses[0].objects[0]) == texts


def test_a_journal_entry_is_compared_by_its_debits_and_a_vendor_by_its_name() -> None:
    lines = "<JournalDebitLine><Amount>6.00</Amount></JournalDebitLine><JournalDebitLine><Amount>4.00</Amount></JournalDebitLine>"
    entry = operation(1, f"{lines}<JournalCreditLine><Amount>10.00</Amount></JournalCreditLine>", "JournalEntryAdd")
    debit = {"TxnID": "1", "JournalDebitLine": [{"Amount": "6.00"}, {"Amount": "5.00"}]}
    assert differences(entry, debit) == ("amount 11.00 there, 10.00 here",)
    assert differences(entry, {"TxnID": "1"}) == ()
    assert differences(vendor(1, "New"), {"ListID": "1", "Name": "Newer"}) == ("name `Newer` there, `New` here",)


def test_a_modify_is_compared_by_all_that_it_was_to_write() -> None:
    change = operation(1, "<TxnID>1A-1</TxnID><Memo>new</Memo>", "BillMod")
    whole = operation(1, "<TxnID>1A-1</TxnID><RefNumber>INV-1</RefNumber><Memo>new</Memo>", "BillMod").body
    data = {"TxnID": "1A-1", "RefNumber": "INV-2", "Memo": "new"}
    assert differences(replace(change, whole=whole), data) == ("number `INV-2` there, `INV-1` here",)


def test_a_change_is_held_against_its_object_again_after_everything_is_looked_through_again() -> None:
    """What the new look shows may be newer than what the change was held against."""
    held = State(merging=Merging(merged=("one", "two"), clean=("one",), later=("three",), stale=("two",)))
    flight = Flight("survey", "q1", asks=({"scan": "Vendor"},))
    looked = changed(held, survey=changed(held.survey, scanned=("Bill", "Vendor")))
    for after in (survey.anew(held), survey.found_late(held), survey.late(looked, flight), survey.merged_late(held)):
        assert after.merging == Merging(later=("three",), stale=("two",))
