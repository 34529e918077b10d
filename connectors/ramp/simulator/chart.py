"""The chart of accounts: batches that are taken whole or not at all, entries that are never deleted but put out of use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from connectors.ramp.simulator.coding import FIELDS
from connectors.ramp.simulator.records import Connection
from connectors.ramp.simulator.shelf import Entry, Shelf
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
from engine.dataclass import dataclass

MOST = 500
CLASSIFICATIONS = ("ANY", "ASSET", "CREDCARD", "EQUITY", "EXPENSE", "LIABILITY", "REVENUE", "UNKNOWN")
INPUT_TYPES = ("BOOLEAN", "FREE_FORM_TEXT", "SINGLE_CHOICE")
_SCOPE = "accounting_connection_id"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entry that is uploaded in batches: its fields in an upload and in a PATCH, and how Ramp prints it."""

    name: str
    title: str
    items: str
    label: str
    fields: tuple[str, ...]
    patch: tuple[str, ...]
    # The selection that an entry appears as in codings, whose ids both share.
    selection: str = ""


ACCOUNTS = Kind(
    "accounts",
    "General ledger account",
    "gl_accounts",
    "name",
    ("id", "name", "classification", "code"),
    ("name", "code", "reactivate"),
    "GL_ACCOUNT",
)
OPTIONS = Kind(
    "field-options",
    "Field option",
    "options",
    "value",
    ("id", "value", "code"),
    ("value", "code", "display_name", "visibility", "reactivate"),
)
VENDORS = Kind(
    "vendors", "Vendor", "vendors", "name", ("id", "name", "code"), ("name", "code", "reactivate"), "MERCHANT"
)


# --- whose chart ---


def scope(world: World, given: object, *, write: bool, allowed_direct: bool = False) -> Connection:
    """The connection that a call is about: the one it names, or the active one."""
    if given is not None and world.profile == "2026-08":
        found = world.connections.get(check_uuid(given, _SCOPE))
        if found is None or found.kind != "API":
            # ASSUMED: no source shows the answer to the id of a direct or unknown connection.
            raise refused("The accounting connection does not exist, or is no API connection.")
        return found
    active = world.connection()
    if active is None:
        raise refused("There is no active accounting connection for this business.")
    if write and active.kind == "DIRECT" and not allowed_direct:
        raise refused("A direct accounting connection keeps the chart of accounts; it is read-only here.")
    return active


def body_of(world: World, request: Request, known: tuple[str, ...]) -> JsonObject:
    """The body, without fields that this profile does not have. ASSUMED: unknown fields are refused, as for bills."""
    body = request.json()
    allowed = (*known, _SCOPE) if world.profile == "2026-08" else known
    if unknown := [name for name in body if name not in allowed]:
        raise invalid({name: ["Unknown field."] for name in unknown})
    return body


# --- lists ---


def lister(kind: Kind) -> Callable[[World, Request], HttpReply]:
    """GET of a list: inactive entries too, unless `is_active` says otherwise."""

    def handler(world: World, request: Request) -> HttpReply:
        field_id = ""
        owner = scope(world, request.get(_SCOPE), write=False).id
        if kind is OPTIONS:
            if request.get("field_id") is None:
                raise invalid({"field_id": ["Missing data for required field."]})
            field_id = check_uuid(request.get("field_id"), "field_id")
            held = world.chart.holding("fields", field_id)
            if held is None:
                raise not_found("Accounting field")
            owner = held[0]
        return listed(world, request, kind.name, world.chart.of(owner, kind.name, field_id))

    return handler


def listed(world: World, request: Request, kind: str, shelf: Shelf) -> HttpReply:
    """One page of a shelf, by our id, code and activity."""
    active, remote, code = flag(request, "is_active"), request.get("remote_id"), request.get("code")
    rows, places = shelf.rows, shelf.places
    if remote is not None:
        one = shelf.by_external(remote)
        rows, places = ([] if one is None else [one]), {}

    def keep(entry: Entry) -> bool:
        return (active is None or entry.is_active is active) and (code is None or entry.code == code)

    return page(request, rows, keep, lambda entry: SHOWN[kind](world, entry), places)


def getter(kind: str, title: str) -> Callable[[World, Request], HttpReply]:
    """GET of one entry by Ramp's id."""

    def handler(world: World, request: Request) -> HttpReply:
        return reply(200, SHOWN[kind](world, find(world, kind, title, request)[2]))

    return handler


def find(world: World, kind: str, title: str, request: Request) -> tuple[str, Shelf, Entry]:
    """The connection, shelf and entry that a path names."""
    held = world.chart.holding(kind, check_uuid(request.params[0], "id"))
    entry = held[1].get(check_uuid(request.params[0], "id")) if held else None
    if held is None or entry is None:
        raise not_found(title)
    return held[0], held[1], entry


# --- uploads ---


def poster(kind: Kind) -> Callable[[World, Request], HttpReply]:
    """POST of up to 500 entries, all or none."""

    def handler(world: World, request: Request) -> HttpReply:
        extra = ("field_id",) if kind is OPTIONS else ()
        body = body_of(world, request, (kind.items, *extra))
        owner = scope(world, body.get(_SCOPE), write=True).id
        field_id = ""
        if kind is OPTIONS:
            field_id = check_uuid(body.get("field_id"), "field_id")
            held = world.chart.holding("fields", field_id)
            if held is None or held[0] != owner:
                raise not_found("Accounting field")
            if (found := held[1].get(field_id)) is None or not found.is_active:
                raise refused("The accounting field is not active.")
        items = batch(body, kind.items, _allowed(world, kind), lambda entry: _flaw(world, kind, entry))
        shelf = world.chart.of(owner, kind.name, field_id)
        refuse_known(shelf, items)
        made = [_made(world, kind, shelf, entry, field_id) for entry in items]
        shown = [SHOWN[kind.name](world, entry) for entry in made]
        answer: JsonObject = {kind.items: shown, "uploaded": [entry.id for entry in made]}
        if world.profile == "2026-08":
            answer[_SCOPE] = owner
        return reply(201, answer)

    return handler


def _allowed(world: World, kind: Kind) -> tuple[str, ...]:
    # The upload of vendors takes a code since 2026 only.
    return ("id", "name") if kind is VENDORS and world.profile == "2025-08" else kind.fields


def batch(
    body: Mapping[str, Any], name: str, allowed: tuple[str, ...], flaw: Callable[[JsonObject], str]
) -> list[JsonObject]:
    """The items of an upload, checked: from 1 to 500 objects without unknown fields."""
    items = body.get(name)
    if not isinstance(items, list):
        raise invalid({name: ["Missing data for required field." if items is None else "Not a valid list."]})
    if not 1 <= len(items) <= MOST:
        raise invalid({name: [f"Length must be between 1 and {MOST}."]})
    errors: dict[str, list[str]] = {}
    for index, entry in enumerate(items):
        if not isinstance(entry, dict):
            errors[f"{name}.{index}"] = ["Invalid input type."]
        elif unknown := [key for key in entry if key not in allowed]:
            errors[f"{name}.{index}.{unknown[0]}"] = ["Unknown field."]
        elif not isinstance(entry.get("id"), str) or not entry["id"]:
            errors[f"{name}.{index}.id"] = ["Missing data for required field."]
        elif problem := flaw(entry):
            errors[f"{name}.{index}"] = [problem]
    if errors:
        raise invalid(errors)
    return items


def refuse_known(shelf: Shelf, items: list[JsonObject]) -> None:
    """An id that is there, active or not, or that comes twice, refuses the whole batch. ASSUMED: with this code."""
    seen: set[str] = set()
    for entry in items:
        if entry["id"] in seen or entry["id"] in shelf.ids:
            raise refused("An entry with this id already exists.", {"id": [f"{entry['id']} already exists."]})
        seen.add(entry["id"])


def _flaw(world: World, kind: Kind, entry: JsonObject) -> str:
    if not isinstance(entry.get(kind.label), str) or not entry[kind.label]:
        return f"{kind.label}: Missing data for required field."
    if entry[kind.label] in world.options.refused_names:
        return f"{kind.label}: This name cannot be used."
    if not isinstance(entry.get("code", ""), str):
        return "code: Not a valid string."
    if kind is ACCOUNTS and entry.get("classification") not in CLASSIFICATIONS:
        return f"classification: Must be one of: {', '.join(CLASSIFICATIONS)}."
    return ""


def _shared_id(world: World, kind: str, name: str, key: str) -> str:
    """Ramp's id that codings print for this entry; another one where that is taken, by another connection's."""
    ramp_id = world.names.fixed(name, key) if name and key else ""
    free = ramp_id and world.chart.holding(kind, ramp_id) is None
    return ramp_id if free else world.names.uuid(f"chart:{kind}")


def _made(world: World, kind: Kind, shelf: Shelf, item: JsonObject, field_id: str) -> Entry:
    selection = kind.selection
    if field_id:
        selection = next((name for name in FIELDS if world.names.fixed("field", name) == field_id), "")
    ramp_id = _shared_id(world, kind.name, f"option:{selection}" if selection else "", item["id"])
    more = {key: value for key, value in item.items() if key == "classification"}
    if field_id:
        more["field_id"] = field_id
    made = Entry(ramp_id, item["id"], item[kind.label], world.now, world.now, code=item.get("code") or "", more=more)
    return shelf.put(replace(made, by_api=True))


# --- changes ---


def patcher(kind: Kind) -> Callable[[World, Request], HttpReply]:
    """PATCH of one entry: its name, its code, back into use, and for options whether people see it."""

    def handler(world: World, request: Request) -> HttpReply:
        body = body_of(world, request, kind.patch)
        owner, shelf, entry = find(world, kind.name, kind.title, request)
        # Of a direct connection, only what people see can be changed.
        shown_only = kind is OPTIONS and set(body) <= {"display_name", "visibility", _SCOPE}
        meant = scope(world, body.get(_SCOPE), write=True, allowed_direct=shown_only)
        if meant.id != owner:
            raise not_found(kind.title)
        return reply(200, SHOWN[kind.name](world, shelf.put(patched(world, kind, entry, body))))

    return handler


def patched(world: World, kind: Kind, entry: Entry, body: JsonObject) -> Entry:
    """The entry after a PATCH."""
    changed: dict[str, Any] = {}
    for name, value in body.items():
        if name in (kind.label, "code", "display_name"):
            if not isinstance(value, str) or (name == kind.label and not value):
                raise invalid({name: ["Not a valid string."]})
            if name == "display_name":
                changed["more"] = {**entry.more, "display_name": value}
            else:
                changed["name" if name == kind.label else "code"] = value
        elif name == "reactivate":
            if value is not True:
                raise invalid({name: ["Must be one of: True."]})
            changed["is_active"] = True
        elif name == "visibility":
            if value not in ("HIDDEN", "VISIBLE"):
                raise invalid({name: ["Must be one of: HIDDEN, VISIBLE."]})
            changed["visibility"] = value
    return replace(entry, **changed, updated_at=world.now)


def deleter(kind: str, title: str) -> Callable[[World, Request], HttpReply]:
    """DELETE of one entry: it stays, out of use. Since 2026 the call needs a body, if only an empty object."""

    def handler(world: World, request: Request) -> HttpReply:
        body = body_of(world, request, ()) if world.profile == "2026-08" else {}
        owner, shelf, entry = find(world, kind, title, request)
        if scope(world, body.get(_SCOPE), write=True).id != owner:
            raise not_found(title)
        shelf.put(replace(entry, is_active=False, updated_at=world.now))
        return reply(204)

    return handler


# --- fields ---


def list_fields(world: World, request: Request) -> HttpReply:
    """GET /accounting/fields."""
    owner = scope(world, request.get(_SCOPE), write=False).id
    return listed(world, request, "fields", world.chart.of(owner, "fields"))


def post_field(world: World, request: Request) -> HttpReply:
    """POST /accounting/fields: one that is there is answered, and reactivated if need be."""
    known = ("id", "name", "input_type", "display_name", "is_splittable", "is_required_for")
    body = body_of(world, request, known)
    owner = scope(world, body.get(_SCOPE), write=True).id
    missing = [name for name in ("id", "name", "input_type") if not isinstance(body.get(name), str) or not body[name]]
    if missing:
        raise invalid({name: ["Missing data for required field."] for name in missing})
    if body["input_type"] not in INPUT_TYPES:
        raise invalid({"input_type": [f"Must be one of: {', '.join(INPUT_TYPES)}."]})
    shelf = world.chart.of(owner, "fields")
    entry = shelf.by_external(body["id"])
    if entry is None:
        more = {
            "input_type": body["input_type"],
            "display_name": body.get("display_name"),
            "is_splittable": body.get("is_splittable") is True,
            "is_required_for": body.get("is_required_for") or [],
        }
        ramp_id = _shared_id(
            world, "fields", "field", next((k for k, (one, _) in FIELDS.items() if one == body["id"]), "")
        )
        entry = Entry(ramp_id, body["id"], body["name"], world.now, world.now, by_api=True, more=more)
    return reply(201, show_field(world, shelf.put(replace(entry, is_active=True))))


def patch_field(world: World, request: Request) -> HttpReply:
    """PATCH /accounting/fields/{id}."""
    body = body_of(world, request, ("name", "display_name", "is_splittable"))
    owner, shelf, entry = find(world, "fields", "Accounting field", request)
    if scope(world, body.get(_SCOPE), write=True).id != owner:
        raise not_found("Accounting field")
    more = dict(entry.more) | {name: body[name] for name in ("display_name", "is_splittable") if name in body}
    changed = replace(entry, name=body.get("name", entry.name), more=more, updated_at=world.now)
    return reply(200, show_field(world, shelf.put(changed)))


# --- how they are printed ---


def _base(world: World, entry: Entry, label: str = "name") -> JsonObject:
    body: JsonObject = {
        "created_at": text_time(entry.created_at),
        "id": entry.external_id,
        "is_active": entry.is_active,
        label: entry.name,
        "ramp_id": entry.id,
        "updated_at": text_time(entry.updated_at),
    }
    if entry.code:
        body["code"] = entry.code
    elif world.profile == "2026-08":
        body["code"] = None
    return body


def _category(world: World, selection: str, name: str) -> JsonObject:
    return {"id": name, "name": name, "ramp_id": world.names.fixed("field", selection)}


def show_account(world: World, entry: Entry) -> JsonObject:
    """A GL account."""
    more = {"gl_account_category_info": _category(world, "GL_ACCOUNT", "Category")}
    return {**_base(world, entry), "classification": entry.more.get("classification"), **more}


def show_vendor(world: World, entry: Entry) -> JsonObject:
    """An accounting vendor."""
    body = {**_base(world, entry), "is_synced": True, "vendor_category_info": _category(world, "MERCHANT", "Merchant")}
    if world.profile == "2026-08":
        active = world.connection()
        body["provider_name"] = active.provider if active else None
    return body


def show_option(world: World, entry: Entry) -> JsonObject:
    """An option of a field."""
    shown = entry.more.get("display_name") or entry.name
    return {**_base(world, entry, "value"), "display_name": shown, "visibility": entry.visibility}


def show_field(world: World, entry: Entry) -> JsonObject:
    """A custom field."""
    body: JsonObject = _base(world, entry) | dict(entry.more)
    body.pop("code", None)
    if world.profile == "2026-08":
        held = world.chart.holding("fields", entry.id)
        owner = held[0] if held else None
        body[_SCOPE] = owner
        body["provider_name"] = world.connections[owner].provider if owner else None
    return body


def show_tax_rate(world: World, entry: Entry) -> JsonObject:
    """A tax rate."""
    held = world.chart.holding("tax/rates", entry.id)
    return {
        _SCOPE: held[0] if held else None,
        "accounting_gl_account_id": entry.more.get("accounting_gl_account_id"),
        "id": entry.external_id,
        "name": entry.name,
        "ramp_id": entry.id,
        "rate": entry.more["rate"],
    }


def show_tax_option(world: World, entry: Entry) -> JsonObject:
    """A tax code: an option of the tax code field."""
    held = world.chart.holding("tax/code/options", entry.id)
    return {
        _SCOPE: held[0] if held else None,
        "id": entry.external_id,
        "is_active": entry.is_active,
        "name": entry.name,
        "ramp_id": entry.id,
        "tax_rate_ids": list(entry.more["tax_rate_ids"]),
    }


SHOWN: Mapping[str, Callable[[World, Entry], JsonObject]] = {
    "accounts": show_account,
    "field-options": show_option,
    "vendors": show_vendor,
    "fields": show_field,
    "tax/rates": show_tax_rate,
    "tax/code/options": show_tax_option,
}
