"""Requests are checked, explained, and frozen into the bytes that are sent."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from engine.errors import RenderError
from engine.qbxml import check_request, freeze_request
from engine.qbxml.check import known_requests, schema
from engine.qbxml.errors import InvalidRequest, UnknownRequest, UnreadableRequest
from engine.qbxml.lint import lint
from engine.qbxml.problem import Problem
from engine.qbxml.requirements import requirements
from engine.qbxml.text import ILLEGAL, escape, to_windows_1252_safe

LINE = (
    "<ExpenseLineAdd><AccountRef><FullName>Travel:Meals</FullName></AccountRef><Amount>10.00</Amount></ExpenseLineAdd>"
)


def bill(
    head: str = "",
    *,
    lines: str = LINE,
    vendor: str = "<VendorRef><ListID>8-1</ListID></VendorRef>",
    request_id: str = "r1",
) -> str:
    return f'<BillAddRq requestID="{request_id}"><BillAdd>{vendor}{head}{lines}</BillAdd></BillAddRq>'


def journal(debit: str, credit: str, head: str = "") -> str:
    return (
        f'<JournalEntryAddRq requestID="1"><JournalEntryAdd>{head}<JournalDebitLine><AccountRef><FullName>A</FullName></AccountRef>'
        f"<Amount>{debit}</Amount></JournalDebitLine><JournalCreditLine><AccountRef><FullName>B</FullName></AccountRef>"
        f"<Amount>{credit}</Amount></JournalCreditLine></JournalEntryAdd></JournalEntryAddRq>"
    )


ORDER = (
    "QBXML fixes the order: VendorRef, VendorAddress, APAccountRef, TxnDate, DueDate, RefNumber, TermsRef, Memo, IsTaxIncluded, "
    "SalesTaxCodeRef, ExchangeRate, ExternalGUID, LinkToTxnID, ExpenseLineAdd, ItemLineAdd, ItemGroupLineAdd"
)
WORDED = {
    "missing element": (
        bill("<TxnDate>2026-01-01</TxnDate>", vendor=""),
        "1: /BillAddRq/BillAdd/TxnDate: `BillAdd` needs `VendorRef` before `TxnDate`\n  hint: map a value for it, and keep the order of QBXML",
    ),
    "missing child": (
        "<BillAddRq><BillAdd/></BillAddRq>",
        "1: /BillAddRq/BillAdd: `BillAdd` needs `VendorRef`\n  hint: map a value for it",
    ),
    "wrong order": (
        bill("<Memo>x</Memo><RefNumber>1</RefNumber>"),
        ("1: /BillAddRq/BillAdd/RefNumber: `RefNumber` may not stand here; here it takes `IsTaxIncluded` or `SalesTaxCodeRef` or "
        f"`ExchangeRate` or `ExternalGUID` or `LinkToTxnID` or `ExpenseLineAdd` or ...\n  hint: {ORDER}"),
    ),
    "too long": (
        bill(f"<RefNumber>{'9' * 21}</RefNumber>"),
        ("1: /BillAddRq/BillAdd/RefNumber: `RefNumber` has 21 characters, QuickBooks takes 20\n"
        "  hint: shorten it, for example with limit(..., `20`)"),
    ),
    "bad date": (
        bill("<TxnDate>03/31/2026</TxnDate>"),
        "1: /BillAddRq/BillAdd/TxnDate: `TxnDate` does not have the form of its type\n  hint: a date looks like 2026-03-31",
    ),
    "bad amount": (
        bill(lines=LINE.replace("10.00", "1,000.00")),
        ("1: /BillAddRq/BillAdd/ExpenseLineAdd/Amount: `Amount` does not have the form of its type\n"
        "  hint: an amount has two decimals or none and no grouping: 1050.00"),
    ),
    "bad enum": (
        bill(lines=LINE.replace("</Amount>", "</Amount><BillableStatus>No</BillableStatus>")),
        ("1: /BillAddRq/BillAdd/ExpenseLineAdd/BillableStatus: `BillableStatus` has a value that is not in its list\n"
        "  hint: one of: Billable, NotBillable, HasBeenBilled"),
    ),
    "out of bounds": (
        '<VendorQueryRq requestID="1"><MaxReturned>0</MaxReturned></VendorQueryRq>',
        "1: /VendorQueryRq/MaxReturned: `MaxReturned` is out of bounds\n  hint: a whole number from 1",
    ),
    "attribute": (
        "<BillAddRq other='1'><BillAdd><VendorRef/></BillAdd></BillAddRq>",
        "1: /BillAddRq: an attribute of `BillAddRq` is missing, unknown or has a value that is not allowed",
    ),
    "text beside elements": (
        bill("x"),
        ("1: /BillAddRq/BillAdd: `BillAdd` holds elements, and no text beside them\n"
        "  hint: text must stand within the elements that are meant for it"),
    ),
    "elements in a value": (
        bill("<TxnDate><Day/></TxnDate>"),
        ("1: /BillAddRq/BillAdd/TxnDate: `TxnDate` holds text, and no elements\n"
        "  hint: text must stand within the elements that are meant for it"),
    ),
    "bad attribute value": (
        '<VendorQueryRq iterator="Go"/>',
        "1: /VendorQueryRq: an attribute of `VendorQueryRq` is missing, unknown or has a value that is not allowed",
    ),
    "unknown": (
        '<TxnDelRq requestID="1"><TxnDelTyp>Bill</TxnDelTyp><TxnID>1</TxnID></TxnDelRq>',
        ("1: /TxnDelRq/TxnDelTyp: `TxnDelTyp` is not known here; here it takes `TxnDelType`\n"
        "  hint: did you mean `TxnDelType`? known: TxnDelType, TxnID"),
    ),
    "unreadable": ("<BillAddRq>", ("1: /: Premature end of data in tag BillAddRq line 1\n  hint: "
        "look at this line of the rendered request; values must go through the template's escaping")),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(WORDED))
def test_a_schema_problem_is_worded(case: str) -> None:
    source, expected = WORDED[case]
    name = source[1:].split(" ", 1)[0].split(">", 1)[0]
    assert [str(problem) for problem in check_request(name, source.encode())] == [expected]


def test_all_problems_are_told_and_values_never() -> None:
    source = bill("<TxnDate>secret-date</TxnDate><RefNumber>" + "secret" * 9 + "</RefNumber>")
    found = check_request("BillAdd", source.encode())
    assert [problem.xpath for problem in found] == ["/BillAddRq/BillAdd/TxnDate", "/BillAddRq/BillAdd/RefNumber"]
    assert "secret" not in "".join(map(str, found))


def test_a_line_of_the_rendered_request_is_named() -> None:
    assert check_request("BillAdd", bill("\n<TxnDate>x</TxnDate>").encode())[0].line == 2


def test_an_unknown_request_is_named() -> None:
    with pytest.raises(UnknownRequest) as caught:
        check_request("BilAdd", b"<BilAddRq/>")
    assert str(caught.value) == "there is no QBXML request `BilAdd` here"
    assert str(caught.value.hint).startswith("did you mean `BillAdd`?")


def test_requests_of_the_flows_are_known() -> None:
    assert {
        "VendorAdd",
        "BillAdd",
        "BillPaymentCheckAdd",
        "CreditCardChargeAdd",
        "CreditCardCreditAdd",
        "JournalEntryAdd",
    } <= known_requests()


def test_each_thread_compiles_its_own_schema() -> None:
    seen = [schema("BillAdd"), schema("BillAddRq")]
    thread = threading.Thread(target=lambda: seen.append(schema("BillAdd")))
    thread.start()
    thread.join()
    assert seen[0] is seen[1]
    assert seen[0] is not seen[2]


# --- the linter -------------------------------------------------------------------------------------------------------

LINTED = {
    "unbalanced journal": (
        journal("10.00", "9.99"),
        ["1: /JournalEntryAddRq/JournalEntryAdd: debits and credits differ by 0.01\n  hint: a journal entry must balance to the cent"],
    ),
    "journal memo": (
        journal("1.00", "1.00", "<Memo>x</Memo>"),
        [
            ("1: /JournalEntryAddRq/JournalEntryAdd/Memo: QuickBooks Desktop does not have `Memo` here\n"
            "  hint: leave it out; each line has a memo")
        ],
    ),
    "long request id": (
        bill(request_id="x" * 51),
        ["1: /BillAddRq: requestID is longer than 50 characters\n  hint: QuickBooks answers 1060"],
    ),
    "empty reference": (
        bill(vendor="<VendorRef/>"),
        [
            ("1: /BillAddRq/BillAdd/VendorRef: `VendorRef` refers to nothing\n"
            "  hint: give a ListID or a FullName, or leave the element out")
        ],
    ),
    "no lines": (
        bill(lines=""),
        ["1: /BillAddRq/BillAdd: BillAdd has no lines\n  hint: QuickBooks takes nothing without at least one line with an account"],
    ),
    "empty amount": (
        bill(lines=LINE.replace("10.00", "")),
        [
            ("1: /BillAddRq/BillAdd/ExpenseLineAdd/Amount: `Amount` is empty\n"
            "  hint: leave the element out, or give an amount such as 1050.00")
        ],
    ),
    "zoned date": (
        bill("<TxnDate>2026-08-05Z</TxnDate><DueDate>2026-08-05+02:00</DueDate>"),
        [
            "1: /BillAddRq/BillAdd/TxnDate: `TxnDate` has a time zone\n  hint: a date is a calendar day: 2026-03-31",
            "1: /BillAddRq/BillAdd/DueDate: `DueDate` has a time zone\n  hint: a date is a calendar day: 2026-03-31",
        ],
    ),
    "negative total": (
        bill(lines=LINE + LINE.replace("10.00", "-10.01")),
        ["1: /BillAddRq/BillAdd: the total is negative, by 0.01\n  hint: enter it as the opposite transaction, such as a vendor credit for a bill"],
    ),
    "negative transfer": (
        "<TransferAddRq><TransferAdd><Amount>-1.00</Amount></TransferAdd></TransferAddRq>",
        ["1: /TransferAddRq/TransferAdd: the total is negative, by 1.00\n  hint: enter it as the opposite transaction, such as a vendor credit for a bill"],
    ),
    "colon in a name": (
        "<VendorAddRq><VendorAdd><Name>A:B</Name></VendorAdd></VendorAddRq>",
        [
            ("1: /VendorAddRq/VendorAdd/Name: a name in a list cannot hold a colon\n"
            "  hint: QuickBooks uses it between a name and its parent; use name_text(...)")
        ],
    ),
    "spaces at a name": (
        "<VendorAddRq><VendorAdd><Name> A </Name></VendorAdd></VendorAddRq>",
        ["1: /VendorAddRq/VendorAdd/Name: a name starts or ends with a space\n  hint: use name_text(...)"],
    ),
    "empty name": (
        "<VendorAddRq><VendorAdd><Name/></VendorAdd></VendorAddRq>",
        ["1: /VendorAddRq/VendorAdd/Name: the name is empty"],
    ),
    "spaces at a reference": (
        bill(vendor="<VendorRef><FullName>Acme </FullName></VendorRef>"),
        [
            ("1: /BillAddRq/BillAdd/VendorRef/FullName: a name starts or ends with a space\n"
            "  hint: QuickBooks stores names without them and would not find this one")
        ],
    ),
    "absent element": (
        "<VendorAddRq><VendorAdd><Name>A</Name><Mobile>1</Mobile></VendorAdd></VendorAddRq>",
        [
            ("1: /VendorAddRq/VendorAdd/Mobile: QuickBooks Desktop does not have `Mobile` here\n"
            "  hint: leave it out")
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(LINTED))
def test_the_linter_sees_what_the_schema_allows(case: str) -> None:
    source, expected = LINTED[case]
    name = source[1:].split(" ", 1)[0].split(">", 1)[0]
    assert check_request(name, source.encode()) == []
    assert [str(problem) for problem in lint(source.encode())] == expected
    with pytest.raises(InvalidRequest) as caught:
        freeze_request(name, source)
    assert [str(problem) for problem in caught.value.problems] == expected


def test_characters_outside_windows_1252_are_named() -> None:
    assert lint(bill("<Memo>中é</Memo>").encode()) == [
        Problem(
            "/BillAddRq/BillAdd/Memo",
            1,
            "QuickBooks cannot store these characters: U+4E2D",
            "it stores Windows-1252 text only",
        )
    ]


def test_what_an_older_quickbooks_does_not_know() -> None:
    guid = "<ExternalGUID>{7B2C1E0A-1111-4222-8333-444455556666}</ExternalGUID>"
    found = lint(bill(guid).encode(), version="8.0")
    assert [str(problem) for problem in found] == [
        (
            "1: /BillAddRq/BillAdd/ExternalGUID: `ExternalGUID` came with QBXML 9.0, the session speaks 8.0\n"
            "  hint: leave it out, or upgrade QuickBooks"
        )
    ]
    transfer = b"<TransferAddRq><TransferAdd/></TransferAddRq>"
    assert [str(p) for p in lint(transfer, version="9.0")] == [
        "1: /TransferAddRq: this request came with QBXML 12.0, the session speaks 9.0"
    ]
    assert lint(bill(guid).encode(), version="10.0") == []
    with pytest.raises(InvalidRequest):
        freeze_request("BillAdd", bill(guid), version="8.0")


def test_a_request_or_an_amount_that_cannot_be_understood_is_left_to_the_schema() -> None:
    assert lint(b"<OtherRq><Other/></OtherRq>") == []
    assert lint(bill("<Other/>", lines=LINE.replace("10.00", "ten")).encode()) == []


def test_a_whole_document_is_linted() -> None:
    document = (
        f'<QBXML><QBXMLMsgsRq newMessageSetID="{"x" * 25}" onError="stopOnError">{bill(lines="")}</QBXMLMsgsRq></QBXML>'
    )
    assert [problem.message for problem in lint(document.encode())] == [
        "newMessageSetID has 25 characters, QuickBooks takes 24",
        "BillAdd has no lines",
    ]
    assert lint(etree.fromstring(document)[0])[0].message.startswith("newMessageSetID")


@pytest.mark.parametrize(
    "source",
    [
        bill(),
        bill(lines=LINE + LINE.replace("10.00", "-9.99")),
        bill(lines=LINE.replace("<Amount>10.00</Amount>", "")),
        journal("10.00", "10"),
        "<CheckAddRq><CheckAdd><AccountRef><FullName>A</FullName></AccountRef><ApplyCheckToTxnAdd><TxnID>1</TxnID><Amount>1.00</Amount></ApplyCheckToTxnAdd></CheckAdd></CheckAddRq>",
    ],
)
def test_what_quickbooks_takes_has_no_problem(source: str) -> None:
    assert lint(source.encode()) == []


# --- freezing ---------------------------------------------------------------------------------------------------------


def test_a_frozen_request_is_compact_ascii() -> None:
    rendered = bill("\n  <!-- note -->\n  <Memo>Söhne &amp; “Co” &lt;</Memo>\n  ")
    assert freeze_request("BillAdd", rendered) == (
        b'<BillAddRq requestID="r1"><BillAdd><VendorRef><ListID>8-1</ListID></VendorRef>'
        b"<Memo>S&#246;hne &amp; &#8220;Co&#8221; &lt;</Memo>" + LINE.encode() + b"</BillAdd></BillAddRq>"
    )


def test_freezing_replaces_what_quickbooks_cannot_store() -> None:
    assert b"<Memo>Lodz ? -&gt; &#233;</Memo>" in freeze_request(
        "BillAdd", bill("<Memo>Łodz &#20013; → e\u0301</Memo>")
    )
    assert b'requestID="?"' in freeze_request("BillAdd", bill(request_id="中"))


def test_freezing_twice_changes_nothing() -> None:
    once = freeze_request("BillAdd", bill("<Memo>Łodz &#20013; ≤ é</Memo>"))
    assert freeze_request("BillAddRq", once.decode()) == once


UNREADABLE = {
    "cut off": ("<BillAddRq>", "BillAddRq:1: Premature end of data in tag BillAddRq line 1"),
    "document type": (
        "<!DOCTYPE a [<!ENTITY b 'c'>]><BillAddRq/>",
        "BillAddRq:1: it declares a document type, which a request never does",
    ),
    "another element": ("<VendorAddRq/>", "BillAddRq:1: its root element is `VendorAddRq`, not `BillAddRq`"),
    "entity": ("<BillAddRq>&nbsp;</BillAddRq>", "BillAddRq:1: Entity 'nbsp' not defined"),
}


@pytest.mark.parametrize("case", sorted(UNREADABLE))
def test_what_is_no_request_is_refused(case: str) -> None:
    rendered, message = UNREADABLE[case]
    with pytest.raises(UnreadableRequest) as caught:
        freeze_request("BillAdd", rendered)
    assert str(caught.value) == message
    assert isinstance(caught.value, RenderError)


def test_an_invalid_request_says_the_first_problem_and_holds_all() -> None:
    with pytest.raises(InvalidRequest) as caught:
        freeze_request("BillAdd", bill("<TxnDate>x</TxnDate><DueDate>x</DueDate>"))
    assert str(caught.value) == (
        "BillAddRq:1: /BillAddRq/BillAdd/TxnDate: `TxnDate` does not have the form of its type (and 1 more)"
    )
    assert caught.value.hint == "a date looks like 2026-03-31"
    assert len(caught.value.problems) == 2


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_memo_is_frozen_as_quickbooks_would_store_it(memo: str) -> None:
    legal = ILLEGAL.sub("", memo)
    frozen = freeze_request("BillAdd", bill(f"<Memo>{escape(legal)}</Memo>"))
    assert frozen.isascii()
    assert check_request("BillAdd", frozen) == []
    text = etree.fromstring(frozen).findtext(".//BillAdd/Memo") or ""
    assert text == to_windows_1252_safe(legal) or not legal.strip()


# --- what a request needs ---------------------------------------------------------------------------------------------


def test_the_requirements_of_a_bill_payment() -> None:
    found = requirements("BillPaymentCheckAdd")
    assert found.needed() == (
        "BillPaymentCheckAdd",
        "BillPaymentCheckAdd/PayeeEntityRef",
        "BillPaymentCheckAdd/BankAccountRef",
        "BillPaymentCheckAdd/AppliedToTxnAdd",
        "BillPaymentCheckAdd/AppliedToTxnAdd/TxnID",
    )
    number = found.elements["BillPaymentCheckAdd/RefNumber"]
    assert (number.limit, number.required, number.choice, number.kind) == (
        11,
        False,
        ("IsToBePrinted", "RefNumber"),
        "text",
    )
    assert found.elements["BillPaymentCheckAdd/AppliedToTxnAdd"].repeats
    assert found.since == "2.0"


def test_limits_values_versions_and_absence() -> None:
    bill_add, journal_add = requirements("BillAddRq"), requirements("JournalEntryAdd")
    assert bill_add.limit("BillAdd/RefNumber") == 20
    assert bill_add.limit("BillAdd/Nothing") is None
    assert bill_add.elements["BillAdd/ExpenseLineAdd/BillableStatus"].values == (
        "Billable",
        "NotBillable",
        "HasBeenBilled",
    )
    assert bill_add.elements["BillAdd/ExternalGUID"].since == "9.0"
    assert bill_add.limit("BillAdd/VendorRef/ListID") == 36
    assert journal_add.elements["JournalEntryAdd/Memo"].absent
    line = journal_add.elements["JournalEntryAdd/JournalDebitLine"]
    assert (line.repeats, line.choice) == (True, ("JournalDebitLine", "JournalCreditLine"))
    with pytest.raises(UnknownRequest):
        requirements("BilAdd")
