"""What is in a ledger, in memory: which operations are there, what stands of each object, and the vendors' names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import field
from decimal import Decimal, InvalidOperation

from connectors.ledger.forms import Entry, Torn, Whole
from engine.dataclass import dataclass

_NOTHING = Decimal(0)
# So long is a marker: a GUID without braces.
_MARKER = 36


@dataclass(slots=True)
class Item:
    """An object of the ledger; `begins` is where the entry stands that said last what it is, `total` what it holds now."""

    id: str
    kind: str
    company: str
    name: str
    begins: int
    total: Decimal = _NOTHING
    edits: int = 1
    voided: bool = False


@dataclass(slots=True)
class Index:
    """Built entry by entry, in the order of the file; `ends` is where the last one ends."""

    ends: int = 0
    total: Decimal = _NOTHING
    entries: int = 0
    items: dict[str, Item] = field(default_factory=dict)
    # The object that an operation has written, by the operation's id.
    written: dict[str, str] = field(default_factory=dict)
    # The newest object that was added under a marker, and how many entries there are under it.
    marked: dict[str, str] = field(default_factory=dict)
    series: dict[str, int] = field(default_factory=dict)
    # How many objects of a company's list have a name, by company, list and name without regard to case.
    names: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def take(self, whole: Whole) -> None:
        """One more entry.

        Raises:
            Torn: when it is not one that a ledger has.
        """
        entry = whole.entry
        try:
            amount = _checked(entry)
            self._take(entry, whole.begins, amount)
        except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
            raise Torn("an entry is not one of a ledger") from error
        self.total += amount
        self.entries += 1
        self.ends = whole.ends

    def _take(self, entry: Entry, begins: int, amount: Decimal) -> None:
        first, guid = entry["of"] or entry["entry_id"], entry["guid"]
        base = base_of(first)
        self.series[base] = self.series.get(base, 0) + 1
        if entry["of"]:
            item = self.items[first]
            item.begins, item.edits, item.total = begins, item.edits + 1, item.total + amount
            item.voided = item.voided or entry["request"] == "TxnVoid"
            if entry["total"] is None:
                self.names[_name_of(item)] -= 1
                item.name = entry["party"]
                self.names[_name_of(item)] += 1
        else:
            name = entry["party"] if entry["total"] is None else ""
            item = self.items[first] = Item(first, entry["kind"], entry["company"], name, begins, amount)
            self.names[_name_of(item)] += 1
            self.marked[guid] = first
        self.written[entry["operation"]] = first

    def has_name(self, company: str, kind: str, name: str) -> bool:
        """Whether a company has added a list object of this name."""
        return self.names[company, kind, name.casefold()] > 0

    def of_kind(self, company: str, kind: str) -> Iterator[Item]:
        """The objects of a list that a company has added."""
        return (item for item in self.items.values() if item.kind == kind and item.company == company)

    def next_id(self, base: str) -> str:
        """The id of the next entry of a series: the marker for the first one, then with a number."""
        number = self.series.get(base, 0)
        return f"{base}-{number + 1}" if number else base


def _checked(entry: Entry) -> Decimal:
    """The entry's total, once it is certain that it and its lines can be taken back by another one."""
    amounts = [Decimal(line["amount"]) for line in entry["lines"]]
    total = _NOTHING if entry["total"] is None else Decimal(entry["total"])
    if not all(amount.is_finite() for amount in (total, *amounts)):
        raise ValueError("an amount without end")
    if type(entry["reverses"]) is not int or not 0 <= entry["reverses"] <= len(amounts):
        raise ValueError("more lines are taken back than there are")
    return total


def _name_of(item: Item) -> tuple[str, str, str]:
    return item.company, item.kind, item.name.casefold()


def base_of(entry_id: str) -> str:
    """The series that an entry belongs to: its marker."""
    return entry_id[:_MARKER]
