"""Comparing both sides: a comparison is asked for, its progress, what it found, and those that were made before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from engine.clock import is_day
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.holdings import halted
from engine.panel import forms
from engine.panel.render import zone
from engine.panel.web import Answer, Ask, Given, Page, PageMissing, Sent, Shown
from engine.reconcile import bound, countable, first_day, keeping, request
from engine.reconcile.keeping import Found, Kept
from engine.reconcile.words import TITLES, Sums, came_to, in_line, table
from engine.standing import Count
from engine.store import reports, spans
from engine.store.base import Row, Tx

_PATH = "/c/{company}/reconcile"
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
# So many differences are shown at once, so many lines of each table of sums, and so many of a table by itself.
_SHOWN, _LINES, _MORE = 50, 25, 200
_BEING_MADE = "The report is being put together: look again in a minute."
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
    if row is not None:
        keeping.at_first_look(ask.world, company, ask.programs, row["id"])
    with ask.world.store.read(ask.code) as tx:
        of = keeping.kept(tx, company, row["id"]) if row is not None else None
        values = {
            "halted": halted(tx, company),
            "is_countable": countable(tx, company) is not None,
            "report": row,
            "of": of,
            **_about(tx, rows, row),
            **(_parts(tx, ask, of) if of is not None else {}),
        }
    today = ask.world.clock.now().astimezone(zone(str(ask.where["time_zone"]))).date()
    values |= {
        "rows": rows,
        "states": _STATES,
        "typed": typed or {"from": first_day(today).isoformat(), "to": today.isoformat()},
        "error": error,
        "titles": TITLES,
    }
    return Shown("reconcile.html", values, 422 if error else 200)


def _about(tx: Tx, rows: list[Row], row: Row | None) -> dict[str, object]:
    """The request that waits with what was told so far, and the newest one when it could not be answered."""
    waits = next((each for each in rows if each["state"] == "asked"), None)
    failed = next((each for each in rows if each["state"] == "failed"), None)
    told = spans.told(tx, waits["id"]) if waits is not None else 0
    return {
        "waits": waits,
        "told": Count(min(told, spans.MOST_COUNTED), is_more=told > spans.MOST_COUNTED),
        "failed": failed if failed is not None and (row is None or failed["id"] > row["id"]) else None,
    }


def _parts(tx: Tx, ask: Ask, of: Kept) -> dict[str, object]:
    """What of a report the address asks for: the differences from some place on, and sums; or one table of sums alone."""
    everything, after = ask.query.get("all") == "yes", _number(ask.query.get("after", ""))
    alone = ask.query.get("sums", "")
    told = {"verdict": came_to(of.compared, of.others, of.open, of.notes + of.decided), "is_whole": everything}
    later = Count(min(of.later, reports.COUNTED), is_more=of.later > reports.COUNTED)
    if alone in TITLES:
        table = _table(tx, of, alone, (after, _MORE), everything=everything)
        return {**told, "later": later, "alone": alone, "tables": [table], "findings": [], "totals": None}
    found = keeping.found(tx, of, after, _SHOWN + 1)
    tables = [_table(tx, of, part, (0, _LINES), everything=everything or part == "kind") for part in TITLES]
    return {
        **told,
        "later": later,
        "alone": "",
        "findings": [(item, _links(item), _do(item)) for item in found[:_SHOWN]],
        "after": after,
        "following": found[_SHOWN - 1].place if len(found) > _SHOWN else 0,
        "tables": [table for table in tables if table.lines],
        "totals": _table(tx, of, keeping.TOTALS, (0, _MORE), everything=True),
    }


def _number(text: str) -> int:
    return int(text) if _ID.fullmatch(text) else 0


@dataclass(frozen=True, slots=True)
class _Table:
    """Lines of sums; `following` is the place of the last one when there are more."""

    part: str
    lines: tuple[Sums, ...]
    following: int


def _table(tx: Tx, of: Kept, part: str, window: tuple[int, int], *, everything: bool) -> _Table:
    after, most = window
    rows = keeping.lines(tx, of.span, part, (after, most + 1), everything=everything)
    following = rows[most - 1][0] if len(rows) > most else 0
    return _Table(part, tuple(in_line([line for _, line in rows[:most]])), following)


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


def _do(found: Found) -> str:
    """What to do, for somebody who has buttons and no terminal."""
    item = found.difference
    if item.decided:
        return ""
    if item.code == "edited":
        return (
            "Put it back in QuickBooks, or correct the source to match, or accept it as it is. flowctl never overwrites what "
            "a person entered there."
        )
    if _links(found):
        return "Decide whether it is posted again, is accepted as gone, or is there under another id."
    if item.code == "noted" and "`flowctl reconcile --accept " in item.do:
        return "Nothing, if it is right; the page of the record takes your word for it."
    return item.do


def _links(found: Found) -> list[tuple[str, str]]:
    """What can be done about a difference on the page of its record: the action, and what its button says."""
    item = found.difference
    if item.record is None or item.decided:
        return []
    if item.code == "edited" and found.state_now in ("posted", "closed"):
        return [("accept", "Accept the edit")]
    if item.code == "missing" and found.state_now == "vanished":
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
    keeping.at_first_look(ask.world, company, ask.programs, row["id"])
    with ask.world.store.read(ask.code) as tx:
        found = keeping.whole(tx, company, row["id"])
    if found.span is None:
        return Sent(f"/c/{company}/reconcile", bad=_BEING_MADE)
    name = f"{company}_{row['first_on']}_{row['last_on']}.csv"
    # With a mark at the start, spreadsheets read it as UTF-8.
    return Given(b"\xef\xbb\xbf" + table(found).encode("utf-8", "replace"), "text/csv; charset=utf-8", name)


def _anew(ask: Ask) -> Answer:
    """The same answer of the target, compared with what is posted now."""
    company, number = str(ask.where["company"]), ask.path["report"]
    to = f"/c/{company}/reconcile?report={number}"
    span = int(number) if _ID.fullmatch(number) else 0
    with ask.world.store.read(ask.code) as tx:
        is_small = reports.is_small(tx, company)
        is_kept = reports.get(tx, company, span) is not None
        connected = bound(tx, company, ask.programs) if is_small else {}
    if not is_kept:
        return Sent(f"/c/{company}/reconcile", bad="This comparison is not kept any more, or has no answer.")
    if is_small:
        keeping.make(ask.world, company, connected, span)
        return Sent(to, good="It was put together anew.")
    with ask.world.store.write(company) as tx:
        reports.want(tx, company, span)
    return Sent(to, good=_BEING_MADE)


PAGES = (
    Page(_PATH, _page, tab="Reconcile"),
    Page(_PATH, _start, "POST", role="operator"),
    Page(_PATH + "/{report}/anew", _anew, "POST", role="operator"),
    Page(_PATH + "/{report}/file", _file),
)
