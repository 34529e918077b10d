"""OAuth client credentials: one durable token for all processes, renewed before it expires and once when refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

from connectors._http import Call, Failure, HttpClient, by_status
from engine.clock import from_iso, iso
from engine.contract import Tools
from engine.dataclass import dataclass
from engine.errors import AuthRefused, BadAnswer, RunError

_MARGIN = timedelta(minutes=5)
_SHORTEST = timedelta(minutes=10)  # assumed when the server does not say how long a token lives
_LONGEST = timedelta(days=30)
# A token that lacks a scope is asked for again when it is older than this: a person may have granted the scope since.
_SCOPE_PATIENCE = timedelta(minutes=1)
_TOKEN = re.compile(r"[!-~]{1,8192}")  # RFC 6750 allows less; anything else could break out of the header
_REFUSALS = frozenset({"invalid_client", "invalid_grant", "unauthorized_client", "access_denied", "invalid_scope"})


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What a connection asks for tokens with."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    token_path: str
    scopes: tuple[str, ...]
    hint: str

    def fingerprint(self, base_url: str) -> str:
        """Equal only for the same app, host and scopes: a token of the sandbox is never used in production."""
        parts = "\0".join((base_url, self.client_id, *sorted(self.scopes)))
        return hashlib.sha256(parts.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime
    scopes: frozenset[str]

    def fresh(self, now: datetime) -> bool:
        """Whether it lives long enough for another request; short-lived tokens get a tenth of their life as margin."""
        margin = min(_MARGIN, (self.expires_at - self.issued_at) / 10)
        return now < self.expires_at - margin


class TokenKeeper:
    """Hands out the connection's access token."""

    def __init__(self, http: HttpClient, tools: Tools, credentials: ClientCredentials, where: str) -> None:
        self._http = http
        self._tools = tools
        self._credentials = credentials
        self._where = where
        self._fingerprint = credentials.fingerprint(http.api.base_url)
        self._held: _Token | None = None

    def authorization(self, needs: tuple[str, ...] = ()) -> dict[str, str]:
        """The header for a call that needs these scopes.

        Raises:
            AuthRefused: when the server granted fewer scopes than the call needs, or no token at all.
        """
        held = self._held
        now = self._tools.clock.now()
        if held is None or not held.fresh(now):
            held = self._obtain(None)
        if self._lacking(held, needs) and now - held.issued_at > _SCOPE_PATIENCE:
            held = self._obtain(_bearer(held.value))
        lacking = self._lacking(held, needs)
        if lacking:
            listed = ", ".join(lacking)
            raise AuthRefused(f"{self._where}: scopes that were not granted: {listed}", hint=self._credentials.hint)
        return _bearer(held.value)

    def renew(self, refused: Mapping[str, str], needs: tuple[str, ...] = ()) -> dict[str, str]:
        """The header with another token than the one that the server has just refused."""
        self._obtain(refused)
        return self.authorization(needs)

    def granted(self) -> frozenset[str]:
        """The scopes the server granted, which may be fewer than were asked for."""
        self.authorization()
        return self._held.scopes if self._held is not None else frozenset()

    def _lacking(self, token: _Token, needs: tuple[str, ...]) -> list[str]:
        return sorted(set(needs) - token.scopes)

    def _obtain(self, useless: Mapping[str, str] | None) -> _Token:
        """The token that any process has saved, or a new one, made durable before anyone uses it."""
        token = self._usable(useless)
        if token is None:
            with self._tools.tokens.lock():
                # Another process may have asked while this one waited.
                token = self._usable(useless)
                if token is None:
                    token = self._ask()
                    self._save(token)
        self._held = token
        return token

    def _usable(self, useless: Mapping[str, str] | None) -> _Token | None:
        """The saved token, unless it is about to end or is the one that was refused."""
        token = self._saved()
        if token is None or not token.fresh(self._tools.clock.now()) or _bearer(token.value) == useless:
            return None
        return token

    def _save(self, token: _Token) -> None:
        self._tools.tokens.save(
            {
                "access_token": token.value,
                "issued_at": iso(token.issued_at),
                "expires_at": iso(token.expires_at),
                "scope": " ".join(sorted(token.scopes)),
                "issued_for": self._fingerprint,
            }
        )

    def _saved(self) -> _Token | None:
        saved = self._tools.tokens.load()
        if saved is None or saved.get("issued_for") != self._fingerprint:
            return None
        try:
            return _Token(
                str(saved["access_token"]),
                from_iso(saved["issued_at"]),
                from_iso(saved["expires_at"]),
                frozenset(str(saved["scope"]).split()),
            )
        except (KeyError, TypeError, ValueError):  # written by another version: ask for a new one
            return None

    def _ask(self) -> _Token:
        from authlib.oauth2.auth import ClientAuth
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        wanted = self._credentials
        body = prepare_token_request("client_credentials", "", scope=" ".join(wanted.scopes))
        # Ramp's OpenAPI file says JSON here, but its text and every client use a form (FACTS.md section 2).
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        auth = ClientAuth(wanted.client_id, wanted.client_secret, "client_secret_basic")
        _, headers, body = auth.prepare("POST", wanted.token_path, headers, body)
        issued_at = self._tools.clock.now()  # before the call: the token is never thought younger than it is
        answer = self._http.send(Call("POST", wanted.token_path, headers=headers, content=body), classify=self._refusal)
        payload = answer.json()
        value = payload.get("access_token") if isinstance(payload, dict) else None
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise BadAnswer(f"{answer.where}: no usable `access_token` in the answer")
        if str(payload.get("token_type") or "bearer").lower() != "bearer":
            raise BadAnswer(f"{answer.where}: a token of another type than Bearer")
        return _Token(value, issued_at, issued_at + _lifetime(payload), self._granted(payload))

    def _granted(self, payload: Mapping[str, Any]) -> frozenset[str]:
        """The granted scopes; RFC 6749 section 5.1 lets the server leave them out when they are the ones asked for."""
        scope = payload.get("scope")
        return frozenset(scope.split()) if isinstance(scope, str) else frozenset(self._credentials.scopes)

    def _refusal(self, failure: Failure) -> RunError:
        """What a failed token request means; nothing was written by it, so it may always be repeated."""
        said = failure.body.get("error") if isinstance(failure.body, dict) else None
        code = said if isinstance(said, str) else ""
        where = failure.where
        if code == "invalid_scope":
            asked = ", ".join(self._credentials.scopes)
            return AuthRefused(
                f"{where}: the app may not have some of these scopes: {asked}", hint=self._credentials.hint
            )
        if code in _REFUSALS:
            return AuthRefused(f"{where}: the client id or secret is refused ({code})", hint=self._credentials.hint)
        if failure.status in (400, 401, 403):
            return AuthRefused(f"{where}: no token is given", hint=self._credentials.hint)
        return by_status(failure, expired=self._credentials.hint, refused=self._credentials.hint)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _lifetime(payload: Mapping[str, Any]) -> timedelta:
    """How long a token lives, as the server says; never trusted beyond a month."""
    value = payload.get("expires_in")
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        return _SHORTEST
    return min(timedelta(seconds=min(value, 10**9)), _LONGEST)
