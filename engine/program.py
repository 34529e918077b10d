"""A flow made ready to run: every expression compiled, every template loaded, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from engine import registry
from engine.connections.binding import bound_flow
from engine.dataclass import dataclass
from engine.jsontext import plain
from engine.listsource import CalledList, is_called
from engine.mapping import (
    ConditionsProgram,
    MapProgram,
    Program,
    Scope,
    Watch,
    compile_conditions,
    compile_expression,
    compile_map,
    named_in,
    settings_of,
)
from engine.mapping.apart import Sides
from engine.mapping.support import truthy
from engine.model import Change, Expr, Flow, Lookup, Scalar, Stream, Undo, Variant
from engine.render import Template, Templates
from engine.spec import ConnectorSpec, FieldSpec

ABOUT = ("amount", "currency", "party", "reference", "date")


@dataclass(frozen=True, slots=True)
class ChangeProgram:
    """How what one way of writing has made is changed; `fixed` are fields of the first write that no change takes.

    One that `restores` brings back what was undone as well. `cannot` says of names of the map what a person is told.
    """

    request: str
    template: Template | None
    fields: tuple[FieldSpec, ...] = ()
    fixed: tuple[str, ...] = ()
    restores: bool = False
    cannot: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UndoProgram:
    """When what one way of writing has made is undone, and how; `when` is over the source record.

    `asks` are the settings on which it depends, each with every value that it may have as far as the flow tells them.
    With `gone`, it is undone as well once the source no longer has it. `undone` is what people call it then.
    """

    when: Program
    request: str
    template: Template | None
    fields: tuple[FieldSpec, ...] = ()
    asks: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    gone: bool = False
    undone: str = "voided"


@dataclass(frozen=True, slots=True)
class VariantProgram:
    """One way of writing. `fields` are those of a request that is written as JSON.

    `follow_up` is kept with each operation: how the source is told, whether it can be changed, and whether the target is
    called.
    """

    when: Program | None
    request: str
    template: Template | None
    follow_up: str
    change: ChangeProgram | None = None
    undo: UndoProgram | None = None
    fields: tuple[FieldSpec, ...] = ()

    @property
    def requests(self) -> tuple[str, ...]:
        """The requests that write it: the first time, and later."""
        return (self.request, self.change.request) if self.change else (self.request,)


@dataclass(frozen=True, slots=True)
class StreamProgram:
    """One stream, compiled. `lists` are the targets' lists that must be known before a record can be prepared.

    They have the names that the store knows them by; `called_lists` are those of them whose target is called.

    `is_polled` says that what it writes waits until the target's agent fetches it. `still` are the conditions among
    `select` that a change of what is posted must meet as well. `told` is what the source hears beside the reference.
    """

    stream: Stream
    when: Program | None
    key: Program
    about: MapProgram
    about_each: tuple[MapProgram, ...]
    select: ConditionsProgram
    select_says: tuple[str, ...]
    still: ConditionsProgram
    still_says: tuple[str, ...]
    adopt: Program | None
    map: MapProgram
    check: ConditionsProgram
    check_says: tuple[str, ...]
    # Tells how the sides of the check that failed differ.
    check_sides: Sides
    variants: tuple[VariantProgram, ...]
    provide_key: Program | None
    lists: tuple[str, ...]
    is_polled: bool = True
    called_lists: tuple[CalledList, ...] = ()
    # Whether it depends on what waits that a record is selected.
    wants: bool = False
    told: MapProgram | None = None
    # Fields of the source that stay what they were told to be, each with those that it stays with.
    staying: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class FlowProgram:
    """One flow, compiled; its streams stand in the order in which they run."""

    flow: Flow
    streams: tuple[StreamProgram, ...]
    settings: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    # Is told what is computed, where the coverage of golden cases is measured.
    watch: Watch | None = field(default=None, repr=False, compare=False)
    # All lists that any stream needs, as the store calls them.
    lists: tuple[str, ...] = field(init=False)
    # Those of them that a target's agent reads, when every company has all streams; None where that is for its settings.
    read_by_agents: tuple[str, ...] | None = field(init=False)
    # Compiled once for each set of connectors that companies have in the place of the flow's own.
    _bound: dict[tuple[str, ...], FlowProgram] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        needed = dict.fromkeys(name for stream in self.streams for name in stream.lists)
        object.__setattr__(self, "lists", tuple(needed))
        depends = any(stream.when is not None for stream in self.streams)
        object.__setattr__(self, "read_by_agents", None if depends else polled_lists(self.streams))

    def stream(self, name: str) -> StreamProgram:
        """The stream called `name`."""
        return next(s for s in self.streams if s.stream.name == name)

    def bound(self, made: Mapping[str, str]) -> FlowProgram:
        """The program as a company runs it that has made these connections: the connector of each, by role.

        It is compiled with those connectors that stand for the flow's own; with none of these it is this program.
        """
        flow = bound_flow(self.flow, made)
        if flow is self.flow:
            return self
        key = tuple(connection.connector for connection in flow.connections)
        found = self._bound.get(key)
        if found is None:
            # Two threads may both compile it; either one will do.
            found = self._bound[key] = compile_flow(flow, self.watch)
        return found

    @property
    def called(self) -> tuple[str, ...]:
        """The connections that are written to by calling them."""
        return tuple(dict.fromkeys(s.stream.target for s in self.streams if s.stream.target and not s.is_polled))


def polled_lists(streams: Sequence[StreamProgram]) -> tuple[str, ...]:
    """Those of the lists that these streams need which a target's agent reads."""
    called = {each.kept for stream in streams for each in stream.called_lists}
    return tuple(dict.fromkeys(name for stream in streams for name in stream.lists if name not in called))


def scope_of(flow: Flow) -> Scope:
    """The names that the flow's expressions may use."""
    return Scope(
        settings={setting.name: setting.type for setting in flow.settings},
        lookups=frozenset(lookup.name for lookup in flow.lookups),
        streams=frozenset(stream.name for stream in flow.streams),
        define=dict(flow.define),
    )


def _values(flow: Flow, expr: Expr) -> dict[str, tuple[Scalar, ...]]:
    """The settings that an expression asks for, and what each may be set to; of a text or number, its default alone."""
    asked = settings_of(expr, dict(flow.define))
    return {
        each.name: (False, True) if each.type == "boolean" else each.options or (each.default,)
        for each in flow.settings
        if each.name in asked
    }


def compile_flow(flow: Flow, watch: Watch | None = None) -> FlowProgram:
    """Compile a flow that `validate` accepts; a `watch` is told what the program computes."""
    scope = replace(scope_of(flow), watch=watch)
    specs = _specs(flow)
    folder = Path(flow.path).parent / "templates"
    templates = Templates([folder] if folder.is_dir() else [])

    def compiled(expr: Expr) -> Program:
        return compile_expression(expr, scope)

    def optional(expr: Expr | None) -> Program | None:
        return compiled(expr) if expr else None

    def template(name: str | None) -> Template | None:
        return templates.get(name) if name else None

    def variant_program(stream: Stream, variant: Variant) -> VariantProgram:
        made, spec = variant.change, specs.get(stream.target)
        change = made and _change(made, template(made.template), variant.request, spec)
        undone = variant.undo
        undo = undone and _undo(
            undone, template(undone.template), compiled(undone.when), _values(flow, undone.when), spec
        )
        told = follow_up_of(stream)
        # What can be undone is changed as well: what the source says meanwhile is looked at once it is posted.
        if change or undo:
            told["change"] = True
        if not _is_polled(flow, stream):
            told["push"] = True
        request = spec.request(variant.request) if spec else None
        if request is not None and request.joins:
            told["joins"] = True
        return VariantProgram(
            optional(variant.when),
            variant.request,
            template(variant.template),
            plain(told),
            change or None,
            undo or None,
            _fields(spec, variant.request),
        )

    def stream_program(stream: Stream) -> StreamProgram:
        select = [item for item in stream.select if not item.later]
        still = [item for item in stream.select if not item.first]
        about = [(name, expr) for name in ABOUT if (expr := getattr(stream.about, name))]
        return StreamProgram(
            stream,
            optional(stream.when),
            compiled(stream.key),
            compile_map(about, scope),
            tuple(compile_map([entry], scope) for entry in about),
            compile_conditions([item.only for item in select], scope),
            tuple(item.say for item in select),
            compile_conditions([item.only for item in still], scope),
            tuple(item.say for item in still),
            compiled(stream.adopt.found) if stream.adopt else None,
            compile_map(stream.map, scope),
            compile_conditions([item.expect for item in stream.check], scope),
            tuple(item.say for item in stream.check),
            Sides([item.expect for item in stream.check], scope),
            tuple(variant_program(stream, variant) for variant in stream.variants),
            compiled(stream.provide.key) if stream.provide else None,
            tuple(dict.fromkeys(_lists_of(flow, stream, specs))),
            _is_polled(flow, stream),
            _called_lists(flow, stream, specs),
            any(named_in(item.only, scope.define, "wanted") for item in stream.select),
            details_of(stream, scope),
            _staying(stream, specs),
        )

    return FlowProgram(
        flow,
        tuple(stream_program(stream) for stream in in_order(flow)),
        {setting.name: setting.default for setting in flow.settings},
        watch,
    )


def details_of(stream: Stream, scope: Scope) -> MapProgram | None:
    """What the source hears of a posted record beside the reference; None when nothing."""
    mark = stream.mark_synced
    return compile_map(mark.details, scope) if mark is not None and mark.details else None


def details_texts(details: Mapping[str, object]) -> dict[str, str]:
    """What such a program gives, as the source hears it: texts, none of them empty."""
    return {name: str(value) for name, value in details.items() if truthy(value)}


def _fields(spec: ConnectorSpec | None, request: str) -> tuple[FieldSpec, ...]:
    found = spec.request(request) if spec else None
    return found.fields if found else ()


def _change(made: Change, template: Template | None, request: str, spec: ConnectorSpec | None) -> ChangeProgram:
    """How what a request has made is changed."""
    taken = _fields(spec, made.request)
    names = {field.name for field in taken}
    fixed = tuple(field.name for field in _fields(spec, request) if field.name not in names) if taken else ()
    written = spec.request(made.request) if spec else None
    restores = written is not None and written.restores
    return ChangeProgram(made.request, template, taken, fixed, restores, dict(made.cannot))


def _undo(
    made: Undo,
    template: Template | None,
    when: Program,
    asks: Mapping[str, tuple[Scalar, ...]],
    spec: ConnectorSpec | None,
) -> UndoProgram:
    """When and how what was made is undone."""
    request = spec.request(made.request) if spec else None
    is_called = spec is not None and spec.delivery == "push"
    word = (request.undone if request else "") or ("taken back" if is_called else "voided")
    return UndoProgram(when, made.request, template, _fields(spec, made.request), asks, made.gone, word)


def follow_up_of(stream: Stream) -> dict[str, Any]:
    """How the source is told of the stream's records, as it is kept with each operation."""
    mark = stream.mark_synced
    if mark is None:
        return {}
    told = {"connection": mark.connection, "kind": mark.kind, "reference": mark.reference.text}
    return {"mark": told, "failures": list(mark.failures)}


def in_order(flow: Flow) -> Iterator[Stream]:
    """Streams after those they name in `after`, otherwise as written."""
    done: set[str] = set()
    waiting = list(flow.streams)
    while waiting:
        ready = next((s for s in waiting if done.issuperset(s.after)), waiting[0])
        waiting.remove(ready)
        done.add(ready.name)
        yield ready


def written_only(flow: Flow) -> frozenset[str]:
    """The connections that are written to and never read or told: what they hold is what was posted."""
    read = {stream.fetch.connection for stream in flow.streams}
    told = {stream.mark_synced.connection for stream in flow.streams if stream.mark_synced}
    return frozenset(stream.target for stream in flow.streams if stream.target) - read - told


def meaning(flow: Flow, name: str) -> tuple[str, ...]:
    """The streams whose records may hold the id of a posted record of the stream `name`, by reference or by lookup."""
    provides = next((s.provide.lookup for s in flow.streams if s.name == name and s.provide), "")
    signs = [f"'{sign}'" for sign in (name, provides) if sign]
    defined = [expr.text for _, expr in flow.define]
    return tuple(
        stream.name
        for stream in flow.streams
        if any(sign in text for text in (*defined, *(expr.text for _, expr in stream.map)) for sign in signs)
    )


def _is_polled(flow: Flow, stream: Stream) -> bool:
    """Whether what a stream writes waits until an agent fetches it."""
    return bool(stream.target) and not is_called(flow, stream.target)


def _specs(flow: Flow) -> Mapping[str, ConnectorSpec]:
    """What the flow's connections are, as far as their connectors are installed."""
    found = {connection.name: registry.find(connection.connector) for connection in flow.connections}
    return {name: connector.spec for name, connector in found.items() if connector is not None}


def _staying(stream: Stream, specs: Mapping[str, ConnectorSpec]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    source = specs.get(stream.fetch.connection)
    spec = source.stream(stream.fetch.stream) if source is not None else None
    return tuple((field.name, field.stays_with) for field in (spec.fields if spec else ()) if field.stays_with)


def _lists_of(flow: Flow, stream: Stream, specs: Mapping[str, ConnectorSpec]) -> Iterator[str]:
    """The lists that must have been read before a record can be prepared, that it is read from among them."""
    fetch = stream.fetch
    source = specs.get(fetch.connection)
    if source is not None and source.delivery == "pull" and _is_list(source, fetch.stream):
        yield fetch.stream
    for lookup in _lookups_used(flow, stream):
        if not is_called(flow, lookup.connection):
            yield lookup.list
    yield from (each.kept for each in _called_lists(flow, stream, specs))


def _is_list(spec: ConnectorSpec, name: str) -> bool:
    """Whether what a flow reads under this name is a list of the connector, and no stream of it."""
    return spec.stream(name) is None and spec.list(name) is not None


def _called_lists(flow: Flow, stream: Stream, specs: Mapping[str, ConnectorSpec]) -> tuple[CalledList, ...]:
    """Those of them that a called target has."""
    used = [(each.connection, each.list) for each in _lookups_used(flow, stream)]
    fetch = stream.fetch
    # What stands for a polled target, and is called, has the lists that the flow reads.
    if fetch.connection in specs and _is_list(specs[fetch.connection], fetch.stream):
        used.append((fetch.connection, fetch.stream))
    found = {(name, listed): specs[name].list(listed) for name, listed in used if is_called(flow, name)}
    return tuple(CalledList(connection, spec) for (connection, _), spec in found.items() if spec is not None)


def _lookups_used(flow: Flow, stream: Stream) -> Iterator[Lookup]:
    """The lookups that the stream's expressions name; text search is enough, since a name stands there as a literal."""
    texts = [expr.text for _, expr in (*stream.map, *flow.define)] + [item.only.text for item in stream.select]
    texts += [variant.when.text for variant in stream.variants if variant.when]
    if stream.adopt:
        texts.append(stream.adopt.found.text)
    for lookup in flow.lookups:
        if any(f"'{lookup.name}'" in text for text in texts):
            yield lookup
