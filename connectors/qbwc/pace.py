"""How many requests travel together: as many as QuickBooks has lately answered in good time, and never more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from connectors.qbwc.state import Options
from connectors.qbwc.written import VOID
from engine.contract import Json, Operation
from engine.dataclass import dataclass

# The Web Connector gives up on an answer after about a minute (FACTS section 1), so a set is planned for a quarter of it.
TARGET_S = 15.0
# What an answer to so many changes here is kept in one transaction, and others have calls to be answered meanwhile.
MOST_REQUESTS = 50
MOST_BYTES = 512 * 1024
# A line costs QuickBooks far less than a transaction of its own. ASSUMED: ten of them about as much.
_LINES_A_REQUEST = 10
_LINE = re.compile(rb"<(?:[A-Za-z]*Line(?:Add|Mod)?|AppliedToTxn(?:Add|Mod))[ >/]")


@dataclass(frozen=True, slots=True)
class Pace:
    """`limit` is how much one message set may weigh; `most` how many requests it may hold, whatever they weigh."""

    limit: int = 1
    most: int = MOST_REQUESTS


def initial(remembered: Json | None, options: Options) -> Pace:
    """Where a session begins: at half of what the last one came to, because QuickBooks may be slower today."""
    most = min(options.batch, MOST_REQUESTS) if options.batch > 0 else MOST_REQUESTS
    known = (remembered or {}).get("limit", 1)
    limit = known // 2 if isinstance(known, int) and not isinstance(known, bool) else 1
    return Pace(max(1, min(limit, MOST_REQUESTS)), most)


def remembered(pace: Pace) -> Json:
    """What the next session is told."""
    return {"limit": pace.limit}


def after(pace: Pace, weight: int, seconds: float, *, clean: bool) -> Pace:
    """Learn from an answer to a set of this weight.

    Args:
        pace: as the set was made with.
        weight: the set's own weight.
        seconds: from handing the set out to having its answer, travel included; negative when a clock was set back.
        clean: QuickBooks did everything that it was asked. A refusal takes less time than what it refuses.
    """
    if seconds > 2 * TARGET_S:
        # It may have become slow in the midst of the set, and be slower now than the whole of it tells.
        return replace(pace, limit=max(1, min(pace.limit, int(weight * TARGET_S / seconds) // 4)))
    if seconds > TARGET_S:
        return replace(pace, limit=max(1, min(pace.limit, int(weight * TARGET_S / seconds))))
    # A set that was far smaller than allowed says nothing about one that is not.
    if clean and 0 <= seconds < TARGET_S / 2 and 2 * weight > pace.limit:
        return replace(pace, limit=min(2 * pace.limit, MOST_REQUESTS))
    return pace


def after_trouble(pace: Pace) -> Pace:
    """No answer came, or none that can be used: the next sets are far smaller, whatever the cause was."""
    return replace(pace, limit=max(1, pace.limit // 4))


def weight_of(operations: Sequence[Operation]) -> int:
    """How much these requests weigh together: one each, and one more for every ten lines."""
    return sum(1 + len(_LINE.findall(operation.body)) // _LINES_A_REQUEST for operation in operations)


def take(pace: Pace, operations: Sequence[Operation]) -> int:
    """How many of the next operations go together; one at least, however heavy.

    A change never goes with what came before it and is about the same object, be it a change or a payment: it is held
    against what QuickBooks has made of that. A void goes alone, because QuickBooks refuses none that is out of date.
    """
    weight, size, targets = 0, 0, set[str]()
    for count, operation in enumerate(operations):
        weight += weight_of((operation,))
        size += len(operation.body)
        full = count >= pace.most or weight > pace.limit or size > MOST_BYTES
        if count and (full or VOID in (operation.request, operations[count - 1].request)):
            return count
        if operation.target_id in targets or _names(operations[:count], operation.target_id):
            return count
        if operation.target_id:
            targets.add(operation.target_id)
    return len(operations)


def _names(operations: Sequence[Operation], target_id: str) -> bool:
    """Whether any of them has this id as the text of an element."""
    text = re.compile(rb">\s*" + re.escape(target_id.encode()) + rb"\s*<")
    return bool(target_id) and any(text.search(operation.body) for operation in operations)
