"""Vendors: list, get, create, change, archive and restore."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from connectors.bill.simulator import listing
from connectors.bill.simulator.listing import Listing
from connectors.bill.simulator.records import Vendor
from connectors.bill.simulator.wire import JsonObject, Request, invalid, not_found, present, reply, text_of, text_time
from connectors.bill.simulator.world import World
from engine.contract import HttpReply

# BILL's names of a vendor's texts, and ours.
_TEXTS = {
    "name": "name",
    "shortName": "short_name",
    "accountNumber": "account_number",
    "email": "email",
    "phone": "phone",
}
_ADDRESS = ("line1", "line2", "city", "stateOrProvince", "zipOrPostalCode", "country")
_TYPES = frozenset({"BUSINESS", "PERSON", "NONE", "UNDEFINED"})


def show(world: World, vendor: Vendor) -> JsonObject:
    """A vendor as BILL prints it."""
    balance = sum(
        (world.open_amount(bill.id) for bill in world.bills.values() if bill.vendor_id == vendor.id), Decimal(0)
    )
    return {**_kept(world, vendor), "balance": {"amount": balance, "lastUpdatedDate": world.now.date().isoformat()}}


def _kept(world: World, vendor: Vendor) -> JsonObject:
    options = world.options
    address = dict(vendor.address)
    if address.get("country") == "US":
        address["countryName"] = "United States"
    return present(
        {
            "id": vendor.id,
            "archived": vendor.archived,
            "name": vendor.name,
            "shortName": vendor.short_name,
            "accountNumber": vendor.account_number,
            "accountType": vendor.account_type,
            "email": vendor.email,
            "phone": vendor.phone,
            "address": address,
            "paymentInformation": present({"payeeName": vendor.payee_name or vendor.name, "payByType": "CHECK"}),
            "additionalInfo": present(
                {"track1099": False, "combinePayments": True, "companyName": vendor.company_name}
            ),
            "bankAccountStatus": "NO_ACCOUNT",
            "recurringPayments": False,
            "billCurrency": vendor.currency,
            "createdTime": text_time(options, vendor.created),
            "updatedTime": text_time(options, vendor.updated),
            "autoPay": {"enabled": False},
            "networkStatus": "NOT_CONNECTED",
        }
    )


LISTING: Listing[Vendor] = Listing(
    {
        "id": listing.text(lambda _, row: row.id),
        "archived": listing.flag(lambda _, row: row.archived),
        "name": listing.name(lambda _, row: row.name),
        "accountType": listing.text(lambda _, row: row.account_type),
        "address.country": listing.text(lambda _, row: dict(row.address).get("country")),
        "billCurrency": listing.text(lambda _, row: row.currency),
        "createdTime": listing.moment(lambda _, row: row.created),
        "updatedTime": listing.moment(lambda _, row: row.updated),
    },
    _kept,
)


def list_vendors(world: World, request: Request) -> HttpReply:
    """GET /vendors. ASSUMED: a list leaves the balance out."""
    return listing.answer(world, request, list(world.vendors.values()), LISTING)


def get_vendor(world: World, request: Request) -> HttpReply:
    """GET /vendors/{id}."""
    return reply(world.options, show(world, _find(world, request)))


def post_vendor(world: World, request: Request) -> HttpReply:
    """POST /vendors: BILL has no idempotency key for it, so the same call twice makes two."""
    options, body = world.options, request.json()
    text_of(options, body, "name", needed=True)
    if body.get("address") is None and options.vendor_address_required:
        raise invalid(options, "address", "must not be null")
    now = world.now
    made = replace(Vendor(world.new_id("vendor"), "", now, now), **_given(world, body))
    world.vendors[made.id] = made
    world.emit("vendor.created", made.id)
    return reply(options, show(world, made), 201)


def patch_vendor(world: World, request: Request) -> HttpReply:
    """PATCH /vendors/{id}: only what is sent changes."""
    found, given = _find(world, request), _given(world, request.json())
    world.vendors[found.id] = replace(found, **given, updated=world.now)
    world.emit("vendor.updated", found.id)
    return reply(world.options, show(world, world.vendors[found.id]))


def archive_vendor(world: World, request: Request) -> HttpReply:
    """POST /vendors/{id}/archive; once more is no error."""
    return _set_archived(world, request, is_archived=True)


def restore_vendor(world: World, request: Request) -> HttpReply:
    """POST /vendors/{id}/restore."""
    return _set_archived(world, request, is_archived=False)


def _set_archived(world: World, request: Request, *, is_archived: bool) -> HttpReply:
    found = _find(world, request)
    if found.archived is not is_archived:
        world.vendors[found.id] = replace(found, archived=is_archived, updated=world.now)
        world.emit("vendor.archived" if is_archived else "vendor.restored", found.id)
    return reply(world.options, show(world, world.vendors[found.id]))


def _find(world: World, request: Request) -> Vendor:
    found = world.vendors.get(request.params[0])
    if found is None:
        raise not_found()
    return found


def _given(world: World, body: JsonObject) -> dict[str, Any]:
    """The fields of a body in our own terms; only what it says."""
    options = world.options
    fields: dict[str, Any] = {ours: text_of(options, body, name) for name, ours in _TEXTS.items() if name in body}
    if "name" in body:
        text_of(options, body, "name", needed=True)
    if body.get("accountType") is not None:
        fields["account_type"] = text_of(options, body, "accountType")
        if fields["account_type"] not in _TYPES:
            raise invalid(options, "accountType", "must be one of BUSINESS, PERSON, NONE")
    if body.get("billCurrency") is not None:
        fields["currency"] = text_of(options, body, "billCurrency")
    for part, name, ours in (
        ("paymentInformation", "payeeName", "payee_name"),
        ("additionalInfo", "companyName", "company_name"),
    ):
        if body.get(part) is not None:
            fields[ours] = text_of(options, _object(world, body, part), name)
    if body.get("address") is not None:
        address = _object(world, body, "address")
        fields["address"] = tuple(
            (name, text_of(options, address, name) or "") for name in _ADDRESS if address.get(name)
        )
    return fields


def _object(world: World, body: JsonObject, name: str) -> JsonObject:
    value = body[name]
    if not isinstance(value, dict):
        raise invalid(world.options, name, "must be an object")
    return value
