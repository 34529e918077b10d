"""Names for what a process holds in the store, so that another can tell when it has died over it.

A name is `host:process:machine:life:random`. A process number means something only within one life of one machine and
one name space of process numbers: two containers may have one host name, and both be process 1 there. So the name says
all three, and a process is said to have ended only by one that shares them.
"""

from __future__ import annotations

import os
import secrets
import socket
import uuid
from functools import cache
from itertools import count
from pathlib import Path

from engine.clock import Ids

# Names that somebody in this process holds or waits with; a full store may keep a thing from being given back.
_LIVE: set[str] = set()
# A process may have the number of one that died before it.
_LIFE = secrets.token_hex(8)
_PARTS = 5
_COUNT = count(1)
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAME_SPACE = Path("/proc/self/ns/pid")


def take_name(ids: Ids) -> str:
    """A name for one holder of this process; `drop_name` when it holds no more."""
    return _taken(ids.base62(8))


def take_counted_name() -> str:
    """The same without chance: whatever is drawn after it stays the same."""
    return _taken(str(next(_COUNT)))


def drop_name(name: str) -> None:
    """The holder is done, whether or not the store could be told."""
    _LIVE.discard(name)


def ended(name: str) -> bool:
    """Whether the holder was surely a process of this machine that is gone, or one of ours that has finished.

    Of a name that an older version made, `host:process:random`, nothing is known for sure: what it holds ends by itself.
    """
    if not is_here(name):
        return False
    _, pid, _, life, _ = name.split(":")
    if not pid.isdecimal() or not pid.isascii():
        return False
    if int(pid) == os.getpid():
        return life != _LIFE or name not in _LIVE
    return _is_gone(int(pid))


def process_of(name: str) -> str:
    """What all names of one process have in common; empty for what is no name."""
    return name.rpartition(":")[0]


def is_here(name: str) -> bool:
    """Whether the holder is or was a process of this machine, so that `ended` knows what became of it."""
    parts = name.split(":")
    return len(parts) == _PARTS and (parts[0], parts[2]) == (socket.gethostname(), machine())


@cache
def machine() -> str:
    """What tells process numbers of here from those of elsewhere: the boot and the name space, or the network card.

    Where there are no name spaces, there are no containers that share a card with their host.
    """
    try:
        return f"{_BOOT.read_text(encoding='ascii').strip()}-{_NAME_SPACE.stat().st_ino}"
    except (OSError, ValueError):
        return f"{uuid.getnode():012x}"


def _taken(last: str) -> str:
    name = f"{socket.gethostname()}:{os.getpid()}:{machine()}:{_LIFE}:{last}"
    _LIVE.add(name)
    return name


def _is_gone(pid: int) -> bool:
    if os.name == "nt":  # a signal that asks nothing is not known there
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
