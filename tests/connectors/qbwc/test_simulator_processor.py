from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Any

import pytest
from lxml import etree

from connectors.qbwc.simulator import (
    CompanyFile,
    Preferences,
    ProcessorError,
    RequestProcessor,
    close_books,
    seed_company,
)
from tests.reference import reference

PROLOG = '<?xml version="1.0" encoding="utf-8"?><?qbxml version="13.0"?>'
STOP = 'onError="stopOnError"'
GUID = "{7B2C1E0A-1111-4222-8333-444455556666}"


def document(*requests: str, attributes: str = STOP) -> str:
    return f"{PROLOG}<QBXML><QBXMLMsgsRq {attributes}>{''.join(requests)}</QBXMLMsgsRq></QBXML>"


def ask(company: CompanyFile, *requests: str, attributes: str = STOP) -> etree._Element:
    answer = RequestProcessor(company).process(document(*requests, attributes=attributes))
    return etree.fromstring(answer)[0]


def status(company: CompanyFile, request: str) -> tuple[str | None, str | None, str | None]:
    (response,) = ask(company, request)
    return response.get("statusCode"), response.get("statusSeverity"), response.get("statusMessage")


def expense(account: str = "Travel", amount: str = "100.00", more: str = "") -> str:
    return f"<ExpenseLineAdd><AccountRef><FullName>{account}</FullName></AccountRef><Amount>{amount}</Amount>{more}</ExpenseLineAdd>"


def bill(*lines: str, vendor: str = "Acme Supply", head: str = "", rq: str = "") -> str:
    ref = f"<VendorRef><FullName>{vendor}</FullName></VendorRef>"
    return f"<BillAddRq{rq}><BillAdd>{ref}{head}{''.join(lines) or expense()}</BillAdd></BillAddRq>"


def pay(txn_id: str, amount: str = "100.00", vendor: str = "Acme Supply", bank: str = "Checking") -> str:
    return (
        f"<BillPaymentCheckAddRq><BillPaymentCheckAdd><PayeeEntityRef><FullName>{vendor}</FullName></PayeeEntityRef>"
        f"<BankAccountRef><FullName>{bank}</FullName></BankAccountRef><RefNumber>1</RefNumber>"
        f"<AppliedToTxnAdd><TxnID>{txn_id}</TxnID><PaymentAmount>{amount}</PaymentAmount></AppliedToTxnAdd>"
        "</BillPaymentCheckAdd></BillPaymentCheckAddRq>"
    )


def journal(debit: str, credit: str, account: str = "Travel") -> str:
    def line(kind: str, name: str, amount: str) -> str:
        return f"<Journal{kind}Line><AccountRef><FullName>{name}</FullName></AccountRef><Amount>{amount}</Amount></Journal{kind}Line>"

    inside = line("Debit", account, debit) + line("Credit", "Ramp Card", credit)
    return f"<JournalEntryAddRq><JournalEntryAdd>{inside}</JournalEntryAdd></JournalEntryAddRq>"


def vendor(name: str) -> str:
    return f"<VendorAddRq><VendorAdd><Name>{name}</Name></VendorAdd></VendorAddRq>"


NOT_THERE = "QuickBooks error message: Invalid argument.  The specified record does not exist in the list."
REFUSALS = [
    (
        bill(vendor="Nope"),
        "3140",
        f'There is an invalid reference to QuickBooks Vendor "Nope" in the Bill.  {NOT_THERE}',
    ),
    (
        bill(expense("Nope")),
        "3140",
        f'There is an invalid reference to QuickBooks Account "Nope" in the Bill line.  {NOT_THERE}',
    ),
    (
        bill(expense(more="<ClassRef><FullName>Nope</FullName></ClassRef>")),
        "3140",
        f'There is an invalid reference to QuickBooks Class "Nope" in the Bill line.  {NOT_THERE}',
    ),
    (
        "<BillAddRq><BillAdd><VendorRef><ListID>8-1</ListID></VendorRef></BillAdd></BillAddRq>",
        "3140",
        f'There is an invalid reference to QuickBooks Vendor "8-1" in the Bill.  {NOT_THERE}',
    ),
    (vendor("acme supply"), "3100", 'The name "acme supply" of the list element is already in use.'),
    (vendor("Jane Doe"), "3100", 'The name "Jane Doe" of the list element is already in use.'),
    (vendor("Smith"), "3100", 'The name "Smith" of the list element is already in use.'),
    (vendor("a:b"), "3085", 'The string "a:b" in the field "Name" has a colon, which separates levels.'),
    (vendor(" "), "3150", 'There is a missing element: "Name".'),
    (pay("9-9"), "3120", f'Object "9-9" specified in the request cannot be found.  {NOT_THERE}'),
    (
        "<TxnDelRq><TxnDelType>Bill</TxnDelType><TxnID>9-9</TxnID></TxnDelRq>",
        "3120",
        f'Object "9-9" specified in the request cannot be found.  {NOT_THERE}',
    ),
    (
        "<VendorModRq><VendorMod><ListID>8-1</ListID><EditSequence>1</EditSequence></VendorMod></VendorModRq>",
        "3120",
        f'Object "8-1" specified in the request cannot be found.  {NOT_THERE}',
    ),
    (
        (
            "<AccountAddRq><AccountAdd><Name>X</Name><ParentRef><FullName>Nope</FullName></ParentRef>"
            "<AccountType>Expense</AccountType></AccountAdd></AccountAddRq>"
        ),
        "3130",
        f'There is an invalid reference to the parent "Nope" in the Account list.  {NOT_THERE}',
    ),
    (
        journal("10.00", "9.99"),
        "3180",
        (
            "There was an error when saving a Journal Entry.  QuickBooks error message: Transaction is not in balance.  "
            "Make sure the amounts in the Debit column equal the amounts in the Credit column."
        ),
    ),
    (
        journal("10.00", "10.00", "Accounts Payable"),
        "3180",
        (
            "There was an error when saving a Journal Entry.  QuickBooks error message: "
            "A vendor is needed on a line that uses the account Accounts Payable."
        ),
    ),
    (
        bill(expense(amount="-1.00")),
        "3180",
        "There was an error when saving a Bill.  QuickBooks error message: The total cannot be negative.",
    ),
    (
        "<CreditCardChargeAddRq><CreditCardChargeAdd><AccountRef><FullName>Checking</FullName></AccountRef></CreditCardChargeAdd></CreditCardChargeAddRq>",
        "3210",
        'The "AccountRef" field has an invalid value "Checking".  QuickBooks error message: The account is of the wrong type.',
    ),
    (
        f'<HostQueryRq requestID="{"x" * 51}"/>',
        "1060",
        "The request ID is invalid; it has more than 50 characters.",
    ),
]


@pytest.mark.parametrize(("request_", "code", "message"), REFUSALS)
def test_refusals_say_what_quickbooks_says_and_change_nothing(request_: str, code: str, message: str) -> None:
    company = seed_company(7)
    before = len(company.books.txns), len(company.books.lists)
    assert status(company, request_) == (code, "Error", message)
    assert (len(company.books.txns), len(company.books.lists)) == before


def test_paying_more_than_is_open_or_another_vendors_bill() -> None:
    company = seed_company(7)
    ask(company, bill())
    (added,) = company.txns("Bill")
    field = 'The "PaymentAmount" field has an invalid value "{}".  QuickBooks error message: {}'
    assert status(company, pay(added.txn_id, "100.01")) == (
        "3210",
        "Error",
        field.format("100.01", "You cannot pay more than the amount due."),
    )
    other = pay(added.txn_id, "1.00", vendor="Northwind Traders")
    assert status(company, other) == ("3210", "Error", field.format("1.00", "The bill belongs to another vendor."))


def test_stale_edit_sequence() -> None:
    company = seed_company(7)
    item = company.named("Vendor", "Acme Supply")
    assert item is not None
    change = f"<VendorModRq><VendorMod><ListID>{item.list_id}</ListID><EditSequence>{{}}</EditSequence><Phone>1</Phone></VendorMod></VendorModRq>"
    assert status(company, change.format(item.edit_sequence)) == ("0", "Info", "Status OK")
    said = f'The provided edit sequence "{item.edit_sequence}" is out-of-date.'
    assert status(company, change.format(item.edit_sequence)) == ("3200", "Error", said)


@pytest.mark.parametrize(("lock", "code"), [(3175, "3176"), (3180, "3180")])
def test_a_locked_vendor_stops_its_bills(lock: int, code: str) -> None:
    company = seed_company(7)
    item = company.named("Vendor", "Acme Supply")
    assert item is not None
    company.locks[item.list_id] = lock
    assert status(company, bill())[0] == code
    company.locks.clear()
    assert status(company, bill())[0] == "0"


def test_a_locked_transaction_cannot_be_modified() -> None:
    company = seed_company(7)
    ask(company, bill())
    (added,) = company.txns("Bill")
    company.locks[added.txn_id] = 3175
    request = f"<TxnDelRq><TxnDelType>Bill</TxnDelType><TxnID>{added.txn_id}</TxnID></TxnDelRq>"
    said = f'The object "{added.txn_id}" could not be locked; it is in use by another user.'
    assert status(company, request) == ("3175", "Error", said)


@pytest.mark.parametrize("code", [3170, 3171])
def test_a_closed_period(code: Any) -> None:
    company = seed_company(7)
    company.behaviour = replace(company.behaviour, closed_period_code=code)
    close_books(company, date(2026, 1, 31))
    said = "An attempt was made to modify a Bill with a date that is on or before the closing date of the company."
    assert status(company, bill(head="<TxnDate>2026-01-31</TxnDate>")) == (str(code), "Error", said)
    assert status(company, bill(head="<TxnDate>2026-02-01</TxnDate>"))[0] == "0"


def test_currencies_must_agree() -> None:
    company = seed_company(7, preferences=Preferences(multi_currency=True))
    euro = "<CurrencyRef><FullName>Euro</FullName></CurrencyRef>"
    add = f"<VendorAddRq><VendorAdd><Name>Paris</Name>{euro}</VendorAdd></VendorAddRq>"
    assert status(company, add)[0] == "0"
    assert status(company, bill(vendor="Paris")) == (
        "3210",
        "Error",
        (
            'The "CurrencyRef" field has an invalid value.  QuickBooks error message: '
            "The currency of the name and of the account must be the same."
        ),
    )
    payable = f"<AccountAddRq><AccountAdd><Name>AP Euro</Name><AccountType>AccountsPayable</AccountType>{euro}</AccountAdd></AccountAddRq>"
    ask(company, payable)
    (response,) = ask(company, bill(vendor="Paris", head="<APAccountRef><FullName>AP Euro</FullName></APAccountRef>"))
    assert response.findtext("BillRet/CurrencyRef/FullName") == "Euro"


def test_a_journal_entry_is_of_the_home_currency_unless_it_says_otherwise() -> None:
    company = seed_company(7, preferences=Preferences(multi_currency=True))
    euro = "<CurrencyRef><FullName>Euro</FullName></CurrencyRef>"
    payable = f"<AccountAddRq><AccountAdd><Name>AP Euro</Name><AccountType>AccountsPayable</AccountType>{euro}</AccountAdd></AccountAddRq>"
    vendor = f"<VendorAddRq><VendorAdd><Name>Paris</Name>{euro}</VendorAdd></VendorAddRq>"
    ask(company, payable, vendor)

    def entry(account: str, owed_to: str, head: str = "") -> str:
        return (
            f"<JournalEntryAddRq><JournalEntryAdd>{head}"
            "<JournalDebitLine><AccountRef><FullName>Travel</FullName></AccountRef><Amount>1.00</Amount></JournalDebitLine>"
            f"<JournalCreditLine><AccountRef><FullName>{account}</FullName></AccountRef><Amount>1.00</Amount>"
            f"<EntityRef><FullName>{owed_to}</FullName></EntityRef></JournalCreditLine></JournalEntryAdd></JournalEntryAddRq>"
        )

    assert [
        status(company, entry("AP Euro", "Paris"))[0],
        status(company, entry("Accounts Payable", "Paris"))[0],
        status(company, entry("AP Euro", "Acme Supply", euro))[0],
        status(company, entry("AP Euro", "Paris", euro))[0],
        status(company, entry("Accounts Payable", "Acme Supply"))[0],
    ] == ["3210", "3210", "3210", "0", "0"]


# --- the whole document -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not xml",
        document("<BillAddRq><BillAdd/></BillAddRq>"),
        document("<NopeRq/>"),
        document(bill(head="<Memo>x</Memo><RefNumber>1</RefNumber>")),
        document(bill(expense(amount="12.5"))),
        document(bill(), attributes=""),
        document(bill(), attributes='onError="sometimes"'),
        document(bill()).replace('<?qbxml version="13.0"?>', ""),
        document(bill()).replace("13.0", "16.0"),
        document(bill()).replace("</QBXML>", ""),
    ],
)
def test_a_bad_document_is_refused_as_a_whole(text: str) -> None:
    company = seed_company(7)
    with pytest.raises(ProcessorError) as caught:
        RequestProcessor(company).process(text)
    assert caught.value.hresult == "0x80040400"
    assert not company.books.txns


def test_the_first_bad_request_refuses_the_good_ones_before_it() -> None:
    company = seed_company(7)
    with pytest.raises(ProcessorError) as caught:
        RequestProcessor(company).process(document(bill(), "<BillAddRq><BillAdd/></BillAddRq>"))
    assert caught.value.message == "QuickBooks found an error when parsing the provided XML text stream."
    assert not company.books.txns


@pytest.mark.parametrize(
    ("on_error", "unrun", "codes"),
    [
        ("stopOnError", "omit", ["0", "3140"]),
        ("stopOnError", "3231", ["0", "3140", "3231"]),
        ("continueOnError", "omit", ["0", "3140", "0"]),
    ],
)
def test_on_error_and_request_ids(on_error: str, unrun: Any, codes: list[str]) -> None:
    company = seed_company(7)
    company.behaviour = replace(company.behaviour, unrun_requests=unrun)
    requests = [bill(rq=' requestID="a"'), bill(vendor="Nope", rq=' requestID="b"'), bill(rq=' requestID="c"')]
    answer = ask(company, *requests, attributes=f'onError="{on_error}"')
    assert [r.get("statusCode") for r in answer] == codes
    assert [r.get("requestID") for r in answer] == ["a", "b", "c"][: len(codes)]


def test_response_data_can_be_left_out() -> None:
    (response,) = ask(seed_company(7), bill(), attributes=f'{STOP} responseData="includeNone"')
    assert (response.get("statusCode"), len(response)) == ("0", 0)


def test_macros_link_requests_of_one_set() -> None:
    company = seed_company(7)
    first = bill().replace("<BillAdd>", '<BillAdd defMacro="TxnID:b1">')
    second = pay("x").replace("<TxnID>x</TxnID>", '<TxnID useMacro="TxnID:b1"/>')
    assert [r.get("statusCode") for r in ask(company, first, second)] == ["0", "0"]
    (added,) = company.txns("Bill")
    assert company.open_amount(added) == 0
    assert status(company, second) == ("9100", "Error", 'The macro "TxnID:b1" has not been defined.')


def test_characters_outside_windows_1252_become_question_marks() -> None:
    company = seed_company(7)
    ask(company, bill(head="<Memo>Žižkov €5 你好 Zoë</Memo>"))
    (added,) = company.txns("Bill")
    assert added.values["Memo"] == "Žižkov €5 ?? Zoë"


# --- message-set recovery ---------------------------------------------------------------------------------------------


def codes(answer: etree._Element) -> tuple[str | None, str | None, list[str | None]]:
    return answer.get("newMessageSetID"), answer.get("messageSetStatusCode"), [r.get("statusCode") for r in answer]


def test_the_recovery_table() -> None:
    company = seed_company(7)
    x, xx, y_clears_x = (
        'newMessageSetID="x"',
        'newMessageSetID="x" oldMessageSetID="x"',
        'newMessageSetID="y" oldMessageSetID="x"',
    )
    assert codes(ask(company, bill(), attributes=f"{xx} {STOP}")) == ("x", "9002", [])
    assert codes(ask(company, bill(), attributes=f"{x} {STOP}")) == ("x", "0", ["0"])
    assert codes(ask(company, bill(), attributes=f"{x} {STOP}")) == ("x", "0", ["0"])
    assert len(list(company.txns("Bill"))) == 1
    assert codes(ask(company, attributes=f"{xx} {STOP}")) == ("x", "0", ["0"])
    assert codes(ask(company, bill(expense(amount="7.00")), attributes=f"{x} {STOP}")) == ("x", "9001", [])
    assert codes(ask(company, bill(), attributes=f"{y_clears_x} {STOP}")) == ("y", "0", ["0"])
    assert codes(ask(company, attributes=f"{xx} {STOP}")) == ("x", "9002", [])
    assert codes(ask(company, attributes=f'oldMessageSetID="y" {STOP}')) == (None, "0", [])
    assert codes(ask(company, attributes=f'oldMessageSetID="y" {STOP}')) == (None, "600", [])
    assert codes(ask(company, bill(), attributes=f'newMessageSetID="{"z" * 25}" {STOP}')) == ("z" * 25, "9004", [])
    ask(company, bill(), attributes=f'newMessageSetID="p" {STOP}')
    ask(company, bill(), attributes=f'newMessageSetID="q" {STOP}')
    assert list(company.books.recovery["flowctl"]) == ["p", "q"]
    assert codes(ask(company, attributes=f'oldMessageSetID="CLR-ALL-MSG-SETS" {STOP}')) == (None, "0", [])
    assert company.books.recovery["flowctl"] == {}
    assert len(list(company.txns("Bill"))) == 4
    assert codes(ask(company, bill())) == (None, None, ["0"])


def test_recovery_belongs_to_one_application() -> None:
    company = seed_company(7)
    RequestProcessor(company, "one").process(document(bill(), attributes=f'newMessageSetID="x" {STOP}'))
    RequestProcessor(company, "two").process(document(bill(), attributes=f'newMessageSetID="x" {STOP}'))
    assert len(list(company.txns("Bill"))) == 2


@pytest.mark.parametrize(("checksum", "code"), [("bytes", "9001"), ("content", "0")])
def test_the_checksum_covers_bytes_or_content(checksum: Any, code: str) -> None:
    company = seed_company(7)
    company.behaviour = replace(company.behaviour, checksum=checksum)
    ask(company, bill(), attributes=f'newMessageSetID="x" {STOP}')
    assert ask(company, f"\n{bill()}\n", attributes=f'{STOP} newMessageSetID="x"').get("messageSetStatusCode") == code


def test_a_stored_answer_may_come_back_as_ids() -> None:
    company = seed_company(7)
    company.behaviour = replace(company.behaviour, stored_answer="ids")
    attributes = f'newMessageSetID="x" {STOP}'
    first = ask(company, bill(head=f"<ExternalGUID>{GUID}</ExternalGUID>", rq=' requestID="a"'), attributes=attributes)
    again = ask(company, attributes=f'oldMessageSetID="x" {attributes}')
    ids = {child.tag: child.text for child in again[0][0]}
    assert again[0].get("requestID") == "a"
    assert again[0][0].tag == "ErrorRecovery"
    assert ids == {
        name: first.findtext(f"BillAddRs/BillRet/{name}")
        for name in ("TxnID", "TxnNumber", "EditSequence", "ExternalGUID")
    }
    assert intuit().validate(again.getroottree())


def test_an_answer_that_cannot_be_stored_says_so_but_was_run() -> None:
    company = seed_company(7)
    company.behaviour = replace(company.behaviour, store_loss=1.0)
    assert codes(ask(company, bill(), attributes=f'newMessageSetID="x" {STOP}')) == ("x", "9005", ["0"])
    assert codes(ask(company, attributes=f'newMessageSetID="x" oldMessageSetID="x" {STOP}')) == ("x", "9002", [])


def test_only_so_many_sets_are_kept() -> None:
    company = seed_company(7)
    company.behaviour = replace(company.behaviour, kept_sets=2, absent_set_code="600")
    for name in "abc":
        ask(company, bill(), attributes=f'newMessageSetID="{name}" {STOP}')
    assert list(company.books.recovery["flowctl"]) == ["b", "c"]
    assert codes(ask(company, attributes=f'newMessageSetID="a" oldMessageSetID="a" {STOP}')) == ("a", "600", [])


@pytest.mark.parametrize(
    ("die", "posted", "stored"), [("before", 0, []), ("midway", 1, []), ("after", 2, ["x"]), ("unstored", 2, [])]
)
def test_quickbooks_dies(die: Any, posted: int, stored: list[str]) -> None:
    company = seed_company(7)
    with pytest.raises(ProcessorError) as caught:
        RequestProcessor(company).process(document(bill(), bill(), attributes=f'newMessageSetID="x" {STOP}'), die=die)
    assert caught.value.hresult == "0x80040402"
    assert len(list(company.txns("Bill"))) == posted
    assert list(company.books.recovery.get("flowctl", {})) == stored


# --- queries ----------------------------------------------------------------------------------------------------------


def names(company: CompanyFile, request: str, path: str = "*/FullName") -> list[str | None]:
    (response,) = ask(company, request)
    return [element.text for element in response.findall(path)]


def test_list_filters() -> None:
    company = seed_company(7)
    travel = ["Travel", "Travel:Airfare", "Travel:Lodging", "Travel:Meals"]
    criterion = "<NameFilter><MatchCriterion>StartsWith</MatchCriterion><Name>travel</Name></NameFilter>"
    assert names(company, f"<AccountQueryRq>{criterion}</AccountQueryRq>") == travel
    assert names(company, "<AccountQueryRq><AccountType>CreditCard</AccountType></AccountQueryRq>") == [
        "Company Visa",
        "Ramp Card",
    ]
    assert names(company, "<AccountQueryRq><FullName>TRAVEL:meals</FullName></AccountQueryRq>") == ["Travel:Meals"]
    assert names(company, "<AccountQueryRq><MaxReturned>2</MaxReturned></AccountQueryRq>") == [
        "Accounts Payable",
        "Accounts Receivable",
    ]
    range_ = "<NameRangeFilter><FromName>Rent</FromName><ToName>Tel</ToName></NameRangeFilter>"
    assert names(company, f"<AccountQueryRq>{range_}</AccountQueryRq>") == ["Rent", "Savings", "Software", "Telephone"]
    company.clock.sleep(60)
    ask(company, vendor("Late"))
    since = "<FromModifiedDate>2026-03-02T09:00:30</FromModifiedDate>"
    assert names(company, f"<VendorQueryRq>{since}</VendorQueryRq>", "*/Name") == ["Late"]
    exact = since.replace("09:00:30", "09:01:00-05:00")
    assert names(company, f"<VendorQueryRq>{exact}</VendorQueryRq>", "*/Name") == ["Late"]
    item = company.named("Vendor", "Late")
    assert item is not None
    off = f"<VendorModRq><VendorMod><ListID>{item.list_id}</ListID><EditSequence>{item.edit_sequence}</EditSequence><IsActive>false</IsActive></VendorMod></VendorModRq>"
    ask(company, off)
    assert names(company, "<VendorQueryRq><ActiveStatus>InactiveOnly</ActiveStatus></VendorQueryRq>", "*/Name") == [
        "Late"
    ]
    assert "Late" not in names(company, "<VendorQueryRq/>", "*/Name")


def test_transaction_filters() -> None:
    company = seed_company(7)
    for number, day in ((1, "2026-01-31"), (2, "2026-02-01"), (3, "2026-02-28")):
        ask(
            company,
            bill(
                head=f"<TxnDate>{day}</TxnDate><RefNumber>Ref-{number}</RefNumber>",
                vendor=["", "Acme Supply", "Northwind Traders", "Northwind Traders"][number],
            ),
        )
    refs = "*/RefNumber"
    between = "<TxnDateRangeFilter><FromTxnDate>2026-02-01</FromTxnDate><ToTxnDate>2026-02-27</ToTxnDate></TxnDateRangeFilter>"
    assert names(company, f"<BillQueryRq>{between}</BillQueryRq>", refs) == ["Ref-2"]
    entity = "<EntityFilter><FullName>northwind traders</FullName></EntityFilter>"
    assert names(company, f"<BillQueryRq>{entity}</BillQueryRq>", refs) == ["Ref-2", "Ref-3"]
    account = "<AccountFilter><FullNameWithChildren>Travel</FullNameWithChildren></AccountFilter>"
    assert names(company, f"<BillQueryRq>{account}</BillQueryRq>", refs) == ["Ref-1", "Ref-2", "Ref-3"]
    assert names(company, "<BillQueryRq><RefNumber>ref-3</RefNumber></BillQueryRq>", refs) == ["Ref-3"]
    exact = "<BillQueryRq><RefNumberCaseSensitive>ref-3</RefNumberCaseSensitive></BillQueryRq>"
    assert status(company, exact)[0] == "500"
    assert names(company, "<BillQueryRq><PaidStatus>PaidOnly</PaidStatus></BillQueryRq>", refs) == []
    ends = "<RefNumberFilter><MatchCriterion>EndsWith</MatchCriterion><RefNumber>-2</RefNumber></RefNumberFilter>"
    assert names(company, f"<BillQueryRq>{ends}</BillQueryRq>", refs) == ["Ref-2"]


def test_lines_and_guids_are_shown_when_asked() -> None:
    company = seed_company(7)
    ask(company, bill(head=f"<RefNumber>1</RefNumber><ExternalGUID>{GUID}</ExternalGUID>"))
    assert names(company, "<BillQueryRq/>", "*/ExpenseLineRet/Amount") == []
    lines = "<BillQueryRq><IncludeLineItems>true</IncludeLineItems></BillQueryRq>"
    assert names(company, lines, "*/ExpenseLineRet/Amount") == ["100.00"]
    assert names(company, "<BillQueryRq/>", "*/ExternalGUID") == [GUID]
    company.behaviour = replace(company.behaviour, guid_in_queries=False)
    assert names(company, "<BillQueryRq/>", "*/ExternalGUID") == []
    only = "<BillQueryRq><IncludeRetElement>TxnID</IncludeRetElement><IncludeRetElement>RefNumber</IncludeRetElement></BillQueryRq>"
    (response,) = ask(company, only)
    assert [child.tag for child in response[0]] == ["TxnID", "RefNumber"]


def test_what_is_not_found() -> None:
    company = seed_company(7)
    assert status(company, "<BillQueryRq/>") == (
        "1",
        "Info",
        "A query request did not find a matching object in QuickBooks",
    )
    (response,) = ask(
        company, "<VendorQueryRq><FullName>Acme Supply</FullName><FullName>Nope</FullName></VendorQueryRq>"
    )
    assert (response.get("statusCode"), response.get("statusSeverity")) == ("500", "Warn")
    assert response.get("statusMessage") == (
        'The query request has not been fully completed. There was a required element ("Nope") that could not be found in QuickBooks.'
    )
    assert [r.findtext("Name") for r in response] == ["Acme Supply"]
    company.behaviour = replace(company.behaviour, missing_ref_number_code=1)
    assert status(company, "<BillQueryRq><RefNumber>9</RefNumber></BillQueryRq>")[0] == "1"


def test_iterators_live_as_long_as_their_connection() -> None:
    company = seed_company(7)
    connection = RequestProcessor(company)

    def page(iterator: str, size: int = 4) -> etree._Element:
        request = f"<VendorQueryRq {iterator}><MaxReturned>{size}</MaxReturned></VendorQueryRq>"
        return etree.fromstring(connection.process(document(request)))[0][0]

    first = page('iterator="Start"')
    iterator_id = first.get("iteratorID")
    assert (len(first), first.get("iteratorRemainingCount")) == (4, "2")
    second = page(f'iterator="Continue" iteratorID="{iterator_id}"')
    assert (len(second), second.get("iteratorRemainingCount")) == (2, "0")
    found = [r.findtext("Name") for r in (*first, *second)]
    assert found == sorted(found, key=str)
    assert len(set(found)) == 6
    started = page('iterator="Start"')
    connection = RequestProcessor(company)
    lost = page(f'iterator="Continue" iteratorID="{started.get("iteratorID")}"')
    said = f'The given object ID "{started.get("iteratorID")}" in the field "iteratorID" is invalid.'
    assert (lost.get("statusCode"), lost.get("statusMessage")) == ("3000", said)


def test_an_iterator_on_a_list_without_one_refuses_the_document() -> None:
    with pytest.raises(ProcessorError) as caught:
        RequestProcessor(seed_company(7)).process(
            document('<AccountQueryRq iterator="Start"><MaxReturned>1</MaxReturned></AccountQueryRq>')
        )
    assert caught.value.hresult == "0x80040400"


# --- changes ----------------------------------------------------------------------------------------------------------


def test_modify_keeps_lines_that_are_named_and_drops_the_others() -> None:
    company = seed_company(7)
    ask(company, bill(expense("Travel", "10.00"), expense("Rent", "20.00")))
    (added,) = company.txns("Bill")
    keep = f"<ExpenseLineMod><TxnLineID>{added.lines[1].line_id}</TxnLineID></ExpenseLineMod>"
    new = "<ExpenseLineMod><TxnLineID>-1</TxnLineID><AccountRef><FullName>Software</FullName></AccountRef><Amount>5.00</Amount></ExpenseLineMod>"
    head = f"<TxnID>{added.txn_id}</TxnID><EditSequence>{added.edit_sequence}</EditSequence>"
    (response,) = ask(company, f"<BillModRq><BillMod>{head}<Memo>m</Memo>{keep}{new}</BillMod></BillModRq>")
    assert response.findtext("BillRet/AmountDue") == "25.00"
    assert [e.text for e in response.findall("BillRet/ExpenseLineRet/AccountRef/FullName")] == ["Rent", "Software"]
    assert response.findtext("BillRet/Memo") == "m"


def test_paying_a_bill_moves_its_edit_sequence() -> None:
    for touches in (True, False):
        company = seed_company(7)
        company.behaviour = replace(company.behaviour, payment_touches_bill=touches)
        ask(company, bill())
        (before,) = company.txns("Bill")
        ask(company, pay(before.txn_id, "1.00"))
        assert (next(company.txns("Bill")).edit_sequence > before.edit_sequence) is touches


def test_delete_and_void() -> None:
    company = seed_company(7)
    ask(company, bill(), bill())
    first, second = company.txns("Bill")
    assert status(company, f"<TxnDelRq><TxnDelType>Bill</TxnDelType><TxnID>{first.txn_id}</TxnID></TxnDelRq>")[0] == "0"
    assert (
        status(company, f"<TxnVoidRq><TxnVoidType>Bill</TxnVoidType><TxnID>{second.txn_id}</TxnID></TxnVoidRq>")[0]
        == "0"
    )
    (left,) = company.txns("Bill")
    assert (str(left.amount), left.values["Memo"]) == ("0.00", "VOID:")
    item = company.named("Vendor", "Acme Supply")
    assert item is not None
    drop = "<ListDelRq><ListDelType>Vendor</ListDelType><ListID>{}</ListID></ListDelRq>"
    used = f'Cannot delete the object specified by the id = "{item.list_id}".  It is in use.'
    assert status(company, drop.format(item.list_id)) == ("3160", "Error", used)
    free = company.named("Vendor", "Northwind Traders")
    assert free is not None
    assert status(company, drop.format(free.list_id))[0] == "0"


# --- answers agree with Intuit's schema -------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(reference("qbd", "xsd") / "qbxmlops130.xsd"))


def intuit() -> etree.XMLSchema:
    reference("qbd", "xsd")
    return _schema()


def test_every_answer_to_the_sample_requests_is_valid_for_intuit() -> None:
    schema = intuit()
    company = seed_company(7, classes=["Ops"])
    processor = RequestProcessor(company)
    known = company.named("Vendor", "Acme Supply")
    assert known is not None
    seen: set[str | None] = set()
    for path in sorted((reference("qbd", "samples") / "made").glob("*.xml")):
        if "Rq" not in path.name and not path.name.startswith("recovery"):
            continue
        last = next((txn.txn_id for txn in company.txns("Bill")), "")
        text = path.read_text().replace("80000001-1785964190", known.list_id).replace("1A2B-1785964190", last)
        answer = etree.fromstring(processor.process(text))
        assert schema.validate(answer), (path.name, str(schema.error_log))
        seen.update(response.get("statusCode") for response in answer[0])
    assert len(company.books.txns) == 10
    assert {"0", "1", "3200"} <= seen


def test_answers_of_rich_objects_are_valid_for_intuit() -> None:
    schema = intuit()
    company = seed_company(7, preferences=Preferences(multi_currency=True, closing_date=date(2020, 1, 1)))
    rich = (
        "<VendorAddRq><VendorAdd><Name>Żółw &amp; Sons</Name><CompanyName>C</CompanyName><VendorAddress><Addr1>1 Main</Addr1><City>Austin</City>"
        "<State>TX</State><PostalCode>78701</PostalCode><Country>USA</Country></VendorAddress><Phone>1</Phone><Email>a@b.test</Email>"
        "<NameOnCheck>N</NameOnCheck><AccountNumber>A-1</AccountNumber><Notes>n</Notes><TermsRef><FullName>Net 30</FullName></TermsRef>"
        f"<CreditLimit>5.00</CreditLimit><IsVendorEligibleFor1099>true</IsVendorEligibleFor1099><ExternalGUID>{GUID}</ExternalGUID>"
        "</VendorAdd></VendorAddRq>"
    )
    queries = [
        f"<{name}QueryRq/>"
        for name in (
            "Account",
            "Vendor",
            "Customer",
            "Employee",
            "Class",
            "StandardTerms",
            "Terms",
            "Currency",
            "Item",
            "ItemSalesTax",
        )
    ]
    queries += [
        f"<{name}QueryRq/>"
        for name in ("Host", "Company", "Preferences", "JournalEntry", "BillPaymentCheck", "Bill", "Transfer")
    ]
    ask(company, bill(head="<RefNumber>1</RefNumber>"))
    (added,) = company.txns("Bill")
    answer = ask(
        company,
        rich,
        bill(vendor="Żółw &amp; Sons"),
        pay(added.txn_id, "1.00"),
        journal("1.00", "1.00"),
        *queries,
        attributes='onError="continueOnError"',
    )
    assert schema.validate(answer.getroottree()), str(schema.error_log)
    assert [r.get("statusCode") for r in answer if r.get("statusCode") not in ("0", "1")] == []
    ret = answer.find("VendorAddRs/VendorRet")
    assert ret is not None
    assert ret.findtext("VendorAddressBlock/Addr2") == "Austin, TX 78701"
