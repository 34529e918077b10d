"""Two figures that say whether a flow keeps up: what waits for the machine, and how many failures a minute are told.

Ramp's guide asks for alarms on both: a sync worker that is stuck, and an accounting side that refuses everything.
"""

from __future__ import annotations

from datetime import timedelta

from engine.clock import from_iso, iso
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.operator import resting
from engine.store import work
from engine.store.base import Tx

# More records than this wait for us, and for no person: something is stuck, or the target was not reached for days.
BACKLOG_MOST = 1000
# More failures than this in a minute, over the last quarter of an hour: nothing gets through.
FAILURES_MOST = 5.0
WINDOW_MIN = 15
# At the end of a run so many records are counted at most: others wait for its transaction.
_COUNTED = 10_000
_EVERY = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Pulse:
    """`waiting` counts records that are neither done nor parked for a person; `failures` are those told in a minute."""

    waiting: int
    failures: float


def pulse(tx: Tx, company: str, flow: str, at: str, *, limit: int = _EVERY) -> Pulse:
    """The figures of a flow now; of all flows of the company when none is named. Records are counted up to `limit`."""
    since = iso(from_iso(at) - timedelta(minutes=WINDOW_MIN))
    waiting = tx.one("records_waiting_count", {"company": company, "flow": flow, "limit": limit})
    failures = tx.one("marks_failed_since", {"company": company, "flow": flow, "since": since})
    assert waiting is not None
    assert failures is not None
    # What rests since its flow is off waits for nothing.
    return Pulse(int(waiting["count"]) - resting.unprepared(tx, company, flow), int(failures["count"]) / WINDOW_MIN)


def watch(tx: Tx, company: str, flow: str, at: str) -> None:
    """Raise an alert for a figure that is too high, and end it once it is not."""
    found = pulse(tx, company, flow, at, limit=_COUNTED)
    waiting = f"{found.waiting} records" if found.waiting < _COUNTED else f"{_COUNTED} records or more"
    where = of_company(company)
    backlog = work.Alert(
        "backlog",
        f"{flow}/backlog",
        f"{flow}: {waiting} wait to be posted or told, more than {BACKLOG_MOST}",
        f"`flowctl status{where}` shows what stands still: the Web Connector, a halted company, or a connection in trouble",
    )
    failing = work.Alert(
        "failures",
        f"{flow}/failures",
        f"{flow}: {found.failures:.1f} failures a minute were told to the source, more than {FAILURES_MOST:.1f}",
        f"`flowctl deferred{where}` shows the reasons; many at once have one cause, such as a closed period",
    )
    told = ((backlog, found.waiting > BACKLOG_MOST), (failing, found.failures > FAILURES_MOST))
    for alert in (alert for alert, high in told if high):
        work.raise_alert(tx, company, alert, at)
    work.resolve_alerts(tx, company, [(alert.kind, alert.subject) for alert, high in told if not high], at)
