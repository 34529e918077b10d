# ruff: noqa: RUF001  (characters that look alike are tested)
"""The shipped templates: every mapped record of the Ramp flow becomes a request that QuickBooks would take."""

from __future__ import annotations

import random
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from engine.errors import RenderError
from engine.qbxml import freeze_request
from engine.qbxml.errors import InvalidRequest
from engine.render import Templates

TEMPLATES = {
    "vendor_add": "VendorAdd",
    "vendor_mod": "VendorMod",
    "bill_add": "BillAdd",
    "bill_mod": "BillMod",
    "bill_payment_check_add": "BillPaymentCheckAdd",
    "credit_card_charge_add": "CreditCardChargeAdd",
    "credit_card_credit_add": "CreditCardCreditAdd",
    "card_journal_entry_add": "JournalEntryAdd",
}
# Those of flows whose records are mapped otherwise.
OTHERS = {
    "vendor_credit_add": "VendorCreditAdd",
    "bills_payment_check_add": "BillPaymentCheckAdd",
    "journal_entry_add": "JournalEntryAdd",
    "transfer_add": "TransferAdd",
    "txn_void": "TxnVoid",
}
ATTACK = "</Memo><Amount>1.00</Amount><Memo>"


@lru_cache(maxsize=1)
def templates() -> Templates:
    return Templates()


def found(full_name: str, list_id: str | None = None) -> dict[str, Any]:
    return {"list_id": list_id, "full_name": full_name, "currency": "USD"}


def record(**changes: Any) -> dict[str, Any]:
    lines = [
        {
            "account": found("Travel:Meals", "8-3"),
            "class": None,
            "customer": found("Smith:Kitchen"),
            "billable": False,
            "amount": Decimal("12.50"),
            "memo": "",
        },
        {
            "account": found("Travel"),
            "class": found("Ops"),
            "customer": None,
            "billable": True,
            "amount": Decimal("7.5"),
            "memo": "taxi",
        },
    ]
    return {
        "request_id": "0123456789ABCDEFGHIJKL",
        "guid": "{7B2C1E0A-1111-4222-8333-444455556666}",
        "target_id": "1A-7",
        "edit_sequence": "1772460000",
        "name": "Acme Supply",
        "company": "Acme Supply LLC",
        "country": "US",
        "vendor": found("Acme Supply", "8-1"),
        "ap_account": found("Accounts Payable"),
        "bank_account": found("Checking"),
        "card_account": found("Ramp Card"),
        "payee": None,
        "date": "2026-08-05",
        "due": "2026-09-04",
        "reference": "INV-1",
        "memo": "Ramp 1",
        "bill_txn_id": "1A-2",
        "refund": False,
        "amount": Decimal("20.00"),
        "lines": lines,
    } | changes


def rendered(template: str, values: dict[str, Any]) -> str:
    return templates().get(f"{template}.xml.j2").render(values)


def frozen(template: str, values: dict[str, Any]) -> str:
    return freeze_request({**TEMPLATES, **OTHERS}[template], rendered(template, values)).decode()


HEAD = 'requestID="0123456789ABCDEFGHIJKL">'
GUID = "<ExternalGUID>{7B2C1E0A-1111-4222-8333-444455556666}</ExternalGUID>"
EXPENSES = (
    "<ExpenseLineAdd><AccountRef><ListID>8-3</ListID></AccountRef><Amount>12.50</Amount>"
    "<CustomerRef><FullName>Smith:Kitchen</FullName></CustomerRef><BillableStatus>NotBillable</BillableStatus></ExpenseLineAdd>"
    "<ExpenseLineAdd><AccountRef><FullName>Travel</FullName></AccountRef><Amount>7.50</Amount><Memo>taxi</Memo>"
    "<ClassRef><FullName>Ops</FullName></ClassRef></ExpenseLineAdd>"
)
CARD = "<AccountRef><FullName>Ramp Card</FullName></AccountRef>"
EXACT = {
    "vendor_add": f"<VendorAddRq {HEAD}<VendorAdd><Name>Acme Supply</Name><CompanyName>Acme Supply LLC</CompanyName>"
    f"<VendorAddress><Country>US</Country></VendorAddress>{GUID}</VendorAdd></VendorAddRq>",
    "bill_add": f"<BillAddRq {HEAD}<BillAdd><VendorRef><ListID>8-1</ListID></VendorRef>"
    "<APAccountRef><FullName>Accounts Payable</FullName></APAccountRef><TxnDate>2026-08-05</TxnDate><DueDate>2026-09-04</DueDate>"
    f"<RefNumber>INV-1</RefNumber><Memo>Ramp 1</Memo>{GUID}{EXPENSES}</BillAdd></BillAddRq>",
    "vendor_mod": f"<VendorModRq {HEAD}<VendorMod><ListID>1A-7</ListID><EditSequence>1772460000</EditSequence>"
    "<Name>Acme Supply</Name><CompanyName>Acme Supply LLC</CompanyName>"
    "<VendorAddress><Country>US</Country></VendorAddress></VendorMod></VendorModRq>",
    "bill_mod": f"<BillModRq {HEAD}<BillMod><TxnID>1A-7</TxnID><EditSequence>1772460000</EditSequence>"
    "<VendorRef><ListID>8-1</ListID></VendorRef><APAccountRef><FullName>Accounts Payable</FullName></APAccountRef>"
    "<TxnDate>2026-08-05</TxnDate><DueDate>2026-09-04</DueDate><RefNumber>INV-1</RefNumber><Memo>Ramp 1</Memo>"
    + EXPENSES.replace("<ExpenseLineAdd>", "<ExpenseLineMod><TxnLineID>-1</TxnLineID>").replace("LineAdd", "LineMod")
    + "</BillMod></BillModRq>",
    "bill_payment_check_add": f"<BillPaymentCheckAddRq {HEAD}<BillPaymentCheckAdd><PayeeEntityRef><ListID>8-1</ListID></PayeeEntityRef>"
    "<APAccountRef><FullName>Accounts Payable</FullName></APAccountRef><TxnDate>2026-08-05</TxnDate>"
    "<BankAccountRef><FullName>Checking</FullName></BankAccountRef><RefNumber>INV-1</RefNumber><Memo>Ramp 1</Memo>"
    f"{GUID}<AppliedToTxnAdd><TxnID>1A-2</TxnID><PaymentAmount>20.00</PaymentAmount></AppliedToTxnAdd>"
    "</BillPaymentCheckAdd></BillPaymentCheckAddRq>",
    "credit_card_charge_add": f"<CreditCardChargeAddRq {HEAD}<CreditCardChargeAdd>{CARD}<TxnDate>2026-08-05</TxnDate>"
    f"<RefNumber>INV-1</RefNumber><Memo>Ramp 1</Memo>{GUID}{EXPENSES}</CreditCardChargeAdd></CreditCardChargeAddRq>",
    "credit_card_credit_add": f"<CreditCardCreditAddRq {HEAD}<CreditCardCreditAdd>{CARD}<TxnDate>2026-08-05</TxnDate>"
    f"<RefNumber>INV-1</RefNumber><Memo>Ramp 1</Memo>{GUID}{EXPENSES}</CreditCardCreditAdd></CreditCardCreditAddRq>",
    "card_journal_entry_add": f"<JournalEntryAddRq {HEAD}<JournalEntryAdd><TxnDate>2026-08-05</TxnDate><RefNumber>INV-1</RefNumber>"
    f"{GUID}<JournalDebitLine><AccountRef><ListID>8-3</ListID></AccountRef><Amount>12.50</Amount><Memo>Ramp 1</Memo>"
    "<EntityRef><FullName>Smith:Kitchen</FullName></EntityRef><BillableStatus>NotBillable</BillableStatus></JournalDebitLine>"
    "<JournalDebitLine><AccountRef><FullName>Travel</FullName></AccountRef><Amount>7.50</Amount><Memo>taxi</Memo>"
    f"<ClassRef><FullName>Ops</FullName></ClassRef></JournalDebitLine><JournalCreditLine>{CARD}<Amount>20.00</Amount>"
    "<Memo>Ramp 1</Memo></JournalCreditLine></JournalEntryAdd></JournalEntryAddRq>",
}


def test_every_shipped_template_is_covered() -> None:
    folder = Path(__file__).resolve().parents[2] / "qbxml_templates"
    assert sorted([*TEMPLATES, *OTHERS]) == sorted(path.name.removesuffix(".xml.j2") for path in folder.glob("*.j2"))


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_a_record_becomes_exactly_this_request(template: str) -> None:
    assert frozen(template, record()) == EXACT[template]


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_markup_in_a_value_stays_a_value(template: str) -> None:
    root = etree.fromstring(frozen(template, record(memo=ATTACK, name="<A>&B", company=ATTACK[:41])))
    texts = [element.text for element in root.iter("Memo", "Name")]
    assert (texts[0] == "<A>&B") if template.startswith("vendor") else (ATTACK in texts)
    amounts = [element.text for element in root.iter("Amount")]
    assert "1.00" not in amounts


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_other_alphabets_are_sent_as_quickbooks_can_store_them(template: str) -> None:
    made = frozen(template, record(memo="Łódź 中 – Söhne", name="Café Łódź", company="Ünïted"))
    assert ("Caf&#233; L&#243;dz" if template.startswith("vendor") else "L&#243;dz ? &#8211; S&#246;hne") in made
    assert made.isascii()


@pytest.mark.parametrize(
    "template",
    [name for name in sorted(TEMPLATES) if name not in ("vendor_add", "vendor_mod", "bill_payment_check_add")],
)
def test_two_hundred_lines_add_up(template: str) -> None:
    rng = random.Random(7)
    lines: list[dict[str, Any]] = [
        {
            "account": found("Travel"),
            "class": None,
            "customer": None,
            "billable": False,
            "amount": Decimal(rng.randint(1, 99999)).scaleb(-2),
            "memo": f"line {n}",
        }
        for n in range(200)
    ]
    total = sum((line["amount"] for line in lines), Decimal(0))
    root = etree.fromstring(frozen(template, record(lines=lines, amount=total)))
    amounts = [Decimal(element.text or "") for element in root.iter("Amount")]
    expected = [line["amount"] for line in lines] + ([total] if template == "card_journal_entry_add" else [])
    assert amounts == expected


def test_a_refund_turns_the_journal_entry_round() -> None:
    root = etree.fromstring(frozen("card_journal_entry_add", record(refund=True, payee=found("Acme", "8-1"))))
    sides = [
        (e.tag, e.findtext("AccountRef/FullName") or e.findtext("AccountRef/ListID"), e.findtext("Amount"))
        for e in root[0]
        if len(e)
    ]
    assert sides == [
        ("JournalDebitLine", "Ramp Card", "20.00"),
        ("JournalCreditLine", "8-3", "12.50"),
        ("JournalCreditLine", "Travel", "7.50"),
    ]
    assert root.findtext("JournalEntryAdd/JournalDebitLine/EntityRef/ListID") == "8-1"


def test_a_journal_entry_that_does_not_balance_is_not_frozen() -> None:
    with pytest.raises(InvalidRequest) as caught:
        frozen("card_journal_entry_add", record(amount=Decimal("20.01")))
    assert str(caught.value) == (
        "JournalEntryAddRq:1: /JournalEntryAddRq/JournalEntryAdd: debits and credits differ by 0.01"
    )


def test_a_payment_without_a_number_is_not_to_be_printed() -> None:
    root = etree.fromstring(frozen("bill_payment_check_add", record(reference="")))
    assert root.findtext("BillPaymentCheckAdd/IsToBePrinted") == "false"
    assert root.find("BillPaymentCheckAdd/RefNumber") is None


def test_optional_values_leave_no_empty_element() -> None:
    empty = record(memo="", due=None, reference="", country=None, company=None, payee=None)
    for template in TEMPLATES:
        assert "/>" not in frozen(template, empty)


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_a_missing_value_is_an_error_that_names_it(template: str) -> None:
    # ExternalGUID is given once, when an object is made.
    needed = "edit_sequence" if template.endswith("_mod") else "guid"
    values = record()
    del values[needed]
    with pytest.raises(RenderError) as caught:
        rendered(template, values)
    assert f"`{needed}`" in str(caught.value)


# --- the others -------------------------------------------------------------------------------------------------------


def side(account: str, amount: str, memo: str = "", **more: Any) -> dict[str, Any]:
    bare = {"account": found(account), "amount": Decimal(amount), "memo": memo, "entity": None, "class": None}
    return {**bare, "vendor": None, "customer": None, "billable": None, **more}


OTHER = record(
    kind="BillPaymentCheck",
    from_account=found("Checking"),
    to_account=found("Ramp Card"),
    bills=[
        {"txn_id": "1A-2", "amount": Decimal("12.50"), "credits": [{"txn_id": "1A-9", "amount": Decimal("7.5")}]},
        {"txn_id": "1A-3", "amount": Decimal("0.00"), "credits": []},
    ],
    debits=[side("Travel", "12.50", "taxi", **{"class": found("Ops")})],
    credits=[side("Accounts Payable", "12.50", entity=found("Ana", "8-5"), vendor=found("Ana", "8-5"))],
)
EXACT_OTHERS = {
    "vendor_credit_add": f"<VendorCreditAddRq {HEAD}<VendorCreditAdd><VendorRef><ListID>8-1</ListID></VendorRef>"
    "<APAccountRef><FullName>Accounts Payable</FullName></APAccountRef><TxnDate>2026-08-05</TxnDate>"
    f"<RefNumber>INV-1</RefNumber><Memo>Ramp 1</Memo>{GUID}{EXPENSES}</VendorCreditAdd></VendorCreditAddRq>",
    "bills_payment_check_add": f"<BillPaymentCheckAddRq {HEAD}<BillPaymentCheckAdd><PayeeEntityRef><ListID>8-1</ListID>"
    "</PayeeEntityRef><APAccountRef><FullName>Accounts Payable</FullName></APAccountRef><TxnDate>2026-08-05</TxnDate>"
    "<BankAccountRef><FullName>Checking</FullName></BankAccountRef><RefNumber>INV-1</RefNumber><Memo>Ramp 1</Memo>"
    f"{GUID}<AppliedToTxnAdd><TxnID>1A-2</TxnID><PaymentAmount>12.50</PaymentAmount><SetCredit>"
    "<CreditTxnID>1A-9</CreditTxnID><AppliedAmount>7.50</AppliedAmount></SetCredit></AppliedToTxnAdd><AppliedToTxnAdd>"
    "<TxnID>1A-3</TxnID><PaymentAmount>0.00</PaymentAmount></AppliedToTxnAdd></BillPaymentCheckAdd></BillPaymentCheckAddRq>",
    "journal_entry_add": f"<JournalEntryAddRq {HEAD}<JournalEntryAdd><TxnDate>2026-08-05</TxnDate>"
    f"<RefNumber>INV-1</RefNumber>{GUID}<JournalDebitLine><AccountRef><FullName>Travel</FullName></AccountRef>"
    "<Amount>12.50</Amount><Memo>taxi</Memo><ClassRef><FullName>Ops</FullName></ClassRef></JournalDebitLine>"
    "<JournalCreditLine><AccountRef><FullName>Accounts Payable</FullName></AccountRef><Amount>12.50</Amount>"
    "<EntityRef><ListID>8-5</ListID></EntityRef></JournalCreditLine></JournalEntryAdd></JournalEntryAddRq>",
    "transfer_add": f"<TransferAddRq {HEAD}<TransferAdd><TxnDate>2026-08-05</TxnDate><TransferFromAccountRef>"
    "<FullName>Checking</FullName></TransferFromAccountRef><TransferToAccountRef><FullName>Ramp Card</FullName>"
    "</TransferToAccountRef><Amount>20.00</Amount><Memo>Ramp 1</Memo></TransferAdd></TransferAddRq>",
    "txn_void": f"<TxnVoidRq {HEAD}<TxnVoidType>BillPaymentCheck</TxnVoidType><TxnID>1A-7</TxnID></TxnVoidRq>",
}


@pytest.mark.parametrize("template", sorted(OTHERS))
def test_the_others_become_exactly_this_request(template: str) -> None:
    assert frozen(template, OTHER) == EXACT_OTHERS[template]


@pytest.mark.parametrize("template", sorted(set(OTHERS) - {"txn_void"}))
def test_markup_in_the_others_stays_a_value(template: str) -> None:
    debits = [{**OTHER["debits"][0], "memo": ATTACK}]
    root = etree.fromstring(frozen(template, {**OTHER, "memo": ATTACK, "debits": debits}))
    assert ATTACK in [element.text for element in root.iter("Memo")]
    assert "1.00" not in [element.text for element in root.iter("Amount")]


@pytest.mark.parametrize(("template", "needed"), [("txn_void", "kind"), ("txn_void", "target_id")])
def test_a_void_names_its_object(template: str, needed: str) -> None:
    with pytest.raises(RenderError) as caught:
        rendered(template, {name: value for name, value in OTHER.items() if name != needed})
    assert f"`{needed}`" in str(caught.value)


def test_only_what_can_be_voided_is_frozen() -> None:
    with pytest.raises(InvalidRequest):
        frozen("txn_void", {**OTHER, "kind": "Transfer"})


@given(memo=st.text(max_size=300), number=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=11))
def test_any_text_gives_a_valid_request(memo: str, number: str) -> None:
    for template in TEMPLATES:
        frozen(template, record(memo=memo, reference=number))
