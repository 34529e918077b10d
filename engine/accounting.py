"""The seat of the accounting system at a vendor that lets one system post: who holds it, and how to move to it.

An open connection that satisfies `Accounted` has such a seat; `flowctl connect NAME --accounting`, `flowctl migrate` and
`flowctl doctor` talk to it. Nothing here changes a connection that is not ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal, Protocol, runtime_checkable

from engine.dataclass import dataclass

# ours: active and ours. inactive: ours, and not in use. upgradable: a file-based one that becomes ours when it is asked
# for. direct: the vendor's own integration. foreign: another program's. none: nobody holds the seat.
Standing = Literal["ours", "inactive", "upgradable", "direct", "foreign", "none"]


@dataclass(frozen=True, slots=True)
class Seat:
    """Who holds the seat. `id` is the vendor's id of the connection that `standing` is about, `holder` its name.

    `flags` are its switches, empty where the vendor shows none; `prepared` is our inactive connection beside another's
    active one, and `ready` says that the customer may switch to it.
    """

    standing: Standing
    holder: str = ""
    id: str = ""
    flags: Mapping[str, bool] = field(default_factory=dict)
    prepared: str = ""
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Objects of one kind that wait to be synced; `number` is None when that could not be asked, with the reason."""

    kind: str
    number: int | None
    reason: str = ""


class AccountingLink(Protocol):
    """The seat at one vendor. Every method raises only errors of `engine.errors`."""

    @property
    def name(self) -> str:
        """What our connection is called there; empty when no setting says so."""
        ...

    @property
    def requests(self) -> frozenset[str]:
        """Requests of the connector that need the seat."""
        ...

    def seat(self) -> Seat:
        """Who holds it now; nothing is changed."""
        ...

    def open(self, *, upgrade: bool = False) -> tuple[Seat, str]:
        """Take the seat if it is free or ours, and what was done: `opened`, `reactivated`, `upgraded`, `kept`.

        Raises:
            Rejected: when another holds it; with `upgrade`, not for a file-based connection.
        """
        ...

    def wanted_flags(self, seat: Seat) -> Mapping[str, bool]:
        """Switches that the connection's settings want otherwise than they are."""
        ...

    def set_flags(self, seat: Seat, flags: Mapping[str, bool]) -> Seat:
        """Set switches of our own connection."""
        ...

    def advice(self, seat: Seat) -> str:
        """What a person can do about a seat that is not ours."""
        ...

    def migration(self) -> Migration:
        """How to move from another's connection to ours.

        Raises:
            Rejected: when the vendor has no way for this account.
        """
        ...


class Migration(Protocol):
    """The steps of moving to our connection, each of which may be repeated."""

    def check(self) -> Seat:
        """That there is something to move from, and no other move is under way.

        Raises:
            Rejected: when not.
        """
        ...

    def outstanding(self) -> Sequence[Outstanding]:
        """What waits to be synced over the connection that is active; it would be lost."""
        ...

    def backup(self) -> Mapping[str, Any]:
        """The chart of accounts of the active connection, as plain JSON."""
        ...

    def prepare(self) -> str:
        """Make our inactive connection, or find it; returns its id."""
        ...

    def preloaded(self, connection_id: str) -> Mapping[str, int]:
        """How many entries in use our inactive connection's chart has, by the request that uploads them."""
        ...

    def make_ready(self, connection_id: str) -> None:
        """Let the customer switch to our inactive connection."""
        ...

    def handover(self) -> Sequence[str]:
        """What the customer does then, step by step."""
        ...


@runtime_checkable
class Accounted(Protocol):
    """An open connection whose vendor has such a seat. `accounting_connection_id` is its setting during a migration."""

    def accounting(self) -> AccountingLink:
        """The seat."""
        ...


MIGRATION_SETTING = "accounting_connection_id"
