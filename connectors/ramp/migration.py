"""Moves a business from another accounting connection to ours: a second, inactive connection is filled beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors._http import Call
from connectors.ramp.chart import ChartTarget
from connectors.ramp.chartbook import Chart
from connectors.ramp.chartkinds import ACCOUNT, OPTION, VENDOR, is_gone
from connectors.ramp.client import API, RampClient
from connectors.ramp.ids import object_id
from connectors.ramp.settings import Settings
from engine.accounting import Outstanding, Seat
from engine.errors import AuthRefused, BadAnswer, Rejected

if TYPE_CHECKING:
    from connectors.ramp.accounting import RampAccounting

# What Ramp syncs to an accounting system: the list, its filters, and the scope to read it. A list of reimbursements holds
# one direction (FACTS.md section 4).
_READY = {"sync_status": "SYNC_READY"}
_KINDS: tuple[tuple[str, tuple[Mapping[str, str], ...], str], ...] = (
    ("transactions", (_READY,), "transactions:read"),
    ("bills", ({"sync_ready": "true"},), "bills:read"),
    (
        "reimbursements",
        tuple({**_READY, "direction": direction} for direction in ("BUSINESS_TO_USER", "USER_TO_BUSINESS")),
        "reimbursements:read",
    ),
    ("transfers", (_READY,), "transfers:read"),
    ("cashbacks", (_READY,), "cashbacks:read"),
)


class RampMigration:
    """The steps of a move (`engine.accounting.Migration`); each looks at Ramp first, so each may be repeated."""

    def __init__(self, client: RampClient, settings: Settings, accounting: RampAccounting) -> None:
        self._client = client
        self._settings = settings
        self._accounting = accounting

    def check(self) -> Seat:
        """That a connection other than ours is active, and that no other move is under way.

        Raises:
            Rejected: when not.
        """
        seat = self._accounting.seat()
        if seat.standing not in ("direct", "foreign"):
            held = {"ours": "our own connection is active", "upgradable": "a CSV connection is upgraded, not left"}
            reason = held.get(seat.standing, "no accounting connection is active")
            hint = self._accounting.advice(seat) if seat.standing != "ours" else "there is nothing to do"
            raise Rejected(f"{self._client.where}: nothing to move from: {reason}", hint=hint)
        others = [one for one in self._accounting.connections() if one.is_ready and one.id != seat.prepared]
        if others:
            raise Rejected(
                f"{self._client.where}: another move is under way in Ramp, to `{others[0].name[:80]}`",
                hint="let the customer finish it, or ask Ramp's support to end it",
            )
        return seat

    def outstanding(self) -> Sequence[Outstanding]:
        """What is ready to sync over the connection that is active."""
        return [self._count(*kind) for kind in _KINDS]

    def backup(self) -> Mapping[str, Any]:
        """GL accounts, fields with their options, and accounting vendors of the active connection, as Ramp sends them."""
        settings = replace(self._settings, accounting_connection_id=None)
        chart = Chart(self._client, settings)
        fields = [row for page in chart.rows("fields") for row in page.rows]
        return {
            "connections": [
                {"id": one.id, "name": one.name, "type": one.kind, "is_active": one.is_active}
                for one in self._accounting.connections()
            ],
            "accounts": [row for page in chart.rows(ACCOUNT.path) for row in page.rows],
            "fields": fields,
            "options": {
                str(field["ramp_id"]): [
                    row for page in chart.rows(OPTION.path, field_id=str(field["ramp_id"])) for row in page.rows
                ]
                for field in fields
            },
            "vendors": [row for page in chart.rows(VENDOR.path) for row in page.rows],
        }

    def prepare(self) -> str:
        """Our inactive connection's id; it is made unless it is there."""
        seat = self._accounting.seat()
        return seat.prepared or self._accounting.register().id

    def preloaded(self, connection_id: str) -> Mapping[str, int]:
        """What people could code to once our inactive connection is in use."""
        settings = replace(self._settings, accounting_connection_id=connection_id)
        target, chart = ChartTarget(self._client, settings), Chart(self._client, settings)
        fields = [row["id"] for page in chart.rows("fields") for row in page.rows if isinstance(row.get("id"), str)]
        kinds = {
            "AccountUpload": [(ACCOUNT, "")],
            "OptionUpload": [(OPTION, one) for one in fields],
            "AccountingVendorUpload": [(VENDOR, "")],
        }
        return {
            request: sum(not is_gone(entry) for which in lists for entry in target.entries(*which).values())
            for request, lists in kinds.items()
        }

    def make_ready(self, connection_id: str) -> None:
        """Mark the inactive connection as one that the customer may switch to.

        Raises:
            Rejected: when Ramp does not have the conditions met, or does not show the mark.
        """
        path = f"{API}/accounting/connection/{object_id(self._client.where, connection_id)}/ready-to-migrate"
        # Whether it was done shows in the list of connections, so a lost answer is simply asked for again.
        answer = self._client.send(Call("POST", path, write=True), "accounting:write")
        body = answer.json()
        if not isinstance(body, dict) or body.get("is_ready_to_migrate") is not True:
            raise Rejected(f"{answer.where}: Ramp does not show the connection as ready", hint="run the command again")

    def handover(self) -> Sequence[str]:
        """What only the customer can do."""
        return (
            "sync once more what is ready to sync: what stays ready on the old connection does not survive the switch",
            "note rules and automations of the old connection: they must be made again afterwards",
            f"in Ramp, open Accounting, Settings, Danger Zone, Switch Providers, and choose `{self._accounting.name}`",
            "map the fields of the old connection to those of the new one, and confirm",
            "never use Ramp's own Export button from then on: it marks objects synced without telling us",
        )

    def _count(self, kind: str, questions: Sequence[Mapping[str, str]], scope: str) -> Outstanding:
        """How many wait, or why that could not be asked: an app may lack the scope, a business may lack the product."""
        number = 0
        try:
            for params in questions:
                for page in self._client.pages(f"{API}/{kind}", params, scope):
                    number += sum(_waits(row) for row in page.rows)
        except (AuthRefused, Rejected, BadAnswer) as error:
            return Outstanding(kind, None, str(error))
        return Outstanding(kind, number)


def _waits(row: Mapping[str, Any]) -> bool:
    """Ramp answers a filter that it does not know with everything, so each row is looked at."""
    return row.get("sync_status") not in ("SYNCED", "NOT_SYNC_READY", "BILL_AND_PAYMENT_SYNCED")
