"""The Integration Server on the wire: form posts, envelopes, and the ways a job can be refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from engine.contract import HttpCall, HttpReply
from engine.dataclass import dataclass

PATH = "/Integration-Server/ExpensifyIntegrations"
FORM = "application/x-www-form-urlencoded"
# Seen live: JSON does not come as application/json.
TEXT = "text/plain"
JsonObject = dict[str, Any]

_OLD_LIMIT = "You have been rate-limited. Please try again later or contact help@expensify.com for assistance."


class ApiError(Exception):
    """An envelope instead of an answer; `status` is HTTP's, which says nothing."""

    def __init__(self, code: int, message: str, status: int = 200) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Job:
    """A request that could be read. `kind` names it for faults and counters, as `file`, `mark` or `get/policyList`."""

    kind: str
    body: JsonObject
    template: str | None

    @property
    def settings(self) -> JsonObject:
        """Its `inputSettings`."""
        return section(self.body, "inputSettings")


def missing(name: str) -> ApiError:
    """A parameter that a job needs."""
    return ApiError(410, f"Required parameter '{name}' is missing")


def section(body: Mapping[str, Any], name: str) -> JsonObject:
    """An object inside a job."""
    value = body.get(name)
    if value is None:
        raise missing(name)
    if not isinstance(value, dict):
        raise ApiError(410, f"Parameter '{name}' is not valid")
    return value


def parse_job(call: HttpCall) -> Job:
    """The job of a form post. Raises ApiError when there is none."""
    if not call.headers.get("content-type", "").startswith(FORM):
        raise missing("requestJobDescription")
    try:
        form = parse_qs(call.body.decode("utf-8"), keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise missing("requestJobDescription") from error
    if "requestJobDescription" not in form:
        raise missing("requestJobDescription")
    try:
        body = json.loads(form["requestJobDescription"][0])
    except ValueError as error:
        raise ApiError(410, "requestJobDescription is not valid JSON") from error
    if not isinstance(body, dict):
        raise ApiError(410, "requestJobDescription is not valid JSON")
    return Job(_kind(body), body, form.get("template", [None])[0])


def mark_label(body: Mapping[str, Any]) -> str | None:
    """The label with which a job marks what it exports, if it does."""
    steps = body.get("onFinish")
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict) and step.get("actionName") == "markAsExported":
            return str(step.get("label") or "")
    return None


def reply(value: object, status: int = 200) -> HttpReply:
    """A JSON answer."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return HttpReply(status, {"content-type": TEXT}, text.encode())


def error_reply(error: ApiError) -> HttpReply:
    """An envelope."""
    return reply({"responseMessage": error.message, "responseCode": error.code}, error.status)


def limited_reply(form: str) -> HttpReply:
    """429 in one of its two forms; ASSUMED: nobody has seen either."""
    if form == "status":
        return HttpReply(429, {"content-type": TEXT}, b"Too Many Requests")
    return error_reply(ApiError(429, _OLD_LIMIT))


def html_reply(status: int, text: str) -> HttpReply:
    """What stands in front of the server answers."""
    body = f"<!doctype html><html><head><title>{status} {text}</title></head><body><h1>{text}</h1></body></html>"
    return HttpReply(status, {"content-type": "text/html"}, body.encode())


def _kind(body: Mapping[str, Any]) -> str:
    kind = str(body.get("type") or "")
    if kind == "file" and mark_label(body) is not None:
        return "mark"
    settings = body.get("inputSettings")
    inner = settings.get("type") if isinstance(settings, dict) else None
    return f"{kind}/{inner}" if kind in ("get", "update", "create") else kind
