"""Passes over a target that we call, and what must be true after each."""

from __future__ import annotations

from collections.abc import Mapping

from engine.campaign.callcheck import check_called, target_of
from engine.campaign.calls import Calls, maker_of
from engine.campaign.crash import Machine, Process
from engine.campaign.disk import Crash
from engine.campaign.scene import Verdict, is_change, scene_of
from engine.campaign.standing import oversleeps
from engine.campaign.witness import Witness
from engine.dataclass import dataclass
from engine.errors import StoreError
from engine.holders import ended
from engine.rigs import CalledRig, SourceRig
from engine.runner import Runner
from engine.store import work
from engine.store.base import Row

# Before a pass some time goes by: less than a write without an answer takes to show, or more.
_BETWEEN_S = (10, 40, 150, 400)


@dataclass(slots=True)
class Pushes:
    """Our passes over a target that is called."""

    machine: Machine
    rig: CalledRig
    witness: Witness
    calls: Calls
    goes_by_schedule: bool

    def meet(self) -> None:
        """Write what is prepared, after a while."""
        settled = self.calls.settle_s + 30
        chaos = self.machine.chaos
        self.machine.clock.sleep(chaos.chance.choice(_BETWEEN_S) if chaos.rates else settled)
        process, restarts = self.machine.pick(), self.machine.restarts
        try:
            self._push(process)
        except Crash:
            self.witness.note("  our process died")
            self.machine.restart(process)
        except StoreError as error:
            self.witness.note(f"  the disk refused: {error}")
        else:
            if restarts == self.machine.restarts:
                self._at_rest()

    def befall(self) -> list[str]:
        """What people do at the target."""
        return self.rig.befall()

    def posted(self) -> Mapping[int, str]:
        """The object of every record that is said to be posted."""
        scope = {"company": self.machine.company, "state": "", "flow": "", "limit": 100_000}
        rows = self.machine.tx.rows("records_listing", scope)
        return {row["id"]: target_of(row) for row in rows if row["state"] in ("posted", "closed")}

    def finds(self, row: Row) -> str | None:
        """The object of a record, as a person finds it who looks into the target: also one that was put away there.

        That the object of a change is there does not say that it was changed.
        """
        if is_change(row):
            return None
        maker = maker_of(row)
        made = (item for item in self.rig.made() if maker in self.calls.makers.get(item.guid, ()))
        return next((item.id for item in made), None)

    def verdict(self, source: SourceRig) -> Verdict:
        """Everything that is wrong at the end."""
        return check_called(scene_of(self.machine.tx, self.machine.company, self.rig, source, self.witness), self.calls)

    def _push(self, process: Process) -> None:
        if self.goes_by_schedule:
            process.service.tick()
            return
        report = Runner(process.world).push(self.machine.program, self.machine.company)
        for error in report.errors:
            self.witness.note(f"  push: {error}")

    def _at_rest(self) -> None:
        """After a pass nobody sleeps who should be awake, and nobody holds the connection any more."""
        sleeper = oversleeps(self.machine.tx, self.machine.company)
        if sleeper:
            self.witness.broke(23, sleeper)
        for connection in self.machine.program.called:
            holder = work.lease_holder(self.machine.tx, f"push:{self.machine.company}/{connection}")
            if holder and not ended(holder):
                self.witness.broke(25, f"the pass over {connection} has ended, and nobody else may begin one")
