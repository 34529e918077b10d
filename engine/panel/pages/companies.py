"""All companies with their health, and one company at a glance."""

from __future__ import annotations

from engine import standing
from engine.overview import STATES
from engine.panel import forms
from engine.panel.pages.alerts import linked
from engine.panel.web import Answer, Ask, Page, Sent, Shown
from engine.store import browse

_SIZE = 50
_ALERTS = 5


def _home(_ask: Ask) -> Answer:
    return Sent("/companies")


def _companies(ask: Ask) -> Answer:
    after = forms.clean(ask.query.get("after", ""))[:64]
    with ask.world.store.read() as tx:
        found = standing.page(tx, after, _SIZE + 1, ask.world.at())
    shown = found[:_SIZE]
    following = shown[-1].company if len(found) > _SIZE else ""
    return Shown("companies.html", {"companies": shown, "following": following, "after": after})


def _company(ask: Ask) -> Answer:
    name = str(ask.where["company"])
    with ask.world.store.read(name) as tx:
        at_a_glance = standing.one(tx, name, ask.world.at())
        more = standing.closer(tx, name, STATES, _ALERTS)
        told = list(linked(tx, name, more.alerts))
    places: dict[tuple[str, str], dict[str, standing.Line]] = {}
    for line in more.lines:
        places.setdefault((line.flow, line.stream), {})[line.state] = line
    used = [state for state in STATES if any(state in lines for lines in places.values())]
    values = {"it": at_a_glance, "places": places, "states": used, "runs": more.runs, "alerts": told, "off": more.off}
    return Shown("company.html", {**values, "troubled": standing.TROUBLED, "counted_to": browse.COUNTED})


PAGES = (
    Page("/", _home),
    Page("/companies", _companies, menu="Companies"),
    Page("/c/{company}", _company, tab="Overview"),
)
