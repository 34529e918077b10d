"""Creates vendors in BILL, and finds those that an earlier call created."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connectors._http import Call, parse_json
from connectors.bill.client import BillClient
from connectors.bill.progress import moment
from connectors.bill.spec import PATHS, VENDOR_CREATE
from engine.contract import Operation, Receipt
from engine.errors import Ambiguous, Rejected

# BILL's clock and ours may differ by this much.
_SKEW = timedelta(minutes=10)


def create_vendor(client: BillClient, operation: Operation) -> Receipt:
    """Send the frozen body once.

    Raises:
        Rejected: for another request, for a body that names no vendor, or when BILL refuses it.
        Ambiguous: when the answer is lost or cannot be understood: the vendor may be there.
    """
    name = _name(client, operation)
    headers = {"Content-Type": "application/json"}
    reply = client.send(Call("POST", PATHS["vendors"], headers=headers, content=operation.body, write=True))
    receipt = _receipt(reply.body, name)
    if receipt is None:
        raise Ambiguous(f"{reply.where}: no vendor with an `id` in the answer; it may or may not have been created")
    return receipt


def find_vendor(client: BillClient, operation: Operation) -> Receipt | None:
    """The vendor of that very name, or None.

    BILL keeps no key of ours with a vendor, so its name is all there is to know it by. Of several, the one that was
    created after the operation was is meant.

    Raises:
        Ambiguous: when several fit, or when the only one is archived: who archived it did not want it used.
    """
    name = _name(client, operation)
    found: list[dict[str, Any]] = []
    for page in client.pages(PATHS["vendors"], {"sort": "createdTime:asc", **_by_name(name)}):
        found += [row for row in page.rows if _trimmed(row.get("name")) == name]
    archived, found = found, [row for row in found if row.get("archived") is not True]
    if archived and not found:
        raise Rejected(
            f"{client.where}: BILL has the vendor, and it is archived there",
            hint="restore it in BILL, or make the vendor inactive in QuickBooks",
            code="archived",
        )
    if len(found) > 1:
        since = operation.created_at - _SKEW
        found = [row for row in found if (made := moment(row.get("createdTime"))) is not None and made >= since]
        if len(found) != 1:
            raise Ambiguous(
                f"{client.where}: BILL has several vendors of the name that was to be created",
                hint="archive in BILL those that are not used",
            )
    return _receipt(found[0], name) if found else None


def _name(client: BillClient, operation: Operation) -> str:
    if operation.request != VENDOR_CREATE:
        raise Rejected(
            f"{client.where}: there is no request `{operation.request[:40]}`", hint=f"known: {VENDOR_CREATE}"
        )
    try:
        body = parse_json(operation.body)
    except ValueError:
        body = None
    name = _trimmed(body.get("name")) if isinstance(body, dict) else ""
    if not name or not name.isprintable():  # half a character, which JSON can write, fits into no address
        raise Rejected(f"{client.where}: {VENDOR_CREATE} without a plain `name` of a vendor", hint="map `name`")
    return name


def _by_name(name: str) -> dict[str, str]:
    """A filter for the name, quoted, since a comma would end it.

    How BILL wants a quotation mark inside quotes is not known, so such a name is asked for by what stands before it.
    """
    before = name.replace("\\", '"').partition('"')[0].strip()
    if before == name:
        return {"filters": f'name:eq:"{name}"'}
    return {"filters": f'name:sw:"{before}"'} if before else {}


def _trimmed(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _receipt(vendor: object, name: str) -> Receipt | None:
    given = vendor.get("id") if isinstance(vendor, dict) else None
    if not isinstance(vendor, dict) or not isinstance(given, str) or not given:
        return None
    return Receipt({"id": given, "name": _trimmed(vendor.get("name")) or name})
