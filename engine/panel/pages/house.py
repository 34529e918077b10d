"""What holds for the whole installation: where people find this panel, and its time zone."""

from __future__ import annotations

from engine.alerting import channels
from engine.alerting.rules import HOUSE
from engine.errors import FlowctlError
from engine.panel import forms
from engine.panel.pages.alerts import hand_of, wrong
from engine.panel.web import Answer, Ask, Page, Sent, Shown

_FIELDS = ("base_url", "zone")


def _page(ask: Ask) -> Answer:
    with ask.world.store.read(HOUSE) as tx:
        return _shown(ask, channels.house(tx))


def _shown(ask: Ask, typed: dict[str, str], error: str = "") -> Answer:
    # Where the browser is now is where people find it, unless that leads to this machine alone.
    proposed = ask.origin if ask.is_https else ""
    return Shown("house.html", {"typed": typed, "proposed": proposed, "error": error}, 422 if error else 200)


def _change(ask: Ask) -> Answer:
    typed = {name: forms.clean(ask.form.get(name, ""))[:300] for name in _FIELDS}
    try:
        with ask.world.store.write(HOUSE) as tx:
            if channels.house(tx) == typed:
                return Sent("/settings", good="Nothing was changed.")
            channels.put_house(tx, hand_of(ask), typed)
    except FlowctlError as error:
        return _shown(ask, typed, wrong(error))
    return Sent("/settings", good="It is kept.")


PAGES = (
    Page("/settings", _page, role="admin", menu="Settings"),
    Page("/settings", _change, "POST", role="admin"),
)
