"""Tokens: the client-credentials grant, revocation, expiry on the clock, and scopes."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from connectors.ramp.simulator.wire import ApiError, dumps, reply
from connectors.ramp.simulator.world import World
from engine.contract import HttpCall, HttpReply
from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """What an access token may do, and until when."""

    scopes: frozenset[str]
    expires_at: datetime


class Tokens:
    """The access tokens that this server handed out."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._grants: dict[str, Grant] = {}

    def issue(self, call: HttpCall) -> HttpReply:
        """POST /token. ASSUMED: errors have the shape of RFC 6749; the sources give only their codes."""
        world = self._world
        if not self._basic(call):
            return _oauth_error(401, "invalid_client")
        if not _is_form(call):
            # The OpenAPI file says JSON; its own text and every client send a form.
            return _oauth_error(400, "invalid_request")
        form = parse_qs(call.body.decode("utf-8", "replace"))
        kind = form.get("grant_type", [""])[-1]
        if not kind:
            return _oauth_error(400, "invalid_request")
        if kind != "client_credentials":
            return _oauth_error(400, "unauthorized_client")
        asked = frozenset(form.get("scope", [""])[-1].split())
        if world.options.refuse_unknown_scope and asked - set(world.options.scopes):
            return _oauth_error(400, "invalid_scope")
        granted = asked & set(world.options.scopes)
        token = f"ramp_business_tok_{world.names.text('token', 40)}"
        lifetime = world.options.token_lifetime_s
        self._grants[token] = Grant(granted, world.now + timedelta(seconds=lifetime))
        # An omitted scope gives a token without any; there is no refresh token in this grant: ask again.
        body = {
            "access_token": token,
            "expires_in": lifetime,
            "scope": " ".join(sorted(granted)),
            "token_type": "Bearer",
        }
        return reply(200, body)

    def revoke(self, call: HttpCall) -> HttpReply:
        """POST /token/revoke."""
        if not self._basic(call):
            return _oauth_error(401, "invalid_client")
        form = parse_qs(call.body.decode("utf-8", "replace"))
        self._grants.pop(form.get("token", [""])[-1], None)
        return HttpReply(200, {"content-type": "application/json"}, b"{}")

    def check(self, call: HttpCall) -> Grant:
        """The grant of a call's bearer token, or 401."""
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        grant = self._grants.get(token.strip()) if kind.lower() == "bearer" else None
        if grant is None:
            raise ApiError(401, "DEVELOPER_7002", "The request does not have a valid access token.")
        if self._world.now >= grant.expires_at:
            raise expired()
        return grant

    def expire(self, call: HttpCall) -> None:
        """Let the token of a call end now, as a fault."""
        token = call.headers.get("authorization", "").partition(" ")[2].strip()
        if token in self._grants:
            self._grants[token] = Grant(self._grants[token].scopes, self._world.now)

    def _basic(self, call: HttpCall) -> bool:
        kind, _, text = call.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            given = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            return False
        options = self._world.options
        return hmac.compare_digest(given, f"{options.client_id}:{options.client_secret}".encode())


def expired() -> ApiError:
    """401 for a token that was good once."""
    return ApiError(401, "DEVELOPER_7028", "The access token has expired.")


def require(grant: Grant, scope: str | None) -> None:
    """403 when a token lacks a scope."""
    if scope is not None and scope not in grant.scopes:
        raise ApiError(403, "DEVELOPER_7100", f"These scopes are not allowed for this token: {scope}")


def _is_form(call: HttpCall) -> bool:
    return call.headers.get("content-type", "").split(";")[0].strip().lower() == "application/x-www-form-urlencoded"


def _oauth_error(status: int, code: str) -> HttpReply:
    return HttpReply(status, {"content-type": "application/json"}, dumps({"error": code}).encode())
