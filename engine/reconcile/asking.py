"""Asks the target what it holds of a span of days, and keeps what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from engine import registry
from engine.dataclass import dataclass
from engine.errors import UsageError
from engine.evidence import Figures, Span
from engine.follow import Hand
from engine.program import FlowProgram
from engine.qbxml.queries import TXN_KINDS
from engine.reconcile.sides import countable
from engine.store import companies, journal, lists, spans
from engine.store.base import Tx

# Parties and accounts are told by ListID; their names are read anew just before, in the same session.
_NAMED = ("Account", "Vendor", "Customer", "Employee")
# Without a first day, the span begins so many months before the month of its last one.
_MONTHS = 2


class NothingToCompare(UsageError):
    """A company without a connection whose books can be read."""

    def __init__(self, company: str) -> None:
        super().__init__(
            f"{company} has no connection whose books can be compared",
            hint="connect QuickBooks with `flowctl connect`, or give another --company",
        )


class NothingPosts(UsageError):
    """No flow of the company writes anything that has an amount."""

    def __init__(self, company: str) -> None:
        super().__init__(
            f"no flow that {company} has connected writes anything that has an amount",
            hint="`flowctl doctor` shows which connections are missing",
        )


def first_day(last_on: date) -> date:
    """Where a span begins of which only the end is known: with the month two months before it."""
    months = last_on.year * 12 + last_on.month - 1 - _MONTHS
    return date(months // 12, months % 12 + 1, 1)


def bound(tx: Tx, company: str, programs: Mapping[str, FlowProgram]) -> dict[str, FlowProgram]:
    """Of these flows, those whose connections the company has all made, each with the connectors that it has."""
    made = companies.connectors(tx, company)
    return {
        name: program.bound(made)
        for name, program in programs.items()
        if made.keys() >= {connection.name for connection in program.flow.connections}
    }


def request(tx: Tx, hand: Hand, programs: Mapping[str, FlowProgram], first_on: date, last_on: date) -> int:
    """File a request for what the company's flows write; returns its number.

    Raises:
        NothingToCompare, NothingPosts: when there is nothing to ask for.
    """
    if countable(tx, hand.company) is None:
        raise NothingToCompare(hand.company)
    kinds = kinds_of(tx, hand.company, programs)
    if not kinds:
        raise NothingPosts(hand.company)
    return ask(tx, hand.company, first_on, last_on, kinds, hand.actor, hand.at)


def kinds_of(tx: Tx, company: str, programs: Mapping[str, FlowProgram]) -> tuple[str, ...]:
    """What the company's flows write over a polled connection, and what was ever written, as far as it has money."""
    made = {row["connection"]: registry.find(row["connector"]) for row in companies.connections(tx, company)}
    polled = {name for name, found in made.items() if found is not None and found.spec.delivery == "pull"}
    written = set(_held(tx, company))
    for program in programs.values():
        if set(made).issuperset(c.name for c in program.flow.connections):
            streams = (compiled.stream for compiled in program.streams if compiled.stream.target in polled)
            written.update(variant.request.removesuffix("Add") for stream in streams for variant in stream.variants)
    return tuple(sorted(written & TXN_KINDS))


def _held(tx: Tx, company: str) -> Iterator[str]:
    """The kinds of what the company holds, or held."""
    after = ""
    while (row := tx.one("compared_kind_next", {"company": company, "after": after})) and row["kind"] is not None:
        yield (after := str(row["kind"]))


def ask(tx: Tx, company: str, first_on: date, last_on: date, kinds: Sequence[str], actor: str, at: str) -> int:
    """File a request, in place of an earlier one without an answer; the next session answers it. Returns its number."""
    for row in tx.rows("lists_of", {"company": company}):
        if row["list"] in _NAMED:
            lists.expire(tx, company, row["list"])
    number = spans.ask(tx, company, (first_on, last_on), kinds, actor, at)
    detail = {"span": number, "from": first_on.isoformat(), "to": last_on.isoformat(), "kinds": list(kinds)}
    journal.append(tx, company, at, actor, [journal.Entry("compare", detail=detail)])
    return number


@dataclass(frozen=True, slots=True)
class Spans:
    """The requests to compare, as a polled connector answers them. `at` is the time now as UTC text."""

    tx: Tx
    at: str
    actor: str

    def wanted(self, company: str) -> Span | None:
        """The request that waits to be answered."""
        row = spans.asked(self.tx, company)
        return spans.span_of(row) if row is not None else None

    def store(self, company: str, span: int, figures: Sequence[Figures]) -> None:
        """Keep what the target holds of the span."""
        row = spans.asked(self.tx, company)
        if row is not None and row["id"] == span:  # a person may have asked anew meanwhile
            spans.put(self.tx, company, self.at, span, figures)

    def finish(self, company: str, span: int, problem: str = "") -> None:
        """Everything was told, or could not be: then nothing of it counts."""
        if spans.finish(self.tx, company, self.at, span, problem):
            detail = {"span": span, **({"problem": problem} if problem else {})}
            entry = journal.Entry("compared", detail=detail)
            journal.append(self.tx, company, self.at, self.actor, [entry])
