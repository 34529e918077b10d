"""How a company stands: records and money by state, runs, sessions, lists, alerts; read from the store alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Any

from engine import holdings, registry
from engine.clock import Clock, from_iso, iso
from engine.dataclass import dataclass
from engine.operator import resting, worklist
from engine.store import companies, stops, work
from engine.store.base import Row, Tx
from engine.store.records import MOVES
from engine.telemetry.pulse import Pulse, pulse

# In the order of a record's life.
STATES = ("pending", "intended", "sent", "unknown", "posted", "closed", "deferred", "failed", "skipped", "vanished")
assert set(STATES) == set(MOVES)
# More than so many records that are held back are not counted.
_MOST_HELD = 10_000
# The Web Connector calls again at once; when it has been silent for this long, it is not said to be here.
_HERE_S = 60


@dataclass(frozen=True, slots=True)
class StateLine:
    """The records of one stream in one state; those that are `watched` are compared only, and no work."""

    flow: str
    stream: str
    state: str
    records: int
    money: Mapping[str, Decimal] = field(default_factory=dict)
    watched: bool = False


@dataclass(frozen=True, slots=True)
class RunLine:
    """The newest run of a flow."""

    flow: str
    number: int
    started_at: str
    ended_at: str
    outcome: str
    counts: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class SessionLine:
    """The newest visit of the polled connector's agent."""

    opened_at: str
    seen_at: str
    is_open: bool
    counts: Mapping[str, int]
    error: str

    def is_here(self, clock: Clock) -> bool:
        """Whether it is at work now: a session that nobody ended stays open when its agent or our server dies."""
        return self.is_open and (clock.now() - from_iso(self.seen_at)).total_seconds() < _HERE_S


@dataclass(frozen=True, slots=True)
class ListLine:
    """A cached list of the target."""

    name: str
    objects: int
    loaded_at: str
    due: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything `flowctl status` and the panel's first page show.

    `unsent` counts those of the `unknown` records that were held before they were sent: the target may have them already.
    `voided` counts those of the posted and closed ones whose object is voided in the target. `pulse` are the figures that
    alerts watch (`engine.telemetry.pulse`).
    """

    company: str
    title: str
    states: tuple[StateLine, ...]
    runs: tuple[RunLine, ...]
    session: SessionLine | None
    backlog: int
    untold: int
    doubt: Row | None
    lists: tuple[ListLine, ...]
    alerts: tuple[Row, ...]
    refused: work.Refusals | None = None
    strangers: work.Refusals | None = None
    halted: str = ""
    unsent: int = 0
    voided: int = 0
    # Whether the target's agent comes to us; not where a connector that we call stands for it.
    is_visited: bool = True
    pulse: Pulse = field(default_factory=lambda: Pulse(0, 0.0))
    # Channels, the company's or the house's, at which messages about alerts do not arrive.
    dead: tuple[Row, ...] = ()
    # What a person has stopped: pauses of the company and its flows, and how many records are held back.
    pauses: tuple[Row, ...] = ()
    held_back: int = 0
    # How many records of each flow that is off rest: they wait for nobody.
    resting: Mapping[str, int] = field(default_factory=dict)

    def count(self, *states: str) -> int:
        """Records in these states, without those that are only compared."""
        return sum(line.records for line in self.states if line.state in states and not line.watched)

    def money(self, *states: str) -> Mapping[str, Decimal]:
        """Money in these states, by currency, without records that are only compared."""
        lines = [line for line in self.states if line.state in states and not line.watched]
        return worklist.sums((currency, amount) for line in lines for currency, amount in line.money.items())


def overview(tx: Tx, company: str, clock: Clock, flow: str = "") -> Overview:
    """Look at a company, or at one flow of it.

    Raises:
        UnknownName: when there is no such company.
    """
    row = companies.require(tx, company)
    unsettled = tx.one("set_unsettled", {"company": company})
    waiting = tx.rows("operations_backlog_of", {"company": company})
    told = tx.rows("marks_count", {"company": company, "flow": flow})
    voided = tx.one("records_voided", {"company": company, "flow": flow})
    return Overview(
        company,
        row["title"],
        _states(tx, company, flow),
        tuple(run_line(r) for r in tx.rows("runs_newest", {"company": company}) if flow in ("", r["flow"])),
        session_of(tx, company),
        sum(r["count"] for r in waiting if flow in ("", r["flow"])),
        sum(r["count"] for r in told if r["state"] in ("waiting", "calling")),
        unsettled,
        _lists(tx, company),
        tuple(
            a for a in work.alerts(tx, company) if not flow or a["subject"].partition("/")[0] in (flow, a["subject"])
        ),
        work.refusals(tx, company, clock.now()),
        work.refusals(tx, "", clock.now()),
        holdings.halted(tx, company) or "",
        len(worklist.held(tx, worklist.parked(tx, company, "unknown", flow), unsent=True)),
        int(voided["count"]) if voided else 0,
        _is_visited(tx, company),
        pulse(tx, company, flow, iso(clock.now())),
        tuple(row for row in tx.rows("alert_channels_failing", {}) if row["company"] in ("", company)),
        tuple(row for row in stops.pauses(tx, company) if flow in ("", row["flow"]) or not row["flow"]),
        sum(flow in ("", row["flow"]) for row in stops.holds(tx, company, _MOST_HELD)),
        {name: count for name, count in resting.resting(tx, company).items() if flow in ("", name)},
    )


def age(clock: Clock, moment: str) -> str:
    """How long ago, in one unit: `12 s`, `5 min`, `3 h`, `4 d`."""
    seconds = max(0, int((clock.now() - from_iso(moment)).total_seconds()))
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def times(number: int) -> str:
    """How often, in words."""
    return "once" if number == 1 else f"{number} times"


def refused(clock: Clock, found: work.Refusals) -> str:
    """Refused sign-ins in words."""
    last = "" if found.times == 1 else "last "
    return f"refused {times(found.times)}, {last}as `{found.user}` {age(clock, found.last_at)} ago"


def as_json(found: Overview, clock: Clock) -> dict[str, Any]:
    """For programs; amounts as text."""
    return {
        "company": found.company,
        "title": found.title,
        "halted": found.halted or None,
        "paused": [{name: row[name] for name in ("flow", "at", "actor", "why")} for row in found.pauses],
        "held_back": found.held_back,
        "resting": dict(found.resting),
        "states": [
            {
                "flow": line.flow,
                "stream": line.stream,
                "state": line.state,
                "records": line.records,
                "money": texts(line.money),
                **({"watched": True} if line.watched else {}),
            }
            for line in found.states
        ],
        "runs": [
            {
                "flow": run.flow,
                "number": run.number,
                "started_at": run.started_at,
                "ended_at": run.ended_at or None,
                "outcome": run.outcome,
                "counts": run.counts,
            }
            for run in found.runs
        ],
        "session": None
        if found.session is None
        else {
            "opened_at": found.session.opened_at,
            "seen_at": found.session.seen_at,
            "open": found.session.is_open,
            "here": found.session.is_here(clock),
            "counts": found.session.counts,
            "error": found.session.error,
        },
        "refused": _refusals(found.refused),
        "refused_unknown": _refusals(found.strangers),
        "held_unsent": found.unsent,
        "voided": found.voided,
        "backlog": found.backlog,
        "untold": found.untold,
        "waiting": found.pulse.waiting,
        "failures_a_minute": f"{found.pulse.failures:.1f}",
        "in_doubt": None
        if found.doubt is None
        else {name: found.doubt[name] for name in ("id", "state", "attempts", "sent_at")},
        "lists": [
            {"list": item.name, "objects": item.objects, "loaded_at": item.loaded_at or None, "due": item.due}
            for item in found.lists
        ],
        "alerts": [
            {name: row[name] for name in ("id", "kind", "subject", "message", "hint", "times", "first_at", "last_at")}
            for row in found.alerts
        ],
        "dead_channels": [{name: row[name] for name in ("name", "failing_since", "last_error")} for row in found.dead],
    }


def _refusals(found: work.Refusals | None) -> dict[str, Any] | None:
    return None if found is None else {"times": found.times, "user": found.user, "last_at": found.last_at}


def texts(sums: Mapping[str, Decimal]) -> dict[str, str]:
    """Sums as text, by currency."""
    return {currency: f"{amount:f}" for currency, amount in sums.items()}


def _states(tx: Tx, company: str, flow: str) -> tuple[StateLine, ...]:
    scope = {"company": company, "flow": flow}
    amounts: dict[tuple[str, str, str, int], list[tuple[str, Decimal | None]]] = {}
    for row in tx.rows("record_amounts", scope):
        place = (row["flow"], row["stream"], row["state"], row["watched"])
        amounts.setdefault(place, []).append((row["currency"] or "", Decimal(row["amount"])))
    lines = [
        StateLine(
            row["flow"],
            row["stream"],
            row["state"],
            row["count"],
            worklist.sums(amounts.get((row["flow"], row["stream"], row["state"], row["watched"]), ())),
            bool(row["watched"]),
        )
        for row in tx.rows("record_counts", scope)
    ]
    return tuple(sorted(lines, key=lambda line: (line.flow, line.stream, STATES.index(line.state))))


def run_line(row: Row) -> RunLine:
    """A run's row for people."""
    counts = json.loads(row["counts"])
    return RunLine(row["flow"], row["id"], row["started_at"], row["ended_at"] or "", row["outcome"], counts)


def session_of(tx: Tx, company: str) -> SessionLine | None:
    """The newest visit of the polled connector's agent, None when it never came."""
    row = tx.one("session_newest", {"company": company})
    if row is None:
        return None
    state = json.loads(row["state"])
    counts: Mapping[str, int] = state.get("counts") or {}
    return SessionLine(row["opened_at"], row["seen_at"], bool(row["is_open"]), counts, str(state.get("error") or ""))


def _is_visited(tx: Tx, company: str) -> bool:
    found = [registry.find(connector) for connector in companies.connectors(tx, company).values()]
    specs = [connector.spec for connector in found if connector is not None]
    return any(spec.delivery == "pull" for spec in specs) or not any(spec.stands_for for spec in specs)


def _lists(tx: Tx, company: str) -> tuple[ListLine, ...]:
    counts = {row["list"]: row["count"] for row in tx.rows("list_count", {"company": company})}
    rows: Sequence[Row] = tx.rows("lists_of", {"company": company})
    return tuple(
        ListLine(row["list"], counts.get(row["list"], 0), row["loaded_at"] or "", bool(row["due"])) for row in rows
    )
