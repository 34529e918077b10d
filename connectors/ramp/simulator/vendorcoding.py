"""Accounting vendors, which Ramp may want on a transaction before it takes it as synced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.ramp.simulator.outrecords import AccountingVendor
from connectors.ramp.simulator.wire import (
    JsonObject,
    Request,
    check_uuid,
    flag,
    invalid,
    not_found,
    page,
    refused,
    reply,
    text_time,
)
from connectors.ramp.simulator.world import World
from engine.contract import HttpReply

MOST = 500


def list_accounting_vendors(world: World, request: Request) -> HttpReply:
    """GET /accounting/vendors: inactive ones too, unless told otherwise."""
    remote, active = request.get("remote_id"), flag(request, "is_active")

    def keep(row: AccountingVendor) -> bool:
        return (remote is None or row.external_id == remote) and (active is None or row.is_active is active)

    return page(request, list(world.accounting_vendors.values()), keep, lambda row: show(world, row))


def post_accounting_vendors(world: World, request: Request) -> HttpReply:
    """POST /accounting/vendors: all or none, and none that is there already."""
    given = request.json().get("vendors")
    if not isinstance(given, list) or not 1 <= len(given) <= MOST:
        raise invalid({"vendors": [f"Length must be between 1 and {MOST}."]})
    ids: list[str] = []
    for index, item in enumerate(given):
        fields = item if isinstance(item, Mapping) else {}
        if not isinstance(fields.get("id"), str) or not isinstance(fields.get("name"), str):
            raise invalid({f"vendors.{index}": ["Missing data for required field."]})
        if fields["id"] in world.accounting_vendors or fields["id"] in ids:
            raise refused("Some vendors already exist.", {f"vendors.{index}": ["Already exists."]})
        ids.append(fields["id"])
    made = [_made(world, item) for item in given]
    world.accounting_vendors |= {row.external_id: row for row in made}
    uploaded = [row.id for row in made]
    return reply(201, {"vendors": [show(world, row) for row in made], "uploaded": uploaded})


def patch_accounting_vendor(world: World, request: Request) -> HttpReply:
    """PATCH /accounting/vendors/{id}."""
    ramp_id = check_uuid(request.params[0], "vendor_id")
    rows = world.accounting_vendors.values()
    found = next((row for row in rows if row.id == ramp_id), None)
    if found is None:
        raise not_found("Accounting vendor")
    body = request.json()
    changed: dict[str, Any] = {name: body[name] for name in ("name", "code") if isinstance(body.get(name), str)}
    if body.get("reactivate") is True:
        changed["is_active"] = True
    world.accounting_vendors[found.external_id] = replace(found, **changed)
    return reply(200, show(world, world.accounting_vendors[found.external_id]))


def show(world: World, row: AccountingVendor) -> JsonObject:
    """An accounting vendor as Ramp prints it: `id` is the one of the books, `ramp_id` its own."""
    body: JsonObject = {
        "created_at": text_time(row.created_at),
        "id": row.external_id,
        "is_active": row.is_active,
        "is_synced": True,
        "name": row.name,
        "ramp_id": row.id,
        "updated_at": text_time(row.created_at),
        "vendor_category_info": {
            "id": "Merchant",
            "name": "Merchant",
            "ramp_id": world.names.fixed("field", "MERCHANT"),
        },
    }
    if row.code:
        body["code"] = row.code
    if world.profile == "2026-08":
        active = world.connection()
        body["provider_name"] = active.provider if active else ""
    return body


def _made(world: World, item: Mapping[str, Any]) -> AccountingVendor:
    """A new one, under the id that a selection of this vendor shows (`coding.bill_selection`)."""
    ramp_id = world.names.fixed("option:MERCHANT", item["id"])
    code = str(item.get("code") or "")
    return AccountingVendor(ramp_id, item["id"], item["name"], code, is_active=True, created_at=world.now)
