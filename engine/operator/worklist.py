"""What waits for a person, and what a person does about it: map, set, try again, decide about what is gone or edited."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal

from engine import follow, holdings, money
from engine.contract import OperationOutcome
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import FlowctlError
from engine.follow import Hand
from engine.model import Flow
from engine.operator import elsewhere, resting
from engine.resetting import looked_anew
from engine.store import companies, journal, lists, marks, outbox, records, reports, work
from engine.store import holdings as kept
from engine.store.base import Row, Tx
from engine.store.holdings import Accepted
from engine.store.records import Move, Reason

Value = str | int | bool
# Why a change of a posted record was not made: the target's object was edited, deleted, or cannot be made so.
_CLASHES = frozenset({"edited_there", "gone_there", "not_emptied", "not_changeable", "paid_there"})
# No change can be made of it, whatever the source says: a person makes it.
_OTHER_KIND = "other_kind"
# Whatever becomes of what is gone from the target: a change of it has nothing to change, and the source is read for it anew.
_NOT_THERE = Reason("not_there", "what it was to change is gone from the target")
# An id as targets show it, such as a TxnID or ListID of QuickBooks: 1A2B-1234567890.
TARGET_ID = re.compile(r"[0-9A-Fa-f-]{1,64}")
_QUICKBOOKS_ID = re.compile(r"[0-9A-Fa-f]{1,16}-[0-9A-Fa-f]{1,16}")
_FOLLOWS = "nothing: they follow by themselves when the other record is posted"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parked record as a person wants to see it."""

    id: int
    stream: str
    source_id: str
    reference: str
    party: str
    dated_on: str
    amount: Decimal | None
    currency: str
    since: str


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is missing, and what waits for it; `key` and `label` are those of a missing mapping."""

    flow: str
    code: str
    message: str
    fix: str
    lookup: str = ""
    key: str = ""
    label: str = ""
    records: tuple[Waiting, ...] = ()

    @property
    def money(self) -> Mapping[str, Decimal]:
        """How much waits, by currency."""
        return sums((r.currency, r.amount) for r in self.records)


@dataclass(frozen=True, slots=True)
class Retried:
    """What trying again came to."""

    moved: tuple[Row, ...]
    refused: tuple[tuple[Row, str], ...]


@dataclass(slots=True)
class _Group:
    reason: Reason
    lookup: str
    key: str
    label: str
    rows: dict[int, Waiting] = field(default_factory=dict)


def sums(amounts: Iterable[tuple[str, Decimal | None]]) -> dict[str, Decimal]:
    """Exact sums by currency, in the order of the currencies' names."""
    found: dict[str, list[Decimal]] = {}
    for currency, amount in amounts:
        if amount is not None:
            found.setdefault(currency, []).append(amount)
    return {currency: money.total(parts) for currency, parts in sorted(found.items())}


def parked(tx: Tx, company: str, state: str, flow: str = "", stream: str = "") -> list[Row]:
    """The records of a state, without their payloads."""
    return tx.rows("records_parked", {"company": company, "state": state, "flow": flow, "stream": stream})


def waiting(row: Row) -> Waiting:
    """A record's row for people."""
    return Waiting(
        row["id"],
        row["stream"],
        row["source_id"],
        row["reference"] or "",
        row["party"] or "",
        row["dated_on"] or "",
        Decimal(row["amount"]) if row["amount"] is not None else None,
        row["currency"] or "",
        row["updated_at"],
    )


def gaps(tx: Tx, company: str, flow: str = "") -> list[Gap]:
    """Everything that deferred records wait for, the most waited for first; of flows that are off only where it is named."""
    off = frozenset[str]() if flow else resting.off(tx, company)
    groups: dict[tuple[str, ...], _Group] = {}
    # Records that wait for the same have the same reasons, which are understood once.
    known: dict[tuple[str, str, str], tuple[_Group, ...]] = {}
    for row in (each for each in parked(tx, company, "deferred", flow) if each["flow"] not in off):
        place = (row["flow"], row["stream"], row["reasons"])
        if place not in known:
            known[place] = tuple(groups.setdefault(name, group) for name, group in _groups(row))
        item = waiting(row)
        for group in known[place]:
            group.rows[item.id] = item
    found = [_gap(company, name[0], group) for name, group in groups.items()]
    return sorted(found, key=lambda gap: (-len(gap.records), gap.flow, gap.lookup, gap.key, gap.message))


def _groups(row: Row) -> Iterator[tuple[tuple[str, ...], _Group]]:
    """What a record waits for, each by what records that wait for the same have in common."""
    for reason in records.load_reasons(row):
        lookup, key, label = reason.missing
        kind = (reason.code, lookup, key) if lookup else (reason.code, row["stream"] + reason.message)
        if _follows(reason):
            kind = (reason.code, row["stream"])
        yield (row["flow"], *kind), _Group(reason, lookup, key, label)


def _gap(company: str, flow: str, group: _Group) -> Gap:
    reason = group.reason
    rows = tuple(group.rows.values())
    if group.lookup and reason.code == "unmapped":
        words = ["flowctl", "map", "set", flow, group.lookup, group.key]
        where = of_company(company)
        fix = f"{shlex.join(words)} 'NAME THERE'{where}"
        return Gap(flow, reason.code, reason.message, fix, group.lookup, group.key, group.label, rows)
    if _follows(reason):
        return Gap(flow, reason.code, "another record must be posted first", _FOLLOWS, records=rows)
    return Gap(
        flow,
        reason.code,
        reason.message,
        reason.hint or f"flowctl retry --state deferred{of_company(company)}",
        group.lookup,
        group.key,
        group.label,
        rows,
    )


def _follows(reason: Reason) -> bool:
    """Whether the record waits for another one only, about which nobody has to decide."""
    return reason.code == "not_posted" and "`flowctl " not in reason.hint


# --- mappings --------------------------------------------------------------------------------------------------------


def label_of(tx: Tx, company: str, flow: str, lookup: str, key: str) -> str:
    """What people call the key, as the row that there is says, or a record that waits for it; empty when nothing does."""
    kept = tx.one("mapping_get", {"company": company, "flow": flow, "lookup": lookup, "source_key": key})
    if kept is not None and kept["label"]:
        return str(kept["label"])
    for record in tx.rows("waits_on", {"company": company, "wait_key": f"mapping:{lookup}:{key}"}):
        for reason in records.load_reasons(record) if record["flow"] == flow else ():
            found, named, label = reason.missing
            if (found, named) == (lookup, key) and label != key:
                return label
    return ""


def prepared(tx: Tx, company: str, flow: str) -> int:
    """How many records are prepared; a change of what they were prepared with takes back those that were not sent."""
    rows = tx.rows("record_counts", {"company": company, "flow": flow})
    return sum(row["count"] for row in rows if row["state"] == "intended")


def save_mapping(tx: Tx, hand: Hand, flow: Flow, row: lists.Mapping) -> int:
    """Save a person's mapping, close the alerts it answers, wake what waited for it; returns how many records woke."""
    scope = {"company": hand.company, "wait_key": f"mapping:{row.lookup}:{row.source_key}"}
    subjects = set()
    for record in tx.rows("waits_on", scope):
        for reason in records.load_reasons(record):
            lookup, key, _ = reason.missing
            # Many records that miss the same value share one alert, under the value's first name.
            if lookup == row.lookup and scope["wait_key"] in reason.waits_for:
                subjects.add(f"{record['flow']}/{lookup}/{key}")
    woken = follow.map_value(tx, hand, flow, row)
    for subject in subjects:
        for kind in ("deferred", "failed"):
            work.resolve_alert(tx, hand.company, kind, subject, hand.at)
    return woken


def drop_mapping(tx: Tx, hand: Hand, flow: Flow, lookup: str, key: str) -> bool:
    """Remove a mapping; what was posted with it stays, what waits is prepared anew. False when there was none."""
    if not lists.drop_mapping(tx, hand.company, flow.name, lookup, key):
        return False
    entry = journal.Entry("unmapped", flow.name, detail={"lookup": lookup, "key": key})
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])
    follow.reconsider(tx, hand, flow.name, key, f"mapping:{lookup}:{key}")
    return True


# --- settings --------------------------------------------------------------------------------------------------------


def put_setting(
    tx: Tx, hand: Hand, flow: Flow, name: str, value: Value | None, scope: str = "", *, why: str = ""
) -> int:
    """Set a flow's setting, in general or for a scope, or go back with None; returns how many records are looked at anew."""
    if value is None:
        companies.drop_setting(tx, hand.company, flow.name, name, scope)
    else:
        companies.put_setting(tx, hand.company, flow.name, name, value, scope)
    detail = {"setting": companies.setting_key(name, scope), "value": value, **({"why": why} if why else {})}
    journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("setting", flow.name, detail=detail)])
    return looked_anew(tx, hand, flow, name)


# --- trying again ----------------------------------------------------------------------------------------------------

_WHY = {
    "pending": "it waits for nothing; the next run prepares it",
    "intended": "it is prepared, and is sent next",
    "sent": "it is under way; a second one would be posted twice",
    "unknown": "it was sent and its outcome is not known; a second one could be posted twice",
    "unsent": "QuickBooks may hold it already; nothing was sent",
    "posted": "it is posted",
    "closed": "it is posted, and the source knows",
    "skipped": "it is not to be written",
    "vanished": "it was posted and is gone from the target; decide with `flowctl reconcile --post-again` or `--leave-out`",
}


def chosen(tx: Tx, company: str, names: Sequence[str]) -> tuple[list[Row], list[str]]:
    """Records by their number, source id or reference; and the names that fit none."""
    found: dict[int, Row] = {}
    unknown = []
    for name in names:
        rows = list(tx.rows("records_by_source_id", {"company": company, "source_id": name}))
        number = int(name) if re.fullmatch(r"[0-9]{1,18}", name, re.ASCII) else None
        if not rows and number is not None:
            row = tx.one("record_get", {"id": number})
            rows = [row] if row is not None and row["company"] == company else []
        if not rows:
            unknown.append(name)
        found.update({row["id"]: row for row in rows})
    return list(found.values()), unknown


def retry(tx: Tx, hand: Hand, rows: Sequence[Row], reason: str) -> Retried:
    """Make failed and deferred records pending again; never one that may be in the target."""
    moved, refused = [], []
    for row in rows:
        why = _refusal(tx, row)
        if why:
            refused.append((row, why))
            continue
        full = tx.one("record_get", {"id": row["id"]})
        assert full is not None
        follow.quiet(tx, hand, full)
        operation = tx.one("operation_get", {"id": full["operation_id"]}) if full["operation_id"] else None
        if operation is not None and operation["state"] == "held":
            # It was refused there and held for a person; the next try is an operation of its own.
            outbox.put(tx, operation["id"], "cancelled")
        step = Move(full, "pending", "retried", detail={"why": reason} if reason else {})
        records.move(tx, hand.company, hand.at, hand.actor, [step])
        moved.append(row)
    return Retried(tuple(moved), tuple(refused))


def _refusal(tx: Tx, row: Row) -> str:
    state = row["state"]
    if state not in ("failed", "deferred"):
        reasons = records.load_reasons(row)
        detail = "; ".join(reason.message for reason in reasons)
        why = _WHY["unsent" if held(tx, [row], unsent=True) else state]
        hints = "; ".join(reason.hint for reason in reasons if state == "unknown" and reason.hint)
        return why + (f" ({detail})" if detail else "") + (f"; {hints}" if hints else "")
    full = tx.one("record_get", {"id": row["id"]})
    operation = tx.one("operation_get", {"id": full["operation_id"]}) if full and full["operation_id"] else None
    if operation is not None and operation["state"] in ("waiting", "sent"):
        return f"its request {operation['id']} is {operation['state']}"
    return ""


def named(tx: Tx, rows: Sequence[Row]) -> list[Row]:
    """Those of which a person can say which object they are in the target.

    Held ones; what a called target refused, perhaps since they are there, entered by hand; and what was posted and is gone,
    perhaps since somebody entered it anew.
    """
    refused = [row for row in rows if row["state"] == "failed" and _refused(tx, row["id"]) is not None]
    gone = [row for row in rows if row["state"] == "vanished" and elsewhere.is_open(tx, row)]
    return [*held(tx, rows), *refused, *gone]


def _refused(tx: Tx, record_id: int) -> Row | None:
    """The first write of a record that failed, when a called target refused it; None otherwise."""
    record = tx.one("record_get", {"id": record_id})
    if record is None or record["state"] != "failed" or records.is_change(record) or records.was_posted(record):
        return None
    operation = tx.one("operation_get", {"id": record["operation_id"]}) if record["operation_id"] else None
    is_refused = operation is not None and operation["state"] == "done" and follow.is_push(operation)
    return operation if is_refused else None


def held(tx: Tx, rows: Sequence[Row], *, unsent: bool = False) -> list[Row]:
    """Those about which a person can say whether they are in the target; with `unsent`, held before they were sent."""
    found = [(row, outbox.held(tx, row["id"])) for row in rows if row["state"] == "unknown"]
    return [
        row
        for row, held in found
        if held is not None and not (unsent and (held["message_set_id"] or follow.is_push(held)))
    ]


class NotHeld(FlowctlError):
    """A record whose outcome is found out without a person, or is known."""

    def __init__(self, row: Row) -> None:
        place = f"{row['flow']}/{row['stream']}/{row['source_id']}"
        super().__init__(
            f"{place} is {row['state']}, and waits for nobody's word",
            hint="only a record that is `unknown`, and whose message set is settled, is decided by a person",
        )


class Taken(FlowctlError):
    """What a person names stands for another record."""

    def __init__(self, row: Row, message: str) -> None:
        super().__init__(
            f"{row['flow']}/{row['stream']}/{row['source_id']}: {message}",
            hint="look for the one that is this record; when there is none, say --not-there",
        )


class LookedFor(FlowctlError):
    """A change of an object in a called target, of which a person says only which object is meant."""

    def __init__(self, row: Row) -> None:
        super().__init__(
            f"{row['flow']}/{row['stream']}/{row['source_id']}: this is a change of what is posted, and that the posted "
            "object is there does not say that it was changed",
            hint="run it with --not-there: the object is looked at once more, and changed unless it is as it is to be",
        )


def declare(tx: Tx, hand: Hand, row: Row, target_id: str | None, reason: str) -> None:
    """A person has looked: the record is in the target under `target_id`, or is not there (None) and is tried again.

    A record that a called target refused can be there as well: it may have been refused for that. One that is gone can be
    there under another id.

    Raises:
        NotHeld: unless the record is held for a person, refused or gone, and nothing of it is under way.
        Taken: when the target's object is there for another record.
        LookedFor: when a change of an object in a called target is said to be there.
    """
    full = tx.one("record_get", {"id": row["id"]})
    if full is not None and target_id is not None:
        target_id = _as_shown(tx, full, target_id)
    if full is not None and full["state"] == "vanished" and target_id is not None:
        _found_elsewhere(tx, hand, full, target_id, reason)
        return
    operation = outbox.held(tx, row["id"])
    refused = _refused(tx, row["id"]) if target_id is not None else None
    if full is None or (refused is None and (full["state"] != "unknown" or operation is None)):
        raise NotHeld(row)
    operation = refused or operation
    assert operation is not None
    if target_id is not None and records.is_change(full) and follow.is_push(operation):
        raise LookedFor(full)
    unsettled = tx.one("set_unsettled", {"company": hand.company})
    if unsettled is not None and unsettled["id"] == operation["message_set_id"]:
        raise NotHeld(row)
    taken = follow.other_record_of(tx, operation, target_id or "")
    if taken:
        raise Taken(full, taken)
    follow.quiet(tx, hand, full)
    detail = {"operation": operation["id"], "target_id": target_id, **({"why": reason} if reason else {})}
    entry = journal.Entry(
        "declared", full["flow"], full["stream"], full["id"], full["source_id"], full["state"], full["state"], detail
    )
    journal.append(tx, hand.company, hand.at, hand.actor, [entry])
    if target_id is not None:
        receipt = follow.receipt_for(operation, target_id)
        outcome = OperationOutcome(operation["id"], "posted", receipt, message="a person found it there")
        shown = tx.one("sighting_get", {"company": hand.company, "target_id": target_id})
        follow.settle(tx, hand, operation, outcome)
        if not operation["target_id"] and not follow.is_push(operation):
            posted = tx.one("record_get", {"id": row["id"]})
            assert posted is not None
            # What was looked through knows of what kind it is: as another one it would be missed, and said to be gone.
            kind = shown["kind"] if shown is not None else kept.kind_of(operation["request"])
            holdings.claim(tx, hand, posted, kind, receipt, shown)
        return
    outbox.put(tx, operation["id"], "cancelled")
    absent = Reason("absent", "a person found that it is not in the target")
    records.move(tx, hand.company, hand.at, hand.actor, [Move(full, "failed", "failed", (absent,))])
    again = tx.one("record_get", {"id": row["id"]})
    assert again is not None
    records.move(tx, hand.company, hand.at, hand.actor, [Move(again, "pending", "retried")])


def _as_shown(tx: Tx, row: Row, target_id: str) -> str:
    """The id as QuickBooks writes it, in capitals: typed otherwise it would be an object that nobody knows."""
    operation = tx.one("operation_get", {"id": row["operation_id"]}) if row["operation_id"] else None
    is_other = operation is None or follow.is_push(operation) or not _QUICKBOOKS_ID.fullmatch(target_id)
    return target_id if is_other else target_id.upper()


def _found_elsewhere(tx: Tx, hand: Hand, row: Row, target_id: str, reason: str) -> None:
    if not elsewhere.is_open(tx, row):
        raise NotHeld(row)
    taken = elsewhere.taken(tx, row, target_id)
    if taken:
        raise Taken(row, taken)
    elsewhere.found(tx, hand, row, target_id, reason)


# --- what is gone from the target ------------------------------------------------------------------------------------


def vanished(tx: Tx, company: str) -> list[Waiting]:
    """The records whose object is gone from the target, and about which nobody has decided."""
    return [waiting(row) for row in parked(tx, company, "vanished")]


def post_again(tx: Tx, hand: Hand, rows: Sequence[Row], reason: str) -> Retried:
    """What is gone from the target is to be there: the records are pending again, under the marker they always had."""
    detail = {"why": reason} if reason else {}
    return _decide(tx, hand, rows, lambda row: Move(row, "pending", "post_again", detail=detail))


def leave_out(tx: Tx, hand: Hand, rows: Sequence[Row], reason: str) -> Retried:
    """What is gone from the target is to stay so: the records are skipped until somebody posts them again.

    A change that met an edit in the target, or that the target refused, is left out too: what is there stands, until the
    source says something else.
    """
    gone = Reason("left_out", "it was posted and is gone from the target, and a person left it out")
    edited = Reason("left_out", "what is in the target is right, and a person left the change out")
    detail = {"why": reason} if reason else {}

    def step(row: Row) -> Move:
        return Move(row, "skipped", "left_out", (edited if records.is_change(row) else gone,), detail=detail)

    return _decide(tx, hand, rows, step)


def clashes(tx: Tx, company: str) -> set[int]:
    """The changes that met an edit in the target, or that it refused, by number: they can be left out."""
    rows = [*parked(tx, company, "deferred"), *parked(tx, company, "failed")]
    return {row["id"] for row in rows if _clashes(tx, tx.one("record_get", {"id": row["id"]}))}


def _clashes(tx: Tx, row: Row | None) -> bool:
    if row is None or not records.is_change(row):
        return False
    if row["state"] == "failed":
        operation = tx.one("operation_get", {"id": row["operation_id"]}) if row["operation_id"] else None
        is_refused = operation is not None and operation["state"] == "done"
        return is_refused or any(reason.code == _OTHER_KIND for reason in records.load_reasons(row))
    return row["state"] == "deferred" and any(reason.code in _CLASHES for reason in records.load_reasons(row))


def _decide(tx: Tx, hand: Hand, rows: Sequence[Row], step: Callable[[Row], Move]) -> Retried:
    moved, refused = [], []
    for row in rows:
        full = tx.one("record_get", {"id": row["id"]})
        assert full is not None
        move = step(full)
        why = _undecided(tx, full, move.to)
        if why:
            refused.append((row, why))
            continue
        follow.quiet(tx, hand, full)
        records.move(tx, hand.company, hand.at, hand.actor, [move])
        marks.withdraw(tx, hand.company, full["id"], hand.at)
        # Who waits for it must look again, and say what is so now.
        records.wake(tx, hand.company, hand.at, hand.actor, f"posted:{full['stream']}:{full['source_id']}")
        if not records.is_change(full):
            follow.drop_change(tx, hand, full, _NOT_THERE)
            holdings.decided(tx, hand, full)
        moved.append(row)
    return Retried(tuple(moved), tuple(refused))


def _undecided(tx: Tx, row: Row, to: str) -> str:
    """Why there is nothing to decide about a record; empty when there is. What was left out can still be posted again."""
    if row["state"] == "vanished" or (to == "skipped" and _clashes(tx, row)):
        return ""
    if to == "pending" and row["state"] == "skipped":
        return "" if any(r.code == "left_out" for r in records.load_reasons(row)) else _WHY["skipped"]
    return _WHY.get(row["state"], "it was never posted, so it is not gone from the target")


# --- what was changed in the target ----------------------------------------------------------------------------------


def accept(
    tx: Tx, hand: Hand, rows: Sequence[Row], reason: str, shown: Mapping[int, Accepted] | None = None
) -> Retried:
    """What somebody changed in the target is right: as it is now it is no news any more; any other change is.

    `shown` is what a comparison of both sides found in the books, by the number of the record.
    """
    moved, refused = [], []
    for row in rows:
        full = tx.one("record_get", {"id": row["id"]})
        assert full is not None
        there = [each for each in kept.of_record(tx, full["id"]) if each["state"] == "there"]
        news = tuple(text for each in there for text in kept.unaccepted(each, kept.differences(each)))
        seen = (shown or {}).get(full["id"])
        why = "" if full["state"] in ("posted", "closed") else _WHY.get(full["state"], "it is not posted")
        if not why and not (there and (news or seen)):
            why = "QuickBooks has it as it was posted, or as it was accepted before"
        if why:
            refused.append((row, why))
            continue
        for each in there:
            # What the books showed before is not what they show now, unless they were asked since.
            kept.accept(tx, each, replace(seen or Accepted(), differences=kept.differences(each)))
        told = {"differences": list(news), **({"there": dict(seen.there)} if seen else {})}
        detail = {"target_id": there[-1]["target_id"], **told, **({"why": reason} if reason else {})}
        place = (full["flow"], full["stream"], full["id"], full["source_id"], full["state"], full["state"])
        journal.append(tx, hand.company, hand.at, hand.actor, [journal.Entry("accepted", *place, detail)])
        subject = f"{full['flow']}/{full['stream']}/{full['source_id']}"
        work.resolve_alert(tx, hand.company, "edited", subject, hand.at)
        reports.decide(tx, full, reports.EDITED, "accepted as it is", (hand.actor, hand.at))
        moved.append(row)
    return Retried(tuple(moved), tuple(refused))
