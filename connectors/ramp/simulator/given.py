"""Bodies of writes, read as Ramp reads them: unknown fields are refused, what is missing or wrong is named."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.ramp.simulator.coding import FIELDS
from connectors.ramp.simulator.records import Account, Line, Selection, SelectionKind
from connectors.ramp.simulator.wire import ApiError, JsonObject, check_uuid, invalid
from connectors.ramp.simulator.world import World, gl_account
from engine.money import exponent

MISSING = "Missing data for required field."
_KINDS: Mapping[str, SelectionKind] = {
    "Category": "GL_ACCOUNT",
    "Merchant": "MERCHANT",
    "Class": "COST_CENTER",
    "Customer": "CUSTOMERS_JOBS",
}


def check_fields(body: Mapping[str, Any], known: Collection[str], required: Sequence[str] = ()) -> None:
    """Refuse fields that the schema does not have, seen live on one PATCH; and name those that are missing."""
    errors = {name: ["Unknown field."] for name in body if name not in known}
    errors |= {name: [MISSING] for name in required if body.get(name) is None}
    if errors:
        raise invalid(errors)


def text_of(body: Mapping[str, Any], name: str, most: int | None = None) -> str | None:
    """A text or null."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid({name: ["Not a valid string."]})
    if most is not None and len(value) > most:
        raise invalid({name: [f"Longer than maximum length {most}."]})
    return value


def flag_of(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """A boolean."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise invalid({name: ["Not a valid boolean."]})
    return value


def id_of(body: Mapping[str, Any], name: str) -> str | None:
    """A uuid or null."""
    return None if body.get(name) is None else check_uuid(body[name], name)


def day_of(body: Mapping[str, Any], name: str) -> date | None:
    """A date as YYYY-MM-DD, or null."""
    value = body.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, str) and len(value) == len("2026-03-31"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise invalid({name: ["Not a valid date."]})


def choice_of(body: Mapping[str, Any], name: str, allowed: Collection[str]) -> str | None:
    """One of some values, or null."""
    value = text_of(body, name)
    if value is not None and value not in allowed:
        raise invalid({name: [f"Must be one of: {', '.join(sorted(allowed))}."]})
    return value


def object_of(body: Mapping[str, Any], name: str) -> JsonObject | None:
    """An object or null."""
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise invalid({name: ["Invalid input type."]})
    return value


def list_of(body: Mapping[str, Any], name: str) -> list[JsonObject]:
    """A list of objects; null is an empty one."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid({name: ["Not a valid list."]})
    return value


def minor_of(value: object, currency: str, where: str) -> int:
    """An amount in major units, a text or a number of zero or more, in minor units.

    ASSUMED: more decimals than the currency has are refused; no source says whether they are rounded.
    """
    try:
        amount = Decimal(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite():
        raise invalid({where: [MISSING if value is None else "Not a valid number."]})
    scaled = amount.scaleb(exponent(currency))
    if amount < 0:
        raise invalid({where: ["Must be greater than or equal to 0."]})
    if scaled != scaled.to_integral_value():
        raise invalid({where: [f"More than {exponent(currency)} decimals."]})
    return int(scaled)


def lines_of(world: World, body: Mapping[str, Any], currency: str) -> tuple[Line, ...]:
    """The lines of a bill or draft."""
    known = {"amount", "memo", "accounting_field_selections"}
    if world.profile == "2026-08":
        known.add("purchase_order_line_item_id")
    made = []
    for index, item in enumerate(list_of(body, "line_items")):
        check_fields(item, known)
        minor = minor_of(item.get("amount"), currency, f"line_items.{index}.amount")
        made.append(Line(minor, coding_of(world, item), text_of(item, "memo")))
    return tuple(made)


def coding_of(world: World, body: Mapping[str, Any]) -> tuple[Selection, ...]:
    """The selections of a bill or line, by the ids of the accounting system."""
    made = []
    for item in list_of(body, "accounting_field_selections"):
        check_fields(
            item, {"field_external_id", "field_option_external_id"}, ("field_external_id", "field_option_external_id")
        )
        made.append(selection(world, str(item["field_external_id"]), str(item["field_option_external_id"])))
    return tuple(made)


def selection(world: World, field_id: str, option_id: str) -> Selection:
    """The option of a field, by the ids of the accounting system.

    ASSUMED: what a GL account is coded to must be uploaded and active; the options of other fields are not kept here,
    and any is taken.
    """
    kind = _KINDS.get(field_id)
    if kind is None:
        raise ApiError(400, "DEVELOPER_7122", f"Invalid accounting field remote id: {field_id}")
    if kind != "GL_ACCOUNT":
        return Selection(kind, Account(option_id, option_id))
    found = world.gl_accounts().by_external(option_id)
    if found is None or not found.is_active:
        raise ApiError(400, "DEVELOPER_7123", f"Invalid accounting field option remote id: {option_id}")
    return Selection(kind, gl_account(found).account)


def ramp_selection(world: World, field_id: str, option_id: str) -> Selection | None:
    """The same by Ramp's own ids, as codings of transactions have them; None when there is none that is active."""
    if field_id == world.names.fixed("field", "MERCHANT"):
        vendor = world.accounting_vendors().get(option_id)
        usable = vendor is not None and vendor.is_active
        return (
            Selection("MERCHANT", Account(vendor.external_id, vendor.name, vendor.code)) if vendor and usable else None
        )
    if field_id != world.names.fixed("field", "GL_ACCOUNT"):
        return None
    found = world.gl_accounts().get(option_id)
    return None if found is None or not found.is_active else Selection("GL_ACCOUNT", gl_account(found).account)


def field_info(world: World, kind: SelectionKind) -> JsonObject:
    """A field as the options of its own kind print it."""
    external_id, name = FIELDS[kind]
    return {"id": external_id, "name": name, "ramp_id": world.names.fixed("field", kind)}
