"""Add, modify and delete objects of lists: vendors, accounts, classes, customers and the rest."""

from __future__ import annotations

from dataclasses import replace

from lxml import etree

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.model import Deleted, ListObject, Refused
from connectors.qbwc.simulator.reading import (
    NOT_THERE,
    Context,
    check_edit,
    check_lock,
    define,
    existing_list,
    kids,
    not_found,
    resolve,
    tag,
    text_of,
)
from connectors.qbwc.simulator.specs import ENTITIES, LISTS, REFS

PERSON = ("FirstName", "MiddleName", "LastName")


def add_list(context: Context, kind: str, body: etree._Element) -> ListObject:
    """Run VendorAdd, AccountAdd and the like."""
    company, spec = context.company, LISTS[kind]
    check_lock(company, kind)
    values, refs, parent = _read(context, kind, body)
    # EmployeeAdd has no Name: QuickBooks makes it of the parts.
    name = values.pop("Name", "") or " ".join(values[p] for p in PERSON if kind == "Employee" and values.get(p))
    full_name = f"{parent.full_name}:{name}" if parent else name
    _check_name(company, kind, name, full_name)
    if len(name) > spec.maximum:
        raise Refused(3070, f'The string "{name}" in the field "Name" is too long.')
    if kind in ("Vendor", "Account", "Customer") and company.preferences.multi_currency and "CurrencyRef" not in refs:
        home = company.named("Currency", company.preferences.home_currency)
        refs |= {"CurrencyRef": home.list_id} if home else {}
    guid, active = values.pop("ExternalGUID", ""), values.pop("IsActive", "true")
    item = ListObject(
        kind=kind,
        list_id=company.next_id("list"),
        name=name,
        full_name=full_name,
        created_at=company.clock.now(),
        modified_at=company.clock.now(),
        edit_sequence=company.next_edit(),
        parent_id=parent.list_id if parent else "",
        active=active not in ("false", "0"),
        values=values,
        refs=refs,
        guid=guid,
    )
    define(context, body, item.list_id)
    company.put_list(item)
    return item


def modify_list(context: Context, kind: str, body: etree._Element) -> ListObject:
    """Run VendorMod and the like: only the elements that are given change."""
    company = context.company
    item = existing_list(context, body, kind)
    check_edit(context, body, item.edit_sequence)
    values, refs, parent = _read(context, kind, body)
    name = values.pop("Name", item.name)
    above = parent or company.books.lists.get(item.parent_id)
    full_name = f"{above.full_name}:{name}" if above else name
    if full_name.casefold() != item.full_name.casefold():
        _check_name(company, kind, name, full_name)
    active = values.pop("IsActive", "true" if item.active else "false")
    changed = replace(
        item,
        name=name,
        full_name=full_name,
        parent_id=above.list_id if above else "",
        active=active not in ("false", "0"),
        values={key: value for key, value in {**item.values, **values}.items() if value},
        refs={**item.refs, **refs},
        modified_at=company.clock.now(),
        edit_sequence=company.next_edit(item.edit_sequence),
    )
    company.put_list(changed)
    return changed


def delete_list(context: Context, kind: str, list_id: str) -> Deleted:
    """Run ListDel: refused while anything uses the object."""
    company = context.company
    item = company.books.lists.get(list_id)
    if item is None or item.kind != kind:
        raise not_found(list_id)
    check_lock(company, list_id)
    if _used(company, list_id):
        raise Refused(3160, f'Cannot delete the object specified by the id = "{list_id}".  It is in use.')
    return company.delete(list_id)


def _used(company: CompanyFile, list_id: str) -> bool:
    if any(i.parent_id == list_id or list_id in i.refs.values() for i in company.books.lists.values()):
        return True
    txns = company.books.txns.values()
    return any(list_id in t.refs.values() or any(list_id in ln.refs.values() for ln in t.lines) for t in txns)


def _read(
    context: Context, kind: str, body: etree._Element
) -> tuple[dict[str, str], dict[str, str], ListObject | None]:
    values: dict[str, str] = {}
    refs: dict[str, str] = {}
    parent = None
    for child in kids(body):
        name = tag(child)
        if name == "ParentRef":
            parent = _parent(context, kind, child)
        elif name.endswith("Ref"):
            if name in REFS:
                refs[name] = resolve(context, child, kind).list_id
        elif len(child):
            values |= {f"{name}/{tag(part)}": text_of(context, part) for part in kids(child)}
        elif name not in ("ListID", "EditSequence"):
            values[name] = text_of(context, child)
    return values, refs, parent


def _parent(context: Context, kind: str, element: etree._Element) -> ListObject:
    list_id, full_name = text_of(context, element.find("ListID")), text_of(context, element.find("FullName"))
    found = context.company.books.lists.get(list_id) if list_id else context.company.named(kind, full_name)
    if found is None or found.kind != kind:
        name = list_id or full_name
        raise Refused(3130, f'There is an invalid reference to the parent "{name}" in the {kind} list.  {NOT_THERE}')
    return found


def _name_owner(company: CompanyFile, kind: str, full_name: str) -> ListObject | None:
    """Who uses a name already; vendors, customers, employees and other names share one name space."""
    spaces = ENTITIES if kind in ENTITIES else (kind,)
    return next((found for space in spaces if (found := company.named(space, full_name))), None)


def _check_name(company: CompanyFile, kind: str, name: str, full_name: str) -> None:
    if not name.strip():
        raise Refused(3150, 'There is a missing element: "Name".')
    if ":" in name:
        # ASSUMED: the code; that a colon cannot stand in a name is documented, since it parts the levels of a FullName.
        raise Refused(3085, f'The string "{name}" in the field "Name" has a colon, which separates levels.')
    if _name_owner(company, kind, full_name) is not None:
        raise Refused(3100, f'The name "{full_name}" of the list element is already in use.')
