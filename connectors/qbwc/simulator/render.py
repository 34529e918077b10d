"""Ret elements: how QuickBooks shows a list object or a transaction in an answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache, lru_cache

from lxml import etree

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.model import ZERO, DataExt, Line, ListObject, Txn
from connectors.qbwc.simulator.specs import DEBIT_NORMAL, LINE_ORDER, LISTS, TXNS, line_element
from engine.dataclass import dataclass
from engine.money import format_money


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request wants to see of an object."""

    lines: bool = True
    links: bool = True
    guid: bool = True
    only: frozenset[str] = frozenset()
    owners: tuple[str, ...] = ()


def local_time(company: CompanyFile, moment: datetime) -> str:
    """A moment with the workstation's offset: `2026-08-05T16:43:30-04:00`."""
    return _local(moment, company.preferences.utc_offset_h)


def read_time(company: CompanyFile, text: str, *, end: bool = False) -> datetime:
    """A DATETIMETYPE of a filter: workstation time without an offset; a date alone is its first or last second."""
    moment = datetime.fromisoformat(text)
    if end and len(text) == len("2026-01-01"):
        moment = moment.replace(hour=23, minute=59, second=59)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_zone(company.preferences.utc_offset_h))
    return moment.astimezone(UTC)


@lru_cache(maxsize=4096)
def _local(moment: datetime, offset_h: int) -> str:
    """The same moments are shown in one query after the other."""
    return moment.astimezone(_zone(offset_h)).isoformat(timespec="seconds")


@cache
def _zone(offset_h: int) -> timezone:
    return timezone(timedelta(hours=offset_h))


def add_text(parent: etree._Element, name: str, text: str) -> None:
    """Append an element with a text."""
    etree.SubElement(parent, name).text = text


def add_ref(parent: etree._Element, name: str, target: ListObject) -> None:
    """Append a reference with ListID and FullName."""
    ref = etree.SubElement(parent, name)
    add_text(ref, "ListID", target.list_id)
    add_text(ref, "FullName", target.full_name)


def data_ext_of(company: CompanyFile, object_id: str, owners: Iterable[str]) -> list[DataExt]:
    """The data fields of an object, or of the company with an empty id, that belong to these owners."""
    wanted = {owner.lower() for owner in owners}
    found = [e for (owner, target, _), e in company.books.data_ext.items() if target == object_id and owner in wanted]
    return sorted(found, key=lambda ext: (ext.owner_id, ext.name))


def add_data_ext(parent: etree._Element, exts: Sequence[DataExt]) -> None:
    """Append DataExtRet elements."""
    for ext in exts:
        ret = etree.SubElement(parent, "DataExtRet")
        add_text(ret, "OwnerID", ext.owner_id)
        add_text(ret, "DataExtName", ext.name)
        add_text(ret, "DataExtType", ext.type)
        add_text(ret, "DataExtValue", ext.value)


def list_ret(company: CompanyFile, item: ListObject, shown: Shown) -> etree._Element:
    """The Ret element of a list object."""
    spec = LISTS[item.kind]
    ret = etree.Element(f"{item.kind}Ret")
    facts, only = _list_facts(company, item, shown), shown.only
    for name in spec.order:
        plain = name.rstrip("/")
        if only and plain not in only:
            continue
        if name == "DataExtRet":
            add_data_ext(ret, data_ext_of(company, item.list_id, shown.owners))
        elif name.endswith("/"):
            _add_group(ret, plain, item)
        elif name == "VendorAddressBlock":
            _add_block(ret, item)
        elif name == "SalesOrPurchase":
            group = etree.SubElement(ret, name)
            add_text(group, "Price", item.values.get("Price", "0.00"))
            add_ref(group, "AccountRef", company.books.lists[item.refs["AccountRef"]])
        elif name == "ParentRef":
            if item.parent_id:
                add_ref(ret, name, company.books.lists[item.parent_id])
        elif name.endswith("Ref"):
            _add_reference(ret, name, item.refs.get(name, ""), company)
        elif facts.get(name):
            add_text(ret, name, facts[name])
    return ret


def _list_facts(company: CompanyFile, item: ListObject, shown: Shown) -> dict[str, str]:
    facts = {
        **item.values,
        "ListID": item.list_id,
        "TimeCreated": local_time(company, item.created_at),
        "TimeModified": local_time(company, item.modified_at),
        "EditSequence": str(item.edit_sequence),
        "Name": item.name,
        "FullName": item.full_name,
        "IsActive": "true" if item.active else "false",
        "Sublevel": str(item.full_name.count(":")),
        "ExternalGUID": item.guid if shown.guid else "",
    }
    if item.kind == "Account":
        facts["Balance"] = format_money(_shown_balance(company, item))
        below = [i for i in company.books.lists.values() if i.kind == "Account" and _is_below(company, i, item.list_id)]
        facts["TotalBalance"] = format_money(
            sum((_shown_balance(company, i) for i in below), _shown_balance(company, item))
        )
        facts.setdefault("CashFlowClassification", "None")
    elif item.kind in ("Vendor", "Customer"):
        facts["Balance"] = format_money(company.index.balances.get(item.list_id, ZERO))
        facts["TotalBalance"] = facts["Balance"]
    return facts


def _is_below(company: CompanyFile, item: ListObject, list_id: str) -> bool:
    while item.parent_id:
        if item.parent_id == list_id:
            return True
        item = company.books.lists[item.parent_id]
    return False


def _shown_balance(company: CompanyFile, account: ListObject) -> Decimal:
    """Assets and expenses show debits as positive, all other accounts show credits as positive."""
    balance = company.index.balances.get(account.list_id, ZERO)
    return balance if account.values["AccountType"] in DEBIT_NORMAL else -balance


def _add_group(ret: etree._Element, name: str, item: ListObject) -> None:
    inside = [(key.split("/")[1], value) for key, value in item.values.items() if key.startswith(f"{name}/")]
    if inside:
        group = etree.SubElement(ret, name)
        for child, value in inside:
            add_text(group, child, value)


def _add_block(ret: etree._Element, item: ListObject) -> None:
    parts = {k.split("/")[1]: v for k, v in item.values.items() if k.startswith("VendorAddress/")}
    lines = [parts[f"Addr{n}"] for n in range(1, 6) if parts.get(f"Addr{n}")]
    region = " ".join(p for p in (parts.get("State", ""), parts.get("PostalCode", "")) if p)
    town = ", ".join(p for p in (parts.get("City", ""), region) if p)
    lines += [p for p in (town, parts.get("Country", "")) if p]
    if lines:
        block = etree.SubElement(ret, "VendorAddressBlock")
        for number, text in enumerate(lines[:5], start=1):
            add_text(block, f"Addr{number}", text)


def _add_reference(ret: etree._Element, name: str, list_id: str, company: CompanyFile) -> None:
    if not list_id or (name == "CurrencyRef" and not company.preferences.multi_currency):
        return
    target = company.books.lists.get(list_id)
    if target is not None:
        add_ref(ret, name, target)


def txn_ret(company: CompanyFile, txn: Txn, shown: Shown) -> etree._Element:
    """The Ret element of a transaction."""
    spec = TXNS[txn.kind]
    ret = etree.Element(f"{txn.kind}Ret")
    facts, only = _txn_facts(company, txn, shown), shown.only
    for name in spec.order:
        if only and name not in only:
            continue
        if name == "DataExtRet":
            add_data_ext(ret, data_ext_of(company, txn.txn_id, shown.owners))
        elif name == "LinkedTxn":
            _add_links(ret, company, txn, shown)
        elif name == "AppliedToTxnRet":
            _add_applied(ret, company, txn, shown)
        elif name.endswith("LineRet") or name.startswith("Journal"):
            _add_lines(ret, name, txn, company, shown)
        elif name.endswith("Ref"):
            _add_reference(ret, name, txn.refs.get(name, ""), company)
        elif facts.get(name):
            add_text(ret, name, facts[name])
    return ret


def _txn_facts(company: CompanyFile, txn: Txn, shown: Shown) -> dict[str, str]:
    spec = TXNS[txn.kind]
    facts = {
        **txn.values,
        "TxnID": txn.txn_id,
        "TimeCreated": local_time(company, txn.created_at),
        "TimeModified": local_time(company, txn.modified_at),
        "EditSequence": str(txn.edit_sequence),
        "TxnNumber": str(txn.number),
        "TxnDate": txn.date.isoformat(),
        "ExternalGUID": txn.guid if shown.guid else "",
    }
    if spec.amount:
        facts[spec.amount] = format_money(txn.amount)
    if spec.home_amount and company.preferences.multi_currency:
        rate = Decimal(facts.setdefault("ExchangeRate", "1"))
        facts[spec.home_amount] = format_money((txn.amount * rate).quantize(ZERO))
    if txn.kind in ("Bill", "VendorCredit"):
        still_open = company.open_amount(txn)
        facts["OpenAmount"] = format_money(still_open)
        facts["IsPaid"] = "true" if still_open <= ZERO else "false"
    if txn.kind == "Transfer":
        for side in ("From", "To"):
            account = company.books.lists[txn.refs[f"Transfer{side}AccountRef"]]
            facts[f"{side}AccountBalance"] = format_money(_shown_balance(company, account))
    return facts


def _add_links(ret: etree._Element, company: CompanyFile, txn: Txn, shown: Shown) -> None:
    if not shown.links:
        return
    for payment, applied in company.payments_of(txn.txn_id):
        _add_link(ret, payment, -(applied.amount + applied.discount))
        for credit, used in applied.credits:
            _add_link(ret, company.books.txns[credit], -used)
    # ASSUMED: a credit is linked with the bills it was used for, as a bill is with what paid it.
    for _, applied, used in company.uses_of(txn.txn_id):
        _add_link(ret, company.books.txns[applied.txn_id], used)


def _add_link(ret: etree._Element, other: Txn, amount: Decimal) -> None:
    link = etree.SubElement(ret, "LinkedTxn")
    add_text(link, "TxnID", other.txn_id)
    add_text(link, "TxnType", other.kind)
    add_text(link, "TxnDate", other.date.isoformat())
    if other.values.get("RefNumber"):
        add_text(link, "RefNumber", other.values["RefNumber"])
    add_text(link, "LinkType", "AMTTYPE")
    add_text(link, "Amount", format_money(amount))


def _add_applied(ret: etree._Element, company: CompanyFile, txn: Txn, shown: Shown) -> None:
    for applied in txn.applied if shown.lines else ():
        target = company.books.txns[applied.txn_id]
        part = etree.SubElement(ret, "AppliedToTxnRet")
        add_text(part, "TxnID", target.txn_id)
        add_text(part, "TxnType", target.kind)
        add_text(part, "TxnDate", target.date.isoformat())
        if target.values.get("RefNumber"):
            add_text(part, "RefNumber", target.values["RefNumber"])
        add_text(part, "BalanceRemaining", format_money(company.open_amount(target)))
        add_text(part, "Amount", format_money(applied.amount))
        if applied.discount:
            add_text(part, "DiscountAmount", format_money(applied.discount))
            if applied.discount_account:
                add_ref(part, "DiscountAccountRef", company.books.lists[applied.discount_account])


def _add_lines(ret: etree._Element, name: str, txn: Txn, company: CompanyFile, shown: Shown) -> None:
    if not shown.lines:
        return
    for line in txn.lines:
        if line_element(line.kind) == name:
            ret.append(_line_ret(company, line))


def _line_ret(company: CompanyFile, line: Line) -> etree._Element:
    ret = etree.Element(line_element(line.kind))
    facts = {**line.values, "TxnLineID": line.line_id, "Amount": format_money(line.amount)}
    for name in LINE_ORDER[line.kind]:
        if name.endswith("Ref"):
            _add_reference(ret, name, line.refs.get(name, ""), company)
        elif facts.get(name):
            add_text(ret, name, facts[name])
    return ret


def deleted_ret(company: CompanyFile, prefix: str, entry: tuple[str, str, datetime, datetime, str]) -> etree._Element:
    """TxnDeletedRet or ListDeletedRet; `entry` is kind, id, created, deleted, reference or name."""
    kind, object_id, created_at, deleted_at, reference = entry
    ret = etree.Element(f"{prefix}DeletedRet")
    add_text(ret, f"{prefix}DelType", kind)
    add_text(ret, f"{prefix}ID", object_id)
    add_text(ret, "TimeCreated", local_time(company, created_at))
    add_text(ret, "TimeDeleted", local_time(company, deleted_at))
    if reference:
        add_text(ret, "RefNumber" if prefix == "Txn" else "FullName", reference)
    return ret


def read_date(text: str) -> date:
    """A DATETYPE; a zone that xsd:date would allow is cut off."""
    return date.fromisoformat(text[:10])
