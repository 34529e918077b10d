"""Runs tasks at once, in the thread that submits them: for one pass, for tests, and wherever nobody else is there to do it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from engine.dataclass import dataclass
from engine.durable.port import Handle, Task


@dataclass(slots=True)
class Inline:
    """Keeps nothing: what is not done when the process ends is found again in the store."""

    keeps: bool = False
    _handle: Handle | None = None

    def start(self, handle: Handle, name: str, form: str) -> None:  # noqa: ARG002 - no other to be told from
        """Know what runs a task."""
        self._handle = handle

    def submit(self, tasks: Sequence[Task]) -> None:
        """Run each now; what one raises ends all."""
        assert self._handle is not None, "it was not started"
        for task in tasks:
            self._handle(task)

    def known(self, forms: Collection[str]) -> Mapping[str, str]:  # noqa: ARG002 - nothing waits
        """Nothing waits."""
        return {}

    def drop(self, keys: Collection[str]) -> None:
        """Nothing waits."""

    def purge(self, forms: Collection[str]) -> int:  # noqa: ARG002 - nothing is kept
        """Nothing is kept."""
        return 0

    def stop(self, timeout_s: float) -> bool:  # noqa: ARG002 - nothing is under way
        """Nothing is under way."""
        return True

    def close(self) -> None:
        """Nothing is held."""
