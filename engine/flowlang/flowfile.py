"""From a flow file to `engine.model.Flow`, with every problem of the file found in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar, cast

from engine import model
from engine.dataclass import dataclass
from engine.diagnostics import Diagnostic, Location
from engine.errors import FlowFileUnreadable
from engine.flowlang import language
from engine.flowlang.structure import UNKNOWN_KEY, check_structure
from engine.flowlang.yamlsource import MAX_BYTES, UNREADABLE, ListNode, MapNode, Node, ScalarNode
from engine.flowlang.yamlsource import load as load_yaml
from engine.model import Expr, Flow

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read: with problems, `flow` holds the parts that are sound, so that they can still be checked."""

    path: str
    source: str
    document: MapNode | None
    flow: Flow | None
    problems: tuple[Diagnostic, ...]


def load_flow(path: Path) -> tuple[Flow | None, list[Diagnostic]]:
    """Read a flow file; the flow is None when there is an error.

    Raises:
        FlowFileUnreadable: when there is no such file, or the system does not let us read it.
    """
    loaded = read_flow(path)
    sound = not any(problem.level == "error" for problem in loaded.problems)
    return loaded.flow if sound else None, list(loaded.problems)


def read_flow(path: Path) -> Loaded:
    """Read a flow file and keep what is needed to check it further."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 2)
    except OSError as error:
        raise FlowFileUnreadable(str(path), error.strerror or type(error).__name__) from error
    return parse_flow(data, str(path))


def parse_flow(data: bytes, path: str) -> Loaded:
    """Read a flow from bytes; `path` is what problems are reported under."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Loaded(path, "", None, None, (_undecodable(data, error, path),))
    node, problems = load_yaml(text, path)
    if node is not None:
        node, found = _checked(node, path)
        problems += found
    problems.sort(key=place_order)
    document = node if isinstance(node, MapNode) else None
    flow = _Builder(path, text).flow(document) if document is not None else None
    return Loaded(path, text, document, flow, tuple(problems))


def _checked(node: Node, path: str) -> tuple[Node, list[Diagnostic]]:
    """What is wrong with the structure; where a key can only mean one, what stands below it is checked and used as well."""
    problems = check_structure(node, language.FLOW, path)
    found: list[Diagnostic] = []
    while meant := {problem.location: problem for problem in problems if problem.code == UNKNOWN_KEY and problem.edit}:
        found += meant.values()
        node = _renamed(node, meant)
        problems = check_structure(node, language.FLOW, path)
    return node, found + problems


def _renamed(node: Node, meant: Mapping[Location, Diagnostic]) -> Node:
    """The same document with the keys that are meant."""
    if isinstance(node, ListNode):
        return replace(node, items=tuple(_renamed(item, meant) for item in node.items))
    if isinstance(node, ScalarNode):
        return node
    path = next(iter(meant)).path
    entries = []
    for name, value in node.entries:
        problem = meant.get(Location(path, name.line, name.column))
        edit = problem.edit if problem is not None else None
        entries.append((replace(name, text=edit.new, value=edit.new) if edit else name, _renamed(value, meant)))
    return replace(node, entries=tuple(entries))


def place_order(problem: Diagnostic) -> tuple[str, int, int, str, str, str]:
    """The order problems are shown in."""
    at = problem.location
    return at.path, at.line, at.column, problem.code, problem.where, problem.message


def _undecodable(data: bytes, error: UnicodeDecodeError, path: str) -> Diagnostic:
    before = data[: error.start]
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig")) + 1
    where = Location(path, before.count(b"\n") + 1, column)
    return Diagnostic(where, UNREADABLE, "", "the file is not UTF-8 text", "save it in the encoding UTF-8")


class _Missing(Exception):
    """A part cannot be built; the structural check has said why."""


class _Builder:
    """Builds the model from nodes, leaving out the parts that are broken."""

    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.source = source

    def flow(self, document: MapNode) -> Flow:
        """Build the flow as far as it is sound."""
        describe = document.get("describe")
        name = document.get("flow")
        starts = document.get("starts")
        return Flow(
            name=name.text if isinstance(name, ScalarNode) else "",
            version=1,
            describe=describe.text if isinstance(describe, ScalarNode) else "",
            path=self.path,
            connections=self._named(document, "connections", self._connection),
            settings=self._named(document, "settings", self._setting),
            lookups=self._named(document, "lookups", self._lookup),
            define=self._expressions(document, "define"),
            streams=self._named(document, "streams", self._stream),
            source=self.source,
            starts="by_hand" if isinstance(starts, ScalarNode) and starts.text == "by_hand" else "at_once",
        )

    # -- parts of a flow

    def _connection(self, name: ScalarNode, node: MapNode) -> model.Connection:
        return model.Connection(name.text, _text(node, "connector"), self._at(name))

    def _setting(self, name: ScalarNode, node: MapNode) -> model.Setting:
        default = node.get("default")
        connection, _, told = _text(node, "told_by").partition(".") if node.get("told_by") else ("", "", "")
        value = default.value if isinstance(default, ScalarNode) else None
        if isinstance(value, str | int | bool | None):
            return model.Setting(
                name.text,
                cast("model.SettingType", _choice(node, "type", ("text", "date", "boolean", "integer", "choice"))),
                value,
                _text(node, "help"),
                _texts(node, "options"),
                self._at(name),
                _whole(node, "min"),
                _whole(node, "max"),
                connection,
                told,
            )
        raise _Missing

    def _lookup(self, name: ScalarNode, node: MapNode) -> model.Lookup:
        connection, dot, listed = _text(node, "target").partition(".")
        if not dot:
            raise _Missing
        rules = cast("tuple[model.MatchRule, ...]", _texts(node, "match"))
        return model.Lookup(name.text, connection, listed, rules, self._at(name))

    def _stream(self, name: ScalarNode, node: MapNode) -> model.Stream:
        phase = node.get("phase")
        write = _needed(self._part(node, "write", self._write)) if node.get("write") is not None else None
        return model.Stream(
            name=name.text,
            after=_texts(node, "after"),
            when=self._optional(node, "when"),
            trigger=self._part(node, "trigger", self._trigger) or model.Trigger(),
            fetch=_needed(self._part(node, "fetch", self._fetch)),
            select=self._select(node.get("select")),
            key=self._expr(node, "key"),
            phase=phase.text if isinstance(phase, ScalarNode) and write else "post" if write else model.WATCH,
            about=self._part(node, "about", self._about) or model.About(),
            adopt=model.Adopt(self._expr(node, "adopt")) if self._optional(node, "adopt") else None,
            map=self._expressions(node, "map"),
            check=self._items(node.get("check"), self._check),
            write=write,
            provide=self._part(node, "provide", self._provide),
            mark_synced=self._part(node, "mark_synced", self._mark),
            location=self._at(name),
        )

    # -- parts of a stream

    def _trigger(self, _: ScalarNode, node: MapNode) -> model.Trigger:
        return model.Trigger(_seconds(node.get("every")), _texts(node, "webhook"), _seconds(node.get("visit")))

    def _fetch(self, name: ScalarNode, node: MapNode) -> model.Fetch:
        filters, withdrawn = _scalars(node.get("with")), _scalars(node.get("withdrawn"))
        sweep_s = _seconds(node.get("sweep"))
        return model.Fetch(_text(node, "from"), _text(node, "stream"), filters, self._at(name), sweep_s, withdrawn)

    def _select(self, node: Node | None) -> tuple[model.Select, ...]:
        if isinstance(node, ScalarNode):
            return (model.Select(self._written(node), _default_say(node.text)),) if isinstance(node.value, str) else ()
        return self._items(node, self._condition)

    def _condition(self, node: MapNode) -> model.Select:
        only = self._expr(node, "only")
        say = node.get("say")
        written = node.get("for")
        kind = written.text if isinstance(written, ScalarNode) else ""
        said = say.text if isinstance(say, ScalarNode) else _default_say(only.text)
        return model.Select(only, said, kind == "first", kind == "later")

    def _check(self, node: MapNode) -> model.Check:
        return model.Check(self._expr(node, "expect"), _text(node, "say"))

    def _about(self, _: ScalarNode, node: MapNode) -> model.About:
        keys = ("amount", "currency", "party", "reference", "date")
        return model.About(**{key: self._optional(node, key) for key in keys})

    def _write(self, name: ScalarNode, node: MapNode) -> model.Write:
        variants = self._items(node.get("one_of"), self._variant) if node.get("one_of") else (self._variant(node),)
        return model.Write(_text(node, "to"), variants, self._at(name))

    def _variant(self, node: MapNode) -> model.Variant:
        template = node.get("template")
        return model.Variant(
            self._optional(node, "when"),
            _text(node, "request"),
            template.text if isinstance(template, ScalarNode) else None,
            Location(self.path, node.line, node.column),
            self._part(node, "change", self._change),
            self._part(node, "undo", self._undo),
        )

    def _change(self, name: ScalarNode, node: MapNode) -> model.Change:
        template, cannot = node.get("template"), node.get("cannot")
        named = template.text if isinstance(template, ScalarNode) else None
        entries = cannot.entries if isinstance(cannot, MapNode) else ()
        says = tuple((key.text, value.text) for key, value in entries if isinstance(value, ScalarNode))
        return model.Change(_text(node, "request"), named, self._at(name), says)

    def _undo(self, name: ScalarNode, node: MapNode) -> model.Undo:
        template = node.get("template")
        named = template.text if isinstance(template, ScalarNode) else None
        gone = node.get("gone")
        is_gone = isinstance(gone, ScalarNode) and gone.value is True
        return model.Undo(self._expr(node, "when"), _text(node, "request"), named, self._at(name), is_gone)

    def _provide(self, name: ScalarNode, node: MapNode) -> model.Provide:
        return model.Provide(_text(node, "lookup"), self._expr(node, "key"), self._at(name))

    def _mark(self, name: ScalarNode, node: MapNode) -> model.MarkSynced:
        failures = cast(
            "tuple[Literal['failed', 'deferred'], ...]",
            _texts(node, "failures") if node.get("failures") else ("failed",),
        )
        return model.MarkSynced(
            _text(node, "in"),
            _text(node, "as"),
            self._expr(node, "reference"),
            failures,
            self._at(name),
            self._expressions(node, "with"),
        )

    # -- leaves

    def _at(self, node: ScalarNode) -> Location:
        return Location(self.path, node.line, node.column)

    def _written(self, node: ScalarNode) -> Expr:
        return Expr(node.text, self._at(node))

    def _optional(self, node: MapNode, key: str) -> Expr | None:
        value = node.get(key)
        return (
            self._written(value)
            if isinstance(value, ScalarNode) and isinstance(value.value, str) and value.text
            else None
        )

    def _expr(self, node: MapNode, key: str) -> Expr:
        return _needed(self._optional(node, key))

    def _expressions(self, node: MapNode, key: str) -> tuple[tuple[str, Expr], ...]:
        given = node.get(key)
        if not isinstance(given, MapNode):
            return ()
        return tuple((name.text, expr) for name, _ in given.entries if (expr := self._optional(given, name.text)))

    def _named(self, node: MapNode, key: str, build: Callable[[ScalarNode, MapNode], T]) -> tuple[T, ...]:
        given = node.get(key)
        names = [name.text for name, _ in given.entries] if isinstance(given, MapNode) else []
        parts = (self._part(cast("MapNode", given), name, build) for name in names)
        return tuple(part for part in parts if part is not None)

    def _part(self, node: MapNode, key: str, build: Callable[[ScalarNode, MapNode], T]) -> T | None:
        name, value = node.key(key), node.get(key)
        if name is None or not isinstance(value, MapNode):
            return None
        try:
            return build(name, value)
        except _Missing:
            return None

    def _items(self, node: Node | None, build: Callable[[MapNode], T]) -> tuple[T, ...]:
        """The items of a list; none of them when one is broken, so that positions in the list stay true."""
        built = []
        for item in node.items if isinstance(node, ListNode) else ():
            try:
                built.append(build(_needed(item if isinstance(item, MapNode) else None)))
            except _Missing:
                return ()
        return tuple(built)


def _needed(value: T | None) -> T:
    if value is None:
        raise _Missing
    return value


def _text(node: MapNode, key: str) -> str:
    value = node.get(key)
    if isinstance(value, ScalarNode) and isinstance(value.value, str):
        return value.text
    raise _Missing


def _whole(node: MapNode, key: str) -> int | None:
    value = node.get(key)
    number = value.value if isinstance(value, ScalarNode) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _choice(node: MapNode, key: str, options: tuple[str, ...]) -> str:
    text = _text(node, key)
    if text not in options:
        raise _Missing
    return text


def _texts(node: MapNode, key: str) -> tuple[str, ...]:
    value = node.get(key)
    items = value.items if isinstance(value, ListNode) else ()
    texts = [item.text for item in items if isinstance(item, ScalarNode) and isinstance(item.value, str)]
    return tuple(texts) if len(texts) == len(items) else ()


def _seconds(node: Node | None) -> int | None:
    text = node.text if isinstance(node, ScalarNode) else ""
    return int(text[:-1]) * _SECONDS[text[-1]] if text[-1:] in _SECONDS and text[:-1].isdecimal() else None


def _scalars(node: Node | None) -> dict[str, model.Scalar]:
    found: dict[str, model.Scalar] = {}
    for key, value in node.entries if isinstance(node, MapNode) else ():
        if isinstance(value, ScalarNode) and isinstance(value.value, str | int | bool | None):
            found[key.text] = value.value
    return found


def _default_say(expression: str) -> str:
    return f"not selected: {' '.join(expression.split())}"
