"""Turns what happened in a case into files: QBXML documents, session, marks, journal, and how everything ended."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from lxml import etree

from engine.golden.stage import COMPANY, Stage
from engine.program import written_only
from engine.qbxml.check import check_request, known_requests
from engine.simulated import Directed, Sandbox, Visitor
from engine.store import journal, work
from engine.store.base import Row, Tx
from engine.store.records import load_reasons

# Digests say nothing to a reader and change with every field that a connector adds.
_UNTOLD = frozenset({"payload", "was", "mapped", "sha256"})


def shown(stage: Stage) -> str:
    """How everything stands now, for a person to read."""
    with stage.world.store.read(COMPANY) as tx:
        return _text(_outcome(tx, stage))


def files_of(stage: Stage) -> dict[str, str]:
    """Everything flowctl did, by the name of its expected file."""
    found = {f"{number:02}-{_name(text)}.xml": pretty(text) for number, text in enumerate(stage.seen.documents, 1)}
    if stage.seen.session:
        found["session.txt"] = _text(stage.seen.session)
    if stage.seen.told:
        found["marks.json"] = json.dumps(stage.seen.told, indent=2, ensure_ascii=False, default=str) + "\n"
    with stage.world.store.read(COMPANY) as tx:
        found["journal.jsonl"] = _text(_journal(tx))
    found |= {f"look-{number}.txt": text for number, text in enumerate(stage.seen.looks, 1)}
    return {**found, "outcome.txt": shown(stage)}


def problems_of(stage: Stage) -> list[str]:
    """What is wrong whatever the expected files say: invalid QBXML, a broken journal, plans that never came true."""
    found = []
    for number, text in enumerate(stage.seen.documents, 1):
        found += [f"{number:02}-{_name(text)}.xml: {problem}" for problem in _invalid(text)]
    with stage.world.store.read(COMPANY) as tx:
        broken = journal.verify(tx, COMPANY)
        if broken is not None:
            found.append(f"the journal is broken at line {broken.seq}: {broken.reason}")
    for name, sandbox in stage.sandboxes.items():
        if isinstance(sandbox, Directed):
            found += [f"{name}: {unused} was planned and never happened" for unused in sandbox.unused()]
    for name, recorded in stage.recordings.items():
        found += [f"{name}: the recorded {stream} were never read" for stream in recorded.unread()]
    return found


def pretty(document: str) -> str:
    """A document with its prolog, indented; its characters stay as they were sent."""
    head, _, _ = document.partition("<QBXML")
    root = _root(document)
    etree.indent(root)
    return f"{head.replace('?><?', '?>' + chr(10) + '<?').strip()}\n{etree.tostring(root).decode('ascii')}\n"


def _root(document: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True)
    return etree.fromstring(document.encode(), parser)


def _name(document: str) -> str:
    """The first request, or what a message set without one is for."""
    messages = _root(document)[0]
    if len(messages):
        return str(messages[0].tag)
    return "StatusCheck" if messages.get("newMessageSetID") else "ClearState"


def _invalid(document: str) -> Iterator[str]:
    for request in _root(document)[0]:
        name = str(request.tag)
        if name.removesuffix("Rq") not in known_requests():
            yield f"`{name}` has no schema"
        else:
            yield from (str(problem) for problem in check_request(name, etree.tostring(request)))


def _journal(tx: Tx) -> Iterator[str]:
    for row in journal.lines(tx, COMPANY):
        line = {name: row[name] for name in ("event", "stream", "source_id", "state_from", "state_to") if row[name]}
        told = {key: value for key, value in json.loads(row["detail"]).items() if key not in _UNTOLD}
        yield json.dumps({**line, "actor": row["actor"], **({"detail": told} if told else {})}, ensure_ascii=False)


def _outcome(tx: Tx, stage: Stage) -> Iterator[str]:
    rows = tx.rows("records_listing", {"company": COMPANY, "state": "", "flow": "", "limit": 100_000})
    yield from _part("records", (line for row in rows for line in _record(row)))
    yield from _part("alerts", (line for row in work.alerts(tx, COMPANY) for line in _alert(row)))
    yield from _part("worklist", _worklist(rows))
    yield from _part("troubles", stage.seen.troubles)
    for name, sandbox in stage.sandboxes.items():
        if name in stage.recordings:
            yield from _part(f"recorded of {name}", stage.recordings[name].contents())
        is_written = any(stream.target == name for stream in stage.program.flow.streams)
        if isinstance(sandbox, Directed) and (is_written or name not in stage.recordings):
            yield from _part(f"in {name}", sandbox.contents())
    # A recorded vendor keeps no books: there is nothing to hold the others against.
    if not stage.recordings:
        yield from _part("totals", _totals(tx, stage.sandboxes, written_only(stage.program.flow)))


def _part(title: str, lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    yield f"{title}:"
    shown = [f"  {line}" for line in lines]
    yield from shown or ["  none"]


def _record(row: Row) -> Iterator[str]:
    about = [row["reference"], row["party"], row["dated_on"]]
    if row["amount"]:
        about.append(f"{row['amount']} {row['currency'] or ''}".strip())
    # An id says little to a reader and stands in the journal; it is shown when there is nothing else.
    shown = " | ".join(text for text in about if text) or row["source_id"]
    drifted = ", changed in the source since" if row["drifted"] else ""
    yield f"{row['stream']} {shown}: {row['state']}{drifted}"
    for reason in load_reasons(row):
        yield f"  {reason.code}: {reason.message}"
        if reason.hint:
            yield f"    hint: {reason.hint}"


def _alert(row: Row) -> Iterator[str]:
    times = f" ({row['times']} times)" if row["times"] > 1 else ""
    yield f"{row['kind']}: {row['message']}{times}"
    if row["hint"]:
        yield f"  hint: {row['hint']}"


def _worklist(rows: Sequence[Row]) -> Iterator[str]:
    """Missing mappings, each with how many records wait for it."""
    gaps: dict[str, int] = {}
    for row in rows:
        if row["state"] == "deferred":
            for reason in load_reasons(row):
                key = next((key for key in reason.waits_for if key.startswith("mapping:")), "")
                if key and reason.code == "unmapped":
                    gaps[key] = gaps.get(key, 0) + 1
    for key, count in gaps.items():
        _, lookup, value = key.split(":", 2)
        yield f"{lookup} `{value}`: {count} waiting"


def _totals(tx: Tx, sandboxes: Mapping[str, Sandbox], written: Collection[str]) -> Iterator[str]:
    """What each side adds up to; `written` are called connections that are targets and nothing else."""
    is_target = {name: isinstance(sandbox, Visitor) or name in written for name, sandbox in sandboxes.items()}
    source = sum((s.total() for name, s in sandboxes.items() if not is_target[name]), Decimal(0))
    target = sum((s.total() for name, s in sandboxes.items() if is_target[name]), Decimal(0))
    for name, amount in (("source", source), ("journal", _posted(tx)), ("target", target)):
        yield f"{name} {amount:.2f}"


def _posted(tx: Tx) -> Decimal:
    """What the journal says is in the target: what vanished from there is not, unless it came back or was posted again."""
    amounts: dict[int, Decimal] = {}
    gone: dict[int, Decimal] = {}
    for line in journal.lines(tx, COMPANY):
        record = line["record_id"]
        if line["event"] == "posted":
            detail: Mapping[str, Any] = json.loads(line["detail"])
            amounts[record] = Decimal(detail.get("amount") or 0)
        elif line["event"] == "vanished" and record in amounts:
            gone[record] = amounts.pop(record)
        elif line["event"] == "back" and record in gone:
            amounts[record] = gone.pop(record)
    return sum(amounts.values(), Decimal(0))


def _text(lines: Iterator[str] | Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
