"""Says to other processes on this machine that a store is in use, so that nobody exchanges its file under them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import UsageError

FILE = "flowctl.lock"


class StoreInUse(UsageError):
    """Another flowctl works with the store."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"{home}: another flowctl works with this store",
            hint="stop `flowctl serve` and what else runs with it, then do this again",
        )


@contextmanager
def shared(home: Path) -> Iterator[None]:
    """Use the store beside others.

    Raises:
        StoreInUse: while somebody exchanges it.
        OSError: when the folder cannot be written.
    """
    with _locked(home, alone=False):
        yield


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Be the only one.

    Raises:
        StoreInUse: when somebody else uses it.
        OSError: when the folder cannot be written.
    """
    with _locked(home, alone=True):
        yield


@contextmanager
def _locked(home: Path, *, alone: bool) -> Iterator[None]:
    """Hold a lock of the operating system: it ends with the process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock, and refuses by itself to exchange a file that is open
        yield
        return
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(home / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreInUse(home) from error
        yield
    finally:
        os.close(descriptor)
