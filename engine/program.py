"""A flow made ready to run: every expression compiled, every template loaded, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.jsontext import plain
from engine.mapping import (
    ConditionsProgram,
    MapProgram,
    Program,
    Scope,
    compile_conditions,
    compile_expression,
    compile_map,
)
from engine.model import Expr, Flow, Lookup, Stream, Variant
from engine.render import Template, Templates

ABOUT = ("amount", "currency", "party", "reference", "date")


@dataclass(frozen=True, slots=True)
class ChangeProgram:
    """How what one way of writing has made is changed."""

    request: str
    template: Template | None


@dataclass(frozen=True, slots=True)
class UndoProgram:
    """When what one way of writing has made is undone, and how; `when` is over the source record."""

    when: Program
    request: str
    template: Template | None


@dataclass(frozen=True, slots=True)
class VariantProgram:
    """One way of writing. `follow_up` is kept with each operation: how the source is told, and whether it can be changed."""

    when: Program | None
    request: str
    template: Template | None
    follow_up: str
    change: ChangeProgram | None = None
    undo: UndoProgram | None = None

    @property
    def requests(self) -> tuple[str, ...]:
        """The requests that write it: the first time, and later."""
        return (self.request, self.change.request) if self.change else (self.request,)


@dataclass(frozen=True, slots=True)
class StreamProgram:
    """One stream, compiled. `lists` are the target's lists that must be known before a record can be prepared.

    `still` are the conditions among `select` that a change of what is posted must meet as well.
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
    variants: tuple[VariantProgram, ...]
    provide_key: Program | None
    lists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlowProgram:
    """One flow, compiled; its streams stand in the order in which they run."""

    flow: Flow
    streams: tuple[StreamProgram, ...]
    settings: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    # All lists that any stream needs.
    lists: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        needed = dict.fromkeys(name for stream in self.streams for name in stream.lists)
        object.__setattr__(self, "lists", tuple(needed))

    def stream(self, name: str) -> StreamProgram:
        """The stream called `name`."""
        return next(s for s in self.streams if s.stream.name == name)


def scope_of(flow: Flow) -> Scope:
    """The names that the flow's expressions may use."""
    return Scope(
        settings={setting.name: setting.type for setting in flow.settings},
        lookups=frozenset(lookup.name for lookup in flow.lookups),
        streams=frozenset(stream.name for stream in flow.streams),
        define=dict(flow.define),
    )


def compile_flow(flow: Flow) -> FlowProgram:
    """Compile a flow that `validate` accepts."""
    scope = scope_of(flow)
    folder = Path(flow.path).parent / "templates"
    templates = Templates([folder] if folder.is_dir() else [])

    def compiled(expr: Expr) -> Program:
        return compile_expression(expr, scope)

    def optional(expr: Expr | None) -> Program | None:
        return compiled(expr) if expr else None

    def template(name: str | None) -> Template | None:
        return templates.get(name) if name else None

    def variant_program(stream: Stream, variant: Variant) -> VariantProgram:
        change = variant.change and ChangeProgram(variant.change.request, template(variant.change.template))
        told = follow_up_of(stream)
        undo = variant.undo and UndoProgram(
            compiled(variant.undo.when), variant.undo.request, template(variant.undo.template)
        )
        # What can be undone is changed as well: what the source says meanwhile is looked at once it is posted.
        follow_up = plain({**told, "change": True} if change or undo else told)
        made = template(variant.template)
        return VariantProgram(optional(variant.when), variant.request, made, follow_up, change or None, undo or None)

    def stream_program(stream: Stream) -> StreamProgram:
        still = [item for item in stream.select if not item.first]
        about = [(name, expr) for name in ABOUT if (expr := getattr(stream.about, name))]
        return StreamProgram(
            stream,
            optional(stream.when),
            compiled(stream.key),
            compile_map(about, scope),
            tuple(compile_map([entry], scope) for entry in about),
            compile_conditions([item.only for item in stream.select], scope),
            tuple(item.say for item in stream.select),
            compile_conditions([item.only for item in still], scope),
            tuple(item.say for item in still),
            compiled(stream.adopt.found) if stream.adopt else None,
            compile_map(stream.map, scope),
            compile_conditions([item.expect for item in stream.check], scope),
            tuple(item.say for item in stream.check),
            tuple(variant_program(stream, variant) for variant in stream.write.variants),
            compiled(stream.provide.key) if stream.provide else None,
            tuple(dict.fromkeys(lookup.list for lookup in _lookups_used(flow, stream))),
        )

    return FlowProgram(
        flow,
        tuple(stream_program(stream) for stream in in_order(flow)),
        {setting.name: setting.default for setting in flow.settings},
    )


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


def _lookups_used(flow: Flow, stream: Stream) -> Iterator[Lookup]:
    """The lookups that the stream's expressions name; text search is enough, since a name stands there as a literal."""
    texts = [expr.text for _, expr in (*stream.map, *flow.define)] + [item.only.text for item in stream.select]
    if stream.adopt:
        texts.append(stream.adopt.found.text)
    for lookup in flow.lookups:
        if any(f"'{lookup.name}'" in text for text in texts):
            yield lookup
