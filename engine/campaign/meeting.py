"""How what we have prepared reaches a target: its agent comes to us, or we call it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from engine.campaign.scene import Verdict
from engine.rigs import SourceRig
from engine.store.base import Row


class Meeting(Protocol):
    """One way to reach a target."""

    def meet(self) -> None:
        """Let what is prepared reach the target, and look at what that left."""
        ...

    def befall(self) -> list[str]:
        """What people do at the target meanwhile; returns what happened, for a timeline."""
        ...

    def posted(self) -> Mapping[int, str]:
        """The object of every record that is said to be posted."""
        ...

    def finds(self, row: Row) -> str | None:
        """The object of a record that is in the target now, whichever life of ours wrote it."""
        ...

    def verdict(self, source: SourceRig) -> Verdict:
        """Everything that is wrong at the end."""
        ...
