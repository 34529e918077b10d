"""A simulated QuickBooks company file: its lists, transactions, ids and locks, and what people do to it by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from datetime import date, timedelta
from decimal import Decimal

from connectors.qbwc.simulator.index import Index, bare
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
from connectors.qbwc.simulator.specs import TXNS
from engine.clock import Clock
from engine.dataclass import dataclass


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
    """One company file on one machine: books, preferences, locks, and the clock of its workstation.

    `locks` maps an object id, or the name of a list or transaction type, to the status code that a write to it meets:
    3175, 3176 or 3180. `refusals` maps the name of a query to the status code that it meets: 3260 or 1000.
    """

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
        self.index = Index()
        self.locks: dict[str, int] = {}
        self.refusals: dict[str, int] = {}

    def count(self, name: str) -> int:
        """The next number of a counter, starting at 1."""
        number = self.books.counters.get(name, 0) + 1
        self.books.counters[name] = number
        return number

    def next_id(self, counter: str) -> str:
        """A new ListID (`80000001-1785964190`), or a TxnID or TxnLineID, which share a counter (`1A2B-1785964190`)."""
        number = self.count(counter) + (0x80000000 if counter == "list" else 0)
        return f"{number:X}-{int(self.clock.now().timestamp())}"

    def next_edit(self, before: int = 0) -> int:
        """An EditSequence: the epoch second of the change. ASSUMED: two changes within a second still differ."""
        return max(int(self.clock.now().timestamp()), before + 1)

    def objects(self, kind: str) -> list[ListObject | Txn]:
        """All list objects or transactions of a kind, oldest first."""
        return list(self.txns(kind)) if kind in TXNS else list(self.items(kind))

    def items(self, kind: str) -> Iterator[ListObject]:
        """The objects of a list, oldest first."""
        return (item for item in self.books.lists.values() if item.kind == kind)

    def txns(self, kind: str) -> Iterator[Txn]:
        """The transactions of a kind, oldest first."""
        return (txn for txn in self.books.txns.values() if txn.kind == kind)

    def named(self, kind: str, full_name: str) -> ListObject | None:
        """A list object by its full name; QuickBooks compares without regard to case."""
        list_id = self.index.names.get((kind, full_name.casefold()))
        return self.books.lists[list_id] if list_id else None

    def find_by_guid(self, guid: str) -> list[ListObject | Txn]:
        """Every live object that was created with this ExternalGUID: two of them are a duplicate."""
        found = self.index.guids.get(bare(guid), [])
        return [item for id_ in found if (item := self.books.txns.get(id_) or self.books.lists.get(id_))]

    def payments_of(self, txn_id: str) -> list[tuple[Txn, Applied]]:
        """The payments applied to a transaction."""
        payments = (self.books.txns[id_] for id_ in dict.fromkeys(self.index.payers.get(txn_id, ())))
        return [(txn, applied) for txn in payments for applied in txn.applied if applied.txn_id == txn_id]

    def uses_of(self, credit_id: str) -> list[tuple[Txn, Applied, Decimal]]:
        """The payments that use a vendor credit: for which bill, and how much of it."""
        payments = (self.books.txns[id_] for id_ in dict.fromkeys(self.index.users.get(credit_id, ())))
        return [
            (txn, applied, used)
            for txn in payments
            for applied in txn.applied
            for each, used in applied.credits
            if each == credit_id
        ]

    def open_amount(self, txn: Txn) -> Decimal:
        """What is still to be paid of a bill, or to be used of a credit."""
        if txn.kind == "VendorCredit":
            return txn.amount - sum((used for _, _, used in self.uses_of(txn.txn_id)), ZERO)
        return txn.amount - sum((a.settled for _, a in self.payments_of(txn.txn_id)), ZERO)

    def put_list(self, item: ListObject) -> None:
        """Save a new or changed list object, and rename what is below it."""
        before = self.books.lists.get(item.list_id)
        if before is not None:
            self.index.drop_list(before)
        self.books.lists[item.list_id] = item
        self.index.add_list(item)
        if before is not None and before.full_name != item.full_name:
            for child in [c for c in self.books.lists.values() if c.parent_id == item.list_id]:
                self.put_list(replace(child, full_name=f"{item.full_name}:{child.name}"))

    def put_txn(self, txn: Txn) -> None:
        """Save a new or changed transaction and move the balances it touches."""
        before = self.books.txns.get(txn.txn_id)
        if before is not None:
            self.index.drop_txn(before)
        self.books.txns[txn.txn_id] = txn
        self.index.add_txn(txn)

    def delete(self, object_id: str) -> Deleted:
        """Delete a list object or a transaction, remembering that it was there."""
        now = self.clock.now()
        if object_id in self.books.txns:
            txn = self.books.txns.pop(object_id)
            self.index.drop_txn(txn)
            gone = Deleted(txn.kind, object_id, txn.created_at, now, txn.values.get("RefNumber", ""))
        else:
            item = self.books.lists.pop(object_id)
            self.index.drop_list(item)
            gone = Deleted(item.kind, object_id, item.created_at, now, item.full_name)
        self.books.deleted.append(gone)
        return gone

    def load(self, books: Books) -> None:
        """Take over other books, as opening or restoring a file does."""
        self.books, self.index = books, Index()
        for item in books.lists.values():
            self.index.add_list(item)
        for txn in books.txns.values():
            self.index.add_txn(txn)


def today(company: CompanyFile) -> date:
    """The date on the workstation."""
    return (company.clock.now() + timedelta(hours=company.preferences.utc_offset_h)).date()


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
    company: CompanyFile,
    txn_id: str,
    *,
    memo: str | None = None,
    reference: str | None = None,
    amount: Decimal | None = None,
) -> Txn:
    """A person changes a transaction: its EditSequence moves, its ExternalGUID does not.

    A new amount goes to the first line; a journal entry or a payment keeps its amount. The memo of a journal entry
    stands on its lines: that of the last one, which is where the whole amount is, is changed.
    """
    txn = company.books.txns[txn_id]
    values, lines = dict(txn.values), txn.lines
    if memo is not None and txn.kind == "JournalEntry":
        lines = (*lines[:-1], *(replace(line, values={**line.values, "Memo": memo}) for line in lines[-1:]))
    elif memo is not None:
        values["Memo"] = memo
    if reference is not None:
        values["RefNumber"] = reference
    edit = company.next_edit(txn.edit_sequence)
    changed = replace(txn, values=values, lines=lines, modified_at=company.clock.now(), edit_sequence=edit)
    if amount is not None and txn.lines and txn.kind != "JournalEntry":
        rest = amount - sum((line.amount for line in txn.lines[1:]), ZERO)
        changed = replace(changed, amount=amount, lines=(replace(txn.lines[0], amount=rest), *txn.lines[1:]))
    company.put_txn(changed)
    return changed


def user_recodes(
    company: CompanyFile,
    txn_id: str,
    *,
    dated_on: date | None = None,
    vendor: str = "",
    account: str = "",
    class_id: str = "",
    added: Decimal | None = None,
) -> Txn:
    """A person changes the date, the vendor, the account or class of the first line, or adds a line like the last one.

    `vendor`, `account` and `class_id` are ListIDs; an empty one leaves what is there. `added` is the amount of a new line.
    """
    txn = company.books.txns[txn_id]
    refs = {**txn.refs, "VendorRef": vendor} if vendor else txn.refs
    coding = {name: value for name, value in (("AccountRef", account), ("ClassRef", class_id)) if value}
    lines, amount = txn.lines, txn.amount
    if coding and lines:
        lines = (replace(lines[0], refs={**lines[0].refs, **coding}), *lines[1:])
    if added is not None and lines:
        lines, amount = (*lines, replace(lines[-1], line_id=company.next_id("txn"), amount=added)), amount + added
    changed = replace(
        txn,
        date=dated_on or txn.date,
        refs=refs,
        lines=lines,
        amount=amount,
        modified_at=company.clock.now(),
        edit_sequence=company.next_edit(txn.edit_sequence),
    )
    company.put_txn(changed)
    return changed


def user_deletes(company: CompanyFile, object_id: str) -> Deleted:
    """A person deletes an object in QuickBooks; what paid a deleted bill keeps its money and is no longer applied."""
    for payment, _ in company.payments_of(object_id):
        kept = tuple(a for a in payment.applied if a.txn_id != object_id)
        company.put_txn(replace(payment, applied=kept))
    for payment, _, _ in company.uses_of(object_id):
        without = (
            replace(a, credits=tuple(each for each in a.credits if each[0] != object_id)) for a in payment.applied
        )
        company.put_txn(replace(company.books.txns[payment.txn_id], applied=tuple(without)))
    return company.delete(object_id)


def close_books(company: CompanyFile, day: date | None) -> None:
    """Set the closing date: nothing dated on it or before can be written."""
    company.preferences = replace(company.preferences, closing_date=day)
