"""A clock that stands still and a bare client of the simulator, without any HTTP library."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from connectors.ramp.simulator import Account, Line, Options, RampSimulator
from connectors.ramp.simulator.build import coded
from engine.contract import HttpCall, HttpReply

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RENT = Account("80000010-1", "Rent", "6010")
PAPER = Account("80000011-1", "Office Supplies", "6020")
BASIC = "Basic " + base64.b64encode(b"ramp_id_sandbox:sandbox-secret").decode()
FORM = "application/x-www-form-urlencoded"


class StillClock:
    """Time moves only when told."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Api:
    """Calls one simulator with one token."""

    def __init__(self, simulator: RampSimulator, scopes: str | None = None) -> None:
        self.simulator = simulator
        asked = " ".join(simulator.world.options.scopes) if scopes is None else scopes
        answer = token(simulator, {"grant_type": "client_credentials", "scope": asked})
        self.token = str(decoded(answer)["access_token"])

    def call(self, method: str, path: str, body: object = None, **query: object) -> HttpReply:
        if path.startswith("https://"):
            parts = urlsplit(path)
            path, text = parts.path, parts.query
        else:
            path, text = f"/developer/v1{path}", urlencode(query)
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
            "host": "demo-api.ramp.com",
        }
        data = b"" if body is None else json.dumps(body).encode()
        return self.simulator.handle(HttpCall(method, path, text, headers, data, "10.0.0.1"))

    def upload(self, path: str, boundary: str, body: bytes) -> HttpReply:
        """A multipart call."""
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": f"multipart/form-data; boundary={boundary}",
            "host": "demo-api.ramp.com",
        }
        return self.simulator.handle(HttpCall("POST", f"/developer/v1{path}", "", headers, body, "10.0.0.1"))

    def get(self, path: str, **query: object) -> Any:
        reply = self.call("GET", path, **query)
        assert reply.status == 200, reply.body
        return decoded(reply)

    def ids(self, path: str, **query: object) -> list[str]:
        return [row["id"] for row in self.get(path, **query)["data"]]

    def sync(
        self, kind: str, *pairs: tuple[str, str], key: str = "key-1", failed: dict[str, str] | None = None
    ) -> HttpReply:
        body: dict[str, Any] = {"idempotency_key": key, "sync_type": kind}
        if pairs:
            body["successful_syncs"] = [{"id": id_, "reference_id": reference} for id_, reference in pairs]
        if failed:
            body["failed_syncs"] = [{"id": id_, "error": {"message": text}} for id_, text in failed.items()]
        return self.call("POST", "/accounting/syncs", body)


def simulator(profile: Any = "2025-08", **options: Any) -> RampSimulator:
    faults = options.pop("faults", ())
    return RampSimulator(7, StillClock(), profile=profile, options=Options(**options), faults=faults)


def token(target: RampSimulator, form: dict[str, str], auth: str = BASIC, kind: str = FORM) -> HttpReply:
    headers = {"authorization": auth, "content-type": kind}
    return target.handle(HttpCall("POST", "/developer/v1/token", "", headers, urlencode(form).encode(), "10.0.0.1"))


def decoded(reply: HttpReply) -> Any:
    return json.loads(reply.body)


def error(reply: HttpReply) -> tuple[int, str, str, dict[str, list[str]]]:
    """Status, code, message and fields of an error answer."""
    body = decoded(reply)["error_v2"]
    return reply.status, body["error_code"], body["message"], body["additional_info"]


def rent(minor: int, memo: str | None = None) -> Line:
    return Line(minor, coded(RENT), memo)
