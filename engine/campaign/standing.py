"""Whether each record is where it may be at the end, whether the source agrees, and whether the journal does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

from engine.campaign.person import marker
from engine.campaign.scene import DONE, Scene, Verdict, is_change, name_of
from engine.contract import Json
from engine.evidence import plain_guid
from engine.follow import QUIET
from engine.rigs import Made, TargetRig, Told, Wanted
from engine.store import journal, records
from engine.store.base import Row, Tx


def unsettled(scene: Scene[TargetRig], row: Row) -> str:
    """Why a record may not be where it is at the end, or an empty text."""
    state, reasons = row["state"], records.load_reasons(row)
    if state in ("pending", "intended", "sent"):
        return "it is not settled after two cycles without faults"
    if state in ("skipped", "closed"):
        return ""
    if state == "vanished":
        return "" if ("vanished", name_of(row)) in scene.alerts else "nobody hears of it"
    if state == "posted":
        return "" if _refused_mark(scene, row) else "the source was not told of it"
    if state == "unknown" and not is_held(scene, row):
        return "it is in doubt and nobody is asked"
    if not reasons:
        return "it has no reason"
    silent = [r for r in reasons if r.code not in QUIET and not _alerted(scene, row, r)]
    if silent:
        return f"nobody hears of it: {silent[0].code}: {silent[0].message}"
    return next((text for reason in reasons if (text := _overslept(scene, reason))), "") if state == "deferred" else ""


def _alerted(scene: Scene[TargetRig], row: Row, reason: records.Reason) -> bool:
    own = f"{row['flow']}/{row['stream']}/{row['source_id']}"
    keys = [rest for kind, _, rest in (key.partition(":") for key in reason.waits_for) if kind == "mapping"]
    return own in scene.subjects or any(f"{row['flow']}/{key.replace(':', '/', 1)}" in scene.subjects for key in keys)


def _overslept(scene: Scene[TargetRig], reason: records.Reason) -> str:
    """What a deferred record waits for and has already happened."""
    for key in reason.waits_for:
        kind, _, rest = key.partition(":")
        stream, _, source_id = rest.partition(":")
        if kind == "posted" and any(
            row["stream"] == stream and row["source_id"] == source_id and row["state"] in ("posted", "closed")
            for row in scene.rows
            # A change that was made before a person left the record out counts for nothing; nothing can refer to what is void.
            if not records.is_change(row) and not records.is_voided(row)
        ):
            return f"it waits for {stream}/{source_id}, which is posted"
        if kind == "mapping" and reason.code == "not_posted":
            way = [row for row in scene.rows if row["source_id"] == source_id and row["phase"] == "post"]
            if way and all(row["state"] in DONE for row in way):
                return f"it waits for {key}, which is there"
    return ""


def oversleeps(tx: Tx, company: str) -> str:
    """A record that waits for another one which is posted; what wakes it belongs to the same transaction."""
    for row in tx.rows("records_parked", {"company": company, "state": "deferred", "flow": "", "stream": ""}):
        keys = {key for reason in records.load_reasons(row) for key in reason.waits_for if key.startswith("posted:")}
        for key in sorted(keys):
            _, stream, source_id = key.split(":", 2)
            for other in tx.rows("records_by_source_id", {"company": company, "source_id": source_id}):
                is_it = (other["stream"], other["source_id"]) == (stream, source_id) and not is_change(other)
                if is_it and other["state"] in ("posted", "closed") and not records.is_voided(other):
                    return f"{name_of(row)} waits for {stream}/{source_id}, which is {other['state']}"
    return ""


def is_due(scene: Scene[TargetRig], row: Row) -> bool:
    """Whether the source wants a record in the target now."""
    phase = row["phase"].partition("+")[0]
    return any(
        wanted.standing == "due" and (wanted.id, wanted.phase) == (row["source_id"], phase)
        for wanted in scene.source.wanted()
    )


def is_held(scene: Scene[TargetRig], row: Row) -> bool:
    """Whether a person was asked what became of a record."""
    operation = scene.tx.one("operation_get", {"id": row["operation_id"] or ""})
    return operation is not None and operation["state"] == "held" and name_of(row) in scene.subjects


def _refused_mark(scene: Scene[TargetRig], row: Row) -> bool:
    return any(subject.endswith(f"/{row['source_id']}") for subject in scene.subjects)


def _is_left_out(row: Row | None) -> bool:
    """Whether a person has decided that the record stays out of the books."""
    return row is not None and any(reason.code == "left_out" for reason in records.load_reasons(row))


# --- the source ---


def check_source(scene: Scene[TargetRig], verdict: Verdict) -> None:
    """What the source wants and was told."""
    read = {stream.fetch.stream for stream in scene.witness.machine.program.flow.streams}
    for wanted in scene.source.wanted():
        if wanted.stream not in read:
            continue
        row = scene.witness.record(scene.tx, wanted.stream, wanted.phase, wanted.id)
        if not _is_left_out(row):
            _standing(scene, verdict, wanted, row)
    seen = Counter((told.stream, told.phase, told.id) for told in scene.source.told())
    for told in scene.source.told():
        if seen[told.stream, told.phase, told.id] > 1:
            scene.witness.broke(14, f"the source took {told.stream}/{told.id} more than once")
        _reference(scene, told)


def _standing(scene: Scene[TargetRig], verdict: Verdict, wanted: Wanted, row: Row | None) -> None:
    name, state = f"{wanted.stream}/{wanted.id} ({wanted.phase})", row["state"] if row is not None else "not known"
    if wanted.standing == "due" and state in ("not known", "skipped"):
        verdict.lost += 1
        verdict.says(f"{name} is due in the source, and {state} here")
    # A copy of our store from before takes what the source was told for a person's mark there, or never hears of it.
    forgotten = scene.was_restored and state in ("skipped", "not known")
    # What was gone from the books after the source was told, and is to be posted again, waits like anything else; and is
    # left out where the source has taken it back meanwhile.
    waits = {"deferred", "failed", "unknown"} | ({"skipped"} if wanted.standing == "taken_back" else set())
    again = row is not None and row["receipt"] is not None and state in waits
    if wanted.standing in ("told", "taken_back") and state not in DONE and not forgotten and not again:
        verdict.lost += 1
        verdict.says(f"{name} was told to be posted, and is {state} here")
    amount = Decimal(row["amount"]) if row is not None and row["amount"] is not None and state in DONE else None
    if row is not None and records.is_voided(row):
        # Where the target brings nothing back, a person is told of it, who enters it there by hand or not at all.
        if wanted.standing == "due" and ("drifted", name_of(row)) not in scene.alerts:
            verdict.lost += 1
            verdict.says(f"{name} is due in the source, and voided here")
        # What is voided is worth nothing, whatever the source showed before.
        amount = amount or None
    if amount is not None and wanted.amounts and abs(amount) not in wanted.amounts:
        off = min(abs(abs(amount) - known) for known in wanted.amounts)
        verdict.cents_off += int(off * 100)
        verdict.says(f"{name} was posted with {amount}, which the source never showed: {sorted(wanted.amounts)}")


def _reference(scene: Scene[TargetRig], told: Told) -> None:
    """The source has the id of the record's object, or of an earlier one of the same record that is gone.

    Where marks carry no reference, there is nothing to compare: that the record is posted is looked at by its standing.
    """
    if told.reference is None:
        return
    row = scene.witness.record(scene.tx, told.stream, told.phase, told.id)
    receipt: Json = json.loads(row["receipt"] or "{}") if row is not None else {}
    if receipt.get("TxnID") == told.reference:
        return
    made = scene.witness.made.get(told.reference)
    earlier = row is not None and made is not None and _is_of(scene, row, made)
    if (earlier and not scene.books.has(told.reference)) or (scene.was_restored and not receipt):
        return
    scene.witness.broke(14, f"the source has {told.reference} for {told.stream}/{told.id}, we {receipt.get('TxnID')}")


def _is_of(scene: Scene[TargetRig], row: Row, made: Made) -> bool:
    """Whether an object was made for a record: by its marker, or, where its kind carries none, by what wrote it."""
    if made.guid:
        return plain_guid(made.guid) == marker(scene.company, row)
    operation = scene.known(made.id)
    return scene.was_restored if operation is None else bool(operation["record_id"] == row["id"])


# --- the journal ---


def check_journal(scene: Scene[TargetRig]) -> None:
    """The chain of the journal, and the states that it tells."""
    broken = journal.verify(scene.tx, scene.company)
    if broken is not None:
        scene.witness.broke(21, f"journal line {broken.seq}: {broken.reason}")
    states: dict[int, str] = {}
    for line in journal.lines(scene.tx, scene.company):
        key = line["record_id"]
        if key is None or (not line["state_from"] and not line["state_to"]):
            continue
        if states.get(key, "") != line["state_from"]:
            text = f"line {line['seq']} moves a record from {line['state_from']}, and it was {states.get(key, 'new')}"
            scene.witness.broke(21, text)
        states[key] = line["state_to"]
    actual: Mapping[int, str] = {row["id"]: row["state"] for row in scene.rows}
    for key in states.keys() | actual.keys():
        if states.get(key) != actual.get(key):
            scene.witness.broke(21, f"record {key} is {actual.get(key)}, and {states.get(key)} by the journal")
