from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from connectors.qbwc.simulator import (
    Account,
    CompanyFile,
    RequestProcessor,
    VirtualClock,
    backup,
    from_json,
    restore,
    seed_company,
    to_json,
    total_of,
    totals,
    user_deletes,
    user_edits,
)

GUID = "{7B2C1E0A-1111-4222-8333-444455556666}"


def ask(company: CompanyFile, *requests: str, attributes: str = 'onError="stopOnError"') -> str:
    body = "".join(requests)
    text = f'<?xml version="1.0"?><?qbxml version="13.0"?><QBXML><QBXMLMsgsRq {attributes}>{body}</QBXMLMsgsRq></QBXML>'
    return RequestProcessor(company).process(text)


def bill(
    amount: str = "100.00",
    *,
    vendor: str = "Acme Supply",
    guid: str = GUID,
    ref: str = "INV-1",
    day: str = "2026-03-02",
) -> str:
    return (
        f"<BillAddRq><BillAdd><VendorRef><FullName>{vendor}</FullName></VendorRef><TxnDate>{day}</TxnDate><RefNumber>{ref}</RefNumber>"
        f"<ExternalGUID>{guid}</ExternalGUID><ExpenseLineAdd><AccountRef><FullName>Travel:Meals</FullName></AccountRef>"
        f"<Amount>{amount}</Amount></ExpenseLineAdd></BillAdd></BillAddRq>"
    )


def card(amount: str, *, kind: str = "Charge", day: str = "2026-04-05") -> str:
    return (
        f"<CreditCard{kind}AddRq><CreditCard{kind}Add><AccountRef><FullName>Ramp Card</FullName></AccountRef>"
        f"<PayeeEntityRef><FullName>Delta Air Lines</FullName></PayeeEntityRef><TxnDate>{day}</TxnDate>"
        "<ExpenseLineAdd><AccountRef><FullName>Travel</FullName></AccountRef>"
        f"<Amount>{amount}</Amount></ExpenseLineAdd></CreditCard{kind}Add></CreditCard{kind}AddRq>"
    )


def pay(txn_id: str, amount: str) -> str:
    return (
        "<BillPaymentCheckAddRq><BillPaymentCheckAdd><PayeeEntityRef><FullName>Acme Supply</FullName></PayeeEntityRef>"
        "<TxnDate>2026-03-09</TxnDate><BankAccountRef><FullName>Checking</FullName></BankAccountRef><RefNumber>BP1</RefNumber>"
        f"<AppliedToTxnAdd><TxnID>{txn_id}</TxnID><PaymentAmount>{amount}</PaymentAmount></AppliedToTxnAdd>"
        "</BillPaymentCheckAdd></BillPaymentCheckAddRq>"
    )


def test_a_seeded_company_is_the_same_every_time_and_its_ids_look_real() -> None:
    first, second = seed_company(7), seed_company(7)
    assert to_json(first) == to_json(second)
    assert to_json(first) != to_json(seed_company(8))
    account = first.named("Account", "travel:MEALS")
    assert account is not None
    assert (account.full_name, account.list_id[:6], account.list_id[8:]) == ("Travel:Meals", "800000", "-1772460000")


def test_missing_parents_are_created() -> None:
    company = seed_company(
        1, accounts=[Account("A:B:C", "Expense")], classes=["X:Y"], customers=["Jones:Roof"], vendors=[]
    )
    assert [a.full_name for a in company.items("Account")] == ["A", "A:B", "A:B:C"]
    assert [c.full_name for c in company.items("Class")] == ["X", "X:Y"]
    assert [c.full_name for c in company.items("Customer")] == ["Jones", "Jones:Roof"]


def test_payments_pay_bills_and_move_balances() -> None:
    company = seed_company(7)
    ask(company, bill("100.00"))
    (added,) = company.txns("Bill")
    vendor = company.named("Vendor", "Acme Supply")
    assert vendor is not None
    assert company.index.balances[vendor.list_id] == Decimal("100.00")
    ask(company, pay(added.txn_id, "40.00"))
    assert company.open_amount(added) == Decimal("60.00")
    answer = ask(
        company, f"<BillQueryRq><TxnID>{added.txn_id}</TxnID><IncludeLinkedTxns>true</IncludeLinkedTxns></BillQueryRq>"
    )
    assert "<IsPaid>false</IsPaid>" in answer
    assert "<OpenAmount>60.00</OpenAmount>" in answer
    assert "<TxnType>BillPaymentCheck</TxnType><TxnDate>2026-03-09</TxnDate><RefNumber>BP1</RefNumber>" in answer
    ask(company, pay(added.txn_id, "60.00"))
    answer = ask(company, f"<BillQueryRq><TxnID>{added.txn_id}</TxnID></BillQueryRq>")
    assert "<IsPaid>true</IsPaid>" in answer
    assert company.index.balances[vendor.list_id] == Decimal("0.00")


def test_totals_by_vendor_account_and_month() -> None:
    company = seed_company(7)
    ask(
        company,
        bill("100.00"),
        bill("50.25", vendor="Northwind Traders", day="2026-04-01"),
        card("19.99"),
        card("5.00", kind="Credit"),
    )
    found = totals(company)
    assert found.overall == Decimal("165.24")
    assert found.count == 4
    assert found.by_kind == {
        "Bill": Decimal("150.25"),
        "CreditCardCharge": Decimal("19.99"),
        "CreditCardCredit": Decimal("-5.00"),
    }
    assert found.by_vendor == {
        "Acme Supply": Decimal("100.00"),
        "Delta Air Lines": Decimal("14.99"),
        "Northwind Traders": Decimal("50.25"),
    }
    assert found.by_month == {"2026-03": Decimal("100.00"), "2026-04": Decimal("65.24")}
    assert found.by_account == {
        "Accounts Payable": Decimal("-150.25"),
        "Ramp Card": Decimal("-14.99"),
        "Travel": Decimal("14.99"),
        "Travel:Meals": Decimal("150.25"),
    }
    assert total_of(company, "Bill") == Decimal("150.25")
    assert total_of(company, ("CreditCardCharge", "CreditCardCredit")) == Decimal("14.99")
    assert totals(company, ["Bill"]).overall == Decimal("150.25")


def test_every_transaction_balances() -> None:
    company = seed_company(7)
    ask(company, bill(), card("7.00"), card("2.00", kind="Credit"))
    (added,) = company.txns("Bill")
    ask(company, pay(added.txn_id, "10.00"))
    accounts = {a.list_id for a in company.items("Account")}
    assert sum(v for k, v in company.index.balances.items() if k in accounts) == 0


def test_a_backup_takes_everything_back_counters_included() -> None:
    company = seed_company(7)
    saved = backup(company)
    before = to_json(company)
    ask(company, bill())
    (lost,) = company.txns("Bill")
    restore(company, saved)
    assert to_json(company) == before
    assert company.find_by_guid(GUID) == []
    ask(company, bill())
    assert [t.txn_id for t in company.txns("Bill")] == [lost.txn_id]


def test_a_backup_may_leave_the_recovery_store_alone() -> None:
    company = seed_company(7)
    company.behaviour = replace(company.behaviour, backup_restores_recovery=False)
    saved = backup(company)
    ask(company, bill(), attributes='newMessageSetID="A" onError="stopOnError"')
    restore(company, saved)
    assert list(company.books.recovery["flowctl"]) == ["A"]
    assert list(company.txns("Bill")) == []


def test_an_edit_moves_the_edit_sequence_and_keeps_the_guid() -> None:
    company = seed_company(7)
    ask(company, bill("100.00"))
    (before,) = company.txns("Bill")
    after = user_edits(company, before.txn_id, memo="by hand", reference="X-1", amount=Decimal("99.00"))
    assert after.edit_sequence == before.edit_sequence + 1
    assert (after.values["Memo"], after.values["RefNumber"], after.amount, after.guid) == (
        "by hand",
        "X-1",
        Decimal("99.00"),
        GUID,
    )
    assert company.find_by_guid(GUID.lower()) == [after]
    assert total_of(company, "Bill") == Decimal("99.00")


def test_a_bill_deleted_by_hand_frees_its_payment_and_shows_in_the_deleted_query() -> None:
    company = seed_company(7)
    ask(company, bill("100.00"))
    (added,) = company.txns("Bill")
    ask(company, pay(added.txn_id, "100.00"))
    user_deletes(company, added.txn_id)
    (payment,) = company.txns("BillPaymentCheck")
    assert payment.applied == ()
    assert company.find_by_guid(GUID) == []
    answer = ask(company, "<TxnDeletedQueryRq><TxnDelType>Bill</TxnDelType></TxnDeletedQueryRq>")
    assert f"<TxnDelType>Bill</TxnDelType><TxnID>{added.txn_id}</TxnID>" in answer


def credit(amount: str, *, vendor: str = "Acme Supply", ref: str = "VC-1") -> str:
    return (
        f"<VendorCreditAddRq><VendorCreditAdd><VendorRef><FullName>{vendor}</FullName></VendorRef>"
        f"<TxnDate>2026-03-03</TxnDate><RefNumber>{ref}</RefNumber><ExpenseLineAdd><AccountRef>"
        f"<FullName>Travel:Meals</FullName></AccountRef><Amount>{amount}</Amount></ExpenseLineAdd>"
        "</VendorCreditAdd></VendorCreditAddRq>"
    )


def pay_with(bill_id: str, amount: str, credit_id: str, used: str, *, vendor: str = "Acme Supply") -> str:
    set_credit = (
        f"<SetCredit><CreditTxnID>{credit_id}</CreditTxnID><AppliedAmount>{used}</AppliedAmount></SetCredit>"
        "</AppliedToTxnAdd>"
    )
    return pay(bill_id, amount).replace("</AppliedToTxnAdd>", set_credit).replace("Acme Supply", vendor)


def test_a_credit_pays_a_bill_beside_money_and_neither_is_used_twice() -> None:
    company = seed_company(1)
    vendor = company.named("Vendor", "Acme Supply")
    assert vendor is not None
    ask(company, bill("100.00"), credit("30.00"))
    bill_txn = next(t for t in company.books.txns.values() if t.kind == "Bill")
    credit_txn = next(t for t in company.books.txns.values() if t.kind == "VendorCredit")

    refused = ask(company, pay_with(bill_txn.txn_id, "0.00", credit_txn.txn_id, "30.01"))
    assert "You cannot use more than is left of the credit." in refused
    refused = ask(company, pay_with(bill_txn.txn_id, "70.01", credit_txn.txn_id, "30.00"))
    assert "You cannot pay more than the amount due." in refused
    refused = ask(company, pay_with(bill_txn.txn_id, "1.00", bill_txn.txn_id, "1.00"))
    assert 'statusCode="3120"' in refused

    answer = ask(company, pay_with(bill_txn.txn_id, "70.00", credit_txn.txn_id, "30.00"))
    assert 'statusCode="0"' in answer
    assert "<Amount>70.00</Amount>" in answer
    assert company.open_amount(bill_txn) == company.open_amount(credit_txn) == Decimal(0)
    assert company.index.balances[vendor.list_id] == Decimal(0)
    shown = ask(company, "<BillQueryRq><IncludeLinkedTxns>true</IncludeLinkedTxns></BillQueryRq>")
    assert shown.count("<LinkedTxn>") == 2
    assert "<TxnType>VendorCredit</TxnType>" in shown
    assert to_json(from_json(to_json(company))) == to_json(company)

    refused = ask(company, pay_with(bill_txn.txn_id, "0.00", credit_txn.txn_id, "0.01"))
    assert "You cannot pay more than the amount due." in refused
    gone = f"<TxnDelRq><TxnDelType>VendorCredit</TxnDelType><TxnID>{credit_txn.txn_id}</TxnID></TxnDelRq>"
    assert 'statusCode="3160"' in ask(company, gone)
    check = next(t for t in company.books.txns.values() if t.kind == "BillPaymentCheck")
    ask(company, f"<TxnVoidRq><TxnVoidType>BillPaymentCheck</TxnVoidType><TxnID>{check.txn_id}</TxnID></TxnVoidRq>")
    assert company.open_amount(bill_txn) == Decimal("100.00")
    assert company.open_amount(credit_txn) == Decimal("30.00")


def test_renaming_a_parent_renames_its_children() -> None:
    company = seed_company(7)
    travel = company.named("Account", "Travel")
    assert travel is not None
    company.put_list(replace(travel, name="Trips", full_name="Trips"))
    assert company.named("Account", "Travel:Meals") is None
    assert company.named("Account", "Trips:Meals") is not None


def test_json_holds_the_whole_file() -> None:
    company = seed_company(7)
    company.preferences = replace(company.preferences, closing_date=date(2025, 12, 31))
    company.locks["Bill"] = 3175
    ask(company, card("1.00"), attributes='newMessageSetID="A" onError="stopOnError"')
    company.locks.clear()
    ask(company, bill())
    (added,) = company.txns("Bill")
    ask(company, pay(added.txn_id, "100.00"))
    user_deletes(company, next(company.txns("CreditCardCharge")).txn_id)
    company.locks["Bill"] = 3175
    text = to_json(company)
    again = from_json(text)
    assert to_json(again) == text
    assert again.open_amount(next(again.txns("Bill"))) == Decimal("0.00")
    assert again.find_by_guid(GUID) == [next(again.txns("Bill"))]
    assert again.preferences == company.preferences
    again.locks.clear()
    company.locks.clear()
    assert ask(again, bill(guid=GUID.replace("7", "8"))) == ask(company, bill(guid=GUID.replace("7", "8")))


def test_json_of_another_format_is_refused() -> None:
    content = json.loads(to_json(seed_company(1)))
    content["format"] = 99
    with pytest.raises(ValueError) as caught:
        from_json(json.dumps(content))
    assert str(caught.value) == "the company file has format 99; this version reads format 1"


def test_virtual_time_moves_only_when_told() -> None:
    clock = VirtualClock()
    before = clock.now()
    clock.sleep(90)
    assert ((clock.now() - before).total_seconds(), clock.monotonic()) == (90.0, 90.0)
