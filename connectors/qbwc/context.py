"""What the turns of a session work with."""

from __future__ import annotations

from engine.clock import Clock, Ids
from engine.contract import Desk
from engine.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Context:
    """The store's views inside the current transaction, and the world."""

    desk: Desk
    company: str
    ticket_hash: str
    clock: Clock
    ids: Ids
