"""What transactions say in money: as QuickBooks shows them over a span of days, and as a frozen request makes them.

A total is positive but for a vendor credit and a card refund, so that these reduce a vendor's sum. Shares:

- bills, vendor credits, card charges and refunds, checks, deposits: each line's account, all lines of items under "";
- a payment of bills: the bank account that it is drawn on;
- a transfer: the account that the money went to;
- a journal entry: every line, debits positive. Its total is the sum of the debits, its shares add up to zero.

Accounts and parties are given by ListID, which a rename leaves alone, else by full name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from lxml import etree

from connectors.qbwc.written import VOID
from engine.contract import Json
from engine.dataclass import dataclass
from engine.evidence import Figures, Span, plain_guid
from engine.qbxml.queries import TXN_KINDS, TxnFilter, txn_query
from engine.qbxml.response import Response, text_at

# FACTS section 6: 1 is an empty answer, 500 names what is missing, 3250 a feature that is off in this company file.
_EMPTY = frozenset({1, 500, 3250})
_PARTY = ("VendorRef", "PayeeEntityRef", "EntityRef")
_NEGATIVE = frozenset({"VendorCredit", "CreditCardCredit"})
# The element that holds the whole amount; a request to make one has none but for a transfer, and its lines say it.
_TOTALS = {
    "Bill": "AmountDue",
    "VendorCredit": "CreditAmount",
    "BillPaymentCheck": "Amount",
    "CreditCardCharge": "Amount",
    "CreditCardCredit": "Amount",
    "Check": "Amount",
    "Deposit": "DepositTotal",
    "Transfer": "Amount",
}
# Where the one share of a transaction without lines of its own goes.
_SINGLE = {"BillPaymentCheck": "BankAccountRef", "Transfer": "TransferToAccountRef"}
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Page:
    """One page: `iterator_id` asks for the next one and is empty after the last; `problem` is QuickBooks' own text."""

    figures: tuple[Figures, ...] = ()
    iterator_id: str = ""
    problem: str = ""


def request(kind: str, span: Span, prefix: str, iterator_id: str, page_size: int) -> bytes:
    """The query, with `prefix` as its request id, for the first page or the one after that which gave `iterator_id`.

    Raises:
        BadQuery: for a kind that is no transaction.
    """
    which = TxnFilter(dates=(span.first_on, span.last_on), max_returned=page_size)
    if not iterator_id:
        return txn_query(kind, which, request_id=prefix, lines=True, iterator="Start")
    return txn_query(kind, which, request_id=prefix, lines=True, iterator="Continue", iterator_id=iterator_id)


def read(kind: str, response: Response, page_size: int) -> Page:
    """The figures of an answer to a request for so many. Objects without an id are passed over."""
    if response.name != f"{kind}QueryRs":
        return Page(problem=f"QuickBooks answered with {response.name[:60]}")
    if response.code in _EMPTY:
        return Page()
    if response.code != 0:
        return Page(problem=f"{response.code}: {response.message}")
    found = tuple(_shown(kind, data) for data in response.objects if text_at(data, "TxnID"))
    more = response.iterator_remaining
    if (more is None and len(response.objects) >= page_size) or (more and not response.iterator_id):
        # It was cut off at the size that was asked for, and what it left out cannot be had.
        return Page(found, problem="QuickBooks did not say how to get the rest")
    return Page(found, response.iterator_id if more else "")


def figures(request: str, body: bytes) -> Figures:
    """What a frozen Add or Mod makes of its object; kind `Vendor` and the like have no money.

    A Mod speaks of what it changes alone: what it does not tell is empty, and the total zero where it has no lines.
    """
    kind = request.removesuffix("Add").removesuffix("Mod")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    root = etree.fromstring(body, parser)
    if request == VOID:
        return Figures((root.findtext("TxnVoidType") or "").strip(), (root.findtext("TxnID") or "").strip(), voids=True)
    inner = root[0] if str(root.tag).endswith("Rq") and len(root) else root
    data = _fields(inner)
    target_id = text_at(data, "TxnID") or text_at(data, "ListID") if request.endswith("Mod") else ""
    return (
        _figures(kind, data, target_id)
        if kind in TXN_KINDS
        else Figures(kind, target_id, plain_guid(text_at(data, "ExternalGUID")))
    )


def _shown(kind: str, data: Json) -> Figures:
    return _figures(kind, data, text_at(data, "TxnID"))


def _figures(kind: str, data: Json, target_id: str) -> Figures:
    sign = -1 if kind in _NEGATIVE else 1
    if kind == "JournalEntry":
        shares = tuple(_journal(data))
        total = sum((amount for _, amount in shares if amount > 0), _NOTHING)
    else:
        shares = tuple((name, sign * amount) for name, amount in _shares(kind, data))
        own = _amount(data, _TOTALS[kind])
        total = sum((amount for _, amount in shares), _NOTHING) if own is None else sign * own
        if kind in _SINGLE:
            # How a payment is spread over bills is no account; what it is drawn on is.
            shares = ((_name(data, _SINGLE[kind]), total),) if total else ()
    return Figures(
        kind,
        target_id,
        plain_guid(text_at(data, "ExternalGUID")),
        _party(data),
        text_at(data, "RefNumber").strip(),
        text_at(data, "TxnDate").strip()[:10],
        total,
        _merged(shares),
    )


def _shares(kind: str, data: Json) -> Iterator[tuple[str, Decimal]]:
    """Account and amount of every line; a payment's lines have no account."""
    if kind == "BillPaymentCheck":
        for line in _lines(data, "AppliedToTxn"):
            yield "", _amount(line, "PaymentAmount") or _NOTHING
        return
    if kind == "Deposit":
        for line in _lines(data, "DepositLine"):
            yield _name(line, "AccountRef"), _amount(line, "Amount") or _NOTHING
        for line in _lines(data, "CashBackInfo"):
            yield _name(line, "AccountRef"), -(_amount(line, "Amount") or _NOTHING)
        return
    for line in _lines(data, "ExpenseLine"):
        yield _name(line, "AccountRef"), _amount(line, "Amount") or _NOTHING
    for line in _lines(data, "ItemLine"):
        yield "", _item(line)
    for group in _lines(data, "ItemGroupLine"):
        yield "", _amount(group, "TotalAmount") or sum((_item(i) for i in _lines(group, "ItemLine")), _NOTHING)


def _item(line: Json) -> Decimal:
    """An item line says its amount, or cost and quantity; with neither QuickBooks takes them from the item."""
    amount = _amount(line, "Amount")
    if amount is not None:
        return amount
    cost, quantity = _amount(line, "Cost"), _amount(line, "Quantity")
    if cost is None:
        return _NOTHING
    return (cost * (Decimal(1) if quantity is None else quantity)).quantize(Decimal("0.01"))


def _journal(data: Json) -> Iterator[tuple[str, Decimal]]:
    for name, sign in (("JournalDebitLine", 1), ("JournalCreditLine", -1)):
        for line in _listed(data.get(name)):
            yield _name(line, "AccountRef"), sign * (_amount(line, "Amount") or _NOTHING)
    for line in _listed(data.get("JournalLineMod")):
        sign = -1 if text_at(line, "JournalLineType") == "Credit" else 1
        yield _name(line, "AccountRef"), sign * (_amount(line, "Amount") or _NOTHING)


def _party(data: Json) -> str:
    """Who it is with; a journal entry and a deposit name somebody on their lines, the first one counts."""
    for name in _PARTY:
        if found := _name(data, name):
            return found
    rows = ("JournalDebitLine", "JournalCreditLine", "JournalLineMod", "DepositLineRet", "DepositLineAdd")
    named = (_name(line, "EntityRef") for row in (*rows, "DepositLineMod") for line in _listed(data.get(row)))
    return next((name for name in named if name), "")


def _merged(shares: Sequence[tuple[str, Decimal]]) -> tuple[tuple[str, Decimal], ...]:
    """One share an account."""
    found: dict[str, Decimal] = {}
    for name, amount in shares:
        found[name] = found.get(name, _NOTHING) + amount
    return tuple((name, amount) for name, amount in found.items() if amount)


# --- reading ---------------------------------------------------------------------------------------------------------


def _lines(data: Json, name: str) -> Iterator[Json]:
    """Lines as an answer shows them, and as requests write them."""
    for suffix in ("Ret", "Add", "Mod"):
        yield from _listed(data.get(f"{name}{suffix}"))


def _listed(value: object) -> Iterator[Json]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            yield item


def _name(data: Json, reference: str) -> str:
    return (text_at(data, reference, "ListID") or text_at(data, reference, "FullName")).strip()


def _amount(data: Json, name: str) -> Decimal | None:
    text = text_at(data, name).strip()
    try:
        found = Decimal(text) if text else None
    except InvalidOperation:
        return None
    return found if found is None or found.is_finite() else None


def _fields(element: etree._Element) -> dict[str, object]:
    """A request's elements as an answer's are given."""
    found: dict[str, object] = {}
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
