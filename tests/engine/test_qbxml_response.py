"""Answers of QuickBooks become plain data, whatever real files have been seen to send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import ListObject
from engine.errors import BadAnswer
from engine.qbxml import books, response
from engine.qbxml.books import best_version, company_identity, currency_code, list_objects, receipt_of
from engine.qbxml.errors import UnreadableAnswer
from engine.qbxml.response import Answer, Response, parse_response, text_at
from engine.qbxml.text import ILLEGAL, escape
from tests.reference import reference

BILL = (
    '<QBXML><QBXMLMsgsRs newMessageSetID="n" messageSetStatusCode="0">'
    '<BillAddRs requestID="r1" statusCode="0" statusSeverity="Info" statusMessage="Status OK"><BillRet><TxnID>1A-2</TxnID>'
    "<EditSequence>17</EditSequence><TxnNumber>512</TxnNumber><VendorRef><ListID>8-1</ListID><FullName>Acme &amp; Söhne</FullName></VendorRef>"
    "<RefNumber>INV-1</RefNumber><ExpenseLineRet><TxnLineID>1</TxnLineID><Amount>5.00</Amount></ExpenseLineRet></BillRet></BillAddRs>"
    "</QBXMLMsgsRs></QBXML>"
)


def one(text: str | bytes) -> Response:
    answer = parse_response(text)
    assert len(answer.responses) == 1
    return answer.responses[0]


def test_a_bill_answer() -> None:
    assert parse_response(BILL) == Answer(
        message_set_status=0,
        new_id="n",
        old_id="",
        responses=(
            Response(
                name="BillAddRs",
                request_id="r1",
                code=0,
                severity="Info",
                message="Status OK",
                objects=(
                    {
                        "TxnID": "1A-2",
                        "EditSequence": "17",
                        "TxnNumber": "512",
                        "VendorRef": {"ListID": "8-1", "FullName": "Acme & Söhne"},
                        "RefNumber": "INV-1",
                        "ExpenseLineRet": [{"TxnLineID": "1", "Amount": "5.00"}],
                    },
                ),
                kinds=("BillRet",),
            ),
        ),
    )


VARIANTS: dict[str, str | bytes] = {
    "bom": b"\xef\xbb\xbf" + BILL.encode(),
    "space first": b"\r\n  " + BILL.encode(),
    "prolog without encoding": b'<?xml version="1.0" ?>\r\n' + BILL.encode(),
    "windows-1252 declared": b'<?xml version="1.0" encoding="windows-1252"?>' + BILL.encode("cp1252"),
    "windows-1252 not declared": b'<?xml version="1.0" ?>' + BILL.encode("cp1252"),
    "windows-1252 called utf-8": b'<?xml version="1.0" encoding="utf-8"?>' + BILL.encode("cp1252"),
    "utf-16": BILL.encode("utf-16"),
    "text with a prolog of another encoding": '<?xml version="1.0" encoding="windows-1252"?>' + BILL,
    "text with a bom": "\ufeff" + BILL,
    "comment and instruction": '<?xml version="1.0"?><!-- x --><?qbxml version="13.0"?>' + BILL,
    "raw control character": BILL.replace("INV-1", "INV\x0b-1"),
    "control character by number": BILL.replace("INV-1", "I&#x0B;NV&#11;-&#0;1&#xD800;"),
    "control character in windows-1252": b'<?xml version="1.0" encoding="windows-1252"?>'
    + BILL.replace("INV-1", "INV\x0b-1").encode("cp1252"),
    "without QBXML": BILL.removeprefix("<QBXML>").removesuffix("</QBXML>"),
    "with sign-on": BILL.replace("<QBXML>", "<QBXML><SignonMsgsRs/>"),
}


@pytest.mark.parametrize("case", sorted(VARIANTS))
def test_every_variant_reads_the_same(case: str) -> None:
    assert parse_response(VARIANTS[case]) == parse_response(BILL)


UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "the answer of QuickBooks cannot be read: it is empty"),
    "blank": (b" \n", "the answer of QuickBooks cannot be read: it is empty"),
    "cut off": (
        BILL.removesuffix("</QBXMLMsgsRs></QBXML>"),
        "the answer of QuickBooks cannot be read at line 1: Premature end of data in tag QBXMLMsgsRs line 1",
    ),
    "no xml": (
        "Internal error",
        "the answer of QuickBooks cannot be read at line 1: Start tag expected, '<' not found",
    ),
    "another document": (
        "<html><body/></html>",
        "the answer of QuickBooks cannot be read: it holds no QBXMLMsgsRs, its root is `html`",
    ),
    "no messages": (
        "<QBXML/>",
        "the answer of QuickBooks cannot be read: it holds no QBXMLMsgsRs, its root is `QBXML`",
    ),
    "document type": (
        "<!DOCTYPE QBXML [<!ENTITY a 'b'>]><QBXML><QBXMLMsgsRs/></QBXML>",
        "the answer of QuickBooks cannot be read: it declares a document type, which QuickBooks never does",
    ),
    "unknown encoding": (
        b'<?xml version="1.0" encoding="x-klingon"?><QBXML/>',
        "the answer of QuickBooks cannot be read at line 1: Unsupported encoding: x-klingon",
    ),
    "deep": (
        "<QBXML><QBXMLMsgsRs><ARs>" + "<a>" * 70 + "</a>" * 70 + "</ARs></QBXMLMsgsRs></QBXML>",
        "the answer of QuickBooks cannot be read at line 1: it is nested deeper than 64 levels",
    ),
}


@pytest.mark.parametrize("case", sorted(UNREADABLE))
def test_an_unreadable_answer_says_why(case: str) -> None:
    text, message = UNREADABLE[case]
    with pytest.raises(UnreadableAnswer) as caught:
        parse_response(text)
    assert str(caught.value) == message
    assert isinstance(caught.value, BadAnswer)


def test_an_answer_beyond_the_size_limit_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "SIZE_LIMIT", 1 << 20)
    with pytest.raises(UnreadableAnswer) as caught:
        parse_response("<" * ((1 << 20) + 1))
    assert str(caught.value) == "the answer of QuickBooks cannot be read: it is larger than 1 MiB"


def test_missing_attributes_and_unknown_elements_are_tolerated() -> None:
    found = one(
        "<QBXML><QBXMLMsgsRs><BillAddRs requestID=''><New>1</New><BillRet><Newer><A/></Newer></BillRet></BillAddRs></QBXMLMsgsRs></QBXML>"
    )
    assert (found.request_id, found.code, found.severity, found.message) == ("", -1, "", "")
    assert found.objects == ({"Newer": {"A": ""}},)
    odd = one(
        "<QBXML><QBXMLMsgsRs><XRs statusCode='x' iteratorRemainingCount='7' iteratorID='{1}'/></QBXMLMsgsRs></QBXML>"
    )
    assert (odd.code, odd.iterator_remaining, odd.iterator_id, odd.ret_name) == (-1, 7, "{1}", "")


def test_an_answer_of_plain_fields_is_one_object() -> None:
    found = one(
        "<QBXML><QBXMLMsgsRs><TxnDelRs statusCode='0'><TxnDelType>Bill</TxnDelType><TxnID>1</TxnID></TxnDelRs></QBXMLMsgsRs></QBXML>"
    )
    assert found.objects == ({"TxnDelType": "Bill", "TxnID": "1"},)
    assert receipt_of(found) == {"TxnID": "1"}


def test_unexpected_repetition_becomes_a_list() -> None:
    found = one("<QBXML><QBXMLMsgsRs><XRs><XRet><A>1</A><A/><A><B>2</B></A></XRet></XRs></QBXMLMsgsRs></QBXML>")
    assert found.objects == ({"A": ["1", "", {"B": "2"}]},)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("TxnID",), "1A-2"),
        (("VendorRef", "FullName"), "Acme & Söhne"),
        (("ExpenseLineRet", "Amount"), "5.00"),
        (("VendorRef",), ""),
        (("Nothing", "Deeper"), ""),
        (("TxnID", "Deeper"), ""),
        (("ExpenseLineRet", "Amount", "Deeper"), ""),
        (("ExpenseLineRet",), ""),
    ],
)
def test_text_at_a_path(path: tuple[str, ...], text: str) -> None:
    assert text_at(one(BILL).objects[0], *path) == text


def test_answers_are_found_by_request_id_and_by_name() -> None:
    answer = parse_response(BILL)
    assert answer.by_request_id("r1") is answer.responses[0] is answer.named("BillAddRs")
    assert answer.by_request_id("r2") is None
    assert answer.named("HostQueryRs") is None


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][a-z]{1,8}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"])),
        min_size=1,
    )
)
def test_escaped_values_come_back(fields: dict[str, str]) -> None:
    legal = {name: ILLEGAL.sub("", text) for name, text in fields.items()}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in legal.items())
    found = one(f"<QBXML><QBXMLMsgsRs><XRs><XRet>{inner}</XRet></XRs></QBXMLMsgsRs></QBXML>")
    assert found.objects == (legal,)


@given(st.binary(max_size=200))
def test_bytes_without_an_end_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableAnswer, match=r"^the answer of QuickBooks cannot be read"):
        parse_response(b"<QBXML><QBXMLMsgsRs>" + data)


# --- what answers mean ------------------------------------------------------------------------------------------------


def test_the_receipt_of_a_bill() -> None:
    assert receipt_of(one(BILL)) == {"TxnID": "1A-2", "EditSequence": "17", "TxnNumber": "512", "RefNumber": "INV-1"}


def test_the_receipt_of_a_repeated_answer_comes_from_error_recovery() -> None:
    found = one(
        "<QBXML><QBXMLMsgsRs><BillAddRs statusCode='0'><ErrorRecovery><TxnID>1A</TxnID><EditSequence>9</EditSequence>"
        "<ExternalGUID>{G}</ExternalGUID></ErrorRecovery></BillAddRs></QBXMLMsgsRs></QBXML>"
    )
    assert found.objects == ()
    assert receipt_of(found) == {"TxnID": "1A", "EditSequence": "9", "ExternalGUID": "{G}"}


def test_the_company_of_a_real_first_answer() -> None:
    text = (reference("qbd", "samples") / "real" / "qbwc_HCPResponse_first_call.xml").read_bytes()
    found = company_identity(parse_response(text), owner_id="{512349b1-1111-2222-3333-000de1813d20}")
    assert (found.file_id, found.company_name, found.ein) == (
        "{00000ee-1111-ffff-cccc-5ff123456047}",
        "myCompany",
        "12-3456789",
    )
    assert (found.country, found.file_mode, found.product) == ("US", "SingleUser", "QuickBooks Pro 2014")
    assert (found.is_multi_currency, found.uses_classes, found.uses_account_numbers) == (False, False, False)
    assert found.supported_versions[-1] == "13.0"
    assert company_identity(parse_response(text), owner_id="{0}").file_id == ""


def test_the_company_of_an_empty_answer_is_empty() -> None:
    found = company_identity(parse_response("<QBXML><QBXMLMsgsRs/></QBXML>"))
    assert (found.file_id, found.company_name, found.supported_versions, found.uses_classes) == ("", "", (), False)


def test_multi_currency_and_features() -> None:
    found = company_identity(
        parse_response(
            "<QBXML><QBXMLMsgsRs><PreferencesQueryRs statusCode='0'><PreferencesRet><AccountingPreferences>"
            "<IsUsingAccountNumbers>true</IsUsingAccountNumbers><IsUsingClassTracking>1</IsUsingClassTracking></AccountingPreferences>"
            "<MultiCurrencyPreferences><IsMultiCurrencyOn>true</IsMultiCurrencyOn><HomeCurrencyRef><FullName>US Dollar</FullName>"
            "</HomeCurrencyRef></MultiCurrencyPreferences></PreferencesRet></PreferencesQueryRs></QBXMLMsgsRs></QBXML>"
        )
    )
    assert (found.is_multi_currency, found.home_currency) == (True, "USD")
    assert (found.uses_classes, found.uses_account_numbers) == (True, True)


@pytest.mark.parametrize(
    ("supported", "ours", "best"),
    [
        (("1.0", "9.0", "13.0", "16.0"), "13.0", "13.0"),
        (("1.0", "9.0", "10.0"), "13.0", "10.0"),
        (("CA2.0", "CA3.0"), "13.0", None),
        ((), "13.0", None),
        (("14.0",), "13.0", None),
    ],
)
def test_the_best_version(supported: tuple[str, ...], ours: str, best: str | None) -> None:
    assert best_version(supported, ours) == best


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("US Dollar", "USD"),
        ("  us  dollar ", "USD"),
        ("Euro", "EUR"),
        ("cad", "CAD"),
        ("Galactic Credit", "Galactic Credit"),
        ("", ""),
    ],
)
def test_currency_names_become_codes(name: str, code: str) -> None:
    assert currency_code(name) == code


def test_currency_codes_have_three_letters() -> None:
    assert {len(code) for code in books._CURRENCIES.values()} == {3}


def test_accounts_of_a_list_answer() -> None:
    found = one(
        "<QBXML><QBXMLMsgsRs><AccountQueryRs statusCode='0'><AccountRet><ListID>8-1</ListID><EditSequence>5</EditSequence><Name>Meals</Name>"
        "<FullName>Travel:Meals</FullName><IsActive>false</IsActive><AccountType>Expense</AccountType><AccountNumber>6100</AccountNumber>"
        "<CurrencyRef><ListID>1</ListID><FullName>US Dollar</FullName></CurrencyRef></AccountRet><AccountRet><Name>none</Name></AccountRet>"
        "</AccountQueryRs></QBXMLMsgsRs></QBXML>"
    )
    assert list_objects(found) == (
        ListObject(
            list_id="8-1",
            full_name="Travel:Meals",
            active=False,
            number="6100",
            edit_sequence="5",
            data={
                "Name": "Meals",
                "AccountType": "Expense",
                "AccountNumber": "6100",
                "CurrencyRef": {"ListID": "1", "FullName": "US Dollar"},
                "currency": "USD",
            },
        ),
    )


def test_vendors_and_terms_of_a_list_answer() -> None:
    vendors = one(
        "<QBXML><QBXMLMsgsRs><VendorQueryRs statusCode='0'><VendorRet><ListID>1</ListID><Name>Acme</Name><CompanyName>Acme LLC</CompanyName>"
        "<AccountNumber>A-1</AccountNumber></VendorRet></VendorQueryRs></QBXMLMsgsRs></QBXML>"
    )
    data = {"Name": "Acme", "CompanyName": "Acme LLC", "AccountNumber": "A-1"}
    assert list_objects(vendors) == (ListObject("1", "Acme", data=data),)
    terms = one(
        "<QBXML><QBXMLMsgsRs><TermsQueryRs statusCode='0'><StandardTermsRet><ListID>1</ListID><Name>Net 30</Name></StandardTermsRet>"
        "<DateDrivenTermsRet><ListID>2</ListID><Name>10th</Name></DateDrivenTermsRet></TermsQueryRs></QBXMLMsgsRs></QBXML>"
    )
    assert [(o.full_name, o.data["kind"]) for o in list_objects(terms)] == [
        ("Net 30", "StandardTerms"),
        ("10th", "DateDrivenTerms"),
    ]


def test_real_lists_are_read() -> None:
    folder = reference("qbd", "samples") / "real"
    accounts = list_objects(one((folder / "billash_accounts.xml").read_bytes()))
    vendors = list_objects(one((folder / "billash_vendors.xml").read_bytes()))
    assert (len(accounts), accounts[0].full_name, accounts[0].number, accounts[0].data["AccountType"]) == (
        116,
        "Checking",
        "10100",
        "Bank",
    )
    assert (len(vendors), vendors[0].full_name) == (54, "A Cheung Limited")
