"""Watches what passes between us and both sides while it passes, and holds it against what is durable at that moment."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from lxml import etree

from engine.campaign.crash import Machine
from engine.rigs import Made, Told
from engine.store.base import Row, Tx

_SET_ID = re.compile(r"[0-9A-Za-z]{22}")
# In one session an operation goes out once, and again after an answered look-up, which is bounded too.
_MOST_TRIES = 8
_PART = re.compile(r"-[0-9]+$")
# Queries that only read lists or ask which company file is open: no answer to them says what became of a write.
_IDLE = frozenset(
    f"{name}QueryRq"
    for name in (
        *("Host", "Company", "Preferences", "Account", "Class", "Customer", "Employee", "StandardTerms", "Terms"),
        *("DateDrivenTerms", "Item", "Currency"),
    )
)


@dataclass(slots=True)
class Witness:
    """What was seen; `broken` names each invariant that did not hold, with a sentence."""

    machine: Machine
    broken: list[tuple[int, str]] = field(default_factory=list)
    timeline: list[str] = field(default_factory=list)
    # Object id -> operation id, and every object that each operation made, in any file.
    maker: dict[str, str] = field(default_factory=dict)
    astray: list[Made] = field(default_factory=list)
    sets: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)
    handed: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)
    asked: dict[str, bool] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    calls: dict[str, str] = field(default_factory=dict)

    def note(self, line: str) -> None:
        """One line of the timeline."""
        self.timeline.append(f"{self.machine.clock.now():%d %H:%M:%S} {line}")

    def broke(self, invariant: int, text: str) -> None:
        """An invariant did not hold."""
        self.broken.append((invariant, text))
        self.note(f"BROKEN {invariant}: {text}")

    # --- the books ---

    def handed_out(self, document: str, place: str) -> None:
        """We gave a document away: everything about it must be durable, and allowed."""
        messages = _messages(document)
        new, old = messages.get("newMessageSetID", ""), messages.get("oldMessageSetID", "")
        writes = [child for child in messages if str(child.tag).endswith(("AddRq", "ModRq"))]
        self.note(f"  -> {_shown(messages, new, old)} [{place}]")
        if writes and place != "home":
            self.broke(12, "a write was handed out while another company file was open")
        if not new:
            if writes:
                self.broke(8, "a write was handed out without a message-set id")
            if old:
                self.broke(9, f"the saved answer of {old} was thrown away without a new set")
            return
        with self.machine.world.store.read() as tx:
            self._ids(tx, new, old)
            if writes:
                self._write(tx, document, new, writes)

    def ran(self, document: str, place: str, made: Sequence[Made]) -> None:
        """The books ran a document."""
        if place != "home":
            self.astray += made
        if not made:
            return
        names = [child.get("requestID", "") for child in _messages(document)]
        for number, item in enumerate(made):
            self.maker[item.id] = names[number] if len(names) == len(made) else self._by_guid(item, names)
            self.note(f"     made {item.kind} {item.id} {item.amount if item.amount is not None else ''} [{place}]")

    def answered(self, document: str, response: str) -> None:
        """An answer reached us; one to a look-up allows sending again."""
        if "<QBXML" not in response or not document.startswith("<?xml"):
            return
        names = {str(child.tag) for child in _messages(document)}
        looked = any(name.endswith("QueryRq") and name not in _IDLE for name in names)
        if looked and ("VendorQueryRq" not in names or "<FullName>" in document):
            self.asked = dict.fromkeys(self.asked, True)

    def _ids(self, tx: Tx, new: str, old: str) -> None:
        if not _SET_ID.fullmatch(new):
            self.broke(8, f"the message-set id `{new}` is not 22 characters of base 62")
        if old and old != new:
            row = tx.one("set_get", {"id": old, "company": self.machine.company})
            if row is None or row["state"] != "settled":
                self.broke(9, f"oldMessageSetID {old} is {row['state'] if row else 'not known'}")

    def _write(self, tx: Tx, document: str, new: str, writes: Sequence[etree._Element]) -> None:
        row = tx.one("set_get", {"id": new, "company": self.machine.company})
        digest = sha256(document.encode()).hexdigest()
        if row is None or row["sha256"] != digest or row["state"] != "sent":
            self.broke(7, f"{new} went out and is not durable with these bytes")
        operations = tuple(element.get("requestID", "") for element in writes)
        first = self.sets.setdefault(new, (digest, operations))
        if first[1] != operations:
            self.broke(8, f"{new} stood for {first[1]} and now stands for {operations}")
        elif first[0] != digest:
            self.broke(7, f"{new} went out with other bytes than before")
        for name in operations:
            self._operation(tx, document, name)
        open_set = tx.one("set_unsettled", {"company": self.machine.company})
        if open_set is not None and open_set["id"] != new:
            self.broke(11, f"{new} went out while {open_set['id']} is {open_set['state']}")
        if self.handed[new] and not self.asked.get(new):
            self.broke(13, f"{new} went out again, and nobody had looked for it")
        self.handed[new] += 1
        for name in operations:
            self.tries[name] += 1
            if self.tries[name] == _MOST_TRIES:
                self.broke(24, f"operation {name} went out {_MOST_TRIES} times in one session")
        self.asked[new] = False

    def _operation(self, tx: Tx, document: str, name: str) -> None:
        row = tx.one("operation_get", {"id": name})
        if row is None:
            self.broke(7, f"operation {name} went out and is not durable")
            return
        body = bytes(row["body"])
        if sha256(body).hexdigest() != row["sha256"] or body.decode("ascii", "replace") not in document:
            self.broke(7, f"operation {name} went out with other bytes than were frozen")
        if self.frozen.setdefault(name, row["sha256"]) != row["sha256"]:
            self.broke(7, f"operation {name} was frozen twice")
        self._others(tx, row)

    def _others(self, tx: Tx, row: Row) -> None:
        """No other operation of the same record may be on its way or held."""
        for other in tx.rows("operations_of_record", {"record_id": row["record_id"]}):
            if other["id"] != row["id"] and other["state"] in ("sent", "waiting", "held"):
                self.broke(2, f"operation {row['id']} went out while {other['id']} of its record is {other['state']}")

    def _by_guid(self, item: Made, names: Sequence[str]) -> str:
        with self.machine.world.store.read() as tx:
            for name in names:
                row = tx.one("operation_get", {"id": name})
                if row is not None and item.guid and row["guid"].strip("{}").lower() == item.guid.strip("{}").lower():
                    return name
        return ""

    # --- the source ---

    def hears(self, key: str, told: Sequence[Told], failed: Sequence[str]) -> None:
        """We tell the source something: what is said to be posted must be posted, durably, under that reference."""
        self.note(f"  mark {[(t.stream, t.phase, t.id[:8], t.reference) for t in told]} failed {len(failed)}")
        content = repr((sorted((t.stream, t.phase, t.id, t.reference) for t in told), sorted(failed)))
        before = self.keys.setdefault(content, key)
        # A large call travels in parts, `<key>-0` and so on; when it is refused, its members go alone under keys of their own.
        if before != key and not _PART.search(before) and not _PART.search(key):
            self.broke(14, "the source was told the same thing under another idempotency key")
        if self.calls.setdefault(key, content) != content:
            self.broke(14, "the source was told another thing under the same idempotency key")
        with self.machine.world.store.read() as tx:
            for item in told:
                self._told(tx, item)

    def _told(self, tx: Tx, item: Told) -> None:
        row = self.record(tx, item.stream, item.phase, item.id)
        state = row["state"] if row is not None else "not known"
        receipt = json.loads(row["receipt"] or "{}") if row is not None else {}
        if state not in ("posted", "closed", "vanished"):
            self.broke(14, f"{item.stream}/{item.id} was told to be posted while it is {state}")
        elif receipt.get("TxnID") != item.reference:
            self.broke(14, f"{item.stream}/{item.id} was told under {item.reference}, not {receipt.get('TxnID')}")

    def record(self, tx: Tx, stream: str, phase: str, source_id: str) -> Row | None:
        """Our record of a source record; `stream` is the source's name of it."""
        flow = self.machine.program.flow
        for named in flow.streams:
            if named.fetch.stream == stream and named.phase == phase:
                scope = {"company": self.machine.company, "flow": flow.name, "stream": named.name}
                return tx.one("record_find", {**scope, "source_id": source_id, "phase": phase})
        return None


def _messages(document: str) -> etree._Element:
    root = etree.fromstring(document.encode())
    messages = root.find("QBXMLMsgsRq")
    assert messages is not None
    return messages


def _shown(messages: etree._Element, new: str, old: str) -> str:
    names = Counter(str(child.tag) for child in messages)
    said = ", ".join(f"{name} x{count}" if count > 1 else name for name, count in names.items())
    ids = ", ".join(child.get("requestID", "") for child in messages)
    return f"{said or 'status'} ({ids}) new={new} old={old}" if new or old else said
