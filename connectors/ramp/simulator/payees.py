"""Creating and changing vendors over the API, and the contacts of a vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.ramp.simulator import build
from connectors.ramp.simulator.given import check_fields, flag_of, id_of, object_of, text_of
from connectors.ramp.simulator.records import Account, Profile, Vendor
from connectors.ramp.simulator.vendors import show_vendor
from connectors.ramp.simulator.wire import JsonObject, Request, check_uuid, invalid, not_found, page, refused, reply
from connectors.ramp.simulator.world import World
from engine.contract import HttpReply
from engine.dataclass import dataclass

_LINKS = ("accounting_vendor_remote_id", "vendor_tracking_category_option_id")
_CREATE_2025 = frozenset(
    {
        "name", "country", "state", "address", "business_vendor_contacts", "request_payment_details",
        "request_tax_details", "vendor_owner_id", *_LINKS,
    }
)  # fmt: skip
_CREATE: Mapping[Profile, frozenset[str]] = {
    "2025-08": _CREATE_2025,
    "2026-08": _CREATE_2025 | {"external_vendor_id"},
}
_PATCH = frozenset({"country", "state", "address", "description", "is_active", *_LINKS})
_CONTACT = ("email", "first_name", "last_name", "phone")
_ADDRESS = ("address_line_1", "address_line_2", "city", "country", "postal_code", "state")


@dataclass(frozen=True, slots=True)
class _Contact:
    id: str
    vendor: Vendor


def post_vendor(world: World, request: Request) -> HttpReply:
    """POST /vendors, 200: approved at once. The same call twice makes two vendors.

    ASSUMED: two vendors may have one name, and one external id.
    """
    body = request.json()
    older = ("vendor_owner_id",) if world.profile == "2025-08" else ()
    check_fields(body, _CREATE[world.profile], ("business_vendor_contacts", "country", *older))
    contact = object_of(body, "business_vendor_contacts") or {}
    check_fields(contact, _CONTACT, ("email",))
    owner = id_of(body, "vendor_owner_id") or next(iter(world.users))
    if owner not in world.users:
        raise not_found("User")
    name = text_of(body, "name")
    if not name:
        raise invalid({"name": ["Shorter than minimum length 1."]})
    for flag in ("request_payment_details", "request_tax_details"):
        flag_of(body, flag, default=False)
    fields = _fields(body, name)
    made = build.add_vendor(
        world,
        name,
        owner_id=owner,
        external_id=text_of(body, "external_vendor_id"),
        contact=tuple(text_of(contact, part) for part in _CONTACT),
        by_api=True,
        **fields,
    )
    return reply(200, show_vendor(world, made))


def patch_vendor(world: World, request: Request) -> HttpReply:
    """PATCH /vendors/{id}: neither the name nor the contact."""
    found = _find(world, request)
    body = request.json()
    check_fields(body, _PATCH)
    changed = _fields(body, found.name)
    if "description" in body:
        changed["description"] = text_of(body, "description")
    if "is_active" in body:
        changed["is_active"] = flag_of(body, "is_active", default=True)
    world.vendors[found.id] = replace(found, **changed)
    if world.profile == "2026-08":
        world.emit("vendors.updated", found.id)
    return reply(200, show_vendor(world, world.vendors[found.id]))


def list_contacts(world: World, request: Request) -> HttpReply:
    """GET /vendors/{id}/contacts: the one that every vendor has."""
    found = _find(world, request)
    return page(request, [_Contact(found.contact_id, found)], lambda _row: True, lambda row: _show(row.vendor))


def get_contact(world: World, request: Request) -> HttpReply:
    """GET /vendors/{id}/contacts/{id}."""
    found = _find(world, request)
    if check_uuid(request.params[1], "vendor_contact_id") != found.contact_id:
        raise not_found("Vendor contact")
    return reply(200, _show(found))


def _find(world: World, request: Request) -> Vendor:
    found = world.vendors.get(check_uuid(request.params[0], "vendor_id"))
    if found is None:
        raise not_found("Vendor")
    return found


def _show(vendor: Vendor) -> JsonObject:
    email, first, last, phone = vendor.contact
    return {
        "email": email or f"billing@{vendor.id[:8]}.example",
        "first_name": first,
        "id": vendor.contact_id,
        "is_default": True,
        "last_name": last,
        "phone": phone,
    }


def _fields(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What both calls take, in the simulator's own terms; only what the body says."""
    fields: dict[str, Any] = {part: text_of(body, part) for part in ("country", "state") if part in body}
    if all(body.get(link) is not None for link in _LINKS):
        raise refused("At most one of accounting_vendor_remote_id and vendor_tracking_category_option_id.")
    remote = text_of(body, "accounting_vendor_remote_id")
    if remote is not None:
        # ASSUMED: the id is not held against the accounting vendors that were uploaded.
        fields["accounting"] = Account(remote, name)
    address = object_of(body, "address")
    if address is not None:
        check_fields(address, _ADDRESS, ("address_line_1", "city", "postal_code"))
        fields["address"] = tuple((part, text_of(address, part)) for part in _ADDRESS if part in address)
    return fields
