"""Reads a FreshBooks connection's settings, and says what is wrong with them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.freshbooks.spec import API, AUTH, SPEC
from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Level, Location
from engine.errors import Rejected, SettingMissing

if TYPE_CHECKING:
    from engine.contract import Binding

HOSTS = frozenset({urlsplit(API).hostname or "", urlsplit(AUTH).hostname or ""})
_DEFAULTS = {spec.name: spec.default for spec in SPEC.settings}
_NEEDED = ("client_id", "client_secret", "redirect_uri")
_FORMS = {
    "client_id": r"[!-~]*",
    "client_secret": r"[!-~]*",
    "redirect_uri": r"[!-~]*",
    "authorization_code": r"[!-~]*",
    "account_id": r"[0-9A-Za-z_-]{0,64}",
}
_RANGES = {"page_size": (1, 100), "overlap_days": (1, 30)}


@dataclass(frozen=True, slots=True)
class Settings:
    """A FreshBooks connection's settings, complete and checked; `account_id` and `code` may be empty."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    redirect_uri: str
    code: str = field(repr=False)
    account_id: str
    base_url: str
    auth_url: str
    page_size: int
    overlap: timedelta
    hint: str
    choose_account: str
    same_account: str

    def owner(self) -> str:
        """Equal only for the same app and host; it holds no secret. A new client secret keeps the tokens."""
        return digest(self.base_url, self.client_id)

    def calls_name(self) -> str:
        """The name under which all processes count the app's calls."""
        return f"freshbooks:{digest(self.client_id)[:16]}"


def read_settings(binding: Binding) -> Settings:
    """The settings of a connection.

    Raises:
        SettingMissing: when something that is needed was never given.
        Rejected: when a setting has a value that cannot be used.
    """
    missing = tuple(name for name in _NEEDED if not _text(binding, name))
    if missing:
        raise SettingMissing(binding.company, binding.connection, missing)
    wrong = [p for p in problems(binding) if p.level == "error"]
    if wrong:
        raise Rejected(f"{wrong[0].location}: {wrong[0].where}: {wrong[0].message}", hint=wrong[0].hint)
    return Settings(
        client_id=_text(binding, "client_id"),
        client_secret=_text(binding, "client_secret"),
        redirect_uri=_text(binding, "redirect_uri"),
        code=_text(binding, "authorization_code"),
        account_id=_text(binding, "account_id"),
        base_url=_url(binding, "base_url"),
        auth_url=_url(binding, "auth_url"),
        page_size=int(_value(binding, "page_size") or 0),
        overlap=timedelta(days=int(_value(binding, "overlap_days") or 0)),
        hint=again(binding),
        choose_account=(
            f"run `flowctl connect {binding.connection} --company {binding.company} --set account_id=ID` with one of them"
        ),
        same_account=(
            "give the FreshBooks user that account again, or run "
            f"`flowctl connect {binding.connection} --company {binding.company}` and allow it as a user who has it; "
            "with `--yes` when the other account is meant from now on"
        ),
    )


def again(binding: Binding) -> str:
    """What a person does when FreshBooks must be asked for permission anew."""
    return (
        f"run `flowctl connect {binding.connection} --company {binding.company}` and allow it on FreshBooks' page once "
        "more; nothing is lost, reading goes on where it stopped"
    )


def problems(binding: Binding) -> list[Diagnostic]:
    """Everything that is wrong with the settings, without a network."""
    how = f"run `flowctl connect {binding.connection} --company {binding.company}`"
    found = [_problem(binding, name, "is not given", how) for name in _NEEDED if not _text(binding, name)]
    found += [
        _problem(binding, name, "holds characters that it cannot have", "copy it again from FreshBooks, without spaces")
        for name, form in _FORMS.items()
        if not re.fullmatch(form, _text(binding, name))
    ]
    for name, (least, most) in _RANGES.items():
        value = _value(binding, name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            message, hint = f"must be a whole number from {least} to {most}", f"leave it out for {_DEFAULTS[name]}"
            found.append(_problem(binding, name, message, hint))
    return found + _redirect_problems(binding) + _address_problems(binding) + _webhook_problems(binding)


def verifiers(binding: Binding) -> tuple[str, ...]:
    """The secrets of the callbacks, as FreshBooks gave them."""
    return tuple(binding.secrets.get("webhook_verifiers", "").split())


def digest(*parts: str) -> str:
    """A name for parts that must not show."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _redirect_problems(binding: Binding) -> list[Diagnostic]:
    """FreshBooks takes only https addresses without a query (FACTS.md, Auth).

    Plain http leads to this machine alone, where a simulator, or a vendor who allows it, sends the answer to a listener.
    """
    given = _text(binding, "redirect_uri")
    try:
        parts = urlsplit(given)
        fits = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost"))
        fits = fits and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        fits = False
    if not given or fits:
        return []
    hint = "give the address as it is registered with the app"
    return [_problem(binding, "redirect_uri", "must be an https address without a query", hint)]


def _address_problems(binding: Binding) -> list[Diagnostic]:
    from connectors._http import url_problem

    found = []
    for name in ("base_url", "auth_url"):
        url = _url(binding, name)
        reason = url_problem(url, HOSTS)
        if reason is None and (urlsplit(url).path.strip("/") or urlsplit(url).query):
            reason = "must end after the host; paths are added by the connector"
        if reason:
            found.append(_problem(binding, name, reason, f"leave it out for {_DEFAULTS[name]}"))
    return found


def _webhook_problems(binding: Binding) -> list[Diagnostic]:
    if verifiers(binding):
        return []
    how = f"flowctl webhook {binding.connection} --company {binding.company} --url ADDRESS"
    hint = f"records are found at the next poll; `{how}` has FreshBooks say at once that there is something"
    return [_problem(binding, "webhook_verifiers", "is not given, so every webhook is refused", hint, "warning")]


def _problem(binding: Binding, name: str, message: str, hint: str, level: Level = "error") -> Diagnostic:
    code = "R003" if level == "warning" else ("R001" if message == "is not given" else "R002")
    return Diagnostic(Location(f"{binding.company}/{binding.connection}"), code, name, message, hint, level)


def _text(binding: Binding, name: str) -> str:
    return binding.secrets.get(name) or str(binding.settings.get(name) or "")


def _value(binding: Binding, name: str) -> str | int | bool | None:
    return binding.settings.get(name, _DEFAULTS[name])


def _url(binding: Binding, name: str) -> str:
    return str(_value(binding, name) or _DEFAULTS[name]).rstrip("/")
