"""What a session sends next, decided from facts alone."""

from __future__ import annotations

from typing import Literal

from connectors.qbwc.state import Gate, Stage
from engine.dataclass import dataclass

Turn = Literal["identify", "status", "probe", "resend", "list", "survey", "merge", "write", "figures", "end"]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the decision depends on. `stage` is how far the recovery of an unsettled set has come.

    `survey`: something must be looked at in QuickBooks before the next write. `merge`: a modify of the next set has not
    been held against what is in QuickBooks now. `operations`: there is something to write. `halted`: nothing may be
    written, and so nothing again either.
    """

    ended: bool = False
    gate: Gate = "passed"
    unsettled: bool = False
    stage: Stage = "status"
    lists_due: bool = False
    survey: bool = False
    merge: bool = False
    operations: bool = False
    figures: bool = False
    halted: bool = False


def next_turn(facts: Facts) -> Turn:
    """The next turn: first the company file, then what is not known, then lists and a look around, then new writes.

    Nothing is written while an earlier write's outcome is unknown, and nothing at all before the gate has passed. What is
    sent again is a write too: it waits for the look around, and is not sent while the company is halted. Figures come
    last: they hold up no write.
    """
    if facts.ended or facts.gate == "refused":
        return "end"
    if facts.gate != "passed":
        return "identify"
    if facts.unsettled:
        return _again(facts) if facts.stage == "resend" else facts.stage
    if facts.lists_due:
        return "list"
    if facts.survey:
        return "survey"
    if facts.operations:
        return "merge" if facts.merge else "write"
    return "figures" if facts.figures else "end"


def _again(facts: Facts) -> Turn:
    if facts.survey:
        return "survey"
    return "end" if facts.halted else "resend"


def percent_done(done: int, left: int) -> int:
    """Progress for the Web Connector: 100 ends the session, so it is said only when nothing is left."""
    return 100 if left <= 0 else min(99, 100 * done // (done + left))
