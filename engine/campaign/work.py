"""What our own side does in a schedule: whole cycles and their parts, each by a process that may die over it."""

from __future__ import annotations

import random
from collections.abc import Callable

from engine.campaign.crash import Machine, Process
from engine.campaign.disk import Crash
from engine.campaign.witness import Witness
from engine.dataclass import dataclass
from engine.errors import StoreError
from engine.flowswitch import FlowPaused
from engine.runner import Runner

_STOPPED = 0.3


@dataclass(slots=True)
class Work:
    """Runs, meetings with the target, and marks. `befall` is what people do meanwhile."""

    chance: random.Random
    machine: Machine
    witness: Witness
    # How what is prepared reaches the target: its agent comes, or we call it.
    meets: Callable[[], None]
    goes_by_schedule: bool
    befall: Callable[[], None]
    # While the source is not told of anything, it goes on listing what is posted, and people go on changing it.
    is_untold: bool = False
    # A person stops some of what was read, before it meets the target, or lets it go on.
    stops: Callable[[Process], None] = lambda _process: None

    def guarded(self, step: Callable[[Process], None], process: Process | None = None) -> None:
        """Take a step of a process of ours; when it dies, the next step meets a new one."""
        process = process or self.machine.pick()
        try:
            step(process)
        except Crash:
            self.witness.note("  our process died")
            self.machine.restart(process)
        except StoreError as error:
            self.witness.note(f"  the disk refused: {error}")

    def cycle(self) -> None:
        """Read, meet the target, prepare and tell."""
        self.guarded(self.run)
        self.meets()
        self.guarded(self.prepare)
        self.guarded(self.tell)

    def rough_cycle(self) -> None:
        """A cycle in which people may change in the source what was posted, before the source was told of it."""
        self.guarded(self.run)
        if self.chance.random() < _STOPPED:
            self.guarded(self.stops)
        self.meets()
        self.guarded(self.prepare)
        if self.is_untold or self.chance.random() < 0.4:
            self.befall()
        else:
            self.guarded(self.tell)

    def run(self, process: Process) -> None:
        """Read what is due, or everything."""
        if self.goes_by_schedule:
            process.service.tick()
            return
        try:
            report = Runner(process.world).run(self.machine.program, self.machine.company)
        except FlowPaused:
            self.witness.note("  a person has paused it")
            return
        for error in report.errors:
            self.witness.note(f"  run: {error}")

    def prepare(self, process: Process) -> None:
        """Prepare what woke."""
        Runner(process.world).prepare(self.machine.program, self.machine.company)

    def tell(self, process: Process) -> None:
        """Tell the source."""
        if self.is_untold:
            return
        _, errors = Runner(process.world).tell(self.machine.program, self.machine.company)
        for error in errors:
            self.witness.note(f"  tell: {error}")

    def act(self, process: Process) -> None:
        """What a worker does while something else is under way."""
        step = self.chance.choice((self.prepare, self.prepare, self.tell, self.tell, self.run))
        self.witness.note(f"  meanwhile, process {process.number}: {step.__name__}")
        self.guarded(step, process)
