"""Records and their states: one row a source record and phase, for ever; every move is a journal line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

from engine.dataclass import dataclass
from engine.errors import Bug
from engine.jsontext import own, plain
from engine.store import journal, tally, told
from engine.store.base import Row, Tx, take_number

State = Literal[
    "pending", "intended", "sent", "posted", "closed", "deferred", "unknown", "failed", "skipped", "vanished"
]

# The life of a record. Anything else is a bug, and is refused inside the transaction that tried it.
MOVES: Mapping[str, frozenset[str]] = {
    # What is found in the target under the record's own marker is posted, whatever was thought of it here.
    "pending": frozenset({"intended", "deferred", "failed", "skipped", "posted"}),
    "deferred": frozenset({"pending", "skipped", "failed", "posted"}),
    "skipped": frozenset({"pending", "posted"}),
    # A person may have the same request sent once more.
    "failed": frozenset({"pending", "skipped", "posted", "intended"}),
    # One that could not even be looked for in its target stays where it is, and is counted as tried.
    "intended": frozenset({"sent", "posted", "failed", "deferred", "pending", "skipped", "unknown", "intended"}),
    "sent": frozenset({"posted", "failed", "deferred", "unknown", "intended"}),
    "unknown": frozenset({"posted", "failed", "deferred", "sent", "intended"}),
    "posted": frozenset({"closed", "vanished"}),
    "closed": frozenset({"vanished"}),
    "vanished": frozenset({"posted", "closed", "pending", "skipped"}),
}

# Where a record can wait for something: for what it misses, or until it is wanted.
_WAITING = frozenset({"deferred", "skipped"})
_UNDER_WAY = frozenset({"intended", "sent", "unknown"})
_NOT_WRITTEN = frozenset({"pending", "deferred", "failed", "skipped"})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record is where it is: a stable code, a text, what to do, and what would wake it."""

    code: str
    message: str
    hint: str = ""
    waits_for: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, str, str]:
        """Lookup, key and label of the mapping that would help; empty texts when none would."""
        keys = [rest for kind, _, rest in (w.partition(":") for w in self.waits_for) if kind == "mapping"]
        if self.code not in ("unmapped", "ambiguous") or not keys:
            return "", "", ""
        lookup, _, key = keys[0].partition(":")
        return lookup, key, keys[-1].partition(":")[2]

    def as_json(self) -> dict[str, object]:
        """The reason as it is kept."""
        found: dict[str, object] = {"code": self.code, "message": self.message}
        if self.hint:
            found["hint"] = self.hint
        if self.waits_for:
            found["waits_for"] = list(self.waits_for)
        return found


@dataclass(frozen=True, slots=True)
class Intake:
    """A source record as it was read; `about` values are text for people, `amount` decimal text."""

    source_id: str
    payload: str
    payload_sha256: str
    amount: str | None = None
    currency: str | None = None
    party: str | None = None
    reference: str | None = None
    dated_on: str | None = None


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record seen for the first time, already brought as far as it gets."""

    intake: Intake
    state: State
    reasons: tuple[Reason, ...] = ()
    mapped_sha256: str | None = None
    operation_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """The part of a record's key that a whole page shares."""

    company: str
    flow: str
    stream: str
    phase: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a posted record was brought up to by a change: the change's own row, its operation, and the receipt now."""

    change: Row
    mapped_sha256: str | None
    operation_id: str
    receipt: Mapping[str, str]
    newest: str | None


@dataclass(frozen=True, slots=True)
class Move:
    """One step of one record."""

    record: Row
    to: State
    event: str
    reasons: tuple[Reason, ...] = ()
    mapped_sha256: str | None = None
    operation_id: str | None = None
    receipt: Mapping[str, str] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    attempt: bool = False

    @property
    def anew(self) -> bool:
        """Whether tries are counted from the start: somebody changed something; a list that was read again is nobody."""
        if self.event == "replayed":
            return True
        return self.to == "pending" and not str(self.detail.get("by", "")).startswith(("list:", "posted:"))

    @property
    def is_said(self) -> bool:
        """Whether a person only said that it is not there, and it is tried anew at once."""
        return any(reason.code == "absent" for reason in self.reasons)


def known(tx: Tx, place: Place, source_ids: Sequence[str]) -> dict[str, Row]:
    """The rows there are for these source ids: id, state and digests."""
    rows = tx.rows(
        "records_known",
        {
            "company": place.company,
            "flow": place.flow,
            "stream": place.stream,
            "phase": place.phase,
            "source_ids": plain(source_ids),
        },
    )
    return {row["source_id"]: row for row in rows}


def insert(tx: Tx, place: Place, run: int, at: str, actor: str, new: Sequence[NewRecord]) -> list[int]:
    """Add records; each gets one line: that it was read, and how far it came at once. Returns their ids in order."""
    if not new:
        return []
    first = take_number(tx, "record", len(new))
    rows, waits, entries = [], [], []
    for number, record in enumerate(new, first):
        intake = record.intake
        rows.append((
            number, place.company, place.flow, place.stream, intake.source_id, place.phase, record.state, intake.payload,
            intake.payload_sha256, record.mapped_sha256, dump_reasons(record.reasons), intake.amount, intake.currency,
            intake.party, intake.reference, intake.dated_on, record.operation_id, run, run, at, at,
        ))  # fmt: skip
        detail = {"payload": intake.payload_sha256, **record.detail, **_detail(record.reasons)}
        entries.append(
            journal.Entry("read", place.flow, place.stream, number, intake.source_id, "", record.state, detail)
        )
        if record.state in _WAITING:
            waits += _waits(number, place.company, place.flow, record.reasons)
    tx.many("record_insert", rows)
    if waits:
        tx.many("wait_add", waits)
    journal.append(tx, place.company, at, actor, entries)
    tally.came(tx, place.company, at, (place.flow, place.stream, place.phase), [record.state for record in new])
    told.moved(place.company, ((entry, place.phase) for entry in entries))
    wants = [reason for record in new if record.state == "deferred" for reason in record.reasons]
    _want(tx, (place.company, at, actor), place.flow, wants)
    return list(range(first, first + len(new)))


def move(tx: Tx, company: str, at: str, actor: str, moves: Iterable[Move]) -> None:
    """Move records; refused as a whole when one is not where its caller believes, or may not go there."""
    steps = list(moves)
    if not steps:
        return
    entries = []
    counted = [tally.Step(s.record, s.record["state"], s.to, is_said=s.is_said) for s in steps if s.to in tally.COUNTED]
    for step in steps:
        record = step.record
        if step.to not in MOVES[record["state"]]:
            raise Bug(f"record {record['id']} may not go from {record['state']} to {step.to}")
        changed = tx.run(
            "record_move",
            {
                "id": record["id"],
                "from": record["state"],
                "to": step.to,
                "reasons": dump_reasons(step.reasons),
                "mapped_sha256": step.mapped_sha256,
                "operation_id": step.operation_id,
                "receipt": plain(dict(step.receipt)) if step.receipt is not None else None,
                "attempts": -1 if step.anew else int(step.attempt),
                "at": at,
            },
        )
        if changed != 1:
            raise Bug(f"record {record['id']} is no longer {record['state']}")
        if record["state"] in _WAITING:
            tx.run("waits_clear", {"record_id": record["id"]})
        if record["state"] in _UNDER_WAY and step.to in _NOT_WRITTEN:
            # What it was matched with may be another record's, or its own again, when it is prepared anew.
            tx.run("claims_release", {"record_id": record["id"]})
        if step.to in _WAITING:
            tx.many("wait_add", _waits(record["id"], company, record["flow"], step.reasons))
        entries.append(
            journal.Entry(
                step.event, record["flow"], record["stream"], record["id"], record["source_id"], record["state"], step.to,
                # A pending record keeps the reasons it had, so that their alerts end with them; they are no news.
                {**step.detail, **({} if step.to == "pending" else _detail(step.reasons))},
            )
        )  # fmt: skip
    journal.append(tx, company, at, actor, entries)
    if counted:
        tally.went(tx, company, at, counted)
    told.moved(company, ((entry, told.phase_of(step.record)) for entry, step in zip(entries, steps, strict=True)))
    for step in steps:
        if step.to == "deferred":
            _want(tx, (company, at, actor), step.record["flow"], step.reasons)


def _waits(record_id: int, company: str, flow: str, reasons: Iterable[Reason]) -> list[tuple[int, str, str, str, str]]:
    """What a record waits for, one row a key; that of a missing mapping has the flow and what people call the value."""
    found: dict[str, tuple[int, str, str, str, str]] = {}
    for reason in reasons:
        lookup, key, label = reason.missing
        missing = f"mapping:{lookup}:{key}" if lookup else ""
        for wait_key in reason.waits_for:
            if wait_key == missing:
                found[wait_key] = (record_id, company, wait_key, flow, label)
            else:
                found.setdefault(wait_key, (record_id, company, wait_key, "", ""))
    return list(found.values())


def wanted_key(flow: str, lookup: str, key: str) -> str:
    """What a record waits for that was left out since nobody waits for the mapping that it would provide."""
    return f"wanted:{flow}/{lookup}:{key}"


def _want(tx: Tx, hand: tuple[str, str, str], flow: str, reasons: Iterable[Reason]) -> None:
    """Look again at records that nobody wanted until these reasons came up; `hand` is company, time and actor."""
    company, at, actor = hand
    for key in dict.fromkeys(key for reason in reasons for key in reason.waits_for):
        kind, _, rest = key.partition(":")
        if kind == "mapping":
            by = wanted_key(flow, *rest.split(":", 1))
            rows = tx.rows("waits_wanted", {"company": company, "wait_key": by})
            move(tx, company, at, actor, [Move(row, "pending", "woken", detail={"by": by}) for row in rows])


def refresh(tx: Tx, record_id: int, run: int, at: str, intake: Intake) -> None:
    """Keep what the source says now of a record that has not been sent."""
    tx.run(
        "record_payload",
        {
            "id": record_id,
            "payload": intake.payload,
            "payload_sha256": intake.payload_sha256,
            "amount": intake.amount,
            "currency": intake.currency,
            "party": intake.party,
            "reference": intake.reference,
            "dated_on": intake.dated_on,
            "seen_run": run,
            "at": at,
        },
    )


def was_posted(record: Row) -> bool:
    """Whether the record was posted before. One that is to be posted all the same was chosen by a person."""
    return record["receipt"] is not None


def is_voided(record: Row) -> bool:
    """Whether what was posted of the record was undone: its object is in the target and holds no money."""
    # As a key it stands in the JSON text just so, and a record is asked for this wherever another refers to it.
    return '"voided":' in (record["receipt"] or "")


def undone_word(record: Row) -> str:
    """What people call the object of a record that `is_voided`: voided, or what its target makes of it, as archived."""
    return str(own(record["receipt"] or "{}").get("undone") or "voided")


def is_change(record: Row) -> bool:
    """Whether the row is a change of a record that was posted before: its phase is that record's with a number, `post+1`."""
    return "+" in record["phase"]


def changed_by(tx: Tx, change: Row) -> Row:
    """The record that a change is of."""
    scope = {name: change[name] for name in ("company", "flow", "stream", "source_id")}
    row = tx.one("record_find", {**scope, "phase": change["phase"].partition("+")[0]})
    if row is None:
        raise Bug(f"record {change['id']} is the change of a record that is not there")
    return row


def newest_change(tx: Tx, record: Row) -> Row | None:
    """The last change of a posted record, whatever became of it."""
    scope = {name: record[name] for name in ("company", "flow", "stream", "source_id", "phase")}
    rows = tx.rows("record_changes", scope)
    return rows[-1] if rows else None


def changes_seen(tx: Tx, place: Place, source_ids: Sequence[str], run: int) -> None:
    """The source listed the records that these changes are of, as they were when the changes were prepared."""
    scope = {"company": place.company, "flow": place.flow, "stream": place.stream, "phase": place.phase}
    tx.run("changes_seen", {**scope, "source_ids": plain(source_ids), "run": run})


def next_change(record: Row, before: Row | None) -> Place:
    """Where the next change of a record is kept."""
    number = int(before["phase"].partition("+")[2]) + 1 if before is not None else 1
    return Place(record["company"], record["flow"], record["stream"], f"{record['phase']}+{number}")


def rewritten(tx: Tx, record: Row, at: str, written: Written) -> None:
    """Bring a posted record up to what a change of it has written; what the source has said since is kept beside it."""
    change = written.change
    tx.run(
        "record_rewritten",
        {
            "id": record["id"],
            "payload": change["payload"],
            "mapped_sha256": written.mapped_sha256,
            **{name: change[name] for name in ("amount", "currency", "party", "reference", "dated_on")},
            "operation_id": written.operation_id,
            "receipt": plain(dict(written.receipt)),
            "newest": written.newest,
            "at": at,
        },
    )


def explain(tx: Tx, record: Row, reasons: Sequence[Reason]) -> None:
    """Say beside the state of a record what there is to know of it."""
    tx.run("record_reasons", {"id": record["id"], "reasons": dump_reasons(reasons)})


def wake(tx: Tx, company: str, at: str, actor: str, wait_key: str, *, prefix: bool = False, code: str = "") -> int:
    """Make the deferred records that wait for `wait_key` pending again; returns how many there were.

    With a `code`, only those that wait for it for a reason of this code.
    """
    if prefix:
        rows = tx.rows("waits_like", {"company": company, "prefix": wait_key + "%"})
    else:
        rows = tx.rows("waits_on", {"company": company, "wait_key": wait_key})
    if code:
        rows = [row for row in rows if any(r.code == code and wait_key in r.waits_for for r in load_reasons(row))]
    move(
        tx,
        company,
        at,
        actor,
        [Move(row, "pending", "woken", load_reasons(row), detail={"by": wait_key}) for row in rows],
    )
    return len(rows)


def dump_reasons(reasons: Sequence[Reason]) -> str:
    """Reasons as they are kept."""
    return plain([reason.as_json() for reason in reasons]) if reasons else "[]"


def load_reasons(row: Row) -> tuple[Reason, ...]:
    """Reasons as they were kept."""
    return tuple(
        Reason(item["code"], item["message"], item.get("hint", ""), tuple(item.get("waits_for", ())))
        for item in (own(row["reasons"]) if row["reasons"] != "[]" else ())
    )


def _detail(reasons: Sequence[Reason]) -> Mapping[str, Any]:
    return {"reasons": [reason.as_json() for reason in reasons]} if reasons else {}
