"""Hypothesis chooses the faults, and shrinks what fails; every rule is one thing that happens to us or around us."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connectors.qbwc.simulator import FAULTS as BOOKS_FAULTS
from connectors.qbwc.simulator.rig import QuickBooksRig
from connectors.ramp.simulator.faults import Fault
from connectors.ramp.simulator.rig import _DOINGS, _FAULTS, RampRig
from engine.campaign.__main__ import flow_program
from engine.campaign.check import Scene, check
from engine.campaign.crash import FAULTS as OUR_FAULTS
from engine.campaign.play import COMPANY, Plan, Stage, stage_of

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
        with self.stage.machine.world.store.read() as tx:
            verdict = check(Scene.of(tx, COMPANY, self.stage.books, self.stage.source, self.stage.witness))
        self.stage.machine.store.close()
        assert self.stage.witness.broken == [], self.stage.witness.timeline
        wrong = (verdict.lost, verdict.duplicated, verdict.wrong_file, verdict.cents_off, verdict.stuck)
        assert wrong == (0, 0, 0, 0, 0), [*verdict.texts, *self.stage.witness.timeline]


TestCompany = Company.TestCase
TestCompany.settings = settings(
    max_examples=200,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
