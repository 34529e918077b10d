"""Who uses a store file next: whoever waits gets his turn before one who has just had his, among threads and processes.

SQLite itself lets those that wait look again and again, less and less often, so that a process that writes one transaction
after the other leaves the others next to nothing; and a thread that gives a lock back and asks for it at once has it again
before one that waits has woken up. Nothing is kept true by the turns of the processes: that is SQLite's own lock.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Protocol

# How often a process looks whether the others are done.
_LOOK_S = 0.0005
# So long it waits for its turn. One that stands still while it is the next, or has just had its turn, would keep the others
# for ever: for a while they go as SQLite lets them.
PATIENCE_S = 3.0
_AS_SQLITE_S = 10.0


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
    """A lock that one thread may take several times; those that wait have it one after the other, as they came."""

    __slots__ = ("_depth", "_mutex", "_owner", "_waiting")

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._owner = self._depth = 0
        self._waiting: deque[tuple[threading.Lock, int]] = deque()

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
                self._waiting.append((mine, me))
            mine.acquire()
        except BaseException:  # a signal, in the main thread
            self._leave(mine, me)
            raise

    def release(self) -> None:
        """Give it to whoever has waited longest."""
        self._depth -= 1
        if not self._depth:
            with self._mutex:
                self._pass_on()

    def _pass_on(self) -> None:
        if not self._waiting:
            self._owner = 0
            return
        waiting, self._owner = self._waiting.popleft()
        self._depth = 1
        waiting.release()

    def _leave(self, mine: threading.Lock, me: int) -> None:
        """Wait no longer; who has it by now passes it on."""
        with self._mutex:
            if (mine, me) in self._waiting:
                self._waiting.remove((mine, me))
            elif self._owner == me:
                self._pass_on()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, _kind: object, _error: object, _trace: object) -> None:
        self.release()


class Turns:
    """The turns of the processes that write to one file, by locks of the operating system, which end with the process.

    Who wants to write takes the place of the next one, waits there for the turn, and leaves the place. So whoever has just
    had his turn stands behind the one in that place. Where the system has no such locks, or the folder takes no files,
    everybody goes as SQLite lets him.
    """

    __slots__ = ("_again_at", "_next", "_path", "_patience_s", "_turn")

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        """Of the store at `path`; nobody waits longer than `patience_s` for others."""
        self._path, self._patience_s = path, patience_s
        self._next = self._turn = -1
        # When turns are waited for again.
        self._again_at = float("-inf")

    def take(self) -> None:
        """Wait for the turn."""
        now = time.monotonic()
        if now < self._again_at or (self._next < 0 and not self._open()):
            return
        until = now + self._patience_s
        is_mine = False
        try:
            if _locked(self._next, until):
                try:
                    is_mine = _locked(self._turn, until)
                finally:
                    _unlock(self._next)
        except OSError:  # some file systems, of networks and of sandboxes, have SQLite's locks and not these
            self.close()
            self._again_at = float("inf")
            return
        if not is_mine:
            self._again_at = time.monotonic() + _AS_SQLITE_S

    def give(self) -> None:
        """Give it back."""
        if self._turn >= 0:
            _unlock(self._turn)

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._next, self._turn):
            if descriptor >= 0:
                os.close(descriptor)
        self._next = self._turn = -1

    def _open(self) -> bool:
        try:
            import fcntl  # noqa: F401 - there is none on Windows

            self._next = os.open(self._path.with_name(self._path.name + "-next"), os.O_RDWR | os.O_CREAT, 0o600)
            self._turn = os.open(self._path.with_name(self._path.name + "-turn"), os.O_RDWR | os.O_CREAT, 0o600)
        except (ImportError, OSError):
            self.close()
            return False
        return True


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


def _unlock(descriptor: int) -> None:
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_UN)
