"""Signs in to BILL: one durable session for all processes, used until BILL refuses it or it has lain idle too long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime, timedelta

from connectors._http import Call, Classifier, HttpClient
from connectors.bill.errors import HINT_LOGIN, for_login, says_error
from connectors.bill.settings import Settings
from connectors.bill.spec import API
from engine.clock import from_iso, iso
from engine.contract import Rate, Tools
from engine.dataclass import dataclass
from engine.errors import AuthRefused, BadAnswer, StoreBusy

LOGIN = f"{API}/login"
# BILL allows a developer key 200 logins an hour (FACTS.md, Auth); other programs may share the key.
LOGINS = Rate(180, 3600.0)
# A session ends after 35 minutes without a call (FACTS.md, Auth).
_IDLE = timedelta(minutes=34)
# How often the other processes are told that a session is in use: that writes to the store, so not at every call.
_TOLD_EVERY = timedelta(minutes=5)
# Credentials that BILL refuses are not sent at every visit: a user who signs in wrongly again and again gets locked.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=1)
_SESSION = re.compile(r"[!-~]{1,4096}")  # anything else could break out of the header
SESSION_HEADER = "sessionId"


@dataclass(frozen=True, slots=True)
class _Session:
    """A session as it is saved. `used_at` is when it was last known to be in use."""

    id: str = field(repr=False)
    used_at: datetime

    def alive(self, now: datetime) -> bool:
        """Whether it may still be good. A time ahead of the clock was written by a clock that was ahead."""
        return self.used_at - _IDLE < now < self.used_at + _IDLE


@dataclass(frozen=True, slots=True)
class _Refusal:
    """How often, when last, and in which words BILL did not take the credentials that are given now."""

    at: datetime
    times: int
    says: str
    hint: str

    def until(self) -> datetime:
        """When they may be sent again; longer after each refusal."""
        pause: timedelta = min(_FIRST_PAUSE * (1 << min(self.times - 1, 10)), _LONGEST_PAUSE)
        return self.at + pause


class SessionKeeper:
    """Hands out the headers of the connection's session."""

    def __init__(self, http: HttpClient, tools: Tools, settings: Settings, classify: Classifier) -> None:
        self._http = http
        self._tools = tools
        self._settings = settings
        self._refused = for_login(classify)
        self._held: _Session | None = None
        self._told_at: datetime | None = None

    def headers(self) -> dict[str, str]:
        """The headers of a call.

        Raises:
            AuthRefused: when BILL refuses the login.
        """
        held = self._held
        if held is None or not held.alive(self._tools.clock.now()):
            held = self._obtain(None)
        return self._headers(held)

    def renew(self, refused: Mapping[str, str]) -> dict[str, str]:
        """The headers with another session than the one that BILL has just refused."""
        return self._headers(self._obtain(refused[SESSION_HEADER]))

    def anew(self) -> None:
        """Sign in, whatever session is saved: a password that has become wrong shows only there."""
        with self._tools.tokens.lock():
            session = self._login()
            self._save(session)
        self._held, self._told_at = session, session.used_at

    def secret(self) -> str:
        """What must not be shown of the session in use; empty before there is one."""
        return "" if self._held is None else self._held.id

    def used(self) -> None:
        """A call went well, so the session lives on; other processes hear of it now and then."""
        assert self._held is not None, "a call has gone well, so there is a session"
        now = self._tools.clock.now()
        self._held = replace(self._held, used_at=now)
        if self._told_at is not None and now - self._told_at < _TOLD_EVERY:
            return
        # The call is done, whether or not the others hear of it: what became of it must not be lost over that.
        with suppress(StoreBusy), self._tools.tokens.lock():
            saved = self._saved()
            if saved is not None and saved.id == self._held.id:
                self._save(self._held)
        self._told_at = now

    def _obtain(self, useless: str | None) -> _Session:
        """The session that any process has saved, or a new one, made durable before anyone uses it."""
        session = self._usable(useless)
        if session is None:
            with self._tools.tokens.lock():
                # Another process may have signed in while this one waited.
                session = self._usable(useless)
                if session is None:
                    session = self._sign_in()
                    self._save(session)
        self._held = session
        self._told_at = session.used_at
        return session

    def _usable(self, useless: str | None) -> _Session | None:
        """The saved session, unless it has lain idle or is the one that was refused."""
        saved = self._saved()
        if saved is None or saved.id == useless or not saved.alive(self._tools.clock.now()):
            return None
        return saved

    def _saved(self) -> _Session | None:
        saved = self._tools.tokens.load()
        if saved is None or saved.get("issued_for") != self._settings.owner():
            return None
        try:
            return _Session(str(saved["session_id"]), from_iso(saved["used_at"]))
        except (KeyError, TypeError, ValueError):  # written by another version: sign in again
            return None

    def _save(self, session: _Session) -> None:
        self._tools.tokens.save(
            {"session_id": session.id, "used_at": iso(session.used_at), "issued_for": self._settings.owner()}
        )

    def _sign_in(self) -> _Session:
        """Sign in, but not with credentials that BILL has just refused; the lock is held.

        Raises:
            AuthRefused: when BILL does not accept the credentials, or did not a while ago.
        """
        before, now = self._refusal(), self._tools.clock.now()
        # A time ahead of the clock was written by a clock that was ahead.
        if before is not None and before.at <= now < before.until():
            raise AuthRefused(
                f"{before.says}; the same credentials are not sent again before {before.until():%Y-%m-%d %H:%M} UTC",
                hint=before.hint,
            )
        try:
            return self._login()
        except AuthRefused as error:
            told = {"says": str(error), "hint": error.hint or HINT_LOGIN}
            times = before.times + 1 if before is not None else 1
            refused = {"refused": self._settings.credentials(), "refused_at": iso(now), "times": times, **told}
            self._tools.tokens.save(refused)
            raise

    def _refusal(self) -> _Refusal | None:
        """The saved refusal of these very credentials."""
        saved = self._tools.tokens.load()
        if saved is None or saved.get("refused") != self._settings.credentials():
            return None
        try:
            at, times = from_iso(saved["refused_at"]), max(int(saved["times"]), 1)
            return _Refusal(at, times, str(saved["says"]), str(saved["hint"]))
        except (KeyError, TypeError, ValueError):  # written by another version: ask BILL
            return None

    def _login(self) -> _Session:
        """Sign in.

        Raises:
            AuthRefused: when BILL does not accept the credentials.
            RateLimited: when too many logins were made.
            BadAnswer: for an answer without a session, or one of another organization.
        """
        wanted = self._settings
        body = {
            "username": wanted.username,
            "password": wanted.password,
            "organizationId": wanted.organization_id,
            "devKey": wanted.dev_key,
        }
        now = self._tools.clock.now()  # before the call: the session is never thought younger than it is
        with self._tools.limits.call(wanted.logins_name(), (LOGINS,)):
            answer = self._http.send(Call("POST", LOGIN, json=body), self._refused)
        given = answer.json()
        if says_error(given):
            raise self._refused(answer.failure())
        session = given.get("sessionId") if isinstance(given, dict) else None
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise BadAnswer(f"{answer.where}: no usable `sessionId` in the answer")
        if given.get("organizationId") not in (None, wanted.organization_id):
            raise BadAnswer(
                f"{answer.where}: the session is of another organization than was asked for",
                hint="check `organization_id` with `flowctl connect`",
            )
        return _Session(session, now)

    def _headers(self, session: _Session) -> dict[str, str]:
        return {SESSION_HEADER: session.id, "devKey": self._settings.dev_key}
