"""Plays one schedule: a small world from one integer, faults, then calm, a person, quiet cycles, and the checks."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import field
from datetime import timedelta
from typing import Any

import structlog

from engine.campaign.check import standing_still
from engine.campaign.clock import TrueClock
from engine.campaign.crash import Machine
from engine.campaign.disk import AnyDisk
from engine.campaign.meeting import Meeting
from engine.campaign.person import Person
from engine.campaign.scene import Verdict
from engine.campaign.setting import COMPANY, Plan, Setting, set_up
from engine.campaign.witness import Witness
from engine.campaign.work import Work
from engine.dataclass import dataclass
from engine.evidence import PUT_BACK, is_resting
from engine.rigs import BooksRig, Permits, SourceRig, TargetRig
from engine.store import facts, outbox

__all__ = ["COMPANY", "Plan", "Result", "Stage", "play", "stage_of"]

_WEIGHTS: Mapping[str, float] = {
    "cycle": 5.0, "run": 1.0, "session": 2.0, "tell": 0.6, "prepare": 0.4, "person": 0.7,
}  # fmt: skip
# Beside those, where a schedule has the fault.
_MORE: Mapping[str, float] = {"restore_ours": 1.5, "clock_jump": 1.5}
# Lists are read again after four hours: a pause beyond that makes the next session long.
_PAUSES = ("+1m", "+20m", "+1h", "+2h", "+1m", "+20m", "+1h", "+2h", "+1d")
_JUMP = timedelta(days=1)
# So many more steps it takes until what was written to the target has come into the source.
_ROUND = 3
_REFUSED_KINDS = ("Bill", "Bill", "CreditCardCharge", "BillPaymentCheck")


@dataclass(slots=True)
class Result:
    """What one schedule came to."""

    seed: int
    verdict: Verdict
    faults: Counter[str]
    broken: list[tuple[int, str]]
    timeline: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything was wrong."""
        v = self.verdict
        return bool(self.broken or v.lost or v.duplicated or v.wrong_file or v.cents_off or v.stuck)


def play(plan: Plan, seed: int) -> Result:
    """Play the schedule of one seed."""
    with silent():
        stage = stage_of(plan, seed)
        stage.storm()
        stage.calm()
        return stage.judge(seed)


@contextmanager
def silent() -> Iterator[None]:
    """The service logs every trouble, and here there is nothing but trouble."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop], wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(_logger: object, _name: str, _event: MutableMapping[str, Any]) -> Any:
    raise structlog.DropEvent


@dataclass(slots=True)
class Stage:
    """A schedule at work."""

    setting: Setting
    counts: Counter[str] = field(default_factory=Counter)
    person: Person = field(init=False)
    work: Work = field(init=False)

    def __post_init__(self) -> None:
        """Let the workers act in the middle of calls."""
        s = self.setting
        permits = s.source.permit if isinstance(s.source, Permits) else None
        self.person = Person(s.chance, s.machine, s.witness, s.meeting.finds, permits)
        self.work = Work(s.chance, s.machine, s.witness, s.meeting.meet, "by_schedule" in s.has, self.befall)
        self.work.stops = self.person.stops
        s.machine.acts = self.work.act
        self.counts.update(dict.fromkeys(s.has - {"restore_ours", "clock_jump"}, 1))

    @property
    def chance(self) -> random.Random:
        """Decides what happens when."""
        return self.setting.chance

    @property
    def clock(self) -> TrueClock:
        """The true time."""
        return self.setting.clock

    @property
    def machine(self) -> Machine:
        """Our own processes."""
        return self.setting.machine

    @property
    def books(self) -> TargetRig:
        """The target."""
        return self.setting.books

    @property
    def meeting(self) -> Meeting:
        """The way to the target."""
        return self.setting.meeting

    @property
    def source(self) -> SourceRig:
        """The source."""
        return self.setting.source

    @property
    def witness(self) -> Witness:
        """What sees everything."""
        return self.setting.witness

    def storm(self) -> None:
        """The part with faults; where QuickBooks refuses for long, that is the only one."""
        if "refused_for_long" in self.setting.has:
            return
        if "untold" in self.setting.has:
            self.work.is_untold = True
        weights = {**_WEIGHTS, **{name: rate for name, rate in _MORE.items() if name in self.setting.has}}
        steps = range(self.chance.randrange(2, 5) + (_ROUND if self._goes_round else 0))
        if self.setting.lean == "rewritten":
            weights["cycle"], steps = 12.0, range(5)
        for _ in steps:
            self.befall()
            (name,) = self.chance.choices(list(weights), list(weights.values()))
            self.take(name)
            self.clock.advance(self.chance.choice(_PAUSES))
            if "restore_ours" in self.setting.has:
                self.machine.disk.copy()
            # Between a restore and the next reading of the source somebody works in the books, and the agent comes.
            if name == "restore_ours" and self.chance.random() < 0.6:
                self.take("session")
                self.clock.advance("+20m")
                self.take("session")

    def befall(self) -> None:
        """What people do in the source and in a target that we call, and what the source tells us of it."""
        for line in (*self.source.befall(), *self.meeting.befall()):
            self.witness.note(line)
        self.hear()

    def hear(self) -> None:
        """Take the webhooks that the source sends now."""
        for line in self.source.deliver(self._event):
            self.witness.note(line)

    def take(self, name: str) -> None:
        """Take one step of those in `_WEIGHTS` and `_MORE`."""
        steps: Mapping[str, Callable[[], None]] = {
            "cycle": self.work.rough_cycle,
            "run": lambda: self.work.guarded(self.work.run),
            "session": self.work.meets,
            "tell": lambda: self.work.guarded(self.work.tell),
            "prepare": lambda: self.work.guarded(self.work.prepare),
            "person": lambda: self.work.guarded(self.person.works),
            "restore_ours": self._restore_ours,
            "clock_jump": self._jump,
        }
        self.witness.note(name)
        steps[name]()

    def calm(self) -> None:
        """No more faults: a person does what waits for one, and two cycles must be enough after that."""
        self.witness.note("calm")
        self.person.is_thorough = True
        self.machine.chaos.rates = {}
        self.books.calm()
        self.source.calm()
        # Longer than anything is put off, by the clock that put it off.
        self.clock.advance("+1d2h" if self.counts["clock_jump"] or self.machine.chaos.counts["clock_set"] else "+1h30m")
        if "by_schedule" in self.setting.has:
            self.clock.advance("+6h30m")  # longer than any stream waits to be read
        # A source may not count everything as a change: what it has not said is found when everything is listed again.
        self.clock.sleep(max((s.fetch.sweep_s or 0 for s in self.machine.program.flow.streams), default=0))
        for process in self.machine.processes:
            process.clock.off = timedelta()
        self.machine.wrong.clear()
        self.work.is_untold = False
        if "refused_for_long" in self.setting.has:
            self._refused()
        self.work.guarded(self.person.works)
        if is_resting(facts.recall(self.machine.tx, self.machine.company, PUT_BACK)):
            # After `flowctl restore` a session looks around half an hour before the first that writes.
            self.work.cycle()
            self.clock.advance("+31m")
        self.work.cycle()
        for _ in range(2 if not self._goes_round else 4):
            # What is at rest stays so; now and then that is looked at, since it costs as much as the rest.
            if self._at_rest() and self.chance.random() < 0.9:
                return
            self.work.guarded(self.person.works)
            self.clock.advance("+2h" if "by_schedule" not in self.setting.has else "+6h30m")
            self.work.cycle()

    def _refused(self) -> None:
        """For some cycles QuickBooks refuses queries of one kind: the others go on, and somebody is told."""
        books = self.books
        assert isinstance(books, BooksRig)
        kind = self.chance.choice(_REFUSED_KINDS)
        books.refuse(kind, after_loss=self.chance.random() < 0.5)
        self.witness.note(f"  queries of {kind} are refused")
        times, gone, doubt = [], "", ""
        for number in range(4):
            if number == 2:
                gone, doubt = books.delete_other(kind), self._doubt()
            times.append(self.machine.world.at())
            self.work.cycle()
            self.clock.advance("+2h" if "by_schedule" not in self.setting.has else "+6h30m")
        for number, text in standing_still(self.machine.tx, self.machine.company, kind, times[-2]):
            self.witness.broke(number, text)
        # Where one and the same set was in doubt all the while, no session came to look at anything else. Nothing is
        # written meanwhile, nor is the set sent again before such a look; a person was told of it, as was seen above; and
        # the deletion is noticed once QuickBooks answers, or it is `lost` in the verdict.
        if gone and gone in self.meeting.posted().values() and not (doubt and doubt == self._doubt()):
            self.witness.broke(1, f"{gone} was deleted, and nobody noticed while only {kind} cannot be asked for")
        books.refuse("")

    def _doubt(self) -> str:
        """The set that is not settled, and how often it was sent; empty when there is none."""
        known = outbox.unsettled(self.machine.tx, self.machine.company)
        return f"{known.id} {known.attempts}" if known is not None else ""

    def judge(self, seed: int) -> Result:
        """Everything that is wrong now."""
        machine, witness = self.machine, self.witness
        verdict = self.meeting.verdict(self.source)
        faults = Counter(machine.chaos.counts)
        for counts in (self.books.counts(), self.source.counts(), self.counts):
            faults.update(counts)
        return Result(seed, verdict, +faults, witness.broken, witness.timeline)

    @property
    def _goes_round(self) -> bool:
        """Whether something is written to the source only after something else was: that takes more cycles."""
        streams = self.machine.program.flow.streams
        return any(s.after and s.write and s.target == self.machine.source_connection for s in streams)

    def _at_rest(self) -> bool:
        """Whether every record has reached the end of its life, and what it has written is there."""
        scope = {"company": self.machine.company, "state": "", "flow": "", "limit": 100_000}
        rows = self.machine.tx.rows("records_listing", scope)
        if self.person.is_asked_to_allow(self.machine.tx):
            return False
        is_over = all(row["state"] in ("closed", "skipped") for row in rows)
        # What was written to the source, and not to the target, has no id there.
        return is_over and all(map(self.books.has, filter(None, self.meeting.posted().values())))

    def _restore_ours(self) -> None:
        disk = self.machine.disk
        if disk.copies:
            self.counts["restore_ours"] += 1
            back = self.chance.choice((1, 1, 2, 3, disk.copies))
            if self.machine.restore_s:
                self.clock.sleep(self.machine.restore_s)
            self.machine.restore(max(0, disk.copies - back))

    def _jump(self) -> None:
        self.counts["clock_jump"] += 1
        process = self.machine.pick()
        far = abs(process.clock.off) > _JUMP / 2
        process.clock.off = timedelta() if far else process.clock.off + self.chance.choice((-_JUMP, _JUMP))
        self.witness.note(f"  the clock of process {process.number} is off by {process.clock.off}")

    # --- webhooks ---

    def _event(self, headers: Mapping[str, str], body: bytes, kind: str) -> int:
        """Hand a webhook over as the server would, and look at what it did to the disk."""
        disk, connection = self.machine.disk, self.machine.source_connection
        lower = {name.lower(): value for name, value in headers.items()}
        before = disk.changes()
        reply = self.machine.event(connection, lower, body)
        changed = disk.changes() - before
        if kind == "forged" and (changed or reply.status < 400):
            self.witness.broke(
                17, f"a webhook that nobody signed was answered {reply.status}, and changed {changed} rows"
            )
        if reply.status == 200 and kind != "forged":
            self.witness.acknowledged(connection, body, changed)
        return reply.status


def stage_of(plan: Plan, seed: int, company: str = COMPANY, disk: AnyDisk | None = None) -> Stage:
    """The world of a schedule, before anything happens."""
    return Stage(set_up(plan, seed, company, disk))
