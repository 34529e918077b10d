"""Sets of several requests, modifies that are merged first, figures, and the closing date, session by session."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from hashlib import sha256

import pytest

from connectors.qbwc.probe import questions
from engine.contract import Operation
from engine.evidence import Span
from tests.connectors.qbwc.kit import Kit, answer, hello, posted, refused
from tests.connectors.qbwc.memory_outbox import START, bill, operation


def kit_with(*operations: Operation, batch: int = 0) -> Kit:
    kit = Kit()
    kit.configure(batch=batch)
    for item in operations:
        kit.outbox.add(item)
    return kit


def set_id(document: str) -> str:
    return str(re.findall(r'newMessageSetID="([^"]*)"', document)[0])


def ids(document: str) -> list[str]:
    return re.findall(r'<\w+(?:Add|Mod)Rq requestID="([^"]*)"', document)


def answered(document: str, code: int = 0) -> str:
    """Every bill of a set was saved, or every one was refused."""
    parts = []
    for n, name in enumerate(ids(document)):
        data = f"<BillRet><TxnID>{name[-4:]}-{n}</TxnID><EditSequence>7</EditSequence></BillRet>" if not code else ""
        parts.append(f'<BillAddRs requestID="{name}" statusCode="{code}" statusMessage="m">{data}</BillAddRs>')
    return answer("".join(parts), f' newMessageSetID="{set_id(document)}" messageSetStatusCode="0"')


# --- how many go together ---------------------------------------------------------------------------------------------


def test_a_thousand_bills_take_a_quarter_of_the_time_and_no_answer_takes_half_a_minute() -> None:
    kit = kit_with(*(bill(number) for number in range(1000)))
    began, longest, sizes = kit.clock.now(), 0.0, []
    document = kit.start()
    while document:
        seconds = 1.5 + 0.2 * len(ids(document))
        longest = max(longest, seconds)
        sizes.append(len(ids(document)))
        kit.clock.sleep(seconds)
        percent = kit.receive(answered(document))
        document = kit.next() if percent < 100 else ""
    assert sizes[:7] == [1, 2, 4, 8, 16, 32, 32]
    assert sum(sizes) == 1000
    assert longest < 30
    assert (kit.clock.now() - began).total_seconds() <= 1000 * 1.7 / 4
    assert kit.close() == "OK: 1000 posted"
    assert kit.outbox.data.facts["pace"] == {"limit": 32}


def test_the_next_session_begins_at_half() -> None:
    kit = kit_with(*(bill(number) for number in range(10)))
    kit.outbox.data.facts["pace"] = {"limit": 8}
    document = kit.start()
    assert (len(ids(document)), 'onError="continueOnError"' in document) == (4, True)
    assert set_id(document) not in ids(document)


def test_one_by_one_is_what_it_says() -> None:
    kit = kit_with(*(bill(number) for number in range(3)), batch=1)
    kit.outbox.data.facts["pace"] = {"limit": 8}
    document = kit.start()
    assert (ids(document), set_id(document)) == ([bill(0).id], bill(0).id)
    assert 'onError="stopOnError"' in document
    kit.receive(answered(document))
    assert ids(kit.send()) == [bill(1).id]
    assert kit.outbox.data.facts["pace"] == {"limit": 8}


def test_a_set_never_holds_more_than_the_setting_allows() -> None:
    kit = kit_with(*(bill(number) for number in range(9)), batch=3)
    kit.outbox.data.facts["pace"] = {"limit": 64}
    assert len(ids(kit.start())) == 3


def test_records_are_prepared_until_a_set_is_full() -> None:
    kit = kit_with(bill(1))
    kit.outbox.data.facts["pace"] = {"limit": 6}
    kit.outbox.data.pending = [bill(number) for number in range(2, 6)]
    assert len(ids(kit.start())) == 3


@pytest.mark.parametrize("trouble", ["hresult", "lost", "closed", "new session", "1000"])
def test_trouble_leaves_a_quarter(trouble: str) -> None:
    kit = kit_with(*(bill(number) for number in range(40)))
    kit.outbox.data.facts["pace"] = {"limit": 64}
    document = kit.start()
    assert len(ids(document)) == 32
    if trouble == "hresult":
        kit.receive("", "0x80040402", "no")
    elif trouble == "lost":
        kit.send()
    elif trouble == "closed":
        kit.close()
    elif trouble == "new session":
        kit.login()
    else:
        kit.receive(answered(document, 1000))
    assert kit.outbox.data.facts["pace"] == {"limit": 8}


def test_refusals_do_not_speed_it_up() -> None:
    kit = kit_with(*(bill(number) for number in range(9)))
    document = kit.start()
    kit.receive(answered(document, 3210))
    assert len(ids(kit.send())) == 1


def test_a_whole_set_in_doubt_is_looked_for_with_one_query_for_what_is_new() -> None:
    asked, names = questions([bill(1), bill(2)], "q1", START)
    assert [re.findall(rb'requestID="([^"]+)"', request)[0] for request in asked] == [b"q1.0.0", b"q1.0.1", b"q1.1.1"]
    assert names == {bill(1).id: ("q1.0.0", "q1.0.1"), bill(2).id: ("q1.0.0", "q1.1.1")}


# --- modifies ---------------------------------------------------------------------------------------------------------


def change(number: int = 4) -> Operation:
    inner = "<TxnID>1A-1</TxnID><EditSequence>7</EditSequence><RefNumber>INV-1</RefNumber><Memo>{}</Memo>"
    made = operation(number, inner.format("new"), "BillMod")
    base = operation(number + 100, "<RefNumber>INV-1</RefNumber><Memo>old</Memo>")
    return replace(made, target_id="1A-1", base=base.body)


def there(memo: str = "old", sequence: str = "9", request: str = "q1.0") -> str:
    data = (
        f"<BillRet><TxnID>1A-1</TxnID><EditSequence>{sequence}</EditSequence><RefNumber>INV-1</RefNumber>"
        f"<Memo>{memo}</Memo></BillRet>"
    )
    return answer(f'<BillQueryRs requestID="{request}" statusCode="0">{data}</BillQueryRs>')


def modified(document: str, code: int = 0) -> str:
    name = ids(document)[0]
    text = refused(name, code, "stale", "BillMod") if code else posted(name, "1A-1", "BillMod")
    text = text.replace("BillModRet", "BillRet")
    return re.sub(r'newMessageSetID="[^"]*"', f'newMessageSetID="{set_id(document)}"', text)


def test_a_modify_is_merged_right_before_it_is_sent() -> None:
    kit = kit_with(change())
    document = kit.start()
    assert '<BillQueryRq requestID="q1.0"><TxnID>1A-1</TxnID>' in document
    assert kit.receive(there()) == 0
    document = kit.send()
    assert ids(document) == [change().id]
    assert "<EditSequence>9</EditSequence>" in document
    assert "<Memo>new</Memo>" in document
    row = kit.outbox.data.operations[change().id].operation
    assert (row.whole, row.sha256) == (change().body, sha256(row.body).hexdigest())
    assert kit.receive(modified(document)) == 100
    assert kit.outbox.data.operations[change().id].state == "posted"


def test_what_is_there_already_is_posted_and_what_a_user_has_changed_is_left_alone() -> None:
    kit = kit_with(change())
    kit.start()
    assert kit.receive(there("new")) == 100
    found = kit.outbox.outcome(change().id)
    assert found is not None
    assert (found.outcome, kit.outbox.data.sets) == ("posted", {})
    kit = kit_with(change())
    kit.start()
    assert kit.receive(there("typed by hand")) == 100
    found = kit.outbox.outcome(change().id)
    assert found is not None
    assert (found.outcome, found.code, kit.outbox.data.sets) == ("deferred", "edited_there", {})


def test_a_modify_that_cannot_be_merged_now_waits_and_the_others_go() -> None:
    kit = kit_with(change(), bill(7))
    kit.start()
    kit.receive(answer('<BillQueryRs requestID="q2.0" statusCode="1000" statusMessage="no"/>'))
    assert ids(kit.send()) == [bill(7).id]
    assert kit.events == ["change_waits"]


def test_a_modify_that_is_out_of_date_is_merged_once_more_and_then_left_to_a_person() -> None:
    kit = kit_with(change())
    document = kit.start()
    kit.receive(there())
    first = kit.send()
    assert kit.receive(modified(first, 3200)) == 50
    document = kit.send()
    assert '<BillQueryRq requestID="q3.0"><TxnID>1A-1</TxnID>' in document
    kit.receive(there(sequence="11", request="q3.0"))
    second = kit.send()
    assert set_id(second) != set_id(first)
    assert "<EditSequence>11</EditSequence>" in second
    assert kit.receive(modified(second, 3200)) == 100
    outcomes = kit.outbox.data.operations[change().id].outcomes
    assert [(item.outcome, item.code, item.waits_for) for item in outcomes] == [
        ("retry", "3200", ()),
        ("deferred", "3200", ("list:Vendor",)),
    ]
    assert kit.outbox.data.due == []


@pytest.mark.parametrize(
    ("memo", "sequence", "then"),
    [("new", "10", "posted"), ("old", "9", "resend"), ("other", "10", "merge")],
)
def test_a_modify_in_doubt_is_held_against_what_is_there(memo: str, sequence: str, then: str) -> None:
    kit = kit_with(change())
    kit.start()
    kit.receive(there())
    frozen = kit.send()
    kit.close()
    kit.login()
    kit.send(hello())
    kit.receive(answer("", ' messageSetStatusCode="9002"'))
    probe = kit.send()
    assert "<TxnID>1A-1</TxnID>" in probe
    kit.receive(there(memo, sequence, "q2.0.0"))
    outcomes = [item.outcome for item in kit.outbox.data.operations[change().id].outcomes]
    if then == "posted":
        assert outcomes == ["posted"]
    elif then == "resend":
        assert (outcomes, kit.send()) == ([], frozen)
    else:
        assert outcomes == ["retry"]
        assert '<BillQueryRq requestID="q3.0"><TxnID>1A-1</TxnID>' in kit.next()


def test_a_modify_in_doubt_that_ran_is_posted_although_a_person_has_changed_a_part_of_it_since() -> None:
    made = change()
    body = made.body.replace(b"<RefNumber>INV-1<", b"<RefNumber>INV-2<")
    kit = kit_with(replace(made, body=body, sha256=sha256(body).hexdigest()))
    kit.start()
    kit.receive(there())
    assert "<RefNumber>INV-2</RefNumber><Memo>new</Memo>" in kit.send()
    kit.close()
    kit.login()
    kit.send(hello())
    kit.receive(answer("", ' messageSetStatusCode="9002"'))
    kit.send()
    kit.receive(there("typed by hand", "11", "q2.0.0").replace("INV-1", "INV-2"))
    found = kit.outbox.outcome(made.id)
    assert found is not None
    assert (found.outcome, found.message) == ("posted", "found in QuickBooks after its answer was lost")
    assert found.receipt == {"TxnID": "1A-1", "RefNumber": "INV-2", "EditSequence": ""}


# --- figures ----------------------------------------------------------------------------------------------------------

SPAN = Span(3, date(2026, 9, 1), date(2026, 11, 30), ("Bill", "Vendor", "Check"))


def page(kind: str, request: str, txn_id: str, remaining: int = 0) -> str:
    data = f"<{kind}Ret><TxnID>{txn_id}</TxnID></{kind}Ret>"
    attributes = f'requestID="{request}" statusCode="0" iteratorRemainingCount="{remaining}" iteratorID="{{i}}"'
    return answer(f"<{kind}QueryRs {attributes}>{data}</{kind}QueryRs>")


def test_figures_are_told_after_the_writes_page_by_page() -> None:
    kit = kit_with(bill(1))
    kit.outbox.data.span = SPAN
    document = kit.start()
    assert ids(document) == [bill(1).id]
    assert kit.receive(answered(document)) < 100
    assert '<BillQueryRq requestID="q3" iterator="Start">' in kit.send()
    assert kit.receive(page("Bill", "q3", "A-1", 1)) < 100
    assert '<BillQueryRq requestID="q4" iterator="Continue" iteratorID="{i}">' in kit.send()
    assert kit.receive(page("Bill", "q4", "A-2")) < 100
    assert '<CheckQueryRq requestID="q5" iterator="Start">' in kit.send()
    assert kit.receive(answer('<CheckQueryRs requestID="q5" statusCode="1000" statusMessage="no"/>')) == 100
    assert [item.target_id for item in kit.outbox.data.figures] == ["A-1", "A-2"]
    assert kit.outbox.data.finished == [(3, "Check: 1000: no")]


def test_figures_open_a_session_begin_anew_in_the_next_one_and_stop_for_a_write() -> None:
    kit = kit_with()
    kit.outbox.data.identities["acme"] = {}
    kit.outbox.data.span = SPAN
    assert '<BillQueryRq requestID="q1" iterator="Start">' in kit.start()
    kit.receive(page("Bill", "q1", "A-1", 1))
    kit.close()
    assert '<BillQueryRq requestID="q1" iterator="Start">' in kit.start()
    kit.outbox.add(bill(1))
    kit.receive(page("Bill", "q1", "A-1", 1))
    document = kit.next()
    assert ids(document) == [bill(1).id]
    kit.receive(answered(document))
    assert 'iterator="Continue"' in kit.send()
    assert 'iterator="Start"' in kit.send()


def test_figures_that_cannot_be_had_are_given_up() -> None:
    kit = kit_with()
    kit.outbox.data.span = SPAN
    kit.start()
    kit.receive("no XML")
    assert kit.outbox.data.finished == []
    kit.send()
    kit.receive("no XML")
    assert kit.outbox.data.finished[0][0] == 3
    kit = kit_with()
    kit.outbox.data.span = SPAN
    kit.start()
    assert kit.receive("", "0x80040400", "parse") == 100
    assert len(kit.outbox.data.finished) == 1


def test_a_span_without_money_is_told_at_once() -> None:
    kit = kit_with()
    kit.outbox.data.span = replace(SPAN, kinds=("Vendor",))
    kit.login()
    assert kit.send(hello()) == ""
    assert kit.outbox.data.finished == [(3, "")]


# --- the closing date -------------------------------------------------------------------------------------------------


def closed(day: str | None) -> str:
    inner = f"<ClosingDate>{day}</ClosingDate>" if day else "<IsUsingClassTracking>true</IsUsingClassTracking>"
    told = (
        '<PreferencesQueryRs requestID="2" statusCode="0"><PreferencesRet><AccountingPreferences>'
        f"{inner}</AccountingPreferences></PreferencesRet></PreferencesQueryRs></QBXMLMsgsRs>"
    )
    return hello().replace("</QBXMLMsgsRs>", told)


def test_a_period_that_is_opened_again_wakes_what_waits_for_it() -> None:
    kit = kit_with()
    woken = []
    for hcp in (hello(), closed("2026-09-30"), closed("2026-10-31"), hello(), closed("2026-08-31"), closed(None)):
        kit.login()
        kit.send(hcp)
        kit.close()
        woken.append(kit.outbox.data.reopened)
        kit.outbox.data.identities.clear()
    assert woken == [0, 0, 0, 0, 1, 2]
    assert kit.outbox.data.facts["closing_date"] == {"date": ""}
