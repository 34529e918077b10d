"""Codes and tokens: a refresh token is good once, and its use kills the access token that came with it."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from connectors.freshbooks.simulator.wire import ApiError, reply
from connectors.freshbooks.simulator.world import World
from engine.contract import HttpCall, HttpReply
from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """A pair of tokens. `spare` is the refresh token before it, where the switch keeps that one until this is used."""

    access: str
    refresh: str
    expires_at: datetime
    spare: str = ""


class Grants:
    """The codes and tokens that this server handed out."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._codes: dict[str, datetime] = {}
        self._grants: dict[str, Grant] = {}
        self.spent: set[str] = set()
        self.exchanges = 0

    def code(self, *, lasting: bool = False) -> str:
        """A person allows the app; the code that the page gives back. One that is `lasting` is of a sandbox."""
        made = self._world.names.text("code", 40)
        minutes = 10**8 if lasting else self._world.options.code_minutes
        self._codes[made] = self._world.now + timedelta(minutes=minutes)
        return made

    def page(self, call: HttpCall) -> HttpReply:
        """GET the authorisation page, on which the account's owner decides at once, as the switch says.

        ASSUMED: that an app or address that is not registered is told so on the page, and sent nowhere.
        """
        options, given = self._world.options, dict(parse_qsl(call.query))
        asked = (given.get("client_id"), given.get("redirect_uri"), given.get("response_type"))
        if asked != (options.client_id, options.redirect_uri, "code"):
            return HttpReply(400, {"content-type": "text/html"}, b"<!doctype html><p>The app is not known.</p>")
        answer = {"code": self.code()} if options.owner_allows else {"error": "access_denied"}
        query = urlencode({**answer, **({"state": given["state"]} if "state" in given else {})})
        return HttpReply(302, {"location": f"{options.redirect_uri}?{query}"}, b"")

    def exchange(self, call: HttpCall, *, refuse: bool = False) -> HttpReply:
        """POST /auth/oauth/token, as a form or as JSON."""
        options, given = self._world.options, _given(call)
        if not (
            _equal(given.get("client_id", ""), options.client_id)
            and _equal(given.get("client_secret", ""), options.client_secret)
        ):
            raise ApiError(401, "invalid_client", "Client authentication failed.", family="auth")
        if given.get("redirect_uri") != options.redirect_uri or refuse:
            raise _invalid_grant()
        spare = ""
        if given.get("grant_type") == "authorization_code":
            code = given.get("code", "")
            ends = self._codes.get(code)
            if not options.spare_refresh:
                self._codes.pop(code, None)
            if ends is None or ends <= self._world.now:
                raise _invalid_grant()
        elif given.get("grant_type") == "refresh_token":
            spare = self._spend(given.get("refresh_token", ""))
        else:
            # ASSUMED: the words; that nothing but these two is taken is documented.
            raise ApiError(400, "unsupported_grant_type", "The grant type is not supported.", family="auth")
        return self._issue(spare)

    def check(self, call: HttpCall, family: str) -> Grant:
        """The grant of a call's access token."""
        given = call.headers.get("authorization", "").removeprefix("Bearer ")
        grant = self._grants.get(given)
        if grant is None or grant.expires_at <= self._world.now:
            raise unauthenticated(family)
        if grant.spare:
            # The new token is in use, so it was saved: the one before it is dead now.
            grant = self._grants[given] = replace(grant, spare="")
        return grant

    def expire(self, access: str | None = None) -> None:
        """Let one access token end now, or all of them; refresh tokens live on."""
        for key, grant in self._grants.items():
            if access in (None, key):
                self._grants[key] = replace(grant, expires_at=self._world.now)

    def revoke(self) -> None:
        """A person withdraws the app's permission."""
        self.spent |= {grant.refresh for grant in self._grants.values()}
        self._grants.clear()

    def _spend(self, token: str) -> str:
        for key, grant in self._grants.items():
            if token and token in (grant.refresh, grant.spare):
                del self._grants[key]
                self.spent.add(grant.refresh)
                return token if self._world.options.spare_refresh else ""
        raise _invalid_grant()

    def _issue(self, spare: str) -> HttpReply:
        world, seconds = self._world, self._world.options.token_seconds
        self.exchanges += 1
        access, refresh = world.names.text("access", 60), world.names.text("refresh", 60)
        self._grants[access] = Grant(access, refresh, world.now + timedelta(seconds=seconds), spare)
        shown = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": seconds,
            "refresh_token": refresh,
            "scope": "admin:all:legacy",
            "created_at": int(world.now.timestamp()),
        }
        return reply(shown)


def unauthenticated(family: str) -> ApiError:
    """What a call without a good token is told (errors.json)."""
    if family == "events":
        return ApiError(401, "401", "invalid_token: The request token failed to validate.", family="events")
    return ApiError(401, "unauthenticated", "This action requires authentication to continue.", family="auth")


def _invalid_grant() -> ApiError:
    # ASSUMED: the status of a dead refresh token; RFC 6749 has 400, FreshBooks' other refusals of tokens have 401.
    return ApiError(401, "invalid_grant", "The provided authorization grant is invalid.", family="auth")


def _given(call: HttpCall) -> dict[str, str]:
    try:
        if "json" in call.headers.get("content-type", ""):
            value = json.loads(call.body)
            return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else {}
        return dict(parse_qsl(call.body.decode()))
    except ValueError:
        return {}


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
