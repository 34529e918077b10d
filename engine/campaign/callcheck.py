"""What must be true of a target that we called, when a schedule is over."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal

from engine.campaign.calls import Calls, Maker, maker_of
from engine.campaign.scene import DONE, Scene, Verdict, is_change, name_of
from engine.campaign.standing import check_journal, check_source, is_due, unsettled
from engine.rigs import CalledRig, Made
from engine.store import lists, outbox, records
from engine.store.base import Row

CalledScene = Scene[CalledRig]


def check_called(scene: CalledScene, calls: Calls) -> Verdict:
    """Everything: each record against its object, each object against its record, and the journal."""
    verdict = Verdict()
    rows = {maker_of(row): row for row in scene.rows if not is_change(row)}
    for maker, mine in _by_maker(scene, calls, verdict).items():
        _objects(scene, verdict, rows.get(maker), mine)
    holders: defaultdict[str, list[Row]] = defaultdict(list)
    for row in scene.rows:
        _record(scene, verdict, calls, row)
        if row["state"] in DONE and not is_change(row) and scene.books.amount(target_of(row)) is not None:
            holders[target_of(row)].append(row)
    for target, several in holders.items():
        if len(several) > 1:
            verdict.lost += len(several) - 1
            verdict.says(f"{target} stands for {' and '.join(name_of(row) for row in several)}")
    check_source(scene, verdict)
    check_journal(scene)
    return verdict


def target_of(row: Row) -> str:
    """The object that a record was posted as."""
    return str(json.loads(row["receipt"] or "{}").get("id") or "")


def _by_maker(scene: CalledScene, calls: Calls, verdict: Verdict) -> dict[Maker, list[Made]]:
    """What we made, by the record that wrote it. What several records may share, a name in a list, is made once."""
    found: defaultdict[Maker, list[Made]] = defaultdict(list)
    shared: defaultdict[str, list[Made]] = defaultdict(list)
    for made in scene.books.made():
        makers = calls.makers.get(made.guid, set())
        if not makers:
            verdict.lost += 1
            verdict.says(f"{made.kind} {made.id} ({made.guid}) was made, and belongs to no record")
        elif made.amount is None:
            shared[made.guid].append(made)
        for maker in makers if made.amount is not None else ():
            found[maker].append(made)
    for key, several in shared.items():
        if len(several) > 1:
            verdict.duplicated += len(several) - 1
            verdict.says(f"{key} was made {len(several)} times: {', '.join(made.id for made in several)}")
    return found


def _objects(scene: CalledScene, verdict: Verdict, row: Row | None, mine: list[Made]) -> None:
    """What was made for one record: once, whatever people did to it since; and the record must know."""
    said = name_of(row) if row is not None else mine[0].guid
    if len(mine) > 1:
        verdict.duplicated += len(mine) - 1
        verdict.says(f"{said} was made {len(mine)} times: {', '.join(made.id for made in mine)}")
    there = [made for made in mine if scene.books.stands(made.id) != "archived"]
    if not there or (row is not None and row["state"] in DONE):
        return
    if _unclaimed(scene, row):
        verdict.unclaimed += 1
        return
    # A person has made something else of it while nobody knew whether it was there: that person is asked.
    if row is not None and row["state"] in ("failed", "unknown") and _is_told(scene, row) and _changed(scene, there):
        return
    verdict.lost += 1
    verdict.says(f"{said} is {row['state'] if row is not None else 'not known'}, but is in the target: {there[0].id}")


def _changed(scene: CalledScene, made: list[Made]) -> bool:
    return any(scene.books.edited(item.id) or scene.books.doubtful(item.guid) for item in made)


def _unclaimed(scene: CalledScene, row: Row | None) -> bool:
    """Whether a restored store need not know of an object: nothing would write the record without looking for it."""
    if not scene.was_restored:
        return False
    if row is None or row["state"] == "skipped":
        return row is None or not is_due(scene, row)
    # The source may have changed since it was written, and it is found with another amount; or its coding is asked for.
    return row["state"] in ("deferred", "failed", "unknown") and _is_told(scene, row)


def _record(scene: CalledScene, verdict: Verdict, calls: Calls, row: Row) -> None:
    name, state = name_of(row), row["state"]
    if state in DONE:
        verdict.posted += not is_change(row)
        verdict.changed += is_change(row)
        if not is_change(row):
            _posted(scene, verdict, calls, row)
    problem = "" if _is_doubtful(scene, calls, row) else unsettled(scene, row)
    if problem:
        verdict.stuck += 1
        verdict.says(f"{name} is {state}: {problem}")
    if state in ("deferred", "failed", "unknown"):
        verdict.parked += 1


def _posted(scene: CalledScene, verdict: Verdict, calls: Calls, row: Row) -> None:
    target, name, books = target_of(row), name_of(row), scene.books
    if not target:
        scene.witness.broke(10, f"{name} is {row['state']} without an id of the target")
    if not books.has(target):
        verdict.lost += 1
        verdict.says(f"{name} is {row['state']}, and {target} is not in the target")
        return
    makers = {made.id: calls.makers.get(made.guid, set()) for made in books.made()}
    now = books.amount(target)
    if now is not None and books.stands(target) != "lent" and maker_of(row) not in makers.get(target, set()):
        verdict.lost += 1
        verdict.says(f"{name} has the receipt {target}, which was not made for it")
    if records.is_voided(row):
        if books.stands(target) != "archived":
            verdict.lost += 1
            verdict.says(f"{name} is undone, and {target} is there")
        return
    if books.stands(target) == "archived" and target not in books.removed():
        if scene.was_restored and not _is_undone(scene, row):
            # An earlier life of ours archived it, when the source wanted that. To this one, which knows nothing of it, that
            # is what a person's archiving would be: nothing is written, and so nothing is looked for.
            verdict.unclaimed += 1
            return
        verdict.lost += 1
        verdict.says(f"{name} is {row['state']}, and {target} was archived, by no person")
    if now is None or books.edited(target) or target in books.removed() or _is_chosen(scene, row, target):
        return
    off = abs(abs(now) - abs(Decimal(row["amount"] or 0)))
    if off:
        verdict.cents_off += int(off * 100)
        verdict.says(f"{name}: {now} in the target, {row['amount']} in the record")


def _is_undone(scene: CalledScene, row: Row) -> bool:
    """Whether our store, as it is, knows of an undoing of the record that was sent."""
    changes = [each for each in scene.rows if is_change(each) and maker_of(each) == maker_of(row)]
    found = [scene.tx.one("operation_get", {"id": each["operation_id"] or ""}) for each in changes]
    return any(each is not None and outbox.undoes(each) and each["state"] in ("sent", "held", "done") for each in found)


def _is_chosen(scene: CalledScene, row: Row, target: str) -> bool:
    """Whether a person has said that this object is meant, whatever its amount."""
    rows = lists.mappings(scene.tx, scene.company, row["flow"])
    return scene.books.stands(target) == "lent" and any(each["list_id"] == target for each in rows)


def _is_doubtful(scene: CalledScene, calls: Calls, row: Row) -> bool:
    """Whether people have made it impossible to tell what became of a record, and one of them was told."""
    operation = scene.tx.one("operation_get", {"id": row["operation_id"] or ""})
    if operation is None or row["state"] not in ("unknown", "sent"):
        return False
    return _is_told(scene, row) and scene.books.doubtful(calls.key_of(operation))


def _is_told(scene: CalledScene, row: Row) -> bool:
    return name_of(row) in scene.subjects
