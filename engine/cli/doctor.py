"""`flowctl doctor`: is everything in order here, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office
from engine.errors import FlowctlError

if TYPE_CHECKING:
    from engine.health import Finding


@click.command()
@common.home_option
@click.option("--company", help="Check this company's connections only [default: all companies].")
@click.option("--offline", is_flag=True, help="Call nobody: check settings only.")
@common.format_option
def command(home: Path, company: str | None, offline: bool, form: str) -> int:
    """Check Python, SQLite, disk, key, store, journal, flows and every connection; ends with 1 when something FAILs.

    Example: flowctl doctor --company acme
    """
    from engine.cli.connect import show_findings

    levels: list[str] = []
    for finding in _all(home, company, offline=offline):
        levels.append(finding.level)
        show_findings([finding], form)
    words = [f"{levels.count(level)} {level}" for level in ("ok", "warn", "FAIL")]
    office.say(", ".join(words))
    return 1 if "FAIL" in levels else 0


def _all(home: Path, company: str | None, *, offline: bool) -> Iterator[Finding]:
    from engine import health
    from engine.clock import SystemClock
    from engine.store import whereabouts

    key_ok = True
    for finding in health.machine(home, SystemClock()):
        key_ok = key_ok and not (finding.subject == "key" and finding.level == "FAIL")
        yield finding
    yield from health.connectors_of()
    yield from health.flows_of(common.default_paths())
    if not whereabouts.exists(home):
        level: health.Level = "FAIL" if company else "warn"
        yield health.Finding(level, "store", f"none at {home}", "give --home, or start with `flowctl company add NAME`")
        return
    if not key_ok:
        yield health.Finding("warn", "store", "not looked at, since the key is not usable", "put the key right first")
        return
    yield from _store(home, company, offline=offline)


def _store(home: Path, company: str | None, *, offline: bool) -> Iterator[Finding]:
    from engine import buttons, flowswitch, health
    from engine.audit.notary import FILE
    from engine.seats import seats_of
    from engine.store import companies

    try:
        with office.opened(home) as world:
            yield from health.store_of(world, home / FILE)
            with world.store.read() as tx:
                names = (company,) if company else companies.names(tx)
                if company:
                    companies.require(tx, company)
            files = office.flows(common.default_paths())
            yield from health.flows_served(world, files)
            for name in names:
                with world.store.read(name) as tx:
                    used = [flow for flow in files if flowswitch.is_on(tx, name, flow)]
                flows = [(f.name, [(c.name, c.connector) for c in f.connections]) for f in used]
                yield from health.company_of(world, name, offline=offline)
                yield from health.roles_of(world, name, flows)
                if not offline:
                    yield from seats_of(world, name, used)
                yield from buttons.buttons_of(world, name, used)
    except FlowctlError as error:
        yield health.Finding("FAIL", "store", str(error), error.hint or "")
