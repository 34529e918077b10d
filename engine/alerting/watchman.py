"""The thread that looks at every company, keeps the notices, and sends the messages; one process at a time does it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from engine import registry
from engine.alerting import finding, grouping, looking, notices, rules
from engine.alerting.finding import Condition
from engine.alerting.grouping import Group
from engine.alerting.postman import Postman
from engine.alerting.rules import HOUSE
from engine.dataclass import dataclass
from engine.errors import FlowctlError, StoreDamaged, UnknownName
from engine.holders import drop_name, take_name
from engine.log import described, logger
from engine.program import FlowProgram
from engine.store import companies, work
from engine.store.base import lease_of
from engine.store.patience import patient
from engine.world import World, take_lease

TICK_S = 30.0
# What takes longer to look at, and changes seldom.
SLOW_S = 600.0
_LEASE, _LEASE_S = "alerts", 300.0
_STATES = ("deferred", "failed", "unknown", "vanished")
_DAY_S = 86_400.0


@dataclass(slots=True)
class _Seen:
    """What was made of a company when its journal stood at `head`, and what the slower looks have shown."""

    head: int = -1
    groups: Mapping[str, Sequence[Group]] = field(default_factory=dict)
    # Rule and subject of what may be found again once what was woken is prepared.
    open_yet: frozenset[tuple[str, str]] = frozenset()
    slow: Sequence[Condition] = ()
    slow_at: float = float("-inf")


@dataclass(slots=True)
class Watchman:
    """Looks every half minute until it is stopped. `home` is the folder of the store, whose disk is watched."""

    world: World
    programs: Mapping[str, FlowProgram] = field(default_factory=dict)
    home: Path | None = None
    postman: Postman | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _name: str = ""
    _purged_at: float = float("-inf")
    _strange: frozenset[str] = frozenset()

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._loop, name="flowctl-alerts", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def stop(self, timeout_s: float = 1.0) -> None:
        """End; what was not sent stays in the outbox."""
        self.end()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def tick(self) -> int:
        """Look at everything once and send what is due; how many messages were taken. 0 when another process does it.

        Raises:
            StoreError: when the store is not available.
        """
        self._name = self._name or take_name(self.world.ids)
        with self.world.store.write(lease_of(_LEASE)) as tx:
            if take_lease(tx, _LEASE, self._name, self.world.clock.now(), _LEASE_S) is None:
                return 0
        self.look()
        if self.postman is None:
            self.postman = Postman(self.world, stopping=self._stopping)
        return self.postman.round()

    def look(self) -> None:
        """Bring the notices of the house and of every company up to date; a fault in one keeps no other from it."""
        with self.world.store.read() as tx:
            names = companies.names(tx)
            heads = {row["company"]: row["seq"] for row in tx.rows("journal_companies", {})}
        pull = frozenset(name for name in registry.names() if self._is_pull(name))
        for company in names:
            if self._stopping.is_set():
                return
            try:
                self._company(company, heads.get(company, 0), pull)
            except StoreDamaged:
                raise
            except UnknownName:
                continue  # the company was removed meanwhile
            except FlowctlError as error:
                logger().error("alerts not looked at", company=company, error=str(error), hint=error.hint)
            except Exception as error:  # noqa: BLE001 - a fault in one company, or its connector, must not end all alerts
                logger().error("alerts not looked at", company=company, error=described(error))
        self._house()

    def close(self) -> None:
        """Let another process do it."""
        if self._name:
            with self.world.store.write(lease_of(_LEASE)) as tx:
                work.release_lease(tx, _LEASE, self._name)
            drop_name(self._name)
            self._name = ""

    def _company(self, company: str, head: int, pull: frozenset[str]) -> None:
        seen, now = self._seen.setdefault(company, _Seen()), self.world.clock.monotonic()
        if seen.head != head:
            self._regroup(company, seen)
            seen.head = head
        if now - seen.slow_at >= SLOW_S:
            seen.slow = self._slow(company)
            seen.slow_at = now
        with self.world.store.read(company, HOUSE) as tx:
            settings = rules.effective(tx, company)
            known = finding.read(tx, company, self.world.clock.now(), pull, seen.groups)
        found = finding.conditions(known, settings)
        found += [condition for condition in seen.slow if settings[condition.rule].on]
        if not found and not known.told:
            return  # as with most companies at most times: nothing is wrong, and nobody was told that anything is
        with self.world.store.write(company, HOUSE) as tx:
            strange = notices.sync(tx, company, self.world.at(), found, settings, open_yet=seen.open_yet)
        self._tell_strange(company, strange)

    def _regroup(self, company: str, seen: _Seen) -> None:
        """Each move of a record is a line of the journal: where there is none, nothing has moved."""
        found = {state: grouping.groups(self.world.store, company, state) for state in _STATES}
        for state, groups in found.items():
            grouping.wait_on(seen.groups.get(state, ()), groups)
        seen.groups = found
        woken = grouping.woken(self.world.store, company)
        seen.open_yet = frozenset(("deferred", finding.deferred_subject(group)) for group in woken)

    def _slow(self, company: str) -> list[Condition]:
        with self.world.store.read(company, HOUSE) as tx:
            settings = rules.effective(tx, company)
        found = list(looking.tokens(self.world, company, settings["token"]))
        with self.world.store.read(company) as tx:
            found += looking.differences(tx, company, self.programs, settings["reconcile"])
        return found

    def _house(self) -> None:
        with self.world.store.read() as tx:
            settings = rules.effective(tx, HOUSE)
            found = looking.house(tx, self.world, settings, self.home)
            gone = notices.gone(tx)
        now = self.world.clock.monotonic()
        with self.world.store.write(HOUSE) as tx:
            strange = notices.sync(tx, HOUSE, self.world.at(), found, settings)
        for company in gone:
            with self.world.store.write(company, HOUSE) as tx:
                notices.forget(tx, company, self.world.at())
        if now - self._purged_at >= _DAY_S:
            with self.world.store.write() as tx:  # once a day
                notices.purge(tx, self.world.clock.now())
            self._purged_at = now
        self._tell_strange(HOUSE, strange)

    def _tell_strange(self, company: str, names: frozenset[str]) -> None:
        """Say once of each rule that a newer flowctl had, and that is not looked at here."""
        for name in sorted(names - self._strange):
            hint = "a newer flowctl has opened notices of it; they stay as they are, and other rules go on"
            logger().warning("unknown alert rule", company=company, error=f"there is no rule `{name}`", hint=hint)
        self._strange |= names

    @staticmethod
    def _is_pull(name: str) -> bool:
        try:
            found = registry.find(name)
        except FlowctlError:
            return False
        return found is not None and found.spec.delivery == "pull"

    def _loop(self) -> None:
        try:
            with patient():
                self._work()
        except BaseException:
            logger().critical(
                "alerts ended", hint="nobody is told of anything any more: restart flowctl and report its log"
            )
            raise

    def _work(self) -> None:
        while not self._stopping.wait(TICK_S if self._name else 1.0):
            try:
                self.tick()
            except StoreDamaged as error:
                logger().critical("alerts stopped", error=str(error), hint=error.hint)
                return
            except FlowctlError as error:
                logger().error("alerts not looked at", error=str(error), hint=error.hint)
            except Exception as error:  # noqa: BLE001 - as above: the next look may go well
                logger().error("alerts not looked at", error=described(error))
        try:
            self.close()
        except FlowctlError as error:
            logger().error("alerts not closed", error=str(error), hint=error.hint)
