"""A company file to start from: a chart of accounts, vendors, classes, customers with jobs, employees and terms."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.model import Behaviour, ListObject, Preferences
from engine.clock import Clock
from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """One account of a chart; `full_name` has its parents before it, `currency` is empty for the home currency."""

    full_name: str
    type: str
    number: str = ""
    currency: str = ""


CHART: tuple[Account, ...] = (
    Account("Checking", "Bank", "10100"),
    Account("Savings", "Bank", "10300"),
    Account("Accounts Receivable", "AccountsReceivable", "11000"),
    Account("Accounts Payable", "AccountsPayable", "20000"),
    Account("Ramp Card", "CreditCard", "20500"),
    Account("Company Visa", "CreditCard", "20600"),
    Account("Employee Reimbursements", "OtherCurrentLiability", "21000"),
    Account("Opening Balance Equity", "Equity", "30000"),
    Account("Consulting Income", "Income", "40100"),
    Account("Cashback Income", "Income", "40900"),
    Account("Cost of Goods Sold", "CostOfGoodsSold", "50100"),
    Account("Advertising", "Expense", "60000"),
    Account("Bank Service Charges", "Expense", "60400"),
    Account("Insurance", "Expense", "63300"),
    Account("Legal Fees", "Expense", "66700"),
    Account("Office Supplies", "Expense", "64900"),
    Account("Rent", "Expense", "67100"),
    Account("Software", "Expense", "67800"),
    Account("Telephone", "Expense", "68100"),
    Account("Travel", "Expense", "68400"),
    Account("Travel:Airfare", "Expense", "68410"),
    Account("Travel:Lodging", "Expense", "68420"),
    Account("Travel:Meals", "Expense", "68430"),
    Account("Utilities", "Expense", "68600"),
)
VENDORS = (
    "Acme Supply",
    "Bayshore CalOil Service",
    "Delta Air Lines",
    "Harbor Office Park",
    "Northwind Traders",
    "Zoë & Söhne GmbH",
)
CLASSES = ("Engineering", "Marketing", "Operations", "Operations:East", "Operations:West")
CUSTOMERS = ("Smith", "Smith:Kitchen", "Lakeside Holdings", "Lakeside Holdings:Phase 1")
EMPLOYEES = ("Jane Doe", "Omar Haddad")
TERMS: Mapping[str, int] = {"Due on receipt": 0, "Net 15": 15, "Net 30": 30, "Net 60": 60}
CURRENCIES: Mapping[str, str] = {
    "US Dollar": "USD",
    "Canadian Dollar": "CAD",
    "Euro": "EUR",
    "British Pound Sterling": "GBP",
}


def seed_company(
    seed: int,
    *,
    vendors: Sequence[str] = VENDORS,
    accounts: Sequence[Account] = CHART,
    classes: Sequence[str] = CLASSES,
    customers: Sequence[str] = CUSTOMERS,
    preferences: Preferences | None = None,
    clock: Clock | None = None,
) -> CompanyFile:
    """A company file with these lists; the same seed and clock give the same ids and the same bytes.

    A parent that is missing from a list of full names is created on the way.
    """
    chance = random.Random(f"company:{seed}")  # noqa: S311  # a simulation must repeat, not surprise
    path = f"C:\\QuickBooks\\sandbox-{seed}.qbw"
    company = CompanyFile(path, seed=seed, preferences=preferences, behaviour=Behaviour(), clock=clock)
    company.books.counters.update({"txn": chance.randrange(0x1000, 0x4000), "list": chance.randrange(1, 0x40)})
    for name, code in CURRENCIES.items():
        add(company, "Currency", name, {"CurrencyCode": code, "IsUserDefinedCurrency": "false", "ExchangeRate": "1"})
    for account in accounts:
        currency = company.named("Currency", account.currency or company.preferences.home_currency)
        values = {"AccountType": account.type, "AccountNumber": account.number}
        add(company, "Account", account.full_name, values, {"CurrencyRef": currency.list_id} if currency else {})
    for name, days in TERMS.items():
        add(company, "StandardTerms", name, {"StdDueDays": str(days)})
    for full_name in classes:
        add(company, "Class", full_name, {})
    for full_name in customers:
        add(company, "Customer", full_name, {"CompanyName": full_name.split(":")[0]})
    for name in EMPLOYEES:
        first, last = name.split(" ", 1)
        add(company, "Employee", name, {"FirstName": first, "LastName": last})
    home = company.named("Currency", company.preferences.home_currency)
    for name in vendors:
        add(
            company,
            "Vendor",
            name,
            {"CompanyName": name, "NameOnCheck": name},
            {"CurrencyRef": home.list_id} if home else {},
        )
    income = company.named("Account", "Consulting Income")
    if income is not None:
        add(company, "ItemService", "Consulting", {"Price": "150.00"}, {"AccountRef": income.list_id})
    return company


def add(
    company: CompanyFile, kind: str, full_name: str, values: Mapping[str, str], refs: Mapping[str, str] | None = None
) -> ListObject:
    """Put one object into a list with its parents, as a user would; an existing one of the name is returned."""
    known = company.named(kind, full_name)
    if known is not None:
        return known
    above, _, name = full_name.rpartition(":")
    parent = add(company, kind, above, values if kind == "Account" else {}, refs) if above else None
    item = ListObject(
        kind=kind,
        list_id=company.next_id("list"),
        name=name,
        full_name=full_name,
        created_at=company.clock.now(),
        modified_at=company.clock.now(),
        edit_sequence=company.next_edit(),
        parent_id=parent.list_id if parent else "",
        values={key: value for key, value in values.items() if value},
        refs=dict(refs or {}),
    )
    company.put_list(item)
    return item
