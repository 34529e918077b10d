"""Who uses a store file next: whoever waits gets his turn before one who has just had his, among threads and processes.

Who answers a call goes before work in the background, which somebody else has to wait for and nobody waits for itself; that
has its turn all the same after so many others, or so long a wait.

SQLite itself lets those that wait look again and again, less and less often, so that a process that writes one transaction
after the other leaves the others next to nothing; and a thread that gives a lock back and asks for it at once has it again
before one that waits has woken up. Nothing is kept true by the turns of the processes: that is SQLite's own lock.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

from engine.store.patience import is_patient

# How often a process looks whether the others are done.
_LOOK_S = 0.0005
# So long it waits for its turn. One that stands still while it is the next, or has just had its turn, would keep the others
# for ever: for a while they go as SQLite lets them.
PATIENCE_S = 3.0
_AS_SQLITE_S = 10.0
# So many threads that answer calls pass one in the background, and so long it lets other processes' calls go first.
MOST_PASSED = 8
STAND_BACK_S = 0.1
# Who is next and does not take a turn that was free at so many looks stands still.
_STILL = 40


class OneAtATime(Protocol):
    """A lock that the thread which has it may take again."""

    def acquire(self) -> object:
        """Wait for it."""
        ...

    def release(self) -> None:
        """Give it back, once for each time it was taken."""
        ...

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class InTurn:
    """A lock that one thread may take several times; those that wait have it one after the other, as they came.

    Those that are patient come after the others.
    """

    __slots__ = ("_depth", "_mutex", "_owner", "_passed", "_patient", "_waiting")

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._owner = self._depth = self._passed = 0
        self._waiting: deque[tuple[threading.Lock, int]] = deque()
        self._patient: deque[tuple[threading.Lock, int]] = deque()

    @property
    def is_wanted(self) -> bool:
        """Whether a thread that is not patient waits."""
        return bool(self._waiting)

    def acquire(self) -> None:
        """Wait for it."""
        me = threading.get_ident()
        if self._owner == me:
            self._depth += 1
            return
        mine = threading.Lock()
        mine.acquire()
        try:
            with self._mutex:
                if not self._owner:
                    self._owner, self._depth = me, 1
                    return
                (self._patient if is_patient() else self._waiting).append((mine, me))
            mine.acquire()
        except BaseException:  # a signal, in the main thread
            self._leave(mine, me)
            raise

    def release(self) -> None:
        """Give it to whoever has waited longest, of those that are not patient when there are such."""
        self._depth -= 1
        if not self._depth:
            with self._mutex:
                self._pass_on()

    def _pass_on(self) -> None:
        if not self._waiting and not self._patient:
            self._owner = 0
            return
        is_passed = self._waiting and self._passed < MOST_PASSED
        self._passed = self._passed + 1 if is_passed and self._patient else 0
        waiting, self._owner = (self._waiting if is_passed or not self._patient else self._patient).popleft()
        self._depth = 1
        waiting.release()

    def _leave(self, mine: threading.Lock, me: int) -> None:
        """Wait no longer; who has it by now passes it on."""
        with self._mutex:
            if (mine, me) in self._waiting:
                self._waiting.remove((mine, me))
            elif (mine, me) in self._patient:
                self._patient.remove((mine, me))
            elif self._owner == me:
                self._pass_on()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, _kind: object, _error: object, _trace: object) -> None:
        self.release()


class Turns:
    """The turns of the processes that write to one file, by locks of the operating system, which end with the process.

    Who wants to write takes the place of the next one, waits there for the turn, and leaves the place. So whoever has just
    had his turn stands behind the one in that place. Work in the background has a place of its own, and does not take the
    turn while somebody is in the other one. Where the system has no such locks, or the folder takes no files, everybody
    goes as SQLite lets him.
    """

    __slots__ = ("_again_at", "_later", "_next", "_path", "_patience_s", "_stand_back_s", "_turn")

    def __init__(self, path: Path, patience_s: float = PATIENCE_S, stand_back_s: float = STAND_BACK_S) -> None:
        """Of the store at `path`; nobody waits longer than `patience_s` for others, or lets them pass for `stand_back_s`."""
        self._path, self._patience_s, self._stand_back_s = path, patience_s, stand_back_s
        self._next = self._later = self._turn = -1
        # When turns are waited for again.
        self._again_at = float("-inf")

    def take(self, is_hurried: Callable[[], bool] | None = None) -> None:
        """Wait for the turn; with `is_hurried`, in the background, letting others pass until it says otherwise."""
        now = time.monotonic()
        if now < self._again_at or (self._next < 0 and not self._open()):
            return
        try:
            is_mine = self._taken(now, is_hurried)
        except OSError:  # some file systems, of networks and of sandboxes, have SQLite's locks and not these
            self._give_up()
            return
        if not is_mine:
            self._again_at = time.monotonic() + _AS_SQLITE_S

    def _taken(self, now: float, is_hurried: Callable[[], bool] | None) -> bool:
        until = now + self._patience_s
        place = self._next
        if is_hurried is not None and self._came_later(until, is_hurried):
            place = self._later
        elif not _locked(place, until):
            return False
        try:
            if is_hurried is not None and place == self._later:
                self._stand_back(now + min(self._patience_s, self._stand_back_s), is_hurried)
            return _locked(self._turn, until)
        finally:
            _unlock(place)

    def _came_later(self, until: float, is_hurried: Callable[[], bool]) -> bool:
        """Take the place of those in the background; False when one is hurried before it is free, or it never is."""
        while not _locked(self._later, 0.0):
            if is_hurried() or time.monotonic() >= until:
                return False
            time.sleep(_LOOK_S)
        return True

    @property
    def is_wanted(self) -> bool:
        """Whether somebody in another process, who is not in the background, waits for this one to give it back."""
        try:
            return self._next >= 0 and _is_locked(self._next)
        except OSError:
            return False

    def _stand_back(self, until: float, is_hurried: Callable[[], bool]) -> None:
        """Wait while others have the turn or are next, as long as one lets them pass."""
        free = 0
        while free < _STILL and not is_hurried() and time.monotonic() < until:
            free = 0 if _is_locked(self._turn) else free + 1
            if free and not _is_locked(self._next):
                return
            time.sleep(_LOOK_S)

    def give(self) -> None:
        """Give it back."""
        try:
            if self._turn >= 0:
                _unlock(self._turn)
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        """Go as SQLite does from now on; what is closed is not locked any more."""
        self.close()
        self._again_at = float("inf")

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._next, self._later, self._turn):
            if descriptor >= 0:
                os.close(descriptor)
        self._next = self._later = self._turn = -1

    def _open(self) -> bool:
        try:
            import fcntl  # noqa: F401 - there is none on Windows

            self._next = self._opened("next")
            self._later = self._opened("later")
            self._turn = self._opened("turn")
        except (ImportError, OSError):
            self.close()
            return False
        return True

    def _opened(self, name: str) -> int:
        return os.open(self._path.with_name(f"{self._path.name}-{name}"), os.O_RDWR | os.O_CREAT, 0o600)


def _locked(descriptor: int, until: float) -> bool:
    """Lock a file, unless others have it until that moment."""
    import fcntl

    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_LOOK_S)
        else:
            return True


def _is_locked(descriptor: int) -> bool:
    """Whether others have a file locked now."""
    if not _locked(descriptor, 0.0):
        return True
    _unlock(descriptor)
    return False


def _unlock(descriptor: int) -> None:
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_UN)
