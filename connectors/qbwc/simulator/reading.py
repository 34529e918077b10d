"""What every write shares: reading the elements of a request, resolving references, locks and edit sequences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from datetime import date
from decimal import Decimal

from lxml import etree

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.model import ZERO, ListObject, Refused, Txn
from connectors.qbwc.simulator.specs import REFS
from engine.dataclass import dataclass

NOT_THERE = "QuickBooks error message: Invalid argument.  The specified record does not exist in the list."


@dataclass(slots=True)
class Context:
    """One message set at work: the company, and what its macros stand for."""

    company: CompanyFile
    macros: dict[str, str] = field(default_factory=dict)


def kids(element: etree._Element) -> Iterator[etree._Element]:
    """Child elements, without comments and processing instructions."""
    return element.iterchildren("*")


def texts(element: etree._Element, name: str) -> list[str]:
    """The texts of the child elements of a name."""
    return [child.text or "" for child in element.iterchildren(name)]


def tag(element: etree._Element) -> str:
    """The name of an element."""
    return str(element.tag)


def text_of(context: Context, element: etree._Element | None) -> str:
    """The text of an element as QuickBooks stores it, or what its macro stands for."""
    if element is None:
        return ""
    macro = element.get("useMacro")
    if macro is not None:
        if macro not in context.macros:
            raise Refused(9100, f'The macro "{macro}" has not been defined.')
        return context.macros[macro]
    text = element.text or ""
    if not text.isascii() and context.company.behaviour.outside_cp1252 == "replace":
        text = text.encode("cp1252", "replace").decode("cp1252")
    return text


def money_of(context: Context, element: etree._Element | None) -> Decimal:
    """An AMTTYPE; the empty text counts as zero."""
    return Decimal(text_of(context, element) or "0").quantize(ZERO)


def define(context: Context, body: etree._Element, object_id: str) -> None:
    """Remember what the macro of an Add stands for."""
    macro = body.get("defMacro")
    if macro is not None:
        if macro in context.macros:
            raise Refused(9101, f'The macro "{macro}" has already been defined.')
        context.macros[macro] = object_id


def resolve(context: Context, element: etree._Element, where: str) -> ListObject:
    """The object a reference names, by ListID or else by FullName.

    Raises:
        Refused: 3140 with QuickBooks' own text, or 3176 when the object is locked.
    """
    label, kinds = REFS.get(tag(element), (tag(element).removesuffix("Ref"), ()))
    list_id, full_name = text_of(context, element.find("ListID")), text_of(context, element.find("FullName"))
    company = context.company
    if list_id:
        found = company.books.lists.get(list_id)
    else:
        found = next((hit for kind in kinds if (hit := company.named(kind, full_name))), None)
    if found is None or found.kind not in kinds or not (found.active or company.behaviour.inactive_usable):
        name = list_id or full_name
        raise Refused(
            3140, f'There is an invalid reference to QuickBooks {label} "{name}" in the {where}.  {NOT_THERE}'
        )
    check_lock(company, found.list_id, related=True)
    return found


def check_lock(company: CompanyFile, key: str, *, related: bool = False) -> None:
    """Refuse a write to a locked object or list with 3175 or 3176, or with the 3180 that somebody asked for.

    ASSUMED: the wording; only the codes and the word "lock" are known from public code.
    """
    held = company.locks.get(key)
    if held == 3180:
        raise Refused(
            3180,
            "There was an error when saving.  QuickBooks error message: The list could not be locked; it is in use.",
        )
    if held is not None and related:
        raise Refused(3176, f'The related object "{key}" could not be locked; it is in use by another user.')
    if held is not None:
        raise Refused(3175, f'The object "{key}" could not be locked; it is in use by another user.')


def check_edit(context: Context, body: etree._Element, current: int) -> None:
    """Refuse an EditSequence that is not the current one."""
    given = text_of(context, body.find("EditSequence"))
    if given != str(current):
        raise Refused(3200, f'The provided edit sequence "{given}" is out-of-date.')


def check_open_period(company: CompanyFile, day: date, label: str) -> None:
    """Refuse a date on or before the closing date."""
    closed = company.preferences.closing_date
    if closed is not None and day <= closed:
        said = (
            f"An attempt was made to modify a {label} with a date that is on or before the closing date of the company."
        )
        raise Refused(company.behaviour.closed_period_code, said)


def not_found(object_id: str) -> Refused:
    """The 3120 of a Mod, Del or Void whose object is not there."""
    return Refused(3120, f'Object "{object_id}" specified in the request cannot be found.  {NOT_THERE}')


def existing_list(context: Context, body: etree._Element, kind: str) -> ListObject:
    """The list object a request is about."""
    list_id = text_of(context, body.find("ListID"))
    found = context.company.books.lists.get(list_id)
    if found is None or found.kind != kind:
        raise not_found(list_id)
    check_lock(context.company, list_id)
    return found


def existing_txn(context: Context, txn_id: str, kind: str) -> Txn:
    """The transaction a request is about."""
    found = context.company.books.txns.get(txn_id)
    if found is None or found.kind != kind:
        raise not_found(txn_id)
    check_lock(context.company, txn_id)
    return found
