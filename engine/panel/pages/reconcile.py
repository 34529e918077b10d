"""Comparing both sides: a comparison is asked for, its progress, what it found, and those that were made before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from engine.clock import is_day
from engine.errors import UsageError
from engine.panel import forms
from engine.panel.render import zone
from engine.panel.web import Answer, Ask, Given, Page, PageMissing, Sent, Shown
from engine.reconcile import Difference, Report, bound, countable, first_day, report, request
from engine.reconcile.words import TITLES, table, verdict
from engine.store import spans
from engine.store.base import Row, Tx

_PATH = "/c/{company}/reconcile"
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
# So many differences are shown at once; the file has all.
_SHOWN = 200
_STATES = {
    "asked": "waits for QuickBooks",
    "done": "answered",
    "failed": "could not be answered",
    "replaced": "replaced by a newer one before it was answered",
}


def _page(ask: Ask) -> Answer:
    return _shown(ask)


def _shown(ask: Ask, error: str = "", typed: Mapping[str, str] | None = None) -> Answer:
    company = str(ask.where["company"])
    with ask.world.store.read(ask.code) as tx:
        rows = spans.listed(tx, company)
        row = _chosen(tx, ask, rows)
        found = report(tx, company, bound(tx, company, ask.programs), row["id"] if row is not None else None)
        is_countable = countable(tx, company) is not None
    today = ask.world.clock.now().astimezone(zone(str(ask.where["time_zone"]))).date()
    values = {
        "found": found,
        "report": row,
        "waits": next((each for each in rows if each["state"] == "asked"), None),
        "failed": next((each for each in rows if each["state"] == "failed"), None) if found.problem else None,
        "verdict": verdict(found),
        "differences": [(item, _links(item, found), _do(item, found)) for item in found.differences[:_SHOWN]],
        "rest": max(0, len(found.differences) - _SHOWN),
        "tables": _tables(found, everything=ask.query.get("all") == "yes"),
        "is_whole": ask.query.get("all") == "yes",
        "rows": rows,
        "states": _STATES,
        "typed": typed or {"from": first_day(today).isoformat(), "to": today.isoformat()},
        "error": error,
        "is_countable": is_countable,
    }
    return Shown("reconcile.html", values, 422 if error else 200)


def _chosen(tx: Tx, ask: Ask, rows: list[Row]) -> Row | None:
    """The answered comparison that the address names, else the newest; None when there is none.

    Raises:
        PageMissing: when the one that is named is not there.
    """
    given = ask.query.get("report", "")
    if not given:
        return next((row for row in rows if row["state"] == "done"), None)
    row = spans.get(tx, str(ask.where["company"]), int(given)) if _ID.fullmatch(given) else None
    if row is None or row["state"] != "done":
        raise PageMissing("this comparison is not kept any more, or has no answer")
    return row


def _tables(found: Report, *, everything: bool) -> list[tuple[str, list[object]]]:
    """The sums by vendor, account and month, those that differ or all; those by kind are the totals and always shown."""
    tables: list[tuple[str, list[object]]] = []
    for name, title in TITLES.items():
        lines: list[object] = [
            line for line in found.tables.get(name, ()) if everything or name == "kind" or line.differs
        ]
        if lines:
            tables.append((title, lines))
    return tables


def _do(item: Difference, found: Report) -> str:
    """What to do, for somebody who has buttons and no terminal."""
    if item.code == "edited":
        return (
            "Put it back in QuickBooks, or correct the source to match, or accept it as it is. flowctl never overwrites what "
            "a person entered there."
        )
    if _links(item, found):
        return "Decide whether it is posted again, is accepted as gone, or is there under another id."
    if item.code == "noted" and "`flowctl reconcile --accept " in item.do:
        return "Nothing, if it is right; the page of the record takes your word for it."
    return item.do


def _links(item: Difference, found: Report) -> list[tuple[str, str]]:
    """What can be done about a difference on the page of its record: the action, and what its button says."""
    if item.record is None:
        return []
    if item.code == "edited":
        return [("accept", "Accept the edit")]
    if item.code == "missing" and any(row["id"] == item.record for row in found.vanished):
        return [
            ("post-again", "Post again"),
            ("accept-gone", "Accept as gone"),
            ("there", "It is there under another id"),
        ]
    return []


def _start(ask: Ask) -> Answer:
    typed = {name: forms.clean(ask.form.get(name, ""))[:40] for name in ("from", "to")}
    to = f"/c/{ask.where['company']}/reconcile"
    for text in typed.values():
        if not is_day(text):
            return _shown(ask, f"`{text}` is not a date: write it like 2026-03-01", typed)
    first_on, last_on = date.fromisoformat(typed["from"]), date.fromisoformat(typed["to"])
    if first_on > last_on:
        return _shown(ask, "the first day is later than the last one", typed)
    company = str(ask.where["company"])
    try:
        with ask.world.store.write(ask.code) as tx:
            waits = spans.asked(tx, company)
            if waits is not None and (waits["first_on"], waits["last_on"]) == (typed["from"], typed["to"]):
                return Sent(
                    to, good="This was asked for already: the answer comes with the next Web Connector session."
                )
            request(tx, ask.hand, bound(tx, company, ask.programs), first_on, last_on)
    except UsageError as error:
        return Sent(to, bad=f"{error}. {error.hint}" if error.hint else str(error))
    return Sent(to, good="It was asked for: the answer comes with the next Web Connector session.")


def _file(ask: Ask) -> Answer:
    company = str(ask.where["company"])
    number = ask.path["report"]
    with ask.world.store.read(ask.code) as tx:
        row = spans.get(tx, company, int(number)) if _ID.fullmatch(number) else None
        if row is None or row["state"] != "done":
            return Sent(f"/c/{company}/reconcile", bad="This comparison is not kept any more, or has no answer.")
        found = report(tx, company, bound(tx, company, ask.programs), row["id"])
    name = f"{company}_{row['first_on']}_{row['last_on']}.csv"
    # With a mark at the start, spreadsheets read it as UTF-8.
    return Given(b"\xef\xbb\xbf" + table(found).encode("utf-8", "replace"), "text/csv; charset=utf-8", name)


PAGES = (
    Page(_PATH, _page, tab="Reconcile"),
    Page(_PATH, _start, "POST", role="operator"),
    Page(_PATH + "/{report}/file", _file),
)
