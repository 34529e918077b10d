"""What a rule may ask: the flow, where its parts were written, what its connectors offer, and the templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Edit, Level, Location, clearly_meant, suggestion
from engine.flowlang.structure import Steps, as_kind, dotted
from engine.flowlang.yamlsource import ListNode, MapNode, Node, ScalarNode, place
from engine.identity import by_identity
from engine.lints.facts import Facts
from engine.listspec import fields_of, stream_of
from engine.mapping import Scope
from engine.model import Expr, Flow, Lookup, Stream, Variant
from engine.spec import ConnectorSpec, FieldSpec, ListSpec, RequestSpec, StreamSpec, kind_of, told_by

if TYPE_CHECKING:  # Jinja takes 40 ms to import; a flow without templates does not pay for it
    from engine.render import Templates

ENGINE_VARIABLES = frozenset({"guid", "request_id"})
# What the template of a change knows beside that: the object it changes, and its version when it was written.
CHANGE_VARIABLES = ENGINE_VARIABLES | {"target_id", "edit_sequence"}
# The template of an undo knows nothing of the map: the source record may lack by then what was mapped.
UNDO_VARIABLES = CHANGE_VARIABLES | {"kind"}

Context = Literal["settings", "source", "mapped", "receipt", "define"]


class Rule(Protocol):
    """One semantic rule: its code, and its check."""

    ID: str

    def check(self, flow: Flow, env: Env) -> Iterable[Diagnostic]:
        """Every place where the flow breaks the rule."""
        ...


@dataclass(frozen=True, slots=True)
class Use:
    """An expression, the path it was written at, what it is evaluated over, and the stream it belongs to."""

    steps: Steps
    expr: Expr
    context: Context
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A request that a stream writes, the first time or as a change: its path, and what the engine gives its template.

    `undoes` is the kind of object that it undoes, empty for what is rendered from the map.
    """

    steps: Steps
    request: str
    template: str | None
    given: frozenset[str] = ENGINE_VARIABLES
    undoes: str = ""


@dataclass(slots=True)
class _Found:
    """What the first rule that asks finds out of a flow, for all that ask after it."""

    scope: Scope | None = None
    uses: tuple[Use, ...] = ()


@dataclass(frozen=True, slots=True)
class Env:
    """The surroundings of a flow. `specs` has an entry for each connection whose connector was found.

    `complete` is false when the file has structural problems: then what seems unused may be used in a broken part.
    """

    flow: Flow
    document: MapNode
    specs: Mapping[str, ConnectorSpec]
    broken: Mapping[str, str]
    connectors: tuple[str, ...]
    load_templates: Callable[[], Templates]
    facts: Facts
    complete: bool = True
    found: _Found = field(default_factory=_Found, compare=False, repr=False)

    # -- places

    def at(self, steps: Steps, *, key: bool = False) -> Location:
        """Where the value at a path starts, or with `key` the key itself; the nearest part above when it is absent."""
        node: Node = self.document
        found: Node = node
        for step in steps:
            name: Node | None = None
            inner: Node | None = None
            if isinstance(step, str) and isinstance(node, MapNode):
                name, inner = node.key(step), node.get(step)
            elif isinstance(step, int) and isinstance(node, ListNode) and step < len(node.items):
                name = inner = node.items[step]
            if name is None or inner is None:
                return Location(self.flow.path, found.line, found.column)
            found = name
            node = inner
        found = found if key else node
        return Location(self.flow.path, found.line, found.column)

    def problem(
        self,
        code: str,
        steps: Steps,
        message: str,
        hint: str | None = None,
        *,
        key: bool = False,
        level: Level = "error",
    ) -> Diagnostic:
        """A problem of the value at a path."""
        return Diagnostic(self.at(steps, key=key), code, dotted(steps), message, hint, level)

    def misspelt(
        self, code: str, steps: Steps, message: str, given: str, known: Iterable[str], *, key: bool = False
    ) -> Diagnostic:
        """A problem of a name, given in the value at a path or with `key` as the key itself; mended when it is clear."""
        names = [*known]
        at = self.at(steps, key=key)
        node = self.node(steps)
        if not key and isinstance(node, ScalarNode) and not node.text.startswith(given):
            at = at.shifted(max(0, node.text.find(given)))  # `books.Vendors`: the name of the list
        meant = clearly_meant(given, names)
        edit = Edit(at, given, meant) if meant else None
        return Diagnostic(at, code, dotted(steps), message, suggestion(given, names), edit=edit)

    def place(self, expr: Expr, offset: int) -> Location:
        """Where a character inside an expression was written, across line breaks, indentation and escapes."""
        return place(self.flow.source, expr.location, offset, expr.text)

    # -- names

    def declared(self, section: str) -> tuple[str, ...]:
        """Every name in a section, also of entries that have problems of their own."""
        return self.names((section,))

    def names(self, steps: Steps) -> tuple[str, ...]:
        """The keys of the mapping at a path."""
        node = self.node(steps)
        return tuple(name.text for name, _ in node.entries) if isinstance(node, MapNode) else ()

    def text(self, steps: Steps) -> str | None:
        """The text written at a path."""
        node = self.node(steps)
        return node.text if isinstance(node, ScalarNode) else None

    def has(self, steps: Steps) -> bool:
        """Whether anything is written at a path."""
        return self.node(steps) is not None

    def node(self, steps: Steps) -> Node | None:
        """What is written at a path."""
        node: Node | None = self.document
        for step in steps:
            if isinstance(step, str):
                node = node.get(step) if isinstance(node, MapNode) else None
            else:
                node = node.items[step] if isinstance(node, ListNode) and step < len(node.items) else None
        return node

    # -- what connectors offer

    def stream_spec(self, stream: Stream) -> StreamSpec | None:
        """What the source says of the records a stream reads."""
        spec = self.specs.get(stream.fetch.connection)
        return stream_of(spec, stream.fetch.stream) if spec else None

    def request_spec(self, stream: Stream, request: str) -> RequestSpec | None:
        """What the target says of a request."""
        spec = self.specs.get(stream.target)
        return spec.request(request) if spec else None

    def list_spec(self, lookup: Lookup) -> ListSpec | None:
        """What the target says of the list behind a lookup."""
        spec = self.specs.get(lookup.connection)
        return spec.list(lookup.list) if spec else None

    def templates(self) -> Templates:
        """The templates of the flow's own folder and the shipped ones."""
        return self.load_templates()

    # -- expressions

    def scope(self) -> Scope:
        """The names every expression of the flow may use, and what is known of its expressions."""
        if self.found.scope is None:
            self.found.scope = self._scope()
        return self.found.scope

    def _scope(self) -> Scope:
        offered: dict[str, tuple[FieldSpec, ...]] = {}
        for lookup in self.flow.lookups:
            listed = self.list_spec(lookup)
            if listed is not None and listed.fields:
                offered[lookup.name] = fields_of(self.specs[lookup.connection], listed)
        types = {setting.name: setting.type for setting in self.flow.settings}
        return Scope(
            settings={name: types.get(name, "text") for name in self.declared("settings")},
            lookups=frozenset(self.declared("lookups")),
            streams=frozenset(self.declared("streams")),
            define=dict(self.flow.define),
            lookup_fields=offered,
            receipts={stream.name: found for stream in self.flow.streams if (found := receipt_fields(stream, self))},
            place=self.place,
        )

    def uses(self) -> tuple[Use, ...]:
        """Every expression of the flow."""
        if not self.found.uses:
            self.found.uses = (
                *(Use(("define", name), expr, "define") for name, expr in self.flow.define),
                *(
                    Use(("streams", stream.name, *steps), expr, context, stream)
                    for stream in self.flow.streams
                    for steps, expr, context in _stream_uses(stream, self)
                ),
            )
        return self.found.uses


def rewritten(problem: Diagnostic, steps: Steps, kind: str, env: Env) -> Diagnostic:
    """The same problem, mended by writing the scalar at a path as a value of another kind, when that is clear."""
    node = env.node(steps)
    edit = as_kind(node, kind, env.flow.path) if isinstance(node, ScalarNode) else None
    return replace(problem, edit=edit)


def comment_after(steps: Steps, env: Env) -> str:
    """The comment that begins where the plain text at a path ends, with the space before it; empty for none."""
    node = env.node(steps)
    if not isinstance(node, ScalarNode) or node.style:
        return ""
    end = place(env.flow.source, Location(env.flow.path, node.line, node.column), len(node.text), node.text)
    rest = env.flow.source.split("\n")[end.line - 1][end.column - 1 :].rstrip()
    return rest if rest.lstrip().startswith("#") else ""


def receipt_fields(stream: Stream, env: Env) -> tuple[FieldSpec, ...]:
    """What the receipts of a stream hold, of any of its variants; nothing when that is not known."""
    target = env.specs.get(stream.target)
    specs = [target.request(variant.request) if target else None for variant in stream.variants]
    if target is None or not specs or None in specs:
        return ()
    return _told(target, *(spec for spec in specs if spec is not None))


@by_identity
def _told(target: ConnectorSpec, *requests: RequestSpec) -> tuple[FieldSpec, ...]:
    told = [field for request in requests for field in told_by(target, request)]
    return tuple({field.name: field for field in told}.values())


def variants(stream: Stream, env: Env) -> Iterator[tuple[Steps, Variant]]:
    """The ways a stream writes, each with its path."""
    base: Steps = ("streams", stream.name, "write")
    many = env.has((*base, "one_of"))
    for index, variant in enumerate(stream.variants):
        yield ((*base, "one_of", index) if many else base), variant


def documents(stream: Stream, env: Env) -> Iterator[Document]:
    """Every request that a stream writes: each variant's own, then its change, then its undo."""
    for steps, variant in variants(stream, env):
        yield Document(steps, variant.request, variant.template)
        if variant.change is not None:
            change = variant.change
            yield Document((*steps, "change"), change.request, change.template, CHANGE_VARIABLES)
        if variant.undo is not None:
            undo, kind = variant.undo, kind_of(variant.request)
            yield Document((*steps, "undo"), undo.request, undo.template, UNDO_VARIABLES, kind)


def over_map(stream: Stream) -> Iterator[Expr]:
    """The expressions that read what the map gives: checks, conditions of variants, details of a mark."""
    yield from (check.expect for check in stream.check)
    yield from (variant.when for variant in stream.variants if variant.when is not None)
    if stream.mark_synced is not None:
        yield from (expr for _, expr in stream.mark_synced.details)


def _stream_uses(stream: Stream, env: Env) -> Iterator[tuple[Steps, Expr, Context]]:
    single: tuple[tuple[str, Expr | None, Context], ...] = (
        ("when", stream.when, "settings"),
        ("key", stream.key, "source"),
        ("adopt", stream.adopt.found if stream.adopt else None, "source"),
    )
    for key, expr, context in single:
        if expr is not None:
            yield (key,), expr, context
    about = stream.about
    for key in ("amount", "currency", "party", "reference", "date"):
        found: Expr | None = getattr(about, key)
        if found is not None:
            yield ("about", key), found, "source"
    short = env.text(("streams", stream.name, "select")) is not None
    for index, select in enumerate(stream.select):
        yield (("select",) if short else ("select", index, "only")), select.only, "source"
    for name, expr in stream.map:
        yield ("map", name), expr, "source"
    for index, check in enumerate(stream.check):
        yield ("check", index, "expect"), check.expect, "mapped"
    for steps, variant in variants(stream, env):
        if variant.when is not None:
            yield (*steps[2:], "when"), variant.when, "mapped"
        if variant.undo is not None:
            yield (*steps[2:], "undo", "when"), variant.undo.when, "source"
    if stream.provide is not None:
        yield ("provide", "key"), stream.provide.key, "source"
    yield from _told_uses(stream)


def _told_uses(stream: Stream) -> Iterator[tuple[Steps, Expr, Context]]:
    if stream.mark_synced is not None:
        yield ("mark_synced", "reference"), stream.mark_synced.reference, "receipt"
        for name, expr in stream.mark_synced.details:
            yield ("mark_synced", "with", name), expr, "mapped"


@lru_cache(maxsize=8)
def templates_beside(folder: Path) -> Templates:
    """The templates a flow in `folder` may use: those in its `templates` folder first, then the shipped ones."""
    from engine.render import Templates

    own = folder / "templates"
    return Templates([own] if own.is_dir() else [])
