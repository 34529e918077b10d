"""Which calls are struck with which fault: counted in a dry run, then spread evenly over threads and calls."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tests.crash.stage import Mode

# `full` begins at one moment and lasts: nothing can be written until room is made; `broken` is the same with EIO.
Fault = Literal["kill", "eio", "enospc", "full", "broken"]
# Out of twenty points; a lasting fault has no call of its own and is told by the number of calls before it.
_KINDS: Sequence[Fault] = (*("kill",) * 11, *("eio",) * 4, *("enospc",) * 3, "full", "broken")
_ERRORS: Mapping[Fault, str] = {
    "kill": "signal=KILL", "eio": "error=EIO", "enospc": "error=ENOSPC", "full": "error=ENOSPC", "broken": "error=EIO",
}  # fmt: skip
# A full disk refuses what makes a file longer or newer; a failing one also the flush.
_LASTING: Mapping[Fault, Sequence[str]] = {
    "full": ("pwrite64", "write", "?ftruncate"),
    "broken": ("pwrite64", "?fdatasync", "?fsync", "?ftruncate"),
}
START = -1


@dataclass(frozen=True, slots=True)
class Group:
    """The calls of one name that one thread makes; thread `START` is the main thread while it upgrades an old store."""

    mode: Mode
    thread: int
    call: str


@dataclass(frozen=True, slots=True)
class Point:
    """One run of the campaign: the `nth` call of a group meets the fault."""

    group: Group
    nth: int
    fault: Fault

    @property
    def lasts(self) -> bool:
        """Whether the fault stays until it is taken away; then `nth` counts the answered calls before it."""
        return self.fault in _LASTING

    @property
    def injections(self) -> list[str]:
        """What strace is told."""
        if self.lasts:
            return [f"{name}:{_ERRORS[self.fault]}:when=1+" for name in _LASTING[self.fault]]
        return [f"{self.group.call}:{_ERRORS[self.fault]}:when={self.nth}"]

    def __str__(self) -> str:
        """A name to run it again by."""
        group = self.group
        return f"{group.mode}/{group.thread}/{group.call}/{self.nth}/{self.fault}"

    def earlier(self) -> Point:
        """The same a little earlier, for a run that made fewer calls than the dry run."""
        return replace(self, nth=max(1, self.nth * 4 // 5))


def named(text: str) -> Point:
    """The point of a name."""
    mode, thread, call, nth, fault = text.split("/")
    found: dict[str, Fault] = {name: name for name in _KINDS}
    return Point(Group("wal" if mode == "wal" else "persist", int(thread), call), int(nth), found[fault])


def plan(counts: Mapping[Group, int], moments: int, count: int, seed: int) -> list[Point]:
    """So many points: each group has a share by the root of its size, so that the rare calls are met too."""
    chance = random.Random(seed)
    found: list[Point] = []
    kinds = _kinds(chance)
    weights = {group: number**0.5 for group, number in counts.items() if number}
    left, weight = count, sum(weights.values())
    for group, share in sorted(weights.items(), key=lambda item: item[1]):
        points = min(left, max(1, round(left * share / weight)))
        weight -= share
        left -= points
        found += [Point(group, nth, _fitting(group, next(kinds))) for nth in _numbers(counts[group], points, chance)]
    found = [replace(p, nth=chance.randrange(moments)) if p.lasts else p for p in found]
    chance.shuffle(found)
    return found


def _numbers(calls: int, points: int, chance: random.Random) -> list[int]:
    """Four fifths evenly, one out of each stretch from the first call to the last; the others anywhere."""
    if points == 0:
        return []
    even = max(1, points * 4 // 5)
    step = calls / even
    numbers = [1 + int(step * (k + chance.random())) for k in range(even)]
    return numbers + [chance.randint(1, calls) for _ in range(points - len(numbers))]


def _kinds(chance: random.Random) -> Iterator[Fault]:
    while True:
        yield from chance.sample(_KINDS, len(_KINDS))


def _fitting(group: Group, fault: Fault) -> Fault:
    """A disk has room or not when it is written to, not when it is flushed; a store that is upgraded meets one fault."""
    if fault == "enospc" and group.call in ("fdatasync", "fsync", "unlink"):
        return "eio"
    if group.thread == START and fault in _LASTING:
        return "kill"
    return fault


def groups(mode: Mode, by_thread: Mapping[int, Counter[str]]) -> Counter[Group]:
    """The groups of a dry run."""
    return Counter(
        {Group(mode, thread, call): number for thread, calls in by_thread.items() for call, number in calls.items()}
    )
