"""What goes wrong on the way to Expensify and back, by the kind of job it befalls."""

from __future__ import annotations

from typing import Literal

from connectors._simulated import Plan
from engine.dataclass import dataclass

FaultName = Literal[
    "reset_before", "reset_after", "timeout_before", "timeout_after", "html_error", "html_ok", "server_error", "oddity",
    "partial", "not_found", "forbidden", "rate_limited", "slow", "truncated", "never_ready", "duplicated", "changed_meanwhile",
]  # fmt: skip
# The job ran, and its answer never arrives whole.
AFTER_COMMIT = frozenset({"reset_after", "timeout_after", "truncated"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    `at` counts the jobs of the kind `job` from 0, or all jobs when it is empty; `probability` is thrown for each of them.
    `job` is `file`, `mark` (a `file` job that marks what it exports), `download`, `get/policyList` and so on; a part
    of the name fits too. A slow answer takes `seconds`.

    Only a `file` or `mark` job can be `duplicated` (its file lists its first report twice), and only a `download` can be
    `never_ready` (this time) or `changed_meanwhile` (a report of the file was reopened, changed and approved again).
    """

    name: FaultName
    at: tuple[int, ...] = ()
    probability: float = 0.0
    job: str = ""
    seconds: float = 30.0

    @property
    def method(self) -> str:
        """Every call is a POST."""
        return "POST"

    @property
    def path(self) -> str:
        """The plan counts by kind of job: every call has the same path."""
        return self.job


FaultPlan = Plan[Fault]
