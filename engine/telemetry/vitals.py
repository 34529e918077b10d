"""Whether the server may be sent work: the store can be written, its schema is ours, the keys open it, the worker lives.

Anybody may ask, as often as they like: what was found is kept for a second, one look is made at a time, and nothing of it
names a file, a company or a secret.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import Literal

from anyio import to_thread

from engine.dataclass import dataclass
from engine.errors import FlowctlError, StoreError
from engine.store import keys
from engine.store.base import PROBE, Timed, Versioned
from engine.store.sqlite import SqliteStore
from engine.vault import KeyWrong
from engine.world import World

Level = Literal["ok", "slow", "bad"]
# So much free space the store needs for what is under way.
LEAST_FREE = 50 << 20
# A call to a vendor may take five minutes. The server answers the Web Connector all the same, so this is no reason to
# send it nothing.
SILENT_S = 900.0
# Calls of one Web Connector session that come more than 30 s apart, by the clocks of those that answer them, are no
# longer taken for one after the other.
CLOCK_S = 20.0
_KEPT_S = 1.0
# Whoever asks every few seconds is told in time, however long a database that is away is waited for.
MOST_S = 3.0
_PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, in words for a person."""

    name: str
    level: Level
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Worker:
    """The worker beside the server, as it is asked for: whether it was started, is alive, and for how long it was silent."""

    is_started: Callable[[], bool] = lambda: False
    is_alive: Callable[[], bool] = lambda: True
    silent_s: Callable[[], float] = lambda: 0.0


@dataclass(slots=True)
class Vitals:
    """Looks at most once a second, and once at a time; a look that takes long goes on, and is no reason to wait for it."""

    world: World
    worker: Worker
    _found: tuple[Check, ...] = ()
    _at: float = float("-inf")
    _looking: asyncio.Task[None] | None = field(default=None, init=False)

    async def look(self) -> tuple[Check, ...]:
        """What was found, now or in the last second."""
        if self._looking is None:
            now = self.world.clock.monotonic()
            if self._at <= now < self._at + _KEPT_S:
                return self._found
            self._looking = asyncio.get_running_loop().create_task(self._anew())
        try:
            async with asyncio.timeout(MOST_S):
                await asyncio.shield(self._looking)
        except TimeoutError:
            hint = "look whether the database can be reached, and what holds it"
            return Check("store", "bad", f"did not answer within {MOST_S:.0f} seconds", hint), _worker(self.worker)
        return self._found

    async def _anew(self) -> None:
        try:
            self._found = tuple(await to_thread.run_sync(self._look))
            self._at = self.world.clock.monotonic()
        finally:
            self._looking = None

    def _look(self) -> list[Check]:
        found = [*_store(self.world)]
        if found[0].level == "ok":  # or it would be waited for once more
            found += _clock(self.world)
        return [*found, *_disk(self.world), _worker(self.worker)]


def is_ready(checks: Sequence[Check]) -> bool:
    """Whether work may be sent here."""
    return all(check.level != "bad" for check in checks)


def answer(checks: Sequence[Check], accept: str) -> tuple[int, str, str]:
    """Status, body and content type: JSON, or lines for a person whose browser asks for a page or for text."""
    ready = is_ready(checks)
    word = "ready" if ready else "not ready"
    if wants_words(accept):
        lines = [f"{check.name}: {check.words}{f' ({check.hint})' if check.hint else ''}" for check in checks]
        return (200 if ready else 503), "\n".join([word, *lines, ""]), _PLAIN
    found: dict[str, object] = {"status": word}
    if not ready:
        found["reason"] = "; ".join(check.words for check in checks if check.level == "bad")
    found["checks"] = {
        check.name: {"level": check.level, "says": check.words, **({"hint": check.hint} if check.hint else {})}
        for check in checks
    }
    return (200 if ready else 503), json.dumps(found), "application/json"


def alive(accept: str) -> tuple[str, str]:
    """That the process answers: body and content type."""
    return ("up\n", _PLAIN) if wants_words(accept) else ('{"status": "up"}', "application/json")


def wants_words(accept: str) -> bool:
    """Whether a person asks, and no program."""
    first = accept.split(",", maxsplit=1)[0].split(";", maxsplit=1)[0].strip().lower()
    return first in ("text/html", "text/plain")


def _store(world: World) -> Iterator[Check]:
    """A transaction that may write waits for its turn as any would, and leaves nothing behind."""
    try:
        with world.store.write(PROBE) as tx:
            try:
                keys.check(tx, world.vault)
                found = Check("keys", "ok", "the master key opens the store's keys")
            except KeyWrong:
                hint = "give back the key that the store was used with; `flowctl doctor` names it"
                found = Check("keys", "bad", "the master key does not open the store's keys", hint)
    except StoreError as error:
        yield Check("store", "bad", str(error), error.hint or "")
        return
    except FlowctlError:
        yield Check("store", "bad", "the store refused a transaction", "look into the log")
        return
    yield Check("store", "ok", "can be written")
    yield from _schema(world)
    yield found


def _schema(world: World) -> Iterator[Check]:
    if not isinstance(world.store, Versioned):
        return
    try:
        have, known = world.store.versions()
    except StoreError as error:  # it went a moment ago
        yield Check("schema", "bad", str(error), error.hint or "")
        return
    if have == known:
        yield Check("schema", "ok", f"version {have}")
    else:
        hint = "restart flowctl with the newest version that was used on this store"
        yield Check("schema", "bad", f"version {have}, and this flowctl knows version {known}", hint)


def _clock(world: World) -> Iterator[Check]:
    """Machines that share a store tell from their clocks how long another one has held something."""
    if not isinstance(world.store, Timed):
        return
    try:
        ahead_s = (world.clock.now() - world.store.now()).total_seconds()
    except StoreError:
        return  # it went a moment ago; the next look says so
    if abs(ahead_s) < CLOCK_S:
        yield Check("clock", "ok", "goes with the store's")
        return
    words = f"this machine's clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the store's"
    yield Check("clock", "bad", words, "let every machine set its clock by the network (NTP)")


def _disk(world: World) -> Iterator[Check]:
    folder = world.store.folder if isinstance(world.store, SqliteStore) else None
    if folder is None:
        return
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Check("disk", "bad", f"the store's folder cannot be read: {error.strerror}", "look after the disk")
        return
    if free < LEAST_FREE:
        yield Check("disk", "bad", f"{free >> 20} MiB are free", "free disk space: nothing can be kept any more")
    else:
        yield Check("disk", "ok", "has room")


def _worker(worker: Worker) -> Check:
    if not worker.is_alive():
        return Check("worker", "bad", "the worker has ended", "restart flowctl and report its log")
    if not worker.is_started():
        return Check("worker", "ok", "not started here; the sources are read by another process")
    silent_s = worker.silent_s()
    if silent_s > SILENT_S:
        minutes = int(silent_s // 60)
        return Check("worker", "slow", f"at one piece of work for {minutes} min", "the log says what it does")
    return Check("worker", "ok", "at work")
