"""Accounting vendors and the coding of transactions: what Ramp may want before it takes a transaction as synced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.ramp.simulator.outrecords import AccountingVendor
from connectors.ramp.simulator.records import Account, Selection
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
# CONFLICT: the guide and two programs of 2026 name the list differently; either is taken (FACTS.md section 5).
SELECTION_KEYS = ("accounting_field_selections", "accounting_coding_selections")


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


def post_coding(world: World, request: Request) -> HttpReply:
    """POST /accounting/codings, since 2026 and beta: code one transaction.

    ASSUMED: a selection holds `field_id` and `field_option_id`, both Ramp's, and replaces what the field was coded to
    on the whole transaction; the answer is 201 with the ids that were given.
    """
    body = request.json()
    if body.get("object_type") != "TRANSACTION":
        raise invalid({"object_type": ["Must be one of: TRANSACTION."]})
    found = world.transactions.get(check_uuid(body.get("object_id"), "object_id"))
    if found is None:
        raise not_found("Transaction")
    key = next((name for name in SELECTION_KEYS if name in body), SELECTION_KEYS[0])
    given = body.get(key)
    if not isinstance(given, list) or not given:
        raise invalid({key: ["Missing data for required field."]})
    chosen = tuple(_selection(world, key, index, item) for index, item in enumerate(given))
    kinds = {item.kind for item in chosen}
    kept = tuple(item for item in found.selections if item.kind not in kinds)
    world.change_transaction(found.id, selections=(*kept, *chosen))
    world.emit("transactions.body_coding_updated", found.id)
    return reply(201, {"object_type": "TRANSACTION", "object_id": found.id})


def _selection(world: World, key: str, index: int, item: object) -> Selection:
    fields = item if isinstance(item, Mapping) else {}
    field_id, option_id = fields.get("field_id"), fields.get("field_option_id")
    row = next((v for v in world.accounting_vendors.values() if v.id == option_id and v.is_active), None)
    if field_id != world.names.fixed("field", "MERCHANT") or row is None:
        raise invalid({f"{key}.{index}": ["Unknown or inactive option."]})
    return Selection("MERCHANT", Account(row.external_id, row.name, row.code))


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
