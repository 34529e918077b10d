"""Tells the sources what became of their records, each the account that its record was read from.

After a connection was pointed at another account, what waits to be told waits on: until the old account is connected again,
or the new one lists the record as well, or a person says that the source knows.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from engine import asked, reclaim
from engine.clock import iso
from engine.contract import MarkCall
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import FlowctlError, NotShown, Rejected
from engine.follow import Hand, close
from engine.intake import AT_ONCE
from engine.jsontext import plain
from engine.opened import Sources
from engine.program import FlowProgram
from engine.retry import later_s
from engine.store import marks, places, work
from engine.store.base import Row, Tx
from engine.telemetry import trace
from engine.titles import called
from engine.world import World

MARKS_A_CALL = 500
# A call of which nothing was sent waits as long as one that has failed so often: it is not counted, and costs little.
_UNSENT = 3
# How often the same call is made before a source that shows nothing of it is told under other keys: it may only be slow.
_SLOW = 2
# So often a record is told, each time taken and not shown, before a person hears of it.
_PATIENCE = 4
# A new key is long enough that no other call has it.
_KEY = 32
# So many records an alert names; of the others it says how many they are.
_NAMED = 3
# Flow, connection and kind of what is told, and the fault.
Trouble = Callable[[Tx, tuple[str, str, str], FlowctlError], None]


@dataclass(frozen=True, slots=True)
class Telling:
    """Who tells whom: a flow for a company, over its open sources. `trouble` tells a person what keeps it from working."""

    world: World
    program: FlowProgram
    company: str
    actor: str
    sources: Sources
    trouble: Trouble

    @property
    def hand(self) -> Hand:
        """Who acts."""
        return Hand(self.company, self.world.at(), self.actor)


def tell(it: Telling) -> tuple[int, list[FlowctlError]]:
    """Tell the sources what was posted and what could not be; returns how many marks they acknowledged."""
    flow, company, store = it.program.flow.name, it.company, it.world.store
    _group(it)
    done, errors = 0, []
    for row in _calls_due(it):
        tried = False
        try:
            source = it.sources(row["connection"])
            with store.write(company) as tx:
                call = _call(it, tx, row)
            if call is None:
                continue
            tried = True
            with trace.span("tell", {"company": company, "flow": flow, "connection": row["connection"]}):
                source.mark(call)
        except FlowctlError as error:
            if tried and isinstance(error, Rejected):
                errors += refused(it, row, error)
                continue
            errors.append(error)
            if tried and isinstance(error, NotShown):
                done += in_part(it, row, error)
                continue
            with store.write(company) as tx:
                if tried and error.unsent:
                    marks.unheard(tx, row["id"])
                _later(it, tx, row, sent=tried and not error.unsent)
                it.trouble(tx, (flow, row["connection"], row["kind"]), error)
        else:
            done += acknowledged(it, row)
    return done, errors


def _group(it: Telling) -> None:
    """Answer what was asked for, and put what is to be told into calls, one a transaction."""
    flow, company, store = it.program.flow.name, it.company, it.world.store
    with store.write(company) as tx:
        asked.answer(tx, company, it.program, it.world.at())
        made = marks.group(tx, company, flow, it.world.at(), limit=MARKS_A_CALL, most=1)
    while made:
        with store.write(company) as tx:
            made = marks.group(tx, company, flow, it.world.at(), limit=MARKS_A_CALL, most=1)


def _call(it: Telling, tx: Tx, row: Row) -> MarkCall | None:
    """What to tell now; None when it is not so any more, or is not told to whoever is connected now."""
    led = places.led(tx, it.company, row["connection"])
    if led.now != it.sources.led[row["connection"]]:
        return None  # somebody has pointed it elsewhere since it was opened; the next look opens it anew
    if marks.only_true(tx, it.company, row, it.world.at()):
        return None
    strange = _strange(tx, led, row)
    if not strange:
        _complete(it, tx, row)
        marks.trying(tx, row["id"])
        return marks.call_of(tx, row)
    if not marks.split_off(tx, it.company, row, strange, it.world.at()):
        _later(it, tx, row, sent=False)
        say_elsewhere(tx, it.hand, row)
    return None


def _complete(it: Telling, tx: Tx, row: Row) -> None:
    """What the source hears beside the reference, of what was found in the target: it was not prepared here.

    When it was found, an object that it names may not have been known again yet.
    """
    streams = {stream.stream.name: stream for stream in it.program.streams if stream.told is not None}
    for mark in tx.rows("marks_bare", {"call_id": row["id"]}) if streams else ():
        if stream := streams.get(mark["stream"]):
            found = reclaim.details(tx, it.company, it.program, stream, json.loads(mark["payload"]))
            if found:
                tx.run("mark_details", {"id": mark["id"], "details": plain(found)})


def _later(it: Telling, tx: Tx, row: Row, *, sent: bool) -> None:
    marks.later(tx, row["id"], _in(it, row["attempts"] if sent else _UNSENT))


def _in(it: Telling, attempts: int) -> str:
    """When a call that has failed so often is made again."""
    return iso(it.world.clock.now() + timedelta(seconds=later_s(attempts, it.world.ids.fraction())))


def _strange(tx: Tx, led: places.Led, row: Row) -> frozenset[int]:
    """The marks of a call whose records were read last from another account than the one that is connected now."""
    if not led.before:
        return frozenset()
    found = tx.rows("marks_read", {"call_id": row["id"]})
    return frozenset(mark["id"] for mark in found if led.elsewhere(mark["read_at"]))


def untold(tx: Tx, company: str, row: Mapping[str, object]) -> list[Row]:
    """The marks of a flow, connection and kind that wait for another account than the one that is connected now."""
    led = places.led(tx, company, str(row["connection"]))
    scope = {"company": company, **{name: row[name] for name in ("flow", "connection", "kind")}}
    found = tx.rows("marks_calling", scope) if led.before else []
    return [mark for mark in found if led.elsewhere(mark["read_at"])]


def say_elsewhere(tx: Tx, hand: Hand, row: Mapping[str, object]) -> None:
    """Tell a person what waits for another account, once, until that changes; the alert ends when nothing does."""
    subject = f"{row['flow']}/{row['connection']}/{row['kind']}"
    found = untold(tx, hand.company, row)
    if not found:
        work.resolve_alert(tx, hand.company, "mark", subject, hand.at)
        return
    names = list(dict.fromkeys(called(mark) for mark in found))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    message = (
        f"{row['flow']}: `{row['connection']}` leads to another account now, which is not told what became of "
        f"{', '.join(names[:_NAMED])}{more}: read from the one before"
    )
    scope = {"company": hand.company, "kind": "mark", "subject": subject}
    known = tx.one("alert_open", scope)
    if known is not None and known["message"] == message:
        return
    told = f"`flowctl replay {shlex.quote(found[0]['source_id'])} --told{of_company(hand.company)}`"
    hint = f"connect the one before again, and it is told by itself; or enter it there by hand, then run {told}"
    work.raise_alert(tx, hand.company, work.Alert("mark", subject, message, hint), hand.at)


def _calls_due(it: Telling) -> Iterator[Row]:
    """Calls as they come due: one that is done makes way for those that waited for it."""
    tried: set[int] = set()
    while True:
        calls = [row for row in _due(it) if row["id"] not in tried]
        if not calls:
            return
        tried.update(row["id"] for row in calls)
        yield from calls


def _due(it: Telling) -> list[Row]:
    """What can be told now. What each call tells is read by itself; a call that is replaced meanwhile is another call."""
    company, streams = it.company, [stream.stream.name for stream in it.program.streams]
    open_calls = {"company": company, "flow": it.program.flow.name}
    while True:
        with it.world.store.read(company) as tx:
            calls = tx.rows("mark_calls_open", open_calls)
        if len(calls) < 2:
            return marks.ready(calls, {}, it.world.at(), streams)
        told: dict[int, list[Row]] = {}
        for call in calls:
            with it.world.store.read(company) as tx:
                told[call["id"]] = tx.rows("mark_subjects", {"call_id": call["id"]})
        with it.world.store.read(company) as tx:
            now = tx.rows("mark_calls_open", open_calls)
        if [row["id"] for row in now] != [row["id"] for row in calls]:
            continue
        at = it.world.at()
        parted = False
        for call, kept in marks.held(calls, told, at, streams):
            with it.world.store.write(company) as tx:
                parted |= marks.split_off(tx, company, call, kept, at)
        if not parted:
            return marks.ready(calls, told, at, streams)


def acknowledged(it: Telling, row: Row, but: frozenset[str] = frozenset()) -> int:
    """The source said yes: what was posted is closed; returns how many were posted.

    The call is done with the last of its records, and only then is told elsewhere what it does not show (`but`). Who is
    killed before tells it again as it was, under the same key.
    """
    company, call_id, done = it.company, int(row["id"]), 0
    with it.world.store.read(company) as tx:
        members = [mark for mark in tx.rows("marks_of_call", {"call_id": call_id}) if mark["source_id"] not in but]
    for start in range(0, max(1, len(members)), AT_ONCE):
        piece = members[start : start + AT_ONCE]
        with it.world.store.write(company) as tx:
            hand = it.hand
            for mark in piece:
                record = tx.one("record_get", {"id": mark["record_id"]})
                if mark["outcome"] == "posted" and record is not None and record["state"] == "posted":
                    close(tx, hand, record, f"{mark['kind']} acknowledged")
            if start + AT_ONCE >= len(members):
                marks.set_aside(tx, company, row, but, hand.at, _in(it, 1))
                marks.finish(tx, call_id, "done")
                _said_yes(tx, hand, row)
            over = [("mark", f"{row['flow']}/{row['kind']}/{mark['source_id']}") for mark in piece]
            work.resolve_alerts(tx, company, over, hand.at)
        done += sum(1 for mark in piece if mark["outcome"] == "posted")
    return done


def _said_yes(tx: Tx, hand: Hand, row: Row) -> None:
    subject = f"{row['flow']}/{row['connection']}/{row['kind']}"
    work.resolve_alert(tx, hand.company, "connection", subject, hand.at)
    if tx.one("alert_open", {"company": hand.company, "kind": "mark", "subject": subject}) is not None:
        say_elsewhere(tx, hand, row)


def in_part(it: Telling, row: Row, error: NotShown) -> int:
    """The source took the call and does not show it of these records; returns how many others are closed.

    What shows is done. The rest is told again in a call of its own: under the old key the source would drop it, whatever
    has kept it from showing. A call of which nothing shows is made once more as it is, then each record is told alone.
    """
    with it.world.store.read(it.company) as tx:
        told = {mark["source_id"] for mark in tx.rows("marks_of_call", {"call_id": row["id"]})}
    if error.ids & told and told - error.ids:
        return acknowledged(it, row, error.ids)
    with it.world.store.write(it.company) as tx:
        now = tx.one("mark_call_get", {"id": row["id"]})
        if now is not None and now["state"] == "waiting":
            _hidden(it, tx, now, error)
    return 0


def _hidden(it: Telling, tx: Tx, row: Row, error: NotShown) -> None:
    """Nothing of a call shows. It says so to a person as a fault of the source, until it is surely the record's."""
    members = tx.rows("marks_of_call", {"call_id": row["id"]})
    place = (it.program.flow.name, row["connection"], row["kind"])
    if row["attempts"] >= _SLOW and marks.is_single(members) and marks.overtaken(tx, it.company, row, it.world.at()):
        return
    _later(it, tx, row, sent=True)
    if row["attempts"] >= _SLOW and not marks.is_single(members):
        marks.split(tx, it.company, row, it.world.at(), _in(it, 1))
    elif row["attempts"] >= _SLOW:
        marks.renew(tx, row["id"], it.world.ids.base62(_KEY))
    if row["attempts"] < _PATIENCE or not marks.is_single(members):
        it.trouble(tx, place, error)
        return
    work.resolve_alert(tx, it.company, "connection", "/".join(place), it.world.at())
    for mark in members:
        work.raise_alert(tx, it.company, _unshown(tx, it.company, mark, error), it.world.at())


def _unshown(tx: Tx, company: str, mark: Row, error: NotShown) -> work.Alert:
    """What a person is told of a record that the source took and does not show."""
    record = tx.one("record_get", {"id": mark["record_id"]})
    name = called(record) if record is not None else mark["source_id"]
    told = f"`flowctl replay {shlex.quote(mark['source_id'])} --told{of_company(company)}`"
    return work.Alert(
        "mark",
        f"{mark['flow']}/{mark['kind']}/{mark['source_id']}",
        f"{mark['flow']}/{mark['kind']}/{name}: told again and again, and the source does not show it: {error}",
        f"{error.hint or 'look at the record in the source'}; it is told again by itself; "
        f"or mark it there by hand, then run {told}",
    )


def refused(it: Telling, row: Row, error: Rejected) -> list[FlowctlError]:
    """The source said no: find the bad one by telling each alone; a single refused one goes to a person."""
    company, at = it.company, it.world.at()
    with it.world.store.write(company) as tx:
        now = tx.one("mark_call_get", {"id": row["id"]})
        if now is None or now["state"] != "waiting":  # another process has told it meanwhile, and knows better
            return []
        marks.unheard(tx, row["id"])
        members = tx.rows("marks_of_call", {"call_id": row["id"]})
        if not marks.is_single(members):
            marks.split(tx, company, row, at)
            return []
        if marks.overtaken(tx, company, now, at):
            return []
        marks.finish(tx, row["id"], "refused")
        subject = f"{row['flow']}/{row['kind']}/{members[0]['source_id']}"
        record = tx.one("record_get", {"id": members[0]["record_id"]})
        name = called(record) if record is not None else members[0]["source_id"]
        alert = work.Alert(
            "mark",
            subject,
            f"{row['flow']}/{row['kind']}/{name}: the source refused to be told: {error}",
            error.hint or "look at the record in the source; mark it there by hand if it is right",
        )
        work.raise_alert(tx, company, alert, at)
    return [error]
