"""Builds query requests: lists, with iterators where QuickBooks has them, and transactions by id, number or date."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Literal

from engine.dataclass import dataclass
from engine.qbxml.errors import BadQuery
from engine.qbxml.text import escape

Iterator = Literal["Start", "Continue", "Stop"]
Active = Literal["All", "ActiveOnly", "InactiveOnly"]

# What of a list object we keep. QuickBooks leaves out everything else, which makes a vendor list a tenth of its size.
_KEPT = ("ListID", "EditSequence", "Name", "FullName", "IsActive")
LIST_FIELDS: dict[str, tuple[str, ...]] = {
    "Account": (*_KEPT, "AccountType", "SpecialAccountType", "AccountNumber", "Desc", "CurrencyRef"),
    "Vendor": (
        *_KEPT,
        *("CompanyName", "VendorAddress", "Phone", "Email", "NameOnCheck", "AccountNumber", "TermsRef", "CurrencyRef"),
        "ExternalGUID",
    ),
    "Class": _KEPT,
    "Customer": (*_KEPT, "CompanyName", "CurrencyRef", "JobStatus"),
    "Employee": _KEPT,
    "StandardTerms": (*_KEPT, "StdDueDays"),
    "DateDrivenTerms": (*_KEPT, "DayOfMonthDue"),
    "Terms": (*_KEPT, "StdDueDays", "DayOfMonthDue"),
    "Item": (*_KEPT, "Type"),
    "ItemSalesTax": (*_KEPT, "ItemDesc", "TaxRate"),
}
# Read from the QBXML 13.0 schema: Account, Class, Employee and Terms cannot be paged.
ITERABLE_LISTS = frozenset({"Vendor", "Customer", "Item", "ItemSalesTax"})
TXN_KINDS = frozenset(
    {
        "Bill",
        "BillPaymentCheck",
        "CreditCardCharge",
        "CreditCardCredit",
        "JournalEntry",
        "Check",
        "Deposit",
        "VendorCredit",
        "Transfer",
    }
)
# Neither carries a number of its own to ask for.
_WITHOUT_REF_NUMBER = frozenset({"Deposit", "Transfer"})
# Read from the QBXML 13.0 schema: of these QuickBooks tells what they are linked with, when it is asked to.
LINKED_KINDS = frozenset({"Bill", "Check", "VendorCredit"})


def list_query(  # noqa: PLR0913
    kind: str,
    *,
    request_id: str,
    iterator: Iterator | None = None,
    iterator_id: str = "",
    max_returned: int | None = None,
    active: Active = "All",
    names: Sequence[str] = (),
    list_ids: Sequence[str] = (),
    modified: tuple[datetime, datetime | None] | None = None,
    only: Sequence[str] | None = None,
) -> bytes:
    """Ask for a list of names, for those with the full `names`, or for those with the `list_ids`.

    Args:
        kind: a key of `LIST_FIELDS`.
        request_id: echoed in the answer.
        iterator: only for `ITERABLE_LISTS`; every call needs `max_returned`, and all but the first `iterator_id`.
        iterator_id: as the previous answer gave it; valid in the same Web Connector session only.
        max_returned: page size, or a cap.
        active: inactive names are wanted by default, so that "inactive" and "missing" can be told apart.
        names: full names to look up; a missing one gives code 500 while those found are still returned.
        list_ids: ids to look up, in the same way.
        modified: only what was changed between these moments, inclusive, or since the first; as in `TxnFilter`.
        only: element names to return instead of those in `LIST_FIELDS`; empty for everything.
    """
    request = f"{kind}QueryRq"
    if kind not in LIST_FIELDS:
        raise BadQuery(request, f"no such list; known: {', '.join(sorted(LIST_FIELDS))}")
    if iterator and kind not in ITERABLE_LISTS:
        raise BadQuery(request, "this list has no iterator")
    if (names or list_ids) and (iterator or max_returned or modified):
        raise BadQuery(request, "names cannot be paged")
    if names or list_ids:
        body = [_element("ListID", list_id) for list_id in list_ids] or [_element("FullName", name) for name in names]
    else:
        range_ = _moments(modified) if modified else ""
        body = [*_optional("MaxReturned", max_returned), _element("ActiveStatus", active), range_]
    body += [_element("IncludeRetElement", name) for name in (LIST_FIELDS[kind] if only is None else only)]
    return _request(request, _attributes(request, request_id, iterator, iterator_id, max_returned), body)


@dataclass(frozen=True, slots=True)
class TxnFilter:
    """Which transactions: by `txn_ids`, else by `ref_numbers`, else by what is left, where dates are inclusive.

    `entity` is the ListID of a vendor, customer or employee. `modified` is a local time without an offset, because
    QuickBooks gives a wrong one in summer (seen by users of jsgoupil/quickbooks-sync).
    """

    txn_ids: tuple[str, ...] = ()
    ref_numbers: tuple[str, ...] = ()
    dates: tuple[date, date] | None = None
    modified: tuple[datetime, datetime | None] | None = None
    entity: str = ""
    max_returned: int | None = None


def txn_query(  # noqa: PLR0913
    kind: str,
    which: TxnFilter,
    *,
    request_id: str,
    lines: bool = False,
    links: bool = False,
    iterator: Iterator | None = None,
    iterator_id: str = "",
    only: Sequence[str] = (),
) -> bytes:
    """Ask for transactions; `only` names the elements to return, all by default.

    `links` asks for what pays or uses them as well, `LinkedTxn`, where the kind is one of `LINKED_KINDS`.
    """
    request = f"{kind}QueryRq"
    if kind not in TXN_KINDS:
        raise BadQuery(request, f"no such transaction; known: {', '.join(sorted(TXN_KINDS))}")
    if which.txn_ids:
        body = [_element("TxnID", txn_id) for txn_id in which.txn_ids]
    elif which.ref_numbers:
        if kind in _WITHOUT_REF_NUMBER:
            raise BadQuery(request, "this transaction has no RefNumber")
        body = [_element("RefNumber", number) for number in which.ref_numbers]
    else:
        body = [*_optional("MaxReturned", which.max_returned), *_dates(which), *_entity(request, which.entity)]
    if kind != "Transfer":
        body.append(_element("IncludeLineItems", "true" if lines else "false"))
    if links and kind in LINKED_KINDS:
        body.append(_element("IncludeLinkedTxns", "true"))
    body += [_element("IncludeRetElement", name) for name in only]
    return _request(request, _attributes(request, request_id, iterator, iterator_id, which.max_returned), body)


def company_queries(owner_id: str) -> tuple[bytes, bytes, bytes]:
    """The host, company and preferences queries, as the Web Connector makes them when a session begins.

    The company's custom fields, FileID among them, come back only for the `owner_id` that is asked for.
    """
    return (
        b'<HostQueryRq requestID="0"/>',
        _request("CompanyQueryRq", ' requestID="1"', [_element("OwnerID", owner_id)]),
        b'<PreferencesQueryRq requestID="2"/>',
    )


def _dates(which: TxnFilter) -> list[str]:
    if which.modified:
        return [f"<ModifiedDateRangeFilter>{_moments(which.modified)}</ModifiedDateRangeFilter>"]
    if which.dates:
        first, last = (day.isoformat() for day in which.dates)
        inner = _element("FromTxnDate", first) + _element("ToTxnDate", last)
        return [f"<TxnDateRangeFilter>{inner}</TxnDateRangeFilter>"]
    return []


def _moments(modified: tuple[datetime, datetime | None]) -> str:
    names = ("FromModifiedDate", "ToModifiedDate")
    return "".join(
        _element(name, moment.replace(tzinfo=None, microsecond=0).isoformat())
        for name, moment in zip(names, modified, strict=True)
        if moment is not None
    )


def _entity(request: str, list_id: str) -> list[str]:
    if not list_id:
        return []
    if request == "TransferQueryRq":
        raise BadQuery(request, "this transaction has no entity")
    return [f"<EntityFilter>{_element('ListID', list_id)}</EntityFilter>"]


def _attributes(request: str, request_id: str, iterator: str | None, iterator_id: str, max_returned: int | None) -> str:
    if iterator and (not max_returned or (iterator != "Start") != bool(iterator_id)):
        raise BadQuery(request, "an iterator needs max_returned, and an iterator_id in every call but the first")
    found = {"requestID": request_id, "iterator": iterator or "", "iteratorID": iterator_id}
    return "".join(f' {name}="{escape(value)}"' for name, value in found.items() if value)


def _request(name: str, attributes: str, body: Iterable[str]) -> bytes:
    return f"<{name}{attributes}>{''.join(body)}</{name}>".encode("ascii")


def _element(name: str, value: str) -> str:
    return f"<{name}>{escape(value)}</{name}>"


def _optional(name: str, value: int | None) -> list[str]:
    return [] if value is None else [_element(name, str(value))]
