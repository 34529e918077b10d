"""Codes a card transaction to an accounting vendor, as Ramp may want before it takes the transaction as synced.

Seed of the steps: "Automatic Accounting Vendor creation" in Ramp's guide to accounting integrations. Each step looks first
and may be repeated after a crash or a lost answer without a second effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors._http import Call
from connectors.ramp.client import API, RampClient
from connectors.ramp.codings import CODING_KEYS, FIELD_KEY, OPTION_KEY
from connectors.ramp.ids import object_id
from connectors.ramp.settings import Settings
from connectors.ramp.spec import ACCOUNTING_READ, MARK_SCOPE, STREAM_SCOPES
from engine.contract import Marked
from engine.dataclass import dataclass
from engine.errors import Ambiguous, BadAnswer, Rejected, RunError, Transient

CODINGS = f"{API}/accounting/codings"
VENDORS = f"{API}/accounting/vendors"
_NEEDS = "requires_accounting_vendor_creation_to_sync"
_RULE = "transaction_accounting_vendor_creation_on_sync_enabled"
_HINT = "code the transaction to an accounting vendor in Ramp"


@dataclass(frozen=True, slots=True)
class Option:
    """What a line can be coded to, by Ramp's own ids of it and of its field."""

    ramp_id: str
    field_id: str


def code_vendors(client: RampClient, posted: Sequence[Marked], settings: Settings) -> None:
    """Code every posted transaction that Ramp wants an accounting vendor on, to the one that the flow names.

    Raises:
        Rejected: when Ramp refuses the vendor or the coding.
        Transient: when Ramp does not show the coding yet; repeat.
    """
    named = [item for item in posted if item.detail("vendor_id")]
    if not named or not _rule_applies(client, settings):
        return
    known: dict[str, Option] = {}
    for item in named:
        if not _needs_vendor(client, item.id):
            continue
        vendor_id = item.detail("vendor_id")
        if vendor_id not in known:
            known[vendor_id] = ensure_vendor(client, vendor_id, item.detail("vendor_name") or vendor_id)
        _code(client, item.id, known[vendor_id])


def ensure_vendor(client: RampClient, vendor_id: str, name: str) -> Option:
    """The accounting vendor with this id in the books: found, switched on again, or uploaded."""
    found = _find_vendor(client, vendor_id)
    if found is None:
        outcome: RunError | None = None
        try:
            body = {"vendors": [{"id": vendor_id, "name": name}]}
            client.send(Call("POST", VENDORS, json=body, write=True), MARK_SCOPE)
        except (Ambiguous, Rejected) as error:  # another call of ours may have been heard after all
            outcome = error
        found = _find_vendor(client, vendor_id)
        if found is None and isinstance(outcome, Rejected):
            raise outcome
        if found is None:
            raise Transient(f"{client.where}: the accounting vendor does not show in Ramp yet", retry_after_s=5.0)
    info = found.get("vendor_category_info")
    ramp_id, field_id = found.get("ramp_id"), info.get("ramp_id") if isinstance(info, Mapping) else None
    if not isinstance(ramp_id, str) or not isinstance(field_id, str):
        raise BadAnswer(f"{client.where}: an accounting vendor without Ramp's ids of it and of its field")
    if found.get("is_active") is False:
        path = f"{VENDORS}/{object_id(client.where, ramp_id)}"
        # Switching on what is on changes nothing, so a lost answer is simply tried again.
        client.send(Call("PATCH", path, json={"reactivate": True}), MARK_SCOPE)
    return Option(ramp_id, field_id)


def _code(client: RampClient, transaction_id: str, option: Option) -> None:
    """Code, and look: what counts is that Ramp does not ask for a vendor any more."""
    chosen = [{FIELD_KEY: option.field_id, OPTION_KEY: option.ramp_id}]
    outcome: Rejected | None = None
    for key in CODING_KEYS:
        body = {"object_type": "TRANSACTION", "object_id": transaction_id, key: chosen}
        try:
            client.send(Call("POST", CODINGS, json=body, write=True), MARK_SCOPE)
        except Ambiguous:
            outcome = None
        except Rejected as error:
            outcome = outcome or error
        if not _needs_vendor(client, transaction_id):
            return
    if outcome is not None:
        raise Rejected(f"{outcome}: coding of {transaction_id}", code=outcome.code, hint=_HINT) from outcome
    raise Transient(f"{client.where}: Ramp does not show the vendor of {transaction_id} yet", retry_after_s=5.0)


def _needs_vendor(client: RampClient, transaction_id: str) -> bool:
    path = f"{API}/transactions/{object_id(client.where, transaction_id)}"
    found = client.find(path, STREAM_SCOPES["transactions"])
    return found is not None and found.get(_NEEDS) is True


def _find_vendor(client: RampClient, vendor_id: str) -> dict[str, Any] | None:
    # Ramp answers a filter it does not know with the whole list (FACTS.md section 3): every row is looked at, and one that
    # somebody made in Ramp has no id of the books.
    for page in client.pages(VENDORS, {"remote_id": vendor_id}, ACCOUNTING_READ, key="ramp_id"):
        for row in page.rows:
            if row.get("id") == vendor_id:
                return row
    return None


def _rule_applies(client: RampClient, settings: Settings) -> bool:
    """Whether the accounting connection may want a vendor; one call instead of one for each transaction.

    The rule came with the profile of 2026; where the connection does not say, every transaction is looked at.
    """
    if settings.profile == "2025-08":
        return False
    if ACCOUNTING_READ not in client.granted():
        return True
    body = client.send(Call("GET", f"{API}/accounting/all-connections"), ACCOUNTING_READ).json()
    rows = body.get("connections") if isinstance(body, Mapping) else None
    listed = rows if isinstance(rows, list) else ()
    active = next((r for r in listed if isinstance(r, Mapping) and r.get("is_active") is True), None)
    switches = active.get("settings") if active is not None else None
    return switches.get(_RULE) is not False if isinstance(switches, Mapping) else True
