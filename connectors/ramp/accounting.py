"""Ramp's accounting connection: one seat, whose holder answers whoever asks for it (FACTS.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from connectors._http import Answer, Call
from connectors.ramp.chartspec import CHART_REQUEST_NAMES, FLAGS
from connectors.ramp.client import API, RampClient
from connectors.ramp.ids import object_id
from connectors.ramp.settings import Settings
from engine.accounting import Seat, Standing
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import BadAnswer, Rejected

if TYPE_CHECKING:
    from connectors.ramp.migration import RampMigration

READ_SCOPE, WRITE_SCOPE = "accounting:read", "accounting:write"
PATH = f"{API}/accounting/connection"
_STANDING: Mapping[str, Standing] = {"DIRECT": "direct", "CSV": "upgradable"}
_NO_NAME = "say what our connection is to be called in Ramp: --set provider_name=NAME"


@dataclass(frozen=True, slots=True)
class Connection:
    """An accounting connection as Ramp lists it; `kind` is empty where the profile does not tell it."""

    id: str
    name: str
    kind: str
    is_active: bool
    is_ready: bool
    created_at: str
    # Empty for one that was never in use.
    linked_at: str
    flags: Mapping[str, bool] = field(default_factory=dict)


class RampAccounting:
    """The seat of the accounting system in Ramp (`engine.accounting.AccountingLink`)."""

    def __init__(self, client: RampClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    @property
    def name(self) -> str:
        """What our connection is called in Ramp: the setting `provider_name`."""
        return self._settings.provider_name or ""

    @property
    def requests(self) -> frozenset[str]:
        """The requests that write the chart of accounts."""
        return CHART_REQUEST_NAMES

    def connections(self) -> Sequence[Connection]:
        """All connections, tombstones of disconnected ones included; this list has no pages."""
        answer = self._client.send(Call("GET", f"{API}/accounting/all-connections"), READ_SCOPE)
        body = answer.json()
        rows = body.get("connections") if isinstance(body, dict) else None
        if not isinstance(rows, list):
            raise BadAnswer(f"{answer.where}: no list of `connections`")
        return [_connection(answer, row) for row in rows]

    def seat(self) -> Seat:
        """Who holds the seat now."""
        known = self.connections()
        active = next((one for one in known if one.is_active), None)
        mine = sorted(
            (one for one in known if not one.is_active and self._is_ours(one)), key=lambda one: one.created_at
        )
        if active is None:
            return Seat("inactive", mine[-1].name, mine[-1].id) if mine else Seat("none")
        if self._is_ours(active):
            return Seat("ours", active.name, active.id, active.flags)
        # One that was in use and was disconnected is a tombstone; what is prepared was never in use.
        given = self._settings.accounting_connection_id
        prepared = next((one for one in reversed(mine) if one.is_ready or one.id == given or not one.linked_at), None)
        return Seat(
            _STANDING.get(active.kind, "foreign"),
            active.name,
            active.id,
            prepared=prepared.id if prepared else "",
            ready=prepared is not None and prepared.is_ready,
        )

    def open(self, *, upgrade: bool = False) -> tuple[Seat, str]:
        """Take the seat where nobody but us has a right to it.

        Raises:
            Rejected: when `provider_name` is not set, or another holds the seat, also when that shows only in Ramp's
                answer: Ramp answers a newcomer with the connection that is there.
        """
        if not self.name:
            raise Rejected(f"{self._client.where}: the setting `provider_name` is not given", hint=_NO_NAME)
        seat = self.seat()
        if seat.standing == "ours":
            return seat, "kept"
        if seat.standing in ("direct", "foreign") or (seat.standing == "upgradable" and not upgrade):
            raise Rejected(
                f"{self._client.where}: {holder_of(seat)} holds Ramp's accounting connection", hint=self.advice(seat)
            )
        if seat.standing == "inactive":
            path = f"{PATH}/{object_id(self._client.where, seat.id)}/reactivate"
            made = self._made(Call("POST", path, write=True))
            return made, "reactivated"
        made = self._made(Call("POST", PATH, json={"remote_provider_name": self.name}, write=True))
        return made, "upgraded" if seat.standing == "upgradable" else "opened"

    def wanted_flags(self, seat: Seat) -> Mapping[str, bool]:
        """Switches that the settings want otherwise than they are in Ramp."""
        return {name: value for name, value in self._settings.flags if seat.flags.get(name) is not value}

    def set_flags(self, seat: Seat, flags: Mapping[str, bool]) -> Seat:
        """Set switches of our connection, and see that they are set.

        Raises:
            Rejected: when the connection is not ours, the profile has no switches, or Ramp leaves one as it is.
        """
        if seat.standing != "ours":
            raise Rejected(f"{self._client.where}: switches are set on our own connection only", hint=self.advice(seat))
        if self._settings.profile == "2025-08":
            raise Rejected(
                f"{self._client.where}: the API profile 2025-08 has no switches of an accounting connection",
                hint="set api_profile=2026-08 once Ramp offers it to the account",
            )
        path = f"{PATH}/{object_id(self._client.where, seat.id)}"
        made = self._made(Call("PATCH", path, json={"settings": dict(flags)}, write=True))
        left = [name for name, value in flags.items() if made.flags.get(name) is not value]
        if left:
            raise Rejected(f"{self._client.where}: Ramp leaves {', '.join(left)} as it was", hint="ask Ramp's support")
        return made

    def advice(self, seat: Seat) -> str:
        """What a person can do about the seat."""
        company, _, connection = self._client.where.partition("/")
        migrate = f"`flowctl migrate {connection}{of_company(company)}`"
        if seat.standing == "direct":
            return (
                "while Ramp's own integration is connected, the chart of accounts is read-only and nothing can be marked "
                f"synced from here; {migrate} moves to our connection"
            )
        if seat.standing == "upgradable":
            return "it is fed with CSV files, and becomes ours when it is upgraded: give --yes"
        if seat.standing == "foreign":
            return (
                "its ids are not ours, so nothing is posted or marked; if it is ours after all, give its name with "
                f"--set provider_name=NAME, else disconnect it in Ramp (Accounting, Settings), or use {migrate}"
            )
        return f"run `flowctl connect {connection}{of_company(company)} --accounting`"

    def migration(self) -> RampMigration:
        """How to move from the connection that is active to ours.

        Raises:
            Rejected: for the profile 2025-08, which has no inactive connections to fill beforehand.
        """
        from connectors.ramp.migration import RampMigration

        if self._settings.profile == "2025-08":
            raise Rejected(
                f"{self._client.where}: the API profile 2025-08 has no way to move to another accounting connection",
                hint="set api_profile=2026-08 once Ramp offers it to the account",
            )
        if not self.name:
            raise Rejected(f"{self._client.where}: the setting `provider_name` is not given", hint=_NO_NAME)
        return RampMigration(self._client, self._settings, self)

    def register(self) -> Connection:
        """Ask for an inactive connection beside the active one, and look whose it is that Ramp answers with."""
        body = {"remote_provider_name": self.name, "is_active": False}
        answer = self._client.send(Call("POST", PATH, json=body, write=True), WRITE_SCOPE)
        made = _connection(answer, answer.json())
        if not self._is_ours(made):
            raise self._taken(answer, made)
        if made.is_active or made.kind not in ("API", ""):
            raise BadAnswer(f"{answer.where}: asked for an inactive API connection, and was given another kind")
        return made

    def _made(self, call: Call) -> Seat:
        answer = self._client.send(call, WRITE_SCOPE)
        made = _connection(answer, answer.json())
        if not self._is_ours(made):
            raise self._taken(answer, made)
        if not made.is_active:
            raise BadAnswer(f"{answer.where}: our accounting connection is not active, though Ramp took the call")
        return Seat("ours", made.name, made.id, made.flags)

    def _taken(self, answer: Answer, made: Connection) -> Rejected:
        seat = Seat("direct" if made.kind == "DIRECT" else "foreign", made.name, made.id)
        return Rejected(
            f"{answer.where}: Ramp answers with the connection of {holder_of(seat)}, which holds the seat; nothing was changed",
            hint=self.advice(seat),
        )

    def _is_ours(self, one: Connection) -> bool:
        """By name, since Ramp tells programs apart by nothing else. A direct or file-based one is never ours."""
        return bool(self.name) and one.kind in ("API", "") and _same(one.name, self.name)


def holder_of(seat: Seat) -> str:
    """The holder's name in quotation marks of ours, safe to print."""
    return (
        f"`{''.join(c if c.isprintable() else '?' for c in seat.holder)[:80]}`" if seat.holder else "an unnamed program"
    )


def _connection(answer: Answer, row: Any) -> Connection:
    """A connection; the field `status` is deprecated and its case differs, so it counts only where `is_active` is absent."""
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise BadAnswer(f"{answer.where}: an accounting connection without an `id`")
    active = row.get("is_active")
    flags = row.get("settings") if isinstance(row.get("settings"), dict) else {}
    return Connection(
        id=row["id"],
        name=str(row.get("remote_provider_name") or ""),
        kind=str(row.get("connection_type") or "").upper(),
        is_active=active if isinstance(active, bool) else str(row.get("status") or "").casefold() == "linked",
        is_ready=row.get("is_ready_to_migrate") is True,
        created_at=str(row.get("created_at") or ""),
        linked_at=str(row.get("last_linked_at") or ""),
        flags={name: value for name, value in (flags or {}).items() if name in FLAGS and isinstance(value, bool)},
    )


def _same(first: str, second: str) -> bool:
    return " ".join(first.split()).casefold() == " ".join(second.split()).casefold()
