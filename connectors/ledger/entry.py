"""A frozen QBXML request as one entry of a ledger: plain data, amounts as decimal text.

An entry's lines add up to its total, but for a journal entry, whose total is its debits and whose lines add up to zero.
A vendor credit and a card refund count negative. An entry that corrects another one begins with the lines of that one,
taken back, so that the sums over all entries of a file are right as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from connectors.ledger.errors import NotAnEntry
from engine.contract import Json, Operation
from engine.dataclass import dataclass

VOID = "TxnVoid"
# The list objects that requests add; everything else has money.
LIST_KINDS = frozenset({"Vendor", "Customer", "Account", "Class", "Employee"})
_NEGATIVE = frozenset({"VendorCredit", "CreditCardCredit"})
_PARTY = ("VendorRef", "PayeeEntityRef", "EntityRef")
_JOURNAL = (("JournalDebitLine", 1), ("JournalCreditLine", -1))
_NOTHING = Decimal(0)
# Full name of a list object, by list and by the id or name that a document gives.
Named = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Document:
    """What a request says. `target_id` is what a Mod changes and a TxnVoid voids."""

    request: str
    kind: str
    guid: str
    target_id: str
    data: Json

    @property
    def is_list(self) -> bool:
        """Whether it is of a list object, which has a ListID and no money."""
        return self.kind in LIST_KINDS

    @property
    def name(self) -> str:
        """The name of a list object."""
        return _text(self.data, "Name") if self.is_list else ""

    @property
    def pays(self) -> tuple[str, ...]:
        """The TxnIDs of what it is applied to."""
        return tuple(_text(line, "TxnID") for line in _lines(self.data, "AppliedToTxn"))


def read(operation: Operation) -> Document:
    """Parse the operation's body.

    Raises:
        NotAnEntry: when it is no document of its request.
    """
    request = operation.request
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(operation.body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotAnEntry(request, "its body is no XML document") from error
    if b"<!DOCTYPE" in operation.body:
        raise NotAnEntry(request, "its body declares a document type")
    if root.tag != f"{request}Rq":
        raise NotAnEntry(request, f"its body is a document called `{str(root.tag)[:60]}`")
    if request == VOID:
        data = _fields(root)
        return Document(request, _text(data, "TxnVoidType"), operation.guid, _text(data, "TxnID"), data)
    if len(root) == 0 or root[0].tag != request:
        raise NotAnEntry(request, f"its body holds no `{request}`")
    data = _fields(root[0])
    target = (_text(data, "TxnID") or _text(data, "ListID")) if request.endswith("Mod") else ""
    kind = request.removesuffix("Add").removesuffix("Mod")
    return Document(request, kind, operation.guid, target, data)


def of(document: Document, named: Named, currency: str) -> dict[str, Any]:
    """What the document says, as an entry has it: `date` to `fields`."""
    data, kind = document.data, document.kind
    lines = [] if document.is_list or document.request == VOID else list(_entry_lines(document, named))
    amounts = [Decimal(line["amount"]) for line in lines]
    total = sum((a for a in amounts if a > 0 or kind != "JournalEntry"), _NOTHING)
    return {
        "date": _text(data, "TxnDate"),
        "reference": _text(data, "RefNumber"),
        "party": document.name or _party(data, named),
        "lines": lines,
        "total": None if document.is_list else f"{total:f}",
        "currency": _ref(data, "CurrencyRef") or currency or None,
        "memo": _text(data, "Memo"),
        "fields": data,
    }


def corrected(entry: Mapping[str, Any], before: Sequence[Json], standing: Decimal) -> dict[str, Any]:
    """The entry as one that first takes back the lines of an earlier one, whose total stands at `standing`."""
    if entry["total"] is None:
        return {**entry, "reverses": 0}
    taken = [{**line, "amount": f"{_NOTHING - Decimal(line['amount']):f}"} for line in before]
    return {
        **entry,
        "lines": [*taken, *entry["lines"]],
        "reverses": len(taken),
        "total": f"{Decimal(entry['total']) - standing:f}",
    }


def _entry_lines(document: Document, named: Named) -> Iterator[dict[str, str]]:
    sign = -1 if document.kind in _NEGATIVE else 1
    for line, factor, account in _raw_lines(document):
        amount = _amount(document.request, line)
        yield {
            "account": named("Account", _ref(line, account) or _ref(document.data, account)),
            # Adding zero takes the sign from a zero.
            "amount": f"{sign * factor * amount + _NOTHING:f}",
            "memo": _text(line, "Memo") or _text(line, "Desc"),
            "class": named("Class", _ref(line, "ClassRef")),
            "customer": named("Customer", _ref(line, "CustomerRef") or _ref(line, "EntityRef")),
            "refers_to": _text(line, "TxnID") if account == "APAccountRef" else "",
        }


def _raw_lines(document: Document) -> Iterator[tuple[Json, int, str]]:
    """Each line of the document, its sign, and the element that names its account."""
    data, kind = document.data, document.kind
    if kind == "JournalEntry":
        for name, sign in _JOURNAL:
            yield from ((line, sign, "AccountRef") for line in _listed(data.get(name)))
        for line in _listed(data.get("JournalLineMod")):
            yield line, (-1 if _text(line, "JournalLineType") == "Credit" else 1), "AccountRef"
    elif kind == "BillPaymentCheck":
        yield from ((line, 1, "APAccountRef") for line in _lines(data, "AppliedToTxn"))
    elif kind == "Transfer":
        yield data, 1, "TransferToAccountRef"
    elif kind == "Deposit":
        yield from ((line, 1, "AccountRef") for line in _lines(data, "DepositLine"))
        yield from ((line, -1, "AccountRef") for line in _lines(data, "CashBackInfo"))
    else:
        for name in ("ItemLine", "ItemGroupLine"):
            if any(True for _ in _lines(data, name)):
                raise NotAnEntry(document.request, "it has lines of items, which a ledger cannot value")
        yield from ((line, 1, "AccountRef") for line in _lines(data, "ExpenseLine"))


def _amount(request: str, line: Json) -> Decimal:
    text = _text(line, "Amount") or _text(line, "PaymentAmount")
    try:
        found = Decimal(text)
    except InvalidOperation as error:
        raise NotAnEntry(request, "a line of it has no amount") from error
    if not found.is_finite():
        raise NotAnEntry(request, "a line of it has no amount")
    return found


def _party(data: Json, named: Named) -> str:
    """Who it is with; a journal entry and a deposit name somebody on their lines, the first one counts."""
    for name in _PARTY:
        if given := _ref(data, name):
            return named("Vendor", given)
    for row in ("JournalDebitLine", "JournalCreditLine", "JournalLineMod", "DepositLineAdd", "DepositLineMod"):
        for line in _listed(data.get(row)):
            if given := _ref(line, "EntityRef"):
                return named("Vendor", given)
    return ""


def _lines(data: Json, name: str) -> Iterator[Json]:
    for suffix in ("Add", "Mod"):
        yield from _listed(data.get(f"{name}{suffix}"))


def _listed(value: object) -> Iterator[Json]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            yield item


def _ref(data: Json, name: str) -> str:
    found = data.get(name)
    return (_text(found, "ListID") or _text(found, "FullName")) if isinstance(found, Mapping) else ""


def _text(data: Json, name: str) -> str:
    found = data.get(name)
    return found.strip() if isinstance(found, str) else ""


def _fields(element: etree._Element) -> dict[str, Any]:
    """Elements as plain data; one that stands there several times is a list."""
    found: dict[str, Any] = {}
    for child in element:
        name, value = str(child.tag), _fields(child) if len(child) else child.text or ""
        held = found.get(name)
        if held is None:
            found[name] = value
        elif isinstance(held, list):
            held.append(value)
        else:
            found[name] = [held, value]
    return found
