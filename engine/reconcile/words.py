"""A comparison of both sides in words and as a table, the same for the command and for the panel."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from decimal import Decimal

from engine.dataclass import dataclass
from engine.operator.mapfile import guarded
from engine.reconcile.report import Difference, Line, Report

TITLES = {"party": "vendor", "account": "account", "month": "month", "kind": "kind"}
_MINUS = "\N{MINUS SIGN}"
COLUMNS = (
    "part", "name", "flow", "stream", "source_id", "kind", "number", "vendor", "currency", "source", "posted",
    "quickbooks", "difference", "what", "do",
)  # fmt: skip


def verdict(found: Report) -> str:
    """What a comparison came to, in one line; of one that has no answer yet, that it has none."""
    if found.span is None:
        return "QuickBooks has not answered yet"
    real = sum(not item.is_note for item in found.differences)
    return came_to(found.compared, found.others, real, len(found.differences) - real)


def came_to(compared: int, others: int, real: int, notes: int) -> str:
    """The same in numbers: records compared, objects that are none of ours, differences, notes."""
    told = f"{counted(compared, 'record')} compared"
    if others:
        told += f"; {counted(others, 'other')} in QuickBooks, not from flowctl"
    if notes:
        told += f"; {counted(notes, 'note')}"
    return f"{counted(real, 'difference')}: {told}" if real else f"both sides agree: {told}"


@dataclass(frozen=True, slots=True)
class Sums:
    """One line of a table for people: amounts as text, each column with as many places behind the point."""

    name: str
    currency: str
    source: str
    posted: str
    books: str
    difference: str
    differs: bool


def in_line(lines: Sequence[Line]) -> Iterator[Sums]:
    """The lines with their points below one another; no amount is rounded."""
    places: dict[str, int] = {}
    for line in lines:
        exponents = [amount.as_tuple().exponent for amount in _amounts(line)]
        behind = max(-exponent for exponent in exponents if isinstance(exponent, int))
        places[line.currency] = max(places.get(line.currency, 0), behind)
    for line in lines:
        shown = [f"{amount:,.{places[line.currency]}f}".replace("-", _MINUS) for amount in _amounts(line)]
        source, posted, books, difference = shown
        yield Sums(line.name, line.currency, source, posted, books, difference, line.differs)


def _amounts(line: Line) -> tuple[Decimal, ...]:
    return line.source, line.journal, line.books, line.difference


def counted(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def table(found: Report) -> str:
    """Everything that a comparison found as CSV with a header: what differs, notes, sums, what is not posted.

    Amounts are decimal text with a point. Texts that a spreadsheet would compute have an apostrophe before them.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in _rows(found):
        writer.writerow([row.get(name, "") for name in COLUMNS])
    return out.getvalue()


def _rows(found: Report) -> Iterator[dict[str, str]]:
    for item in found.differences:
        yield _difference(item)
    for name, title in TITLES.items():
        for line in found.tables.get(name, ()):
            yield _line(f"sum by {title}", line)
    for line in found.totals:
        yield _line("total", line)
    for rest in found.unposted:
        place = {"part": f"not posted, {rest.state}", "name": counted(rest.records, "record")}
        for currency, amount in rest.money.items() or (("", None),):
            money = {"currency": guarded(currency), "source": _amount(amount)}
            yield {**place, "flow": rest.flow, "stream": rest.stream, **money}


def _difference(item: Difference) -> dict[str, str]:
    texts = {
        "part": "note" if item.is_note else "difference",
        "name": item.code,
        "flow": item.flow,
        "stream": item.stream,
        "source_id": item.source_id,
        "kind": item.kind,
        "number": item.number,
        "vendor": item.party,
        "currency": item.currency,
        "what": item.what,
        "do": f"decided: {item.decided}" if item.decided else item.do,
    }
    more = "" if item.books is None or item.source is None else _amount(item.books - item.source)
    sides = {"source": _amount(item.source), "posted": _amount(item.journal), "quickbooks": _amount(item.books)}
    return {**{name: guarded(text) for name, text in texts.items()}, **sides, "difference": more}


def _line(part: str, line: Line) -> dict[str, str]:
    sides = {"source": _amount(line.source), "posted": _amount(line.journal), "quickbooks": _amount(line.books)}
    more = {"difference": _amount(line.difference)}
    return {"part": part, "name": guarded(line.name), "currency": guarded(line.currency), **sides, **more}


def _amount(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}"
