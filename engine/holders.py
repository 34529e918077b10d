"""Names for what a process holds in the store, so that another can tell when it has died over it."""

from __future__ import annotations

import os
import socket

from engine.clock import Ids

# Names that somebody in this process holds or waits with; a full store may keep a thing from being given back.
_LIVE: set[str] = set()


def take_name(ids: Ids) -> str:
    """A name for one holder of this process; `drop_name` when it holds no more."""
    name = f"{socket.gethostname()}:{os.getpid()}:{ids.base62(8)}"
    _LIVE.add(name)
    return name


def drop_name(name: str) -> None:
    """The holder is done, whether or not the store could be told."""
    _LIVE.discard(name)


def ended(name: str) -> bool:
    """Whether the holder was a process of this machine that is no longer there, or one of ours that has finished."""
    host, _, rest = name.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return name not in _LIVE
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
