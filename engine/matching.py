"""Matches records with objects of a target's list, one record an object; and says what a record waits for meanwhile.

Nothing is guessed: an object that no person has named is taken only when it is the only one that fits and nobody has it.
"""

from __future__ import annotations

import json
import shlex
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from engine.contract import ListObject
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import ExpressionError
from engine.listsource import covers_days, kept_as
from engine.model import Flow, Lookup
from engine.money import parse_money
from engine.store import claims, lists, records
from engine.store.base import Row, Tx
from engine.store.claims import Claim
from engine.store.records import Reason

# What a person maps a key to that no object of the list is meant by.
NO_MATCH = "none"
# So many candidates are named to a person.
_SHOWN = 5
_IN_THE_TARGET = frozenset({"sent", "unknown", "posted", "closed"})

Object = Mapping[str, Any]
# By amount and folded currency: the day, the id, and the object as expressions see it; in the order of the days.
Index = Mapping[tuple[Decimal, str], list[tuple[int, str, Object]]]


@dataclass(frozen=True, slots=True)
class Owner:
    """The record for which is asked."""

    stream: str
    source_id: str

    def __str__(self) -> str:
        return f"{self.stream}/{self.source_id}"


@dataclass(frozen=True, slots=True)
class Matched:
    """What a match came to: an object, or why it is not certain; a `claim` is to be kept with the record's intent."""

    object: Object | None = None
    reason: Reason | None = None
    claim: Claim | None = None


@dataclass(slots=True)
class Matcher:
    """Matches the records of one company and flow. `today` is the date now in UTC, `YYYY-MM-DD`."""

    tx: Tx
    company: str
    flow: Flow
    today: str
    _indexes: dict[str, tuple[int | None, Index]] = field(default_factory=dict)
    _revisions: Mapping[str, int] = field(default_factory=dict)
    # By lookup, the name under which the store keeps its list.
    _kept: dict[str, str] = field(default_factory=dict)
    # By lookup and list id, who was matched with the object in this transaction; its claim is kept at the end.
    _taken: dict[tuple[str, str], Owner] = field(default_factory=dict)

    def at(self, tx: Tx, revision: lists.Revision) -> None:
        """Go on in another transaction; the index of a list stays as long as that list does."""
        self.tx = tx
        self._revisions = dict(revision)
        self._taken.clear()

    def candidates(self, name: str, amount: Decimal, currency: str, day: str, days: int) -> list[Object]:
        """The active objects with this amount and currency and a date at most so many days away, the nearest first."""
        listed = self._index(self._kept_as(self._lookup(name))).get((amount, currency.casefold()), [])
        around = date.fromisoformat(day).toordinal()
        found: list[tuple[int, str, Object]] = []
        for there, list_id, item in listed[bisect_left(listed, (around - days, "")) :]:
            if there > around + days:
                break
            found.append((abs(there - around), list_id, item))
        return [item for _, _, item in sorted(found, key=lambda each: each[:2])]

    def match(self, name: str, key: str, found: Sequence[Object], owner: Owner, since: str = "") -> Matched:
        """The object that is meant by a key of the source, among those that fit; they were looked for from `since` on."""
        record = self._record(owner)
        settled = claims.of_record(self.tx, record["id"], name) if record is not None else None
        if record is not None and (record["state"] in _IN_THE_TARGET or (settled and records.was_posted(record))):
            # What is written of it names this object; it has perhaps left the list by that.
            return Matched(json.loads(settled["object"]) if settled else None)
        lookup = self._lookup(name)
        mapping = {"company": self.company, "flow": self.flow.name, "lookup": name, "source_key": key}
        row = self.tx.one("mapping_get", mapping)
        if row is not None:
            return self._mapped(lookup, key, row, owner)
        fitting = {str(item.get("list_id", "")): item for item in found}
        held = {list_id: by for list_id in fitting if (by := self._holder(lookup, list_id, key, owner))}
        if not fitting:
            return Matched(None, self._beyond(lookup, key, since))
        if len(fitting) > 1 or held:
            return Matched(None, self._ambiguous(lookup, key, fitting, held))
        ((list_id, item),) = fitting.items()
        return Matched(item, None, Claim(name, list_id, item))

    def take(self, owner: Owner, taken: Iterable[Claim]) -> None:
        """Remember within this transaction what a record that is prepared was matched with."""
        for claim in taken:
            self._taken[claim.lookup, claim.list_id] = owner

    def give_back(self, taken: Iterable[Claim]) -> None:
        """Forget it: the record cannot be written after all."""
        for claim in taken:
            self._taken.pop((claim.lookup, claim.list_id), None)

    def waited(self, name: str, day: str, days: int, owner: Owner) -> Reason | None:
        """None once so many days have passed since the date, or the record is written; else until when it waits.

        The list must have been read since, too: one that is older says nothing of what came to the target meanwhile.
        """
        try:
            due = (date.fromisoformat(day) + timedelta(days=days)).isoformat()
        except OverflowError as error:
            raise ExpressionError(f"{days} days after {day} is no date") from error
        lookup = self._lookup(name)
        read_on = self._read_on(self._kept_as(lookup)) if self.today >= due else ""
        record = self._record(owner) if read_on < due else None
        if read_on >= due or (record is not None and record["state"] in _IN_THE_TARGET):
            return None
        message = f"nothing fits yet; it is written otherwise from {due}"
        if self.today >= due:
            when = f"was read on {read_on} last" if read_on else "was never read"
            message = (
                f"nothing fits yet, and the {lookup.list} list {when}; it is written otherwise once that is read again"
            )
        hint = f"it is looked at again each time the {lookup.list} list is read"
        return Reason("waiting", message, hint, (f"list:{self._kept_as(lookup)}",))

    def wanted(self, name: str, key: str, owner: Owner) -> bool:
        """Whether another record waits for this mapping, or the flow has made it already."""
        scope = {"company": self.company, "flow": self.flow.name}
        waits = {**scope, "wait_key": f"mapping:{name}:{key}", "stream": owner.stream, "source_id": owner.source_id}
        if self.tx.one("wait_exists", waits) is not None:
            return True
        row = self.tx.one("mapping_get", {**scope, "lookup": name, "source_key": key})
        if row is not None and row["origin"] != "person":
            return True
        record = self._record(owner)
        return record is not None and (record["state"] in _IN_THE_TARGET or records.was_posted(record))

    def _mapped(self, lookup: Lookup, key: str, row: Row, owner: Owner) -> Matched:
        """What a person said of the key."""
        if not row["list_id"] and row["full_name"].casefold() == NO_MATCH:
            return Matched()
        list_id = str(row["list_id"] or row["full_name"])
        found = lists.by_id(self.tx, self.company, self._kept_as(lookup), list_id)
        if found is None or not found.active:
            message = f"`{list_id}` was chosen for it, and is no longer in the {lookup.list} list"
            return Matched(None, self._reason(lookup, key, message))
        item = view(found)
        by = self._claimant(lookup, list_id, owner)
        if by:
            message = f"{_described(item)} was chosen for it, and {by} has it"
            return Matched(None, self._reason(lookup, key, message))
        return Matched(item, None, Claim(lookup.name, list_id, item))

    def _holder(self, lookup: Lookup, list_id: str, key: str, owner: Owner) -> str:
        """Who else has the object: the record that was matched with it, or the key that a person mapped to it."""
        by = self._claimant(lookup, list_id, owner)
        if by:
            return by
        scope = {"company": self.company, "flow": self.flow.name, "lookup": lookup.name}
        rows = self.tx.rows("mappings_to", {**scope, "list_id": list_id, "source_key": key})
        return min((str(row["source_key"]) for row in rows), default="")

    def _claimant(self, lookup: Lookup, list_id: str, owner: Owner) -> str:
        by = self._taken.get((lookup.name, list_id))
        row = claims.holder(self.tx, self.company, self.flow.name, lookup.name, list_id) if by is None else None
        if row is not None:
            by = Owner(row["stream"], row["source_id"])
        return "" if by is None or by == owner else str(by)

    def _ambiguous(self, lookup: Lookup, key: str, fitting: Mapping[str, Object], held: Mapping[str, str]) -> Reason:
        """Several fit, or the one that does is another record's."""
        shown = [
            _described(item) + (f", which {held[list_id]} has" if list_id in held else "")
            for list_id, item in list(fitting.items())[:_SHOWN]
        ]
        more = len(fitting) - len(shown)
        listed = "; ".join(shown) + (f"; and {more} more" if more else "")
        count = "one object" if len(fitting) == 1 else f"{len(fitting)} objects"
        fit = "fits" if len(fitting) == 1 else "fit"
        return self._reason(lookup, key, f"{count} of the {lookup.list} list {fit} {key}: {listed}")

    def _beyond(self, lookup: Lookup, key: str, since: str) -> Reason | None:
        """Nothing of the list fits, and what would may be older than what is listed: a person knows."""
        days = covers_days(self.flow, lookup) if since and self.today else 0
        # The day on which the list begins is listed in part.
        begins = (date.fromisoformat(self.today) - timedelta(days=days - 1)).isoformat() if days else ""
        if since >= begins:
            return None
        waits = self._reason(lookup, key, f"nothing fits in the {lookup.list} list, which is whole only since {begins}")
        none = shlex.join(["flowctl", "map", "set", self.flow.name, lookup.name, key, NO_MATCH])
        skip = shlex.join(["flowctl", "skip", key])
        of = of_company(self.company)
        return replace(waits, hint=f"when an older one is meant, run `{skip}{of}`; when none is, run `{none}{of}`")

    def _reason(self, lookup: Lookup, key: str, message: str) -> Reason:
        words = shlex.join(["flowctl", "map", "set", self.flow.name, lookup.name, key])
        hint = f"run `{words} ID-OR-none{of_company(self.company)}`"
        return Reason("ambiguous", message, hint, (f"mapping:{lookup.name}:{key}", f"list:{self._kept_as(lookup)}"))

    def _kept_as(self, lookup: Lookup) -> str:
        """The name under which the store keeps the list."""
        known = self._kept.get(lookup.name)
        if known is None:
            known = self._kept[lookup.name] = kept_as(self.flow, lookup)
        return known

    def _lookup(self, name: str) -> Lookup:
        lookup = self.flow.lookup(name)
        assert lookup is not None, name
        return lookup

    def _record(self, owner: Owner) -> Row | None:
        scope = {"company": self.company, "flow": self.flow.name, **_key(owner)}
        rows = self.tx.rows("record_find_any_phase", scope)
        return rows[0] if rows else None

    def _read_on(self, name: str) -> str:
        """The day, in UTC, on which a list was read completely; empty when it never was, or when a clock was ahead then."""
        row = self.tx.one("list_get", {"company": self.company, "list": name})
        read_on = str(row["loaded_at"] or "")[:10] if row is not None else ""
        return read_on if read_on <= self.today else ""

    def _index(self, name: str) -> Index:
        """The list by amount and currency, made once for each of its revisions."""
        revision = self._revisions.get(name)
        known = self._indexes.get(name)
        if known is None or known[0] != revision:
            known = self._indexes[name] = (revision, _indexed(lists.objects(self.tx, self.company, name)))
        return known[1]


def earlier(day: str, days: int) -> str:
    """The day so many days before, or the first one that there is."""
    return date.fromordinal(max(date.fromisoformat(day).toordinal() - days, 1)).isoformat()


def view(found: ListObject) -> Object:
    """An object as expressions and templates see it."""
    return {**found.data, "list_id": found.list_id, "full_name": found.full_name, "number": found.number}


def _key(owner: Owner) -> dict[str, str]:
    return {"stream": owner.stream, "source_id": owner.source_id}


def _indexed(objects: Iterable[ListObject]) -> Index:
    """The active objects that have an amount, a currency and a date; the others fit nothing.

    One that was paid in another currency than it is booked in has both amounts, and either fits.
    """
    found: dict[tuple[Decimal, str], list[tuple[int, str, Object]]] = {}
    for item in objects:
        day = item.data.get("date")
        if not item.active or not isinstance(day, str):
            continue
        try:
            dated = date.fromisoformat(day[:10]).toordinal()
        except ValueError:  # what a vendor says in another way than it promised
            continue
        for place in {place for which in ("", "other_") if (place := _place(item, which)) is not None}:
            found.setdefault(place, []).append((dated, item.list_id, view(item)))
    for listed in found.values():
        listed.sort(key=lambda each: each[:2])
    return found


def _place(item: ListObject, which: str) -> tuple[Decimal, str] | None:
    """Where an amount of the object stands in the index; None where it has none that can be read."""
    currency = item.data.get(f"{which}currency")
    if not isinstance(currency, str):
        return None
    try:
        return parse_money(item.data.get(f"{which}amount")), currency.casefold()
    except ExpressionError:
        return None


def _described(item: Object) -> str:
    """A candidate for people: `Staples 2026-03-02 10.50 USD (t-1)`."""
    words = (item.get("full_name"), item.get("date"), item.get("amount"), item.get("currency"))
    return f"`{' '.join(str(word) for word in words if word)} ({item.get('list_id')})`"
