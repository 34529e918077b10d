"""What a person must know of: what people are told now and were told, muting it, and each alert by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from urllib.parse import urlencode

from engine.alerting import finding, notices
from engine.alerting.notices import Muted, money_of
from engine.alerting.rules import HOUSE, RULES, SEVERITIES
from engine.clock import iso
from engine.errors import FlowctlError
from engine.follow import Hand
from engine.panel import forms
from engine.panel.web import Answer, Ask, Page, PageMissing, Sent, Shown
from engine.store import alerts, missing
from engine.store.base import Row, Tx
from engine.titles import called

_SIZE, _NOTICES = 50, 100
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
# The flow and the stream, or the kind of what is told, before a record's name.
_PLACE = re.compile(r"[a-z][a-z0-9_]*/[A-Za-z][A-Za-z0-9_]*/", re.ASCII)
# For how long something may be muted, in hours; 0 until it is over.
SPANS = ((8, "8 hours"), (24, "a day"), (168, "a week"), (0, "until it is over"))
Told = tuple[Row, object, Muted | None, str]


def scope_of(ask: Ask) -> str:
    """The company of the page, or empty text for the house."""
    return str(ask.company["company"]) if ask.company is not None else HOUSE


def hand_of(ask: Ask) -> Hand:
    """Whoever is signed in, acting for the company of the page or for the house."""
    return Hand(scope_of(ask), ask.world.at(), f"panel:{ask.who.user}")


def base_of(ask: Ask) -> str:
    """Where the alerts of the company, or of the house, are in the panel."""
    return f"/c/{scope_of(ask)}/alerts" if scope_of(ask) else "/alerts"


def wrong(error: FlowctlError) -> str:
    """An error as the next page says it."""
    return f"{error}{'' if str(error).endswith('.') else '.'} {error.hint}".strip() if error.hint else str(error)


def _alerts(ask: Ask) -> Answer:
    company, is_over = str(ask.where["company"]), ask.query.get("show") == "over"
    behind = ask.query.get("behind", "")
    before = int(behind) if _ID.fullmatch(behind) else alerts.BEYOND
    with ask.world.store.read(company) as tx:
        if is_over:
            kept = tx.rows("alert_notices_over", {"company": company, "limit": _NOTICES})
            over = alerts.over(tx, company, before, _SIZE)
            past = {each.last["id"]: each for each in over.found}
            found, following = [each.last for each in over.found], over.following
        else:
            kept, past = _worst_first(notices.opened(tx, company)), {}
            found = alerts.page(tx, company, before, _SIZE + 1, is_over=False)
            following = found[_SIZE - 1]["id"] if len(found) > _SIZE else None
        said = _alone(kept)
        rows = list(linked(tx, company, (row for row in found[:_SIZE] if not finding.told_alone(row) & said)))
        told = _shown(tx, ask, kept[:_NOTICES] if not behind else ())
    values = {
        "rows": rows,
        "past": past,
        "counted": alerts.COUNTED,
        "is_over": is_over,
        "is_older": bool(behind),
        "following": following,
        "told": told,
        "more": max(0, len(kept) - _NOTICES),
    }
    return Shown("alerts.html", {**values, "spans": SPANS, "rules": RULES, "may_act": ask.who.may("operator")})


def _house(ask: Ask) -> Answer:
    """What is open anywhere."""
    with ask.world.store.read() as tx:
        rows = tx.rows("alert_notices_open_any", {"limit": _NOTICES + 1})
        titles = {row["company"]: row["title"] for row in tx.rows("companies_all", {})}
        told = _shown(tx, ask, rows[:_NOTICES])
        failing = tx.rows("alert_channels_failing", {})
    places: dict[str, list[Told]] = {}
    for each in told:
        places.setdefault(each[0]["company"], []).append(each)
    places = {company: sorted(found, key=lambda each: _rank(each[0])) for company, found in places.items()}
    values = {"places": places, "titles": titles, "is_more": len(rows) > _NOTICES, "failing": failing}
    return Shown("house_alerts.html", {**values, "spans": SPANS, "rules": RULES, "may_act": ask.who.may("operator")})


def _alone(kept: Sequence[Row]) -> frozenset[tuple[str, str]]:
    """Rule and subject of what tells of one thing; one missing value is one thing, however many records wait for it."""
    alone = (row for row in kept if row["records"] <= 1 or row["rule"] == "deferred")
    return frozenset((row["rule"], row["subject"]) for row in alone)


def _worst_first(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=_rank)


def _rank(row: Row) -> tuple[int, int, int]:
    return -SEVERITIES.index(row["severity"]), -row["records"], row["id"]


def _shown(tx: Tx, ask: Ask, rows: Sequence[Row]) -> list[Told]:
    """Each notice with its money, who has muted it, and as whom people know them."""
    found: list[Told] = []
    for row in rows:
        muted = notices.muted(tx, row, ask.world.at()) if row["ended_at"] is None else None
        found.append((row, money_of(row), muted, muted.actor.partition(":")[2] if muted is not None else ""))
    return found


def linked(tx: Tx, company: str, rows: Iterable[Row]) -> Iterable[tuple[Row, str, str]]:
    """Each alert with the page of the company where something is done about it, and what the link there is called."""
    for row in rows:
        record = _record(tx, company, row["subject"])
        if record is not None and row["kind"] != "session":
            yield _plain(_named(row, record)), f"/records/{record['id']}", "Show the record"
        else:
            yield _plain(row), *_place(tx, company, row)


def _plain(row: Row) -> Row:
    """The alert without the place of its record: for a person its name says more, and the link leads there."""
    message = str(row["message"])
    found = _PLACE.match(message)
    return (
        {**dict(row), "message": message[found.end() :]} if found and row["subject"].startswith(_flow(found)) else row
    )


def _flow(found: re.Match[str]) -> str:
    return found[0].partition("/")[0] + "/"


def _record(tx: Tx, company: str, subject: str) -> Row | None:
    """The record that an alert is about, if it is about one."""
    parts = subject.split("/", 2)
    if len(parts) != 3:
        return None
    scope = {"company": company, "flow": parts[0], "stream": parts[1], "source_id": parts[2]}
    return next(iter(tx.rows("record_find_any_phase", scope)), None)


def _named(row: Row, record: Row) -> Row:
    """The alert with its record called as everywhere in the panel, where it says the id for want of a number."""
    message = str(row["message"])
    # An older flowctl said the id, and who it is from.
    for name in (called(record), f"{record['source_id']} ({record['party']})", str(record["source_id"])):
        place = f"{record['flow']}/{record['stream']}/{name}"
        if not record["reference"] and message.startswith(place):
            return {**dict(row), "message": called(record) + message.removeprefix(place)}
    return row


def _place(tx: Tx, company: str, row: Row) -> tuple[str, str]:
    if row["kind"] == "session":
        return "/connections/web-connector", "Look at the Web Connector"
    parts = row["subject"].split("/", 2)
    if len(parts) != 3:
        return "", ""
    if row["kind"] == "mark":
        return _untold(tx, company, parts)
    # Of what is not mapped the subject is the lookup and its key.
    if row["kind"] == "deferred" and missing.group(tx, company, *parts) is not None:
        return (
            f"/to-map/choose?{urlencode(dict(zip(('flow', 'lookup', 'key'), parts, strict=True)))}",
            "Say what it means",
        )
    return "", ""


def _untold(tx: Tx, company: str, parts: Sequence[str]) -> tuple[str, str]:
    """Where to see what a source was not told: one record that it refused to hear of, or all that wait for its account."""
    for record in tx.rows("records_by_source_id", {"company": company, "source_id": parts[2]}):
        if record["flow"] == parts[0]:
            return f"/records/{record['id']}", "Show the record"
    return f"/records?{urlencode({'state': 'posted', 'place': parts[0]})}", "Show what it was not told"


def until_of(ask: Ask, hours: str, *, longest: int = 24 * 366) -> str | None:
    """The time so many hours from now; empty text for 0, None when it is no such number."""
    if not _ID.fullmatch(hours) or int(hours) > longest:
        return None
    return iso(ask.world.clock.now() + timedelta(hours=int(hours))) if int(hours) else notices.FOR_EVER


def _mute(ask: Ask) -> Answer:
    number, why = _number(ask), forms.clean(ask.form.get("why", ""))[:500]
    until = until_of(ask, ask.form.get("hours", ""))
    if until is None:
        return Sent(base_of(ask), bad="Say for how long.")
    try:
        with ask.world.store.write(scope_of(ask)) as tx:
            row = notices.mute(tx, hand_of(ask), number, until, why)
    except FlowctlError as error:
        return Sent(base_of(ask), bad=wrong(error))
    return Sent(base_of(ask), good=f"Nobody is told of it for now: {row['title']}")


def _unmute(ask: Ask) -> Answer:
    number = _number(ask)
    try:
        with ask.world.store.write(scope_of(ask)) as tx:
            row = notices.unmute(tx, hand_of(ask), number)
    except FlowctlError as error:
        return Sent(base_of(ask), bad=wrong(error))
    return Sent(base_of(ask), good=f"People are told of it again: {row['title']}")


def _number(ask: Ask) -> int:
    number = ask.path["notice"]
    if not _ID.fullmatch(number):
        raise PageMissing
    return int(number)


PAGES = (
    Page("/alerts", _house, menu="All alerts"),
    Page("/alerts/notice/{notice}/mute", _mute, "POST", role="operator"),
    Page("/alerts/notice/{notice}/unmute", _unmute, "POST", role="operator"),
    Page("/c/{company}/alerts", _alerts, tab="Alerts"),
    Page("/c/{company}/alerts/notice/{notice}/mute", _mute, "POST", role="operator"),
    Page("/c/{company}/alerts/notice/{notice}/unmute", _unmute, "POST", role="operator"),
)
