"""The simulated account: everything it holds, and seeded names for what is added."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from connectors._simulated import Names as BaseNames
from connectors.expensify.simulator.records import By, Employee, File, Mark, Options, Policy, Report
from engine.clock import Clock
from engine.dataclass import dataclass

ADMIN = Employee("admin@example.com", "Amélie Okafor", "admin", payroll_id="E-1")


class Names(BaseNames):
    """Ids in Expensify's forms, from the seed: the n-th of a kind is always the same, and so is the one of a key."""

    def policy(self, key: str = "") -> str:
        """16 hexadecimal digits, as `4C6722D4BD2BD941`."""
        return self._hex("policy", key)[:16].upper()

    def report(self, key: str = "") -> str:
        """As seen live: `R00X9oNOn2MO`."""
        return "R00" + (self.fixed_text("report", key, 9) if key else self.text("report", 9))

    def old_report(self, key: str = "") -> str:
        """The number that older pages call the report's id."""
        return str(10**7 + int(self._hex("old_report", key), 16) % (9 * 10**8))

    def transaction(self) -> str:
        """19 digits, beyond what a double holds exactly."""
        return str(4 * 10**18 + int(self._hex("transaction", ""), 16) % (5 * 10**18))

    def _hex(self, kind: str, key: str) -> str:
        return (self.fixed(kind, key) if key else self.uuid(kind)).replace("-", "")


@dataclass(slots=True)
class World:
    """All state of one account. Objects are frozen and exchanged whole; the simulator's lock guards every change."""

    names: Names
    clock: Clock
    options: Options
    policies: dict[str, Policy] = field(default_factory=dict)
    employees: dict[str, Employee] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    # Labels of each report, with who set them.
    labels: defaultdict[str, dict[str, By]] = field(default_factory=lambda: defaultdict(dict))
    # Reports that a job has marked, also those that somebody had marked before.
    told: dict[str, None] = field(default_factory=dict)
    # Marks that a job has promised, with the clock's reading at which they happen.
    coming: list[tuple[float, str, str]] = field(default_factory=list)
    # Every total that a file ever showed of a report, in major units.
    shown: defaultdict[str, set[Decimal]] = field(default_factory=lambda: defaultdict(set))

    @property
    def now(self) -> datetime:
        """The simulated time."""
        return self.clock.now()

    def change_report(self, report_id: str, **changes: Any) -> Report:
        """Exchange a report for a changed one."""
        self.reports[report_id] = replace(self.reports[report_id], **changes)
        return self.reports[report_id]

    def change_policy(self, policy_id: str, **changes: Any) -> Policy:
        """Exchange a policy for a changed one."""
        self.policies[policy_id] = replace(self.policies[policy_id], **changes)
        return self.policies[policy_id]

    def mark(self, report_id: str, label: str, by: By) -> None:
        """Mark a report as exported; a label that it has already stays as it is."""
        if by == "job":
            self.told[report_id] = None
        if label not in self.labels[report_id]:
            self.labels[report_id][label] = by
            self.marks.append(Mark(report_id, label, by, self.now))

    def settle(self) -> None:
        """Let the marks happen whose time has come."""
        due = [item for item in self.coming if item[0] <= self.clock.monotonic()]
        self.coming = [item for item in self.coming if item not in due]
        for _, report_id, label in due:
            self.mark(report_id, label, "job")


def founded(seed: int, clock: Clock, options: Options) -> World:
    """An account with an administrator and nothing else."""
    world = World(Names(seed), clock, options)
    world.employees[ADMIN.email] = ADMIN
    return world
