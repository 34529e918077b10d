"""Asks the target what it holds of a span of days, and keeps what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from engine import registry
from engine.dataclass import dataclass
from engine.evidence import Figures, Span
from engine.program import FlowProgram
from engine.qbxml.queries import TXN_KINDS
from engine.store import companies, journal, lists, spans
from engine.store.base import Tx

# Parties and accounts are told by ListID; their names are read anew just before, in the same session.
_NAMED = ("Account", "Vendor", "Customer", "Employee")


def kinds_of(tx: Tx, company: str, programs: Mapping[str, FlowProgram]) -> tuple[str, ...]:
    """What the company's flows write over a polled connection, and what was ever written, as far as it has money."""
    made = {row["connection"]: registry.find(row["connector"]) for row in companies.connections(tx, company)}
    polled = {name for name, found in made.items() if found is not None and found.spec.delivery == "pull"}
    written = {row["kind"] for row in tx.rows("compared_kinds", {"company": company})}
    for program in programs.values():
        if set(made).issuperset(c.name for c in program.flow.connections):
            streams = (compiled.stream for compiled in program.streams if compiled.stream.target in polled)
            written.update(variant.request.removesuffix("Add") for stream in streams for variant in stream.variants)
    return tuple(sorted(written & TXN_KINDS))


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
