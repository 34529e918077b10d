"""Plants bugs in the production code: each is a function that patches it, registered under its own name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.campaign import crash

Plant = Callable[[pytest.MonkeyPatch], None]
PLANTS: dict[str, Plant] = {}


def plant(function: Plant) -> Plant:
    """Register a planted bug under its function's name."""
    PLANTS[function.__name__] = function
    return function


def doctored(patch: pytest.MonkeyPatch, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    patch.setattr(owner, name, wrap(getattr(owner, name)))


def without_indexes(patch: pytest.MonkeyPatch) -> None:
    """Two sets of a company may be open at the same time, and two sessions."""

    def started(start: Any) -> Any:
        def again(self: Any, *given: Any) -> Any:
            for name in ("message_sets_one_unsettled", "sessions_one_open"):
                self.disk.connection.execute(f"DROP INDEX IF EXISTS {name}")
            return start(self, *given)

        return again

    doctored(patch, crash.Machine, "start", started)
