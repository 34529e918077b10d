"""One record with its whole way, and what a person can do about it."""

from __future__ import annotations

import re
from collections.abc import Callable

from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.follow import Hand
from engine.operator import chosen, replaying, resting, sameas, since, toldthere, worklist
from engine.operator.lookfor import evidence
from engine.panel import forms
from engine.panel.web import Answer, Ask, Page, PageMissing, Sent, Shown
from engine.reconcile import bound, keeping, report
from engine.runwords import STATES
from engine.store import holdings, records, stops
from engine.store.base import Row, Tx
from engine.way import way

_PATH = "/c/{company}/records/{record}"
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_LONGEST = 500
# Where a record can be held back: nothing of it is sent yet.
OPEN = ("pending", "deferred", "failed", "intended")


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a person can do about a record. `tells` says before what will come of it, `said` what came of it."""

    name: str
    button: str
    tells: str
    said: str
    moves_money: bool
    is_open: Callable[[Tx, Hand, Row], bool]
    needs_reason: bool = False
    needs_target: bool = False
    # In some words, what it does with the request, where another action does something else.
    short: str = ""


def _is_left_out(tx: Tx, _hand: Hand, row: Row) -> bool:
    is_out = row["state"] == "skipped" and any(reason.code == "left_out" for reason in records.load_reasons(row))
    return is_out or _is_gone(tx, _hand, row)


def _is_gone(_tx: Tx, _hand: Hand, row: Row) -> bool:
    return bool(row["state"] == "vanished")


def _is_held(tx: Tx, _hand: Hand, row: Row) -> bool:
    return row["state"] in OPEN and row["id"] in stops.held(tx, [row["id"]])


def _is_free(tx: Tx, _hand: Hand, row: Row) -> bool:
    return row["state"] in OPEN and row["id"] not in stops.held(tx, [row["id"]])


def _is_edited(tx: Tx, _hand: Hand, row: Row) -> bool:
    """Whether somebody has edited in the target what was posted, and nobody has accepted it; asked of posted ones only."""
    there = holdings.of_record(tx, row["id"]) if row["state"] in ("posted", "closed") else []
    return any(holdings.unaccepted(each, holdings.differences(each)) for each in there if each["state"] == "there")


def _is_untold(tx: Tx, _hand: Hand, row: Row) -> bool:
    return bool(toldthere.open_marks(tx, row))


ACTIONS = (
    Action(
        "retry",
        "Try again",
        "It is prepared from what is known now. When nothing is missing, it is posted at the next visit; never twice.",
        "It will be tried again.",
        moves_money=True,
        is_open=lambda _tx, _hand, row: row["state"] in ("failed", "deferred"),
        short="prepares it anew, with the mappings, settings and source data of today",
    ),
    Action(
        "replay",
        "Replay",
        "The same request goes on, byte for byte as it was prepared. What was sent before is looked for first, and written "
        "only when it is not there; nothing is posted a second time.",
        "The same request goes on.",
        moves_money=True,
        is_open=replaying.is_open,
        short="sends the same request once more, byte for byte, as it was prepared",
    ),
    Action(
        "there",
        "It is there",
        "You looked, and found it. It counts as posted under the id that you give, and the source is told so.",
        "Taken as posted under {target}.",
        moves_money=True,
        is_open=lambda tx, _hand, row: bool(worklist.named(tx, [row])),
        needs_target=True,
    ),
    Action(
        "not-there",
        "It is not there",
        "You looked, and it is not there. It is prepared anew and posted: were it there after all, it would be there twice.",
        "It will be prepared anew and posted.",
        moves_money=True,
        is_open=lambda tx, _hand, row: bool(worklist.held(tx, [row])),
        short="prepares it anew, with the mappings, settings and source data of today",
    ),
    Action(
        "hold",
        "Hold back",
        "It is not sent, whatever becomes of it, until somebody releases it.",
        "It is held back.",
        moves_money=False,
        is_open=_is_free,
        needs_reason=True,
    ),
    Action(
        "release",
        "Release",
        "It is not held back any more. What is prepared for it is sent at the next visit.",
        "It is released.",
        moves_money=True,
        is_open=_is_held,
    ),
    Action(
        "skip",
        "Leave out",
        "It is not posted, whatever the source says of it later, until somebody posts it after all.",
        "It is left out.",
        moves_money=False,
        is_open=lambda _tx, _hand, row: row["state"] in ("pending", "deferred", "failed"),
        needs_reason=True,
    ),
    Action(
        "post-again",
        "Post after all",
        "A person left it out, or it is gone. It is prepared from what is known now, and posted when nothing is missing.",
        "It will be posted.",
        moves_money=True,
        is_open=_is_left_out,
    ),
    Action(
        "accept-gone",
        "Accept as gone",
        "It was posted and is gone, and that is right. It is not posted again until somebody posts it after all.",
        "It is accepted as gone.",
        moves_money=False,
        is_open=_is_gone,
    ),
    Action(
        "accept",
        "Accept the edit",
        "Somebody edited there what was posted, and that is right. It is no news any more; another edit would be.",
        "It is accepted as it is.",
        moves_money=False,
        is_open=_is_edited,
    ),
    Action(
        "told",
        "The source knows",
        "You have entered in the source by hand what became of it. flowctl does not tell it any more.",
        "It counts as told.",
        moves_money=False,
        is_open=_is_untold,
    ),
    Action(
        "same",
        "It is the same record",
        "Another account is connected now, and lists a record of this id that looks otherwise. You looked, and both are one "
        "and the same record, changed since: it is taken in when that account is read next. Were it another record, it would "
        "be written over this one.",
        "It is read from the account that is connected now.",
        moves_money=True,
        is_open=sameas.is_open,
    ),
)


def _record(ask: Ask) -> Answer:
    with ask.world.store.read(ask.code) as tx:
        row = _found(tx, ask)
        held = stops.held(tx, [row["id"]]).get(row["id"])
        actions = _open(tx, ask, row)
        is_replayed = any(action.name == "replay" for action in actions)
        values = {
            "way": way(tx, row),
            "row": row,
            "actions": actions,
            "differ": [action for action in actions if action.short] if is_replayed else [],
            "changed": _changed(tx, row) if is_replayed else (),
            "evidence": evidence(tx, row),
            "held": held if row["state"] in OPEN else None,
            "rests": row["state"] in resting.STATES and row["flow"] in resting.off(tx, row["company"]),
            "awaited": _awaited(tx, row) if row["state"] == "deferred" else [],
            "untold": toldthere.open_marks(tx, row),
        }
    return Shown("record.html", values)


def _awaited(tx: Tx, row: Row) -> list[Row]:
    """The records that it waits for, each once."""
    found: dict[int, Row] = {}
    for wait in (wait for reason in records.load_reasons(row) for wait in reason.waits_for):
        kind, _, rest = wait.partition(":")
        stream, _, key = rest.partition(":")
        if kind == "posted" and key:
            scope = {"company": row["company"], "flow": row["flow"], "stream": stream, "source_id": key}
            found |= {each["id"]: each for each in tx.rows("record_find_any_phase", scope)[:1]}
    return list(found.values())


def _ask_first(ask: Ask) -> Answer:
    with ask.world.store.read(ask.code) as tx:
        row = _found(tx, ask)
        action = _action(ask)
        # A comparison of both sides may show an edit that no look at our own writes has seen.
        is_open = action.is_open(tx, ask.hand, row) or (
            action.name == "accept" and row["state"] in ("posted", "closed")
        )
        values = _values(tx, row, action)
    if not is_open:
        return Sent(_to(ask), bad=f"This cannot be done now: the record is {STATES[row['state']]}.")
    return Shown("confirm.html", values)


def _values(tx: Tx, row: Row, action: Action, error: str = "", target: str = "", reason: str = "") -> dict[str, object]:
    shown = evidence(tx, row) if action.name in ("there", "not-there", "replay") else None
    typed = {"error": error, "target": target, "reason": reason}
    changed = _changed(tx, row) if action.name == "replay" else ()
    seen = chosen.marked(tx, [row])[row["id"]]
    return {"row": row, "action": action, "evidence": shown, "seen": seen, "changed": changed, **typed}


def _changed(tx: Tx, row: Row) -> tuple[since.Changed, ...]:
    """What is another one now than when the record's request was prepared."""
    operation = tx.one("operation_get", {"id": row["operation_id"]}) if row["operation_id"] else None
    return since.changed(tx, row, operation)


def _do(ask: Ask) -> Answer:
    action, reason = _action(ask), forms.clean(ask.form.get("reason", ""))[:_LONGEST]
    target = forms.clean(ask.form.get("target", ""))
    problem = ""
    if action.needs_reason and not reason:
        problem = "say in a few words why: somebody will ask"
    elif action.needs_target and not worklist.TARGET_ID.fullmatch(target):
        problem = "give the id under which it is there, such as 1A2B-1234567890"
    with ask.world.store.read(ask.code) as tx:
        row = _found(tx, ask)
        values = _values(tx, row, action, problem, target, reason) if problem else {}
    if problem:
        return Shown("confirm.html", values, 422)
    try:
        with ask.world.store.write(ask.code) as tx:
            _still(tx, _found(tx, ask), ask.form.get("seen", ""))
            _done(tx, ask, row, action, (target, reason))
    except FlowctlError as error:
        return Sent(_to(ask), bad=f"{error}. {error.hint}" if error.hint else str(error))
    ask.poke()
    return Sent(_to(ask), good=action.said.format(target=target))


def _still(tx: Tx, row: Row, seen: str) -> None:
    """Whether the record is as it was when the page was shown, which is sent once more by a second click or a way back.

    Raises:
        Refused: when it is not.
    """
    if seen != str(chosen.marked(tx, [row])[row["id"]]):
        raise Refused(f"the record has changed since this page was shown, and is {STATES[row['state']]} now")


def _done(tx: Tx, ask: Ask, row: Row, action: Action, given: tuple[str, str]) -> None:
    """Do it.

    Raises:
        FlowctlError: when it cannot be done (any more).
    """
    target, reason = given
    if action.name in ("there", "not-there"):
        worklist.declare(tx, ask.hand, row, target if action.name == "there" else None, reason)
        return
    if action.name == "accept":
        company = str(ask.where["company"])
        shown = keeping.shown(tx, company, row["id"])
        if shown is None:
            shown = report(tx, company, bound(tx, company, ask.programs)).shown
        result = worklist.accept(tx, ask.hand, [row], reason, shown)
    else:
        result = chosen.act(action.name)(tx, ask.hand, [row], reason)
    if result.refused:
        raise Refused(result.refused[0][1])


class Refused(FlowctlError):
    """What was asked cannot be done with the record as it is."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Nothing was changed: {why}")


def _found(tx: Tx, ask: Ask) -> Row:
    """The record of the address, if it is one of the company's."""
    number = ask.path["record"]
    row = tx.one("record_get", {"id": int(number)}) if _ID.fullmatch(number) else None
    if row is None or row["company"] != ask.where["company"]:
        raise PageMissing("there is no such record in this company")
    return row


def _open(tx: Tx, ask: Ask, row: Row) -> list[Action]:
    """What can be done now, by whoever looks."""
    return [action for action in ACTIONS if action.is_open(tx, ask.hand, row)] if ask.who.may("operator") else []


def _action(ask: Ask) -> Action:
    found = next((action for action in ACTIONS if action.name == ask.path["action"]), None)
    if found is None:
        raise PageMissing
    return found


def _to(ask: Ask) -> str:
    return f"/c/{ask.where['company']}/records/{ask.path['record']}"


PAGES = (
    Page(_PATH, _record),
    Page(_PATH + "/{action}", _ask_first, role="operator"),
    Page(_PATH + "/{action}", _do, "POST", role="operator"),
)
