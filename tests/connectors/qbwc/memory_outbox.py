"""An outbox in memory, faithful to the store's rules: a failed block leaves nothing, one set is unsettled, ids are used once."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from engine.clock import iso
from engine.contract import Desk, Json, ListObject, Login, MessageSet, Operation, OperationOutcome
from engine.errors import Bug, StoreBusy
from engine.evidence import Figures, Holding, Seen, Sighting, Span, Told

START = datetime.fromisoformat("2026-11-21T09:00:00+00:00")


class FakeClock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return (self.moment - START).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class FakeIds:
    """Names that count upward."""

    def __init__(self) -> None:
        self.count = 0

    def base62(self, length: int) -> str:
        self.count += 1
        return f"T{self.count:0{length - 1}d}"

    def fraction(self) -> float:
        return 0.5


@dataclass
class Waiting:
    operation: Operation
    state: str = "waiting"
    not_before: datetime = START
    set_id: str = ""
    outcomes: list[OperationOutcome] = field(default_factory=list)


@dataclass
class Data:
    """Everything that is durable."""

    logins: dict[str, Login] = field(default_factory=dict)
    sessions: dict[str, tuple[str, Json, bool]] = field(default_factory=dict)
    identities: dict[str, Json] = field(default_factory=dict)
    notes: list[tuple[str, str, bool]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    operations: dict[str, Waiting] = field(default_factory=dict)
    pending: list[Operation] = field(default_factory=list)
    sets: dict[str, MessageSet] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)
    lists: dict[str, dict[str, ListObject]] = field(default_factory=dict)
    loading: dict[str, dict[str, ListObject]] = field(default_factory=dict)
    due: list[str] = field(default_factory=list)
    facts: dict[str, Json] = field(default_factory=dict)
    over: list[str] = field(default_factory=list)
    reopened: int = 0
    said: dict[str, Told] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    looked: dict[str, str] = field(default_factory=dict)
    differences: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sightings: dict[str, Sighting] = field(default_factory=dict)
    scanned: dict[str, datetime] = field(default_factory=dict)
    checked_at: datetime | None = None
    halted: str | None = None
    span: Span | None = None
    figures: list[Figures] = field(default_factory=list)
    finished: list[tuple[int, str]] = field(default_factory=list)


class MemoryOutbox:
    """Hands out desks over `data`; `break_next` makes the next commit fail, as a killed process would."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.data = Data()
        self.busy = False
        self.break_next = 0

    def login(self, user: str) -> Login | None:
        if self.busy:
            raise StoreBusy
        return self.data.logins.get(user)

    def company_of(self, ticket_hash: str) -> str | None:
        if self.busy:
            raise StoreBusy
        found = self.data.sessions.get(ticket_hash)
        return found[0] if found and found[2] else None

    @contextmanager
    def transaction(self, company: str | None = None) -> Iterator[Desk]:
        if self.busy:
            raise StoreBusy
        saved = copy.deepcopy(self.data)
        try:
            yield Desk(
                MemorySessions(self),
                MemoryOperations(self),
                MemoryBooks(self),
                MemoryUnsent(self),
                MemoryHoldings(self),
                MemoryReconciling(self),
            )
            self._commit()
        except BaseException:
            self.data = saved
            raise

    def _commit(self) -> None:
        if self.break_next:
            self.break_next -= 1
            raise StoreBusy

    def add(self, operation: Operation) -> None:
        self.data.operations[operation.id] = Waiting(operation)

    def outcome(self, operation_id: str) -> OperationOutcome | None:
        found = self.data.operations[operation_id].outcomes
        return found[-1] if found else None


class MemorySessions:
    def __init__(self, outbox: MemoryOutbox) -> None:
        self.data = outbox.data

    def passed(self, company: str, ticket_hash: str, state: Json) -> bool:
        return False

    def open(self, company: str, ticket_hash: str, state: Json) -> tuple[Json, ...]:
        earlier = [key for key, (owner, _, is_open) in self.data.sessions.items() if owner == company and is_open]
        states = tuple(self.data.sessions[key][1] for key in earlier)
        for key in earlier:
            self.close(key)
        self.data.sessions[ticket_hash] = (company, state, True)
        return states

    def load(self, ticket_hash: str) -> tuple[str, Json] | None:
        found = self.data.sessions.get(ticket_hash)
        return (found[0], found[1]) if found and found[2] else None

    def save(self, ticket_hash: str, state: Json) -> None:
        if self.load(ticket_hash) is None:
            raise Bug("a closed session cannot be saved")
        self.data.sessions[ticket_hash] = (self.data.sessions[ticket_hash][0], state, True)

    def close(self, ticket_hash: str) -> None:
        if ticket_hash in self.data.sessions:
            company, state, _ = self.data.sessions[ticket_hash]
            self.data.sessions[ticket_hash] = (company, state, False)

    def in_vain(self, company: str, ticket_hash: str) -> None:
        self.close(ticket_hash)

    def identity(self, company: str) -> Json | None:
        return self.data.identities.get(company)

    def bind(self, company: str, identity: Json) -> None:
        self.data.identities.setdefault(company, dict(identity))

    def note(self, company: str, event: str, message: str, detail: Json | None = None, *, alert: bool = False) -> None:
        self.data.notes.append((event, message, alert))

    def refused(self, company: str, user: str) -> None:
        self.data.refused.append((company, user))

    def recall(self, company: str, name: str) -> Json | None:
        return self.data.facts.get(name)

    def remember(self, company: str, name: str, value: Json) -> None:
        self.data.facts[name] = dict(value)

    def over(self, company: str, event: str) -> None:
        self.data.over.append(event)


class MemoryOperations:
    def __init__(self, outbox: MemoryOutbox) -> None:
        self.data = outbox.data
        self.clock = outbox.clock

    def none(self, company: str) -> bool:
        waits = any(each.state == "waiting" for each in self.data.operations.values())
        return self.unsettled(company) is None and not waits and not self.data.pending

    def backlog(self, company: str) -> int:
        return len(self._ready())

    def refill(self, company: str) -> int:
        taken, self.data.pending[:] = self.data.pending[:2], self.data.pending[2:]
        for operation in taken:
            self.data.operations[operation.id] = Waiting(operation)
        return len(taken)

    def next(
        self, company: str, limit: int, *, without: Sequence[str] = (), later: Sequence[str] = ()
    ) -> tuple[Operation, ...]:
        found = [op for op in self._ready() if op.request not in without and op.id not in later]
        return () if self.unsettled(company) or self.data.halted else tuple(found[:limit])

    def _ready(self) -> list[Operation]:
        now = self.clock.now()
        rows = [row for row in self.data.operations.values() if row.state == "waiting" and row.not_before <= now]
        return [replace(row.operation, sent_before=bool(row.set_id)) for row in rows]

    def unsettled(self, company: str) -> MessageSet | None:
        return next((item for item in self.data.sets.values() if item.state != "settled"), None)

    def freeze(self, company: str, message_set: MessageSet) -> None:
        if self.unsettled(company) is not None:
            raise Bug("a second unsettled set")
        if message_set.id in self.data.sets:
            raise Bug(f"the message-set id {message_set.id} was used before")
        if sha256(message_set.body).hexdigest() != message_set.sha256:
            raise Bug("the bytes are not those that the digest names")
        for operation in message_set.operations:
            row = self.data.operations[operation.id]
            if row.state != "waiting" or operation.body not in message_set.body:
                raise Bug("the set does not carry this operation")
            row.state, row.set_id = "sent", message_set.id
        self.data.sets[message_set.id] = replace(message_set, sent_at=self.clock.now())

    def resend(self, company: str, set_id: str, ticket_hash: str) -> None:
        found = self._mine(set_id)
        self.data.sets[set_id] = replace(
            found, state="sent", ticket_hash=ticket_hash, attempts=found.attempts + 1, sent_at=self.clock.now()
        )

    def doubt(self, company: str, set_id: str, reason: str) -> None:
        self.data.sets[set_id] = replace(self._mine(set_id), state="in_doubt")

    def settle(self, company: str, set_id: str, outcomes: Sequence[OperationOutcome], answer: bytes) -> None:
        found = self._mine(set_id)
        if sorted(o.operation_id for o in outcomes) != sorted(o.id for o in found.operations):
            raise Bug("a set is settled with one outcome for each of its operations")
        self.data.sets[set_id] = replace(found, state="settled")
        self.data.settled.append(set_id)
        self.data.answers[set_id] = answer
        for outcome in outcomes:
            _conclude(self.data, outcome, self.clock.now())

    def uncleared(self, company: str) -> str | None:
        return self.data.settled[-1] if self.data.settled else None

    def _mine(self, set_id: str) -> MessageSet:
        found = self.data.sets.get(set_id)
        if found is None or found.state == "settled":
            raise Bug(f"{set_id} is not the unsettled set")
        return found


def _conclude(data: Data, outcome: OperationOutcome, now: datetime) -> None:
    row = data.operations[outcome.operation_id]
    row.outcomes.append(outcome)
    row.state = "waiting" if outcome.outcome == "retry" else outcome.outcome
    row.not_before = now + timedelta(seconds=outcome.retry_after_s)
    target_id = outcome.receipt.get("TxnID") or outcome.receipt.get("ListID") or row.operation.target_id
    if outcome.outcome == "posted" and target_id:
        kind = row.operation.request[:-3]
        sequence = outcome.receipt.get("EditSequence", "")
        data.holdings[target_id] = Holding(target_id, kind, len(data.holdings) + 1, sequence, row.operation)
        data.looked[target_id] = iso(now)
        data.sightings.pop(target_id, None)


class MemoryUnsent:
    def __init__(self, outbox: MemoryOutbox) -> None:
        self.data = outbox.data
        self.clock = outbox.clock

    def kinds(self, company: str) -> tuple[str, ...]:
        waiting = [row.operation.request for row in self.data.operations.values() if row.state == "waiting"]
        return tuple(dict.fromkeys(waiting))

    def possible(self, company: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.operation.request for row in self.data.operations.values()))

    def conclude(self, company: str, outcome: OperationOutcome, answer: bytes) -> None:
        if self.data.operations[outcome.operation_id].state != "waiting":
            raise Bug("only what waits is concluded")
        _conclude(self.data, outcome, self.clock.now())

    def amend(self, company: str, operation_id: str, body: bytes) -> None:
        row = self.data.operations[operation_id]
        if row.state != "waiting":
            raise Bug("only what waits is amended")
        whole = row.operation.whole or row.operation.body
        row.operation = replace(row.operation, body=body, sha256=sha256(body).hexdigest(), whole=whole)


class MemoryHoldings:
    """Newest first, a page at a time; one that is missing is gone, and nothing is decided about it."""

    def __init__(self, outbox: MemoryOutbox) -> None:
        self.data = outbox.data
        self.clock = outbox.clock

    def check_due(self, company: str) -> bool:
        last = self.data.checked_at
        return bool(self.data.holdings) and (last is None or self.clock.now() - last >= timedelta(hours=1))

    def begin(self, company: str) -> str:
        return iso(self.clock.now())

    def to_check(self, company: str, limit: int, since: str) -> tuple[Holding, ...]:
        newest = sorted(self.data.holdings.values(), key=lambda item: -item.number)
        there = [item for item in newest if item.there][:limit]
        gone = [item for item in newest if not item.there]
        for items in (there, gone):
            due = [item for item in items if self.data.looked.get(item.target_id, "") < since]
            if due:
                return tuple(due[:limit])
        return ()

    def before(self, company: str, operation: Operation) -> tuple[Holding, ...]:
        return ()

    def of(self, company: str, target_ids: Sequence[str]) -> tuple[Holding, ...]:
        return tuple(self.data.holdings[item] for item in target_ids if item in self.data.holdings)

    def seen(self, company: str, seen: Sequence[Seen]) -> None:
        for item in seen:
            holding = self.data.holdings[item.target_id]
            self.data.holdings[item.target_id] = replace(holding, edit_sequence=item.edit_sequence, there=True)
            self.data.looked[item.target_id] = iso(self.clock.now())
            self.data.differences[item.target_id] = item.differences

    def missing(self, company: str, target_ids: Sequence[str]) -> None:
        for target_id in target_ids:
            self.data.holdings[target_id] = replace(self.data.holdings[target_id], there=False)
            self.data.looked[target_id] = iso(self.clock.now())
        if len([item for item in self.data.holdings.values() if not item.there]) >= 2:
            self.data.halted = "An older backup of the company file was restored."

    def pass_over(self, company: str, target_ids: Sequence[str]) -> None:
        self.data.looked.update(dict.fromkeys(target_ids, iso(self.clock.now())))

    def unverified(self, company: str, since: str) -> tuple[Sighting, ...]:
        return ()

    def verified(self, company: str, sightings: Sequence[Sighting], gone: Sequence[str], since: str) -> None:
        self.sighted(company, "", sightings)
        for target_id in gone:
            self.data.sightings.pop(target_id, None)

    def checked(self, company: str) -> None:
        self.data.checked_at = self.clock.now()

    def scanned_at(self, company: str, kind: str) -> datetime | None:
        return self.data.scanned.get(kind)

    def sighted(
        self, company: str, kind: str, sightings: Sequence[Sighting], *, scanned_at: datetime | None = None
    ) -> None:
        at = iso(self.clock.now())
        self.data.sightings.update({item.target_id: replace(item, seen_at=at) for item in sightings})
        if scanned_at is not None:
            self.data.scanned[kind] = scanned_at

    def candidates(
        self, company: str, operation: Operation, *, reference: str = "", dated_on: str = "", memo: str = ""
    ) -> tuple[Sighting, ...]:
        guid, kind = operation.guid.strip("{}").lower(), operation.request.removesuffix("Add")
        return tuple(
            item
            for item in self.data.sightings.values()
            if item.kind == kind
            and (
                item.guid == guid
                or (not item.guid and (item.reference == reference if reference else item.dated_on == dated_on))
                or (not item.guid and bool(memo) and item.memo == memo)
            )
        )

    def halted(self, company: str) -> str | None:
        return self.data.halted


class MemoryReconciling:
    def __init__(self, outbox: MemoryOutbox) -> None:
        self.data = outbox.data

    def wanted(self, company: str) -> Span | None:
        return self.data.span

    def store(self, company: str, span: int, figures: Sequence[Figures]) -> None:
        self.data.figures += figures

    def finish(self, company: str, span: int, problem: str = "") -> None:
        self.data.finished.append((span, problem))
        self.data.span = None


class MemoryBooks:
    def __init__(self, outbox: MemoryOutbox) -> None:
        self.data = outbox.data

    def due(self, company: str) -> tuple[str, ...]:
        return tuple(self.data.due)

    def store_page(self, company: str, name: str, objects: Sequence[ListObject], *, first: bool, last: bool) -> None:
        if first:
            self.data.loading[name] = {}
        self.data.loading[name].update({item.list_id: item for item in objects})
        if last:
            self.data.lists[name] = self.data.loading.pop(name)
            self.data.due = [item for item in self.data.due if item != name]
            for row in self.data.operations.values():
                if row.state == "deferred" and f"list:{name}" in row.outcomes[-1].waits_for:
                    row.state = "waiting"

    def get(self, company: str, name: str, full_name: str) -> ListObject | None:
        items = self.data.lists.get(name, {}).values()
        return next((item for item in items if item.full_name.casefold() == full_name.casefold()), None)

    def opened(self, company: str) -> None:
        self.data.reopened += 1

    def told(self, company: str, said: Mapping[str, Told]) -> None:
        self.data.said = dict(said)

    def expire(self, company: str, names: Sequence[str]) -> None:
        self.data.due += [name for name in names if name not in self.data.due]


def operation(number: int, inner: str, request: str = "BillAdd", at: datetime = START) -> Operation:
    """An operation with the id `OP000…<number>` around an inner document that may hold `{guid}`."""
    op_id = f"OP{number:020d}"
    guid = f"{{00000000-0000-4000-8000-{number:012d}}}"
    body = f'<{request}Rq requestID="{op_id}"><{request}>{inner.replace("{guid}", guid)}</{request}></{request}Rq>'.encode()
    return Operation(op_id, request, body, sha256(body).hexdigest(), guid, at)


def bill(number: int, amount: str = "10.00", vendor: str = "Acme Supply", account: str = "Travel") -> Operation:
    """A bill that the simulated company file takes."""
    return operation(
        number,
        f"<VendorRef><FullName>{vendor}</FullName></VendorRef><TxnDate>2026-11-20</TxnDate><RefNumber>INV-{number}</RefNumber>"
        f"<Memo>Ramp bill {number}</Memo><ExternalGUID>{{guid}}</ExternalGUID>"
        f"<ExpenseLineAdd><AccountRef><FullName>{account}</FullName></AccountRef><Amount>{amount}</Amount></ExpenseLineAdd>",
    )


def vendor(number: int, name: str) -> Operation:
    return operation(number, f"<Name>{name}</Name><ExternalGUID>{{guid}}</ExternalGUID>", "VendorAdd")


def settings(**more: Any) -> Mapping[str, Any]:
    return {"user": "books", "app_url": "https://flowctl.test/qbwc", **more}
