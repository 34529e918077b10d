"""Accounting field selections as Ramp prints them on bills and on transactions."""

from __future__ import annotations

from connectors.ramp.simulator.records import Selection
from connectors.ramp.simulator.wire import JsonObject
from connectors.ramp.simulator.world import World

# External id and name of the field of each kind; "Category" and "Merchant" are in every published example.
FIELDS = {
    "GL_ACCOUNT": ("Category", "Category"),
    "MERCHANT": ("Merchant", "Merchant"),
    "COST_CENTER": ("Class", "Class"),
    "CUSTOMERS_JOBS": ("Customer", "Customer:Job"),
    "OTHER": ("Custom", "Custom field"),
}


def bill_selection(world: World, selection: Selection) -> JsonObject:
    """A selection on a bill: no top-level type; the integrator's name since 2026."""
    external_id, name = (selection.field_id,) * 2 if selection.field_id else FIELDS[selection.kind]
    account = selection.account
    body: JsonObject = {
        "category_info": {
            "external_id": external_id,
            "id": world.names.fixed("field", selection.kind),
            "name": name,
            "type": selection.kind,
        },
        "external_id": account.external_id,
        "id": world.names.fixed(f"option:{selection.kind}", account.external_id),
        "name": account.name,
    }
    if world.profile == "2026-08":
        body["external_code"] = account.code or None
        body["provider_name"] = world.provider(selection)
    elif account.code:
        body["external_code"] = account.code
    return body


def transaction_selection(world: World, selection: Selection) -> JsonObject:
    """A selection on a transaction: the same, with its type and who coded it."""
    return {**bill_selection(world, selection), "source": {"type": "USER"}, "type": selection.kind}
