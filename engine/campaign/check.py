"""What must be true when a schedule is over: our records, our journal, both sides' books, held against each other."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from engine.campaign.witness import Witness
from engine.contract import Json
from engine.follow import QUIET
from engine.pipeline import guid_of
from engine.rigs import BooksRig, Made, SourceRig, Told, Wanted
from engine.store import journal, records, work
from engine.store.base import Row, Tx

_DONE = frozenset({"posted", "closed", "vanished"})


@dataclass(slots=True)
class Verdict:
    """Counts that must all be zero, but for `vanished_unseen`, `posted` and `parked`."""

    lost: int = 0
    duplicated: int = 0
    wrong_file: int = 0
    cents_off: int = 0
    stuck: int = 0
    vanished_unseen: int = 0
    posted: int = 0
    parked: int = 0
    texts: list[str] = field(default_factory=list)

    def says(self, text: str) -> None:
        """One finding."""
        self.texts.append(text)


@dataclass(slots=True)
class Scene:
    """Everything a check looks at, after the last fault-free cycle."""

    tx: Tx
    company: str
    books: BooksRig
    source: SourceRig
    witness: Witness
    # False as long as nothing looks for what people deleted: a vanished object nobody noticed is then only counted.
    probed: bool = False
    rows: list[Row] = field(default_factory=list)
    subjects: frozenset[str] = frozenset()

    @classmethod
    def of(cls, tx: Tx, company: str, books: BooksRig, source: SourceRig, witness: Witness) -> Scene:
        """Read the records and open alerts once."""
        scene = cls(tx, company, books, source, witness)
        listed = tx.rows("records_listing", {"company": company, "state": "", "flow": "", "limit": 100_000})
        scene.rows = list(listed)
        scene.subjects = frozenset(alert["subject"] for alert in work.alerts(tx, company))
        return scene


def check(scene: Scene) -> Verdict:
    """Everything."""
    verdict = Verdict()
    live = _by_record(scene, scene.books.live())
    for row in scene.rows:
        mine = live.pop(row["id"], [])
        _record(scene, verdict, row, mine)
    for stray in live.get(None, []):
        verdict.lost += 1
        verdict.says(f"{stray.kind} {stray.id} is in the books and belongs to no record")
    elsewhere = {made.id: made for made in (*scene.books.elsewhere(), *scene.witness.astray)}
    verdict.wrong_file += len(elsewhere)
    for made in elsewhere.values():
        verdict.says(f"{made.kind} {made.id} is in another company file")
    _source(scene, verdict)
    _journal(scene)
    return verdict


def _by_record(scene: Scene, live: Sequence[Made]) -> dict[int | None, list[Made]]:
    """Our objects by the record that each stands for: by the operation that made it, else by its GUID."""
    guids = {
        guid_of(scene.company, row["flow"], row["stream"], row["source_id"], row["phase"]).strip("{}").lower(): row[
            "id"
        ]
        for row in scene.rows
    }
    found: defaultdict[int | None, list[Made]] = defaultdict(list)
    for made in live:
        operation = scene.tx.one("operation_get", {"id": scene.witness.maker.get(made.id, "")})
        record = operation["record_id"] if operation is not None else guids.get(made.guid.strip("{}").lower())
        found[record].append(made)
    return found


def _record(scene: Scene, verdict: Verdict, row: Row, mine: Sequence[Made]) -> None:
    name, state = _name(row), row["state"]
    if len(mine) > 1:
        verdict.duplicated += len(mine) - 1
        verdict.says(f"{name} is there {len(mine)} times: {', '.join(made.id for made in mine)}")
    if state in _DONE:
        verdict.posted += 1
        _posted(scene, verdict, row, mine)
    elif mine and not (state == "unknown" and _held(scene, row)):
        verdict.lost += 1
        verdict.says(f"{name} is {state}, but is in the books: {mine[0].id}")
    problem = _unsettled(scene, row)
    if problem:
        verdict.stuck += 1
        verdict.says(f"{name} is {state}: {problem}")
    if state in ("deferred", "failed", "unknown"):
        verdict.parked += 1


def _posted(scene: Scene, verdict: Verdict, row: Row, mine: Sequence[Made]) -> None:
    receipt: Json = json.loads(row["receipt"] or "{}")
    target = str(receipt.get("TxnID") or receipt.get("ListID") or "")
    name = _name(row)
    if not target:
        scene.witness.broke(10, f"{name} is {row['state']} without an id of the books")
    if not scene.books.has(target):
        if row["state"] == "vanished":
            return
        if target in scene.books.removed():
            # Once posted objects are probed, a person must hear of each: then this counts as lost.
            verdict.vanished_unseen += 1
            verdict.lost += scene.probed
        else:
            verdict.lost += 1
        verdict.says(f"{name} is {row['state']}, and {target} is not in the books")
        return
    _foreign(scene, verdict, row, target)
    for made in mine:
        if made.id == target and made.amount is not None:
            _cents(verdict, row, made.amount)
        elif made.id != target:
            verdict.lost += 1
            verdict.says(f"{name} has the receipt {target}, and {made.id} is in the books")


def _foreign(scene: Scene, verdict: Verdict, row: Row, target: str) -> None:
    """A receipt may name only what was made for this record; a list object may have been there before."""
    maker = scene.tx.one("operation_get", {"id": scene.witness.maker.get(target, "")})
    if maker is not None and maker["record_id"] != row["id"]:
        verdict.lost += 1
        verdict.says(f"{_name(row)} has the receipt {target}, which was made for another record")
    elif target not in scene.witness.maker and "TxnID" in row["receipt"]:
        verdict.lost += 1
        verdict.says(f"{_name(row)} has the receipt {target}, which somebody else made")


def _cents(verdict: Verdict, row: Row, amount: Decimal) -> None:
    """The object's first amount is that of the record which was frozen."""
    off = abs(abs(amount) - abs(Decimal(row["amount"] or 0)))
    if off:
        verdict.cents_off += int(off * 100)
        verdict.says(f"{_name(row)}: {amount} in the books, {row['amount']} in the record")


def _unsettled(scene: Scene, row: Row) -> str:
    """Why a record may not be where it is at the end, or an empty text."""
    state, reasons = row["state"], records.load_reasons(row)
    if state in ("pending", "intended", "sent"):
        return "it is not settled after two cycles without faults"
    if state in ("skipped", "closed", "vanished"):
        return ""
    if state == "posted":
        return "" if _refused_mark(scene, row) else "the source was not told of it"
    if state == "unknown" and not _held(scene, row):
        return "it is in doubt and nobody is asked"
    if not reasons:
        return "it has no reason"
    silent = [r for r in reasons if r.code not in QUIET and not _alerted(scene, row, r)]
    if silent:
        return f"nobody hears of it: {silent[0].code}: {silent[0].message}"
    return next((text for reason in reasons if (text := _overslept(scene, reason))), "") if state == "deferred" else ""


def _alerted(scene: Scene, row: Row, reason: records.Reason) -> bool:
    own = f"{row['flow']}/{row['stream']}/{row['source_id']}"
    keys = [rest for kind, _, rest in (key.partition(":") for key in reason.waits_for) if kind == "mapping"]
    return own in scene.subjects or any(f"{row['flow']}/{key.replace(':', '/', 1)}" in scene.subjects for key in keys)


def _overslept(scene: Scene, reason: records.Reason) -> str:
    """What a deferred record waits for and has already happened."""
    for key in reason.waits_for:
        kind, _, rest = key.partition(":")
        stream, _, source_id = rest.partition(":")
        if kind == "posted" and any(
            row["stream"] == stream and row["source_id"] == source_id and row["state"] in ("posted", "closed")
            for row in scene.rows
        ):
            return f"it waits for {stream}/{source_id}, which is posted"
        if kind == "mapping" and reason.code == "not_posted":
            way = [row for row in scene.rows if row["source_id"] == source_id and row["phase"] == "post"]
            if way and all(row["state"] in _DONE for row in way):
                return f"it waits for {key}, which is there"
    return ""


def _held(scene: Scene, row: Row) -> bool:
    operation = scene.tx.one("operation_get", {"id": row["operation_id"] or ""})
    return operation is not None and operation["state"] == "held" and _name(row) in scene.subjects


def _refused_mark(scene: Scene, row: Row) -> bool:
    return any(subject.endswith(f"/{row['source_id']}") for subject in scene.subjects)


def _name(row: Row) -> str:
    return f"{row['flow']}/{row['stream']}/{row['source_id']}"


# --- the source ---


def _source(scene: Scene, verdict: Verdict) -> None:
    for wanted in scene.source.wanted():
        row = scene.witness.record(scene.tx, wanted.stream, wanted.phase, wanted.id)
        _standing(verdict, wanted, row)
    seen = Counter((told.stream, told.phase, told.id) for told in scene.source.told())
    for told in scene.source.told():
        if seen[told.stream, told.phase, told.id] > 1:
            scene.witness.broke(14, f"the source took {told.stream}/{told.id} more than once")
        _reference(scene, told)


def _standing(verdict: Verdict, wanted: Wanted, row: Row | None) -> None:
    name, state = f"{wanted.stream}/{wanted.id} ({wanted.phase})", row["state"] if row is not None else "not known"
    if wanted.standing == "due" and state in ("not known", "skipped"):
        verdict.lost += 1
        verdict.says(f"{name} is due in the source, and {state} here")
    if wanted.standing == "told" and state not in _DONE:
        verdict.lost += 1
        verdict.says(f"{name} was told to be posted, and is {state} here")
    amount = Decimal(row["amount"]) if row is not None and row["amount"] is not None and state in _DONE else None
    if amount is not None and wanted.amounts and abs(amount) not in wanted.amounts:
        off = min(abs(abs(amount) - known) for known in wanted.amounts)
        verdict.cents_off += int(off * 100)
        verdict.says(f"{name} was posted with {amount}, which the source never showed: {sorted(wanted.amounts)}")


def _reference(scene: Scene, told: Told) -> None:
    row = scene.witness.record(scene.tx, told.stream, told.phase, told.id)
    receipt: Json = json.loads(row["receipt"] or "{}") if row is not None else {}
    if receipt.get("TxnID") != told.reference:
        scene.witness.broke(
            14, f"the source has {told.reference} for {told.stream}/{told.id}, we {receipt.get('TxnID')}"
        )


# --- the journal ---


def _journal(scene: Scene) -> None:
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
