"""What was found in review: an edit is never overwritten, what is gone settles nothing, and what cannot be looked at is told."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from connectors.qbwc.merge import BY_HAND, Ready, decide
from connectors.qbwc.probe import differences
from connectors.qbwc.simulator import user_deletes, user_edits
from engine.contract import Json, OperationOutcome
from engine.follow import Hand
from engine.operator import worklist
from engine.qbxml.response import parse_response
from engine.store import facts
from tests.connectors.qbwc import test_merge as merging
from tests.connectors.qbwc.memory_outbox import bill as operation_of
from tests.connectors.qbwc.rig import Hook, Rig, bill, rig
from tests.engine.kit import COMPANY, vendor

HEAD = '<?xml version="1.0"?><?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="stopOnError">'
LINE = (
    "<ExpenseLineMod><TxnLineID>@LINE</TxnLineID><AccountRef><FullName>Office Supplies</FullName></AccountRef>"
    "<Amount>100.00</Amount><Memo>m</Memo></ExpenseLineMod>"
)


def ask(made: Rig, request: str) -> Json:
    (response,) = parse_response(made.quickbooks.process(f"{HEAD}{request}</QBXMLMsgsRq></QBXML>")).responses
    assert response.code == 0, response.message
    return response.objects[0]


def shown(made: Rig, number: str = "N-b-1") -> Json:
    """A bill as it is in QuickBooks, with its lines."""
    return ask(
        made,
        f'<BillQueryRq requestID="1"><RefNumber>{number}</RefNumber><IncludeLineItems>true</IncludeLineItems></BillQueryRq>',
    )


def edits(made: Rig, inside: str) -> None:
    """A person changes the bill in QuickBooks."""
    data = shown(made)
    inside = inside.replace("@LINE", data["ExpenseLineRet"][0]["TxnLineID"])
    head = f"<TxnID>{data['TxnID']}</TxnID><EditSequence>{data['EditSequence']}</EditSequence>"
    ask(made, f'<BillModRq requestID="1"><BillMod>{head}{inside}</BillMod></BillModRq>')


def account(made: Rig) -> str:
    return str(shown(made)["ExpenseLineRet"][0]["AccountRef"]["FullName"])


def later(made: Rig, seconds: float = 60) -> None:
    made.bench.world.clock.sleep(seconds)


def refused(document: str, code: int = 3260) -> str:
    """Every request of a document is refused."""
    asked = re.findall(r'<(\w+)Rq requestID="([^"]+)"', document)
    inner = "".join(
        f'<{name}Rs requestID="{key}" statusCode="{code}" statusSeverity="Error" statusMessage="no"/>'
        for name, key in asked
    )
    return f'<?xml version="1.0" ?><QBXML><QBXMLMsgsRs>{inner}</QBXMLMsgsRs></QBXML>'


# --- nothing that a person did is overwritten


def test_what_a_person_coded_anew_outlives_the_second_change() -> None:
    with rig() as made:
        made.prepare(bill())
        made.session()
        edits(made, LINE)
        later(made)
        made.prepare(bill(memo="first"))
        made.session()
        assert (shown(made)["Memo"], account(made)) == ("first", "Office Supplies")
        later(made)
        made.prepare(bill(amount="120.00", memo="first"))
        made.session()
        assert (shown(made)["AmountDue"], account(made)) == ("100.00", "Office Supplies")
        assert any("QuickBooks has `Office Supplies 100.00`" in text for text in made.alerts())


def lost_write(made: Rig) -> Hook:
    """The write runs and its answer is lost, and QuickBooks has forgotten it when it is asked."""

    def hook(kind: str, document: str) -> str | None:
        if kind == "status":
            (name,) = re.findall(r'newMessageSetID="([^"]+)"', document)
            return (
                f'<?xml version="1.0" ?><QBXML><QBXMLMsgsRs newMessageSetID="{name}" messageSetStatusCode="9002">'
                "</QBXMLMsgsRs></QBXML>"
            )
        answer = made.quickbooks.process(document)
        return None if kind == "write" else answer

    return hook


def test_an_edit_before_a_lost_answer_was_looked_up_stays() -> None:
    with rig() as made:
        made.prepare(bill())
        made.hook, usual = lost_write(made), made.hook
        made.session()
        edits(made, LINE)
        later(made, 3600)
        made.session()
        assert made.bench.record("b-1")["state"] in ("posted", "closed")
        assert "EditSequence" not in json.loads(made.bench.record("b-1")["receipt"])
        made.hook = usual
        made.prepare(bill(amount="120.00"))
        later(made)
        made.session()
        assert (shown(made)["AmountDue"], account(made)) == ("100.00", "Office Supplies")


def test_an_edit_before_the_lost_answer_of_a_change_stays() -> None:
    with rig() as made:
        made.prepare(bill())
        made.session()
        edits(made, LINE)
        made.prepare(bill(memo="first"))
        made.hook, usual = lost_write(made), made.hook
        later(made)
        made.session()
        later(made, 3600)
        made.hook = lost_write(made)
        made.session()
        made.hook = usual
        later(made, 3600)
        made.session()
        assert shown(made)["Memo"] == "first"
        made.prepare(bill(amount="120.00", memo="first"))
        later(made)
        made.session()
        assert (shown(made)["AmountDue"], account(made)) == ("100.00", "Office Supplies")


@pytest.mark.parametrize("text", ["Miete \u4e2d\u6587 \u2192", "  spaced   out  ", "caf\u00e9"])
def test_what_quickbooks_makes_of_a_text_is_no_edit_in_change_after_change(text: str) -> None:
    with rig() as made:
        made.prepare(bill(memo=text))
        made.session()
        for amount in ("110.00", "120.00", "130.00"):
            later(made)
            made.prepare(bill(amount=amount, memo=f"{text} {amount}"))
            made.session()
            assert shown(made)["AmountDue"] == amount
        assert made.alerts() == []


def test_a_bill_that_was_paid_is_changed_all_the_same() -> None:
    with rig() as made:
        made.prepare(bill(memo="\u4e2d one"))
        made.session()
        ask(
            made,
            '<BillPaymentCheckAddRq requestID="1"><BillPaymentCheckAdd><PayeeEntityRef><FullName>Acme Supply</FullName>'
            "</PayeeEntityRef><BankAccountRef><FullName>Checking</FullName></BankAccountRef><IsToBePrinted>true</IsToBePrinted><AppliedToTxnAdd><TxnID>"
            f"{made.ids()['N-b-1']}</TxnID><PaymentAmount>10.00</PaymentAmount></AppliedToTxnAdd></BillPaymentCheckAdd>"
            "</BillPaymentCheckAddRq>",
        )
        for amount in ("110.00", "120.00"):
            later(made)
            made.prepare(bill(amount=amount, memo=f"\u4e2d {amount}"))
            made.session()
            assert shown(made)["AmountDue"] == amount
        assert made.alerts() == []


def test_lines_that_were_coded_anew_are_told_once_and_that_they_were_put_right() -> None:
    with rig() as made:
        made.prepare(bill())
        made.session()
        edits(made, LINE)
        for _ in range(3):
            later(made, 7200)
            made.session()
        (text,) = made.alerts()
        assert "lines `Office Supplies 100.00` there, `another account 100.00` here" in text
        edits(made, LINE.replace("Office Supplies", "Travel"))
        later(made, 7200)
        made.session()
        assert made.alerts() == []


ROW = {"AccountRef": {"FullName": "Travel"}, "Amount": "10.00"}
RENT = {"AccountRef": {"FullName": "Rent"}, "Amount": "10.00", "ClassRef": {"FullName": "Sales"}}


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        ({}, ()),
        ({"ExpenseLineRet": [ROW]}, ()),
        ({"ExpenseLineRet": ROW}, ()),
        ({"ExpenseLineRet": [{**ROW, "ClassRef": {"FullName": "Sales"}}]}, ()),
        ({"ExpenseLineRet": [RENT]}, ("lines `Rent 10.00 (Sales)` there, `Travel 10.00` here",)),
        ({"ExpenseLineRet": [RENT, ROW]}, ("lines `Rent 10.00 (Sales)` there, nothing here",)),
        ({"AmountDue": "12.00", "ExpenseLineRet": [{**ROW, "Amount": "12.00"}]}, ("amount 12.00 there, 10.00 here",)),
    ],
)
def test_lines_are_compared_where_they_are_shown(data: Json, texts: tuple[str, ...]) -> None:
    told = {"TxnID": "1", "TxnDate": "2026-11-20", "RefNumber": "INV-1", "Memo": "Ramp bill 1"}
    assert differences(operation_of(1), {**told, **data}) == texts


# --- what is gone settles nothing


def an_earlier_life(made: Rig, *, deleted: bool) -> None:
    """An earlier life of our store writes a bill that this one sees and knows no record of; looks go past it since then."""
    before = made.image()
    made.prepare(bill())
    made.session()
    made.restore(before)
    for number in range(2, 5):
        made.prepare(*(bill(f"b-{known}") for known in range(2, number + 1)))
        later(made, 3 * 86400)
        made.session()
    if deleted:
        user_deletes(made.company, made.ids()["N-b-1"])
    later(made)


OTHERS = [f"b-{number}" for number in range(2, 5)]


def test_a_bill_that_was_deleted_since_it_was_seen_is_written() -> None:
    with rig() as made:
        an_earlier_life(made, deleted=True)
        made.prepare(*map(bill, OTHERS), bill())
        made.session()
        made.bench.run("bills")
        assert made.bills() == ["N-b-1", *(f"N-{name}" for name in OTHERS)]
        receipt = json.loads(made.bench.record("b-1")["receipt"])
        assert receipt["TxnID"] == made.ids()["N-b-1"]


def test_a_bill_that_is_still_there_is_not_written_again() -> None:
    with rig() as made:
        an_earlier_life(made, deleted=False)
        made.prepare(*map(bill, OTHERS), bill())
        made.session()
        assert made.bills() == ["N-b-1", *(f"N-{name}" for name in OTHERS)]
        assert made.bench.record("b-1")["state"] in ("posted", "closed")


@pytest.mark.parametrize("gone", [True, False])
def test_a_record_that_waits_for_something_is_posted_only_by_what_is_there(gone: bool) -> None:
    with rig() as made:
        an_earlier_life(made, deleted=gone)
        nowhere = [{"account": "Nowhere", "code": None, "amount": "100.00", "memo": "m"}]
        made.prepare(*map(bill, OTHERS), bill("b-5"), bill(lines=nowhere))
        assert made.bench.record("b-1")["state"] in ("deferred", "failed")
        made.session()
        assert (made.bench.record("b-1")["state"] in ("posted", "closed")) is not gone


def test_a_vendor_that_was_deleted_since_it_was_seen_is_made() -> None:
    with rig() as made:
        made.bench.shop.listed["vendors"] = [vendor("v-1", "First")]
        made.bench.run("vendors")
        made.session()
        by_hand = ask(made, '<VendorAddRq requestID="1"><VendorAdd><Name>Hand Made</Name></VendorAdd></VendorAddRq>')
        made.bench.shop.listed["vendors"].append(vendor("v-3", "Second"))
        made.bench.run("vendors")
        later(made)
        made.session()
        user_deletes(made.company, by_hand["ListID"])
        made.bench.shop.listed["vendors"].append(vendor("v-2", "Hand Made"))
        made.bench.run("vendors")
        later(made)
        made.session()
        made_now = json.loads(made.bench.record("v-2", "vendors")["receipt"])["ListID"]
        assert made_now != by_hand["ListID"]
        assert (
            ask(made, '<VendorQueryRq requestID="1"><FullName>Hand Made</FullName></VendorQueryRq>')["ListID"]
            == made_now
        )


def test_what_cannot_be_asked_for_again_is_neither_believed_nor_written_over() -> None:
    with rig() as made:
        an_earlier_life(made, deleted=False)
        made.prepare(*map(bill, OTHERS), bill())

        txn_id = made.ids()["N-b-1"]

        def hook(kind: str, document: str) -> str:
            answer = made.quickbooks.process(document)
            for query in re.findall(r"<BillQueryRq.*?</BillQueryRq>", document):
                if kind == "survey" and txn_id in query:
                    (name,) = re.findall(r'requestID="([^"]+)"', query)
                    answer = re.sub(rf'(requestID="{name}" )statusCode="0"', r'\1statusCode="3260"', answer)
            return answer

        made.hook, usual = hook, made.hook
        for _ in range(2):
            later(made)
            made.session()
        assert made.bench.record("b-1")["state"] == "intended"
        assert any(
            f"whether what was seen there before is still there (Bill {txn_id})" in text for text in made.alerts()
        )
        made.hook = usual
        later(made)
        made.session()
        assert made.bench.record("b-1")["state"] in ("posted", "closed")
        assert made.alerts() == []


# --- what cannot be looked at is told


def test_a_change_that_can_never_be_looked_at_is_told_and_then_left_to_a_person() -> None:
    with rig() as made:
        made.prepare(bill())
        made.session()
        made.prepare(bill(amount="120.00"))
        usual = made.hook
        made.hook = lambda kind, document: refused(document) if kind == "merge" else usual(kind, document)
        told = []
        for _ in range(5):
            later(made, 3600)
            made.session()
            told.append(made.alerts())
        waits = "a change could not be held against what is in QuickBooks now, and waits for the next session: 3260: no"
        assert told[:4] == [[], [waits], [waits], [waits]]
        (text,) = told[4]
        assert "QuickBooks could not show what is there now, so the change was not made: 3260: no" in text
        made.hook = usual


def cannot_show(made: Rig, txn_id: str) -> Hook:
    """QuickBooks has an internal error whenever one bill is asked for by its id, and shows all others."""

    def hook(_: str, document: str) -> str:
        answer = made.quickbooks.process(document)
        for name, inside in re.findall(
            r'<BillQueryRq requestID="([^"]+)"[^>]*>(.*?)</BillQueryRq>', document, re.DOTALL
        ):
            if txn_id in inside:
                failed = (
                    f'<BillQueryRs requestID="{name}" statusCode="1000" statusSeverity="Error" statusMessage="no"/>'
                )
                told = rf'<BillQueryRs requestID="{re.escape(name)}"[^>]*?(/>|>.*?</BillQueryRs>)'
                answer = re.sub(told, failed, answer, flags=re.DOTALL)
        return answer

    return hook


def test_one_that_cannot_be_shown_is_told_of_although_others_are() -> None:
    """In every session another of ours was touched, so that something of the kind is shown each time."""
    with rig() as made:
        made.company.clock = made.bench.world.clock
        made.quick()
        names = ("b-1", "b-2", *(f"c-{number}" for number in range(22)))
        made.prepare(*map(bill, names))
        for _ in range(3):
            later(made, 7200)
            made.session()
        gone, touched = made.ids()["N-b-1"], made.ids()["N-b-2"]
        user_deletes(made.company, gone)
        for _ in range(4):
            later(made, 7200)
            made.session()
        assert made.bench.states()["b-1"] == "vanished"
        with made.bench.world.store.write() as tx:
            rows = worklist.parked(tx, COMPANY, "vanished")
            worklist.post_again(tx, Hand(COMPANY, made.bench.world.at(), "test"), rows, "post again")
        usual, made.hook = made.hook, cannot_show(made, gone)
        told = []
        for number in range(4):
            user_edits(made.company, touched, memo=f"m-{number}")
            made.prepare(bill("b-1"), bill(f"n-{number}"))
            later(made, 2400)
            made.session()
            told.append(any(f"is still there (Bill {gone})" in text for text in made.alerts()))
        assert told == [False, True, True, True]
        assert made.bench.states()["b-1"] == "intended"
        made.hook = usual
        for _ in range(2):
            later(made, 2400)
            made.session()
        assert (made.bench.states()["b-1"], made.bench.states()["n-3"], made.alerts()) == ("posted", "posted", [])


def test_a_check_that_fails_for_one_kind_is_told_and_the_others_are_checked() -> None:
    with rig() as made:
        made.bench.shop.listed["vendors"] = [vendor("v-9", "Fresh One")]
        made.bench.run("vendors")
        made.prepare(bill())
        made.session()
        usual = made.hook

        def hook(kind: str, document: str) -> str | None:
            answer = usual(kind, document)
            return re.sub(r'(<VendorQueryRs requestID="[^"]+" )statusCode="\d+"', r'\1statusCode="3260"', answer or "")

        made.hook = hook
        for _ in range(3):
            later(made, 7200)
            made.session()
        (text,) = [text for text in made.alerts() if not text.startswith("the list Vendor could not be read")]
        assert text.startswith("QuickBooks could not say whether everything that was written is still there (Vendor)")
        with made.bench.world.store.read() as tx:
            checked, trouble = facts.recall(tx, COMPANY, "check"), facts.recall(tx, COMPANY, "survey_trouble")
        assert checked is not None
        assert checked["at"] == made.bench.world.at()
        assert trouble is not None
        assert {name: known["times"] for name, known in trouble.items()} == {"check:Vendor": 3}
        made.hook = usual
        later(made, 7200)
        made.session()
        assert made.alerts() == []


def test_item_lines_are_not_passed_over() -> None:
    books = merging.Books.holding("Bill", merging.bill())
    operation = books.modify(merging.bill())
    item = b"<ItemLineMod><TxnLineID>-1</TxnLineID><ItemRef><FullName>Desk</FullName></ItemRef></ItemLineMod>"
    whole = operation.body.replace(b"</BillMod>", item + b"</BillMod>", 1)
    found = decide(replace(operation, whole=whole), books.there(operation))
    assert isinstance(found, OperationOutcome)
    assert (found.outcome, found.code) == ("deferred", BY_HAND)
    base = books.base.replace(b"</BillAdd>", item.replace(b"Mod>", b"Add>") + b"</BillAdd>", 1)
    whole = whole.replace(b"Ramp bill 1", b"new")
    same = decide(replace(operation, whole=whole, base=base), books.there(operation))
    assert isinstance(same, Ready)
