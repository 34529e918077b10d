"""Reads QuickBooks' lists page by page, with iterators where QuickBooks has them."""

from __future__ import annotations

from dataclasses import replace

from engine.contract import ListObject
from engine.dataclass import dataclass
from engine.money import percent_as_fraction
from engine.qbxml.books import list_objects
from engine.qbxml.queries import ITERABLE_LISTS, LIST_FIELDS, list_query
from engine.qbxml.response import Response

# FACTS section 6: 1 is an empty list, 3250 a feature that is off in this company file, whose list is then empty too.
_EMPTY = frozenset({1, 500, 3250})
# Our lists that QuickBooks has under another name; all others are called as QuickBooks calls them.
_KINDS = {"SalesTaxItem": "ItemSalesTax"}


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page: `iterator_id` asks for the next one and is empty after the last; `problem` is QuickBooks' own text."""

    objects: tuple[ListObject, ...] = ()
    iterator_id: str = ""
    problem: str = ""


def is_readable(name: str) -> bool:
    """Whether QuickBooks can be asked for a list."""
    return _kind(name) in LIST_FIELDS


def is_paged(name: str) -> bool:
    """Whether QuickBooks gives a list page by page."""
    return _kind(name) in ITERABLE_LISTS


def request_page(name: str, iterator_id: str, request_id: str, page_size: int) -> bytes:
    """The query for the first page, or for the one after that which gave `iterator_id`."""
    kind = _kind(name)
    if kind not in ITERABLE_LISTS:
        return list_query(kind, request_id=request_id)
    if not iterator_id:
        return list_query(kind, request_id=request_id, iterator="Start", max_returned=page_size)
    return list_query(kind, request_id=request_id, iterator="Continue", iterator_id=iterator_id, max_returned=page_size)


def read_page(name: str, response: Response) -> ListPage:
    """The objects of an answer, with the fields that the spec promises."""
    if response.code in _EMPTY:
        return ListPage()
    if response.name != f"{_kind(name)}QueryRs":
        return ListPage(problem=f"QuickBooks answered with {response.name[:60]}")
    if response.code != 0:
        return ListPage(problem=f"{response.code}: {response.message}")
    more = bool(response.iterator_remaining) and _kind(name) in ITERABLE_LISTS
    objects = tuple(map(_with_own_fields, list_objects(response)))
    return ListPage(objects, response.iterator_id if more else "")


def _kind(name: str) -> str:
    return _KINDS.get(name, name)


def _with_own_fields(item: ListObject) -> ListObject:
    """The object with the fields that the spec promises under names of our own."""
    data = dict(item.data)
    if "AccountType" in data:
        data["account_type"] = data["AccountType"]
    if data.get("kind") == "ItemSalesTax":
        data["rate"] = percent_as_fraction(data.get("TaxRate"))
    return item if data == item.data else replace(item, data=data)
