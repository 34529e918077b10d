"""What is kept of telling a source: marks go into calls, and what it says of a call is noted, so many records a transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine import asked
from engine.errors import FlowctlError, Rejected
from engine.follow import Hand, close
from engine.intake import AT_ONCE
from engine.program import FlowProgram
from engine.store import marks, work
from engine.store.base import Row
from engine.world import World

MARKS_A_CALL = 500
ACTOR = "flowctl"


def group(world: World, program: FlowProgram, company: str) -> None:
    """Answer what was asked for, and put what is to be told into calls, one a transaction."""
    flow = program.flow.name
    with world.store.write(company) as tx:
        asked.answer(tx, company, program, world.at())
        made = marks.group(tx, company, flow, world.at(), limit=MARKS_A_CALL, most=1)
    while made:
        with world.store.write(company) as tx:
            made = marks.group(tx, company, flow, world.at(), limit=MARKS_A_CALL, most=1)


def due(world: World, program: FlowProgram, company: str) -> Iterator[Row]:
    """Calls as they come due: one that is done makes way for those that waited for it."""
    streams = [stream.stream.name for stream in program.streams]
    tried: set[int] = set()
    while True:
        calls = [row for row in _due(world, program, company, streams) if row["id"] not in tried]
        if not calls:
            return
        tried.update(row["id"] for row in calls)
        yield from calls


def _due(world: World, program: FlowProgram, company: str, streams: Sequence[str]) -> list[Row]:
    """What can be told now. What each call tells is read by itself; a call that is replaced meanwhile is another call."""
    flow = program.flow.name
    while True:
        with world.store.read(company) as tx:
            calls = tx.rows("mark_calls_open", {"company": company, "flow": flow})
        if len(calls) < 2:
            return marks.ready(calls, {}, world.at(), streams)
        told: dict[int, list[Row]] = {}
        for call in calls:
            with world.store.read(company) as tx:
                told[call["id"]] = tx.rows("mark_subjects", {"call_id": call["id"]})
        with world.store.read(company) as tx:
            now = tx.rows("mark_calls_open", {"company": company, "flow": flow})
        if [row["id"] for row in now] == [row["id"] for row in calls]:
            return marks.ready(calls, told, world.at(), streams)


def acknowledged(world: World, company: str, row: Mapping[str, object]) -> int:
    """The source said yes: what was posted is closed; returns how many were posted.

    The call is done with the last of its records. Who is killed before tells it again under the same key.
    """
    call_id, done = int(str(row["id"])), 0
    with world.store.read(company) as tx:
        members = tx.rows("marks_of_call", {"call_id": call_id})
    for start in range(0, max(1, len(members)), AT_ONCE):
        piece = members[start : start + AT_ONCE]
        with world.store.write(company) as tx:
            hand = Hand(company, world.at(), ACTOR)
            for mark in piece:
                record = tx.one("record_get", {"id": mark["record_id"]})
                if mark["outcome"] == "posted" and record is not None and record["state"] == "posted":
                    close(tx, hand, record, f"{mark['kind']} acknowledged")
            if start + AT_ONCE >= len(members):
                marks.finish(tx, call_id, "done")
                work.resolve_alert(
                    tx, company, "connection", f"{row['flow']}/{row['connection']}/{row['kind']}", hand.at
                )
            for mark in piece:
                work.resolve_alert(tx, company, "mark", f"{row['flow']}/{row['kind']}/{mark['source_id']}", hand.at)
        done += sum(1 for mark in piece if mark["outcome"] == "posted")
    return done


def refused(world: World, company: str, row: Mapping[str, object], error: Rejected) -> list[FlowctlError]:
    """The source said no: find the bad one by telling each alone; a single refused one goes to a person."""
    with world.store.write(company) as tx:
        now = tx.one("mark_call_get", {"id": row["id"]})
        if now is None or now["state"] != "waiting":  # another process has told it meanwhile, and knows better
            return []
        members = tx.rows("marks_of_call", {"call_id": row["id"]})
        if len(members) > 1:
            marks.split(tx, company, row, world.at())
            return []
        marks.finish(tx, int(str(row["id"])), "refused")
        alert = work.Alert(
            "mark",
            f"{row['flow']}/{row['kind']}/{members[0]['source_id']}",
            f"{row['flow']}/{row['kind']}/{members[0]['source_id']}: the source refused to be told: {error}",
            error.hint or "look at the record in the source; mark it there by hand if it is right",
        )
        work.raise_alert(tx, company, alert, world.at())
    return [error]
