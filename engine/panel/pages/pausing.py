"""Pausing a company or one of its flows, and letting it go on."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import FlowctlError
from engine.operator import pausing
from engine.panel import forms
from engine.panel.web import Answer, Ask, Page, PageMissing, Sent, Shown
from engine.store import browse, companies
from engine.store.base import Tx

_PATH = "/c/{company}/pause"
# In an address, the whole company: a flow is called by more than one word.
ALL = "all"
_LONGEST = 500


def flows_of(tx: Tx, ask: Ask) -> Sequence[str]:
    """The company's flows: those that are served and whose connections it has made, and those that have records."""
    company = str(ask.where["company"])
    made = companies.connectors(tx, company)
    served = {
        name for name, program in ask.programs.items() if made.keys() >= {c.name for c in program.flow.connections}
    }
    return sorted(
        served
        | {flow for flow, _ in browse.places(tx, company)}
        | {str(row["flow"]) for row in ask.pauses if row["flow"]}
    )


def _page(ask: Ask) -> Answer:
    with ask.world.store.read(ask.code) as tx:
        flows = flows_of(tx, ask)
    paused = {str(row["flow"]): row for row in ask.pauses}
    return Shown("pause.html", {"flows": flows, "paused": paused, "all": ALL})


def _ask_first(ask: Ask) -> Answer:
    return _form(ask)


def _form(ask: Ask, error: str = "", reason: str = "", status: int = 200) -> Answer:
    flow = _flow(ask)
    paused = {str(row["flow"]): row for row in ask.pauses}
    with ask.world.store.read(ask.code) as tx:
        count, money = pausing.waiting(tx, str(ask.where["company"]), flow)
    values = {"flow": flow, "pause": paused.get(flow), "count": count, "money": money, "error": error, "reason": reason}
    return Shown("pause_confirm.html", values, status)


def _do(ask: Ask) -> Answer:
    flow, reason = _flow(ask), forms.clean(ask.form.get("reason", ""))[:_LONGEST]
    what = f"The flow {flow}" if flow else "The company"
    to = f"/c/{ask.where['company']}"
    try:
        with ask.world.store.write(ask.code) as tx:
            if ask.form.get("do") == "resume":
                changed, said = (
                    pausing.resume(tx, ask.hand, flow, reason, since=ask.form.get("seen", "")),
                    "is resumed",
                )
            else:
                changed, said = pausing.pause(tx, ask.hand, flow, reason), "is paused"
    except pausing.WhyMissing as error:
        return _form(ask, error.hint or "", reason, 422)
    except FlowctlError as error:
        return Sent(to, bad=f"{error}. {error.hint}" if error.hint else str(error))
    if not changed:
        return Sent(
            to, bad=f"{what} {'was not paused' if said == 'is resumed' else 'was paused already'}: nothing was changed."
        )
    ask.poke()
    return Sent(to, good=f"{what} {said}.")


def _flow(ask: Ask) -> str:
    """The flow of the address, empty for the whole company.

    Raises:
        PageMissing: when the company has none of this name.
    """
    name = ask.path["what"]
    if name == ALL:
        return ""
    with ask.world.store.read(ask.code) as tx:
        if name not in flows_of(tx, ask):
            raise PageMissing(f"this company has no flow `{name[:60]}`")
    return name


PAGES = (
    Page(_PATH, _page, role="operator"),
    Page(_PATH + "/{what}", _ask_first, role="operator"),
    Page(_PATH + "/{what}", _do, "POST", role="operator"),
)
