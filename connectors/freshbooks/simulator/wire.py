"""FreshBooks' JSON on the wire: answers, the error families, money and moments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from connectors.freshbooks.simulator.records import Options
from engine.contract import HttpReply
from engine.dataclass import dataclass

JsonObject = dict[str, Any]
Family = Literal["accounting", "events", "auth"]
JSON = {"content-type": "application/json"}
EASTERN = ZoneInfo("America/New_York")


class ApiError(Exception):
    """An answer that FreshBooks gives instead of data, in the shape of a family."""

    def __init__(self, status: int, code: str, message: str, *, family: Family = "accounting", field: str = "") -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.family = family
        self.field = field


@dataclass(frozen=True, slots=True)
class Request:
    """A call that passed authentication: the id of the path, the query in order, the body."""

    record_id: str
    query: Sequence[tuple[str, str]]
    body: bytes

    def first(self, name: str) -> str | None:
        """The first value of a parameter."""
        return next((value for key, value in self.query if key == name), None)

    def given(self, name: str) -> JsonObject:
        """What the body has under a name."""
        try:
            value = json.loads(self.body, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise ApiError(400, "1000", "The request could not be read.") from error
        inside = value.get(name) if isinstance(value, dict) else None
        if not isinstance(inside, dict):
            raise ApiError(422, "1001", f"{name} is required.", field=name)
        return inside


def result(value: Mapping[str, Any]) -> HttpReply:
    """An answer of the accounting and events families."""
    return reply({"response": {"result": value}})


def reply(value: object, status: int = 200) -> HttpReply:
    """An answer with a JSON body."""
    return HttpReply(status, JSON, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def error_reply(options: Options, error: ApiError) -> HttpReply:
    """The error body of a family (errors.json)."""
    if error.family == "auth":
        return reply({"error": error.code, "error_description": error.message}, error.status)
    number = int(error.code)
    if error.family == "events":
        return reply({"errno": number, "message": error.message, "details": [error.message]}, error.status)
    meant = {"field": error.field, "message": error.message, "object": "object", "value": ""}
    if options.errors == "new" and error.status >= 400:
        detail = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": error.code,
            "domain": "accounting.api.freshbooks.com",
            "metadata": meant,
        }
        said = f"Request failed with status_code: {error.status}"
        return reply({"code": 5, "message": said, "details": [detail]}, error.status)
    return reply({"response": {"errors": [{"errno": number, **meant}]}}, error.status)


def money(amount: Decimal, code: str) -> JsonObject:
    """Money: a text and a currency."""
    return {"amount": f"{amount:.2f}", "code": code}


def utc(moment: datetime) -> str:
    """A moment without its zone, as bills have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def eastern(moment: datetime) -> str:
    """The same as most of the accounting API has it."""
    return moment.astimezone(EASTERN).strftime("%Y-%m-%d %H:%M:%S")
