"""`flowctl map`: the lookup tables of a flow, one row at a time or as CSV."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import common, office
from engine.errors import FlowctlError, UnknownName

if TYPE_CHECKING:
    from engine.diagnostics import Diagnostic
    from engine.model import Flow, Lookup
    from engine.operator.mapfile import Change
    from engine.store.base import Row, Tx


class NothingMapped(FlowctlError):
    """There is no such row."""

    def __init__(self, lookup: str, key: str) -> None:
        super().__init__(
            f"nothing is mapped for {lookup} `{common.clean(key)}`", hint=f"see `flowctl map show FLOW {lookup}`"
        )


class ImportRefused(FlowctlError):
    """Some lines of the file cannot be imported."""

    def __init__(self, problems: Sequence[Diagnostic]) -> None:
        lines = "\n".join(common.clean(problem) for problem in problems)
        super().__init__(
            f"nothing was imported\n{lines}", hint="correct these lines; the file is imported whole or not at all"
        )


@click.group()
def command() -> None:
    """Say what a value of the source means in the target; records that waited for it go on by themselves.

    Example: flowctl map set ramp_to_quickbooks account 'Client Gifts' 'Meals and Entertainment'
    """


@command.command()
@click.argument("flow")
@click.argument("lookup", required=False)
@common.home_option
@common.company_option
@common.format_option
def show(flow: str, lookup: str | None, home: Path, company: str, form: str) -> int:
    """Show the rows of a flow's lookup tables.

    Example: flowctl map show ramp_to_quickbooks account
    """
    definition = office.flow(flow)
    if lookup:
        _lookup(definition, lookup)
    with office.opened(home) as world, world.store.read(company) as tx:
        rows = _rows(tx, company, definition, lookup)
    if form == "json":
        names = ("lookup", "source_key", "label", "full_name", "list_id", "origin", "actor", "updated_at")
        common.echo_json([{name: row[name] for name in names} for row in rows])
        return 0
    shown = [(r["lookup"], r["source_key"], r["label"], r["full_name"], r["origin"], r["actor"]) for r in rows]
    common.table(shown, ["lookup", "key", "label", "means", "origin", "by"])
    return 0


@command.command("set", short_help="Say which object of the target KEY means.")
@click.argument("flow")
@click.argument("lookup")
@click.argument("key")
@click.argument("target")
@click.option("--label", default="", help="What people call the key.")
@common.home_option
@common.company_option
def set_(flow: str, lookup: str, key: str, target: str, label: str, home: Path, company: str) -> int:
    """Map KEY of the source to TARGET, by its full name, or its id there (the ListID of QuickBooks).

    Where records are matched with objects, it is the id of a candidate, or `none`.

    Example: flowctl map set ramp_to_quickbooks vendor 7e1f 'Acme Supplies'
    """
    from engine.operator import tomap, worklist
    from engine.store import companies

    definition = office.flow(flow)
    entry = _lookup(definition, lookup)
    for name, text in (("KEY", key), ("TARGET", target), ("--label", label)):
        if not text.strip() and name != "--label":
            raise click.UsageError(f"{name} is empty")
        if common.clean(text) != text:
            raise click.UsageError(f"{name} holds control characters")
    with office.opened(home) as world, world.store.write(company) as tx:
        companies.require(tx, company)
        before = worklist.prepared(tx, company, definition.name)
        doubt = _unasked(tx, company, definition, entry, key)
        found = tomap.put(tx, office.hand(world, company), definition, entry, (key, target, label))
        woken = found.woken
        anew = before - worklist.prepared(tx, company, definition.name)
    name = common.clean(found.full_name)
    click.echo(f"{definition.name}: {entry.name} `{common.clean(key)}` means `{name}`; {_woke(woken, anew)}")
    if not found.verified:
        office.say(f"warning: the {entry.list} list was never read, so the name was not checked")
    if doubt and not woken and not anew:
        office.say(f"warning: no record waits for {entry.name} `{common.clean(key)}`; {doubt}")
    return 0


@command.command()
@click.argument("flow")
@click.argument("lookup")
@click.argument("key")
@common.home_option
@common.company_option
def unset(flow: str, lookup: str, key: str, home: Path, company: str) -> int:
    """Remove a row; what was posted with it stays as it is.

    Example: flowctl map unset ramp_to_quickbooks vendor 7e1f
    """
    from engine.operator import worklist
    from engine.store import companies

    definition = office.flow(flow)
    entry = _lookup(definition, lookup)
    with office.opened(home) as world, world.store.write(company) as tx:
        companies.require(tx, company)
        before = worklist.prepared(tx, company, definition.name)
        if not worklist.drop_mapping(tx, office.hand(world, company), definition, entry.name, key):
            raise NothingMapped(entry.name, key)
        anew = before - worklist.prepared(tx, company, definition.name)
    more = f"; {_anew(anew)}" if anew else ""
    click.echo(f"{definition.name}: {entry.name} `{common.clean(key)}` is no longer mapped{more}")
    return 0


@command.command("import", short_help="Import rows from a CSV file.")
@click.argument("flow")
@click.argument("what", nargs=-1, required=True, metavar="[LOOKUP] FILE")
@click.option("--dry-run", is_flag=True, help="Show what would change; keep nothing.")
@click.option(
    "--remove-missing", is_flag=True, help="Remove the rows of LOOKUP that people made and FILE does not have."
)
@common.home_option
@common.company_option
@common.format_option
def import_(
    flow: str, what: tuple[str, ...], dry_run: bool, remove_missing: bool, home: Path, company: str, form: str
) -> int:
    """Import rows from a CSV file (`-` is stdin): all of them, or none when a line is wrong.

    Columns: lookup, key, label, full_name, list_id. Lines without full_name and list_id are left out. Rows that FILE does
    not have stay as they are, unless it says otherwise.

    Example: flowctl map import ramp_to_quickbooks mappings.csv --dry-run
    """
    from engine.operator import mapfile, worklist
    from engine.store import companies

    if len(what) > 2:
        raise click.UsageError("give at most one LOOKUP and one FILE")
    definition = office.flow(flow)
    if remove_missing and len(what) == 1:
        raise click.UsageError("--remove-missing needs a LOOKUP: say of which table FILE is the whole")
    file = what[-1]
    given = _lookup(definition, what[0]).name if len(what) == 2 else ""
    data = office.read_bytes(file, limit=mapfile.MAX_BYTES)
    shown = "stdin" if file == "-" else file
    lines, problems = mapfile.read(data, shown, given)
    with office.opened(home) as world, world.store.write(company) as tx:
        companies.require(tx, company)
        whole = frozenset([given]) if remove_missing else frozenset[str]()
        changes, more = mapfile.plan(tx, company, definition, lines, shown, whole)
        problems = sorted([*problems, *more])
        if problems:
            raise ImportRefused(problems)
        before = worklist.prepared(tx, company, definition.name)
        woken = 0 if dry_run else mapfile.apply(tx, office.hand(world, company), definition, changes)
        anew = before - worklist.prepared(tx, company, definition.name)
    _preview(changes, form)
    counts = {
        action: sum(c.action == action for c in changes) for action in ("new", "changed", "same", "empty", "gone")
    }
    if not remove_missing:
        del counts["gone"]
    summary = ", ".join(f"{number} {action}" for action, number in counts.items())
    office.say(f"{definition.name}: {summary}; " + ("dry run: nothing was kept" if dry_run else _woke(woken, anew)))
    if any(not change.verified for change in changes):
        office.say("warning: some names were not checked, since their list was never read")
    if mapfile.is_guessed(data):
        office.say("warning: the file is not UTF-8 and was taken for Windows-1252: look at letters with accents")
    return 0


@command.command(short_help="Export rows as CSV.")
@click.argument("flow")
@click.argument("lookup", required=False)
@click.option("--out", default="-", help="File to write to; `-` is stdout.", show_default=True)
@click.option("--missing", is_flag=True, help="Add a line for each value that records wait for, to be filled in.")
@common.home_option
@common.company_option
def export(flow: str, lookup: str | None, out: str, missing: bool, home: Path, company: str) -> int:
    """Export rows as CSV that a spreadsheet opens without computing anything; `map import` reads it back.

    Example: flowctl map export ramp_to_quickbooks --missing --out mappings.csv
    """
    from engine.operator import mapfile, worklist

    definition = office.flow(flow)
    if lookup:
        _lookup(definition, lookup)
    with office.opened(home) as world, world.store.read(company) as tx:
        rows = [
            {**{name: str(row[name]) for name in ("lookup", "label", "full_name", "list_id")}, "key": row["source_key"]}
            for row in _rows(tx, company, definition, lookup)
        ]
        gaps = worklist.gaps(tx, company, definition.name) if missing else []
        unread = missing and not tx.rows(
            "records_listing", {"company": company, "state": "", "flow": definition.name, "limit": 1}
        )
    wanted = [gap for gap in gaps if gap.lookup and lookup in (None, gap.lookup)]
    rows += [{"lookup": gap.lookup, "key": gap.key, "label": gap.label} for gap in wanted]
    text = mapfile.write(rows)
    if out == "-":
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    else:
        # With the mark, spreadsheets read it as UTF-8.
        office.write_bytes(Path(out), text.encode("utf-8-sig"))
        office.say(f"{out}: {office.counted(len(rows), 'row')}")
    if unread:
        import shlex

        from engine.diagnostics import of_company

        first = shlex.join(["flowctl", "run", flow]) + of_company(company)
        office.say(f"{definition.name}: nothing was read yet, so nothing waits for a mapping: run `{first}` first")
    return 0


def _unasked(tx: Tx, company: str, flow: Flow, lookup: Lookup, key: str) -> str:
    """What to say of a key that nobody has asked for: what it may have been meant for.

    Empty when it is mapped already, or when no record waits for any key: rows may be made ahead of the records.
    """
    from engine.diagnostics import clearly_meant
    from engine.operator import worklist
    from engine.store import lists

    if any(row["source_key"] == key for row in lists.mappings(tx, company, flow.name, lookup.name)):
        return ""
    asked = {gap.key: gap.label for gap in worklist.gaps(tx, company, flow.name) if gap.lookup == lookup.name}
    named = [other for other, label in asked.items() if label and label.casefold() == key.casefold()]
    near = named[0] if len(named) == 1 else clearly_meant(key, asked)
    if near:
        return f"did you mean the key `{common.clean(near)}`?"
    shown = ", ".join(f"`{common.clean(other)}`" for other in list(asked)[:_SHOWN])
    return f"records wait for {shown}{', ...' if len(asked) > _SHOWN else ''}" if asked else ""


_SHOWN = 5


def _lookup(flow: Flow, name: str) -> Lookup:
    found = flow.lookup(name)
    if found is None:
        raise UnknownName("lookup", name, tuple(entry.name for entry in flow.lookups))
    return found


def _rows(tx: Tx, company: str, flow: Flow, lookup: str | None) -> list[Row]:
    from engine.store import companies, lists

    companies.require(tx, company)
    return lists.mappings(tx, company, flow.name, lookup or "")


def _preview(changes: Sequence[Change], form: str) -> None:
    if form == "json":
        common.echo_json(
            [
                {
                    "line": c.line.number or None,
                    "action": c.action,
                    "lookup": c.line.lookup,
                    "key": c.line.key,
                    "before": c.before or None,
                    "after": c.row.full_name if c.row else None,
                }
                for c in changes
            ]
        )
        return
    shown = [
        (c.line.number or "", c.action, c.line.lookup, c.line.key, c.before, c.row.full_name if c.row else "")
        for c in changes
        if c.action != "same"
    ]
    if shown:
        common.table(shown, ["line", "", "lookup", "key", "before", "after"])


def _woke(number: int, anew: int) -> str:
    woken = f"{office.counted(number, 'waiting record')} {'goes' if number == 1 else 'go'} on"
    if not anew:
        return woken
    return f"{woken}; {_anew(anew)}" if number else _anew(anew)


def _anew(number: int) -> str:
    """What a change means for records that were prepared before it and not sent."""
    was, is_ = ("was", "is") if number == 1 else ("were", "are")
    return f"{office.counted(number, 'record')} that {was} prepared with the old value {is_} prepared anew"
