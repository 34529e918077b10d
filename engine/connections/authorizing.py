"""OAuth 2 with an authorization code: a person allows the app on the vendor's page, and the code it gives is exchanged once.

A connector says where that page is; everything else - the state that ties the answer to the request, taking the answer, and
what a person is told - is the same for all vendors, and here or in the command.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import parse_qsl, urlsplit

from engine.dataclass import dataclass
from engine.errors import FlowctlError, UsageError

if TYPE_CHECKING:
    from engine.contract import Binding, Json

# How long a request stays good; a code itself lives for minutes only.
REQUEST_S = 600
_ERROR = re.compile(r"[a-z_]{1,40}")
_CODE = re.compile(r"[!-~]{1,2048}")
_GIVEN = re.compile(r"[!-~]{1,8192}")


@dataclass(frozen=True, slots=True)
class Permission:
    """What is kept of a person's permission: when the access token ends, None while a code was not exchanged yet.

    `doubt` says why it may be lost all the same; empty where there is none. `dies_at` is when a person has to give it anew,
    None where it lives as long as it is used.
    """

    ends_at: datetime | None
    doubt: str = ""
    dies_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a call has shown: whose account it is, and what may be done there."""

    account: str
    name: str
    scopes: tuple[str, ...]


class Owner(Protocol):
    """Whose account a connection leads to, as it was noted when it was connected, or first read."""

    def known(self) -> str:
        """The vendor's id of the account; empty where none is noted."""
        ...

    def note(self, account: str) -> str:
        """Note the account that answers where none is noted yet; returns the one that is noted then."""
        ...


@runtime_checkable
class Authorizes(Protocol):
    """A connector that a person has to allow on a page of its vendor."""

    def redirect_uri(self, binding: Binding) -> str:
        """The address that the page sends the person to, with the answer in its query."""
        ...

    def authorization_url(self, binding: Binding, state: str, scopes: tuple[str, ...] = ()) -> str:
        """The page; without scopes, the vendor gives those of the app. Raises SettingMissing or Rejected."""
        ...

    def permission(self, binding: Binding, token: Json | None) -> Permission | None:
        """What a kept token, or a code among the secrets, is worth; None when a person has to allow the app first."""
        ...


@runtime_checkable
class Authorized(Protocol):
    """An open connection of such a connector."""

    def authorize(self, code: str) -> None:
        """Exchange a code; the tokens are durable when this returns, in place of any earlier ones.

        Raises:
            AuthRefused: for a code that is not good, or not any more.
        """
        ...

    def allowed(self) -> Allowed:
        """Read the account, which proves the permission."""
        ...


class WrongState(FlowctlError):
    """The answer belongs to another request than the one that was made here."""

    def __init__(self, title: str, again: str) -> None:
        super().__init__(
            f"{title}: this answer is not of the request that was made here, or that one is over; nothing was exchanged",
            hint=f"run `{again}` and use the page that it shows; each page is good once, for {REQUEST_S // 60} minutes",
        )


class NotAllowed(FlowctlError):
    """The person, or the vendor, said no."""

    def __init__(self, title: str, reason: str, again: str) -> None:
        super().__init__(
            f"{title}: the permission was not given ({reason})",
            hint=f"run `{again}` and allow it, as a user who may; where the page itself complains, compare client id and "
            "redirect address with the app's page there",
        )


class NoCode(UsageError):
    """What was given holds no code."""

    def __init__(self, title: str) -> None:
        super().__init__(
            f"{title}: what was given holds no code",
            hint="give the whole address that the browser ended at, from https:// to its end, or the code alone",
        )


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: `state` as its SHA-256, empty when no request is open. `again` is the command that asks anew."""

    title: str
    state: str
    again: str


def state_hash(state: str) -> str:
    """What is kept of a state."""
    return hashlib.sha256(state.encode()).hexdigest()


def code_of(request: Request, given: str, *, bare: bool) -> str:
    """The code of an answer: the address that the browser ended at, its query, or, where `bare` allows it, the code alone.

    Raises:
        WrongState, NotAllowed, NoCode: what was given is never repeated, it may be a secret.
    """
    text = given.strip()
    alone = bare and "code=" not in text and "error=" not in text and "://" not in text
    if not (_CODE if alone else _GIVEN).fullmatch(text):
        raise NoCode(request.title)
    if alone:
        return text
    try:
        query = urlsplit(text).query if "://" in text or text.startswith("/") else text
        fields = dict(parse_qsl(query, max_num_fields=50))
    except ValueError as error:
        raise NoCode(request.title) from error
    # The state comes first: whoever does not know it may tell nothing, a refusal least of all.
    if not request.state or not hmac.compare_digest(state_hash(fields.get("state", "")), request.state):
        raise WrongState(request.title, request.again)
    if "error" in fields:
        said = fields["error"]
        raise NotAllowed(request.title, said if _ERROR.fullmatch(said) else "no reason given", request.again)
    code = fields.get("code", "")
    if not _CODE.fullmatch(code):
        raise NoCode(request.title)
    return code
