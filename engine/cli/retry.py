"""`flowctl retry`: failed or deferred records are tried again; one that may be posted only on a person's word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from engine.cli import common, office
from engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.operator.worklist import Retried
    from engine.store.base import Row, Tx


class Given(TypedDict):
    """What the command line says."""

    records: tuple[str, ...]
    home: Path
    company: str
    flow: str
    state: str | None
    reason: str
    absent: bool
    found: str | None
    yes: bool
    form: str


class OneRecord(UsageError):
    """A person's word is about one record."""

    def __init__(self, rows: Sequence[Row]) -> None:
        named = ", ".join(f"{row['id']} is {row['stream']}/{common.clean(row['source_id'])}" for row in rows[:10])
        super().__init__(
            f"this fits {office.counted(len(rows), 'record')}, and --not-there and --there speak of one",
            hint=f"name it by its number: {named}"
            if rows
            else "name it by its number, its id in the source, or its reference",
        )


@click.command()
@click.argument("records", nargs=-1, metavar="[RECORD-ID|SOURCE-ID]...")
@common.home_option
@common.company_option
@click.option("--flow", default="", help="Only this flow.")
@click.option("--state", type=click.Choice(["failed", "deferred"]), help="Records of this state [default: failed].")
@click.option("--reason", default="", help="Why; kept in the journal.")
@click.option("--not-there", "absent", is_flag=True, help="You looked: this `unknown` record is not in the target.")
@click.option("--there", "found", metavar="ID", help="You looked: it is there, with this id.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common.format_option
def command(**given: Unpack[Given]) -> int:
    """Make records pending again: those named, or all that failed.

    A record is named by its number, its id in the source, or its reference. One that was sent and may be posted is
    refused, with the reason. A record that is `unknown` and held for a person is decided by --not-there or --there; what a
    vendor's API refused since it is there already, by --there.

    Example: flowctl retry INV-1042 --reason "vendor renamed"
    """
    if given["absent"] and given["found"] is not None:
        raise click.UsageError("--not-there and --there exclude each other")
    if given["absent"] or given["found"] is not None:
        return _declare(given)
    return _retry(given)


def _declare(given: Given) -> int:
    """Take a person's word for a record whose outcome is not known."""
    from engine.operator import worklist
    from engine.store import companies

    company, target_id = given["company"], given["found"]
    name = office.flow(given["flow"]).name if given["flow"] else ""
    if target_id is not None and not worklist.TARGET_ID.fullmatch(target_id):
        raise click.UsageError("--there takes a TxnID or ListID as QuickBooks shows it, such as 1A2B-1234567890")
    with office.opened(given["home"]) as world:
        with world.store.read(company) as tx:
            companies.require(tx, company)
            rows, _ = worklist.chosen(tx, company, given["records"])
            rows = [row for row in rows if not name or row["flow"] == name]
            # A bill and its payment have the same id in the source; a word is taken of one that waits for it.
            held = worklist.named(tx, rows) if target_id is not None else worklist.held(tx, rows)
        if rows and not held:
            raise worklist.NotHeld(rows[0])
        if len(held) != 1:
            raise OneRecord(held)
        row = held[0]
        place = f"{row['flow']}/{row['stream']}/{common.clean(row['source_id'])}"
        what = f"posted as {target_id}" if target_id else "not there, and post it again"
        if not given["yes"]:  # asked outside a transaction: a person takes time
            common.confirm(f"Take {place} as {what}?")
        with world.store.write(company) as tx:
            worklist.declare(tx, office.hand(world, company), row, target_id, common.clean(given["reason"]))
    if given["form"] == "json":
        common.echo_json({"company": company, "id": row["id"], "target_id": target_id})
    else:
        click.echo(f"{place}: {'taken as posted' if target_id else 'pending again'}")
    return 0


def _retry(given: Given) -> int:
    """Make records pending again."""
    from engine.operator import worklist
    from engine.store import companies

    company, records, state = given["company"], given["records"], given["state"]
    name = office.flow(given["flow"]).name if given["flow"] else ""
    missing: list[str] = []
    with office.opened(given["home"]) as world, world.store.write(given["company"]) as tx:
        companies.require(tx, company)
        if records:
            rows, missing = worklist.chosen(tx, company, records)
            rows = [row for row in rows if (not name or row["flow"] == name) and state in (None, row["state"])]
        else:
            rows = worklist.parked(tx, company, state or "failed", name)
        done = worklist.retry(tx, office.hand(world, company), rows, common.clean(given["reason"]))
        left = _beside(tx, company, records, done)
    refusals = [(row, why) for row, why in done.refused if row["id"] not in left]
    if given["form"] == "json":
        moved = [
            {"id": r["id"], "flow": r["flow"], "stream": r["stream"], "source_id": r["source_id"]} for r in done.moved
        ]
        refused = [{"id": r["id"], "state": r["state"], "why": why} for r, why in refusals]
        stay = [{"id": r["id"], "state": r["state"]} for r, _ in done.refused if r["id"] in left]
        document = {"retried": moved, "left": stay, "refused": refused, "not_found": missing}
        common.echo_json({"company": company, **document})
    else:
        for row in done.moved:
            click.echo(f"{row['flow']}/{row['stream']}/{common.clean(row['source_id'])}: pending again")
    for row, why in refusals:
        place = f"{row['flow']}/{row['stream']}/{row['source_id']}"
        office.say(f"refused: {place} is {row['state']}: {why}")
    for text in missing:
        office.say(f"error: there is no record `{text[:80]}` in {company}")
    told = office.counted(len(done.moved), "record") + " pending again"
    if left:
        told += f", {office.counted(len(left), 'other')} of the same name left as they are"
    office.say(told + (f", {len(refusals)} refused" if refusals else ""))
    if done.moved:
        office.say("`flowctl serve` prepares them by itself; `flowctl run FLOW` does it now")
    return 1 if missing or refusals else 0


def _beside(tx: Tx, company: str, names: Sequence[str], done: Retried) -> set[int]:
    """Those that only share a name with one that is tried again: a bill and its payment have the same id."""
    from engine.operator import worklist

    moved = {row["id"] for row in done.moved}
    refused = {row["id"] for row, _ in done.refused}
    left: set[int] = set()
    for name in names:
        meant = {row["id"] for row in worklist.chosen(tx, company, [name])[0]}
        if meant & moved:
            left |= meant & refused
    return left
