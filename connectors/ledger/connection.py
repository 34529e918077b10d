"""An open ledger: writes a document once, finds what was written, and lists what documents may refer to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from io import FileIO
from typing import Any

from connectors.ledger import chart, entry
from connectors.ledger.entry import VOID, Document
from connectors.ledger.errors import NameTaken, NoSuchEntry, NotAnEntry
from connectors.ledger.file import LedgerFile
from connectors.ledger.forms import FORMS, Entry
from connectors.ledger.index import Item, base_of
from connectors.ledger.settings import Settings
from engine.clock import Clock, iso
from engine.contract import ListObject, Operation, Receipt
from engine.dataclass import dataclass
from engine.evidence import plain_guid

_PAGE = 500


@dataclass(slots=True)
class LedgerConnection:
    """A `Target` with lists (`Listing`)."""

    settings: Settings
    clock: Clock
    _ledger: LedgerFile = field(init=False)
    _chart: chart.Lists | None = None
    _names: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """The file is opened when it is first needed."""
        self._ledger = LedgerFile(self.settings.path, FORMS[self.settings.format])

    def find(self, operation: Operation) -> Receipt | None:
        """What the operation has written, or what was added under its marker and is not voided."""
        with self._ledger.locked(create=False) as file:
            item = None if file is None else self._item(operation)
        return None if item is None else _receipt(item)

    def write(self, operation: Operation) -> Receipt:
        """Append the operation's entry, unless it is there."""
        document = entry.read(operation)
        with self._ledger.locked(create=True) as file:
            assert file is not None
            item = self._item(operation)
            if item is None:
                self._ledger.append(file, lambda: self._entry(file, operation, document))
                item = self._ledger.index.items[self._ledger.index.written[operation.id]]
        return _receipt(item)

    def list_objects(self, name: str) -> Iterator[Sequence[ListObject]]:
        """The objects of the chart file; of vendors, those that were added to the ledger as well."""
        found = list(self._lists().get(name, {}).values())
        with self._ledger.locked(create=False) as file:
            if file is not None:
                added = self._ledger.index.of_kind(self.settings.company, name)
                found += [ListObject(item.id, item.name, edit_sequence=str(item.edits)) for item in added]
        # An empty list is one empty page: it was read, and holds nothing.
        for start in range(0, max(1, len(found)), _PAGE):
            yield found[start : start + _PAGE]

    def tried(self) -> str:
        """The file can be opened, and the chart be read."""
        with self._ledger.locked(create=True):
            entries = self._ledger.index.entries
        listed = sum(len(objects) for objects in self._lists().values())
        return f"{entries} entries in the file, {listed} names in the chart"

    def close(self) -> None:
        """Give the file back."""
        self._ledger.close()

    # --- what is there -----------------------------------------------------------------------------------------------

    def _item(self, operation: Operation) -> Item | None:
        """The object that the operation has written, if it has."""
        index = self._ledger.index
        if (first := index.written.get(operation.id)) is not None:
            return index.items[first]
        if operation.request == VOID:
            found = index.items.get(operation.target_id)
            return found if found is not None and found.voided else None
        if operation.request.endswith("Mod"):
            # The same marker as that of what it changes: only the operation itself can be told.
            return None
        found = index.items.get(index.marked.get(operation.guid, ""))
        return None if found is None or found.voided else found

    # --- a new entry -------------------------------------------------------------------------------------------------

    def _entry(self, file: FileIO, operation: Operation, document: Document) -> Entry:
        """The operation's entry as it is written.

        Raises:
            NoSuchEntry: when it refers to one that is not there.
            NameTaken: when it adds a vendor whose name is taken.
        """
        index = self._ledger.index
        made = entry.of(document, self._named, self.settings.currency)
        first = ""
        if document.request == VOID or document.request.endswith("Mod"):
            item = self._corrected(document)
            made = entry.corrected(made, self._standing(file, item), item.total)
            first, base = item.id, base_of(item.id)
            if document.request == VOID:
                made["party"] = str(self._ledger.entry_at(file, item.begins)["party"])
        else:
            base = plain_guid(operation.guid)
            if base_of(base) != base or not base:
                raise NotAnEntry(document.request, "it has no marker")
            self._may_add(document)
        return {
            "entry_id": index.next_id(base),
            "of": first,
            "operation": operation.id,
            "guid": operation.guid,
            "sha256": operation.sha256,
            "company": self.settings.company,
            "request": document.request,
            "kind": document.kind,
            "posted_at": iso(self.clock.now()),
            "reverses": 0,
            **made,
        }

    def _corrected(self, document: Document) -> Item:
        """What a Mod changes or a TxnVoid voids."""
        item = self._ledger.index.items.get(document.target_id)
        if item is None or item.kind != document.kind or item.company != self.settings.company:
            raise NoSuchEntry(document.request, document.target_id, f"the ledger has no {document.kind}")
        if item.voided:
            raise NoSuchEntry(document.request, document.target_id, f"voided is the {document.kind}")
        return item

    def _standing(self, file: FileIO, item: Item) -> list[Any]:
        """The lines that an object has now: those of the entry that said so last, without what that one took back."""
        last = self._ledger.entry_at(file, item.begins)
        return list(last["lines"][int(last["reverses"]) :])

    def _may_add(self, document: Document) -> None:
        """Whether everything is there that the document refers to, and its name is free."""
        index = self._ledger.index
        for bill in document.pays:
            paid = index.items.get(bill)
            if paid is None or paid.voided or paid.company != self.settings.company:
                raise NoSuchEntry(document.request, bill)
        if document.is_list:
            self._lists()
            known = (document.kind, document.name.casefold()) in self._names
            if known or index.has_name(self.settings.company, document.kind, document.name):
                raise NameTaken(document.name)

    # --- names -------------------------------------------------------------------------------------------------------

    def _lists(self) -> chart.Lists:
        """The chart file, read once for each open connection."""
        if self._chart is None:
            self._chart = {} if self.settings.chart is None else chart.read(self.settings.chart)
            listed = ((kind, item) for kind, objects in self._chart.items() for item in objects.values())
            self._names = {(kind, item.full_name.casefold()) for kind, item in listed}
        return self._chart

    def _named(self, name: str, given: str) -> str:
        """The full name of what a document refers to by its id; a name stays as it is."""
        lists = self._lists()
        for each in dict.fromkeys((name, *lists)):
            if (found := lists.get(each, {}).get(given)) is not None:
                return found.full_name
        item = self._ledger.index.items.get(given)
        return item.name if item is not None and item.name else given


def _receipt(item: Item) -> Receipt:
    """The ids under the names of a called target, and under QuickBooks' names."""
    kind = "ListID" if item.kind in entry.LIST_KINDS else "TxnID"
    ids = {"id": item.id, kind: item.id, "EditSequence": str(item.edits)}
    return Receipt({**ids, "name": item.name} if item.name else ids)
