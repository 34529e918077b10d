"""Logins and sessions: the cap on logins, the sliding expiry on the handed-in clock, and trust."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.bill.simulator.wire import ApiError, JsonObject, Request, gateway, reply, text_of
from connectors.bill.simulator.world import World
from engine.contract import HttpCall, HttpReply
from engine.dataclass import dataclass

_HOURLY = "BDC_1144"


@dataclass(frozen=True, slots=True)
class Session:
    """A session and when it was last used; `uses` counts the calls that it carried."""

    last_used: datetime
    trusted: bool
    uses: int = 0


class Sessions:
    """The sessions that this server handed out."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[str, Session] = {}
        self._hour: tuple[datetime | None, int] = (None, 0)

    def login(self, call: HttpCall) -> HttpReply:
        """POST /login; all attempts with this developer key count. ASSUMED: refused ones too."""
        world, options = self._world, self._world.options
        body = Request((), {}, call.headers, call.body).json()
        given = {name: text_of(options, body, name, needed=True) or "" for name in _NEEDED}
        if not _equal(given["devKey"], options.dev_key):
            raise self._refused("BDC_1102", "Invalid developer key.")
        self._count()
        if not (_equal(given["username"], options.username) and _equal(given["password"], options.password)):
            raise self._refused("BDC_1101", "Invalid user name or password.")
        if options.api_access == "not_supported":
            raise self._refused("BDC_1121", "The API is not supported for this organization.")
        if given["organizationId"] != world.organization_id:
            raise self._refused(options.stranger_code, "This organization is not available to the user.")
        if options.api_access == "not_enabled":
            raise self._refused("BDC_1105", "The API is not enabled for this organization.")
        trusted = self._remembers(body)
        if options.one_session:
            self._open.clear()
        session_id = world.names.text("session", 40)
        self._open[session_id] = Session(world.now, trusted)
        shown = {"organizationId": world.organization_id, "sessionId": session_id}
        return reply(options, {**shown, "trusted": trusted, "userId": world.user_id})

    def check(self, call: HttpCall) -> Session:
        """The session of a call, used now. ASSUMED: a wrong developer key is answered like one at the login."""
        options, now = self._world.options, self._world.now
        if not _equal(call.headers.get("devkey", ""), options.dev_key):
            raise self._refused("BDC_1102", "Invalid developer key.")
        session_id = call.headers.get("sessionid", "")
        session = self._open.get(session_id)
        if session is None or now - session.last_used >= timedelta(minutes=options.session_minutes):
            self._open.pop(session_id, None)
            raise self.expired()
        self._open[session_id] = replace(session, last_used=now, uses=session.uses + 1)
        return session

    def expired(self) -> ApiError:
        """How a session that is not good any more is answered."""
        kind = self._world.options.expired_as
        message = "Session is invalid.  Please log in."
        if kind == "gateway":
            return gateway(401, "Unauthorized")
        if kind == "1361":
            return ApiError(403, "BDC_1361", message)
        return ApiError(401, "BDC_1109" if kind == "1109" else None, message)

    def expire(self, session_id: str | None = None) -> None:
        """Let one session end now, if it has carried a call, or all of them."""
        if session_id is None:
            self._open.clear()
        elif session_id in self._open and self._open[session_id].uses:
            del self._open[session_id]

    def describe(self, _world: World, _request: Request) -> HttpReply:
        """GET /login/session."""
        world = self._world
        shown = {"organizationId": world.organization_id, "userId": world.user_id}
        # ASSUMED: the values of a user without a second factor.
        return reply(world.options, {**shown, "mfaStatus": "DISABLED", "mfaBypass": False})

    def logout(self, _world: World, request: Request) -> HttpReply:
        """POST /logout. ASSUMED: the answer is an empty object."""
        self._open.pop(request.session_id, None)
        return reply(self._world.options, {})

    def step_up(self, _world: World, request: Request) -> HttpReply:
        """POST /mfa/step-up: the session becomes trusted."""
        if not self._remembers(request.json()):
            raise ApiError(400, "BDC_1356", "The MFA code has expired.")
        self._open[request.session_id] = replace(self._open[request.session_id], trusted=True)
        return reply(self._world.options, {"trusted": True})

    def _remembers(self, body: JsonObject) -> bool:
        """Whether the body names a device that BILL remembers."""
        return bool(body.get("device")) and body.get("rememberMeId") == self._world.options.remember_me_id

    def _refused(self, code: str, message: str) -> ApiError:
        return ApiError(self._world.options.login_status, code, message)

    def _count(self) -> None:
        """200 logins an hour. ASSUMED: counted in hours of the clock, and answered like the limit of all calls."""
        options = self._world.options
        hour, count = self._hour
        now = self._world.now.replace(minute=0, second=0, microsecond=0)
        count = count if hour == now else 0
        if count >= options.logins_an_hour:
            raise hourly_limit(options.limit_status, options.logins_an_hour)
        self._hour = (now, count + 1)


_NEEDED = ("username", "password", "organizationId", "devKey")


def hourly_limit(status: int, most: int) -> ApiError:
    """Too many calls in this hour of the clock."""
    return ApiError(status, _HOURLY, f"Max number of allowed requests per hour reached: {most}.")


def concurrency_limit(status: int) -> ApiError:
    """Too many calls at once."""
    return ApiError(status, "BDC_1322", "Max number of concurrent requests per organization reached.")


def untrusted() -> ApiError:
    """The session lacks the trust of a second factor."""
    return ApiError(403, "BDC_1361", "Untrusted session")


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
