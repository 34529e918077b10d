"""What requests and answers say in money: the same for what was written and for what QuickBooks then shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from connectors.qbwc import CONNECTOR
from connectors.qbwc.figures import Page, figures, read, request
from connectors.qbwc.simulator import CompanyFile, RequestProcessor, seed_company, total_of
from engine.evidence import Countable, Figures, Span
from engine.qbxml.response import Response, parse_response

GUID = "{7B2C1E0A-1111-5222-8333-444455556666}"
PLAIN = "7b2c1e0a-1111-5222-8333-444455556666"
MARCH = Span(1, date(2026, 3, 1), date(2026, 3, 31), ("Bill",))
D = Decimal


def ask(company: CompanyFile, body: str | bytes, visit: RequestProcessor | None = None) -> Response:
    """One request; an iterator lives only in the visit that it was begun in."""
    text = body.decode() if isinstance(body, bytes) else body
    document = f'<?xml version="1.0"?><?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="stopOnError">{text}</QBXMLMsgsRq></QBXML>'
    (response,) = parse_response((visit or RequestProcessor(company)).process(document)).responses
    return response


def named(company: CompanyFile, found: Figures) -> Figures:
    """With full names for ListIDs, as the engine does it from the cached lists."""

    def name(text: str) -> str:
        item = company.books.lists.get(text)
        return item.full_name if item else text

    return replace(found, party=name(found.party), accounts=tuple((name(n), a) for n, a in found.accounts))


def ref(tag: str, name: str) -> str:
    return f"<{tag}><FullName>{name}</FullName></{tag}>"


def line(amount: str, account: str = "Travel", tag: str = "ExpenseLineAdd") -> str:
    return f"<{tag}>{ref('AccountRef', account)}<Amount>{amount}</Amount></{tag}>"


HEAD = f"<TxnDate>2026-03-04</TxnDate><RefNumber>N-1</RefNumber><ExternalGUID>{GUID}</ExternalGUID>"
PAID = f"{line('70.10')}{line('30.05', 'Rent')}{line('0.05')}"
VENDOR = "Acme Supply"
CHECK = (
    f"{ref('AccountRef', 'Checking')}{ref('PayeeEntityRef', VENDOR)}<RefNumber>N-1</RefNumber>"
    f"<TxnDate>2026-03-04</TxnDate><ExternalGUID>{GUID}</ExternalGUID>{line('8.00')}"
)
ENTRY = (
    f"{HEAD}{line('9.99', 'Travel', 'JournalDebitLine')}{line('0.01', 'Rent', 'JournalDebitLine')}"
    f"<JournalCreditLine>{ref('AccountRef', 'Ramp Card')}<Amount>10.00</Amount>{ref('EntityRef', VENDOR)}</JournalCreditLine>"
)
DEPOSIT = (
    f"<TxnDate>2026-03-04</TxnDate>{ref('DepositToAccountRef', 'Checking')}<ExternalGUID>{GUID}</ExternalGUID>"
    f"<DepositLineAdd>{ref('EntityRef', VENDOR)}{ref('AccountRef', 'Consulting Income')}<Amount>3.00</Amount></DepositLineAdd>"
)
TRANSFER = (
    f"<TxnDate>2026-03-04</TxnDate>{ref('TransferFromAccountRef', 'Checking')}"
    f"{ref('TransferToAccountRef', 'Savings')}<Amount>1.00</Amount>"
)
CASES = {
    "Bill": (f"{ref('VendorRef', VENDOR)}{HEAD}{PAID}", VENDOR, "100.20", {"Travel": "70.15", "Rent": "30.05"}),
    "VendorCredit": (
        f"{ref('VendorRef', VENDOR)}{HEAD}{PAID}",
        VENDOR,
        "-100.20",
        {"Travel": "-70.15", "Rent": "-30.05"},
    ),
    "CreditCardCharge": (
        f"{ref('AccountRef', 'Ramp Card')}{HEAD}{line('-5')}{line('15.25', 'Rent')}",
        "",
        "10.25",
        {"Travel": "-5", "Rent": "15.25"},
    ),
    "CreditCardCredit": (
        f"{ref('AccountRef', 'Ramp Card')}{ref('PayeeEntityRef', VENDOR)}{HEAD}{line('12.50')}",
        VENDOR,
        "-12.50",
        {"Travel": "-12.50"},
    ),
    "Check": (
        CHECK,
        VENDOR,
        "8.00",
        {"Travel": "8.00"},
    ),
    "JournalEntry": (
        ENTRY,
        VENDOR,
        "10.00",
        {"Travel": "9.99", "Rent": "0.01", "Ramp Card": "-10.00"},
    ),
    "Deposit": (
        DEPOSIT,
        VENDOR,
        "3.00",
        {"Consulting Income": "3.00"},
    ),
    "Transfer": (
        TRANSFER,
        "",
        "1.00",
        {"Savings": "1.00"},
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_request_and_the_object_it_makes_say_the_same(kind: str) -> None:
    inner, party, total, shares = CASES[kind]
    body = f"<{kind}AddRq><{kind}Add>{inner}</{kind}Add></{kind}AddRq>"
    numbered = "RefNumber" in inner
    marked = "ExternalGUID" in inner
    expected = Figures(
        kind,
        "",
        PLAIN if marked else "",
        party,
        "N-1" if numbered else "",
        "2026-03-04",
        D(total),
        tuple((name, D(amount)) for name, amount in shares.items()),
    )
    assert figures(f"{kind}Add", body.encode()) == expected
    company = seed_company(1)
    written = ask(company, body)
    assert written.code == 0, written.message
    page = read(kind, ask(company, request(kind, MARCH, "q1", "", 10)), 10)
    (shown,) = page.figures
    assert (page.iterator_id, page.problem) == ("", "")
    assert named(company, shown) == replace(expected, target_id=written.objects[0]["TxnID"])
    if kind != "Transfer":
        assert total_of(company, kind) == shown.total


def test_a_payment_is_what_it_applies_to_bills_from_its_bank_account() -> None:
    company = seed_company(1)
    inner, *_ = CASES["Bill"]
    bill = ask(company, f"<BillAddRq><BillAdd>{inner}</BillAdd></BillAddRq>").objects[0]["TxnID"]
    applied = f"<AppliedToTxnAdd><TxnID>{bill}</TxnID><PaymentAmount>60.20</PaymentAmount></AppliedToTxnAdd>"
    body = (
        f"<BillPaymentCheckAddRq><BillPaymentCheckAdd>{ref('PayeeEntityRef', VENDOR)}<TxnDate>2026-03-31</TxnDate>"
        f"{ref('BankAccountRef', 'Checking')}<RefNumber>7</RefNumber>{applied}</BillPaymentCheckAdd></BillPaymentCheckAddRq>"
    )
    made = ask(company, body)
    assert made.code == 0, made.message
    (shown,) = read("BillPaymentCheck", ask(company, request("BillPaymentCheck", MARCH, "q1", "", 10)), 10).figures
    shares = (("Checking", D("60.20")),)
    expected = Figures("BillPaymentCheck", "", "", VENDOR, "7", "2026-03-31", D("60.20"), shares)
    assert figures("BillPaymentCheckAdd", body.encode()) == expected
    assert named(company, shown) == replace(expected, target_id=made.objects[0]["TxnID"])


def test_pages_follow_one_another_and_days_outside_are_left_out() -> None:
    company = seed_company(1)
    inner, *_ = CASES["Bill"]
    for day in ("2026-02-28", "2026-03-01", "2026-03-31", "2026-03-15", "2026-04-01"):
        body = inner.replace("2026-03-04", day)
        assert ask(company, f"<BillAddRq><BillAdd>{body}</BillAdd></BillAddRq>").code == 0
    visit = RequestProcessor(company)
    first = read("Bill", ask(company, request("Bill", MARCH, "q1", "", 2), visit), 2)
    assert first.iterator_id
    second = read("Bill", ask(company, request("Bill", MARCH, "q2", first.iterator_id, 2), visit), 2)
    assert second.iterator_id == ""
    days = [item.dated_on for item in (*first.figures, *second.figures)]
    assert sorted(days) == ["2026-03-01", "2026-03-15", "2026-03-31"]


def test_lines_of_items_have_no_account_of_their_own() -> None:
    priced = "<ItemLineAdd><ItemRef><FullName>Bolt</FullName></ItemRef><Quantity>3</Quantity><Cost>1.335</Cost></ItemLineAdd>"
    whole = "<ItemLineAdd><ItemRef><FullName>Nut</FullName></ItemRef><Amount>2.00</Amount></ItemLineAdd>"
    bare = "<ItemLineAdd><ItemRef><FullName>Nail</FullName></ItemRef></ItemLineAdd>"
    found = figures("BillAdd", f"<BillAdd>{line('1.00')}{priced}{whole}{bare}</BillAdd>".encode())
    assert (found.total, found.accounts) == (D("7.00"), (("Travel", D("1.00")), ("", D("6.00"))))


def test_a_modify_says_what_it_changes_and_names_its_object() -> None:
    body = (
        "<BillModRq><BillMod><TxnID>1A-1</TxnID><EditSequence>5</EditSequence><TxnDate>2026-03-09</TxnDate>"
        f"<ExpenseLineMod><TxnLineID>-1</TxnLineID>{ref('AccountRef', 'Rent')}<Amount>4.00</Amount></ExpenseLineMod>"
        "</BillMod></BillModRq>"
    )
    assert figures("BillMod", body.encode()) == Figures(
        "Bill", "1A-1", "", "", "", "2026-03-09", D("4.00"), (("Rent", D("4.00")),)
    )
    journal = (
        "<JournalEntryMod><TxnID>1A-2</TxnID><EditSequence>5</EditSequence>"
        f"<JournalLineMod><TxnLineID>-1</TxnLineID><JournalLineType>Debit</JournalLineType>{ref('AccountRef', 'Rent')}"
        "<Amount>4.00</Amount></JournalLineMod><JournalLineMod><TxnLineID>-1</TxnLineID><JournalLineType>Credit"
        f"</JournalLineType>{ref('AccountRef', 'Ramp Card')}<Amount>4.00</Amount></JournalLineMod></JournalEntryMod>"
    )
    found = figures("JournalEntryMod", journal.encode())
    assert (found.total, found.accounts) == (D("4.00"), (("Rent", D("4.00")), ("Ramp Card", D("-4.00"))))


def test_a_list_object_has_no_figures_and_a_list_id_comes_before_a_name() -> None:
    assert isinstance(CONNECTOR, Countable)
    body = f"<VendorAddRq><VendorAdd><Name>New</Name><ExternalGUID>{GUID}</ExternalGUID></VendorAdd></VendorAddRq>"
    assert CONNECTOR.figures("VendorAdd", body.encode()) == Figures("Vendor", "", PLAIN)
    both = "<VendorRef><ListID>80-1</ListID><FullName>Acme</FullName></VendorRef>"
    assert figures("BillAdd", f"<BillAdd>{both}</BillAdd>".encode()).party == "80-1"


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (Response("BillQueryRs", "q1", 1, "Info", "none"), ""),
        (Response("BillQueryRs", "q1", 3250, "Error", "off"), ""),
        (Response("BillQueryRs", "q1", 3120, "Error", "no such"), "3120: no such"),
        (Response("CheckQueryRs", "q1", 0, "Info", "ok"), "QuickBooks answered with CheckQueryRs"),
        (Response("BillQueryRs", "q1", 0, "Info", "ok", ({}, {})), "QuickBooks did not say how to get the rest"),
        (
            Response("BillQueryRs", "q1", 0, "Info", "ok", ({},), iterator_remaining=9),
            "QuickBooks did not say how to get the rest",
        ),
    ],
)
def test_an_answer_without_figures(response: Response, problem: str) -> None:
    assert read("Bill", response, 2) == Page(problem=problem)


def test_what_cannot_be_read_counts_nothing() -> None:
    odd = {
        "TxnID": "1",
        "ExternalGUID": "0",
        "AmountDue": "12,5",
        "ExpenseLineRet": [{"Amount": "NaN"}, {"Amount": "2"}],
    }
    page = read(
        "Bill", Response("BillQueryRs", "q1", 0, "Info", "ok", (odd, {"AmountDue": "1"}), ("BillRet", "BillRet")), 10
    )
    assert page.figures == (Figures("Bill", "1", total=D(2), accounts=(("", D(2)),)),)
