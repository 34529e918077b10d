"""The session, call by call: order of turns, refusals, and what is kept when something goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from connectors.qbwc.auth import ticket_hash
from engine.contract import Desk, ListObject, OperationOutcome
from engine.errors import StoreBusy
from tests.connectors.qbwc.kit import FILE, OWNER, PATH, Kit, answer, hello, posted, refused
from tests.connectors.qbwc.memory_outbox import bill, vendor

OVER = "This session is over, or a newer one has replaced it. The next update starts a new one."


def with_bills(count: int = 1) -> Kit:
    kit = Kit()
    for number in range(1, count + 1):
        kit.outbox.add(bill(number))
    return kit


def op(number: int) -> str:
    return bill(number).id


def outcomes(kit: Kit, number: int) -> list[str]:
    return [found.outcome for found in kit.outbox.data.operations[op(number)].outcomes]


def set_state(kit: Kit, set_id: str) -> str:
    return kit.outbox.data.sets[set_id].state


def ids_of(document: str) -> tuple[str | None, str | None]:
    found = [re.search(rf'{name}MessageSetID="([^"]*)"', document) for name in ("new", "old")]
    return found[0] and found[0][1], found[1] and found[1][1]


def none_found(document: str, kind: str = "Bill") -> str:
    """An answer to every query of a probe: nothing is there."""
    names = re.findall(rf'<{kind}QueryRq requestID="([^"]+)"', document)
    return answer("".join(f'<{kind}QueryRs requestID="{name}" statusCode="500" statusMessage=""/>' for name in names))


# --- the good way ---------------------------------------------------------------------------------------------------


def test_two_bills_go_out_one_by_one_and_the_second_clears_the_first() -> None:
    kit = with_bills(2)
    first = kit.start()
    assert first == (
        '<?xml version="1.0" encoding="utf-8"?><?qbxml version="13.0"?><QBXML>'
        f'<QBXMLMsgsRq newMessageSetID="{op(1)}" onError="stopOnError">{bill(1).body.decode()}</QBXMLMsgsRq></QBXML>'
    )
    assert set_state(kit, op(1)) == "sent"
    assert kit.receive(posted(op(1))) == 50
    second = kit.send()
    assert ids_of(second) == (op(2), op(1))
    assert kit.receive(posted(op(2))) == 100
    assert kit.close() == "OK: 2 posted"
    assert (outcomes(kit, 1), outcomes(kit, 2)) == (["posted"], ["posted"])
    assert kit.outbox.data.answers[op(1)] == posted(op(1)).encode()
    assert kit.outbox.data.notes == []


def test_records_are_prepared_when_the_outbox_runs_empty() -> None:
    kit = Kit()
    kit.outbox.data.pending = [bill(1), bill(2), bill(3)]
    sent = [kit.start()]
    while kit.receive(posted(ids_of(sent[-1])[0] or "")) < 100:
        sent.append(kit.send())
    assert [ids_of(document)[0] for document in sent] == [op(1), op(2), op(3)]


def test_lists_are_read_first_page_by_page_and_once() -> None:
    kit = with_bills()
    kit.configure(page_size=2)
    kit.outbox.data.due = ["Account", "Vendor"]
    assert '<AccountQueryRq requestID="q1">' in kit.start()
    account = "<AccountRet><ListID>1</ListID><FullName>Travel</FullName><AccountType>Expense</AccountType></AccountRet>"
    assert kit.receive(answer(f'<AccountQueryRs requestID="q1" statusCode="0">{account}</AccountQueryRs>')) == 33
    assert '<VendorQueryRq requestID="q2" iterator="Start"><MaxReturned>2</MaxReturned>' in kit.send()
    ret = "<VendorRet><ListID>{0}</ListID><Name>V{0}</Name></VendorRet>"
    page = (
        '<VendorQueryRs requestID="{}" statusCode="0" iteratorRemainingCount="{}" iteratorID="{{i}}">{}</VendorQueryRs>'
    )
    assert kit.receive(answer(page.format("q2", 1, ret.format(1) + ret.format(2)))) == 33
    assert (
        '<VendorQueryRq requestID="q3" iterator="Continue" iteratorID="{i}"><MaxReturned>2</MaxReturned>' in kit.send()
    )
    assert kit.outbox.data.lists.keys() == {"Account"}
    assert kit.receive(answer(page.format("q3", 0, ret.format(3)))) == 66
    assert sorted(kit.outbox.data.lists["Vendor"]) == ["1", "2", "3"]
    assert kit.outbox.data.lists["Account"]["1"] == ListObject(
        "1", "Travel", data={"AccountType": "Expense", "account_type": "Expense"}
    )
    assert ids_of(kit.next())[0] == op(1)


def test_a_lost_page_starts_the_list_anew() -> None:
    kit = Kit()
    kit.outbox.data.due = ["Vendor"]
    kit.start()
    page = answer(
        '<VendorQueryRs requestID="q1" statusCode="0" iteratorRemainingCount="9" iteratorID="{i}"><VendorRet><ListID>1</ListID><Name>A</Name></VendorRet></VendorQueryRs>'
    )
    kit.receive(page)
    assert 'iterator="Continue"' in kit.send()
    assert 'iterator="Start"' in kit.send()


@pytest.mark.parametrize(
    ("inner", "note"),
    [
        (
            '<ClassQueryRs requestID="q1" statusCode="3261" statusMessage="No permission."/>',
            "the list Class could not be read: 3261: No permission.",
        ),
        (
            '<VendorQueryRs requestID="q1" statusCode="0"/>',
            "the list Class could not be read: QuickBooks answered with VendorQueryRs",
        ),
    ],
)
def test_a_list_that_cannot_be_read_is_told_and_does_not_stop_the_writes(inner: str, note: str) -> None:
    kit = with_bills()
    kit.outbox.data.due = ["Class"]
    kit.start()
    kit.receive(answer(inner))
    assert kit.outbox.data.notes == [("list_failed", note, True)]
    assert ids_of(kit.next())[0] == op(1)


@pytest.mark.parametrize("code", [1, 3250])
def test_an_empty_list_or_one_that_is_switched_off_is_kept_as_empty(code: int) -> None:
    kit = Kit()
    kit.outbox.data.due = ["Class"]
    kit.start()
    assert kit.receive(answer(f'<ClassQueryRs requestID="q1" statusCode="{code}"/>')) == 100
    assert kit.outbox.data.lists == {"Class": {}}


# --- who may come in ------------------------------------------------------------------------------------------------


def test_a_wrong_password_opens_nothing() -> None:
    kit = with_bills()
    assert kit.login("wrong")[1:] == ("nvu",)
    assert kit.login("pw", "nobody")[1:] == ("nvu",)
    assert kit.outbox.data.refused == [("acme", "books"), ("", "nobody")]
    assert kit.outbox.data.sessions == {}
    assert kit.send(hello()) == ""


def test_no_work_means_none_and_no_open_session() -> None:
    kit = Kit()
    kit.outbox.data.identities["acme"] = {"file_id": FILE}
    assert kit.login()[1:] == ("none",)
    assert kit.close() == "OK"
    kit.configure(min_interval_s=300)
    assert kit.login()[1:] == ("none", "", "300")


def test_first_contact_unsettled_sets_and_due_lists_are_work_too() -> None:
    kit = Kit()
    kit.configure(company_file=PATH)
    assert kit.login()[1:] == (PATH,)
    kit.outbox.data.identities["acme"] = {"file_id": FILE}
    kit.outbox.data.due = ["Vendor"]
    assert kit.login()[1:] == (PATH,)
    kit.outbox.data.due = []
    kit.outbox.add(bill(1))
    assert kit.login()[1:] == (PATH,)
    kit.send(hello())
    assert kit.login()[1:] == (PATH,)


def test_a_store_that_is_busy_sends_the_caller_away() -> None:
    kit = with_bills()
    kit.outbox.busy = True
    assert kit.login()[1:] == ("busy",)
    with pytest.raises(StoreBusy):
        kit.send(hello())


def test_a_new_session_replaces_the_old_and_its_write_is_in_doubt() -> None:
    kit = with_bills()
    kit.start()
    old = kit.ticket
    assert kit.login()[1:] == ("",)
    assert set_state(kit, op(1)) == "in_doubt"
    new, kit.ticket = kit.ticket, old
    assert (kit.send(), kit.receive(posted(op(1))), kit.error(), kit.close()) == ("", -1, OVER, "OK")
    kit.ticket = new
    assert ids_of(kit.send(hello())) == (op(1), op(1))


def test_another_machine_waits_while_a_write_may_still_run() -> None:
    kit = with_bills()
    kit.start()
    old, kit.client = kit.ticket, "10.0.0.2"
    assert kit.login()[1:] == ("busy",)
    assert set_state(kit, op(1)) == "sent"
    kit.clock.sleep(61)
    assert kit.login()[1:] == ("",)
    assert set_state(kit, op(1)) == "in_doubt"
    kit.ticket = old
    assert kit.receive(posted(op(1))) == -1


def test_tickets_are_kept_as_digests_only() -> None:
    kit = with_bills()
    kit.start()
    assert list(kit.outbox.data.sessions) == [ticket_hash(kit.ticket)]
    assert kit.ticket not in repr(kit.outbox.data.sessions)


def test_a_ticket_of_nobody_gets_nothing() -> None:
    kit = with_bills()
    kit.start()
    for ticket in ("", "nonsense", kit.ticket[:-1]):
        kit.ticket = ticket
        assert (kit.send(hello()), kit.receive(posted(op(1))), kit.error(), kit.close()) == ("", -1, OVER, "OK")
        assert kit.call("connectionError", ticket=ticket, hresult="0x80040408", message="x") == "done"
    assert set_state(kit, op(1)) == "sent"


def test_a_ticket_that_lay_about_is_refused() -> None:
    kit = with_bills()
    kit.start()
    kit.clock.sleep(7201)
    assert (kit.receive(posted(op(1))), kit.send(), kit.error()) == (-1, "", OVER)
    kit.login()
    assert ids_of(kit.send(hello())) == (op(1), op(1))


# --- which company file ---------------------------------------------------------------------------------------------


def test_first_contact_binds_the_company_before_the_first_write() -> None:
    kit = with_bills()
    kit.start()
    assert kit.outbox.data.identities["acme"] == {
        "file_id": FILE, "company_name": "Acme", "path": PATH, "ein": "", "country": "", "product": "QuickBooks", "home_currency": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("hcp", "path"),
    [
        (hello(company="Other"), PATH),
        (hello(file_id="{00000000-0000-0000-0000-000000000000}"), PATH),
        (hello(), "C:\\copy.qbw"),
    ],
)
def test_another_company_file_gets_nothing(hcp: str, path: str) -> None:
    kit = with_bills()
    kit.outbox.data.identities["acme"] = {"file_id": FILE, "company_name": "Acme", "path": PATH}
    kit.login()
    assert kit.send(hcp, path) == ""
    assert kit.error().startswith("The open company file is not ")
    assert kit.send() == ""
    assert kit.outbox.data.sets == {}
    assert [(event, alert) for event, _, alert in kit.outbox.data.notes] == [("company_refused", True)]


def test_a_file_that_a_person_called_wrong_is_not_bound() -> None:
    kit = with_bills()
    refused = {"files": [{"company_name": "Acme", "file_id": FILE, "path": PATH}]}
    kit.outbox.data.facts["refused_files"] = refused
    kit.login()
    assert kit.send(hello(), PATH) == ""
    assert kit.error().startswith("Somebody has said in flowctl that the company file `Acme` is not the right one")
    assert "acme" not in kit.outbox.data.identities
    assert [(event, alert) for event, _, alert in kit.outbox.data.notes] == [("company_refused", True)]


def test_a_file_that_changes_during_the_session_gets_nothing_more() -> None:
    kit = with_bills(2)
    kit.start()
    assert kit.receive(posted(op(1))) == 50
    assert kit.send(path="C:\\Books\\other.qbw") == ""
    assert (
        kit.error() == f"The company file changed from `{PATH}` to `C:\\Books\\other.qbw`, so nothing more was written."
    )
    assert list(kit.outbox.data.sets) == [op(1)]
    assert kit.events == ["company_changed"]


def test_a_hello_in_the_middle_is_checked_too() -> None:
    kit = with_bills(2)
    kit.start()
    kit.receive(posted(op(1)))
    assert kit.send(hello(company="Other")) == ""
    assert list(kit.outbox.data.sets) == [op(1)]


@pytest.mark.parametrize("hcp", ["", "  ", "<QBXML><QBXMLMsgsRs>", answer(), hello(file_id="")])
def test_without_a_usable_hello_quickbooks_is_asked(hcp: str) -> None:
    kit = with_bills()
    kit.login()
    assert kit.send(hcp) == (
        '<?xml version="1.0" encoding="utf-8"?><?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="continueOnError">'
        f'<HostQueryRq requestID="q1.0"/><CompanyQueryRq requestID="q1.1"><OwnerID>{OWNER}</OwnerID></CompanyQueryRq>'
        '<PreferencesQueryRq requestID="q1.2"/></QBXMLMsgsRq></QBXML>'
    )
    assert kit.outbox.data.sets == {}
    assert kit.receive(hello()) == 0
    assert ids_of(kit.next())[0] == op(1)


def test_quickbooks_is_asked_once_only() -> None:
    kit = with_bills()
    kit.login()
    kit.send()
    assert kit.receive(hello(file_id="")) == -1
    assert "FileID is `missing`" in kit.error()
    assert (kit.send(), kit.outbox.data.sets) == ("", {})


def test_a_question_whose_answer_was_lost_is_asked_again() -> None:
    kit = with_bills()
    kit.login()
    assert "<HostQueryRq" in kit.send()
    assert "<HostQueryRq" in kit.send()
    assert kit.receive(hello()) == 0
    assert ids_of(kit.next())[0] == op(1)


def test_an_answer_to_another_query_is_not_used() -> None:
    kit = Kit()
    kit.outbox.data.due = ["Class"]
    kit.start()
    assert kit.receive(answer('<ClassQueryRs requestID="old" statusCode="0"/>')) == 0
    assert (kit.outbox.data.lists, kit.events) == ({}, ["answer_rejected"])
    assert '<ClassQueryRq requestID="q2">' in kit.send()


def test_a_company_that_must_be_confirmed_waits() -> None:
    kit = with_bills()
    kit.configure(confirm_company=True)
    kit.login()
    assert kit.send(hello()) == ""
    assert kit.error() == "The company file `Acme` waits to be confirmed in flowctl; nothing is written before."
    assert (kit.events, kit.outbox.data.identities) == (["company_unconfirmed"], {})


def test_an_older_quickbooks_is_spoken_to_in_its_own_version() -> None:
    kit = with_bills()
    kit.login()
    assert '<?qbxml version="10.0"?>' in kit.send(hello(versions=("9.0", "10.0")))
    kit = with_bills()
    kit.login()
    assert '<?qbxml version="11.0"?>' in kit.send("", qbXMLMajorVers="11", qbXMLMinorVers="0")


# --- steps out of order ---------------------------------------------------------------------------------------------


def test_an_answer_that_is_repeated_changes_nothing() -> None:
    kit = with_bills(2)
    kit.start()
    assert [kit.receive(posted(op(1))) for _ in range(3)] == [50, 50, 50]
    assert outcomes(kit, 1) == ["posted"]
    assert ids_of(kit.send())[0] == op(2)


# --- between what became of a write, and what comes next --------------------------------------------------------------


def between(kit: Kit, monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]) -> None:
    """Let something happen once, before the second transaction from now on."""
    begin, count = kit.outbox.transaction, 0

    def counted(company: str | None = None) -> AbstractContextManager[Desk]:
        nonlocal count
        count += 1
        if count == 2:
            what()
        return begin(company)

    monkeypatch.setattr(kit.outbox, "transaction", counted)


def test_what_became_of_a_write_is_durable_before_it_is_looked_what_comes_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed() -> None:
        raise StoreBusy

    kit = with_bills(2)
    kit.start()
    between(kit, monkeypatch, killed)
    with pytest.raises(StoreBusy):
        kit.receive(posted(op(1)))
    assert (outcomes(kit, 1), set_state(kit, op(1))) == (["posted"], "settled")
    # The Web Connector gives its answer once more, and is told to go on: there is one more to send.
    assert kit.receive(posted(op(1))) == 0
    assert outcomes(kit, 1) == ["posted"]
    assert ids_of(kit.send()) == (op(2), op(1))
    assert kit.receive(posted(op(2))) == 100
    assert kit.close() == "OK: 2 posted"


def test_with_nothing_more_to_send_a_session_that_was_not_looked_after_ends_with_the_next_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed() -> None:
        raise StoreBusy

    kit = with_bills()
    kit.start()
    between(kit, monkeypatch, killed)
    with pytest.raises(StoreBusy):
        kit.receive(posted(op(1)))
    assert kit.receive(posted(op(1))) == 0
    assert (kit.send(), kit.error()) == ("", "There is nothing more to send.")
    assert kit.close() == "OK: 1 posted"


def test_a_session_that_was_replaced_meanwhile_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    kit = with_bills(2)
    kit.start()
    old = kit.ticket
    between(kit, monkeypatch, kit.login)
    assert kit.receive(posted(op(1))) == 0
    assert kit.ticket != old
    assert outcomes(kit, 1) == ["posted"]
    assert ids_of(kit.past_survey(kit.send(hello()))) == (op(2), op(1))


def test_what_was_sent_meanwhile_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    kit, sent = with_bills(2), list[str]()
    kit.start()
    between(kit, monkeypatch, lambda: sent.append(kit.send()))
    assert kit.receive(posted(op(1))) == 0
    assert ids_of(sent[0]) == (op(2), op(1))
    assert set_state(kit, op(2)) == "sent"
    assert kit.receive(posted(op(2))) == 100


def test_an_answer_to_nothing_is_refused() -> None:
    kit = with_bills()
    kit.login()
    assert kit.receive(posted(op(1))) == -1
    assert kit.error() == "An answer came that nothing was sent for. It was not used."
    assert ids_of(kit.past_survey(kit.send(hello())))[0] == op(1)


def test_asking_again_instead_of_answering_puts_the_write_in_doubt() -> None:
    kit = with_bills()
    kit.start()
    check = kit.send()
    assert set_state(kit, op(1)) == "in_doubt"
    assert ids_of(check) == (op(1), op(1))
    assert "BillAdd" not in check


@pytest.mark.parametrize("ending", ["close", "connectionError", "authenticate"])
def test_a_session_that_ends_before_the_answer_leaves_the_write_in_doubt(ending: str) -> None:
    kit = with_bills()
    kit.start()
    if ending == "close":
        kit.close()
    elif ending == "connectionError":
        assert kit.call("connectionError", ticket=kit.ticket, hresult="0x80040408", message="no") == "done"
        assert kit.error() == (
            "QuickBooks could not be started (0x80040408). It said: no. What to do: start QuickBooks, or leave it to the next session."
        )
    else:
        kit.login()
    assert set_state(kit, op(1)) == "in_doubt"
    kit.login()
    assert ids_of(kit.send(hello())) == (op(1), op(1))


def test_a_commit_that_fails_leaves_the_session_where_it_was() -> None:
    kit = with_bills(2)
    kit.start()
    kit.outbox.break_next = 1
    with pytest.raises(StoreBusy):
        kit.receive(posted(op(1)))
    assert outcomes(kit, 1) == []
    assert kit.receive(posted(op(1))) == 50
    kit.outbox.break_next = 1
    with pytest.raises(StoreBusy):
        kit.send()
    assert list(kit.outbox.data.sets) == [op(1)]
    assert ids_of(kit.send())[0] == op(2)


# --- recovery -------------------------------------------------------------------------------------------------------


def in_doubt() -> tuple[Kit, str]:
    """A kit whose first bill is in doubt, and the frozen document."""
    kit = with_bills(2)
    frozen = kit.start()
    kit.close()
    kit.login()
    assert ids_of(kit.send(hello())) == (op(1), op(1))
    return kit, frozen


def test_a_kept_answer_settles_the_write() -> None:
    kit, _ = in_doubt()
    assert kit.receive(posted(op(1))) == 50
    assert outcomes(kit, 1) == ["posted"]
    assert ids_of(kit.next()) == (op(2), op(1))


@pytest.mark.parametrize("code", ["600", "9002", "9005"])
def test_what_is_not_kept_is_looked_for_and_sent_again_byte_by_byte(code: str) -> None:
    kit, frozen = in_doubt()
    kit.receive(answer("", f' messageSetStatusCode="{code}"'))
    probe = kit.send()
    assert "<RefNumber>INV-1</RefNumber>" in probe
    assert "BillAdd" not in probe
    kit.receive(none_found(probe))
    assert kit.next() == frozen
    assert (set_state(kit, op(1)), kit.outbox.data.sets[op(1)].attempts) == ("sent", 2)
    assert kit.receive(posted(op(1))) == 50
    assert outcomes(kit, 1) == ["posted"]


@pytest.mark.parametrize("mode", ["MultiUser", ""])
def test_what_is_not_there_is_not_sent_again_while_another_computer_may_be_at_it(mode: str) -> None:
    kit, frozen = in_doubt()
    kit.close()
    kit.login()
    kit.send(hello(mode=mode))
    kit.receive(answer("", ' messageSetStatusCode="9002"'))
    kit.receive(none_found(kit.send()))
    assert kit.next() == ""
    assert "another computer that has the company file open may still be working on it" in kit.error()
    assert (set_state(kit, op(1)), kit.outbox.data.sets[op(1)].attempts) == ("in_doubt", 1)
    kit.close()
    kit.clock.sleep(1800)
    kit.login()
    kit.send(hello(mode=mode))
    kit.receive(answer("", ' messageSetStatusCode="9002"'))
    kit.receive(none_found(kit.send()))
    assert kit.next() == frozen


def test_what_is_found_is_posted_and_not_sent_again() -> None:
    kit, _ = in_doubt()
    kit.receive(answer("", ' messageSetStatusCode="9002"'))
    probe = kit.send()
    found = none_found(probe).replace(
        'statusCode="500" statusMessage=""/>',
        f'statusCode="0"><BillRet><TxnID>1A-1</TxnID><ExternalGUID>{bill(1).guid}</ExternalGUID></BillRet></BillQueryRs>',
    )
    kit.receive(found)
    assert outcomes(kit, 1) == ["posted"]
    assert kit.outbox.data.operations[op(1)].outcomes[0].receipt["TxnID"] == "1A-1"
    assert ids_of(kit.next()) == (op(2), op(1))


def test_9001_is_looked_for_and_then_held() -> None:
    kit, frozen = in_doubt()
    kit.receive(answer("", ' messageSetStatusCode="9001"'))
    probe = kit.send()
    kit.receive(none_found(probe))
    assert outcomes(kit, 1) == ["held"]
    assert kit.send() != frozen


def test_a_kept_refusal_counts_as_an_answer() -> None:
    kit, _ = in_doubt()
    kit.receive(refused(op(1), 3210, "You cannot pay more than the amount due."))
    assert outcomes(kit, 1) == ["failed"]


@pytest.mark.parametrize(
    "text", ["", "<QBXML><QBX", "no XML at all", answer('<BillAddRs requestID="x" statusCode="0"/>')]
)
def test_an_unusable_answer_is_told_and_looked_into_in_the_same_session(text: str) -> None:
    kit = with_bills()
    kit.start()
    assert kit.receive(text) == 0
    assert (set_state(kit, op(1)), kit.events) == ("in_doubt", ["answer_rejected"])
    assert ids_of(kit.send()) == (op(1), op(1))
    kit.receive(text)
    probe = kit.send()
    assert "<RefNumber>INV-1</RefNumber>" in probe
    assert kit.receive(text) == -1
    assert kit.error().endswith(". The next update goes on from here.")
    assert outcomes(kit, 1) == []


def test_an_injected_answer_changes_no_record() -> None:
    kit = with_bills()
    kit.start()
    kit.receive(posted(op(2), set_id=op(1)))
    assert outcomes(kit, 1) == []
    assert set_state(kit, op(1)) == "in_doubt"


def test_an_answer_to_a_set_that_was_settled_meanwhile_is_not_used() -> None:
    kit = with_bills()
    kit.start()
    with kit.outbox.transaction() as desk:
        desk.operations.settle("acme", op(1), [OperationOutcome(op(1), "held")], b"")
    assert kit.receive(posted(op(1))) == 100
    assert (outcomes(kit, 1), kit.events) == (["held"], ["answer_late"])


# --- refusals -------------------------------------------------------------------------------------------------------


def test_a_taken_vendor_name_is_looked_up_and_adopted() -> None:
    kit = Kit()
    new = vendor(1, "Acme Supply")
    kit.outbox.add(new)
    kit.start()
    assert kit.receive(refused(new.id, 3100, "in use", "VendorAdd")) == 0
    probe = kit.send()
    assert '<VendorQueryRq requestID="q3.0.0"><FullName>Acme Supply</FullName>' in probe
    ret = "<VendorRet><ListID>8-1</ListID><EditSequence>3</EditSequence><Name>Acme Supply</Name></VendorRet>"
    assert kit.receive(answer(f'<VendorQueryRs requestID="q3.0.0" statusCode="0">{ret}</VendorQueryRs>')) == 100
    found = kit.outbox.outcome(new.id)
    assert found is not None
    assert (found.outcome, found.receipt["ListID"]) == ("posted", "8-1")


def test_a_missing_vendor_makes_its_list_due_for_the_next_session_only() -> None:
    kit = with_bills()
    kit.outbox.data.due = ["Vendor"]
    kit.start()
    kit.receive(answer('<VendorQueryRs requestID="q1" statusCode="1"/>'))
    kit.next()
    text = "There is an invalid reference to QuickBooks Vendor &quot;Nope&quot; in the Bill."
    assert kit.receive(refused(op(1), 3140, text)) == 100
    assert (outcomes(kit, 1), kit.outbox.data.due) == (["deferred"], ["Vendor"])


def test_a_retry_waits_and_travels_under_a_new_id() -> None:
    kit = with_bills()
    kit.start()
    assert kit.receive(refused(op(1), 3175, "in use")) == 100
    kit.clock.sleep(31)
    kit.login()
    document = kit.past_survey(kit.send(hello()))
    new, old = ids_of(document)
    assert (old, new not in {None, op(1)}) == (op(1), True)
    assert bill(1).body.decode() in document
    kit.receive(posted(op(1), set_id=str(new)))
    assert outcomes(kit, 1) == ["retry", "posted"]


def test_an_internal_error_is_looked_into_and_tried_once_more() -> None:
    kit = with_bills()
    kit.start()
    for expected in (["retry"], ["retry", "held"]):
        new = next(iter(kit.outbox.data.sets)) if expected == ["retry"] else list(kit.outbox.data.sets)[-1]
        kit.receive(refused(op(1), 1000, "internal").replace(f'newMessageSetID="{op(1)}"', f'newMessageSetID="{new}"'))
        probe = kit.send()
        kit.receive(none_found(probe))
        assert outcomes(kit, 1) == expected
        kit.send()


# --- COM errors -----------------------------------------------------------------------------------------------------


def test_an_unreadable_document_fails_its_record_and_the_session_goes_on() -> None:
    kit = with_bills(2)
    kit.start()
    assert kit.receive("", "0x80040400", "QuickBooks found an error when parsing the provided XML text stream.") == 50
    found = kit.outbox.outcome(op(1))
    assert found is not None
    assert (found.outcome, found.code, found.message) == (
        "failed",
        "0x80040400",
        "QuickBooks found an error when parsing the provided XML text stream.",
    )
    assert ids_of(kit.send()) == (op(2), op(1))


@pytest.mark.parametrize(
    "hresult",
    [
        "0x80040401",
        "0x80040402",
        "0x80040408",
        "0x8004040A",
        "0x8004040D",
        "0x80040414",
        "0x80040422",
        "0x8004FFFF",
        "x",
    ],
)
def test_any_other_com_error_leaves_the_write_in_doubt_and_ends_the_session(hresult: str) -> None:
    kit = with_bills(2)
    kit.start()
    assert kit.receive("", hresult, "because") == -1
    assert f"({hresult}). It said: because" in kit.error()
    assert (set_state(kit, op(1)), outcomes(kit, 1)) == ("in_doubt", [])
    assert kit.send() == ""
    kit.close()
    kit.login()
    assert ids_of(kit.send(hello())) == (op(1), op(1))


def test_a_com_error_over_our_own_queries_costs_nothing() -> None:
    kit = with_bills()
    kit.outbox.data.due = ["Class"]
    kit.start()
    assert kit.receive("", "0x80040400", "parse") == 0
    assert kit.events == ["list_failed"]
    assert ids_of(kit.next())[0] == op(1)
    kit = with_bills()
    kit.login()
    kit.send()
    assert kit.receive("", "0x80040400", "parse") == -1
    assert kit.events == ["company_refused"]


def test_a_status_check_that_cannot_be_read_leads_to_looking() -> None:
    kit, _ = in_doubt()
    assert kit.receive("", "0x80040400", "parse") == 0
    assert "<RefNumber>INV-1</RefNumber>" in kit.send()


# --- the rest -------------------------------------------------------------------------------------------------------


def test_methods_without_a_session() -> None:
    kit = Kit()
    assert str(kit.call("serverVersion")).startswith("flowctl")
    assert kit.call("getServerVersion", ticket="x") == kit.call("serverVersion")
    assert kit.call("clientVersion", strVersion="2.3.0.215") == ""
    assert kit.call("getInteractiveURL", wcTicket="x", sessionID="y") == ""
    assert kit.call("interactiveDone", wcTicket="x") == "Done"
    assert kit.call("interactiveRejected", wcTicket="x", reason="y") == ""


def test_nothing_to_send_is_said_plainly() -> None:
    kit = Kit()
    kit.login()
    assert (kit.send(hello()), kit.error(), kit.close()) == ("", "There is nothing more to send.", "OK")
