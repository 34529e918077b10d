"""Records, filtered: a page at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

from engine.clock import is_day
from engine.operator.chosen import ACTS
from engine.overview import STATES
from engine.panel import forms
from engine.panel.pages.record import ACTIONS, OPEN
from engine.panel.web import ROOT, Answer, Ask, Page, Shown
from engine.store import browse, records, stops
from engine.store.browse import Filters, Place

_SIZE = 50
_LONGEST = 200
_FIELDS = ("state", "place", "party", "least", "most", "from", "to", "text", "run")
_BEHIND = re.compile(r"(?:(\d{4}-\d\d-\d\d)?\.)?(\d{1,18})", re.ASCII)
_RUN = re.compile(r"\d{1,18}", re.ASCII)
# An amount that nobody would look for is no number to compute with.
_AMOUNT = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,6})?", re.ASCII)


def filters_of(given: Mapping[str, str]) -> tuple[Filters, dict[str, str], list[str]]:
    """The filters, the fields as they were typed, and what is wrong with them; a wrong one counts as not given."""
    typed = {name: forms.clean(given.get(name, ""))[:_LONGEST] for name in _FIELDS}
    wrong = []
    amounts, days = {}, {}
    for name in ("least", "most"):
        amounts[name], problem = _amount(typed[name])
        wrong += [problem] if problem else []
    for name in ("from", "to"):
        days[name] = typed[name] if is_day(typed[name]) else ""
        if typed[name] and not days[name]:
            wrong.append(f"`{typed[name]}` is not a date: write it like 2026-03-01")
    flow, _, stream = typed["place"].partition("/")
    state = typed["state"] if typed["state"] in STATES else ""
    run = int(typed["run"]) if _RUN.fullmatch(typed["run"]) else 0
    typed["run"] = str(run) if run else ""
    amount, dated = (amounts["least"], amounts["most"]), (days["from"], days["to"])
    found = Filters(state, flow, stream, typed["party"], *amount, *dated, typed["text"], run)
    return found, typed, wrong


def _amount(text: str) -> tuple[str, str]:
    """Decimal text, and what is wrong with it; thousands may be apart, as the panel shows them."""
    plain = text.replace(",", "").replace(" ", "").replace("\N{MINUS SIGN}", "-")
    if not plain:
        return "", ""
    try:
        if _AMOUNT.fullmatch(plain):
            return f"{Decimal(plain):f}", ""
    except InvalidOperation:
        pass
    return "", f"`{text}` is not an amount: write it like 1250.00"


def behind_of(text: str) -> Place:
    """Where a page begins, as the address says it."""
    match = _BEHIND.fullmatch(text)
    return Place(int(match[2]), match[1] or "~") if match else Place()


def _records(ask: Ask) -> Answer:
    company = str(ask.where["company"])
    filters, typed, wrong = filters_of(ask.query)
    behind = behind_of(ask.query.get("behind", ""))
    with ask.world.store.read(ask.code) as tx:
        found = browse.page(tx, company, filters, behind, _SIZE)
        places = browse.places(tx, company)
        held = stops.held(tx, [row["id"] for row in found.rows if row["state"] in OPEN])
    asked = {name: text for name, text in typed.items() if text}
    following = ""
    if found.following is not None:
        day = found.following.dated_on if filters.is_dated else ""
        following = _address(
            company, {**asked, "behind": f"{day}.{found.following.id}" if day else str(found.following.id)}
        )
    rows = [(row, records.load_reasons(row)[:1]) for row in found.rows]
    values = {
        "rows": rows,
        "following": following,
        "is_whole": found.is_whole,
        "first": _address(company, asked) if "behind" in ask.query else "",
        "typed": typed,
        "wrong": wrong,
        "states": STATES,
        "places": places,
        "is_filtered": bool(asked),
        "held": held,
        "sets": {action.name: action for action in ACTIONS if action.name in ACTS} if ask.who.may("operator") else {},
    }
    return Shown("records.html", values)


def _address(company: str, fields: Mapping[str, str]) -> str:
    return f"{ROOT}/c/{company}/records" + (f"?{urlencode(fields)}" if fields else "")


PAGES = (Page("/c/{company}/records", _records, tab="Records"),)
