"""Turns a stream's filters into query parameters, and checks on every row that Ramp honoured them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.ramp.outspec import DIRECTIONS, LOCAL_FILTERS
from connectors.ramp.spec import SPEC
from engine.diagnostics import suggestion
from engine.errors import Rejected

# What is surely not approved; a flow decides about a bill of which Ramp says nothing, or something new.
_REFUSED = frozenset({"INITIALIZED", "PENDING", "REJECTED", "TERMINATED"})

Filters = Mapping[str, str | int | bool | None]
Record = Mapping[str, Any]

# Where a record says what a filter asks for, when that is not a field of the filter's own name.
_FIELDS = {
    ("bills", "payment_status"): ("status",),
    ("bills", "vendor_id"): ("vendor", "id"),
    ("transactions", "user_id"): ("card_holder", "user_id"),
    ("transactions", "department_id"): ("card_holder", "department_id"),
}


def query(where: str, stream: str, filters: Filters, entity_id: str | None) -> dict[str, str]:
    """The query parameters of the filters that are set.

    Raises:
        Rejected: for a filter the stream does not have; Ramp would ignore it and answer with everything.
    """
    spec = SPEC.stream(stream)
    known = tuple(f.name for f in spec.filters) if spec is not None else ()
    params: dict[str, str] = {}
    if entity_id is not None and "entity_id" in known:
        params["entity_id"] = entity_id
    for name, value in filters.items():
        if name not in known:
            raise Rejected(f"{where}: `{stream}` has no filter `{name}`", hint=suggestion(name, known))
        if value is not None:
            params[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return params


def passes(stream: str, params: Mapping[str, str]) -> list[dict[str, str]]:
    """The questions that answer one read: Ramp lists reimbursements of one direction only (FACTS.md section 4)."""
    if stream == "reimbursements" and params.get("direction") == "ALL":
        return [{**params, "direction": direction} for direction in DIRECTIONS]
    return [dict(params)]


def sent(stream: str, params: Mapping[str, str]) -> dict[str, str]:
    """What of the parameters Ramp itself knows."""
    return {name: value for name, value in params.items() if (stream, name) not in LOCAL_FILTERS}


def keeper(stream: str, params: Mapping[str, str]) -> Callable[[Record], bool]:
    """A test for rows: Ramp answers a parameter it does not know with the full list (FACTS.md section 3).

    A row is dropped only when it says the contrary of what was asked for, never for saying nothing.
    """
    checks = [_check(stream, name, value) for name, value in params.items()]
    return lambda record: all(check(record) for check in checks)


def _check(stream: str, name: str, value: str) -> Callable[[Record], bool]:
    if name == "sync_ready":
        return _sync_ready if value == "true" else lambda _: True
    if name == "is_archived":
        return lambda record: (record["archived_at"] is not None) == (value == "true")
    if name == "from_created_at":
        return lambda record: not _before(record["created_at"], value)
    if name == "include_fully_used" or (name == "state" and value == "ALL"):
        return lambda _: True
    path = _FIELDS.get((stream, name), (name,))
    return lambda record: _says(_at(record, path), value)


def _at(record: Record, path: tuple[str, ...]) -> object:
    value: object = record
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _says(given: object, wanted: str) -> bool:
    if isinstance(given, bool):
        return given == (wanted == "true")
    return given is None or str(given).casefold() == wanted.casefold()


def _sync_ready(bill: Record) -> bool:
    """Not refused, current, meant for the books, and either the bill or its payment not there yet."""
    if bill["archived_at"] is not None or bill["enable_accounting_sync"] is False:
        return False
    if bill["approval_status"] in _REFUSED or bill["sync_status"] == "BILL_AND_PAYMENT_SYNCED":
        return False
    return bill["sync_status"] != "BILL_SYNCED" or bill["status"] != "OPEN" or bill["payment"] is not None


def _before(given: object, limit: str) -> bool:
    first, second = _moment(given), _moment(limit)
    return first is not None and second is not None and first < second


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
