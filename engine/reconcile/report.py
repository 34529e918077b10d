"""The comparison itself: three sides of every record of a span, what differs and what to do, and sums that show it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal
from hashlib import sha256
from typing import Literal

from engine import holdings as looking
from engine import pipeline
from engine.clock import from_iso
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.evidence import Figures, Span, plain_guid
from engine.jsontext import plain
from engine.money import ZERO
from engine.operator import worklist
from engine.program import FlowProgram
from engine.reconcile import sides
from engine.reconcile.sides import Names, Ours
from engine.store import companies, holdings, spans
from engine.store.base import Row, Tx
from engine.store.holdings import Accepted

Code = Literal["missing", "edited", "changed", "twice", "unknown_there", "stranger", "settled", "noted", "accepted"]
TABLES = ("party", "account", "month", "kind")
# What is told beside the differences: both sides agree in money, or a person has made them agree.
_NOTES = frozenset({"settled", "noted", "accepted"})
_NONE = Decimal("0.00")
_NO_NAME = "(none)"
_ACCEPTED = "nothing: a person has accepted it as it is"
_PLACE = ("flow", "stream", "source_id")


@dataclass(frozen=True, slots=True)
class Difference:
    """One record, or one object of the target, that is not the same on all sides; None where a side has nothing."""

    code: Code
    what: str
    do: str
    kind: str = ""
    flow: str = ""
    stream: str = ""
    source_id: str = ""
    record: int | None = None
    target_id: str = ""
    number: str = ""
    party: str = ""
    currency: str = ""
    source: Decimal | None = None
    journal: Decimal | None = None
    books: Decimal | None = None
    # What a person has decided about it since the report was made, and who: `accepted as it is, by cli:pat`.
    decided: str = ""

    @property
    def is_note(self) -> bool:
        """Whether it is worth knowing and no reason to doubt the sums."""
        return self.code in _NOTES or bool(self.decided)


@dataclass(frozen=True, slots=True)
class Line:
    """Sums of one name in one currency."""

    name: str
    currency: str
    source: Decimal = ZERO
    journal: Decimal = ZERO
    books: Decimal = ZERO

    @property
    def difference(self) -> Decimal:
        """How much more the target holds than the source says."""
        return self.books - self.source

    @property
    def differs(self) -> bool:
        """Whether any two sides differ."""
        return not self.source == self.journal == self.books


@dataclass(frozen=True, slots=True)
class Unposted:
    """Records of the span that were not posted yet, of one stream in one state."""

    flow: str
    stream: str
    state: str
    records: int
    money: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Report:
    """Both sides over a span. Without an answer of the target `span` is None, and only what is known without it is told.

    `compared` counts our records, `others` the objects of the target that are none of ours, `since` what was posted or
    changed there after it was read. `asked` is the request that waits, `problem` why a newer one could not be answered.
    `shown` is what the target shows of records that were edited there, by number, until a person accepts it. A report that
    was kept says in `made_at` (UTC text) when it was made, in `later` how many objects were written since, and whether
    it `is_current`: nothing at all has happened in the company since.
    """

    company: str
    span: Span | None = None
    read_at: str = ""
    asked: Span | None = None
    problem: str = ""
    halted: str = ""
    vanished: tuple[Row, ...] = ()
    differences: tuple[Difference, ...] = ()
    tables: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)
    totals: tuple[Line, ...] = ()
    unposted: tuple[Unposted, ...] = ()
    compared: int = 0
    others: int = 0
    since: int = 0
    shown: Mapping[int, Accepted] = field(default_factory=dict)
    made_at: str = ""
    later: int = 0
    is_current: bool = True

    @property
    def agrees(self) -> bool:
        """Whether both sides were compared, nothing differs, and nothing waits for a person's decision."""
        trouble = self.halted or self.vanished or any(not item.is_note for item in self.differences)
        return self.span is not None and not trouble


def report(tx: Tx, company: str, programs: Mapping[str, FlowProgram], span: int | None = None) -> Report:
    """Compare, as the target answered the newest request, or the request `span`. Reads the store, changes nothing.

    Raises:
        UnknownName: when there is no such company.
    """
    base, row = known(tx, company, span)
    connector = sides.countable(tx, company)
    if row is None or row["state"] != "done" or connector is None:
        return base
    elsewhere = frozenset(
        (program.flow.name, stream.stream.name)
        for program in programs.values()
        for stream in program.streams
        if not stream.is_polled
    )
    return _Comparison(tx, base, spans.span_of(row), row, elsewhere=elsewhere).run(sides.ours(
        tx, company, programs, connector, (spans.begun_at(tx, company, row), frozenset(json.loads(row["kinds"])))
    ))  # fmt: skip


def known(tx: Tx, company: str, span: int | None = None) -> tuple[Report, Row | None]:
    """What is known without comparing, and the request that is meant: the newest that was answered, or `span`.

    Raises:
        UnknownName: when there is no such company.
    """
    companies.require(tx, company)
    row = spans.newest(tx, company) if span is None else spans.get(tx, company, span)
    waits = spans.asked(tx, company)
    failed = spans.newest(tx, company, "failed")
    newer = failed is not None and (row is None or failed["id"] > row["id"])
    base = Report(
        company,
        asked=spans.span_of(waits) if waits is not None else None,
        problem=str(failed["problem"]) if failed is not None and newer else "",
        halted=looking.halted(tx, company) or "",
        vanished=tuple(worklist.parked(tx, company, "vanished")),
    )
    return base, row


@dataclass(slots=True)
class _Comparison:
    """The span under comparison, and what was found so far. What the streams `elsewhere` write is not for these books."""

    tx: Tx
    known: Report
    span: Span
    row: Row
    names: Names = field(init=False)
    differences: list[Difference] = field(default_factory=list)
    sums: dict[tuple[str, str, str], list[Decimal]] = field(default_factory=dict)
    currencies: dict[str, int] = field(default_factory=dict)
    compared: int = 0
    since: int = 0
    prints: dict[str, str] = field(default_factory=dict)
    shown: dict[int, Accepted] = field(default_factory=dict)
    elsewhere: frozenset[tuple[str, str]] = frozenset()

    def __post_init__(self) -> None:
        self.names = Names(self.tx, self.known.company)

    def run(self, ours: Iterable[Ours]) -> Report:
        """Compare everything."""
        told = spans.figures(self.tx, self.row["id"])
        self.prints = {item.target_id: _print_of(item) for item in told}
        books = {item.target_id: self.names.named(item) for item in told}
        found: set[str] = set()
        records: set[int] = set()
        for item in ours:
            there = books.get(item.target_id) if item.target_id not in found else None
            if item.record["id"] not in records:
                self._record(item, there)
            elif there is not None:
                self._unaccounted(there, item.record)
            records.add(item.record["id"])
            found.add(item.target_id)
        others = self._rest([item for target_id, item in books.items() if target_id not in found])
        tables = {name: self._lines(name) for name in TABLES}
        return Report(
            self.known.company,
            self.span,
            self.row["answered_at"],
            self.known.asked,
            self.known.problem,
            self.known.halted,
            self.known.vanished,
            tuple(sorted(self.differences, key=lambda d: (d.is_note, d.code, d.flow, d.stream, d.number, d.source_id))),
            tables,
            self._totals(tables["kind"]),
            self._unposted(),
            self.compared,
            others,
            self.since,
            self.shown,
        )

    # --- one record ----------------------------------------------------------------------------------------------------

    def _record(self, item: Ours, books: Figures | None) -> None:
        source, journal = self.names.named(item.source), self.names.named(item.journal)
        newer = self.names.named(item.newer) if item.newer is not None else None
        if newer is not None and books is not None and _same(newer, books):
            journal, newer = newer, None
        in_source, in_journal = self._within(source), self._within(journal)
        if (newer is not None or (item.since and books is None)) and (in_source or in_journal):
            self.since += 1  # the books were read before it was written, and cannot show it
            return
        if not (in_source or in_journal or books is not None):
            return
        self.compared += 1
        currency = str(item.record["currency"] or "")
        self.currencies[currency] = self.currencies.get(currency, 0) + 1
        for place, figures in enumerate((source if in_source else None, journal if in_journal else None, books)):
            if figures is not None:
                self._add(place, figures, currency, item.kind)
        base = self._difference(item, source if in_source else None, journal if in_journal else None, books, currency)
        self._differences(item, base, source, journal, books)

    def _differences(
        self, item: Ours, base: Difference, source: Figures, journal: Figures, books: Figures | None
    ) -> None:
        agreed = item.changed and not item.unclear and books is not None and _same(source, books)
        edited = books is not None and not _same(journal, books)
        if books is None and self._within(journal):
            self._found(base, "missing", *self._missing(item))
        elif edited and not agreed and books is not None:
            self._edited(item, base, journal, books)
        elif item.differences and not agreed:
            text = f"changed in QuickBooks, the figures are the same: {'; '.join(item.differences)}"
            if holdings.unaccepted(item.record, item.differences):
                do = f"nothing, if it is right: `flowctl reconcile --accept {self._named(item)}` says so"
                self._found(base, "noted", text, do)
            else:
                self._found(base, "accepted", text, _ACCEPTED)
        elif item.voided and not (item.changed or journal.total or (books is not None and books.total)):
            self._found(base, "noted", "it was voided in QuickBooks, as the source says", "nothing: it holds no money")
        if not item.changed or item.record["state"] == "vanished":
            return
        if agreed and edited:
            text = "the source changed after it was posted, and QuickBooks was corrected to the same figures"
            self._found(base, "settled", text, "nothing: both sides agree")
            return
        what = "; ".join(_changes(journal, source)) or "not its figures"
        if item.unclear:
            what = f"{what} (its accounts are not known: {item.unclear})" if item.record["newest"] else item.unclear
        becomes, do = sides.becomes(item, self._where())
        same = _same(journal, source) and not item.unclear
        code: Code = "noted" if same or (sides.left_out(item) and not item.unwanted) else "changed"
        self._found(base, code, f"the source changed after it was posted: {what}; {becomes}", do)

    def _edited(self, item: Ours, base: Difference, journal: Figures, books: Figures) -> None:
        """A person changed it there; perhaps that was accepted, as it is now."""
        what = _what_was_edited(journal, books)
        figures = self.prints[item.target_id]
        if item.accepted is not None and _is_accepted(item.accepted, figures, journal, books):
            self._found(base, "accepted", what, _ACCEPTED)
            return
        self.shown[item.record["id"]] = Accepted((), _there(journal, books), figures)
        do = (
            "put it back in QuickBooks, or correct the source to match, or accept it as it is with "
            f"`flowctl reconcile --accept {self._named(item)}`; flowctl never overwrites what a person entered there"
        )
        self._found(base, "edited", what, do)

    def _named(self, item: Ours) -> str:
        """A record as a command takes it."""
        return f"{shlex.quote(item.record['source_id'])}{self._where()}"

    def _where(self) -> str:
        return of_company(self.known.company)

    def _missing(self, item: Ours) -> tuple[str, str]:
        where = self._where()
        if item.record["state"] == "vanished":
            command = f"flowctl reconcile{where}"
            name = shlex.quote(item.record["source_id"])
            do = f"run `{command} --post-again {name}` or `{command} --leave-out {name}`"
            return "it was posted and is no longer in QuickBooks", do
        days = f"{self.span.first_on} to {self.span.last_on}"
        return (
            f"QuickBooks shows nothing of it from {days}: it was deleted there, or given another date",
            "a session looks for it by itself within the hour; what it found stands here when you ask again",
        )

    def _difference(
        self, item: Ours, source: Figures | None, journal: Figures | None, books: Figures | None, currency: str
    ) -> Difference:
        record = item.record
        shown = next((figures for figures in (journal, source, books) if figures is not None), item.journal)
        return Difference(
            "noted",
            "",
            "",
            item.kind,
            record["flow"],
            record["stream"],
            record["source_id"],
            record["id"],
            item.target_id,
            str(record["reference"] or shown.reference),
            shown.party or str(record["party"] or ""),
            currency,
            source=source.total if source is not None else None,
            journal=journal.total if journal is not None else None,
            books=books.total if books is not None else None,
        )

    def _found(self, base: Difference, code: Code, what: str, do: str) -> None:
        self.differences.append(replace(base, code=code, what=what, do=do))

    # --- what no record accounts for ---------------------------------------------------------------------------------------

    def _rest(self, rest: Sequence[Figures]) -> int:
        """Objects under none of our ids: those with a marker of ours are differences; returns how many have none."""
        marked = [item for item in rest if item.guid]
        places = self._places() if marked else {}
        others = 0
        for item in rest:
            record = places.get(item.guid) if item.guid else None
            if record is None and not _is_ours(item.guid):
                others += 1
                continue
            self._unaccounted(item, record)
        return others

    def _unaccounted(self, item: Figures, record: Row | None) -> None:
        """An object with a marker of ours, beside the one that its record is known to have made."""
        code, what, do = _unaccounted(record)
        currency = str(record["currency"] or "") if record is not None else self._usual_currency()
        self._add(2, item, currency, item.kind)
        flow, stream, source_id = (str(record[name]) if record is not None else "" for name in _PLACE)
        number = record["id"] if record is not None else None
        place = (item.kind, flow, stream, source_id, number, item.target_id)
        # What the books do not call by name, the record does.
        number_of, party = ("", "") if record is None else (str(record[name] or "") for name in ("reference", "party"))
        shown = (item.reference or number_of, item.party or party, currency)
        self.differences.append(Difference(code, what, do, *place, *shown, books=item.total))

    def _places(self) -> dict[str, Row]:
        """Every record by its marker."""
        company = self.known.company
        return {
            plain_guid(pipeline.guid_of(company, row["flow"], row["stream"], row["source_id"], row["phase"])): row
            for row in self.tx.rows("compared_places", {"company": company})
        }

    def _usual_currency(self) -> str:
        return max(self.currencies, key=lambda name: self.currencies[name], default="")

    # --- sums ----------------------------------------------------------------------------------------------------------

    def _within(self, figures: Figures) -> bool:
        return self.span.first_on.isoformat() <= figures.dated_on <= self.span.last_on.isoformat()

    def _add(self, place: int, figures: Figures, currency: str, kind: str) -> None:
        parts = [("party", figures.party, figures.total), ("month", figures.dated_on[:7], figures.total)]
        parts += [("kind", kind, figures.total), *(("account", name, amount) for name, amount in figures.accounts)]
        for table, name, amount in parts:
            key = (table, name or _NO_NAME, currency)
            self.sums.setdefault(key, [ZERO, ZERO, ZERO])[place] += amount

    def _lines(self, table: str) -> tuple[Line, ...]:
        found = ((key[1], key[2], amounts) for key, amounts in self.sums.items() if key[0] == table)
        return tuple(Line(name, currency, *amounts) for name, currency, amounts in sorted(found))

    @staticmethod
    def _totals(kinds: Sequence[Line]) -> tuple[Line, ...]:
        found: dict[str, list[Decimal]] = {}
        for line in kinds:
            sums = found.setdefault(line.currency, [ZERO, ZERO, ZERO])
            for place, amount in enumerate((line.source, line.journal, line.books)):
                sums[place] += amount
        return tuple(Line("", currency, *amounts) for currency, amounts in sorted(found.items()))

    def _unposted(self) -> tuple[Unposted, ...]:
        scope = {"company": self.known.company, "first_on": str(self.span.first_on), "last_on": str(self.span.last_on)}
        found: dict[tuple[str, str, str], list[tuple[str, Decimal | None]]] = {}
        for row in self.tx.rows("compared_unposted", scope):
            if (row["flow"], row["stream"]) in self.elsewhere:
                continue
            amount = Decimal(row["amount"]) if row["amount"] is not None else None
            found.setdefault((row["flow"], row["stream"], row["state"]), []).append((row["currency"] or "", amount))
        return tuple(Unposted(*place, len(rows), worklist.sums(rows)) for place, rows in sorted(found.items()))


def _same(one: Figures, other: Figures) -> bool:
    """Whether both say the same in money: number, day, party, total, and every account's share."""
    return not _changes(one, other)


def _changes(one: Figures, other: Figures) -> list[str]:
    """What `other` says otherwise, in words."""
    found = []
    if one.total != other.total:
        found.append(f"amount {one.total:,f} -> {other.total:,f}")
    shares, others = dict(one.accounts), dict(other.accounts)
    moved = [name for name in {**shares, **others} if shares.get(name, ZERO) != others.get(name, ZERO)]
    if sides.UNKNOWN_ACCOUNT in {**shares, **others}:
        moved = []
    found += [
        f"account {name or _NO_NAME} {shares.get(name, _NONE):,f} -> {others.get(name, _NONE):,f}" for name in moved
    ]
    # QuickBooks numbers what was given no number: a journal entry at once, a check when it is printed.
    number = one.reference and other.reference
    pairs = (
        ("party", one.party, other.party),
        ("date", one.dated_on, other.dated_on),
        ("number", one.reference, number),
    )
    return found + [
        f"{name} {a or _NO_NAME} -> {b or _NO_NAME}" for name, a, b in pairs if a.casefold() != b.casefold()
    ]


def _what_was_edited(journal: Figures, books: Figures) -> str:
    """What a person changed there."""
    told = "; ".join(_changes(journal, books))
    if journal.total and not books.total:
        told = f"{told} (voided?)"
    return f"edited in QuickBooks after it was posted: {told}"


def _there(journal: Figures, books: Figures) -> dict[str, str]:
    """What the books say otherwise, in the words and forms in which the look at our own writes says it."""
    pairs = {
        "amount": (f"{abs(journal.total):.2f}", f"{abs(books.total):.2f}"),
        "date": (journal.dated_on, books.dated_on),
        "number": (journal.reference, books.reference if journal.reference else ""),
        "party": (journal.party, books.party),
    }
    return {name: there for name, (here, there) in pairs.items() if there and here.casefold() != there.casefold()}


def _is_accepted(accepted: Accepted, figures: str, journal: Figures, books: Figures) -> bool:
    """Whether what the books show now is what a person has accepted."""
    if accepted.figures:
        return accepted.figures == figures
    # The books were not asked when it was accepted: then what was seen of it counts, and an amount with its accounts.
    there = _there(journal, books)
    return (
        bool(there)
        and all(
            any(text.replace("`", "").startswith(f"{name} {value} there, ") for text in accepted.differences)
            for name, value in there.items()
        )
        and ("amount" in there or dict(journal.accounts) == dict(books.accounts))
    )


def _print_of(figures: Figures) -> str:
    """The same text for the same figures; by ListID, so that a rename changes nothing."""
    shares = [[name, f"{amount:f}"] for name, amount in sorted(figures.accounts)]
    told = [figures.party, figures.reference, figures.dated_on, f"{figures.total:f}", shares]
    return sha256(plain(told).encode()).hexdigest()


def _unaccounted(record: Row | None) -> tuple[Code, str, str]:
    """An object with a marker of ours that is under none of our ids."""
    if record is None:
        return (
            "stranger",
            "it carries a marker like those of flowctl, and no record here has that marker",
            "see in QuickBooks where it comes from: another installation, another company here, or a store that was restored",
        )
    if record["state"] in ("posted", "closed", "vanished"):
        return (
            "twice",
            "it is in QuickBooks a second time under the marker of a record that is posted",
            "compare the two in QuickBooks and delete one of them there",
        )
    return (
        "unknown_there",
        f"it is in QuickBooks although its record is {record['state']}",
        "the next session recognises it before anything is sent; a record that was left out on purpose stays so",
    )


def _is_ours(guid: str) -> bool:
    """Markers are version 5 UUIDs, which nobody else is likely to put there."""
    return len(guid) == 36 and guid[14] == "5"


def as_of(at: str) -> str:
    """A moment, UTC text, for people: `2026-03-02 09:30 UTC`."""
    return from_iso(at).strftime("%Y-%m-%d %H:%M UTC") if at else ""
