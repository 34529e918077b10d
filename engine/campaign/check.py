"""What must be true when a schedule is over: our records, our journal, both sides' books, held against each other."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from engine.campaign.person import marker
from engine.campaign.witness import Witness
from engine.contract import Json
from engine.evidence import plain_guid
from engine.follow import QUIET
from engine.rigs import BooksRig, Made, SourceRig, Told, Wanted, Written
from engine.store import journal, outbox, records, work
from engine.store.base import Row, Tx

_DONE = frozenset({"posted", "closed", "vanished"})


@dataclass(slots=True)
class Verdict:
    """Counts that must all be zero, but for `posted`, `changed`, `parked` and `unclaimed`.

    `unclaimed`: objects that a life of ours wrote which a restored copy of our store does not know, and that nothing
    would write again: the source says that they are posted, or does not want them any more, or a person is asked.
    """

    lost: int = 0
    duplicated: int = 0
    wrong_file: int = 0
    cents_off: int = 0
    stuck: int = 0
    posted: int = 0
    parked: int = 0
    changed: int = 0
    unclaimed: int = 0
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
    rows: list[Row] = field(default_factory=list)
    # Of the open alerts.
    subjects: frozenset[str] = frozenset()
    alerts: frozenset[tuple[str, str]] = frozenset()
    # Of the streams that write to the source.
    back: frozenset[str] = frozenset()

    @classmethod
    def of(cls, tx: Tx, company: str, books: BooksRig, source: SourceRig, witness: Witness) -> Scene:
        """Read the records and open alerts once."""
        scene = cls(tx, company, books, source, witness)
        listed = tx.rows("records_listing", {"company": company, "state": "", "flow": "", "limit": 100_000})
        scene.rows = list(listed)
        scene.alerts = frozenset((alert["kind"], alert["subject"]) for alert in work.alerts(tx, company))
        scene.subjects = frozenset(subject for _, subject in scene.alerts)
        machine = witness.machine
        streams = machine.program.flow.streams
        scene.back = frozenset(s.name for s in streams if s.write and s.target == machine.source_connection)
        return scene

    @property
    def was_restored(self) -> bool:
        """Whether an older copy of our own store was put back."""
        return self.witness.machine.restores > 0

    def known(self, object_id: str) -> Row | None:
        """The operation that made an object, if our store knows it."""
        return self.tx.one("operation_get", {"id": self.witness.maker.get(object_id, "")})


def check(scene: Scene) -> Verdict:
    """Everything."""
    verdict = Verdict()
    live = _by_record(scene, scene.books.live())
    for row in scene.rows:
        mine = live.pop(row["id"], [])
        _record(scene, verdict, row, mine)
    _strays(scene, verdict, live.get(None, []))
    elsewhere = {made.id: made for made in (*scene.books.elsewhere(), *scene.witness.astray)}
    verdict.wrong_file += len(elsewhere)
    for made in elsewhere.values():
        verdict.says(f"{made.kind} {made.id} is in another company file")
    doubled = scene.source.doubled() if isinstance(scene.source, Written) else ()
    verdict.duplicated += len(doubled)
    for said in doubled:
        verdict.says(said)
    for said in scene.books.overwritten():
        scene.witness.broke(22, said)
    _source(scene, verdict)
    _journal(scene)
    return verdict


def _by_record(scene: Scene, live: Sequence[Made]) -> dict[int | None, list[Made]]:
    """Our objects by the record that each stands for: by its marker, else by the operation that made it."""
    markers = {marker(scene.company, row): row["id"] for row in scene.rows}
    found: defaultdict[int | None, list[Made]] = defaultdict(list)
    for made in live:
        record = markers.get(plain_guid(made.guid))
        if record is None:
            operation = scene.known(made.id)
            record = operation["record_id"] if operation is not None else None
        found[record].append(made)
    return found


def _strays(scene: Scene, verdict: Verdict, strays: Sequence[Made]) -> None:
    """Objects of no record. Only a restored copy of our store can know nothing of what the source no longer shows."""
    for stray in strays:
        if scene.was_restored and scene.known(stray.id) is None:
            verdict.unclaimed += 1
        else:
            verdict.lost += 1
            verdict.says(f"{stray.kind} {stray.id} is in the books and belongs to no record")


def _record(scene: Scene, verdict: Verdict, row: Row, mine: Sequence[Made]) -> None:
    name, state = _name(row), row["state"]
    if len(mine) > 1:
        verdict.duplicated += len(mine) - 1
        verdict.says(f"{name} is there {len(mine)} times: {', '.join(made.id for made in mine)}")
    if state in _DONE:
        verdict.posted += not _is_change(row)
        verdict.changed += _is_change(row)
        if row["stream"] in scene.back:
            _written_back(scene, verdict, row)
        else:
            _posted(scene, verdict, row, mine)
    elif mine and not (state == "unknown" and _held(scene, row)):
        if _unclaimed(scene, row, mine[0]):
            verdict.unclaimed += 1
        else:
            verdict.lost += 1
            verdict.says(f"{name} is {state}, but is in the books: {mine[0].id}")
    problem = _unsettled(scene, row)
    if problem:
        verdict.stuck += 1
        verdict.says(f"{name} is {state}: {problem}")
    if state in ("deferred", "failed", "unknown", "vanished"):
        verdict.parked += 1


def _written_back(scene: Scene, verdict: Verdict, row: Row) -> None:
    target = str(json.loads(row["receipt"] or "{}").get("id") or "")
    if not isinstance(scene.source, Written) or not scene.source.keeps(target):
        verdict.lost += 1
        verdict.says(f"{_name(row)} is {row['state']}, and `{target}` is not in the source")


def _unclaimed(scene: Scene, row: Row, made: Made) -> bool:
    """Whether a restored store may not know of an object: nothing writes the record without looking for it first."""
    if not scene.was_restored:
        return False
    if made.amount is None and row["state"] == "skipped":
        # A name in a list owes nobody anything, and the next record that needs it finds it by its name.
        return True
    # What the source was told is not due any more; what it was not told was closed there by other means.
    told = [told.reference or made.id for told in scene.source.told() if told.id == row["source_id"]]
    if scene.known(made.id) is not None:
        # The copy has the operation as one that waits, and nothing says that it was sent since. It was taken back when the
        # source turned out to be told, or not to want it any more. What this life of ours has sent, it must know.
        unsent = not scene.witness.sent[scene.witness.maker[made.id]]
        return row["state"] == "skipped" and (made.id in told or (unsent and not _is_due(scene, row)))
    if row["state"] in ("deferred", "failed"):
        return True
    return row["state"] == "skipped" and (made.id in told or not _is_due(scene, row))


def _is_due(scene: Scene, row: Row) -> bool:
    phase = row["phase"].partition("+")[0]
    return any(
        wanted.standing == "due" and (wanted.id, wanted.phase) == (row["source_id"], phase)
        for wanted in scene.source.wanted()
    )


def _posted(scene: Scene, verdict: Verdict, row: Row, mine: Sequence[Made]) -> None:
    receipt: Json = json.loads(row["receipt"] or "{}")
    target = str(receipt.get("TxnID") or receipt.get("ListID") or "")
    name = _name(row)
    if not target:
        scene.witness.broke(10, f"{name} is {row['state']} without an id of the books")
    if not scene.books.has(target):
        if row["state"] == "vanished" or (_is_change(row) and _base_settled(scene, row)):
            return
        verdict.lost += 1
        how = "taken away, and nobody noticed" if target in scene.books.removed() else "not in the books"
        verdict.says(f"{name} is {row['state']}, and {target} is {how}")
        return
    if row["state"] == "vanished":
        verdict.lost += 1
        verdict.says(f"{name} is vanished, and {target} is in the books")
    _foreign(scene, verdict, row, target)
    for made in mine:
        if made.id == target and made.amount is not None:
            _cents(scene, verdict, row, made)
        elif made.id != target:
            verdict.lost += 1
            verdict.says(f"{name} has the receipt {target}, and {made.id} is in the books")


def _is_change(row: Row) -> bool:
    return "+" in row["phase"]


def _base_settled(scene: Scene, row: Row) -> bool:
    """Whether the record that a change was of has gone on without the object that it changed."""
    base = next(
        r
        for r in scene.rows
        if (r["flow"], r["stream"], r["source_id"], r["phase"])
        == (row["flow"], row["stream"], row["source_id"], row["phase"].partition("+")[0])
    )
    return str(base["receipt"] or "") != str(row["receipt"] or "") or base["state"] in (
        "vanished",
        "skipped",
        "pending",
    )


def _foreign(scene: Scene, verdict: Verdict, row: Row, target: str) -> None:
    """A receipt may name only what was made for this record; a list object may have been there before."""
    maker = scene.known(target)
    made = scene.witness.made.get(target)
    base = {**row, "phase": row["phase"].partition("+")[0]}
    is_its = made is not None and plain_guid(made.guid) == marker(scene.company, base)
    if maker is not None and maker["record_id"] != row["id"] and not is_its:
        verdict.lost += 1
        verdict.says(f"{_name(row)} has the receipt {target}, which was made for another record")
    elif made is None and "TxnID" in row["receipt"]:
        verdict.lost += 1
        verdict.says(f"{_name(row)} has the receipt {target}, which somebody else made")


def _cents(scene: Scene, verdict: Verdict, row: Row, made: Made) -> None:
    """What is in the books is the amount of the record as it was written last, unless a person has set it there.

    A restored company file has lost the changes that came after its backup. Nothing tells such an object from one that a
    person has put back by hand, so it is not changed again by itself: a person is told both amounts, and decides.
    """
    now = scene.books.amount(made.id)
    if now is None or "amount" in scene.books.edited(made.id):
        return
    off = abs(abs(now) - abs(Decimal(row["amount"] or 0)))
    # A copy of our store from before a change takes the change for a person's, and says so.
    explained = scene.was_restored or scene.books.rolled_back(made.id)
    if off and not (explained and ("edited", _name(row)) in scene.alerts):
        verdict.cents_off += int(off * 100)
        verdict.says(f"{_name(row)}: {now} in the books, {row['amount']} in the record")


def _unsettled(scene: Scene, row: Row) -> str:
    """Why a record may not be where it is at the end, or an empty text."""
    state, reasons = row["state"], records.load_reasons(row)
    if state in ("pending", "intended", "sent"):
        return "it is not settled after two cycles without faults"
    if state in ("skipped", "closed"):
        return ""
    if state == "vanished":
        return "" if ("vanished", _name(row)) in scene.alerts else "nobody hears of it"
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


def oversleeps(tx: Tx, company: str) -> str:
    """A record that waits for another one which is posted; what wakes it belongs to the same transaction."""
    for row in tx.rows("records_parked", {"company": company, "state": "deferred", "flow": "", "stream": ""}):
        keys = {key for reason in records.load_reasons(row) for key in reason.waits_for if key.startswith("posted:")}
        for key in sorted(keys):
            _, stream, source_id = key.split(":", 2)
            for other in tx.rows("records_by_source_id", {"company": company, "source_id": source_id}):
                is_it = (other["stream"], other["source_id"]) == (stream, source_id) and not _is_change(other)
                if is_it and other["state"] in ("posted", "closed"):
                    return f"{_name(row)} waits for {stream}/{source_id}, which is {other['state']}"
    return ""


def standing_still(tx: Tx, company: str, kind: str, before: str) -> list[tuple[int, str]]:
    """What does not go on although only queries of one kind are refused, and that nobody hears of it.

    What was prepared since `before` has not had its turn. While something is in doubt nothing else goes out (invariant 11).
    """
    found, waits = [], tx.one("set_unsettled", {"company": company}) is not None
    in_doubt = waits
    for row in tx.rows("records_listing", {"company": company, "state": "", "flow": "", "limit": 100_000}):
        operation = tx.one("operation_get", {"id": row["operation_id"] or ""})
        if operation is None or operation["state"] != "waiting" or operation["created_at"] >= before:
            continue
        if operation["request"] in (f"{kind}Add", f"{kind}Mod") or _undoes(operation, kind):
            waits = True
        elif operation["not_before"] <= before and not in_doubt:
            text = f"{_name(row)} ({operation['request']}) is {row['state']} while only {kind} cannot be asked for"
            found.append((28, text))
    told = " ".join(f"{alert['subject']} {alert['message']}" for alert in work.alerts(tx, company))
    if waits and kind not in told and not any(f"{code}:" in told for code in (1000, 3260)):
        found.append((1, f"{kind} cannot be asked for, records wait for it, and nobody hears of it"))
    return found


def _undoes(operation: Row, kind: str) -> bool:
    """Whether an operation voids an object of a kind, which is read before."""
    return outbox.undoes(operation) and json.loads(operation["mapped"]).get("kind") == kind


def _held(scene: Scene, row: Row) -> bool:
    operation = scene.tx.one("operation_get", {"id": row["operation_id"] or ""})
    return operation is not None and operation["state"] == "held" and _name(row) in scene.subjects


def _refused_mark(scene: Scene, row: Row) -> bool:
    return any(subject.endswith(f"/{row['source_id']}") for subject in scene.subjects)


def _name(row: Row) -> str:
    return f"{row['flow']}/{row['stream']}/{row['source_id']}"


def _is_left_out(row: Row | None) -> bool:
    """Whether a person has decided that the record stays out of the books."""
    return row is not None and any(reason.code == "left_out" for reason in records.load_reasons(row))


# --- the source ---


def _source(scene: Scene, verdict: Verdict) -> None:
    for wanted in scene.source.wanted():
        row = scene.witness.record(scene.tx, wanted.stream, wanted.phase, wanted.id)
        if not _is_left_out(row):
            _standing(scene, verdict, wanted, row)
    seen = Counter((told.stream, told.phase, told.id) for told in scene.source.told())
    for told in scene.source.told():
        if seen[told.stream, told.phase, told.id] > 1:
            scene.witness.broke(14, f"the source took {told.stream}/{told.id} more than once")
        _reference(scene, told)


def _standing(scene: Scene, verdict: Verdict, wanted: Wanted, row: Row | None) -> None:
    name, state = f"{wanted.stream}/{wanted.id} ({wanted.phase})", row["state"] if row is not None else "not known"
    if wanted.standing == "due" and state in ("not known", "skipped"):
        verdict.lost += 1
        verdict.says(f"{name} is due in the source, and {state} here")
    # A copy of our store from before takes what the source was told for a person's mark there, or never hears of it.
    forgotten = scene.was_restored and state in ("skipped", "not known")
    # What was gone from the books after the source was told, and is to be posted again, waits like anything else.
    again = row is not None and row["receipt"] is not None and state in ("deferred", "failed", "unknown")
    if wanted.standing == "told" and state not in _DONE and not forgotten and not again:
        verdict.lost += 1
        verdict.says(f"{name} was told to be posted, and is {state} here")
    amount = Decimal(row["amount"]) if row is not None and row["amount"] is not None and state in _DONE else None
    if row is not None and records.is_voided(row):
        if wanted.standing == "due":
            verdict.lost += 1
            verdict.says(f"{name} is due in the source, and voided here")
        # What is voided is worth nothing, whatever the source showed before.
        amount = amount or None
    if amount is not None and wanted.amounts and abs(amount) not in wanted.amounts:
        off = min(abs(abs(amount) - known) for known in wanted.amounts)
        verdict.cents_off += int(off * 100)
        verdict.says(f"{name} was posted with {amount}, which the source never showed: {sorted(wanted.amounts)}")


def _reference(scene: Scene, told: Told) -> None:
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
    earlier = row is not None and made is not None and plain_guid(made.guid) == marker(scene.company, row)
    if (earlier and not scene.books.has(told.reference)) or (scene.was_restored and not receipt):
        return
    scene.witness.broke(14, f"the source has {told.reference} for {told.stream}/{told.id}, we {receipt.get('TxnID')}")


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
