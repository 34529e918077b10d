"""The .qwc file that a bookkeeper opens in the Web Connector, and the checks of what goes into it."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Mapping
from urllib.parse import urlsplit

from connectors.qbwc.soap import escaped
from connectors.qbwc.spec import OWNER_ID, SETTINGS
from engine.clock import BASE62, Ids
from engine.contract import Binding
from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Location
from engine.errors import SettingMissing, UsageError

Values = Mapping[str, str | int | bool]

_GUID = re.compile(r"\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}")
_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}")
# Programmer's Guide p.24-32: the file is opened in the Web Connector while the company file is open in QuickBooks.
STEPS = (
    "copy the file to the Windows computer that has QuickBooks, and open the company file there as Admin",
    "start the Web Connector (File > Update Web Services), choose Add an Application, and open the file",
    "let QuickBooks grant access: Yes, always; allow access even if QuickBooks is not running",
    "type the password into the Password column of the Web Connector, and let it be saved",
    "tick the application and press Update Selected once; tick Auto-Run to have it call by itself",
)
_DESCRIPTION = "Sends approved bills, payments and card transactions to QuickBooks."


class BadQwcSettings(UsageError):
    """The Web Connector would refuse this .qwc file."""

    def __init__(self, problems: list[Diagnostic]) -> None:
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True, slots=True)
class _Rule:
    """A check of one setting: its stable code, what is wrong, and what to do."""

    code: str
    setting: str
    message: str
    hint: str


def new_file_id(ids: Ids) -> str:
    """A GUID for one company file; make it once and keep it: the Web Connector writes it into the company file."""
    number = 0
    for character in ids.base62(22):
        number = number * len(BASE62) + BASE62.index(character)
    return "{" + str(uuid.UUID(int=number & ((1 << 128) - 1), version=4)).upper() + "}"


def check_binding(binding: Binding) -> list[Diagnostic]:
    """Everything in the settings that the Web Connector, or our service, would refuse."""
    place = Location(f"{binding.company}/{binding.connection}")
    return [Diagnostic(place, rule.code, rule.setting, rule.message, rule.hint) for rule in _problems(binding.settings)]


def qwc(binding: Binding) -> bytes:
    """The .qwc document; it holds no password, which the user types into the Web Connector.

    Raises:
        SettingMissing, BadQwcSettings: a setting is missing, or the Web Connector would refuse it.
    """
    settings = binding.settings
    missing = tuple(name for name in ("user", "app_url", "file_id") if not settings.get(name))
    if missing:
        raise SettingMissing(binding.company, binding.connection, missing)
    problems = check_binding(binding)
    if problems:
        raise BadQwcSettings(problems)
    app_url = str(settings["app_url"])
    # Programmer's Guide p.33-39. IsReadOnly: p.36 says "true if write access is needed", but every real file that
    # writes has false. AuthFlags 0xF is every edition. Personal data is not needed, so that right is not asked for.
    elements = (
        ("AppName", str(settings.get("app_name") or "flowctl")),
        ("AppID", ""),
        ("AppURL", app_url),
        ("AppDescription", _DESCRIPTION),
        ("AppSupport", str(settings.get("support_url") or app_url)),
        ("UserName", str(settings["user"])),
        ("OwnerID", str(settings.get("owner_id") or OWNER_ID)),
        ("FileID", str(settings["file_id"])),
        ("QBType", "QBFS"),
        ("Style", "Document"),
        ("AuthFlags", "0xF"),
        ("Notify", "false"),
        ("IsReadOnly", "false"),
        ("PersonalDataPref", "pdpNotNeeded"),
        ("UnattendedModePref", "umpOptional"),
    )
    body = "\n".join(f"  <{name}>{escaped(value)}</{name}>" for name, value in elements)
    minutes = int(settings.get("run_every_min") or 5)
    scheduler = f"  <Scheduler>\n    <RunEveryNMinutes>{minutes}</RunEveryNMinutes>\n  </Scheduler>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<QBWCXML>\n{body}\n{scheduler}\n</QBWCXML>\n'.encode()


def _problems(settings: Values) -> list[_Rule]:
    found = [
        _Rule("Q001", field.name, "is not given", f"set it: {field.help}")
        for field in SETTINGS
        if field.required and not settings.get(field.name)
    ]
    found += _addresses(settings)
    for name in ("owner_id", "file_id"):
        value = str(settings.get(name) or "")
        if value and not _GUID.fullmatch(value):
            found.append(_Rule("Q006", name, "is no GUID in braces", "write it as {8-4-4-4-12} hexadecimal digits"))
    if not _VERSION.fullmatch(str(settings.get("qbxml_version") or "13.0")):
        found.append(_Rule("Q007", "qbxml_version", "is no version", "write it as 13.0"))
    return found + _numbers(settings)


def _numbers(settings: Values) -> list[_Rule]:
    # The Web Connector's own floor for Every_Min is one minute.
    bounds = {
        "run_every_min": (1, 1440),
        "page_size": (1, 5000),
        "request_timeout_s": (10, 3600),
        "min_interval_s": (0, 86400),
    }
    found = []
    for name, (low, high) in bounds.items():
        value = settings.get(name)
        if value is not None and not (isinstance(value, int) and low <= value <= high):
            found.append(_Rule("Q008", name, f"is not between {low} and {high}", "give a whole number in that range"))
    return found


def _addresses(settings: Values) -> list[_Rule]:
    found = []
    hosts = {}
    for name in ("app_url", "support_url"):
        value = str(settings.get(name) or "")
        if not value:
            continue
        parts = _split(value)
        if parts is None:
            found.append(_Rule("Q002", name, "is no web address", "write it as https://host/path"))
            continue
        scheme, hosts[name] = parts
        if _is_address(hosts[name]):
            found.append(
                _Rule(
                    "Q003",
                    name,
                    "names its host by an IP address",
                    "use a host name: the Web Connector refuses addresses (QBWC1001)",
                )
            )
        elif scheme != "https" and hosts[name] != "localhost":
            found.append(_Rule("Q004", name, "is not https", "use https; http works with localhost only (QBWC1010)"))
    if len(set(hosts.values())) > 1:
        found.append(_Rule("Q005", "support_url", "is on another host than app_url", "use the same host (QBWC1000)"))
    return found


def _split(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return None
    plain = host and parts.scheme in {"http", "https"} and not parts.username and not re.search(r"[\s<>\"]", url)
    return (parts.scheme, host) if plain and host else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # 2130706433 and 0x7f.1 are addresses too, to everything that resolves names.
        return bool(re.fullmatch(r"(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+))*", host))
    return True
