"""BILL's JSON on the wire: answers, errors, amounts and moments, the same for every resource."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from connectors._simulated import encoder
from connectors.bill.simulator.records import Options
from engine.contract import HttpReply
from engine.dataclass import dataclass

JsonObject = dict[str, Any]
JSON_TYPE = "application/json"
_MILLION = Decimal(10) ** 7
_CENT = Decimal("0.01")


class ApiError(Exception):
    """An answer that BILL gives instead of data; without a code, only message and severity are sent, as seen live.

    With `plain`, the gateway before BILL answers: an object and no array.
    """

    def __init__(self, status: int, code: str | None, message: str, *, plain: bool = False) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.plain = plain


@dataclass(frozen=True, slots=True)
class Request:
    """A call that passed authentication: ids of the path, query, headers and body."""

    params: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    session_id: str = ""
    trusted: bool = False
    # Faults of one page: it comes empty, it leads to itself, or it begins with the last row of the page before.
    page_fault: str = ""

    def value(self) -> Any:
        """The body as JSON, its numbers as Decimal."""
        try:
            return json.loads(self.body, parse_float=Decimal, parse_int=Decimal)
        except (ValueError, RecursionError) as error:
            raise ApiError(400, None, "The request body could not be read.") from error

    def json(self) -> JsonObject:
        """The body as a JSON object."""
        value = self.value()
        if not isinstance(value, dict):
            raise ApiError(400, None, "The request body could not be read.")
        return value


def invalid(options: Options, field: str, problem: str) -> ApiError:
    """A value that is refused: 400, and as seen live without a code."""
    return ApiError(400, options.validation_code, f"{field}: {problem}")


def not_found() -> ApiError:
    """No such object: 404 BDC_1205, seen live."""
    return ApiError(404, "BDC_1205", "Object not found.")


def gateway(status: int, message: str) -> ApiError:
    """What the gateway before BILL says: an object."""
    return ApiError(status, None, message, plain=True)


def _float(value: Decimal) -> str:
    """A float as most writers of JSON print it: 100.0, 228.99."""
    return repr(float(value))


def _java(value: Decimal) -> str:
    """A double as Java prints it: 1.234567812E7 from ten millions on."""
    if abs(value) < _MILLION:
        return repr(float(value))
    digits = repr(float(value)).rstrip("0").rstrip(".").replace("-", "")
    places = len(digits.partition(".")[0]) - 1
    digits = digits.replace(".", "").rstrip("0") or "0"
    return f"{'-' if value < 0 else ''}{digits[0]}.{digits[1:] or '0'}E{places}"


_WRITERS = {"float": encoder(_float), "java": encoder(_java)}


def dumps(options: Options, value: object) -> str:
    """Minified JSON text."""
    return _WRITERS[options.numbers](value)


def reply(options: Options, value: object, status: int = 200) -> HttpReply:
    """An answer with a JSON body."""
    return HttpReply(status, {"content-type": JSON_TYPE}, dumps(options, value).encode())


def error_reply(options: Options, error: ApiError, now: datetime) -> HttpReply:
    """BILL's error body: an array, its entries with a code or without; the gateway's is an object."""
    body: object = {"message": error.message}
    if not error.plain and error.code is None:
        body = [{"message": error.message, "severity": "ERROR"}]
    elif not error.plain:
        # ASSUMED: these are DOWNSTREAM, as in BILL's sample of an expired session.
        entry = {"code": error.code, "severity": "ERROR", "category": "DOWNSTREAM", "message": error.message}
        body = [{"timestamp": text_time(options, now), **entry}]
    return reply(options, body, error.status)


def text_time(options: Options, moment: datetime) -> str:
    """A moment as BILL prints it, in milliseconds."""
    text = moment.astimezone(UTC).isoformat("T", "milliseconds")
    return text if options.moments == "offset" else text.replace("+00:00", "Z")


def present(fields: Mapping[str, Any]) -> JsonObject:
    """Only what is set: BILL omits the rest."""
    return {name: value for name, value in fields.items() if value is not None and value not in ("", [], {})}


def parse_query(text: str) -> Mapping[str, str]:
    """The parameters of a query string; of equal names the last."""
    return dict(parse_qsl(text, keep_blank_values=True))


def text_of(options: Options, body: Mapping[str, Any], name: str, *, needed: bool = False) -> str | None:
    """A text of a request body."""
    value = body.get(name)
    if value is None and not needed:
        return None
    if value is None:
        raise invalid(options, name, "must not be null")
    if not isinstance(value, str) or (needed and not value.strip()):
        raise invalid(options, name, "must be a text that is not blank")
    return value


def amount_of(options: Options, body: Mapping[str, Any], name: str, *, needed: bool = False) -> Decimal | None:
    """An amount of a request body, in major units with at most two places."""
    value = body.get(name)
    if value is None and not needed:
        return None
    try:
        number = value if isinstance(value, Decimal) else Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or abs(number) >= 10**12 or number % _CENT:
        raise invalid(options, name, "must be a number")
    return number
