"""A simulated QuickBooks company file: its lists, transactions, ids, locks and what people do to it by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from connectors.qbwc.simulator.model import (
    ZERO,
    Applied,
    Behaviour,
    DataExt,
    Deleted,
    ListObject,
    Preferences,
    StoredAnswer,
    Txn,
    VirtualClock,
)
from connectors.qbwc.simulator.specs import ENTITIES, TXNS
from engine.clock import Clock


@dataclass(slots=True)
class Books:
    """Everything a backup holds. The values are frozen, so copying the containers copies the books."""

    lists: dict[str, ListObject] = field(default_factory=dict)
    txns: dict[str, Txn] = field(default_factory=dict)
    deleted: list[Deleted] = field(default_factory=list)
    data_ext: dict[tuple[str, str, str], DataExt] = field(default_factory=dict)
    data_ext_defs: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    recovery: dict[str, dict[str, StoredAnswer]] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    def copy(self) -> Books:
        """An independent copy."""
        return Books(
            dict(self.lists),
            dict(self.txns),
            list(self.deleted),
            dict(self.data_ext),
            dict(self.data_ext_defs),
            {app: dict(sets) for app, sets in self.recovery.items()},
            dict(self.counters),
        )


class CompanyFile:
    """One company file on one machine: books, preferences, locks, and the clock of its workstation."""

    def __init__(
        self,
        path: str = "C:\\QuickBooks\\sandbox.qbw",
        *,
        seed: int = 0,
        preferences: Preferences | None = None,
        behaviour: Behaviour | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.path = path
        self.seed = seed
        self.preferences = preferences or Preferences()
        self.behaviour = behaviour or Behaviour()
        self.clock: Clock = clock or VirtualClock()
        self.books = Books()
        # Object id or list name -> the status code a write to it meets: 3175, 3176 or 3180.
        self.locks: dict[str, int] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._payments: dict[str, list[str]] = {}
        self._balances: dict[str, Decimal] = {}
        self._guids: dict[str, list[str]] = {}

    # --- ids and time ---------------------------------------------------------------------------------------------

    def count(self, name: str) -> int:
        """The next number of a counter, starting at 1."""
        number = self.books.counters.get(name, 0) + 1
        self.books.counters[name] = number
        return number

    def next_id(self, counter: str) -> str:
        """A new ListID (`80000001-1785964190`), or TxnID and TxnLineID from their common counter (`1A2B-1785964190`)."""
        number = self.count(counter) + (0x80000000 if counter == "list" else 0)
        return f"{number:X}-{int(self.clock.now().timestamp())}"

    def next_edit(self, before: int = 0) -> int:
        """An EditSequence: the epoch second of the change. ASSUMED: two changes within a second still differ."""
        return max(int(self.clock.now().timestamp()), before + 1)

    def today(self) -> date:
        """The date on the workstation."""
        return (self.clock.now() + timedelta(hours=self.preferences.utc_offset_h)).date()

    def now(self) -> datetime:
        """The moment on the workstation's clock."""
        return self.clock.now()

    # --- reading --------------------------------------------------------------------------------------------------

    def objects(self, kind: str) -> Iterator[ListObject | Txn]:
        """All list objects or transactions of a kind, oldest first."""
        source: Iterable[ListObject | Txn] = self.books.txns.values() if kind in TXNS else self.books.lists.values()
        return (item for item in source if item.kind == kind)

    def named(self, kind: str, full_name: str) -> ListObject | None:
        """A list object by its full name; QuickBooks compares without regard to case."""
        list_id = self._names.get((kind, full_name.casefold()))
        return self.books.lists[list_id] if list_id else None

    def name_owner(self, kind: str, full_name: str) -> ListObject | None:
        """Who already uses a name; vendors, customers, employees and other names share one name space."""
        spaces = ENTITIES if kind in ENTITIES else (kind,)
        return next((found for space in spaces if (found := self.named(space, full_name))), None)

    def find_by_guid(self, guid: str) -> list[ListObject | Txn]:
        """Every live object that was created with this ExternalGUID: two of them are a duplicate."""
        found = self._guids.get(guid.strip("{}").lower(), [])
        return [item for id_ in found if (item := self.books.txns.get(id_) or self.books.lists.get(id_))]

    def payments_of(self, txn_id: str) -> list[tuple[Txn, Applied]]:
        """The payments and credits applied to a transaction."""
        payments = (self.books.txns[id_] for id_ in self._payments.get(txn_id, ()))
        return [(txn, applied) for txn in payments for applied in txn.applied if applied.txn_id == txn_id]

    def open_amount(self, txn: Txn) -> Decimal:
        """What is still to be paid of a bill, or to be used of a credit."""
        return txn.amount - sum((a.amount + a.discount for _, a in self.payments_of(txn.txn_id)), ZERO)

    def balance(self, list_id: str) -> Decimal:
        """Balance of an account (debit minus credit) or of a vendor (what is owed)."""
        return self._balances.get(list_id, ZERO)

    # --- changing -------------------------------------------------------------------------------------------------

    def put_list(self, item: ListObject) -> None:
        """Save a new or changed list object, and rename what is below it."""
        before = self.books.lists.get(item.list_id)
        if before is not None:
            self._names.pop((before.kind, before.full_name.casefold()), None)
        self.books.lists[item.list_id] = item
        self._names[(item.kind, item.full_name.casefold())] = item.list_id
        self._remember_guid(item.guid, item.list_id)
        if before is not None and before.full_name != item.full_name:
            for child in [c for c in self.books.lists.values() if c.parent_id == item.list_id]:
                self.put_list(replace(child, full_name=f"{item.full_name}:{child.name}"))

    def put_txn(self, txn: Txn) -> None:
        """Save a new or changed transaction and move the balances it touches."""
        before = self.books.txns.get(txn.txn_id)
        if before is not None:
            self._count_in(before, -1)
        self.books.txns[txn.txn_id] = txn
        self._count_in(txn, 1)
        self._remember_guid(txn.guid, txn.txn_id)

    def delete(self, object_id: str) -> Deleted:
        """Delete a list object or a transaction, remembering that it was there."""
        if object_id in self.books.txns:
            txn = self.books.txns.pop(object_id)
            self._count_in(txn, -1)
            gone = Deleted(txn.kind, object_id, txn.created_at, self.now(), txn.values.get("RefNumber", ""))
        else:
            item = self.books.lists.pop(object_id)
            self._names.pop((item.kind, item.full_name.casefold()), None)
            gone = Deleted(item.kind, object_id, item.created_at, self.now(), item.full_name)
        self.books.deleted.append(gone)
        return gone

    def set_data_ext(self, ext: DataExt) -> None:
        """Write one data field."""
        self.books.data_ext[(ext.owner_id.lower(), ext.object_id, ext.name)] = ext

    def data_ext_of(self, object_id: str, owners: Iterable[str]) -> list[DataExt]:
        """The data fields of an object (or of the company, with an empty id) that belong to these owners."""
        wanted = {owner.lower() for owner in owners}
        found = [e for (owner, target, _), e in self.books.data_ext.items() if target == object_id and owner in wanted]
        return sorted(found, key=lambda ext: (ext.owner_id, ext.name))

    # --- indexes --------------------------------------------------------------------------------------------------

    def load(self, books: Books) -> None:
        """Take over other books, as opening or restoring a file does, and build the indexes again."""
        self.books = books
        self._names = {(i.kind, i.full_name.casefold()): i.list_id for i in books.lists.values()}
        self._payments, self._balances, self._guids = {}, {}, {}
        for item in books.lists.values():
            self._remember_guid(item.guid, item.list_id)
        for txn in books.txns.values():
            self._count_in(txn, 1)
            self._remember_guid(txn.guid, txn.txn_id)

    def _remember_guid(self, guid: str, object_id: str) -> None:
        if guid:
            known = self._guids.setdefault(guid.strip("{}").lower(), [])
            if object_id not in known:
                known.append(object_id)

    def _count_in(self, txn: Txn, direction: int) -> None:
        for list_id, amount in postings(txn):
            self._balances[list_id] = self._balances.get(list_id, ZERO) + direction * amount
        for applied in txn.applied:
            payers = self._payments.setdefault(applied.txn_id, [])
            if direction > 0:
                payers.append(txn.txn_id)
            else:
                payers.remove(txn.txn_id)


def postings(txn: Txn) -> list[tuple[str, Decimal]]:
    """What a transaction does to accounts (debit positive) and to the balance of its vendor (owed positive)."""
    if txn.void:
        return []
    debits = [
        (account, -line.amount if line.kind == "JournalCreditLine" else line.amount)
        for line in txn.lines
        if (account := line.refs.get("AccountRef"))
    ]
    refs, amount = txn.refs, txn.amount
    if txn.kind == "Bill":
        return [*debits, (refs["APAccountRef"], -amount), (refs["VendorRef"], amount)]
    if txn.kind == "VendorCredit":
        return [*((a, -m) for a, m in debits), (refs["APAccountRef"], amount), (refs["VendorRef"], -amount)]
    if txn.kind == "BillPaymentCheck":
        return _payment_postings(txn)
    if txn.kind in ("CreditCardCharge", "Check"):
        return [*debits, (refs["AccountRef"], -amount)]
    if txn.kind == "CreditCardCredit":
        return [*((a, -m) for a, m in debits), (refs["AccountRef"], amount)]
    if txn.kind == "Deposit":
        return [*((a, -m) for a, m in debits), (refs["DepositToAccountRef"], amount)]
    if txn.kind == "Transfer":
        return [(refs["TransferToAccountRef"], amount), (refs["TransferFromAccountRef"], -amount)]
    return debits


def _payment_postings(txn: Txn) -> list[tuple[str, Decimal]]:
    discounts = [(a.discount_account, -a.discount) for a in txn.applied if a.discount and a.discount_account]
    settled = txn.amount + sum((a.discount for a in txn.applied), ZERO)
    refs = txn.refs
    return [
        (refs["APAccountRef"], settled),
        (refs["BankAccountRef"], -txn.amount),
        *discounts,
        (refs["PayeeEntityRef"], -settled),
    ]


# --- what people do -------------------------------------------------------------------------------------------------


def backup(company: CompanyFile) -> Books:
    """A backup of the file as it is now."""
    return company.books.copy()


def restore(company: CompanyFile, saved: Books) -> None:
    """Restore a backup over the file: everything since then is gone, counters included."""
    books = saved.copy()
    if not company.behaviour.backup_restores_recovery:
        books.recovery = {app: dict(sets) for app, sets in company.books.recovery.items()}
    company.load(books)


def user_edits(
    company: CompanyFile, txn_id: str, *, memo: str | None = None, reference: str | None = None, amount: Decimal | None = None
) -> Txn:
    """A person changes a transaction: its EditSequence moves, its ExternalGUID does not."""
    txn = company.books.txns[txn_id]
    values = dict(txn.values)
    if memo is not None:
        values["Memo"] = memo
    if reference is not None:
        values["RefNumber"] = reference
    changed = replace(txn, values=values, modified_at=company.now(), edit_sequence=company.next_edit(txn.edit_sequence))
    if amount is not None and txn.lines:
        rest = amount - sum((line.amount for line in txn.lines[1:]), ZERO)
        changed = replace(changed, amount=amount, lines=(replace(txn.lines[0], amount=rest), *txn.lines[1:]))
    company.put_txn(changed)
    return changed


def user_deletes(company: CompanyFile, object_id: str) -> Deleted:
    """A person deletes an object in QuickBooks; payments of a deleted bill keep their money as an open credit."""
    for payment, _ in company.payments_of(object_id):
        kept = tuple(a for a in payment.applied if a.txn_id != object_id)
        company.put_txn(replace(payment, applied=kept))
    return company.delete(object_id)


def close_books(company: CompanyFile, day: date | None) -> None:
    """Set the closing date: nothing dated on it or before can be written."""
    company.preferences = replace(company.preferences, closing_date=day)
