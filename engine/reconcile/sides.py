"""The two sides that are ours: what we wrote of a record, and what its source says now, as figures with names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal
from typing import Any

from engine import pipeline, registry, told, undo
from engine.clock import SystemIds
from engine.dataclass import dataclass
from engine.errors import ExpressionError, RenderError
from engine.evidence import Countable, Figures
from engine.lookups import Resolver
from engine.mapping.support import truthy
from engine.program import FlowProgram, StreamProgram
from engine.qbxml import freeze_request
from engine.store import companies, holdings, lists, outbox, records
from engine.store.base import Row, Tx
from engine.store.holdings import Accepted

# The account of what cannot be written as it is now.
UNKNOWN_ACCOUNT = "(not known)"
_PAGE = 500
_PARTIES = ("Vendor", "Customer", "Employee")


@dataclass(frozen=True, slots=True)
class Ours:
    """A record that was posted, as both of our sides see it.

    `journal` is what was written before the books were read, `newer` what was written after it. `since` says that the
    object itself was made after it. `change` is the newest change record. `unclear` says why `source` is less than exact,
    `unwanted` why the flow would not take the record any more: then the source holds nothing of it.
    """

    record: Row
    target_id: str
    kind: str
    differences: tuple[str, ...]
    accepted: Accepted | None
    journal: Figures
    source: Figures
    newer: Figures | None = None
    since: bool = False
    changed: bool = False
    change: Row | None = None
    unclear: str = ""
    unwanted: str = ""

    @property
    def voided(self) -> bool:
        """Whether it was posted and then voided because the source said so."""
        return records.is_voided(self.record)


def countable(tx: Tx, company: str) -> Countable | None:
    """The polled connector of the company that says what its requests mean in money."""
    for row in companies.connections(tx, company):
        found = registry.find(row["connector"])
        if found is not None and found.spec.delivery == "pull" and isinstance(found, Countable):
            return found
    return None


@dataclass(slots=True)
class Names:
    """Full names for ListIDs, from the cached lists; what no list knows stays as it is."""

    tx: Tx
    company: str
    _known: dict[tuple[str, str], str] = field(default_factory=dict)

    def named(self, figures: Figures) -> Figures:
        """The same with full names."""
        shares: dict[str, Decimal] = {}
        for account, amount in figures.accounts:
            name = self._name(("Account",), account)
            shares[name] = shares.get(name, Decimal(0)) + amount
        party = self._name(_PARTIES, figures.party)
        return replace(figures, party=party, accounts=tuple((n, a) for n, a in shares.items() if a))

    def _name(self, where: Sequence[str], text: str) -> str:
        if not text:
            return ""
        key = (where[0], text)
        if key not in self._known:
            by_id = (lists.by_id(self.tx, self.company, name, text) for name in where)
            named = (lists.named(self.tx, self.company, name, text) for name in where)
            found = next((item for several in (by_id, named) for item in several if item is not None), None)
            self._known[key] = found.full_name if found is not None else text
        return self._known[key]


@dataclass(slots=True)
class Written:
    """Figures of what was written, operation by operation."""

    tx: Tx
    connector: Countable

    def chain(self, operation: Row) -> list[tuple[Row, Figures]]:
        """The operations that made the object what it is, the first one first; a modify is laid over what it changed."""
        steps = [operation]
        while steps[0]["base_id"]:
            base = self.tx.one("compared_operation", {"id": steps[0]["base_id"]})
            if base is None:
                break
            steps.insert(0, base)
        found: list[tuple[Row, Figures]] = []
        for step in steps:
            figures = self.connector.figures(step["request"], outbox.whole(step))
            found.append((step, _over(found[-1][1], figures) if found else figures))
        return found


def nothing(figures: Figures) -> Figures:
    """The same object once it is voided."""
    return replace(figures, total=Decimal("0.00"), accounts=())


def _over(base: Figures, change: Figures) -> Figures:
    """What a modify makes of an object: what it does not tell stays; a void leaves nothing of its money."""
    if change.voids:
        return nothing(base)
    told = bool(change.accounts or change.total)
    return replace(
        base,
        target_id=change.target_id or base.target_id,
        party=change.party or base.party,
        reference=change.reference or base.reference,
        dated_on=change.dated_on or base.dated_on,
        total=change.total if told else base.total,
        accounts=change.accounts if told else base.accounts,
    )


@dataclass(slots=True)
class Sources:
    """What source data would be written as now; nothing is frozen or kept."""

    tx: Tx
    company: str
    programs: Mapping[str, FlowProgram]
    connector: Countable
    _desks: dict[str, pipeline.Desk] = field(default_factory=dict)

    def now(self, record: Row, data: Mapping[str, Any], kind: str) -> tuple[Figures, str]:
        """Figures, and why they are no more than the record's own amount and party, where that is so."""
        program = self.programs.get(record["flow"])
        found = next((s for s in program.streams if s.stream.name == record["stream"]), None) if program else None
        if program is None or found is None:
            return _own(record, kind), f"the flow `{record['flow']}` is not here to say what it would write"
        desk = self._desk(program)
        if undo.says_undone(desk.resolver, desk.settings, found, data):
            return nothing(self._told(found, desk, record, data, kind)), ""
        try:
            return self._rendered(found, desk, record, data), ""
        except (ExpressionError, RenderError) as error:
            return self._told(found, desk, record, data, kind), str(error)

    def unwanted(self, record: Row, data: Mapping[str, Any]) -> str:
        """Why the flow would not take what is posted any more, as when its source has archived it; empty where it would."""
        program = self.programs.get(record["flow"])
        found = next((s for s in program.streams if s.stream.name == record["stream"]), None) if program else None
        if program is None or found is None:
            return ""
        try:
            failing = found.still(data, pipeline.context_of(found, self._desk(program), data))
        except ExpressionError:
            return ""  # the look at the change says it
        return found.still_says[failing] if failing >= 0 else ""

    def payload(self, record: Row) -> Mapping[str, Any]:
        """The source data that a record was posted from."""
        row = self.tx.one("record_get", {"id": record["id"]})
        found: Mapping[str, Any] = json.loads(row["payload"]) if row is not None else {}
        return found

    def _rendered(self, stream: StreamProgram, desk: pipeline.Desk, record: Row, data: Mapping[str, Any]) -> Figures:
        context = pipeline.context_of(stream, desk, data)
        mapped = stream.map(data, context)
        failing = stream.check(mapped, context)
        chosen = next((v for v in stream.variants if v.when is None or truthy(v.when(mapped, context))), None)
        if context.missing:
            raise ExpressionError("; ".join(reason.message for reason in context.missing))
        if failing >= 0:
            raise ExpressionError(stream.check_says[failing])
        if chosen is None or chosen.template is None:
            raise ExpressionError("no way of writing fits this record")
        phase = stream.stream.phase
        guid = pipeline.guid_of(self.company, record["flow"], record["stream"], record["source_id"], phase)
        text = chosen.template.render({**mapped, "request_id": "0", "guid": guid})
        return self.connector.figures(chosen.request, freeze_request(chosen.request, text))

    def _told(
        self, stream: StreamProgram, desk: pipeline.Desk, record: Row, data: Mapping[str, Any], kind: str
    ) -> Figures:
        try:
            intake = pipeline.take_in(stream, desk, data)
        except ExpressionError:
            return _own(record, kind)
        told = {
            "amount": intake.amount,
            "party": intake.party,
            "reference": intake.reference,
            "dated_on": intake.dated_on,
        }
        return _own(told, kind)

    def _desk(self, program: FlowProgram) -> pipeline.Desk:
        name = program.flow.name
        if name not in self._desks:
            settings = told.values(self.tx, self.company, program)
            resolver = Resolver(self.tx, self.company, program.flow, {})
            self._desks[name] = pipeline.Desk(self.company, program, settings, resolver, SystemIds(), freeze_request)
        return self._desks[name]


def _own(record: Mapping[str, Any], kind: str) -> Figures:
    """A record's own amount and party; what it is coded to is not known."""
    total = Decimal(record["amount"] or 0)
    shares = ((UNKNOWN_ACCOUNT, total),) if total else ()
    reference, dated_on = record["reference"] or "", (record["dated_on"] or "")[:10]
    return Figures(kind, "", "", record["party"] or "", reference, dated_on, total, shares)


def ours(
    tx: Tx,
    company: str,
    programs: Mapping[str, FlowProgram],
    connector: Countable,
    answer: tuple[str, frozenset[str]],
) -> Iterator[Ours]:
    """Every record whose object should be in the target. `answer`: when the books were read, and for which kinds."""
    read_at, kinds = answer
    changes = {_base(row): row for row in tx.rows("compared_changes", {"company": company})}
    written, sources = Written(tx, connector), Sources(tx, company, programs, connector)
    after = 0
    while rows := tx.rows("compared_records", {"company": company, "after": after, "limit": _PAGE}):
        after = rows[-1]["seq"]
        for row in rows:
            if row["kind"] not in kinds:
                continue
            place = (row["flow"], row["stream"], row["source_id"], row["phase"])
            yield _ours(row, changes.get(place), written, sources, read_at)


def _base(change: Row) -> tuple[str, str, str, str]:
    """The place of the record that a change record changes."""
    return change["flow"], change["stream"], change["source_id"], change["phase"].partition("+")[0]


def _ours(row: Row, change: Row | None, written: Written, sources: Sources, read_at: str) -> Ours:
    chain = written.chain(row) if row["operation"] else []
    before = [figures for step, figures in chain if not (step["settled_at"] and step["settled_at"] > read_at)]
    if chain:
        newest, unclear = chain[-1][1], ""
    else:
        # It was found there: what was written is not known here, so it counts as what would be written of it.
        newest, unclear = sources.now(row, sources.payload(row), row["kind"])
        if records.is_voided(row):
            newest = nothing(newest)
    source, changed, unwanted = newest, bool(row["newest"] or row["drifted"]), ""
    if row["newest"]:
        said = json.loads(row["newest"])
        source, unclear = sources.now(row, said, row["kind"])
        unwanted = sources.unwanted(row, said)
        if unwanted:
            source, unclear = nothing(newest), ""
    elif changed:
        unclear = "what it says now was not kept; the next run reads it again"
    journal = before[-1] if before else newest
    return Ours(
        row,
        row["target_id"],
        row["kind"],
        holdings.differences(row),
        holdings.accepted(row),
        journal,
        source,
        newest if before and len(before) < len(chain) else None,
        bool(chain) and not before,
        changed,
        change,
        unclear,
        unwanted,
    )


def left_out(item: Ours) -> bool:
    """Whether a person has left out the change that the source wants."""
    change = item.change
    if change is None or change["state"] != "skipped":
        return False
    return any(reason.code == "left_out" for reason in records.load_reasons(change))


def becomes(item: Ours, where: str) -> tuple[str, str]:
    """What becomes of a change in the source, and what a person should do; `where` names the company to a command."""
    change = item.change
    if left_out(item) and not item.unwanted:
        return "a person left the change out", "nothing: what is in QuickBooks stands"
    if change is None or change["state"] in ("posted", "closed", "skipped", "vanished"):
        if item.unwanted:
            return (
                f"{item.unwanted}, and the flow does not take it back",
                "when it is not to be in QuickBooks, void or delete it there by hand; else correct it in the source",
            )
        return "the flow does not send changes of it", "correct the entry in QuickBooks by hand"
    if change["state"] in ("pending", "intended", "sent"):
        return "the next session changes it there", "nothing: it follows by itself"
    reasons = records.load_reasons(change)
    said = "; ".join(reason.message for reason in reasons) or "its outcome is not known"
    hints = "; ".join(dict.fromkeys(reason.hint for reason in reasons if reason.hint))
    return f"the change is {change['state']}: {said}", hints or f"run `flowctl retry {change['id']}{where}`"
