"""The time zone in which people of a company read times."""

from __future__ import annotations

from zoneinfo import available_timezones

from engine.diagnostics import suggestion
from engine.errors import UsageError
from engine.follow import Hand
from engine.store import companies, journal
from engine.store.base import Tx


class ZoneUnknown(UsageError):
    """No time zone has this name."""

    def __init__(self, name: str) -> None:
        shown = "".join(c if c.isprintable() else "?" for c in name[:60])
        hint = suggestion(name, tuple(z for z in available_timezones() if "/" in z and not z.startswith("Etc/")))
        near = hint.partition(" known:")[0]
        near = near if near.startswith("did you mean") else "give one such as America/New_York, Europe/Berlin or UTC"
        super().__init__(f"there is no time zone `{shown}`", hint=near)


def put(tx: Tx, hand: Hand, zone: str) -> bool:
    """Set the company's zone; False when it was so before.

    Raises:
        UnknownName: when there is no such company.
        ZoneUnknown: when no zone has this name.
    """
    before = companies.require(tx, hand.company)["time_zone"]
    if zone not in available_timezones():
        raise ZoneUnknown(zone)
    if before == zone:
        return False
    tx.run("company_zone", {"company": hand.company, "time_zone": zone})
    entry = journal.Entry("time_zone", detail={"zone": zone, "before": before})
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])
    return True
