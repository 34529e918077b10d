"""What goes wrong: by number of the matching request, or by chance from the seed."""

from __future__ import annotations

from typing import Literal

from connectors._simulated import Plan
from engine.dataclass import dataclass

FaultName = Literal[
    "token_expired", "refresh_refused", "throttled", "server_error", "html_error", "error_200", "timeout_before",
    "timeout_after", "reset_before", "reset_after", "truncated", "bad_json", "slow", "row_gone", "page_repeat",
]  # fmt: skip
# The request was carried out, and its answer never arrives whole.
AFTER_COMMIT = frozenset({"timeout_after", "reset_after", "truncated", "bad_json"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    `at` counts the requests that match `method` and `path` from 0; `probability` is thrown for each of them. `path` is
    any part of the path, such as `/bills/bills`. A slow answer takes `seconds`.
    """

    name: FaultName
    at: tuple[int, ...] = ()
    probability: float = 0.0
    method: str = ""
    path: str = ""
    seconds: float = 30.0


FaultPlan = Plan[Fault]
