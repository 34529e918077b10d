"""The ledger file: locked while it is read or appended to, recovered from a crash, and never changed where it is whole."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path

from connectors.ledger.errors import FileBusy, FileDamaged, FileNotThere, FileRefused, OutcomeUnknown
from connectors.ledger.forms import Entry, Form, Torn
from connectors.ledger.index import Index
from engine.dataclass import dataclass
from engine.ondisk import sync_folder

# Others hold the lock for the time of one append; who waits for longer waits for something that hangs.
LOCK_WAIT_S = 10.0
_LOCK_STEP_S = 0.01
# How many ledgers a process remembers after they were closed, and how much of a file's end tells that it is the same.
_REMEMBERED = 16
_END = 4096


@dataclass(frozen=True, slots=True)
class _Known:
    """What was known of a file when it was closed, and by what it is recognised."""

    identity: tuple[int, int]
    end: bytes
    index: Index


# By path: a hundred thousand entries take seconds to read, and a process opens its ledgers again and again.
_known: dict[Path, _Known] = {}


@dataclass(slots=True)
class LedgerFile:
    """One file, opened when it is first asked for; the index follows what others append.

    Every method raises FileBusy, FileNotThere, FileRefused or FileDamaged.
    """

    path: Path
    form: Form
    index: Index = field(default_factory=Index)
    _file: io.FileIO | None = None

    @contextmanager
    def locked(self, *, create: bool) -> Iterator[io.FileIO | None]:
        """Hold the file alone, with an up-to-date index and no torn entry at its end; None while there is no file."""
        file = self._opened(create=create)
        if file is None:
            yield None
            return
        self._lock(file)
        try:
            self._catch_up(file)
            yield file
        finally:
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)

    def append(self, file: io.FileIO, make: Callable[[], Entry]) -> None:
        """Write one entry at the end and see it on the disk; `file` is what `locked` gave.

        Raises:
            FileNotThere: when the disk took none of it.
            OutcomeUnknown: when the disk failed and it is not known what is there now.
        """
        begins = self.index.ends
        data = self.form.encode(make(), first=begins == 0)
        try:
            _write(file.fileno(), data, begins)
            os.fsync(file.fileno())
        except OSError as error:
            reason = error.strerror or "the disk failed"
            try:
                os.ftruncate(file.fileno(), begins)
                os.fsync(file.fileno())
            except OSError as again:
                raise OutcomeUnknown(self.path, reason) from again
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise FileNotThere(self.path, reason) from error
            raise OutcomeUnknown(self.path, reason) from error
        self._read_on(file)

    def entry_at(self, file: io.FileIO, offset: int) -> Entry:
        """The entry that begins at an offset."""
        return next(self.form.read(file, offset)).entry

    def close(self) -> None:
        """Give the file back; what is known of it is remembered."""
        if self._file is None:
            return
        index, self.index = self.index, Index()
        if index.ends:
            _known.pop(self.path, None)
            _known[self.path] = _Known(_identity(self._file), _end(self._file, index.ends), index)
            while len(_known) > _REMEMBERED:
                _known.pop(next(iter(_known)))
        self._file.close()
        self._file = None

    # --- opening -----------------------------------------------------------------------------------------------------

    def _opened(self, *, create: bool) -> io.FileIO | None:
        """The file that is at the path now: one that was moved away is left alone."""
        try:
            if self._file is not None and _same(self._file, self.path):
                return self._file
            self.close()
            if not create and not self.path.exists():
                return None
            is_new = not self.path.exists()
            # What a ledger says is nobody's business but its owner's.
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._file = io.FileIO(descriptor, "r+")
            if is_new:
                sync_folder(self.path.parent)
            self._recall(self._file)
        except PermissionError as error:
            raise FileRefused(self.path, "it may not be opened") from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotThere(self.path, "its folder does not exist") from error
        except (OSError, ValueError) as error:
            raise FileRefused(self.path, getattr(error, "strerror", None) or "it cannot be opened") from error
        return self._file

    def _recall(self, file: io.FileIO) -> None:
        """Go on from what was known of this very file; whoever has it now has it alone."""
        known = _known.pop(self.path, None)
        is_same = known is not None and known.identity == _identity(file) and known.end == _end(file, known.index.ends)
        self.index = known.index if known is not None and is_same else Index()

    def _lock(self, file: io.FileIO) -> None:
        """Wait for the lock by the machine's own clock: whoever holds it lives by that one."""
        until = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise FileBusy(self.path) from None
                time.sleep(_LOCK_STEP_S)
            except OSError as error:
                raise FileRefused(self.path, "its disk keeps no locks") from error
            else:
                return

    # --- reading on --------------------------------------------------------------------------------------------------

    def _catch_up(self, file: io.FileIO) -> None:
        """Read what others have appended; what is left of an entry that was being written in a crash is completed or cut off."""
        try:
            size = os.fstat(file.fileno()).st_size
            if size < self.index.ends:
                # Somebody has cut it: whatever is there now is read from the start.
                self.index = Index()
            if size == self.index.ends:
                return
            self._read_on(file)
            if size > self.index.ends:
                self._recover(file, size)
        except OSError as error:
            raise FileNotThere(self.path, error.strerror or "it cannot be read") from error

    def _read_on(self, file: io.FileIO) -> None:
        try:
            for whole in self.form.read(file, self.index.ends):
                self.index.take(whole)
        except Torn as torn:
            raise FileDamaged(self.path, self.index.ends, str(torn)) from torn

    def _recover(self, file: io.FileIO, size: int) -> None:
        """Nobody was told of an entry that has no end; all the same, what is cut off is kept beside the file."""
        ends = self.index.ends
        tail = os.pread(file.fileno(), size - ends, ends)
        missing = self.form.completion(tail)
        if missing is not None:
            _write(file.fileno(), missing, size)
            os.fsync(file.fileno())
            self._read_on(file)
            return
        if not self.form.is_torn(tail, first=ends == 0):
            raise FileDamaged(self.path, ends, "what stands there is not the beginning of an entry")
        beside = self.path.with_name(f"{self.path.name}.torn")
        with io.FileIO(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "a") as kept:
            kept.write(tail + b"\n")
            os.fsync(kept.fileno())
        os.ftruncate(file.fileno(), ends)
        os.fsync(file.fileno())


def _write(descriptor: int, data: bytes, offset: int) -> None:
    """All of it: the system may take less at once."""
    while data:
        done = os.pwrite(descriptor, data, offset)
        data, offset = data[done:], offset + done


def _same(file: io.FileIO, path: Path) -> bool:
    """Whether what is open is still what the path names."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return _identity(file) == (there.st_dev, there.st_ino)


def _identity(file: io.FileIO) -> tuple[int, int]:
    ours = os.fstat(file.fileno())
    return ours.st_dev, ours.st_ino


def _end(file: io.FileIO, ends: int) -> bytes:
    """What stands before an offset: a file that was exchanged for another has something else there."""
    return os.pread(file.fileno(), min(ends, _END), max(0, ends - _END))
