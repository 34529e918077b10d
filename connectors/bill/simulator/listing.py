"""Lists as BILL answers them: filters, sorting, and an opaque page cursor."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from operator import ge, gt, le, lt
from typing import Any, Generic, Literal, Protocol, TypeVar

from connectors.bill.simulator.records import Options
from connectors.bill.simulator.wire import JsonObject, Request, invalid, reply
from connectors.bill.simulator.world import World
from engine.contract import HttpReply
from engine.dataclass import dataclass

Kind = Literal["text", "name", "flag", "moment", "day", "number"]
_EXACT = frozenset({"eq", "ne", "in", "nin"})
_ORDERED = frozenset({"eq", "ne", "gt", "gte", "lt", "lte"})
# One filter: a field, an operator, and a value that is quoted, or ends at the next comma. ASSUMED: a backslash keeps a
# quote from ending the value; no source says how a quote is written.
_FILTER = re.compile(r'([A-Za-z][A-Za-z.]*):([a-z]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:,|$)', re.DOTALL)
_WHOLE = re.compile(r"-?[0-9]{1,9}")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Identified(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str:
        """The id."""
        ...


Row = TypeVar("Row", bound=Identified)


@dataclass(frozen=True, slots=True)
class Field(Generic[Row]):
    """A field that can be filtered and sorted by, with the operators that it takes."""

    get: Callable[[World, Row], Any]
    kind: Kind = "text"
    ops: frozenset[str] = _EXACT


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """One list: its fields, and how a row shows."""

    fields: Mapping[str, Field[Row]]
    show: Callable[[World, Row], JsonObject]


def text(get: Callable[[World, Row], str | None]) -> Field[Row]:
    """A text or an id."""
    return Field(get)


def name(get: Callable[[World, Row], str]) -> Field[Row]:
    """A name: found by its whole or its beginning."""
    return Field(get, "name", frozenset({"eq", "sw"}))


def flag(get: Callable[[World, Row], bool]) -> Field[Row]:
    """True or false."""
    return Field(get, "flag", frozenset({"eq"}))


def moment(get: Callable[[World, Row], datetime]) -> Field[Row]:
    """A moment, compared in milliseconds."""
    return Field(get, "moment", _ORDERED)


def day(get: Callable[[World, Row], date]) -> Field[Row]:
    """A calendar day."""
    return Field(get, "day", _ORDERED)


def number(get: Callable[[World, Row], Decimal]) -> Field[Row]:
    """An amount."""
    return Field(get, "number", _ORDERED)


def answer(world: World, request: Request, rows: Sequence[Row], listing: Listing[Row]) -> HttpReply:
    """One page of the rows that fit, in the order asked for."""
    options = world.options
    size = _size(options, request)
    keep = _filters(world, request, listing)
    keys = _sorting(options, request, listing)
    found = [row for row in rows if all(fits(row) for fits in keep)]
    found.sort(key=lambda row: row.id)
    for get, is_up in reversed(keys):
        found.sort(key=lambda row: _sortable(get(world, row)), reverse=not is_up)
    return _page(request, _Ordered(world, found, keys), size, listing)


def _size(options: Options, request: Request) -> int:
    given = request.query.get("max")
    if given is None:
        return options.page_default
    if not _WHOLE.fullmatch(given) or not 1 <= int(given) <= options.page_most:
        raise invalid(options, "max", f"must be between 1 and {options.page_most}")
    return int(given)


# --- filters ----------------------------------------------------------------------------------------------------------


def _filters(world: World, request: Request, listing: Listing[Row]) -> list[Callable[[Row], bool]]:
    given, at, made = request.query.get("filters", ""), 0, []
    while at < len(given):
        match = _FILTER.match(given, at)
        if match is None or (match.group(0).endswith(",") and match.end() == len(given)):
            raise invalid(world.options, "filters", "must be field:op:value")
        at = match.end()
        made.append(_filter(world, listing, *match.groups()))
    return made


def _filter(world: World, listing: Listing[Row], named: str, op: str, raw: str) -> Callable[[Row], bool]:
    options = world.options
    field = listing.fields.get(named)
    if field is None:
        raise invalid(options, "filters", "a field that cannot be filtered by")
    if op not in field.ops:
        raise invalid(options, "filters", f"an operator that `{named}` does not take")
    quoted = raw.startswith('"')
    if not quoted and not options.unquoted_values and (field.kind == "moment" or op in ("in", "nin", "sw")):
        raise invalid(options, "filters", f"the value of `{named}` must be quoted")
    plain = re.sub(r"\\(.)", r"\1", raw[1:-1]) if quoted else raw
    get = field.get
    if op in ("in", "nin"):
        several = {_value(options, field.kind, part.strip(), named) for part in plain.split(",")}
        return lambda row: (get(world, row) in several) is (op == "in")
    fold = str.casefold if field.kind == "name" and options.name_ignores_case else _same
    wanted = _value(options, field.kind, plain, named)
    wanted = fold(wanted) if field.kind == "name" else wanted
    if op == "sw":
        return lambda row: bool(fold(get(world, row)).startswith(wanted))
    if op in ("eq", "ne"):
        return lambda row: (_folded(fold, get(world, row)) == wanted) is (op == "eq")
    compare = _COMPARE[op]
    return lambda row: compare(get(world, row), wanted)


def _same(value: str) -> str:
    return value


def _folded(fold: Callable[[str], str], value: Any) -> Any:
    return fold(value) if isinstance(value, str) else value


def _value(options: Options, kind: Kind, plain: str, named: str) -> Any:
    """The value of a filter as what it is compared with."""
    try:
        if kind == "flag":
            return {"true": True, "false": False}[plain]
        if kind == "number":
            return Decimal(plain)
        if kind == "day":
            return date.fromisoformat(plain)
        if kind == "moment":
            parsed = datetime.fromisoformat(plain)
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (KeyError, ValueError, InvalidOperation) as error:
        raise invalid(options, "filters", f"the value of `{named}` cannot be read") from error
    return plain


# --- order ------------------------------------------------------------------------------------------------------------

Keys = Sequence[tuple[Callable[[World, Row], Any], bool]]


def _sorting(options: Options, request: Request, listing: Listing[Row]) -> Keys[Row]:
    keys = []
    for part in (request.query.get("sort") or options.default_sort).split(","):
        named, _, way = part.strip().partition(":")
        field = listing.fields.get(named)
        if field is None or way not in ("asc", "desc"):
            raise invalid(options, "sort", "must be field:asc or field:desc, of a field that can be sorted by")
        keys.append((field.get, way == "asc"))
    return keys


def _sortable(value: Any) -> Any:
    return "" if value is None else value


@dataclass(frozen=True, slots=True)
class _Ordered(Generic[Row]):
    """The rows that fit, in order."""

    world: World
    rows: Sequence[Row]
    keys: Keys[Row]

    def place(self, index: int) -> list[Any]:
        """Where a row stands: what the rows are sorted by, and its id."""
        row = self.rows[index]
        return [*(_plain(get(self.world, row)) for get, _ in self.keys), row.id]

    def after(self, last: Sequence[Any]) -> int:
        """The index of the first row that stands after a place, which its row may have left meanwhile."""
        ways = [*(is_up for _, is_up in self.keys), True]
        low, high = 0, len(self.rows)
        while low < high:
            middle = (low + high) // 2
            if _is_after(self.place(middle), last, ways):
                high = middle
            else:
                low = middle + 1
        return low


def _plain(value: Any) -> Any:
    """A sorting value as JSON holds it, in the same order."""
    if isinstance(value, datetime):
        return int((value - _EPOCH).total_seconds() * 1000)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return _sortable(value)


# --- pages ------------------------------------------------------------------------------------------------------------


def _page(request: Request, ordered: _Ordered[Row], size: int, listing: Listing[Row]) -> HttpReply:
    world, options, total = ordered.world, ordered.world.options, len(ordered.rows)
    cursor = _decode(options, request)
    begin = _begin(options, cursor, ordered)
    page = cursor.number if cursor is not None else 0
    is_empty = bool(options.empty_page_every) and (page + 1) % options.empty_page_every == 0
    end = begin if is_empty or request.page_fault == "empty_page" else min(begin + size, total)
    rows = list(ordered.rows[begin:end])
    is_full = end == total and len(rows) == size and options.trailing_page
    if request.page_fault == "page_repeat" and begin:
        rows.insert(0, ordered.rows[begin - 1])
    body: JsonObject = {"results": [listing.show(world, row) for row in rows]}
    if end < total or is_full:
        body["nextPage"] = _encode(request, page + 1, end, ordered)
    if cursor is not None:
        # ASSUMED: the page before is led to from every page but the first; nobody was seen to use it.
        body["prevPage"] = _encode(request, page - 1, max(begin - size, 0), ordered)
    if request.page_fault == "cursor_loop" and "nextPage" in body:
        body["nextPage"] = request.query.get("page", body["nextPage"])
    return reply(options, body)


@dataclass(frozen=True, slots=True)
class _Cursor:
    """A page cursor: the number of the page, the rows before it, and the place of the last of them."""

    number: int
    before: int
    last: Sequence[Any] | None


def _begin(options: Options, cursor: _Cursor | None, ordered: _Ordered[Row]) -> int:
    """The index of the first row of a page."""
    if cursor is None or not cursor.before:
        return 0
    if options.cursor == "offset" or cursor.last is None:
        return min(cursor.before, len(ordered.rows))
    try:
        return ordered.after(cursor.last)
    except (TypeError, ValueError) as error:
        raise invalid(options, "page", "is no page of this list") from error


def _is_after(where: Sequence[Any], last: Sequence[Any], ways: Sequence[bool]) -> bool:
    for value, other, is_up in zip(where, last, ways, strict=True):
        if value != other:
            return bool(value > other) is is_up
    return False


def _shape(request: Request) -> list[str]:
    """What a cursor belongs to: a cursor of another question is refused."""
    return [request.query.get("filters", ""), request.query.get("sort", "")]


def _encode(request: Request, number: int, before: int, ordered: _Ordered[Row]) -> str:
    last = ordered.place(before - 1) if before else None
    value = {"n": number, "o": before, "k": last, "f": _shape(request), "s": request.session_id[:8]}
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def _decode(options: Options, request: Request) -> _Cursor | None:
    given = request.query.get("page")
    if given is None:
        return None
    try:
        value = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
        shape, session = value["f"], value["s"]
        cursor = _Cursor(int(value["n"]), int(value["o"]), value["k"])
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise invalid(options, "page", "is no page of this list") from error
    if shape != _shape(request) or cursor.before < 0:
        raise invalid(options, "page", "is no page of this list")
    if options.cursor_of_session and session != request.session_id[:8]:
        raise invalid(options, "page", "is of another session")
    return cursor
