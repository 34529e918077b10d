"""The kinds of entries that Ramp's chart of accounts has: where each is, how a row is read, what it lacks of what we want."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from connectors.ramp.chartspec import CLASSIFICATIONS
from connectors.ramp.settings import Profile
from engine.contract import Operation
from engine.dataclass import dataclass
from engine.errors import Rejected

Verb = Literal["put", "change", "remove"]
_LONGEST_ID = 300


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entry: its path below /accounting, the name of the list in an upload, and what Ramp calls its name.

    `by_id` says that its list can be asked for one entry by our id (`remote_id`), and that one can be asked for by Ramp's.
    """

    title: str
    path: str
    items: str
    label: str = "name"
    by_id: bool = True
    since_2026: bool = False


ACCOUNT = Kind("GL account", "accounts", "gl_accounts")
OPTION = Kind("field option", "field-options", "options", label="value")
VENDOR = Kind("accounting vendor", "vendors", "vendors")
TAX_RATE = Kind("tax rate", "tax/rates", "tax_rates", by_id=False, since_2026=True)
TAX_OPTION = Kind("tax code", "tax/code/options", "options", by_id=False, since_2026=True)

ACTIONS: Mapping[str, tuple[Kind, Verb]] = {
    "AccountUpload": (ACCOUNT, "put"),
    "AccountUpdate": (ACCOUNT, "change"),
    "AccountDelete": (ACCOUNT, "remove"),
    "OptionUpload": (OPTION, "put"),
    "OptionUpdate": (OPTION, "change"),
    "OptionHide": (OPTION, "remove"),
    "AccountingVendorUpload": (VENDOR, "put"),
    "AccountingVendorUpdate": (VENDOR, "change"),
    "AccountingVendorDelete": (VENDOR, "remove"),
    "TaxRateUpload": (TAX_RATE, "put"),
    "TaxRateUpdate": (TAX_RATE, "change"),
    "TaxOptionUpload": (TAX_OPTION, "put"),
    "TaxOptionUpdate": (TAX_OPTION, "change"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as Ramp has it. `id` is ours, the one of the accounting system; `ramp_id` is what codings use."""

    id: str
    ramp_id: str
    name: str
    code: str = ""
    active: bool = True
    hidden: bool = False
    row: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An operation of ours, read: which entry is meant and what it should say.

    `ramp_id` is there for changes and undoings only; `id` may be missing of an undoing.
    """

    operation: Operation
    kind: Kind
    verb: Verb
    id: str
    ramp_id: str
    name: str
    code: str
    body: Mapping[str, Any] = field(repr=False)

    @property
    def field_id(self) -> str:
        """Our id of the field that an option belongs to; empty for all other kinds."""
        return str(self.body.get("field_id") or "")


def entry_of(kind: Kind, row: Mapping[str, Any]) -> Entry | None:
    """A row of Ramp's; None for one that somebody made without an id of an accounting system."""
    if not _text(row.get("id")):
        return None
    return Entry(
        id=row["id"],
        ramp_id=row["ramp_id"],
        name=_text(row.get(kind.label)),
        code=_text(row.get("code")),
        active=row.get("is_active") is not False,
        hidden=row.get("visibility") == "HIDDEN",
        row=row,
    )


def wanted_of(where: str, operation: Operation) -> Wanted:
    """What an operation wants. Of a change, all of it; of an undoing, whose own body may be empty, what it undoes.

    Raises:
        Rejected: when something that Ramp needs is missing or has no form that Ramp takes.
    """
    kind, verb = ACTIONS[operation.request]
    body = {**_object(operation.base), **_object(operation.whole or operation.body)}
    if verb == "change":
        # What the last change left out is no longer so, a number for example; only the ids are taken from before.
        before = {name: value for name, value in _object(operation.base).items() if name in ("id", "field_id")}
        body = {**before, **_object(operation.whole or operation.body)}
    made = Wanted(
        operation,
        kind,
        verb,
        id=_text(body.get("id")),
        ramp_id="" if verb == "put" else operation.target_id,
        name=_text(body.get(kind.label)),
        code=_text(body.get("code")),
        body=body,
    )
    reason = _flaw(made)
    if reason:
        one = made.id[:60] or made.ramp_id[:60]
        raise Rejected(f"{where}: {operation.request} `{one}`: {reason}", hint="correct `map` in the flow")
    return made


def _flaw(made: Wanted) -> str:
    if made.verb != "put" and not made.ramp_id:
        return "it does not say which entry of Ramp's is meant"
    if made.verb == "remove":
        return ""
    if not made.id or len(made.id) > _LONGEST_ID:
        return "it has no id of the accounting system that could be used"
    if made.kind is OPTION and not made.field_id:
        return "it does not say of which field it is an option"
    if not made.name.strip():
        return "it has no name"
    if made.kind is ACCOUNT and made.verb == "put" and made.body.get("classification") not in CLASSIFICATIONS:
        return f"its classification is none of: {', '.join(CLASSIFICATIONS)}"
    if made.kind is TAX_RATE and ((rate := _number(made.body.get("rate"))) is None or rate < 0):
        return "its rate is no number from 0 on"
    if made.kind is TAX_OPTION and not _ids(made.body.get("tax_rate_ids")):
        return "it names no tax rate"
    return ""


def changes(entry: Entry, wanted: Wanted, account_ramp_id: str | None = None) -> dict[str, Any]:
    """What a PATCH has to say so that the entry is as wanted; nothing when it is.

    A classification is not compared: Ramp cannot change it (delta-2026.md). Spaces are compared as one, since whoever
    keeps a name may trim it.
    """
    found: dict[str, Any] = {}
    if _squeezed(entry.name) != _squeezed(wanted.name):
        found[wanted.kind.label] = wanted.name
    if wanted.kind not in (TAX_RATE, TAX_OPTION) and _squeezed(entry.code) != _squeezed(wanted.code):
        found["code"] = wanted.code  # an empty code takes the one that is there away
    if not entry.active:
        found["reactivate"] = True
    if entry.hidden:
        found["visibility"] = "VISIBLE"
    if wanted.kind is TAX_RATE:
        if _number(entry.row.get("rate")) != _number(wanted.body.get("rate")):
            found["rate"] = str(wanted.body["rate"])
        if account_ramp_id and entry.row.get("accounting_gl_account_id") != account_ramp_id:
            found["accounting_gl_account_id"] = account_ramp_id
    if wanted.kind is TAX_OPTION and set(_ids(entry.row.get("tax_rate_ids"))) != set(_ids(wanted.body["tax_rate_ids"])):
        found["tax_rate_ids"] = _ids(wanted.body["tax_rate_ids"])
    return found


def is_gone(entry: Entry | None) -> bool:
    """Whether nobody can code to it any more."""
    return entry is None or not entry.active or entry.hidden


def item(wanted: Wanted, profile: Profile, account_ramp_id: str | None = None) -> dict[str, Any]:
    """The entry as an upload names it."""
    made: dict[str, Any] = {"id": wanted.id, wanted.kind.label: wanted.name}
    # The upload of 2025-08 knows no code of a vendor; only its PATCH does (SCHEMAS-2025-08.md).
    if wanted.code and not uncoded(wanted.kind, profile):
        made["code"] = wanted.code
    if wanted.kind is ACCOUNT:
        made["classification"] = wanted.body["classification"]
    if wanted.kind is TAX_RATE:
        made["rate"] = str(wanted.body["rate"])
        if account_ramp_id:
            made["accounting_gl_account_id"] = account_ramp_id
    if wanted.kind is TAX_OPTION:
        made["tax_rate_ids"] = _ids(wanted.body["tax_rate_ids"])
    return made


def uncoded(kind: Kind, profile: Profile) -> bool:
    """Whether an upload of this kind takes no codes."""
    return kind is VENDOR and profile == "2025-08"


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body) if body else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _ids(value: object) -> list[str]:
    return [entry for entry in value if isinstance(entry, str) and entry] if isinstance(value, list) else []


def _number(value: object) -> Decimal | None:
    """A rate, which Ramp writes as text; compared as a number, since 0.05 is 0.0500."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
