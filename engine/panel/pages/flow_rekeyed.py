"""A stream that knows its records by something else than before is read again, once a person has said that it may be."""

from __future__ import annotations

from engine import keying
from engine.errors import FlowctlError
from engine.panel import flows
from engine.panel.web import Answer, Ask, Page, PageMissing, Sent, Shown
from engine.program import FlowProgram

_PATH = "/c/{company}/flows/{flow}/streams/{stream}/read-again"


def _page(ask: Ask) -> Answer:
    with ask.world.store.read(ask.code) as tx:
        flow = flows.bound(ask, tx, _program(ask))
        company, stream = str(ask.where["company"]), ask.path["stream"]
        error = keying.changed(tx, company, flow).get(stream)
        count, money = keying.posted(tx, company, flow, stream)
    if error is None:
        return Sent(_to(ask), bad=f"{ask.path['stream']} is read as ever: nothing need be said of it.")
    return Shown(
        "flow_rekeyed.html", {"flow": flow, "stream": stream, "what": error.what, "count": count, "money": money}
    )


def _do(ask: Ask) -> Answer:
    try:
        with ask.world.store.write(ask.code) as tx:
            keying.confirm(tx, ask.hand, flows.bound(ask, tx, _program(ask)), ask.path["stream"])
    except FlowctlError as error:
        return Sent(_to(ask), bad=f"Nothing was changed: {error}.")
    ask.poke()
    return Sent(_to(ask), good=f"{ask.path['stream']} is read again.")


def _program(ask: Ask) -> FlowProgram:
    program = ask.programs.get(ask.path["flow"])
    if program is None or all(one.name != ask.path["stream"] for one in program.flow.streams):
        raise PageMissing("this server runs no flow of that name, or it has no such stream")
    return program


def _to(ask: Ask) -> str:
    return f"/c/{ask.where['company']}/flows/{ask.path['flow']}#stream-{ask.path['stream']}"


PAGES = (
    Page(_PATH, _page, role="admin"),
    Page(_PATH, _do, "POST", role="admin"),
)
