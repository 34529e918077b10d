"""The worklist of missing mappings: what is missed, by how many records and how much money, and what may be meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from hashlib import sha256

from engine import money
from engine.dataclass import dataclass
from engine.errors import FlowctlError, UnknownName
from engine.follow import Hand
from engine.jsontext import plain
from engine.model import Flow, Lookup
from engine.operator import resting, skipping, suggesting, targets
from engine.operator.suggesting import Known, Suggestion
from engine.operator.worklist import label_of, save_mapping
from engine.store import lists, missing, records
from engine.store.base import Row, Store, Tx
from engine.store.browse import lowered
from engine.store.missing import Missing
from engine.store.records import Reason

# Money is added up where at most so many records miss one thing, and for so many records of a page.
_SUMMED, _SUMMED_OF_PAGE = 2000, 10_000
# So many records are left out at once.
MOST_LEFT_OUT = 1000


class AlreadyMapped(FlowctlError):
    """Somebody else was faster."""

    def __init__(self, row: Row) -> None:
        super().__init__(
            f"`{row['label'] or row['source_key']}` means `{row['full_name']}` already, says {row['actor']}",
            hint="nothing waits for it any more; change it in the mapping tables if that is wrong",
        )


class NothingWaits(FlowctlError):
    """Nothing waits for that any more."""

    hint = "what people have mapped stands in the mapping tables"


class OtherNumber(FlowctlError):
    """Other records wait for it now than when somebody agreed."""

    def __init__(self, count: int) -> None:
        waits = "one record waits" if count == 1 else f"{count:,} records wait"
        super().__init__(f"nothing was left out: {waits} for it now", hint="look again, and agree anew")


class OtherRecords(FlowctlError):
    """As many records wait for it as when somebody agreed, but not the same, or not as they were."""

    hint = "look again, and agree anew"

    def __init__(self) -> None:
        super().__init__("nothing was left out: what waits for it has changed since this was shown")


class TooManyAtOnce(FlowctlError):
    """So many records are not left out at once."""

    hint = "leave them out one by one, or say what they mean"


@dataclass(frozen=True, slots=True)
class Where:
    """Whose worklist: the company, and the flows that are served, as the company runs them."""

    store: Store = field(repr=False)
    company: str
    flows: Mapping[str, Flow]
    # Whether a lookup matches records with single objects; to find out takes a walk through the flow.
    _matched: dict[tuple[str, str], bool] = field(default_factory=dict, repr=False, compare=False)

    def is_matched(self, flow: Flow, entry: Lookup) -> bool:
        """Whether records of the flow are matched with the objects of this lookup's list."""
        place = (flow.name, entry.name)
        if place not in self._matched:
            self._matched[place] = targets.is_matched(flow, entry)
        return self._matched[place]

    def lookup(self, flow: str, lookup: str) -> tuple[Flow, Lookup]:
        """The flow, and the lookup of that name.

        Raises:
            UnknownName: when there is none.
        """
        found = self.flows.get(flow)
        if found is None:
            raise UnknownName("flow", flow, tuple(self.flows))
        entry = found.lookup(lookup)
        if entry is None:
            raise UnknownName("lookup", lookup, tuple(each.name for each in found.lookups))
        return found, entry


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: the gaps of a flow, of a lookup of it, whose value holds a text; empty for all."""

    flow: str = ""
    lookup: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """A value that is not mapped. `rows` are the first of the records that wait, without their payloads.

    `money` by currency is None where too many wait to add up at once. `entry` is None where no flow that is served has
    the lookup. `is_matched`: records are matched with single objects, which an id alone can name.
    """

    it: Missing
    rows: tuple[Row, ...]
    money: Mapping[str, Decimal] | None = None
    reason: Reason | None = None
    entry: Lookup | None = None
    known: Known = field(default_factory=lambda: Known(is_read=False), repr=False)
    is_matched: bool = False
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def label(self) -> str:
        """What people call the value."""
        return self.it.label or self.it.key

    @property
    def since(self) -> str:
        """When the oldest record that waits was first read."""
        return str(self.rows[0]["created_at"]) if self.rows else ""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of gaps, the most waited for first, `total` of them in all; `places` are the flows and lookups that have any."""

    gaps: tuple[Gap, ...]
    total: int
    places: tuple[tuple[str, str], ...]
    # How many values of each flow that is off are missing; they are shown where that flow is asked for.
    resting: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved:
    """What saving a mapping came to; `verified` is False when the list was never read, `woken` records go on."""

    full_name: str
    verified: bool
    woken: int


def page(tx: Tx, where: Where, wanted: Wanted, part: tuple[int, int]) -> Found:
    """A page of what is missed; `part` is how many gaps come before it, and its size."""
    every = missing.groups(tx, where.company)
    places = tuple(sorted({(each.flow, each.lookup) for each in every}))
    off = resting.off(tx, where.company) - {wanted.flow}
    rest = {flow: sum(each.flow == flow for each in every) for flow in sorted(off)}
    every = [each for each in every if each.flow not in off]
    text = lowered(wanted.text)
    fitting = [
        each
        for each in every
        if wanted.flow in ("", each.flow)
        and wanted.lookup in ("", each.lookup)
        and (not text or text in lowered(f"{each.label}\n{each.key}"))
    ]
    behind, size = part
    left = _SUMMED_OF_PAGE
    gaps = []
    for it in fitting[behind : behind + size]:
        summed = it.count <= min(_SUMMED, left)
        left -= it.count if summed else 0
        gaps.append(_gap(tx, where, it, 3, summed=summed))
    return Found(tuple(gaps), len(fitting), places, {flow: count for flow, count in rest.items() if count})


def one(tx: Tx, where: Where, wanted: tuple[str, str, str], part: tuple[int, int]) -> Gap | None:
    """A gap by flow, lookup and key, with records behind a number; `part` is that, and how many. None when there is none."""
    it = missing.group(tx, where.company, *wanted)
    if it is None:
        return None
    after, size = part
    return _gap(tx, where, it, size, summed=it.count <= _SUMMED_OF_PAGE, after=after)


def _gap(tx: Tx, where: Where, it: Missing, size: int, *, summed: bool, after: int = 0) -> Gap:
    rows = tuple(missing.records(tx, where.company, it, after, size))
    amounts = missing.amounts(tx, where.company, it, it.count) if summed else None
    asked = (reason for row in rows[:1] for reason in records.load_reasons(row))
    reason = next((each for each in asked if each.missing[:2] == (it.lookup, it.key)), None)
    flow = where.flows.get(it.flow)
    entry = flow.lookup(it.lookup) if flow is not None else None
    gap = Gap(it, rows, None if amounts is None else _sums(amounts), reason, entry)
    if flow is None or entry is None:
        return gap
    known, matched = suggesting.known(where.store, tx, where.company, flow, entry), where.is_matched(flow, entry)
    suggestions = () if matched else known.suggest(it.label, it.key)
    return Gap(it, rows, gap.money, reason, entry, known, matched, suggestions)


def _sums(amounts: Sequence[tuple[str, str]]) -> Mapping[str, Decimal]:
    by_currency: dict[str, list[Decimal]] = {}
    for currency, amount in amounts:
        by_currency.setdefault(currency, []).append(Decimal(amount))
    return {currency: money.total(parts) for currency, parts in sorted(by_currency.items())}


def fill(tx: Tx, hand: Hand, where: Where, wanted: tuple[str, str, str], target: str) -> Saved:
    """Map a value that is missed, by flow, lookup and key; the records that wait for it go on.

    Raises:
        AlreadyMapped, NothingWaits: when nothing misses it any more, since somebody has mapped it, or for another reason.
        UnknownName, UsageError: when there is no such lookup, or no such object.
    """
    flow, entry = where.lookup(*wanted[:2])
    if missing.group(tx, hand.company, *wanted) is None:
        scope = {"company": hand.company, "flow": flow.name, "lookup": entry.name, "source_key": wanted[2]}
        row = tx.one("mapping_get", scope)
        raise NothingWaits if row is None else AlreadyMapped(row)
    return put(tx, hand, flow, entry, (wanted[2], target, ""))


def mark_of(tx: Tx, company: str, it: Missing) -> str:
    """What tells the records that miss a value, as they are now, from any others: a digest of their newest journal lines."""
    ids = [int(row["id"]) for row in missing.records(tx, company, it, 0, MOST_LEFT_OUT)]
    lines = sorted((int(row["record_id"]), int(row["seq"])) for row in tx.rows("journal_last_of", {"ids": plain(ids)}))
    return sha256(plain(lines).encode()).hexdigest()


def leave_out(tx: Tx, hand: Hand, wanted: tuple[str, str, str], agreed: tuple[int, str], reason: str) -> int:
    """Leave out the records that miss a value, by flow, lookup and key; returns how many.

    `agreed` is how many somebody has agreed to, and their `mark_of`.

    Raises:
        NothingWaits, OtherNumber, OtherRecords: when these are not the records that somebody has agreed to.
        TooManyAtOnce: when they are more than are left out at once.
        ReasonMissing: without a reason.
    """
    it = missing.group(tx, hand.company, *wanted)
    if it is None:
        raise NothingWaits
    if it.count > MOST_LEFT_OUT:
        raise TooManyAtOnce
    if it.count != agreed[0]:
        raise OtherNumber(it.count)
    if mark_of(tx, hand.company, it) != agreed[1]:
        raise OtherRecords
    done = skipping.skip(tx, hand, missing.records(tx, hand.company, it, 0, MOST_LEFT_OUT), reason)
    return len(done.moved)


def put(tx: Tx, hand: Hand, flow: Flow, entry: Lookup, given: tuple[str, str, str]) -> Saved:
    """Say what a key means, by its full name or id there; `given` is key, target and label, which may be empty.

    Raises:
        UsageError: when the list was read and has no such object, several, or an inactive one.
    """
    key, name, label = given
    found = targets.find_target(tx, hand.company, flow, entry, name)
    label = label or label_of(tx, hand.company, flow.name, entry.name, key)
    row = lists.Mapping(flow.name, entry.name, key, found.full_name, found.list_id, label)
    return Saved(found.full_name, found.verified, save_mapping(tx, hand, flow, row))
