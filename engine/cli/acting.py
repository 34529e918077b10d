"""What commands share that do something to records: which records are meant, asking first, and saying what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from engine.cli import common, office
from engine.overview import STATES

if TYPE_CHECKING:
    from decimal import Decimal

    from engine.operator.chosen import Tried
    from engine.store.base import Row, Tx
    from engine.world import World

_F = TypeVar("_F", bound=Callable[..., Any])


class Given(TypedDict):
    """What the command line says."""

    records: tuple[str, ...]
    home: Path
    company: str
    flow: str
    state: str | None
    party: str
    first: str | None
    last: str | None
    reason: str
    yes: bool
    form: str


def options(made: _F) -> _F:
    """The arguments and options that say which records are meant."""
    for add in (
        common.format_option,
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--to", "last", metavar="DATE", help="Dated on this day or before."),
        click.option("--from", "first", metavar="DATE", help="Dated on this day or later."),
        click.option("--party", default="", help="The vendor's name begins so."),
        click.option("--state", type=click.Choice(STATES), help="Only records of this state."),
        click.option("--flow", default="", help="Only this flow."),
        common.company_option,
        common.home_option,
        click.argument("records", nargs=-1, metavar="[RECORD-ID|SOURCE-ID]..."),
    ):
        made = add(made)
    return made


def run(given: Given, action: str, done: str, *, asks: bool) -> int:
    """Do it to the records that are meant, and say what came of each; with `asks`, money moves and a person is asked."""
    from engine.operator import chosen

    with office.opened(given["home"]) as world:
        rows, known, missing = _meant(world, given)
        if asks and not given["yes"]:  # asked outside a transaction: a person takes time
            would = chosen.attempt(world.store, action, office.hand(world, given["company"]), rows, given["reason"])
            count, money = office.counted(len(would.moved), "record"), office.money(would.money)
            if would.moved:
                common.confirm(f"{done.capitalize()}: {count}{f', {money}' if money else ''}?")
        with world.store.write(given["company"]) as tx:
            hand = office.hand(world, given["company"])
            tried = chosen.perform(tx, action, hand, known, common.clean(given["reason"]))
    _tell(given, tried, missing, action, done)
    return 1 if missing or tried.refused else 0


def _meant(world: World, given: Given) -> tuple[list[Row], Mapping[int, int], list[str]]:
    """The records, the newest line of the journal of each, and the names that fit none."""
    from engine.operator import chosen
    from engine.store import companies

    with world.store.read(given["company"]) as tx:
        companies.require(tx, given["company"])
        rows, missing = _rows(tx, given)
        return rows, chosen.marked(tx, rows), missing


def _rows(tx: Tx, given: Given) -> tuple[list[Row], list[str]]:
    from engine.operator import chosen, worklist
    from engine.store.browse import Filters

    name = office.flow(given["flow"]).name if given["flow"] else ""
    fits = partial(_fits, name, given["state"])
    if given["records"]:
        rows, missing = worklist.chosen(tx, given["company"], given["records"])
        rows = [row for row in rows if fits(row)]
        if len(rows) > chosen.MOST:
            raise click.UsageError(f"name {chosen.MOST} records at most")
        return rows, missing
    first, last = _day("--from", given["first"]), _day("--to", given["last"])
    filters = Filters(given["state"] or "", name, "", given["party"], "", "", first, last)
    if filters == Filters():
        raise click.UsageError("name records, or say which are meant: --flow, --state, --party, --from, --to")
    rows, is_more = chosen.matching(tx, given["company"], filters)
    if is_more:
        raise click.UsageError(
            f"this fits more than {chosen.MOST} records: narrow it down, by --from and --to for example"
        )
    return rows, []


def _day(option: str, text: str | None) -> str:
    from engine.clock import is_day

    if text and not is_day(text):
        raise click.UsageError(f"{option}: `{common.clean(text[:40])}` is no date: write it as 2026-03-31")
    return text or ""


def _fits(flow: str, state: str | None, row: Row) -> bool:
    return (not flow or row["flow"] == flow) and state in (None, row["state"])


def _tell(given: Given, tried: Tried, missing: list[str], action: str, done: str) -> None:
    if given["form"] == "json":
        moved = [_object(row) for row in tried.moved]
        refused = [{**_object(row), "why": why} for row, why in tried.refused]
        document = {"company": given["company"], action: moved, "refused": refused, "not_found": missing}
        common.echo_json(document)
    else:
        for row in tried.moved:
            click.echo(f"{_place(row)}: {done}")
    for row, why in tried.refused:
        office.say(f"refused: {_place(row)} is {row['state']}: {why}")
    for text in missing:
        office.say(f"error: there is no record `{text[:80]}` in {given['company']}")
    told: Mapping[str, Decimal] = tried.money
    money = office.money(told)
    count = office.counted(len(tried.moved), "record")
    office.say(f"{count} {done}{f', {money}' if money else ''}")


def _object(row: Row) -> dict[str, object]:
    return {name: row[name] for name in ("id", "flow", "stream", "source_id", "state")}


def _place(row: Row) -> str:
    return f"{row['flow']}/{row['stream']}/{common.clean(row['source_id'])}"
