"""Vendors, the payees of bills: their JSON, their list, and one vendor."""

from __future__ import annotations

from connectors.ramp.simulator.records import Money, Vendor
from connectors.ramp.simulator.wire import (
    JsonObject,
    Request,
    amount,
    check_uuid,
    flag,
    identifier,
    moment,
    not_found,
    page,
    reply,
    text_time,
    within,
)
from connectors.ramp.simulator.world import World
from engine.contract import HttpReply


def list_vendors(world: World, request: Request) -> HttpReply:
    """GET /vendors."""
    # ASSUMED: `name` matches the whole name without regard to case; no source says whether it searches inside names.
    name = request.get("name")
    active = flag(request, "is_active")
    owner = identifier(request, "vendor_owner_id")
    created = moment(request, "from_created_at")
    # Since 2026; an older server ignores it.
    external = request.get("external_vendor_id") if request.profile == "2026-08" else None

    def keep(vendor: Vendor) -> bool:
        return (
            (name is None or vendor.name.casefold() == name.casefold())
            and (active is None or vendor.is_active is active)
            and (owner is None or vendor.owner_id == owner)
            and (external is None or vendor.external_id == external)
            and within(vendor.created_at, created, None)
        )

    return page(request, list(world.vendors.values()), keep, lambda vendor: show_vendor(world, vendor))


def get_vendor(world: World, request: Request) -> HttpReply:
    """GET /vendors/{id}."""
    vendor = world.vendors.get(check_uuid(request.params[0], "vendor_id"))
    if vendor is None:
        raise not_found("Vendor")
    return reply(200, {**show_vendor(world, vendor), "custom_form_collection_response": None})


def show_vendor(world: World, vendor: Vendor) -> JsonObject:
    """A vendor as the API prints it. Spend is not kept by this simulator: its totals are zero."""
    nothing = amount(Money(0, world.options.currency), world.profile)
    address: JsonObject = {
        "address_line_1": "442 Good St",
        "address_line_2": None,
        "city": "Springfield",
        "country": vendor.country,
        "postal_code": "94105",
        "state": vendor.state,
        **dict(vendor.address),
    }
    body: JsonObject = {
        "accounting_vendor_remote_id": vendor.accounting.external_id if vendor.accounting else None,
        "address": address,
        "billing_frequency": None,
        "contacts": [vendor.contact_id],
        "country": vendor.country,
        "created_at": text_time(vendor.created_at),
        "description": vendor.description,
        "federal_tax_classification": None,
        "id": vendor.id,
        "is_active": vendor.is_active,
        "is_deletable": False,
        "merchant_id": None,
        "name": vendor.name,
        "name_legal": None,
        "sk_category_id": 30,
        "sk_category_name": "General merchandise",
        "state": vendor.state,
        "tax_address": None,
        "total_spend_all_time": nothing,
        "total_spend_last_30_days": nothing,
        "total_spend_last_365_days": nothing,
        "total_spend_ytd": nothing,
        "vendor_owner_id": vendor.owner_id,
        "vendor_type": vendor.kind,
    }
    if world.profile == "2026-08":
        body |= {
            "addresses": [address],
            "default_entity_id": None,
            "default_payment_method": None,
            "external_vendor_id": vendor.external_id,
            "parent_vendor_id": None,
            "subsidiary": [],
        }
    return body
