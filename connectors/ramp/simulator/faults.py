"""A plan of what goes wrong: by number of the matching request, or by chance from the seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.contract import HttpCall

FaultName = Literal[
    "token_expired", "rate_limited", "server_error", "html_error", "timeout_before", "timeout_after", "reset_before",
    "reset_after", "truncated", "slow", "page_shift",
]  # fmt: skip
# The request was carried out, and its answer never arrives whole.
AFTER_COMMIT = frozenset({"timeout_after", "reset_after", "truncated"})


class ConnectionReset(ConnectionResetError):
    """The simulated server closed the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    `at` counts the requests that match `method` and `path` from 0; `probability` is thrown for each of them. `path` is
    any part of the path, such as `/accounting/syncs`. A slow answer takes `seconds`.
    """

    name: FaultName
    at: tuple[int, ...] = ()
    probability: float = 0.0
    method: str = ""
    path: str = ""
    seconds: float = 30.0


class FaultPlan:
    """Decides for each request which fault it meets, at most one, and counts them by name."""

    def __init__(self, seed: int, faults: Sequence[Fault] = ()) -> None:
        self.faults = list(faults)
        self.counts: Counter[str] = Counter()
        self._random = random.Random(f"{seed}:faults")  # noqa: S311 - a simulation must repeat
        self._seen: Counter[int] = Counter()

    def add(self, fault: Fault) -> None:
        """Plan one more fault; its count begins now."""
        self.faults.append(fault)

    def strike(self, call: HttpCall) -> Fault | None:
        """The fault that this request meets. Each matching fault counts it, also when an earlier one strikes."""
        hit: Fault | None = None
        for index, fault in enumerate(self.faults):
            if (fault.method and fault.method != call.method) or fault.path not in call.path:
                continue
            number = self._seen[index]
            self._seen[index] += 1
            due = number in fault.at or (fault.probability > 0 and self._random.random() < fault.probability)
            if due and hit is None:
                hit = fault
        if hit is not None:
            self.counts[hit.name] += 1
        return hit
