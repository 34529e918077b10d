"""The thread that makes the reports of comparisons once they are answered; one process at a time does it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import field

from engine.dataclass import dataclass
from engine.errors import FlowctlError, StoreDamaged, UnknownName
from engine.holders import drop_name, take_name
from engine.log import described, logger
from engine.program import FlowProgram
from engine.reconcile import keeping
from engine.reconcile.asking import bound
from engine.store import work
from engine.store.base import lease_of
from engine.store.patience import patient
from engine.world import World, take_lease

TICK_S = 5.0
# One that could not be made is tried again after so long.
_REST_S = 600.0
_LEASE, _LEASE_S = "reports", 300.0


@dataclass(slots=True)
class Keeper:
    """Looks every few seconds what is to be made, until it is stopped."""

    world: World
    programs: Mapping[str, FlowProgram] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _name: str = ""
    _failed: dict[tuple[str, int], float] = field(default_factory=dict)

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._loop, name="flowctl-reports", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def stop(self, timeout_s: float = 1.0) -> None:
        """End; what is not made yet is made after the next start."""
        self.end()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def tick(self) -> int:
        """Make what is due; how many reports that were. 0 when another process does it.

        Raises:
            StoreError: when the store is not available.
        """
        now = self.world.clock.now()
        with self.world.store.read() as tx:
            due = list(keeping.due(tx, now))
        made = 0
        for company, span in due:
            rested = self.world.clock.monotonic() - self._failed.get((company, span), float("-inf"))
            if self._stopping.is_set() or rested < _REST_S or not self._leads():
                continue
            made += self._make(company, span)
        return made

    def close(self) -> None:
        """Let another process do it."""
        if self._name:
            with self.world.store.write(lease_of(_LEASE)) as tx:
                work.release_lease(tx, _LEASE, self._name)
            drop_name(self._name)
            self._name = ""

    def _leads(self) -> bool:
        self._name = self._name or take_name(self.world.ids)
        with self.world.store.write(lease_of(_LEASE)) as tx:
            return take_lease(tx, _LEASE, self._name, self.world.clock.now(), _LEASE_S) is not None

    def _make(self, company: str, span: int) -> bool:
        """One report; a fault in one company keeps no other from its own."""
        try:
            with self.world.store.read(company) as tx:
                connected = bound(tx, company, self.programs)
            if keeping.make(self.world, company, connected, span):
                self._failed.pop((company, span), None)
                return True
        except (StoreDamaged, UnknownName) as error:
            if isinstance(error, StoreDamaged):
                raise
            return False  # the company was removed meanwhile
        except FlowctlError as error:
            logger().error("comparison not reported", company=company, error=str(error), hint=error.hint)
        except Exception as error:  # noqa: BLE001 - a fault in one company, or its connector, must not end all reports
            logger().error("comparison not reported", company=company, error=described(error))
        self._failed[company, span] = self.world.clock.monotonic()
        return False

    def _loop(self) -> None:
        while not self._stopping.wait(TICK_S):
            try:
                with patient():
                    self.tick()
            except StoreDamaged as error:
                logger().critical("reports stopped", error=str(error), hint=error.hint)
                return
            except FlowctlError as error:
                logger().error("reports not looked at", error=str(error), hint=error.hint)
            except Exception as error:  # noqa: BLE001 - as above: the next look may go well
                logger().error("reports not looked at", error=described(error))
        try:
            self.close()
        except FlowctlError as error:
            logger().error("reports not closed", error=str(error), hint=error.hint)
