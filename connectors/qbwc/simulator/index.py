"""What can be worked out from the books, kept so that nothing has to be searched: names, balances, payments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal

from connectors.qbwc.simulator.model import ZERO, ListObject, Txn
from engine.dataclass import dataclass

# What the header of a transaction posts to, and with which sign; its lines post beside it.
HEADER_POSTINGS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "Bill": (("APAccountRef", -1), ("VendorRef", 1)),
    "VendorCredit": (("APAccountRef", 1), ("VendorRef", -1)),
    "CreditCardCharge": (("AccountRef", -1),),
    "CreditCardCredit": (("AccountRef", 1),),
    "Check": (("AccountRef", -1),),
    "Deposit": (("DepositToAccountRef", 1),),
    "Transfer": (("TransferToAccountRef", 1), ("TransferFromAccountRef", -1)),
    "JournalEntry": (),
}


@dataclass(slots=True)
class Index:
    """Lookups over the books of one company file."""

    names: dict[tuple[str, str], str] = field(default_factory=dict)
    guids: dict[str, list[str]] = field(default_factory=dict)
    payers: dict[str, list[str]] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)
    balances: dict[str, Decimal] = field(default_factory=dict)

    def add_list(self, item: ListObject) -> None:
        """Take up a list object."""
        self.names[(item.kind, item.full_name.casefold())] = item.list_id
        self._remember(item.guid, item.list_id)

    def drop_list(self, item: ListObject) -> None:
        """Forget the name of a list object."""
        self.names.pop((item.kind, item.full_name.casefold()), None)

    def add_txn(self, txn: Txn) -> None:
        """Take up a transaction."""
        for list_id, amount in postings(txn):
            self.balances[list_id] = self.balances.get(list_id, ZERO) + amount
        for applied in txn.applied:
            self.payers.setdefault(applied.txn_id, []).append(txn.txn_id)
            for credit, _ in applied.credits:
                self.users.setdefault(credit, []).append(txn.txn_id)
        self._remember(txn.guid, txn.txn_id)

    def drop_txn(self, txn: Txn) -> None:
        """Take back what a transaction did."""
        for list_id, amount in postings(txn):
            self.balances[list_id] -= amount
        for applied in txn.applied:
            self.payers[applied.txn_id].remove(txn.txn_id)
            for credit, _ in applied.credits:
                self.users[credit].remove(txn.txn_id)

    def _remember(self, guid: str, object_id: str) -> None:
        if guid:
            known = self.guids.setdefault(bare(guid), [])
            if object_id not in known:
                known.append(object_id)


def bare(guid: str) -> str:
    """A GUID without braces and in one case."""
    return guid.strip("{}").lower()


def postings(txn: Txn) -> list[tuple[str, Decimal]]:
    """What a transaction does to accounts (debit positive) and to the balance of its vendor (owed positive)."""
    if txn.void:
        return []
    lines = [
        (account, -line.amount if line.kind == "JournalCreditLine" else line.amount)
        for line in txn.lines
        if (account := line.refs.get("AccountRef"))
    ]
    refs, amount = txn.refs, txn.amount
    if txn.kind in ("VendorCredit", "CreditCardCredit", "Deposit"):
        lines = [(account, -value) for account, value in lines]
    if txn.kind == "BillPaymentCheck":
        return _payment(txn)
    header = [(refs[name], sign * amount) for name, sign in HEADER_POSTINGS[txn.kind]]
    return [*lines, *header]


def _payment(txn: Txn) -> list[tuple[str, Decimal]]:
    discounts = [(a.discount_account, -a.discount) for a in txn.applied if a.discount and a.discount_account]
    settled = txn.amount + sum((a.discount for a in txn.applied), ZERO)
    refs = txn.refs
    return [
        (refs["APAccountRef"], settled),
        (refs["BankAccountRef"], -txn.amount),
        *discounts,
        (refs["PayeeEntityRef"], -settled),
    ]
