"""Parked records by what they have in common, with how many and how much money; read a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from decimal import Decimal

from engine import money
from engine.dataclass import dataclass
from engine.follow import QUIET
from engine.operator import resting
from engine.store import browse, records
from engine.store.base import Row, Store
from engine.store.records import Reason
from engine.titles import called

_PAGE = 250
# More different things than this missing of one lookup are told as one.
_MOST_OF_A_LOOKUP = 25
_EXAMPLES = 3
_REMEMBERED = 2000


@dataclass(slots=True)
class Group:
    """Records of one stream that are parked for one reason; `lookup`, `key` and `label` are those of a missing mapping."""

    flow: str
    stream: str
    state: str
    code: str
    reason: Reason
    lookup: str = ""
    key: str = ""
    label: str = ""
    count: int = 0
    money: dict[str, Decimal] = field(default_factory=dict)
    # The time at which the one that waits longest came to be so.
    since_at: str = ""
    examples: list[str] = field(default_factory=list)
    # How many things are missing.
    things: int = 1

    def add(self, row: Row, reason: Reason) -> None:
        """Count a record; of what its reason says to do, that remains which is said of all."""
        self.count += 1
        if reason.hint != self.reason.hint:
            self.reason = replace(self.reason, hint=_common(self.reason.hint, reason.hint))
        if row["amount"] is not None:
            currency = row["currency"] or ""
            self.money[currency] = money.EXACT.add(self.money.get(currency, money.ZERO), Decimal(row["amount"]))
        self.since_at = min(self.since_at or row["updated_at"], row["updated_at"])
        if len(self.examples) < _EXAMPLES:
            self.examples.append(called(row))

    def join(self, other: Group) -> None:
        """Count the records of another group here."""
        self.count += other.count
        for currency, amount in other.money.items():
            self.money[currency] = money.EXACT.add(self.money.get(currency, money.ZERO), amount)
        self.since_at = min(self.since_at, other.since_at)
        self.things += other.things


def _common(hint: str, other: str) -> str:
    """The parts at the end of both hints; the first one itself where they have none in common."""
    parts = hint.split("; ")
    for begin in range(1, len(parts)):
        if other.endswith(end := "; ".join(parts[begin:])):
            return end
    return hint


def groups(store: Store, company: str, state: str) -> list[Group]:
    """The records of a state, grouped; no transaction is longer than a page, for others wait for it."""
    return _groups(store, company, state, "alert_records_in")


def woken(store: Store, company: str) -> list[Group]:
    """What records had waited for that are pending again and not prepared yet; they may wait for it once more."""
    return _groups(store, company, "deferred", "alert_records_woken")


def _groups(store: Store, company: str, state: str, query: str) -> list[Group]:
    found: dict[tuple[str, ...], Group] = {}
    known: dict[str, tuple[Reason, ...]] = {}
    with store.read(company) as tx:
        # What waits for a flow that is off rests: nobody need hear of it.
        off = resting.off(tx, company) if state in resting.STATES else frozenset[str]()
        places = [place for place in browse.places(tx, company) if place[0] not in off]
    for flow, stream in places:
        for row in _rows(store, {"company": company, "flow": flow, "stream": stream}, state, query):
            text = row["reasons"]
            if text not in known:
                if len(known) >= _REMEMBERED:
                    known.clear()
                known[text] = records.load_reasons(row)
            for name, reason in _named(row, known[text], state):
                group = found.get(name)
                if group is None:
                    group = found[name] = _new(row, state, reason)
                group.add(row, reason)
    return sorted(_joined(found.values()), key=lambda group: (-group.count, group.flow, group.stream, group.key))


def wait_on(before: Iterable[Group], now: Iterable[Group]) -> None:
    """What was tried again between two looks, and is where it was, has waited all the time."""
    since = {_name(group): group.since_at for group in before}
    for group in now:
        group.since_at = min(group.since_at, since.get(_name(group), group.since_at))


def _name(group: Group) -> tuple[str, ...]:
    return group.flow, "" if group.lookup else group.stream, group.code, group.lookup, group.key


def _rows(store: Store, place: Mapping[str, str], state: str, query: str) -> Iterator[Row]:
    scope = {**place, "state": state, "limit": _PAGE}
    after = -1
    while True:
        with store.read(place["company"]) as tx:
            rows = tx.rows(query, {**scope, "after": after})
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1]["id"]


def _named(row: Row, reasons: Iterable[Reason], state: str) -> Iterator[tuple[tuple[str, ...], Reason]]:
    """What the record is counted under: each thing that it misses; those that pass by themselves are none."""
    loud = [reason for reason in reasons if reason.code not in QUIET]
    if state != "deferred":
        # Nobody wants to hear twice of a record that was refused for two reasons.
        reason = loud[0] if loud else Reason(state, "")
        yield (row["flow"], row["stream"], reason.code), reason
        return
    seen = set()
    for reason in loud:
        lookup, key, _ = mapping_of(reason)
        name = (row["flow"], "", lookup, key) if lookup else (row["flow"], row["stream"], reason.code)
        if name not in seen:
            seen.add(name)
            yield name, reason


def _new(row: Row, state: str, reason: Reason) -> Group:
    lookup, key, label = mapping_of(reason) if state == "deferred" else ("", "", "")
    return Group(row["flow"], row["stream"], state, reason.code, reason, lookup, key, label)


def mapping_of(reason: Reason) -> tuple[str, str, str]:
    """Lookup, key and label of the mapping that would help; empty texts when none would."""
    keys = [rest for kind, _, rest in (w.partition(":") for w in reason.waits_for) if kind == "mapping"]
    if reason.code not in ("unmapped", "ambiguous") or not keys:
        return "", "", ""
    lookup, _, key = keys[0].partition(":")
    return lookup, key, keys[-1].partition(":")[2]


def _joined(found: Iterable[Group]) -> Iterator[Group]:
    """Each group; those of a lookup that misses very many things as one."""
    lookups: dict[tuple[str, str], list[Group]] = {}
    for group in found:
        if group.lookup:
            lookups.setdefault((group.flow, group.lookup), []).append(group)
        else:
            yield group
    for many in lookups.values():
        if len(many) <= _MOST_OF_A_LOOKUP:
            yield from many
            continue
        first, *others = sorted(many, key=lambda group: (-group.count, group.key))
        names = [group.label or group.key for group in (first, *others[: _EXAMPLES - 1])]
        for group in others:
            first.join(group)
        first.examples, first.key, first.label = names, "", ""
        yield first


def sums(found: Iterable[Group]) -> Mapping[str, Decimal]:
    """The money of several groups, by currency."""
    made: dict[str, Decimal] = {}
    for group in found:
        for currency, amount in group.money.items():
            made[currency] = money.EXACT.add(made.get(currency, money.ZERO), amount)
    return made
