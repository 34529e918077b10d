"""Who may open a session: argon2id passwords, a throttle for each caller and user, tickets kept as digests."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from functools import cache
from typing import Literal

from argon2.exceptions import InvalidHashError, VerificationError

from engine.access.passwords import HASHER, nobodys
from engine.clock import Clock, Ids
from engine.contract import Login
from engine.dataclass import dataclass

TICKET_LENGTH = 22
# Longer ones are nobody's, and hashing them is work that a stranger should not be able to order.
_LONGEST = 256

_FREE_TRIES = 5
_LONGEST_WAIT_S = 300.0
_CALLER_TRIES = 60
_CALLER_WINDOW_S = 60.0
# Some 300 bytes each.
_REMEMBERED = 100_000

# So many passwords are hashed at a time, a core each.
_AT_A_TIME = 2
# So many wait for their turn to be hashed; more are told at once to come back later.
_MOST_WAITING = 64

# `later`: it must be hashed first, and others wait for this answer.
Answer = Literal["yes", "no", "busy", "later"]


def new_ticket(ids: Ids) -> str:
    """An unguessable ticket: 22 base-62 characters are 131 bits."""
    return ids.base62(TICKET_LENGTH)


def ticket_hash(ticket: str) -> str:
    """What is kept of a ticket."""
    return hashlib.sha256(ticket.encode("utf-8", "replace")).hexdigest()


@cache
def _hashing(_process: int) -> ThreadPoolExecutor:
    """As many threads as hash at a time: each keeps the 19 MiB that a hash takes, and answers have many threads.

    Each process has its own: one that was forked has the executor of its parent, and none of its threads.
    """
    return ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="flowctl-hash")


@dataclass(slots=True)
class _Tries:
    """Failures in a row, and until when the next one is not even looked at."""

    count: int = 0
    until: float = 0.0


@dataclass(slots=True)
class Doorkeeper:
    """Checks passwords; its memory is this process's own, and losing it only forgets who guessed wrong.

    Failures are counted for each pair of caller and user, so that a stranger who guesses cannot shut out the user, who
    comes from another address. A caller that guesses many users is told to come back later, except for users that
    signed in from there before.
    """

    clock: Clock
    slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_AT_A_TIME))
    wait_s: float = 1.0
    _pairs: OrderedDict[tuple[str, str], _Tries] = field(default_factory=OrderedDict)
    _callers: OrderedDict[str, _Tries] = field(default_factory=OrderedDict)
    _welcome: OrderedDict[tuple[str, str], bytes] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _waiting: int = 0
    _nobody: str = field(default_factory=nobodys)

    def check(self, login: Login | None, client: str, user: str, password: str, *, at_once: bool = False) -> Answer:
        """Whether the password is right; the same work is done for a user who does not exist.

        `at_once` says `later` where that takes work.
        """
        if not user or len(user) > _LONGEST or len(password) > _LONGEST:
            return "no"
        pair = (client, user)
        # What passed argon2 here before passes again without it, which saves a core for every few hundred companies.
        seen = self._digest(password, login)
        with self._lock:
            known = self._welcome.get(pair)
            if known is not None and secrets.compare_digest(known, seen):
                return "yes"
            held = self._held(pair, known is not None)
            if held is None and self._waiting >= _MOST_WAITING:
                held = "busy"
            if held is None and not at_once:
                self._waiting += 1
        if held or at_once:
            return held or "later"
        taken = self.slots.acquire(timeout=self.wait_s)
        with self._lock:
            self._waiting -= 1
        if not taken:
            return "busy"
        try:
            stored = login.password_hash if login else self._nobody
            right = _hashing(os.getpid()).submit(_matches, stored, password).result() and login is not None
        finally:
            self.slots.release()
        self._remember(pair, right, seen)
        return "yes" if right else "no"

    def _held(self, pair: tuple[str, str], is_known: bool) -> Answer | None:
        now = self.clock.monotonic()
        tries = self._pairs.get(pair)
        if tries and tries.until > now:
            return "no"
        caller = self._callers.get(pair[0])
        if caller and caller.until > now and caller.count >= _CALLER_TRIES and not is_known:
            return "busy"
        return None

    def _remember(self, pair: tuple[str, str], right: bool, seen: bytes) -> None:
        now = self.clock.monotonic()
        with self._lock:
            if right:
                self._pairs.pop(pair, None)
                self._welcome[pair] = seen
                _trim(self._welcome)
                return
            tries = self._pairs.setdefault(pair, _Tries())
            tries.count += 1
            if tries.count >= _FREE_TRIES:
                tries.until = now + min(_LONGEST_WAIT_S, 2.0 ** (tries.count - _FREE_TRIES))
            self._pairs.move_to_end(pair)
            caller = self._callers.get(pair[0])
            if caller is None or caller.until <= now:
                caller = self._callers[pair[0]] = _Tries(until=now + _CALLER_WINDOW_S)
            caller.count += 1
            _trim(self._pairs)
            _trim(self._callers)

    def _digest(self, password: str, login: Login | None) -> bytes:
        stored = login.password_hash if login else ""
        text = f"{stored}\0{password}".encode("utf-8", "replace")
        return hashlib.blake2b(text, key=self._salt).digest()


def _matches(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _trim(
    table: OrderedDict[tuple[str, str], _Tries] | OrderedDict[str, _Tries] | OrderedDict[tuple[str, str], bytes],
) -> None:
    while len(table) > _REMEMBERED:
        table.popitem(last=False)
