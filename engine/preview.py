"""Shows one record's way through a stream, step by step, beside what the pipeline itself makes of it; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from functools import lru_cache
from typing import Any

from engine import pipeline
from engine.clock import Ids
from engine.dataclass import dataclass
from engine.diagnostics import Location
from engine.errors import ExpressionError
from engine.mapping import Program, Scope, compile_expression
from engine.mapping.support import truthy
from engine.model import Expr
from engine.pipeline import Adopted, Desk, Frozen, NotReady, Parked, context_of, guid_of
from engine.previewing.documents import document_of
from engine.previewing.listening import Listening
from engine.previewing.model import Answer, Computed, Condition, Document, Preview, State, Trouble, Way
from engine.previewing.reads import ROOT, fields_read
from engine.program import StreamProgram, scope_of
from engine.store.records import Reason

_NOWHERE = Location("", 1, 1)
# The id of an operation that is never sent.
_NO_ID = "0"
_ABOUT = ("reference", "party", "amount", "currency", "dated_on")


@dataclass(frozen=True, slots=True)
class NoIds:
    """Ids of what is never written: always the same ones."""

    def base62(self, length: int) -> str:
        """Zeros."""
        return _NO_ID * length

    def fraction(self) -> float:
        """No jitter."""
        return 0.0


@dataclass(slots=True)
class Previewer:
    """Previews records of one stream. `whose` says of settings, by key, where they are from."""

    stream: StreamProgram
    desk: Desk
    whose: Mapping[str, str] = field(default_factory=dict)
    _programs: dict[str, Program] = field(default_factory=dict)
    _scope: Scope = field(init=False)

    def __post_init__(self) -> None:
        ids: Ids = NoIds()
        self.desk = replace(self.desk, ids=ids)
        self._scope = scope_of(self.desk.program.flow)

    def preview(self, data: Mapping[str, Any]) -> Preview:
        """One record's way. Never raises for anything that the record itself holds."""
        stream = self.stream.stream
        source_id, about, unread = self._taken_in(data)
        if unread is not None:
            data = _whole(data)
        select = tuple(
            self._conditions(((item.only, item.say) for item in stream.select if not item.later), data, data)
        )
        adopt = self._computed(stream.adopt.found, data, data) if stream.adopt else None
        fields = tuple((name, self._computed(expr, data, data)) for name, expr in stream.map)
        mapped = {name: each.value for name, each in fields if each.error is None}
        unknown = {name: _why(each) for name, each in fields if each.error is not None or each.missing}
        check = tuple(self._conditions(((c.expect, c.say) for c in stream.check), mapped, data, unknown))
        ways = tuple(self._ways(mapped, data, unknown))
        document, none = self._document(ways, mapped, unknown, source_id)
        answer = Answer("unreadable", (unread,)) if unread is not None else self._answer(source_id, data)
        answer = replace(answer, known=self._known(source_id))
        return Preview(
            self.desk.program.flow.name,
            stream.name,
            source_id,
            about,
            f"{stream.fetch.connection} {stream.fetch.stream}",
            data,
            select,
            adopt,
            fields,
            check,
            ways,
            document,
            answer,
            self._off(),
            none,
        )

    def _taken_in(self, data: Mapping[str, Any]) -> tuple[str, dict[str, str], Reason | None]:
        """The record's id, what people see of it, and why it has no id."""
        try:
            intake = pipeline.take_in(self.stream, self.desk, data)
        except ExpressionError as error:
            return "", {}, Reason("unreadable", str(error), error.hint or "")
        known = {name: getattr(intake, name) for name in _ABOUT}
        return intake.source_id, {name: value for name, value in known.items() if value}, None

    def _computed(
        self, expr: Expr, data: object, root: Mapping[str, Any], unknown: Mapping[str, str] | None = None
    ) -> Computed:
        """The value of one expression by itself, whatever becomes of the others."""
        paths = fields_read(expr, self._scope.define, apart=data is not root)
        lost = [f"`{name}` {why}" for name, why in (unknown or {}).items() if _reads(paths, name)]
        if lost:
            return Computed(expr, None, error=Trouble(f"not computed: {', '.join(lost)}"))
        context = context_of(self.stream, self.desk, root)
        listening = Listening(context, self.whose)
        reads = tuple((p, _at(p.removeprefix(ROOT), root if p.startswith(ROOT) else data)) for p in paths)
        try:
            value = self._program(expr)(data, listening)
        except ExpressionError as error:
            trouble = Trouble(str(error), error.hint or "")
            return Computed(expr, None, reads, tuple(listening.heard.values()), tuple(context.missing), trouble)
        return Computed(expr, value, reads, tuple(listening.heard.values()), tuple(context.missing))

    def _program(self, expr: Expr) -> Program:
        found = self._programs.get(expr.text)
        if found is None:
            found = self._programs[expr.text] = compile_expression(expr, self._scope)
        return found

    def _conditions(
        self,
        items: Iterator[tuple[Expr, str]],
        data: object,
        root: Mapping[str, Any],
        unknown: Mapping[str, str] | None = None,
    ) -> Iterator[Condition]:
        """Every condition with its value; the first one that does not hold decides."""
        decided = False
        for expr, say in items:
            computed = self._computed(expr, data, root, unknown)
            holds = None if computed.error is not None else truthy(computed.value)
            yield Condition(computed, say, holds, decides=holds is False and not decided)
            decided = decided or holds is not True

    def _ways(self, mapped: Mapping[str, Any], root: Mapping[str, Any], unknown: Mapping[str, str]) -> Iterator[Way]:
        """The ways of writing; none is chosen after one whose condition cannot be told."""
        open_ = True
        for variant, made in zip(self.stream.stream.variants, self.stream.variants, strict=True):
            when = self._computed(variant.when, mapped, root, unknown) if variant.when else None
            told = when is None or (when.error is None and not when.missing)
            fits = when is None or (told and truthy(when.value))
            yield Way(when, variant.request, made.template.name if made.template else "", open_ and fits)
            open_ = open_ and told and not fits

    def _document(
        self, ways: tuple[Way, ...], mapped: Mapping[str, Any], unknown: Mapping[str, str], source_id: str
    ) -> tuple[Document | None, str]:
        """What would be written, or why that cannot be shown."""
        if not ways:
            return None, "the stream only compares"
        if unknown:
            return None, "; ".join(f"`{name}` {why}" for name, why in unknown.items())
        chosen = next((number for number, way in enumerate(ways) if way.chosen), None)
        if chosen is None:
            untold = any(way.when is not None and (way.when.error or way.when.missing) for way in ways)
            return None, "how it is written cannot be told" if untold else "no way of writing fits this record"
        desk, stream = self.desk, self.stream.stream
        guid = guid_of(desk.company, desk.program.flow.name, stream.name, source_id, stream.phase)
        ids = (desk.ids.base62(22), guid)
        return document_of(self.stream.variants[chosen], mapped, ids, desk.freeze), ""

    def _off(self) -> str:
        """Why the stream does not run for this company; empty when it does."""
        when = self.stream.when
        if when is None or self.stream.stream.when is None or truthy(when({}, context_of(self.stream, self.desk, {}))):
            return ""
        return f"`when: {self.stream.stream.when.text}` does not hold for this company's settings"

    def _answer(self, source_id: str, data: Mapping[str, Any]) -> Answer:
        """What the pipeline makes of the record."""
        prepared = pipeline.prepare(self.stream, self.desk, source_id, data)
        if isinstance(prepared, NotReady):
            return Answer("not_ready", tuple(self._unread(name) for name in prepared.lists))
        if isinstance(prepared, Adopted):
            return Answer("adopted", (), (f"it is linked with {named(prepared.object)}; nothing is written",))
        if isinstance(prepared, Frozen):
            return Answer("posted", (), tuple(self._follows(prepared)))
        assert isinstance(prepared, Parked)
        if [each.code for each in prepared.reasons] == ["agrees"]:
            return Answer("agrees")
        states: Mapping[str, State] = {"deferred": "deferred", "failed": "failed"}
        state = states.get(prepared.state, "skipped")
        return Answer(state, prepared.reasons, tuple(self._told(state)))

    def _known(self, source_id: str) -> str:
        """The state in which the store has the record already; empty when it does not."""
        desk, stream = self.desk, self.stream.stream
        scope = {"company": desk.company, "flow": desk.program.flow.name, "stream": stream.name, "source_id": source_id}
        rows = desk.resolver.tx.rows("record_find_any_phase", scope)
        return next((str(row["state"]) for row in rows if row["phase"] == stream.phase), "")

    def _unread(self, name: str) -> Reason:
        called = next((each for each in self.stream.called_lists if each.kept == name), None)
        how = "`flowctl run` reads it" if called else "the Web Connector's next session reads it"
        return Reason("unread", f"the list {name} was never read", how, (f"list:{name}",))

    def _follows(self, made: Frozen) -> Iterator[str]:
        """What happens to a record that is ready."""
        stream = self.stream.stream
        title = self._title(stream.target)
        if self.stream.is_polled:
            yield f"{made.request} waits until {title} asks for work"
        else:
            yield f"{title} is asked first whether it is there already, by its marker {made.guid} and what it holds"
            yield f"{made.request} is written when it is not"
        for claim in made.claims:
            yield f"{claim.lookup} {named(claim.object)} is taken by this record"
        if stream.provide is not None:
            yield f"lookup('{stream.provide.lookup}', ...) finds it from then on"
        mark = stream.mark_synced
        if mark is not None:
            yield f"{self._title(mark.connection)} is told: {mark.kind}, with {mark.reference.text}"

    def _told(self, state: State) -> Iterator[str]:
        mark = self.stream.stream.mark_synced
        if mark is not None and state in mark.failures:
            yield f"{self._title(mark.connection)} is told that it is {state}: {mark.kind}"

    def _title(self, connection: str) -> str:
        return self.desk.resolver.titles.get(connection, connection)


def named(found: Mapping[str, Any]) -> str:
    """An object of a target for people: `Rent (A-1)`."""
    name, list_id = found.get("full_name"), found.get("list_id")
    return f"{name} ({list_id})" if name and list_id else str(name or list_id or "")


def _why(computed: Computed) -> str:
    return "failed" if computed.error is not None else "has a gap"


def _reads(paths: tuple[str, ...], name: str) -> bool:
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) for path in paths)


def _whole(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record with a question mark for each half of a character, which the store could not be asked for."""
    try:
        json.dumps(data, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        found: Mapping[str, Any] = json.loads(
            json.dumps(data, ensure_ascii=False, default=str).encode(errors="replace")
        )
        return found
    return data


@lru_cache(maxsize=1024)
def _path(path: str) -> Callable[[object, Any], object]:
    return compile_expression(Expr(path, _NOWHERE), Scope())


def _at(path: str, data: object) -> object:
    """What stands at a path; nothing where that cannot be read."""
    try:
        return _path(path)(data, None)
    except ExpressionError:
        return None
