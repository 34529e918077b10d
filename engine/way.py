"""A record's whole way, for people: every line of its journal, with the documents and calls that belong to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from engine.dataclass import dataclass
from engine.jsontext import own
from engine.store import outbox, records
from engine.store.base import Row, Tx

# No record has a longer way, but for one that is tried again for months; the newest lines are shown.
MOST_STEPS = 500
# What is longer than this is cut where it is shown.
LONGEST = 200_000
_TITLES = {
    "read": "Read from the source",
    "intended": "Prepared: the bytes to send are frozen",
    "sent": "Sent",
    "posted": "Posted",
    "closed": "Done: the source knows",
    "deferred": "Waits",
    "failed": "Failed",
    "skipped": "Skipped",
    "woken": "Woken: what it waited for is there",
    "retried": "Tried again",
    "retry": "Put off, and tried again later",
    "changed": "Begun anew",
    "held": "Outcome not known: held for a person",
    "declared": "A person has looked, and said what is so",
    "accepted": "A person took what was edited in the target as right",
    "left_out": "Left out by a person",
    "on_hold": "Held back by a person",
    "released": "Released by a person",
    "replayed": "Replayed: the same request goes on",
    "same_there": "A person said that another account has the same record",
    "told_there": "A person told the source by hand",
    "found_elsewhere": "A person found it in the target under another id",
    "post_again": "To be posted, a person decided",
    "drifted": "The source says something else now",
    "in_doubt": "The answer was lost: the outcome is found out",
    "vanished": "Gone from the target",
    "found": "Found in the target under its own marker",
    "seen_twice": "Listed twice by the source in one read",
}


def title_of(event: str) -> str:
    """An event of the journal in words for people."""
    return _TITLES.get(event, event.replace("_", " ").capitalize())


@dataclass(frozen=True, slots=True)
class Paper:
    """One document: `kind` is json, xml or text."""

    title: str
    kind: str
    text: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the journal; `facts` are names and values of what it says, `papers` what belongs to it."""

    seq: int
    at: str
    event: str
    title: str
    actor: str
    state_from: str
    state_to: str
    facts: tuple[tuple[str, str], ...] = ()
    papers: tuple[Paper, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What the source is, or was, told of the record."""

    kind: str
    connection: str
    outcome: str
    text: str
    state: str
    call_key: str = ""
    call_state: str = ""
    attempts: int = 0
    at: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """A list object that the mapped record names: where it stands there, and what it is."""

    place: str
    full_name: str
    list_id: str
    number: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """Everything there is to know of a record; `steps` from the first to the last."""

    record: Row
    reasons: tuple[records.Reason, ...]
    steps: tuple[Step, ...]
    told: tuple[Told, ...]
    used: tuple[Used, ...]
    receipt: Mapping[str, str]
    related: tuple[Row, ...] = field(default=())
    is_cut: bool = False


def way(tx: Tx, record: Row) -> Way:
    """Gather a record's way."""
    lines = tx.rows("browse_journal", {"record_id": record["id"], "limit": MOST_STEPS + 1})
    operations = {row["id"]: row for row in tx.rows("operations_of_record", {"record_id": record["id"]})}
    newest = operations.get(record["operation_id"] or "")
    steps = tuple(_step(tx, record, line, operations) for line in reversed(lines[:MOST_STEPS]))
    told = tuple(_told(row) for row in tx.rows("browse_marks", {"record_id": record["id"]}))
    return Way(
        record,
        records.load_reasons(record),
        steps,
        told,
        tuple(_used(own(newest["mapped"]))) if newest is not None and newest["mapped"] else (),
        {name: str(value) for name, value in own(record["receipt"] or "{}").items()},
        tuple(_related(tx, record)),
        len(lines) > MOST_STEPS,
    )


def _related(tx: Tx, record: Row) -> list[Row]:
    """The record that a change is of, and the changes of a record; other phases of the same source record as well."""
    scope = {name: record[name] for name in ("company", "flow", "stream", "source_id")}
    first = tx.rows("record_find_any_phase", scope)
    found = [*first, *(change for row in first for change in _changes(tx, row))]
    return [row for row in found if row["id"] != record["id"]]


def _changes(tx: Tx, record: Row) -> list[Row]:
    scope = {name: record[name] for name in ("company", "flow", "stream", "source_id", "phase")}
    return tx.rows("record_changes", scope)


def _step(tx: Tx, record: Row, line: Row, operations: Mapping[str, Row]) -> Step:
    detail: dict[str, Any] = own(line["detail"])
    operation = operations.get(str(detail.get("operation", "")))
    return Step(
        line["seq"],
        line["at"],
        line["event"],
        title_of(line["event"]),
        line["actor"],
        line["state_from"],
        line["state_to"],
        tuple(_facts(detail)),
        tuple(_papers(tx, record, line, operation)),
    )


def _facts(detail: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in detail.items():
        if name == "reasons" and isinstance(value, list):
            for reason in value:
                yield str(reason.get("code", "reason")), str(reason.get("message", ""))
                if reason.get("hint"):
                    yield "what to do", str(reason["hint"])
        elif name == "receipt" and isinstance(value, dict):
            yield from ((str(key), str(text)) for key, text in value.items())
        elif isinstance(value, dict | list):
            yield name, json.dumps(value, ensure_ascii=False)
        elif value is not None:
            yield name.replace("_", " "), str(value).lower() if isinstance(value, bool) else str(value)


def _papers(tx: Tx, record: Row, line: Row, operation: Row | None) -> Iterator[Paper]:
    event = line["event"]
    if event == "read":
        yield _paper("Source record", "json", record["payload"])
        if record["newest"]:
            yield _paper("What the source says now", "json", record["newest"])
    if operation is None:
        return
    body = bytes(operation["body"])
    is_xml = body.lstrip().startswith(b"<")
    if event in ("read", "intended"):  # what could be prepared as it was read has one line
        yield _paper("Mapped record", "json", operation["mapped"])
        yield _paper(f"{operation['request']} to be sent", "xml" if is_xml else "json", body.decode("utf-8", "replace"))
    elif event == "sent":
        sent = outbox.whole(operation).decode("utf-8", "replace")
        yield _paper(f"{operation['request']} as it was sent", "xml" if is_xml else "json", sent)
    elif event in ("posted", "failed", "deferred", "held", "retry") and operation["message_set_id"]:
        answer = _answer(tx, record["company"], operation)
        if answer:
            yield _paper("What QuickBooks answered", "xml", answer)


def _answer(tx: Tx, company: str, operation: Row) -> str:
    """The part of a message set's answer that is for one operation; empty when there is none."""
    row = tx.one("set_get", {"id": operation["message_set_id"], "company": company})
    if row is None or row["answer"] is None:
        return ""
    document = _parsed(bytes(row["answer"]))
    found = None if document is None else document.find(f".//*[@requestID='{operation['id']}']")
    return "" if found is None else _indented(found)


def _paper(title: str, kind: str, text: str) -> Paper:
    shown = text
    if kind == "json":
        try:
            shown = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
        except ValueError:
            kind = "text"
    elif kind == "xml":
        document = _parsed(text.encode())
        shown = text if document is None else _indented(document)
    return Paper(title, kind, shown[:LONGEST], len(shown) > LONGEST)


def _parsed(data: bytes) -> Any:
    """A document, or None when it is none."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        return None


def _indented(element: Any) -> str:
    from lxml import etree

    etree.indent(element)
    text: str = etree.tostring(element, encoding="unicode", with_tail=False)
    return text


def _used(mapped: Any, place: str = "") -> Iterator[Used]:
    """Every list object within a mapped record."""
    if isinstance(mapped, dict):
        if mapped.get("list_id") and "full_name" in mapped:
            yield Used(place, str(mapped["full_name"]), str(mapped["list_id"]), str(mapped.get("number") or ""))
            return
        for name, value in mapped.items():
            yield from _used(value, f"{place}.{name}" if place else str(name))
    elif isinstance(mapped, list):
        for number, value in enumerate(mapped, 1):
            yield from _used(value, f"{place}[{number}]")


def _told(row: Row) -> Told:
    return Told(
        row["kind"], row["connection"], row["outcome"], row["text"], row["state"],
        row["idempotency_key"] or "", row["call_state"] or "", row["call_attempts"] or 0, row["call_at"] or "",
    )  # fmt: skip
