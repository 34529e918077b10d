"""What the server has promised with an answer, and whether its disk holds it."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from lxml import etree

from connectors.qbwc.auth import ticket_hash
from connectors.qbwc.simulator.transport import Answer, HttpPost
from connectors.ramp.sandbox import WEBHOOK_SECRET
from connectors.ramp.webhooks import sign

# The Web Connector itself waits 100 s; a call of ours that takes so long hangs.
HANG_S = 20.0
_NEW_SET = re.compile(r'newMessageSetID="(\w+)"')
_OLD_SET = re.compile(r'oldMessageSetID="(\w+)"')
# So many visits of a company are kept.
_VISITS_KEPT = 50


@dataclass(slots=True)
class Promises:
    """Every answer that says that something is kept."""

    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    handed: dict[str, str] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    # What did not come: faults, refusals and broken connections count; a call without any answer is a hang.
    refused: int = 0
    hung: list[str] = field(default_factory=list)
    calls: int = 0

    def broken(self, store: sqlite3.Connection) -> list[str]:
        """Promises that the store does not keep."""

        def have(query: str) -> Mapping[str, str]:
            return {str(key): str(value) for key, value in store.execute(query)}

        sessions = have("SELECT ticket_hash, is_open FROM sessions")
        sets = have("SELECT id, sha256 FROM message_sets")
        states = have("SELECT id, state FROM message_sets")
        events = have("SELECT event_id, type FROM webhook_events")
        # Visits in vain make rows too, and the newest of all are kept: where there are fewer rows, none may be gone.
        opened = self.opened if len(sessions) < _VISITS_KEPT else ()
        found = [f"a session was opened that is not there: {key[:8]}" for key in opened if key not in sessions]
        found += [
            f"a session was closed and is open: {key[:8]}" for key in self.closed if sessions.get(key, "0") != "0"
        ]
        found += [
            f"message set {key} went out and is not there"
            for key, digest in self.handed.items()
            if sets.get(key) != digest
        ]
        found += [
            f"the answer to message set {key} was taken, and the set is {states.get(key)}"
            for key in self.settled
            if states.get(key) != "settled"
        ]
        found += [f"webhook event {key} was accepted and is not there" for key in self.events if key not in events]
        return found


def look(path: Path, promises: Promises) -> list[str]:
    """The promises that a store file does not keep, seen by another process's eyes."""
    with closing(sqlite3.connect(path, timeout=HANG_S)) as store:
        return promises.broken(store)


class Listening(HttpPost):
    """A Web Connector's connection that writes down what it is promised."""

    def __init__(self, url: str, promises: Promises, after: Callable[[], None] = lambda: None) -> None:
        super().__init__(url, HANG_S)
        self.promises = promises
        self.after = after
        self._ticket = ""
        self._set = ""

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Carry one call."""
        started = time.monotonic()
        try:
            answer = super().__call__(body, headers)
        except ConnectionError:
            self.promises.refused += 1
            if time.monotonic() - started >= HANG_S:
                self.promises.hung.append("a call of the Web Connector had no answer")
            raise
        self.promises.calls += 1
        if answer[0] == 200:
            self._note(body, answer[1])
        else:
            self.promises.refused += 1
        self.after()
        return answer

    def _note(self, body: bytes, answered: bytes) -> None:
        promises, result = self.promises, etree.fromstring(answered)[-1][0]
        said = ["".join(str(part) for part in item.itertext()) for item in (result[0] if len(result) else ())] or [""]
        text = "".join(str(part) for part in result.itertext())
        if b"<authenticate " in body:
            if len(said) > 1 and said[1] not in ("none", "busy", "nvu"):
                self._ticket = ticket_hash(said[0])
                promises.opened.append(self._ticket)
        elif b"<sendRequestXML " in body:
            new, old = _NEW_SET.search(text), _OLD_SET.search(text)
            self._set = ""
            if new and (old is None or old[1] != new[1]):
                self._set = new[1]
                promises.handed[new[1]] = hashlib.sha256(text.encode()).hexdigest()
        elif b"<receiveResponseXML " in body and int(text) >= 0 and self._set:
            promises.settled.append(self._set)
            self._set = ""
        elif b"<closeConnection " in body and self._ticket:
            promises.closed.append(self._ticket)
            self._ticket = ""


def webhook(port: int, promises: Promises, kind: str = "users.updated") -> None:
    """Ramp tells of something, which wakes the worker."""
    event = str(uuid.uuid4())
    body = json.dumps({"id": event, "type": kind, "object": {"id": event}}).encode()
    headers = {"x-ramp-signature": sign(WEBHOOK_SECRET, body), "content-type": "application/json"}
    try:
        answer = httpx.post(
            f"http://127.0.0.1:{port}/webhooks/main/ramp",
            content=body,
            headers=headers,
            timeout=HANG_S,
            trust_env=False,
        )
    except httpx.TimeoutException:
        promises.hung.append("a webhook had no answer")
        return
    except httpx.TransportError:
        promises.refused += 1
        return
    if answer.status_code == 200:
        promises.events.append(event)
    else:
        promises.refused += 1
