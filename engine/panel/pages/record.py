"""One record with its whole way, and what a person can do about it."""

from __future__ import annotations

import re
from collections.abc import Callable

from engine import skipping, worklist
from engine.dataclass import dataclass
from engine.errors import FlowctlError
from engine.panel import forms
from engine.panel.web import Answer, Ask, Page, PageMissing, Sent, Shown
from engine.store import records
from engine.store.base import Row, Tx
from engine.way import way
from engine.worklist import Retried

_PATH = "/c/{company}/records/{record}"
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a person can do about a record. `tells` says before what will come of it."""

    name: str
    button: str
    tells: str
    moves_money: bool
    is_open: Callable[[Tx, Row], bool]
    needs_reason: bool = False
    needs_target: bool = False


def _is_left_out(_tx: Tx, row: Row) -> bool:
    return row["state"] == "skipped" and any(reason.code == "left_out" for reason in records.load_reasons(row))


ACTIONS = (
    Action(
        "retry",
        "Try again",
        "It is prepared from what is known now. When nothing is missing, it is posted at the next visit; never twice.",
        moves_money=True,
        is_open=lambda _tx, row: row["state"] in ("failed", "deferred"),
    ),
    Action(
        "there",
        "It is there",
        "You looked, and found it. It counts as posted under the id that you give, and the source is told so.",
        moves_money=True,
        is_open=lambda tx, row: bool(worklist.named(tx, [row])),
        needs_target=True,
    ),
    Action(
        "not-there",
        "It is not there",
        "You looked, and it is not there. It is prepared anew and posted: were it there after all, it would be there twice.",
        moves_money=True,
        is_open=lambda tx, row: bool(worklist.held(tx, [row])),
    ),
    Action(
        "skip",
        "Leave out",
        "It is not posted, whatever the source says of it later, until somebody posts it after all.",
        moves_money=False,
        is_open=lambda _tx, row: row["state"] in ("pending", "deferred", "failed"),
        needs_reason=True,
    ),
    Action(
        "post-again",
        "Post after all",
        "A person left it out. It is prepared from what is known now, and posted when nothing is missing.",
        moves_money=True,
        is_open=_is_left_out,
    ),
)


def _record(ask: Ask) -> Answer:
    with ask.world.store.read() as tx:
        row = _found(tx, ask)
        values = {"way": way(tx, row), "row": row, "actions": _open(tx, ask, row)}
    return Shown("record.html", values)


def _ask_first(ask: Ask) -> Answer:
    with ask.world.store.read() as tx:
        row = _found(tx, ask)
        action = _action(ask)
        is_open = action.is_open(tx, row)
    if not is_open:
        return Sent(_to(ask), bad=f"This cannot be done now: the record is {row['state']}.")
    return Shown("confirm.html", _values(row, action))


def _values(row: Row, action: Action, error: str = "", target: str = "", reason: str = "") -> dict[str, object]:
    return {"row": row, "action": action, "error": error, "target": target, "reason": reason}


def _do(ask: Ask) -> Answer:
    action, reason = _action(ask), forms.clean(ask.form.get("reason", ""))[:_LONGEST]
    target = forms.clean(ask.form.get("target", ""))
    with ask.world.store.read() as tx:
        row = _found(tx, ask)
    problem = ""
    if action.needs_reason and not reason:
        problem = "say in a few words why: somebody will ask"
    elif action.needs_target and not worklist.TARGET_ID.fullmatch(target):
        problem = "give the id under which it is there, such as 1A2B-1234567890"
    if problem:
        return Shown("confirm.html", _values(row, action, problem, target, reason), 422)
    try:
        with ask.world.store.write() as tx:
            said = _done(tx, ask, row, action, (target, reason))
    except FlowctlError as error:
        return Sent(_to(ask), bad=f"{error}. {error.hint}" if error.hint else str(error))
    ask.poke()
    return Sent(_to(ask), good=said)


def _done(tx: Tx, ask: Ask, row: Row, action: Action, given: tuple[str, str]) -> str:
    """Do it, in the words of what was done.

    Raises:
        FlowctlError: when it cannot be done (any more).
    """
    target, reason = given
    if action.name == "there":
        worklist.declare(tx, ask.hand, row, target, reason)
        return f"Taken as posted under {target}."
    if action.name == "not-there":
        worklist.declare(tx, ask.hand, row, None, reason)
        return "It will be prepared anew and posted."
    doing: dict[str, Callable[[], Retried]] = {
        "retry": lambda: worklist.retry(tx, ask.hand, [row], reason),
        "skip": lambda: skipping.skip(tx, ask.hand, [row], reason),
        "post-again": lambda: worklist.post_again(tx, ask.hand, [row], reason),
    }
    result = doing[action.name]()
    if result.refused:
        raise Refused(result.refused[0][1])
    return {"retry": "It will be tried again.", "skip": "It is left out.", "post-again": "It will be posted."}[
        action.name
    ]


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
    return [action for action in ACTIONS if action.is_open(tx, row)] if ask.who.may("operator") else []


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
