"""`flowctl reconcile`: the source, what was posted and QuickBooks side by side, to the cent."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from engine.cli import common, office
from engine.diagnostics import of_company
from engine.errors import FlowctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from decimal import Decimal

    from engine.evidence import Span
    from engine.program import FlowProgram
    from engine.reconcile import Difference, Line, Report
    from engine.store.base import Row, Tx
    from engine.world import World

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_POLL_S = 2.0


class Given(TypedDict):
    """What the command line says."""

    home: Path
    company: str
    first: str | None
    last: str | None
    everything: bool
    wait: str | None
    again: tuple[str, ...]
    out: tuple[str, ...]
    accept: tuple[str, ...]
    why: str
    form: str


class NotADay(UsageError):
    """A date that cannot be read."""

    def __init__(self, option: str, text: str) -> None:
        super().__init__(f"{option}: `{common.clean(text[:40])}` is no date", hint="write it as 2026-03-31")


class NotAWait(UsageError):
    """A duration that cannot be read."""

    def __init__(self, text: str) -> None:
        super().__init__(f"--wait: `{common.clean(text[:40])}` is no duration", hint="write it as 90s, 10m or 1h")


@click.command()
@common.home_option
@common.company_option
@click.option("--from", "first", metavar="DATE", help="First day [default: the first of the month two months back].")
@click.option("--to", "last", metavar="DATE", help="Last day [default: today].")
@click.option("--all", "everything", is_flag=True, help="Show the sums that agree as well.")
@click.option("--wait", metavar="DURATION", help="Wait for the answer of QuickBooks, at most this long: 10m.")
@click.option("--post-again", "again", multiple=True, metavar="ID", help="Post a deleted record again (or `all`).")
@click.option("--leave-out", "out", multiple=True, metavar="ID", help="Accept that a record was deleted (or `all`).")
@click.option("--accept", multiple=True, metavar="ID", help="Accept what was edited in QuickBooks (or `all`).")
@click.option("--why", default="", help="Why it was decided so; kept in the journal.")
@common.format_option
def command(**given: Unpack[Given]) -> int:
    """Compare the source, what was posted, and QuickBooks: sums by vendor, account and month, and what differs.

    QuickBooks answers in the next Web Connector session; what is shown is the newest answer there is. The exit status is
    0 only when both sides were compared and agree.

    Example: flowctl reconcile --from 2026-03-01 --to 2026-03-31 --wait 10m
    """
    wait_s = _wait(given["wait"]) if given["wait"] else 0.0
    with office.opened(given["home"]) as world:
        if given["again"] or given["out"] or given["accept"]:
            return _decide(world, given)
        if given["why"]:
            raise click.UsageError("--why goes with --post-again, --leave-out or --accept")
        span = _span(world, given)
        programs = _programs(world, given["company"])
        number = _ask(world, given["company"], programs, span)
        in_time = not wait_s or _await(world, given["company"], number, wait_s)
        found = _found(world, given["company"], programs)
        # What was asked for counts: an answer to other days says nothing of these.
        agrees = found.agrees and in_time and found.span is not None and _days(found.span) == _days(span)
        if given["form"] == "json":
            common.echo_json({**as_json(found, everything=given["everything"]), "agrees": agrees})
        else:
            _print(found, everything=given["everything"])
            if found.span is not None and _days(found.span) != _days(span):
                office.say(f"this is the answer for {_days(found.span)}; {_days(span)} has not been compared yet")
    return 0 if agrees else 1


def _found(world: World, company: str, programs: Mapping[str, FlowProgram]) -> Report:
    """The report that the panel shows as well: made now when there is none, or when it is old and soon made."""
    from engine.reconcile import keeping

    keeping.current(world, company, programs)
    with world.store.read(company) as tx:
        return keeping.whole(tx, company)


# --- asking ----------------------------------------------------------------------------------------------------------


def _span(world: World, given: Given) -> tuple[date, date]:
    today = world.clock.now().date()
    last = _day("--to", given["last"]) if given["last"] else today
    if given["first"]:
        first = _day("--from", given["first"])
    else:
        from engine.reconcile import first_day

        first = first_day(last)
    if first > last:
        raise click.UsageError(f"--from {first} is later than --to {last}")
    return first, last


def _day(option: str, text: str) -> date:
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
            raise NotADay(option, text)
        return date.fromisoformat(text)
    except ValueError as error:
        raise NotADay(option, text) from error


def _wait(text: str) -> float:
    if not re.fullmatch(r"[1-9][0-9]{0,4}[smh]", text, re.ASCII):
        raise NotAWait(text)
    return float(int(text[:-1]) * _SECONDS[text[-1]])


def _programs(world: World, company: str) -> Mapping[str, FlowProgram]:
    """The flows whose connections the company has all made; one that is broken is said to be, and left out."""
    from engine.store import companies

    with world.store.read(company) as tx:
        companies.require(tx, company)
        made = companies.connectors(tx, company)
    found = {}
    for flow in office.flows():
        if made.keys() >= {c.name for c in flow.connections}:
            try:
                found[flow.name] = common.program(flow.path).bound(made)
            except FlowctlError as error:
                office.complain(error)
    return found


def _ask(world: World, company: str, programs: Mapping[str, FlowProgram], span: tuple[date, date]) -> int:
    from engine.reconcile import request

    with world.store.write(company) as tx:
        return request(tx, office.hand(world, company), programs, *span)


def _await(world: World, company: str, number: int, wait_s: float) -> bool:
    """Look again and again until the request was answered, or was replaced by another one; whether that was in time."""
    from engine.store import spans

    until = world.clock.monotonic() + wait_s
    while True:
        with world.store.read(company) as tx:
            row = spans.get(tx, company, number)
        if row is None or row["state"] != "asked":
            return True
        left = until - world.clock.monotonic()
        if left <= 0:
            office.say("QuickBooks did not answer in time; the request stays, and the next session answers it")
            return False
        world.clock.sleep(min(_POLL_S, left))


# --- deciding --------------------------------------------------------------------------------------------------------


def _decide(world: World, given: Given) -> int:
    """A person's word about records whose objects were deleted or edited in the target."""
    from engine.operator import worklist
    from engine.reconcile import keeping
    from engine.store import companies, holdings

    company = given["company"]
    both = {*given["again"]} & {*given["out"]}
    if both or ("all" in (*given["again"], *given["out"]) and given["again"] and given["out"]):
        raise click.UsageError("--post-again and --leave-out are given for the same records")
    hand = office.hand(world, company)
    why = common.clean(given["why"])
    missing: list[str] = []
    done: list[tuple[str, worklist.Retried]] = []
    if given["accept"]:
        keeping.current(world, company, _programs(world, company))
    with world.store.write(company) as tx:
        companies.require(tx, company)
        gone = {row["id"] for row in worklist.parked(tx, company, "vanished")}
        clashes = worklist.clashes(tx, company) if given["out"] else set()
        for word, ids, decide, waiting in (
            ("left out", given["out"], worklist.leave_out, gone if "all" in given["out"] else gone | clashes),
            ("to be posted again", given["again"], worklist.post_again, gone),
        ):
            rows, unknown = _meant(tx, company, ids, waiting)
            missing += unknown
            done.append((word, decide(tx, hand, rows, why)))
        shown = keeping.whole(tx, company).shown if given["accept"] else {}
        rows, unknown = _meant(tx, company, given["accept"], {*shown, *holdings.edited(tx, company)})
        missing += unknown
        done.append(("accepted as it is", worklist.accept(tx, hand, rows, why, shown)))
    moved = {word: [_object_of(row) for row in retried.moved] for word, retried in done}
    refused = [(row, text) for _, retried in done for row, text in retried.refused]
    if given["form"] == "json":
        left = [{**_object_of(row), "state": row["state"], "why": text} for row, text in refused]
        left_out, again, accepted = moved.values()
        kept = {"left_out": left_out, "post_again": again, "accepted": accepted}
        document = {**kept, "refused": left, "not_found": missing}
        common.echo_json({"company": company, **document})
    else:
        for word, retried in done:
            for row in retried.moved:
                click.echo(f"{common.clean(_place(row))}: {word}")
    for row, text in refused:
        office.say(f"refused: {_place(row)} is {row['state']}: {text}")
    for text in missing:
        office.say(f"error: there is no record `{text[:80]}` in {company}")
    office.say(f"{office.counted(sum(map(len, moved.values())), 'record')} decided")
    return 1 if missing or refused else 0


def _meant(tx: Tx, company: str, ids: Sequence[str], waiting: Collection[int]) -> tuple[list[Row], list[str]]:
    """The records that are meant: of those that share an id, the ones that wait for a decision."""
    from engine.operator import worklist

    if "all" in ids:
        return [row for number in sorted(waiting) if (row := tx.one("record_get", {"id": number})) is not None], []
    rows: dict[int, Row] = {}
    missing = []
    for name in ids:
        found, unknown = worklist.chosen(tx, company, [name])
        missing += unknown
        rows |= {row["id"]: row for row in [r for r in found if r["id"] in waiting] or found}
    return list(rows.values()), missing


def _object_of(row: Row) -> dict[str, object]:
    return {name: row[name] for name in ("id", "flow", "stream", "source_id")}


def _place(row: Row) -> str:
    return f"{row['flow']}/{row['stream']}/{row['source_id']}"


# --- printing --------------------------------------------------------------------------------------------------------


def _print(found: Report, *, everything: bool) -> None:
    from engine.reconcile.report import as_of
    from engine.reconcile.words import verdict

    if found.halted:
        click.echo(f"POSTING IS HALTED: {common.clean(found.halted)}\n")
    if found.span is None:
        click.echo(f"{found.company}: QuickBooks has not answered yet")
    else:
        days = f"{found.span.first_on} to {found.span.last_on}"
        click.echo(f"{found.company}: {days}, QuickBooks as of {as_of(found.read_at)}")
        _differences(found.differences)
        _tables(found, everything=everything)
        for line in found.unposted:
            money = office.money(line.money)
            count = office.counted(line.records, "record")
            click.echo(
                f"not posted yet: {line.flow}/{line.stream} {line.state}: {count}{f', {money}' if money else ''}"
            )
        if found.since:
            text = office.counted(found.since, "record")
            click.echo(f"posted after QuickBooks was read: {text}, not compared")
        if not found.is_current:
            later = f"{office.counted(found.later, 'record')} posted since, and what else has changed"
            click.echo(f"this report was made at {as_of(found.made_at)}; {later}, is not in it")
        click.echo(verdict(found))
    if found.vanished:
        _vanished(found)
    if found.problem:
        office.say(f"QuickBooks could not answer the newest request: {found.problem}")
    if found.asked is not None:
        text = "a newer answer comes" if found.span is not None else "the answer comes"
        office.say(f"asked for {_days(found.asked)}; {text} with the next Web Connector session")


def _differences(differences: Sequence[Difference]) -> None:
    for item in differences:
        place = f"{item.flow}/{item.stream}/{item.source_id}" if item.record is not None else f"TxnID {item.target_id}"
        words = (place, item.kind, item.number, item.party)
        mark = "note" if item.is_note else "DIFFERS"
        click.echo(f"{mark}: {'  '.join(common.clean(word) for word in words if word)}")
        click.echo(
            f"  source {_amount(item.source)}  posted {_amount(item.journal)}  QuickBooks {_amount(item.books)}"
            f" {common.clean(item.currency)}".rstrip()
        )
        click.echo(f"  {common.clean(item.what)}")
        click.echo(f"  {f'decided: {common.clean(item.decided)}' if item.decided else f'do: {common.clean(item.do)}'}")


def _amount(value: Decimal | None) -> str:
    return "-" if value is None else f"{value:,f}"


def _tables(found: Report, *, everything: bool) -> None:
    from engine.reconcile.words import TITLES

    for name, title in TITLES.items():
        # Sums by kind are the totals, and always shown.
        lines = [line for line in found.tables.get(name, ()) if everything or name == "kind" or line.differs]
        if lines:
            click.echo("")
            _table(title, lines)
    if found.totals:
        click.echo("")
        _table("total", found.totals)
        click.echo("")


def _table(title: str, lines: Sequence[Line]) -> None:
    header = (title, "currency", "source", "posted", "QuickBooks", "difference")
    rows = [
        (
            common.clean(line.name)[:48],
            common.clean(line.currency),
            *(f"{amount:,f}" for amount in (line.source, line.journal, line.books, line.difference)),
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _vanished(found: Report) -> None:
    where = of_company(found.company)
    click.echo(f"\ndeleted in QuickBooks, and waiting for a decision: {office.counted(len(found.vanished), 'record')}")
    for row in found.vanished:
        amount = f"{row['amount']} {row['currency'] or ''}".rstrip() if row["amount"] is not None else ""
        words = (str(row["id"]), _place(row), row["reference"], row["party"], row["dated_on"], amount)
        click.echo("  " + "  ".join(common.clean(word) for word in words if word))
    click.echo(f"  do: flowctl reconcile --post-again ID{where}, or flowctl reconcile --leave-out ID{where}")


def _days(span: Span | tuple[date, date]) -> str:
    first, last = span if isinstance(span, tuple) else (span.first_on, span.last_on)
    return f"{first} to {last}"


def as_json(found: Report, *, everything: bool) -> dict[str, object]:
    """For programs; amounts as text."""
    from engine.reconcile.words import TITLES

    return {
        "company": found.company,
        "agrees": found.agrees,
        "halted": found.halted or None,
        "from": str(found.span.first_on) if found.span else None,
        "to": str(found.span.last_on) if found.span else None,
        "kinds": list(found.span.kinds) if found.span else [],
        "as_of": found.read_at or None,
        "made_at": found.made_at or None,
        "asked": None if found.asked is None else {"from": str(found.asked.first_on), "to": str(found.asked.last_on)},
        "problem": found.problem or None,
        "compared": found.compared,
        "not_ours": found.others,
        "posted_since": found.since,
        "posted_later": found.later,
        "differences": [_object(item) for item in found.differences],
        "totals": [_line(line) for line in found.totals],
        "tables": {
            TITLES[name]: [_line(line) for line in lines if everything or line.differs]
            for name, lines in found.tables.items()
        },
        "not_posted": [
            {
                "flow": line.flow,
                "stream": line.stream,
                "state": line.state,
                "records": line.records,
                "money": {currency: f"{amount:f}" for currency, amount in line.money.items()},
            }
            for line in found.unposted
        ],
        "vanished": [
            {
                name: row[name]
                for name in ("id", "flow", "stream", "source_id", "reference", "party", "amount", "currency")
            }
            for row in found.vanished
        ],
    }


def _line(line: Line) -> dict[str, str]:
    names = ("source", "journal", "books", "difference")
    return {"name": line.name, "currency": line.currency, **{name: f"{getattr(line, name):f}" for name in names}}


def _object(item: Difference) -> dict[str, object]:
    amounts = {name: getattr(item, name) for name in ("source", "journal", "books")}
    texts = ("code", "flow", "stream", "source_id", "record", "kind", "target_id", "number", "party", "currency")
    return {
        **{name: getattr(item, name) for name in texts},
        "note": item.is_note,
        **{name: None if amount is None else f"{amount:f}" for name, amount in amounts.items()},
        "what": item.what,
        "do": item.do,
        "decided": item.decided or None,
    }
