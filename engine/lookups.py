"""From a source value to an object of the target's list: a person's mapping first, then the flow's own rules."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from engine.contract import ListObject
from engine.dataclass import dataclass
from engine.diagnostics import in_quotes, of_company
from engine.listsource import kept_as
from engine.matching import Matcher, view
from engine.model import Flow, Lookup, MatchRule
from engine.store import lists, records, unlisted
from engine.store.base import LONGEST_ID, Tx, is_too_long
from engine.store.records import Reason
from engine.titles import called

_CACHE_LIMIT = 20_000
# So many objects of one name are named to a person.
_SHOWN = 5
_ON_ITS_WAY = frozenset({"pending", "intended", "sent", "unknown"})


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup came to: an object, and by which rule of `match` it was found, or the reason why there is none."""

    object: Mapping[str, Any] | None
    reason: Reason | None = None
    rule: MatchRule | None = None

    @property
    def mapped(self) -> bool:
        """Whether a mapping means the object."""
        return self.rule == "mapped"


@dataclass(slots=True)
class Resolver:
    """Answers lookups of one company and flow from the store, and remembers the answers."""

    tx: Tx
    company: str
    flow: Flow
    titles: Mapping[str, str]
    # The date now in UTC; where it is not told, nobody has waited long enough.
    today: str = ""
    matcher: Matcher = field(init=False)
    _revision: lists.Revision = ()
    _remembered: dict[tuple[str, object, object, object], Found] = field(default_factory=dict)
    # The lists that were ever read; None while nobody has asked.
    _loaded: frozenset[str] | None = None
    _unresolved: dict[str, frozenset[str]] = field(default_factory=dict)
    # By lookup and ListID, the key that adopted the object in this transaction, whose mapping is written at its end.
    _adopted: dict[tuple[str, str], str] = field(default_factory=dict)
    # By lookup, the name under which the store keeps its list.
    _kept: dict[str, str] = field(default_factory=dict)

    def kept(self, lookup: Lookup) -> str:
        """The name under which the store keeps the list behind a lookup."""
        found = self._kept.get(lookup.name)
        if found is None:
            found = self._kept[lookup.name] = kept_as(self.flow, lookup)
        return found

    def __post_init__(self) -> None:
        self.matcher = Matcher(self.tx, self.company, self.flow, self.today)

    def list_loaded(self, name: str) -> bool:
        """Whether the list was ever read."""
        if self._loaded is None:
            self._loaded = lists.standing(self.tx, self.company)[1]
        return name in self._loaded

    def resolve(self, name: str, key: object, label: object, number: object) -> Found:
        """Look a source value up; `key` is its id, `label` what people call it, `number` an account number or the like."""
        question = (name, key, label, number)
        found = self._remembered.get(question)
        if found is None:
            lookup = self.flow.lookup(name)
            assert lookup is not None, name
            found = self._resolve(lookup, _text(key), _text(label), _text(number))
            # A gap is not remembered: it may close within the same run, when a record that fills it is prepared.
            if found.object is not None:
                if len(self._remembered) >= _CACHE_LIMIT:
                    self._remembered.clear()
                self._remembered[question] = found
        return found

    def linked(self, name: str, list_id: str) -> bool:
        """Whether a row of the lookup table means this object, or names it since its list was not read then."""
        lookup = self.flow.lookup(name)
        assert lookup is not None, name
        if lists.is_mapped(self.tx, self.company, self.flow.name, name, list_id):
            return True
        named = self._unresolved.get(name)
        if named is None:
            named = self._unresolved[name] = lists.unresolved(self.tx, self.company, self.flow.name, name)
        found = lists.by_id(self.tx, self.company, self.kept(lookup), list_id) if named else None
        return found is not None and not named.isdisjoint((found.full_name.casefold(), list_id.casefold()))

    def at(self, tx: Tx) -> Resolver:
        """Go on in another transaction; what is remembered stays as long as no list and no mapping has changed."""
        revision, self._loaded = lists.standing(tx, self.company)
        if revision != self._revision:
            self._remembered.clear()
            self._unresolved.clear()
            self._revision = revision
        self._adopted.clear()
        self.tx = tx
        self.matcher.at(tx, revision)
        return self

    def adopt(self, name: str, key: str, found: Mapping[str, Any]) -> Reason | None:
        """Take an object for a key that no mapping names; a reason when a run has taken it for another key already.

        Two records of one name are not known to be one: nobody may be paid in the place of the other.
        """
        list_id, full_name = str(found.get("list_id", "")), str(found.get("full_name", ""))
        scope = {
            "company": self.company, "flow": self.flow.name, "lookup": name, "list_id": list_id, "source_key": key,
        }  # fmt: skip
        # Put in order here: told to do so, SQLite would walk through all rows of the lookup, in the order of their keys.
        others = sorted(
            str(row["source_key"]) for row in self.tx.rows("mappings_to", scope) if row["origin"] != "person"
        )
        other = others[0] if others else self._adopted.setdefault((name, list_id), key)
        return None if other == key else self._taken(name, key, other, full_name)

    def disputed(self, name: str, key: object) -> Reason | None:
        """Why an object of the right name is not what a key means: its own record is being created, or waits for a person.

        Another record of the same name may have made the object a moment ago.
        """
        waits = (f"mapping:{name}:{_text(key)}",)
        for stream in self.flow.streams:
            if stream.provide and stream.provide.lookup == name:
                for row in self._rows_of(stream.name, _text(key)):
                    if row["state"] in _ON_ITS_WAY - {"pending"}:
                        shown = row["party"] or _text(key)
                        return Reason("not_posted", f"the {name} `{shown}` is being created", "", waits)
                    codes = {reason.code for reason in records.load_reasons(row)} if row["state"] == "deferred" else ()
                    if "name_taken" in codes:
                        shown = row["party"] or _text(key)
                        message = f"the {name} `{shown}` ({_text(key)}) waits for a person: another one has its name"
                        return Reason("not_posted", message, "it waits until that is decided", waits)
        return None

    def _taken(self, name: str, key: str, other: str, full_name: str) -> Reason:
        where = of_company(self.company)
        command = f"flowctl map set {self.flow.name} {name} {shlex.quote(key)}"
        return Reason(
            "name_taken",
            f"`{full_name}` stands for {other} already, and {key} has the same name",
            f"when both are the same, run `{command} {shlex.quote(full_name)}{where}`; "
            f"else add it there under another name, then run `{command} 'NAME THERE'{where}`",
            (f"mapping:{name}:{key}",),
        )

    def receipt(self, stream: str, key: object) -> tuple[Mapping[str, str] | None, Reason | None]:
        """The receipt of another stream's record, or why there is none yet."""
        if is_too_long(_text(key)):
            return None, _too_long(f"{stream}/{_text(key)[:40]}...")
        rows = self._rows_of(stream, _text(key))
        for row in rows:
            if row["state"] in ("posted", "closed") and records.is_voided(row):
                return None, self._voided(stream, row)
            if row["state"] in ("posted", "closed"):
                receipt: Mapping[str, str] = json.loads(row["receipt"] or "{}")
                return receipt, None
        wait = (f"posted:{stream}:{_text(key)}",)
        if not rows:
            return None, self._never_read(stream, _text(key), wait)
        state = rows[0]["state"]
        shown = called(rows[0])
        if state == "skipped":
            # It was left out on purpose, perhaps because another tool has posted it: waiting alone would help nobody.
            hint = f"post what follows from {shown} by hand in the target, and mark it there and in the source"
            return None, Reason("left_out", f"{stream}/{shown} was not posted from here", hint, wait)
        if state == "vanished":
            message = f"{stream}/{shown} was posted and is no longer in {self._title(stream)}"
            hint = f"{self._decide(rows[0])}; what waits for it follows by itself once it is posted again"
            return None, Reason("not_posted", message, hint, wait)
        return None, Reason("not_posted", f"{stream}/{shown} is {state}", "it waits until that record is posted", wait)

    def _never_read(self, stream: str, key: str, wait: tuple[str, ...]) -> Reason:
        """It may come with the next listing. Once a complete one has not shown it, a person must look for it."""
        message = f"{stream}/{key} was never read"
        if not unlisted.is_unlisted(self.tx, self.company, self.flow.name, stream, key):
            return Reason("not_posted", message, "it waits until that record is posted", wait)
        source = next((s.fetch.connection for s in self.flow.streams if s.name == stream), "the source")
        source = self.titles.get(source, source).partition(" (")[0]
        hint = (
            f"look for it in {source}; this one follows by itself once that one is listed there and posted; "
            "or enter both in the target by hand, then leave this one out with `flowctl skip`"
        )
        return Reason("never_read", f"{message}, and {source} does not list it", hint, wait)

    def _voided(self, stream: str, row: Mapping[str, Any]) -> Reason:
        """What was posted is there and holds no money: nothing can refer to it."""
        shown = called(row)
        message = f"{stream}/{shown} was posted and is {records.undone_word(row)} in {self._title(stream)}"
        hint = f"post what follows from {shown} by hand in the target, or correct it in the source"
        return Reason("voided", message, hint, (f"posted:{stream}:{row['source_id']}",))

    def _title(self, stream: str) -> str:
        """What people call the target of a stream."""
        name = next((s.target for s in self.flow.streams if s.name == stream and s.target), "the target")
        return self.titles.get(name, name).partition(" (")[0]

    def _decide(self, row: Mapping[str, Any]) -> str:
        """What to run about a record whose object was deleted in the target."""
        where = of_company(self.company)
        name = shlex.quote(row["source_id"])
        return (
            f"run `flowctl reconcile --post-again {name}{where}` to post it again, "
            f"or `flowctl reconcile --leave-out {name}{where}` to leave it out"
        )

    def _resolve(self, lookup: Lookup, key: str, label: str, number: str) -> Found:
        if not (key or label or number):
            return Found(None, Reason("uncoded", f"no {lookup.name} is given", f"code the {lookup.name} in the source"))
        if any(map(is_too_long, (key, label, number))):
            return Found(None, _too_long(f"the {lookup.name} `{(label or key)[:40]}...`"))
        for rule in lookup.match:
            found = self._match(rule, lookup, key, label, number)
            if found is not None:
                return Found(view(found), rule=rule)
        return Found(None, self._missing(lookup, key, label))

    def _match(self, rule: str, lookup: Lookup, key: str, label: str, number: str) -> ListObject | None:
        if rule == "mapped":
            return self._mapped(lookup, key) or (self._mapped(lookup, label) if label != key else None)
        found: ListObject | None = None
        if rule == "list_id" and key:
            found = lists.by_id(self.tx, self.company, self.kept(lookup), key)
        elif rule == "number" and number:
            found = lists.numbered(self.tx, self.company, self.kept(lookup), number)
        elif rule == "exact_name" and label:
            found = lists.named(self.tx, self.company, self.kept(lookup), label)
        return found if found is not None and found.active else None

    def _mapped(self, lookup: Lookup, key: str) -> ListObject | None:
        if not key:
            return None
        scope = {"company": self.company, "flow": self.flow.name, "lookup": lookup.name, "source_key": key}
        row = self.tx.one("mapping_to", scope)
        if row is None:
            return None
        if row["list_id"]:
            return lists.by_id(self.tx, self.company, self.kept(lookup), row["list_id"])
        return lists.named(self.tx, self.company, self.kept(lookup), row["full_name"])

    def _missing(self, lookup: Lookup, key: str, label: str) -> Reason:
        shown = label or key
        keys = (f"mapping:{lookup.name}:{k}" for k in dict.fromkeys((key, label)) if k)
        waits = (*keys, f"list:{self.kept(lookup)}")
        for stream in self.flow.streams:
            if stream.provide and stream.provide.lookup == lookup.name:
                for row in self._rows_of(stream.name, key):
                    if row["state"] in _ON_ITS_WAY or self._is_offered(row, lookup.name, key):
                        return Reason("not_posted", f"the {lookup.name} `{shown}` is being created", "", waits)
        title = self.titles.get(lookup.connection, lookup.connection)
        missing = f"{self.flow.name} {lookup.name} {in_quotes(key or label)}"
        command = f"run `flowctl map set {missing} 'NAME THERE'{of_company(self.company)}`"
        found = lists.by_id(self.tx, self.company, self.kept(lookup), key) if key else None
        found = found or (lists.named(self.tx, self.company, self.kept(lookup), label) if label else None)
        if found is not None and not found.active:
            message = f"the {lookup.name} `{found.full_name}` is inactive in the {lookup.list} list of {title}"
            return Reason("unmapped", message, f"make it active there, or {command}", waits)
        several = lists.namesakes(self.tx, self.company, self.kept(lookup), label) if label and found is None else []
        if several:
            message = f"{len(several)} objects of the {lookup.list} list of {title} are called `{label}`"
            by_id = command.replace("'NAME THERE'", "ID")
            hint = f"{by_id} with the id of the one that is meant: {named_ids(several)}"
            return Reason("unmapped", message, hint, waits)
        message = f"the {lookup.name} `{shown}` is not in the {lookup.list} list of {title}"
        return Reason("unmapped", message, f"add it there, or {command}", waits)

    def _is_offered(self, row: Mapping[str, Any], lookup: str, key: str) -> bool:
        """Whether a record was left out only since nobody wanted it: who asks now does, and it is created."""
        if row["state"] != "skipped":
            return False
        wanted = records.wanted_key(self.flow.name, lookup, key)
        return any(wanted in reason.waits_for for reason in records.load_reasons(row))

    def _rows_of(self, stream: str, source_id: str) -> list[Mapping[str, Any]]:
        scope = {"company": self.company, "flow": self.flow.name, "stream": stream, "source_id": source_id}
        return self.tx.rows("record_find_any_phase", scope)


def named_ids(found: Sequence[ListObject]) -> str:
    """The ids of objects for people: `c-1, c-2 or c-3`."""
    ids = [each.list_id for each in found[:_SHOWN]]
    return f"{', '.join(ids[:-1])} or {ids[-1]}" + (
        f", or {len(found) - len(ids)} more" if len(found) > len(ids) else ""
    )


def _too_long(what: str) -> Reason:
    return Reason(
        "uncoded",
        f"{what} has more than {LONGEST_ID:,} bytes, and nothing so long is looked up",
        "correct it in the source, or let the flow give its id instead",
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)
