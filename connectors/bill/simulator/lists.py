"""The lists that lines are coded to: chart of accounts, accounting classes, departments and locations."""

from __future__ import annotations

from collections.abc import Callable

from connectors.bill.simulator import build, listing
from connectors.bill.simulator.listing import Listing
from connectors.bill.simulator.records import Entry, ListName
from connectors.bill.simulator.wire import JsonObject, Request, invalid, not_found, present, reply, text_of, text_time
from connectors.bill.simulator.world import World
from engine.contract import HttpReply

Handler = Callable[[World, Request], HttpReply]
ACCOUNTS: ListName = "chart-of-accounts"
TYPES = frozenset(
    {
        "ACCOUNTS_PAYABLE", "ACCOUNTS_RECEIVABLE", "BANK", "COST_OF_GOODS_SOLD", "CREDIT_CARD", "EQUITY", "EXPENSE",
        "FIXED_ASSET", "INCOME", "LONG_TERM_LIABILITY", "NON_POSTING", "OTHER_ASSET", "OTHER_CURRENT_ASSET",
        "OTHER_CURRENT_LIABILITY", "OTHER_EXPENSE", "OTHER_INCOME", "UNSPECIFIED",
    }
)  # fmt: skip


def _show(world: World, entry: Entry) -> JsonObject:
    options = world.options
    return present(
        {
            "id": entry.id,
            "archived": entry.archived,
            "name": entry.name,
            "description": entry.description,
            "parentId": entry.parent_id,
            "createdTime": text_time(options, entry.created),
            "updatedTime": text_time(options, entry.updated),
        }
    )


def _show_account(world: World, entry: Entry) -> JsonObject:
    return {**_show(world, entry), "account": present({"type": entry.type, "number": entry.number})}


# ASSUMED: the fields that these lists are filtered by.
_FIELDS: dict[str, listing.Field[Entry]] = {
    "id": listing.text(lambda _, row: row.id),
    "archived": listing.flag(lambda _, row: row.archived),
    "name": listing.name(lambda _, row: row.name),
    "createdTime": listing.moment(lambda _, row: row.created),
    "updatedTime": listing.moment(lambda _, row: row.updated),
}
_ACCOUNT_LISTING, _LISTING = Listing(_FIELDS, _show_account), Listing(_FIELDS, _show)


def all_of(kind: ListName) -> Handler:
    """GET /classifications/<list>."""

    def handler(world: World, request: Request) -> HttpReply:
        chosen = _ACCOUNT_LISTING if kind == ACCOUNTS else _LISTING
        return listing.answer(world, request, list(world.lists[kind].values()), chosen)

    return handler


def one_of(kind: ListName) -> Handler:
    """GET /classifications/<list>/{id}."""

    def handler(world: World, request: Request) -> HttpReply:
        found = world.lists[kind].get(request.params[0])
        if found is None:
            raise not_found()
        return reply(world.options, (_show_account if kind == ACCOUNTS else _show)(world, found))

    return handler


def post_account(world: World, request: Request) -> HttpReply:
    """POST /classifications/chart-of-accounts."""
    options, body = world.options, request.json()
    account = body.get("account")
    if not isinstance(account, dict):
        raise invalid(options, "account", "must not be null")
    kind = text_of(options, account, "type", needed=True) or ""
    if kind not in TYPES:
        raise invalid(options, "account.type", "is no type of account")
    made = build.add_entry(
        world,
        ACCOUNTS,
        text_of(options, body, "name", needed=True) or "",
        text_of(options, account, "number") or "",
        type=kind,
        description=text_of(options, body, "description"),
    )
    return reply(options, _show_account(world, made), 201)
