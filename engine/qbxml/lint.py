"""What QuickBooks refuses although the schema allows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import cast

from lxml import etree

from engine.qbxml.envelope import ID_LIMIT, VERSION
from engine.qbxml.notation import Body, Element, Notation, Value, elements, load
from engine.qbxml.problem import Problem
from engine.qbxml.requirements import newer
from engine.qbxml.text import outside_windows_1252

REQUEST_ID_LIMIT = 50

_LIST_REQUEST = re.compile(r"(Account|Class|Customer|Employee|Vendor|StandardTerms|DateDrivenTerms)(Add|Mod)Rq")
_LINES = re.compile(r"(Expense|Item|ItemGroup|Deposit)Line(Add|Mod)")
# Requests that mean nothing without a line; for a Check, an applied bill will do as well.
_NEED_LINES = frozenset(
    {"BillAdd", "VendorCreditAdd", "CreditCardChargeAdd", "CreditCardCreditAdd", "CheckAdd", "DepositAdd"}
)
_ZONED_DATE = re.compile(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*(Z|[+-][0-9:]+)\s*")
# Anything in a frozen request that could possibly matter to a rule below: an empty element, a space at either end of a
# text, a date that is not ten characters long, an amount with a minus, and the parts that QuickBooks does not have. One
# search for each, beginning with a fixed character, takes a third of the time of a pattern with them all.
_SUSPECT = tuple(
    re.compile(pattern).search
    for pattern in (rb"/>", rb" (?:(?<=> )|<)", rb"Date>(?!<|[^<]{10}<)", rb"mount>-", rb"TxnLine", rb"ItemGroup")
)


def lint(element: etree._Element | bytes, *, version: str = VERSION) -> list[Problem]:
    """All problems of a request element, or of a whole document; `version` is the one the session speaks."""
    root = etree.fromstring(element, _parser()) if isinstance(element, bytes) else element
    if root.tag == "QBXML":
        return [problem for messages in root for problem in _envelope(messages, version)]
    if root.tag == "QBXMLMsgsRq":
        return _envelope(root, version)
    return _request(root, version)


def harmless(root: etree._Element, frozen: bytes) -> bool:
    """Whether a valid, storable request of the newest version can be seen to break no rule without a full walk."""
    for found in _SUSPECT:
        if found(frozen) is not None:
            return False
    name = str(root.tag)
    needed = _needed(name)
    if needed is None or needed not in frozen or len(root.get("requestID", "")) > REQUEST_ID_LIMIT:
        return False
    return name != "JournalEntryAddRq" or (root[0].find("Memo") is None and not _journal(root[0]))


@lru_cache(maxsize=256)
def _needed(name: str) -> bytes | None:
    """What a harmless request of this name holds somewhere; None when it cannot be told without a walk."""
    if _LIST_REQUEST.fullmatch(name):
        return None
    return b"LineAdd>" if name[:-2] in _NEED_LINES else b""


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _problem(element: etree._Element, message: str, hint: str = "") -> Problem:
    return Problem(element.getroottree().getpath(element), cast("int | None", element.sourceline) or 0, message, hint)


def _envelope(messages: etree._Element, version: str) -> list[Problem]:
    found = [
        _problem(
            messages,
            f"{name} has {len(value)} characters, QuickBooks takes {ID_LIMIT}",
            "QuickBooks answers 9004 to a longer one",
        )
        for name in ("newMessageSetID", "oldMessageSetID")
        if len(value := messages.get(name, "")) > ID_LIMIT
    ]
    return found + [
        problem for request in messages if isinstance(request.tag, str) for problem in _request(request, version)
    ]


def _request(root: etree._Element, version: str) -> list[Problem]:
    found: list[Problem] = []
    if len(root.get("requestID", "")) > REQUEST_ID_LIMIT:
        found.append(
            _problem(root, f"requestID is longer than {REQUEST_ID_LIMIT} characters", "QuickBooks answers 1060")
        )
    notation = load()
    message = notation.requests.get(str(root.tag))
    if message is not None:
        if newer(message.since, version):
            found.append(_problem(root, f"this request came with QBXML {message.since}, the session speaks {version}"))
        found += _walk(root, message.body, notation, version)
    if _LIST_REQUEST.fullmatch(str(root.tag)):
        found += _names(root)
    for body in root:
        name = str(body.tag)
        if name == "JournalEntryAdd":
            found += _journal(body)
        elif name in _NEED_LINES:
            found += _lines(body)
        elif name == "BillPaymentCheckAdd":
            found += _total(body, [line.find("PaymentAmount") for line in body.iter("AppliedToTxnAdd")])
        elif name == "TransferAdd":
            found += _total(body, [body.find("Amount")])
    return found


def _walk(parent: etree._Element, body: Body, notation: Notation, version: str) -> Iterator[Problem]:
    """The rules about single elements, beside what the notation knows of each."""
    known: dict[str, Element] = {}
    for child_kind in elements(body.items):
        known.setdefault(child_kind.name, child_kind)
    for child in parent:
        kind = known.get(str(child.tag))
        if kind is None:
            continue
        if kind.mark == "absent":
            hint = "leave it out; each line has a memo" if parent.tag == "JournalEntryAdd" else "leave it out"
            yield _problem(child, f"QuickBooks Desktop does not have `{child.tag}` here", hint)
        if newer(kind.since, version):
            yield _problem(
                child,
                f"`{child.tag}` came with QBXML {kind.since}, the session speaks {version}",
                "leave it out, or upgrade QuickBooks",
            )
        inner = notation.body(kind)
        if inner is not None:
            yield from _reference(child, kind)
            yield from _walk(child, inner, notation, version)
        elif isinstance(kind.type, Value):
            yield from _value(child, kind.type)


def _reference(element: etree._Element, kind: Element) -> Iterator[Problem]:
    if not (isinstance(kind.type, Value) and kind.type.word == "ref"):
        return
    if not any((part.text or "").strip() for part in element):
        yield _problem(
            element, f"`{element.tag}` refers to nothing", "give a ListID or a FullName, or leave the element out"
        )
    name = element.find("FullName")
    if name is not None and name.text and name.text != name.text.strip(" "):
        yield _problem(
            name,
            "a name starts or ends with a space",
            "QuickBooks stores names without them and would not find this one",
        )


def _value(element: etree._Element, kind: Value) -> Iterator[Problem]:
    text = element.text or ""
    if kind.word == "amount" and not text:
        yield _problem(element, f"`{element.tag}` is empty", "leave the element out, or give an amount such as 1050.00")
    elif kind.word == "date" and _ZONED_DATE.fullmatch(text):
        yield _problem(element, f"`{element.tag}` has a time zone", "a date is a calendar day: 2026-03-31")
    lost = outside_windows_1252(text)
    if lost:
        points = ", ".join(f"U+{ord(char):04X}" for char in lost[:5])
        yield _problem(
            element, f"QuickBooks cannot store these characters: {points}", "it stores Windows-1252 text only"
        )


def _names(root: etree._Element) -> Iterator[Problem]:
    for name in (child for body in root for child in body if child.tag == "Name"):
        text = name.text or ""
        if ":" in text:
            yield _problem(
                name,
                "a name in a list cannot hold a colon",
                "QuickBooks uses it between a name and its parent; use name_text(...)",
            )
        if text != text.strip(" "):
            yield _problem(name, "a name starts or ends with a space", "use name_text(...)")
        if not text.strip():
            yield _problem(name, "the name is empty")
        elif not text.strip("? "):
            yield _problem(
                name,
                "nothing of the name can be written with the letters that QuickBooks stores",
                "add it in QuickBooks under a name in Latin letters, and map it to that",
            )


def _journal(body: etree._Element) -> list[Problem]:
    lines = {tag: body.findall(tag) for tag in ("JournalDebitLine", "JournalCreditLine")}
    sums = {tag: _sum([line.find("Amount") for line in found]) for tag, found in lines.items()}
    debit, credit = sums["JournalDebitLine"], sums["JournalCreditLine"]
    if debit is None or credit is None or debit == credit:
        return []
    return [
        _problem(
            body, f"debits and credits differ by {abs(debit - credit)}", "a journal entry must balance to the cent"
        )
    ]


def _lines(body: etree._Element) -> list[Problem]:
    lines = [child for child in body if isinstance(child.tag, str) and _LINES.fullmatch(child.tag)]
    if not lines:
        if body.find("ApplyCheckToTxnAdd") is not None or body.find("LinkToTxnID") is not None:
            return []
        return [
            _problem(
                body, f"{body.tag} has no lines", "QuickBooks takes nothing without at least one line with an account"
            )
        ]
    return _total(body, [line.find("Amount") for line in lines])


def _total(body: etree._Element, amounts: list[etree._Element | None]) -> list[Problem]:
    total = _sum(amounts)
    if total is None or total >= 0:
        return []
    # ASSUMED: no source shows the refusal of a negative total; negative lines are known to be taken.
    return [
        _problem(
            body,
            f"the total is negative, by {-total}",
            "enter it as the opposite transaction, such as a vendor credit for a bill",
        )
    ]


def _sum(amounts: list[etree._Element | None]) -> Decimal | None:
    """The sum, or None when one of the amounts is left to QuickBooks to compute or is no amount."""
    total = Decimal(0)
    for amount in amounts:
        if amount is None or not amount.text:
            return None
        try:
            total += Decimal(amount.text)
        except InvalidOperation:
            return None
    return total
