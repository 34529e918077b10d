"""Hypothesis chooses the faults, and shrinks what fails; every rule is one thing that happens to us or around us."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectors.qbwc.simulator import FAULTS as BOOKS_FAULTS
from connectors.qbwc.simulator.rig import QuickBooksRig
from connectors.ramp.simulator.faults import Fault
from connectors.ramp.simulator.rig import _DOINGS, _FAULTS, _ON_THE_WAY, RampRig
from engine.campaign.__main__ import flow_program
from engine.campaign.crash import FAULTS as OUR_FAULTS
from engine.campaign.play import Plan, Stage, silent, stage_of

FLOW = flow_program("ramp_to_quickbooks")
QUIET = Plan(FLOW, focus=frozenset({"nothing"}))


class Company(RuleBasedStateMachine):
    """One company, its source, its books and our process."""

    stage: Stage

    @initialize(seed=st.integers(0, 2**16))
    def start(self, seed: int) -> None:
        self.stage = stage_of(QUIET, seed)

    @property
    def books(self) -> QuickBooksRig:
        assert isinstance(self.stage.books, QuickBooksRig)
        return self.stage.books

    @property
    def source(self) -> RampRig:
        assert isinstance(self.stage.source, RampRig)
        return self.stage.source

    @rule(name=st.sampled_from(sorted(set(BOOKS_FAULTS) - {"switch_file_unseen"})), later=st.integers(0, 4))
    def the_books_will_fail(self, name: str, later: int) -> None:
        faults = self.books.faults
        schedule = {**faults.plan.schedule, name: (faults.opportunities[name] + later,)}
        faults.plan = replace(faults.plan, schedule=schedule)

    @rule(name=st.sampled_from(_FAULTS), later=st.integers(0, 3))
    def the_source_will_fail(self, name: str, later: int) -> None:
        self.source.sandbox.simulator.faults.add(Fault(name, at=(later,)))  # type: ignore[arg-type]  # sampled from its names

    @rule(name=st.sampled_from(sorted(OUR_FAULTS)), later=st.integers(0, 12))
    def our_process_will_die(self, name: str, later: int) -> None:
        self.stage.machine.chaos.aims[name] = later

    @rule(name=st.sampled_from(sorted(_DOINGS)))
    def somebody_changes_the_source(self, name: str) -> None:
        _DOINGS[name](self.source)
        self.source.look()

    @rule(name=st.sampled_from(["cycle", "run", "session", "prepare", "tell", "person"]))
    def we_work(self, name: str) -> None:
        self.stage.take(name)

    @rule(name=st.sampled_from(["", *sorted(set(_ON_THE_WAY) - {"hook_doubled", "hook_shuffled"})]))
    def webhooks_come(self, name: str) -> None:
        self.source.hooks = {name: 1.0}
        with silent():
            self.stage.hear()
        self.source.hooks = {}

    @rule()
    def two_agents_come(self) -> None:
        self.books.rates = {"second_connector": 1.0}
        self.stage.take("session")
        self.books.rates = {}

    @rule()
    def somebody_edits_during_a_session(self) -> None:
        self.books.rates = {"edit_midway": 0.5}
        self.stage.take("session")
        self.books.rates = {}

    @precondition(lambda self: len(self.stage.machine.processes) < 2)
    @rule(minutes=st.sampled_from([-10, 0, 10]))
    def another_process_starts(self, minutes: int) -> None:
        self.stage.machine.start(timedelta(minutes=minutes))

    @rule()
    def our_store_is_backed_up(self) -> None:
        self.stage.machine.disk.copy()

    @rule()
    def our_store_is_restored(self) -> None:
        self.stage.take("restore_ours")

    @rule()
    def a_clock_jumps(self) -> None:
        self.stage.take("clock_jump")

    @rule(span=st.sampled_from(["+1m", "+3h", "+1d"]))
    def time_passes(self, span: str) -> None:
        self.stage.clock.advance(span)

    @invariant()
    def nothing_is_broken(self) -> None:
        if hasattr(self, "stage"):
            assert self.stage.witness.broken == []

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        self.stage.machine.chaos.aims.clear()
        self.stage.calm()
        result = self.stage.judge(0)
        assert self.stage.witness.broken == [], self.stage.witness.timeline
        assert not result.failed, [*result.verdict.texts, *result.timeline]


TestCompany = Company.TestCase
TestCompany.settings = settings(
    # Always the same ones; what the rules do, the schedules of test_schedules.py do by the hundred.
    max_examples=75,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
