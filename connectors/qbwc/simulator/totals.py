"""Sums over a company file, for reconciliation: by vendor, account and month, as Decimal."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.index import postings
from connectors.qbwc.simulator.model import ZERO, Txn
from connectors.qbwc.simulator.specs import TXNS
from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of live transactions. Credits count negative; accounts are debit minus credit; months are `2026-03`."""

    overall: Decimal
    count: int
    by_kind: dict[str, Decimal]
    by_vendor: dict[str, Decimal]
    by_account: dict[str, Decimal]
    by_month: dict[str, Decimal]


def amount_of(txn: Txn) -> Decimal:
    """What a transaction counts in sums: its total, negative for credits; the debits of a journal entry."""
    return TXNS[txn.kind].sign * txn.amount


def total_of(company: CompanyFile, kinds: str | Collection[str]) -> Decimal:
    """The sum of all live transactions of these kinds; credits count negative."""
    wanted = {kinds} if isinstance(kinds, str) else set(kinds)
    return sum((amount_of(t) for t in company.books.txns.values() if t.kind in wanted), ZERO)


def totals(company: CompanyFile, kinds: Collection[str] = ()) -> Totals:
    """Sums over the transactions of these kinds, or over all."""
    by_kind: dict[str, Decimal] = {}
    by_vendor: dict[str, Decimal] = {}
    by_account: dict[str, Decimal] = {}
    by_month: dict[str, Decimal] = {}
    overall, count = ZERO, 0
    for txn in company.books.txns.values():
        if kinds and txn.kind not in kinds:
            continue
        amount = amount_of(txn)
        overall, count = overall + amount, count + 1
        _add(by_kind, txn.kind, amount)
        _add(by_month, txn.date.isoformat()[:7], amount)
        party = company.books.lists.get(txn.refs.get(TXNS[txn.kind].party, ""))
        if party is not None:
            _add(by_vendor, party.full_name, amount)
        for list_id, posted in postings(txn):
            item = company.books.lists[list_id]
            if item.kind == "Account":
                _add(by_account, item.full_name, posted)
    return Totals(overall, count, _sorted(by_kind), _sorted(by_vendor), _sorted(by_account), _sorted(by_month))


def _add(sums: dict[str, Decimal], name: str, amount: Decimal) -> None:
    sums[name] = sums.get(name, ZERO) + amount


def _sorted(sums: dict[str, Decimal]) -> dict[str, Decimal]:
    return dict(sorted(sums.items()))
