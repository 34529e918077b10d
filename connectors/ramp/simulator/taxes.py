"""Tax rates, the one tax code field, and its options: in this order, since 2026 (delta-2026.md)."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

from connectors.ramp.simulator.chart import (
    batch,
    body_of,
    find,
    listed,
    refuse_known,
    scope,
    show_tax_option,
    show_tax_rate,
)
from connectors.ramp.simulator.shelf import Entry
from connectors.ramp.simulator.wire import JsonObject, Request, invalid, not_found, refused, reply
from connectors.ramp.simulator.world import World
from engine.contract import HttpReply

_SCOPE = "accounting_connection_id"
_RATE = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)


def list_rates(world: World, request: Request) -> HttpReply:
    """GET /accounting/tax/rates."""
    owner = scope(world, request.get(_SCOPE), write=False).id
    return listed(world, request, "tax/rates", world.chart.of(owner, "tax/rates"))


def post_rates(world: World, request: Request) -> HttpReply:
    """POST /accounting/tax/rates: a GL account is named by Ramp's id of it."""
    body = body_of(world, request, ("tax_rates",))
    owner = scope(world, body.get(_SCOPE), write=True).id
    items = batch(body, "tax_rates", ("id", "name", "rate", "accounting_gl_account_id"), _rate_flaw)
    shelf = world.chart.of(owner, "tax/rates")
    refuse_known(shelf, items)
    accounts = world.chart.of(owner, "accounts")
    for item in items:
        account = item.get("accounting_gl_account_id")
        if account is not None and accounts.get(str(account)) is None:
            raise not_found("General ledger account")
    made = [shelf.put(_entry(world, "tax_rate", item, ("rate", "accounting_gl_account_id"))) for item in items]
    return reply(201, {_SCOPE: owner, "tax_rates": [show_tax_rate(world, entry) for entry in made]})


def patch_rate(world: World, request: Request) -> HttpReply:
    """PATCH /accounting/tax/rates/{id}."""
    body = body_of(world, request, ("name", "rate", "accounting_gl_account_id"))
    _, shelf, entry = find(world, "tax/rates", "Tax rate", request)
    changed = {"id": entry.external_id, "name": entry.name, **entry.more, **body}
    if problem := _rate_flaw(changed):
        raise invalid({"rate": [problem]})
    more = {name: changed.get(name) for name in ("rate", "accounting_gl_account_id")}
    return reply(200, show_tax_rate(world, shelf.put(replace(entry, name=changed["name"], more=more))))


def get_field(world: World, request: Request) -> HttpReply:
    """GET /accounting/tax/code: the one tax code field. ASSUMED: 404 where there is none."""
    owner = scope(world, request.get(_SCOPE), write=False).id
    rows = world.chart.of(owner, "tax/code").rows
    if not rows:
        raise not_found("Tax code field")
    return reply(200, _show_field(owner, rows[0]))


def post_field(world: World, request: Request) -> HttpReply:
    """POST /accounting/tax/code: one for each connection. ASSUMED: a second one is refused."""
    body = body_of(world, request, ("name", "display_name"))
    owner = scope(world, body.get(_SCOPE), write=True).id
    if not isinstance(body.get("name"), str) or not body["name"]:
        raise invalid({"name": ["Missing data for required field."]})
    shelf = world.chart.of(owner, "tax/code")
    if shelf.rows:
        raise refused("There is an active tax code field for this accounting connection.")
    made = _entry(world, "tax_field", {"id": "TAX_CODE", "name": body["name"]}, ())
    return reply(201, _show_field(owner, shelf.put(made)))


def list_options(world: World, request: Request) -> HttpReply:
    """GET /accounting/tax/code/options."""
    owner = scope(world, request.get(_SCOPE), write=False).id
    return listed(world, request, "tax/code/options", world.chart.of(owner, "tax/code/options"))


def post_options(world: World, request: Request) -> HttpReply:
    """POST /accounting/tax/code/options: needs the field, and rates that are there."""
    body = body_of(world, request, ("options",))
    owner = scope(world, body.get(_SCOPE), write=True).id
    if not world.chart.of(owner, "tax/code").rows:
        raise refused("There is no active tax code field for this accounting connection.")
    items = batch(body, "options", ("id", "name", "tax_rate_ids"), _option_flaw)
    shelf = world.chart.of(owner, "tax/code/options")
    refuse_known(shelf, items)
    _known_rates(world, owner, [one for item in items for one in item["tax_rate_ids"]])
    made = [shelf.put(_entry(world, "tax_option", item, ("tax_rate_ids",))) for item in items]
    return reply(201, {_SCOPE: owner, "options": [show_tax_option(world, entry) for entry in made]})


def patch_option(world: World, request: Request) -> HttpReply:
    """PATCH /accounting/tax/code/options/{id}."""
    body = body_of(world, request, ("name", "tax_rate_ids", "reactivate"))
    owner, shelf, entry = find(world, "tax/code/options", "Tax code option", request)
    changed = {"name": entry.name, **entry.more, **body}
    if problem := _option_flaw(changed):
        raise invalid({"tax_rate_ids": [problem]})
    _known_rates(world, owner, changed["tax_rate_ids"])
    more = {"tax_rate_ids": changed["tax_rate_ids"]}
    active = entry.is_active or body.get("reactivate") is True
    made = replace(entry, name=changed["name"], more=more, is_active=active)
    return reply(200, show_tax_option(world, shelf.put(made)))


def _entry(world: World, kind: str, item: JsonObject, names: tuple[str, ...]) -> Entry:
    more: dict[str, Any] = {name: item.get(name) for name in names}
    return Entry(world.names.uuid(kind), item["id"], item["name"], world.now, world.now, by_api=True, more=more)


def _show_field(owner: str, entry: Entry) -> JsonObject:
    return {
        _SCOPE: owner,
        "display_name": entry.name,
        "id": entry.external_id,
        "name": entry.name,
        "ramp_id": entry.id,
    }


def _known_rates(world: World, owner: str, ids: list[str]) -> None:
    known = world.chart.of(owner, "tax/rates").ids
    if unknown := next((one for one in ids if one not in known), None):
        raise refused("A tax rate does not exist.", {"tax_rate_ids": [f"{unknown} does not exist."]})


def _rate_flaw(item: JsonObject) -> str:
    if not isinstance(item.get("name"), str) or not item["name"]:
        return "name: Missing data for required field."
    rate = item.get("rate")
    if not isinstance(rate, str) or not _RATE.fullmatch(rate) or Decimal(rate) < 0:
        return "rate: Not a valid decimal string."
    return ""


def _option_flaw(item: JsonObject) -> str:
    if not isinstance(item.get("name"), str) or not item["name"]:
        return "name: Missing data for required field."
    rates = item.get("tax_rate_ids")
    if not isinstance(rates, list) or not rates or not all(isinstance(one, str) for one in rates):
        return "tax_rate_ids: Not a valid list."
    return ""
