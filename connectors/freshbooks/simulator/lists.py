"""Lists: pages that are numbered, the few filters that FreshBooks knows, and silence about all others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.freshbooks.simulator.records import DELETED, Expense
from connectors.freshbooks.simulator.wire import EASTERN, ApiError, JsonObject, Request, result
from connectors.freshbooks.simulator.world import World, status_of
from engine.contract import HttpReply

Test = Callable[[World, Any, Sequence[str]], bool]
_SEARCH = re.compile(r"search\[(\w+)\](?:\[\])?")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ApiError(422, "1015", "The value must be a date.", field="date") from error


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ApiError(422, "1015", "The value must be a number.", field="amount") from error


def _updated_on(row: Expense) -> date:
    """Filters know only days, and those of FreshBooks' own zone."""
    return row.updated.astimezone(EASTERN).date()


BILL_FILTERS: Mapping[str, Test] = {
    "vendorid": lambda _, row, given: str(row.vendor_id) in given,
    "statuses": lambda world, row, given: status_of(world, row) in given,
    "currency_code": lambda _, row, given: row.currency in given,
    "ids": lambda _, row, given: str(row.id) in given,
}
EXPENSE_FILTERS: Mapping[str, Test] = {
    "date_min": lambda _, row, given: row.on >= _day(given[0]),
    "date_max": lambda _, row, given: row.on <= _day(given[0]),
    "updated_min": lambda _, row, given: _updated_on(row) >= _day(given[0]),
    "updated_max": lambda _, row, given: _updated_on(row) <= _day(given[0]),
    "categoryid": lambda _, row, given: str(row.category_id) in given,
    "categoryids": lambda _, row, given: str(row.category_id) in given,
    "clientid": lambda _, row, given: str(row.client_id) in given,
    "clientids": lambda _, row, given: str(row.client_id) in given,
    "projectid": lambda _, row, given: str(row.project_id) in given,
    "projectids": lambda _, row, given: str(row.project_id) in given,
    "amount_min": lambda _, row, given: row.amount >= _amount(given[0]),
    "amount_max": lambda _, row, given: row.amount <= _amount(given[0]),
    "vendor": lambda _, row, given: row.vendor in given,
    "has_receipt": lambda _, row, given: str(row.has_receipt).lower() in given,
}


def shown_in_lists(world: World, request: Request, rows: Sequence[Any]) -> list[Any]:
    """The rows in the order of a list. ASSUMED: newest first by id.

    Deleted rows are left out and archived ones are not, unless `search[vis_state]` asks for one state
    (freshbooks.com/api/active_deleted).
    """
    options, asked = world.options, request.first("search[vis_state]")
    if asked is not None and options.filters_by_state:
        kept = [row for row in rows if str(row.vis_state) == asked]
    else:
        kept = [row for row in rows if options.lists_deleted or row.vis_state != DELETED]
    return sorted(kept, key=lambda row: row.id, reverse=world.options.newest_first)


def narrowed(world: World, request: Request, rows: Sequence[Any], filters: Mapping[str, Test]) -> list[Any]:
    """What fits the filters that this list knows; any other is ignored without a word."""
    asked: dict[str, list[str]] = {}
    for key, value in request.query:
        found = _SEARCH.fullmatch(key)
        if found is not None:
            asked.setdefault(found[1], []).append(value)
    return [
        row for row in rows if all(filters[key](world, row, given) for key, given in asked.items() if key in filters)
    ]


def answer(
    world: World, request: Request, name: str, rows: Sequence[Any], show: Callable[[World, Any], JsonObject]
) -> HttpReply:
    """One page; `per_page` is capped without a word, page 0 is page 1, and behind the last page there is an empty one."""
    options = world.options
    size = min(max(_number(request, "per_page", options.page_default), 1), options.page_most)
    number = max(_number(request, "page", 1), 1)
    hidden = options.hidden + (len(rows) if options.hides_all else 0)
    visible = [] if options.hides_all else list(rows)
    total = len(visible) + hidden
    page = visible[(number - 1) * size : number * size]
    pages = max(-(-total // size), 1)
    shown = [show(world, row) for row in page]
    return result({name: shown, "page": number, "pages": pages, "per_page": size, "total": total})


def _number(request: Request, name: str, default: int) -> int:
    given = request.first(name)
    if given is None:
        return default
    if not re.fullmatch(r"\d{1,9}", given, re.ASCII):
        raise ApiError(422, "1015", f"{name} must be an integer.", field=name)
    return int(given)
