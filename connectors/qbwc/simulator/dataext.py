"""Custom and private data fields: definitions, and values on the company, on list objects and on transactions."""

from __future__ import annotations

from lxml import etree

from connectors.qbwc.simulator.company import CompanyFile
from connectors.qbwc.simulator.model import DataExt, Refused
from connectors.qbwc.simulator.reading import Context, existing_txn, kids, not_found, tag, text_of
from connectors.qbwc.simulator.render import add_data_ext, add_text


def put_data_ext(company: CompanyFile, ext: DataExt) -> None:
    """Write one data field."""
    company.books.data_ext[(ext.owner_id.lower(), ext.object_id, ext.name)] = ext


def define_data_ext(context: Context, body: etree._Element) -> etree._Element:
    """Run DataExtDefAdd."""
    owner, name = text_of(context, body.find("OwnerID")), text_of(context, body.find("DataExtName"))
    key = (owner.lower(), name)
    definitions = context.company.books.data_ext_defs
    if key in definitions:
        raise Refused(3100, f'The name "{name}" of the list element is already in use.')
    kind = text_of(context, body.find("DataExtType"))
    targets = tuple(text_of(context, child) for child in kids(body) if tag(child) == "AssignToObject")
    definitions[key] = (kind, *targets)
    ret = etree.Element("DataExtDefRet")
    add_text(ret, "OwnerID", owner)
    add_text(ret, "DataExtID", str(context.company.count("data_ext") - 1))
    add_text(ret, "DataExtName", name)
    add_text(ret, "DataExtType", kind)
    for target in targets:
        add_text(ret, "AssignToObject", target)
    add_text(ret, "DataExtListRequire", "false")
    add_text(ret, "DataExtTxnRequire", "false")
    add_text(ret, "DataExtFormatString", "")
    return ret


def write_data_ext(context: Context, body: etree._Element, *, new: bool) -> etree._Element:
    """Run DataExtAdd and DataExtMod."""
    company = context.company
    owner, name = text_of(context, body.find("OwnerID")), text_of(context, body.find("DataExtName"))
    definition = company.books.data_ext_defs.get((owner.lower(), name))
    if definition is None:
        raise Refused(3120, f'Object "{name}" specified in the request cannot be found.')
    target = _target(context, body, definition[1:])
    known = (owner.lower(), target, name) in company.books.data_ext
    if known == new:
        code, said = (3100, "is already in use") if known else (3120, "cannot be found")
        raise Refused(code, f'The data field "{name}" {said} on this object.')
    ext = DataExt(owner, name, target, text_of(context, body.find("DataExtValue")), definition[0])
    put_data_ext(company, ext)
    holder = etree.Element("holder")
    add_data_ext(holder, [ext])
    return holder[0]


def _target(context: Context, body: etree._Element, allowed: tuple[str, ...]) -> str:
    company = context.company
    kind = next(
        (text_of(context, c) for c in kids(body) if tag(c).endswith("DataExtType") and tag(c) != "DataExtType"), ""
    )
    if allowed and kind not in allowed:
        raise Refused(3210, f'The "DataExtType" field has an invalid value "{kind}".')
    if kind == "Company":
        return ""
    if body.find("TxnID") is not None:
        return existing_txn(context, text_of(context, body.find("TxnID")), kind).txn_id
    list_id, name = text_of(context, body.find("ListObjRef/ListID")), text_of(context, body.find("ListObjRef/FullName"))
    found = company.books.lists.get(list_id) if list_id else company.named(kind, name)
    if found is None:
        raise not_found(list_id or name)
    return found.list_id
