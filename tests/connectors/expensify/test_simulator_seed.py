"""The seeded account: the same bytes for the same seed, the oddities that were asked for, and what a template sees."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connectors.expensify.simulator import Category, Chart, ExpensifySimulator, Mix, Options, Tag, seed_business
from connectors.expensify.simulator.data import report_model
from connectors.expensify.simulator.seed import email_of
from tests.connectors.expensify.simulator_kit import MEALS, START, Account, StillClock

RICH = Mix(unapproved=0.2, refunds=0.3, foreign=0.3, modified=0.3, exported=0.2, long_report=300)
CHART = Chart(
    categories=(Category("Travel", "6200"), Category("Office Supplies", "6100")),
    classes=(Tag("West", "W"), Tag("East")),
    customers=(Tag("Acme:Kitchen"),),
    people=("Harbor Office Park", "Acme Supply"),
    gaps=(Category("Client Gifts"),),
)


def seeded(seed: int = 7, **fields: Any) -> ExpensifySimulator:
    simulator = ExpensifySimulator(seed, StillClock(), options=fields.pop("options", Options()))
    seed_business(simulator, **fields)
    return simulator


def models(simulator: ExpensifySimulator) -> list[dict[str, Any]]:
    return [report_model(simulator.world, report) for report in simulator.world.reports.values()]


def test_same_seed_same_account() -> None:
    def ids(seed: int) -> set[str]:
        return set(seeded(seed).world.reports)

    assert models(seeded(1, mix=RICH)) == models(seeded(1, mix=RICH))
    assert not ids(1) & ids(2)


def test_the_default_account() -> None:
    world = seeded().world
    reports = list(world.reports.values())
    assert (len(reports), len(world.policies), len(world.employees)) == (20, 2, 8)
    assert all(report.minor > 0 for report in reports)
    assert {policy.tag_shape for policy in world.policies.values()} == {"flat", "levels"}
    assert {"APPROVED", "REIMBURSED"} <= {report.state for report in reports}
    ids = [expense.id for report in reports for expense in report.expenses]
    assert len(ids) == len(set(ids))
    assert all(len(key) == 19 and int(key) > 2**53 for key in ids)
    assert all(len(report.id) == 12 and report.id.startswith("R00") for report in reports)
    assert world.labels == {}


def test_what_it_is_coded_to() -> None:
    world = seeded(chart=CHART, people=5, reports=40).world
    expenses = [expense for report in world.reports.values() for expense in report.expenses]
    used = Counter(expense.category.name for expense in expenses if expense.category)
    assert set(used) == {"Travel", "Office Supplies", "Client Gifts"}
    assert used["Client Gifts"] == 1
    assert next(iter(world.reports.values())).expenses[-1].category == CHART.gaps[0]
    assert {tuple(tag.name for tag in expense.tags) for expense in expenses} == {
        (), ("West",), ("East",), ("West", "Acme:Kitchen"), ("East", "Acme:Kitchen"),
    }  # fmt: skip
    people = [person for person in world.employees.values() if person.role == "user"]
    assert [(p.email, p.name, p.user_id) for p in people] == [
        ("harbor.office.park.0@example.com", "Harbor Office Park", "Harbor Office Park"),
        ("acme.supply.1@example.com", "Acme Supply", "Acme Supply"),
    ]


def test_oddities_on_demand() -> None:
    simulator = seeded(mix=RICH, reports=60)
    reports = list(simulator.world.reports.values())
    expenses = [expense for report in reports for expense in report.expenses]
    assert len(reports[0].expenses) == 300
    assert any(expense.counts < 0 for expense in expenses)
    assert {expense.currency for expense in expenses} == {"USD", "EUR", "JPY", "KWD", "CAD"}
    assert all(expense.converted is not None for expense in expenses if expense.currency != "USD")
    assert any(expense.modified_minor for expense in expenses)
    assert any(expense.billable for expense in expenses)
    assert any(expense.card and not expense.reimbursable for expense in expenses)
    totals = simulator.totals()
    by_hand = [report for report in reports if simulator.world.labels.get(report.id)]
    assert totals.exported == {"USD": sum((report.total for report in by_hand), Decimal(0))}
    assert totals.marks == {"hand": len(by_hand)}
    final = sum(report.state not in ("OPEN", "SUBMITTED") for report in reports)
    assert totals.waiting == final - len(by_hand)


def test_addresses() -> None:
    assert email_of("Zoë O'Malley & Co.", 2) == "zoe.o.malley.co.2@example.com"
    assert email_of("東海林 葵", 3) == "person.3@example.com"


# --- what a template sees ---


def test_the_whole_model_of_a_report() -> None:
    account = Account(absent="empty")
    tags = (Tag("West", "W"), Tag("Acme:Kitchen"))
    account.report(
        account.expense(
            123456,
            currency="EUR",
            converted=133000,
            modified_merchant="Delta",
            modified_created=date(2026, 2, 1),
            tags=tags,
            comment='a "quote"',
            bank="Visa",
            card="4111XXXXXXXX1111",
            reimbursable=False,
            mcc=5812,
            receipt_url="https://x/y?z=1",
            tax_minor=99,
            tax_name="VAT",
        ),
        name="Trip",
        state="REIMBURSED",
        reimbursed=START,
        id="R00X9oNOn2MO",
        old_id="3397451",
    )
    (made,) = models(account.simulator)
    (expense,) = made.pop("transactionList")
    assert made == {
        "reportID": "R00X9oNOn2MO",
        "oldReportID": "3397451",
        "reportName": "Trip",
        "accountEmail": "ana@example.com",
        "accountID": 1428884539,
        "entryID": "3397451",
        "status": "Reimbursed",
        "state": "REIMBURSED",
        "total": 133000,
        "currency": "USD",
        "created": "2026-02-20 09:00:00",
        "submitted": "2026-02-20 09:00:00",
        "approved": "2026-02-20 09:00:00",
        "reimbursed": "2026-03-02 09:00:00",
        "policyID": account.policy.id,
        "policyName": "Acme",
        "managerEmail": "admin@example.com",
        "managerUserID": "",
        "managerPayrollID": "E-1",
        "manager": {"firstName": "Amélie", "lastName": "Okafor", "fullName": "Amélie Okafor"},
        "approvers": [{"email": "admin@example.com", "date": "2026-02-20 09:00:00"}],
        "actionList": [],
        "customField": {},
        "isACHReimbursed": True,
        "submitterUserID": "Ana López",
        "submitterPayrollID": "E-7",
        "employeeCustomField1": "Ana López",
    }
    assert expense == {
        "transactionID": next(iter(account.world.reports.values())).expenses[0].id,
        "reportID": "R00X9oNOn2MO",
        "type": "Expense",
        "merchant": "Blue Bottle Coffee",
        "modifiedMerchant": "Delta",
        "amount": 123456,
        "modifiedAmount": "",
        "convertedAmount": 133000,
        "currency": "EUR",
        "created": "2026-03-02",
        "modifiedCreated": "2026-02-01",
        "inserted": "2026-02-20 09:00:00",
        "category": "Meals",
        "categoryGlCode": "6300",
        "categoryPayrollCode": "",
        "tag": "West:Acme:Kitchen",
        "tagGlCode": "W:",
        "ntag1": "West",
        "ntag1GlCode": "W",
        "ntag2": "Acme:Kitchen",
        "ntag2GlCode": "",
        "comment": 'a "quote"',
        "reimbursable": False,
        "billable": False,
        "bank": "Visa",
        "cardNumber": "4111XXXXXXXX1111",
        "mcc": 5812,
        "receiptObject": {"url": "https://x/y?z=1"},
        "taxAmount": 99,
        "modifiedTaxAmount": "",
        "taxName": "VAT",
    }


@pytest.mark.parametrize(
    ("form", "expected"),
    [("missing", {}), ("empty", {"modifiedAmount": "", "comment": ""}), ("zero", {"modifiedAmount": 0, "comment": ""})],
)
def test_three_forms_of_what_is_not_there(form: Any, expected: dict[str, Any]) -> None:
    account = Account(absent=form)
    account.report()
    (expense,) = models(account.simulator)[0]["transactionList"]
    assert {name: expense[name] for name in ("modifiedAmount", "comment") if name in expense} == expected


def test_mixed_forms_differ_within_a_report_and_never_change() -> None:
    account = Account()
    account.report(*(account.expense() for _ in range(12)))
    first = models(account.simulator)
    values = {expense.get("modifiedAmount", "missing") for expense in first[0]["transactionList"]}
    assert values == {"missing", "", 0}
    assert first == models(account.simulator)


def test_booleans_and_amounts_in_both_forms() -> None:
    def shown(**options: Any) -> tuple[Any, ...]:
        account = Account(**options)
        account.report(
            account.expense(100, currency="JPY", converted=67),
            account.expense(12345, currency="KWD", converted=4000, category=MEALS),
        )
        yen, dinar = models(account.simulator)[0]["transactionList"]
        return yen["amount"], yen["convertedAmount"], yen["billable"], dinar["amount"]

    assert shown(amounts="minor") == (100, 67, False, 12345)
    assert shown(flags="text") == (10000, 67, "false", 1234)
