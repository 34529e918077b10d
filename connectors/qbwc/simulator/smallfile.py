"""The small company file of a campaign, and a QuickBooks of which everything that no source says is drawn by chance."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from connectors.qbwc.simulator.company import Books, CompanyFile
from connectors.qbwc.simulator.model import Behaviour, Preferences, VirtualClock
from connectors.qbwc.simulator.seed import Account, seed_company
from engine.clock import Clock

_ACCOUNTS = (
    Account("Checking", "Bank", "10100"),
    Account("Accounts Payable", "AccountsPayable", "20000"),
    Account("Ramp Card", "CreditCard", "20500"),
    Account("Office Supplies", "Expense", "64900"),
    Account("Software", "Expense", "67800"),
    Account("Travel", "Expense", "68400"),
)


def any_behaviour(chance: random.Random) -> Behaviour:
    """Every switch for what is not known, thrown."""
    options: Mapping[str, Sequence[Any]] = {
        "guid_in_add_answers": (True, False),
        "guid_in_queries": (True, True, False),
        "checksum": ("bytes", "content"),
        "stored_answer": ("full", "ids"),
        "kept_sets": (0, 0, 1, 3),
        "backup_restores_recovery": (True, False),
        "store_loss": (0.0, 0.0, 0.1, 0.5),
        "absent_set_code": ("9002", "600"),
        "message_set_id_limit": (24, 23),
        "closed_period_code": (3170, 3171),
        "wrong_account_code": (3210, 3140),
        "currency_mismatch_code": (3210, 3140, 3180),
        "refuse_negative_total": (True, False),
        "missing_ref_number_code": (500, 1),
        "unrun_requests": ("omit", "3231"),
        "payment_touches_bill": (True, False),
        "outside_cp1252": ("replace", "keep"),
        "inactive_usable": (True, False),
    }
    return Behaviour(**{name: chance.choice(values) for name, values in options.items()})


@cache
def _template() -> Books:
    company = seed_company(
        1,
        vendors=("Acme Supply", "Harbor Office Park"),
        accounts=_ACCOUNTS,
        classes=("Engineering",),
        customers=("Smith", "Smith:Kitchen"),
        clock=VirtualClock(),
    )
    return company.books


def small_company(seed: int, clock: Clock, place: str) -> CompanyFile:
    """A copy of the one small company file: building it anew would take longer than a schedule may."""
    preferences = Preferences(company_name=f"Sandbox Company {place}")
    company = CompanyFile(f"C:\\QuickBooks\\{place}.qbw", seed=seed, preferences=preferences, clock=clock)
    company.load(_template().copy())
    return company
