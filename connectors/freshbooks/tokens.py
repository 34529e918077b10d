"""OAuth 2 with an authorization code: an access token for all processes, and a refresh token that is good only once.

Whoever loses a refresh token needs a person at FreshBooks' page again. So one process at a time exchanges it, says so in the
store before it asks, and has the new one in the store before anything is done with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import Any

from connectors._http import Call, Classifier, Failure, HttpClient, by_status
from connectors.freshbooks.settings import Settings, digest
from connectors.freshbooks.spec import AUTHORIZE, TOKEN
from engine.clock import from_iso, iso
from engine.connections.authorizing import Permission
from engine.contract import Json, Tools
from engine.dataclass import dataclass
from engine.errors import AuthRefused, BadAnswer, RunError, StoreBusy, Transient

_MARGIN = timedelta(minutes=10)
_SHORTEST = timedelta(minutes=10)  # assumed when FreshBooks does not say how long a token lives
_LONGEST = timedelta(days=30)
_KEPT_CODES = 8
_TOKEN = re.compile(r"[!-~]{1,8192}")  # anything else could break out of the header
_SCOPE = re.compile(r"[\w:. -]{0,4000}", re.ASCII)
_APP_REFUSED = frozenset({"invalid_client", "unauthorized_client"})


@dataclass(frozen=True, slots=True)
class Token:
    """A pair of tokens as it is saved.

    `codes` names the authorization codes that were used up; `asked_at` is when the refresh token was last about to be
    exchanged, if ever. `scope` is what FreshBooks granted, blanks between.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime
    codes: tuple[str, ...]
    asked_at: datetime | None = None
    scope: str = ""

    def fresh(self, now: datetime) -> bool:
        """Whether it lives long enough for a run; short-lived tokens get a tenth of their life as margin."""
        return now < self.expires_at - min(_MARGIN, (self.expires_at - self.issued_at) / 10)


def authorization_url(settings: Settings, state: str, scopes: tuple[str, ...] = ()) -> str:
    """The page on which a person allows the app to read; without scopes, FreshBooks gives those of the app."""
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

    address = f"{settings.auth_url}{AUTHORIZE}"
    url: str = prepare_grant_uri(
        address, settings.client_id, "code", settings.redirect_uri, " ".join(scopes) or None, state
    )
    return url


def permission(settings: Settings, saved: Json | None) -> Permission | None:
    """What a saved token, or the code that was given, is worth as far as we know; None when there is neither."""
    token = _token_of(settings, saved)
    if token is None:
        return Permission(None) if settings.code else None
    if token.asked_at is None:
        return Permission(token.expires_at)
    doubt = f"its refresh token was sent at {iso(token.asked_at)[:19]}Z, and the answer is not saved (yet)"
    return Permission(token.expires_at, doubt)


def _token_of(settings: Settings, saved: Json | None) -> Token | None:
    """The token as it was saved; None when it is of another app or host."""
    if saved is None or saved.get("issued_for") != settings.owner():
        return None
    try:
        asked = saved.get("asked_at")
        return Token(
            str(saved["access_token"]),
            str(saved["refresh_token"]),
            from_iso(saved["issued_at"]),
            from_iso(saved["expires_at"]),
            tuple(str(code) for code in saved["codes"]),
            from_iso(asked) if asked else None,
            str(saved.get("scope") or ""),
        )
    except (KeyError, TypeError, ValueError):  # written by another version: a person has to allow it again
        return None


class TokenKeeper:
    """Hands out the connection's access token."""

    def __init__(self, http: HttpClient, tools: Tools, settings: Settings, where: str) -> None:
        self._http = http
        self._tools = tools
        self._settings = settings
        self._where = where
        self._held: Token | None = None

    def authorization(self) -> dict[str, str]:
        """The header of a call.

        Raises:
            AuthRefused: when a person has to allow the app again.
        """
        held = self._held
        if held is None or not held.fresh(self._tools.clock.now()):
            held = self._obtain(None)
        return _bearer(held)

    def renew(self, refused: Mapping[str, str]) -> dict[str, str]:
        """The header with another token than the one that FreshBooks has just refused."""
        return _bearer(self._obtain(refused))

    def scopes(self) -> tuple[str, ...]:
        """What FreshBooks granted, as it said with the token that is kept."""
        saved = self._saved()
        return tuple(saved.scope.split()) if saved is not None else ()

    def authorize(self, code: str) -> None:
        """Exchange the code that FreshBooks' page gave, and keep what it gives in place of any earlier token.

        Raises:
            AuthRefused: for a code that is not good, or not any more.
        """
        with self._tools.tokens.lock():
            self._held = self._by_code(code, self._saved())

    def _obtain(self, useless: Mapping[str, str] | None) -> Token:
        """The token that any process has saved, or a new one, made durable before anyone uses it."""
        token = self._usable(useless)
        if token is None:
            with ExitStack() as held:
                try:
                    held.enter_context(self._tools.tokens.lock())
                except StoreBusy:
                    # The exchange of another process takes its time, and what there is may still be good.
                    token = self._spare(self._saved(), useless)
                    if token is None:
                        raise
                else:
                    # Another process may have exchanged the refresh token while this one waited: ours is spent then.
                    token = self._usable(useless) or self._renewed(useless)
        self._held = token
        return token

    def _spare(self, saved: Token | None, useless: Mapping[str, str] | None) -> Token | None:
        """The saved token as long as it lives: a new one is asked for some time before, so that a failure does no harm."""
        if saved is None or self._tools.clock.now() >= saved.expires_at or _bearer(saved) == useless:
            return None
        return saved

    def _usable(self, useless: Mapping[str, str] | None) -> Token | None:
        """The saved token, unless it is about to end or is the one that was refused."""
        token = self._saved()
        if token is None or not token.fresh(self._tools.clock.now()) or _bearer(token) == useless:
            return None
        return token

    def _renewed(self, useless: Mapping[str, str] | None) -> Token:
        """A new token: by the code when a person gave another one since, else by the refresh token."""
        saved, code = self._saved(), self._settings.code
        if code and (saved is None or digest(code) not in saved.codes):
            try:
                return self._by_code(code, saved)
            except AuthRefused:  # it came too late, and what an earlier one gave may still be good
                if saved is None:
                    raise
        if saved is None:
            raise AuthRefused(
                f"{self._where}: nobody has allowed flowctl to read this account yet, or what FreshBooks gave is lost",
                hint=self._settings.hint,
            )
        try:
            return self._by_refresh(saved)
        except AuthRefused:
            # Another process stood still over an exchange for longer than anybody thought, and has saved what it was given.
            other = self._usable(useless)
            if other is None or other.access == saved.access:
                raise
            return other
        except Transient:
            spare = self._spare(saved, useless)
            if spare is None:
                raise
            return spare

    def _by_code(self, code: str, saved: Token | None) -> Token:
        asked = self._ask({"grant_type": "authorization_code", "code": code}, self._code_refused)
        # What the settings hold is older than this, or the same.
        spent = [*(saved.codes if saved is not None else ()), digest(self._settings.code), digest(code)]
        token = replace(asked, codes=tuple(dict.fromkeys(spent))[-_KEPT_CODES:])
        self._save(token)
        return token

    def _by_refresh(self, saved: Token) -> Token:
        spent = saved.asked_at
        self._save(replace(saved, asked_at=self._tools.clock.now()))

        def refused(failure: Failure) -> RunError:
            return self._refresh_refused(failure, spent)

        asked = self._ask({"grant_type": "refresh_token", "refresh_token": saved.refresh}, refused)
        token = replace(asked, codes=saved.codes)
        self._save(token)
        return token

    def _save(self, token: Token) -> None:
        saved: dict[str, object] = {
            "access_token": token.access,
            "refresh_token": token.refresh,
            "issued_at": iso(token.issued_at),
            "expires_at": iso(token.expires_at),
            "issued_for": self._settings.owner(),
            "codes": list(token.codes),
            "scope": token.scope,
            "asked_at": iso(token.asked_at) if token.asked_at is not None else None,
        }
        self._tools.tokens.save(saved)

    def _saved(self) -> Token | None:
        return _token_of(self._settings, self._tools.tokens.load())

    def _ask(self, given: Mapping[str, str], refused: Classifier) -> Token:
        """One exchange. It is never repeated here: a second one would spend what the first one gave."""
        from authlib.oauth2.auth import ClientAuth
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        wanted = self._settings
        # FreshBooks wants `redirect_uri` for a refresh as well (FACTS.md, Auth).
        body = prepare_token_request(**given, body="", redirect_uri=wanted.redirect_uri)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        auth = ClientAuth(wanted.client_id, wanted.client_secret, "client_secret_post")
        _, headers, body = auth.prepare("POST", TOKEN, headers, body)
        issued_at = self._tools.clock.now()  # before the call: the token is never thought younger than it is
        answer = self._http.send(Call("POST", TOKEN, headers=headers, content=body), classify=refused)
        payload = answer.json()
        if not isinstance(payload, dict) or "error" in payload:
            raise refused(answer.failure())
        access, refresh = payload.get("access_token"), payload.get("refresh_token")
        for name, value in (("access_token", access), ("refresh_token", refresh)):
            if not isinstance(value, str) or not _TOKEN.fullmatch(value):
                raise BadAnswer(f"{answer.where}: no usable `{name}` in the answer")
        if str(payload.get("token_type") or "bearer").lower() != "bearer":
            raise BadAnswer(f"{answer.where}: a token of another type than Bearer")
        granted = payload.get("scope")
        scope = granted if isinstance(granted, str) and _SCOPE.fullmatch(granted) else ""
        return Token(str(access), str(refresh), issued_at, issued_at + _lifetime(payload), (), scope=scope)

    def _code_refused(self, failure: Failure) -> RunError:
        if _is_refusal(failure) and _said(failure) not in _APP_REFUSED:
            return AuthRefused(
                f"{failure.where}: the authorization code is refused; it is good once, and for five minutes",
                hint=self._settings.hint,
            )
        return self._refused(failure)

    def _refresh_refused(self, failure: Failure, spent: datetime | None) -> RunError:
        """The text says which of the two it was: a token that somebody withdrew, or one that we lost."""
        if not _is_refusal(failure) or _said(failure) in _APP_REFUSED:
            return self._refused(failure)
        why = "it was withdrawn, or another program used it"
        if spent is not None:
            why = f"it was sent at {iso(spent)[:19]}Z, and the answer with the new one never came to be saved"
        return AuthRefused(f"{failure.where}: the refresh token is refused: {why}", hint=self._settings.hint)

    def _refused(self, failure: Failure) -> RunError:
        if _is_refusal(failure):
            return AuthRefused(
                f"{failure.where}: the client id or the client secret is refused",
                hint="copy both from the app's page at FreshBooks, then `flowctl connect` again",
            )
        return by_status(failure, expired=self._settings.hint, refused=self._settings.hint)


def _said(failure: Failure) -> str:
    said = failure.body.get("error") if isinstance(failure.body, dict) else None
    return said if isinstance(said, str) else ""


def _is_refusal(failure: Failure) -> bool:
    """Whether the server has judged: a page of a gateway in between says nothing of the token."""
    judged = failure.status in (400, 401, 403, 422) or (failure.status < 300 and bool(_said(failure)))
    return judged and isinstance(failure.body, dict)


def _bearer(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.access}"}


def _lifetime(payload: Mapping[str, Any]) -> timedelta:
    """How long the access token lives, as FreshBooks says; never trusted beyond a month."""
    value = payload.get("expires_in")
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        return _SHORTEST
    return min(timedelta(seconds=min(value, 10**9)), _LONGEST)
