"""Queries: filters, lookups, iterators, and what the answer says about what it did not find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field

from lxml import etree

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.model import ListObject, Refused, Txn
from connectors.qbwc.simulator.reading import kids, tag, texts
from connectors.qbwc.simulator.render import (
    Shown,
    add_ref,
    add_text,
    deleted_ret,
    list_ret,
    read_date,
    read_time,
    txn_ret,
)
from connectors.qbwc.simulator.specs import LISTS, TXNS
from engine.dataclass import dataclass
from engine.money import format_money

NOTHING = "A query request did not find a matching object in QuickBooks"
LISTS_BY_QUERY = {"TermsQueryRq": "StandardTerms", "ItemQueryRq": "ItemService"}


@dataclass(slots=True)
class OpenIterator:
    """An open iterator: what is still to be shown, fixed when it was started (ASSUMED)."""

    request: str
    remaining: list[str]


@dataclass(slots=True)
class Connection:
    """What lives as long as one application is connected to QuickBooks."""

    application: str = "flowctl"
    iterators: dict[str, OpenIterator] = field(default_factory=dict)
    started: int = 0


@dataclass(slots=True)
class Found:
    """The answer of one query."""

    rets: list[etree._Element]
    code: int = 0
    message: str = "Status OK"
    attributes: dict[str, str] = field(default_factory=dict)


def run_query(company: CompanyFile, connection: Connection, request: etree._Element) -> Found:
    """Answer a query for objects of one list or of one transaction type."""
    name = tag(request).removesuffix("QueryRq")
    kind = LISTS_BY_QUERY.get(tag(request), name)
    shown = _shown(company, request, kind)
    if request.get("iterator"):
        return _iterate(company, connection, request, kind, shown)
    chosen, missing = _choose(company, request, kind)
    limit = _number(request, "MaxReturned")
    found = Found(_rets(company, chosen[:limit] if limit else chosen, shown))
    if request.get("metaData", "NoMetaData") != "NoMetaData":
        found.attributes["retCount"] = str(len(chosen))
        if request.get("metaData") == "MetaDataOnly":
            found.rets = []
            return found
    return _status(company, found, missing)


def _status(company: CompanyFile, found: Found, missing: Sequence[tuple[str, str]]) -> Found:
    if missing:
        kind, value = missing[0]
        if kind != "RefNumber" or company.behaviour.missing_ref_number_code == 500:
            found.code = 500
            found.message = (
                "The query request has not been fully completed. There was a required element "
                f'("{value}") that could not be found in QuickBooks.'
            )
            return found
    if not found.rets:
        found.code, found.message = 1, NOTHING
    return found


# --- choosing -------------------------------------------------------------------------------------------------------


def _choose(
    company: CompanyFile, request: etree._Element, kind: str
) -> tuple[list[ListObject | Txn], list[tuple[str, str]]]:
    given = {tag(child) for child in kids(request)}
    for name in ("ListID", "FullName", "TxnID", "RefNumber", "RefNumberCaseSensitive"):
        if name not in given:
            continue
        wanted = texts(request, name)
        return _look_up(company, kind, name, wanted)
    if kind in TXNS:
        tests = _txn_tests(company, request, kind)
        txns = [t for t in company.txns(kind) if all(test(t) for test in tests)]
        return list(txns), []
    checks = _list_tests(company, request)
    items = sorted((i for i in company.items(kind) if all(test(i) for test in checks)), key=_by_name)
    return list(items), []


def _by_name(item: ListObject) -> str:
    return item.full_name.casefold()


def _look_up(
    company: CompanyFile, kind: str, name: str, wanted: Iterable[str]
) -> tuple[list[ListObject | Txn], list[tuple[str, str]]]:
    found: list[ListObject | Txn] = []
    missing: list[tuple[str, str]] = []
    for value in wanted:
        if name in ("ListID", "TxnID"):
            source = company.books.lists if name == "ListID" else company.books.txns
            hits = [item for item in (source.get(value),) if item is not None and item.kind == kind]
        elif name == "FullName":
            hits = [item for item in (company.named(kind, value),) if item is not None]
        else:
            exact = name == "RefNumberCaseSensitive"
            hits = [t for t in company.txns(kind) if _same(t.values.get("RefNumber", ""), value, exact=exact)]
        found.extend(hits)
        if not hits:
            missing.append(("RefNumber" if name.startswith("RefNumber") else name, value))
    return found, missing


def _same(left: str, right: str, *, exact: bool) -> bool:
    return left == right if exact else left.casefold() == right.casefold()


def _list_tests(company: CompanyFile, request: etree._Element) -> list[Callable[[ListObject], bool]]:
    tests: list[Callable[[ListObject], bool]] = []
    status = _text(request, "ActiveStatus") or "ActiveOnly"
    if status != "All":
        tests.append(lambda item: item.active == (status == "ActiveOnly"))
    tests.extend(_modified_tests(company, request))
    criterion, part = _text(request, "NameFilter/MatchCriterion"), _text(request, "NameFilter/Name")
    if criterion:
        tests.append(lambda item: _matches(criterion, item.full_name, part))
    first, last = (
        _text(request, "NameRangeFilter/FromName").casefold(),
        _text(request, "NameRangeFilter/ToName").casefold(),
    )
    if first:
        tests.append(lambda item: item.full_name.casefold() >= first)
    if last:
        tests.append(lambda item: item.full_name.casefold() <= last or item.full_name.casefold().startswith(last))
    types = set(texts(request, "AccountType"))
    if types:
        tests.append(lambda item: item.values.get("AccountType") in types)
    return tests


def _modified_tests(company: CompanyFile, request: etree._Element) -> list[Callable[[ListObject | Txn], bool]]:
    tests: list[Callable[[ListObject | Txn], bool]] = []
    first = _text(request, "FromModifiedDate") or _text(request, "ModifiedDateRangeFilter/FromModifiedDate")
    last = _text(request, "ToModifiedDate") or _text(request, "ModifiedDateRangeFilter/ToModifiedDate")
    if first:
        since = read_time(company, first)
        tests.append(lambda item: item.modified_at.replace(microsecond=0) >= since)
    if last:
        until = read_time(company, last, end=True)
        tests.append(lambda item: item.modified_at.replace(microsecond=0) <= until)
    return tests


def _txn_tests(company: CompanyFile, request: etree._Element, kind: str) -> list[Callable[[Txn], bool]]:
    spec = TXNS[kind]
    tests: list[Callable[[Txn], bool]] = [*_modified_tests(company, request)]
    first, last = _text(request, "TxnDateRangeFilter/FromTxnDate"), _text(request, "TxnDateRangeFilter/ToTxnDate")
    if first:
        tests.append(lambda txn: txn.date >= read_date(first))
    if last:
        tests.append(lambda txn: txn.date <= read_date(last))
    for element, name in (("EntityFilter", spec.party), ("AccountFilter", spec.account)):
        chosen = request.find(element)
        if chosen is not None:
            ids = _filter_ids(company, chosen)
            tests.append(lambda txn, ids=ids, name=name: bool(ids & _touched(txn, name)))  # type: ignore[misc]
    criterion, part = _text(request, "RefNumberFilter/MatchCriterion"), _text(request, "RefNumberFilter/RefNumber")
    if criterion:
        tests.append(lambda txn: _matches(criterion, txn.values.get("RefNumber", ""), part))
    low, high = _text(request, "RefNumberRangeFilter/FromRefNumber"), _text(request, "RefNumberRangeFilter/ToRefNumber")
    if low:
        tests.append(lambda txn: txn.values.get("RefNumber", "") >= low)
    if high:
        tests.append(lambda txn: txn.values.get("RefNumber", "") <= high)
    paid = _text(request, "PaidStatus")
    if paid in ("PaidOnly", "NotPaidOnly"):
        tests.append(lambda txn: (company.open_amount(txn) <= 0) == (paid == "PaidOnly"))
    return tests


def _touched(txn: Txn, name: str) -> set[str]:
    """What a filter looks at: the header reference, and for journals and accounts the lines too."""
    ids = {txn.refs[name]} if name in txn.refs else set()
    for line in txn.lines:
        ids |= set(line.refs.values())
    if txn.kind == "Transfer":
        ids |= set(txn.refs.values())
    return ids


def _filter_ids(company: CompanyFile, element: etree._Element) -> set[str]:
    ids: set[str] = set()
    for child in kids(element):
        name, value = tag(child), child.text or ""
        if name.startswith("ListID"):
            item = company.books.lists.get(value)
        else:
            item = next((i for i in company.books.lists.values() if i.full_name.casefold() == value.casefold()), None)
        if item is None:
            raise Refused(3140, f'There is an invalid reference to "{value}" in the query filter.')
        ids.add(item.list_id)
        if name.endswith("WithChildren"):
            prefix = f"{item.full_name}:".casefold()
            ids |= {i.list_id for i in company.items(item.kind) if i.full_name.casefold().startswith(prefix)}
    return ids


def _matches(criterion: str, text: str, part: str) -> bool:
    whole, wanted = text.casefold(), part.casefold()
    if criterion == "StartsWith":
        return whole.startswith(wanted)
    return whole.endswith(wanted) if criterion == "EndsWith" else wanted in whole


# --- iterators ------------------------------------------------------------------------------------------------------


def _iterate(company: CompanyFile, connection: Connection, request: etree._Element, kind: str, shown: Shown) -> Found:
    step, iterator_id = request.get("iterator"), request.get("iteratorID", "")
    if step == "Start":
        chosen, missing = _choose(company, request, kind)
        if missing:
            return _status(company, Found([]), missing)
        connection.started += 1
        iterator_id = f"{{{company.seed & 0xFFFFFFFF:08x}-0000-4000-8000-{connection.started:012x}}}"
        ids = [i.list_id if isinstance(i, ListObject) else i.txn_id for i in chosen]
        connection.iterators[iterator_id] = OpenIterator(tag(request), ids)
    state = connection.iterators.get(iterator_id)
    if state is None or state.request != tag(request):
        raise Refused(3000, f'The given object ID "{iterator_id}" in the field "iteratorID" is invalid.')
    if step == "Stop":
        del connection.iterators[iterator_id]
        return Found([], attributes={"iteratorRemainingCount": "0", "iteratorID": iterator_id})
    size = _number(request, "MaxReturned") or len(state.remaining)
    page, state.remaining = state.remaining[:size], state.remaining[size:]
    books = company.books
    items = [item for id_ in page if (item := books.txns.get(id_) or books.lists.get(id_)) is not None]
    found = Found(_rets(company, items, shown))
    found.attributes = {"iteratorRemainingCount": str(len(state.remaining)), "iteratorID": iterator_id}
    if not state.remaining:
        del connection.iterators[iterator_id]
    return _status(company, found, ())


# --- showing --------------------------------------------------------------------------------------------------------


def _shown(company: CompanyFile, request: etree._Element, kind: str) -> Shown:
    only = frozenset(texts(request, "IncludeRetElement"))
    owners = tuple(texts(request, "OwnerID"))
    return Shown(
        lines=_text(request, "IncludeLineItems") == "true" or bool(only) or kind not in TXNS,
        links=_text(request, "IncludeLinkedTxns") == "true" or "LinkedTxn" in only,
        guid=company.behaviour.guid_in_queries,
        only=only,
        owners=owners,
    )


def _rets(company: CompanyFile, items: Iterable[ListObject | Txn], shown: Shown) -> list[etree._Element]:
    return [txn_ret(company, i, shown) if isinstance(i, Txn) else list_ret(company, i, shown) for i in items]


def _text(request: etree._Element, path: str) -> str:
    return request.findtext(path) or ""


def _number(request: etree._Element, name: str) -> int:
    return int(_text(request, name) or "0")


# --- the other queries ----------------------------------------------------------------------------------------------


def bills_to_pay(company: CompanyFile, request: etree._Element) -> Found:
    """BillToPayQuery: the open bills of one vendor."""
    payee = request.find("PayeeEntityRef")
    ids = _filter_ids(company, payee) if payee is not None else set()
    rets = []
    for bill in company.txns("Bill"):
        if bill.refs["VendorRef"] not in ids or company.open_amount(bill) <= 0:
            continue
        ret = etree.Element("BillToPayRet")
        inner = etree.SubElement(ret, "BillToPay")
        add_text(inner, "TxnID", bill.txn_id)
        add_text(inner, "TxnType", "Bill")
        add_ref(inner, "APAccountRef", company.books.lists[bill.refs["APAccountRef"]])
        add_text(inner, "TxnDate", bill.date.isoformat())
        if bill.values.get("RefNumber"):
            add_text(inner, "RefNumber", bill.values["RefNumber"])
        add_text(inner, "DueDate", bill.values["DueDate"])
        add_text(inner, "AmountDue", format_money(company.open_amount(bill)))
        rets.append(ret)
    return _status(company, Found(rets), ())


def deleted(company: CompanyFile, request: etree._Element) -> Found:
    """TxnDeletedQuery and ListDeletedQuery."""
    prefix = "Txn" if tag(request).startswith("Txn") else "List"
    kinds = set(texts(request, f"{prefix}DelType"))
    first, last = (
        _text(request, "DeletedDateRangeFilter/FromDeletedDate"),
        _text(request, "DeletedDateRangeFilter/ToDeletedDate"),
    )
    since = read_time(company, first) if first else None
    until = read_time(company, last, end=True) if last else None
    rets = [
        deleted_ret(company, prefix, (d.kind, d.id, d.created_at, d.deleted_at, d.reference))
        for d in company.books.deleted
        if d.kind in kinds and (since is None or d.deleted_at >= since) and (until is None or d.deleted_at <= until)
    ]
    return _status(company, Found(rets), ())


QUERYABLE = frozenset({*LISTS, *TXNS})
