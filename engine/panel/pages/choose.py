"""Doing one thing to many records: those that are ticked, or all that the filter lets pass. Asked first, done once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from engine.errors import FlowctlError
from engine.operator import chosen
from engine.operator.chosen import Tried
from engine.panel import forms, render
from engine.panel.pages.record import ACTIONS, Action
from engine.panel.pages.records import filters_of
from engine.panel.web import Answer, Ask, Page, Sent, Shown
from engine.store.base import Row
from engine.titles import called

_PATH = "/c/{company}/records/choose"
_TICK = re.compile(r"r([0-9]{1,18})", re.ASCII)
_MARK = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})", re.ASCII)
_LONGEST = 500
# So many reasons are told after it was done; the rest is counted.
_TOLD = 3
# What a set can have done, in the order in which it is offered; what needs an id of each record, or a look at each, is not.
SETS = {action.name: action for action in ACTIONS if action.name in chosen.ACTS}


def _ask_first(ask: Ask) -> Answer:
    company = str(ask.where["company"])
    filters, typed, wrong = filters_of(ask.query)
    back = _back(company, typed)
    action = SETS.get(ask.query.get("action", ""))
    if action is None:
        return Sent(back, bad="Nothing was chosen: say what is to be done.")
    is_more = False
    with ask.world.store.read(ask.code) as tx:
        if ask.query.get("which") == "all":
            if wrong:
                return Sent(back, bad=f"Nothing was chosen: {wrong[0]}.")
            rows, is_more = chosen.matching(tx, company, filters)
        else:
            ticked = [int(match[1]) for name in ask.query if (match := _TICK.fullmatch(name))]
            rows = chosen.shown(tx, company, ticked)
        marks = chosen.marked(tx, rows)
    if is_more:
        return Sent(
            back, bad=f"This fits more than {chosen.MOST} records, too many to confirm at once: narrow the filter."
        )
    if not rows:
        return Sent(back, bad="No record was chosen: tick those that are meant.")
    return _confirm(ask, action, rows, marks, typed)


def _confirm(
    ask: Ask, action: Action, rows: list[Row], marks: Mapping[int, int], typed: Mapping[str, str], error: str = ""
) -> Answer:
    """What it would come to, and the records as they were read together with `marks`, their newest lines."""
    tried = chosen.attempt(ask.world.store, action.name, ask.hand, rows, "?")
    values = {
        "action": action,
        "tried": tried,
        # Lines that came after the rows were read would say that somebody has seen what they tell.
        "marks": " ".join(f"{row['id']}.{marks[row['id']]}" for row in tried.moved if row["id"] in marks),
        "typed": {name: text for name, text in typed.items() if text},
        "back": _back(str(ask.where["company"]), typed),
        "error": error,
        "reason": "",
    }
    return Shown("choose.html", values, 422 if error else 200)


def _do(ask: Ask) -> Answer:
    action, reason = SETS.get(ask.form.get("action", "")), forms.clean(ask.form.get("reason", ""))[:_LONGEST]
    company = str(ask.where["company"])
    _, typed, _ = filters_of(ask.form)
    back = _back(company, typed)
    if action is None:
        return Sent(back, bad="Nothing was chosen: say what is to be done.")
    known = {int(match[1]): int(match[2]) for match in map(_MARK.fullmatch, ask.form.get("marks", "").split()) if match}
    if not known or len(known) > chosen.MOST:
        return Sent(back, bad="No record was chosen: tick those that are meant.")
    if action.needs_reason and not reason:
        with ask.world.store.read(ask.code) as tx:
            rows = chosen.shown(tx, company, list(known))
            marks = chosen.marked(tx, rows)
        return _confirm(ask, action, rows, marks, typed, "say in a few words why: somebody will ask")
    try:
        with ask.world.store.write(ask.code) as tx:
            done = chosen.perform(tx, action.name, ask.hand, known, reason)
    except FlowctlError as error:
        return Sent(back, bad=str(error))
    if done.moved:
        ask.poke()
    return Sent(back, good=_said(action, done), bad=_left(done))


def _said(action: Action, done: Tried) -> str:
    if not done.moved:
        return ""
    money = ", ".join(render.money(amount, currency) for currency, amount in done.money.items())
    return f"{action.button}: {_counted(len(done.moved))}{f', {money}' if money else ''}."


def _left(done: Tried) -> str:
    if not done.refused:
        return ""
    told = "; ".join(f"{called(row)}: {why}" for row, why in done.refused[:_TOLD])
    more = f"; and {len(done.refused) - _TOLD} more" if len(done.refused) > _TOLD else ""
    return f"Left as they are: {_counted(len(done.refused))}. {told}{more}."


def _counted(number: int) -> str:
    return "1 record" if number == 1 else f"{number:,} records"


def _back(company: str, typed: Mapping[str, str]) -> str:
    asked = {name: text for name, text in typed.items() if text}
    return f"/c/{company}/records" + (f"?{urlencode(asked)}" if asked else "")


PAGES = (
    Page(_PATH, _ask_first, role="operator"),
    Page(_PATH, _do, "POST", role="operator"),
)
