"""One record's way from source data to frozen bytes: select, adopt, map, check, render. Reads the store, writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

from engine import marker, told
from engine.clock import Ids
from engine.dataclass import dataclass
from engine.diagnostics import of_company
from engine.errors import ExpressionError, RenderError
from engine.jsonbody import body_of
from engine.jsontext import canonical, plain
from engine.listsource import kept_as
from engine.lookups import Found, Resolver
from engine.mapping import MapProgram
from engine.mapping.support import truthy
from engine.matching import Owner, earlier
from engine.money import format_money, parse_money
from engine.program import ChangeProgram, FlowProgram, StreamProgram, UndoProgram, VariantProgram, details_texts
from engine.spec import kind_of
from engine.store import companies
from engine.store.base import LONGEST_ID, Tx, is_too_long
from engine.store.claims import Claim
from engine.store.records import Intake, Reason, wanted_key
from engine.telemetry import trace

Freeze = Callable[[str, str], bytes]
guid_of = marker.guid_of


@dataclass(frozen=True, slots=True)
class Frozen:
    """A record that is ready to be written; a change has the object it changes and the operation that wrote it last.

    `claims` are what it was matched with, to be kept with its intent.
    """

    operation_id: str
    request: str
    body: bytes
    guid: str
    mapped: str
    mapped_sha256: str
    follow_up: str
    target_id: str = ""
    base_id: str = ""
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that is not to be written, at least not now: `deferred`, `failed` or `skipped`."""

    state: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Adopted:
    """A record that the target already has."""

    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NotReady:
    """Nothing can be said yet: a list of the target was never read."""

    lists: tuple[str, ...]


Prepared = Frozen | Parked | Adopted | NotReady
CORRECT = "correct the record in the source, or in the target"
# A record of a stream that only compares, when there is nothing to report.
_AGREES = Parked("skipped", (Reason("agrees", "both sides agree"),))


@dataclass(frozen=True, slots=True)
class There:
    """What a change is made to: the object and its version when it was written last, by which operation and request."""

    target_id: str
    edit_sequence: str
    base_id: str
    request: str


@dataclass(slots=True)
class RecordContext:
    """What expressions see beside their data; notes what is missing instead of stopping at the first gap."""

    resolver: Resolver
    settings: Mapping[str, str | int | bool | None]
    root: object = None
    missing: list[Reason] = field(default_factory=list)
    # The ListIDs of what `find` found by a mapping.
    mapped: set[str] = field(default_factory=set)
    # The stream that the record is of, where it may be matched.
    stream: StreamProgram | None = None
    claims: list[Claim] = field(default_factory=list)
    # By lookup, the mappings that would say what was to be matched.
    asked: dict[str, list[str]] = field(default_factory=dict)
    # By lookup, the first day on which what is matched was looked for.
    sought: dict[str, str] = field(default_factory=dict)
    # What the record would be looked at again for, were it left out: the mappings that nobody waits for.
    unwanted: list[str] = field(default_factory=list)

    def lookup(self, name: str, key: str | None, label: str | None, number: str | None) -> Mapping[str, Any] | None:
        """A required object; a gap is noted."""
        return self._noted(name, key, self.resolver.resolve(name, key, label, number))

    def lookup_if(self, name: str, key: str | None, label: str | None, number: str | None) -> Mapping[str, Any] | None:
        """An object that is required only when the source gives a value."""
        if not (key or label):
            return None
        return self._noted(name, key, self.resolver.resolve(name, key, label, number))

    def find(self, name: str, key: str | None, label: str | None, number: str | None) -> Mapping[str, Any] | None:
        """An object if there is one."""
        if not (key or label or number):
            return None
        found = self.resolver.resolve(name, key, label, number)
        if found.mapped and found.object is not None:
            self.mapped.add(str(found.object["list_id"]))
        return found.object

    def setting(self, name: str, scope: str | None = None) -> str | int | bool | None:
        """A setting of this company, for a scope or in general."""
        if scope and (key := companies.setting_key(name, scope)) in self.settings:
            return self.settings[key]
        return self.settings.get(name)

    def linked(self, name: str, list_id: str | None) -> bool:
        """Whether anything of the source means this object of the target."""
        return bool(list_id) and self.resolver.linked(name, str(list_id))

    def posted(self, stream: str, key: str) -> Mapping[str, str] | None:
        """The receipt of another stream's record; a gap is noted."""
        receipt, reason = self.resolver.receipt(stream, key)
        if reason is not None:
            self._note(reason)
        return receipt

    def candidates(self, name: str, amount: Decimal, currency: str, date: str, days: int) -> list[Mapping[str, Any]]:
        """The objects that fit."""
        self.sought[name] = min(self.sought.get(name, date), earlier(date, days))
        return self.resolver.matcher.candidates(name, amount, currency, date, days)

    def match(self, name: str, key: str, found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """The object that is meant; what is not certain is noted."""
        asked = self.asked.setdefault(name, [])
        if (mapping := f"mapping:{name}:{key}") not in asked:
            asked.append(mapping)
        matched = self.resolver.matcher.match(name, key, found, self._owner(), self.sought.get(name, ""))
        if matched.reason is not None:
            self._note(matched.reason)
        if matched.claim is not None and matched.claim not in self.claims:
            self.claims.append(matched.claim)
        return matched.object

    def waited(self, name: str, date: str, days: int) -> bool:
        """Whether the days are over; until then it is noted."""
        reason = self.resolver.matcher.waited(name, date, days, self._owner())
        if reason is not None:
            # A person may know which one is meant before any that fits is there.
            self._note(replace(reason, waits_for=(*reason.waits_for, *self.asked.get(name, ()))))
        return reason is None

    def wanted(self, name: str, key: str) -> bool:
        """Whether any record waits for the mapping; that none does is remembered."""
        found = self.resolver.matcher.wanted(name, key, self._owner())
        if not found:
            self.unwanted.append(wanted_key(self.resolver.flow.name, name, key))
        return found

    def _owner(self) -> Owner:
        """The record itself, as the store knows it."""
        if self.stream is None:
            return Owner("", "")
        return Owner(self.stream.stream.name, str(self.stream.key(self.root, self)))

    def _noted(self, name: str, key: str | None, found: Found) -> Mapping[str, Any] | None:
        disputed = self.resolver.disputed(name, key) if key and found.object is not None and not found.mapped else None
        reason = found.reason or disputed
        if reason is not None:
            self._note(reason)
        return None if disputed is not None else found.object

    def _note(self, reason: Reason) -> None:
        if reason not in self.missing:
            self.missing.append(reason)


@dataclass(frozen=True, slots=True)
class Desk:
    """What preparing needs of its surroundings, the same for a whole page."""

    company: str
    program: FlowProgram
    settings: Mapping[str, str | int | bool | None]
    resolver: Resolver
    ids: Ids
    freeze: Freeze


def context_of(stream: StreamProgram, desk: Desk, data: object) -> RecordContext:
    """What the expressions of a stream see beside a record of it."""
    return RecordContext(desk.resolver, desk.settings, data, stream=stream)


def key_of(stream: StreamProgram, desk: Desk, data: Mapping[str, Any]) -> str | None:
    """The id of a source record as `take_in` reads it; None where that would refuse the record for want of one."""
    try:
        key = stream.key(data, RecordContext(desk.resolver, desk.settings, data))
    except ExpressionError:
        return None
    return str(key) if _is_id(key) else None


def _is_id(key: object) -> bool:
    return key is not None and key != "" and not isinstance(key, (dict, list, bool))


def take_in(stream: StreamProgram, desk: Desk, data: Mapping[str, Any]) -> Intake:
    """Read what the engine itself needs of a source record: its id, a digest, and what people want to see of it.

    Raises:
        ExpressionError: when the record has no key.
    """
    context = RecordContext(desk.resolver, desk.settings, data)
    key = stream.key(data, context)
    if not _is_id(key):
        raise ExpressionError(f"`key: {stream.stream.key.text}` gives no id for this record")
    if isinstance(key, str) and "\0" in key:  # no PostgreSQL could keep it
        raise ExpressionError(f"`key: {stream.stream.key.text}` gives an id with a character U+0000 in it")
    if is_too_long(str(key)):
        raise ExpressionError(
            f"`key: {stream.stream.key.text}` gives an id of more than {LONGEST_ID:,} bytes: {str(key)[:40]!a}...",
            hint="let `key` in the flow give the id of the record in the source, and no text of it",
        )
    payload = canonical(data)
    if "\\ud" in payload:
        _whole_text(payload, key)
    about = _about(stream, data, context)
    return Intake(
        str(key),
        payload,
        sha256(payload.encode()).hexdigest(),
        _amount(about.get("amount")),
        about.get("currency"),
        about.get("party"),
        about.get("reference"),
        about.get("date"),
    )


def id_of(stream: StreamProgram, desk: Desk, data: Mapping[str, Any]) -> str | None:
    """The id of a source record; None for one that cannot be taken in."""
    try:
        return take_in(stream, desk, data).source_id
    except ExpressionError:
        return None


def _whole_text(payload: str, key: object) -> None:
    """Refuse half a character, a lone surrogate, which JSON can write and no file or database can hold."""
    try:
        json.dumps(json.loads(payload), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ExpressionError(
            f"{key!a}: a text in it holds half a character", hint="correct the text in the source"
        ) from error


def prepare(
    stream: StreamProgram, desk: Desk, source_id: str, data: Mapping[str, Any], *, chosen: bool = False
) -> Prepared:
    """Bring a record as far as it gets. Never raises for anything that the record itself holds."""
    return prepare_all(stream, desk, [(source_id, data)], chosen={source_id} if chosen else ())[0]


def prepare_all(
    stream: StreamProgram,
    desk: Desk,
    items: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    chosen: Collection[str] = (),
) -> list[Prepared]:
    """Bring records as far as they get; one result an item, in order.

    The source ids in `chosen` are not selected once more: they were posted before, and a person wants them posted again,
    while the source may say by now that it knows them as posted.

    A page goes through stage by stage: each stage's code then stays in the processor's caches, which makes the whole a
    third faster than record by record.
    """
    if not items:
        return []
    unread = tuple(name for name in stream.lists if not desk.resolver.list_loaded(name))
    if unread:
        return [NotReady(unread)] * len(items)
    if trace.is_on():
        return [_traced(stream, desk, source_id, data, chosen=source_id in chosen) for source_id, data in items]
    results = [_map(stream, desk, source_id, data, chosen=source_id in chosen) for source_id, data in items]
    for draft in results:
        if isinstance(draft, _Draft):
            _render(draft)
    return [_freeze(desk, draft) if isinstance(draft, _Draft) else draft for draft in results]


def _traced(stream: StreamProgram, desk: Desk, source_id: str, data: Mapping[str, Any], *, chosen: bool) -> Prepared:
    """Bring one record as far as it gets, with a span for each stage; stage by stage would tell nothing of any one."""
    flow, name = desk.program.flow.name, stream.stream.name
    guid = guid_of(desk.company, flow, name, source_id, stream.stream.phase)
    about = {"company": desk.company, "flow": flow, "stream": name}
    with trace.step("map", guid, about):
        draft = _map(stream, desk, source_id, data, chosen=chosen)
    if not isinstance(draft, _Draft):
        return draft
    with trace.step("render", guid, {**about, "request": draft.variant.request}):
        _render(draft)
        return _freeze(desk, draft)


def prepare_change(
    stream: StreamProgram, desk: Desk, source_id: str, data: Mapping[str, Any], there: There
) -> Frozen | Parked | NotReady:
    """Bring the change of a posted record as far as it gets; it adopts nothing, provides nothing, and tells nobody."""
    unread = tuple(name for name in stream.lists if not desk.resolver.list_loaded(name))
    if unread:
        return NotReady(unread)
    result = _map(stream, desk, source_id, data, there)
    if isinstance(result, _Draft):
        _render(result)
        return _freeze(desk, result)
    assert not isinstance(result, Adopted)
    return result


def prepare_undo(
    stream: StreamProgram, desk: Desk, source_id: str, undo: UndoProgram, there: There, *, gone: bool = False
) -> Frozen | Parked:
    """Bring the undoing of a posted record as far as it gets; nothing is mapped, its template knows the object alone.

    With `gone`, it is undone because the source no longer has the record.
    """
    guid = guid_of(desk.company, desk.program.flow.name, stream.stream.name, source_id, stream.stream.phase)
    follow_up: dict[str, Any] = {"undo": True}
    if not stream.is_polled:
        follow_up |= {"push": True, "undone": undo.undone}
    if gone:
        follow_up["gone"] = True
    draft = _Draft(undo, desk.ids.base62(22), guid, {"kind": kind_of(there.request)}, plain(follow_up), there)
    _render(draft)
    return _freeze(desk, draft)


@dataclass(slots=True)
class _Draft:
    """A record between mapping and freezing."""

    variant: VariantProgram | ChangeProgram | UndoProgram
    operation_id: str
    guid: str
    mapped: dict[str, Any]
    follow_up: str
    there: There | None = None
    claims: tuple[Claim, ...] = ()
    text: str = ""
    error: RenderError | None = None


def _map(
    stream: StreamProgram,
    desk: Desk,
    source_id: str,
    data: Mapping[str, Any],
    there: There | None = None,
    *,
    chosen: bool = False,
) -> _Draft | Parked | Adopted:
    """Select, adopt, map, check, and choose the way of writing."""
    context = context_of(stream, desk, data)
    try:
        is_first = there is None and not chosen
        select, says = (stream.select, stream.select_says) if is_first else (stream.still, stream.still_says)
        # What a person wants posted again is, but for what a source that lists such records has taken back.
        failing = select(data, context) if not chosen or stream.stream.fetch.withdrawn else -1
        if failing >= 0:
            return Parked("skipped", (Reason("not_selected", says[failing], "", tuple(context.unwanted)),))
        if stream.adopt is not None and there is None:
            found = stream.adopt(data, context)
            if isinstance(found, Mapping) and found:
                return _adopt(stream, data, context, found)
        mapped = stream.map(data, context)
        if context.missing:
            return Parked("deferred", tuple(context.missing))
        failing = stream.check(mapped, context)
        if failing >= 0:
            apart = stream.check_sides.apart(failing, mapped, context)
            hint = f"{apart}; {CORRECT}" if apart else CORRECT
            return Parked("failed", (Reason("check", stream.check_says[failing], hint),))
        way = _way(stream, mapped, context)
        if isinstance(way, Parked):
            return way
        guid = guid_of(desk.company, desk.program.flow.name, stream.stream.name, source_id, stream.stream.phase)
        if there is not None:
            if way.change is None or there.request not in way.requests:
                return Parked("failed", (_other_kind(desk.company, way, there),))
            follow_up = "{}" if stream.is_polled else plain({"push": True})
            return _Draft(way.change, desk.ids.base62(22), guid, mapped, follow_up, there)
        if way.undo is not None and truthy(way.undo.when(data, context)):
            text = "has voided it already" if way.undo.undone == "voided" else "does not want it any more"
            return Parked("skipped", (Reason("undone", f"the source {text}"),))
        follow_up = way.follow_up
        if stream.told is not None:
            follow_up = _with_details(follow_up, stream.told(mapped, context))
        if stream.stream.provide is not None and stream.provide_key is not None:
            follow_up = plain({**json.loads(follow_up), "provide": _provided(stream, desk, data, context)})
    except ExpressionError as error:
        return Parked("failed", (Reason("expression", str(error), error.hint or ""),))
    claims = tuple(context.claims)
    desk.resolver.matcher.take(Owner(stream.stream.name, source_id), claims)
    return _Draft(way, desk.ids.base62(22), guid, mapped, follow_up, claims=claims)


def _with_details(follow_up: str, details: Mapping[str, Any]) -> str:
    """What follows, with what the source hears beside the reference: texts, none of them empty."""
    told = json.loads(follow_up)
    told["mark"]["details"] = details_texts(details)
    return plain(told)


def _adopt(
    stream: StreamProgram, data: Mapping[str, Any], context: RecordContext, found: Mapping[str, Any]
) -> Adopted | Parked:
    """The object is the record's, unless a run has found out by name alone that it is another one's."""
    provide = stream.stream.provide
    if provide is None or stream.provide_key is None or str(found.get("list_id", "")) in context.mapped:
        return Adopted(found)
    taken = context.resolver.adopt(provide.lookup, str(stream.provide_key(data, context)), found)
    return Adopted(found) if taken is None else Parked("deferred", (taken,))


def _way(stream: StreamProgram, mapped: Mapping[str, Any], context: RecordContext) -> VariantProgram | Parked:
    """The first way of writing that fits; a stream that only compares has none, and what it compares agrees."""
    way = next((v for v in stream.variants if v.when is None or truthy(v.when(mapped, context))), None)
    if context.missing:
        return Parked("deferred", tuple(context.missing))
    if not stream.variants:
        return _AGREES
    return way or Parked("failed", (Reason("no_variant", "no way of writing fits this record"),))


def _provided(stream: StreamProgram, desk: Desk, data: Mapping[str, Any], context: RecordContext) -> Mapping[str, str]:
    """Which lookup learns the object, under which key; of a target that is called, in which list."""
    assert stream.stream.provide is not None
    assert stream.provide_key is not None
    name = stream.stream.provide.lookup
    found = {"lookup": name, "key": str(stream.provide_key(data, context))}
    lookup = desk.program.flow.lookup(name)
    return found if lookup is None or stream.is_polled else {**found, "list": kept_as(desk.program.flow, lookup)}


def template_values(mapped: Mapping[str, Any], operation_id: str, guid: str) -> dict[str, Any]:
    """What a template is given to write an object the first time."""
    return {**mapped, "request_id": operation_id, "guid": guid}


def _render(draft: _Draft) -> None:
    template = draft.variant.template
    if template is None:
        return
    values = template_values(draft.mapped, draft.operation_id, draft.guid)
    if draft.there is not None:
        values.update(target_id=draft.there.target_id, edit_sequence=draft.there.edit_sequence)
    try:
        draft.text = template.render(values)
    except RenderError as error:
        draft.error = error


def _freeze(desk: Desk, draft: _Draft) -> Frozen | Parked:
    """Check the document and take its bytes."""
    mapped = plain(draft.mapped)
    try:
        if draft.error is not None:
            raise draft.error
        way = draft.variant
        if way.template is not None:
            body = desk.freeze(way.request, draft.text)
        else:
            body = b"{}" if isinstance(way, UndoProgram) else body_of(way.request, way.fields, draft.mapped)
    except RenderError as error:
        desk.resolver.matcher.give_back(draft.claims)
        return _unwritable(draft, error)
    digest = sha256(mapped.encode()).hexdigest()
    made = Frozen(draft.operation_id, draft.variant.request, body, draft.guid, mapped, digest, draft.follow_up)
    made = replace(made, claims=draft.claims) if draft.claims else made
    there = draft.there
    return made if there is None else replace(made, target_id=there.target_id, base_id=there.base_id)


def _other_kind(company: str, way: VariantProgram, there: There) -> Reason:
    text = f"it would be written by {way.request} now, and was posted by {there.request}"
    hint = f"change it in the target by hand, then run `flowctl reconcile --leave-out ID{of_company(company)}`"
    return Reason("other_kind", text, hint)


def _unwritable(draft: _Draft, error: RenderError) -> Parked:
    """No request can be made of the record; where it would provide an object, a person can name one in its place."""
    provide = json.loads(draft.follow_up).get("provide")
    if provide is None:
        return Parked("failed", (Reason("render", str(error), error.hint or ""),))
    waits_for = (f"mapping:{provide['lookup']}:{provide['key']}",)
    return Parked("deferred", (Reason("render", str(error), error.hint or "", waits_for),))


def selected(stream: StreamProgram, desk: Desk, data: Mapping[str, Any], *, posted: bool = False) -> bool:
    """Whether the record, or with `posted` a change of it, would still be taken; `prepare` reports what cannot be told."""
    context = context_of(stream, desk, data)
    try:
        if not posted and any(way.undo is not None and truthy(way.undo.when(data, context)) for way in stream.variants):
            return False
        return (stream.still if posted else stream.select)(data, context) < 0
    except ExpressionError:
        return False


def unwanted(stream: StreamProgram, desk: Desk, data: Mapping[str, Any]) -> str:
    """What keeps a record that is posted from being taken still, as the flow says it; empty when nothing does."""
    try:
        failing = stream.still(data, context_of(stream, desk, data))
    except ExpressionError as error:
        return str(error)
    return stream.still_says[failing] if failing >= 0 else ""


def map_digest(stream: StreamProgram, desk: Desk, data: Mapping[str, Any]) -> str | None:
    """The digest of what the record would be mapped to now, or None when it cannot be mapped."""
    context = context_of(stream, desk, data)
    try:
        mapped = stream.map(data, context)
    except ExpressionError:
        return None
    return None if context.missing else sha256(plain(mapped).encode()).hexdigest()


def enabled(tx: Tx, company: str, program: FlowProgram) -> list[StreamProgram]:
    """The streams whose `when` holds for this company's settings."""
    settings = told.values(tx, company, program)
    context = RecordContext(Resolver(tx, company, program.flow, {}), settings)
    return [s for s in program.streams if s.when is None or truthy(s.when({}, context))]


def _about(stream: StreamProgram, data: object, context: RecordContext) -> dict[str, str | None]:
    """Values for people; what cannot be computed is left out here and reported when the record is prepared."""
    try:
        found = stream.about(data, context)
    except ExpressionError:
        found = {name: value for each in stream.about_each for name, value in _one(each, data, context)}
    return {
        name: None if value is None or isinstance(value, dict | list) else str(value) for name, value in found.items()
    }


def _one(each: MapProgram, data: object, context: RecordContext) -> Iterator[tuple[str, object]]:
    try:
        yield from each(data, context).items()
    except ExpressionError:
        return


def _amount(text: str | None) -> str | None:
    """With two places as people write it, also where the source writes 120.5; more where a currency has more."""
    if text is None:
        return None
    try:
        amount = parse_money(text)
    except ExpressionError:
        return None
    shown = str(amount)
    if shown[-3:-2] == ".":
        return shown
    try:
        return format_money(amount)
    except ExpressionError:
        return shown
