"""What must be true when a schedule is over: our records, our journal, both sides' books, held against each other."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from engine.campaign.person import marker
from engine.campaign.scene import DONE, Scene, Verdict, is_change, name_of
from engine.campaign.standing import check_journal, check_source, is_due, is_held, unsettled
from engine.contract import Json
from engine.evidence import plain_guid
from engine.rigs import BooksRig, Charted, Made, Written
from engine.store import outbox, records, work
from engine.store.base import Row, Tx


def check(scene: Scene[BooksRig]) -> Verdict:
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
    for said in scene.source.spoiled() if isinstance(scene.source, Charted) else ():
        scene.witness.broke(29, said)
    for said in scene.books.overwritten():
        scene.witness.broke(22, said)
    check_source(scene, verdict)
    check_journal(scene)
    return verdict


def _by_record(scene: Scene[BooksRig], live: Sequence[Made]) -> dict[int | None, list[Made]]:
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


def _strays(scene: Scene[BooksRig], verdict: Verdict, strays: Sequence[Made]) -> None:
    """Objects of no record. Only a restored copy of our store can know nothing of what the source no longer shows."""
    for stray in strays:
        if scene.was_restored and scene.known(stray.id) is None:
            verdict.unclaimed += 1
        else:
            verdict.lost += 1
            verdict.says(f"{stray.kind} {stray.id} is in the books and belongs to no record")


def _record(scene: Scene[BooksRig], verdict: Verdict, row: Row, mine: Sequence[Made]) -> None:
    name, state = name_of(row), row["state"]
    if len(mine) > 1:
        verdict.duplicated += len(mine) - 1
        verdict.says(f"{name} is there {len(mine)} times: {', '.join(made.id for made in mine)}")
    if state in DONE:
        verdict.posted += not is_change(row)
        verdict.changed += is_change(row)
        if row["stream"] in scene.back:
            _written_back(scene, verdict, row)
        else:
            _posted(scene, verdict, row, mine)
    elif mine and not (state == "unknown" and is_held(scene, row)):
        if _unclaimed(scene, row, mine[0]):
            verdict.unclaimed += 1
        else:
            verdict.lost += 1
            verdict.says(f"{name} is {state}, but is in the books: {mine[0].id}")
    problem = unsettled(scene, row)
    if problem:
        verdict.stuck += 1
        verdict.says(f"{name} is {state}: {problem}")
    if state in ("deferred", "failed", "unknown", "vanished"):
        verdict.parked += 1


def _written_back(scene: Scene[BooksRig], verdict: Verdict, row: Row) -> None:
    target = str(json.loads(row["receipt"] or "{}").get("id") or "")
    if not isinstance(scene.source, Written) or not scene.source.keeps(target):
        verdict.lost += 1
        verdict.says(f"{name_of(row)} is {row['state']}, and `{target}` is not in the source")
        return
    if is_change(row) or not isinstance(scene.source, Charted):
        return
    shown = scene.source.shows(target)
    newest = records.newest_change(scene.tx, row) or row
    if shown is None or newest["state"] not in DONE:
        return
    # What calls of ours left there is what the last of them wrote, and nothing once it was undone, but for what a record
    # that was told since is coded to.
    wanted = "" if records.is_voided(row) else _name_written(scene.tx, newest)
    if shown != wanted and not (records.is_voided(row) and scene.source.codes(target)):
        verdict.lost += 1
        verdict.says(f"{name_of(row)} was written as `{wanted}`, and the source shows `{shown}`")


def _name_written(tx: Tx, row: Row) -> str:
    operation = tx.one("operation_get", {"id": row["operation_id"] or ""})
    written: Json = json.loads(operation["mapped"] or "{}") if operation is not None else {}
    return str(written.get("name") or written.get("value") or "")


def _unclaimed(scene: Scene[BooksRig], row: Row, made: Made) -> bool:
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
        if row["state"] in ("deferred", "failed"):
            # Such as a payment whose bill a person has left out: it is looked for before it is written again.
            return unsent
        return row["state"] == "skipped" and (made.id in told or (unsent and not is_due(scene, row)))
    if row["state"] in ("deferred", "failed"):
        return True
    return row["state"] == "skipped" and (made.id in told or not is_due(scene, row))


def _posted(scene: Scene[BooksRig], verdict: Verdict, row: Row, mine: Sequence[Made]) -> None:
    receipt: Json = json.loads(row["receipt"] or "{}")
    target = str(receipt.get("TxnID") or receipt.get("ListID") or "")
    name = name_of(row)
    if not target:
        scene.witness.broke(10, f"{name} is {row['state']} without an id of the books")
    if not scene.books.has(target):
        if row["state"] == "vanished" or (is_change(row) and _base_settled(scene, row)):
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


def _base_settled(scene: Scene[BooksRig], row: Row) -> bool:
    """Whether the record that a change was of has gone on without the object that it changed."""
    base = next(
        r
        for r in scene.rows
        if (r["flow"], r["stream"], r["source_id"], r["phase"])
        == (row["flow"], row["stream"], row["source_id"], row["phase"].partition("+")[0])
    )
    # Whoever has it posted again may have to map its vendor first: then it waits, as anything else that is to be posted.
    return str(base["receipt"] or "") != str(row["receipt"] or "") or base["state"] in (
        "vanished",
        "skipped",
        "pending",
        "deferred",
    )


def _foreign(scene: Scene[BooksRig], verdict: Verdict, row: Row, target: str) -> None:
    """A receipt may name only what was made for this record; a name in a list may stand for several, or have been there."""
    maker = scene.known(target)
    made = scene.witness.made.get(target)
    base = {**row, "phase": row["phase"].partition("+")[0]}
    is_its = made is not None and plain_guid(made.guid) == marker(scene.company, base)
    is_name = made is not None and made.amount is None
    if maker is not None and maker["record_id"] != row["id"] and not is_its and not is_name:
        verdict.lost += 1
        verdict.says(f"{name_of(row)} has the receipt {target}, which was made for another record")
    elif made is None and "TxnID" in row["receipt"]:
        verdict.lost += 1
        verdict.says(f"{name_of(row)} has the receipt {target}, which somebody else made")


def _cents(scene: Scene[BooksRig], verdict: Verdict, row: Row, made: Made) -> None:
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
    if off and not (explained and ("edited", name_of(row)) in scene.alerts):
        verdict.cents_off += int(off * 100)
        verdict.says(f"{name_of(row)}: {now} in the books, {row['amount']} in the record")


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
            text = f"{name_of(row)} ({operation['request']}) is {row['state']} while only {kind} cannot be asked for"
            found.append((28, text))
    told = " ".join(f"{alert['subject']} {alert['message']}" for alert in work.alerts(tx, company))
    if waits and kind not in told and not any(f"{code}:" in told for code in (1000, 3260)):
        found.append((1, f"{kind} cannot be asked for, records wait for it, and nobody hears of it"))
    return found


def _undoes(operation: Row, kind: str) -> bool:
    """Whether an operation voids an object of a kind, which is read before."""
    return outbox.undoes(operation) and json.loads(operation["mapped"]).get("kind") == kind
