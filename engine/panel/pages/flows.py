"""The flows that are served, as a company stands to them, and one of them with its way, its settings and its file."""

from __future__ import annotations

from engine import flowview
from engine.flowlang.diagram import diagram
from engine.panel import yamlcolour
from engine.panel.web import Answer, Ask, Page, PageMissing, Shown


def _flows(ask: Ask) -> Answer:
    with ask.world.store.read(ask.code) as tx:
        found = flowview.heads(tx, str(ask.where["company"]), ask.programs)
    return Shown("flows.html", {"heads": found, "at": ask.world.at()})


def _flow(ask: Ask) -> Answer:
    program = ask.programs.get(ask.path["flow"])
    if program is None:
        raise PageMissing("this server runs no flow of that name")
    with ask.world.store.read(ask.code) as tx:
        it = flowview.view(tx, str(ask.where["company"]), program)
    lines = yamlcolour.lines(it.head.flow.source)
    begins = {stream.line: stream.name for stream in it.streams}
    values = {"it": it, "lines": lines, "begins": begins, "mermaid": diagram(it.head.flow), "at": ask.world.at()}
    return Shown("flow.html", values)


PAGES = (
    Page("/c/{company}/flows", _flows, tab="Flows"),
    Page("/c/{company}/flows/{flow}", _flow),
)
