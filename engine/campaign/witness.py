"""Watches what passes between us and both sides while it passes, and holds it against what is durable at that moment."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from engine.campaign.crash import Machine
from engine.dataclass import dataclass
from engine.evidence import plain_guid
from engine.rigs import Made, Told
from engine.store import facts, journal, stops
from engine.store.base import Row, Tx

_SET_ID = re.compile(r"[0-9A-Za-z]{22}")
# In one session an operation goes out once, and again after an answered look-up, which is bounded too.
_MOST_TRIES = 8
# Over its whole life; each sending beyond the first follows a look-up that found nothing, or a refusal that may pass.
_MOST_SENDINGS = 40
# So many objects that are gone at once tell of a restored company file.
_SEVERAL = 3
# The codes of a query that was answered, and of one that QuickBooks refused: nothing is known of that kind.
_SHOWN, _REFUSED = ("0", "1"), ("1000", "3260")
_PART = re.compile(r"-[0-9]+$")
# Queries that only read lists or ask which company file is open: no answer to them says what became of a write.
_IDLE = frozenset(
    f"{name}QueryRq"
    for name in (
        *("Host", "Company", "Preferences", "Account", "Class", "Customer", "Employee", "StandardTerms", "Terms"),
        *("DateDrivenTerms", "Item", "ItemSalesTax", "Currency"),
    )
)
# Names of elements never end in `Rq` below the level of requests, and every text in a document is escaped.
_REQUEST = re.compile(r"<(\w+Rq)\b([^>]*?)(/?)>")
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_RESPONSE = re.compile(r"<(\w+)QueryRs\b([^>]*)>")
_VERSION = re.compile(
    r"<(?:TxnID|ListID)>([^<]+)</\w+>(?:<Time\w+>[^<]*</Time\w+>)*<EditSequence>([^<]+)</EditSequence>"
)
_NAMED = re.compile(r"<(?:TxnID|ListID)>([^<]+)</\w+>")
_SEQUENCE = re.compile(r"<EditSequence>([^<]+)</EditSequence>")
# What a look through everything that was changed lately asks with.
_SINCE = re.compile(r"<(?:FromModifiedDate|ModifiedDateRangeFilter)>")
_NARROW = re.compile(r"<(?:RefNumber|TxnID|ListID|FullName|EntityFilter|RefNumberFilter)>")


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a document: its element, its requestID, and its text."""

    name: str
    id: str
    text: str

    @property
    def writes(self) -> bool:
        """Whether it makes, changes or voids something."""
        return self.name.endswith(("AddRq", "ModRq", "VoidRq"))


@dataclass(frozen=True, slots=True)
class Document:
    """A message set as it was handed out."""

    new: str
    old: str
    requests: tuple[Request, ...]

    @property
    def writes(self) -> tuple[Request, ...]:
        """Its writing requests."""
        return tuple(request for request in self.requests if request.writes)


@lru_cache(maxsize=16)
def read(document: str) -> Document:
    """Take a document apart."""
    head = document[document.index("<QBXMLMsgsRq") :]
    attributes = dict(_ATTRIBUTE.findall(head[: head.index(">")]))
    body = head[head.index(">") :]
    requests = []
    for found in _REQUEST.finditer(body):
        name = found[1]
        end = body.find(f"</{name}>", found.end()) if not found[3] else found.end()
        requests.append(Request(name, dict(_ATTRIBUTE.findall(found[2])).get("requestID", ""), body[found.end() : end]))
    return Document(attributes.get("newMessageSetID", ""), attributes.get("oldMessageSetID", ""), tuple(requests))


@dataclass(slots=True)
class Session:
    """What was answered in one session of an agent."""

    scanned: set[str] = field(default_factory=set)
    # Kinds that QuickBooks refused to show.
    refused: set[str] = field(default_factory=set)
    # Of each object that was shown, its versions in the order in which they were read.
    versions: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    tries: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Witness:
    """What was seen; `broken` names each invariant that did not hold, with a sentence."""

    machine: Machine
    # False when nobody reads the timeline: writing it takes a tenth of a schedule.
    keeps: bool = True
    broken: list[tuple[int, str]] = field(default_factory=list)
    lines: list[tuple[datetime, str]] = field(default_factory=list)
    # Object id -> operation id, and every object that each operation made, in any file.
    maker: dict[str, str] = field(default_factory=dict)
    astray: list[Made] = field(default_factory=list)
    # Every object that a request of ours ever made, by its id.
    made: dict[str, Made] = field(default_factory=dict)
    sets: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)
    handed: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    asked: dict[str, bool] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    calls: dict[str, str] = field(default_factory=dict)
    # The objects that QuickBooks named in this session when it was asked for the answer that it had kept.
    remembered: set[str] = field(default_factory=set)
    # The objects that people and backups took away from the books.
    taken_away: Callable[[], Collection[str]] = frozenset
    # Acknowledged webhooks, and how often our disk had been restored by then: a restore forgets them.
    events: dict[str, int] = field(default_factory=dict)
    sessions: defaultdict[int, Session] = field(default_factory=lambda: defaultdict(Session))

    @property
    def timeline(self) -> list[str]:
        """What happened, a line each."""
        return [f"{at:%d %H:%M:%S} {line}" for at, line in self.lines]

    def note(self, line: str) -> None:
        """One line of the timeline."""
        if self.keeps:
            self.lines.append((self.machine.clock.now(), line))

    def broke(self, invariant: int, text: str) -> None:
        """An invariant did not hold."""
        self.broken.append((invariant, text))
        self.note(f"BROKEN {invariant}: {text}")

    def restored(self) -> None:
        """An older copy of our store is in place: what it no longer knows it cannot keep apart."""
        for known in (self.sets, self.frozen, self.handed, self.sent, self.asked):
            known.clear()
        # What was looked through before may have been written since by the life that is lost.
        for session in self.sessions.values():
            session.scanned.clear()
        self.note("  an older copy of our store is put back")

    # --- the books ---

    def handed_out(self, document: str, place: str, session: int) -> None:
        """We gave a document away: everything about it must be durable, and allowed."""
        known = read(document)
        writes = known.writes
        if self.keeps:
            self.note(f"  -> {_shown(known)} [{place}{f', {session}' if session else ''}]")
        if writes and place != "home":
            self.broke(12, "a write was handed out while another company file was open")
        if not known.new:
            if writes:
                self.broke(8, "a write was handed out without a message-set id")
            if known.old:
                self.broke(9, f"the saved answer of {known.old} was thrown away without a new set")
            return
        tx = self.machine.tx
        _ids(self, tx, known.new, known.old)
        if writes:
            self._write(tx, document, known, self.sessions[session])

    def ran(self, document: str, place: str, made: Sequence[Made], answer: str) -> None:
        """The books ran a document."""
        if answer and not read(document).requests:
            self.remembered.update(_NAMED.findall(answer))
        if place != "home":
            self.astray += made
        if not made:
            return
        writes = read(document).writes
        names = [request.id for request in writes]
        for item in made:
            self.made[item.id] = item
            self.maker[item.id] = self._by_guid(item, names) or _by_kind(item, made, writes)
            if self.keeps:
                shown = item.amount if item.amount is not None else ""
                self.note(f"     made {item.kind} {item.id} {shown} [{place}]")

    def answered(self, document: str, response: str, session: int) -> None:
        """An answer reached us; one to a look-up allows sending again, one to a scan allows writing."""
        if "<QBXML" not in response or not document.startswith("<?xml"):
            return
        requests = read(document).requests
        looked = {r.name for r in requests if r.name.endswith("QueryRq") and r.name not in _IDLE}
        if looked and (looked != {"VendorQueryRq"} or "<FullName>" in document):
            self.asked = dict.fromkeys(self.asked, True)
        here = self.sessions[session]
        for name, version in _VERSION.findall(response):
            here.versions[name].append(version)
        answers = {attributes["requestID"]: attributes for attributes in _answers(response)}
        for request in requests:
            kind = request.name.removesuffix("QueryRq")
            answer = answers.get(request.id)
            if answer is None or request.name == kind:
                continue
            if answer.get("statusCode") not in _SHOWN:
                here.refused |= {kind} if answer.get("statusCode") in _REFUSED else set()
                continue
            is_last = answer.get("iteratorRemainingCount", "0") == "0"
            if is_last and ("iterator" in answer or _SINCE.search(request.text)) and not _NARROW.search(request.text):
                here.scanned.add(kind)

    def _write(self, tx: Tx, document: str, known: Document, session: Session) -> None:
        new = known.new
        row = tx.one("set_get", {"id": new, "company": self.machine.company})
        digest = sha256(document.encode()).hexdigest()
        if row is None or row["sha256"] != digest or row["state"] != "sent":
            self.broke(7, f"{new} went out and is not durable with these bytes")
        operations = tuple(request.id for request in known.writes)
        first = self.sets.setdefault(new, (digest, operations))
        if first[1] != operations:
            self.broke(8, f"{new} stood for {first[1]} and now stands for {operations}")
        elif first[0] != digest:
            self.broke(7, f"{new} went out with other bytes than before")
        # A process may have died before its first answer left: then nobody saw it, and only the store knows.
        again = self.handed[new] > 0 or (row is not None and row["attempts"] > 1)
        for request in known.writes:
            self._operation(tx, document, request)
            if request.name.endswith("ModRq"):
                _current(self, request, session, again=again)
            else:
                _scanned(self, request, session)
        _rolled_back(self, tx, new, session)
        halted = facts.recall(tx, self.machine.company, "halt")
        if halted is not None or stops.paused(tx, self.machine.company) is not None:
            self.broke(12, f"{new} went out while nothing may be written")
        open_set = tx.one("set_unsettled", {"company": self.machine.company})
        if open_set is not None and open_set["id"] != new:
            self.broke(11, f"{new} went out while {open_set['id']} is {open_set['state']}")
        if self.handed[new] and not self.asked.get(new):
            self.broke(13, f"{new} went out again, and nobody had looked for it")
        self.handed[new] += 1
        for name in operations:
            session.tries[name] += 1
            self.sent[name] += 1
            if session.tries[name] == _MOST_TRIES:
                self.broke(24, f"operation {name} went out {_MOST_TRIES} times in one session")
            if self.sent[name] == _MOST_SENDINGS:
                self.broke(24, f"operation {name} went out {_MOST_SENDINGS} times")
        self.asked[new] = False

    def _operation(self, tx: Tx, document: str, request: Request) -> None:
        name = request.id
        row = tx.one("operation_get", {"id": name})
        if row is None:
            self.broke(7, f"operation {name} went out and is not durable")
            return
        body = bytes(row["body"])
        if sha256(body).hexdigest() != row["sha256"] or body.decode("ascii", "replace") not in document:
            self.broke(7, f"operation {name} went out with other bytes than were frozen")
        # A modify is made anew from what is read in a session; within one message set its bytes stay.
        if request.name.endswith("AddRq") and self.frozen.setdefault(name, row["sha256"]) != row["sha256"]:
            self.broke(7, f"operation {name} was frozen twice")
        for other in tx.rows("operations_of_record", {"record_id": row["record_id"]}):
            if other["id"] != row["id"] and other["state"] in ("sent", "waiting", "held"):
                self.broke(2, f"operation {row['id']} went out while {other['id']} of its record is {other['state']}")

        if stops.held(tx, [row["record_id"]]):
            self.broke(12, f"operation {name} went out while a person holds its record back")
        if request.name.endswith("AddRq") and row["record_id"]:
            _decided(self, tx, row)

    def _by_guid(self, item: Made, names: Sequence[str]) -> str:
        guid = plain_guid(item.guid)
        for name in names if guid else ():
            row = self.machine.tx.one("operation_get", {"id": name})
            if row is not None and plain_guid(row["guid"]) == guid:
                return name
        return ""

    # --- the source ---

    def acknowledged(self, connection: str, body: bytes, changed: int) -> None:
        """We answered a webhook with 200: its event must be on disk, and must have had its effect once."""
        name = _event_name(body)
        if not name:
            # Its sender numbers no events: each is one of its own, however often it comes.
            if not changed:
                self.broke(16, "a webhook was acknowledged and is not on disk")
            return
        scope = {"company": self.machine.company, "connection": connection, "event_id": name}
        if self.machine.tx.one("webhook_get", scope) is None:
            self.broke(16, f"the webhook {name} was acknowledged and is not on disk")
        if name in self.events and changed and self.events[name] == self.machine.restores:
            self.broke(18, f"the webhook {name} came again, and changed {changed} rows")
        self.events[name] = self.machine.restores

    def hears(self, key: str, told: Sequence[Told], failed: Sequence[str]) -> None:
        """We tell the source something: what is said to be posted must be posted, durably, under that reference."""
        if self.keeps:
            self.note(f"  mark {[(t.stream, t.phase, t.id[:8], t.reference) for t in told]} failed {len(failed)}")
        content = repr((sorted((t.stream, t.phase, t.id, t.reference) for t in told), sorted(failed)))
        before = self.keys.setdefault(content, key)
        # A large call travels in parts, `<key>-0` and so on; when it is refused, its members go alone under keys of their own.
        if before != key and not _PART.search(before) and not _PART.search(key):
            self.broke(14, "the source was told the same thing under another idempotency key")
        is_repeated = key in self.calls
        if self.calls.setdefault(key, content) != content:
            self.broke(14, "the source was told another thing under the same idempotency key")
        # A call whose outcome is not known is made again as it was, whatever has become of its records since.
        for item in () if is_repeated or self._was_begun(key) else told:
            self._told(self.machine.tx, item)

    def _was_begun(self, key: str) -> bool:
        """Whether a process died over the call before, so that none of ours can know that nothing of it was sent."""
        return _PART.sub("", key) in self.machine.begun

    def _told(self, tx: Tx, item: Told) -> None:
        row = self.record(tx, item.stream, item.phase, item.id)
        state = row["state"] if row is not None else "not known"
        receipt = json.loads(row["receipt"] or "{}") if row is not None else {}
        if state not in ("posted", "closed", "vanished"):
            self.broke(14, f"{item.stream}/{item.id} was told to be posted while it is {state}")
        elif item.reference is not None and receipt.get("TxnID") != item.reference:
            self.broke(14, f"{item.stream}/{item.id} was told under {item.reference}, not {receipt.get('TxnID')}")

    def record(self, tx: Tx, stream: str, phase: str, source_id: str) -> Row | None:
        """Our record of a source record; `stream` is the source's name of it.

        Of several streams that read the same, it is the one that the source is told of, or else the first.
        """
        flow = self.machine.program.flow
        read = [named for named in flow.streams if named.fetch.stream == stream and named.phase == phase]
        meant = next((named for named in read if named.mark_synced), read[0] if read else None)
        if meant is None:
            return None
        scope = {"company": self.machine.company, "flow": flow.name, "stream": meant.name}
        return tx.one("record_find", {**scope, "source_id": source_id, "phase": phase})


def _by_kind(item: Made, made: Sequence[Made], writes: Sequence[Request]) -> str:
    """What made an object that carries no marker, such as a transfer: by its place among its kind, or by its amount."""
    named = [request for request in writes if request.name == f"{item.kind}AddRq"]
    same = [each for each in made if each.kind == item.kind]
    if len(named) == len(same):
        return named[same.index(item)].id
    alike = [request.id for request in named if f"<Amount>{item.amount}</Amount>" in request.text]
    return alike[0] if len(alike) == 1 else ""


def _ids(witness: Witness, tx: Tx, new: str, old: str) -> None:
    if not _SET_ID.fullmatch(new):
        witness.broke(8, f"the message-set id `{new}` is not 22 characters of base 62")
    if old and old != new:
        row = tx.one("set_get", {"id": old, "company": witness.machine.company})
        if row is None or row["state"] != "settled":
            witness.broke(9, f"oldMessageSetID {old} is {row['state'] if row else 'not known'}")


def _scanned(witness: Witness, request: Request, session: Session) -> None:
    """Nothing new before its kind was looked through, nothing voided before it was read."""
    if request.name.endswith("VoidRq"):
        _was_read(witness, request, session)
        return
    kind = request.name.removesuffix("AddRq")
    if kind not in session.scanned:
        witness.broke(12, f"{request.name} {request.id} went out, and nobody had looked through {kind} in this session")


def _rolled_back(witness: Witness, tx: Tx, new: str, session: Session) -> None:
    """Nothing is written into a company file that lacks several of the objects that we believe to be there.

    While QuickBooks refuses to show one kind, the others go on: of that kind nobody can know.
    """
    unseen = session.refused
    gone = [one for one in witness.taken_away() if (made := witness.made.get(one)) is None or made.kind not in unseen]
    if len(gone) < _SEVERAL:
        return
    scope = {"company": witness.machine.company, "state": "", "flow": "", "limit": 100_000}
    rows = [row for row in tx.rows("records_listing", scope) if row["state"] in ("posted", "closed")]
    receipts = [json.loads(row["receipt"] or "{}") for row in rows]
    missing = {str(each.get("TxnID") or each.get("ListID")) for each in receipts} & set(gone)
    if len(missing) >= _SEVERAL:
        witness.broke(12, f"{new} went out although {len(missing)} objects of ours are gone, and nobody had noticed")


def _current(witness: Witness, request: Request, session: Session, *, again: bool) -> None:
    """Nothing changed but what was read in this session, as it was read last.

    What goes out `again` keeps its bytes (7). A person may have changed the object after the look-up that allows it, and
    the look around that follows then reads a newer version: QuickBooks refuses the older one (3200), and nothing is lost.
    """
    target, version = _NAMED.search(request.text), _SEQUENCE.search(request.text)
    read_now = session.versions.get(target[1], []) if target else []
    allowed = read_now if again else read_now[-1:]
    if version is None or version[1] not in allowed:
        said, newest = version[1] if version else "none", read_now[-1] if read_now else None
        witness.broke(22, f"{request.name} {request.id} went out with EditSequence {said}, and {newest} was read")


def _was_read(witness: Witness, request: Request, session: Session) -> None:
    """Nothing voided but what was read in this session: a void names no version that the books could refuse."""
    target = _NAMED.search(request.text)
    if target is None or target[1] not in session.versions:
        witness.broke(22, f"{request.name} {request.id} went out, and nobody had read its object in this session")


def _decided(witness: Witness, tx: Tx, operation: Row) -> None:
    """What was posted and is gone is posted again only when a person said so."""
    record = tx.one("record_get", {"id": operation["record_id"]})
    if record is None or record["receipt"] is None:
        return
    events = [line["event"] for line in journal.of_record(tx, record["id"])]
    last = {event: number for number, event in enumerate(events)}
    if last.get("vanished", -1) > max(last.get("post_again", -1), last.get("back", -1), last.get("declared", -1)):
        witness.broke(2, f"operation {operation['id']} went out for a record that is gone, and nobody had said so")


def _answers(response: str) -> list[dict[str, str]]:
    found = [dict(_ATTRIBUTE.findall(match[2])) for match in _RESPONSE.finditer(response)]
    return [attributes for attributes in found if "requestID" in attributes]


def _shown(document: Document) -> str:
    names = Counter(request.name for request in document.requests)
    said = ", ".join(f"{name} x{count}" if count > 1 else name for name, count in names.items())
    ids = ", ".join(request.id for request in document.requests)
    return f"{said or 'status'} ({ids}) new={document.new} old={document.old}" if document.new or document.old else said


def _event_name(body: bytes) -> str:
    """The id that the sender gave an event: at the top, or under `metadata`; the whole may stand in a text of JSON.

    Empty for an event that is no JSON: a form has no id.
    """
    if not body.lstrip().startswith((b"{", b'"')):
        return ""
    event = json.loads(body)
    event = json.loads(event) if isinstance(event, str) else event
    about = event.get("metadata", {})
    return str(event.get("id") or about.get("eventId", ""))
