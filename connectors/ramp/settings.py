"""Reads a Ramp connection's settings, and says what is wrong with them."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from connectors.ramp.chartspec import FLAGS
from connectors.ramp.spec import MARK_SCOPE, PRODUCTION, SANDBOX, SCOPES, SPEC
from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Level, Location, suggestion
from engine.errors import Rejected, SettingMissing

if TYPE_CHECKING:
    from engine.contract import Binding

Profile = Literal["2025-08", "2026-08"]
Unpaid = Literal["unspecified", "vendor_default", "draft"]
_PRESETS = {"production": PRODUCTION, "sandbox": SANDBOX}
HOSTS = frozenset(urlsplit(url).hostname or "" for url in _PRESETS.values())
_DEFAULTS = {spec.name: spec.default for spec in SPEC.settings}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SCOPE = re.compile(r"[a-z_]+:[a-z]+")
_SYNC_TYPE = re.compile(r"[A-Z][A-Z_]{1,60}_SYNC")
CHUNK = 500
# What Ramp takes in one call to /accounting/syncs (FACTS.md section 6).
MOST_IDS = 5000
_UNPAID: dict[str, Unpaid] = {"vendor_default": "vendor_default", "draft": "draft"}


@dataclass(frozen=True, slots=True)
class Settings:
    """A Ramp connection's settings, complete and checked."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    base_url: str
    profile: Profile
    page_size: int
    entity_id: str | None
    provider_name: str | None
    confirm_marks: bool
    scopes: tuple[str, ...]
    sync_chunk: int
    cashback_sync_type: str
    # The inactive connection that the chart goes to during a migration; None for the active one.
    accounting_connection_id: str | None = None
    # Switches of the accounting connection that were given; the others stay as they are in Ramp.
    flags: tuple[tuple[str, bool], ...] = ()
    unpaid_bills: Unpaid = "unspecified"
    vendor_owner: str | None = None
    vendor_country: str | None = None
    vendor_email: str | None = None


def read_settings(binding: Binding) -> Settings:
    """The settings of a connection.

    Raises:
        SettingMissing: when a credential was never given.
        Rejected: when a setting has a value that cannot be used.
    """
    missing = tuple(name for name in ("client_id", "client_secret") if not _secret(binding, name))
    if missing:
        raise SettingMissing(binding.company, binding.connection, missing)
    wrong = [p for p in problems(binding) if p.level == "error"]
    if wrong:
        raise Rejected(f"{wrong[0].location}: {wrong[0].where}: {wrong[0].message}", hint=wrong[0].hint)
    return Settings(
        client_id=_secret(binding, "client_id"),
        client_secret=_secret(binding, "client_secret"),
        base_url=_base_url(binding),
        profile="2025-08" if _value(binding, "api_profile") == "2025-08" else "2026-08",
        page_size=int(_value(binding, "page_size") or 100),
        entity_id=str(_value(binding, "entity_id") or "") or None,
        provider_name=_text(binding, "provider_name"),
        confirm_marks=_value(binding, "confirm_marks") is not False,
        scopes=tuple(dict.fromkeys(str(_value(binding, "scopes")).split())),
        accounting_connection_id=str(_value(binding, "accounting_connection_id") or "") or None,
        flags=tuple((name, value) for name in FLAGS if isinstance(value := _value(binding, name), bool)),
        sync_chunk=int(_value(binding, "sync_chunk") or CHUNK),
        cashback_sync_type=str(_value(binding, "cashback_sync_type")),
        unpaid_bills=_UNPAID.get(str(_value(binding, "unpaid_bills")), "unspecified"),
        vendor_owner=_text(binding, "vendor_owner"),
        vendor_country=(_text(binding, "vendor_country") or "").upper() or None,
        vendor_email=_text(binding, "vendor_email"),
    )


def problems(binding: Binding) -> list[Diagnostic]:
    """Everything that is wrong with the settings, without a network."""
    found = [
        _problem(
            binding, name, "is not given", f"run `flowctl connect {binding.connection} --company {binding.company}`"
        )
        for name in ("client_id", "client_secret")
        if not _secret(binding, name)
    ]
    found += [
        _problem(
            binding, name, "holds characters that no Ramp credential has", "copy it again from Ramp, without spaces"
        )
        for name in ("client_id", "client_secret")
        if not re.fullmatch(r"[!-~]*", _secret(binding, name))
    ]
    for spec in SPEC.settings:
        value = _value(binding, spec.name)
        if spec.choices and value not in spec.choices:
            known = suggestion(str(value)[:40], spec.choices)
            found.append(_problem(binding, spec.name, f"`{str(value)[:40]}` is not one of its values", known))
    size = _value(binding, "page_size")
    if not isinstance(size, int) or isinstance(size, bool) or not 2 <= size <= 100:
        found.append(_problem(binding, "page_size", "must be a whole number from 2 to 100", "leave it out for 100"))
    for name, default in (("confirm_marks", "true"), ("sync_button", "false")):
        if not isinstance(_value(binding, name), bool):
            found.append(_problem(binding, name, "must be true or false", f"leave it out for {default}"))
    return (
        found
        + _accounting_problems(binding)
        + _sync_problems(binding)
        + _writing_problems(binding)
        + _address_problems(binding)
        + _scope_problems(binding)
        + _webhook_problems(binding)
    )


def _accounting_problems(binding: Binding) -> list[Diagnostic]:
    """Settings of the accounting connection that cannot be used, or that this profile of the API does not have."""
    found = []
    given = str(_value(binding, "accounting_connection_id") or "")
    if given and not _UUID.fullmatch(given):
        found.append(
            _problem(binding, "accounting_connection_id", "is no id of Ramp's", "`flowctl migrate` gives it by itself")
        )
    found += [
        _problem(binding, name, "must be true or false", "leave it out to keep what Ramp has")
        for name in FLAGS
        if not isinstance(_value(binding, name), bool | None)
    ]
    new = [name for name in ("accounting_connection_id", *FLAGS) if _value(binding, name) not in (None, "")]
    if new and _value(binding, "api_profile") == "2025-08":
        hint = "set api_profile=2026-08 once Ramp offers it to the account"
        found.append(_problem(binding, new[0], "is not in the API profile 2025-08", hint))
    return found


def _sync_problems(binding: Binding) -> list[Diagnostic]:
    found = []
    size = _value(binding, "sync_chunk")
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST_IDS:
        message = f"must be a whole number from 1 to {MOST_IDS}"
        found.append(_problem(binding, "sync_chunk", message, f"leave it out for {CHUNK}"))
    kind = str(_value(binding, "cashback_sync_type"))
    if not _SYNC_TYPE.fullmatch(kind):
        hint = f"leave it out for {_DEFAULTS['cashback_sync_type']}"
        found.append(_problem(binding, "cashback_sync_type", f"`{kind[:40]}` is no sync type of Ramp's", hint))
    return found


def _writing_problems(binding: Binding) -> list[Diagnostic]:
    """What is wrong with the settings for vendors and bills."""
    found = []
    unpaid = str(_value(binding, "unpaid_bills"))
    if unpaid in _UNPAID and _value(binding, "api_profile") == "2025-08":
        message = f"`{unpaid}` is not in profile 2025-08"
        found.append(_problem(binding, "unpaid_bills", message, "leave it out, or set `api_profile` to 2026-08"))
    country = _text(binding, "vendor_country")
    if country is not None and not re.fullmatch(r"[A-Za-z]{2}", country):
        found.append(_problem(binding, "vendor_country", "must be two letters", "write US for the United States"))
    settle = _value(binding, "settle_s")
    if not isinstance(settle, int) or isinstance(settle, bool) or not 0 <= settle <= 3600:
        hint = "leave it out for the usual time"
        found.append(_problem(binding, "settle_s", "must be a whole number from 0 to 3600", hint))
    return found


def _address_problems(binding: Binding) -> list[Diagnostic]:
    from connectors._http import url_problem

    url = _base_url(binding)
    reason = url_problem(url, HOSTS)
    if reason is None and urlsplit(url).path.strip("/"):
        reason = "must end after the host; paths are added by the connector"
    return [_problem(binding, "base_url", reason, f"leave it out for {PRODUCTION}")] if reason else []


def _scope_problems(binding: Binding) -> list[Diagnostic]:
    scopes = str(_value(binding, "scopes")).split()
    odd = [scope[:60] for scope in scopes if not _SCOPE.fullmatch(scope)]
    # A token that is asked for without scopes is given, and can do nothing (FACTS.md section 2).
    if not scopes or odd:
        message = f"`{odd[0]}` is no scope" if odd else "names no scope, and such a token can do nothing"
        return [
            _problem(binding, "scopes", message, f"scopes are separated by spaces, for example {' '.join(SCOPES[:2])}")
        ]
    if MARK_SCOPE not in scopes:
        hint = f"add {MARK_SCOPE}, or use no `mark_synced` with this connection"
        return [
            _problem(binding, "scopes", f"{MARK_SCOPE} is not among them, so nothing can be marked", hint, "warning")
        ]
    return []


def _webhook_problems(binding: Binding) -> list[Diagnostic]:
    if binding.secrets.get("webhook_secret"):
        return []
    hint = "records are found at the next poll; give the secret to hear of them at once"
    return [_problem(binding, "webhook_secret", "is not given, so every webhook is refused", hint, "warning")]


def _problem(binding: Binding, name: str, message: str, hint: str, level: Level = "error") -> Diagnostic:
    code = "R003" if level == "warning" else ("R001" if message == "is not given" else "R002")
    return Diagnostic(Location(f"{binding.company}/{binding.connection}"), code, name, message, hint, level)


def _secret(binding: Binding, name: str) -> str:
    return binding.secrets.get(name) or str(binding.settings.get(name) or "")


def _value(binding: Binding, name: str) -> str | int | bool | None:
    return binding.settings.get(name, _DEFAULTS[name])


def _text(binding: Binding, name: str) -> str | None:
    return str(_value(binding, name) or "").strip() or None


def _base_url(binding: Binding) -> str:
    preset = _PRESETS.get(str(_value(binding, "environment")), PRODUCTION)
    return str(_value(binding, "base_url") or preset).rstrip("/")
