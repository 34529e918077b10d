"""Finds what is to be done now, in all companies, by a few small indexes: what is idle costs nothing.

A pair of company and flow has work when a stream of it is due, or when something waits that no schedule speaks of: records to
prepare, operations for a target that is called, lists that cannot be used, marks, and answers to people of the source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from typing import NoReturn

from engine import flowswitch
from engine.clock import from_iso, iso
from engine.dataclass import dataclass
from engine.durable.port import Task
from engine.durable.tasks import longest
from engine.errors import Bug, RunError
from engine.listing import Lists, called_lists
from engine.program import FlowProgram
from engine.push import has_work
from engine.store import marks
from engine.store.base import Tx
from engine.webhooks import confirming
from engine.world import World

# How often all companies are looked through: for streams that were never read, and times of a clock that was ahead.
SLOW_S = 600.0
# What turned out to be no work, for the same reasons, is looked at again after so long, then after twice as long.
REST_S, MOST_REST_S = 5.0, 60.0
# And so long at most when it is only records that still wait for something, of which nothing has happened since.
PENDING_REST_S = 600.0
_PENDING = "pending at "

Pair = tuple[str, str]


@dataclass(slots=True)
class _Rest:
    """A pair that had nothing to do although something waits there: why it was looked at, and until when it is left."""

    reasons: frozenset[str]
    until: float
    seconds: float


@dataclass(slots=True)
class Finder:
    """Remembers which companies have connected what, and which pairs are left alone for a while."""

    world: World
    programs: Mapping[str, FlowProgram]
    # Whether a pair that had nothing to do is left alone: where looking costs a task, and not a few statements.
    rests: bool = False
    _pairs: dict[str, dict[str, FlowProgram]] = field(default_factory=dict)
    _mark: tuple[object, object] | None = None
    _new: set[Pair] = field(default_factory=set)
    _calls: bool = False
    _slow_at: float = float("-inf")
    _resting: dict[Pair, _Rest] = field(default_factory=dict)
    _under_way: Collection[tuple[str, str]] = ()
    _off: dict[Pair, float] = field(default_factory=dict)
    _reasons: dict[Pair, frozenset[str]] = field(default_factory=dict)

    def due(self, under_way: Collection[tuple[str, str]] = ()) -> list[Task]:
        """What is to be done now, and not `under_way`: handshakes first, then flows, company by company."""
        self._under_way = under_way
        with self.world.store.read() as tx:
            self._learn(tx)
            found: dict[Pair, set[str]] = {}
            for pair, reason in self._found(tx):
                found.setdefault(pair, set()).add(reason)
            confirm = confirming.companies_due(self.world, tx)
        now = self.world.clock.monotonic()
        self._reasons = {pair: frozenset(reasons) for pair, reasons in found.items()}
        tasks = [task for company in confirm if not self._is_under_way(task := Task("confirm", company))]
        ranks = {name: number for number, name in enumerate(self.programs)}
        tasks += [
            task
            for company, flow in sorted(found, key=lambda pair: (pair[0], ranks[pair[1]]))
            if not self._is_left((company, flow), now) and not self._is_under_way(task := Task("flow", company, flow))
        ]
        return tasks

    def idle(self, pair: Pair) -> None:
        """There was nothing to do: it is left alone for a while, unless there is another reason to look."""
        if not self.rests:
            return
        before = self._resting.get(pair)
        reasons = self._reasons.get(pair, frozenset())
        most_s = PENDING_REST_S if reasons and all(each.startswith(_PENDING) for each in reasons) else MOST_REST_S
        is_same = before is not None and reasons <= before.reasons
        seconds = min(2 * before.seconds, most_s) if before and is_same else REST_S
        self._resting[pair] = _Rest(reasons, self.world.clock.monotonic() + seconds, seconds)

    def busy(self, pair: Pair) -> None:
        """There was something to do, and so there may be more."""
        self._resting.pop(pair, None)

    def _is_under_way(self, task: Task) -> bool:
        return (task.company, task.work) in self._under_way

    def _is_left(self, pair: Pair, now: float) -> bool:
        rest = self._resting.get(pair)
        return rest is not None and now < rest.until and self._reasons[pair] <= rest.reasons

    def _learn(self, tx: Tx) -> None:
        """Learn which companies have what they need for which flow, when anything was connected since the last look."""
        row = tx.one("connections_mark", {})
        mark = (row["count"], row["newest"]) if row else None
        is_late = self.world.clock.monotonic() - self._slow_at >= SLOW_S
        if mark == self._mark and not is_late:
            return
        made: dict[str, dict[str, str]] = {}
        for row in tx.rows("connections_all", {}):
            made.setdefault(row["company"], {})[row["connection"]] = row["connector"]
        needs = {name: {c.name for c in program.flow.connections} for name, program in self.programs.items()}
        known = self._pairs
        self._pairs = {
            company: {name: self.programs[name].bound(has) for name, need in needs.items() if has.keys() >= need}
            for company, has in made.items()
        }
        self._new.update(
            (c, flow) for c, flows in self._pairs.items() for flow in flows if flow not in known.get(c, ())
        )
        distinct = {id(program): program for flows in self._pairs.values() for program in flows.values()}
        self._calls = any(program.called for program in distinct.values())
        self._mark = mark

    def _program(self, pair: Pair) -> FlowProgram | None:
        """The flow as the company runs it; None when it does not."""
        return self._pairs.get(pair[0], {}).get(pair[1])

    def _found(self, tx: Tx) -> Iterator[tuple[Pair, str]]:
        """Pairs that are served and connected, each with a reason to look at it."""
        yield from self._slow(tx)
        at = self.world.at()
        for row in tx.rows("due_schedule", {"at": at}):
            if self._is_on(tx, (row["company"], row["flow"])):
                yield (row["company"], row["flow"]), "due"
        latest = iso(from_iso(at) + marks.LONGEST_WAIT)
        for name, scope in (("due_marks", {}), ("due_mark_calls", {"at": at, "latest": latest})):
            for row in tx.rows(name, scope):
                if self._program((row["company"], row["flow"])):
                    yield (row["company"], row["flow"]), name
        for row in tx.rows("due_pending", {}):
            for flow in self._pairs.get(row["company"], ()):
                if tx.one("pending_of_flow", {"company": row["company"], "flow": flow}) is not None:
                    # They may wait for the first visit of an agent for days: what happens there is a line of the journal.
                    head = tx.one("journal_head", {"company": row["company"]})
                    yield (row["company"], flow), f"{_PENDING}{head['seq'] if head else 0}"
        yield from self._called(tx)

    def _is_on(self, tx: Tx, pair: Pair) -> bool:
        """Whether the pair is served, and nobody has switched it off or paused it; that it is off is believed for a while."""
        program, now = self._program(pair), self.world.clock.monotonic()
        if program is None or self._is_under_way(Task("flow", *pair)) or now < self._off.get(pair, now):
            return False
        if flowswitch.is_running(tx, pair[0], program.flow):
            self._off.pop(pair, None)
            return True
        if self.rests:
            self._off[pair] = now + REST_S
        return False

    def _called(self, tx: Tx) -> Iterator[tuple[Pair, str]]:
        """What only targets that are called have, and requests of people of the source."""
        writes, reads = set(), set()
        for row in tx.rows("due_facts", {}):
            company, (kind, _, name) = row["company"], row["name"].partition(":")
            if kind == "asked" and self._program((company, name)):
                yield (company, name), "asked"
            elif kind == "push":
                writes.add(company)
            elif kind == "list":
                reads.add(company)
        if self._calls:
            writes.update(row["company"] for row in tx.rows("due_operations", {}))
            reads.update(row["company"] for row in tx.rows("due_lists", {}))
        for company in writes:
            for flow, program in self._pairs.get(company, {}).items():
                if program.called and has_work(self.world, tx, program, company):
                    yield (company, flow), "operations"
        for company in reads:
            for flow, program in self._pairs.get(company, {}).items():
                lists = Lists(self.world, company, flow, _never, by_hand=False)
                if lists.is_wanted(called_lists(program.streams)) and flowswitch.is_running(tx, company, program.flow):
                    yield (company, flow), "lists"

    def _slow(self, tx: Tx) -> Iterator[tuple[Pair, str]]:
        """Pairs of which a stream was never read, and what a clock that was ahead has put off too far."""
        now = self.world.clock.monotonic()
        if now - self._slow_at >= SLOW_S:
            self._slow_at = now
            have: dict[Pair, set[str]] = {}
            for row in tx.rows("schedule_streams", {}):
                have.setdefault((row["company"], row["flow"]), set()).add(row["stream"])
            self._new.update(
                (company, flow)
                for company, flows in self._pairs.items()
                for flow, program in flows.items()
                if not have.get((company, flow), set()) >= {stream.name for stream in program.flow.streams}
            )
            for flow, program in self.programs.items():
                beyond = iso(self.world.clock.now() + longest(program))
                late = {row["company"] for row in tx.rows("due_too_late", {"beyond": beyond}) if row["flow"] == flow}
                yield from (((company, flow), "late") for company in late if self._program((company, flow)))
        self._new = {pair for pair in self._new if self._is_new(tx, pair)}
        yield from ((pair, "new") for pair in self._new)

    def _is_new(self, tx: Tx, pair: Pair) -> bool:
        """Whether nobody has looked at the pair yet: whoever does so makes a row for each stream."""
        program = self._program(pair)
        if program is None or self._is_under_way(Task("flow", *pair)):
            return program is not None
        have = {row["stream"] for row in tx.rows("schedule_of", {"company": pair[0], "flow": pair[1]})}
        return not have >= {stream.name for stream in program.flow.streams}


def _never(_connection: str, _error: RunError, _attempt: int) -> NoReturn:
    raise Bug("nothing is called here")
