"""Ramp's JSON on the wire: answers, errors, paging and query parameters, the same for every resource."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode

from connectors._simulated import encoder
from connectors.ramp.simulator.records import Money, Profile
from engine.contract import HttpReply
from engine.dataclass import dataclass
from engine.money import exponent, from_minor

JsonObject = dict[str, Any]
JSON_TYPE = "application/json"
_CENT = Decimal("0.01")
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ApiError(Exception):
    """An answer that Ramp gives instead of data."""

    def __init__(self, status: int, code: str, message: str, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = {name: list(texts) for name, texts in (fields or {}).items()}


class Identified(Protocol):
    """Anything with Ramp's id."""

    @property
    def id(self) -> str:
        """The id."""
        ...


Row = TypeVar("Row", bound=Identified)


@dataclass(frozen=True, slots=True)
class Request:
    """A call that passed authentication: path parameters, query, body, and what is needed to word the answer."""

    profile: Profile
    base_url: str
    path: str
    params: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    content_type: str
    body: bytes
    scopes: frozenset[str]
    now: datetime
    # A fault that repeats the last row of the previous page, as when a row was inserted before it meanwhile.
    shift_page: bool = False

    def get(self, name: str) -> str | None:
        """The last value of a query parameter; Ramp ignores parameters that it does not know."""
        return next((value for key, value in reversed(self.query) if key == name), None)

    def json(self) -> JsonObject:
        """The body as a JSON object."""
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise invalid({"_schema": ["Invalid JSON body."]}) from error
        if not isinstance(value, dict):
            raise invalid({"_schema": ["Invalid input type."]})
        return value


def invalid(fields: Mapping[str, Sequence[str]]) -> ApiError:
    """Payload validation: 422 DEVELOPER_7001 in the guide; the OpenAPI file lists 400 for the same."""
    return ApiError(422, "DEVELOPER_7001", "The request could not be validated.", fields)


def refused(message: str, fields: Mapping[str, Sequence[str]] | None = None) -> ApiError:
    """A request that is well formed and not allowed now: 400 DEVELOPER_7098, "invariant"."""
    return ApiError(400, "DEVELOPER_7098", message, fields)


def not_found(what: str) -> ApiError:
    """No such object. ASSUMED: the code of a 404 is in no source."""
    return ApiError(404, "DEVELOPER_7004", f"{what} not found")


# JSON text in which a Decimal keeps its places: Ramp prints major-unit amounts as plain numbers.
dumps = encoder(str)


def reply(status: int, value: object = None) -> HttpReply:
    """An answer with a JSON body, or with none for 204."""
    if status == 204:
        return HttpReply(204, {}, b"")
    return HttpReply(status, {"content-type": JSON_TYPE}, dumps(value).encode())


def error_reply(error: ApiError, error_id: str) -> HttpReply:
    """Ramp's error body: `error_v2` for machines, `error` as older clients knew it."""
    body = {
        "error_v2": {
            "error_code": error.code,
            "message": error.message,
            "additional_info": error.fields,
            "notes": None,
            "error_id": error_id,
        },
        "error": error.fields or {"message": [error.message]},
    }
    return reply(error.status, body)


def text_time(moment: datetime | date | None) -> str | None:
    """A moment as Ramp prints it; a date becomes midnight UTC."""
    if moment is None:
        return None
    return _written(moment)


@lru_cache(maxsize=4096)
def _written(moment: datetime | date) -> str:
    """The same moments are shown in one list after the other."""
    if not isinstance(moment, datetime):
        return f"{moment.isoformat()}T00:00:00+00:00"
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat("T", "seconds")


def amount(money: Money, profile: Profile) -> JsonObject:
    """A CurrencyAmount: an integer count of minor units."""
    body: JsonObject = {"amount": money.minor, "currency_code": money.currency}
    if profile == "2026-08":
        body["minor_unit_conversion_rate"] = 10 ** exponent(money.currency)
    return body


def signed_amount(money: Money) -> JsonObject:
    """An ApiSignedAmount, new in 2026: minor units under other names."""
    return {"currency": money.currency, "value": money.minor}


def major(money: Money) -> Decimal:
    """The deprecated amounts of transactions: a number in major units with at least two places."""
    value = from_minor(money.minor, money.currency)
    return value if exponent(money.currency) > 2 else value.quantize(_CENT)


# --- query parameters ---


def choice(request: Request, name: str, allowed: Iterable[str]) -> str | None:
    """A parameter with a closed list of values."""
    value = request.get(name)
    if value is not None and value not in allowed:
        raise invalid({name: [f"Must be one of: {', '.join(allowed)}."]})
    return value


def flag(request: Request, name: str) -> bool | None:
    """A boolean parameter."""
    value = request.get(name)
    if value is None:
        return None
    if value.lower() in {"true", "1"}:
        return True
    if value.lower() in {"false", "0"}:
        return False
    raise invalid({name: ["Not a valid boolean."]})


def identifier(request: Request, name: str) -> str | None:
    """A uuid parameter."""
    value = request.get(name)
    return None if value is None else check_uuid(value, name)


def check_uuid(value: object, name: str) -> str:
    """A uuid in its canonical form."""
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value
    try:
        return str(uuid.UUID(str(value)))
    except ValueError as error:
        raise invalid({name: ["Not a valid UUID."]}) from error


def moment(request: Request, name: str) -> datetime | None:
    """A date-time parameter; UTC when it has no offset."""
    value = request.get(name)
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        raise invalid({name: ["Not a valid datetime."]}) from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def decimal(request: Request, name: str) -> Decimal | None:
    """An amount parameter in major units."""
    value = request.get(name)
    if value is None:
        return None
    try:
        parsed = Decimal(value)
    except InvalidOperation as error:
        raise invalid({name: ["Not a valid number."]}) from error
    if not parsed.is_finite():
        raise invalid({name: ["Not a valid number."]})
    return parsed


def within(value: Any, low: Any, high: Any) -> bool:
    """Whether a value lies between two inclusive bounds, each of which may be absent."""
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def midnight(day: date) -> datetime:
    """The first moment of a day in UTC, for comparison with date-time parameters."""
    return datetime.combine(day, time(), UTC)


# --- paging ---


def page(
    request: Request,
    rows: Sequence[Row],
    keep: Callable[[Row], bool],
    show: Callable[[Row], JsonObject],
    places: Mapping[str, int] | None = None,
) -> HttpReply:
    """One page of `rows` after the row named by `start`, with the absolute URL of the next.

    `places` says where the ids stand, for lists that are too long to be searched.
    """
    size = _page_size(request)
    chosen: list[Row] = []
    begin = _begin(request, rows, places)
    if request.shift_page and begin:
        chosen.append(rows[begin - 1])
    more = False
    for row in rows[begin:]:
        if not keep(row):
            continue
        if len(chosen) == size:
            more = True
            break
        chosen.append(row)
    following = _next_url(request, chosen[-1].id) if more else None
    return reply(200, {"data": [show(row) for row in chosen], "page": {"next": following}})


def _page_size(request: Request) -> int:
    text = request.get("page_size")
    if text is None:
        return 20
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise invalid({"page_size": ["Not a valid integer."]})
    if not 2 <= int(text) <= 100:
        raise invalid({"page_size": ["Value must be between 2 and 100"]})
    return int(text)


def _begin(request: Request, rows: Sequence[Identified], places: Mapping[str, int] | None) -> int:
    start = identifier(request, "start")
    if start is None:
        return 0
    if places is not None and start in places:
        return places[start] + 1
    for index, row in enumerate(rows):
        # ASSUMED: the row keeps its place even when it has left the filter since the page that ended with it.
        if row.id == start:
            return index + 1
    raise invalid({"start": ["Not a valid page cursor."]})


def _next_url(request: Request, last_id: str) -> str:
    kept = [(key, value) for key, value in request.query if key != "start"]
    return f"{request.base_url}{request.path}?{urlencode([*kept, ('start', last_id)])}"


def parse_query(text: str) -> tuple[tuple[str, str], ...]:
    """The parameters of a query string."""
    return tuple(parse_qsl(text, keep_blank_values=True))
