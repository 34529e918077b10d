"""Switching a flow on or off for the company, with what comes of it said before."""

from __future__ import annotations

from engine import flowswitch
from engine.errors import FlowctlError
from engine.flowswitch import LeftOutBefore, RivalFlow, StillUnderWay
from engine.operator import pausing, resting
from engine.panel import flows, forms
from engine.panel.web import Answer, Ask, Page, PageMissing, Sent, Shown
from engine.program import FlowProgram

_PATH = "/c/{company}/flows/{flow}/switch"
_LONGEST = 500


def _page(ask: Ask) -> Answer:
    return _form(ask)


def _form(ask: Ask, error: FlowctlError | None = None, why: str = "") -> Answer:
    company, program = str(ask.where["company"]), _program(ask)
    with ask.world.store.read(ask.code) as tx:
        flow = flows.bound(ask, tx, program)
        is_on = flowswitch.is_on(tx, company, flow)
        count, money = pausing.waiting(tx, company, flow.name)
        rest = resting.of_flow(tx, company, flow.name)
    values = {"flow": flow, "is_on": is_on, "count": count, "money": money, "rest": rest, "why": why}
    rival = error.other if isinstance(error, RivalFlow | StillUnderWay) else ""
    told: dict[str, object] = {"error": _told(error) if error else "", "rival": rival if rival in ask.programs else ""}
    is_asked = isinstance(error, LeftOutBefore) or (isinstance(error, RivalFlow) and error.is_filtered)
    told |= {"beside": rival if is_asked else "", "is_left_out": isinstance(error, LeftOutBefore)}
    return Shown("flow_switch.html", {**values, **told}, 422 if error else 200)


def _do(ask: Ask) -> Answer:
    program, why = _program(ask), forms.clean(ask.form.get("why", ""))[:_LONGEST]
    is_to_be = ask.form.get("do")
    if is_to_be not in ("on", "off"):
        return _form(ask)
    try:
        with ask.world.store.write(ask.code) as tx:
            flow = flows.bound(ask, tx, program)
            beside = ask.form.get("beside", "") if is_to_be == "on" else ""
            changed = flowswitch.switch(tx, ask.hand, flow, on=is_to_be == "on", why=why, beside=beside)
    except FlowctlError as error:
        return _form(ask, error, why)
    to = f"/c/{ask.where['company']}/flows/{flow.name}"
    if not changed:
        return Sent(to, bad=f"{flow.name} was {is_to_be} already: nothing was changed.")
    ask.poke()
    return Sent(to, good=f"{flow.name} is {is_to_be}.")


def _told(error: FlowctlError) -> str:
    """Why it cannot be switched on, without the commands that a terminal would take."""
    if isinstance(error, RivalFlow):
        if error.is_filtered:
            return (
                f"{error.other} is on, and reads the same with another filter: what both read would be posted twice. "
                f"Switch {error.other} off first, or say below that they never read the same record."
            )
        return (
            f"{error.other} is on, and writes the same records into {error.to}: both would post everything twice. "
            f"Switch {error.other} off first."
        )
    if isinstance(error, LeftOutBefore):
        many = "A record was" if error.count == 1 else f"{error.count:,} records were"
        return (
            f"{many} left out of {error.other}, and this flow has another key: it cannot tell which, and would post what "
            "the source still offers of it. Give the stream the key of the other in the flow file, or say below that the "
            "source offers none of it any more."
        )
    if isinstance(error, StillUnderWay):
        what = "one record" if error.count == 1 else f"{error.count:,} records"
        return (
            f"{error.other} has begun {what} that this flow would post a second time: the source was not told of them "
            "yet. That ends by itself; try again then."
        )
    return str(error)


def _program(ask: Ask) -> FlowProgram:
    program = ask.programs.get(ask.path["flow"])
    if program is None:
        raise PageMissing("this server runs no flow of that name")
    return program


PAGES = (
    Page(_PATH, _page, role="operator"),
    Page(_PATH, _do, "POST", role="operator"),
)
