"""Webhooks of a company: what came, what became of it, how each connection stands, and one of them taken again."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from engine.alerting import channels
from engine.errors import FlowctlError
from engine.panel import forms
from engine.panel.web import ROOT, Answer, Ask, Page, PageMissing, Sent, Shown
from engine.store import hooks
from engine.store.base import HOUSE, Row, Tx
from engine.webhooks import deliveries, rotation

_PATH = "/c/{company}/webhooks"
_SIZE = 50
_LONGEST = 500
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_ONLY = {"again": "came more than once", "idle": "no flow waited for it"}


def _webhooks(ask: Ask) -> Answer:
    company = str(ask.where["company"])
    typed = {name: forms.clean(ask.query.get(name, ""))[:200] for name in ("connection", "only", "text")}
    typed["only"] = typed["only"] if typed["only"] in _ONLY else ""
    behind = ask.query.get("behind", "")
    before = int(behind) if _ID.fullmatch(behind) else hooks.BEYOND
    with ask.world.store.read(company, HOUSE) as tx:
        server = channels.base_url(tx) or (ask.origin if ask.is_https else "")
        health = deliveries.health(ask.world, tx, company)
        found = hooks.page(tx, company, hooks.Sought(**typed), before, _SIZE + 1)
        rows = [(row, deliveries.became(tx, row)) for row in found[:_SIZE]]
        furthest = max(0, min(before, hooks.newest_number(tx) + 1) - hooks.FAR)
    is_full = len(found) > _SIZE
    following = found[_SIZE - 1]["id"] if is_full else furthest
    given = {name: text for name, text in typed.items() if text}
    values = {
        "rows": rows,
        "health": health,
        "server": server,
        "typed": typed,
        "only": _ONLY,
        "is_filtered": bool(given),
        "is_full": is_full,
        "following": f"{_to(ask)}?{urlencode({**given, 'behind': following})}" if following else "",
        "first": _to(ask) + (f"?{urlencode(given)}" if given else "") if behind else "",
        "may_act": ask.who.may("operator"),
        "is_admin": ask.who.may("admin"),
    }
    return Shown("webhooks.html", values)


def _webhook(ask: Ask) -> Answer:
    with ask.world.store.read(ask.code) as tx:
        row = _found(tx, ask)
        body = hooks.body(tx, ask.world.vault, row) if ask.who.may("operator") else None
        became, streams = deliveries.became(tx, row), deliveries.would_read(tx, ask.programs, row)
    values = {
        "row": row,
        "became": became,
        "may_act": ask.who.may("operator"),
        "would_read": streams,
        "body": deliveries.shown(body) if body is not None else None,
    }
    return Shown("webhook.html", values)


def _replay(ask: Ask) -> Answer:
    reason = forms.clean(ask.form.get("reason", ""))[:_LONGEST]
    with ask.world.store.read(ask.code) as tx:
        row = _found(tx, ask)
    try:
        with ask.world.store.write(ask.code) as tx:
            streams = deliveries.replay(tx, ask.hand, ask.programs, row, reason)
    except FlowctlError as error:
        return Sent(_back(ask, row), bad=_said(error))
    ask.poke()
    return Sent(_back(ask, row), good=f"Read again now: {', '.join(streams)}.")


def _ask_vendor(ask: Ask) -> Answer:
    connection = _connection(ask)
    try:
        found = deliveries.ask(ask.world, ask.hand, connection)
    except FlowctlError as error:
        return Sent(_path(ask), bad=_said(error))
    noun = "subscription" if len(found.found) == 1 else "subscriptions"
    return Sent(_path(ask), good=f"`{connection}` has {len(found.found)} {noun}.")


def _retire(ask: Ask) -> Answer:
    connection = _connection(ask)
    try:
        with ask.world.store.write(ask.code) as tx:
            rotation.retire(tx, ask.hand, connection)
    except FlowctlError as error:
        return Sent(_path(ask), bad=_said(error))
    return Sent(_path(ask), good="Only the newest secret is accepted from now on.")


def _connection(ask: Ask) -> str:
    with ask.world.store.read(ask.code) as tx:
        there = {one.connection for one in deliveries.health(ask.world, tx, str(ask.where["company"]))}
    if ask.path["connection"] not in there:
        raise PageMissing("there is no such connection that takes webhooks")
    return ask.path["connection"]


def _found(tx: Tx, ask: Ask) -> Row:
    number = ask.path["webhook"]
    row = hooks.one(tx, str(ask.where["company"]), int(number)) if _ID.fullmatch(number) else None
    if row is None:
        raise PageMissing(f"there is no webhook `{number[:60]}`")
    return row


def _said(error: FlowctlError) -> str:
    return f"{error}. {error.hint}" if error.hint else str(error)


def _path(ask: Ask) -> str:
    return f"/c/{ask.where['company']}/webhooks"


def _to(ask: Ask) -> str:
    return ROOT + _path(ask)


def _back(ask: Ask, row: Row) -> str:
    return f"{_path(ask)}/{row['id']}"


PAGES = (
    Page(_PATH, _webhooks, tab="Webhooks"),
    Page(_PATH + "/{webhook}", _webhook),
    Page(_PATH + "/{webhook}/replay", _replay, method="POST", role="operator"),
    Page(_PATH + "/of/{connection}/ask", _ask_vendor, method="POST", role="operator"),
    Page(_PATH + "/of/{connection}/retire", _retire, method="POST", role="admin"),
)
