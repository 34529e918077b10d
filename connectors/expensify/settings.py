"""Reads an Expensify connection's settings, and says what is wrong with them."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from connectors.expensify.spec import ORIGIN, SPEC
from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Location, suggestion
from engine.errors import Rejected, SettingMissing

if TYPE_CHECKING:
    from engine.contract import Binding

AmountUnit = Literal["minor", "hundredths"]
HOSTS = frozenset({urlsplit(ORIGIN).hostname or ""})
# What an id of a policy may look like; several stand in one text, separated by commas.
POLICY_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_DEFAULTS = {spec.name: spec.default for spec in SPEC.settings}
_CREDENTIALS = ("partner_user_id", "partner_user_secret")
_RANGES = {
    "lookback_days": (1, 1095),
    "recheck_days": (1, 365),
    "export_limit": (50, 5000),
    "download_wait_s": (10, 600),
}
_MOST_LABEL = 100
# So far back every report that is not marked is new, unless a person has said how far.
_SURELY_DAYS = 180


@dataclass(frozen=True, slots=True)
class Settings:
    """An Expensify connection's settings, complete and checked."""

    partner_user_id: str = field(repr=False)
    partner_user_secret: str = field(repr=False)
    base_url: str
    export_label: str
    policies: tuple[str, ...]
    lookback_days: int
    surely_days: int
    recheck_days: int
    export_limit: int
    download_wait_s: int
    amount_unit: AmountUnit


def read_settings(binding: Binding) -> Settings:
    """The settings of a connection.

    Raises:
        SettingMissing: when a credential was never given.
        Rejected: when a setting has a value that cannot be used.
    """
    missing = tuple(name for name in _CREDENTIALS if not _secret(binding, name))
    if missing:
        raise SettingMissing(binding.company, binding.connection, missing)
    wrong = problems(binding)
    if wrong:
        raise Rejected(f"{wrong[0].location}: {wrong[0].where}: {wrong[0].message}", hint=wrong[0].hint)
    return Settings(
        partner_user_id=_secret(binding, "partner_user_id"),
        partner_user_secret=_secret(binding, "partner_user_secret"),
        base_url=_base_url(binding),
        export_label=_label(binding),
        policies=_policies(binding),
        lookback_days=_number(binding, "lookback_days"),
        surely_days=max(int(binding.settings.get("lookback_days") or _SURELY_DAYS), _number(binding, "recheck_days")),
        recheck_days=_number(binding, "recheck_days"),
        export_limit=_number(binding, "export_limit"),
        download_wait_s=_number(binding, "download_wait_s"),
        amount_unit="minor" if _value(binding, "amount_unit") == "minor" else "hundredths",
    )


def problems(binding: Binding) -> list[Diagnostic]:
    """Everything that is wrong with the settings, without a network."""
    connect = f"run `flowctl connect {binding.connection} --company {binding.company}`"
    found = [_problem(binding, name, "is not given", connect) for name in _CREDENTIALS if not _secret(binding, name)]
    found += [
        _problem(binding, name, "holds characters that no Expensify credential has", "copy it again, without spaces")
        for name in _CREDENTIALS
        if not re.fullmatch(r"[!-~]*", _secret(binding, name))
    ]
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
    label = _label(binding)
    if not label or len(label) > _MOST_LABEL or not label.isprintable():
        message = f"must be a text of 1 to {_MOST_LABEL} characters on one line"
        found.append(_problem(binding, "export_label", message, "leave it out for `flowctl`"))
    odd = [policy[:40] for policy in _policies(binding) if not POLICY_ID.fullmatch(policy)]
    if odd:
        hint = "an id is in the address of the policy's page; separate several with commas"
        found.append(_problem(binding, "policies", f"`{odd[0]}` is no id of a policy", hint))
    return found + _address_problems(binding)


def _address_problems(binding: Binding) -> list[Diagnostic]:
    from connectors._http import url_problem

    url = _base_url(binding)
    reason = url_problem(url, HOSTS)
    if reason is None and urlsplit(url).path.strip("/"):
        reason = "must end after the host; the path is added by the connector"
    return [_problem(binding, "base_url", reason, f"leave it out for {ORIGIN}")] if reason else []


def _problem(binding: Binding, name: str, message: str, hint: str | None) -> Diagnostic:
    code = "R001" if message == "is not given" else "R002"
    return Diagnostic(Location(f"{binding.company}/{binding.connection}"), code, name, message, hint, "error")


def _secret(binding: Binding, name: str) -> str:
    return binding.secrets.get(name) or str(binding.settings.get(name) or "")


def _value(binding: Binding, name: str) -> str | int | bool | None:
    return binding.settings.get(name, _DEFAULTS[name])


def _number(binding: Binding, name: str) -> int:
    return int(_value(binding, name) or 0)


def _label(binding: Binding) -> str:
    return str(_value(binding, "export_label") or "").strip()


def _policies(binding: Binding) -> tuple[str, ...]:
    given = (part.strip() for part in str(_value(binding, "policies") or "").split(","))
    return tuple(dict.fromkeys(part for part in given if part))


def _base_url(binding: Binding) -> str:
    return str(_value(binding, "base_url") or ORIGIN).rstrip("/")
