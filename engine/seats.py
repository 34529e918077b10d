"""Checks of the accounting seat at a vendor: whether we hold it and whether its switches are as wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine import registry
from engine.accounting import MIGRATION_SETTING, Accounted, AccountingLink
from engine.connections.binding import bound_flow
from engine.diagnostics import of_company
from engine.errors import FlowctlError
from engine.health import Finding
from engine.model import Flow
from engine.seatcheck import held_by
from engine.store import companies
from engine.world import World


def seats_of(world: World, company: str, flows: Sequence[Flow]) -> Iterator[Finding]:
    """Of each connection whose seat the company's flows need: who holds it, and what to do when it is not us."""
    with world.store.read(company) as tx:
        made = companies.connectors(tx, company)
    for connection, connector_name in made.items():
        connector = registry.find(connector_name)
        if connector is None or connector.spec.delivery != "push":
            continue
        bound = [bound_flow(flow, made) for flow in flows]
        usable = [
            flow for flow in bound if {one.name: one.connector for one in flow.connections}.items() <= made.items()
        ]
        written = {v.request for flow in usable for s in flow.streams if s.target == connection for v in s.variants}
        if not written:
            continue
        try:
            yield from _seat(world, company, connection, written)
        except FlowctlError as error:
            yield Finding("FAIL", f"{company}/{connection}", str(error), error.hint or "")


def _seat(world: World, company: str, connection: str, written: set[str]) -> Iterator[Finding]:
    opened = world.open(company, connection)
    try:
        if isinstance(opened, Accounted):
            link = opened.accounting()
            if written & link.requests:
                yield from _standing(world, company, connection, link)
    finally:
        close = getattr(opened, "close", None)
        if callable(close):
            close()


def _standing(world: World, company: str, connection: str, link: AccountingLink) -> Iterator[Finding]:
    subject, where = f"{company}/{connection}", of_company(company)
    seat = link.seat()
    _, binding = world.bound(company, connection)
    moving = bool(binding.settings.get(MIGRATION_SETTING))
    if seat.standing == "ours" and moving:
        hint = f"run `flowctl migrate {connection}{where}`, which ends the move"
        yield Finding(
            "FAIL", subject, "the accounting connection is ours, and the chart still goes to an inactive one", hint
        )
    elif moving:
        hint = f"`flowctl migrate {connection}{where}` says what comes next"
        yield Finding("warn", subject, f"a move away from `{seat.holder}` is under way", hint)
    elif seat.standing != "ours":
        yield Finding("FAIL", subject, f"the accounting connection is {held_by(seat)}", link.advice(seat))
    else:
        yield Finding("ok", subject, f"the accounting connection `{seat.holder}` is ours and active")
        if wanted := link.wanted_flags(seat):
            hint = f"run `flowctl connect {connection}{where} --accounting`"
            yield Finding(
                "warn", subject, f"switches that are not as the settings want them: {', '.join(wanted)}", hint
            )
