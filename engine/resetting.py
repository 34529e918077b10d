"""What a change of a setting comes to: what was prepared with the old value, waits or was skipped is looked at anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine import follow, told
from engine.evidence import Told
from engine.follow import Hand
from engine.mapping import settings_of
from engine.model import Expr, Flow
from engine.program import FlowProgram
from engine.store import companies, journal, records
from engine.store.base import Row, Tx
from engine.store.records import Move


def looked_anew(tx: Tx, hand: Hand, flow: Flow, name: str) -> int:
    """Prepare anew what depends on a setting; returns how many records."""
    withdrawn = follow.reconsider(tx, hand, flow.name, f"setting:{name}", f"setting:{name}")
    rows = _parked(tx, hand.company, "deferred", flow.name)
    says = _says(flow, name)
    if says:
        rows += [
            row
            for row in _parked(tx, hand.company, "skipped", flow.name)
            if any(r.code == "not_selected" and (row["stream"], r.message) in says for r in records.load_reasons(row))
        ]
    undoing = _undoing(flow, name)
    rows += [
        row
        for row in (_parked(tx, hand.company, "skipped", flow.name) if undoing else ())
        if row["stream"] in undoing and any(r.code == "undone" for r in records.load_reasons(row))
    ]
    for row in tx.rows("records_differing", {"company": hand.company, "flow": flow.name}) if undoing else ():
        # The source has said it already, and need not say it again.
        change = records.newest_change(tx, row) if row["stream"] in undoing else None
        if row["stream"] in undoing and (change is None or change["state"] in ("posted", "closed", "skipped")):
            follow.change_follows(tx, hand, row, row["newest"])
            withdrawn += 1
    detail = {"by": f"setting:{name}"}
    moves = [Move(row, "pending", "woken", records.load_reasons(row), detail=detail) for row in rows]
    records.move(tx, hand.company, hand.at, hand.actor, moves)
    return len(moves) + withdrawn


def heard(tx: Tx, hand: Hand, programs: Sequence[FlowProgram], said: Mapping[str, Told]) -> None:
    """Keep what the target says of itself; what was prepared with another word, or waits, is looked at anew.

    Whoever hears it may not serve every flow, so each flow has its own note of the word that it was last looked at with.
    """
    if told.said(tx, hand.company) != said:
        told.keep(tx, hand.company, hand.at, said)
    for program in programs:
        before = told.noted(tx, hand.company, program.flow)
        if before == said or not any(setting.told for setting in program.flow.settings):
            continue
        told.note(tx, hand.company, hand.at, program.flow, said)
        own = companies.settings(tx, hand.company, program.flow.name)
        for setting in program.flow.settings:
            now = told.standing(setting, own, said)
            if setting.told and now.value != told.standing(setting, own, before).value:
                detail = {"setting": setting.name, "value": now.value, "told_by": setting.connection}
                entry = journal.Entry("setting", program.flow.name, detail=detail)
                journal.append(tx, hand.company, hand.at, hand.actor, [entry])
                looked_anew(tx, hand, program.flow, setting.name)


def _says(flow: Flow, name: str) -> set[tuple[str, str]]:
    """Streams and texts of the conditions that depend on a setting."""
    return {
        (stream.name, item.say) for stream in flow.streams for item in stream.select if _asks(flow, item.only, name)
    }


def _undoing(flow: Flow, name: str) -> frozenset[str]:
    """Streams in which it depends on a setting whether what was posted is undone."""
    return frozenset(
        stream.name
        for stream in flow.streams
        for way in stream.variants
        if way.undo is not None and _asks(flow, way.undo.when, name)
    )


def _asks(flow: Flow, expr: Expr, name: str) -> bool:
    return name in settings_of(expr, dict(flow.define))


def _parked(tx: Tx, company: str, state: str, flow: str) -> list[Row]:
    return tx.rows("records_parked", {"company": company, "state": state, "flow": flow, "stream": ""})
