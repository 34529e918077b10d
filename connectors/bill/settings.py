"""Reads a BILL connection's settings, and says what is wrong with them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.bill.spec import PRODUCTION, SANDBOX, SPEC
from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Level, Location, suggestion
from engine.errors import Rejected, SettingMissing

if TYPE_CHECKING:
    from engine.contract import Binding

_PRESETS = {"production": PRODUCTION, "sandbox": SANDBOX}
HOSTS = frozenset(urlsplit(url).hostname or "" for url in _PRESETS.values())
_DEFAULTS = {spec.name: spec.default for spec in SPEC.settings}
_NEEDED = ("username", "password", "organization_id", "dev_key")
# What goes into a header or a path, or is compared with BILL's answer; a password may hold anything that can be typed.
_FORMS = {"username": r"[!-~]*", "organization_id": r"[0-9A-Za-z_-]*", "dev_key": r"[!-~]*"}
_RANGES = {"page_size": (1, 100), "overlap_minutes": (1, 1440)}


@dataclass(frozen=True, slots=True)
class Settings:
    """A BILL connection's settings, complete and checked."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    organization_id: str
    dev_key: str = field(repr=False)
    base_url: str
    page_size: int
    overlap: timedelta

    def owner(self) -> str:
        """Equal only for the same user, key, organization and host; it holds no secret."""
        return _digest(self.base_url, self.organization_id, self.username, self.dev_key)

    def credentials(self) -> str:
        """Equal only for the same owner and password; it is kept nowhere but in the encrypted store."""
        return _digest(self.owner(), self.password)

    def calls_name(self) -> str:
        """The name under which all processes count the organization's calls."""
        return f"bill:{_digest(self.organization_id)[:16]}"

    def logins_name(self) -> str:
        """The name under which all processes count the developer key's logins."""
        return f"bill-login:{_digest(self.dev_key)[:16]}"


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
        username=_text(binding, "username"),
        password=_text(binding, "password"),
        organization_id=_text(binding, "organization_id"),
        dev_key=_text(binding, "dev_key"),
        base_url=_base_url(binding),
        page_size=int(_value(binding, "page_size") or 0),
        overlap=timedelta(minutes=int(_value(binding, "overlap_minutes") or 0)),
    )


def problems(binding: Binding) -> list[Diagnostic]:
    """Everything that is wrong with the settings, without a network."""
    again = f"run `flowctl connect {binding.connection} --company {binding.company}`"
    found = [_problem(binding, name, "is not given", again) for name in _NEEDED if not _text(binding, name)]
    found += [
        _problem(binding, name, "holds characters that it cannot have", "copy it again from BILL, without spaces")
        for name, form in _FORMS.items()
        if not re.fullmatch(form, _text(binding, name))
    ]
    if not _text(binding, "password").isprintable():
        found.append(_problem(binding, "password", "holds characters that it cannot have", "type it again"))
    for spec in SPEC.settings:
        value = _value(binding, spec.name)
        if spec.choices and value not in spec.choices:
            known = suggestion(str(value)[:40], spec.choices)
            found.append(_problem(binding, spec.name, f"`{str(value)[:40]}` is not one of its values", known))
    for name, (least, most) in _RANGES.items():
        value = _value(binding, name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            message, hint = f"must be a whole number from {least} to {most}", f"leave it out for {_DEFAULTS[name]}"
            found.append(_problem(binding, name, message, hint))
    return found + _address_problems(binding) + _webhook_problems(binding)


def _address_problems(binding: Binding) -> list[Diagnostic]:
    from connectors._http import url_problem

    url = _base_url(binding)
    reason = url_problem(url, HOSTS)
    if reason is None and (urlsplit(url).path.strip("/") or urlsplit(url).query):
        reason = "must end after the host; paths are added by the connector"
    return [_problem(binding, "base_url", reason, f"leave it out for {PRODUCTION}")] if reason else []


def _webhook_problems(binding: Binding) -> list[Diagnostic]:
    if binding.secrets.get("webhook_key"):
        return []
    hint = "records are found at the next poll; give the key to hear of them at once"
    return [_problem(binding, "webhook_key", "is not given, so every webhook is refused", hint, "warning")]


def _problem(binding: Binding, name: str, message: str, hint: str, level: Level = "error") -> Diagnostic:
    code = "R003" if level == "warning" else ("R001" if message == "is not given" else "R002")
    return Diagnostic(Location(f"{binding.company}/{binding.connection}"), code, name, message, hint, level)


def _text(binding: Binding, name: str) -> str:
    return binding.secrets.get(name) or str(binding.settings.get(name) or "")


def _value(binding: Binding, name: str) -> str | int | bool | None:
    return binding.settings.get(name, _DEFAULTS[name])


def _base_url(binding: Binding) -> str:
    preset = _PRESETS.get(str(_value(binding, "environment")), PRODUCTION)
    return str(_value(binding, "base_url") or preset).rstrip("/")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:24]
