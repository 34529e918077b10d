"""Two secrets of webhooks while one takes the place of the other: the one before is accepted for a week, and no longer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from engine.clock import from_iso, iso
from engine.contract import Binding
from engine.errors import UsageError
from engine.follow import Hand
from engine.store import companies, journal
from engine.store.base import Tx

# Long enough for whoever rotates by hand on both sides, with a weekend between.
ACCEPTED = timedelta(days=7)
ENDING = "_previous"


class NothingToRetire(UsageError):
    """No webhook secret before the present one is accepted."""


def ends(tx: Tx, company: str, connection: str) -> Mapping[str, str]:
    """Until when each secret that another has replaced is accepted, by its field."""
    rows = tx.rows("credentials_of", {"company": company, "connection": connection})
    fields = {row["field"] for row in rows}
    return {
        row["field"]: iso(from_iso(row["updated_at"]) + ACCEPTED)
        for row in rows
        if row["field"].endswith(ENDING) and row["field"].removesuffix(ENDING) in fields
    }


def accepted(tx: Tx, binding: Binding, now: datetime) -> Binding:
    """The binding without the secrets whose time is over."""
    if not any(name.endswith(ENDING) for name in binding.secrets):
        return binding
    at = iso(now)
    over = {name for name, end in ends(tx, binding.company, binding.connection).items() if end <= at}
    return replace(binding, secrets={name: text for name, text in binding.secrets.items() if name not in over})


def retire(tx: Tx, hand: Hand, connection: str) -> tuple[str, ...]:
    """Accept only the newest secret from now on; the fields that are gone.

    Raises:
        NothingToRetire: when no other is kept.
    """
    gone = tuple(sorted(ends(tx, hand.company, connection)))
    if not gone:
        raise NothingToRetire(
            f"{hand.company}/{connection}: no webhook secret before the present one is accepted",
            hint="nothing is to be done",
        )
    for field in gone:
        companies.drop_secret(tx, hand.company, connection, field)
    detail = {"connection": connection, "secrets": list(gone)}
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("webhook_secret_retired", detail=detail)])
    return gone
