"""Runs, checkpoints, schedule, sessions, alerts and leases: what the machinery itself must remember."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from engine.clock import from_iso, iso
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.store.base import Row, Tx, take_number


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person must know of; `subject` tells repetitions of the same thing from new ones."""

    kind: str
    subject: str
    message: str
    hint: str = ""


# A stream that is being read is not due for this long; when its process dies, it is read again after that.
CLAIM_S = 300.0
# The subject of the alert that counts refused sign-ins; its kind is `session`.
SIGN_IN = "sign_in_refused"
# A user name that nobody has belongs to no company, so no good sign-in ends its alert: it is over after this long.
_STRANGER_LIFE = timedelta(days=1)
_LONGEST_USER = 60


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a fetch was read: what the source gave to ask for changes with, and which streams took all of it in.

    `swept_at` is when the newest complete listing began.
    """

    watermark: str
    streams: frozenset[str]
    swept_at: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refused sign-ins since the last good one."""

    times: int
    user: str
    last_at: str


def begin_run(tx: Tx, company: str, flow: str, at: str, process: str = "") -> int:
    """Start a run in this process, by its name in `engine.holders`; returns the number of the run."""
    number = take_number(tx, "run")
    tx.run("run_insert", {"id": number, "company": company, "flow": flow, "at": at, "process": process})
    return number


@dataclass(frozen=True, slots=True)
class Told:
    """What a run leaves behind beside its counts: what kept it from finishing its work, and when each step ended."""

    problems: tuple[Mapping[str, str], ...] = ()
    steps: tuple[Mapping[str, str], ...] = ()


def finish_run(
    tx: Tx, number: int, outcome: str, counts: Mapping[str, object], at: str, told: Told | None = None
) -> None:
    """End a run."""
    more = told or Told()
    kept = {"problems": json.dumps(more.problems), "steps": json.dumps(more.steps)}
    tx.run("run_finish", {"id": number, "at": at, "outcome": outcome, "counts": json.dumps(dict(counts)), **kept})


def checkpoint(tx: Tx, company: str, flow: str, fetch: str) -> Checkpoint | None:
    """How far a fetch was read; None when everything is to be listed."""
    row = tx.one("checkpoint_get", {"company": company, "flow": flow, "fetch": fetch})
    return Checkpoint(row["watermark"], frozenset(json.loads(row["streams"])), row["swept_at"]) if row else None


def put_checkpoint(tx: Tx, company: str, flow: str, fetch: str, value: Checkpoint) -> None:
    """Commit how far a fetch was read, once everything that it listed is durable."""
    kept = {"watermark": value.watermark, "streams": json.dumps(sorted(value.streams)), "swept_at": value.swept_at}
    tx.run("checkpoint_put", {"company": company, "flow": flow, "fetch": fetch, **kept})


def raise_alert(tx: Tx, company: str, alert: Alert, at: str) -> None:
    """Open an alert, or count it once more."""
    tx.run(
        "alert_raise",
        {
            "id": take_number(tx, "alert"),
            "company": company,
            "kind": alert.kind,
            "subject": alert.subject,
            "message": alert.message,
            "hint": alert.hint,
            "at": at,
        },
    )


def resolve_alert(tx: Tx, company: str, kind: str, subject: str, at: str) -> None:
    """Close an alert that no longer holds."""
    tx.run("alert_resolve", {"company": company, "kind": kind, "subject": subject, "at": at})


def resolve_alerts(tx: Tx, company: str, alerts: Iterable[tuple[str, str]], at: str) -> None:
    """Close those of these alerts, each a kind and a subject, that are open."""
    tx.many("alerts_resolve", [(at, company, kind, subject) for kind, subject in alerts])


def alerts(tx: Tx, company: str) -> list[Row]:
    """The open alerts."""
    return tx.rows("alerts_open", {"company": company})


def refuse_sign_in(tx: Tx, company: str, user: str, now: datetime) -> bool:
    """Count a refused sign-in; True when it is the first since the last good one. No company: nobody has the name."""
    at = iso(now)
    known = refusals(tx, company, now)
    if known is None:
        resolve_alert(tx, company, "session", SIGN_IN, at)
    message = f"the Web Connector was refused as `{plain_user(user)}`"
    if company:
        where = of_company(company)
        hint = (
            "type the password again in the Web Connector; when it is lost, "
            f"`flowctl qwc --new-password{where}` makes another"
        )
    else:
        hint = "nobody has this user name: install the file that `flowctl qwc` writes anew"
    raise_alert(tx, company, Alert("session", SIGN_IN, message, hint), at)
    return known is None


def refusals(tx: Tx, company: str, now: datetime) -> Refusals | None:
    """The refused sign-ins that are still of interest; without a company, those under names that nobody has."""
    row = tx.one("alert_open", {"company": company, "kind": "session", "subject": SIGN_IN})
    if row is None or (not company and row["last_at"] < iso(now - _STRANGER_LIFE)):
        return None
    return Refusals(row["times"], row["message"].split("`")[1], row["last_at"])


def plain_user(user: str) -> str:
    """A user name as a stranger gave it, safe to show: short, and nothing in it that drives a terminal."""
    return "".join(c if c.isprintable() and c != "`" else "?" for c in user[:_LONGEST_USER])


def due_streams(
    tx: Tx, company: str, flow: str, streams: tuple[str, ...], at: str, beyond: str = "9999"
) -> tuple[str, ...]:
    """Which of these streams are to be read now; one never read is due at once.

    None is put off `beyond` that time: a clock that was ahead, and is right again, wrote what is later.
    """
    scope = {"company": company, "flow": flow}
    next_at = {str(row["stream"]): str(row["next_at"]) for row in tx.rows("schedule_of", scope)}
    for stream in streams:
        if stream not in next_at:
            tx.run("schedule_create", {**scope, "stream": stream, "at": at})
            next_at[stream] = at
    if any(time > beyond for time in next_at.values()):
        tx.run("schedule_too_late", {**scope, "at": at, "beyond": beyond})
        next_at = {stream: at if time > beyond else time for stream, time in next_at.items()}
    return tuple(sorted((s for s in streams if next_at[s] <= at), key=lambda s: (next_at[s], s)))


def schedule(tx: Tx, company: str, flow: str, stream: str, at: str) -> None:
    """Set when a stream is next read."""
    tx.run("schedule_put", {"company": company, "flow": flow, "stream": stream, "at": at})


def planned(tx: Tx, company: str, flow: str, stream: str, claimed: str, at: str) -> None:
    """Set when a stream is next read, unless somebody has asked for it since it was claimed."""
    scope = {"company": company, "flow": flow, "stream": stream, "claimed": claimed, "at": at}
    tx.run("schedule_planned", scope)


def sooner(tx: Tx, company: str, flow: str, stream: str, at: str) -> None:
    """Bring a stream's next read forward."""
    tx.run("schedule_sooner", {"company": company, "flow": flow, "stream": stream, "at": at})


def reading(tx: Tx, company: str, flow: str, streams: Iterable[str], at: str) -> None:
    """Remember that these streams are read now, whatever comes of it; one that has no schedule yet is due anyway."""
    tx.many("schedule_read", [(at, company, flow, stream) for stream in streams])


def visited(tx: Tx, company: str, flow: str, longest_s: Mapping[str, int], now: datetime) -> bool:
    """Make those streams due that were last read longer ago than this; whether there are any.

    One that was claimed is being read, or will be by the same run, and is left alone: it is due soon in any case.
    """
    rows = {row["stream"]: row for row in tx.rows("schedule_of", {"company": company, "flow": flow})}
    read_at = {name: str(row["read_at"]) for name, row in rows.items()}
    claimed = {name for name, row in rows.items() if _is_claimed(row, now)}
    # A time ahead of the clock is of a clock that was ahead.
    late = [
        stream
        for stream, seconds in longest_s.items()
        if stream not in claimed and not iso(now - timedelta(seconds=seconds)) < read_at.get(stream, "") <= iso(now)
    ]
    for stream in late:
        sooner(tx, company, flow, stream, iso(now))
    return bool(late)


def _is_claimed(row: Row, now: datetime) -> bool:
    """Whether a stream is put off for no longer than a claim, counted from when its read began."""
    if not row["read_at"]:
        return False
    until = from_iso(row["read_at"]) + timedelta(seconds=CLAIM_S)
    return iso(now) < str(row["next_at"]) <= iso(until)


def take_lease(tx: Tx, name: str, holder: str, now: datetime, seconds: float) -> int | None:
    """Take or prolong a lease; returns its fencing number, or None while another holds it."""
    scope = {"name": name, "holder": holder, "at": iso(now), "until": iso(now + timedelta(seconds=seconds))}
    row = tx.one("lease_take", scope)
    if row is None:  # another holds it, or nobody has asked for it before
        tx.run("lease_create", {"name": name})
        row = tx.one("lease_take", scope)
    return int(row["fence"]) if row else None


def hold_lease(tx: Tx, name: str, taken: tuple[str, int], now: datetime, seconds: float) -> bool:
    """Prolong a lease that nobody has taken since; `taken` are its holder and fencing number, which counts on by one."""
    holder, fence = taken
    scope = {"name": name, "holder": holder, "fence": fence, "until": iso(now + timedelta(seconds=seconds))}
    return tx.run("lease_hold", scope) == 1


def lease_holder(tx: Tx, name: str) -> str | None:
    """Who holds a lease."""
    row = tx.one("lease_get", {"name": name})
    return row["holder"] if row else None


def release_lease(tx: Tx, name: str, holder: str) -> None:
    """Give a lease back."""
    tx.run("lease_release", {"name": name, "holder": holder})
