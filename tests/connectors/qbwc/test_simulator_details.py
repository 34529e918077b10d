from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from connectors.qbwc.simulator import (
    Application,
    CompanyFile,
    Preferences,
    ProcessorError,
    RequestProcessor,
    WebConnector,
    seed_company,
    totals,
)
from connectors.qbwc.simulator.dotnet import INTUIT

OWNER = "{57F3B9B1-86F1-4FCC-B1EE-566DE1813D20}"


def ask(company: CompanyFile, *requests: str, attributes: str = 'onError="continueOnError"') -> list[etree._Element]:
    body = "".join(requests)
    text = f'<?xml version="1.0"?><?qbxml version="13.0"?><QBXML><QBXMLMsgsRq {attributes}>{body}</QBXMLMsgsRq></QBXML>'
    return list(etree.fromstring(RequestProcessor(company).process(text))[0])


def said(response: etree._Element) -> tuple[str | None, str | None]:
    return response.get("statusCode"), response.get("statusMessage")


def named(name: str, full_name: str) -> str:
    return f"<{name}><FullName>{full_name}</FullName></{name}>"


def line(kind: str, account: str, amount: str, more: str = "") -> str:
    return f"<{kind}>{named('AccountRef', account)}<Amount>{amount}</Amount>{more}</{kind}>"


def bill(inside: str, vendor: str = "Acme Supply", head: str = "") -> str:
    return f"<BillAddRq><BillAdd>{named('VendorRef', vendor)}{head}{inside}</BillAdd></BillAddRq>"


def test_a_journal_entry_is_modified_line_by_line() -> None:
    company = seed_company(7)
    lines = line("JournalDebitLine", "Travel", "10.00") + line("JournalCreditLine", "Ramp Card", "10.00")
    ask(
        company,
        f"<JournalEntryAddRq><JournalEntryAdd><Memo>dropped</Memo>{lines}</JournalEntryAdd></JournalEntryAddRq>",
    )
    (entry,) = company.txns("JournalEntry")
    assert "Memo" not in entry.values
    debit, credit = (ln.line_id for ln in entry.lines)
    changed = (
        f"<JournalLineMod><TxnLineID>{debit}</TxnLineID><Amount>7.00</Amount></JournalLineMod>"
        "<JournalLineMod><TxnLineID>-1</TxnLineID><JournalLineType>Debit</JournalLineType>"
        f"{named('AccountRef', 'Rent')}<Amount>5.00</Amount></JournalLineMod>"
        f"<JournalLineMod><TxnLineID>{credit}</TxnLineID><Amount>12.00</Amount></JournalLineMod>"
    )
    head = f"<TxnID>{entry.txn_id}</TxnID><EditSequence>{entry.edit_sequence}</EditSequence>"
    (response,) = ask(
        company, f"<JournalEntryModRq><JournalEntryMod>{head}{changed}</JournalEntryMod></JournalEntryModRq>"
    )
    assert said(response) == ("0", "Status OK")
    assert [e.findtext("Amount") for e in response.iter("JournalDebitLine", "JournalCreditLine")] == [
        "7.00",
        "5.00",
        "12.00",
    ]
    assert {name: str(value) for name, value in totals(company).by_account.items()} == {
        "Ramp Card": "-12.00",
        "Rent": "5.00",
        "Travel": "7.00",
    }


def test_item_lines_post_to_the_account_of_the_item() -> None:
    company = seed_company(7)
    item = f"<ItemLineAdd>{named('ItemRef', 'Consulting')}<Quantity>2</Quantity><Cost>10.5</Cost></ItemLineAdd>"
    (response,) = ask(company, bill(item))
    assert response.findtext("BillRet/AmountDue") == "21.00"
    assert str(totals(company).by_account["Consulting Income"]) == "21.00"


def test_a_line_with_a_customer_is_billable_unless_it_says_otherwise() -> None:
    job = named("CustomerRef", "Smith:Kitchen")
    inside = line("ExpenseLineAdd", "Travel", "1.00", job)
    inside += line("ExpenseLineAdd", "Travel", "1.00", f"{job}<BillableStatus>NotBillable</BillableStatus>")
    (response,) = ask(seed_company(7), bill(inside))
    assert [e.text for e in response.iter("BillableStatus")] == ["Billable", "NotBillable"]


def test_due_dates_come_from_the_terms_or_the_preference() -> None:
    company = seed_company(7)
    day, inside = "<TxnDate>2026-01-31</TxnDate>", line("ExpenseLineAdd", "Travel", "1.00")
    plain, terms = ask(company, bill(inside, head=day), bill(inside, head=day + named("TermsRef", "Net 30")))
    assert plain.findtext("BillRet/DueDate") == "2026-02-10"
    assert terms.findtext("BillRet/DueDate") == "2026-03-02"


def test_a_discount_pays_a_bill_too() -> None:
    company = seed_company(7)
    ask(company, bill(line("ExpenseLineAdd", "Travel", "100.00")))
    (owed,) = company.txns("Bill")
    payment = (
        f"<BillPaymentCheckAddRq><BillPaymentCheckAdd>{named('PayeeEntityRef', 'Acme Supply')}{named('BankAccountRef', 'Checking')}"
        f"<IsToBePrinted>true</IsToBePrinted><AppliedToTxnAdd><TxnID>{owed.txn_id}</TxnID><PaymentAmount>98.00</PaymentAmount>"
        f"<DiscountAmount>2.00</DiscountAmount>{named('DiscountAccountRef', 'Cashback Income')}</AppliedToTxnAdd>"
        "</BillPaymentCheckAdd></BillPaymentCheckAddRq>"
    )
    (response,) = ask(company, payment)
    assert response.findtext("BillPaymentCheckRet/AppliedToTxnRet/DiscountAmount") == "2.00"
    assert company.open_amount(owed) == 0
    accounts = {a.list_id for a in company.items("Account")}
    assert sum(v for k, v in company.index.balances.items() if k in accounts) == 0


def test_only_a_vendor_can_be_paid() -> None:
    company = seed_company(7)
    ask(company, bill(line("ExpenseLineAdd", "Travel", "1.00")))
    (owed,) = company.txns("Bill")
    payment = (
        f"<BillPaymentCheckAddRq><BillPaymentCheckAdd>{named('PayeeEntityRef', 'Jane Doe')}{named('BankAccountRef', 'Checking')}"
        f"<RefNumber>1</RefNumber><AppliedToTxnAdd><TxnID>{owed.txn_id}</TxnID><PaymentAmount>1.00</PaymentAmount></AppliedToTxnAdd>"
        "</BillPaymentCheckAdd></BillPaymentCheckAddRq>"
    )
    (response,) = ask(company, payment)
    assert said(response) == (
        "3140",
        (
            'There is an invalid reference to QuickBooks Vendor "Jane Doe" in the Bill Payment.  '
            "QuickBooks error message: Invalid argument.  The specified record does not exist in the list."
        ),
    )


def test_a_company_without_accounts_payable() -> None:
    company = seed_company(7, accounts=[])
    (response,) = ask(company, bill(""))
    assert said(response) == (
        "3270",
        "There is a missing posting account: the company has no accounts payable account.",
    )


def test_an_employee_has_a_name_made_of_its_parts() -> None:
    company = seed_company(7)
    (response,) = ask(
        company,
        "<EmployeeAddRq><EmployeeAdd><FirstName>Ada</FirstName><LastName>King</LastName></EmployeeAdd></EmployeeAddRq>",
    )
    assert response.findtext("EmployeeRet/Name") == "Ada King"


def test_data_fields_of_a_transaction() -> None:
    company = seed_company(7)
    ask(company, bill(line("ExpenseLineAdd", "Travel", "1.00")))
    (owed,) = company.txns("Bill")
    name = f"<OwnerID>{OWNER}</OwnerID><DataExtName>Source</DataExtName>"
    define = (
        f"<DataExtDefAddRq><DataExtDefAdd>{name}<DataExtType>STR255TYPE</DataExtType><AssignToObject>Bill</AssignToObject>"
        "</DataExtDefAdd></DataExtDefAddRq>"
    )

    def write(action: str, value: str, kind: str = "Bill") -> str:
        target = f"<TxnDataExtType>{kind}</TxnDataExtType><TxnID>{owed.txn_id}</TxnID>"
        return f"<DataExt{action}Rq><DataExt{action}>{name}{target}<DataExtValue>{value}</DataExtValue></DataExt{action}></DataExt{action}Rq>"

    answers = ask(
        company,
        write("Add", "a"),
        define,
        define,
        write("Mod", "a"),
        write("Add", "a"),
        write("Add", "b"),
        write("Mod", "c"),
    )
    answers += ask(company, write("Add", "d", "Check"))
    assert [a.get("statusCode") for a in answers] == ["3120", "0", "3100", "3120", "0", "3100", "0", "3210"]
    shown = f"<BillQueryRq><TxnID>{owed.txn_id}</TxnID><OwnerID>{OWNER.lower()}</OwnerID></BillQueryRq>"
    hidden = f"<BillQueryRq><TxnID>{owed.txn_id}</TxnID></BillQueryRq>"
    found, nothing = ask(company, shown, hidden)
    assert (found.findtext("BillRet/DataExtRet/DataExtValue"), nothing.find("BillRet/DataExtRet")) == ("c", None)


def test_meta_data_counts_what_max_returned_cuts() -> None:
    company = seed_company(7)
    limit = "<MaxReturned>2</MaxReturned>"
    only, both = ask(
        company,
        f'<AccountQueryRq metaData="MetaDataOnly">{limit}</AccountQueryRq>',
        f'<AccountQueryRq metaData="MetaDataAndResponseData">{limit}</AccountQueryRq>',
    )
    assert (only.get("retCount"), len(only)) == ("24", 0)
    assert (both.get("retCount"), len(both)) == ("24", 2)


def test_more_filters() -> None:
    company = seed_company(7)
    inside = line("ExpenseLineAdd", "Travel", "1.00")
    for ref in ("A-1", "A-2", "B-1"):
        ask(company, bill(inside, head=f"<RefNumber>{ref}</RefNumber>"))
    between = (
        "<RefNumberRangeFilter><FromRefNumber>A-2</FromRefNumber><ToRefNumber>A-9</ToRefNumber></RefNumberRangeFilter>"
    )
    until = "<ModifiedDateRangeFilter><ToModifiedDate>2026-03-02</ToModifiedDate></ModifiedDateRangeFilter>"
    before = until.replace("03-02", "03-01")
    answers = ask(company, *(f"<BillQueryRq>{f}</BillQueryRq>" for f in (between, until, before)))
    assert [[e.text for e in a.iter("RefNumber")] for a in answers] == [["A-2"], ["A-1", "A-2", "B-1"], []]
    (response,) = ask(company, f"<BillQueryRq>{named('EntityFilter', 'Nope')}</BillQueryRq>")
    assert said(response) == ("3140", 'There is an invalid reference to "Nope" in the query filter.')


def test_bills_to_pay_are_the_open_ones_of_one_vendor() -> None:
    company = seed_company(7)
    inside = line("ExpenseLineAdd", "Travel", "1.00")
    ask(company, bill(inside, head="<RefNumber>1</RefNumber>"), bill(inside, vendor="Northwind Traders"))
    mine, none = ask(
        company,
        f"<BillToPayQueryRq>{named('PayeeEntityRef', 'Acme Supply')}</BillToPayQueryRq>",
        f"<BillToPayQueryRq>{named('PayeeEntityRef', 'Delta Air Lines')}</BillToPayQueryRq>",
    )
    assert [e.text for e in mine.iter("RefNumber")] == ["1"]
    assert said(none) == ("1", "A query request did not find a matching object in QuickBooks")


def test_an_iterator_can_be_stopped_and_a_lookup_starts_none() -> None:
    connection = RequestProcessor(seed_company(7))

    def run(request: str) -> etree._Element:
        text = f'<?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="stopOnError">{request}</QBXMLMsgsRq></QBXML>'
        return etree.fromstring(connection.process(text))[0][0]

    started = run('<VendorQueryRq iterator="Start"><MaxReturned>1</MaxReturned></VendorQueryRq>')
    iterator_id = started.get("iteratorID")
    again = f'iteratorID="{iterator_id}"><MaxReturned>1</MaxReturned>'
    assert run(f'<BillQueryRq iterator="Continue" {again}</BillQueryRq>').get("statusCode") == "3000"
    assert len(run(f'<VendorQueryRq iterator="Stop" {again}</VendorQueryRq>')) == 0
    assert run(f'<VendorQueryRq iterator="Continue" {again}</VendorQueryRq>').get("statusCode") == "3000"
    lookup = run('<VendorQueryRq iterator="Start"><FullName>Nope</FullName></VendorQueryRq>')
    assert (lookup.get("statusCode"), lookup.get("iteratorID")) == ("500", None)


def test_lists_that_are_empty_here_and_requests_that_are_not_served() -> None:
    empty, unserved, hidden = ask(
        seed_company(7),
        "<DateDrivenTermsQueryRq/>",
        "<TxnVoidRq><TxnVoidType>Invoice</TxnVoidType><TxnID>1</TxnID></TxnVoidRq>",
        "<HostQueryRq><IncludeRetElement>Country</IncludeRetElement></HostQueryRq>",
    )
    assert empty.get("statusCode") == "1"
    assert said(unserved) == ("1030", "The type Invoice is not supported.")
    assert [child.tag for child in hidden[0]] == ["Country"]


def test_inactive_names_can_be_made_unusable() -> None:
    company = seed_company(7)
    item = company.named("Vendor", "Acme Supply")
    assert item is not None
    company.put_list(replace(item, active=False))
    request = bill(line("ExpenseLineAdd", "Travel", "1.00"))
    assert ask(company, request)[0].get("statusCode") == "0"
    company.behaviour = replace(company.behaviour, inactive_usable=False)
    assert ask(company, request)[0].get("statusCode") == "3140"


def test_a_home_currency_shows_in_the_preferences() -> None:
    company = seed_company(7, preferences=Preferences(multi_currency=True))
    preferences, vendor = ask(
        company, "<PreferencesQueryRq/>", "<VendorQueryRq><FullName>Acme Supply</FullName></VendorQueryRq>"
    )
    assert preferences.findtext("PreferencesRet/MultiCurrencyPreferences/HomeCurrencyRef/FullName") == "US Dollar"
    assert vendor.findtext("VendorRet/CurrencyRef/FullName") == "US Dollar"


@pytest.mark.parametrize("attributes", ['onError="stopOnError" responseData="some"', 'onError="stopOnError" more="1"'])
def test_attributes_of_the_set_are_checked(attributes: str) -> None:
    with pytest.raises(ProcessorError) as caught:
        ask(seed_company(7), "<HostQueryRq/>", attributes=attributes)
    assert caught.value.hresult == "0x80040400"


def test_an_error_may_still_be_followed_by_close_connection() -> None:
    def post(body: bytes, _: object) -> tuple[int, bytes]:
        method = etree.QName(etree.fromstring(body)[0][0]).localname
        if method == "sendRequestXML":
            raise ConnectionResetError("gone")
        inside = "<string>t</string><string/>" if method == "authenticate" else ""
        result = f'<{method}Response xmlns="{INTUIT}"><{method}Result>{inside}</{method}Result></{method}Response>'
        return (
            200,
            f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{result}</s:Body></s:Envelope>'.encode(),
        )

    report = WebConnector(post, "u", "p", seed_company(7), application=Application(closes_after_error=True)).update()
    assert (report.outcome, report.calls[-1]) == ("error", "closeConnection")
    assert report.errors == ["QBWC1041: Error in sendRequestXML: gone"]


def test_a_service_that_never_ends_is_left() -> None:
    def post(body: bytes, _: object) -> tuple[int, bytes]:
        method = etree.QName(etree.fromstring(body)[0][0]).localname
        inside = {"authenticate": "<string>t</string><string/>", "sendRequestXML": "NoOp", "getLastError": "NoOp"}.get(
            method, ""
        )
        result = f'<{method}Response xmlns="{INTUIT}"><{method}Result>{inside}</{method}Result></{method}Response>'
        return (
            200,
            f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{result}</s:Body></s:Envelope>'.encode(),
        )

    report = WebConnector(post, "u", "p", seed_company(7), application=Application(max_requests=3)).update()
    assert (report.outcome, report.calls.count("sendRequestXML"), report.elapsed_s) == ("error", 3, 15.0)
    assert report.errors == ["QBWC: the service never finished"]
