"""`flowctl deferred`: the worklist, one line for each thing that is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office

if TYPE_CHECKING:
    from decimal import Decimal

    from engine.operator.worklist import Gap, Waiting
    from engine.store.base import Tx
    from engine.world import World


@click.command()
@common.home_option
@common.company_option
@click.option("--flow", default="", help="Only this flow.")
@click.option("--records", "listing", is_flag=True, help="List the records that wait.")
@click.option(
    "--suggest", is_flag=True, help="Name what may be meant, by likeness, from the lists as they were last read."
)
@common.format_option
def command(home: Path, company: str, flow: str, listing: bool, suggest: bool, form: str) -> int:
    """Show what is missing, how many records and how much money wait for it, and what to type.

    Example: flowctl deferred --records
    """
    from engine.operator import resting, worklist
    from engine.overview import texts
    from engine.store import companies

    name = office.flow(flow).name if flow else ""
    with office.opened(home) as world, world.store.read(company) as tx:
        companies.require(tx, company)
        found = worklist.gaps(tx, company, name)
        rest = {} if name else resting.resting(tx, company)
        meant = _meant(world, tx, company, found) if suggest else {}
        unsent = len(worklist.held(tx, worklist.parked(tx, company, "unknown", name), unsent=True))
    everything = {record.id: (gap.flow, record) for gap in found for record in gap.records}
    sums, repeated = _owed(everything.values())
    if form == "json":
        document = {
            "company": company,
            "records": len(everything),
            "money": texts(sums),
            "streams": [
                {"flow": flow_name, "stream": stream, "records": count, "money": texts(amounts)}
                for flow_name, stream, count, amounts in _streams(everything.values())
            ],
            "held_unsent": unsent,
            "resting": dict(rest),
            "gaps": [
                _as_json(gap, listing=listing) | ({"suggestions": meant.get(_place(gap), [])} if suggest else {})
                for gap in found
            ],
        }
        common.echo_json(document)
        return 0
    for gap in found:
        parts = list(_streams((gap.flow, record) for record in gap.records))
        said = [f"{office.counted(count, 'record')}, {office.money(sums) or 'no money'}" for _, _, count, sums in parts]
        places = [f"{stream} " if len(parts) > 1 else "" for _, stream, _, _ in parts]
        waits = "; ".join(f"{place}{text}" for place, text in zip(places, said, strict=True))
        click.echo(f"{gap.flow}: {common.clean(gap.message)}: {waits}")
        click.echo(f"  do: {common.clean(gap.fix)}")
        if names := meant.get(_place(gap)):
            click.echo(f"  perhaps: {', '.join(f'`{common.clean(name)}`' for name in names)}")
        if listing:
            for r in gap.records:
                amount = office.money({r.currency: r.amount}) if r.amount is not None else ""
                words = (str(r.id), f"{r.stream}/{r.source_id}", r.reference, r.party, r.dated_on, amount)
                click.echo("    " + "  ".join(common.clean(word) for word in words if word))
    for resting_flow, left in rest.items():
        office.say(f"{resting_flow} is off: {office.counted(left, 'record')} at rest, not shown; --flow shows them")
    total = office.money(sums)
    once = " (a record of the source that waits in several streams is counted once)" if repeated else ""
    office.say(f"{office.counted(len(everything), 'record')} deferred" + (f", {total}{once}" if total else ""))
    if unsent:
        count = office.counted(unsent, "record")
        office.say(f"{count} held: QuickBooks may hold it already; nothing was sent; `flowctl status` says what to do")
    return 0


def _place(gap: Gap) -> tuple[str, str, str]:
    return gap.flow, gap.lookup, gap.key


def _meant(world: World, tx: Tx, company: str, gaps: Iterable[Gap]) -> Mapping[tuple[str, str, str], list[str]]:
    """The names of objects that look like what is missing, by flow, lookup and key."""
    from engine.connections.binding import bound_flow
    from engine.operator import suggesting
    from engine.store import companies

    made = companies.connectors(tx, company)
    flows = {flow.name: bound_flow(flow, made) for flow in office.flows()}
    found = {}
    for gap in gaps:
        flow = flows.get(gap.flow)
        entry = flow.lookup(gap.lookup) if flow is not None and gap.lookup else None
        if flow is not None and entry is not None and gap.code == "unmapped":
            known = suggesting.known(world.store, tx, company, flow, entry)
            found[_place(gap)] = [each.full_name for each in known.suggest(gap.label, gap.key)]
    return found


def _streams(records: Iterable[tuple[str, Waiting]]) -> Iterator[tuple[str, str, int, Mapping[str, Decimal]]]:
    """Flow, stream, number of records and money of each stream."""
    from engine.operator import worklist

    by_stream: dict[tuple[str, str], list[Waiting]] = {}
    for flow, record in records:
        by_stream.setdefault((flow, record.stream), []).append(record)
    for (flow, stream), rows in sorted(by_stream.items()):
        yield flow, stream, len(rows), worklist.sums((row.currency, row.amount) for row in rows)


def _owed(records: Iterable[tuple[str, Waiting]]) -> tuple[Mapping[str, Decimal], bool]:
    """Money by currency, and whether records were left out: a bill and its own payment are the same money."""
    from engine.operator import worklist

    fetched = {(f.name, s.name): (s.fetch.connection, s.fetch.stream) for f in office.flows() for s in f.streams}
    largest: dict[tuple[object, ...], Decimal] = {}
    repeated = False
    for flow, record in records:
        if record.amount is not None:
            origin = fetched.get((flow, record.stream), (record.stream,))
            one = (flow, *origin, record.source_id, record.currency)
            repeated = repeated or one in largest
            largest[one] = max(record.amount, largest.get(one, record.amount))
    return worklist.sums((str(one[-1]), amount) for one, amount in largest.items()), repeated


def _as_json(gap: Gap, *, listing: bool) -> dict[str, object]:
    from dataclasses import asdict

    from engine.overview import texts

    found: dict[str, object] = {
        "flow": gap.flow,
        "code": gap.code,
        "message": gap.message,
        "lookup": gap.lookup or None,
        "key": gap.key or None,
        "label": gap.label or None,
        "records": len(gap.records),
        "money": texts(_owed((gap.flow, record) for record in gap.records)[0]),
        "fix": gap.fix,
    }
    if listing:
        rows = [{**asdict(r), "amount": None if r.amount is None else f"{r.amount:f}"} for r in gap.records]
        found["waiting"] = rows
    return found
