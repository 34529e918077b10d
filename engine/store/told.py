"""Tells of the moves of records once they are committed: counted by outcome word, and as steps of the record's trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from engine.marker import guid_of
from engine.store.base import Row
from engine.store.journal import Entry
from engine.telemetry import committed, meter, meters, trace

# The steps of a record's way, by the event that the journal has of them.
STEPS = {
    "read": "read",
    "intended": "intent",
    "sent": "send",
    "resent": "send",
    "in_doubt": "doubt",
    "held": "receipt",
    "posted": "receipt",
    "retry": "receipt",
    "failed": "receipt",
    "deferred": "receipt",
}
# What a record comes to before anything of it was sent is no receipt.
_NOT_SENT = frozenset({"", "pending", "deferred", "skipped", "failed"})


def moved(company: str, moves: Iterable[tuple[Entry, str]]) -> None:
    """These lines of the journal are about to be committed; each has the phase of its record beside it."""
    if not (meter.is_on() or trace.is_on()):
        return
    kept = list(moves)
    committed.after(lambda: _tell(company, kept))


def phase_of(record: Row) -> str:
    """The phase of a record whose row may be a part of it."""
    return str(record["phase"]) if "phase" in record.keys() else ""  # noqa: SIM118 - a row of SQLite is no mapping to `in`


def _tell(company: str, moves: Sequence[tuple[Entry, str]]) -> None:
    for (flow, state), count in Counter((entry.flow, entry.state_to) for entry, _ in moves).items():
        meter.add(meters.MOVES, flow, state, amount=count)
    if not trace.is_on():
        return
    for entry, phase in moves:
        guid = guid_of(company, entry.flow, entry.stream, entry.source_id, phase.partition("+")[0])
        about: dict[str, str | int] = {"company": company, "flow": entry.flow, "stream": entry.stream}
        about |= {"record": entry.record_id or 0, "state": entry.state_to}
        for name in _steps(entry):
            trace.mark(name, guid, about)


def _steps(entry: Entry) -> Sequence[str]:
    """A record that is taken in may be on its way at once: then its line is one, and its steps are two."""
    if entry.event == "read":
        return ("read", "intent") if entry.state_to == "intended" else ("read",)
    if entry.event == "closed":
        return ("mark-synced",) if str(entry.detail.get("why", "")).endswith("acknowledged") else ("close",)
    name = STEPS.get(entry.event, "move")
    return ("move",) if name == "receipt" and entry.state_from in _NOT_SENT else (name,)
