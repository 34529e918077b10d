"""The outbox as a polled connector sees it: the store's tables behind the contract's Protocols, one transaction a call."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import timedelta
from functools import partial
from hashlib import sha256
from types import TracebackType

from engine import astray, contract, follow, holdings, pipeline, registry, resetting
from engine.clock import from_iso, iso
from engine.contract import Json, ListObject, Login, MessageSet, Operation, OperationOutcome
from engine.dataclass import dataclass
from engine.errors import Bug
from engine.evidence import Told
from engine.follow import Hand
from engine.holdings import Held
from engine.jsontext import own, plain
from engine.log import logger
from engine.program import FlowProgram, polled_lists
from engine.reading import is_read
from engine.reconcile import Spans
from engine.runner import Runner
from engine.store import companies, facts, journal, lists, outbox, places, records, tally, work
from engine.store.base import Row, Tx
from engine.store.rereads import Rereads
from engine.telemetry import committed, meter, meters
from engine.telemetry.correlation import correlated, current
from engine.world import World

ACTOR = "web-connector"
# Operations that wait are counted so far in a call; of more it is only known how many they are at most.
_MOST_COUNTED = 500
LIST_AGE = timedelta(hours=4)
_IDLE_S = 3600.0
# So many sessions of a company are kept.
_KEPT = 50
# One visit in eight, by chance: to look for what is too old at each of them took as long as to keep it.
_SWEEPS = ("0", "1")
# So many different sets of connections are remembered.
_MOST_WAYS = 1000
# Of so many sessions the company is remembered.
_TICKETS = 20_000
_BEGINS = "Web Connector session begins"
_ENDS = "Web Connector session ends"
_IDLE = "Web Connector came, nothing to do"
_CUT_OFF = "Web Connector session was cut off"
_REFUSED = "Web Connector sign-in refused"
_TROUBLE = "Web Connector session has trouble"
# The same as the words that are counted.
_COUNTED = {
    _BEGINS: "begun", _ENDS: "ended", _IDLE: "idle", _CUT_OFF: "cut_off", _REFUSED: "refused", _TROUBLE: "trouble",
}  # fmt: skip
# What a session may complain of, and what is over as soon as the right company file takes part in the work again.
_OVER_WHEN_IT_WORKS = (
    "company_refused",
    "company_changed",
    "company_unconfirmed",
    "connection_error",
    "quickbooks_error",
    "answer_rejected",
)


@dataclass(frozen=True, slots=True)
class StoreOutbox:
    """Hands out desks. `programs` are the flows that this process runs; `changed` is called after a commit that made work.

    With `logs`, sessions and refused sign-ins are logged once they are committed.
    """

    world: World
    programs: Mapping[str, FlowProgram]
    changed: Callable[[str], None] = lambda _company: None
    logs: bool = False
    _tickets: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    # What follows from these connections and their connectors: companies have them in a few ways.
    _ways: dict[tuple[tuple[str, str], ...], _Made] = field(default_factory=dict, init=False, repr=False, compare=False)
    # When a visit in vain was last logged, by company.
    _came: dict[str, float] = field(default_factory=dict, repr=False, compare=False)

    def login(self, user: str) -> Login | None:
        """Whose user name it is; whoever signs in has not said for which company."""
        with self.world.store.read() as tx:
            return companies.login(tx, user)

    def company_of(self, ticket_hash: str) -> str | None:
        """Whose session it is. It is remembered: a ticket is made for one company, and is never another one's."""
        known = self._tickets.get(ticket_hash)
        if known is None:
            with self.world.store.read() as tx:
                row = tx.one("session_get", {"ticket_hash": ticket_hash})
            if row is None:
                return None
            if len(self._tickets) >= _TICKETS:
                self._tickets.clear()
            known = self._tickets[ticket_hash] = str(row["company"])
        return known

    def made(self, connectors: Mapping[str, str]) -> _Made:
        """What a company has that has made these connections, each with its connector."""
        way = tuple(connectors.items())
        found = self._ways.get(way)
        if found is None:
            if len(self._ways) >= _MOST_WAYS:
                self._ways.clear()
            found = self._ways[way] = _made(connectors, self.programs.values())
        return found

    def transaction(self, company: str | None = None) -> AbstractContextManager[contract.Desk]:
        """One call, one transaction."""
        return _Transaction(self, self.world.store.write(*(() if company is None else (company,))))

    def _is_news(self, line: _Line) -> bool:
        """Whether a visit in vain is worth a line: one an hour for each company, or ten thousand write three million a day."""
        company, now = str(line.fields["company"]), self.world.clock.monotonic()
        if now - self._came.get(company, -_IDLE_S) < _IDLE_S:
            return False
        self._came[company] = now
        return True

    def tell(self, said: Sequence[_Line], touched: Iterable[str], name: str) -> None:
        """What others hear of a call once it is durable, under the name that it had."""
        with correlated(name):
            for line in said if self.logs else ():
                if line.event in _COUNTED:
                    meter.add(meters.SESSIONS, _COUNTED[line.event])
                if line.event != _IDLE or self._is_news(line):
                    logger().log(line.level, line.event, **line.fields)
        for company in touched:
            self.changed(company)


class _Transaction:
    """A transaction of the store as a desk; a class, since a generator for each of them takes longer than a statement."""

    __slots__ = ("_base", "_block", "_outbox")

    def __init__(self, outbox: StoreOutbox, block: AbstractContextManager[Tx]) -> None:
        self._outbox, self._block = outbox, block

    def __enter__(self) -> contract.Desk:
        tx = Rereads(self._block.__enter__())
        try:
            return self._desk(tx)
        except BaseException as error:
            self._block.__exit__(type(error), error, error.__traceback__)
            raise

    def _desk(self, tx: Tx) -> contract.Desk:
        outbox = self._outbox
        held = Held(tx, outbox.world.at(), ACTOR, outbox.programs)
        base = self._base = _Base(tx, outbox.world, held.at, outbox.made)
        spans = Spans(tx, base.at, ACTOR)
        sessions = _Sessions(base, held)
        return contract.Desk(sessions, _Operations(base), _Books(base), _Unsent(base), held, spans)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            committed.after(partial(self._outbox.tell, self._base.said, self._base.touched, current()))
        self._block.__exit__(kind, error, trace)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line for the log, written when the transaction is committed."""

    level: int
    event: str
    fields: Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class _Made:
    """What a company has connected: `lists` are those its flows want, None where that is for its settings."""

    flows: Sequence[FlowProgram]
    polled: Sequence[str]
    lists: Collection[str] | None
    visited: bool


def _made(connectors: Mapping[str, str], programs: Iterable[FlowProgram]) -> _Made:
    flows = [p.bound(connectors) for p in programs if connectors.keys() >= {c.name for c in p.flow.connections}]
    polled = [name for name, connector in connectors.items() if _is_polled(connector)]
    agents = [flow.read_by_agents for flow in flows]
    lists = None if None in agents else dict.fromkeys(name for names in agents for name in names or ())
    visited = any(stream.trigger.visit_s is not None for program in flows for stream in program.flow.streams)
    return _Made(flows, polled, lists, visited)


@dataclass(frozen=True, slots=True)
class _Base:
    """What the views of one transaction share: its moment, `at`, and what its companies have connected."""

    tx: Tx
    world: World
    at: str
    made: Callable[[Mapping[str, str]], _Made]
    touched: set[str] = field(default_factory=set)
    said: list[_Line] = field(default_factory=list)
    _made: dict[str, _Made] = field(default_factory=dict)
    _lists: dict[str, Collection[str]] = field(default_factory=dict)

    def say(self, level: int, event: str, **fields: str | float) -> None:
        """Log this after the commit; fields without a value are left out."""
        self.said.append(_Line(level, event, {name: value for name, value in fields.items() if value != ""}))

    def hand(self, company: str) -> Hand:
        return Hand(company, self.at, ACTOR)

    def flows(self, company: str) -> Sequence[FlowProgram]:
        """The flows whose connections this company has all made, each with the connectors that it has connected."""
        return self._of(company).flows

    def polled(self, company: str) -> Sequence[str]:
        """The company's connections whose agent comes to us: what is written over another one is not for it."""
        return self._of(company).polled

    def lists(self, company: str) -> Collection[str]:
        """The lists that the company's flows want read over these connections, as it has set them."""
        found = self._of(company).lists or self._lists.get(company)
        if found is None:
            names_of = (self._listed(company, flow) for flow in self.flows(company))
            found = self._lists[company] = dict.fromkeys(name for names in names_of for name in names)
        return found

    def _listed(self, company: str, flow: FlowProgram) -> Iterable[str]:
        if flow.read_by_agents is not None:
            return flow.read_by_agents
        return polled_lists(pipeline.enabled(self.tx, company, flow))

    def is_visited(self, company: str) -> bool:
        """Whether its flows read anything on a visit."""
        return self._of(company).visited

    def _of(self, company: str) -> _Made:
        found = self._made.get(company)
        if found is None:
            found = self._made[company] = self.made(companies.connectors(self.tx, company))
        return found

    def worked(self, company: str) -> None:
        """The company file takes part: what kept it from that is over."""
        for alert in work.alerts(self.tx, company):
            if alert["kind"] == "session" and alert["subject"] in _OVER_WHEN_IT_WORKS:
                work.resolve_alert(self.tx, company, "session", alert["subject"], self.at)


@dataclass(frozen=True, slots=True)
class _Sessions:
    """Web Connector sessions."""

    base: _Base
    held: Held

    def passed(self, company: str, ticket_hash: str, state: Json) -> bool:
        base = self.base
        stale = iso(base.world.clock.now() - LIST_AGE)
        rows = base.tx.rows("visit_quiet", {"company": company, "stale": stale, "sign_in": work.SIGN_IN})
        if not rows or not {row["list"] for row in rows}.issuperset(base.lists(company)):
            return False
        if rows[0]["held"] and self.held.check_due(company):
            return False
        scope = {"ticket_hash": ticket_hash, "company": company, "state": plain(state), "at": base.at}
        base.tx.run("session_passed", scope)
        base.say(logging.INFO, _IDLE, company=company, user=str(state.get("user") or ""))
        self._visited(company)
        if ticket_hash.startswith(_SWEEPS):
            base.tx.run("sessions_prune", {"company": company, "kept": _KEPT})
        base.touched.add(company)
        return True

    def open(self, company: str, ticket_hash: str, state: Json) -> tuple[Json, ...]:
        rows = self.base.tx.rows("sessions_open_of", {"company": company})
        if rows:
            self.base.tx.run("sessions_close_of", {"company": company})
        at = self.base.at
        scope = {"ticket_hash": ticket_hash, "company": company, "state": plain(state), "at": at}
        self.base.tx.run("session_insert", scope)
        work.resolve_alert(self.base.tx, company, "session", work.SIGN_IN, at)
        for row in rows:
            self._ended(row, logging.WARNING, _CUT_OFF)
        self.base.say(logging.INFO, _BEGINS, company=company, user=str(state.get("user") or ""))
        self._visited(company)
        self.base.tx.run("sessions_prune", {"company": company, "kept": _KEPT})
        return tuple(json.loads(row["state"]) for row in rows)

    def _visited(self, company: str) -> None:
        """Make due what the flows read on a visit; the worker reads it, and the call is answered from the store alone."""
        base = self.base
        if not base.is_visited(company):
            return
        for flow in (program.flow for program in base.flows(company)):
            asked = [stream for stream in flow.streams if stream.trigger.visit_s is not None]
            if not asked or not any(connection.name in base.polled(company) for connection in flow.connections):
                continue
            # What is being read would only be read twice; the next visit asks for it again.
            longest_s = {
                s.name: s.trigger.visit_s
                for s in asked
                if s.trigger.visit_s is not None
                and not is_read(base.world, base.tx, company, flow.name, s.fetch.identity)
            }
            if longest_s and work.visited(base.tx, company, flow.name, longest_s, base.world.clock.now()):
                base.touched.add(company)

    def load(self, ticket_hash: str) -> tuple[str, Json] | None:
        row = self.base.tx.one("session_get", {"ticket_hash": ticket_hash})
        return (row["company"], own(row["state"])) if row else None

    def save(self, ticket_hash: str, state: Json) -> None:
        scope = {"ticket_hash": ticket_hash, "state": plain(state), "at": self.base.at}
        if self.base.tx.run("session_save", scope) != 1:
            raise Bug("a closed Web Connector session cannot be saved")

    def close(self, ticket_hash: str) -> None:
        row = self.base.tx.one("session_get", {"ticket_hash": ticket_hash})
        if row is not None:
            self.base.tx.run("session_close", {"ticket_hash": ticket_hash, "at": self.base.at})
            self.base.touched.add(row["company"])
            self._ended(row, logging.INFO, _ENDS)

    def in_vain(self, company: str, ticket_hash: str) -> None:
        self.base.tx.run("session_close", {"ticket_hash": ticket_hash, "at": self.base.at})
        self.base.touched.add(company)
        # One line, not two.
        said = self.base.said
        place = max(number for number, line in enumerate(said) if line.event == _BEGINS)
        said[place] = _Line(said[place].level, _IDLE, said[place].fields)

    def _ended(self, row: Row, level: int, event: str) -> None:
        """Log what a session came to."""
        state: Json = own(row["state"])
        known = {"company": str(row["company"]), "user": str(state.get("user") or "")}
        requests = int(state.get("turn") or 0)
        counts: Mapping[str, int] = state.get("counts") or {}
        shown = {"posted": 0, "deferred": 0, "failed": 0, **counts}
        seconds = round((self.base.world.clock.now() - from_iso(row["opened_at"])).total_seconds(), 1)
        self.base.say(level, event, **known, requests=requests, **shown, seconds=seconds)

    def over(self, company: str, event: str) -> None:
        work.resolve_alert(self.base.tx, company, "session", event, self.base.at)

    def refused(self, company: str, user: str) -> None:
        hand = self.base.hand(company)
        shown = work.plain_user(user)
        self.base.say(logging.WARNING, _REFUSED, company=company, user=shown)
        first = work.refuse_sign_in(self.base.tx, company, user, self.base.world.clock.now())
        # The alert counts; a line of the journal for each would let a stranger fill the disk.
        if first and company:
            entry = journal.Entry(work.SIGN_IN, detail={"user": shown})
            journal.append(self.base.tx, company, hand.at, hand.actor, [entry])

    def identity(self, company: str) -> Json | None:
        return companies.identity(self.base.tx, company)

    def bind(self, company: str, identity: Json) -> None:
        hand = self.base.hand(company)
        companies.bind(self.base.tx, company, identity, hand.at)
        entry = journal.Entry("bound", detail=dict(identity))
        journal.append(self.base.tx, company, hand.at, hand.actor, [entry])

    def recall(self, company: str, name: str) -> Json | None:
        return facts.recall(self.base.tx, company, name)

    def remember(self, company: str, name: str, value: Json) -> None:
        facts.remember(self.base.tx, company, self.base.at, name, value)

    def note(self, company: str, event: str, message: str, detail: Json | None = None, *, alert: bool = False) -> None:
        hand = self.base.hand(company)
        entry = journal.Entry(event, detail={"message": message, **(detail or {})})
        journal.append(self.base.tx, company, hand.at, hand.actor, [entry])
        if alert:
            work.raise_alert(self.base.tx, company, work.Alert("session", event, message), hand.at)
            # Its text may quote what QuickBooks said, and so stays in the store.
            self.base.say(logging.WARNING, _TROUBLE, company=company, state=event)


@dataclass(frozen=True, slots=True)
class _Operations:
    """The outbox."""

    base: _Base

    def none(self, company: str) -> bool:
        return self.base.tx.one("operations_none", {"company": company}) is not None

    def backlog(self, company: str) -> int:
        waiting = self._waiting(company)
        if waiting:
            return waiting
        self.refill(company)
        return self._waiting(company)

    def _waiting(self, company: str) -> int:
        tx, at = self.base.tx, self.base.at
        waiting = sum(outbox.backlog(tx, company, at, name, _MOST_COUNTED) for name in self.base.polled(company))
        return waiting if waiting < _MOST_COUNTED else max(waiting, outbox.most(tx, company))

    def refill(self, company: str) -> int:
        if self.base.tx.one("pending_exists", {"company": company}) is None:
            return 0
        runner = Runner(self.base.world)
        return sum(runner.refill(self.base.tx, program, company) for program in self.base.flows(company))

    def next(
        self, company: str, limit: int, *, without: Sequence[str] = (), later: Sequence[str] = ()
    ) -> tuple[Operation, ...]:
        if holdings.halted(self.base.tx, company) is not None:
            return ()
        found = [
            row
            for name in self.base.polled(company)
            for row in self._ready(company, name, limit, without=without, later=later)
        ]
        return tuple(outbox.operation_of(row) for row in sorted(found, key=lambda row: int(row["seq"]))[:limit])

    def _ready(
        self, company: str, connection: str, limit: int, *, without: Sequence[str], later: Sequence[str]
    ) -> list[Row]:
        """What is next over a connection; what was frozen for another company file is taken back first."""
        tx, at = self.base.tx, self.base.at
        while True:
            rows = outbox.ready(tx, company, at, limit, connection, without=without, later=later)
            if not places.strangers(tx, rows):
                return rows
            astray.take_back_all(tx, self.base.hand(company), connection)

    def unsettled(self, company: str) -> MessageSet | None:
        return outbox.unsettled(self.base.tx, company)

    def freeze(self, company: str, message_set: MessageSet) -> None:
        hand = self.base.hand(company)
        outbox.freeze_set(self.base.tx, company, hand.at, message_set)
        detail = {"message_set": message_set.id, "sha256": message_set.sha256}
        self._move_all(company, message_set.operations, "sent", "sent", detail)
        self.base.worked(company)

    def resend(self, company: str, set_id: str, ticket_hash: str) -> None:
        hand = self.base.hand(company)
        message_set = outbox.unsettled(self.base.tx, company)
        scope = {"id": set_id, "company": company, "ticket_hash": ticket_hash, "at": hand.at}
        if message_set is None or message_set.id != set_id or self.base.tx.run("set_resent", scope) != 1:
            raise Bug(f"message set {set_id} is not there to be sent again")
        detail = {"message_set": set_id, "sha256": message_set.sha256, "attempt": message_set.attempts + 1}
        self._move_all(company, message_set.operations, "sent", "resent", detail)

    def doubt(self, company: str, set_id: str, reason: str) -> None:
        if self.base.tx.run("set_doubt", {"id": set_id, "company": company}) != 1:
            return
        message_set = outbox.unsettled(self.base.tx, company)
        assert message_set is not None
        self._move_all(company, message_set.operations, "unknown", "in_doubt", {"message_set": set_id, "why": reason})

    def settle(self, company: str, set_id: str, outcomes: Sequence[OperationOutcome], answer: bytes) -> None:
        hand = self.base.hand(company)
        by_id = {outcome.operation_id: outcome for outcome in outcomes}
        operations = self.base.tx.rows("operations_of_set", {"set_id": set_id})
        if set(by_id) != {row["id"] for row in operations}:
            raise Bug(f"message set {set_id} must be settled with one outcome for each of its operations")
        outbox.settle_set(self.base.tx, company, hand.at, set_id, answer)
        with tally.together(self.base.tx):
            for row in operations:
                follow.settle(self.base.tx, hand, row, by_id[row["id"]])
        self.base.touched.add(company)

    def uncleared(self, company: str) -> str | None:
        return outbox.uncleared(self.base.tx, company)

    def _move_all(
        self, company: str, operations: Sequence[Operation], to: records.State, event: str, detail: Mapping[str, object]
    ) -> None:
        hand, steps = self.base.hand(company), []
        for operation in operations:
            row = self.base.tx.one("records_of_operation", {"operation_id": operation.id})
            assert row is not None
            told = {"operation": operation.id, **detail}
            steps.append(records.Move(row, to, event, records.load_reasons(row), detail=told))
        records.move(self.base.tx, company, hand.at, hand.actor, steps)


@dataclass(frozen=True, slots=True)
class _Unsent:
    """What can be done about an operation that was not sent."""

    base: _Base

    def kinds(self, company: str) -> tuple[str, ...]:
        first: dict[str, int] = {}
        for name in self.base.polled(company):
            for row in self.base.tx.rows("operations_kinds", {"company": company, "connection": name}):
                first[row["request"]] = min(int(row["first"]), first.get(row["request"], int(row["first"])))
        return tuple(sorted(first, key=lambda request: first[request]))

    def possible(self, company: str) -> tuple[str, ...]:
        streams = (each for program in self.base.flows(company) for each in program.streams if each.is_polled)
        return tuple(dict.fromkeys(variant.request for each in streams for variant in each.variants))

    def conclude(self, company: str, outcome: OperationOutcome, answer: bytes) -> None:
        hand = self.base.hand(company)
        row = self._waiting(company, outcome.operation_id)
        if outcome.outcome == "retry":
            raise Bug(f"operation {outcome.operation_id} was not sent, so there is nothing to try again")
        about: dict[str, object] = {"sent": False, "answer": sha256(answer).hexdigest()}
        if outcome.message:
            about["why"] = outcome.message
        follow.settle(self.base.tx, hand, row, outcome, about)
        self.base.touched.add(company)

    def amend(self, company: str, operation_id: str, body: bytes) -> None:
        self._waiting(company, operation_id)
        outbox.amend(self.base.tx, operation_id, body)

    def _waiting(self, company: str, operation_id: str) -> Row:
        row = self.base.tx.one("operation_get", {"id": operation_id})
        if row is None or row["company"] != company or row["state"] != "waiting":
            raise Bug(f"operation {operation_id} does not wait to be sent")
        return row


@dataclass(frozen=True, slots=True)
class _Books:
    """The cached lists."""

    base: _Base

    def due(self, company: str) -> tuple[str, ...]:
        stale = iso(self.base.world.clock.now() - LIST_AGE)
        wanted = self.base.lists(company)
        return tuple(name for name in lists.due(self.base.tx, company, stale, wanted) if name in wanted)

    def store_page(self, company: str, name: str, objects: Sequence[ListObject], *, first: bool, last: bool) -> None:
        hand = self.base.hand(company)
        lists.store_page(self.base.tx, company, name, objects, first=first)
        if first:
            self.base.worked(company)
        if last:
            self._read_anew(company, name)
            follow.list_read(self.base.tx, hand, name)
            if not self.due(company):
                work.resolve_alert(self.base.tx, company, "session", "list_failed", hand.at)

    def _read_anew(self, company: str, name: str) -> None:
        """Streams that read this list and found none so far need not wait for their time."""
        if lists.loaded(self.base.tx, company, name):
            return
        for program in self.base.flows(company):
            for stream in program.flow.streams:
                if (stream.fetch.connection in self.base.polled(company)) and stream.fetch.stream == name:
                    work.sooner(self.base.tx, company, program.flow.name, stream.name, self.base.at)

    def get(self, company: str, name: str, full_name: str) -> ListObject | None:
        return lists.named(self.base.tx, company, name, full_name)

    def expire(self, company: str, names: Sequence[str]) -> None:
        for name in names:
            lists.expire(self.base.tx, company, name)

    def opened(self, company: str) -> None:
        hand = self.base.hand(company)
        records.wake(self.base.tx, company, hand.at, hand.actor, "period")

    def told(self, company: str, said: Mapping[str, Told]) -> None:
        resetting.heard(self.base.tx, self.base.hand(company), self.base.flows(company), said)


def _is_polled(name: str) -> bool:
    connector = registry.find(name)
    return connector is not None and connector.spec.delivery == "pull"
